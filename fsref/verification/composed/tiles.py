"""Products that reach over the border of a tile, where a map is computed in tiles (CONFORM-7)."""

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
