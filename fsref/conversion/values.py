"""The values of a graph in the making: what populations hold of them, sums of linear terms, and both side by side
(CONV-1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from fsref.activations.coding import Reals
from fsref.conversion.folded import NO_PADDING, Term
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.tables import Brief


@dataclass(frozen=True, eq=False)
class Affine:
    """gain * v + offset of values v of a population, each (C,) of what views it: another scale and offset of its codes
    (CONV-6). `node` is the last that had a part in it.
    """

    gain: Reals
    offset: Reals
    node: str = ""

    @classmethod
    def none(cls, channels: int) -> Affine:
        """The values themselves."""
        return cls(np.ones(channels), np.zeros(channels))

    def then(self, gain: Reals, offset: Reals, node: str) -> Affine:
        """Another one behind it."""
        return Affine(self.gain * gain, self.offset * gain + offset, node)

    def taken(self, index: Ints) -> Affine:
        """That of these of its channels."""
        return Affine(self.gain[index], self.offset[index], self.node)


@dataclass(frozen=True, eq=False, repr=False)
class Held(Brief):
    """The value of a population, as it is or through an `affine`, with zero padding around it; `view` is map, flat (of
    all places) or mean (over them). `channels` are those it takes of what is viewed, in increasing order; None: all.
    """

    name: str
    shape: Shape
    padding: tuple[int, int, int, int] = NO_PADDING
    view: str = "map"
    affine: Affine | None = None
    channels: Ints | None = None

    def taken(self, index: Ints) -> Held:
        """These of its channels."""
        channels = index if self.channels is None else self.channels[index]
        affine = None if self.affine is None else self.affine.taken(index)
        return replace(self, shape=(len(index), *self.shape[1:]), affine=affine, channels=channels)


@dataclass(frozen=True, eq=False, repr=False)
class Sum(Brief):
    """A value that no population holds yet: bias + terms."""

    name: str
    shape: Shape
    terms: tuple[Term, ...]
    bias: Reals

    def taken(self, index: Ints) -> Sum:
        """These of its channels."""
        terms = tuple(term.kept(index) for term in self.terms)
        return replace(self, shape=(len(index), *self.shape[1:]), terms=terms, bias=self.bias[index])


@dataclass(frozen=True, eq=False, repr=False)
class Value(Brief):
    """A value in parts. The channels of `parts[i]` are, in order, those numbered `at[i]` of the value: a shuffle moves
    no part, it changes where its channels stand.
    """

    parts: tuple[Held | Sum, ...]
    at: tuple[Ints, ...]

    @classmethod
    def of(cls, *parts: Held | Sum) -> Value:
        """Parts side by side."""
        ends = np.cumsum([0, *(part.shape[0] for part in parts)]).tolist()
        return cls(parts, tuple(np.arange(a, b) for a, b in pairwise(ends)))

    @property
    def channels(self) -> int:
        """How many channels it has."""
        return sum(map(len, self.at))

    def __iter__(self) -> Iterator[tuple[Held | Sum, Ints]]:
        return zip(self.parts, self.at, strict=True)

    def each(self, parts: Iterable[Held | Sum]) -> Value:
        """Other parts in the places of its own."""
        return replace(self, parts=tuple(parts))

    def taken(self, index: Ints) -> Value:
        """These of its channels, in this order."""
        parts, at = list[Held | Sum](), list[Ints]()
        for part, places in self:
            own = np.full(self.channels, -1)
            own[places] = np.arange(len(places))
            found = own[index]
            to = np.flatnonzero(found >= 0)
            to = to[np.argsort(found[to], kind="stable")]
            if len(to):
                parts.append(part if np.array_equal(found[to], np.arange(len(places))) else part.taken(found[to]))
                at.append(to)
        return Value(tuple(parts), tuple(at))
