"""Products of two values become gates: their populations, offsets taken back, engines that agree (CONV-16, GATE-1)."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn_graphs import Drawn, graphs
from fsref.conversion import fits
from fsref.conversion.converter import convert
from fsref.conversion.curves import CURVES
from fsref.conversion.folding import fold
from fsref.conversion.search import latency, search
from fsref.errors import GraphError, NetworkError
from fsref.graph.graph import Graph, Node
from fsref.law.images import Pixels
from fsref.law.network import Network
from fsref.law.populations import View
from fsref.law.projections import Conv2d, Gate
from fsref.simulation.run import run
from fsref.verification.check import check
from fsref.verification.compare import compare
from nodes import conv, drawn, head
from repeatable import LONG
from repeatable import drawn as drawn_by

PIXELS = Pixels(3, 8, 8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
IMAGES = drawn(12)
A, B = conv("a", "input", 4, 3), conv("b", "input", 4, 3, rng=1)
TAIL = [conv("c", "p", 4, 4), Node("r", "relu", ("c",)), *head("r", 4)]


@pytest.fixture(autouse=True)
def few_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fits of a few moves: their tables need not be the best."""
    monkeypatch.setattr(fits, "BUDGET", 20_000)


def node(name: str, op: str, *inputs: str, **attributes: object) -> Node:
    return Node(name, op, inputs, attributes)


def graph(*nodes: Node) -> Graph:
    return Graph(PIXELS, nodes, "products")


def excited(gate: str = "sigmoid", act: str = "relu") -> Graph:
    """Squeeze and excite: a map times a number for each of its channels."""
    squeeze = [node("s", "global_avg_pool", "f"), conv("down", "s", 2, 4, 1), node("d", "relu", "down")]
    gates = [conv("up", "d", 4, 2, 1, weight=(0.0, 3.0)), node("g", gate, "up")]
    return graph(A, node("f", act, "a"), *squeeze, *gates, node("p", "mul", "f", "g"), *TAIL)


# Operands of the product p, the populations of the whole, and what enters that of the product: gates by kind of
# operands, and as many projections that take offsets back.
FORMS: dict[str, tuple[list[Node], list[str], int]] = {
    "of values from 0 on": (
        [A, B, node("f", "relu", "a"), node("g", "relu", "b"), node("p", "mul", "f", "g")],
        ["a", "b", "p"],
        0,
    ),
    "of sums": ([A, B, node("p", "mul", "a", "b")], ["a", "b", "p"], 2),
    "of one and a sum": ([A, B, node("f", "relu", "a"), node("p", "mul", "f", "b")], ["a", "b", "p"], 1),
    "a square": ([A, node("p", "mul", "a", "a")], ["a", "p"], 2),
    "of three": (
        [A, B, node("f", "relu", "a"), node("p", "mul", "f", "b", "a")],
        ["a", "f", "b", "p.part", "p"],
        2,
    ),
    "of the images": (
        [node("i", "select", "input", indices=(0, 1, 2, 0)), B, node("p", "mul", "i", "b")],
        ["p.factor", "b", "p"],
        2,
    ),
    "of parts": (
        [
            A,
            B,
            node("f", "relu", "a"),
            node("m", "concat", "f", "b"),
            node("t", "select", "m", indices=(0, 5, 2, 7)),
            node("p", "mul", "t", "b"),
        ],
        ["b", "a", "p.factor", "p"],
        2,
    ),
    "of a mean of sums": (
        [A, B, node("g", "global_avg_pool", "b"), node("p", "mul", "a", "g")],
        ["b", "a", "p.factor", "p.by", "p"],
        2,
    ),
    "of two numbers a channel": (
        [
            A,
            node("g", "global_avg_pool", "a"),
            conv("h", "g", 4, 4, 1),
            node("q", "relu", "h"),
            node("w", "mul", "g", "q"),
            node("p", "add", "w", "q"),
        ],
        ["a", "h", "w.factor", "w", "p"],
        1,
    ),
    "of curves": (
        [A, B, node("f", "silu", "a"), node("g", "tanh", "b"), node("p", "mul", "g", "f")],
        ["a", "b", "p"],
        1,
    ),
    "of a pool and a view": (
        [
            A,
            B,
            node("f", "relu", "a"),
            node("m", "max_pool", "f", kernel=(2, 2)),
            node("v", "view", "b", rows=[1, 0, 3, 2], columns=[0, 2, 4, 6]),
            node("p", "mul", "m", "v"),
        ],
        ["a", "m", "b", "v", "p"],
        1,
    ),
    "of a view with gaps": (
        [A, B, node("v", "view", "b", rows=[1, -1, *range(6)], columns=[*range(8)]), node("p", "mul", "a", "v")],
        ["b", "v", "a", "p.factor", "p"],
        2,
    ),
    "behind an affine": (
        [
            A,
            B,
            node("f", "relu", "a"),
            Node("n", "affine", ("f",), {}, {"gain": np.array([1.0, -2.0, 0.5, 1.0]), "offset": np.ones(4)}),
            node("p", "mul", "n", "b"),
        ],
        ["a", "p.factor", "b", "p"],
        2,
    ),
}


def gates(net: Network) -> list[Gate]:
    return [q for q in net.projections if isinstance(q, Gate)]


@pytest.mark.parametrize("case", FORMS)
def test_products_become_gates(case: str) -> None:
    """A population for each product, what it multiplies coded where no population holds it; engines agree, and values
    are those of the graph as far as the codes go.
    """
    nodes, names, taken_back = FORMS[case]
    made = graph(*nodes, *TAIL)
    net = convert(made, IMAGES, steps=8)
    assert [p.name for p in net.populations[1:]] == [*names, "c", "linear"]
    assert len(gates(net)) == case.count("three") + 1
    target = gates(net)[-1].target
    assert sum(isinstance(q, Conv2d) for q in net.into(target).values()) == taken_back
    check(net, images=IMAGES[:2])
    found = compare(made, net, IMAGES)
    assert found[target].db("new") > 25 and found["c"].db() > 15 and not found.folding_wrong


@pytest.mark.parametrize("gate", ["sigmoid", "hard_sigmoid"])
@pytest.mark.parametrize("act", ["relu", "silu"])
def test_squeeze_and_excite(gate: str, act: str) -> None:
    """A map is multiplied by numbers of its channels, which are complete before its first spike is delivered: the
    product begins as late as that takes, and a search reckons the same.
    """
    made = excited(gate, act)
    net = convert(made, IMAGES, steps={"": 6, "up": 4, "p": 5})
    assert [p.name for p in net.populations[1:]] == ["a", "down", "up", "p", "c", "linear"]
    assert [(q.source, q.by) for q in gates(net)] == [("a", "up")]
    start = net.schedule.start
    assert start["p"] == start["up"] + 4 + 6 == 8 + 6 + 6 + 4 + 6
    check(net, images=IMAGES[:2])
    found = compare(made, net, IMAGES)
    assert found["p"].db("new") > 20 and found["c"].db() > 8


def test_a_view_that_nothing_would_read_is_not_made() -> None:
    """A factor of one place is repeated by a view where the codes of the other have an offset, not where they do not;
    populations are matched without it.
    """
    above = replace(A, arrays=dict(A.arrays) | {"bias": np.full(4, 20.0)})
    for first, views in ((A, ["p.by"]), (above, [])):
        gates = [node("s", "global_avg_pool", "a"), conv("up", "s", 4, 4, 1), node("g", "sigmoid", "up")]
        made = graph(first, *gates, node("p", "mul", "a", "g"), *TAIL)
        net = convert(made, IMAGES, steps=6)
        assert [p.name for p in net.populations if isinstance(p, View)] == views and bool(net["a"].offset) == bool(
            views
        )
        check(net, images=IMAGES[:2])
        assert compare(made, net, IMAGES)["p"].db() > 10


def test_a_search_knows_when_products_begin() -> None:
    """The latency that a search reckons with is that of the networks it makes."""
    made, steps = excited(), {"a": 3, "down": 2, "up": 5, "p": 4, "c": 1}
    assert (
        latency(fold(made), steps) == convert(made, IMAGES, steps=steps).schedule.latency == 8 + 3 + 2 + 5 + 3 + 4 + 1
    )
    found = search(made, IMAGES, loss=30.0, steps=(3, 4))
    assert found.best.steps.keys() == steps.keys()


def test_weights_of_gates() -> None:
    """The weight of a channel is what a product of two codes is worth in membrane units, the same takes both offsets
    back: with w the projections are w·(a - o)·(b - p), not a unit more.
    """
    made = graph(A, B, node("p", "mul", "a", "b"), *TAIL)
    net = convert(made, IMAGES, steps=6)
    a, b, p = net["a"], net["b"], net["p"]
    (gate,) = gates(net)
    into = {q.source: q.weights[:, 0, 0, 0] for q in net.into("p").values() if isinstance(q, Conv2d)}
    w, offsets = gate.weights.astype(int), {"a": a.offset, "b": b.offset}
    assert min(offsets.values()) > 0 and max(abs(into["a"]).max(), abs(into["b"]).max()) < 2**15
    assert (into[gate.source] == -w * offsets[gate.by]).all() and (into[gate.by] == -w * offsets[gate.source]).all()
    theta = p.table.rows(4)[0][:, -1]
    assert (p.bias == w * a.offset * b.offset + theta * p.offset + theta // 2).all()
    assert w == pytest.approx(theta * a.scale * b.scale / p.scale, abs=0.5)


@pytest.mark.parametrize(
    "options", [{"bias_correction": "analytic"}, {"bias_correction": "empirical"}, {"refit": True}]
)
def test_products_with_bias_correction(options: dict[str, object]) -> None:
    """What bias correction and refit look at are the products of the codes that are really sent."""
    made = excited(act="silu")
    net = convert(made, IMAGES, steps=6, **options)
    check(net, images=IMAGES[:2])
    assert compare(made, net, IMAGES)["p"].db("new") > 20


def test_folded_products() -> None:
    """The folded graph multiplies what the graph does, also where a product is an output or is read twice."""
    made = graph(A, B, node("p", "mul", "a", "b"), node("q", "relu", "p"), node("z", "add", "p", "q"))
    folded = {unit.name: after for unit, _, after in fold(made).walk(IMAGES)}
    np.testing.assert_allclose(folded["z"], made.activations(IMAGES, ["z"])["z"], rtol=1e-4, atol=1e-5)
    assert compare(made, convert(made, IMAGES), IMAGES)["z"].db() > 20


def swapped(case: Drawn, choices: random.Random) -> Graph:
    """A drawn graph with curves in the places of activations, and products in those of sums."""
    nodes = []
    for one in case.graph.nodes:
        if one.op in ("relu", "clip", "hard_sigmoid") and choices.random() < 0.7:
            op = choices.choice(sorted(CURVES))
            one = Node(one.name, op, one.inputs, {"formula": "x + sin(x) ** 2"} if op == "curve" else {})
        elif one.op == "add" and choices.random() < 0.7:
            one = Node(one.name, "mul", one.inputs)
        nodes.append(one)
    return replace(case.graph, nodes=tuple(nodes))


def test_drawn_graphs_with_curves_and_products() -> None:
    """Whatever stands around curves and products, the folded graph is the graph, and all engines agree."""
    count: Counter[str] = Counter()

    @settings(drawn_by, max_examples=1000 if LONG else 40)
    @given(graphs(), st.randoms(use_true_random=False), st.integers(1, 9))
    def same(case: Drawn, choices: random.Random, steps: int) -> None:
        made = swapped(case, choices)
        count["graphs"] += 1
        try:
            net = convert(made, case.images, steps=steps)
        except (GraphError, NetworkError) as error:
            assert error.rule == "CONV-3" or "max-pool of" in str(error), error
            count["refused"] += 1
            return
        walked = [after for _, _, after in fold(made).walk(case.images)]
        wanted = made.activations(case.images, [made.output])[made.output]
        largest = max(1.0, *(float(np.abs(after).max()) for after in walked))
        np.testing.assert_allclose(walked[-1], wanted, rtol=1e-3, atol=1e-5 * largest)
        told = [run(net, case.images[:3], engine).outputs for engine in ("quantized", "events", "reference")]
        assert all(np.array_equal(told[0][name], other[name]) for other in told[1:] for name in told[0])
        count["gates"] += bool(gates(net))
        count["curves"] += any("function" in record for record in net.provenance["populations"].values())

    same()
    assert count["refused"] <= 0.3 * count["graphs"], count
    assert count["gates"] >= 0.1 * count["graphs"] and count["curves"] >= 0.4 * count["graphs"], count
