"""How products of two values fold, and their integers: a gate, and what takes the offsets of both codes back (CONV-16,
GATE-1).
"""

from __future__ import annotations

import numpy as np

from fsref.conversion.activation import LINEAR
from fsref.conversion.curves import Curve
from fsref.conversion.folded import NO_PADDING, Product, Shown
from fsref.conversion.units import Units
from fsref.conversion.values import Held, Value
from fsref.graph.graph import Node


def multiply(units: Units, node: Node, *values: Value) -> Value:
    """The product of values, two at a time, each a signed linear population."""
    held = dict[str, Held]()
    for name, value in zip(node.inputs, values, strict=True):
        held[name] = held.get(name) or _factor(units, value, f"{node.name}.factor")  # a square has one
    made, *others = [held[name] for name in node.inputs]
    for left, factor in zip(range(len(others) - 1, -1, -1), others, strict=True):
        made = _product(units, made, factor, f"{node.name}.part" if left else node.name)
    return Value.of(made)


def _product(units: Units, one: Held, other: Held, name: str) -> Held:
    """The product of two populations: the train of the one with more places, or that comes later, is delivered."""
    order = ["input", *(unit.name for unit in units.made)]
    source, by = sorted((one, other), key=lambda held: (-units.places(held.name), -order.index(held.name)))
    shown, size = "", source.shape[1:]
    if by.shape != source.shape and _may_have_offset(units, source.name):
        rows, columns = (np.zeros(n, np.int64) for n in size)
        shown = units.add(f"{name}.by", source.shape, view=Shown(by.name, rows, columns)).name
    product = Product(source.name, by.name, shown)
    return units.add(name, source.shape, bias=np.zeros(source.shape[0]), activation=LINEAR, product=product)


def _may_have_offset(units: Units, name: str) -> bool:
    """Whether the codes of a population may have an offset."""
    how = units.source_activation(name)
    return how.rest < 0 if isinstance(how, Curve) else how.low != 0


def _factor(units: Units, value: Value, name: str) -> Held:
    """A value as a population that a gate can read: as it is where one holds it whole, else coded for that."""
    if len(value.parts) == 1 and np.array_equal(value.at[0], np.arange(value.channels)):
        part = units.hold(value.parts[0])
        plain = (part.view, part.padding, part.affine, part.chosen) == ("map", NO_PADDING, None, None)
        if plain and part.name != "input" and not units.gaps(part.name):
            return part
    return units.recoded(units.merged(value, name), name)
