"""Mistakes of gates: what they multiply by, and when (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.law.projections import Gate
from fsref.verification.consequences import Cause, Effects, Follow, of_membranes, opened, other_channels
from fsref.verification.scene import Scene

Change: TypeAlias = Callable[[Scene, Gate], Ints]  # what a gate delivers then
Forms: TypeAlias = Callable[[Scene], Iterable[tuple[Change, Mapping[str, Any]]]]  # and what fills in the words


def gating(forms: Forms) -> Follow:
    """What follows when all gates into a population are wrong, and each alone."""

    def follow(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
        gates = {name: q for name, q in scene.net.gates.items() if q.target == p.name}
        for change, about in forms(scene) if gates else ():
            more = {name: change(scene, q) - scene.sums[name] for name, q in gates.items()}
            for names in [list(more), *([name] for name in more if len(more) > 1)]:
                if any(more[name].any() for name in names):
                    where = f"in {names[0]} alone" if len(names) == 1 < len(more) else ""
                    yield opened(p, sum((more[name] for name in names), v)).of(where, **about)

    return of_membranes(follow)


def ignored(scene: Scene, gate: Gate) -> Ints:
    """The source alone."""
    return reference.gated(scene.codes[gate.source], gate, np.ones(1, np.int64))


def added(scene: Scene, gate: Gate) -> Ints:
    """The sum of both codes."""
    return reference.gated(scene.codes[gate.source] + scene.codes[gate.by], gate, np.ones(1, np.int64))


def incomplete(scene: Scene, gate: Gate) -> Ints:
    """Each spike of the source times what its factor has sent up to that step, as if both began together."""
    d, total = scene.net.code_weights, 0 * scene.codes[gate.source]
    spikes, factor = scene.spikes(gate.source), scene.spikes(gate.by)
    for t in range(spikes.shape[1]):
        last = min(t + 1, factor.shape[1])
        so_far = reference.codes(factor[:, :last], d[gate.by][:, :last])
        total = total + reference.gated(spikes[:, t] * d[gate.source][:, t, None, None], gate, so_far)
    return total


def elsewhere(scene: Scene) -> Iterator[tuple[Change, Mapping[str, Any]]]:
    """The factor of another channel, or that of the first place of its channel."""

    def first(scene: Scene, gate: Gate) -> Ints:
        return reference.gated(scene.codes[gate.source], gate, scene.codes[gate.by][:, :, :1, :1])

    yield first, {"which": "the first place"}
    for name, channels in other_channels(scene.population.shape[0]):

        def other(scene: Scene, gate: Gate, channels: Any = channels) -> Ints:
            return reference.gated(scene.codes[gate.source], gate, scene.codes[gate.by][:, channels])

        yield other, {"which": name}


GATES = (
    Cause(
        "factor-ignored",
        "a gate multiplies by the code of its factor: yours delivers the source alone [GATE-1]",
        gating(lambda scene: [(ignored, {})]),
    ),
    Cause(
        "factor-added",
        "a gate multiplies two codes: yours adds them [GATE-1]",
        gating(lambda scene: [(added, {})]),
    ),
    Cause(
        "factor-of-another-place",
        "a gate takes the factor of the neuron's own place or channel: yours takes that of {which} [GATE-1]",
        gating(elsewhere),
    ),
    Cause(
        "factor-incomplete",
        "the factor of a gate is whole before its source comes: yours multiplies by what came of it so far [GATE-2]",
        gating(lambda scene: [(incomplete, {})]),
    ),
)
