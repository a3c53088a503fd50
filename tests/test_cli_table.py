"""`fsref table show` and `fsref explain --plot`: what they print and draw, and what they refuse in one line."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
import handmade
from fsref.activations.float_table import FloatTable
from fsref.activations.rounding import rounded
from fsref.cli import main as cli
from fsref.formats.tables import Approximation, load_table, save_table
from fsref.law.neuron import fire
from refusals import error_of


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run a command in an empty folder that holds tiny.fs.npz and x.npz; (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)
    handmade.saved(tmp_path)

    def called(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(list(arguments))
        out, err = capsys.readouterr()
        return code, out, error_of(err)

    return called


def test_a_published_table_is_shown(call: Any) -> None:
    """Its integers and what they lost, its transfer function with every interval, its error, and what lies outside."""
    command = ["table", "show", "sigmoid_published", "--against", "sigmoid"]
    code, out, _ = call(*command, "--membrane", "0")
    assert code == 0
    for words in (
        "float table as integers",
        "those of the float loop on every input",
        "on 20,481 membranes",
        "membrane 0",
    ):
        assert words in out
    told = json.loads(call(*command, "--json")[1])
    v = np.arange(-10 * 2**10, 10 * 2**10 + 1) * told["every"]
    part = np.searchsorted(told["starts"], v, "right") - 1
    wrong = np.abs(np.array(told["train_codes"])[part] * told["code_unit"] - 1 / (1 + np.exp(-v * told["unit"])))
    own = told["deviation"]
    assert (own["function"], own["membrane_count"]) == ("sigmoid", 20481)
    assert own["mse"] == pytest.approx(np.mean(wrong**2)) and own["largest_absolute_error"] == pytest.approx(
        wrong.max()
    )
    assert own["largest_absolute_error"] < 0.06 and len(told["trains"]) == len(told["starts"]) >= 34
    assert told["codes_above"][1] * told["code_unit"] > 1.38  # it is no sigmoid there


def test_a_population_is_shown(call: Any) -> None:
    """Of a population one channel, on the interval that is proved for it, or a part of it in its units; the steps of a
    membrane that is asked for.
    """
    code, out, _ = call("table", "show", "tiny.fs.npz:hid", "--channel", "1", "--membrane", "9", "--json")
    told, net = json.loads(out), handmade.tiny()
    assert code == 0 and told["table"] == "hid channel 1" and told["thresholds"] == [8, 4, 2]
    assert [told["lowest"], told["highest"]] == [
        max(-16, net.ranges["hid"].opening[1, 0]),
        min(2 * (8 + 8), net.ranges["hid"].opening[1, 1]),
    ]
    starts, codes = told["starts"], told["train_codes"]
    assert codes == [fire(v, *(told[name] for name in ("thresholds", "resets", "code_weights"))).code for v in starts]
    (steps,) = told["fired_steps"]
    assert [step["after"] for step in steps] == [1, 1, 1]
    code, out, _ = call("table", "show", "tiny.fs.npz:hid", "--range", "0", "7")
    assert code == 0 and "membranes" in out and "0 .. 7" in out
    asked = ["--unit", "0.5", "--range", "0", "7", "--against", "relu", "--json"]
    told = json.loads(call("table", "show", "tiny.fs.npz:hid", *asked)[1])
    assert (told["unit"], told["lowest"], told["highest"]) == (0.5, 0, 14)
    assert told["deviation"]["largest_absolute_error"] == 0.5  # of theta 2, codes of 1: floor(v / 2), and v / 2


@pytest.mark.parametrize(("bias", "code"), [(-1000, 0), (1000, 7)])
def test_populations_that_always_send_one_code_are_shown(call: Any, bias: int, code: int) -> None:
    """Where the proved interval lies beyond the staircase, it is shown with its one code, and drawn for explain."""
    hidden = fsref.FS("hid", (3, 1, 1), fsref.fs_relu(3, 2), [bias] * 3)
    given, readout = handmade.tiny().input, handmade.tiny().readout
    handmade.tiny(populations=[given, hidden, readout]).save("one.fs.npz")
    exit_code, out, _ = call("table", "show", "one.fs.npz:hid", "--json")
    assert exit_code == 0 and json.loads(out)["train_codes"] == [code]
    why = ["explain", "one.fs.npz", "0", "--data", "x.npz", "--neuron", "1", "--population", "hid"]
    assert call(*why, "--plot", "e.svg")[0] == 0


def test_a_table_file_is_shown(call: Any) -> None:
    """A table file has its own unit, scale and interval."""
    table = fsref.fs_relu(3)
    save_table(Approximation("mine", "relu", table, 0.5, 0.5, 0, 15, 0.0, 0.0, 1.0, 8), "mine.json")
    code, out, _ = call("table", "show", "mine.json", "--against", "relu", "--json")
    told = json.loads(out)
    assert code == 0 and (told["table"], told["lowest"], told["highest"]) == ("mine", 0, 15)
    assert told["deviation"]["largest_absolute_error"] == 0.5 * (15 - 7)


def test_a_signed_population_is_shown_at_its_inputs(call: Any) -> None:
    """Of an FS-ReLU whose codes have an offset, membrane offset times theta stands for 0, in --range, too."""
    signed = fsref.FS("hid", (3, 1, 1), fsref.fs_relu(3, 2), [6] * 3, scale=0.5, offset=3)
    given, readout = handmade.tiny().input, handmade.tiny().readout
    handmade.tiny(populations=[given, signed, readout]).save("signed.fs.npz")
    asked = ["table", "show", "signed.fs.npz:hid", "--range", "-1.5", "1.75", "--json"]
    code, out, _ = call(*asked)
    told = json.loads(out)
    assert (code, told["zero_membrane"], told["unit"]) == (0, 6, 0.25)
    assert (told["lowest"], told["highest"]) == (0, 13)
    values = [0.5 * (c - 3) for c in told["train_codes"]]
    assert values == [(v - 6) * 0.25 for v in told["starts"]] == [-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5]


@pytest.mark.parametrize(("rounding", "zero"), [("nearest", 7), ("even", 7), ("floor", 6)])
def test_what_rounds_to_the_nearest_has_half_a_theta_before_its_inputs(call: Any, rounding: str, zero: int) -> None:
    """Half a theta that a conversion put into the bias (CONV-5) is none of the value that a membrane stands for."""
    signed = fsref.FS("hid", (3, 1, 1), fsref.fs_relu(3, 2), [6] * 3, scale=0.5, offset=3)
    given, readout = handmade.tiny().input, handmade.tiny().readout
    told = {"populations": {"hid": {"rounding": rounding}}}
    handmade.tiny(populations=[given, signed, readout], provenance=told).save("signed.fs.npz")
    code, out, _ = call("table", "show", "signed.fs.npz:hid", "--json")
    assert (code, json.loads(out)["zero_membrane"]) == (0, zero)


def test_a_fitted_population_tells_its_unit(call: Any) -> None:
    """What a conversion says of the membrane units of a channel is the unit that its staircase is drawn in."""
    own = load_table("sigmoid-6")
    told = {"populations": {"f": {"membrane_unit": [own.unit, 2 * own.unit]}}}
    net = fsref.Network(
        [
            fsref.Input("in", (2, 1, 1), 1, 1),
            fsref.FS("f", (2, 1, 1), own.table, scale=own.scale),
            fsref.Readout("out", (1, 1, 1)),
        ],
        [fsref.Dense("in", "f", [[own.high, 0], [0, own.high]]), fsref.Dense("f", "out", [[1, 1]])],
        provenance=told,
    )
    net.save("fitted.fs.npz")
    for channel, unit in (("0", own.unit), ("1", 2 * own.unit)):
        code, out, errors = call(
            "table", "show", "fitted.fs.npz:f", "--channel", channel, "--against", "sigmoid", "--json"
        )
        assert code == 0, errors
        assert json.loads(out)["unit"] == unit
    code, _, errors = call("table", "show", "fitted.fs.npz:f", "--unit", "1")
    assert code == 2 and "the network tells it" in errors


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("no_such", "no_such: no such table (a table file, NET:POPULATION, or a known name: "),
        ("swish_publishd", "did you mean swish_published?"),
        ("tiny.fs.npz:none", "TABLE: no fs population of this name: none"),
        ("tiny.fs.npz:in", "TABLE: no fs population of this name: in"),
        ("nothing.npz:hid", "nothing.npz"),
        ("tiny.fs.npz:hid --channel 3", "--channel: no such channel: 3 (0..2)"),
        ("swish_published --channel 0", "--channel: goes with NET:POPULATION"),
        ("swish_published --unit 1", "--unit: goes with NET:POPULATION"),
        ("tiny.fs.npz:hid --unit 0", "--unit: is not above 0, and finite: 0.0"),
        ("tiny.fs.npz:hid --unit inf", "--unit: is not above 0, and finite: inf"),
        ("digits:conv1 --unit 1", "--unit: the network tells it: 0.00114061: 1.0"),
        ("tiny.fs.npz:hid --against silu", "what a membrane stands for is not known"),
        ("swish_published --against sillu", "did you mean silu?"),
        ("swish_published --against reciprocal", "gives infinity or NaN at: 0.0"),
        ("swish_published --range 1 0", "--range: not two ends, the lower first: 1.0 0.0"),
        ("swish_published --range nan 0", "--range: not two ends"),
        ("swish_published --range 0 1e30", "--range: leaves 63 bits"),
        ("tiny.fs.npz:hid --range 0.1 0.2", "--range: holds no membrane"),
        (f"swish_published --membrane {2**62}", "--membrane: out of range"),
        ("swish_published --membrane 1 --membrane 1", "--membrane: is given twice: 1"),
        ("swish_published --force", "--force: goes with --plot"),
        ("swish_published --plot x.npz", "--plot: is there already"),
        ("swish_published --plot a.gif", "no kind of picture has this suffix"),
        ("tiny.fs.npz", "tiny.fs.npz: is an archive, no named table (of a network NET:POPULATION)"),
    ],
)
def test_what_is_refused_is_one_line(call: Any, command: str, says: str) -> None:
    """Wrong use and bad input are one line, exit code 2, and nothing is written."""
    before = sorted(path.name for path in Path().iterdir())
    code, out, err = call("table", "show", *command.split())
    assert (code, out) == (2, "") and says in err and err.count("\n") == 1
    assert sorted(path.name for path in Path().iterdir()) == before


FLOATS = {"T": [1.0, 0.3], "h": [1.0, 0.3], "d": [1.0, 0.25]}


def test_a_float_table_becomes_a_table_file(call: Any) -> None:
    """What is written is the integers of the float table; how its loop reads it is asked for; what no integers can send
    is told by the exit code.
    """
    Path("floats.json").write_text(json.dumps(FLOATS))
    command = ["table", "round", "floats.json", "--range", "0", "2", "--input-bits", "6"]
    code, out, _ = call(*command, "--code-bits", "2", "--against", "relu", "--out", "mine.json")
    found = rounded(FloatTable(**{name: np.array(row) for name, row in FLOATS.items()}), 0, 2, 6, 2)
    assert code == 0 and "those of the float loop on every input" in out and out.endswith("\nwritten  mine.json\n")
    assert load_table("mine.json").to_dict() == found.named("mine", "relu").to_dict()
    assert call("table", "show", "mine.json", "--against", "relu")[0] == 0
    told = {}
    for option in ((), ("--equality",), ("--shifted",), ("--type", "float64")):
        told[option] = json.loads(call(*command, *option, "--json")[1])
        assert told[option]["input_count"] == 129 and told[option]["differing_input_count"] == 0
    assert told["--equality",]["thresholds"][0] == told[()]["thresholds"][0] - 1
    assert told["--shifted",]["resets"][1] == 0
    lossy = {"T": [0.0, 8.0], "h": [-8.0, 0.0], "d": [1.0, 1.0]}
    Path("floats.json").write_text(json.dumps(lossy))
    code, out, _ = call("table", "round", "floats.json", "--range", "2e-7", "1e-6", "--input-bits", "22")
    assert code == 1 and "differ on" in out


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("{", "", "floats.json: is no JSON of a float table"),
        ("[1]", "", "does not have the keys T, h and d alone: list"),
        ('{"T": [1], "h": [1]}', "", "does not have the keys T, h and d alone: T, h"),
        ('{"T": [1], "T": [1], "h": [1], "d": [1]}', "", "floats.json: is no JSON of a float table"),
        ('{"T": [1], "h": [1], "d": ["a"]}', "", "floats.json: d: is no list of numbers"),
        ('{"T": [1], "h": [1], "d": [true]}', "", "floats.json: d: is no list of numbers"),
        ('{"T": [1], "h": [1], "d": [1e400]}', "", "has a number beyond all floats"),
        ('{"T": [NaN], "h": [1], "d": [1]}', "", "float table T of step 0: no finite float32: nan"),
        ('{"T": [], "h": [], "d": []}', "", "float table T: not one number per step"),
        ('{"T": [1], "h": [1], "d": [1]}', "--range 1 0", "range: not two ends, the lower first"),
        ('{"T": [1], "h": [1], "d": [1]}', "--input-bits 99", "--input-bits: out of range: 99"),
        ('{"T": [1], "h": [1], "d": [1]}', "--code-bits 99", "--code-bits: out of range: 99"),
        ('{"T": [1], "h": [1], "d": [1e9]}', "", "table d: integer out of range"),
        ('{"T": [1], "h": [1], "d": [1]}', "--out t.json", "--out: goes with --against"),
        ('{"T": [1], "h": [1], "d": [1]}', "--against relu", "--against: goes with --out"),
        ('{"T": [1], "h": [1], "d": [1]}', "--against relu --out floats.json", "--out: would replace another file"),
        (f'{{"T": [{"9" * 5000}], "h": [1], "d": [1]}}', "", "floats.json: is no JSON of a float table"),
    ],
)
def test_float_tables_that_are_refused(call: Any, text: str, options: str, says: str) -> None:
    """What is no float table, and options that cannot be, are one line, and nothing is written."""
    Path("floats.json").write_text(text)
    ends = [] if "--range" in options else ["--range", "0", "1"]
    code, out, err = call("table", "round", "floats.json", *ends, *options.split())
    assert (code, out) == (2, "") and says in err and err.count("\n") == 1
    assert Path("floats.json").read_text() == text and not Path("t.json").exists()


def text_of(path: str) -> str:
    """The text of a picture."""
    return "".join(ET.parse(path).getroot().itertext())


def test_pictures_are_drawn(call: Any) -> None:
    """`table show --plot` and `explain --plot` draw what they print, replace only when told, and say so."""
    show = ["table", "show", "swish_published", "--against", "silu", "--membrane", "1024", "--plot", "t.svg"]
    code, out, _ = call(*show)
    assert code == 0 and out.endswith("\nwritten  t.svg\n")
    assert all(word in text_of("t.svg") for word in ("swish_published", "silu", "opening membrane 1,024"))
    assert call(*show)[0] == 2 and call(*show, "--force")[0] == 0
    why = ["explain", "tiny.fs.npz", "0", "--data", "x.npz", "--neuron", "1"]
    code, out, _ = call(*why, "--population", "hid", "--plot", "e.png")
    assert code == 0 and out.endswith("\nwritten  e.png\n") and Path("e.png").read_bytes()[:4] == b"\x89PNG"
    assert call(*why, "--population", "hid", "--plot", "e.svg")[0] == 0
    found = fsref.explain("tiny.fs.npz", np.load("x.npz")["x"][0], "hid", 1)
    assert all(word in text_of("e.svg") for word in (f"(c 1, y 0, x 0): code {found.code}", "membrane v"))
    assert call(*why, "--population", "in", "--plot", "i.svg")[0] == 0
    assert "spike" in text_of("i.svg")
    code, _, err = call(*why, "--population", "out", "--plot", "o.svg")
    assert code == 2 and "a readout has no steps to draw: out" in err and not Path("o.svg").exists()
