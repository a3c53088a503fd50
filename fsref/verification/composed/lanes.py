"""Outputs that are made in tiles of so many at once, each in a lane: those that get nothing, or weights of neighbours
(CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d
from fsref.verification.composed.delivering import delivered, read_of, rows_of
from fsref.verification.composed.memory import TILES
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Part

Meant: TypeAlias = Callable[[NDArray[np.intp], int], NDArray[np.bool_]]  # of outputs of a group, and how many it has
Pitch: TypeAlias = Callable[[int, int], int]  # from how many outputs there are, and how many make a word


def _up(count: int, n: int) -> int:
    return -(-count // n) * n


def _down(count: int, n: int) -> int:
    return count // n * n


def _as_is(count: int, n: int) -> int:
    return count


GETS: tuple[tuple[str, float, int | None], ...] = (
    ("gets nothing", 0.0, None),
    ("has the weights of the output before", 0.3, -1),
    ("has the weights of the next output", 0.3, 1),
)


PITCHES: tuple[tuple[str, tuple[Pitch, Pitch]], ...] = (  # how far apart inputs lie, and are read
    ("with whole words alone", (_up, _down)),
    ("as if they filled them", (_up, _as_is)),
    ("as if they began new ones", (_as_is, _up)),
)


def lanes_otherwise() -> Iterator[Change]:
    """Tiles and lanes that get something else."""
    for end, meant in (("first", _first_of_group), ("last", _last_of_group)):
        text = f"in yours the {end} output of each group gets nothing"
        yield Change(text, 1.9, partial(_gets, None, meant))
    for n in (*TILES, None):
        which = f"of the tiles of {n} outputs in which its group lies" if n else ""
        text = (
            f"in yours a spike comes to all outputs{' ' * bool(n)}{which}, of other groups, too, by their own weights"
        )
        yield Change(text, 2 + 0.05 * bool(n), partial(_of_all, n, True, True))
        which = f" of its tile of {n}" if n else ""
        for where, ends in (("before", (True, False)), ("behind", (False, True))):
            text = f"in yours a spike comes to the outputs{which} {where} those of its group, too, by their own weights"
            yield Change(text, 2.1 + 0.05 * bool(n), partial(_of_all, n, *ends))
    for n in TILES:
        words = f"in yours a last tile of fewer than {n} outputs of a group, where there is a whole one, gets nothing"
        yield Change(words, 2, partial(_gets, None, partial(_last, n)))
        words = f"in yours a last tile of fewer than {n} outputs of a group has the weights of the last {n}"
        yield Change(words, 2.7, partial(_of_last, n))
        words = f"in yours outputs of each tile of {n} have the weights of those as far from its other end"
        yield Change(f"{words}, 0 where there is none", 2, partial(_turned, n, 0), unsaid=MOSTLY)
        yield Change(words, 2.1, partial(_turned, n, None), unsaid=MOSTLY)
        words = f"in yours weights lie input by input, outputs in words of {n}, and are read"
        for how, pitch in PITCHES:
            yield Change(f"{words} {how}", 2.2, partial(_by_input, n, *pitch), unsaid=MOSTLY)
        for lane, (what, far, by) in ((lane, get) for lane in sorted({0, 1, n // 2, n - 1}) for get in GETS):
            text = f"in yours output {lane} of each tile of {n} outputs of a group {what}"
            yield Change(text, 2.3 + far, partial(_gets, by, partial(_lane, n, lane)))


def _of_all(n: int | None, before: bool, behind: bool, part: Part) -> Ints:
    """What is delivered when a spike comes to all outputs, or to those of tiles in which one of its group lies: of
    those `before` or `behind` its group.
    """
    read = read_of(part)
    outputs, inputs = read.weights.shape[:2]
    groups, channels = getattr(read.q, "groups", 1), read.codes.shape[1]
    match read.q:
        case Conv2d() as q if groups > 1:
            pass
        case _:
            return part.right
    o, c, tile = np.arange(outputs), np.arange(channels), n or outputs
    first = c // inputs * (outputs // groups)
    last = first + outputs // groups - 1
    low, high = first // tile * tile if before else first, last // tile * tile + tile - 1 if behind else last
    there = (o[:, None] >= low) & (o[:, None] <= high)
    weights = q.weights[:, c % inputs] * there[:, :, None, None]
    whole = replace(q, weights=weights, groups=1)
    return rows_of(part, reference.carried(read.codes, whole, part.scene.population.shape, part.scene.codes))


def _turned(n: int, beyond: int | None, part: Part) -> Ints:
    """What is delivered when outputs of a tile have each other's weights; it is not known what others get that have
    none, or it is said.
    """
    read = read_of(part)
    at = np.arange(len(read.weights))
    other = at // n * n + n - 1 - at % n
    there = other < len(at)
    changed = read.weights[np.where(there, other, 0)] * there[:, None, None, None]
    if (changed == read.weights).all():
        return part.right
    found = delivered(part, read.by(changed), read.codes)
    alone = ~there[part.places["channel"]]
    return found if beyond is not None else np.where(alone, UNSAID, found)


def _by_input(n: int, lies: Pitch, reads: Pitch, part: Part) -> Ints:
    """What a dense delivers whose inputs lie otherwise than they are read; 0 fills words, and what stands behind all is
    not known.
    """
    read = read_of(part)
    if read.q.weights.ndim != 2:
        return part.right
    outputs, inputs = read.weights.shape[:2]
    pitch, own = lies(outputs, n), reads(outputs, n)
    if pitch == own:
        return part.right
    memory = np.zeros((inputs, pitch), np.int64)
    memory[:, :outputs] = read.weights[:, :, 0, 0].T
    at = np.arange(inputs) * own + np.arange(outputs)[:, None]
    there = at < memory.size
    weights = np.where(there, memory.ravel()[np.where(there, at, 0)], 0)
    found = delivered(part, read.by(weights), read.codes)
    unknown = delivered(part, read.by((~there).astype(np.int64)), (read.codes != 0).astype(np.int64)) > 0
    return np.where(unknown, UNSAID, found)


def _first_of_group(at: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
    return np.asarray(at == 0)


def _last_of_group(at: NDArray[np.intp], count: int) -> NDArray[np.bool_]:
    return np.asarray(at == count - 1)


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
