"""ONNX operators of one dimension as those of two, of an image of one row or of one column, or of a map whose rows
follow one another (GRAPH-9).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fsref.importers.onnx.calls import Call, Handler
from fsref.importers.onnx.values import Builder, Numbers, Value
from fsref.importers.places import run_on
from fsref.importers.refusals import Unmapped

NEUTRAL = {"kernel_shape": 1, "strides": 1, "dilations": 1, "output_padding": 0, "output_shape": 1}  # across the line


def widened(name: str, given: Any, at: int) -> Any:
    """An attribute of one dimension as one of two, whose other is number `at`: 0 of rows, 1 of columns."""
    if name == "pads" and len(given) == 2:
        pads = [0, 0, 0, 0]
        pads[1 - at], pads[3 - at] = given
        return pads
    if name in NEUTRAL and len(given) == 1:
        return [NEUTRAL[name], *given] if at == 0 else [*given, NEUTRAL[name]]
    return given


def lined(handler: Handler) -> Handler:
    """The handler of an operator of two dimensions, which takes N x C x L of one row or one column, too; of a map whose
    rows follow one another a Conv that keeps its size, and what looks at all places.
    """

    def taken(b: Builder, call: Call) -> Value | Numbers:
        value = call.given[0] if call.given else None
        if isinstance(value, Value) and value.axes[1:] in (("C", "HW"), ("", "HW")):
            return _run_on(b, call, value, handler)
        if not isinstance(value, Value) or len(value.axes) != 3 or min(value.shape[1:]) != 1:
            return handler(b, call)
        at = 0 if value.shape[1] == 1 else 1  # the axis that is missing: of rows or of columns
        wide = replace(value, axes=(*value.axes[: 2 + at], "", *value.axes[2 + at :]))
        rest = (np.expand_dims(a, 2 + at) if isinstance(a, np.ndarray) and a.ndim == 3 else a for a in call.given[1:])
        attributes = {name: widened(name, given, at) for name, given in call.attributes.items()}
        made = handler(b, replace(call, given=(wide, *rest), attributes=attributes))
        if not isinstance(made, Value) or len(made.axes) != 4:
            return made
        return replace(made, axes=(*made.axes[: 2 + at], *made.axes[3 + at :]))

    return taken


def _run_on(b: Builder, call: Call, value: Value, handler: Handler) -> Value | Numbers:
    """An operator of one dimension on a map whose rows follow one another. Errors: Unmapped."""
    joined = (*value.axes[:2], "HW")
    if call.op.startswith("Global"):
        made = handler(b, replace(call, given=(replace(value, axes=(*value.axes[:2], "H", "W")),)))
        return replace(made, axes=made.axes[:3]) if isinstance(made, Value) else made
    if call.op != "Conv":
        raise Unmapped("slides along rows that follow one another", "rows and columns as axes of their own")
    weight, bias, a = call.array(1, "weights"), call.constant(2, "bias"), call.attributes
    (step,), (apart,), pads = a.get("strides", (1,)), a.get("dilations", (1,)), a.get("pads", (0, 0))
    reach = (weight.shape[-1] - 1) * apart
    match a.get("auto_pad", "NOTSET") or "NOTSET":
        case "SAME_UPPER":
            pads = reach // 2, reach - reach // 2
        case "SAME_LOWER":
            pads = reach - reach // 2, reach // 2
        case "VALID":
            pads = 0, 0
    before, after = pads
    if weight.ndim != 3 or step != 1 or min(pads) < 0 or before + after != reach:
        raise Unmapped("slides along rows that follow one another", "stride 1, and pads that keep the size")
    names = []
    try:
        views = run_on(b.shapes[value.name][1:], before, after)
    except ValueError as error:
        raise Unmapped(str(error), "a smaller window") from None
    for down, rows, columns in views:
        own = down == 0  # the row itself, with zeros around it
        source = value.name if own else b.add("view", [value.name], {"rows": rows, "columns": columns}, part="rows")
        form = {
            "groups": a.get("group", 1),
            "dilation": (1, apart),
            "padding": (0, before, 0, after) if own else (0,) * 4,
        }
        arrays = {"weight": weight[:, :, None]} | ({"bias": bias} if own and bias is not None else {})
        names.append(b.add("conv", [source], form, arrays, part="" if len(views) == 1 else "row"))
    return b.value(names[0] if len(names) == 1 else b.add("add", names), joined)
