"""Bins of gates: channels that deliver something, signs of the factor, words that wait (GATE-1, TIME-5)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fsref.coverage.group import Bits, Group, Seen, What, some, spike
from fsref.coverage.synapses import WAITS
from fsref.coverage.trains import may_spike
from fsref.law.network import Network

USED, SIGN = "channel that delivers something", "spike delivered while the code of the factor is"
FACTOR_WAITS = "word of the factor with a spike that waits in a FIFO"
SIGNS = ("below 0", "0", "above 0")


class Product:
    """A gate: what is delivered through it."""

    def __init__(self, net: Network, name: str) -> None:
        self.net, self.name, self.q = net, name, net.gates[name]
        plan, q = net.schedule, self.q
        self.weighed: Bits = q.weights != 0
        waits = {WAITS: (q.source, plan.delays[q.source, q.target])}
        waits[FACTOR_WAITS] = q.by, plan.factor_delays[q.by, q.source, q.target]
        self.waits = {what: source for what, (source, delay) in waits.items() if delay}
        self.groups = tuple(self._groups())

    def _groups(self) -> Iterator[Group]:
        a, b = (self.net.ranges[name].codes for name in (self.q.source, self.q.by))
        delivers = self.weighed & (a != 0).any(axis=1) & (b != 0).any(axis=1)
        yield Group("GATE-1", self.name, USED, ("channel",), ~delivers, "its weight or a code is always 0")
        sends = self.weighed & some(may_spike(self.net, self.q.source), 1)
        may = [some(sends & able) for able in (b[:, 0] < 0, (b[:, 0] <= 0) & (b[:, 1] >= 0), b[:, 1] > 0)]
        yield Group("GATE-1", self.name, SIGN, (SIGNS,), ~np.array(may), "no code of the factor is so")
        for what, source in self.waits.items():
            never = ~some(may_spike(self.net, source), 0)
            yield Group("TIME-5", self.name, what, ("step",), never, "its source never spikes then")

    def met(self, seen: Seen) -> dict[What, Bits]:
        """The bins met by what both sources sent, when that is known."""
        trains, a, b = seen.trains(self.q.source), seen.codes(self.q.source), seen.codes(self.q.by)
        if trains is None or a is None or b is None:
            return {}
        found = {("GATE-1", USED): some((a != 0) & (b != 0), 0, 2, 3) & self.weighed}
        sent = (trains != 0) & self.weighed[:, None, None]
        found["GATE-1", SIGN] = np.array([some(sent & (np.sign(b) == sign)) for sign in (-1, 0, 1)])
        for what, source in self.waits.items():
            steps, words = self.net.steps[source], seen.trains(source)
            assert words is not None  # its codes are known
            every = np.bitwise_or.reduce(words, axis=None)
            found["TIME-5", what] = np.array([spike(every, t, steps) for t in range(steps)], bool)
        return found
