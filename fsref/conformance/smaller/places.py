"""Fewer rows and columns of a unit: of the population, of its sources, of the windows between them (CONFORM-4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.conformance.smaller.channels import flat
from fsref.conformance.smaller.parts import held, leaving, readers
from fsref.conformance.unit import Source, Unit
from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d, Dense, Gate, Padding, Pair, Projection


def one_place(unit: Unit, y: int, x: int) -> Iterator[Unit]:
    """One place of the population, all of its channels, and the part of each source that it reads."""
    yield from _of_places(unit, (y, x), (y, x))


def of_whole_sources(unit: Unit, y: int, x: int) -> Iterator[Unit]:
    """One place of the population, all of its channels, each window of it one of all places of its source, which others
    may read, too; first of those places alone that some window sees.
    """
    shapes = {source.name: source.trains.shape[2:] for source in unit.sources}
    seen = {name: np.zeros(shape, np.bool_) for name, shape in shapes.items()}
    projections: list[Conv2d] = []
    for q in unit.projections:
        if not isinstance(q, Conv2d):  # the others have no windows
            return
        weights = np.zeros((*q.weights.shape[:2], *shapes[q.source]), np.int64)
        for r, c in np.ndindex(q.kernel):
            row = y * q.stride[0] - q.padding[0] + r * q.dilation[0]
            column = x * q.stride[1] - q.padding[1] + c * q.dilation[1]
            if 0 <= row < weights.shape[2] and 0 <= column < weights.shape[3]:
                weights[:, :, row, column] = q.weights[:, :, r, c]
                seen[q.source][row, column] = True
        projections.append(Conv2d(q.source, q.target, weights, groups=q.groups))
    if not projections or unit.shape[1:] == (1, 1) or not all(some.any() for some in seen.values()):
        return
    bias = np.broadcast_to(unit.bias_map, unit.shape)[:, y : y + 1, x : x + 1]
    whole = replace(unit, shape=(unit.shape[0], 1, 1), bias=bias, projections=tuple(projections))
    rows, columns = (
        {name: _span(np.asarray(some.any(axis=1 - axis))) for name, some in seen.items()} for axis in (0, 1)
    )
    own = [replace(q, weights=q.weights[:, :, rows[q.source], columns[q.source]]) for q in projections]
    read = [_within(source, rows[source.name], columns[source.name]) for source in unit.sources]
    yield replace(whole, projections=tuple(own), sources=tuple(read))
    yield whole


def _within(source: Source, rows: slice, columns: slice) -> Source:
    """Some rows and columns of a source that follow one another."""
    return source.part(lambda a: a[..., rows, columns])


def _span(some: NDArray[np.bool_]) -> slice:
    """From the first of some to the last."""
    at = np.flatnonzero(some)
    return slice(int(at[0]), int(at[-1]) + 1)


def fewer_places(unit: Unit, place: Pair | None) -> Iterator[Unit]:
    """Some rows and columns of the population, and the part of each source that they read, or all of it: those from
    `place` to an end, each place alone where that is not known; then without halves of them, quarters, at last the
    outermost.
    """
    height, width = unit.shape[1:]
    if place is None:
        for y, x in np.ndindex(height, width):
            yield from one_place(unit, y, x)
    else:
        for whole in of_whole_sources(unit, *place):
            yield whole
            yield from flat(whole)
        ends = [[(at, at), (0, at), (at, n - 1), (0, n - 1)] for at, n in zip(place, (height, width), strict=True)]
        for (top, bottom), (left, right) in sorted(product(*ends), key=lambda e: np.prod([b - a + 1 for a, b in e])):
            yield from _of_places(unit, (top, left), (bottom, right))
    for top, bottom in _ends(height):
        yield from _of_places(unit, (top, 0), (bottom, width - 1))
    for left, right in _ends(width):
        yield from _of_places(unit, (0, left), (height - 1, right))


def _ends(count: int) -> Iterator[Pair]:
    """The first and the last of what is left of so many, in order, without some at one end."""
    for kept in leaving(count):
        if len(kept) == kept[-1] - kept[0] + 1:
            yield kept[0], kept[-1]


def _of_places(unit: Unit, first: Pair, last: Pair) -> Iterator[Unit]:
    """The places (y, x) from the first to the last, and what of the sources they read; nothing where these are all, two
    projections read one source, or one is dense: its target has one place.
    """
    rows, columns = (slice(a, b + 1) for a, b in zip(first, last, strict=True))
    shape = (unit.shape[0], last[0] - first[0] + 1, last[1] - first[1] + 1)
    if shape == unit.shape or any(readers(unit, source) > 1 for source in unit.sources):
        return
    less = replace(unit, shape=shape)
    if unit.bias is not None:
        less = replace(less, bias=np.broadcast_to(unit.bias_map, unit.shape)[:, rows, columns])
    if unit.opening is not None:
        yield replace(less, opening=unit.opening[..., rows, columns])
        return
    by_name = {source.name: source for source in unit.sources}
    if (pool := unit.pool) is not None:
        (source,) = unit.sources
        padding, by_name[source.name] = _read_by(source, first, last, pool.padding, pool.kernel, pool.stride)
        less = replace(less, pool=replace(pool, padding=padding))
    projections: list[Projection] = []
    for q in unit.projections:
        match q:
            case Conv2d():
                padding, by_name[q.source] = _read_by(
                    by_name[q.source], first, last, q.padding, q.kernel, q.stride, q.dilation
                )
                projections.append(replace(q, padding=padding))
            case Gate():
                projections.append(q)
                for name in q.sources:
                    if by_name[name].trains.shape[2:] == unit.shape[1:]:
                        by_name[name] = _within(by_name[name], rows, columns)
            case Dense():
                return
            case _:
                assert_never(q)
    sources = tuple(by_name.values())
    if all(source.trains.size for source in sources):
        yield replace(less, projections=tuple(projections), sources=sources)


def _read_by(
    source: Source, first: Pair, last: Pair, padding: Padding, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)
) -> tuple[Padding, Source]:
    """Of the windows from the first to the last: their own padding, and what of a source they read."""
    (top, bottom, rows), (left, right, columns) = (
        _cut(source.trains.shape[2 + i], (first[i], last[i]), padding[i], kernel[i], stride[i], dilation[i])
        for i in (0, 1)
    )
    return (top, left, bottom, right), _within(source, rows, columns)


def _cut(size: int, windows: Pair, before: int, kernel: int, stride: int, dilation: int) -> tuple[int, int, slice]:
    """Of the windows from one to another along one axis: padding before and behind them, and the places of the source
    within them.
    """
    first = windows[0] * stride - before
    last = windows[1] * stride - before + (kernel - 1) * dilation
    return max(0, -first), max(0, last - (size - 1)), slice(max(0, first), max(0, min(size - 1, last) + 1))


def fewer_shared_rows(unit: Unit) -> Iterator[Unit]:
    """Without some rows or columns of a source all of which each of several windows reads, and without their taps."""
    for source, axis in product(unit.sources, (0, 1)):
        own = {n: q for n, q in enumerate(unit.projections) if source.name in q.sources}
        windows: dict[int, Conv2d] = {}
        for n, q in own.items():
            match q:
                case Conv2d() if q.kernel == source.trains.shape[2:]:
                    windows[n] = q
                case Conv2d() | Dense() | Gate():
                    pass
                case _:
                    assert_never(q)
        if len(own) < 2 or len(windows) < len(own) or any(any(q.padding) for q in windows.values()):
            continue
        for some in leaving(source.trains.shape[2 + axis]):
            less = {n: replace(q, weights=np.take(q.weights, some, 2 + axis)) for n, q in windows.items()}
            projections = tuple(less.get(n, q) for n, q in enumerate(unit.projections))
            sources = tuple(_taken(s, np.array(some), axis) if s is source else s for s in unit.sources)
            yield from held(unit, replace(unit, sources=sources, projections=projections))


def fewer_rows(unit: Unit) -> Iterator[Unit]:
    """Without some rows or columns of a source that one projection reads: a dense without their weights, a conv2d with
    padding in their place.
    """
    for q, axis in product(unit.projections, (0, 1)):
        (source, *others) = [s for s in unit.sources if s.name in q.sources]
        if others or readers(unit, source) > 1:
            continue
        size = source.trains.shape[2 + axis]
        match q:
            case Conv2d():
                for first, last in _ends(size):
                    padding = list(q.padding)
                    padding[axis] += first
                    padding[2 + axis] += size - 1 - last
                    top, left, bottom, right = padding
                    kept = np.arange(first, last + 1)
                    yield from _with(
                        unit, q, replace(q, padding=(top, left, bottom, right)), _taken(source, kept, axis)
                    )
            case Dense():
                for some in leaving(size):
                    own = q.weights
                    if not q.pooled:
                        shaped = own.reshape(len(own), *source.trains.shape[1:])
                        own = np.take(shaped, some, 2 + axis).reshape(len(own), -1)
                    yield from _with(unit, q, replace(q, weights=own), _taken(source, np.array(some), axis))
            case Gate():
                pass
            case _:
                assert_never(q)


def fewer_taps(unit: Unit) -> Iterator[Unit]:
    """A conv2d with fewer rows or columns in its kernel, or a smaller stride or dilation, and what it reads then."""
    for q, axis in product(unit.projections, (0, 1)):
        if not isinstance(q, Conv2d):  # the others have no windows
            continue
        for first, last in _ends(q.kernel[axis]):
            kept = np.arange(first, last + 1)
            yield from _read_less(unit, replace(q, weights=np.take(q.weights, kept, 2 + axis)), q, axis, first)
        for stride in _less(q.stride, axis):
            yield from _read_less(unit, replace(q, stride=stride), q, axis, 0)
        for dilation in _less(q.dilation, axis):
            yield from _read_less(unit, replace(q, dilation=dilation), q, axis, 0)


def _less(pair: Pair, axis: int) -> Iterator[Pair]:
    """A pair with 1 along one axis, and with one less."""
    for new in dict.fromkeys((1, pair[axis] - 1)):
        if 0 < new < pair[axis]:
            yield (new, pair[1]) if axis == 0 else (pair[0], new)


def _read_less(unit: Unit, own: Conv2d, q: Conv2d, axis: int, first: int) -> Iterator[Unit]:
    """The unit with another form of a conv2d, whose windows begin at tap `first` of the old ones along an axis, and
    what of its source it reads.
    """
    (source,) = [s for s in unit.sources if s.name == q.source]
    if readers(unit, source) > 1:
        return
    top, left, bottom, right = q.padding
    before = first * q.dilation[axis]
    begun = (top - before, left, bottom, right) if axis == 0 else (top, left - before, bottom, right)
    last = (unit.shape[1] - 1, unit.shape[2] - 1)
    padding, read = _read_by(source, (0, 0), last, begun, own.kernel, own.stride, own.dilation)
    if read.trains.size:
        yield from _with(unit, q, replace(own, padding=padding), read)


def _taken(source: Source, kept: Ints, axis: int) -> Source:
    """Some rows or columns of a source."""
    return source.part(lambda a: np.take(a, kept, a.ndim - 2 + axis))


def _with(unit: Unit, q: Projection, own: Projection, source: Source) -> Iterator[Unit]:
    """The unit with another projection in the place of one, and another source in that of its source."""
    sources = tuple(source if s.name == source.name else s for s in unit.sources)
    projections = tuple(own if p is q else p for p in unit.projections)
    yield from held(unit, replace(unit, sources=sources, projections=projections))
