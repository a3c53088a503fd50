"""Weights that are read as if they lay otherwise in their memory (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import permutations

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.where import others

NAMES = ("outputs", "inputs", "kernel rows", "kernel columns")  # of weights (O, I, kh, kw)
ROUNDED = (2, 4, 8, 16)  # words of a row that begin anew
WORDS, WRAPPED = (4, 8, 16), (32, 64, 128, 256)  # weights in a word, and values of a pitch
TILED = (4, 8, 16, 32)  # inputs that are read together
GROUPS = (2, 4, 8)  # weights of a word
Layout = tuple[str, float, Callable[[Ints], Ints]]


def layouts() -> Iterator[Layout]:
    """How weights may lie, in words, how dear these are, and which are read then."""
    for order in permutations(range(4)):
        if order != (0, 1, 2, 3):
            words = ", ".join(NAMES[axis] for axis in order)
            yield f"are read as if they lay in the order {words}", 2.2, partial(_read, order)
            yield f"lie in the order {words}, and are read as if they did not", 2.4, partial(_lying, order)
    yield "of each kernel are turned round, rows and columns", 2, lambda w: w[..., ::-1, ::-1]
    yield "of each kernel have rows and columns exchanged", 2, _exchanged
    for axis, name in enumerate(("outputs", "inputs", "kernel rows")):
        for by in (1, -1):
            words = f"of {name} are read {'further' if by > 0 else 'less far'} apart by one"
            yield words, 2.3, partial(_apart, axis, partial(_more, by))
        inner = NAMES[axis + 1]
        yield f"of {name} are read as if each had one more of {inner}", 2.3, partial(_wider, axis, partial(_more, 1))
        for to in ROUNDED:
            yield f"of {name} are read as if they began at multiples of {to}", 2.4, partial(_apart, axis, _up(to))
            words = f"of {name} are read as if the number of {inner} were a multiple of {to}"
            yield words, 2.4, partial(_wider, axis, _up(to))
        yield f"of {name} are read as if they began at powers of two", 2.4, partial(_apart, axis, _power)
    for to in ROUNDED:
        for up, way in ((False, "down"), (True, "up")):
            words = f"of outputs are read from where they begin, rounded {way} to a multiple of {to}, on"
            yield words, 2.3, partial(_begun, to, up)
    yield "of kernel rows are read as far apart as there are kernel rows", 2.3, _tall
    for other in [*others("weight")][7:]:
        yield f"are each read at the address of {other.text}", other.dear + 0.2, partial(_at, other.of)
    for n in WORDS:
        words = f"of outputs lie in whole words of {n}, and are read as if they began with whole words of inputs alone"
        yield words, 2.4, partial(_cut, n)
    for n in WRAPPED:
        yield f"of outputs are read as if the number of inputs were taken modulo {n}", 2.4, partial(_wrapped, n)
    for n in TILED:
        yield (
            f"of the first of each {n} inputs, but for the first, are those of the input before",
            2.1,
            partial(_stale, n),
        )
    for n in GROUPS:
        yield f"of each word of {n} are read in reverse", 2.2, partial(_turned, n)


def _cut(n: int, w: Ints) -> Ints:
    """Rows of whole words, the last filled with 0, of which each begins as many words behind the one before as the
    inputs fill.
    """
    rows = w.reshape(len(w), -1)
    count = rows.shape[1]
    lying = np.pad(rows, ((0, 0), (0, -count % n))).ravel()
    at = np.arange(len(rows))[:, None] * (count // n * n) + np.arange(count)
    found: Ints = lying[at].reshape(w.shape)
    return found


def _begun(to: int, up: bool, w: Ints) -> Ints:
    """Rows that begin at whole words, around the end."""
    rows = w.reshape(len(w), -1)
    first = np.arange(len(rows))[:, None] * rows.shape[1]
    begun = (first + up * (to - 1)) // to * to
    found: Ints = w.ravel()[(begun + np.arange(rows.shape[1])) % w.size].reshape(w.shape)
    return found


def _wrapped(n: int, w: Ints) -> Ints:
    """Rows whose pitch has too few bits."""
    rows = w.reshape(len(w), -1)
    count = rows.shape[1]
    found: Ints = rows.ravel()[np.arange(len(rows))[:, None] * (count % n) + np.arange(count)].reshape(w.shape)
    return found


def _read(order: tuple[int, ...], w: Ints) -> Ints:
    """Weights in C order read as if they were in another."""
    lying = w.ravel().reshape([w.shape[axis] for axis in order])
    return lying.transpose(np.argsort(order))


def _lying(order: tuple[int, ...], w: Ints) -> Ints:
    """Weights in another order read as if they were in C order."""
    return w.transpose(order).reshape(w.shape)


def _exchanged(w: Ints) -> Ints:
    return w.swapaxes(2, 3) if w.shape[2] == w.shape[3] else w


def _apart(axis: int, change: Callable[[int], int], w: Ints) -> Ints:
    """Weights whose places along an axis lie as far apart as is said."""
    strides = [int(np.prod(w.shape[at + 1 :])) for at in range(4)]
    strides[axis] = change(strides[axis])
    return _read_at(strides, w)


def _tall(w: Ints) -> Ints:
    """Weights of kernels whose rows are taken to be as long as their columns are."""
    strides = [int(np.prod(w.shape[at + 1 :])) for at in range(4)]
    return _read_at([*strides[:2], w.shape[2], 1], w)


def _wider(axis: int, change: Callable[[int], int], w: Ints) -> Ints:
    """Weights whose places along an axis hold another number of the next."""
    strides = [int(np.prod(w.shape[at + 1 :])) for at in range(4)]
    strides[axis] = change(w.shape[axis + 1]) * int(np.prod(w.shape[axis + 2 :]))
    return _read_at(strides, w)


def _read_at(strides: list[int], w: Ints) -> Ints:
    """Weights at the addresses that strides give, around the end."""
    places = zip(np.ogrid[tuple(map(slice, w.shape))], strides, strict=True)
    address: Ints = sum((at * stride for at, stride in places), np.zeros((), np.int64))
    found: Ints = w.ravel()[address % w.size]
    return found


def _more(by: int, size: int) -> int:
    return size + by


def _up(to: int) -> Callable[[int], int]:
    return lambda size: -(-size // to) * to


def _power(size: int) -> int:
    return 1 << (size - 1).bit_length()


def _at(of: Callable[[int], Ints], w: Ints) -> Ints:
    return w.ravel()[of(w.size)].reshape(w.shape)


def _stale(n: int, w: Ints) -> Ints:
    """The weights of the input before at each tile of inputs behind the first."""
    at = np.arange(w.shape[1])
    return w[:, at - ((at % n == 0) & (at > 0))]


def _turned(n: int, w: Ints) -> Ints:
    """The weights of each word of so many from its end; of the last one those that it has."""
    at = np.arange(w.size)
    first = at // n * n
    last = np.minimum(first + n, w.size) - 1
    found: Ints = w.ravel()[first + last - at].reshape(w.shape)
    return found
