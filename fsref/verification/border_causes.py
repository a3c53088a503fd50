"""Mistakes of where windows of a conv2d begin, how far apart they stand, and of what is beyond a border (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import assert_never

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d, Dense, Linear, Padding
from fsref.verification.consequences import Cause, both
from fsref.verification.deliveries import Mistake, Read, found_by, reading, reads
from fsref.verification.scene import Scene
from fsref.verification.tap_causes import borders

Convolved = Callable[[Conv2d, Ints], tuple[Linear, Ints]]


def convolving(change: Convolved) -> Callable[[Scene, Linear, Ints], Read]:
    """A mistake of conv2d projections alone, of what they read or how."""

    def other(scene: Scene, q: Linear, plane: Ints) -> Read:
        match q:
            case Conv2d():
                return change(q, plane)
            case Dense():
                return q, plane
            case _:
                assert_never(q)

    return other


def begun(choose: Callable[[Padding], tuple[int, int]]) -> Callable[[Scene, Linear, Ints], Read]:
    """Windows that begin so many rows above and columns before the source, of its padding."""

    def other(q: Conv2d, plane: Ints) -> Read:
        (top, left, bottom, right), (above, before) = q.padding, choose(q.padding)
        if (above, before) == (top, left):
            return q, plane
        below, behind = bottom + max(0, top - above), right + max(0, left - before)
        return replace(q, padding=(above, before, below, behind)), plane

    return convolving(other)


BEGINNINGS: dict[str, Callable[[Padding], tuple[int, int]]] = {
    "without padding": lambda p: (0, 0),
    "with the padding of the bottom and the right": lambda p: (p[2], p[3]),
    "with the padding of the bottom": lambda p: (p[2], p[1]),
    "with the padding of the right": lambda p: (p[0], p[3]),
    "with top and left exchanged": lambda p: (p[1], p[0]),
    "with left and bottom exchanged": lambda p: (p[0], p[2]),
}


def beginnings(scene: Scene) -> Iterator[Mistake]:
    """Windows begin where other padding would have them."""
    for where, choose in BEGINNINGS.items():
        yield reading(begun(choose)), {"how": where}


def steps_apart(scene: Scene) -> Iterator[Mistake]:
    """Strides and dilations that are exchanged, or are 1."""
    changes: dict[str, Callable[[Conv2d], Conv2d]] = {
        "strides of rows and columns exchanged": lambda q: replace(q, stride=q.stride[::-1]),
        "dilations of rows and columns exchanged": lambda q: replace(q, dilation=q.dilation[::-1]),
        "stride and dilation exchanged": lambda q: replace(q, stride=q.dilation, dilation=q.stride),
        "stride 1": lambda q: replace(q, stride=(1, 1)),
        "dilation 1": lambda q: replace(q, dilation=(1, 1)),
    }
    for how, change in changes.items():

        def other(q: Conv2d, plane: Ints, change: Callable[[Conv2d], Conv2d] = change) -> Read:
            found = change(q)
            same = (found.stride, found.dilation) == (q.stride, q.dilation)
            return (q, plane) if same else (roomy(found, plane), plane)

        yield reading(convolving(other)), {"how": how}


def roomy(q: Conv2d, plane: Ints) -> Conv2d:
    """The same with zeros as far below and behind as its windows may now reach."""
    top, left, _, _ = q.padding
    more = [max(n, k * d) for n, k, d in zip(plane.shape[2:], q.kernel, q.dilation, strict=True)]
    return replace(q, padding=(top, left, more[0] * q.stride[0], more[1] * q.stride[1]))


def neighbours(rows: bool) -> Callable[[Conv2d, Ints], tuple[Linear, Ints]]:
    """Beyond a border stands what the address there holds: of rows the other channel, of columns the other row."""

    def other(q: Conv2d, plane: Ints) -> Read:
        count, channels, height, width = plane.shape
        top, left, bottom, right = q.padding
        y = np.arange(-top * rows, height + bottom * rows)[:, None]
        x = np.arange(-left * (not rows), width + right * (not rows))
        at = (np.arange(channels)[:, None, None] * height + y) * width + x
        there = (at >= 0) & (at < channels * height * width)
        wide = plane.reshape(count, -1)[:, np.where(there, at, 0)] * there
        left_over = (0, left, 0, right) if rows else (top, 0, bottom, 0)
        return replace(q, padding=left_over), wide

    return other


def column_behind(q: Conv2d, plane: Ints) -> Read:
    """One column behind the last is read: the first of the next row."""
    if not q.padding[3]:
        return q, plane
    top, left, bottom, right = q.padding
    flat = np.pad(plane.reshape(len(plane), -1), ((0, 0), (0, 1)))
    size = np.arange(plane[0].size).reshape(plane.shape[1:])
    column = flat[:, size[:, :, -1:] + 1]
    return replace(q, padding=(top, left, bottom, right - 1)), np.concatenate([plane, column], axis=3)


def blank(rows: slice, columns: slice) -> Convolved:
    """Some rows or columns of the source are never read."""

    def other(q: Conv2d, plane: Ints) -> Read:
        found = plane.copy()
        found[:, :, rows, columns] = 0
        return q, found

    return other


BORDER = (
    Cause(
        "windows-begin-elsewhere",
        "windows begin at stride * y - top: yours begin {how} [PROJ-1]",
        found_by(beginnings),
    ),
    Cause(
        "strides-exchanged",
        "windows stand as far apart as stride and dilation say: yours have {how} [PROJ-2]",
        found_by(steps_apart),
    ),
    Cause(
        "border-not-checked",
        "what is beyond the border is 0: yours reads what stands at that address [PROJ-1]",
        both(
            reads(convolving(neighbours(True)), convolving(neighbours(False)), convolving(column_behind)),
            found_by(borders),
        ),
    ),
    Cause(
        "border-not-read",
        "every row and column of a source counts: yours leaves out the first, or the last [PROJ-1]",
        reads(
            *(
                convolving(blank(*at))
                for at in (
                    (slice(1), slice(None)),
                    (slice(-1, None), slice(None)),
                    (slice(None), slice(1)),
                    (slice(None), slice(-1, None)),
                )
            )
        ),
    ),
)
