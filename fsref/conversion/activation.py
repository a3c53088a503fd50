"""An activation and its coding: what a value becomes, and the codes that stand for it (CONV-2, CONV-5, CONV-6).

A further activation is one more class that answers what Activation does, with one more coding where its steps are not
equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Coding
from fsref.graph.arithmetic import rounded


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
        assert self.rounding is not None
        codes = np.clip(rounded(v * (self.levels / self.high), self.rounding), 0, self.levels)
        return np.asarray(codes * (self.high / self.levels), np.float32)

    @property
    def rest(self) -> float:
        """What it gives where it is not active: its low end, 0 where there is none."""
        return self.low if np.isfinite(self.low) else 0.0

    def keeps(self, other: Activation) -> bool:
        """Whether it changes neither a value that `other` has made nor 0."""
        return self.levels is None and self.low <= min(other.low, 0.0) and max(other.high, 0.0) <= self.high

    @property
    def own(self) -> Coding | None:
        """The coding that a quantising activation brings; None where calibration chooses one."""
        if self.levels is None or self.rounding is None:
            return None
        halves = self.rounding if self.rounding in ("even", "odd") else "up"
        return Coding(self.high / self.levels, 0, self.levels, self.rounding != "floor", halves=halves)

    def coding(self, low: float, high: float, steps: int, nearest: bool, share: float = 1.0) -> Coding:
        """A coding of 2^steps codes, for a `share` of the reach of values low..high before coding (CONV-2).

        Where the activation is bounded the bound needs no data; a signed value needs both its ends, and the code of 0
        is one of the codes.
        """
        top, signed = 2**steps - 1, not np.isfinite(self.low)
        base = min(low, 0.0) if signed else self.low
        reach = max(min(max(high, 0.0) if signed else high, self.high) - base, 0.0)
        if reach <= 0:  # never active on these images; its bound holds on others, too
            unit = (min(self.high - base, 1.0) or 1.0) / 2**steps
            return Coding(unit, round(-base / unit), top, nearest)
        scale = share * reach / 2**steps
        offset = int(np.clip(round(-share * base / scale), 0, top)) if signed else round(-base / scale)
        return Coding(scale, offset, top, nearest)


LINEAR = Activation(-np.inf, np.inf)
RECTIFIED = Activation(0.0, np.inf)
