"""Mistakes of addresses: of what a window reads beyond a border, at a tile's edge or behind so many, and of the weight
that goes with it (OBS-4).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from fsref.law.projections import Pair
from fsref.verification.consequences import Cause
from fsref.verification.deliveries import Mistake, found_by
from fsref.verification.scene import Scene
from fsref.verification.taps import Change, Taps, forms, of_conv, of_dense

TILES = (2, 4, 8, 16)  # outputs of a tile
ENDS = (4, 8, 16, 32, 64, 128, 256)  # behind which an address begins again, or a counter ends


def borders(scene: Scene) -> Iterator[Mistake]:
    """Beyond one border stands what the address there holds: in all rows or channels, or where that is another row or
    channel of the source.
    """

    def right(t: Taps) -> Taps:
        return t.but(there=t.inside_y & (t.x >= 0))

    def right_but_last(t: Taps) -> Taps:
        return t.but(there=t.there | (t.inside_y & (t.x >= t.source[2]) & (t.y < t.source[1] - 1)))

    def left(t: Taps) -> Taps:
        return t.but(there=t.inside_y & (t.x < t.source[2]))

    def left_but_first(t: Taps) -> Taps:
        return t.but(there=t.there | (t.inside_y & (t.x < 0) & (t.y > 0)))

    def top(t: Taps) -> Taps:
        return t.but(there=t.inside_x & (t.y < t.source[1]))

    def bottom(t: Taps) -> Taps:
        return t.but(there=t.inside_x & (t.y >= 0))

    def everywhere(t: Taps) -> Taps:
        return t.but(there=np.ones_like(t.there))

    yield from forms(of_conv(right, right_but_last, left, left_but_first, top, bottom, everywhere))


def checks(scene: Scene) -> Iterator[Mistake]:
    """A border is checked with another size, or without the dilation."""

    def with_width(t: Taps) -> Taps:
        return t.but(there=(t.y >= 0) & (t.y < t.source[2]) & t.inside_x)

    def with_height(t: Taps) -> Taps:
        return t.but(there=t.inside_y & (t.x >= 0) & (t.x < t.source[1]))

    def undilated(t: Taps, axis: int, at_zero: bool) -> Taps:
        y, x = t.y - t.r * (t.dilation[0] - 1), t.x - t.c * (t.dilation[1] - 1)
        rows = (y >= 0) & (y < t.source[1]) if axis == 0 else t.inside_y
        columns = (x >= 0) & (x < t.source[2]) if axis == 1 else t.inside_x
        return t.but(there=rows & columns & ((t.x >= 0) & (t.y >= 0) | ~np.bool_(at_zero)))

    yield from forms(of_conv(with_width), how="rows with its width")
    yield from forms(of_conv(with_height), how="columns with its height")
    for axis, what in ((1, "columns"), (0, "rows")):
        some = [lambda t, axis=axis, zero=zero: undilated(t, axis, zero) for zero in (True, False)]
        yield from forms(of_conv(*some), how=f"{what} without the dilation")


def corners(t: Taps) -> Taps:
    """Where a row and a column are beyond the border the corner stands."""
    _, height, width = t.source
    beyond = ~t.inside_y & ~t.inside_x
    y, x = np.clip(t.y, 0, height - 1), np.clip(t.x, 0, width - 1)
    return t.but(there=t.there | beyond, y=np.where(beyond, y, t.y), x=np.where(beyond, x, t.x))


def beginnings(scene: Scene) -> Iterator[Mistake]:
    """Windows that begin where one number of the padding is another, or a stride or dilation is limited."""

    def of(how: str, change: Change) -> list[Mistake]:
        return forms(of_conv(change), how=how)

    yield from of("with the padding at the left above, too", lambda t: t.begun(top=t.padding[1]))
    yield from of("with the padding above at the left, too", lambda t: t.begun(left=t.padding[0]))
    half = "with half the kernel for the padding"
    for rows, columns in ((False, True), (True, False), (True, True)):

        def halved(t: Taps, rows: bool = rows, columns: bool = columns) -> Taps:
            top, left, _, _ = t.padding
            _, _, kh, kw = t.sizes
            return t.begun(top=kh // 2 if rows and top else top, left=kw // 2 if columns and left else left)

        yield from of(half, halved)
    yield from of("without padding at the top", lambda t: t.begun(top=0))
    yield from of("without padding at the left", lambda t: t.begun(left=0))
    yield from of("in row 0 where they reach over top and bottom", over_both)


def over_both(t: Taps) -> Taps:
    """Windows that reach over both borders begin in row 0."""
    dy, (_, _, kh, _) = t.dilation[0], t.sizes
    start = t.y - t.r * dy
    y = np.where((start < 0) & (start + (kh - 1) * dy >= t.source[1]), t.r * dy, t.y)
    moved = t.but(y=y)
    return moved.but(there=moved.inside_y & moved.inside_x)


def limited(scene: Scene) -> Iterator[Mistake]:
    """Strides and dilations that a register, or the kernel, limits."""

    def at_most(t: Taps, what: str, most: Pair) -> Taps:
        own = t.stride if what == "stride" else t.dilation
        return t.begun(**{what: (min(own[0], most[0]), min(own[1], most[1]))})

    for most in (1, 2, 3, 4):
        for what in ("dilation", "stride"):
            yield from forms(of_conv(partial(at_most, what=what, most=(most, most))), how=f"{what} {most} at most")
    yield from forms(
        of_conv(lambda t: at_most(t, "stride", (t.sizes[2], t.sizes[3]))), how="strides of their kernel at most"
    )
    yield from forms(of_conv(lambda t: t.begun(dilation=(t.dilation[0], 1))), how="dilation 1 along a row")
    yield from forms(of_conv(lambda t: t.begun(dilation=(1, t.dilation[1]))), how="dilation 1 along a column")


def wrapping(scene: Scene) -> Iterator[Mistake]:
    """Rows, columns or inputs behind so many are read at the beginning."""
    for n in ENDS:

        def columns(t: Taps, n: int = n) -> Taps:
            return t.but(x=np.where(t.there, t.x % n, t.x))

        def rows(t: Taps, n: int = n) -> Taps:
            return t.but(y=np.where(t.there, t.y % n, t.y))

        def channels(t: Taps, n: int = n) -> Taps:
            return t.but(channel=t.channel % n)

        def inputs(t: Taps, n: int = n) -> Taps:
            return t.but(weight=t.o * t.sizes[1] + t.i % n)

        yield from forms(of_conv(columns), what="column", count=n)
        yield from forms(of_conv(rows), what="row", count=n)
        yield from forms(of_conv(channels), what="channel", count=n)
        yield from forms(of_dense(inputs), what="input", count=n)
    end = of_dense(lambda t: t.but(weight=np.where(t.i == t.sizes[1] - 1, t.o * t.sizes[1], t.weight)))
    yield from forms(end, what="input", count="the last but one")


def too_few_rows(t: Taps) -> Taps:
    """Of rows that a buffer of as many as the kernel has holds, a later one overwrites an earlier."""
    dy, (_, _, kh, _) = t.dilation[0], t.sizes
    last = np.minimum(t.y - t.r * dy + (kh - 1) * dy, t.source[1] - 1)
    return t.but(y=np.where(t.there & (last > t.y), t.y + (last - t.y) // kh * kh, t.y))


def tiles(scene: Scene) -> Iterator[Mistake]:
    """What a tile of outputs needs of its neighbour is missing: the first column, the first row, or the corner."""
    for n in TILES:

        def column(t: Taps, n: int = n) -> Taps:
            return t.but(there=t.there & ~((t.ox % n == 0) & (t.ox > 0) & (t.c == 0) & (t.sizes[3] > 1)))

        def wide_column(t: Taps, n: int = n) -> Taps:
            return t.but(there=t.there & ~((t.ox % n == 0) & (t.ox > 0) & (t.c == 0) & (t.sizes[3] > 2)))

        def row(t: Taps, n: int = n) -> Taps:
            return t.but(there=t.there & ~((t.oy % n == 0) & (t.oy > 0) & (t.r == 0) & (t.sizes[2] > 1)))

        def corner(t: Taps, n: int = n) -> Taps:
            meets = (t.ox % n == 0) & (t.oy % n == 0) & (t.ox > 0) & (t.oy > 0)
            return t.but(there=t.there & ~(meets & (t.r == 0) & (t.c == 0)))

        yield from forms(of_conv(column, wide_column), what="column", size=n)
        yield from forms(of_conv(row), what="row", size=n)
        yield from forms(of_conv(corner), what="corner", size=n)


TAPS = (
    Cause(
        "border-checked-otherwise",
        "what is beyond the border is 0: yours checks {how} [PROJ-1]",
        found_by(checks),
    ),
    Cause(
        "corners-repeated",
        "what is beyond the border is 0: at yours the corner of the source stands beyond it [PROJ-1]",
        found_by(lambda scene: forms(of_conv(corners))),
    ),
    Cause(
        "windows-begin-for-another",
        "windows begin at stride * y - top, and stride * x - left: yours begin {how} [PROJ-1]",
        found_by(beginnings),
    ),
    Cause(
        "stride-limited",
        "windows stand as far apart as stride and dilation say: yours have {how} [PROJ-2]",
        found_by(limited),
    ),
    Cause(
        "address-wraps",
        "each {what} of a source has its own address: yours begin again behind {count} [NET-3]",
        found_by(wrapping),
    ),
    Cause(
        "rows-overwritten",
        "a kernel reads rows as far apart as its dilation: yours keeps too few, and reads a later one [PROJ-2]",
        found_by(lambda scene: forms(of_conv(too_few_rows))),
    ),
    Cause(
        "tile-edge-missing",
        "windows have all their taps: at tiles of {size} yours lack the first {what} [PROJ-1]",
        found_by(tiles),
    ),
)
