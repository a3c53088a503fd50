"""A leaky rectifier is exactly two rectifiers, whatever reads it: x = relu(x) - slope * relu(-x) (CONV-1)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fsref.conversion.converter import convert
from fsref.conversion.folding import fold
from fsref.graph.graph import Graph, Node
from fsref.law.images import Pixels
from fsref.law.populations import FS
from fsref.verification.check import check
from fsref.verification.compare import compare
from nodes import conv, head, norm

PIXELS = Pixels(3, 8, 8, mean=(0.5, 0.25, 0.5), std=(0.25, 0.5, 0.25), scale=1 / 256)
IMAGES = np.random.default_rng(5).integers(0, 256, (24, 3, 8, 8))
SLOPES = np.array([0.25, 0.0, 1.0, 0.5, -0.5, 2.0, 0.01, -1.0])


def leaky(source: str, slope: object = 0.125, channels: int = 8, name: str = "r") -> Node:
    return Node(name, "leaky_relu", (source,), {}, {"slope": np.broadcast_to(slope, channels) * 1.0})


def node(name: str, op: str, *inputs: str, **attributes: object) -> Node:
    return Node(name, op, inputs, attributes)


def graph(*nodes: Node) -> Graph:
    return Graph(PIXELS, nodes, "leaky")


A, B = conv("a", "input", 8, 3), conv("b", "r", 6, 8)
TAIL = [node("s", "relu", "b"), *head("s", 6)]
PAIR = ["a", "a.neg"]

# What reads a leaky rectifier r of a, and the populations of the whole.
READERS: dict[str, tuple[list[Node], list[str]]] = {
    "a convolution": ([B, *TAIL], [*PAIR, "b", "linear"]),
    "a convolution with groups": ([conv("b", "r", 8, 8, groups=4), *head("b", 8)], [*PAIR, "b", "linear"]),
    "a depthwise convolution": (
        [conv("b", "r", 8, 8, groups=8), node("s", "relu", "b"), *head("s", 8)], [*PAIR, "b", "linear"],
    ),
    "a batch norm": ([norm("n", "r", 8), replace(B, inputs=("n",)), *TAIL], [*PAIR, "b", "linear"]),
    "a pad": ([node("p", "pad", "r", padding=(1, 0, 2, 1)), replace(B, inputs=("p",)), *TAIL], [*PAIR, "b", "linear"]),
    "a cut": (
        [node("p", "pad", "r", padding=(-1, 0, 0, -2)), conv("b", "p", 6, 8, padding=(0,) * 4), *TAIL],
        [*PAIR, "b", "linear"],
    ),
    "the mean": (head("r", 8), [*PAIR, "linear"]),
    "a flatten": (
        [node("f", "flatten", "r"), Node("d", "dense", ("f",), {}, {"weight": np.arange(-500.0, 524).reshape(2, -1)})],
        [*PAIR, "d"],
    ),
    "an average": (
        [node("p", "avg_pool", "r", kernel=(2, 2)), replace(B, inputs=("p",)), *TAIL], [*PAIR, "p", "b", "linear"],
    ),
    "an average that varies": (
        [
            node("p", "avg_pool", "r", kernel=(2, 2), padding=(1, 1, 0, 0), count_include_pad=False),
            replace(B, inputs=("p",)), *TAIL,
        ],
        [*PAIR, "p.windows", "p.windows1", "p", "b", "linear"],
    ),
    "a stretched map": (
        [
            node("p", "view", "r", rows=(-1, 0, 0, 3, 7), columns=(1, 1, -1, 6)),
            conv("b", "p", 6, 8, padding=(0,) * 4), *TAIL,
        ],
        [*PAIR, "p.0", "p.1", "b", "linear"],
    ),
    "a stride": (
        [node("p", "subsample", "r", stride=(2, 2)), replace(B, inputs=("p",)), *TAIL], [*PAIR, "p", "b", "linear"],
    ),
    "a sum": (
        [conv("b", "r", 8, 8), node("z", "add", "b", "r"), node("s", "relu", "z"), *head("s", 8)],
        [*PAIR, "b", "linear"],
    ),
    "a concat": (
        [conv("b", "r", 8, 8), node("s", "relu", "b"), node("z", "concat", "r", "s"), *head("z", 16)],
        [*PAIR, "b", "linear"],
    ),
    "a channel pad": (
        [node("p", "pad", "r", channels=(1, 2)), *head("p", 11)], [*PAIR, "a.1", "linear"],
    ),
    "a shuffle": (
        [node("p", "select", "r", indices=(3, 1, 0, 2, 7, 5, 6, 4)), replace(B, inputs=("p",)), *TAIL],
        [*PAIR, "b", "linear"],
    ),
    "two halves": (
        [
            node("p", "select", "r", indices=(0, 1, 2, 3)), node("q", "select", "r", indices=(4, 5, 6, 7)),
            node("z", "concat", "q", "p"), replace(B, inputs=("z",)), *TAIL,
        ],
        [*PAIR, "b", "linear"],
    ),
    "a rectifier": ([node("q", "relu", "r"), replace(B, inputs=("q",)), *TAIL], [*PAIR, "a.1", "b", "linear"]),
    "a clip": (
        [node("q", "clip", "r", low=-1.0, high=1.0), replace(B, inputs=("q",)), *TAIL], [*PAIR, "a.1", "b", "linear"],
    ),
    "the logits": ([node("f", "flatten", "m"), node("m", "global_avg_pool", "r")][::-1], [*PAIR, "a.1"]),
}  # fmt: skip


def exact(made: Graph) -> list[str]:
    """The populations, which compute what the graph does."""
    folded = fold(made)
    *_, (_, before, _) = folded.walk(IMAGES)
    wanted = made.forward(IMAGES)
    assert np.abs(before.reshape(wanted.shape) - wanted).max() <= 2e-5 * np.abs(wanted).max()
    return [unit.name for unit in folded.units]


@pytest.mark.parametrize("reader", READERS)
def test_whatever_reads_it(reader: str) -> None:
    """Two populations stand for it, none for their sum where the reader is linear; with any slope, or one for each
    channel, nothing of the function changes.
    """
    nodes, wanted = READERS[reader]
    names = exact(graph(A, leaky("a"), *nodes))
    assert len(names) == len(wanted) and names[:2] == wanted[:2]
    exact(graph(A, leaky("a", SLOPES), *nodes))
    exact(graph(A, norm("a2", "a", 8), leaky("a2", -1.0), *nodes))


def test_a_pool_stands_before_it() -> None:
    """A max-pool is taken of the sum, one population, where no slope falls; else of the sum of both."""
    nodes = [node("p", "max_pool", "r", kernel=(2, 2)), replace(B, inputs=("p",)), *TAIL]
    assert exact(graph(A, leaky("a"), *nodes)) == ["a", "p", "r", "r.neg", "b", "linear"]
    assert len(exact(graph(A, leaky("a", SLOPES), *nodes))) == 6


def test_slopes_that_are_nothing() -> None:
    """Channels that do not leak are not held twice; behind a rectifier there is nothing to leak."""
    folded = fold(graph(A, leaky("a", [0.5] * 3 + [0.0] * 5), B, *TAIL))
    assert folded["a.neg"].shape == (3, 8, 8)
    assert [u.name for u in fold(graph(A, leaky("a", 0.0), B, *TAIL)).units] == ["a", "b", "linear"]
    behind = graph(A, node("q", "relu", "a"), leaky("q"), B, *TAIL)
    assert [u.name for u in fold(behind).units] == ["a", "b", "linear"]


def test_it_converts() -> None:
    """Both are FS populations of their own alpha, and codes that do not round lose next to nothing."""
    made = graph(A, leaky("a", SLOPES), B, leaky("b", 0.1, 6, "s"), *head("s", 6))
    net = convert(made, IMAGES, steps=10, weight_bits=14)
    assert [p.name for p in net.populations if isinstance(p, FS)] == ["a", "a.neg", "b", "b.neg"]
    found = compare(made, net, IMAGES[:6])
    assert found.first_jump is None
    assert check(net, IMAGES[:2]).agrees


torch = pytest.importorskip("torch", reason="torch is not installed")


def test_from_torch() -> None:
    """LeakyReLU, PReLU of one slope or one a channel, and abs become one operator; without slope it is relu."""
    from torch import nn

    from fsref.importers.torch.from_torch import from_torch

    def op(layer: nn.Module) -> Node:
        model = nn.Sequential(nn.Conv2d(3, 4, 3), layer, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return from_torch(model, PIXELS).nodes[1]

    class Abs(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.abs()

    slopes = nn.PReLU(4)
    with torch.no_grad():
        slopes.weight.copy_(torch.tensor([0.5, 0.0, -0.25, 1.0]))
    for layer, wanted in (
        (nn.LeakyReLU(0.125), [0.125] * 4), (nn.PReLU(init=0.5), [0.5] * 4), (slopes, [0.5, 0, -0.25, 1]),
        (Abs(), [-1] * 4),
    ):  # fmt: skip
        found = op(layer)
        assert (found.op, found.arrays["slope"].tolist()) == ("leaky_relu", wanted)
    assert op(nn.LeakyReLU(0.0)).op == "relu" and op(nn.PReLU(init=1.0)).op == "global_avg_pool"
    dense = nn.Sequential(nn.Flatten(), nn.Linear(192, 4), slopes)
    assert from_torch(dense, PIXELS).nodes[2].arrays["slope"].tolist() == [0.5, 0, -0.25, 1]
