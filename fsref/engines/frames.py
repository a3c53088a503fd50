"""Which populations the dense kernels do, and where the codes of each lie among those of an image.

The kernels do every population whose membranes, and every step of its firing, are proved to stay within 32 bits
(RANGE-2, RANGE-3), whose codes span less than 2^31, and all of whose sources they do. The others are left to NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeGuard, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines.kept import kept
from fsref.law.network import Network
from fsref.law.neuron import Ints, Table, relu_theta
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape, View
from fsref.law.projections import Conv2d, Dense, Gate, Linear, Projection

Array = NDArray[Any]
BYTE = 2**8
WORD = 2**31
ROOM = 2**10  # places that a border may have beside three times those of its map
WEIGHTS = 2**26  # bytes that the weights of a projection may take beside one for each
LINE = 64  # bytes
GROUP, NEARBY = 8, 2**21  # images that go together at most, and the bytes of their codes


def up(size: int, step: int) -> int:
    """The next multiple of a step."""
    return -(-size // step) * step


def bytes_for(most: int) -> int:
    """How many bytes hold every number from 0 to the most."""
    return max(1, -(-most.bit_length() // 8))


@dataclass(frozen=True)
class Frame:
    """Where the codes of a population lie among those of an image: `planes` of (rows, columns, channels) bytes from
    `start` on, `apart` bytes apart, the lowest byte of every code in the first; its map from `top` and `left` on; and
    behind these `trains` planes of its trains, where these are not its codes.

    `low` is added to each code, so that none is negative: it stands around a map, too.
    """

    start: int
    rows: int
    columns: int
    channels: int
    top: int = 0
    left: int = 0
    planes: int = 1
    trains: int = 0
    low: int = 0

    @property
    def apart(self) -> int:
        """The bytes of a plane."""
        return up(self.rows * self.columns * self.channels, LINE)

    @property
    def size(self) -> int:
        """The bytes of all planes."""
        return (self.planes + self.trains) * self.apart

    @property
    def told(self) -> range:
        """The planes that hold its trains."""
        return range(self.planes if self.trains else 0, self.planes + self.trains)

    def at(self, y: Ints, x: Ints) -> Ints:
        """Where the channels of places (rows, columns) of the frame begin, of all pairs, (len(y) * len(x),)."""
        return (self.start + (y[:, None] * self.columns + x) * self.channels).ravel()

    def map(self, shape: Shape) -> Ints:
        """Where the channels of the places of its map begin."""
        return self.at(self.top + np.arange(shape[1]), self.left + np.arange(shape[2]))

    def view(self, frames: Array, shape: Sequence[int], plane: int) -> Array:
        """A plane of the map (B, H, W, C) within the codes of all populations of B images, (B, size)."""
        begin, (channels, height, width) = self.start + plane * self.apart, shape
        own = frames[:, begin : begin + self.rows * self.columns * self.channels]
        own = own.reshape(len(frames), self.rows, self.columns, self.channels)
        return own[:, self.top : self.top + height, self.left : self.left + width, :channels]

    def numbers(self, frames: Array, shape: Sequence[int], planes: range) -> Array:
        """What some planes of the map hold together, (B, H, W, C): bytes, if it is one plane, else int64."""
        if len(planes) == 1:
            return self.view(frames, shape, planes[0])
        own = (self.view(frames, shape, plane).astype(np.int64) << 8 * n for n, plane in enumerate(planes))
        return sum(own, np.zeros(1, np.int64))


def borders(net: Network) -> dict[str, tuple[int, int, int, int]]:
    """The most padding that any window into each population has: top, left, bottom, right; the places of a view that
    show nothing read a row below.
    """
    found = {p.name: (0, 0, 0, 0) for p in net.populations}
    windows = [(q.source, q.padding) for q in net.projections if isinstance(q, Conv2d)]  # the others have none
    windows += [(p.source, p.padding) for p in net.pools]
    shown = [p for p in net.relays if isinstance(p, View)]  # a pool has padding
    windows += [(p.source, (0, 0, 1, 0)) for p in shown if p.gaps]
    for source, padding in windows:
        top, left, bottom, right = (max(pair) for pair in zip(found[source], padding, strict=True))
        found[source] = top, left, bottom, right
    return found


def frame(net: Network, p: Population, border: tuple[int, int, int, int], start: int) -> Frame:
    """The frame of a population that begins at a byte."""
    (channels, height, width), (top, left, bottom, right) = p.shape, border
    step = 16
    if p is net.input:  # asked of it alone: of each of many populations it would take the square of their number
        by_sixteen = {q.source for q in net.projections if by_channel(q) or is_pooled(q)}
        by_sixteen |= {of.source for of in net.relays}
        # Three colours are far from 16 channels: dots read four.
        step = 16 if p.name in by_sixteen else 4
    low, high = ends(net, p)
    trains = 0 if sends_codes(net, p) else bytes_for(2 ** net.steps[p.name] - 1)
    form = height + top + bottom, width + left + right, up(channels, step), top, left
    return Frame(start, *form, bytes_for(high + low), trains, low)


def ends(net: Network, p: Population) -> tuple[int, int]:
    """How far the codes of a population reach below zero, and the largest: those that are sent, and 0 of padding."""
    codes = net.ranges[p.name].codes
    return max(0, -int(codes[:, 0].min())), max(0, int(codes[:, 1].max()))


def sends_codes(net: Network, p: Population) -> bool:
    """Whether the codes of a population are its trains (NET-7, FS-5); those of a max-pool or view are its
    source's (POOL-4, VIEW-2).
    """
    while isinstance(p, MaxPool | View):  # pools of pools may be many
        p = net[p.source]
    match p:
        case FS():
            return relu_theta(p.table) is not None
        case Input() | Readout():
            return True
        case _:
            assert_never(p)


def by_channel(q: Projection) -> TypeGuard[Conv2d]:
    """Whether each channel of the target sees one of the source, its own."""
    match q:
        case Conv2d():
            return 1 < q.groups == len(q.weights) and q.weights.shape[1] == 1
        case Dense() | Gate():
            return False
        case _:
            assert_never(q)


def is_pooled(q: Projection) -> TypeGuard[Dense]:
    """Whether a projection is of the totals of its source's channels."""
    return isinstance(q, Dense) and q.pooled  # a convolution reads places


def begins(q: Conv2d, channels: int, outputs: int) -> tuple[Ints, int]:
    """Where what 16 channels of a target see begins among `channels` of a source, for each 16 of `outputs`, and how
    many channels they see at most, a multiple of 4: with groups, not all.
    """
    if q.groups == 1:
        return np.zeros(outputs // 16, np.int64), channels
    inputs, own = q.weights.shape[1], len(q.weights) // q.groups
    first = np.minimum(np.arange(0, outputs, 16), len(q.weights) - 1)
    last = np.minimum(first + 15, len(q.weights) - 1)
    length = up(int((last // own - first // own).max() + 1) * inputs, 4)
    return np.minimum(first // own * inputs, max(0, channels - length)), min(length, channels)


def digits(q: Projection) -> int:
    """Into how many bytes each weight is taken apart: of so many, each counts 2^7 times the one below it."""
    low, high = int(q.weights.min()), int(q.weights.max())
    count = 1
    while low < -(2**7) or high >= 2**7:
        low, high, count = (low + 2**6) >> 7, (high + 2**6) >> 7, count + 1
    return count


def packed_bytes(q: Linear, source: Frame, outputs: int) -> int:
    """The bytes of the weights of a projection that is not by channel, filled up, one byte of each."""
    match q:
        case Conv2d(kernel=(kh, kw)):
            return outputs * kh * kw * begins(q, source.channels, outputs)[1]
        case Dense(pooled=True):
            return outputs * source.channels
        case Dense():
            return outputs * source.rows * source.columns * source.channels
        case _:
            assert_never(q)


def does(net: Network, p: Population, found: Mapping[str, Frame]) -> bool:
    """Whether the kernels do a population when they do those whose frames are found."""
    match p:
        case Input():
            return True
        case MaxPool() | View():
            return p.source in found
        case FS() | Readout():
            return in_words(net, p) and all(fits(net, q, p, found) for q in net.into(p.name).values())
        case _:
            assert_never(p)


def in_words(net: Network, p: FS | Readout) -> bool:
    """Whether 32 bits hold the membranes of a population, and a few bytes its codes."""
    proved = net.ranges[p.name]
    low, high = int(proved.opening.min()), int(proved.opening.max())
    match p:
        case FS():
            if not divides(p.table):
                low, high = min(low, int(proved.membranes.min())), max(high, int(proved.membranes.max()))
                high += 1  # below 2^31 - 1, which stands for any T that no membrane reaches
            return -WORD <= low and high < WORD and sum(ends(net, p)) < WORD
        case Readout():
            return -WORD <= low and high < WORD
        case _:
            assert_never(p)


def divides(table: Table) -> bool:
    """Whether codes are found by division: of an FS-ReLU whose theta leaves room for what is left of a membrane."""
    theta = relu_theta(table)
    return theta is not None and int(theta.max()) < WORD // 2


def fits(net: Network, q: Projection, p: Population, found: Mapping[str, Frame]) -> bool:
    """Whether the kernels do a source of a projection, and its weights, filled up, do not take far more than they are,
    and a total fits a code. A gate is left to NumPy.
    """
    if isinstance(q, Gate) or q.source not in found:
        return False
    if is_pooled(q) and sum(ends(net, net[q.source])) * prod(net[q.source].shape[1:]) >= WORD:
        return False
    packed = packed_bytes(q, found[q.source], up(p.shape[0], 16))
    return by_channel(q) or packed * digits(q) <= 16 * q.weights.size + WEIGHTS


@dataclass(frozen=True)
class Framing:
    """The frames of the populations that the kernels do, by name, the input's first, and of the totals that pooled
    projections read, by name of the projection; the bytes of an image; and whether the kernels do the whole network.
    """

    frames: dict[str, Frame]
    totals: dict[str, Frame]
    size: int
    whole: bool

    @property
    def group(self) -> int:
        """How many images go together where nothing is recorded: as many as stay near the processor."""
        return max(1, min(GROUP, NEARBY // max(1, self.size)))


@kept
def framing_of(net: Network) -> Framing:
    """The frames of a network."""
    frames, totals, size, around, whole = dict[str, Frame](), dict[str, Frame](), 0, borders(net), False
    for p in net.populations:
        if p in net.readouts and not (net.is_classifier and len(frames) == len(net.spiking)):
            continue  # the kernels read logits, of networks that they do whole
        if not does(net, p, frames):
            continue
        for name, q in net.into(p.name).items():
            if is_pooled(q):
                places = prod(net[q.source].shape[1:])
                low, high = (places * end for end in ends(net, net[q.source]))
                channels = frames[q.source].channels
                totals[name] = Frame(size, 1, 1, channels, planes=bytes_for(low + high), low=low)
                size += totals[name].size
        whole = p is net.readout  # the last
        own = None if whole else frame(net, p, around[p.name], size)
        if own is not None and own.rows * own.columns <= 4 * p.shape[1] * p.shape[2] + ROOM:
            frames[p.name] = own
            size += own.size
    return Framing(frames, totals, size, whole) if len(frames) > 1 or whole else Framing({}, {}, 0, False)


def frames_of(net: Network) -> dict[str, Frame]:
    """The frames of the populations that the kernels do, by name, the input's first; none where they do no more."""
    return framing_of(net).frames
