"""Mistakes of accumulators: too few bits, at the end or in each step, or no sign (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints, is_binary
from fsref.law.populations import FS, Readout
from fsref.verification.adding import (
    adding_forms,
    bias_again,
    carry_forms,
    carry_lost,
    floored,
    one_sided_additions,
    saturating_additions,
)
from fsref.verification.consequences import Cause, Effects, Follow, both, of_membranes, opened, searched
from fsref.verification.deliveries import touched
from fsref.verification.scene import Scene
from fsref.verification.widths import saturated, too_narrow, unsigned, wrapped

SIGNLESS = (8, 16, 24, 32, 40)  # bits of accumulators without a sign tried


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
            if not form[1]:
                yield opened(p, np.where(touched(scene), change(v, bits), v)).of(bits=bits)  # by an addition

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
    binary = all(map(is_binary, d))
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


def sided_forms(scene: Scene) -> Iterator[tuple[int, bool]]:
    """The widths that do not hold what adds up to one side, and whether it is the negative one."""
    if scene.opening is not None:
        for negative in (True, False):
            most = int(np.abs(one_side(scene, negative)).max(initial=0))
            narrow = list(too_narrow(-most if negative else 0, 0 if negative else most))
            yield from ((bits, negative) for bits in (narrow if scene.theirs else narrow[-1:]))


@lru_cache(maxsize=4)
def one_side(scene: Scene, negative: bool) -> Ints:
    """What adds up to one side, (B, C, H, W): products below 0, or those above."""
    total: Ints = 0 * scene.codes[scene.population.name]
    for q in scene.into.values():
        d, spikes, w = scene.net.code_weights[q.source], scene.spikes(q.source), q.weights.astype(np.int64)
        for d_negative in (True, False):
            signs = replace(
                q, weights=np.where((w < 0) != d_negative, w, 0) if negative else np.where((w < 0) == d_negative, w, 0)
            )
            own = np.where((d < 0) == d_negative, d, 0)
            total = total + reference.along(reference.codes(spikes, own), signs, scene.population.shape)
    return total


def one_sided(scene: Scene, form: tuple[int, bool]) -> Effects:
    """What adds up to one side saturates by itself."""

    def follow(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
        bits, negative = form
        side = one_side(scene, negative)
        yield opened(p, v - side + saturated(side, bits)).of(bits=bits)

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
        "accumulator-saturates-on-one-side",
        "sums do not fit {bits} bits: yours saturates there, on one side alone [RANGE-1]",
        both(searched(sided_forms, one_sided), searched(adding_forms, one_sided_additions)),
    ),
    Cause(
        "accumulator-stops-at-zero",
        "sums on the way may be negative: yours stops at zero in each step [RANGE-1]",
        both(of_membranes(never_below_zero), of_membranes(floored)),
    ),
    Cause(
        "bias-again-at-zero",
        "the bias is added once: yours again when a sum on the way is 0 [NET-5]",
        of_membranes(bias_again),
    ),
    Cause(
        "carry-lost",
        "an addition carries from bit {bit} to the next: yours loses it [RANGE-1]",
        searched(carry_forms, carry_lost),
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
