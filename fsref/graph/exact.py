"""Numbers cut to so few bits that sums of their products are exact: then no order of adding, no number of threads and
no kernel of a library changes a bit of them.
"""

from __future__ import annotations

import numpy as np

from fsref.graph.blas import Floats

BITS = 53  # a float64 holds every whole number up to 2^53


def room(count: int) -> tuple[int, int]:
    """How many bits each two factors may have of which `count` products are added up."""
    left = BITS - (count - 1).bit_length()
    return left - left // 2, left // 2


def cut(x: Floats, bits: int, axes: tuple[int, ...], slices: int = 1) -> list[Floats]:
    """Arrays of the shape of x, in float64, whose sum is nearly x: x rounded, then what that left rounded, and so on.
    Each holds whole numbers of at most `bits` bits, sign apart, times a power of two that is one along `axes`.
    """
    made, left = list[Floats](), x.astype(np.float64)
    for _ in range(slices):
        _, exponent = np.frexp(np.abs(left).max(axis=axes, keepdims=True))
        unit = np.ldexp(1.0, exponent - bits)
        made.append(np.rint(left / unit) * unit)
        left = left - made[-1]
    return made
