"""The kernel of the best staircase with so many outputs (FIT-7)."""

from __future__ import annotations

import numpy as np

from fsref.engines.kernels import Kernel


@Kernel
def least_squares(sums, outputs, before, after, stack):  # type: ignore[no-untyped-def]
    """The least weighted sum of squares of so many runs of N numbers about their means, by dynamic programming; sums
    (N + 1, 3) are, up to each number, the weights, the weighted numbers, the weighted squares, numbers in ascending
    order.

    before and after (N + 1,), stack (64, 4) are overwritten. The best begin of the last run only rises with its end,
    so each row is filled from the middle out.
    """
    count = sums.shape[0] - 1
    before[:] = np.inf
    before[0] = 0.0
    for _ in range(outputs):
        for i in range(count + 1):
            after[i] = before[i]
        depth = 1
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 1, count, 0, count - 1
        while depth:
            depth -= 1
            low, high, first, last = stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3]
            middle = (low + high) // 2
            best, begin = np.inf, first
            for i in range(first, min(last, middle - 1) + 1):
                weight = sums[middle, 0] - sums[i, 0]
                moment = sums[middle, 1] - sums[i, 1]
                found = before[i] + sums[middle, 2] - sums[i, 2]
                if weight > 0.0:
                    found -= moment * moment / weight
                if found < best:
                    best, begin = found, i
            after[middle] = min(best, before[middle])
            if low < middle:
                stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = low, middle - 1, first, begin
                depth += 1
            if middle < high:
                stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = middle + 1, high, begin, last
                depth += 1
        for i in range(count + 1):
            before[i] = after[i]
    return before[count]
