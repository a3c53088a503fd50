"""Where spikes are delivered in patches: geometry, tables and proofs of one projection, for the kernels of the same
name.

A conv2d of stride s is s·s kinds of places: those of a kind meet the same taps, each tap of theirs the next target. So
the spikes of a place leave one patch, targets side by side, and the patch of the next place of its kind lies one
further. A dense projection has one patch, and a table of its own for every place, or one for all when it is pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from math import gcd
from typing import Any, NamedTuple, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines.kernels import Kernel
from fsref.engines.kernels import patches as kernels
from fsref.law.neuron import Ints, base_two
from fsref.law.populations import Shape
from fsref.law.projections import Conv2d, Dense, Projection
from fsref.tables import Brief

Array: TypeAlias = NDArray[Any]
LANES = 16  # channels are filled up to a multiple of it
REGISTERS = (1, 2, 3, 5, 6, 9)  # sizes of patches, each a kernel to be compiled
MOST = 9 * 32  # lanes of a patch: what a processor has registers for
KINDS = 64  # kinds of places of a projection at most; others are delivered spike by spike
ROOM = 2**26  # numbers of a projection's tables at most


def filled(channels: int) -> int:
    """So many channels, filled up to whole registers."""
    return -(-channels // LANES) * LANES


def aligned(count: int, kind: Any) -> Array:
    """Zeros that begin on a cache line: a register across two of them takes twice as long."""
    dtype = np.dtype(kind)
    raw = np.zeros(count * dtype.itemsize + 64, np.uint8)
    begin = -raw.ctypes.data % 64
    return raw[begin : begin + count * dtype.itemsize].view(dtype)


class Kind(NamedTuple):
    """Places of one kind along an axis: `first`, and so many `places` `step` apart; `taps`, in the order of the targets
    that they meet; the target that place `first` meets by the first of them, and how far apart targets are.
    """

    first: int
    step: int
    places: int
    taps: range
    target: int
    apart: int


def kinds(size: int, count: int, before: int, kernel: int, stride: int, dilation: int) -> list[Kind]:
    """The kinds of places along one axis, without taps that meet no target at all (PROJ-1)."""
    common = gcd(stride, dilation)
    found = []
    for residue in range(min(stride // common, kernel)):  # taps so far apart meet the same places
        first = (residue * dilation - before) % stride
        places = len(range(first, size, stride))
        taps = [
            tap
            for tap in range(residue, kernel, stride // common)
            if -places < (first + before - tap * dilation) // stride < count
        ]
        if places and taps:
            target = (first + before - taps[-1] * dilation) // stride
            order = range(taps[-1], taps[0] - 1, -(stride // common))
            found.append(Kind(first, stride, places, order, target, dilation // common))
    return found


def axes(q: Projection, source: Shape, target: Shape) -> tuple[list[Kind], list[Kind]]:
    """The kinds of rows and of columns of a projection; a dense one meets one target from every place."""
    match q:
        case Conv2d(kernel=kernel, stride=stride, dilation=dilation, padding=padding):
            rows, columns = (
                kinds(source[a + 1], target[a + 1], padding[a], kernel[a], stride[a], dilation[a]) for a in (0, 1)
            )
            return rows, columns
        case Dense():
            rows, columns = ([Kind(0, 1, n, range(1), 0, 1)] for n in source[1:])
            return rows, columns
        case _:
            assert_never(q)


def tables(q: Projection, source: Shape) -> tuple[int, int]:
    """How many tables of weights a projection has, one for every place or one for all, and the taps of each."""
    match q:
        case Conv2d(kernel=kernel):
            return 1, kernel[0] * kernel[1]
        case Dense(pooled=pooled):
            return 1 if pooled else source[1] * source[2], 1
        case _:
            assert_never(q)


def margins(q: Projection, source: Shape, target: Shape) -> tuple[int, int, int, int]:
    """How far what a projection delivers reaches beyond its target: top, left, bottom, right."""
    if isinstance(q, Dense):  # it has one target
        return 0, 0, 0, 0
    ends = []
    for axis, size in zip(axes(q, source, target), target[1:], strict=True):
        last = (kind.target + (len(kind.taps) - 1) * kind.apart + kind.places for kind in axis)
        ends.append((max([0, *(-kind.target for kind in axis)]), max([0, *(n - size for n in last)])))
    (top, bottom), (left, right) = ends
    return top, left, bottom, right


@dataclass(frozen=True)
class Plane:
    """How membranes lie in memory: (H, W, C), C filled up, with margins; `first` is that of place (0, 0)."""

    shape: Shape
    around: tuple[int, int, int, int]

    @property
    def channels(self) -> int:
        """C, filled up."""
        return filled(self.shape[0])

    @property
    def row(self) -> int:
        """From a row to the next."""
        return (self.around[1] + self.shape[2] + self.around[3]) * self.channels

    @property
    def first(self) -> int:
        """Where place (0, 0) begins."""
        return self.around[0] * self.row + self.around[1] * self.channels

    @property
    def size(self) -> int:
        """How many numbers there are; behind the last some that a patch may reach."""
        return (self.around[0] + self.shape[1] + self.around[2]) * self.row + MOST

    def inside(self, memory: Array) -> Array:
        """The neurons among these numbers, (C, H, W)."""
        c, h, w = self.shape
        rows = memory[self.first :][: h * self.row - self.channels * (self.around[1] + self.around[3])]
        step = memory.itemsize
        steps = step, self.row * step, self.channels * step
        neurons: Array = np.lib.stride_tricks.as_strided(rows, (c, h, w), steps)
        return neurons


@dataclass(frozen=True, eq=False, repr=False)
class Sent(Brief):
    """What a population lists: its plane, d (C, K), whether d is 2^(K-1-t), how many of its steps are in the list of
    the first ones, and the type of a mark.
    """

    plane: Plane
    d: Ints
    binary: bool
    highs: int
    kind: type[np.unsignedinteger[Any]]

    @property
    def bits(self) -> int:
        """The bits of a mark that tell the row of a table; the others tell how far left."""
        return (self.plane.channels - 1).bit_length() if self.binary else 16

    @property
    def lows(self) -> int:
        """How many steps are in the list of the last ones."""
        return int(self.d.shape[1]) - self.highs

    def marks(self) -> Array:
        """What is listed for each step and channel, (K, C filled up), uint8 or uint16."""
        channels, steps = self.d.shape
        c, t = np.arange(self.plane.channels), np.arange(steps)[:, None]
        if self.binary:  # the last step of each list is worth 1
            by = np.where(t < self.highs, self.highs - 1 - t, steps - 1 - t)
            marks: Array = c + (by << self.bits)
        else:
            marks = np.minimum(c, channels - 1) * steps + t
        return marks.astype(self.kind)


def is_binary(d: Ints) -> bool:
    """Whether step t is worth 2^(K-1-t) in every channel, so that a train word is its code."""
    return bool((d == base_two(d.shape[1])).all())


def listed(plane: Plane, d: Ints, binary: bool) -> bool:
    """Whether marks of 16 bits name every channel and step."""
    return mark_bits(plane.shape[0], d.shape[1]) <= 16 if binary else d.size <= 2**16


def mark_bits(channels: int, steps: int) -> int:
    """The bits of a mark that names a channel and how far left one of so many steps of one list is worth."""
    return (filled(channels) - 1).bit_length() + (steps - 1).bit_length()


def weights_of(q: Projection, source: Shape, target: Shape) -> Array:
    """Weights by source channel, (places or 1, C, kh, kw, O filled up), zeros between groups."""
    channels, outputs = source[0], target[0]
    if isinstance(q, Dense):  # a window of one tap
        own = q.weights.reshape(outputs, channels, 1, -1).transpose(3, 1, 2, 0)[:, :, :, None]
    else:
        inputs, size = channels // q.groups, outputs // q.groups
        own = np.zeros((1, channels, *q.kernel, outputs), q.weights.dtype)
        for g in range(q.groups):
            mine, theirs = slice(g * inputs, (g + 1) * inputs), slice(g * size, (g + 1) * size)
            own[0, mine, ..., theirs] = q.weights[theirs].transpose(1, 2, 3, 0)
    return np.pad(own, [(0, 0)] * 4 + [(0, filled(outputs) - outputs)])


def narrow(weights: Array, sent: Sent) -> bool:
    """Whether int16 holds every part of every sum of a place's spikes of one list: for each target the positive terms
    of all channels together, and the negative ones.
    """
    if sent.binary:
        most = 2 ** max(sent.highs, sent.lows) - 1
        up = np.maximum(weights, 0).sum(axis=1, dtype=np.float64) * most
        down = np.minimum(weights, 0).sum(axis=1, dtype=np.float64) * most
    else:
        w = weights.astype(np.float64)
        positive, negative = (
            part.sum(axis=1)[:, None, None, None] for part in (np.maximum(sent.d, 0), np.minimum(sent.d, 0))
        )
        up = (np.maximum(w, 0) * positive + np.minimum(w, 0) * negative).sum(axis=1)
        down = (np.maximum(w, 0) * negative + np.minimum(w, 0) * positive).sum(axis=1)
    return float(up.max()) < 2**15 and float(down.min()) >= -(2**15)


def pieces(rows: Kind, columns: Kind, channels: int, most: int) -> Iterator[tuple[slice, slice, int, int]]:
    """Patches of the taps of a kind, none of more than so many lanes: rows of taps, columns of taps, first lane in
    them, lanes of a run.
    """
    across = (
        [slice(0, len(columns.taps))] if columns.apart == 1 else [slice(n, n + 1) for n in range(len(columns.taps))]
    )
    for some in across:
        length = (some.stop - some.start) * channels
        at_once, run = max(1, most // length), filled(-(-length // -(-length // most)))
        for r in range(0, len(rows.taps), at_once):
            for k in range(0, length, run):
                yield slice(r, min(r + at_once, len(rows.taps))), some, k, min(run, length - k)


@dataclass(frozen=True, eq=False, repr=False)
class Patches(Brief):
    """One projection made ready: for each patch its kernel and geometry, and the table of all."""

    calls: Sequence[tuple[Kernel, tuple[int, ...]]]
    table: Array
    form: str

    def bound(self, lists: Sequence[Array], out: Array, scratch: Sequence[Array]) -> Iterator[Callable[[], None]]:
        """The calls that deliver the spikes listed into a plane."""
        room = [a.view(self.table.dtype) for a in scratch]
        for kernel, g in self.calls:
            yield partial(kernel.compiled, g, *lists, self.table, out, *room)


def patches(q: Projection, sent: Sent, target: Plane) -> Patches:
    """A projection made ready for what a population lists."""
    source = sent.plane.shape
    weights = weights_of(q, source, target.shape)
    small = narrow(weights, sent)
    kind, lanes = (np.int16, 32) if small else (np.int32, 16)
    rows, columns = axes(q, source, target.shape)
    still = isinstance(q, Dense)  # every place meets the same target
    tables, calls, start = [], [], 0
    for y, x in product(rows, columns):
        taps = weights[:, :, list(y.taps)][:, :, :, list(x.taps)]
        for some, others, k, run in pieces(y, x, target.channels, MOST // 32 * lanes):
            own = taps[:, :, some, others].reshape(*taps.shape[:2], some.stop - some.start, -1)[..., k : k + run]
            count = own.shape[2]
            size = -(-count * run // lanes) * lanes
            table = own.reshape(*own.shape[:2], -1).astype(np.int64)
            if not sent.binary:
                table = (table[:, :, None] * sent.d[:, :, None]).reshape(len(table), -1, table.shape[2])
            tables.append(np.pad(table, [(0, 0), (0, 0), (0, size - table.shape[2])]).astype(kind).ravel())
            per_place = table.shape[1] * size if len(table) > 1 else 0
            first = target.first + (y.target + some.start * y.apart) * target.row
            first += (x.target + others.start * x.apart) * target.channels + k
            moves = (0, 0) if still else (target.row, target.channels)
            places = (source[2], y.first, y.step, y.places, x.first, x.step, x.places)
            g = (*places, start, size, per_place, first, *moves, count, y.apart * target.row, run, sent.lows, sent.bits)
            registers = next(n for n in REGISTERS if n * lanes >= count * run)
            calls.append((kernels.delivery(lanes, registers), g))
            start += tables[-1].size
    table = aligned(start + MOST, kind)
    if tables:
        table[:start] = np.concatenate(tables)
    return Patches(calls, table, f"int{8 * table.itemsize}")


@dataclass(frozen=True, eq=False, repr=False)
class Lanes(Brief):
    """A projection in which every channel reaches its own alone, made ready."""

    calls: Sequence[tuple[int, ...]]
    d: Array
    weights: Array
    form: str = "lanes"

    def bound(self, words: Array, out: Array) -> Iterator[Callable[[], None]]:
        """The calls that deliver trains into a plane."""
        for g in self.calls:
            yield partial(kernels.deliver_lanes.compiled, g, words, self.d, self.weights, out)


def by_lanes(q: Projection, source: Shape, target: Shape) -> bool:
    """Whether every channel of a projection reaches its own alone."""
    return q.groups == source[0] == target[0] > 1


def lanes(q: Conv2d, sent: Sent, target: Plane) -> Lanes:
    """Such a projection made ready."""
    source, steps = sent.plane, 0 if sent.binary else sent.d.shape[1]
    own = np.zeros((*q.kernel, source.channels), np.int32)
    own[..., : source.shape[0]] = q.weights[:, 0].transpose(1, 2, 0)
    rows, columns = axes(q, source.shape, target.shape)
    tables, calls, start = [], [], 0
    for y, x in product(rows, columns):
        tables.append(own[list(y.taps)][:, list(x.taps)].ravel())
        first = target.first + y.target * target.row + x.target * target.channels
        places = (source.shape[2], y.first, y.step, y.places, x.first, x.step, x.places)
        reach = (len(y.taps), y.apart * target.row, len(x.taps), x.apart * target.channels)
        calls.append((*places, source.channels, start, first, target.row, target.channels, *reach, steps))
        start += tables[-1].size
    table = aligned(start + LANES, np.int32)
    if tables:
        table[:start] = np.concatenate(tables)
    d = aligned(max(1, steps) * source.channels, np.int32)
    if steps:
        d.reshape(steps, -1)[:, : source.shape[0]] = sent.d.T
    return Lanes(calls, d, table)
