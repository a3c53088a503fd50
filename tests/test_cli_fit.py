"""`fsref fit` as a command: what it prints, writes and draws, and what it refuses in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fsref.cli.main import main
from fsref.formats.tables import load_table

SMALL = ["--range", "-2", "2", "--unit", "0.0625", "--budget", "400"]


def line_of(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of an error."""
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("fsref: note:")]
    assert len(lines) == 1 and lines[0].startswith("fsref: error: ")
    return lines[0]


def test_a_table_is_found_told_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A fit prints the table, its errors and how near it is to the best, and writes the file of what it prints; again
    with --json, and --force, the same.
    """
    out = tmp_path / "mine.json"
    asked = ["fit", "silu", "--steps", "4", *SMALL, "-o", str(out)]
    assert main(asked) == 0
    text = capsys.readouterr().out
    assert "silu: 4 steps for silu on -2..2" in text and "times that" in text and f"written  {out}" in text
    table = load_table(out)
    assert table.name == "mine" and f"mean square {table.mse:.3g}" in text
    assert main([*asked, "--json"]) == 2 and "is there already" in line_of(capsys)
    assert main([*asked, "--json", "--force"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["thresholds"] == table.table.T.tolist() and plain["mse"] == table.mse >= plain["least_mse"] > 0
    assert main(["fit", str(out), "-K", "2", *SMALL]) == 0
    assert "2 steps for mine on -2..2" in capsys.readouterr().out


def test_membranes_of_a_layer_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Membranes come from a .npy or an .npz, a normal distribution from two numbers, and a stopped fit goes on."""
    x = np.random.default_rng(0).normal(0.5, 0.3, (3, 50))
    np.save(tmp_path / "m.npy", x)
    np.savez(tmp_path / "m.npz", membranes=x)
    told = []
    for given in (["--membranes", str(tmp_path / "m.npy")], ["--membranes", str(tmp_path / "m.npz"), "--even", "0.01"]):
        assert main(["fit", "gelu", "-K", "3", *SMALL, *given, "--json"]) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1]
    normal = ["fit", "gelu", "-K", "3", *SMALL, "--distribution", "0.5", "0.3", "--resume", str(tmp_path / "kept")]
    assert main([*normal, "--json"]) == 0 and (first := capsys.readouterr().out)
    assert main([*normal, "--json"]) == 0 and capsys.readouterr().out == first
    assert main([*normal, "--seed", "1"]) == 2 and "holds another fit: seed 0, not 1" in line_of(capsys)


def test_a_cap_that_is_missed_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A table of more spikes than asked is printed, with a note of it, and the command ends with 1; else with 0."""
    asked = ["fit", "silu", "-K", "4", *SMALL, "--spikes"]
    assert main([*asked, "0.01"]) == 1
    out, err = capsys.readouterr()
    assert "mean square" in out and err.count("\n") == 1 and "spikes of a neuron, more than 0.01 (" in err
    assert main([*asked, "4"]) == 0 and capsys.readouterr().err == ""


def test_a_front_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--front fits for fewer and fewer spikes, and draws what it prints."""
    pytest.importorskip("matplotlib")
    picture = tmp_path / "front.svg"
    assert main(["fit", "tanh", "-K", "4", *SMALL, "--front", str(picture)]) == 0
    text = capsys.readouterr().out
    assert "for fewer and fewer spikes" in text and picture.read_bytes().startswith(b"<?xml")


def test_a_formula_that_begins_with_a_minus(capsys: pytest.CaptureFixture[str]) -> None:
    """A formula that looks like an option is refused with what to do, which then does it."""
    options = ["-K", "3", *SMALL]
    assert main(["fit", "-x**2", *options]) == 2
    assert line_of(capsys).endswith("'-x'. An argument that begins with - goes behind --, where options have ended.")
    assert main(["fit", *options, "--", "-x**2"]) == 0 and "3 steps for" in capsys.readouterr().out
    assert main(["fit", "silu", "--stepz", "3", *SMALL]) == 2 and "behind --" not in line_of(capsys)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["silo"], "unknown: silo (did you mean silu?) [FIT-1]"),
        (["silu", "-K", "0"], "0 is not in the range 1<=x<=16"),
        (["silu", "-K", "17"], "17 is not in the range 1<=x<=16"),
        (["silu", "--range", "2", "-2"], "its ends are equal or upside down: 2.0 -2.0"),
        (["silu", "--range", "nan", "2"], "is no finite number: nan"),
        (["math:sqrt"], "raises: TypeError"),
        (["numpy:iscomplex"], "gives no real numbers: bool"),
        (["numpy:sqrt"], "gives infinity or NaN at: -2.0"),
        (["none.json"], "cannot be read"),
        (["silu", "--spikes", "-1"], "--spikes: out of range: -1.0 (above 0) [FIT-2]"),
        (["silu", "--max-error", "-1"], "--max-error: out of range: -1.0 (0 or more) [FIT-2]"),
        (["silu", "--even", "0.5"], "--even: goes with --membranes or --distribution"),
        (["silu", "--front", "a.svg", "-o", "b.json"], "--out: does not go with --front"),
        (["silu", "--front", "a.txt"], "no kind of picture has this suffix"),
        (["silu", "--membranes", "none.npz"], "none.npz: cannot be read"),
        (
            ["silu", "-o", "\x1b[3m.json"],
            ".json: is no name of a table: \\x1b[3m (1..120 printable characters) [TABLE-1]",
        ),
        (["silu", "--force"], "--force: goes with --out or --front"),
    ],
)
def test_what_is_refused(
    given: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be fitted is refused in one line, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    rest = [word for word in ("-K", "3") if "-K" not in given] + (SMALL if "--range" not in given else SMALL[3:])
    assert main(["fit", *given, *rest]) == 2
    assert told in line_of(capsys) and not list(tmp_path.iterdir())
