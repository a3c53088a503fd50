"""The integers that a table is judged on: what the function holds on each, and what each weighs (FIT-2)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, fsum, inf, isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fsref.activations.coding import Reals
from fsref.activations.elementary import exp
from fsref.activations.functions import Function, values_of
from fsref.errors import UsageError
from fsref.law.neuron import Ints
from fsref.tables import Brief

MOST = 2**20  # membranes of an interval
FARTHEST = 2.0**57  # of an end of an interval from 0: a file has no farther one (TABLE-1)


@dataclass(frozen=True)
class Normal:
    """Membranes that are distributed normally: mean and standard deviation, in the function's units."""

    mean: float
    deviation: float


Distribution: TypeAlias = Normal | ArrayLike | None


@dataclass(frozen=True, eq=False, repr=False)
class Grid(Brief):
    """The membranes low..high, N of them: `values` (N,) of the function there, `weights` (N,) of errors and `occurring`
    (N,), the share of neurons that have this membrane; both sum to 1. What these come of is told by `membranes`, and by
    `even`, the share that is spread evenly.
    """

    function: Function
    unit: float
    low: int
    high: int
    values: Reals
    weights: Reals
    occurring: Reals
    membranes: str
    even: float

    @classmethod
    def of(
        cls, function: Function, low: float, high: float, unit: float, distribution: Distribution, even: float
    ) -> Grid:
        """The integers v with low <= v * unit <= high. Errors: UsageError [FIT-2]."""
        check_real("unit", unit, above=0.0)
        for name, end in (("low", low), ("high", high)):
            check_real(name, end)
        if not low < high:
            raise UsageError("FIT-2", "range", "its ends are equal or upside down", f"{low} {high}", "the lower first")
        if not function.domain[0] < low <= high < function.domain[1]:
            limit = f"between {function.domain[0]} and {function.domain[1]}, without these"
            raise UsageError("FIT-2", "range", f"{function.name} is not defined there", f"{low} {high}", limit)
        if not max(abs(low), abs(high)) / unit <= FARTHEST:
            limit = "at most 2^57 membranes from 0: another unit"
            raise UsageError("FIT-2", "range", "too far out", f"{low} {high}", limit)
        first, last = ceil(low / unit), floor(high / unit)
        if not 2 <= last - first + 1 <= MOST:
            limit = f"2..{MOST}: another unit"
            raise UsageError("FIT-2", "range", "membranes in it out of range", last - first + 1, limit)
        at = np.arange(first, last + 1)
        x: Reals = np.multiply(at, unit, dtype=np.float64)
        values = values_of(function, x, "FIT-2")
        check_real("even", even, 0.0, 1.0)
        flat = np.full(len(at), 1 / len(at))
        found = flat if distribution is None else occurring(distribution, at, unit)
        weights = (1 - even) * found + even * flat
        return cls(function, float(unit), first, last, values, weights, found, _told(distribution), float(even))

    @property
    def following(self) -> Ints:
        """(N + 1,): the first of i.. where the function turns, or N."""
        slopes = np.sign(np.diff(self.values))
        turns = np.flatnonzero(slopes[1:] != slopes[:-1]) + 1
        count = len(self.values)
        return np.append(turns, count)[np.searchsorted(turns, np.arange(count + 1))].astype(np.int64)

    @property
    def sums(self) -> Reals:
        """(N + 1, 4): up to each membrane the weights, the weighted values, the share of neurons, and the values."""
        parts = np.stack([self.weights, self.weights * self.values, self.occurring, self.values], axis=1)
        return np.concatenate([np.zeros((1, 4)), np.cumsum(parts, axis=0)])

    @property
    def sides(self) -> list[float]:
        """The least and the largest value left of low, right of high, and at all; of a function that is not known
        there its last value is as good as any.
        """
        left, right = self.low * self.unit, self.high * self.unit
        if self.function.limits is None:
            ends = [float(self.values[0])] * 2 + [float(self.values[-1])] * 2
        else:
            known = self.function.domain
            ends = [*self.function.extremes(known[0], left), *self.function.extremes(right, known[1])]
        return [*ends, *self.function.range]


def occurring(distribution: Distribution, at: Ints, unit: float) -> Reals:
    """The share of neurons whose membrane is each of `at` (N,). Errors: UsageError [FIT-2]."""
    if isinstance(distribution, Normal):
        check_real("distribution", distribution.mean)
        check_real("distribution", distribution.deviation, above=0.0)
        from_mean: Reals = (np.multiply(at, unit, dtype=np.float64) - distribution.mean) / distribution.deviation
        density = exp(-0.5 * from_mean * from_mean)
        found: Reals = density / (fsum(density.tolist()) or 1.0)
    else:
        found = _counted(_array(distribution), at, unit)
    if not found.any():
        low, high = at[0] * unit, at[-1] * unit
        raise UsageError("FIT-2", "distribution", "no membrane lies in the range", None, f"{low:g}..{high:g}")
    return found


def _told(distribution: Distribution) -> str:
    """Which membranes count, as provenance says it."""
    if isinstance(distribution, Normal):
        return f"normal {float(distribution.mean)!r} {float(distribution.deviation)!r}"
    return "all alike" if distribution is None else "given"


def _array(given: Any) -> Any:
    """Membranes as an array. Errors: UsageError [FIT-2]."""
    try:
        return np.asarray(given)
    except ValueError as error:  # lists of several lengths
        raise UsageError("FIT-2", "distribution", "not membranes", str(error), "an array of real numbers") from None


def _counted(membranes: Any, at: Ints, unit: float) -> Reals:
    """The share of each of `at` among real membranes, those beyond the ends left out. Errors: UsageError."""
    if membranes.dtype.kind not in "fiu" or not np.isfinite(membranes).all():
        limit = "an array of real numbers, finite, or Normal(mean, deviation)"
        raise UsageError("FIT-2", "distribution", "not membranes", membranes.dtype, limit)
    near = np.rint(membranes.ravel() / unit)
    near = near[(near >= at[0]) & (near <= at[-1])].astype(np.int64) - at[0]
    counts = np.bincount(near, minlength=len(at))
    return np.divide(counts, max(1, int(counts.sum())), dtype=np.float64)


def check_real(
    name: str, value: object, low: float | None = None, high: float | None = None, above: float = -inf
) -> None:
    """Nothing, when this is a finite real number within its limits. Errors: UsageError [FIT-2]."""
    fine = isinstance(value, int | float | np.number) and not isinstance(value, bool) and isfinite(value)
    if not fine:
        raise UsageError("FIT-2", name, "is no finite number", value)
    real = float(value)  # type: ignore[arg-type]
    if real <= above or (low is not None and real < low) or (high is not None and real > high):
        limit = f"above {above:g}" if low is None else f"{low:g} or more" if high is None else f"{low:g}..{high:g}"
        raise UsageError("FIT-2", name, "out of range", value, limit)
