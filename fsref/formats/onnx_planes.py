"""Integers as bytes: how codes and weights split into planes of 8 bits, and the proof that what is done with them stays
in int32 (FILE-5).

A plane is an array of bytes u with a zero point z: its digits are u - z. An array is the sum of its planes' digits,
plane p taken 2^(8p) times.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.errors import RangeError
from fsref.law.bounds import Exact, alike, gate_bounds, projection_bounds, spans
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, MaxPool, Population, Readout
from fsref.law.projections import Conv2d, Dense, Gate, Linear, Padding, Pair, Projection
from fsref.tables import Brief

LOWEST, HIGHEST = -(2**31), 2**31 - 2  # one below the largest int32: a threshold of 2^31 - 1 never fires


@dataclass(frozen=True, eq=False, repr=False)
class Digits(Brief):
    """One plane: its zero point and its digits; of weights the digits themselves, of codes their interval per channel,
    (C, 2).
    """

    zero: int
    values: Ints


@dataclass(frozen=True)
class Term:
    """A product of code plane `x` and weight plane `w`, to be taken 2^shift times."""

    x: int
    w: int
    shift: int


@dataclass(frozen=True, eq=False, repr=False)
class Split(Brief):
    """A convolution in planes: those of its weights, the products that add up to it, and, of more than one, what they
    reach (low, high), each (O,).
    """

    weights: list[Digits]
    terms: list[Term]
    reach: tuple[Exact, Exact] | None


def zero_point(low: int, high: int) -> int | None:
    """The zero point that makes bytes of low..high: 0 or 128 where they do; None when no byte holds the interval with a
    0 in it.
    """
    zeros = (0, 128, max(0, -low))
    return next((z for z in zeros if 0 <= low + z and high + z <= 255 and z <= 255), None)


def weight_planes(weights: NDArray[np.integer]) -> list[Digits]:
    """The planes of weights, lowest first. All but the last hold digits -128..127: those of small weights are small, so
    partial sums are too.
    """
    rest, planes = weights.astype(np.int64), []
    while (zero := zero_point(int(rest.min()), int(rest.max()))) is None:
        digits = ((rest + 128) & 255) - 128
        planes.append(Digits(128, digits))
        rest = (rest - digits) >> 8
    return [*planes, Digits(zero, rest)]


def code_planes(codes: Ints) -> list[Digits]:
    """The planes of codes in intervals `codes` (C, 2), lowest first. All but the last hold digits 0..255."""
    rest, planes = codes, []
    while (zero := zero_point(int(rest[:, 0].min()), int(rest[:, 1].max()))) is None:
        planes.append(Digits(0, np.tile(np.array([0, 255], np.int64), (len(codes), 1))))
        rest = rest >> 8
    return [*planes, Digits(zero, rest)]


def plane_bounds(net: Network, projection: Linear, codes: Digits, weights: Digits) -> tuple[Ints, Ints]:
    """Lowest and highest partial sum, in any order, of one plane of codes times one plane of weights, each (O,)."""
    source, target = net[projection.source], net[projection.target]
    part: Linear = dataclasses.replace(projection, weights=weights.values)
    rows, columns = spans(part, source.shape, target.shape)
    ends = np.minimum(codes.values[:, 0], 0), np.maximum(codes.values[:, 1], 0)
    seen = rows[alike([rows])], columns[alike([columns])]
    low, high = projection_bounds(part, source.shape, seen, ends, exact=False)  # bytes by bytes: far from 63 bits
    return low.min(axis=(1, 2)), high.max(axis=(1, 2))


def whole_bounds(net: Network, projection: Projection) -> tuple[Exact, Exact]:
    """Lowest and highest partial sum, in any order, of whole codes times whole weights, each (O,)."""
    codes = net.ranges[projection.source].codes
    match projection:
        case Gate():
            ends = np.minimum(codes[:, 0], 0), np.maximum(codes[:, 1], 0)
            factor = net.ranges[projection.by].codes
            low, high = gate_bounds(projection, ends, (factor[:, 0], factor[:, 1]), exact=True)
            return low[:, 0, 0], high[:, 0, 0]
        case Conv2d() | Dense():
            return plane_bounds(net, projection, Digits(0, codes), Digits(0, projection.weights.astype(np.int64)))
        case _:
            assert_never(projection)


def split(net: Network, projection: Conv2d, codes: list[Digits]) -> Split:
    """A convolution over the planes of its source's codes. Products that are 0 whatever the codes are left out."""
    weights = weight_planes(projection.weights)
    if len(codes) == len(weights) == 1:
        return Split(weights, [Term(0, 0, 0)], None)
    terms: list[Term] = []
    lows: Exact = np.zeros(len(projection.weights), object)  # Python integers: a shifted bound may be large
    highs: Exact = np.zeros(len(projection.weights), object)
    for x, plane in enumerate(codes):
        for w, factors in enumerate(weights):
            low, high = plane_bounds(net, projection, plane, factors)
            if not terms or low.any() or high.any():
                terms.append(Term(x, w, 8 * (x + w)))
                lows = lows + low.astype(object) * 2 ** (8 * (x + w))
                highs = highs + high.astype(object) * 2 ** (8 * (x + w))
    return Split(weights, terms, (lows, highs))


def split_of(net: Network, projection: Projection, codes: list[Digits]) -> Split | None:
    """The planes of a convolution; None for what takes all its codes whole: one factor per channel, dense, a
    gate.
    """
    match projection:
        case Conv2d():
            return None if is_scale(projection) else split(net, projection, codes)
        case Dense() | Gate():
            return None
        case _:
            assert_never(projection)


def check_int32(low: Exact, high: Exact, place: str, problem: str) -> None:
    """Nothing, when low and high of every channel, each (C,), lie in int32; else RangeError [FILE-5]."""
    for channel, pair in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        for value in pair:
            if not LOWEST <= value <= HIGHEST:
                at, told = f"{place} channel {channel}", f"ONNX: {problem} may leave int32"
                raise RangeError("FILE-5", at, told, value, f"{LOWEST}..{HIGHEST}")


def check_sums(net: Network, population: FS | Readout, splits: Sequence[Split | None]) -> None:
    """Nothing, when every sum on the way to the membranes of `population` lies in int32, in any order; else RangeError
    [FILE-5].

    any_order (RANGE-1) bounds them, unless a convolution is in planes: `splits` holds, per projection of net.into, its
    split or None.
    """
    for name, q in net.into(population.name).items():
        if isinstance(q, Gate):  # its codes are multiplied before they are weighed
            unweighed = dataclasses.replace(q, weights=np.ones_like(q.weights))
            check_int32(*whole_bounds(net, unweighed), name, "a product of codes")
    proved = net.ranges[population.name]
    check_int32(proved.any_order[:, 0], proved.any_order[:, 1], population.name, "a partial sum")
    if not any(parts and parts.reach for parts in splits):
        return
    bias = population.bias.reshape(population.shape[0], -1).astype(object)
    low, high = np.minimum(bias.min(1), 0), np.maximum(bias.max(1), 0)
    for projection, parts in zip(net.into(population.name).values(), splits, strict=True):
        reach = (parts and parts.reach) or whole_bounds(net, projection)
        low, high = low + reach[0], high + reach[1]
    check_int32(low, high, population.name, "a partial sum of byte planes")


def firing_rows(net: Network, population: FS) -> tuple[Ints, Ints, Ints]:
    """T, h, d of a table, each (C, K), as int32 holds them: a step that never fires (T above every membrane) has h = d
    = 0. Errors: RangeError [FILE-5].
    """
    T, h, d = population.table.rows(population.shape[0])
    never = T > net.ranges[population.name].final[:, 1:]
    h, d = np.where(never, 0, h), np.where(never, 0, d)
    check_int32(h.min(1), h.max(1), population.name, "a reset h")
    check_int32(np.minimum(d, 0).sum(1), np.maximum(d, 0).sum(1), population.name, "a sum of code weights d")
    return np.where(never, HIGHEST + 1, np.maximum(T, LOWEST)), h, d


def is_scale(projection: Conv2d) -> bool:
    """Whether a convolution is one factor per channel (PROJ-8): no neighbours, no stride, no padding."""
    plain = projection.kernel == (1, 1) == projection.stride and not any(projection.padding)
    return plain and projection.weights.shape[0] == projection.groups and projection.weights.shape[1] == 1


def fitted(projection: Conv2d | MaxPool, source: Population, target: Population, dilation: Pair = (1, 1)) -> Padding:
    """Its padding (top, left, bottom, right) less the places at the bottom and right that no window reaches: runtimes
    may refuse one wider than a kernel.
    """
    (top, left, _, _), after = projection.padding, []
    for axis, before in enumerate((top, left)):
        last = (target.shape[axis + 1] - 1) * projection.stride[axis] + dilation[axis] * (projection.kernel[axis] - 1)
        after.append(max(0, last + 1 - before - source.shape[axis + 1]))
    return top, left, after[0], after[1]
