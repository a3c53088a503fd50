"""What enters each neuron of a population: neurons of its sources, what these can send, the weights between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsref.coverage.draws import Draws
from fsref.coverage.trains import sent
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.law.projections import Conv2d, Dense, Linear, linear, taps
from fsref.simulation.recording import Key


@dataclass(frozen=True, eq=False)
class Sendable:
    """What one channel of a source can send: distinct codes, ascending, and a train word of each (RANGE-3)."""

    codes: Ints
    trains: Ints


class Inputs:
    """The neurons of some sources behind one another: what each can send, by number."""

    def __init__(self, net: Network, sources: tuple[str, ...]) -> None:
        self.sources = {name: net[name] for name in sources}
        self.first: dict[str, int] = {}
        self.sendable: list[Sendable] = []  # by kind
        kinds, count = [], 0
        for name, source in self.sources.items():
            self.first[name] = count
            count += source.neurons
            by_channel = _sendable(net, name)
            kinds.append(np.repeat(np.arange(len(by_channel)) + len(self.sendable), source.neurons // len(by_channel)))
            self.sendable += by_channel
        self.kind: NDArray[np.intp] = np.concatenate(kinds)
        self.count = count
        ends = np.array([(one.codes[0], one.codes[-1]) for one in self.sendable], np.int64)
        self.low, self.high = ends[self.kind].T
        # The code nearest to 0: what a neuron sends that is to say nothing.
        self.least = np.array([one.codes[np.abs(one.codes).argmin()] for one in self.sendable], np.int64)[self.kind]

    def codes(self, number: int) -> Ints:
        """The codes that an input can send, ascending."""
        kind: int = self.kind[number]
        return self.sendable[kind].codes

    def drawn(self, draws: Draws) -> Ints:
        """Codes of all inputs, drawn from what each can send."""
        found = np.empty(self.count, np.int64)
        at = draws.below(np.array([len(one.codes) for one in self.sendable], np.int64)[self.kind])
        for kind, one in enumerate(self.sendable):
            mine = self.kind == kind
            found[mine] = one.codes[at[mine]]
        return found

    def given(self, codes: Ints) -> dict[Key, Ints]:
        """The trains (neurons,) of each source that send these codes, as a case is given them (VECTOR-1)."""
        words = np.empty(self.count, np.int64)
        for kind, one in enumerate(self.sendable):
            mine = self.kind == kind
            words[mine] = one.trains[np.searchsorted(one.codes, codes[mine])]
        return {
            (name, "spikes"): words[self.first[name] : self.first[name] + source.neurons]
            for name, source in self.sources.items()
        }


def _sendable(net: Network, name: str) -> list[Sendable]:
    """What each channel of a population can send."""
    d, steps, found = net.code_weights[name], net.steps[name], []
    for c, words in enumerate(sent(net)[name]):
        codes = (words[:, None] >> np.arange(steps - 1, -1, -1) & 1) @ d[c]
        distinct, at = np.unique(codes, return_index=True)
        found.append(Sendable(distinct, words[at]))
    return found


class Fields:
    """What enters each neuron of an fs or readout."""

    def __init__(self, net: Network, p: FS | Readout) -> None:
        self.p = p
        self.into = linear(net.into(p.name).values())
        self.inputs = Inputs(net, tuple(dict.fromkeys(net.sources(p.name))))
        self.shapes = {q.source: net[q.source].shape for q in self.into}
        groups = {q.groups for q in self.into}
        # Of channels that share no input; with gates, of which no sums are formed, all are one.
        self.blocks = groups.pop() if len(groups) == 1 and len(self.into) == len(net.into(p.name)) else 1
        self.twice = len(self.into) > len(self.shapes)

    def block(self, channel: int) -> int:
        """The block of a channel: neurons of different blocks share no input."""
        return channel // (self.p.shape[0] // self.blocks)

    def patch(self, block: int, y: int, x: int) -> tuple[NDArray[np.intp], Ints]:
        """The inputs (n,) of a place in a block, by number, and the weights (O, n) to each channel of the block, 0
        where there is no synapse (PROJ-7).
        """
        parts = [self._along(q, block, y, x) for q in self.into]
        at = np.concatenate([at for at, _ in parts])
        weights = np.concatenate([weights for _, weights in parts], axis=1)
        if self.twice:  # two projections from one source add up (PROJ-6)
            at, where = np.unique(at, return_inverse=True)
            joined = np.zeros((len(weights), len(at)), np.int64)
            np.add.at(joined.T, where, weights.T)
            weights = joined
        return at, weights

    def _along(self, q: Linear, block: int, y: int, x: int) -> tuple[NDArray[np.intp], Ints]:
        shape, first = self.shapes[q.source], self.inputs.first[q.source]
        size = self.p.shape[0] // self.blocks
        weights = q.weights[block * size : (block + 1) * size].astype(np.int64)
        if isinstance(q, Dense):  # there are no taps
            places = shape[1] * shape[2]
            return first + np.arange(shape[0] * places), np.repeat(weights, places, axis=1) if q.pooled else weights
        rows, columns = (
            taps(shape[1 + i], self.p.shape[1 + i], q.padding[i], q.kernel[i], q.stride[i], q.dilation[i])[(y, x)[i]]
            for i in (0, 1)
        )
        r, c = np.arange(*rows), np.arange(*columns)
        spread = self._spread(q, weights, block)[:, :, r[:, None], c]
        channels = shape[0] // self.blocks * block + np.arange(spread.shape[1])
        v, u = y * q.stride[0] - q.padding[0] + r * q.dilation[0], x * q.stride[1] - q.padding[1] + c * q.dilation[1]
        at = first + (channels[:, None, None] * shape[1] + v[:, None]) * shape[2] + u
        return at.reshape(-1), spread.reshape(size, -1)

    def _spread(self, q: Conv2d, weights: Ints, block: int) -> Ints:
        """The weights (O, I, kh, kw) of a block from all input channels of the block, 0 from those of other groups."""
        inside = q.groups // self.blocks
        if inside == 1:
            return weights
        outputs, inputs = weights.shape[:2]
        spread = np.zeros((inside, outputs // inside, inside, inputs, *weights.shape[2:]), np.int64)
        for group, own in enumerate(weights.reshape(inside, -1, *weights.shape[1:])):
            spread[group, :, group] = own
        return spread.reshape(outputs, inside * inputs, *weights.shape[2:])
