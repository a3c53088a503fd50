"""Mistakes of a max-pool (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import MaxPool
from fsref.law.projections import sum_pool
from fsref.verification.consequences import Cause, Effects, of_pool
from fsref.verification.scene import Effect, Scene


def per_step_or(scene: Scene, p: MaxPool) -> Effects:
    """Each step looks at all candidates again, also at those that were silent while another fired."""
    steps, d = scene.net.steps[p.name], scene.net.code_weights[p.name]
    spikes = reference.input_trains(scene.trains[p.source].astype(np.int64), steps)
    alone = np.stack([reference.max_pool(spikes[:, t : t + 1], p)[:, 0] for t in range(steps)], axis=1)
    yield Effect(np.einsum("bkchw,ck->bchw", alone.astype(np.int64), d), spikes=reference.words(alone))


def average(scene: Scene, p: MaxPool) -> Effects:
    """The mean of the candidates, or of the whole window with its padding, rounded down or to the nearest."""
    plane = scene.codes[p.source]
    total, there = window_sums(plane, p), window_sums(np.ones_like(plane[:1]), p)
    for count in (there, np.full_like(there, p.kernel[0] * p.kernel[1])):
        yield Effect(total // count)
        yield Effect((2 * total + count) // (2 * count))


def window_sums(plane: Ints, p: MaxPool) -> Ints:
    """The sum of each window of a plane (B, C, H, W), padding counting as 0, (B, C, H_out, W_out)."""
    summing = sum_pool(p.source, p.name, p.shape[0], p.kernel, p.stride, p.padding)
    return reference.along(plane, summing, p.shape)


def candidates(trains: Ints, p: MaxPool, outside: int) -> Ints:
    """The trains (B, C, H, W) of the candidates of each window, in order, (kh * kw, B, C, H_out, W_out), `outside`
    for padding.
    """
    (kh, kw), (top, left, _, _), (sy, sx) = p.kernel, p.padding, p.stride
    found = np.full((kh * kw, len(trains), *p.shape), outside, np.int64)
    for at, (r, c) in enumerate(np.ndindex(kh, kw)):
        to_y, from_y = reference.seen(trains.shape[2], p.shape[1], top, sy, r)
        to_x, from_x = reference.seen(trains.shape[3], p.shape[2], left, sx, c)
        found[at, ..., to_y, to_x] = trains[..., from_y, from_x]
    return found


def sent(scene: Scene, p: MaxPool, trains: Ints) -> Effect:
    """What these trains (B, C, H, W) of a max-pool are worth."""
    spikes = reference.input_trains(trains, scene.net.steps[p.name])
    return Effect(reference.codes(spikes, scene.net.code_weights[p.name]), spikes=reference.words(spikes))


def picked(pick: Callable[[Ints, int], Iterator[Ints]], outside: int = 0) -> Callable[[Scene, MaxPool], Effects]:
    """Another choice among the trains of the candidates of each window, which end in so many steps."""

    def follow(scene: Scene, p: MaxPool) -> Effects:
        trains = candidates(scene.trains[p.source].astype(np.int64), p, outside)
        for wrong in pick(trains, scene.net.steps[p.name]):
            yield sent(scene, p, np.where(wrong < 0, 0, wrong))

    return follow


def first_to_fire(trains: Ints, steps: int) -> Iterator[Ints]:
    """The first of those that fire first, or the last of them, whatever they send later."""
    first = np.floor(np.log2(np.maximum(trains, 0) + 0.5)).astype(np.int64)  # the highest bit, -1 of none
    for order in (slice(None), slice(None, None, -1)):
        yield np.take_along_axis(trains[order], first[order].argmax(axis=0)[None], axis=0)[0]


def smallest(trains: Ints, steps: int) -> Iterator[Ints]:
    """The smallest, padding left out or as zero."""
    yield np.where(trains < 0, 1 << steps, trains).min(axis=0)
    yield np.maximum(trains, 0).min(axis=0)


def one_place(trains: Ints, steps: int) -> Iterator[Ints]:
    """Always the candidate at one place."""
    yield from trains


def windows(scene: Scene, p: MaxPool) -> Effects:
    """A kernel one larger or smaller along one axis or both, at the right place."""
    trains = scene.trains[p.source].astype(np.int64)
    for by in product((-1, 0, 1), repeat=2):
        kernel = (p.kernel[0] + by[0], p.kernel[1] + by[1])
        if any(by) and min(kernel) > 0:
            most = candidates(trains, replace(p, kernel=kernel), 0).max(axis=0)
            yield sent(scene, p, most).of(kernel=kernel, right=p.kernel)


def windows_moved(scene: Scene, p: MaxPool) -> Effects:
    """Windows that begin a row or column later or earlier, or stand one more or one less apart."""
    trains = scene.trains[p.source].astype(np.int64)
    height, width = trains.shape[2:]
    wide = np.pad(trains, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for y, x in product((-1, 0, 1), repeat=2):
        if y or x:
            moved = wide[:, :, 1 + y : 1 + y + height, 1 + x : 1 + x + width]
            yield sent(scene, p, candidates(moved, p, 0).max(axis=0))
        stride = (p.stride[0] + y, p.stride[1] + x)
        if (y or x) and min(stride) > 0:
            yield sent(scene, p, candidates(trains, replace(p, stride=stride), 0).max(axis=0))


POOL = (
    Cause(
        "per-step-or",
        "candidates that stay silent while another fires drop out: yours is a per-step OR [POOL-1]",
        of_pool(per_step_or),
    ),
    Cause(
        "first-to-fire",
        "among candidates that fire together a later step decides: yours takes one that fires first [POOL-1]",
        of_pool(picked(first_to_fire)),
    ),
    Cause(
        "smallest-for-max",
        "a max-pool sends the largest code of its window, not the smallest [POOL-1]",
        of_pool(picked(smallest, outside=-1)),
    ),
    Cause(
        "average-for-max", "a max-pool sends the largest code of its window, not their mean [POOL-1]", of_pool(average)
    ),
    Cause(
        "one-place-for-max",
        "a max-pool sends the largest code of its window: yours sends that at one place of it [POOL-1]",
        of_pool(picked(one_place)),
    ),
    Cause("pool-kernel", "the windows of a max-pool are {right}: yours are {kernel} [POOL-1]", of_pool(windows)),
    Cause(
        "pool-windows-moved",
        "the windows of a max-pool begin at stride * y - top: yours begin elsewhere [POOL-1]",
        of_pool(windows_moved),
    ),
)
