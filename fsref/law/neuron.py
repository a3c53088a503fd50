"""The FS neuron: its table (FS-1), how it fires (FS-2 to FS-4), the FS-ReLU (FS-5), its staircase (FS-6)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.errors import NetworkError, public
from fsref.tables import Brief, Sheet, Shown, plural, span

Ints = NDArray[np.int64]

MAX_STEPS = 16
MAX_THRESHOLD = 2**58
MAX_CODE_WEIGHT = 2**31 - 1


def integers(values: ArrayLike, rule: str, place: str, low: int = -(2**62), high: int = 2**62 - 1) -> Ints:
    """`values` as a read-only int64 array of the same shape, in C order.

    Errors: NetworkError naming `rule` and `place` when a value is no integer or leaves low..high.
    """
    try:
        given = np.asarray(values)
    except ValueError:
        raise NetworkError(
            rule, place, "not an array of integers", "rows of different lengths", "int8 to int64"
        ) from None
    if given.size and given.dtype.kind not in "iu":  # an empty list has no type: its shape is what is wrong
        raise NetworkError(rule, place, "not an array of integers; quantise first", given.dtype, "int8 to int64")
    if given.size:
        for value in (int(given.min()), int(given.max())):
            if not low <= value <= high:
                raise NetworkError(rule, place, "integer out of range", value, f"{low}..{high}")
    array = np.array(given, dtype=np.int64, order="C")
    array.setflags(write=False)
    return array


def _smallest(rows: Ints) -> Ints:
    """One row (K,) when all rows of (C, K) are equal (ID-2)."""
    if rows.ndim == 2 and (rows == rows[0]).all():
        rows = rows[0].copy()
        rows.setflags(write=False)
    return rows


@public
@dataclass(frozen=True, eq=False, repr=False)
class Table(Shown):
    """Thresholds T, resets h and code weights d of an FS neuron per step: each (K,), or (C, K) one row per channel
    (FS-1).

    K is 1..16; `given` is the C that was given, None when no array had rows. Errors: NetworkError [FS-1] for K or a
    value out of range, or shapes that do not meet.
    """

    T: Ints
    h: Ints
    d: Ints
    given: int | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        shapes = []
        for name, high in (("T", MAX_THRESHOLD), ("h", MAX_THRESHOLD), ("d", MAX_CODE_WEIGHT)):
            rows = integers(getattr(self, name), "FS-1", f"table {name}", -high, high)
            if rows.ndim not in (1, 2) or rows.size == 0:
                raise NetworkError("FS-1", f"table {name}", "shape is neither (K,) nor (C, K)", rows.shape)
            if not 1 <= rows.shape[-1] <= MAX_STEPS:
                raise NetworkError("FS-1", f"table {name}", "number of steps K out of range", rows.shape[-1], "1..16")
            shapes.append(rows.shape)
            object.__setattr__(self, name, _smallest(rows))
        channels = {shape[0] for shape in shapes if len(shape) == 2}
        if len({shape[-1] for shape in shapes}) > 1 or len(channels) > 1:
            raise NetworkError("FS-1", "table", "T, h and d differ in steps or channels", tuple(shapes))
        object.__setattr__(self, "given", next(iter(channels), None))

    @property
    def steps(self) -> int:
        """K, the number of steps."""
        return int(self.T.shape[-1])

    @property
    def channels(self) -> int | None:
        """C when some of T, h, d has a row per channel, else None."""
        return next((int(rows.shape[0]) for rows in (self.T, self.h, self.d) if rows.ndim == 2), None)

    @property
    def form(self) -> str:
        """What kind of table it is, in words: an FS-ReLU and its theta, or rows of any order."""
        theta = relu_theta(self)
        if theta is not None:
            return f"FS-ReLU, theta {span(int(theta.min()), int(theta.max()))}"
        return (
            "any table" if self.channels is None else f"any table, a row for each of {plural(self.channels, 'channel')}"
        )

    def __repr__(self) -> str:
        return f"<Table of {plural(self.steps, 'step')}: {self.form}>"

    def sheet(self) -> Sheet:
        """The table as a table: a line per step, the least and the largest value of all channels where they differ."""
        each = ([rows[..., t] for rows in (self.T, self.h, self.d)] for t in range(self.steps))
        rows = [(t, *(span(int(of.min()), int(of.max())) for of in step)) for t, step in enumerate(each)]
        head = ("step", "threshold T", "reset h", "code weight d")
        return Sheet(f"table of {plural(self.steps, 'step')}: {self.form}", head, rows, left=0)

    def rows(self, channels: int) -> tuple[Ints, Ints, Ints]:
        """T, h, d, each (channels, K)."""
        shape = (channels, self.steps)
        return np.broadcast_to(self.T, shape), np.broadcast_to(self.h, shape), np.broadcast_to(self.d, shape)


def base_two(steps: int) -> Ints:
    """d of an FS-ReLU or an input: 2^(K-1), ..., 2, 1, shape (K,) (FS-5, NET-7)."""
    return np.int64(1) << np.arange(steps - 1, -1, -1, dtype=np.int64)


def is_binary(d: Ints) -> bool:
    """Whether step t is worth 2^(K-1-t) in every channel, so that a train word is its code; d (K,) or (channels, K)."""
    return bool((d == base_two(d.shape[-1])).all())


@public
def fs_relu(steps: int, theta: ArrayLike = 1) -> Table:
    """The table of the FS-ReLU of K = `steps`: T = h = theta * 2^(K-1-t), d = 2^(K-1-t), t = 0..K-1 (FS-5).

    `theta` is one integer >= 1, or (C,), one per channel. Errors: NetworkError for K or theta out of range.
    """
    counted = integers(steps, "FS-1", "fs_relu steps", 1, MAX_STEPS)
    if counted.ndim:
        raise NetworkError("FS-1", "fs_relu steps", "not one number", counted.shape, "K, 1..16, for all channels")
    steps = int(counted)
    scale = integers(theta, "FS-5", "fs_relu theta", 1)
    scale = integers(scale, "FS-1", "fs_relu theta", 1, MAX_THRESHOLD >> (steps - 1))
    thresholds = scale[..., None] * base_two(steps)
    return Table(T=thresholds, h=thresholds, d=base_two(steps))


def relu_theta(table: Table) -> Ints | None:
    """theta, () or (C,), when the table is an FS-ReLU (FS-5), else None."""
    powers = base_two(table.steps)
    theta = table.T[..., -1]
    exact = np.array_equal(table.T, theta[..., None] * powers) and np.array_equal(table.T, table.h)
    return theta if exact and np.array_equal(table.d, powers) and bool((theta >= 1).all()) else None


@dataclass(frozen=True, repr=False)
class Firing(Brief):
    """What one neuron does with one opening membrane: spikes z, membranes after each step, train word, code."""

    spikes: tuple[int, ...]
    membranes: tuple[int, ...]
    train: int
    code: int


def fire(v: int, T: ArrayLike, h: ArrayLike, d: ArrayLike) -> Firing:
    """The firing of one neuron from opening membrane v, T, h, d of shape (K,) (FS-2, FS-3, FS-4, EVENT-2)."""
    spikes, membranes, train, code = [], [], 0, 0
    for threshold, reset, weight in zip(
        np.asarray(T).tolist(), np.asarray(h).tolist(), np.asarray(d).tolist(), strict=True
    ):
        z = int(v >= threshold)  # FS-2: equality fires
        v -= reset * z  # FS-3: in the step that fired
        code += weight * z  # FS-4
        train = 2 * train + z  # EVENT-2
        spikes.append(z)
        membranes.append(v)
    return Firing(tuple(spikes), tuple(membranes), train, code)


@dataclass(frozen=True, eq=False, repr=False)
class Staircase(Brief):
    """A table as intervals of v, in ascending order: interval i is start[i] .. start[i+1] - 1, the last ends at `high`
    (FS-6).

    start, train, code: (intervals,). low and high of `membranes`: (K,), the hull of the membranes after each step
    (RANGE-3).
    """

    start: Ints
    train: Ints
    code: Ints
    low: Ints
    high: Ints


def staircase(T: Ints, h: Ints, d: Ints, low: int, high: int) -> Staircase:
    """The staircase of one row (K,) of a table for v in low..high: at most 2^K intervals (FS-6).

    Each step parts every interval at the membrane that meets its threshold. low..high lies within 63 bits (RANGE-4).
    """
    start = np.array([low], dtype=np.int64)
    end = np.array([high], dtype=np.int64)
    reset = np.zeros(1, dtype=np.int64)
    train = np.zeros(1, dtype=np.int64)
    code = np.zeros(1, dtype=np.int64)
    lows, highs = [], []
    for threshold, lowered, weight in zip(T.tolist(), h.tolist(), d.tolist(), strict=True):
        cut = threshold + reset  # the smallest v of the interval that fires
        silent, fires = start < cut, end >= cut
        start = np.concatenate([start[silent], np.maximum(start, cut)[fires]])
        end = np.concatenate([np.minimum(end, cut - 1)[silent], end[fires]])
        reset = np.concatenate([reset[silent], reset[fires] + lowered])
        train = np.concatenate([2 * train[silent], 2 * train[fires] + 1])
        code = np.concatenate([code[silent], code[fires] + weight])
        lows.append((start - reset).min())
        highs.append((end - reset).max())
    order = np.argsort(start)
    return Staircase(start[order], train[order], code[order], np.array(lows, np.int64), np.array(highs, np.int64))
