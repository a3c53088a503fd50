"""Codes whose weighted sum is a given integer: by chance and two last moves, or exactly, or the proof that none are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.coverage.draws import Draws
from fsref.law.neuron import Ints

LAST = 20  # inputs among which the last two moves are looked for
MAX_BITS = 2**20  # of a set of sums,
MAX_WORK = 2**31  # and of all sets that are formed


def solved(
    weights: Ints, ends: tuple[Ints, Ints], options: Callable[[int], Ints], base: Ints, total: int, draws: Draws
) -> Ints | None:
    """Codes (n,) whose sum by weights (n,), none of them 0, is `total`, None where the tries found none. `ends` are the
    lowest and highest code of each, `options` all codes of each, ascending, `base` codes to begin with.

    From the base some inputs, in a drawn order, go to the end that leads to the total, as many as do not pass it; then
    two inputs close the rest, found among all pairs of moves of some of them.
    """
    n = len(weights)
    if n == 0:
        return base if total == 0 else None
    codes = base.copy()
    missing = total - int(weights @ codes)
    up = (weights > 0) == (missing > 0)
    gain = np.abs(weights * (np.where(up, ends[1], ends[0]) - codes))
    order = draws.order(n)
    taken = order[gain[order].cumsum() <= abs(missing)]
    codes[taken] = np.where(up, ends[1], ends[0])[taken]
    missing = total - int(weights @ codes)
    if missing == 0:
        return codes
    rest = order[len(taken) :]  # the first of these would pass the total
    tried = np.concatenate([rest[: LAST // 2], draws.order(n)[: LAST // 2]])
    tried = np.unique(tried)
    moves = [weights[j] * (options(j) - codes[j]) for j in tried.tolist()]
    owner = np.repeat(tried, [len(move) for move in moves])
    choice = np.concatenate([options(j) for j in tried.tolist()])
    worth = np.concatenate(moves)
    by_worth = np.argsort(worth, kind="stable")
    at = np.searchsorted(worth, missing - worth, sorter=by_worth)
    other = by_worth[np.minimum(at, len(worth) - 1)]
    fits = (worth + worth[other] == missing) & ((owner != owner[other]) | (worth[other] == 0))
    found = np.flatnonzero(fits)
    if not len(found):
        return None
    first = int(found[draws.one(len(found))])
    second = int(other[first])
    codes[owner[second]] = choice[second]
    codes[owner[first]] = choice[first]
    return codes


class Sums:
    """All sums that codes can have by weights, exactly: sets of integers, one after each input. None where that would
    be too much work.
    """

    def __init__(self, weights: Ints, options: Sequence[Ints]) -> None:
        self.weights, self.options = weights.tolist(), options
        self.low = [min(w * int(codes[0]), w * int(codes[-1])) for w, codes in zip(self.weights, options, strict=True)]
        self.sets = [1]  # bit i: the lowest sum + i
        for w, codes, low in zip(self.weights, options, self.low, strict=True):
            self.sets.append(_shifted(self.sets[-1], np.sort(w * codes - low)))

    @staticmethod
    def fit(weights: Ints, options: Sequence[Ints]) -> bool:
        """Whether all sums are few enough to look at."""
        spans = [abs(w) * int(codes[-1] - codes[0]) for w, codes in zip(weights.tolist(), options, strict=True)]
        bits = sum(spans)
        return bits <= MAX_BITS and bits * sum(min(len(codes), 8) for codes in options) <= MAX_WORK

    def within(self, low: int, high: int) -> int | None:
        """A sum in low..high, None where there is none."""
        base = sum(self.low)
        held = self.sets[-1] >> max(0, low - base) if high >= base else 0
        if not held:
            return None
        first = max(low, base) + (held & -held).bit_length() - 1
        return first if first <= high else None

    def codes(self, total: int) -> Ints:
        """Codes whose sum is `total`, one of those that `within` finds."""
        left, found = total - sum(self.low), []
        for i in reversed(range(len(self.weights))):
            before, w, low = self.sets[i], self.weights[i], self.low[i]
            for code in self.options[i].tolist():
                rest = left - (w * code - low)
                if rest >= 0 and before >> rest & 1:
                    found.append(code)
                    left = rest
                    break
        return np.array(found[::-1], np.int64)


def _shifted(held: int, by: NDArray[Any]) -> int:
    """A set moved by each of these distances, ascending from 0, all together; by doubling where they are even."""
    count = len(by)
    step = int(by[1]) if count > 1 else 0
    if count > 2 and (np.diff(by) == step).all():
        done = 1  # moved by 0 .. done - 1 steps
        while done < count:
            more = min(done, count - done)
            held |= held << more * step
            done += more
        return held
    found = 0
    for distance in by.tolist():
        found |= held << distance
    return found
