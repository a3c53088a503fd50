"""What strategies draw a network of: weights, projections, gates, tables and biases that put neurons near where they
decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints, Table, base_two, fs_relu
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape, View
from fsref.law.projections import Conv2d, Dense, Gate, Linear, Padding, Pair, Projection, scale, window_shape
from fsref.tables import Brief
from fsref.verification.within import Within


def drawn_bytes(draw: DrawFn, shape: tuple[int, ...]) -> Any:
    """An array of bytes, one draw however large; it shrinks to zeros."""
    size = int(np.prod(shape))
    return np.frombuffer(draw(st.binary(min_size=size, max_size=size)), np.uint8).reshape(shape)


def drawn_weights(draw: DrawFn, shape: tuple[int, ...], reach: int, within: Within, places: int = 1) -> Ints:
    """int8 weights with zeros among them, or wide ones whose sums, of codes up to `reach`, come near 2^27, 2^34 or 2^56
    (RANGE-4); each is read at `places`.
    """
    fine: Ints = drawn_bytes(draw, shape).view(np.int8).astype(np.int64)
    kind = draw(st.sampled_from(["narrow", "narrow", "narrow", "sparse", "wide"] + ["wide"] * 6 * (reach > 2**20)))
    if kind == "wide":
        bound = draw(st.sampled_from([2**27, 2**34, 2**56] if reach < 2**20 else [2**56]))
        largest = int(np.abs(fine).reshape(len(fine), -1).sum(axis=1).max()) * reach
        fine = fine * (min(bound // max(largest, 1), 2**24 - 1) | 1)  # odd: the low bits count
    return within.weights(np.where(fine % 2 == 0, 0, fine) if kind == "sparse" else fine, reach, places)


def conv_to(
    draw: DrawFn, source: Population, reach: int, target: Shape | None, name: str, within: Within
) -> tuple[Linear, Shape]:
    """A conv2d from `source` into `target`, or into a shape it draws."""
    channels, height, width = source.shape
    groups = draw(st.sampled_from(within.groups(channels, None if target is None else target[0])))
    wanted = {"stride": 3, "kernel": 3, "padding": 2, "dilation": 2}
    paces, kernels, around, apart = (within.pair(what, (n, n)) for what, n in wanted.items())
    stride: Pair = (draw(st.integers(1, paces[0])), draw(st.integers(1, paces[1])))
    if target is None:
        drawn = draw(st.lists(st.integers(0, 2), min_size=4, max_size=4))
        padding: Padding = tuple(map(min, drawn, (*around, *around)))  # type: ignore[assignment]
        kernel: Pair = (draw(st.integers(1, kernels[0])), draw(st.integers(1, kernels[1])))
        dilation: Pair = (draw(st.integers(1, apart[0])), draw(st.integers(1, apart[1])))
        if min(window_shape(source.shape, kernel, stride, padding, dilation)) < 1:
            kernel = (1, 1)
        most = within.channels(int(np.prod(window_shape(source.shape, kernel, stride, padding, dilation))), 5)
        assume(most >= groups or within.free)
        outputs = groups * draw(st.integers(1, max(1, most // groups)))
    else:
        sides: list[tuple[int, int, int]] = []
        outputs, dilation = target[0], (1, 1)
        for size, count, pace in ((height, target[1], stride[0]), (width, target[2], stride[1])):
            short = max(0, (count - 1) * pace + 1 - size)  # padding that makes room for one tap
            before = draw(st.integers(0, short))
            sides.append((before, short - before, size + short - (count - 1) * pace))
        kernel = (min(3, sides[0][2]), min(3, sides[1][2]))
        spare = [side[2] - k for side, k in zip(sides, kernel, strict=True)]
        if any(s >= pace for s, pace in zip(spare, stride, strict=True)):
            kernel = (sides[0][2], sides[1][2])
        padding = (sides[0][0], sides[1][0], sides[0][1], sides[1][1])
    weights = drawn_weights(draw, (outputs, channels // groups, *kernel), reach, within)
    places = window_shape(source.shape, kernel, stride, padding, dilation)
    return Conv2d(source.name, name, weights, stride, padding, dilation, groups), (outputs, *places)


def dense(draw: DrawFn, source: Population, reach: int, outputs: int, name: str, within: Within) -> Dense:
    """A dense projection from `source` to so many outputs, pooled or not."""
    pooled, places = draw(st.booleans()), source.shape[1] * source.shape[2]
    pooled = pooled if within.has("pooled" if pooled else "dense") else not pooled
    read = places if pooled else 1
    weights = drawn_weights(draw, (outputs, source.shape[0] * places // read), reach * read, within, read)
    return Dense(source.name, name, weights, pooled)


def relu(draw: DrawFn, total: Ints, steps: int, within: Within) -> tuple[Table, Ints]:
    """A theta and a bias that give drawn target codes for sums `total` (C, H, W): on the step, one below it, or
    anywhere in it.
    """
    channels = len(total)
    spread = int(total.max() - total.min())
    per_channel = draw(st.booleans()) and within.chip.theta == "channel"
    drawn = drawn_bytes(draw, (channels if per_channel else 1,)).astype(np.int64)
    theta = drawn % 61 + 1 if draw(st.booleans()) else drawn % 5 + 1 + (2 * spread >> steps)
    theta = within.theta(theta, steps)
    wide = np.broadcast_to(theta, channels)[:, None, None]
    target = drawn_bytes(draw, total.shape).astype(np.int64) * 257 >> max(0, 16 - steps)
    above = np.array([0, -1, 0, -1, 0, -1, 1 << 20, 7])[drawn_bytes(draw, total.shape) % 8]
    remainder = np.minimum(above, wide - 1)
    bias = target * wide + remainder - total
    if not draw(st.booleans()) or not within.chip.bias_map:
        flat = bias.reshape(channels, -1)
        bias = flat[np.arange(channels), drawn_bytes(draw, (channels,)) % flat.shape[1]]
    table = fs_relu(steps, theta if per_channel else theta[0])
    odd = draw(st.sampled_from(["", "", "", "", "", "T", "h", "d"]))
    if odd and within.free:  # not quite an FS-ReLU
        rows = {name: getattr(table, name).copy() for name in "Thd"}
        rows[odd][..., draw(st.integers(0, steps - 1))] += 1
        table = Table(**rows)
    return table, bias


def staircase(draw: DrawFn, total: Ints, steps: int, within: Within) -> tuple[Table, Ints]:
    """Any table around sums `total`, of one row or one per channel, and a bias that puts drawn neurons on or one below
    a threshold.
    """
    channels = len(total)
    rows = channels if draw(st.booleans()) and within.chip.theta == "channel" else 1
    size = 1 + int(total.max() - total.min()) // 2
    coarse = drawn_bytes(draw, (3, rows, steps)).astype(np.int64)
    falling = (size >> np.arange(steps)) + 1
    T = (coarse[0] - 100) * falling // 64
    h = (coarse[1] - 60) * falling // 128
    d = (coarse[2] % 12 - 4) * draw(st.sampled_from([1, 1, 2**26 + 1]))
    if draw(st.booleans()):
        d = base_two(steps) * (coarse[2][:, :1] % 3 + 1)  # codes that max-pool takes, under thresholds of their own
        d[:, 0] += coarse[2][:, 0] % 2
    T, h, d = within.rows(T, h, d)
    step = drawn_bytes(draw, total.shape) % steps
    own = np.broadcast_to(T, (channels, steps)), step.reshape(channels, -1).astype(np.intp)
    wanted = np.take_along_axis(*own, axis=1).reshape(total.shape)
    bias = wanted - drawn_bytes(draw, total.shape) % 2 - total
    if not draw(st.booleans()) or not within.chip.bias_map:
        bias = bias.reshape(channels, -1)[:, 0]
    return (Table(T[0], h[0], d[0]) if rows == 1 else Table(T, h, d)), bias


def reach_of(d: Ints) -> int:
    """The largest magnitude any part of a train adds up to."""
    return int(np.abs(d).sum(axis=1).max())


def is_poolable(d: Ints) -> bool:
    """Whether a max-pool may read trains worth d (C, K) (POOL-2)."""
    later = np.cumsum(d[:, ::-1], axis=1)[:, ::-1] - d
    return bool((d > later).all() and (d[:, -1] > 0).all())


def is_gateable(a: Population, b: Population, worth: dict[str, Ints]) -> bool:
    """Whether b may be the factor of a gate from a (GATE-1); products of large codes are left out (RANGE-4)."""
    fit = b.shape in (a.shape, (a.shape[0], 1, 1))
    return fit and reach_of(worth[a.name]) * reach_of(worth[b.name]) <= 2**48


def gate(draw: DrawFn, a: Population, b: Population, worth: dict[str, Ints], name: str, within: Within) -> Gate:
    """A gate from a by b into a population of this name."""
    reach = reach_of(worth[a.name]) * reach_of(worth[b.name])
    weights = drawn_bytes(draw, (a.shape[0], 1)).view(np.int8).astype(np.int64)
    return Gate(a.name, b.name, name, within.weights(weights, reach)[:, 0])


def offsets(draw: DrawFn, product: Gate, factor: Population) -> list[Linear]:
    """What makes the product of two codes that of codes less an offset each, but for a constant (GATE-4); `factor`
    shows that of the gate in the shape of its source.
    """
    of_source, of_factor = (draw(st.integers(-20, 20)) for _ in range(2))
    weights = product.weights.astype(np.int64)
    joined = scale(product.source, product.target, -of_factor * weights)
    return [joined, scale(factor.name, product.target, -of_source * weights)]


@dataclass(eq=False, repr=False)
class Made(Brief):
    """What is drawn of a network so far, and what it sends for the first image: spikes (1, K, C, H, W), d (C, K),
    codes (1, C, H, W) by name.
    """

    populations: list[Population] = field(default_factory=list)
    projections: list[Projection] = field(default_factory=list)
    spikes: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    worth: dict[str, Ints] = field(default_factory=dict)
    codes: dict[str, Ints] = field(default_factory=dict)
    fs: int = 0  # how many FS populations there are

    def name(self, kind: str) -> str:
        """A name for the next population."""
        return f"{kind}{len(self.populations)}"

    def sums(self, shape: Shape, into: Sequence[Projection]) -> Ints:
        """What projections deliver to a population of this shape, (1, C, H, W)."""
        sums = [reference.carried(self.codes[q.source], q, shape, self.codes) for q in into]
        return sum(sums, np.zeros((1, *shape), np.int64))

    def add(self, p: Population, into: Sequence[Projection] = ()) -> None:
        """Put a population, and what enters it, behind the others; an input's spikes are there already."""
        match p:
            case Input():
                self.worth[p.name] = np.tile(base_two(p.steps), (p.shape[0], 1))
            case MaxPool():
                self.spikes[p.name] = reference.max_pool(self.spikes[p.source], p)
                self.worth[p.name] = self.worth[p.source]
            case View():
                self.spikes[p.name] = reference.shown(self.spikes[p.source], p)
                self.worth[p.name] = self.worth[p.source]
            case FS():
                self.spikes[p.name] = reference.fire(self.sums(p.shape, into) + p.bias_map, p.table)[0]
                self.worth[p.name] = p.table.rows(p.shape[0])[2]
                self.fs += 1
            case Readout():
                raise AssertionError("readouts are put among the others at the end")
            case _:
                assert_never(p)
        self.populations.append(p)
        self.projections += into
        self.codes[p.name] = reference.codes(self.spikes[p.name], self.worth[p.name])
