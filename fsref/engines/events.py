"""The event-driven simulator: spikes are listed, and each is delivered along its own synapses; nothing else is added.

Fast kernels deliver in patches where proved intervals let them (`plan`), plain loops elsewhere; both give the same
integers. `count_deliveries` delivers spike by spike, in plain loops alone, and counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import plain
from fsref.engines.activity import Activity
from fsref.engines.delivering import SpikeList
from fsref.engines.engine import Counter, Simulator, Wanted
from fsref.engines.event_bytes import counting_bytes, shared_bytes, working_bytes
from fsref.engines.kernels import patches as kernels
from fsref.engines.kernels import plain as loops
from fsref.engines.kernels.blocks import Together
from fsref.engines.plain import codes, count_deliveries
from fsref.engines.plan import Plan, plan_of
from fsref.engines.planes import LANES, Plane, aligned
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View
from fsref.law.projections import Projection
from fsref.tables import Brief

__all__ = [
    "count_deliveries",
    "counter",
    "counting_bytes",
    "kernels_for",
    "shared_bytes",
    "simulator",
    "working_bytes",
]

Array: TypeAlias = NDArray[Any]
AT_ONCE = 4  # images in one call of a kernel, which nothing interrupts
SPARE = 4 * LANES  # marks of four steps are written at once, of which only those of spikes count


@dataclass(eq=False, repr=False)
class State(Brief):
    """What one thread works with, whatever the image: `work` as `drive` takes it, kernels, geometries, what each
    operation returned, and memory, of which it shares tables with the others; views of the membranes of every
    population and of its train words, (C, H, W); membranes that no fast kernel holds.
    """

    work: Together
    membranes: dict[str, Array]
    words: dict[str, Array]
    wide: dict[str, Ints]
    returned: Array

    @classmethod
    def of(cls, net: Network, plan: Plan) -> State:
        """Membranes begin at the bias (NET-5)."""
        shaping, (numbers, shorts, marks, targets) = plan.shaping, plan.shared
        v, words = aligned(shaping.membranes, np.int32), aligned(shaping.told, np.int32)
        ends = max(plane.shape[1] * plane.shape[2] for plane in shaping.planes.values()) + 1
        lists = [
            aligned(n, kind)
            for n, kind in (
                (plan.highs + SPARE, marks.dtype),
                (ends, np.int64),
                (plan.lows + SPARE, marks.dtype),
                (ends, np.int64),
            )
        ]
        memory = Together((v, words, numbers, shorts, marks, targets, *lists))
        views = {name: plane.inside(v) for name, plane in shaping.planes.items()}
        told = {
            n: Plane(p.shape, (0, 0, 0, 0), shaping.words.get(n, 0)).inside(words) for n, p in shaping.planes.items()
        }
        wide = {}
        for p in net.populations:
            if p.name in shaping.wide:
                assert isinstance(p, FS | Readout)  # only these have intervals to be too wide
                wide[p.name] = np.broadcast_to(p.bias_map, p.shape).copy()
            elif isinstance(p, FS | Readout):  # the others hold what they are to send
                views[p.name][:] = p.bias_map
        known = {kernel: kernel.address(plan.rows[0], memory) for kernel in {made.kernel for made in plan.operations}}
        found: Any = [known[made.kernel] for made in plan.operations]
        addressed = found if callable(found[0]) else np.array(found)
        returned = np.zeros(len(found), np.int64)
        return cls(Together((addressed, plan.rows, returned, memory)), views, told, wide, returned)

    def drive(self, numbers: Array) -> None:
        """Nothing; then these operations are done, and what they returned is in `returned`."""
        kernels.drive(numbers, self.work)


@dataclass(eq=False, repr=False)
class Told(Brief):
    """What is kept of one population while other images run, where it is wanted."""

    trains: NDArray[np.uint16] | None
    opening: Array | None
    sums: dict[str, Array]


class Simulation:
    """A network on its plan."""

    def __init__(self, net: Network) -> None:
        self.net, self.plan = net, plan_of(net)
        looped = {name for name, out in self.out.items() if self.plan.loops.keys() & out.keys()}
        self.looped = looped | self.plan.shaping.wide  # these need more than operations
        self.counts = net.is_classifier and not self.looped

    @cached_property
    def out(self) -> dict[str, dict[str, Projection]]:
        """The projections that are delivered once a population has sent: a gate when both of its sources have."""
        order = {p.name: index for index, p in enumerate(self.net.populations)}
        found = {name: dict[str, Projection]() for name in order}
        for name, q in self.net.named_projections.items():
            found[max(q.sources, key=order.__getitem__)][name] = q
        return found

    def run(self, images: Ints, wanted: Wanted) -> Iterator[Activity]:
        """The activity of every population in turn, once all images have run one after the other."""
        if self.counts and all(what <= {"spikes", "codes"} for what in wanted.values()):
            yield from self.known(images, wanted)
            return
        state = self.ready()
        names = {*wanted, *(p.name for p in self.net.readouts)}
        told = {n: self.room_for(self.net[n], len(images), wanted) for n in names}
        counts = np.zeros((len(images), len(self.plan.turns)), np.int64)
        self.step_by_step(images, state, counts, told, bool(wanted))
        self.plan.idle.append(state)  # only of a run that was not stopped in the middle
        sent = dict(zip(self.plan.turns, counts.T, strict=True))
        for p in self.net.populations:
            own = sent.get(p.name)
            if p.name in told:
                yield self.activity(p, told.pop(p.name), own, wanted.get(p.name, frozenset()))
            else:
                yield Activity(p.name, counts=own)

    def known(self, images: Ints, wanted: Wanted) -> Iterator[Activity]:
        """The activity of every population of a classifier, by operations alone."""
        logits, counts, trains = self.counted(images, frozenset(wanted))
        for n, p in enumerate(self.net.spiking):
            own = trains.pop(p.name, None)
            if own is not None and "codes" in wanted[p.name]:
                yield Activity(p.name, own, codes(own, self.net.code_weights[p.name]), counts=counts[:, n])
            else:
                yield Activity(p.name, own, counts=counts[:, n])
        yield Activity(self.net.readout.name, opening=logits[:, :, None, None])

    def count(self, images: Ints) -> tuple[Ints, Ints]:
        """The logits of images (B, classes) of a classifier and the spikes of each spiking population (B, populations),
        by operations alone.
        """
        return self.counted(images, frozenset())[:2]

    def counted(self, images: Ints, told: frozenset[str]) -> tuple[Ints, Ints, dict[str, NDArray[np.uint16]]]:
        """As `count`, and the trains (B, C, H, W) of the populations that are told."""
        net, plan, state, readout = self.net, self.plan, self.ready(), self.net.readout
        pixels, own = (plan.shaping.planes[p.name] for p in (net.input, readout))
        logits = np.empty((len(images), readout.shape[0]), np.int32)
        counts = np.zeros((len(images), len(plan.turns)), np.int64)
        bias = readout.bias_map.astype(np.int32).ravel()
        shapes = {name: (len(images), *net[name].shape) for name in plan.turns if name in told}
        room = np.empty(sum(map(prod, shapes.values())), np.uint16)
        for first in range(0, len(images), AT_ONCE):
            some = slice(first, first + AT_ONCE)
            kernels.images(
                *(np.ascontiguousarray(images[some]), pixels.first, pixels.row, logits[some], bias, own.first),
                *(counts[some], room, first, len(images), plan.stretch(told), state.work),
            )
        plan.idle.append(state)  # only of a run that was not stopped in the middle
        ends = np.cumsum([prod(shape) for shape in shapes.values()])[:-1]
        parts = np.split(room, ends) if shapes else []
        trains = {n: part.reshape(shape) for (n, shape), part in zip(shapes.items(), parts, strict=True)}
        return logits.astype(np.int64), counts, trains

    def step_by_step(self, images: Ints, state: State, counts: Ints, told: dict[str, Told], recording: bool) -> None:
        """Nothing; then the counts of all images are there, and what is to be told."""
        net, plan = self.net, self.plan
        stepped = {p.name for p in net.spiking if recording or p.name in self.looped}
        fires = np.array([turn.tell if name in stepped else turn.fire for name, turn in plan.turns.items()])
        stretches = list(self.stretches(stepped))
        for b, image in enumerate(images):
            state.membranes[net.input.name][:] = image
            for stretch in stretches:
                if isinstance(stretch, np.ndarray):
                    state.drive(stretch)
                else:
                    self.step(stretch, state, b, told)
            counts[b] = state.returned[fires]
            for p in net.readouts:
                self.open(p, state, b, told[p.name])

    def stretches(self, stepped: set[str]) -> Iterator[Array | Population]:
        """What is done of an image one after the other: operations, in an array, or the step of a population."""
        gathered: list[int] = []
        for p in self.net.spiking:
            if p.name in stepped:
                if gathered:
                    yield np.array(gathered)
                gathered = []
                yield p
            else:
                gathered += self.plan.turns[p.name].whole
        if gathered:
            yield np.array(gathered)

    def ready(self) -> State:
        """What one thread works with: of a run that has ended, or new."""
        try:
            state: State = self.plan.idle.pop()
        except IndexError:
            return State.of(self.net, self.plan)
        return state

    def room_for(self, p: Population, images: int, wanted: Wanted) -> Told:
        """Room for what is wanted of a population; membranes as wide as they are held, sums too."""
        wants, shape = wanted.get(p.name, frozenset[str]()), (images, *p.shape)
        held = np.int64 if p.name in self.plan.shaping.wide else np.int32
        output = p in self.net.readouts
        spikes = bool(wants) and not output
        opening = bool(wants & {"opening", "membranes"} & p.observables) or output
        sums = self.net.into(p.name) if "sums" in wants else ()
        return Told(
            np.empty(shape, np.uint16) if spikes else None,
            np.empty(shape, held) if opening else None,
            {name: np.empty(shape, held) for name in sums},
        )

    def open(self, p: Population, state: State, b: int, told: Told | None) -> None:
        """Keep the opening membranes of a population (NET-5, NET-6); those that `fire` does not leave at the bias, for
        the next image, are left there.
        """
        wide = p.name in self.plan.shaping.wide
        v = state.wide[p.name] if wide else state.membranes[p.name]
        if told is not None and told.opening is not None:
            told.opening[b] = v
        match p:
            case FS():
                if wide:
                    state.membranes[p.name][:] = fired(p, v)
                    v[:] = p.bias_map
            case Readout():
                v[:] = p.bias_map
            case Input() | MaxPool() | View():
                pass
            case _:
                assert_never(p)

    def step(self, p: Population, state: State, b: int, told: dict[str, Told]) -> None:
        """Fire and deliver one population for image b, and keep what is wanted."""
        own, turn = told.get(p.name), self.plan.turns[p.name]
        self.open(p, state, b, own)
        if p.name in self.looped or any(q.target in told and told[q.target].sums for q in self.out[p.name].values()):
            state.drive(turn.telling)
            self.deliver(p, state, b, told)
        else:
            state.drive(turn.recorded)
        if own is not None and own.trains is not None:
            own.trains[b] = state.words[p.name]

    def deliver(self, p: Population, state: State, b: int, told: dict[str, Told]) -> None:
        """Deliver the train words of one population along one projection after the other, and keep wanted sums."""
        turn = self.plan.turns[p.name]
        listed: dict[str, SpikeList] = {}
        for name, q in self.out[p.name].items():
            v = state.wide.get(q.target, state.membranes[q.target])
            sums = told[q.target].sums.get(name) if q.target in told else None
            if sums is not None:
                np.negative(v, out=sums[b])
            if name in turn.after:
                state.drive(turn.after[name])
            else:
                for source in q.sources:
                    if source not in listed:
                        listed[source] = spelled(state.words[source].astype(np.uint16), self.net.steps[source])
                v += self.plan.loops[name](listed, False)[0]
            if sums is not None:
                sums[b] += v

    def activity(self, p: Population, told: Told, counts: Ints | None, wants: frozenset[str]) -> Activity:
        """What a population did, for all images."""
        trains, opening, codes_, membranes = told.trains, told.opening, None, None
        if trains is not None and "codes" in wants:
            codes_ = codes(trains, self.net.code_weights[p.name])
        if trains is not None and opening is not None and "membranes" in wants:
            assert isinstance(p, FS)  # only these have any
            membranes = lowered(p, opening, trains)
        sums = {name: values.astype(np.int64) for name, values in told.sums.items()}
        whole = None if opening is None else opening.astype(np.int64)
        return Activity(p.name, trains, codes_, whole, membranes, sums, counts)


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


def simulator(net: Network) -> Simulator:
    """A function from images (B, C, H, W) to the activity of every population in turn."""
    return Simulation(net).run


def counter(net: Network) -> Counter | None:
    """A function from images (B, C, H, W) to their logits (B, classes) and the spikes of each spiking population,
    (B, populations), where operations do all of the network.
    """
    own = Simulation(net)
    return own.count if own.counts else None


def kernels_for(net: Network) -> str:
    """What delivers the spikes of a network, in words."""
    return f"{kernels.told()}: {plan_of(net).told()}"


def __getattr__(name: str) -> str:
    """`kernels`: what does the work, in words; Numba is imported to say which."""
    if name == "kernels":
        return kernels.told()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
