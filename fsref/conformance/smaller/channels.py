"""Fewer channels of a unit: of the population, of its sources (CONFORM-4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import assert_never

import numpy as np

from fsref.conformance.smaller.parts import held, leaving, readers
from fsref.conformance.unit import Source, Unit
from fsref.law.neuron import Ints, Table
from fsref.law.projections import Conv2d, Dense, Gate, Projection

TILES = (2, 4, 8, 16, 32)  # of channels
ROWS = (1, 2, 4)  # of a source of one column, where a chip has fewer channels


def fewer_channels(unit: Unit, own: int | None) -> Iterator[Unit]:
    """Some channels of the population: channel `own`, or any, alone, with another, or behind some; of groups, the same
    ones of each; then without halves of them, quarters, at last each by itself.
    """
    count = unit.shape[0]
    for channel in range(count) if own is None else [own]:
        yield from _of_channels(unit, [channel])
        for other in dict.fromkeys((channel - 1, 0, count - 1, channel + 1)):
            yield from _of_channels(unit, [channel, other])
        for n in TILES:  # it may be the first behind some
            yield from _of_channels(unit, [*range(min(n, channel)), channel])
        yield from _of_channels(unit, range(channel + 1))
    for groups in sorted({_groups(q) for q in unit.projections} - {1, count}):
        numbers = np.arange(count).reshape(groups, -1)
        of_each = [*([n] for n in range(numbers.shape[1])), *leaving(numbers.shape[1])]
        for some in of_each:
            yield from _of_channels(unit, numbers[:, some].reshape(-1).tolist())
        for kept in leaving(groups):
            yield from _of_channels(unit, numbers[kept].reshape(-1).tolist())
    for kept in leaving(count):
        yield from _of_channels(unit, kept)


def _of_channels(unit: Unit, kept: Sequence[int]) -> Iterator[Unit]:
    """Some channels of the population, of those it has; of a max-pool and a gate, and of a group that has none left, of
    the source, too. Nothing where that is all. Where of some groups more is left than of others they are one.
    """
    count = unit.shape[0]
    some = np.array(sorted({c for c in kept if 0 <= c < count}))
    if len(some) == count:
        return
    less = replace(unit, shape=(len(some), *unit.shape[1:]))
    if unit.pool is not None:
        (source,) = unit.sources
        yield replace(less, sources=(_channels_of(source, some),))
        return
    assert unit.bias is not None
    less = replace(less, bias=unit.bias[some])
    if unit.table is not None:
        less = replace(less, table=Table(*(rows[some] for rows in unit.table.rows(count))))
    if unit.opening is not None:
        yield replace(less, opening=unit.opening[:, some])
        return
    projections: list[Projection] = []
    by_name = {source.name: source for source in unit.sources}
    for q in unit.projections:
        own: Projection = replace(q, weights=q.weights[some])
        match q:
            case Conv2d() if q.groups > 1:
                groups, sizes = np.unique(some // (count // q.groups), return_counts=True)
                if len(set(sizes.tolist())) > 1 or readers(unit, by_name[q.source]) > 1:
                    own = replace(q, weights=_of_all_inputs(q)[some], groups=1)
                else:
                    read = _of_groups(groups, q.weights.shape[1], range(q.weights.shape[1]))
                    by_name[q.source] = _channels_of(by_name[q.source], read)
                    own = replace(q, weights=q.weights[some], groups=len(groups))
            case Gate():
                if any(readers(unit, by_name[name]) > 1 for name in q.sources):
                    return
                by_name |= {name: _channels_of(by_name[name], some) for name in q.sources}
            case Conv2d() | Dense():
                pass
            case _:
                assert_never(q)
        projections.append(own)
    yield replace(less, projections=tuple(projections), sources=tuple(by_name.values()))


def _of_all_inputs(q: Conv2d) -> Ints:
    """The weights of a conv2d of groups as of one group: 0 where a channel is not of its own."""
    outputs, inputs, *kernel = q.weights.shape
    weights = np.zeros((q.groups, outputs // q.groups, q.groups, inputs, *kernel), np.int64)
    each = np.arange(q.groups)
    weights[each, :, each] = q.weights.reshape(q.groups, -1, inputs, *kernel)
    return weights.reshape(outputs, q.groups * inputs, *kernel)


def _of_groups(groups: Ints, size: int, some: Sequence[int]) -> Ints:
    """The numbers of some channels of each of some groups of one size."""
    return np.array([group * size + n for group in groups.tolist() for n in some])


def _channels_of(source: Source, some: Ints) -> Source:
    """Some channels of a source."""
    return source.part(lambda a: a[:, some], some)


def flat(unit: Unit) -> Iterator[Unit]:
    """Sources without rows and columns: a conv2d of one window, or a pooled dense, as the dense that it is, or as a
    conv2d of one place.
    """
    if unit.shape[1:] != (1, 1) or not unit.projections:
        return
    shapes = {source.name: source.trains.shape[1:] for source in unit.sources}
    projections: list[Projection] = []
    for q in unit.projections:
        weights = np.zeros((len(q.weights), *shapes[q.source]), np.int64)
        match q:
            case Gate():  # from places to places: its sources have one, too
                projections.append(q)
                continue
            case Dense():
                weights += q.weights.reshape(weights.shape if not q.pooled else (*q.weights.shape, 1, 1))
            case Conv2d():
                whole = _of_all_inputs(q)
                for r, c in np.ndindex(q.kernel):
                    y, x = r * q.dilation[0] - q.padding[0], c * q.dilation[1] - q.padding[1]
                    if 0 <= y < weights.shape[2] and 0 <= x < weights.shape[3]:
                        weights[:, :, y, x] = whole[:, :, r, c]
            case _:
                assert_never(q)
        projections.append(Dense(q.source, q.target, weights.reshape(len(weights), -1)))
    yield replace(unit, projections=tuple(projections), sources=tuple(_folded(source, 1) for source in unit.sources))
    for rows in ROWS:
        if all(source.trains[0].size % rows == 0 for source in unit.sources):
            sources = tuple(_folded(source, rows) for source in unit.sources)
            windows = tuple(_window(q, rows) for q in projections)
            yield replace(unit, projections=windows, sources=sources)


def _folded(source: Source, rows: int) -> Source:
    """A source of so many rows and one column; its neurons keep their order."""
    _, channels, height, width = source.trains.shape
    some = np.repeat(np.arange(channels), height * width)[::rows]
    return source.part(lambda a: a.reshape(len(a), -1, rows, 1), some)


def _window(q: Projection, rows: int) -> Projection:
    """A dense as a conv2d of one window, of so many rows and one column; a gate as it is."""
    match q:
        case Dense():
            return Conv2d(q.source, q.target, q.weights.reshape(len(q.weights), -1, rows, 1))
        case Conv2d() | Gate():
            return q
        case _:
            assert_never(q)


def fewer_inputs(unit: Unit) -> Iterator[Unit]:
    """Without some channels of a source, the same ones of each group: halves, quarters, at last each by itself."""
    for source in unit.sources if unit.pool is None else ():
        groups = {_groups(q) for q in unit.projections if source.name in q.sources}
        if len(groups) > 1:
            continue
        count, (of,) = source.trains.shape[1], groups or {1}
        for kept in leaving(count // of):
            yield from held(unit, _of_inputs(unit, source, _of_groups(np.arange(of), count // of, kept), kept))


def _groups(q: Projection) -> int:
    """Of how many groups a projection is: each channel of a gate is one."""
    match q:
        case Conv2d() | Dense():
            return q.groups
        case Gate():
            return len(q.weights)
        case _:
            assert_never(q)


def _of_inputs(unit: Unit, source: Source, channels: Ints, kept: Sequence[int]) -> Unit:
    """Some channels of a source alone; of each group these are those `kept`."""
    sources = tuple(_channels_of(s, channels) if s is source else s for s in unit.sources)
    projections: list[Projection] = []
    for q in unit.projections:
        if source.name not in q.sources:
            projections.append(q)
            continue
        inputs = q.weights.reshape(len(q.weights), source.trains.shape[1] // _groups(q), -1)[:, kept]
        match q:
            case Conv2d():
                projections.append(replace(q, weights=inputs.reshape(len(inputs), len(kept), *q.kernel)))
            case Dense():
                projections.append(replace(q, weights=inputs.reshape(len(inputs), -1)))
            case Gate():
                raise AssertionError("each channel is one of its groups")
            case _:
                assert_never(q)
    return replace(unit, sources=sources, projections=tuple(projections))
