"""The event-driven simulator: spikes are listed, and each is delivered along its own synapses; nothing else is added.

Fast kernels deliver in patches where proved intervals let them (`plan`), plain loops elsewhere; both give the same
integers. `count_deliveries` delivers spike by spike, in plain loops alone, and counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias, assert_never

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
from fsref.tables import Brief

__all__ = ["count_deliveries", "counting_bytes", "kernels_for", "shared_bytes", "simulator", "working_bytes"]

Array: TypeAlias = NDArray[Any]


@dataclass(eq=False, repr=False)
class Room(Brief):
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


@dataclass(eq=False, repr=False)
class Membranes(Brief):
    """The membranes of every population for one image, and the train words of those that are pooled."""

    fast: dict[str, Array]
    inside: dict[str, Array]  # of each the neurons, (C, H, W)
    wide: dict[str, Ints]
    words: dict[str, Array]

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


class Stage(NamedTuple):
    """The calls for one population: what fills its membranes, fires them, fires and tells train words, and delivers, by
    projection; plain loops deliver those that are not here.
    """

    before: list[Callable[[], Any]]
    fire: Callable[[], int]
    tell: Callable[[], int]
    words: Array  # what is told, (C, H, W)
    after: dict[str, list[Callable[[], None]]]


@dataclass(eq=False, repr=False)
class State(Brief):
    """What one thread works with, whatever the image, and its calls, their arguments put together once."""

    room: Room
    membranes: Membranes
    stages: dict[str, Stage]


@dataclass(eq=False, repr=False)
class Told(Brief):
    """What is kept of one population while other images run: spike counts (B,); what is wanted of it, else None."""

    counts: Ints
    trains: NDArray[np.uint16] | None
    opening: Array | None
    sums: dict[str, Array]


class Simulation:
    """A network on its plan."""

    def __init__(self, net: Network) -> None:
        self.net, self.plan = net, plan_of(net)
        self.out = {p.name: net.out_of(p.name) for p in net.populations}
        shaping = self.plan.shaping
        looped = {q.source for name, q in net.named_projections.items() if shaping.routes[name] == "plain"}
        self.looped = looped | shaping.wide  # these need more than the calls of their stage

    def run(self, images: Ints, wanted: Wanted) -> Iterator[Activity]:
        """The activity of every population in turn, once all images have run one after the other."""
        net, state = self.net, self.ready()
        told = {p.name: self.room_for(p, len(images), wanted) for p in net.populations}
        pixels = state.membranes.inside[net.input.name]
        for b, image in enumerate(images):
            pixels[:] = image
            for p in net.spiking:
                own, stage = told[p.name], state.stages[p.name]
                if own.trains is None and p.name not in self.looped and not wanted:
                    for call in stage.before:
                        call()
                    own.counts[b] = stage.fire()
                    for calls in stage.after.values():
                        for call in calls:
                            call()
                else:
                    self.step(p, state, b, told)
            self.open(net.readout, state.membranes, b, told[net.readout.name])
        self.plan.idle.append(state)  # only of a run that was not stopped in the middle
        for p in net.populations:
            yield self.activity(p, told.pop(p.name), wanted.get(p.name, frozenset()))

    def ready(self) -> State:
        """What one thread works with: of a run that has ended, or new."""
        try:
            state: State = self.plan.idle.pop()
        except IndexError:
            room, membranes = Room.of(self.plan), Membranes.of(self.net, self.plan)
            return State(room, membranes, {p.name: self.stage(p, membranes, room) for p in self.net.spiking})
        return state

    def stage(self, p: Population, membranes: Membranes, room: Room) -> Stage:
        """The calls of one population; they hold no network."""
        v, f, words = membranes.fast, self.plan.fires[p.name], membranes.words.get(p.name, room.words)
        before: list[Callable[[], Any]] = []
        if isinstance(p, MaxPool):  # the others hold what they fire
            before.append(partial(kernels.pool.compiled, pooling(p, self.plan), membranes.words[p.source], v[p.name]))
        after: dict[str, list[Callable[[], None]]] = {}
        for name, q in self.out[p.name].items():
            match self.plan.delivers[name]:
                case Patches() as made:
                    after[name] = list(made.bound(room.lists, v[q.target], room.scratch))
                case Lanes() as made:
                    after[name] = list(made.bound(words, v[q.target]))
        kernel, telling = kernels.firing(f.relu).compiled, p.name in self.plan.shaping.told
        fire, tell = (partial(kernel, *f.arguments(v[p.name], words, t), *room.lists) for t in (telling, True))
        return Stage(before, fire, tell, Plane(p.shape, (0, 0, 0, 0)).inside(words), after)

    def room_for(self, p: Population, images: int, wanted: Wanted) -> Told:
        """Room for what is wanted of a population; membranes as wide as they are held, sums too."""
        wants, shape = wanted.get(p.name, frozenset[str]()), (images, *p.shape)
        held = np.int64 if p.name in self.plan.shaping.wide else np.int32
        spikes = bool(wants) and p is not self.net.readout
        opening = bool(wants & {"opening", "membranes"} & p.observables) or p is self.net.readout
        sums = self.net.into(p.name) if "sums" in wants else ()
        return Told(
            np.zeros(images, np.int64),
            np.empty(shape, np.uint16) if spikes else None,
            np.empty(shape, held) if opening else None,
            {name: np.empty(shape, held) for name in sums},
        )

    def open(self, p: Population, membranes: Membranes, b: int, told: Told) -> None:
        """Keep the opening membranes of a population (NET-5, NET-6); those that `fire` does not leave at the bias, for
        the next image, are left there.
        """
        wide = p.name in self.plan.shaping.wide
        v = membranes.wide[p.name] if wide else membranes.inside[p.name]
        if told.opening is not None:
            told.opening[b] = v
        match p:
            case FS():
                if wide:
                    membranes.inside[p.name][:] = fired(p, v)
                    v[:] = p.bias_map
            case Readout():
                v[:] = p.bias_map
            case Input() | MaxPool():
                pass
            case _:
                assert_never(p)

    def step(self, p: Population, state: State, b: int, told: dict[str, Told]) -> None:
        """Fire and deliver one population for image b, and keep what is wanted."""
        own, stage, membranes = told[p.name], state.stages[p.name], state.membranes
        self.open(p, membranes, b, own)
        for call in stage.before:
            call()
        own.counts[b] = stage.tell()
        if own.trains is not None:
            own.trains[b] = stage.words
        listed: SpikeList | None = None
        for name, q in self.out[p.name].items():
            v = membranes.wide.get(q.target, membranes.inside[q.target])
            sums = told[q.target].sums.get(name)
            if sums is not None:
                np.negative(v, out=sums[b])
            made = self.plan.delivers[name]
            if isinstance(made, Patches | Lanes):
                for call in stage.after[name]:
                    call()
            else:
                listed = listed or spelled(stage.words.astype(np.uint16), self.net.steps[p.name])
                v += made(listed, False)[0]
            if sums is not None:
                sums[b] += v

    def activity(self, p: Population, told: Told, wants: frozenset[str]) -> Activity:
        """What a population did, for all images."""
        trains, opening, codes_, membranes = told.trains, told.opening, None, None
        if trains is not None and "codes" in wants:
            codes_ = codes(trains, self.net.code_weights[p.name])
        if trains is not None and opening is not None and "membranes" in wants:
            assert isinstance(p, FS)  # only these have any
            membranes = lowered(p, opening, trains)
        sums = {name: values.astype(np.int64) for name, values in told.sums.items()}
        whole = None if opening is None else opening.astype(np.int64)
        return Activity(p.name, trains, codes_, whole, membranes, sums, None if p is self.net.readout else told.counts)


def fired(p: FS, opening: Ints) -> NDArray[np.uint16]:
    """Trains of a population (C, H, W), by plain loops."""
    channels, steps = p.shape[0], p.steps
    trains, room = np.zeros((channels, opening[0].size), np.uint16), SpikeList.room(p.neurons, steps)
    T, h = (rows.copy() for rows in p.table.rows(channels)[:2])
    v = opening.reshape(channels, -1).copy()
    loops.fire(v, T, h, trains, room.neurons, room.offsets, plain.UNWANTED)
    return trains.reshape(p.shape)


def lowered(p: FS, opening: Ints, trains: NDArray[np.uint16]) -> Ints:
    """The membranes after every step (B, K, C, H, W): what the spikes up to it have left of the opening ones (FS-3)."""
    after, v = np.empty((len(opening), p.steps, *p.shape), np.int64), opening
    h = p.table.rows(p.shape[0])[1][:, :, None, None]
    for t in range(p.steps):
        np.subtract(v, h[:, t] * (trains >> (p.steps - 1 - t) & 1), out=after[:, t])
        v = after[:, t]
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
