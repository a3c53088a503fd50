"""The event-driven simulator in plain loops, one image and one spike at a time: it takes every network there is, counts
deliveries, and judges the fast kernels of `events`.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines.activity import Activity
from fsref.engines.delivering import SpikeList, by_place, deliverer, reached, sum_type
from fsref.engines.engine import OBJECTS, Simulator, Wanted
from fsref.engines.kernels import plain as kernels
from fsref.law.network import Network
from fsref.law.neuron import Ints, is_binary
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Relay, Shape, View
from fsref.law.projections import Conv2d, Dense, Gate, Linear, Pair, Projection, taps

Array = NDArray[Any]
UNWANTED = np.empty((0, 0, 0), np.int64)


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
        into, read = self.net.into(p.name), self.net.sources(p.name)
        sums = {name: np.empty(shape, np.int64) for name in into if keep}
        for b in range(len(v)):
            listed = {name: spikes[name][b] for name in read}
            for name in into:
                total, count = self.deliver[name](listed, deliveries is not None)
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


def code_bytes(net: Network, p: Population) -> int:
    """The bytes of codes in the making: themselves; where words are none, what a step adds to them, and its bits."""
    return (8 if is_binary(net.code_weights[p.name]) else 8 + 8 + 2 * 2) * p.neurons


def codes(trains: NDArray[np.uint16], d: Ints) -> Ints:
    """Codes (B, C, H, W) of trains: d of every step that spiked, added up (FS-4)."""
    if is_binary(d):
        return trains.astype(np.int64)
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


def run_count(projection: Linear, source: Shape, target: Shape) -> int:
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


def windows(q: Linear) -> Pair:
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
    if isinstance(q, Gate):  # weights; both d; its registers, and sums before they are of their type
        kept = 8 * (q.weights.size + sum(net[name].shape[0] * net.steps[name] for name in (q.source, q.by)))
        return kept, 8 * (net[q.by].neurons + net[q.target].neurons)
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
    match p:
        case Input():
            return 2 * n + code_bytes(net, p)  # trains
        case MaxPool() | View():
            return 2 * n + max(n * prod(tap_counts(p)), code_bytes(net, p))  # trains; the state of every candidate
        case FS():
            # Trains, v, sums, membranes; codes, what a step adds to them, its bits: or one to fire, a sum.
            return (2 + 8 + 8 * into + 8 * p.steps + 8 + 8 + 2 * 2) * n
        case Readout():
            return (2 + 8 + 8 * into + 8) * n  # trains, v, sums, one in the making
        case _:
            assert_never(p)
