"""Sources that a dense reads as if they lay otherwise (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.addresses import Pitches, pitches
from fsref.verification.composed.delivering import OF_ITS_OWN, delivered, reached, read_of
from fsref.verification.composed.relation import UNSAID, Change, Part


def lies_otherwise() -> Iterator[Change]:
    """Spikes, and what they are worth, at other addresses of the source of a dense."""
    for pitch in pitches():
        text = f"in yours a dense reads its source as if {pitch.text}"
        yield Change(text, pitch.dear, partial(_read, pitch, False), unsaid=0.9)
        yield Change(f"{text}{OF_ITS_OWN}", pitch.dear + 0.25, partial(_read, pitch, True), unsaid=0.9)
        text = f"{text}, and steps one behind the other"
        yield Change(text, pitch.dear + 0.3, partial(_read, pitch, True, of_steps=True), unsaid=0.9)


def _read(pitch: Pitches, with_own_d: bool, part: Part, of_steps: bool = False) -> Ints:
    """What is delivered of spikes at addresses with another pitch, of each step or of all, step by step; what lies
    behind these is not known.
    """
    read = read_of(part)
    if read.q.weights.ndim != 2:
        return part.right
    shape = read.codes.shape[1:]
    of_channel, of_row = pitch.of(shape, part.scene.population.shape)
    steps = len(read.d) if of_steps else 1
    t, c, y, x = np.indices((steps, *shape))
    at = (t * shape[0] + c) * of_channel + y * of_row + x
    there = (at >= 0) & (at < at.size)
    if (at.ravel() == np.arange(at.size)).all():
        return part.right
    at = np.where(there, at, 0)
    z = read.spikes.reshape(len(read.codes), -1, at.size)[:, :, at].reshape(read.spikes.shape)
    codes = read.codes.reshape(len(read.codes), -1)
    plane = (z * there * read.d).sum(axis=1) if with_own_d else codes[:, at[0]] * there[0]
    behind = np.broadcast_to(~there.all(axis=0), plane.shape).astype(np.int64)
    return np.where(reached(part, behind), UNSAID, delivered(part, read.q, plane))
