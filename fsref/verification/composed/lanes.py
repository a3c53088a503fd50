"""Outputs that are made in tiles of so many at once, each in a lane: those that get nothing, or weights of neighbours
(CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.verification.composed.delivering import delivered, read_of
from fsref.verification.composed.memory import TILES
from fsref.verification.composed.relation import Change, Part

Meant: TypeAlias = Callable[[NDArray[np.intp], int], NDArray[np.bool_]]  # of outputs of a group, and how many it has
GETS: tuple[tuple[str, float, int | None], ...] = (
    ("gets nothing", 0.0, None),
    ("has the weights of the output before", 0.3, -1),
    ("has the weights of the next output", 0.3, 1),
)


def lanes_otherwise() -> Iterator[Change]:
    """Tiles and lanes that get something else."""
    for n in TILES:
        words = f"in yours a last tile of fewer than {n} outputs of a group, where there is a whole one, gets nothing"
        yield Change(words, 2, partial(_gets, None, partial(_last, n)))
        words = f"in yours a last tile of fewer than {n} outputs of a group has the weights of the last {n}"
        yield Change(words, 2.7, partial(_of_last, n))
        for lane, (what, far, by) in ((lane, get) for lane in sorted({0, 1, n // 2, n - 1}) for get in GETS):
            text = f"in yours output {lane} of each tile of {n} outputs of a group {what}"
            yield Change(text, 2.3 + far, partial(_gets, by, partial(_lane, n, lane)))


def _last(n: int, at: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
    return (at >= count // n * n) & (count > n)


def _lane(n: int, lane: int, at: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
    return np.asarray(at % n == lane)


def _of_last(n: int, part: Part) -> Ints:
    """What is delivered when the last tile begins so many outputs before the end, and is told where it should."""
    read = read_of(part)
    count = len(read.weights)
    per_group = count // getattr(read.q, "groups", 1)
    at = np.arange(count)
    some = _last(n, at % per_group, per_group)
    if not some.any():
        return part.right
    moved = np.where(some, at + per_group - n - per_group // n * n, at)
    return delivered(part, read.by(read.weights[moved]), read.codes)


def _gets(by: int | None, meant: Meant, part: Part) -> Ints:
    """What is delivered when some outputs have the weights `by` outputs on, or none."""
    read = read_of(part)
    count = len(read.weights)
    per_group = count // getattr(read.q, "groups", 1)
    at = np.arange(count)
    some = meant(at % per_group, per_group)
    other = np.zeros_like(read.weights) if by is None else read.weights[np.clip(at + by, 0, count - 1)]
    changed = np.where(some[:, None, None, None], other, read.weights)
    return part.right if (changed == read.weights).all() else delivered(part, read.by(changed), read.codes)
