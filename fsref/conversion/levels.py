"""Integers whose neuron changes its code exactly where a quantiser of real sums does (CONV-14).

A channel has sums S = low..high of integers. Its quantiser has code k or more from S = first[k] on. A neuron of
theta, with weights m times as large and the bias b, has it from m S + b >= k theta on (FS-5). Both are the same for
every sum when m (first[k] - 1) + b < k theta <= m first[k] + b, for each k that some sums reach and others do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Coding, Reals
from fsref.conversion.grids import SAME
from fsref.law.neuron import Ints, Table
from fsref.tables import Brief

Flags: TypeAlias = NDArray[np.bool_]

MOST = 2**46  # of a sum, a bias and a threshold: float64 holds the integers on the way
CELLS = 2**20  # numbers in one array


@dataclass(frozen=True, eq=False, repr=False)
class Firsts(Brief):
    """Of each channel and kind of place the first sum of each code 1..top: `first` (C, P, top) within low..high + 1,
    (C,), low where every sum has the code, high + 1 where none has. `tied` (C,): some sum lies half way between two
    codes. `margin` (C,) is the least distance, in codes, of any other sum to where its code changes.
    """

    first: Ints
    low: Ints
    high: Ints
    tied: Flags
    margin: Reals

    @property
    def bounded(self) -> tuple[Flags, Flags]:
        """Where some sums do not reach a code, and where some do, each (C, P, top)."""
        return self.first > self.low[:, None, None], self.first <= self.high[:, None, None]


def firsts(coding: Coding, per_sum: Reals, start: Reals, low: Ints, high: Ints) -> Firsts:
    """Where the codes of a coding begin, of values per_sum * (S + start), in codes: per_sum (C,), start (C, P)."""
    half = 0.5 if coding.nearest else 0.0
    codes = np.arange(1, coding.largest + 1)
    width = (codes - half) / per_sum[:, None, None]  # (C, 1, top)
    real = width - start[:, :, None]
    near = np.rint(real)
    on = np.abs(real - near) <= SAME * (np.abs(width) + np.abs(start[:, :, None]) + 1)
    lowest, beyond = low[:, None, None], high[:, None, None] + 1
    down = codes % 2 == {"even": 1, "odd": 0, "up": 2}[coding.halves]  # codes that do not get the half below them
    exact = np.where(on, near + down, np.ceil(real))
    within = (near >= lowest) & (near < beyond)
    apart = np.where(~on & within, np.abs(real - near) * per_sum[:, None, None], np.inf)
    tied: Flags = np.any(on & within & coding.nearest, axis=(1, 2))
    first = np.clip(exact, lowest, beyond).astype(np.int64)
    return Firsts(first, low, high, tied, apart.min(axis=(1, 2)))


class Neurons(NamedTuple):
    """Of each channel, (C,), the `multiple` of its weights and, of sums of a second step, the `other` of theirs, theta,
    and whether `halves` that a neuron reaches exactly go down from every other code; the bias (C, P); `tied` and
    `margin` as Firsts has them.
    """

    multiple: Ints
    other: Ints
    theta: Ints
    halves: Flags
    bias: Ints
    tied: Flags
    margin: Reals


def neurons(coding: Coding, per_sum: Reals, start: Reals, low: Ints, high: Ints, power_of_two: bool) -> Neurons | int:
    """The neurons of the smallest multiples whose codes begin where those of `firsts` do; the number of the first
    channel that has none.
    """
    found = firsts(coding, per_sum, start, low, high)
    channels, _, top = found.first.shape
    pairs, left = _Pairs.of(found), np.arange(channels)
    multiple, theta, halves = np.zeros(channels, np.int64), np.zeros(channels, np.int64), np.zeros(channels, bool)
    turned = ("even", "odd").index(coding.halves) if coding.halves != "up" else -1
    parities = [-1]  # of the codes that begin one above a multiple of theta
    if turned >= 0 and found.tied.any() and not top & (top + 1) and not power_of_two:
        parities.append(1 - turned)
    for m in range(1, max(64, 4 * top) + 1):
        for parity in parities:
            least, most = pairs.theta(left, m, parity)
            real = np.clip(np.rint(m / per_sum[left]), least, np.minimum(most, MOST // top))
            if power_of_two:
                real = np.exp2(np.floor(np.log2(np.maximum(np.minimum(most, 1.5 * m / per_sum[left]), 1))))
            fits = (multiple[left] == 0) & (least <= real) & (real <= most)
            fits &= found.tied[left] if parity >= 0 else True
            own = left[fits]
            multiple[own], theta[own], halves[own] = m, real[fits].astype(np.int64), parity >= 0
        left = left[multiple[left] == 0]
        if not len(left):
            break
    else:
        return int(left[0])
    more = np.where(halves[:, None], np.arange(1, top + 1) % 2 == 1 - turned, False)
    begins = (theta[:, None] * np.arange(1, top + 1) + more)[:, None, :]
    below, above = found.bounded
    sums = multiple[:, None, None] * found.first
    least = np.where(above, begins - sums, -MOST).max(axis=2)
    most = np.where(below, begins - sums + multiple[:, None, None] - 1, MOST).min(axis=2)
    half = 0.5 if coding.nearest else 0.0
    real = multiple[:, None] * start + half * theta[:, None]
    bias = np.clip(np.rint(np.clip(real, -MOST, MOST)).astype(np.int64), least, most)
    return Neurons(multiple, np.zeros_like(multiple), theta, halves, bias, found.tied, found.margin)


@dataclass(frozen=True, eq=False, repr=False)
class _Pairs(Brief):
    """What pairs of codes k > j say of theta: over all pairs of one distance, and of k even or odd, the largest and the
    smallest first[k] - first[j], each (C, distances, 2); infinite where a pair says nothing.
    """

    largest: Reals
    smallest: Reals

    @classmethod
    def of(cls, found: Firsts) -> _Pairs:
        channels, _, top = found.first.shape
        below, above = found.bounded
        largest, smallest = np.full((channels, top - 1, 2), -np.inf), np.full((channels, top - 1, 2), np.inf)
        for distance in range(1, top):
            apart = (found.first[:, :, distance:] - found.first[:, :, :-distance]).astype(np.float64)
            up = np.where(below[:, :, distance:] & above[:, :, :-distance], apart, -np.inf)
            down = np.where(above[:, :, distance:] & below[:, :, :-distance], apart, np.inf)
            for parity in (0, 1):
                of_it = slice((distance + 1 + parity) % 2, None, 2)  # k = distance + 1 + its number
                if up[:, :, of_it].size:
                    largest[:, distance - 1, parity] = up[:, :, of_it].max(axis=(1, 2))
                    smallest[:, distance - 1, parity] = down[:, :, of_it].min(axis=(1, 2))
        return cls(largest, smallest)

    def theta(self, channels: Ints, m: int, parity: int) -> tuple[Reals, Reals]:
        """The smallest and the largest theta that all pairs of these channels allow for this multiple of the weights;
        codes of this parity (-1: none) begin one above a multiple of theta.
        """
        distance = np.arange(1, self.largest.shape[1] + 1)[:, None]
        more = np.zeros((len(distance), 2))
        if parity >= 0:
            more[::2, parity], more[::2, 1 - parity] = 1, -1
        least = np.ceil((m * self.largest[channels] - m + 1 - more) / distance).max(axis=(1, 2), initial=1)
        most = np.floor((m * self.smallest[channels] + m - 1 - more) / distance).min(axis=(1, 2), initial=np.inf)
        return least, most


def fired(table: Table, v: Ints) -> NDArray[np.integer]:
    """The codes (B, C, H, W) that a table fires at opening membranes v, of 16 bits, of 32 where some may be negative
    (FS-2, FS-3, FS-4).
    """
    T, h, d = (np.broadcast_to(part, (v.shape[1], table.steps)) for part in (table.T, table.h, table.d))
    left, codes = v.copy(), np.zeros(v.shape, np.int64)
    for t in range(table.steps):
        spikes = left >= T[:, t, None, None]
        left -= spikes * h[:, t, None, None]
        codes += spikes * d[:, t, None, None]
    return codes.astype(np.uint16 if (table.d >= 0).all() else np.int32)


def table_of(coding: Coding, theta: Ints, halves: Flags) -> Table:
    """The table of neurons: that of their coding; where `halves` go down from every other code, (C,), with thresholds
    one above the resets of the steps that lead to those codes.
    """
    plain = coding.table(theta)
    if not halves.any():
        return plain
    last = np.zeros(coding.steps, np.int64)
    last[-1] = 1
    raised = last if coding.halves == "even" else 1 - last
    return Table(T=plain.T + halves[:, None] * raised, h=plain.h, d=plain.d)
