"""Where bins of an fs or readout want membranes to stand, and how near those of images come: what a search of images
aims at (OBS-4).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsref.coverage import membranes as bins
from fsref.coverage.bins import places
from fsref.coverage.group import Bits, Group
from fsref.coverage.membranes import Membranes
from fsref.coverage.nearest import nearest
from fsref.coverage.populations import Classes
from fsref.law.network import Network
from fsref.law.neuron import Ints

FAR = 2**62  # beyond every membrane (RANGE-4)


@dataclass(frozen=True, eq=False)
class Near:
    """Of each mark by how much the nearest membrane misses it, what is to be added, FAR where none was seen; and the
    image, by number, and the place of that.
    """

    missing: Ints
    image: NDArray[np.intp]
    place: NDArray[np.intp]

    @classmethod
    def none(cls, count: int) -> Near:
        """Nothing seen yet, of so many marks."""
        return cls(np.full(count, FAR), np.zeros(count, np.intp), np.zeros(count, np.intp))


class Marks:
    """The marks of a population: of a channel, before a step (K: after the last), the lowest and highest membrane that
    meets a bin. Bins are those of FS-2, FS-4, FS-5 and RANGE-2 that are not proved unreachable, but for residuals,
    which most images leave. `bins` (marks,) numbers the bins, of which `keys` are rule, what is met and index in the
    group; `kinds` numbers rule, what is met, and step.
    """

    def __init__(self, net: Network, at: Membranes | Classes) -> None:
        self.p = p = net.readout if isinstance(at, Classes) else at.p
        rows: list[tuple[int, int, int, int, int]] = []  # channel, step, lowest, highest, bin
        kinds: dict[tuple[str, str, int], int] = {}
        held: dict[tuple[str, str, int], int] = {}  # bins by rule, what is met, and index in C order
        of: list[int] = []
        for group in at.groups:
            for step, nth, low, high in _wanted(at, group):
                never = group.unreachable.reshape(len(low), -1)
                for c in np.flatnonzero(~never[:, nth]).tolist():
                    key = group.rule, group.what, c * never.shape[1] + nth
                    if key not in held:
                        held[key] = len(held)
                        of.append(kinds.setdefault((group.rule, group.what, nth), len(kinds)))
                    rows.append((c, step, int(low[c]), int(high[c]), held[key]))
        table = np.array(sorted(rows), np.int64).reshape(-1, 5)
        self.channels, self.steps, self.low, self.high, self.bins = np.ascontiguousarray(table.T)
        self.kinds, self.keys = np.array(of, np.intp), tuple(held)
        self.tie = isinstance(at, Classes)
        count = 1 if self.tie else p.shape[0]
        self.T, self.h = (np.zeros((count, 0), np.int64),) * 2 if isinstance(at, Classes) else (at.T, at.h)
        self.ends = np.searchsorted(self.channels, np.arange(count + 1))

    def membranes(self, opening: NDArray[np.integer]) -> Ints:
        """What marks are of, (B, C, places), of opening membranes (B, neurons): these; of two classes that tie by how
        much the second largest is below the largest.
        """
        v = np.ascontiguousarray(opening, np.int64)
        if self.tie:
            v = np.sort(v, axis=1)[:, -2:, None]
            return v[:, :1] - v[:, 1:]
        return v.reshape(len(v), self.p.shape[0], -1)

    def look(self, opening: NDArray[np.integer], wanted: Bits, near: Near, first: int = 0) -> None:
        """Note of marks `wanted` (marks,) what comes nearer, of images numbered from `first` on by their opening
        membranes (B, neurons).
        """
        v = self.membranes(opening)
        room = np.empty(v.shape[2], np.int64)
        about = self.T, self.h, self.ends, self.steps, self.low, self.high, wanted, first, room
        nearest(v, *about, near.missing, near.image, near.place)

    def seeds(self, opening: NDArray[np.integer], marks: Ints, at: NDArray[np.intp]) -> NDArray[np.float64]:
        """Which membranes (n, C, H, W) are to rise so that a mark's does at its place, for images with these opening
        membranes (n, neurons).
        """
        found, rows = np.zeros((len(marks), *self.p.shape)), np.arange(len(marks))
        flat = found.reshape(len(marks), self.p.shape[0], -1)
        if self.tie:
            order = np.argsort(opening, axis=1, kind="stable")
            flat[rows, order[:, -2], 0], flat[rows, order[:, -1], 0] = 1, -1
        else:
            flat[rows, self.channels[marks], at] = 1
        return found


def marks_of(net: Network) -> list[Marks]:
    """The marks of each fs and readout, in order; of the tie of two classes last."""
    return [Marks(net, at) for at in places(net) if isinstance(at, Membranes | Classes)]


def _wanted(at: Membranes | Classes, group: Group) -> Iterator[tuple[int, int, Ints, Ints]]:
    """The marks of a group: the step before which membranes are looked at, the place of the bin in its channel, and the
    lowest and highest membrane of each channel.
    """
    zero = np.zeros(group.unreachable.shape[:1] or 1, np.int64)
    if isinstance(at, Classes):
        yield 0, 0, zero, zero
        return
    T, h = at.T, at.h
    match group.rule, group.what:
        case "FS-2", what:
            for t in range(T.shape[1]):
                value = T[:, t] + dict(bins.BESIDE)[what]
                yield t, t, value, value
        case "FS-4", bins.NO_SPIKE:
            yield 0, 0, zero - FAR, T.min(axis=1) - 1
        case "FS-4", bins.ALL_SPIKES:
            yield 0, 0, (T + h.cumsum(axis=1) - h).max(axis=1), zero + FAR
        case "FS-5", bins.BEYOND:
            yield 0, 0, at.ends[-1][1] + 1, zero + FAR
        case "FS-5", what:
            value = dict(at.ends)[what]
            yield 0, 0, value, value
        case "RANGE-2", (bins.LOWEST | bins.HIGHEST) as what:
            value, opening = (ends[:, int(what == bins.HIGHEST)] for ends in (at.final, at.opening))
            for step in range(1 if (value == opening).all() else T.shape[1] + 1):
                yield step, 0, value, value
        case "RANGE-2", what:
            sign = dict(bins.SIGNS)[what]
            yield 0, 0, zero + (-FAR, 0, 1)[sign + 1], zero + (-1, 0, FAR)[sign + 1]
