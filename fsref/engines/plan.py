"""How the `events` engine runs a network: decided once, from shapes, tables and proved intervals alone, and kept as
long as the network is.

A population is fast when int32 holds every membrane of it (RANGE-1), and lists its spikes when marks of 16 bits name
its channels and steps; else it runs in plain loops, which take every network there is. So does a projection whose
target is not fast, or whose form no kernel takes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from threading import RLock
from typing import Any, Literal, TypeAlias, assert_never
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fsref.engines import plain
from fsref.engines.patches import (
    KINDS,
    LANES,
    ROOM,
    Lanes,
    Patches,
    Plane,
    Sent,
    aligned,
    by_lanes,
    filled,
    is_binary,
    lanes,
    listed,
    margins,
    mark_bits,
    narrow,
    patches,
    tables,
    weights_of,
)
from fsref.law.network import Network
from fsref.law.neuron import base_two
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape
from fsref.law.projections import Dense, Projection
from fsref.tables import Brief

Array: TypeAlias = NDArray[Any]
Route: TypeAlias = Literal["patches", "lanes", "plain"]
NEVER = 2**31 - 1  # a threshold that no membrane reaches
GROUPS = 4  # a projection of more groups than this goes by plain loops: most of its patches would be zeros


@dataclass(frozen=True, eq=False, repr=False)
class Firing(Brief):
    """What `fire` takes for one population: plane, bias and its step, tables four steps at a time, marks, and in which
    quarters steps of the first list stand.
    """

    plane: Plane
    sent: Sent
    bias: Array
    bias_step: int
    T: Array
    h: Array
    worth: Array
    marks: Array
    quarters: int
    highs: int
    relu: bool

    @property
    def geometry(self) -> tuple[int, ...]:
        """What `fire` unpacks, but for whether it tells train words."""
        p = self.plane
        return (*p.shape[1:], p.channels, p.first, p.row, self.bias_step, self.quarters, self.highs)

    def arguments(self, v: Array, words: Array, telling: bool) -> tuple[Any, ...]:
        """What `fire` takes for membranes v, but for lists; it fills `words` when telling."""
        return (*self.geometry, int(telling)), v, self.bias, self.T, self.h, self.worth, self.marks, words


def quartered(rows: Array, highs: int, beyond: int) -> Array:
    """A table (K, C) in the order in which `fire` reads it: the first `highs` steps, then the others, each filled up to
    a multiple of four by `beyond`, which channels are, too.
    """
    parts = []
    for own in (rows[:highs], rows[highs:]):
        more = -len(own) % 4, filled(rows.shape[1]) - rows.shape[1]
        parts.append(np.pad(own, [(0, more[0]), (0, more[1])], constant_values=beyond))
    whole = np.concatenate(parts)
    return whole.reshape(len(whole) // 4, 4, -1, LANES).transpose(0, 2, 1, 3).ravel()


def held(rows: Array) -> Array:
    """Numbers in lanes of int32: those beyond are as if infinite, which for thresholds is the same."""
    return np.clip(rows, -(2**31), NEVER)


def on_lines(values: Array, kind: Any) -> Array:
    """A copy that begins on a cache line."""
    room = aligned(values.size, kind)
    room[:] = values.astype(kind)
    return room


def firing(p: Input | MaxPool | FS, wide: bool, plane: Plane, sent: Sent) -> Firing:
    """What `fire` takes for a population; one that is not fast is fired in plain loops, and sends its trains as if they
    were codes of an input.
    """
    steps = sent.d.shape[1]
    binary = np.broadcast_to(base_two(steps), sent.d.shape).T
    T = h = binary
    bias, bias_step = np.zeros(plane.channels, np.int64), 0
    if isinstance(p, FS) and not wide:  # an input, and a pool, hold what they are to send
        T, h = (rows.T for rows in p.table.rows(p.shape[0])[:2])
        own = p.bias.transpose(1, 2, 0) if p.bias.ndim == 3 else p.bias
        bias = np.pad(own, [(0, 0)] * (own.ndim - 1) + [(0, plane.channels - p.shape[0])])
        bias_step = plane.channels if p.bias.ndim == 3 else 0
    highs = sent.highs
    thresholds = on_lines(quartered(held(T), highs, NEVER), np.int32)
    resets, worth = (on_lines(quartered(rows, highs, 0), np.int32) for rows in (h, binary))
    marks = on_lines(quartered(sent.marks(), highs, 0), sent.kind)
    quarters = marks.size // plane.channels // 4
    on_places = on_lines(bias.ravel(), np.int32)
    relu = bool((h > 0).all() and (T == h).all())  # d does not matter: it is in the tables of what is sent
    return Firing(plane, sent, on_places, bias_step, thresholds, resets, worth, marks, quarters, -(-highs // 4), relu)


@dataclass(frozen=True)
class Shaping:
    """What is decided of a network before any table is made: populations that are not fast, the route of every
    projection, and the plane of every population.
    """

    wide: frozenset[str]
    routes: dict[str, Route]
    planes: dict[str, Plane]
    told: frozenset[str]  # whose train words somebody reads
    bytewide: bool  # whether marks of 8 bits do for every population

    @classmethod
    def of(cls, net: Network) -> Shaping:
        """The decisions for a network."""
        reach = {p.name: int(np.abs(net.ranges[p.name].any_order).max()) for p in net.integrating}
        wide = frozenset(name for name, most in reach.items() if most >= NEVER)
        routes = {name: route(net, q, wide) for name, q in net.named_projections.items()}
        planes, told = {}, {p.source for p in net.pools}
        for p in net.populations:
            around = [margins(q, net[q.source].shape, p.shape) for q in fast_into(net, p, routes)] or [(0, 0, 0, 0)]
            top, left, bottom, right = (max(ends) for ends in zip(*around, strict=True))
            planes[p.name] = Plane(p.shape, (top, left, bottom, right))
        told |= {q.source for name, q in net.named_projections.items() if routes[name] != "patches"}
        return cls(wide, routes, planes, frozenset(told), all(in_a_byte(net, p) for p in net.spiking))


def in_a_byte(net: Network, p: Population) -> bool:
    """Whether 8 bits name every channel and every step of a list of the first or of the last steps."""
    d = net.code_weights[p.name]
    return is_binary(d) and mark_bits(p.shape[0], last_steps(d.shape[1])) <= 8


def last_steps(steps: int) -> int:
    """How many steps are in the list of the last ones where there are two: whole quarters, half of them or more."""
    return 4 * -(-steps // 8) if steps > 4 else steps


def fast_into(net: Network, p: Population, routes: dict[str, Route]) -> list[Projection]:
    """The projections into a population that a fast kernel delivers."""
    return [q for name, q in net.into(p.name).items() if routes[name] != "plain"]


def route(net: Network, q: Projection, wide: frozenset[str]) -> Route:
    """Which kernels deliver a projection."""
    source, target, d = net[q.source].shape, net[q.target].shape, net.code_weights[q.source]
    binary = is_binary(d)
    if q.target in wide or not fits(q, source, target):
        return "plain"
    if by_lanes(q, source, target):
        return "lanes"
    rows = source[0] if binary else d.size
    numbers = rows * filled(target[0]) * prod(tables(q, source))
    named = listed(Plane(source, (0, 0, 0, 0)), d, binary)
    return "patches" if named and numbers <= ROOM and (q.groups <= GROUPS or target[0] <= 4 * LANES) else "plain"


def fits(q: Projection, source: Shape, target: Shape) -> bool:
    """Whether there are few kinds of places, and margins do not make a plane much larger than its target."""
    if isinstance(q, Dense):  # it has no margins
        return True
    if prod(min(stride, size) for stride, size in zip(q.stride, source[1:], strict=True)) > KINDS:
        return False
    top, left, bottom, right = margins(q, source, target)
    whole = (top + target[1] + bottom) * (left + target[2] + right)
    return whole <= max(256, 4 * target[1] * target[2])


def steps_listed_first(net: Network, p: Population, shaping: Shaping) -> int:
    """How many of the first steps have a list of their own: none where a mark names all steps and int16 holds what they
    send together, or not even what half of them do.
    """
    d = net.code_weights[p.name]
    steps = int(d.shape[1])
    highs = steps - last_steps(steps)
    if not highs or not is_binary(d):
        return 0
    if shaping.bytewide and mark_bits(p.shape[0], steps) > 8:
        return highs
    own = [q for name, q in net.out_of(p.name).items() if shaping.routes[name] == "patches"]
    weights = [weights_of(q, p.shape, net[q.target].shape) for q in own]
    whole, parted = (Sent(shaping.planes[p.name], d, True, first, np.uint16) for first in (0, highs))
    return highs if any(narrow(w, parted) and not narrow(w, whole) for w in weights) else 0


@dataclass(eq=False, repr=False)
class Plan(Brief):
    """A network made ready: by population what fires it, by projection what delivers it. Holds no network."""

    shaping: Shaping
    fires: dict[str, Firing] = field(default_factory=dict)
    delivers: dict[str, Patches | Lanes | plain.Deliver] = field(default_factory=dict)
    idle: list[Any] = field(default_factory=list)  # states that no thread works on

    @classmethod
    def of(cls, net: Network) -> Plan:
        """The plan of a network."""
        shaping = shaping_of(net)
        plan = cls(shaping)
        for p in net.spiking:
            assert not isinstance(p, Readout)  # a readout does not spike
            d, plane = net.code_weights[p.name], shaping.planes[p.name]
            kind = np.uint8 if shaping.bytewide else np.uint16
            sent = Sent(plane, d, is_binary(d), steps_listed_first(net, p, shaping), kind)
            plan.fires[p.name] = firing(p, p.name in shaping.wide, plane, sent)
            for name, q in net.out_of(p.name).items():
                plan.delivers[name] = made(net, name, q, sent, shaping)
        return plan

    def told(self) -> str:
        """How many projections go by which kernels."""
        forms = [made.form if isinstance(made, Patches | Lanes) else "plain" for made in self.delivers.values()]
        return ", ".join(f"{form} {forms.count(form)}" for form in dict.fromkeys(sorted(forms)))


def made(net: Network, name: str, q: Projection, sent: Sent, shaping: Shaping) -> Patches | Lanes | plain.Deliver:
    """What delivers one projection."""
    plane = shaping.planes[q.target]
    match shaping.routes[name]:
        case "patches":
            return patches(q, sent, plane)
        case "lanes":
            assert not isinstance(q, Dense)  # which has no groups
            return lanes(q, sent, plane)
        case "plain":
            return plain.deliverer(net, q)
        case _ as other:
            assert_never(other)


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
