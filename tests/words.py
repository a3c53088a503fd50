"""Every word of vectors in a kernel of its own, held against Python's integers lane by lane; a program, too, so that
those named can be run under other settings of Numba.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines.kernels import Kernel
from fsref.engines.kernels.vectors import (
    adds,
    again,
    calls,
    digits,
    dot,
    join,
    keep,
    least,
    lists,
    loads,
    loads_each,
    narrow,
    number_at,
    ones,
    real,
    repeats,
    repeats_each,
    row_sums,
    row_sums_shifted,
    select,
    spread,
    stores,
    stores_each,
    total,
    whole,
    widen,
    zeros,
)
from processors import hold

Array = NDArray[Any]
KINDS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64)
LANES = 32  # of two registers


@Kernel
def operators(one, other, at, by, number, out, sums):  # type: ignore[no-untyped-def]
    """Each operator and choice of two vectors, one after the other, out."""
    x, y = loads(one, at, 16, 2), loads(other, at, 16, 2)
    stores(out, at, x + y)
    stores(out, at + 32, x - y)
    stores(out, at + 64, x * y)
    stores(out, at + 96, x & y)
    stores(out, at + 128, x | y)
    stores(out, at + 160, x << by)
    stores(out, at + 192, x >> by)
    stores(out, at + 224, keep(x >= y, x))
    stores(out, at + 256, keep(x > y, x))
    stores(out, at + 288, select(x < y, x, y))
    stores(out, at + 320, select((x == y) | (x > y), y, x))
    stores(out, at + 352, ones(x))
    stores(out, at + 384, join(y, x))
    stores(out, at + 448, x + spread(number, out.dtype.type, 16, 2))
    stores(out, at + 480, zeros(out.dtype.type, 16, 2))
    stores(out, at + 512, least(x, y))
    sums[0] = total(x)


def wrapped(value: int, kind: Any) -> int:
    """The number that so many bits make of an integer."""
    info = np.iinfo(kind)
    return (int(value) - int(info.min)) % 2**info.bits + int(info.min)


def lane_by_lane(x: int, y: int, by: int, number: int, kind: Any) -> list[int]:
    """What each of the first twelve, and the last three, makes of one lane."""
    mask = 2 ** np.iinfo(kind).bits - 1
    told = [x + y, x - y, x * y, x & y, x | y, x << by, x >> by, x * (x >= y), x * (x > y), min(x, y), min(x, y)]
    return [wrapped(n, kind) for n in (*told, (x & mask).bit_count(), x + number, 0, min(x & mask, y & mask))]


def extremes(kind: Any) -> list[int]:
    """The numbers at the ends and in the middle of a kind."""
    low, high = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
    return sorted({low, low + 1, low // 2, -1 if low else 3, 0, 1, high // 2 + 1, high - 1, high})


def pairs(kind: Any, more: int = 40) -> tuple[Array, Array]:
    """Two arrays in which each extreme value meets each, and some drawn ones."""
    ends = extremes(kind)
    met = np.array(list(product(ends, ends)), kind)
    drawn = np.random.default_rng(3).integers(np.iinfo(kind).min, np.iinfo(kind).max, (more, 2), kind, endpoint=True)
    one, other = np.concatenate([met, drawn]).T
    return np.ascontiguousarray(one), np.ascontiguousarray(other)


def operators_hold() -> None:
    """Each operator and choice, on each kind, with each pair of extreme values in each lane, at each alignment."""
    for kind in KINDS:
        one, other = pairs(kind)
        bits = np.iinfo(kind).bits
        for at in range(one.size - LANES):
            out, sums = np.full(at + 544, 77, kind), np.zeros(1, np.int64)
            by, number = (0, 1, bits // 2, bits - 1)[at % 4], extremes(kind)[at % len(extremes(kind))]
            operators(one, other, at, by, number, out, sums)
            x, y = one[at : at + LANES].tolist(), other[at : at + LANES].tolist()
            told = [lane_by_lane(a, b, by, number, kind) for a, b in zip(x, y, strict=True)]
            wanted = [list(column) for column in zip(*told, strict=True)]
            got = out[at:].reshape(17, LANES).tolist()
            assert got[:12] == wanted[:12], (kind, at, by)
            assert got[12:] == [y, x, *wanted[12:]], (kind, at)
            assert out[:at].tolist() == [77] * at and sums[0] == wrapped(sum(x), np.int64)


@Kernel
def widths(bytes_, words, wide, at, out16, out32, short, floats, integers):  # type: ignore[no-untyped-def]
    """Each way from one kind of lanes to another; one number of each kind in all of them."""
    stores(out16, at, widen(loads(bytes_, at, 32, 1), np.int16))
    stores(out32, at, widen(loads(words, at, 32, 1), np.int32))
    stores(short, at, narrow(loads(wide, at, 32, 1), np.int16))
    near = real(loads(wide, at, 32, 1))
    stores(floats, at, near * near + near - near + spread(0.5, np.float32, 32, 1))
    stores(integers, at, whole(loads(floats, at, 32, 1)))


def widths_hold() -> None:
    """Widening keeps the number of signed and unsigned lanes, narrowing the low bits; float32 are the nearest."""
    wide = np.resize(np.array([*extremes(np.int32), 2**24 + 1, 2**24 + 3, -(2**24) - 1], np.int32), 64)
    for own, more in ((np.int8, np.int16), (np.uint8, np.uint16)):
        bytes_, words = (np.resize(np.array(extremes(kind), kind), 64) for kind in (own, more))
        for at in range(32):
            out16, out32, short = (np.zeros(64, kind) for kind in (np.int16, np.int32, np.int16))
            floats, integers = np.zeros(64, np.float32), np.zeros(64, np.int32)
            small = (
                np.where(np.abs(wide.astype(np.int64)) < 2**15, wide, 3).astype(np.int32) + (wide == 2**24 + 1) * 40_000
            )
            widths(bytes_, words, small, at, out16, out32, short, floats, integers)
            rows = slice(at, at + 32)
            assert out16[rows].tolist() == bytes_[rows].tolist() and out32[rows].tolist() == words[rows].tolist()
            assert short[rows].tolist() == [wrapped(n, np.int16) for n in small[rows].tolist()]
            near = small[rows].astype(np.float32)
            assert floats[rows].tolist() == (near * near + near - near + np.float32(0.5)).tolist()
            assert integers[rows].tolist() == [int(n) for n in floats[rows].tolist()]


@Kernel
def added(target, index, places, first, values, one):  # type: ignore[no-untyped-def]
    """One register, two of 32 lanes and three of 16 added."""
    adds(target, index, places, first, loads(values, one, 16, 1))
    adds(target, index, places, first, loads(values, one, 32, 2))
    adds(target, index, places, first, loads(values, one, 16, 3))


def adds_hold() -> None:
    """Each 16 lanes are added where a list says, in its order, the same place twice or overlapping others; nothing
    beside them is touched.
    """
    for kind in (np.int16, np.int32):
        values = np.resize(np.array(extremes(kind), kind), 200)
        for index, places in enumerate(([0, 16, 32, 48], [200, 7, 100, 55], [9, 9, 9, 25], [3, 11, 19, 27])):
            target = np.full(300, -5, kind)
            wanted = target.astype(np.int64)
            for count in (1, 4, 3):
                for k, place in enumerate(places[:count]):
                    own = slice(index + place, index + place + 16)
                    wanted[own] += values[index + 16 * k : index + 16 * k + 16]
            added(target, index, np.array([77, *places], np.int64), 1, values, index)
            assert target.tolist() == [wrapped(n, kind) for n in wanted.tolist()]


@Kernel
def rows(table, index, size, marks, first, behind, bits, out):  # type: ignore[no-untyped-def]
    """Rows that a list names, of 16, 32 and 3 x 16 lanes, and shifted."""
    stores(out, 0, row_sums(table, index, size, marks, first, behind, 16, 1))
    stores(out, 16, row_sums(table, index, size, marks, first, behind, 32, 2))
    stores(out, 80, row_sums(table, index, size, marks, first, behind, 16, 3))
    stores(out, 128, row_sums_shifted(table, index, size, marks, first, behind, bits, 16, 3))
    out[176] = number_at(table, index + number_at(marks, first))


def sums_hold() -> None:
    """Rows of a table that a list names from any mark on are added up, each as often as it is named, none where the
    list is empty or ends before it begins; shifted as far as the mark says; lanes wrap at their bits.
    """
    for kind, mark in product((np.int16, np.int32), (np.uint8, np.uint16)):
        table = np.resize(np.array(extremes(kind), kind), 16 * 66)
        marks = np.array([200, 3, 255, 64, 3, 0, 31, 127, 128, 66], mark)
        for (first, behind), index, bits in product(((1, 2), (0, 10), (4, 4), (6, 2), (3, 9)), (0, 5), (4, 6)):
            out = np.full(180, 77, kind)
            rows(table, index, 3, marks, first, behind, bits, out)
            some = marks[first:behind].tolist()
            for begin, lanes in ((0, 16), (16, 64), (80, 48)):
                wanted = [sum(int(table[index + 3 * m + n]) for m in some) for n in range(lanes)]
                assert out[begin : begin + lanes].tolist() == [wrapped(n, kind) for n in wanted], (kind, first, begin)
            mask = (1 << bits) - 1
            wanted = [sum(int(table[index + 3 * (m & mask) + n]) << (m >> bits) for m in some) for n in range(48)]
            assert out[128:176].tolist() == [wrapped(n, kind) for n in wanted], (kind, first, bits)
            assert out[176] == table[index + int(marks[first])] and out[177:].tolist() == [77] * 3


@Kernel
def binary(values, index, limits, out):  # type: ignore[no-untyped-def]
    """Three digits and one behind numbers."""
    x = loads(values, index, 16, 1)
    z = join(
        join(x > loads(limits, index, 16, 1), x > loads(limits, index + 16, 16, 1)), x > spread(3, np.int32, 16, 1)
    )
    stores(out, 0, digits(x, z))
    stores(out, 16, digits(digits(x, z), x == x))


def digits_hold() -> None:
    """Truth values are binary digits behind each number, that of the first register the highest; lanes wrap."""
    values = np.resize(np.array(extremes(np.int32), np.int32), 60)
    limits = np.roll(values, 3)
    for index in range(20):
        out = np.zeros(32, np.int32)
        binary(values, index, limits, out)
        for n in range(16):
            x, one, other = (int(a) for a in (values[index + n], limits[index + n], limits[index + 16 + n]))
            told = 8 * x + 4 * (x > one) + 2 * (x > other) + (x > 3)
            assert [int(out[n]), int(out[16 + n])] == [wrapped(told, np.int32), wrapped(2 * told + 1, np.int32)]


@Kernel
def called(g, memory):  # type: ignore[no-untyped-def]
    """A kernel that is called by its address."""
    memory[0][g[0]] += g[1]
    return g[0] * 1000 + len(memory[1])


@Kernel
def caller(kernel, g, memory, out):  # type: ignore[no-untyped-def]
    """What calls it, twice."""
    for n in range(2):
        out[n] = calls(kernel[n], g[n], memory)


def calls_hold() -> None:
    """A kernel called by its address does what it does, and gives what it gives."""
    memory, g = (np.zeros(3, np.int32), np.zeros(7, np.uint8)), np.array([[2, 5], [1, -(2**31)]])
    found = called.address(g[0], memory)
    out = np.zeros(2, np.int64)
    caller([found] * 2 if callable(found) else np.array([found] * 2), g, memory, out)
    assert memory[0].tolist() == [0, -(2**31), 5] and out.tolist() == [2007, 1007]


@Kernel
def found(source, at, places, first, out):  # type: ignore[no-untyped-def]
    """Registers found through a list of places, and one register for all."""
    stores(out, 0, loads_each(source, at, places, first, 16, 4))
    stores(out, 64, repeats_each(source, at, places, first, 4, 16, 4))
    four = loads_each(source, at, places, first, 16, 4)
    stores(out, 128, again(loads(source, at, 16, 1), four.count))
    stores_each(out, 192 + at, places, first, loads_each(source, at, places, first, 16, 4))


def found_hold() -> None:
    """Each register is the one at its own place, in whatever order, the same place twice or overlapping others; those
    behind overwrite those before.
    """
    for kind in (np.uint8, np.int32):
        source = np.arange(130).astype(kind)
        for at, places in enumerate(([0, 0, 0, 0], [3, 80, 1, 50], [100, 9, 8, 100], [5, 21, 37, 53])):
            listed_ = np.array([77, *places], np.int64)
            out, wanted = np.zeros(192 + 140, kind), np.zeros(140, kind)
            found(source, at, listed_, 1, out)
            for k, place in enumerate(places):
                own = source[at + place : at + place + 16].tolist()
                assert out[16 * k : 16 * k + 16].tolist() == own
                assert out[64 + 16 * k : 80 + 16 * k].tolist() == own[:4] * 4
                wanted[at + place : at + place + 16] = own
            assert out[128:192].tolist() == source[at : at + 16].tolist() * 4
            assert out[192:].tolist() == wanted.tolist()


@Kernel
def listed(target, at, values, limits):  # type: ignore[no-untyped-def]
    """Where values exceed limits: of one register, two and four."""
    a = lists(target, at, loads(values, 0, 16, 1), loads(values, 0, 16, 1) > loads(limits, 0, 16, 1))
    b = lists(target, a, loads(values, 16, 16, 2), loads(values, 16, 16, 2) > loads(limits, 16, 16, 2))
    return lists(target, b, loads(values, 48, 16, 4), loads(values, 48, 16, 4) > loads(limits, 48, 16, 4))


def lists_hold() -> None:
    """Every choice of eight lanes, in every place of a register, is listed in order, from any index on."""
    for kind in (np.uint8, np.uint16, np.int32):
        top = min(int(np.iinfo(kind).max), 2**20)
        values = np.arange(top - 111, top + 1).astype(kind)
        for mask in range(256):
            chosen = np.resize([mask >> n & 1 for n in range(8)], 112) ^ (np.arange(112) // 8 % 3 == mask % 4)
            limits = np.where(chosen, values - kind(1), values)
            target, at = np.zeros(300, kind), mask % 67
            end = listed(target, at, values, limits)
            assert target[at:end].tolist() == values[chosen == 1].tolist() and not target[:at].any()


@Kernel
def products(codes, weights, at, words, others, sums, out):  # type: ignore[no-untyped-def]
    """Dots of bytes and of pairs, each with registers of its own and with one for all."""
    s = loads(sums, at, 16, 2)
    stores(out, 0, dot(s, loads(codes, at, 64, 2), loads(weights, at, 64, 2)))
    stores(out, 32, dot(s, repeats(codes, at, 4, 64), loads(weights, at, 64, 2)))
    stores(out, 64, dot(s, loads(words, at, 32, 2), loads(others, at, 32, 2)))
    stores(out, 96, dot(s, repeats(words, at, 2, 32), loads(others, at, 32, 2)))


def dots_hold() -> None:
    """Sums of products are whole, whatever the codes, weights and alignment: two products of 255 and 127 do not fit 16
    bits, and four of -2^15 wrap only beyond 32.
    """
    rng = np.random.default_rng(5)
    for at in range(24):
        codes = rng.integers(0, 256, 200).astype(np.uint8)
        weights = rng.integers(-128, 128, 200).astype(np.int8)
        words, others = (rng.integers(-(2**15), 2**15, 200).astype(np.int16) for _ in range(2))
        sums = rng.integers(-(2**31), 2**31, 100).astype(np.int32)
        if at % 3 < 2:
            codes[:], weights[:], words[:], others[:] = (
                255,
                (127, -128)[at % 3],
                -(2**15),
                (2**15 - 1, -(2**15))[at % 3],
            )
        out = np.zeros(128, np.int32)
        products(codes, weights, at, words, others, sums, out)
        for row, (one, other, size, whole_) in enumerate(
            [(codes, weights, 4, False), (codes, weights, 4, True), (words, others, 2, False), (words, others, 2, True)]
        ):
            for n in range(32):
                a = one[at : at + size] if whole_ else one[at + size * n : at + size * n + size]
                b = other[at + size * n : at + size * n + size]
                met = int(sums[at + n]) + sum(x * y for x, y in zip(a.tolist(), b.tolist(), strict=True))
                assert out[32 * row + n] == wrapped(met, np.int32), (at, row, n)


HOLD: dict[str, Callable[[], None]] = {
    "operators": operators_hold,
    "widths": widths_hold,
    "adds": adds_hold,
    "sums": sums_hold,
    "digits": digits_hold,
    "calls": calls_hold,
    "lists": lists_hold,
    "dots": dots_hold,
    "found": found_hold,
}

if __name__ == "__main__":
    hold(HOLD)
