"""A group of bins: a rule, a place of a network, what is met there, and an array of bins (COVER-1)."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.simulation.recording import Key
from fsref.tables import Brief

Bits: TypeAlias = NDArray[np.bool_]
What: TypeAlias = tuple[str, str]  # a rule, and what is met
Axis: TypeAlias = str | tuple[str, ...]  # what an index counts, or the name of each


@dataclass(frozen=True, eq=False, repr=False)
class Group(Brief):
    """Bins of one kind at one place: `place` is a population or projection, `axes` say what the dimensions of bins
    count; `unreachable`, the shape of the bins, are those proved so, `reason` is why.
    """

    rule: str
    place: str
    what: str
    axes: tuple[Axis, ...]
    unreachable: Bits
    reason: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Rule, place and what is met: no two groups of a network have the same."""
        return self.rule, self.place, self.what

    def __or__(self, other: Group) -> Group:
        """The same bins, those unreachable that either proved so."""
        if self is other or not (other.unreachable & ~self.unreachable).any():
            return self
        reasons = dict.fromkeys(reason for reason in (self.reason, other.reason) if reason)
        return replace(self, unreachable=self.unreachable | other.unreachable, reason="; or ".join(reasons))

    def bin(self, index: int) -> str:
        """A bin in words, by its index in C order."""
        at = np.unravel_index(index, self.unreachable.shape)
        named = zip(self.axes, (int(i) for i in at), strict=True)
        return ", ".join(f"{axis} {i}" if isinstance(axis, str) else axis[i] for axis, i in named)


class Place(Protocol):
    """A place of a network: its groups, and which of their bins were met."""

    groups: tuple[Group, ...]

    def met(self, seen: Seen) -> Mapping[What, Bits]:
        """The bins met, by rule and what is met, of the groups that what was seen can tell of."""


class Seen:
    """What was seen of a network, (B, neurons) by (name, observable), images one behind another; `given` are the keys
    of what a unit alone was given: what a source is said to have sent, it did not do itself (VECTOR-1).
    """

    def __init__(self, net: Network, arrays: Mapping[Key, NDArray[Any]], given: Set[Key] = frozenset()) -> None:
        self.net, self.arrays, self.given = net, arrays, given

    def array(self, name: str, observable: str) -> Ints | None:
        """An observable (B, neurons), None where it was not seen."""
        found = self.arrays.get((name, observable))
        return None if found is None else found.astype(np.int64)

    def made(self, name: str, observable: str) -> Ints | None:
        """An observable (B, neurons), None where it was not seen, or given."""
        return None if (name, observable) in self.given else self.array(name, observable)

    def trains(self, name: str) -> Ints | None:
        """The train words (B, C, H, W) of a population, those of an input its codes; None where they were not seen."""
        words = self.array(name, "spikes")
        if words is None and name == self.net.input.name:
            words = self.array(name, "codes")
        return None if words is None else words.reshape(-1, *self.net[name].shape)

    def codes(self, name: str) -> Ints | None:
        """The codes (B, C, H, W) of the trains of a population (FS-4)."""
        words = self.trains(name)
        if words is None:
            return None
        d = self.net.code_weights[name]
        code = np.zeros_like(words)
        for t in range(d.shape[1]):
            code += d[:, t, None, None] * spike(words, t, d.shape[1])
        return code


def spike(words: Ints, step: int, steps: int) -> Ints:
    """The spikes, 0 or 1, of train words in a step (EVENT-2)."""
    bit: Ints = words >> (steps - 1 - step) & 1
    return bit


def some(bits: ArrayLike, *axes: int) -> Bits:
    """Whether any is set along these axes, of all without one."""
    return np.asarray(np.any(np.asarray(bits, bool), axis=axes or None))
