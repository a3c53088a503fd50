"""ONNX operators of one dimension as those of two, of an image of one row or of one column (GRAPH-9)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fsref.importers.onnx.calls import Call, Handler
from fsref.importers.onnx.values import Builder, Numbers, Value

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
    """The handler of an operator of two dimensions, which takes N x C x L of one row or one column, too."""

    def taken(b: Builder, call: Call) -> Value | Numbers:
        value = call.given[0] if call.given else None
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
