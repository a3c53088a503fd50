"""ONNX models that are not valid, or claim more than they hold, are refused in a line, with little memory (GRAPH-7)."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from fsref.errors import FsrefError, GraphError  # noqa: E402
from fsref.graph.graph import Pixels  # noqa: E402
from fsref.importers.onnx.from_onnx import from_onnx  # noqa: E402
from refusals import check_line, refused  # noqa: E402

PIXELS = Pixels(1, 8, 8)


def model(weight: Any, *before: Any, name: str = "w", more: tuple[Any, ...] = (), opset: int = 17) -> Any:
    """A convolution of x with the value `name`, its activation and the mean over all places."""
    tensors = [weight if isinstance(weight, TensorProto) else numpy_helper.from_array(weight, "w"), *more]
    nodes = [
        *before,
        helper.make_node("Conv", ["x", name], ["c"], "conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu1"),
        helper.make_node("GlobalAveragePool", ["r"], ["g"], "mean"),
        helper.make_node("Flatten", ["g"], ["y"], "flat"),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 8])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])
    graph = helper.make_graph(nodes, "net", [given], [result], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def ones(kind: Any) -> Any:
    return np.ones((4, 1, 3, 3), kind)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.int64, np.float16, np.float64])
def test_types_that_do_not_go_together_are_refused(kind: Any) -> None:
    """Weights of another type than what they weigh are no model: the operator is named, with both types."""
    name = np.dtype(kind).name.replace("float64", "double")
    with refused(GraphError, "GRAPH-7", "model: conv1", f"X float, W {name}", says="Conv reads types"):
        from_onnx(model(ones(kind)), PIXELS)
    assert from_onnx(model(ones(np.float32)), PIXELS).nodes


@pytest.mark.parametrize(("name", "told"), [("strides", "strides [0, 1]"), ("dilations", "dilations [0, 1]")])
def test_windows_that_go_nowhere_are_refused_for_it(name: str, told: str) -> None:
    """A stride or a dilation of 0 is named, not how many numbers there are."""
    made = model(ones(np.float32))
    made.graph.node[0].attribute.append(helper.make_attribute(name, [0, 1]))
    with refused(GraphError, "GRAPH-7", says=("conv1: Conv has a window [3, 3]", told, "nearest: 1 or more each")):
        from_onnx(made, PIXELS)


def test_sizes_that_do_not_go_together_are_refused_wherever_they_are() -> None:
    """An operator that no logit needs is part of the model: the model is refused for it, by name; what a model only
    notes about sizes on the way is not held against it.
    """
    made = model(ones(np.float32))
    made.graph.value_info.append(helper.make_tensor_value_info("r", TensorProto.FLOAT, ["N", 7, 3, 3]))
    made.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 9
    assert from_onnx(made, PIXELS).nodes
    made.graph.node.append(helper.make_node("MatMul", ["r", "w"], ["unread"], "beside"))
    with refused(GraphError, "GRAPH-7", "model", says=("types or sizes do not go together", "node name: beside")):
        from_onnx(made, PIXELS)


def test_types_that_operators_change_go_together() -> None:
    """A Cast or a DequantizeLinear before the convolution makes its weights real; a type that only an operator beyond
    knows is not held against it.
    """
    cast = helper.make_node("Cast", ["w"], ["real"], "cast", to=TensorProto.FLOAT)
    assert from_onnx(model(ones(np.int8), cast, name="real"), PIXELS).nodes
    scale = numpy_helper.from_array(np.float32(0.5), "s")
    real = helper.make_node("DequantizeLinear", ["w", "s"], ["real"], "real")
    assert from_onnx(model(ones(np.int8), real, name="real", more=(scale,)), PIXELS).nodes
    with refused(GraphError, "GRAPH-7", "model: conv1", "X float, W int8"):
        kept = helper.make_node("Identity", ["w"], ["same"], "same")
        from_onnx(model(ones(np.int8), kept, name="same"), PIXELS)


def short() -> Any:
    tensor = numpy_helper.from_array(ones(np.float32), "w")
    tensor.raw_data = tensor.raw_data[:-4]
    return tensor


def claimed(*dims: int) -> Any:
    tensor = numpy_helper.from_array(ones(np.float32), "w")
    tensor.dims[:] = dims
    return tensor


def empty(*dims: int) -> Any:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT)
    tensor.dims.extend(dims)
    return tensor


def changed(change: Callable[[Any], None]) -> Any:
    made = model(ones(np.float32))
    change(made.graph)
    return made


def cycle(graph: Any) -> None:
    graph.node[0].input[0] = "r"


def twice(graph: Any) -> None:
    graph.node[1].output[0] = "c"
    graph.node[2].input[0] = "c"


def unknown(graph: Any) -> None:
    graph.node[1].input[0] = "nobody"


def two_weights(graph: Any) -> None:
    graph.initializer.append(numpy_helper.from_array(ones(np.float32), "w"))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: model(short()), "raw_data size"),
        (lambda: model(claimed(4, 1, 3, 4)), "raw_data size"),
        (lambda: model(claimed(-4, 1, 3, 3)), "Negative dimension"),
        (lambda: model(empty(2**20, 1, 2**10, 2**10)), "one and only one value field"),
        (lambda: model(ones(np.float32) * np.float32("nan")), "not a number that float32 holds"),
        (lambda: model(ones(np.float32) * np.float32("inf")), "not a number that float32 holds"),
        (lambda: changed(cycle), "topologically sorted"),
        (lambda: changed(twice), "SSA"),
        (lambda: changed(unknown), "nobody"),
        (lambda: changed(two_weights), "w"),
    ],
)
def test_models_that_are_not_valid_are_refused(make: Callable[[], Any], says: str) -> None:
    """Data of another size than told, values of no node, of two, in a circle, numbers that are none: one line."""
    with pytest.raises(FsrefError, match=says) as caught:
        from_onnx(make(), PIXELS)
    check_line(caught.value)


def shaped(op: str, *inputs: str, **about: Any) -> Any:
    return helper.make_node(op, list(inputs), ["big"], "big", **about)


def sizes(*numbers: int) -> Any:
    return numpy_helper.from_array(np.array(numbers, np.int64), "sizes")


@pytest.mark.parametrize(
    "make",
    [
        lambda: model(ones(np.float32), shaped("ConstantOfShape", "sizes"), name="big", more=(sizes(2**14, 2**14),)),
        lambda: model(
            ones(np.float32),
            helper.make_node("ConstantOfShape", ["below"], ["none"], "below"),
            helper.make_node("ConstantOfShape", ["sizes"], ["many"], "many"),
            shaped("Add", "none", "many"),
            name="big",
            more=(sizes(2**14, 2**14), numpy_helper.from_array(np.array([-(2**60), 1], np.int64), "below")),
        ),
        lambda: model(ones(np.float32), shaped("Expand", "w", "sizes"), name="big", more=(sizes(2**13, 2**14, 3, 3),)),
        lambda: model(ones(np.float32), shaped("Tile", "w", "sizes"), name="big", more=(sizes(2**13, 2**13, 1, 1),)),
    ],
)
def test_large_constants_of_a_small_model_are_not_made(make: Callable[[], Any], tmp_path: Path) -> None:
    """What operators on constants would make is known from their operands, and nothing below zero is set off against
    it; a model of a kilobyte takes little.
    """
    path = tmp_path / "small.onnx"
    path.write_bytes(make().SerializeToString())
    assert path.stat().st_size < 2000
    from_onnx(model(ones(np.float32)), PIXELS)
    tracemalloc.start()
    try:
        with pytest.raises(FsrefError) as caught:
            from_onnx(path, PIXELS)
        check_line(caught.value)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**26


def test_a_large_pad_is_not_compared(tmp_path: Path) -> None:
    """A model that pads to 16,000 x 16,000 is a graph; onnx.reference, which keeps all values, is not asked."""
    before = helper.make_node("Pad", ["x", "sizes"], ["padded"], "pad")
    made = model(ones(np.float32), before, more=(sizes(0, 0, 8000, 8000, 0, 0, 8000, 8000),))
    made.graph.node[1].input[0] = "padded"
    made.graph.node[1].attribute.append(helper.make_attribute("strides", [8, 8]))
    tracemalloc.start()
    try:
        graph = from_onnx(made, PIXELS)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2**24 and "too large to compare with onnx.reference" in graph.notes


def test_a_model_has_65536_operators_at_most() -> None:
    """One more is refused by their number, before anything else is looked at; 65,536 that give their output the same
    name are refused for that (GRAPH-7).
    """
    made = model(ones(np.float32))
    made.graph.node.extend([made.graph.node[0]] * (65_537 - len(made.graph.node)))
    with refused(GraphError, "GRAPH-7", "model", 65_537, says=("has too many operators", "at most 65536")):
        from_onnx(made, PIXELS)
    del made.graph.node[-1]
    with refused(GraphError, "GRAPH-7", says="refused by onnx.checker"):
        from_onnx(made, PIXELS)


def test_text_that_is_none_is_refused(tmp_path: Path) -> None:
    """Protobuf gives bytes for text that is not UTF-8: a name of a node, of an output, a string of an attribute's
    kind, in files and in Python.
    """
    good = model(np.ones((2, 1, 3, 3), np.float32)).SerializeToString()
    for text in (b"conv1", b"Conv", b"pads"):
        assert good.count(text) >= 1
        (tmp_path / "bad.onnx").write_bytes(good.replace(text, b"\xff" + text[1:]))
        with refused(GraphError, "GRAPH-7", str(tmp_path / "bad.onnx"), says="is not UTF-8 text: b'\\xff"):
            from_onnx(tmp_path / "bad.onnx", PIXELS)
    bad = onnx.ModelProto.FromString(good.replace(b"conv1", b"\xffonv1"))
    with refused(GraphError, "GRAPH-7", "model", says="a name is not UTF-8 text"):
        from_onnx(bad, PIXELS)
