"""What each ONNX operator that computes becomes in a float graph (GRAPH-7): one function each, which refuses by
Unmapped what it cannot take.

Nothing here knows the ONNX package: a Call holds plain numbers, arrays and values. Constant operands are arrays, folded
before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from fsref.importers.onnx.values import Builder, Numbers, Rounded, Unmapped, Value

Given: TypeAlias = Value | Numbers | None  # None: an optional operand left out
INTEGERS = {"uint2": (0, 3), "int2": (-2, 1), "uint4": (0, 15), "int4": (-8, 7)} | {
    kind: (int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for kind in ("uint8", "int8", "uint16", "int16")
}
FLOATS = ("float32", "float64", "float16", "bfloat16")


@dataclass(frozen=True)
class Call:
    """One ONNX operator with its operands; `outputs` is how many of its outputs are read."""

    op: str
    given: tuple[Given, ...]
    attributes: Mapping[str, Any]
    outputs: int = 1

    def value(self, index: int = 0) -> Value:
        """The operand that depends on the image."""
        operand = self.given[index] if index < len(self.given) else None
        if not isinstance(operand, Value):
            raise Unmapped("reads a constant where a value is expected", "the value as first operand")
        return operand

    def constant(self, index: int, what: str) -> Numbers | None:
        """An operand that must not depend on the image; None when it is left out."""
        operand = self.given[index] if index < len(self.given) else None
        if isinstance(operand, Value):
            raise Unmapped(f"computes its {what} from the image", f"constant {what}")
        return operand

    def array(self, index: int, what: str) -> Numbers:
        """A constant operand that must be there."""
        operand = self.constant(index, what)
        if operand is None:
            raise Unmapped(f"has no {what}", f"constant {what}")
        return operand

    def integers(self, name: str, index: int) -> list[int] | None:
        """Integers that older opsets give as an attribute and newer ones as an operand; None when left out."""
        if name in self.attributes:
            return [int(number) for number in self.attributes[name]]
        operand = self.constant(index, name)
        return None if operand is None else [int(number) for number in np.ravel(operand)]


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
    if len(stride) != 2 or len(dilation) != 2 or len(pads) != 4 or min(*stride, *dilation) < 1 or min(*kernel) < 1:
        raise Unmapped(f"has strides {stride}, dilations {dilation}, pads {pads}", "2, 2 and 4 numbers")
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
            last = (
                -(-(padded - r) // s) * s
            )  # where the last window starts; one that starts in the bottom or right padding is left out
            if last >= n + pads[i]:
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
    name = b.image(value)
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
            raise Unmapped(
                "multiplies along an axis that is not the channels",
                "a dense layer after a flatten, or along the channels",
            )
        made = b.add("conv", [value.name], {}, {"weight": weight.T[:, :, None, None]} | arrays)
        return b.value(made, [*value.axes[:-1], "C"])
    order = b.order(value)
    if order is not None:  # the weights turn, not the values
        turned = np.empty_like(weight)
        turned[order] = weight
        weight = turned
        value = replace(value, axes=(*value.axes[:-1], "".join(sorted(last))))
    flat = b.flattened(value)
    return b.value(b.add("dense", [flat.name], {}, {"weight": weight.T} | arrays), [*value.axes[:-1], "C"])


def gemm(b: Builder, call: Call) -> Value:
    """Gemm: alpha A B + beta C with constant B and C."""
    value, weight, bias, a = call.value(), call.array(1, "weights"), call.constant(2, "bias"), call.attributes
    if a.get("transA", 0) or weight.ndim != 2 or len(value.axes) != 2:
        raise Unmapped(
            "turns its first operand, or has operands that are not matrices",
            "x (batch, N) and weights (N, M), transA 0",
        )
    weight = (weight.T if a.get("transB", 0) else weight) * weight.dtype.type(a.get("alpha", 1.0))
    if bias is not None:
        if (
            bias.ndim > 2
            or (bias.ndim == 2 and bias.shape[0] != 1)
            or bias.shape[-1:] not in ((), (1,), weight.shape[1:])
        ):
            raise Unmapped(f"has a bias of shape {bias.shape} for weights {weight.shape}", "one bias per output")
        bias = np.broadcast_to(bias.reshape(-1) * bias.dtype.type(a.get("beta", 1.0)), weight.shape[1:])
    return _dense(b, value, weight, bias)


def matmul(b: Builder, call: Call) -> Value:
    """MatMul of a value and a constant matrix."""
    return _dense(b, call.value(), call.array(1, "second operand"), None)


def _together(b: Builder, values: Sequence[Value]) -> tuple[list[str], list[str]]:
    """Values that ONNX broadcasts against one another: their nodes, and the axes of the result."""
    rank = max(len(value.axes) for value in values)
    padded = [replace(value, axes=("",) * (rank - len(value.axes)) + value.axes) for value in values]
    if len({value.axes for value in padded}) > 1 or len({value.shape for value in padded}) > 1:
        padded = [b.flattened(value) if any(len(axis) > 1 for axis in value.axes) else value for value in padded]
    axes = []
    for column in zip(*(value.axes for value in padded), strict=True):
        if len(kinds := set(column) - {""}) > 1:
            raise Unmapped(f"meets axes {' and '.join(sorted(kinds))} in one", "values of equal layout")
        axes.append(kinds.pop() if kinds else "")
    largest = max((value.shape for value in padded), key=lambda shape: shape[1] * shape[2])
    if any(value.shape not in (largest, (largest[0], 1, 1)) for value in padded):
        raise Unmapped(
            f"meets shapes {' and '.join(str(value.shape) for value in padded)}",
            "equal shapes, or (C, 1, 1) with (C, H, W)",
        )
    return [value.name for value in padded], axes


def add(b: Builder, call: Call) -> Value:
    """Add, Sub or Sum of values and constants."""
    values = [(i, operand) for i, operand in enumerate(call.given) if isinstance(operand, Value)]
    terms = [b.affine(v, -1.0, 0.0, "negative") if call.op == "Sub" and i else v for i, v in values]
    made = terms[0]
    if len(terms) > 1:
        names, axes = _together(b, terms)
        made = b.value(b.add("add", names), axes)
    for i, operand in enumerate(call.given):
        if operand is not None and not isinstance(operand, Value):
            made, offset = b.per_channel(made, operand)
            made = b.affine(made, 1.0, -offset if call.op == "Sub" and i else offset)
    return made


def multiply(b: Builder, call: Call) -> Value:
    """Mul or Div: by a constant, or the product of two values; x * sigmoid(x) and its kin in one node."""
    constants = [(i, operand) for i, operand in enumerate(call.given) if not isinstance(operand, Value)]
    if constants:
        index = constants[0][0]
        if call.op == "Div" and not index:
            raise Unmapped("divides by a value", "Mul, or Div by a constant")
        value, factor = b.per_channel(call.value(1 - index), call.array(index, "factor"))
        if call.op == "Div" and not factor.all():
            raise Unmapped("divides by 0", "Div by numbers other than 0")
        return b.affine(value, 1 / factor if call.op == "Div" else factor, 0.0)
    if call.op == "Div":
        raise Unmapped("divides by a value", "Mul, or Div by a constant")
    left, right = call.value(0), call.value(1)
    for gated, gate in ((left, right), (right, left)):
        if gated.axes == gate.axes and (found := _gated(b, gated, gate)) is not None:
            return found
    names, axes = _together(b, (left, right))
    return b.value(b.add("mul", names), axes)


def _gated(b: Builder, x: Value, gate: Value) -> Value | None:
    """silu or hard_silu when the gate is a sigmoid of x, be it spelled clip(x + 3, 0, 6) / 6; else None."""
    node = b.nodes.get(gate.name)
    if node is not None and node.inputs == (x.name,) and node.op in ("sigmoid", "hard_sigmoid"):
        return b.apply("silu" if node.op == "sigmoid" else "hard_silu", x, dict(node.attributes))
    gain, offset, base = b.behind_affine(gate.name)
    node = b.nodes.get(base)
    if node is None or node.op != "clip" or node.attributes["low"] != 0 or not node.attributes["high"] > 0 or offset:
        return None
    slope, start, source = b.behind_affine(node.inputs[0])
    if source != x.name or slope <= 0:
        return None
    high = node.attributes["high"]
    made = b.apply("hard_silu", x, {"slope": slope / high, "offset": start / high})
    return b.affine(made, gain * high, 0.0, "scale")


def bound(b: Builder, call: Call) -> Value:
    """Max or Min of a value and one constant."""
    at = [i for i, operand in enumerate(call.given) if isinstance(operand, Value)]
    if len(call.given) != 2 or len(at) != 1 or call.array(1 - at[0], "bound").size != 1:
        raise Unmapped("of several values, or of a constant per channel", "one value and one number, as in Clip")
    number, value = float(call.array(1 - at[0], "bound").ravel()[0]), call.value(at[0])
    return _clip(b, value, *((number, math.inf) if call.op == "Max" else (-math.inf, number)))


def clip(b: Builder, call: Call) -> Value:
    """Clip with bounds as operands."""
    ends = [call.constant(1, "lower bound"), call.constant(2, "upper bound")]
    if any(end is not None and end.size != 1 for end in ends):
        raise Unmapped("has bounds that are not one number each", "Clip between two numbers")
    low, high = (
        default if end is None else float(end.ravel()[0])
        for end, default in zip(ends, (-math.inf, math.inf), strict=True)
    )
    return _clip(b, call.value(), low, high)


def relu(b: Builder, call: Call) -> Value:
    """Relu."""
    return _clip(b, call.value(), 0.0, math.inf)


def _clip(b: Builder, value: Value, low: float, high: float) -> Value:
    """A value between two bounds, either of which may be infinite."""
    low, high = (-math.inf if low <= -3e38 else low), (math.inf if high >= 3e38 else high)
    if value.rounded is not None:
        if all(math.isinf(end) or end == round(end) for end in (low, high)):
            return b.narrowed(value, low, high)
        value = b.settled(value)
    if value.name in b.not_negative and low <= 0:
        low = 0.0
        if high == math.inf:
            return value  # changes nothing
    if low == -math.inf and high == math.inf:
        return value
    if low == 0 and high == math.inf:
        return b.not_below_zero(value) or b.apply("relu", value)
    before = b.nodes.get(value.name)
    if before is not None and before.op == "relu" and low >= 0:
        value = replace(value, name=before.inputs[0])
    if not -math.inf < low < high < math.inf:
        raise Unmapped(f"between {low:g} and {high:g}", "Relu, or Clip between two numbers")
    return b.apply("clip", value, {"low": low, "high": high})


def batch_norm(b: Builder, call: Call) -> Value:
    """BatchNormalization in inference."""
    if call.attributes.get("training_mode", 0) or call.outputs > 1:
        raise Unmapped("in training mode", "BatchNormalization in inference: export after model.eval()")
    value = call.value()
    if len(value.axes) < 2 or len(value.axes[1]) > 1:
        value = b.flattened(value)
    if len(value.axes) < 2 or value.axes[1] != ("C" if value.shape[0] > 1 else ""):
        raise Unmapped("normalises an axis that is not the channels", "N x C x H x W")
    gain, offset, mean, variance = (call.array(i, "parameters") for i in range(1, 5))
    return b.apply(
        "batch_norm",
        value,
        {"eps": call.attributes.get("epsilon", 1e-5)},
        {"mean": mean, "variance": variance, "gain": gain, "offset": offset},
    )


def activation(b: Builder, call: Call) -> Value:
    """Sigmoid, HardSigmoid, HardSwish or Swish."""
    a = call.attributes
    if call.op == "Swish" and a.get("alpha", 1.0) != 1.0:
        raise Unmapped(f"with alpha {a['alpha']:g}", "Swish with alpha 1")
    if call.op == "HardSigmoid":
        return b.apply("hard_sigmoid", call.value(), {"slope": a.get("alpha", 0.2), "offset": a.get("beta", 0.5)})
    return b.apply({"Sigmoid": "sigmoid", "HardSwish": "hard_silu", "Swish": "silu"}[call.op], call.value())


def rounding(b: Builder, call: Call) -> Value:
    """Floor or Round, as part of a quantiser."""
    return b.rounding(call.value(), call.op == "Round")


def quantise_linear(b: Builder, call: Call) -> Value:
    """QuantizeLinear with one scale: integers, of which nodes are made when they are dequantised or read."""
    scale, zero = _scale(call)
    kind = str(call.attributes.get("output_dtype") or ("uint8" if zero is None else zero.dtype.name))
    if kind not in INTEGERS:
        raise Unmapped(f"to {kind}", f"one of {', '.join(INTEGERS)}")
    start = 0 if zero is None else int(zero.ravel()[0])
    value = call.value()
    return replace(
        value, rounded=Rounded(value.name, 1 / scale, float(start), True, b.path, *INTEGERS[kind]), whole=True
    )


def dequantise_linear(b: Builder, call: Call) -> Value:
    """DequantizeLinear with one scale."""
    scale, zero = _scale(call)
    offset = 0.0 if zero is None else -scale * int(zero.ravel()[0])
    value = replace(call.value(), whole=False)
    return b.affine(value, scale, offset) if value.rounded is None else b.settled(value, scale, offset)


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


def cast(b: Builder, call: Call) -> Value:
    """Cast to a floating type: changes nothing here."""
    kind = str(call.attributes["to"])
    if kind not in FLOATS:
        raise Unmapped(f"to {kind}", "Cast to float")
    if kind in ("float16", "bfloat16"):
        b.notes[f"{kind} in the model, float32 here"] += 1
    return replace(call.value(), whole=False)


def dropout(b: Builder, call: Call) -> Value:
    """Dropout in inference: nothing."""
    training = call.constant(2, "training mode")
    if call.outputs > 1 or (training is not None and training.any()):
        raise Unmapped("in training mode, or with its mask read", "Dropout in inference: export after model.eval()")
    return call.value()


Handler: TypeAlias = Callable[[Builder, Call], Value | Numbers]
ARITHMETIC: Mapping[str, Handler] = {
    "Conv": conv,
    "Gemm": gemm,
    "MatMul": matmul,
    "Add": add,
    "Sub": add,
    "Sum": add,
    "Mul": multiply,
    "Div": multiply,
    "Neg": lambda b, call: b.affine(call.value(), -1.0, 0.0),
    "Max": bound,
    "Min": bound,
    "Clip": clip,
    "Relu": relu,
    "BatchNormalization": batch_norm,
    "Sigmoid": activation,
    "HardSigmoid": activation,
    "HardSwish": activation,
    "Swish": activation,
    "Floor": rounding,
    "Round": rounding,
    "QuantizeLinear": quantise_linear,
    "DequantizeLinear": dequantise_linear,
    "Cast": cast,
    "Dropout": dropout,
    "Identity": lambda b, call: call.value(),
}
