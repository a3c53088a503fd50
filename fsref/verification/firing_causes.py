"""Mistakes of the comparison and of what a spike takes away, in some steps or for some membranes (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.verification.consequences import Cause, Effects, of_fs, of_membranes, opened
from fsref.verification.scene import Effect, Scene

Spikes: TypeAlias = NDArray[np.bool_]
Fires: TypeAlias = Callable[[int, Ints, Ints, list[Spikes]], Spikes]  # step, v, T, what was fired before
Lowers: TypeAlias = Callable[[int, Ints, Spikes, Ints], Ints]  # step, v, what fires, h

LANES = (2, 4, 8, 16, 32)  # neurons that are computed together


def fires_right(t: int, v: Ints, T: Ints, before: list[Spikes]) -> Spikes:
    """A neuron fires when v >= T (FS-2)."""
    return v >= T


def lowers_right(t: int, v: Ints, z: Spikes, h: Ints) -> Ints:
    """A spike lowers the membrane by h (FS-3)."""
    return v - h * z


def ran(p: FS, v: Ints, fires: Fires = fires_right, lowers: Lowers = lowers_right) -> Effect:
    """What FS neurons do from opening membranes v, when they fire and are lowered so."""
    T, h, d = p.table.rows(p.shape[0])
    opening, spikes, membranes = v, list[Spikes](), []
    for t in range(p.steps):
        spikes.append(fires(t, v, T[:, t, None, None], spikes))
        v = lowers(t, v, spikes[-1], h[:, t, None, None])
        membranes.append(v)
    trains = np.stack(spikes, axis=1)
    return Effect(reference.codes(trains, d), opening, reference.words(trains), np.stack(membranes, axis=1))


def firing(*rules: Callable[[FS], Fires]) -> Callable[[FS, Ints], Effects]:
    """Another comparison, in some forms."""

    def follow(p: FS, v: Ints) -> Effects:
        yield from (ran(p, v, fires=rule(p)) for rule in rules)

    return follow


def strict_in_a_step(p: FS, v: Ints) -> Effects:
    """Equality does not fire in one step, the first or the last."""
    for at, where in ((0, "in the first step alone"), (p.steps - 1, "in the last step alone")):

        def fires(t: int, v: Ints, T: Ints, before: list[Spikes], at: int = at) -> Spikes:
            return (v > T) if t == at else (v >= T)

        yield ran(p, v, fires).of(where)


def strict(p: FS, v: Ints) -> Effects:
    """Fires above a threshold, not at it: in all steps, in one, or at thresholds of 0 and below."""
    yield ran(p, v, lambda t, v, T, before: v > T)
    yield from strict_in_a_step(p, v)
    low = ran(p, v, lambda t, v, T, before: (v >= T) & ((v > T) | (T > 0)))
    yield low.of("where the threshold is 0 or less")


def without_sign(p: FS) -> Fires:
    """Both are compared as if they had no sign."""
    return lambda t, v, T, before: (v >= T) ^ ((v < 0) != (T < 0))


def magnitude(p: FS) -> Fires:
    """The magnitude is compared."""
    return lambda t, v, T, before: np.abs(v) >= T


def rests(p: FS) -> Fires:
    """A neuron is silent in the step behind a spike."""
    return lambda t, v, T, before: (v >= T) & ~before[-1] if before else v >= T


def stops(p: FS) -> Fires:
    """A neuron that has fired is silent for good after its first silent step."""

    def fires(t: int, v: Ints, T: Ints, before: list[Spikes]) -> Spikes:
        fired, done = np.zeros_like(v, np.bool_), np.zeros_like(v, np.bool_)
        for z in before:
            done |= fired & ~z
            fired |= z
        return (v >= T) & ~done

    return fires


def not_all(p: FS) -> Fires:
    """A neuron that fired in all steps before is silent in the last."""
    last = p.steps - 1
    return lambda t, v, T, before: (v >= T) & ~np.logical_and.reduce(before) if t == last > 0 else v >= T


def not_at_zero(p: FS) -> Fires:
    """A membrane of 0 does not fire."""
    return lambda t, v, T, before: (v >= T) & (v != 0)


def silent_at_the_top(p: FS, v: Ints) -> Effects:
    """A membrane that opens at exactly 2^K theta, twice the first threshold, fires in no step."""
    first = p.table.rows(p.shape[0])[0][:, 0, None, None]
    top = v == 2 * first
    yield ran(p, v, lambda t, v, T, before: (v >= T) & ~top)


def last_neurons_silent(p: FS, v: Ints) -> Effects:
    """The last neuron, or those behind the last full lanes, never fire."""
    number = np.arange(p.neurons).reshape(p.shape)
    for count in sorted({1, *(p.neurons % lanes for lanes in LANES)} - {0}):

        def fires(t: int, v: Ints, T: Ints, before: list[Spikes], count: int = count) -> Spikes:
            return (v >= T) & (number < p.neurons - count)

        yield ran(p, v, fires).of(count=count)


def some_steps(scene: Scene) -> Effects:
    """Nothing fires behind as many steps as a source has, or behind 8."""
    match scene.population:
        case FS() as p if scene.opening is not None:
            for steps in sorted({*(scene.net.steps[name] for name in scene.net.sources(p.name)), 8}):
                if steps < p.steps:

                    def fires(t: int, v: Ints, T: Ints, before: list[Spikes], steps: int = steps) -> Spikes:
                        return (v >= T) & (t < steps)

                    yield ran(p, scene.opening, fires).of(steps=steps)
        case _:
            return


def no_reset(p: FS, v: Ints) -> Effects:
    """A spike leaves the membrane as it is, in all steps or in the last."""
    yield ran(p, v, lowers=lambda t, v, z, h: v)
    last = p.steps - 1
    yield ran(p, v, lowers=lambda t, v, z, h: v if t == last else v - h * z).of("in the last step alone")


def lowered_late(p: FS, v: Ints) -> Effects:
    """A spike lowers the membrane in the next step, behind the comparison there."""
    owed: list[Ints] = [0 * v]

    def lowers(t: int, v: Ints, z: Spikes, h: Ints) -> Ints:
        owed.append(h * z)
        return v - owed[-2]

    yield ran(p, v, lowers=lowers)


def reset_ends_at_zero(p: FS, v: Ints) -> Effects:
    """A spike lowers the membrane to 0 at most."""
    yield ran(p, v, lowers=lambda t, v, z, h: np.where(z, np.maximum(v - h, 0), v))


def reset_masks(p: FS, v: Ints) -> Effects:
    """A spike keeps the bits of the membrane below h."""
    yield ran(p, v, lowers=lambda t, v, z, h: np.where(z, v & (h - 1), v))


def reset_magnitude(p: FS, v: Ints) -> Effects:
    """A spike lowers the membrane by the magnitude of h."""
    yield ran(p, v, lowers=lambda t, v, z, h: v - np.abs(h) * z)


def not_negative(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """A negative membrane is 0 when the window opens, seen so there or not."""
    found = opened(p, np.maximum(v, 0))
    yield found
    yield replace(found, opening=v)


def last_step_late(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """What a source sends in its last step, or the second one does, joins behind the first comparison."""
    match p:
        case FS():
            last = [steps[-1] for steps in scene.step_sums.values()]
            for late in (sum(last, 0 * v), last[-1]):

                def fires(t: int, v: Ints, T: Ints, before: list[Spikes], late: Ints = late) -> Spikes:
                    return (v if t else v - late) >= T

                yield ran(p, v, fires)
        case _:
            return


def late_bias(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """The bias joins behind the first comparison."""
    match p:
        case FS():
            late = p.bias_map
            yield ran(p, v, lambda t, v, T, before: (v if t else v - late) >= T)
        case _:
            return


FIRING = (
    Cause("strict-comparison", "a neuron fires when v >= T, not when v > T: equality fires [FS-2]", of_fs(strict)),
    Cause("no-reset", "a neuron that fires lowers its membrane by h: yours leaves it as it is [FS-3]", of_fs(no_reset)),
    Cause(
        "compared-without-sign",
        "a membrane below a threshold does not fire, negative ones neither: yours compares without a sign [FS-2]",
        of_fs(firing(without_sign, magnitude)),
    ),
    Cause(
        "rests-after-a-spike",
        "a neuron may fire in one step after the other: yours rests after a spike [FS-2]",
        of_fs(firing(rests)),
    ),
    Cause(
        "stops-after-a-gap",
        "a neuron may fire again behind silent steps: yours stops at the first one [FS-2]",
        of_fs(firing(stops)),
    ),
    Cause(
        "never-fires-in-all-steps",
        "a neuron may fire in each of its steps: yours is silent in the last one then [FS-2]",
        of_fs(firing(not_all)),
    ),
    Cause(
        "zero-never-fires",
        "a neuron fires when v >= T: yours does not when v is 0 [FS-2]",
        of_fs(firing(not_at_zero)),
    ),
    Cause(
        "silent-at-the-top",
        "a membrane of exactly 2^K theta fires in each step: yours in none [FS-2]",
        of_fs(silent_at_the_top),
    ),
    Cause(
        "last-neurons-silent",
        "all neurons fire: in yours the last {count} never do [FS-2]",
        of_fs(last_neurons_silent),
    ),
    Cause(
        "silent-behind-a-step",
        "a train has the K steps of its own population: yours is silent behind {steps} [FS-2]",
        some_steps,
    ),
    Cause(
        "reset-a-step-late",
        "a spike lowers the membrane before the next comparison: yours does it behind that [FS-3]",
        of_fs(lowered_late),
    ),
    Cause(
        "reset-ends-at-zero",
        "a reset may leave a negative membrane: yours ends at 0 [FS-3]",
        of_fs(reset_ends_at_zero),
    ),
    Cause(
        "reset-masks-bits",
        "a reset takes h away: yours masks bits, as if h were a power of two and v below 2 h [FS-3]",
        of_fs(reset_masks),
    ),
    Cause(
        "reset-without-sign",
        "a negative h raises the membrane: yours takes its magnitude away [FS-3]",
        of_fs(reset_magnitude),
    ),
    Cause(
        "negative-membrane-is-zero",
        "a membrane may be negative when its window opens: yours is 0 then [RANGE-1]",
        of_membranes(not_negative),
    ),
    Cause(
        "bias-joins-late",
        "the bias is in the membrane when its window opens: yours comes behind the first comparison [NET-5]",
        of_membranes(late_bias),
    ),
    Cause(
        "last-step-joins-late",
        "a window opens when all has come: yours compares before the last step of a source is in [TIME-4]",
        of_membranes(last_step_late),
    ),
)
