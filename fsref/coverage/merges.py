"""Bins of where projections meet: sums of both signs, and a bias that decides alone (PROJ-6, NET-5)."""

from __future__ import annotations

from itertools import combinations
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.coverage.group import Bits, Group, Seen, What, some
from fsref.coverage.synapses import taps
from fsref.law.bounds import Exact, gate_bounds, projection_bounds, spans
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.law.projections import Conv2d, Dense, Gate, Projection

SIGNS = "sums of both signs at one neuron"
ALONE = "a bias that is not 0 deciding alone"


class Merge:
    """An fs or readout: what the projections into it do together, or none of them."""

    def __init__(self, net: Network, p: FS | Readout) -> None:
        self.p, self.into = p, net.into(p.name)
        no_bias = (p.bias.reshape(p.shape[0], -1) == 0).all(axis=1)
        groups = [Group("NET-5", p.name, ALONE, ("channel",), no_bias, "its bias is 0")]
        if len(self.into) > 1:
            reason = "no two sums into one channel can have both signs"
            groups.append(Group("PROJ-6", p.name, SIGNS, (), ~np.asarray(self._may_differ(net)), reason))
        self.groups = tuple(groups)

    def _may_differ(self, net: Network) -> bool:
        """Whether two sums into some channel may have both signs, by the intervals of their codes (RANGE-2)."""
        ends = []
        for q in self.into.values():
            low, high = (end.reshape(len(end), -1) for end in _bounds(net, q))
            ends.append((low.min(axis=1) < 0, high.max(axis=1) > 0))
        return any(bool((below & high | low & above).any()) for (below, above), (low, high) in combinations(ends, 2))

    def met(self, seen: Seen) -> dict[What, Bits]:
        """The bins met, where all sums, and all that was sent, are known."""
        found: dict[What, Bits] = {}
        sums = [total for name in self.into if (total := seen.made(name, "sums")) is not None]
        if 1 < len(self.into) == len(sums):
            below, above = (some([np.sign(total) == sign for total in sums], 0) for sign in (-1, 1))
            found["PROJ-6", SIGNS] = some(below & above)
        v, trains = seen.made(self.p.name, "opening"), [seen.trains(q.source) for q in self.into.values()]
        spikes = [words != 0 for words in trains if words is not None]
        if v is not None and len(spikes) == len(trains):
            found["NET-5", ALONE] = self._alone(v.reshape(-1, *self.p.shape), spikes)
        return found

    def _alone(self, v: Ints, spikes: list[Bits]) -> Bits:
        """The channels with a bias that is not 0 and a neuron that no spike reached, of opening membranes (B, C, H, W)
        and of the spikes of each source. Few neurons whose membrane is their bias are looked at one by one.
        """
        bias = np.broadcast_to(self.p.bias_map, self.p.shape)
        left = (v == bias) & (bias != 0)
        quiet = left.copy()
        for q, sent in zip(self.into.values(), spikes, strict=True):
            quiet &= ~_near(q, sent, self.p.shape)
        found = some(quiet, 0, 2, 3)
        left &= ~found[:, None, None]
        for q, sent in zip(self.into.values(), spikes, strict=True):
            at = np.nonzero(left)
            left[at] = ~_touched(q, sent, self.p.shape, at)
        return found | some(left, 0, 2, 3)


def _bounds(net: Network, q: Projection) -> tuple[Exact, Exact]:
    """Lowest and highest sum of a projection (RANGE-2)."""

    def ends(name: str) -> tuple[Ints, Ints]:
        codes = net.ranges[name].codes
        return codes[:, 0], codes[:, 1]

    match q:
        case Gate():
            return gate_bounds(q, ends(q.source), ends(q.by), exact=True)
        case Conv2d() | Dense():
            source = net[q.source].shape
            return projection_bounds(q, source, spans(q, source, net[q.target].shape), ends(q.source), exact=True)
        case _:
            assert_never(q)


def _near(q: Projection, spikes: Bits, target: tuple[int, int, int]) -> Bits:
    """Whether any spike of (B, C, H, W) is where a neuron looks, whatever the weight, (B, O or 1, H_out, W_out)."""
    if isinstance(q, Gate):  # a neuron looks at its own place
        return spikes
    if isinstance(q, Dense):  # a neuron looks everywhere
        return some(spikes, 1, 2, 3)[:, None, None, None]
    by_group = some(spikes.reshape(len(spikes), q.groups, -1, *spikes.shape[2:]), 2)
    near = np.zeros((len(spikes), q.groups, *target[1:]), bool)
    for _, _, to, place in taps(q, (q.groups, *spikes.shape[2:]), target):
        near[:, :, *to] |= by_group[:, :, *place]
    return np.repeat(near, target[0] // q.groups, axis=1)


def _touched(q: Projection, spikes: Bits, target: tuple[int, int, int], at: tuple[NDArray[np.intp], ...]) -> Bits:
    """Whether a spike of (B, C, H, W) reaches each of these neurons (image, o, y, x) along a synapse (PROJ-7)."""
    image, o, y, x = at
    nonzero = q.weights != 0
    if isinstance(q, Gate):
        return np.asarray(spikes[at] & nonzero[o])
    if isinstance(q, Dense):  # a neuron looks everywhere
        sent = (some(spikes, 2, 3) if q.pooled else spikes.reshape(len(spikes), -1)).astype(np.float32)
        return np.asarray((sent @ nonzero.T.astype(np.float32))[image, o] > 0)
    inputs = np.arange(nonzero.shape[1])
    channel = (o // (target[0] // q.groups) * len(inputs))[:, None] + inputs
    touched = np.zeros(len(image), bool)
    top, left, _, _ = q.padding
    for r, c in np.ndindex(*q.kernel):
        v, u = y * q.stride[0] - top + r * q.dilation[0], x * q.stride[1] - left + c * q.dilation[1]
        inside = (v >= 0) & (v < spikes.shape[2]) & (u >= 0) & (u < spikes.shape[3])
        read = spikes[image[inside, None], channel[inside], v[inside, None], u[inside, None]]
        touched[inside] |= some(read & nonzero[o[inside], :, r, c], 1)
    return touched
