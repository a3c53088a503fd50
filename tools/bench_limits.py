# SPDX-License-Identifier: Apache-2.0
"""What one core of this machine can do at most, for tools/bench.py: additions of 16 bits, in registers and of rows from
a first-level cache, and products of bytes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, partial

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fsref.engines.dense import aligned
from fsref.engines.kernels import Kernel
from fsref.engines.kernels.vectors import again, dot, loads, stores, widen, zeros

ROWS = 64  # of a table that fits a first-level cache
TRIES, SECONDS = 5, 0.05
REGISTERS, WORDS = "additions of 16 bits in registers", "additions of 16-bit rows from a first-level cache"
BYTES, DOTS = "additions of byte rows, widened to 16 bits", "multiply-accumulates of bytes"


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
def registers(table, out, rounds):  # type: ignore[no-untyped-def]
    """Additions of registers, one load to sixteen of them: sums wrap at 16 bits."""
    other = loads(table, 0, 32, 8)
    sums = zeros(np.int16, 32, 8)
    for _ in range(rounds):
        for row in range(ROWS):
            sums = sums + again(loads(table, row * 160, 32, 1), 8) + other
    stores(out, 0, sums)


@cache
def byte_dots(count: int) -> Kernel:
    """Products of uint8 in some registers with 64 int8 at a time, added up in lanes of 32 bits."""

    @Kernel
    def dots(codes, weights, out, rounds):  # type: ignore[no-untyped-def]
        seen = loads(codes, 0, 64, count)
        sums = zeros(np.int32, 16, count)
        for _ in range(rounds):
            for row in range(ROWS):
                sums = dot(sums, seen, again(loads(weights, row * 64, 64, 1), count))
        stores(out, 0, sums)

    return dots


def drawn(size: int, kind: DTypeLike) -> NDArray[np.integer]:
    """Some numbers from 0 to 8, where a line of the cache begins."""
    made = aligned(size, kind)
    made[:] = np.random.default_rng(0).integers(0, 9, size)
    return made


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
    """What is done per second by one core, by name."""
    narrow, wide, sums = drawn(ROWS * 160, np.int8), drawn(ROWS * 160, np.int16), drawn(256, np.int16)
    codes, weights, dots = drawn(512, np.uint8), drawn(ROWS * 64, np.int8), drawn(128, np.int32)
    loops: dict[str, tuple[Callable[[int], object], int]] = {
        REGISTERS: (lambda n: registers(wide, sums, n), ROWS * 512),
        WORDS: (lambda n: word_rows(wide, sums, n), ROWS * 160),
        BYTES: (lambda n: byte_rows(narrow, sums, n), ROWS * 160),
    }
    found = {name: most_per_second(*loop) for name, loop in loops.items()}
    # As many registers as a processor has room for.
    each = [most_per_second(partial(byte_dots(k), codes, weights, dots), ROWS * 64 * k) for k in (2, 4, 8)]
    return found | {DOTS: max(each)}
