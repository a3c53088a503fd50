"""Mistakes between images: what is kept of those before (OBS-4). They are judged where every image asked before is
known, since each may have left something.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, MaxPool, Readout
from fsref.verification.consequences import Cause, Effects, Follow, of_membranes, of_pool, opened
from fsref.verification.scene import Effect, Scene


def in_order(scene: Scene, asked: Callable[[Ints], Ints], values: Ints) -> Ints:
    """What `asked` makes of values (B, ...) in the order in which the images were asked, in the scene's order."""
    assert scene.at is not None
    order = np.argsort(scene.at)
    found = np.empty_like(values)
    found[order] = asked(values[order])
    return found


def stale(follow: Callable[[Scene, FS | Readout, Ints], Effects]) -> Follow:
    """A mistake on the way to membranes, where the images asked before are known."""

    def there(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
        if scene.at is not None and scene.count > 1:
            yield from follow(scene, p, v)

    return of_membranes(there)


def left(p: FS | Readout, v: Ints) -> Ints:
    """What is left in membranes (C, H, W) when the image is over."""
    match p:
        case FS():
            ending: Ints = reference.fire(v[None], p.table)[1][0, -1]
            return ending
        case Readout():
            return v
        case _:
            assert_never(p)


def kept(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """A membrane starts where the image before left it, and the bias is added each time, or was at the first alone; or
    the last neuron's does, or those of neurons that were silent.
    """

    def of_some(values: Ints, which: Callable[[Ints], NDArray[np.bool_]]) -> Ints:
        first, found = 0 * values[0], []
        for own in values:
            found.append(own + first)
            first = np.where(which(found[-1]), left(p, found[-1]), 0)
        return np.stack(found)

    last = np.arange(p.neurons).reshape(p.shape) == p.neurons - 1
    yield opened(p, in_order(scene, partial(of_some, which=lambda v: last), v)).of("in the last neuron")
    yield opened(p, in_order(scene, partial(of_some, which=lambda v: left(p, v) == v), v)).of("where it did not fire")
    for each in (v, v - p.bias_map):

        def left_over(values: Ints, first: Ints = v[0] * 0 + p.bias_map * (each is not v)) -> Ints:
            found = []
            for sums in values:
                found.append(first + sums)
                first = left(p, found[-1])
            return np.stack(found)

        yield opened(p, in_order(scene, left_over, each))


def summed_up(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """Sums are never cleared, while membranes are; the bias is among them, or is added to them each time. The sums of
    a readout are its membranes.
    """
    for bias in (0 * p.bias_map, p.bias_map) if p.steps else ():
        yield opened(p, in_order(scene, lambda values: np.cumsum(values, axis=0), v - bias) + bias)


def one_before(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """What the sources sent for the image before is read; for the first image nothing was sent."""
    sums = in_order(scene, lambda sums: np.concatenate([0 * sums[:1], sums[:-1]]), v - p.bias_map)
    yield opened(p, sums + p.bias_map)


def largest(scene: Scene, p: MaxPool) -> Effects:
    """A max-pool's registers hold the largest so far."""
    if scene.at is not None and scene.count > 1:
        codes, trains = (values.astype(np.int64) for values in (scene.codes[p.name], scene.trains[p.name]))
        most = [in_order(scene, lambda values: np.maximum.accumulate(values, axis=0), a) for a in (codes, trains)]
        yield Effect(most[0], spikes=most[1].astype(np.uint16))


def not_computed(scene: Scene) -> Effects:
    """Everything stays as it was for the image before."""
    p = scene.population
    if scene.at is None or scene.count < 2:
        return

    def before(values: Ints) -> Ints:
        return in_order(
            scene, lambda values: np.concatenate([values[:1], values[:1], values[1:-1]])[: len(values)], values
        )

    codes = before(scene.codes[p.name]) if p.name in scene.codes else None
    trains = before(scene.trains[p.name].astype(np.int64)).astype(np.uint16) if p.name in scene.trains else None
    opening = None if scene.opening is None else before(scene.opening)
    membranes = None
    match p:
        case FS() if opening is not None:
            membranes = reference.fire(opening, p.table)[1]
        case _:
            pass
    yield Effect(codes, opening, trains, membranes)


def bias_once(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """The bias is there for the first image alone."""
    yield opened(p, in_order(scene, lambda v: np.concatenate([v[:1], v[1:] - p.bias_map]), v))


def trains_kept(scene: Scene) -> Effects:
    """The spikes of the images before stay, or those of the image before are there, too."""
    p = scene.population
    if scene.at is None or scene.count < 2 or p.name not in scene.trains:
        return
    d, steps, trains = scene.net.code_weights[p.name], scene.net.steps[p.name], scene.trains[p.name].astype(np.int64)
    for follow in (
        lambda values: np.bitwise_or.accumulate(values, axis=0),
        lambda values: np.concatenate([values[:1], values[1:] | values[:-1]]),
    ):
        found = in_order(scene, follow, trains)
        codes = reference.codes(reference.input_trains(found, steps), d)
        yield Effect(codes, spikes=found.astype(np.uint16))


STALE = (
    Cause(
        "bias-in-the-first-image-alone",
        "the bias is added for every image: yours for the first alone [NET-6]",
        stale(bias_once),
        whole=True,
    ),
    Cause(
        "spikes-kept",
        "every image starts fresh: your trains still hold spikes of the images before [NET-6]",
        trains_kept,
        whole=True,
    ),
    Cause(
        "image-not-computed",
        "every image is computed: yours still answers what the image before was [NET-6]",
        not_computed,
        whole=True,
    ),
    Cause(
        "membrane-kept",
        "every image starts fresh: your membranes start with what the image before left in them [NET-6]",
        stale(kept),
        whole=True,
    ),
    Cause(
        "sums-kept",
        "every image starts fresh: your sums still hold those of the images before [NET-6]",
        stale(summed_up),
        whole=True,
    ),
    Cause(
        "image-before-read",
        "every image is computed from what was sent for it: yours reads what was sent for the image before [NET-6]",
        stale(one_before),
        whole=True,
    ),
    Cause(
        "pool-kept",
        "every image starts fresh: your max-pool still holds the largest of the images before [POOL-1]",
        of_pool(largest),
        whole=True,
    ),
)
