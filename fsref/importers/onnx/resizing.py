"""What ONNX's Resize becomes in a float graph (GRAPH-9): a view of the nearest places, or, linear by whole numbers, a
convolution of a view.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from fsref.importers.onnx.axes import layout, places
from fsref.importers.onnx.calls import Call
from fsref.importers.onnx.spread import viewed
from fsref.importers.onnx.values import Builder, Value
from fsref.importers.places import CENTRED, MODES, ROUNDS, interpolated, resized
from fsref.importers.refusals import Unmapped

Grown = Mapping[str, tuple[int, float]]  # of H and W, where they change: how many, and by what


def resize(b: Builder, call: Call) -> Value:
    """Resize of H and W."""
    value, a = call.value(), call.attributes
    order, mode = layout(b, value), a.get("mode", "nearest")
    if mode not in ("nearest", "linear") or a.get("antialias", 0):
        raise Unmapped(f"in mode {mode}", "mode nearest, or linear by whole numbers")
    if a.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unmapped(f"by {a['keep_aspect_ratio_policy']}", "stretch")
    grown = {letter: (count, scale) for letter, count, scale in _grown(call, order, b.shape_of(value))}
    made = _linear if mode == "linear" else _nearest
    return b.value(made(b, value, call, grown), order)


def _grown(call: Call, order: str, shape: tuple[int, ...]) -> Iterator[tuple[str, int, float]]:
    """Which of H and W change: how many there are then, and by what they are scaled."""
    own, scales, sizes = call.attributes.get("axes"), call.constant(2, "scales"), call.constant(3, "sizes")
    for i, axis in enumerate(places(range(len(order)) if own is None else own, len(order))):
        size = shape[axis]
        if sizes is not None and sizes.size:
            count, scale = int(sizes[i]), float(int(sizes[i]) / size)
        elif scales is not None and scales.size:
            scale = float(scales[i])
            count = int(np.floor(size * scale))
        else:
            raise Unmapped("has neither scales nor sizes", "constant ones")
        if count == size and scale == 1:
            continue
        if order[axis] not in "HW" or count < 1 or scale <= 0:
            raise Unmapped(f"of axis {axis} to {count}", "Resize of H and W")
        yield order[axis], count, scale


def _nearest(b: Builder, value: Value, call: Call, grown: Grown) -> str:
    """The node of the nearest places."""
    mode = call.attributes.get("coordinate_transformation_mode", "half_pixel")
    rounds = call.attributes.get("nearest_mode", "round_prefer_floor")
    if mode not in MODES or rounds not in ROUNDS:
        raise Unmapped(f"by {mode}, {rounds}", f"{', '.join(MODES)}; {', '.join(ROUNDS)}")
    lists = []
    for letter, size in zip("HW", value.shape[1:], strict=True):
        count, scale = grown.get(letter, (size, 1.0))
        found, as_others = (resized(size, count, scale, mode, rounds, kind) for kind in (np.float64, np.float32))
        if (found != as_others).any():
            raise Unmapped("puts places halfway between two, where programs differ", "scales of whole numbers")
        lists.append(found)
    return viewed(b, value.name, *lists)


def _linear(b: Builder, value: Value, call: Call, grown: Grown) -> str:
    """The node of what is linear between places."""
    mode = call.attributes.get("coordinate_transformation_mode", "half_pixel")
    if mode not in (*CENTRED, "asymmetric") or any(scale != round(scale) for _, scale in grown.values()):
        by = ", ".join(f"{scale:g}" for _, scale in grown.values())
        raise Unmapped(f"in mode linear, {mode}, by {by}", f"{', '.join(CENTRED)} or asymmetric, by whole numbers")
    found = [
        interpolated(size, round(grown[letter][1]) if letter in grown else 1, mode in CENTRED)
        for letter, size in zip("HW", value.shape[1:], strict=True)
    ]
    (top, bottom), (left, right) = (line.padding for line in found)
    channels, kernel = value.shape[0], np.outer(found[0].kernel, found[1].kernel)
    name = viewed(b, value.name, found[0].places, found[1].places)
    form = {"padding": (top, left, bottom, right), "groups": channels}
    return b.add("conv", [name], form, {"weight": np.broadcast_to(kernel, (channels, 1, *kernel.shape))})
