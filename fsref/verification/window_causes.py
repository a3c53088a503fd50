"""Mistakes of windows: padding, strides, and where a window begins (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, assert_never

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.law.projections import Conv2d, Dense, Linear, Padding, Pair
from fsref.verification.consequences import Cause
from fsref.verification.deliveries import Mistake, Read, found_by, reading, reads
from fsref.verification.scene import Scene


def padded_as(change: Callable[[Padding], Padding]) -> Callable[[Scene, Linear, Ints], Read]:
    """Other padding (top, left, bottom, right) of a conv2d."""

    def other(scene: Scene, q: Linear, plane: Ints) -> Read:
        match q:
            case Conv2d():
                padding = change(q.padding)
                return (q if padding == q.padding else replace(q, padding=padding)), plane
            case Dense():
                return q, plane
            case _:
                assert_never(q)

    return other


def filled(scene: Scene, q: Linear, plane: Ints, **how: Any) -> Read:
    """Padding of a conv2d that holds something else than zeros, as numpy.pad makes it."""
    match q:
        case Conv2d() if any(q.padding):
            top, left, bottom, right = q.padding
            wide: Ints = np.pad(plane, ((0, 0), (0, 0), (top, bottom), (left, right)), **how)
            return replace(q, padding=(0, 0, 0, 0)), wide
        case Conv2d() | Dense():
            return q, plane
        case _:
            assert_never(q)


def filled_with_codes(scene: Scene) -> Iterator[Mistake]:
    """Padding that holds a code: the one that stands for 0, 1, the middle, or the largest."""
    codes: set[int] = set()
    for q in scene.into.values():
        source = scene.net[q.source]
        highest = (1 << scene.net.steps[q.source]) - 1
        codes |= {1, (highest + 1) // 2, highest // 2, highest}
        match source:
            case FS():
                codes.add(source.offset)
            case Input():
                codes.add(source.max_code)
            case MaxPool() | View() | Readout():
                pass
            case _:
                assert_never(source)
    for code in sorted(codes - {0}):
        yield reading(partial(filled, mode="constant", constant_values=code)), {"code": code}


def moved(scene: Scene, q: Linear, plane: Ints, by: Pair) -> Read:
    """A window of a conv2d begins some rows and columns later, or earlier."""
    match q:
        case Conv2d():
            top, left, bottom, right = q.padding
            wide = np.pad(plane, ((0, 0), (0, 0), (top + 1, bottom + 1), (left + 1, right + 1)))
            return replace(q, padding=(0, 0, 0, 0)), wide[:, :, 1 + by[0] :, 1 + by[1] :]
        case Dense():
            return q, plane
        case _:
            assert_never(q)


def windows_moved(scene: Scene) -> Iterator[Mistake]:
    """Windows begin one row or column later or earlier than they should."""
    for y, x in product((-1, 0, 1), repeat=2):
        if y or x:
            yield reading(partial(moved, by=(y, x))), {"rows": y, "columns": x}


def addressed(scene: Scene, q: Linear, plane: Ints, by: int) -> Read:
    """Every address is one too high, or too low; there is a zero, or the other end, beyond the last."""
    return q, np.roll(plane.reshape(len(plane), -1), -by, axis=1).reshape(plane.shape)


def strode(scene: Scene, q: Linear, plane: Ints, by: Pair) -> Read:
    """Another stride of a conv2d."""
    match q:
        case Conv2d():
            stride = more(q.stride, by)
            return (q if stride == q.stride else replace(q, stride=stride)), plane
        case Dense():
            return q, plane
        case _:
            assert_never(q)


def dilated(scene: Scene, q: Linear, plane: Ints, by: Pair) -> Read:
    """Another dilation of a conv2d."""
    match q:
        case Conv2d():
            dilation = more(q.dilation, by)
            return (q if dilation == q.dilation else replace(q, dilation=dilation)), plane
        case Dense():
            return q, plane
        case _:
            assert_never(q)


def more(pair: Pair, by: Pair) -> Pair:
    """Two numbers so many more, 1 at least."""
    return max(1, pair[0] + by[0]), max(1, pair[1] + by[1])


def strides(scene: Scene) -> Iterator[Mistake]:
    """Strides, or dilations, one more or one less, along both axes or one."""
    for what, change in (("stride", strode), ("dilation", dilated)):
        for by in ((1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1)):
            axes = " and ".join(axis for n, axis in zip(by, "yx", strict=True) if n)
            off = f"one {'more' if max(by) > 0 else 'less'} in {axes}"
            yield reading(partial(change, by=by)), {"what": what, "off": off}


WINDOW = (
    Cause(
        "padding-on-the-other-sides",
        "the padding (top, left, bottom, right) is asymmetric, and yours is on the other sides [PROJ-1]",
        reads(padded_as(lambda p: (*p[2:], *p[:2]))),
    ),
    Cause(
        "padding-rows-for-columns",
        "the padding is (top, left, bottom, right), and yours has rows and columns exchanged [PROJ-1]",
        reads(padded_as(lambda p: (p[1], p[0], p[3], p[2]))),
    ),
    Cause(
        "padding-wraps",
        "padding is 0: yours wraps round to the other side [PROJ-1]",
        reads(partial(filled, mode="wrap")),
    ),
    Cause(
        "padding-repeats",
        "padding is 0: yours repeats, or mirrors, what is at the edge [PROJ-1]",
        reads(partial(filled, mode="edge"), partial(filled, mode="symmetric"), partial(filled, mode="reflect")),
    ),
    Cause(
        "padding-not-zero",
        "padding is 0, and what that stands for is in the bias: yours is {code} [PROJ-1]",
        found_by(filled_with_codes),
    ),
    Cause(
        "windows-moved",
        "windows begin at stride * y - top: yours begin {rows} rows and {columns} columns later [PROJ-1]",
        found_by(windows_moved),
    ),
    Cause(
        "stride-off",
        "windows stand as far apart as stride and dilation say: your {what} is {off} [PROJ-2]",
        found_by(strides),
    ),
    Cause(
        "address-off-by-one",
        "neurons are counted from 0 in the order (C, H, W): yours reads the one before or after [NET-3]",
        reads(partial(addressed, by=1), partial(addressed, by=-1)),
    ),
)
