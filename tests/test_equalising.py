"""Channels far below the others that count as much have a scale of their own, a power of two smaller (CONV-2)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fsref.conversion.converter import convert
from fsref.conversion.equalising import COUNTS, FAR
from fsref.graph.graph import Graph, Node
from fsref.simulation.run import run
from fsref.verification.check import check
from fsref.verification.compare import compare
from nodes import PIXELS, conv, drawn, head

GAINS = 10.0 ** np.linspace(0, -4, 8)
A = conv("a", "input", 8, 3)


def spread(compensated: bool, between: Node | None = None, groups: int = 1) -> Graph:
    """A convolution whose channels spread 1 : 10,000, and one that reads them, its weights spread the other way or
    not.
    """
    first = replace(A, arrays={k: v * GAINS.reshape(-1, *[1] * (v.ndim - 1)) for k, v in A.arrays.items()})
    second = conv("b", "r" if between is None else between.name, 8, 8, groups=groups, rng=1)
    weight = second.arrays["weight"]
    if compensated:
        weight = weight / np.repeat(GAINS.reshape(groups, -1), 8 // groups, axis=0)[:, :, None, None]
    second = replace(second, arrays={**second.arrays, "weight": weight})
    nodes = [first, Node("r", "relu", ("a",)), *([] if between is None else [between]), second]
    return Graph(PIXELS, (*nodes, Node("s", "relu", ("b",)), *head("s", 8)), "spread")


@pytest.mark.parametrize(
    ("between", "groups"), [(None, 1), (None, 2), (Node("p", "max_pool", ("r",), {"kernel": (2, 2)}), 1)]
)
def test_channels_that_spread_convert(between: Node | None, groups: int) -> None:
    """With 8 steps and 8 bits the logits are near the float ones; scales are those of the largest channels over powers
    of two, and every engine agrees.
    """
    graph, images = spread(True, between, groups), drawn()
    net = convert(graph, images)
    wanted = graph.forward(images)
    assert np.abs(run(net, images).logits * net.logit_scale - wanted).max() <= 0.04 * np.ptp(wanted)
    times = np.log2(max(net["a"].scale) / np.array(net["a"].scale))  # type: ignore[type-var]
    assert (times == np.rint(times)).all() and times[0] == 0 and times[-1] >= 12
    assert compare(graph, net, images).first_jump is None
    assert check(net, images[:2]).agrees


def test_channels_that_count_little_keep_the_scale_of_all() -> None:
    """Small values that nothing makes larger are small errors: one scale, as before, and fewer spikes."""
    assert isinstance(convert(spread(False), drawn())["a"].scale, float)
    assert FAR < COUNTS
