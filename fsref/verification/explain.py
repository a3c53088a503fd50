"""Why one neuron spiked as it did for one image: every step of its window and every synapse that contributed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsref.errors import InputError, UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints, fire
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape
from fsref.law.projections import Conv2d, Projection
from fsref.simulation.run import check_images, run
from fsref.law.schedule import schedule
from fsref.simulation.recording import Record

Place = tuple[int, int, int]


@dataclass(frozen=True)
class Step:
    """One step of the window: t, the absolute step, and what happened. An input or max_pool has no membrane: those are
    None (FS-2, FS-3).
    """

    t: int
    step: int
    before: int | None
    threshold: int | None
    fired: bool
    reset: int | None
    after: int | None
    d: int


@dataclass(frozen=True)
class Contribution:
    """What one synapse delivered for this image: weight times the code of its source neuron (PROJ-1)."""

    projection: str
    source: str
    neuron: int
    place: Place
    weight: int
    code: int
    contribution: int


@dataclass(frozen=True)
class Candidate:
    """One candidate of a max_pool window, its train and code, and the absolute step in which it dropped out, None if it
    never did (POOL-1).
    """

    neuron: int
    place: Place
    spikes: tuple[int, ...]
    code: int
    out: int | None


@dataclass(frozen=True)
class Explanation:
    """Everything that made one neuron's answer: see `str()`.

    `steps` in order (none for a readout); `contributions` other than 0, largest first, of `synapses` in all; `sums` by
    projection label; `bias`, `opening` and `code` where the kind has them; `candidates` of a max_pool.
    """

    population: str
    kind: str
    neuron: int
    place: Place
    bias: int | None
    sums: dict[str, int]
    opening: int | None
    steps: tuple[Step, ...]
    code: int | None
    synapses: int
    contributions: tuple[Contribution, ...]
    candidates: tuple[Candidate, ...]

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        from fsref.reports.text import explanation_text

        return explanation_text(self)


def number(place: Place, shape: Shape) -> int:
    """The neuron at a place (c, y, x) of a population of `shape` (NET-3)."""
    return (place[0] * shape[1] + place[1]) * shape[2] + place[2]


def neuron_at(population: Population, neuron: int | Place) -> int:
    """The neuron of a population named by its number or its place (c, y, x) (NET-3). Errors: UsageError."""
    shape, count = population.shape, int(np.prod(population.shape))
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
    PROJ-5, PROJ-7).
    """
    o, y, x = place
    if not isinstance(projection, Conv2d):
        row = projection.weights[o].tolist()
        for n in range(source[0] * source[1] * source[2]):
            at = place_of(n, source)
            weight = row[at[0] if projection.pooled else n]
            if weight:
                yield at, weight
        return
    outputs, inputs, kh, kw = projection.weights.shape
    group = o // (outputs // projection.groups)
    for i, r, c in np.argwhere(projection.weights[o]).tolist():
        row_at = y * projection.stride[0] - projection.padding[0] + r * projection.dilation[0]
        column_at = x * projection.stride[1] - projection.padding[1] + c * projection.dilation[1]
        if 0 <= row_at < source[1] and 0 <= column_at < source[2]:
            yield (group * inputs + i, row_at, column_at), int(projection.weights[o, i, r, c])


def candidates(pool: MaxPool, source: Shape, place: Place) -> Iterator[Place]:
    """The places of the source in one window of a max_pool, padding left out (POOL-1, POOL-3)."""
    c, y, x = place
    for r in range(pool.kernel[0]):
        for s in range(pool.kernel[1]):
            row, column = y * pool.stride[0] - pool.padding[0] + r, x * pool.stride[1] - pool.padding[1] + s
            if 0 <= row < source[1] and 0 <= column < source[2]:
                yield c, row, column


def bits(train: int, steps: int) -> tuple[int, ...]:
    """The spikes of a train word, first step first (EVENT-2)."""
    return tuple(train >> (steps - 1 - t) & 1 for t in range(steps))


def law(holds: bool, broken: str) -> None:
    """Nothing, when a law between engine and explanation holds; else AssertionError, also under `python -O`: it is
    never the user's mistake.
    """
    if not holds:
        raise AssertionError(broken)


def one_image(net: Network, image: ArrayLike) -> Ints:
    """One image as codes (1, C, H, W), from (C, H, W), (1, C, H, W), or (H, W) when C = 1. Errors: InputError."""
    given = np.asarray(image)
    given = given[None, None] if given.ndim == 2 else given[None] if given.ndim == 3 else given
    checked = check_images(net, given)
    if len(checked) != 1:
        raise InputError("RUN-1", "image", "not one image", given.shape, "(C, H, W)")
    return checked


def explain(
    net: Network, image: ArrayLike, population: str, neuron: int | Place, engine: str = "events"
) -> Explanation:
    """Why `neuron`, a number or a place (c, y, x), of `population` answered as it did for `image`, codes (C, H, W).
    Trains and codes come from `engine`; synapses and steps are worked out here, one by one, and checked against them.
    Errors: InputError, UsageError for population or neuron.
    """
    names = [p.name for p in net.populations]
    if population not in names:
        raise UsageError("OBS-1", "explain", "unknown population", population, ", ".join(names))
    p = net[population]
    neuron = neuron_at(p, neuron)
    x = one_image(net, image)
    place, start, steps = place_of(neuron, p.shape), schedule(net).start[population], net.steps[population]
    sources = [q.source for q in net.into(population)] + ([p.source] if isinstance(p, MaxPool) else [])
    trace = run(
        net,
        x,
        engine,
        Record(
            populations=[*dict.fromkeys([*sources, population])], observables=("spikes", "codes", "opening", "sums")
        ),
    ).trace
    assert trace is not None
    train = 0 if isinstance(p, Readout) else int(trace[population, "spikes"][0, neuron])
    code = None if isinstance(p, Readout) else int(trace[population, "codes"][0, neuron])
    if isinstance(p, (Input, MaxPool)):
        window: list[Candidate] = []
        if isinstance(p, MaxPool):
            shape = net[p.source].shape
            at = [number(c, shape) for c in candidates(p, shape, place)]
            trains = [bits(int(trace[p.source, "spikes"][0, n]), steps) for n in at]
            out = dropped(trains, steps)
            law(bits(train, steps) == max(trains), "POOL-1: the train is not the maximum's")
            found = zip(at, trains, out, strict=True)
            window = [
                Candidate(
                    n, place_of(n, shape), z, int(trace[p.source, "codes"][0, n]), None if s is None else start + s
                )
                for n, z, s in found
            ]
        d = net.code_weights[population][place[0]].tolist()
        rows = tuple(
            Step(t, start + t, None, None, bool(z), None, None, d[t]) for t, z in enumerate(bits(train, steps))
        )
        kind = "max_pool" if isinstance(p, MaxPool) else "input"
        return Explanation(population, kind, neuron, place, None, {}, None, rows, code, 0, (), tuple(window))
    bias = int(p.bias[place[0]] if p.bias.ndim == 1 else p.bias[place])
    found_all: list[Contribution] = []
    count, sums = 0, {}
    for label, q in zip(net.labels, net.projections, strict=True):
        if q.target != population:
            continue
        codes, shape = trace[q.source, "codes"][0].tolist(), net[q.source].shape
        own = [
            Contribution(label, q.source, n := number(at, shape), at, w, codes[n], w * codes[n])
            for at, w in synapses(q, shape, place)
        ]
        count, sums[label] = count + len(own), sum(c.contribution for c in own)
        law(sums[label] == int(trace[label, "sums"][0, neuron]), f"PROJ-1: the synapses of {label} do not make its sum")
        found_all += [c for c in own if c.contribution]
    opening = bias + sum(sums.values())
    law(
        opening == int(trace[population, "opening"][0, neuron]),
        "NET-6: bias and synapses do not make the opening membrane",
    )
    found_all.sort(key=lambda c: -abs(c.contribution))
    if isinstance(p, Readout):
        return Explanation(
            population, "readout", neuron, place, bias, sums, opening, (), None, count, tuple(found_all), ()
        )
    rows = replay(p, place[0], opening, start)
    law(bits(train, steps) == tuple(int(row.fired) for row in rows), "FS-2: the train is not the table's")
    return Explanation(population, "fs", neuron, place, bias, sums, opening, rows, code, count, tuple(found_all), ())


def dropped(trains: list[tuple[int, ...]], steps: int) -> list[int | None]:
    """The step t in which each candidate dropped out, None for those that stayed (POOL-1)."""
    out: list[int | None] = [None] * len(trains)
    for t in range(steps):
        if any(z[t] and o is None for z, o in zip(trains, out, strict=True)):
            out = [t if o is None and not z[t] else o for z, o in zip(trains, out, strict=True)]
    return out


def replay(population: FS, channel: int, opening: int, start: int) -> tuple[Step, ...]:
    """The steps of one neuron of a channel from its opening membrane (FS-2, FS-3, FS-4)."""
    T, h, d = (rows[channel].tolist() for rows in population.table.rows(population.shape[0]))
    firing = fire(opening, T, h, d)
    before = (opening, *firing.membranes[:-1])
    return tuple(
        Step(t, start + t, before[t], T[t], bool(firing.spikes[t]), h[t] * firing.spikes[t], firing.membranes[t], d[t])
        for t in range(population.steps)
    )
