"""Known mistakes of other simulators and converters: what each would answer in the place of one population, so that a
difference can be named (OBS-4).

A trap is named only when it reproduces every one of their codes; so it may be wrong about the cause, but never about
the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.network import Network
from fsref.law.neuron import Ints, Table, relu_theta
from fsref.law.populations import FS, Input, MaxPool, Population, Readout
from fsref.law.projections import Conv2d, Dense, Projection
from fsref.tables import Brief

# What is right, in words, and the codes (B, C, H, W) or logits (B, classes, 1, 1) that follow from getting it wrong.
Answer: TypeAlias = tuple[str, Ints]
Read: TypeAlias = tuple[Projection, Ints]  # a projection, and the codes (B, C, H, W) that it reads


@dataclass(frozen=True, eq=False, repr=False)
class Scene(Brief):
    """One population that differs: our codes (B, C, H, W) of it and of what it reads, its opening membranes where it
    has any, and their codes.
    """

    net: Network
    population: Population
    codes: Mapping[str, Ints]
    trains: Mapping[str, NDArray[np.uint16]]
    opening: Ints | None
    theirs: Ints


def explanations(scene: Scene) -> list[str]:
    """The traps that give exactly their answer, in words."""
    right = scene.theirs
    return [text for text, codes in traps(scene) if codes.shape == right.shape and np.array_equal(codes, right)]


def traps(scene: Scene) -> Iterator[Answer]:
    """Every trap that a population of this kind knows."""
    match scene.population:
        case Input():
            return
        case MaxPool() as p:
            yield from pools(scene, p)
        case FS() as p:
            assert scene.opening is not None
            yield from firing(p, scene.opening)
            yield from requantisation(p, scene.opening)
            yield from membranes(scene, p, scene.opening)
        case Readout() as p:
            assert scene.opening is not None
            yield from membranes(scene, p, scene.opening)
        case _:
            assert_never(scene.population)
    yield from layout(scene)


def membranes(scene: Scene, p: FS | Readout, v: Ints) -> Iterator[Answer]:
    """Mistakes on the way to the opening membranes."""
    yield from biases(scene, p, v)
    yield from widths(p, v)
    yield from sums(scene, p)


def coded(p: FS | Readout, v: Ints) -> Ints:
    """The codes of opening membranes v; of a readout, v itself."""
    match p:
        case FS():
            return reference.fire(v, p.table)[2]
        case Readout():
            return v
        case _:
            assert_never(p)


def as_it_is(q: Projection, plane: Ints) -> Read:
    """No mistake."""
    return q, plane


def summed(
    scene: Scene,
    p: FS | Readout,
    conv2d: Callable[[Conv2d, Ints], Read] = as_it_is,
    dense: Callable[[Dense, Ints], Read] = as_it_is,
) -> Ints:
    """The opening membranes when each projection and the codes it reads are changed, by kind of projection."""
    total = np.broadcast_to(p.bias_map, p.shape)[None]
    for q in scene.net.into(p.name).values():
        changed: Read
        match q:
            case Conv2d():
                changed = conv2d(q, scene.codes[q.source])
            case Dense():
                changed = dense(q, scene.codes[q.source])
            case _:
                assert_never(q)
        total = total + reference.along(changed[1], changed[0], p.shape)
    return total


def firing(p: FS, v: Ints) -> Iterator[Answer]:
    """Mistakes of the neuron."""
    T, h, d = p.table.rows(p.shape[0])
    yield "a neuron fires when v >= T, not when v > T: equality fires [FS-2]", reference.fire(v, Table(T + 1, h, d))[2]
    yield "the reset of a step is h of that step, taken in that step [FS-3]", _late(v, T, h, d)
    before = Table(T, np.roll(h, 1, axis=1), d)
    yield "the reset of a step is h of that step, not of the one before [FS-3]", reference.fire(v, before)[2]
    yield "a neuron that fires lowers its membrane by h [FS-3]", reference.fire(v, Table(T, np.zeros_like(h), d))[2]


def _late(v: Ints, T: Ints, h: Ints, d: Ints) -> Ints:
    """Codes when a spike lowers the membrane in the next step, by that step's h."""
    code, fired = np.zeros_like(v), np.zeros(v.shape, bool)
    for t in range(T.shape[1]):
        v = v - h[:, t, None, None] * fired
        fired = v >= T[:, t, None, None]
        code = code + d[:, t, None, None] * fired
    return code


def requantisation(p: FS, v: Ints) -> Iterator[Answer]:
    """Mistakes of the division that an FS-ReLU is (FS-5)."""
    found = relu_theta(p.table)
    if found is None:
        return
    theta = np.broadcast_to(found, p.shape[0])[:, None, None]
    top, half = 2**p.steps - 1, theta // 2
    yield "the bias holds the floor(theta / 2) of nearest: yours leaves it out [CONV-5]", coded(p, v - half)
    twice = "the code is floor(v / theta), and nearest stands in the bias: yours adds theta / 2 once more [CONV-5]"
    yield twice, coded(p, v + half)
    real = v - theta * p.offset  # with nearest, half a theta above the real pre-activation
    toward_zero = np.sign(real) * (np.abs(real) // theta) + p.offset
    floor = "the offset is added before the division: floor, not a division that truncates toward zero [FS-5]"
    yield floor, np.clip(toward_zero, 0, top)
    even = np.rint((real - half) / theta).astype(np.int64) + p.offset
    yield "halves go up, not to the even code [CONV-5]", np.clip(even, 0, top)
    yield f"codes end at 2^K - 1 = {top}, not at 2^K [FS-5]", np.clip(v // theta, 0, top + 1)
    yield f"codes end at 2^K - 1 = {top}: yours have no upper end [FS-5]", np.maximum(v // theta, 0)
    yield "codes begin at 0: yours go below [FS-5]", np.minimum(v // theta, top)
    yield "codes lie in 0..2^K - 1: yours are not clipped [FS-5]", v // theta


def biases(scene: Scene, p: FS | Readout, v: Ints) -> Iterator[Answer]:
    """Mistakes of the bias."""
    bias, steps = p.bias_map, scene.net.steps
    yield "the bias is missing [NET-5]", coded(p, v - bias)
    for count in sorted({*(steps[name] for name in scene.net.sources(p.name)), steps[p.name]} - {0, 1}):
        yield f"the bias is added once, not in each of {count} steps [NET-5]", coded(p, v + (count - 1) * bias)
    if bias.shape[1:] != (1, 1):
        height, width = bias.shape[1:]
        middle = bias[:, height // 2, width // 2, None, None]
        a_map = "the bias is a map: near the border it is another, since what is padded there is the real 0 [NET-5]"
        yield a_map, coded(p, v - bias + middle)


def widths(p: FS | Readout, v: Ints) -> Iterator[Answer]:
    """Accumulators that are too narrow."""
    for bits in (8, 12, 16, 20, 24, 32):
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        if int(v.min()) < low or int(v.max()) > high:
            yield f"the membrane does not fit {bits} bits: it wraps [RANGE-2]", coded(p, (v - low) % (1 << bits) + low)
            yield f"the membrane does not fit {bits} bits: it saturates [RANGE-1]", coded(p, np.clip(v, low, high))


def sums(scene: Scene, p: FS | Readout) -> Iterator[Answer]:
    """Mistakes of what is read, and by which weight."""

    def flipped(q: Conv2d, plane: Ints) -> Read:
        return replace(q, weights=q.weights[:, :, ::-1, ::-1]), plane

    def turned(q: Conv2d, plane: Ints) -> Read:
        square = q.kernel[0] == q.kernel[1]
        return replace(q, weights=q.weights.swapaxes(2, 3)) if square else q, plane

    def other_side(q: Conv2d, plane: Ints) -> Read:
        return replace(q, padding=(*q.padding[2:], *q.padding[:2])), plane

    def places_first(q: Dense, plane: Ints) -> Read:
        return q, plane if q.pooled else plane.transpose(0, 2, 3, 1).reshape(plane.shape)

    def reversed_input(q: Projection, plane: Ints) -> Read:
        return q, plane[:, ::-1] if q.source == scene.net.input.name else plane

    yield "the kernel is not flipped [PROJ-1]", coded(p, summed(scene, p, conv2d=flipped))
    yield "kernel rows and columns are exchanged [PROJ-1]", coded(p, summed(scene, p, conv2d=turned))
    sides = "the padding (top, left, bottom, right) is asymmetric, and yours is on the other sides [PROJ-1]"
    yield sides, coded(p, summed(scene, p, conv2d=other_side))
    order = "neurons are flattened in the order (C, H, W), yours (H, W, C) [NET-3]"
    yield order, coded(p, summed(scene, p, dense=places_first))
    colours = "the channels of the image are in the reverse order (RGB, BGR) [RUN-4]"
    yield colours, coded(p, summed(scene, p, reversed_input, reversed_input))
    into = scene.net.into(p.name)
    for name in into if len(into) > 1 else ():

        def without(q: Projection, plane: Ints, missing: Projection = into[name]) -> Read:
            return q, plane * (q is not missing)

        yield f"the projection {name} is missing [PROJ-6]", coded(p, summed(scene, p, without, without))


def layout(scene: Scene) -> Iterator[Answer]:
    """Right numbers in wrong places."""
    right, theirs = scene.codes[scene.population.name], scene.theirs
    places_first = right.transpose(0, 2, 3, 1).reshape(right.shape)
    yield "the codes are right, but in the order (H, W, C), not (C, H, W) [NET-3]", places_first
    if right.shape[2] == right.shape[3]:
        yield "the codes are right, but rows and columns are exchanged [NET-3]", right.swapaxes(2, 3)
    rows = {channel.tobytes(): c for c, channel in enumerate(np.ascontiguousarray(right.swapaxes(0, 1)))}
    order = [rows.get(np.ascontiguousarray(channel).tobytes()) for channel in theirs.swapaxes(0, 1)]
    known = [c for c in order if c is not None]
    if len(known) == len(order):
        shown = ", ".join(map(str, known[:8])) + (", ..." if len(known) > 8 else "")
        text = f"the codes are right, but the channels are in another order: yours are {shown} (concat, groups) [NET-3]"
        yield text, right[:, known]


def pools(scene: Scene, p: MaxPool) -> Iterator[Answer]:
    """Mistakes of a max-pool on spikes."""
    steps, d = scene.net.steps[p.name], scene.net.code_weights[p.name]
    spikes = reference.input_trains(scene.trains[p.source].astype(np.int64), steps)
    alone = np.stack([reference.max_pool(spikes[:, t : t + 1], p)[:, 0] for t in range(steps)], axis=1)
    yield (
        "candidates that stay silent while another fires drop out: yours is a per-step OR [POOL-1]",
        np.einsum("bkchw,ck->bchw", alone.astype(np.int64), d),
    )
