"""What stands in memories that are used again: accumulators that are not cleared, spikes that later ones overwrite
(CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.projections import Gate
from fsref.verification.composed.delivering import rows_of
from fsref.verification.composed.relation import Change, Part
from fsref.verification.scene import Scene

BANKS = (2, 3, 4)  # memories that populations take in turn

def stands_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What a projection may deliver beside what stood in its target's accumulators."""
    for words, dear, which in (
        ("all that the projections before it deliver there", 1.3, slice(None)),
        ("what the projection before it delivers there", 1.4, slice(-1, None)),
        ("what the first projection delivers there", 1.6, slice(1)),
    ):
        yield Change(f"yours adds {words}, too", dear, partial(_before, which))
    if all(part.scene.stood.get(part.of) is not None for part in parts):
        yield Change("yours adds what stood in the accumulators before", 1.2, partial(_stood, np.add))
        yield Change("yours is what stood in the accumulators before", 1.6, partial(_stood, _first))
    if all(part.scene.sent for part in parts):
        for banks in BANKS:
            text = f"in yours spikes are kept in {banks} memories in turn, so that those of its source are overwritten"
            yield Change(text, 1.6, partial(_overwritten, banks))


def _first(stood: Ints, right: Ints) -> Ints:
    return stood


def _before(which: slice, part: Part) -> Ints:
    """What is right, and what some of the projections before deliver into the same target."""
    names = list(part.scene.sums)
    earlier = [part.scene.sums[name] for name in names[: names.index(part.of)][which]]
    return part.right + rows_of(part, sum(earlier, 0 * part.scene.sums[part.of]))


def _stood(put: Callable[[Ints, Ints], Ints], part: Part) -> Ints | None:
    """What becomes of what stood there; nothing is said where it is not known, None where that is most."""
    values, known = part.scene.stood[part.of]
    there = rows_of(part, known)
    if 2 * int((part.wrong & ~there).sum()) > int(part.wrong.sum()):
        return None
    return np.where(there, put(rows_of(part, values), part.right), part.seen)


def _overwritten(banks: int, part: Part) -> Ints | None:
    """What is delivered where the memory of the source holds what populations that follow it sent, at their
    addresses.
    """
    scene, q = part.scene, part.scene.net.into(part.scene.population.name)[part.of]
    codes = {name: _held(scene, name, banks) for name in (q.sources if isinstance(q, Gate) else (q.source,))}
    if all(np.array_equal(codes[name], scene.codes[name]) for name in codes):
        return part.right
    given = {**scene.codes, **codes}
    return rows_of(part, reference.carried(codes[q.source], q, scene.population.shape, given))


def _held(scene: Scene, source: str, banks: int) -> Ints:
    """The codes of a source as they are read when the population receives."""
    names = [p.name for p in scene.net.populations]
    first, last = names.index(source), names.index(scene.population.name)
    z = reference.input_trains(scene.sent[source].astype(np.int64), scene.net.steps[source])
    flat = z.reshape(*z.shape[:2], -1)
    for at in range(first + banks, last, banks):
        other = scene.net[names[at]]
        if other.name in scene.sent:
            more = reference.input_trains(scene.sent[other.name].astype(np.int64), scene.net.steps[other.name])
            over = more.reshape(*more.shape[:2], -1)
            steps, count = min(over.shape[1], flat.shape[1]), min(over.shape[2], flat.shape[2])
            flat[:, :steps, :count] = over[:, :steps, :count]
    d = scene.net.code_weights[source].T[:, :, None, None]
    found: Ints = (d * flat.reshape(z.shape)).sum(axis=1)
    return found
