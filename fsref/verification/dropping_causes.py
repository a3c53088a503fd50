"""Mistakes of a max-pool in who drops out, and when, and of the places that it looks at (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.law.populations import MaxPool
from fsref.verification.consequences import Cause, Effects, both, of_pool
from fsref.verification.pool_causes import candidates, sent
from fsref.verification.scene import Scene

Bools: TypeAlias = NDArray[np.bool_]
Rule: TypeAlias = Callable[[int, Bools, list[Bools]], Bools]  # step, who spikes, who is in before each step: who is in

FIRST = 4  # places of a window that have a register


def dropping(
    rule: Rule | None = None, drops: Callable[[Bools, Bools], Bools] | None = None
) -> Callable[[Scene, MaxPool], Effects]:
    """Who is in differs in a step (`rule`), or who stays in (`drops`, from who spikes and whether any that is in
    does).
    """

    def follow(scene: Scene, p: MaxPool) -> Effects:
        yield sent(scene, p, dropped(scene, p, rule, drops))

    return follow


def dropped(scene: Scene, p: MaxPool, rule: Rule | None, drops: Callable[[Bools, Bools], Bools] | None) -> Ints:
    """The trains (B, C, H, W) of a max-pool, step by step."""
    steps = scene.net.steps[p.name]
    trains = candidates(scene.trains[p.source].astype(np.int64), p, -1)
    inside = trains >= 0
    held, found = [inside], np.zeros(trains.shape[1:], np.int64)
    for t in range(steps):
        z = inside & (trains >> (steps - 1 - t) & 1 == 1)
        here = held[-1] if rule is None else rule(t, inside, held)
        fires = (z & here).any(axis=0)
        stays = (z | ~fires) if drops is None else drops(z, fires)
        held.append(held[-1] & stays if rule is None else held[-1] & (stays | ~here))
        found = found * 2 + fires
    return found


def late(t: int, inside: Bools, held: list[Bools]) -> Bools:
    """Who drops out is in for one step more."""
    return held[max(0, t - 1)]


def dropped_again(scene: Scene, p: MaxPool) -> Effects:
    """The same, where one that is silent in that step, too, drops out in it anew."""
    steps = scene.net.steps[p.name]
    trains = candidates(scene.trains[p.source].astype(np.int64), p, -1)
    dropped_in, found = np.full(trains.shape, -2), np.zeros(trains.shape[1:], np.int64)
    for t in range(steps):
        here = (trains >= 0) & ((dropped_in == -2) | (dropped_in == t - 1))
        z = here & (trains >> (steps - 1 - t) & 1 == 1)
        fires = z.any(axis=0)
        dropped_in[here & ~z & fires] = t
        found = found * 2 + fires
    yield sent(scene, p, found)


def some(t: int, inside: Bools, held: list[Bools]) -> Bools:
    """Places behind the first never drop out."""
    found = held[-1].copy()
    found[FIRST:] = inside[FIRST:]
    return found


def last_again(scene: Scene, p: MaxPool) -> Effects:
    """In the last step all places are in again."""
    last = scene.net.steps[p.name] - 1

    def rule(t: int, inside: Bools, held: list[Bools]) -> Bools:
        return inside if t == last else held[-1]

    yield sent(scene, p, dropped(scene, p, rule, None))


def shared(scene: Scene, p: MaxPool) -> Effects:
    """All channels have one mask, which each changes in its turn."""
    steps = scene.net.steps[p.name]
    trains = candidates(scene.trains[p.source].astype(np.int64), p, -1)
    inside = trains >= 0
    held, found = inside[:, :, 0].copy(), np.zeros(trains.shape[1:], np.int64)
    for t in range(steps):
        for c in range(trains.shape[2]):
            z = inside[:, :, c] & (trains[:, :, c] >> (steps - 1 - t) & 1 == 1)
            fires = (z & held).any(axis=0)
            held &= z | ~fires
            found[:, c] = found[:, c] * 2 + fires
    yield sent(scene, p, found)


def less_a_place(scene: Scene, p: MaxPool) -> Effects:
    """The first or the last place of a window is left out, or the first decides where it is inside."""
    trains = candidates(scene.trains[p.source].astype(np.int64), p, -1)
    if len(trains) > 1:
        yield sent(scene, p, np.maximum(trains[1:], 0).max(axis=0))
        yield sent(scene, p, np.maximum(trains[:-1], 0).max(axis=0))
        yield sent(scene, p, np.where(trains[0] >= 0, trains[0], np.maximum(trains[1:], 0).max(axis=0)))


def begun(scene: Scene, p: MaxPool) -> Effects:
    """Windows that begin without padding, or with that of the other sides, or whose strides are exchanged."""
    top, left, bottom, right = p.padding
    trains = scene.trains[p.source].astype(np.int64)
    others = [
        replace(p, padding=(0, 0, bottom + top, right + left)),
        replace(p, padding=(bottom, right, top, left)),
        replace(p, padding=(left, top, right, bottom)),
        replace(p, stride=p.stride[::-1]),
    ]
    for other, how in zip(
        others,
        ("without padding", "with bottom and right", "with top and left exchanged", "strides exchanged"),
        strict=True,
    ):
        if (other.padding, other.stride) != (p.padding, p.stride):
            yield sent(scene, p, candidates(trains, other, 0).max(axis=0)).of(how=how)


def neighbours(scene: Scene, p: MaxPool) -> Effects:
    """Beyond a border at the left or the right stands what the address there holds: the row beside."""
    trains = scene.trains[p.source].astype(np.int64)
    count, channels, height, width = trains.shape
    top, left, bottom, right = p.padding
    x = np.arange(-left, width + right)
    at = np.arange(channels)[:, None, None] * height * width + np.arange(height)[:, None] * width + x
    there = (at >= 0) & (at < channels * height * width)
    wide = trains.reshape(count, -1)[:, np.where(there, at, 0)] * there
    yield sent(scene, p, candidates(wide, replace(p, padding=(top, 0, bottom, 0)), 0).max(axis=0))


def padding_fires(scene: Scene, p: MaxPool) -> Effects:
    """Places beyond the border fire in the first step, or in all."""
    steps = scene.net.steps[p.name]
    for train in (1 << (steps - 1), (1 << steps) - 1):
        yield sent(scene, p, candidates(scene.trains[p.source].astype(np.int64), p, train).max(axis=0))


def step_late(scene: Scene, p: MaxPool) -> Effects:
    """Each spike is sent a step late, and the last is lost."""
    yield sent(scene, p, scene.trains[p.name].astype(np.int64) >> 1)


DROPPING = (
    Cause(
        "drops-all-in-a-silent-step",
        "who is silent drops out only where another fires: in yours a silent step drops all [POOL-1]",
        of_pool(dropping(drops=lambda z, fires: z)),
    ),
    Cause(
        "drops-a-step-late",
        "who is silent while another fires is out from the next step on: in yours a step later [POOL-1]",
        both(of_pool(dropping(late)), of_pool(dropped_again)),
    ),
    Cause(
        "only-four-drop-out",
        "every place of a window may drop out: in yours only the first four [POOL-1]",
        of_pool(dropping(some)),
    ),
    Cause(
        "all-in-again-in-the-last-step",
        "who dropped out stays out: in yours all are in again in the last step [POOL-1]",
        of_pool(last_again),
    ),
    Cause(
        "dropped-for-all-channels",
        "each channel has its own windows: in yours they share who dropped out [POOL-1]",
        of_pool(shared),
    ),
    Cause(
        "pool-place-missing",
        "every place of a window counts: yours leaves out the first or the last, or looks at the first alone [POOL-1]",
        of_pool(less_a_place),
    ),
    Cause(
        "pool-windows-begin-elsewhere",
        "the windows of a max-pool begin at stride * y - top: yours begin {how} [POOL-1]",
        of_pool(begun),
    ),
    Cause(
        "pool-border-not-checked",
        "beyond the border is no candidate: yours reads what stands at that address [POOL-2]",
        of_pool(neighbours),
    ),
    Cause(
        "pool-padding-fires",
        "beyond the border is no candidate: in yours it fires [POOL-2]",
        of_pool(padding_fires),
    ),
    Cause(
        "pool-a-step-late",
        "a max-pool sends in the step in which its source does: yours a step late, and its last is lost [POOL-1]",
        of_pool(step_late),
    ),
)
