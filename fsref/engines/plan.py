"""How the `events` engine runs a network: decided once, from shapes, tables and proved intervals alone, and kept as
long as the network is.

A population is fast when int32 holds every membrane of it (RANGE-1), and lists its spikes when marks of 16 bits name
its channels and steps; else it runs in plain loops, which take every network there is. So does a projection whose
target is not fast, or whose form no kernel takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from threading import RLock
from typing import Any, Literal, TypeAlias, assert_never
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fsref.engines import delivering
from fsref.engines.firing import NEVER, firing, join, joined_of, relaying
from fsref.engines.kernels import patches as kernels
from fsref.engines.kernels.blocks import Together
from fsref.engines.patches import (
    Arenas,
    Delivery,
    Operation,
    Sent,
    by_lanes,
    lanes,
    listed,
    mark_bits,
    patches,
    rows_at_once,
    weights_of,
)
from fsref.engines.planes import LANES, Arena, Plane, filled, margins, tables
from fsref.law.network import Network
from fsref.law.neuron import is_binary
from fsref.law.populations import MaxPool, Population, Readout, Shape, View
from fsref.law.projections import Conv2d, Dense, Gate, Linear, Projection, linear
from fsref.tables import Brief

Array: TypeAlias = NDArray[Any]
Route: TypeAlias = Literal["patches", "lanes", "plain"]
KINDS = 64  # kinds of places of a projection at most; others are delivered spike by spike
ROOM = 2**26  # numbers of a projection's tables at most
MANY = 24  # rows at once; where there are fewer of all steps, but more of the half of them, these have two lists
GROUPS = 4  # a projection of more groups than this goes by plain loops: most of its patches would be zeros


@dataclass(frozen=True)
class Shaping:
    """What is decided of a network before any table is made: populations that are not fast, the route of every
    projection, and the plane of every population.
    """

    wide: frozenset[str]
    routes: dict[str, Route]
    planes: dict[str, Plane]
    words: dict[str, int]  # where the train words of a population stand: those that others read by themselves
    bytewide: bool  # whether marks of 8 bits do for every population

    @classmethod
    def of(cls, net: Network) -> Shaping:
        """The decisions for a network."""
        reach = {p.name: int(np.abs(net.ranges[p.name].any_order).max()) for p in net.integrating}
        wide = frozenset(name for name, most in reach.items() if most >= NEVER)
        routes = {name: route(net, q, wide) for name, q in net.named_projections.items()}
        planes, begin = {}, 0
        for p in net.populations:
            around = [margins(q, net[q.source].shape, p.shape) for q in fast_into(net, p, routes)] or [(0, 0, 0, 0)]
            top, left, bottom, right = (max(ends) for ends in zip(*around, strict=True))
            planes[p.name] = Plane(p.shape, (top, left, bottom, right), begin)
            begin += planes[p.name].size
        words, behind = {}, max(plane.inner for plane in planes.values())
        for name in read_as_words(net):
            words[name], behind = behind, behind + planes[name].inner
        return cls(wide, routes, planes, words, all(in_a_byte(net, p) for p in net.spiking))

    @property
    def membranes(self) -> int:
        """How many numbers hold the membranes of all populations."""
        return sum(plane.size for plane in self.planes.values())

    @property
    def told(self) -> int:
        """How many train words there is room for."""
        return max(plane.inner for plane in self.planes.values()) + sum(self.planes[n].inner for n in self.words)


def in_a_byte(net: Network, p: Population) -> bool:
    """Whether 8 bits name every channel and every step of a list of the first or of the last steps."""
    d = net.code_weights[p.name]
    return is_binary(d) and mark_bits(p.shape[0], last_steps(d.shape[1])) <= 8


def last_steps(steps: int) -> int:
    """How many steps are in the list of the last ones where there are two: half of them or more, and whole groups of
    four, as `fire` goes through them behind the first 1..4.
    """
    return 4 * -(-steps // 8) if steps > 4 else steps


def read_as_words(net: Network) -> list[str]:
    """The populations whose train words others read by themselves: sources of max-pools, views and gates."""
    return list(dict.fromkeys([*(p.source for p in net.relays), *(n for q in net.gates.values() for n in q.sources)]))


def fast_into(net: Network, p: Population, routes: dict[str, Route]) -> list[Linear]:
    """The projections into a population that a fast kernel delivers."""
    into = net.into(p.name).items()
    return [q for name, q in into if routes[name] != "plain" and not isinstance(q, Gate)]


def route(net: Network, q: Projection, wide: frozenset[str]) -> Route:
    """Which kernels deliver a projection."""
    source, target, d = net[q.source].shape, net[q.target].shape, net.code_weights[q.source]
    binary = is_binary(d)
    if isinstance(q, Gate) or q.target in wide or not fits(q, source, target):
        return "plain"
    if by_lanes(q, source, target):
        return "lanes"
    rows = source[0] if binary else d.size
    numbers = rows * filled(target[0]) * prod(tables(q, source))
    named = listed(Plane(source, (0, 0, 0, 0)), d, binary)
    return "patches" if named and numbers <= ROOM and (q.groups <= GROUPS or target[0] <= 4 * LANES) else "plain"


def fits(q: Linear, source: Shape, target: Shape) -> bool:
    """Whether there are few kinds of places, and margins do not make a plane much larger than its target."""
    if isinstance(q, Dense):  # it has no margins
        return True
    if prod(min(stride, size) for stride, size in zip(q.stride, source[1:], strict=True)) > KINDS:
        return False
    top, left, bottom, right = margins(q, source, target)
    whole = (top + target[1] + bottom) * (left + target[2] + right)
    return whole <= max(256, 4 * target[1] * target[2])


def steps_listed_first(net: Network, p: Population, shaping: Shaping) -> int:
    """How many of the first steps have a list of their own: none where a mark names all steps, and int16 adds up many
    rows of all steps at once or few of the half of them.
    """
    d = net.code_weights[p.name]
    steps = int(d.shape[1])
    highs = steps - last_steps(steps)
    if not highs or not is_binary(d):
        return 0
    if shaping.bytewide and mark_bits(p.shape[0], steps) > 8:
        return highs
    own = linear(q for name, q in net.out_of(p.name).items() if shaping.routes[name] == "patches")
    weights = [weights_of(q, p.shape, net[q.target].shape) for q in own]
    whole, parted = (Sent(shaping.planes[p.name], d, True, first, np.uint16) for first in (0, highs))
    worth_it = any(rows_at_once(w, whole) < MANY < rows_at_once(w, parted) for w in weights)
    return highs if worth_it else 0


@dataclass(frozen=True, eq=False, repr=False)
class Turn(Brief):
    """What is done of one population, as numbers of operations of its plan: the `whole` where nothing is recorded, of
    which `fire` counts spikes; else `telling`, of which `tell` does and fills train words, then `after` by projection,
    all of them `recorded`; plain loops deliver those that are not there.
    """

    whole: range
    fire: int
    telling: Array
    tell: int
    after: dict[str, Array]
    recorded: Array


@dataclass(eq=False, repr=False)
class Plan(Brief):
    """A network made ready: operations, and what they do of each population; arrays that they share; plain loops by
    projection where no operation delivers it. Holds no network.
    """

    shaping: Shaping
    operations: list[Operation] = field(default_factory=list)
    turns: dict[str, Turn] = field(default_factory=dict)
    forms: dict[str, str] = field(default_factory=dict)
    loops: dict[str, delivering.Deliver] = field(default_factory=dict)
    shared: tuple[Array, ...] = ()  # numbers, shorts, marks, targets
    rows: Array = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    highs: int = 0  # marks that a list of the first steps has room for
    lows: int = 0
    idle: list[Any] = field(default_factory=list)  # states that no thread works on
    stretches: dict[frozenset[str], Together] = field(default_factory=dict)

    @classmethod
    def of(cls, net: Network) -> Plan:
        """The plan of a network."""
        shaping = shaping_of(net)
        plan, arenas = cls(shaping), Arenas()
        marks = Arena(np.uint8 if shaping.bytewide else np.uint16)
        for p in net.spiking:
            plan.add(net, p, arenas, marks)
        plan.shared = arenas.numbers.whole(), arenas.shorts.whole(), marks.whole(), arenas.targets.whole()
        plan.rows = np.zeros((len(plan.operations), kernels.COLUMNS), np.int64)
        for row, made in zip(plan.rows, plan.operations, strict=True):
            row[: len(made.g)] = made.g
        return plan

    def stretch(self, told: frozenset[str]) -> Together:
        """What `images` takes as plan, where the trains of some populations are told and nothing else is recorded."""
        if told not in self.stretches:
            numbers, turns, behind, to = [], [], 0, 0
            for name, turn in self.turns.items():
                plane, whole = self.shaping.planes[name], name not in told
                numbers.append(np.asarray(turn.whole) if whole else turn.recorded)
                behind += len(numbers[-1])
                channels, places = (0, 0) if whole else (plane.shape[0], plane.shape[1] * plane.shape[2])
                words = self.shaping.words.get(name, 0), channels, plane.channels, places, to
                turns.append((turn.fire if whole else turn.tell, behind, *words))
                to += channels * places
            self.stretches[told] = Together((np.concatenate(numbers), np.array(turns)))
        return self.stretches[told]

    def add(self, net: Network, p: Population, arenas: Arenas, marks: Arena) -> None:
        """Nothing; then the plan has what is done of one population."""
        assert not isinstance(p, Readout)  # a readout does not spike
        shaping, d = self.shaping, net.code_weights[p.name]
        kind = np.uint8 if shaping.bytewide else np.uint16
        sent = Sent(shaping.planes[p.name], d, is_binary(d), steps_listed_first(net, p, shaping), kind)
        fire = firing(p, p.name in shaping.wide, sent, arenas, marks)
        out, told = net.out_of(p.name), shaping.words.get(p.name, 0)
        joined = joined_of(out, shaping.routes, sent)
        begin = len(self.operations)
        if isinstance(p, MaxPool | View):  # the others hold what they fire
            self.operations.append(relaying(p, shaping.planes, shaping.words[p.source], arenas))
        fires = len(self.operations)
        reads = p.name in shaping.words or any(shaping.routes[name] == "lanes" for name in out.keys() - joined.keys())
        beside = [join(q, sent.plane, shaping.planes[q.target], arenas) for q in joined.values()] or [(-1, 0, 0)]
        self.operations.append(Operation(fire.kernel, (*fire.g, told if reads else -1, *beside[0])))
        made = {name: self.delivery(net, name, sent, told, arenas) for name in out}
        after = {name: self.appended(own) for name, own in made.items() if name not in {**joined, **self.loops}}
        whole = range(begin, len(self.operations))
        after |= {name: self.appended(made[name]) for name in joined}  # where something is recorded
        tell = int(self.appended([Operation(fire.kernel, (*fire.g, told, -1, 0, 0))])[0])
        telling = np.array([*range(begin, fires), tell])
        self.turns[p.name] = Turn(whole, fires, telling, tell, after, np.concatenate([telling, *after.values()]))
        self.highs, self.lows = max(self.highs, p.neurons * sent.highs), max(self.lows, p.neurons * sent.lows)

    def delivery(self, net: Network, name: str, sent: Sent, told: int, arenas: Arenas) -> tuple[Operation, ...]:
        """The operations that deliver a projection; none, but a plain loop, where no kernel takes it."""
        q, route = net.named_projections[name], self.shaping.routes[name]
        match route:
            case "patches":
                assert not isinstance(q, Gate)  # which goes by plain loops
                made = patches(q, sent, self.shaping.planes[q.target], arenas)
            case "lanes":
                assert isinstance(q, Conv2d)  # no other has groups
                made = lanes(q, sent, told, self.shaping.planes[q.target], arenas)
            case "plain":
                self.loops[name] = delivering.deliverer(net, q)
                made = Delivery((), "plain")
            case _ as other:
                assert_never(other)
        self.forms[name] = made.form
        return made.operations

    def appended(self, operations: Sequence[Operation]) -> Array:
        """The numbers of operations that are put behind the others."""
        begin = len(self.operations)
        self.operations += operations
        return np.arange(begin, len(self.operations))

    def told(self) -> str:
        """How many projections go by which kernels."""
        forms = list(self.forms.values())
        return ", ".join(f"{form} {forms.count(form)}" for form in sorted(set(forms)))


SHAPINGS: WeakKeyDictionary[Network, Shaping] = WeakKeyDictionary()
PLANS: WeakKeyDictionary[Network, Plan] = WeakKeyDictionary()
ONE = RLock()  # one thread plans, the others wait


def shaping_of(net: Network) -> Shaping:
    """What is decided of a network, at the first call."""
    with ONE:
        if net not in SHAPINGS:
            SHAPINGS[net] = Shaping.of(net)
        return SHAPINGS[net]


def plan_of(net: Network) -> Plan:
    """The plan of a network, made at the first call."""
    with ONE:
        if net not in PLANS:
            PLANS[net] = Plan.of(net)
        return PLANS[net]


def planned(net: Network) -> int | None:
    """How many states lie ready for the threads of a network's next run, None where it has no plan yet."""
    with ONE:
        return len(PLANS[net].idle) if net in PLANS else None
