"""What `fsref run` prints of a recording is made in parts: it takes no memory beyond the bound of the run (RUN-3)."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
from fsref import Dense, Input, MaxPool, Network, Readout, Record
from fsref.cli.main import main
from fsref.law.populations import OBSERVABLES
from fsref.reports.json_text import json_parts
from fsref.simulation.memory import run_bytes
from fsref.simulation.recording import Trace, select
from handmade import NETS, draw, recorded

WIDE = (8, 16, 16)
POOLS = 1
ITSELF = 2**21  # bytes of the command line: what it has read, the part in work
EVERYTHING = [word for observable in OBSERVABLES for word in ("--observable", observable)]


def wide() -> Network:
    """An input of 2,048 neurons, which all spike in all 8 steps, max-pools of as many behind it, a readout."""
    names = ["in", *(f"pool{i}" for i in range(POOLS))]
    pools = [MaxPool(name, WIDE, source, (1, 1), (1, 1)) for source, name in zip(names, names[1:], strict=False)]
    dense = Dense(names[-1], "out", np.ones((2, 8), int), pooled=True)
    return Network([Input("in", WIDE, 8, 255), *pools, Readout("out", (2, 1, 1))], [dense])


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """`run` of the wide network on an image that makes every neuron spike whenever it can."""
    wide().save(tmp_path / "net.fs.npz")
    np.savez(tmp_path / "x.npz", x=np.full((1, *WIDE), 255, np.uint8))
    return ["run", str(tmp_path / "net.fs.npz"), "--data", str(tmp_path / "x.npz")]


@pytest.mark.parametrize(
    ("more", "record"),
    [
        (["--events"], Record()),
        (["--events", "--json"], Record()),
        (["--json", *EVERYTHING], Record(observables=OBSERVABLES)),
    ],
    ids=["text", "json", "recording"],
)
def test_a_listing_stays_below_the_bound_of_the_run(
    command: list[str], more: list[str], record: Record, capfd: pytest.CaptureFixture[str]
) -> None:
    """32,768 events, or as many membranes, take no more than the run that made them, and what the command line has in
    work.
    """
    net = wide()
    bound = run_bytes(net, 1, record=select(net, record))
    limit = ["--memory-limit", str(bound), "--threads", "1"]
    assert main([*command, "--json"]) == 0  # compiles and imports
    tracemalloc.start()
    try:
        assert main([*command, *more, *limit]) == 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    out = capfd.readouterr().out
    assert peak < bound + ITSELF, (peak, bound)
    if record.observables == OBSERVABLES:
        trace = fsref.run(net, np.full((1, *WIDE), 255), record=record).trace
        assert trace is not None and json.loads(out.splitlines()[-1])["recording"] == trace.to_list()
    else:
        assert out.count(', "pool0", ' if "--json" in more else ",pool0,") == 8 * 2048


def test_parts_of_events_are_the_events() -> None:
    """In parts or at once: the same list in canonical order, of some neurons and steps, too (EVENT-1)."""
    for make in NETS.values():
        net = make()
        for record in (Record(), Record(steps=[1, 2]), Record({net.input.name: [2, 0]})):
            trace = recorded(net, draw(net, 3), record)
            rows = [tuple(row) for part in trace.event_parts() for row in part.tolist()]
            assert rows == sorted(rows) == [tuple(row) for row in trace.events().tolist()] and rows


def test_a_wide_population_is_listed_in_short_parts() -> None:
    """However many neurons a population has, and all of them spike."""
    ones = Dense("in", "out", np.ones((1, 50_000), int))
    net = Network([Input("in", (50_000, 1, 1), 1, 1), Readout("out", (1, 1, 1))], [ones])
    trace = fsref.run(net, np.ones((1, 50_000, 1, 1), int), record=Record()).trace
    assert isinstance(trace, Trace)
    sizes = [len(part) for part in trace.event_parts()]
    assert sum(sizes) == 50_000 and max(sizes) < 20_000


def test_json_in_parts_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is that of `json.dumps`, keys in order; iterators and arrays are written as lists, few values at a
    time; what is no number of JSON is refused.
    """
    monkeypatch.setattr("fsref.reports.json_text.PART", 3)

    def rows() -> Iterator[Any]:
        yield from ((1, "a"), {"b": np.arange(7)}, np.arange(12).reshape(2, 3, 2), np.zeros((2, 0), int), iter(()))

    plain = {"z": 1, "a": [1.5, None, True, "\u202e"], "c": {"y": {}, "x": []}}
    lists = [[1, "a"], {"b": [*range(7)]}, np.arange(12).reshape(2, 3, 2).tolist(), [[], []], []]
    parts = list(json_parts({**plain, "rows": rows()}))
    assert "".join(parts) == json.dumps({**plain, "rows": lists}, sort_keys=True)
    assert max(map(len, parts)) < 30
    with pytest.raises(ValueError):
        "".join(json_parts({"a": float("nan")}))


def test_populations_are_found_at_once_among_very_many() -> None:
    """A choice of all of 2,000 populations compares no name with all the others."""
    count, compared = 2_000, 0

    class Name(str):
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

    pools = [MaxPool(Name(f"p{i}"), (1, 1, 1), f"p{i - 1}" if i else "in", (1, 1), (1, 1)) for i in range(count)]
    ends = Input("in", (1, 1, 1), 1, 1), Readout("out", (1, 1, 1))
    net = Network([ends[0], *pools, ends[1]], [Dense(f"p{count - 1}", "out", [[1]])])
    compared = 0
    select(net, Record({Name(p.name): None for p in pools}))
    assert 0 < compared < 20 * count
