"""Sums that are made spike by spike, and what goes wrong with an addition (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.law.projections import Linear
from fsref.verification.consequences import Effects, of_membranes, opened
from fsref.verification.scene import Scene
from fsref.verification.widths import saturated, too_narrow

ADDED = 2**20  # integers added, spike by spike, after which additions are not followed one by one
HALVES = (16, 8, 24)  # bits of the lower part of an adder in two parts

Adding: TypeAlias = Callable[[Ints, Ints], Ints]  # from the sum so far and what is added


@lru_cache(maxsize=4)  # more would be beyond the memory that `diff` counts with
def additions(scene: Scene, together: bool = False) -> tuple[Ints, ...]:
    """What is added spike by spike, projection by projection and in each step by step, or `together` in the steps in
    which a population receives: (B, C, H, W) each, of those that are few; none where gates deliver,
    too.
    """
    if len(scene.into) < len(scene.sums):
        return ()
    parts = [(scene.net.code_weights[q.source], scene.spikes(q.source), list(singles(q))) for q in scene.into.values()]
    if sum(len(single) * d.shape[1] for d, _, single in parts) * scene.codes[scene.population.name].size > ADDED:
        return ()
    longest = max((d.shape[1] for d, _, _ in parts), default=0)
    order = [(t, part) for part in parts for t in range(part[0].shape[1])]
    if together:
        order.sort(key=lambda at: longest - at[1][0].shape[1] + at[0])
    shape = scene.population.shape
    return tuple(
        reference.along(spikes[:, t] * d[:, t, None, None], one, shape)
        for t, (d, spikes, single) in order
        for one in single
    )


def singles(q: Linear) -> Iterator[Linear]:
    """A projection, one input or tap at a time."""
    w = q.weights.astype(np.int64)
    for at in np.ndindex(*w.shape[1:]):
        one = np.zeros_like(w)
        one[(slice(None), *at)] = w[(slice(None), *at)]
        if one.any():
            yield replace(q, weights=one)


def added(scene: Scene, p: FS | Readout, rule: Adding) -> Iterator[Ints]:
    """The membrane when each addition is made so: from the bias on, or with the bias last. Nothing where they are
    many.
    """
    for together in (False, True) if len(scene.into) > 1 else (False,):
        steps = additions(scene, together)
        for bias in (True, False) if steps else ():
            v = (p.bias_map if bias else 0 * p.bias_map) + 0 * scene.codes[p.name]
            for more in steps:
                v = np.where(more != 0, rule(v, more), v)
            yield v if bias else v + p.bias_map


def floored(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """An accumulator that stops at zero with each addition."""
    yield from (opened(p, found) for found in added(scene, p, lambda v, more: np.maximum(v + more, 0)))


def answered(scene: Scene) -> tuple[int, int]:
    """The lowest and highest sum that was answered, the bias left out; 0 and 0 where none was."""
    match scene.population:
        case (FS() | Readout()) as p:
            told = scene.theirs.get("opening", None if p.steps else scene.theirs.get("codes"))
        case _:
            return 0, 0
    if told is None:
        return 0, 0
    inside = [values[..., scene.part] if scene.part is not None else values for values in (told, told - p.bias_map)]
    return max(int(v.min()) for v in inside), min(int(v.max()) for v in inside)


def adding_forms(scene: Scene) -> Iterator[int]:
    """The widths at which some sum on the way, spike by spike, does not fit, and that hold what was answered, of one
    sign at least.
    """
    low, high, v = 0, 0, np.zeros(1, np.int64)
    if scene.opening is not None:
        v = v + scene.opening - sum(scene.sums.values())
        for more in additions(scene):
            v = v + more
            low, high = min(low, int(v.min())), max(high, int(v.max()))
        least, most = answered(scene)
        narrow = [bits for bits in too_narrow(low, high) if -(1 << (bits - 1)) <= least or most < 1 << (bits - 1)]
        yield from narrow if scene.theirs else narrow[-1:]


def saturating_additions(scene: Scene, bits: int) -> Effects:
    """An accumulator that saturates with each addition."""

    def follow(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
        yield from (
            opened(p, found).of(bits=bits) for found in added(scene, p, lambda v, more: saturated(v + more, bits))
        )

    return of_membranes(follow)(scene)


def one_sided_additions(scene: Scene, bits: int) -> Effects:
    """An accumulator that saturates with each addition, below or above alone."""

    def follow(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
        low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
        rules: tuple[Adding, ...] = (
            lambda v, more: np.maximum(v + more, low),
            lambda v, more: np.minimum(v + more, high),
        )
        for rule in rules:
            yield from (opened(p, found).of(bits=bits) for found in added(scene, p, rule))

    return of_membranes(follow)(scene)


def bias_again(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """A sum that is 0 on the way begins with the bias again."""
    bias = p.bias_map
    yield from (opened(p, found) for found in added(scene, p, lambda v, more: np.where(v == 0, bias, v) + more))


def carry_forms(scene: Scene) -> Iterator[int]:
    """The bits of the lower part of an adder."""
    yield from HALVES


def carry_lost(scene: Scene, bits: int) -> Effects:
    """An adder in two parts, whose carry is lost: always, or where what is added is positive."""

    def follow(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
        low = (1 << bits) - 1

        def added_apart(v: Ints, more: Ints) -> Ints:
            return v + more - (((v & low) + (more & low)) >> bits << bits)

        rules: tuple[Adding, ...] = (added_apart, lambda v, more: np.where(more > 0, added_apart(v, more), v + more))
        for rule in rules:
            yield from (opened(p, found).of(bit=bits - 1) for found in added(scene, p, rule))

    return of_membranes(follow)(scene)
