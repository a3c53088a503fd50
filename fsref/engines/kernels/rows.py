"""Words of `vectors` that find registers in memory through a list, as Numba compiles them; and the call by address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from fsref.engines.kernels import vectors
from fsref.engines.kernels.registers import (
    I8,
    I32,
    I64,
    Registers,
    array,
    flat,
    literal,
    load,
    pack,
    place,
    splat,
    store,
    vector,
    word,
)


def listed(context: Any, b: Any, kinds: Any, given: Any) -> Callable[[int], Any]:
    """What gives the k-th index of those that stand in a list: (index, places, first) and their types."""
    (index, places, first), (at, where, begin) = kinds, given
    at, begin = context.cast(b, at, index, types.int64), context.cast(b, begin, first, types.int64)
    return lambda k: b.add(at, load(b, place(context, b, places, where, begin, I64, k), places))


def indices(*kinds: Any) -> bool:
    """Whether these are an index, a list of int64, and where in it they begin."""
    return array(kinds[1]) and kinds[1].dtype == types.int64


@word(vectors.loads_each)
def _loads_each(source: Any, index: Any, places: Any, first: Any, lanes: Any, count: Any) -> Any:
    if not array(source) or not indices(index, places, first) or not literal(lanes, count):
        return None
    kind = Registers(source.dtype, lanes.literal_value, count.literal_value)

    def write(context: Any, b: Any, memory: Any, at: Any, where: Any, begin: Any, *_: Any) -> Any:
        each_at = listed(context, b, (index, places, first), (at, where, begin))
        return pack(b, kind, lambda k: load(b, place(context, b, source, memory, each_at(k), kind.register), source))

    return kind, write


@word(vectors.repeats_each)
def _repeats_each(source: Any, index: Any, places: Any, first: Any, period: Any, lanes: Any, count: Any) -> Any:
    if not array(source) or not indices(index, places, first) or not literal(period, lanes, count):
        return None
    kind, size = Registers(source.dtype, lanes.literal_value, count.literal_value), period.literal_value
    number = ir.IntType(kind.bits * size)

    def write(context: Any, b: Any, memory: Any, at: Any, where: Any, begin: Any, *_: Any) -> Any:
        each_at = listed(context, b, (index, places, first), (at, where, begin))

        def register(k: int) -> Any:
            one = load(b, place(context, b, source, memory, each_at(k), number), source)
            return b.bitcast(splat(b, one, kind.lanes // size), kind.register)

        return pack(b, kind, register)

    return kind, write


@word(vectors.stores_each)
def _stores_each(target: Any, index: Any, places: Any, first: Any, value: Any) -> Any:
    if not array(target) or not indices(index, places, first) or not vector(value) or value.dtype != target.dtype:
        return None

    def write(context: Any, b: Any, memory: Any, at: Any, where: Any, begin: Any, x: Any) -> Any:
        each_at = listed(context, b, (index, places, first), (at, where, begin))
        found = [each_at(k) for k in range(value.count)]  # before anything is written
        for k in range(value.count):
            address = place(context, b, target, memory, found[k], value.register)
            store(b, b.extract_value(x, k), address, target)
        return context.get_dummy_value()

    return types.void, write


@word(vectors.adds)
def _adds(target: Any, index: Any, places: Any, first: Any, value: Any) -> Any:
    if not array(target) or not indices(index, places, first) or not vector(value) or value.dtype != target.dtype:
        return None
    part = Registers(value.dtype, 16, 1)

    def write(context: Any, b: Any, memory: Any, at: Any, where: Any, begin: Any, x: Any) -> Any:
        each_at = listed(context, b, (index, places, first), (at, where, begin))
        for k in range(value.lanes * value.count // 16):
            address = place(context, b, target, memory, each_at(k), part.register)
            store(b, b.add(load(b, address, target), flat(b, value, x, 16 * k, 16)), address, target)
        return context.get_dummy_value()

    return types.void, write


def summed(b: Any, kind: Registers, first: Any, behind: Any, row: Callable[[Any], list[Any]]) -> Any:
    """The registers row(n) of every n from first on, added up; the loop is left as it is, for lists are short."""
    before, loop, done = b.block, b.append_basic_block("row"), b.append_basic_block("done")
    b.cbranch(b.icmp_signed("<", first, behind), loop, done)
    b.position_at_end(loop)
    n, sums = b.phi(I64), [b.phi(kind.register) for _ in range(kind.count)]
    more = [b.add(own, x) for own, x in zip(sums, row(n), strict=True)]
    following = b.add(n, I64(1))
    left_alone(b, b.cbranch(b.icmp_signed("<", following, behind), loop, done))
    n.add_incoming(first, before)
    n.add_incoming(following, loop)
    none = ir.Constant(kind.register, None)
    b.position_at_end(done)
    whole = [b.phi(kind.register) for _ in range(kind.count)]
    for own, x, ended in zip(sums, more, whole, strict=True):
        own.add_incoming(none, before)
        own.add_incoming(x, loop)
        ended.add_incoming(none, before)
        ended.add_incoming(x, loop)
    return pack(b, kind, lambda k: whole[k])


def left_alone(b: Any, branch: Any) -> None:
    """Nothing; then LLVM does not unroll the loop that this branch closes."""
    asked = b.module.add_metadata([ir.MetaDataString(b.module, "llvm.loop.unroll.disable")])
    loop = b.module.add_metadata([asked, asked])
    loop.operands = (loop, asked)
    branch.set_metadata("llvm.loop", loop)


def rows_summed(table: Any, marks: Any, numbers: tuple[Any, ...], lanes: Any, count: Any, shifting: bool) -> Any:
    """The type of `row_sums`, and what writes it; `numbers` are the types of index, size, first, behind, bits."""
    if not array(table) or not array(marks) or not literal(lanes, count):
        return None
    kind = Registers(table.dtype, lanes.literal_value, count.literal_value)

    def write(context: Any, b: Any, memory: Any, index: Any, size: Any, listed_: Any, *given: Any) -> Any:
        index, size, first, behind, *bits = (
            context.cast(b, x, own, types.int64) for x, own in zip((index, size, *given), numbers, strict=False)
        )

        def row(n: Any) -> list[Any]:
            mark = b.zext(b.load(place(context, b, marks, listed_, n, marks_of)), I64)
            line = b.and_(mark, b.sub(b.shl(I64(1), bits[0]), I64(1))) if shifting else mark
            at = b.add(index, b.mul(line, size))
            own = [
                load(b, place(context, b, table, memory, at, kind.register, k * kind.lanes), table)
                for k in range(kind.count)
            ]
            if not shifting:
                return own
            far = splat(b, b.trunc(b.lshr(mark, bits[0]), kind.one), kind.lanes)
            return [b.shl(x, far) for x in own]

        marks_of = ir.IntType(marks.dtype.bitwidth)
        return summed(b, kind, first, behind, row)

    return kind, write


@word(vectors.row_sums)
def _row_sums(table: Any, index: Any, size: Any, marks: Any, first: Any, behind: Any, lanes: Any, count: Any) -> Any:
    return rows_summed(table, marks, (index, size, first, behind), lanes, count, shifting=False)


@word(vectors.row_sums_shifted)
def _row_sums_shifted(
    table: Any, index: Any, size: Any, marks: Any, first: Any, behind: Any, bits: Any, lanes: Any, count: Any
) -> Any:
    return rows_summed(table, marks, (index, size, first, behind, bits), lanes, count, shifting=True)


@word(vectors.calls)
def _calls(address: Any, g: Any, memory: Any) -> Any:
    def write(context: Any, b: Any, number: Any, *given: Any) -> Any:
        parts = (spelled(context, b, *own) for own in zip((g, memory), given, strict=True))
        words = [word for part in parts for word in part]
        block = cgutils.alloca_once(b, I64, 1 + len(words))
        for n, own in enumerate(words, 1):
            b.store(own, b.gep(block, [I64(n)]))
        kernel = ir.FunctionType(I32, [I8.as_pointer()]).as_pointer()
        b.call(b.inttoptr(number, kernel), [b.bitcast(block, I8.as_pointer())])  # kernels raise nothing
        return b.load(block)

    return types.int64, write


def spelled(context: Any, b: Any, kind: Any, value: Any) -> list[Any]:
    """The words of a block for a value, as `blocks` says."""
    if isinstance(kind, types.BaseTuple):
        of: Any = kind
        parts = ((own, b.extract_value(value, k)) for k, own in enumerate(of.types))
        return [word for own, part in parts for word in spelled(context, b, own, part)]
    if isinstance(kind, types.Array):
        made = context.make_array(kind)(context, b, value)
        ends = [b.extract_value(of, n) for of in (made.shape, made.strides) for n in range(kind.ndim)]
        return [b.ptrtoint(made.data, I64), *ends]
    return [context.cast(b, value, kind, types.int64)]
