"""A network of many small populations: what is told of it takes work and memory in proportion."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fsref import Dense, Input, MaxPool, Network, Readout, Record, count, evaluate, run
from fsref.formats import npz
from fsref.formats.container import read_members
from fsref.law.pipelining import pipelining
from fsref.reports.network import info_sheet, network_dict, timeline_text
from fsref.simulation.memory import run_bytes
from handmade import ENGINES, ONE, draw

MANY = 2_000  # a matrix of populations by populations has 32 MB
BOUND = 16 * 2**20


@pytest.fixture(scope="module")
def net() -> Network:
    """As many populations as take a matrix of twice the bound."""
    return row(MANY)


def row(count: int) -> Network:
    """An input, max-pools one behind the other, a readout; a file of few members."""
    pools = [MaxPool(f"p{i}", ONE, f"p{i - 1}" if i else "in", (1, 1), (1, 1)) for i in range(count)]
    return Network([Input("in", ONE, 2, 3), *pools, Readout("out", ONE)], [Dense(pools[-1].name, "out", [[1]])])


TOLD: dict[str, Callable[[Network], Any]] = {
    "file": lambda net: npz.build(read_members(npz.to_bytes(net), "x"), "x"),
    "pipelining": pipelining,
    "info": lambda net: info_sheet(net).html(),
    "json": network_dict,
    "timeline": timeline_text,
    "names": lambda net: (net.named_projections, net.schedule, net.synapses, [net.sources(p.name) for p in net.pools]),
    "bound": lambda net: [run_bytes(net, 1, engine) for engine in ENGINES],
}


def calls(told: Callable[[], Any]) -> int:
    """How many calls of functions, and turns of generators, something takes."""
    made = 0

    def seen(frame: Any, event: str, argument: Any) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        told()
    finally:
        sys.setprofile(None)
    return made


def seen_of(net: Network) -> dict[str, Callable[[], Any]]:
    """What a run of a network tells, to be called."""
    result, score = run(net, draw(net, 1), record=Record()), evaluate(net, draw(net, 1), np.zeros(1, int))
    assert result.trace is not None
    counts, trace = count(result.trace), result.trace
    told = {"score": score.sheet, "counts": counts.sheet, "as plain values": score.to_dict, "result": result.sheet}
    return {**told, "events": trace.events, "digests": trace.digests, "count": lambda: count(trace)}


def test_work_grows_as_the_populations_do() -> None:
    """Four times the populations take less than six times the calls: nothing is done for each pair of them."""
    few, many = row(60), row(240)
    for what, told in TOLD.items():
        told(few)  # what is made once and kept
        told(many)
        assert calls(lambda told=told: told(many)) < 6 * calls(lambda told=told: told(few)), what
    small, large = seen_of(few), seen_of(many)
    for what in small:
        small[what]()
        large[what]()
        assert calls(large[what]) < 6 * calls(small[what]), what


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
