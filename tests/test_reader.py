"""Recordings read back: what a run wrote to disk, whole or in parts, and what is refused (RUN-3, OBS-2)."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsref import Record, diff, read_trace, run, run_pipelined
from fsref.errors import FileError, FsrefError, UsageError
from fsref.law.populations import OBSERVABLES
from handmade import draw, residual, tiny
from refusals import check_line

RECORDS: dict[str, dict[str, Any]] = {
    "all": {"observables": OBSERVABLES},
    "spikes of some": {"populations": ["pool", "sum"], "observables": ["spikes"]},
    "some neurons": {"populations": {"mid": [3, 1, 7], "out": None}, "observables": OBSERVABLES},
    "some steps": {"observables": OBSERVABLES, "steps": [2, 9, 10]},
}


@pytest.mark.parametrize("name", RECORDS)
def test_what_was_recorded_is_read_back(tmp_path: Path, name: str) -> None:
    """Every array, the selection, events and digests are those of the trace in memory; nothing differs."""
    net, images = residual(), draw(residual(), 3, 5)
    kept = run(net, images, record=Record(**RECORDS[name])).trace
    run(net, images, record=Record(**RECORDS[name], path=tmp_path / "r"))
    found = read_trace(tmp_path / "r")
    assert found.net.id == net.id and found.image_count == 3 and list(found.arrays) == list(kept.arrays)
    for key, array in kept.arrays.items():
        assert found[key].dtype == array.dtype and found[key].tolist() == array.tolist()
    assert found.selection.same(kept.selection) and found.selection.complete == kept.selection.complete
    assert found.events().tolist() == kept.events().tolist()
    assert {k: v.tolist() for k, v in found.digests().items()} == {k: v.tolist() for k, v in kept.digests().items()}
    assert diff(found, kept) is None and diff(kept, found) is None


def test_parts_of_a_recording(tmp_path: Path) -> None:
    """Named populations and observables alone are read, in the order of the network; the rest is absent."""
    net, images = residual(), draw(residual(), 2, 5)
    run(net, images, record=Record(observables=OBSERVABLES, path=tmp_path / "r"))
    part = read_trace(tmp_path / "r", populations=["sum", "mid"], observables=("codes", "sums"))
    assert list(part.arrays) == [*((q, "sums") for q in net.into("mid")), ("mid", "codes"),
                                 *((q, "sums") for q in net.into("sum")), ("sum", "codes")]  # fmt: skip
    assert list(read_trace(tmp_path / "r", "pool", "spikes").arrays) == [("pool", "spikes")]
    with pytest.raises(UsageError, match=r"^trace: not recorded: mid spikes .*\[OBS-1\]$"):
        part["mid", "spikes"]


def test_a_pipelined_recording_is_read_back(tmp_path: Path) -> None:
    """Whatever ran, a recording is a recording."""
    net, images = residual(), draw(residual(), 2)
    run_pipelined(net, images, record=Record(observables=OBSERVABLES, path=tmp_path / "r"))
    assert diff(read_trace(tmp_path / "r"), "reference", images) is None


def test_a_recording_is_held_against_an_engine(tmp_path: Path) -> None:
    """diff takes an engine, by name or as an object, in the place of a recording, and records the same selection."""
    net, images = residual(), draw(residual(), 3, 5)
    for name, record in RECORDS.items():
        trace = run(net, images, record=Record(**record, path=tmp_path / name)).trace
        found = read_trace(tmp_path / name)
        for engine in ("reference", "quantized"):
            assert diff(found, engine, images) is None
        key = next(iter(trace.arrays))
        array = np.load(next(iter((tmp_path / name).glob(f"*{key[1]}.npy"))))
        assert array.size
    file = tmp_path / "all" / "population.1.codes.npy"
    codes = np.load(file)
    codes[2, 4] += 1
    np.save(file, codes)
    wrong = diff(read_trace(tmp_path / "all"), "events", images)
    assert wrong is not None and (wrong.image, wrong.place, wrong.observable, wrong.neuron) == (2, "stem", "codes", 4)
    with pytest.raises(UsageError, match=r"^diff: an engine needs the images .*\[OBS-2\]$"):
        diff(read_trace(tmp_path / "all"), "events")


def broken(folder: Path, change: Callable[[Path], None]) -> None:
    """A recording in `folder`, then changed."""
    net = tiny()
    run(net, draw(net, 2), record=Record(path=folder))
    change(folder)


def described(**more: Any) -> Callable[[Path], None]:
    """A change of recording.json."""

    def change(folder: Path) -> None:
        told = json.loads((folder / "recording.json").read_text())
        (folder / "recording.json").write_text(json.dumps({**told, **more}))

    return change


def piped(file: Path) -> None:
    """A named pipe in the place of a file: who opens it waits for ever."""
    file.unlink()
    os.mkfifo(file)


def linked(file: Path) -> None:
    """A link in the place of a file, which lies beside the folder."""
    file.rename(file.parent.with_name("elsewhere"))
    file.symlink_to("../elsewhere")


CHANGES: dict[str, Callable[[Path], None]] = {
    "no description": lambda folder: (folder / "recording.json").unlink(),
    "no network": lambda folder: (folder / "network.fs.npz").unlink(),
    "no JSON": lambda folder: (folder / "recording.json").write_text("{"),
    "a list": lambda folder: (folder / "recording.json").write_text("[1]"),
    "too deep": lambda folder: (folder / "recording.json").write_text("[" * 100_000),
    "another network": described(id="0" * 64),
    "no images": described(image_count=0),
    "images that are no number": described(image_count="2"),
    "more images": described(image_count=3),
    "a population that is none": described(populations=[{"name": "x", "K": 1, "steps": [0], "neurons": "all"}]),
    "a neuron out of range": described(populations=[{"name": "hid", "K": 4, "steps": [4], "neurons": [10**6]}]),
    "neurons that are text": described(populations=[{"name": "hid", "K": 4, "steps": [4], "neurons": "some"}]),
    "a step out of range": described(populations=[{"name": "hid", "K": 4, "steps": [400], "neurons": "all"}]),
    "steps that are text": described(populations=[{"name": "hid", "K": 4, "steps": ["a"], "neurons": "all"}]),
    "steps in lists": described(populations=[{"name": "hid", "K": 4, "steps": [[4]], "neurons": "all"}]),
    "steps that go back": described(populations=[{"name": "hid", "K": 4, "steps": [7, 6, 5, 4], "neurons": "all"}]),
    "neurons in lists": described(populations=[{"name": "hid", "K": 4, "steps": [4], "neurons": [1, [2]]}]),
    "neurons in another order": described(populations=[{"name": "hid", "K": 4, "steps": [4], "neurons": [2, 0, 1]}]),
    "another K": described(populations=[{"name": "hid", "K": 5, "steps": [4], "neurons": "all"}]),
    "no populations": described(populations=[]),
    "another layout": described(schema=99),
    "a file whose name ends early": described(files={"x\0.npy": {"of": "in", "observable": "spikes", "shape": [2, 4]}}),
    "a pipe in place of an array": lambda folder: piped(folder / "population.0.spikes.npy"),
    "a pipe in place of the network": lambda folder: piped(folder / "network.fs.npz"),
    "no arrays": described(files={}),
    "an array elsewhere": described(
        files={"../x.npy": {"of": "in", "observable": "spikes", "shape": [2, 4]}},
    ),
    "an array cut short": lambda folder: (folder / "population.0.spikes.npy").write_bytes(
        (folder / "population.0.spikes.npy").read_bytes()[:-1]
    ),
    "an array by a link out of the folder": lambda folder: linked(folder / "population.0.spikes.npy"),
    "the network by a link out of the folder": lambda folder: linked(folder / "network.fs.npz"),
    "the description by a link out of the folder": lambda folder: linked(folder / "recording.json"),
    "a description that is too long": lambda folder: (folder / "recording.json").write_bytes(b"[" + b"[]," * 10**5),
    "an array of floats": lambda folder: np.save(folder / "population.0.spikes.npy", np.zeros((2, 4))),
    "an array of another shape": lambda folder: np.save(folder / "population.0.spikes.npy", np.zeros((2, 5), "<u2")),
    "an array that is none": lambda folder: (folder / "population.0.spikes.npy").write_bytes(b"abc"),
    "an array that is missing": lambda folder: (folder / "population.0.spikes.npy").unlink(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_broken_recording_is_refused(tmp_path: Path, name: str) -> None:
    """One line that names the file, whatever is wrong with it; a recording that lies somewhere else still reads."""
    broken(tmp_path / "r", lambda _: None)
    shutil.copytree(tmp_path / "r", tmp_path / "moved")
    assert read_trace(tmp_path / "moved").image_count == 2
    broken(tmp_path / "b", CHANGES[name])
    with pytest.raises(FileError) as caught:
        read_trace(tmp_path / "b")
    line = str(caught.value)
    assert "\n" not in line and str(tmp_path / "b") in line and caught.value.rule in ("RUN-3", "FILE-1", "FILE-2")


def test_what_was_not_recorded_cannot_be_read(tmp_path: Path) -> None:
    """An unknown or absent population or observable, and no recording at all, are named."""
    broken(tmp_path / "r", lambda _: None)
    with pytest.raises(UsageError, match=r"population was not recorded: nobody \(in, hid, out\) \[OBS-1\]"):
        read_trace(tmp_path / "r", ["nobody"])
    with pytest.raises(UsageError, match=r"observable was not recorded: sums \(spikes, codes\) \[OBS-1\]"):
        read_trace(tmp_path / "r", observables=["sums"])
    with pytest.raises(FileError, match=r"none: no recording is here: .*\[RUN-3\]"):
        read_trace(tmp_path / "none")
    with pytest.raises(UsageError, match=r"read_trace: unknown argument: population \(did you mean populations\?\)"):
        read_trace(tmp_path / "r", population=["in"])  # type: ignore[call-arg]


def test_a_recording_of_nothing_is_not_begun(tmp_path: Path) -> None:
    """What would leave a folder without arrays, which cannot be read back, is refused before the run."""
    for record in (Record(["out"], path=tmp_path / "r"), Record([], path=tmp_path / "r")):
        with pytest.raises(UsageError, match=r"nothing would be recorded here .*\[RUN-3\]$"):
            run(tiny(), draw(tiny(), 2), record=record)
    assert not list(tmp_path.iterdir())


def test_a_recording_of_steps_without_a_population_is_held_against_an_engine() -> None:
    """Where the steps recorded miss the windows of a population its codes are held against an engine all the same."""
    net, images = residual(), draw(residual(), 2)
    trace = run(net, images, record=Record(["sum"], ["codes"], steps=[0])).trace
    assert diff(trace, "quantized", images) is None


def test_a_link_within_the_folder_is_read(tmp_path: Path) -> None:
    """As is a recording whose folder is a link, or named with dots."""
    broken(tmp_path / "r", lambda _: None)
    file = tmp_path / "r" / "population.0.spikes.npy"
    file.rename(tmp_path / "r" / "real.npy")
    file.symlink_to("real.npy")
    (tmp_path / "link").symlink_to("r")
    for path in (tmp_path / "r", tmp_path / "link", tmp_path / "r" / ".." / "r"):
        assert read_trace(path)["in", "spikes"].shape == (2, 4)


def test_what_may_not_be_looked_at_is_refused(tmp_path: Path) -> None:
    """A path too long for the system, or with a zero byte, holds no recording: one line."""
    for path in (tmp_path / ("n" * 300), f"{tmp_path}/a\0b"):
        with pytest.raises(FileError, match=r"no recording is here.*\[RUN-3\]$"):
            read_trace(path)


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """A file after one accident: bytes changed, cut, added, repeated, or digits and words of JSON replaced."""
    at = int(rng.integers(len(data) + 1))
    span = int(rng.integers(1, 9))
    words = [b"-1", b"0", b"99999999999999999999", b"true", b"null", b"1e9", b"[]", b"{}", b'"x"', b"[[0]]", b"NaN"]
    match int(rng.integers(6)):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + rng.bytes(span) + data[at + span :]
        case 2:
            return data[:at] + rng.bytes(span) + data[at:]
        case 3:
            return data[:at] + data[at + span :]
        case 4:
            return data[:at] + data[max(0, at - span) :]
        case _:
            found = list(re.finditer(rb'\d+|"[^"]*"|\[\]|true', data)) or list(re.finditer(rb"", data))
            hit = found[int(rng.integers(len(found)))]
            return data[: hit.start()] + words[int(rng.integers(len(words)))] + data[hit.end() :]


def test_mutated_recordings(tmp_path: Path) -> None:
    """A folder with an accident in one of its files is read, or refused in one line; what is read has the shapes that
    it tells, and is compared, or refused, too.
    """
    net = tiny()
    kept = run(net, draw(net, 2), record=Record(observables=OBSERVABLES, path=tmp_path / "r")).trace
    rng, read, refused = np.random.default_rng(12), 0, set()
    names = sorted(path.name for path in (tmp_path / "r").iterdir())
    whole = {name: (tmp_path / "r" / name).read_bytes() for name in names}
    for _ in range(250):
        name = names[int(rng.integers(len(names)))] if rng.random() < 0.5 else "recording.json"
        (tmp_path / "r" / name).write_bytes(mutated(whole[name], rng))
        try:
            trace = read_trace(tmp_path / "r")
            diff(trace, kept)
            read += 1
            assert all(array.shape[0] == trace.image_count for array in trace.arrays.values())
            trace.events(), trace.digests(), repr(trace)
        except FsrefError as error:
            check_line(error)
            refused.add(error.problem)
        (tmp_path / "r" / name).write_bytes(whole[name])
    assert read > 15 and len(refused) > 10
