"""What is left of a search: reached exactly where the sums of a channel are few, or proved unreachable (COVER-3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import gcd

import numpy as np
from numpy.typing import NDArray

from fsref.coverage.fields import Fields
from fsref.coverage.group import Bits, Group
from fsref.coverage.knapsack import Sums
from fsref.coverage.openings import Openings
from fsref.law.bounds import alike, spans
from fsref.law.neuron import Ints

NO_SUM = "no sum of its weights and codes is there"
PLACES = 36  # that see different taps, at most, or nothing is tried


@dataclass(frozen=True, eq=False)
class Neuron:
    """The inputs of one neuron, by number; its sums, exactly, None where they are too many to look at; its bias; where
    sums are too many a divisor that all its weights times codes have in common.
    """

    at: NDArray[np.intp]
    sums: Sums | None
    bias: int
    common: int

    def meets(self, low: int, high: int) -> bool:
        """Whether a sum may be in low..high."""
        if self.sums is not None:
            return self.sums.within(low, high) is not None
        return low <= 0 <= high or (self.common > 0 and high // self.common * self.common >= low)


class Exact:
    """The sums of each channel of an fs or readout; `bias` is (C, H, W)."""

    def __init__(self, fields: Fields, openings: Openings, bias: Ints) -> None:
        self.fields, self.openings, self.bias = fields, openings, bias
        seen = [spans(q, fields.shapes[q.source], fields.p.shape) for q in fields.into]
        rows, columns = (alike(axis) for axis in zip(*seen, strict=True))
        # One place for all that see the same taps, the last first: it is less often at the border.
        self.places = list(product(rows[::-1], columns[::-1])) if len(rows) * len(columns) <= PLACES else []
        self.channel, self.held = -1, list[Neuron]()

    def never(self, left: Sequence[tuple[Group, Bits]]) -> list[Bits]:
        """Which of some bins of groups of channels no stimulus can reach."""
        proved = [np.zeros_like(bits).reshape(len(bits), -1) for _, bits in left]
        for c in range(len(self.bias)) if self.places else ():  # the sums of a channel are formed once
            biases = np.unique(self.bias[c]).tolist()
            for (group, bits), found in zip(left, proved, strict=True):
                for t in np.flatnonzero(bits[c]).tolist():
                    targets = self.openings.targets(group, c * found.shape[1] + t)
                    rows = [row for _, openings in targets for row in openings.tolist()]
                    wanted = [(low - bias, high - bias) for low, high in rows for bias in biases]
                    found[c, t] = not any(neuron.meets(*ends) for ends in wanted for neuron in self.neurons(c))
        return [found.reshape(bits.shape) for (_, bits), found in zip(left, proved, strict=True)]

    def codes(self, channel: int, openings: Ints) -> tuple[NDArray[np.intp], Ints] | None:
        """Inputs, by number, and codes of them that set the membrane of some neuron of a channel into one of these
        intervals (n, 2); None where sums are too many to look at, or none of those looked at has it.
        """
        for neuron in self.neurons(channel):
            if neuron.sums is None:
                continue
            for low, high in openings.tolist():
                total = neuron.sums.within(low - neuron.bias, high - neuron.bias)
                if total is not None:
                    return neuron.at, neuron.sums.codes(total)
        return None

    def neurons(self, channel: int) -> list[Neuron]:
        """A neuron of a channel for each set of taps that its neurons see."""
        if channel != self.channel:
            self.channel, self.held = channel, [self._neuron(channel, y, x) for y, x in self.places]
        return self.held

    def _neuron(self, channel: int, y: int, x: int) -> Neuron:
        size = len(self.bias) // self.fields.blocks
        at, weights = self.fields.patch(channel // size, y, x)
        own = weights[channel % size]
        order = np.argsort(np.abs(own), kind="stable")  # small weights first, whose sums leave few gaps (Sums)
        order = order[own[order] != 0]
        at, own = at[order], own[order]
        options = [self.fields.inputs.codes(j) for j in at.tolist()]
        sums = Sums(own, options) if Sums.fit(own, options) else None
        common = 0
        if sums is None:
            each = zip(own.tolist(), at, options, strict=True)
            kinds = {(w, self.fields.inputs.kind[j]): codes for w, j, codes in each}
            common = gcd(*(w * int(np.gcd.reduce(codes)) for (w, _), codes in kinds.items()))
        return Neuron(at, sums, int(self.bias[channel, y, x]), common)
