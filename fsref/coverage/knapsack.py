"""Codes whose weighted sum is a given integer: by chance and two last moves, or exactly, or the proof that none are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.coverage.draws import Draws
from fsref.law.neuron import Ints

LAST = 20  # inputs among which the last two moves are looked for
MAX_BITS = 2**20  # of a set of sums,
MAX_WORK = 2**31  # and of all sets that are formed


@dataclass(frozen=True, eq=False)
class Solutions:
    """Codes with one weighted sum: `codes` (n,), in which two inputs, `moved` (2, found), get other codes,
    `to`; one input where both are the same.
    """

    codes: Ints
    moved: NDArray[np.intp]
    to: Ints

    def __len__(self) -> int:
        return len(self.moved[0])

    def one(self, number: int) -> Ints:
        """The codes of one solution."""
        codes = self.codes.copy()
        codes[self.moved[:, number]] = self.to[:, number]
        return codes

    def sums(self, weights: Ints, which: NDArray[np.intp]) -> Ints:
        """The sums (O, n) of some solutions by other weights (O, inputs)."""
        moved = self.moved[:, which]
        by = self.to[:, which] - self.codes[moved]
        by[1, moved[0] == moved[1]] = 0
        moves: Ints = (weights[:, moved] * by).sum(axis=1)
        return (weights @ self.codes)[:, None] + moves


def solved(
    weights: Ints, ends: tuple[Ints, Ints], options: Callable[[int], Ints], base: Ints, total: int, draws: Draws
) -> Solutions:
    """Codes (n,) whose sum by weights (n,) is `total`: as many solutions as the tries found. `ends` are the lowest and
    highest code of each, `options` all codes of each, ascending, `base` codes to begin with.

    From the base some inputs, in a drawn order, go to the end that leads to the total, as many as do not pass it; then
    two inputs close the rest, found among all pairs of moves of some of them.
    """
    codes = base.copy()
    missing = total - int(weights @ codes)
    order = draws.order(len(weights))
    order = order[weights[order] != 0]
    best = np.where((weights > 0) == (missing > 0), ends[1], ends[0])
    gain = np.abs(weights * (best - codes))[order].cumsum()
    done = int(np.searchsorted(gain, abs(missing), side="right"))
    codes[order[:done]] = best[order[:done]]
    missing = total - int(weights @ codes)
    tried = np.concatenate([order[done : done + LAST // 2], order[: LAST - len(order[done : done + LAST // 2])]])
    tried = np.unique(tried)
    options_of = [options(j) for j in tried.tolist()]
    owner = np.repeat(tried, [len(own) for own in options_of])
    choice = np.concatenate([np.zeros(0, np.int64), *options_of])
    worth = weights[owner] * (choice - codes[owner])
    by_worth = np.argsort(worth, kind="stable")
    at = np.searchsorted(worth, missing - worth, sorter=by_worth)
    other = by_worth[np.minimum(at, len(worth) - 1)]
    alone = worth == missing  # one move closes the rest
    first = np.flatnonzero(alone | ((worth + worth[other] == missing) & (owner != owner[other])))
    both = np.stack([first, np.where(alone[first], first, other[first])])
    return Solutions(codes, owner[both], choice[both])


class Sums:
    """All sums that codes can have by weights, exactly: sets of integers, one after each input. As long as no input
    steps farther than the sums before it reach, these have no gap; small weights first keep them so.
    """

    def __init__(self, weights: Ints, options: Sequence[Ints]) -> None:
        self.weights, self.options = weights.tolist(), options
        self.low = [min(w * int(codes[0]), w * int(codes[-1])) for w, codes in zip(self.weights, options, strict=True)]
        self.sets = [1]  # bit i: the lowest sum + i
        whole = 1  # all of so many sums are there; 0 once there is a gap
        for w, codes, low in zip(self.weights, options, self.low, strict=True):
            by = np.sort(w * codes - low)
            whole = whole + int(by[-1]) if int(np.diff(by).max(initial=0)) <= whole else 0
            self.sets.append((1 << whole) - 1 if whole else _shifted(self.sets[-1], by))

    @staticmethod
    def fit(weights: Ints, options: Sequence[Ints]) -> bool:
        """Whether all sums are few enough to look at."""
        bits = sum(abs(w) * int(codes[-1] - codes[0]) for w, codes in zip(weights.tolist(), options, strict=True))
        return bool(bits <= MAX_BITS and bits * sum(min(len(codes), 8) for codes in options) <= MAX_WORK)

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
