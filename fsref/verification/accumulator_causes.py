"""Mistakes of accumulators: too few bits, at the end or in each step, or no sign (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints, base_two
from fsref.law.populations import FS, Readout
from fsref.law.projections import Projection
from fsref.verification.consequences import Cause, Effects, Follow, both, of_membranes, opened, searched
from fsref.verification.scene import Scene
from fsref.verification.widths import saturated, too_narrow, unsigned, wrapped

SIGNLESS = (8, 16, 24, 32, 40)  # bits of accumulators without a sign tried

ADDED = 2**20  # integers added, spike by spike, after which additions are not followed one by one

Saturating: TypeAlias = tuple[int, bool, bool]  # bits, whether the bias comes last, whether it doubles


def narrow(change: Callable[[Ints, int], Ints]) -> Follow:
    """An accumulator of fewer bits than the membranes need, which does this with what does not fit: with the bias in
    it, or before the bias is added.
    """

    def forms(scene: Scene) -> Iterator[tuple[int, bool]]:
        for last in (False, True):
            v = without_bias(scene) if last else scene.opening
            if v is not None:
                yield from ((bits, last) for bits in too_narrow(int(v.min()), int(v.max())))

    def gives(scene: Scene, form: tuple[int, bool]) -> Effects:
        def follow(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
            bits, bias = form[0], form[1] * p.bias_map
            found = opened(p, change(v - bias, bits) + bias).of(bits=bits)
            yield found
            yield replace(found, opening=v)  # seen before it is cut

        return of_membranes(follow)(scene)

    return searched(forms, gives)


def without_bias(scene: Scene) -> Ints | None:
    """The sum of all that arrives, (B, C, H, W), None where nothing does."""
    return sum(scene.sums.values(), np.int64(0) + 0 * scene.opening) if scene.opening is not None else None


def arrivals(scene: Scene) -> list[Ints]:
    """What arrives in each step of the window in which a population receives, (B, C, H, W) each: all sources end with
    its last step (TIME-4).
    """
    longest = max(len(steps) for steps in scene.step_sums.values())
    arrived: list[Ints] = [np.zeros(1, np.int64)] * longest
    for steps in scene.step_sums.values():
        for at, sums in enumerate(steps, longest - len(steps)):
            arrived[at] = arrived[at] + sums
    return arrived


def partial(arrived: list[Ints], bias: Ints, last: bool, doubling: bool, bits: int = 62) -> Iterator[Ints]:
    """An accumulator that saturates at so many bits, after each step: it starts with the bias, or gets it `last`;
    `doubling`, it is doubled in each step, in which what arrives is not yet weighted.
    """
    v = 0 * bias if last else saturated(bias, bits)
    for later, sums in zip(reversed(range(len(arrived))), arrived, strict=True):
        v = saturated(2 * v + (sums >> later) if doubling else v + sums, bits)
        yield v
    if last:
        yield saturated(v + bias, bits)


def saturating_forms(scene: Scene) -> Iterator[Saturating]:
    """The widths at which some partial sum does not fit."""
    sums = without_bias(scene)
    if scene.opening is None or sums is None:
        return
    bias = scene.opening - sums
    d = [scene.net.code_weights[q.source] for q in scene.into.values()]
    binary = all((rows == base_two(rows.shape[1])).all() for rows in d)
    for last, doubling in ((False, False), (True, False), (True, True)):
        if binary or not doubling:
            held = list(partial(arrivals(scene), bias, last, doubling))
            for bits in too_narrow(min(int(v.min()) for v in held), max(int(v.max()) for v in held)):
                yield bits, last, doubling


def saturating(scene: Scene, form: Saturating) -> Effects:
    """An accumulator that saturates as the steps come in."""

    def follow(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
        bits, last, doubling = form
        *_, v = partial(arrivals(scene), p.bias_map, last, doubling, bits)
        yield opened(p, np.broadcast_to(v, scene.codes[p.name].shape)).of(bits=bits)

    return of_membranes(follow)(scene)


def last_step_alone(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """The sum is cleared in each step: what came in the last is left."""
    *_, last = arrivals(scene)
    yield opened(p, p.bias_map + last + 0 * v)
    if len(scene.into) > 1:  # cleared for each projection, too
        *_, (*_, last) = scene.step_sums.values()
        yield opened(p, p.bias_map + last)


def doubled_in_each_step(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """The sum is doubled in each step, and a spike adds its weight: right where d is 2^(K - 1 - t); and so is the bias
    that it begins with.
    """
    more: Ints = 0 * v
    for name, q in scene.into.items():
        plane = scene.spikes(q.source)
        sums = [reference.along(plane[:, t].astype(np.int64), q, p.shape) for t in range(plane.shape[1])]
        for later, each, right in zip(reversed(range(len(sums))), sums, scene.step_sums[name], strict=True):
            more = more + (each << later) - right
    yield opened(p, v + more)
    if len(scene.into) == 1:
        yield opened(p, v + more + (p.bias_map << len(sums)) - p.bias_map)


def without_sign(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """A negative membrane is read as a large one."""
    if int(v.min()) < 0:
        for bits in SIGNLESS:
            yield opened(p, unsigned(v, bits)).of(bits=bits)


def additions(scene: Scene) -> Iterator[Ints]:
    """What is added spike by spike, projection by projection and in each step by step: (B, C, H, W) each, of those that
    are few.
    """
    for q in scene.into.values():
        d, spikes = scene.net.code_weights[q.source], scene.spikes(q.source)
        single = list(singles(q))
        if len(single) * d.shape[1] * scene.codes[scene.population.name].size > ADDED:
            return
        for t in range(d.shape[1]):
            plane = spikes[:, t] * d[:, t, None, None]
            yield from (reference.along(plane, one, scene.population.shape) for one in single)


def singles(q: Projection) -> Iterator[Projection]:
    """A projection, one input or tap at a time."""
    w = q.weights.astype(np.int64)
    for at in np.ndindex(*w.shape[1:]):
        one = np.zeros_like(w)
        one[(slice(None), *at)] = w[(slice(None), *at)]
        if one.any():
            yield replace(q, weights=one)


def added(scene: Scene, p: FS | Readout, rule: Callable[[Ints], Ints]) -> Iterator[Ints]:
    """The membrane when each addition ends so: from the bias on, or with the bias last. Nothing where they are many."""
    steps = list(additions(scene))
    for bias in (True, False) if steps else ():
        v = (p.bias_map if bias else 0 * p.bias_map) + 0 * scene.codes[p.name]
        for more in steps:
            v = np.where(more != 0, rule(v + more), v)
        yield v if bias else v + p.bias_map


def floored(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """An accumulator that stops at zero with each addition."""
    yield from (opened(p, found) for found in added(scene, p, lambda v: np.maximum(v, 0)))


def adding_forms(scene: Scene) -> Iterator[int]:
    """The widths at which some sum on the way, spike by spike, does not fit."""
    low, high, v = 0, 0, np.zeros(1, np.int64)
    if scene.opening is not None:
        v = v + scene.opening - sum(scene.sums.values())
        for more in additions(scene):
            v = v + more
            low, high = min(low, int(v.min())), max(high, int(v.max()))
        yield from too_narrow(low, high)


def saturating_additions(scene: Scene, bits: int) -> Effects:
    """An accumulator that saturates with each addition."""

    def follow(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
        yield from (opened(p, found).of(bits=bits) for found in added(scene, p, lambda v: saturated(v, bits)))

    return of_membranes(follow)(scene)


def never_below_zero(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """An accumulator that stops at zero in each step, from the bias on, or with the bias last."""
    for last in (False, True):
        low: Ints = np.maximum(0 * p.bias_map if last else p.bias_map, 0)
        for sums in arrivals(scene):
            low = np.maximum(low + sums, 0)
        yield opened(p, np.broadcast_to(low + last * p.bias_map, v.shape))


ACCUMULATOR = (
    Cause("accumulator-wraps", "the membrane does not fit {bits} bits: it wraps [RANGE-2]", narrow(wrapped)),
    Cause("accumulator-saturates", "the membrane does not fit {bits} bits: it saturates [RANGE-1]", narrow(saturated)),
    Cause(
        "accumulator-saturates-early",
        "sums on the way do not fit {bits} bits: yours saturates in each step, not at the end [RANGE-1]",
        both(searched(saturating_forms, saturating), searched(adding_forms, saturating_additions)),
    ),
    Cause(
        "accumulator-stops-at-zero",
        "sums on the way may be negative: yours stops at zero in each step [RANGE-1]",
        both(of_membranes(never_below_zero), of_membranes(floored)),
    ),
    Cause(
        "last-step-alone",
        "what all steps deliver is summed up: yours keeps the last step alone [PROJ-1]",
        of_membranes(last_step_alone),
    ),
    Cause(
        "doubled-in-each-step",
        "a spike of step t delivers w * d[t]: yours doubles the sum, or the bias too, in each step [PROJ-1]",
        of_membranes(doubled_in_each_step),
    ),
    Cause(
        "accumulator-unsigned",
        "a membrane may be negative: yours is read without a sign, so it is a large one [RANGE-1]",
        of_membranes(without_sign),
    ),
)
