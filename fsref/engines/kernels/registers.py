"""Vectors as a type of Numba's, over LLVM's generic vectors, and how a word of them is made known to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.imputils import lower_builtin, lower_getattr
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_getattr, infer_global, signature
from numba.extending import register_model

I8, I16, I32, I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))


class Registers(types.Type):
    """The type of a Vector: `count` registers of `lanes` numbers of a Numba type."""

    def __init__(self, dtype: Any, lanes: int, count: int) -> None:
        self.dtype, self.lanes, self.count = dtype, lanes, count
        self.bits = 1 if dtype == types.boolean else dtype.bitwidth
        self.signed = getattr(dtype, "signed", False)
        super().__init__(f"Registers({count} x {dtype} x {lanes})")

    def of(self, dtype: Any) -> Registers:
        """As many lanes of another type."""
        return Registers(dtype, self.lanes, self.count)

    @property
    def one(self) -> Any:
        """LLVM's type of a lane."""
        return ir.FloatType() if self.dtype == types.float32 else ir.IntType(self.bits)

    @property
    def register(self) -> Any:
        """LLVM's type of a register."""
        return ir.VectorType(self.one, self.lanes)


@register_model(Registers)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: Registers) -> None:
        super().__init__(manager, fe_type, ir.ArrayType(fe_type.register, fe_type.count))


@infer_getattr
class _Attributes(AttributeTemplate):
    key = Registers

    def resolve_count(self, kind: Registers) -> Any:
        return types.literal(kind.count)


@lower_getattr(Registers, "count")  # type: ignore[untyped-decorator]
def _count(context: Any, b: Any, kind: Registers, value: Any) -> Any:
    return I64(kind.count)


def literal(*values: Any) -> bool:
    """Whether all are integers known to the compiler."""
    return all(isinstance(v, types.IntegerLiteral) for v in values)


def pack(b: Any, kind: Registers, make: Callable[[int], Any]) -> Any:
    """A value whose k-th register is make(k)."""
    value = ir.Constant(ir.ArrayType(kind.register, kind.count), ir.Undefined)
    for k in range(kind.count):
        value = b.insert_value(value, make(k), k)
    return value


def picked(b: Any, value: Any, lanes: list[int], other: Any = None) -> Any:
    """A register of the numbered lanes of one, or of two side by side."""
    mask = ir.Constant(ir.VectorType(I32, len(lanes)), lanes)
    return b.shuffle_vector(value, value if other is None else other, mask)


def splat(b: Any, number: Any, lanes: int) -> Any:
    """A register with one number in every lane."""
    none = ir.Constant(ir.VectorType(number.type, lanes), ir.Undefined)
    return picked(b, b.insert_element(none, number, I32(0)), [0] * lanes)


def flat(b: Any, kind: Registers, value: Any, first: int, lanes: int) -> Any:
    """`lanes` lanes of a whole value from `first` on, as one register: a power of two of them."""
    k, at = divmod(first, kind.lanes)
    if lanes <= kind.lanes:
        return picked(b, b.extract_value(value, k), list(range(at, at + lanes)))
    half = lanes // 2
    parts = (flat(b, kind, value, first + n, half) for n in (0, half))
    return picked(b, next(parts), list(range(lanes)), next(parts))


def grown(b: Any, kind: Registers, wider: Registers, x: Any) -> Any:
    """A register of wider lanes: truth values and unsigned numbers keep no sign."""
    if kind.bits == wider.bits:
        return x
    return (b.sext if kind.signed else b.zext)(x, wider.register)


def place(context: Any, b: Any, kind: Any, array: Any, index: Any, register: Any, further: int = 0) -> Any:
    """The address of a register in a flat array, `further` numbers behind an index."""
    data = context.make_array(kind)(context, b, array).data
    return b.bitcast(b.gep(data, [b.add(index, I64(further))]), register.as_pointer())


def load(b: Any, address: Any, kind: Any) -> Any:
    """A register from memory that need not begin at a multiple of its size."""
    value = b.load(address)
    value.align = kind.dtype.bitwidth // 8
    return value


def store(b: Any, value: Any, address: Any, kind: Any) -> None:
    """Nothing; then the register stands in memory."""
    b.store(value, address).align = kind.dtype.bitwidth // 8


def has(context: Any, feature: str) -> bool:
    """Whether what is compiled for has a feature."""
    return f"+{feature}" in context.codegen().magic_tuple()[2].split(",")


def call(b: Any, name: str, result: Any, *arguments: Any) -> Any:
    """What one of LLVM's functions gives."""
    kind = ir.FunctionType(result, [a.type for a in arguments])
    return b.call(cgutils.get_or_insert_function(b.module, kind, name), arguments)


def word(meaning: Callable[..., Any]) -> Callable[[Callable[..., Any]], None]:
    """A decorator: `typed(*types)` gives the types of a word of `vectors`, or of an operator of Vectors, and what
    writes it as (context, builder, *arguments); None where it takes no such types.
    """

    def known(typed: Callable[..., Any]) -> None:
        class Word(AbstractTemplate):
            prefer_literal = True

            def generic(self, args: Any, kws: Any) -> Any:  # as Numba calls it, for types as known as can be
                found = typed(*args)
                if found is None:
                    return None
                result, write = found
                sig = signature(result, *args)
                lower_builtin(meaning, *args)(lambda context, b, sig, given: write(context, b, *given))
                return sig

        infer_global(meaning)(Word)

    return known


def vector(*kinds: Any) -> bool:
    """Whether all are types of vectors."""
    return all(isinstance(kind, Registers) for kind in kinds)


def array(kind: Any) -> bool:
    """Whether this is the type of a flat array without gaps."""
    return isinstance(kind, types.Array) and kind.ndim == 1 and kind.layout == "C"
