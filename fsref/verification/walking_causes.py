"""Mistakes of how the products of a projection are walked: rows of weights, ends of loops, tiles and groups (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.projections import Linear
from fsref.verification.consequences import Cause
from fsref.verification.deliveries import Mistake, found_by
from fsref.verification.scene import Scene
from fsref.verification.tap_causes import ENDS, TILES
from fsref.verification.taps import Taps, forms, of_conv, of_dense
from fsref.verification.widths import saturated, wrapped

WORDS = (2, 4, 8, 16)  # weights that a row is filled up to a multiple of
RUNS = (1, 3, 7, 15, 31)  # zeros that a field counts
PORT_BITS = (8, 12, 16, 20, 24)  # of what a projection delivers


def rows_apart(scene: Scene) -> Iterator[Mistake]:
    """Rows of a kernel that begin as far apart as it is high, or of a matrix, filled up to words."""

    def high(t: Taps) -> Taps:
        _, inputs, kh, kw = t.sizes
        return t.but(weight=(t.o * inputs + t.i) * kh * kw + t.r * kh + t.c)

    yield from forms(of_conv(high), apart="kh")
    for n in WORDS:

        def filled(t: Taps, n: int = n) -> Taps:
            return t.but(weight=t.o * (-(-t.sizes[1] // n) * n) + t.i)

        def then_nothing(t: Taps, n: int = n) -> Taps:
            weight = t.o * (-(-t.sizes[1] // n) * n) + t.i
            return t.but(weight=weight, there=t.there & (weight < t.q.weights.size))

        yield from forms(of_dense(filled, then_nothing), apart=f"as if filled up to {n}")


def serpentine(t: Taps) -> Taps:
    """Every other row of a kernel from the right to the left."""
    _, inputs, kh, kw = t.sizes
    columns = np.where(t.r % 2 == 1, kw - 1 - t.c, t.c)
    return t.but(weight=((t.o * inputs + t.i) * kh + t.r) * kw + columns)


def loops_ended(scene: Scene) -> Iterator[Mistake]:
    """Loops that end before their last: inputs of the last group, inputs or outputs behind so many, and the last input
    of the last tile of outputs.
    """

    def of_last_group(t: Taps) -> Taps | None:
        outputs, inputs, _, _ = t.sizes
        last = (t.o >= outputs - outputs // t.q.groups) & (t.i == inputs - 1)
        return None if t.q.groups == 1 or inputs == 1 else t.but(there=t.there & ~last)

    yield from forms(of_conv(of_last_group), which="the last input of the last group")
    for n in ENDS:

        def inputs_behind(t: Taps, n: int = n) -> Taps:
            return t.but(there=t.there & (t.i < n))

        def inputs_modulo(t: Taps, n: int = n) -> Taps:
            return t.but(there=t.there & (t.i < (t.sizes[1] % n or n)))

        yield from forms(of_conv(inputs_behind), which=f"inputs behind {n}")
        yield from forms(of_conv(inputs_modulo), which=f"inputs behind what is left of {n}")
    for n in ENDS:

        def outputs_behind(t: Taps, n: int = n) -> Taps:
            return t.but(there=t.there & (t.o < n))

        def outputs_modulo(t: Taps, n: int = n) -> Taps:
            return t.but(there=t.there & (t.o < (t.sizes[0] % n or n)))

        yield from forms([outputs_behind, outputs_modulo], which=f"outputs behind {n}, or behind what is left of {n}")
    for n in TILES:

        def last_tile(t: Taps, n: int = n) -> Taps | None:
            outputs, inputs, kh, kw = t.sizes
            if outputs <= n:
                return None  # it is no tile
            end = (t.i == inputs - 1) & (t.r == kh - 1) & (t.c == kw - 1)
            return t.but(there=t.there & ~((t.o >= outputs // n * n) & end))

        yield from forms([last_tile], which=f"the last input of the last, partial tile of {n} outputs")


def last_tap_twice(scene: Scene) -> Iterator[Mistake]:
    """The last product of the last output, or of each, counts twice."""

    def end(t: Taps) -> Ints:
        _, inputs, kh, kw = t.sizes
        found: Ints = (t.i == inputs - 1) & (t.r == kh - 1) & (t.c == kw - 1)
        return found

    def last(t: Taps) -> Taps:
        outputs, rows, columns = t.target
        neuron = (t.o * rows + t.oy) * columns + t.ox
        return t.but(times=1 + (end(t) & (neuron == outputs * rows * columns - 1)))

    yield from forms([last], which="the last output")
    yield from forms([lambda t: t.but(times=1 + end(t))], which="every output")


def weight_late(scene: Scene) -> Iterator[Mistake]:
    """The first tap of a further input has the weight before it: everywhere, or at the beginning of a row."""

    def late(t: Taps, beginning: bool) -> Taps:
        at = (t.i > 0) & (t.r == 0) & (t.c == 0) & ((t.ox == 0) | ~np.bool_(beginning))
        return t.but(weight=t.weight - at)

    yield from forms(of_conv(partial(late, beginning=True), partial(late, beginning=False)))


def of_first_of_group(t: Taps) -> Taps | None:
    """All outputs of a group have the weights of its first."""
    outputs, inputs, kh, kw = t.sizes
    size = outputs // t.q.groups
    return None if t.q.groups == 1 else t.but(weight=(((t.o - t.o % size) * inputs + t.i) * kh + t.r) * kw + t.c)


def group_bases(scene: Scene) -> Iterator[Mistake]:
    """The inputs of a group begin at its number times its outputs; beyond the end the last, or from the beginning."""

    def base(t: Taps, wraps: bool) -> Taps | None:
        size = t.sizes[0] // t.q.groups
        channel = t.o // size * size + t.i
        count = t.source[0]
        return None if t.q.groups == 1 else t.but(channel=channel % count if wraps else np.minimum(channel, count - 1))

    yield from forms(of_conv(partial(base, wraps=False), partial(base, wraps=True)))


def behind_zeros(scene: Scene) -> Iterator[Mistake]:
    """A weight behind more zeros in its row than a field counts is 0."""

    def lost(scene: Scene, name: str, q: Linear, most: int) -> Ints | None:
        w = q.weights.astype(np.int64)
        rows = w.reshape(len(w), -1)
        number = np.arange(rows.shape[1])
        before = np.maximum.accumulate(np.where(rows != 0, number, -1), axis=1)
        last = np.concatenate([np.full((len(rows), 1), -1), before[:, :-1]], axis=1)
        kept = np.where(number - last - 1 > most, 0, rows).reshape(w.shape)
        if np.array_equal(kept, w):
            return None
        return reference.along(scene.codes[q.source], replace(q, weights=kept), scene.population.shape)

    for most in RUNS:
        yield partial(lost, most=most), {"count": most}


def of_the_first(scene: Scene) -> Iterator[Mistake]:
    """Further projections into a population have the weights of the first."""
    first = next(iter(scene.into.values()))

    def change(scene: Scene, name: str, q: Linear) -> Ints | None:
        if q is first:
            return None
        flat = first.weights.astype(np.int64).ravel()
        weights = flat[np.arange(q.weights.size) % flat.size].reshape(q.weights.shape)
        return reference.along(scene.codes[q.source], replace(q, weights=weights), scene.population.shape)

    if len(scene.into) > 1:
        yield change, {}


def port_too_narrow(scene: Scene) -> Iterator[Mistake]:
    """What a projection delivers in all is cut before it is added to the others."""
    if len(scene.into) > 1:
        for bits in PORT_BITS:
            for cut in (wrapped, saturated):

                def narrow(
                    scene: Scene, name: str, q: Linear, bits: int = bits, cut: Callable[[Ints, int], Ints] = cut
                ) -> Ints:
                    return cut(scene.sums[name], bits)

                yield narrow, {"bits": bits}


def one_alone(scene: Scene) -> Iterator[Mistake]:
    """Of several projections one alone is left."""
    names = list(scene.into)
    for kept in (names[-1], names[0]) if len(names) > 1 else ():

        def alone(scene: Scene, name: str, q: Linear, kept: str = kept) -> Ints | None:
            return None if name == kept else 0 * scene.sums[name]

        yield alone, {"projection": kept}


WALKING = (
    Cause(
        "projection-alone",
        "all projections into a population add up: yours keeps {projection} alone [PROJ-6]",
        found_by(one_alone),
    ),
    Cause(
        "port-too-narrow",
        "projections are added as they are: yours keeps {bits} bits of each before that [PROJ-6]",
        found_by(port_too_narrow),
    ),
    Cause(
        "weights-of-the-first-projection",
        "each projection has its own weights: further ones of yours have those of the first [PROJ-6]",
        found_by(of_the_first),
    ),
    Cause(
        "weight-rows-apart",
        "rows of weights begin as far apart as they are long: yours {apart} [PROJ-1]",
        found_by(rows_apart),
    ),
    Cause(
        "loop-ends-early",
        "all inputs and all outputs count: yours leaves out {which} [PROJ-1]",
        found_by(loops_ended),
    ),
    Cause(
        "last-tap-twice",
        "each product counts once: in yours the last of {which} counts twice [PROJ-1]",
        found_by(last_tap_twice),
    ),
    Cause(
        "serpentine",
        "rows of a kernel are read from left to right: yours every other from right to left [PROJ-1]",
        found_by(lambda scene: forms(of_conv(serpentine))),
    ),
    Cause(
        "weight-of-the-tap-before",
        "each tap has its own weight: in yours the first of a further channel has the one before it [PROJ-1]",
        found_by(weight_late),
    ),
    Cause(
        "weights-of-the-first-of-a-group",
        "each output has its own weights: in yours all of a group have those of its first [PROJ-3]",
        found_by(lambda scene: forms(of_conv(of_first_of_group))),
    ),
    Cause(
        "group-begins-elsewhere",
        "the inputs of group g begin at g times the inputs of a group: yours at g times its outputs [PROJ-3]",
        found_by(group_bases),
    ),
    Cause(
        "weights-behind-zeros-lost",
        "weights count behind zeros, too: yours are 0 behind more than {count} of these [PROJ-1]",
        found_by(behind_zeros),
    ),
)
