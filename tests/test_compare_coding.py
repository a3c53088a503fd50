"""tools/compare_coding.py: FS coding beside rate coding, from a float graph to tables, ratios and figures."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import coding_measurement
import coding_report
import compare_coding
import evaluate
import fsref
from fsref import Graph, Pixels
from fsref.graph.graph import Node
from fsref.metrics.energy import PRESETS
from nodes import conv
from run_log import Log, digest

MODELS = Path(__file__).resolve().parent.parent / "reference_models"


def graph() -> Graph:
    """conv, relu, conv, relu, global mean, linear on 5 x 5 images, random weights."""
    rng = np.random.default_rng(7)
    nodes = [
        conv("conv1", "input", 4, 1, rng=rng, weight=(0, 1.5), bias=None),
        Node("relu1", "relu", ("conv1",)),
        conv("conv2", "relu1", 6, 4, rng=rng, weight=(0, 2.4), bias=None, padding=(0, 0, 0, 0)),
        Node("relu2", "relu", ("conv2",)),
        Node("mean", "global_avg_pool", ("relu2",)),
        Node("dense", "dense", ("mean",), {}, {"weight": rng.normal(0, 1, (3, 6))}),
    ]
    return Graph(Pixels(1, 5, 5), nodes, "small")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph, images to score on and others to calibrate and choose on; labels are what the float graph says, but for
    one in eight.
    """
    made, rng, folder = graph(), np.random.default_rng(8), tmp_path_factory.mktemp("coding")
    fsref.save(made, folder / "small.graph.npz")
    for name, count in (("test", 24), ("train", 40)):
        x = rng.integers(0, 256, (count, 1, 5, 5), dtype=np.uint8)
        y = made.forward(x).argmax(axis=1)
        y[::8] = (y[::8] + 1) % 3
        np.savez(folder / f"{name}.npz", x=x, y=y.astype(np.int64))
    return folder


def given(folder: Path, *more: str) -> list[str]:
    """A command line."""
    sources = ["--data", f"{folder}/test.npz", "--calibrate", f"{folder}/train.npz"]
    numbers = "--images 24 --choose 16 --rate-images 12 --steps 4,8 --ticks 8,32,64 --rate-steps 8".split()
    layers = "--layers together scheduled apart".split()
    return [f"{folder}/small.graph.npz", *sources, *numbers, *layers, "--out", f"{folder}/log.jsonl", *more]


def test_from_graph_to_figures(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables hold what the networks themselves give; a cut log goes on where it ends, to the same tables and figures;
    nothing is run again.
    """
    compare_coding.main(given(folder, "--figures", f"{folder}/figures"))
    said = capsys.readouterr().out
    figures = {p.name: p.read_bytes() for p in (folder / "figures").iterdir()}
    assert sorted(figures) == ["accuracy-latency.svg", "accuracy-throughput.svg"]
    for name, axis in (
        ("latency", b"latency (steps, log scale)"),
        ("throughput", b"throughput (images per 1,000 steps, log scale)"),
    ):
        drawn = figures[f"accuracy-{name}.svg"]
        assert axis in drawn and b"accuracy (%), of float" in drawn and b"float, 87.50 %" in drawn
    assert f"    python tools/compare_coding.py {folder}/small.graph.npz --data" in said
    assert all(f"]({name})" in said for name in figures)
    assert said.endswith(f"## What is compared with what\n\n{compare_coding.conventions()}\n")
    lines = (folder / "log.jsonl").read_text().splitlines(keepends=True)
    entries = [json.loads(line) for line in lines]

    # The row of K = 4, made here from the network that fsref.convert gives.
    with np.load(folder / "test.npz") as test, np.load(folder / "train.npz") as train:
        x, y, calibration = test["x"], test["y"], train["x"][:24]
    net = fsref.convert(graph(), calibration, steps=4)
    score = fsref.evaluate(net, x, y)
    uj = fsref.energy(score.counts, PRESETS["horowitz_2014"]).fs_energy_pj_per_image / 1e6
    row = next(line for line in said.splitlines() if line.startswith("| 4 |")).split("|")
    assert [cell.strip() for cell in row[3:4]] == [f"{100 * score.accuracy:.2f}"]
    assert row[5].strip() == str(score.latency_steps) == "16"  # 8 of the input, 4 of each layer
    every = " 125.0 (83.3) "  # 8 steps, or 8 + 4
    assert row[6:9] == [every, f" {score.spikes_per_neuron:.2f} ", f" {score.synops:,.0f} "]
    assert row[9].strip() == f"{uj:,.1f}"

    # The rows of T = 64: the chosen twin on the drawn images.
    drawn = np.sort(np.random.default_rng(1).permutation(24)[:12])
    for layers in ("together", "scheduled", "apart"):
        table = said[said.index(f"{coding_report.LAYERS[layers]}, K = 8") :]
        row = table.split("| 64 |", 1)[1].split("\n")[0].split("|")
        setting, alpha = row[0].strip().split(", ")
        net = fsref.convert(graph(), calibration, steps=8, **coding_measurement.ALPHAS[alpha])
        result = fsref.rate_coded(net, setting).run(x[drawn], 64, apart=layers == "apart")
        # Spikes go from relu1 to relu2 and on to the readout; those of an input come before.
        depth = 2 + (setting == "classic")
        latency = 64 + {"together": 0, "scheduled": depth - 1, "apart": depth}[layers]
        fs = [p.name for p in net.fs]
        assert float(row[1]) == round(100 * int(result.correct(y[drawn])[-1]) / 12, 2)
        assert row[3:5] == [f" {latency} ", " 15.6 "]
        spikes = sum(int(result.spikes[n][:, -1].sum()) for n in fs) / 12 / 154
        assert row[5:7] == [f" {spikes:.2f} ", f" {result.synops[:, -1].mean():,.0f} "]

    # Each setting was tried on the images after those of calibration; at T the one with most right is taken, of several
    # that with most right up to T.
    tried = [e for e in entries if e["kind"] == "rate" and e["apart"] and e["images"] == 16]
    assert len(tried) == 4 and all(e["ticks"] == 64 for e in tried)
    right = {
        (e["id"], e["setting"]): [(e["correct"][t - 1], sum(e["correct"][:t])) for t in (8, 32, 64)] for e in tried
    }
    took = [max(right, key=lambda c: right[c][i]) for i in range(3)]
    assert took[2] == (net.id, setting)

    # On the drawn images each goes on until it is within half a point of float, or costs more, in steps and in spikes,
    # than one that is.
    seen = [e for e in entries if e["kind"] == "rate" and e["apart"] and e["images"] == 12]
    runs = {(e["id"], e["setting"]): e for e in sorted(seen, key=lambda e: e["ticks"])}  # the longest
    real = int((graph().forward(x[drawn]).argmax(axis=1) == y[drawn]).sum())
    near = {c: [t for t, n in enumerate(e["correct"], 1) if 100 * (n - real) / 12 >= -0.5] for c, e in runs.items()}
    spent = {c: [(t, sum(runs[c]["sent"][: t + runs[c]["depth"]])) for t in ts[:1]] for c, ts in near.items()}
    least = [min(cost) for cost in zip(*[at for ats in spent.values() for at in ats], strict=True)]
    assert runs.keys() == right.keys() and any(near.values())
    for c, e in runs.items():
        assert near[c] or (e["ticks"] >= least[0] and sum(e["sent"]) >= least[1]) or e["ticks"] == 64

    # Cut off within a line of the rate runs: only what is missing runs again.
    keep = next(i for i, e in enumerate(entries) if e["kind"] == "rate") + 2
    (folder / "log.jsonl").write_text("".join(lines[:keep]) + lines[keep][:40])
    monkeypatch.setattr(coding_measurement, "evaluate", None)  # the runs of FS are all there
    shutil.rmtree(folder / "figures")
    compare_coding.main(given(folder, "--figures", f"{folder}/figures"))
    assert capsys.readouterr().out == said
    again = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    timeless = [[{k: v for k, v in e.items() if k != "cpu_seconds"} for e in log] for log in (entries, again)]
    assert timeless[0] == timeless[1]
    assert {p.name: p.read_bytes() for p in (folder / "figures").iterdir()} == figures
    monkeypatch.setattr(coding_measurement.Measurement, "net", None)  # and now everything is
    compare_coding.main(given(folder, "--figures", f"{folder}/figures"))
    assert capsys.readouterr().out == said


def test_a_log_goes_on_with_other_ticks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs are taken from a log only where it holds every T that is asked for."""
    log = str(folder / "ticks.jsonl")
    compare_coding.main([*given(folder), "--ticks", "64", "--out", log])
    first = capsys.readouterr().out
    compare_coding.main([*given(folder), "--ticks", "8,64", "--out", log])
    compare_coding.main([*given(folder), "--ticks", "64", "--out", log])
    assert capsys.readouterr().out.endswith(first.partition("--out")[2].partition("\n")[2])


def test_shards_go_on_where_a_log_does_not(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --resume FS is run in shards, to the same page; another log takes them, and no FS network is run again."""
    pages = []
    for log in ("plain", "first", "second"):
        shards = [] if log == "plain" else ["--resume", str(folder / "shards")]
        compare_coding.main([*given(folder), *shards, "--out", str(folder / f"{log}.jsonl")])
        pages.append(capsys.readouterr().out.partition("\nfloat: ")[2])
        if log == "first":
            monkeypatch.setattr("fsref.metrics.parts.Runner.part", None)
    assert pages[0] == pages[1] == pages[2] and len(list((folder / "shards").iterdir())) == 2


def test_a_log_of_another_network_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Conversion is float work: where it gives another network than that of the log, nothing is added to it."""
    log = folder / "other.jsonl"
    compare_coding.main([*given(folder), "--out", str(log)])
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    changed = [
        e | {"id": "0" * 64} if e["kind"] == "network" else e for e in entries if e["kind"] in ("float", "network")
    ]
    log.write_text("".join(json.dumps(e) + "\n" for e in changed))
    with pytest.raises(SystemExit, match=r"is of network 000000000000, converted here it is"):
        compare_coding.main([*given(folder), "--out", str(log)])
    assert log.read_text() == "".join(json.dumps(e) + "\n" for e in changed)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--options", "steps=5"],
        ["--options", "foo=1"],
        ["--options", "alpha"],
        ["--options", "alpha=foo"],
        ["--options", "weight_bits=99"],
        ["--steps", "17"],
        ["--steps", "0,4"],
        ["--ticks", "65537"],
        ["--ticks", "8,8"],
        ["--rate-steps", "17"],
        ["--within", "-1"],
        ["--figures", "FILE"],
        ["--images", "0"],
        ["--choose", "-1"],
        ["--rate-images", "0"],
        ["--rate-images", "-1"],
        ["--limit", "0"],
        ["--seed", "-1"],
        ["--within", "nan"],
    ],
)
def test_what_is_refused(folder: Path, capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    """Options out of range, unknown ones and a K among those of fsref.convert end the program with a line, before
    anything is drawn.
    """
    with pytest.raises(SystemExit) as ended:
        words = [word.replace("FILE", str(folder / "test.npz")) for word in wrong]
        compare_coding.main([*given(folder), *words, "--out", str(folder / "new.jsonl")])
    said = capsys.readouterr().err + str(ended.value.code)
    assert "compare_coding.py: error: " in said and "Traceback" not in said


def test_evaluate_takes_from_a_log_what_was_said_of_these_images(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second data set in the log of a first one is scored on its own answers."""
    with np.load(folder / "test.npz") as test:
        np.savez(folder / "turned.npz", x=test["x"][::-1], y=test["y"][::-1])
    lines = {}
    for data, log in (("test", "one"), ("turned", "one"), ("turned", "two")):
        given = [f"{folder}/small.graph.npz", "--data", f"{folder}/{data}.npz", "--calibrate", f"{folder}/train.npz"]
        numbers = "--images 24 --steps 4 --reference 2".split()
        monkeypatch.setattr(sys, "argv", ["evaluate.py", *given, *numbers, "--out", f"{folder}/{log}.jsonl"])
        evaluate.main()
        lines[data, log] = capsys.readouterr().out.splitlines()[-1]
    assert lines["turned", "one"] == lines["turned", "two"]


def test_ratios_of_a_table_made_by_hand() -> None:
    """The least cost within 0.5 points on each side; with no such rate point, those of the last T as lower bounds;
    without one of FS, nothing.
    """
    report = coding_report
    P = report.Point  # name, change, latency, interval, spikes, one_buffer
    fs = [P("K = 3", -3.0, 65, 8, 0.5, 11), P("K = 4", -0.5, 84, 8, 0.75, 12), P("K = 8", 0.0, 160, 8, 1.5, 16)]
    slow = [
        P("T = 64", -20.0, 84, 64, 2.0, 64),
        P("T = 128", -4.0, 148, 128, 3.0, 128),
        P("T = 256", -0.6, 276, 256, 6.0, 256),
    ]
    near = [*slow, P("T = 420", -0.4, 440, 420, 9.0, 420), P("T = 512", -0.7, 532, 512, 12.0, 512)]
    found = {r.measure.split(",")[0] + r.measure[-12:]: r for r in report.ratios(fs, near, 0.5)}
    assert [(r.fs.name, r.rate.name, r.reached) for r in found.values()] == [("K = 4", "T = 420", True)] * 4
    assert [r.value for r in found.values()] == [440 / 84, 420 / 8, 420 / 12, 9.0 / 0.75]
    assert [(r.rate.name, r.reached, r.value) for r in report.ratios(fs, slow, 0.5)][:2] == [
        ("T = 256", False, 276 / 84),
        ("T = 256", False, 256 / 8),
    ]
    assert report.ratios(fs[:1], near, 0.5) == []
    assert [report.down(v) for v in (52.58, 5.239, 0.999)] == ["52.5", "5.23", "0.99"]  # never up

    # T = 64 answers after 84 steps, later than K = 3, which is nearer; a T of 8 steps comes before any K, at -60
    # points.
    assert report.not_slower(fs, near, "latency") is None
    quick = P("T = 8", -60.0, 28, 8, 0.2, 8)
    assert report.not_slower(fs, [quick, *near], "latency") == (quick, fs[0])
    assert report.not_slower(fs, [quick, *near], "interval") == (quick, fs[0])  # as often as FS
    better = P("T = 2048", 0.1, 2068, 2048, 50.0, 2048)
    # No K is as accurate as the other, and that is told apart.
    assert report.not_slower(fs, [quick, better], "latency") == (quick, fs[0])
    assert report.above(fs, [quick, *near]) is None
    assert report.above(fs, [quick, *near, better]) == (better, better, fs[2])
    change = coding_measurement.points  # equal shares are equal, whatever the number of images
    for few in range(-100, 101):
        k, t = change(10 * few, 10_000), change(few, 1000)
        pair = [P("K = 4", k, 20, 8, 0.5, 4)], [P("T = 64", t, 64, 64, 3.0, 64)]
        assert report.not_slower(*pair, "latency") is None
    silent = [P("K = 4", 0.0, 84, 8, 0.0, 12)]
    measures = [r.measure for r in report.ratios(silent, near, 0.5)]
    assert measures == [m for m in report.MEASURES if m != "spikes per neuron"]
    told = report.told(fs, {"scheduled": slow}, 0.5)
    ends = "84 steps (K = 4, -0.50) | 276 steps (T = 256, -0.60, not that near)"
    assert f"| latency, layers on the schedule of FS | 3.28 | {ends} |" in told
    assert "- latency, layers on the schedule of FS: nowhere." in told


@pytest.mark.parametrize("changes", [(2.0, 3.0), (-0.2, 0.1), (-60.0, -50.0), (-60.0, 3.0), (-5.0, -5.0)])
def test_figures_show_every_point_and_the_line_of_float(
    changes: tuple[float, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the accuracies, each point and the line of float lie within a panel; the y axis is broken only where
    something is far below float.
    """
    report, seen = coding_report, []
    monkeypatch.setattr(report, "rendered", lambda figure, kind: seen.append(figure) or b"")
    fs, rate = [report.Point("K = 4", changes[0], 84, 8, 0.5, 12)], [report.Point("T = 8", changes[1], 20, 8, 1.0, 8)]
    report.draw(tmp_path, "small", fs, {"scheduled": rate}, 90.0, (10, 10))
    assert len(seen) == 2
    for figure in seen:
        limits = [axes.get_ylim() for axes in figure.axes]
        assert all(any(low <= 90 + change <= high for low, high in limits) for change in (0.0, *changes))
        assert len(limits) == 1 + (min(changes) < -report.NEAR)


def test_a_graph_without_fs_neurons_is_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no population is FS there are no spikes of one, and no traceback."""
    nodes = [
        Node("mean", "global_avg_pool", ("input",)),
        Node("out", "dense", ("mean",), {}, {"weight": np.array([[1.0], [0.5], [-1.0]])}),
    ]
    fsref.save(Graph(graph().input, nodes, "alone"), folder / "alone.graph.npz")
    compare_coding.main([f"{folder}/alone.graph.npz", *given(folder)[1:-1], f"{folder}/alone.jsonl"])
    assert "| 8 |" in capsys.readouterr().out


def test_a_log_holds_whole_lines(tmp_path: Path) -> None:
    """Lines are found again by their values, by another start, too; one that was cut off is gone from the file."""
    path = tmp_path / "log.jsonl"
    log = Log(path)
    one, other = log.add(kind="row", steps=4, labels=[1]), log.add(kind="row", steps=5, labels=[2])
    path.write_text(path.read_text() + '{"kind": "row", "st')
    again = Log(path)
    assert again.lines == [one, other] == [json.loads(line) for line in path.read_text().splitlines()]
    assert again.found(kind="row", steps=5) == other and again.found(kind="row") == one
    assert again.found(steps=6) is None is again.found(kind="row", more=1)


def test_a_digest_is_of_values() -> None:
    """The same images and labels have one name, whatever type their integers have; other ones have another."""
    x, y = np.arange(8).reshape(2, 1, 2, 2), np.array([0, 1])
    assert digest(x, y) == digest(x.astype(np.uint8), y.tolist())
    assert len({digest(x, y), digest(x), digest(x[::-1], y), digest(x, y[::-1])}) == 4


def test_logs_that_are_shipped_are_still_read(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written today has the keys of the logs in reference_models, and a start that finds the lines of float and
    rows alone gives the same table without running anything.
    """
    given = [f"{folder}/small.graph.npz", "--data", f"{folder}/test.npz", "--calibrate", f"{folder}/train.npz"]
    log = folder / "shipped.jsonl"
    words = ["evaluate.py", *given, *"--images 24 --steps 4,6 --reference 0".split(), "--out", str(log)]
    monkeypatch.setattr(sys, "argv", words)
    evaluate.main()
    table = capsys.readouterr().out.partition("| K |")[2]
    lines = [line for line in map(json.loads, log.read_text().splitlines()) if line["kind"] != "batch"]
    shipped = [path for path in sorted(MODELS.glob("*/*.jsonl")) if path.parent.name != "vectors"]
    assert len(shipped) == 11
    for path in shipped:
        known = {line["kind"]: line for line in map(json.loads, path.read_text().splitlines())}
        assert {kind: sorted(line) for kind, line in known.items() if kind != "batch"} == {
            line["kind"]: sorted(line) for line in lines
        }
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    monkeypatch.setattr(evaluate, "batch", None)
    evaluate.main()
    assert table.count("\n| ") == 2 and capsys.readouterr().out.partition("| K |")[2] == table


def test_shipped_pages_say_the_conventions_of_the_tool() -> None:
    """The pages in reference_models end with what the tool says is compared with what, and so does every new one."""
    pages = sorted(MODELS.glob("*/coding/README.md"))
    assert len(pages) == 4 and compare_coding.conventions().startswith("- A step is one hop of a spike.")
    for page in pages:
        told = page.read_text(encoding="utf-8").partition("## What is compared with what\n\n")[2]
        assert told == compare_coding.conventions() + "\n"
