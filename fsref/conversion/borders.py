"""Bias maps made without: a constant population delivers, through padding like that of the source, what a bias map
holds (CHIP-4).

A source whose codes have an offset (the input, a signed population) delivers less near zero padding, so that its
readers' bias differs there (CONV-6). A population that always sends the same code, through a kernel whose taps are what
the offset delivers through each tap, is missing at the border exactly where the source is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fsref.conversion.folded import Folded, Term, Unit
from fsref.conversion.options import Options
from fsref.conversion.quantisation import Constant, Quantised, delivered, largest_weight
from fsref.conversion.sources import Source
from fsref.errors import GraphError
from fsref.law.neuron import Ints, fs_relu
from fsref.law.populations import FS
from fsref.law.projections import Conv2d, Dense, Projection


def without_map(unit: Unit, sources: Sequence[Source], made: Quantised, options: Options, folded: Folded) -> Quantised:
    """The integers of a unit with a bias (C,), and constant populations in the place of a map: one for each term whose
    source has an offset, or brings a constant, and padding around it.

    The bias is the middle one of all places of a channel: they differ only by what rounding the constants' weights
    leaves.
    """
    found: list[Constant] = []
    for term, weights, source in zip(unit.terms, made.weights, sources, strict=True):
        if source.there is not None and source.offset.any() and not source.there.all():
            problem, limit = (
                "a view with gaps of signed values needs a bias map",
                "bias_map true, or an activation before",
            )
            raise GraphError("CHIP-4", unit.name, problem, term.source, limit)
        if term.map is not None:
            problem, limit = "a constant of each place needs a bias map", "bias_map true, or one constant per channel"
            raise GraphError("CHIP-4", unit.name, problem, term.source, limit)
        if (source.offset.any() or term.constant is not None) and any(term.padding):
            lacking = -(weights * term.per_input(source.offset)).sum(axis=1, keepdims=True)
            if term.constant is not None:
                lacking = lacking + term.constant / made.membrane_unit[:, None, None, None]
            found.append(_constant(f"{unit.name[:50]}.constant{len(found)}", term, lacking, source, options, folded))
    rest = made.bias - sum((delivered(constant) for constant in found), np.zeros((1, 1, 1), np.int64))
    middle: Ints = np.rint(np.median(rest.reshape(len(rest), -1), axis=1)).astype(np.int64)
    return replace(made, bias=middle, constants=tuple(found))


def _constant(name: str, term: Term, lacking: Ints, source: Source, options: Options, folded: Folded) -> Constant:
    """The constant that delivers `lacking` (O, 1, kh, kw) through each tap of a term: of the fewest steps for which its
    weights fit a skip factor's bits, as far as the chip holds its bias and threshold, 2^(K-1) both.
    """
    assert options.chip is not None
    chip, (least, most) = options.chip, options.chip.reach
    widths = (chip.bias_bits, chip.threshold_bits, chip.membrane_bits)
    most = max(least, min([most, *(bits - 1 for bits in widths if bits is not None)]))
    need = max(1.0, float(np.abs(lacking).max()) / largest_weight(options, skip=True))
    steps = min(max(least, 1 + int(np.ceil(np.log2(need)))), most)
    code = 2 ** (steps - 1)
    population = FS(name, (1, *source.shape[1:]), fs_relu(steps), np.array([code]), scale=1 / code)
    weights = np.rint(lacking / code).astype(np.int64)
    return Constant(population, _beside(name, term.source, folded), replace(term, source=name, groups=1), weights)


def _beside(name: str, source: str, folded: Folded) -> Projection:
    """A projection of zeros into a constant, of the form of what its source reads, so that it fires beside its source
    (NET-4, TIME-1); behind the input, a max-pool and a view, which no projection enters, after them.
    """
    form = Term("input", np.zeros((1, folded.pixels.shape[0], 1, 1)))
    if source != "input":
        unit, pool = folded[source], folded[source].pool
        if unit.view is not None:
            below = folded.pixels.shape if unit.view.source == "input" else folded[unit.view.source].shape
            sides = list(zip(below[1:], unit.shape[1:], strict=True))
            kernel = [max(1, before - after + 1) for before, after in sides]  # whatever gives the shape of the view
            bottom, right = (max(0, after - before) for before, after in sides)
            form = Term(unit.view.source, np.zeros((1, unit.shape[0], *kernel)), padding=(0, 0, bottom, right))
        elif pool is None:
            form = unit.terms[0]
        else:
            form = Term(pool.source, np.zeros((1, unit.shape[0], *pool.kernel)), pool.stride, pool.padding)
    if form.weights.ndim == 2:
        return Dense(form.source, name, np.zeros((1, form.weights.shape[1]), np.int64), form.pooled)
    zeros = np.zeros((1, form.weights.shape[1] * form.groups, *form.weights.shape[2:]), np.int64)
    return Conv2d(form.source, name, zeros, form.stride, form.padding, form.dilation)
