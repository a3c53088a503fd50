"""Recordings read back: what a run wrote to disk, whole or in parts, and what is refused (RUN-3, OBS-2)."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsref import Network, Record, Trace, diff, export, read_trace, run, run_pipelined
from fsref.errors import FileError, FsrefError, LimitError, UsageError
from fsref.law.populations import OBSERVABLES
from fsref.simulation.difference import NotCompared
from handmade import draw, recorded, residual, tiny
from refusals import check_line, refused

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
    with pytest.raises(FileError, match=r"none: cannot be read: No such file .*\[TRACE-1\]"):
        read_trace(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileError, match=r"empty: no recording is here: .*\[RUN-3\]"):
        read_trace(tmp_path / "empty")
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
    trace = run(net, images, record=Record(["sum"], ["spikes", "membranes"], steps=[0])).trace
    assert diff(trace, trace) is None  # nothing, twice


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
        with pytest.raises(FileError, match=r"cannot be read: .*\[TRACE-1\]$"):
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
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotCompared)  # of fewer steps, say
                diff(trace, kept)
            read += 1
            assert all(array.shape[0] == trace.image_count for array in trace.arrays.values())
            trace.events(), trace.digests(), repr(trace)
        except FsrefError as error:
            check_line(error)
            refused.add(error.problem)
        (tmp_path / "r" / name).write_bytes(whole[name])
    assert read > 15 and len(refused) > 10


def lines(trace: Trace, places: bool = False, trains: bool = True) -> list[str]:
    """A recording as a table with a line for each integer: neurons by number or by place, trains as words or spike by
    spike; written here from the page alone (TRACE-5).
    """
    net, start = trace.net, trace.net.schedule.start
    found = [f"observable,step,{'c,y,x' if places else 'neuron'},population,image,value"]
    for (of, what), array in trace.arrays.items():
        name = net.named_projections[of].target if what == "sums" else of
        neurons, window = trace.selection.neurons[name].tolist(), trace.selection.window[name].tolist()
        _, height, width = net[name].shape
        for index, value in np.ndenumerate(array):
            n = neurons[index[-1]]
            at = f"{n // (height * width)},{n // width % height},{n % width}" if places else str(n)
            rows = [("", value)]
            if what == "membranes":
                rows = [(start[name] + window[index[1]], value)]
            elif what == "spikes" and not trains:
                rows = [(start[name] + t, int(value) >> (net.steps[name] - 1 - t) & 1) for t in window]
            found += [f"{what},{step},{at},{of},{index[0]},{told}" for step, told in rows]
    return found


def same(found: Trace, kept: Trace) -> None:
    """Two recordings are equal in every array, its order and what it is of."""
    assert found.selection.same(kept.selection) and list(found.arrays) == list(kept.arrays) and not found.seen
    for key, array in kept.arrays.items():
        assert found[key].dtype == array.dtype and found[key].tolist() == array.tolist(), key


def test_every_form_of_a_table(tmp_path: Path) -> None:
    """A line for each integer, its neuron by number or by place and its lines in any order, trains as words or spike by
    spike; a line for each image under numbers of neurons, or without names; arrays of an npz in either shape.
    """
    net, images = residual(), draw(residual(), 2, 5)
    kept = recorded(net, images)
    rng = np.random.default_rng(0)
    for places, trains in ((False, True), (True, False)):
        first, *rest = lines(kept, places, trains)
        (tmp_path / "all.csv").write_text("\n".join(["# a note", first, *rng.permutation(rest), ""]))
        same(read_trace(tmp_path / "all.csv", net=net), kept)
    with (tmp_path / "quoted.csv").open("w", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(line.split(",") for line in (first, *rest))
    same(read_trace(tmp_path / "quoted.csv", net=net), kept)
    whole = recorded(net, images, Record(["stem"], ["codes"]))
    codes = whole["stem", "codes"]
    np.savetxt(tmp_path / "stem.codes.csv", codes, delimiter=",", fmt="%d")
    np.savetxt(tmp_path / "1.csv", codes, delimiter=", ", fmt="%d")
    head = ",".join(["image", *map(str, reversed(range(168)))])
    np.savetxt(
        tmp_path / "stem.csv", np.c_[[1, 0], codes[::-1, ::-1]], delimiter=",", fmt="%d", header=head, comments=""
    )
    for name in ("stem.codes.csv", "1.csv", "stem.csv"):
        same(read_trace(tmp_path / name, net=net), whole)
    stepped = recorded(net, images, Record(["mid"], ["membranes"]))
    np.savetxt(tmp_path / "mid.membranes.csv", stepped["mid", "membranes"].reshape(-1, 48), delimiter=",", fmt="%d")
    same(read_trace(tmp_path / "mid.membranes.csv", net=net), stepped)
    arrays = {}
    for (of, what), array in kept.arrays.items():
        name = net.named_projections[of].target if what == "sums" else of
        arrays[f"{of}.{what}"] = array.reshape(*array.shape[:-1], *net[name].shape)
    np.savez(tmp_path / "all.npz", **arrays)
    same(read_trace(tmp_path / "all.npz", net=net), kept)
    train = kept["mid", "spikes"]
    planes = np.stack([train >> (4 - t) & 1 for t in range(5)], axis=1).astype(bool)
    np.savez(tmp_path / "some.npz", **{"mid.spikes": planes, "logits": kept["out", "opening"], "stem": codes})
    found = read_trace(tmp_path / "some.npz", net=net)
    assert list(found.arrays) == [("stem", "codes"), ("mid", "spikes"), ("out", "opening")]
    assert all(found[key].tolist() == kept[key].tolist() for key in found.arrays)


def test_absent_is_not_observed(tmp_path: Path) -> None:
    """What a table leaves out, of images, neurons, steps, or of single trains, is not compared, and diff names it; what
    is there is compared (TRACE-1).
    """
    net, images = residual(), draw(residual(), 3, 5)
    kept, start = recorded(net, images), net.schedule.start["mid"]
    first, *rest = lines(kept, trains=False)
    rng = np.random.default_rng(1)
    some = [rest[i] for i in sorted(rng.choice(len(rest), 400, replace=False).tolist())]
    (tmp_path / "some.csv").write_text("\n".join([first, *some]))
    found = read_trace(tmp_path / "some.csv", net=net)
    with pytest.warns(NotCompared, match="what observed has not seen of"):
        assert diff(found, kept) is None
    assert not found.digests().keys() & {key[0] for key in found.seen}
    observed = sum(int(np.bitwise_count(found.seen[k]).sum()) if k[1] == "spikes" else int((found.seen[k] != 0).sum())
                   for k in found.seen)  # fmt: skip
    assert observed == len(some) and set(found.seen) == set(found.arrays)
    for at in rng.choice(len(some), 25, replace=False).tolist():
        *told, value = some[at].split(",")
        wrong = ",".join([*told, str(int(value) ^ 1)])
        (tmp_path / "wrong.csv").write_text("\n".join([first, *some[:at], wrong, *some[at + 1 :]]))
        with pytest.warns(NotCompared):
            difference = diff(read_trace(tmp_path / "wrong.csv", net=net), kept)
        assert difference is not None and [difference.observable, str(difference.step or ""), str(difference.neuron),
            difference.place, str(difference.image), str(difference.observed), str(difference.expected)] == [
            *told, str(int(value) ^ 1), value]  # fmt: skip
    (tmp_path / "one.csv").write_text(f"population,neuron,step,observable,value\nmid,7,{start},spikes,1\n")
    one = read_trace(tmp_path / "one.csv", net=net)
    assert (one["mid", "spikes"].tolist(), one.selection.window["mid"].tolist(), one.seen) == ([[16]], [0], {})


def test_steps_are_of_the_image(tmp_path: Path) -> None:
    """A step counts from the first of the image; one in which a population does not fire, one of a code, and membranes
    without one, are refused by their line (TRACE-4).
    """
    net = residual()
    start, count = net.schedule.start["mid"], net.steps["mid"]

    def read(line: str) -> Trace:
        (tmp_path / "t.csv").write_text(f"image,population,neuron,step,observable,value\n\n{line}\n")
        return read_trace(tmp_path / "t.csv", net=net)

    assert read(f"0,mid,3,{start + count - 1},membranes,5").selection.window["mid"].tolist() == [count - 1]
    for step in (start - 1, start + count, 0, -1):
        with refused(FileError, "TRACE-4", f"{tmp_path / 't.csv'}: line 3", step, says=f"{start}..{start + count - 1}"):
            read(f"0,mid,3,{step},spikes,1")
    with refused(FileError, "TRACE-5", says="codes have no step"):
        read(f"0,mid,3,{start},codes,1")
    with refused(FileError, "TRACE-5", says="membranes have a step"):
        read("0,mid,3,,membranes,1")


HEAD = "image,population,neuron,step,observable,value"
WRONG = {
    f"{HEAD}\n0,hid,3,,codes,1": "there is no such neuron: 3 (wanted 0..2)",
    f"{HEAD}\n0,hid,0,,codes,xx": "line 2: value is no integer: xx",
    f"{HEAD}\n0,hid,0,,codes,1.5": "value is no integer: 1.5",
    f"{HEAD}\n0,hid,0,,codes,": "value is no integer",
    f"{HEAD}\n0,hid,0,,codes,99999999999999999999": "value is no integer",
    f"{HEAD}\n0,hid,0,,codes,9999999999999999999": "value out of range",
    f"{HEAD}\n-1,hid,0,,codes,1": "there is no such image: -1",
    f"{HEAD}\n0,hid,0,,spikes,16": "spikes out of range: 16",
    f"{HEAD}\n0,hid,0,,code,1": "unknown observable: code",
    f"{HEAD}\n0,him,0,,codes,1": "there is no such population: him",
    f"{HEAD}\n0,in,0,,opening,1": "in has no such observable: opening",
    f"{HEAD}\n0,hid,0,,sums,1": "sums are of a projection",
    f"{HEAD}\n0,hid,0,,codes": "line 2: wrong number of values: 5 (6, as the first line has)",
    f"{HEAD}\n0,hid,0,,codes,1\n0,hid,0,,codes,1": "are told twice: image 0 neuron 0",
    f"{HEAD}\n": "holds no integer",
    "": "holds no integer",
    "image,population,value\n0,hid,1": "missing: neuron, or x, y and c",
    "image,population,neuron\n0,hid,1": "missing: value",
    "image,step,population,neuron\n0,3,hidd,1": "0,3,hidd,1 (wanted image,step,population,neuron, a population by",
    "image,neuron,x,y,c,value\n0,0,0,0,0,1": "each once",
    "image,population,time,value\n0,hid,1,1": "unknown column: time",
    "population,0,1\nhid,1,2": "missing: image",
    "image;population;neuron;value\n0;hid;0;1": "line 1: columns are separated by commas: image;population;neuron",
    "image\tpopulation\tneuron\tvalue\n": "columns are separated by commas",
    "# dump\n1 2 3\n": "line 2: columns are separated by commas: 1 2 3 (not by semicolons, tabs or blanks)",
    f'{HEAD}\n0,"{"h" * 200_000}",0,,codes,1': "line 2: is no line of a table: field larger than field limit",
    "1,2,3\n": "there is no such population: t",
    "image,neuron,value\n0,0,1": "the file's name, NAME.OBSERVABLE.csv",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_table_is_one_line(tmp_path: Path, text: str) -> None:
    """Whatever a table says wrong is named with its line."""
    (tmp_path / "t.csv").write_text(text)
    with refused(FileError, says=WRONG[text]):
        read_trace(tmp_path / "t.csv", net=tiny())


SHAPES: dict[str, tuple[Any, str]] = {
    "codes of another size": (np.zeros((2, 5), int), "10 integers are no whole number of images of 168"),
    "places first": (np.zeros((2, 7, 6, 4), int), "this looks like (H, W, C)"),
    "turned": (np.zeros((2, 4, 6, 7), int), "this looks like (C, W, H)"),
    "one image": (np.zeros((4, 7, 6), int), "this is one image: values[None]"),
    "one image, flat": (np.zeros(168, int), "this is one image: values[None]"),
    "images last": (np.zeros((168, 2), int), "this looks like (neurons, images): values.T"),
    "floats": (np.zeros((2, 168)), "not integers: float64 (wanted codes, membranes and trains: integers)"),
    "steps last": (np.zeros((2, 4, 7, 6, 4), int), "this looks like steps last: np.moveaxis(values, -1, 1)"),
    "no image": (np.zeros((0, 168), int), "wrong shape"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_wrong_shape_says_what_it_looks_like(tmp_path: Path, name: str) -> None:
    """One line that says which shapes would do, and what this one looks like (TRACE-2)."""
    array, says = SHAPES[name]
    net = residual()
    stepped = name == "steps last"
    for what in ("spikes", "membranes") if stepped else ("codes",):
        np.savez(tmp_path / "a.npz", **{f"stem.{what}": array})
        wanted = f"(images, {net.steps['stem']}, 168) or (images, {net.steps['stem']}, 4, 7, 6)" if stepped else ""
        with refused(FileError, says=(says, wanted)):
            read_trace(tmp_path / "a.npz", net=net)


def test_arrays_that_do_not_go_together(tmp_path: Path) -> None:
    """Two numbers of images, one thing twice, an unknown name, spikes that are none: one line each."""
    net = tiny()
    codes = np.zeros((2, 3), int)
    for arrays, says in (
        ({"hid": codes, "out": np.zeros((3, 2), int)}, "different numbers of images: hid codes 2, out opening 3"),
        ({"hid": codes, "hid.codes": codes}, "two arrays of one kind: hid codes"),
        ({"him": codes}, "there is no such population: him"),
        ({"hid.spikes": codes + 16}, "spikes out of range: 16 .. 16"),
        ({"hid.spikes": np.full((2, 3, 3), 2)}, "0 or 1: whether the neuron fires in the step"),
        ({}, "holds no array"),
    ):
        np.savez(tmp_path / "a.npz", **arrays)
        with refused(FileError, "TRACE-2", says=says):
            read_trace(tmp_path / "a.npz", net=net)


def test_what_a_format_needs(tmp_path: Path) -> None:
    """A dump that holds no network asks for one, a layout goes with memories alone, a recording of another network than
    the one given is refused, and so is an unknown format; parts of a dump are read as parts of a recording.
    """
    net = tiny()
    np.savez(tmp_path / "a.npz", hid=np.zeros((2, 3), int), logits=np.zeros((2, 2), int))
    with refused(UsageError, "TRACE-1", says="a dump as npz holds no network (net=NET)"):
        read_trace(tmp_path / "a.npz")
    with refused(UsageError, "TRACE-1", says="layout: goes with another format: npz"):
        read_trace(tmp_path / "a.npz", net=net, layout={"word": 8})
    with refused(UsageError, "TRACE-1", value="vhdl", says="recording, csv, npz"):
        read_trace(tmp_path / "a.npz", net=net, format="vhdl")
    assert list(read_trace(tmp_path / "a.npz", "out", net=net).arrays) == [("out", "opening")]
    assert list(read_trace(tmp_path / "a.npz", observables="codes", net=net).arrays) == [("hid", "codes")]
    with refused(UsageError, "OBS-1", says="this population was not recorded: in"):
        read_trace(tmp_path / "a.npz", ["in"], net=net)
    run(net, draw(net, 2), record=Record(path=tmp_path / "r"))
    with refused(UsageError, "TRACE-1", says="is of another network"):
        read_trace(tmp_path / "r", net=residual())
    assert read_trace(tmp_path / "r", net=net).image_count == 2


def test_memories_are_found_and_compared_in_the_bits_that_they_hold(tmp_path: Path) -> None:
    """A folder of memories is known by what it holds, with its manifest or with a layout; of membranes stored without
    their low bits these are not compared, the others are (LAYOUT-4, TRACE-1).
    """
    net, images = residual(), draw(residual(), 2, 5)
    kept = recorded(net, images)
    for form, layout in (("readmemh", {"neurons": "hwc", "bits": "low"}), ("coe", {"shift": 2}), ("mif", {"word": 40})):
        export(net, tmp_path / form, form, trace=kept, layout=layout)
        (tmp_path / "bare").mkdir(exist_ok=True)
        shutil.copytree(tmp_path / form, tmp_path / "bare" / form, ignore=shutil.ignore_patterns("manifest.json"))
        for found in (
            read_trace(tmp_path / form, net=net),
            read_trace(tmp_path / "bare" / form, net=net, layout=layout),
        ):
            arrays = {key: array.copy() for key, array in kept.arrays.items()}
            assert list(found.arrays) == list(arrays)
            if form != "coe":
                assert diff(found, kept) is None
                continue
            arrays["mid", "opening"] ^= 3
            with pytest.warns(NotCompared, match="mid opening"):
                assert diff(found, Trace(net, 2, kept.selection, arrays)) is None
            arrays["mid", "opening"][1, 3] ^= 4
            with pytest.warns(NotCompared):
                difference = diff(found, Trace(net, 2, kept.selection, arrays))
            assert difference is not None and (difference.place, difference.neuron) == ("mid", 3)
            assert abs(difference.observed - difference.expected) == 4


def test_a_table_takes_bounded_memory(tmp_path: Path) -> None:
    """A table of one line that names a far image or a large population is refused before anything is reserved."""
    (tmp_path / "t.csv").write_text(f"{HEAD}\n999999999999,hid,0,,codes,1\n")
    with refused(LimitError, "RUN-3", str(tmp_path / "t.csv")):
        read_trace(tmp_path / "t.csv", net=tiny())
    (tmp_path / "t.csv").write_text(f"{HEAD}\n0,hid,0,,codes,1\n")
    with refused(LimitError, "RUN-3"):
        read_trace(tmp_path / "t.csv", net=tiny(), memory_limit=100)


def dump_files(net: Network, folder: Path) -> list[Path]:
    """A dump of each format that holds no network, one file of it each."""
    kept = recorded(net, draw(net, 2))
    (folder / "all.csv").write_text("\n".join(lines(kept, trains=False)))
    np.savetxt(folder / "hid.codes.csv", kept["hid", "codes"], delimiter=",", fmt="%d")
    np.savez(folder / "all.npz", **{".".join(key): array for key, array in kept.arrays.items()})
    for form in ("readmemh", "coe", "mif"):
        export(net, folder / form, form, trace=kept, layout={"shift": 1})
    memories = [next((folder / form).glob("population.1.opening.*")) for form in ("readmemh", "coe", "mif")]
    return [folder / "all.csv", folder / "hid.codes.csv", folder / "all.npz", *memories]


def test_mutated_dumps(tmp_path: Path) -> None:
    """A dump with an accident in it is read, or refused in one line; what is read is compared, or refused, too."""
    net, images = tiny(), draw(tiny(), 2)
    files, rng, read = dump_files(net, tmp_path), np.random.default_rng(3), 0
    whole = [file.read_bytes() for file in files]
    for number in range(180):
        file, data = files[number % len(files)], whole[number % len(files)]
        file.write_bytes(mutated(data, rng))
        try:
            found = read_trace(file, net=net, memory_limit=2**26)
            read += 1
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotCompared)
                diff(found, "reference", images)
        except FsrefError as error:
            check_line(error)
        file.write_bytes(data)
    assert 20 < read < 150


@pytest.mark.parametrize("layout", [{}, {"bits": "low", "bytes": "low", "word": 40}, {"shift": 3}], ids=str)
def test_memories_keep_to_the_memory_allowed(layout: dict[str, Any], tmp_path: Path) -> None:
    """What reading a folder of memories takes is refused before it is read, where it is more than allowed."""
    net, keys = residual(), ["opening", "membranes", "codes", "spikes"]
    trace = recorded(net, draw(net, 150), Record(observables=keys))
    export(net, tmp_path / "m", "readmemh", trace=trace, layout=layout)
    tracemalloc.start()
    read_trace(tmp_path / "m", net=net)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    with refused(LimitError, "RUN-3", says="needs more memory than allowed"):
        read_trace(tmp_path / "m", net=net, memory_limit=most - 1)
    assert read_trace(tmp_path / "m", net=net, memory_limit=2**25).image_count == 150


def test_a_long_number_is_no_other_population(tmp_path: Path) -> None:
    """The number of a population is read whole: one of ten digits is not that of its first nine."""
    np.savez(tmp_path / "a.npz", **{"0000000001": np.zeros((1, 4), np.int64)})
    with refused(FileError, "TRACE-2", says="there is no such population: 0000000001"):
        read_trace(tmp_path / "a.npz", net=tiny())
