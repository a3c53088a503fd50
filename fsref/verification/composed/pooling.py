"""What a max-pool sends: in each step whether one of the candidates that are still in fires (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import product
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.law.projections import Conv2d, sum_pool
from fsref.verification.composed.earlier import is_known
from fsref.verification.composed.lines import rings
from fsref.verification.composed.pool_rules import (
    TURNS,
    Rule,
    Windows,
    by_law,
    early,
    kept_out,
    late,
    rules,
)
from fsref.verification.composed.relation import UNSAID, Change, Mask, Part, part_of
from fsref.verification.composed.sending import sends_otherwise
from fsref.verification.composed.standing import turns
from fsref.verification.composed.where import some
from fsref.verification.composed.windows import crossing, moves
from fsref.verification.scene import Scene
from fsref.verification.stale_causes import in_order
from fsref.verification.taps import Taps, taps_of

FIRST = (1, 2, 3, 4, 8)  # candidates that are looked at


def pooling(scene: Scene, p: MaxPool) -> Part | None:
    """Whether a max-pool fires (POOL-1)."""
    words, own = scene.theirs.get("spikes"), _windows(scene, p)
    if words is None or own is None:
        return None
    steps = scene.net.steps[p.name]
    seen = reference.input_trains(words.astype(np.int64), steps)
    right = by_law(own)
    count = own.there.sum(axis=0)
    firing = own.fired.sum(axis=0)
    so_far: Ints = np.cumsum(right, axis=1) - right
    values = {
        "the number of candidates": count,
        "the number of candidates that fire": firing,
        "the number of spikes before": so_far,
    }
    flags = {
        "where the window reaches over a border": count < len(own.there),
        "where it fired before": so_far > 0,
        "where a candidate fires": firing > 0,
        "where all candidates fire": firing == count,
        "where its first candidate fires": own.fired[0],
        "where its last candidate fires": own.fired[-1],
    }
    facts = {
        "the number of kernel rows": p.kernel[0],
        "the number of kernel columns": p.kernel[1],
        "the stride of rows": p.stride[0],
        "the stride of columns": p.stride[1],
        "behind a max-pool": scene.net[p.source].kind == "max_pool",
        "where windows overlap": p.stride[0] < p.kernel[0] or p.stride[1] < p.kernel[1],
        "the number of rows of the source": scene.net[p.source].shape[1],
        "the number of columns of the source": scene.net[p.source].shape[2],
    }
    part = part_of(scene, seen, right, {}, values, flags)
    ones = np.ones(len(part.right), np.int64)
    return replace(part, facts={**part.facts, **{word: int(value) * ones for word, value in facts.items()}})


@lru_cache(maxsize=4)
def _windows(scene: Scene, p: MaxPool) -> Windows | None:
    taps = _taps(scene, p)
    return None if taps is None else _seen(scene, p, taps)


def _taps(scene: Scene, p: MaxPool) -> Taps | None:
    """The places of its windows, as those of a depthwise conv2d."""
    return taps_of(scene, _summing(p))


@lru_cache(maxsize=16)
def _summing(p: MaxPool) -> Conv2d:
    return sum_pool(p.source, p.name, p.shape[0], p.kernel, p.stride, p.padding)


def _seen(scene: Scene, p: MaxPool, taps: Taps) -> Windows:
    """What windows see at some places."""
    z = scene.spikes(p.source)
    address, kept = _addresses(p, taps)
    rows = z.reshape(*z.shape[:2], -1)
    fired = rows[:, :, address.ravel()].reshape(*z.shape[:2], *address.shape) & kept
    candidates = fired.reshape(*z.shape[:2], *p.shape, -1)
    return Windows(np.moveaxis(candidates, -1, 0), np.moveaxis(kept.reshape(*p.shape, -1), -1, 0))


def _addresses(p: MaxPool, taps: Taps) -> tuple[NDArray[np.intp], Mask]:
    """The addresses of the candidates of each window, and which are there, (C, H, W, 1, kh, kw); 0 where none is."""
    _, height, width = taps.source
    shape = (*p.shape, taps.r.shape[-2], taps.c.shape[-1])
    address = np.broadcast_to((taps.channel * height + taps.y) * width + taps.x, (*p.shape, 1, *shape[3:]))
    kept = np.broadcast_to(taps.there, address.shape) & (address >= 0) & (address < taps.source[0] * height * width)
    return np.where(kept, address, 0), kept


def pools_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What a max-pool may do instead."""
    if is_known(parts[0].scene):
        yield Change("in yours candidates that drop out stay out from image to image", 1.7, _out_for_ever)
        yield Change("in yours the largest train is kept from image to image", 1.7, _largest)
    yield from turns(_in)
    for words, axes in TURNS:
        text = f"in yours places outside of the source keep the candidates of windows before, {words}"
        yield Change(text, 1.9, partial(_kept_outside, axes))
    for words, dear, rule in rules():
        yield Change(f"in yours {words}", dear, partial(_by_rule, rule))
    for words, dear, move in (*moves(), *crossing(), *rings()):
        yield Change(f"in yours a window {words}", dear, partial(_moved, move))
    for words, sizes in (("as wide as it is high", (0, 0)), ("as high as it is wide", (1, 1)), ("turned", (1, 0))):
        yield Change(f"in yours a window is {words}", 2, partial(_shaped, sizes))
    for row, column in product(_all("kernel row"), _all("kernel column")):
        if 0 < row[1] + column[1] < 3.3:
            words = f"in yours candidates{row[0]}{' and' if row[1] and column[1] else ''}{column[0]} are left out"
            yield Change(words, 1 + row[1] + column[1], partial(_left_out, row[2], column[2]))
    for n in FIRST:
        many = "candidate of a window is" if n == 1 else f"{n} candidates of a window are"
        yield Change(f"in yours the first {many} looked at", 2.2, partial(_first, n))
    for words, change in (("a step late", late), ("a step early", early)):
        yield Change(f"in yours candidates are read {words}", 2, partial(_by_rule, change))
    yield from sends_otherwise(parts)


def _all(name: str) -> list[tuple[str, float, Callable[[int], Mask]]]:
    return [("", 0.0, lambda n: np.ones(n, np.bool_)), *((each.text, each.dear, each.of) for each in some(name))]


def _by_rule(rule: Rule, part: Part) -> Ints | None:
    own = _windows(part.scene, _pool(part))
    return None if own is None else rule(own).astype(np.int64).ravel()


def _in(scene: Scene, over: bool, part: Part) -> Ints | None:
    """What it does by the law in a scene."""
    p = _pool(part)
    taps, own = _taps(scene, p), _windows(scene, p)
    if taps is None or own is None:
        return None
    return (_overwriting(scene, p, taps) if over else by_law(own)).astype(np.int64).ravel()


def _overwriting(scene: Scene, p: MaxPool, taps: Taps) -> Ints:
    """The spikes (B, K, C, H, W) of a pool that writes them over those that it reads, neuron by neuron in each step."""
    z = scene.spikes(p.source)
    address, kept = (own.reshape(p.neurons, -1) for own in _addresses(p, taps))
    flat = z.reshape(*z.shape[:2], -1).copy()
    still = np.ones((len(z), *address.shape), np.bool_)
    found = np.zeros((*z.shape[:2], p.neurons), np.bool_)
    for t, n in product(range(z.shape[1]), range(p.neurons)):
        fired = kept[n] & still[:, n] & flat[:, t, address[n]]
        found[:, t, n] = fired.any(axis=1)
        still[:, n] = np.where(found[:, t, n, None], fired, still[:, n])
        if n < flat.shape[2]:
            flat[:, t, n] = found[:, t, n]
    return found.reshape(*z.shape[:2], *p.shape)


def _out_for_ever(part: Part) -> Ints | None:
    own, at = _windows(part.scene, _pool(part)), part.scene.at
    if own is None or at is None:
        return None
    order = np.argsort(at)
    there = np.broadcast_to(own.there[:, None], own.fired[:, :, 0].shape)
    found = np.empty(own.fired.shape[1:], np.int64)
    found[order] = kept_out(own.fired[:, order], there, (0,))
    return found.ravel()


def _kept_outside(axes: tuple[int, ...], part: Part) -> Ints | None:
    """What windows do in whose places outside of the source the last candidates stand of those before along some axes
    of (B, C, H, W); UNSAID where none was there before.
    """
    own = _windows(part.scene, _pool(part))
    if own is None or own.there.all():
        return None if own is None else part.right
    there = np.broadcast_to(own.there[:, None, None], own.fired.shape)
    last = tuple(axis - 4 for axis in axes)

    def in_a_row(values: NDArray[Any]) -> NDArray[Any]:
        rows = np.moveaxis(values, last, [*range(-len(last), 0)])
        return rows.reshape(*rows.shape[: -len(last)], -1)

    known, fired = in_a_row(there), in_a_row(own.fired)
    at = np.maximum.accumulate(np.where(known, np.arange(known.shape[-1]), -1), axis=-1)
    held = np.take_along_axis(fired, np.maximum(at, 0), axis=-1)
    shape = np.moveaxis(own.fired, last, [*range(-len(last), 0)]).shape
    seen, kept = (np.moveaxis(rows.reshape(shape), [*range(-len(last), 0)], last) for rows in (held, at >= 0))
    z = by_law(Windows(np.asarray(seen & kept), np.ones_like(own.there)))
    return np.where(kept.all(axis=0), z, UNSAID).ravel()


def _largest(part: Part) -> Ints | None:
    own = _windows(part.scene, _pool(part))
    if own is None:
        return None
    z = by_law(own)
    words = in_order(
        part.scene, lambda asked: np.maximum.accumulate(asked, axis=0), reference.words(z).astype(np.int64)
    )
    return reference.input_trains(words, z.shape[1]).astype(np.int64).ravel()


def _moved(move: Callable[[Taps], Taps], part: Part) -> Ints | None:
    p = _pool(part)
    taps = _taps(part.scene, p)
    if taps is None:
        return None
    wrong = move(taps)
    return part.right if wrong.alike(taps) else by_law(_seen(part.scene, p, wrong)).astype(np.int64).ravel()


def _shaped(sizes: tuple[int, int], part: Part) -> Ints | None:
    """Windows of as many rows and columns as their kernel has along these axes."""
    p, scene = _pool(part), part.scene
    kernel = p.kernel[sizes[0]], p.kernel[sizes[1]]
    if kernel == p.kernel:
        return part.right
    taps = taps_of(scene, sum_pool(p.source, p.name, p.shape[0], kernel, p.stride, p.padding))
    return None if taps is None else by_law(_seen(scene, p, taps)).astype(np.int64).ravel()


def _left_out(row: Callable[[int], Mask], column: Callable[[int], Mask], part: Part) -> Ints | None:
    kh, kw = _pool(part).kernel
    dropped = (row(kh)[:, None] & column(kw)).ravel()[:, None, None, None]
    return _by_rule(lambda own: by_law(own.without(dropped)), part)


def _first(n: int, part: Part) -> Ints | None:
    return _by_rule(lambda own: by_law(own.without(np.cumsum(own.there, axis=0) > n)), part)


def _pool(part: Part) -> MaxPool:
    match part.scene.population:
        case MaxPool() as p:
            return p
        case FS() | Readout() | View() | Input() as other:
            raise AssertionError(other.kind)
        case never:
            assert_never(never)
