"""Channels taken by number: slices, splits and shuffles are no population, they stand in the weights of what reads them
(CONV-1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fsref.conversion.converter import convert
from fsref.conversion.folding import fold
from fsref.graph.graph import Graph, Node
from fsref.simulation.run import run
from fsref.verification.check import check
from nodes import PIXELS, conv, drawn, head, norm

IMAGES = drawn(16)


def node(name: str, op: str, *inputs: str, **attributes: Any) -> Node:
    return Node(name, op, inputs, attributes)


def select(name: str, source: str, indices: Sequence[int]) -> Node:
    return node(name, "select", source, indices=list(indices))


def shuffle(name: str, source: str, channels: int, groups: int = 2) -> Node:
    """The channels of each group in turn."""
    return select(name, source, np.arange(channels).reshape(groups, -1).T.ravel().tolist())


def cut(name: str, source: str) -> Node:
    """Without its first two rows and its first and last column."""
    return node(name, "pad", source, padding=(-2, -1, 0, -1))


def unit(name: str, source: str, inputs: int, outputs: int, kernel: int = 3, **attributes: Any) -> list[Node]:
    """Convolution, batch norm, relu `name`."""
    made = conv(f"{name}.conv", source, outputs, inputs, kernel, bias=None, **attributes)
    return [made, norm(f"{name}.norm", made.name, outputs), node(name, "relu", f"{name}.norm")]


def graph(*nodes: Node) -> Graph:
    return Graph(PIXELS, nodes, "net")


A = unit("a", "input", 3, 8)


def halves(name: str, source: str, channels: int) -> list[Node]:
    """The two halves `name`.0 and `name`.1 of a value."""
    half = channels // 2
    return [select(f"{name}.0", source, range(half)), select(f"{name}.1", source, range(half, channels))]


def shuffle_unit(name: str, source: str) -> list[Node]:
    """A unit of ShuffleNet v2 of 8 channels: one half goes through three convolutions, then both are shuffled."""
    return [
        *halves(f"{name}.half", source, 8),
        *unit(f"{name}.1", f"{name}.half.1", 4, 4, 1),
        conv(f"{name}.depth", f"{name}.1", 4, 4, groups=4),
        norm(f"{name}.norm", f"{name}.depth", 4),
        *unit(f"{name}.2", f"{name}.norm", 4, 4, 1),
        node(f"{name}.both", "concat", f"{name}.half.0", f"{name}.2"),
        shuffle(name, f"{name}.both", 8),
    ]


# By name: the graph, and the populations that come of it between the images and the logits.
CASES: dict[str, tuple[Callable[[], Graph], str]] = {
    "a slice": (lambda: graph(*A, select("s", "a", [2, 3, 4]), *unit("b", "s", 3, 6), *head("b", 6)), "a b"),
    "a slice backwards": (
        lambda: graph(*A, select("s", "a", [7, 5, 2]), *unit("b", "s", 3, 6), *head("b", 6)), "a b",
    ),
    "a channel again": (
        lambda: graph(*A, select("s", "a", [1, 1, 4, 1]), *unit("b", "s", 4, 6), *head("b", 6)), "a b",
    ),
    "the images' channels": (
        lambda: graph(
            select("s", "input", [2, 0]), conv("b.conv", "s", 6, 2), node("b", "relu", "b.conv"), *head("b", 6)
        ), "b",
    ),
    "of a sum": (
        lambda: graph(conv("c", "input", 8, 3), select("s", "c", [6, 1, 3]), node("b", "relu", "s"), *head("b", 3)),
        "c",
    ),
    "a sum in two": (
        lambda: graph(
            conv("c", "input", 8, 3), *halves("h", "c", 8), node("p", "relu", "h.0"), node("q", "clip", "h.1"),
            node("r", "concat", "q", "p"), *head("r", 8),
        ), "c c.1",
    ),
    "a sum in two, of which one twice": (
        lambda: graph(
            conv("c", "input", 8, 3), *halves("h", "c", 8), node("p", "relu", "h.0"), conv("d", "h.1", 4, 4),
            conv("e", "h.1", 4, 4, 1), node("r", "add", "d", "e"), node("q", "relu", "r"),
            node("t", "concat", "q", "p"), *head("t", 8),
        ), "c c.1 d",
    ),
    "a shuffle of a sum": (
        lambda: graph(conv("c", "input", 8, 3), shuffle("s", "c", 8), node("b", "relu", "s"), *head("b", 8)), "c",
    ),
    "depthwise behind a shuffle": (
        lambda: graph(*A, shuffle("s", "a", 8), *unit("b", "s", 8, 8, groups=8), *head("b", 8)), "a b",
    ),
    "groups behind a shuffle": (
        lambda: graph(*A, shuffle("s", "a", 8), *unit("b", "s", 8, 6, groups=2), *head("b", 6)), "a b",
    ),
    "groups behind groups": (
        lambda: graph(
            *A, select("s", "a", [5, 4, 7, 6, 1, 0, 3, 2]), *unit("b", "s", 8, 4, groups=4), *unit("d", "b", 4, 4),
            *head("d", 4),
        ), "a b d",
    ),
    "affine behind a shuffle": (
        lambda: graph(*A, shuffle("s", "a", 8), norm("n", "s", 8), *unit("b", "n", 8, 6), *head("b", 6)), "a b",
    ),
    "affine before a slice": (
        lambda: graph(*A, norm("n", "a", 8), select("s", "n", [6, 1, 3]), *unit("b", "s", 3, 6), *head("b", 6)), "a b",
    ),
    "a pad of a slice": (
        lambda: graph(
            *A, norm("n", "a", 8), select("s", "n", [6, 1, 3]), node("p", "pad", "s", padding=(1, 0, 2, 1)),
            *unit("b", "p", 3, 6, stride=(2, 2)), *head("b", 6),
        ), "a b",
    ),
    "pools": (
        lambda: graph(
            *A, shuffle("t", "a", 8), select("s", "t", [6, 1, 3]), node("m", "max_pool", "s", kernel=(2, 2)),
            node("v", "avg_pool", "s", kernel=(2, 2)), node("r", "concat", "m", "v"), *unit("b", "r", 6, 6),
            *head("b", 6),
        ), "a m v b",
    ),
    "a mean of a slice": (
        lambda: graph(*A, select("s", "a", [6, 1, 3]), *head("s", 3)), "a",
    ),
    "a flatten of a shuffle": (
        lambda: graph(
            *A, select("s", "a", [6, 1, 3]), node("f", "flatten", "s"), select("t", "f", range(190, 0, -3)),
            Node("linear", "dense", ("t",), {}, {"weight": np.random.default_rng(3).normal(size=(5, 64))}),
        ), "a",
    ),
    "of the mean": (
        lambda: graph(
            *A, node("v", "global_avg_pool", "a"), select("s", "v", [6, 1, 3]),
            replace(head("s", 3)[1], inputs=("s",)),
        ), "a",
    ),
    "of the logits": (
        lambda: graph(*A, *head("a", 8), select("s", "linear", [3, 1, 4])), "a",
    ),
    "every other place of a shuffle": (
        lambda: graph(*A, shuffle("s", "a", 8), node("t", "subsample", "s"), *unit("b", "t", 8, 6, 1), *head("b", 6)),
        "a t b",
    ),
    "a shortcut of a shuffle": (
        lambda: graph(
            *A, shuffle("s", "a", 8), conv("c", "a", 8, 8), node("t", "add", "s", "c"), node("b", "relu", "t"),
            *head("b", 8),
        ), "a c",
    ),
    "ShuffleNet v1": (
        lambda: graph(
            *A, *unit("b", "a", 8, 8, 1, groups=2), shuffle("s", "b", 8), conv("d", "s", 8, 8, groups=8),
            norm("n", "d", 8), conv("e", "n", 8, 8, 1, groups=2), node("t", "add", "a", "e"),
            node("o", "relu", "t"), *head("o", 8),
        ), "a b d e",
    ),
    "ShuffleNet v2": (
        lambda: graph(*A, *shuffle_unit("u", "a"), *shuffle_unit("v", "u"), *unit("o", "v", 8, 6, 1), *head("o", 6)),
        "a u.1 u.depth u.2 v.1 v.depth v.2 o",
    ),
    "cross stage partial": (
        lambda: graph(
            *A, *halves("h", "a", 8), *unit("b", "h.1", 4, 4), *unit("d", "b", 4, 4), node("t", "add", "h.1", "d"),
            node("r", "concat", "h.0", "h.1", "t"), *unit("o", "r", 12, 6, 1), *head("o", 6),
        ), "a b d t o",
    ),
    "a cut": (
        lambda: graph(*A, cut("s", "a"), *unit("b", "s", 8, 6, padding=(0,) * 4, dilation=(1, 2)), *head("b", 6)),
        "a b",
    ),
    "a cut before relu": (
        lambda: graph(
            *A[:2], cut("s", "a.norm"), node("r", "relu", "s"), norm("n", "r", 8),
            *unit("b", "n", 8, 6, 1, stride=(2, 2)), *head("b", 6),
        ), "a b",
    ),
    "a cut, then padded": (
        lambda: graph(*A, norm("n", "a", 8), cut("s", "n"), *unit("b", "s", 8, 6, 3), *head("b", 6)), "a a.conv.1 b",
    ),
    "padded, then cut": (
        lambda: graph(
            *A, norm("n", "a", 8), node("p", "pad", "n", padding=(1, 2, 3, 1)), cut("s", "p"), select("t", "s", [5, 3]),
            *unit("b", "t", 2, 6, 3, padding=(0, 0, 0, 0)), *head("b", 6),
        ), "a b",
    ),
    "a cut of a sum, averaged": (
        lambda: graph(
            conv("c", "input", 4, 3), cut("s", "c"), node("v", "avg_pool", "s", kernel=(3, 2)), node("b", "relu", "v"),
            *head("b", 4),
        ), "c v",
    ),
    "a cut under a pool": (
        lambda: graph(
            *A, cut("s", "a"), node("m", "max_pool", "s", kernel=(2, 2)), *unit("b", "m", 8, 6), *head("b", 6)
        ),
        "a a.conv.1 m b",
    ),
    "a cut of both sides of a sum": (
        lambda: graph(
            *A, conv("c", "a", 8, 8, padding=(0, 0, 0, 0)), node("s", "pad", "a", padding=(-1,) * 4),
            node("t", "add", "c", "s"), node("b", "relu", "t"), *head("b", 8),
        ), "a c",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_taking_channels_is_no_population(case: str) -> None:
    """The populations are those of the same graph without it; they compute what the graph does, also coded, in all
    engines.
    """
    build, populations = CASES[case]
    made = build()
    *_, (_, before, _) = fold(made).walk(IMAGES)
    wanted = made.forward(IMAGES)
    assert np.abs(before.reshape(wanted.shape) - wanted).max() <= 2e-5 * np.abs(wanted).max()
    net = convert(made, IMAGES)
    assert [p.name.removesuffix(".conv") for p in net.populations[1:-1]] == populations.split()
    logits = run(net, IMAGES).logits * net.logit_scale
    assert np.abs(logits - wanted).max() <= 0.04 * np.ptp(wanted)
    assert check(net, IMAGES[:4]).agrees


TAIL = [*unit("b", "r", 8, 6, groups=2), *head("b", 6)]
BACK = np.argsort(np.arange(8).reshape(4, 2).T.ravel()).tolist()
A_IS_R = [*A[:2], node("r", "relu", "a.norm")]
SPELLINGS: dict[str, list[Node]] = {
    "shuffled and back": [*A, shuffle("s", "a", 8, 4), select("r", "s", BACK), *TAIL],
    "split and joined": [*A, *halves("h", "a", 8), node("r", "concat", "h.0", "h.1"), *TAIL],
    "joined the other way, and turned": [
        *A, *halves("h", "a", 8), node("j", "concat", "h.1", "h.0"), select("r", "j", [4, 5, 6, 7, 0, 1, 2, 3]), *TAIL,
    ],
    "a scale of each half": [
        *A, *halves("h", "a", 8), *[
            Node(f"n.{i}", "affine", (f"h.{i}",), {}, {"gain": np.full(4, 2.0), "offset": np.zeros(4)}) for i in (0, 1)
        ],
        node("j", "concat", "n.0", "n.1"),
        Node("r", "affine", ("j",), {}, {"gain": np.full(8, 0.5), "offset": np.zeros(8)}), *TAIL,
    ],
    "shuffled before relu": [*A[:2], shuffle("s", "a.norm", 8), node("q", "relu", "s"), shuffle("r", "q", 8, 4), *TAIL],
}  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_only_moves_channels_about_changes_nothing(spelling: str) -> None:
    """Channels that come to stand where they stood give the same network: groups stay groups."""
    plain, made = graph(*A_IS_R, *TAIL), graph(*SPELLINGS[spelling])
    assert convert(made, IMAGES).id == convert(plain, IMAGES).id


def test_groups_behind_a_shuffle_stay_groups() -> None:
    """Where each group reads channels of one part, a grouped convolution is one of as many groups: no weight more."""
    made = graph(*A, shuffle("s", "a", 8), *unit("b", "s", 8, 8, groups=8), *unit("c", "b", 8, 8, 1), *head("c", 8))
    depthwise = next(unit for unit in fold(made).units if unit.name == "b.conv").terms[0]
    assert (depthwise.groups, depthwise.weights.shape) == (8, (8, 1, 3, 3))
    mixed = fold(graph(*A, shuffle("s", "a", 8), *unit("b", "s", 8, 8, groups=2), *head("b", 8)))["b.conv"].terms[0]
    assert (mixed.groups, mixed.weights.shape, np.count_nonzero(mixed.weights)) == (1, (8, 8, 3, 3), 8 * 4 * 9)
