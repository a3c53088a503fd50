"""Mistakes of who is connected to whom: groups, the last of something, and addresses of weights (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import assert_never

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d, Dense, Linear
from fsref.verification.border_causes import Convolved, convolving
from fsref.verification.consequences import Cause
from fsref.verification.deliveries import Mistake, Read, found_by, reading, reads
from fsref.verification.scene import Scene
from fsref.verification.weight_causes import delivers, weighing

LANES = (4, 8, 16, 32, 64)  # inputs that a dense layer takes at a time
FULL = 2**22  # weights of a conv2d without its groups


def grouped(base: Callable[[int, int, int, int], int]) -> Convolved:
    """Other channels for the group of each output: `base` is the first, from the output, the groups, the outputs and
    the inputs of a group.
    """

    def other(q: Conv2d, plane: Ints) -> Read:
        outputs, inputs = q.weights.shape[:2]
        if q.groups == 1 or q.weights.size * q.groups > FULL:
            return q, plane
        full = np.zeros((outputs, plane.shape[1], *q.kernel), np.int64)
        for o in range(outputs):
            first = base(o, q.groups, outputs // q.groups, inputs)
            there = full[o, first : first + inputs]
            there[:] = q.weights[o, : len(there)]
        return replace(q, weights=full, groups=1), plane

    return other


def last_row_or_column(scene: Scene) -> Iterator[Mistake]:
    """The last column or row of the outputs is not computed, or is that before."""

    def change(scene: Scene, name: str, q: Linear, axis: int, repeats: bool) -> Ints | None:
        sums = scene.sums[name].copy()
        if sums.shape[axis] == 1 and repeats:
            return None
        last = np.moveaxis(sums, axis, 0)
        last[-1] = last[-2] if repeats else 0
        return sums

    if any(q.weights.ndim == 4 for q in scene.into.values()):
        for axis, what in ((3, "column"), (2, "row"), (1, "channel")):
            yield partial(change, axis=axis, repeats=False), {"what": what, "does": "receives nothing"}
            yield partial(change, axis=axis, repeats=True), {"what": what, "does": "repeats the one before"}
    else:
        yield partial(change, axis=1, repeats=False), {"what": "channel", "does": "receives nothing"}


def like_the_one_before(w: Ints) -> Ints:
    """The last output has the weights of the one before."""
    return np.concatenate([w[:-1], w[-2:-1]]) if len(w) > 1 else w


def less(at: int) -> Callable[[Ints], Ints]:
    """The first or the last weight of all is 0."""

    def change(w: Ints) -> Ints:
        left = w.copy()
        left.flat[at] = 0
        return left

    return change


def along_memory(by: int) -> Callable[[Ints], Ints]:
    """Each weight is the one that stands beside it in the memory; beyond the end there is none."""

    def change(w: Ints) -> Ints:
        flat = np.zeros(w.size, np.int64)
        flat[max(0, -by) : w.size - max(0, by)] = w.ravel()[max(0, by) : w.size - max(0, -by)]
        return flat.reshape(w.shape)

    return change


def address_wraps(scene: Scene) -> Iterator[Mistake]:
    """The address of a weight wraps behind so many."""

    def wrapped(w: Ints, count: int) -> Ints:
        return w.ravel()[np.arange(w.size) % count].reshape(w.shape)

    largest = max((q.weights.size for q in scene.into.values()), default=0)
    for bits in range(4, max(4, min(largest - 1, FULL).bit_length())):
        cut = partial(wrapped, count=1 << bits)
        yield reading(weighing(cut, cut)), {"count": 1 << bits}


def inputs_cut(scene: Scene) -> Iterator[Mistake]:
    """Inputs of a dense layer behind the last full lanes, or behind some, are left out."""

    def cut(w: Ints, count: int) -> Ints:
        return np.where(np.arange(w.shape[1]) < count, w, 0)

    sizes = {q.weights.shape[1] for q in scene.into.values() if q.weights.ndim == 2}
    for count in sorted(
        {n // lane * lane for n in sizes for lane in LANES if lane <= n} | {n for n in LANES if n < max(sizes or {0})}
    ):
        yield reading(weighing(dense=partial(cut, count=count))), {"count": count}


def pooled(change: Callable[[Ints], Ints]) -> Callable[[Scene, Linear, Ints], Read]:
    """A mistake of what a pooled dense reads."""

    def other(scene: Scene, q: Linear, plane: Ints) -> Read:
        match q:
            case Dense(pooled=True):
                return q, change(plane)
            case Dense() | Conv2d():
                return q, plane
            case _:
                assert_never(q)

    return other


def one_place(plane: Ints, last: bool) -> Ints:
    """The first place of each channel alone, or all but the last."""
    found = plane.reshape(*plane.shape[:2], -1).copy()
    if last:
        found[:, :, -1] = 0
    else:
        found[:, :, 1:] = 0
    return found.reshape(plane.shape)


def pooling(scene: Scene) -> Iterator[Mistake]:
    """A pooled dense that sums up something else than all places of a channel."""
    yield reading(pooled(partial(one_place, last=False))), {"how": "the first place alone"}
    yield reading(pooled(partial(one_place, last=True))), {"how": "all places but the last"}
    yield divided, {"how": "their mean"}
    yield partial(divided, to_zero=True), {"how": "their mean"}
    yield once, {"how": "one spike of a channel in a step"}
    yield by_place, {"how": "places with the weights of other channels"}


def divided(scene: Scene, name: str, q: Linear, to_zero: bool = False) -> Ints | None:
    """What a pooled dense delivers that divides by the places."""
    height, width = scene.net[q.source].shape[1:]
    match q:
        case Dense(pooled=True):
            sums = scene.sums[name]
            return np.sign(sums) * (np.abs(sums) // (height * width)) if to_zero else sums // (height * width)
        case _:
            return None


def once(scene: Scene, name: str, q: Linear) -> Ints | None:
    """What a pooled dense delivers that takes one spike of each channel in a step."""
    match q:
        case Dense(pooled=True):
            any_spike = np.asarray(scene.spikes(q.source).any(axis=(3, 4), keepdims=True))
            return delivers(scene, q, reference.codes(any_spike, scene.net.code_weights[q.source]))
        case _:
            return None


def by_place(scene: Scene, name: str, q: Linear) -> Ints | None:
    """What a pooled dense delivers whose weight is that of the neuron's number, not of its channel."""
    plane = scene.codes[q.source]
    match q:
        case Dense(pooled=True):
            weights = q.weights[:, np.arange(plane[0].size) % plane.shape[1]]
            return delivers(scene, replace(q, weights=weights, pooled=False), plane)
        case _:
            return None


WIRING = (
    Cause(
        "groups-exchanged",
        "output o of a conv2d reads the channels of group o // (O / groups): yours those of another [PROJ-3]",
        reads(
            convolving(grouped(lambda o, groups, outputs, inputs: 0)),
            convolving(grouped(lambda o, groups, outputs, inputs: o % groups * inputs)),
            convolving(grouped(lambda o, groups, outputs, inputs: o // outputs * outputs)),
        ),
    ),
    Cause(
        "last-not-computed",
        "all outputs are computed: in yours the last {what} {does} [PROJ-1]",
        found_by(last_row_or_column),
    ),
    Cause(
        "last-weights-of-the-one-before",
        "the last output has its own weights: yours takes those of the one before [PROJ-1]",
        reads(weighing(like_the_one_before, like_the_one_before)),
    ),
    Cause(
        "weight-not-loaded",
        "all weights are loaded: in yours the very first, or the very last, is 0 [PROJ-1]",
        reads(weighing(less(0), less(0)), weighing(less(-1), less(-1))),
    ),
    Cause(
        "weights-one-off",
        "the weight of an input stands at its own place: yours is the one beside it [PROJ-4]",
        reads(*(weighing(along_memory(by), along_memory(by)) for by in (1, -1))),
    ),
    Cause(
        "weights-outputs-inner",
        "the weights of a conv2d are (O, I, kh, kw), yours (I, O, kh, kw) [PROJ-1]",
        reads(weighing(conv2d=lambda w: w.reshape(w.shape[1], w.shape[0], *w.shape[2:]).swapaxes(0, 1))),
    ),
    Cause(
        "kernel-mirrored",
        "the kernel is not mirrored along one axis [PROJ-1]",
        reads(weighing(conv2d=lambda w: w[..., ::-1]), weighing(conv2d=lambda w: w[:, :, ::-1])),
    ),
    Cause(
        "weight-address-wraps",
        "each weight has its own address: yours wrap behind {count} [PROJ-1]",
        found_by(address_wraps),
    ),
    Cause(
        "inputs-cut",
        "every input of a dense counts: yours ends behind {count} [PROJ-4]",
        found_by(inputs_cut),
    ),
    Cause(
        "pooled-sums-otherwise",
        "a pooled dense sums up all places of a channel: yours takes {how} [PROJ-5]",
        found_by(pooling),
    ),
    Cause(
        "weight-one-lost",
        "a weight of 1 counts: yours is taken for 0 [PROJ-1]",
        reads(weighing(*2 * [lambda w: np.where(w == 1, 0, w)])),
    ),
)
