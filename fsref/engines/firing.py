"""What fires a population, and fills a pool or a view: operations and tables for the kernels that do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines.kernels import patches as kernels
from fsref.engines.patches import Arenas, Operation, Sent, joins, lane_weights
from fsref.engines.planes import LANES, Arena, Plane, filled
from fsref.law.neuron import base_two
from fsref.law.populations import FS, Input, MaxPool, Relay, View
from fsref.law.projections import Conv2d, Dense, Gate, Projection

Array: TypeAlias = NDArray[Any]
NEVER = 2**31 - 1  # a threshold that no membrane reaches


def by_fours(rows: Array, beyond: int) -> Array:
    """A table (K, C) in the order in which `fire` reads it: of each 16 channels, filled up by `beyond`, the first of
    its steps, 1..4 of them, then the others, four by four.
    """
    whole = np.pad(rows, [(0, 0), (0, filled(rows.shape[1]) - rows.shape[1])], constant_values=beyond)
    begin = first_steps(len(rows))
    parts = [whole[:begin], *(whole[t : t + 4] for t in range(begin, len(rows), 4))]
    return np.concatenate([part.reshape(len(part), -1, LANES).swapaxes(0, 1).ravel() for part in parts])


def first_steps(steps: int) -> int:
    """How many steps are fired at first, so that the others go four by four."""
    return 1 + (steps - 1) % 4


def held(rows: Array) -> Array:
    """Numbers in lanes of int32: those beyond are as if infinite, which for thresholds is the same."""
    return np.clip(rows, -(2**31), NEVER)


def firing(p: Input | Relay | FS, wide: bool, sent: Sent, arenas: Arenas, marks: Arena) -> Operation:
    """What fires a population, but for whom it tells; one that is not fast is fired in plain loops, and sends its
    trains as if they were codes of an input.
    """
    plane, numbers, steps, highs = sent.plane, arenas.numbers, sent.d.shape[1], sent.highs
    T = h = np.broadcast_to(base_two(steps), sent.d.shape).T
    bias, bias_step = np.zeros(plane.channels, np.int64), 0
    if isinstance(p, FS) and not wide:  # an input, a pool and a view hold what they are to send
        T, h = (rows.T for rows in p.table.rows(p.shape[0])[:2])
        own = p.bias.transpose(1, 2, 0) if p.bias.ndim == 3 else p.bias
        bias = np.pad(own, [(0, 0)] * (own.ndim - 1) + [(0, plane.channels - p.shape[0])])
        bias_step = plane.channels if p.bias.ndim == 3 else 0
    begin = first_steps(steps)
    more = (0, plane.channels - p.shape[0])
    relu = bool((h[-1] > 0).all() and (T == h).all() and (h == h[-1] << np.arange(steps)[::-1, None]).all())
    if relu and 2 * int(h[0].max()) <= NEVER:
        thresholds = [np.pad(2 * h[0], more, constant_values=NEVER)]
    else:
        # What h leaves of a membrane fits 32 bits, so that those of h are enough (RANGE-3).
        relu, thresholds = False, [by_fours(held(T), NEVER), by_fours(h, 0).astype(np.int32)]
    geometry = (*p.shape[1:], plane.channels, plane.first, plane.row)
    at = [numbers.put(bias), bias_step, *(numbers.put(rows) for rows in thresholds), *([0] if relu else [])]
    # Marks that do not fit name nobody: no list is read of a population that has any (`listed`).
    marked, fours = marks.put(by_fours(sent.marks(), 0), cut=True), (steps - begin) // 4
    return Operation(kernels.firing(relu, begin), (*geometry, *at, marked, fours, -(-highs // 4)))


def joined_of(out: dict[str, Projection], routes: Mapping[str, str], sent: Sent) -> dict[str, Conv2d]:
    """The one projection of a population, if there is any, that `fire` delivers, by name."""
    for name, q in out.items():
        match q:
            case Conv2d() if routes[name] == "lanes" and joins(q, sent):
                return {name: q}
            case Conv2d() | Dense() | Gate():
                pass
            case _:
                assert_never(q)
    return {}


def join(q: Conv2d, source: Plane, target: Plane, arenas: Arenas) -> tuple[int, int, int]:
    """What `fire` takes to deliver a projection along lanes: its weights, and where its target lies."""
    return arenas.numbers.put(lane_weights(q, source)), target.first, target.row


def pooling(p: MaxPool, planes: dict[str, Plane], told: int) -> Operation:
    """What fills the plane of a pool, from train words from `told` on."""
    own, source = planes[p.name], planes[p.source]
    windows = (*p.kernel, *p.stride, *p.padding[:2])
    g = (*source.shape[1:], own.channels, *p.shape[1:], own.first, own.row, *windows, told)
    return Operation(kernels.pool, g)


def viewing(p: View, planes: dict[str, Plane], told: int, arenas: Arenas) -> Operation:
    """What fills the plane of a view, from train words from `told` on."""
    own, source = planes[p.name], planes[p.source]
    lists = arenas.numbers.put(p.rows), arenas.numbers.put(p.columns)
    g = (source.shape[2], own.channels, *p.shape[1:], own.first, own.row, told, *lists)
    return Operation(kernels.view, g)


def relaying(p: Relay, planes: dict[str, Plane], told: int, arenas: Arenas) -> Operation:
    """What fills the plane of a pool or a view, from train words from `told` on."""
    match p:
        case MaxPool():
            return pooling(p, planes, told)
        case View():
            return viewing(p, planes, told, arenas)
        case _:
            assert_never(p)
