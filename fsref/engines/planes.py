"""Where the neurons of a fast population lie, and which of them what a projection delivers from a place meets.

A conv2d of stride s is s·s kinds of places: those of a kind meet the same taps, each tap of theirs the next target. So
the spikes of a place leave one patch, targets side by side, and the patch of the next place of its kind lies one
further. A dense projection has one patch, and a table of its own for every place, or one for all when it is pooled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd
from typing import Any, NamedTuple, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.law.populations import Shape
from fsref.law.projections import Conv2d, Dense, Linear
from fsref.tables import Brief

Array: TypeAlias = NDArray[Any]
LANES = 16  # channels are filled up to a multiple of it
MOST = 9 * 32  # lanes of a patch: what a processor has registers for
LINE = 64  # bytes of a cache line


def filled(channels: int) -> int:
    """So many channels, filled up to whole registers."""
    return -(-channels // LANES) * LANES


def aligned(count: int, kind: Any) -> Array:
    """Zeros that begin on a cache line: a register across two of them takes twice as long."""
    dtype = np.dtype(kind)
    raw = np.zeros(count * dtype.itemsize + 64, np.uint8)
    begin = -raw.ctypes.data % 64
    return raw[begin : begin + count * dtype.itemsize].view(dtype)


@dataclass(eq=False, repr=False)
class Arena(Brief):
    """One array in the making, whose parts each begin on a cache line."""

    kind: type[np.integer[Any]]
    parts: list[Array] = field(default_factory=list)
    size: int = 0

    def put(self, values: Array, cut: bool = False) -> int:
        """Where a part begins that is put behind the others, flat; only low bits are kept of what may be cut."""
        begin, per_line = self.size, LINE // np.dtype(self.kind).itemsize
        held = values.astype(self.kind)
        assert cut or (held == values).all(), "a number that its kernel reads whole does not fit"
        self.parts.append(held.ravel())
        self.size += -(-values.size // per_line) * per_line
        return begin

    def whole(self) -> Array:
        """All parts; behind the last some zeros that a register may reach. Nothing is left in the making."""
        made, end = aligned(self.size + MOST, self.kind), self.size
        while self.parts:
            part = self.parts.pop()
            end -= -(-part.nbytes // LINE) * LINE // part.itemsize
            made[end : end + part.size] = part
        return made


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

    def part(self, some: slice, targets: int) -> Kind:
        """The same of some of its taps alone, without places that meet none of so many targets by them."""
        target = self.target + some.start * self.apart
        begin = max(0, self.apart - self.apart * (some.stop - some.start) - target)
        behind = max(begin, min(self.places, targets - target))
        first = self.first + begin * self.step
        return self._replace(first=first, places=behind - begin, taps=self.taps[some], target=target + begin)


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


def axes(q: Linear, source: Shape, target: Shape) -> tuple[list[Kind], list[Kind]]:
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


def tables(q: Linear, source: Shape) -> tuple[int, int]:
    """How many tables of weights a projection has, one for every place or one for all, and the taps of each."""
    match q:
        case Conv2d(kernel=kernel):
            return 1, kernel[0] * kernel[1]
        case Dense(pooled=pooled):
            return 1 if pooled else source[1] * source[2], 1
        case _:
            assert_never(q)


def margins(q: Linear, source: Shape, target: Shape) -> tuple[int, int, int, int]:
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
    """How membranes lie in memory from `begin` on: (H, W, C), C filled up, with margins; `first` is that of place
    (0, 0).
    """

    shape: Shape
    around: tuple[int, int, int, int]
    begin: int = 0

    @property
    def channels(self) -> int:
        """C, filled up."""
        return filled(self.shape[0])

    @property
    def inner(self) -> int:
        """How many numbers a neuron, or lane filled up, of each place takes without margins."""
        return self.shape[1] * self.shape[2] * self.channels

    @property
    def row(self) -> int:
        """From a row to the next."""
        return (self.around[1] + self.shape[2] + self.around[3]) * self.channels

    @property
    def first(self) -> int:
        """Where place (0, 0) begins."""
        return self.begin + self.around[0] * self.row + self.around[1] * self.channels

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
