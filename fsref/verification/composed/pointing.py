"""Weights that are read in turn, by a pointer that does not move on as inputs do (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Conv2d
from fsref.verification.composed.delivering import Read, delivered, reached, read_of, rows_of
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Mask, Part, last_before
from fsref.verification.taps import products

MOST = 2**20  # products, of all images, of a conv2d that is followed row by row
WIDE = (8, 16, 32)  # neurons of a memory's row, by which a pointer may move on
LANES = (1, 2, 4, 8)  # outputs that are made at once, the weights of each in a memory of its own
TILES = (4, 8, 16)  # inputs, and outputs, of a tile
NOWHERE = -1  # before the first
Unit: TypeAlias = Callable[[Shape], int]  # neurons that are skipped together, from the shape of a source
UNITS: tuple[tuple[str, Unit], ...] = (
    ("neuron", lambda shape: 1),
    *((f"word of {n} neurons", lambda shape, n=n: n) for n in (2, 4, 8, 16, 32, 64)),
    ("row", lambda shape: shape[2]),
    ("channel", lambda shape: shape[1] * shape[2]),
)
SILENT: tuple[tuple[str, bool], ...] = (("sends nothing", False), ("sends nothing in a step", True))


def points_otherwise() -> Iterator[Change]:
    """Weights of other addresses, as a pointer comes to them."""
    for (what, unit), (silent, by_step) in product(UNITS, SILENT):
        text = f"in yours the weights of a dense do not move on with a {what} that {silent}"
        yield Change(text, 2, partial(_skipped, unit, by_step, 0, 1))
    for n in TILES:
        text = "in yours the weights of a dense do not move on with a neuron that sends nothing, in its tile of"
        yield Change(f"{text} {n} inputs", 2.1, partial(_skipped_in_tiles, n))
    for silent, by_step in SILENT:
        text = f"in yours the weights of a window do not move on with a row that {silent}, or that is not there"
        yield Change(text, 2, partial(_rows_skipped, by_step))
    for n, lanes in product(WIDE, LANES):
        text = f"in yours the weights of a dense move on by {n} with a row that sends nothing in a step"
        yield Change(f"{text}{_on(lanes)}", 2.1 + lanes / 100, partial(_skipped, UNITS[-2][1], True, n, lanes))
    for n, lanes in product(WIDE, LANES):
        text = f"in yours the weights of a dense move on by {n} with a row that sends something in a step"
        yield Change(f"{text}{_on(lanes)}", 2.1 + lanes / 100, partial(_rows_apart, n, lanes), unsaid=MOSTLY)
    for (words, on), lanes in product(
        (("further in each step but the first", False), ("further with each step", True)), LANES
    ):
        text = f"in yours the weights of a dense begin one {words}"
        yield Change(f"{text}{_on(lanes)}", 2.1 + lanes / 100, partial(_begun_on, on, lanes), unsaid=MOSTLY)
    for lanes in LANES:
        text = "in yours the weights of a step begin behind those of the step before"
        yield Change(f"{text}{_on(lanes)}", 2.1 + lanes / 100, partial(_not_rewound, lanes), unsaid=MOSTLY)
    for n in TILES:
        text = f"in yours the spikes of the last step have the weights of the next tile of {n} inputs and {n} outputs"
        yield Change(text, 2.2, partial(_ahead, n, False), unsaid=MOSTLY)
        text = f"{text}, and those that the last tile lacks stay"
        yield Change(text, 2.3, partial(_ahead, n, True), unsaid=MOSTLY)
    for n in LANES:
        text = "in yours a spike of a dense has, at each output, the weight that it had read for the one"
        where = f"{n} before, at the first ones that of the spike before for the last"
        dear = 3.5 if n == 1 else 2.7 + n / 100  # one channel alone may have the weights of the one before it
        yield Change(f"{text} {where}", dear, partial(_late_by_spike, n), unsaid=MOSTLY)
    for n in LANES[1:]:
        for order, turned in (("step by step", False), ("input by input", True)):
            text = f"in yours the first spike that comes to an output of a dense, {order}, has the weight of the output"
            yield Change(f"{text} {n} before", 2.1 + 0.1 * turned, partial(_first, n, turned), unsaid=MOSTLY)
    for name, unit in (("", UNITS[0][1]), *UNITS[:1], *UNITS[3:4], *UNITS[-2:]):
        said = f", where a {name} without a spike is skipped" if name else ""
        text = f"in yours a spike of a dense has the weight that was read for the neuron before it{said}"
        for lanes in LANES:
            where = f"{text}, the first that for the output {lanes} before"
            yield Change(where, 2.2 + lanes / 100, partial(_late, unit, not name, lanes), unsaid=MOSTLY)
        lost = partial(_without_last, unit, not name)
        yield Change(f"in yours the last product of each sum is lost{said}", 2.1, lost)


def _on(lanes: int) -> str:
    """In words to whose weights a pointer comes that runs on."""
    return "" if lanes == 1 else f", and run on to those of the output {lanes} behind"


def _busy(read: Read, unit: Unit, by_step: bool) -> Mask:
    """Which neurons (B, K, neurons) lie with one that fires, in their step or at all."""
    neurons, n = read.codes[0].size, unit(read.codes.shape[1:])
    z = _flat(read)
    words = np.pad(z, ((0, 0), (0, 0), (0, -neurons % n))).reshape(*z.shape[:2], -1, n).any(axis=3)
    words = words if by_step else words | np.logical_or.reduce(words, axis=1, keepdims=True)
    return np.repeat(words, n, axis=2)[..., :neurons]


def _visited(read: Read, unit: Unit, every: bool) -> Mask:
    """Which neurons are read in each step, (B, K, neurons): `every` one, or those that are not skipped together."""
    return np.ones(_flat(read).shape, np.bool_) if every else _busy(read, unit, True)


def _skipped(unit: Unit, by_step: bool, moves: int, lanes: int, part: Part) -> Ints:
    """What is delivered by the weights of a dense that move on by so many with those that are skipped together."""
    read = read_of(part)
    if read.q.weights.shape != (len(read.weights), read.codes[0].size):
        return part.right
    n = unit(read.codes.shape[1:])
    busy = _busy(read, unit, by_step)
    if busy.all():
        return part.right
    first = np.arange(busy.shape[2]) % n == 0
    by = np.where(busy, 1, first * moves)
    return _walked(np.cumsum(by, axis=2) - by, lanes, part)


def _begun_on(on: bool, lanes: int, part: Part) -> Ints:
    """The same that begin one neuron later in each step but the first, or one more with each."""
    read = read_of(part)
    if read.q.weights.shape != (len(read.weights), read.codes[0].size):
        return part.right
    step = np.arange(len(read.d))[:, None]
    at = np.arange(read.codes[0].size) + (step if on else np.minimum(step, 1))
    return _walked(np.broadcast_to(at, _flat(read).shape), lanes, part)


def _rows_apart(n: int, lanes: int, part: Part) -> Ints:
    """The same where rows with a spike are so many apart."""
    read = read_of(part)
    if read.q.weights.shape != (len(read.weights), read.codes[0].size) or read.codes.shape[3] == n:
        return part.right
    width = read.codes.shape[3]
    busy = _busy(read, UNITS[-2][1], True)
    at = np.arange(busy.shape[2])
    by = np.where(at % width == width - 1, np.where(busy, n - width + 1, 1), 1)
    return _walked(np.cumsum(by, axis=2) - by, lanes, part)


def _skipped_in_tiles(n: int, part: Part) -> Ints:
    """The same of neurons, from the first of each tile of so many on."""
    read = read_of(part)
    if read.q.weights.shape != (len(read.weights), read.codes[0].size):
        return part.right
    busy = _busy(read, UNITS[0][1], False)
    own = np.arange(busy.shape[2])
    before: Ints = np.cumsum(busy, axis=2) - busy
    return _walked(own // n * n + before - before[:, :, own // n * n], 1, part)


def _flat(read: Read) -> Mask:
    """Spikes by address, (B, K, neurons)."""
    return read.spikes.reshape(*read.spikes.shape[:2], -1)


def _walked(at: NDArray[np.intp], lanes: int, part: Part, some: Mask | None = None) -> Ints:
    """What a dense delivers of `some` spikes when each neuron has the weight at another address in each step,
    (B, K, neurons), counted from the first one of its output; behind the last one of that come those of the output so
    many `lanes` behind.
    """
    read = read_of(part)
    by_neuron = read.by_neuron
    assert by_neuron is not None, "of a dense"
    outputs, neurons = by_neuron.shape
    channels = np.repeat(np.arange(read.codes.shape[1]), neurons // read.codes.shape[1])
    image, step, n = np.nonzero(_flat(read) if some is None else _flat(read) & some)
    worth, address = read.d[step, channels[n], 0, 0], at[image, step, n]
    size = int(max(address.max(initial=0) + 1, neurons))
    codes = np.zeros((len(at), size), np.int64)  # by the address of their weights
    np.add.at(codes, (image, address), worth)
    turn, own = np.divmod(np.arange(size), neurons)
    output = np.arange(outputs)[:, None] + lanes * turn
    there = output < outputs
    weights = by_neuron[np.minimum(output, outputs - 1), own] * there
    found = codes @ weights.T
    said = (codes != 0).astype(np.int64) @ (~there).T.astype(np.int64) == 0
    shape = (len(at), outputs, 1, 1)
    return np.where(rows_of(part, said.reshape(shape)) > 0, rows_of(part, found.reshape(shape)), UNSAID)


def _not_rewound(lanes: int, part: Part) -> Ints:
    """What is delivered when each step reads the weights of the output so many `lanes` behind those of the step before;
    behind the last output these are not known.
    """
    read = read_of(part)
    found, unknown = 0 * part.right, np.zeros(len(part.right), np.bool_)
    for t in range(len(read.d)):
        plane = read.spikes[:, t].astype(np.int64)
        by = lanes * t
        weights = np.concatenate([read.weights[by:], 0 * read.weights[:by]])[: len(read.weights)]
        found = found + delivered(part, read.by(weights), plane * read.d[t])
        beyond = part.places["channel"] + by >= len(read.weights)
        unknown |= beyond & (delivered(part, read.by(1 + 0 * weights), plane) > 0)
    return np.where(unknown, UNSAID, found)


def _ahead(n: int, stays: bool, part: Part) -> Ints:
    """What is delivered when the last step of each tile of n x n weights of a dense has those of the next tile, inputs
    first, and that of the last tile those of the one before, 0 where a tile is not full; of a single tile these are not
    known. Spikes of the tile before the last inputs may stay where these are fewer.
    """
    read = read_of(part)
    if read.q.weights.shape != (len(read.weights), read.codes[0].size) or len(read.d) < 2:
        return part.right
    outputs, inputs = read.weights.shape[:2]
    columns = -(-inputs // n)
    o, i = np.indices((outputs, columns * n))
    last = -(-outputs // n) * columns - 1
    own = o // n * columns + i // n
    other = np.where(own < last, own + 1, own - 1)
    o, i = other // columns * n + o % n, other % columns * n + i % n
    there = (o < outputs) & (i < inputs) & (other >= 0)
    weights = read.weights[np.where(there, o, 0), np.where(there, i, 0), 0, 0] * there
    plane = (read.spikes[:, -1] * read.d[-1]).astype(np.int64)
    codes = np.pad(plane.reshape(len(plane), -1), ((0, 0), (0, columns * n - inputs)))
    if stays and columns > 1:
        busy: Mask = np.asarray(_flat(read)[:, -1, columns * n - n :].any(axis=1))  # an empty tile is skipped
        codes[:, inputs:] = codes[:, inputs - n : columns * n - n] * busy[:, None]
    found = part.right - delivered(part, read.q, plane) + rows_of(part, (codes @ weights.T)[:, :, None, None])
    return np.where(reached(part, plane), UNSAID, found) if last == 0 else found


def _rows_skipped(by_step: bool, part: Part) -> Ints | None:
    """What is delivered by the weights of a conv2d that do not move on with rows without a spike, all or of a step, and
    with those outside of the source; None of a projection of many products.
    """
    read, scene = read_of(part), part.scene
    match read.q:
        case Conv2d() as q if products(scene.net, q) * len(read.codes) <= MOST:
            pass
        case _:
            return None if read.q.weights.ndim == 4 else part.right
    planes = read.spikes * read.d if by_step else read.codes[:, None]
    outputs, inputs, kh, kw = read.weights.shape
    _, height, width = read.codes.shape[1:]
    per_group, (_, rows, columns) = outputs // q.groups, read.target
    x = np.arange(columns)[:, None] * q.stride[1] - q.padding[1] + np.arange(kw) * q.dilation[1]
    seen = np.where((x >= 0) & (x < width), x, width)
    padded = np.pad(planes, ((0, 0), (0, 0), (0, 0), (0, 0), (0, 1)))[..., seen]  # (B, K, C, H, columns, kw)
    found = np.zeros((len(planes), outputs, rows, columns), np.int64)
    for group, oy in np.ndindex(q.groups, rows):
        y = oy * q.stride[0] - q.padding[0] + np.arange(kh) * q.dilation[0]
        there = (y >= 0) & (y < height)
        mine = slice(group * inputs, (group + 1) * inputs)
        lines = padded[:, :, mine][:, :, :, np.where(there, y, 0)] * there[:, None, None]
        busy = (planes[:, :, mine][:, :, :, np.where(there, y, 0)] != 0).any(axis=4) & there
        flat = busy.reshape(*busy.shape[:2], -1)
        at = (np.cumsum(flat, axis=2) - flat)[..., None, None]
        own = slice(group * per_group, (group + 1) * per_group)
        kernel = read.weights[own].reshape(per_group, inputs * kh, kw)
        taken = np.where(flat[..., None, None], lines.reshape(*flat.shape, columns, kw), 0)
        for b, t in np.ndindex(*flat.shape[:2]):
            found[b, own, oy] += np.einsum("onk,nxk->ox", kernel[:, at[b, t, :, 0, 0]], taken[b, t])
    return rows_of(part, found)


def _late(unit: Unit, every: bool, lanes: int, part: Part) -> Ints:
    """What is delivered by the weights that were read before those of each spike; the first of an output finds what was
    read last for the one so many `lanes` before, that of the first ones is not known.
    """
    read = read_of(part)
    weights = read.by_neuron
    if weights is None:
        return part.right
    busy = _visited(read, unit, every)
    rows, neurons = busy.reshape(len(busy), -1), busy.shape[2]
    last = np.maximum.accumulate(np.where(rows, np.arange(rows.shape[1]), NOWHERE), axis=1)
    before = np.concatenate([np.full((len(rows), 1), NOWHERE), last[:, :-1]], axis=1)
    first = (before == NOWHERE) & (_flat(read).reshape(rows.shape) > 0)
    worth = (first * np.broadcast_to(read.d, read.spikes.shape[1:]).reshape(-1)).sum(axis=1)
    found = _walked(np.where(before < 0, 0, before % neurons).reshape(busy.shape), 1, part, ~first.reshape(busy.shape))
    outputs = np.arange(len(weights))
    left = weights[np.maximum(outputs - lanes, 0)][:, last[:, -1] % neurons].T * worth[:, None]
    known = (outputs >= lanes) | (worth == 0)[:, None]
    shape = (len(busy), -1, 1, 1)
    more = rows_of(part, np.where(known, left, UNSAID).reshape(shape))
    return np.where((more == UNSAID) | (found == UNSAID), UNSAID, found + np.where(more == UNSAID, 0, more))


def _first(n: int, turned: bool, part: Part) -> Ints:
    """What is delivered when the first spike of each output of a dense has the weight of the output so many before, of
    which the first ones have their own.
    """
    read = read_of(part)
    weights = read.by_neuron
    if weights is None or len(weights) <= n:
        return part.right
    z = _flat(read)
    rows = (z.swapaxes(1, 2) if turned else z).reshape(len(z), -1)
    first = np.zeros(rows.shape, np.bool_)
    first[np.arange(len(z)), rows.argmax(axis=1)] = True
    first = (first & rows).reshape(len(z), *(z.shape[:0:-1] if turned else z.shape[1:]))
    worth = (first.swapaxes(1, 2) if turned else first) * np.broadcast_to(read.d, read.spikes.shape[1:]).reshape(
        z.shape[1:]
    )
    others = np.concatenate([weights[:n], weights[:-n]]) - weights
    more = worth.sum(axis=1) @ others.T
    return part.right + rows_of(part, more[:, :, None, None])


def _late_by_spike(n: int, part: Part) -> Ints:
    """What a dense delivers when each spike comes to all outputs, so many at once, by the weights that were read before
    its own; those of the first spike are not known at the first outputs.
    """
    read = read_of(part)
    weights = read.by_neuron
    if weights is None:
        return part.right
    outputs, z = len(weights), _flat(read)
    rows = z.reshape(len(z), -1)
    before = last_before(rows)
    worth = np.broadcast_to(read.d, read.spikes.shape[1:]).reshape(1, -1) * rows
    first = np.asarray(rows & (before < 0))
    lane = np.arange(outputs) % n
    last = weights[lane + (outputs - 1 - lane) // n * n]  # of each lane
    codes = np.zeros((len(z), weights.shape[1]), np.int64)  # of spikes by the neuron of the one before
    image, at = np.nonzero(rows & ~first)
    np.add.at(codes, (image, before[image, at] % weights.shape[1]), worth[image, at])
    behind = worth.reshape(z.shape).sum(axis=1) @ np.concatenate([0 * weights[:n], weights[:-n]])[:outputs].T
    found = np.where(np.arange(outputs) < n, codes @ last.T, behind)
    unknown = np.logical_or.reduce(first & (worth != 0), axis=1)[:, None] & (np.arange(outputs) < n)
    return rows_of(part, np.where(unknown, UNSAID, found)[:, :, None, None])


def _without_last(unit: Unit, every: bool, part: Part) -> Ints | None:
    """What is delivered without the last product of each sum: of the last place of the kernel in the last step, of a
    dense of the last neuron of those that are not skipped.
    """
    read = read_of(part)
    if read.q.weights.ndim == 4:
        weights = np.zeros_like(read.weights)
        weights[:, -1, -1, -1] = read.weights[:, -1, -1, -1]
        return part.right - delivered(part, read.by(weights), (read.spikes[:, -1] * read.d[-1]).astype(np.int64))
    busy = _visited(read, unit, every)
    rows = busy.reshape(len(busy), -1)
    last = rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)
    lost = (np.arange(rows.shape[1]) == last[:, None]).reshape(read.spikes.shape) & read.spikes
    return part.right - delivered(part, read.q, (lost * read.d).sum(axis=1))
