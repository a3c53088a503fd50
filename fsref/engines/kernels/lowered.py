"""The words of `vectors` as Numba compiles them: LLVM's generic vectors, which become whatever this processor has.

Each word is typed, and written as a function of registers. It is imported when the first kernel is compiled, and with
it `rows`, words that find registers through a list, and `processors`, which holds the two words that need more.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from fsref.engines.kernels import processors, rows, vectors
from fsref.engines.kernels.registers import (
    I64,
    Registers,
    array,
    call,
    grown,
    literal,
    load,
    pack,
    place,
    splat,
    store,
    vector,
    word,
)

__all__ = ["processors", "rows"]  # importing them makes their words known

# Operators, and words that make each register from those of the same number.


def each(meaning: Any, make: Callable[..., Any], truth: bool = False) -> None:
    """Nothing; then a word of two vectors of one type is make(builder, type, one, other) of every register."""

    @word(meaning)
    def typed(one: Any, other: Any) -> Any:
        if not vector(one, other) or one != other:
            return None
        kind = one.of(types.boolean) if truth else one

        def write(context: Any, b: Any, x: Any, y: Any) -> Any:
            return pack(b, kind, lambda k: make(b, one, b.extract_value(x, k), b.extract_value(y, k)))

        return kind, write


def compare(op: str) -> Callable[..., Any]:
    """What writes a comparison of two registers."""

    def make(b: Any, kind: Registers, x: Any, y: Any) -> Any:
        if kind.dtype == types.float32:
            return b.fcmp_ordered(op, x, y)
        return (b.icmp_signed if kind.signed else b.icmp_unsigned)(op, x, y)

    return make


def arithmetic(integer: str, floating: str) -> Callable[..., Any]:
    """What writes a sum, difference or product of two registers."""
    return lambda b, kind, x, y: getattr(b, floating if kind.dtype == types.float32 else integer)(x, y)


each(operator.add, arithmetic("add", "fadd"))
each(operator.sub, arithmetic("sub", "fsub"))
each(operator.mul, arithmetic("mul", "fmul"))
each(operator.and_, lambda b, kind, x, y: b.and_(x, y))
each(operator.or_, lambda b, kind, x, y: b.or_(x, y))
each(vectors.least, lambda b, kind, x, y: b.select(b.icmp_unsigned("<", x, y), x, y))
for operation, sign in ((operator.ge, ">="), (operator.gt, ">"), (operator.lt, "<"), (operator.eq, "==")):
    each(operation, compare(sign), truth=True)


def shift(meaning: Any, make: Callable[..., Any]) -> None:
    """Nothing; then a shift of every lane by one integer is make(builder, type, register, how far)."""

    @word(meaning)
    def typed(value: Any, by: Any) -> Any:
        if not vector(value) or not isinstance(by, types.Integer):
            return None

        def write(context: Any, b: Any, x: Any, far: Any) -> Any:
            far = context.cast(b, far, by, types.uint64) if by != types.uint64 else far
            far = far if value.bits == 64 else b.trunc(far, value.one)
            all_far = splat(b, far, value.lanes)
            return pack(b, value, lambda k: make(b, value, b.extract_value(x, k), all_far))

        return value, write


shift(operator.lshift, lambda b, kind, x, far: b.shl(x, far))
shift(operator.rshift, lambda b, kind, x, far: (b.ashr if kind.signed else b.lshr)(x, far))


def turned(meaning: Any, make: Callable[..., Any], wanted: Any = None) -> None:
    """Nothing; then a word of a vector, and of a type where none is `wanted`, is make(builder, type, type of the
    answer, register) of every register.
    """

    def known(value: Any, dtype: Any) -> Any:
        kind = value.of(value.dtype if dtype is value else dtype)

        def write(context: Any, b: Any, x: Any, *_: Any) -> Any:
            return pack(b, kind, lambda k: make(b, value, kind, b.extract_value(x, k)))

        return kind, write

    if wanted is None:
        word(meaning)(lambda value, dtype: known(value, dtype.dtype) if vector(value) else None)
    else:
        word(meaning)(lambda value: known(value, wanted) if vector(value) else None)


def bits_set(b: Any, kind: Registers, same: Registers, x: Any) -> Any:
    """How many bits are set in each lane of a register."""
    return call(b, f"llvm.ctpop.v{kind.lanes}i{kind.bits}", kind.register, x)


turned(vectors.widen, grown)
turned(vectors.narrow, lambda b, kind, slim, x: b.trunc(x, slim.register))
turned(vectors.real, lambda b, kind, floats, x: b.sitofp(x, floats.register), types.float32)
turned(vectors.whole, lambda b, kind, integers, x: b.fptosi(x, integers.register), types.int32)


@word(vectors.ones)
def _ones(value: Any) -> Any:
    if not vector(value):
        return None
    return value, lambda context, b, x: pack(b, value, lambda k: bits_set(b, value, value, b.extract_value(x, k)))


@word(vectors.keep)
def _keep(mask: Any, value: Any) -> Any:
    if not vector(mask, value) or mask != value.of(types.boolean):
        return None
    none = ir.Constant(value.register, None)

    def write(context: Any, b: Any, z: Any, x: Any) -> Any:
        return pack(b, value, lambda k: b.select(b.extract_value(z, k), b.extract_value(x, k), none))

    return value, write


@word(vectors.digits)
def _digits(value: Any, mask: Any) -> Any:
    if not vector(value, mask) or value.count != 1 or mask.dtype != types.boolean or mask.lanes != value.lanes:
        return None
    one = ir.Constant(value.register, [1] * value.lanes)

    def write(context: Any, b: Any, x: Any, z: Any) -> Any:
        found, none = b.extract_value(x, 0), ir.Constant(value.register, None)
        for k in range(mask.count):
            found = b.add(b.shl(found, one), b.select(b.extract_value(z, k), one, none))
        return pack(b, value, lambda _: found)

    return value, write


@word(vectors.select)
def _select(mask: Any, one: Any, other: Any) -> Any:
    if not vector(mask, one, other) or one != other or mask != one.of(types.boolean):
        return None

    def write(context: Any, b: Any, z: Any, x: Any, y: Any) -> Any:
        return pack(b, one, lambda k: b.select(*(b.extract_value(value, k) for value in (z, x, y))))

    return one, write


@word(vectors.join)
def _join(one: Any, other: Any) -> Any:
    if not vector(one, other) or (one.dtype, one.lanes) != (other.dtype, other.lanes):
        return None
    kind = Registers(one.dtype, one.lanes, one.count + other.count)

    def write(context: Any, b: Any, x: Any, y: Any) -> Any:
        return pack(b, kind, lambda k: b.extract_value(*((x, k) if k < one.count else (y, k - one.count))))

    return kind, write


# Words that make vectors, and those that read and write memory.


@word(vectors.zeros)
def _zeros(dtype: Any, lanes: Any, count: Any) -> Any:
    if not literal(lanes, count):
        return None
    kind = Registers(dtype.dtype, lanes.literal_value, count.literal_value)
    return kind, lambda context, b, *_: ir.Constant(ir.ArrayType(kind.register, kind.count), None)


@word(vectors.spread)
def _spread(value: Any, dtype: Any, lanes: Any, count: Any) -> Any:
    if not literal(lanes, count) or not isinstance(value, types.Number):
        return None
    kind = Registers(dtype.dtype, lanes.literal_value, count.literal_value)

    def write(context: Any, b: Any, x: Any, *_: Any) -> Any:
        register = splat(b, context.cast(b, x, value, kind.dtype), kind.lanes)
        return pack(b, kind, lambda k: register)

    return kind, write


@word(vectors.number_at)
def _number_at(source: Any, index: Any) -> Any:
    if not array(source) or not isinstance(index, types.Integer):
        return None

    def write(context: Any, b: Any, memory: Any, where: Any) -> Any:
        number = context.get_value_type(source.dtype)
        return load(b, place(context, b, source, memory, context.cast(b, where, index, types.int64), number), source)

    return source.dtype, write


@word(vectors.loads)
def _loads(source: Any, index: Any, lanes: Any, count: Any) -> Any:
    if not array(source) or not literal(lanes, count):
        return None
    kind = Registers(source.dtype, lanes.literal_value, count.literal_value)

    def write(context: Any, b: Any, memory: Any, at: Any, *_: Any) -> Any:
        at = context.cast(b, at, index, types.int64)

        def register(k: int) -> Any:
            return load(b, place(context, b, source, memory, at, kind.register, k * kind.lanes), source)

        return pack(b, kind, register)

    return kind, write


@word(vectors.repeats)
def _repeats(source: Any, index: Any, period: Any, lanes: Any) -> Any:
    if not array(source) or not literal(period, lanes):
        return None
    kind, size = Registers(source.dtype, lanes.literal_value, 1), period.literal_value

    def write(context: Any, b: Any, memory: Any, at: Any, *_: Any) -> Any:
        # As one wide number, which a processor loads into all lanes at once.
        whole = ir.IntType(kind.bits * size)
        number = load(b, place(context, b, source, memory, context.cast(b, at, index, types.int64), whole), source)
        return pack(b, kind, lambda k: b.bitcast(splat(b, number, kind.lanes // size), kind.register))

    return kind, write


@word(vectors.stores)
def _stores(target: Any, index: Any, value: Any) -> Any:
    if not array(target) or not vector(value) or value.dtype != target.dtype:
        return None

    def write(context: Any, b: Any, memory: Any, at: Any, x: Any) -> Any:
        at = context.cast(b, at, index, types.int64)
        for k in range(value.count):
            address = place(context, b, target, memory, at, value.register, k * value.lanes)
            store(b, b.extract_value(x, k), address, target)
        return context.get_dummy_value()

    return types.void, write


@word(vectors.again)
def _again(value: Any, count: Any) -> Any:
    if not vector(value) or not literal(count) or value.count != 1:
        return None
    kind = Registers(value.dtype, value.lanes, count.literal_value)
    return kind, lambda context, b, x, _: pack(b, kind, lambda k: b.extract_value(x, 0))


@word(vectors.total)
def _total(value: Any) -> Any:
    if not vector(value):
        return None
    wide = value.of(types.int64)

    def write(context: Any, b: Any, x: Any) -> Any:
        whole = grown(b, value, wide, b.extract_value(x, 0))
        for k in range(1, value.count):
            whole = b.add(whole, grown(b, value, wide, b.extract_value(x, k)))
        return call(b, f"llvm.vector.reduce.add.v{wide.lanes}i64", I64, whole)

    return types.int64, write
