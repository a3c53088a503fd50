"""How each operator of a graph folds: its node and the values it reads become the value it gives (CONV-1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from fsref.activations.coding import Reals
from fsref.conversion.curves import CURVES
from fsref.conversion.elementwise import ELEMENTWISE, elementwise, leaky_relu
from fsref.conversion.flattening import flatten
from fsref.conversion.folded import NO_PADDING, Term
from fsref.conversion.products import multiply
from fsref.conversion.units import Units, refused
from fsref.conversion.values import Affine, Held, Sum, Value
from fsref.conversion.windows import avg_pool, global_avg_pool, max_pool, view
from fsref.graph.graph import Node
from fsref.law.neuron import Ints


def formed(units: Units, node: Node, *values: Value) -> Value:
    """The value of a node, given those it reads. Errors: GraphError [CONV-1] when it has no form."""
    if node.op == "sigmoid" and node.name in units.graph.output_nodes.values():
        raise refused("sigmoid at the end", "nearest: leave it out, the logits before it order the classes as it does")
    return FORMS[node.op](units, node, *values)


def _conv(units: Units, node: Node, value: Value) -> Value:
    units.spend(*node.arrays["weight"].shape)
    weight, bias = node.arrays["weight"].astype(np.float64), node.arrays.get("bias")
    settings = {name: node.attributes[name] for name in ("stride", "dilation")}
    padding, groups = node.attributes["padding"], node.attributes["groups"]
    offset = np.zeros(len(weight)) if bias is None else bias.astype(np.float64)
    shape = units.graph.shapes[node.name]
    pointwise = weight.shape[2:] == (1, 1) and padding == NO_PADDING and groups == 1
    held = [units.hold(part) for part in value.parts]
    held = [part if part.view == "mean" and pointwise else units.under(part, padding)[0] for part in held]

    def term(part: Held, rows: Reals, groups: int) -> tuple[Term, Reals]:
        if part.view == "mean":
            plain = Term(part.name, rows[:, :, 0, 0] / units.places(part.name), pooled=True, node=node.name)
            return units.read(part, plain)
        _, around = units.under(part, padding)
        return units.read(part, Term(part.name, rows, padding=around, node=node.name, groups=groups, **settings))

    if whole := _whole_groups(value, groups):
        # The outputs of a part's groups stand where its groups do.
        outputs, parts, at, left = len(weight) // groups, [], [], offset.copy()
        for i, (part, numbers, own) in enumerate(zip(held, value.at, whole, strict=True)):
            rows = (own[:, None] * outputs + np.arange(outputs)).ravel()
            made, more = term(part, _reordered(_taken(weight, rows, 0), numbers, outputs), len(own))
            name = node.name if len(held) == 1 else f"{node.name}.{i}"
            parts.append(Sum(name, (len(rows), *shape[1:]), (made,), left[rows] + more))
            at.append(rows)
            left[rows] = 0  # added once
        return units.apart(Value(tuple(parts), tuple(at)), node.name)
    if groups > 1:
        units.spend(len(weight), weight.shape[1] * groups, *weight.shape[2:])
        weight = Term("", weight, groups=groups).ungrouped().weights
    read = [term(part, _taken(weight, own, 1), 1) for part, own in zip(held, value.at, strict=True)]
    return Value.of(Sum(node.name, shape, tuple(t for t, _ in read), offset + sum(more for _, more in read)))


def _whole_groups(value: Value, groups: int) -> list[Ints]:
    """The numbers of the groups that each part holds, in its order; nothing when a part holds some not whole, or not
    together.
    """
    inputs = value.channels // groups
    found = [numbers // inputs for numbers in value.at]
    if any(len(own) % inputs or (own.reshape(-1, inputs) != own[::inputs, None]).any() for own in found):
        return []
    return [own[::inputs] for own in found]


def _reordered(weight: Reals, numbers: Ints, outputs: int) -> Reals:
    """Weights of whole groups whose inputs stand in this order, `outputs` rows for each group."""
    inputs = weight.shape[1]
    order = (numbers % inputs).reshape(-1, inputs)
    if (order == np.arange(inputs)).all():
        return weight
    return np.take_along_axis(weight, np.repeat(order, outputs, axis=0)[:, :, None, None], axis=1)


def _taken(array: Reals, index: Ints, axis: int) -> Reals:
    """These rows or columns of an array, itself when it has no others."""
    if np.array_equal(index, np.arange(array.shape[axis])):
        return array
    return np.take(array, index, axis)


def _dense(units: Units, node: Node, value: Value) -> Value:
    units.spend(*node.arrays["weight"].shape)
    weight, bias = node.arrays["weight"].astype(np.float64), node.arrays.get("bias")
    offset = np.zeros(len(weight)) if bias is None else bias.astype(np.float64)
    terms = []
    for part, own in value:
        held = units.hold(part)
        held = units.plain(held) if any(held.padding) else held  # a single place may be what was cut out of many
        rows, mean = _taken(weight, own, 1), held.view == "mean"
        plain = Term(held.name, rows / units.places(held.name) if mean else rows, pooled=mean, node=node.name)
        term, more = units.read(held, plain)
        terms.append(term)
        offset = offset + more
    return Value.of(Sum(node.name, units.graph.shapes[node.name], tuple(terms), offset))


def _affine(units: Units, node: Node, value: Value) -> Value:
    arrays = {name: array.astype(np.float64) for name, array in node.arrays.items()}
    gain, offset = arrays["gain"], arrays["offset"]
    if node.op == "batch_norm":
        gain = gain / np.sqrt(arrays["variance"] + node.attributes["eps"])
        offset = offset - arrays["mean"] * gain
    parts, left = list[Held | Sum](), offset.copy()
    for part, own in value:
        if isinstance(part, Held) and max(part.padding) <= 0:
            one = part.affine or Affine.none(part.shape[0])
            parts.append(replace(part, affine=one.then(gain[own], left[own], node.name)))
        else:
            made = units.sum_of(part, node.name).scaled(gain[own])
            parts.append(replace(made, bias=made.bias + left[own]))
        left[own] = 0  # added once
    return value.each(parts)


def _offset(units: Units, node: Node, value: Value) -> Value:
    left, parts = node.arrays["map"].astype(np.float64), list[Held | Sum]()
    units.spend(*left.shape)
    for part, own in value:
        if not left[own].any():
            parts.append(part)
        elif isinstance(part, Held) and part.view == "map" and part.padding == NO_PADDING:
            one = part.affine or Affine.none(part.shape[0])
            parts.append(replace(part, affine=one.plus(left[own], node.name)))
        else:
            made = units.sum_of(part, node.name)
            parts.append(replace(made, terms=(made.terms[0].plus(left[own]), *made.terms[1:])))
        left[own] = 0  # added once
    return value.each(parts)


def _add(units: Units, node: Node, *values: Value) -> Value:
    shape = units.graph.shapes[node.name]
    sums = [units.merged(value, node.name) for value in values]
    if any(s.shape != shape for s in sums):
        raise refused("add broadcasts one place over many", "operands of one shape")
    terms = tuple(term for s in sums for term in s.terms)
    return Value.of(Sum(node.name, shape, terms, np.sum([s.bias for s in sums], axis=0)))


def _concat(units: Units, node: Node, *values: Value) -> Value:
    starts = np.cumsum([0, *(value.channels for value in values)]).tolist()
    at = [start + places for start, value in zip(starts, values, strict=False) for places in value.at]
    return Value(tuple(part for value in values for part in value.parts), tuple(at)).joined()


def _select(units: Units, node: Node, value: Value) -> Value:
    return value.taken(np.array(node.attributes["indices"]))


def _pad(units: Units, node: Node, value: Value) -> Value:
    top, left, bottom, right = around = node.attributes["padding"]
    before, after = node.attributes["channels"]
    if node.attributes["value"] != 0 and max(*around, before, after) > 0:
        raise refused("padding with a constant other than 0", "value 0")
    if before or after:
        merged = units.merged(value, node.name)
        channels = before + merged.shape[0] + after
        for term in merged.terms:
            units.spend_placed(term, channels)
        terms = tuple(term.placed(before + np.arange(merged.shape[0]), channels) for term in merged.terms)
        bias = np.pad(merged.bias, (before, after))
        value = Value.of(Sum(node.name, (channels, *merged.shape[1:]), terms, bias))
    if around == NO_PADDING:
        return value
    parts: list[Held | Sum] = []
    for part in value.parts:
        held, padding = units.under(part, around)
        shape = (held.shape[0], held.shape[1] + top + bottom, held.shape[2] + left + right)
        parts.append(replace(held, shape=shape, padding=padding))
    return value.each(parts)


def _subsample(units: Units, node: Node, value: Value) -> Value:
    sy, sx = node.attributes["stride"]
    size = units.graph.shapes[node.name][1:]
    parts = []
    for part in value.parts:
        if isinstance(part, Held) and part.view != "map":  # a sum has no view
            part = units.plain(part)
        made = units.sum_of(part, node.name)
        if any(term.weights.ndim == 2 for term in made.terms):  # a single place
            parts.append(made)
            continue
        terms = tuple(term.thinned(sy, sx) for term in made.terms)
        parts.append(replace(made, shape=(made.shape[0], *size), terms=terms))
    return units.apart(value.each(parts), node.name)


def _identity(units: Units, node: Node, value: Value) -> Value:
    return value


FORMS: Mapping[str, Callable[..., Value]] = MappingProxyType(
    {
        **dict.fromkeys((*ELEMENTWISE, *CURVES), elementwise),
        "leaky_relu": leaky_relu,
        "conv": _conv,
        "dense": _dense,
        "affine": _affine,
        "batch_norm": _affine,
        "offset": _offset,
        "add": _add,
        "mul": multiply,
        "concat": _concat,
        "select": _select,
        "view": view,
        "max_pool": max_pool,
        "avg_pool": avg_pool,
        "global_avg_pool": global_avg_pool,
        "flatten": flatten,
        "pad": _pad,
        "subsample": _subsample,
        "identity": _identity,
    }
)
