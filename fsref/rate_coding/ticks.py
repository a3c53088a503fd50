"""One image through a rate-coded twin: populations laid out for the kernels, and their ticks (RATE-2 to RATE-7).

Without feedback a population may take many ticks before the next has its turn, so they go in blocks: its membranes stay
in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import plain, reference
from fsref.engines.delivering import synapses
from fsref.engines.layers import pooled, shown, window_index
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Relay, Shape, View
from fsref.law.projections import Linear, linear
from fsref.metrics.fan_out import fan_outs
from fsref.rate_coding import kernels
from fsref.rate_coding.neurons import Neurons
from fsref.tables import Brief

Array: TypeAlias = NDArray[Any]
Spikes: TypeAlias = tuple[Array, Array]  # neurons, offsets: those of tick t are neurons[offsets[t]:offsets[t+1]]
BLOCK = 16


def flat(values: Ints, shape: Shape) -> Ints:
    """Values (C, 1, 1) or (C, H, W) neuron by neuron as the kernels count them: place by place, its channels side by
    side.
    """
    return np.ascontiguousarray(np.broadcast_to(values, shape).transpose(1, 2, 0)).ravel()


def deliveries(projection: Linear, source: Shape, target: Shape, levels: Ints, kind: Any) -> tuple[Array, ...]:
    """runs, ends, shift and weights of a projection as `kernels.deliver` takes them (PROJ-1 to PROJ-5, RATE-2)."""
    weights, runs, ends = synapses(projection, source, target)
    groups, outputs = projection.groups, target[0]
    size = outputs // groups
    if groups > 1:  # there targets (x, o) of one group lie side by side, here (x, group, o): a run for every x
        many = runs[:, 2] // size
        each = np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
        runs = np.repeat(runs, many, axis=0)
        runs = np.stack(
            [(runs[:, 0] // size + each) * outputs, runs[:, 1] + each * size, np.full(len(runs), size)], axis=1
        ).astype(np.int32)
        ends = np.append(0, np.cumsum(many))[ends]
    shift = np.arange(source[0]) // (source[0] // groups) * size
    return runs, ends, shift, np.ascontiguousarray(weights * levels[:, None], dtype=kind)


def windows(p: Relay, source: Shape) -> Array:
    """The places of every window (windows, taps), -1 for padding, in ascending order; a view is windows of one place
    (RATE-5, POOL-3, VIEW-1).
    """
    match p:
        case MaxPool():
            rows = window_index(source[1], p.shape[1], p.padding[0], p.kernel[0], p.stride[0], 1)
            columns = window_index(source[2], p.shape[2], p.padding[1], p.kernel[1], p.stride[1], 1)
        case View():
            rows, columns = (np.where(p.rows < 0, source[1], p.rows)[:, None]), p.columns[:, None]
            columns = np.where(columns < 0, source[2], columns)
        case _:
            assert_never(p)
    rows, columns = rows[:, None, :, None], columns[None, :, None, :]
    places = np.where((rows < source[1]) & (columns < source[2]), rows * source[2] + columns, -1)
    return np.ascontiguousarray(places.reshape(p.shape[1] * p.shape[2], -1))


@dataclass(frozen=True, eq=False, repr=False)
class Stage(Brief):
    """One population made ready, every array (N,) in the order of `flat`; `into` has source and `deliveries` of each
    projection that carries spikes, `constant` the projections of analog sources, `relay` the source and the windows of
    a max_pool or view.
    """

    population: Population
    threshold: Ints
    start: Ints
    bias: Ints
    fan: Ints
    into: Sequence[tuple[str, tuple[Array, ...]]]
    constant: Sequence[Linear]
    relay: tuple[str, Array] | None


class Machine:
    """A twin made ready: `run` takes one image through it. `kind` holds every sum that arrives within a tick."""

    def __init__(self, net: Network, made: Mapping[str, Neurons], kind: type[np.signedinteger[Any]]) -> None:
        self.net, self.made, self.kind = net, made, kind
        fans = fan_outs(net)
        self.stages = [self.stage(p, fans) for p in net.populations if not made[p.name].analog]
        self.spiking = [s.population.name for s in self.stages[:-1]]

    def stage(self, p: Population, fans: Mapping[str, Ints]) -> Stage:
        """A population made ready."""
        relay: tuple[str, Array] | None = None
        match p:
            case MaxPool() | View():
                relay = p.source, windows(p, self.net[p.source].shape)
            case Input() | FS() | Readout():
                pass
            case _:
                assert_never(p)
        n, into = self.made[p.name], linear(self.net.into(p.name).values())
        fan = sum((fans[name] for name in self.net.out_of(p.name)), np.zeros(p.shape, np.int64))
        spiking = [(q.source, self.net[q.source].shape, q) for q in into if not self.made[q.source].analog]
        return Stage(
            p,
            threshold=flat(n.threshold[:, None, None], p.shape),
            start=flat(n.start[:, None, None], p.shape),
            bias=flat(n.bias, p.shape),
            fan=flat(fan, p.shape),
            into=[(s, deliveries(q, shape, p.shape, self.made[s].levels, self.kind)) for s, shape, q in spiking],
            constant=[q for q in into if self.made[q.source].analog],
            relay=relay,
        )

    def gains(self, image: Ints) -> dict[str, Ints]:
        """What every tick adds to each population, (N,): bias, pixels of an input that spikes, sums of analog codes
        (RATE-3, RATE-4).
        """
        codes = {self.net.input.name: image[None]}
        for p in self.net.relays:
            if not self.made[p.name].analog:
                continue
            below = codes[p.source].transpose(0, 2, 3, 1)
            match p:
                case MaxPool():
                    codes[p.name] = pooled(below, p).transpose(0, 3, 1, 2)
                case View():
                    codes[p.name] = shown(below, p).transpose(0, 3, 1, 2)
                case _:
                    assert_never(p)
        found = {}
        for s in self.stages:
            gain = flat(image, s.population.shape) if s.population is self.net.input else s.bias
            for q in s.constant:
                shape = s.population.shape
                gain = gain + flat(reference.along(codes[q.source], q, shape)[0], shape)
            found[s.population.name] = gain
        return found

    def run(self, image: Ints, ticks: int, apart: bool) -> tuple[Ints, Ints, Ints]:
        """Of one image (C, H, W), after every tick: membranes of the readout (ticks, classes), spikes of each
        population that spikes (ticks, populations), SynOps (ticks,).
        """
        gains = self.gains(image)
        v = {s.population.name: s.start.copy() for s in self.stages}
        sent = {
            s.population.name: np.zeros((2, s.population.shape[0], self.places(s.relay[0])), np.int32)
            for s in self.stages
            if s.relay is not None
        }
        nothing = np.zeros(0, np.int32), np.zeros(2, np.int64)
        last: dict[str, Spikes] = dict.fromkeys(self.spiking, nothing)
        largest = max(s.fan.size for s in self.stages)
        sums, room = np.zeros(BLOCK * largest, self.kind), np.empty(BLOCK * largest, np.int32)
        fired = np.empty(largest, np.uint8)
        logits = np.empty((ticks, self.net.readout.shape[0]), np.int64)
        counts, operations = np.empty((ticks, len(self.spiking)), np.int64), np.zeros(ticks, np.int64)
        for first in range(0, ticks, BLOCK):
            rows = slice(first, min(first + BLOCK, ticks))
            count = rows.stop - first
            now: dict[str, Spikes] = {}
            for place, s in enumerate(self.stages):
                name, size = s.population.name, s.fan.size
                arriving = sums[: count * size].reshape(count, size)
                for source, tables in s.into:
                    seen = now[source] if not apart else delayed(last[source], now[source])
                    kernels.deliver(*seen, *tables, arriving)
                if s.population is self.net.readout:
                    logits[rows] = v[name] + np.cumsum(arriving + gains[name], axis=0)
                    v[name] = logits[rows.stop - 1]
                    arriving[:] = 0
                    continue
                offsets, spent = np.zeros(count + 1, np.int64), np.empty(count, np.int64)
                if s.relay is not None:
                    source, candidates = s.relay
                    kernels.pool(*now[source], candidates, *sent[name], s.fan, room, offsets, spent)
                else:
                    kernels.fire(v[name], gains[name], arriving, s.threshold, s.fan, fired, room, offsets, spent)
                now[name] = room[: offsets[-1]].copy(), offsets
                counts[rows, place] = np.diff(offsets)
                operations[rows] += spent
            last = now
        return logits, counts, operations

    def places(self, name: str) -> int:
        """The places of a population."""
        return self.net[name].shape[1] * self.net[name].shape[2]


def table_bytes(net: Network) -> int:
    """A bound on the bytes of what all images share: weights and runs of every projection, windows, thresholds, starts,
    biases, fan-outs.
    """
    weights = [q.weights.size for q in net.projections]
    ends = [(q, net[q.source].shape, net[q.target].shape) for q in linear(net.projections)]
    runs = [plain.run_count(q, source, target) * q.groups for q, source, target in ends]
    taps = sum(p.shape[1] * p.shape[2] * prod(plain.tap_counts(p)) for p in net.relays)
    tables = 8 * sum(weights) + 40 * max(weights) + 12 * sum(runs) + 160 * max(runs)
    return tables + 40 * taps + 64 * net.neurons + 2**19


def working_bytes(net: Network) -> int:
    """A bound on the bytes one image takes: membranes and gains, all spikes of a block twice, what arrives, what an
    analog input adds.
    """
    size = [p.neurons for p in net.populations]
    return (20 + 8 * BLOCK) * sum(size) + 32 * BLOCK * max(size) + reference.working_bytes(net) + 2**20


def delayed(before: Spikes, now: Spikes) -> Spikes:
    """The spikes of a block one tick later: the last tick of the block before comes first, the last of this one is left
    out (RATE-6).
    """
    (neurons, offsets), (own, ends) = before, now
    carried = neurons[offsets[-2] :]
    return np.concatenate([carried, own[: ends[-2]]]), np.append(0, len(carried) + ends[:-1])
