"""A network as operations of the dense kernels, planned once: packed weights, lists of places, and the room to run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines.frames import LINE, LOW, WORD, Frame, by_channel, frames_of, sums_of, up
from fsref.engines.kept import kept
from fsref.engines.kernels.dense import COLUMNS, DOTS, LANES, POOL, RAISE, SPIKES, drive
from fsref.law.network import Network
from fsref.law.neuron import Ints, Table, relu_theta
from fsref.law.populations import FS, Input, MaxPool, Population, Readout
from fsref.law.projections import Conv2d, Dense, Projection
from fsref.tables import Brief

Array = NDArray[Any]


def aligned(size: int, kind: Any) -> Array:
    """Zeros that begin a cache line: a register that lies in two takes twice as long."""
    raw = np.zeros(size * np.dtype(kind).itemsize + LINE, np.uint8)
    begin = -raw.ctypes.data % LINE
    return raw[begin : begin + size * np.dtype(kind).itemsize].view(kind)


class Shelf:
    """Arrays of one type, one behind the other, each at the begin of a cache line."""

    def __init__(self, kind: Any, size: int = 0) -> None:
        self.kind, self.step = kind, LINE // np.dtype(kind).itemsize
        self.size, self.parts = up(size, self.step), list[tuple[int, Array]]()

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
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Brief):
    """Frames by population; the bytes of an image; operations and what they read. `numbers` begin with room for the
    sums of the largest population, which every thread has of its own.
    """

    frames: dict[str, Frame]
    size: int
    operations: Ints
    weights: Array
    numbers: Array
    inverses: Array
    places: Ints


def dense_weights(q: Projection, source: Population) -> Array:
    """The weights of a projection as those of a convolution without groups, (O, C, kh, kw); a dense one has the kernel
    of its whole source.
    """
    match q:
        case Dense():
            weights = q.weights[:, :, None, None] if q.pooled else q.weights
            shape = len(weights), *source.shape
            return np.broadcast_to(weights, shape) if q.pooled else weights.reshape(shape)
        case Conv2d(groups=groups, kernel=kernel):
            if groups == 1:
                return q.weights
            outputs, inputs = q.weights.shape[:2]
            wide = np.zeros((groups, outputs // groups, groups, inputs, *kernel), q.weights.dtype)
            own = np.arange(groups)
            wide[own, :, own] = q.weights.reshape(groups, -1, inputs, *kernel)
            return wide.reshape(outputs, -1, *kernel)
        case _:
            assert_never(q)


def packed(weights: Array, inputs: int, outputs: int) -> Array:
    """(O, C, kh, kw) as `dots` reads it: for 16 channels of the target, part by part, four of the source's after four,
    16 times 4; zeros fill both up to so many.
    """
    channels, seen, *kernel = weights.shape
    wide = np.zeros((outputs, inputs, *kernel), np.int8)
    wide[:channels, :seen] = weights
    return wide.reshape(outputs // 16, 16, inputs // 4, 4, *kernel).transpose(0, 4, 5, 2, 1, 3)


def thresholds(table: Table, channels: int) -> Ints:
    """(2, channels): theta, and the most that a membrane counts for; ones for channels that are none."""
    theta = relu_theta(table)
    assert theta is not None
    values = np.ones((2, channels), np.int64)
    own = slice(0, theta.size if theta.ndim else channels)
    values[:, own] = np.stack([theta, np.minimum(theta << table.steps, WORD) - 1]).reshape(2, -1)
    return values


def eights(places: Ints) -> Ints:
    """A list of places, its last again until there are 8, or a multiple."""
    return np.concatenate([places, np.repeat(places[-1:], -len(places) % 8)])


@dataclass(eq=False)
class Planner:
    """What becomes a plan: operations and shelves as far as populations are added."""

    net: Network
    frames: dict[str, Frame]
    weights: Shelf
    numbers: Shelf
    inverses: Shelf = field(default_factory=lambda: Shelf(np.float32))
    places: Shelf = field(default_factory=lambda: Shelf(np.int64))
    operations: list[dict[str, int]] = field(default_factory=list)

    def listed(self, places: Ints) -> int:
        """Where a list of places begins that is filled up to a multiple of 8."""
        return self.places.put(eights(places))

    def windows(self, source: Frame, target: Population, q: Conv2d | MaxPool, dilation: tuple[int, int]) -> Any:
        """Where the windows of a target begin in the codes of its source; and from there on its taps, (kh, kw)."""
        (top, left, _, _), (sy, sx), (kh, kw) = q.padding, q.stride, q.kernel
        y = np.arange(target.shape[1]) * sy - top + source.top
        x = np.arange(target.shape[2]) * sx - left + source.left
        taps = np.arange(kh)[:, None] * dilation[0] * source.columns + np.arange(kw) * dilation[1]
        return source.at(y, x), taps * source.channels

    def to(self, p: Population) -> int:
        """Where the list of the places of a population's own codes begins."""
        own, (_, height, width) = self.frames[p.name], p.shape
        return self.listed(own.at(own.top + np.arange(height), own.left + np.arange(width)))

    def add(self, p: Population) -> None:
        """Nothing; then the operations of a population stand behind those of its sources."""
        match p:
            case MaxPool():
                self.pool(p)
            case FS():
                self.integrate(p)
            case Input() | Readout():
                pass
            case _:
                assert_never(p)
        own = self.frames[p.name]
        self.operations.append({"kind": SPIKES, "at": own.start, "to": up(own.start + own.size, LINE)})

    def pool(self, p: MaxPool) -> None:
        """The operation of a max-pool."""
        source, count = self.frames[p.source], up(p.shape[1] * p.shape[2], 8)
        at, taps = self.windows(source, p, p, (1, 1))
        op = {"kind": POOL, "at": self.listed(at), "to": self.to(p), "count": count, "channels": source.channels}
        self.operations.append({**op, "taps": self.places.put(taps), "parts": taps.size})

    def integrate(self, p: FS) -> None:
        """The operations of a population of neurons: its projections one after the other, the last of which fires.

        Of weights that are no bytes the higher parts come first, then the sums of these are raised.
        """
        channels, places = self.frames[p.name].channels, p.shape[1] * p.shape[2]
        own = self.listed(np.arange(places) * channels)
        begin = self.bias(p)
        into = list(self.net.into(p.name).values())
        parts = [self.dotted(p, q, "high") for q in into if not by_channel(q) and q.weights.dtype != np.int8]
        if parts:
            none = {
                "opening": self.numbers.put(np.zeros(channels, np.int32)),
                "opens": self.listed(np.zeros(places, np.int64)),
            }
            parts, begin = [*parts, {"kind": RAISE, **begin}], none
        parts += [self.single(p, q) if by_channel(q) else self.dotted(p, q, "low") for q in into]
        shared = {"to": self.to(p), "own": own, "count": up(places, 8), "channels": channels, "theta": -1}
        for part in parts:
            self.operations.append({**shared, **begin, **part})
            begin = {"opening": 0, "opens": own}  # the sums so far
        self.operations[-1] |= self.firing(p)

    def bias(self, p: FS) -> dict[str, int]:
        """Where the bias of a population lies: one of every channel, or a map."""
        channels, (_, height, width) = self.frames[p.name].channels, p.shape
        values = np.zeros((*p.bias_map.shape[1:], channels), np.int64)
        values[..., : p.shape[0]] = p.bias_map.transpose(1, 2, 0)
        opens = np.arange(height * width) * (channels if p.bias.ndim == 3 else 0)
        return {"opening": self.numbers.put(values.astype(np.int32)), "opens": self.listed(opens)}

    def firing(self, p: FS) -> dict[str, int]:
        """Where the thresholds of every channel lie, and their inverses."""
        values = thresholds(p.table, self.frames[p.name].channels)
        inverse = self.inverses.put((1 / values[0]).astype(np.float32))
        return {"theta": self.numbers.put(values.astype(np.int32)), "inverse": inverse}

    def single(self, p: FS, q: Conv2d) -> dict[str, int]:
        """The operation of a convolution of each channel by itself."""
        at, taps = self.windows(self.frames[q.source], p, q, q.dilation)
        weights = np.zeros((taps.size, self.frames[p.name].channels), np.int32)
        weights[:, : p.shape[0]] = q.weights.reshape(p.shape[0], -1).T
        op = {"kind": LANES, "at": self.listed(at), "taps": self.places.put(taps), "parts": taps.size}
        return {**op, "weights": self.numbers.put(weights)}

    def dotted(self, p: FS, q: Projection, which: Literal["low", "high"]) -> dict[str, int]:
        """The operation of any other projection, of its weights or a part of them."""
        source, channels = self.frames[q.source], self.frames[p.name].channels
        weights = dense_weights(q, self.net[q.source])
        if q.weights.dtype != np.int8:
            low = (weights.astype(np.int32) + LOW // 2) % LOW - LOW // 2
            weights = low if which == "low" else (weights - low) // LOW
        match q:
            case Conv2d():
                at, taps = self.windows(source, p, q, q.dilation)
                beside = q.dilation[1] == 1
            case Dense():
                at = source.at(np.array([source.top]), np.array([source.left]))
                _, height, width = self.net[q.source].shape
                taps = (np.arange(height)[:, None] * source.columns + np.arange(width)) * source.channels
                beside = True
            case _:
                assert_never(q)
        length = source.channels * (taps.shape[1] if beside else 1)  # taps that lie side by side are one part
        parts = taps[:, :1] if beside else taps
        op = {"kind": DOTS, "at": self.listed(at), "taps": self.places.put(parts), "parts": parts.size}
        return {**op, "length": length, "weights": self.weights.put(packed(weights, source.channels, channels))}


@kept
def plan_of(net: Network) -> Plan:
    """The plan of a network of which the kernels do something."""
    frames = frames_of(net)
    planner = Planner(net, frames, Shelf(np.int8), Shelf(np.int32, sums_of(net, frames)))
    for name in frames:
        planner.add(net[name])
    rows = [[op.get(column, 0) for column in COLUMNS] for op in planner.operations]
    shelves = planner.weights, planner.numbers, planner.inverses, planner.places
    size = sum(up(own.size, LINE) for own in frames.values())
    return Plan(frames, size, np.array(rows, np.int64), *(shelf.array() for shelf in shelves))


class Room:
    """What one thread works in: the codes of some images, and the plan's numbers with sums of its own before them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.numbers = aligned(plan.numbers.size, np.int32)
        self.numbers[:] = plan.numbers
        self.frames = aligned(0, np.uint8)

    def run(self, images: Ints) -> tuple[Array, Ints]:
        """The codes of images (B, C, H, W), (B, size), as frames say, and the spikes of each population that has one,
        (B, populations). The codes stand until the next run.
        """
        plan, count = self.plan, len(images)
        if self.frames.size < count * plan.size:
            self.frames = aligned(count * plan.size, np.uint8)
        frames = self.frames[: count * plan.size]
        codes = frames.reshape(count, plan.size)
        given = next(iter(plan.frames.values()))  # the input stands first
        given.view(codes, images.shape[1:])[:] = images.transpose(0, 2, 3, 1)
        counts = np.empty((count, len(plan.frames)), np.int64)
        shelves = plan.weights, self.numbers, plan.inverses, plan.places
        drive(frames, frames.view(np.int64), plan.size, *shelves, plan.operations, counts)
        return codes, counts
