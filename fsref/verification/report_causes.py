"""Mistakes of what is told, not of what is computed: an observable in another form, or of another moment (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.verification.consequences import Cause, Effects, of_fs, of_membranes, opened
from fsref.verification.scene import Effect, Scene
from fsref.verification.widths import saturated, unsigned, wrapped

CODE_BITS = (4, 6, 8, 10, 12, 16, 24)  # of codes that are told


def right_of(p: FS, v: Ints) -> Effect:
    """What is right of FS neurons."""
    return opened(p, v)


def membranes_before(p: FS, v: Ints) -> Effects:
    """The membranes of a step are told as they are before the reset."""
    found = right_of(p, v)
    assert found.membranes is not None, "as many steps as the table has"
    yield Effect(membranes=np.concatenate([v[:, None], found.membranes[:, :-1]], axis=1))


def neuron_by_neuron(p: FS, v: Ints) -> Effects:
    """The membranes are told neuron by neuron, all steps of each."""
    found = right_of(p, v)
    assert found.membranes is not None, "as many steps as the table has"
    rows = found.membranes.reshape(len(v), p.steps, -1)
    yield Effect(membranes=rows.swapaxes(1, 2).reshape(found.membranes.shape))


def opening_without_bias(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """The opening membrane is told without the bias, or the sums with it."""
    if p.steps:
        yield Effect(opening=v - p.bias_map)


def sums_with_bias(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
    """The sums of projections are told with the bias."""
    yield Effect(opening=v + len(scene.sums) * p.bias_map)


def trains_turned(scene: Scene) -> Effects:
    """The words of trains have the first spike lowest."""
    p = scene.population
    if p.name in scene.trains:
        yield Effect(spikes=reference.words(scene.spikes(p.name)[:, ::-1]))


def codes_clipped(scene: Scene) -> Effects:
    """Codes are told between 0 and 2^K - 1."""
    p = scene.population
    if p.name in scene.trains and p.name in scene.codes:
        yield Effect(np.clip(scene.codes[p.name], 0, (1 << scene.net.steps[p.name]) - 1))


def codes_too_narrow(scene: Scene) -> Effects:
    """Codes are told in so few bits, with a sign or without one."""
    p = scene.population
    if p.name in scene.trains and p.name in scene.codes:
        for bits in CODE_BITS:
            for change in (unsigned, wrapped, saturated):
                yield Effect(change(scene.codes[p.name], bits)).of(bits=bits)


def all_told(change: Callable[[Ints], Ints]) -> Callable[[Scene], Effects]:
    """Everything is told in another form."""

    def follow(scene: Scene) -> Effects:
        p = scene.population
        codes = scene.codes.get(p.name)
        trains = scene.trains.get(p.name)
        opening = scene.opening
        membranes = None
        match p:
            case FS() if opening is not None:
                membranes = right_of(p, opening).membranes
            case _:
                pass
        told = [None if values is None else change(values) for values in (codes, opening, membranes)]
        spikes = None if trains is None else change(trains.astype(np.int64)).astype(np.uint16)
        yield Effect(told[0], told[1], spikes, told[2])
        yield Effect(told[0], None, spikes, told[2])  # where the opening membrane was given

    return follow


def repeated(values: Ints) -> Ints:
    """The last value of each answer (B, ..., C, H, W) is the one before it."""
    flat = values.reshape(len(values), -1).copy()
    if flat.shape[1] > 1:
        flat[:, -1] = flat[:, -2]
    return flat.reshape(values.shape)


REPORT = (
    Cause(
        "membranes-before-the-reset",
        "the membrane of a step is what is left behind its reset: yours is told before it [OBS-1]",
        of_fs(membranes_before),
    ),
    Cause(
        "membranes-neuron-by-neuron",
        "membranes are told step by step: yours neuron by neuron [OBS-1]",
        of_fs(neuron_by_neuron),
    ),
    Cause(
        "opening-without-bias",
        "the opening membrane holds the bias: yours is told without it [OBS-1]",
        of_membranes(opening_without_bias),
    ),
    Cause(
        "sums-with-bias",
        "the sum of a projection is what it delivers: yours is told with the bias [PROJ-6]",
        of_membranes(sums_with_bias),
    ),
    Cause("trains-turned", "the first spike is the highest bit of a word: in yours the lowest [OBS-1]", trains_turned),
    Cause("codes-clipped", "codes may lie outside 0..2^K - 1: yours end there [OBS-1]", codes_clipped),
    Cause(
        "codes-too-narrow",
        "codes are numbers of any sign: yours are told in {bits} bits [OBS-1]",
        codes_too_narrow,
    ),
    Cause(
        "told-without-sign",
        "what is told may be negative: yours keeps 32 bits without a sign [OBS-1]",
        all_told(lambda values: values & 0xFFFFFFFF),
    ),
    Cause(
        "last-value-repeated",
        "every value is told: in yours the last is the one before it [OBS-1]",
        all_told(repeated),
    ),
)
