"""Mistakes of a max-pool in who drops out, and when, and of the places that it looks at (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable
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
AGAIN = (2, 4, 8)  # steps behind which all are in again


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


def seen_late(scene: Scene, p: MaxPool) -> Effects:
    """The same, where who drops out is seen one step later, and is right else."""
    steps, right = scene.net.steps[p.name], masks(scene, p)
    trains = candidates(scene.trains[p.source].astype(np.int64), p, -1)
    found: Ints = np.zeros(trains.shape[1:], np.int64)
    for t in range(steps):
        z = (trains >= 0) & (trains >> (steps - 1 - t) & 1 == 1)
        found = found * 2 + (z & right[max(0, t - 1)]).any(axis=0)
    yield sent(scene, p, found)


def masks(scene: Scene, p: MaxPool) -> list[Bools]:
    """Who is rightly in before each step, (kh * kw, B, C, H, W)."""
    steps = scene.net.steps[p.name]
    trains = candidates(scene.trains[p.source].astype(np.int64), p, -1)
    held = [trains >= 0]
    for t in range(steps):
        z = held[-1] & (trains >> (steps - 1 - t) & 1 == 1)
        held.append(np.where(z.any(axis=0), z, held[-1]))
    return held


def set_again(scene: Scene, p: MaxPool) -> Effects:
    """Every so many steps all are in again; or in the first step who is silent drops out though all are."""
    steps = scene.net.steps[p.name]
    trains = candidates(scene.trains[p.source].astype(np.int64), p, -1)
    for every in AGAIN:
        held, found = trains >= 0, np.zeros(trains.shape[1:], np.int64)
        for t in range(steps):
            held = trains >= 0 if t % every == 0 else held
            z = held & (trains >> (steps - 1 - t) & 1 == 1)
            held = np.where(z.any(axis=0), z, held)
            found = found * 2 + z.any(axis=0)
        yield sent(scene, p, found).of(every=every)


def silent_at_first(scene: Scene, p: MaxPool) -> Effects:
    """In the first step who is silent drops out, whoever fires."""
    first = scene.trains[p.name].astype(np.int64) >> (scene.net.steps[p.name] - 1)
    yield sent(scene, p, np.where(first == 1, scene.trains[p.name].astype(np.int64), 0)).of("in the first step alone")


def of_each_source(scene: Scene, p: MaxPool) -> Effects:
    """Each neuron of the source has one mask, which all windows change in turn."""
    steps, source = scene.net.steps[p.name], scene.trains[p.source].astype(np.int64)
    inside, found = np.ones(source.shape, np.bool_), np.zeros((len(source), *p.shape), np.int64)
    (top, left, _, _), (kh, kw) = p.padding, p.kernel
    for t in range(steps):
        spikes = source >> (steps - 1 - t) & 1 == 1
        for oy, ox in np.ndindex(*p.shape[1:]):
            y, x = oy * p.stride[0] - top, ox * p.stride[1] - left
            window = (slice(None), slice(None), slice(max(0, y), max(0, y + kh)), slice(max(0, x), max(0, x + kw)))
            z = spikes[window] & inside[window]
            fires = z.any(axis=(2, 3), keepdims=True)
            inside[window] &= spikes[window] | ~fires
            found[:, :, oy, ox] = found[:, :, oy, ox] * 2 + fires[:, :, 0, 0]
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


def step_late(scene: Scene, p: MaxPool) -> Effects:
    """Each spike is sent a step late, and the last is lost."""
    yield sent(scene, p, scene.trains[p.name].astype(np.int64) >> 1)


DROPPING = (
    Cause(
        "drops-all-in-a-silent-step",
        "who is silent drops out only where another fires: in yours a silent step drops all [POOL-1]",
        both(of_pool(dropping(drops=lambda z, fires: z)), of_pool(silent_at_first)),
    ),
    Cause(
        "drops-a-step-late",
        "who is silent while another fires is out from the next step on: in yours a step later [POOL-1]",
        both(of_pool(dropping(late)), of_pool(dropped_again), of_pool(seen_late)),
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
        "all-in-again",
        "who dropped out stays out: in yours all are in again every {every} steps [POOL-1]",
        of_pool(set_again),
    ),
    Cause(
        "dropped-for-all-windows",
        "each window has its own candidates: who drops out of one of yours is out of all [POOL-1]",
        of_pool(of_each_source),
    ),
    Cause(
        "pool-a-step-late",
        "a max-pool sends in the step in which its source does: yours a step late, and its last is lost [POOL-1]",
        of_pool(step_late),
    ),
)
