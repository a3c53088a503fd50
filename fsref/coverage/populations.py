"""Bins of the input, of the class, and of what is compared (NET-7, NET-8, OBS-1)."""

from __future__ import annotations

import numpy as np

from fsref.coverage.group import Bits, Group, Seen, What, some, spike
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES, Population

ZERO, MOST, TIE, COMPARED = "code 0", "code max_code", "two classes that tie for the largest", "observable compared"
BIT = ("bit of the code 0", "bit of the code 1")


class Codes:
    """The input: what codes images have."""

    def __init__(self, net: Network) -> None:
        self.p = net.input
        channels, steps, name = self.p.shape[0], self.p.steps, self.p.name
        none = np.zeros((channels, steps), bool)
        never = np.broadcast_to(self.p.max_code >> np.arange(steps - 1, -1, -1) == 0, none.shape)
        by_step, beyond = ("channel", "step"), "max_code is below it"
        self.groups: tuple[Group, ...] = (
            Group("NET-7", name, ZERO, by_step[:1], none[:, 0]),
            Group("NET-7", name, MOST, by_step[:1], none[:, 0]),
            Group("NET-7", name, BIT[0], by_step, none),
            Group("NET-7", name, BIT[1], by_step, never, beyond),
        )

    def met(self, seen: Seen) -> dict[What, Bits]:
        """The bins met by codes, where they were seen: trains given to a unit alone are none of the input's."""
        codes = seen.array(self.p.name, "codes")
        if codes is None:
            return {}
        codes = codes.reshape(len(codes), self.p.shape[0], -1)
        found = {("NET-7", what): some(codes == code, 0, 2) for what, code in ((ZERO, 0), (MOST, self.p.max_code))}
        for value, what in enumerate(BIT):
            held = [some(spike(codes, t, self.p.steps) == value, 0, 2) for t in range(self.p.steps)]
            found["NET-7", what] = np.stack(held, axis=1)
        return found


class Classes:
    """The readout of a classifier: which class is the largest."""

    def __init__(self, net: Network) -> None:
        self.name = net.readout.name
        low, high = net.ranges[self.name].opening.T
        best = int(low.argmax())
        alone = len(low) == 1 or bool((np.delete(high, best) < low[best]).all())
        self.groups: tuple[Group, ...] = (
            Group("NET-8", self.name, TIE, (), np.array(alone), "one class is always the largest"),
        )

    def met(self, seen: Seen) -> dict[What, Bits]:
        """The bin met by logits, where they were seen."""
        logits = seen.made(self.name, "opening")
        if logits is None:
            return {}
        ties = (logits == logits.max(axis=1, keepdims=True)).sum(axis=1)
        return {("NET-8", TIE): some(ties > 1)}


class Observed:
    """A population that does not only send what it is given: which observables were compared."""

    def __init__(self, net: Network, p: Population) -> None:
        self.name, self.into = p.name, tuple(net.into(p.name))
        self.kinds = tuple(what for what in OBSERVABLES if what in p.observables)
        none = np.zeros(len(self.kinds), bool)
        self.groups: tuple[Group, ...] = (Group("OBS-1", self.name, COMPARED, (self.kinds,), none),)

    def met(self, seen: Seen) -> dict[What, Bits]:
        """The observables seen; sums, those of all projections."""
        known = seen.arrays.keys() - seen.given
        wanted = [{(q, "sums") for q in self.into} if what == "sums" else {(self.name, what)} for what in self.kinds]
        return {("OBS-1", COMPARED): np.array([keys <= known for keys in wanted])}
