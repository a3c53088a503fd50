"""Rounding on its way into a graph: an integer of an ONNX model has no node of its own, only the quantiser around it
has; QuantizeLinear and its kin (GRAPH-10).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fsref.graph.graph import Node
from fsref.importers.onnx.axes import per_channel
from fsref.importers.onnx.calls import FLOATS, Call, Handler
from fsref.importers.onnx.values import Builder, Numbers, Rounded, Value
from fsref.importers.recogniser import NEAR, Form, form_of, quantiser
from fsref.importers.refusals import Unmapped

INTEGERS = {"uint2": (0, 3), "int2": (-2, 1), "uint4": (0, 15), "int4": (-8, 7)} | {
    kind: (int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for kind in ("uint8", "int8", "uint16", "int16")
}


def narrowed(value: Value, low: float, high: float) -> Value:
    """A rounded value between two bounds, integers or infinite."""
    rounded = value.rounded
    assert rounded is not None
    return replace(value, rounded=replace(rounded, form=rounded.form.clipped(low, high)))


def settled(b: Builder, value: Value, gain: float = 1.0, offset: float = 0.0) -> Value:
    """gain * the rounded value + offset as nodes: a quantiser, and affine nodes around it where it does not start at 0;
    any other value as it is. Errors: Unmapped when no quantiser is around it.
    """
    if value.rounded is None:
        return value
    rounded = replace(value.rounded, form=value.rounded.form.scaled(gain, offset))
    if rounded not in b.made:
        path, b.path = b.path, rounded.path
        b.made[rounded] = _quantised(b, replace(value, name=rounded.base, rounded=None), rounded.form)
        b.path = path
        if b.made[rounded] != rounded.base:
            b.origins[b.made[rounded]] = rounded
    return replace(value, name=b.made[rounded], rounded=None)


def _quantised(b: Builder, source: Value, form: Form) -> str:
    """The node that a form of `source` becomes."""
    found = quantiser(form, source.name in b.not_negative)
    if found is None:
        raise Unmapped(
            f"reads what {b.path} rounds without a quantiser around it",
            "x / step -> Round or Floor -> Clip with two bounds -> * step",
        )
    if source.name in b.grids and found.keeps(b.grids[source.name]):
        return source.name
    base = b.affine(source, 1.0, found.shift, "shift")
    before = b.nodes.get(base.name)
    if before is not None and _clips_alike(before, found.attributes["alpha"]):
        base = replace(base, name=before.inputs[0])
    made = b.apply("quantise", base, found.attributes)
    name = made.name if found.scale is None else b.affine(made, *found.scale, "scale").name
    if found.restores:
        b.grids[name] = found.grid
    return name


def _clips_alike(node: Node, alpha: float) -> bool:
    """Whether a quantiser 0..alpha makes the clipping node before it needless."""
    return node.op == "relu" or (
        node.op == "clip" and node.attributes["low"] == 0 and node.attributes["high"] >= alpha * (1 - NEAR)
    )


def not_below_zero(b: Builder, value: Value) -> Value | None:
    """A quantised value whose quantiser now ends at 0; None when the value is none, or has no level at 0."""
    rounded = b.origins.get(value.name)
    if rounded is None:
        return None
    form = rounded.form
    zero = round(-form.base / form.unit)
    if not form.low < zero < form.high or abs(form.base / form.unit + zero) > NEAR:
        return None
    return settled(b, replace(value, rounded=replace(rounded, form=replace(form, low=zero))))


def unquantised(b: Builder, value: Value) -> Value:
    """A signed quantised value before it was quantised; any other value as it is."""
    rounded = b.origins.get(value.name)
    if rounded is None or rounded.base in b.not_negative:
        return value
    form, found = rounded.form, quantiser(rounded.form)
    signed = form.unit * form.low + form.base < 0
    return replace(value, name=rounded.base) if found is not None and found.restores and signed else value


def rounding(b: Builder, call: Call) -> Value:
    """Floor or Round; the bounds and scales before it become part of the quantiser."""
    value, how = call.value(), call.op.lower()
    base, chain = b.chain(value.name)
    form = form_of(chain).rounded(how)
    while form.low == form.high:  # a constant, which no quantiser gives: more of the chain stays in nodes
        base, chain = chain[0].name, chain[1:]
        form = form_of(chain).rounded(how)
    return replace(value, rounded=Rounded(base, form, b.path))


def quantise_linear(b: Builder, call: Call) -> Value:
    """QuantizeLinear with one scale: integers, of which nodes are made when they are dequantised or read."""
    scale, zero = _scale(call)
    kind = str(call.attributes.get("output_dtype") or ("uint8" if zero is None else zero.dtype.name))
    if kind not in INTEGERS:
        raise Unmapped(f"to {kind}", f"one of {', '.join(INTEGERS)}")
    start = 0 if zero is None else int(zero.ravel()[0])
    value = call.value()
    form = Form(1 / scale).rounded("round").scaled(1.0, start).clipped(*INTEGERS[kind])
    return replace(value, rounded=Rounded(value.name, form, b.path), whole=True)


def dequantise_linear(b: Builder, call: Call) -> Value:
    """DequantizeLinear with one scale; of sums with one for each channel, too."""
    value, scales = replace(call.value(), whole=False), call.array(1, "scale")
    if value.rounded is None and scales.size > 1 and call.constant(2, "zero point") is None:
        axis = call.attributes.get("axis", 1) % len(value.axes)
        shape = [scales.size if i == axis else 1 for i in range(len(value.axes))]
        return b.affine(*per_channel(b, value, scales.reshape(shape)), 0.0)
    scale, zero = _scale(call)
    offset = 0.0 if zero is None else -scale * int(zero.ravel()[0])
    return b.affine(value, scale, offset) if value.rounded is None else settled(b, value, scale, offset)


def _scale(call: Call) -> tuple[float, Numbers | None]:
    """The scale and the zero point of a QuantizeLinear or DequantizeLinear of values."""
    scale, zero = call.array(1, "scale"), call.constant(2, "zero point")
    if (
        scale.size != 1
        or (zero is not None and zero.size != 1)
        or scale.dtype.name not in FLOATS
        or not 0 < float(scale.ravel()[0]) < math.inf
    ):
        raise Unmapped(
            "has a scale or zero point per channel, or no positive scale", "one positive scale for the whole value"
        )
    return float(scale.ravel()[0]), zero


QUANTISERS: Mapping[str, Handler] = {
    "Floor": rounding,
    "Round": rounding,
    "QuantizeLinear": quantise_linear,
    "DequantizeLinear": dequantise_linear,
}
