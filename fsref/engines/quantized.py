"""The quantised network: dense integer layers on codes, division or staircase lookup, no time axis.

Products run in float32 or float64 BLAS where the proof allows: while both ends of any_order stay within 2^24 or 2^53
every partial sum, in whatever order, is an integer the type holds exactly (RANGE-1). Beyond that they run in int64.
Arrays are (B, H, W, C), so that what a window sees of a row of its source lies side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines.activity import Activity
from fsref.engines.engine import OBJECTS, Simulator, Wanted
from fsref.law.network import Network
from fsref.law.neuron import Ints, relu_theta, staircase
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape
from fsref.law.projections import Conv2d, Dense, Pair, Projection

kernels = "NumPy and its BLAS"
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


def product(a: Array, matrix: Array) -> Array:
    """a (..., N) @ matrix (N, O), of at least 8 rows and at most ONE_CALL at a time."""
    rows, outputs = a.reshape(-1, len(matrix)), matrix.shape[1]
    total = np.zeros((len(rows), outputs), a.dtype)
    depth = max(1, ONE_CALL // (8 * outputs))
    for first in range(0, len(matrix), depth):
        part, own = matrix[first : first + depth], rows[:, first : first + depth]
        step = max(1, ONE_CALL // part.size)
        even = len(rows) // step * step
        total[:even] += (own[:even].reshape(-1, step, len(part)) @ part).reshape(even, outputs)
        total[even:] += own[even:] @ part
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


def layer(projection: Projection, source: Shape, shape: Shape, kind: type[np.generic]) -> Layer:
    """A function from codes (B, H, W, C) to sums (B, H_out, W_out, O) (PROJ-1 to PROJ-5)."""
    match projection:
        case Conv2d():
            return convolved(projection, source, shape, kind)
        case Dense():
            return multiplied(projection, source, kind)
        case _:
            assert_never(projection)


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
            total += product(a, matrices[r, 0]) if groups == 1 else a @ matrices[r]
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


def simulator(net: Network) -> Simulator:
    """A function from images (B, C, H, W) to the activity of every population in turn."""
    types = kinds(net)
    layers = {
        name: layer(q, net[q.source].shape, net[q.target].shape, types[q.target])
        for name, q in net.named_projections.items()
    }
    answers = {p.name: answer(net, p) for p in net.fs}

    def membrane(p: FS | Readout, known: dict[str, Answer], keep: bool) -> tuple[Array, dict[str, Ints]]:
        """The opening membranes (B, H, W, C), and the sums (B, C, H, W) they are made of when these are kept (NET-5,
        NET-6).
        """
        totals = {name: layers[name](known[q.source][1]) for name, q in net.into(p.name).items()}
        bias = p.bias_map.transpose(1, 2, 0).astype(types[p.name])
        kept = {name: channels_first(total).astype(np.int64) for name, total in totals.items() if keep}
        return sum(totals.values(), bias), kept

    def simulate(images: Ints, wanted: Wanted) -> Iterator[Activity]:
        known: dict[str, Answer] = {}
        for p in net.populations:
            wants = wanted.get(p.name, frozenset[str]())
            sums: dict[str, Ints] = {}
            opening: Ints | None = None
            after: Ints | None = None
            match p:
                case Input():
                    trains = np.ascontiguousarray(images.transpose(0, 2, 3, 1), dtype=np.uint16)
                    known[p.name] = trains, trains  # NET-7: the train of an input is its code
                case MaxPool():
                    trains, codes = known[p.source]
                    largest = pooled(trains, p)
                    known[p.name] = largest, largest if codes is trains else pooled(codes, p)
                case FS():
                    v, sums = membrane(p, known, "sums" in wants)
                    known[p.name] = answers[p.name](v)
                    if wants & {"opening", "membranes"}:
                        opening = channels_first(v).astype(np.int64)
                    if opening is not None and "membranes" in wants:
                        after = membranes(opening, channels_first(known[p.name][0]), p.table.rows(p.shape[0])[1])
                case Readout():
                    v, sums = membrane(p, known, "sums" in wants)
                    yield Activity(p.name, opening=channels_first(v).astype(np.int64), sums=sums)
                    return
                case _:
                    assert_never(p)
            trains, codes = map(channels_first, known[p.name])
            yield Activity(p.name, trains, codes.astype(np.int64) if "codes" in wants else None, opening, after, sums)

    return simulate


def kinds(net: Network) -> dict[str, type[np.generic]]:
    """The type of the sums of every population, by name (RANGE-1)."""
    return {p.name: product_type(int(np.abs(net.ranges[p.name].any_order).max())) for p in net.populations}


def shared_bytes(net: Network, threads: int) -> int:
    """A bound on the bytes that images share: the weights of every projection in the type of its sums, the
    places of its windows, all staircases; and the one of them in the making.
    """
    kept, making, types = 0, 0, kinds(net)
    for q in net.projections:
        wide = np.dtype(types[q.target]).itemsize * q.weights.size
        match q:
            case Conv2d(kernel=(kh, kw)):
                _, height, width = net[q.target].shape
                places = 8 * (height * kh + width * kw)
            case Dense():
                places = 0
            case _:
                assert_never(q)
        kept, making = kept + wide + places, max(making, wide + q.weights.nbytes + 3 * places)
    for p in net.fs:
        if relu_theta(p.table) is None:
            stair = 8 * 2**p.steps  # one row of numbers
            kept, making = kept + 3 * stair * (p.table.channels or 1), max(making, 10 * stair)
    return kept + making + OBJECTS * (len(net.populations) + len(net.projections))


def working_bytes(net: Network) -> int:
    """A bound on the bytes one image takes: trains and codes of all populations, the membranes of the one before, and
    what the population at work takes.
    """
    types, same = kinds(net), alike(net)
    held = sum((2 if same[p.name] else 2 + 8) * p.neurons for p in net.populations)
    before = 8 * max(p.neurons for p in net.populations)
    return held + before + max(at_work(net, p, types, same) for p in net.populations) + OBJECTS * len(types)


def alike(net: Network) -> dict[str, bool]:
    """Whether the codes of each population are its trains (NET-7, FS-5), by name; those of a max-pool are its source's
    (POOL-4), which stands before it.
    """
    found: dict[str, bool] = {}
    for p in net.populations:
        match p:
            case Input() | Readout():
                found[p.name] = True
            case MaxPool():
                found[p.name] = found[p.source]
            case FS():
                found[p.name] = relu_theta(p.table) is not None
            case _:
                assert_never(p)
    return found


def at_work(net: Network, p: Population, types: Mapping[str, type[np.generic]], same: Mapping[str, bool]) -> int:
    """The most bytes held for one image while a population is at work, beside trains and codes; n is its neurons."""
    n, size = p.neurons, np.dtype(types[p.name]).itemsize
    match p:
        case Input():
            return 8 * n  # codes in 64 bits
        case MaxPool():
            places = _windows(net[p.source].shape, p.shape, p.kernel)
            return max(8 * n, (2 if same[p.name] else 8) * places)
        case FS() | Readout():
            into = net.into(p.name).values()
            sums, kept = size * n * len(into), 8 * n * len(into)
            summing = max(_layer(q, net[q.source].shape, p.shape) for q in into) * size
            adding = 2 * size * n + kept  # the total before and after; sums in 64 bits
            steps = net.steps[p.name]
            # v; what is looked up: v in 64 bits, steps, places, codes; or the quotient, clipped
            firing = size * n + max(4 * 8 * n, 2 * size * n)
            # v; opening, membranes, one in the making; codes
            telling = size * n + 8 * n * (1 + steps + 2) + 4 * n + 8 * n
            return max(sums + max(summing, adding), kept + max(firing, telling))
        case _:
            assert_never(p)


def _layer(q: Projection, source: Shape, shape: Shape) -> int:
    """The most numbers that a layer holds for one image, its sums apart (`convolved`, `multiplied`)."""
    outputs, height, width = shape
    n, places = outputs * height * width, source[0] * source[1] * source[2]
    match q:
        case Dense():
            return 2 * places + 2 * n  # codes, those of one product; two sums of it
        case Conv2d(kernel=(_, kw), groups=groups):
            framed = source[0] * (source[1] + 1) * (source[2] + 1)
            if groups > 1 and q.weights.shape[1] == 1:
                # One row of taps, one tap, its product.
                return framed + source[0] * height * (source[2] + 1 + width) + n
            taken = source[0] * (source[1] + 1) * width * kw
            rows = source[0] * height * width * kw
            # What a row of the kernel sees, its part in one product; two sums of it, and one turned at the end.
            return max(framed + taken, (2 if groups > 1 else 1) * taken + 2 * rows + 2 * n)
        case _:
            assert_never(q)


def _windows(source: Shape, shape: Shape, kernel: Pair) -> int:
    """The most numbers that `pooled` holds for one image: framed, by row taken and largest, by column taken."""
    channels, height, width = source
    framed, taken = (height + 1) * (width + 1), (height + 1) * shape[2] * kernel[1]
    by_row, rows = (height + 1) * shape[2], shape[1] * kernel[0] * shape[2]
    return channels * max(framed + taken, taken + by_row, by_row + rows + shape[1] * shape[2])
