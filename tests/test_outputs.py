"""Networks of several readouts, and of maps: what they give, in every engine, file and form (NET-8, CONV-12)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from numpy.testing import assert_array_equal

import fsref
import naive
import oracle
from fsref import Conv2d, Dense, Input, Network, Readout, run
from fsref.cli.main import main
from fsref.conversion.folding import fold
from fsref.errors import FileError, GraphError, InputError, LimitError, NetworkError, UsageError
from fsref.formats import graph as graph_file
from fsref.formats import json_network, npz
from fsref.graph.graph import Graph, Node, Pixels
from fsref.law.classes import classes_of
from fsref.rate_coding.twin import rate_coded
from fsref.simulation.answers import check_outputs
from fsref.testing import cases, verify
from fsref.verification.agreement import Agreement
from fsref.verification.golden import golden_record
from fsref.verification.outputs import output_errors
from handmade import ENGINES, EVERYTHING, chain, draw, tiny
from members import members_of, with_manifest
from nodes import conv, drawn
from refusals import refused

PIXELS = Pixels(3, 8, 8)


def split() -> Network:
    """A map that stands early in the list, a row of logits, and a map at the end, each with a scale of its own."""
    early = Readout("early", (2, 2, 2), [[[1, 2], [3, 4]], [[0, 0], [0, 0]]], scale=0.5)
    w = np.arange(-3, 5).reshape(2, 1, 2, 2)
    one = tiny()
    return Network(
        [one.populations[0], early, one["hid"], Readout("row", (2, 1, 1), [5, -5]), Readout("late", (1, 2, 2))],
        [
            Conv2d("in", "early", w, padding=(1, 1, 0, 0)),
            one.projections[0],
            Dense("hid", "row", [[1, -1, 2], [0, 3, -2]]),
            Conv2d("in", "late", [[[[-2]]]]),
        ],
        logit_scale=0.25,
    )


def graph_of(outputs: dict[str, str] | None = None) -> Graph:
    """A map, of a sum that two others read, too, and a row of logits behind them."""
    nodes = [
        *(conv("stem", "input", 4, 3), Node("r", "relu", ("stem",))),
        *(
            conv("map", "r", 5, 4, 1),
            Node("up", "relu", ("map",)),
            Node("low", "clip", ("map",), {"low": -1, "high": 1}),
        ),
        *(Node("sum", "add", ("up", "low")), Node("mean", "global_avg_pool", ("sum",))),
        Node("fc", "dense", ("mean",), {}, {"weight": np.linspace(-1, 1, 15).reshape(3, 5)}),
    ]
    return Graph(PIXELS, tuple(nodes), "split", outputs={"seg": "map", "row": "fc"} if outputs is None else outputs)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases(max_outputs=3))
def test_drawn_networks_give_what_the_naive_oracle_says(case: Any) -> None:
    """Several readouts and maps, wherever they stand: every observable of every engine is that of the naive oracle, and
    so are id, latency and class (NET-1, NET-3, NET-8, TIME-2, ID-1).
    """
    net, seen = case.net, oracle.observe(case)
    for engine in ENGINES:
        assert oracle.first_difference(case, seen, engine) is None
        counted, told = run(net, case.images, engine), run(net, case.images, engine, EVERYTHING)
        for name, values in told.outputs.items():
            assert_array_equal(counted.outputs[name], values)
            assert_array_equal(values.reshape(len(values), -1), told.trace[name, "opening"])
        assert {name: count.tolist() for name, count in counted.spike_counts.items()} == {
            name: count.tolist() for name, count in told.spike_counts.items()
        }
    other = naive.load(npz.to_bytes(net))
    assert naive.identity(other) == net.id and naive.latency(other) == net.schedule.latency
    if net.is_classifier:
        assert told.predictions.tolist() == [one.label for one in seen]
    piped = fsref.run_pipelined(net, case.images)
    assert {name: values.tolist() for name, values in piped.result.outputs.items()} == {
        name: values.tolist() for name, values in told.outputs.items()
    }
    assert (piped.latencies == net.schedule.latency).all()


def test_what_a_network_of_several_outputs_says() -> None:
    """Outputs by name and shape, each with its scale; the latency is the start of the last, whichever it is; no
    classes (NET-8, TIME-2).
    """
    net = split()
    assert [p.name for p in net.readouts] == ["early", "row", "late"] and net.readout.name == "late"
    assert net.output_scales == {"early": 0.5, "row": 0.25, "late": 0.25}
    assert [net.schedule.start[p.name] for p in net.readouts] == [4, 7, 4] and net.schedule.latency == 7
    assert (net.is_classifier, net.class_count, net.output_neurons) == (False, 0, 14)
    assert [p.name for p in net.spiking] == ["in", "hid"]
    result = run(net, draw(net, 3))
    assert {name: values.shape for name, values in result.outputs.items()} == {
        "early": (3, 2, 2, 2),
        "row": (3, 2, 1, 1),
        "late": (3, 1, 2, 2),
    }
    assert_array_equal(result.outputs["late"], -2 * draw(net, 3))
    plain = result.to_dict()
    assert plain["outputs"]["late"] == result.outputs["late"].tolist() and "logits" not in plain
    assert "late" in str(result) and "row stands" in str(net.sheet())


def test_no_classes() -> None:
    """Whatever needs classes is refused in a line where a network has none (NET-8)."""
    net = split()
    x = draw(net, 2)
    for what in ("logits", "predictions"):
        with refused(UsageError, "NET-8", "logits", says="result.outputs"):
            getattr(run(net, x), what)
    with refused(InputError, "NET-8", "labels", says="no classes"):
        fsref.evaluate(net, x, [0, 1])
    with refused(UsageError, "RATE-1", "network", says="late 1 x 2 x 2"):
        rate_coded(net)
    score = fsref.evaluate(net, x, None)
    with refused(UsageError, "NET-8", "predictions"):
        score.accuracy  # noqa: B018 - reading it is refused
    assert score.to_dict()["spikes_per_image"] and "accuracy" not in score.to_dict()
    with refused(GraphError, "CONV-11", "outputs", says="no classes"):
        fsref.search(graph_of(), drawn(8), None, 1.0)


def test_classes_of_one_logit(tmp_path: Path) -> None:
    """A single logit tells two classes apart: 1 at 0 or above; it has two names or none (NET-8)."""
    assert classes_of(np.array([[-1], [0], [5]])).tolist() == [0, 1, 1]
    assert classes_of(np.array([[-1.0, -1.0], [0, 2]])).tolist() == [0, 1]
    net = chain(given=Input("in", (1, 1, 1), 4, 15), readout=Readout("out", (1, 1, 1), [-7]))
    x = np.arange(16).reshape(16, 1, 1, 1)
    result = run(net, x)
    assert result.predictions.tolist() == [0] * 7 + [1] * 9 and net.class_count == 2
    assert fsref.evaluate(net, x, [0] * 8 + [1] * 8).correct == 15
    named = replace(net, classes=("no", "yes"))
    assert named.spec_version == net.spec_version == "1.3" and "1 yes" in str(run(named, x))
    assert replace(net, classes=("older",)).class_names == ()
    with refused(NetworkError, "NET-8", "classes", 3):
        replace(net, classes=("a", "b", "c"))
    np.savez(tmp_path / "xy.npz", x=x, y=np.arange(16) // 8)
    assert fsref.load_images(str(tmp_path / "xy.npz"), net).y is not None


def test_files(tmp_path: Path) -> None:
    """A file of maps names version 1.3 and says the scale of each readout but the last; files of others are as they
    were; JSON is the same network (FILE-3, ID-4).
    """
    net = split()
    manifest = npz.manifest_of(net)
    assert manifest["spec_version"] == "1.3"
    told = [p.get("scale", "left out") for p in manifest["populations"] if p["kind"] == "readout"]
    assert told == [0.5, "left out", "left out"]
    assert "scale" not in npz.manifest_of(tiny())["populations"][-1] and tiny().spec_version == "1.2"
    for back in (
        npz.build(members_of(npz.to_bytes(net)), "x"),
        json_network.from_plain(json_network.to_plain(net), "x"),
    ):
        assert back.id == net.id and back.output_scales == net.output_scales
    with refused(NetworkError, "NET-8", "late scale", 2.0, says="logit_scale"):
        Network([*net.populations[:-1], replace(net.readout, scale=2.0)], net.projections)
    for wrong in (0.0, -1.0, float("inf")):
        with refused(NetworkError, "FILE-3", "early scale"):
            Network([net.input, replace(net.readouts[0], scale=wrong), *net.populations[2:]], net.projections)
    broken = [{**p, "scale": "1"} if p["name"] == "early" else p for p in manifest["populations"]]
    with refused(FileError, "FILE-3", "x: manifest.json", says="scale"):
        npz.build(with_manifest(members_of(npz.to_bytes(net)), populations=broken), "x")


def test_outputs_in_onnx() -> None:
    """A model of a network without classes has an output for each readout, by its name; of a classifier `logits`
    (FILE-5).
    """
    pytest.importorskip("onnx")
    from fsref.formats import onnx

    net = split()
    model = onnx.model(net)
    names = [output.name for output in model.graph.output]
    assert names == ["early", "row", "late"]
    found = onnx.run(model, draw(net, 4), names)
    for name, values in run(net, draw(net, 4)).outputs.items():
        assert_array_equal(found[name], values)
    assert isinstance(verify(net, lambda images: onnx.run(model, images, names)), Agreement)
    with refused(UsageError, "FILE-5", "images"):
        onnx.model(Network([net.input, replace(net.readout, name="images")], [Conv2d("in", "images", [[[[-2]]]])]))
    assert [output.name for output in onnx.model(tiny()).graph.output] == ["logits"]


def test_a_graph_of_several_outputs(tmp_path: Path) -> None:
    """Outputs have names and nodes; a graph without names has its last node, and files of such are as they were
    (GRAPH-1, GRAPH-6).
    """
    graph, x = graph_of(), drawn(4)
    assert graph.output_nodes == {"seg": "map", "row": "fc"} and not graph.is_classifier
    values = graph.activations(x, ["map", "fc"])
    for name, node in graph.outputs.items():
        assert_array_equal(graph.answers(x)[name], values[node])
    with refused(UsageError, "NET-8", "logits", says="graph.answers"):
        graph.forward(x)
    fsref.save(graph, tmp_path / "g.npz")
    back = fsref.load_graph(tmp_path / "g.npz")
    assert list(back.outputs.items()) == list(graph.outputs.items())
    plain = graph_of({})
    assert b"outputs" not in graph_file.to_bytes(plain) and plain.is_classifier and plain.output == "fc"
    assert "output seg" in str(graph.sheet())
    members = members_of(graph_file.to_bytes(graph))
    text = members["graph.npy"].replace(b'["row","fc"]', b'["seg","fc"]')
    with refused(GraphError, "GRAPH-1", "x: outputs", says="two outputs have one name"):
        graph_file.build({**members, "graph.npy": text}, "x")


def test_outputs_become_readouts() -> None:
    """Each output is a readout of its name, behind all others; it takes a sum as it is, though others read it too, and
    what a population sends through an identity (CONV-1).
    """
    folded = fold(graph_of())
    assert folded.readouts == ["seg", "row"] and [unit.name for unit in folded.units][-2:] == folded.readouts
    assert [term.source for term in folded["seg"].terms] == ["stem"]  # not the population that holds it for the others
    again = fold(graph_of({"a": "r", "stem": "fc"}))
    (term,) = again["a"].terms
    assert term.skip and term.source == "stem.1" and again.readouts == ["a", "stem"]
    net = fsref.convert(graph_of(), drawn(16))
    assert net.output_scales["row"] == net.logit_scale != net.output_scales["seg"]
    flipped = replace(
        graph_of(),
        nodes=(
            *graph_of().nodes,
            Node("flip", "view", ("r",), {"rows": tuple(range(8))[::-1], "columns": tuple(range(8))}),
        ),
    )
    assert fold(replace(flipped, outputs={"seg": "map", "up": "flip"})).readouts == ["seg", "up"]  # a view is none
    single = fsref.convert(graph_of({"seg": "map"}), drawn(16))
    assert [p.name for p in single.readouts] == ["seg"] and len(single.fs) == 1


@pytest.mark.parametrize("outputs", [{}, {"seg": "map"}, {"seg": "map", "row": "fc", "low": "low"}])
def test_errors_of_outputs_are_a_few_lines_of_numpy(outputs: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The means of |r - f| and |f|, the largest |r - f| and the ratio in dB, by output, however many images go at once
    (CONV-12).
    """
    monkeypatch.setattr("fsref.verification.outputs.images_at_once", lambda *_: 7)
    graph, x = graph_of(outputs), drawn(20)
    net = fsref.convert(graph, x, steps=5)
    told, result = output_errors(graph, net, x), run(net, x)
    assert [row.name for row in told.rows] == [p.name for p in net.readouts] and told.image_count == 20
    for row, f in zip(told.rows, graph.answers(x).values(), strict=True):
        r = result.outputs[row.name] * net.output_scales[row.name]
        apart = np.abs(r - f.astype(np.float64))
        assert row.mean_absolute_error == pytest.approx(apart.mean()) and row.largest_absolute_error == apart.max()
        assert (
            row.mean_absolute_value == pytest.approx(np.abs(f.astype(np.float64)).mean()) and row.error_db is not None
        )
        assert row.error_db == pytest.approx(10 * np.log10((f.astype(np.float64) ** 2).mean() / (apart**2).mean()))
    seen = fsref.compare(graph, net, x)
    for row in told.rows:
        assert seen[row.name].snr == pytest.approx(row.error_db, abs=0.1)
    assert (seen.agree is None) == (outputs != {})


def test_outputs_that_do_not_meet() -> None:
    """Outputs of other names or shapes are refused (CONV-12)."""
    graph, x = graph_of(), drawn(4)
    net = fsref.convert(graph, x)
    with refused(GraphError, "CONV-12", "outputs", says="the graph has a, row"):
        output_errors(graph_of({"a": "map", "row": "fc"}), net, x)
    with refused(GraphError, "CONV-12", "output seg", (5, 8, 8)):
        output_errors(graph_of({"seg": "fc", "row": "fc"}), net, x)


def test_convert_and_score_a_network_without_classes() -> None:
    """The errors of outputs stand in the place of accuracy and agreement, in the provenance too (CONV-12)."""
    outcome = fsref.convert_and_score(graph_of(), drawn(12), steps=4)
    assert outcome.paired is None and outcome.errors is not None
    told = outcome.to_dict()
    assert [row["name"] for row in told["output_errors"]] == ["seg", "row"] and told["agreement"] is None
    assert told["provenance"]["scored"]["output_errors"] == told["output_errors"]
    assert "largest error" in str(outcome.sheet()) and "agreement" not in str(outcome.sheet())


def test_golden_values_and_shards(tmp_path: Path) -> None:
    """Golden values tell outputs by readout; a run that is kept in shards gives the same score again (RUN-7)."""
    net = split()
    record = golden_record(net, draw(net, 4))
    assert record["images"][0]["outputs"]["late"] == run(net, draw(net, 4)).outputs["late"][0].tolist()
    first = fsref.evaluate(net, draw(net, 4), None, resume=tmp_path / "kept")
    again = fsref.evaluate(net, draw(net, 4), None, resume=tmp_path / "kept")
    assert first.counts.to_dict() == again.counts.to_dict() and len(list((tmp_path / "kept").iterdir())) == 1


def test_verbs(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the command line: run tells outputs, evaluate their errors beside the graph, labels are not read; what needs
    classes is refused in a line (NET-8).
    """
    monkeypatch.chdir(tmp_path)
    graph, x = graph_of(), drawn(6)
    fsref.save(graph, "g.npz")
    fsref.save(fsref.convert(graph, x, steps=4), "n.npz")
    np.savez("x.npz", x=x, y=np.linspace(0, 1, 6))  # real numbers: no classes

    def told(*words: str) -> dict[str, Any]:
        assert main([*words, "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    assert np.array(told("run", "n.npz", "--data", "x.npz")["outputs"]["seg"]).shape == (6, 5, 8, 8)
    scored = told("evaluate", "n.npz", "--data", "x.npz", "--graph", "g.npz")
    assert [row["name"] for row in scored["output_errors"]] == ["seg", "row"] and "accuracy" not in scored
    assert told("check", "n.npz")["agrees"] and told("check", "n.npz", "--prove")["refuted"] is None
    assert main(["evaluate", "n.npz", "--data", "x.npz", "--rate", "8"]) == 2
    assert "no classifier" in capsys.readouterr().err
    assert main(["convert", "g.npz", "--data", "x.npz", "--search", "1"]) == 2
    assert "no classes" in capsys.readouterr().err


def test_a_regression_of_one_row_needs_no_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of values beside its float graph: their errors, and no accuracy, however many values there are; without
    the graph, or where a rate-coded twin is asked for, missing labels are refused (CONV-12, RUN-4).
    """
    monkeypatch.chdir(tmp_path)
    x = drawn(6)
    np.savez("x.npz", x=x)
    for outputs in ({"row": "fc"}, {"one": "one"}):
        nodes = [*graph_of().nodes, Node("one", "dense", ("mean",), {}, {"weight": np.linspace(-1, 1, 5)[None]})]
        graph = replace(graph_of(), nodes=tuple(nodes), outputs=outputs)
        fsref.save(graph, "g.npz")
        net = fsref.convert(graph, x, steps=4)
        net.save("n.npz")
        assert net.is_classifier
        beside = ["evaluate", "n.npz", "--data", "x.npz", "--graph", "g.npz"]
        assert main([*beside, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        errors = output_errors(graph, net, x).to_dict()["output_errors"]
        assert told["output_errors"] == errors and "accuracy" not in told and "correct" not in told
        assert main(beside) == 0 and "none: the images have no labels" in " ".join(capsys.readouterr().out.split())
        for words, says in ((beside[:4], "or --graph"), ([*beside, "--rate", "8"], "array y of an npz)")):
            assert main(words) == 2
            assert "x.npz: the images have no labels (" in (err := capsys.readouterr().err) and says in err
    score = fsref.evaluate(net, x, None)
    assert_array_equal(score.predictions, run(net, x).predictions)
    assert score.notes == () and repr(score) == "<Score of split: 6 images>"
    with refused(UsageError, "RUN-1", "accuracy", says="no labels"):
        score.accuracy  # noqa: B018 - reading it is refused


def test_outputs_are_written_to_one_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`run --outputs` writes an array for each readout, of the images taken, which is read back as any answers, and
    replaces nothing unasked (TRACE-5, RUN-5).
    """
    monkeypatch.chdir(tmp_path)
    net = split()
    net.save("n.npz")
    np.savez("x.npz", x=draw(net, 5))
    words = ["run", "n.npz", "--data", "x.npz", "--images", "1:4", "--outputs", "maps.npz"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outputs_file"] == "maps.npz"
    with np.load("maps.npz", allow_pickle=False) as found:
        assert set(found) == {"early", "row", "late"}
        for name, values in run(net, draw(net, 5)[1:4]).outputs.items():
            assert_array_equal(found[name], values)
    before = Path("maps.npz").read_bytes()
    assert main(words) == 2 and "--force" in capsys.readouterr().err
    assert main([*words, "--force", "--events"]) == 0 and Path("maps.npz").read_bytes() == before
    capsys.readouterr()
    assert main(["diff", "n.npz", "x.npz", "maps.npz", "--images", "1:4"]) == 0
    capsys.readouterr()
    assert main([*words[:-1], "x.npz", "--force"]) == 2 and "another file of this command" in capsys.readouterr().err
    with refused(LimitError, "RUN-3", "outputs", says="memory"):
        check_outputs(net, 2**20, 2**20)
    with refused(LimitError, "FILE-1", "outputs", says="a recording of openings"):
        check_outputs(net, 2**27, 2**50)
