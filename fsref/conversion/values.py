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


@dataclass(frozen=True, eq=False, repr=False)
class Affine(Brief):
    """gain * v + offset of values v of a population, each (C,) of what views it: another scale and offset of its codes
    (CONV-6). `map` (C, H, W) comes to it at each place of a whole map. `node` is the last that had a part in it.
    """

    gain: Reals
    offset: Reals
    node: str = ""
    map: Reals | None = None

    @classmethod
    def none(cls, channels: int) -> Affine:
        """The values themselves."""
        return cls(np.ones(channels), np.zeros(channels))

    def then(self, gain: Reals, offset: Reals, node: str) -> Affine:
        """Another one behind it."""
        more = None if self.map is None else self.map * gain[:, None, None]
        return Affine(self.gain * gain, self.offset * gain + offset, node, more)

    def plus(self, more: Reals, node: str) -> Affine:
        """That and a constant of each place, (C, H, W)."""
        return replace(self, map=more if self.map is None else self.map + more, node=node)

    def taken(self, index: Ints) -> Affine:
        """That of these of its channels."""
        return Affine(self.gain[index], self.offset[index], self.node, None if self.map is None else self.map[index])

    def flat(self, places: int) -> Affine:
        """That of each of so many places of a channel."""
        offset = np.repeat(self.offset, places)
        return Affine(
            np.repeat(self.gain, places), offset if self.map is None else offset + self.map.ravel(), self.node
        )


@dataclass(frozen=True, eq=False, repr=False)
class Chosen(Brief):
    """Some of `width` channels, by number, in increasing order."""

    numbers: Ints
    width: int


@dataclass(frozen=True, eq=False, repr=False)
class Held(Brief):
    """The value of a population, as it is or through an `affine`, with zero padding around it, where below 0 cut off;
    `view` is map, flat (of all places) or mean (over them). `chosen` are the channels it takes of what is viewed; None:
    all.
    """

    name: str
    shape: Shape
    padding: tuple[int, int, int, int] = NO_PADDING
    view: str = "map"
    affine: Affine | None = None
    chosen: Chosen | None = None

    def taken(self, index: Ints) -> Held:
        """These of its channels."""
        chosen = self.chosen or Chosen(np.arange(self.shape[0]), self.shape[0])
        affine = None if self.affine is None else self.affine.taken(index)
        chosen = replace(chosen, numbers=chosen.numbers[index])
        return replace(self, shape=(len(index), *self.shape[1:]), affine=affine, chosen=chosen)

    def joined(self, other: Held | Sum) -> tuple[Held, Ints] | None:
        """Both as one, and the number of each of its channels in the two side by side; None where the other takes no
        further channels of the same population, seen alike.
        """
        if not isinstance(other, Held) or self.chosen is None or other.chosen is None:
            return None
        if any(getattr(self, name) != getattr(other, name) for name in ("name", "padding", "view")):
            return None
        if any(held.affine is not None and held.affine.map is not None for held in (self, other)):
            return None
        numbers = np.concatenate([self.chosen.numbers, other.chosen.numbers])
        if len(np.unique(numbers)) != len(numbers):
            return None
        order = np.argsort(numbers)
        chosen = None if len(order) == self.chosen.width else replace(self.chosen, numbers=numbers[order])
        affine = None
        if self.affine is not None or other.affine is not None:
            one, two = (held.affine or Affine.none(held.shape[0]) for held in (self, other))
            gain, offset = np.concatenate([one.gain, two.gain]), np.concatenate([one.offset, two.offset])
            affine = Affine(gain[order], offset[order], two.node or one.node)
        return replace(self, shape=(len(order), *self.shape[1:]), affine=affine, chosen=chosen), order


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

    def scaled(self, gain: Reals) -> Sum:
        """The sum with channel c multiplied by gain[c]."""
        return replace(self, terms=tuple(term.scaled(gain) for term in self.terms), bias=self.bias * gain)

    def plus(self, other: Sum) -> Sum:
        """Both together."""
        return replace(self, terms=(*self.terms, *other.terms), bias=self.bias + other.bias)


@dataclass(frozen=True, eq=False, repr=False)
class Value(Brief):
    """A value in parts. The channels of `parts[i]` are, in order, those numbered `at[i]` of the value: a shuffle moves
    no part, it changes where its channels stand. What several parts have of one channel is added up.
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
        return 1 + max(int(own.max()) for own in self.at)

    @property
    def adds(self) -> bool:
        """Whether some channel is in several parts."""
        return sum(map(len, self.at)) > self.channels

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

    def joined(self) -> Value:
        """The value with all that it takes of one population, seen alike, in one part."""
        parts, at = list[Held | Sum](), list[Ints]()
        for part, own in self:
            for k, before in enumerate(parts):
                if isinstance(before, Held) and (both := before.joined(part)) is not None:
                    parts[k], at[k] = both[0], np.concatenate([at[k], own])[both[1]]
                    break
            else:
                parts.append(part)
                at.append(own)
        return Value(tuple(parts), tuple(at))
