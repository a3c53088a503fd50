"""Products that are still on their way when an output is told: lost, or added to the next one (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.tables import Brief
from fsref.verification.composed.delivering import Read, read_of, rows_of
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Mask, Part, last_before

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
LASTS: tuple[tuple[str, float, tuple[Last, Last]], ...] = (  # of a conv2d, and of a dense
    (PLACE, 0.0, (partial(_word, 1),) * 2),
    *((f"the last word of {n} products", 0.0, (partial(_word, n),) * 2) for n in LANES[1:]),
    ("the product of the last input that sends something", 0.0, (_input,) * 2),
    (f"{PLACE}, of a dense of the last input that sends something,", 0.1, (partial(_word, 1), _input)),
    ("the product of the last spike, input by input,", 0.1, (_spike_of_input,) * 2),
    ("the product of the last spike, step by step,", 0.1, (_spike_of_step,) * 2),
)
GOES: tuple[tuple[str, float, int, int], ...] = (  # how often it counts with its own output, and with the next
    ("is added to the next output", 0.0, 0, 1),
    ("is added to the next output, too", 0.0, 1, 1),
    ("is lost", 0.0, 0, 0),
)


@dataclass(frozen=True, repr=False)
class Turn(Brief):
    """In which order outputs come: those of each place together or all places of each, `by_step` from the first to the
    last in each step, in so many lanes that take outputs in turn, and along a dense in tiles of so many inputs.
    """

    by_place: bool = False
    by_step: bool = False
    lanes: int = 1
    tile: int | None = None


TURNS: tuple[tuple[str, float, Turn], ...] = (
    (", output by output", 0.0, Turn()),
    (", place by place", 0.1, Turn(by_place=True)),
    (", output by output in each step", 0.05, Turn(by_step=True)),
    (", place by place in each step", 0.15, Turn(by_place=True, by_step=True)),
    *((f", in each of {n} lanes of outputs", 0.1 + n / 100, Turn(lanes=n)) for n in (2, 4, 8)),
    *((f", in each of {n} lanes of outputs and each step", 0.12 + n / 100, Turn(False, True, n)) for n in (2, 4, 8)),
)


def passes_otherwise() -> Iterator[Change]:
    """What becomes of the last products of each output."""
    for (last, far, of), (goes, more, own, next_), (order, least, turn) in product(LASTS, GOES, TURNS):
        if next_ or turn in (Turn(), Turn(by_step=True)):
            where = order if next_ else " in each step" * turn.by_step
            text = f"in yours {last} of each output {goes}{where}"
            change = partial(_passed, of, own, next_, turn)
            yield Change(text, 2.1 + far + more + least, change, unsaid=MOSTLY)
    for (last, far, of), (goes, more, own, next_), n in product(LASTS, GOES, TILES):
        if last == PLACE or _input in of or _spike_of_input in of:
            text = f"in yours {last} of each output, of a dense in each tile of {n} inputs, {goes}"
            yield Change(text, 2.2 + far + more, partial(_passed, of, own, next_, Turn(tile=n)), unsaid=MOSTLY)
    for last, far, of in LASTS:
        text = f"in yours all that comes to an output is lost where {last.removesuffix(',')} is 0"
        yield Change(text, 2.2 + far, partial(_lost_with, of))


def _weights(read: Read) -> Ints:
    return read.weights if read.by_neuron is None else read.by_neuron


def _lost_with(each_of: tuple[Last, Last], part: Part) -> Ints | None:
    """What is delivered when sums whose last product is 0 are lost."""
    read = read_of(part)
    operands = _operands(read)
    if operands is None:
        return None
    codes, worth = (np.moveaxis(each, -2, -1) for each in operands)
    _, groups, places, inputs = codes.shape
    weights = _weights(read).reshape(groups, -1, inputs)
    last, busy = each_of[read.by_neuron is not None](codes, worth)
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


def _passed(each_of: tuple[Last, Last], own: int, next_: int, turn: Turn, part: Part) -> Ints | None:
    """What is delivered when the last product of each output counts with it and with the next one so often; what the
    first finds on its way is not known.
    """
    read = read_of(part)
    operands = _operands(read)
    if operands is None:
        return None
    codes, worth = (np.moveaxis(each, -2, -1) for each in operands)  # (B, G, places, inputs)
    _, groups, places, inputs = codes.shape
    outputs = len(read.weights)
    weights = _weights(read).reshape(groups, outputs // groups, inputs)
    dense = read.by_neuron is not None
    of, tile = each_of[dense], (turn.tile or inputs) if dense else inputs
    times = [(each, each[None]) for each in worth] if turn.by_step else [(codes, worth)]
    amounts, some = [], []
    for (now, then), begin in product(times, range(0, inputs, tile)):
        mine = slice(begin, begin + tile)
        last, busy = of(now[..., mine], then[..., mine])
        amounts.append(np.einsum("bgpi,goi->bgop", last, weights[..., mine]).reshape(len(codes), outputs, places))
        some.append(np.repeat(busy, outputs // groups, axis=1))
    at: NDArray[np.intp] = np.arange(outputs * places).reshape(outputs, places)
    found, unknown = np.zeros((2, len(codes), outputs * places), np.int64)
    for lane in range(min(turn.lanes, outputs)):
        turns = [_in_turn(each[:, lane :: turn.lanes], turn) for each in amounts]
        there = [_in_turn(each[:, lane :: turn.lanes], turn) for each in some]
        owners = np.tile(_in_turn(at[None, lane :: turn.lanes], turn)[0], len(turns))
        _land(found, unknown, np.concatenate(turns, axis=1), np.concatenate(there, axis=1), owners, own, next_)
    shape = (len(codes), *part.scene.population.shape)
    more, said = rows_of(part, found.reshape(shape)), rows_of(part, unknown.reshape(shape)) == 0
    return np.where(said, part.right + more, UNSAID)


def _in_turn(values: NDArray[Any], turn: Turn) -> NDArray[Any]:
    """Values (B, O, places) in the order in which they come, (B, turns)."""
    return (values.swapaxes(1, 2) if turn.by_place else values).reshape(len(values), -1)


def _land(
    found: Ints, unknown: Ints, amounts: Ints, some: Mask, owners: NDArray[np.intp], own: int, next_: int
) -> None:
    """Add what these amounts (B, turns) of `owners`, in turn, count more with them and with the next one, to what is
    found (B, neurons), and where that is not known.
    """
    image = np.arange(len(amounts))[:, None]
    np.add.at(found, (image, owners), (own - 1) * amounts)
    if next_:
        before = last_before(some)
        comes = np.where(some & (before >= 0), np.take_along_axis(amounts, np.maximum(before, 0), axis=1), 0)
        np.add.at(found, (image, owners), comes)
        np.add.at(unknown, (image, owners), some & (before < 0))
