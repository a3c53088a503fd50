"""What a chip's limits leave for the networks of a pack (CHIP-1, VECTOR-3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fsref.errors import NetworkError
from fsref.law.network import Network
from fsref.law.neuron import Ints, Table, fs_relu
from fsref.law.populations import FS, Input, Population, Readout, Shape
from fsref.law.projections import Conv2d, Dense, Projection
from fsref.limits.chip import Limits
from fsref.limits.misfits import misfits
from fsref.vectors.drawing import BYTES, Draws, edges

CLASSES = 24  # logits at most
INPUT, COPY = "in", "copy"


@dataclass
class Room:
    """The limits of a chip, what is drawn within them, how much `smaller` than wished forms are (each one more halves
    weights and numbers of channels, and takes a row and a column), and whether they stand one layer `deeper`.
    """

    chip: Limits
    draws: Draws
    smaller: int = 0
    deeper: bool = False
    before: list[Population] = field(default_factory=list)  # what is given comes from the last of these
    copied: list[Projection] = field(default_factory=list)

    def steps(self, wanted: int) -> int:
        """A K of the chip, as near as can be to the one wanted."""
        low, high = self.chip.reach
        return min(max(wanted, low), high)

    def count(self, wanted: int, axis: int = 0) -> int:
        """Channels, rows or columns, by axis, as many as wanted where the chip has so many."""
        most = wanted if self.chip.shape is None else min(wanted, self.chip.shape[axis])
        return max(1, most - self.smaller if axis else most >> self.smaller)

    def shape(self, channels: int, height: int, width: int) -> Shape:
        """The shape of a population, as large as wanted where the chip has such."""
        return self.count(channels), self.count(height, 1), self.count(width, 2)

    def groups(self, *wanted: int) -> int:
        """The first number of groups that the chip has, 1 where it has none of them."""
        return next((n for n in wanted if self.chip.groups is None or n <= self.chip.groups), 1)

    def dilation(self, wanted: tuple[int, int]) -> tuple[int, int]:
        """A dilation, as large as wanted where the chip has such."""
        most = self.chip.dilation or wanted
        return min(wanted[0], most[0]), min(wanted[1], most[1])

    def weights(self, *shape: int, bits: int = 8) -> Ints:
        """Weights of so many bits, fewer where the chip has fewer: every other one at an end, a power of 2 or 0; the
        lowest and the highest are among them.
        """
        bits = max(1, min(bits, self.chip.weight_bits or 64) - self.smaller)
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        drawn = self.draws.below(high - low + 1, *shape) + low
        edge = np.clip(self.draws.among(BYTES if bits <= 8 else edges(bits, True), *shape), low, high)
        weights: Ints = np.where(self.draws.below(2, *shape), edge, drawn)
        ends = self.draws.below(weights.size, 2)
        weights.reshape(-1)[ends] = low, high
        return weights

    def given(self, shape: Shape, steps: int = 8, max_code: int = 0) -> Input | FS:
        """The input, or behind it, where forms stand one layer deeper, an fs that sends the same codes; the largest
        code is that of all bits unless told.
        """
        steps = self.steps(steps)
        first = Input(INPUT, shape, steps, min(max_code or 2**steps - 1, 2**steps - 1))
        self.before, self.copied = [], []
        if not self.deeper:
            return first
        copy, (c, h, w) = FS(COPY, shape, fs_relu(steps)), shape
        self.before = [first]
        if self.chip.kinds is None or "conv2d" in self.chip.kinds:
            self.copied = [Conv2d(INPUT, COPY, np.eye(c, dtype=np.int64)[:, :, None, None])]
        else:
            self.copied = [Dense(INPUT, COPY, np.eye(c * h * w, dtype=np.int64))]
        return copy

    def relu(self, steps: int, theta: int, channels: int) -> Table:
        """An FS-ReLU; an odd theta differs by channel where the chip has that."""
        steps, theta = self.steps(steps), max(1, theta >> self.smaller)
        if self.chip.theta_power_of_two:
            return fs_relu(steps, 1 << (theta.bit_length() - 1))
        if theta % 2 == 0 or theta == 1 or self.chip.theta == "layer":
            return fs_relu(steps, theta)
        return fs_relu(steps, theta + np.arange(channels) % 5 * 2)

    def table(self, T: Iterable[Any], h: Iterable[Any], d: Iterable[Any]) -> Table:
        """A staircase of rows per channel, or of one row where one is given; of one row each where the chip has one a
        layer.
        """
        rows = [np.array(list(row), np.int64) for row in (T, h, d)]
        return Table(*(row[0] if len(row) == 1 or self.chip.theta == "layer" else row for row in rows))

    def joined(self, source: Population, target: str, weights: Ints) -> Projection:
        """A projection from every neuron of a population: dense, or where the chip has none a conv2d of one window."""
        if self.chip.kinds is None or "dense" in self.chip.kinds:
            return Dense(source.name, target, weights)
        if weights.size != len(weights) * source.neurons:
            place = f"{source.name}->{target}"
            raise NetworkError("PROJ-4", f"{place} weights", "no window reads each neuron alone", weights.shape)
        return Conv2d(source.name, target, weights.reshape(len(weights), *source.shape))

    def network(self, name: str, populations: Sequence[Population], projections: Sequence[Projection]) -> Network:
        """The network of these, and of a readout in which every change of one code of the last population shows.
        Errors: NetworkError.
        """
        last = populations[-1]
        classes = min(last.neurons, self.count(CLASSES))
        weights = np.zeros((classes, last.neurons), np.int64)
        n = np.arange(last.neurons)
        most = 2 ** (min(8, self.chip.weight_bits or 8) - 1) - 1
        weights[n % classes, n] = [1, -1][classes % 2] * (1 + 2 * (n // classes) % max(1, most))
        weights[(n + 1) % classes, n] -= n % 3 == 0
        readout = Readout("out", (classes, 1, 1))
        return self.whole(name, [*populations, readout], [*projections, self.joined(last, "out", weights)])

    def whole(self, name: str, populations: Sequence[Population], projections: Sequence[Projection]) -> Network:
        """The network of these, and of what stands before them. Errors: NetworkError."""
        net = Network([*self.before, *populations], [*self.copied, *projections], name)
        self.check(net)
        return net

    def check(self, net: Network) -> None:
        """Nothing, when the chip can do all of a network. Errors: NetworkError."""
        for found in misfits(net, self.chip):
            raise NetworkError("CHIP-2", found.where, found.breaks, found.value, found.allowed)
