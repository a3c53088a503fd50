"""The event-driven simulator in plain loops, one image and one spike at a time: it takes every network there is, counts
deliveries, and judges the fast kernels of `events`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import gcd, prod
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines.activity import Activity
from fsref.engines.engine import OBJECTS, Simulator, Wanted
from fsref.engines.kernels import plain as kernels
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Relay, Shape, View
from fsref.law.projections import Conv2d, Dense, Pair, Projection, taps
from fsref.tables import Brief

Array = NDArray[Any]
UNWANTED = np.empty((0, 0, 0), np.int64)


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


def read_by(p: Relay, source: Shape, axis: int) -> Array:
    """Along one axis, (3, n): every place, window and tap of a max-pool such that the window has the place as a
    candidate; a view is windows of one tap (POOL-1, VIEW-1).
    """
    match p:
        case MaxPool():
            return reached(source[axis + 1], p.shape[axis + 1], p.padding[axis], p.kernel[axis], p.stride[axis], 1)
        case View():
            places = (p.rows, p.columns)[axis]
            own = np.flatnonzero(places >= 0)
            own = own[np.argsort(places[own], kind="stable")]
            return np.stack([places[own], own, np.zeros_like(own)])
        case _:
            assert_never(p)


def tap_counts(p: Relay) -> Pair:
    """The taps of a window (y, x) of a max-pool; of a view one."""
    match p:
        case MaxPool():
            return p.kernel
        case View():
            return 1, 1
        case _:
            assert_never(p)


def candidates(p: Relay, source: Shape) -> tuple[Array, Array]:
    """The windows and taps that see each place, as `plain.max_pool` takes them (POOL-1, POOL-3, VIEW-1)."""
    (y, i, r), (x, j, c) = read_by(p, source, 0)[:, :, None], read_by(p, source, 1)
    return by_place(source[1] * source[2], y * source[2] + x, i * p.shape[2] + j, r * tap_counts(p)[1] + c)


def sum_type(net: Network, target: str) -> type[np.signedinteger[Any]]:
    """The type of every partial sum into a population (RANGE-1)."""
    reach = int(np.abs(net.ranges[target].any_order).max())
    return np.int32 if reach < 2**31 else np.int64


def deliverer(net: Network, projection: Projection) -> Deliver:
    """A function from spikes to what the projection delivers, (C, H, W), and the number of deliveries when counted."""
    source, target = net[projection.source], net[projection.target]
    kind = sum_type(net, target.name)
    d = net.code_weights[source.name].astype(kind, order="C")
    weights, runs, ends = synapses(projection, source.shape, target.shape)
    weights = weights.astype(kind, order="C")
    groups = projection.groups
    outputs, height, width = target.shape

    def deliver(spikes: SpikeList, counting: bool) -> tuple[Array, int]:
        out = np.zeros((groups, height, width, outputs // groups), kind)
        count = kernels.deliver(
            spikes.neurons, spikes.offsets, d, runs, ends, weights, out.reshape(groups, -1), counting
        )
        return out.transpose(0, 3, 1, 2).reshape(target.shape), count

    return deliver


class Simulation:
    """A network made ready: the synapses of every projection and the candidates of every pool and view."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self.deliver = {name: deliverer(net, q) for name, q in net.named_projections.items()}
        self.candidates = {p.name: candidates(p, net[p.source].shape) for p in net.relays}
        # T and h (C, K) of every fs: the kernels want rows of their own.
        self.tables = {p.name: [rows.copy() for rows in p.table.rows(p.shape[0])[:2]] for p in net.fs}

    def run(self, images: Ints, wanted: Wanted, deliveries: dict[str, Array] | None = None) -> Iterator[Activity]:
        """The activity of every population in turn; adds to `deliveries`, (B,) by projection, when given."""
        spikes: dict[str, list[SpikeList]] = {}
        for p in self.net.populations:
            wants, shape = wanted.get(p.name, frozenset[str]()), (len(images), *p.shape)
            v: Ints | None = None
            after: Ints | None = None
            sums: dict[str, Ints] = {}
            trains = np.zeros(shape, np.uint16)
            match p:
                case Input():
                    trains = images.astype(np.uint16)
                case MaxPool() | View():
                    pass
                case FS():
                    v, sums = self.opening(p, spikes, shape, "sums" in wants, deliveries)
                    if "membranes" in wants:
                        after = np.empty((len(images), p.steps, *p.shape), np.int64)
                case Readout():
                    v, sums = self.opening(p, spikes, shape, "sums" in wants, deliveries)
                    yield Activity(p.name, opening=v, sums=sums)
                    continue
                case _:
                    assert_never(p)
            spikes[p.name] = self.answer(p, spikes, trains, v, after)
            d = self.net.code_weights[p.name]
            yield Activity(p.name, trains, codes(trains, d) if "codes" in wants else None, v, after, sums)

    def opening(
        self,
        p: FS | Readout,
        spikes: dict[str, list[SpikeList]],
        shape: tuple[int, ...],
        keep: bool,
        deliveries: dict[str, Array] | None,
    ) -> tuple[Ints, dict[str, Ints]]:
        """The opening membranes of `shape` (B, C, H, W), and the sums they are made of when these are kept."""
        v = np.broadcast_to(p.bias_map, shape).copy()
        into = {name: spikes[q.source] for name, q in self.net.into(p.name).items()}
        sums = {name: np.empty(shape, np.int64) for name in into if keep}
        for b in range(len(v)):
            for name, sent in into.items():
                total, count = self.deliver[name](sent[b], deliveries is not None)
                v[b] += total
                if keep:
                    sums[name][b] = total
                if deliveries is not None:
                    deliveries[name][b] += count
        return v, sums

    def answer(
        self,
        p: Input | Relay | FS,
        spikes: dict[str, list[SpikeList]],
        trains: NDArray[np.uint16],
        v: Ints | None,
        after: Ints | None,
    ) -> list[SpikeList]:
        """The spikes of every image; fills `trains`, zeros but for an input, and `after`, the membranes, when given."""
        channels, steps = p.shape[0], self.net.steps[p.name]
        room, found = SpikeList.room(trains[0].size, steps), []
        for b, train in enumerate(trains.reshape(len(trains), channels, -1)):
            match p:
                case Input():
                    kernels.spike_list(train, steps, room.neurons, room.offsets)
                case MaxPool() | View():
                    source, state = spikes[p.source][b], np.zeros((*train.shape, prod(tap_counts(p))), np.uint8)
                    seen = source.neurons, source.offsets, *self.candidates[p.name]
                    kernels.max_pool(*seen, state, train, room.neurons, room.offsets)
                case FS():
                    assert v is not None
                    kept = UNWANTED if after is None else after[b].reshape(steps, channels, -1)
                    opened = v[b].reshape(train.shape).copy()
                    kernels.fire(opened, *self.tables[p.name], train, room.neurons, room.offsets, kept)
                case _:
                    assert_never(p)
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


def count_deliveries(net: Network, images: Ints) -> dict[str, Array]:
    """Synaptic deliveries of an instrumented run, (B,) by projection, counted as they are made (OBS-3)."""
    counts = {name: np.zeros(len(images), np.int64) for name in net.named_projections}
    for _ in Simulation(net).run(images, {}, counts):
        pass
    return counts


def heard(size: int, count: int, before: int, kernel: int, stride: int, dilation: int) -> int:
    """How many pairs of a target and a tap meet a place along one axis: the length of `reached`."""
    seen = taps(size, count, before, kernel, stride, dilation)
    return int((seen[:, 1] - seen[:, 0]).sum())


def run_count(projection: Projection, source: Shape, target: Shape) -> int:
    """How many runs `synapses` makes of a projection, at most a place of a row without any more."""
    match projection:
        case Conv2d(kernel=kernel, stride=stride, dilation=dilation, padding=padding):
            rows, columns = (
                heard(source[a + 1], target[a + 1], padding[a], kernel[a], stride[a], dilation[a]) for a in (0, 1)
            )
            # Targets that hear a place lie side by side when the stride is a multiple of the dilation.
            return rows * (columns if stride[1] % dilation[1] else min(columns, source[2]))
        case Dense():
            return source[1] * source[2]
        case _:
            assert_never(projection)


def windows(q: Projection) -> Pair:
    """The kernel (y, x) of a projection's windows; of a dense one as if of one tap."""
    match q:
        case Conv2d():
            return q.kernel
        case Dense():
            return 1, 1
        case _:
            assert_never(q)


def meeting_bytes(kernel: Pair, target: Shape) -> int:
    """What `reached` takes along both axes: 12 columns of 64 bits for every target and tap."""
    return 96 * (target[1] * kernel[0] + target[2] * kernel[1])


def synapse_bytes(net: Network, q: Projection) -> tuple[int, int]:
    """Bounds on weights, runs and ends of a projection, and on what making them takes beside."""
    source, target = net[q.source].shape, net[q.target].shape
    runs, places = run_count(q, source, target), source[1] * source[2]
    wide = np.dtype(sum_type(net, q.target)).itemsize
    kept = wide * (q.weights.size + source[0] * net.steps[q.source]) + 12 * runs + 8 * (places + 1)
    # Runs: their place and three columns of 64 bits, joined, then of 32 bits; weights: twice before they are wide.
    return kept, (4 * 8 + 3 * 8) * runs + 8 * places + 2 * q.weights.nbytes + meeting_bytes(windows(q), target)


def candidate_counts(p: Relay, source: Shape) -> Pair:
    """How many pairs of a window and a candidate a max-pool or view has along each axis: the lengths of `read_by`."""
    match p:
        case MaxPool():
            rows, columns = (
                heard(source[a + 1], p.shape[a + 1], p.padding[a], p.kernel[a], p.stride[a], 1) for a in (0, 1)
            )
            return rows, columns
        case View():
            return int(np.count_nonzero(p.rows >= 0)), int(np.count_nonzero(p.columns >= 0))
        case _:
            assert_never(p)


def shared_bytes(net: Network, threads: int) -> int:
    """A bound on the bytes that images share: weights, runs and ends of every projection, windows of every pool and
    view,    tables; the one of them in the making; on each thread room for the spikes of one population.
    """
    each = [synapse_bytes(net, q) for q in net.projections]
    kept, making = sum(own for own, _ in each), max(beside for _, beside in each)
    for p in net.relays:
        source = net[p.source].shape
        runs, places = prod(candidate_counts(p, source)), source[1] * source[2]
        kept += 8 * runs + 8 * (places + 1)
        making = max(making, (3 * 8 + 2 * 8) * runs + 8 * places + meeting_bytes(tap_counts(p), p.shape))
    tables = sum(2 * 8 * p.shape[0] * p.steps for p in net.fs)
    room = threads * max(list_bytes(net, p) for p in net.populations)
    return kept + making + tables + room + OBJECTS * (len(net.populations) + len(net.projections))


def list_bytes(net: Network, p: Population) -> int:
    """The bytes of a spike list in which every neuron spikes in every step."""
    return 4 * p.neurons * net.steps[p.name] + 8 * (net.steps[p.name] + 1)


def working_bytes(net: Network) -> int:
    """A bound on the bytes one image takes: all spike lists at their fullest, and what the population at work takes."""
    lists = sum(list_bytes(net, p) + OBJECTS for p in net.populations)
    return lists + max(at_work(net, p) for p in net.populations)


def at_work(net: Network, p: Population) -> int:
    """The most bytes held for one image while a population is at work, beside spike lists; n is its neurons."""
    n, into = p.neurons, len(net.into(p.name))
    told = (8 + 8 + 2 * 2) * n  # codes, what a step adds to them, its bits
    match p:
        case Input():
            return 2 * n + told  # trains
        case MaxPool() | View():
            return 2 * n + max(n * prod(tap_counts(p)), told)  # trains; the state of every candidate
        case FS():
            # Trains, v, sums, membranes; told: or one to fire, a sum.
            return (2 + 8 + 8 * into + 8 * p.steps) * n + told
        case Readout():
            return (2 + 8 + 8 * into + 8) * n  # trains, v, sums, one in the making
        case _:
            assert_never(p)
