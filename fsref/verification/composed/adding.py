"""Sums made spike by spike, and what becomes of the sum with each addition (OBS-5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.verification.adding import additions
from fsref.verification.composed.relation import Change, Mask, Part
from fsref.verification.composed.values import BECOMES, Becomes

WHEN: tuple[tuple[str, float, Callable[[Ints, Ints], Mask]], ...] = (
    ("", 0, lambda v, more: more != 0),
    (" of something below 0", 1.5, lambda v, more: more < 0),
    (" of something above 0", 1.5, lambda v, more: more > 0),
    (" to a sum below 0", 1.5, lambda v, more: v < 0),
    (" to a sum of 0 or more", 1.7, lambda v, more: v >= 0),
    (" of something below 0 to a sum below 0", 2, lambda v, more: (v < 0) & (more < 0)),
    (" of something above 0 to a sum above 0", 2, lambda v, more: (v > 0) & (more > 0)),
    (" that leads from below 0 to 0 or more", 2, lambda v, more: (v < 0) & (v + more >= 0)),
    (" that leads from 0 or more to below 0", 2, lambda v, more: (v >= 0) & (v + more < 0)),
)


def adds_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What becomes of the sum with each addition."""
    for (when, far, test), bias in ((each, bias) for each in WHEN for bias in (True, False)):
        last = "" if bias else ", the bias last"
        for each in BECOMES:
            if each.dear + far < 4:
                yield Change(f"in yours the sum {each.text} with each addition{when}{last}", each.dear + 1 + far + (not bias) / 2, partial(_added, each, test, bias))
        yield Change(f"in yours an addition{when} is lost{last}", 2 + far, partial(_lost, test, bias))
    for bits in range(6, 41):
        yield Change(f"in yours the sum saturates at {bits} bits, and stays there", 3, partial(_stays, bits))


def _steps(part: Part) -> tuple[tuple[Ints, ...], Ints, Any]:
    scene = part.scene
    match scene.population:
        case (FS() | Readout()) as p:
            return additions(scene, True), p.bias_map + 0 * scene.codes[p.name], scene.part
        case _:
            return (), np.zeros(0, np.int64), None


def _rows(part: Part, v: Ints) -> Ints:
    return v.ravel() if part.scene.part is None else v[:, part.scene.part].ravel()


def _added(each: Becomes, test: Any, first: bool, part: Part) -> Ints | None:
    steps, bias, _ = _steps(part)
    if not steps:
        return None
    v = bias if first else 0 * bias
    for more in steps:
        v = np.where((more != 0) & test(v, more), each.of(v + more), v + more)
    return _rows(part, v if first else v + bias)


def _lost(test: Any, first: bool, part: Part) -> Ints | None:
    steps, bias, _ = _steps(part)
    if not steps:
        return None
    v = bias if first else 0 * bias
    for more in steps:
        v = np.where((more != 0) & test(v, more), v, v + more)
    return _rows(part, v if first else v + bias)


def _stays(bits: int, part: Part) -> Ints | None:
    steps, bias, _ = _steps(part)
    if not steps:
        return None
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    v, stuck = bias, np.zeros(bias.shape, np.bool_)
    for more in steps:
        added = v + more
        v = np.where(stuck, v, np.clip(added, low, high))
        stuck = stuck | (((added < low) | (added > high)) & (more != 0))
    return _rows(part, v)
