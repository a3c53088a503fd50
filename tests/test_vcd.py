"""Waveforms: as the page says them, dumps of simulators, what is refused (VCD-1, VCD-2)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsref
import naive_memories as naive
from fsref import Network, Record, Trace, diff, read_trace, testing
from fsref.errors import FileError, FsrefError, LimitError, UsageError
from fsref.formats import vcd
from fsref.simulation import waveform_reader, waveforms
from handmade import NETS, chain, dangling, draw, ladder, recorded, residual, tiny
from naive_memories import PLAIN
from refusals import check_line, refused
from repeatable import LONG, drawn
from test_dumps import layouts
from test_reader import mutated

SHOWN = Record(observables=("opening", "spikes", "membranes", "codes"))
ALL = {**NETS, "dangling": dangling, "ladder": ladder}


@pytest.fixture
def pyvcd() -> None:
    """The tests that write need pyvcd."""
    pytest.importorskip("vcd", reason="the package pyvcd is not installed")


def values_over_time(text: str) -> list[dict[str, str]]:
    """What every signal of a dump shows at each time, by its full name: digits, the highest first."""
    head, _, body = text.partition("$enddefinitions $end")
    scopes: list[str] = []
    names: dict[str, str] = {}
    bits: dict[str, int] = {}
    for line in head.splitlines():
        match line.split():
            case ["$scope", _, name, "$end"]:
                scopes.append(name)
            case ["$upscope", "$end"]:
                scopes.pop()
            case ["$var", _, size, code, name, *_]:
                names[code] = ".".join([*scopes, name])
                bits[code] = int(size)
    now: dict[str, str] = {}
    found: dict[int, dict[str, str]] = {}
    time = -1
    for line in body.split("\n"):
        if line.startswith("#"):
            time = int(line[1:])
        elif line and line[0] in "01xb":
            digits, code = line[1:].split() if line[0] == "b" else (line[0], line[1:])
            now[names[code]] = digits.rjust(bits[code], "x" if digits[0] == "x" else "0")
        found[time] = dict(now)
    for t in range(time + 1):
        found.setdefault(t, found[t - 1])
    return [found[t] for t in range(time + 1)]


def shown(net: Network, trace: Trace, told: dict[str, Any]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each time but the last, and what the page says that the signals show then."""
    layout, plan = {**PLAIN, **told}, net.schedule
    for image in range(trace.image_count):
        for step in range(plan.steps + 1):
            found = {"image": format(image, "032b"), "step": format(step, "032b")}
            for (of, what), array in trace.arrays.items():
                if what in ("spikes", "membranes") and not len(trace.selection.window[of]):
                    continue
                p, there = net[of], trace.selection.neurons[of].tolist()
                start, K = plan.start[of], net.steps[of]  # noqa: N806
                addresses = naive.order(net, of, layout)
                for n, neuron in enumerate(there):
                    wide = naive.widths(net, (of, what), layout)
                    value: int | str = "x" * wide
                    recorded = {int(t): place for place, t in enumerate(trace.selection.window[of])}
                    if what == "spikes":
                        inside = start <= step < start + K
                        bit = int(array[image, n]) >> (K - 1 - (step - start)) & 1 if inside else 0
                        value = "x" if inside and step - start not in recorded else str(bit)
                    elif what == "membranes":
                        past = [t for t in range(K) if start + t <= step]
                        if past and past[-1] in recorded:
                            value = int(array[image, recorded[past[-1]], n])
                    elif step >= (start if what == "opening" else start + K - 1):
                        value = int(array[image, n])
                    if isinstance(value, int):
                        shift = layout["shift"] if what in ("opening", "membranes") else 0
                        value = format((value >> shift) % 2**wide, f"0{wide}b")
                    name = re.sub(r"[^A-Za-z0-9_]", "_", p.name)
                    found[f"{name}.{what}[{addresses.index(neuron)}]"] = value
            yield image * (plan.steps + 1) + step, {f"fsref.{key}": digits for key, digits in found.items()}


@pytest.mark.usefixtures("pyvcd")
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("steps", [None, [1, 4, 5, 8]], ids=str)
@pytest.mark.parametrize("told", [{}, {"neurons": "hwc", "shift": 3}], ids=str)
def test_waveforms_from_the_page_alone(
    name: str, steps: list[int] | None, told: dict[str, Any], tmp_path: Path
) -> None:
    """At each time every signal shows what the page says, and is read back."""
    net = ALL[name]()
    some = None if steps is None else [step for step in steps if step < net.schedule.steps]
    trace = recorded(net, draw(net, 2), Record(None, SHOWN.observables, some))
    fsref.export(net, tmp_path / "a.vcd", "vcd", trace=trace, layout=told)
    text = (tmp_path / "a.vcd").read_text()
    seen = values_over_time(text)
    for time, wanted in shown(net, trace, told):
        assert seen[time] == wanted, time
    assert len(seen) == 2 * (net.schedule.steps + 1) + 1 and "$timescale 1 ns $end" in text
    found = read_trace(tmp_path / "a.vcd", net=net)
    assert found.image_count == 2
    for key, array in found.arrays.items():
        low = told.get("shift", 0) if key[1] in ("opening", "membranes") else 0
        assert array.dtype == trace[key].dtype and array.tolist() == (trace[key] >> low << low).tolist()
        assert found.seen.get(key) is None if not low else found.seen[key].tolist() == -1 << low


@pytest.mark.usefixtures("pyvcd")
def test_populations_and_neurons(tmp_path: Path) -> None:
    """Of some neurons of some populations there are the signals of these, kinds as they have signs, names as Verilog
    takes them.
    """
    net = residual()
    trace = recorded(net, draw(net, 1), Record({"mid": [3, 40], "out": None}, SHOWN.observables))
    fsref.export(net, tmp_path / "a.vcd", "vcd", trace=trace, layout={"neurons": "hwc"})
    text = (tmp_path / "a.vcd").read_text()
    declared = re.findall(r"\$var (\w+) (\d+) \S+ (\S+(?: \[\d+:0\])?) \$end", text)
    assert [d for d in declared if "[12]" in d[2]] == [
        ("integer", "10", "opening[12] [9:0]"),
        ("wire", "1", "spikes[12]"),
        ("integer", "10", "membranes[12] [9:0]"),
        ("integer", "5", "codes[12] [4:0]"),
    ] or len(declared) == 2 + 2 * 4 + 3
    found = read_trace(tmp_path / "a.vcd", net=net)
    assert found.selection.neurons["mid"].tolist() == [3, 40] and list(found.selection.neurons) == ["mid", "out"]
    assert diff(found, trace) is None
    one = fsref.FS("a.b", (1, 1, 1), fsref.fs_relu(2)), fsref.FS("a-b", (1, 1, 1), fsref.fs_relu(2))
    assert list(waveforms.scopes(chain(*one)).values()) == ["in_0", "a_b_1", "a_b_2", "out_3"]
    assert waveforms.scopes(chain(fsref.FS("1st", (1, 1, 1), fsref.fs_relu(2))))["1st"] == "p_1st"


DUMP = """$date today $end
$version A simulator $end
$timescale 1ps $end
$scope module bench $end
$var reg 1 ! clk $end
$var real 64 r voltage $end
$scope begin fsref $end
$var wire 32 ( image [31:0] $end
$var wire 4 ) step [3:0] $end
$var string 1 s note $end
$scope begin hid $end
$var wire 3 * spikes [2:0] $end
$var wire 24 + membranes [23:0] $end
$var reg 8 - \\opening[0] [7:0] $end
$var reg 8 . \\opening[2] [7:0] $end
$scope begin deeper $end
$var wire 3 z spikes [2:0] $end
$upscope $end
$upscope $end
$upscope $end
$upscope $end
$enddefinitions $end
#0
$dumpvars
1!
bx (
bx )
bx *
bx +
bx -
b0 .
r1.5 r
$end
#10
b0 (
b100 )
b001 *
b11 -
0! b000000011111111000000011 +
#11
b101 *
#20
b101 )
$comment nothing of #1 counts here $end
b10 *
b111111110000001000000000 +
#30
b110 )
b0 *
#40
b111 )
b111 *
#50
bx )
#60
b1 (
bz *
b100 )
b0 -
b1 .
#70
"""


def dumped(net: Network, text: str, folder: Path, **more: Any) -> Trace:
    """What a dump of this text is read as."""
    (folder / "t.vcd").write_text(text)
    return waveform_reader.read(net, folder / "t.vcd", **more)


def test_a_dump_of_a_simulator(tmp_path: Path) -> None:
    """Vectors and words of arrays, at any depth, clocks and reals beside them: what stands when the step ends counts,
    the last of several values; what is x was not observed.
    """
    found = dumped(tiny(), DUMP, tmp_path)
    assert found.image_count == 2 and list(found.selection.neurons) == ["hid"]
    assert found["hid", "spikes"].tolist() == [[4, 2, 4], [0, 0, 0]]
    assert found.seen["hid", "spikes"].tolist() == [[7, 7, 7], [0, 0, 0]]
    assert found["hid", "membranes"][0].tolist() == [[3, -2, 1], [0, 2, -1], [0, 2, -1]]
    assert found["hid", "opening"].tolist() == [[3, 0, 0], [0, 0, 1]]
    assert found.seen["hid", "opening"].tolist() == [[-1, 0, -1], [-1, 0, -1]]


def test_what_is_x_in_part_is_wrong(tmp_path: Path) -> None:
    """A bit that is x where others of its population are known is one that the chip does not know (TRACE-6); where all
    are x nothing was observed.
    """
    found = dumped(tiny(), DUMP.replace("b10 *", "b1x *", 1), tmp_path)
    assert found.unknown["hid", "spikes"].tolist() == [[2, 0, 0], [0, 0, 0]]
    assert found.seen["hid", "spikes"].tolist() == [[7, 7, 7], [0, 0, 0]]
    assert not dumped(tiny(), DUMP.replace("b10 *", "bx *", 1), tmp_path).unknown


def test_an_image_that_no_signal_names(tmp_path: Path) -> None:
    """Without image all is image 0; bit 0 first where the range rises; a bit may be a signal of its own."""
    text = re.sub(r"\$var wire 32 \( .*\n", "", DUMP).partition("#50")[0].replace("spikes [2:0]", "spikes [0:2]")
    found = dumped(tiny(), text, tmp_path)
    assert found.image_count == 1 and found["hid", "spikes"].tolist() == [[4, 2, 4]]
    bits = text.replace("$var wire 3 * spikes [0:2] $end", "$var wire 1 * spikes [1] $end")
    bits = re.sub(r"b\w+ \*", "1*", bits)
    found = dumped(tiny(), bits, tmp_path)
    assert found["hid", "spikes"].tolist() == [[0, 7, 0]] == found.seen["hid", "spikes"].tolist()


CHANGES: dict[str, tuple[str, str, str, str]] = {
    "no dump": (DUMP, "one two", "VCD-2", "line 1: declares nothing: one"),
    "no end": (DUMP, "$date today", "VCD-2", "the dump ends here"),
    "nothing": (DUMP, "", "VCD-2", "$enddefinitions is missing"),
    "no scope": ("$scope begin fsref $end", "$scope begin fsreg $end", "VCD-2", "does not say which step it is"),
    "no step": ("step [3:0]", "steps [3:0]", "VCD-2", "does not say which step it is"),
    "no population": ("begin hid $", "begin hit $", "VCD-2", "is not of this network (did you mean hid?)"),
    "no codes": ("begin hid $", "begin out $", "VCD-2", "out has none"),
    "neuron": ("\\opening[2]", "\\opening[3]", "VCD-2", "opening[3]: there is no such neuron: 3 (hid has 0..2)"),
    "width": ("24 + membranes [23:0]", "25 + membranes [24:0]", "TRACE-2", "another width: 25 bits"),
    "spikes": ("wire 3 *", "wire 6 *", "TRACE-2", "another width: 6 bits (wanted 3 bits)"),
    "too long": ("b101 *", "b1101 *", "VCD-2", "has more bits than declared: 4"),
    "twice": ("\\opening[2]", "\\opening[0]", "VCD-2", "there are two of it"),
    "two steps": ("$var string 1 s note", "$var wire 1 s step [0:0]", "VCD-2", "fsref.step: there are two of it"),
    "upscope": ("$scope module bench $end", "$upscope $end", "VCD-2", "leaves no scope"),
    "var": ("$var reg 1 ! clk $end", "$var reg ! clk $end", "VCD-2", "is no signal"),
    "scope": ("$scope begin hid $end", "$scope hid $end", "VCD-2", "is no scope"),
    "change": ("1!", "u!", "VCD-2", "is no change of a value: u!"),
    "value": ("b101 *", "b1u1 *", "VCD-2", "is no value: b1u1"),
    "time": ("#30", "#3", "VCD-2", "is no time from now on: #3 (wanted #20 or later)"),
    "again": ("b111 )", "b100 )", "VCD-2", "#40: image 0 step 4 comes twice (#10 is that step too"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_refused(change: str, tmp_path: Path) -> None:
    """A dump that is none, or not of this network, is refused by line or signal."""
    before, after, rule, words = CHANGES[change]
    assert before in DUMP
    text = DUMP.replace(before, after, 1)
    with refused(FileError, rule, says=words):
        dumped(tiny(), text, tmp_path)


def test_no_more_memory_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image far away takes no memory, many steps no more than is allowed; one beyond all numbers is none."""
    with refused(LimitError, "RUN-3", says="needs more memory than allowed"):
        dumped(tiny(), DUMP.replace("b0 (", f"b1{'0' * 31} ("), tmp_path)
    with refused(LimitError, "RUN-3", says="needs more memory than allowed"):
        dumped(tiny(), DUMP, tmp_path, memory_limit=1000)
    with refused(FileError, "VCD-2", says="image is too large"):
        dumped(tiny(), DUMP.replace("b0 (", f"b1{'0' * 90_000} ("), tmp_path)
    many = "$var wire 3 * spikes [2:0] $end\n"
    with refused(FileError, "VCD-2", says="is one signal too many"):
        dumped(tiny(), DUMP.replace(many, many * 100), tmp_path)
    monkeypatch.setattr(vcd, "MAX_LINE", 31)
    with refused(FileError, "VCD-2", says="line 8: is too long"):
        dumped(tiny(), DUMP, tmp_path)
    monkeypatch.setattr(vcd, "MAX_LINE", 400)
    monkeypatch.setattr(vcd, "MAX_TEXT", 200)
    with refused(FileError, "VCD-2", says="has no $end soon"):
        dumped(tiny(), DUMP, tmp_path)


def test_what_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of no recording, one that shows nothing or is of another network, or without pyvcd, nothing is written."""
    net = tiny()

    def save(trace: Trace | None) -> None:
        fsref.export(net, tmp_path / "a.vcd", "vcd", trace=trace)

    with refused(UsageError, "VCD-1", says="needs a recording"):
        save(None)
    with refused(UsageError, "VCD-1", says="holds nothing that a dump shows"):
        save(recorded(net, draw(net, 2), Record(observables=("sums",))))
    with refused(UsageError, "VCD-1", says="holds nothing that a dump shows"):
        save(recorded(net, draw(net, 2), Record(["hid"], ("spikes",), steps=[0])))
    with refused(UsageError, "VCD-1", says="is of another network"):
        save(recorded(residual(), draw(residual(), 1)))
    monkeypatch.setitem(sys.modules, "vcd", None)
    with refused(UsageError, "VCD-1", says='needs the package pyvcd (pip install "fsref[vcd]")'):
        save(recorded(net, draw(net, 2), SHOWN))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("pyvcd")
def test_too_long_a_dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dump that no memory should hold is given up, and nothing is written."""
    monkeypatch.setattr(waveforms, "MAX_TEXT", 1000)
    with refused(LimitError, "VCD-1", "trace", "3 images", says="is too long for one dump"):
        waveforms.save(tiny(), tmp_path / "a.vcd", recorded(tiny(), draw(tiny(), 3)))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("pyvcd")
def test_what_a_dump_of_ours_tells(tmp_path: Path) -> None:
    """Its first comment names network and layout: another network, or no layout, is refused; a layout that is given
    goes before.
    """
    net = tiny()
    fsref.export(net, tmp_path / "a.vcd", "vcd", trace=recorded(net, draw(net, 2), SHOWN), layout={"neurons": "hwc"})
    text = (tmp_path / "a.vcd").read_text()
    assert text.splitlines()[0].endswith(f'network {net.id} layout {{"neurons": "hwc"}} $end')
    with refused(FileError, "VCD-2", says="is of another network"):
        dumped(net, text.replace(net.id, "00"), tmp_path)
    with refused(FileError, "VCD-2", says="layout is no JSON object"):
        dumped(net, text.replace('"hwc"', "hwc"), tmp_path)
    with refused(FileError, "LAYOUT-1", says="layout neurons: unknown"):
        dumped(net, text.replace('"hwc"', '"cwh"'), tmp_path)
    turned = dumped(net, text, tmp_path, layout={"neurons": {"hid": [2, 1, 0]}})
    assert turned["hid", "codes"].tolist() == dumped(net, text, tmp_path)["hid", "codes"][:, ::-1].tolist()


def accidents(texts: Sequence[bytes], folder: Path, count: int) -> tuple[int, set[str]]:
    """How many dumps with an accident were read, and what was said of the others."""
    net, rng, read, told = tiny(), np.random.default_rng(5), 0, set()
    for _ in range(count):
        (folder / "m.vcd").write_bytes(mutated(texts[int(rng.integers(len(texts)))], rng))
        try:
            found = waveform_reader.read(net, folder / "m.vcd", memory_limit=2**24)
            read += all(len(array) == found.image_count for array in found.arrays.values())
        except FsrefError as error:
            check_line(error)
            told.add(error.problem)
    return read, told


def test_mutated_dumps(tmp_path: Path) -> None:
    """A dump with an accident is read, or refused in one line."""
    count, texts = 5000 if LONG else 200, [DUMP.encode()]
    with suppress(UsageError):  # without pyvcd there is no dump of ours
        net = tiny()
        waveforms.save(net, tmp_path / "a.vcd", recorded(net, draw(net, 3), SHOWN))
        texts.append((tmp_path / "a.vcd").read_bytes())
    read, told = accidents(texts, tmp_path, count)
    assert read > count // 20 and len(told) > 8


@pytest.mark.usefixtures("pyvcd")
@settings(drawn, max_examples=1000 if LONG else 10)
@given(testing.cases(max_images=2), st.data())
def test_drawn_networks_come_back(monkeypatch: pytest.MonkeyPatch, case: testing.Case, data: st.DataObject) -> None:
    """What a dump shows of some neurons and steps, in a drawn layout, comes back, and written again is the same
    bytes.
    """
    monkeypatch.setattr(os, "fsync", lambda _: None)
    net, told = case.net, data.draw(layouts(case.net))
    some = {p.name: data.draw(st.sets(st.integers(0, p.neurons - 1), min_size=1)) for p in net.populations}
    steps = data.draw(st.one_of(st.none(), st.sets(st.integers(0, net.schedule.steps - 1), min_size=1)))
    asked = Record(data.draw(st.sampled_from([None, some])), SHOWN.observables, steps)
    trace = recorded(net, case.images, asked)
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("a.vcd", "b.vcd")]
        waveforms.save(net, paths[0], trace, told)
        found = read_trace(paths[0], net=net)
        waveforms.save(net, paths[1], found, told)
        texts = [path.read_bytes() for path in paths]
    for key, array in found.arrays.items():
        assert array.dtype == trace[key].dtype and array.tolist() == trace[key].tolist()
    assert not found.seen and found.events().tolist() == trace.events().tolist()
    assert texts[0] == texts[1]
    assert set(found.arrays) == {
        (of, what) for of, what in trace.arrays if what in ("opening", "codes") or trace.selection.window[of].size
    }


BENCH = """`include "fsref_network.svh"
module bench;
  import fsref_network::*;
  reg clk = 0;
  reg [31:0] image, step;
  reg [HID_NEURONS-1:0] z [0:IMAGES*HID_K-1];
  reg signed [HID_MEMBRANES_BITS-1:0] v [0:HID_MEMBRANES_WORDS-1];
  integer i, t, at;
  generate if (1) begin : fsref
    wire [31:0] image = bench.image, step = bench.step;
    if (1) begin : hid
      wire [HID_NEURONS-1:0] spikes = z[at];
      wire signed [2:0][HID_MEMBRANES_BITS-1:0] membranes = {v[3*at+2], v[3*at+1], v[3*at]};
    end
  end endgenerate
  always #1 clk = !clk;
  initial begin
    $readmemh(HID_SPIKES_FILE, z);
    $readmemh(HID_MEMBRANES_FILE, v);
    $dumpfile("chip.vcd");
    $dumpvars(0, bench);
    #3;
    for (i = 0; i < IMAGES; i = i + 1)
      for (t = 0; t < HID_K; t = t + 1) begin
        @(posedge clk) image <= i; step <= HID_START + t; at <= i * HID_K + t;
      end
    @(posedge clk) $finish;
  end
endmodule
"""


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")
def test_iverilog_writes_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test bench shows in a scope fsref comes back from the dump that iverilog writes."""
    net = tiny()
    trace = recorded(net, draw(net, 3))
    monkeypatch.chdir(tmp_path)
    fsref.export(net, "m", "readmemh", trace=trace, layout={"spikes": "steps"})
    Path("bench.sv").write_text(BENCH)
    build = ["iverilog", "-g2012", "-I", "m", '-DFSREF_DIR="m"', "-o", "bench", "bench.sv"]
    for command in (build, ["vvp", "bench"]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    found = read_trace("chip.vcd", net=net)
    assert list(found.arrays) == [("hid", "spikes"), ("hid", "membranes")] and not found.seen
    for key, array in found.arrays.items():
        assert array.tolist() == trace[key].tolist()
