"""The populations made of a graph so far, and how a part of a value becomes one, or a sum again (CONV-1)."""

from __future__ import annotations

import re
from dataclasses import replace
from math import prod
from typing import Any, assert_never

import numpy as np

from fsref.activations.coding import Reals
from fsref.conversion.activation import LINEAR, Activation
from fsref.conversion.exact import through
from fsref.conversion.folded import NO_PADDING, Shown, Term, Unit
from fsref.conversion.grids import on_grid
from fsref.conversion.values import Affine, Held, Sum, Value
from fsref.errors import GraphError
from fsref.graph.graph import Graph
from fsref.graph.views import bordered, taken
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Padding
from fsref.simulation.memory import check_limit, check_memory

LONGEST = 64  # characters of the name of a population (NET-1)


def refused(problem: str, limit: str = "") -> GraphError:
    """The error of a node without a form; `fold` puts its name before it."""
    return GraphError("CONV-1", "node", problem, None, limit)


class Units:
    """The populations of a graph in the making."""

    def __init__(self, graph: Graph, memory_limit: int) -> None:
        check_limit(memory_limit)
        self.graph, self.memory_limit, self.spent = graph, memory_limit, 0
        self.made: list[Unit] = []
        self.kept = set(graph.outputs)  # names of readouts to come
        self.trained = any(node.op == "quantise" for node in graph.nodes)  # in few bits (CONV-14)
        self.notes: list[str] = []

    def spend(self, *shape: int) -> None:
        """Count weights of this shape, which are to be made in 64 bits and may be made once more, scaled (RUN-3).
        Errors: LimitError.
        """
        self.spent += 2 * 8 * prod(shape)
        check_memory(self.spent, self.memory_limit, "fold")

    def add(self, wanted: str, shape: Shape, **parts: Any) -> Held:
        """The new unit's value."""
        clean = re.sub(r"[^A-Za-z0-9_.\-]", "_", wanted)
        if len(clean) > LONGEST:  # whole parts of the path, as many of the last as there is room for
            clean = re.sub(r"^[^.]*\.(?=.)", "", clean[-LONGEST:])
        name, number, taken = clean, 1, {"input", *self.kept, *(unit.name for unit in self.made)}
        while name in taken:
            name, number = f"{clean[:58]}.{number}", number + 1
        self.made.append(Unit(name, shape, **parts))
        return Held(name, shape)

    def unknown(self, name: str, shape: Shape) -> Held:
        """A value of this shape that nothing is known of, where a node has no form."""
        return self.add(name, shape, bias=np.zeros(shape[0]), activation=LINEAR)

    def hold(self, part: Held | Sum, activation: Activation = LINEAR, beside: str = "") -> Held:
        """The value of a part as a population's, made if there is none yet; `beside` is added to its name."""
        match part:
            case Held():
                return part
            case Sum(terms=terms):
                if activation is LINEAR and (shown := self.shown(part)) is not None:
                    return shown
                name = next((term.node for term in terms if term.node), part.name)
                return self.add(f"{name}{beside}", part.shape, terms=terms, bias=part.bias, activation=activation)
            case _:
                assert_never(part)

    def recoded(self, part: Held | Sum, name: str) -> Held:
        """The value of a part in a signed linear population of its own, whatever holds it already."""
        one = self.sum_of(part, name)
        return self.add(name, one.shape, terms=one.terms, bias=one.bias, activation=LINEAR)

    def plain(self, part: Held | Sum) -> Held:
        """As `hold`, without padding and without a view: what a window may be laid on. It may have an affine."""
        held = self.hold(part)
        return held if held.view == "map" and held.padding == NO_PADDING else self.hold(self.sum_of(held, held.name))

    def under(self, part: Held | Sum, padding: Padding) -> tuple[Held, Padding]:
        """As `hold`, a map that this padding can go around, and both paddings together: what was cut off is not there
        again.
        """
        held = self.hold(part)
        if held.view != "map" or any(own < 0 < side for own, side in zip(held.padding, padding, strict=True)):
            held = self.plain(held)
        top, left, bottom, right = (a + b for a, b in zip(held.padding, padding, strict=True))
        return held, (top, left, bottom, right)

    def sum_of(self, part: Held | Sum, name: str) -> Sum:
        """The part as a sum: a population's value through an identity."""
        match part:
            case Sum():
                return part
            case Held():
                term, bias = self.read(part, self.identity(part))
                return Sum(name, part.shape, (term,), bias)
            case _:
                assert_never(part)

    def read(self, held: Held, term: Term) -> tuple[Term, Reals]:
        """The term over a population, given the one over what is held of it, and what that adds to the bias, (O,)."""
        if min(term.padding) < 0:
            term = term.cut()
            self.spend(*term.weights.shape)
        if self.trained:  # before gains and offsets are folded, so that a code of 0 delivers 0 (CONV-14)
            term = replace(term, weights=on_grid(term.weights))
        places, added = self.places(held.name), np.zeros(len(term.weights))
        if held.affine is not None:
            if held.affine.map is not None:
                more = through(term, held.affine.map, term.weights)
                self.spend(*more.shape)
                term = replace(term, map=more)
            taps = term.weights * term.per_input(held.affine.offset)
            term = replace(term, weights=term.weights * term.per_input(held.affine.gain))
            if taps.ndim == 4 and any(term.padding):
                term = replace(term, constant=taps.sum(axis=1, keepdims=True))
            else:
                added = taps.reshape(len(taps), -1).sum(axis=1) * (places if term.pooled else 1)
        if held.chosen is not None:
            self.spend(len(term.weights), held.chosen.width, *term.weights.shape[2:])
            term = term.spread(held.chosen.numbers, held.chosen.width)
        return term, added

    def identity(self, held: Held) -> Term:
        """The term that gives what is held, as it is viewed."""
        channels = held.shape[0]
        if held.view == "flat":
            raise refused("nothing but a dense layer may follow a flatten of several places")
        if held.view == "mean":
            self.spend(channels, channels)
            return Term(held.name, np.eye(channels) / self.places(held.name), pooled=True, skip=True)
        return Term(held.name, np.ones((channels, 1, 1, 1)), padding=held.padding, groups=channels, skip=True)

    def shown(self, part: Sum) -> Held | None:
        """A sum that does nothing but take places of one population, as a view of it, which takes no steps; None of any
        other, and where zeros are among them that are no code.
        """
        (term, *others), (_, height, width) = part.terms, part.shape
        ones = np.abs(term.weights).max(axis=(0, 1)) if term.weights.ndim == 4 else np.zeros((1, 1))
        source = self.shape_of(term.source)
        alone = not others and term.skip and not term.fixed and not part.bias.any()
        if not alone or term.groups != source[0] or len(term.weights) != source[0] or np.count_nonzero(ones) != 1:
            return None
        (r, c), (sy, sx), (dy, dx) = np.argwhere(ones)[0], term.stride, term.dilation
        if (term.weights[..., r, c] != 1).any():
            return None
        rows = np.arange(height) * sy - term.padding[0] + r * dy
        columns = np.arange(width) * sx - term.padding[1] + c * dx
        rows, columns = (
            np.where((own >= 0) & (own < size), own, -1) for own, size in zip((rows, columns), source[1:], strict=True)
        )
        gaps = min(rows.min(), columns.min()) < 0
        if gaps and (term.source == "input" or self.source_activation(term.source).low < 0):
            return None
        return self.viewed(Held(term.source, source), rows, columns, part.name)

    def viewed(self, part: Held | Sum, rows: Ints, columns: Ints, name: str) -> Held:
        """What a view shows of a part: padding is gaps, and a view of a view is one of what that shows."""
        held = self.hold(part)
        gaps = min(rows.min(), columns.min(), -max(held.padding)) < 0
        affine = held.affine or Affine.none(held.shape[0])
        if held.view != "map" or affine.map is not None or gaps and affine.offset.any():
            held = self.hold(self.sum_of(held, held.name if affine.map is None else affine.node))
        source, (_, height, width) = held.name, self.shape_of(held.name)
        top, left, bottom, right = held.padding
        rows = taken(bordered(np.arange(height), top, bottom, "zero"), rows)
        columns = taken(bordered(np.arange(width), left, right, "zero"), columns)
        below = next((unit.view for unit in self.made if unit.name == source), None)
        if below is not None:
            source, rows, columns = below.source, taken(below.rows, rows), taken(below.columns, columns)
        shape = self.shape_of(source)[0], len(rows), len(columns)
        made = self.add(name, shape, view=Shown(source, rows, columns))
        return replace(held, name=made.name, shape=(held.shape[0], *shape[1:]), padding=NO_PADDING)

    def shape_of(self, name: str) -> Shape:
        """The shape of a population."""
        if name == "input":
            return self.graph.shapes[name]
        return next(unit.shape for unit in self.made if unit.name == name)

    def apart(self, value: Value, name: str) -> Value:
        """The value with what is added up in one sum each: no channel is in two parts."""
        if not value.adds:
            return value
        parts, at = list[Held | Sum](), list[Ints]()
        for part, own in value:
            k = next((k for k, before in enumerate(at) if np.array_equal(before, own)), None)
            if k is None:
                parts.append(part)
                at.append(own)
            else:
                parts[k] = self.sum_of(parts[k], name).plus(self.sum_of(part, name))
        found = Value(tuple(parts), tuple(at))
        return Value.of(self._placed(found, name)) if found.adds else found

    def merged(self, value: Value, name: str) -> Sum:
        """All parts as one sum."""
        value = self.apart(value, name)
        if len(value.parts) == 1 and np.array_equal(value.at[0], np.arange(value.channels)):
            return self.sum_of(value.parts[0], name)
        return self._placed(value, name)

    def _placed(self, value: Value, name: str) -> Sum:
        """All parts as one sum, each written out where its channels stand."""
        sums = [self.sum_of(part, name) for part in value.parts]
        channels = value.channels
        for term in (term for part in sums for term in part.terms):
            self.spend_placed(term, channels)
        bias = np.zeros(channels)
        for part, rows in zip(sums, value.at, strict=True):
            bias[rows] += part.bias
        terms = [term.placed(rows, channels) for part, rows in zip(sums, value.at, strict=True) for term in part.terms]
        return Sum(name, (channels, *sums[0].shape[1:]), tuple(terms), bias)

    def spend_placed(self, term: Term, channels: int) -> None:
        """Count a term written out as one group, and into so many channels. Errors: LimitError."""
        outputs, inputs, *kernel = term.weights.shape
        self.spend(outputs + channels, inputs * term.groups, *kernel)

    def gaps(self, name: str) -> bool:
        """Whether a population is a view that shows nothing somewhere, or reads one."""
        unit = next((unit for unit in self.made if unit.name == name), None)
        if unit is None or unit.relayed is None:
            return False
        own = unit.view is not None and not unit.view.there.all()
        return own or self.gaps(unit.relayed)

    def places(self, name: str) -> int:
        """How many places a population has."""
        _, height, width = self.shape_of(name)
        return height * width

    def source_activation(self, name: str) -> Activation:
        """The activation of a population, for a pool or a view its source's; of the input, none."""
        if name == "input":
            return LINEAR
        unit = next(unit for unit in self.made if unit.name == name)
        return self.source_activation(unit.relayed) if unit.relayed else unit.activation or LINEAR

    def read_out(self, last: Sum, name: str = "") -> None:
        """Make a sum a readout of this name; without one, of that of the node its weights come from."""
        name = name or next((term.node for term in last.terms if term.node), last.name)
        self.kept.discard(name)
        self.add(name, last.shape, terms=last.terms, bias=last.bias)
