"""Mistakes of who is connected to whom: groups, borders, the last of something, and addresses of weights (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import assert_never

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d, Dense, Padding, Projection
from fsref.verification.consequences import Cause, both
from fsref.verification.deliveries import Mistake, Read, found_by, reading, reads
from fsref.verification.scene import Scene
from fsref.verification.tap_causes import borders
from fsref.verification.weight_causes import delivers, weighing

LANES = (4, 8, 16, 32, 64)  # inputs that a dense layer takes at a time
FULL = 2**22  # weights of a conv2d without its groups

Convolved = Callable[[Conv2d, Ints], tuple[Projection, Ints]]


def convolving(change: Convolved) -> Callable[[Scene, Projection, Ints], Read]:
    """A mistake of conv2d projections alone, of what they read or how."""

    def other(scene: Scene, q: Projection, plane: Ints) -> Read:
        match q:
            case Conv2d():
                return change(q, plane)
            case Dense():
                return q, plane
            case _:
                assert_never(q)

    return other


def begun(choose: Callable[[Padding], tuple[int, int]]) -> Callable[[Scene, Projection, Ints], Read]:
    """Windows that begin so many rows above and columns before the source, of its padding."""

    def other(q: Conv2d, plane: Ints) -> Read:
        (top, left, bottom, right), (above, before) = q.padding, choose(q.padding)
        if (above, before) == (top, left):
            return q, plane
        below, behind = bottom + max(0, top - above), right + max(0, left - before)
        return replace(q, padding=(above, before, below, behind)), plane

    return convolving(other)


BEGINNINGS: dict[str, Callable[[Padding], tuple[int, int]]] = {
    "without padding": lambda p: (0, 0),
    "with the padding of the bottom and the right": lambda p: (p[2], p[3]),
    "with the padding of the bottom": lambda p: (p[2], p[1]),
    "with the padding of the right": lambda p: (p[0], p[3]),
    "with top and left exchanged": lambda p: (p[1], p[0]),
    "with left and bottom exchanged": lambda p: (p[0], p[2]),
}


def beginnings(scene: Scene) -> Iterator[Mistake]:
    """Windows begin where other padding would have them."""
    for where, choose in BEGINNINGS.items():
        yield reading(begun(choose)), {"how": where}


def steps_apart(scene: Scene) -> Iterator[Mistake]:
    """Strides and dilations that are exchanged, or are 1."""
    changes: dict[str, Callable[[Conv2d], Conv2d]] = {
        "strides of rows and columns exchanged": lambda q: replace(q, stride=q.stride[::-1]),
        "dilations of rows and columns exchanged": lambda q: replace(q, dilation=q.dilation[::-1]),
        "stride and dilation exchanged": lambda q: replace(q, stride=q.dilation, dilation=q.stride),
        "stride 1": lambda q: replace(q, stride=(1, 1)),
        "dilation 1": lambda q: replace(q, dilation=(1, 1)),
    }
    for how, change in changes.items():

        def other(q: Conv2d, plane: Ints, change: Callable[[Conv2d], Conv2d] = change) -> Read:
            found = change(q)
            same = (found.stride, found.dilation) == (q.stride, q.dilation)
            return (q, plane) if same else (roomy(found, plane), plane)

        yield reading(convolving(other)), {"how": how}


def roomy(q: Conv2d, plane: Ints) -> Conv2d:
    """The same with zeros as far below and behind as its windows may now reach."""
    top, left, _, _ = q.padding
    more = [max(n, k * d) for n, k, d in zip(plane.shape[2:], q.kernel, q.dilation, strict=True)]
    return replace(q, padding=(top, left, more[0] * q.stride[0], more[1] * q.stride[1]))


def neighbours(rows: bool) -> Callable[[Conv2d, Ints], tuple[Projection, Ints]]:
    """Beyond a border stands what the address there holds: of rows the other channel, of columns the other row."""

    def other(q: Conv2d, plane: Ints) -> Read:
        count, channels, height, width = plane.shape
        top, left, bottom, right = q.padding
        y = np.arange(-top * rows, height + bottom * rows)[:, None]
        x = np.arange(-left * (not rows), width + right * (not rows))
        at = (np.arange(channels)[:, None, None] * height + y) * width + x
        there = (at >= 0) & (at < channels * height * width)
        wide = plane.reshape(count, -1)[:, np.where(there, at, 0)] * there
        left_over = (0, left, 0, right) if rows else (top, 0, bottom, 0)
        return replace(q, padding=left_over), wide

    return other


def column_behind(q: Conv2d, plane: Ints) -> Read:
    """One column behind the last is read: the first of the next row."""
    if not q.padding[3]:
        return q, plane
    top, left, bottom, right = q.padding
    flat = np.pad(plane.reshape(len(plane), -1), ((0, 0), (0, 1)))
    size = np.arange(plane[0].size).reshape(plane.shape[1:])
    column = flat[:, size[:, :, -1:] + 1]
    return replace(q, padding=(top, left, bottom, right - 1)), np.concatenate([plane, column], axis=3)


def blank(rows: slice, columns: slice) -> Convolved:
    """Some rows or columns of the source are never read."""

    def other(q: Conv2d, plane: Ints) -> Read:
        found = plane.copy()
        found[:, :, rows, columns] = 0
        return q, found

    return other


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

    def change(scene: Scene, name: str, q: Projection, axis: int, repeats: bool) -> Ints | None:
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


def pooled(change: Callable[[Ints], Ints]) -> Callable[[Scene, Projection, Ints], Read]:
    """A mistake of what a pooled dense reads."""

    def other(scene: Scene, q: Projection, plane: Ints) -> Read:
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


def divided(scene: Scene, name: str, q: Projection, to_zero: bool = False) -> Ints | None:
    """What a pooled dense delivers that divides by the places."""
    height, width = scene.net[q.source].shape[1:]
    match q:
        case Dense(pooled=True):
            sums = scene.sums[name]
            return np.sign(sums) * (np.abs(sums) // (height * width)) if to_zero else sums // (height * width)
        case _:
            return None


def once(scene: Scene, name: str, q: Projection) -> Ints | None:
    """What a pooled dense delivers that takes one spike of each channel in a step."""
    match q:
        case Dense(pooled=True):
            any_spike = np.asarray(scene.spikes(q.source).any(axis=(3, 4), keepdims=True))
            return delivers(scene, q, reference.codes(any_spike, scene.net.code_weights[q.source]))
        case _:
            return None


def by_place(scene: Scene, name: str, q: Projection) -> Ints | None:
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
        "windows-begin-elsewhere",
        "windows begin at stride * y - top: yours begin {how} [PROJ-1]",
        found_by(beginnings),
    ),
    Cause(
        "strides-exchanged",
        "windows stand as far apart as stride and dilation say: yours have {how} [PROJ-2]",
        found_by(steps_apart),
    ),
    Cause(
        "border-not-checked",
        "what is beyond the border is 0: yours reads what stands at that address [PROJ-1]",
        both(
            reads(convolving(neighbours(True)), convolving(neighbours(False)), convolving(column_behind)),
            found_by(borders),
        ),
    ),
    Cause(
        "border-not-read",
        "every row and column of a source counts: yours leaves out the first, or the last [PROJ-1]",
        reads(
            *(
                convolving(blank(*at))
                for at in (
                    (slice(1), slice(None)),
                    (slice(-1, None), slice(None)),
                    (slice(None), slice(1)),
                    (slice(None), slice(-1, None)),
                )
            )
        ),
    ),
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
