"""A float table as integers: the fewest bits that send the trains of its own loop on every input that may come
(FLOAT-2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, isfinite
from types import MappingProxyType

import numpy as np

from fsref.activations.float_table import FloatTable
from fsref.activations.functions import Function, function_of
from fsref.activations.transfer import transfer
from fsref.errors import UsageError
from fsref.formats.tables import Approximation
from fsref.law.neuron import Ints, Table, staircase
from fsref.tables import Fact, Sheet, Shown, plural

MAX_INPUTS = 2**22
MAX_MEMBRANE = 2**57  # of an input, all resets and a threshold together: far from what 63 bits hold (RANGE-4)


@dataclass(frozen=True, eq=False, repr=False)
class Rounded(Shown):
    """A float table as an integer one, and what that changed (FLOAT-2).

    A membrane v stands for v * `unit`, a code c for c * `scale`, powers of two. The inputs are the multiples of
    2^-input_bits in low..high: on `differing` of them, of `inputs`, the trains are not those of the float loop, `first`
    being the lowest, None where there is none. `loss` is the largest difference between an output of the float loop and
    the value of the code.
    """

    source: FloatTable
    table: Table
    bits: int
    code_bits: int
    input_bits: int
    low: float
    high: float
    inputs: int
    differing: int
    first: float | None
    loss: float

    @property
    def unit(self) -> float:
        """The real value of one unit of a membrane."""
        return 2.0**-self.bits

    @property
    def scale(self) -> float:
        """The real value of one unit of a code."""
        return 2.0**-self.code_bits

    def named(self, name: str, function: Function | str) -> Approximation:
        """The integers as a named table that stands for a function, its errors on every membrane of the interval, all
        alike (TABLE-1). Errors: UsageError.
        """
        chosen = function_of(function)
        low, high = ceil(self.low * 2**self.bits), floor(self.high * 2**self.bits)
        rows = self.table.T, self.table.h, self.table.d
        found = transfer(name, rows, low, high, self.unit, self.scale).beside(chosen)
        assert found.deviation is not None
        errors = found.deviation.mse, found.deviation.largest_absolute_error
        whole = name, chosen.name, self.table, self.unit, self.scale, low, high
        about = {"float_table": self.source.dtype, "input_bits": self.input_bits, "differing": self.differing}
        return Approximation(*whole, *errors, found.mean_spikes, found.outputs, MappingProxyType(about))

    def sheet(self) -> Sheet:
        """What was read, what came of it and what it changed, above the integers."""
        signs = ">" if self.source.strict else ">="
        reset = "of the step before" if self.source.shifted else "in its step"
        told: list[Fact] = [
            ("float loop", f"{self.source.dtype}, fires at v {signs} T, h lowers what fired {reset}"),
            ("inputs", f"{self.inputs:,}, the multiples of 2^-{self.input_bits} in {self.low:g} .. {self.high:g}"),
            ("membranes", f"in units of 2^-{self.bits}"),
            ("codes", f"in units of 2^-{self.code_bits}; outputs differ by at most {self.loss:.3g}"),
        ]
        if self.first is None:
            told.append(("trains", "those of the float loop on every input"))
        else:
            told.append(("trains", f"differ on {plural(self.differing, 'input')}, first at {self.first!r}"))
        return Sheet("float table as integers", above=told, more=[self.table.sheet()])


@dataclass(frozen=True, eq=False)
class _Parts:
    """Inputs first..last, numbered, as parts that begin at `start` (parts,), each with one train."""

    start: Ints
    train: Ints
    last: int

    def of(self, inputs: Ints) -> Ints:
        """The part that each of these inputs lies in."""
        return np.searchsorted(self.start, inputs, "right") - 1


def rounded(table: FloatTable, low: float, high: float, input_bits: int = 10, code_bits: int = 10) -> Rounded:
    """A float table as integers, for inputs that are multiples of 2^-input_bits in low..high (FLOAT-2).

    Errors: UsageError for a range that is none, inputs that its type does not hold, more than 2^22 of them or values
    too large; NetworkError [FS-1] for a d of more than 31 bits.
    """
    if not -16 <= code_bits <= 52:
        raise UsageError("FLOAT-2", "code_bits", "out of range", code_bits, "-16..52")
    plain = table.unshifted
    first, last = _numbers(low, high, input_bits, table.dtype)
    trains, outputs = table.fire(np.ldexp(np.arange(first, last + 1, dtype=np.float64), -input_bits))
    begins = np.flatnonzero(np.diff(trains, prepend=trains[0] ^ 1))
    theirs = _Parts(begins + first, trains[begins], last)
    d = np.array([round(Fraction(float(weight)) * Fraction(2) ** code_bits) for weight in table.d])
    best: tuple[int, Table, _Parts, int] | None = None
    for bits in _widths(plain, max(abs(first), abs(last)), input_bits):
        T, h = _integers(plain, bits)
        stairs = staircase(T, h, d, first << (bits - input_bits), last << (bits - input_bits))
        ours = _met(stairs.start, stairs.train, bits - input_bits, last)
        differing = _differing(theirs, ours)[0]
        if best is None or differing < best[-1]:
            best = bits, Table(T, h, d), ours, differing
        if not differing:
            break
    assert best is not None
    bits, made, ours, differing = best
    worth = {train: sum(int(w) for t, w in enumerate(d) if train >> (table.steps - 1 - t) & 1) for train in ours.train}
    joint = np.unique(np.concatenate([theirs.start, ours.start]))
    codes = np.array([worth[train] for train in ours.train[ours.of(joint)].tolist()], np.float64)
    loss = float(np.abs(outputs[begins][theirs.of(joint)] - np.ldexp(codes, -code_bits)).max())
    where = _differing(theirs, ours)[1]
    at = None if where is None else float(np.ldexp(float(where), -input_bits))
    count = last - first + 1
    return Rounded(table, made, bits, code_bits, input_bits, low, high, count, differing, at, loss)


def _numbers(low: float, high: float, bits: int, dtype: str) -> tuple[int, int]:
    """The first and the last multiple of 2^-bits in low..high. Errors: UsageError."""
    if not (isfinite(low) and isfinite(high) and low <= high):
        raise UsageError("FLOAT-2", "range", "not two ends, the lower first", f"{low} .. {high}")
    if not -16 <= bits <= 52:
        raise UsageError("FLOAT-2", "input_bits", "out of range", bits, "-16..52")
    first, last = ceil(Fraction(low) * Fraction(2) ** bits), floor(Fraction(high) * Fraction(2) ** bits)
    if first > last:
        raise UsageError("FLOAT-2", "range", f"holds no multiple of 2^-{bits}", f"{low} .. {high}")
    if last - first >= MAX_INPUTS:
        raise UsageError("FLOAT-2", "range", "too many inputs", last - first + 1, f"at most {MAX_INPUTS}: fewer bits")
    most = 2 ** (np.finfo(dtype).nmant + 1)
    if max(abs(first), abs(last)) > most:
        problem = f"{dtype} does not hold every multiple of 2^-{bits}"
        raise UsageError("FLOAT-2", "range", problem, f"{low} .. {high}", f"ends at most {most} * 2^-{bits}")
    return first, last


def _widths(table: FloatTable, largest: int, input_bits: int) -> Iterator[int]:
    """The bits of fraction to try, fewest first, up to those that hold T and h exactly. Errors: UsageError."""
    values = [Fraction(float(value)) for value in (*table.T, *table.h)]
    exact = max(value.denominator.bit_length() - 1 for value in values)
    reach = Fraction(largest) / Fraction(2) ** input_bits + sum(map(abs, values))
    room = floor(MAX_MEMBRANE / reach).bit_length() - 1 if reach else exact
    start = max(0, input_bits)
    if room < start:
        raise UsageError("FLOAT-2", "float table", "T and h are too large beside the inputs", float(reach))
    return iter(range(start, max(start, min(exact, room)) + 1))


def _integers(table: FloatTable, bits: int) -> tuple[Ints, Ints]:
    """T and h in units of 2^-bits: the least integer that fires at T, h to the nearest, halves to even."""
    T = [Fraction(float(value)) * 2**bits for value in table.T]
    fires = [floor(value) + 1 if table.strict else ceil(value) for value in T]
    return np.array(fires), np.array([round(Fraction(float(value)) * 2**bits) for value in table.h])


def _met(start: Ints, train: Ints, shift: int, last: int) -> _Parts:
    """The parts of inputs that intervals of finer membranes make, of those that some input meets."""
    begins = -(-start >> shift)  # the first input at or above
    met = begins < np.append(begins[1:], last + 1)
    return _Parts(begins[met], train[met], last)


def _differing(one: _Parts, other: _Parts) -> tuple[int, int | None]:
    """On how many inputs the trains of two sides differ, and the lowest of them."""
    joint = np.unique(np.concatenate([one.start, other.start]))
    wrong = one.train[one.of(joint)] != other.train[other.of(joint)]
    lengths = np.diff(joint, append=one.last + 1)
    return int(lengths[wrong].sum()), int(joint[wrong][0]) if wrong.any() else None
