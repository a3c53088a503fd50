"""The command line: every verb as text and as JSON, exit codes 0, 1 and 2, and one line for every wrong use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
import handmade
from fsref.cli import info
from fsref.cli import main as cli
from fsref.engines import quantized
from fsref.engines.engine import ENGINES
from fsref.formats.bundled import bundled
from fsref.reports.network import timeline_text
from fsref.simulation import memory
from fsref.verification import golden
from refusals import error_of

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """A function that runs the command line here: (exit code, standard output, standard error)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = cli.main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return code, out, error_of(err)

    return run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small network in a file, and beside it four labelled images, x.npz."""
    return handmade.saved(tmp_path)


def test_run_digits_is_the_first_impression(call: Call) -> None:
    """No options: accuracy beside float, every bit checked, spikes, latency, speed, and the raster of one digit, in
    plain ASCII of 100 columns.
    """
    code, out, err = call("run", "digits")
    assert (code, err) == (0, "")
    for word in (
        "accuracy",
        "float model",
        "bit-exact          yes",
        "spikes per neuron",
        "latency",
        "images per second",
        "step    0 [",
    ):
        assert word in out
    assert out.isascii()
    assert max(map(len, out.splitlines())) <= 100
    net = fsref.load("digits")
    logits = fsref.run(net, fsref.load_images("digits", net, limit=1).x).logits[0]
    best = np.argsort(-logits)[:3].tolist()
    assert out.splitlines()[-1] == "logits: " + "  ".join(f"{c}: {logits[c]:,}" for c in best)


def test_run_digits_as_json(call: Call) -> None:
    code, out, _ = call("run", "digits", "--json")
    found = json.loads(out)
    golden = json.loads((bundled("digits") / "golden.json").read_text())
    assert code == 0
    assert (found["image_count"], found["correct"], found["id"]) == (golden["of"], golden["correct"], golden["id"])
    assert found["check"]["agrees"] is True
    assert {name: round(mean * found["image_count"]) for name, mean in found["spikes_per_image"].items()} == golden[
        "spikes"
    ]


@pytest.mark.parametrize("verb", ["info", "run", "evaluate", "check", "explain"])
def test_every_verb_speaks_text_and_pure_json(call: Call, model: Path, verb: str) -> None:
    extra = {"run": ["--data", model.with_name("x.npz")], "evaluate": ["--data", model.with_name("x.npz")]}
    extra["explain"] = ["1", "--data", model.with_name("x.npz"), "--population", "hid", "--neuron", 2]
    code, out, err = call(verb, model, *extra.get(verb, []))
    assert (code, err) == (0, "")
    assert out.isascii()
    code, out, err = call(verb, model, *extra.get(verb, []), "--json")
    assert (code, err) == (0, "")
    assert isinstance(json.loads(out), dict)


def test_help_fits_a_terminal(call: Call) -> None:
    """The list of verbs says of each what it does, none cut off."""
    code, out, _ = call("--help")
    listed = out.partition("Commands:")[2]
    assert code == 0 and "..." not in listed and "\n  evaluate  Score a network on images.\n" in listed


def test_info_draws_a_timeline(call: Call, model: Path) -> None:
    code, out, err = call("info", model, "--timeline")
    assert (code, out, err) == (0, timeline_text(fsref.load(model)) + "\n", "")


def test_run_gives_the_result_of_run(call: Call, model: Path) -> None:
    data = model.with_name("x.npz")
    expected = fsref.run(fsref.load(model), np.load(data)["x"], record=["hid"])
    for engine in ENGINES:
        found = json.loads(call("run", model, "--data", data, "--engine", engine, "--record", "hid", "--json")[1])
        assert found["logits"] == expected.logits.tolist()
        assert found["predictions"] == expected.predictions.tolist()
        assert [r["values"] for r in found["recording"] if r["observable"] == "codes"] == [
            expected.codes["hid"].tolist()
        ]


@pytest.mark.parametrize(
    ("selection", "picked"), [("2", [2]), ("1:3", [1, 2]), ("::2", [0, 2]), ("3,0", [3, 0]), ("-1", [3])]
)
def test_images_are_picked_like_slices(call: Call, model: Path, selection: str, picked: list[int]) -> None:
    data = model.with_name("x.npz")
    found = json.loads(call("run", model, "--data", data, f"--images={selection}", "--json")[1])
    assert found["images"] == picked
    assert found["names"] == [f"x[{i}]" for i in picked]
    assert found["logits"] == fsref.run(fsref.load(model), np.load(data)["x"][picked]).logits.tolist()


def test_events_are_the_canonical_list(call: Call, model: Path) -> None:
    data = model.with_name("x.npz")
    code, out, _ = call("run", model, "--data", data, "--images", "1:3", "--events")
    trace = fsref.run(fsref.load(model), np.load(data)["x"][1:3], record=["in", "hid"]).trace
    assert trace is not None
    expected = [
        f"{image + 1},{step},{('in', 'hid')[population]},{neuron}"
        for image, step, population, neuron in trace.events().tolist()
    ]
    assert (code, out.splitlines()) == (0, ["image,step,population,neuron", *expected])
    code, out, _ = call("run", model, "--data", data, "--images", "1:3", "--events", "--json")
    assert (code, [",".join(map(str, row)) for row in json.loads(out)["events"]]) == (0, expected)


def test_an_image_keeps_its_number(call: Call, model: Path) -> None:
    """That of its source: in the table, in the events, in the description of a recording, and for explain (RUN-3)."""
    data, out = model.with_name("x.npz"), model.with_name("r")
    asked = ("run", model, "--data", data, "--images", "3,1")
    rows = call(*asked)[1].splitlines()[4:6]
    assert [row.split()[:2] for row in rows] == [["3", "x[3]"], ["1", "x[1]"]]
    said = f"recorded in {out}; rows 0 .. 1 are images 3,1 of {data}\n"
    assert call(*asked, "--out", out)[1].endswith(said)
    told = json.loads((out / "recording.json").read_text())
    assert told["taken"] == {"source": str(data), "image_count": 4, "images": "3,1"} and told["image_count"] == 2
    assert len(str(told)) < 2**14
    trace = fsref.read_trace(out)
    listed = [row.split(",") for row in call(*asked, "--events")[1].splitlines()[1:]]
    assert {row[0] for row in listed} == {"3", "1"}
    for row, image in enumerate((3, 1)):
        neuron = ("--population", "hid", "--neuron", "1", "--json")
        found = json.loads(call("explain", model, image, "--data", data, *neuron)[1])
        assert found["code"] == trace["hid", "codes"][row, 1]
        steps = [str(step["step"]) for step in found["steps"] if step["fired"]]
        assert steps == [step for number, step, name, n in listed if (number, name, n) == (str(image), "hid", "1")]


def test_out_streams_the_recording_to_disk(call: Call, model: Path) -> None:
    out = model.with_name("recording")
    assert call("run", model, "--data", model.with_name("x.npz"), "--out", out, "--observable", "opening")[0] == 0
    assert sorted(p.name for p in out.iterdir()) == [
        "network.fs.npz",
        "population.1.opening.npy",
        "population.2.opening.npy",
        "recording.json",
    ]
    code, _, err = call("run", model, "--data", model.with_name("x.npz"), "--out", out)
    assert (code, err.count("\n")) == (2, 1)


def test_check_says_what_is_proved_and_what_was_tested(call: Call, model: Path) -> None:
    code, out, _ = call("check", model, "--data", "drawn:5:7")
    assert code == 0
    assert out.index("PROVED") < out.index("TESTED  on 5 images")
    assert "drawn:5:7" in out and "images  drawn:16" in call("check", model)[1]
    assert call("check", "digits", "--limit", "3", "--data", "digits")[0] == 0


def test_check_compares_the_engines_and_observables_named(call: Call, model: Path) -> None:
    """Engines and observables can be chosen; one engine alone has nothing to agree with (RUN-2)."""
    two = ("--engine", "events", "--engine", "quantized", "--observable", "codes")
    found = json.loads(call("check", model, *two, "--json")[1])
    assert (found["engines"], found["observables"]) == (["events", "quantized"], ["codes"]) and found["agrees"]
    code, _, err = call("check", model, "--engine", "events")
    assert (code, error_of(err).count("\n")) == (2, 1) and "[RUN-2]" in err
    assert call("check", model, "--self", "--engine", "events")[0] == 2


def broken(net: Any) -> Any:
    """The quantised engine with one bit of one spike of image 3 turned over."""
    simulate = TRUE(net)

    def wrong(images: Any, wanted: Any) -> Any:
        for activity in simulate(images, wanted):
            if activity.population == "hid" and len(images) > 3:
                activity.trains[3, 1, 0, 0] ^= 1
            yield activity

    return wrong


TRUE = quantized.simulator


def test_an_engine_that_differs_is_shown_and_exits_1(call: Call, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantized, "simulator", broken)
    code, out, _ = call("check", model, "--threads", 1)
    assert code == 1
    assert "quantized is not events: image 3 hid step 6 neuron 1" in " ".join(out.split())
    found = json.loads(call("check", model, "--threads", 1, "--json")[1])
    assert (found["agrees"], found["differing_engine"]) == (False, "quantized")
    assert (found["difference"]["image"], found["difference"]["neuron"]) == (3, 1)


def test_a_difference_is_numbered_over_all_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantized, "simulator", broken)
    monkeypatch.setattr(memory, "CHUNK_IMAGES", 4)
    net = handmade.tiny()
    seen: list[int] = []
    report = fsref.check(net, handmade.draw(net, 9), ("reference", "quantized"), threads=1, progress=seen.append)
    assert report.difference is not None
    assert (report.difference.image, report.engine, seen, report.image_count) == (3, "quantized", [4], 4)


def test_a_membrane_outside_its_proof_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proved intervals are held against what was seen: shrink one, and check says so."""
    net = handmade.tiny()
    proved = net.ranges["hid"]
    object.__setattr__(proved, "opening", np.zeros_like(proved.opening))
    report = fsref.check(net, handmade.draw(net, 2))
    assert report.difference is None
    assert not report.agrees
    assert "hid channel 0 opening" in report.outside
    assert "OUTSIDE" in str(report)


def test_self_check_holds_and_bites(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = call("check", "digits", "--self")
    assert (code, "every engine" in out) == (0, True)
    true = golden.golden_record

    def moved(*arguments: Any) -> Any:
        record = json.loads(json.dumps(true(*arguments)))
        record["images"][1]["logits"][0] += 1
        return record

    monkeypatch.setattr(golden, "golden_record", moved)
    code, out, _ = call("check", "digits", "--self", "--json")
    assert code == 1
    assert [place.partition(":")[0] for place in json.loads(out)["differing"]] == ["images[1] logits[0]"]


def test_explain_takes_an_index_an_image_file_or_npy(call: Call, model: Path) -> None:
    from PIL import Image

    pixels = np.array([[1, 15], [7, 0]], np.uint8)
    Image.fromarray(pixels).save(model.with_name("a.png"))
    np.save(model.with_name("a.npy"), pixels)
    np.savez(model.with_name("a.npz"), x=pixels[None].astype(np.int64))
    asked = ["--population", "hid", "--neuron", 0, "--json"]
    told = [call("explain", model, model.with_name(name), *asked) for name in ("a.png", "a.npy")]
    told.append(call("explain", model, "0", "--data", model.with_name("a.npz"), *asked))
    assert [code for code, _, _ in told] == [0, 0, 0]
    assert len({out for _, out, _ in told}) == 1
    assert json.loads(told[0][1])["opening"] == 1 + 1 * 1 + 2 * 15 + 0 * 7 - 1 * 0


def test_explain_takes_a_place(call: Call, model: Path) -> None:
    """C,Y,X is the neuron there, and what is neither a place nor a number is refused (NET-3)."""
    asked = ("explain", model, "0", "--data", model.with_name("x.npz"), "--population", "in", "--neuron")
    assert call(*asked, "0,1,0") == call(*asked, "2") and call(*asked, "2")[0] == 0
    assert "neuron out of range: (0, 2, 0) (0..3, or (c, y, x) below (1, 2, 2))" in call(*asked, "0,2,0")[2]
    for wrong in ("0,1", "one", "1.0", "0,1,0,0", ","):
        code, out, err = call(*asked, wrong)
        assert (code, out) == (2, "") and f"'{wrong}' is neither a number nor a place, as in 17 or 0,1,1" in err


def test_synapses_of_what_has_none_are_refused(call: Call, model: Path) -> None:
    """An input has no synapses to show (RUN-6)."""
    asked = ("explain", model, "0", "--data", model.with_name("x.npz"), "--neuron", 0, "--population")
    line = "fsref: error: --synapses: goes with a population that synapses reach: in (those that have some: hid, out)"
    assert call(*asked, "in", "--synapses", 3) == (2, "", f"{line} [RUN-6]\n")
    assert call(*asked, "in")[0] == call(*asked, "out", "--synapses", 3)[0] == 0
    assert "unknown population: nobody" in call(*asked, "nobody", "--synapses", 3)[2]


def test_one_image_is_a_source(call: Call, model: Path) -> None:
    """--data takes an image file or a .npy of codes; another file is no folder."""
    from PIL import Image

    pixels = np.array([[1, 15], [7, 0]], np.uint8)
    Image.fromarray(pixels).save(model.with_name("a.png"))
    np.save(model.with_name("a.npy"), pixels.astype(np.int64))
    found = [
        json.loads(call("run", model, "--data", model.with_name(name), "--json")[1]) for name in ("a.png", "a.npy")
    ]
    assert [f["names"] for f in found] == [[str(model.with_name("a.png"))], [str(model.with_name("a.npy"))]]
    expected = fsref.run(fsref.load(model), pixels[None].astype(int)).logits.tolist()
    assert found[0]["logits"] == found[1]["logits"] == expected


def test_pixels_out_of_range_are_refused_alike_by_every_verb(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Path("flat").mkdir()
    pixels = np.zeros((8, 8), np.uint8)
    pixels[0, 2] = 191
    Image.fromarray(pixels).save("flat/000.png")
    np.save("flat/000.npy", pixels)
    line = (
        "fsref: error: flat/000.{}[0, 0, 2]: code out of range: 191 (wanted 0..16; "
        "pixels are taken as codes, never rescaled) [RUN-1]\n"
    )
    place = ["--population", "conv1", "--neuron", "0"]
    png, npy = (2, "", line.format("png ")), (2, "", line.format("npy "))
    assert call("run", "digits", "--data", "flat") == png
    assert call("explain", "digits", "flat/000.png", *place) == png
    assert call("evaluate", "digits", "--data", "flat/000.png") == png
    assert call("run", "digits", "--data", "flat/000.npy") == npy
    assert call("explain", "digits", "flat/000.npy", *place) == npy


def test_errors_say_what_to_do(call: Call, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model.parent)
    np.savez("bare.npz", x=handmade.draw(handmade.tiny(), 2))
    line = "fsref: error: --self: needs a model that comes with fsref: tiny.fs.npz (digits) [EVENT-3]\n"
    assert call("check", "tiny.fs.npz", "--self")[2] == line
    line = "fsref: error: bare.npz: the images have no labels ("
    assert call("evaluate", "tiny.fs.npz", "--data", "bare.npz")[2].startswith(line)
    line = "fsref: error: cifar10: names no folder (cifar10:DIR) [RUN-4]\n"
    assert call("run", "tiny.fs.npz", "--data", "cifar10") == (2, "", line)
    Path("tiny.txt").write_text("x")
    assert call("run", "tiny.fs.npz", "--data", "tiny.txt")[2].startswith(
        "fsref: error: tiny.txt: no kind of picture that fsref reads has this suffix (wanted .bmp, "
    )


def test_a_population_without_synapses_has_no_synops(call: Call, tmp_path: Path) -> None:
    """The input of `unordered` feeds a max_pool alone."""
    net = handmade.unordered()
    net.save(tmp_path / "u.fs.npz")
    np.savez(tmp_path / "x.npz", x=handmade.draw(net, 2), y=[0, 1])
    rows = {
        line.split()[0]: line.split()
        for line in call("evaluate", tmp_path / "u.fs.npz", "--data", tmp_path / "x.npz")[1].splitlines()
        if line
    }
    assert (rows["in"][-1], rows["pool"][-1] == "-") == ("-", False)


WRONG: dict[str, list[str]] = {
    "no verb": [],
    "unknown verb": ["dance"],
    "no network": ["info"],
    "missing file": ["info", "{tmp}/nothing.fs.npz"],
    "unknown model": ["run", "nosuchmodel"],
    "not a network": ["info", "{tmp}/x.npz"],
    "truncated network": ["info", "{tmp}/cut.fs.npz"],
    "truncated images": ["run", "{net}", "--data", "{tmp}/cut.npz"],
    "a folder as network": ["info", "{tmp}/"],
    "no images": ["run", "{net}"],
    "missing folder": ["run", "{net}", "--data", "{tmp}/nowhere"],
    "missing cifar10": ["run", "{net}", "--data", "cifar10:{tmp}"],
    "images of another network": ["run", "{net}", "--data", "digits"],
    "unknown engine": ["run", "{net}", "--data", "{tmp}/x.npz", "--engine", "warp"],
    "unknown population": ["run", "{net}", "--data", "{tmp}/x.npz", "--record", "nobody"],
    "unknown observable": ["run", "{net}", "--data", "{tmp}/x.npz", "--observable", "mood"],
    "images out of range": ["run", "{net}", "--data", "{tmp}/x.npz", "--images", "4"],
    "no image selected": ["run", "{net}", "--data", "{tmp}/x.npz", "--images", "9:"],
    "selection of words": ["run", "{net}", "--data", "{tmp}/x.npz", "--images", "a:b"],
    "step of zero": ["run", "{net}", "--data", "{tmp}/x.npz", "--images", "::0"],
    "batch of zero": ["run", "{net}", "--data", "{tmp}/x.npz", "--batch", "0"],
    "no memory": ["run", "{net}", "--data", "{tmp}/x.npz", "--memory-limit", "1K"],
    "memory of words": ["evaluate", "{net}", "--data", "{tmp}/x.npz", "--memory-limit", "lots"],
    "out of nowhere": ["run", "{net}", "--data", "{tmp}/x.npz", "--out", "{tmp}/no/such"],
    "no labels": ["evaluate", "{net}", "--data", "{tmp}/bare.npz"],
    "neuron out of range": ["explain", "{net}", "0", "--data", "{tmp}/x.npz", "--population", "hid", "--neuron", "3"],
    "negative neuron": ["explain", "{net}", "0", "--data", "{tmp}/x.npz", "--population", "hid", "--neuron", "-1"],
    "population of explain": [
        "explain",
        "{net}",
        "0",
        "--data",
        "{tmp}/x.npz",
        "--population",
        "nobody",
        "--neuron",
        "0",
    ],
    "image out of range": ["explain", "{net}", "4", "--data", "{tmp}/x.npz", "--population", "hid", "--neuron", "0"],
    "missing image": ["explain", "{net}", "{tmp}/no.png", "--population", "hid", "--neuron", "0"],
    "missing npy": ["explain", "{net}", "{tmp}/no.npy", "--population", "hid", "--neuron", "0"],
    "limit of explain": [
        "explain",
        "{net}",
        "0",
        "--data",
        "{tmp}/x.npz",
        "--population",
        "hid",
        "--neuron",
        "0",
        "--limit",
        "1",
    ],
    "self of a file": ["check", "{net}", "--self"],
    "self with data": ["check", "digits", "--self", "--data", "digits"],
    "limit of drawn images": ["check", "{net}", "--limit", "3"],
    "selection of nothing": ["run", "{net}", "--data", "{tmp}/x.npz", "--images", ""],
    "seed out of range": ["check", "{net}", "--seed", "-1"],
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_use_is_one_line_and_exit_code_2(call: Call, model: Path, wrong: str) -> None:
    tmp = model.parent
    model.with_name("cut.fs.npz").write_bytes(model.read_bytes()[:-100])
    (tmp / "cut.npz").write_bytes((tmp / "x.npz").read_bytes()[:200])
    np.savez(tmp / "bare.npz", x=handmade.draw(handmade.tiny(), 2))
    code, out, err = call(*(part.format(tmp=tmp, net=model) for part in WRONG[wrong]))
    assert (code, out) == (2, "")
    if wrong == "no verb":
        assert err.startswith("Usage: fsref")
        return
    assert err.startswith("fsref: error: ")
    assert err.count("\n") == 1


def test_a_name_that_nearly_fits_is_suggested(call: Call, model: Path) -> None:
    """A misspelt bundled model, and a folder of CIFAR-10 batches without the word before it: the line says what was
    meant.
    """
    assert "did you mean digits?" in call("run", "digts")[2]
    assert "digits and resnet20 come with it" in call("run", "nothing-like-it")[2]
    (model.parent / "test_batch.bin").write_bytes(b"")
    assert f"did you mean cifar10:{model.parent}?" in call("evaluate", model, "--data", model.parent)[2]


def test_an_object_array_is_not_unpickled(call: Call, model: Path) -> None:
    np.save(model.with_name("evil.npy"), np.array([{"a": 1}], dtype=object), allow_pickle=True)
    code, _, err = call("explain", model, model.with_name("evil.npy"), "--population", "hid", "--neuron", "0")
    assert (code, err.count("\n")) == (2, 1)


@pytest.mark.parametrize("words", [[], ["table"], ["vectors"]])
def test_a_command_of_several_prints_its_help_by_itself(call: Call, words: list[str]) -> None:
    """Line by line, on standard error, and ends with 2."""
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert err.startswith("Usage: fsref ") and "\nCommands:\n" in err


@pytest.mark.parametrize(
    ("raised", "code"),
    [(KeyboardInterrupt(), 130), (PermissionError(13, "Permission denied", "f"), 2), (MemoryError(), 2)],
)
def test_nothing_ends_in_a_traceback(
    call: Call, model: Path, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int
) -> None:
    def fall(*_: Any) -> Any:
        raise raised

    monkeypatch.setattr(info, "load", fall)
    found, out, err = call("info", model)
    assert (found, out) == (code, "")
    assert err.strip().count("\n") == 0
    assert err.strip().startswith("fsref: error: ")


def spawn(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, as `python -m fsref`."""
    environment = {**os.environ, "PYTHONPATH": str(Path(fsref.__file__).parent.parent), **settings}
    return subprocess.run(
        [sys.executable, "-m", "fsref", *arguments],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )


def test_a_process_of_its_own(model: Path) -> None:
    """Piped, in a C locale and without colours: plain ASCII, nothing on standard error, the exit code of the verb."""
    done = spawn(
        "run", str(model), "--data", str(model.with_name("x.npz")), NO_COLOR="1", LC_ALL="C", PYTHONIOENCODING="ascii"
    )
    assert (done.returncode, done.stderr, done.stdout.isascii()) == (0, "", True)
    assert "\x1b" not in done.stdout
    assert spawn("--version").stdout == f"fsref {fsref.__version__}, law {fsref.SPEC_VERSION}\n"
    failed = spawn("info", "nosuchmodel")
    assert (failed.returncode, failed.stdout, error_of(failed.stderr).count("\n")) == (2, "", 1)


def test_what_a_stream_cannot_encode_is_escaped(tmp_path: Path) -> None:
    """A name that the output's encoding has not, of a network or of a file, ends in no traceback."""
    fsref.save(handmade.tiny(name="\u540d"), tmp_path / "a.npz")
    done = spawn("info", str(tmp_path / "a.npz"), PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("\\u540d: ")
    failed = spawn("info", "\u540d.npz", PYTHONIOENCODING="latin-1", PYTHONUTF8="1")
    assert failed.returncode == 2 and "\\u540d.npz" in error_of(failed.stderr)


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
@pytest.mark.parametrize("arguments", ["--images 0:40 --events", "--images 0:4", "--help"])
def test_a_reader_that_leaves_is_no_error(arguments: str) -> None:
    """Into a pipe nobody reads, `fsref` says nothing on standard error and exits 0."""
    environment = {**os.environ, "PYTHONPATH": str(Path(fsref.__file__).parent.parent)}
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "fsref", "run", "digits", *arguments.split()]
    with os.fdopen(writing) as closed:
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, env=environment, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_is_missing_is_named_in_one_line() -> None:
    """`fsref.testing` without Hypothesis names the extra; tools/run.py says what it does before it makes anything."""
    root = Path(fsref.__file__).parent.parent
    code = "import sys; sys.modules['hypothesis'] = None; import fsref.testing"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=300, check=False
    )
    line = 'ModuleNotFoundError: fsref.testing needs Hypothesis: pip install "fsref[verify]"'
    assert done.stderr.splitlines()[-1] == line
    told = subprocess.run(
        [sys.executable, "tools/run.py", "--help"], cwd=root, capture_output=True, text=True, timeout=300, check=False
    )
    assert (told.returncode, told.stderr, told.stdout.startswith("Run fsref from a fresh clone")) == (0, "", True)


def test_numbers_and_sources_no_one_means_are_refused() -> None:
    """An index of 5,000 digits and an empty --data end in one line and exit code 2."""
    for arguments in (
        ["explain", "digits", "9" * 5000, "--population", "input", "--neuron", "0"],
        ["evaluate", "digits", "--data", ""],
    ):
        done = subprocess.run([sys.executable, "-m", "fsref", *arguments], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, error_of(done.stderr).count("\n")) == (2, "", 1), done.stderr


def test_check_needs_something_to_compare() -> None:
    """A check of no observables compares nothing and is refused (OBS-1)."""
    net = fsref.load("digits")
    with pytest.raises(fsref.errors.UsageError, match=r"\[OBS-1\]"):
        fsref.check(net, np.zeros((1, *net.input.shape), int), observables=())


def test_an_error_shows_what_a_terminal_would_obey(call: Call) -> None:
    """Control characters of a name are escaped on standard error."""
    code, out, err = call("info", "a\x1b[31mb")
    assert (code, out) == (2, "") and "\x1b" not in err and "a\\x1b[31mb" in err
