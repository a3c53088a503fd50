"""Hypothesis strategies for FS networks (extra `verify`): tables, membranes, networks, images, and cases of a network
with images.

Freely drawn networks hide mistakes, since most of their neurons are silent or saturated. These draw the code a neuron
should send for the first image and how far its membrane lies above or below that step, then solve for bias and theta.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from fsref.law.neuron import Ints, Table
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape, View
from fsref.law.projections import Pair, Projection, window_shape
from fsref.limits.chip import Limits
from fsref.limits.misfits import misfits
from fsref.tables import plural, short
from fsref.verification.drawn_parts import (
    Made,
    conv_to,
    dense,
    drawn_bytes,
    gate,
    is_gateable,
    is_poolable,
    offsets,
    reach_of,
    relu,
    staircase,
)
from fsref.verification.within import Within

STEPS = (1, 2, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 7, 7, 8, 8, 9, 10, 11, 12, 13, 14, 15, 16)


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """A network, `net`, and images (B, C, H, W) for it; the first is the one its biases were derived from."""

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


@public
@st.composite
def tables(draw: DrawFn, min_steps: int = 1, max_steps: int = 16, spread: int = 200) -> Table:
    """Tables of one row, K in min_steps..max_steps: T in any order within +-spread, h and d of either sign (FS-1).
    Errors: UsageError.
    """
    if not 1 <= min_steps <= max_steps <= 16:
        raise UsageError("FS-1", "tables", "steps out of range", (min_steps, max_steps), "1..16")
    steps = draw(st.integers(min_steps, max_steps))
    row = st.lists(st.integers(-spread, spread), min_size=steps, max_size=steps)
    worth = st.lists(st.integers(-9, 20), min_size=steps, max_size=steps)
    return Table(np.array(draw(row)), np.array(draw(row)), np.array(draw(worth)))


@public
def membranes(table: Table) -> SearchStrategy[int]:
    """Opening membranes around what decides in a `table`: zero, every threshold reached by some train, one below and
    one above (FS-2).
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
    """Images (B, C, H, W) int64 of codes 0..max_code for `net`, B in min_images..max_images (RUN-1). Errors:
    UsageError.
    """
    if not 1 <= min_images <= max_images:
        raise UsageError("RUN-1", "images", "number of images out of range", (min_images, max_images), "1 or more")
    return _image(draw, net.input, draw(st.integers(min_images, max_images)))


def _image(draw: DrawFn, population: Input, count: int) -> Ints:
    fine = drawn_bytes(draw, (count, *population.shape)).astype(np.int64)
    if population.max_code > 255:
        fine = fine << 8 | drawn_bytes(draw, fine.shape)
    return np.asarray(fine % (population.max_code + 1), dtype=np.int64)


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
    """Small networks of every kind and form with 1..max_images images for them, min_fs..max_fs FS populations; only
    such as fit a chip, where the keys or the JSON file of its `limits` are given (CHIP-2). Of 1 of `max_outputs` all
    are classifiers; else they have up to so many readouts, maps among them (NET-8). Errors: UsageError.
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
    made = Made()
    made.spikes[given.name] = reference.input_trains(first[:1], steps)
    made.add(given)
    wanted = draw(st.sampled_from([n for n in (1, 2, 2, 3, 3, 4) if min_fs <= n <= max_fs] or [min_fs]))
    while (left := wanted - made.fs) > 0:
        source = made.populations[draw(st.sampled_from([-1, -1, -1, 0])) if len(made.populations) > 1 else 0]
        pooling = within.has("max_pool") and is_poolable(made.worth[source.name]) and max(source.shape[1:]) > 1
        if pooling and draw(st.integers(0, 2)) == 0:
            made.add(_pool(draw, source, made.name("pool"), within))
        elif within.has("view") and draw(st.integers(0, 4)) == 4:  # the last, for what is made simpler has none
            made.add(_view(draw, source, made.name("view"), within))
        elif not (within.has("gate") and draw(st.integers(0, 4)) == 4 and _gated(draw, made, source, left, within)):
            _fs(draw, made, source, within)
    sending, populations, projections = list(made.populations), made.populations, made.projections
    shapes: list[Shape | None] = [(draw(st.integers(1, within.channels(1, 4))), 1, 1)]
    if max_outputs > 1:
        shapes = [draw(st.sampled_from([None, (1, 1, 1), (3, 1, 1)])) for _ in range(draw(st.integers(1, max_outputs)))]
    for number, wanted_shape in enumerate(shapes, 1):
        name = "logits" if number == len(shapes) else f"out{number}"
        readout, into = _readout(draw, sending, wanted_shape, made.worth, name, within)
        after = max(populations.index(p) for p in sending if any(p.name in q.sources for q in into))
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
        loose = shape is not None and shape[1:] == (1, 1) and not into  # then other channels do, too
        pairs = [
            (a, b)
            for a in sending
            if shape in (None, a.shape) or (loose and a.shape[1:] == (1, 1))
            for b in sending
            if is_gateable(a, b, worth)
        ]
        if pairs and within.has("gate") and draw(st.integers(0, 5)) == 5:
            waits = [(a, b) for a, b in pairs if sending.index(b) < sending.index(a)]
            a, b = draw(st.sampled_from([*pairs, *waits, *waits, *waits, *waits]))
            into.append(gate(draw, a, b, worth, name, within))
            shape = a.shape
            continue
        source = sending[draw(st.sampled_from([-1, -1, 0]))]
        reach = reach_of(worth[source.name])
        if shape is not None and shape[1:] == (1, 1) and within.joins(draw(st.booleans()), source.shape[0], shape[0]):
            into.append(dense(draw, source, reach, shape[0], name, within))
        else:
            joined, shape = conv_to(draw, source, reach, shape, name, within)
            into.append(joined)
    assert shape is not None  # what enters it has said it
    per_place = shape[1:] != (1, 1) and draw(st.booleans()) and within.chip.bias_map
    bias = drawn_bytes(draw, shape if per_place else shape[:1]).astype(np.int64) - 128
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
        places = drawn_bytes(draw, (draw(st.integers(1, max(1, most))),)).astype(np.int64)
        lists.append(np.where(places % 5 == 4, -1, places % size))
    rows, columns = lists
    return View(name, (channels, len(rows), len(columns)), source.name, rows, columns)


def _fs(draw: DrawFn, made: Made, source: Population, within: Within) -> None:
    """Adds an FS population fed by `source`, perhaps by another population, too."""
    name, reach = made.name("fs"), reach_of(made.worth[source.name])
    if within.joins(draw(st.integers(0, 4)) == 0, source.shape[0]):
        outputs = draw(st.integers(1, within.channels(1, 5)))
        projection: Projection = dense(draw, source, reach, outputs, name, within)
        shape: Shape = (len(projection.weights), 1, 1)
    else:
        projection, shape = conv_to(draw, source, reach, None, name, within)
    _neurons(draw, made, name, shape, [projection, *_beside(draw, made, name, shape, within)], within)


def _beside(draw: DrawFn, made: Made, name: str, shape: Shape, within: Within) -> list[Projection]:
    """In a third of the cases a projection from any population into the next one, of this shape."""
    others = [p for p in made.populations if within.groups(p.shape[0], shape[0])]
    if draw(st.integers(0, 2)) != 0 or not others:
        return []
    other = draw(st.sampled_from(others))
    return [conv_to(draw, other, reach_of(made.worth[other.name]), shape, name, within)[0]]


def _neurons(
    draw: DrawFn,
    made: Made,
    name: str,
    shape: Shape,
    into: Sequence[Projection],
    within: Within,
    tables: Sequence[bool] = (True, False, False, False),
) -> FS:
    """The FS population of this shape that it adds, and what enters it; one of `tables` says whether it may be other
    than an FS-ReLU.
    """
    total = made.sums(shape, into)[0]
    steps = draw(st.sampled_from(within.steps(STEPS)))
    stairs = draw(st.sampled_from(tables)) and within.chip.tables == "any"
    table, bias = staircase(draw, total, steps, within) if stairs else relu(draw, total, steps, within)
    made.add(fs := FS(name, shape, table, bias), into)
    return fs


def _gated(draw: DrawFn, made: Made, source: Population, left: int, within: Within) -> bool:
    """Adds an FS population behind a gate, where two are `left` perhaps its factor, too, a map or of one place; whether
    it could: products of large codes are left out.
    """
    a = draw(st.sampled_from([*made.populations, *2 * made.populations[-1:]]))  # the last one sends latest
    shape = draw(st.sampled_from([*2 * [(a.shape[0], 1, 1)], *3 * [a.shape]]))
    factors = [p for p in made.populations if p.shape == shape]
    anew, reach = made.name("fs"), reach_of(made.worth[source.name])
    if left > 1 and (not factors or draw(st.booleans())):
        if shape[1:] == (1, 1) and within.joins(True, source.shape[0], shape[0]):
            squeezed: Projection = dense(draw, source, reach, shape[0], anew, within)
        elif within.groups(source.shape[0], shape[0]):
            squeezed = conv_to(draw, source, reach, shape, anew, within)[0]
        else:
            return False
        factors = [_neurons(draw, made, anew, shape, [squeezed], within, (True,))]  # codes of both signs
    factors = [b for b in factors or [a] if is_gateable(a, b, made.worth)]
    if not factors:
        return False
    b = draw(st.sampled_from([*2 * factors[:1], *factors]))  # the first one sends earliest
    if a.shape == b.shape and draw(st.sampled_from([False, True, True, True, True])):
        alike = [p for p in made.populations if p.shape == a.shape]
        if is_gateable(alike[-1], alike[0], made.worth):
            a, b = alike[-1], alike[0]  # a factor that is complete long before, and waits
    beside = b if within.free and draw(st.booleans()) else None  # what joins for the offsets: of the shape of a
    if beside is not None and b.shape != a.shape:
        places = (np.zeros(size, np.int64) for size in a.shape[1:])
        made.add(beside := View(made.name("view"), a.shape, b.name, *places))
    name = made.name("fs")
    product = gate(draw, a, b, made.worth, name, within)
    into = [product, *_beside(draw, made, name, a.shape, within)]
    if beside is not None:
        into += offsets(draw, product, beside)
    _neurons(draw, made, name, a.shape, into, within)
    return True


@public
def networks(
    min_fs: int = 1, max_fs: int = 4, limits: Mapping[str, Any] | str | PathLike[str] | None = None
) -> SearchStrategy[Network]:
    """Small networks of every kind and form, min_fs..max_fs FS populations; only such as fit a chip, where its `limits`
    are given, as for `cases`. Errors: UsageError.
    """
    return cases(min_fs, max_fs, 1, limits).map(lambda case: case.net)
