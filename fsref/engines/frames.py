"""Which populations the dense kernels do, and where the codes of each lie among those of an image.

The kernels do every population that they can and all of whose sources they do: codes 0..255 that are their trains, a
table that is an FS-ReLU, opening membranes within 32 bits (RANGE-2), weights of 15 bits. The others are left to NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines.kept import kept
from fsref.engines.kernels.dense import COLUMNS
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
MORE = 16  # at most so many numbers stand between two lists


def up(size: int, step: int) -> int:
    """The next multiple of a step."""
    return -(-size // step) * step


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


def borders(net: Network) -> dict[str, tuple[int, int, int, int]]:
    """The most padding that any window into each population has: top, left, bottom, right."""
    found = {p.name: (0, 0, 0, 0) for p in net.populations}
    windows = [(q.source, q.padding) for q in net.projections if isinstance(q, Conv2d)]  # the others have none
    for source, padding in windows + [(p.source, p.padding) for p in net.pools]:
        top, left, bottom, right = (max(pair) for pair in zip(found[source], padding, strict=True))
        found[source] = top, left, bottom, right
    return found


def frame(net: Network, p: Population, border: tuple[int, int, int, int], start: int) -> Frame:
    """The frame of a population that begins at a byte."""
    (channels, height, width), (top, left, bottom, right) = p.shape, border
    by_sixteen = {q.source for q in net.projections if by_channel(q)} | {pool.source for pool in net.pools}
    # Three colours are far from 16 channels: `dots` reads four.
    step = 4 if p is net.input and p.name not in by_sixteen else 16
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
        own = frame(net, p, around[p.name], 0)
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
        return True
    high = (int(np.abs(q.weights, dtype=np.int64).max()) + LOW // 2) // LOW
    return high < LOW and dense_size(q, p, source) <= max(q.weights.size, WIDENED)


@kept
def frames_of(net: Network) -> dict[str, Frame]:
    """The frames of the populations that the kernels do, by name, the input's first; none where there is no other."""
    frames, size, around = dict[str, Frame](), 0, borders(net)
    for p in taken(net):
        frames[p.name] = frame(net, p, around[p.name], size)
        size += up(frames[p.name].size, LINE)
    return frames if len(frames) > 1 else {}


def sums_of(net: Network, frames: Mapping[str, Frame]) -> int:
    """How many sums the largest population has."""
    return max(net[name].shape[1] * net[name].shape[2] * own.channels for name, own in frames.items())


@kept
def plan_bytes(net: Network) -> tuple[int, int]:
    """A bound on the bytes of a plan, of it in the making, too: lists for every population and projection, and weights
    of at most two parts; and on those of the numbers that each thread has of its own.
    """
    frames, numbers, lists, weights, making = frames_of(net), 0, 0, 0, 0
    for name in frames:
        lists += 2 * (net[name].shape[1] * net[name].shape[2] + MORE) + len(COLUMNS)
    for p in net.fs:
        if p.name not in frames:
            continue
        own, places = frames[p.name], p.shape[1] * p.shape[2]
        numbers += ((places if p.bias.ndim == 3 else 1) + 4) * own.channels + MORE
        lists += 3 * (places + MORE)
        for q in net.into(p.name).values():
            source = net[q.source]
            taps = dense_size(q, p, source) // (p.shape[0] * source.shape[0])
            lists += 2 * (places + taps + 2 * MORE + len(COLUMNS))
            numbers += taps * own.channels + MORE if by_channel(q) else 0
            parts, size = (1 if q.weights.dtype == np.int8 else 2), taps * frames[q.source].channels * own.channels
            weights += 0 if by_channel(q) else parts * size + MORE
            making = max(making, size if parts == 1 else 16 * size)
    numbers += sums_of(net, frames)
    return 2 * (8 * lists + 4 * numbers + weights) + making, 4 * numbers
