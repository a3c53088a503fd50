"""Spikes as they are sent: lost, late, or as those of another neuron, by what else happens (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.verification.composed.collecting import collected
from fsref.verification.composed.earlier import before, is_known
from fsref.verification.composed.happening import Meant, happening, those
from fsref.verification.composed.placing import by_step, told_elsewhere
from fsref.verification.composed.queues import Send, queues
from fsref.verification.composed.relation import Change, Part, later, part_of
from fsref.verification.scene import Scene


def sent(scene: Scene, seen: NDArray[np.bool_], fired: NDArray[np.bool_]) -> Part:
    """Whether a neuron sends a spike: where it fires (EVENT-2)."""
    at = np.arange(seen.shape[1])[:, None, None, None]
    values = {"the number of spikes before": np.cumsum(fired, axis=1) - fired, "the step": at}
    return part_of(scene, seen, fired, {}, values, {})


def sends_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What may be sent instead."""
    yield Change("yours sends none", 1, lambda part: 0 * part.right)
    yield Change("yours sends one", 1, lambda part: 0 * part.right + 1)
    yield from told_elsewhere()
    for words, dear, of in sendings():
        yield Change(f"in yours {words}", dear, partial(_sent, of))
    if is_known(parts[0].scene):
        text = "yours sends what was to be sent for the image before"
        yield Change(text, 1.5, partial(_of_image_before, lambda now, then: then))
        yield Change(f"{text}, too", 1.6, partial(_of_image_before, np.maximum))
        text = "yours sends what was to be sent in the last step of the image before in the first step, too"
        yield Change(text, 1.7, partial(_of_image_before, _last_first))


def sendings() -> Iterator[tuple[str, float, Send]]:
    """What may be sent of spikes, in words, and how dear these are."""
    for by in (1, 2):
        steps = "a step" if by == 1 else f"{by} steps"
        yield f"spikes come {steps} late", 1 + by / 4, partial(_late, by)
        yield f"spikes come {steps} early", 1.1 + by / 4, partial(_late, -by)
    yield from queues()
    for words, dear, of in collected():
        yield f"a train has {words}, too", dear, of
    for meant in happening():
        spike = f"a spike{meant.text}"
        yield f"{spike} is lost", 1 + meant.dear, partial(_lost, meant)
        yield f"{spike} comes a step late", 1.5 + meant.dear, partial(_some_late, 1, meant)
        yield f"{spike} comes a step early", 1.8 + meant.dear, partial(_some_late, -1, meant)
        yield f"{spike} is sent as one of the neuron before", 2 + meant.dear, partial(_taken, -1, meant)
        yield f"{spike} is sent as one of the next neuron", 2 + meant.dear, partial(_taken, 1, meant)


def _sent(of: Send, part: Part) -> Ints | None:
    z = by_step(part, part.right)
    return None if z is None else np.minimum(of(z), 1).ravel()


def _of_image_before(put: Callable[[Ints, Ints], Ints], part: Part) -> Ints | None:
    z = by_step(part, part.right)
    return None if z is None else put(z, before(part.scene, z)).ravel()


def _last_first(now: Ints, then: Ints) -> Ints:
    found = now.copy()
    found[:, 0] |= then[:, -1]
    return found


def _lost(meant: Meant, z: Ints) -> Ints:
    return z - z * those(meant, z)


def _late(by: int, z: Ints) -> Ints:
    return later(z, by, 1)


def _some_late(by: int, meant: Meant, z: Ints) -> Ints:
    some = z * those(meant, z)
    return z - some + later(some, by, 1)


def _taken(by: int, meant: Meant, z: Ints) -> Ints:
    """Spikes that are sent by the neuron `by` addresses on, and lost at the end."""
    some = z * those(meant, z)
    return z - some + later(some.reshape(*z.shape[:2], -1), by, 2).reshape(z.shape)
