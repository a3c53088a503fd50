"""ONNX operators that a graph has none for become curves, with those around them (GRAPH-11); onnx.reference is the
oracle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

from onnx import TensorProto  # noqa: E402

from test_from_onnx import agrees, draw, ended, flat, node, ops, refused  # noqa: E402

NUMBERS = {"one": 1.0, "two": 2.0, "half": 0.5, "tenth": 0.1, "minus": -1.0, "zero": 0.0, "six": 6.0}


def made(*given: str | Any) -> list[Any]:
    """Operators, each as `Op inputs -> output`."""
    found = []
    for one in given:
        if isinstance(one, str):
            op, inputs, output = one.split(" ", 1)[0], one.split(" ", 1)[1].split(" -> ")[0], one.split(" -> ")[1]
            one = node(op, inputs, output)
        found.append(one)
    return found


def graph(*given: str | Any, opset: int = 21) -> Any:
    """The graph of these operators, from x to h, compared with what onnx.reference gives."""
    nodes = made(*given)
    read = {name for one in nodes for name in one.input}
    arrays = {name: np.float32(value) for name, value in NUMBERS.items() if name in read}
    return agrees(flat(nodes, arrays, opset))


# By name: operators from x to h, and the formula that they are.
CURVES: dict[str, tuple[list[Any], str]] = {
    "a bump": (["Mul x x -> a", "Add a one -> b", "Div one b -> h"], "1 / (x * x + 1)"),
    "a power of two": (["Pow x two -> a", "Add a one -> b", "Reciprocal b -> h"], "1 / (x * x + 1)"),
    "snake": (
        ["Mul x six -> a", "Sin a -> b", "Pow b two -> c", "Div c six -> d", "Add d x -> h"],
        "0.16666666666666666 * (sin(6 * x) * sin(6 * x)) + x",
    ),
    "a bell": (["Mul x x -> a", "Neg a -> b", "Exp b -> h"], "exp(-(x * x))"),
    "where": (
        ["Greater x half -> a", "Mul x tenth -> b", "Where a x b -> h"],
        "where(where(x - 0.5, 1, 0), x, 0.1 * x)",
    ),
    "truth": (
        ["LessOrEqual x half -> a", "Less x minus -> b", "Or a b -> c", "Not c -> d", "Where d x zero -> h"],
        "",
    ),
    "one of two": (["Less x half -> a", "Less x minus -> b", "Xor a b -> c", "Where c x zero -> h"], ""),
    "equal": (["Relu x -> a", "Equal a zero -> b", "Sin x -> c", "Where b c x -> h"], ""),
    "a square root": (["Abs x -> a", "Add a one -> b", "Sqrt b -> h"], "sqrt(abs(x) + 1)"),
    "the larger of two": (["Sin x -> a", "Max a x -> h"], "max(sin(x), x)"),
    "the least of three": (["Sin x -> a", "Cos x -> b", "Min a b half -> h"], "min(min(sin(x), cos(x)), 0.5)"),
    "softsign": (["Softsign x -> h"], "x / (1 + abs(x))"),
    "a shrink": ([node("Shrink", "x", "h", lambd=0.4, bias=0.2)], ""),
    "a threshold": ([node("ThresholdedRelu", "x", "h", alpha=0.3)], "where(x - 0.3, x, 0)"),
    "a power": (["Abs x -> a", "Add a tenth -> b", "Pow b half -> h"], "(abs(x) + 0.1) ** 0.5"),
    "two to the x": (["Pow two x -> h"], "2 ** x"),
    "behind an activation": (["Relu x -> a", "Add a one -> b", "Log b -> h"], "log(max(x, 0) + 1)"),
    "before an activation": (["Sin x -> a", "Relu a -> h"], "max(sin(x), 0)"),
    "with a bool as a number": (
        ["Greater x zero -> a", node("Cast", "a", "b", to=TensorProto.FLOAT), "Sin x -> c", "Mul b c -> h"],
        "where(x, 1, 0) * sin(x)",
    ),
    **{name: ([f"{name} x -> h"], "") for name in ("Sinh", "Cosh", "Asinh", "Atan", "Tan", "Sign", "Exp")},
}


@pytest.mark.parametrize("name", CURVES)
def test_what_has_no_operator_is_one_curve(name: str) -> None:
    """Operators of one value, place by place, are one curve of it, of a formula that a person would write."""
    operators, formula = CURVES[name]
    found = graph(*operators)
    assert ops(found) == ["curve", "flatten"]
    assert not formula or found.nodes[0].attributes["formula"] == formula


@pytest.mark.parametrize(
    ("operators", "wanted"),
    [
        (["Neg x -> a", "Exp a -> b", "Add b one -> c", "Div one c -> h"], ["sigmoid"]),
        (["Neg x -> a", "Exp a -> b", "Add b one -> c", "Div x c -> h"], ["silu"]),
        (["Exp x -> a", "Add a one -> b", "Log b -> h"], ["softplus"]),
        (["Exp x -> a", "Add a one -> b", "Log b -> c", "Tanh c -> d", "Mul d x -> h"], ["mish"]),
        (["Exp x -> a", "Neg x -> b", "Exp b -> c", "Sub a c -> d", "Add a c -> e", "Div d e -> h"], ["tanh"]),
        (["Exp x -> a", "Sub a one -> b", "Greater x zero -> c", "Where c x b -> h"], ["elu"]),
        (["Max x zero -> a", "Sigmoid a -> b", "Mul b a -> h"], ["relu", "silu"]),
        (["Relu x -> a", "Neg a -> b", "Exp b -> c", "Add c one -> d", "Div one d -> h"], ["relu", "sigmoid"]),
        (["Greater x zero -> a", "Where a x zero -> h"], ["relu"]),
    ],
)
def test_curves_that_have_an_operator_become_it(operators: list[Any], wanted: list[str]) -> None:
    """What spells out sigmoid, tanh, softplus, elu, mish, silu or relu is that, of the nearest value of which it is."""
    assert ops(graph(*operators)) == [*wanted, "flatten"]


def test_what_stays_as_it_is() -> None:
    """Named operators are fused with nothing; a sum or a product of a curve and another value stays one."""
    assert ops(graph("Tanh x -> a", "Mul a x -> h")) == ["tanh", "mul", "flatten"]
    conv = [node("Conv", "x w", "c"), node("Conv", "x v", "d"), node("Sin", "c", "s"), node("Add", "s d", "h")]
    found = agrees(ended(conv, {"w": draw(3, 3, 1, 1), "v": draw(3, 3, 1, 1)}))
    assert [one.op for one in found.nodes][:4] == ["conv", "conv", "curve", "add"]


def test_a_quotient_of_two_values() -> None:
    """It is the product of the one and 1 over the other."""
    nodes = [node("Conv", "x w", "c"), *made("Abs x -> a", "Add a one -> b", "Div c b -> h")]
    found = agrees(ended(nodes, {"w": draw(3, 3, 1, 1), "one": np.float32(1)}))
    assert [one.op for one in found.nodes][:3] == ["conv", "curve", "mul"]


@pytest.mark.parametrize(
    ("operators", "said"),
    [
        (["Conv x w -> c", "Max c x -> h"], "Max of several values (nearest: operands that one value makes"),
        (["Conv x w -> c", "Pow x c -> h"], "Pow of several values"),
        (["Greater x wide -> a", "Where a x zero -> h"], "Greater has a constant that is not one finite number"),
        (["Sin x -> a", "Pow a nan -> h"], "Pow has a constant that is not one finite number"),
    ],
)
def test_what_is_no_curve(operators: list[Any], said: str) -> None:
    """Several values, and constants that differ from channel to channel, are refused in a line."""
    arrays = {
        "w": draw(3, 3, 1, 1),
        "wide": draw(3, 1, 1),
        "nan": np.float32("nan"),
        "zero": np.float32(0),
    }
    nodes = made(*operators)
    read = {name for one in nodes for name in one.input}
    refused(ended(nodes, {name: array for name, array in arrays.items() if name in read}), said)
