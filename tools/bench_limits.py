# SPDX-License-Identifier: Apache-2.0
"""What one core of this machine can do at most, for tools/bench.py: additions of 16 bits and products of bytes, in
registers, from a first-level cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from fsref.engines.kernels import Kernel
from fsref.engines.kernels.vectors import again, dot, loads, stores, widen, zeros

ROWS = 64  # of a table that fits a first-level cache
TRIES, SECONDS = 5, 0.05


@Kernel
def byte_rows(table, out, rounds):  # type: ignore[no-untyped-def]
    """Rows of 160 int8, widened and added up: sums wrap at 16 bits."""
    sums = zeros(np.int16, 32, 5)
    for _ in range(rounds):
        for row in range(ROWS):
            sums = sums + widen(loads(table, row * 160, 32, 5), np.int16)
    stores(out, 0, sums)


@Kernel
def word_rows(table, out, rounds):  # type: ignore[no-untyped-def]
    """Rows of 160 int16, added up: sums wrap at 16 bits."""
    sums = zeros(np.int16, 32, 5)
    for _ in range(rounds):
        for row in range(ROWS):
            sums = sums + loads(table, row * 160, 32, 5)
    stores(out, 0, sums)


@Kernel
def byte_dots(codes, weights, out, rounds):  # type: ignore[no-untyped-def]
    """Products of uint8 in eight registers with 64 int8 at a time, added up in lanes of 32 bits."""
    seen = loads(codes, 0, 64, 8)
    sums = zeros(np.int32, 16, 8)
    for _ in range(rounds):
        for row in range(ROWS):
            sums = dot(sums, seen, again(loads(weights, row * 64, 64, 1), 8))
    stores(out, 0, sums)


def most_per_second(call: Callable[[int], object], operations: int) -> float:
    """Operations per second of process time: the most of a few tries, `operations` being those of one round."""
    call(1)
    rounds, best = 1, 0.0
    for _ in range(TRIES):
        while True:
            begun = time.process_time()
            call(rounds)
            spent = time.process_time() - begun
            if spent >= SECONDS:
                break
            rounds *= 2
        best = max(best, rounds * operations / spent)
    return best


def limits() -> dict[str, float]:
    """Additions and multiply-accumulates per second of one core."""
    rng = np.random.default_rng(0)
    narrow, wide = rng.integers(-9, 9, ROWS * 160, np.int8), rng.integers(-9, 9, ROWS * 160, np.int16)
    codes, weights = rng.integers(0, 9, 512, np.uint8), rng.integers(-9, 9, ROWS * 64, np.int8)
    sums, dots = np.zeros(160, np.int16), np.zeros(128, np.int32)
    adds = ROWS * 160
    return {
        "adds of int8 rows": most_per_second(lambda n: byte_rows(narrow, sums, n), adds),
        "adds of int16 rows": most_per_second(lambda n: word_rows(wide, sums, n), adds),
        "MACs": most_per_second(lambda n: byte_dots(codes, weights, dots, n), ROWS * 512),
    }
