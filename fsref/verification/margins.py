"""Margins: how far every membrane of a run is from where its neuron would fire otherwise (FLOAT-4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.tables import Sheet, Shown

FAR = 2**63 - 1  # of a side on which nothing changes


class Margin(NamedTuple):
    """How far opening membranes may fall, `down`, and how far they must rise, `up`, until the train is another, each of
    the shape of the membranes; FAR where it never is.
    """

    down: Ints
    up: Ints

    @property
    def least(self) -> Ints:
        """The margins: what moves a membrane by less leaves its train."""
        return np.minimum(self.down, self.up)


def margin(opening: Ints, T: Ints, h: Ints) -> Margin:
    """The margins of opening membranes (..., C, P) under rows T and h (C, K): of the steps that fire the least v - T,
    of those that do not the least T - v.
    """
    v = opening.copy()
    down, before = np.full(v.shape, FAR, np.uint64), np.full(v.shape, FAR - 1, np.uint64)  # up - 1
    for threshold, reset in zip(T.T[:, :, None], h.T[:, :, None], strict=True):
        gap = v - threshold
        # Without a sign a negative number is larger than any other: of the steps on the other side nothing counts.
        np.minimum(down, gap.view(np.uint64), out=down)
        np.minimum(before, (~gap).view(np.uint64), out=before)  # T - v - 1
        v -= reset * (gap >= 0)
    return Margin(down.view(np.int64), before.view(np.int64) + 1)


@dataclass(frozen=True)
class PopulationMargins:
    """The margins of one fs population in a run: of how many neurons, images times neurons, how many are 0, and the
    largest among the smallest hundredth and the smallest half.
    """

    name: str
    neurons: int
    at_threshold: int
    hundredth: int
    median: int


def margins_of(net: Network, name: str, opening: Ints) -> Ints:
    """The margins (B, C, P) of an fs population from its recorded opening membranes (B, neurons)."""
    p = next(p for p in net.fs if p.name == name)
    T, h, _ = p.table.rows(p.shape[0])
    each = opening.astype(np.int64, copy=False).reshape(len(opening), p.shape[0], -1)
    return np.stack([margin(v, T, h).least for v in each])  # an image at a time, which a processor has at hand


def summary(name: str, margins: Ints) -> PopulationMargins:
    """The margins of a population in a few numbers."""
    ranks = [(margins.size - 1) // 100, (margins.size - 1) // 2]
    hundredth, median = np.partition(margins, ranks, axis=None)[ranks].tolist()
    return PopulationMargins(name, margins.size, int((margins == 0).sum()), hundredth, median)


@dataclass(frozen=True, repr=False)
class Margins(Shown):
    """The margins of every fs population of a run, in units of its membrane."""

    rows: tuple[PopulationMargins, ...]

    def sheet(self) -> Sheet:
        """A line for each population."""
        head = ("population", "neurons x images", "at a threshold", "1 % have at most", "half have at most")
        rows = [(r.name, r.neurons, r.at_threshold, *map(_told, (r.hundredth, r.median))) for r in self.rows]
        return Sheet("Margins: by how much a membrane may move before its spikes are others", head, rows)


def _told(least: int) -> int | str:
    """A margin, where there is an end to it."""
    return "any" if least == FAR else least
