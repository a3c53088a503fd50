"""The words of fast kernels: vectors of integers as values, so that a kernel reads like its formula.

A vector is `count` registers of `lanes` numbers each; its lanes are those of its registers, one after the other. What
stands here says what each word means, in Python over NumPy, and is what runs with NUMBA_DISABLE_JIT: an index outside
an array, vectors that do not fit, or a shift by too much then raise. In a compiled kernel each word is a few
instructions (`lowered`), nothing is checked, and every lane wraps at its bits as here: a kernel says which lanes must
not wrap, and why they do not, and why the others may.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array: TypeAlias = NDArray[Any]


class Vector:
    """`count` registers of `lanes` numbers, (count, lanes); a comparison gives one of truth values, a mask.

    + - * and << >> by an integer, & | of two, and >= > < == work on each lane and wrap at its bits; >> keeps the sign
    of signed ones.
    """

    def __init__(self, registers: Array) -> None:
        self.registers = registers

    @property
    def count(self) -> int:
        """How many registers: a number that is known when a kernel is compiled."""
        return len(self.registers)

    def _met(self, other: Vector) -> tuple[Array, Array]:
        one, two = self.registers, other.registers
        if (one.shape, one.dtype) != (two.shape, two.dtype):
            raise TypeError(f"{one.dtype} {one.shape} does not meet {two.dtype} {two.shape}")
        return one, two

    def _by(self, by: int) -> Array:
        if not 0 <= by < 8 * self.registers.itemsize:
            raise ValueError(f"a shift of {self.registers.dtype} by {by}")
        return np.asarray(by).astype(self.registers.dtype)

    def __add__(self, other: Vector) -> Vector:
        one, two = self._met(other)
        return Vector(one + two)

    def __sub__(self, other: Vector) -> Vector:
        one, two = self._met(other)
        return Vector(one - two)

    def __mul__(self, other: Vector) -> Vector:
        one, two = self._met(other)
        return Vector(one * two)

    def __and__(self, other: Vector) -> Vector:
        one, two = self._met(other)
        return Vector(one & two)

    def __or__(self, other: Vector) -> Vector:
        one, two = self._met(other)
        return Vector(one | two)

    def __lshift__(self, by: int) -> Vector:
        return Vector(self.registers << self._by(by))

    def __rshift__(self, by: int) -> Vector:
        return Vector(self.registers >> self._by(by))

    def __ge__(self, other: Vector) -> Vector:
        one, two = self._met(other)
        return Vector(one >= two)

    def __gt__(self, other: Vector) -> Vector:
        one, two = self._met(other)
        return Vector(one > two)

    def __lt__(self, other: Vector) -> Vector:
        one, two = self._met(other)
        return Vector(one < two)

    def __eq__(self, other: Vector) -> Vector:  # type: ignore[override]  # of each lane, as NumPy's
        one, two = self._met(other)
        return Vector(one == two)

    __hash__ = None  # type: ignore[assignment]


def cut(array: Array, index: int, size: int) -> Array:
    """The `size` numbers from `index` on, as a view. Errors: IndexError where the array has fewer."""
    if index < 0 or index + size > array.size:
        raise IndexError(f"{index} to {index + size} of {array.size}")
    return array[index : index + size]


def number_at(array: Array, index: int) -> Any:
    """The number at an index of a flat array."""
    return cut(array, index, 1)[0]


def zeros(dtype: DTypeLike, lanes: int, count: int) -> Vector:
    """Zeros."""
    return Vector(np.zeros((count, lanes), dtype))


def spread(value: float, dtype: DTypeLike, lanes: int, count: int) -> Vector:
    """One number in every lane, cut to its bits."""
    return Vector(np.full((count, lanes), np.asarray(value).astype(dtype)))


def loads(array: Array, index: int, lanes: int, count: int) -> Vector:
    """The numbers of a flat array from `index` on."""
    return Vector(cut(array, index, lanes * count).reshape(count, lanes).copy())


def repeats(array: Array, index: int, period: int, lanes: int) -> Vector:
    """The `period` numbers from `index` on, again and again: one register."""
    return Vector(np.tile(cut(array, index, period), lanes // period).reshape(1, lanes))


def loads_each(array: Array, index: int, places: Array, first: int, lanes: int, count: int) -> Vector:
    """`count` registers, the k-th of the numbers from index + places[first + k] on."""
    return Vector(np.stack([cut(array, index + p, lanes) for p in cut(places, first, count).tolist()]))


def repeats_each(array: Array, index: int, places: Array, first: int, period: int, lanes: int, count: int) -> Vector:
    """`count` registers, the k-th of the `period` numbers from index + places[first + k] on, again and again."""
    own = np.stack([cut(array, index + p, period) for p in cut(places, first, count).tolist()])
    return Vector(np.tile(own, lanes // period))


def again(value: Vector, count: int) -> Vector:
    """One register, `count` times."""
    return Vector(np.repeat(value.registers, count, axis=0))


def stores(array: Array, index: int, value: Vector) -> None:
    """Nothing; then the lanes stand in a flat array from `index` on."""
    cut(array, index, value.registers.size)[:] = value.registers.ravel()


def stores_each(array: Array, index: int, places: Array, first: int, value: Vector) -> None:
    """Nothing; then the lanes of the k-th register stand in a flat array from index + places[first + k] on."""
    for k, place in enumerate(cut(places, first, len(value.registers)).tolist()):
        cut(array, index + place, value.registers.shape[1])[:] = value.registers[k]


def adds(array: Array, index: int, places: Array, first: int, value: Vector) -> None:
    """Nothing; then the lanes are added to a flat array, 16 at a time: the k-th 16 from index + places[first + k] on,
    one after the other.
    """
    own = value.registers.reshape(-1, 16)
    for part, place in zip(own, cut(places, first, len(own)).tolist(), strict=True):
        cut(array, index + place, 16)[:] += part


def row_sums(
    table: Array, index: int, size: int, marks: Array, first: int, behind: int, lanes: int, count: int
) -> Vector:
    """The rows that marks first..behind - 1 of a list name, added up: row r of a flat array is at index + r·size."""
    total = zeros(table.dtype, lanes, count)
    for mark in cut(marks, first, max(0, behind - first)).tolist():
        total = total + loads(table, index + mark * size, lanes, count)
    return total


def row_sums_shifted(
    table: Array, index: int, size: int, marks: Array, first: int, behind: int, bits: int, lanes: int, count: int
) -> Vector:
    """As `row_sums`: the lowest `bits` of a mark name the row, the others say how far left it is shifted."""
    total = zeros(table.dtype, lanes, count)
    for mark in cut(marks, first, max(0, behind - first)).tolist():
        row = loads(table, index + (mark & (1 << bits) - 1) * size, lanes, count)
        total = total + (row << (mark >> bits))
    return total


def widen(value: Vector, dtype: DTypeLike) -> Vector:
    """The same numbers in lanes of more bits."""
    return Vector(value.registers.astype(dtype))


def narrow(value: Vector, dtype: DTypeLike) -> Vector:
    """The lowest bits of every lane."""
    return Vector(value.registers.astype(dtype))


def real(value: Vector) -> Vector:
    """The float32 nearest to every int32."""
    return Vector(value.registers.astype(np.float32))


def whole(value: Vector) -> Vector:
    """The int32 of every float32, cut towards zero. Errors: ValueError where there is none: compiled, any number."""
    if not (np.abs(value.registers) < 2**31).all():
        raise ValueError("a float32 beyond int32")
    return Vector(value.registers.astype(np.int32))


def keep(mask: Vector, value: Vector) -> Vector:
    """The lanes where the mask is true, else 0."""
    return Vector(np.where(mask.registers, value.registers, value.registers.dtype.type(0)))


def select(mask: Vector, one: Vector, other: Vector) -> Vector:
    """The lanes of one where the mask is true, else those of the other."""
    return Vector(np.where(mask.registers, *one._met(other)))


def least(one: Vector, other: Vector) -> Vector:
    """The smaller of two lanes of integers, as if they had no sign: a negative one is larger than any other."""
    a, b = one._met(other)
    unsigned = f"u{a.itemsize}"
    return Vector(np.minimum(a.view(unsigned), b.view(unsigned)).view(a.dtype))


def join(one: Vector, other: Vector) -> Vector:
    """The registers of one and then those of the other."""
    return Vector(np.concatenate([one.registers, other.registers]))


def digits(value: Vector, mask: Vector) -> Vector:
    """One register of numbers, and behind the binary digits of each those that the registers of a mask are, in turn."""
    found = value.registers
    for digit in mask.registers:
        found = (found << 1) + digit
    return Vector(found)


def ones(value: Vector) -> Vector:
    """How many bits are set in every lane."""
    return Vector(np.bitwise_count(value.registers.view(f"u{value.registers.itemsize}")).astype(value.registers.dtype))


def total(value: Vector) -> int:
    """The sum of all lanes, an int64."""
    return int(value.registers.sum(dtype=np.int64))


def lists(array: Array, index: int, value: Vector, mask: Vector) -> int:
    """The index behind the last; then the lanes where the mask is true stand in a flat array from `index` on, in order.
    There must be room for all lanes: behind the last may stand anything.
    """
    chosen = value.registers.ravel()[mask.registers.ravel()]
    cut(array, index, value.registers.size)[: chosen.size] = chosen
    return int(index + chosen.size)


def dot(sums: Vector, one: Vector, other: Vector) -> Vector:
    """Sums, each increased by the products of so many lanes as it is wide: of four uint8 and int8, or two int16.

    sums int32 (count, lanes), other (count, n·lanes), one (count, n·lanes) or (1, n·lanes), which then goes for all.
    """
    products = one.registers.astype(np.int32) * other.registers.astype(np.int32)
    return Vector(sums.registers + products.reshape(*sums.registers.shape, -1).sum(axis=2, dtype=np.int32))


def roomy() -> bool:
    """Whether a processor has room for 32 registers of 64 bytes: how many numbers a kernel had best work on at once."""
    return True


def calls(kernel: Any, g: Array, memory: tuple[Array, ...]) -> int:
    """What a kernel of a geometry and of memory gives, an int64; compiled, by its address (`Kernel.address`)."""
    return int(kernel(g, memory))
