"""Tables fitted to what calibration images showed, one for all populations whose values are alike, and the codes that
they give (CONV-15).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import floor, isfinite, log2
from typing import Any

import numpy as np

from fsref.activations.coding import Coding, Reals
from fsref.activations.fitting import fitted
from fsref.activations.functions import Function
from fsref.conversion.calibration import Statistics
from fsref.conversion.curves import Curve
from fsref.conversion.folded import Folded
from fsref.errors import GraphError, UsageError
from fsref.formats.tables import Approximation
from fsref.law.neuron import Ints, Table, staircase
from fsref.tables import Brief

PARTS = 8  # of the largest value: what ends are rounded to
BINS = 64  # of a distribution
ALIKE = 0.05  # share of values that would have to move for two distributions to be the same
GRID = 2**12  # membranes that a table is fitted on
CODE_BITS = 10, 12  # of the codes of a table of up to FEW steps, and of more
FEW = 10
BUDGET = 400_000  # moves of a fit
HARDLY = 2**10  # a function that leaves what it comes near to by less than one part in so many hardly does
FAR = 2**40  # beyond every threshold


@dataclass(frozen=True, repr=False)
class Stairs(Coding):
    """The codes of a table that was fitted, on membranes of `fit.unit` in real numbers."""

    fit: Approximation | None = None

    @property
    def own(self) -> Approximation:
        """The fitted table."""
        assert self.fit is not None
        return self.fit

    @property
    def largest(self) -> int:
        """The largest magnitude of a code."""
        return int(np.max(np.maximum(self.top, -np.asarray(self.low))))

    @property
    def steps(self) -> int:
        """K of the table."""
        return self.own.table.steps

    @property
    def unit(self) -> Reals:
        """(1,): theta membrane units are so much: 2^-K of the interval of the fit."""
        return np.array([(self.own.high - self.own.low + 1) * self.own.unit / 2**self.steps])

    @property
    def moved(self) -> float:
        """What resets may take a membrane beyond: an offset of codes is none of membranes."""
        return self.tallest

    @property
    def tallest(self) -> float:
        """The largest magnitude, in units, of a threshold, and of what resets take away and leave."""
        table, ends = self.own.table, max(abs(self.own.low), abs(self.own.high))
        most = max(int(np.abs(table.T).max()), int(np.abs(table.h).sum()) + ends) + 1
        return most * self.own.unit / float(self.unit[0])

    def shift(self, theta: Ints) -> Ints:
        """(C,) zeros: thresholds are where the table has them."""
        return np.zeros_like(theta)

    def table(self, theta: Ints) -> Table:
        """The table on membranes of theta (C,) units each: thresholds half way between two membranes of the fit."""
        times = self.own.unit * theta[:, None] / self.unit  # membrane units of a membrane of the fit
        T = np.rint((self.own.table.T - 0.5) * times + 0.5).astype(np.int64)
        return Table(T=T, h=np.rint(self.own.table.h * times).astype(np.int64), d=self.own.table.d)

    def to_dict(self) -> dict[str, Any]:
        """What is told of the fit, in plain numbers."""
        fit = self.own
        return {
            "function": fit.function,
            "interval": [fit.low * fit.unit, fit.high * fit.unit],
            "mse": fit.mse,
            "max_error": fit.max_error,
            "outputs": fit.outputs,
            "spikes": fit.spikes,
        }


@dataclass(frozen=True, eq=False, repr=False)
class Alike(Brief):
    """What tables of some populations are fitted to: the function, the interval low..high of what it is taken of, a
    sample of that, and its distribution (BINS,).
    """

    function: Function
    low: float
    high: float
    sample: Reals
    shares: Reals

    @classmethod
    def of(cls, function: Function, low: float, high: float, sample: Reals) -> Alike:
        """The interval is wider: its ends are multiples of 1/8 of the next larger of the numbers 2^(n/4), but where the
        function has no value.
        """
        size = max(abs(low), abs(high), 2.0**-20)
        part = 2.0 ** (np.ceil(4 * log2(size)) / 4) / PARTS
        first, last = floor(low / part), -floor(-high / part)
        wide = np.array([first * part, max(last, first + 1) * part])
        low, high = np.where(np.isfinite(function.value(wide)), wide, (low, high)).tolist()
        counts, _ = np.histogram(np.clip(sample, low, high), BINS, (low, high))
        return cls(function, low, high, sample, counts / max(1, counts.sum()))

    def is_like(self, other: Alike) -> bool:
        """Whether one table serves both."""
        same = (self.function.name, self.low, self.high) == (other.function.name, other.low, other.high)
        return same and float(np.abs(self.shares - other.shares).sum()) / 2 <= ALIKE

    def coding(self, steps: int) -> Stairs:
        """The codes of a table of so many steps. Far below the interval, where the function comes near to a number,
        the code is that of it.
        """
        bits = CODE_BITS[steps > FEW]
        offset, base = self.base(2**bits - 1)
        given = self.function if not offset else raised(self.function, base)
        unit = (self.high - self.low) / GRID
        fit = fitted(given, steps, self.low, self.high, unit=unit, codes=bits, distribution=self.sample, budget=BUDGET)
        codes = staircase(fit.table.T, fit.table.h, fit.table.d, -FAR, FAR).code
        return Stairs(fit.scale, offset, int(codes.max()), low=int(codes.min()), fit=fit)

    def base(self, top: int) -> tuple[int, float]:
        """The offset of codes up to `top` of a function that comes near to a negative number far below, and what that
        adds to it; none of one that hardly leaves that number: an offset that large leaves no bits for weights.
        """
        rest = 0.0 if self.function.limits is None else self.function.limits[0]
        if not isfinite(rest) or rest >= 0:
            return 0, 0.0
        largest = self.function.extremes(self.low, self.high)[1]
        if largest - rest < -rest / HARDLY:
            return 0, 0.0
        offset = round(top * -rest / (largest - rest))
        return offset, offset * largest / (top - offset) if offset < top else -rest


def raised(function: Function, base: float) -> Function:
    """A function plus a number."""

    def value(x: Reals) -> Reals:
        found: Reals = function.value(x) + base
        return found

    limits = None if function.limits is None else (function.limits[0] + base, function.limits[1] + base)
    return Function(function.name, f"{function.formula} + {base:.9g}", value, limits, function.turns, function.domain)


class Fits:
    """The tables of the populations that follow a curve: of each number of steps one for all that are alike."""

    def __init__(self, folded: Folded, seen: Mapping[str, Statistics], percentile: float | None = None) -> None:
        self.folded, self.seen, self.percentile = folded, seen, percentile
        self.made: dict[tuple[int, int], Stairs] = {}

    @cached_property
    def kinds(self) -> dict[str, Alike]:
        """What the table of each population is fitted to: the first in the order of the graph that is like it."""
        found, kinds = dict[str, Alike](), list[Alike]()
        for unit in self.folded.units:
            if isinstance(unit.activation, Curve):
                one = self.alike(unit.activation.function, self.seen[unit.name])
                found[unit.name] = next((kind for kind in kinds if kind.is_like(one)), one)
                if found[unit.name] is one:
                    kinds.append(one)
        return found

    def alike(self, function: Function, seen: Statistics) -> Alike:
        """What a table of one population would be fitted to."""
        sample, low, high = seen.sample.astype(np.float64), seen.low, seen.high
        if self.percentile is not None:
            low, high = np.percentile(sample, [100 - self.percentile, self.percentile]).tolist()
        return Alike.of(function, low, high, sample)

    def coding(self, name: str, steps: int) -> Stairs:
        """The codes of a population with a table of so many steps, made once."""
        kind = self.kinds[name]
        key = (id(kind), steps)
        if key not in self.made:
            try:
                self.made[key] = kind.coding(steps)
            except UsageError as error:
                raise GraphError("CONV-15", f"{name}: {error.place}", error.problem, error.value, error.limit) from None
        return self.made[key]
