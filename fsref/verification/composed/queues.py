"""Spikes that wait for those before them (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.relation import later, shifted

RATES = (1, 2, 3, 4, 8, 16, 32)  # spikes that are sent in a step at most
DEPTHS = (2, 4, 8, 16, 32, 64)  # spikes that a queue holds
LEFT = (1, 2, 3, 4, 8)  # and that are left behind one
Send: TypeAlias = Callable[[Ints], Ints]  # how often each is sent of spikes (B, K, C, H, W)


def queues() -> Iterator[tuple[str, float, Send]]:
    """What is sent of spikes that wait, in words, and how dear these are."""
    yield "spikes come a step late, those of the first step twice", 2, lambda z: shifted(z, -1, 1)
    for n in RATES:
        many = "one spike is" if n == 1 else f"{n} spikes are"
        words = f"{many} sent in a step at most, and the others wait for the next"
        yield words, 2, partial(_drained, n)
        yield f"{words}; in the last step all are sent", 2.1, partial(_drained, n, all_last=True)
    words = "the last spike of a step is sent in the next"
    yield f"{words}, and that of the last step is lost", 2, partial(_held, False)
    yield f"{words}, but for the last step", 2, partial(_held, True)
    for n in DEPTHS:
        queue = f"in a queue of {n}, sent when it is full, spikes"
        yield f"{queue} of one step wait on for those of the next", 2, partial(_filled, n, False)
        yield (
            f"{queue} of one step wait on for those of the next, and what is left is lost",
            2,
            partial(_filled, n, True),
        )
        words = f"a queue of {n} takes one spike more, which is sent twice, and the oldest is lost"
        yield words, 2, partial(_overfilled, n, 1)
        yield f"{words}; of each step anew", 2, partial(_overfilled, n, 2)
    for n in LEFT:
        words = f"the last {'spike waits' if n == 1 else f'{n} spikes wait'} in a queue for others behind"
        yield words, 2, partial(_left, n)
        yield f"{words}; in the last step all are sent", 2, partial(_left, n, all_last=True)


def _held(keeps: bool, z: Ints) -> Ints:
    """The last of each step goes in the next; that of the last step then, or it is lost."""
    flat = z.reshape(*z.shape[:2], -1) != 0
    ends: Ints = np.cumsum(flat[..., ::-1], axis=2)[..., ::-1]
    last = flat & (ends == 1)
    late = later(last, 1, 1)
    stays = last & (np.arange(z.shape[1]) < z.shape[1] - keeps)[:, None]
    found: Ints = z - stays.reshape(z.shape) + late.reshape(z.shape)
    return found


def _drained(n: int, z: Ints, all_last: bool = False) -> Ints:
    """The oldest go first; those that still wait behind the last step are lost, unless all are sent there."""
    return _queued(lambda waiting: waiting[:n], z, all_last)


def _filled(n: int, lost: bool, z: Ints) -> Ints:
    """Spikes that are sent with the first that comes when so many wait, in its step; what is left at the end then, or
    it is lost.
    """
    flat, found = z.reshape(len(z), -1) != 0, np.zeros((len(z), z[0].size), np.int64)
    neurons = z[0, 0].size
    for image, out in zip(flat, found, strict=True):
        at = np.flatnonzero(image)
        then = (np.arange(len(at)) // n + 1) * n
        sent = then < len(at)
        step = np.where(sent, at[np.where(sent, then, 0)] // neurons if len(at) else 0, z.shape[1] - 1)
        kept = sent | (not lost)
        np.add.at(out, (step * neurons + at % neurons)[kept], 1)
    return found.reshape(z.shape)


def _overfilled(n: int, apart: int, z: Ints) -> Ints:
    """Of each spike more than so many, in an image or what stands `apart`, the first is lost and the last doubled."""
    flat = (z != 0).reshape(*z.shape[:apart], -1).astype(np.int64)
    rank: Ints = np.cumsum(flat, axis=-1) - flat
    whole = flat.sum(axis=-1, keepdims=True)
    full = rank // (n + 1) * (n + 1) + n < whole
    found: Ints = flat * np.where(full & (rank % (n + 1) == 0), 0, np.where(rank % (n + 1) == n, 2, 1))
    return found.reshape(z.shape)


def _left(n: int, z: Ints, all_last: bool = False) -> Ints:
    """All but the newest go."""
    return _queued(lambda waiting: waiting[:-n], z, all_last)


def _queued(going: Callable[[list[int]], list[int]], z: Ints, all_last: bool) -> Ints:
    """How often each is sent, when of those that wait these go in a step."""
    flat = z.reshape(*z.shape[:2], -1)
    found = np.zeros_like(flat)
    for image, out in zip(flat, found, strict=True):
        waiting: list[int] = []
        for t, spikes in enumerate(image):
            waiting += np.flatnonzero(spikes).tolist()
            sent = waiting if all_last and t == len(image) - 1 else going(waiting)
            np.add.at(out[t], sent, 1)
            waiting = waiting[len(sent) :]
    return found.reshape(z.shape)
