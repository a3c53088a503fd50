"""A float table of anybody's, fired as its own loop fires it (FLOAT-1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.errors import UsageError
from fsref.law.neuron import MAX_STEPS, Ints
from fsref.tables import Brief

Floats: TypeAlias = NDArray[np.floating[Any]]
TYPES = ("float32", "float64")


@dataclass(frozen=True, eq=False, repr=False)
class FloatTable(Brief):
    """Thresholds T, resets h and weights d of a float neuron of anybody's, each (K,), and how its loop reads them
    (FLOAT-1).

    `strict`: a membrane equal to its threshold does not fire. `shifted`: h[t] lowers in step t what fired in step
    t - 1. `dtype` is the type the loop computes in. Errors: UsageError for K out of range, shapes that do not meet, and
    what is no finite number of that type.
    """

    T: Floats
    h: Floats
    d: Floats
    strict: bool = True
    shifted: bool = False
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.dtype not in TYPES:
            raise UsageError("FLOAT-1", "float table", "unknown type", self.dtype, " or ".join(TYPES))
        for name in ("T", "h", "d"):
            object.__setattr__(self, name, _row(getattr(self, name), name, self.dtype))
        shapes = tuple(row.shape for row in (self.T, self.h, self.d))
        if len(set(shapes)) > 1:
            raise UsageError("FLOAT-1", "float table", "T, h and d differ in steps", shapes)

    @property
    def steps(self) -> int:
        """K, the number of steps."""
        return len(self.T)

    @property
    def unshifted(self) -> FloatTable:
        """The same neuron, h[t] lowering what fired in step t: the h of the next step, and none behind the last."""
        if not self.shifted:
            return self
        return replace(self, h=np.append(self.h[1:], 0), shifted=False)

    def fire(self, x: ArrayLike) -> tuple[Ints, Floats]:
        """The trains and outputs for inputs x, both of its shape: each step in the type of the table, in its order."""
        v = np.asarray(x, self.dtype)
        fired = np.zeros(v.shape, bool)
        train, out = np.zeros(v.shape, np.int64), np.zeros(v.shape, self.dtype)
        for threshold, reset, weight in zip(self.T, self.h, self.d, strict=True):
            if self.shifted:
                v = v - reset * fired
            fired = v > threshold if self.strict else v >= threshold
            train, out = 2 * train + fired, out + weight * fired
            if not self.shifted:
                v = v - reset * fired
        return train, out


def _row(given: ArrayLike, name: str, dtype: str) -> Floats:
    """One row of a float table as numbers of its type, read-only. Errors: UsageError."""
    place = f"float table {name}"
    try:
        row = np.asarray(given)
    except ValueError:
        raise UsageError("FLOAT-1", place, "not an array of numbers", "rows of different lengths") from None
    if row.dtype.kind not in "iuf":
        raise UsageError("FLOAT-1", place, "not an array of real numbers", row.dtype, " or ".join(TYPES))
    if row.ndim != 1 or not 1 <= len(row) <= MAX_STEPS:
        raise UsageError("FLOAT-1", place, "not one number per step", row.shape, f"(K,), K in 1..{MAX_STEPS}")
    with np.errstate(over="ignore"):
        row = row.astype(dtype)
    if not np.isfinite(row).all():
        step = int(np.flatnonzero(~np.isfinite(row))[0])
        raise UsageError("FLOAT-1", f"{place} of step {step}", f"no finite {dtype}", row[step])
    row.setflags(write=False)
    return row
