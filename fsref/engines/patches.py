"""Where spikes are delivered in patches, or along lanes: operations, tables and proofs of one projection, for the
kernels of the same name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.engines.kernels import Kernel
from fsref.engines.kernels import patches as kernels
from fsref.engines.planes import LANES, Arena, Kind, Plane, axes, filled
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Conv2d, Dense, Linear
from fsref.tables import Brief

Array: TypeAlias = NDArray[Any]
SIZES = (1, 2, 4, 6, 9, 12, 16, 18)  # of patches, in 16 lanes: each a kernel to be compiled
WIDE_SIZES = (1, 2, 4, 6, 9)
ALL = 2**31 - 1  # rows at once: no list is as long
FEW = 6  # rows at once; fewer are not worth it
SMALL = 24 * 2**10  # bytes of a table that a processor has at hand while it delivers
PATCH = 50  # cycles that a patch takes whatever the spikes


@dataclass(eq=False, repr=False)
class Arenas(Brief):
    """What kernels share of a network, in the making."""

    numbers: Arena = field(default_factory=lambda: Arena(np.int32))
    shorts: Arena = field(default_factory=lambda: Arena(np.int16))
    targets: Arena = field(default_factory=lambda: Arena(np.int64))


class Operation(NamedTuple):
    """A kernel and its geometry."""

    kernel: Kernel
    g: tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Delivery(Brief):
    """One projection made ready, and in which form."""

    operations: tuple[Operation, ...]
    form: str


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

    @property
    def longer(self) -> int:
        """How many steps are in the longer list."""
        return max(self.highs, self.lows)

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


def listed(plane: Plane, d: Ints, binary: bool) -> bool:
    """Whether marks of 16 bits name every channel and step."""
    return mark_bits(plane.shape[0], d.shape[1]) <= 16 if binary else d.size <= 2**16


def mark_bits(channels: int, steps: int) -> int:
    """The bits of a mark that names a channel and how far left one of so many steps of one list is worth."""
    return (filled(channels) - 1).bit_length() + (steps - 1).bit_length()


def weights_of(q: Linear, source: Shape, target: Shape) -> Array:
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


def rows_at_once(weights: Array, sent: Sent) -> int:
    """How many rows of a place's spikes of one list int16 adds up, whichever they are: all, where for each target the
    positive terms of all channels together fit, and the negative ones; else as many as the largest fits.
    """
    if sent.binary:
        most = 2**sent.longer - 1
        up = np.maximum(weights, 0).sum(axis=1, dtype=np.float64) * most
        down = np.minimum(weights, 0).sum(axis=1, dtype=np.float64) * most
    else:
        w = weights.astype(np.float64)
        positive, negative = (
            part.sum(axis=1)[:, None, None, None] for part in (np.maximum(sent.d, 0), np.minimum(sent.d, 0))
        )
        up = (np.maximum(w, 0) * positive + np.minimum(w, 0) * negative).sum(axis=1)
        down = (np.maximum(w, 0) * negative + np.minimum(w, 0) * positive).sum(axis=1)
    if float(up.max()) < 2**15 and float(down.min()) >= -(2**15):
        return ALL
    by_channel = np.moveaxis(weights, 1, 0).reshape(weights.shape[1], -1)
    largest = np.maximum(by_channel.max(axis=1), -by_channel.min(axis=1).astype(np.float64))
    worth = 2 ** (sent.longer - 1) if sent.binary else np.abs(sent.d).max(axis=1)
    return int((2**15 - 1) // float((largest * worth).max()))


def run_of(length: int, channels: int, sizes: tuple[int, ...], lane: int) -> int:
    """How many lanes, of so many bytes, of a row of taps go in one patch: as many as take least time for one spike of
    each channel, in about the cycles of a processor. A table that is not at hand takes twice as long.
    """

    def cycles(lanes: int, pieces: int) -> float:
        each = lanes * lane / 64 * (1 if channels * lanes * lane <= SMALL else 2)
        return pieces * (PATCH + channels * max(each, 2.5))

    def whole(run: int) -> float:
        rest = -(-(length % run) // LANES)
        return cycles(run, length // run) + (cycles(at_least(rest, sizes), 1) if rest else 0)

    return min((n * LANES for n in sizes), key=whole)


def at_least(count: int, sizes: tuple[int, ...]) -> int:
    """The lanes of the smallest patch that holds so many times 16."""
    return next(n for n in sizes if n >= count) * LANES


def pieces(rows: Kind, columns: Kind, channels: int, sent: int, wide: bool) -> Iterator[tuple[slice, slice, int, int]]:
    """Patches of the taps of a kind from `sent` channels to others: rows of taps, columns of taps, first lane in them,
    lanes of a run.
    """
    sizes, lane = (WIDE_SIZES, 4) if wide else (SIZES, 2)
    across = (
        [slice(0, len(columns.taps))] if columns.apart == 1 else [slice(n, n + 1) for n in range(len(columns.taps))]
    )
    for some in across:
        length = (some.stop - some.start) * channels
        at_once = max(1, sizes[-1] * LANES // length)
        run = length if length <= sizes[-1] * LANES and at_once > 1 else run_of(length, sent, sizes, lane)
        for r in range(0, len(rows.taps), at_once):
            for k in range(0, length, run):
                yield slice(r, min(r + at_once, len(rows.taps))), some, k, min(run, length - k)


def table_of(rows: Array, sent: Sent, shifted: bool) -> Array:
    """The rows of a table (places or 1, rows, lanes) by mark, of rows by channel: each step's times d, or shifted; by
    channel alone where what is listed says how far left.
    """
    if not sent.binary:
        return np.asarray((rows[:, :, None] * sent.d[:, :, None]).reshape(len(rows), -1, rows.shape[2]))
    if not shifted:
        return rows
    whole = np.pad(rows, [(0, 0), (0, 2**sent.bits - rows.shape[1]), (0, 0)])
    return np.concatenate([whole << by for by in range(sent.longer)], axis=1)


def patches(q: Linear, sent: Sent, target: Plane, arenas: Arenas) -> Delivery:
    """A projection made ready for what a population lists."""
    source = sent.plane.shape
    weights = weights_of(q, source, target.shape)
    at_once = rows_at_once(weights, sent)
    wide = at_once < FEW
    arena, sizes = (arenas.numbers, WIDE_SIZES) if wide else (arenas.shorts, SIZES)
    still = isinstance(q, Dense)  # every place meets the same target
    moves = (0, 0) if still else (target.row, target.channels)
    made = []
    for y, x in product(*axes(q, source, target.shape)):
        taps = weights[:, :, list(y.taps)][:, :, :, list(x.taps)]
        for some, others, k, run in pieces(y, x, target.channels, sent.plane.channels, wide):
            down, across = (y, x) if still else (y.part(some, target.shape[1]), x.part(others, target.shape[2]))
            own = taps[:, :, some, others].reshape(*taps.shape[:2], some.stop - some.start, -1)[..., k : k + run]
            used = own.shape[2] * run // LANES
            size = at_least(used, sizes)
            rows = np.pad(own.reshape(*own.shape[:2], -1).astype(np.int64), [(0, 0), (0, 0), (0, size - used * LANES)])
            bytes_ = 2**sent.bits * sent.longer * size * np.dtype(arena.kind).itemsize
            shifted = sent.binary and len(rows) == 1 and bytes_ <= SMALL
            table = table_of(rows, sent, shifted)
            starts = [r * y.apart * target.row + n for r in range(own.shape[2]) for n in range(0, run, LANES)]
            g = (
                *(source[2], down.first, down.step, down.places, across.first, across.step, across.places),
                *(arena.put(table), size, table.shape[1] * size if len(table) > 1 else 0),
                target.first + down.target * target.row + across.target * target.channels + k,
                *(*moves, arenas.targets.put(np.pad(starts, (0, size // LANES - used))), at_once if not wide else ALL),
                *(sent.lows, sent.bits),
            )
            lanes = LANES if wide or size % (2 * LANES) else 2 * LANES
            kernel = kernels.delivery(wide, lanes, size // lanes, sent.binary and not shifted, wide or at_once == ALL)
            made.append(Operation(kernel, g))
    return Delivery(tuple(made), "int32" if wide else "int16" if at_once == ALL else "int16 runs")


def by_lanes(q: Linear, source: Shape, target: Shape) -> bool:
    """Whether every channel of a projection reaches its own alone."""
    return q.groups == source[0] == target[0] > 1


def lane_weights(q: Conv2d, source: Plane) -> Array:
    """The weights of such a projection, (kh, kw, C filled up)."""
    own = np.zeros((*q.kernel, source.channels), np.int32)
    own[..., : source.shape[0]] = q.weights[:, 0].transpose(1, 2, 0)
    return own


def lanes(q: Conv2d, sent: Sent, told: int, target: Plane, arenas: Arenas) -> Delivery:
    """Such a projection made ready, for train words from `told` on."""
    source, steps = sent.plane, 0 if sent.binary else sent.d.shape[1]
    weights, made = lane_weights(q, source), []
    d = arenas.numbers.put(np.pad(sent.d.T, [(0, 0), (0, source.channels - source.shape[0])])) if steps else 0
    for y, x in product(*axes(q, source.shape, target.shape)):
        start = arenas.numbers.put(weights[list(y.taps)][:, list(x.taps)])
        first = target.first + y.target * target.row + x.target * target.channels
        places = (source.shape[2], y.first, y.step, y.places, x.first, x.step, x.places)
        reach = (len(y.taps), y.apart * target.row, len(x.taps), x.apart * target.channels)
        g = (*places, source.channels, start, first, target.row, target.channels, *reach, d, steps, told)
        made.append(Operation(kernels.deliver_lanes, g))
    return Delivery(tuple(made), "lanes")


def joins(q: Conv2d, sent: Sent) -> bool:
    """Whether a projection along lanes reaches from every place the same place alone, by codes: firing delivers it."""
    return sent.binary and q.kernel == q.stride == (1, 1) and not any(q.padding)
