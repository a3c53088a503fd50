"""Rows of channels that are taken by a counter of something else, neuron by neuron (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TypeAlias

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.tables import Brief

BEYOND = -1  # of a row behind the last it is not known what stands there
Count: TypeAlias = Callable[[Ints, Ints, Ints, Shape], Ints]  # from c, y, x and the shape


def _number(c: Ints, y: Ints, x: Ints, shape: Shape) -> Ints:
    """The number of a neuron."""
    return (c * shape[1] + y) * shape[2] + x


COUNTS: tuple[tuple[str, float, Count], ...] = (
    ("y", 2, lambda c, y, x, shape: y),
    ("x", 2, lambda c, y, x, shape: x),
    ("y * W + x", 2.2, lambda c, y, x, shape: y * shape[2] + x),
    ("c * H + y", 2.2, lambda c, y, x, shape: c * shape[1] + y),
    ("c * W + x", 2.4, lambda c, y, x, shape: c * shape[2] + x),
    ("c + y", 2.4, lambda c, y, x, shape: c + y),
    ("c + x", 2.4, lambda c, y, x, shape: c + x),
    ("n", 2.1, _number),
    ("n / H", 2.3, lambda c, y, x, shape: _number(c, y, x, shape) // shape[1]),
    ("n / (H * W + 1)", 2.1, lambda c, y, x, shape: _number(c, y, x, shape) // (shape[1] * shape[2] + 1)),
    ("n / (H * W - 1)", 2.2, lambda c, y, x, shape: _number(c, y, x, shape) // max(1, shape[1] * shape[2] - 1)),
    ("n / C", 2.4, lambda c, y, x, shape: _number(c, y, x, shape) // shape[0]),
)
ENDS: tuple[tuple[str, float, Callable[[Ints, int], Ints]], ...] = (
    ("channel ({}) mod C", 0, lambda at, channels: at % channels),
    ("channel min({}, C - 1)", 0.2, lambda at, channels: np.minimum(at, channels - 1)),
    ("row {} of the table", 0.1, lambda at, channels: np.where(at < channels, at, BEYOND)),
)


@dataclass(frozen=True, eq=False, repr=False)
class Counter(Brief):
    """Which channel's row each neuron takes, in words, how dear these are, and which (C, H, W) of a shape, BEYOND where
    there is none.
    """

    text: str
    dear: float
    of: Callable[[Shape], Ints]


def counters() -> Iterator[Counter]:
    """What may count channels, n the neuron: modulo their number, up to the last, or on behind it."""
    for (text, dear, count), (form, more, end) in product(COUNTS, ENDS):
        yield Counter(form.format(text), dear + more, partial(_counted, count, end))


def _counted(count: Count, end: Callable[[Ints, int], Ints], shape: Shape) -> Ints:
    c, y, x = np.indices(shape)
    return end(count(c, y, x, shape), shape[0])


def by_counter(counter: Counter, shape: Shape, rows: Ints, unknown: int) -> Ints:
    """Rows of channels (K, C, 1, 1) as each neuron (K, C, H, W) has them by a counter, `unknown` where it has none."""
    at = counter.of(shape)
    return np.where(at == BEYOND, unknown, rows[:, np.maximum(at, 0), 0, 0])
