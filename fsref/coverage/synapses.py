"""Bins of projections: taps, borders, groups, weights and signs that something was delivered along (PROJ, TIME-5)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fsref.coverage.group import Bits, Group, Seen, What, some, spike
from fsref.coverage.trains import may_spike
from fsref.engines import reference
from fsref.law.network import Network
from fsref.law.populations import Shape
from fsref.law.projections import Conv2d, Dense, Linear

DEAD = "its weights are 0, or their sources never spike there"
WINDOWS = ("top", "left", "bottom", "right", "inside")
TAP, WINDOW, GROUP = "tap used", "window with a spike in it", "group used"
ENDS, WEIGHT, EXTREME = "input used", "weight used", "weight used with the largest code of its source"
WAITS = "word with a spike that waits in a FIFO"
ZERO = "a weight of 0 makes no synapse, and some sources never spike there"


class Synapses:
    """A projection: what is delivered along it."""

    def __init__(self, net: Network, name: str, q: Linear) -> None:
        self.net, self.name, self.q = net, name, q
        self.source, self.target = net[self.q.source], net[self.q.target]
        self.nonzero: Bits = self.q.weights != 0
        held = self.q.weights[self.nonzero]
        self.ends = (held.min(), held.max()) if held.size else (0, 0)
        self.largest = int(net.ranges[self.source.name].codes.max())
        self.spiking = may_spike(net, self.source.name)
        self.waits = net.schedule.delays[self.source.name, self.target.name] > 0
        self.groups = tuple(self._groups())

    def _groups(self) -> Iterator[Group]:
        can = some(self.spiking, 1)
        largest = can & (self.net.ranges[self.source.name].codes[:, 1] == self.largest)
        every = [np.broadcast_to(of[:, None, None], self.source.shape) for of in (can, largest)]
        for (rule, what), reached in self._used(*every).items():
            axes: tuple[tuple[str, ...] | str, ...]
            match what:
                case "tap used":
                    axes = ("tap y", "x")
                case "window with a spike in it":
                    axes = (WINDOWS,)
                case "group used":
                    axes = ("group",)
                case "input used":
                    axes = (("first input", "last input"),)
                case "weight used":
                    axes = ("weight", *("input", "y", "x")[: self.nonzero.ndim - 1])
                case _:
                    axes = (("smallest weight", "largest weight"),)
            reason = {WINDOW: "there is no such window", WEIGHT: ZERO}.get(what, DEAD)
            yield Group(rule, self.name, what, axes, ~reached, reason)
        if self.waits:
            never = ~some(self.spiking, 0)
            yield Group("TIME-5", self.name, WAITS, ("step",), never, "its source never spikes then")

    def met(self, seen: Seen) -> dict[What, Bits]:
        """The bins met by what the source sent, when that is known."""
        trains, codes = seen.trains(self.source.name), seen.codes(self.source.name)
        if trains is None or codes is None:
            return {}
        spikes = trains != 0
        found = self._used(some(spikes, 0), some(spikes & (codes == self.largest), 0))
        if self.waits:
            steps, words = self.spiking.shape[1], np.bitwise_or.reduce(trains, axis=None)
            found["TIME-5", WAITS] = np.array([spike(words, t, steps) for t in range(steps)], bool)
        return found

    def _used(self, spikes: Bits, largest: Bits) -> dict[What, Bits]:
        """The bins met where spikes (C, H, W) were sent, in some image, and the largest code of the source."""
        q, found = self.q, dict[What, Bits]()
        used = self._inputs(spikes) & self.nonzero
        match q:
            case Conv2d():
                found["PROJ-1", TAP] = some(used, 0, 1)
                found["PROJ-1", WINDOW] = windows(q, some(spikes, 0), self.target.shape)
            case Dense():
                first, last = spikes[0, 0, 0] & self.nonzero[:, 0], spikes[-1, -1, -1] & self.nonzero[:, -1]
                found["PROJ-5" if q.pooled else "PROJ-4", ENDS] = np.array([first.any(), last.any()])
        if q.groups > 1:
            found["PROJ-3", GROUP] = some(used.reshape(q.groups, -1), 1)
        found["PROJ-7", WEIGHT] = used
        most = self._inputs(largest) & self.nonzero
        found["PROJ-7", EXTREME] = np.array([(most & (q.weights == end)).any() for end in self.ends])
        return found

    def _inputs(self, spikes: Bits) -> Bits:
        """Which weights join a neuron of those marked (C, H, W) with one of the target, in the shape of weights or one
        that broadcasts to it.
        """
        q = self.q
        if isinstance(q, Dense):  # there are no taps
            return (some(spikes, 1, 2) if q.pooled else spikes.reshape(-1))[None]
        kh, kw = q.kernel
        read = np.zeros((len(spikes), kh, kw), bool)
        for r, c, _, place in taps(q, self.source.shape, self.target.shape):
            read[:, r, c] = spikes[:, *place].any(axis=(1, 2))
        by_group = read.reshape(q.groups, -1, kh, kw)
        return np.repeat(by_group, len(q.weights) // q.groups, axis=0)


def taps(
    q: Conv2d, source: Shape, target: Shape
) -> Iterator[tuple[int, int, tuple[slice, slice], tuple[slice, slice]]]:
    """Each tap of a conv2d (row, column), the windows that see the source through it, and the places they see
    (PROJ-1).
    """
    top, left, _, _ = q.padding
    for r in range(q.kernel[0]):
        to_y, from_y = reference.seen(source[1], target[1], top, q.stride[0], r * q.dilation[0])
        for c in range(q.kernel[1]):
            to_x, from_x = reference.seen(source[2], target[2], left, q.stride[1], c * q.dilation[1])
            yield r, c, (to_y, to_x), (from_y, from_x)


def windows(q: Conv2d, spikes: Bits, target: Shape) -> Bits:
    """Whether a window that leaves the source at the top, left, bottom, right, and one that lies inside, has a spike in
    it, (5,), of spikes (H, W) of any channel.
    """
    source: Shape = (1, *spikes.shape)
    holds = np.zeros(target[1:], bool)
    for _, _, to, place in taps(q, source, target):
        holds[to] |= spikes[place]
    top, left = (np.arange(n) * q.stride[i] - q.padding[i] for i, n in enumerate(target[1:]))
    (above, below), (before, behind) = (
        (first < 0, first + q.dilation[i] * (q.kernel[i] - 1) >= source[1 + i]) for i, first in enumerate((top, left))
    )
    inside = holds[~(above | below)][:, ~(before | behind)]
    return np.array([part.any() for part in (holds[above], holds[:, before], holds[below], holds[:, behind], inside)])
