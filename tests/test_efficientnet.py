"""EfficientNets: neurons counted from the topology are those that its authors' conversion has, and those of the network
that a small one becomes.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from fsref.conversion import fits
from fsref.conversion.converter import convert
from fsref.law.populations import FS
from fsref.law.projections import Gate
from fsref.verification.check import check
from fsref.verification.compare import compare

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import efficientnet  # noqa: E402 - behind the folder that it lies in

# What it says of a block in the paper: expansion, stride, channels, blocks of B0.
PAPER = [(1, 1, 16, 1), (6, 2, 24, 2), (6, 2, 40, 2), (6, 2, 80, 3), (6, 1, 112, 3), (6, 2, 192, 4), (6, 1, 320, 1)]


def by_hand(width: float, depth: float, side: int) -> dict[str, int]:
    """The neurons of a network, block by block."""

    def wide(channels: int) -> int:
        near = max(8, 8 * math.floor((channels * width + 4) / 8))
        return near if near >= 0.9 * channels * width else near + 8

    side = math.ceil(side / 2)
    silu, sigmoids, products, before = wide(32) * side**2, 0, 0, wide(32)
    for expansion, stride, channels, blocks in PAPER:
        for block in range(math.ceil(blocks * depth)):
            inner = before * expansion
            silu += inner * side**2 * (expansion > 1)
            side = math.ceil(side / stride) if block == 0 else side
            silu += inner * side**2 + before // 4
            sigmoids, products, before = sigmoids + inner, products + inner * side**2, wide(channels)
    return {"silu": silu + wide(1280) * side**2, "sigmoids": sigmoids, "products": products}


@pytest.mark.parametrize(("width", "depth", "side"), [(1.0, 1.0, 224), (1.1, 1.2, 65), (0.25, 0.5, 33)])
def test_neurons_are_counted_from_the_topology(width: float, depth: float, side: int) -> None:
    """Each kind of neuron is as many as the paper's table of stages gives, also of sizes that are odd on the way."""
    assert efficientnet.neurons(efficientnet.network(width, depth, side)) == by_hand(width, depth, side)


def test_the_largest_has_as_many_neurons_as_its_authors_count() -> None:
    """B7 at 600 x 600 has 259,366,992 neurons that follow silu: what C. Stöckl and W. Maass give (2021)."""
    assert by_hand(*efficientnet.SCALES["b7"])["silu"] == 259_366_992


def test_a_small_one_becomes_as_many_neurons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Converted, a network has a population for each activation, each product, and each sum that others read; engines
    agree, and its logits are near to those of the graph.
    """
    monkeypatch.setattr(fits, "BUDGET", 20_000)
    graph = efficientnet.network(0.25, 0.3, 32, 10)
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32)).astype(np.uint8)
    net = convert(graph, images, steps=8)
    records = net.provenance["populations"]
    found = {"silu": 0, "sigmoids": 0, "products": 0}
    gated = {q.target for q in net.projections if isinstance(q, Gate)}
    for p in net.fs:
        kind = {"silu": "silu", "sigmoid": "sigmoids"}.get(records[p.name].get("function", ""))
        kind = "products" if p.name in gated else kind
        if kind is not None:
            found[kind] += p.neurons
    assert found == efficientnet.neurons(graph)
    assert all(
        isinstance(net[q.by], FS) and net[q.by].shape[1:] == (1, 1) for q in net.projections if q.target in gated
    )
    check(net, images=images[:1])
    assert compare(graph, net, images)["logits"].db() > 5
