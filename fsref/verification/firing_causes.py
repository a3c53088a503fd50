"""Mistakes of the comparison, in some steps or for some membranes (OBS-4)."""

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
from fsref.verification.widths import wrapped

Spikes: TypeAlias = NDArray[np.bool_]
Fires: TypeAlias = Callable[[int, Ints, Ints, list[Spikes]], Spikes]  # step, v, T, what was fired before
Lowers: TypeAlias = Callable[[int, Ints, Spikes, Ints], Ints]  # step, v, what fires, h
Where: TypeAlias = Callable[[FS, int, Ints, Ints, list[Spikes]], Spikes | bool]  # the same, of an fs

LANES = (2, 4, 8, 16, 32)  # neurons that are computed together
COUNTS = (8, 16, 32, 64, 128, 256)  # neurons behind which a counter ends
SUBTRACTED = (8, 16, 24, 32)  # bits of a difference that is compared with 0

WHERE: dict[str, Where] = {  # where alone a comparison may be wrong
    "": lambda p, t, v, T, before: True,
    "in the last step alone": lambda p, t, v, T, before: t == p.steps - 1,
    "in the first step alone": lambda p, t, v, T, before: t == 0,
    "right behind a spike": lambda p, t, v, T, before: before[-1] if before else False,
    "where the threshold is 0": lambda p, t, v, T, before: T == 0,
    "where the threshold is negative": lambda p, t, v, T, before: T < 0,
    "where the threshold is 0 or less": lambda p, t, v, T, before: T <= 0,
}


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


def comparing(*rules: Fires) -> Callable[[FS, Ints], Effects]:
    """Another comparison, in some forms: everywhere, or in some steps alone."""

    def follow(p: FS, v: Ints) -> Effects:
        for words, where in WHERE.items():
            for rule in rules:

                def fires(
                    t: int, v: Ints, T: Ints, before: list[Spikes], rule: Fires = rule, where: Where = where
                ) -> Spikes:
                    return np.where(where(p, t, v, T, before), rule(t, v, T, before), v >= T)

                yield ran(p, v, fires).of(words)

    return follow


def firing(*rules: Callable[[FS], Fires]) -> Callable[[FS, Ints], Effects]:
    """Another comparison, in some forms."""

    def follow(p: FS, v: Ints) -> Effects:
        yield from (ran(p, v, fires=rule(p)) for rule in rules)

    return follow


UNSIGNED: tuple[Fires, ...] = (  # both sides, the magnitude, the threshold alone, the membrane alone
    lambda t, v, T, before: (v >= T) ^ ((v < 0) != (T < 0)),
    lambda t, v, T, before: np.abs(v) >= T,
    lambda t, v, T, before: (v >= T) & (T >= 0),
    lambda t, v, T, before: (v >= T) | ((v < 0) & (T >= 0)),
)


def narrow_difference(p: FS, v: Ints) -> Effects:
    """The sign of v - T is that of so few bits."""
    for bits in SUBTRACTED:

        def fires(t: int, v: Ints, T: Ints, before: list[Spikes], bits: int = bits) -> Spikes:
            return wrapped(v - T, bits) >= 0

        yield ran(p, v, fires).of(bits=bits)


def negative_ones(p: FS, v: Ints) -> Effects:
    """A membrane below 0 never fires, or that of a neuron that opens below 0."""
    yield ran(p, v, lambda t, v, T, before: (v >= T) & (v >= 0))
    first = v >= 0
    yield ran(p, v, lambda t, v, T, before: (v >= T) & first).of("where the window opens with a negative one")


def retired(p: FS, v: Ints) -> Effects:
    """A neuron whose reset leaves 0 never fires again."""
    done = np.zeros_like(v, np.bool_)

    def lowers(t: int, v: Ints, z: Spikes, h: Ints) -> Ints:
        left = v - h * z
        done[...] |= z & (left == 0)
        return left

    yield ran(p, v, lambda t, v, T, before: (v >= T) & ~done, lowers)


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
    """The last neuron, those behind the last full lanes, or behind a full counter, never fire."""
    number = np.arange(p.neurons).reshape(p.shape)
    behind = {p.neurons - count for count in COUNTS if count < p.neurons}
    for count in sorted(({1, *(p.neurons % lanes for lanes in LANES)} | behind) - {0, p.neurons}):

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
    Cause(
        "strict-comparison",
        "a neuron fires when v >= T, not when v > T: equality fires [FS-2]",
        of_fs(comparing(lambda t, v, T, before: v > T)),
    ),
    Cause(
        "compared-without-sign",
        "a membrane below a threshold does not fire, negative ones neither: yours compares without a sign [FS-2]",
        of_fs(comparing(*UNSIGNED)),
    ),
    Cause(
        "fires-below-its-threshold",
        "a neuron fires when v >= T: yours also when v is one below [FS-2]",
        of_fs(comparing(lambda t, v, T, before: v >= T - 1)),
    ),
    Cause(
        "difference-too-narrow",
        "v - T does not fit {bits} bits: its sign, which yours looks at, wraps there [FS-2]",
        of_fs(narrow_difference),
    ),
    Cause(
        "negative-never-fires",
        "a negative membrane fires where its threshold is no higher: yours never does [FS-2]",
        of_fs(negative_ones),
    ),
    Cause(
        "silent-behind-zero",
        "a neuron may fire again when a reset leaves 0: yours never does [FS-2]",
        of_fs(retired),
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
