"""Spikes that a projection loses, counts otherwise or takes for others, by what else happens (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.delivering import TIMES, Read, delivered, read_of
from fsref.verification.composed.happening import Meant, happening, those
from fsref.verification.composed.queues import Send, queues
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Mask, Part, later
from fsref.verification.scene import Scene

SMALL = 2**14  # spikes, of which it is kept which are meant
TAKEN = (("the neuron before", -1), ("the next neuron", 1))


def coincides_otherwise() -> Iterator[Change]:
    """Spikes that are lost, counted otherwise or taken for others, by what else happens."""
    for meant in happening():
        spike = f"in yours a spike{meant.text}"
        for times, what, dear in TIMES:
            yield Change(f"{spike} {what}", dear + meant.dear, partial(_times, times, meant))
        for words, by in (("the step before", -1), ("the next step", 1)):
            yield Change(f"{spike} delivers d of {words}", 2 + meant.dear, partial(_of_step, by, meant))
        for words, by in TAKEN:
            yield Change(f"{spike} is taken for one of {words}", 2 + meant.dear, partial(_taken, by, meant))
    for words, dear, of in queues():
        yield Change(f"in yours {words}", dear, partial(sent_instead, of))
    text = "in yours as many steps of the source are delivered as its target has"
    yield Change(text, 1.5, _steps_of_target, unsaid=MOSTLY)


def meant_by(meant: Meant, part: Part, read: Read) -> Mask:
    """Which spikes (B, K, C, H, W) of the source are meant."""
    small = read.spikes.size <= SMALL
    return (_kept if small else _which)(meant, part.scene, read.q.source)


def _which(meant: Meant, scene: Scene, source: str) -> Mask:
    return those(meant, scene.spikes(source).astype(np.int64))


_kept = lru_cache(maxsize=512)(_which)


def sent_more(part: Part, read: Read, more: Ints) -> Ints:
    """What is delivered when the source sends so much more, (B, K, C, H, W)."""
    return part.right + delivered(part, read.q, more.sum(axis=1)) if more.any() else part.right


def sent_instead(of: Send, part: Part) -> Ints:
    """What is delivered when spikes are sent otherwise."""
    read = read_of(part)
    z = read.spikes.astype(np.int64)
    return sent_more(part, read, read.d * (of(z) - z))


def _steps_of_target(part: Part) -> Ints:
    """What is delivered of as many steps as the target has; of more than there are what stands there is unknown."""
    read, steps = read_of(part), part.scene.net.steps[part.scene.population.name]
    if not steps or steps == len(read.d):
        return part.right
    if steps > len(read.d):
        return np.full_like(part.right, UNSAID)
    z = read.spikes.astype(np.int64)
    return sent_more(part, read, -read.d * z * (np.arange(len(read.d)) >= steps)[:, None, None, None])


def _times(times: int, meant: Meant, part: Part) -> Ints:
    read = read_of(part)
    return sent_more(part, read, (times - 1) * read.d * meant_by(meant, part, read))


def _of_step(by: int, meant: Meant, part: Part) -> Ints:
    read = read_of(part)
    return sent_more(part, read, (later(read.d, -by, 0) - read.d) * meant_by(meant, part, read))


def _taken(by: int, meant: Meant, part: Part) -> Ints:
    read = read_of(part)
    mask = meant_by(meant, part, read)
    moved = later(mask.reshape(*mask.shape[:2], -1), by, 2).reshape(mask.shape)
    return sent_more(part, read, read.d * (moved.astype(np.int64) - mask))
