"""A model of an older opset as one of an opset that is mapped (GRAPH-7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsref.errors import GraphError
from fsref.importers.onnx.model import OLDEST_MAPPED, check_form, opset_of

if TYPE_CHECKING:
    from onnx import ModelProto


def lifted(model: ModelProto, place: str, sha256: str) -> tuple[ModelProto, str]:
    """A model that onnx.checker takes, by onnx's own version converter at the oldest opset that is mapped, and a note
    with the sha256 of the file it came from, if from one; a newer model as it is. Errors: GraphError.
    """
    from onnx import ModelProto, version_converter

    opset = opset_of(model)
    if opset >= OLDEST_MAPPED:
        return model, ""
    own, copy = {tensor.name for tensor in model.graph.initializer}, ModelProto()
    copy.CopyFrom(model)
    copy.ir_version = max(copy.ir_version, 4)  # before it every tensor is an input, too, which the converter forgets
    inputs = [info for info in copy.graph.input if info.name not in own]
    del copy.graph.input[:]
    copy.graph.input.extend(inputs)
    try:
        made: ModelProto = version_converter.convert_version(copy, OLDEST_MAPPED)
    except Exception as error:  # whatever it raises, the model is refused
        problem = f"opset {opset} cannot be lifted by onnx.version_converter"
        said = " ".join(str(error).split()) or type(error).__name__
        raise GraphError("GRAPH-7", place, problem, said, f"opset {OLDEST_MAPPED} or newer: export it anew") from None
    old, new = ([node for node in graph.node if node.op_type != "Constant"] for graph in (copy.graph, made.graph))
    if len(old) == len(new):  # operators that the converter writes anew have lost their names
        for node, was in zip(new, old, strict=True):
            node.name = was.name or next(iter(filter(None, was.output)), "")
    check_form(made, f"{place}, lifted to opset {OLDEST_MAPPED}")
    original = f"; the original's sha256 is {sha256}" if sha256 else ""
    return made, f"lifted from opset {opset} to {OLDEST_MAPPED} by onnx.version_converter{original}"
