"""Kernels: functions of flat arrays and numbers, no network; and the one place that says how they become machine code.

A kernel is compiled by Numba (`compiling`) when it is first called with arguments of some kind, and its machine code is
kept (`store`); whoever finds it there loads it by LLVM alone (`linking`), and never imports Numba. It is stamped with
the content of the kernel's file and of all that compiles it. A kernel calls only functions of its own file, and words
(`vectors`), so that an edit always renews it; it asks for no memory and nothing of a library. With NUMBA_DISABLE_JIT
kernels run as the Python they are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cached_property, update_wrapper
from threading import RLock
from typing import TYPE_CHECKING, Any

from fsref.engines.kernels.blocks import Kinds, laid_out

if TYPE_CHECKING:
    from fsref.engines.kernels.linking import Entry

AS_PYTHON = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
FIRST = RLock()  # one thread compiles, the others wait


class Kernel:
    """A function of arrays, numbers and tuples of arrays: machine code for each kind of them, at the first call."""

    inlined = False
    as_python = AS_PYTHON

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        update_wrapper(self, function)
        self.entries: dict[Kinds, Entry] = {}

    def __call__(self, *arguments: Any) -> Any:
        if self.as_python:
            return self.function(*arguments)
        kinds, words = laid_out(arguments)
        return self.entry(kinds)(words)

    def entry(self, kinds: Kinds) -> Entry:
        """The machine code for arguments of these kinds."""
        found = self.entries.get(kinds)
        if found is not None:
            return found
        from fsref.engines.kernels.store import entry_of

        with FIRST:
            if kinds not in self.entries:
                self.entries[kinds] = entry_of(self.function, kinds)
            return self.entries[kinds]

    def address(self, *arguments: Any) -> Any:
        """Where the machine code for arguments of these kinds begins, for the word `calls`; the function itself where
        there is none.
        """
        return self.function if self.as_python else self.entry(laid_out(arguments)[0]).address

    @cached_property
    def called(self) -> Any:
        """Numba's own function, for another kernel to call."""
        from fsref.engines.kernels.compiling import callee

        return callee(self.function, self.inlined)

    @property
    def _numba_type_(self) -> Any:
        """What Numba takes a kernel for that another kernel calls."""
        return self.called._numba_type_


class Part(Kernel):
    """A kernel that becomes part of each that calls it, so that vectors stay in registers."""

    inlined = True


def told_by() -> str:
    """What runs kernels, in words."""
    from fsref.engines.kernels.store import version

    return "Python, as NUMBA_DISABLE_JIT asks" if AS_PYTHON else f"Numba {version('numba')}"
