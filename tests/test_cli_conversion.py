"""The verbs convert, compare and export: what they print, write and refuse."""

from __future__ import annotations

import json
import shlex
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import fsref
from fsref.cli.main import main
from fsref.conversion.plausibility import lost_elsewhere, unexpected
from fsref.errors import GraphError, UsageError
from fsref.formats.datasets import SOURCES
from fsref.formats.sources import load_images
from fsref.graph.graph import Graph, Node
from fsref.law.images import Pixels
from fsref.metrics.chance import guessing
from fsref.metrics.paired import Paired
from handmade import tiny
from nodes import drawn, residual
from refusals import error_of, refused

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """A function that runs the command line in an empty folder and returns exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, err = capfd.readouterr()
        return code, out, error_of(err)

    return run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a float graph and labelled images; labels are what the float graph says, but for a few."""
    graph, x = residual(), drawn(60)
    y = graph.forward(x).argmax(axis=1)
    y[::10] = (y[::10] + 1) % 5
    fsref.save(graph, tmp_path / "net.npz")
    np.savez(tmp_path / "images.npz", x=x, y=y)
    np.savez(tmp_path / "bare.npz", x=x)
    return tmp_path


def test_convert_says_what_it_cost(call: Call, files: Path) -> None:
    """Float accuracy first, then FS accuracy with an interval, agreement, spikes, latency, worst population, file and
    the next command, which works.
    """
    code, out, err = call("convert", "net.npz", "--data", "images.npz")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("residual: 19 nodes")
    assert lines[1] == "float accuracy 90.00 %, 60 images of images.npz, all of them calibrate"
    names = [line.split()[0] for line in lines[2:] if line and not line.startswith(" ")]
    assert names == ["residual:", "FS", "agreement", "cost", "worst", "hint", "written", "next"]
    assert "\ncost         K = 8, " in out and "below its values, on 60 calibration images" in " ".join(out.split())
    net = fsref.load(files / "net.fs.npz")
    assert net.id[:12] in out and net.provenance["scored"]["float_correct"] == 54
    following = lines[-1].removeprefix("next").strip().removeprefix("fsref ").split()
    code, out, err = call(*following)
    assert (code, err) == (0, "") and "project" in out


def test_the_next_command_can_be_typed(call: Call, files: Path) -> None:
    """It carries what the command line said of the input and of image files, quoted for a shell, and works."""
    graph = residual()
    (files / "my files").mkdir()
    fsref.save(fsref.Graph(None, graph.nodes, "residual"), files / "my files" / "open.npz")
    for index, image in enumerate(drawn(2)):
        Image.fromarray(image.astype(np.uint8).transpose(1, 2, 0)).resize((20, 16)).save(
            files / "my files" / f"{index}.png"
        )
    given = [
        "--size",
        "3x8x8",
        "--mean",
        "-0.4,0.5,0.6",
        "--std",
        "0.2,0.25,0.3",
        "--scale",
        "1/255",
        "--order",
        "BGR",
        "--resize",
        "9",
        "--crop",
        "8",
    ]
    code, out, _ = call("convert", "my files/open.npz", "--data", "my files", "--out", "my files/a b.npz", *given)
    assert code == 0
    following = shlex.split(out.splitlines()[-1].removeprefix("next"))
    assert following[:6] == ["fsref", "compare", "my files/open.npz", "my files/a b.npz", "--data", "my files"]
    assert sorted(following[6:]) == sorted(given)
    assert call(*following[1:])[0] == 0


def test_convert_as_json(call: Call, files: Path) -> None:
    """--json is pure JSON with the same figures, and options reach the network."""
    chosen = ["--steps", "6,stem=4", "--weight-bits", "7", "--rounding", "floor", "--out", "a.npz"]
    code, out, _ = call("convert", "net.npz", "--data", "images.npz", *chosen, "--json")
    plain = json.loads(out)
    assert code == 0 and plain["image_count"] == 60 and plain["out"] == "a.npz" and 0 <= plain["agreement"] <= 1
    net = fsref.load(files / "a.npz")
    assert (net["stem"].steps, net["expand"].steps) == (4, 6)
    assert "K = 4..6, " in call("convert", "net.npz", "--data", "images.npz", "-K", "6,stem=4")[1]
    assert net.provenance["options"]["rounding"] == "floor" and net.provenance["options"]["weight_bits"] == 7


def test_convert_says_whether_codes_are_the_trained_ones(call: Call, files: Path) -> None:
    """Of a network trained in few bits it is told that all codes are equal, or of which populations they are not and
    why; as JSON, too.
    """
    weight = np.random.default_rng(0).integers(-7, 8, (4, 3, 3, 3)) / 64
    head = np.random.default_rng(1).integers(-3, 4, (5, 4)) / 8
    pixels = Pixels(3, 8, 8, mean=(0.4, 0.4, 0.4), std=(0.2, 0.2, 0.2))
    for name, std in (("equal", 0.2), ("other", 0.229)):
        nodes = (
            Node("stem", "conv", ("input",), {}, {"weight": weight}),
            Node("act", "quantise", ("stem",), {"alpha": 1.5, "levels": 15, "rounding": "even"}),
            Node("mean", "global_avg_pool", ("act",)),
            Node("head", "dense", ("mean",), {}, {"weight": head}),
        )
        fsref.save(Graph(replace(pixels, std=(0.2, 0.2, std)), nodes, name), files / f"{name}.npz")
    code, out, _ = call("convert", "equal.npz", "--data", "bare.npz")
    assert code == 0 and "trained    equal to the quantised network for all codes: proved\n" in out
    assert "bias correction" not in out
    code, out, _ = call("convert", "other.npz", "--data", "bare.npz")
    assert code == 0 and "0 of 1 population proved equal to the quantised network\n" in out
    assert "stem: channels of input have scales without a common step\n" in out
    told = json.loads(call("convert", "equal.npz", "--data", "bare.npz", "--force", "--json")[1])
    assert told["trained"][0].endswith("proved") and told["provenance"]["trained"]["equal"]
    assert "not for populations" not in out
    code, out, _ = call("convert", "equal.npz", "--data", "bare.npz", "--force", "--weight-bits", "3", "-K", "2")
    assert "\nnote  steps, weight_bits: not for populations kept as trained (CONV-14)\n" in out


def test_scoring_on_calibration_images_gets_a_hint(call: Call, files: Path) -> None:
    """Without --test a hint says that others are to be scored; with others it does not."""
    hint = "\nhint  60 of the images scored also calibrated: score on others, as test\n"
    assert hint in call("convert", "net.npz", "--data", "images.npz")[1]
    out = call("convert", "net.npz", "--data", "images.npz", "--image-count", "59", "--force")[1]
    assert "60 images of images.npz, 59 of them calibrate" in out
    np.savez(files / "others.npz", x=drawn(120)[60:], y=np.zeros(60, np.int64))
    out = call("convert", "net.npz", "--data", "bare.npz", "--test", "others.npz", "--force")[1]
    assert "as test" not in out and "of them calibrate" not in out and "also calibrated" not in out
    tried = (["-K", "5"], ["-K", "6"], ["-K", "5", "--bias-correction", "analytic"])
    hinted = [call("convert", "net.npz", "--data", "images.npz", *more, "--force")[1] for more in tried]
    assert ["bias correction empirical often does better" in out for out in hinted] == [True, False, False]
    for same in ("images.npz", "./images.npz", "bare.npz"):
        assert "as test" in call("convert", "net.npz", "--data", "images.npz", "--test", same, "--force")[1]


def test_convert_without_labels_gives_agreement(call: Call, files: Path) -> None:
    """Images without classes calibrate and give the agreement, no accuracy."""
    code, out, _ = call("convert", "net.npz", "--data", "bare.npz")
    assert code == 0 and "accuracy" not in out and "agreement" in out


def test_expect_stops_with_a_hint(call: Call, files: Path) -> None:
    """A float accuracy more than a point off fails, names the contract and what chance makes of so many images, and
    writes nothing.
    """
    code, _, err = call("convert", "net.npz", "--data", "images.npz", "--expect", "99")
    assert code == 1
    assert "more than a point off: 90.00 % on 60 images, where chance alone makes +-2.5 (" in err
    assert err.count("\n") == 1
    assert "channel order RGB, mean (0.4, 0.5, 0.6)" in err and "labels and class order" in err
    assert not (files / "net.fs.npz").exists()
    assert "+-5.5; score more of them (" in call("convert", "net.npz", "--data", "images.npz", "--expect", "95")[2]
    assert call("convert", "net.npz", "--data", "images.npz", "--expect", "90.9")[0] == 0
    code, out, err = call("convert", "net.npz", "--data", "images.npz", "--expect", "99", "--json", "--force")
    told = json.loads(out)
    assert (code, told["float_correct"], told["image_count"], told["out"]) == (1, 54, 60, None)
    assert err == f"fsref: error: {told['notes'][0]}\n"


def test_names_do_what_names_do(call: Call, files: Path) -> None:
    """A model whose name starts with - stands in the next command so that it can be typed; a long one is wrapped; one
    name of a population is one name, not its letters.
    """
    graph = residual()
    fsref.save(fsref.Graph(graph.input, graph.nodes, "long " * 40), files / "-x.npz")
    code, out, _ = call("convert", "--data", "images.npz", "--out", "-y.npz", "--", "-x.npz")
    following = shlex.split(out.splitlines()[-1].removeprefix("next"))
    assert code == 0 and following[2:4] == ["./-x.npz", "./-y.npz"] and call(*following[1:])[0] == 0
    assert max(map(len, out.splitlines())) <= 80
    pytest.importorskip("onnx")
    fsref.export(files / "-y.npz", files / "one.onnx", "onnx", codes="stem")
    fsref.export(files / "-y.npz", files / "list.onnx", "onnx", codes=["stem"])
    assert (files / "one.onnx").read_bytes() == (files / "list.onnx").read_bytes()


def test_unknown_keywords_of_methods_are_usage_errors() -> None:
    """As those of functions are, and `load_graph` says what reads ONNX."""
    net, graph = tiny(), residual()
    twin = fsref.rate_coded(net, rounding="nearest")
    for wrong in (
        lambda: net.save("a.npz", colour=1),
        lambda: graph.forward(drawn(1), colour=1),
        lambda: twin.run(drawn(1), 8, colour=1),
        lambda: fsref.Trace(colour=1),
    ):
        with pytest.raises(fsref.errors.UsageError, match="unknown argument: colour"):
            wrong()
    with pytest.raises(fsref.errors.FileError, match="from_onnx"):
        fsref.load_graph("model.onnx")


@pytest.mark.parametrize(
    ("expected", "right", "images", "stops"),
    [
        (44, 43, 100, False),
        (44.5, 43, 100, True),
        (50, 430, 1000, True),
        (92.6, 9170, 10000, False),
        (92.6, 9150, 10000, True),
        (100, 99, 100, False),
    ],
)
def test_expect_is_a_point(expected: float, right: int, images: int, stops: bool) -> None:
    """What is no more than a point off is as expected; the line says what a binomial of that many images gives 95 times
    of 100.
    """
    line = unexpected(expected, right, images, fsref.Pixels(1, 8, 8))
    assert bool(line) == stops
    assert not stops or f"% on {images:,} images, where chance alone makes +-" in line


def test_an_implausible_contract_gets_a_note(call: Call, files: Path) -> None:
    """A mean where no pixel is, and an accuracy not above chance, are told once, behind the accuracy, with --json on
    standard error; the conversion goes on.
    """
    x = drawn(60)
    np.savez(files / "wrong.npz", x=x, y=(residual().forward(x).argmax(axis=1) + 1) % 5)
    code, out, err = call("convert", "net.npz", "--data", "wrong.npz")
    assert code == 0 and "next" in out and err == ""
    line = "note: float accuracy 0.00 % on 60 images is not above chance, 20.00 +-10.1 %; is the input contract"
    assert line in " ".join(out.partition("agreement")[0].split()) and out.count("above chance") == 1
    code, out, err = call("convert", "net.npz", "--data", "bare.npz", "--mean", "0.4,1.5,0.6", "--force", "--json")
    told = "mean 1.5 lies outside the pixels' range 0..1; scale 1 ?"
    assert code == 0 and err == f"fsref: note: {told}\n" and json.loads(out)["notes"] == [told]


def test_notes_say_nothing_of_what_is_plausible() -> None:
    """Means of pixels are pixels, whatever the scale; one image cannot tell two classes from chance."""
    assert fsref.Pixels(3, 8, 8, mean=(123, 117, 104), scale=1).doubt() == fsref.Pixels(3, 8, 8).doubt() == ""
    assert fsref.Pixels(3, 8, 8, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)).doubt() == ""
    assert fsref.Pixels(1, 8, 8, scale=1).doubt() == fsref.Pixels(1, 8, 8, mean=(), std=(), scale=None).doubt() == ""
    assert fsref.Pixels(1, 8, 8, mean=-0.5).doubt() == "mean -0.5 lies outside the pixels' range 0..1"
    codes = fsref.Pixels(1, 8, 8, mean=16, scale=1, max_code=15)
    assert codes.doubt() == "mean 16 lies outside the pixels' range 0..15"
    sixteenth = fsref.Pixels(1, 8, 8, mean=0.3, std=0.38, scale=1 / 16)
    assert sixteenth.doubt().startswith("mean 0.3 and std 0.38 are those of pixels 0..1") and sixteenth.doubt(16) == ""
    assert guessing("it", 0, 1, 2) == guessing("it", 31, 100, 5) == ""
    assert guessing("it", 27, 100, 5) and guessing("it", 0, 9, 10)


@pytest.mark.parametrize(
    ("contract", "line"),
    [
        ("--mean 0.485 --std 0.2 --scale 1", "mean 0.485 and std 0.2 are those of pixels 0..1, not of the"),
        ("--mean 0 --std 0.229 --scale 1", "mean 0 and std 0.229 are those of pixels 0..1, not of"),
        ("--mean 0.5 --std 1 --scale 1", "mean 0.5 and std 1 are those of pixels 0..1, not of"),
        ("--mean 123.675 --std 58.395", "mean 123.675 lies outside the pixels' range 0..1; scale 1 ?"),
        ("--mean 0 --std 58.395", "std 58.395 lies far above the pixels' range 0..1; scale 1 ?"),
    ],
)
def test_a_contract_of_another_scale_gets_a_note_at_any_accuracy(
    call: Call, files: Path, contract: str, line: str
) -> None:
    """Mean and std of pixels 0..1 where pixels go 0..255, or the other way round, are told at once and in the result,
    though accuracy is not measured; the graph's own table tells it, too.
    """
    code, out, err = call("convert", "net.npz", "--data", "bare.npz", "--weight-bits", "12", *contract.split())
    told = " ".join(out.split())
    assert (code, err) == (0, "") and told.count(f"note: {line}") == told.count("note") == 1
    wrong = replace(residual().contract(), mean=0.485, scale=1.0)
    assert "those of pixels 0..1" in str(residual().with_input(wrong))
    assert "note" not in str(residual())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--steps", "8,nobody=3"], "error: steps: no population of this name takes its steps from here: nobody"),
        (["--out", "none/a.npz"], "error: --out: there is no such folder: none"),
        (["--search", "1", "--plot", "none/a.svg"], "error: --plot: there is no such folder: none"),
        (["--plot", "a.svg"], "error: --plot: goes with --search"),
        (["--out", "."], "error: --out: is not a file: ."),
        (["--out", "net.npz"], "error: --out: would replace another file of this command: net.npz"),
        (["--search", "1", "--out", "a.svg", "--plot", "a.svg"], "error: --plot: would replace another file"),
        (["--steps", "0"], "error: steps: integer out of range: 0"),
        (["--steps", "0,stem=4"], "error: steps: integer out of range: 0"),
        (["--steps", "stem=17"], "error: steps of stem: integer out of range: 17"),
    ],
)
def test_what_can_be_known_early_is_refused_early(call: Call, files: Path, arguments: list[str], says: str) -> None:
    """Before any image is read: the source of images is one that does not exist."""
    code, out, err = call("convert", "net.npz", "--data", "none.npz", *arguments)
    assert code == 2 and out == "" and says in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["net.npz"], "--data: calibration needs images"),
        (["none.npz", "--data", "images.npz"], "none.npz: cannot be read"),
        (["images.npz", "--data", "images.npz"], "images.npz"),
        (["net.npz", "--data", "bare.npz", "--expect", "90"], "--expect: the images have no classes"),
        (
            ["net.npz", "--data", "images.npz", "--expect", "0.45"],
            "--expect: not an accuracy in %: 0.45 (did you mean 45?)",
        ),
        (
            ["net.npz", "--data", "images.npz", "--expect", "nan"],
            "--expect: not an accuracy in %: nan (above 1, at most 100)",
        ),
        (["net.npz", "--data", "images.npz", "--steps", "ten"], "--steps: not a number of steps: ten"),
        (["net.npz", "--data", "images.npz", "--steps", "0"], "steps: integer out of range: 0 (1..16) [CONV-9]"),
        (
            ["net.npz", "--data", "images.npz", "--steps", "8,nobody=3"],
            "no population of this name takes its steps from here: nobody",
        ),
        (["net.npz", "--data", "images.npz", "--mean", "a,b"], "--mean: not numbers separated by commas: a,b"),
        (["net.npz", "--data", "images.npz", "--mean", "0.1,0.2"], "input mean: not one number, or one per channel"),
        (["net.npz", "--data", "images.npz", "--size", "big"], "--size: not channels x height x width: big"),
        (
            ["net.npz", "--data", "images.npz", "--weight-bits", "2", "--steps", "10"],
            "theta would be below 1 with 2-bit weights",
        ),
    ],
)
def test_convert_refuses_in_one_line(call: Call, files: Path, arguments: list[str], says: str) -> None:
    """Wrong use and bad input are one line on standard error, exit code 2, and nothing is written."""
    code, _, err = call("convert", *arguments)
    assert code == 2 and says in err and err.count("\n") == 1
    assert not list(files.glob("*.fs.npz"))


def test_a_file_of_another_kind_is_named(call: Call, files: Path) -> None:
    """A PyTorch file, new or old, an ONNX file or a graph where a network is wanted, and the files of compare swapped:
    one line says what to do instead.
    """
    with zipfile.ZipFile(files / "model.pt", "w") as archive:  # as torch.save writes it
        for member in ("data.pkl", "byteorder", "data/0", "version", ".data/serialization_id"):
            archive.writestr(f"model/{member}", b"little")
    tiny().save(files / "tiny.fs.npz")
    # As torch before 1.6 began its files.
    (files / "old.pt").write_bytes(bytes.fromhex("80028a0a6cfc9c46f9206aa850192e80024de903"))
    (files / "model.onnx").write_bytes(b"\x08\x07\x12\x05other")
    pytorch = "is a PyTorch file (turn the model into a graph with fsref.from_torch in Python)"
    refused = {
        ("convert", "model.pt", "--data", "images.npz"): f"model.pt: {pytorch}",
        ("convert", "old.pt", "--data", "images.npz"): f"old.pt: {pytorch}",
        **{
            (verb, "model.onnx"): "model.onnx: is an ONNX file (fsref convert makes a network of it)"
            for verb in ("info", "evaluate", "run")
        },
        ("compare", "tiny.fs.npz", "net.npz", "--data", "images.npz"): "fsref compare takes GRAPH NET",
        **{
            (verb, "net.npz"): "a float graph: fsref convert makes a network of it"
            for verb in ("info", "evaluate", "run")
        },
    }
    for arguments, says in refused.items():
        code, _, err = call(*arguments)
        assert code == 2 and says in err and err.count("\n") == 1, arguments
    assert "compare [OPTIONS] GRAPH [NET]" in call("compare", "--help")[1]


def test_the_contract_can_be_given(call: Call, files: Path) -> None:
    """A graph without contract is refused until size, mean and std are named; then it converts to the same network."""
    graph = residual()
    fsref.save(fsref.Graph(None, graph.nodes, "residual"), files / "open.npz")
    code, _, err = call("convert", "open.npz", "--data", "images.npz")
    assert code == 2 and "no input contract" in err
    given = ["--size", "3x8x8", "--mean", "0.4,0.5,0.6", "--std", "0.2,0.25,0.3"]
    assert call("convert", "open.npz", "--data", "images.npz", *given)[0] == 0
    assert call("convert", "net.npz", "--data", "images.npz")[0] == 0
    assert fsref.load(files / "open.fs.npz").id == fsref.load(files / "net.fs.npz").id


def test_search_finds_fewer_steps(call: Call, files: Path) -> None:
    """--search tells the points it tries, writes the network of the best, and --plot draws them."""
    code, out, err = call("convert", "net.npz", "--data", "images.npz", "--search", "5", "--image-count", "20")
    assert code == 0 and "K = " in err and "written" in out
    net = fsref.load(files / "net.fs.npz")
    assert max(p.steps for p in net.populations if isinstance(p, fsref.FS)) < 10
    assert "chance alone makes at least +-12.6 points" in out  # 1.96 * sqrt(0.05 * 20 + 1) / (20 + 2)
    (files / "net.fs.npz").unlink()
    for wrong in (
        ["--plot", "a.svg"],
        ["--search", "-1"],
        ["--search", "5", "-K", "4"],
        ["--search", "5", "--plot", "a.txt"],
    ):
        code, out, err = call("convert", "net.npz", "--data", "images.npz", *wrong)
        assert (code, out, err.count("\n")) == (2, "", 1)
    assert not (files / "net.fs.npz").exists() and call("compare", "net.npz", "nothing", "--plot", "a.txt")[0] == 2


def test_a_search_that_loses_more_on_others_is_told(call: Call, files: Path) -> None:
    """Of a loss on --test beyond the one that --search allowed there is a note; none of one within it, nor where the
    search kept none.
    """
    graph, x = residual(), drawn(400)
    np.savez("few.npz", x=x[:9])
    np.savez("many.npz", x=x, y=graph.forward(x).argmax(axis=1))
    told = " ".join(call("convert", "net.npz", "--data", "few.npz", "--search", "0", "--test", "many.npz")[1].split())
    assert "note it loses " in told and "on the 400 images scored, more than 0:" in told
    assert (
        "it loses"
        not in call("convert", "net.npz", "--data", "few.npz", "--search", "99", "--test", "many.npz", "--force")[1]
    )
    pair = Paired(100, 90, 88, 95, 4, 2)
    seven = Paired(100, 90, 83, 90, 8, 1)  # 7 of 100, of which no binary fraction is made
    assert lost_elsewhere(7, True, seven) == "" != lost_elsewhere(6.99, True, seven)
    pixels = fsref.Pixels(3, 8, 8)
    assert unexpected(64.4, 634, 1000, pixels) == "" != unexpected(64.5, 634, 1000, pixels)
    assert lost_elsewhere(2, True, pair) == lost_elsewhere(1.9, False, pair) == ""
    assert lost_elsewhere(1.9, True, pair).startswith("it loses 2.00 points of accuracy on the 100 images scored")


def test_compare_tells_where_the_loss_is(call: Call, files: Path) -> None:
    """compare gives a row per population, as a table and as JSON."""
    call("convert", "net.npz", "--data", "images.npz", "--steps", "3")
    code, out, _ = call("compare", "net.npz", "net.fs.npz", "--data", "images.npz")
    names = ("stem", "expand", "depthwise", "project", "left", "right", "linear")
    assert code == 0 and all(name in out for name in names)
    code, out, _ = call("compare", "net.npz", "net.fs.npz", "--data", "images.npz", "--limit", "8", "--json")
    assert code == 0 and json.loads(out)["image_count"] == 8
    assert call("compare", "net.npz", "net.fs.npz")[0] == 2


def test_export_writes_onnx(call: Call, files: Path) -> None:
    """export writes a model that onnx's own reference runs to the same logits."""
    pytest.importorskip("onnx")
    from fsref.formats import onnx

    call("convert", "net.npz", "--data", "images.npz")
    code, out, _ = call("export", "net.fs.npz", "--format", "onnx", "--codes", "stem")
    assert code == 0 and out.startswith("net.fs.onnx")
    x = drawn(3)
    found = onnx.run(files / "net.fs.onnx", x, ["logits", "codes/stem"], runtime="reference")
    result = fsref.run(fsref.load(files / "net.fs.npz"), x, record=["stem"])
    assert (found["logits"] == result.logits).all()
    assert (found["codes/stem"].reshape(3, -1) == result.codes["stem"]).all()
    assert call("export", "net.fs.npz", "--format", "vhdl")[0] == 2


def test_convert_takes_onnx_with_its_contract(call: Call, files: Path) -> None:
    """An ONNX file converts once mean and std are named, as the same layers do from a graph; without them it is
    refused.
    """
    onnx = pytest.importorskip("onnx")
    weight = np.random.default_rng(3).normal(size=(5, 3, 8, 8)).astype(np.float32)
    nodes = [
        onnx.helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        onnx.helper.make_node("Flatten", ["c"], ["y"], name="flat"),
    ]
    entry = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, 8, 8])
    logits = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 5])
    graph = onnx.helper.make_graph(nodes, "tiny", [entry], [logits], [onnx.numpy_helper.from_array(weight, "w")])
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8),
        files / "tiny.onnx",
    )
    code, _, err = call("convert", "tiny.onnx", "--data", "bare.npz")
    assert code == 2 and "an ONNX file has no input contract (name --mean and --std" in err
    contract = ("--mean", "0.4,0.5,0.6", "--std", "0.25", "--scale", "1/255")
    code, out, err = call("convert", "tiny.onnx", "--data", "bare.npz", *contract)
    assert (code, err) == (0, "") and "agreement" in out
    net = fsref.load(files / "tiny.fs.npz")
    assert net.contract is not None and net.contract.mean == (0.4, 0.5, 0.6) and net.contract.std == (0.25, 0.25, 0.25)
    np.savez(files / "few.npz", x=drawn(20) // 16)
    sixteen = ("--mean", "0.5", "--std", "0.25", "--scale", "1/16", "--max-code", "16")
    code, out, err = call("convert", "tiny.onnx", "--data", "few.npz", "--out", "few.fs.npz", *sixteen)
    assert (code, err) == (0, "") and fsref.load(files / "few.fs.npz").input.max_code == 16
    following = shlex.split(out.splitlines()[-1].removeprefix("next"))
    assert following[-4:] == ["--scale", "1/16", "--max-code", "16"] and call(*following[1:])[0] == 0
    assert "code out of range" in call("compare", "tiny.onnx", "few.fs.npz", "--data", "bare.npz", *sixteen)[2]
    graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8),
        files / "open.onnx",
    )
    code, _, err = call("convert", "open.onnx", "--data", "bare.npz", *contract)
    assert code == 2 and "leaves sizes open: H (height)" in err and "--size CxHxW" in err
    assert call("convert", "open.onnx", "--data", "bare.npz", "--size", "3x8x8", *contract)[0] == 0


@pytest.mark.parametrize("verb", ["convert", "compare", "evaluate"])
def test_help_lists_every_source_of_images(call: Call, verb: str) -> None:
    """Whatever --data takes stands in the help of the verb."""
    code, out, _ = call(verb, "--help")
    assert code == 0 and SOURCES in " ".join(out.split()) and "cifar10-train:DIR" in SOURCES


def test_convert_stays_below_its_memory_limit(call: Call) -> None:
    """A graph of a kilobyte that pads to 16,000 x 16,000 is refused from its shapes, with the bound and the limit, and
    nothing is written (RUN-3).
    """
    nodes = [
        Node("pad", "pad", ("input",), {"padding": (8000,) * 4}),
        Node("conv", "conv", ("pad",), {}, {"weight": np.ones((1, 1, 1, 1), np.float32)}),
        Node("relu", "relu", ("conv",)),
        Node("mean", "global_avg_pool", ("relu",)),
    ]
    fsref.save(Graph(Pixels(1, 8, 8), nodes), "pad.npz")
    np.savez("images.npz", x=np.zeros((4, 1, 8, 8), np.uint8), y=np.zeros(4, int))
    before = sorted(path.name for path in Path().iterdir())
    tracemalloc.start()
    try:
        code, out, err = call("convert", "pad.npz", "--data", "images.npz", "--memory-limit", "64M")
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert code == 2 and out == "" and peak < 2**26
    assert err.startswith("fsref: error: convert: needs more memory than allowed: ")
    assert err.endswith(f" bytes (memory_limit {2**26}) [RUN-3]\n")
    assert sorted(path.name for path in Path().iterdir()) == before


def test_a_conversion_that_does_not_fit_is_refused_first(call: Call, files: Path, monkeypatch: Any) -> None:
    """Calibration and quantisation are known from shapes alone, so the float network sees no image before (RUN-3)."""
    monkeypatch.setattr(Graph, "forward", lambda *_: pytest.fail("it ran"))
    code, out, err = call("convert", "net.npz", "--data", "images.npz", "--memory-limit", "4M")
    assert (code, out) == (2, "") and err.startswith("fsref: error: convert: needs more memory than allowed: ")
    with refused(fsref.errors.LimitError, "RUN-3", "convert"):
        fsref.convert_and_score(residual(), drawn(20), memory_limit=2**22)


def test_an_accuracy_at_chance_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fsref evaluate` says, as `fsref convert` does, when so many images could tell the network from guessing and do
    not.
    """
    images = load_images("digits", "digits")
    assert images.y is not None
    np.savez(tmp_path / "wrong.npz", x=images.x, y=(images.y + 1) % 10)
    assert main(["evaluate", "digits", "--data", str(tmp_path / "wrong.npz"), "--json"]) == 0
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert "is not above chance, 10.00 +-2.4 %; is the input contract the one of the training" in note
    assert fsref.evaluate("digits", images.x[:50], images.y[:50]).notes == ()


def test_percentile_goes_with_its_alpha() -> None:
    """What the command line refuses, Python refuses: a percentile beside another alpha would do nothing."""
    with refused(GraphError, "CONV-9", "percentile", "mse", says='alpha="percentile"'):
        fsref.convert(residual(), drawn(4), percentile=99)
    assert fsref.convert(residual(), drawn(4), percentile=99, alpha="percentile")


@pytest.mark.parametrize("limit", ["1G", 1e9, True, None])
def test_a_memory_limit_is_a_number(limit: Any) -> None:
    """In Python memory_limit is an integer of bytes; anything else is refused in a line, wherever it is given."""
    images = load_images("digits", "digits", limit=2)
    for call in (
        lambda: fsref.run("digits", images.x, memory_limit=limit),
        lambda: fsref.evaluate("digits", images.x, images.y, memory_limit=limit),
        lambda: fsref.convert(residual(), drawn(2), memory_limit=limit),
    ):
        with refused(UsageError, "RUN-3", "memory_limit"):
            call()
