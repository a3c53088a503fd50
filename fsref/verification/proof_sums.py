"""The prover's intervals of sums: what may come into every neuron, place by place (PROOF-2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np

from fsref.law.bounds import spans
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout, Shape
from fsref.law.projections import Conv2d, Dense, Gate, Projection
from fsref.tables import Brief
from fsref.verification.proof_rules import Exact, Refuted, ends, largest, products, seen

Pair = tuple[int, int]
Ends = tuple[Exact, Exact]


@dataclass(frozen=True, eq=False, repr=False)
class Sent(Brief):
    """What a population may send: d of its channels (C, K); the lowest and highest code of each, and the lowest and
    highest sum of some spikes of one of its trains, (low, high), each (C,).
    """

    shape: Shape
    d: Ints
    codes: tuple[Ints, Ints]
    parts: tuple[Ints, Ints]


@dataclass(frozen=True, eq=False)
class Opened:
    """What may come into each neuron, (low, high), each (C, H, W): *any_order* (RANGE-1); partial sums, in any order,
    of trains that can come; the opening membrane. `met`: some image brings about both ends of the latter two.
    """

    any_order: Ends
    partial: Ends
    opening: Ends
    met: bool


def opened(p: FS | Readout, into: Sequence[Projection], sent: Mapping[str, Sent], met: bool) -> Opened:
    """What may come into every neuron of a population along projections from what their sources have `sent` (RANGE-1,
    RANGE-2); the factor of a gate has sent a whole code by then (GATE-2).
    """
    reach = max(abs(int(p.bias.min())), abs(int(p.bias.max())))
    # Whatever part of a train, no source delivers more than the sum of |d|, or a code that is said to come.
    for q in into:
        s = sent[q.source]
        most = max(int(np.abs(s.d).sum(1).max()), *map(size, s.codes))
        if isinstance(q, Gate):
            reach += size(q.weights.astype(np.int64)) * most * max(map(size, sent[q.by].codes))
        else:
            reach += largest(q, s.shape, most)
    exact = reach >= 2**62
    bias = np.broadcast_to(p.bias_map, p.shape).astype(object if exact else np.int64)
    below, above = np.minimum(bias, 0), np.maximum(bias, 0)

    def added(low: Exact, high: Exact, delivers: Callable[[Sent], tuple[Ints, Ints]]) -> Ends:
        for q in into:
            s = sent[q.source]
            if isinstance(q, Gate):
                down, up = products(q, delivers(s), sent[q.by].codes, exact)
            else:
                down, up = ends(q, s.shape, p.shape, *delivers(s), exact)
            low, high = low + down, high + up
        return low, high

    any_order = added(below, above, lambda s: (np.minimum(s.d, 0).sum(1), np.maximum(s.d, 0).sum(1)))
    partial, opening = added(below, above, lambda s: s.parts), added(bias, bias, lambda s: s.codes)
    for q in into:
        check_taps(q, sent[q.source].shape, p.shape)
    return Opened(any_order, partial, opening, met)


def check_taps(q: Projection, source: Shape, target: Shape) -> None:
    """Nothing, when the taps that fall on the source are those that fsref counts; else Refuted. Intervals of a channel
    show it only where every place of it lies at the border.
    """
    match q:
        case Dense() | Gate():  # which have none
            return
        case Conv2d():
            for own, held in zip(seen(q, source, target), spans(q, source, target), strict=True):
                tap = np.arange(own.shape[1])
                if (own != ((held[:, :1] <= tap) & (tap < held[:, 1:]))).any():
                    raise Refuted("PROOF-2", f"{q.source}->{q.target}", "other taps fall on the source than fsref says")
        case _:
            assert_never(q)


def by_channel(interval: Ends) -> Ends:
    """The ends over the places of a channel, each (C,)."""
    low, high = interval
    return low.reshape(len(low), -1).min(1), high.reshape(len(high), -1).max(1)


def hull(interval: Ends) -> Pair:
    """The ends over all channels and places."""
    return int(interval[0].min()), int(interval[1].max())


def size(values: Ints) -> int:
    """The largest of |values|."""
    return max(abs(int(values.min())), abs(int(values.max())))
