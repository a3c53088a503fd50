# SPDX-License-Identifier: Apache-2.0
"""Float graphs as the peers of tools/bench.py run them: batch norms inside the convolutions before them, and as an ONNX
model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref import Graph
from fsref.graph.graph import Node
from fsref.graph.operators import Floats

OPSET, IR = 17, 10
Written: TypeAlias = tuple[str, Mapping[str, Any], Sequence[NDArray[Any]]]  # operator, attributes, what it reads beside


def without_norms(graph: Graph) -> Graph:
    """The same function, each batch norm or affine node inside the convolution that it alone reads."""
    nodes: dict[str, Node] = {}
    stands_for: dict[str, str] = {}  # a node that is gone, by name, for the one that computes it
    for node in graph.nodes:
        inputs = tuple(stands_for.get(name, name) for name in node.inputs)
        before = nodes.get(inputs[0])
        if node.op in ("batch_norm", "affine") and before is not None and before.op == "conv":
            if graph.users[node.inputs[0]] == (node.name,):
                nodes[before.name] = _scaled(before, *_affine(node))
                stands_for[node.name] = before.name
                continue
        nodes[node.name] = replace(node, inputs=inputs)
    return replace(graph, nodes=tuple(nodes.values()))


def _affine(node: Node) -> tuple[Floats, Floats]:
    """Gain and offset of a batch norm or affine node, float64 (C,)."""
    arrays = {name: array.astype(np.float64) for name, array in node.arrays.items()}
    if node.op == "affine":
        return arrays["gain"], arrays["offset"]
    gain = arrays["gain"] / np.sqrt(arrays["variance"] + node.attributes["eps"])
    return gain, arrays["offset"] - arrays["mean"] * gain


def _scaled(conv: Node, gain: Floats, offset: Floats) -> Node:
    """A convolution followed by gain and offset, as one."""
    weight = conv.arrays["weight"] * gain[:, None, None, None]
    bias = conv.arrays.get("bias", np.zeros(len(gain))) * gain + offset
    return replace(conv, arrays={"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)})


def _conv(node: Node) -> Written:
    a, w = node.attributes, node.arrays
    form = {"strides": a["stride"], "pads": a["padding"], "dilations": a["dilation"], "group": a["groups"]}
    return "Conv", {**form, "kernel_shape": w["weight"].shape[2:]}, list(w.values())


def _dense(node: Node) -> Written:
    return "Gemm", {"transB": 1}, [node.arrays["weight"], *([node.arrays["bias"]] if "bias" in node.arrays else [])]


def _pool(node: Node) -> Written:
    a = node.attributes
    return "MaxPool", {"kernel_shape": a["kernel"], "strides": a["stride"], "pads": a["padding"]}, []


def _pad(node: Node) -> Written:
    (before, after), (top, left, bottom, right) = node.attributes["channels"], node.attributes["padding"]
    ends = np.array([0, before, top, left, 0, after, bottom, right], np.int64)
    return "Pad", {}, [ends, np.array(node.attributes["value"], np.float32)]


def _subsample(node: Node) -> Written:
    none, ends = np.zeros(2, np.int64), np.full(2, 2**31 - 1, np.int64)
    return "Slice", {}, [none, ends, np.array([2, 3], np.int64), np.array(node.attributes["stride"], np.int64)]


def _clip(node: Node) -> Written:
    return "Clip", {}, [np.array(node.attributes[name], np.float32) for name in ("low", "high")]


WRITTEN: Mapping[str, Callable[[Node], Written]] = {
    "conv": _conv,
    "dense": _dense,
    "max_pool": _pool,
    "pad": _pad,
    "subsample": _subsample,
    "clip": _clip,
    "relu": lambda node: ("Relu", {}, []),
    "add": lambda node: ("Add", {}, []),
    "concat": lambda node: ("Concat", {"axis": 1}, []),
    "global_avg_pool": lambda node: ("GlobalAveragePool", {}, []),
    "flatten": lambda node: ("Flatten", {}, []),
    "identity": lambda node: ("Identity", {}, []),
}


def written(graph: Graph) -> bytes:
    """A graph as an ONNX model from float32 `images` (N, C, H, W), normalised, to `logits` (N, classes). Errors:
    KeyError for an operator that no peer here computes.
    """
    import onnx
    from onnx import helper, numpy_helper

    nodes, constants = [], []
    for node in graph.nodes:
        operator, attributes, arrays = WRITTEN[node.op](node)
        names = [f"{node.name}:{i}" for i in range(len(arrays))]
        for name, array in zip(names, arrays, strict=True):
            kind = np.float32 if array.dtype.kind == "f" else np.int64
            constants.append(numpy_helper.from_array(array.astype(kind), name))
        inputs = ["images" if name == "input" else name for name in node.inputs]
        if node.op == "dense" and graph[node.inputs[0]].op not in ("flatten", "dense"):
            nodes.append(helper.make_node("Flatten", inputs, [f"{node.name}:flat"]))
            inputs = [f"{node.name}:flat"]
        output = "logits" if node is graph.nodes[-1] else node.name
        nodes.append(helper.make_node(operator, [*inputs, *names], [output], name=node.name, **attributes))
    floats, pixels = onnx.TensorProto.FLOAT, graph.contract()
    given = helper.make_tensor_value_info("images", floats, ["N", *pixels.shape])
    logits = helper.make_tensor_value_info("logits", floats, ["N", graph.shapes[graph.nodes[-1].name][0]])
    made = helper.make_graph(nodes, graph.name or "graph", [given], [logits], constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString(deterministic=True)
    return data
