"""Weights that are integers times a step, as a quantised network trained them, read off real numbers (CONV-14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Reals
from fsref.law.neuron import Ints
from fsref.tables import Brief

LARGEST = 255  # of an integer of a grid: the difference of two of 8 bits
NEAR = 2.0**-22  # relative: two roundings to float32
SAME = 2.0**-40  # relative: what folding in float64 rounds
FEW = 32  # weights that a count of steps is tried on first
RATIO = 256  # of the steps of two terms


@dataclass(frozen=True, eq=False, repr=False)
class Grid(Brief):
    """Real weights (O, ...) as `integers` of the same shape times a step per output channel, (O,)."""

    integers: Ints
    steps: Reals

    def makes(self, weights: Reals) -> bool:
        """Whether these weights are the integers times the steps, but for what float64 rounds."""
        made = self.integers * self.steps.reshape(-1, *[1] * (weights.ndim - 1))
        return bool((np.abs(weights - made) <= SAME * np.abs(weights)).all())


def grid_of(weights: Reals, one: bool = False) -> Grid | None:
    """The grid of weights (O, ...): of a step for each output channel, or of one step where that makes no integer
    larger, or whatever it makes of them with `one`; None where there is none of integers up to LARGEST. Channels of
    zeros have step 0.
    """
    rows = weights.reshape(len(weights), -1)
    sizes = np.abs(rows).max(axis=1, initial=0.0)
    whole = step_of(rows.ravel())
    each = [] if one and whole else [step_of(row) for row in rows]
    if not (one and whole) and None in each:
        return None
    steps = np.array(each, np.float64)
    if whole and (one or sizes.max() / whole <= 1.5 * np.divide(sizes, steps, where=steps > 0, out=0 * sizes).max()):
        steps = np.where(sizes > 0, whole, 0.0)
    integers = np.rint(rows / np.where(steps, steps, 1.0)[:, None]).astype(np.int64)
    return Grid(integers.reshape(weights.shape), steps)


def on_grid(weights: Reals) -> Reals:
    """Weights (O, ...) as their integers times their steps, without what float32 rounded; as they are where they have
    no grid.
    """
    grid = grid_of(weights)
    return weights if grid is None else grid.integers * grid.steps.reshape(-1, *[1] * (weights.ndim - 1))


def step_of(numbers: Reals) -> float | None:
    """The largest step of which all numbers are integers up to LARGEST, but for what float32 rounds; 0 of zeros."""
    sizes = np.unique(np.abs(numbers))
    sizes = sizes[sizes > 0]
    if not len(sizes):
        return 0.0
    few = sizes[np.linspace(0, len(sizes) - 1, min(FEW, len(sizes))).astype(int)]
    counts = np.arange(1, LARGEST + 1)[:, None]
    for count in counts[_whole(few * (counts / sizes[-1]), counts), 0].tolist():
        if _whole(sizes * (count / sizes[-1]), count):
            return _trained(sizes, np.rint(sizes * (count / sizes[-1])))
    return None


def _whole(numbers: Reals, largest: Ints | int) -> NDArray[np.bool_]:
    """Whether all numbers, along the last axis, are whole and above 0, but for what float32 rounds of the largest."""
    nearest = np.rint(numbers)
    fine = (nearest > 0) & (np.abs(numbers - nearest) <= NEAR * largest)
    return np.asarray(fine.all(axis=-1))


def _trained(sizes: Reals, integers: Reals) -> float:
    """The step that makes the very numbers of the integers, in float64 or rounded to float32; else their quotient."""
    few = np.argsort(integers, kind="stable")[:FEW]
    about = sizes[few] / integers[few]
    near = np.float32(about[0])
    beside = [np.nextafter(near, np.float32(end)) for end in (0.0, np.inf)]
    for step in dict.fromkeys([*about.tolist(), float(near), *map(float, beside)]):
        made = integers * step
        if (made == sizes).all() or (made.astype(np.float32) == sizes).all():
            return float(step)
    return float(sizes[-1] / integers[-1])


def joined(parts: Sequence[tuple[Ints, Reals]]) -> tuple[list[Ints], Reals] | None:
    """Integers (O, ...) of several terms, each with a step per output channel (O,), as multiples of one step for all
    terms, (O,); None where no step of which those of the terms are multiples up to RATIO is common to them.
    """
    steps = np.array([own for _, own in parts])  # (terms, O)
    common = np.where(steps > 0, steps, np.inf).min(axis=0)
    common = np.where(np.isfinite(common), common, 1.0)
    times = steps / common
    for parts_of_it in range(1, RATIO + 1):
        scaled = times * parts_of_it
        whole = np.rint(scaled)
        fits = (np.abs(scaled - whole) <= SAME * whole).all(axis=0)
        if parts_of_it == 1:
            chosen, factor = np.where(fits, 1, 0), whole
        else:
            new = fits & (chosen == 0)
            chosen, factor = np.where(new, parts_of_it, chosen), np.where(new, whole, factor)
        if chosen.all():
            made = [
                integers * own.astype(np.int64).reshape(-1, *[1] * (integers.ndim - 1))
                for (integers, _), own in zip(parts, factor, strict=True)
            ]
            return made, common / chosen
    return None
