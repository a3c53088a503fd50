"""What each ONNX operator that weighs or pools places becomes in a float graph (GRAPH-7): one function each, which
refuses by Unmapped what it cannot take.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fsref.graph.views import windowed
from fsref.importers.onnx.axes import flattened, image, places, storage_order
from fsref.importers.onnx.calls import Call, Handler
from fsref.importers.onnx.lines import lined
from fsref.importers.onnx.resizing import resize
from fsref.importers.onnx.spread import SPREAD, viewed
from fsref.importers.onnx.values import Builder, Numbers, Value
from fsref.importers.refusals import Unmapped
from fsref.law.projections import window_count


def windows(b: Builder, call: Call, name: str, kernel: Sequence[int]) -> tuple[dict[str, Any], bool]:
    """Stride, padding and dilation of a Conv or a pool over node `name`; whether ceil_mode makes windows that pass the
    padded image.

    Refused where programs read ONNX differently: ceil_mode with auto_pad VALID, and pools with auto_pad SAME of which
    some places are left out.
    """
    if len(kernel) != 2:
        raise Unmapped(f"has a window of {len(kernel)} axes", "2 axes, H and W")
    sizes, a = b.shapes[name][1:], call.attributes
    stride, dilation = list(a.get("strides", (1, 1))), list(a.get("dilations", (1, 1)))
    pads, auto = list(a.get("pads", (0, 0, 0, 0))), a.get("auto_pad", "NOTSET") or "NOTSET"
    if len(stride) != 2 or len(dilation) != 2 or len(pads) != 4:
        raise Unmapped(f"has strides {stride}, dilations {dilation}, pads {pads}", "2, 2 and 4 numbers")
    if min(*kernel, *stride, *dilation) < 1:
        raise Unmapped(f"has a window {list(kernel)}, strides {stride}, dilations {dilation}", "1 or more each")
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        total = [(-(-n // s) - 1) * s + r - n for n, s, r in zip(sizes, stride, reach, strict=True)]
        if min(total) < 0 and call.op != "Conv":
            raise Unmapped(f"has auto_pad {auto} and strides larger than its window", "pads")
        total = [max(0, t) for t in total]
        less = [t // 2 for t in total]
        more = [t - half for t, half in zip(total, less, strict=True)]
        pads = less + more if auto == "SAME_UPPER" else more + less
    elif auto == "VALID":
        pads = [0, 0, 0, 0]
        if a.get("ceil_mode", 0) and any((n - r) % s for n, s, r in zip(sizes, stride, reach, strict=True)):
            raise Unmapped("has auto_pad VALID and ceil_mode", "pads")
    elif auto != "NOTSET":
        raise Unmapped(f"has auto_pad {auto}", "SAME_UPPER, SAME_LOWER, VALID or NOTSET")
    if min(pads) < 0:
        raise Unmapped(f"has pads {pads}", "pads 0 or more")
    beyond = [0, 0]
    if a.get("ceil_mode", 0) and auto == "NOTSET":
        for i, (n, s, r) in enumerate(zip(sizes, stride, reach, strict=True)):
            padded = n + pads[i] + pads[i + 2]
            last = -(-(padded - r) // s) * s  # where the last window starts
            if last >= n + pads[i]:  # one that starts in the bottom or right padding is left out
                last -= s
            beyond[i] = max(0, last + r - padded)
    found = {
        "stride": tuple(stride),
        "padding": (pads[0], pads[1], pads[2] + beyond[0], pads[3] + beyond[1]),
        "dilation": tuple(dilation),
    }
    return found, any(beyond)


def conv(b: Builder, call: Call) -> Value:
    """Conv with constant weights."""
    value, weight, bias = call.value(), call.array(1, "weights"), call.constant(2, "bias")
    kernel = call.attributes.get("kernel_shape", weight.shape[2:])
    if weight.ndim != 4 or tuple(kernel) != weight.shape[2:]:
        raise Unmapped(f"has weights {weight.shape}, kernel_shape {tuple(kernel)}", "weights (O, I / groups, kh, kw)")
    name = image(b, value)
    attributes, _ = windows(b, call, name, weight.shape[2:])
    arrays = {"weight": weight} if bias is None else {"weight": weight, "bias": bias}
    return b.value(b.add("conv", [name], attributes | {"groups": call.attributes.get("group", 1)}, arrays), "BCHW")


def _dense(b: Builder, value: Value, weight: Numbers, bias: Numbers | None) -> Value:
    """x W + bias over the last axis of a value, weight (N, M)."""
    sizes, last = b.sizes(value.shape), value.axes[-1]
    if weight.ndim != 2 or weight.shape[0] != math.prod(sizes[letter] for letter in last) or "B" in last:
        raise Unmapped(f"has weights {weight.shape} for a last axis of {b.shape_of(value)[-1]}", "weights (N, M)")
    arrays = {} if bias is None else {"bias": bias}
    if any(axis not in ("", "B") for axis in value.axes[:-1]):  # the same product at each place
        if last != ("C" if value.shape[0] > 1 else ""):
            near = "a dense layer after a flatten, or along the channels"
            raise Unmapped("multiplies along an axis that is not the channels", near)
        made = b.add("conv", [value.name], {}, {"weight": weight.T[:, :, None, None]} | arrays)
        return b.value(made, [*value.axes[:-1], "C"])
    order = storage_order(b, value)
    if order is not None:  # the weights turn, not the values
        turned = np.empty_like(weight)
        turned[order] = weight
        weight = turned
        value = replace(value, axes=(*value.axes[:-1], "".join(sorted(last))))
    flat = flattened(b, value)
    return b.value(b.add("dense", [flat.name], {}, {"weight": weight.T} | arrays), [*value.axes[:-1], "C"])


def gemm(b: Builder, call: Call) -> Value:
    """Gemm: alpha A B + beta C with constant B and C."""
    value, weight, bias, a = call.value(), call.array(1, "weights"), call.constant(2, "bias"), call.attributes
    if a.get("transA", 0) or weight.ndim != 2 or len(value.axes) != 2:
        near = "x (batch, N) and weights (N, M), transA 0"
        raise Unmapped("turns its first operand, or has operands that are not matrices", near)
    weight = (weight.T if a.get("transB", 0) else weight) * weight.dtype.type(a.get("alpha", 1.0))
    if bias is not None:
        row = bias.ndim < 2 or (bias.ndim == 2 and bias.shape[0] == 1)
        if not row or bias.shape[-1:] not in ((), (1,), weight.shape[1:]):
            raise Unmapped(f"has a bias of shape {bias.shape} for weights {weight.shape}", "one bias per output")
        bias = np.broadcast_to(bias.reshape(-1) * bias.dtype.type(a.get("beta", 1.0)), weight.shape[1:])
    return _dense(b, value, weight, bias)


def matmul(b: Builder, call: Call) -> Value:
    """MatMul of a value and a constant matrix."""
    return _dense(b, call.value(), call.array(1, "second operand"), None)


def batch_norm(b: Builder, call: Call) -> Value:
    """BatchNormalization in inference."""
    if call.attributes.get("training_mode", 0) or call.outputs > 1:
        raise Unmapped("in training mode", "BatchNormalization in inference: export after model.eval()")
    value = call.value()
    if len(value.axes) < 2 or len(value.axes[1]) > 1:
        value = flattened(b, value)
    if len(value.axes) < 2 or value.axes[1] != ("C" if value.shape[0] > 1 else ""):
        raise Unmapped("normalises an axis that is not the channels", "N x C x H x W")
    gain, offset, mean, variance = (call.array(i, "parameters") for i in range(1, 5))
    arrays = {"mean": mean, "variance": variance, "gain": gain, "offset": offset}
    return b.apply("batch_norm", value, {"eps": call.attributes.get("epsilon", 1e-5)}, arrays)


def max_pool(b: Builder, call: Call) -> Value:
    """MaxPool; its second output must not be read. With dilation it is one of a view of all windows apart."""
    if call.outputs > 1:
        raise Unmapped("gives the indices too", "MaxPool with one output")
    name = image(b, call.value())
    kernel = call.attributes["kernel_shape"]
    found, _ = windows(b, call, name, kernel)
    if (dilation := found.pop("dilation")) != (1, 1):
        lists = []
        for i, (size, k, s, d) in enumerate(zip(b.shapes[name][1:], kernel, found["stride"], dilation, strict=True)):
            before, after = found["padding"][i], found["padding"][i + 2]
            lists.append(windowed(size, window_count(size, before, after, k, s, d), before, k, s, d))
        name = viewed(b, name, *lists)
        return b.value(b.add("max_pool", [name], {"kernel": tuple(kernel), "stride": tuple(kernel)}), "BCHW")
    return b.value(b.add("max_pool", [name], {"kernel": tuple(kernel)} | found), "BCHW")


def average_pool(b: Builder, call: Call) -> Value:
    """AveragePool without dilation."""
    name = image(b, call.value())
    kernel = call.attributes["kernel_shape"]
    found, beyond = windows(b, call, name, kernel)
    if found.pop("dilation") != (1, 1):
        raise Unmapped("is dilated", "AveragePool with dilations 1")
    counted = bool(call.attributes.get("count_include_pad", 0))
    if beyond and counted:  # the places that ceil_mode adds are never counted, those that pads adds are
        if any(pads := tuple(map(int, call.attributes.get("pads", ())))):
            _, _, bottom, right = found["padding"]
            name = b.add("pad", [name], {"padding": pads}, part="pad")
            found["padding"] = (0, 0, bottom - pads[2], right - pads[3])
        counted = False
    if not any(found["padding"]):
        counted = True  # means the same, and says that all windows have one divisor
    return b.value(b.add("avg_pool", [name], {"kernel": tuple(kernel), "count_include_pad": counted} | found), "BCHW")


def global_pool(b: Builder, call: Call) -> Value:
    """GlobalAveragePool or GlobalMaxPool."""
    name = image(b, call.value())
    if call.op == "GlobalMaxPool":
        return b.value(b.add("max_pool", [name], {"kernel": b.shapes[name][1:]}), "BCHW")
    return b.value(b.add("global_avg_pool", [name]), "BCHW")


def reduce(b: Builder, call: Call) -> Value:
    """ReduceMean or ReduceMax over H, W or both."""
    value, axes = call.value(), call.integers("axes", 1)
    rank = len(value.axes)
    if not axes and call.attributes.get("noop_with_empty_axes", 0):
        return value
    axes = places(axes or range(rank), rank)
    over = "".join(value.axes[axis] for axis in axes)
    if set(over) - set("HW"):
        raise Unmapped(f"over axes {sorted(axes)}", f"{call.op} over H and W")
    kept = [
        "" if i in axes else letters
        for i, letters in enumerate(value.axes)
        if i not in axes or call.attributes.get("keepdims", 1)
    ]
    if not over:
        return replace(value, axes=tuple(kept))
    _, h, w = value.shape
    kernel = h if "H" in over else 1, w if "W" in over else 1
    if kernel == (h, w) and call.op == "ReduceMean":
        return b.value(b.add("global_avg_pool", [value.name]), kept)
    return b.value(b.add("avg_pool" if call.op == "ReduceMean" else "max_pool", [value.name], {"kernel": kernel}), kept)


LAYERS: Mapping[str, Handler] = {
    "Conv": lined(conv),
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_norm,
    "MaxPool": lined(max_pool),
    "AveragePool": lined(average_pool),
    "GlobalAveragePool": lined(global_pool),
    "GlobalMaxPool": lined(global_pool),
    "ReduceMean": reduce,
    "ReduceMax": reduce,
    "Resize": resize,
    **SPREAD,
}
