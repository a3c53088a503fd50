"""What is stuck, whatever comes in: a neuron, a channel, or a step of a train (OBS-4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS
from fsref.verification.consequences import Cause, Effects, of_fs, searched, stepped
from fsref.verification.scene import Effect, Scene
from fsref.verification.table_causes import NEVER

Part: TypeAlias = tuple[str, NDArray[np.bool_]]  # of a population, in words, and where (C, H, W)
Stuck: TypeAlias = tuple[Part, int, bool, bool]  # the part, the step, whether it fires, whether it is reset then


def parts(scene: Scene) -> Iterator[Part]:
    """All of a population, and its one channel and its one neuron that differs, where there is one."""
    unlike: NDArray[np.bool_] = np.logical_or.reduce(scene.unlike)
    yield "", np.ones(unlike.shape, np.bool_)
    yield from ((words, part) for words, part in parts_alone(unlike) if "neuron" in words or part.sum() > 1)


def parts_alone(unlike: NDArray[np.bool_]) -> Iterator[Part]:
    """The one channel and the one neuron that is unlike (C, H, W), where there is one."""
    channels, neurons = np.flatnonzero(unlike.any(axis=(1, 2))), np.flatnonzero(unlike)
    if len(channels) == 1 < len(unlike):
        channel = np.zeros_like(unlike)
        channel[channels] = True
        yield f"in channel {channels[0]} alone", channel
    if len(neurons) == 1 < unlike.size:
        last = int(neurons[0]) == unlike.size - 1
        yield "in the last neuron alone" if last else f"in neuron {neurons[0]} alone", unlike


def always(scene: Scene, where: str, part: NDArray[np.bool_]) -> Effects:
    """A part answers the same in every image, where something else is right in one or another."""
    right = {"codes": scene.codes[scene.population.name], "spikes": scene.trains.get(scene.population.name)}
    stuck: dict[str, NDArray[Any]] = {}
    for observable, ours in right.items():
        if ours is not None and observable in scene.theirs:
            theirs, true = scene.theirs[observable][:, part], ours[:, part]
            value = int(theirs.flat[0])
            if (theirs == value).all() and (true != true.flat[0]).any():
                stuck[observable] = np.where(part, value, ours).astype(ours.dtype)
    if stuck:
        yield Effect(stuck.get("codes"), spikes=stuck.get("spikes")).of(where, value=value)


def silent(scene: Scene) -> Effects:
    """No neuron sends anything, of those that have steps."""
    if scene.population.name not in scene.trains:
        return
    yield from (effect for effect in always(scene, *next(parts(scene))) if effect.about["value"] == 0)


def stuck(scene: Scene) -> Effects:
    """All, a channel or a neuron answers the same whatever comes in."""
    for where, part in parts(scene):
        yield from always(scene, where, part)


def step_stuck(scene: Scene) -> Effects:
    """A step of a part fires always, or never."""
    found = list(parts(scene))

    def forms(scene: Scene) -> Iterator[Stuck]:
        yield from product(found, range(scene.net.steps[scene.population.name]), (True, False), (True, False))

    def gives(scene: Scene, form: Stuck) -> Effects:
        (where, part), at, fires, resets = form

        def follow(p: FS, v: Ints) -> Effects:
            right = stepped(p, v, *p.table.rows(p.shape[0]))
            wrong = stuck_at(p, v, at, fires) if resets else sent_stuck(p, right, at, fires)
            kinds = ("codes", "opening", "spikes", "membranes")
            both = {kind: np.where(part, getattr(wrong, kind), getattr(right, kind)) for kind in kinds}
            yield Effect(**both).of(where, step=at, fires="always" if fires else "never")

        yield from of_fs(follow)(scene)

    yield from searched(forms, gives)(scene)


def stuck_at(p: FS, v: Ints, at: int, fires: bool) -> Effect:
    """A step whose threshold is always met, or never: the membrane is lowered as often as it fires."""
    T, h, d = p.table.rows(p.shape[0])
    T = T.copy()
    T[:, at] = -NEVER if fires else NEVER
    return stepped(p, v, T, h, d)


def sent_stuck(p: FS, right: Effect, at: int, fires: bool) -> Effect:
    """A step that is sent as one, or as zero, whatever the neuron did in it."""
    assert right.spikes is not None and right.codes is not None, "as many steps as the table has"
    bit = np.uint16(1 << (p.steps - 1 - at))
    spikes = right.spikes | bit if fires else right.spikes & ~bit
    d = p.table.rows(p.shape[0])[2][:, at, None, None]
    changed = (spikes & bit != 0).astype(np.int64) - (right.spikes & bit != 0)
    return replace(right, codes=right.codes + d * changed, spikes=spikes)


def held(p: FS, v: Ints) -> Effects:
    """A spike is sent in its step and in the next."""
    right = stepped(p, v, *p.table.rows(p.shape[0]))
    assert right.spikes is not None
    spikes = right.spikes | right.spikes >> np.uint16(1)
    sent = reference.input_trains(spikes.astype(np.int64), p.steps)
    yield replace(right, codes=reference.codes(sent, p.table.rows(p.shape[0])[2]), spikes=spikes)


STUCK = (
    Cause(
        "spike-lasts-two-steps",
        "a spike is one step long: yours is there in the next step, too [FS-4]",
        of_fs(held),
    ),
    Cause(
        "step-stuck",
        "a neuron fires when v >= T: yours {fires} fires in step {step}, whatever v is [FS-2]",
        step_stuck,
        whole=True,
    ),
    Cause("stuck", "what is sent follows from what comes in: yours is always {value} [FS-4]", stuck, whole=True),
)

SILENT = Cause(
    "silent",
    "what is sent follows from what comes in: yours sends nothing at all [FS-4]",
    silent,
    whole=True,
)
