"""What may become of a value: the parts of changes, in words (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from fsref.law.neuron import Ints
from fsref.tables import Brief
from fsref.verification.widths import saturated, unsigned, wrapped

BITS = range(3, 41)  # of registers tried
SINGLE = range(32)  # bits that may be stuck, or exchanged
MOST = 2**62  # of what is added
LOW = (1, 2, 3, 4, 8)  # bits that may be lost
LOOKED_AT = (4, 7, 8, 12, 16)  # bits by which a value may be taken for 0


@dataclass(frozen=True, eq=False, repr=False)
class Becomes(Brief):
    """What becomes of a value, in words, how dear these are, and what it is then."""

    text: str
    dear: float
    of: Callable[[Ints], Ints]


def _becomes() -> Iterator[Becomes]:
    for by in (1, -1, 2, -2):
        yield Becomes(f"is {abs(by)} too {'high' if by > 0 else 'low'}", 1 + abs(by) / 2, partial(np.add, by))
    yield Becomes("is 0", 1, lambda v: 0 * v)
    yield Becomes("has no sign", 1.5, np.abs)
    yield Becomes("has the other sign", 1.5, np.negative)
    yield Becomes("is its complement", 1.8, np.invert)
    yield Becomes("is 0 where it is below", 1.5, lambda v: np.maximum(v, 0))
    yield Becomes("is 0 where it is above", 2.5, lambda v: np.minimum(v, 0))
    yield Becomes("is doubled", 1.5, lambda v: 2 * v)
    yield Becomes("is halved", 1.7, lambda v: v >> 1)
    yield Becomes("is halved toward zero", 2, partial(magnitude, lambda v: v >> 1))
    yield Becomes("is a quarter", 2.2, lambda v: v >> 2)
    yield Becomes("is rounded toward zero to a power of two", 2.5, partial(magnitude, power))
    for low in LOW:
        words = "its lowest bit" if low == 1 else f"its lowest {low} bits"
        yield Becomes(f"loses {words}", 1.5 + low / 8, partial(_cut, low))
        yield Becomes(f"loses {words} toward zero", 2 + low / 8, partial(magnitude, partial(_cut, low)))
        yield Becomes(f"is rounded to multiples of {2**low}", 2.5 + low / 8, partial(_rounded, low))
    for low in LOOKED_AT:
        yield Becomes(f"is 0 where its lowest {low} bits are", 2, partial(_unseen, low))
    for bits in BITS:
        yield from _narrow(bits)
    for bit in SINGLE:
        yield Becomes(f"has bit {bit} stuck at 0", 2.4, partial(np.bitwise_and, ~(1 << bit)))
        yield Becomes(f"has bit {bit} stuck at 1", 2.4, partial(np.bitwise_or, 1 << bit))
        yield Becomes(f"has bit {bit} turned over", 2.8, partial(np.bitwise_xor, 1 << bit))
        yield Becomes(f"has bits {bit} and {bit + 1} exchanged", 3, partial(_exchanged, bit))


def _narrow(bits: int) -> Iterator[Becomes]:
    """A register of so many bits."""
    low, high, most = -(1 << (bits - 1)), (1 << (bits - 1)) - 1, (1 << bits) - 1
    yield Becomes(f"wraps at {bits} bits", 2, partial(wrapped, bits=bits))
    yield Becomes(f"saturates at {bits} bits", 2, partial(saturated, bits=bits))
    yield Becomes(f"saturates at {bits} bits from below alone", 2.4, partial(np.maximum, low))
    yield Becomes(f"saturates at {bits} bits from above alone", 2.4, partial(np.minimum, high))
    yield Becomes(f"saturates at {bits} bits on the wrong side", 3, partial(_turned_over, low, high))
    yield Becomes(f"is the highest of {bits} bits below the lowest", 2.8, partial(_turned_over, low, MOST))
    yield Becomes(f"has {bits} bits without a sign", 2.3, partial(unsigned, bits=bits))
    yield Becomes(f"saturates at {bits} bits without a sign", 2.6, lambda v: np.clip(v, 0, most))
    wraps = partial(magnitude, partial(unsigned, bits=bits))
    yield Becomes(f"has a magnitude of {bits} bits, which wraps", 2.6, wraps)
    saturates = partial(magnitude, partial(np.minimum, most))
    yield Becomes(f"has a magnitude of {bits} bits, which saturates", 2.6, saturates)


def magnitude(change: Callable[[Ints], Ints], v: Ints) -> Ints:
    """The magnitude changed, the sign kept."""
    found: Ints = np.sign(v) * change(np.abs(v))
    return found


def power(v: Ints) -> Ints:
    """The largest power of two that is not above a value of 0 or more, 0 of 0."""
    return np.where(v > 0, 1 << (np.frexp(np.maximum(v, 1).astype(np.float64))[1].astype(np.int64) - 1), 0)


def _cut(low: int, v: Ints) -> Ints:
    return v >> low << low


def _unseen(low: int, v: Ints) -> Ints:
    return np.where(v & ((1 << low) - 1) == 0, 0, v)


def _rounded(low: int, v: Ints) -> Ints:
    return (v + (1 << (low - 1))) >> low << low


def _exchanged(bit: int, v: Ints) -> Ints:
    """A bit and the next one exchanged."""
    unlike = (v >> bit ^ v >> (bit + 1)) & 1
    return v ^ (unlike << bit | unlike << (bit + 1))


def _turned_over(low: int, high: int, v: Ints) -> Ints:
    """What does not fit from below becomes the highest, and from above the lowest."""
    return np.where(v < low, -low - 1, np.where(v > high, low, v))


BECOMES = tuple(_becomes())
