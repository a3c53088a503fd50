"""Test benches of somebody's chip (BENCH): the page that leads to one, followed to the letter; chips of other kinds."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
from blocks import follow, shell_session
from fsref.cli.main import main
from fsref.errors import LimitError, UsageError
from fsref.formats.memories import PARAMETERS, owner, stems
from fsref.simulation.difference import NotCompared
from fsref.simulation.fed import answered, recording
from handmade import draw, residual, tiny
from refusals import refused

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "fsref" / "guide" / "test_bench.md"
simulated = pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")


@simulated
def test_the_page_followed_to_the_letter(tmp_path: Path) -> None:
    """In an empty directory, every file of the page saved and every command of it typed prints what the page shows, up
    to the first wrong neuron of a chip with a bug; the chip has at most 60 lines.
    """
    session = shell_session(PAGE.read_text(encoding="utf-8"))
    assert [len(text.splitlines()) <= 60 for name, text, _ in session if name] == [True]
    follow(session, tmp_path)


def simulate(at: Path, chip: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """What the test bench in the folder `memories` prints with a chip, its answers in a new folder `answers`."""
    shutil.rmtree(at / "answers", ignore_errors=True)
    (at / "answers").mkdir()
    build = ["iverilog", "-g2012", "-I", "memories", '-DFSREF_DIR="memories"', "-o", "bench"]
    build += [option for option in options if option.startswith("-")]
    done = subprocess.run(
        [*build, "memories/fsref_bench.sv", str(chip)], cwd=at, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    run = ["vvp", "-n", "bench", *(option for option in options if option.startswith("+"))]
    return subprocess.run(run, cwd=at, capture_output=True, text=True, timeout=60)


@simulated
def test_a_serial_chip_of_the_whole_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A chip that takes no step while it computes, a neuron a clock, whose ports answer long after each other, is fed
    and judged as well: right, also with gaps between steps, and with an input of an unobserved layer missing wrong
    first in the next one observed. The run ends with the command that judges it.
    """
    monkeypatch.chdir(tmp_path)
    words = "export digits --format readmemh --images 0:2 --feed input --record conv1 --record conv2 --record logits"
    assert main([*words.split(), "--layout", "word=32", "--out", "memories"]) == 0
    right = Path(__file__).with_name("serial_chip.sv")
    wrong = tmp_path / "wrong.sv"
    wrong.write_text(right.read_text().replace("`CONV(CONV1, MERGE1, W3);", ""))
    cases = [(right, 7141, 0, "all equal"), (wrong, 7141, 1, "first in conv2: image 0 step 27 neuron")]
    for chip, clocks, code, says, *gaps in (*cases, (right, 7208, 0, "all equal", "+stall=1")):
        done = simulate(tmp_path, chip, "-DFSREF_CHIP=serial", *gaps)
        told, command = done.stdout.removesuffix("\n").split(". Next: ")
        assert done.returncode == code
        assert (f"pass: 2 images in {clocks} clocks" if code == 0 else "FAIL image 0: conv2 step 27") in told
        command = command.partition("\n")[0]
        assert command == "fsref diff digits digits --images 0:2 --layout word=32 answers"
        capsys.readouterr()
        assert main(command.split()[1:]) == code
        assert says in capsys.readouterr().out


@simulated
def test_a_chip_that_takes_what_is_not_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A chip that takes the steps of an image one a clock, whether offered or not, is right as long as they are; with
    `+stall=SEED` it is wrong, and a chip that looks at `valid` stays right. The gaps are those of the seed.
    """
    monkeypatch.chdir(tmp_path)
    words = "export digits --format readmemh --images 0:1 --feed input --record conv1 --out memories"
    assert main([*words.split(), "--observable", "spikes", "--observable", "membranes"]) == 0
    right = next(text for name, text, _ in shell_session(PAGE.read_text(encoding="utf-8")) if name)
    (tmp_path / "right.sv").write_text(right)
    (tmp_path / "deaf.sv").write_text(right.replace("if (valid) begin", "if (valid || step < INPUT_K - 1) begin"))
    clocks = []
    for chip, gaps, code in (
        ("right", "1", 0),
        ("right", "2", 0),
        ("deaf", None, 0),
        ("deaf", "1", 1),
    ):
        done = simulate(tmp_path, tmp_path / f"{chip}.sv", *([] if gaps is None else [f"+stall={gaps}"]))
        clocks.append(done.stdout.partition(" clocks")[0] if code == 0 else "")
        assert (done.returncode, "FAIL image 0: conv1 step" in done.stdout) == (code, code == 1)
        assert main("diff digits digits --images 0:1 answers".split()) == code, capsys.readouterr().out
    assert clocks[0] != clocks[1]


def replay(net: fsref.Network, trace: fsref.Trace, feed: list[str], by_step: bool, answer: str = "1") -> str:
    """A chip that prints the spikes that it is fed, and answers what the memories say is right, each port a clock
    later than the one before; where `answer` is 0 it is silent.
    """
    ports, memories, loads, plays = [], [], [], []
    for name in feed:
        ports.append(f"input [{name.upper()}_NEURONS-1:0] {name}_spikes")
    for number, (of, what) in enumerate(key for key in trace.arrays if key[0] not in feed):
        stem = of.replace("->", "_to_").replace("#", "_").upper()
        name, constant = f"{stem}_{what}".lower(), f"{stem}_{what.upper()}"
        neurons = net[net.named_projections[of].target if what == "sums" else of].neurons
        beats = net.steps[of] if what in ("spikes", "membranes") else 1
        bits = 1 if what == "spikes" else f"{constant}_BITS"
        ports.append(f"output reg {name}_valid, output reg [{neurons}*{bits}-1:0] {name}")
        memories.append(f"reg [{constant}_BITS-1:0] m_{name} [0:{constant}_WORDS-1]; integer b_{name} = {beats};")
        loads.append(f"$readmemh({constant}_FILE, m_{name});")
        word = f"m_{name}[(image*{beats} + b_{name})*{neurons} + j]"
        if what == "spikes":
            word = f"m_{name}[image*{beats} + b_{name}][j]"
            word = word if by_step else f"m_{name}[image*{neurons} + j][{beats - 1} - b_{name}]"
        put = f"{name}[j] <= {word}" if what == "spikes" else f"{name}[j*{bits} +: {bits}] <= {word}"
        plays.append(f"""
        if (valid && start) b_{name} = -{number};
        if (b_{name} >= 0 && b_{name} < {beats} && {answer}) begin
          for (j = 0; j < {neurons}; j = j + 1) {put};
          {name}_valid <= 1;
        end else {name}_valid <= 0;
        b_{name} = b_{name} + 1;""")
    seen = ", ".join(f"{name}_spikes" for name in feed)
    lines = ['`include "fsref_network.svh"', "module chip import fsref_network::*; ("]
    lines += ["input clk, rst, start, valid, output ready,", ",\n".join(ports), ");", *memories]
    lines += ["integer image = -1, j; assign ready = 1;", "initial begin", *loads, "end", "always @(posedge clk) begin"]
    lines += ["if (valid && start) image = image + 1;", f'if (valid) $display("{" %b" * len(feed)}", {seen});', *plays]
    return "\n".join([*lines, "end", "endmodule", ""])


def chosen(trace: fsref.Trace, feed: list[str]) -> fsref.Trace:
    """A recording without what is not fed to a chip: everything of these populations but their spikes."""
    kept = {(of, what): array for (of, what), array in trace.arrays.items() if of not in feed or what == "spikes"}
    return fsref.Trace(trace.net, trace.image_count, trace.selection, kept)


@simulated
@pytest.mark.parametrize(
    ("feed", "others", "layout"),
    [
        (["in"], ["stem", "pool", "mid", "sum", "out"], {}),
        (["in"], ["stem", "out"], {"neurons": "hwc", "spikes": "steps", "shift": 2}),
        (["pool", "mid"], ["sum"], {"word": 24, "shift": {"sum": 1}}),
    ],
)
def test_every_observable_in_every_layout(
    feed: list[str], others: list[str], layout: dict[str, Any], tmp_path: Path
) -> None:
    """Spikes go to the chip in the step and at the bit that the rules say, and all five observables come back as they
    left the chip, each port at its own time.
    """
    net = residual(fsref.fs_relu(5, 3))
    record = fsref.Record([*feed, *others], ["sums", "opening", "spikes", "membranes", "codes"])
    trace = chosen(fsref.run(net, draw(net, 3), record=record).trace, feed)  # type: ignore[arg-type]
    fsref.export(net, tmp_path / "memories", "readmemh", trace=trace, layout=layout, feed=feed)
    (tmp_path / "chip.sv").write_text(replay(net, trace, feed, layout.get("spikes") == "steps"))
    done = simulate(tmp_path, tmp_path / "chip.sv")
    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    assert last.startswith("fsref_bench: pass: 3 images in ") and " Next: fsref diff NET IMAGES" in last
    starts = [net.schedule.start[name] for name in feed]
    stop = max(net.schedule.start[name] + net.steps[name] for name in others)
    wanted = []
    for image in range(3):
        for step in range(min(starts), stop):
            vectors = []
            for name, start in zip(feed, starts, strict=True):
                t, flags = step - start, np.zeros(net[name].neurons, np.int64)
                if 0 <= t < net.steps[name]:
                    flags = trace[name, "spikes"][image].astype(np.int64) >> (net.steps[name] - 1 - t) & 1
                if layout.get("neurons") == "hwc":
                    flags = flags.reshape(net[name].shape).transpose(1, 2, 0).reshape(-1)
                vectors.append("".join(map(str, flags[::-1])))
            wanted.append(" " + " ".join(vectors))
    assert lines == wanted
    for path in (tmp_path / "answers").iterdir():
        right = (tmp_path / "memories" / path.name).read_text().split("\n", 1)[1].split()
        written = path.read_text().splitlines()
        assert [line for line in written if line and not line.startswith("//")] == right
    found = fsref.read_trace(tmp_path / "answers", net=net, layout=layout)
    assert set(found.arrays) == {key for key in trace.arrays if key[0] not in feed}


@simulated
@pytest.mark.parametrize(
    "layout",
    [{}, {"neurons": "hwc", "spikes": "steps"}, {"shift": 2, "neurons": "hwc"}, {"neurons": {"pool": "turned"}}],
)
def test_the_bench_says_what_is_wrong_first(layout: dict[str, Any], tmp_path: Path) -> None:
    """Of a chip that is wrong in one bit, or in several of different ports and images, the bench tells the difference
    that is first when its answers are read back and compared, in every layout, and exits with 1; of one with neurons in
    an order of their own the address.
    """
    net, feed, rng = residual(fsref.fs_relu(5, 3)), ["in"], np.random.default_rng(len(str(layout)))
    turned = np.arange(net["pool"].neurons)[::-1]
    own = isinstance(layout.get("neurons"), dict)
    layout = {**layout, "neurons": {"pool": turned.tolist()}} if own else layout
    record = fsref.Record(None, ["sums", "opening", "spikes", "membranes", "codes"])
    trace = fsref.run(net, draw(net, 3), record=record).trace
    assert trace is not None
    trace = chosen(trace, feed)
    fsref.export(net, tmp_path / "memories", "readmemh", trace=trace, layout=layout, feed=feed)
    package = (tmp_path / "memories" / "fsref_network.svh").read_text()
    right = replay(net, trace, feed, layout.get("spikes") == "steps")
    names = [("pool", "spikes"), ("pool", "codes")] if own else [key for key in trace.arrays if key[0] not in feed]
    for count in (1, 1) if own else (1, 1, 1, 6):
        flips = ""
        for of, what in (names[int(at)] for at in rng.integers(0, len(names), count)):
            stem = f"{of.replace('->', '_to_').replace('#', '_')}_{what}".upper()
            words, bits = (
                int(package.partition(f"localparam int {stem}_{size} = ")[2].partition(";")[0])
                for size in ("WORDS", "BITS")
            )
            word, bit = int(rng.integers(words)), int(rng.integers(bits))
            flips += f"m_{stem.lower()}[{word}][{bit}] = !m_{stem.lower()}[{word}][{bit}];\n"
        (tmp_path / "chip.sv").write_text(right.replace("end\nalways", f"{flips}end\nalways", 1))
        done = simulate(tmp_path, tmp_path / "chip.sv")
        assert done.returncode == 1
        with pytest.warns(NotCompared, match="in spikes of expected alone"):
            found = fsref.diff(fsref.read_trace(tmp_path / "answers", net=net, layout=layout), trace)
        assert found is not None
        p = owner(net, (found.place, found.observable))
        place = f"neuron {found.neuron} (c {{}}, y {{}}, x {{}})".format(*np.unravel_index(found.neuron, p.shape))
        if own:
            place = f"address {turned[found.neuron]}"
        step = "" if found.step is None else f" step {found.step}"
        told = f"fsref_bench: FAIL image {found.image}: {found.place}{step} {place} {found.observable}: "
        pair = "" if "shift" in layout else f"observed {found.observed} expected {found.expected}\n"
        assert told + pair in done.stdout, done.stdout


@simulated
def test_a_chip_that_does_not_answer(tmp_path: Path) -> None:
    """A chip that stops, answers too much, or drives nothing ends the run with its state and exit code 1; what it
    answered is kept, and nothing of an earlier run is; an answer that holds x is told.
    """
    net, feed = tiny(), ["in"]
    record = fsref.Record(None, ["spikes", "opening"])
    trace = chosen(fsref.run(net, draw(net, 4), record=record).trace, feed)  # type: ignore[arg-type]
    fsref.export(net, tmp_path / "memories", "readmemh", trace=trace, feed="in")
    chip = tmp_path / "chip.sv"
    right = replay(net, trace, feed, False)
    cases: Mapping[str, tuple[str, str, int | None]] = {
        "does not go on (+timeout=CLOCKS): image 2, step 6, ready 1, first awaited hid_opening": (
            replay(net, trace, feed, False, "image < 2"),
            "of image 2 what was answered is in answers, the rest x",
            2,
        ),
        "has an answer too many: image 1": (right.replace("b_out_opening < 1 &&", "b_out_opening <= image &&"), "", 1),
        "has an answer too many: image 1, step 6, ready 1, first awaited none": (
            right.replace("b_out_opening < 1 &&", "(b_out_opening < 1 || image == 1 && b_out_opening == 4) &&"),
            "out_opening: 1 of 1 answers, valid 0, one too many",
            2,
        ),
        "leaves ready or a valid x or z: image 0, step 0, ready z": (right.replace("assign ready = 1;", ""), "", 0),
        "": (
            right.replace("hid_spikes[j] <=", "hid_spikes[j] <= image == 1 ? 1'bz :"),
            "x or z in hid_spikes, image 1",
            None,
        ),
    }
    for says, (text, also, whole) in cases.items():
        assert text != right
        chip.write_text(text)
        done = simulate(tmp_path, chip, "+timeout=100")
        assert done.returncode == 1 and also in done.stdout
        if whole is None:
            assert "fsref_bench: answers hold x or z" in done.stdout
            assert " x or z. Next: fsref diff NET IMAGES answers" in done.stdout
            unknown = fsref.read_trace(tmp_path / "answers", net=net).unknown
            assert {key: bits.any(axis=1).tolist() for key, bits in unknown.items()} == {
                ("hid", "spikes"): [False, True, False, False]
            }
            continue
        assert f"fsref_bench: the chip {says}" in done.stdout and "of 1 answers, valid" in done.stdout
        assert f"stopped; {whole} whole images are in answers. Next: fsref diff NET IMAGES answers" in done.stdout
        assert "5000 clocks" not in done.stdout
        for path in (tmp_path / "answers").iterdir():
            right, found = words_of(tmp_path / "memories" / path.name), words_of(path)
            known, rest = right[: whole * len(right) // 4], "of image" in done.stdout
            assert found[: len(known)] == known and len(found) == len(known) + rest * len(right) // 4
            assert all(
                digit in ("x", wanted)
                for pair in zip(found, right, strict=False)
                for digit, wanted in zip(*pair, strict=True)
            )
    chip.write_text(replay(net, trace, feed, False, "image < 2"))
    told = "fsref_bench: 5000 clocks without step or answer: image 2, step 6\n"
    assert told in simulate(tmp_path, chip, "+timeout=5200").stdout
    shutil.rmtree(tmp_path / "answers")
    done = subprocess.run(["vvp", "-n", "bench"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and ": make its folder" in done.stdout
    (tmp_path / "memories").rename(tmp_path / "elsewhere")
    (tmp_path / "answers").mkdir()
    done = subprocess.run(["vvp", "-n", "bench"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "is FSREF_DIR its folder?" in done.stdout


def words_of(path: Path) -> list[str]:
    """The words of a memory, as they are written."""
    return [line for line in path.read_text(encoding="ascii").splitlines() if line and not line.startswith("//")]


@simulated
@pytest.mark.parametrize("layout", [{}, {"word": 12}, {"spikes": "steps"}])
def test_what_was_answered_before_a_chip_hung(layout: dict[str, Any], tmp_path: Path) -> None:
    """A chip that hangs in its first image leaves what it answered of it, each port by itself, and x for the digits of
    what it did not; the bench says which image and which port it waited for.
    """
    part = fsref.FS("hid", (3, 1, 1), fsref.fs_relu(6, 2), [1, -2, 0])
    net = tiny(populations=[tiny().input, part, tiny().readout])
    trace = fsref.run(net, draw(net, 2), record=fsref.Record(None, ["spikes", "membranes", "opening"])).trace
    assert trace is not None
    trace = chosen(trace, ["in"])
    fsref.export(net, tmp_path / "memories", "readmemh", trace=trace, feed="in", layout=layout, command="judge 'it'")
    by_step = layout.get("spikes") == "steps"
    (tmp_path / "chip.sv").write_text(replay(net, trace, ["in"], by_step, "b_hid_membranes < 2 && b_hid_opening < 5"))
    done = simulate(tmp_path, tmp_path / "chip.sv", "+timeout=100")
    assert "first awaited hid_opening\n" in done.stdout and "  hid_spikes: 3 of 6 answers" in done.stdout
    assert "image 0, step 9, ready 1" in done.stdout and "Next: judge 'it' answers\n" in done.stdout
    found = {path.name: words_of(path) for path in (tmp_path / "answers").iterdir()}
    right = {name: words_of(tmp_path / "memories" / name) for name in found}
    spikes, opening, membranes, logits = (
        f"population.{name}.mem" for name in ("1.spikes", "1.opening", "1.membranes", "2.opening")
    )
    digits = len(right[opening][0])
    assert found[opening] == ["x" * digits] * 3 and found[logits] == ["x" * len(right[logits][0])] * 2
    assert found[membranes] == right[membranes][:6] + ["x" * digits] * 12
    partly = [word[:-1] + "x" for word in right[spikes][:3]]  # 3 steps of 6: the first two are a digit
    assert found[spikes] == (right[spikes][:3] + ["x"] * 3 if by_step else partly)


def test_what_is_no_test_bench(tmp_path: Path) -> None:
    """What no chip could be fed or asked is one line, and nothing is written."""
    net = residual()
    record = fsref.Record(None, ["spikes", "membranes", "opening"])
    images = draw(net, 2)
    trace = fsref.run(net, images, record=record).trace
    assert trace is not None

    def export(path: str = "m", form: str = "readmemh", **options: Any) -> None:
        fsref.export(net, tmp_path / path, form, **{"trace": trace, "feed": ["in"], **options})

    def only(populations: Any, **changes: Any) -> Any:
        given = {"observables": ["spikes", "opening"], **changes}
        return fsref.run(net, images, record=fsref.Record(populations, **given)).trace

    with refused(UsageError, "BENCH-1", "feed", "inn", says="unknown population: inn (in, stem, pool, mid, sum)"):
        export(feed="inn")
    with refused(UsageError, "BENCH-1", "feed", "out", says="has no spikes"):
        export(feed=["out"])
    with refused(UsageError, "BENCH-1", "feed", [3], says="unknown population"):
        export(feed=[[3]])
    with refused(UsageError, "BENCH-1", "trace", "in", says="from its feed: in (feed it, too)"):
        export(feed=["stem"])
    with refused(UsageError, "BENCH-1", "trace", "sum", says="it needs pool, mid before it"):
        export(feed=["mid"], trace=only(["mid", "sum"]))
    with refused(UsageError, "BENCH-1", "feed", "in", says="its spikes were not recorded"):
        export(trace=only(["stem"]))
    with refused(UsageError, "BENCH-1", "feed", "in", says="its spikes were not recorded"):
        export(trace=None)
    with refused(UsageError, "BENCH-1", "trace", says="holds nothing that a chip answers"):
        export(trace=only(["in"]))
    for partial in (only({"in": None, "stem": [1, 2]}), only(None, steps=[0, 1])):
        with refused(UsageError, "BENCH-1", "trace", says="wanted whole populations, all of their steps"):
            export(trace=partial)
    for layout in ({"bits": "low"}, {"bytes": "low"}, {"spikes": "steps", "word": 32}):
        with refused(UsageError, "BENCH-1", "feed", says="wanted bits high, bytes high, and no word beside"):
            export(layout=layout)
    with refused(LimitError, "BENCH-1", "stem opening", "67200 bits", says="at most 65536"):
        export(layout={"word": 400})
    with refused(UsageError, "FILE-5", "export", "feed", says="unknown option of coe"):
        export(form="coe")
    assert not list(tmp_path.iterdir())


def test_the_command_line_records_what_a_chip_gets_and_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --record all that follows from what is fed answers, with spikes and the logits alone; commands that come
    next are printed with what was given, quoted; formats without test benches refuse --feed.
    """
    monkeypatch.chdir(tmp_path)
    words = "export digits --format readmemh --images 1,3 --feed merge1 --out".split()
    assert main([*words, "two words"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "iverilog -g2012 -I 'two words' '-DFSREF_DIR=\"two words\"' -o bench 'two words/fsref_bench.sv' CHIP.sv",
        "mkdir answers",
        "vvp -n bench",
        "fsref diff digits digits --images 1,3 answers",
    ]
    tail = '". Next: ", "fsref diff digits digits --images 1,3", " ", `FSREF_ANSWERS'
    assert tail in (Path("two words") / "fsref_bench.sv").read_text()
    names = {path.name for path in Path("two words").iterdir()}
    observed = {f"population.{at}.spikes.mem" for at in (3, 4, 5)} | {"population.6.opening.mem"}
    others = {f"{stem}.{what}.mem" for stem in stems(fsref.load("digits")).values() for what in PARAMETERS}
    told = {"manifest.json", "fsref_network.svh", "fsref_network.h", "fsref_bench.sv"}
    assert names - others - told == observed and told <= names
    assert main([*words, "two words", "--force"]) == 0
    fsref.load("digits").save('\N{GREEK SMALL LETTER MU} "1"\\.fs.npz')
    words = ["--format", "readmemh", "--data", "drawn:2:7", "--feed", "merge1", "--out", "m"]
    assert main(["export", '\N{GREEK SMALL LETTER MU} "1"\\.fs.npz', *words]) == 0
    command = capsys.readouterr().out.splitlines()[-1]
    assert command == "fsref diff '\N{GREEK SMALL LETTER MU} \"1\"\\.fs.npz' drawn:2:7 answers"
    tail = r"""". Next: ", "fsref diff '\316\274 \0421\042\134.fs.npz' drawn:2:7","""
    assert tail in Path("m/fsref_bench.sv").read_text(encoding="ascii")
    assert main("export digits --format mif --feed input --out m".split()) == 2
    assert "--feed: goes with --format readmemh [RUN-6]" in capsys.readouterr().err


def test_sums_into_what_is_fed_are_no_answers() -> None:
    """A chip that gets spikes of a population knows nothing of the sums behind them: its ports are those into what it
    answers alone.
    """
    net, images = fsref.load("digits"), fsref.load_images("digits", "digits", limit=1).x
    trace = fsref.run(net, images, record=recording(net, ["conv1", "depth1"], ["merge1"], ["sums"])).trace
    assert trace is not None
    sums = [of for of, what in answered(trace, ["conv1", "depth1"], ["sums"]).arrays if what == "sums"]
    assert sorted(sums) == ["conv1->merge1", "depth1->merge1"]
