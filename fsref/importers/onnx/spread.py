"""What each ONNX operator that spreads, shuffles or borders places becomes in a float graph (GRAPH-9, VIEW-3): views,
and convolutions of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fsref.graph.views import BORDERS, Border, bordered
from fsref.importers.onnx.axes import image, layout, places
from fsref.importers.onnx.calls import Call, Handler
from fsref.importers.onnx.lines import lined
from fsref.importers.onnx.values import Builder, Value
from fsref.importers.places import MODES, ROUNDS, Taken, resized, shuffled, transposed, unshuffled
from fsref.importers.refusals import Unmapped
from fsref.law.neuron import Ints
from fsref.law.projections import Pair


def viewed(b: Builder, name: str, rows: Ints, columns: Ints) -> str:
    """The node that shows another at these places; itself where they are its own."""
    size = b.shapes[name][1:]
    if all(np.array_equal(own, np.arange(n)) for own, n in zip((rows, columns), size, strict=True)):
        return name
    return b.add("view", [name], {"rows": rows, "columns": columns}, part="view")


def of(b: Builder, name: str, found: Taken) -> str:
    """The node of what is taken of another."""
    if found.channels is not None:
        name = b.add("select", [name], {"indices": found.channels})
    return viewed(b, name, found.rows, found.columns) if found.moved else name


def conv_transpose(b: Builder, call: Call) -> Value:
    """ConvTranspose with constant weights."""
    name, weight, bias, a = image(b, call.value()), call.array(1, "weights"), call.constant(2, "bias"), call.attributes
    if weight.ndim != 4 or tuple(a.get("kernel_shape", weight.shape[2:])) != weight.shape[2:]:
        raise Unmapped(f"has weights {weight.shape}", "weights (I, O / groups, kh, kw)")
    size, stride, dilation = b.shapes[name][1:], a.get("strides", (1, 1)), a.get("dilations", (1, 1))
    more, pads, auto = (
        a.get("output_padding", (0, 0)),
        a.get("pads", (0, 0, 0, 0)),
        a.get("auto_pad", "NOTSET") or "NOTSET",
    )
    if auto not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise Unmapped(f"has auto_pad {auto}", "SAME_UPPER, SAME_LOWER, VALID or NOTSET")
    given = a.get("output_shape")
    if given is None and auto.startswith("SAME"):
        given = [n * s for n, s in zip(size, stride, strict=True)]
    if given is not None:
        reach = [d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)]
        sides = zip(size, stride, more, reach, list(given)[-2:], strict=True)
        total = [s * (n - 1) + m + r - want for n, s, m, r, want in sides]
        half = [t // 2 if auto == "SAME_UPPER" else t - t // 2 for t in total]
        pads = [*half, *(t - h for t, h in zip(total, half, strict=True))]
    two: Pair = (int(stride[0]), int(stride[1]))
    top, left, bottom, right = map(int, pads)
    try:
        found = transposed(
            size, weight, two, (top, left, bottom, right), tuple(dilation), tuple(more), a.get("group", 1)
        )
    except ValueError as error:
        raise Unmapped(str(error), "smaller pads") from None
    name = viewed(b, name, found.rows, found.columns)
    form: dict[str, Any] = {"padding": found.padding, "dilation": tuple(dilation), "groups": a.get("group", 1)}
    arrays = {"weight": found.weight} if bias is None else {"weight": found.weight, "bias": bias}
    return b.value(b.add("conv", [name], form, arrays), "BCHW")


def resize(b: Builder, call: Call) -> Value:
    """Resize to the nearest place, of H and W."""
    value, a = call.value(), call.attributes
    order, shape = layout(b, value), b.shape_of(value)
    if a.get("mode", "nearest") != "nearest" or a.get("antialias", 0):
        raise Unmapped(f"in mode {a.get('mode')}", "mode nearest")
    mode = a.get("coordinate_transformation_mode", "half_pixel")
    rounds = a.get("nearest_mode", "round_prefer_floor")
    if mode not in MODES or rounds not in ROUNDS or a.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unmapped(f"by {mode}, {rounds}", f"{', '.join(MODES)}; {', '.join(ROUNDS)}; stretch")
    own = a.get("axes")
    axes = places(range(4) if own is None else own, 4)
    scales = call.constant(2, "scales")
    sizes = call.constant(3, "sizes")
    lists = {letter: np.arange(shape[axis]) for axis, letter in enumerate(order)}
    for i, axis in enumerate(axes):
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
        found, as_others = (resized(size, count, scale, mode, rounds, kind) for kind in (np.float64, np.float32))
        if (found != as_others).any():
            raise Unmapped("puts places halfway between two, where programs differ", "scales of whole numbers")
        lists[order[axis]] = found
    return b.value(viewed(b, value.name, lists["H"], lists["W"]), order)


def depth_to_space(b: Builder, call: Call) -> Value:
    """DepthToSpace: a transposed convolution of zeros and ones."""
    name, block = image(b, call.value()), int(call.attributes["blocksize"])
    (channels, height, width), first = b.shapes[name], call.attributes.get("mode", "DCR") == "DCR"
    groups = 1 if first else channels // block**2
    weight = shuffled(channels, block, first)
    found = transposed((height, width), weight, (block, block), (0, 0, 0, 0), (1, 1), (0, 0), groups)
    name = viewed(b, name, found.rows, found.columns)
    form = {"padding": found.padding, "groups": groups}
    return b.value(b.add("conv", [name], form, {"weight": found.weight}), "BCHW")


def space_to_depth(b: Builder, call: Call) -> Value:
    """SpaceToDepth: a convolution of zeros and ones."""
    name, block = image(b, call.value()), int(call.attributes["blocksize"])
    weight = unshuffled(b.shapes[name][0], block, depth_first=True)
    return b.value(b.add("conv", [name], {"stride": (block, block)}, {"weight": weight}), "BCHW")


def border(b: Builder, value: Value, mode: str, around: Mapping[str, Sequence[int]]) -> Value:
    """Pad with the edge again, a mirror or the other end; around are (before, after) of B, C, H, W."""
    kinds: dict[str, Border] = {str(kind): kind for kind in BORDERS if kind != "zero"}
    order = layout(b, value)
    if mode not in kinds or any(around["B"]) or any(around["C"]):
        raise Unmapped(f"in mode {mode}", f"constant, {', '.join(kinds)}, the latter of H and W")
    _, height, width = value.shape
    try:
        rows, columns = (
            bordered(np.arange(size), around[letter][0], around[letter][1], kinds[mode])
            for letter, size in (("H", height), ("W", width))
        )
    except ValueError as error:
        raise Unmapped(str(error), "a smaller pad") from None
    return b.value(viewed(b, value.name, rows, columns), order)


SPREAD: Mapping[str, Handler] = {
    "ConvTranspose": lined(conv_transpose),
    "Resize": resize,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
}
