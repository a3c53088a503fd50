"""How arguments lie in the block of 64-bit words with which machine code is called.

result, then of each argument in turn: an integer or a float64 as it is; an array as its address, shape, strides
in bytes; a tuple as what is in it
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, cached_property
from operator import index
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Kinds: TypeAlias = tuple[Any, ...]  # of each argument int, float, a Lying, or the kinds of a tuple
Words: TypeAlias = list[int | float]
BY_ROWS, BY_COLUMNS, ALIGNED, WRITABLE = 1, 2, 0x100, 0x400  # flags of NumPy's arrays
KNOWN = BY_ROWS | BY_COLUMNS | ALIGNED | WRITABLE


class Lying(NamedTuple):
    """The kind of an array: the type of its numbers, its axes, how it lies in memory (C, F, or A for any other way),
    and whether it may be written.
    """

    dtype: np.dtype[Any]
    axes: int
    layout: str
    writable: bool


class Together(tuple[Any, ...]):
    """Arrays, and tuples of them, that kernels take again and again: what a block holds of them is worked out once."""

    @cached_property
    def laid_out(self) -> tuple[Kinds, Words]:
        """Their kinds and words."""
        return laid_out(self)


@cache
def lying(dtype: np.dtype[Any], axes: int, flags: int) -> Lying:
    """The kind of an array. Errors: TypeError where its numbers are not as the processor has them."""
    if not flags & ALIGNED or not dtype.isnative:
        raise TypeError("a kernel takes arrays as the processor has them")
    return Lying(dtype, axes, "C" if flags & BY_ROWS else "F" if flags & BY_COLUMNS else "A", bool(flags & WRITABLE))


def laid_out(arguments: Iterable[Any]) -> tuple[Kinds, Words]:
    """The kinds of arguments, and the words of a block behind the result. Errors: TypeError for what kernels do not
    take.
    """
    kinds: list[Any] = []
    words: Words = []
    for given in arguments:
        if isinstance(given, np.ndarray):
            kinds.append(lying(given.dtype, given.ndim, given.flags.num & KNOWN))
            words.append(given.ctypes.data)
            words += given.shape
            words += given.strides
        elif isinstance(given, tuple):
            own, more = given.laid_out if isinstance(given, Together) else laid_out(given)
            kinds.append(own)
            words += more
        elif isinstance(given, float):
            kinds.append(float)
            words.append(given)
        else:
            kinds.append(int)
            words.append(index(given))
    return tuple(kinds), words


def forms(kinds: Kinds) -> str:
    """The words behind the result as the characters of `struct`."""
    return "".join(form(kind) for kind in kinds)


def form(kind: Any) -> str:
    """The words of one argument."""
    match kind:
        case Lying():
            return "q" * (1 + 2 * kind.axes)
        case tuple():
            return forms(kind)
        case _:
            return "d" if kind is float else "q"
