"""Quantised operators of an ONNX model written out in ONNX's own on real numbers (GRAPH-10): those of QONNX, and those
that read and give integers with their scales.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fsref.errors import GraphError
from fsref.importers.onnx import model as onnx_model
from fsref.importers.onnx.model import QUANTISED, Operator
from fsref.importers.onnx.values import Numbers
from fsref.importers.refusals import Unmapped

if TYPE_CHECKING:
    from onnx import ModelProto

MAX_BITS = 16  # of a quantiser


def lowered(model: ModelProto, place: str) -> ModelProto:
    """A model without quantised operators; itself when it has none. Errors: GraphError naming the operator."""
    if not any((node.domain, node.op_type) in FORMS for node in model.graph.node):
        return model
    made = _Lowering(model)
    for node in model.graph.node:
        form = FORMS.get((node.domain, node.op_type))
        if form is None:
            made.keep(node)
            continue
        operator = onnx_model.operator(node)
        made.stem = operator.outputs[0]
        try:
            form(made, operator)
        except Unmapped as error:
            problem = f"{operator.op} {error.problem}"
            raise GraphError("GRAPH-7", f"{place}: {operator.path}", problem, None, error.nearest) from None
        except (LookupError, TypeError, ValueError) as error:
            problem = f"{operator.op} is malformed"
            raise GraphError("GRAPH-7", f"{place}: {operator.path}", problem, str(error)) from None
    return made.model()


class _Lowering:
    """A model in the making. `stem` is what values of the operator at work are named after."""

    def __init__(self, model: ModelProto) -> None:
        self.source, self.nodes, self.stem = model, list[Any](), ""
        self.tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self.more: list[Any] = []
        self.moving = {info.name for info in model.graph.input} - self.tensors.keys()  # what depends on the image
        self.taken = {name for node in model.graph.node for name in (*node.input, *node.output)}

    def keep(self, node: Any) -> None:
        """Take over an operator as it is."""
        self.nodes.append(node)
        if self.moving.intersection(node.input):
            self.moving.update(node.output)
        elif node.op_type == "Constant" and len(node.output) == 1:
            self.tensors[node.output[0]] = node

    def model(self) -> ModelProto:
        """The model that was made."""
        from onnx import ModelProto

        made = ModelProto()
        made.CopyFrom(self.source)
        del made.graph.node[:], made.graph.value_info[:]
        made.graph.node.extend(self.nodes)
        made.graph.initializer.extend(self.more)
        return made

    def fresh(self, part: str) -> str:
        """A name that nothing has yet."""
        name, number = f"{self.stem}/{part}", 1
        while name in self.taken:
            name, number = f"{self.stem}/{part}#{number}", number + 1
        self.taken.add(name)
        return name

    def array(self, operator: Operator, index: int, what: str) -> Numbers:
        """A constant operand. Errors: Unmapped."""
        name = operator.inputs[index] if index < len(operator.inputs) else ""
        found = self.tensors.get(name)
        if found is None or not name:
            raise Unmapped(f"has no constant {what}", f"a {what} stored in the model")
        constant = hasattr(found, "op_type")
        return onnx_model.constant(onnx_model.operator(found)) if constant else onnx_model.numbers(found)

    def given(self, operator: Operator, index: int) -> bool:
        """Whether an operator has an operand that may be left out."""
        return index < len(operator.inputs) and operator.inputs[index] != ""

    def tensor(self, array: Any, part: str) -> str:
        """The name of a constant, made now."""
        from onnx import numpy_helper

        name = self.fresh(part)
        self.more.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, op: str, inputs: tuple[str, ...], to: str = "", path: str = "", **attributes: Any) -> str:
        """The value of a new operator, which is `to` when that is said."""
        from onnx import helper

        name = to or self.fresh(op.lower())
        self.nodes.append(helper.make_node(op, list(inputs), [name], path or name, **attributes))
        if self.moving.intersection(inputs):
            self.moving.add(name)
        return name

    def real(self, operator: Operator, index: int) -> str:
        """The real value of an integer operand, whose scale and zero point follow it."""
        self.array(operator, index + 1, "scale")
        return self.add("DequantizeLinear", operator.inputs[index : index + 3])

    def weights(self, operator: Operator, index: int, axis: int) -> tuple[str, Numbers]:
        """The real weights of an integer operand, whose scale, one or along an axis, and zero point follow it; and the
        scale.
        """
        whole, scale = self.array(operator, index, "weights"), self.array(operator, index + 1, "scale")
        zero = self.array(operator, index + 2, "zero point") if self.given(operator, index + 2) else np.zeros(1)
        shape = [1] * whole.ndim
        if scale.size > 1:
            shape[axis] = -1
        integers = whole.astype(np.int64) - zero.astype(np.int64).reshape(shape if zero.size > 1 else [1] * whole.ndim)
        made = integers * scale.astype(np.float64).reshape(shape)
        return self.tensor(made.astype(np.float32), "weights"), scale.astype(np.float64).ravel()

    def bias(self, operator: Operator, index: int, scale: Numbers, by: Numbers) -> tuple[str, ...]:
        """The name of the real bias, whose scale is the product of two; nothing where there is none."""
        if not self.given(operator, index):
            return ()
        real = self.array(operator, index, "bias").astype(np.int64) * (scale.astype(np.float64).ravel() * by)
        return (self.tensor(real.astype(np.float32), "bias"),)

    def integers(self, operator: Operator, value: str, index: int) -> None:
        """Make the result of an operator: the integers of a real value, whose scale and zero point stand at `index`."""
        self.array(operator, index, "scale")
        self.add("QuantizeLinear", (value, *operator.inputs[index : index + 2]), operator.outputs[0], operator.path)


def _scalar(array: Numbers, what: str) -> float:
    """The one number of an array. Errors: Unmapped."""
    numbers = np.unique(np.asarray(array, np.float64))
    if numbers.size != 1 or not np.isfinite(numbers).all():
        raise Unmapped(f"has {numbers.size} {what}s", f"one {what}")
    return float(numbers[0])


def _quant(made: _Lowering, operator: Operator) -> None:
    """Quant or IntQuant: round(clip(x / scale + zero, low, high)) less zero, times scale."""
    signed, narrow = (bool(operator.attributes.get(name, 1)) for name in ("signed", "narrow"))
    bits = _scalar(made.array(operator, 3, "bit width"), "bit width")
    if bits != round(bits) or not 1 <= bits <= MAX_BITS:
        raise Unmapped(f"has a bit width of {bits:g}", f"a whole one, 1..{MAX_BITS}")
    if signed and bits == 1:
        return _bipolar(made, operator)
    rounding = str(operator.attributes.get("rounding_mode", "ROUND")).upper()
    if rounding not in ("ROUND", "FLOOR", "CEIL"):
        raise Unmapped(f"rounds by {rounding[:40]}", "ROUND or FLOOR")
    low = -(2 ** (int(bits) - 1)) + narrow if signed else 0
    high = 2 ** (int(bits) - 1) - 1 if signed else 2 ** int(bits) - 1 - narrow
    x, zero = operator.inputs[0], made.array(operator, 2, "zero point")
    x = made.add("Div", (x, operator.inputs[1]))
    if zero.any():
        x = made.add("Add", (x, operator.inputs[2]))
    ends = (made.tensor(np.float32(end), name) for end, name in ((low, "low"), (high, "high")))
    x = made.add("Clip", (x, *ends))
    x = made.add(rounding.capitalize(), (x,), path=operator.path)
    if zero.any():
        x = made.add("Sub", (x, operator.inputs[2]))
    made.add("Mul", (x, operator.inputs[1]), operator.outputs[0])
    return None


def _bipolar(made: _Lowering, operator: Operator) -> None:
    """BipolarQuant: the scale where x is 0 or above, else less it."""
    x, one = operator.inputs[0], made.tensor(np.float32(1), "one")
    if x in made.moving:  # clip(floor(x + 1), 0, 1)
        ends = made.tensor(np.float32(0), "zero"), one
        x = made.add("Clip", (made.add("Floor", (made.add("Add", (x, one)),), path=operator.path), *ends))
        x = made.add("Sub", (made.add("Mul", (x, made.tensor(np.float32(2), "two"))), one))
    else:
        above = made.add("GreaterOrEqual", (x, made.tensor(np.float32(0), "zero")))
        x = made.add("Where", (above, one, made.tensor(np.float32(-1), "less")))
    made.add("Mul", (x, operator.inputs[1]), operator.outputs[0])


def _linear_conv(made: _Lowering, operator: Operator) -> None:
    """QLinearConv."""
    weights, scale = made.weights(operator, 3, 0)
    bias = made.bias(operator, 8, made.array(operator, 1, "scale"), scale)
    value = made.add("Conv", (made.real(operator, 0), weights, *bias), **operator.attributes)
    made.integers(operator, value, 6)


def _linear_matmul(made: _Lowering, operator: Operator) -> None:
    """QLinearMatMul with constant weights."""
    weights, _ = made.weights(operator, 3, -1)
    made.integers(operator, made.add("MatMul", (made.real(operator, 0), weights)), 6)


def _gemm(made: _Lowering, operator: Operator) -> None:
    """QGemm of ONNX Runtime: Gemm of integers, whose result has a scale or is real."""
    turned = bool(operator.attributes.get("transB", 0))
    weights, scale = made.weights(operator, 3, 0 if turned else 1)
    alpha = float(operator.attributes.get("alpha", 1.0))
    bias = made.bias(operator, 6, made.array(operator, 1, "scale") * alpha, scale)
    inputs, known = (made.real(operator, 0), weights, *bias), {**operator.attributes, "alpha": alpha}
    if made.given(operator, 7):
        made.integers(operator, made.add("Gemm", inputs, **known), 7)
    else:
        made.add("Gemm", inputs, operator.outputs[0], operator.path, **known)


def _linear_add(made: _Lowering, operator: Operator) -> None:
    """QLinearAdd of ONNX Runtime."""
    made.integers(operator, made.add("Add", (made.real(operator, 0), made.real(operator, 3))), 6)


def _linear_mean(made: _Lowering, operator: Operator) -> None:
    """QLinearGlobalAveragePool and QLinearAveragePool of ONNX Runtime."""
    if operator.attributes.get("channels_last", 0):
        raise Unmapped("has its channels last", "channels_last 0")
    known = {name: value for name, value in operator.attributes.items() if name != "channels_last"}
    made.integers(operator, made.add(operator.op.removeprefix("QLinear"), (made.real(operator, 0),), **known), 3)


FORMS: Mapping[tuple[str, str], Callable[[_Lowering, Operator], None]] = {
    **{(domain, op): _quant for domain in QUANTISED for op in ("Quant", "IntQuant")},
    **{(domain, "BipolarQuant"): _bipolar for domain in QUANTISED},
    **{(domain, "QLinearConv"): _linear_conv for domain in ("", "ai.onnx")},
    **{(domain, "QLinearMatMul"): _linear_matmul for domain in ("", "ai.onnx")},
    ("com.microsoft", "QGemm"): _gemm,
    ("com.microsoft", "QLinearAdd"): _linear_add,
    ("com.microsoft", "QLinearAveragePool"): _linear_mean,
    ("com.microsoft", "QLinearGlobalAveragePool"): _linear_mean,
}
