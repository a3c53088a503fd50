"""Sources that a dense reads, and its weights, as if they lay otherwise (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.verification.composed.addresses import ADDRESSES, Address, Pitches, pitches
from fsref.verification.composed.delivering import OF_ITS_OWN, delivered, reached, read_of
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Part

WORDS = (4, 8, 16)  # neurons that are read at once


def lies_otherwise() -> Iterator[Change]:
    """Weights, or spikes and what they are worth, at other addresses of the source of a dense."""
    for words, dear, address in ADDRESSES:
        yield Change(f"in yours a dense takes the weight at the address of {words}", dear, partial(_weighed, address))
        text = f"in yours a dense reads its source at the address of {words}"
        yield Change(text, dear + 0.05, partial(_read_at, address, False), unsaid=MOSTLY)
        yield Change(f"{text}{OF_ITS_OWN}", dear + 0.25, partial(_read_at, address, True), unsaid=MOSTLY)
    for n in WORDS:
        for by in (n - 1, n + 1):
            text = f"in yours the source of a dense moves on by {by} with each {n} weights"
            yield Change(text, 2.1, partial(_stepped, n, by), unsaid=MOSTLY)
    for pitch in pitches():
        text, address = f"in yours a dense reads its source as if {pitch.text}", partial(_pitched, pitch)
        yield Change(text, pitch.dear, partial(_read_at, address, False), unsaid=MOSTLY)
        words = f"in yours a dense takes its weights as if, of the source, {pitch.text}"
        yield Change(words, pitch.dear + 0.2, partial(_weighed, address), unsaid=MOSTLY)
        yield Change(f"{text}{OF_ITS_OWN}", pitch.dear + 0.25, partial(_read_at, address, True), unsaid=MOSTLY)
        within = f"{text}, and finds nothing behind its channel"
        yield Change(within, pitch.dear + 0.1, partial(_read_within, pitch))
        text = f"{text}, and steps one behind the other"
        yield Change(text, pitch.dear + 0.3, partial(_read_on, pitch), unsaid=MOSTLY)


def _stepped(n: int, by: int, part: Part) -> Ints:
    """What is delivered when words of codes lie closer or further apart than those of weights."""
    read = read_of(part)
    if read.q.weights.shape != (len(read.weights), read.codes[0].size):
        return part.right
    at = np.arange(read.codes[0].size)
    return _read_at(lambda own, other: at // n * by + at % n, False, part)


def _pitched(pitch: Pitches, own: Shape, other: Shape) -> NDArray[np.intp]:
    """The addresses of neurons with another pitch."""
    of_channel, of_row = pitch.of(own, other)
    c, y, x = np.indices(own)
    found: NDArray[np.intp] = (c * of_channel + y * of_row + x).ravel()
    return found


def _weighed(address: Address, part: Part) -> Ints:
    """What is delivered by the weights at other addresses of their output; those behind its last one are not known."""
    read = read_of(part)
    inputs = read.codes[0].size
    if read.q.weights.shape != (len(read.weights), inputs):
        return part.right
    at = address(read.codes.shape[1:], part.scene.population.shape)
    there = (at >= 0) & (at < inputs)
    weights = read.weights[:, np.where(there, at, 0)] * there[:, None, None]
    if (weights == read.weights).all():
        return part.right
    behind = np.broadcast_to(~there.reshape(read.codes.shape[1:]), read.codes.shape) * (read.codes != 0)
    unknown = delivered(part, read.by(1 + 0 * weights), behind.astype(np.int64)) > 0
    return np.where(unknown, UNSAID, delivered(part, read.by(weights), read.codes))


def _read_at(address: Address, with_own_d: bool, part: Part) -> Ints:
    """What is delivered of spikes at other addresses; what lies behind the source is not known."""
    read = read_of(part)
    if read.q.weights.ndim != 2:
        return part.right
    shape, size = read.codes.shape[1:], read.codes[0].size
    at = address(shape, part.scene.population.shape)
    there = ((at >= 0) & (at < size)).reshape(shape)
    if (at == np.arange(size)).all():
        return part.right
    at = np.where(there.ravel(), at, 0)
    z = read.spikes.reshape(*read.spikes.shape[:2], size)[:, :, at].reshape(read.spikes.shape)
    codes = read.codes.reshape(len(read.codes), size)[:, at].reshape(read.codes.shape)
    plane = ((z * read.d).sum(axis=1) if with_own_d else codes) * there
    unknown = reached(part, np.broadcast_to(~there, plane.shape).astype(np.int64))
    return np.where(unknown, UNSAID, delivered(part, read.q, plane))


def _read_within(pitch: Pitches, part: Part) -> Ints:
    """What is delivered of spikes at addresses of their channel with another pitch of rows; beyond it are none."""
    read = read_of(part)
    shape = read.codes.shape[1:]
    _, of_row = pitch.of(shape, part.scene.population.shape)
    if read.q.weights.ndim != 2 or of_row == shape[2]:
        return part.right
    y, x = np.indices(shape[1:])
    at = y * of_row + x
    there = (at >= 0) & (at < at.size)
    rows = read.codes.reshape(*read.codes.shape[:2], -1)[:, :, np.where(there, at, 0)]
    return delivered(part, read.q, rows * there)


def _read_on(pitch: Pitches, part: Part) -> Ints:
    """What is delivered of spikes at addresses with another pitch, one step behind the other; what lies behind all is
    not known.
    """
    read = read_of(part)
    if read.q.weights.ndim != 2:
        return part.right
    shape = read.codes.shape[1:]
    of_channel, of_row = pitch.of(shape, part.scene.population.shape)
    t, c, y, x = np.indices((len(read.d), *shape))
    at = (t * shape[0] + c) * of_channel + y * of_row + x
    there = (at >= 0) & (at < at.size)
    if (at.ravel() == np.arange(at.size)).all():
        return part.right
    z = read.spikes.reshape(len(read.codes), -1)[:, np.where(there, at, 0)]
    plane = (z * there * read.d).sum(axis=1)
    behind = np.broadcast_to(~there.all(axis=0), plane.shape).astype(np.int64)
    return np.where(reached(part, behind), UNSAID, delivered(part, read.q, plane))
