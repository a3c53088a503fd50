"""The number types of an ONNX model's values (GRAPH-7): what an operator wants to be of one type is of one type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fsref.errors import GraphError
from fsref.importers.onnx.model import Operator

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def check_types(model: ModelProto, operators: Iterable[Operator], opset: int, place: str) -> None:
    """Nothing, when every operator of ONNX itself reads types that go together, as far as they are known. Errors:
    GraphError naming the first operator that does not.
    """
    known = {tensor.name: _name(tensor.data_type) for tensor in model.graph.initializer}
    known |= {info.name: _name(info.type.tensor_type.elem_type) for info in model.graph.input}
    for operator in operators:
        schema = _schema(operator, opset)
        if schema is None:
            continue
        bound: dict[str, tuple[str, str]] = {}  # type parameter -> operand and type
        allowed = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
        for parameter, name in _operands(schema.inputs, operator.inputs):
            kind, symbol = known.get(name, ""), parameter.type_str
            if not kind:
                continue
            operand, first = bound.setdefault(symbol, (parameter.name, kind))
            said = f"{operand} {first}, {parameter.name} {kind}" if kind != first else f"{parameter.name} {kind}"
            whole = "float" not in kind and kind != "double"
            if kind != first or (whole and symbol in allowed and f"tensor({kind})" not in allowed[symbol]):
                limit = "reals of one type: DequantizeLinear or Cast before it"
                raise GraphError("GRAPH-7", f"{place}: {operator.path}", f"{operator.op} reads types", said, limit)
        for parameter, name in _operands(schema.outputs, operator.outputs):
            known[name] = _given(operator.proto) or bound.get(parameter.type_str, ("", ""))[1]


def _schema(operator: Operator, opset: int) -> Any:
    """What ONNX says of an operator; None for one it does not know."""
    from onnx import defs

    if operator.domain not in ("", "ai.onnx") or not defs.has(operator.op, opset, ""):
        return None
    return defs.get_schema(operator.op, opset, "")


def _operands(parameters: Any, names: tuple[str, ...]) -> Iterator[tuple[Any, str]]:
    """The parameter that each name stands for; those left out, and parameters of several types, are passed over."""
    for i, name in enumerate(names):
        parameter = parameters[min(i, len(parameters) - 1)]
        if name and parameter.is_homogeneous:
            yield parameter, name


def _given(node: NodeProto) -> str:
    """The type that an operator says itself that it gives, or ""."""
    for attribute in node.attribute:
        if node.op_type in ("Constant", "ConstantOfShape") and attribute.name == "value":
            return _name(attribute.t.data_type)
        if attribute.name in ("to", "output_dtype"):
            return _name(attribute.i)
    return {"ConstantOfShape": "float"}.get(node.op_type, "")


def _name(kind: int) -> str:
    """A number type as ONNX writes it in its schemas, "" for none."""
    from onnx import TensorProto

    try:
        return str(TensorProto.DataType.Name(kind)).lower() if kind else ""
    except ValueError:
        return ""
