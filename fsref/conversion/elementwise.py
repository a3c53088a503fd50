"""How activations fold: parts of a value become populations (CONV-1), but for what changes nothing of them and for what
quantises the images again (CONV-7).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeGuard

import numpy as np

from fsref.conversion.activation import RECTIFIED, Activation
from fsref.conversion.curves import CURVES, curve_of
from fsref.conversion.entry import levels_of
from fsref.conversion.folded import NO_PADDING
from fsref.conversion.units import Units
from fsref.conversion.values import Affine, Held, Sum, Value
from fsref.graph.graph import Node
from fsref.law.neuron import Ints

BELOW = ".neg"  # of the name of a population that holds what is below 0

# What an FS population is without a fitted table. Only a hard_sigmoid of negative slope decreases.
ELEMENTWISE = ("relu", "clip", "quantise", "hard_sigmoid")


def elementwise(units: Units, node: Node, value: Value) -> Value:
    """A value through an activation, its parts each a population."""
    value = units.apart(value, node.name)
    activation: Activation
    match node.op, node.attributes:
        case op, _ if op in CURVES:
            activation = curve_of(node)
        case "relu", _:
            activation = RECTIFIED
        case "clip", {"low": low, "high": high} if low == high:
            value = _scaled(units, value, node.name, 0.0, float(low))
            activation = Activation(float(low), float(high))
        case "clip", {"low": low, "high": high}:
            activation = Activation(float(low), float(high))
        case "quantise", {"alpha": alpha, "levels": levels, "rounding": rounding}:
            activation = Activation(0.0, float(alpha), levels, rounding)
        case _, {"slope": slope, "offset": offset}:
            value = _scaled(units, value, node.name, slope, offset)
            activation = Activation(0.0, 1.0)
    alone = len(value.parts) == 1
    return value.each(
        _pixels(units, part, activation)
        or _activated(units, part, activation, node.name if alone else f"{node.name}.{i}")
        for i, part in enumerate(value.parts)
    )


def _scaled(units: Units, value: Value, name: str, slope: float, offset: float) -> Value:
    """slope * v + offset of a value, as sums; of slope 0 a constant, which no data bound."""
    sums = [units.sum_of(part, name) for part in value.parts]
    scaled = [one.scaled(np.full(len(one.bias), slope)) for one in sums]
    return value.each(replace(one, bias=one.bias + offset) for one in scaled)


def leaky_relu(units: Units, node: Node, value: Value) -> Value:
    """v where it is above 0, less slope * -v where it is below: two rectifiers, whose values are added up."""
    slope = node.arrays["slope"].astype(np.float64)
    parts, at = list[Held | Sum](), list[Ints]()
    for part, own in units.apart(value, node.name):
        if _within(part, units, RECTIFIED):
            parts.append(part)
            at.append(own)
            continue
        one = units.sum_of(part, node.name)
        parts.append(units.hold(one, RECTIFIED))
        at.append(own)
        leaks = np.flatnonzero(slope[own])
        if not len(leaks):
            continue
        for term in one.terms:
            units.spend(*term.weights.shape)
        below = (one if len(leaks) == len(own) else one.taken(leaks)).scaled(np.full(len(leaks), -1.0))
        factor = Affine(-slope[own][leaks], np.zeros(len(leaks)), node.name)
        parts.append(replace(units.hold(below, RECTIFIED, BELOW), affine=factor))
        at.append(own[leaks])
    return Value(tuple(parts), tuple(at))


def _pixels(units: Units, part: Held | Sum, activation: Activation) -> Held | None:
    """What stands for a quantising activation of the images themselves; None where that takes a population (CONV-7)."""
    if activation.levels is None or not isinstance(part, Held) or part.chosen is not None:
        return None
    affine = part.affine or Affine.none(part.shape[0])
    if (part.name, part.padding, part.view) != ("input", NO_PADDING, "map") or affine.map is not None:
        return None
    found, note = levels_of(units.graph.contract(), affine, activation)
    if note and note not in units.notes:
        units.notes.append(note)
    return None if found is None else replace(part, affine=found)


def _within(part: Held | Sum, units: Units, activation: Activation) -> TypeGuard[Held]:
    """Whether an activation changes nothing of a part: it has passed one as narrow, and so has its padding."""
    if not isinstance(part, Held) or part.name == "input" or part.view == "flat" or part.affine is not None:
        return False
    return activation.keeps(units.source_activation(part.name))


def _activated(units: Units, part: Held | Sum, activation: Activation, name: str) -> Held:
    if _within(part, units, activation):
        return part
    return units.hold(units.sum_of(part, name), activation)
