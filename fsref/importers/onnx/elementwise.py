"""What each ONNX operator that works on each number alone becomes in a float graph (GRAPH-7): arithmetic, bounds,
activations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fsref.graph.graph import Node
from fsref.importers.curves import spelled
from fsref.importers.onnx.axes import flattened, per_channel, per_place
from fsref.importers.onnx.calls import FLOATS, Call, Handler
from fsref.importers.onnx.quantisers import INTEGERS, narrowed, not_below_zero, settled
from fsref.importers.onnx.values import Builder, Numbers, Value
from fsref.importers.recogniser import Smooth, form_of, gated, hard_sigmoid, is_link
from fsref.importers.refusals import Unmapped


def together(b: Builder, values: Sequence[Value]) -> tuple[list[str], list[str]]:
    """Values that ONNX broadcasts against one another: their nodes, and the axes of the result."""
    rank = max(len(value.axes) for value in values)
    padded = [replace(value, axes=("",) * (rank - len(value.axes)) + value.axes) for value in values]
    if len({value.axes for value in padded}) > 1 or len({value.shape for value in padded}) > 1:
        padded = [flattened(b, value) if any(len(axis) > 1 for axis in value.axes) else value for value in padded]
    axes = []
    for column in zip(*(value.axes for value in padded), strict=True):
        if len(kinds := set(column) - {""}) > 1:
            raise Unmapped(f"meets axes {' and '.join(sorted(kinds))} in one", "values of equal layout")
        axes.append(kinds.pop() if kinds else "")
    largest = max((value.shape for value in padded), key=lambda shape: shape[1] * shape[2])
    if any(value.shape not in (largest, (largest[0], 1, 1)) for value in padded):
        met = " and ".join(str(value.shape) for value in padded)
        raise Unmapped(f"meets shapes {met}", "equal shapes, or (C, 1, 1) with (C, H, W)")
    return [value.name for value in padded], axes


def add(b: Builder, call: Call) -> Value:
    """Add, Sub or Sum of values and constants."""
    values = [(i, operand) for i, operand in enumerate(call.given) if isinstance(operand, Value)]
    terms = [b.affine(v, -1.0, 0.0, "negative") if call.op == "Sub" and i else v for i, v in values]
    made = terms[0]
    if len(terms) > 1:
        names, axes = together(b, terms)
        made = b.value(b.add("add", names), axes)
    for i, operand in enumerate(call.given):
        if operand is not None and not isinstance(operand, Value):
            made, offset = per_place(b, made, operand)
            offset = -offset if call.op == "Sub" and i else offset
            made = b.affine(made, 1.0, offset) if offset.ndim == 1 else b.apply("offset", made, {}, {"map": offset})
    return made


def multiply(b: Builder, call: Call) -> Value:
    """Mul, or Div by a constant, or the product of two values; x * sigmoid(x) and its kin in one node."""
    constants = [(i, operand) for i, operand in enumerate(call.given) if not isinstance(operand, Value)]
    if constants:
        index = constants[0][0]
        value, factor = per_channel(b, call.value(1 - index), call.array(index, "factor"))
        if call.op == "Div" and not factor.all():
            raise Unmapped("divides by 0", "Div by numbers other than 0")
        return _smooth(b, b.affine(value, 1 / factor if call.op == "Div" else factor, 0.0))
    left, right = call.value(0), call.value(1)
    for x, gate in ((left, right), (right, left)):
        if x.axes == gate.axes and (found := _gated(b, x, gate)) is not None:
            return found
    names, axes = together(b, (left, right))
    return _curve(b, b.value(b.add("mul", names), axes))


def _curve(b: Builder, product: Value) -> Value:
    """A product as the curve that its operators spell out, if they do; else itself."""

    def found(name: str) -> tuple[Node, tuple[str, ...]] | None:
        return (b.nodes[name], b.nodes[name].inputs) if name in b.nodes else None

    at = spelled(product.name, found)
    return product if at is None else smooth(b, replace(product, name=at[0]), at[1])


def smooth(b: Builder, value: Value, found: Smooth) -> Value:
    """A curve of a value, with the scales around it."""
    op, attributes, factor, gain = found
    made = b.apply(op, b.affine(value, gain, 0.0, "gain"), attributes)
    return b.affine(made, factor, 0.0, "scale")


def _gated(b: Builder, x: Value, gate: Value) -> Value | None:
    """x times a gate of x as one operator and a factor, None when the other value is no gate of x."""
    chain, name = list[Node](), gate.name
    while name != x.name:
        node = b.nodes.get(name)
        if node is None or len(node.inputs) != 1:
            return None
        chain.append(node)
        name = node.inputs[0]
        if not is_link(node):
            break
    if name != x.name or (found := gated(chain[::-1])) is None:
        return None
    return b.affine(b.apply(found.op, x, found.attributes), found.factor, 0.0, "scale")


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
    low, high = (None if end is None else float(end.ravel()[0]) for end in ends)
    return _clip(b, call.value(), -math.inf if low is None else low, math.inf if high is None else high)


def relu(b: Builder, call: Call) -> Value:
    """Relu."""
    return _clip(b, call.value(), 0.0, math.inf)


def leaky_relu(b: Builder, call: Call) -> Value:
    """LeakyRelu, PRelu or Abs, below 0 the negative of its operand."""
    fixed = -1.0 if call.op == "Abs" else call.attributes.get("alpha", 0.01)
    value, slope = per_channel(b, call.value(), call.array(1, "slope") if call.op == "PRelu" else np.array(fixed))
    if not slope.any():
        return _clip(b, value, 0.0, math.inf)
    if value.name in b.not_negative or (slope == 1).all():
        return value
    return b.apply("leaky_relu", value, {}, {"slope": slope})


def _clip(b: Builder, value: Value, low: float, high: float) -> Value:
    """A value between two bounds, either of which may be infinite."""
    low, high = (-math.inf if low <= -3e38 else low), (math.inf if high >= 3e38 else high)
    if value.rounded is not None:
        if all(math.isinf(end) or end == round(end) for end in (low, high)):
            return narrowed(value, low, high)
        value = settled(b, value)
    if value.name in b.not_negative and low <= 0:
        low = 0.0
        if high == math.inf:
            return value  # changes nothing
    if low == -math.inf and high == math.inf:
        return value
    if low == 0 and high == math.inf:
        return not_below_zero(b, value) or b.apply("relu", value)
    before = b.nodes.get(value.name)
    if before is not None and before.op == "relu" and low >= 0:
        value = replace(value, name=before.inputs[0])
    if math.isfinite(low) != math.isfinite(high):
        return _bounded(b, value, *((1.0, low) if math.isfinite(low) else (-1.0, high)))
    if not -math.inf < low < high < math.inf:
        raise Unmapped(f"between {low:g} and {high:g}", "Relu, or Clip between two numbers")
    return _smooth(b, b.apply("clip", value, {"low": low, "high": high}))


def _bounded(b: Builder, value: Value, sign: float, bound: float) -> Value:
    """The larger (of sign 1) or the smaller (of sign -1) of a value and a number: a rectifier between two affines."""
    above = b.apply("relu", b.affine(value, sign, -sign * bound, "bound"), {})
    return b.affine(above, sign, bound, "scale")


def _smooth(b: Builder, value: Value) -> Value:
    """A value as one hard_sigmoid when the scales and clips that end in it spell one out; else the value itself."""
    base, chain = b.chain(value.name)
    found = hard_sigmoid(form_of(chain)) if len(chain) > 1 else None
    return value if found is None else b.apply(found.op, replace(value, name=base), found.attributes)


def activation(b: Builder, call: Call) -> Value:
    """An operator that follows a curve: Sigmoid, Tanh, Gelu and the others of their kind."""
    a, x = call.attributes, call.value()
    match call.op:
        case "HardSigmoid":
            return b.apply("hard_sigmoid", x, {"slope": a.get("alpha", 0.2), "offset": a.get("beta", 0.5)})
        case "Swish":  # x * sigmoid(alpha * x)
            gain = float(a.get("alpha", 1.0))
            if not gain:
                return b.affine(x, 0.5, 0.0)
            return b.affine(b.apply("silu", b.affine(x, gain, 0.0, "gain")), 1 / gain, 0.0, "scale")
        case "Gelu":
            return b.apply("gelu", x, {"tanh": a.get("approximate", "none") == "tanh"})
        case "Elu":
            return b.apply("elu", x, {"alpha": a.get("alpha", 1.0)})
        case "Selu":
            alpha, scale = a.get("alpha", 1.6732632), a.get("gamma", 1.0507010)
            return b.affine(b.apply("elu", x, {"alpha": alpha}), scale, 0.0, "scale")
        case "Celu":
            alpha = float(a.get("alpha", 1.0))
            if alpha <= 0:
                raise Unmapped(f"with alpha {alpha:g}", "a positive one")
            made = b.apply("elu", b.affine(x, 1 / alpha, 0.0, "gain"))
            return b.affine(made, alpha, 0.0, "scale")
        case _:
            return b.apply(CURVED[call.op], x)


CURVED = {
    "Sigmoid": "sigmoid",
    "HardSwish": "hard_swish",
    "Tanh": "tanh",
    "Erf": "erf",
    "Softplus": "softplus",
    "Mish": "mish",
}


def power(b: Builder, call: Call) -> Value:
    """Pow with an exponent of 2 or 3: a product."""
    value, exponent = call.value(), call.array(1, "exponent")
    return replace(value, name=b.add("mul", [value.name] * int(exponent.ravel()[0])))


def cast(b: Builder, call: Call) -> Value:
    """Cast to a floating type, or of integers to a type that holds them all: changes nothing here."""
    kind = str(call.attributes["to"])
    value = call.value()
    if kind in INTEGERS and value.whole and value.rounded is not None:
        low, high = INTEGERS[kind]
        if narrowed(value, low, high) == value:
            return value
    if kind not in FLOATS:
        raise Unmapped(f"to {kind}", "Cast to float")
    if kind in ("float16", "bfloat16"):
        b.notes[f"{kind} in the model, float32 here"] += 1
    return replace(call.value(), whole=False)


def cast_like(b: Builder, call: Call) -> Value | Numbers:
    """CastLike of a real value or a constant, to the type of reals: changes nothing here."""
    first, like = call.given
    if isinstance(like, np.ndarray) and like.dtype.name not in FLOATS:
        raise Unmapped(f"to {like.dtype.name}", "CastLike a real")
    return first if isinstance(first, Value) else call.array(0, "constant").astype(np.float32)


def dropout(b: Builder, call: Call) -> Value:
    """Dropout in inference: nothing."""
    training = call.constant(2, "training mode")
    if call.outputs > 1 or (training is not None and training.any()):
        raise Unmapped("in training mode, or with its mask read", "Dropout in inference: export after model.eval()")
    return call.value()


ELEMENTWISE: Mapping[str, Handler] = {
    "Add": add,
    "Sub": add,
    "Sum": add,
    "Mul": multiply,
    "Neg": lambda b, call: b.affine(call.value(), -1.0, 0.0),
    "Clip": clip,
    "Relu": relu,
    "LeakyRelu": leaky_relu,
    "PRelu": leaky_relu,
    "Abs": leaky_relu,
    **dict.fromkeys((*CURVED, "HardSigmoid", "Swish", "Gelu", "Elu", "Selu", "Celu"), activation),
    "Cast": cast,
    "CastLike": cast_like,
    "Dropout": dropout,
    "Identity": lambda b, call: call.value(),
}
