"""ONNX models become float graphs that compute what onnx.reference says; what has no form is refused at once, by
name.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

import refusals  # noqa: E402
from fsref.errors import FileError, FsrefError, GraphError, UsageError  # noqa: E402
from fsref.graph.graph import Graph, Pixels  # noqa: E402
from fsref.importers.onnx.from_onnx import from_onnx  # noqa: E402
from fsref.importers.onnx.model import NEWEST  # noqa: E402

OPSETS = (11, 13, 17, 21, NEWEST)
PIXELS = Pixels(3, 9, 8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
IMAGE = ("N", 3, 9, 8)
DRAW = np.random.default_rng(7)


def draw(*shape: int) -> np.ndarray:
    return DRAW.normal(0, 0.5, shape).astype(np.float32)


def node(op: str, inputs: str, output: str, name: str = "", **attributes: Any) -> Any:
    """An operator; `inputs` are names with blanks between them, - for one left out."""
    return helper.make_node(
        op, ["" if given == "-" else given for given in inputs.split()], output.split(), name, **attributes
    )


def model(
    nodes: Sequence[Any],
    arrays: dict[str, Any] | None = None,
    opset: int = 17,
    shape: Sequence[Any] = IMAGE,
    out: str = "y",
    kind: int = TensorProto.FLOAT,
) -> Any:
    """A model from x to `out`."""
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in (arrays or {}).items()]
    result = [helper.make_tensor_value_info(out, TensorProto.FLOAT, ["N", "classes"])]
    graph = helper.make_graph(
        list(nodes), "net", [helper.make_tensor_value_info("x", kind, list(shape))], result, tensors
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=7 if opset <= 13 else 10)


def ended(
    nodes: Sequence[Any],
    arrays: dict[str, Any] | None = None,
    opset: int = 17,
    shape: Sequence[Any] = IMAGE,
    last: str = "h",
) -> Any:
    """A model whose value `last`, N x C x H x W, is summed by a Flatten and, where its size is known only later, a
    global mean beside it.
    """
    tail = [node("GlobalAveragePool", last, "pooled"), node("Flatten", "pooled", "y")]
    return model([*nodes, *tail], arrays, opset, shape)


def flat(
    nodes: Sequence[Any],
    arrays: dict[str, Any] | None = None,
    opset: int = 17,
    shape: Sequence[Any] = IMAGE,
    last: str = "h",
) -> Any:
    """A model that ends in all the places of its value `last`."""
    return model([*nodes, node("Flatten", last, "y")], arrays, opset, shape)


def codes(pixels: Pixels, count: int = 2) -> np.ndarray:
    return np.random.default_rng(3).integers(0, pixels.max_code + 1, (count, *pixels.shape))


def agrees(
    made: Any, pixels: Pixels = PIXELS, near: float = 1e-5, turn: tuple[int, ...] = (0, 1, 2, 3), like: Any = None
) -> Graph:
    """The graph of a model, when it computes what onnx.reference computes, image by image.

    `like` is a model that means the same, where onnx.reference lacks an old operator (DequantizeLinear before opset 19)
    or has it wrong (BatchNormalization before opset 14, pools with auto_pad SAME_LOWER).
    """
    graph = from_onnx(made, pixels)
    images = codes(pixels)
    real = pixels.normalise(images).transpose(turn)
    for i, got in enumerate(graph.forward(images)):
        dims = made.graph.input[0].type.tensor_type.shape.dim[1:]
        feed = real[i : i + 1].reshape([1, *(d.dim_value or real.shape[k + 1] for k, d in enumerate(dims))])
        wanted = np.ravel(ReferenceEvaluator(like or made).run(None, {"x": feed})[0])
        assert np.abs(got - wanted).max() <= near * max(1, np.abs(wanted).max())
    return graph


def ops(graph: Graph) -> list[str]:
    return [made.op for made in graph.nodes]


def refused(made: Any, *words: str, pixels: Pixels | None = PIXELS, error: type[FsrefError] = GraphError) -> str:
    """The one line that refuses a model, when it has these words."""
    with refusals.refused(error, says=words) as caught:
        from_onnx(made, pixels)
    return str(caught.value)


@pytest.mark.parametrize("opset", OPSETS)
def test_a_network_of_the_usual_kind(opset: int) -> None:
    """Conv, batch norm, ReLU6, a shortcut, pools, flatten by Shape, Gather, Concat, Reshape, Gemm and Softmax: every
    opset gives one graph.
    """
    arrays = {
        "w": draw(6, 3, 3, 3),
        "b": draw(6),
        "g": draw(6) + 1,
        "o": draw(6),
        "m": draw(6),
        "v": draw(6) ** 2 + 0.1,
        "w2": draw(6, 1, 3, 3),
        "fc": draw(5, 6 * 4 * 4),
        "low": np.float32(0),
        "high": np.float32(6),
        "zero": np.array(0),
        "minus": np.array([-1]),
        "axes": np.array([0]),
    }
    unsqueeze = node("Unsqueeze", "n", "n1", axes=[0]) if opset < 13 else node("Unsqueeze", "n axes", "n1")
    nodes = [
        node("Conv", "x w b", "c1", "stem.conv", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "c1 g o m v", "n1_", "stem.norm", epsilon=1e-3),
        node("Clip", "n1_ low high", "a1", "stem.act"),
        node("Conv", "a1 w2", "c2", "body.conv", pads=[1, 1, 1, 1], group=6),
        node("Add", "c2 a1", "s", "body.add"),
        node("Relu", "s", "a2", "body.act"),
        node("MaxPool", "a2", "p", "pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Dropout", "p", "d"),
        node("Shape", "d", "shape"),
        node("Gather", "shape zero", "n", axis=0),
        unsqueeze,
        node("Concat", "n1 minus", "to", axis=0),
        node("Reshape", "d to", "f", "flatten"),
        node("Gemm", "f fc", "logits", "fc", transB=1),
        node("Softmax", "logits", "y"),
    ]
    net = model(nodes, arrays, opset)
    graph = from_onnx(net, PIXELS, classes=tuple("abcde"), name="small")
    assert [made.name for made in graph.nodes][:4] == ["stem.conv", "stem.norm", "stem.act", "body.conv"]
    assert ops(graph) == "conv batch_norm clip conv add relu max_pool flatten dense".split()
    assert graph.notes == ("Softmax at the end left out",) and graph.name == "small" and graph.classes == tuple("abcde")
    like = model(
        [unsqueeze if made.op_type == "Unsqueeze" else made for made in nodes[:-1]],
        arrays,
        max(opset, 17),
        out="logits",
    )
    if opset < 13:
        del like.graph.node[8:13]
        like.graph.node.insert(8, node("Flatten", "d", "f"))
    agrees(model(nodes[:-1], arrays, opset, out="logits"), like=like)


@pytest.mark.parametrize("auto", ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize(("stride", "dilation"), [((1, 1), (1, 1)), ((2, 3), (1, 1)), ((2, 2), (2, 1))])
def test_conv(auto: str, stride: tuple[int, int], dilation: tuple[int, int]) -> None:
    """Strides, dilations, groups, uneven pads, every auto_pad."""
    more = {"pads": [2, 0, 1, 3]} if auto == "NOTSET" else {"auto_pad": auto}
    agrees(
        flat(
            [node("Conv", "x w b", "h", strides=stride, dilations=dilation, group=3, **more)],
            {"w": draw(6, 1, 3, 2), "b": draw(6)},
        )
    )


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("opset", (11, 21, NEWEST))
@pytest.mark.parametrize(
    ("attributes", "pads"),
    [
        ({"kernel_shape": [2, 3], "strides": [2, 2]}, [0, 0, 0, 0]),
        ({"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, [1, 1, 1, 1]),
        ({"kernel_shape": [3, 2], "strides": [3, 3], "ceil_mode": 1}, [0, 0, 0, 0]),
        ({"kernel_shape": [3, 2], "strides": [2, 4], "ceil_mode": 1}, [0, 0, 0, 0]),
        ({"kernel_shape": [2, 2], "strides": [2, 3], "ceil_mode": 1}, [0, 0, 1, 0]),
        ({"kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, [0, 0, 1, 0]),
        ({"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}, [1, 0, 1, 1]),
        ({"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"}, [1, 1, 1, 0]),
        ({"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 0, 0], "ceil_mode": 1}, [1, 0, 1, 1]),
        ({"kernel_shape": [2, 3], "strides": [2, 3], "auto_pad": "VALID"}, [0, 0, 0, 0]),
        ({"kernel_shape": [2, 2]}, [0, 0, 0, 0]),
    ],
)
def test_pools(op: str, opset: int, attributes: dict[str, Any], pads: list[int]) -> None:
    """Strides, pads, ceil_mode and auto_pad, of 9 x 8 places: as with the pads they come to; a mean counts real places
    alone.
    """
    plain = {name: value for name, value in attributes.items() if name in ("kernel_shape", "strides")} | {"pads": pads}
    graph = agrees(
        flat([node(op, "x", "h", **attributes)], opset=opset), like=flat([node(op, "x", "h", **plain)], opset=opset)
    )
    assert ops(graph) == [{"MaxPool": "max_pool", "AveragePool": "avg_pool"}[op], "flatten"]


@pytest.mark.parametrize(
    "attributes", [{"pads": [1, 1, 1, 1]}, {"ceil_mode": 1}, {"pads": [1, 1, 0, 0], "ceil_mode": 0}]
)
def test_means_that_count_pads(attributes: dict[str, Any]) -> None:
    """count_include_pad counts pads, but not the places that ceil_mode adds."""
    agrees(
        flat(
            [node("AveragePool", "x", "h", kernel_shape=[3, 3], strides=[2, 3], count_include_pad=1, **attributes)],
            opset=21,
        )
    )


def test_pools_that_programs_read_differently() -> None:
    """Beside auto_pad, ceil_mode and strides beyond the window: refused."""
    differing = {"auto_pad": "VALID", "ceil_mode": 1, "strides": [2, 2]}, {"auto_pad": "SAME_UPPER", "strides": [2, 9]}
    for pool in differing:
        refused(
            flat([node("MaxPool", "x", "h", "pool", kernel_shape=[2, 1], **pool)]),
            "pool: MaxPool has auto_pad",
            "nearest: pads",
        )


SCALAR, CHANNEL = np.array(0.7, np.float32), np.array([0.5, -2.0, 1.5], np.float32).reshape(3, 1, 1)


@pytest.mark.parametrize("constant", [SCALAR, CHANNEL, CHANNEL.reshape(1, 3, 1, 1), SCALAR.reshape(1, 1)])
@pytest.mark.parametrize(
    ("op", "inputs"),
    [(op, order) for op in ("Add", "Sub", "Mul", "Div") for order in ("x k", "k x") if (op, order) != ("Div", "k x")],
)
def test_constants(op: str, inputs: str, constant: np.ndarray) -> None:
    """A constant, one number or one per channel, is an affine node."""
    assert ops(agrees(ended([node(op, inputs, "h")], {"k": constant}))) == ["affine", "global_avg_pool"]


def test_affine_nodes_join() -> None:
    """Constants one after the other are one affine node, and none at all when they undo one another."""
    both = [node("Mul", "x k", "a"), node("Add", "a l", "b"), node("Neg", "b", "h")]
    assert ops(agrees(ended(both, {"k": CHANNEL, "l": SCALAR}))) == ["affine", "global_avg_pool"]
    undone = [node("Mul", "x k", "a"), node("Div", "a k", "h")]
    assert ops(agrees(ended(undone, {"k": CHANNEL}))) == ["global_avg_pool"]


@pytest.mark.parametrize(
    ("op", "expected"),
    [("Add", ["relu", "add"]), ("Sub", ["relu", "affine", "add"]), ("Mul", ["relu", "mul"]), ("Sum", ["relu", "add"])],
)
def test_values(op: str, expected: list[str]) -> None:
    """Sums and products of two values; a difference adds the negative."""
    assert ops(agrees(flat([node("Relu", "x", "r"), node(op, "x r", "h")]))) == [*expected, "flatten"]


def test_squeeze_and_excite() -> None:
    """A value (C, 1, 1) multiplies one (C, H, W); hard sigmoid keeps its slope."""
    nodes = [
        node("GlobalAveragePool", "x", "p"),
        node("Conv", "p w", "e"),
        node("HardSigmoid", "e", "g", alpha=0.25, beta=0.4),
        node("Mul", "x g", "h"),
    ]
    graph = agrees(flat(nodes, {"w": draw(3, 3, 1, 1)}))
    assert ops(graph) == ["global_avg_pool", "conv", "hard_sigmoid", "mul", "flatten"]
    assert (graph.nodes[2].attributes["slope"], graph.nodes[2].attributes["offset"]) == (0.25, pytest.approx(0.4))


def test_smooth_activations() -> None:
    """Sigmoid, x * sigmoid(x) either way round, HardSwish, Swish, and hard swish spelled clip(x + 3, 0, 6) in the two
    ways exporters write it.
    """
    six = {
        "low": np.float32(0),
        "high": np.float32(6),
        "three": np.float32(3),
        "six": np.float32(6),
        "sixth": np.float32(1 / 6),
    }
    assert ops(agrees(flat([node("Sigmoid", "x", "h")]))) == ["sigmoid", "flatten"]
    assert ops(agrees(flat([node("Sigmoid", "x", "s"), node("Mul", "x s", "h")]))) == ["silu", "flatten"]
    assert ops(agrees(flat([node("Sigmoid", "x", "s"), node("Mul", "s x", "h")]))) == ["silu", "flatten"]
    assert ops(agrees(flat([node("HardSigmoid", "x", "s", alpha=0.2), node("Mul", "x s", "h")]))) == [
        "hard_swish",
        "flatten",
    ]
    assert ops(agrees(flat([node("HardSwish", "x", "h")]))) == ["hard_swish", "flatten"]
    assert ops(agrees(flat([node("Swish", "x", "h")], opset=NEWEST))) == ["silu", "flatten"]
    start = [node("Add", "x three", "a"), node("Clip", "a low high", "c")]
    assert ops(agrees(flat([*start, node("Div", "c six", "d"), node("Mul", "x d", "h")], six))) == [
        "hard_swish",
        "flatten",
    ]
    assert ops(agrees(flat([*start, node("Mul", "c x", "d"), node("Mul", "d sixth", "h")], six))) == [
        "hard_swish",
        "flatten",
    ]


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        ([node("Tanh", "x", "h")], ["tanh"]),
        ([node("Erf", "x", "h")], ["erf"]),
        ([node("Gelu", "x", "h")], ["gelu"]),
        ([node("Gelu", "x", "h", approximate="tanh")], ["gelu"]),
        ([node("Elu", "x", "h", alpha=0.5)], ["elu"]),
        ([node("Selu", "x", "h")], ["elu", "affine"]),
        ([node("Celu", "x", "h", alpha=2.0)], ["affine", "elu", "affine"]),
        ([node("Softplus", "x", "h")], ["softplus"]),
        ([node("Mish", "x", "h")], ["mish"]),
        ([node("Swish", "x", "h", alpha=1.5)], ["affine", "silu", "affine"]),
        ([node("Pow", "x two", "h")], ["mul"]),
        (
            [
                node("Div", "x root", "a"),
                node("Erf", "a", "b"),
                node("Add", "b one", "c"),
                node("Mul", "x c", "d"),
                node("Mul", "d half", "h"),
            ],
            ["gelu"],
        ),
        ([node("Softplus", "x", "a"), node("Tanh", "a", "b"), node("Mul", "b x", "h")], ["mish"]),
    ],
)
def test_curves(nodes: list[Any], wanted: list[str]) -> None:
    """Operators that follow a curve, scaled ones with an affine beside them, and those spelled out in one node."""
    arrays = {"root": math.sqrt(2), "one": 1.0, "half": 0.5, "two": 2.0}
    made = {name: np.float32(value) for name, value in arrays.items()}
    assert ops(agrees(flat(nodes, made, NEWEST))) == [*wanted, "flatten"]


def test_leaky_rectifiers() -> None:
    """LeakyRelu, PRelu of one slope or one a channel, and Abs become one operator, nothing, or relu."""
    conv = node("Conv", "x w", "c")
    arrays = {
        "w": draw(4, 3, 3, 3),
        "one": np.float32(0.5),
        "some": np.array([[[0.5]], [[0]], [[-2]], [[1]]], np.float32),
    }

    def made(op: str, inputs: str, **attributes: Any) -> Any:
        used = {name: array for name, array in arrays.items() if name in inputs or name == "w"}
        return agrees(ended([conv, node(op, inputs, "h", **attributes)], used)).nodes[1]

    for op, inputs, more, slopes in (
        ("LeakyRelu", "c", {}, [np.float32(0.01)] * 4), ("LeakyRelu", "c", {"alpha": 0.25}, [0.25] * 4),
        ("PRelu", "c one", {}, [0.5] * 4), ("PRelu", "c some", {}, [0.5, 0, -2, 1]), ("Abs", "c", {}, [-1] * 4),
    ):  # fmt: skip
        found = made(op, inputs, **more)
        assert (found.op, found.arrays["slope"].tolist()) == ("leaky_relu", slopes)
    assert made("LeakyRelu", "c", alpha=0.0).op == "relu" and made("LeakyRelu", "c", alpha=1.0).op == "global_avg_pool"
    refused(ended([conv, node("PRelu", "c map", "h", "n")], {"w": arrays["w"], "map": draw(4, 7, 6)}), "n: PRelu has a")


def test_clips() -> None:
    """Clip, Relu before it, and Max and Min with numbers: one node; a Relu of what is not negative: none."""
    arrays = {"zero": np.float32(0), "one": np.float32(1), "half": np.float32(-0.5)}
    assert ops(agrees(flat([node("Clip", "x half one", "h")], arrays))) == ["clip", "flatten"]
    assert ops(agrees(flat([node("Clip", "x zero", "h")], arrays))) == ["relu", "flatten"]
    assert ops(agrees(flat([node("Relu", "x", "r"), node("Clip", "r - one", "h")], arrays))) == ["clip", "flatten"]
    assert ops(agrees(flat([node("Max", "x zero", "r"), node("Min", "one r", "h")], arrays))) == ["clip", "flatten"]
    nodes = [node("Relu", "x", "r"), node("MaxPool", "r", "p", kernel_shape=[2, 2]), node("Relu", "p", "h")]
    assert ops(agrees(flat(nodes))) == ["relu", "max_pool", "flatten"]
    for one in (node("Clip", "x - one", "h"), node("Clip", "x half", "h"), node("Max", "half x", "h")):
        assert ops(agrees(flat([one], arrays))) == ["affine", "relu", "affine", "flatten"]
    arrays |= {"top": np.float32(0.25)}
    assert ops(agrees(flat([node("Max", "x half", "r"), node("Min", "top r", "h")], arrays)))[-1] == "flatten"
    refused(flat([node("Clip", "x one zero", "h", "top")], arrays), "top: Clip between 1 and 0")


def test_concat_and_structure() -> None:
    """Concat of channels, of flattened values too; Pad, in channels too; Slice with steps; Identity, Cast and Transpose
    there and back.
    """
    agrees(flat([node("Relu", "x", "r"), node("Concat", "x r x", "h", axis=1)]))
    agrees(
        model(
            [
                node("Relu", "x", "r"),
                node("Flatten", "x", "a"),
                node("Flatten", "r", "b"),
                node("Concat", "b a", "y", axis=-1),
            ]
        )
    )
    padded = {"pads": np.array([0, 1, 1, 0, 0, 2, 0, 3]), "value": np.float32(0.5)}
    graph = agrees(flat([node("Pad", "x pads value", "h")], padded))
    assert dict(graph.nodes[0].attributes) == {"padding": (1, 0, 0, 3), "channels": (1, 2), "value": 0.5}
    agrees(
        flat([node("Pad", "x pads - axes", "h")], {"pads": np.array([1, 2, 0, 1]), "axes": np.array([-2, 3])}, opset=21)
    )
    steps = {
        "start": np.array([0, 0]),
        "end": np.array([9, 2**63 - 1]),
        "axes": np.array([2, -1]),
        "steps": np.array([2, 3]),
    }
    assert ops(agrees(flat([node("Slice", "x start end axes steps", "h")], steps))) == ["subsample", "flatten"]
    nodes = [
        node("Identity", "x", "a"),
        node("Cast", "a", "b", to=TensorProto.FLOAT),
        node("Transpose", "b", "c", perm=[0, 2, 3, 1]),
        node("Relu", "c", "d"),
    ]
    assert ops(agrees(flat([*nodes, node("Transpose", "d", "h", perm=[0, 3, 1, 2])]))) == ["relu", "flatten"]


@pytest.mark.parametrize("opset", OPSETS)
def test_means_over_places_and_axes_of_size_one(opset: int) -> None:
    """ReduceMean over H and W is a global mean, whether its axes are an attribute or an operand; squeezes and
    unsqueezes make no node.
    """
    mean = node("ReduceMean", "x", "m", axes=[2, 3]) if opset < 18 else node("ReduceMean", "x hw", "m")
    squeeze = node("Squeeze", "m", "s", axes=[2, 3]) if opset < 13 else node("Squeeze", "m hw", "s")
    arrays = {"hw": np.array([2, 3]), "w": draw(3, 4), "b": draw(4)}
    nodes = [mean, squeeze, node("MatMul", "s w", "f", "head"), node("Add", "f b", "y")]
    unread = {"hw"} if opset < 13 else set()
    graph = agrees(model(nodes, {k: v for k, v in arrays.items() if k not in unread}, opset))
    assert ops(graph) == ["global_avg_pool", "dense", "affine"]
    flat_mean = (
        node("ReduceMean", "x", "y", axes=[-1, -2], keepdims=0)
        if opset < 18
        else node("ReduceMean", "x hw", "y", keepdims=0)
    )
    agrees(model([flat_mean], {"hw": np.array([-1, -2])} if opset >= 18 else {}, opset))


def test_partial_reductions() -> None:
    """A mean or maximum over one axis of places, and GlobalMaxPool, are pools."""
    agrees(flat([node("ReduceMean", "x", "h", axes=[3])]))
    agrees(flat([node("ReduceMax", "x", "h", axes=[2], keepdims=0)]))
    agrees(flat([node("GlobalMaxPool", "x", "h")]))


def test_gemm_scales() -> None:
    """alpha, beta, transB, and every shape of bias."""
    for bias in (draw(), draw(1), draw(4), draw(1, 4)):
        nodes = [node("Flatten", "x", "f"), node("Gemm", "f w b", "y", alpha=0.5, beta=2.0, transB=1)]
        agrees(model(nodes, {"w": draw(4, 216), "b": bias}))
    agrees(model([node("Flatten", "x", "f"), node("Gemm", "f w", "y")], {"w": draw(216, 4)}))


def test_models_of_tensorflow() -> None:
    """Images N x H x W x C, turned at the border and back, flattened in their own order, with a product along the
    channels: no transpose is left.
    """
    arrays = {
        "mean": draw(3),
        "w": draw(4, 3, 3, 3),
        "p": draw(4, 5),
        "pb": draw(5),
        "fc": draw(9 * 8 * 5, 4),
        "to": np.array([-1, 360]),
    }
    nodes = [
        node("Sub", "x mean", "s"),
        node("Transpose", "s", "n", perm=[0, 3, 1, 2]),
        node("Conv", "n w", "c", auto_pad="SAME_UPPER"),
        node("Transpose", "c", "t", perm=[0, 2, 3, 1]),
        node("MatMul", "t p", "q"),
        node("Add", "q pb", "r"),
        node("Relu", "r", "a"),
        node("Reshape", "a to", "f"),
        node("MatMul", "f fc", "y"),
    ]
    for shape in (("N", 9, 8, 3), ("N", "h", "w", 3)):
        graph = agrees(model(nodes, arrays, shape=shape), turn=(0, 2, 3, 1))
        assert ops(graph) == ["affine", "conv", "conv", "affine", "relu", "flatten", "dense"]
    nodes = [node("Transpose", "x", "t", perm=[0, 2, 3, 1]), node("Flatten", "t", "y")]
    graph = from_onnx(model(nodes), PIXELS)  # compared there with onnx.reference in its order
    assert graph.notes == ("output y: in another order there, C x H x W here",)


def test_inputs_of_other_shapes() -> None:
    """Images flattened, or grey without a channel axis, or of uint8 as they are, or in a fixed batch."""
    agrees(model([node("MatMul", "x w", "y")], {"w": draw(216, 3)}, shape=("N", 216)))
    grey = Pixels(1, 4, 5)
    agrees(model([node("Relu", "x", "r"), node("Flatten", "r", "y")], shape=("N", 4, 5)), grey)
    agrees(flat([node("Conv", "x w", "h")], {"w": draw(2, 3, 2, 2)}, shape=(1, 3, 9, 8)))
    from_onnx(flat([node("Conv", "x w", "h")], {"w": draw(2, 3, 2, 2)}, shape=(4, 3, 9, 8)), PIXELS)
    raw = Pixels(3, 9, 8, scale=1)
    net = model([node("Cast", "x", "f", to=TensorProto.FLOAT), node("Flatten", "f", "y")], kind=TensorProto.UINT8)
    images = codes(raw)
    assert (from_onnx(net, raw).forward(images) == images.reshape(2, -1)).all()
    refused(net, "takes codes as they are", "scale 1, mean 0, std 1", "GRAPH-5")


@pytest.mark.parametrize("opset", (11, 13, 21, NEWEST))
@pytest.mark.parametrize(
    ("kind", "zero", "levels"), [(np.uint8, 0, 255), (np.int8, 0, 127), (np.int8, -128, 255), (np.uint8, 3, 252)]
)
def test_quantisers_after_relu(opset: int, kind: type, zero: int, levels: int) -> None:
    """Conv, Relu, QuantizeLinear, DequantizeLinear: one quantiser of as many levels as lie above the zero point, the
    Relu within it; halves go to the even integer, counted from the zero point.
    """
    arrays = {"w": draw(4, 3, 3, 3), "s": np.float32(0.0137), "z": np.array(zero, kind)}
    nodes = [
        node("Conv", "x w", "c"),
        node("Relu", "c", "r"),
        node("QuantizeLinear", "r s z", "q", "act"),
        node("DequantizeLinear", "q s z", "h"),
    ]
    graph = agrees(flat(nodes, arrays, opset), like=flat(nodes, arrays, 21))
    quantiser = graph["act"]
    assert ops(graph) == ["conv", "quantise", "flatten"]
    assert quantiser.attributes["levels"] == levels and quantiser.attributes["alpha"] == pytest.approx(levels * 0.0137)
    assert quantiser.attributes["rounding"] == "even" and not graph.notes


@pytest.mark.parametrize(("end", "levels"), [(4.5, 4), (5.5, 6), (4.25, 4), (4.75, 5)])
def test_a_clip_at_a_half_before_round(end: float, levels: int) -> None:
    """The plateau above a bound of x.5 is at the even integer, as Round takes it; a bound hardly beside a half is
    refused.
    """
    arrays = {"zero": np.float32(0), "one": np.float32(0.1), "gain": np.float32(10 * end), "w": 3 * draw(4, 3, 3, 3)}
    nodes = [
        node("Conv", "x w", "c"),
        node("Clip", "c zero one", "a"),
        node("Mul", "a gain", "b"),
        node("Round", "b", "d", "act"),
        node("Div", "d gain", "h"),
    ]
    if end % 1 == 0.5:
        arrays["one"], arrays["gain"] = np.float32(1), np.float32(end)
        graph = agrees(flat(nodes, arrays))
        with pytest.raises(GraphError, match="so near to a half that float errors decide"):
            from_onnx(flat(nodes, {**arrays, "gain": np.float32(end + 1e-5)}), PIXELS)
    else:
        graph = agrees(flat(nodes, arrays))
    assert [n.attributes["levels"] for n in graph.nodes if n.op == "quantise"] == [levels]


def test_quantisers_of_signed_values() -> None:
    """Without Relu the zero point is an offset: affine nodes around one quantiser."""
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "h")]
    graph = agrees(ended(nodes, {"s": np.float32(0.021), "z": np.array(114, np.uint8)}, 21))
    assert ops(graph) == ["affine", "quantise", "affine", "global_avg_pool"]
    graph = agrees(ended(nodes, {"s": np.float32(0.021), "z": np.array(0, np.uint8)}, 21))
    assert ops(graph) == ["quantise", "global_avg_pool"]
    graph = from_onnx(flat(nodes, {"s": np.float32(0.021), "z": np.array(114, np.uint8)}, 21), PIXELS)
    # One that cuts at 0 would change more than ties.
    assert ops(graph) == ["flatten"] and "quantiser of the logits left out" in graph.notes


@pytest.mark.parametrize("kind", [np.int8, np.uint8])
def test_quantisers_that_change_nothing(kind: type) -> None:
    """Quantising once more by the same step, after a pool or a sum of channels side by side, makes no node; a Relu cuts
    the quantiser at 0.
    """
    arrays = {"w": draw(4, 3, 3, 3), "s": np.float32(0.0137), "z": np.array(0 if kind is np.int8 else 100, kind)}

    def again(name: str, to: str) -> list[Any]:
        return [node("QuantizeLinear", f"{name} s z", f"{to}q", f"{to}q"), node("DequantizeLinear", f"{to}q s z", to)]

    start = [
        node("Conv", "x w", "c"),
        *again("c", "d"),
        node("MaxPool", "d", "p", kernel_shape=[2, 2], strides=[2, 2]),
        *again("p", "e"),
    ]
    graph = agrees(ended([*start, node("Concat", "e e", "f", axis=1), *again("f", "h")], arrays, 21))
    around = ["affine", "quantise", "affine"]
    assert ops(graph) == ["conv", *around, "max_pool", "concat", "global_avg_pool"]
    graph = agrees(
        ended([node("Conv", "x w", "c"), *again("c", "d"), node("Relu", "d", "r"), *again("r", "h")], arrays, 21)
    )
    assert ops(graph) == ["conv", "quantise", "global_avg_pool"]
    assert graph["dq"].attributes["levels"] == (127 if kind is np.int8 else 155)
    graph = agrees(ended([*start, node("Relu", "e", "r"), *again("r", "h")], arrays, 21))
    assert ops(graph) == ["conv", *around, "max_pool", "relu", "global_avg_pool"]


def test_quantised_weights_and_fewer_bits() -> None:
    """Weights stored as integers are folded, per channel too; a Clip between the two quantisers narrows the levels; a
    pool between them is kept.
    """
    arrays = {
        "w": DRAW.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
        "ws": np.array([0.01, 0.02, 0.005, 0.01], np.float32),
        "wz": np.zeros(4, np.int8),
        "b": DRAW.integers(-9, 9, 4).astype(np.int32),
        "s": np.float32(0.4),
        "z": np.array(0, np.uint8),
        "low": np.array(0, np.uint8),
        "high": np.array(7, np.uint8),
    }
    nodes = [
        node("DequantizeLinear", "w ws wz", "weights", axis=0),
        node("DequantizeLinear", "b ws", "bias", axis=0),
        node("Conv", "x weights bias", "c"),
        node("QuantizeLinear", "c s z", "q", "act"),
        node("Clip", "q low high", "k"),
        node("DequantizeLinear", "k s z", "h"),
    ]
    for opset in (13, 21):
        graph = agrees(flat(nodes, arrays, opset), like=flat(nodes, arrays, 21))
        assert ops(graph) == ["conv", "quantise", "flatten"] and graph["act"].attributes["levels"] == 7
    pooled = [
        node("QuantizeLinear", "x s z", "q"),
        node("MaxPool", "q", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("DequantizeLinear", "p s z", "h"),
    ]
    agrees(flat(pooled, {"s": np.float32(0.017), "z": np.array(0, np.uint8)}, 21))


def test_floor_and_round_as_quantisers() -> None:
    """QCFS as its authors write it, and Clip around Round: quantise nodes, with no affine node left around them."""
    arrays = {
        "t": np.float32(1.7),
        "levels": np.float32(8),
        "zero": np.float32(0),
        "one": np.float32(1),
        "half": np.float32(0.5),
        "w": draw(4, 3, 2, 2),
    }
    start = [
        node("Conv", "x w", "c"),
        node("Div", "c t", "a"),
        node("Clip", "a zero one", "k"),
        node("Mul", "k levels", "m"),
    ]
    end = [node("Div", "f levels", "g"), node("Mul", "g t", "h")]
    graph = agrees(flat([*start, node("Add", "m half", "n"), node("Floor", "n", "f", "act"), *end], arrays))
    assert ops(graph) == ["conv", "quantise", "flatten"]
    assert dict(graph["act"].attributes) == {"alpha": pytest.approx(1.7), "levels": 8, "rounding": "nearest"}
    assert not graph.notes
    graph = agrees(flat([*start, node("Floor", "m", "f", "act"), *end], arrays))
    assert graph["act"].attributes["rounding"] == "floor"
    graph = agrees(
        flat(
            [
                node("Div", "x t", "a"),
                node("Round", "a", "r", "act"),
                node("Clip", "r zero levels", "k"),
                node("Mul", "k t", "h"),
            ],
            arrays,
        )
    )
    assert ops(graph) == ["quantise", "flatten"] and graph["act"].attributes["alpha"] == pytest.approx(1.7 * 8)
    refused(
        flat([node("Floor", "x", "h", "alone")]),
        "reads what alone rounds without a quantiser around it",
        "Clip with two bounds",
    )


def test_hard_sigmoids_spelled_out() -> None:
    """Scales and clips that are a hard sigmoid become one node, which a quantiser after it takes in; so does torch's
    importer.
    """
    arrays = {"three": np.float32(3), "six": np.float32(6), "sixth": np.float32(1 / 6), "half": np.float32(0.5)}
    arrays |= {"zero": np.float32(0), "one": np.float32(1), "m": np.float32(31)}
    relu6 = [node("Add", "x three", "a"), node("Clip", "a zero six", "c"), node("Div", "c six", "h", "act")]
    unit = [node("Mul", "x sixth", "a"), node("Add", "a half", "c"), node("Clip", "c zero one", "h", "act")]
    for nodes in (relu6, unit):
        graph = agrees(flat(nodes, used(arrays, nodes)))
        assert ops(graph) == ["hard_sigmoid", "flatten"]
        assert graph["act"].attributes == pytest.approx({"slope": 1 / 6, "offset": 0.5})
        nodes = [*nodes[:-1], node(nodes[-1].op_type, " ".join(nodes[-1].input), "s")]
        nodes += [node("Mul", "s m", "b"), node("Round", "b", "r"), node("Div", "r m", "h")]
        assert ops(agrees(flat(nodes, used(arrays, nodes)))) == ["affine", "quantise", "affine", "flatten"]


def test_a_constant_that_is_rounded() -> None:
    """Rounding what clips make a constant takes in so much of the chain alone that it has two levels."""
    nodes = [node("Clip", "x zero one", "a"), node("Add", "a three", "b"), node("Clip", "b zero one", "c")]
    nodes += [node("Round", "c", "r"), node("Clip", "r zero six", "h")]
    arrays = {"zero": np.float32(0), "one": np.float32(1), "three": np.float32(3), "six": np.float32(6)}
    assert ops(agrees(flat(nodes, arrays))) == ["clip", "affine", "quantise", "flatten"]


def used(arrays: dict[str, Any], nodes: Sequence[Any]) -> dict[str, Any]:
    """The arrays that the nodes read."""
    return {name: array for name, array in arrays.items() if any(name in made.input for made in nodes)}


def test_one_quantiser_for_all_its_readers() -> None:
    """A value quantised once and dequantised twice is one node."""
    arrays = {"s": np.float32(0.0137), "z": np.array(0, np.uint8)}
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "a"),
        node("DequantizeLinear", "q s z", "b"),
        node("Add", "a b", "h"),
    ]
    assert ops(agrees(flat(nodes, arrays, 21))) == ["quantise", "add", "flatten"]


def test_everything_without_a_form_is_listed_at_once() -> None:
    """One line names each operator by its path, with the nearest form; operators that keep the shape do not hide what
    follows them.
    """
    nodes = [
        node("Ceil", "x", "a", "one"),
        node("Conv", "a w", "b", "two"),
        node("Softmax", "b", "c", "three", axis=1),
        node("Split", "c", "d e", "four", axis=1),
        node("Add", "d e", "f", "five"),
        node("LRN", "f", "g", "six", size=3),
        node("Slice", "x start end", "i", "seven"),
        node("Concat", "g i", "j", "eight", axis=1),
        node("Flatten", "j", "y"),
    ]
    net = model(nodes, {"w": draw(4, 3, 3), "start": np.array([0, 0, 5]), "end": np.array([1, 3, 5])}, opset=13)
    named = (
        "one: Ceil (nearest: Floor or Round in a quantiser)",
        "two: Conv has weights",
        "six: LRN (nearest: BatchNormalization)",
        "seven: Slice cuts axis 2",
    )
    line = refused(net, *named, "GRAPH-7")
    assert "four:" not in line and "five:" not in line and "eight:" not in line and line.count("; ") == 4
    assert "three: Softmax (nearest: Softmax at the very end)" in line and "5 of 9 operators" in line
    custom = node("FusedConv", "x", "a", "fused")
    custom.domain = "com.example"
    made = model([custom, node("Flatten", "a", "y")])
    made.opset_import.append(helper.make_opsetid("com.example", 1))
    refused(made, "fused: FusedConv of domain com.example")


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([node("Mul", "x map", "h", "n")], ["n: Mul has a constant that differs from place to place"]),
        ([node("Add", "x wide", "h", "n")], ["n: Add has a constant of shape (2, 1, 1, 1)"]),
        ([node("Mul", "x nan", "h", "n")], ["n: Mul has a constant that is not finite"]),
        ([node("Div", "x zero", "h", "n")], ["n: Div divides by 0"]),
        ([node("Conv", "x x", "h", "n")], ["n: Conv computes its weights from the image"]),
        ([node("Transpose", "x", "h", "n", perm=[0, 1, 3, 2])], ["GlobalAveragePool reads"]),
        ([node("Reshape", "x shuffle", "h", "n")], ["n: Reshape reshapes", "splits an axis"]),
        ([node("Concat", "x x", "h", "n", axis=0)], ["n: Concat joins values along axis 0"]),
        (
            [node("Cast", "x", "i", "n", to=TensorProto.INT32), node("Cast", "i", "h", to=TensorProto.FLOAT)],
            ["n: Cast to int32"],
        ),
        ([node("Dropout", "x half true", "h", "n")], ["n: Dropout in training mode"]),
        (
            [node("QuantizeLinear", "x scales", "q", "n", axis=1), node("DequantizeLinear", "q scales", "h", axis=1)],
            ["n: QuantizeLinear has a scale"],
        ),
        ([node("QuantizeLinear", "x k", "q"), node("Conv", "q w", "h", "n")], ["n: Conv computes with integers"]),
        ([node("ReduceMean", "x", "h", "n", axes=[1])], ["n: ReduceMean over axes [1]"]),
        (
            [node("ConstantOfShape", "huge", "k2", "n"), node("Add", "x k2", "h")],
            ["n: ConstantOfShape makes constants of more than"],
        ),
    ],
)
def test_forms_of_operators_that_are_refused(nodes: list[Any], words: list[str]) -> None:
    """Each is named with what is wrong and the nearest form."""
    constants = {
        "k": np.float32(2),
        "zero": np.float32(0),
        "nan": np.float32("nan"),
        "map": draw(9, 8),
        "wide": draw(2, 1, 1, 1),
        "shuffle": np.array([-1, 9, 8, 3, 1]),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        "half": np.float32(0.5),
        "true": np.array(True),
        "scales": np.array([0.1, 0.2, 0.3], np.float32),
        "huge": np.array([2**30, 2**30]),
        "w": draw(2, 3, 1, 1),
    }
    read = {name for made in nodes for name in made.input}
    line = refused(ended(nodes, {name: array for name, array in constants.items() if name in read}), *words)
    assert "nearest: " in line


def test_weights_that_are_no_numbers() -> None:
    """NaN and infinite weights are refused with the name of the node."""
    weights = draw(4, 3, 3, 3)
    weights[1, 2, 0, 0] = np.nan
    refused(
        ended([node("Conv", "x w", "h", "layer.conv")], {"w": weights}),
        "layer.conv",
        "weight[1, 2, 0, 0]",
        "nan",
        "GRAPH-4",
    )
    refused(
        model(
            [node("Flatten", "x", "f"), node("Gemm", "f w", "y", "head")], {"w": np.full((216, 2), np.inf, np.float32)}
        ),
        "head",
        "inf",
        "GRAPH-4",
    )


def test_sizes_left_open() -> None:
    """Open H and W are refused by name without an input contract and fixed by one; an open batch is fine; sizes that
    differ are refused.
    """
    net = ended([node("Conv", "x w", "h")], {"w": draw(2, 3, 3, 3)}, shape=("batch", 3, "height", "width"))
    refused(
        net, "input x", "leaves sizes open", "H (height), W (width)", "Pixels(channels, height, width)", pixels=None
    )
    agrees(net)
    refused(
        net,
        "does not meet the input contract: 1 x 9 x 8",
        "the model takes batch x 3 x height x width",
        "GRAPH-5",
        pixels=Pixels(1, 9, 8),
    )
    net = ended([node("Relu", "x", "h")], shape=("N", 3, 5, 5))
    refused(net, "the model takes N x 3 x 5 x 5")
    graph = from_onnx(net)
    assert graph.input is None and graph.notes == ("made for images 3 x 5 x 5",)
    assert graph.with_input(Pixels(3, 5, 5)).forward(codes(Pixels(3, 5, 5))).shape == (2, 3)
    refused(ended([node("Relu", "x", "h")], shape=("N", 3, 5)), "does not meet the input contract")
    refused(ended([node("Relu", "x", "h")], shape=(3,)), "not a batch of images")


def test_models_with_other_inputs_and_outputs() -> None:
    """Two inputs, opsets too old or too new: refused; inputs that have initial values are no inputs. Several outputs,
    and maps, are outputs of the graph.
    """
    net = ended([node("Conv", "x w", "h")], {"w": draw(2, 3, 3, 3)})
    net.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [2, 3, 3, 3]))
    agrees(net)
    net.graph.input.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, [1]))
    refused(net, "has 2 inputs: x, second")
    net = ended([node("Relu", "x", "h")])
    net.graph.output.append(helper.make_tensor_value_info("h", TensorProto.FLOAT, ["N"]))
    both = from_onnx(net, PIXELS)
    assert list(both.outputs) == ["y", "h"] and both.shapes[both.outputs["h"]] == PIXELS.shape
    assert from_onnx(model([node("Relu", "x", "y")])).output_nodes == {"y": "y"}
    refused(model([node("Relu", "x", "y")], opset=6), "opset not supported: 6", "opsets 7 to")
    refused(model([node("Relu", "x", "y")], opset=NEWEST + 1), f"opset not supported: {NEWEST + 1}")
    assert ops(from_onnx(model([node("Identity", "x", "y")], shape=("N", 216)), PIXELS)) == ["flatten"]
    assert ops(from_onnx(model([node("Identity", "x", "y")], shape=("N", 7)))) == ["identity"]


def several(nodes: Sequence[Any], outputs: dict[str, Sequence[Any]], arrays: dict[str, Any], opset: int = 17) -> Any:
    """A model of several outputs, each of this shape behind the batch."""
    made = model(nodes, arrays, opset)
    del made.graph.output[:]
    for name, shape in outputs.items():
        made.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]))
    return made


HEADS = [
    *(node("Conv", "x w", "c", "/stem/Conv"), node("Relu", "c", "h"), node("Conv", "h v", "seg", "/seg/Conv")),
    *(node("Transpose", "seg", "turned", perm=[0, 2, 3, 1]), node("Softmax", "seg", "soft", axis=1)),
    node("Reshape", "turned s", "anchors"),
    *(node("GlobalAveragePool", "h", "p"), node("Flatten", "p", "f"), node("Gemm", "f u", "row", "/fc/Gemm")),
    *(node("Gemm", "f t", "logit"), node("Sigmoid", "logit", "yes")),
]
SIZES = {
    "seg": (4, 7, 6),
    "turned": (7, 6, 4),
    "soft": (4, 7, 6),
    "anchors": (84, 2),
    "row": (5,),
    "logit": (1,),
    "yes": (1,),
    "h": (2, 7, 6),
}


@pytest.mark.parametrize(
    ("outputs", "nodes", "notes"),
    [
        (("seg",), ("seg",), ()),
        (("seg", "row"), ("seg", "fc"), ()),
        (("turned",), ("seg",), ("output turned: H x W x C there, C x H x W here",)),
        (("anchors",), ("seg",), ("output anchors: in another order there, C x H x W here",)),
        (("soft", "row"), ("seg", "fc"), ("Softmax at the end left out: soft",)),
        (("yes",), ("logit",), ("Sigmoid at the end left out",)),
        (("h", "yes"), ("h", "logit"), ("Sigmoid at the end of output yes left out",)),
    ],
)
def test_several_outputs_and_maps(outputs: tuple[str, ...], nodes: tuple[str, ...], notes: tuple[str, ...]) -> None:
    """Outputs keep their names; a map is one, channels first; a Softmax that ends one is left out, and the Sigmoid of a
    single logit. Each is compared with onnx.reference (GRAPH-7).
    """
    arrays = {"w": draw(2, 3, 3, 3), "v": draw(4, 2, 1, 1), "u": draw(2, 5), "t": draw(2, 1), "s": np.array([0, -1, 2])}
    made = several(HEADS, {name: SIZES[name] for name in outputs}, arrays)
    graph = from_onnx(made, PIXELS)
    assert tuple(graph.output_nodes.values()) == nodes and graph.notes == notes
    assert tuple(graph.outputs) == (outputs if len(outputs) > 1 else ())
    for name, values in zip(outputs, graph.answers(codes(PIXELS)).values(), strict=True):
        (wanted,) = ReferenceEvaluator(made).run([name], {"x": PIXELS.normalise(codes(PIXELS))})
        told = values.transpose(0, 2, 3, 1) if name in ("turned", "anchors") else values
        told = {"yes": lambda v: 1 / (1 + np.exp(-v)), "soft": lambda v: softmax(v)}.get(name, lambda v: v)(told)
        assert np.abs(told.reshape(wanted.shape) - wanted).max() < 1e-4


def softmax(values: np.ndarray) -> np.ndarray:
    """Over channels."""
    raised = np.exp(values - values.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def test_outputs_that_are_refused() -> None:
    """A Softmax over places is none that orders classes, and an output that depends on no image is none (GRAPH-7)."""
    arrays = {"w": draw(2, 3, 3, 3), "k": draw(1, 2)}
    refused(
        several([node("Conv", "x w", "c"), node("Softmax", "c", "y", axis=3)], {"y": (2, 7, 6)}, arrays), "output c"
    )
    made = several([node("Conv", "x w", "c"), node("Identity", "k", "y")], {"c": (2, 7, 6), "y": (2,)}, arrays)
    refused(made, "output y: does not depend on the input")


def test_half_precision() -> None:
    """Weights and values of 16 bits are computed in float32, and a note says so."""
    nodes = [
        node("Cast", "x", "a", to=TensorProto.FLOAT16),
        node("Conv", "a w", "b"),
        node("Cast", "b", "h", to=TensorProto.FLOAT),
    ]
    graph = agrees(ended(nodes, {"w": draw(2, 3, 3, 3).astype(np.float16)}), near=1e-2)
    assert ops(graph) == ["conv", "global_avg_pool"] and graph.notes == ("float16 in the model, float32 here",)


def test_names() -> None:
    """Nodes are called as in the model, or by their output, in printable ASCII and each once; a layer that becomes
    several adds what each is.
    """
    nodes = [
        node("Relu", "x", "a", "blöck\n1"),
        node("Neg", "a", "b", "blöck\n1"),
        node("Sigmoid", "b", "h", ""),
        node("Flatten", "h", "y", "input"),
    ]
    wanted = ["bl_ck_1.relu", "bl_ck_1.affine", "h", "y.flatten"]
    assert [made.name for made in from_onnx(model(nodes), PIXELS).nodes] == wanted


def test_operators_that_nothing_reads_are_left_out() -> None:
    """What the output does not depend on is not looked at."""
    nodes = [node("Relu", "x", "h"), node("Tanh", "x", "t"), node("Flatten", "h", "y")]
    assert ops(agrees(model(nodes))) == ["relu", "flatten"]


def test_files(tmp_path: Path) -> None:
    """A path gives the graph and its name; what is no model, too large, holds data elsewhere or has functions is
    refused in one line.
    """
    net = ended([node("Conv", "x w", "h")], {"w": draw(2, 3, 3, 3)})
    path = tmp_path / "net.onnx"
    onnx.save(net, path)
    assert from_onnx(path, PIXELS).name == "net" and from_onnx(str(path)).input is None
    refused(tmp_path / "none.onnx", "no such file", error=FileError)
    refused(tmp_path, "no such file", error=FileError)
    (tmp_path / "text.onnx").write_bytes(b"what is this" * 9)
    refused(tmp_path / "text.onnx", "is not an ONNX model", error=FileError)
    (tmp_path / "empty.onnx").write_bytes(b"")
    refused(tmp_path / "empty.onnx", "the file is empty", error=FileError)
    with (tmp_path / "large.onnx").open("wb") as file:
        file.truncate(2**31)
    refused(tmp_path / "large.onnx", "is too large", error=FileError)
    outside = ended([node("Conv", "x w", "h")], {"w": draw(2, 3, 3, 3)})
    onnx.external_data_helper.set_external_data(outside.graph.initializer[0], "../../secret", 0, 216)
    outside.graph.initializer[0].ClearField("raw_data")
    refused(outside, "has data outside the model: w", "onnx.load")
    hidden = ended([node("Constant", "", "w", value=outside.graph.initializer[0]), node("Conv", "x w", "h")])
    refused(hidden, "has data outside the model: w")
    onnx.save(hidden, tmp_path / "hidden.onnx")
    refused(tmp_path / "hidden.onnx", "w: has data outside the model's folder: '../../secret'", error=FileError)
    function = helper.make_function("own", "F", ["a"], ["b"], [node("Relu", "a", "b")], [helper.make_opsetid("", 17)])
    net.functions.append(function)
    refused(net, "has functions of its own: F", "onnx.inliner")
    broken = ended([node("Relu", "nowhere", "h")])
    refused(broken, "refused by onnx.checker")
    with pytest.raises(UsageError, match="not a model: int"):
        from_onnx(3)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="not an input contract"):
        from_onnx(path, (3, 9, 8))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"^from_onnx: unknown argument: clases \(did you mean classes\?\)"):
        from_onnx(path, clases=())  # type: ignore[call-arg]


def spoiled(net: Any, chance: random.Random) -> Any:
    """The model with one thing changed: an operator, a name it reads, an attribute, a size or a type."""
    net = onnx.ModelProto.FromString(net.SerializeToString())
    made, tensor = chance.choice(net.graph.node), chance.choice(net.graph.initializer)
    numbers = (-(2**63), -2, -1, 0, 1, 2, 3, 7, 2**31, 2**62)
    names = [name for other in net.graph.node for name in (*other.input, *other.output)]
    match chance.randrange(6):
        case 0:
            made.op_type = chance.choice(
                [*from_onnx_operators(), "Expand", "Tile", "Range", "ConstantOfShape", "Gather", "Split", "Resize"]
            )
        case 1 if len(made.input):
            made.input[chance.randrange(len(made.input))] = chance.choice([*names, ""])
        case 2 if len(made.attribute) and len(made.attribute[0].ints):
            made.attribute[0].ints[chance.randrange(len(made.attribute[0].ints))] = chance.choice(numbers)
        case 3:
            tensor.dims[:] = [chance.choice((*tensor.dims, *numbers)) for _ in range(chance.randrange(4))]
        case 4:
            tensor.CopyFrom(
                numpy_helper.from_array(np.array(chance.choices(numbers, k=chance.randrange(5))), tensor.name)
            )
        case 5:
            made.attribute.append(
                helper.make_attribute(
                    chance.choice(["axis", "axes", "to", "group", "pads", "perm", "strides"]),
                    chance.choice([1, [1, 2], [3], "x", 0.5]),
                )
            )
    return net


def from_onnx_operators() -> list[str]:
    from fsref.importers.onnx.from_onnx import HANDLERS

    return sorted(HANDLERS)


def beside(
    folder: Path, location: str = "def.onnx.data", offset: int | str = 64, length: int | str = 216, size: int = 300
) -> Path:
    """A model in `folder` whose weight (2, 1, 3, 9) is said to be in another file, as torch.onnx.export writes it; the
    file lies there.
    """
    weight = np.arange(54, dtype=np.float32).reshape(2, 3, 3, 3)
    made = ended([node("Conv", "x w", "h")], {"w": weight})
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value != "":
            tensor.external_data.add(key=key, value=str(value))
    (folder / "def.onnx").write_bytes(made.SerializeToString())  # onnx.save looks for the file
    (folder / "def.onnx.data").write_bytes((bytes(64) + weight.tobytes() + bytes(200))[:size])
    return folder / "def.onnx"


def test_data_in_a_file_beside_the_model_are_read(tmp_path: Path) -> None:
    """What torch.onnx.export writes by default: weights in a file of their own, at an offset; also in a folder below,
    and to the end of the file.
    """
    weight = np.arange(54).reshape(2, 3, 3, 3)
    found = from_onnx(beside(tmp_path), PIXELS)
    assert np.array_equal(found.nodes[0].arrays["weight"], weight)
    assert np.array_equal(from_onnx(beside(tmp_path, length="", size=280), PIXELS).nodes[0].arrays["weight"], weight)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "w.bin").write_bytes(weight.astype(np.float32).tobytes())
    assert np.array_equal(from_onnx(beside(tmp_path, "below/w.bin", ""), PIXELS).nodes[0].arrays["weight"], weight)


def test_data_beside_the_model_are_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is read outside the model's folder, nor beyond the file, nor more than allowed; a missing file is named
    with what to do.
    """
    folder = tmp_path / "own"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(bytes(300))
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    for location in (
        "../secret",
        str(tmp_path / "secret"),
        "link",
        "up/secret",
        "..\\secret",
        "own/../def.onnx.data",
        "C:secret",
        "",
    ):
        refused(
            beside(folder, location),
            "def.onnx: w: has data outside the model's folder",
            repr(location),
            error=FileError,
        )
    refused(
        beside(folder, "none.data"),
        "the file of its data is missing: none.data",
        "torch.onnx.export(..., external_data=False)",
        error=FileError,
    )
    refused(beside(folder, "."), "the file of its data is missing: .", error=FileError)
    refused(beside(folder, "a\0b"), "cannot be read", error=FileError)
    refused(beside(folder, size=279), "its data end beyond def.onnx.data: 280 (279 bytes)", error=FileError)
    refused(beside(folder, offset=301, length=""), "its data end beyond def.onnx.data", error=FileError)
    for offset, length in ((-1, 216), (0, -1), ("1e1", 216), ("9" * 13, 216), (0, "９")):
        refused(
            beside(folder, offset=offset, length=length),
            "offset and length of its data are no numbers",
            error=FileError,
        )
    refused(beside(folder, length=212), "w")
    monkeypatch.setattr("fsref.importers.onnx.model.MAX_BYTES", (folder / "def.onnx").stat().st_size + 215)
    refused(beside(folder), "is too large with the data beside it: 216", error=FileError)


def test_models_changed_at_random_end_in_a_graph_or_one_line(tmp_path: Path) -> None:
    """A model with bytes replaced, cut or doubled, or with an operator, name, attribute or size changed: taken, or
    refused by an error of fsref.
    """
    arrays = {
        "w": draw(2, 3, 3, 3),
        "to": np.array([0, -1]),
        "fc": draw(12, 3),
        "b": draw(3),
        "s": np.float32(0.1),
        "z": np.array(0, np.uint8),
        "low": np.float32(0),
        "high": np.float32(6),
        "pads": np.array([0, 0, 1, 0, 0, 0, 0, 1]),
        "start": np.array([0]),
        "end": np.array([9]),
        "axes": np.array([3]),
        "step": np.array([2]),
    }
    nodes = [
        node("Conv", "x w", "c", pads=[0, 0, 0, 0], strides=[1, 1]),
        node("Clip", "c low high", "k"),
        node("QuantizeLinear", "k s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("Pad", "d pads low", "p"),
        node("MaxPool", "p", "m", kernel_shape=[2, 2], strides=[2, 2]),
        node("Transpose", "m", "t", perm=[0, 1, 2, 3]),
        node("Slice", "t start end axes step", "l"),
        node("Concat", "l l", "o", axis=2 - 1),
        node("ReduceMean", "o", "r", axes=[2]),
        node("Reshape", "r to", "f"),
        node("Gemm", "f fc b", "y"),
    ]
    arrays["fc"] = draw(8, 3)
    net = model(nodes, arrays, opset=17)
    assert from_onnx(net, PIXELS).nodes
    whole, chance, path = net.SerializeToString(), random.Random(11), tmp_path / "net.onnx"
    ends = {"graph": 0, "error": 0}
    for turn in range(400):
        data = bytearray(whole if turn % 2 else spoiled(net, chance).SerializeToString())
        for _ in range(turn % 2 * chance.randint(1, 4)):
            at = chance.randrange(len(data))
            data[at : at + chance.choice((0, 1, 1, 1, 3))] = bytes(
                chance.randrange(256) for _ in range(chance.choice((0, 1, 1, 1, 2)))
            )
        path.write_bytes(data)
        try:
            from_onnx(path, PIXELS)
            ends["graph"] += 1
        except FsrefError as error:
            assert "\n" not in str(error)
            ends["error"] += 1
    assert min(ends.values()) > 40, ends


def test_a_graph_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an input contract, logits of a drawn image are compared with onnx.reference before the graph is handed
    out.
    """
    from fsref.importers.onnx import comparison
    from fsref.importers.onnx.from_onnx import HANDLERS

    net = ended([node("Sigmoid", "x", "h")])
    monkeypatch.setitem(HANDLERS, "Sigmoid", lambda b, call: b.apply("relu", call.value()))
    refused(net, "logits differ from those of onnx.reference", "at most 0.001")
    monkeypatch.setattr(comparison, "MAX_MACS", -1)
    assert "too large to compare with onnx.reference" in from_onnx(net, PIXELS).notes


def test_without_onnx_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error names it."""
    import sys

    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r"pip install .fsref\[onnx\]"):
        from_onnx("net.onnx")
