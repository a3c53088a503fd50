"""What is told otherwise than it is: one observable of a population that is wrong alone (OBS-5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.relation import Change, Part, moved, part_of, shifted
from fsref.verification.composed.values import BECOMES
from fsref.verification.scene import Scene

BESIDE = (-1, 1, -2, 2, -4, 4, -8, 8)  # addresses


def telling(scene: Scene, seen: Ints, right: Ints) -> Part:
    """An observable beside what is right."""
    right = right.astype(np.int64)
    operands = {f"the neuron {abs(by)} {'before' if by < 0 else 'behind'}": moved(right, by) for by in BESIDE}
    if right.ndim == 5:
        operands |= {"the step before": shifted(right, -1, 1), "the next step": shifted(right, 1, 1)}
    return part_of(scene, seen, right, operands, {"it": right}, {})


def told_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What may be told instead."""
    for name in parts[0].operands:
        yield Change(f"yours is that of {name}", 2, lambda part, name=name: part.operands[name])  # type: ignore[misc]
    for each in BECOMES:
        yield Change(f"yours {each.text}", each.dear, lambda part, each=each: each.of(part.right))  # type: ignore[misc]
