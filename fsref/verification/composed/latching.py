"""Words of spikes that are gathered in a latch which is not cleared (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.verification.composed.addresses import IN_TURN
from fsref.verification.composed.placing import arranged
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Part


def latches_otherwise() -> Iterator[Change]:
    """Trains of rows whose spikes are gathered in a latch, step by step and channel by channel."""
    for n in IN_TURN:
        of = f", one of {n} that channels take in turn" if n > 1 else ""
        text = f"yours is ORed, step by step, with what the row before it left in its latch{of}"
        yield Change(text, 1.9 + n / 100, partial(_latched, n), unsaid=MOSTLY)


def _latched(n: int, part: Part) -> Ints | None:
    """Trains ORed with what was told of the row before in a lane, of another channel and step, too; what a latch held
    before the first is not known.
    """
    right, told = arranged(part, part.right), arranged(part, part.seen)
    if right is None or told is None:
        return None
    steps = part.scene.net.steps[part.scene.population.name]
    z, seen = (reference.input_trains(rows, steps).astype(np.int64) for rows in (right, told))  # (B, K, C, H, W)
    found = np.empty_like(z)
    for lane in range(min(n, z.shape[2])):
        rows = seen[:, :, lane::n]
        flat = rows.reshape(len(rows), -1, rows.shape[-1])
        before = np.concatenate([0 * flat[:, :1], flat[:, :-1]], axis=1).reshape(rows.shape)
        found[:, :, lane::n] = z[:, :, lane::n] | before
    words = reference.words(found > 0).astype(np.int64)
    words[:, :n, 0] = UNSAID
    return words.ravel()
