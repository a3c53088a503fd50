"""ONNX operators that move or take whole channels become a select of them, however exporters spell it (GRAPH-7)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

from fsref.graph.graph import Pixels  # noqa: E402
from test_from_onnx import agrees, flat, node, refused  # noqa: E402

PIXELS = Pixels(4, 5, 3)
SHUFFLE = ["Reshape x there a", "Transpose a b", "Reshape b back h"]
TURNED = (0, 2, 1, 3)


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


# By name: the nodes, "op inputs output" with "|" between several outputs, their constants, attributes by output, the
# channels selected, one after another.
CASES: dict[str, tuple[list[str], dict[str, Any], dict[str, dict[str, Any]], list[tuple[int, ...]]]] = {
    "a slice": (["Slice x one three one h"], {"one": ints(1), "three": ints(3)}, {}, [(1, 2)]),
    "backwards": (
        ["Slice x last end axis last h"], {"last": ints(-1), "end": ints(-9), "axis": ints(1)}, {}, [(3, 2, 1, 0)],
    ),
    "a split": (
        ["Split x sizes a|b", "Concat b a h"], {"sizes": ints(1, 3)}, {"a|b": {"axis": 1}, "h": {"axis": 1}},
        [(0,), (1, 2, 3)],
    ),
    "a part of a split": (["Split x sizes a|h"], {"sizes": ints(1, 3)}, {"a|h": {"axis": 1}}, [(1, 2, 3)]),
    "a gather": (["Gather x order h"], {"order": ints(2, 1, -4)}, {"h": {"axis": 1}}, [(2, 1, 0)]),
    "one channel": (
        ["Gather x two a", "Unsqueeze a one h"], {"two": np.array(2), "one": ints(1)}, {"a": {"axis": 1}}, [(2,)],
    ),
    "one channel again": (
        ["Slice x zero one one a", "Expand a three h"],
        {"zero": ints(0), "one": ints(1), "three": ints(1, 3, 1, 1)}, {}, [(0,), (0, 0, 0)],
    ),
    "all again": (["Tile x twice h"], {"twice": ints(1, 2, 1, 1)}, {}, [(0, 1, 2, 3, 0, 1, 2, 3)]),
    "a shuffle": (
        SHUFFLE, {"there": ints(-1, 2, 2, 5, 3), "back": ints(0, -1, 5, 3)}, {"b": {"perm": (*TURNED, 4)}}, [TURNED],
    ),
    "a shuffle of flat places": (
        SHUFFLE, {"there": ints(0, 2, 2, 15), "back": ints(-1, 4, 5, 3)}, {"b": {"perm": TURNED}}, [TURNED],
    ),
    "a shuffle, channels last": (
        ["Transpose x last", "Reshape last there a", "Transpose a b", "Reshape b back c", "Transpose c h"],
        {"there": ints(-1, 5, 3, 2, 2), "back": ints(-1, 5, 3, 4)},
        {"last": {"perm": (0, 2, 3, 1)}, "b": {"perm": (0, 1, 2, 4, 3)}, "h": {"perm": (0, 3, 1, 2)}}, [TURNED],
    ),
    "a shuffle by which a split is spelt": (
        ["Reshape x there a", "Transpose a b", "Reshape b back c", "Gather c zero d", "Gather c one e", "Concat e d h"],
        {"there": ints(2, 2, 15), "back": ints(2, -1, 2, 5, 3), "zero": np.array(0), "one": np.array(1)},
        {"b": {"perm": (1, 0, 2)}, "h": {"axis": 1}}, [(0, 2), (1, 3)],
    ),
    "part of a flattened value": (
        ["Flatten x a", "Slice a ten end one h"], {"ten": ints(10), "end": ints(14), "one": ints(1)}, {},
        [(10, 11, 12, 13)],
    ),
    "shuffled and back": (
        ["Reshape x there a", "Transpose a b", "Transpose b c", "Reshape c back h"],
        {"there": ints(-1, 2, 2, 5, 3), "back": ints(0, -1, 5, 3)},
        {"b": {"perm": (0, 2, 4, 1, 3)}, "c": {"perm": (0, 3, 1, 4, 2)}}, [],
    ),
}  # fmt: skip


def nodes(texts: list[str], attributes: dict[str, dict[str, Any]]) -> list[Any]:
    made = []
    for text in texts:
        op, *inputs, outputs = text.split()
        made.append(node(op, " ".join(inputs), outputs.replace("|", " "), **attributes.get(outputs, {})))
    return made


@pytest.mark.parametrize("case", CASES)
def test_channels_that_are_moved_or_taken(case: str) -> None:
    """Each gives what onnx.reference gives, and is a select of the channels a person expects, or nothing."""
    texts, constants, attributes, wanted = CASES[case]
    graph = agrees(flat(nodes(texts, attributes), constants, shape=("N", 4, 5, 3)), PIXELS)
    assert [made.attributes["indices"] for made in graph.nodes if made.op == "select"] == wanted
    assert {made.op for made in graph.nodes} <= {"select", "concat", "flatten", "identity"}


def test_places_that_are_cut_off() -> None:
    """A Slice of rows and columns in a row is a pad below 0, and a subsample where it steps; Pad may be below 0 too."""
    constants = {"one": ints(1, 0), "end": ints(5, 2), "axes": ints(2, 3), "steps": ints(2, 1), "pads": ints(-1, 1)}
    cut = nodes(["Slice x one end axes steps a"], {})
    pad = [node("Pad", "a pads - last", "h")]
    spelt = nodes(["Slice a begin large last b", "Pad b behind h"], {})
    constants |= {"last": ints(3), "begin": ints(1), "large": ints(9), "behind": ints(0, 0, 0, 0, 0, 0, 0, 1)}

    def made(rest: list[Any]) -> Any:
        read = {name: constants[name] for one in (*cut, *rest) for name in one.input if name in constants}
        return flat([*cut, *rest], read, 21, ("N", 4, 5, 3))

    graph = agrees(made(pad), PIXELS, like=made(spelt))
    assert [(one.op, *dict(one.attributes).values()) for one in graph.nodes[:-1]] == [
        ("pad", (-1, 0, 0, -1), (0, 0), 0.0), ("subsample", (2, 1)), ("pad", (0, -1, 0, 1), (0, 0), 0.0),
    ]  # fmt: skip


def test_a_shuffle_behind_a_quantiser() -> None:
    """What is rounded, and what an integer type holds, is moved about as other values are."""
    constants = {"s": np.float32(1 / 16), "z": np.uint8(0), "there": ints(0, 2, 2, 15), "back": ints(0, 4, 5, 3)}
    texts = ["QuantizeLinear x s z q", "Reshape q there a", "Transpose a b", "Reshape b back c"]
    made = [*nodes(texts, {"b": {"perm": TURNED}}), node("DequantizeLinear", "c s z", "h")]
    graph = agrees(flat(made, constants, 21, ("N", 4, 5, 3)), PIXELS)
    assert [one.op for one in graph.nodes] == ["quantise", "affine", "select", "affine", "flatten"]


@pytest.mark.parametrize(
    ("texts", "constants", "words"),
    [
        (["Reshape x there a", "Relu a h"], {"there": ints(0, 2, 2, 15)}, "Reshape reshapes 1 x 4 (C)"),
        (["Reshape x there a", "MaxPool a h"], {"there": ints(0, 4, 3, 5)}, "Reshape reshapes 1 x 4 (C)"),
        (["Tile x many h"], {"many": ints(1, 2**40, 1, 1)}, "Tile (nearest: whole channels"),
        (["Expand x many h"], {"many": ints(2**20, 1, 1, 1)}, "Expand (nearest: whole channels"),
    ],
)
def test_what_moves_otherwise_is_refused(texts: list[str], constants: dict[str, Any], words: str) -> None:
    """An order that nothing brings back is refused where they arise, in one line; nothing
    large is made to find that out.
    """
    attributes = {"h": {"kernel_shape": (1, 1)} if "MaxPool" in texts[-1] else {}}
    line = refused(flat(nodes(texts, attributes), constants, shape=("N", 4, 5, 3)), words, pixels=PIXELS)
    assert "1 of " in line
