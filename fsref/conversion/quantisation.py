"""From real weights to integers: one theta per output channel, shared by all projections into it, so that firing
requantises exactly (CONV-3 to CONV-7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Coding, Reals
from fsref.conversion.exact import strips, through
from fsref.conversion.folded import Term, Unit, constant_part
from fsref.conversion.options import Options
from fsref.conversion.sources import Factors, Source
from fsref.errors import GraphError
from fsref.law.neuron import Ints
from fsref.law.populations import FS
from fsref.law.projections import Conv2d, Dense, Projection
from fsref.tables import Brief

SKIP_BITS = 16  # of a skip factor (CONV-4)
REACH = 2**30  # no membrane, bias or threshold goes beyond, so 32 bits hold every sum in any order
CANDIDATES = 64  # thetas tried per channel, beside multiples of powers of two
CACHED = 2**14  # weights that are rounded together: with what is made of them, half a megabyte


@dataclass(frozen=True, eq=False, repr=False)
class Constant(Brief):
    """A population of one channel that always sends the same code, the projection of zeros into it, and the `weights`
    (O, 1, kh, kw) through which, in a `term` like its source's, it delivers what a bias map would hold (CHIP-4).
    """

    population: FS
    into: Projection
    term: Term
    weights: Ints


@dataclass(frozen=True, eq=False, repr=False)
class Quantised(Brief):
    """The integers of one unit: weights of its terms, bias (C,) or (C, H, W), theta (C,). `membrane_unit` (C,) is the
    real value of one membrane unit; `constants` stand for a map of the bias; `gate` (C,) are the weights of a product.
    """

    weights: tuple[Ints, ...]
    bias: Ints
    theta: Ints
    membrane_unit: Reals
    constants: tuple[Constant, ...] = ()
    gate: Ints | None = None

    @property
    def start(self) -> Ints:
        """What membranes have before any code of a source counts, (C, H, W) or (C, 1, 1): the bias and the
        constants.
        """
        bias = self.bias if self.bias.ndim == 3 else self.bias[:, None, None]
        for constant in self.constants:
            bias = bias + delivered(constant)
        return bias


def in_code_units(term: Term, source: Source) -> Reals:
    """The weights of a term per code unit of its source instead of per real unit."""
    per_code: Reals = term.weights * term.per_input(source.scale)
    return per_code


def largest(weights: Sequence[Reals], channels: int) -> Reals:
    """The largest magnitude of each output channel (C,), 0 without weights."""
    found: Reals = np.max(
        [np.abs(w).reshape(channels, -1).max(axis=1) for w in weights] or [np.zeros(channels)], axis=0
    )
    return found


def largest_weight(options: Options, skip: bool) -> int:
    """The largest magnitude of a weight, or of a skip factor, which is as wide as the chip takes it (CONV-4,
    CHIP-3).
    """
    bits = SKIP_BITS if skip else options.weight_bits
    if options.chip is not None and options.chip.weight_bits is not None:
        bits = min(bits, options.chip.weight_bits)
    return int(2 ** (bits - 1)) - 1


def too_narrow(options: Options, place: str, what: str) -> GraphError:
    """The error of a place whose integers, `what` says how, do not fit the widths of a chip (CHIP-3)."""
    assert options.chip is not None
    said = [f"{name} {bits}" for name, bits in options.chip.to_dict().items() if name.endswith("_bits")]
    limit = f"{', '.join(said)}: wider ones, or fewer steps would do"
    return GraphError("CHIP-3", place, f"{what} for {options.chip.told}", None, limit)


def choose_theta(
    unit: Unit,
    per_code: Sequence[Reals],
    sources: Sequence[Source],
    coding: Coding,
    options: Options,
    room: Reals,
    factors: Factors | None = None,
) -> Ints:
    """theta (C,) of a unit of this coding: of the integers theta_max / 2 .. theta_max the one whose rounded weights err
    least (CONV-3), none above `room` (C,), one for all where the chip has one a layer (CHIP-3).

    Errors: GraphError [CONV-3] naming population, channel and the width that would do; [CHIP-3] where the room of the
    chip does not.
    """
    channels, s_out, weight_bits = unit.shape[0], coding.unit, options.weight_bits
    q_max = {skip: largest_weight(options, skip) for skip in (False, True)}
    with np.errstate(divide="ignore"):
        wide = {
            skip: [w for w, t in zip(per_code, unit.terms, strict=True) if t.skip == skip]
            + ([factors.widest] if factors is not None and skip else [])
            for skip in q_max
        }
        fits = {skip: q_max[skip] * s_out / largest(wide[skip], channels) for skip in q_max}
        above = reach(unit, per_code, sources, factors) + s_out * coding.moved
        cap = (REACH - slack(unit, sources, factors)) * s_out / np.maximum(above, s_out * coding.tallest)
    limit = np.floor(np.minimum(np.minimum(fits[False], fits[True]), cap))
    if (limit < 1).any():
        c = int(np.argmax(limit < 1))
        if min(fits[True][c], cap[c]) < 1:
            problem = "theta would be below 1: the values of the population are too small beside those it reads"
            raise GraphError("CONV-3", f"{unit.name} channel {c}", problem, float(limit[c]))
        need = int(np.ceil(np.log2(q_max[False] / fits[False][c] + 1))) + 1
        problem = f"theta would be below 1 with {weight_bits}-bit weights"
        raise GraphError("CONV-3", f"{unit.name} channel {c}", problem, None, f"{need} bits would do, or fewer steps")
    if options.chip is not None:
        limit = np.minimum(limit, room)
        if (limit < 1).any():
            c = int(np.argmax(limit < 1))
            raise too_narrow(options, f"{unit.name} channel {c}", "theta would be below 1")
        if options.chip.theta == "layer":
            limit = np.full(channels, limit.min())
    if options.power_of_two:
        power: Ints = np.ldexp(1.0, np.frexp(limit)[1] - 1).astype(np.int64)
        return power
    spread = np.rint(np.linspace(np.maximum(1, np.ceil(limit / 2)), limit, CANDIDATES))  # (CANDIDATES, C)
    powers = np.ldexp(1.0, np.arange(1, int(limit.max()).bit_length()))[:, None]
    multiples = np.where(powers <= limit, np.floor(limit / powers) * powers, limit)
    tried = np.concatenate([spread, multiples])
    errors = rounding_errors(unit, per_code, sources, s_out / tried, factors)
    if options.chip is not None and options.chip.theta == "layer":
        errors = np.broadcast_to(errors.sum(axis=1, keepdims=True), errors.shape)
    best: Ints = tried[errors.argmin(axis=0), np.arange(channels)].astype(np.int64)
    return best


def reach(unit: Unit, per_code: Sequence[Reals], sources: Sequence[Source], factors: Factors | None = None) -> Reals:
    """A bound (C,), in real units, on the magnitude of every partial sum of a unit: the offsets of codes are in its
    bias (CONV-6).
    """
    assert unit.bias is not None
    total: Reals = np.abs(unit.bias)
    if factors is not None:
        total = total + factors.per_code * factors.largest
    for term, w, source in zip(unit.terms, per_code, sources, strict=True):
        places = source.shape[1] * source.shape[2] if term.pooled else 1
        total = (
            total
            + (np.abs(w) * term.per_input(source.top + np.abs(source.offset))).reshape(len(total), -1).sum(axis=1)
            * places
        )
        if term.constant is not None:
            total = total + np.abs(term.constant).reshape(len(total), -1).sum(axis=1)
        if term.map is not None:
            total = total + np.abs(term.map).max(axis=(1, 2))
    return total


def slack(unit: Unit, sources: Sequence[Source], factors: Factors | None = None) -> float:
    """What rounding may add to `reach`, in membrane units: half of one per weight and code unit, and as much for a bias
    that takes it back.
    """
    total = 2.0 + (0.0 if factors is None else float(factors.largest.max()))
    for term, source in zip(unit.terms, sources, strict=True):
        places = source.shape[1] * source.shape[2] if term.pooled else 1
        total += float(np.max(source.top + np.abs(source.offset))) * term.weights[0].size * places
    return total


def rounding_errors(
    unit: Unit,
    per_code: Sequence[Reals],
    sources: Sequence[Source],
    membrane_units: Reals,
    factors: Factors | None = None,
) -> Reals:
    """The expected squared errors (T, C) of a unit's sums and biases when they are rounded to each of T membrane units,
    (T, C): a few channels at a time, whose weights stay in the processor's cache while all are tried.
    """
    assert unit.bias is not None
    b = unit.bias / membrane_units
    errors: Reals = np.square(b - np.rint(b))
    if factors is not None:
        w = factors.per_code / membrane_units
        errors = errors + np.square(w - np.rint(w)) * factors.power
    for term, weights, source in zip(unit.terms, per_code, sources, strict=True):
        power = np.broadcast_to(term.per_input(source.power), weights.shape)
        channels = max(1, CACHED // weights[0].size)
        for first in range(0, len(weights), channels):
            part = slice(first, first + channels)
            for tried, error in zip(membrane_units, errors, strict=True):
                w = weights[part] / tried[part].reshape(-1, *[1] * (weights.ndim - 1))
                w = np.square(w - np.rint(w)) * power[part]
                error[part] += w.reshape(len(w), -1).sum(axis=1)
    return errors * np.square(membrane_units)


def delivered(constant: Constant) -> Ints:
    """What a constant population adds to each neuron, (O, H, W)."""
    p = constant.population
    return through(constant.term, np.full(p.shape, float(p.bias[0])), constant.weights).astype(np.int64)


def quantise(
    unit: Unit,
    per_code: Sequence[Reals],
    sources: Sequence[Source],
    theta: Ints,
    membrane_unit: Reals,
    shift: Ints,
    correct: bool = False,
    factors: Factors | None = None,
) -> Quantised:
    """The integers of one unit, given the real value of one membrane unit and what is added to the bias, each (C,)
    (CONV-4 to CONV-7).

    With `correct` the bias takes back what the rounding of weights adds in the mean over calibration images, neurons of
    a channel together (CONV-5).
    """
    assert unit.bias is not None
    weights: list[Ints] = []
    constant: NDArray[Any] = (unit.bias / membrane_unit)[:, None, None]
    for term, w, source in zip(unit.terms, per_code, sources, strict=True):
        units = membrane_unit.reshape(-1, *[1] * (w.ndim - 1))
        if term.fixed:
            constant = constant + constant_part(term, source.shape[1:]) / membrane_unit[:, None, None]
        weights.append(np.empty(w.shape, np.int64))
        for part in strips(w):
            weights[-1][part] = np.rint(w[part] / units[part])
        if source.offset.any():
            constant = constant - through(term, source.offsets, weights[-1])
        if correct and source.mean is not None:
            added = through(term, source.mean, weights[-1] - w / units)
            constant = constant - added.mean(axis=(1, 2), keepdims=True)
    bias = np.rint(constant).astype(np.int64) + shift[:, None, None]
    gate = None if factors is None else np.rint(factors.per_code / membrane_unit).astype(np.int64)
    if factors is not None and gate is not None:
        bias = bias + factors.start(gate)[:, None, None]
    bias = bias[:, 0, 0] if bias.shape[1:] == (1, 1) else bias
    return Quantised(tuple(weights), bias, theta, membrane_unit, gate=gate)


def projections(unit: Unit, made: Quantised, factors: Factors | None) -> list[Projection]:
    """The projections into a unit: of its terms, of constants, of a product."""
    terms = [*zip(unit.terms, made.weights, strict=True), *((c.term, c.weights) for c in made.constants)]
    linear: list[Projection] = [
        Dense(term.source, unit.name, weights, term.pooled)
        if weights.ndim == 2
        else Conv2d(term.source, unit.name, weights, term.stride, term.padding, term.dilation, term.groups)
        for term, weights in terms
    ]
    return linear if factors is None or made.gate is None else [*linear, *factors.into(unit.name, made.gate)]
