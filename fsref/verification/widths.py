"""Numbers in fewer bits than they need (OBS-4)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fsref.law.neuron import Ints

WIDTHS = range(4, 41)  # bits of accumulators and biases tried


def wrapped(v: Ints, bits: int) -> Ints:
    """Two's complement of so many bits."""
    return ((v + (1 << (bits - 1))) & ((1 << bits) - 1)) - (1 << (bits - 1))


def saturated(v: Ints, bits: int) -> Ints:
    """The nearest of so many bits."""
    return np.clip(v, -(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def unsigned(v: Ints, bits: int) -> Ints:
    """Two's complement of so many bits, without a sign."""
    return v & ((1 << bits) - 1)


def too_narrow(low: int, high: int) -> Iterator[int]:
    """The widths tried that do not hold all of low..high."""
    return (bits for bits in WIDTHS if low < -(1 << (bits - 1)) or high >= 1 << (bits - 1))
