"""What stands in the accumulators of a device before each projection delivers, if they are cleared by none (CONFORM-7).

Accumulators that populations share are one memory of so many addresses, from 0 on; what was told of the sums of each
projection is what stands in it behind that projection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.conformance.driven import ANSWERED, Driven
from fsref.conformance.wire import Sent
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.projections import Gate
from fsref.vectors.case import Case

Stood: TypeAlias = Mapping[str, tuple[Ints, NDArray[np.bool_]]]


class Accumulators:
    """The memory, as far as it is known from what was told since the device was started."""

    def __init__(self) -> None:
        self.values = np.zeros(0, np.int64)
        self.known = np.zeros(0, np.bool_)
        self.fresh = True

    def followed(self, found: Driven) -> Stood:
        """What stood there before each projection of a case, and where that is known; nothing is known of what is
        there when a case has come before, or something may have been delivered that was not told.
        """
        case = found.case
        if case is None or not found.observed:
            self.forget()
            return {}
        told = [name for name in case.net.named_projections if (name, "sums") in found.observed]
        earlier, later = untold(case, set(told))
        if found.turn or earlier:
            self.forget()
        stood = {}
        for name in sorted(told, key=[*_in_order(case.net)].index):
            values = found.observed[name, "sums"]
            self._widen(len(values))
            stood[name] = self.values[: len(values)].copy(), self.known[: len(values)].copy()
            self.values[: len(values)], self.known[: len(values)] = values, True
        if later:
            self.forget()
        return stood

    def forget(self) -> None:
        """Nothing is known any more."""
        self.fresh = False
        self.known[:] = False

    def _widen(self, count: int) -> None:
        """Room for so many addresses, which hold 0 in a device just started."""
        more = max(0, count - len(self.values))
        self.values = np.concatenate([self.values, np.zeros(more, np.int64)])
        self.known = np.concatenate([self.known, np.full(more, self.fresh)])


class Biases:
    """A memory of biases, in which those of a network stand one population behind the other from 0 on, and the last of
    each population is never written (CONFORM-7).
    """

    def __init__(self) -> None:
        self.values: dict[int, int] = {}
        self.sent = Sent()
        self.stood: Stood = {}

    def followed(self, found: Driven) -> Stood:
        """The biases of each population (neurons,) as they stand in it while a case is run."""
        if found.verdict not in ANSWERED:
            self.values, self.sent = {}, Sent()  # it is started anew
        if found.case is None:
            self.sent.net = None
            return {}
        net = found.case.net
        loads = [] if self.sent.loaded(net) else [net]
        if found.case.protocol == "reload" and self.sent.before is not None:
            loads += [self.sent.before, net]
        for one in loads:
            self.stood = self._load(one)
        return self.stood

    def _load(self, net: Network) -> Stood:
        stood, base = {}, 0
        for p in net.integrating:
            own = p.bias.ravel()
            self.values |= {base + i: int(v) for i, v in enumerate(own[:-1].tolist())}
            held = np.array([*own[:-1], self.values.get(base + len(own) - 1, 0)]).reshape(p.bias.shape)
            whole = np.broadcast_to(held if held.ndim == 3 else held[:, None, None], p.shape).ravel()
            stood[f"bias of {p.name}"] = whole, np.ones(len(whole), np.bool_)
            base += len(own)
        return stood


def _in_order(net: Network) -> Iterator[str]:
    """The projections as a device may follow them: by population."""
    for p in net.populations:
        yield from net.into(p.name)


def untold(case: Case, told: set[str]) -> tuple[bool, bool]:
    """Whether a device may have delivered along another projection before the first of those that it told, and behind
    it: all of whose sources were given, or follow from what was.
    """
    sent = {of for of, _ in case.given}
    for p in case.net.populations:
        into = case.net.into(p.name).values()
        sources = case.net.sources(p.name)
        if sources and sent >= set(sources) and (into or p.name not in sent):
            sent.add(p.name)
    order = list(_in_order(case.net))
    first = min((order.index(name) for name in told), default=len(order))
    others = [
        order.index(name)
        for name, q in case.net.named_projections.items()
        if name not in told and sent >= set(q.sources if isinstance(q, Gate) else (q.source,))
    ]
    return any(at < first for at in others), any(at > first for at in others)
