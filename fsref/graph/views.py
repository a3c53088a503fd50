"""Which rows, or columns, of a map stand where: the lists that a view shows, -1 where it shows nothing (VIEW-3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.law.populations import MAX_SIDE

Border: TypeAlias = Literal["zero", "edge", "reflect", "wrap"]
BORDERS: dict[Border, str] = {"zero": "constant", "edge": "edge", "reflect": "reflect", "wrap": "wrap"}


def check(count: int) -> None:
    """Nothing, when a map may have so many rows, or columns; else ValueError."""
    if not 1 <= count <= MAX_SIDE:
        raise ValueError(f"{count} places, not 1..{MAX_SIDE}")


def parted(size: int, stride: int) -> Ints:
    """Of so many places each, with stride - 1 gaps between: what a transposed convolution reads. Errors: ValueError
    where there are too many.
    """
    check((size - 1) * stride + 1)
    places = np.full((size - 1) * stride + 1, -1, np.int64)
    places[::stride] = np.arange(size)
    return places


def bordered(places: Ints, before: int, after: int, border: Border) -> Ints:
    """These places with a border, cut off where it is below 0: gaps, the edge again, mirrored or from the other end.
    Errors: ValueError where a mirror is too short, or nothing or too much is left.
    """
    check(len(places) + before + after)
    check(len(places) + min(0, before) + min(0, after))
    kept = places[max(0, -before) : len(places) - max(0, -after)]
    before, after = max(0, before), max(0, after)
    if border == "reflect" and max(before, after) >= len(kept) and max(before, after):
        raise ValueError(f"{max(before, after)} places mirrored of {len(kept)}")
    if border == "zero":
        return np.pad(kept, (before, after), constant_values=-1)
    return np.pad(kept, (before, after), mode=BORDERS[border])  # type: ignore[call-overload, no-any-return]


def taken(places: Ints, again: Sequence[int] | Ints) -> Ints:
    """A view of a view: of these places those with these numbers, gaps where a number is -1."""
    again = np.asarray(again, np.int64)
    return np.where(again < 0, -1, places[again])


def windowed(size: int, count: int, before: int, kernel: int, stride: int, dilation: int) -> Ints:
    """(count · kernel,): the taps of every window, one window behind another; where one falls beside the map another
    place of its window, which the largest of it does not see. Errors: ValueError where a window has no place, or there
    are too many.
    """
    check(count * kernel)
    at = np.arange(count)[:, None] * stride - before + np.arange(kernel) * dilation
    inside = (at >= 0) & (at < size)
    if not inside.any(axis=1).all():
        raise ValueError("a window of padding alone")
    any_of_them = np.take_along_axis(at, inside.argmax(axis=1)[:, None], axis=1)
    found: Ints = np.where(inside, at, any_of_them).ravel()
    return found


def averaged(first: Ints, last: Ints) -> tuple[Ints, NDArray[np.float64]]:
    """Windows first[i] <= place < last[i] so that one kernel, its stride its size, averages each: the places (count ·
    kernel,) and the weights (kernel,). For every number n of places that a window has, the kernel has n taps of 1 / n,
    which see the places of such windows; those of others see nothing. Errors: ValueError where there are too many.
    """
    counts = last - first
    sizes = np.unique(counts)
    check(len(counts) * int(sizes.sum()))
    starts = np.cumsum(sizes) - sizes
    places = np.full((len(counts), int(sizes.sum())), -1, np.int64)
    for row, begin, end, start in zip(places, first, last, starts[np.searchsorted(sizes, counts)], strict=True):
        row[start : start + end - begin] = np.arange(begin, end)
    return places.ravel(), np.repeat(1 / sizes, sizes)
