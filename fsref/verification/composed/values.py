"""What may become of a value: the parts of changes, in words (OBS-5)."""

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
LOW = (1, 2, 3, 4, 8)  # bits that may be lost


@dataclass(frozen=True, eq=False, repr=False)
class Becomes(Brief):
    """What becomes of a value, in words, how dear these are, and what it is then."""

    text: str
    dear: float
    of: Callable[[Ints], Ints]


def exchanged(v: Ints, bit: int) -> Ints:
    """A bit and the next one exchanged."""
    unlike = (v >> bit ^ v >> (bit + 1)) & 1
    return v ^ (unlike << bit | unlike << (bit + 1))


def magnitude(change: Callable[[Ints], Ints], v: Ints) -> Ints:
    """The magnitude changed, the sign kept."""
    return np.sign(v) * change(np.abs(v))


def turned_over(v: Ints, bits: int) -> Ints:
    """What does not fit from below becomes the highest, and from above the lowest."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return np.where(v < low, high, np.where(v > high, low, v))


def _becomes() -> Iterator[Becomes]:
    yield from (Becomes(f"is {abs(by)} too {'high' if by > 0 else 'low'}", 1 + abs(by) / 2, partial(np.add, by))
                for by in (1, -1, 2, -2))
    yield Becomes("is 0", 1, lambda v: 0 * v)
    yield Becomes("has no sign", 1.5, np.abs)
    yield Becomes("has the other sign", 1.5, np.negative)
    yield Becomes("is its complement", 1.8, np.invert)
    yield Becomes("is below zero never", 1.5, lambda v: np.maximum(v, 0))
    yield Becomes("is above zero never", 2.5, lambda v: np.minimum(v, 0))
    yield Becomes("is doubled", 1.5, lambda v: 2 * v)
    yield Becomes("is halved", 1.7, lambda v: v >> 1)
    yield Becomes("is halved toward zero", 2, partial(magnitude, lambda v: v >> 1))
    yield Becomes("is a quarter", 2.2, lambda v: v >> 2)
    yield Becomes("is a power of two, rounded toward zero", 2.5, partial(magnitude, _power))
    for low in LOW:
        words = "its lowest bit" if low == 1 else f"its lowest {low} bits"
        yield Becomes(f"loses {words}", 1.5 + low / 8, lambda v, low=low: v >> low << low)  # type: ignore[misc]
        yield Becomes(f"loses {words} toward zero", 2 + low / 8, lambda v, low=low: magnitude(lambda a: a >> low << low, v))  # type: ignore[misc]
        yield Becomes(f"is rounded to {2**low}", 2.5 + low / 8, lambda v, low=low: (v + (1 << (low - 1))) >> low << low)  # type: ignore[misc]
    for bits in BITS:
        yield Becomes(f"wraps at {bits} bits", 2, partial(wrapped, bits=bits))
        yield Becomes(f"saturates at {bits} bits", 2, partial(saturated, bits=bits))
        yield Becomes(f"saturates at {bits} bits from below alone", 2.4, lambda v, bits=bits: np.maximum(v, -(1 << (bits - 1))))  # type: ignore[misc]
        yield Becomes(f"saturates at {bits} bits from above alone", 2.4, lambda v, bits=bits: np.minimum(v, (1 << (bits - 1)) - 1))  # type: ignore[misc]
        yield Becomes(f"has {bits} bits without a sign", 2.3, partial(unsigned, bits=bits))
        yield Becomes(f"saturates at {bits} bits without a sign", 2.6, lambda v, bits=bits: np.clip(v, 0, (1 << bits) - 1))  # type: ignore[misc]
        yield Becomes(f"has a magnitude of {bits} bits, which wraps", 2.6, partial(magnitude, partial(unsigned, bits=bits)))
        yield Becomes(f"has a magnitude of {bits} bits, which saturates", 2.6, partial(magnitude, lambda v, bits=bits: np.minimum(v, (1 << bits) - 1)))
        yield Becomes(f"saturates at {bits} bits on the wrong side", 3, partial(turned_over, bits=bits))
    for bit in SINGLE:
        yield Becomes(f"has bit {bit} stuck at 0", 2.4, lambda v, bit=bit: v & ~(1 << bit))  # type: ignore[misc]
        yield Becomes(f"has bit {bit} stuck at 1", 2.4, lambda v, bit=bit: v | 1 << bit)  # type: ignore[misc]
        yield Becomes(f"has bit {bit} turned over", 2.8, lambda v, bit=bit: v ^ 1 << bit)  # type: ignore[misc]
        yield Becomes(f"has bits {bit} and {bit + 1} exchanged", 3, partial(exchanged, bit=bit))


def _power(v: Ints) -> Ints:
    """The largest power of two that is not above a value of 0 or more."""
    return np.where(v > 0, 1 << (np.frexp(np.maximum(v, 1).astype(np.float64))[1].astype(np.int64) - 1), 0)


BECOMES = tuple(_becomes())
