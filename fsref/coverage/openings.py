"""Opening membranes that meet a bin of a channel: what a search aims at, and what a proof has to exclude."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fsref.coverage import membranes as bins
from fsref.coverage.group import Bits, Group
from fsref.coverage.membranes import Membranes
from fsref.law.neuron import Ints, staircase

OF_OPENINGS = ("FS-2", "FS-3", "FS-4", "FS-5", "RANGE-2")  # rules whose bins openings of a channel decide
RUNS = 64  # intervals of openings that hold a bit


class Openings:
    """The opening membranes of an fs or readout that meet its bins."""

    def __init__(self, of: Membranes) -> None:
        self.of = of
        self.held: dict[tuple[int, int], tuple[Ints, Ints, Ints, Bits]] = {}  # of the channel asked for last

    def targets(self, group: Group, index: int) -> list[tuple[int, Ints]]:
        """Of a bin, by its index in C order: channels, and intervals (n, 2) of opening membranes, every one of which
        meets it there; where no channel has one, nothing of this population's opening can meet it. Nothing for groups
        that are not of membranes.
        """
        if group.rule == "RANGE-6":
            return self._bit(index, int(group.what[-1]))
        if group.rule not in OF_OPENINGS:
            return []
        c, t = divmod(index, group.unreachable.shape[1]) if group.unreachable.ndim == 2 else (index, 0)
        low, high = self.of.opening[c].tolist()
        found = np.array(list(self._of_channel(group, c, t, low, high)), np.int64).reshape(-1, 2)
        found = np.stack([np.maximum(found[:, 0], low), np.minimum(found[:, 1], high)], axis=1)
        found = found[found[:, 0] <= found[:, 1]]
        return [(c, found)] if len(found) else []

    def _of_channel(self, group: Group, c: int, t: int, low: int, high: int) -> Iterator[tuple[int, int] | Ints]:
        of = self.of
        T, h = of.T[c], of.h[c]
        match group.rule:
            case "FS-2":
                beside = dict(bins.BESIDE)[group.what]
                yield from self._standing(c, t, int(T[t]) + beside)
            case "FS-3":
                for s in range(t + 1, len(T)):
                    start, end, reset, spikes = self._prefixes(c, s)
                    first, last = T[s] - h[t] + reset, T[s] - 1 + reset
                    both = np.stack([np.maximum(start, first), np.minimum(end, last)], axis=1)[spikes[:, t]]
                    yield from both[both[:, 0] <= both[:, 1]]
            case "FS-4" if group.what == bins.NO_SPIKE:
                yield low, int(T.min()) - 1
            case "FS-4" if group.what == bins.ALL_SPIKES:
                yield int((T + h.cumsum() - h).max()), high
            case "FS-4":
                start, end, reset, _ = self._prefixes(c, len(T))
                yield from np.stack([start, np.minimum(end, reset - 1)], axis=1)
                yield from np.stack([np.maximum(start, reset + 1), end], axis=1)
            case "FS-5" if group.what == bins.BEYOND:
                yield int(of.ends[-1][1][c]) + 1, high
            case "FS-5":
                value = int(dict(of.ends)[group.what][c])
                yield value, value
            case "RANGE-2" if group.what in (bins.LOWEST, bins.HIGHEST):
                value = int(of.final[c, int(group.what == bins.HIGHEST)])
                yield value, value
                for s in range(1, len(T) + 1):
                    yield from self._standing(c, s, value)
            case "RANGE-2":
                sign = dict(bins.SIGNS)[group.what]
                yield ((low, -1), (0, 0), (1, high))[sign + 1]

    def _standing(self, c: int, t: int, value: int) -> Ints:
        """The opening membranes (n, 2) that stand on a value before step t, after step t - 1, whatever they did."""
        start, end, reset, _ = self._prefixes(c, t)
        v = value + reset
        return np.repeat(v[(start <= v) & (v <= end), None], 2, axis=1)

    def _prefixes(self, c: int, t: int) -> tuple[Ints, Ints, Ints, Bits]:
        """The intervals of opening membranes that do the same in the first t steps: first and last of each, by how much
        they were lowered, and the spikes (intervals, t).
        """
        if (c, t) in self.held:
            return self.held[c, t]
        if any(channel != c for channel, _ in self.held):
            self.held.clear()
        T, h = self.of.T[c, :t], self.of.h[c, :t]
        low, high = self.of.opening[c].tolist()
        stairs = staircase(T, h, h, low, high)
        end = np.append(stairs.start[1:] - 1, high)
        spikes = (stairs.train[:, None] >> np.arange(t - 1, -1, -1) & 1).astype(bool)
        self.held[c, t] = stairs.start, end, stairs.code, spikes
        return self.held[c, t]

    def _bit(self, bit: int, value: int) -> list[tuple[int, Ints]]:
        """For each channel opening membranes that hold a bit so: all where they are in few intervals, some else."""
        found = []
        for c, (low, high) in enumerate(self.of.opening.tolist()):
            first = low if low >> bit & 1 == value else (low >> bit) + 1 << bit
            count = (high - (first >> bit << bit) >> bit + 1) + 1  # intervals, one every 2^(bit + 1)
            some = range(0, count, -(-count // RUNS)) if count > 0 else ()
            starts = [(first >> bit << bit) + (i << bit + 1) for i in some]
            runs = [(max(low, start), min(high, start + (1 << bit) - 1)) for start in starts]
            if runs:
                found.append((c, np.array(runs, np.int64)))
        return found
