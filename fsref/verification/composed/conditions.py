"""Where something is wrong: conditions on the rows of a relation that hold in all that are, in words (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.tables import Brief
from fsref.verification.composed.relation import Mask

MODULI = (4, 8)  # of places, beside 2,
LARGER = (3, 16, 32)  # and of large ones
STATED = ("where ", "in ", "behind ", "along ", "from ")  # how facts begin that hold or not
APART = 0.7  # by how much dearer it is that a difference has a sign
STEPS_NEARER = -0.7  # by how much dearer than other values it is that K is one: much depends on it,
PARITY = ("odd", "even")  # but on whether it is odd little does
LAYER_NEARER = -0.1  # by how much dearer than other places in a load a layer is
FARTHER = 0.4  # by how much dearer that other facts are values
NEARER = {  # and so of what is often built apart
    "in a readout": -0.6,
    "along a conv2d": -0.2,
    "along a dense of all neurons": -0.2,
    "along a pooled dense": -0.2,
}
NO_READOUT = ("where K is above 0", "where K is not below 0")
EQUAL = 16  # values that are no larger are told as they are
PLACES = ("layer", "channel")  # of which one each says where something was built wrong
IN_THE_LOAD = ("population", "layer", "projection")  # facts that are places, in the order of a load
Rows = dict[str, dict[str, NDArray[np.int64]]]  # the columns of rows by kind


@dataclass(frozen=True, eq=False, repr=False)
class Condition(Brief):
    """A condition in words, how dear these are, which rows meet it, whether it is a fact of the network, and whether it
    is one layer or one channel.
    """

    text: str
    dear: float
    holds: Callable[[Rows], Mask]
    fact: bool = False
    place: bool = False


def conditions(rows: Rows) -> Iterator[Condition]:
    """The conditions that hold in all of these rows."""
    for name, values in rows["places"].items():
        yield from _of_place(name, values, rows["ends"][name]) if name in rows["ends"] else _of_turn(name, values)
    for name, values in rows["values"].items():
        yield from _of_value(name, values)
    for name, values in rows["flags"].items():
        yield from _of_flag("flags", name, values)
    for name, values in rows["facts"].items():
        if name.startswith(STATED):
            more = NEARER.get(name, 0)
            yield from (replace(each, dear=each.dear + more, fact=True) for each in _of_flag("facts", name, values))
        elif name in IN_THE_LOAD:
            more = LAYER_NEARER if name == "layer" else 0
            yield from (replace(each, dear=each.dear + more, fact=True) for each in _of_turn(name, values, "facts"))
        elif name != "K" or values.all():  # that of a readout is no number of steps
            found = (each for each in _of_value(name, values, "facts") if each.text not in NO_READOUT)
            for each in found:
                more = STEPS_NEARER if name == "K" and not each.text.endswith(PARITY) else FARTHER
                yield replace(each, dear=each.dear + more, fact=True)


def _of_flag(kind: str, name: str, values: NDArray[Any]) -> Iterator[Condition]:
    """Whether something holds."""
    for held in (True, False):
        if (values == held).all():
            some = name.replace("where no ", "where some ", 1)
            unheld = f"not {name}" if some == name else some
            yield Condition(name if held else unheld, 1.6 if held else 2.1, partial(_flag, kind, name, held))


def _flag(kind: str, name: str, held: bool, rows: Rows) -> Mask:
    found: Mask = rows[kind][name] == held
    return found


def _where(kind: str, name: str, test: Callable[[Ints], Mask], rows: Rows) -> Mask:
    return test(rows[kind][name])


def _behind(name: str, n: int, rows: Rows) -> Mask:
    at = rows["places"][name]
    return at >= (at + rows["ends"][name] + 1) // n * n


def _whole(name: str, n: int, rows: Rows) -> Mask:
    at, ends = rows["places"][name], rows["ends"][name]
    found: Mask = (ends < n) & ((at + ends + 1) % n == 0)
    return found


def _from_last(name: str, n: int, rows: Rows) -> Mask:
    at = rows["places"][name]
    return at >= (at + rows["ends"][name]) // n * n


def _halved(name: str, rows: Rows) -> Mask:
    at = rows["places"][name]
    return at >= (at + rows["ends"][name] + 1) // 2


def _of_place(name: str, values: Ints, ends: Ints) -> Iterator[Condition]:
    """Conditions on a place, counted from the first or the last."""
    low, high, end, far = int(values.min()), int(values.max()), int(ends.min()), int(ends.max())
    here, there = partial(partial, _where, "places", name), partial(partial, _where, "ends", name)
    if far == 0:
        yield Condition(f"in the last {name}", 1.5, there(lambda v: v == 0))
    if low == high:
        yield _one(name, low, here(lambda v: v == low))
    if end == far > 0:
        yield Condition(f"in the last {name} but {end}", 2.5, there(lambda v: v == end))
    for least, dear in {low: 2.6, _power(low): 2.4}.items():
        if least > 0:
            word = f"but in the first {name}" if least == 1 else f"from {name} {least} on"
            yield Condition(word, 2 if least == 1 else dear, here(lambda v, least=least: v >= least))
    if high > 0:
        yield Condition(f"up to {name} {high}", 2.8, here(lambda v: v <= high))
    if end > 0:
        word = f"but in the last {name}" if end == 1 else f"but in the last {end} {name}s"
        yield Condition(word, 2 if end == 1 else 2.8, there(lambda v: v >= end))
    if far == 0 < low and not (values % 2).any():
        yield Condition(f"in the last {name} of an odd number", 1.9, partial(_behind, name, 2))
    for n in MODULI:
        if 1 < far < n:
            yield Condition(f"in the last {n} {name}s", 2.4, there(lambda v, n=n: v < n))
    for n in (*MODULI, *LARGER[1:]):
        if (values >= (values + ends + 1) // n * n).all():
            yield Condition(f"in {name}s behind the last group of {n}", 2.4, partial(_behind, name, n))
        if (values >= (values + ends + 1) - n).all() and not ((values + ends + 1) % n).any():
            yield Condition(f"in the last {n} {name}s of whole groups alone", 2.3, partial(_whole, name, n))
        if (values >= (values + ends) // n * n).all():
            yield Condition(f"in a last group of {n} {name}s, whole or not", 2.6, partial(_from_last, name, n))
    if (values >= (values + ends + 1) // 2).all():
        yield Condition(f"in the second half of the {name}s", 2.2, partial(_halved, name))
    for n in MODULI:
        if far >= n and (values % n).all():
            yield Condition(f"but in {name}s 0, {n}, {2 * n}, ...", 2.6, here(lambda v, n=n: v % n != 0))
    for n in (2, *MODULI, *(n for n in LARGER if far > n)):
        over = values % n
        if (over == over[0]).all():
            at = int(over[0])
            word = f"in {('even', 'odd')[at]} {name}s" if n == 2 else f"in {name}s {at}, {at + n}, {at + 2 * n}, ..."
            yield Condition(word, 2 if n == 2 else 2.8, here(lambda v, n=n, at=at: v % n == at))


def _of_turn(name: str, values: Ints, kind: str = "places") -> Iterator[Condition]:
    """Conditions on a place of which only those before are known."""
    here, low = partial(partial, _where, kind, name), int(values.min())
    if low == values.max():
        yield _one(name, low, here(lambda v: v == low))
    if low > 0:
        word = f"but in the first {name}" if low == 1 else f"from {name} {low} on"
        yield Condition(word, 1 if low == 1 else 2.4, here(lambda v: v >= low))
    for n in (2, *((3, *MODULI) if kind == "places" else ())):
        over = values % n
        if (over == over[0]).all():
            at = int(over[0])
            word = f"in {('even', 'odd')[at]} {name}s" if n == 2 else f"in {name}s {at}, {at + n}, {at + 2 * n}, ..."
            dear = 2.4 if kind == "facts" else 1.6 if n == 2 else 2.2
            yield Condition(word, dear, here(lambda v, n=n, at=at: v % n == at))


def _one(name: str, at: int, holds: Callable[[Rows], Mask]) -> Condition:
    """The condition that a place is this one."""
    word = f"in the first {name}" if at == 0 else f"in {name} {at}"
    return Condition(word, 1.5 if at == 0 else 2.2, holds, place=name in PLACES)


def _of_value(name: str, values: Ints, kind: str = "values") -> Iterator[Condition]:
    """Conditions on a value."""
    low, high, far = int(values.min()), int(values.max()), APART * (" - " in name)
    at = partial(partial, _where, kind, name)
    if low == high:
        yield Condition(
            f"where {name} is {low}",
            1.5 if low == 0 else 2.2 if abs(low) <= EQUAL else 3,
            at(lambda v: v == low),
        )
    if high < 0:
        yield Condition(f"where {name} is below 0", 1.5 + far, at(lambda v: v < 0))
    if high <= 0:
        yield Condition(f"where {name} is not above 0", 1.9 + far, at(lambda v: v <= 0))
    if low > 0:
        yield Condition(f"where {name} is above 0", 1.6 + far, at(lambda v: v > 0))
    if low >= 0:
        yield Condition(f"where {name} is not below 0", 1.8 + far, at(lambda v: v >= 0))
    if low != high:
        for least, dear in {_power(low): 2.6, low: 3.2 if low > EQUAL else 2.7}.items():
            if least > 1:
                yield Condition(f"where {name} is {least:,} or more", dear, at(lambda v, least=least: v >= least))
        if high < -1:
            for most, dear in {-_power(-high): 2.7, high: 3.4}.items():
                yield Condition(f"where {name} is {most:,} or less", dear, at(lambda v, most=most: v <= most))
        if 0 < high:
            yield Condition(f"where {name} is {high:,} or less", 3.4 if high > EQUAL else 2.7, at(lambda v: v <= high))
    for odd in (0, 1):
        if (values & 1 == odd).all():
            yield Condition(f"where {name} is {('even', 'odd')[odd]}", 2, at(lambda v, odd=odd: v & 1 == odd))
    zeros = int(np.bitwise_or.reduce(values))
    if values.any() and low != high:
        free = (zeros & -zeros).bit_length() - 1
        if free > 1:
            yield Condition(f"where {name} is a multiple of {1 << free}", 2.7, at(lambda v: v % (1 << free) == 0))


def _power(v: int) -> int:
    """The largest power of two that is not above a value, 0 of none."""
    return 1 << (v.bit_length() - 1) if v > 0 else 0
