"""The event-driven simulator: spikes are listed, and each is delivered along its own synapses; nothing else is added.

Fast kernels deliver in patches where proved intervals let them (`plan`), plain loops elsewhere; both give the same
integers. `count_deliveries` delivers spike by spike, in plain loops alone, and counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import plain
from fsref.engines.activity import Activity
from fsref.engines.engine import Simulator, Wanted
from fsref.engines.event_bytes import counting_bytes, shared_bytes, working_bytes
from fsref.engines.kernels import patches as kernels
from fsref.engines.kernels import plain as loops
from fsref.engines.patches import MOST, Lanes, Patches, Plane, aligned
from fsref.engines.plain import SpikeList, codes, count_deliveries
from fsref.engines.plan import Plan, plan_of
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout

__all__ = ["count_deliveries", "counting_bytes", "kernels_for", "shared_bytes", "simulator", "working_bytes"]

Array: TypeAlias = NDArray[Any]


@dataclass(eq=False)
class Room:
    """What a thread needs beside membranes, whatever the image: two lists of spikes and their ends by place, train
    words of a population, and two patches.
    """

    lists: tuple[Array, Array, Array, Array]
    words: Array
    scratch: tuple[Array, Array]

    @classmethod
    def of(cls, plan: Plan) -> Room:
        """Room for the largest population."""
        sizes = [(f.plane.shape[1] * f.plane.shape[2], f) for f in plan.fires.values()]
        ends = max(places for places, _ in sizes) + 1
        high = max(places * f.plane.shape[0] * f.sent.highs for places, f in sizes) + 64  # lanes listed at once
        low = max(places * f.plane.shape[0] * f.sent.lows for places, f in sizes) + 64
        kind = sizes[0][1].sent.kind
        lists = aligned(high, kind), aligned(ends, np.int64), aligned(low, kind), aligned(ends, np.int64)
        words = aligned(max(places * f.plane.channels for places, f in sizes), np.int32)
        return cls(lists, words, (aligned(MOST, np.int32), aligned(MOST, np.int32)))


@dataclass(eq=False)
class Membranes:
    """The membranes of every population for one image, and the train words of those that are pooled."""

    fast: dict[str, Array]
    inside: dict[str, Array]  # of each the neurons, (C, H, W)
    wide: dict[str, Ints]
    words: dict[str, Array]
    sums: dict[str, dict[str, Ints]] = field(default_factory=dict)

    @classmethod
    def of(cls, net: Network, plan: Plan) -> Membranes:
        """Membranes that begin at the bias (NET-5)."""
        made = cls({}, {}, {}, {p.source: np.empty(0, np.int32) for p in net.pools})
        for name in made.words:
            c, h, w = net[name].shape
            made.words[name] = aligned(plan.shaping.planes[name].channels * h * w, np.int32)
        for p in net.populations:
            plane = plan.shaping.planes[p.name]
            made.fast[p.name] = aligned(plane.size, np.int32)
            made.inside[p.name] = plane.inside(made.fast[p.name])
            if p.name in plan.shaping.wide:
                assert isinstance(p, FS | Readout)  # only these have intervals to be too wide
                made.wide[p.name] = np.broadcast_to(p.bias_map, p.shape).copy()
            elif isinstance(p, FS | Readout):  # the others hold what they are to send
                made.inside[p.name][:] = p.bias_map
        return made


@dataclass(eq=False)
class Seen:
    """What one population did with one image; what was not asked for is None."""

    count: int = 0
    trains: NDArray[np.uint16] | None = None
    opening: Ints | None = None
    membranes: Ints | None = None
    sums: dict[str, Ints] = field(default_factory=dict)


class Simulation:
    """A network on its plan."""

    def __init__(self, net: Network) -> None:
        self.net, self.plan = net, plan_of(net)
        self.out = {p.name: net.out_of(p.name) for p in net.populations}

    def run(self, images: Ints, wanted: Wanted) -> Iterator[Activity]:
        """The activity of every population in turn. Where nothing is wanted, images go one after the other, and only
        their spikes are counted.
        """
        if not any(wanted.values()):
            yield from self.counted(images)
            return
        room, first = self.ready()
        more = [Membranes.of(self.net, self.plan) for _ in images[1:]]
        for p in self.net.populations:
            wants = wanted.get(p.name, frozenset[str]())
            summed = frozenset(q for q in self.out[p.name].values() if "sums" in wanted.get(q.target, ()))
            seen = []
            for image, membranes in zip(images, [first, *more], strict=True):
                seen.append(self.seen(p, image, membranes, room, wants))
                self.deliver(p, membranes, room, seen[-1].trains, {q.target for q in summed})
            activity = self.activity(p, seen, wants)
            del seen
            if p is self.net.readout:
                self.plan.idle.append((room, first))
            yield activity
            del activity

    def ready(self) -> tuple[Room, Membranes]:
        """What one thread works with: of a run that has ended, or new."""
        try:
            state: tuple[Room, Membranes] = self.plan.idle.pop()
        except IndexError:
            return Room.of(self.plan), Membranes.of(self.net, self.plan)
        return state

    def counted(self, images: Ints) -> Iterator[Activity]:
        """Logits, and how many spikes each population sent."""
        net, (room, membranes) = self.net, self.ready()
        counts = np.zeros((len(net.populations), len(images)), np.int64)
        logits = np.zeros((len(images), *net.readout.shape), np.int64)
        for b, image in enumerate(images):
            for number, p in enumerate(net.spiking):
                seen = self.seen(p, image, membranes, room, frozenset())
                counts[number, b] = seen.count
                self.deliver(p, membranes, room, seen.trains, frozenset())
            logits[b] = self.opened(net.readout, membranes)
        self.plan.idle.append((room, membranes))  # only of a run that was not stopped in the middle
        for p, count in zip(net.spiking, counts, strict=False):
            yield Activity(p.name, counts=count)
        yield Activity(net.readout.name, opening=logits)

    def opened(self, p: FS | Readout, membranes: Membranes) -> Ints:
        """The opening membranes of a population (NET-5, NET-6), which then begin at the bias for the next image."""
        v = membranes.wide.get(p.name, membranes.inside[p.name])
        opening = v.astype(np.int64)
        v[:] = p.bias_map
        return opening

    def seen(self, p: Population, image: Ints, membranes: Membranes, room: Room, wants: frozenset[str]) -> Seen:
        """Fire one population for one image, and list its spikes."""
        name, seen = p.name, Seen(sums=membranes.sums.pop(p.name, {}))
        inside = membranes.inside[name]
        match p:
            case Input():
                inside[:] = image
            case MaxPool():
                kernels.pool(pooling(p, self.plan), membranes.words[p.source], membranes.fast[name])
            case FS():
                wide = name in self.plan.shaping.wide
                if wide or wants:
                    seen.opening = membranes.wide[name].copy() if wide else inside.astype(np.int64)
                if wide:
                    inside[:] = fired(p, membranes.wide[name])
                    membranes.wide[name][:] = p.bias_map
            case Readout():
                seen.opening = self.opened(p, membranes)
                return seen
            case _:
                assert_never(p)
        telling = bool(wants) or name in self.plan.shaping.told
        f, words = self.plan.fires[name], membranes.words.get(name, room.words)
        tables = f.bias, f.T, f.h, f.worth, f.marks
        seen.count = kernels.firing(f.relu)((*f.geometry, telling), membranes.fast[name], *tables, words, *room.lists)
        if wants or name in self.plan.shaping.spelled:
            seen.trains = Plane(p.shape, (0, 0, 0, 0)).inside(words).astype(np.uint16)
        if "membranes" in wants & p.observables:
            assert isinstance(p, FS) and seen.opening is not None and seen.trains is not None  # only these have any
            seen.membranes = lowered(p, seen.opening, seen.trains)
        return seen

    def deliver(
        self,
        p: Population,
        membranes: Membranes,
        room: Room,
        trains: NDArray[np.uint16] | None,
        summed: set[str] | frozenset[str],
    ) -> None:
        """Deliver what a population has listed; the sums into the populations named are kept."""
        listed: SpikeList | None = None
        for name, q in self.out[p.name].items():
            made, inside = self.plan.delivers[name], membranes.inside[q.target]
            before = inside.astype(np.int64) if q.target in summed else None
            total: Ints | None = None
            if isinstance(made, Patches):
                made.deliver(room.lists, membranes.fast[q.target], room.scratch)
            elif isinstance(made, Lanes):
                made.deliver(membranes.words.get(p.name, room.words), membranes.fast[q.target])
            else:
                assert trains is not None
                listed = listed or spelled(trains, self.net.steps[p.name])
                total, _ = made(listed, False)
                v = membranes.wide.get(q.target, inside)
                v += total
            if before is not None:
                own = inside - before if total is None else total.astype(np.int64)
                membranes.sums.setdefault(q.target, {})[name] = own

    def activity(self, p: Population, seen: list[Seen], wants: frozenset[str]) -> Activity:
        """What a population did, for all images."""
        first, sums = seen[0], {}
        if "sums" in wants:
            sums = {name: np.stack([one.sums[name] for one in seen]) for name in self.net.into(p.name)}
        opening = None if first.opening is None else stacked(one.opening for one in seen)
        if isinstance(p, Readout):  # which does not spike
            return Activity(p.name, opening=opening, sums=sums)
        counts = np.array([one.count for one in seen], np.int64)
        if not wants:
            return Activity(p.name, counts=counts)
        trains = stacked(one.trains for one in seen)
        told = codes(trains, self.net.code_weights[p.name]) if "codes" in wants else None
        membranes = None if first.membranes is None else stacked(one.membranes for one in seen)
        return Activity(p.name, trains, told, opening, membranes, sums, counts)


def stacked(values: Iterable[Array | None]) -> Array:
    """What was told of every image, together."""
    return np.stack([value for value in values if value is not None])


def fired(p: FS, opening: Ints) -> NDArray[np.uint16]:
    """Trains of a population (C, H, W), by plain loops."""
    channels, steps = p.shape[0], p.steps
    trains, room = np.zeros((channels, opening[0].size), np.uint16), SpikeList.room(p.neurons, steps)
    T, h = (rows.copy() for rows in p.table.rows(channels)[:2])
    v = opening.reshape(channels, -1).copy()
    loops.fire(v, T, h, trains, room.neurons, room.offsets, plain.UNWANTED)
    return trains.reshape(p.shape)


def lowered(p: FS, opening: Ints, trains: NDArray[np.uint16]) -> Ints:
    """The membranes after every step (K, C, H, W): what the spikes up to it have left of the opening ones (FS-3)."""
    after, v = np.empty((p.steps, *p.shape), np.int64), opening
    h = p.table.rows(p.shape[0])[1][:, :, None, None]
    for t in range(p.steps):
        after[t] = v - h[:, t] * (trains >> (p.steps - 1 - t) & 1)
        v = after[t]
    return after


def spelled(trains: NDArray[np.uint16], steps: int) -> SpikeList:
    """The spikes of trains (C, H, W) in canonical order (EVENT-1)."""
    room = SpikeList.room(trains.size, steps)
    loops.spike_list(trains.reshape(len(trains), -1), steps, room.neurons, room.offsets)
    return room


def pooling(p: MaxPool, plan: Plan) -> tuple[int, ...]:
    """The geometry that `pool` takes."""
    own, source = plan.shaping.planes[p.name], plan.shaping.planes[p.source]
    windows = (*p.kernel, *p.stride, *p.padding[:2])
    return (*source.shape[1:], own.channels, *p.shape[1:], own.first, own.row, *windows)


def simulator(net: Network) -> Simulator:
    """A function from images (B, C, H, W) to the activity of every population in turn."""
    return Simulation(net).run


def kernels_for(net: Network) -> str:
    """What delivers the spikes of a network, in words."""
    return f"{kernels.told()}: {plan_of(net).told()}"


def __getattr__(name: str) -> str:
    """`kernels`: what does the work, in words; Numba is imported to say which."""
    if name == "kernels":
        return kernels.told()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
