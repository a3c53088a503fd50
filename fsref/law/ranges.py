"""RANGE: the intervals every membrane, partial sum and code stays in, proved from weights and tables alone.

All intervals are (C, 2) int64: lowest and highest, both reached by the bound, per channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import assert_never

import numpy as np

from fsref.errors import RangeError
from fsref.law.bounds import Exact, alike, gate_bounds, projection_bounds, spans
from fsref.law.neuron import Ints, Table, base_two, relu_theta, staircase
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape, View
from fsref.law.projections import Conv2d, Dense, Gate, Projection
from fsref.tables import Brief, Sheet, Shown, plural, span

LOWEST, HIGHEST = -(2**62), 2**62 - 1
SAFE = float(2**60)


@dataclass(frozen=True, eq=False, repr=False)
class Range(Shown):
    """The proved intervals of one population, each (C, 2) (RANGE-1 to RANGE-3). An input, max_pool or view has no
    membranes: each interval is that of its codes.
    """

    any_order: Ints
    final: Ints
    opening: Ints
    membranes: Ints
    codes: Ints

    @classmethod
    def of_codes(cls, codes: Ints) -> Range:
        """The intervals of a population without membranes, whose codes stay in `codes` (C, 2)."""
        return cls(codes, codes, codes, codes, codes)

    @property
    def held(self) -> dict[str, Ints]:
        """The intervals of membranes by name, none where there are no membranes."""
        if self.any_order is self.codes:
            return {}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "codes"}

    def __repr__(self) -> str:
        told = {name: of for name, of in self.held.items() if name == "any_order"} | {"codes": self.codes}
        hull = (f"{name} {span(*_ends(of))}" for name, of in told.items())
        return f"<Range of {plural(len(self.codes), 'channel')}: {', '.join(hull)}>"

    def sheet(self) -> Sheet:
        """The intervals as a table: the ends over all channels, and the bits that hold membranes."""
        rows: list[tuple[object, ...]] = [(name, *_ends(of), width_bits(of)) for name, of in self.held.items()]
        rows.append(("codes", *_ends(self.codes), None))  # no register holds their sign (RANGE-6)
        title = f"proved intervals of {plural(len(self.codes), 'channel')}"
        return Sheet(title, ("interval", "lowest", "highest", "bits"), rows)


def _ends(interval: Ints) -> tuple[int, int]:
    """The ends of an interval (C, 2) over all channels."""
    return int(interval[:, 0].min()), int(interval[:, 1].max())


def width_bits(interval: Ints) -> int:
    """The bits a two's complement register needs to hold every channel of an interval (C, 2)."""
    low, high = _ends(interval)
    return max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1


def pieces(T: Sequence[int], h: Sequence[int], low: int, high: int) -> Iterator[list[tuple[int, int]]]:
    """The intervals that the membrane may be in before each step, and after the last, ascending, for opening membranes
    low..high (RANGE-3). Touching ones are joined: what follows depends on v alone.
    """
    joined = [(low, high)]
    yield joined
    for threshold, reset in zip(T, h, strict=True):
        parted = []
        for a, b in joined:
            if a < threshold:
                parted.append((a, min(b, threshold - 1)))
            if b >= threshold:
                parted.append((max(a, threshold) - reset, b - reset))
        parted.sort()
        joined = parted[:1]
        for a, b in parted[1:]:
            if a <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(b, joined[-1][1]))
            else:
                joined.append((a, b))
        yield joined


def residuals(T: Sequence[int], h: Sequence[int], low: int, high: int) -> tuple[int, int]:
    """The hull of the membranes after every step, for opening membranes low..high (RANGE-3)."""
    after = [(joined[0][0], joined[-1][1]) for joined in islice(pieces(T, h, low, high), 1, None)]
    return min(a for a, _ in after), max(b for _, b in after)


def relu_firing(theta: Ints, steps: int, opening: Ints) -> tuple[Ints, Ints]:
    """The hulls of the membranes after every step and of the codes, each (C, 2), of an FS-ReLU of `theta` (C,), for
    opening membranes in `opening` (C, 2) (RANGE-3).

    After step t a membrane v is v - m * q, m = T[t] and q = v // m, but q at least 0 and at most 2^(t+1) - 1 (FS-5): it
    rises with v, and falls from m - 1 to 0 where q rises.
    """
    m = theta[:, None] * base_two(steps)
    most = 2 ** np.arange(1, steps + 1) - 1
    q = np.clip(opening[:, :, None] // m[:, None], 0, most)  # (C, 2, K): at both ends, after every step
    after = opening[:, :, None] - m[:, None] * q
    falls = q[:, 0] < q[:, 1]
    low, high = np.where(falls, np.minimum(after[:, 0], 0), after[:, 0]), np.where(falls, m - 1, after[:, 1])
    return np.stack([low.min(1), np.maximum(high, after[:, 1]).max(1)], axis=1), q[:, :, -1]


def firing(table: Table, channels: int, opening: Ints) -> tuple[Ints, Ints]:
    """The intervals of membranes and codes, each (C, 2), for opening membranes in `opening` (C, 2) (RANGE-3)."""
    T, h, d = table.rows(channels)
    theta = relu_theta(table)
    if theta is not None:
        return relu_firing(np.broadcast_to(theta, channels), table.steps, opening)
    hull = [residuals(T[c].tolist(), h[c].tolist(), *opening[c].tolist()) for c in range(channels)]
    intervals = []
    stairs = None
    for c in range(channels):
        if stairs is None or table.channels is not None:
            reach = opening[c] if table.channels is not None else (opening[:, 0].min(), opening[:, 1].max())
            stairs = staircase(T[c], h[c], d[c], int(reach[0]), int(reach[1]))
        first, last = np.searchsorted(stairs.start, opening[c], side="right")
        reached = stairs.code[first - 1 : last]
        intervals.append((reached.min(), reached.max()))
    return np.array(hull, np.int64), np.array(intervals, np.int64)


def code_weights(population: Population, sources: Mapping[str, Ints]) -> Ints:
    """d of what a population sends, (C, K): the input's (NET-7), the table's (FS-4), a pool's source's (POOL-4, from
    `sources`).
    """
    match population:
        case Input():
            return np.broadcast_to(base_two(population.steps), (population.shape[0], population.steps))
        case FS():
            return population.table.rows(population.shape[0])[2]
        case MaxPool() | View():
            return sources[population.source]
        case Readout():
            return np.zeros((population.shape[0], 0), np.int64)
        case _:
            assert_never(population)


def _by_channel(low: Exact, high: Exact, place: str) -> Ints:
    """The hull over places, (C, 2) int64; RangeError [RANGE-4] beyond 63 bits."""
    ends = np.stack([low.reshape(len(low), -1).min(1), high.reshape(len(high), -1).max(1)], axis=1)
    for channel, end in np.argwhere((ends < LOWEST) | (ends > HIGHEST)).tolist():
        value, limit = int(ends[channel, end]), f"{LOWEST}..{HIGHEST}"
        raise RangeError("RANGE-4", f"{place} channel {channel}", "membrane may leave 63 bits", value, limit)
    return ends.astype(np.int64)


def check_width(population: FS | Readout, proved: Range) -> None:
    """Nothing, when the declared width holds the interval it promises (RANGE-5); else RangeError."""
    width = population.width
    if width is None:
        return
    low, high = -(2 ** (width.bits - 1)), 2 ** (width.bits - 1) - 1
    interval = proved.any_order if width.promise == "any_order" else proved.final
    for channel, end in np.argwhere((interval < low) | (interval > high)).tolist():
        problem = f"declared width of {width.bits} bits does not hold {width.promise}"
        place, value = f"{population.name} channel {channel}", int(interval[channel, end])
        raise RangeError("RANGE-5", place, problem, value, f"{low}..{high}")


def _hull(*intervals: Ints) -> Ints:
    return np.stack(
        [np.min([i[:, 0] for i in intervals], axis=0), np.max([i[:, 1] for i in intervals], axis=0)], axis=1
    )


@dataclass(frozen=True, eq=False, repr=False)
class _Sent(Brief):
    """What a source may send of each channel, (low, high), each (C,): of any part of a train, and of a whole one."""

    shape: Shape
    parts: tuple[Ints, Ints]
    codes: tuple[Ints, Ints]


def _bounds(
    q: Projection, sent: Mapping[str, _Sent], seen: tuple[Ints, Ints], exact: bool
) -> tuple[tuple[Exact, Exact], tuple[Exact, Exact]]:
    """Lowest and highest sums of a projection per channel, row and column: of any part of the trains it delivers, and
    of whole trains. The factor of a gate is whole before any of them comes (GATE-2).
    """
    source = sent[q.source]
    match q:
        case Gate():
            part, whole = (gate_bounds(q, ends, sent[q.by].codes, exact) for ends in (source.parts, source.codes))
        case Conv2d() | Dense():
            part = whole = projection_bounds(q, source.shape, seen, source.parts, exact)
            if not np.array_equal(source.parts, source.codes):
                whole = projection_bounds(q, source.shape, seen, source.codes, exact)
        case _:
            assert_never(q)
    return part, whole


def _integrated(p: FS | Readout, into: Sequence[Projection], sent: Mapping[str, _Sent]) -> tuple[Ints, Ints]:
    """The intervals *any_order* and *final* of a population, each (C, 2), before firing widens them (RANGE-1, RANGE-2).

    Why they hold: a neuron's membrane is its bias and a sum of terms w·d[t], one for each synapse and step that spiked,
    so whatever has arrived so far lies between the sum of all negative terms and the sum of all positive ones, in
    whatever order they come (any_order); and once all have come, term by term, between the ends of w·a, a being a code
    its source can send (final). The terms of a gate are w·b·d[t], all of one b: a sum of them is lowest, and highest,
    where b is at an end of its interval. A channel's interval is the hull of its places; places that see the same taps
    of every source have the same sums, so one row and one column of each such class is enough, unless the bias is a
    map.
    """
    exact = _magnitude(p, into, sent) > SAFE
    bias = p.bias_map.astype(object if exact else np.int64)
    any_low, any_high, low, high = np.minimum(bias, 0), np.maximum(bias, 0), bias, bias
    seen = [spans(q, sent[q.source].shape, p.shape) for q in into]
    if p.bias.ndim == 1:
        rows, columns = (alike(axis) for axis in zip(*seen, strict=True))
        seen = [(y[rows], x[columns]) for y, x in seen]
    for q, at in zip(into, seen, strict=True):
        part, whole = _bounds(q, sent, at, exact)
        any_low, any_high, low, high = any_low + part[0], any_high + part[1], low + whole[0], high + whole[1]
    return _by_channel(any_low, any_high, p.name), _by_channel(low, high, p.name)


def _reach(*ends: Ints) -> float:
    """The largest magnitude among ends of intervals."""
    return max(float(np.abs(end).max()) for end in ends)


def _magnitude(p: FS | Readout, into: Sequence[Projection], sent: Mapping[str, _Sent]) -> float:
    """More or less the largest sum that bounding a population may form: beyond SAFE it is done in Python's integers,
    for int64 would wrap. Floats err by far less than the factor of 4 between SAFE and 62 bits.
    """
    total = _reach(p.bias)
    for q in into:
        source = sent[q.source]
        reach = _reach(*source.parts, *source.codes) * (_reach(*sent[q.by].codes) if isinstance(q, Gate) else 1)
        places = source.shape[1] * source.shape[2] if isinstance(q, Dense) and q.pooled else 1
        total += float(np.abs(q.weights, dtype=float).reshape(len(q.weights), -1).sum(1).max()) * reach * places
    return total


@dataclass(eq=False, repr=False)
class Proving(Brief):
    """The proved intervals of a network as far as it is made: populations are added in order, so that a population in
    the making can be bounded before it is.
    """

    weights: dict[str, Ints] = field(default_factory=dict)
    proved: dict[str, Range] = field(default_factory=dict)
    sent: dict[str, _Sent] = field(default_factory=dict)

    def integrated(self, p: FS | Readout, into: Sequence[Projection]) -> Range:
        """The intervals of a population before firing widens them (RANGE-1, RANGE-2). Errors: RangeError [RANGE-4]."""
        any_order, opening = _integrated(p, into, self.sent)
        return Range(any_order, opening, opening, opening, opening)

    def add(self, p: Population, into: Sequence[Projection]) -> None:
        """Prove the next population, the projections `into` it. Errors: RangeError [RANGE-4], [RANGE-5]."""
        match p:
            case Input():
                codes = np.tile(np.array([0, p.max_code], np.int64), (p.shape[0], 1))
                self.proved[p.name] = Range.of_codes(codes)
            case MaxPool():
                self.proved[p.name] = Range.of_codes(self.proved[p.source].codes)
            case View():
                shown = self.proved[p.source].codes
                self.proved[p.name] = Range.of_codes(_hull(shown, np.zeros_like(shown)) if p.gaps else shown)
            case FS():
                before = self.integrated(p, into)
                membranes, codes = firing(p.table, p.shape[0], before.opening)
                membranes = _by_channel(membranes[:, :1], membranes[:, 1:], p.name)
                any_order, final = _hull(before.any_order, membranes), _hull(before.final, membranes)
                self.proved[p.name] = Range(any_order, final, before.opening, membranes, codes)
                check_width(p, self.proved[p.name])
            case Readout():
                before = self.integrated(p, into)
                self.proved[p.name] = replace(before, any_order=_hull(before.any_order, before.opening))
                check_width(p, self.proved[p.name])
                return
            case _:
                assert_never(p)
        d = self.weights[p.name] = code_weights(p, self.weights)
        parts = np.minimum(d, 0).sum(1), np.maximum(d, 0).sum(1)
        codes = self.proved[p.name].codes
        self.sent[p.name] = _Sent(p.shape, parts, (codes[:, 0], codes[:, 1]))


def prove(populations: Sequence[Population], projections: Sequence[Projection]) -> dict[str, Range]:
    """The proved intervals of every population, by name, in order. Errors: RangeError [RANGE-4], [RANGE-5]."""
    into: dict[str, list[Projection]] = {p.name: [] for p in populations}
    for q in projections:
        into[q.target].append(q)
    proving = Proving()
    for p in populations:
        proving.add(p, into[p.name])
    return proving.proved
