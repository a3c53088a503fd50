"""The two words for which a processor has instructions that LLVM does not find by itself, `lists` and `dot`; and
`roomy`, which tells of its registers.

This is the one module of fsref that names any. Each word has a form for every processor, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from fsref.engines.kernels import vectors
from fsref.engines.kernels.registers import (
    I8,
    I16,
    I32,
    I64,
    array,
    call,
    flat,
    has,
    pack,
    picked,
    place,
    store,
    vector,
    word,
)


@word(vectors.lists)
def _lists(target: Any, index: Any, value: Any, mask: Any) -> Any:
    if not array(target) or not vector(value, mask) or value.dtype != target.dtype:
        return None
    if mask.lanes * mask.count != value.lanes * value.count or mask.dtype != types.boolean:
        return None

    def write(context: Any, b: Any, memory: Any, at: Any, x: Any, z: Any) -> Any:
        at = context.cast(b, at, index, types.int64)
        (most, how), first, lanes = listing(context, value.bits), 0, value.lanes * value.count
        while first < lanes:
            size = min(most, 1 << (lanes - first).bit_length() - 1)  # a power of two
            own, chosen = flat(b, value, x, first, size), flat(b, mask, z, first, size)
            at, first = how(context, b, target, memory, at, own, chosen), first + size
        return at

    return types.int64, write


def listing(context: Any, bits: int) -> tuple[int, Callable[..., Any]]:
    """The most lanes of so many bits that are listed at once, and what writes it."""
    if has(context, "avx512vbmi2") and has(context, "avx512vl") and bits in (8, 16):
        return 512 // bits, compressed
    if has(context, "ssse3") and bits in (8, 16):
        return 8, shuffled
    return 8, one_by_one


def counted(b: Any, chosen: Any) -> tuple[Any, Any]:
    """A register of truth values as a number, and how many are true, an int64."""
    word = b.bitcast(chosen, ir.IntType(chosen.type.count))
    wide = word if chosen.type.count == 64 else b.zext(word, I64)
    return wide, call(b, "llvm.ctpop.i64", I64, wide)


def compressed(context: Any, b: Any, kind: Any, memory: Any, at: Any, own: Any, chosen: Any) -> Any:
    """By one instruction of AVX-512."""
    name = f"llvm.x86.avx512.mask.compress.v{own.type.count}i{own.type.element.width}"
    found = call(b, name, own.type, own, ir.Constant(own.type, None), chosen)
    store(b, found, place(context, b, kind, memory, at, own.type), kind)
    return b.add(at, counted(b, chosen)[1])


def shuffled(context: Any, b: Any, kind: Any, memory: Any, at: Any, own: Any, chosen: Any) -> Any:
    """By SSSE3's shuffle of bytes, eight lanes at a time: a table says for each mask which bytes come first."""
    size = own.type.element.width // 8
    rows = []
    for mask in range(256):
        lanes = [lane for lane in range(8) if mask >> lane & 1]
        row = [size * lane + byte for lane in lanes for byte in range(size)]
        rows += row + [0] * (8 * size - len(row))
    table = cgutils.global_constant(b, f"listing{size}", ir.Constant(ir.ArrayType(I8, len(rows)), rows))
    wide, count = counted(b, chosen)
    bytes_ = ir.VectorType(I8, 8 * size)
    address = b.gep(b.bitcast(table, I8.as_pointer()), [b.mul(wide, I64(8 * size))])
    order = b.load(b.bitcast(address, bytes_.as_pointer()))
    order.align = 1
    many = [n % (8 * size) for n in range(16)]
    moved = call(
        b,
        "llvm.x86.ssse3.pshuf.b.128",
        ir.VectorType(I8, 16),
        *(picked(b, b.bitcast(v, bytes_), many) for v in (own, order)),
    )
    found = b.bitcast(picked(b, moved, list(range(8 * size))), own.type)
    store(b, found, place(context, b, kind, memory, at, own.type), kind)
    return b.add(at, count)


def one_by_one(context: Any, b: Any, kind: Any, memory: Any, at: Any, own: Any, chosen: Any) -> Any:
    """Lane by lane: the next overwrites it, unless it is chosen."""
    for lane in range(own.type.count):
        store(b, b.extract_element(own, I32(lane)), place(context, b, kind, memory, at, own.type.element), kind)
        at = b.add(at, b.zext(b.extract_element(chosen, I32(lane)), I64))
    return at


@word(vectors.dot)
def _dot(sums: Any, one: Any, other: Any) -> Any:
    if not vector(sums, one, other) or sums.dtype != types.int32 or one.count not in (1, sums.count):
        return None
    if (one.dtype, other.dtype) == (types.uint8, types.int8):
        make, width = fours, 4
    elif (one.dtype, other.dtype) == (types.int16, types.int16):
        make, width = pairs, 2
    else:
        return None
    if one.lanes != other.lanes or other.lanes != width * sums.lanes or other.count != sums.count:
        return None

    def write(context: Any, b: Any, s: Any, x: Any, y: Any) -> Any:
        def register(k: int) -> Any:
            return make(context, b, *(b.extract_value(v, n) for v, n in ((s, k), (x, k % one.count), (y, k))))

        return pack(b, sums, register)

    return sums, write


# What adds the products of pairs of int16 to sums of 32 bits, by the number of these, the widest first: of what is made
# of one register twice over, LLVM does not find it by itself.
PAIRS = {16: ("avx512bw", "llvm.x86.avx512.pmaddw.d.512"), 8: ("avx2", "llvm.x86.avx2.pmadd.wd")}


def pairs(context: Any, b: Any, s: Any, x: Any, y: Any) -> Any:
    """Sums and products of pairs of int16."""
    n = s.type.count
    for size, (feature, name) in PAIRS.items():
        if has(context, feature) and n % size == 0:
            kind = ir.VectorType(I32, size)
            lanes = (list(range(2 * first, 2 * (first + size))) for first in range(0, n, size))
            return b.add(s, joined(b, [call(b, name, kind, *(picked(b, v, own) for v in (x, y))) for own in lanes]))
    even, odd = list(range(0, 2 * n, 2)), list(range(1, 2 * n, 2))
    products = [b.mul(*(b.sext(picked(b, v, lanes), s.type) for v in (x, y))) for lanes in (even, odd)]
    return b.add(s, b.add(*products))


def joined(b: Any, parts: list[Any]) -> Any:
    """Registers side by side as one: a power of two of them."""
    while len(parts) > 1:
        lanes = list(range(2 * parts[0].type.count))
        parts = [picked(b, one, lanes, other) for one, other in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def fours(context: Any, b: Any, s: Any, x: Any, y: Any) -> Any:
    """Sums and products of four uint8 and int8: by AVX-512 VNNI where a register has its size, else by pairs of even
    and odd bytes, widened, for no sum of two products fits 16 bits.
    """
    if has(context, "avx512vnni") and s.type.count == 16:
        return call(b, "llvm.x86.avx512.vpdpbusd.512", s.type, s, x, y)
    words, eight = (
        ir.VectorType(I16, 2 * s.type.count),
        ir.Constant(ir.VectorType(I16, 2 * s.type.count), [8] * (2 * s.type.count)),
    )
    low = ir.Constant(words, [255] * words.count)
    x, y = b.bitcast(x, words), b.bitcast(y, words)
    s = pairs(context, b, s, b.and_(x, low), b.ashr(b.shl(y, eight), eight))
    return pairs(context, b, s, b.lshr(x, eight), b.ashr(y, eight))


@word(vectors.roomy)
def _roomy() -> Any:
    def write(context: Any, b: Any) -> Any:
        return ir.IntType(1)(int(has(context, "avx512f")))

    return types.boolean, write
