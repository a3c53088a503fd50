"""Machine code made ready to run, by LLVM alone, and called."""

from __future__ import annotations

import ctypes
from functools import cache
from struct import Struct
from typing import Any, NamedTuple

from llvmlite import binding as llvm

from fsref.engines.kernels.blocks import Kinds, Words, forms

ENTRY = "entry"  # int32 entry(block *): 0, and the result in the first word of the block
Called = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)  # while it runs other threads of Python do
ENGINES: list[Any] = []  # hold machine code, as long as the process lives


class Code(NamedTuple):
    """The machine code of a kernel for arguments of some kinds, as an object file, and its result as a character of
    `struct`, x where it gives none.
    """

    result: str
    file: bytes


class Entry:
    """Machine code that can be called; `kept` tells whether it was found where such is kept."""

    def __init__(self, code: Code, kinds: Kinds, kept: bool) -> None:
        self.kept = kept
        self.address = linked(code.file)
        self._call = Called(self.address)
        self._block = Struct(f"=q{forms(kinds)}")
        self._result = None if code.result == "x" else Struct(f"={code.result}")

    def __call__(self, words: Words) -> Any:
        """The result. Errors: ZeroDivisionError, the only one that a kernel has."""
        block = ctypes.create_string_buffer(self._block.pack(0, *words))
        if self._call(ctypes.addressof(block)):
            raise ZeroDivisionError("division by zero in a kernel")
        return self._result.unpack_from(block)[0] if self._result else None


@cache
def target() -> Any:
    """What LLVM knows of this machine."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple()


def linked(file: bytes) -> int:
    """The address of the entry of an object file, in an engine of its own: names in others are none of its."""
    machine = target().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(file))
    engine.finalize_object()
    ENGINES.append(engine)
    return int(engine.get_function_address(ENTRY))


@cache
def processor() -> tuple[str, ...]:
    """What machine code is made for: system, processor, its features."""
    return llvm.get_default_triple(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()
