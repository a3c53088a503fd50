"""A constant of each place, as a mean image that is taken away, is another offset of the codes it meets: part of the
biases of what reads them, no population (CONV-1, CONV-6); from ONNX and PyTorch as from a graph.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fsref.conversion.columns import Columns
from fsref.conversion.converter import convert
from fsref.conversion.folding import fold
from fsref.errors import GraphError
from fsref.graph.graph import Graph, Node
from fsref.law.images import Pixels
from fsref.simulation.run import run
from fsref.verification.check import check
from nodes import conv, head
from refusals import refused

PIXELS = Pixels(3, 8, 8, mean=(0.5, 0.25, 0.5), std=(0.25, 0.5, 0.25), scale=1 / 256)
IMAGES = np.random.default_rng(5).integers(0, 256, (24, 3, 8, 8))


def node(name: str, op: str, *inputs: str, **attributes: Any) -> Node:
    return Node(name, op, inputs, attributes)


def offset(name: str, source: str, channels: int, size: int = 8) -> Node:
    """A constant of each place."""
    drawn = np.random.default_rng(len(name) + channels + size).normal(0, 0.5, (channels, size, size))
    return Node(name, "offset", (source,), {}, {"map": drawn})


def channelwise(name: str, source: str, channels: int) -> Node:
    """Another scale and offset of each channel."""
    drawn = np.random.default_rng(channels).normal(0, 0.5, (2, channels))
    return Node(name, "affine", (source,), {}, {"gain": 1.5 + drawn[0], "offset": drawn[1]})


A, R = conv("a", "input", 8, 3), node("r", "relu", "a")
TAIL = [conv("b", "m", 6, 8), node("s", "relu", "b"), *head("s", 6)]
NONE = ["a", "b", "linear"]
# By name: the nodes, and the populations that there are, input apart.
CASES: dict[str, tuple[list[Node], list[str]]] = {
    "of the images": ([offset("n", "input", 3), conv("a", "n", 8, 3), node("m", "relu", "a"), *TAIL], NONE),
    "of scaled images": (
        [channelwise("c", "input", 3), offset("n", "c", 3), channelwise("d", "n", 3), conv("a", "d", 8, 3),
         node("m", "relu", "a"), *TAIL], NONE,
    ),
    "before a rectifier": ([A, offset("n", "a", 8), node("m", "relu", "n"), *TAIL], NONE),
    "behind a rectifier": ([A, R, offset("m", "r", 8), *TAIL], NONE),
    "twice": ([A, offset("o", "a", 8), node("r", "relu", "o"), offset("n", "r", 8), offset("m", "n", 8), *TAIL], NONE),
    "before a stride": ([A, R, offset("m", "r", 8), conv("b", "m", 6, 8, stride=(2, 2)), *TAIL[1:]], NONE),
    "around a shortcut": (
        [A, R, offset("m", "r", 8), conv("b", "m", 8, 8), node("t", "add", "b", "m"), node("s", "relu", "t"),
         *head("s", 8)], NONE,
    ),
    "before a mean": ([A, R, offset("m", "r", 8), *head("m", 8)], ["a", "linear"]),
    "before an average": (
        [A, R, offset("n", "r", 8), node("m", "avg_pool", "n", kernel=(2, 2)), *TAIL],
        ["a", "m", *NONE[1:]],
    ),
    "before averages that differ": (
        [A, R, offset("n", "r", 8),
         node("m", "avg_pool", "n", kernel=(3, 3), padding=(1, 1, 1, 1), count_include_pad=False), *TAIL],
        ["a", "n", "m.windows", "m", *NONE[1:]],
    ),
    "before the largest": (
        [A, R, offset("n", "r", 8), node("m", "max_pool", "n", kernel=(2, 2)), *TAIL],
        ["a", "n", "m", *NONE[1:]],
    ),
    "before a flatten": (
        [A, R, offset("m", "r", 8), node("f", "flatten", "m"),
         Node("linear", "dense", ("f",), {}, {"weight": np.random.default_rng(2).normal(0, 0.1, (5, 512))})],
        ["a", "linear"],
    ),
    "before every second place": (
        [A, offset("n", "a", 8), node("o", "subsample", "n"), channelwise("c", "o", 8), node("m", "relu", "c"),
         *TAIL],
        NONE,
    ),
    "before a pad": ([A, R, offset("n", "r", 8), node("m", "pad", "n", padding=(1, 0, 2, 1)), *TAIL], NONE),
    "before a cut": (
        [A, R, offset("n", "r", 8), node("m", "pad", "n", padding=(-1, 0, -2, -1)), *TAIL],
        ["a", "a.1", *NONE[1:]],
    ),
    "behind a cut": (
        [A, R, node("n", "pad", "r", padding=(-1, -1, 0, 0)), offset("m", "n", 8, 7), *TAIL],
        ["a", "m", *NONE[1:]],
    ),
    "before a view": (
        [A, R, offset("n", "r", 8), node("m", "view", "n", rows=(1, 0, -1, 3), columns=(7, 6, 5, 4)), *TAIL],
        ["a", "n", "m", *NONE[1:]],
    ),
    "of channels that are taken": (
        [A, R, offset("n", "r", 8), node("k", "select", "n", indices=(7, 0, 2, 3)),
         node("l", "select", "r", indices=(5, 6, 1, 4)), node("m", "concat", "k", "l"), *TAIL], NONE,
    ),
    "before a quantiser of the images": (
        [Node("d", "affine", ("input",), {}, {"gain": np.array(PIXELS.std), "offset": np.array(PIXELS.mean)}),
         offset("n", "d", 3), node("q", "quantise", "n", alpha=255 / 256, levels=255), conv("a", "q", 8, 3),
         node("m", "relu", "a"), *TAIL],
        ["q", *NONE],
    ),
    "behind a leaky rectifier": (
        [A, Node("l", "leaky_relu", ("a",), {}, {"slope": np.full(8, 0.25)}), offset("m", "l", 8), *TAIL],
        ["a", "a.neg", *NONE[1:]],
    ),
    "of a factor": ([A, R, offset("n", "r", 8), node("m", "mul", "n", "r"), *TAIL], ["a", "m.factor", "m", *NONE[1:]]),
    "of a leaky rectifier": (
        [A, offset("n", "a", 8), Node("m", "leaky_relu", ("n",), {}, {"slope": np.full(8, 0.25)}), *TAIL],
        ["a", "a.neg", *NONE[1:]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_constant_of_each_place_is_no_population(case: str) -> None:
    """Folded, the graph has its values; there is a population more only where one of another form needs the values as
    codes; converted, the network is as near to it as codes are, and its integers are the same in all engines.
    """
    nodes, wanted = CASES[case]
    made = Graph(PIXELS, nodes, "maps")
    folded, real = fold(made), made.forward(IMAGES)
    assert [unit.name for unit in folded.units] == wanted
    *_, (_, _, logits) = folded.walk(IMAGES)
    assert np.abs(logits[:, :, 0, 0] - real).max() <= 1e-5 * np.abs(real).max()
    net = convert(made, IMAGES, steps=10, weight_bits=12)
    assert check(net, IMAGES[:3]).agrees
    assert np.abs(run(net, IMAGES).logits * net.logit_scale - real).max() <= 0.04 * np.ptp(real)


def test_a_chip_without_bias_maps_is_told() -> None:
    """A chip that has one bias a channel cannot hold a constant of each place, which is said in one line."""
    made = Graph(PIXELS, CASES["behind a rectifier"][0])
    with refused(GraphError, "CHIP-4", says="a constant of each place needs a bias map"):
        convert(made, IMAGES, chip={"bias_map": False})


def test_weights_that_are_fitted_again_leave_maps_as_they_are() -> None:
    """What a unit adds at each place is no weight: refit (CONV-13) predicts with it, and leaves it."""
    unit = fold(Graph(PIXELS, CASES["around a shortcut"][0]))["b"]
    columns = Columns(unit, {"a": (8, 8, 8)})
    assert [term.skip for term in unit.terms] == [False, True]
    maps = [term.map for term in unit.terms if term.map is not None]
    assert all(made.map is own for made, own in zip(columns.fitted().terms, maps, strict=True))
    assert (columns.constant == sum(maps).astype(np.float32)).all()


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
def test_a_mean_image_in_an_onnx_file(last: bool) -> None:
    """x - mean image, of all channels or of each, becomes an offset, be the channels first or last; a factor of each
    place has no form.
    """
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    from test_from_onnx import agrees, flat
    from test_from_onnx import node as op
    from test_from_onnx import refused as line

    rng = np.random.default_rng(0)
    shape, turn = ((1, 8, 8, 3), (0, 2, 3, 1)) if last else ((1, 3, 8, 8), (0, 1, 2, 3))
    one = rng.normal(size=(8, 8, 1) if last else (8, 8)).astype(np.float32)
    each = rng.normal(size=shape[1:]).astype(np.float32)
    nodes = [op("Sub", "x each", "a"), op("Add", "one a", "b"), op("Sub", "each b", "c")]
    nodes.append(op("Transpose", "c", "h", perm=[0, 3, 1, 2]) if last else op("Identity", "c", "h"))
    graph = agrees(flat(nodes, {"each": each, "one": one}, shape=shape), PIXELS, turn=turn)
    assert [n.op for n in graph.nodes if n.op != "select"] == ["offset", "offset", "affine", "offset", "flatten"]
    made = flat([op("Mul", "x each", "h", "n")], {"each": each}, shape=shape)
    line(made, "n: Mul has a constant that differs from place to place", pixels=PIXELS)


def test_a_mean_image_in_torch() -> None:
    """A buffer or parameter of each place that is added or taken away becomes an offset."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from fsref.importers.torch.from_torch import from_torch

    class Shifted(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.mean, self.place = torch.nn.Parameter(torch.randn(3, 8, 8)), torch.randn(1, 8, 8)
            self.conv = torch.nn.Conv2d(3, 4, 3)

        def forward(self, x: Any) -> Any:
            y = (x - self.mean).permute(0, 2, 3, 1) + self.place[0][..., None]
            return self.conv(1 - y.permute(0, 3, 1, 2)).mean((2, 3))

    model = Shifted().eval()
    graph = from_torch(model, PIXELS)
    assert [n.op for n in graph.nodes] == ["offset", "offset", "affine", "conv", "global_avg_pool"]
    with torch.no_grad():
        wanted = model(torch.from_numpy(PIXELS.normalise(IMAGES))).numpy()
    assert np.abs(graph.forward(IMAGES) - wanted).max() <= 1e-5
