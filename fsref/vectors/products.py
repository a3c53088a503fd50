"""The forms of networks in a pack for limits that have gates and views: the factor of another place, sign or time, and
a row or column of another number, show in what comes behind (GATE-1 to GATE-4, VIEW-1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np

from fsref.law.network import Network
from fsref.law.neuron import Table
from fsref.law.populations import FS, MaxPool, Population, Readout, View
from fsref.law.projections import Conv2d, Dense, Gate, Projection, window_shape
from fsref.vectors.room import Room

Form: TypeAlias = Callable[[Room], Network]


def signed(room: Room, steps: int, channels: int) -> Table:
    """A table whose codes are of both signs and 0, where the chip has any."""
    if room.chip.tables != "any":
        return room.relu(steps, 23, channels)
    steps, below = room.steps(steps), room.draws.below
    T, h = below(121, channels, steps) - 60, below(61, channels, steps) - 20
    return room.table(T, h, below(23, channels, steps) - 11)


def multiplied(room: Room, by: str) -> Network:
    """A gate whose factor is a map, one place of each channel, or its source itself, beside another projection; one of
    the shape of the factor stands between them.
    """
    shape = room.shape(3, 3, 4)
    given, c = room.given(shape, 5), shape[0]
    one = FS("one", shape, room.relu(4, 37, c))
    into: list[Projection] = [Conv2d(given.name, "one", room.weights(c, c, 1, 1, bits=5))]
    populations: list[Population] = [given, one]
    if by != "itself":
        size = shape if by == "map" else (c, 1, 1)
        populations += [FS("factor", size, signed(room, 5, c)), FS("beside", size, room.relu(3, 29, c))]
        for name in ("factor", "beside"):
            into.append(
                Conv2d(given.name, name, room.weights(c, c, 1, 1, bits=5))
                if by == "map"
                else Dense(given.name, name, room.weights(c, c, bits=4), pooled=True)
            )
    populations.append(FS("last", shape, room.relu(6, 211, c)))
    into.append(Gate("one", "one" if by == "itself" else "factor", "last", room.weights(c, bits=5)))
    into.append(Conv2d(given.name, "last", room.weights(c, 1, 1, 1, bits=5), groups=c))
    return room.network(f"gate_{by}", populations, into)


def waiting(room: Room) -> Network:
    """A gate into the readout, whose factor is complete long before its source, and one the other way round."""
    given = room.given(room.shape(7, 1, 1), 6)
    c = given.shape[0]
    early, middle = FS("early", given.shape, signed(room, 3, c)), FS("middle", given.shape, room.relu(5, 31, c))
    late = FS("late", given.shape, room.relu(4, 21, c))
    ends = [(given, "early"), (given, "middle"), (middle, "late")]
    into = [room.joined(source, target, room.weights(c, c, bits=5)) for source, target in ends]
    gates = [Gate("late", "early", "out", room.weights(c, bits=5)), Gate("early", "late", "out", room.weights(c))]
    return room.whole("gate_waits", [given, early, middle, late, Readout("out", given.shape)], [*into, *gates])


def shown(room: Room) -> Network:
    """A view that mirrors, repeats and leaves out rows and columns, read by a convolution, by a max-pool, and by a view
    of it that shows one place everywhere.
    """
    given = room.given(room.shape(3, 4, 5), 5)
    c, h, w = given.shape
    first = FS("first", given.shape, room.relu(5, 19, c))
    rows = np.array([h - 1, -1, 0, h // 2, 0])[: room.count(5, 1)]
    columns = np.array([w - 1, 0, -1, w // 2, 0, w - 1])[: room.count(6, 2)]
    view = View("view", (c, len(rows), len(columns)), "first", rows, columns)
    beside = FS("beside", view.shape, room.relu(4, 13, c))
    over = View("over", view.shape, "view", np.zeros(len(rows), np.int64), np.full(len(columns), len(columns) - 1))
    kernel = (min(2, len(rows)), min(2, len(columns)))
    pool = MaxPool("pool", (c, *window_shape(view.shape, kernel, (1, 1), (0, 0, 0, 0))), "view", kernel, (1, 1))
    last = FS("last", pool.shape, room.relu(6, 41, c))
    into: list[Projection] = [
        Conv2d(given.name, "first", room.weights(c, c, 1, 1, bits=5)),
        Conv2d("view", "beside", room.weights(c, c, 1, 1, bits=5)),
        Conv2d("over", "last", room.weights(c, 1, *kernel, bits=4), groups=c),
        Conv2d("pool", "last", room.weights(c, c, 1, 1, bits=5)),
        Conv2d("beside", "last", room.weights(c, 1, *kernel, bits=4), groups=c),
    ]
    return room.network("view", [given, first, view, beside, over, pool, last], into)


def products() -> Iterator[Form]:
    """The forms with gates and views."""
    yield from (partial(multiplied, by=by) for by in ("map", "place", "itself"))
    yield waiting
    yield shown
