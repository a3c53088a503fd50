"""Mistakes of weights: their order, their sign, their bits, and which are missing (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d, Dense, Linear, smallest_dtype
from fsref.verification.consequences import Cause, Follow, other_channels
from fsref.verification.deliveries import Mistake, Read, found_by, reading, reads
from fsref.verification.scene import Scene
from fsref.verification.widths import saturated, wrapped

Weights: TypeAlias = Callable[[Ints], Ints]  # of (O, I, kh, kw) or (O, N), to the same shape

INPUTS = 64  # inputs of a sum of which each is tried, where there are no more
TAPS = 64  # places of a kernel of which each is tried, where there are no more


def weighing(conv2d: Weights | None = None, dense: Weights | None = None) -> Callable[[Scene, Linear, Ints], Read]:
    """Other weights, by kind of projection; those of the other kind are right."""

    def change(scene: Scene, q: Linear, plane: Ints) -> Read:
        match q:
            case Conv2d():
                wrong = conv2d
            case Dense():
                wrong = dense
            case _:
                assert_never(q)
        right = q.weights.astype(np.int64)
        found = right if wrong is None else wrong(right)
        return (q if np.array_equal(found, right) else replace(q, weights=found)), plane

    return change


def weighted(*changes: Weights) -> Follow:
    """A mistake of the weights of any projection, in some forms."""
    return reads(*(weighing(change, change) for change in changes))


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


def power_of_two(w: Ints) -> Ints:
    """Weights rounded toward 0 to a power of two."""
    size = np.abs(w)
    return np.where(w == 0, 0, np.sign(w) << np.floor(np.log2(np.maximum(size, 1) + 0.5)).astype(np.int64))


def width(w: NDArray[np.integer]) -> int:
    """The bits of the integers that hold the weights: 8, 16 or 32 (FILE-4)."""
    return 8 * smallest_dtype(w).itemsize


def fewer_bits(scene: Scene) -> Iterator[Mistake]:
    """Weights of fewer bits than they need, that wrap or saturate there."""
    widest = max((int(np.abs(q.weights.astype(np.int64)).max()) for q in scene.into.values()), default=0)
    for bits, narrow in product(range(2, min(widest.bit_length() + 1, 17)), (wrapped, saturated)):
        cut = partial(narrow, bits=bits)
        yield reading(weighing(cut, cut)), {"bits": bits}


def of_another_channel(scene: Scene) -> Iterator[Mistake]:
    """The weights of another output channel, while bias and thresholds are its own."""
    for name, channels in other_channels(scene.population.shape[0]):
        moved = partial(np.take, indices=channels, axis=0)
        yield reading(weighing(moved, moved)), {"channel": name}


def without_sign(scene: Scene) -> Iterator[Mistake]:
    """Weights are read without a sign: 2^bits more for each that is negative, of their own bits or of so many."""

    def change(scene: Scene, name: str, q: Linear, bits: int | None) -> Ints | None:
        least = -(1 << (bits - 1)) if bits else np.iinfo(q.weights.dtype).min
        negative = ((q.weights < 0) & (q.weights >= least)).astype(np.int64)
        more = delivers(scene, replace(q, weights=negative), scene.codes[q.source])
        return scene.sums[name] + (more << (bits or width(q.weights)))

    for bits in (None, 8, 16, 32):
        yield partial(change, bits=bits), {}


def doubled(scene: Scene, name: str, q: Linear) -> Ints:
    """What a projection delivers, one bit to the left."""
    return scene.sums[name] << 1


def shifted(scene: Scene, name: str, q: Linear) -> Ints:
    """What a projection delivers, one bit to the right."""
    return scene.sums[name] >> 1


def without_tap(at: int) -> Weights:
    """No weight for the first (0) or last (-1) of the terms of each sum over inputs and places."""

    def change(w: Ints) -> Ints:
        left = w.reshape(len(w), -1).copy()
        left[:, at] = 0
        return left.reshape(w.shape) if min(w.shape[1], w[0, 0].size) > 1 else w

    return change


def place_missing(scene: Scene) -> Iterator[Mistake]:
    """No weight at one place of the kernel."""
    kernels = [q.weights.shape[2:] for q in scene.into.values() if q.weights.ndim == 4]
    high, wide = (max((kernel[axis] for kernel in kernels), default=0) for axis in (0, 1))
    for at in np.ndindex(high, wide) if high * wide <= TAPS else ():
        yield partial(less_a_tap, at=at), {"place": at}
    yield partial(less_a_tap, at=(-1, -1)), {"place": "(kh - 1, kw - 1)"}


def less_a_tap(scene: Scene, name: str, q: Linear, at: tuple[int, int]) -> Ints | None:
    """What a conv2d delivers without one place of its kernel."""
    match q:
        case Conv2d() if at[0] < q.kernel[0] and at[1] < q.kernel[1]:
            only = np.zeros(q.weights.shape, np.int64)
            only[:, :, *at] = q.weights[:, :, *at]
            return scene.sums[name] - delivers(scene, replace(q, weights=only), scene.codes[q.source])
        case Conv2d() | Dense():
            return None
        case _:
            assert_never(q)


def delivers(scene: Scene, q: Linear, plane: Ints) -> Ints:
    """What a projection delivers of a plane."""
    return reference.along(plane, q, scene.population.shape)


def input_missing(scene: Scene) -> Iterator[Mistake]:
    """No weight for one input, of few: channel of a conv2d (of each group), neuron of a dense; of many, for the first
    or the last; and no weight for a channel of what a dense reads.
    """
    yield last_input, {"input": "the last input"}
    counts = {q.weights.shape[1] for q in scene.into.values()}
    for at in sorted({at for count in counts for at in (range(count) if count <= INPUTS else (0, count - 1))}):
        yield partial(less_an_input, at=at), {"input": f"input {at}"}
    channels = {scene.net[q.source].shape[0] for q in scene.into.values() if q.weights.ndim == 2}
    for at in range(max(channels, default=0)) if max(channels, default=0) <= INPUTS else ():
        yield partial(less_a_channel, at=at), {"input": f"channel {at}"}


def last_input(scene: Scene, name: str, q: Linear) -> Ints | None:
    """What a projection delivers without its last input."""
    return less_an_input(scene, name, q, q.weights.shape[1] - 1)


def less_an_input(scene: Scene, name: str, q: Linear, at: int) -> Ints | None:
    """What a projection delivers without one of its inputs."""
    if not at < q.weights.shape[1] > 1:
        return None
    plane, own = scene.codes[q.source], q.weights[:, at : at + 1]
    match q:
        case Conv2d():
            read = plane[:, at :: q.weights.shape[1]]  # of each group
        case Dense(pooled=True):
            read = plane[:, at : at + 1]
        case Dense():
            read = plane.reshape(len(plane), -1, 1, 1)[:, at : at + 1]
        case _:
            assert_never(q)
    return scene.sums[name] - delivers(scene, replace(q, weights=own), read)


def less_a_channel(scene: Scene, name: str, q: Linear, at: int) -> Ints | None:
    """What a dense projection delivers without one channel of what it reads."""
    plane = scene.codes[q.source]
    match q:
        case Dense(pooled=False) if at < plane.shape[1]:
            each = plane.shape[2] * plane.shape[3]
            own = replace(q, weights=q.weights[:, at * each : (at + 1) * each])
            return scene.sums[name] - delivers(scene, own, plane[:, at : at + 1])
        case Dense() | Conv2d():
            return None
        case _:
            assert_never(q)


WEIGHT = (
    Cause("weights-doubled", "sums are one bit too far to the left [PROJ-1]", found_by(lambda scene: [(doubled, {})])),
    Cause(
        "weights-halved",
        "weights, or sums, are one bit too far to the right [PROJ-1]",
        found_by(
            lambda scene: [
                (reading(weighing(*2 * [lambda w: w >> 1])), {}),
                (reading(weighing(*2 * [lambda w: np.sign(w) * (np.abs(w) >> 1)])), {}),
                (shifted, {}),
            ]
        ),
    ),
    Cause(
        "weights-unsigned",
        "weights may be negative: yours are read without a sign [PROJ-7]",
        found_by(without_sign),
    ),
    Cause(
        "lowest-weight-clipped",
        "weights reach -128: yours end at -127 [PROJ-7]",
        weighted(lambda w: np.where(w == -128, -127, w)),
    ),
    Cause(
        "lowest-weight-positive",
        "weights reach -128: yours takes that for +128 [PROJ-7]",
        weighted(lambda w: np.where(w == -128, 128, w)),
    ),
    Cause(
        "lowest-weight-lost",
        "weights reach -128: yours takes that for 0 [PROJ-7]",
        weighted(lambda w: np.where(w == -128, 0, w)),
    ),
    Cause(
        "weights-a-power-of-two",
        "weights are numbers: yours are rounded toward 0 to a power of two [PROJ-7]",
        weighted(power_of_two),
    ),
    Cause(
        "weights-too-narrow",
        "weights do not fit {bits} bits: yours wrap or saturate there [PROJ-7]",
        found_by(fewer_bits),
    ),
    Cause(
        "kernel-flipped",
        "the kernel is not flipped [PROJ-1]",
        reads(weighing(conv2d=lambda w: w[:, :, ::-1, ::-1])),
    ),
    Cause("kernel-turned", "kernel rows and columns are exchanged [PROJ-1]", reads(weighing(conv2d=turned))),
    Cause(
        "weights-places-first",
        "the weights of a conv2d are (O, I, kh, kw), yours (O, kh, kw, I) [PROJ-1]",
        reads(weighing(conv2d=outputs_first)),
    ),
    Cause(
        "weights-inputs-first",
        "the weights of a dense are (O, N), yours (N, O) [PROJ-4]",
        reads(weighing(dense=inputs_first)),
    ),
    Cause(
        "weights-of-another-channel",
        "each channel has its own weights: yours takes those of {channel} [PROJ-1]",
        found_by(of_another_channel),
    ),
    Cause("input-missing", "{input} is missing from every sum [PROJ-1]", found_by(input_missing)),
    Cause("kernel-place-missing", "the weights at kernel place {place} are missing [PROJ-1]", found_by(place_missing)),
    Cause("last-tap-missing", "the last weight is missing from every sum [PROJ-1]", weighted(without_tap(-1))),
    Cause("first-tap-missing", "the first weight is missing from every sum [PROJ-1]", weighted(without_tap(0))),
)
