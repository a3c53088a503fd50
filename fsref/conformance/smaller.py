"""Ways to make a unit smaller: a neuron alone, fewer inputs, fewer steps, smaller integers (CONFORM-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias, assert_never

import numpy as np

from fsref.conformance.unit import Source, Unit
from fsref.law.neuron import Ints, Table, fs_relu, relu_theta
from fsref.law.projections import Conv2d, Dense, Gate, Padding, Pair, Projection

TILES = (2, 4, 8, 16, 32)  # of channels
Place: TypeAlias = tuple[int, int, int]
Smaller: TypeAlias = Callable[[Unit], Iterator[Unit]]


def held(unit: Unit, less: Unit) -> Iterator[Unit]:
    """A smaller unit, its bias such that the membranes of the last run are where they were; then with its own bias."""
    if less.bias is not None and less.opening is None and less.shape == unit.shape:
        moved = (unit.openings() - less.openings())[-1]
        if moved.any():
            yield replace(less, bias=less.bias_map + moved)
    yield less


def fewer_runs(unit: Unit) -> Iterator[Unit]:
    """Without the first runs: all but the last, or one of them."""
    if unit.runs == 1:
        return
    for kept in ([unit.runs - 1], *([n for n in range(unit.runs) if n != out] for out in range(unit.runs - 1))):
        sources = tuple(_runs_of(source, kept) for source in unit.sources)
        yield replace(unit, sources=sources, opening=None if unit.opening is None else unit.opening[kept])


def _readers(unit: Unit, source: Source) -> int:
    """How many projections read a source."""
    return sum(source.name in q.sources for q in unit.projections)


def apart(unit: Unit) -> Iterator[Unit]:
    """Each projection with sources of its own, where some read the same."""
    if all(_readers(unit, source) < 2 for source in unit.sources):
        return
    by_name = {source.name: source for source in unit.sources}
    sources: dict[str, Source] = {}
    projections: list[Projection] = []
    for q in unit.projections:
        names: dict[str, str] = {}
        for name in q.sources:
            names[name] = own = f"copy{len(sources)}" if name in sources else name
            sources[own] = replace(by_name[name], name=own)
        match q:
            case Conv2d() | Dense():
                projections.append(replace(q, source=names[q.source]))
            case Gate():
                projections.append(replace(q, source=names[q.source], by=names[q.by]))
            case _:
                assert_never(q)
    yield replace(unit, projections=tuple(projections), sources=tuple(sources.values()))


def fewer_projections(unit: Unit) -> Iterator[Unit]:
    """One of several projections alone, or all but one, without the sources that nothing reads then."""
    count = len(unit.projections)
    alone = [[n] for n in range(count)] if count > 1 else []
    for kept in alone + [[n for n in range(count) if n != out] for out in range(count if count > 2 else 0)]:
        left = tuple(unit.projections[n] for n in kept)
        read = {name for q in left for name in q.sources}
        less = replace(unit, projections=left, sources=tuple(s for s in unit.sources if s.name in read))
        yield from held(unit, less)


def one_place(unit: Unit, y: int, x: int) -> Iterator[Unit]:
    """One place of the population, all of its channels, and the part of each source that it reads."""
    if unit.shape[1:] == (1, 1):
        return
    shape = (unit.shape[0], 1, 1)
    if unit.pool is not None:
        (source,) = unit.sources
        padding, less = _read_by(source, (y, x), (y, x), unit.pool.padding, unit.pool.kernel, unit.pool.stride)
        yield replace(unit, shape=shape, pool=replace(unit.pool, padding=padding), sources=(less,))
    elif unit.opening is not None:
        bias = np.broadcast_to(unit.bias_map, unit.shape)[:, y, x]
        yield replace(unit, shape=shape, bias=bias, opening=unit.opening[:, :, y : y + 1, x : x + 1])
    else:
        yield from _of_places(unit, (y, x), (y, x))


def first_places(unit: Unit, y: int, x: int) -> Iterator[Unit]:
    """The rows up to y and the columns up to x, and what of the sources they read."""
    if unit.pool is None and unit.opening is None:
        yield from _of_places(unit, (0, 0), (y, x))


def _of_places(unit: Unit, first: Pair, last: Pair) -> Iterator[Unit]:
    """The places (y, x) from the first to the last, and what of the sources they read; nothing where two projections
    read one source, or one is dense: its target has one place.
    """
    if any(_readers(unit, source) > 1 for source in unit.sources):
        return
    by_name = {source.name: source for source in unit.sources}
    rows, columns = (slice(a, b + 1) for a, b in zip(first, last, strict=True))
    projections: list[Projection] = []
    for q in unit.projections:
        match q:
            case Conv2d():
                padding, less = _read_by(by_name[q.source], first, last, q.padding, q.kernel, q.stride, q.dilation)
                projections.append(replace(q, padding=padding))
                by_name[q.source] = less
            case Gate():
                projections.append(q)
                for name in q.sources:
                    if by_name[name].trains.shape[2:] == unit.shape[1:]:
                        by_name[name] = by_name[name].part(lambda a: a[..., rows, columns])
            case Dense():
                return
            case _:
                assert_never(q)
    sources = tuple(by_name.values())
    if all(source.trains.size for source in sources):
        bias = np.broadcast_to(unit.bias_map, unit.shape)[:, first[0] : last[0] + 1, first[1] : last[1] + 1]
        shape = (unit.shape[0], last[0] - first[0] + 1, last[1] - first[1] + 1)
        yield replace(unit, shape=shape, bias=bias, projections=tuple(projections), sources=sources)


def _read_by(
    source: Source, first: Pair, last: Pair, padding: Padding, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)
) -> tuple[Padding, Source]:
    """Of the windows from the first to the last: their own padding, and what of a source they read."""
    (top, bottom, rows), (left, right, columns) = (
        _cut(source.trains.shape[2 + i], (first[i], last[i]), padding[i], kernel[i], stride[i], dilation[i])
        for i in (0, 1)
    )
    return (top, left, bottom, right), source.part(lambda a: a[..., rows, columns])


def _cut(size: int, windows: Pair, before: int, kernel: int, stride: int, dilation: int) -> tuple[int, int, slice]:
    """Of the windows from one to another along one axis: padding before and behind them, and the places of the source
    within them.
    """
    first = windows[0] * stride - before
    last = windows[1] * stride - before + (kernel - 1) * dilation
    return max(0, -first), max(0, last - (size - 1)), slice(max(0, first), max(0, min(size - 1, last) + 1))


def of_channels(unit: Unit, some: Ints) -> Iterator[Unit]:
    """Some channels of the population; of a max-pool, and of a conv2d whose groups have one of them, of the source."""
    count = unit.shape[0]
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
                if len(some) > 1 and q.groups != count or _readers(unit, by_name[q.source]) > 1:
                    return
                inputs = q.weights.shape[1]
                read = np.concatenate([np.arange(inputs) + c // (count // q.groups) * inputs for c in some])
                by_name[q.source] = _channels_of(by_name[q.source], read)
                own = replace(q, weights=q.weights[some], groups=len(some))
            case Gate():
                if any(_readers(unit, by_name[name]) > 1 for name in q.sources):
                    return
                by_name |= {name: _channels_of(by_name[name], some) for name in q.sources}
            case Conv2d() | Dense():
                pass
            case _:
                assert_never(q)
        projections.append(own)
    yield replace(less, projections=tuple(projections), sources=tuple(by_name.values()))


def _runs_of(source: Source, some: list[int]) -> Source:
    """Some runs of a source."""
    return source.part(lambda a: a[some])


def _channels_of(source: Source, some: Ints) -> Source:
    """Some channels of a source."""
    return source.part(lambda a: a[:, some], some)


def _flat_of(source: Source, some: Ints) -> Source:
    """A source without rows and columns; `some` are the channels of its neurons."""
    return source.part(lambda a: a.reshape(len(a), -1, 1, 1), some)


def flat(unit: Unit) -> Iterator[Unit]:
    """Sources without rows and columns: a conv2d of one window, or a pooled dense, as the dense that it is."""
    if unit.shape[1:] != (1, 1) or not unit.projections or any(getattr(q, "groups", 1) > 1 for q in unit.projections):
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
                for r, c in np.ndindex(q.kernel):
                    y, x = r * q.dilation[0] - q.padding[0], c * q.dilation[1] - q.padding[1]
                    if 0 <= y < weights.shape[2] and 0 <= x < weights.shape[3]:
                        weights[:, :, y, x] = q.weights[:, :, r, c]
            case _:
                assert_never(q)
        projections.append(Dense(q.source, q.target, weights.reshape(len(weights), -1)))
    sources = []
    for source in unit.sources:
        _, channels, height, width = source.trains.shape
        some = np.repeat(np.arange(channels), height * width)
        sources.append(_flat_of(source, some))
    yield replace(unit, projections=tuple(projections), sources=tuple(sources))


def fewer_inputs(unit: Unit) -> Iterator[Unit]:
    """Without some channels of a source: halves of them, quarters, at last each by itself."""
    for source in unit.sources if unit.pool is None else ():
        count, neurons = source.trains.shape[1], source.trains[0].size
        joined = [q for q in unit.projections if source.name in q.sources]
        if any(not _reads_channels(q, count) for q in joined) or (count < neurons and not joined):
            continue
        part = (count + 1) // 2
        while part and count > 1:
            for first in range(0, count, part):
                kept = np.array([c for c in range(count) if not first <= c < first + part])
                if len(kept):
                    yield from held(unit, _of_inputs(unit, source, kept))
            part = part // 2


def _reads_channels(q: Projection, count: int) -> bool:
    """Whether each of the channels of a source is an input of every output: of no group, gate or dense of places."""
    match q:
        case Conv2d():
            return q.groups == 1
        case Dense():
            return bool(q.weights.shape[1] == count)
        case Gate():
            return False
        case _:
            assert_never(q)


def _of_inputs(unit: Unit, source: Source, kept: Ints) -> Unit:
    """Some channels of a source alone."""
    sources = tuple(_channels_of(s, kept) if s is source else s for s in unit.sources)
    projections = tuple(
        replace(q, weights=q.weights[:, kept]) if q.source == source.name else q for q in unit.projections
    )
    return replace(unit, sources=sources, projections=projections)


def fewer_steps(unit: Unit) -> Iterator[Unit]:
    """A source in base two, or the population, with a step less: without its first, or its last."""
    for source in unit.sources:
        if source.table is None and source.steps > 1:
            for trains in (source.trains & (2 ** (source.steps - 1) - 1), source.trains >> 1):
                less = replace(source, steps=source.steps - 1, trains=trains)
                yield from held(unit, replace(unit, sources=tuple(less if s is source else s for s in unit.sources)))
    if unit.table is not None and unit.table.steps > 1:
        for part in (slice(1, None), slice(-1)):
            rows = (unit.table.T[..., part], unit.table.h[..., part], unit.table.d[..., part])
            yield replace(unit, table=Table(*rows))
        if (theta := relu_theta(unit.table)) is not None:
            yield replace(unit, table=fs_relu(unit.table.steps - 1, theta))


def smaller_thresholds(unit: Unit) -> Iterator[Unit]:
    """An FS-ReLU of a smaller theta, each membrane of the last run in the same step of its staircase."""
    if unit.table is None or (theta := relu_theta(unit.table)) is None:
        return
    now = np.broadcast_to(theta, unit.shape[0])[:, None, None]
    for new in (np.ones_like(now), np.maximum(now // 2, 1), np.maximum(now - 1, 1)):
        if (new == now).all():
            continue
        less = replace(unit, table=fs_relu(unit.table.steps, new[:, 0, 0]))
        v = unit.openings()
        wanted = v // now * new + np.minimum(v % now, new - 1)
        if unit.opening is not None:
            yield replace(less, opening=wanted)
        else:
            yield replace(less, bias=unit.bias_map + (wanted - v)[-1])


def smaller_integers(unit: Unit) -> Iterator[Unit]:
    """One integer nearer to 0: a train, a weight, an opening, a bias."""
    for source in unit.sources:
        for at, new in nearer(source.trains) if source.table is None else ():
            less = replace(source, trains=changed(source.trains, at, new), opening=None)
            yield from held(unit, replace(unit, sources=tuple(less if s is source else s for s in unit.sources)))
    for q in unit.projections:
        for at, new in nearer(q.weights.astype(np.int64)):
            less_q = replace(q, weights=changed(q.weights.astype(np.int64), at, new))
            yield from held(unit, replace(unit, projections=tuple(less_q if s is q else s for s in unit.projections)))
    if unit.opening is not None:
        for at, new in nearer(unit.opening):
            yield replace(unit, opening=changed(unit.opening, at, new))
    elif unit.bias is not None:
        for at, new in nearer(unit.bias):
            yield replace(unit, bias=changed(unit.bias, at, new))


def nearer(values: Ints) -> Iterator[tuple[int, int]]:
    """Places of integers that are not 0, and smaller ones to try there."""
    every = np.asarray(values).reshape(-1).tolist()
    for at in np.flatnonzero(every).tolist():
        value = every[at]
        sign = 1 if value > 0 else -1
        for new in dict.fromkeys((0, sign, int(value / 2), value - sign)):
            if abs(new) < abs(value):
                yield at, new


def changed(values: Ints, at: int, new: int) -> Ints:
    """The array with one integer changed."""
    array = np.array(values)
    array.reshape(-1)[at] = new
    return array


def fewer_before(unit: Unit) -> Iterator[Unit]:
    """Fewer silent populations before it."""
    for count in dict.fromkeys((0, unit.before - 1)):
        if 0 <= count < unit.before:
            yield replace(unit, before=count)


def starts(unit: Unit, place: Place | None, index: int) -> Iterator[Unit]:
    """A unit, and the forms of it to begin with where not all that it reads can be what an input sends, or where a
    device is wrong at one `index` of the list of populations alone.
    """
    deep = index - 1 - len([source for source in unit.sources if source is not unit.fed])
    for before in dict.fromkeys((0, max(0, deep), max(0, deep + 1))):  # or its source is the one that is wrong
        as_deep = replace(unit, before=before)
        yield from apart(as_deep)
        yield as_deep
        yield from fewer_runs(as_deep)
        yield from fewer_projections(as_deep)
        for placed in one_place(as_deep, *place[1:]) if place is not None else ():
            yield placed
            yield from flat(placed)


def ways(place: Place | None) -> Sequence[Smaller]:
    """Every way to make a unit smaller of which the neuron at `place` fails, or any one, those that take most away
    first.
    """

    def places(unit: Unit) -> Iterator[Unit]:
        for at in np.ndindex(unit.shape[1:]) if place is None else [place[1:]]:
            yield from one_place(unit, *at)
        for at in [] if place is None else [place[1:], (unit.shape[1] - 1, place[2]), (place[1], unit.shape[2] - 1)]:
            yield from first_places(unit, *at)

    def channels(unit: Unit) -> Iterator[Unit]:
        last = unit.shape[0] - 1
        for channel in range(last + 1) if place is None else place[:1]:
            pairs = [{channel - 1, channel}, {0, channel}, {channel, last}, {channel, channel + 1}]
            tiles = [{*range(min(n, channel)), channel} for n in TILES]  # it may be the first behind some
            for some in [
                [channel],
                *(sorted(one & set(range(last + 1))) for one in (*pairs, *tiles)),
                range(channel + 1),
            ]:
                yield from of_channels(unit, np.array(some))

    return (
        fewer_runs,
        fewer_before,
        places,
        channels,
        fewer_projections,
        flat,
        fewer_inputs,
        fewer_steps,
        smaller_thresholds,
        smaller_integers,
    )
