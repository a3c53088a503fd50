"""Golden vectors as test benches that judge by themselves (VECTOR-6, BENCH-5): right and wrong chips and functions."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
from answering import driven
from fsref.cli.main import main
from fsref.conformance import program, replay
from fsref.conformance.driven import CRASH, DIFFERS, Driven
from fsref.conformance.frames import to_bytes
from fsref.conformance.greeting import Greeting
from fsref.conformance.replies import binary_replies, frames, judged
from fsref.conformance.verdict import Report
from fsref.errors import LimitError, UsageError
from fsref.limits.chip import Limits
from fsref.vectors import bench
from fsref.vectors.case import SCOPES, Case, case_of, wanted
from fsref.vectors.pack import Pack, write
from fsref.vectors.protocol import PROTOCOLS
from fsref.vectors.rejects import rejects
from handmade import residual, tiny
from refusals import refused

DEVICES = Path(__file__).with_name("devices")
simulated = pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")
compiled = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
FAIL = re.compile(r"FAIL case (\d+) \(([0-9a-f]{12})(?:, .+)?\): (.+)")


def cases_of(net: fsref.Network, scopes: Sequence[str], protocols: Sequence[str]) -> list[Case]:
    """Cases of drawn images in each scope and unit, with these protocols in turn."""
    rng, made = np.random.default_rng(4), []
    units = {
        "network": ["out"],
        "projection": list(net.named_projections),
        "population": [p.name for p in net.integrating],
        "max_pool": [p.name for p in net.populations if isinstance(p, fsref.MaxPool)],
        "neuron": [p.name for p in net.fs],
    }
    for scope in scopes:
        for unit in units[scope]:
            for protocol in protocols:
                given: dict[Any, Any] = {}
                for of, what in wanted(net, scope, unit)[0]:
                    p = net[of]
                    top = p.max_code + 1 if isinstance(p, fsref.Input) else 2 ** net.steps[of]
                    low, high = (-40, 40) if what == "opening" else (0, top)
                    given[of, what] = rng.integers(low, high, p.neurons)
                made.append(case_of(net, scope, unit, given, protocol=protocol))
    return made


def packed(cases: Sequence[Case], **about: Any) -> Pack:
    """The pack of cases."""
    return Pack("pack", 1, 0, **{"limits": None, "cases": cases, **about})


def simulate(at: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What the bench in the folder `memories` prints with the chip of tiny, macros and plusargs as told."""
    (at / "answers").mkdir(exist_ok=True)
    build = ["iverilog", "-g2012", "-I", "memories", '-DFSREF_DIR="memories"', "-o", "bench"]
    build += [option for option in options if option.startswith("-")]
    built = subprocess.run(
        [*build, "memories/fsref_bench.sv", str(DEVICES / "tiny.sv")],
        cwd=at,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (built.returncode, built.stderr) == (0, "")
    run = ["vvp", "-n", "bench", *(option for option in options if option.startswith("+"))]
    return subprocess.run(run, cwd=at, capture_output=True, text=True, timeout=60)


def words_of(path: Path) -> list[str]:
    """The words of a memory, as they are written."""
    return [line for line in path.read_text(encoding="ascii").splitlines() if line and not line.startswith("//")]


def strict(case: Case) -> str:
    """Where a chip that fires above the threshold alone first differs in `hid`, as the bench tells it; "" nowhere."""
    net = case.net
    T, h, _ = net.fs[0].table.rows(3)
    K = net.fs[0].steps
    found = []
    for n, v in enumerate(case.expected["hid", "opening"].tolist()):
        train = int(case.expected["hid", "spikes"][n])
        for t in range(K):
            fires, right = int(v > T[n][t]), train >> (K - 1 - t) & 1
            v -= int(h[n][t]) * fires
            if fires != right:
                found.append((t, n, fires, right))
    if not found:
        return ""
    t, n, fires, right = min(found)
    place = f"hid step {net.schedule.start['hid'] + t} neuron {n} (c {n}, y 0, x 0)"
    return f"{place} spikes: observed {fires} expected {right}"


@simulated
@pytest.mark.parametrize("unit", [None, "hid"])
def test_a_chip_in_systemverilog(unit: str | None, tmp_path: Path) -> None:
    """The bench of a pack says pass for a chip that is right, and for one that is not the first difference, with the
    number and id of its case; each protocol finds the chip that does not keep it, and no other case does; a chip that
    cannot begin anew in the middle passes where this is left out, which is said.
    """
    scope = "network" if unit is None else "population"
    hidden = fsref.FS("hid", (3, 1, 1), fsref.fs_relu(6, 2), [1, -2, 0])
    net = tiny(populations=[tiny().input, hidden, tiny().readout])
    other = cases_of(net, ["neuron"], ["", ""])  # of no chip: numbers are those of the pack
    mine = [one for one in cases_of(net, [scope], ["", *PROTOCOLS]) if unit in (None, one.unit)]
    mine = [replace(one, aims=('FS-2 \\hid "tie"', "b")) for one in mine]
    assert [one.protocol for one in mine] == ["", *PROTOCOLS]
    pack = packed([*other, *mine])
    assert bench.save(pack, tmp_path / "memories", unit) == len(mine) == 8
    hid = [] if unit is None else ["-DHID"]
    done = simulate(tmp_path, *hid)
    for path in (tmp_path / "answers").iterdir():
        assert words_of(path) == words_of(tmp_path / "memories" / path.name)
    assert done.returncode == 0 and re.fullmatch(
        r"fsref_bench: pass: 8 cases, 10 images in \d+ clocks\.\n", done.stdout
    )

    def first(*options: str) -> tuple[int, str]:
        done = simulate(tmp_path, *hid, *options)
        found = FAIL.search(done.stdout)
        assert done.returncode == 1 and found, done.stdout
        case = pack.cases[int(found[1])]
        assert found[2] == case.id and 'aims at FS-2 \\hid "tie" and 1 more' in found[0]
        return int(found[1]) - len(other), found[3]

    wrong = [(at, told) for at, told in enumerate(map(strict, mine)) if told]
    assert first("-DSTRICT") == wrong[0]
    assert first("-DUNKNOWN")[0] == 2
    step, told = net.schedule.start["hid"] + 1, int(mine[2].expected["hid", "spikes"][2]) >> 4 & 1
    assert first("-DUNKNOWN")[1] == f"hid step {step} neuron 2 (c 2, y 0, x 0) spikes: observed x expected {told}"
    order = ["", *PROTOCOLS]
    assert order[first("-DLOST")[0]] == "reset"
    assert order[first("-DDEAF")[0]] == "stall"
    assert order[first("-DDROPS_START", "-DDROPS_RESET")[0]] == "abort"
    assert order[first("-DDROPS_START", "+timeout=2000")[0]] == "restart"
    done = simulate(tmp_path, *hid, "-DDROPS_START", "+no_restart", "+stall=5")
    assert done.returncode == 0 and done.stdout.endswith(" clocks, 1 restarts left out.\n")


def test_packs_that_are_no_chip(tmp_path: Path) -> None:
    """A pack of two networks, without a case of what was asked for, or with integers that a run cannot reach, is one
    line, and nothing is written.
    """
    out, net = tmp_path / "m", tiny()
    mixed = packed([*cases_of(net, ["network"], [""]), *cases_of(residual(), ["network"], [""])])
    with refused(UsageError, "VECTOR-6", "pack", 2, says="language c"):
        bench.save(mixed, out)
    with refused(UsageError, "VECTOR-6", "unit", says=("no case of scope network", "units hid, out")):
        bench.save(packed(cases_of(net, ["population", "neuron"], [""])), out)
    with refused(UsageError, "VECTOR-6", "unit", "in", says="no case of this population"):
        bench.save(packed(cases_of(net, ["population"], [""])), out, "in")
    with refused(UsageError, "VECTOR-6", "unit", says="there are none of a population"):
        bench.save(packed(cases_of(net, ["neuron"], [""])), out)
    less = packed(cases_of(net, ["population"], [""]), limits=Limits(observables=("codes", "opening")))
    with refused(UsageError, "VECTOR-6", "observable", "spikes", says="it expects codes, opening"):
        bench.save(less, out, "hid", observables=["codes", "spikes"])
    beyond = cases_of(net, ["population"], [""])[:1]
    beyond[0].expected["hid", "opening"][0] = 2**40
    with refused(LimitError, "VECTOR-6", f"case {beyond[0].id} hid.opening", 2**40, says="take language c"):
        bench.save(packed(beyond), out, "hid", observables=["opening"])
    assert not list(tmp_path.iterdir())


@cache
def everything() -> Pack:
    """A pack of two networks, every scope and protocol, and rejects."""
    first, second = tiny(), residual(fsref.fs_relu(4, 3))
    cases = cases_of(first, ["network"], [""]) + cases_of(second, SCOPES, PROTOCOLS[:4])
    return packed(cases + cases_of(first, SCOPES, PROTOCOLS), rejects=rejects(first)[-10:])


@compiled
def test_a_device_in_c(tmp_path: Path) -> None:
    """The program of a pack compiles without a warning, says pass for a function that is right, and for one with a bug
    the same first difference that replies to the same frames are judged by; whatever else a function returns is told
    with its case or reject.
    """
    pack, folder = everything(), tmp_path / "c"
    folder.mkdir()
    assert program.save(pack, folder / "vectors") == (len(pack.cases), 10)
    build = ["gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", "vectors", "-o", "bench"]
    sources = [*sorted(map(str, (folder / "vectors").glob("*.c"))), str(DEVICES / "function.c")]
    built = subprocess.run([*build, *sources], cwd=folder, capture_output=True, text=True, timeout=120)
    assert (built.returncode, built.stdout, built.stderr) == (0, "", "")

    def asked(**settings: str) -> tuple[int, str]:
        done = subprocess.run(
            ["./bench"], cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60
        )
        assert done.stderr == ""
        return done.returncode, done.stdout

    assert asked() == (0, f"pass: {len(pack.cases)} cases, 10 rejects\n")
    for bug in map(str, range(1, 6)):  # the sixth is one of weights of -128
        code, told = asked(BUG=bug)
        wrong = replies_of(pack, folder, bug)
        number = next((n for n, case in enumerate(pack.cases) if case.id == wrong.id), None)
        found = FAIL.fullmatch(told.removesuffix("\n"))
        assert code == 1 and found and (int(found[1]), found[2]) == (number, wrong.id), told
        d = wrong.difference
        assert d is not None
        step = "" if d.step is None else f" step {d.step}"
        assert found[3].startswith(f"{d.place}{step} neuron {d.neuron} (c ")
        assert found[3].endswith(f" {d.observable}: observed {d.observed} expected {d.expected}")
    first, reset = f"case 0 ({pack.cases[0].id})", next(c for c in pack.cases if c.protocol == "reset")
    spoilt = {
        1: f"FAIL {first}: no reply to its load",
        2: f"FAIL {first}: its reply to a run has ",
        3: f"FAIL {first}: its reply of ",
        4: f"FAIL case {pack.cases.index(reset)} ({reset.id}, reset): it refuses its reset",
        6: f"FAIL {first}: its reply to a run begins with 7",
        7: f"FAIL {first}: its reply to a run has ",
        8: f"FAIL {first}: it wrote more than the ",
    }
    for how, told in spoilt.items():
        code, says = asked(SPOIL=str(how))
        assert code == 1 and says.startswith(told) and says.count("\n") == 1, says
    code, says = asked(SPOIL="5")
    assert (
        code == 1 and says == f"FAIL reject 0 ({pack.rejects[0].id}, NET-7 code-above-max-code): it is to be refused\n"
    )


def wrong_spike(case: Case) -> Driven:
    """A device that was seen to be wrong in the first spike of the first neuron of `hid`."""
    observed = {key: values.copy() for key, values in case.expected.items()}
    observed["hid", "spikes"][0] ^= 1 << (case.net.steps["hid"] - 1)
    return driven(case, observed)


def put(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a new folder."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)


@simulated
@pytest.mark.parametrize("scope", ["network", "population"])
def test_the_bench_of_a_replay_in_systemverilog(scope: str, tmp_path: Path) -> None:
    """A replay directory holds a test bench: it says pass for a chip that is right, and for one that is not the
    difference in what the device was wrong in.
    """
    case = next(one for one in cases_of(tiny(), [scope], [""] * 4) if one.unit in ("hid", "out") and strict(one))
    put(tmp_path / "memories", replay.files([case], wrong_spike(case), {}, "frames", Greeting()))
    hid = ["-DHID"] if scope == "population" else []
    done = simulate(tmp_path, *hid)
    assert done.returncode == 0 and done.stdout.startswith("fsref_bench: pass: 1 cases, 1 images"), done.stdout
    done = simulate(tmp_path, *hid, "-DSTRICT")
    assert done.returncode == 1 and FAIL.search(done.stdout)[3] == strict(case)  # type: ignore[index]


@compiled
def test_the_bench_of_a_replay_in_c(tmp_path: Path) -> None:
    """The same in C, also of a projection alone: the cases before the one that fails are asked first; a device that
    holds its network is sent no load.
    """
    scopes = {"scopes": SCOPES}
    for scope in ("network", "projection"):
        cases = cases_of(residual(fsref.fs_relu(4, 3)), [scope], ["", "repeat"])[-2:]
        failed = Driven.of(cases[-1], DIFFERS, observed=cases[-1].expected)
        found = replay.files(cases, failed, {}, "frames", Greeting.of(scopes))
        put(tmp_path / scope, found)
        build = ["gcc", "-std=c11", "-Wall", "-Werror", "-I", ".", "-o", "bench", "fsref_vectors.c"]
        built = subprocess.run(
            [*build, *sorted(name for name in found if name.startswith("fsref_words")), str(DEVICES / "function.c")],
            cwd=tmp_path / scope,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (built.returncode, built.stderr) == (0, "")
        said = [
            subprocess.run(
                ["./bench"],
                cwd=tmp_path / scope,
                env={**os.environ, "SPOIL": how},
                capture_output=True,
                text=True,
                timeout=60,
            ).stdout
            for how in ("0", "3")
        ]
        assert said[0] == "pass: 2 cases, 0 rejects\n" and said[1].startswith("FAIL case 0 ("), said
    held = replay.files(cases, failed, {}, "frames", Greeting.of({**scopes, "network": cases[0].net.id}))
    assert len(held["fsref_words_0.c"]) < len(found["fsref_words_0.c"])


def test_a_replay_is_replaced_whole(tmp_path: Path) -> None:
    """A replay directory with its benches is written once more with `replace` alone, and not where anything else lies
    in it; cases of several networks have no bench of one chip.
    """
    (case,) = cases_of(tiny(), ["network"], [""])
    failed = wrong_spike(case)
    report = Report("device", Greeting(), (failed,), failed)
    place = tmp_path / "replay"
    replay.write(report, place)
    assert {"case.json", "replay.py", "naive.py", "fsref_bench.sv", "fsref_vectors.c"} <= set(os.listdir(place))
    with refused(UsageError, "RUN-5", says="replace"):
        replay.write(report, place)
    replay.write(report, place, replace=True)
    (place / "device.c").touch()
    with refused(UsageError, "RUN-5"):
        replay.write(report, place, replace=True)
    ended = Driven.of(case, CRASH, told="ended")  # nothing was answered: judged is what the chip can give back
    able = Greeting(Limits(observables=("codes",)))
    assert b"hid_codes_valid" in replay.files([case], ended, {}, "frames", able)["fsref_bench.sv"]
    (other,) = cases_of(residual(), ["network"], [""])
    assert "fsref_bench.sv" not in replay.files([other, case], failed, {}, "frames", Greeting())


def replies_of(pack: Pack, folder: Path, bug: str) -> Driven:
    """The first verdict that is no pass, of the replies of the device in C to the frames of a pack."""
    core = folder / "core"
    if not core.exists():
        subprocess.run(["gcc", "-O1", "-o", str(core), str(DEVICES / "core.c")], check=True, timeout=120)
    names = ["", "ABOVE", "SATURATE", "STALE", "LAST", "STEP", "UNSIGNED"]
    sent = b"".join(map(to_bytes, frames(pack)))
    done = subprocess.run([str(core), names[int(bug)]], input=sent, capture_output=True, check=True, timeout=60)
    return next(one for one in judged(pack, binary_replies(io.BytesIO(done.stdout))) if not one.passed)


def test_words_of_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words lie in files of bounded size, each frame and reply once; the smallest integer, quotes and what a terminal
    obeys are written so that C takes them; a pack that is too large is refused, and nothing is written.
    """
    monkeypatch.setattr(program, "PART", 1000)
    case = replace(cases_of(tiny(), ["network"], [""])[0], aims=('a "??/\n\\', "b"))
    case.expected["out", "opening"][0] = -(2**63)
    program.save(packed([case, case, replace(case, protocol="repeat")]), tmp_path / "twice")
    program.save(everything(), tmp_path / "parts")
    one, many = (sorted((tmp_path / name).iterdir()) for name in ("twice", "parts"))
    assert [path.name for path in one] == ["fsref_vectors.c", "fsref_vectors.h", "fsref_words_0.c"]
    assert len(many) > 10 and max(path.stat().st_size for path in many[2:]) < 20_000
    words = one[2].read_text()
    assert words.count("-9223372036854775807 - 1") == 1 and "9223372036854775808" not in words
    assert "aims at a \\042\\077\\077/\\134n\\134 and 1 more)" in one[0].read_text()
    monkeypatch.setattr(program, "MOST", 10)
    with refused(LimitError, "VECTOR-6", "pack", says="at most 10 words"):
        program.save(everything(), tmp_path / "large")
    assert not (tmp_path / "large").exists()


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`fsref vectors bench` writes a folder and says how to build it; replaces its own with --force alone, and nothing
    else; options of the other language are refused.
    """
    monkeypatch.chdir(tmp_path)
    write(packed(cases_of(tiny(), ["network", "population"], [""])), "p.jsonl")
    words = ["vectors", "bench", "p.jsonl", "--out"]
    assert main([*words, "m", "--unit", "hid", "--observable", "membranes"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "m: 1 case of 3, those of unit hid",
        "",
        "iverilog -g2012 -I m '-DFSREF_DIR=\"m\"' -o bench m/fsref_bench.sv CHIP.sv",
        "mkdir answers",
        "vvp -n bench",
    ]
    assert "hid_membranes_valid" in Path("m/fsref_bench.sv").read_text()
    assert main([*words, "m"]) == 2 and "--force" in capsys.readouterr().err
    assert main([*words, "m", "--force", "--record", "out", "--layout", "word=32"]) == 0
    assert "hid_spikes" not in Path("m/fsref_bench.sv").read_text()
    assert "OUT_OPENING_BITS = 32;" in Path("m/fsref_network.svh").read_text()
    assert main([*words, "c d", "--language", "c"]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "gcc -std=c11 -I 'c d' -o bench 'c d'/*.c DEVICE.c",
        "./bench",
    ]
    assert main([*words, "c d", "--language", "c", "--force", "--json"]) == 0
    Path("c d/device.c").write_text("")
    assert main([*words, "c d", "--language", "c", "--force"]) == 2
    assert main([*words, "n", "--language", "c", "--unit", "hid"]) == 2
    assert main([*words, "n", "--record", "out", "--unit", "hid"]) == 2
    capsys.readouterr()
    assert main(["vectors", "bench", "p.jsonl", "--out", "p.jsonl", "--force"]) == 2
    assert Path("p.jsonl").stat().st_size > 100 and not Path("n").exists()


def test_errors_name_what_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verbs of vectors speak of the options and files that were typed, not of arguments of Python."""
    monkeypatch.chdir(tmp_path)
    write(packed(cases_of(tiny(), ["population"], [""])), "p.jsonl")
    mixed = [*cases_of(tiny(), ["network"], [""]), *cases_of(residual(), ["network"], [""])]
    write(packed(mixed), "two.jsonl")
    Path("tiny.json").write_text('{"kinds": ["input", "readout", "dense"]}')
    for words, told in (
        ("bench p.jsonl --out n", "--unit: no case of scope network (there are cases of the units hid, out)"),
        ("bench p.jsonl --out n --unit one", "--unit: no case of this population: one (there are cases of the units"),
        ("bench two.jsonl --out n", "two.jsonl: holds another number of networks: 2"),
        ("make q.jsonl --for tiny.json --scope neuron", "--scope: has no case here: neuron"),
        ("make p.jsonl --for tiny.json", "PACK: is there already: p.jsonl (another name, or --force"),
        ("show p.jsonl --case 7", "--case: no case of this pack: 7"),
    ):
        assert main(["vectors", *words.split()]) == 2
        assert told in capsys.readouterr().err
    monkeypatch.setattr(program, "MOST", 10)
    assert main("vectors bench two.jsonl --out n --language c".split()) == 2
    assert "two.jsonl: is too large for a program (at most 10 words" in capsys.readouterr().err
    assert not Path("n").exists() and not Path("q.jsonl").exists()
