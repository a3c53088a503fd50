"""A population in float32: what its membranes are there, and by how much they may be off (FLOAT-5).

Every number here that is an `error` or a `bound` is in units of the population's own membrane.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Reals
from fsref.graph.arithmetic import conv2d, padded
from fsref.law.network import Network
from fsref.law.neuron import Ints, relu_theta
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.law.projections import Conv2d, Dense, Gate, Projection

Float32s: TypeAlias = NDArray[np.float32]
ROUNDING = 2.0**-24 * (1 + 2.0**-20)  # of one operation, relative, and room for the float64 that bounds are made in


class Sent(NamedTuple):
    """What a population sends, as floats: values (B, C, H, W) in float32, the sum of |d| over the spikes of each, the
    real value of one code unit (C,), and K.
    """

    values: Float32s
    weights: Reals
    scale: Reals
    steps: int


class Membranes(NamedTuple):
    """Opening membranes in float32, (B, C, H, W), and how far they are from ours at most."""

    values: Float32s
    bound: Reals


def scale_of(net: Network, name: str) -> Reals:
    """The real value of one code unit, (C,): a pool or view has its source's; 1 where nobody said it."""
    p = net[name]
    match p:
        case MaxPool() | View():
            return scale_of(net, p.source)
        case Input() | FS():
            return np.broadcast_to(np.asarray(1.0 if p.scale is None else p.scale, np.float64), p.shape[:1])
        case Readout():
            return np.full(p.shape[0], net.output_scales[p.name])
        case _:
            assert_never(p)


def unit_of(net: Network, p: FS | Readout) -> Reals:
    """The real value of one unit of a membrane, (C,): of an FS-ReLU a code unit over theta, else a code unit."""
    theta = relu_theta(p.table) if isinstance(p, FS) else None  # a readout has no table
    unit: Reals = scale_of(net, p.name) / (1 if theta is None else theta)
    return unit


def sent(net: Network, name: str, trains: NDArray[np.integer]) -> Sent:
    """What trains (B, neurons) of a population are in float32: the sum of d over the spikes, first step first."""
    p, d = net[name], net.code_weights[name]
    scale, steps = scale_of(net, name), d.shape[1]
    words = trains.astype(np.int64).reshape(len(trains), *p.shape)
    values, weights = np.zeros(words.shape, np.float32), np.zeros(words.shape)
    real = (d * scale[:, None]).astype(np.float32)
    for t in range(steps):
        z = words >> (steps - 1 - t) & 1
        values = values + real[:, t, None, None] * z.astype(np.float32)
        weights = weights + np.abs(d[:, t, None, None]).astype(np.float64) * z
    return Sent(values, weights, scale, steps)


def opened(net: Network, p: FS | Readout, sources: Mapping[str, Sent]) -> Membranes:
    """The opening membranes of a population, added up in float32: the bias, then projection by projection, tap by tap,
    the product of a weight and a value.
    """
    unit = unit_of(net, p)
    images = len(next(iter(sources.values())).values)
    bias = np.broadcast_to(p.bias_map, p.shape).astype(np.float64)
    total = np.repeat((bias * unit[:, None, None]).astype(np.float32)[None], images, axis=0)
    size = np.repeat(np.abs(bias)[None], images, axis=0)
    operations = 4  # the roundings of a weight, a value's d, the bias and a product
    for q in net.into(p.name).values():
        operations += _add(q, sources, unit, total, size)
    relative = operations * ROUNDING / (1 - operations * ROUNDING)
    return Membranes(total, relative * size)


def _add(q: Projection, sources: Mapping[str, Sent], unit: Reals, total: Float32s, size: Reals) -> int:
    """Add what a projection delivers to `total`, in float32, and the sum of its absolute products to `size`, both
    (B, C, H, W), in place; returns how often it is rounded by the way: K of each source, and once for each product.
    """
    source = sources[q.source]
    magnitudes = np.abs(q.weights).astype(np.float64)
    match q:
        case Dense():
            images, channels = map(int, source.values.shape[:2])
            by_channel = source.values.reshape(images, channels, -1)
            places = int(by_channel.shape[2])
            of = np.arange(channels) if q.pooled else np.arange(channels * places) // places
            weights = (q.weights * unit[:, None] / source.scale[of]).astype(np.float32)
            for n in range(channels * places):
                total[:, :, 0, 0] += (
                    weights[:, n // places if q.pooled else n] * by_channel[:, n // places, n % places, None]
                )
            seen = source.weights.reshape(images, channels, -1)
            size[:, :, 0, 0] += (seen.sum(axis=2) if q.pooled else seen.reshape(images, -1)) @ magnitudes.T
            return source.steps + channels * places
        case Conv2d():
            outputs, inputs, rows, columns = map(int, q.weights.shape)
            first = np.arange(outputs) // (outputs // q.groups) * inputs
            scales = source.scale[first[:, None] + np.arange(inputs)]
            weights = (q.weights * (unit[:, None] / scales)[:, :, None, None]).astype(np.float32)
            wide = padded(source.values, q.padding)
            height, width = total.shape[2:]
            for i in range(inputs):
                own = wide[:, first + i] if q.groups > 1 else wide[:, i : i + 1]
                for r in range(rows):
                    for c in range(columns):
                        y, x = r * q.dilation[0], c * q.dilation[1]
                        tap = own[:, :, y : y + (height - 1) * q.stride[0] + 1, x : x + (width - 1) * q.stride[1] + 1]
                        total += weights[:, i, r, c, None, None] * tap[:, :, :: q.stride[0], :: q.stride[1]]
            size += conv2d(source.weights, magnitudes, q.stride, q.padding, q.dilation, q.groups)
            return source.steps + inputs * rows * columns
        case Gate():
            factor = sources[q.by]
            weights = (q.weights * unit / (source.scale * factor.scale)).astype(np.float32)
            total += weights[:, None, None] * (source.values * factor.values)
            size += magnitudes[:, None, None] * (source.weights * factor.weights)
            return source.steps + factor.steps + 3  # the factor's d, and two products
        case _:
            assert_never(q)


class Held(NamedTuple):
    """Of neurons (B, C, P): whose trains differ, which may, those that differ where they may not, and the largest bound
    at any comparison.
    """

    differ: NDArray[np.bool_]
    may: NDArray[np.bool_]
    beyond: int
    epsilon: float


def held(opening: Ints, found: Membranes, rows: tuple[Ints, Ints], unit: Reals, lowered: float = 0.0) -> Held:
    """The authors' float neuron, which fires at v > T, beside ours, both from their opening membranes: ours (B, C, P),
    those `found` of as many numbers, under T and h (C, K); its thresholds `lowered` by so many units.

    Up to the first step in which they differ both were lowered by the same resets; there, and at every comparison, the
    distance of our membrane from the threshold is at most the bound, or they do not differ.
    """
    v, f = opening.copy(), found.values.reshape(opening.shape).copy()
    bound = found.bound.reshape(opening.shape).copy()
    same, may = np.ones(v.shape, bool), np.zeros(v.shape, bool)
    beyond, epsilon = 0, 0.0
    for threshold, reset in zip(*(of.T[:, :, None] for of in rows), strict=True):
        at = threshold - lowered
        limit = bound + ROUNDING * np.abs(at)
        near = np.abs(v - at) <= limit
        fires, theirs = v >= threshold, f > (at * unit[:, None]).astype(np.float32)
        new = same & (fires != theirs)
        beyond += int((new & ~near).sum())
        same &= ~new
        may |= near
        epsilon = max(epsilon, float(limit.max()))
        f = f - (reset * unit[:, None]).astype(np.float32) * theirs
        v -= reset * fires
        moved = (bound + ROUNDING * np.abs(reset)) * (1 + ROUNDING) + ROUNDING * np.abs(v)
        bound = np.where(fires, moved, bound)
    return Held(~same, may, beyond, epsilon)
