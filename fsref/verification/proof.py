"""Prove, for every image at once, that the network of spikes is the network of codes: its intervals, neurons and
max-pools one by one, and by that the whole (PROOF-1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from os import PathLike
from typing import assert_never

import numpy as np

from fsref.engines.engine import ENGINES, Engine, name_of
from fsref.errors import public
from fsref.formats.bundled import network_of
from fsref.law.network import Network
from fsref.law.neuron import staircase
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.law.projections import Gate
from fsref.law.ranges import width_bits
from fsref.simulation.memory import check_memory
from fsref.verification.certificate import Certificate, Certified, first_spans
from fsref.verification.check import list_of
from fsref.verification.proof_rules import Exact, Refuted, bits, inside, lost_largest, worth
from fsref.verification.proof_steps import (
    AT_ONCE,
    HIGHEST,
    LOWEST,
    Stairs,
    Steps,
    check_engines,
    check_partition,
    proved_steps,
    reached,
    table_codes,
)
from fsref.verification.proof_sums import Ends, Opened, Sent, by_channel, hull, opened


@public
def prove(
    net: Network | str | PathLike[str],
    stairs: Stairs = staircase,
    engines: str | Engine | Iterable[str | Engine] = ENGINES,
    memory_limit: int = 2**33,
    progress: Callable[[int], None] | None = None,
) -> Certificate:
    """The certificate of the network `net` for all images (PROOF-1 to PROOF-8); what it names in `refuted`, if
    anything, does not hold.

    `stairs(T, h, d, low, high)` is the table to prove of each row: the law's unless given. The neurons of `engines` are
    fired at both ends of every interval. `progress` is called with 1 after each population; `memory_limit` is in bytes.
    Errors: UsageError, LimitError.
    """
    net, fired = network_of(net), list_of(engines, "prove")
    check_memory(working_bytes(net), memory_limit, "prove")
    proving = Proving(net, stairs, fired)
    found: list[Certified] = []
    refuted = ""
    for index in range(len(net.populations)):
        try:
            found.append(proving.population(index))
        except Refuted as error:
            refuted = str(error)
            break
        if progress is not None:
            progress(1)
    names, told = tuple(p.name for p in net.populations), tuple(map(name_of, fired))
    return Certificate(net.name, names, net.id, tuple(found), told, proving.fired, refuted)


class Proving:
    """The proof of one network, population by population in order: each takes what those before it may send."""

    def __init__(self, net: Network, stairs: Stairs, engines: Sequence[str | Engine]) -> None:
        self.net, self.stairs, self.engines = net, stairs, engines
        self.sent: dict[str, Sent] = {}
        self.fired = 0

    def population(self, index: int) -> Certified:
        """What is proved of the population at an index. Errors: Refuted."""
        p = self.net.populations[index]
        match p:
            case Input():
                found = self.input(index, p)
            case MaxPool():
                found = self.pool(index, p)
            case View():
                found = self.view(index, p)
            case FS():
                found = self.fs(index, p)
            case Readout():
                return self.readout(index, p)
            case _:
                assert_never(p)
        sent = self.sent[p.name]
        if not np.array_equal(self.net.code_weights[p.name], sent.d):
            raise Refuted("FS-4", p.name, "what a spike is worth is not the d of its step")
        self.check(p.name, "codes", *sent.codes)
        return found

    def check(self, name: str, interval: str, low: Exact, high: Exact) -> None:
        """Nothing, when an interval of the network is low..high, each (C,), in 63 bits (PROOF-2); else Refuted."""
        held = getattr(self.net.ranges[name], interval).tolist()
        for c, own in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
            if tuple(held[c]) != own or own[0] < LOWEST or own[1] > HIGHEST:
                told, expected = (f"{a}..{b}" for a, b in (held[c], own))
                raise Refuted("PROOF-2", f"{name} channel {c}", f"{interval} is not what weights give", told, expected)

    def input(self, index: int, p: Input) -> Certified:
        """NET-7: every code 0..max_code is the train of its bits, and what these deliver."""
        d = np.array([2 ** (p.steps - 1 - t) for t in range(p.steps)], np.int64)
        codes = np.arange(p.max_code + 1)
        if (worth(d, codes) != codes).any():
            raise Refuted("NET-7", p.name, "a code is not what its spikes deliver")
        interval = np.zeros(p.shape[0], np.int64), np.full(p.shape[0], p.max_code, np.int64)
        self.sent[p.name] = Sent(p.shape, np.tile(d, (p.shape[0], 1)), interval, interval)
        never = np.arange(p.max_code + 1, 2**p.steps)
        return Certified(
            index=index,
            kind=p.kind,
            neurons=p.neurons,
            codes=(0, p.max_code),
            unreachable_code_count=len(never),
            unreachable_codes=first_spans(never),
        )

    def pool(self, index: int, p: MaxPool) -> Certified:
        """PROOF-4: the train of the pool is the largest of its window, and its code the largest code."""
        source = self.sent[p.source]
        for d in np.unique(source.d, axis=0):
            if (np.diff(worth(d, np.arange(2 ** len(d)))) <= 0).any():
                raise Refuted("PROOF-4", p.name, "the order of trains is not that of codes", d.tolist())
        if (case := lost_largest()) is not None:
            raise Refuted("PROOF-4", p.name, "a step of the pool does not keep the largest", case)
        (_, height, width), (top, before, _, _) = source.shape, p.padding
        rows = inside(height, p.shape[1], top, p.kernel[0], p.stride[0], 1)
        columns = inside(width, p.shape[2], before, p.kernel[1], p.stride[1], 1)
        if not (rows.any(1).all() and columns.any(1).all()):
            raise Refuted("POOL-3", p.name, "a window has no candidate")
        self.sent[p.name] = Sent(p.shape, source.d, source.codes, source.parts)
        return Certified(index=index, kind=p.kind, neurons=p.neurons, codes=hull(source.codes))

    def view(self, index: int, p: View) -> Certified:
        """VIEW-1: what a view sends its source sends, or nothing; each place it shows is one of its source."""
        source = self.sent[p.source]
        for axis, places, size in zip(("rows", "columns"), (p.rows, p.columns), source.shape[1:], strict=True):
            if any(not -1 <= place < size for place in places.tolist()):
                raise Refuted("VIEW-1", f"{p.name} {axis}", "shows a place that its source does not have")
        codes, parts = source.codes, source.parts
        if (p.rows < 0).any() or (p.columns < 0).any():  # a train without a spike: 0, and so is every part of it
            codes, parts = ((np.minimum(low, 0), np.maximum(high, 0)) for low, high in (codes, parts))
        self.sent[p.name] = Sent(p.shape, source.d, codes, parts)
        return Certified(index=index, kind=p.kind, neurons=p.neurons, codes=hull(codes))

    def opened(self, p: FS | Readout) -> Opened:
        """What may come into every neuron; read from the input alone, every end is met by some image."""
        into = list(self.net.into(p.name).values())
        # Each synapse of a neuron then reads a pixel of its own, which may be 0 or max_code, whatever the others are.
        met = len(into) == 1 and into[0].source == self.net.input.name and not isinstance(into[0], Gate)
        return opened(p, into, self.sent, met)

    def fs(self, index: int, p: FS) -> Certified:
        """PROOF-2, PROOF-3, PROOF-8 of a population of neurons, and what follows (PROOF-5, PROOF-6)."""
        opened, channels = self.opened(p), p.shape[0]
        low, high = by_channel(opened.opening)
        self.check(p.name, "opening", low, high)
        T, h, d = p.table.rows(channels)
        found: list[Steps] = []
        shared = p.table.channels is None
        for c in range(channels):
            place = f"{p.name} channel {c}"
            if c == 0 or not shared:
                own = (low, high) if shared else (low[c : c + 1], high[c : c + 1])
                whole = int(own[0].min()), int(own[1].max())
                table = self.stairs(T[c], h[c], d[c], *whole)
                check_partition(table, *whole, place)
            rows = T[c].tolist(), h[c].tolist(), d[c].tolist()
            found.append(proved_steps(table, rows, int(low[c]), int(high[c]), place))
        codes = np.array([one.code.min() for one in found]), np.array([one.code.max() for one in found])
        parts = (
            np.array([worth(np.minimum(d[c], 0), one.train).min() for c, one in enumerate(found)]),
            np.array([worth(np.maximum(d[c], 0), one.train).max() for c, one in enumerate(found)]),
        )
        self.sent[p.name] = Sent(p.shape, d, codes, parts)
        after = np.array([one.membranes for one in found], low.dtype).T
        self.check(p.name, "membranes", *after)
        certified = self.integrating(index, p, opened, (np.minimum(low, after[0]), np.maximum(high, after[1])))
        self.fired += check_engines(p, found, self.engines)
        come, there, silent = [], [], np.zeros(channels, np.int64)
        for c, one in enumerate(found):
            met, silent[c] = reached(one, *(end[c].ravel().astype(np.int64) for end in opened.opening))
            come.append(met)
            there.append(table_codes(self.stairs, T[c], h[c], d[c], one, f"{p.name} channel {c}"))
        never = np.setdiff1d(np.concatenate(there), np.concatenate(come))
        dead = np.flatnonzero(silent == p.neurons // channels)
        return replace(
            certified,
            membranes=hull((after[0], after[1])),
            codes=hull(codes),
            interval_count=sum(len(one.first) for one in found),
            unreachable_code_count=len(never),
            unreachable_codes=first_spans(never),
            dead_neuron_count=int(silent.sum()),
            dead_channel_count=len(dead),
            dead_channels=first_spans(dead),
        )

    def readout(self, index: int, p: Readout) -> Certified:
        """PROOF-2 and PROOF-5 of the readout."""
        opened = self.opened(p)
        low, high = by_channel(opened.opening)
        self.check(p.name, "opening", low, high)
        return self.integrating(index, p, opened, (low, high))

    def integrating(self, index: int, p: FS | Readout, opened: Opened, final: Ends) -> Certified:
        """The intervals *any_order* and *final*, and the widths they give (PROOF-2, PROOF-5)."""
        least, most = by_channel(opened.any_order)
        any_order = np.minimum(least, final[0]), np.maximum(most, final[1])
        self.check(p.name, "any_order", *any_order)
        self.check(p.name, "final", *final)
        ended, partial, opening = hull(final), hull(opened.partial), hull(opened.opening)
        whole = min(partial[0], ended[0]), max(partial[1], ended[1])
        if bits(*ended) != (held := width_bits(self.net.ranges[p.name].final)):
            raise Refuted("RANGE-5", p.name, "final does not take the bits that fsref says", held, str(bits(*ended)))
        return Certified(
            index=index,
            kind=p.kind,
            neurons=p.neurons,
            any_order=hull(any_order),
            final=ended,
            partial_sums=whole,
            saturating_bits=bits(*whole),
            saturating_exact=opened.met and bits(*partial) == bits(*whole),
            wrapping_bits=bits(*ended),
            wrapping_exact=opened.met and bits(*opening) == bits(*ended),
        )


def working_bytes(net: Network) -> int:
    """A bound on the bytes that proving takes: numbers for each place and weight of one population, in Python's
    integers where they are large, both ends of its intervals, and those that an engine is fired at.
    """

    def of(p: FS | Readout) -> int:
        weights = sum(int(q.weights.size) for q in net.into(p.name).values())
        intervals = p.shape[0] * (1 << net.steps[p.name])
        return 600 * p.neurons + 300 * weights + 100 * intervals + 600 * min(2 * intervals, AT_ONCE + 2 * p.shape[0])

    return 2**20 + max(map(of, net.integrating))
