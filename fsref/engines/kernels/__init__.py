"""Numba kernels: flat arrays and scalars, no network; and the one place that says how they are compiled and kept.

A kernel is compiled when it is first called: what computes nothing imports no Numba. Its machine code is kept where
Numba keeps it (NUMBA_CACHE_DIR, else beside the file, else in the user's cache), stamped with the content of the
kernel's file and of the words that it may be made of (`vectors`, and what compiles them); where none of these can be
written, in a folder of this user's own below the system's temporary one, or not at all, which a warning says. A kernel
calls only functions of its own file, and words, so that an edit always renews its cache. With NUMBA_DISABLE_JIT kernels
run as the Python they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from threading import RLock
from typing import Any

FIRST = RLock()  # one thread compiles, the others wait


class Kernel:
    """A function of flat arrays and scalars that Numba compiles when it is first called, here or by another kernel."""

    inlined = False

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        update_wrapper(self, function)
        self._compiled: Any = None

    def __call__(self, *arguments: Any) -> Any:
        return self.compiled(*arguments)

    @property
    def compiled(self) -> Any:
        """Numba's own function, or Python's where NUMBA_DISABLE_JIT is set."""
        if self._compiled is None:
            with FIRST:
                self._compiled = self._compiled or compiled(self.function, self.inlined)
        return self._compiled

    def address(self, *arguments: Any) -> Any:
        """Where the machine code for arguments of these types begins, for the word `calls`; the function itself where
        there is none.
        """
        import numba

        kinds = tuple(numba.typeof(a) for a in arguments)
        made = self.compiled
        if not hasattr(made, "compile"):  # a plain function with NUMBA_DISABLE_JIT
            return made
        made.compile(kinds)
        found = made.overloads[kinds]
        return found.library.get_pointer_to_function(found.fndesc.mangled_name)

    @property
    def _numba_type_(self) -> Any:
        """What Numba takes a kernel for that another kernel calls."""
        return self.compiled._numba_type_


class Part(Kernel):
    """A kernel that becomes part of each that calls it, so that vectors stay in registers."""

    inlined = True


def compiled(function: Callable[..., Any], inlined: bool = False) -> Any:
    """The function as Numba compiles it, its machine code kept where it can be."""
    import numba

    from fsref.engines.kernels import lowered  # noqa: F401 - makes the words known to Numba

    # The linker knows machine code by names that every process counts anew: those of two variants must differ.
    variant = [str(cell.cell_contents) for cell in function.__closure__ or ()]
    function.__qualname__ = "_".join([function.__qualname__, *variant])
    made = numba.njit(nogil=True, forceinline=inlined)(function)
    if hasattr(made, "enable_caching"):  # a plain function with NUMBA_DISABLE_JIT
        from fsref.engines.kernels.store import enable

        enable(made)
    return made


def told_by() -> str:
    """What runs kernels, in words."""
    import numba

    settings: Any = numba.config
    return "Python, as NUMBA_DISABLE_JIT asks" if settings.DISABLE_JIT else f"Numba {numba.__version__}"
