"""Words of spikes that are gathered in a register which is not cleared: as they are told, and as they are sent
(CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.verification.composed.placing import arranged
from fsref.verification.composed.queues import Send
from fsref.verification.composed.relation import Change, Part

WORDS = (8, 16, 32, 64)  # neurons of a word
OF_CHANNEL = 0.05  # how much dearer it is that the words of a channel are gathered by themselves


def collected() -> Iterator[tuple[str, float, Send]]:
    """What is left in the register, in words, how dear these are, and the spikes (B, K, C, H, W) that come of it."""
    for n in WORDS:
        spikes = f"of the words of {n} before it"
        yield f"what was gathered {spikes} in its step", 2, partial(_kept_on, n, False)
        yield f"what was gathered {spikes} in its channel and step", 2 + OF_CHANNEL, partial(_kept_on, n, True)
        yield f"what was gathered of the words of {n} before it in all steps", 2.05, partial(_kept_through, n)
        partly = f"what was gathered of the last word, where that is no whole one of {n}"
        yield f"{partly}, of the step before, in its first word", 2.1, partial(_kept_partly, n, False)
        text = f"{partly}, of the channel before, or the last in the step before, in its first word"
        yield text, 2.1 + OF_CHANNEL, partial(_kept_partly, n, True)


def told_collected() -> Iterator[Change]:
    """Trains that are told as they are gathered."""
    for words, dear, of in collected():
        yield Change(f"yours has {words}, too", dear, partial(_told, of, False))
        text = f"yours has {words}, and in its first step what came before, too"
        yield Change(text, dear + 0.2, partial(_told, of, True))


def _told(of: Send, stood: bool, part: Part) -> Ints | None:
    """Trains as they are gathered; in the first step as they were told, where something else may have `stood` there."""
    rows, seen = arranged(part, part.right), arranged(part, part.seen)
    if rows is None or seen is None:
        return None
    steps = part.scene.net.steps[part.scene.population.name]
    z, told = (reference.input_trains(each, steps).astype(np.int64) for each in (rows, seen))
    if stood:
        z[:, 0] |= told[:, 0]
    return np.asarray(reference.words(of(z) > 0), np.int64).ravel()


def _kept_on(n: int, of_channel: bool, z: Ints) -> Ints:
    """Each word with what was gathered of those before it, in a step and, `of_channel`, in a channel."""
    lines = z.reshape(*z.shape[:3], -1) if of_channel else z.reshape(*z.shape[:2], 1, -1)
    words = np.pad(lines, (*[(0, 0)] * 3, (0, -lines.shape[-1] % n))).reshape(*lines.shape[:3], -1, n)
    found: Ints = np.bitwise_or.accumulate(words, axis=3).reshape(*lines.shape[:3], -1)[..., : lines.shape[-1]]
    return found.reshape(z.shape)


def _kept_through(n: int, z: Ints) -> Ints:
    """Each word with what was gathered of all those before it, step by step."""
    flat = z.reshape(*z.shape[:2], -1)
    words = np.pad(flat, ((0, 0), (0, 0), (0, -flat.shape[-1] % n))).reshape(len(z), -1, n)
    found: Ints = np.bitwise_or.accumulate(words, axis=1).reshape(*z.shape[:2], -1)[..., : flat.shape[-1]]
    return found.reshape(z.shape)


def _kept_partly(n: int, of_channel: bool, z: Ints) -> Ints:
    """The first word of each step, or `of_channel` of each channel, with what stood in the last one before it, where
    that was not full; none was before the first.
    """
    lines = (z.reshape(len(z), -1, z.shape[3] * z.shape[4]) if of_channel else z.reshape(*z.shape[:2], -1)).copy()
    size = lines.shape[-1]
    last = size // n * n
    count = min(n, size)
    for line in range(1, lines.shape[1] if last < size else 0):
        kept = np.zeros((len(z), n), lines.dtype)
        kept[:, : size - last] = lines[:, line - 1, last:]
        lines[:, line, :count] |= kept[:, :count]
    return lines.reshape(z.shape)
