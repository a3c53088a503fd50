"""How a flatten folds: another look at populations, which a dense layer reads; at the end of a graph written out as the
dense projection that it is (CONV-1).
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from fsref.conversion.folded import Term, constant_part, linear
from fsref.conversion.units import Units
from fsref.conversion.values import Chosen, Sum, Value
from fsref.graph.graph import Node
from fsref.law.neuron import Ints


def flatten(units: Units, node: Node, value: Value) -> Value:
    """All places of each part, in C order."""
    if all(part.shape[1:] == (1, 1) for part in value.parts):
        return value
    if node.name in units.graph.output_nodes.values() and not units.graph.users[node.name]:
        return written_out(units, node.name, value)
    parts, at = [], []
    for part, numbers in zip(map(units.plain, value.parts), value.at, strict=True):
        places = part.shape[1] * part.shape[2]
        affine = part.affine and part.affine.flat(places)
        chosen = part.chosen and Chosen(each_place(part.chosen.numbers, places), part.chosen.width * places)
        shape = (part.shape[0] * places, 1, 1)
        parts.append(replace(part, shape=shape, view="flat", affine=affine, chosen=chosen))
        at.append(each_place(numbers, places))
    return Value(tuple(parts), tuple(at))


def each_place(channels: Ints, places: int) -> Ints:
    """The numbers of all places of these channels in a flat value."""
    return (channels[:, None] * places + np.arange(places)).ravel()


def written_out(units: Units, name: str, value: Value) -> Value:
    """The flat value as sums of dense terms: no population more, and nothing rounded that the map would not round.
    Errors: LimitError where that takes too many weights.
    """
    made = units.merged(value, name)
    size = prod(made.shape)
    bias = np.broadcast_to(made.bias[:, None, None], made.shape).copy()
    terms = []
    for term in made.terms:
        source = units.shape_of(term.source)
        units.spend(size + prod(source), prod(source))  # what each neuron of the source delivers, and where it stands
        if term.fixed:
            bias += constant_part(term, source[1:])
        each = linear(term, np.eye(prod(source)).reshape(-1, *source), term.weights)
        terms.append(Term(term.source, np.ascontiguousarray(each.reshape(len(each), -1).T), node=term.node))
    return Value.of(Sum(name, (size, 1, 1), tuple(terms), bias.ravel()))
