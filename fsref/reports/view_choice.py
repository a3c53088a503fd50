"""What of a network goes onto a page of its spikes: all of it, or populations and channels spread evenly (DEBUG-2)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.errors import LimitError, UsageError, nearest
from fsref.formats.labels import few
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View
from fsref.law.projections import smallest_dtype
from fsref.tables import Brief, Fact

ROOM = 2**23  # bytes of integers of a page
MOST = 256  # populations of a page


@dataclass(frozen=True, eq=False, repr=False)
class Chosen(Brief):
    """The channels of each population on a page, by name in the network's order; the populations whose synapses are
    there; what was left out, in words; and a bound on the bytes of their integers.
    """

    channels: dict[str, NDArray[np.intp]]
    synapses: frozenset[str]
    left_out: tuple[Fact, ...]
    nbytes: int

    def neurons(self, p: Population) -> NDArray[np.intp] | None:
        """The numbers of a population's neurons on the page; None is all."""
        channels = self.channels[p.name]
        if len(channels) == p.shape[0]:
            return None
        plane = p.shape[1] * p.shape[2]
        return (channels[:, None] * plane + np.arange(plane)).ravel()

    def listed(self, p: Population) -> list[int] | None:
        """The same, as a recording is asked for them."""
        neurons = self.neurons(p)
        return None if neurons is None else neurons.tolist()


def evenly(count: int, most: int) -> NDArray[np.intp]:
    """At most so many of 0 .. count - 1, evenly from first to last, ascending."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp))


def width_of(values: Ints) -> int:
    """The bytes of the smallest integers that hold all of these."""
    return smallest_dtype(values).itemsize


def channel_bytes(net: Network, p: Population, arrays: int) -> int:
    """A bound on the bytes of a channel of a population, whatever the image: trains, opening membranes, bias, table;
    and, where a dump holds so many `arrays` of it, which neurons differ.
    """
    steps, plane = net.steps[p.name], p.shape[1] * p.shape[2]
    size = plane * (-(-steps // 8) + (4 + 6 * arrays if arrays else 0))
    match p:
        case Input() | MaxPool() | View():
            return size + steps * width_of(net.code_weights[p.name])
        case FS() | Readout():
            size += plane * width_of(net.ranges[p.name].opening)
            size += width_of(p.bias) * (plane if p.bias.ndim == 3 else 1)
        case _:
            assert_never(p)
    tables = [(q.table.T, q.table.h, q.table.d) for q in net.fs if q is p]
    return size + steps * sum(width_of(rows) for table in tables for rows in table)


def synapse_bytes(net: Network, name: str) -> int:
    """The bytes of the weights into a population."""
    return sum(int(q.weights.nbytes) for q in net.into(name).values())


def choose(
    net: Network,
    populations: Iterable[str] | None = None,
    first: tuple[str, int] | None = None,
    arrays: Mapping[str, int] | None = None,
) -> Chosen:
    """What of a network goes onto a page: these `populations` and what they read, all unless given; where that takes
    more than a page has room for, spread evenly, with the channel of the `first` neuron that differs, if one does, and
    what its population reads. Synapses of populations come with them while there is room, those of few first. A dump
    holds so many `arrays` of populations, by name.

    Errors: UsageError for an unknown population, LimitError where one channel of each takes more than there is room.
    """
    every = {p.name: p for p in net.populations}
    given = [populations] if isinstance(populations, str) else every if populations is None else populations
    if not isinstance(given, Iterable):
        limit = "names of populations, or None: all"
        raise UsageError("DEBUG-2", "view", "populations are no names", type(given).__name__, limit)
    asked = list(given)
    for name in asked:
        if not isinstance(name, str) or name not in every:
            raise UsageError("DEBUG-2", "view", "unknown population", name, nearest(str(name), list(every)))
    if not asked:
        raise UsageError("DEBUG-2", "view", "populations are none", None, "names of populations, or None: all")
    read = {source for name in asked for source in net.sources(name)}
    wanted = [name for name in every if name in {*asked, *read}]
    needed = set() if first is None else {first[0], *net.sources(first[0])}
    kept = {wanted[i] for i in evenly(len(wanted), MOST)} | needed
    names = [name for name in every if name in kept]
    each = {name: channel_bytes(net, every[name], (arrays or {}).get(name, 0)) for name in names}

    def channels_of(name: str, most: int) -> int:
        return min(every[name].shape[0], max(1, most // each[name]))

    def taken(most: int) -> int:
        return sum(channels_of(name, most) * each[name] for name in names)

    if taken(1) > ROOM:
        limit = f"at most {ROOM}: populations of fewer neurons"
        problem = "one channel of each population takes more bytes than a page has room for"
        raise LimitError("DEBUG-2", "view", problem, taken(1), limit)
    most = bisect_right(range(1, ROOM + 1), ROOM, key=taken)  # the bytes that a population may take
    channels = {name: evenly(every[name].shape[0], channels_of(name, most)) for name in names}
    if first is not None:
        p = every[first[0]]
        own = np.array([first[1] // (p.shape[1] * p.shape[2])])
        channels[p.name] = np.union1d(channels[p.name], own).astype(np.intp)
    whole = {name for name in names if len(channels[name]) == every[name].shape[0]}
    size = sum(len(channels[name]) * each[name] for name in names)
    synapses = []
    for name in sorted(names, key=lambda name: synapse_bytes(net, name)):
        fits = size + synapse_bytes(net, name) <= ROOM
        if net.into(name) and fits and whole.issuperset(net.sources(name)):
            synapses.append(name)
            size += synapse_bytes(net, name)
    return Chosen(channels, frozenset(synapses), tuple(_left_out(net, wanted, channels, synapses)), size)


def _left_out(
    net: Network, wanted: list[str], channels: dict[str, NDArray[np.intp]], synapses: list[str]
) -> Iterable[Fact]:
    """What is not on a page, in words."""
    if len(channels) < len(wanted):
        yield "populations", f"{len(channels)} of {len(wanted):,}, evenly from first to last"
    some = [name for name in channels if len(channels[name]) < net[name].shape[0]]
    if some:
        told = [(name, f"{len(channels[name])} of {net[name].shape[0]:,}") for name in some]
        yield "channels", f"evenly from first to last: {few(told)}"
    without = [name for name in channels if net.into(name) and name not in synapses]
    if without:
        yield "synapses", f"not of {few(without)}: no room, or not all that they read is here; fsref explain has them"
