"""The event-driven simulator: lists of spikes, each delivered along its own synapses by Numba kernels, one image at a
time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines.activity import Activity, Simulator, Wanted
from fsref.engines.kernels import plain
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, Shape
from fsref.law.projections import Conv2d, Projection

Array = NDArray[Any]
UNWANTED = np.empty((0, 0, 0), np.int64)


@dataclass(frozen=True, eq=False)
class SpikeList:
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


Deliver = Callable[[SpikeList, bool], tuple[Array, int]]


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


def synapses(projection: Projection, source: Shape, target: Shape) -> tuple[Array, Array, Array]:
    """Weights by source channel (C, M), and what leaves each place: runs and ends, as `plain.deliver` takes them
    (PROJ-1 to PROJ-5).

    A run is a row of synapses whose targets lie side by side in (G, H_out, W_out, O / G), and whose weights do, too:
    taps along a row stand in the order in which they meet targets, those a stride apart together, the last first.
    """
    (channels, height, width), outputs, groups = source, target[0], 1
    if isinstance(projection, Conv2d):
        weights, groups, stride, dilation, padding = (
            projection.weights,
            projection.groups,
            projection.stride,
            projection.dilation,
            projection.padding,
        )
        rows = reached(height, target[1], padding[0], weights.shape[2], stride[0], dilation[0])
        columns = reached(width, target[2], padding[1], weights.shape[3], stride[1], dilation[1])
        taps = np.arange(weights.shape[3])
        taps = np.lexsort((-taps, taps % (stride[1] // gcd(stride[1], dilation[1]))))
    else:  # one window over every place, or one that sees every place through the same tap
        weights = projection.weights.reshape(outputs, channels, *((1, 1) if projection.pooled else (height, width)))
        rows, columns = (
            np.stack([np.arange(n), np.zeros(n, np.int64), np.arange(n) * (not projection.pooled)])
            for n in (height, width)
        )
        taps = np.arange(weights.shape[3])
    kh, kw = weights.shape[2:]
    size = outputs // groups
    by_channel = weights.reshape(groups, size, -1, kh, kw)[..., taps].transpose(0, 2, 3, 4, 1).reshape(channels, -1)
    columns[2] = np.argsort(taps)[columns[2]]
    first = np.flatnonzero(np.diff(columns - np.arange(columns.shape[1]) * [[0], [1], [1]], prepend=-1).any(axis=0))
    length = np.diff(np.append(first, columns.shape[1])) * size
    (y, i, r), (x, j, c) = rows[:, :, None], columns[:, first]
    return by_channel, *by_place(height * width, y * width + x, (i * target[2] + j) * size, (r * kw + c) * size, length)


def candidates(pool: MaxPool, source: Shape) -> tuple[Array, Array]:
    """The windows and taps that see each place, as `plain.max_pool` takes them (POOL-1, POOL-3)."""
    rows = reached(source[1], pool.shape[1], pool.padding[0], pool.kernel[0], pool.stride[0], 1)
    columns = reached(source[2], pool.shape[2], pool.padding[1], pool.kernel[1], pool.stride[1], 1)
    (y, i, r), (x, j, c) = rows[:, :, None], columns
    return by_place(source[1] * source[2], y * source[2] + x, i * pool.shape[2] + j, r * pool.kernel[1] + c)


def deliverer(net: Network, projection: Projection) -> Deliver:
    """A function from spikes to what the projection delivers, (C, H, W), and the number of deliveries when counted."""
    source, target = net[projection.source], net[projection.target]
    reach = int(np.abs(net.ranges[target.name].any_order).max())
    kind = np.int32 if reach < 2**31 else np.int64  # RANGE-1 holds for every partial sum
    d = net.code_weights[source.name].astype(kind, order="C")
    weights, runs, ends = synapses(projection, source.shape, target.shape)
    weights = weights.astype(kind, order="C")
    groups = projection.groups if isinstance(projection, Conv2d) else 1
    outputs, height, width = target.shape

    def deliver(spikes: SpikeList, counting: bool) -> tuple[Array, int]:
        out = np.zeros((groups, height, width, outputs // groups), kind)
        count = plain.deliver(spikes.neurons, spikes.offsets, d, runs, ends, weights, out.reshape(groups, -1), counting)
        return out.transpose(0, 3, 1, 2).reshape(target.shape), count

    return deliver


class Simulation:
    """A network made ready: the synapses of every projection and the candidates of every pool."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self.deliver = [deliverer(net, q) for q in net.projections]
        self.candidates = {
            p.name: candidates(p, net[p.source].shape) for p in net.populations if isinstance(p, MaxPool)
        }

    def run(self, images: Ints, wanted: Wanted, deliveries: Array | None = None) -> Iterator[Activity]:
        """The activity of every population in turn; adds to `deliveries` (B, projections) when given."""
        spikes: dict[str, list[SpikeList]] = {}
        for p in self.net.populations:
            wants, shape = wanted.get(p.name, ()), (len(images), *p.shape)
            v: Ints | None = None
            sums: dict[int, Ints] = {}
            after: Ints | None = None
            if isinstance(p, (FS, Readout)):
                v, sums = self.opening(p, spikes, shape, "sums" in wants, deliveries)
            if isinstance(p, Readout):
                yield Activity(p.name, opening=v, sums=sums)
                return
            if v is not None and "membranes" in wants:
                after = np.empty((len(images), self.net.steps[p.name], *p.shape), np.int64)
            trains = images.astype(np.uint16) if isinstance(p, Input) else np.zeros(shape, np.uint16)
            spikes[p.name] = self.answer(p, spikes, trains, v, after)
            yield Activity(
                p.name,
                trains,
                codes(trains, self.net.code_weights[p.name]) if "codes" in wants else None,
                v,
                after,
                sums,
            )

    def opening(
        self,
        p: FS | Readout,
        spikes: dict[str, list[SpikeList]],
        shape: tuple[int, ...],
        keep: bool,
        deliveries: Array | None,
    ) -> tuple[Ints, dict[int, Ints]]:
        """The opening membranes of `shape` (B, C, H, W), and the sums they are made of when these are kept."""
        v = np.broadcast_to(p.bias if p.bias.ndim == 3 else p.bias[:, None, None], shape).copy()
        into = [(index, spikes[q.source]) for index, q in enumerate(self.net.projections) if q.target == p.name]
        sums = {index: np.empty(shape, np.int64) for index, _ in into if keep}
        for b in range(len(v)):
            for index, sent in into:
                total, count = self.deliver[index](sent[b], deliveries is not None)
                v[b] += total
                if keep:
                    sums[index][b] = total
                if deliveries is not None:
                    deliveries[b, index] += count
        return v, sums

    def answer(
        self,
        p: Input | MaxPool | FS,
        spikes: dict[str, list[SpikeList]],
        trains: NDArray[np.uint16],
        v: Ints | None,
        after: Ints | None,
    ) -> list[SpikeList]:
        """The spikes of every image; fills `trains`, zeros but for an input, and `after`, the membranes, when given."""
        channels, steps = p.shape[0], self.net.steps[p.name]
        room, found = SpikeList.room(trains[0].size, steps), []
        T, h, _ = (rows.copy() for rows in p.table.rows(channels)) if isinstance(p, FS) else (None, None, None)
        for b, train in enumerate(trains.reshape(len(trains), channels, -1)):
            match p:
                case Input():
                    plain.spike_list(train, steps, room.neurons, room.offsets)
                case MaxPool():
                    source, state = spikes[p.source][b], np.zeros((*train.shape, p.kernel[0] * p.kernel[1]), np.uint8)
                    plain.max_pool(
                        source.neurons,
                        source.offsets,
                        *self.candidates[p.name],
                        state,
                        train,
                        room.neurons,
                        room.offsets,
                    )
                case FS():
                    assert v is not None
                    kept = UNWANTED if after is None else after[b].reshape(steps, channels, -1)
                    plain.fire(v[b].reshape(train.shape).copy(), T, h, train, room.neurons, room.offsets, kept)
            found.append(room.cut())
        return found


def codes(trains: NDArray[np.uint16], d: Ints) -> Ints:
    """Codes (B, C, H, W) of trains: d of every step that spiked, added up (FS-4)."""
    code = np.zeros(trains.shape, np.int64)
    for t in range(d.shape[1]):
        code += d[:, t, None, None] * ((trains >> (d.shape[1] - 1 - t)) & 1)
    return code


def simulator(net: Network) -> Simulator:
    """A function from images (B, C, H, W) to the activity of every population in turn."""
    return Simulation(net).run


def count_deliveries(net: Network, images: Ints) -> Ints:
    """Synaptic deliveries (B, projections) of an instrumented run, counted as they are made (OBS-3)."""
    counts = np.zeros((len(images), len(net.projections)), np.int64)
    for _ in Simulation(net).run(images, {}, counts):
        pass
    return counts


def working_bytes(net: Network) -> int:
    """A bound on the bytes one image takes: every spike list at its fullest, the arrays of two populations, all weights
    and runs.
    """
    size = {p.name: int(np.prod(p.shape)) for p in net.populations}
    lists = [4 * size[p.name] * net.steps[p.name] for p in net.populations]
    arrays = [8 * size[p.name] * (net.steps[p.name] + len(net.into(p.name)) + 8) for p in net.populations]
    largest = max(
        before + own for before, own in pairwise([0, *arrays])
    )  # what was yielded of the population before is still held
    states = max(
        (size[p.name] * p.kernel[0] * p.kernel[1] for p in net.populations if isinstance(p, MaxPool)), default=0
    )
    weights = [q.weights.size for q in net.projections]
    pairs = [
        (net[q.target].shape, q.kernel) if isinstance(q, Conv2d) else (net[q.source].shape, (1, 1))
        for q in net.projections
    ]
    pairs += [(p.shape, p.kernel) for p in net.populations if isinstance(p, MaxPool)]
    runs = [shape[1] * shape[2] * kh * kw for shape, (kh, kw) in pairs]
    return (
        sum(lists)
        + max(lists)
        + largest
        + states
        + 8 * sum(weights)
        + 16 * max(weights)
        + 12 * sum(runs)
        + 160 * max(runs)
        + 2**19
    )
