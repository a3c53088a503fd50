"""What each ONNX operator that moves or joins values becomes in a float graph (GRAPH-7): concat, pad, slice, shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fsref.importers.onnx.axes import flattened, layout, places, regroup
from fsref.importers.onnx.calls import Call, Handler
from fsref.importers.onnx.spread import border, side_by_side
from fsref.importers.onnx.values import Builder, Numbers, Value
from fsref.importers.refusals import Unmapped


def concat(b: Builder, call: Call) -> Value:
    """Concat along the channels, rows or columns."""
    values = [call.value(i) for i in range(len(call.given))]
    if any(len(letters) > 1 for value in values for letters in value.axes):
        values = [flattened(b, value) for value in values]
    rank = len(values[0].axes)
    axis = places([call.attributes["axis"]], rank)[0]
    if any(len(value.axes) != rank for value in values):
        raise Unmapped("joins values of different rank", "Concat along the channels")
    if any(value.axes[axis] != ("C" if value.shape[0] > 1 else "") for value in values):
        return side_by_side(b, values, axis)
    rests = [value.axes[:axis] + value.axes[axis + 1 :] for value in values]
    if any(rest != rests[0] for rest in rests) or any(value.shape[1:] != values[0].shape[1:] for value in values):
        raise Unmapped(f"joins shapes {' and '.join(str(b.shape_of(value)) for value in values)}", "equal N, H and W")
    axes = [*values[0].axes[:axis], "C", *values[0].axes[axis + 1 :]]
    return values[0] if len(values) == 1 else b.value(b.add("concat", [value.name for value in values]), axes)


def pad(b: Builder, call: Call) -> Value:
    """Pad with a constant, in H, W and channels."""
    value, pads, axes = call.value(), call.integers("pads", 1), call.integers("axes", 3)
    number = call.constant(2, "value")
    mode = call.attributes.get("mode", "constant")
    rank = len(value.axes)
    axes = places(range(rank) if axes is None else axes, rank)
    if pads is None or len(pads) != 2 * len(axes):
        raise Unmapped(f"by {pads}", "two constant numbers for each axis")
    if not any(pads):
        return value
    order = layout(b, value)
    around = dict.fromkeys("BCHW", (0, 0)) | {
        order[axis]: (pads[i], pads[i + len(axes)]) for i, axis in enumerate(axes)
    }
    if mode != "constant":
        return border(b, value, mode, around)
    if any(around["B"]) or min(around["C"]) < 0:
        raise Unmapped(f"by {pads}", "Pad in H, W and channels, in channels by 0 or more")
    (top, bottom), (left, right) = around["H"], around["W"]
    attributes = {
        "padding": (top, left, bottom, right),
        "channels": around["C"],
        "value": 0.0 if number is None else float(number.ravel()[0]),
    }
    return b.value(b.add("pad", [value.name], attributes), order)


def slice_(b: Builder, call: Call) -> Value:
    """Slice that takes everything, or every n-th row and column of some in a row."""
    value, shape = call.value(), b.shape_of(call.value())
    starts, ends = call.integers("starts", 1) or [], call.integers("ends", 2) or []
    axes, steps = call.integers("axes", 3), call.integers("steps", 4) or [1] * len(starts)
    axes = places(range(len(starts)) if axes is None else axes, len(shape))
    stride, around = {}, dict.fromkeys("HW", (0, 0))
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        taken = range(*slice(start, end, step).indices(shape[axis])) if step > 0 else range(0)
        if taken == range(shape[axis]):
            continue
        letter = layout(b, value)[axis]
        if not taken or letter not in around:
            raise Unmapped(f"cuts axis {axis} to {start}:{end}:{step}", "Slice of channels, rows and columns, forwards")
        stride[letter] = step
        around[letter] = -taken.start, min(taken[-1] + step, shape[axis]) - shape[axis]
    if not stride:
        return value
    order, ((top, bottom), (left, right)) = layout(b, value), around.values()
    if any((top, bottom, left, right)):
        value = b.value(b.add("pad", [value.name], {"padding": (top, left, bottom, right)}), order)
    if set(stride.values()) == {1}:
        return value
    return b.value(b.add("subsample", [value.name], {"stride": (stride.get("H", 1), stride.get("W", 1))}), order)


def reshape(b: Builder, call: Call) -> Value:
    """Reshape: what each axis stands for changes; no node."""
    value, target = call.value(), call.integers("shape", 1)
    if target is None:
        raise Unmapped("has no shape", "Reshape to a constant shape")
    given = b.shape_of(value)
    if not call.attributes.get("allowzero", 0):
        target = [given[i] if size == 0 and i < len(given) else size for i, size in enumerate(target)]
    if -1 in target:
        known = math.prod(size for size in target if size != -1)
        target = [math.prod(given) // known if size == -1 and known > 0 else size for size in target]
    return regroup(b, value, target)


def flatten(b: Builder, call: Call) -> Value:
    """Flatten into two axes."""
    shape, axis = b.shape_of(call.value()), call.attributes.get("axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    return regroup(b, call.value(), [math.prod(shape[:axis]), math.prod(shape[axis:])])


def squeeze(b: Builder, call: Call) -> Value:
    """Squeeze: axes of size 1 go."""
    value, axes, shape = call.value(), call.integers("axes", 1), b.shape_of(call.value())
    gone = [i for i, size in enumerate(shape) if size == 1] if axes is None else places(axes, len(shape))
    if any(shape[axis] != 1 for axis in gone):
        raise Unmapped(f"of axes {gone} of {shape}", "Squeeze of axes of size 1")
    return replace(value, axes=tuple(letters for i, letters in enumerate(value.axes) if i not in gone))


def unsqueeze(b: Builder, call: Call) -> Value:
    """Unsqueeze: axes of size 1 come."""
    value, axes = call.value(), call.integers("axes", 1) or []
    rank = len(value.axes) + len(axes)
    new, letters = places(axes, rank), iter(value.axes)
    return replace(value, axes=tuple("" if i in new else next(letters) for i in range(rank)))


def transpose(b: Builder, call: Call) -> Value:
    """Transpose: what each axis stands for changes; no node."""
    value = call.value()
    rank = len(value.axes)
    order = places(call.attributes.get("perm") or range(rank)[::-1], rank)
    if len(order) != rank:
        raise Unmapped(f"by {order} of {rank} axes", "each axis once")
    return replace(value, axes=tuple(value.axes[axis] for axis in order))


def shape_of(b: Builder, call: Call) -> Numbers:
    """Shape: a constant, since every size is known."""
    shape = b.shape_of(call.value())
    return np.array(shape[call.attributes.get("start", 0) : call.attributes.get("end")], np.int64)


STRUCTURE: Mapping[str, Handler] = {
    "Concat": concat,
    "Pad": pad,
    "Slice": slice_,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Shape": shape_of,
    "Size": lambda b, call: np.array(math.prod(b.shape_of(call.value())), np.int64),
}
