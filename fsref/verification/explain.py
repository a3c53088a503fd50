"""Why one neuron spiked as it did for one image: every step of its window and every synapse that contributed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, assert_never

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.engines.engine import Engine, name_of
from fsref.errors import InputError, UsageError, public
from fsref.formats.bundled import network_of
from fsref.law.arrays import as_array
from fsref.law.images import check_images
from fsref.law.network import Network
from fsref.law.neuron import Ints, fire
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Relay, Shape, View
from fsref.law.projections import Conv2d, Dense, Gate, Projection
from fsref.simulation.recording import Key, Record
from fsref.simulation.run import run
from fsref.tables import Brief
from fsref.verification.explanation import Candidate, Contribution, Explanation, Place, Step


def number(place: Place, shape: Shape) -> int:
    """The neuron at a place (c, y, x) of a population of `shape` (NET-3)."""
    return (place[0] * shape[1] + place[1]) * shape[2] + place[2]


def neuron_at(population: Population, neuron: int | Place) -> int:
    """The neuron of a population named by its number or its place (c, y, x) (NET-3). Errors: UsageError."""
    shape, count = population.shape, population.neurons
    given, ends = (neuron, shape) if isinstance(neuron, tuple) else ((neuron,), (count,))
    if len(given) != len(ends) or not all(
        isinstance(n, int | np.integer) and 0 <= n < end for n, end in zip(given, ends, strict=True)
    ):
        raise UsageError(
            "OBS-1",
            f"explain {population.name}",
            "neuron out of range",
            neuron,
            f"0..{count - 1}, or (c, y, x) below {shape}",
        )
    return int(number(neuron, shape) if isinstance(neuron, tuple) else neuron)


def place_of(neuron: int, shape: Shape) -> Place:
    """The place (c, y, x) of a neuron (NET-3)."""
    channel, rest = divmod(neuron, shape[1] * shape[2])
    return channel, *divmod(rest, shape[2])


def synapses(projection: Projection, source: Shape, place: Place) -> Iterator[tuple[Place, int]]:
    """Every synapse into the target neuron at `place`, as (place of the source neuron, weight) (PROJ-1, PROJ-3 to
    PROJ-5, PROJ-7, GATE-1).
    """
    o, y, x = place
    match projection:
        case Conv2d(stride=stride, padding=padding, dilation=dilation):
            outputs, inputs, _, _ = projection.weights.shape
            group = o // (outputs // projection.groups)
            for i, r, c in np.argwhere(projection.weights[o]).tolist():
                row = y * stride[0] - padding[0] + r * dilation[0]
                column = x * stride[1] - padding[1] + c * dilation[1]
                if 0 <= row < source[1] and 0 <= column < source[2]:
                    yield (group * inputs + i, row, column), int(projection.weights[o, i, r, c])
        case Dense(pooled=pooled):
            weights = projection.weights[o].tolist()
            for n in range(source[0] * source[1] * source[2]):
                at = place_of(n, source)
                if weight := weights[at[0] if pooled else n]:
                    yield at, weight
        case Gate():
            if weight := int(projection.weights[o]):
                yield place, weight
        case _:
            assert_never(projection)


def candidates(p: Relay, source: Shape, place: Place) -> Iterator[Place]:
    """The places of the source in one window of a max_pool, padding left out (POOL-1, POOL-3); the one that a view
    shows, if any (VIEW-1).
    """
    c, y, x = place
    match p:
        case MaxPool():
            for r in range(p.kernel[0]):
                for s in range(p.kernel[1]):
                    row, column = y * p.stride[0] - p.padding[0] + r, x * p.stride[1] - p.padding[1] + s
                    if 0 <= row < source[1] and 0 <= column < source[2]:
                        yield c, row, column
        case View():
            if min(p.rows[y], p.columns[x]) >= 0:
                yield c, int(p.rows[y]), int(p.columns[x])
        case _:
            assert_never(p)


def bits(train: int, steps: int) -> tuple[int, ...]:
    """The spikes of a train word, first step first (EVENT-2)."""
    return tuple(train >> (steps - 1 - t) & 1 for t in range(steps))


def one_image(net: Network, image: ArrayLike) -> Ints:
    """One image as codes (1, C, H, W), from (C, H, W), (1, C, H, W), or (H, W) when C = 1. Errors: InputError."""
    given = as_array(image, "RUN-1", "image", "wanted codes (C, H, W)")
    given = given[None, None] if given.ndim == 2 else given[None] if given.ndim == 3 else given
    checked = check_images(net.input, given)
    if len(checked) != 1:
        raise InputError("RUN-1", "image", "not one image", given.shape, "(C, H, W)")
    return checked


@public
def explain(
    net: Network | str | PathLike[str],
    image: ArrayLike,
    population: str,
    neuron: int | Place,
    engine: str | Engine = "events",
) -> Explanation:
    """Why `neuron`, a number or a place (c, y, x), of `population` of `net` answered as it did for `image`, codes
    (C, H, W).
    Trains and codes come from `engine`; synapses and steps are worked out here, one by one, and checked against them.
    Errors: InputError, UsageError for population or neuron, and for an engine whose integers the law does not make.
    """
    net = network_of(net)
    names = [p.name for p in net.populations]
    if population not in names:
        raise UsageError("OBS-1", "explain", "unknown population", population, ", ".join(names))
    p = net[population]
    neuron = neuron_at(p, neuron)
    x = one_image(net, image)
    asked = Record([*net.sources(population), population], ("spikes", "codes", "opening", "sums"))
    trace = run(net, x, engine, asked).trace
    assert trace is not None
    return explained(net, p, neuron, trace.arrays, f"engine {name_of(engine)}")


def explained(
    net: Network, p: Population, neuron: int, arrays: Mapping[Key, NDArray[Any]], by: str, only: str = ""
) -> Explanation:
    """Why a neuron answered as it did in `arrays` (1, neurons) of one image, told `by` an engine or a case: the spikes
    and codes of its sources and its own, its opening and sums, as far as its kind has them; where `only` names a
    projection, what that delivered; where no spikes of sources are there, what the neuron does behind its opening.
    Errors: UsageError for integers that the law does not make.
    """
    seen = _Seen(net, p, neuron, place_of(neuron, p.shape), arrays, by)
    if only:
        return seen.delivered(only)
    match p:
        case Input():
            return seen.sent(())
        case MaxPool():
            return seen.sent(seen.window(p, "POOL-1"))
        case View():
            return seen.sent(seen.window(p, "VIEW-1"))
        case FS():
            return seen.fired(p, seen.summed(p))
        case Readout():
            return seen.summed(p)
        case _:
            assert_never(p)


@dataclass(frozen=True, eq=False, repr=False)
class _Seen(Brief):
    """One neuron and a recording of it and of what it reads."""

    net: Network
    population: Population
    neuron: int
    place: Place
    trace: Mapping[Key, NDArray[Any]]
    by: str

    def check(self, rule: str, what: str, told: object, made: object) -> None:
        """Nothing, when what the engine told is what the law makes of the rest; else UsageError."""
        if told != made:
            place, problem = f"explain {self.name}", f"{self.by} told {what} that the law does not make"
            raise UsageError(rule, place, problem, told, f"neuron {self.neuron}: {made}")

    @property
    def name(self) -> str:
        return self.population.name

    @property
    def start(self) -> int:
        """The absolute step in which its window opens."""
        return self.net.schedule.start[self.name]

    @property
    def train(self) -> tuple[int, ...]:
        """Its spikes, first step first."""
        return bits(int(self.trace[self.name, "spikes"][0, self.neuron]), self.net.steps[self.name])

    @property
    def code(self) -> int:
        """Its code."""
        return int(self.trace[self.name, "codes"][0, self.neuron])

    def sent(self, window: tuple[Candidate, ...]) -> Explanation:
        """The explanation of a neuron without a membrane: what it sent, and the candidates of its window."""
        d = self.net.code_weights[self.name][self.place[0]].tolist()
        self.check("FS-4", "a code", self.code, sum(worth for worth, z in zip(d, self.train, strict=True) if z))
        rows = (Step(t, self.start + t, None, None, bool(z), None, None, d[t]) for t, z in enumerate(self.train))
        known = self.name, self.population.kind, self.neuron, self.place
        return Explanation(*known, None, {}, None, tuple(rows), self.code, 0, (), window)

    def window(self, p: Relay, rule: str) -> tuple[Candidate, ...]:
        """The candidates of a max_pool's window, and when each dropped out (POOL-1); the place that a view shows; so
        much by `rule`.
        """
        shape, steps = self.net[p.source].shape, self.net.steps[self.name]
        at = [number(c, shape) for c in candidates(p, shape, self.place)]
        trains = [bits(int(self.trace[p.source, "spikes"][0, n]), steps) for n in at]
        self.check(rule, "a train", self.train, max(trains, default=(0,) * steps))
        codes = self.trace[p.source, "codes"][0]
        return tuple(
            Candidate(n, place_of(n, shape), z, int(codes[n]), None if out is None else self.start + out)
            for n, z, out in zip(at, trains, dropped(trains, steps), strict=True)
        )

    def summed(self, p: FS | Readout) -> Explanation:
        """The explanation of an opening membrane: bias, and every synapse that delivered something (NET-6)."""
        bias = int(np.broadcast_to(p.bias_map, p.shape)[self.place])
        parts = [self.delivered(name) for name in self.net.into(self.name) if (name, "sums") in self.trace]
        there = int(self.trace[self.name, "opening"][0, self.neuron])
        known = self.name, p.kind, self.neuron, self.place
        if not parts:
            return Explanation(*known, None, {}, there, (), None, 0, (), ())
        sums = {name: total for part in parts for name, total in part.sums.items()}
        opening = bias + sum(sums.values())
        self.check("NET-6", "an opening membrane", there, opening)
        found = sorted((c for part in parts for c in part.contributions), key=lambda c: -abs(c.contribution))
        count = sum(part.synapses for part in parts)
        return Explanation(*known, bias, sums, opening, (), None, count, tuple(found), ())

    def delivered(self, name: str) -> Explanation:
        """The explanation of what one projection delivered: every synapse that delivered something (PROJ-1)."""
        q = self.net.named_projections[name]
        codes, shape = self.trace[q.source, "codes"][0].tolist(), self.net[q.source].shape
        factor = self.factor(q) if isinstance(q, Gate) else None
        times = 1 if factor is None else factor
        own = [
            Contribution(name, q.source, n := number(at, shape), at, w, codes[n], w * codes[n] * times, factor)
            for at, w in synapses(q, shape, self.place)
        ]
        total = sum(c.contribution for c in own)
        self.check(
            "PROJ-1" if factor is None else "GATE-1",
            f"a sum of {name}",
            int(self.trace[name, "sums"][0, self.neuron]),
            total,
        )
        found = sorted((c for c in own if c.contribution), key=lambda c: -abs(c.contribution))
        known = self.name, self.population.kind, self.neuron, self.place
        return Explanation(*known, None, {name: total}, None, (), None, len(own), tuple(found), ())

    def factor(self, gate: Gate) -> int:
        """The code of a gate's factor at this place, or the only one of its channel (GATE-1)."""
        shape, (c, y, x) = self.net[gate.by].shape, self.place
        at = (c, y, x) if shape == self.population.shape else (c, 0, 0)
        return int(self.trace[gate.by, "codes"][0, number(at, shape)])

    def fired(self, p: FS, summed: Explanation) -> Explanation:
        """The explanation of an FS neuron: of its opening membrane, and every step that followed."""
        assert summed.opening is not None
        rows = replay(p, self.place[0], summed.opening, self.start)
        self.check("FS-2", "a train", self.train, tuple(int(row.fired) for row in rows))
        self.check("FS-4", "a code", self.code, sum(row.d for row in rows if row.fired))
        return replace(summed, steps=rows, code=self.code)


def dropped(trains: list[tuple[int, ...]], steps: int) -> list[int | None]:
    """The step t in which each candidate dropped out, None for those that stayed (POOL-1)."""
    out: list[int | None] = [None] * len(trains)
    for t in range(steps):
        if any(z[t] and o is None for z, o in zip(trains, out, strict=True)):
            out = [t if o is None and not z[t] else o for z, o in zip(trains, out, strict=True)]
    return out


def replay(population: FS, channel: int, opening: int, start: int) -> tuple[Step, ...]:
    """The steps of one neuron of a channel from its opening membrane (FS-2, FS-3, FS-4)."""
    T, h, d = (rows[channel] for rows in population.table.rows(population.shape[0]))
    return steps_of((T, h, d), opening, start)


def steps_of(rows: tuple[Ints, Ints, Ints], opening: int, start: int = 0) -> tuple[Step, ...]:
    """The steps of a neuron of rows T, h, d, each (K,), from its opening membrane, the first one at step `start` (FS-2,
    FS-3, FS-4).
    """
    T, h, d = (row.tolist() for row in rows)
    firing = fire(opening, T, h, d)
    before = (opening, *firing.membranes[:-1])
    return tuple(
        Step(t, start + t, before[t], T[t], bool(firing.spikes[t]), h[t] * firing.spikes[t], firing.membranes[t], d[t])
        for t in range(len(T))
    )
