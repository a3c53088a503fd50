"""The float graph: what each operator gives, shapes, refusals, the input contract, and its file."""

from __future__ import annotations

import copy
import io
import itertools
import json
import math
import pickle
import struct
import tracemalloc
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsref import load_graph, save
from fsref.errors import FileError, FsrefError, GraphError, InputError, UsageError
from fsref.formats import graph as files
from fsref.graph import arithmetic, graph
from fsref.graph.graph import Graph, Node, Pixels
from fsref.graph.operators import OPERATORS
from handmade import tiny
from members import array, members_of, npy, zipped
from nodes import residual
from refusals import refused

GUIDE = Path(graph.__file__).parent.parent / "guide" / "graph.md"
RNG = np.random.default_rng(20)


# The oracle: one image (C, H, W) at a time, loops over places and taps, float64, no code of fsref.


def taps(
    shape: tuple[int, ...], kernel: Iterable[int], a: Mapping[str, Any]
) -> dict[tuple[int, int], list[tuple[int, int, int, int]]]:
    """The real places each window sees: (y_out, x_out) -> (i, j, y, x)."""
    (kh, kw), (sy, sx), (top, left, bottom, right) = kernel, a["stride"], a["padding"]
    dy, dx = a.get("dilation", (1, 1))
    height = (shape[1] + top + bottom - dy * (kh - 1) - 1) // sy + 1
    width = (shape[2] + left + right - dx * (kw - 1) - 1) // sx + 1
    found: dict[tuple[int, int], list[tuple[int, int, int, int]]] = {}
    for y, x in itertools.product(range(height), range(width)):
        seen = [(i, j, y * sy - top + i * dy, x * sx - left + j * dx) for i in range(kh) for j in range(kw)]
        found[y, x] = [(i, j, r, c) for i, j, r, c in seen if 0 <= r < shape[1] and 0 <= c < shape[2]]
    return found


def slow(op: str, a: Mapping[str, Any], w: Mapping[str, Any], *xs: Any) -> Any:
    """What an operator gives for one image, by its meaning."""
    x = xs[0]
    c, h, width = x.shape

    def each(function: Any) -> Any:
        return np.array(
            [[[function(ch, float(x[ch, i, j])) for j in range(width)] for i in range(h)] for ch in range(c)]
        ).reshape(x.shape)

    def over(function: Any, kernel: Any, channels: int = c) -> Any:
        seen = taps(x.shape, kernel, a)
        out = np.empty((channels, *(1 + last for last in max(seen))))
        for place, places in seen.items():
            for ch in range(channels):
                out[(ch, *place)] = function(ch, places)
        return out

    def hard(v: float) -> float:
        return min(max(a["slope"] * v + a["offset"], 0.0), 1.0)

    def snap(v: float) -> float:
        level = math.floor(v * a["levels"] / a["alpha"] + (0.5 if a["rounding"] == "nearest" else 0.0))
        return float(a["alpha"]) / a["levels"] * min(max(level, 0), a["levels"])

    def at(ch: int, values: Any, i: int, j: int) -> float:
        return float(values[ch, i if values.shape[1] > 1 else 0, j if values.shape[2] > 1 else 0])

    def joined(function: Any) -> Any:
        big = max(xs, key=lambda v: v.shape[1] * v.shape[2]).shape
        return np.array(
            [
                [[function([at(ch, v, i, j) for v in xs]) for j in range(big[2])] for i in range(big[1])]
                for ch in range(big[0])
            ]
        ).reshape(big)

    match op:
        case "conv":
            weight, (each_in, each_out) = w["weight"], (w["weight"].shape[1], len(w["weight"]) // a["groups"])

            def conv(o: int, places: Any) -> float:
                first = o // each_out * each_in
                terms = (weight[o, k, i, j] * x[first + k, r, s] for i, j, r, s in places for k in range(each_in))
                return float(w["bias"][o] if "bias" in w else 0.0) + math.fsum(map(float, terms))

            return over(conv, weight.shape[2:], len(weight))
        case "dense":
            bias = w.get("bias", np.zeros(len(w["weight"])))
            return np.array(
                [
                    math.fsum([float(bias[o]), *(float(r * v) for r, v in zip(row, x.ravel(), strict=True))])
                    for o, row in enumerate(w["weight"])
                ]
            )[:, None, None]
        case "offset":
            return x + w["map"]
        case "batch_norm":
            return each(
                lambda ch, v: (
                    (v - w["mean"][ch]) / math.sqrt(w["variance"][ch] + a["eps"]) * w["gain"][ch] + w["offset"][ch]
                )
            )
        case "affine":
            return each(lambda ch, v: v * w["gain"][ch] + w["offset"][ch])
        case "relu":
            return each(lambda _, v: max(v, 0.0))
        case "leaky_relu":
            return each(lambda ch, v: v if v > 0 else v * w["slope"][ch])
        case "clip":
            return each(lambda _, v: min(max(v, a["low"]), a["high"]))
        case "quantise":
            return each(lambda _, v: snap(v))
        case "sigmoid":
            return each(lambda _, v: 1 / (1 + math.exp(-v)))
        case "silu":
            return each(lambda _, v: v / (1 + math.exp(-v)))
        case "tanh":
            return each(lambda _, v: math.tanh(v))
        case "erf":
            return each(lambda _, v: math.erf(v))
        case "gelu" if a["tanh"]:
            return each(lambda _, v: v / (1 + math.exp(-2 * math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))))
        case "gelu":
            return each(lambda _, v: v * math.erfc(-v / math.sqrt(2)) / 2)
        case "elu":
            return each(lambda _, v: v if v > 0 else a["alpha"] * (math.exp(v) - 1))
        case "softplus":
            return each(lambda _, v: math.log(1 + math.exp(v)))
        case "mish":
            return each(lambda _, v: v * math.tanh(math.log(1 + math.exp(v))))
        case "curve":  # of the one formula below
            return each(lambda _, v: max(v, 0.5) * math.sin(3 * v) / (1 + v * v))
        case "hard_sigmoid":
            return each(lambda _, v: hard(v))
        case "hard_swish":
            return each(lambda _, v: v * hard(v))
        case "add":
            return joined(math.fsum)
        case "mul":
            return joined(math.prod)
        case "concat":
            return np.array([list(map(list, channel)) for value in xs for channel in value])
        case "select":
            return np.array([x[ch] for ch in a["indices"]])
        case "view":
            shown = [[(i, j) for j in a["columns"]] for i in a["rows"]]
            return np.array(
                [[[x[ch, i, j] if min(i, j) >= 0 else 0.0 for i, j in row] for row in shown] for ch in range(c)]
            )
        case "max_pool":
            return over(lambda ch, places: max(float(x[ch, r, s]) for _, _, r, s in places), a["kernel"])
        case "avg_pool":
            size = a["kernel"][0] * a["kernel"][1]
            return over(
                lambda ch, places: (
                    math.fsum(float(x[ch, r, s]) for _, _, r, s in places)
                    / (size if a["count_include_pad"] else len(places))
                ),
                a["kernel"],
            )
        case "global_avg_pool":
            return np.array([math.fsum(map(float, x[ch].ravel())) / (h * width) for ch in range(c)])[:, None, None]
        case "flatten":
            return np.array([x[ch, i, j] for ch in range(c) for i in range(h) for j in range(width)])[:, None, None]
        case "pad":
            (top, left, bottom, right), (before, after) = a["padding"], a["channels"]
            out = np.full((before + c + after, top + h + bottom, left + width + right), float(a["value"]))
            for ch, i, j in itertools.product(range(c), range(h), range(width)):
                if 0 <= top + i < out.shape[1] and 0 <= left + j < out.shape[2]:
                    out[before + ch, top + i, left + j] = x[ch, i, j]
            return out
        case "subsample":
            rows, columns = range(0, h, a["stride"][0]), range(0, width, a["stride"][1])
            return np.array([[[x[ch, i, j] for j in columns] for i in rows] for ch in range(c)])
        case "identity":
            return x
    raise AssertionError(op)


def weights(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def norm(c: int) -> dict[str, Any]:
    return {"mean": weights(c), "variance": abs(weights(c)), "gain": weights(c), "offset": weights(c)}


# operator, attributes, arrays, shapes of its inputs
CASES: list[tuple[str, dict[str, Any], dict[str, Any], list[tuple[int, int, int]]]] = [
    ("conv", {}, {"weight": weights(4, 3, 1, 1)}, [(3, 5, 6)]),
    ("conv", {"stride": (2, 3)}, {"weight": weights(4, 3, 1, 1), "bias": weights(4)}, [(3, 5, 6)]),
    ("conv", {"padding": (1, 1, 1, 1)}, {"weight": weights(4, 3, 1, 1), "bias": weights(4)}, [(3, 4, 5)]),
    ("conv", {"padding": (1, 1, 1, 1)}, {"weight": weights(4, 3, 3, 3), "bias": weights(4)}, [(3, 5, 6)]),
    (
        "conv",
        {"padding": (2, 0, 1, 3), "stride": (2, 1), "dilation": (2, 3)},
        {"weight": weights(2, 3, 3, 2).astype(float)},
        [(3, 7, 6)],
    ),
    ("conv", {"groups": 2, "padding": (0, 1, 0, 1)}, {"weight": weights(6, 2, 3, 3), "bias": weights(6)}, [(4, 5, 4)]),
    (
        "conv",
        {"groups": 4, "stride": (2, 2), "padding": (0, 0, 1, 1)},
        {"weight": weights(4, 1, 3, 3), "bias": weights(4)},
        [(4, 6, 7)],
    ),
    ("conv", {"groups": 2, "dilation": (1, 2)}, {"weight": weights(6, 1, 2, 3)}, [(2, 4, 6)]),
    ("conv", {"groups": 2}, {"weight": weights(4, 3, 1, 1)}, [(6, 3, 2)]),
    ("conv", {}, {"weight": weights(3, 1, 2, 2)}, [(1, 3, 4)]),
    ("dense", {}, {"weight": weights(5, 7), "bias": weights(5)}, [(7, 1, 1)]),
    ("dense", {}, {"weight": weights(5, 7)}, [(7, 1, 1)]),
    ("batch_norm", {}, norm(3), [(3, 2, 4)]),
    ("batch_norm", {"eps": 0.5}, norm(3), [(3, 2, 1)]),
    ("affine", {}, {"gain": weights(3), "offset": weights(3)}, [(3, 4, 2)]),
    ("offset", {}, {"map": weights(2, 3, 4)}, [(2, 3, 4)]),
    ("relu", {}, {}, [(2, 3, 4)]),
    ("leaky_relu", {}, {"slope": weights(2)}, [(2, 3, 4)]),
    ("clip", {}, {}, [(2, 3, 4)]),
    ("clip", {"low": -1, "high": 0.5}, {}, [(2, 3, 4)]),
    ("quantise", {"alpha": 2.5, "levels": 5}, {}, [(2, 3, 4)]),
    ("quantise", {"alpha": 3, "levels": 7, "rounding": "floor"}, {}, [(2, 3, 4)]),
    ("sigmoid", {}, {}, [(2, 3, 4)]),
    ("silu", {}, {}, [(2, 3, 4)]),
    ("hard_sigmoid", {}, {}, [(2, 3, 4)]),
    ("hard_sigmoid", {"slope": 0.2, "offset": 0.4}, {}, [(2, 3, 4)]),
    ("hard_swish", {}, {}, [(2, 3, 4)]),
    ("hard_swish", {"slope": 1, "offset": -0.25}, {}, [(2, 3, 4)]),
    ("tanh", {}, {}, [(2, 3, 4)]),
    ("erf", {}, {}, [(2, 3, 4)]),
    ("gelu", {}, {}, [(2, 3, 4)]),
    ("gelu", {"tanh": True}, {}, [(2, 3, 4)]),
    ("elu", {}, {}, [(2, 3, 4)]),
    ("elu", {"alpha": 0.25}, {}, [(2, 3, 4)]),
    ("softplus", {}, {}, [(2, 3, 4)]),
    ("mish", {}, {}, [(2, 3, 4)]),
    ("curve", {"formula": "max(x, 0.5) * sin(3 * x) / (1 + x ** 2)"}, {}, [(2, 3, 4)]),
    ("add", {}, {}, [(2, 3, 4), (2, 3, 4)]),
    ("add", {}, {}, [(2, 1, 1), (2, 3, 4), (2, 3, 4)]),
    ("mul", {}, {}, [(2, 3, 4), (2, 1, 1)]),
    ("concat", {}, {}, [(2, 3, 4), (1, 3, 4), (3, 3, 4)]),
    ("select", {"indices": [2, 0, 2]}, {}, [(3, 4, 5)]),
    ("select", {"indices": np.arange(3)[::-1]}, {}, [(4, 1, 1)]),
    ("view", {"rows": (1, 0, 0), "columns": np.arange(5)[::-1]}, {}, [(2, 3, 5)]),
    ("view", {"rows": (0, -1, 2, 2), "columns": (-1, 3)}, {}, [(2, 3, 4)]),
    ("max_pool", {"kernel": (2, 3)}, {}, [(2, 5, 6)]),
    ("max_pool", {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 0, 1)}, {}, [(2, 5, 6)]),
    ("max_pool", {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0, 1, 1)}, {}, [(2, 5, 3)]),
    ("avg_pool", {"kernel": (2, 3)}, {}, [(2, 5, 6)]),
    ("avg_pool", {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1, 1, 0)}, {}, [(2, 5, 6)]),
    (
        "avg_pool",
        {"kernel": (3, 2), "stride": (2, 1), "padding": (2, 1, 1, 0), "count_include_pad": False},
        {},
        [(2, 5, 6)],
    ),
    ("avg_pool", {"kernel": (2, 2), "stride": (3, 3), "padding": (2, 2, 3, 3)}, {}, [(1, 2, 2)]),
    ("global_avg_pool", {}, {}, [(3, 4, 5)]),
    ("flatten", {}, {}, [(2, 3, 4)]),
    ("pad", {"padding": (1, 2, 0, 3), "channels": (1, 2), "value": -1.5}, {}, [(2, 3, 4)]),
    ("pad", {"channels": (4, 0)}, {}, [(2, 3, 4)]),
    ("pad", {"padding": (-1, 2, -1, -3), "value": 0.5}, {}, [(2, 4, 5)]),
    ("subsample", {}, {}, [(2, 5, 4)]),
    ("subsample", {"stride": (1, 3)}, {}, [(2, 5, 4)]),
    ("identity", {}, {}, [(2, 3, 4)]),
]


def feed(name: str, shape: tuple[int, int, int]) -> list[Node]:
    """Nodes that give a value of this shape from an input of one channel and at least its size, the last called
    `name`.
    """
    c, h, w = shape
    kernel = RNG.normal(size=(c, 1, 9 - h, 9 - w)) / (9 - h)
    return [Node(name, "conv", ("input",), {}, {"weight": kernel})]


def around(op: str, attributes: Any, arrays: Any, shapes: list[tuple[int, int, int]]) -> Graph:
    """A graph whose node "it" is the operator, on values of these shapes."""
    fed = [node for i, shape in enumerate(shapes) for node in feed(f"in{i}", shape)]
    it = Node("it", op, tuple(f"in{i}" for i in range(len(shapes))), attributes, arrays)
    return Graph(Pixels(1, 8, 8, 5, 4, 1 / 16, 255), (*fed, it, Node("out", "flatten", ("it",))))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_operators(case: Any) -> None:
    """Each operator gives, in float32, what its meaning says in double precision, and the shape that it says (GRAPH-2,
    GRAPH-3).
    """
    made = around(*case)
    node = made["it"]
    images = RNG.integers(0, 256, (3, 1, 8, 8), np.uint8)
    values = made.activations(images, [*node.inputs, "it", "out"])
    assert {value.dtype for value in values.values()} == {np.dtype(np.float32)}
    for k in range(3):
        wanted = slow(
            node.op, node.attributes, node.arrays, *(values[name][k].astype(np.float64) for name in node.inputs)
        )
        assert wanted.shape == made.shapes["it"] == values["it"][k].shape
        np.testing.assert_allclose(values["it"][k], wanted, rtol=1e-5, atol=1e-5)
        assert np.array_equal(values["out"][k].ravel(), values["it"][k].ravel())
    assert np.array_equal(made.forward(images), values["out"][:, :, 0, 0])


def test_every_operator_is_tried() -> None:
    """No operator is without a case above, and none is without a line in the guide, with its attributes and arrays."""
    assert {case[0] for case in CASES} == set(OPERATORS)
    table = GUIDE.read_text(encoding="utf-8").split("## Operators")[1].split("\n\n")[1].splitlines()[2:]
    rows = {
        op: (attributes, arrays)
        for op, attributes, arrays, _ in ([cell.strip() for cell in row.strip("|").split("|")] for row in table)
    }
    assert list(rows) == list(OPERATORS)
    for name, operator in OPERATORS.items():
        arrays = {a: f"{a} ({', '.join(axes)})" for a, axes in operator.arrays.items()}
        attributes = [a if x.required else f"{a} ({shown(x.default)})" for a, x in operator.attributes.items()]
        assert rows[name] == (
            ", ".join(attributes),
            ", ".join(f"[{text}]" if a in operator.optional else text for a, text in arrays.items()),
        )


def shown(default: Any) -> str:
    """A default as the guide writes it."""
    return "kernel" if default is None else "1/6" if default == 1 / 6 else json.dumps(default).replace(".0", "")


def test_convolutions_drawn() -> None:
    """Convolutions and pools of drawn geometry give what loops over places and taps give (GRAPH-2)."""
    rng = np.random.default_rng(5)
    for _ in range(60):
        groups, inner, outer = rng.integers(1, 4, 3).tolist()
        h, w = rng.integers(1, 8, 2).tolist()
        a = {
            "stride": tuple(rng.integers(1, 4, 2).tolist()),
            "padding": tuple(rng.integers(0, 3, 4).tolist()),
            "dilation": tuple(rng.integers(1, 3, 2).tolist()),
        }
        high = [
            (size + p + q - 1) // d + 1
            for size, p, q, d in zip((h, w), a["padding"][:2], a["padding"][2:], a["dilation"], strict=True)
        ]
        kernel = [int(rng.integers(1, min(5, k) + 1)) for k in high]
        arrays = {"weight": rng.normal(size=(groups * outer, inner, *kernel))}
        made = around("conv", {**a, "groups": groups}, arrays, [(groups * inner, h, w)])
        images = rng.integers(0, 256, (2, 1, 8, 8))
        values = made.activations(images, ["in0", "it"])
        wanted = [slow("conv", made["it"].attributes, arrays, x.astype(np.float64)) for x in values["in0"]]
        np.testing.assert_allclose(values["it"], wanted, rtol=1e-4, atol=1e-4)


def block() -> Graph:
    """A small residual network of three classes on 3 x 9 x 8 images, with one node that nothing reads."""
    rng = np.random.default_rng(3)

    def w(*shape: int) -> Any:
        return (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    same = {"padding": (1, 1, 1, 1)}
    nodes = (
        Node("stem", "conv", ("input",), same, {"weight": w(4, 3, 3, 3), "bias": w(4)}),
        Node("stem.act", "relu", ("stem",)),
        Node("pool", "max_pool", ("stem.act",), {"kernel": (2, 2)}),
        Node("layer1.0.conv1", "conv", ("pool",), {**same, "stride": (2, 2)}, {"weight": w(8, 4, 3, 3)}),
        Node(
            "layer1.0.bn1",
            "batch_norm",
            ("layer1.0.conv1",),
            {},
            {"mean": w(8), "variance": abs(w(8)), "gain": w(8), "offset": w(8)},
        ),
        Node("skip", "subsample", ("pool",)),
        Node("skip.pad", "pad", ("skip",), {"channels": (2, 2)}),
        Node("unread", "silu", ("skip.pad",)),
        Node("sum", "add", ("layer1.0.bn1", "skip.pad")),
        Node("act", "clip", ("sum",)),
        Node("both", "concat", ("act", "sum")),
        Node("mean", "global_avg_pool", ("both",)),
        Node("fc", "dense", ("mean",), {}, {"weight": w(3, 16).astype(np.float64), "bias": w(3)}),
    )
    return Graph(
        Pixels(3, 9, 8, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)),
        nodes,
        "block",
        ("cat", "dog", "éø"),
        ("a softmax at the end is left out",),
    )


def images_of(made: Graph, count: int, seed: int = 0) -> Any:
    assert made.input is not None
    return np.random.default_rng(seed).integers(0, made.input.max_code + 1, (count, *made.input.shape)).astype(np.uint8)


def test_a_network_as_a_whole() -> None:
    """The logits are what following every node by its meaning gives; users and shapes are those of the drawing."""
    made = block()
    images = images_of(made, 2)
    for k, image in enumerate(images):
        values = {
            "input": (image / 255 - np.array([0.4, 0.5, 0.6])[:, None, None])
            / np.array([0.2, 0.25, 0.3])[:, None, None]
        }
        for node in made.nodes:
            values[node.name] = slow(node.op, node.attributes, node.arrays, *(values[name] for name in node.inputs))
        found = made.activations(images[k : k + 1], values)
        assert list(found) == list(values) == list(made.shapes)
        for name, value in values.items():
            assert made.shapes[name] == value.shape
            np.testing.assert_allclose(found[name][0], value, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(made.forward(images)[k], values["fc"].ravel(), rtol=1e-5, atol=1e-5)
    assert made.forward(images).shape == (2, 3)
    assert made.output == "fc"
    assert made["sum"].inputs == ("layer1.0.bn1", "skip.pad")
    assert made.users == {
        "input": ("stem",),
        "stem": ("stem.act",),
        "stem.act": ("pool",),
        "pool": ("layer1.0.conv1", "skip"),
        "layer1.0.conv1": ("layer1.0.bn1",),
        "layer1.0.bn1": ("sum",),
        "skip": ("skip.pad",),
        "skip.pad": ("unread", "sum"),
        "unread": (),
        "sum": ("act", "both"),
        "act": ("both",),
        "both": ("mean",),
        "mean": ("fc",),
        "fc": (),
    }


def test_a_value_read_twice_by_one_node() -> None:
    """A node may read a value twice, and one that is kept is what it was when it was made."""
    made = Graph(
        Pixels(2, 1, 1),
        (
            Node("twice", "add", ("input", "input")),
            Node("relu", "relu", ("twice",)),
            Node("out", "affine", ("relu",), {}, ONES),
        ),
    )
    found = made.activations([[[[51]], [[0]]]], ["input", "twice", "out", "input"])
    assert {name: value.ravel().tolist() for name, value in found.items()} == {
        "input": [np.float32(0.2), 0.0],
        "twice": [np.float32(0.4), 0.0],
        "out": [np.float32(1.4), 1.0],
    }
    assert made.users["input"] == ("twice",)


ONES = {"gain": np.ones(2), "offset": np.ones(2)}


def test_batches_change_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many images go through at once, and however much of an image is unrolled at once, the values are the same
    but for the last bits.
    """
    made = block()
    images = images_of(made, 13)
    names = ["input", "stem", "both", "fc"]
    wanted = made.activations(images, names)
    for batch, numbers, strip, parts in (
        (13, 2**22, 2**20, [13]),
        (5, 2**22, 1, [5, 5, 3]),
        (64, 1, 200, [1] * 13),
        (64, 2000, 1000, [6, 6, 1]),
    ):
        monkeypatch.setattr(graph, "BATCH", batch)
        monkeypatch.setattr(graph, "BATCH_VALUES", numbers)
        monkeypatch.setattr(arithmetic, "STRIP", strip)
        found = made.activations(images, names)
        for name in names:
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(made.forward(images), wanted["fc"][:, :, 0, 0], rtol=1e-5, atol=1e-6)
        # The largest: 3 channels of 11 x 10 with padding.
        assert [len(part["stem"]) for part in made.stream(images, ["stem"])] == parts


def test_memory_is_bounded() -> None:
    """Values are freed when their last reader has run, and the memory taken does not grow with the number of images or
    nodes.
    """
    nodes = [
        Node("n0", "relu", ("input",)),
        *(Node(f"n{i}", "affine", (f"n{i - 1}",), {}, {"gain": [1.0], "offset": [0.0]}) for i in range(1, 40)),
    ]
    made = Graph(Pixels(1, 64, 64), (*nodes, Node("mean", "global_avg_pool", ("n39",))))
    images = np.zeros((3000, 1, 64, 64), np.uint8)
    made.forward(images[:1])
    tracemalloc.start()
    assert made.forward(images).shape == (3000, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    one = graph.BATCH * 64 * 64 * 4
    assert peak < 8 * one, f"{peak / one:.1f} values of a batch at once"
    around = Graph(
        Pixels(1, 8, 8),
        (
            Node(
                "wide",
                "conv",
                ("input",),
                {"padding": (2000,) * 4, "stride": (4000, 4000)},
                {"weight": np.ones((1, 1, 8, 8))},
            ),
            FLAT,
        ),
    )
    assert [len(part["wide"]) for part in around.stream(np.zeros((2, 1, 8, 8), int), ["wide"])] == [1, 1]


FLAT = Node("flat", "flatten", ("wide",))


def test_nodes_that_nobody_reads_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that no wanted value needs costs nothing and spoils nothing; infinity and NaN are refused only in what is
    asked for, naming where they began.
    """
    huge = Node("huge", "affine", ("input",), {}, {"gain": np.full(1, 3e38), "offset": np.full(1, 3e38)})
    made = Graph(Pixels(1, 1, 1, scale=1.0), (huge, Node("more", "clip", ("huge",)), Node("out", "relu", ("input",))))
    assert made.forward([[[[9]]]]).tolist() == [[9.0]]
    with refused(GraphError, "GRAPH-4", "huge"):
        made.activations([[[[9]]]], ["huge"])
    assert made.activations([[[[9]]]], ["more"])["more"].tolist() == [[[[6.0]]]]
    wrong = Graph(
        made.input,
        (
            huge,
            Node("zero", "affine", ("huge",), {}, {"gain": [0.0], "offset": [0.0]}),
            Node("logits", "relu", ("zero",)),
        ),
    )
    with refused(GraphError, "GRAPH-4", "huge"):  # inf * 0 is NaN further on
        wrong.forward([[[[9]]]])
    run: list[str] = []
    for name, operator in OPERATORS.items():
        monkeypatch.setitem(
            OPERATORS,
            name,
            replace(operator, forward=lambda *given, name=name, to=operator.forward: (run.append(name), to(*given))[1]),
        )  # type: ignore[index]
    block().forward(images_of(block(), 1))
    assert run == [node.op for node in block().nodes if node.name != "unread"]
    run.clear()
    block().activations(images_of(block(), 1), ["skip", "stem"])
    assert run == ["conv", "relu", "max_pool", "subsample"]


@pytest.mark.parametrize(("order", "first"), [("RGB", 0), ("", 0), ("BGR", 2)])
def test_contract(order: str, first: int) -> None:
    """The model sees (code * scale - mean) / std per channel, in its own order; images are always given in RGB
    (GRAPH-5).
    """
    pixels = Pixels(3, 2, 2, (0.485, 0.456, 0.406), [0.229, 0.224, 0.225], order=order)  # type: ignore[arg-type]
    assert pixels.order == (order or "RGB") and pixels.std == (0.229, 0.224, 0.225) and pixels.shape == (3, 2, 2)
    images = np.arange(0, 240, 10, dtype=np.uint8).reshape(2, 3, 2, 2)
    seen = pixels.normalise(images)
    assert seen.dtype == np.float32 and seen.shape == images.shape
    for b, c, y, x in itertools.product(range(2), range(3), range(2), range(2)):
        code = int(images[b, 2 - c if first else c, y, x])
        assert seen[b, c, y, x] == np.float32((code * (1 / 255) - pixels.mean[c]) / pixels.std[c])
    made = Graph(pixels, (Node("out", "global_avg_pool", ("input",)),))
    np.testing.assert_array_equal(made.activations(images, ["input"])["input"], seen)
    np.testing.assert_allclose(made.forward(images), seen.mean(axis=(2, 3)), rtol=1e-6)


def test_contract_of_other_channels() -> None:
    """One number is taken for every channel; one channel is L and takes (B, H, W); other numbers of channels have no
    order.
    """
    assert Pixels(1, 2, 2).order == "L" and Pixels(2, 2, 2).order == ""
    for wrong in ({"mean": (1.0, 2.0)}, {"order": "RGB"}):
        with pytest.raises(GraphError, match=r"\(1 channel[:)]"):
            Pixels(1, 2, 2, **wrong)
    plain = Pixels(2, 1, 1, (3.0, 3.0), (0.5, 0.5), 1 / 255, 65535)
    assert Pixels(2, 1, 1, 3, np.float32(0.5), max_code=65535) == plain  # type: ignore[arg-type]
    pixels = Pixels(1, 2, 3, -1.0, 2.0, 0.5, 16)
    assert pixels.normalise([[[0, 1, 2], [3, 4, 16]]]).tolist() == [[[[0.5, 0.75, 1.0], [1.25, 1.5, 4.5]]]]


@pytest.mark.parametrize(
    ("changes", "place", "value"),
    [
        ({"channels": 0}, "input channels", "0"),
        ({"height": 65537}, "input height", "65537"),
        ({"width": 2.0}, "input width", "2.0"),
        ({"width": True}, "input width", "True"),
        ({"height": None}, "input height", "None"),
        ({"channels": 2, "height": 65536, "width": 65536}, "input", 2**33),
        ({"max_code": 0}, "input max_code", "0"),
        ({"max_code": 65536}, "input max_code", "65536"),
        ({"resize": 0}, "input resize", "0"),
        ({"crop": "8"}, "input crop", "'8'"),
        ({"mean": (1.0, 2.0)}, "input mean", (1.0, 2.0)),
        ({"mean": float("nan")}, "input mean", ...),
        ({"mean": (0.0, 0.0, float("inf"))}, "input mean", ...),
        ({"mean": "half"}, "input mean", "half"),
        ({"mean": None}, "input mean", None),
        ({"std": 0.0}, "input std", 0.0),
        ({"std": (1.0, 1.0, -1.0)}, "input std", ...),
        ({"std": [[1.0, 1.0, 1.0]]}, "input std", ...),
        ({"scale": 0}, "input scale", 0),
        ({"scale": (1.0, 1.0, 1.0)}, "input scale", ...),
        ({"scale": 1e39}, "input scale", 1e39),
        ({"order": "rgb"}, "input order", "'rgb'"),
        ({"order": "L"}, "input order", "'L'"),
        ({"channels": 1, "order": "RGB"}, "input order", "'RGB'"),
        ({"channels": 4, "order": "RGB"}, "input order", "'RGB'"),
        ({"order": None}, "input order", "None"),
    ],
)
def test_contracts_that_are_refused(changes: dict[str, Any], place: str, value: Any) -> None:
    """A contract of impossible size, number, order or range is refused, naming the field (GRAPH-5)."""
    with refused(GraphError, "GRAPH-5", place, *(() if value is ... else (value,))):
        Pixels(**{"channels": 3, "height": 4, "width": 4, **changes})


def test_images_that_are_refused() -> None:
    """Images are integer codes (B, C, H, W) within 0..max_code (GRAPH-5); a graph without contract runs nothing."""
    made = Graph(Pixels(3, 2, 2, max_code=16), (Node("out", "global_avg_pool", ("input",)),))
    good = np.zeros((2, 3, 2, 2), np.int16)
    for images, place, value in (
        (good.astype(np.float32), "images", "float32, 0..0"),
        (good.astype(bool), "images", "bool, 0..0"),
        (good[0], "images", (3, 2, 2)),
        (good[:, :2], "images", (2, 2, 2, 2)),
        (good[:0], "images", 0),
        ([[1, 2], [3]], "images", "list"),
        (np.where(np.arange(24).reshape(good.shape) == 13, 17, 0), "images[1, 0, 0, 1]", 17),
        (np.where(np.arange(24).reshape(good.shape) == 5, -1, 0), "images[0, 1, 0, 1]", -1),
    ):
        for call in (
            made.forward,
            made.contract().normalise,
            lambda x: list(made.stream(x, ["out"])),
            lambda x: made.activations(x, ["out"]),
        ):
            with refused(InputError, "GRAPH-5", place, value):
                call(images)
    with refused(UsageError, "GRAPH-1", "names", "other"):
        made.activations(good, ["out", "other"])
    bare = replace(made, input=None)
    for what in (
        lambda: bare.forward(good),
        lambda: bare.activations(good, ["out"]),
        lambda: bare.shapes,
        bare.contract,
    ):
        with refused(GraphError, "GRAPH-5", "input"):
            what()
    assert bare.with_input(made.contract()).forward(good).tolist() == [[0.0] * 3] * 2 and "?" in str(bare)


def test_nodes_once_made() -> None:
    """A node holds every attribute as a plain value, and its own read-only arrays in single or double precision."""
    kernel = np.ones((2, 3, 1, 2), np.float32)
    inputs: Any = ["x"]
    node = Node("c", "conv", inputs, {"stride": np.array([2, 1]), "groups": np.int64(1)}, {"weight": kernel})
    assert node.inputs == ("x",) and dict(node.attributes) == {
        "stride": (2, 1),
        "padding": (0, 0, 0, 0),
        "dilation": (1, 1),
        "groups": 1,
    }
    assert {type(v) for v in (*node.attributes["stride"], node.attributes["groups"])} == {int} and node.parameters == 12
    kernel[:] = 7
    assert node.arrays["weight"].dtype == np.float32 and node.arrays["weight"].max() == 1
    with pytest.raises(ValueError, match="read-only"):
        node.arrays["weight"][0] = 2
    with pytest.raises(TypeError):
        node.attributes["groups"] = 2  # type: ignore[index]
    assert replace(node, name="d").arrays["weight"] is node.arrays["weight"]
    for given, kept in (
        (np.float16, np.float32),
        (np.float64, np.float64),
        (np.int64, np.float64),
        (">f4", np.float32),
        (np.uint8, np.float64),
    ):
        assert Node("d", "dense", ("x",), {}, {"weight": np.ones((2, 3), given)}).arrays["weight"].dtype == kept
    pool = Node("p", "max_pool", ("x",), {"kernel": [3, 2]})
    assert dict(pool.attributes) == {"kernel": (3, 2), "stride": (3, 2), "padding": (0, 0, 0, 0)}
    clip = Node("c", "clip", ("x",), {"high": 4})
    assert dict(clip.attributes) == {"low": 0.0, "high": 4.0} and type(clip.attributes["high"]) is float


W = np.ones((2, 3, 1, 1))
N = {name: np.ones(2) for name in ("mean", "variance", "gain", "offset")}


@pytest.mark.parametrize(
    ("arguments", "rule", "value"),
    [
        (("", "relu", ("x",)), "GRAPH-1", "''"),
        (("input", "relu", ("x",)), "GRAPH-1", "'input'"),
        (("é", "relu", ("x",)), "GRAPH-1", "'é'"),
        (("a\n", "relu", ("x",)), "GRAPH-1", ...),
        (("a\\b", "relu", ("x",)), "GRAPH-1", ...),
        (("a" * 257, "relu", ("x",)), "GRAPH-1", ...),
        ((3, "relu", ("x",)), "GRAPH-1", "3"),
        (("n", "softsign", ("x",)), "GRAPH-2", "softsign"),
        (("n", ["relu"], ("x",)), "GRAPH-2", ["relu"]),
        (("n", "relu", ()), "GRAPH-1", "()"),
        (("n", "relu", ("x", "y")), "GRAPH-1", "('x', 'y')"),
        (("n", "relu", (1,)), "GRAPH-1", "(1,)"),
        (("n", "relu", None), "GRAPH-1", "None"),
        (("n", "relu", "x"), "GRAPH-1", "'x'"),
        (("n", "add", ("x",)), "GRAPH-1", "('x',)"),
        (("n", "relu", ("x",), {"slope": 1}), "GRAPH-2", "slope"),
        (("n", "relu", ("x",), {}, {"weight": W}), "GRAPH-2", "weight"),
        (("n", "conv", ("x",), {}, {}), "GRAPH-2", "weight"),
        (("n", "conv", ("x",), {}, {"bias": np.ones(2)}), "GRAPH-2", "weight"),
        (("n", "batch_norm", ("x",), {}, {**N, "scale": np.ones(2)}), "GRAPH-2", "scale"),
        (("n", "batch_norm", ("x",), {}, {k: v for k, v in N.items() if k != "gain"}), "GRAPH-2", "gain"),
        (("n", "batch_norm", ("x",), {}, {**N, "gain": np.ones(3)}), "GRAPH-2", (3,)),
        (("n", "batch_norm", ("x",), {}, {**N, "variance": np.array([1, -1e-9])}), "GRAPH-2", None),
        (("n", "batch_norm", ("x",), {"eps": 0}, {**N, "variance": np.zeros(2)}), "GRAPH-2", None),
        (("n", "batch_norm", ("x",), {"eps": -1e-5}, N), "GRAPH-2", "-1e-05"),
        (("n", "conv", ("x",), {}, {"weight": W, "bias": np.ones(3)}), "GRAPH-2", (3,)),
        (("n", "conv", ("x",), {}, {"weight": np.ones((2, 3, 1))}), "GRAPH-2", (2, 3, 1)),
        (("n", "conv", ("x",), {}, {"weight": np.ones((2, 3, 0, 1))}), "GRAPH-2", (2, 3, 0, 1)),
        (("n", "conv", ("x",), {}, {"weight": "W"}), "GRAPH-2", np.dtype("<U1")),
        (("n", "conv", ("x",), {}, {"weight": W.astype(complex)}), "GRAPH-2", np.dtype(complex)),
        (("n", "conv", ("x",), {}, {"weight": W.astype(bool)}), "GRAPH-2", np.dtype(bool)),
        (("n", "conv", ("x",), {}, {"weight": [[1], [1, 2]]}), "GRAPH-2", np.dtype(object)),
        (("n", "conv", ("x",), {"stride": 1}, {"weight": W}), "GRAPH-2", "1"),
        (("n", "conv", ("x",), {"stride": (1, 0)}, {"weight": W}), "GRAPH-2", "(1, 0)"),
        (("n", "conv", ("x",), {"stride": (1, 1.0)}, {"weight": W}), "GRAPH-2", "(1, 1.0)"),
        (("n", "conv", ("x",), {"stride": (1, True)}, {"weight": W}), "GRAPH-2", "(1, True)"),
        (("n", "conv", ("x",), {"stride": "11"}, {"weight": W}), "GRAPH-2", "'11'"),
        (("n", "conv", ("x",), {"padding": (1, 1)}, {"weight": W}), "GRAPH-2", "(1, 1)"),
        (("n", "conv", ("x",), {"padding": (0, 0, 0, -1)}, {"weight": W}), "GRAPH-2", "(0, 0, 0, -1)"),
        (("n", "conv", ("x",), {"padding": (0, 0, 0, 65537)}, {"weight": W}), "GRAPH-2", "(0, 0, 0, 65537)"),
        (("n", "conv", ("x",), {"groups": 0}, {"weight": W}), "GRAPH-2", "0"),
        (("n", "conv", ("x",), {"groups": 10**400}, {"weight": W}), "GRAPH-2", ...),
        (("n", "max_pool", ("x",)), "GRAPH-2", "kernel"),
        (("n", "max_pool", ("x",), {"kernel": (2, 2), "dilation": (1, 1)}), "GRAPH-2", "dilation"),
        (("n", "max_pool", ("x",), {"kernel": (2, 2), "stride": None}), "GRAPH-2", "None"),
        (("n", "avg_pool", ("x",), {"kernel": (2, 2), "count_include_pad": 1}), "GRAPH-2", "1"),
        (("n", "select", ("x",), {"indices": []}), "GRAPH-2", "[]"),
        (("n", "select", ("x",), {"indices": (0, -1)}), "GRAPH-2", "(0, -1)"),
        (("n", "view", ("x",), {"rows": (0, -2), "columns": (0,)}), "GRAPH-2", "(0, -2)"),
        (("n", "view", ("x",), {"rows": (0,)}), "GRAPH-2", "columns"),
        (("n", "clip", ("x",), {"low": 7}), "GRAPH-2", None),
        (("n", "clip", ("x",), {"high": float("inf")}), "GRAPH-2", "inf"),
        (("n", "clip", ("x",), {"high": float("nan")}), "GRAPH-2", "nan"),
        (("n", "clip", ("x",), {"high": 10**400}), "GRAPH-2", ...),
        (("n", "clip", ("x",), {"high": "6"}), "GRAPH-2", "'6'"),
        (("n", "clip", ("x",), {"high": True}), "GRAPH-2", "True"),
        (("n", "quantise", ("x",), {"levels": 3}), "GRAPH-2", "alpha"),
        (("n", "quantise", ("x",), {"alpha": 0, "levels": 3}), "GRAPH-2", "0"),
        (("n", "quantise", ("x",), {"alpha": 1, "levels": 0}), "GRAPH-2", "0"),
        (("n", "quantise", ("x",), {"alpha": 1, "levels": 1.5}), "GRAPH-2", "1.5"),
        (("n", "quantise", ("x",), {"alpha": 1, "levels": 3, "rounding": "up"}), "GRAPH-2", "'up'"),
        (("n", "affine", ("x",), {}, {"gain": [1.0, float("nan")], "offset": [0.0, 0.0]}), "GRAPH-4", ...),
        (("n", "affine", ("x",), {}, {"gain": [1.0, 2.0], "offset": [float("-inf"), 0.0]}), "GRAPH-4", float("-inf")),
        (("n", "affine", ("x",), {}, {"gain": [1.0, 1e39], "offset": [0.0, 0.0]}), "GRAPH-4", 1e39),
    ],
)
def test_nodes_that_are_refused(arguments: tuple[Any, ...], rule: str, value: Any) -> None:
    """A node of a wrong name, operator, attribute, array or number is refused in one line that names it (GRAPH-1,
    GRAPH-2, GRAPH-4).
    """
    with refused(
        GraphError,
        rule,
        "node" if rule == "GRAPH-1" and arguments[0] != "n" else "n",
        *(() if value is ... else (value,)),
    ):
        Node(*arguments)


def test_names_that_are_taken() -> None:
    """Any printable ASCII but a backslash may stand in a name, such as ONNX and PyTorch use."""
    for name in ("/layer1/conv/Conv_output_0", "layer1.0.conv1", "a b", "~", "x" * 256, "inputs", "graph"):
        assert Node(name, "relu", ("input",)).name == name


RELU = Node("r", "relu", ("input",))
MEAN = Node("m", "global_avg_pool", ("input",))
PIXELS = Pixels(3, 4, 5)


@pytest.mark.parametrize(
    ("arguments", "rule", "place", "value"),
    [
        ((PIXELS, ()), "GRAPH-1", "graph", 0),
        ((PIXELS, ("r",)), "GRAPH-1", "graph", 1),
        ((PIXELS, (MEAN, MEAN)), "GRAPH-1", "m", None),
        ((PIXELS, (Node("a", "relu", ("b",)), Node("b", "relu", ("input",)))), "GRAPH-1", "a", "b"),
        ((PIXELS, (Node("a", "relu", ("a",)),)), "GRAPH-1", "a", "a"),
        ((PIXELS, (Node("a", "relu", ("Input",)),)), "GRAPH-1", "a", "Input"),
        ((None, (Node("a", "relu", ("b",)),)), "GRAPH-1", "a", "b"),
        ((PIXELS, (MEAN,), 5), "GRAPH-1", "graph", None),
        ((PIXELS, (MEAN,), "", (1, 2, 3)), "GRAPH-1", "graph", None),
        ((PIXELS, (MEAN,), "", ("a", "b")), "GRAPH-3", "classes", 2),
        ((PIXELS, (RELU,), "", (), (), {"a b": "r"}), "GRAPH-1", "outputs", "'a b'"),
        ((PIXELS, (RELU,), "", (), (), {"input": "r"}), "GRAPH-1", "outputs", "'input'"),
        ((PIXELS, (RELU,), "", (), (), {"out": "input"}), "GRAPH-1", "output out", "'input'"),
        ((PIXELS, (RELU,), "", (), (), ["r"]), "GRAPH-1", "outputs", "list"),
        (((3, 4, 5), (MEAN,)), "GRAPH-5", "input", "tuple"),
    ],
)
def test_graphs_that_are_refused(arguments: tuple[Any, ...], rule: str, place: str, value: Any) -> None:
    """Nodes stand in order under different names, outputs have names of their own and nodes that are there, and there
    is one name for each class or none (GRAPH-1, GRAPH-3, GRAPH-5).
    """
    with refused(GraphError, rule, place, value):
        Graph(*arguments)


@pytest.mark.parametrize(
    ("op", "attributes", "arrays", "shapes", "value"),
    [
        ("conv", {}, {"weight": np.ones((2, 2, 1, 1))}, [(3, 4, 5)], (2, 2, 1, 1)),
        ("conv", {"groups": 2}, {"weight": np.ones((3, 2, 1, 1))}, [(4, 4, 5)], (3, 2, 1, 1)),
        ("conv", {"groups": 3}, {"weight": np.ones((3, 1, 1, 1))}, [(4, 4, 5)], (3, 1, 1, 1)),
        ("conv", {}, {"weight": np.ones((1, 1, 5, 1))}, [(1, 4, 5)], (5, 1)),
        ("conv", {"dilation": (1, 5)}, {"weight": np.ones((1, 1, 1, 2))}, [(1, 4, 5)], (1, 2)),
        (
            "conv",
            {"padding": (60000,) * 4, "stride": (65536, 65536)},
            {"weight": np.ones((1, 1, 1, 1))},
            [(1, 4, 5)],
            120004 * 120005,
        ),
        ("conv", {"padding": (8000,) * 4}, {"weight": np.ones((9, 1, 1, 1))}, [(1, 4, 5)], 9 * 16004 * 16005),
        ("dense", {}, {"weight": np.ones((2, 20))}, [(1, 4, 5)], (2, 20)),
        ("dense", {}, {"weight": np.ones((2, 20))}, [(19, 1, 1)], (2, 20)),
        ("batch_norm", {}, N, [(3, 4, 5)], 2),
        ("affine", {}, {"gain": np.ones(1), "offset": np.ones(1)}, [(3, 4, 5)], 1),
        ("add", {}, {}, [(3, 4, 5), (3, 4, 4)], "(3, 4, 5), (3, 4, 4)"),
        ("add", {}, {}, [(3, 4, 5), (1, 4, 5)], "(3, 4, 5), (1, 4, 5)"),
        ("add", {}, {}, [(3, 4, 5), (2, 1, 1)], "(3, 4, 5), (2, 1, 1)"),
        ("mul", {}, {}, [(3, 4, 5), (3, 4, 1)], "(3, 4, 5), (3, 4, 1)"),
        ("mul", {}, {}, [(3, 4, 1), (3, 1, 4)], "(3, 4, 1), (3, 1, 4)"),
        ("concat", {}, {}, [(3, 4, 5), (3, 4, 4)], "(3, 4, 5), (3, 4, 4)"),
        ("concat", {}, {}, [(3, 4, 5), (3, 1, 1)], "(3, 4, 5), (3, 1, 1)"),
        ("select", {"indices": (0, 3, 2)}, {}, [(3, 4, 5)], 3),
        ("view", {"rows": (0, 4), "columns": (0,)}, {}, [(3, 4, 5)], 4),
        ("view", {"rows": (0,), "columns": (-1, 5)}, {}, [(3, 4, 5)], 5),
        ("pad", {"padding": (-2, 0, -2, 0)}, {}, [(3, 4, 5)], (3, 0, 5)),
        ("pad", {"padding": (-5, 0, 2, 0)}, {}, [(3, 4, 5)], (3, -1, 5)),
        ("max_pool", {"kernel": (5, 1)}, {}, [(3, 4, 5)], (5, 1)),
        ("max_pool", {"kernel": (2, 2), "padding": (0, 2, 0, 0)}, {}, [(3, 4, 5)], (0, 2, 0, 0)),
        ("max_pool", {"kernel": (2, 2), "padding": (0, 0, 2, 0)}, {}, [(3, 4, 5)], (0, 0, 2, 0)),
        (
            "avg_pool",
            {"kernel": (2, 2), "padding": (0, 2, 0, 0), "count_include_pad": False},
            {},
            [(3, 4, 5)],
            (0, 2, 0, 0),
        ),
        ("pad", {"padding": (65533, 0, 0, 0)}, {}, [(3, 4, 5)], (3, 65537, 5)),
        ("pad", {"padding": (0, 0, 0, 65532)}, {}, [(3, 4, 5)], (3, 4, 65537)),
        ("pad", {"padding": (65536, 65536, 0, 0)}, {}, [(3, 4, 5)], 3 * 65540 * 65541),
        ("pad", {"channels": (65536, 65536), "padding": (30, 30, 30, 30)}, {}, [(3, 4, 5)], 131075 * 64 * 65),
    ],
)
def test_shapes_that_are_refused(op: str, attributes: Any, arrays: Any, shapes: Any, value: Any) -> None:
    """Shapes that do not meet, windows larger than the image or full of padding, and values too large for anyone are
    refused by node (GRAPH-3).
    """
    with refused(GraphError, "GRAPH-3", "it", value):
        around(op, attributes, arrays, shapes)


def test_text() -> None:
    """A graph prints as a table: node, operator, shape, what it reads, parameters; then its notes."""
    lines = str(block()).splitlines()
    assert lines[:6] == [
        "block: 13 nodes, 483 parameters",
        "",
        "node            op               shape       reads                   parameters",
        "-------------------------------------------------------------------------------",
        "input                            3 x 9 x 8",
        "stem            conv             4 x 9 x 8   input                          112",
    ]
    assert lines[13] == "sum             add              8 x 2 x 2   layer1.0.bn1, skip.pad"
    assert lines[-1] == "note  a softmax at the end is left out"
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("length", [3, 41, 256])
def test_text_fits_80_columns(length: int) -> None:
    """However long its names and notes are, a graph prints in 80 columns and no letter of a name is lost."""
    chain = list(accumulate(range(6), lambda before, i: f"{i}" * length, initial="input"))
    nodes = [Node(name, "global_avg_pool", (before,)) for before, name in pairwise(chain)]
    nodes.append(Node("sum", "add", tuple(chain[1:])))
    made = Graph(Pixels(3, 9, 8), tuple(nodes), "g" * length, notes=("n " * length,))
    for shown in (str(made), str(replace(made, input=None))):
        assert max(map(len, shown.splitlines())) <= 80
        assert all(shown.count(digit) >= 3 * length for digit in "01234")


def test_notebooks() -> None:
    """A notebook shows a graph as a table of the same cells, escaped."""
    html = replace(block(), name="a<b")._repr_html_()
    assert html.startswith("<table><caption>a&lt;b: 13 nodes, 483 parameters</caption>")
    names = [node.name for node in block().nodes]
    for shown in (*names, "4 x 9 x 8", "layer1.0.bn1, skip.pad", "a softmax at the end is left out"):
        assert shown in html


def test_repr() -> None:
    """A repr is one line and names arrays by their shapes: no numbers of theirs are in it."""
    assert repr(block()) == "<Graph block: 13 nodes>"
    node = Node("stem", "conv", ("input",), {"stride": (2, 1)}, {"weight": np.full((512, 64, 3, 3), 7.0, np.float32)})
    assert repr(node) == (
        "Node('stem', 'conv', ('input',), {'stride': (2, 1), 'padding': (0, 0, 0, 0), 'dilation': (1, 1), 'groups': 1},"
        " weight float32 512 x 64 x 3 x 3)"
    )
    assert repr(Node("act", "relu", ("stem",))) == "Node('act', 'relu', ('stem',))"


# The file


def same(a: Graph, b: Graph) -> bool:
    """Whether two graphs are the same in every field and bit."""

    def told(graph: Graph) -> Any:
        nodes = [(n.name, n.op, n.inputs, dict(n.attributes), set(n.arrays)) for n in graph.nodes]
        return graph.input, graph.name, graph.classes, graph.notes, nodes

    return told(a) == told(b) and all(
        m.arrays[k].dtype == n.arrays[k].dtype and np.array_equal(m.arrays[k], n.arrays[k])
        for m, n in zip(a.nodes, b.nodes, strict=True)
        for k in m.arrays
    )


@pytest.mark.parametrize(
    "made",
    [block(), replace(block(), input=None, notes=(), classes=()), *(around(*case) for case in CASES[::3])],
    ids=repr,
)
def test_save_and_load(made: Graph, tmp_path: Path) -> None:
    """What is loaded is what was saved, and the same graph gives the same bytes; a file that cannot be written leaves
    nothing behind (GRAPH-6).
    """
    path = tmp_path / "graph.npz"
    save(made, path)
    again = load_graph(str(path))
    assert same(made, again) and files.to_bytes(again) == path.read_bytes() == files.to_bytes(made)
    assert [p.name for p in tmp_path.iterdir()] == ["graph.npz"]
    assert (names := list(members_of(path.read_bytes()))) == sorted(names)
    with np.load(path) as held:  # numpy reads it too
        told = json.loads(held["graph"].tobytes())["nodes"]
        assert [node["name"] for node in told] == [node.name for node in made.nodes]
        assert all(
            np.array_equal(held[f"{node.name}.{name}"], values)
            for node in made.nodes
            for name, values in node.arrays.items()
        )
    with refused(UsageError, "RUN-5", str(tmp_path / "none")):
        save(made, tmp_path / "none" / "graph.npz")


def text(**changes: Any) -> dict[str, Any]:
    """The description of a graph by hand: conv, relu, mean, dense."""
    nodes = [
        {"name": "c", "op": "conv", "inputs": ["input"], "attributes": {"padding": [1, 1, 1, 1]}},
        {"name": "c.r", "op": "relu", "inputs": ["c"]},
        {"name": "m", "op": "global_avg_pool", "inputs": ["c.r"], "attributes": {}},
        {"name": "/fc", "op": "dense", "inputs": ["m"]},
    ]
    return {"format": 1, "nodes": nodes, "input": {"channels": 1, "height": 4, "width": 4}, **changes}


BY_HAND = {
    "c.weight": np.ones((2, 1, 3, 3), np.float32),
    "/fc.weight": np.arange(6.0).reshape(2, 3).T,
    "/fc.bias": np.arange(3.0),
}


def written(description: Any, arrays: Mapping[str, Any] = BY_HAND) -> dict[str, bytes]:
    """The members of a file written with np.savez."""
    packed = io.BytesIO()
    raw = description if isinstance(description, bytes) else json.dumps(description).encode()
    np.savez(packed, graph=np.frombuffer(raw, np.uint8), **arrays)
    return members_of(packed.getvalue())


def test_a_file_by_hand(tmp_path: Path) -> None:
    """np.savez alone makes a file that loads, defaults left out, a transposed matrix in Fortran order and all
    (GRAPH-6).
    """
    np.savez(tmp_path / "g.npz", graph=np.frombuffer(json.dumps(text()).encode(), np.uint8), **BY_HAND)
    assert b"'fortran_order': True" in (tmp_path / "g.npz").read_bytes()
    made = load_graph(tmp_path / "g.npz")
    assert made.input == Pixels(1, 4, 4) and (made.name, made.classes, made.notes) == ("", (), ())
    assert made["c"].attributes["padding"] == (1, 1, 1, 1) and made["c"].attributes["groups"] == 1
    assert made["/fc"].arrays["weight"].tolist() == [[0, 3], [1, 4], [2, 5]]
    total = (4 * 4 + 8 * 6 + 4 * 9) / 16  # ones that 4 corners, 8 edges and 4 inner windows see
    np.testing.assert_allclose(
        made.forward(np.full((1, 1, 4, 4), 255)), [[3 * total, 5 * total + 1, 7 * total + 2]], rtol=1e-6
    )
    assert same(made, files.build(members_of(files.to_bytes(made)), "x"))
    per = files.build(
        written(text(input={"channels": 1, "height": 4, "width": 4, "mean": [1.5], "std": 2, "order": "L", "crop": 4})),
        "x",
    )
    assert per.input == Pixels(1, 4, 4, (1.5,), (2.0,), order="L", crop=4)
    assert files.build(written(text(input=None)), "x").input is None


def changed(index: int, **changes: Any) -> dict[str, Any]:
    """The description with keys of one node replaced."""
    found = text()
    found["nodes"][index].update(changes)
    return found


@pytest.mark.parametrize(
    ("description", "rule", "place", "names"),
    [
        (b"", "GRAPH-6", "x: graph", ""),
        (b"{", "GRAPH-6", "x: graph", ""),
        (b"null", "GRAPH-6", "x: graph", ""),
        (b"\xff{}", "GRAPH-6", "x: graph", ""),
        (b"[" * 100_000, "GRAPH-6", "x: graph", ""),
        (b'{"format": 1, "nodes": [], "nodes": []}', "GRAPH-6", "x: graph", "nodes"),
        ({"nodes": []}, "GRAPH-6", "x: graph", "format"),
        ({"format": 1}, "GRAPH-6", "x: graph", "nodes"),
        (text(format=2, more=1), "GRAPH-6", "x: graph", "unknown format: 2"),
        (text(format="1"), "GRAPH-6", "x: graph", "format"),
        (text(more=1), "GRAPH-6", "x: graph", "more"),
        (changed(0, bias=[1]), "GRAPH-6", "x: graph", "bias"),
        (changed(0, inputs="input"), "GRAPH-6", "x: graph", "inputs"),
        (changed(0, attributes={"padding": [1, 1, 1, 1.5]}), "GRAPH-6", "x: graph", "attributes"),
        (changed(0, attributes={"padding": None}), "GRAPH-6", "x: graph", "attributes"),
        (json.dumps(changed(1, op="clip", attributes={"high": float("nan")})).encode(), "GRAPH-6", "x: graph", ""),
        (text(input={"channels": 1, "height": 4, "width": 4, "gamma": 2}), "GRAPH-6", "x: graph", "gamma"),
        (text(input={"channels": 1, "height": 4}), "GRAPH-6", "x: graph", "width"),
        (text(input={"channels": 1, "height": 4, "width": 0}), "GRAPH-5", "x: input width", "0"),
        (text(input={"channels": 1, "height": 4, "width": 10**30}), "GRAPH-6", "x: graph", "width"),
        (text(input={"channels": 65536, "height": 65536, "width": 65536}), "GRAPH-5", "x: input", str(2**48)),
        (text(nodes=[]), "GRAPH-6", "x", "/fc.bias.npy"),
        (text(classes=["a"]), "GRAPH-3", "x: classes", "1"),
        (changed(0, op="conv3d"), "GRAPH-2", "x: c", "conv3d"),
        (changed(0, attributes={"strides": [1, 1]}), "GRAPH-2", "x: c", "strides"),
        (changed(0, attributes={"groups": 10**30}), "GRAPH-2", "x: c", "groups"),
        (changed(0, attributes={"padding": [65536] * 4}), "GRAPH-3", "x: c", "too many values"),
        (changed(1, inputs=["m"]), "GRAPH-1", "x: c.r", "m"),
        (changed(1, name="c"), "GRAPH-1", "x: c", "two nodes"),
        (changed(2, op="subsample"), "GRAPH-3", "x: /fc", "(2, 2, 2)"),
        (changed(3, name="fc"), "GRAPH-6", "x", "/fc.bias.npy"),
        (changed(3, op="identity"), "GRAPH-2", "x: /fc", "bias"),
    ],
)
def test_descriptions_that_are_refused(description: Any, rule: str, place: str, names: str) -> None:
    """JSON that is damaged, of another format, or with unknown, missing or impossible keys is refused in one line that
    says which (GRAPH-6).
    """
    with refused(GraphError, rule, place, says=names):
        files.build(written(description), "x")


def test_a_file_of_before_may_say_hard_silu() -> None:
    """The word that older files have for hard_swish is read as that, and written as that again (GRAPH-6)."""
    nodes = [
        {"name": "h", "op": "hard_silu", "inputs": ["input"], "attributes": {"offset": 0.25}},
        {"name": "m", "op": "global_avg_pool", "inputs": ["h"]},
    ]
    made = files.build(written(text(nodes=nodes), {}), "x")
    assert (made["h"].op, made["h"].attributes) == ("hard_swish", {"slope": 1 / 6, "offset": 0.25})
    assert b"hard_silu" not in files.to_bytes(made)
    with refused(GraphError, "GRAPH-2", "h", says="unknown operator: hard_silu"):
        Node("h", "hard_silu", ("input",))


def test_arrays_of_a_file_that_are_refused() -> None:
    """Arrays that are missing, unknown, of another type, not finite, of a wrong shape or larger than the file are
    refused by name (GRAPH-6, FILE-2).
    """

    def wrong(rule: str, place: str, names: str, kind: type[FsrefError] = GraphError, **changes: Any) -> None:
        members = written(text(), {k: v for k, v in BY_HAND.items() if changes.get(k, 1) is not None})
        members |= {k if k == "c" or k.endswith(".npy") else f"{k}.npy": v for k, v in changes.items() if v is not None}
        with refused(kind, rule, place, says=names):
            files.build(members, "x")

    ones = np.ones((2, 1, 3, 3))
    nan = ones.copy()
    nan[1, 0, 2, 1] = np.nan
    wrong("GRAPH-2", "x: c", "missing array of conv: weight", **{"c.weight": None})
    wrong("GRAPH-2", "x: c", "unknown array of conv: offset", **{"c.offset": array([1.0], "<f4")})
    wrong("GRAPH-6", "x", "c.r.weight.x.npy", **{"c.r.weight.x": array([1.0], "<f4")})
    wrong("GRAPH-6", "x", "weight.npy", **{"weight.npy": array([1.0], "<f4")})
    wrong("GRAPH-6", "x", "unknown member: c (", c=array([1.0], "<f4"))
    wrong("GRAPH-4", "x: c", "weight[1, 0, 2, 1]", **{"c.weight": array(nan, "<f4")})
    wrong("GRAPH-4", "x: c", "weight[0, 0, 0, 0]", **{"c.weight": array(ones * 1e200, "<f8")})
    wrong("GRAPH-2", "x: c", "(2, 1, 9)", **{"c.weight": array(ones.reshape(2, 1, 9), "<f4")})
    wrong("GRAPH-3", "x: c", "(1, 2, 3, 3)", **{"c.weight": array(ones.reshape(1, 2, 3, 3), "<f4")})
    for descr in ("<f2", ">f4", "<i8", "|O", "<c16", "|u1"):
        wrong("FILE-2", "x: c.weight.npy", descr, FileError, **{"c.weight": npy(bytes(144), (2, 1, 3, 3), descr)})
    wrong(
        "FILE-2",
        "x: c.weight.npy",
        "do not fill",
        FileError,
        **{"c.weight": npy(bytes(72), (2**20, 2**20, 3, 3), "<f4")},
    )
    wrong("FILE-2", "x: c.weight.npy", "do not fill", FileError, **{"c.weight": npy(bytes(68), (2, 1, 3, 3), "<f4")})
    wrong(
        "FILE-2",
        "x: c.weight.npy",
        "C order",
        FileError,
        **{"c.weight": npy(bytes(72), (2, 1, 3, 3), "<f4", fortran=1)},
    )
    wrong("FILE-2", "x: graph", "|u1", FileError, **{"graph.npy": array([1, 2], "<i8")})
    wrong("GRAPH-6", "x: graph", "(1, 2)", **{"graph.npy": array([[1, 2]], "|u1")})


def test_containers_that_are_refused(tmp_path: Path) -> None:
    """A file cut short, damaged, compressed, of another kind or not there is refused in one line; nothing is unpickled
    (GRAPH-6, FILE-1).
    """
    data = files.to_bytes(block())
    path = tmp_path / "g.npz"
    for cut in (0, 10, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:cut])
        with refused(FileError, "FILE-1"):
            load_graph(path)
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(data), 300).tolist():
        path.write_bytes(data[:place] + bytes([data[place] ^ int(rng.integers(1, 256))]) + data[place + 1 :])
        try:
            load_graph(path)  # bytes that say nothing, such as dates
        except FsrefError as error:
            assert str(path) in str(error) and "\n" not in str(error)
    members = members_of(data)
    for bad in (zipped(members, 8), b"not a zip", data + struct.pack("<H", 0)):
        path.write_bytes(bad)
        with refused(FileError, "FILE-1"):
            load_graph(path)
    with refused(GraphError, "GRAPH-6", "x", "graph.npy"):
        files.build({k: v for k, v in members.items() if k != "graph.npy"}, "x")
    save(tiny(), path)
    with refused(GraphError, "GRAPH-6", str(path), says="fsref.load"):
        load_graph(path)
    with refused(FileError, "FILE-1", str(tmp_path / "none.npz")):
        load_graph(tmp_path / "none.npz")


def test_descriptions_that_are_not_written() -> None:
    """A graph whose texts UTF-8 cannot hold, or whose description is too large to be read again, is not saved
    (GRAPH-6).
    """
    for made in (replace(block(), name="\ud800"), replace(block(), notes=("n" * 2**24,))):
        with refused(GraphError, "GRAPH-6", "graph"):
            files.to_bytes(made)


def test_a_graph_is_copied_and_pickled() -> None:
    """A copy is a graph of its own with the same numbers, whose arrays are read-only."""
    made = residual()
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert other is not made and files.to_bytes(other) == files.to_bytes(made)
        assert not any(array.flags.writeable for node in other.nodes for array in node.arrays.values())


def test_as_many_nodes_as_a_graph_may_have() -> None:
    """65,536 nodes are a graph, one more is refused (GRAPH-1)."""
    nodes = [Node(f"n{i}", "relu", (f"n{i - 1}" if i else "input",)) for i in range(65_537)]
    assert len(Graph(None, nodes[:-1]).nodes) == 65_536
    with refused(GraphError, "GRAPH-1", "graph", 65_537):
        Graph(None, nodes)
