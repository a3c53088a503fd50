"""A coding: which code stands for a real value, what a code stands for, and the table that fires it (CONV-2, CONV-5,
FILE-3, FS-5). Calibration, quantisation and comparison ask here and compute no code of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.graph.arithmetic import rounded
from fsref.law.neuron import Ints, Table
from fsref.tables import Brief

Reals: TypeAlias = NDArray[np.float64]


def one_or_all(values: Reals) -> float | list[float]:
    """The number, where there is one, or the list of those of all channels."""
    return float(values[0]) if len(values) == 1 else values.tolist()


@dataclass(frozen=True, repr=False)
class Coding(Brief):
    """The codes low..top of real values: a code stands for scale * (code - offset), and a value has the code at or
    below it or, with `nearest`, the one nearest to it, a half going up, or to the even or odd code as `halves` says.

    scale, low and top are numbers, or one per channel, (C, 1, 1).
    """

    scale: float | Reals
    offset: int
    top: int | Ints
    nearest: bool = True
    low: int | Ints = 0
    halves: str = "up"

    @property
    def largest(self) -> int:
        """The largest code of all channels."""
        return int(np.max(self.top))

    @property
    def steps(self) -> int:
        """K, the bits of the largest code."""
        return self.largest.bit_length()

    @property
    def unit(self) -> Reals:
        """What theta membrane units are, (1,) or (C,): a membrane of theta units per code."""
        return np.ravel(self.scale)

    @property
    def tallest(self) -> float:
        """The largest magnitude, in units, of what thresholds ask and resets take away."""
        return self.largest + 1.0

    @property
    def moved(self) -> float:
        """How far, in units, membranes go beyond the real sums: the offset, and half a code."""
        return abs(self.offset) + 0.5

    @property
    def rounding(self) -> str:
        """floor, or nearest with halves going up, or even or odd with halves going there."""
        if not self.nearest:
            return "floor"
        return "nearest" if self.halves == "up" else self.halves

    def code(self, values: NDArray[np.floating[Any]]) -> Reals:
        """The codes of real values, of the same shape: whole numbers, in float64."""
        steps = rounded(np.divide(values, self.scale, dtype=np.float64) + self.offset, self.rounding)
        codes: Reals = np.clip(steps, self.low, self.top)
        return codes

    def value(self, codes: NDArray[Any]) -> Reals:
        """The real values that codes stand for, of the same shape."""
        real: Reals = self.scale * (codes - self.offset)
        return real

    def error(self, values: Reals) -> float:
        """The sum of squares of what coding changes in real values."""
        return float(np.square(values - self.value(self.code(values))).sum())

    def to_dict(self) -> dict[str, Any]:
        """What provenance tells of it: how values are rounded, and the largest of them, of all channels or of each."""
        return {"rounding": self.rounding, "alpha": one_or_all(np.ravel(self.scale) * 2**self.steps)}

    def shift(self, theta: Ints) -> Ints:
        """What the bias gains, (C,), so that a membrane of theta units per code fires the code of its value."""
        return theta * self.offset + (theta // 2 if self.nearest else 0)

    def table(self, theta: Ints) -> Table:
        """The table whose code is clamp(floor(v / theta), 0, top), theta (C,): the FS-ReLU when top is 2^K - 1 (FS-5).

        Each d is half of what is left, rounded up, so that every later sum can still reach what remains.
        """
        d, left = [], self.largest
        while left:
            d.append((left + 1) // 2)
            left -= d[-1]
        thresholds = theta[:, None] * np.array(d, np.int64)
        return Table(T=thresholds, h=thresholds, d=np.array(d, np.int64))
