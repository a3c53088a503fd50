"""ONNX models of opsets 7 to 10 are lifted by onnx's own version converter, and say so (GRAPH-7)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from fsref.errors import GraphError  # noqa: E402
from fsref.graph.graph import Pixels  # noqa: E402
from fsref.importers.onnx.from_onnx import from_onnx, input_shape  # noqa: E402
from refusals import refused  # noqa: E402

PIXELS = Pixels(3, 8, 8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
CODES = np.random.default_rng(3).integers(0, 256, (2, 3, 8, 8))
OLDER = (7, 8, 9, 10)


def arrays() -> dict[str, Any]:
    """The tensors of a convolution, a batch norm and a dense layer."""
    draw = np.random.default_rng(11)
    shapes = {"w": (4, 3, 3, 3), "gain": (4,), "offset": (4,), "mean": (4,), "variance": (4,), "v": (5, 4), "b": (5,)}
    made = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return made | {"variance": np.abs(made["variance"]) + np.float32(0.5)}


def model(nodes: Sequence[Any], opset: int, given: dict[str, Any], *, as_inputs: bool = False) -> Any:
    """A model from x to y; up to IR 3 each tensor is an input, too."""
    tensors = [numpy_helper.from_array(array, name) for name, array in given.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])]
    if as_inputs:
        inputs += [helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims) for tensor in tensors]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "classes"])
    graph = helper.make_graph(list(nodes), "net", inputs, [result], tensors)
    ir = 3 if as_inputs else 4 if opset < 11 else 8
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def layers(opset: int) -> list[Any]:
    """Operators that these opsets spell otherwise: batch norm, dropout, clip, pad."""
    node, old = helper.make_node, opset < 11
    clip = (
        node("Clip", ["p"], ["q"], "clip", min=0.0, max=2.0)
        if old
        else node("Clip", ["p", "zero", "two"], ["q"], "clip")
    )
    edge = [0, 0, 1, 1, 0, 0, 0, 2]
    pad = node("Pad", ["q"], ["e"], "pad", pads=edge) if old else node("Pad", ["q", "edge"], ["e"], "pad")
    spatial = {"spatial": 1} if opset < 9 else {}
    return [
        node("Conv", ["x", "w"], ["c"], "conv", pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c", "gain", "offset", "mean", "variance"], ["n"], "norm", **spatial),
        node("Dropout", ["n"], ["d"], "dropout", **({"ratio": 0.5} if opset < 12 else {})),
        node("MaxPool", ["d"], ["p"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        clip,
        pad,
        node("GlobalAveragePool", ["e"], ["g"], "mean_of_all"),
        node("Flatten", ["g"], ["f"], "flat"),
        node("Gemm", ["f", "v", "b"], ["y"], "dense", transB=1),
    ]


@pytest.mark.parametrize("as_inputs", [False, True])
@pytest.mark.parametrize("opset", OLDER)
def test_an_older_model_is_the_newer_one(opset: int, as_inputs: bool) -> None:
    """A model of an older opset gives the graph that its newer spelling gives, node by node, and says what was done."""
    more = {"zero": np.array(0, np.float32), "two": np.array(2, np.float32), "edge": np.array([0, 0, 1, 1, 0, 0, 0, 2])}
    newer = from_onnx(model(layers(13), 13, arrays() | more), PIXELS)
    older = from_onnx(model(layers(opset), opset, arrays(), as_inputs=as_inputs), PIXELS)
    assert [(n.name, n.op, n.attributes) for n in older.nodes] == [(n.name, n.op, n.attributes) for n in newer.nodes]
    assert (older.forward(CODES) == newer.forward(CODES)).all()
    assert older.notes == (f"lifted from opset {opset} to 11 by onnx.version_converter", *newer.notes)


def test_the_original_stays_known(tmp_path: Path) -> None:
    """The note of a lifted file names the sha256 of the file as it is; the model that was given is as it was."""
    made = model(layers(9), 9, arrays())
    path = tmp_path / "old.onnx"
    onnx.save(made, path)
    before = made.SerializeToString(deterministic=True)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert f"the original's sha256 is {digest}" in from_onnx(path, PIXELS).notes[0]
    assert input_shape(path) == (3, 8, 8)
    from_onnx(made, PIXELS)
    assert made.SerializeToString(deterministic=True) == before


def test_what_cannot_be_lifted() -> None:
    """An opset before 7, and an operator that the converter has no way for, are refused in one line."""
    with refused(GraphError, "GRAPH-7", "model", 6, says="opsets 7 to"):
        from_onnx(model(layers(7), 6, arrays()), PIXELS)
    scaled = helper.make_node("Upsample", ["x"], ["u"], "up", mode="linear", scales=[1.0, 1.0, 1.5, 1.5])
    with refused(GraphError, "GRAPH-7", says="up: Resize"):
        from_onnx(model([scaled, helper.make_node("Flatten", ["u"], ["y"])], 8, {}), PIXELS)
    flat = [
        helper.make_node("BatchNormalization", ["x", "gain", "offset", "mean", "variance"], ["n"], "norm", spatial=0),
        helper.make_node("Flatten", ["n"], ["y"]),
    ]
    places = {name: np.ones((3, 8, 8), np.float32) for name in ("gain", "offset", "mean", "variance")}
    with refused(GraphError, "GRAPH-7", says="opset 8 cannot be lifted by onnx.version_converter"):
        from_onnx(model(flat, 8, places), PIXELS)
