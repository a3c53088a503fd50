"""Known mistakes of other simulators and converters: what each would answer in the place of one population, so that a
difference can be named (OBS-4).

A trap is named only when it reproduces every one of their codes; so it may be wrong about the cause, but never about
the numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.network import Network
from fsref.law.neuron import Ints, Table, relu_theta
from fsref.law.populations import FS, MaxPool, Population, Readout
from fsref.law.projections import Conv2d, Dense, Projection

Answer: TypeAlias = tuple[
    str, Ints
]  # what went wrong, in words, and the codes (B, C, H, W) or logits (B, classes, 1, 1) that follow


@dataclass(frozen=True, eq=False)
class Scene:
    """One population that differs: our codes (B, C, H, W) of it and of what it reads, its opening membranes, and their
    codes.
    """

    net: Network
    population: Population
    codes: Mapping[str, Ints]
    trains: Mapping[str, NDArray[np.uint16]]
    opening: Ints | None
    theirs: Ints

    @property
    def bias(self) -> Ints:
        """The bias as (C, H, W) or (C, 1, 1)."""
        assert isinstance(self.population, (FS, Readout))
        return self.population.bias_map

    def answer(self, v: Ints) -> Ints:
        """The codes of opening membranes v; of a readout, v itself."""
        return reference.fire(v, self.population.table)[2] if isinstance(self.population, FS) else v

    def summed(self, change: Callable[[Projection, Ints], tuple[Projection, Ints]]) -> Ints:
        """The opening membranes when each projection and the codes it reads are `change`d."""
        total = np.broadcast_to(self.bias, self.population.shape)[None]
        for q in self.net.into(self.population.name).values():
            changed, plane = change(q, self.codes[q.source])
            total = total + reference.along(plane, changed, self.population.shape)
        return total


def explanations(scene: Scene) -> list[str]:
    """The traps that give exactly their answer, in words."""
    answers = (answer for trap in TRAPS for answer in trap(scene))
    return [
        text for text, codes in answers if codes.shape == scene.theirs.shape and np.array_equal(codes, scene.theirs)
    ]


def _theta(scene: Scene) -> Ints | None:
    """theta (C, 1, 1) of an FS-ReLU, else None."""
    theta = relu_theta(scene.population.table) if isinstance(scene.population, FS) else None
    return None if theta is None else np.broadcast_to(theta, scene.population.shape[0])[:, None, None]


def firing(scene: Scene) -> Iterator[Answer]:
    """Mistakes of the neuron."""
    p, v = scene.population, scene.opening
    if v is None or not isinstance(p, FS):
        return
    T, h, d = p.table.rows(p.shape[0])
    yield "a neuron fires when v >= T, not when v > T: equality fires [FS-2]", reference.fire(v, Table(T + 1, h, d))[2]
    yield "the reset of a step is h of that step, taken in that step [FS-3]", _late(v, T, h, d)
    yield (
        "the reset of a step is h of that step, not of the one before [FS-3]",
        reference.fire(v, Table(T, np.roll(h, 1, axis=1), d))[2],
    )
    yield "a neuron that fires lowers its membrane by h [FS-3]", reference.fire(v, Table(T, np.zeros_like(h), d))[2]


def _late(v: Ints, T: Ints, h: Ints, d: Ints) -> Ints:
    """Codes when a spike lowers the membrane in the next step, by that step's h."""
    code, fired = np.zeros_like(v), np.zeros(v.shape, bool)
    for t in range(T.shape[1]):
        v = v - h[:, t, None, None] * fired
        fired = v >= T[:, t, None, None]
        code = code + d[:, t, None, None] * fired
    return code


def requantisation(scene: Scene) -> Iterator[Answer]:
    """Mistakes of the division that an FS-ReLU is (FS-5)."""
    p, v, theta = scene.population, scene.opening, _theta(scene)
    if v is None or theta is None or not isinstance(p, FS):
        return
    top, half = 2**p.steps - 1, theta // 2
    yield "the bias holds the floor(theta / 2) of nearest: yours leaves it out [CONV-5]", scene.answer(v - half)
    yield (
        "the code is floor(v / theta), and nearest stands in the bias: yours adds theta / 2 once more [CONV-5]",
        scene.answer(v + half),
    )
    real = v - theta * p.offset  # with nearest, half a theta above the real pre-activation
    yield (
        "the offset is added before the division: floor, not a division that truncates toward zero [FS-5]",
        np.clip(np.sign(real) * (np.abs(real) // theta) + p.offset, 0, top),
    )
    yield (
        "halves go up, not to the even code [CONV-5]",
        np.clip(np.rint((real - half) / theta).astype(np.int64) + p.offset, 0, top),
    )
    yield f"codes end at 2^K - 1 = {top}, not at 2^K [FS-5]", np.clip(v // theta, 0, top + 1)
    yield f"codes end at 2^K - 1 = {top}: yours have no upper end [FS-5]", np.maximum(v // theta, 0)
    yield "codes begin at 0: yours go below [FS-5]", np.minimum(v // theta, top)
    yield "codes lie in 0..2^K - 1: yours are not clipped [FS-5]", v // theta


def biases(scene: Scene) -> Iterator[Answer]:
    """Mistakes of the bias."""
    v = scene.opening
    if v is None:
        return
    yield "the bias is missing [NET-5]", scene.answer(v - scene.bias)
    sources = [scene.net.steps[q.source] for q in scene.net.into(scene.population.name).values()]
    for steps in sorted({*sources, scene.net.steps[scene.population.name]} - {0, 1}):
        yield (
            f"the bias is added once, not in each of {steps} steps [NET-5]",
            scene.answer(v + (steps - 1) * scene.bias),
        )
    if scene.bias.shape[1:] != (1, 1):
        height, width = scene.bias.shape[1:]
        middle = scene.bias[:, height // 2, width // 2, None, None]
        yield (
            "the bias is a map: near the border it is another, since what is padded there is the real 0 [NET-5]",
            scene.answer(v - scene.bias + middle),
        )


def widths(scene: Scene) -> Iterator[Answer]:
    """Accumulators that are too narrow."""
    v = scene.opening
    if v is None:
        return
    for bits in (8, 12, 16, 20, 24, 32):
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        if int(v.min()) < low or int(v.max()) > high:
            yield (
                f"the membrane does not fit {bits} bits: it wraps [RANGE-2]",
                scene.answer((v - low) % (1 << bits) + low),
            )
            yield f"the membrane does not fit {bits} bits: it saturates [RANGE-1]", scene.answer(np.clip(v, low, high))


def sums(scene: Scene) -> Iterator[Answer]:
    """Mistakes of what is read, and by which weight."""
    if scene.opening is None:
        return
    into = scene.net.into(scene.population.name)

    def flipped(q: Projection, plane: Ints) -> tuple[Projection, Ints]:
        return (replace(q, weights=q.weights[:, :, ::-1, ::-1]) if isinstance(q, Conv2d) else q), plane

    def turned(q: Projection, plane: Ints) -> tuple[Projection, Ints]:
        return (
            replace(q, weights=q.weights.swapaxes(2, 3)) if isinstance(q, Conv2d) and q.kernel[0] == q.kernel[1] else q
        ), plane

    def other_side(q: Projection, plane: Ints) -> tuple[Projection, Ints]:
        return (replace(q, padding=(*q.padding[2:], *q.padding[:2])) if isinstance(q, Conv2d) else q), plane

    def places_first(q: Projection, plane: Ints) -> tuple[Projection, Ints]:
        return q, plane.transpose(0, 2, 3, 1).reshape(plane.shape) if isinstance(q, Dense) and not q.pooled else plane

    def reversed_input(q: Projection, plane: Ints) -> tuple[Projection, Ints]:
        return q, plane[:, ::-1] if q.source == scene.net.input.name else plane

    yield "the kernel is not flipped [PROJ-1]", scene.answer(scene.summed(flipped))
    yield "kernel rows and columns are exchanged [PROJ-1]", scene.answer(scene.summed(turned))
    yield (
        "the padding (top, left, bottom, right) is asymmetric, and yours is on the other sides [PROJ-1]",
        scene.answer(scene.summed(other_side)),
    )
    yield (
        "neurons are flattened in the order (C, H, W), yours (H, W, C) [NET-3]",
        scene.answer(scene.summed(places_first)),
    )
    yield (
        "the channels of the image are in the reverse order (RGB, BGR) [RUN-4]",
        scene.answer(scene.summed(reversed_input)),
    )
    if len(into) > 1:
        for name, left_out in scene.net.into(scene.population.name).items():
            rest = scene.summed(lambda q, plane, out=left_out: (q, plane * (q is not out)))  # type: ignore[misc]
            yield f"the projection {name} is missing [PROJ-6]", scene.answer(rest)


def layout(scene: Scene) -> Iterator[Answer]:
    """Right numbers in wrong places."""
    right, theirs = scene.codes[scene.population.name], scene.theirs
    yield (
        "the codes are right, but in the order (H, W, C), not (C, H, W) [NET-3]",
        right.transpose(0, 2, 3, 1).reshape(right.shape),
    )
    if right.shape[2] == right.shape[3]:
        yield "the codes are right, but rows and columns are exchanged [NET-3]", right.swapaxes(2, 3)
    rows = {channel.tobytes(): c for c, channel in enumerate(np.ascontiguousarray(right.swapaxes(0, 1)))}
    order = [rows.get(np.ascontiguousarray(channel).tobytes()) for channel in theirs.swapaxes(0, 1)]
    if None not in order:
        known = [c for c in order if c is not None]
        shown = ", ".join(map(str, known[:8])) + (", ..." if len(known) > 8 else "")
        yield (
            f"the codes are right, but the channels are in another order: yours are {shown} (concat, groups) [NET-3]",
            right[:, known],
        )


def pools(scene: Scene) -> Iterator[Answer]:
    """Mistakes of a max-pool on spikes."""
    p = scene.population
    if not isinstance(p, MaxPool):
        return
    steps, d = scene.net.steps[p.name], scene.net.code_weights[p.name]
    spikes = reference.input_trains(scene.trains[p.source].astype(np.int64), steps)
    alone = np.stack([reference.max_pool(spikes[:, t : t + 1], p)[:, 0] for t in range(steps)], axis=1)
    yield (
        "candidates that stay silent while another fires drop out: yours is a per-step OR [POOL-1]",
        np.einsum("bkchw,ck->bchw", alone.astype(np.int64), d),
    )


TRAPS = (firing, requantisation, biases, widths, sums, pools, layout)
