"""Draws that are the same everywhere, and the integers that mistakes show at (ID-3, VECTOR-3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fsref.law.images import drawn_images
from fsref.law.neuron import Ints
from fsref.law.populations import Input

WORD = 2**16
PATTERNS = (0x5555, 0xAAAA)
BYTES = (-128, 127, -127, -1, 1, 64, -64, 0, 3, -5)  # of weights


class Draws:
    """Draws of SplitMix64 from a seed: the same ones with every version of NumPy (ID-3)."""

    def __init__(self, seed: int) -> None:
        self.seed, self.count = seed, 0

    def below(self, limit: int, *shape: int) -> Ints:
        """Integers 0..limit - 1 of a shape, limit at most 2^47."""
        self.count += 1
        size = int(np.prod(shape, dtype=np.int64))
        words = drawn_images(Input("drawn", (3, 1, size), 16, WORD - 1), 1, (self.seed + 7919 * self.count) % 2**64)
        high, mid, low = words.reshape(3, size)
        drawn: Ints = ((high << 32 | mid << 16 | low) % limit).reshape(shape)
        return drawn

    def among(self, values: Sequence[int], *shape: int) -> Ints:
        """Some of the values, drawn for each place of a shape."""
        return np.array(values, np.int64)[self.below(len(values), *shape)]


def edges(bits: int, signed: bool) -> list[int]:
    """Integers of so many bits that mistakes show at: both ends, every bit alone, one less, and patterns of bits."""
    top = bits - 1 if signed else bits
    found = [0, 2**top - 1, 1, *(p & (2**top - 1) for p in PATTERNS), *(2**k for k in range(top))]
    found += [2**k - 1 for k in range(2, top)] + [2**top - 1 - 2**k for k in range(top)]
    found += [-(2**top), 1 - 2**top, -1] + [-(2**k) for k in range(1, top)] if signed else []
    return list(dict.fromkeys(found))


def membranes(T: Sequence[int], h: Sequence[int]) -> list[int]:
    """Opening membranes of one row of a table, those first that more mistakes show at: 0 and its neighbours, those that
    stand at a threshold, one below and one above, reached with an empty and with a full prefix of spikes; remainders
    {0, half - 1, half, all but 1} of the last threshold above its multiples; and 2^k with its neighbours (VECTOR-3).
    """
    full, tops = 0, []
    for threshold, reset in zip(T, h, strict=True):
        tops += [threshold, threshold + full]
        full += reset
    unit = max(1, abs(T[-1]))
    over = full + T[-1]  # 2^K theta of an FS-ReLU
    near = [over, over - 1, *(v + e for e in (0, -1) for v in tops), 0, -1, *(v + 1 for v in tops), 1]
    halves = [unit // 2 - 1, unit // 2, unit - 1]
    near += [m * unit + r for m in (0, 1, 2, (len(T) > 2) * 5, -1) for r in halves] + [over + unit // 2, over + 1]
    near += [2 * over, -unit, -unit - 1, full // 2]
    largest = max(abs(v) for v in (*near, 2**8))
    near += [s * 2**k + e for k in range(largest.bit_length() + 1) for s in (1, -1) for e in (0, -1)]
    return list(dict.fromkeys(near))
