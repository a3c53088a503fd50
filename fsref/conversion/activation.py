"""An activation and its staircase: what a value becomes, which code stands for it, and the table that fires it
(CONV-2, CONV-5, CONV-6).

Calibration, quantisation, comparison and search ask here and compute no code of their own. A further activation is one
more class that answers what Activation does, with one more staircase where its steps are not equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints, Table

Reals: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Staircase:
    """The codes 0..top of real values: a code stands for scale * (code - offset), and a value has the code at or below
    it or, with `nearest`, the one nearest to it, a half going up.
    """

    scale: float
    offset: int
    top: int
    nearest: bool

    @property
    def steps(self) -> int:
        """K, the bits of a code."""
        return self.top.bit_length()

    @property
    def rounding(self) -> str:
        """nearest or floor."""
        return "nearest" if self.nearest else "floor"

    def code(self, values: Reals) -> Reals:
        """The codes of real values, of the same shape: whole numbers, still float64."""
        half = 0.5 if self.nearest else 0.0
        codes: Reals = np.clip(np.floor(values / self.scale + (self.offset + half)), 0, self.top)
        return codes

    def value(self, codes: NDArray[Any]) -> Reals:
        """The real values that codes stand for, of the same shape."""
        real: Reals = self.scale * (codes - self.offset)
        return real

    def error(self, values: Reals) -> float:
        """The sum of squares of what coding changes in real values."""
        return float(np.square(values - self.value(self.code(values))).sum())

    def shift(self, theta: Ints) -> Ints:
        """What the bias gains, (C,), so that a membrane of theta units per code fires the code of its value."""
        return theta * self.offset + (theta // 2 if self.nearest else 0)

    def table(self, theta: Ints) -> Table:
        """The table whose code is clamp(floor(v / theta), 0, top), theta (C,): the FS-ReLU when top is 2^K - 1 (FS-5).

        Each d is half of what is left, rounded up, so that every later sum can still reach what remains.
        """
        d, left = [], self.top
        while left:
            d.append((left + 1) // 2)
            left -= d[-1]
        thresholds = theta[:, None] * np.array(d, np.int64)
        return Table(T=thresholds, h=thresholds, d=np.array(d, np.int64))

    def fired(self, v: Ints, theta: Ints) -> NDArray[np.uint16]:
        """The codes (B, C, H, W) that `table` gives opening membranes v (B, C, H, W), the shift among them."""
        codes: NDArray[np.uint16] = np.clip(v // theta[:, None, None], 0, self.top).astype(np.uint16)  # 16 bits: FS-1
        return codes


@dataclass(frozen=True)
class Activation:
    """min(max(v, low), high); with `levels` it takes only levels + 1 values, low and high among them, by `rounding`
    (quantise).
    """

    low: float
    high: float
    levels: int | None = None
    rounding: str | None = None

    def value(self, v: NDArray[np.float32]) -> NDArray[np.float32]:
        """What it makes of values, of the same shape, in the arithmetic of the graph (GRAPH-2)."""
        if self.levels is None:
            return np.clip(v, self.low, self.high).astype(np.float32, copy=False)
        half = 0.5 if self.rounding == "nearest" else 0.0
        codes = np.clip(np.floor(v * (self.levels / self.high) + half), 0, self.levels)
        return np.asarray(codes * (self.high / self.levels), np.float32)

    @property
    def rest(self) -> float:
        """What it gives where it is not active: its low end, 0 where there is none."""
        return self.low if np.isfinite(self.low) else 0.0

    def keeps(self, other: Activation) -> bool:
        """Whether it changes neither a value that `other` has made nor 0."""
        return self.levels is None and self.low <= min(other.low, 0.0) and max(other.high, 0.0) <= self.high

    @property
    def own(self) -> Staircase | None:
        """The staircase that a quantising activation brings; None where calibration chooses one."""
        if self.levels is None:
            return None
        return Staircase(self.high / self.levels, 0, self.levels, self.rounding == "nearest")

    def staircase(self, low: float, high: float, steps: int, nearest: bool, share: float = 1.0) -> Staircase:
        """A staircase of 2^steps codes, for a `share` of the reach of values low..high before coding (CONV-2).

        Where the activation is bounded the bound needs no data; a signed value needs both its ends, and the code of 0
        is one of the codes.
        """
        top, signed = 2**steps - 1, not np.isfinite(self.low)
        base = min(low, 0.0) if signed else self.low
        reach = max(min(max(high, 0.0) if signed else high, self.high) - base, 0.0)
        if reach <= 0:  # never active on these images
            return Staircase(1 / 2**steps, round(-base * 2**steps), top, nearest)
        scale = share * reach / 2**steps
        offset = int(np.clip(round(-share * base / scale), 0, top)) if signed else round(-base / scale)
        return Staircase(scale, offset, top, nearest)


LINEAR = Activation(-np.inf, np.inf)
