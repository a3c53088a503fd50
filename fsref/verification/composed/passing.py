"""Products that are still on their way when an output is told: lost, or added to the next one (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.verification.composed.delivering import Read, read_of, rows_of
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Mask, Part

MOST = 2**22  # products that are followed, of all images
LANES = (1, 2, 4, 8, 16)  # products that are made at once
TILES = (4, 8, 16)  # inputs of a dense after which the next output comes
Last: TypeAlias = Callable[[Ints, Ints], tuple[Ints, Mask]]  # from codes (..., n), and trains with d (K, ..., n)


def _word(n: int, codes: Ints, worth: Ints) -> tuple[Ints, Mask]:
    """What the last word of so many counts with; there is always one."""
    at = np.arange(codes.shape[-1])
    return np.where(at >= (len(at) - 1) // n * n, codes, 0), np.ones(codes.shape[:-1], np.bool_)


def _last_of(values: Ints) -> tuple[Ints, Mask]:
    """The last value of each row that is not 0."""
    some = values != 0
    at = values.shape[-1] - 1 - some[..., ::-1].argmax(axis=-1)
    return np.where(np.arange(values.shape[-1]) == at[..., None], values, 0), some.any(axis=-1)


def _input(codes: Ints, worth: Ints) -> tuple[Ints, Mask]:
    """The last input that sends something."""
    return _last_of(codes)


def _spike_of_input(codes: Ints, worth: Ints) -> tuple[Ints, Mask]:
    """The last spike, input by input."""
    turned = np.moveaxis(worth, 0, -1)  # (..., n, K)
    flat, some = _last_of(turned.reshape(*turned.shape[:-2], -1))
    return flat.reshape(turned.shape).sum(axis=-1), some


def _spike_of_step(codes: Ints, worth: Ints) -> tuple[Ints, Mask]:
    """The last spike, step by step."""
    turned = np.moveaxis(worth, 0, -2)  # (..., K, n)
    flat, some = _last_of(turned.reshape(*turned.shape[:-2], -1))
    return flat.reshape(turned.shape).sum(axis=-2), some


PLACE = "the product of the last place"
LASTS: tuple[tuple[str, float, Last], ...] = (
    (PLACE, 0.0, partial(_word, 1)),
    *((f"the last word of {n} products", 0.0, partial(_word, n)) for n in LANES[1:]),
    ("the product of the last input that sends something", 0.0, _input),
    ("the product of the last spike, input by input,", 0.1, _spike_of_input),
    ("the product of the last spike, step by step,", 0.1, _spike_of_step),
)
GOES: tuple[tuple[str, float, int, int], ...] = (  # how often it counts with its own output, and with the next
    ("is added to the next output", 0.0, 0, 1),
    ("is added to the next output, too", 0.0, 1, 1),
    ("is lost", 0.0, 0, 0),
)
ORDERS = ((", output by output", 0.0, False), (", place by place", 0.1, True))


def passes_otherwise() -> Iterator[Change]:
    """What becomes of the last products of each output."""
    for (last, far, of), (goes, more, own, next_), (order, turn, by_place) in product(LASTS, GOES, ORDERS):
        if next_ or not by_place:
            text = f"in yours {last} of each output {goes}{order if next_ else ''}"
            change = partial(_passed, of, own, next_, by_place, None)
            yield Change(text, 2.1 + far + more + turn, change, unsaid=MOSTLY)
    for (last, far, of), (goes, more, own, next_), n in product(LASTS, GOES, TILES):
        if last == PLACE or of is _input or of is _spike_of_input:
            text = f"in yours {last} of each output, of a dense in each tile of {n} inputs, {goes}"
            yield Change(text, 2.2 + far + more, partial(_passed, of, own, next_, False, n), unsaid=MOSTLY)

    for last, far, of in LASTS:
        text = f"in yours all that comes to an output is lost where {last.removesuffix(',')} is 0"
        yield Change(text, 2.2 + far, partial(_lost_with, of))


def _weights(read: Read) -> Ints:
    return read.weights if read.by_neuron is None else read.by_neuron


def _lost_with(of: Last, part: Part) -> Ints | None:
    """What is delivered when sums whose last product is 0 are lost."""
    read = read_of(part)
    operands = _operands(read)
    if operands is None:
        return None
    codes, worth = (np.moveaxis(each, -2, -1) for each in operands)
    _, groups, places, inputs = codes.shape
    weights = _weights(read).reshape(groups, -1, inputs)
    last, busy = of(codes, worth)
    each = np.einsum("bgpi,goi->bgop", last, weights)
    lost = ((each == 0) & busy[:, :, None]).reshape(len(codes), *part.scene.population.shape)
    return np.where(rows_of(part, lost.astype(np.int64)) > 0, 0, part.right)


def _operands(read: Read) -> tuple[Ints, Ints] | None:
    """The codes (B, G, inputs, places) that are read, and what each spike is worth (K, B, ...); None of many."""
    spikes, d = read.spikes, read.d
    dense = read.by_neuron is not None
    count = read.codes[0].size if dense else read.windows * read.weights[0].size * getattr(read.q, "groups", 1)
    if spikes.shape[0] * spikes.shape[1] * count > MOST:
        return None
    planes = np.moveaxis(spikes * d, 1, 0)  # (K, B, C, H, W)
    if dense:
        return read.codes.reshape(len(read.codes), 1, -1, 1), planes.reshape(*planes.shape[:2], 1, -1, 1)
    if read.seen is None:
        return None
    return read.own_columns, np.stack([read.columns(plane) for plane in planes])


def _passed(of: Last, own: int, next_: int, by_place: bool, tile: int | None, part: Part) -> Ints | None:
    """What is delivered when the last product of each output counts with it and with the next one so often; what the
    first finds on its way is not known.
    """
    read = read_of(part)
    if read.q.weights.ndim != 2:
        tile = None
    operands = _operands(read)
    if operands is None:
        return None
    codes, worth = (np.moveaxis(each, -2, -1) for each in operands)  # (B, G, places, inputs)
    _, groups, places, inputs = codes.shape
    outputs = len(read.weights)
    weights = _weights(read).reshape(groups, outputs // groups, inputs)
    amounts, some, owners = [], [], []
    for begin in range(0, inputs, tile or inputs):
        mine = slice(begin, begin + (tile or inputs))
        last, busy = of(codes[..., mine], worth[..., mine])
        each = np.einsum("bgpi,goi->bgop", last, weights[..., mine]).reshape(len(codes), outputs, places)
        there = np.repeat(busy, outputs // groups, axis=1)  # (B, O, places)
        axes = (0, 2, 1) if by_place else (0, 1, 2)
        amounts.append(each.transpose(axes).reshape(len(codes), -1))
        some.append(there.transpose(axes).reshape(len(codes), -1))
        at: NDArray[np.intp] = np.arange(outputs * places).reshape(outputs, places)
        owners.append((at.T if by_place else at).ravel())
    return _landed(
        part, np.concatenate(amounts, axis=1), np.concatenate(some, axis=1), np.concatenate(owners), own, next_
    )


def _landed(part: Part, amounts: Ints, some: Mask, owners: NDArray[np.intp], own: int, next_: int) -> Ints:
    """What is delivered when these amounts (B, turns) of outputs, in turn, count with them and with the next one."""
    found, unknown = np.zeros((2, len(amounts), int(owners.max()) + 1), np.int64)
    image = np.arange(len(amounts))[:, None]
    np.add.at(found, (image, owners), (own - 1) * amounts)
    if next_:
        turn = np.arange(amounts.shape[1])
        last = np.maximum.accumulate(np.where(some, turn, -1), axis=1)
        before = np.concatenate([np.full((len(last), 1), -1), last[:, :-1]], axis=1)
        comes = np.where(some & (before >= 0), np.take_along_axis(amounts, np.maximum(before, 0), axis=1), 0)
        np.add.at(found, (image, owners), comes)
        np.add.at(unknown, (image, owners), some & (before < 0))
    shape = (len(amounts), *part.scene.population.shape)
    more, said = rows_of(part, found.reshape(shape)), rows_of(part, unknown.reshape(shape)) == 0
    return np.where(said, part.right + more, UNSAID)
