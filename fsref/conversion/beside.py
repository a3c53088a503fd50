"""Neurons that add sums of two steps without a common one, whose codes still begin exactly where a quantiser of the
real sums has them begin (CONV-14).

With weights m and n times the trained ones, theta and bias b, code k begins where a quantiser has it begin in every
case, a code k beside a second sum R, if m (first - 1) + n R + b < k theta <= m first + n R + b, `first` being the least
of the sums of the first step that have it. Few cases leave little room: most multiples fail already in those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Coding, Reals
from fsref.conversion.levels import MOST, Flags, Neurons, firsts
from fsref.law.neuron import Ints
from fsref.tables import Brief

MULTIPLES = 2**20  # tried of a channel
CASES = 2**20  # of a channel: codes times sums of the second step times kinds of places
BLOCK = 2**12  # multiples looked at together, at most: twice as many each time
FEW = (8, 512)  # cases of each kind of place that are looked at before all are: those with least room


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
    half, codes = 0.5 if coding.nearest else 0.0, np.arange(1, coding.largest + 1)
    chosen, bias = np.zeros((channels, 3), np.int64), np.zeros((channels, kinds), np.int64)
    for c in range(channels):
        room = first[c] - ((codes - half) / per_sum[c] - started[c][:, :, None])
        spread = (np.broadcast_to(part, room.shape) for part in (codes, beside[c][:, None]))
        own = (part.reshape(kinds, -1) for part in (*spread, first[c], above[c], below[c]))
        cases = _Cases(*own)
        tight = [cases.tightest(room.reshape(kinds, -1), few) for few in FEW]
        best = _smallest([*tight, cases], float(per_sum[c]), float(ratio[c]))
        if best is None:
            return c
        chosen[c], (least, most) = best, cases.ends(best[None])
        bias[c] = np.clip(np.rint(best[0] * start[c] + half * best[2]).astype(np.int64), least[0], most[0])
    multiple, other, theta = chosen.T
    return Neurons(multiple, other, theta, np.zeros(channels, bool), bias, found.tied, found.margin)


@dataclass(frozen=True, eq=False, repr=False)
class _Cases(Brief):
    """Cases of one channel by kind of place, each (P, cases): the code, the second sum, the first sum that has it;
    whether some sums reach the code (`above`), and some do not (`below`).
    """

    codes: Ints
    beside: Ints
    first: Ints
    above: Flags
    below: Flags

    def taken(self, at: Ints) -> _Cases:
        """Those with these numbers, (P, n), of each kind of place."""

        def own(part: NDArray[Any]) -> NDArray[Any]:
            return np.take_along_axis(part, at, axis=1)

        return _Cases(own(self.codes), own(self.beside), own(self.first), own(self.above), own(self.below))

    def tightest(self, room: Reals, count: int) -> _Cases:
        """So many with the least room on either side, of each kind of place; `room`, 0..1, is how far the first sum is
        beyond where the code begins.
        """
        sides = np.where(self.above, room, np.inf), np.where(self.below, 1 - room, np.inf)
        last = min(count, room.shape[1]) - 1
        parts = [np.argpartition(side, last, axis=1)[:, : last + 1] for side in sides]
        return self.taken(np.concatenate(parts, axis=1))

    def ends(self, tried: Ints) -> tuple[Ints, Ints]:
        """The least and the largest bias that all cases allow, (N, P) each, for multiples m, n and theta `tried`
        (N, 3).
        """
        m, n, theta = (part[:, None, None] for part in tried.T)
        begins = theta * self.codes - n * self.beside - m * self.first
        least: Ints = np.where(self.above, begins, -MOST).max(axis=2)
        most: Ints = np.where(self.below, begins + (m - 1), MOST).min(axis=2)
        return least, most

    def leave(self, tried: Ints) -> Flags:
        """Which of those tried they leave a bias, (N,)."""
        least, most = self.ends(tried)
        found: Flags = np.all(least <= most, axis=1)
        return found


def _smallest(sets: Sequence[_Cases], per_sum: float, ratio: float) -> Ints | None:
    """The smallest multiple m, with n and theta, (3,), that leaves a bias for all sets of cases, the last one that of
    all; None of those tried.
    """
    begin, end = 1, 32
    while begin <= MULTIPLES:
        m = np.repeat(np.arange(begin, end), 2)
        theta = np.maximum(np.floor(m / per_sum) + np.arange(len(m)) % 2, 1)
        n = np.rint(theta * per_sum * ratio)
        tried: Ints = np.stack([m, n.astype(np.int64), theta.astype(np.int64)], axis=1)
        for some in sets[:-1]:
            tried = tried[some.leave(tried)]
        for one in tried:
            if sets[-1].leave(one[None])[0]:
                found: Ints = one
                return found
        begin, end = end, min(2 * end, end + BLOCK)
    return None
