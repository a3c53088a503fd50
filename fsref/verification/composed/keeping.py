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
from fsref.verification.composed.delivering import OF_ITS_OWN, Read, of_each_d, read_of, rows_of
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Mask, Part

MOST = 2**22  # operands that are followed, of all images
LANES = (1, 2, 4, 8, 16)  # inputs that are taken at once
Visits: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]  # groups, places; by output and place
Gets: TypeAlias = Callable[[Ints, Mask, Mask], Mask]  # from codes, and which places are none, and behind the last one
WORTH = (("", 0.0, False), (OF_ITS_OWN, 0.05, True))  # with whose d a code counts
ROWS: tuple[tuple[str, bool, bool], ...] = (  # of the same number, and afresh for each window
    ("a row outside of the source", False, False),
    ("a row of the source of the number of the one before it", True, False),
    ("a row of the source of the number of the one before it in its window", True, True),
)
STEPS: tuple[tuple[str, float, bool, bool], ...] = (
    *((text, far, False, own) for text, far, own in WORTH),
    (" in each step", 0.1, True, True),
)
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
            for worth, least, own in WORTH:
                change = partial(_kept, n, gets, counts, visits, own)
                yield Change(f"{text}{worth}", 2.1 + far + more + least, change, unsaid=MOSTLY)
    for (words, same, afresh), (order, turned) in product(ROWS, (("channel by channel", False), ("row by row", True))):
        for what, far, by_step, own in STEPS:
            text = f"in yours {words} is the one fetched before it, {order}{what}"
            change = partial(_rows_kept, same, afresh, turned, by_step, own)
            yield Change(text, 2.1 + 0.1 * turned + far, change, unsaid=MOSTLY)


def _seen(read: Read) -> NDArray[np.intp] | None:
    """The addresses (G, inputs, places) that are read, one behind the last of a neuron where there is none."""
    if getattr(read.q, "pooled", False):
        return None
    return read.seen if read.q.weights.ndim == 4 else np.arange(read.codes[0].size)[None, :, None]


def _last(some: Mask) -> Ints:
    """Which turn was the last with some, up to each along the axis before the last; -1 where there was none."""
    turn = np.arange(some.shape[-2])[:, None]
    found: Ints = np.maximum.accumulate(np.where(some, turn, -1), axis=-2)
    return found


def _kept(
    n: int, gets: Gets, counts: bool, visits: Callable[[int, int, int], Visits], with_own_d: bool, part: Part
) -> Ints | None:
    """What is delivered when lanes keep codes, by the weights that lie where the inputs of an output end; what stood in
    them before the first is not known.
    """
    read = read_of(part)
    seen, each = _seen(read), of_each_d(part.scene, read.q.source)
    if seen is None or each is None:
        return None if read.q.weights.ndim == 4 or each is None else part.right
    groups, inputs, places = seen.shape
    outputs, neurons = len(read.weights), read.codes[0].size
    g, p, turn = visits(groups, outputs, places)
    slots = -(-inputs // n) * n
    if len(read.codes) * len(g) * slots > MOST:
        return None
    address = np.full((len(g), slots), neurons)
    address[:, :inputs] = seen[g, :, p]
    flat = np.pad(read.codes.reshape(len(read.codes), -1), ((0, 0), (0, 1)))
    behind = np.broadcast_to(np.arange(slots) >= inputs, address.shape)
    without = gets(flat[:, address], address == neurons, behind) | np.zeros((len(flat), *address.shape), np.bool_)
    if not without.any():
        return part.right
    last = _last(~without.reshape(len(flat), -1, n))
    held = np.take_along_axis(np.broadcast_to(address.reshape(-1, n), last.shape), np.maximum(last, 0), axis=1)
    known, held = (last >= 0).reshape(without.shape), held.reshape(without.shape)
    image = np.arange(len(flat))[:, None, None]
    if with_own_d:  # behind the inputs the last channel's
        own = np.minimum(np.arange(slots), inputs - 1) * read.codes.shape[1] // (inputs * groups)
        channel = g[:, None] * (read.codes.shape[1] // groups) + own
        values = np.pad(each, ((0, 0), (0, 0), (0, 1)))[image, channel, held]
    else:
        values = flat[image, held]
    at = np.arange(outputs)[:, None] * inputs + np.arange(slots)
    counted = (np.arange(slots) < inputs) | counts
    there = at < read.weights.size  # where those of the next projection begin is not known
    weights = np.where(there & counted, read.weights.ravel()[np.where(there, at, 0)], 0)
    found = np.empty((len(flat), outputs, places), np.int64)
    said = np.empty(found.shape, np.int64)
    for o in range(outputs):
        found[:, o] = np.where(known, values, 0)[:, turn[o]] @ weights[o]
        unknown = ~known[:, turn[o]] & (weights[o] != 0) | (values[:, turn[o]] != 0) & ~there[o] & counted
        said[:, o] = ~unknown.any(axis=2)
    shaped = (len(flat), *read.target)
    return np.where(rows_of(part, said.reshape(shaped)) > 0, rows_of(part, found.reshape(shaped)), UNSAID)


def _rows_kept(same: bool, afresh: bool, turned: bool, by_step: bool, with_own_d: bool, part: Part) -> Ints | None:
    """What a conv2d delivers when rows outside of its source are the ones fetched before, or those of the `same` number
    as these; of each output in turn, row by row of it, and `afresh` for each; what was fetched before the first is not
    known.
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
    steps, each = len(read.d) if by_step else 1, of_each_d(part.scene, q.source)
    if each is None or read.codes.size * steps * q.groups * rows * kh > MOST:
        return None
    g, round_, oy, t, i, r = np.indices((q.groups, 2, rows, steps, inputs, kh)).astype(np.int64)
    if turned:
        g, round_, oy, t, i, r = (np.swapaxes(one, 4, 5) for one in (g, round_, oy, t, i, r))
    shape = g.shape
    y, own = (oy * q.stride[0] - q.padding[0] + r * q.dilation[0]).ravel(), (g * inputs + i).ravel()
    inside = (y >= 0) & (y < height)
    window = np.arange(len(y)) // (steps * inputs * kh) if afresh else np.zeros(len(y), np.intp)
    fetched = inside
    if same:
        before = np.concatenate([[-1], _last(inside[:, None])[:-1, 0]])
        fetched = inside & ((before < 0) | (y[before] != y) | (window[before] != window))
    if (fetched == (inside if same else True)).all():
        return part.right
    held = _last(fetched[:, None])[:, 0]
    known, there = held >= 0, inside | (not same)
    z = read.spikes.reshape(*read.spikes.shape[:2], channels, height, width)
    at, image = np.where(known & there, held, 0), np.arange(len(z))[:, None]
    row = np.clip(y[at], 0, height - 1)  # of what is not known, or not there, any
    if by_step:
        step = t.ravel()
        values = z[image, step[at], own[at], row] * read.d[step, own, 0, 0][:, None]
    else:
        lines = each.reshape(*each.shape[:2], channels, height, width)
        values = lines[image, own if with_own_d else own[at], own[at], row]
    values = values * (known & there)[:, None]
    x = np.arange(columns)[:, None] * q.stride[1] - q.padding[1] + np.arange(kw) * q.dilation[1]
    padded = np.pad(values, ((0, 0), (0, 0), (0, 1)))[..., np.where((x >= 0) & (x < width), x, width)]
    padded = padded.reshape(len(z), *shape, columns, kw)
    unknown = (~known & there).reshape(shape)
    found = np.empty((len(z), outputs, rows, columns), np.int64)
    said = np.empty((outputs, rows, 1), np.int64)
    for o in range(outputs):
        mine, later = o // per_group, int(o % per_group > 0)
        kernel = read.weights[o].swapaxes(0, 1) if turned else read.weights[o]
        found[:, o] = np.einsum("bytirxk,irk->byx", padded[:, mine, later], kernel)
        said[o, :, 0] = ~(unknown[mine, later] & (kernel != 0).any(axis=2)).any(axis=(1, 2, 3))
    return np.where(rows_of(part, np.broadcast_to(said, found.shape)) > 0, rows_of(part, found), UNSAID)
