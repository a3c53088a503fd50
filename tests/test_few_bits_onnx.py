"""ONNX models trained in few bits, spelt as their exporters spell them: every code is the model's own (GRAPH-7,
CONV-14). Scales are powers of two, so that float32 rounds nothing in the model, and ties occur.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")
ort = pytest.importorskip("onnxruntime", reason="the package onnxruntime is not installed")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

import fsref  # noqa: E402
from fsref.errors import GraphError  # noqa: E402
from fsref.importers.onnx.from_onnx import from_onnx  # noqa: E402
from fsref.law.images import Pixels  # noqa: E402
from fsref.testing import verify  # noqa: E402
from quantisers import FINN, OPERATORS, QONNX  # noqa: E402

MICROSOFT = "com.microsoft"
F = np.float32
Value = tuple[str, float, float]  # a value of the model, its scale, and what its first level stands for, in scales


def node(op: str, inputs: str, output: str, domain: str = "", **attributes: Any) -> Any:
    return helper.make_node(op, inputs.split(), output.split(), output, domain=domain, **attributes)


def model(nodes: Sequence[Any], arrays: dict[str, Any], outputs: dict[str, int], kind: int, opset: int = 13) -> Any:
    """A model from x (N, 2, 6, 6) to y, and to other values of these types."""
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]
    ends = [helper.make_tensor_value_info(name, kind, ["N", *"abc"]) for name, kind in outputs.items()]
    ends = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "classes"]), *ends]
    graph = helper.make_graph(
        list(nodes), "net", [helper.make_tensor_value_info("x", kind, ["N", 2, 6, 6])], ends, tensors
    )
    domains = [helper.make_opsetid(domain, 1) for domain in (QONNX, MICROSOFT, FINN)]
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), *domains], ir_version=8)
    if not outputs:
        return made
    one = onnx.ModelProto()
    one.CopyFrom(made)
    del one.graph.output[1:]
    return made, one


RNG = np.random.default_rng(16)
W1 = RNG.integers(-7, 8, (4, 2, 3, 3))
W2 = RNG.integers(-7, 8, (3, 4, 3, 3))
W3 = RNG.integers(-3, 4, (3, 3))
HEAD = [node("GlobalAveragePool", "h", "mean"), node("Flatten", "mean", "flat"), node("Gemm", "flat w3", "y", transB=1)]
REALS = {"w1": (W1 / 16 + RNG.uniform(-0.09, 0.09, W1.shape)).astype(F), "w2": (W2 / 8).astype(F)}
REALS["w1"][:, 0, 0, 0] = -2  # below all levels
STEPS = {"half": F(0.5), "eighth": F(1 / 8), "step": F(1 / 16), "four": F(4), "zero": F(0), "two": F(2)}
PIXELS = Pixels(2, 6, 6, scale=1 / 16, max_code=15)
CODES = Pixels(2, 6, 6, scale=1, max_code=255)


def quant(inputs: str, output: str, signed: int, narrow: int = 0, rounding: str = "ROUND") -> Any:
    return node("Quant", inputs, output, QONNX, signed=signed, narrow=narrow, rounding_mode=rounding)


def qonnx() -> tuple[Any, list[Value]]:
    """As qonnx and Brevitas export: weights and activations through Quant, W4A4, the second activation signed, the
    third 2 bits rounded down.
    """
    nodes = [
        quant("w1 step zero four", "q1", 1, 1),
        node("Conv", "x q1", "c1", pads=[1, 1, 1, 1]),
        node("Relu", "c1", "r1"),
        quant("r1 half zero four", "a1", 0),
        quant("w2 eighth zero four", "q2", 1, 1),
        node("Conv", "a1 q2", "c2", pads=[1, 1, 1, 1]),
        quant("c2 two zero four", "a2", 1),
        quant("a2 half two two", "h", 0, rounding="FLOOR"),
        *HEAD,
    ]
    arrays = {**REALS, **STEPS, "w3": W3.astype(F)}
    wanted = [("a1", 0.5, 0), ("a2", 2.0, -8), ("h", 0.5, -2)]
    return model(nodes, arrays, {"a1": 1, "a2": 1, "h": 1}, TensorProto.FLOAT), wanted


def bipolar() -> tuple[Any, list[Value]]:
    """Binary weights and activations, a scale for each channel."""
    arrays = {**REALS, **STEPS, "w3": W3.astype(F), "each": np.array([1, 2, 0.5, 0.25], F).reshape(4, 1, 1, 1)}
    nodes = [
        node("BipolarQuant", "w1 each", "q1", QONNX),
        node("Conv", "x q1", "c1"),
        node("Add", "c1 b1", "d1"),
        node("BipolarQuant", "d1 half", "a1", QONNX),
        node("BipolarQuant", "w2 step", "q2", QONNX),
        node("Conv", "a1 q2", "c2"),
        node("BipolarQuant", "c2 two", "h", QONNX),
        *HEAD,
    ]
    arrays["b1"] = (RNG.integers(-40, 40, (1, 4, 1, 1)) / 16).astype(F)
    return model(nodes, arrays, {"a1": 1, "h": 1}, TensorProto.FLOAT), [("a1", 1.0, -0.5), ("h", 4.0, -0.5)]


def finn() -> tuple[Any, list[Value]]:
    """As FINN streamlines: integer weights, thresholds a channel that are whole, and so not equally far apart."""
    even = np.linspace(-300, 1100, 7)[None] * RNG.uniform(0.5, 1.5, (4, 1)) + RNG.uniform(0, 9, (4, 1))
    arrays = {"t1": (np.ceil(even) - 0.25).astype(F), "t2": np.array([[-3.5, -1.5, 0.5]], F), "w3": W3.astype(F)}
    arrays |= {"w1": W1.astype(F), "w2": W2.astype(F)}
    nodes = [
        node("Conv", "x w1", "c1", pads=[1, 1, 1, 1]),
        node("MultiThreshold", "c1 t1", "a1", FINN, out_dtype="UINT3", out_scale=1.0, out_bias=0.0),
        node("Conv", "a1 w2", "c2"),
        node("MultiThreshold", "c2 t2", "h", FINN, out_dtype="INT2", out_scale=2.0, out_bias=-4.0),
        *HEAD,
    ]
    return model(nodes, arrays, {"a1": 1, "h": 1}, TensorProto.FLOAT), [("a1", 1.0, 0), ("h", 2.0, -2)]


INTEGERS = {
    "w1": W1.astype(np.int8),
    "w2": W2.astype(np.int8),
    "w3": W3.T.astype(np.int8),
    "b1": RNG.integers(500, 2000, 4).astype(np.int32),
    "each": np.array([1 / 16, 1 / 8, 1 / 32, 1 / 16], F),
    "zeros": np.zeros(4, np.int8),
    "s": F(1 / 16),
    "wide": F(2),
    "wider": F(8),
    "none": np.uint8(0),
    "z": np.uint8(3),
    "wz": np.int8(0),
    "mid": np.uint8(128),
    "ones": np.array(1, F),
}


def operators() -> tuple[Any, list[Value]]:
    """As ONNX Runtime quantises into operators: QLinearConv, QLinearAdd, QLinearGlobalAveragePool, QLinearMatMul."""
    nodes = [
        node("QLinearConv", "x s none w1 each zeros wide z b1", "a1", pads=[1, 1, 1, 1]),
        node("QLinearConv", "a1 wide z w2 s wz wide mid", "a2", pads=[1, 1, 1, 1]),
        node("QLinearAdd", "a2 wide mid a2 wide mid wider mid", "a3", MICROSOFT),
        node("QLinearGlobalAveragePool", "a3 wider mid wide mid", "a4", MICROSOFT, channels_last=0),
        node("Flatten", "a4", "f"),
        node("QLinearMatMul", "f wide mid w3 s wz s mid", "l"),
        node("DequantizeLinear", "l s mid", "y"),
    ]
    wanted = dict.fromkeys(("a1", "a2", "a3", "a4"), TensorProto.UINT8)
    return model(nodes, INTEGERS, wanted, TensorProto.UINT8), [(name, 1.0, 0) for name in wanted]


def chains() -> tuple[Any, list[Value]]:
    """ConvInteger and MatMulInteger, their sums scaled by hand, with a bias before and behind."""
    arrays = INTEGERS | {
        "b": RNG.integers(-99, 99, (1, 4, 1, 1)).astype(np.int32),
        "w3": W3.astype(np.int8),
        "two": np.int8(2),
    }
    nodes = [
        node("ConvInteger", "x w1 none", "c1", pads=[1, 1, 1, 1]),
        node("Add", "c1 b", "d1"),
        node("Cast", "d1", "f1", to=TensorProto.FLOAT),
        node("Mul", "f1 s", "m1"),
        node("QuantizeLinear", "m1 wide z", "a1"),
        node("ConvInteger", "a1 w2 z two", "c2"),
        node("Cast", "c2", "f2", to=TensorProto.FLOAT),
        node("Mul", "f2 s", "m2"),
        node("Add", "m2 ones", "n2"),
        node("QuantizeLinear", "n2 wide mid", "a2"),
        node("DequantizeLinear", "a2 wide mid", "h"),
        node("GlobalAveragePool", "h", "mean"),
        node("Flatten", "mean", "flat"),
        node("QuantizeLinear", "flat s mid", "a3"),
        node("MatMulInteger", "a3 w3 mid", "l"),
        node("Cast", "l", "y", to=TensorProto.FLOAT),
    ]
    wanted = {"a1": TensorProto.UINT8, "a2": TensorProto.UINT8}
    return model(nodes, arrays, wanted, TensorProto.UINT8), [(name, 1.0, 0) for name in wanted]


def qcdq() -> tuple[Any, list[Value]]:
    """As Brevitas exports QCDQ: 3 bits by a Clip between the quantisers, of weights too."""
    arrays = REALS | INTEGERS | {"low": np.int8(-3), "high": np.int8(3), "seven": np.uint8(7), "zero": np.uint8(0)}
    arrays |= {"w1": REALS["w1"], "w2": REALS["w2"], "w3": W3.astype(F), "half": F(0.5)}

    def few(name: str, scale: str, zero: str, low: str, high: str, to: str) -> list[Any]:
        return [
            node("QuantizeLinear", f"{name} {scale} {zero}", f"{to}.q"),
            node("Clip", f"{to}.q {low} {high}", f"{to}.c"),
            node("DequantizeLinear", f"{to}.c {scale} {zero}", to),
        ]

    nodes = [
        *few("w1", "s", "wz", "low", "high", "q1"),
        node("DequantizeLinear", "x s none", "real"),
        node("Conv", "real q1", "c1", pads=[1, 1, 1, 1]),
        node("Relu", "c1", "r1"),
        *few("r1", "half", "zero", "zero", "seven", "a1"),
        *few("w2", "s", "wz", "low", "high", "q2"),
        node("Conv", "a1 q2", "c2"),
        node("Relu", "c2", "r2"),
        *few("r2", "half", "zero", "zero", "seven", "h"),
        *HEAD,
    ]
    wanted = dict.fromkeys(("a1.c", "h.c"), TensorProto.UINT8)
    return model(nodes, arrays, wanted, TensorProto.UINT8), [(name, 1.0, 0) for name in wanted]


def cast() -> tuple[Any, list[Value]]:
    """As torch.onnx exports what torch.ao converted: integers are cast to the type they have, or to a wider one."""
    nodes = [
        node("DequantizeLinear", "x s none", "real"),
        node("DequantizeLinear", "k1 s wz", "q1"),
        node("Conv", "real q1", "c1", pads=[1, 1, 1, 1]),
        node("Relu", "c1", "r1"),
        node("QuantizeLinear", "r1 half zero", "a1.q"),
        node("Cast", "a1.q", "a1.c", to=TensorProto.UINT8),
        node("DequantizeLinear", "a1.c half zero", "a1"),
        node("DequantizeLinear", "k2 s wz", "q2"),
        node("Conv", "a1 q2", "c2"),
        node("Relu", "c2", "r2"),
        node("QuantizeLinear", "r2 half zero", "h.q"),
        node("Cast", "h.q", "h.c", to=TensorProto.UINT16),
        node("DequantizeLinear", "h.c half wide", "h"),
        *HEAD,
    ]
    arrays = REALS | INTEGERS | {"zero": np.uint8(0), "wide": np.uint16(0), "half": F(0.5)}
    arrays |= {"k1": W1.astype(np.int8), "k2": W2.astype(np.int8), "w3": W3.astype(F)}
    wanted = dict.fromkeys(("a1.c", "h.q"), TensorProto.UINT8)
    return model(nodes, arrays, wanted, TensorProto.UINT8, 21), [(name, 1.0, 0) for name in wanted]


Build = Callable[[], tuple[Any, list[Value]]]


@pytest.mark.parametrize(
    ("build", "pixels"),
    [
        (qonnx, PIXELS),
        (bipolar, PIXELS),
        (finn, CODES),
        (operators, CODES),
        (chains, CODES),
        (qcdq, CODES),
        (cast, CODES),
    ],
)
def test_every_code_is_the_models(build: Build, pixels: Pixels) -> None:
    """The network is proved equal to the quantised one, and each population has the integers that the model itself
    computes, by ONNX Runtime or, of operators that it does not have, by their formulas.
    """
    (whole, one), wanted = build()
    net = fsref.convert(from_onnx(one, pixels))
    told = net.provenance["trained"]
    assert told["equal"], told
    images = np.random.default_rng(3).integers(0, pixels.max_code + 1, (4, 2, 6, 6))
    feed = images.astype(np.uint8) if whole.graph.input[0].type.tensor_type.elem_type == 2 else pixels.normalise(images)
    names = [name for name, _, _ in wanted]
    if any(made.domain in (QONNX, FINN) for made in whole.graph.node):
        made = ReferenceEvaluator(whole, new_ops=OPERATORS).run(names, {"x": feed})
    else:
        made = ort.InferenceSession(whole.SerializeToString()).run(names, {"x": feed})
    codes = fsref.run(net, images, engine="reference", record=[p.name for p in net.fs]).codes
    seen = set()
    for p, values, (name, scale, first) in zip(net.fs, made, wanted, strict=False):
        expected = np.asarray(values).astype(np.float64) / scale - first
        assert (codes[p.name].reshape(expected.shape) == expected).all(), name
        seen.update(np.unique(expected).tolist())
    assert len(seen) >= 2


def test_verify_agrees_with_the_quantised_model(tmp_path: Path) -> None:
    """`verify` finds nothing between the network and the model it was made of, asked for its own integers."""
    (whole, one), wanted = qcdq()
    net = fsref.convert(from_onnx(one, CODES))
    for p, (name, _, _) in zip(net.fs, wanted, strict=False):
        for made in whole.graph.node:
            for side in (made.input, made.output):
                side[:] = [f"codes/{p.name}" if known == name else known for known in side]
        next(output for output in whole.graph.output if output.name == name).name = f"codes/{p.name}"
    del whole.graph.output[0]
    onnx.save(whole, tmp_path / "theirs.onnx")
    found = verify(net, tmp_path / "theirs.onnx", max_examples=20, budget=64)
    assert found.populations == tuple(p.name for p in net.fs)


@pytest.mark.parametrize(
    ("nodes", "arrays", "says"),
    [
        ([quant("x s zero bits", "h", 1)], {"bits": F(2.5)}, "h: Quant has a bit width of 2.5 .a whole one, 1..16."),
        ([quant("x s zero bits", "h", 1, rounding="DICE")], {"bits": F(4)}, "Quant rounds by DICE"),
        ([quant("x s zero x", "h", 1)], {}, "Quant has no constant bit width"),
        (
            [node("MultiThreshold", "x t", "h", FINN, out_dtype="UINT2")],
            {"t": np.array([[0.1, 0.2, 0.9]], F)},
            "thresholds that are not equally far apart",
        ),
        (
            [node("MultiThreshold", "x t", "h", FINN, out_dtype="UINT2")],
            {"t": np.array([[0.3, 0.2, 0.1]], F)},
            "thresholds that do not rise",
        ),
        ([node("QLinearConv", "x s z w1 s", "h")], {}, "QLinearConv"),
        (
            [
                node("QuantizeLinear", "x s z", "q"),
                node("Cast", "q", "c", to=TensorProto.INT8),
                node("DequantizeLinear", "c s", "h"),
            ],
            {},
            "Cast to int8",
        ),
        ([node("Trunc", "x s", "h", QONNX)], {}, "Trunc of domain qonnx.custom_op.general"),
    ],
)
def test_what_is_no_quantiser_is_named(nodes: list[Any], arrays: dict[str, Any], says: str) -> None:
    """A quantiser without its constants, or of another kind, is refused in one line that names it."""
    arrays = {
        "s": F(0.5),
        "zero": F(0),
        "z": np.uint8(0),
        "w1": W1.astype(np.int8),
        "w3": W3[:, :2].astype(F),
        **arrays,
    }
    with pytest.raises(GraphError, match=says) as caught:
        from_onnx(model([*nodes, *HEAD], arrays, {}, TensorProto.FLOAT), PIXELS)
    assert "\n" not in str(caught.value)
