"""What was compared of one population so far: counts, images, how far all that differs reaches, and what of it is x or
z (TRACE-3, TRACE-6).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.simulation.difference import Difference, located
from fsref.simulation.recording import Key
from fsref.simulation.shared import Shared
from fsref.tables import Brief
from fsref.verification.extent import Extent


@dataclass(repr=False)
class Count(Brief):
    """What was compared of a population so far: integers, those that differ, those of them that are x or z, in which
    images, the first of both, the images in which nothing of an array was answered, and the sources that were not
    observed but computed; how many trains are x or z in some steps alone, and the first of them in digits.
    """

    values: int = 0
    differing: int = 0
    unknown: int = 0
    keys: dict[Key, int] = field(default_factory=dict)
    wrong: list[NDArray[np.bool_]] = field(default_factory=list)
    first: Difference | None = None
    first_unknown: Difference | None = None
    unanswered: dict[Key, list[int]] = field(default_factory=dict)
    computed: dict[str, int] = field(default_factory=dict)
    extent: Extent = field(default_factory=Extent)
    partial: int = 0
    digits: str = ""

    def add(self, part: Shared, start: int) -> None:
        """Count an array of some images from `start` on, whose images `wrong` ends in."""
        trains = part.key[1] == "spikes"
        for some, observed, expected, bits in part.chunks():
            unlike = (observed ^ expected) & bits
            self.values += _integers(bits, trains)
            if not (differing := _integers(unlike, trains)):
                continue
            self.keys[part.key] = self.keys.get(part.key, 0) + differing
            self.differing += differing
            self.wrong[-1][some] |= unlike.reshape(len(unlike), -1).any(axis=1)
            unknown = part.unknown(some)
            if unknown is not None and (unknown := unknown & unlike).any():
                self._hidden(part, start, some.start, expected, unknown, bits)
                if trains:
                    self._partly(part.net.steps[part.population], observed, unknown, bits)
            else:
                unknown = None
            self.extent.add(part, observed & bits, expected & bits, unlike, unknown)

    def _hidden(
        self, part: Shared, start: int, at: int, expected: NDArray[Any], unknown: NDArray[Any], bits: NDArray[Any]
    ) -> None:
        """Count what is x or z in some images from `at` on of an array."""
        self.unknown += _integers(unknown, part.key[1] == "spikes")
        row = int(np.argmax(unknown.reshape(len(unknown), -1).any(axis=1)))
        if self.first_unknown is None or start + at + row < self.first_unknown.image:
            found = located(part, at + row, expected[row] ^ unknown[row], expected[row], bits[row])
            self.first_unknown = replace(found, image=start + at + row)

    def _partly(self, steps: int, observed: NDArray[Any], unknown: NDArray[Any], bits: NDArray[Any]) -> None:
        """Count the trains that are x or z in some steps alone."""
        some = (unknown != 0) & ((bits & ~unknown) != 0)
        self.partial += int(some.sum())
        if not self.digits and some.any():
            at = np.unravel_index(int(some.argmax()), some.shape)
            seen, hidden, train = (int(array[at]) for array in (bits, unknown, observed))
            each = ("x" if hidden >> t & 1 else str(train >> t & 1) if seen >> t & 1 else "-" for t in range(steps))
            self.digits = "".join(each)[::-1]

    def blank(self, part: Shared, start: int) -> None:
        """Take down in which images from `start` on nothing of an array was answered."""
        for first in range(0, part.image_count, 64):
            none = np.flatnonzero(part.unanswered(slice(first, min(first + 64, part.image_count))))
            if len(none):
                self.unanswered.setdefault(part.key, []).extend((start + first + none).tolist())


def _integers(bits: NDArray[Any], trains: bool) -> int:
    """How many integers some bits are of; of trains, how many spikes."""
    return int(np.bitwise_count(bits).sum()) if trains else int((bits != 0).sum())
