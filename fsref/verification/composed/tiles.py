"""Products that do not come: beyond the border of a tile, and behind the first ones of a spike (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.verification.taps import Taps

SIZES = (2, 3, 4, 8, 16)  # of tiles
AXES = (("rows", (0,)), ("columns", (1,)), ("rows and columns", (0, 1)))
FANS = (1, 2, 4, 8, 16, 32, 64)  # neurons to which a spike is delivered
Reach: TypeAlias = Callable[[Taps, int, int], NDArray[np.bool_]]  # along an axis, of tiles of so many


def tiles() -> Iterator[tuple[str, float, Callable[[Taps], Taps]]]:
    """What windows do at the borders of tiles: places beyond them are not there, or count twice."""
    for whose, far, reaches in (("", 0.0, _of_target), (" of the source", 0.1, _of_source)):
        for n in SIZES:
            for names, axes in AXES:
                tile = f"tile of {n} {names}{whose}"
                dear = 2 + far + 0.1 * len(axes)
                yield f"sees nothing beyond its {tile}", dear, partial(_lost, reaches, axes, n)
                yield f"sees twice what is beyond its {tile}", dear + 0.2, partial(_twice, reaches, axes, n)


def fans() -> Iterator[tuple[str, float, Callable[[Taps], Taps]]]:
    """Spikes that are delivered to some neurons alone."""
    for n in FANS:
        many = "one neuron" if n == 1 else f"{n} neurons"
        yield f"is delivered to the first {many} of its targets alone", 2, partial(_first, n)
        yield f"is not delivered to the last {many} of its targets", 2.4, partial(_last, n)


def _ranks(taps: Taps) -> tuple[Ints, Ints]:
    """How many products of the same place of the source, along weights that are not 0, are at neurons before, and are
    behind: each with the shape of all products.
    """
    arrays = (taps.o, taps.oy, taps.ox, taps.i, taps.r, taps.c, taps.weight, taps.there)
    shape = np.broadcast_shapes(*(each.shape for each in arrays))
    _, height, width = taps.source
    address = np.broadcast_to((taps.channel * height + taps.y) * width + taps.x, shape).ravel()
    w = np.broadcast_to(taps.q.weights.ravel()[taps.weight], shape).ravel()
    kept = np.flatnonzero(np.broadcast_to(taps.there, shape).ravel() & (w != 0))
    order = kept[np.argsort(address[kept], kind="stable")]  # products lie in the order of neurons
    sorted_ = address[order]
    first, end = (np.searchsorted(sorted_, sorted_, side=side) for side in ("left", "right"))
    before, behind = np.zeros(len(w), np.int64), np.zeros(len(w), np.int64)
    before[order] = np.arange(len(order)) - first
    behind[order] = end - 1 - np.arange(len(order))
    return before.reshape(shape), behind.reshape(shape)


def _first(n: int, taps: Taps) -> Taps:
    return taps.but(there=taps.there & (_ranks(taps)[0] < n))


def _last(n: int, taps: Taps) -> Taps:
    return taps.but(there=taps.there & (_ranks(taps)[1] >= n))


def _of_target(taps: Taps, axis: int, n: int) -> NDArray[np.bool_]:
    """What is not of the rows that stand for those of the tile in which the window is."""
    own, at = (taps.oy, taps.y) if axis == 0 else (taps.ox, taps.x)
    size = n * taps.stride[axis]
    return np.asarray(at // size != own // n)


def _of_source(taps: Taps, axis: int, n: int) -> NDArray[np.bool_]:
    """What is in another tile of the source than the place at which the window stands."""
    own, at = (taps.oy, taps.y) if axis == 0 else (taps.ox, taps.x)
    return np.asarray(at // n != own * taps.stride[axis] // n)


def _beyond(reaches: Reach, axes: tuple[int, ...], n: int, taps: Taps) -> Ints:
    found: Ints = np.zeros((1,) * 6, np.int64)
    for axis in axes:
        found = found | reaches(taps, axis, n)
    return found


def _lost(reaches: Reach, axes: tuple[int, ...], n: int, taps: Taps) -> Taps:
    return taps.but(there=taps.there & (_beyond(reaches, axes, n, taps) == 0))


def _twice(reaches: Reach, axes: tuple[int, ...], n: int, taps: Taps) -> Taps:
    return taps.but(times=taps.times * (1 + _beyond(reaches, axes, n, taps)))
