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
from fsref.verification.composed.delivering import Read, delivered, reached, read_of, rows_of
from fsref.verification.composed.relation import UNSAID, Change, Mask, Part

WIDE = (8, 16, 32)  # neurons of a memory's row, by which a pointer may move on
LANES = (1, 2, 4, 8)  # outputs that are made at once, the weights of each in a memory of its own
AHEAD = (4, 8, 16)  # inputs of a tile
NOWHERE = -1  # of a spike the address of whose weight is not known
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
    for n, lanes in product(WIDE, LANES):
        text = f"in yours the weights of a dense move on by {n} with a row that sends nothing in a step"
        yield Change(f"{text}{_on(lanes)}", 2.1 + lanes / 100, partial(_skipped, UNITS[-2][1], True, n, lanes))
    for lanes in LANES:
        text = "in yours the weights of a step begin behind those of the step before"
        yield Change(f"{text}{_on(lanes)}", 2.1 + lanes / 100, partial(_not_rewound, lanes), unsaid=0.9)
    for n in AHEAD:
        text = f"in yours the spikes of the last step have the weights of the inputs {n} behind them"
        yield Change(text, 2.2, partial(_ahead, n), unsaid=0.9)
    for what, unit in (UNITS[0], *UNITS[3:4], *UNITS[-2:]):
        said = "" if what == "neuron" else f", where a {what} without a spike is skipped"
        text = f"in yours a spike of a dense has the weight that was read for the neuron before it{said}"
        yield Change(text, 2.2, partial(_late, unit), unsaid=0.9)
        yield Change(f"in yours the last product of each sum is lost{said}", 2.1, partial(_without_last, unit))


def _on(lanes: int) -> str:
    """In words to whose weights a pointer comes that runs on."""
    return "" if lanes == 1 else f", and run on to those of the output {lanes} behind"


def _is_dense(read: Read) -> bool:
    """Whether each neuron of the source has a weight of its own."""
    return read.q.weights.shape == (len(read.weights), read.codes[0].size)


def _busy(read: Read, unit: Unit, by_step: bool) -> Mask:
    """Which neurons (B, K, neurons) lie with one that fires, in their step or at all."""
    neurons, n = read.codes[0].size, unit(read.codes.shape[1:])
    z = read.spikes.reshape(*read.spikes.shape[:2], neurons)
    words = np.pad(z, ((0, 0), (0, 0), (0, -neurons % n))).reshape(*z.shape[:2], -1, n).any(axis=3)
    words = words if by_step else words | np.logical_or.reduce(words, axis=1, keepdims=True)
    return np.repeat(words, n, axis=2)[..., :neurons]


def _skipped(unit: Unit, by_step: bool, moves: int, lanes: int, part: Part) -> Ints:
    """What is delivered by the weights of a dense that move on by so many with those that are skipped together."""
    read = read_of(part)
    if not _is_dense(read):
        return part.right
    n = unit(read.codes.shape[1:])
    busy = _busy(read, unit, by_step)
    if busy.all():
        return part.right
    first = np.arange(busy.shape[2]) % n == 0
    by = np.where(busy, 1, first * moves)
    return _walked(np.cumsum(by, axis=2) - by, lanes, part)


def _late(unit: Unit, part: Part) -> Ints:
    """What is delivered by the weights that were read before those of each spike; what stood there first is not known."""
    read = read_of(part)
    if not _is_dense(read):
        return part.right
    busy = _busy(read, unit, True) if unit is not UNITS[0][1] else np.ones(_flat(read).shape, np.bool_)
    rows = busy.reshape(len(busy), -1)
    last = np.maximum.accumulate(np.where(rows, np.arange(rows.shape[1]), NOWHERE), axis=1)
    before = np.concatenate([np.full((len(rows), 1), NOWHERE), last[:, :-1]], axis=1)
    return _walked(np.where(before < 0, NOWHERE, before % busy.shape[2]).reshape(busy.shape), 1, part)


def _flat(read: Read) -> Mask:
    """Spikes by address, (B, K, neurons)."""
    return read.spikes.reshape(*read.spikes.shape[:2], -1)


def _walked(at: NDArray[np.intp], lanes: int, part: Part) -> Ints:
    """What a dense delivers when each neuron has the weight at another address in each step, (B, K, neurons), counted
    from the first one of its output; behind the last one of that come those of the output so many `lanes` behind.
    """
    read = read_of(part)
    outputs, neurons = read.weights.shape[:2]
    channels = np.repeat(np.arange(read.codes.shape[1]), neurons // read.codes.shape[1])
    image, step, n = np.nonzero(_flat(read))
    worth, address = read.d[step, channels[n], 0, 0], at[image, step, n]
    size = int(max(address.max(initial=0) + 1, neurons))
    codes = np.zeros((len(at), size + 1), np.int64)  # by the address of their weights, the last where it is not known
    np.add.at(codes, (image, np.where(address == NOWHERE, size, address)), worth)
    turn, own = np.divmod(np.arange(size), neurons)
    output = np.arange(outputs)[:, None] + lanes * turn
    there = output < outputs
    weights = read.weights[np.minimum(output, outputs - 1), own, 0, 0] * there
    unknown = np.pad(~there, ((0, 0), (0, 1)), constant_values=True)
    found = codes[:, :size] @ weights.T
    said = (codes != 0).astype(np.int64) @ unknown.T.astype(np.int64) == 0
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


def _ahead(n: int, part: Part) -> Ints:
    """What is delivered when the last step of a dense has the weights of later inputs; behind the last these are not
    known.
    """
    read = read_of(part)
    if not _is_dense(read) or len(read.d) < 2:
        return part.right
    inputs = read.weights.shape[1]
    weights = np.concatenate([read.weights[:, n:], 0 * read.weights[:, :n]], axis=1)[:, :inputs]
    plane = (read.spikes[:, -1] * read.d[-1]).astype(np.int64)
    found = part.right + delivered(part, read.by(weights - read.weights), plane)
    behind = (np.arange(inputs) >= inputs - n).reshape(read.codes.shape[1:])
    return np.where(reached(part, plane * behind), UNSAID, found)


def _without_last(unit: Unit, part: Part) -> Ints | None:
    """What is delivered without the last product of each sum: of the last place of the kernel in the last step, of a
    dense of the last neuron of those that are not skipped.
    """
    read = read_of(part)
    if not _is_dense(read):
        if getattr(read.q, "pooled", False):
            return None
        weights = np.zeros_like(read.weights)
        weights[:, -1, -1, -1] = read.weights[:, -1, -1, -1]
        return part.right - delivered(part, read.by(weights), (read.spikes[:, -1] * read.d[-1]).astype(np.int64))
    busy = _busy(read, unit, True) if unit is not UNITS[0][1] else np.ones(_flat(read).shape, np.bool_)
    rows = busy.reshape(len(busy), -1)
    last = rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)
    lost = (np.arange(rows.shape[1]) == last[:, None]).reshape(read.spikes.shape) & read.spikes
    return part.right - delivered(part, read.q, (lost * read.d).sum(axis=1))
