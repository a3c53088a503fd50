"""Lines of the source that windows see: rings of them in a buffer, and counts that begin anew with each (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import TypeAlias

import numpy as np

from fsref.verification.taps import Taps

Move: TypeAlias = tuple[str, float, Callable[[Taps], Taps]]  # what windows do, in words, how dear, and their products
RINGS: tuple[tuple[str, float, Callable[[int, int], int]], ...] = (  # from the size and dilation of a kernel
    ("as many as its kernel has", 2.2, lambda n, apart: n),
    ("as many as its kernel spans", 2.2, lambda n, apart: (n - 1) * apart + 1),
    (
        "as many as its kernel spans, or the next power of two",
        2.3,
        lambda n, apart: 1 << ((n - 1) * apart).bit_length(),
    ),
)

SHORT: tuple[tuple[str, float, Callable[[int, int], int]], ...] = (
    *RINGS[:1],
    ("as many as its kernel has and its places are apart, less one", 2.3, lambda n, apart: n + apart - 1),
    ("one less than its kernel spans", 2.3, lambda n, apart: (n - 1) * apart),
)


def rings() -> Iterator[Move]:
    """Rows or columns that stand in a ring, in which behind the source what came before stays."""
    for (axis, one), (words, dear, ring) in product(enumerate(("row", "column")), RINGS):
        yield f"sees {one}s in a ring of {words}", dear, partial(_ring, axis, ring)


def counted() -> Iterator[Move]:
    """Rows of a ring, and columns, that are counted otherwise."""
    yield "sees its kernel rows as far from its first as they would be modulo as many as it has", 2.3, _rows_modulo
    yield "reads a ring of as many rows as its kernel spans modulo as many as it has", 2.4, _read_shorter
    for words, dear, size in SHORT:
        yield f"reads rows that are overwritten in a ring of {words}", dear, partial(_overwritten, size)
    for words, padded in (("the source", False), ("the source and its padding", True)):
        text = f"begins where a count of rows of {words} by the stride stands that goes on from channel to channel"
        yield text, 2.4, partial(_rows_on, padded)
    for words, skipped in (("the source", True), ("the target", False)):
        text = f"begins where a count of columns by the stride stands that goes on from row to row of {words}"
        yield text, 2.4, partial(_phased, skipped)


def _ring(axis: int, size: Callable[[int, int], int], taps: Taps) -> Taps:
    """Behind the last row or column of the source, those that stand in a ring, the last that was written there; what
    stood there before the first is not known.
    """
    n, name = size(taps.q.weights.shape[2 + axis], taps.dilation[axis]), "yx"[axis]
    at, end = getattr(taps, name), taps.source[1 + axis]
    held = np.where(at >= end, at - ((at - end) // n + 1) * n, at)
    moved, unknown = taps.but(**{name: held}), (at >= end) & (held < -taps.padding[axis])
    return moved.but(there=moved.inside_y & moved.inside_x).unknown(unknown)


def _overwritten(size: Callable[[int, int], int], taps: Taps) -> Taps:
    """Rows of a ring that is too short: those that were written last where the own ones stood."""
    n = max(size(taps.q.weights.shape[2], taps.dilation[0]), 1)
    last = taps.oy * taps.stride[0] - taps.padding[0] + (taps.q.weights.shape[2] - 1) * taps.dilation[0]
    moved = taps.but(y=taps.y + (last - taps.y) // n * n)
    return moved.but(there=moved.inside_y & moved.inside_x)


def _read_shorter(taps: Taps) -> Taps:
    """Rows of a ring of as many as a kernel spans, read modulo as many as it has."""
    kh, top = taps.q.weights.shape[2], taps.padding[0]
    spans, first = (kh - 1) * taps.dilation[0] + 1, taps.oy * taps.stride[0]
    moved = taps.but(y=first + ((taps.y + top) % kh - first) % spans - top)
    return moved.but(there=moved.inside_y & moved.inside_x)


def _rows_modulo(taps: Taps) -> Taps:
    kh, (dy, _) = taps.q.weights.shape[2], taps.dilation
    moved = taps.but(y=taps.y - taps.r * dy + taps.r * dy % kh)
    return moved.but(there=moved.inside_y & moved.inside_x)


def _rows_on(padded: bool, taps: Taps) -> Taps:
    """Rows counted on from each input of a group to the next."""
    rows = taps.source[1] + padded * (taps.padding[0] + taps.padding[2])
    moved = taps.but(y=taps.y + -(taps.i * rows) % taps.stride[0])
    return moved.but(there=moved.inside_y & moved.inside_x)


def _phased(skipped: bool, taps: Taps) -> Taps:
    """Columns counted on from row to row, `skipped` ones of the source, too."""
    stride = taps.stride[1]
    width = taps.source[2] + taps.padding[1] + taps.padding[3]
    rows = taps.oy * (taps.stride[0] if skipped else 1)
    moved = taps.but(x=taps.x + -(rows * width) % stride)
    return moved.but(there=moved.inside_y & moved.inside_x)
