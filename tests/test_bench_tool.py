"""tools/bench.py: fsref beside its peers. What is tested is what it computes and says, never how long anything took."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import bench
import bench_chains
import bench_clock
import bench_costs
import bench_graphs
import bench_limits
import bench_page
import bench_peers
from bench_measurement import Bench, Facts
from bench_networks import NETWORKS, Sources, clouds, lite0, vgg
from fsref import Graph, Pixels, convert, load, load_images, run
from fsref.conversion.folding import fold
from fsref.graph.graph import Node
from fsref.graph.operators import OPERATORS
from nodes import conv, head, norm

NAMES = bench_limits.REGISTERS, bench_limits.WORDS, bench_limits.BYTES, bench_limits.DOTS
LIMITS = dict.fromkeys(NAMES, 1e11)
STATISTICS = ("mean", "variance")


def small() -> Graph:
    """Every operator that peers compute, on 3 x 8 x 8 images."""
    nodes = [
        conv("stem", "input", 4, 3, bias=None),
        norm("stem.norm", "stem", 4),
        Node("stem.relu", "relu", ("stem.norm",)),
        conv("left", "stem.relu", 4, 4, padding=(0, 0, 1, 1), stride=(2, 2)),
        Node("left.clip", "clip", ("left",)),
        Node("right", "max_pool", ("stem.relu",), {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1, 1, 1)}),
        Node("both", "concat", ("left.clip", "right")),
        conv("each", "both", 8, 8, groups=8),
        norm("each.norm", "each", 8),
        Node("part", "subsample", ("stem.relu",)),
        Node("wide", "pad", ("part",), {"channels": (1, 3)}),
        Node("sum", "add", ("each.norm", "wide")),
        Node("sum.relu", "relu", ("sum",)),
        Node("same", "identity", ("sum.relu",)),
        *head("same", 8),
    ]
    return Graph(Pixels(3, 8, 8, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3)), nodes, "small")


def row(peer: str, steps: int, batch: int, passes: list[float], **more: Any) -> dict[str, Any]:
    """A row as the bench makes them."""
    facts = {"neurons": 1000, "spikes": 1500.0, "delivered": 1400.0, "synops": 2e6, "macs": 3_000_000}
    plain = {"network": "small", "images": "drawn clouds", "threads": 1, "agrees": 1.0, "kernels": "", **facts}
    middle = float(np.median(passes))
    return {
        **plain,
        "peer": peer,
        "steps": steps,
        "batch": batch,
        "cpu": middle,
        "wall": 2 * middle,
        "passes": passes,
        **more,
    }


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that is optional is installed; one network, a small one; no limits are measured."""
    find = importlib.util.find_spec
    optional = {name for peer in bench_peers.PEERS.values() for name in peer.needs} | {"matplotlib"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name in optional else find(name, *more)
    )
    monkeypatch.setitem(NETWORKS, "resnet20", (small, {"steps": (4,), "batches": (1, 3)}))
    monkeypatch.setattr(bench_limits, "limits", lambda: LIMITS)


def test_it_runs_where_everything_optional_is_missing(
    bare: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Both engines of fsref are measured and give the same classes; every peer is named with what it lacks, once."""
    bench.main(f"--networks resnet20 --rounds 1 --images 3 --out {tmp_path / 'speed.json'}".split())
    said = capsys.readouterr()
    found = json.loads((tmp_path / "speed.json").read_text())
    measured = [(row["peer"], row["steps"], row["batch"], row["agrees"]) for row in found["networks"]]
    assert measured == [(f"fsref {name}", 4, batch, 1.0) for batch in (1, 3) for name in ("events", "quantized")]
    lacking = [name for name, peer in bench_peers.PEERS.items() if peer.needs]
    assert [line.partition(": not installed: ")[0] for line in found["left_out"]] == lacking
    assert all(said.out.count(f"- {name}: not installed: ") == 1 for name in lacking)
    assert "| fsref events | 4 | 100 |" in said.out and "growth" not in found


def test_the_command_names_no_folder_of_images() -> None:
    """The page has the command, its sources as DIR."""
    words = "--data cifar10:mine/cifar --photographs mine/photos --rounds 2 --page speed.md".split()
    told = "python tools/bench.py --data cifar10:DIR --photographs DIR --rounds 2 --page speed.md"
    assert bench.shown(words) == told


def test_growth_and_costs_have_a_row_for_every_place(bare: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """K, image size, batch and threads grow one at a time; chains have the channels and spikes that were asked for."""
    for name, places in (("STEPS", (3, 4)), ("SIZES", (6, 8)), ("BATCHES", (1, 2, 64))):
        monkeypatch.setattr(f"bench_measurement.{name}", places)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setitem(bench_chains.SIDES, 16, 4)
    quick = Bench(["fsref quantized"], 1, 1.0)
    grown = quick.growth(Sources(), 2)
    places = {what: [row["at"] for row in rows] for what, rows in grown.items()}
    assert places == {"K": [3, 4], "image size": [6, 8], "batch": [1, 2], "threads": [1, 2]}
    assert [row["threads"] for row in grown["threads"]] == [1, 2]
    costs = quick.costs([16], [0.5, 2.0])
    assert [(row["channels"], row["asked"], row["agrees"]) for row in costs] == [(16, 0.5, 1.0), (16, 2.0, 1.0)]


@pytest.mark.parametrize("spikes", [0.1, 1.0, 4.0])
def test_a_chain_sends_as_many_spikes_as_asked(spikes: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within 2 %, in every layer."""
    monkeypatch.setitem(bench_chains.SIDES, 16, 12)
    of = bench_chains.chain(16, spikes)
    sent = run(of.network(8), of.images).spike_counts
    each = [sent[f"conv{layer}"].mean() / (16 * 12 * 12) for layer in range(bench_chains.LAYERS)]
    assert np.allclose(each, spikes, rtol=0.02)


def test_a_peer_that_fails_is_said_and_the_others_run(bare: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stops a peer while it is made or runs is a line of what is not measured."""

    def make(subject: Any, steps: int, threads: int) -> Any:
        raise RuntimeError("no form\nand more")

    def broken(subject: Any, steps: int, threads: int) -> Any:
        return bench_peers.Contestant(lambda x: x, lambda x: {}["no"])

    for name, made in (("first", make), ("second", broken)):
        monkeypatch.setitem(bench_peers.PEERS, name, bench_peers.Peer(name, bench_peers.FLOAT, (), made))
    quick = Bench(["first", "second", "fsref quantized"], 1, 1.0)
    assert [row["peer"] for row in quick.networks(["resnet20"], Sources(), 3)] == ["fsref quantized"] * 2
    assert quick.left_out == ["first on resnet20: no form", "second on resnet20: 'no'"]


def test_ratios_are_of_the_same_round_and_of_the_better_form() -> None:
    """Each round gives a ratio while neither sits out; of two forms the one with the smaller median stands for both."""
    rows = [
        row("fsref quantized", 5, 1, [1.0, 2.0, 3.0]),
        row("ONNX Runtime int8, QDQ", 0, 1, [9.0, 9.0, 9.0]),
        row("ONNX Runtime int8, QOperator", 0, 1, [2.0, 4.0]),
        row("SpikingJelly, multi-step", 5, 1, [7.0]),
    ]
    assert bench_page.ratios(rows) == [("fsref quantized", "ONNX Runtime int8", 5, 1, [0.5, 0.5])]


def test_the_page_tells_what_was_measured(tmp_path: Path) -> None:
    """Tables, ratios, limits, costs and growth stand in it; a figure is drawn for what grows, the same bytes again."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    peers = ["fsref events", "fsref quantized", "ONNX Runtime float32"]
    networks = [row(peer, 8 * peer.startswith("fsref"), 1, [2.0, 4.0]) for peer in peers]
    grown = [row(peer, 8, 1, [float(at)], at=at) for peer in peers for at in (1, 2)]
    costs = [
        row(peer, 8, 8, [(5000 + 3 * s * 1000) / 1e6], channels=64, asked=s, delivered=s * 1000)
        for peer in peers
        for s in (0.5, 1.0, 4.0)
    ]
    found = {
        "command": "python tools/bench.py",
        "machine": bench_clock.machine(),
        "rounds": 2,
        "limits": LIMITS,
        "networks": networks,
        "growth": dict.fromkeys(("K", "image size", "batch", "threads"), grown),
        "costs": costs,
        "left_out": ["onnx.reference: not installed: onnx"],
    }
    bench_page.write_page(found, tmp_path / "speed.md")
    said = (tmp_path / "speed.md").read_text()
    for line in (
        "- onnx.reference: not installed: onnx",
        "- K = 8: 1,000 FS neurons, 1.50 spikes each, 2.0 M synaptic additions and 3.0 M dense MACs per image.",
        "| fsref events | 8 | 100 | 3.00 (2.50..3.50) | 6.00 |",
        "| fsref events : ONNX Runtime float32 | 8 | 1.00 (1.00..1.00) |",
        "| small | fsref events | 8 | 1 | 0.7 G additions | 1 |",
        "| 64 | 5.00 | 3.00 | 576 | 5.21 | 0 |",
        "| fsref events | 1.00 | 2.00 |",
        "![milliseconds per image over K, image size, batch and threads](speed/growth.svg)",
    ):
        assert line in said.splitlines()
    drawn = {path.name: path.read_bytes() for path in (tmp_path / "speed").iterdir()}
    assert set(drawn) == {"growth.svg", "costs.svg"}
    bench_page.write_page(found, tmp_path / "speed.md")
    assert drawn == {path.name: path.read_bytes() for path in (tmp_path / "speed").iterdir()}


def test_the_costs_of_a_neuron_and_a_spike_are_found() -> None:
    """Rows that cost a * neurons + b * spikes give a and b."""
    rows = [
        row("fsref events", 8, 8, [(7 * 1000 + 2.5 * sent) / 1e6], channels=32, asked=sent, delivered=sent)
        for sent in (100.0, 900.0, 4000.0)
    ]
    (fit,) = bench_costs.fitted(rows)
    assert fit.channels == 32 and np.allclose([fit.a, fit.b, fit.error], [7, 2.5, 0], atol=1e-9)


def test_contestants_take_turns_in_a_drawn_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every round runs each once; one that has used its time sits out."""
    now, ran = [0.0], []

    def contestant(name: str, seconds: float) -> Any:
        def call() -> None:
            ran.append(name)
            now[0] += seconds

        return call

    monkeypatch.setattr(
        bench_clock, "time", SimpleNamespace(perf_counter=lambda: now[0], process_time=lambda: now[0] / 2)
    )
    passes = {name: (contestant(name, seconds), 4) for name, seconds in (("a", 1.0), ("b", 2.0), ("slow", 50.0))}
    times = bench_clock.interleaved(passes, 8, 4.0)
    assert times["a"].wall == [250.0] * 8 and times["a"].cpu == [125.0] * 8
    assert times["b"].wall == [500.0] * 4 and times["slow"].wall == [12_500.0]
    rounds = [sorted(some) for some in (ran[:3], ran[3:5], ran[5:7], ran[7:9], ran[9:])]
    assert rounds == [["a", "b", "slow"], ["a", "b"], ["a", "b"], ["a", "b"], ["a"] * 4]
    ran.clear()
    bench_clock.interleaved({name: passes[name] for name in ("a", "b")}, 20, 100.0)
    assert {*zip(ran[::2], ran[1::2], strict=True)} == {("a", "b"), ("b", "a")}


def test_a_graph_for_peers_is_the_same_function() -> None:
    """Without batch norms, and as ONNX, a graph of every operator gives its logits, up to float32."""
    onnx_reference = pytest.importorskip("onnx.reference", reason="onnx is not installed")
    graph = small()
    x = clouds((3, 8, 8), 5, 0)
    expected, folded = graph.forward(x), bench_graphs.without_norms(graph)
    assert {node.op for node in folded.nodes} == set(bench_graphs.WRITTEN) - {"flatten"}
    assert set(bench_graphs.WRITTEN) <= set(OPERATORS)
    assert np.allclose(folded.forward(x), expected, atol=1e-4)
    given = {"images": np.asarray(graph.contract().normalise(x), np.float32)}
    evaluator = onnx_reference.ReferenceEvaluator(bench_graphs.written(folded))
    assert {constant.data_type for constant in evaluator.proto_.graph.initializer} == {1, 7}  # float32, int64
    assert np.allclose(evaluator.run(None, given)[0], expected, atol=1e-4)


@pytest.mark.parametrize("form", ["Loop", "Planes"])
def test_the_peers_in_pytorch_compute_the_network(form: str) -> None:
    """A float graph gives its logits, an FS network of every kind of population those of fsref, up to float32."""
    pytest.importorskip("torch", reason="torch is not installed")
    import bench_torch

    graph, x = small(), clouds((3, 8, 8), 6, 0)
    real = bench_torch.Float(bench_graphs.without_norms(graph))
    logits = real(bench_torch.tensor(graph.contract().normalise(x)))
    assert np.allclose(logits.numpy(), graph.forward(x), atol=1e-4)
    for net, images in (
        (convert(graph, x, steps=6), x),
        (load("digits"), load_images("digits", load("digits")).x[:40]),
    ):
        spiking = bench_torch.Spiking(net, getattr(bench_torch, form), form == "Planes")
        expected = run(net, images).logits
        assert np.allclose(spiking(bench_torch.tensor(images)).numpy(), expected, rtol=1e-5)


def test_networks_with_drawn_weights_have_their_size() -> None:
    """VGG-11 for CIFAR has 151,552 FS neurons, EfficientNet-Lite0 4,652,008 parameters, means and variances apart."""
    neurons = sum(np.prod(unit.shape) for unit in fold(vgg()).units if unit.activation is not None)
    learnt = [node.arrays[name].size for node in lite0().nodes for name in node.arrays if name not in STATISTICS]
    assert (neurons, sum(learnt)) == (151_552, 4_652_008)


def test_the_work_of_a_network_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dense MACs, neurons, and per image the spikes of FS neurons and those that convolutions deliver, by hand."""
    monkeypatch.setitem(bench_chains.SIDES, 16, 4)
    of = bench_chains.chain(16, 2.0)
    net, facts = of.network(8), Facts.of(of.network(8), of.images)
    sent = {name: count.mean() for name, count in run(net, of.images).spike_counts.items()}
    assert facts.macs == 6 * (16 * 16 * 9) * (4 * 4) + 10 * 16 and facts.neurons == 6 * 16 * 4 * 4
    assert np.isclose(facts.spikes, sum(sent.values()) - sent["input"])
    assert np.isclose(facts.delivered, sum(sent.values()) - sent["conv5"])
    assert facts.synops < facts.delivered * 16 * 9 + sent["conv5"] * 10


def test_the_loops_of_the_limits_do_their_work() -> None:
    """Each adds up what it says it adds up, in wrapping lanes."""
    table, rounds = bench_limits.drawn(bench_limits.ROWS * 160, np.int16), 3
    narrow, sums = table.astype(np.int8), np.zeros(256, np.int16)
    expected = (table.reshape(-1, 160).sum(axis=0, dtype=np.int64) * rounds).astype(np.int16)
    for kernel, rows in ((bench_limits.word_rows, table), (bench_limits.byte_rows, narrow)):
        kernel(rows, sums, rounds)
        assert np.array_equal(sums[:160], expected)
