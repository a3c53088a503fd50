"""Addresses of a memory (C, H, W) as they are made with another pitch of rows or channels, or of something else
(CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.populations import Shape
from fsref.tables import Brief

IN_TURN = (1, 2, 4, 8)  # memories that take channels, or outputs, in turn
ROUNDED = (2, 4, 8, 16, 32)  # to whose multiples a pitch may be rounded up
Pitch: TypeAlias = Callable[[int, Shape, Shape], int]  # from the right one, the own shape and the one beside it


Address: TypeAlias = Callable[[Shape, Shape], NDArray[np.intp]]  # by neuron, from its shape and the one beside it
ADDRESSES: tuple[tuple[str, float, Address], ...] = (
    ("its neuron", 2, lambda own, by: np.arange(int(np.prod(own)))),
    ("its channel", 2, lambda own, by: _places(own)[0]),
    ("its row", 2.2, lambda own, by: _places(own)[1]),
    ("its column", 2.2, lambda own, by: _places(own)[2]),
    ("its place in its channel", 2.1, lambda own, by: np.arange(int(np.prod(own))) % (own[1] * own[2])),
    ("the first place of its channel", 2, lambda own, by: _places(own)[0] * (by[1] * by[2])),
    ("its channel times the places of a channel", 2.3, lambda own, by: _places(own)[0] * (own[1] * own[2])),
    ("its neuron modulo the number of channels", 2.2, lambda own, by: np.arange(int(np.prod(own))) % own[0]),
    ("its neuron modulo the number of factors", 2.2, lambda own, by: np.arange(int(np.prod(own))) % int(np.prod(by))),
    ("its neuron, in channels of as many rows as columns", 2.1, lambda own, by: _of_square(own)),
    ("its neuron, channels last", 2.2, lambda own, by: _channels_last(own)),
    ("its neuron, rows and columns exchanged", 2.2, lambda own, by: _exchanged(own)),
)


@dataclass(frozen=True, eq=False, repr=False)
class Pitches(Brief):
    """How far rows, and channels, lie apart, in words, how dear these are, and what they are for the `own` shape of a
    memory and that of the population on the other side: (channel, row).
    """

    text: str
    dear: float
    of: Callable[[Shape, Shape], tuple[int, int]]


def pitches() -> Iterator[Pitches]:
    """How rows and channels may lie apart instead."""
    for words, dear, pitch in _rows():
        yield Pitches(f"rows {words}", dear, partial(_both, pitch))
        yield Pitches(f"rows {words}, but channels as they do", dear + 0.3, partial(_of_rows, pitch))
    for words, dear, pitch in _sizes():
        yield Pitches(f"channels {words}", dear, partial(_of_channels, pitch))
    for words, axis in (("rows", 1), ("columns", 2)):
        yield Pitches(f"channels lie as far apart as there are {words}, squared", 2.2, partial(_squared, axis))
    words = "channels lie as far apart as with as many rows as the other side has"
    yield Pitches(words, 2.4, partial(_of_channels, _by_rows))


def _squared(axis: int, own: Shape, other: Shape) -> tuple[int, int]:
    return own[axis] ** 2, own[2]


def _sizes() -> Iterator[tuple[str, float, Pitch]]:
    for by in (1, -1, 2, -2):
        yield f"lie {abs(by)} {'further' if by > 0 else 'less far'} apart", 2 + abs(by) / 10, partial(_more, by)
    for to in ROUNDED:
        yield f"begin at multiples of {to}", 2.2, partial(_up, to)
    yield "begin at powers of two", 2.1, _power
    yield "lie as far apart as those of the other side", 2.3, _other


def _rows() -> Iterator[tuple[str, float, Pitch]]:
    yield from _sizes()
    yield "lie as far apart as there are rows", 2.1, lambda own, shape, other: shape[1]


def _both(pitch: Pitch, own: Shape, other: Shape) -> tuple[int, int]:
    row = pitch(own[2], own, other)
    return own[1] * row, row


def _of_rows(pitch: Pitch, own: Shape, other: Shape) -> tuple[int, int]:
    return own[1] * own[2], pitch(own[2], own, other)


def _of_channels(pitch: Pitch, own: Shape, other: Shape) -> tuple[int, int]:
    return pitch(own[1] * own[2], own, other), own[2]


def _more(by: int, right: int, own: Shape, other: Shape) -> int:
    return right + by


def _up(to: int, right: int, own: Shape, other: Shape) -> int:
    return -(-right // to) * to


def _power(right: int, own: Shape, other: Shape) -> int:
    return 1 << (right - 1).bit_length()


def _by_rows(right: int, own: Shape, other: Shape) -> int:
    return other[1] * own[2]


def _other(right: int, own: Shape, other: Shape) -> int:
    return other[2] if right == own[2] else other[1] * other[2]


def _places(shape: Shape) -> NDArray[np.intp]:
    return np.indices(shape).reshape(3, -1)


def _channels_last(shape: Shape) -> NDArray[np.intp]:
    c, y, x = _places(shape)
    found: NDArray[np.intp] = (y * shape[2] + x) * shape[0] + c
    return found


def _of_square(shape: Shape) -> NDArray[np.intp]:
    """Addresses as a scan comes to them that goes to the next channel behind as many rows as columns; -1 beyond."""
    count, height, width = shape
    n = np.arange(int(np.prod(shape)))
    c, y, x = n // (width * width), n % (width * width) // width, n % width
    return np.where((c < count) & (y < height), (c * height + y) * width + x, -1)


def _exchanged(shape: Shape) -> NDArray[np.intp]:
    c, y, x = _places(shape)
    found: NDArray[np.intp] = (c * shape[2] + x) * shape[1] + y
    return found
