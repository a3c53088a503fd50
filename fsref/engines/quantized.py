"""The quantised network: dense integer layers on codes, floor division or staircase lookup, no time axis.

Products run in float32 or float64 BLAS where the proof allows: while both ends of any_order stay within 2^24 or 2^53 every partial
sum, in whatever order, is an integer the type holds exactly (RANGE-1). Beyond that they run in int64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines.activity import Activity, Simulator, Wanted
from fsref.network import Network
from fsref.neuron import Ints, relu_theta, staircase
from fsref.populations import FS, Input, MaxPool, Population, Shape
from fsref.projections import Conv2d, Projection

Layer = Callable[[Ints], Ints]
Answer = tuple[NDArray[np.uint16], Ints]  # trains, codes


def product_type(any_order: Ints) -> type[np.generic]:
    """The fastest type whose products and sums are exact for these intervals (RANGE-1)."""
    reach = int(np.abs(any_order).max())
    return np.float32 if reach <= 2**24 else np.float64 if reach <= 2**53 else np.int64


def window_index(size: int, count: int, before: int, kernel: int, stride: int, dilation: int) -> NDArray[np.intp]:
    """(count, kernel): the place tap r of window y falls on, `size` for padding (PROJ-1)."""
    at = np.arange(count)[:, None] * stride + np.arange(kernel) * dilation - before
    return np.where((at < 0) | (at >= size), size, at)


def windows(
    a: NDArray[Any], shape: Shape, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, ...], dilation: tuple[int, int], fill: int
) -> NDArray[Any]:
    """(B, C, kh, kw, H_out, W_out): every window of a (B, C, H, W), padded places holding `fill`."""
    rows = window_index(a.shape[2], shape[1], padding[0], kernel[0], stride[0], dilation[0])
    columns = window_index(a.shape[3], shape[2], padding[1], kernel[1], stride[1], dilation[1])
    framed = np.full((*a.shape[:2], a.shape[2] + 1, a.shape[3] + 1), fill, a.dtype)
    framed[:, :, :-1, :-1] = a
    return framed[:, :, rows.T[:, None, :, None], columns.T[None, :, None, :]]


def layer(projection: Projection, shape: Shape, kind: type[np.generic]) -> Layer:
    """A function from codes (B, C, H, W) to sums (B, *shape) (PROJ-1 to PROJ-5)."""
    if not isinstance(projection, Conv2d):
        matrix = np.ascontiguousarray(projection.weights.T, dtype=kind)

        def dense(codes: Ints) -> Ints:
            a = codes.sum(axis=(2, 3)) if projection.pooled else codes.reshape(len(codes), -1)
            total: Ints = (a.astype(kind) @ matrix).astype(np.int64)
            return total[:, :, None, None]

        return dense
    groups, outputs = projection.groups, len(projection.weights)
    filters = projection.weights.astype(kind).reshape(groups, outputs // groups, -1)

    def conv2d(codes: Ints) -> Ints:
        patches = windows(codes.astype(kind), shape, projection.kernel, projection.stride, projection.padding, projection.dilation, 0)
        columns = patches.reshape(len(codes), groups, filters.shape[2], -1)
        total: Ints = (filters @ columns).astype(np.int64)
        return total.reshape(len(codes), *shape)

    return conv2d


def answer(net: Network, population: FS) -> Callable[[Ints], Answer]:
    """A function from opening membranes (B, C, H, W) to trains and codes: FS-5 in closed form, any other table by FS-6."""
    table, channels, opening = population.table, population.shape[0], net.ranges[population.name].opening
    theta = relu_theta(table)
    if theta is not None:
        divisor = np.broadcast_to(theta, channels)[:, None, None]

        def divide(v: Ints) -> Answer:
            codes = np.clip(v // divisor, 0, 2**table.steps - 1)
            return codes.astype(np.uint16), codes

        return divide
    T, h, d = table.rows(channels)
    if table.channels is None:
        shared = staircase(T[0], h[0], d[0], int(opening[:, 0].min()), int(opening[:, 1].max()))
        stairs = [shared] * channels
    else:
        stairs = [staircase(T[c], h[c], d[c], *opening[c].tolist()) for c in range(channels)]

    def look_up(v: Ints) -> Answer:
        trains, codes = np.empty(v.shape, np.uint16), np.empty_like(v)
        for c, stair in enumerate(stairs):
            place = np.searchsorted(stair.start, v[:, c], side="right") - 1
            trains[:, c], codes[:, c] = stair.train[place], stair.code[place]
        return trains, codes

    return look_up


def membranes(v: Ints, trains: NDArray[np.uint16], h: Ints) -> Ints:
    """(B, K, C, H, W): v less the resets of the train so far (FS-3)."""
    steps = h.shape[1]
    fired = (trains[:, None] >> np.arange(steps - 1, -1, -1, dtype=np.uint16)[:, None, None, None]) & 1
    return v[:, None] - np.cumsum(fired * h.T[:, :, None, None], axis=1)


def simulator(net: Network) -> Simulator:
    """A function from images (B, C, H, W) to the activity of every population in turn."""
    kinds = {p.name: product_type(net.ranges[p.name].any_order) for p in net.populations}
    layers = [layer(p, net[p.target].shape, kinds[p.target]) for p in net.projections]
    answers = {p.name: answer(net, p) for p in net.populations if isinstance(p, FS)}

    def simulate(images: Ints, wanted: Wanted) -> Iterator[Activity]:
        known: dict[str, Answer] = {}
        for p in net.populations:
            if isinstance(p, Input):
                known[p.name] = images.astype(np.uint16), images  # NET-7: the train of an input is its code
                yield Activity(p.name, *known[p.name])
            elif isinstance(p, MaxPool):
                trains, codes = (windows(a, p.shape, p.kernel, p.stride, p.padding, (1, 1), np.iinfo(a.dtype).min).max(axis=(2, 3)) for a in known[p.source])
                known[p.name] = trains, codes
                yield Activity(p.name, trains, codes)
            else:
                sums = {i: layers[i](known[q.source][1]) for i, q in enumerate(net.projections) if q.target == p.name}
                bias = p.bias if p.bias.ndim == 3 else p.bias[:, None, None]
                v = bias + sum(sums.values(), np.zeros((len(images), *p.shape), np.int64))
                if not isinstance(p, FS):
                    yield Activity(p.name, opening=v, sums=sums)
                    return
                known[p.name] = answers[p.name](v)
                trains = known[p.name][0]
                after = membranes(v, trains, p.table.rows(p.shape[0])[1]) if "membranes" in wanted.get(p.name, ()) else None
                yield Activity(p.name, *known[p.name], v, after, sums)

    return simulate


def _kernels(net: Network) -> list[tuple[Population, tuple[int, int]]]:
    """Every population with the kernel of each of its windows."""
    return [(net[q.target], q.kernel) for q in net.projections if isinstance(q, Conv2d)] + [(p, p.kernel) for p in net.populations if isinstance(p, MaxPool)]


def working_bytes(net: Network) -> int:
    """A bound on the bytes one image takes: all trains and codes, the largest layer's windows and membranes, all weights, all staircases."""
    size = {p.name: int(np.prod(p.shape)) for p in net.populations}
    largest = 0
    for p in net.populations:
        places = p.shape[1] * p.shape[2]
        into = net.into(p.name)
        patches = sum(8 * q.weights.shape[1] * q.groups * q.kernel[0] * q.kernel[1] * places for q in into if isinstance(q, Conv2d))
        if isinstance(p, MaxPool):
            patches = 8 * p.kernel[0] * p.kernel[1] * size[p.name]
        source = max((size[q.source] for q in into), default=size.get(getattr(p, "source", ""), 0))
        largest = max(largest, 2 * patches + 8 * (size[p.name] * (4 * net.steps[p.name] + len(into) + 8) + 6 * source))
    stairs: int = sum(p.shape[0] * 2**p.steps * 24 for p in net.populations if isinstance(p, FS) and relu_theta(p.table) is None)
    stairs += 80 * 2 ** max(net.steps.values())  # of the one in the making
    axes = sum(24 * (p.shape[1] * k[0] + p.shape[2] * k[1]) for p, k in _kernels(net))
    return sum(10 * n for n in size.values()) + largest + stairs + axes + sum(8 * q.weights.size for q in net.projections) + 2**20
