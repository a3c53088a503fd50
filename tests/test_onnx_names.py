"""Nodes and populations of an ONNX model are named after its layers, whichever exporter wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - after the check that onnx is there

from fsref.conversion.folding import fold  # noqa: E402
from fsref.graph.graph import Pixels  # noqa: E402
from fsref.importers.naming import Origin, named  # noqa: E402
from fsref.importers.onnx.from_onnx import from_onnx  # noqa: E402

PIXELS = Pixels(2, 4, 4)
LAYERS = ["conv1", "relu", "block.0.conv", "block.0.add", "fc"]


def model(
    names: list[str], weights: list[str] | None = None, scopes: Mapping[int, list[str]] | None = None, first: str = "c1"
) -> Any:
    """conv - relu - conv - add of both - mean over the map - dense, its operators under these names, its weights under
    those.
    """
    w1, w2, w3 = weights or ["w1", "w2", "w3"]
    made = [
        ("Conv", ["x", w1], first, {}),
        ("Relu", [first], "r", {}),
        ("Conv", ["r", w2], "c2", {"pads": [1, 1, 1, 1]}),
        ("Add", ["c2", "r"], "a", {}),
        ("GlobalAveragePool", ["a"], "p", {}),
        ("Flatten", ["p"], "f", {}),
        ("Gemm", ["f", w3], "y", {"transB": 1}),
    ]
    nodes = [
        helper.make_node(op, reads, [gives], name, **more)
        for (op, reads, gives, more), name in zip(made, names, strict=True)
    ]
    for k, scope in (scopes or {}).items():
        helper.set_model_props(nodes[k], {"pkg.torch.onnx.name_scopes": repr(scope)})
    rng = np.random.default_rng(1)
    shapes = {w1: (3, 2, 1, 1), w2: (3, 3, 3, 3), w3: (4, 3)}
    tensors = [numpy_helper.from_array(rng.normal(size=s).astype(np.float32), name) for name, s in shapes.items()]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", [1, 2, 4, 4]), ("y", [1, 4]))]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


WEIGHTS = ["conv1.weight", "block.0.conv.weight", "fc.weight"]
EXPORTED = {
    "torch, legacy": model(
        ["/conv1/Conv", "/relu/Relu", "/block/block.0/conv/Conv", "/block/block.0/Add", "/pool/Pool", "/F", "/fc/Gemm"],
        ["onnx::Conv_19", "onnx::Conv_22", "fc.weight"],
    ),
    "torch, dynamo": model(
        ["node_Conv_12", "node_relu", "node_Conv_14", "node_add", "node_mean", "node_view", "node_linear"],
        WEIGHTS,
        {
            0: ["", "bn1", "_native_batch_norm_legit_no_training"],
            1: ["", "relu", "relu"],
            2: ["", "block", "block.0", "block.0.bn", "_native_batch_norm_legit_no_training_1"],
            3: ["", "block", "block.0", "add"],
            4: ["", "pool", "mean"],
        },
    ),
    "tf2onnx": model(
        [
            f"StatefulPartitionedCall/model/{name}"
            for name in (
                "conv1/Conv2D", "relu/Relu__7", "block/0/conv/Conv2D__12:0", "block/0/add", "pool/Mean", "f/Reshape",
                "fc/MatMul;fc/BiasAdd",
            )
        ]
    ),
    "TFLite": model(
        [
            "net/conv1/BiasAdd;net/conv1/BiasAdd/ReadVariableOp;net/conv1/Conv2D", "net/relu/Relu",
            "net/block/0/bn/FusedBatchNormV3;net/block/0/conv/Conv2D1;net/block/0/bn/ReadVariableOp", "net/block/0/add",
            "net/pool/Mean", "net/f/Reshape", "net/fc/MatMul;net/fc/BiasAdd",
        ]
    ),
    "keras2onnx": model(["conv1", "relu", "block.0.conv", "block.0.add", "pool", "f", "fc"]),
}  # fmt: skip


@pytest.mark.parametrize("exporter", EXPORTED)
def test_layers_are_named_as_a_person_would(exporter: str) -> None:
    """The same network has the same names from every exporter, and so have its populations."""
    graph = from_onnx(EXPORTED[exporter], PIXELS)
    assert [node.name for node in graph.nodes if node.op != "global_avg_pool"] == LAYERS
    assert [unit.name for unit in fold(graph).units] == ["conv1", "block.0.conv", "fc"]


def test_operators_without_names_of_their_own() -> None:
    """They go by their weights, else by what they give; what a name must not hold is replaced."""
    made = model([""] * 7, WEIGHTS, first="12")
    found = [node.name for node in from_onnx(made, PIXELS).nodes]
    assert found == ["conv1", "r", "block.0.conv", "a", "p", "fc"]
    made = model([""] * 7, ["wéird\n.weight", "onnx::Conv_1", "3.weight"], {1: ["", "a\\b", "n"], 3: ["", "n"]}, "12")
    assert [node.name for node in from_onnx(made, PIXELS).nodes] == ["w_ird_", "a__b", "c2", "add", "p", "3"]


def test_long_paths_keep_their_last_parts() -> None:
    """A path of more than 64 characters loses whole layers in front; two that end alike get numbers."""
    deep = [f"{k}/" + "/".join(f"stage{n}" for n in range(12)) + "/conv/Conv2D" for k in "ab"]
    graph = from_onnx(model([deep[0], "r", deep[1], "d", "p", "f", "fc"]), PIXELS)
    names = [unit.name for unit in fold(graph).units]
    assert names[0].startswith("stage") and names[0].endswith("stage10.stage11.conv") and 50 < len(names[0]) <= 64
    assert len({*names}) == 3 and all(len(name) <= 64 for name in names)


def test_names_are_unique_and_tell_parts() -> None:
    """A layer of one node has its path; of several, or with layers in it, each adds its operator or part."""
    origins = [
        Origin("a", "conv"), Origin("a.b", "relu"), Origin("a.b", "relu"), Origin("c", "quantise"),
        Origin("c", "affine", "shift"), Origin("d", "add"), Origin("d", "relu"), Origin("", "add"),
        Origin("input", "relu"),
    ]  # fmt: skip
    wanted = ["a.conv", "a.b", "a.b_2", "c", "c.shift", "d.add", "d.relu", "add", "input_2"]
    assert named(origins) == wanted
