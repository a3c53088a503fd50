"""What delivers the spikes of one image along a projection, in plain loops: synapses listed by place, and gates (PROJ-1
to PROJ-5, GATE-2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import gcd
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines.kernels import plain as kernels
from fsref.law.network import Network
from fsref.law.populations import Shape
from fsref.law.projections import Conv2d, Dense, Gate, Linear, Projection
from fsref.tables import Brief

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class SpikeList(Brief):
    """Spikes of one population for one image: neurons in canonical order, those of step t at offsets[t]:offsets[t+1]
    (EVENT-1).
    """

    neurons: Array
    offsets: Array

    @classmethod
    def room(cls, neurons: int, steps: int) -> SpikeList:
        """Room for every neuron to spike in every step."""
        return cls(np.empty(neurons * steps, np.int32), np.zeros(steps + 1, np.int64))

    def cut(self) -> SpikeList:
        """A copy without the unused room."""
        return SpikeList(self.neurons[: self.offsets[-1]].copy(), self.offsets.copy())


Deliver = Callable[[Mapping[str, SpikeList], bool], tuple[Array, int]]  # spikes by name of their population


def reached(size: int, count: int, before: int, kernel: int, stride: int, dilation: int) -> Array:
    """Along one axis, (3, n): every place, target and tap such that the target hears the place through the tap,
    ascending (PROJ-1).
    """
    target, tap = np.divmod(np.arange(count * kernel), kernel)
    place = target * stride + tap * dilation - before
    found = np.stack([place, target, tap])[:, (place >= 0) & (place < size)]
    return found[:, np.lexsort((found[1], found[0]))]


def by_place(places: int, place: Array, *columns: Array) -> tuple[Array, Array]:
    """A table (n, columns) in the order of `place`, and ends: the rows of place p are table[ends[p]:ends[p+1]]."""
    flat = [a.ravel() for a in np.broadcast_arrays(place, *columns)]
    table = np.stack(flat[1:], axis=1).astype(np.int32)[np.argsort(flat[0], kind="stable")]
    return table, np.append(0, np.cumsum(np.bincount(flat[0], minlength=places)))


def synapses(projection: Linear, source: Shape, target: Shape) -> tuple[Array, Array, Array]:
    """Weights by source channel (C, M), and what leaves each place: runs and ends, as `plain.deliver` takes them
    (PROJ-1 to PROJ-5).

    A run is a row of synapses whose targets lie side by side in (G, H_out, W_out, O / G), and whose weights do, too:
    taps along a row stand in the order in which they meet targets, those a stride apart together, the last first.

    Example: one row of 4 places, kernel 3, stride 1, padding 1, O outputs. Place 1 is heard by target 0 through tap 2,
    by target 1 through tap 1, by target 2 through tap 0. With the weights of a channel in the order tap 2, 1, 0 both
    targets 0, 1, 2 and their weights lie side by side: one run, (first target 0, first weight 0, length 3·O). With
    stride 2 place 1 is heard by target 0 through tap 2 and by target 1 through tap 0: the order tap 2, 0, 1 keeps these
    two side by side, a run of 2·O; tap 1, which only even places use, comes last.
    """
    (channels, height, width), outputs, groups = source, target[0], projection.groups
    match projection:
        case Conv2d(weights=weights, stride=stride, dilation=dilation, padding=padding):
            rows = reached(height, target[1], padding[0], weights.shape[2], stride[0], dilation[0])
            columns = reached(width, target[2], padding[1], weights.shape[3], stride[1], dilation[1])
            order = np.arange(weights.shape[3])
            order = np.lexsort((-order, order % (stride[1] // gcd(stride[1], dilation[1]))))
        case Dense(pooled=pooled):  # one window over every place, or one that sees every place through the same tap
            weights = projection.weights.reshape(outputs, channels, *((1, 1) if pooled else (height, width)))
            rows, columns = (
                np.stack([np.arange(n), np.zeros(n, np.int64), np.arange(n) * (not pooled)]) for n in (height, width)
            )
            order = np.arange(weights.shape[3])
        case _:
            assert_never(projection)
    kh, kw = weights.shape[2:]
    size = outputs // groups
    by_channel = weights.reshape(groups, size, -1, kh, kw)[..., order].transpose(0, 2, 3, 4, 1).reshape(channels, -1)
    columns[2] = np.argsort(order)[columns[2]]
    first = np.flatnonzero(np.diff(columns - np.arange(columns.shape[1]) * [[0], [1], [1]], prepend=-1).any(axis=0))
    length = np.diff(np.append(first, columns.shape[1])) * size
    (y, i, r), (x, j, c) = rows[:, :, None], columns[:, first]
    return by_channel, *by_place(height * width, y * width + x, (i * target[2] + j) * size, (r * kw + c) * size, length)


def sum_type(net: Network, target: str) -> type[np.signedinteger[Any]]:
    """The type of every partial sum into a population (RANGE-1)."""
    reach = int(np.abs(net.ranges[target].any_order).max())
    return np.int32 if reach < 2**31 else np.int64


def deliverer(net: Network, projection: Projection) -> Deliver:
    """A function from spikes to what the projection delivers, (C, H, W), and the number of deliveries when counted."""
    match projection:
        case Conv2d() | Dense():
            return along(net, projection)
        case Gate():
            return through(net, projection)
        case _:
            assert_never(projection)


def along(net: Network, projection: Linear) -> Deliver:
    """What delivers a projection that adds up the codes of one source."""
    source, target = net[projection.source], net[projection.target]
    kind = sum_type(net, target.name)
    d = net.code_weights[source.name].astype(kind, order="C")
    weights, runs, ends = synapses(projection, source.shape, target.shape)
    weights = weights.astype(kind, order="C")
    groups = projection.groups
    outputs, height, width = target.shape

    def deliver(listed: Mapping[str, SpikeList], counting: bool) -> tuple[Array, int]:
        spikes = listed[source.name]
        out = np.zeros((groups, height, width, outputs // groups), kind)
        count = kernels.deliver(
            spikes.neurons, spikes.offsets, d, runs, ends, weights, out.reshape(groups, -1), counting
        )
        return out.transpose(0, 3, 1, 2).reshape(target.shape), count

    return deliver


def through(net: Network, gate: Gate) -> Deliver:
    """What delivers a gate (GATE-2)."""
    kind, shape = sum_type(net, gate.target), net[gate.target].shape
    d, b_d = (net.code_weights[name].astype(np.int64, order="C") for name in (gate.source, gate.by))
    weights, (channels, height, width) = gate.weights.astype(np.int64), net[gate.by].shape

    def deliver(listed: Mapping[str, SpikeList], counting: bool) -> tuple[Array, int]:
        a, b = listed[gate.source], listed[gate.by]
        registers, out = np.zeros((channels, height * width), np.int64), np.zeros(shape, np.int64)
        spikes = a.neurons, a.offsets, d, b.neurons, b.offsets, b_d
        count = kernels.gate(*spikes, registers, weights, out.reshape(channels, -1), counting)
        return out.astype(kind), count

    return deliver
