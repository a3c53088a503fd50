"""Spikes that are meant by what else happens: in their neuron, step and image, and beside them (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.relation import Mask
from fsref.verification.composed.where import Some

COUNTS = (1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128)  # of spikes that counters and queues hold
EVERY = (2, 3, 4, 8, 16, 32, 64, 128, 256)
GROUPS = (2, 4, 8, 16, 32)  # of neighbours that share a register
AXES = ((2, "channel"), (3, "row"), (4, "column"))  # of spikes (B, K, C, H, W)
Meant: TypeAlias = Some[Ints]  # of spikes (B, K, C, H, W), 0 or 1


def happening() -> Iterator[Meant]:
    """Spikes by what else happens."""
    yield from _of_neuron()
    yield from _of_step()
    yield from _of_image()
    yield from _of_group()
    yield from _beside()


def _of_neuron() -> Iterator[Meant]:
    """By the other spikes of their neuron."""
    yield Some(" right behind another of its neuron", 1.5, lambda z: _before(z, 1) > 0)
    yield Some(" right before another of its neuron", 1.7, lambda z: _before(z[:, ::-1], 1)[:, ::-1] > 0)
    yield Some(" behind a step in which its neuron is silent", 2, lambda z: (_before(z, 1) == 0) & _but_first(z))
    yield Some(" two steps behind another of its neuron", 2.2, lambda z: _before(z, 2) > 0)
    yield Some(" that is the first of its neuron", 1.5, lambda z: _rank(z, 1) == 0)
    yield Some(" that is the last of its neuron", 1.5, lambda z: _rank(z[:, ::-1], 1)[:, ::-1] == 0)
    yield Some(" behind the first of its neuron", 1.9, lambda z: _rank(z, 1) > 0)
    yield Some(" of a neuron that fires in all steps", 1.8, lambda z: z.all(axis=1, keepdims=True))
    yield Some(" of a neuron that fires once", 2, lambda z: z.sum(axis=1, keepdims=True) == 1)
    for n in (2, 3, 4, 7, 8):
        yield Some(f" behind the first {n} of its neuron", 2.2, lambda z, n=n: _rank(z, 1) >= n)
    for n in (2, 4):
        yield Some(f" that is each {_nth(n)} of its neuron", 2.2, lambda z, n=n: _rank(z, 1) % n == n - 1)


def _of_step() -> Iterator[Meant]:
    """By the other spikes of their step."""
    yield Some(" that is the first of its step", 1.7, lambda z: _rank(_flat(z), 2) == 0)
    yield Some(" that is the last of its step", 1.7, lambda z: _rank(_flat(z)[..., ::-1], 2)[..., ::-1] == 0)
    yield Some(" of a step in which all fire", 1.9, lambda z: _flat(z).all(axis=2, keepdims=True))
    yield Some(" that is the first of the first step", 2, lambda z: (_rank(_flat(z), 2) == 0) & _step_at(z, 0))
    last = partial(_last_of_step, -1)
    yield Some(" that is the last of the last step", 2, last)
    yield Some(" that is alone in its step", 2, lambda z: _flat(z).sum(axis=2, keepdims=True) == 1)
    yield Some(" of a step of an odd number of spikes", 2.2, lambda z: _flat(z).sum(axis=2, keepdims=True) % 2 == 1)
    yield Some(" of a step of an even number of spikes", 2.2, lambda z: _flat(z).sum(axis=2, keepdims=True) % 2 == 0)
    yield Some(" behind a step without one", 2, _behind_silence)
    for n in COUNTS:
        spikes = "spike" if n == 1 else f"{n} spikes"
        yield Some(f" behind the first {n} of its step", 2, lambda z, n=n: _rank(_flat(z), 2) >= n)
        yield Some(f" that is the {_nth(n)} of its step", 2.2, lambda z, n=n: _rank(_flat(z), 2) == n - 1)
        yield Some(f" of a step of more than {spikes}", 2.1, lambda z, n=n: _flat(z).sum(axis=2, keepdims=True) > n)
        yield Some(f" of a step of {spikes}", 2.1, lambda z, n=n: _flat(z).sum(axis=2, keepdims=True) == n)
        test = partial(_rank_left, n)
        yield Some(f" before the last {n} of its step", 2.4, test)
    for n in EVERY:
        yield Some(f" that is each {_nth(n)} of its step", 2.1, lambda z, n=n: _rank(_flat(z), 2) % n == n - 1)


def _of_image() -> Iterator[Meant]:
    """By the other spikes of the source for their image, in the order of steps and addresses."""
    yield Some(" that is the first of its source", 1.8, lambda z: _rank(_one(z), 1) == 0)
    yield Some(" that is the last of its source", 1.8, lambda z: _rank(_one(z)[:, ::-1], 1)[:, ::-1] == 0)
    for n in EVERY:
        yield Some(f" that is each {_nth(n)} of its source", 2.1, lambda z, n=n: _rank(_one(z), 1) % n == n - 1)
    for n in COUNTS[5:]:
        yield Some(f" behind the first {n} of its source", 2.2, lambda z, n=n: _rank(_one(z), 1) >= n)


def _of_group() -> Iterator[Meant]:
    """By the other spikes of their step among so many neighbours, as they lie in one register."""
    for n in GROUPS:
        group = f"of {n} neighbours" if n > 2 else "of two neighbours"
        yield Some(f" {group} that all fire", 1.8, partial(_grouped, n, lambda g: g.all(axis=-1, keepdims=True)))
        yield Some(f" that is the last {group} that all fire", 2, partial(_grouped, n, _last_of_all))
        yield Some(f" that is the first {group} that all fire", 2, partial(_grouped, n, _first_of_all))
        yield Some(f" behind the first {group}", 1.9, partial(_grouped, n, lambda g: _rank(g, 3) > 0))
        yield Some(
            f" before the last {group}", 2, partial(_grouped, n, lambda g: _rank(g[..., ::-1], 3)[..., ::-1] > 0)
        )
        if n > 2:
            alone = partial(_grouped, n, lambda g: g.sum(axis=-1, keepdims=True) == 1)
            yield Some(f" that is alone {group}", 2.3, alone)


def _beside() -> Iterator[Meant]:
    """By the spikes of their step beside them."""
    for by, words in ((1, "the neuron before"), (-1, "the next neuron"), (2, "the neuron 2 before")):
        yield Some(f" when {words} fires, too", 1.8, lambda z, by=by: _before(_flat(z), 2, by) > 0)
        yield Some(f" when {words} does not fire", 2.3, lambda z, by=by: _before(_flat(z), 2, by) == 0)
    for axis, name in AXES:
        for by, words in ((1, f"the {name} before"), (-1, f"the next {name}")):
            text = f" when its like in {words} fires, too"
            yield Some(text, 2, lambda z, axis=axis, by=by: _before(z, axis, by) > 0)
        yield Some(f" behind the first of its like along {name}s", 2.1, lambda z, axis=axis: _rank(z, axis) > 0)
        for n in (1, 2, 4, 8):
            text = f" of a {name} behind its first {n} of the step"
            yield Some(text, 2.4, partial(_along, axis, lambda own, n=n: _rank(own, 2) >= n))


def _nth(n: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(n, f"{n}th")


def _flat(z: Ints) -> Ints:
    """Spikes of each step by address, (B, K, neurons)."""
    return z.reshape(*z.shape[:2], -1)


def _one(z: Ints) -> Ints:
    """Spikes of each image by step and address, (B, K * neurons)."""
    return z.reshape(len(z), -1)


def _rank(z: Ints, axis: int) -> Ints:
    """How many spikes are before each one along an axis."""
    found: Ints = np.cumsum(z, axis=axis) - z
    return found


def _last_of_step(at: int, z: Ints) -> Mask:
    return np.asarray((_rank(_flat(z)[..., ::-1], 2)[..., ::-1] == 0) & _step_at(z, at))


def _step_at(z: Ints, at: int) -> Mask:
    return (np.arange(z.shape[1]) == at % z.shape[1])[:, None]


def _rank_left(n: int, z: Ints) -> Mask:
    return np.asarray(_rank(_flat(z)[..., ::-1], 2)[..., ::-1] >= n)


def _before(z: Ints, axis: int, by: int = 1) -> Ints:
    """Spikes `by` before along an axis, 0 beyond its ends; of the step before where it is the first axis of steps."""
    found = np.roll(z, by, axis)
    at = [slice(None)] * z.ndim
    at[axis] = slice(0, by) if by > 0 else slice(by, None)
    found[tuple(at)] = 0
    return found


def _but_first(z: Ints) -> Mask:
    return (np.arange(z.shape[1]) > 0).reshape(1, -1, *[1] * (z.ndim - 2))


def _behind_silence(z: Ints) -> Mask:
    silent = ~_flat(z).any(axis=2, keepdims=True)
    found = np.zeros_like(silent)
    found[:, 1:] = silent[:, :-1]
    return found


def _grouped(n: int, test: Callable[[Ints], Mask], z: Ints) -> Mask:
    """A test of whole groups of neighbours (B, K, groups, n); what is behind the last of them is not meant."""
    flat = _flat(z)
    kept = flat.shape[2] // n * n
    found = np.zeros(flat.shape, np.bool_)
    groups = flat[:, :, :kept].reshape(*flat.shape[:2], -1, n)
    found[:, :, :kept] = np.broadcast_to(test(groups), groups.shape).reshape(*flat.shape[:2], kept)
    return found


def _last_of_all(groups: Ints) -> Mask:
    return groups.all(axis=-1, keepdims=True) & (np.arange(groups.shape[-1]) == groups.shape[-1] - 1)


def _first_of_all(groups: Ints) -> Mask:
    return groups.all(axis=-1, keepdims=True) & (np.arange(groups.shape[-1]) == 0)


def _along(axis: int, test: Callable[[Ints], Mask], z: Ints) -> Mask:
    """A test of the spikes of each place of an axis, in the order of addresses."""
    moved = np.moveaxis(z, axis, 0)
    rows = moved.reshape(*moved.shape[:3], -1)
    found = np.stack([test(own) for own in rows]).reshape(moved.shape)
    return np.moveaxis(found, 0, axis)
