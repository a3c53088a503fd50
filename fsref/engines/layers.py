"""Layers of the quantised network in NumPy: products on codes, division or staircase lookup, no time axis.

Products run in float32 or float64 BLAS where the proof allows: while both ends of any_order stay within 2^24 or 2^53
every partial sum, in whatever order, is an integer the type holds exactly (RANGE-1). Beyond that they run in int64.
Arrays are (B, H, W, C), so that what a window sees of a row of its source lies side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines.kept import kept
from fsref.law.network import Network
from fsref.law.neuron import Ints, relu_theta, staircase
from fsref.law.populations import FS, MaxPool, Shape, View
from fsref.law.projections import Conv2d, Dense, Gate, Linear

Array = NDArray[Any]
Layer = Callable[[Array], Array]
# Trains, and codes in any type; the same array twice where they are the same (NET-7, FS-5).
Answer = tuple[NDArray[np.uint16], Array]
# Multiply-adds of one BLAS call: few enough that BLAS starts no threads, which would wait for those of the run.
ONE_CALL = 2**18


def product_type(reach: int) -> type[np.generic]:
    """The fastest type that holds every integer within -reach..reach, so that products and sums there are exact
    (RANGE-1).
    """
    return np.float32 if reach <= 2**24 else np.float64 if reach <= 2**53 else np.int64


def multiply(a: Array, matrix: Array) -> Array:
    """a @ matrix. A BLAS may flag what it computes of lanes that it throws away: integers within reach are no NaN."""
    with np.errstate(invalid="ignore"):
        return np.asarray(a @ matrix)


def product(a: Array, matrix: Array) -> Array:
    """a (..., N) @ matrix (N, O), of at least 8 rows and at most ONE_CALL at a time."""
    rows, outputs = a.reshape(-1, len(matrix)), matrix.shape[1]
    total = np.zeros((len(rows), outputs), a.dtype)
    depth = max(1, ONE_CALL // (8 * outputs))
    for first in range(0, len(matrix), depth):
        part, own = matrix[first : first + depth], rows[:, first : first + depth]
        step = max(1, ONE_CALL // part.size)
        even = len(rows) // step * step
        total[:even] += multiply(own[:even].reshape(-1, step, len(part)), part).reshape(even, outputs)
        total[even:] += multiply(own[even:], part)
    return total.reshape(*a.shape[:-1], outputs)


def window_index(size: int, count: int, before: int, kernel: int, stride: int, dilation: int) -> NDArray[np.intp]:
    """(count, kernel): the place tap r of window y falls on, `size` for padding (PROJ-1)."""
    at = np.arange(count)[:, None] * stride + np.arange(kernel) * dilation - before
    return np.where((at < 0) | (at >= size), size, at)


def framed(a: Array, fill: int, kind: Any) -> Array:
    """a (B, H, W, C) with one more row and column that hold `fill`: what padding reads."""
    batch, height, width, channels = a.shape
    out = np.full((batch, height + 1, width + 1, channels), fill, kind)
    out[:, :height, :width] = a
    return out


def layer(projection: Linear, source: Shape, shape: Shape, kind: type[np.generic]) -> Layer:
    """A function from codes (B, H, W, C) to sums (B, H_out, W_out, O) (PROJ-1 to PROJ-5)."""
    match projection:
        case Conv2d():
            return convolved(projection, source, shape, kind)
        case Dense():
            return multiplied(projection, source, kind)
        case _:
            assert_never(projection)


def gated(gate: Gate, kind: type[np.generic]) -> Callable[[Array, Array], Array]:
    """A function from codes of source and factor, (B, H, W, C) and (B, H, W, C) or (B, 1, 1, C), to sums (GATE-1).
    Exact in floats, too: of a product that is not 0 no part is larger than the whole.
    """
    weights = gate.weights.astype(kind)

    def product_of(codes: Array, factor: Array) -> Array:
        return np.asarray(codes.astype(kind) * weights * factor.astype(kind))

    return product_of


def multiplied(projection: Dense, source: Shape, kind: type[np.generic]) -> Layer:
    """The function of a dense projection (PROJ-4, PROJ-5)."""
    weights = projection.weights
    if not projection.pooled:
        weights = weights.reshape(-1, *source).transpose(0, 2, 3, 1)
    matrix = np.ascontiguousarray(weights.reshape(len(weights), -1).T, dtype=kind)

    def dense(codes: Array) -> Array:
        a = codes.sum(axis=(1, 2), dtype=np.int64) if projection.pooled else codes.reshape(len(codes), -1)
        return product(a.astype(kind), matrix)[:, None, None]

    return dense


def convolved(projection: Conv2d, source: Shape, shape: Shape, kind: type[np.generic]) -> Layer:
    """The function of a conv2d (PROJ-1 to PROJ-3)."""
    groups, (outputs, inputs, kh, kw) = projection.groups, projection.weights.shape
    filters = projection.weights.astype(kind).reshape(groups, outputs // groups, inputs, kh, kw)
    filters = filters.transpose(3, 0, 4, 2, 1)  # (kh, G, kw, I, O / G)
    rows = window_index(source[1], shape[1], projection.padding[0], kh, projection.stride[0], projection.dilation[0])
    columns = window_index(source[2], shape[2], projection.padding[1], kw, projection.stride[1], projection.dilation[1])

    def depthwise(codes: Array) -> Array:
        """Tap by tap, for groups of one channel."""
        a, total = framed(codes, 0, kind), np.zeros((len(codes), *shape[1:], groups, outputs // groups), kind)
        for r in range(kh):
            row = a.take(rows[:, r], axis=1)
            for c in range(kw):
                total += row.take(columns[:, c], axis=2)[..., None] * filters[r, :, c, 0]
        return total.reshape(len(codes), *shape[1:], outputs)

    matrices = np.ascontiguousarray(filters.reshape(kh, groups, kw * inputs, -1))

    def conv2d(codes: Array) -> Array:
        """Row by row of the kernel: what each window sees of a row of the source, times the row's weights."""
        taken = framed(codes, 0, kind).take(columns.ravel(), axis=2)
        taken = taken.reshape(len(codes), source[1] + 1, shape[2], kw, groups, inputs)
        seen = taken.transpose(0, 1, 4, 2, 3, 5).reshape(len(codes), source[1] + 1, groups, shape[2], kw * inputs)
        total = np.zeros((len(codes), shape[1], groups, shape[2], outputs // groups), kind)
        for r in range(kh):
            a = seen.take(rows[:, r], axis=1)
            total += product(a, matrices[r, 0]) if groups == 1 else multiply(a, matrices[r])
        return total.swapaxes(2, 3).reshape(len(codes), *shape[1:], outputs)

    return depthwise if inputs == 1 < groups else conv2d


def answer(net: Network, population: FS) -> Callable[[Array], Answer]:
    """A function from opening membranes (B, H, W, C) to trains and codes: FS-5 in closed form, any other table by
    FS-6.
    """
    table, channels, proved = population.table, population.shape[0], net.ranges[population.name]
    theta = relu_theta(table)
    if theta is not None:
        # Exact for floats, too: a quotient errs by less than 2^-24 (2^-53) of itself, and v / theta lies 1 / v of
        # itself or more below the next integer.
        kind = product_type(max(int(np.abs(proved.any_order).max()), int(theta.max())))
        divide, divisor = np.floor_divide if kind is np.int64 else np.divide, theta.astype(kind)

        def relu(v: Array) -> Answer:
            codes = np.clip(divide(v.astype(kind, copy=False), divisor), 0, 2**table.steps - 1).astype(np.uint16)
            return codes, codes

        return relu
    T, h, d = table.rows(channels)
    opening, alike = proved.opening, table.channels is None
    reach = [(int(opening[:, 0].min()), int(opening[:, 1].max()))] if alike else opening.tolist()
    stairs = [staircase(T[c], h[c], d[c], low, high) for c, (low, high) in enumerate(reach)]

    def look_up(v: Array) -> Answer:
        trains, codes = np.empty(v.shape, np.uint16), np.empty(v.shape, np.int64)
        for c, stair in enumerate(stairs):
            own = (..., slice(None) if alike else c)
            place = np.searchsorted(stair.start, v[own].astype(np.int64), side="right") - 1
            trains[own], codes[own] = stair.train[place], stair.code[place]
        return trains, codes

    return look_up


def pooled(a: Array, pool: MaxPool) -> Array:
    """The largest of every window (B, H_out, W_out, C) of a (B, H, W, C) (POOL-1, POOL-3)."""
    _, height, width = pool.shape
    rows = window_index(a.shape[1], height, pool.padding[0], pool.kernel[0], pool.stride[0], 1)
    columns = window_index(a.shape[2], width, pool.padding[1], pool.kernel[1], pool.stride[1], 1)
    by_row = (
        framed(a, np.iinfo(a.dtype).min, a.dtype)
        .take(columns.ravel(), axis=2)
        .reshape(len(a), -1, *columns.shape, a.shape[3])
        .max(axis=3)
    )
    largest: Array = by_row.take(rows.ravel(), axis=1).reshape(len(a), *rows.shape, width, a.shape[3]).max(axis=2)
    return largest


def shown(a: Array, view: View) -> Array:
    """What a view shows, (B, H, W, C), of a (B, H, W, C); 0 where it shows nothing (VIEW-1)."""
    rows, columns = (
        np.where(places < 0, size, places) for places, size in zip((view.rows, view.columns), a.shape[1:], strict=False)
    )
    made: Array = framed(a, 0, a.dtype).take(rows, axis=1).take(columns, axis=2)
    return made


def membranes(v: Ints, trains: NDArray[np.uint16], h: Ints) -> Ints:
    """(B, K, C, H, W): v less the resets of the train so far (FS-3)."""
    steps = h.shape[1]
    after = np.empty((len(v), steps, *v.shape[1:]), np.int64)
    for t in range(steps):
        v = v - h[:, t, None, None] * (trains >> (steps - 1 - t) & 1)
        after[:, t] = v
    return after


def channels_first(a: Array) -> Array:
    """The view (B, C, H, W) of a (B, H, W, C)."""
    return a.transpose(0, 3, 1, 2)


@kept
def kinds(net: Network) -> dict[str, type[np.generic]]:
    """The type of the sums of every population, by name (RANGE-1)."""
    return {p.name: product_type(int(np.abs(net.ranges[p.name].any_order).max())) for p in net.populations}
