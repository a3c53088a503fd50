"""The values of a graph in the making: sums of linear terms, and what populations hold of them (CONV-1)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import prod
from typing import Any, TypeAlias, assert_never

import numpy as np

from fsref.activations.coding import Reals
from fsref.conversion.activation import LINEAR, Activation
from fsref.conversion.folded import NO_PADDING, Term, Unit
from fsref.errors import GraphError
from fsref.graph.graph import Graph
from fsref.law.populations import Shape
from fsref.simulation.memory import check_limit, check_memory
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


@dataclass(frozen=True, eq=False, repr=False)
class Held(Brief):
    """The value of a population, as it is or through an `affine`, with zero padding around it; `view` is map, flat (of
    all places) or mean (over them).
    """

    name: str
    shape: Shape
    padding: tuple[int, int, int, int] = NO_PADDING
    view: str = "map"
    affine: Affine | None = None

    def read(self, term: Term, places: int = 1) -> tuple[Term, Reals]:
        """The term over what is held, given the one over the population, and what it adds to the bias, (O,). A term
        that is `pooled` sums so many places.
        """
        if self.affine is None:
            return term, np.zeros(len(term.weights))
        taps = term.weights * term.per_input(self.affine.offset)
        term = replace(term, weights=term.weights * term.per_input(self.affine.gain))
        if taps.ndim == 4 and any(term.padding):
            return replace(term, constant=taps.sum(axis=1, keepdims=True)), np.zeros(len(taps))
        return term, taps.reshape(len(taps), -1).sum(axis=1) * (places if term.pooled else 1)


@dataclass(frozen=True, eq=False, repr=False)
class Sum(Brief):
    """A value that no population holds yet: bias + terms."""

    name: str
    shape: Shape
    terms: tuple[Term, ...]
    bias: Reals


Value: TypeAlias = tuple[Held | Sum, ...]  # parts, side by side along the channels


def refused(problem: str, limit: str = "") -> GraphError:
    """The error of a node without a form; `fold` puts its name before it."""
    return GraphError("CONV-1", "node", problem, None, limit)


class Units:
    """The populations made of a graph so far, and how a part of a value becomes one, or a sum again."""

    def __init__(self, graph: Graph, memory_limit: int) -> None:
        check_limit(memory_limit)
        self.graph, self.memory_limit, self.spent = graph, memory_limit, 0
        self.made: list[Unit] = []
        self.notes: list[str] = []

    def spend(self, *shape: int) -> None:
        """Count weights of this shape, which are to be made in 64 bits and may be made once more, scaled (RUN-3).
        Errors: LimitError.
        """
        self.spent += 2 * 8 * prod(shape)
        check_memory(self.spent, self.memory_limit, "fold")

    def add(self, wanted: str, shape: Shape, **parts: Any) -> Held:
        """The new unit's value."""
        clean = re.sub(r"[^A-Za-z0-9_.\-]", "_", wanted)[-64:]
        name, number, taken = clean, 1, {"input", *(unit.name for unit in self.made)}
        while name in taken:
            name, number = f"{clean[:58]}.{number}", number + 1
        self.made.append(Unit(name, shape, **parts))
        return Held(name, shape)

    def unknown(self, name: str, shape: Shape) -> Held:
        """A value of this shape that nothing is known of, where a node has no form."""
        return self.add(name, shape, bias=np.zeros(shape[0]), activation=LINEAR)

    def hold(self, part: Held | Sum, activation: Activation = LINEAR) -> Held:
        """The value of a part as a population's, made if there is none yet."""
        match part:
            case Held():
                return part
            case Sum(terms=terms):
                name = next((term.node for term in terms if term.node), part.name)
                return self.add(name, part.shape, terms=terms, bias=part.bias, activation=activation)
            case _:
                assert_never(part)

    def plain(self, part: Held | Sum) -> Held:
        """As `hold`, without padding and without a view: what a window may be laid on. It may have an affine."""
        held = self.hold(part)
        return held if held.view == "map" and held.padding == NO_PADDING else self.hold(self.sum_of(held, held.name))

    def sum_of(self, part: Held | Sum, name: str) -> Sum:
        """The part as a sum: a population's value through an identity."""
        match part:
            case Sum():
                return part
            case Held():
                term, bias = part.read(self.identity(part), self.places(part.name))
                return Sum(name, part.shape, (term,), bias)
            case _:
                assert_never(part)

    def identity(self, held: Held) -> Term:
        """The term that gives what is held, as it is viewed."""
        channels = held.shape[0]
        if held.view == "flat":
            raise refused("nothing but a dense layer may follow a flatten of several places")
        if held.view == "mean":
            self.spend(channels, channels)
            return Term(held.name, np.eye(channels) / self.places(held.name), pooled=True, skip=True)
        return Term(held.name, np.ones((channels, 1, 1, 1)), padding=held.padding, groups=channels, skip=True)

    def shape_of(self, name: str) -> Shape:
        """The shape of a population."""
        if name == "input":
            return self.graph.shapes[name]
        return next(unit.shape for unit in self.made if unit.name == name)

    def merged(self, value: Value, name: str) -> Sum:
        """All parts as one sum."""
        sums = [self.sum_of(part, name) for part in value]
        if len(sums) == 1:
            return sums[0]
        channels = sum(part.shape[0] for part in sums)
        starts = np.cumsum([0, *(part.shape[0] for part in sums)]).tolist()
        for term in (term for part in sums for term in part.terms):
            self.spend_placed(term, channels)
        terms = [term.placed(start, channels) for part, start in zip(sums, starts, strict=False) for term in part.terms]
        return Sum(name, (channels, *sums[0].shape[1:]), tuple(terms), np.concatenate([part.bias for part in sums]))

    def spend_placed(self, term: Term, channels: int) -> None:
        """Count a term written out as one group, and into so many channels. Errors: LimitError."""
        outputs, inputs, *kernel = term.weights.shape
        self.spend(outputs + channels, inputs * term.groups, *kernel)

    def places(self, name: str) -> int:
        """How many places a population has."""
        _, height, width = self.shape_of(name)
        return height * width

    def source_activation(self, name: str) -> Activation:
        """The activation of a population, for a pool its source's; of the input, none."""
        if name == "input":
            return LINEAR
        unit = next(unit for unit in self.made if unit.name == name)
        return self.source_activation(unit.pool.source) if unit.pool else unit.activation or LINEAR

    def read_out(self, last: Sum) -> None:
        """Make a sum the readout."""
        name = next((term.node for term in last.terms if term.node), last.name)
        self.add(name, last.shape, terms=last.terms, bias=last.bias)
