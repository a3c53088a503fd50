"""Mistakes of what is read: orders of neurons, trains, and the wrong population (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import assert_never

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d, Dense, Linear
from fsref.verification.consequences import Cause, Effects, Follow, both
from fsref.verification.deliveries import Mistake, Read, found_by, reads
from fsref.verification.scene import Effect, Scene
from fsref.verification.sending_causes import valued, worth

NEAREST = 4  # other populations tried as a source


def flattened_places_first(scene: Scene, q: Linear, plane: Ints) -> Read:
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
    return reads(lambda scene, q, plane: (q, change(plane) if q.source == scene.net.input.name else plane))


def read_as_places_first(images: Ints) -> Ints:
    """Bytes of (C, H, W) read as (H, W, C)."""
    count, channels, height, width = images.shape
    return images.reshape(count, height, width, channels).transpose(0, 3, 1, 2)


def sent_places_first(images: Ints) -> Ints:
    """Bytes of (H, W, C) read as (C, H, W)."""
    return images.transpose(0, 2, 3, 1).reshape(images.shape)


def last_of_pairs(codes: Ints, top: int) -> Ints:
    """Of an odd number the last is the one before it."""
    flat = codes.reshape(len(codes), -1).copy()
    if flat.shape[1] % 2 == 1 < flat.shape[1]:
        flat[:, -1] = flat[:, -2]
    return flat.reshape(codes.shape)


def turned(codes: Ints, top: int) -> Ints:
    """Planes were sent column by column."""
    count, channels, height, width = codes.shape
    return codes.reshape(count, channels, width, height).swapaxes(2, 3)


def kept_bit(codes: Ints, top: int) -> Ints:
    """A code of 0 is the lowest bit of the one before it."""
    flat = codes.reshape(len(codes), -1).copy()
    flat[:, 1:] = np.where(flat[:, 1:] == 0, flat[:, :-1] & 1, flat[:, 1:])
    return flat.reshape(codes.shape)


PIXELS: dict[str, Callable[[Ints, int], Ints]] = {
    "255 for what is larger": lambda codes, top: np.minimum(codes, 255),
    "the low 8 bits alone": lambda codes, top: codes & 255,
    "0 for the largest": lambda codes, top: np.where(codes == top, 0, codes),
    "what they have in common with the bits of the largest": lambda codes, top: codes & top,
    "the one before it for the last of an odd number": last_of_pairs,
    "rows and columns exchanged": turned,
    "the lowest bit of the one before for a 0": kept_bit,
}


def pixels(scene: Scene) -> Iterator[Mistake]:
    """Codes of the input that are taken for others."""
    name = scene.net.input.name

    def change(scene: Scene, of: str, q: Linear, other: Callable[[Ints, int], Ints]) -> Ints | None:
        if q.source != name:
            return None
        plane = scene.codes[name]
        wrong = other(plane, scene.net.input.max_code)
        return None if np.array_equal(wrong, plane) else reference.along(wrong, q, scene.population.shape)

    for how, other in PIXELS.items():
        yield partial(change, other=other), {"how": how}


def reversed_codes(scene: Scene, name: str) -> Ints:
    """The codes (B, C, H, W) of a population when its last spike counts as its first."""
    return worth(scene, name, scene.net.code_weights[name][:, ::-1])


def backwards(scene: Scene, q: Linear, plane: Ints) -> Read:
    """Codes whose trains are read from the last step to the first."""
    return q, reversed_codes(scene, q.source)


def moved(scene: Scene, d: Ints, by: int) -> Ints:
    """What those of the next step are worth, or of the step before; at the end nothing."""
    left = np.zeros_like(d)
    left[:, max(0, -by) : d.shape[1] - max(0, by)] = d[:, max(0, by) : d.shape[1] - max(0, -by)]
    return left


def own_step_missing(scene: Scene) -> Effects:
    """A spike of one step is worth nothing as it is sent."""
    name = scene.population.name
    if name in scene.trains and name in scene.net.code_weights:
        for step in range(scene.net.steps[name]):
            d = scene.net.code_weights[name].copy()
            d[:, step] = 0
            yield Effect(worth(scene, name, d)).of(step="K - 1" if step == len(d[0]) - 1 else step)


def step_missing(scene: Scene) -> Iterator[Mistake]:
    """A step of every train that is read is lost."""
    steps = {scene.net.steps[q.source] for q in scene.into.values()}
    for at in range(max(steps, default=0)):
        yield partial(less_a_step, step=at), {"step": at}
    if len(steps) > 1:
        yield partial(less_a_step, step=-1), {"step": "K - 1"}


def last_missing(scene: Scene, d: Ints) -> Ints:
    """The last spike is worth nothing."""
    return np.where(np.arange(d.shape[1]) == d.shape[1] - 1, 0, d)


def less_a_step(scene: Scene, name: str, q: Linear, step: int) -> Ints | None:
    """What a projection delivers without a step of its source, -1 the last."""
    arrived = scene.step_sums[name]
    return scene.sums[name] - arrived[step] if -len(arrived) <= step < len(arrived) else None


def signed(scene: Scene, q: Linear, plane: Ints) -> Read:
    """Codes whose highest bit counts as a sign."""
    steps = scene.net.steps[q.source]
    return q, plane - ((plane >> (steps - 1) & 1) << steps)


def projection_missing(scene: Scene) -> Iterator[Mistake]:
    """One of several projections delivers nothing."""
    for missing in scene.into if len(scene.into) > 1 else ():
        yield partial(nothing, missing=missing), {"projection": missing}


def nothing(scene: Scene, name: str, q: Linear, missing: str) -> Ints | None:
    """What a projection delivers that is missing."""
    return 0 * scene.sums[name] if name == missing else None


def another_source(scene: Scene) -> Iterator[Mistake]:
    """A projection reads another population of the same shape, of those nearest to its source."""
    order = {p.name: at for at, p in enumerate(scene.net.populations)}
    for name, q in scene.into.items():
        shape = scene.net[q.source].shape
        alike = [p.name for p in scene.net.populations if p.shape == shape and "codes" in p.observables]
        known = [other for other in alike if other in scene.codes or scene.images is not None]
        others = [other for other in known if other not in (q.source, scene.population.name)]
        for other in sorted(others, key=lambda n: abs(order[n] - order[q.source]))[:NEAREST]:
            yield partial(reading_of, at=name, other=other), {"other": other, "source": q.source}


def reading_of(scene: Scene, name: str, q: Linear, at: str, other: str) -> Ints | None:
    """What a projection delivers that reads another population."""
    if name != at:
        return None
    codes = scene.codes[other] if other in scene.codes else scene.sent_by(other)
    return reference.along(codes, q, scene.population.shape)


MISSING = Cause(
    "projection-missing",
    "the projection {projection} is missing [PROJ-6]",
    found_by(projection_missing),
)

READING = (
    Cause(
        "flattened-places-first",
        "neurons are flattened in the order (C, H, W), yours (H, W, C) [NET-3]",
        reads(flattened_places_first),
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
        "pixels-taken-for-others",
        "the codes of an image are 0..max_code: yours reads {how} [NET-7]",
        found_by(pixels),
    ),
    Cause(
        "lowest-bit-first-read",
        "trains are read from the first step to the last: yours reads the lowest bit first [FS-4]",
        reads(backwards),
    ),
    Cause(
        "codes-signed",
        "codes are 0 or more: yours reads the highest bit as a sign [NET-7]",
        reads(signed),
    ),
    Cause(
        "step-not-read",
        "every step of a train counts: yours loses step {step} of what it reads [FS-4]",
        both(own_step_missing, found_by(step_missing), valued(last_missing, step="K - 1")),
    ),
    Cause(
        "spikes-counted",
        "a spike is worth d of its step: yours counts each as one [FS-4]",
        valued(lambda scene, d: np.ones_like(d)),
    ),
    Cause(
        "spikes-a-step-off",
        "a spike is worth d of its step: yours takes that of the step before or after [FS-4]",
        valued(partial(moved, by=1), partial(moved, by=-1)),
    ),
    Cause(
        "another-source",
        "the projection reads {source}: yours reads {other} [PROJ-6]",
        found_by(another_source),
    ),
)
