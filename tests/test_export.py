"""fsref.export: one table of formats, of which each is a module; what it does not know is refused in one line."""

from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fsref
import naive_memories as naive
from fsref.cli import export as cli_export
from fsref.cli.main import main
from fsref.errors import FileError, LimitError, UsageError
from fsref.formats import files, onnx
from fsref.simulation import export as formats
from fsref.simulation import memory_folder
from fsref.simulation.export import FORMATS
from handmade import chain, draw, recorded, residual, saved, tiny
from refusals import refused


def test_a_format_writes_what_its_module_writes(tmp_path: Path) -> None:
    """A network goes to the module of the format with its options, given itself, as a path or by bundled name."""
    pytest.importorskip("onnx", reason="the package onnx is not installed")
    net = fsref.load("digits")
    net.save(tmp_path / "net.npz")
    codes = [net.fs[0].name]
    onnx.save(net, tmp_path / "wanted", codes=codes)
    for given in (net, tmp_path / "net.npz", str(tmp_path / "net.npz"), "digits"):
        fsref.export(given, tmp_path / "found", format="onnx", codes=codes)
        assert (tmp_path / "found").read_bytes() == (tmp_path / "wanted").read_bytes()


def test_a_new_format_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever has a `save` is a format; its keywords are the options that are known."""

    def save(net: fsref.Network, path: Path, lines: int = 1) -> None:
        path.write_text(f"{net.name}\n" * lines)

    monkeypatch.setattr(formats, "FORMATS", {**formats.FORMATS, "name": SimpleNamespace(save=save)})
    fsref.export("digits", tmp_path / "names", "name", lines=2)
    assert (tmp_path / "names").read_text() == "digits\ndigits\n"
    with pytest.raises(UsageError, match=r"unknown option of name: line \(did you mean lines\?\)"):
        fsref.export("digits", tmp_path / "none", "name", line=2)


@pytest.mark.parametrize(
    ("given", "value", "says"),
    [
        ({"format": "onx"}, "onx", "export: unknown format: onx (did you mean onnx?) [FILE-5]"),
        ({"format": None}, None, "export: unknown format (onnx, readmemh, coe, mif, aer, vcd, nir) [FILE-5]"),
        (
            {"format": "onnx", "code": []},
            "code",
            "export: unknown option of onnx: code (did you mean codes?) [FILE-5]",
        ),
    ],
)
def test_what_is_not_known_is_refused(given: dict[str, Any], value: Any, says: str, tmp_path: Path) -> None:
    """An unknown format or option is one line with the nearest name, and nothing is written."""
    with pytest.raises(UsageError) as caught:
        fsref.export("digits", tmp_path / "none", **given)
    assert str(caught.value) == says and caught.value.value == value
    assert not list(tmp_path.iterdir())


def test_what_is_no_network(tmp_path: Path) -> None:
    """Only networks are exported: a graph has no integers yet."""
    with pytest.raises(UsageError, match="not a network: int"):
        fsref.export(3, tmp_path / "none", "onnx")  # type: ignore[arg-type]


def test_a_folder_of_memories(tmp_path: Path) -> None:
    """A folder holds what LAYOUT-5 says; manifest and headers say of each memory what its file shows."""
    net = residual()
    trace = recorded(net, draw(net, 3))
    fsref.export(net, tmp_path / "m", "readmemh", trace=trace, layout={"neurons": "hwc"})
    told = json.loads((tmp_path / "m" / "manifest.json").read_text(encoding="ascii"))
    layout = {**naive.PLAIN, "neurons": "hwc"}
    wanted = dict([*naive.parameters(net, layout), *naive.observables(net, trace, layout)])
    names = {path.name for path in (tmp_path / "m").iterdir()}
    assert names == {"manifest.json", "fsref_network.svh", "fsref_network.h", *(f"{file}.mem" for file in wanted)}
    assert {entry["file"] for entry in told["memories"]} == {f"{file}.mem" for file in wanted}
    for entry in told["memories"]:
        lines = (tmp_path / "m" / entry["file"]).read_text(encoding="ascii").splitlines()
        assert lines[0].startswith(f"// {entry['of']} {entry['what']}: words {entry['words']}, bits ")
        assert lines[1:] == naive.text(wanted[entry["file"].removesuffix(".mem")])
        assert len(lines[1:]) == entry["words"] == int(np.prod(entry["shape"])) and len(entry["axes"]) == len(
            entry["shape"]
        )
        assert {len(line) for line in lines[1:]} == {-(-entry["bits"] // 4)}
    head = {key: told[key] for key in ("format", "network", "id", "image_count", "layout", "spec_version")}
    assert head == {
        "format": "readmemh",
        "network": net.name,
        "id": net.id,
        "image_count": 3,
        "layout": layout,
        "spec_version": fsref.SPEC_VERSION,
    }
    c = {"STEM_C": 4, "STEM_H": 7, "STEM_W": 6, "STEM_K": 4, "STEM_START": 5, "POOL_SOURCE": 1, "OUT_START": 20}
    c |= {"IMAGES": 3, "IN_MAX_CODE": 30, "MID_TO_SUM_1_KH": 3, "IN_TO_OUT_KIND": "dense", "SUM_TO_OUT_POOLED": 1}
    c |= {"SUM_T_ROW": net["sum"].table.T.tolist()}  # type: ignore[union-attr]
    c |= {f"{name.upper()}_D_ROW": net.code_weights[name][0].tolist() for name in ("in", "stem", "pool", "sum")}
    c |= {"STEM_CODES_FILE": "population.1.codes.mem"}
    c |= {"STEM_BIAS_WORDS": 168, "STEM_CODES_SIGNED": 0, "OUT_OPENING_SIGNED": 1, "STEM_CODES_BITS": 4}
    assert {key: told["constants"].get(key) for key in c} == c


def test_headers_say_what_the_manifest_says(tmp_path: Path) -> None:
    """Both headers give every constant of the manifest; names that would be one are told apart."""
    one = (1, 1, 1)
    parts = [fsref.FS(name, one, fsref.fs_relu(2), [5]) for name in ("a.b", "a-b", "7", "A_B_K")]
    net = chain(*parts)
    fsref.export(net, tmp_path / "m", "mif")
    told = json.loads((tmp_path / "m" / "manifest.json").read_text(encoding="ascii"))["constants"]
    names = {f"{stem}_INDEX" for stem in ("IN_0", "A_B_1", "A_B_3", "P_7_5", "A_B_K_7", "OUT_9")}
    assert names <= set(told) and told["IMAGES"] == 0 and told["A_B_3_BIAS_FILE"] == "population.2.bias.mif"
    sv = (tmp_path / "m" / "fsref_network.svh").read_text(encoding="ascii")
    c = (tmp_path / "m" / "fsref_network.h").read_text(encoding="ascii")
    for name, value in told.items():
        if isinstance(value, list):
            entries = re.search(rf"localparam signed \[{64 * len(value) - 1}:0\] {name} = {{(.*)}};\n", sv)
            assert entries is not None
            found = [int(entry.partition("h")[2], 16) for entry in entries[1].split(", ")]
            assert found == [v % 2**64 for v in reversed(value)]
            assert f"#define FSREF_{name} {{{', '.join(f'{v}LL' for v in value)}}}\n" in c
        else:
            quoted = f'"{value}"' if isinstance(value, str) else value
            shown = f'{{`FSREF_DIR, "/{value}"}}' if name.endswith("_FILE") else quoted
            assert f"localparam {'int ' if isinstance(value, int) else ''}{name} = {shown};\n" in sv
            assert f"#define FSREF_{name} {quoted}\n" in c
    assert len(re.findall("localparam", sv)) == len(told) == len(re.findall("#define FSREF_", c)) - 1


def test_a_row_of_d_for_all_that_spikes(tmp_path: Path) -> None:
    """Who decodes spikes has d of the input, of FS neurons and of max-pools as a row where all channels have the same
    one; where they differ there is none.
    """
    shape, doubled = (2, 1, 1), np.array([[4, 2, 1], [8, 4, 2]])
    for table in (fsref.fs_relu(3), fsref.Table(doubled, doubled, doubled)):
        pool = fsref.MaxPool("pool", shape, "hid", (1, 1), (1, 1))
        net = chain(fsref.FS("hid", shape, table, [5, 5]), pool)
        fsref.export(net, tmp_path / "m", "coe", replace=True)
        told = json.loads((tmp_path / "m" / "manifest.json").read_text(encoding="ascii"))["constants"]
        rows = {name: value for name, value in told.items() if name.endswith("_D_ROW")}
        same = {"HID_D_ROW": [4, 2, 1], "POOL_D_ROW": [4, 2, 1]} if table.channels is None else {}
        assert rows == {"IN_D_ROW": [8, 4, 2, 1], **same}


def test_no_macro_is_defined_twice(tmp_path: Path) -> None:
    """A constant has no name of the header's own, such as that of the height of a population `network`."""
    fsref.export(chain(fsref.FS("network", (1, 1, 1), fsref.fs_relu(2), [5])), tmp_path / "m", "coe")
    macros = re.findall(r"#define (\w+)", (tmp_path / "m" / "fsref_network.h").read_text(encoding="ascii"))
    assert len(macros) == len(set(macros)) and "FSREF_NETWORK_1_H" in macros


BENCH = """
`include "fsref_network.svh"
module bench;
  import fsref_network::*;
  reg signed [IN_TO_STEM_WEIGHTS_BITS-1:0] w [0:IN_TO_STEM_WEIGHTS_WORDS-1];
  reg [IN_CODES_BITS-1:0] x [0:IN_CODES_WORDS-1];
  reg signed [OUT_OPENING_BITS-1:0] y [0:OUT_OPENING_WORDS-1];
  integer i;
  initial begin
    $readmemh(IN_TO_STEM_WEIGHTS_FILE, w);
    $readmemh(IN_CODES_FILE, x);
    $readmemh(OUT_OPENING_FILE, y);
    for (i = 0; i < IN_TO_STEM_WEIGHTS_WORDS; i = i + 1) $display("%0d", w[i]);
    for (i = 0; i < SUM_K; i = i + 1) $display("%0d", $signed(SUM_T_ROW[64*i +: 64]));
    for (i = 0; i < OUT_OPENING_WORDS; i = i + 1) $display("%0d", y[i]);
    $writememh("population.0.codes.mem", x);
    $writememh("population.5.opening.mem", y);
  end
endmodule
"""


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")
def test_a_simulator_reads_a_folder(tmp_path: Path) -> None:
    """A test bench that types no number and no name of a file reads the memories; what it writes is read back."""
    net = residual()
    trace = recorded(net, draw(net, 2))
    fsref.export(net, tmp_path / "m", "readmemh", trace=trace)
    (tmp_path / "bench.sv").write_text(BENCH)
    build = ["iverilog", "-g2012", "-Wall", "-I", "m", '-DFSREF_DIR="m"', "-o", "bench", "bench.sv"]
    done = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(["vvp", "-n", "bench"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    wanted = [net.projections[0].weights, net["sum"].table.T, trace["out", "opening"]]  # type: ignore[union-attr]
    assert done.stdout.split() == [str(v) for part in wanted for v in part.reshape(-1).tolist()]
    found = FORMATS["readmemh"].read(net, tmp_path)  # type: ignore[attr-defined]
    kept = fsref.run(net, draw(net, 2), record=fsref.Record(["in", "out"], ["opening", "codes"])).trace
    assert kept is not None and fsref.diff(found, kept) is None and list(found.arrays) == list(kept.arrays)


def test_what_is_there_stays_unless_asked(tmp_path: Path) -> None:
    """A folder of memories is replaced by one of whichever format when that is asked, and nothing else is; what fails
    leaves nothing.
    """
    fsref.export(tiny(), tmp_path / "m", "coe")
    with refused(UsageError, "RUN-5", says="is there already (another name, or replace=True, which replaces it)"):
        fsref.export(tiny(), tmp_path / "m", "readmemh")
    fsref.export(tiny(), tmp_path / "m", "readmemh", replace=True)
    assert not list((tmp_path / "m").glob("*.coe"))
    (tmp_path / "m" / "notes.txt").write_text("mine")
    with refused(UsageError, "RUN-5", says="holds something else (replace=True replaces folders of memories alone"):
        fsref.export(tiny(), tmp_path / "m", "readmemh", replace=True)
    with refused(UsageError, "LAYOUT-1", "in->hid weights"):
        fsref.export(tiny(), tmp_path / "n", "mif", layout={"word": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("form", ["onnx", "aer", "vcd", "nir"])
def test_a_file_is_replaced_in_python(form: str, tmp_path: Path) -> None:
    """As np.save replaces one, and nothing is left beside it; where that is not wanted, what is there stays (RUN-5)."""
    pytest.importorskip({"aer": "numpy"}.get(form, form))
    options = {"trace": recorded(tiny(), draw(tiny(), 1))} if form in ("aer", "vcd") else {}
    (tmp_path / "a").write_text("old")
    fsref.export(tiny(), tmp_path / "a", form, **options)
    new = (tmp_path / "a").read_bytes()
    assert new != b"old" and [path.name for path in tmp_path.iterdir()] == ["a"]
    (tmp_path / "a").write_text("old")
    with refused(FileError, "RUN-5", str(tmp_path / "a"), says="what was made is whole"):
        fsref.export(tiny(), tmp_path / "a", form, replace=False, **options)
    assert (tmp_path / "a").read_text() == "old" and (tmp_path / "a.1").read_bytes() == new


def test_a_full_disk_or_too_long_a_memory_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, and no part of a folder."""
    trace = recorded(tiny(), draw(tiny(), 2))
    monkeypatch.setattr(memory_folder, "MAX_BYTES", 11)
    limit = "at most 11 bytes, 268435456 of text: fewer images, populations or observables"
    with refused(LimitError, "LAYOUT-5", "in->hid weights", "12 words of 3 bits", says=limit):
        fsref.export(tiny(), tmp_path / "m", "coe", trace=trace)
    monkeypatch.undo()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "reserve", full)
    with refused(FileError, "LAYOUT-5", str(tmp_path / "m"), says="cannot be written: No space left on device"):
        fsref.export(tiny(), tmp_path / "m", "readmemh", trace=trace)
    assert not list(tmp_path.iterdir())


def test_only_a_recording_of_the_network_is_written(tmp_path: Path) -> None:
    """A recording of another network, or one that does not fit its selection, is refused."""
    trace = recorded(residual(), draw(residual(), 1))
    with refused(UsageError, "LAYOUT-5", "trace", says="is of another network"):
        fsref.export(tiny(), tmp_path / "m", "readmemh", trace=trace)
    assert not list(tmp_path.iterdir())


def test_the_command_line_writes_what_python_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fsref export` with images, populations, observables and a layout gives the bytes of `fsref.export` with the
    recording of that run.
    """
    net_file, images = saved(tmp_path), draw(tiny(), 4)[[1, 3]]
    trace = recorded(tiny(), images, fsref.Record(["in", "hid"], ["codes", "membranes"]))
    layout = {"word": 12, "bytes": "low", "shift": 1}
    fsref.export(tiny(), tmp_path / "python", "mif", trace=trace, layout=layout)
    words = f"export {net_file} --format mif --data {tmp_path / 'x.npz'} --images 1,3 --record in --record hid "
    words += f"--observable codes --observable membranes --layout word=12,bytes=low,shift=1 --out {tmp_path / 'cli'}"
    assert main(words.split()) == 0
    assert capsys.readouterr().out.endswith(", a run of 2 images\n")
    both = [{p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("python", "cli")]
    assert both[0] == both[1] and "population.1.membranes.mif" in both[0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--format vcd", 'export: needs the package pyvcd (pip install "fsref[vcd]") [VCD-1]'),
        ("--format aer --layout neurons=whc", "layout neurons: unknown: whc"),
        ("--format aer --fields step:8,neuron:8", "fields: do not say what an event is"),
        ("--format aer --layout ORDER", "layout neurons of in: not a permutation"),
    ],
)
def test_nothing_runs_for_what_cannot_be_written(
    words: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing package, a layout or fields that do not fit are told before the network runs."""
    (tmp_path / "order.json").write_text('{"neurons": {"in": [0]}}')
    monkeypatch.setitem(sys.modules, "vcd", None)
    monkeypatch.setattr(cli_export, "run", lambda *args, **more: pytest.fail("runs"))
    net_file = saved(tmp_path)
    words = f"export {net_file} --data {tmp_path / 'x.npz'} --out {tmp_path / 'out'} {words}"
    assert main(words.replace("ORDER", str(tmp_path / "order.json")).split()) == 2
    assert says in capsys.readouterr().err and not (tmp_path / "out").exists()
