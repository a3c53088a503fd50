"""Bins of what membranes do: ties, resets, trains, residuals, ends and bits of accumulators (FS, RANGE, NET-6)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fsref.coverage.group import Bits, Group, Seen, What, some
from fsref.law.network import Network
from fsref.law.neuron import Ints, relu_theta
from fsref.law.populations import FS, Readout
from fsref.law.ranges import pieces
from fsref.law.widths import membrane_width

BESIDE = (("tie: v == T[t]", 0), ("below: v == T[t] - 1", -1), ("above: v == T[t] + 1", 1))
RANGES = "its proved interval"
LEFT = "an image behind one that left something in a membrane"
NOTHING_LEFT = "its last membranes are always 0"
DECIDES = "a reset that decides"
NO_SPIKE, ALL_SPIKES, RESIDUAL = "a train without a spike", "a train of all spikes", "a residual that is dropped"
SIGNS = (("opening below 0", -1), ("opening of 0", 0), ("opening above 0", 1))
BEYOND = "v beyond 2^K theta"
LOWEST, HIGHEST = "lowest of final", "highest of final"


class Membranes:
    """An fs or a readout: what its membranes meet."""

    def __init__(self, net: Network, p: FS | Readout) -> None:
        self.net, self.p = net, p
        self.final, self.opening = net.ranges[p.name].final, net.ranges[p.name].opening
        self.bits = membrane_width(net, p)
        self.T = self.h = np.zeros((p.shape[0], 0), np.int64)
        self.theta: Ints | None = None
        if isinstance(p, FS):  # a readout does not fire
            self.T, self.h, _ = p.table.rows(p.shape[0])
            self.theta = relu_theta(p.table)
        self.groups = tuple(self._groups())

    def _group(self, rule: str, what: str, unreachable: Bits, reason: str = RANGES) -> Group:
        """Bins by channel, or by channel and step."""
        axes = ("channel", "step")[: unreachable.ndim]
        return Group(rule, self.p.name, what, axes, unreachable, reason)

    def _groups(self) -> Iterator[Group]:
        p, (low, high) = self.p, self.opening.T
        if isinstance(p, FS):  # a readout does not fire
            yield from self._of_firing()
        else:
            yield Group("NET-6", p.name, LEFT, (), ~some(self.final != 0), NOTHING_LEFT)
        for what, at in self.ends:
            yield self._group("FS-5", what, (at < low) | (at > high))
        if self.ends:
            yield self._group("FS-5", BEYOND, high <= self.ends[-1][1])
        for what in (LOWEST, HIGHEST):
            yield self._group("RANGE-2", what, np.zeros(p.shape[0], bool), "")
        for (what, _), never in zip(SIGNS, (low >= 0, (low > 0) | (high < 0), high <= 0), strict=True):
            yield self._group("RANGE-2", what, never)
        for value in (0, 1):
            has = np.array([has_bit(*self.hull, bit, value) for bit in range(self.bits)], bool)
            yield Group("RANGE-6", p.name, f"bit of the membrane {value}", ("bit",), ~has, RANGES)

    @property
    def hull(self) -> tuple[int, int]:
        """The ends of all membranes."""
        return int(self.final[:, 0].min()), int(self.final[:, 1].max())

    @property
    def ends(self) -> list[tuple[str, Ints]]:
        """Membranes at the ends of an FS-ReLU and what to call them, by channel; none of another table."""
        if self.theta is None:
            return []
        top = np.broadcast_to(self.theta << self.T.shape[1], self.p.shape[0])
        zero = np.zeros_like(top)
        return [("v == -1", zero - 1), ("v == 0", zero), ("v == 2^K theta - 1", top - 1), ("v == 2^K theta", top)]

    def _of_firing(self) -> Iterator[Group]:
        channels, steps = self.T.shape
        stands = {what: np.zeros((channels, steps), bool) for what, _ in BESIDE}
        decides, none_left = np.zeros((channels, steps), bool), np.zeros(channels, bool)
        for c in range(channels):
            T, h = self.T[c].tolist(), self.h[c].tolist()
            before = list(pieces(T, h, *self.opening[c].tolist()))
            for t, joined in enumerate(before[:-1]):
                for what, beside in BESIDE:
                    stands[what][c, t] = meets(joined, T[t] + beside, T[t] + beside)
                fired = meets(joined, T[t], joined[-1][1])
                later = range(t + 1, steps)
                decides[c, t] = fired and any(meets(before[s], T[s] - h[t], T[s] - 1) for s in later)
            none_left[c] = before[-1] == [(0, 0)]
        for what, _ in BESIDE:
            yield self._group("FS-2", what, ~stands[what])
        yield self._group("FS-3", DECIDES, ~decides)
        before_reset = self.h.cumsum(axis=1) - self.h
        yield self._group("FS-4", NO_SPIKE, self.opening[:, 0] >= self.T.min(axis=1))
        yield self._group("FS-4", ALL_SPIKES, self.opening[:, 1] < (self.T + before_reset).max(axis=1))
        yield self._group("FS-4", RESIDUAL, none_left)
        yield Group("NET-6", self.p.name, LEFT, (), np.asarray(none_left.all()), NOTHING_LEFT)

    def met(self, seen: Seen) -> dict[What, Bits]:
        """The bins that membranes met."""
        v = seen.array(self.p.name, "opening")
        if v is None:
            return {}
        found: dict[What, Bits] = {}
        v = v.reshape(len(v), self.p.shape[0], -1)
        made = seen.made(self.p.name, "opening") is not None
        if made:
            found |= self._opened(v)
        for what, at in self.ends:
            found["FS-5", what] = some(v == at[:, None], 0, 2)
        if self.ends:
            found["FS-5", BEYOND] = some(v > self.ends[-1][1][:, None], 0, 2)
        ends = self.final.T[:, :, None]
        low, high = (some(v == end, 0, 2) for end in ends)
        values = Values(self.bits, v)
        if isinstance(self.p, FS):  # a readout does not fire
            for left in self._fired(v, found):
                low, high = low | some(left == ends[0], 0, 2), high | some(left == ends[1], 0, 2)
                values.see(left)
            v = left
        if made:
            found["RANGE-2", LOWEST], found["RANGE-2", HIGHEST] = low, high
        for value, held in enumerate(values.held):
            found["RANGE-6", f"bit of the membrane {value}"] = held
        found["NET-6", LEFT] = some(v[:-1] != 0)
        return found

    def _opened(self, v: Ints) -> dict[What, Bits]:
        """The signs of opening membranes (B, C, places)."""
        return {("RANGE-2", what): some(np.sign(v) == sign, 0, 2) for what, sign in SIGNS}

    def _fired(self, v: Ints, found: dict[What, Bits]) -> Iterator[Ints]:
        """The membranes (B, C, places) after each step, from opening ones; adds to what was found of firing."""
        channels, steps = self.T.shape
        by_step = {what: np.zeros((channels, steps), bool) for what, _ in BESIDE}
        decides = np.zeros((channels, steps), bool)
        none, every = np.ones(v.shape, bool), np.ones(v.shape, bool)
        fired: list[Bits] = []
        for t in range(steps):
            above = v - self.T[:, t, None]
            for what, beside in BESIDE:
                by_step[what][:, t] = some(above == beside, 0, 2)
            spikes = above >= 0
            for s, before in enumerate(fired):
                if not decides[:, s].all():
                    decides[:, s] |= some(before & ~spikes & (above >= -self.h[:, s, None]), 0, 2)
            fired.append(spikes)
            none &= ~spikes
            every &= spikes
            v = v - self.h[:, t, None] * spikes
            yield v
        for what, reached in by_step.items():
            found["FS-2", what] = reached
        found["FS-3", DECIDES] = decides
        for what, bins in ((NO_SPIKE, none), (ALL_SPIKES, every), (RESIDUAL, v != 0)):
            found["FS-4", what] = some(bins, 0, 2)


class Values:
    """Which bits membranes held as 0 and as 1, each (bits,), two's complement."""

    def __init__(self, bits: int, v: Ints) -> None:
        self.bits, self.zeros, self.ones = bits, np.int64(0), np.int64(0)
        self.see(v)

    def see(self, v: Ints) -> None:
        """Look at more membranes."""
        self.ones |= np.bitwise_or.reduce(v, axis=None)
        self.zeros |= ~np.bitwise_and.reduce(v, axis=None)

    @property
    def held(self) -> tuple[Bits, Bits]:
        """The bits seen as 0, and as 1."""
        shift = np.arange(self.bits)
        return (self.zeros >> shift & 1).astype(bool), (self.ones >> shift & 1).astype(bool)


def meets(joined: list[tuple[int, int]], low: int, high: int) -> bool:
    """Whether some interval has an integer of low..high."""
    return any(max(a, low) <= min(b, high) for a, b in joined)


def has_bit(low: int, high: int, bit: int, value: int) -> bool:
    """Whether an integer in low..high has this bit, 0 or 1, in two's complement."""
    first = low if low >> bit & 1 == value else (low >> bit) + 1 << bit  # the next integer where the bit turns
    return first <= high
