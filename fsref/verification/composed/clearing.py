"""Accumulators that all projections use, of which the last ones are not cleared (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import product
from typing import NamedTuple, TypeAlias

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.verification.composed.addresses import IN_TURN
from fsref.verification.composed.delivering import rows_of
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Mask, Part
from fsref.verification.composed.standing import ROOM, addresses, sums_of
from fsref.verification.scene import Scene

Kept: TypeAlias = Callable[[Shape], Mask]  # which accumulators (C, H, W) of a population are not cleared
Started: TypeAlias = dict[str, tuple[Ints, Mask]]  # by projection what stands there (B, C, H, W), and where it is known


class Memory(NamedTuple):
    """In how many memories channels lie in turn, which accumulators are not cleared, and whether the others are when a
    projection `begins`, else behind it.
    """

    banks: int
    kept: Kept
    begins: bool


def clears_otherwise() -> Iterator[Change]:
    """What a projection delivers beside what stands in accumulators that are not cleared."""
    for n, begins in product(IN_TURN, (True, False)):
        when = "before a projection begins" if begins else "behind a projection"
        memory = f"the last accumulator{f' of each memory of {n} that channels take in turn' if n > 1 else ''} is"
        block = f"the accumulators of the last place of the last {n} channels at once are"
        each = ((memory, 2.0, _of_memory), (block, 2.05, _of_block))
        for words, dear, kept in each if n > 1 else each[:1]:
            started = partial(_started, Memory(n, partial(kept, n), begins))
            yield Change(f"in yours {words} not cleared {when}", dear + n / 100, started, unsaid=MOSTLY)


def _of_memory(n: int, shape: Shape) -> Mask:
    """The last place of the last channel in each of n memories."""
    c = np.arange(shape[0])
    return _last_place(c + n >= shape[0], shape)


def _of_block(n: int, shape: Shape) -> Mask:
    """The last place of the channels that lie side by side at the last address of n memories."""
    c = np.arange(shape[0])
    return _last_place(c // n == (shape[0] - 1) // n, shape)


def _last_place(channels: Mask, shape: Shape) -> Mask:
    last = np.arange(shape[1] * shape[2]).reshape(shape[1:]) == shape[1] * shape[2] - 1
    found: Mask = channels[:, None, None] & last
    return found


def _started(memory: Memory, part: Part) -> Ints | None:
    found = _starts(part.scene, memory).get(part.of)
    if found is None:
        return None
    start, known = (rows_of(part, values.astype(np.int64)) for values in found)
    return np.where(known > 0, part.right + start, UNSAID)


@lru_cache(maxsize=32)
def _starts(scene: Scene, memory: Memory) -> Started:
    """What stands in accumulators when each projection into a population begins; what an image finds is not known."""
    net, found = scene.net, Started()
    if not scene.sent:
        return found
    stands = np.zeros((scene.count, memory.banks * ROOM), np.int64)
    known = np.full(memory.banks * ROOM, not memory.begins)
    for p in net.integrating if not memory.begins else ():  # the image before left something there
        known[addresses(memory.banks, p.shape)[memory.kept(p.shape)]] = False
    for p in net.integrating[: net.integrating.index(scene.population) + 1]:
        own = p is scene.population
        sums = [*scene.sums.values()] if own else sums_of(scene, p)
        if sums is None or p.neurons > ROOM:
            return {}
        at, kept = addresses(memory.banks, p.shape), memory.kept(p.shape)
        for name, each in zip(net.into(p.name), sums, strict=True):
            starts = np.where(kept, stands[:, at], 0) if memory.begins else stands[:, at]
            sure = known[at] | ~kept if memory.begins else known[at]
            if own:
                found[name] = starts, np.broadcast_to(sure, starts.shape)
            total = starts + each
            stands[:, at] = total if memory.begins else np.where(kept, total, 0)
            known[at] = sure if memory.begins else sure | ~kept
    return found
