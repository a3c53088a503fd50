"""The trains that each channel of a population can send, proved from ranges: what bins of its targets rest on
(RANGE-3).
"""

from __future__ import annotations

from functools import lru_cache
from typing import assert_never

import numpy as np

from fsref.coverage.group import Bits
from fsref.law.network import Network
from fsref.law.neuron import Ints, relu_theta, staircase
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View


@lru_cache(maxsize=4)
def sent(net: Network) -> dict[str, list[Ints]]:
    """The train words of each channel that may be sent, ascending, by population: no other train is ever sent."""
    found: dict[str, list[Ints]] = {}
    for p in net.populations:
        found[p.name] = _trains(net, p, found)
    return found


def _trains(net: Network, p: Population, before: dict[str, list[Ints]]) -> list[Ints]:
    match p:
        case Input():
            return [np.arange(p.max_code + 1, dtype=np.int64)] * p.shape[0]
        case MaxPool():
            return before[p.source]  # the train of one of its candidates
        case View():  # and where it shows nothing the silent one
            return [np.union1d(trains, 0) if p.gaps else trains for trains in before[p.source]]
        case FS():
            if relu_theta(p.table) is not None:  # the train is the code, and every code between the ends is one
                return [np.arange(low, high + 1, dtype=np.int64) for low, high in net.ranges[p.name].codes.tolist()]
            T, h, d = p.table.rows(p.shape[0])
            opening = net.ranges[p.name].opening.tolist()
            return [np.unique(staircase(T[c], h[c], d[c], *opening[c]).train) for c in range(p.shape[0])]
        case Readout():
            return []
        case _:
            assert_never(p)


def may_spike(net: Network, name: str) -> Bits:
    """Whether a channel may ever spike in a step, (C, K)."""
    steps = net.steps[name]
    words = np.array([np.bitwise_or.reduce(trains) for trains in sent(net)[name]], np.int64)
    spikes: Bits = (words[:, None] >> np.arange(steps - 1, -1, -1) & 1).astype(bool)
    return spikes
