"""Recordings as memories and back: trains, steps, shifts, parts, what is refused (LAYOUT-4, LAYOUT-5)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive_memories as naive
from fsref import FS, Dense, Network, Record, Trace, Width, diff, fs_relu, testing
from fsref.errors import FileError, FsrefError, LimitError, UsageError
from fsref.formats import hexadecimal, layout
from fsref.formats.memories import parameters
from fsref.law.populations import OBSERVABLES
from fsref.simulation import dumps
from fsref.simulation.memory_folder import FOLDERS
from handmade import EVERYTHING, NETS, chain, draw, recorded, residual, tiny
from naive_memories import PLAIN
from refusals import check_line, refused
from repeatable import LONG, drawn
from test_reader import mutated

MIX = {"spikes": "steps", "word": 41, "bits": "low", "bytes": "low", "neurons": "hwc", "shift": 3}
LAYOUTS: dict[str, dict[str, Any]] = {
    "none": {},
    "steps": {"spikes": "steps"},
    "steps in words": {"spikes": "steps", "word": 25, "neurons": "hwc"},
    "steps turned": {"spikes": "steps", "bits": "low", "bytes": "low"},
    "shift": {"shift": 4},
    "more shift than bits": {"shift": 60},
    "all": MIX,
}
RECORDS: dict[str, Record] = {
    "all": EVERYTHING,
    "some": Record(None, OBSERVABLES, steps=[2, 5, 6, 11]),
}


@pytest.mark.parametrize(
    ("name", "chosen", "record"),
    [*(("residual", chosen, "some") for chosen in LAYOUTS), *((n, c, "all") for n in NETS for c in ("none", "all"))],
)
def test_steps_and_shifts_from_the_page_alone(name: str, chosen: str, record: str) -> None:
    """Every observable lies where the page says, of whole recordings and of some steps."""
    net, told = NETS[name](), LAYOUTS[chosen]
    steps = RECORDS[record].steps
    asked = Record(None, OBSERVABLES, None if steps is None else [t for t in steps if t < net.schedule.steps])
    trace = recorded(net, draw(net, 3), asked)
    found = {
        m.file: hexadecimal.lines(m.words).decode().split() for m in dumps.memories(trace, layout.given(told, net))
    }
    wanted = {file: naive.text(w) for file, w in naive.observables(net, trace, {**PLAIN, **told}) if w}
    assert found == wanted


def test_neurons_left_out_close_up() -> None:
    """Of some neurons the addresses are those of the layout, the others left out; with steps bit j is the j-th."""
    net = residual()
    trace = recorded(net, draw(net, 2), Record({"stem": [3, 44, 45, 130], "mid": [0, 40]}, OBSERVABLES))
    for told in ({"neurons": "hwc"}, {"spikes": "steps", "neurons": {"stem": list(range(167, -1, -1))}}):
        made = dumps.memories(trace, layout.given(told, net))
        found = {m.file: hexadecimal.lines(m.words).decode().split() for m in made}
        assert found == {file: naive.text(w) for file, w in naive.observables(net, trace, {**PLAIN, **told})}


def test_sums_beyond_a_declared_width() -> None:
    """An accumulator that wraps may be narrower than what one projection delivers: sums keep all their bits."""
    net = chain(FS("n", (1, 1, 1), fs_relu(4), [-1000], Width(11, "final")), Dense("in", "n", [[100]]))
    trace = recorded(net, np.array([15]).reshape(1, 1, 1, 1))
    found = {m.what: m.words for m in dumps.memories(trace, layout.Layout()) if m.of in ("n", "in->n")}
    assert (found["opening"].bits, found["sums"].bits) == (11, 12)
    assert hexadecimal.lines(found["sums"]) == b"5dc\n" and int("5dc", 16) == 1500


def back(net: Network, trace: Trace, folder: Path, form: str, told: Any) -> Trace:
    """A recording after a way through a folder, which written again has the same bytes."""
    FOLDERS[form].save(net, folder / "a", trace, told)
    found = FOLDERS[form].read(net, folder / "a")
    if not told.get("shift"):
        FOLDERS[form].save(net, folder / "b", found, told)
        files = [{path.name: path.read_bytes() for path in (folder / name).iterdir()} for name in "ab"]
        assert files[0] == files[1]
    return found


@pytest.mark.parametrize(
    ("form", "chosen"), [*(("readmemh", chosen) for chosen in LAYOUTS), ("coe", "all"), ("mif", "all")]
)
def test_a_folder_is_read_back(form: str, chosen: str, tmp_path: Path) -> None:
    """Every array, the selection, events; of shifted membranes the bits that were stored."""
    net = residual()
    trace = recorded(net, draw(net, 2), Record({"in": None, "mid": [3, 1, 40], "out": None}, OBSERVABLES, [0, 9, 10]))
    found = back(net, trace, tmp_path, form, LAYOUTS[chosen])
    assert found.image_count == 2 and found.net is net and not found.selection.complete
    assert found.selection.neurons["mid"].tolist() == [1, 3, 40]
    shift = LAYOUTS[chosen].get("shift", 0)
    for key, array in found.arrays.items():
        low = shift if key[1] in ("opening", "membranes") else 0
        wanted = trace[key] >> low << low
        assert (key in found.seen) is bool(low) and (not low or found.seen[key].tolist() == -1 << low)
        assert array.dtype == wanted.dtype and array.tolist() == wanted.tolist()
    there = [
        k for k, a in trace.arrays.items() if k[1] not in ("spikes", "membranes") or trace.selection.window[k[0]].size
    ]
    assert set(found.arrays) >= set(there) and found.events().tolist() == trace.events().tolist()
    if not shift:
        assert diff(found, trace) is None or set(found.arrays) != set(trace.arrays)


def test_without_a_manifest(tmp_path: Path) -> None:
    """What a chip dumped beside no manifest is of all neurons and steps, in the layout that is given; what it did not
    dump was not observed; one file does, too.
    """
    net = residual()
    trace = recorded(net, draw(net, 3))
    FOLDERS["coe"].save(net, tmp_path / "f", trace, {"neurons": "hwc"})
    (tmp_path / "f" / "manifest.json").unlink()
    for path in (tmp_path / "f").glob("*.membranes.coe"):
        path.unlink()
    (tmp_path / "f" / "notes.txt").write_text("not a memory")
    found = FOLDERS["coe"].read(net, tmp_path / "f", {"neurons": "hwc"})
    assert {what for _, what in found.arrays} == set(OBSERVABLES) - {"membranes"} and found.selection.complete
    assert all(found[key].tolist() == trace[key].tolist() for key in found.arrays)
    one = FOLDERS["coe"].read(net, tmp_path / "f" / "population.3.codes.coe", {"neurons": "hwc"})
    assert list(one.arrays) == [("mid", "codes")] and one["mid", "codes"].tolist() == trace["mid", "codes"].tolist()
    assert list(one.selection.neurons) == ["mid"]


def changed(**more: Any) -> Callable[[Path], object]:
    """A change of the manifest."""

    def change(folder: Path) -> None:
        told = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps({**told, **more}))

    return change


def text(name: str, data: bytes) -> Callable[[Path], object]:
    """Other bytes in a file."""
    return lambda folder: (folder / name).write_bytes(data)


SOME = {"name": "hid", "K": 3, "steps": [4], "neurons": "all"}
BROKEN: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no JSON": (text("manifest.json", b"{"), "LAYOUT-5", "cannot be read"),
    "a list": (text("manifest.json", b"[]"), "LAYOUT-5", "is no manifest: list"),
    "too long": (text("manifest.json", b"[" + b"[]," * 10**6), "LAYOUT-5", "longer than any of this network"),
    "another network": (changed(id="0"), "LAYOUT-5", "has another id: 0"),
    "another format": (changed(format="coe"), "LAYOUT-5", "has another format: coe (wanted readmemh)"),
    "another schema": (changed(schema=2), "LAYOUT-5", "has another schema: 2 (wanted 1)"),
    "no layout": (changed(layout=None), "LAYOUT-1", "not a layout"),
    "a wrong layout": (changed(layout={"word": -1}), "LAYOUT-1", "manifest.json: layout word: not a width in bits"),
    "no populations": (changed(populations=None), "LAYOUT-5", "no such population"),
    "a wrong population": (changed(populations=[{**SOME, "name": ["hid"]}]), "LAYOUT-5", "no such population"),
    "wrong steps": (changed(populations=[{**SOME, "steps": [3]}]), "LAYOUT-5", "steps of hid: are not numbers"),
    "steps twice": (changed(populations=[{**SOME, "steps": [4, 4]}]), "LAYOUT-5", "wanted some of 4..6"),
    "wrong neurons": (changed(populations=[{**SOME, "neurons": [3]}]), "LAYOUT-5", "neurons of hid: are not numbers"),
    "no neurons": (changed(populations=[{**SOME, "neurons": []}]), "LAYOUT-5", "neurons of hid: there are none"),
    "a word short": (
        text("population.1.codes.mem", b"0 0 0 0 0"),
        "TRACE-2",
        "5 words (wanted a multiple of 3; what was",
    ),
    "a word long": (text("population.1.codes.mem", b"0 " * 7), "TRACE-2", "; what was not answered stands as x"),
    "more images": (text("population.1.codes.mem", b"0 " * 9), "TRACE-2", "holds more images: 3 (at most 2, as manif"),
    "no number of images": (changed(image_count=-1), "LAYOUT-5", "image_count is no number of images: -1"),
    "steps short": (text("population.1.membranes.mem", b"0 " * 6), "TRACE-2", "a multiple of 9: 3 steps of 3"),
    "no digit": (text("population.1.codes.mem", b"0 0 0 0 y 0"), "LAYOUT-6", "codes.mem: word 4: is not a hexadec"),
    "x too wide": (text("population.1.codes.mem", b"0 0 0 0 xx 0"), "LAYOUT-6", "word 4: has more bits than a word"),
    "another population": (text("population.9.codes.mem", b"0"), "LAYOUT-5", "no such memory: population.9.codes.mem"),
    "no such observable": (text("population.2.codes.mem", b"0"), "LAYOUT-5", "(out has none)"),
    "sums of a population": (text("population.1.sums.mem", b"0"), "LAYOUT-5", "(hid has none)"),
    "a folder": (lambda folder: (folder / "projection.1.codes.mem").mkdir(), "LAYOUT-5", "has none"),
    "a folder of sums": (
        lambda folder: [(folder / "projection.1.sums.mem").unlink(), (folder / "projection.1.sums.mem").mkdir()],
        "LAYOUT-5",
        "is not a file",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the memories of a small network and two images."""
    path = tmp_path_factory.mktemp("memories") / "m"
    FOLDERS["readmemh"].save(tiny(), path, recorded(tiny(), draw(tiny(), 2)))
    return path


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_is_refused(name: str, folder: Path, tmp_path: Path) -> None:
    """One line that names the file, and what would do."""
    change, rule, says = BROKEN[name]
    shutil.copytree(folder, tmp_path / "m")
    change(tmp_path / "m")
    with refused(FileError, rule, says=(says, str(tmp_path))):
        FOLDERS["readmemh"].read(tiny(), tmp_path / "m")


def test_words_that_no_chip_can_mean(folder: Path, tmp_path: Path) -> None:
    """In words wider than a train, a train of more than K bits; in words of steps, spikes of no neuron."""
    file = tmp_path / "population.1.spikes.mem"
    file.write_text("0 0 0 0 0 8")
    with refused(FileError, "LAYOUT-4", says="word 5: is no train of 3 steps: 8 (wanted 0..7)"):
        FOLDERS["readmemh"].read(tiny(), tmp_path, {"word": 8})
    file.write_text("0 0 0 0 8 0")
    with refused(
        FileError, "LAYOUT-4", says="word 4: has spikes of no neuron (there are 3 neurons: 1 words of 8 bits)"
    ):
        FOLDERS["readmemh"].read(tiny(), tmp_path, {"word": 8, "spikes": "steps"})
    file.write_text("0 0 0 0 7 1")
    assert FOLDERS["readmemh"].read(tiny(), tmp_path)["hid", "spikes"].tolist() == [[0, 0, 0], [0, 7, 1]]
    (tmp_path / "population.2.opening.mem").write_text("7f 80 0 0")
    wide = FOLDERS["readmemh"].read(tiny(), tmp_path, {"word": 8})
    assert wide["out", "opening"].tolist() == [[127, -128], [0, 0]]  # more than is proved: a chip's mistake is read
    for path in (tmp_path / "none", tmp_path / "x" / "population.1.codes.mem", f"{tmp_path}/a\0b"):
        with pytest.raises(FileError) as caught:
            FOLDERS["readmemh"].read(tiny(), path)
        check_line(caught.value)


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("mif", "DEPTH=3000000;WIDTH=8;ADDRESS_RADIX=UNS;DATA_RADIX=HEX;CONTENT BEGIN [0..2999999]:0;END;"),
        ("mem", "0 " * 366),
    ],
)
def test_a_short_text_of_many_words_takes_no_more_memory(suffix: str, text: str, tmp_path: Path) -> None:
    """A range of addresses, and digits of words of 65,536 bits, stand for more than the text is long."""
    (tmp_path / f"population.1.spikes.{suffix}").write_text(text)
    told = {"word": 8} if suffix == "mif" else {"word": 65_536, "spikes": "steps"}
    form = {"mif": "mif", "mem": "readmemh"}[suffix]
    with refused(LimitError, "RUN-3", says="needs more memory than allowed"):
        FOLDERS[form].read(tiny(), tmp_path, told, memory_limit=2**26)
    assert FOLDERS[form].read(tiny(), tmp_path, told)["hid", "spikes"].max() == 0


def test_mutated_folders(folder: Path, tmp_path: Path) -> None:
    """A folder with an accident in one of its files is read, or refused in one line."""
    rng, read, told = np.random.default_rng(3), 0, set()
    shutil.copytree(folder, tmp_path / "m")
    names = sorted(path.name for path in folder.iterdir() if path.suffix == ".mem" and path.stem[-1] == "s")
    for _ in range(200):
        name = "manifest.json" if rng.random() < 0.6 else names[int(rng.integers(len(names)))]
        (tmp_path / "m" / name).write_bytes(mutated((folder / name).read_bytes(), rng))
        try:
            trace = FOLDERS["readmemh"].read(tiny(), tmp_path / "m")
            read += all(len(array) == trace.image_count for array in trace.arrays.values())
        except FsrefError as error:
            check_line(error)
            told.add(error.problem)
        (tmp_path / "m" / name).write_bytes((folder / name).read_bytes())
    assert read > 40 and len(told) > 5


def test_a_step_too_wide_for_a_word() -> None:
    """A step of more neurons than a word may have bits asks for a word."""
    with refused(UsageError, "LAYOUT-4", "n spikes", says="90000 neurons (at most 65536 bits: choose a word)"):
        layout.Layout(spikes="steps").steps_width(90_000, "n spikes")
    assert layout.Layout(spikes="steps", word=64).steps_width(90_000, "n spikes") == 64


@st.composite
def layouts(draw: st.DrawFn, net: Network) -> dict[str, Any]:
    """A layout for a network, of whatever key."""
    orders = {p.name: draw(st.permutations(range(p.neurons))) for p in net.populations if p.neurons < 9}
    return {
        "word": draw(st.sampled_from([None, 64, 64, 72])),
        "bits": draw(st.sampled_from(["high", "low"])),
        "bytes": draw(st.sampled_from(["high", "low"])),
        "neurons": draw(st.sampled_from(["chw", "hwc", orders])),
        "spikes": draw(st.sampled_from(["trains", "steps"])),
    }


@settings(drawn, max_examples=1000 if LONG else 15)
@given(testing.cases(max_images=3), st.data(), st.sampled_from(sorted(FOLDERS)))
def test_drawn_networks_come_back(
    monkeypatch: pytest.MonkeyPatch, case: testing.Case, data: st.DataObject, form: str
) -> None:
    """Every integer of a drawn network and of some of a run of it, in a drawn layout, lies where the page says, comes
    back, and written again is the same bytes.
    """
    monkeypatch.setattr(os, "fsync", lambda _: None)  # thousands of small files
    net, told = case.net, data.draw(layouts(case.net))
    some = {p.name: data.draw(st.sets(st.integers(0, p.neurons - 1), min_size=1)) for p in net.populations}
    steps = data.draw(st.one_of(st.none(), st.sets(st.integers(0, net.schedule.steps - 1), min_size=1)))
    asked = Record(data.draw(st.sampled_from([None, some])), OBSERVABLES, steps)
    trace = recorded(net, case.images, asked)
    with TemporaryDirectory() as folder:
        found = back(net, trace, Path(folder), form, told)
        kept = layout.given(told, net)
        memories = [*parameters(net, kept), *dumps.memories(trace, kept)]
        texts = {m.file: hexadecimal.lines(m.words).decode().split() for m in memories}
    for key, array in found.arrays.items():
        assert array.dtype == trace[key].dtype and np.array_equal(array, trace[key])
    assert found.events().tolist() == trace.events().tolist()
    whole = {**PLAIN, **told}
    wanted = dict([*naive.parameters(net, whole), *naive.observables(net, trace, whole)])
    assert texts == {file: naive.text(found) for file, found in wanted.items() if found}
