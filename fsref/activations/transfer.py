"""The transfer function of a table: every step of its staircase, and how far it is from a function, over every integer
(FLOAT-3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import fsum

import numpy as np

from fsref.activations.coding import Reals
from fsref.activations.functions import Function, values_of
from fsref.errors import UsageError
from fsref.law.neuron import Ints, staircase
from fsref.tables import Brief, Fact, Sheet, Shown, cell, plural, span

LOWEST, HIGHEST = -(2**62), 2**62 - 1  # RANGE-4
MAX_MEMBRANES = 2**28  # that a function is asked for
TOGETHER = 2**18


@dataclass(frozen=True, repr=False)
class Deviation(Brief):
    """How far a staircase is from a function, over every integer of an interval: the mean of the squares, the mean and
    the largest absolute difference, and the first membrane at which that is reached.
    """

    function: str
    membrane_count: int
    mse: float
    mean_absolute_error: float
    largest_absolute_error: float
    at_membrane: int


@dataclass(frozen=True, eq=False, repr=False)
class Transfer(Shown):
    """The staircase of one row of a table for membranes low..high: interval i is start[i] .. start[i + 1] - 1, the last
    ends at `high` (FLOAT-3).

    T, h, d are (K,); start, train, code (intervals,). A membrane v stands for (v - zero) * unit, a code c for
    scale * (c - offset); `unit` is None where that is not known. Membranes are multiples of `every`. `deviation` is
    that from a function, once asked for. `below` and `above` are the codes of all membranes beyond the ends: lowest,
    highest, and the one that stays.
    """

    name: str
    T: Ints
    h: Ints
    d: Ints
    low: int
    high: int
    start: Ints
    train: Ints
    code: Ints
    below: tuple[int, int, int]
    above: tuple[int, int, int]
    unit: float | None = None
    scale: float = 1.0
    offset: int = 0
    every: int = 1
    zero: int = 0
    deviation: Deviation | None = None

    @property
    def steps(self) -> int:
        """K, the number of steps."""
        return len(self.T)

    @property
    def end(self) -> Ints:
        """The last membrane of each interval, (intervals,)."""
        return np.append(self.start[1:] - 1, self.high)

    @property
    def spikes(self) -> Ints:
        """The spikes of each interval's train, (intervals,)."""
        bits: Ints = (self.train[:, None] >> np.arange(self.steps) & 1).sum(axis=1)
        return bits

    @property
    def outputs(self) -> int:
        """How many codes there are."""
        return len(np.unique(self.code))

    @property
    def mean_spikes(self) -> float:
        """The spikes of a membrane, the mean over low..high."""
        lengths = (self.end - self.start + 1).tolist()
        return float(sum(n * z for n, z in zip(lengths, self.spikes.tolist(), strict=True)) / sum(lengths))

    @property
    def falls(self) -> Ints:
        """The membranes at which the code is lower than one below."""
        return self.start[1:][np.diff(self.code) < 0]

    @property
    def rises(self) -> Ints:
        """The membranes at which the code is higher than one below."""
        return self.start[1:][np.diff(self.code) > 0]

    @property
    def values(self) -> Reals:
        """What each interval's code stands for, (intervals,)."""
        value: Reals = self.scale * (self.code - self.offset).astype(np.float64)
        return value

    def x(self, v: Ints) -> Reals:
        """What membranes stand for, of the same shape; the membranes where that is not known."""
        real: Reals = v.astype(np.float64)
        return real if self.unit is None else (real - self.zero) * self.unit

    def beside(self, function: Function) -> Transfer:
        """The same, with its deviation from a function, asked for every membrane of low..high.

        Errors: UsageError where the unit of a membrane is not known, there are too many of them, or the function is not
        finite for one.
        """
        if self.unit is None:
            problem = "what a membrane stands for is not known, so no function can be held against it"
            raise UsageError("FLOAT-3", self.name, problem, None, "a table file says it, or fsref table show --unit")
        first, count = -(-self.low // self.every), self.high // self.every + 1 + (-self.low // self.every)
        if not 1 <= count <= MAX_MEMBRANES:
            limit = f"1..{MAX_MEMBRANES}: another range"
            raise UsageError("FLOAT-3", "range", "membranes cannot be looked at one by one", count, limit)
        squares, sums, largest, at = [], [], -1.0, self.low
        for begin in range(first, first + count, TOGETHER):
            v: Ints = self.every * np.arange(begin, min(begin + TOGETHER, first + count), dtype=np.int64)
            found = self.values[np.searchsorted(self.start, v, "right") - 1]
            wrong = np.abs(found - values_of(function, self.x(v), "FLOAT-3"))
            squares.append(float(np.square(wrong).sum()))
            sums.append(float(wrong.sum()))
            if (most := float(wrong.max())) > largest:
                largest, at = most, int(v[wrong.argmax()])
        return replace(
            self, deviation=Deviation(function.name, count, fsum(squares) / count, fsum(sums) / count, largest, at)
        )

    def sheet(self) -> Sheet:
        """What the staircase is like, above a line for each of its intervals."""
        rows: list[tuple[object, ...]] = []
        known = zip(
            self.start, self.end, self.train, self.spikes, self.code, self.x(self.start), self.values, strict=True
        )
        for start, end, train, spikes, code, x, value in known:
            row = int(start), int(end), f"{int(train):0{self.steps}b}", int(spikes), int(code)
            rows.append(row if self.unit is None else (*row, f"{x:.6g}", f"{value:.6g}"))
        head: tuple[str, ...] = ("from v", "to v", "train", "spikes", "code")
        head = head if self.unit is None else (*head, "from x", "value")
        told = [*self._facts(), *self._outside()]
        return Sheet(f"{self.name}: transfer function of {plural(self.steps, 'step')}", head, rows, 0, told)

    def _facts(self) -> list[Fact]:
        """What the staircase is like inside its interval."""
        told = [("membranes", span(self.low, self.high))]
        if self.unit is not None:
            v = f"(v - {self.zero:,})" if self.zero else "v"
            low, high = self.x(np.array([self.low, self.high]))
            told += [("", f"x = {v} * {self.unit:.6g}: {low:g} .. {high:g}")]
        told += [("outputs", f"{plural(len(self.start), 'train')}, {plural(self.outputs, 'code')}")]
        told += [("spikes", f"{self.mean_spikes:.3f} on average, at most {int(self.spikes.max())}")]
        told += [("monotone", self._monotone())]
        if (own := self.deviation) is not None and self.unit is not None:
            mean, largest = own.mean_absolute_error, own.largest_absolute_error
            told += [
                (own.function, f"on {plural(own.membrane_count, 'membrane')}: mean squared error {own.mse:.4g},"),
                ("", f"mean error {mean:.4g}, largest {largest:.4g} at x = {self.x(np.array(own.at_membrane)):.6g}"),
            ]
        return told

    def _monotone(self) -> str:
        """Whether the code only rises or only falls, in words."""
        ways = {"falls": self.falls, "rises": self.rises}
        if not any(map(len, ways.values())):
            return "constant"
        way = min(ways, key=lambda name: len(ways[name]))  # the exception
        if not len(ways[way]):
            return f"yes: it never {way}"
        many = f"{len(ways[way])} of {plural(len(self.start) - 1, 'step')}"
        return f"no: it {way} at {many}, first at v = {ways[way][0]:,}"

    def _outside(self) -> list[Fact]:
        """What the codes are beyond the ends, in words."""
        told = []
        for side, (low, high, last) in (("below", self.below), ("above", self.above)):
            told.append((side, f"codes {span(low, high)}; in the end {cell(last)}"))
            if self.unit is not None:
                values = (f"{self.scale * (code - self.offset):.6g}" for code in (low, high, last))
                told.append(("", "values {} .. {}; in the end {}".format(*values)))
        return told


def transfer(
    name: str,
    rows: tuple[Ints, Ints, Ints],
    low: int,
    high: int,
    unit: float | None = None,
    scale: float = 1.0,
    offset: int = 0,
    every: int = 1,
    zero: int = 0,
) -> Transfer:
    """The transfer function of one row T, h, d, each (K,), of a table for membranes low..high. Errors: UsageError."""
    if not LOWEST <= low <= high <= HIGHEST:
        raise UsageError("FLOAT-3", "range", "not two ends of 63 bits, the lower first", f"{low} .. {high}")
    T, h, d = rows
    inside, whole = staircase(T, h, d, low, high), staircase(T, h, d, LOWEST, HIGHEST)
    cut = int(np.searchsorted(whole.start, low)), int(np.searchsorted(whole.start, high, "right"))
    below, above = whole.code[: max(1, cut[0])], whole.code[min(cut[1], len(whole.code)) - 1 :]
    ends = (
        (int(below.min()), int(below.max()), int(whole.code[0])),
        (int(above.min()), int(above.max()), int(whole.code[-1])),
    )
    stairs = inside.start, inside.train, inside.code
    return Transfer(name, T, h, d, low, high, *stairs, *ends, unit, scale, offset, every, zero)
