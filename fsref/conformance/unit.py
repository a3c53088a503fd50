"""A unit: one population with what it reads, in runs that follow one another. What fails is made smaller as one
(CONFORM-4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np

from fsref.engines import reference
from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints, Table, base_two, fs_relu
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape, View
from fsref.law.projections import Conv2d, Dense, Gate, Projection
from fsref.simulation.following import following
from fsref.simulation.recording import Key
from fsref.tables import Brief
from fsref.vectors.case import Case, case_of

LEFT = 2  # in the membranes of loud populations
LOGITS = "logits"  # the readout behind a population that is none itself


@dataclass(frozen=True, eq=False, repr=False)
class Source(Brief):
    """What a population reads: its table, None of codes in base two, its K, train words (B, C, H, W), and, where they
    are known, the opening membranes that fire them.
    """

    name: str
    table: Table | None
    steps: int
    trains: Ints
    opening: Ints | None = None

    @property
    def codes(self) -> Ints:
        """What its trains are worth, (B, C, H, W)."""
        if self.table is None:
            return self.trains
        d = self.table.rows(self.trains.shape[1])[2]
        return np.asarray(reference.codes(reference.input_trains(self.trains, self.steps), d), np.int64)

    def part(self, change: Callable[[Ints], Ints], some: Ints | None = None) -> Source:
        """What `change` leaves of its trains; `some` are the channels that it keeps, where it does not keep all."""
        table = self.table
        if table is not None and table.channels is not None and some is not None:
            table = Table(*(rows[some] for rows in table.rows(self.trains.shape[1])))
        opening = None if self.opening is None else change(self.opening)
        return replace(self, table=table, trains=change(self.trains), opening=opening)

    @property
    def constant(self) -> tuple[Table, Ints]:
        """The table and the bias of a population that sends the train of the only run, whatever comes."""
        if self.table is None:
            return fs_relu(self.steps), self.trains[0]
        assert self.opening is not None, "unknown ones are left out"
        return self.table, self.opening[0]

    def sending(self, trains: Ints, steps: slice = slice(None)) -> Source:
        """A source of other trains, of some of its steps, each spike worth what it is: its table makes them of codes in
        base two.
        """
        if self.table is None:
            return replace(self, steps=len(range(self.steps)[steps]), trains=trains, opening=None)
        d = self.table.d[..., steps]
        plain = fs_relu(d.shape[-1])
        return replace(self, table=Table(T=plain.T, h=plain.h, d=d), steps=plain.steps, trains=trains, opening=trains)


@dataclass(frozen=True, eq=False, repr=False)
class Unit(Brief):
    """A population by its parts, the projections into it and its sources; in scope neuron its `opening` (B, C, H, W)
    instead of these.

    An fs has `bias` and `table`, a readout a bias alone, a max-pool a `pool` alone: its window. So many silent
    populations stand `before` it, for a device that is wrong at one place of the list, or `loud` ones of its shape, all
    of whose neurons fire, for one in which something of them is left; its last run has the `protocol`.
    Its sources send what an input sends them where it is to `relay`, else what their biases make, by place.
    What is joined to make a network of it is `dense`, or conv2d where the device may have no dense.
    """

    scope: str
    name: str
    shape: Shape
    bias: Ints | None = None
    table: Table | None = None
    pool: MaxPool | None = None
    projections: tuple[Projection, ...] = ()
    sources: tuple[Source, ...] = ()
    opening: Ints | None = None
    before: int = 0
    loud: bool = False
    protocol: str = ""
    dense: bool = True
    relay: bool = False

    @property
    def runs(self) -> int:
        """B, how many runs follow one another."""
        return len(self.sources[0].trains if self.opening is None else self.opening)

    @property
    def steps(self) -> int:
        """K of the population; 0 of a readout."""
        if self.pool is not None:
            return self.sources[0].steps
        return 0 if self.table is None else self.table.steps

    @property
    def bias_map(self) -> Ints:
        """The bias as (C, H, W), or (C, 1, 1) (NET-5)."""
        assert self.bias is not None, "a max-pool has no membranes"
        return self.bias if self.bias.ndim == 3 else self.bias[:, None, None]

    @property
    def population(self) -> FS | Readout | MaxPool:
        """The population itself. Errors: NetworkError."""
        if self.pool is not None:
            return replace(self.pool, shape=self.shape)
        if self.table is None:
            return Readout(self.name, self.shape, self.bias)  # type: ignore[arg-type]  # has one
        return FS(self.name, self.shape, self.table, self.bias)  # type: ignore[arg-type]  # has one

    @property
    def size(self) -> tuple[int, ...]:
        """What shrinks: runs, neurons, weights, steps, then how large the integers are."""
        weights = [q.weights.astype(np.int64) for q in self.projections]
        arrays = [*weights, *(source.trains for source in self.sources)]
        arrays += [array for array in (self.opening, self.bias) if array is not None]
        tables = [self.table, *(source.table for source in self.sources)]
        arrays += [rows for table in tables if table is not None for rows in (table.T, table.h, table.d)]
        neurons = self.before * (int(np.prod(self.shape)) if self.loud else 1) + sum(
            source.trains[0].size for source in self.sources
        )
        places = sum(source.trains[0, 0].size for source in self.sources)
        padded = 0 if self.pool is None else sum(self.pool.padding)
        for q in self.projections:
            match q:
                case Conv2d():
                    padded += sum((*q.padding, *q.stride, *q.dilation))
                case Dense():
                    padded += int(q.pooled)
                case Gate():
                    padded += 1
                case _:
                    assert_never(q)
        taken = sum(w.size for w in weights) + places + padded
        steps = self.steps + sum(source.steps for source in self.sources)
        bits = sum(int(np.ceil(np.log2(np.abs(a).astype(np.float64) + 1)).sum()) for a in arrays)
        ones = sum(int(np.abs(a).clip(max=2**40).sum()) for a in arrays)
        return self.runs, int(np.prod(self.shape)), len(self.projections), neurons, taken, steps, bits, ones

    def openings(self) -> Ints:
        """The opening membranes (B, C, H, W) of a population that integrates (NET-6)."""
        if self.opening is not None:
            return self.opening
        codes = {source.name: source.codes for source in self.sources}
        total = np.broadcast_to(self.bias_map, (self.runs, *self.shape)).astype(np.int64)
        for q in self.projections:
            total = total + reference.carried(codes[q.source], q, self.shape, codes)
        return total

    @property
    def fed(self) -> Source | None:
        """The source that is the input itself: the first in base two; none where each passes on what an input sends."""
        if self.relayed:
            return None
        return next((source for source in self.sources if source.table is None), None)

    @property
    def depth(self) -> int:
        """How many populations stand before it, but the input."""
        return self.before + len([source for source in self.sources if source is not self.fed])

    @property
    def relayed(self) -> bool:
        """Whether each source passes on what an input sends it, of a device that feeds itself: where it is to, and of
        several in more runs than one.
        """
        return self.scope == "network" and (self.relay or (len(self.sources) > 1 and self.runs > 1))

    def network(self) -> Network:
        """The smallest network that has this unit: an input, sources, the population, a readout. Errors: FsrefError."""
        (_, height, width) = max([self.shape, *(source.trains.shape[1:] for source in self.sources)], key=_places)
        first = Input("input", (1, height, width), 1, 1)  # windows of zeros over it stay small
        if (fed := self.fed) is not None:
            first = Input(fed.name, fed.trains.shape[1:], fed.steps, 2**fed.steps - 1)
        elif self.relayed:
            steps = max(source.steps for source in self.sources)
            channels, rows, columns = zip(*(source.trains.shape[1:] for source in self.sources), strict=True)
            first = Input("input", (sum(channels), max(rows), max(columns)), steps, 2**steps - 1)
        populations: list[Population] = [first]
        projections: list[Projection] = []
        for n in range(self.before):
            if self.loud:
                populations.append(FS(f"loud{n}", self.shape, fs_relu(1), np.full(self.shape[0], 1 + LEFT)))
            else:
                populations.append(FS(f"silent{n}", (1, 1, 1), fs_relu(1)))
            projections.append(self._entering(first, populations[-1]))
        at = 0
        for source in self.sources:
            if source is fed:
                continue
            shape = source.trains.shape[1:]
            if self.relayed:
                populations.append(FS(source.name, shape, source.sending(source.trains).constant[0]))
                projections.append(
                    self._entering(first, populations[-1], np.eye(shape[0], first.shape[0], at, np.int64))
                )
                at += shape[0]
                continue
            table, bias = source.constant if self.scope == "network" else (source.table or fs_relu(source.steps), None)
            populations.append(FS(source.name, shape, table, bias))  # type: ignore[arg-type]  # None is all zeros
            projections.append(self._entering(first, populations[-1]))
        p = self.population
        populations.append(p)
        projections += self.projections
        if self.opening is not None:
            projections.append(self._entering(first, p))
        if self.steps:
            populations.append(Readout(LOGITS, (1, 1, 1)))
            ones = np.ones((1, *self.shape), np.int64)
            projections.append(
                Dense(p.name, LOGITS, ones.reshape(1, -1)) if self.dense else Conv2d(p.name, LOGITS, ones)
            )
        return Network(populations, projections)

    def _entering(self, source: Population, target: Population, passed: Ints | int = 0) -> Projection:
        """A projection of zeros, so that the target has one into it (NET-4); or one that passes on the channels of the
        source that are 1 in `passed`, (channels of the target, of the source), from its first rows and columns on.
        """
        if self.dense and target.shape[1:] == (1, 1):
            dense = np.zeros((target.shape[0], *source.shape), np.int64)
            dense[..., 0, 0] = passed
            return Dense(source.name, target.name, dense.reshape(target.shape[0], -1))
        kernel = [max(1, a - b + 1) for a, b in zip(source.shape[1:], target.shape[1:], strict=True)]
        bottom, right = (max(0, b - a) for a, b in zip(source.shape[1:], target.shape[1:], strict=True))
        weights = np.zeros((target.shape[0], source.shape[0], *kernel), np.int64)
        weights[..., 0, 0] = passed
        return Conv2d(source.name, target.name, weights, padding=(0, 0, bottom, right))

    @property
    def possible(self) -> bool:
        """Whether the scope can give what the unit reads."""
        if self.scope == "network" and not self.relayed:
            tables = [source for source in self.sources if source.table is not None]
            return self.runs == 1 and all(source.opening is not None for source in tables) or not tables
        return self.scope != "projection" or len(self.projections) == 1

    def cases(self) -> list[Case]:
        """A case for each run; none where the scope cannot give what the unit reads. Errors: FsrefError."""
        if not self.possible:
            return []
        net = self.network()
        of = {"network": net.readout.name, "projection": next(iter(net.into(self.name)), "")}
        unit = of.get(self.scope, self.name)
        protocols = [*[""] * (self.runs - 1), self.protocol]
        return [case_of(net, self.scope, unit, self._given(net, b), protocol=p) for b, p in enumerate(protocols)]

    def _given(self, net: Network, run: int) -> dict[Key, Ints]:
        """What is given in a run."""
        if self.opening is not None:
            return {(self.name, "opening"): self.opening[run].reshape(-1)}
        trains = {source.name: source.trains[run].reshape(-1) for source in self.sources}
        if self.scope != "network":
            return {(name, "spikes"): values for name, values in trains.items()}
        codes = np.zeros(net.input.neurons, np.int64)
        if self.fed is not None:
            codes = trains[self.fed.name]
        elif self.relayed:
            codes = np.zeros(net.input.shape, np.int64)
            at = 0
            for source in self.sources:
                _, channels, height, width = source.trains.shape
                codes[at : at + channels, :height, :width] = source.trains[run]
                at += channels
            codes = codes.reshape(-1)
        return {(net.input.name, "codes"): codes}


def unit_of(cases: Sequence[Case], name: str) -> Unit:
    """The unit of a population, as it ran in some cases of one network and scope."""
    net, scope = cases[0].net, cases[0].scope
    of = net.sources(name)
    if scope == "projection":
        of = net.named_projections[cases[0].unit].sources
    known = [{**case.given, **following(net, {key: a[None] for key, a in case.given.items()})} for case in cases]
    sources = []
    for source in of if scope != "neuron" else ():
        what = "codes" if (source, "codes") in cases[0].given else "spikes"
        trains = np.stack([found[source, what].reshape(net[source].shape).astype(np.int64) for found in known])
        opening = None
        if all((source, "opening") in found for found in known):
            opening = np.stack([found[source, "opening"].reshape(net[source].shape) for found in known])
        sources.append(Source(source, _table(net, source), net.steps[source], trains, opening))
    into = net.into(name)
    if scope == "projection":
        into = {cases[0].unit: into[cases[0].unit]}
    unit = Unit(scope, name, net[name].shape, projections=tuple(into.values()), sources=tuple(sources))
    unit = replace(unit, protocol=cases[-1].protocol, dense=any(map(_is_dense, net.projections)))
    match p := net[name]:
        case FS():
            unit = replace(unit, bias=p.bias, table=p.table)
            if scope == "neuron":
                opening = np.stack([case.given[name, "opening"].reshape(p.shape) for case in cases])
                unit = replace(unit, projections=(), opening=opening)
        case Readout():
            unit = replace(unit, bias=p.bias)
        case MaxPool():
            unit = replace(unit, pool=p)
        case View():
            raise UsageError("CONFORM-4", "unit", "a view computes nothing", name)
        case Input():
            raise UsageError("CONFORM-4", "unit", "an input computes nothing", name)
        case _:
            assert_never(p)
    return unit


def _places(shape: Shape) -> int:
    """How many places a population of a shape has."""
    return shape[1] * shape[2]


def _table(net: Network, name: str) -> Table | None:
    """The table of what a population sends, a max-pool's or view's its source's; None where codes are in base two."""
    match p := net[name]:
        case MaxPool() | View():
            return _table(net, p.source)
        case FS():
            return None if np.array_equal(p.table.d, base_two(p.steps)) else p.table
        case Input() | Readout():
            return None
        case _:
            assert_never(p)


def _is_dense(q: Projection) -> bool:
    """Whether a projection is dense."""
    match q:
        case Dense():
            return True
        case Conv2d() | Gate():
            return False
        case _:
            assert_never(q)
