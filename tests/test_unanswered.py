"""What a chip did not answer: x, z, words and images that are not there (TRACE-6)."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
from fsref import Network, Record, Trace
from fsref.cli.main import main
from fsref.errors import FileError, LimitError, UsageError
from fsref.law.populations import OBSERVABLES
from fsref.simulation.difference import NotCompared
from fsref.simulation.memory_folder import FOLDERS
from fsref.verification.differences import compare_dump
from handmade import draw, recorded, residual
from refusals import refused

IMAGES = 4
LAYOUTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "words of 32 bits": {"word": 32, "bytes": "low"},
    "bits turned": {"bits": "low", "neurons": "hwc"},
    "steps": {"spikes": "steps"},
    "steps in words": {"spikes": "steps", "word": 32, "neurons": "hwc"},
    "shifted": {"shift": 1},
}


def case() -> tuple[Network, np.ndarray, Trace]:
    """A network, images, and everything of one of its populations and of its readout."""
    net = residual()
    x = draw(net, IMAGES, 8)
    return net, x, recorded(net, x, Record(["mid", "out"], [o for o in OBSERVABLES if o != "sums"]))


def answers(net: Network, trace: Trace, path: Path, layout: Mapping[str, Any]) -> dict[str, list[str]]:
    """The words of each memory of a recording, by its name, which nothing but a chip wrote."""
    FOLDERS["readmemh"].save(net, path / "golden", trace, layout)
    (path / "answers").mkdir()
    told = json.loads((path / "golden" / "manifest.json").read_text())["memories"]
    files = [m["file"] for m in told if m["what"] in OBSERVABLES]
    return {file: (path / "golden" / file).read_text().split("\n", 1)[1].split() for file in files}


def dumped(net: Network, path: Path, words: Mapping[str, list[str]], layout: Mapping[str, Any]) -> Trace:
    """The recording that words in files make."""
    for file, of in words.items():
        (path / "answers" / file).write_text("\n".join(of))
    return FOLDERS["readmemh"].read(net, path / "answers", layout)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("unknown", ["x", "Z"])
def test_one_unknown_word_is_wrong_alone(name: str, unknown: str, tmp_path: Path) -> None:
    """A digit that is x or z makes its integer wrong, observed "x", at the right place, whatever the layout, of a train
    its four steps, or all where it is of none; nothing else of the dump is.
    """
    net, x, trace = case()
    layout = LAYOUTS[name]
    words = answers(net, trace, tmp_path, layout)
    p, at = net["mid"], 19
    order = fsref.formats.layout.given(layout, net).neuron_at(p)
    for what in ("codes", "opening", "spikes", "membranes"):
        file = f"population.3.{what}.mem"
        steps = p.steps if what == "membranes" or (what == "spikes" and layout.get("spikes") == "steps") else 1
        each = len(words[file]) // IMAGES // steps
        row = (2 * steps + steps - 1) * each  # image 2, its last step
        changed = list(words[file])
        if what == "spikes" and steps > 1:
            digits = changed[row + at // (layout.get("word") or p.neurons)]
            place = len(digits) - 1 - at % (layout.get("word") or p.neurons) // 4
            changed[row + at // (layout.get("word") or p.neurons)] = digits[:place] + unknown + digits[place + 1 :]
            hidden = {int(order[a]) for a in range(at // 4 * 4, at // 4 * 4 + 4)}
        else:
            changed[row + at] = changed[row + at][:-1] + unknown
            hidden = {int(order[at])}
        found = compare_dump(net, x, dumped(net, tmp_path, {**words, file: changed}, layout))
        (mid,) = [p for p in found.populations if p.name == "mid"]
        assert found.first is mid and mid.first is not None and found.complete
        told = mid.first.difference
        assert (told.image, told.observable, told.observed) == (2, what, "x") and told.neuron == min(hidden)
        assert mid.images == 1 and mid.unknown == mid.differing == (
            (4, p.steps)["word" in layout] if file.endswith("spikes.mem") and steps == 1 else len(hidden)
        )
        assert mid.first_unknown is not None and mid.first_unknown.difference == told
        assert f"x or z in {mid.unknown} of {mid.differing} that differ" in " ".join(str(found).split())
        assert mid.to_dict()["difference"]["observed"] is None and mid.to_dict()["unknown_count"] == mid.unknown


def test_a_train_that_is_x_in_some_steps_is_named(tmp_path: Path) -> None:
    """Of a train of five steps in two digits the high one is the first step, the low one the rest: it is told that it
    is x in some steps alone, and how it stands; one that is x whole is not; in a table such a value is refused with
    what would do.
    """
    net, x, trace = case()
    words = answers(net, trace, tmp_path, {})
    given = words[file := "population.3.spikes.mem"]
    right = int(given[48 + 12], 16)
    for word, partial, digits in (
        ("x" + given[48 + 12][1:], 1, f"x{right & 15:04b}"),
        (given[48 + 12][:1] + "x", 1, f"{right >> 4}xxxx"),
        ("xx", 0, ""),
    ):
        changed = [*given[: 48 + 12], word, *given[48 + 13 :]]
        found = compare_dump(net, x, dumped(net, tmp_path, {**words, file: changed}, {}))
        (mid,) = [p for p in found.populations if p.name == "mid"]
        assert (mid.partial, mid.digits) == (partial, digits)
        assert (f"1 train x or z in some steps alone: {digits}" in " ".join(str(found).split())) == bool(partial)
        assert mid.to_dict()["partial_train_count"] == partial
    (tmp_path / "t.csv").write_text("image,population,neuron,observable,value\n0,mid,0,spikes,1x010\n")
    with refused(FileError, "TRACE-5", says="a train is x in some steps, a line for each step"):
        fsref.read_trace(tmp_path / "t.csv", net=net)


def shortened(images: int) -> Callable[[list[str]], list[str]]:
    """The words of so many images alone."""
    return lambda words: words[: len(words) // IMAGES * images]


def unwritten(images: int) -> Callable[[list[str]], list[str]]:
    """The words of so many images, then x as a simulator writes what was not written."""
    return lambda words: [w if i < len(words) // IMAGES * images else "x" * len(w) for i, w in enumerate(words)]


@pytest.mark.parametrize("hang", [shortened, unwritten])
@pytest.mark.parametrize("images", [0, 1, 3])
def test_a_hang_loses_no_answer(
    hang: Callable[[int], Callable[[list[str]], list[str]]],
    images: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Memories that end early, or hold x from an image on, are compared up to there, and it is said of which images
    there is no answer: exit code 1, though all else is right; of none at all 2.
    """
    net, x, trace = case()
    words = {file: hang(images)(of) for file, of in answers(net, trace, tmp_path, {}).items()}
    for file, of in words.items():
        (tmp_path / "answers" / file).write_text("\n".join(of))
    net.save(tmp_path / "net.fs.npz")
    np.savez(tmp_path / "x.npz", x=x)
    command = ["diff", str(tmp_path / "net.fs.npz"), str(tmp_path / "x.npz"), str(tmp_path / "answers")]
    code, out = main(command), " ".join(capsys.readouterr().out.split())
    if not images:
        assert code == 2
        return
    assert code == 1 and "all equal, not every image has an answer" in out
    assert f"no answer images {'1..3: 3' if images == 1 else '3: 1'} of 4 given" in out
    assert main([*command, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["agrees"] and told["unanswered_images"] == [*range(images, IMAGES)]
    assert told["value_count"] == sum(p["value_count"] for p in told["populations"]) > 0


def test_a_memory_that_ends_before_the_others(tmp_path: Path) -> None:
    """An array that was answered in fewer images than others is named with the images, and is no difference."""
    net, x, trace = case()
    words = answers(net, trace, tmp_path, {})
    codes = "population.3.codes.mem"
    for change in (shortened(2), unwritten(2), lambda words: []):
        found = compare_dump(net, x, dumped(net, tmp_path, {**words, codes: change(words[codes])}, {}))
        assert found.agrees and not found.complete and not found.unanswered
        none = "0..3" if not change(words[codes]) else "2..3"
        assert f"no answer mid codes: x, z or absent in all of images {none}" in " ".join(str(found).split())
    with refused(FileError, "TRACE-6", says="holds no answer (all of its memories are empty)"):
        dumped(net, tmp_path, dict.fromkeys(words, []), {})


def test_addresses_that_are_left_out_are_unknown(tmp_path: Path) -> None:
    """Behind a later @ADDRESS words go on; those left out are x: as many as are read at most."""
    net, x, trace = case()
    words = answers(net, trace, tmp_path, {})
    file, each = "population.3.opening.mem", net["mid"].neurons
    was = words[file]
    found = compare_dump(net, x, dumped(net, tmp_path, {**words, file: [*was[:5], "@7", *was[7:]]}, {}))
    assert found.first is not None and found.first.first is not None
    assert (found.first.unknown, found.first.differing, found.first.first.difference.neuron) == (2, 2, 5)
    dump = dumped(net, tmp_path, {**words, file: [f"@{each:x}", *was[each:]]}, {})
    assert "no answer mid opening: x, z or absent in all of images 0" in " ".join(
        str(compare_dump(net, x, dump)).split()
    )
    with refused(FileError, "LAYOUT-6", says="words are left out (wanted @6)"):
        dumped(net, tmp_path, {**words, file: [*was[:6], "@5", *was[6:]]}, {})
    with refused(FileError, "LAYOUT-6", says="holds too many words"):
        dumped(net, tmp_path, {**words, file: [*was[:6], "@ffffffffff", *was[6:]]}, {})


def test_x_in_a_table(tmp_path: Path) -> None:
    """A value x or z of a table is wrong, of a train word as of a spike; of an image all of which is x it is told."""
    net, x, trace = case()
    mid, start = trace["mid", "codes"], net.schedule.start["mid"]
    lines = ["image,population,neuron,step,observable,value"]
    lines += [
        f"{i},mid,{n},,codes,{'x' if (i, n) in {(1, 4), (2, 8)} or i == 3 else mid[i, n]}"
        for i in range(4)
        for n in range(48)
    ]
    lines += [
        f"0,mid,7,{start + t},spikes,{'Z' if t == 2 else trace['mid', 'spikes'][0, 7] >> 4 - t & 1}" for t in range(5)
    ]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    found = compare_dump(net, x, fsref.read_trace(tmp_path / "t.csv", net=net))
    (own,) = [p for p in found.populations if p.name == "mid"]
    flipped = 1 - (int(trace["mid", "spikes"][0, 7]) >> 4)
    (tmp_path / "late.csv").write_text("\n".join([*lines[:-5], f"0,mid,7,{start},spikes,{flipped}", *lines[-4:]]))
    late = compare_dump(net, x, fsref.read_trace(tmp_path / "late.csv", net=net))
    assert "mid x or z in 3 of 4 that differ, first in image 0 step" in " ".join(str(late).split())
    assert (own.differing, own.unknown, own.unanswered) == (3, 3, {"mid codes": (3,)})
    assert own.first is not None and found.unanswered == (3,)
    assert (own.first.difference.observed, own.first.difference.step) == ("x", start + 2)
    (tmp_path / "mid.spikes.csv").write_text("\n".join(",".join(["0", "x"] * 24) for _ in range(4)))
    assert (
        fsref.read_trace(tmp_path / "mid.spikes.csv", net=net).unknown["mid", "spikes"].tolist() == [[0, 31] * 24] * 4
    )


def test_causes_and_isolation_go_on_beside_x(tmp_path: Path) -> None:
    """One x does not hide the cause of what else differs, nor what later populations were sent in other images."""
    net = residual()
    x = draw(net, IMAGES, 8)
    trace = recorded(net, x, Record(None, ["codes", "opening"]))
    arrays = {key: a.copy() for key, a in trace.arrays.items()}
    p = net["mid"]
    opening = recorded(net, x, Record(["mid"], ["opening"]))["mid", "opening"]
    T, h, d = (np.repeat(rows, 12, axis=0).T for rows in p.table.rows(4))
    v, code = opening.copy(), np.zeros_like(opening)
    for t in range(p.steps):
        fired = v > T[t]
        v, code = v - h[t] * fired, code + d[t] * fired
    arrays["mid", "codes"] = code
    assert (code != trace["mid", "codes"]).any(axis=1).sum() > 1
    unknown = np.zeros_like(code)
    unknown[np.argmax((code != trace["mid", "codes"]).any(axis=1)), 47] = -1
    dump = Trace(net, IMAGES, trace.selection, arrays, {}, {("mid", "codes"): unknown})
    found = compare_dump(net, x, dump)
    (own,) = [q for q in found.populations if q.name == "mid"]
    assert own.unknown == 1 and "strict" in " ".join(hint.name for hint in own.judged.hints)
    alone = {q.name: q for q in compare_dump(net, x, dump, isolated=True).populations}
    reader = next(q.name for q in net.populations if "mid" in net.sources(q.name))
    assert (alone[reader].computed or {}).get("mid") == 1


def test_recordings_with_x_are_compared(tmp_path: Path) -> None:
    """`fsref.diff` and `read_trace` of a part keep what is x; a report is refused where nothing has an answer."""
    net, x, trace = case()
    unknown = np.zeros_like(trace["mid", "codes"])
    unknown[1, 3] = unknown[2] = -1
    dump = Trace(net, IMAGES, trace.selection, trace.arrays, {}, {("mid", "codes"): unknown})
    with pytest.warns(NotCompared, match="images without an answer in mid codes"):
        found = fsref.diff(dump, trace)
    assert found is not None and (found.image, found.neuron, found.observed) == (1, 3, "x")
    assert "observed x expected" in str(found)
    assert not dump.whole("mid", "codes") and dump.whole_in("mid", "codes").tolist() == [True, False, False, True]
    part = fsref.simulation.reader.part_of(dump, ["mid"], ["codes"])
    assert part.unknown["mid", "codes"].tolist() == unknown.tolist()
    assert fsref.simulation.reader.part_of(dump, ["mid"], ["opening"]).unknown == {}
    every = {key: np.full_like(a, -1 if a.dtype == np.int64 else 31) for key, a in trace.arrays.items()}
    with refused(UsageError, "TRACE-6", says="answers none of the images"):
        compare_dump(net, x, Trace(net, IMAGES, trace.selection, trace.arrays, {}, every))
    with refused(UsageError, "OBS-2", says="unknown is not of one of its arrays"):
        Trace(net, IMAGES, trace.selection, trace.arrays, {}, {("mid", "codes"): unknown[:, :2]})


def test_what_fsref_wrote_itself_is_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Memories that fsref exported are refused as a dump, whole or one file, whatever their format; among a chip's own
    they are named.
    """
    net, x, trace = case()
    net.save(tmp_path / "net.fs.npz")
    np.savez(tmp_path / "x.npz", x=x)
    command = ["diff", str(tmp_path / "net.fs.npz"), str(tmp_path / "x.npz")]
    for form, folder in FOLDERS.items():
        golden = tmp_path / form
        folder.save(net, golden, trace)
        for dump in (golden, golden / f"population.3.codes{folder.text.SUFFIX}"):
            assert main([*command, str(dump)]) == 2
            assert "holds what fsref export wrote itself, no answers of a chip" in capsys.readouterr().err
            with refused(FileError, "TRACE-1", str(golden), says="give the folder in which your chip's answers lie"):
                fsref.testing.verify(net, golden, x)
        assert fsref.read_trace(golden, net=net).image_count == IMAGES
    own = tmp_path / "readmemh" / "population.3.codes.mem"
    own.write_text(own.read_text().split("\n", 1)[1])
    assert main([*command, str(tmp_path / "readmemh")]) == 0
    assert "exported population.3.membranes.mem, population.3.opening.mem" in " ".join(capsys.readouterr().out.split())
    assert main([*command, str(own)]) == 0 and "exported" not in capsys.readouterr().out


def test_more_images_than_are_given_say_what_they_look_like(tmp_path: Path) -> None:
    """A dump whose images are counted from 1 is told so, as is one of whose last images little is there; within the
    images given, one counted from 1 is late by one.
    """
    net, x, trace = case()
    codes = trace["mid", "codes"]

    def table(first: int) -> Trace:
        lines = [f"{first + i},mid,{n},{codes[i, n]}" for i in range(IMAGES) for n in range(48)]
        (tmp_path / "t.csv").write_text("\n".join(["image,population,neuron,value", *lines]))
        return fsref.read_trace(tmp_path / "t.csv", net=net)

    with refused(UsageError, "TRACE-2", says="(given 4; it says nothing of image 0: images are counted from 0"):
        compare_dump(net, x, table(1))
    told = compare_dump(net, np.concatenate([x, x[::-1]]), table(1)).looks_like
    assert told.startswith("every image late by one: are they counted from 1? from image 1 on each holds what is right")
    assert compare_dump(net, x, table(0)).agrees
    words = answers(net, trace, tmp_path, {})
    dump = dumped(
        net, tmp_path, {file: of[: len(of) // (1 if "codes" in file else 2)] for file, of in words.items()}, {}
    )
    with refused(UsageError, "TRACE-2", says="(given 3; the last one is of mid codes alone: of an earlier run?)"):
        compare_dump(net, x[:3], dump)


@pytest.mark.parametrize(("said", "stored"), [(1, 0), (2, 0), (1, 3), (3, 1)])
def test_a_shift_that_is_not_that_of_the_chip_is_named(said: int, stored: int, tmp_path: Path) -> None:
    """Membranes that were stored with another shift than the layout says look like that."""
    net, x, trace = case()
    words = answers(net, trace, tmp_path, {"shift": stored, "word": 32})
    found = compare_dump(net, x, dumped(net, tmp_path, words, {"shift": said, "word": 32}))
    wanted = f"membranes stored as v >> {stored}, not as the layout said (layout shift={stored}) [LAYOUT-4]"
    assert found.looks_like == wanted


def test_memories_of_one_population_alone(tmp_path: Path) -> None:
    """A folder of one memory, or that memory, without manifest or header, is a dump."""
    net, x, trace = case()
    words = answers(net, trace, tmp_path, {})
    dump = dumped(net, tmp_path, {"population.3.codes.mem": words["population.3.codes.mem"]}, {})
    found = compare_dump(net, x, dump)
    assert found.agrees and found.complete and found.values == IMAGES * 48
    assert "not observed in, stem, pool, sum, out" in " ".join(str(found).split())
    one = fsref.read_trace(tmp_path / "answers" / "population.3.codes.mem", net=net)
    assert compare_dump(net, x, one).values == found.values


def test_arrays_keep_to_the_memory_allowed(tmp_path: Path) -> None:
    """What an npz takes to read is refused before, where it is more than allowed."""
    net = residual()
    codes = np.zeros((3000, 48), np.int8)
    np.savez(tmp_path / "d.npz", mid=codes, **{"mid.spikes": np.zeros((3000, 5, 48), np.int8)})
    tracemalloc.start()
    fsref.read_trace(tmp_path / "d.npz", net=net)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    for limit in (most - 1, 2**10):
        with refused(LimitError, "RUN-3", says="needs more memory than allowed"):
            fsref.read_trace(tmp_path / "d.npz", net=net, memory_limit=limit)
    assert fsref.read_trace(tmp_path / "d.npz", net=net, memory_limit=12 * 8 * codes.size).image_count == 3000


def test_x_keeps_to_the_memory_allowed(tmp_path: Path) -> None:
    """Memories with x take no more than is allowed for them."""
    net = residual()
    x = draw(net, 150)
    words = answers(net, recorded(net, x, Record(None, ["opening", "codes", "spikes"])), tmp_path, {})
    for file, of in words.items():
        (tmp_path / "answers" / file).write_text("\n".join(["x" * len(w) if i % 3 else w for i, w in enumerate(of)]))
    tracemalloc.start()
    fsref.read_trace(tmp_path / "answers", net=net)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    with refused(LimitError, "RUN-3", says="needs more memory than allowed"):
        fsref.read_trace(tmp_path / "answers", net=net, memory_limit=most - 1)
    assert fsref.read_trace(tmp_path / "answers", net=net, memory_limit=2**25).image_count == 150
