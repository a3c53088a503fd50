"""Hypothesis strategies for FS networks (extra `verify`): tables, membranes, networks, images, and cases of a network
with images.

Freely drawn networks hide mistakes, since most of their neurons are silent or saturated. These draw the code a neuron
should send for the first image and how far its membrane lies above or below that step, then solve for bias and theta.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from fsref.engines import reference
from fsref.errors import UsageError, public
from fsref.formats.chips import chip_of
from fsref.law.network import Network
from fsref.law.neuron import Ints, Table, base_two, fs_relu
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape, View
from fsref.law.projections import Conv2d, Dense, Padding, Pair, Projection, window_shape
from fsref.limits.chip import Limits
from fsref.limits.misfits import misfits
from fsref.tables import plural, short
from fsref.verification.within import Within

STEPS = (1, 2, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 7, 7, 8, 8, 9, 10, 11, 12, 13, 14, 15, 16)


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """A network and images (B, C, H, W) for it; the first is the one its biases were derived from."""

    net: Network
    images: Ints

    def __repr__(self) -> str:
        return short(f"<Case of {plural(len(self.images), 'image')} for {self.net!r}>")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis shows of a failure: every integer, so that it can be typed in."""
        lines = [f"Case of {plural(len(self.images), 'image')}"]
        for thing in (*self.net.populations, *self.net.projections):
            lines.append(f"  {type(thing).__name__} { ({name: _plain(value) for name, value in vars(thing).items()}) }")
        printer.text("\n".join([*lines, f"  images {self.images.tolist()}"]))


def _plain(value: Any) -> Any:
    """A field of a population or projection, arrays and tables as lists."""
    if isinstance(value, Table):
        return {name: getattr(value, name).tolist() for name in "Thd"}
    return value.tolist() if isinstance(value, np.ndarray) else value


def _bytes(draw: DrawFn, shape: tuple[int, ...]) -> Any:
    """An array of bytes, one draw however large; it shrinks to zeros."""
    size = int(np.prod(shape))
    return np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8).reshape(shape)


@public
@st.composite
def tables(draw: DrawFn, min_steps: int = 1, max_steps: int = 16, spread: int = 200) -> Table:
    """Tables of one row, K in min_steps..max_steps: T in any order within +-spread, h and d of either sign (FS-1)."""
    if not 1 <= min_steps <= max_steps <= 16:
        raise UsageError("FS-1", "tables", "steps out of range", (min_steps, max_steps), "1..16")
    steps = draw(st.integers(min_steps, max_steps))
    row = st.lists(st.integers(-spread, spread), min_size=steps, max_size=steps)
    worth = st.lists(st.integers(-9, 20), min_size=steps, max_size=steps)
    return Table(np.array(draw(row)), np.array(draw(row)), np.array(draw(worth)))


@public
def membranes(table: Table) -> SearchStrategy[int]:
    """Opening membranes around what decides: zero, every threshold reached by some train, one below and one above
    (FS-2).
    """
    T, h, _ = (rows.reshape(-1, table.steps) for rows in table.rows(table.channels or 1))

    @st.composite
    def near(draw: DrawFn) -> int:
        channel, step = draw(st.integers(0, len(T) - 1)), draw(st.integers(0, table.steps - 1))
        fired = draw(st.integers(0, 2**step - 1))
        lowered = sum(int(h[channel, s]) for s in range(step) if fired >> s & 1)
        return int(T[channel, step]) + lowered + draw(st.sampled_from([0, -1, 1]))

    far = 2 * int(np.abs(T).max() + np.abs(h).sum(axis=1).max()) + 2
    return st.one_of(st.sampled_from([0, -1, 1]), near(), st.integers(-far, far))


@public
@st.composite
def images(draw: DrawFn, net: Network, min_images: int = 1, max_images: int = 2) -> Ints:
    """Images (B, C, H, W) int64 of codes 0..max_code, B in min_images..max_images (RUN-1)."""
    if not 1 <= min_images <= max_images:
        raise UsageError("RUN-1", "images", "number of images out of range", (min_images, max_images), "1 or more")
    return _image(draw, net.input, draw(st.integers(min_images, max_images)))


def _image(draw: DrawFn, population: Input, count: int) -> Ints:
    fine = _bytes(draw, (count, *population.shape)).astype(np.int64)
    if population.max_code > 255:
        fine = fine << 8 | _bytes(draw, fine.shape)
    return np.asarray(fine % (population.max_code + 1), dtype=np.int64)


def _weights(draw: DrawFn, shape: tuple[int, ...], reach: int, within: Within, places: int = 1) -> Ints:
    """int8 weights with zeros among them, or wide ones whose sums, of codes up to `reach`, come near 2^27, 2^34 or 2^56
    (RANGE-4); each is read at `places`.
    """
    fine: Ints = _bytes(draw, shape).view(np.int8).astype(np.int64)
    kind = draw(st.sampled_from(["narrow", "narrow", "narrow", "sparse", "wide"] + ["wide"] * 6 * (reach > 2**20)))
    if kind == "wide":
        bound = draw(st.sampled_from([2**27, 2**34, 2**56] if reach < 2**20 else [2**56]))
        largest = int(np.abs(fine).reshape(len(fine), -1).sum(axis=1).max()) * reach
        fine = fine * (min(bound // max(largest, 1), 2**24 - 1) | 1)  # odd: the low bits count
    return within.weights(np.where(fine % 2 == 0, 0, fine) if kind == "sparse" else fine, reach, places)


def _conv_to(
    draw: DrawFn, source: Population, reach: int, target: Shape | None, name: str, within: Within
) -> tuple[Projection, Shape]:
    """A conv2d from `source` into `target`, or into a shape it draws."""
    channels, height, width = source.shape
    groups = draw(st.sampled_from(within.groups(channels, None if target is None else target[0])))
    paces, kernels, around = (within.pair(what, (n, n)) for what, n in (("stride", 3), ("kernel", 3), ("padding", 2)))
    stride: Pair = (draw(st.integers(1, paces[0])), draw(st.integers(1, paces[1])))
    if target is None:
        drawn = draw(st.lists(st.integers(0, 2), min_size=4, max_size=4))
        padding: Padding = tuple(map(min, drawn, (*around, *around)))  # type: ignore[assignment]
        kernel: Pair = (draw(st.integers(1, kernels[0])), draw(st.integers(1, kernels[1])))
        dilation: Pair = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
        if min(window_shape(source.shape, kernel, stride, padding, dilation)) < 1:
            kernel = (1, 1)
        most = within.channels(int(np.prod(window_shape(source.shape, kernel, stride, padding, dilation))), 5)
        assume(most >= groups or within.free)
        outputs = groups * draw(st.integers(1, max(1, most // groups)))
    else:
        sides: list[tuple[int, int, int]] = []
        outputs, dilation = target[0], (1, 1)
        for size, count, pace in ((height, target[1], stride[0]), (width, target[2], stride[1])):
            short = max(0, (count - 1) * pace + 1 - size)  # padding that makes room for one tap
            before = draw(st.integers(0, short))
            sides.append((before, short - before, size + short - (count - 1) * pace))
        kernel = (min(3, sides[0][2]), min(3, sides[1][2]))
        spare = [side[2] - k for side, k in zip(sides, kernel, strict=True)]
        if any(s >= pace for s, pace in zip(spare, stride, strict=True)):
            kernel = (sides[0][2], sides[1][2])
        padding = (sides[0][0], sides[1][0], sides[0][1], sides[1][1])
    weights = _weights(draw, (outputs, channels // groups, *kernel), reach, within)
    places = window_shape(source.shape, kernel, stride, padding, dilation)
    return Conv2d(source.name, name, weights, stride, padding, dilation, groups), (outputs, *places)


def _dense(draw: DrawFn, source: Population, reach: int, outputs: int, name: str, within: Within) -> Dense:
    pooled, places = draw(st.booleans()), source.shape[1] * source.shape[2]
    pooled = pooled if within.has("pooled" if pooled else "dense") else not pooled
    read = places if pooled else 1
    weights = _weights(draw, (outputs, source.shape[0] * places // read), reach * read, within, read)
    return Dense(source.name, name, weights, pooled)


def _relu(draw: DrawFn, total: Ints, steps: int, within: Within) -> tuple[Table, Ints]:
    """A theta and a bias that give drawn target codes for sums `total` (C, H, W): on the step, one below it, or
    anywhere in it.
    """
    channels = len(total)
    spread = int(total.max() - total.min())
    per_channel = draw(st.booleans()) and within.chip.theta == "channel"
    drawn = _bytes(draw, (channels if per_channel else 1,)).astype(np.int64)
    theta = drawn % 61 + 1 if draw(st.booleans()) else drawn % 5 + 1 + (2 * spread >> steps)
    theta = within.theta(theta, steps)
    wide = np.broadcast_to(theta, channels)[:, None, None]
    target = _bytes(draw, total.shape).astype(np.int64) * 257 >> max(0, 16 - steps)
    above = np.array([0, -1, 0, -1, 0, -1, 1 << 20, 7])[_bytes(draw, total.shape) % 8]
    remainder = np.minimum(above, wide - 1)
    bias = target * wide + remainder - total
    if not draw(st.booleans()) or not within.chip.bias_map:
        flat = bias.reshape(channels, -1)
        bias = flat[np.arange(channels), _bytes(draw, (channels,)) % flat.shape[1]]
    table = fs_relu(steps, theta if per_channel else theta[0])
    odd = draw(st.sampled_from(["", "", "", "", "", "T", "h", "d"]))
    if odd and within.free:  # not quite an FS-ReLU
        rows = {name: getattr(table, name).copy() for name in "Thd"}
        rows[odd][..., draw(st.integers(0, steps - 1))] += 1
        table = Table(**rows)
    return table, bias


def _staircase(draw: DrawFn, total: Ints, steps: int, within: Within) -> tuple[Table, Ints]:
    """Any table around sums `total`, of one row or one per channel, and a bias that puts drawn neurons on or one below
    a threshold.
    """
    channels = len(total)
    rows = channels if draw(st.booleans()) and within.chip.theta == "channel" else 1
    size = 1 + int(total.max() - total.min()) // 2
    coarse = _bytes(draw, (3, rows, steps)).astype(np.int64)
    falling = (size >> np.arange(steps)) + 1
    T = (coarse[0] - 100) * falling // 64
    h = (coarse[1] - 60) * falling // 128
    d = (coarse[2] % 12 - 4) * draw(st.sampled_from([1, 1, 2**26 + 1]))
    if draw(st.booleans()):
        d = base_two(steps) * (coarse[2][:, :1] % 3 + 1)  # codes that max-pool takes, under thresholds of their own
        d[:, 0] += coarse[2][:, 0] % 2
    T, h, d = within.rows(T, h, d)
    step = _bytes(draw, total.shape) % steps
    own = np.broadcast_to(T, (channels, steps)), step.reshape(channels, -1).astype(np.intp)
    wanted = np.take_along_axis(*own, axis=1).reshape(total.shape)
    bias = wanted - _bytes(draw, total.shape) % 2 - total
    if not draw(st.booleans()) or not within.chip.bias_map:
        bias = bias.reshape(channels, -1)[:, 0]
    return (Table(T[0], h[0], d[0]) if rows == 1 else Table(T, h, d)), bias


def _reach(d: Ints) -> int:
    """The largest magnitude any part of a train adds up to."""
    return int(np.abs(d).sum(axis=1).max())


def _pools(d: Ints) -> bool:
    """Whether a max-pool may read trains worth d (C, K) (POOL-2)."""
    later = np.cumsum(d[:, ::-1], axis=1)[:, ::-1] - d
    return bool((d > later).all() and (d[:, -1] > 0).all())


@public
@st.composite
def cases(
    draw: DrawFn,
    min_fs: int = 1,
    max_fs: int = 4,
    max_images: int = 2,
    limits: Mapping[str, Any] | str | PathLike[str] | None = None,
    max_outputs: int = 1,
) -> Case:
    """Small networks of every kind and form with images for them, min_fs..max_fs FS populations; only such as fit a
    chip, where the keys or the JSON file of its `limits` are given (CHIP-2). Of 1 of `max_outputs` all are classifiers;
    else they have up to so many readouts, maps among them (NET-8).
    """
    if not 1 <= min_fs <= max_fs:
        raise UsageError("NET-1", "cases", "number of fs populations out of range", (min_fs, max_fs), "1 or more")
    if max_outputs < 1:
        raise UsageError("NET-1", "cases", "number of readouts out of range", max_outputs, "1 or more")
    within = Within(Limits() if limits is None else chip_of(limits))
    steps = draw(st.sampled_from(within.steps(STEPS)))
    c, h, w = within.sides((4, 6, 6))
    shape = (draw(st.integers(min(within.fewest, c), c)), draw(st.integers(1, h)), draw(st.integers(1, w)))
    given = Input("input", shape, steps, draw(st.one_of(st.just(2**steps - 1), st.integers(1, 2**steps - 1))))
    first = _image(draw, given, draw(st.integers(1, max_images)))
    populations: list[Population] = [given]
    projections: list[Projection] = []
    spikes, worth, codes = {"input": reference.input_trains(first[:1], steps)}, {}, {"input": first[:1]}
    worth["input"] = np.tile(base_two(steps), (shape[0], 1))
    wanted = draw(st.sampled_from([n for n in (1, 2, 2, 3, 3, 4) if min_fs <= n <= max_fs] or [min_fs]))
    made = 0
    while made < wanted:
        source = populations[draw(st.sampled_from([-1, -1, -1, 0])) if len(populations) > 1 else 0]
        pooling = within.has("max_pool") and _pools(worth[source.name]) and max(source.shape[1:]) > 1
        if pooling and draw(st.integers(0, 2)) == 0:
            pool = _pool(draw, source, f"pool{len(populations)}", within)
            populations.append(pool)
            spikes[pool.name], worth[pool.name] = reference.max_pool(spikes[source.name], pool), worth[source.name]
        elif within.has("view") and draw(st.integers(0, 4)) == 4:  # the last, for what is made simpler has none
            view = _view(draw, source, f"view{len(populations)}", within)
            populations.append(view)
            spikes[view.name], worth[view.name] = reference.shown(spikes[source.name], view), worth[source.name]
        else:
            fs = _fs(draw, source, populations, projections, codes, worth, f"fs{len(populations)}", within)
            populations.append(fs)
            made += 1
            sums = [reference.along(codes[q.source], q, fs.shape) for q in projections if q.target == fs.name]
            opened = sum(sums, np.zeros((1, *fs.shape), np.int64)) + fs.bias_map
            spikes[fs.name], worth[fs.name] = reference.fire(opened, fs.table)[0], fs.table.rows(fs.shape[0])[2]
        name = populations[-1].name
        codes[name] = np.einsum("bkchw,ck->bchw", spikes[name].astype(np.int64), worth[name])
    sending = list(populations)
    shapes: list[Shape | None] = [(draw(st.integers(1, within.channels(1, 4))), 1, 1)]
    if max_outputs > 1:
        shapes = [draw(st.sampled_from([None, (1, 1, 1), (3, 1, 1)])) for _ in range(draw(st.integers(1, max_outputs)))]
    for number, wanted_shape in enumerate(shapes, 1):
        name = "logits" if number == len(shapes) else f"out{number}"
        readout, into = _readout(draw, sending, wanted_shape, worth, name, within)
        after = max(populations.index(p) for p in sending if p.name in {q.source for q in into})
        last = len(populations) if number == len(shapes) else draw(st.integers(after + 1, len(populations)))
        populations.insert(last, readout)
        projections += into
    place = {p.name: index for index, p in enumerate(populations)}
    net = Network(populations, sorted(projections, key=lambda q: place[q.target]))
    assume(within.free or not any(misfits(net, within.chip)))
    return Case(net, first)


def _readout(
    draw: DrawFn, sending: list[Population], shape: Shape | None, worth: dict[str, Ints], name: str, within: Within
) -> tuple[Readout, list[Projection]]:
    """A readout of this shape, or of one it draws, and what enters it."""
    into: list[Projection] = []
    joined: Projection
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        source = sending[draw(st.sampled_from([-1, -1, 0]))]
        reach = _reach(worth[source.name])
        if shape is not None and shape[1:] == (1, 1) and within.joins(draw(st.booleans()), source.shape[0], shape[0]):
            into.append(_dense(draw, source, reach, shape[0], name, within))
        else:
            joined, shape = _conv_to(draw, source, reach, shape, name, within)
            into.append(joined)
    assert shape is not None  # what enters it has said it
    per_place = shape[1:] != (1, 1) and draw(st.booleans()) and within.chip.bias_map
    bias = _bytes(draw, shape if per_place else shape[:1]).astype(np.int64) - 128
    return Readout(name, shape, within.bias(bias)), into


def _pool(draw: DrawFn, source: Population, name: str, within: Within) -> MaxPool:
    paces, kernels, around = (within.pair(what, (n, n)) for what, n in (("stride", 2), ("kernel", 3), ("padding", 1)))
    high, wide = (min(pair) for pair in zip(kernels, source.shape[1:], strict=True))
    kernel: Pair = (draw(st.integers(1, high)), draw(st.integers(1, wide)))
    stride: Pair = (draw(st.integers(1, paces[0])), draw(st.integers(1, paces[1])))
    most = [min(pad, k - 1) for pad, k in zip(around, kernel, strict=True)]
    top, left, bottom, right = (draw(st.integers(0, n)) for n in (*most, *most))
    padding = top, left, bottom, right
    height, width = window_shape(source.shape, kernel, stride, padding)
    return MaxPool(name, (source.shape[0], height, width), source.name, kernel, stride, padding)


def _view(draw: DrawFn, source: Population, name: str, within: Within) -> View:
    """A view of `source` of any places, a fifth of them none."""
    channels, height, width = source.shape
    _, most_rows, most_columns = within.sides((channels, 7, 7))
    lists = []
    for size, most in ((height, most_rows), (width, most_columns)):
        places = _bytes(draw, (draw(st.integers(1, max(1, most))),)).astype(np.int64)
        lists.append(np.where(places % 5 == 4, -1, places % size))
    rows, columns = lists
    return View(name, (channels, len(rows), len(columns)), source.name, rows, columns)


def _fs(
    draw: DrawFn,
    source: Population,
    populations: list[Population],
    projections: list[Projection],
    codes: dict[str, Ints],
    worth: dict[str, Ints],
    name: str,
    within: Within,
) -> FS:
    """An FS population fed by `source`, and in a third of the cases by another earlier population too; adds its
    projections.
    """
    if within.joins(draw(st.integers(0, 4)) == 0, source.shape[0]):
        outputs = draw(st.integers(1, within.channels(1, 5)))
        projection: Projection = _dense(draw, source, _reach(worth[source.name]), outputs, name, within)
        shape: Shape = (len(projection.weights), 1, 1)
    else:
        projection, shape = _conv_to(draw, source, _reach(worth[source.name]), None, name, within)
    into = [projection]
    others = [p for p in populations if within.groups(p.shape[0], shape[0])]
    if draw(st.integers(0, 2)) == 0 and others:
        other = draw(st.sampled_from(others))
        into.append(_conv_to(draw, other, _reach(worth[other.name]), shape, name, within)[0])
    projections += into
    total = sum((reference.along(codes[q.source], q, shape)[0] for q in into), np.zeros(shape, np.int64))
    steps = draw(st.sampled_from(within.steps(STEPS)))
    stairs = draw(st.integers(0, 3)) == 0 and within.chip.tables == "any"
    table, bias = _staircase(draw, total, steps, within) if stairs else _relu(draw, total, steps, within)
    return FS(name, shape, table, bias)


@public
def networks(
    min_fs: int = 1, max_fs: int = 4, limits: Mapping[str, Any] | str | PathLike[str] | None = None
) -> SearchStrategy[Network]:
    """Small networks of every kind and form, min_fs..max_fs FS populations; only such as fit a chip, where its `limits`
    are given, as for `cases`.
    """
    return cases(min_fs, max_fs, 1, limits).map(lambda case: case.net)
