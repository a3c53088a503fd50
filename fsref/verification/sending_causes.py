"""Mistakes of what a spike is worth: d of its step, its channel and its population (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints, base_two
from fsref.law.projections import Linear
from fsref.verification.consequences import Cause, Effects, Follow, both, other_channels
from fsref.verification.deliveries import Mistake, delivering, found_by
from fsref.verification.scene import Effect, Scene

Worth = Callable[[Scene, Ints], Ints]  # from a scene and d (C, K) of a population to what it is taken for


def worth(scene: Scene, name: str, d: Ints) -> Ints:
    """The codes (B, C, H, W) of a population or source when its spikes are worth d (C, K)."""
    return reference.codes(scene.spikes(name), d)


def valued(*changes: Worth, **about: Any) -> Follow:
    """Spikes are worth something else: those that a population sends, or those that it reads."""

    def forms(scene: Scene) -> Iterator[Mistake]:
        for change in changes:
            yield partial(delivered, change=change), about

    def as_well(scene: Scene) -> Effects:
        """What is sent is worth something else, too."""
        name = scene.population.name
        for change in changes if name in scene.trains else ():
            d = change(scene, scene.net.code_weights[name])
            for effect in delivering(scene, (partial(delivered, change=change), about)):
                assert effect.spikes is not None, "it has steps"
                trains = reference.input_trains(effect.spikes.astype(np.int64), scene.net.steps[name])
                yield replace(effect, codes=reference.codes(trains, d))

    return both(sent(*changes, **about), found_by(forms), as_well)


def sent(*changes: Worth, **about: Any) -> Follow:
    """Spikes that a population sends are worth something else."""

    def follow(scene: Scene) -> Effects:
        name = scene.population.name
        if name in scene.trains and name in scene.net.code_weights:
            for change in changes:
                yield Effect(worth(scene, name, change(scene, scene.net.code_weights[name]))).of(**about)

    return follow


def delivered(scene: Scene, name: str, q: Linear, change: Worth) -> Ints | None:
    """What a projection delivers when the spikes of its source are worth something else."""
    right = scene.net.code_weights[q.source]
    wrong = change(scene, right)
    if wrong.shape == right.shape and (wrong == right).all():
        return None
    return reference.along(worth(scene, q.source, wrong), q, scene.population.shape)


def ended(scene: Scene, d: Ints) -> Ints:
    """Nothing behind a step whose d is 0."""
    done = np.cumsum(d == 0, axis=1) > 0
    return np.where(done, 0, d)


def rounded(scene: Scene, d: Ints) -> Ints:
    """Rounded down to powers of two."""
    size = np.abs(d)
    power = np.where(size > 0, 1 << np.floor(np.log2(np.maximum(size, 1) + 0.5)).astype(np.int64), 0)
    return np.sign(d) * power


def of_the_target(scene: Scene, d: Ints) -> Ints:
    """2^(K - 1 - t) with the K of the target."""
    own, steps = scene.net.steps[scene.population.name], d.shape[1]
    found = np.zeros_like(d)
    found[:, : min(own, steps)] = base_two(own)[: min(own, steps)]
    return found


def signed(scene: Scene, d: Ints) -> Ints:
    """That of the first step is negative."""
    found = d.copy()
    found[:, 0] *= -1
    return found


def of_another_channel(scene: Scene) -> Iterator[Mistake]:
    """d of another channel of the source."""
    for name, rows in other_channels(max((scene.net[q.source].shape[0] for q in scene.into.values()), default=0)):
        yield partial(delivered, change=partial(of_rows, rows=rows)), {"channel": name}


def of_target_channels(scene: Scene) -> Iterator[Mistake]:
    """d of the channel of the source that has the number of the target's channel."""

    def change(scene: Scene, name: str, q: Linear) -> Ints | None:
        d = scene.net.code_weights[q.source]
        if (d == d[:1]).all():
            return None
        found = scene.sums[name].copy()
        for row in range(len(d)):
            found[:, row :: len(d)] = delivers(scene, q, np.broadcast_to(d[row], d.shape))[:, row :: len(d)]
        return found

    yield change, {"channel": "the target's channel"}


def of_rows(scene: Scene, d: Ints, rows: Ints) -> Ints:
    """Those rows of d, where it has so many."""
    return d[rows] if len(rows) == len(d) else d


def own_of_another_channel(scene: Scene) -> Effects:
    """The codes of a population with d of another channel."""
    name = scene.population.name
    if name in scene.trains and name in scene.net.code_weights:
        for channel, rows in other_channels(scene.population.shape[0]):
            yield Effect(worth(scene, name, scene.net.code_weights[name][rows])).of(channel=channel)


def of_one_source(scene: Scene) -> Iterator[Mistake]:
    """Of several sources all are worth what the first one's spikes are, all end with the shortest, or the shorter
    begin late in their own d.
    """
    names = [q.source for q in scene.into.values()]
    if len(set(names)) < 2:
        return
    d = scene.net.code_weights
    counts = [d[name].shape[1] for name in names]

    def first(scene: Scene, name: str, q: Linear) -> Ints | None:
        wrong = np.zeros_like(d[q.source])
        rows = d[names[0]][np.arange(len(wrong)) % len(d[names[0]])]
        common = min(rows.shape[1], wrong.shape[1])
        wrong[:, :common] = rows[:, :common]
        return None if q.source == names[0] else delivers(scene, q, wrong)

    def shortest(scene: Scene, name: str, q: Linear) -> Ints | None:
        return delivers(scene, q, np.where(np.arange(d[q.source].shape[1]) < min(counts), d[q.source], 0))

    def shifted(scene: Scene, name: str, q: Linear) -> Ints | None:
        by, right = d[q.source].shape[1] - max(counts), d[q.source]
        wrong = np.zeros_like(right)
        wrong[:, -by:] = right[:, : right.shape[1] + by] if by else right
        return delivers(scene, q, wrong) if by else None

    def early(scene: Scene, name: str, q: Linear) -> Ints | None:
        by, right = max(counts) - d[q.source].shape[1], d[q.source]
        wrong = np.zeros_like(right)
        wrong[:, : max(0, right.shape[1] - by)] = right[:, by:]
        return delivers(scene, q, wrong) if by else None

    yield early, {"how": "the d of the step of the window"}
    yield first, {"how": "the d of the first"}
    yield shortest, {"how": "the steps of the shortest"}
    yield shifted, {"how": "the d of a step before"}


def ended_first(scene: Scene) -> Iterator[Mistake]:
    """What is sent behind the end of the source that ends first is lost."""
    start, steps = scene.net.schedule.start, scene.net.steps
    ends = [start[q.source] + steps[q.source] for q in scene.into.values()]

    def cut(scene: Scene, name: str, q: Linear) -> Ints | None:
        right = scene.net.code_weights[q.source]
        wrong = np.where(start[q.source] + np.arange(right.shape[1]) < min(ends), right, 0)
        return None if (wrong == right).all() else delivers(scene, q, wrong)

    if len(set(ends)) > 1:
        yield cut, {"how": "nothing behind the end of the first"}


def of_target_steps(scene: Scene) -> Iterator[Mistake]:
    """A source is read for as many steps as its target has."""
    steps = scene.net.steps[scene.population.name]

    def cut(scene: Scene, d: Ints) -> Ints:
        return np.where(np.arange(d.shape[1]) < steps, d, 0)

    if steps:
        yield partial(delivered, change=cut), {"how": "the steps of the target"}


def delivers(scene: Scene, q: Linear, d: Ints) -> Ints:
    """What a projection delivers when the spikes of its source are worth d."""
    return reference.along(worth(scene, q.source, d), q, scene.population.shape)


SENDING = (
    Cause(
        "d-without-sign",
        "d may be negative: yours is its magnitude, or 0 then [FS-4]",
        valued(lambda scene, d: np.abs(d), lambda scene, d: np.maximum(d, 0)),
    ),
    Cause("d-a-power-of-two", "d is a number: yours is rounded down to a power of two [FS-4]", valued(rounded)),
    Cause(
        "d-not-read",
        "a spike is worth d of its step: yours is worth 2^(K - 1 - t), of its own K or the target's [FS-4]",
        valued(lambda scene, d: np.broadcast_to(base_two(d.shape[1]), d.shape), of_the_target),
    ),
    Cause("first-spike-negative", "a spike is worth d: in yours the first counts as a sign [FS-4]", valued(signed)),
    Cause("d-ends-at-zero", "a step may have d = 0: yours ends the train there [FS-4]", valued(ended)),
    Cause(
        "d-too-narrow",
        "d does not fit 16 bits: yours wraps there [FS-1]",
        valued(lambda scene, d: ((d + 32768) & 65535) - 32768),
    ),
    Cause(
        "d-of-another-channel",
        "each channel has its own d: yours takes that of {channel} [FS-1]",
        both(own_of_another_channel, found_by(of_another_channel), found_by(of_target_channels)),
    ),
    Cause(
        "d-of-another-source",
        "each source has its own steps and d: yours has {how} [PROJ-6]",
        both(found_by(of_one_source), found_by(of_target_steps), found_by(ended_first)),
    ),
)
