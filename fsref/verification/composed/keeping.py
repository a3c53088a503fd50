"""Registers of operands that keep what they had: lanes that get no code, and rows of a source that are not fetched
(CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d
from fsref.verification.composed.delivering import Read, read_of, rows_of
from fsref.verification.composed.memory import lying, read_at
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Mask, Part

MOST = 2**22  # operands that are followed, of all images
LANES = (1, 2, 4, 8, 16)  # inputs that are taken at once
Visits: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]  # groups, places; by output and place
Gets: TypeAlias = Callable[[Ints, Mask, Mask], Mask]  # from codes, and which places are none, and behind the last one
ALONE = ("its place is in the padding", "its code is 0")  # where a single lane may get nothing


def _by_output(groups: int, outputs: int, places: int) -> Visits:
    """All places of an output, then those of the next one: of a group two rounds, as the others are like the second."""
    g, _, p = (each.ravel() for each in np.indices((groups, 2, places)))
    per_group = outputs // groups
    o, at = np.indices((outputs, places))
    return g, p, (o // per_group * 2 + (o % per_group > 0)) * places + at


def _by_place(groups: int, outputs: int, places: int) -> Visits:
    """All outputs of a place, then those of the next one."""
    p, g, _ = (each.ravel() for each in np.indices((places, groups, 2)))
    per_group = outputs // groups
    o, at = np.indices((outputs, places))
    return g, p, (at * groups + o // per_group) * 2 + (o % per_group > 0)


def _at_once(groups: int, outputs: int, places: int) -> Visits:
    """All outputs of a group of a place at once."""
    p, g = (each.ravel() for each in np.indices((places, groups)))
    o, at = np.indices((outputs, places))
    return g, p, at * groups + o // (outputs // groups)


ORDERS: tuple[tuple[str, float, Callable[[int, int, int], Visits]], ...] = (
    ("output by output", 0.0, _by_output),
    ("place by place", 0.1, _by_place),
    ("all outputs of a place at once", 0.15, _at_once),
)
WITHOUT: tuple[tuple[str, float, Gets, bool], ...] = (  # where nothing comes, and if what is behind counts
    ("there is no input left", 0.0, lambda codes, none, behind: behind, True),
    ("its place is in the padding", 0.0, lambda codes, none, behind: none & ~behind, False),
    ("its code is 0", 0.0, lambda codes, none, behind: (codes == 0) & ~behind, False),
    ("its place is in the padding, or, not counted, behind the last", 0.1, lambda codes, none, behind: none, False),
    ("its code is 0, or, not counted, it is behind the last", 0.1, lambda codes, none, behind: codes == 0, False),
    ("its place is in the padding, or behind the last", 0.4, lambda codes, none, behind: none, True),
    ("its code is 0, or it is behind the last", 0.4, lambda codes, none, behind: codes == 0, True),
)


def keeps_otherwise() -> Iterator[Change]:
    """What lanes and rows keep."""
    for n, (where, far, gets, counts), (order, more, visits) in product(LANES, WITHOUT, ORDERS):
        if n > 1 or where in ALONE:
            lane = f"each of {n} lanes of inputs" if n > 1 else "the operand of a product"
            text = f"in yours {lane} keeps the code that it had where {where}, {order}"
            yield Change(text, 2.1 + far + more, partial(_kept, n, gets, counts, visits), unsaid=MOSTLY)
    for (words, same), (order, turned) in product(ROWS, (("channel by channel", False), ("row by row", True))):
        for by_step, steps in ((False, ""), (True, " in each step")):
            text = f"in yours {words} is the one fetched before it, {order}{steps}"
            change = partial(_rows_kept, same, turned, by_step)
            yield Change(text, 2.1 + 0.1 * turned + 0.1 * by_step, change, unsaid=MOSTLY)


def _seen(read: Read) -> NDArray[np.intp] | None:
    """The addresses (G, inputs, places) that are read, one behind the last of a neuron where there is none."""
    if getattr(read.q, "pooled", False):
        return None
    return read.seen if read.q.weights.ndim == 4 else np.arange(read.codes[0].size)[None, :, None]


def _held(values: Ints, gets: Mask) -> tuple[Ints, Mask]:
    """What stands in registers in turn, (..., n) by turn along the axis before the last; and where something does."""
    turn = np.arange(values.shape[-2])[:, None]
    last = np.maximum.accumulate(np.where(gets, turn, -1), axis=-2)
    return np.take_along_axis(values, np.maximum(last, 0), axis=-2), last >= 0


def _kept(n: int, gets: Gets, counts: bool, visits: Callable[[int, int, int], Visits], part: Part) -> Ints | None:
    """What is delivered when lanes keep codes, by the weights that lie where the inputs of an output end; what stood in
    them before the first is not known.
    """
    read = read_of(part)
    seen = _seen(read)
    if seen is None:
        return None if read.q.weights.ndim == 4 else part.right
    groups, inputs, places = seen.shape
    outputs, neurons = len(read.weights), read.codes[0].size
    g, p, turn = visits(groups, outputs, places)
    slots = -(-inputs // n) * n
    if len(read.codes) * len(g) * slots > MOST:
        return None
    address = np.full((len(g), slots), neurons)
    address[:, :inputs] = seen[g, :, p]
    flat = np.concatenate([read.codes.reshape(len(read.codes), -1), np.zeros((len(read.codes), 1), np.int64)], axis=1)
    codes = flat[:, address]
    behind = np.broadcast_to(np.arange(slots) >= inputs, address.shape)
    without = gets(codes, address == neurons, behind) | np.zeros(codes.shape, np.bool_)
    if not without.any():
        return part.right
    shape = (len(codes), -1, n)
    values, known = (own.reshape(codes.shape) for own in _held(codes.reshape(shape), ~without.reshape(shape)))
    at = lying(part.scene.net, part.of).base + np.arange(outputs)[:, None] * inputs + np.arange(slots)
    memory, there = read_at(part.scene.net, at)
    own = np.zeros(at.shape, np.bool_)
    own[:, :inputs] = True
    weights, there = np.where(own | counts, memory, 0), there | ~(own | counts)
    found = np.empty((len(codes), outputs, places), np.int64)
    said = np.empty(found.shape, np.bool_)
    for o in range(outputs):
        found[:, o] = np.where(known, values, 0)[:, turn[o]] @ weights[o]
        unknown = ~known[:, turn[o]] & (weights[o] != 0) | (values[:, turn[o]] != 0) & ~there[o]
        said[:, o] = ~unknown.any(axis=2)
    shaped = (len(codes), *read.target)
    return np.where(rows_of(part, said.reshape(shaped)) > 0, rows_of(part, found.reshape(shaped)), UNSAID)


ROWS: tuple[tuple[str, bool], ...] = (
    ("a row outside of the source", False),
    ("a row of the source of the number of the one before it", True),
)


def _rows_kept(same: bool, turned: bool, by_step: bool, part: Part) -> Ints | None:
    """What a conv2d delivers when rows outside of its source are the ones fetched before, or those of the `same` number
    as these; of each output in turn, row by row of it; what was fetched before the first is not known.
    """
    read = read_of(part)
    match read.q:
        case Conv2d() as q:
            pass
        case _:
            return part.right
    outputs, inputs, kh, kw = read.weights.shape
    channels, height, width = read.codes.shape[1:]
    (_, rows, columns), per_group = read.target, outputs // q.groups
    planes = read.spikes * read.d if by_step else read.codes[:, None]
    if planes.size * q.groups * rows * kh > MOST:
        return None
    g, round_, oy, t, i, r = np.indices((q.groups, 2, rows, planes.shape[1], inputs, kh)).astype(np.int64)
    if turned:
        g, round_, oy, t, i, r = (np.swapaxes(each, 4, 5) for each in (g, round_, oy, t, i, r))
    shape = g.shape
    y = (oy * q.stride[0] - q.padding[0] + r * q.dilation[0]).ravel()
    inside = (y >= 0) & (y < height)
    before = np.concatenate([[-1], y[:-1]])
    fetched = inside & (y != before) if same else inside
    if fetched.all() or (same and (fetched == inside).all()):
        return part.right
    row = ((t * channels + g * inputs + i).ravel() * height + y)[:, None]
    held, known = (own[:, 0] for own in _held(row, fetched[:, None]))
    zero = same & ~inside
    values = planes.reshape(len(planes), -1, width)[:, np.where(known & ~zero, held, 0)] * (~zero)[:, None]
    x = np.arange(columns)[:, None] * q.stride[1] - q.padding[1] + np.arange(kw) * q.dilation[1]
    padded = np.pad(values, ((0, 0), (0, 0), (0, 1)))[..., np.where((x >= 0) & (x < width), x, width)]
    unknown = np.broadcast_to((~known & ~zero)[:, None, None], padded.shape[1:]).reshape(*shape, columns, kw)
    padded = padded.reshape(len(planes), *shape, columns, kw)
    found = np.empty((len(planes), outputs, rows, columns), np.int64)
    said = np.empty((outputs, rows, columns), np.bool_)
    for o in range(outputs):
        own, later = o // per_group, int(o % per_group > 0)
        kernel = read.weights[o].swapaxes(0, 1) if turned else read.weights[o]
        found[:, o] = np.einsum("bytirxk,irk->byx", padded[:, own, later], kernel)
        said[o] = ~(unknown[own, later] & (kernel != 0)[:, :, None]).any(axis=(1, 2, 3, 5))
    return np.where(rows_of(part, np.broadcast_to(said, found.shape)) > 0, rows_of(part, found), UNSAID)
