"""Neurons that run through fewer steps than their table has (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import assert_never

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.verification.composed.neurons import STEPS, Neurons, neurons_of
from fsref.verification.composed.placing import as_rows
from fsref.verification.composed.relation import MOSTLY, Change, Mask, Part, part_of
from fsref.verification.scene import Scene

WRONG, UNLIKE = -1, -2  # of a neuron that did something else, and of one that ended elsewhere
ALIGNED: tuple[tuple[str, float, bool], ...] = (  # whether the first step stands where it would, or the last one
    ("", 0.0, True),
    (", and tells its train as one of so many", 0.1, False),
)


def ending(scene: Scene, p: FS, own: Neurons) -> Part:
    """Through how many steps neurons run: K, WRONG where not all that was observed of one is right."""
    right = _ended(scene, p, own, p.steps, True)
    return part_of(scene, np.where(right, p.steps, WRONG), np.full(right.shape, p.steps), {}, {}, {})


def _ended(scene: Scene, p: FS, own: Neurons, steps: int, aligned: bool) -> Mask:
    """Where all that was observed of neurons (B, C, H, W) is right up to so many steps, and no spike stands elsewhere:
    of a train that is told as one of so many steps before them. Of membranes behind these nothing is known.
    """
    z, membranes, _ = reference.fire(own.before[:, 0], p.table)
    z, less = z.astype(np.bool_), p.steps - steps
    at = slice(0, steps) if aligned else slice(less, p.steps)
    fired = np.zeros_like(own.fired)
    fired[:, at] = z[:, :steps]
    found: Mask = (fired == own.fired).all(axis=1)
    if own.after is not None:
        found &= (membranes[:, :steps] == own.after[:, :steps]).all(axis=1)
    if (codes := scene.theirs.get("codes")) is not None and "spikes" in scene.theirs:
        found &= codes == (own.d * z)[:, :steps].sum(axis=1)
    return found


def ends_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """No steps, or as many as something else has."""
    yield Change("yours runs through none", 2.2, partial(_ending, lambda scene: 0, True), unsaid=MOSTLY)
    for words, dear, steps in STEPS:
        for more, far, aligned in ALIGNED:
            text = f"yours runs through as many as {words} alone{more}"
            yield Change(text, dear + far, partial(_ending, steps, aligned), unsaid=MOSTLY)


def _ending(steps: Callable[[Scene], int], aligned: bool, part: Part) -> Ints | None:
    """Through how many steps neurons seem to run; nothing is known of what stands behind a table."""
    match part.scene.population:
        case FS() as p if (own := neurons_of(part.scene, p)) is not None:
            count = steps(part.scene)
            if count >= p.steps:
                return part.right if count == p.steps else None
            there = as_rows(part, _ended(part.scene, p, own, count, aligned).astype(np.int64))
            return np.where(there, part.seen, UNLIKE)
        case FS() | Readout() | MaxPool() | View() | Input():
            return None
        case never:
            assert_never(never)
