"""Neurons that add sums of two steps without a common one, whose codes still begin exactly where a quantiser of the
real sums has them begin (CONV-14).
"""

from __future__ import annotations

import numpy as np

from fsref.activations.coding import Coding, Reals
from fsref.conversion.levels import MOST, Neurons, firsts
from fsref.law.neuron import Ints

MULTIPLES = 2**13  # tried of a channel
CASES = 2**12  # codes times sums of the second step


def neurons_beside(
    coding: Coding, per_sum: Reals, start: Reals, low: Ints, high: Ints, ratio: Reals, ends: tuple[Ints, Ints]
) -> Neurons | int:
    """The neurons of the smallest multiple found, of values per_sum * (S + ratio * R + start) with S within low..high
    and R within `ends`, all integers; the number of the first channel that has none.
    """
    channels, kinds = start.shape
    count = int((ends[1] - ends[0]).max()) + 1
    beside = np.minimum(ends[0][:, None] + np.arange(count), ends[1][:, None])  # (C, R)
    started = start[:, :, None] + (ratio[:, None] * beside)[:, None, :]
    found = firsts(coding, per_sum, started.reshape(channels, -1), low, high)
    first = found.first.reshape(channels, kinds, count, -1)
    below, above = (part.reshape(first.shape) for part in found.bounded)
    codes = np.arange(1, coding.largest + 1)
    multiple, other, theta = (np.zeros(channels, np.int64) for _ in range(3))
    bias = np.zeros((channels, kinds), np.int64)
    for m in range(1, MULTIPLES + 1):
        left = np.flatnonzero(multiple == 0)
        if not len(left):
            return Neurons(multiple, other, theta, np.zeros(channels, bool), bias, found.tied, found.margin)
        around = np.floor(m / per_sum[left])
        for more in (0, 1):
            t = np.maximum(around + more, 1).astype(np.int64)
            n = np.rint(t * per_sum[left] * ratio[left]).astype(np.int64)
            begins = t[:, None, None] * codes - (n[:, None] * beside[left])[:, :, None]  # (C, R, codes)
            sums = m * first[left]
            least = np.where(above[left], begins[:, None] - sums, -MOST).max(axis=(2, 3))
            most = np.where(below[left], begins[:, None] - sums + (m - 1), MOST).min(axis=(2, 3))
            fits = (least <= most).all(axis=1) & (multiple[left] == 0)
            own = left[fits]
            multiple[own], other[own], theta[own] = m, n[fits], t[fits]
            real = m * start[own] + (0.5 if coding.nearest else 0.0) * t[fits, None]
            bias[own] = np.clip(np.rint(real).astype(np.int64), least[fits], most[fits])
    return int(np.argmin(multiple))
