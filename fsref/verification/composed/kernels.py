"""Kernels of windows that turn with their place, or whose weights are read otherwise (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.bounds import grouped
from fsref.verification.composed.lines import Move
from fsref.verification.composed.memory import TILES
from fsref.verification.taps import Taps


def turning() -> Iterator[Move]:
    """Weights of windows that turn with their place."""
    for axis, name in enumerate(("row", "column")):
        for by, way in ((1, "forward"), (-1, "back")):
            words = f"takes its kernel {name}s turned {way} by its own {name}"
            yield words, 2.4, partial(_turned, axis, by, False)
            yield f"{words}, modulo 2", 2.7, partial(_turned, axis, by, True)
        yield f"takes its kernel {name}s backwards in odd {name}s", 2.4, partial(_backwards, axis)
    yield "sees rows and columns exchanged", 2.2, _transposed
    yield "has as many kernel rows as there are columns, and columns as there are rows", 2, _of_other_kernel
    yield "reads its weights in turn at places inside of the source alone", 2, _in_turn
    yield "reads its weights in turn in rows inside of the source alone", 2, _in_rows
    yield from grouped()
    for n in TILES:
        yield f"takes the weight of its place in the kernel modulo {n}", 2.3, partial(_of_kernel_modulo, n)
    yield "takes its kernel rows backwards in odd columns", 2.6, partial(_backwards, 2)
    yield "takes its kernel columns backwards in odd rows", 2.4, partial(_backwards, 3)


def _turned(axis: int, by: int, half: bool, taps: Taps) -> Taps:
    """Kernel rows or columns turned by the row or column of the window."""
    own = taps.oy if axis == 0 else taps.ox
    return _weighed(axis, lambda at, n: (at + by * (own % 2 if half else own)) % n, taps)


def _backwards(where: int, taps: Taps) -> Taps:
    """Kernel rows or columns from the other end in odd rows, or in odd columns."""
    own = (taps.oy, taps.ox, taps.ox, taps.oy)[where] % 2
    return _weighed(where % 2, lambda at, n: np.where(own == 1, n - 1 - at, at), taps)


def _weighed(axis: int, change: Callable[[Ints, int], Ints], taps: Taps) -> Taps:
    """Weights of other kernel rows or columns."""
    _, inputs, kh, kw = taps.sizes
    r = change(taps.r, kh) if axis == 0 else taps.r
    c = change(taps.c, kw) if axis == 1 else taps.c
    return taps.but(weight=((taps.o * inputs + taps.i) * kh + r) * kw + c)


def _transposed(taps: Taps) -> Taps:
    moved = taps.but(y=taps.x, x=taps.y)
    return moved.but(there=moved.inside_y & moved.inside_x)


def _of_other_kernel(taps: Taps) -> Taps:
    """Weights one after another at places of a kernel whose numbers of rows and columns are exchanged."""
    _, _, kh, kw = taps.sizes
    r, c = np.divmod(taps.r * kw + taps.c, kh)
    dy, dx = taps.dilation
    moved = taps.but(y=taps.y + (r - taps.r) * dy, x=taps.x + (c - taps.c) * dx)
    return moved.but(there=moved.inside_y & moved.inside_x)


def _in_rows(taps: Taps) -> Taps:
    """Weights that do not move on with rows outside of the source."""
    _, inputs, kh, kw = taps.sizes
    shape = (*taps.inside_y.shape[:3], inputs, kh, 1)
    there = np.broadcast_to(taps.inside_y, shape).reshape(*shape[:3], -1)
    rows: Ints = (np.cumsum(there, axis=-1) - there).reshape(shape)
    return taps.but(weight=taps.o * inputs * kh * kw + rows * kw + taps.c)


def _in_turn(taps: Taps) -> Taps:
    """Weights that do not move on with places outside of the source."""
    _, inputs, kh, kw = taps.sizes
    shape = (*taps.there.shape[:3], inputs, kh, kw)
    there = np.broadcast_to(taps.there, shape).reshape(*shape[:3], -1)
    at: Ints = (np.cumsum(there, axis=-1) - there).reshape(shape)
    return taps.but(weight=taps.o * inputs * kh * kw + at)


def _of_kernel_modulo(n: int, taps: Taps) -> Taps:
    """Weights whose place in the kernel has too few bits."""
    _, inputs, kh, kw = taps.sizes
    return taps.but(weight=(taps.o * inputs + taps.i) * kh * kw + (taps.r * kw + taps.c) % n)
