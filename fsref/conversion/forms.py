"""How each operator of a graph folds: its node and the values it reads become the value it gives (CONV-1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from fsref.activations.coding import Reals
from fsref.conversion.activation import Activation
from fsref.conversion.entry import levels_of
from fsref.conversion.folded import NO_PADDING, Pool, Term
from fsref.conversion.units import Affine, Held, Sum, Units, Value, refused
from fsref.graph.arithmetic import places
from fsref.graph.graph import Node
from fsref.law.projections import window_shape

# What is near an operator that has no form.
NEAREST = {
    "silu": "relu or clip",
    "hard_silu": "relu or clip",
    "sigmoid": "hard_sigmoid",
    "mul": "none yet for a product of two values, which is on the way; affine for constants",
}


def formed(units: Units, node: Node, *values: Value) -> Value:
    """The value of a node, given those it reads. Errors: GraphError [CONV-1] when it has no form."""
    if node.op == "sigmoid" and node is units.graph.nodes[-1]:
        raise refused("sigmoid at the end", "nearest: leave it out, the logits before it order the classes as it does")
    if node.op in NEAREST:
        raise refused(node.op, f"nearest: {NEAREST[node.op]}")
    return FORMS[node.op](units, node, *values)


def _conv(units: Units, node: Node, value: Value) -> Value:
    units.spend(*node.arrays["weight"].shape)
    weight, bias = node.arrays["weight"].astype(np.float64), node.arrays.get("bias")
    settings = {name: node.attributes[name] for name in ("stride", "dilation", "groups")}
    padding, groups = node.attributes["padding"], node.attributes["groups"]
    offset = np.zeros(len(weight)) if bias is None else bias.astype(np.float64)
    shape = units.graph.shapes[node.name]
    pointwise = weight.shape[2:] == (1, 1) and padding == NO_PADDING and groups == 1
    held = [units.hold(part) for part in value]
    held = [part if part.view == "map" or (part.view == "mean" and pointwise) else units.plain(part) for part in held]

    def term(part: Held, rows: Reals, **other: Any) -> tuple[Term, Reals]:
        places = units.places(part.name)
        if part.view == "mean":
            return part.read(Term(part.name, rows[:, :, 0, 0] / places, pooled=True, node=node.name), places)
        around: Any = tuple(a + b for a, b in zip(padding, part.padding, strict=True))
        return part.read(Term(part.name, rows, padding=around, node=node.name, **{**settings, **other}))

    if len(held) == 1:
        made, more = term(held[0], weight)
        return (Sum(node.name, shape, (made,), offset + more),)
    starts = np.cumsum([0, *(part.shape[0] for part in held)]).tolist()
    inputs, outputs = weight.shape[1], len(weight) // groups
    if groups > 1 and all(start % inputs == 0 for start in starts):
        # Whole groups in every part: the outputs stand side by side.
        ends = [start // inputs * outputs for start in starts]
        parts = []
        for i, (part, a, b) in enumerate(zip(held, ends[:-1], ends[1:], strict=True)):
            own, more = term(part, weight[a:b], groups=(b - a) // outputs)
            parts.append(Sum(f"{node.name}.{i}", (b - a, *shape[1:]), (own,), offset[a:b] + more))
        return tuple(parts)
    units.spend(len(weight), inputs * groups, *weight.shape[2:])
    weight = Term("", weight, groups=groups).ungrouped().weights
    slices = [weight[:, a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]
    read = [term(part, rows, groups=1) for part, rows in zip(held, slices, strict=True)]
    return (Sum(node.name, shape, tuple(t for t, _ in read), offset + sum(more for _, more in read)),)


def _dense(units: Units, node: Node, value: Value) -> Value:
    units.spend(*node.arrays["weight"].shape)
    weight, bias = node.arrays["weight"].astype(np.float64), node.arrays.get("bias")
    offset = np.zeros(len(weight)) if bias is None else bias.astype(np.float64)
    terms, first = [], 0
    for part in map(units.hold, value):
        rows, places = weight[:, first : first + part.shape[0]], units.places(part.name)
        first += part.shape[0]
        mean = part.view == "mean"
        plain = Term(part.name, rows / places if mean else rows, pooled=mean, node=node.name)
        term, more = part.read(plain, places)
        terms.append(term)
        offset = offset + more
    return (Sum(node.name, units.graph.shapes[node.name], tuple(terms), offset),)


def _affine(units: Units, node: Node, value: Value) -> Value:
    arrays = {name: array.astype(np.float64) for name, array in node.arrays.items()}
    gain, offset = arrays["gain"], arrays["offset"]
    if node.op == "batch_norm":
        gain = gain / np.sqrt(arrays["variance"] + node.attributes["eps"])
        offset = offset - arrays["mean"] * gain
    parts, first = list[Held | Sum](), 0
    for part in value:
        own = slice(first, first + part.shape[0])
        first = own.stop
        if isinstance(part, Held) and part.padding == NO_PADDING:
            one = part.affine or Affine.none(part.shape[0])
            parts.append(replace(part, affine=one.then(gain[own], offset[own], node.name)))
            continue
        made = units.sum_of(part, node.name)
        terms = tuple(term.scaled(gain[own]) for term in made.terms)
        parts.append(replace(made, terms=terms, bias=made.bias * gain[own] + offset[own]))
    return tuple(parts)


def _elementwise(units: Units, node: Node, value: Value) -> Value:
    match node.op, node.attributes:
        case "relu", _:
            activation = Activation(0.0, np.inf)
        case "clip", {"low": low, "high": high}:
            activation = Activation(float(low), float(high))
        case "quantise", {"alpha": alpha, "levels": levels, "rounding": rounding}:
            activation = Activation(0.0, float(alpha), levels, rounding)
            if (read := _pixels(units, value, activation)) is not None:
                return (read,)
        case _, {"slope": slope, "offset": offset}:
            sums = [units.sum_of(part, node.name) for part in value]
            scaled = [tuple(t.scaled(np.full(len(s.bias), slope)) for t in s.terms) for s in sums]
            value = tuple(
                replace(s, terms=terms, bias=s.bias * slope + offset) for s, terms in zip(sums, scaled, strict=True)
            )
            activation = Activation(0.0, 1.0)
    return tuple(
        _activated(units, part, activation, node.name if len(value) == 1 else f"{node.name}.{i}")
        for i, part in enumerate(value)
    )


def _pixels(units: Units, value: Value, activation: Activation) -> Held | None:
    """What stands for a quantising activation of the images themselves; None where that takes a population (CONV-7)."""
    part = value[0]
    if not isinstance(part, Held) or (part.name, part.padding, part.view) != ("input", NO_PADDING, "map"):
        return None
    found, note = levels_of(units.graph.contract(), part.affine or Affine.none(part.shape[0]), activation)
    if note:
        units.notes.append(note)
    return None if found is None else replace(part, affine=found)


def _add(units: Units, node: Node, *values: Value) -> Value:
    shape = units.graph.shapes[node.name]
    sums = [units.merged(value, node.name) for value in values]
    if any(s.shape != shape for s in sums):
        raise refused("add broadcasts one place over many", "operands of one shape")
    terms = tuple(term for s in sums for term in s.terms)
    return (Sum(node.name, shape, terms, np.sum([s.bias for s in sums], axis=0)),)


def _concat(units: Units, node: Node, *values: Value) -> Value:
    return tuple(part for value in values for part in value)


def _max_pool(units: Units, node: Node, value: Value) -> Value:
    parts = []
    for i, part in enumerate(map(units.hold, value)):
        padding, kernel, stride = node.attributes["padding"], node.attributes["kernel"], node.attributes["stride"]
        if part.affine is not None and (part.padding != NO_PADDING or (part.affine.gain <= 0).any()):
            part = units.hold(units.sum_of(part, part.affine.node))
        if part.padding != NO_PADDING and part.view == "map" and units.source_activation(part.name).low >= 0:
            joint, full = tuple(a + b for a, b in zip(padding, part.padding, strict=True)), units.shape_of(part.name)
            if all(count.all() for count in places(full, kernel, stride, joint)):
                # Beside a real place zeros never are the maximum.
                padding, part = joint, replace(part, shape=full, padding=NO_PADDING)
        part = units.plain(part)
        own = units.source_activation(part.name).own
        if own is not None and own.top & (own.top + 1):
            raise refused(f"max-pool of values with {own.top} levels", "levels 1, 3, 7, ..., 2^K - 1")
        shape = (part.shape[0], *window_shape(part.shape, kernel, stride, padding))
        name = node.name if len(value) == 1 else f"{node.name}.{i}"
        # Where no gain is negative the largest value is that of the largest code.
        parts.append(replace(units.add(name, shape, pool=Pool(part.name, kernel, stride, padding)), affine=part.affine))
    return tuple(parts)


def _avg_pool(units: Units, node: Node, value: Value) -> Value:
    (kh, kw), padding = node.attributes["kernel"], node.attributes["padding"]
    if any(padding) and not node.attributes["count_include_pad"]:
        raise refused("average pooling with a divisor that varies with the place", "no padding, or padding counted")
    if (kh, kw) == units.graph.shapes[node.inputs[0]][1:] and not any(padding):
        return _global_avg_pool(units, node, value)
    parts = []
    for part in value:
        held = units.hold(part)
        held = held if held.view == "map" else units.plain(held)
        channels, around = held.shape[0], tuple(a + b for a, b in zip(padding, held.padding, strict=True))
        units.spend(channels, kh, kw)
        weights = np.full((channels, 1, kh, kw), 1 / (kh * kw))
        plain = Term(held.name, weights, node.attributes["stride"], around, groups=channels, skip=True)
        term, offset = held.read(plain)
        parts.append(Sum(node.name, (channels, *units.graph.shapes[node.name][1:]), (term,), offset))
    return tuple(parts)


def _global_avg_pool(units: Units, node: Node, value: Value) -> Value:
    held = [units.plain(part) for part in value]
    return tuple(
        part if part.shape[1:] == (1, 1) else replace(part, shape=(part.shape[0], 1, 1), view="mean") for part in held
    )


def _flatten(units: Units, node: Node, value: Value) -> Value:
    if all(part.shape[1:] == (1, 1) for part in value):
        return value
    parts = []
    for part in map(units.plain, value):
        channels, places = part.shape[0], part.shape[1] * part.shape[2]
        affine = part.affine and Affine(np.repeat(part.affine.gain, places), np.repeat(part.affine.offset, places))
        parts.append(replace(part, shape=(channels * places, 1, 1), view="flat", affine=affine))
    return tuple(parts)


def _pad(units: Units, node: Node, value: Value) -> Value:
    top, left, bottom, right = around = node.attributes["padding"]
    before, after = node.attributes["channels"]
    if node.attributes["value"] != 0:
        raise refused("padding with a constant other than 0", "value 0")
    if before or after:
        merged = units.merged(value, node.name)
        channels = before + merged.shape[0] + after
        for term in merged.terms:
            units.spend_placed(term, channels)
        terms = tuple(term.placed(before, channels) for term in merged.terms)
        bias = np.pad(merged.bias, (before, after))
        value = (Sum(node.name, (channels, *merged.shape[1:]), terms, bias),)
    if around == NO_PADDING:
        return value
    parts: list[Held | Sum] = []
    for part in map(units.hold, value):
        part = part if part.view == "map" else units.plain(part)
        shape = (part.shape[0], part.shape[1] + top + bottom, part.shape[2] + left + right)
        padding = tuple(a + b for a, b in zip(part.padding, around, strict=True))
        parts.append(replace(part, shape=shape, padding=padding))
    return tuple(parts)


def _subsample(units: Units, node: Node, value: Value) -> Value:
    sy, sx = node.attributes["stride"]
    size = units.graph.shapes[node.name][1:]
    parts = []
    for part in value:
        if isinstance(part, Held) and part.view != "map":  # a sum has no view
            part = units.plain(part)
        made = units.sum_of(part, node.name)
        if any(term.weights.ndim == 2 for term in made.terms):  # a single place
            parts.append(made)
            continue
        terms = tuple(replace(term, stride=(term.stride[0] * sy, term.stride[1] * sx)) for term in made.terms)
        parts.append(replace(made, shape=(made.shape[0], *size), terms=terms))
    return tuple(parts)


def _identity(units: Units, node: Node, value: Value) -> Value:
    return value


def _activated(units: Units, part: Held | Sum, activation: Activation, name: str) -> Held:
    if isinstance(part, Held) and part.name != "input" and part.view != "flat" and part.affine is None:
        if activation.keeps(units.source_activation(part.name)):
            return part  # already within, and so is its padding
    return units.hold(units.sum_of(part, name), activation)


# What an FS population can be. Only a hard_sigmoid of negative slope decreases.
ELEMENTWISE = ("relu", "clip", "quantise", "hard_sigmoid")

FORMS: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {
        **dict.fromkeys(ELEMENTWISE, _elementwise),
        "conv": _conv,
        "dense": _dense,
        "affine": _affine,
        "batch_norm": _affine,
        "add": _add,
        "concat": _concat,
        "max_pool": _max_pool,
        "avg_pool": _avg_pool,
        "global_avg_pool": _global_avg_pool,
        "flatten": _flatten,
        "pad": _pad,
        "subsample": _subsample,
        "identity": _identity,
    }
)
