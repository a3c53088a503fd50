"""An ONNX file as operators in plain values (GRAPH-7). It is not trusted: size and form are checked, nothing outside
its folder is read.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np

from fsref.errors import FileError, GraphError
from fsref.importers.onnx.values import Numbers
from fsref.importers.refusals import Unmapped

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

OLDEST, OLDEST_MAPPED, NEWEST = 7, 11, 28  # models of opsets before OLDEST_MAPPED are lifted
MAX_BYTES = 2**31 - 1  # what protobuf reads
MAX_OPERATORS = 65_536
QUANTISED = ("qonnx.custom_op.general", "finn.custom_op.general", "onnx.brevitas")  # domains of quantised operators


@dataclass(frozen=True)
class Operator:
    """One operator: what to call it in messages and nodes, its type, the names it reads ("" for none) and writes, its
    attributes.
    """

    path: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    proto: NodeProto


def read(path: Path) -> tuple[ModelProto, str]:
    """The model in a file, with the data that it keeps in files beside it (`torch.onnx.export` does so) inside, and the
    sha256 of the file.

    Errors: FileError.
    """
    from onnx import ModelProto

    try:
        if not path.is_file():
            raise FileError("GRAPH-7", str(path), "no such file", None, "an ONNX model")
        if path.stat().st_size > MAX_BYTES:
            raise FileError("GRAPH-7", str(path), "is too large", path.stat().st_size, f"at most {MAX_BYTES} bytes")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise FileError("GRAPH-7", str(path), "cannot be read", _said(error)) from None
    if not data:  # which is a valid message without anything in it
        raise FileError("GRAPH-7", str(path), "the file is empty", None, "a file that onnx.save writes")
    try:
        model: ModelProto = ModelProto.FromString(data)
    except Exception:  # protobuf's own error
        raise FileError("GRAPH-7", str(path), "is not an ONNX model", None, "a file that onnx.save writes") from None
    check_text(model, str(path))
    left = MAX_BYTES - len(data)
    for tensor in _tensors(model.graph):
        if _outside(tensor):
            left -= _bring_in(tensor, path, left)
    return model, hashlib.sha256(data).hexdigest()


def check_text(model: ModelProto, place: str) -> None:
    """Nothing, when every text in a model is one: protobuf gives bytes where it is not. Errors: GraphError."""
    waiting: list[Any] = [model]
    while waiting:
        for field, value in waiting.pop().ListFields():
            parts = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
            if field.type == field.TYPE_MESSAGE:
                waiting += parts
            elif field.type == field.TYPE_STRING and (wrong := [part for part in parts if isinstance(part, bytes)]):
                raise GraphError("GRAPH-7", place, f"a {field.name} is not UTF-8 text", repr(wrong[0]))


def _said(error: OSError | ValueError) -> str:
    """What an error of the file system says, without number and path."""
    return getattr(error, "strerror", None) or str(error)


def _outside(tensor: TensorProto) -> bool:
    """Whether the data of a tensor are in another file."""
    return bool(tensor.data_location == tensor.EXTERNAL or tensor.external_data)


def _bring_in(tensor: TensorProto, path: Path, left: int) -> int:
    """How many bytes, at most `left`, of a file in the model's folder were put into a tensor. Errors: FileError."""
    about = {entry.key: entry.value for entry in tensor.external_data}
    location, place = about.get("location", ""), f"{path}: {plain_name(tensor.name)}"
    named = PureWindowsPath(location)  # parts at / and at \
    folder = path.parent.resolve()
    try:
        file = (folder / location).resolve()
        if not location or named.anchor or ".." in named.parts or not file.is_relative_to(folder):
            limit = f"files in {folder}"
            raise FileError("GRAPH-7", place, "has data outside the model's folder", repr(location), limit)
        if not file.is_file():
            limit = "it goes with the model; torch.onnx.export(..., external_data=False) makes one file"
            raise FileError("GRAPH-7", place, "the file of its data is missing", plain_name(location), limit)
        size = file.stat().st_size
        offset, length = about.get("offset", "0"), about.get("length")
        if any(number is not None and not re.fullmatch("[0-9]{1,12}", number) for number in (offset, length)):
            wrong = "offset and length of its data are no numbers"
            raise FileError("GRAPH-7", place, wrong, f"{offset}, {length}", "bytes")
        start = int(offset)
        count = size - start if length is None else int(length)
        if start > size or start + count > size:
            wrong = f"its data end beyond {plain_name(location)}"
            raise FileError("GRAPH-7", place, wrong, start + count, f"{size} bytes")
        if count > left:
            limit = f"at most {MAX_BYTES} bytes in all"
            raise FileError("GRAPH-7", place, "is too large with the data beside it", count, limit)
        with file.open("rb") as data:
            data.seek(start)
            tensor.raw_data = data.read(count)
    except (OSError, ValueError) as error:
        raise FileError("GRAPH-7", place, f"{location!r} cannot be read", _said(error)) from None
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
    return count


def opset_of(model: ModelProto) -> int:
    """The opset of ONNX's own operators in a model, 0 when it names none."""
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    return int(opsets.get("", opsets.get("ai.onnx", 0)))


def check(model: ModelProto, place: str) -> None:
    """Nothing, when a model holds all its data, its opset is one that can be read, and onnx.checker takes it. Errors:
    GraphError.
    """
    opset = opset_of(model)
    if not OLDEST <= opset <= NEWEST:
        raise GraphError("GRAPH-7", place, "opset not supported", opset, f"opsets {OLDEST} to {NEWEST}")
    if model.functions:
        limit = "inline them: onnx.inliner.inline_local_functions"
        raise GraphError("GRAPH-7", place, "has functions of its own", model.functions[0].name, limit)
    if len(model.graph.node) > MAX_OPERATORS:
        raise GraphError("GRAPH-7", place, "has too many operators", len(model.graph.node), f"at most {MAX_OPERATORS}")
    for tensor in _tensors(model.graph):
        if _outside(tensor):
            limit = "the path of the model, beside whose file its data are, or onnx.load(path)"
            raise GraphError("GRAPH-7", place, "has data outside the model", tensor.name, limit)
    check_form(model, place)


def check_form(model: ModelProto, place: str) -> None:
    """Nothing, when onnx.checker takes a model, the version of quantised operators told or not: qonnx writes files that
    do not tell it. Errors: GraphError.
    """
    from onnx import ModelProto, checker, helper

    untold = {node.domain for node in model.graph.node} - {opset.domain for opset in model.opset_import}
    if untold := untold.intersection(QUANTISED):
        told = ModelProto()
        told.CopyFrom(model)
        told.opset_import.extend(helper.make_opsetid(domain, 1) for domain in sorted(untold))
        model = told
    try:
        checker.check_model(model)
    except Exception as error:  # whatever it raises, the model is refused
        said = " ".join(str(error).split()) or type(error).__name__
        raise GraphError("GRAPH-7", place, "refused by onnx.checker", said) from None


def check_sizes(model: ModelProto, place: str) -> None:
    """Nothing, when onnx.shape_inference finds that types and sizes go together at every node, whatever the model notes
    about them between input and output. Errors: GraphError naming the first node where they do not.
    """
    from onnx import ModelProto, shape_inference

    bare = ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]  # which tools that change a batch leave as they were
    for info in bare.graph.output:
        info.type.tensor_type.ClearField("shape")
    try:
        shape_inference.infer_shapes(bare, check_type=True, strict_mode=True)
    except Exception as error:  # whatever it raises, the model is refused
        said = re.split(r"(?= \(op_type:)", " ".join(str(error).split()))
        first = re.sub(r"\[\w+\] ?", "", said[min(1, len(said) - 1)]).strip()
        raise GraphError("GRAPH-7", place, "is invalid: types or sizes do not go together", first) from None


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every tensor in a graph and in the graphs within it."""
    waiting = [graph]
    while waiting:
        graph = waiting.pop()
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                sparse_tensor = attribute.sparse_tensor
                yield from (attribute.t, *attribute.tensors, sparse_tensor.values, sparse_tensor.indices)
                waiting += [attribute.g, *attribute.graphs] if attribute.HasField("g") or attribute.graphs else []


def one_input(model: ModelProto, place: str) -> tuple[str, str, list[int | str]]:
    """The name, number type and ONNX shape of the only input; open sizes by name. Errors: GraphError."""
    from onnx import helper

    own = {tensor.name for tensor in model.graph.initializer}
    own |= {sparse.values.name for sparse in model.graph.sparse_initializer}
    infos = [info for info in model.graph.input if info.name not in own]
    if len(infos) != 1:
        names = ", ".join(info.name for info in infos) or None
        raise GraphError("GRAPH-7", place, f"has {len(infos)} inputs", names, "one input")
    if not model.graph.output:
        raise GraphError("GRAPH-7", place, "has no outputs", None, "one or more")
    tensor = infos[0].type.tensor_type
    try:
        kind = str(helper.tensor_dtype_to_np_dtype(tensor.elem_type).name)
    except KeyError:
        kind = "no tensor"
    sizes: list[int | str] = [
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in tensor.shape.dim
    ]
    return infos[0].name, kind, sizes


def needed(model: ModelProto, outputs: Iterable[str]) -> list[NodeProto]:
    """The operators that these values depend on, in order."""
    wanted, kept = set(outputs), []
    for node in reversed(model.graph.node):
        if wanted.intersection(node.output) - {""}:
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]


def operator(node: NodeProto) -> Operator:
    """An operator in plain values."""
    path = plain_name(node.name or next(iter(filter(None, node.output)), node.op_type))
    attributes = {attribute.name: _plain(attribute) for attribute in node.attribute}
    return Operator(path, node.op_type, node.domain, tuple(node.input), tuple(node.output), attributes, node)


def _plain(attribute: AttributeProto) -> Any:
    """The value of an attribute; number types by NumPy's name, graphs as None."""
    from onnx import AttributeProto, helper

    if attribute.type == AttributeProto.TENSOR:
        return attribute.t
    several = (AttributeProto.FLOATS, AttributeProto.INTS)
    if attribute.type not in (AttributeProto.FLOAT, AttributeProto.INT, AttributeProto.STRING, *several):
        return None
    value = helper.get_attribute_value(attribute)
    if attribute.name in ("to", "output_dtype"):
        try:
            return str(helper.tensor_dtype_to_np_dtype(value).name) if value else ""
        except KeyError:
            return f"type {value}"
    if attribute.type in several:
        return list(value)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def numbers(tensor: TensorProto) -> Numbers:
    """The numbers of a tensor."""
    from onnx import numpy_helper

    try:
        array = numpy_helper.to_array(tensor)
    except Exception as error:  # whatever a broken tensor makes it raise
        wrong = f"reads {plain_name(tensor.name)}, which cannot be read: {error}"
        raise Unmapped(wrong, "a tensor of numbers") from None
    if array.dtype.kind in "OSU":
        raise Unmapped(f"reads {plain_name(tensor.name)}, which holds no numbers", "a tensor of numbers")
    return array


def constant(made: Operator) -> Numbers:
    """The numbers of a Constant."""
    given = made.attributes
    if given.get("value") is not None:
        return numbers(given["value"])
    for name, kind in (("value_float", np.float32), ("value_int", np.int64)):
        for key in (name, f"{name}s"):
            if key in given:
                return np.asarray(given[key], kind)
    raise Unmapped("holds no dense numbers", "a tensor of numbers")


def plain_name(text: str) -> str:
    """A name that a node may have."""
    return re.sub(r"[^ -\[\]-~]", "_", text)[:200].strip() or "unnamed"
