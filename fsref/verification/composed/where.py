"""Some of an index, of a source, of the steps or of the weights; and other values of an index: in words (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.tables import Brief
from fsref.verification.composed.relation import Mask

FIRST = (1, 2, 3, 4, 8, 16, 32, 64)  # indices named
GROUPS = (4, 8)  # of which a last one may be left
SHORT = (64, 128, 256)  # numbers of inputs that may be taken modulo one of these
WORDS = (16, 32, 64)  # neurons in one word, of which the first, the last, or all of a last word may be left
AXES = ((1, "input"), (2, "kernel row"), (3, "kernel column"))  # of weights (O, I, kh, kw)
ADDRESSED = ("neuron", "weight")  # indices that are addresses, of which a bit may be stuck
LARGE = (512, 1024, 2048, 4096)  # of which addresses may be left
VALUES = (1, -1, 127, -127, -128, 128)  # of weights named

Given = TypeVar("Given")


@dataclass(frozen=True, eq=False, repr=False)
class Some(Brief, Generic[Given]):
    """Some of what is given, in words, how dear these are, and which."""

    text: str
    dear: float
    of: Callable[[Given], Mask]


@dataclass(frozen=True, eq=False, repr=False)
class Other(Brief):
    """Other values of an index of so many, in words, and how dear these are."""

    text: str
    dear: float
    of: Callable[[int], NDArray[np.intp]]


def some(name: str) -> Iterator[Some[int]]:
    """Some values of an index of so many."""
    yield Some(f" of the first {name}", 1.5, lambda n: np.arange(n) == 0)
    yield Some(f" of the last {name}", 1.5, lambda n: np.arange(n) == n - 1)
    yield Some(f" of the last {name} of an odd number", 1.7, lambda n: (np.arange(n) == n - 1) & (n % 2 == 1) & (n > 1))
    yield Some(f" of odd {name}s", 1.8, lambda n: np.arange(n) % 2 == 1)
    yield Some(f" of even {name}s", 1.8, lambda n: np.arange(n) % 2 == 0)
    yield Some(f" of the second half of the {name}s", 2, lambda n: np.arange(n) >= n // 2)
    for at in FIRST:
        yield Some(f" of {name}s from {at} on", 2.4, partial(_from, at))
        yield Some(f" of {name} {at}", 2.6, partial(_only, at))
        yield Some(f" of the last {at + 1} {name}s", 2.6, partial(_last, at + 1))
    for over, at in product(GROUPS, range(max(GROUPS))):
        if at < over:
            yield Some(f" of {name}s {at}, {at + over}, ...", 2.8, partial(_every, over, at))
    for over in GROUPS:
        yield Some(f" of {name}s {over}, {2 * over}, ...", 2.5, partial(_every_but_first, over))
    for most in SHORT * (name == "input"):
        yield Some(f" of inputs from their number modulo {most} on", 2.3, partial(_from_modulo, most))
    yield from (Some(f" of {name}s behind the last group of {n}", 2.4, partial(_left, n)) for n in GROUPS)
    for n in GROUPS * (name == "input"):
        yield Some(f" of inputs before the last group of {n} or less", 2.4, partial(_before_last, n))
    for n in WORDS * (name == "neuron"):
        for at in (0, n - 1):
            yield Some(f" of neurons {at}, {at + n}, ...", 2.5, partial(_every, n, at))
        yield Some(f" of neurons behind whole groups of {n}", 2.4, partial(_left_of_some, n))
        yield Some(f" of neurons behind the last group of {n}", 2.5, partial(_left, n))


def _from(at: int, n: int) -> Mask:
    return np.asarray(np.arange(n) >= at)


def _only(at: int, n: int) -> Mask:
    return np.asarray(np.arange(n) == at)


def _last(count: int, n: int) -> Mask:
    return np.asarray(np.arange(n) >= n - count)


def _every_but_first(over: int, n: int) -> Mask:
    return np.asarray((np.arange(n) % over == 0) & (np.arange(n) > 0))


def _from_modulo(most: int, n: int) -> Mask:
    return np.asarray((np.arange(n) >= n % most) & (n >= most))


def _every(over: int, at: int, n: int) -> Mask:
    return np.asarray(np.arange(n) % over == at)


def _left(over: int, n: int) -> Mask:
    return np.asarray(np.arange(n) >= n // over * over)


def _left_of_some(over: int, n: int) -> Mask:
    return np.asarray((np.arange(n) >= n // over * over) & (n >= over))


def _before_last(over: int, n: int) -> Mask:
    return np.asarray(np.arange(n) < (n - 1) // over * over)


def steps() -> tuple[Some[int], ...]:
    """All steps of a source, or some."""
    return Some("", 0, lambda n: np.ones(n, np.bool_)), *some("step")


def sources() -> Iterator[Some[tuple[int, ...]]]:
    """All of a source (C, H, W), or some."""
    yield Some("", 0, lambda shape: np.ones(shape, np.bool_))
    for axis, name in enumerate(("channel", "row", "column")):
        for each in some(name):
            yield Some(f"{each.text} of the source", each.dear, partial(along, axis, each))
    for each in some("neuron"):
        yield Some(f"{each.text} of the source", each.dear, partial(_flat, each))


def weights() -> Iterator[Some[Ints]]:
    """All of some weights (O, I, kh, kw), or some: by their place, or by what they are."""
    yield Some("", 0, lambda w: np.ones(w.shape, np.bool_))
    yield from (Some(each.text, each.dear, partial(_placed, axis, each)) for axis, name in AXES for each in some(name))
    yield Some(" below 0", 1, lambda w: w < 0)
    yield Some(" above 0", 1.2, lambda w: w > 0)
    yield Some(" that is even", 2, lambda w: w % 2 == 0)
    yield Some(" that is odd", 2, lambda w: w % 2 == 1)
    yield from (Some(f" {value}", 2.2, partial(np.equal, value)) for value in VALUES)
    yield from (Some(f" that is a multiple of {n}", 2.1, partial(_multiple, n)) for n in (4, 8, 16, 32))


def _multiple(n: int, w: Ints) -> Mask:
    return np.asarray(w % n == 0)


def along(axis: int, each: Some[int], shape: tuple[int, ...]) -> Mask:
    """Some along one axis of a shape."""
    at = [1] * len(shape)
    at[axis] = shape[axis]
    return np.broadcast_to(each.of(shape[axis]).reshape(at), shape)


def _flat(each: Some[int], shape: tuple[int, ...]) -> Mask:
    return each.of(int(np.prod(shape))).reshape(shape)


def _placed(axis: int, each: Some[int], w: Ints) -> Mask:
    return along(axis, each, w.shape)


def others(name: str) -> Iterator[Other]:
    """What may stand for each of an index."""
    yield Other(f"the {name} before", 2, lambda n: np.maximum(np.arange(n) - 1, 0))
    yield Other(f"the next {name}", 2, lambda n: np.minimum(np.arange(n) + 1, n - 1))
    yield Other(f"the {name} before, around the end", 2.2, lambda n: (np.arange(n) - 1) % n)
    yield Other(f"the next {name}, around the end", 2.2, lambda n: (np.arange(n) + 1) % n)
    yield Other(f"the {name} as far from the other end", 2, lambda n: np.arange(n)[::-1])
    yield Other(f"the first {name}", 2, lambda n: 0 * np.arange(n))
    yield Other(f"the last {name}", 2, lambda n: 0 * np.arange(n) + n - 1)
    for bits in (1, 3, 7):
        words = "bit" if bits == 1 else f"{bits.bit_length()} bits"
        yield Other(f"the {name} whose lowest {words} are the complement", 2.4, partial(_complement, bits))
    for size in (2, 4, 8, 16, 32, 64, 128, 256, *(LARGE if name in ADDRESSED else ())):
        yield Other(f"the {name} modulo {size}", 2.4, partial(_modulo, size))
        yield Other(f"the first {name} of its {size}", 2.6, partial(_first, size))
        yield Other(f"the {name} turned round behind the last group of {size}", 3, partial(_turned, size))
    for bit in range(8 * (name in ADDRESSED)):
        yield Other(f"the {name} with bit {bit} at 0", 2.5, partial(_masked, bit))
        yield Other(f"the {name} with bit {bit} at 1, where there is one", 2.7, partial(_set, bit))
    yield Other(f"the {name} of the other half", 2.6, lambda n: (np.arange(n) + n // 2) % n)
    yield Other(f"the {name} half of them before", 2.5, lambda n: np.arange(n) - (np.arange(n) >= n // 2) * (n // 2))
    yield Other(f"the {name} half of them, and one, before", 2.7, lambda n: np.arange(n) - _upper(n) * ((n + 1) // 2))
    for size in (2, 4, 8, 16, 32):
        yield Other(f"the {name} {size} before, where there is one", 2.5, partial(_less, size))
        yield Other(f"the {name} {size} behind, where there is one", 2.6, partial(_more, size))
    for banks in (2, 3, 4):
        yield Other(f"the {name} as {banks} groups of them would be interleaved", 2.7, partial(_interleaved, banks))
        yield Other(f"the {name} as {banks} interleaved groups of them would lie", 2.7, partial(_parted, banks))


def _upper(n: int) -> NDArray[np.intp]:
    return (np.arange(n) >= (n + 1) // 2).astype(np.intp)


def _less(size: int, n: int) -> NDArray[np.intp]:
    return np.arange(n) - size * (np.arange(n) >= size)


def _more(size: int, n: int) -> NDArray[np.intp]:
    return np.arange(n) + size * (np.arange(n) + size < n)


def _interleaved(banks: int, n: int) -> NDArray[np.intp]:
    """Groups that lie one behind the other, read in turn; where they are not of one size, as they are."""
    at = np.arange(n)
    return at % banks * (n // banks) + at // banks if n % banks == 0 else at


def _parted(banks: int, n: int) -> NDArray[np.intp]:
    return np.argsort(_interleaved(banks, n))


def _complement(bits: int, n: int) -> NDArray[np.intp]:
    at = np.arange(n)
    return np.where(at ^ bits < n, at ^ bits, at)


def _modulo(size: int, n: int) -> NDArray[np.intp]:
    return np.arange(n) % size


def _masked(bit: int, n: int) -> NDArray[np.intp]:
    return np.arange(n) & ~(1 << bit)


def _set(bit: int, n: int) -> NDArray[np.intp]:
    at = np.arange(n)
    return np.where(at | 1 << bit < n, at | 1 << bit, at)


def _first(size: int, n: int) -> NDArray[np.intp]:
    return np.arange(n) // size * size


def _turned(size: int, n: int) -> NDArray[np.intp]:
    kept = n // size * size
    return np.concatenate([np.arange(kept), np.arange(kept, n)[::-1]])
