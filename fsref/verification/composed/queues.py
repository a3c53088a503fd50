"""Spikes that wait for those before them (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.relation import shifted

RATES = (1, 2, 3, 4, 8, 16, 32)  # spikes that are sent in a step at most
Send: TypeAlias = Callable[[Ints], Ints]  # how often each is sent of spikes (B, K, C, H, W)


def queues() -> Iterator[tuple[str, float, Send]]:
    """What is sent of spikes that wait, in words, and how dear these are."""
    yield "spikes come a step late, those of the first step twice", 2, lambda z: shifted(z, -1, 1)
    for n in RATES:
        many = "one spike is" if n == 1 else f"{n} spikes are"
        yield f"{many} sent in a step at most, and the others wait for the next", 2, partial(_drained, n)


def _drained(n: int, z: Ints) -> Ints:
    """The oldest go first; those are lost that still wait behind the last step."""
    flat = z.reshape(*z.shape[:2], -1)
    found = np.zeros_like(flat)
    for image, out in zip(flat, found, strict=True):
        waiting: list[int] = []
        for t, spikes in enumerate(image):
            waiting += np.flatnonzero(spikes).tolist()
            np.add.at(out[t], waiting[:n], 1)
            waiting = waiting[n:]
    return found.reshape(z.shape)
