"""Dense projections that skip what is silent, and whose weights do not move on with it (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.verification.composed.delivering import read_of, rows_of
from fsref.verification.composed.relation import Change, Part

WORDS = (1, 2, 4, 8, 16, 32, 64)  # neurons that are skipped together


def skips_otherwise() -> Iterator[Change]:
    """Weights that are as many inputs too early as were skipped before."""
    for n in WORDS:
        what = "neuron" if n == 1 else f"word of {n} neurons"
        for by_step, silent in ((False, "sends nothing"), (True, "sends nothing in a step")):
            text = f"in yours the weights of a dense do not move on with a {what} that {silent}"
            yield Change(text, 2, partial(_skipped, n, by_step))


def _skipped(n: int, by_step: bool, part: Part) -> Ints:
    """What is delivered by the weights of a dense from which those of silent words are not passed over."""
    read = read_of(part)
    neurons = read.codes[0].size
    if read.q.weights.shape != (len(read.weights), neurons):
        return part.right
    z = read.spikes.reshape(*read.spikes.shape[:2], neurons)
    words = np.pad(z, ((0, 0), (0, 0), (0, -neurons % n))).reshape(*z.shape[:2], -1, n).any(axis=3)
    busy = words if by_step else words | np.logical_or.reduce(words, axis=1, keepdims=True)
    if busy.all():
        return part.right
    first = np.repeat(np.cumsum(busy, axis=2) - 1, n, axis=2)[..., :neurons] * n
    at = first + np.arange(neurons) % n
    channels = np.repeat(np.arange(read.codes.shape[1]), neurons // read.codes.shape[1])
    return rows_of(part, np.stack([_image(part, *one, channels) for one in zip(z, at, strict=True)]))


def _image(part: Part, z: NDArray[np.bool_], at: NDArray[np.intp], channels: NDArray[np.intp]) -> Ints:
    """The sums (O, 1, 1) of an image, each spike of which has the weight at another place."""
    read = read_of(part)
    step, n = np.nonzero(z)
    codes = np.zeros(z.shape[1], np.int64)  # by the place of their weights
    np.add.at(codes, at[step, n], read.d[step, channels[n], 0, 0])
    found: Ints = read.weights[:, :, 0, 0] @ codes
    return found[:, None, None]
