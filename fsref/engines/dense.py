"""A network as operations of the dense kernels, planned once: packed weights, lists of places, and the room to run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines.frames import (
    LINE,
    WORD,
    Frame,
    Framing,
    begins,
    by_channel,
    digits,
    divides,
    framing_of,
    is_pooled,
    up,
)
from fsref.engines.kept import kept
from fsref.engines.kernels.blocks import Together
from fsref.engines.kernels.dense import (
    COLUMNS,
    DOTS,
    IMAGE,
    LANES,
    POOL,
    POOLED,
    READ,
    RELU,
    SPIKES,
    STEPS,
    TERMS,
    TOTAL,
    drive,
)
from fsref.law.network import Network
from fsref.law.neuron import Ints, Table, relu_theta
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Relay, View
from fsref.law.projections import Conv2d, Dense, Gate, Linear
from fsref.tables import Brief

Array = NDArray[Any]
NEAR = 2**22 - 1  # membranes below it are divided at once


def aligned(size: int, kind: Any) -> Array:
    """Zeros that begin a cache line: a register that lies in two takes twice as long."""
    raw = np.zeros(size * np.dtype(kind).itemsize + LINE, np.uint8)
    begin = -raw.ctypes.data % LINE
    return raw[begin : begin + size * np.dtype(kind).itemsize].view(kind)


class Shelf:
    """Arrays of one type, one behind the other, each at the begin of a cache line."""

    def __init__(self, kind: Any) -> None:
        self.kind, self.step = kind, LINE // np.dtype(kind).itemsize
        self.size, self.parts = 0, list[tuple[int, Array]]()

    def put(self, values: Array) -> int:
        """Where an array begins that is put behind the others."""
        begin = self.size
        self.parts.append((begin, values))
        self.size += up(values.size, self.step)
        return begin

    def array(self) -> Array:
        """All of them."""
        found = aligned(self.size, self.kind)
        for begin, values in self.parts:
            found[begin : begin + values.size] = values.ravel()
            assert (found[begin : begin + values.size] == values.ravel()).all(), "a number that does not fit"
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Brief):
    """Frames; operations, terms and what they read; and rooms that no thread works in."""

    framing: Framing
    shelves: Together  # weights, numbers, inverses, places, terms, operations
    classes: int
    idle: list[Array] = field(default_factory=list)

    def fresh(self, images: int) -> Array:
        """Room for the codes of some images: around maps and behind channels stands what counts as zero."""
        room = aligned(images * self.framing.size, np.uint8)
        rows = room.reshape(images, -1)
        for own in (*self.framing.frames.values(), *self.framing.totals.values()):
            for plane in range(own.planes if own.low else 0):
                begin = own.start + plane * own.apart
                rows[:, begin : begin + own.apart] = own.low >> 8 * plane & 255
        return room

    def run(self, images: Ints, room: Array) -> tuple[Ints, Ints]:
        """The logits of images (B, C, H, W), (B, classes), where the kernels do the readout, and the spikes of each
        population that has a frame, (B, populations). The room, which is of some images or of all, then holds the codes
        of the last, or of all.
        """
        flat = images.reshape(*images.shape[:2], -1)
        counts = np.empty((len(images), len(self.framing.frames)), np.int64)
        logits = np.empty(len(images) * up(self.classes, 16), np.int32)
        size = self.framing.size
        drive(flat, room.size // size, room, room.view(np.int64), size, self.shelves, logits, counts)
        return logits.reshape(len(images), -1)[:, : self.classes].astype(np.int64), counts

    def counted(self, images: Ints) -> tuple[Ints, Ints]:
        """The same, in room for a group of images, which goes to the next who asks."""
        try:
            room = self.idle.pop()
        except IndexError:
            room = self.fresh(self.framing.group)
        found = self.run(images, room)
        self.idle.append(room)
        return found


def digit(weights: Array, place: int, of: int) -> Array:
    """One of the bytes of which weights are made, the lowest first: each counts 2^7 times the one below it, and lies
    between -2^6 and 2^6 - 1, unless it is the highest.
    """
    if of == 1:
        return weights
    rest = weights.astype(np.int64)
    for _ in range(place):
        rest = (rest + 2**6) >> 7
    return rest if place == of - 1 else (rest + 2**6) % 2**7 - 2**6


def thresholds(table: Table, channels: int, own: int) -> Ints:
    """(2, channels): theta, and the most that a membrane counts for; ones for channels beyond its own."""
    theta = relu_theta(table)
    assert theta is not None
    values = np.ones((2, channels), np.int64)
    values[0, :own], values[1, :own] = theta, np.minimum(theta << table.steps, WORD) - 1
    return values


def stepped(table: Table, channels: int, own: int) -> Ints:
    """(K, 3, channels): T, h, d of every step. No membrane reaches 2^31 - 1, nor does a channel that is none."""
    values = np.zeros((table.steps, 3, channels), np.int64)
    values[:, 0] = WORD - 1
    values[:, :, :own] = np.stack(table.rows(own)).transpose(2, 0, 1)
    values[:, 0] = np.clip(values[:, 0], -WORD, WORD - 1)
    return values


def fours(places: Ints) -> Ints:
    """A list of places, its last again until there are 4, or a multiple."""
    return np.concatenate([places, np.repeat(places[-1:], -len(places) % 4)])


@dataclass(eq=False)
class Planner:
    """What becomes a plan: operations, terms and shelves as far as populations are added."""

    net: Network
    framing: Framing
    weights: Shelf = field(default_factory=lambda: Shelf(np.int8))
    numbers: Shelf = field(default_factory=lambda: Shelf(np.int32))
    inverses: Shelf = field(default_factory=lambda: Shelf(np.float32))
    places: Shelf = field(default_factory=lambda: Shelf(np.int64))
    terms: list[dict[str, int]] = field(default_factory=list)
    operations: list[dict[str, int]] = field(default_factory=list)

    def listed(self, places: Ints) -> int:
        """Where a list of places begins that is filled up to a multiple of 4."""
        return self.places.put(fours(places))

    def windows(self, source: Frame, target: Population, q: Conv2d | MaxPool, dilation: tuple[int, int]) -> Any:
        """Where the windows of a target begin in the codes of its source; and from there on its taps, (kh, kw)."""
        (top, left, _, _), (sy, sx), (kh, kw) = q.padding, q.stride, q.kernel
        y = np.arange(target.shape[1]) * sy - top + source.top
        x = np.arange(target.shape[2]) * sx - left + source.left
        taps = np.arange(kh)[:, None] * dilation[0] * source.columns + np.arange(kw) * dilation[1]
        return source.at(y, x), taps * source.channels

    def sent(self, own: Frame, places: Ints) -> dict[str, int]:
        """Where the codes of a population go."""
        form = {"planes": own.planes, "apart": own.apart, "trains": own.trains, "channels": own.channels}
        return {"to": self.listed(places), "low": own.low, **form}

    def add(self, p: Population) -> None:
        """Nothing; then the operations of a population stand behind those of its sources."""
        match p:
            case Input():
                own = self.framing.frames[p.name]
                self.operations.append({"kind": IMAGE, **self.sent(own, own.map(p.shape))})
            case MaxPool():
                self.relay(p, *self.windows(self.framing.frames[p.source], p, p, (1, 1)))
            case View():
                self.relay(p, self.shown(self.framing.frames[p.source], p), np.zeros((1, 1), np.int64))
            case FS() | Readout():
                self.integrate(p)
            case _:
                assert_never(p)
        if p.name in self.framing.frames:
            own = self.framing.frames[p.name]
            at, to = (own.start + plane * own.apart for plane in (own.told.start, own.told.stop))
            self.operations.append({"kind": SPIKES, "at": at, "to": to})

    def shown(self, source: Frame, p: View) -> Ints:
        """Where what each place of a view shows lies in the codes of its source; below the map where it shows none."""
        height, beyond = self.net[p.source].shape[1], (p.rows[:, None] < 0) | (p.columns < 0)
        y, x = np.where(p.rows < 0, 0, p.rows), np.where(p.columns < 0, 0, p.columns)
        blank = source.at(np.array([source.top + height]), np.array([source.left]))
        return np.where(beyond.ravel(), blank, source.at(source.top + y, source.left + x))

    def relay(self, p: Relay, at: Ints, taps: Ints) -> None:
        """The operations of a max-pool or view, whose windows begin `at` places and have `taps` from there on: of
        codes, and of trains where these are no codes.
        """
        source, own = self.framing.frames[p.source], self.framing.frames[p.name]
        shared = {"count": up(p.shape[1] * p.shape[2], 4), "taps": self.places.put(taps), "parts": taps.size}
        for begin, planes in ((0, own.planes), (own.planes, own.trains)):
            if planes:
                sent = self.sent(own, own.map(p.shape) + begin * own.apart) | {"planes": planes}
                op = {"kind": POOL if planes == 1 else POOLED, "at": self.listed(at + begin * source.apart)}
                self.operations.append({**op, **shared, **sent, "source": source.apart})

    def integrate(self, p: FS | Readout) -> None:
        """The operation of a population with membranes, and before it the totals that its projections read.

        Terms that count most come first, so that a sum that is raised holds all that it has to.
        """
        channels, places = up(p.shape[0], 16), p.shape[1] * p.shape[2]
        bias = np.zeros((*p.bias_map.shape[1:], channels), np.int64)
        bias[..., : p.shape[0]] = p.bias_map.transpose(1, 2, 0)
        found: list[tuple[int, dict[str, int]]] = []
        for name, q in self.net.into(p.name).items():
            assert not isinstance(q, Gate)  # which is left to NumPy
            # Its low 32 bits alone matter, as those of all sums do.
            bias[..., : p.shape[0]] -= self.source(name, q).low * q.weights.reshape(p.shape[0], -1).sum(1, np.int64)
            found += self.single(p, q) if by_channel(q) else self.dotted(p, name, q)
        # What is worth 2^32 or more is 0 in 32 bits; the last is worth 1.
        found = sorted((part for part in found if part[0] < 32), key=lambda part: -part[0])
        above = [shift for shift, _ in found[:1]] + [shift for shift, _ in found[:-1]]
        first = len(self.terms)
        self.terms += [{**term, "rise": last - shift} for last, (shift, term) in zip(above, found, strict=True)]
        mapped = p.bias.ndim == 3
        opens = self.listed(np.arange(places) * channels if mapped else np.zeros(8, np.int64))
        opening = self.numbers.put((bias if mapped else bias[:1, :1]).astype(np.int32))
        op = {"count": up(places, 4), "channels": channels, "first": first, "behind": len(self.terms)}
        op |= {"opening": opening, "opens": opens, "mapped": int(mapped)}
        self.operations.append({**op, **self.fires(p)})

    def fires(self, p: FS | Readout) -> dict[str, int]:
        """What becomes of membranes: codes by division, trains and codes by steps, or logits."""
        match p:
            case Readout():
                return {"kind": READ, "to": self.listed(np.zeros(1, np.int64))}
            case FS():
                own = self.framing.frames[p.name]
                sent = self.sent(own, own.map(p.shape))
                return {
                    **sent,
                    **(self.divided if divides(p.table) else self.stepped)(p.table, own.channels, p.shape[0]),
                }
            case _:
                assert_never(p)

    def divided(self, table: Table, channels: int, own: int) -> dict[str, int]:
        """What codes by division read."""
        values = thresholds(table, channels, own)
        inverse = self.inverses.put((1 / values[0]).astype(np.float32))
        near = int(values[1].max()) < NEAR
        found = {"kind": RELU, "table": self.numbers.put(values.astype(np.int32)), "inverse": inverse}
        return {**found, "how": int(near)}

    def stepped(self, table: Table, channels: int, own: int) -> dict[str, int]:
        """What codes by steps read."""
        rows = stepped(table, channels, own)
        return {"kind": STEPS, "table": self.numbers.put(rows.astype(np.int32)), "how": table.steps}

    def source(self, name: str, q: Linear) -> Frame:
        """The frame that a projection reads."""
        return self.framing.totals[name] if is_pooled(q) else self.framing.frames[q.source]

    def single(self, p: FS | Readout, q: Conv2d) -> Iterator[tuple[int, dict[str, int]]]:
        """The terms of a convolution of each channel by itself, each with the power of two that it counts."""
        source, channels = self.framing.frames[q.source], up(p.shape[0], 16)
        at, taps = self.windows(source, p, q, q.dilation)
        weights = np.zeros((taps.size, channels), np.int64)
        weights[:, : p.shape[0]] = q.weights.reshape(p.shape[0], -1).T
        own = {"pieces": self.places.put(taps), "many": taps.size}
        own["begins"] = self.places.put(np.arange(0, channels, 16))
        own["weights"] = self.numbers.put(weights.astype(np.int32))
        for plane in range(source.planes):
            yield 8 * plane, {"form": LANES, "windows": self.listed(at + plane * source.apart), **own}

    def dotted(self, p: FS | Readout, name: str, q: Linear) -> Iterator[tuple[int, dict[str, int]]]:
        """The terms of any other projection: one for each byte of its weights and of the codes of its source."""
        source, channels = self.source(name, q), up(p.shape[0], 16)
        begin, length = np.zeros(channels // 16, np.int64), source.channels
        match q:
            case Conv2d():
                at, taps = self.windows(source, p, q, q.dilation)
                begin, length = begins(q, source.channels, channels)
                weights = q.weights
            case Dense():
                at = source.at(np.array([source.top]), np.array([source.left]))
                height, width = (1, 1) if q.pooled else self.net[q.source].shape[1:]
                taps = (np.arange(height)[:, None] * source.columns + np.arange(width)) * source.channels
                weights = q.weights.reshape(len(q.weights), -1, height, width)
                if q.pooled:
                    self.total(source, q)
            case _:
                assert_never(q)
        parts = taps[:, :, None] + np.arange(0, length, 4)
        term = {"form": DOTS, "begins": self.places.put(begin), "pieces": self.places.put(parts), "many": parts.size}
        lists = [self.listed(at + plane * source.apart) for plane in range(source.planes)]
        for place in range(digits(q)):
            packed = self.weights.put(packed_weights(digit(weights, place, digits(q)), begin, length, q.groups))
            for plane in range(source.planes):
                yield 8 * plane + 7 * place, {**term, "windows": lists[plane], "weights": packed}

    def total(self, own: Frame, q: Dense) -> None:
        """The operation that sums the codes of each channel of a source."""
        source, shape = self.framing.frames[q.source], self.net[q.source].shape
        places = source.map(shape)
        read = {"at": self.places.put(places), "count": len(places), "parts": source.planes, "source": source.apart}
        self.operations.append({"kind": TOTAL, **read, **self.sent(own, own.map((1, 1, 1)))})


def packed_weights(weights: Array, begin: Ints, length: int, groups: int) -> Array:
    """(O, I, kh, kw) as dots read it: for 16 channels of the target, tap by tap, four of the `length` channels after
    four that these see, 16 times 4; zeros fill up what they do not.
    """
    outputs, inputs, *kernel = weights.shape
    wide = np.zeros((16 * len(begin), length, *kernel), np.int8)
    if groups == 1:
        wide[:outputs, :inputs] = weights
    else:
        o = np.arange(outputs)
        seen = o[:, None] // (outputs // groups) * inputs + np.arange(inputs) - begin[o // 16][:, None]
        wide[o[:, None], seen] = weights
    return wide.reshape(-1, 16, length // 4, 4, *kernel).transpose(0, 4, 5, 2, 1, 3)


def rows(columns: Sequence[str], told: Sequence[dict[str, int]]) -> Ints:
    """A row for each that is told, 0 where it does not tell a column."""
    assert all(row.keys() <= set(columns) for row in told)
    return np.array([[row.get(column, 0) for column in columns] for row in told], np.int64).reshape(-1, len(columns))


@kept
def plan_of(net: Network) -> Plan:
    """The plan of a network of which the kernels do something."""
    framing = framing_of(net)
    planner = Planner(net, framing)
    for name in (*framing.frames, *([net.readout.name] if framing.whole else [])):
        planner.add(net[name])
    terms, operations = rows(TERMS, planner.terms), rows(COLUMNS, planner.operations)
    shelves = [shelf.array() for shelf in (planner.weights, planner.numbers, planner.inverses, planner.places)]
    return Plan(framing, Together((*shelves, terms, operations)), net.readout.shape[0])
