"""The fuzzer of tools/: files of every kind broken, 276 of them here, and the faults that it has to see."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

import fuzz
import fuzz_child
import fuzz_verbs
from fuzz_archives import disagreement
from fuzz_devices import DEVICES
from fuzz_files import BREAKERS
from fuzz_seeds import Case, changed, seeds
from members import zipped

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the memory on Linux alone")
SECRET = pickle.dumps(Path("x"))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[fuzz.Bench]:
    """Where broken files are put before verbs."""
    with fuzz.Bench(tmp_path, None) as made:
        yield made


def network(bench: fuzz.Bench) -> Case:
    """A valid network, before any verb."""
    return seeds("npz", bench.good)[0]


@pytest.mark.parametrize(
    ("kinds", "each", "commands", "rule"),
    [([kind for kind in BREAKERS if kind not in DEVICES], 17, 510, "FILE-1"), (list(DEVICES), 3, 30, "VECTOR-2")],
    ids=["files", "devices"],
)
def test_broken_files_are_refused_in_a_line(
    kinds: list[str], each: int, commands: int, rule: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No file of 276 that are broken in all ways makes a verb fault, nor does what a device answers; the summary says
    how many of which kind there were and what rules refused them.
    """
    count = each * len(kinds)
    code = fuzz.main(["--files", str(count), "--seed", "12", "--keep", str(tmp_path), "--kind", *kinds])
    said = capsys.readouterr().out
    assert code == 0, said
    told = ", ".join(f"{kind} {each}" for kind in kinds)
    assert said.startswith(f"seed 12: {count} files ({told}), {commands} commands, ") and said.endswith(": no fault\n")
    assert rule in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good", "out"]


def test_valid_files_show_no_fault(bench: fuzz.Bench) -> None:
    """A valid file of each kind passes a verb that reads it, as text, as JSON and on a terminal."""
    for kind in BREAKERS.keys() - {"device"}:
        case = fuzz.valid_cases(kind, bench.good)[0]
        line = fuzz_verbs.limited(fuzz_verbs.lines_of(case, content=True)[0])
        more = [] if line[0] in fuzz_verbs.OWN else ["--json"]
        for output in ("file", "terminal"):
            assert bench.try_out(case, line + more * (output == "file"), output)[0] == [], (kind, line)


def test_the_same_seed_draws_the_same_files(bench: fuzz.Bench) -> None:
    """Number and seed alone choose a file and its command lines; kinds take turns."""
    valid = {kind: fuzz.valid_cases(kind, bench.good) for kind in BREAKERS}

    def made(seed: int) -> list[object]:
        drawn = [fuzz.drawn(seed, number, valid) for number in range(40)]
        return [(case, fuzz_verbs.drawn_lines(draw, case, 2)) for case, draw in drawn]

    assert made(3) == made(3) != made(4)
    assert [case.kind for case, _ in (fuzz.drawn(3, n, valid) for n in range(len(BREAKERS) + 1))] == [*BREAKERS, "npz"]


def test_every_number_draws_a_file(bench: fuzz.Bench) -> None:
    """800 numbers draw a file each, most of them not a seed, whatever they put into it; devices stay what they are."""
    valid = {kind: fuzz.valid_cases(kind, bench.good) for kind in BREAKERS}
    cases = [fuzz.drawn(9, number, valid)[0] for number in range(800)]
    assert sum(case.kind == "device" or case not in valid[case.kind] for case in cases) >= 740


def fails(line: list[str]) -> int:
    """A verb that is refused in good order."""
    print("fsref: error: no [FILE-1]", file=sys.stderr)
    return 2


def raises_key(line: list[str]) -> int:
    return {}[line[0]]  # type: ignore[no-any-return]


def escapes(line: list[str]) -> int:
    print("\x1b[2J")
    return 0


def turns(line: list[str]) -> int:
    print("fsref: error: a\u202eb", file=sys.stderr)
    return 2


def goes_on(line: list[str]) -> int:
    print("x" * 3000)
    return 0


def leaves_here(line: list[str]) -> int:
    Path("litter").touch()
    return fails(line)


def leaves_there(line: list[str]) -> int:
    (Path(os.environ["TMPDIR"]) / "litter").touch()
    return 0


def alters(line: list[str]) -> int:
    Path("../good/x.npz").write_bytes(b"")
    return 0


def writes_and_fails(line: list[str]) -> int:
    Path(line[-1]).write_bytes(b"half")
    return fails(line)


def writes_half(line: list[str]) -> int:
    Path(line[-1]).write_bytes(b"half")
    return 0


def writes_nothing(line: list[str]) -> int:
    return 0


def allocates(line: list[str]) -> int:
    return int(np.ones(2**26)[0]) - 1


def allocates_all(line: list[str]) -> int:
    return int(np.ones(2**40)[0])


def dies(line: list[str]) -> int:
    os.kill(os.getpid(), 11)
    return 0


def never_ends(line: list[str]) -> int:
    while True:
        time.process_time()


def differs(line: list[str]) -> int:
    return 1


def is_silent(line: list[str]) -> int:
    return 2


def warns(line: list[str]) -> int:
    warnings.warn("look", UserWarning, stacklevel=1)
    return 0


def stops_in_the_middle(line: list[str]) -> int:
    print("half a table")
    return fails(line)


def starts(line: list[str]) -> int:
    return subprocess.run([sys.executable, "--version"], check=True, stdout=subprocess.DEVNULL).returncode


def unpickles(line: list[str]) -> int:
    pickle.loads(SECRET)
    return 0


INFO, EXPORT = ["info", "one.fs.npz"], ["export", "one.fs.npz", "--format", "onnx", "--out", "../out/new.onnx"]


@pytest.mark.parametrize(
    ("planted", "line", "judge"),
    [
        (raises_key, INFO, "traceback"),
        (allocates_all, INFO, "traceback"),
        (escapes, INFO, "control character"),
        (turns, INFO, "control character"),
        (goes_on, INFO, "long line"),
        (leaves_here, INFO, "left behind"),
        (leaves_there, INFO, "left behind"),
        (alters, INFO, "left behind"),
        (writes_and_fails, EXPORT, "left behind"),
        (writes_half, EXPORT, "half-written"),
        (writes_nothing, EXPORT, "half-written"),
        (allocates, INFO, "memory"),
        (dies, INFO, "died"),
        (never_ends, INFO, "time"),
        (differs, INFO, "exit code"),
        (is_silent, INFO, "stderr"),
        (warns, INFO, "stderr"),
        (stops_in_the_middle, INFO, "stdout"),
        (goes_on, [*INFO, "--json"], "stdout"),
        (starts, INFO, "forbidden"),
        (unpickles, INFO, "forbidden"),
    ],
)
def test_planted_faults_are_found(
    bench: fuzz.Bench, planted: Callable[[list[str]], int], line: list[str], judge: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kind of fault, put into a verb, is found, whatever becomes of its process; after it the next file is
    judged as ever.
    """
    if planted is never_ends:
        monkeypatch.setattr(fuzz_child, "SECONDS", 1)
    bench.worker.called = planted
    found, _ = bench.try_out(network(bench), line)
    assert [fault.judge for fault in found] == [judge], found
    bench.worker.stop()
    bench.worker.called = fails
    assert bench.try_out(network(bench), line) == ([], "fsref: error: no [FILE-1]\n")


def test_what_should_not_be_taken(bench: fuzz.Bench) -> None:
    """A foreign format, a zip whose records disagree and an ONNX model of wrong types are faults of the verb that is
    content with them.
    """
    bench.worker.called = writes_nothing
    foreign = next(case for case in seeds("picture", bench.good) if case.foreign)
    net, model = network(bench), seeds("onnx", bench.good)[0]
    told = onnx.load_from_string(model.files[model.name])
    weights = onnx.numpy_helper.to_array(told.graph.initializer[0])
    told.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights.astype(np.int8), "W"))
    mistyped = changed(model, model.name, told.SerializeToString())
    cut = changed(net, net.name, net.files[net.name] + b"\0")
    for case, line, detail in (
        (
            foreign,
            ["run", "../good/net.fs.npz", "--data", foreign.name],
            "what no page lists, or outside of its folder",
        ),
        (cut, INFO, "a zip whose records disagree: no end record"),
        (mistyped, ["convert", model.name], "an ONNX model that no operator set allows"),
    ):
        assert bench.try_out(case, line)[0] == [fuzz.Fault("taken", detail)]
    assert bench.try_out(model, ["convert", model.name])[0] == bench.try_out(net, INFO)[0] == []


def test_records_of_a_zip_that_agree(bench: fuzz.Bench) -> None:
    """The zips that fsref and NumPy write agree with themselves; each change of one byte of their records is seen, but
    in what tells nothing of the members: versions, dates, attributes.
    """
    for name in ("net.fs.npz", "graph.npz", "x.npz"):
        assert disagreement(bench.good[name]) == ""
    data = zipped({"a": b"1234", "b": b""})
    silent = 0
    for at in range(len(data)):
        bent = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        silent += disagreement(bent) == ""
    assert silent == 4 + 2 * (2 + 4 + 2 + 2 + 4 + 2 + 4)  # bytes, and of each member versions, dates and attributes


def test_a_fault_is_kept_with_its_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first file of each fault is kept with the command line that shows it, the exit code is 1, and each fault is
    told once, with how often it was seen.
    """

    def broken(path: object) -> None:
        raise KeyError(path)

    monkeypatch.setattr(fuzz.Bench, "warm", lambda *given: None)
    for verb in ("info", "run", "check", "explain", "evaluate", "export", "compare"):
        monkeypatch.setattr(f"fsref.cli.{verb}.load", broken)
    assert fuzz.main(["--files", "3", "--kind", "npz", "--keep", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert said.count("traceback: KeyError in ") == len(re.findall(r"^ +file \d, npz: ", said, re.MULTILINE)) > 1
    kept = [path for path in sorted(tmp_path.iterdir()) if path.name not in ("good", "out")]
    assert kept and kept[0].name == "000000-npz-traceback"
    command, fault = (kept[0] / "command.txt").read_text(encoding="utf-8").splitlines()
    assert command in said and command.startswith("fsref ") and fault.startswith("traceback: KeyError in ")
    assert [path.suffix for path in sorted(kept[0].iterdir())] == [".txt", ".npz"]


def test_the_tool_tells_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    """--help is the docstring of the tool and its options; a kind that there is not is refused."""
    with pytest.raises(SystemExit) as ended:
        fuzz.main(["--help"])
    assert not ended.value.code and str(fuzz.__doc__).strip() in capsys.readouterr().out
    with pytest.raises(SystemExit):
        fuzz.main(["--kind", "gif"])
