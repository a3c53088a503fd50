"""A network of many small populations: what is told of it takes memory in proportion."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from fsref import Dense, Input, MaxPool, Network, Readout
from fsref.formats import npz
from fsref.formats.container import read_members
from fsref.law.pipelining import pipelining
from fsref.reports.network import info_sheet, network_dict, timeline_text
from fsref.simulation.memory import run_bytes
from handmade import ONE

MANY = 2_000  # a matrix of populations by populations has 32 MB
BOUND = 16 * 2**20


@pytest.fixture(scope="module")
def net() -> Network:
    """An input, max-pools one behind the other, a readout; a file of few members."""
    pools = [MaxPool(f"p{i}", ONE, f"p{i - 1}" if i else "in", (1, 1), (1, 1)) for i in range(MANY)]
    return Network([Input("in", ONE, 2, 3), *pools, Readout("out", ONE)], [Dense(pools[-1].name, "out", [[1]])])


TOLD: dict[str, Callable[[Network], Any]] = {
    "file": lambda net: npz.build(read_members(npz.to_bytes(net), "x"), "x"),
    "pipelining": pipelining,
    "info": lambda net: info_sheet(net).html(),
    "json": network_dict,
    "timeline": timeline_text,
    "names": lambda net: (net.named_projections, net.schedule, net.synapses, [net.sources(p.name) for p in net.pools]),
    "bound": lambda net: run_bytes(net, 1, "events"),
}


@pytest.mark.parametrize("what", TOLD)
def test_memory_grows_as_the_populations_do(net: Network, what: str) -> None:
    """No table of pairs of populations is made (TIME-6), and nothing is kept of what is printed."""
    tracemalloc.start()
    try:
        TOLD[what](net)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < BOUND, (what, peak)
