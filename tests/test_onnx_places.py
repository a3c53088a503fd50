"""ONNX operators that move, spread or repeat rows and columns become views, and convolutions of them (GRAPH-7,
VIEW-3); onnx.reference is the oracle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="the package onnx is not installed")

from fsref.graph.graph import Pixels  # noqa: E402
from fsref.importers.onnx.from_onnx import from_onnx  # noqa: E402
from test_from_onnx import agrees, codes, flat, node, ops, refused  # noqa: E402

PIXELS = Pixels(4, 6, 5)
SHAPE = ("N", 4, 6, 5)
RNG = np.random.default_rng(3)


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def floats(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def weights(*shape: int) -> np.ndarray:
    return RNG.normal(0, 0.4, shape).astype(np.float32)


RESIZED = {"scales": floats(1, 1, 2, 3)}
BY_HALVES = {"mode": "nearest", "coordinate_transformation_mode": "half_pixel"}
SLICE = "Slice x starts ends axes steps h"
# By name: the node, its constants, its attributes, the operators of the graph before the flatten.
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], list[str]]] = {
    "twice and three times": ("Resize x - scales h", RESIZED, {"mode": "nearest"}, ["view"]),
    "from the first": (
        "Resize x - scales h", RESIZED,
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}, ["view"],
    ),
    "by halves": ("Resize x - scales h", {"scales": floats(1, 1, 1.5, 2.5)}, BY_HALVES, ["view"]),
    "to a size": (
        "Resize x - - sizes h", {"sizes": ints(1, 4, 9, 4)},
        {"mode": "nearest", "coordinate_transformation_mode": "align_corners", "nearest_mode": "ceil"}, ["view"],
    ),
    "smaller": (
        "Resize x - - sizes h", {"sizes": ints(1, 4, 1, 2)},
        {"mode": "nearest", "coordinate_transformation_mode": "pytorch_half_pixel",
         "nearest_mode": "round_prefer_ceil"}, ["view"],
    ),
    "to the same size": ("Resize x - scales h", {"scales": floats(1, 1, 1, 1)}, {"mode": "nearest"}, []),
    "linear": ("Resize x - scales h", RESIZED, {"mode": "linear"}, ["view", "conv"]),
    "linear from the first": (
        "Resize x - - sizes h", {"sizes": ints(1, 4, 30, 10)},
        {"mode": "linear", "coordinate_transformation_mode": "asymmetric"}, ["view", "conv"],
    ),
    "linear, rows alone": (
        "Resize x - scales h", {"scales": floats(1, 1, 4, 1)},
        {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"}, ["view", "conv"],
    ),
    "transposed": (
        "ConvTranspose x w b h", {"w": weights(4, 3, 3, 3), "b": weights(3)},
        {"strides": [2, 2], "pads": [1, 0, 0, 1], "output_padding": [1, 0]}, ["view", "conv"],
    ),
    "transposed and cut": (
        "ConvTranspose x w h", {"w": weights(4, 3, 2, 2)}, {"strides": [2, 2], "pads": [2, 3, 3, 2]}, ["view", "conv"],
    ),
    "transposed without a stride": ("ConvTranspose x w h", {"w": weights(4, 3, 3, 2)}, {}, ["conv"]),
    "transposed to as many": (
        "ConvTranspose x w h", {"w": weights(4, 3, 3, 4)}, {"strides": [2, 3], "auto_pad": "SAME_UPPER"},
        ["view", "conv"],
    ),
    "mirrored": ("Pad x pads h", {"pads": ints(0, 0, 1, 2, 0, 0, 3, 0)}, {"mode": "reflect"}, ["view"]),
    "with the edge": ("Pad x pads h", {"pads": ints(0, 0, 1, 2, 0, 0, 3, 0)}, {"mode": "edge"}, ["view"]),
    "backwards": (
        SLICE, {"starts": ints(-1, 4), "ends": ints(-100, 0), "axes": ints(2, 3), "steps": ints(-1, -2)}, {}, ["view"],
    ),
    "of rows and channels": (
        SLICE, {"starts": ints(-1, 3), "ends": ints(-100, 0), "axes": ints(2, 1), "steps": ints(-1, -2)}, {},
        ["select", "view"],
    ),
    "some rows": ("Gather x rows h", {"rows": ints(0, 3, 3, 5, 1)}, {"axis": 2}, ["view"]),
    "again below": ("Tile x many h", {"many": ints(1, 1, 2, 1)}, {}, ["view"]),
    "depth first": ("DepthToSpace x h", {}, {"blocksize": 2}, ["view", "conv"]),
    "column first": ("DepthToSpace x h", {}, {"blocksize": 2, "mode": "CRD"}, ["view", "conv"]),
    "dilated": (
        "MaxPool x h", {}, {"kernel_shape": [3, 2], "dilations": [2, 3], "pads": [1, 1, 2, 0], "strides": [1, 2]},
        ["view", "max_pool"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_places_that_are_moved_spread_or_repeated(case: str) -> None:
    """Each gives, place by place, what onnx.reference gives, by the operators a person expects."""
    text, constants, attributes, wanted = CASES[case]
    op, *inputs, output = text.split()
    graph = agrees(flat([node(op, " ".join(inputs), output, **attributes)], constants, shape=SHAPE), PIXELS)
    assert [name for name in ops(graph) if name != "flatten"] == wanted


@pytest.mark.parametrize(
    ("groups", "kernel", "attributes", "begin", "size"),
    [
        (2, (3, 2), {"strides": [3, 1], "dilations": [2, 1], "group": 2, "pads": [1, 1, 1, 0]}, (1, 1), (18, 5)),
        (1, (3, 4), {"strides": [2, 2], "output_shape": [11, 12]}, (1, 0), (11, 12)),
    ],
)
def test_transposed_convolutions_that_the_reference_lacks(
    groups: int, kernel: tuple[int, int], attributes: dict[str, Any], begin: tuple[int, int], size: tuple[int, int]
) -> None:
    """Groups with dilation, and a wanted size, written out place by place."""
    w = weights(4, 4 // groups, *kernel)
    graph = from_onnx(flat([node("ConvTranspose", "x w", "h", **attributes)], {"w": w}, shape=SHAPE), PIXELS)
    images = codes(PIXELS)
    (sy, sx), (dy, dx) = attributes["strides"], attributes.get("dilations", (1, 1))
    wanted = np.zeros((len(images), 4, 99, 99))
    for b, x in enumerate(PIXELS.normalise(images)):
        for i, v, u, o, r, c in np.ndindex(4, 6, 5, 4 // groups, *kernel):
            to = i // (4 // groups) * (4 // groups) + o
            wanted[b, to, v * sy + r * dy, u * sx + c * dx] += x[i, v, u] * w[i, o, r, c]
    (top, left), (height, width) = begin, size
    wanted = wanted[:, :, top : top + height, left : left + width].reshape(len(images), -1)
    assert np.abs(graph.forward(images) - wanted).max() < 1e-4


@pytest.mark.parametrize("column", [False, True])
def test_what_has_one_dimension(column: bool) -> None:
    """Convolutions and pools of one dimension are those of two, of an image of one row or one column."""
    pixels = Pixels(4, 12, 1) if column else Pixels(4, 1, 12)
    made = [
        node("Squeeze", "x axis", "a"),
        node("Conv", "a w b", "c", pads=[2, 1], dilations=[2]),
        node("MaxPool", "c", "d", kernel_shape=[3], strides=[2], pads=[1, 0]),
        node("ConvTranspose", "d t", "e", strides=[2], output_padding=[1]),
        node("AveragePool", "e", "h", kernel_shape=[2], strides=[2]),
    ]
    constants = {"axis": ints(3 if column else 2), "w": weights(5, 4, 3), "b": weights(5), "t": weights(5, 3, 4)}
    graph = agrees(flat(made, constants, shape=("N", *pixels.shape)), pixels)
    assert ops(graph) == ["conv", "max_pool", "view", "conv", "avg_pool", "flatten"]


def test_space_to_depth() -> None:
    """Places of blocks as channels: a convolution of zeros and ones whose stride is its kernel."""
    graph = agrees(flat([node("SpaceToDepth", "x", "h", blocksize=2)], {}, shape=("N", 3, 4, 6)), Pixels(3, 4, 6))
    assert ops(graph) == ["conv", "flatten"] and graph.nodes[0].attributes["stride"] == (2, 2)


@pytest.mark.parametrize(
    ("text", "constants", "attributes", "words"),
    [
        ("Resize x - scales h", {"scales": floats(1, 1, 0.7, 1)}, {"mode": "nearest"}, "halfway between two"),
        ("Resize x - scales h", RESIZED, {"mode": "cubic"}, "in mode cubic (nearest: mode nearest, or"),
        ("Resize x - scales h", {"scales": floats(1, 1, 1.5, 1)}, {"mode": "linear"}, "linear, half_pixel, by 1.5"),
        (
            "Resize x - scales h", RESIZED, {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
            "in mode linear, align_corners, by 2, 3",
        ),
        ("Resize x - scales h", {"scales": floats(1, 2, 1, 1)}, {"mode": "nearest"}, "of axis 1 to 8"),
        ("Resize x - - sizes h", {"sizes": ints(1, 4, 2**40, 5)}, {"mode": "nearest"}, "places, not 1..65536"),
        ("Pad x pads h", {"pads": ints(0, 0, 6, 0, 0, 0, 0, 0)}, {"mode": "reflect"}, "6 places mirrored of 6"),
        ("Pad x pads h", {"pads": ints(0, 1, 0, 0, 0, 0, 0, 0)}, {"mode": "edge"}, "in mode edge"),
        ("ConvTranspose x w h", {"w": weights(4, 3, 2, 2)}, {"strides": [2**30, 1]}, "places, not 1..65536"),
        ("ConvTranspose x w h", {"w": weights(4, 3, 2, 2)}, {"pads": [6, 0, 6, 0]}, "places, not 1..65536"),
        ("DepthToSpace x h", {}, {"blocksize": 3}, "malformed"),
        ("SpaceToDepth x h", {}, {"blocksize": 2**20}, "malformed"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, constants: dict[str, Any], attributes: dict[str, Any], words: str) -> None:
    """What programs read differently, other modes, and sizes out of bounds are refused in one line, before anything
    large is made.
    """
    op, *inputs, output = text.split()
    made = flat([node(op, " ".join(inputs), output, **attributes)], constants, shape=SHAPE)
    refused(made, words, pixels=PIXELS)


def cut(source: str, axis: int, start: int, end: int, to: str) -> tuple[Any, dict[str, Any]]:
    """A Slice along one axis, and its constants."""
    names = [f"{to}.{what}" for what in ("starts", "ends", "axes")]
    numbers = dict(zip(names, map(ints, (start, end, axis)), strict=True))
    return node("Slice", f"{source} {' '.join(names)}", to), numbers


def around(source: str, axis: int, to: str) -> list[tuple[Any, dict[str, Any]]]:
    """A border of one from the other end, as exporters spell it."""
    last, first = cut(source, axis, -1, 2**31, f"{to}.last"), cut(source, axis, 0, 1, f"{to}.first")
    return [last, first, (node("Concat", f"{to}.last {source} {to}.first", to, axis=axis), {})]


def blocks(*steps: Any) -> list[tuple[Any, dict[str, Any]]]:
    """Reshape, Transpose, Reshape of x, then a Relu that reads it."""
    first, order, last = steps
    return [
        (node("Reshape", "x first", "a"), {"first": ints(*first)}),
        (node("Transpose", "a", "b", perm=order), {}),
        (node("Reshape", "b last", "c"), {"last": ints(*last)}),
        (node("Relu", "c", "h"), {}),
    ]


def repeated(first: list[int], op: str, many: list[int], last: list[int], to: str) -> list[tuple[Any, dict[str, Any]]]:
    """Places of x, or a, repeated along axes of their own."""
    return [
        (node("Reshape", "a first" if to != "h" else "x first", "b"), {"first": ints(*first)}),
        (node(op, "b many", "c"), {"many": ints(*many)}),
        (node("Reshape", "c last", to), {"last": ints(*last)}),
    ]


# By name: nodes with their constants, the operators of the graph before the flatten.
SPELT: dict[str, tuple[list[tuple[Any, dict[str, Any]]], list[str]]] = {
    "rolled": (
        [cut("x", 2, 2, 99, "a"), cut("x", 2, 0, 2, "b"), (node("Concat", "a b", "h", axis=2), {})], ["view"],
    ),
    "a border from the other end": ([*around("x", 2, "a"), *around("a", -1, "h")], ["view"]),
    "one map below another": (
        [(node("Relu", "x", "a"), {}), (node("Concat", "a x", "h", axis=-2), {})], ["relu", "view", "view", "add"],
    ),
    "places as channels": (blocks((0, 4, 3, 2, 2, 2), [0, 1, 3, 5, 2, 4], (0, 16, 3, 2)), ["conv", "relu"]),
    "places as channels, depth first": (
        blocks((0, 4, 2, 3, 1, 4), [0, 3, 5, 1, 2, 4], (0, 48, 2, 1)), ["conv", "relu"],
    ),
    "channels as places": (blocks((0, 1, 2, 2, 6, 4), [0, 1, 4, 2, 5, 3], (0, 1, 12, 8)), ["view", "conv", "relu"]),
    "places as channels, axis by axis": (
        [
            (node("Unsqueeze", "x three", "a"), {"three": ints(3)}),
            (node("Reshape", "a rows", "b"), {"rows": ints(0, 0, -1, 2, 0)}),
            (node("Reshape", "b columns", "c"), {"columns": ints(0, 0, 0, 0, -1, 2)}),
            (node("Transpose", "c", "d", perm=[0, 1, 3, 5, 2, 4]), {}),
            (node("Reshape", "d back", "e"), {"back": ints(0, -1, 1, 1, 0, 0)}),
            (node("Squeeze", "e ones", "f"), {"ones": ints(2, 3)}),
            (node("Relu", "f", "h"), {}),
        ],
        ["conv", "relu"],
    ),
    "each place again": (repeated([0, 4, 6, 1, 4, 1], "Expand", [1, 4, 6, 2, 4, 3], [0, 4, 12, 12], "h"), ["view"]),
    "each place twice, channels last": (
        [
            (node("Transpose", "x", "a", perm=[0, 2, 3, 1]), {}),
            *repeated([-1, 6, 1, 4, 1, 4], "Tile", [1, 1, 2, 1, 2, 1], [-1, 12, 8, 4], "d"),
            (node("Transpose", "d", "h", perm=[0, 3, 1, 2]), {}),
        ],
        ["view"],
    ),
    "channels as places, depth first": (
        blocks((0, 2, 1, 2, 6, 4), [0, 3, 4, 1, 5, 2], (0, 2, 12, 4)), ["view", "conv", "relu"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SPELT)
def test_places_that_are_moved_by_several_operators(case: str) -> None:
    """What exporters spell with several operators becomes what one is, with onnx.reference's values (GRAPH-9)."""
    made, wanted = SPELT[case]
    constants = {name: array for _, own in made for name, array in own.items()}
    graph = agrees(flat([one for one, _ in made], constants, shape=("N", 4, 6, 4)), Pixels(4, 6, 4))
    assert [name for name in ops(graph) if name != "flatten"] == wanted


@pytest.mark.parametrize(
    ("size", "form", "wanted"),
    [
        (3, {"pads": [1, 1]}, ["view", "conv", "conv", "view", "conv", "add"]),
        (2, {"pads": [0, 9], "dilations": [9]}, ["conv", "view", "conv", "view", "conv", "view", "conv", "add"]),
        (4, {"auto_pad": "SAME_LOWER"}, ["view", "conv", "conv", "view", "conv", "add"]),
        (1, {"group": 2}, ["conv"]),
    ],
)
def test_a_line_whose_rows_follow_one_another(size: int, form: dict[str, Any], wanted: list[str]) -> None:
    """A Conv along a flattened map sees the rows before and behind each, zeros beyond the ends of the line alone."""
    made = [
        node("Reshape", "x line", "a"),
        node("Conv", "a w b", "c", **form),
        node("Relu", "c", "d"),
        node("Conv", "d v", "e"),
        node("GlobalAveragePool", "e", "h"),
    ]
    arrays = {"line": ints(0, 4, -1), "w": weights(4, 4 // form.get("group", 1), size), "b": weights(4)}
    arrays["v"] = weights(4, 4, 1)
    graph = agrees(flat(made, arrays, shape=("N", 4, 6, 4)), Pixels(4, 6, 4))
    assert ops(graph) == [*wanted, "relu", "conv", "global_avg_pool"]
    for other in ({"strides": [2]}, {"pads": [2, 2]}):
        made[1] = node("Conv", "a w b", "c", "slid", **form | {"auto_pad": "NOTSET"} | other)
        words = "slid: Conv slides along rows that follow one another (nearest: stride 1, and pads that keep the size)"
        refused(flat(made, arrays, shape=("N", 4, 6, 4)), words, pixels=Pixels(4, 6, 4))
    arrays["w"] = weights(4, 4, 300)
    made[1] = node("Conv", "a w b", "c", "slid", pads=[299, 0])
    tall = flat(made, arrays, shape=("N", 4, 80, 4))
    refused(tall, "slid: Conv reaches over 76 rows, at most 64 (nearest: a smaller window)", pixels=Pixels(4, 80, 4))
    made[1] = node("MaxPool", "a", "c", "slid", kernel_shape=[3])
    refused(flat(made, arrays, shape=("N", 4, 6, 4)), "slid: MaxPool slides along rows", pixels=Pixels(4, 6, 4))


def test_one_node_for_all_that_read_places_as_channels() -> None:
    """Who reads them again reads the same convolution of zeros and ones."""
    made = [one for one, _ in blocks((0, 4, 3, 2, 2, 2), [0, 1, 3, 5, 2, 4], (0, 16, 3, 2))]
    constants = {"first": ints(0, 4, 3, 2, 2, 2), "last": ints(0, 16, 3, 2)}
    made = [*made[:-1], node("Relu", "c", "d"), node("Add", "c d", "h")]
    assert ops(agrees(flat(made, constants, shape=("N", 4, 6, 4)), Pixels(4, 6, 4))) == [
        "conv",
        "relu",
        "add",
        "flatten",
    ]


@pytest.mark.parametrize("column", [False, True])
def test_places_of_one_dimension(column: bool) -> None:
    """Resize, Pad, Slice and Concat of lines."""
    pixels = Pixels(4, 12, 1) if column else Pixels(4, 1, 12)
    made = [
        (node("Squeeze", "x axis", "a"), {"axis": ints(3 if column else 2)}),
        (node("Conv", "a w", "b"), {"w": weights(5, 4, 3)}),
        (node("Resize", "b - scales", "c", mode="nearest"), {"scales": floats(1, 1, 2)}),
        (node("Pad", "c pads", "d", mode="reflect"), {"pads": ints(0, 0, 2, 0, 0, 1)}),
        (node("Pad", "d zeros", "e"), {"zeros": ints(0, 0, 1, 0, 0, 0)}),
        *around("e", 2, "h"),
    ]
    constants = {name: array for _, own in made for name, array in own.items()}
    graph = agrees(flat([one for one, _ in made], constants, shape=("N", *pixels.shape)), pixels)
    assert ops(graph) == ["conv", "view", "view", "pad", "view", "flatten"]


@pytest.mark.parametrize("pads", [(1, 1, 1, 1), (0, 1, 0, 0), (1, 0, 0, 0)])
def test_an_average_that_counts_pads_and_passes_the_end(pads: tuple[int, int, int, int]) -> None:
    """What pads adds is counted, what ceil_mode adds is not, as onnx.reference has it, and written out."""
    form = {"kernel_shape": [3, 2], "strides": [2, 2], "ceil_mode": 1, "count_include_pad": 1, "pads": list(pads)}
    made = flat([node("AveragePool", "x", "h", **form)], {}, opset=19, shape=SHAPE)
    graph, images = agrees(made, PIXELS), codes(PIXELS)
    assert ops(graph) == ["pad", "avg_pool", "flatten"]
    top, left, bottom, right = pads
    seen = np.pad(PIXELS.normalise(images).astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    found = graph.forward(images).reshape(len(images), 4, *graph.shapes[graph.nodes[1].name][1:])
    for b, c, y, x in np.ndindex(found.shape):
        window = seen[b, c, 2 * y : 2 * y + 3, 2 * x : 2 * x + 2]
        assert window.size and abs(found[b, c, y, x] - window.mean()) < 1e-5


@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_pools_to_the_end_are_compared_with_what_stands_before_them(op: str, column: bool) -> None:
    """Where the graph computes a pool in the place of onnx.reference, dilated ones and those of lines, too."""
    pixels = Pixels(4, 12, 1) if column else Pixels(4, 1, 12)
    dilated = {"dilations": [2]} if op == "MaxPool" else {"pads": [1, 1], "count_include_pad": 1}
    made = [
        node("Squeeze", "x axis", "a"),
        node(op, "a", "b", kernel_shape=[3], strides=[2], ceil_mode=1, **dilated),
        node("Conv", "b w", "h"),
    ]
    constants = {"axis": ints(3 if column else 2), "w": weights(5, 4, 2)}
    graph = from_onnx(flat(made, constants, opset=19, shape=("N", *pixels.shape)), pixels)
    assert ops(graph) == [
        "view" if op == "MaxPool" else "pad",
        *(["max_pool"] if op == "MaxPool" else ["avg_pool"]),
        "conv",
        "flatten",
    ]
    assert not any("not compared" in note for note in graph.notes)
