"""Bins of max-pools: ties, candidates that drop out, silence, what an OR would say, borders (POOL-1, POOL-3)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fsref.coverage.group import Bits, Group, Seen, What, some
from fsref.coverage.trains import sent
from fsref.engines import reference
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import MaxPool

TIE, DROPS = "a tie of the largest", "a candidate that drops out"
SILENCE, NOT_OR, BORDER = "silence", "a train that the OR of all is not", "window at the border with a spike in it"


class Pool:
    """A max-pool: what its windows meet."""

    def __init__(self, net: Network, p: MaxPool) -> None:
        self.net, self.p, self.source = net, p, net[p.source].shape
        self.groups = tuple(self._groups())

    def _groups(self) -> Iterator[Group]:
        name, steps, trains = self.p.name, self.net.steps[self.p.name], sent(self.net)[self.p.source]
        places = list(self._candidates(np.zeros((1, *self.source), np.int64)))
        count = np.sum([there for _, there in places], axis=0)
        several, spikes = some(count > 1), some([words[-1] > 0 for words in trains])
        alone = "no window has two candidates, or its source never sends such trains"
        parts = np.zeros(steps, bool)
        for words in trains:
            parting = words[1:] ^ words[:-1]  # trains part first where neighbours do
            for t in range(steps):
                parts[t] |= (parting >> (steps - 1 - t) == 1).any()
        yield Group("POOL-1", name, TIE, (), ~(several & spikes), alone)
        yield Group("POOL-1", name, DROPS, ("step",), ~(parts & several), alone)
        quiet = some([words[0] == 0 for words in trains])
        yield Group("POOL-1", name, SILENCE, (), ~quiet, "its source always spikes")
        yield Group("POOL-1", name, NOT_OR, (), ~(several & some([_mixed(words) for words in trains])), alone)
        border = some(count < len(places))
        yield Group("POOL-3", name, BORDER, (), ~(border & spikes), "no window is padded, or nothing spikes")

    def _candidates(self, words: Ints) -> Iterator[tuple[Ints, Bits]]:
        """Of each place of a window the train words (B, C, H_out, W_out), and where there is a candidate (POOL-3)."""
        (kh, kw), (sy, sx), (top, left, _, _) = self.p.kernel, self.p.stride, self.p.padding
        for r in range(kh):
            to_y, from_y = reference.seen(self.source[1], self.p.shape[1], top, sy, r)
            for c in range(kw):
                to_x, from_x = reference.seen(self.source[2], self.p.shape[2], left, sx, c)
                shape = (len(words), self.source[0], *self.p.shape[1:])
                found, there = np.zeros(shape, np.int64), np.zeros(shape, bool)
                found[..., to_y, to_x], there[..., to_y, to_x] = words[..., from_y, from_x], True
                yield found, there

    def met(self, seen: Seen) -> dict[What, Bits]:
        """The bins met by what the source sent, when that is known."""
        words = seen.trains(self.p.source)
        if words is None or not {(self.p.name, "spikes"), (self.p.name, "codes")} & (seen.arrays.keys() - seen.given):
            return {}
        steps = self.net.steps[self.p.name]
        candidates = list(self._candidates(words))
        best = np.max([found for found, _ in candidates], axis=0)  # the order of trains is that of codes (POOL-2)
        either = np.bitwise_or.reduce([found for found, _ in candidates], axis=0)
        ties, count = np.zeros_like(best), np.zeros_like(best)
        drops = np.zeros(steps, bool)
        for found, there in candidates:
            ties += there & (found == best)
            count += there
            apart = (found ^ best)[there]
            drops |= [bool((apart >> (steps - 1 - t) == 1).any()) for t in range(steps)]
        border = count < len(candidates)
        return {
            ("POOL-1", TIE): some((ties > 1) & (best > 0)),
            ("POOL-1", DROPS): drops,
            ("POOL-1", SILENCE): some(best == 0),
            ("POOL-1", NOT_OR): some(either != best),
            ("POOL-3", BORDER): some(border & (best > 0)),
        }


def _mixed(trains: Ints) -> bool:
    """Whether two of these train words have a spike each that the other lacks: their OR is no train of theirs."""
    by_spikes = trains[np.argsort(np.bitwise_count(trains), kind="stable")]
    return bool((by_spikes[:-1] & ~by_spikes[1:]).any())
