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
        ("Resize x - scales h", RESIZED, {"mode": "linear"}, "in mode linear (nearest: mode nearest)"),
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
