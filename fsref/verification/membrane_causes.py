"""Mistakes on the way to the opening membranes: the bias, narrow accumulators, which codes are read, in which order,
and by which weight (OBS-4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias, assert_never

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.law.projections import Conv2d, Dense, Projection
from fsref.verification.scene import Cause, Effects, Follow, Scene, of_membranes, opened

Read: TypeAlias = tuple[Projection, Ints]  # a projection, and the codes (B, C, H, W) that it reads
Change: TypeAlias = Callable[[Scene, Projection, Ints], Read]
Weights: TypeAlias = Callable[[Ints], Ints]  # of (O, I, kh, kw) or (O, N), to the same shape

WIDTHS = (8, 12, 16, 20, 24, 32)  # bits of accumulators tried


def bias_missing(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """Nothing is added to the sums."""
    yield opened(p, v - p.bias_map)


def bias_in_each_step(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """The bias is added as often as a window of a source or of the population itself has steps."""
    steps = scene.net.steps
    for count in sorted({*(steps[name] for name in scene.net.sources(p.name)), steps[p.name]} - {0, 1}):
        yield opened(p, v + (count - 1) * p.bias_map).of(count=count)


def bias_of_the_middle(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """The bias map's middle stands everywhere."""
    bias = p.bias_map
    height, width = bias.shape[1:]
    if (height, width) != (1, 1):
        yield opened(p, v - bias + bias[:, height // 2, width // 2, None, None])


def too_narrow(change: Callable[[Ints, int], Ints]) -> Follow:
    """An accumulator of fewer bits than the membranes need, which does this with what does not fit."""

    def follow(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
        for bits in WIDTHS:
            if int(v.min()) < -(1 << (bits - 1)) or int(v.max()) >= 1 << (bits - 1):
                yield opened(p, change(v, bits)).of(bits=bits)

    return of_membranes(follow)


def wrapped(v: Ints, bits: int) -> Ints:
    """Two's complement of so many bits."""
    return ((v + (1 << (bits - 1))) & ((1 << bits) - 1)) - (1 << (bits - 1))


def saturated(v: Ints, bits: int) -> Ints:
    """The nearest of so many bits."""
    return np.clip(v, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def summed(scene: Scene, p: FS | Readout, change: Change) -> Ints:
    """The opening membranes when each projection, and the codes it reads, are changed."""
    total = np.broadcast_to(p.bias_map, p.shape)[None]
    for q in scene.net.into(p.name).values():
        changed, plane = change(scene, q, scene.codes[q.source])
        total = total + reference.along(plane, changed, p.shape)
    return total


def read(change: Change) -> Follow:
    """A mistake of what the projections read, or of their weights."""

    def follow(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
        yield opened(p, summed(scene, p, change))

    return of_membranes(follow)


def weighted(conv2d: Weights | None = None, dense: Weights | None = None) -> Follow:
    """A mistake of the weights, by kind of projection; those of the other kind are right."""

    def change(scene: Scene, q: Projection, plane: Ints) -> Read:
        match q:
            case Conv2d():
                wrong = conv2d
            case Dense():
                wrong = dense
            case _:
                assert_never(q)
        return (q if wrong is None else replace(q, weights=wrong(q.weights.astype(np.int64)))), plane

    return read(change)


def turned(w: Ints) -> Ints:
    """Kernel rows for columns, where it is square."""
    return w.swapaxes(2, 3) if w.shape[2] == w.shape[3] else w


def outputs_first(w: Ints) -> Ints:
    """Bytes of (O, kh, kw, I) read as (O, I, kh, kw)."""
    outputs, inputs, kh, kw = w.shape
    return w.reshape(outputs, kh, kw, inputs).transpose(0, 3, 1, 2)


def inputs_first(w: Ints) -> Ints:
    """The weights of a matrix (N, O) read as (O, N)."""
    return np.ascontiguousarray(w).reshape(w.shape[::-1]).T


def without(at: int) -> Weights:
    """No weight for the first (0) or last (-1) input: channel of a conv2d, neuron of a dense."""

    def change(w: Ints) -> Ints:
        left = w.copy()
        left[:, at] = 0
        return left

    return change


def without_tap(at: int) -> Weights:
    """No weight for the first (0) or last (-1) of the terms of each sum."""

    def change(w: Ints) -> Ints:
        left = w.reshape(len(w), -1).copy()
        left[:, at] = 0
        return left.reshape(w.shape)

    return change


def other_side(scene: Scene, q: Projection, plane: Ints) -> Read:
    """Padding at the bottom and right for padding at the top and left."""
    match q:
        case Conv2d():
            return replace(q, padding=(*q.padding[2:], *q.padding[:2])), plane
        case Dense():
            return q, plane
        case _:
            assert_never(q)


def flattened_places_first(scene: Scene, q: Projection, plane: Ints) -> Read:
    """A dense layer reads (H, W, C)."""
    match q:
        case Dense(pooled=False):
            return q, plane.transpose(0, 2, 3, 1).reshape(plane.shape)
        case Dense() | Conv2d():
            return q, plane
        case _:
            assert_never(q)


def of_input(change: Callable[[Ints], Ints]) -> Follow:
    """A mistake of the images (B, C, H, W), wherever they are read."""
    return read(lambda scene, q, plane: (q, change(plane) if q.source == scene.net.input.name else plane))


def read_as_places_first(images: Ints) -> Ints:
    """Bytes of (C, H, W) read as (H, W, C)."""
    count, channels, height, width = images.shape
    return images.reshape(count, height, width, channels).transpose(0, 3, 1, 2)


def sent_places_first(images: Ints) -> Ints:
    """Bytes of (H, W, C) read as (C, H, W)."""
    return images.transpose(0, 2, 3, 1).reshape(images.shape)


def backwards(scene: Scene, q: Projection, plane: Ints) -> Read:
    """Codes whose trains are read from the last step to the first."""
    return q, reversed_codes(scene, q.source)


def reversed_codes(scene: Scene, name: str) -> Ints:
    """The codes (B, C, H, W) of a population when its last spike counts as its first."""
    d, steps = scene.net.code_weights[name], scene.net.steps[name]
    spikes = reference.input_trains(scene.trains[name].astype(np.int64), steps)
    codes: Ints = np.einsum("bkchw,ck->bchw", spikes.astype(np.int64), d[:, ::-1])
    return codes


def signed(scene: Scene, q: Projection, plane: Ints) -> Read:
    """Codes whose highest bit counts as a sign."""
    steps = scene.net.steps[q.source]
    return q, plane - ((plane >> (steps - 1) & 1) << steps)


def projection_missing(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """One of several projections delivers nothing."""
    into = scene.net.into(p.name)
    for name, missing in into.items() if len(into) > 1 else ():
        yield opened(p, v - reference.along(scene.codes[missing.source], missing, p.shape)).of(projection=name)


BIAS = (
    Cause("bias-missing", "the bias is missing [NET-5]", of_membranes(bias_missing)),
    Cause(
        "bias-in-each-step",
        "the bias is added once, not in each of {count} steps [NET-5]",
        of_membranes(bias_in_each_step),
    ),
    Cause(
        "bias-not-a-map",
        "the bias is a map: near the border it is another, since what is padded there is the real 0 [NET-5]",
        of_membranes(bias_of_the_middle),
    ),
    Cause("accumulator-wraps", "the membrane does not fit {bits} bits: it wraps [RANGE-2]", too_narrow(wrapped)),
    Cause(
        "accumulator-saturates",
        "the membrane does not fit {bits} bits: it saturates [RANGE-1]",
        too_narrow(saturated),
    ),
)

READING = (
    Cause(
        "kernel-flipped",
        "the kernel is not flipped [PROJ-1]",
        weighted(conv2d=lambda w: w[:, :, ::-1, ::-1]),
    ),
    Cause("kernel-turned", "kernel rows and columns are exchanged [PROJ-1]", weighted(conv2d=turned)),
    Cause(
        "padding-on-the-other-sides",
        "the padding (top, left, bottom, right) is asymmetric, and yours is on the other sides [PROJ-1]",
        read(other_side),
    ),
    Cause(
        "flattened-places-first",
        "neurons are flattened in the order (C, H, W), yours (H, W, C) [NET-3]",
        read(flattened_places_first),
    ),
    Cause(
        "channels-reversed",
        "the channels of the image are in the reverse order (RGB, BGR) [RUN-4]",
        of_input(lambda images: images[:, ::-1]),
    ),
    Cause(
        "image-read-as-hwc",
        "an image is (C, H, W): yours reads its bytes as (H, W, C) [RUN-1]",
        of_input(read_as_places_first),
    ),
    Cause(
        "image-sent-as-hwc",
        "an image is (C, H, W): yours gets the bytes of (H, W, C) [RUN-1]",
        of_input(sent_places_first),
    ),
    Cause(
        "lowest-bit-first-read",
        "trains are read from the first step to the last: yours reads the lowest bit first [FS-4]",
        read(backwards),
    ),
    Cause("codes-signed", "codes are 0 or more: yours reads the highest bit as a sign [NET-7]", read(signed)),
    Cause(
        "lowest-weight-clipped",
        "weights reach -128: yours end at -127 [PROJ-7]",
        weighted(*2 * [lambda w: np.where(w == -128, -127, w)]),
    ),
    Cause(
        "lowest-weight-positive",
        "weights reach -128: yours takes that for +128 [PROJ-7]",
        weighted(*2 * [lambda w: np.where(w == -128, 128, w)]),
    ),
    Cause(
        "weights-places-first",
        "the weights of a conv2d are (O, I, kh, kw), yours (O, kh, kw, I) [PROJ-1]",
        weighted(conv2d=outputs_first),
    ),
    Cause(
        "weights-inputs-first",
        "the weights of a dense are (O, N), yours (N, O) [PROJ-4]",
        weighted(dense=inputs_first),
    ),
    Cause("last-input-missing", "the last input is missing from every sum [PROJ-1]", weighted(*2 * [without(-1)])),
    Cause("first-input-missing", "the first input is missing from every sum [PROJ-1]", weighted(*2 * [without(0)])),
    Cause("last-tap-missing", "the last weight is missing from every sum [PROJ-1]", weighted(*2 * [without_tap(-1)])),
    Cause("first-tap-missing", "the first weight is missing from every sum [PROJ-1]", weighted(*2 * [without_tap(0)])),
    Cause(
        "projection-missing",
        "the projection {projection} is missing [PROJ-6]",
        of_membranes(projection_missing),
    ),
)
