"""All bins of a network, group by group, and those that a stimulus has reached (COVER-1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from functools import lru_cache
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.coverage.coverage import Coverage
from fsref.coverage.gates import Product
from fsref.coverage.group import Group, Place, Seen
from fsref.coverage.membranes import Membranes
from fsref.coverage.merges import Merge
from fsref.coverage.pools import Pool
from fsref.coverage.populations import Classes, Codes, Observed
from fsref.coverage.synapses import Synapses
from fsref.coverage.views import Shown
from fsref.law.network import Network
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.law.projections import Gate
from fsref.simulation.recording import Key


@lru_cache(maxsize=4)
def places(net: Network) -> tuple[Place, ...]:
    """The places of a network that have bins, in the order of its populations, projections before their target."""
    return tuple(_places(net))


def _places(net: Network) -> Iterator[Place]:
    for p in net.populations:
        for name, q in net.into(p.name).items():
            yield Product(net, name) if isinstance(q, Gate) else Synapses(net, name, q)
        match p:
            case Input():
                yield Codes(net)
            case MaxPool():
                yield Pool(net, p)
            case View():
                yield Shown(net, p)
            case FS():
                yield Merge(net, p)
                yield Membranes(net, p)
            case Readout():
                yield Merge(net, p)
                yield Membranes(net, p)
                if net.is_classifier:
                    yield Classes(net)
            case _:
                assert_never(p)
        if not isinstance(p, Input):  # an input is what is given
            yield Observed(net, p)


def groups(net: Network) -> tuple[Group, ...]:
    """The groups of bins of a network (COVER-1)."""
    return tuple(group for place in places(net) for group in place.groups)


def nothing(net: Network) -> Coverage:
    """The coverage of no stimulus."""
    found = groups(net)
    return Coverage(net, found, tuple(np.zeros_like(group.unreachable) for group in found))


def reached(net: Network, arrays: Mapping[Key, NDArray[Any]], given: Set[Key] = frozenset()) -> Coverage:
    """The bins that a stimulus has reached, from observables (B, neurons) by (name, observable), membranes (B, K,
    neurons), images one behind another; as far as what is known tells (COVER-1).

    `given` are the keys of what a unit was given alone (VECTOR-1), for which arrays are those of `following` and what
    was given: its source is not said to have done it. Errors: RangeError [COVER-2] for a bin proved unreachable.
    """
    seen = Seen(net, arrays, given)
    bins = []
    for place in places(net):
        found = place.met(seen)
        for group in place.groups:
            met = found.get((group.rule, group.what))
            bins.append(np.zeros_like(group.unreachable) if met is None else met)
    return Coverage(net, groups(net), tuple(bins))
