"""A network as operations of the dense kernels, planned once: where codes lie, packed weights, lists of places.

Planned is every population that the kernels can do and all of whose sources are: codes 0..255 that are their trains, a
table that is an FS-ReLU, opening membranes within 32 bits (RANGE-2), weights of 15 bits. The others are left to NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines.kernels.dense import COLUMNS, DOTS, LANES, POOL, RAISE, SPIKES, drive
from fsref.law.network import Network
from fsref.law.neuron import Ints, relu_theta
from fsref.law.populations import FS, Input, MaxPool, Population, Readout
from fsref.law.projections import Conv2d, Dense, Projection

Array = NDArray[Any]
BYTE = 2**8
WORD = 2**31
LOW = 2**7  # by so much the higher part of a weight that is no byte counts
ROOM = 2**10  # places that a border may have beside three times those of its map
WIDENED = 2**22  # weights that a projection may have once zeros fill what its groups leave out
LINE = 64  # bytes


def up(size: int, step: int) -> int:
    """The next multiple of a step."""
    return -(-size // step) * step


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


@dataclass(frozen=True)
class Frame:
    """Where the codes of a population lie among those of an image: (rows, columns, channels) bytes from `start` on,
    the map from `top` and `left` on, zeros around it and behind its channels.
    """

    start: int
    rows: int
    columns: int
    channels: int
    top: int
    left: int

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.rows * self.columns * self.channels

    def at(self, y: Ints, x: Ints) -> Ints:
        """Where the channels of places (rows, columns) of the frame begin, of all pairs, (len(y) * len(x),)."""
        return (self.start + (y[:, None] * self.columns + x) * self.channels).ravel()

    def view(self, frames: Array, shape: Sequence[int]) -> Array:
        """The map (B, H, W, C) within the codes of all populations of B images, (B, size)."""
        own = frames[:, self.start : self.start + self.size]
        channels, height, width = shape
        own = own.reshape(len(frames), self.rows, self.columns, self.channels)
        return own[:, self.top : self.top + height, self.left : self.left + width, :channels]


@dataclass(frozen=True, eq=False)
class Plan:
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

    @property
    def nbytes(self) -> int:
        """The bytes of its arrays."""
        arrays = self.operations, self.weights, self.numbers, self.inverses, self.places
        return sum(a.nbytes for a in arrays)


def borders(net: Network) -> dict[str, tuple[int, int, int, int]]:
    """The most padding that any window into each population has: top, left, bottom, right."""
    found = {p.name: (0, 0, 0, 0) for p in net.populations}
    windows = [(q.source, q.padding) for q in net.projections if isinstance(q, Conv2d)]  # the others have none
    for source, padding in windows + [(p.source, p.padding) for p in net.pools]:
        top, left, bottom, right = (max(pair) for pair in zip(found[source], padding, strict=True))
        found[source] = top, left, bottom, right
    return found


def frame(p: Population, border: tuple[int, int, int, int], start: int) -> Frame:
    """The frame of a population that begins at a byte."""
    (channels, height, width), (top, left, bottom, right) = p.shape, border
    step = 4 if p.kind == "input" else 16  # three colours are far from 16 channels
    return Frame(start, height + top + bottom, width + left + right, up(channels, step), top, left)


def dense_size(q: Projection, p: Population, source: Population) -> int:
    """How many weights a projection has with one for each channel of its source."""
    match q:
        case Conv2d(kernel=(kh, kw)):
            return p.shape[0] * source.shape[0] * kh * kw
        case Dense():
            return p.shape[0] * source.neurons
        case _:
            assert_never(q)


def by_channel(q: Projection) -> TypeGuard[Conv2d]:
    """Whether each channel of the target sees one of the source, its own."""
    match q:
        case Conv2d():
            return 1 < q.groups == len(q.weights) and q.weights.shape[1] == 1
        case Dense():
            return False
        case _:
            assert_never(q)


def taken(net: Network) -> list[Population]:
    """The populations that the kernels do, in order."""
    found: dict[str, Population] = {}
    around = borders(net)
    for p in net.populations:
        height, width = p.shape[1:]
        own = frame(p, around[p.name], 0)
        if own.rows * own.columns <= 4 * height * width + ROOM and does(net, p, found):
            found[p.name] = p
    return list(found.values())


def does(net: Network, p: Population, found: Mapping[str, Population]) -> bool:
    """Whether the kernels do a population when they do those that are found."""
    match p:
        case Input():
            return p.max_code < BYTE
        case MaxPool():
            return p.source in found
        case FS():
            theta, low = relu_theta(p.table), int(net.ranges[p.name].opening.min())
            if theta is None or p.steps > 8 or int(theta.max()) >= WORD // 2:
                return False
            if low < -WORD or int(net.ranges[p.name].opening.max()) >= WORD:
                return False
            return all(q.source in found and fits(q, p, found[q.source]) for q in net.into(p.name).values())
        case Readout():
            return False
        case _:
            assert_never(p)


def fits(q: Projection, p: Population, source: Population) -> bool:
    """Whether a projection is one that `dots` or `lanes` can do."""
    if by_channel(q):
        return source.kind != "input"  # whose frame has not as many channels as that of the target
    high = (int(np.abs(q.weights, dtype=np.int64).max()) + LOW // 2) // LOW
    return high < LOW and dense_size(q, p, source) <= max(q.weights.size, WIDENED)


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
        self.operations[-1] |= self.thresholds(p)

    def bias(self, p: FS) -> dict[str, int]:
        """Where the bias of a population lies: one of every channel, or a map."""
        channels, (_, height, width) = self.frames[p.name].channels, p.shape
        values = np.zeros((*p.bias_map.shape[1:], channels), np.int64)
        values[..., : p.shape[0]] = p.bias_map.transpose(1, 2, 0)
        opens = np.arange(height * width) * (channels if p.bias.ndim == 3 else 0)
        return {"opening": self.numbers.put(values.astype(np.int32)), "opens": self.listed(opens)}

    def thresholds(self, p: FS) -> dict[str, int]:
        """Where theta of every channel lies, and behind all of them the most that a membrane counts for."""
        theta = relu_theta(p.table)
        assert theta is not None
        most = np.minimum(theta << p.steps, WORD) - 1
        values = np.ones((2, self.frames[p.name].channels), np.int64)
        values[1] = 0  # of channels that are none
        values[0, : p.shape[0]], values[1, : p.shape[0]] = theta, most
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


def planned(net: Network) -> Plan | None:
    """The plan of what the kernels do of a network; None where that is nothing but its input."""
    frames, size, around = dict[str, Frame](), 0, borders(net)
    done = taken(net)
    for p in done:
        frames[p.name] = frame(p, around[p.name], size)
        size += up(frames[p.name].size, LINE)
    if len(done) < 2:
        return None
    sums = max(p.shape[1] * p.shape[2] * frames[p.name].channels for p in done)
    planner = Planner(net, frames, Shelf(np.int8), Shelf(np.int32, sums))
    for p in done:
        planner.add(p)
    rows = [[op.get(column, 0) for column in COLUMNS] for op in planner.operations]
    shelves = planner.weights, planner.numbers, planner.inverses, planner.places
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
