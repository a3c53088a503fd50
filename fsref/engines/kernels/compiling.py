"""Kernels compiled by Numba: what alone imports it, and what stands between a block of words and its functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core.compiler import Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.np.arrayobj import populate_array

from fsref.engines.kernels import lowered  # noqa: F401 - makes the words known to Numba
from fsref.engines.kernels.blocks import Kinds, Lying
from fsref.engines.kernels.linking import ENTRY, Code
from fsref.engines.kernels.registers import I8, I32, I64

# Neither memory of Numba's nor objects of Python's: machine code then needs nothing of either.
BARE: dict[str, Any] = {"nogil": True, "_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
RESULTS = {types.int64: "q", types.float64: "d", types.none: "x"}


def callee(function: Callable[..., Any], inlined: bool) -> Any:
    """A kernel as a function of Numba's, for another kernel to call."""
    return numba.njit(forceinline=inlined, **BARE)(function)


def compiled(function: Callable[..., Any], kinds: Kinds) -> tuple[Code, bool]:
    """The machine code of a kernel for arguments of some kinds, and whether it stands by itself: calls no function that
    a process must have.
    """
    flags: Any = Flags()
    typed = tuple(type_of(kind) for kind in kinds)
    cpu_target.options.parse_as_flags(flags, {"nopython": True, **BARE})
    flags.no_compile = True  # before the entry is there
    context = cpu_target.target_context
    with global_compiler_lock:
        made = compile_extra(cpu_target.typing_context, context, function, typed, None, flags, {})
        result = made.signature.return_type
        result = result if result in RESULTS else types.int64  # literals, truth values
        made.library.add_ir_module(entry(context, made.fndesc, typed, result))
        made.library.finalize()
        _, _, (file, _) = made.library.serialize_using_object_code()
        lines = made.library.get_llvm_str().splitlines()
    own = not any(line.startswith("declare") and "@llvm." not in line or " external " in line for line in lines)
    return Code(RESULTS[result], file), own


def type_of(kind: Any) -> Any:
    """Numba's type of a kind of argument."""
    match kind:
        case Lying(dtype, axes, layout, writable):
            array: Any = types.Array
            return array(numba.from_dtype(dtype), axes, layout, readonly=not writable)
        case tuple():
            return types.BaseTuple.from_types([type_of(own) for own in kind])
        case _:
            return types.float64 if kind is float else types.int64


def entry(context: Any, told: Any, typed: tuple[Any, ...], result: Any) -> Any:
    """A module with the function that takes a block: the arguments out of it, the result into it."""
    module = context.create_module(ENTRY)
    kernel = ir.Function(module, context.call_conv.get_function_type(told.restype, typed), told.llvm_func_name)
    function = ir.Function(module, ir.FunctionType(I32, [I8.as_pointer()]), ENTRY)
    b = ir.IRBuilder(function.append_basic_block())
    block = b.bitcast(function.args[0], I64.as_pointer())
    words = (b.load(b.gep(block, [I64(n)])) for n in range(1, 2**16))
    given = [argument(context, b, kind, words) for kind in typed]
    status, found = context.call_conv.call_function(b, kernel, told.restype, typed, given)
    if result != types.none:
        found = context.cast(b, found, told.restype, result)
        b.store(found, b.bitcast(block, found.type.as_pointer()))
    b.ret(status.code)
    return module


def argument(context: Any, b: Any, kind: Any, words: Iterator[Any]) -> Any:
    """A value of a type of Numba's from the next words of a block."""
    if isinstance(kind, types.BaseTuple):
        parts: Any = kind
        return context.make_tuple(b, kind, [argument(context, b, own, words) for own in parts.types])
    if isinstance(kind, types.Array):
        made = context.make_array(kind)(context, b)
        own = context.get_data_type(kind.dtype)
        data = b.inttoptr(next(words), own.as_pointer())
        shape, strides = ([next(words) for _ in range(kind.ndim)] for _ in range(2))
        populate_array(made, data, shape, strides, context.get_abi_sizeof(own), None)
        return made._getvalue()
    word = next(words)
    return b.bitcast(word, ir.DoubleType()) if kind == types.float64 else word
