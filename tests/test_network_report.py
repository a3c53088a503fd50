"""What `fsref info` shows of a network: tables, plain values, and the timeline."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from fsref import FS, Input, Network, fs_relu
from fsref.law.pipelining import factor_fifo, pipelining
from fsref.law.projections import Gate
from fsref.law.widths import memories
from fsref.reports.network import info_sheet, network_dict, timeline_text
from handmade import ONE, chain, gated, ladder, residual, tiny, unordered

LADDER = """\
network: one image, latency 10 steps
a column is 1 step: . receives  # fires

in   |###       |
a    |...#####  |
pool |   #####  |
b    |   .....##|
out  |     .....|
      +-------+-
step  0       8"""


MARKS = {(True, True): "+", (True, False): ".", (False, True): "#", (False, False): " "}  # (receives, fires)


def test_timeline() -> None:
    """A row per population, a column per step, receiving and firing told apart, an axis in steps (TIME-1, TIME-4)."""
    assert timeline_text(ladder()) == LADDER


@pytest.mark.parametrize(("layers", "steps"), [(7, 8), (8, 8), (40, 8), (3, 16), (200, 16)])
def test_timelines_have_at_most_64_columns(layers: int, steps: int) -> None:
    """Every column is equally many steps, at most 64 in all; a window shows in every column it has a step in."""
    net = chain(*(FS(f"layer{i}", ONE, fs_relu(steps)) for i in range(layers)), given=Input("in", ONE, steps))
    plan, lines = net.schedule, timeline_text(net).splitlines()
    rows = [line.split("|")[1] for line in lines if line.endswith("|")]
    each = int(lines[1].split()[3])
    assert {len(row) for row in rows} == {-(-plan.steps // each)}
    assert len(rows[0]) <= 64 and (each == 1 or -(-plan.steps // (each - 1)) > 64)
    for p, row in zip(net.populations, rows, strict=True):
        for column, mark in enumerate(row):
            steps_here = set(range(column * each, (column + 1) * each))
            receives, fires = bool(steps_here & set(plan.receives[p.name])), bool(steps_here & set(plan.fires[p.name]))
            assert mark == MARKS[receives, fires]
    ticks = lines[-1].split()[1:]
    assert [int(n) for n in ticks] == [8 * i * each for i in range(len(ticks))]


@pytest.mark.parametrize("net", [tiny(), residual(), unordered(), ladder(), gated()])
def test_plain_values(net: Network) -> None:
    """The plain values are those of schedule, pipelining and memories, and JSON holds them."""
    plan, bits, found = net.schedule, memories(net), json.loads(json.dumps(network_dict(net)))
    for entry in found["populations"]:
        name = entry["name"]
        for what, window in (("receives", plan.receives[name]), ("fires", plan.fires[name])):
            assert entry[what] == ([window.start, window.stop - 1] if len(window) else None)
        widths = {key if key.endswith("_width") else f"{key}_bits": n for key, n in asdict(bits[name]).items()}
        assert entry["memory"] == widths
    for buffers, key in ((1, "one_buffer"), (2, "two_buffers")):
        needs = pipelining(net, buffers)
        for entry in found["projections"]:
            q = net.named_projections[entry["name"]]
            if isinstance(q, Gate):
                name = factor_fifo(entry["name"], q)
                fifo = {"fifo_depth": needs.fifo_depth[name], "fifo_bits": needs.fifo_bits[name]}
                assert (entry["gate"]["name"], entry["gate"]["fifo"][key]) == (q.by, fifo)
            depth, bits_of_one = needs.fifo_depth[entry["name"]], needs.fifo_bits[entry["name"]]
            assert entry["fifo"][key] == {"fifo_depth": depth, "fifo_bits": bits_of_one}
        membranes = buffers * sum(m.membranes for m in bits.values())
        wanted = {
            "interval_steps": needs.interval,
            "fifos_bits": sum(needs.fifo_bits.values()),
            "peak_events_per_step": needs.peak_events,
        }
        registers = buffers * sum(m.registers for m in bits.values())
        assert found["pipelines"][key] == wanted | {"membranes_bits": membranes, "registers_bits": registers}


def test_text_shows_what_waits() -> None:
    """The tables tell windows, bits, intervals, peaks and the FIFOs of what waits; without waiting spikes there is no
    such table.
    """
    text = str(info_sheet(residual()))
    lines = [line.split() for line in text.splitlines()]
    assert ["in->out", "15", "9", "756", "13", "1,092"] in lines
    assert ["initiation", "interval,", "steps", "11", "6"] in lines
    assert ["pool", "max_pool", "4", "x", "4", "x", "3", "4", "48"] in lines
    assert ["pool", "5..8"] in lines
    assert "spikes that wait" not in str(info_sheet(tiny()))
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 80


def test_text_shows_what_gates_need() -> None:
    """The tables tell the bits of registers, of one buffer and of two, and how the words of a factor wait; other
    networks have no such rows (RANGE-6, TIME-5).
    """
    text = str(info_sheet(gated()))
    lines = [line.split() for line in text.splitlines()]
    assert ["registers", "of", "gates,", "bits", "56", "112"] in lines
    assert [line[:5] for line in lines if line[:3] == ["in->late", "by", "map"]] == [
        ["in->late", "by", "map", "3", "3"]
    ]
    assert "gates" not in str(info_sheet(residual()))
