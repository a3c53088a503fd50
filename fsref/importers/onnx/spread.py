"""What each ONNX operator that spreads, shuffles or borders places becomes in a float graph (GRAPH-9, VIEW-3): views,
and convolutions of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fsref.graph.views import BORDERS, Border, bordered
from fsref.importers.joining import Lists, beside, through
from fsref.importers.onnx.axes import image, layout
from fsref.importers.onnx.calls import Call, Handler
from fsref.importers.onnx.lines import lined
from fsref.importers.onnx.values import Builder, Value
from fsref.importers.places import Taken, shuffled, transposed, unshuffled
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


def side_by_side(b: Builder, values: Sequence[Value], axis: int) -> Value:
    """Concat along rows or columns: one view where all values show the same map, else the sum of views."""
    order = layout(b, *values)
    if order[axis] not in "HW":
        raise Unmapped(f"joins values along axis {axis}", "Concat along channels, rows or columns")
    along = "HW".index(order[axis])
    if len({(value.shape[0], value.shape[2 - along]) for value in values}) > 1:
        raise Unmapped(f"joins shapes {' and '.join(str(b.shape_of(value)) for value in values)}", "equal other sizes")
    try:
        views = beside([shown_map(b, value.name) for value in values], along)
    except ValueError as error:
        raise Unmapped(str(error), "fewer rows and columns") from None
    names = [viewed(b, name, *lists) for name, lists in views]
    return b.value(names[0] if len(names) == 1 else b.add("add", names), order)


def shown_map(b: Builder, name: str) -> tuple[str, Lists]:
    """The node that a node shows in the end, and at which rows and columns."""
    _, height, width = b.shapes[name]
    lists: Lists = np.arange(height), np.arange(width)
    while (node := b.nodes.get(name)) is not None and (seen := through(node.op, node.attributes, lists)) is not None:
        name, lists = node.inputs[0], seen
    return name, lists


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
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
}
