"""Lists of address events: as the page says them, what they say of themselves, what is refused (AER-1, AER-2)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fsref
import naive_memories as naive
from fsref import FS, Dense, Input, Network, Readout, Record, Trace, fs_relu, read_trace, testing
from fsref.cli.main import main
from fsref.errors import FileError, FsrefError, LimitError, UsageError
from fsref.formats import aer
from fsref.simulation import address_events
from fsref.simulation.reader import part_of
from handmade import NETS, draw, recorded, residual, saved, tiny
from naive_memories import PLAIN
from refusals import check_line, refused
from repeatable import LONG, drawn
from test_dumps import layouts
from test_reader import mutated

SPIKES = Record(observables=("spikes",))
FIELDS: dict[str, Any] = {
    "usual": None,
    "places": ["x", "y", "c", "population", "step", "image"],
    "word": {"image": 2, "step": 6, "population": 3, "neuron": 8},
    "word of places": "population:4,step:7,x:3,y:3,c:3,image:40",
}


def lines(net: Network, trace: Trace, told: Mapping[str, Any], fields: Any) -> list[str]:
    """The first line of columns, if there is one, and the events, as the page says."""
    layout = {**PLAIN, **told}
    found = []
    for image in range(trace.image_count):
        for index, p in enumerate(net.populations):
            C, H, W = p.shape  # noqa: N806
            for n, neuron in enumerate(trace.selection.neurons[p.name].tolist() if p.kind != "readout" else []):
                for t in range(net.steps[p.name]):
                    if trace[p.name, "spikes"][image, n] >> (net.steps[p.name] - 1 - t) & 1:
                        step = net.schedule.start[p.name] + t
                        event = {"image": image, "step": step, "population": index}
                        event["neuron"] = naive.order(net, p.name, layout).index(neuron)
                        event |= {"x": neuron % W, "y": neuron // W % H, "c": neuron // (H * W)}
                        found.append(event)
    found.sort(key=lambda e: (e["image"], e["step"], e["population"], e["neuron"]))
    if isinstance(fields, str):
        fields = {name: int(bits) for name, bits in (part.split(":") for part in fields.split(","))}
    if isinstance(fields, dict):
        patterns = ["".join(format(e[name], f"0{bits}b") for name, bits in fields.items()) for e in found]
        width = layout["word"] or sum(fields.values())
        return naive.text([naive.shown(pattern.rjust(width, "0"), layout) for pattern in patterns])
    names = fields or ["image", "step", "population", "neuron"]
    return [",".join(names), *(",".join(str(e[name]) for name in names) for e in found)]


def same(found: Trace, trace: Trace) -> None:
    """Two recordings hold the same trains of the same neurons and steps."""
    assert found.image_count == trace.image_count
    assert found.selection.complete == trace.selection.complete
    for name, neurons in found.selection.neurons.items():
        assert neurons.tolist() == trace.selection.neurons[name].tolist()
        assert found.selection.window[name].tolist() == trace.selection.window[name].tolist()
    assert list(found.arrays) == list(trace.arrays)
    for key, array in found.arrays.items():
        assert array.dtype == trace[key].dtype and array.tolist() == trace[key].tolist()


def listed(net: Network, text: str, folder: Path, **more: Any) -> Trace:
    """What a list of this text is read as."""
    (folder / "t.aer").write_text(text)
    return address_events.read(net, folder / "t.aer", **more)


@pytest.mark.parametrize("fields", FIELDS)
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("told", [{}, {"neurons": "hwc", "word": 70, "bits": "low", "bytes": "low"}], ids=str)
def test_lists_from_the_page_alone(name: str, fields: str, told: dict[str, Any], tmp_path: Path) -> None:
    """Every spike of a run lies where the page says, and comes back."""
    net = NETS[name]()
    trace = recorded(net, draw(net, 3), SPIKES)
    fsref.export(net, tmp_path / "a.aer", "aer", trace=trace, layout=told, fields=FIELDS[fields])
    text = (tmp_path / "a.aer").read_text().splitlines()
    assert [line for line in text if line[0] not in "#/"] == lines(net, trace, told, FIELDS[fields])
    same(read_trace(tmp_path / "a.aer", net=net), trace)


def test_what_a_list_says_of_itself(tmp_path: Path) -> None:
    """Network, layout, images, and of each population its steps and addresses, as all, none or spans."""
    net = residual()
    chosen = {"in": None, "mid": [0, 1, 40, 41, 42, 47], "stem": [7]}
    trace = recorded(net, draw(net, 3), Record(chosen, ("spikes", "codes"), [0, 5, 6, 7, 10]))
    fsref.export(net, tmp_path / "a.aer", "aer", trace=trace, layout={"neurons": "hwc"})
    said = [line for line in (tmp_path / "a.aer").read_text().splitlines() if line.startswith("#")]
    assert said == [
        f"# fsref {fsref.__version__}",
        f"# network {net.id}",
        '# layout {"neurons": "hwc"}',
        "# images 3",
        "# population 0 steps 0 neurons all",
        "# population 1 steps 5-7 neurons 28",
        "# population 3 steps 10 neurons 0,4,19,23,27,47",
    ]
    found = read_trace(tmp_path / "a.aer", net=net)
    same(found, part_of(trace, None, "spikes"))
    assert found.events().tolist() == trace.events().tolist() and not found.selection.complete


def test_a_list_of_a_chip(tmp_path: Path) -> None:
    """Without lines that say it, populations with events were observed whole, in as many images as are named."""
    net = tiny()
    found = listed(net, "\n step , neuron,population \n\n4,2,1\n# a note\n 6, 0, 1\n", tmp_path)
    assert found.image_count == 1 and list(found.arrays) == [("hid", "spikes")] and found.selection.complete
    assert found["hid", "spikes"].tolist() == [[1, 0, 4]]
    found = listed(net, "image,step,population,neuron\r\n3,0,0,1\r\n", tmp_path)
    assert found.image_count == 4 and found["in", "spikes"].tolist() == [[0] * 4] * 3 + [[0, 8, 0, 0]]
    found = listed(net, "// fields step:4,population:4,neuron:4\n// images 2\n412 // late\n6_1_0 @2\n", tmp_path)
    assert found["hid", "spikes"].tolist() == [[1, 0, 4], [0, 0, 0]]
    silent = listed(net, "# population 1 steps 4,6 neurons 0-1\nstep,population,neuron\n", tmp_path)
    assert silent["hid", "spikes"].tolist() == [[0, 0]] and silent.selection.window["hid"].tolist() == [0, 2]
    turned = listed(net, "step,population,neuron\n4,1,0\n", tmp_path, layout={"neurons": {"hid": [2, 1, 0]}})
    assert turned["hid", "spikes"].tolist() == [[0, 0, 4]]


def test_populations_by_name(tmp_path: Path) -> None:
    """A line may name a population; digits alone are an index, whatever populations are called."""
    text = "# population hid steps all neurons all\n# population in steps 0-3 neurons 0\n"
    found = listed(tiny(), f"{text}population,step,neuron\nhid,4,2\n1,6,0\n in ,0,0\n", tmp_path)
    assert found["hid", "spikes"].tolist() == [[1, 0, 4]] and found["in", "spikes"].tolist() == [[8]]
    net = Network(
        [Input("1", (1, 1, 2), 3, 7), FS("0", (2, 1, 1), fs_relu(3, 2), [1, -2]), Readout("a", (2, 1, 1))],
        [Dense("1", "0", [[1, 2], [3, -1]]), Dense("0", "a", [[1, -1], [0, 3]])],
    )
    trace = recorded(net, draw(net, 2), SPIKES)
    fsref.export(net, tmp_path / "a.aer", "aer", trace=trace)
    same(read_trace(tmp_path / "a.aer", net=net), trace)


HEAD = "step,population,neuron\n"
REFUSED = {
    "": ("AER-1", "columns: are no fields"),
    "step,neuron\n1,1": ("AER-1", "columns: do not say what an event is: step,neuron"),
    "step,step,population,neuron\n": ("AER-1", "columns: are no fields"),
    "step:3,population:3,neuron:3\n": ("AER-1", "words are numbers alone"),
    "0,0,0\n": ("AER-1", "columns: are no fields: 0,0,0"),
    HEAD: ("AER-2", "does not say what was observed"),
    HEAD + "4,1": ("AER-1", "event 0: is not a line of numbers: 4,1 (wanted step,population,neuron,"),
    HEAD + "4,1,0\n4,-1,0": ("AER-1", "event 1: is not a line of numbers: 4,-1,0"),
    HEAD + f"4,1,{'9' * 19}": ("AER-1", "event 0: is not a line of numbers"),
    HEAD + "4,1,0\n4,hidd,0": (
        "AER-1",
        "event 1: is not a line of numbers: 4,hidd,0 (wanted step,population,neuron, a ",
    ),
    HEAD + "hid,1,0": ("AER-1", "event 0: is not a line of numbers: hid,1,0"),
    "# population hidd steps all neurons all\n": ("AER-2", "wanted I steps all neurons all, or spans as 0-3,7; I a na"),
    f"# population {'9' * 64} steps all neurons all\n": ("AER-2", "says nothing of this network"),
    "# population hid steps all neurons all\n# population 1 steps all neurons all\n": ("AER-2", "is told twice: 1"),
    HEAD + "4,9,0": ("AER-1", "event 0: there is no such population: 9 (wanted 0..2)"),
    HEAD + "4,1,3": ("AER-1", "event 0: there is no such neuron: 3 (wanted 0..2)"),
    "step,population,x,y,c\n0,0,1,1,0\n0,0,2,0,0": ("AER-1", "event 1: there is no such x: 2 (wanted 0..1)"),
    HEAD + "4,1,0\n7,1,0": ("TRACE-4", "event 1: step is not one of its population: 7 (hid fires in steps 4..6)"),
    HEAD + "7,2,0": ("TRACE-4", "out never fires"),
    HEAD + "4,1,0\n5,1,0\n4,1,0": ("AER-1", "event 2: is told twice: image 0, step 4, population 1, neuron 0"),
    "# network 00\n": ("AER-2", "network: is another one"),
    "# images 0\n": ("AER-2", "images: is no number of images: 0"),
    "# images 1\nimage," + HEAD + "1,4,1,0": ("AER-2", "this image was not observed: 1"),
    "# layout [\n": ("AER-2", "layout: is no JSON object"),
    '# layout {"bits": "low", "bits": "high"}\n': ("AER-2", "layout: is no JSON object"),
    '# layout {"neurons": "cwh"}\n': ("LAYOUT-1", "layout neurons: unknown"),
    "# population 3 steps all neurons all\n": ("AER-2", "says nothing of this network"),
    "# population 1 all\n": ("AER-2", "says nothing of this network"),
    "# population 1 steps 3 neurons all\n": ("AER-2", "population 1 steps: are not there: 3"),
    "# population 1 steps all neurons 2-1\n": ("AER-2", "population 1 neurons: are not there: 2-1"),
    "# population 2 steps all neurons all\n" + HEAD: ("AER-2", "out never fires"),
    "# population 1 steps all neurons all\n" * 2: ("AER-2", "is told twice"),
    "# population 0 steps all neurons all\n" + HEAD + "4,1,0": ("AER-2", "this population was not observed: 1"),
    "# population 1 steps 5 neurons all\n" + HEAD + "4,1,0": ("AER-2", "this step was not observed: 4"),
    "# population 1 steps all neurons 0,2\n" + HEAD + "4,1,1": ("AER-2", "this neuron was not observed: 1"),
    "// fields step,population,neuron\n": ("AER-2", "fields: have no widths"),
    "// fields step:64,population:1,neuron:1\n": ("AER-1", "fields: make too wide a word: 66 (at most 63 bits)"),
    "// fields step:4,population:4,neuron:4\n4x2\n": ("LAYOUT-6", "word 0: is unknown"),
    "// fields step:3,population:3,neuron:3\n3ff\n": ("LAYOUT-6", "word 0: has more bits than a word"),
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[-40:]))
def test_what_is_refused(text: str, tmp_path: Path) -> None:
    """A list that is none, or not of this network, is refused by its event in one line."""
    rule, words = REFUSED[text]
    with refused(FileError, rule, says=words):
        listed(tiny(), text, tmp_path)


def test_bits_beside_the_fields(tmp_path: Path) -> None:
    """A word that a layout makes wider than its fields has nothing beside them."""
    told = '// layout {"word": 16}\n// fields step:4,population:4,neuron:4\n'
    assert listed(tiny(), told + "0412\n", tmp_path).image_count == 1
    with refused(FileError, "AER-1", says="event 0: has bits beside its fields"):
        listed(tiny(), told + "1412\n", tmp_path)


def test_what_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of no recording, one of no spikes or of another network, in fields that lose something, nothing is written."""
    net = tiny()
    trace = recorded(net, draw(net, 2), SPIKES)

    def save(trace: Trace | None, **more: Any) -> None:
        fsref.export(net, tmp_path / "a.aer", "aer", trace=trace, **more)

    with refused(UsageError, "AER-1", says="needs a recording"):
        save(None)
    with refused(UsageError, "AER-1", says="holds no spikes"):
        save(recorded(net, draw(net, 2), Record(observables=("codes",))))
    with refused(UsageError, "AER-1", says="is of another network"):
        save(recorded(residual(), draw(residual(), 1)))
    with refused(UsageError, "AER-1", says="leave out the image"):
        save(trace, fields=["step", "population", "neuron"])
    with refused(UsageError, "AER-1", "field step", "2 bits", says="is too narrow"):
        save(trace, fields={"step": 2, "population": 2, "neuron": 2, "image": 2})
    with refused(UsageError, "AER-1", "fields step", 0):
        save(trace, fields={"step": 0, "population": 2, "neuron": 2})
    for fields in (3, ["step"], ["step", "step", "population", "neuron"], {"step": 3}, {3: 4}):
        with refused(UsageError, "AER-1", "fields", says="do not say what an event is"):
            save(trace, fields=fields)
    with refused(UsageError, "LAYOUT-1", "fields", says="does not fit the words"):
        save(trace, layout={"word": 8}, fields=FIELDS["word"])
    monkeypatch.setattr(aer, "MAX_TEXT", 40)
    with refused(LimitError, "AER-1", says="is too long for one list"):
        save(trace)
    assert not list(tmp_path.iterdir())


def test_no_more_memory_than_allowed(tmp_path: Path) -> None:
    """An image far away takes no memory."""
    text = "image,step,population,neuron\n999999999999,4,1,0\n"
    with refused(LimitError, "RUN-3", says="needs more memory than allowed"):
        listed(tiny(), text, tmp_path)


@pytest.mark.parametrize("fields", ["image,step,population,x,y,c", "image:4,step:4,population:2,neuron:4"])
def test_a_wrong_spike_is_found(
    fields: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`fsref export` writes what `fsref diff` agrees with; without one spike of a population it says where."""
    monkeypatch.chdir(tmp_path)
    net = fsref.load(saved(tmp_path))
    made = f"export tiny.fs.npz --format aer --data x.npz --record hid --fields {fields} --out a.aer"
    assert main(made.split()) == 0 and main("diff tiny.fs.npz x.npz a.aer".split()) == 0
    text = Path("a.aer").read_text().splitlines(keepends=True)
    Path("a.aer").write_text("".join(text[:-1]))
    right = recorded(net, np.load("x.npz")["x"], Record("hid", "spikes")).events().tolist()
    assert read_trace("a.aer", net=net).events().tolist() == right[:-1]
    capsys.readouterr()
    image, step, _, neuron = right[-1]
    assert main("diff tiny.fs.npz x.npz a.aer".split()) == 1
    assert f"first in hid: image {image} step {step} neuron {neuron} " in capsys.readouterr().out


def accidents(folder: Path, count: int, fields: Sequence[Any]) -> tuple[int, set[str]]:
    """How many lists with an accident were read, and what was said of the others."""
    net, rng, read, told = tiny(), np.random.default_rng(5), 0, set()
    trace = recorded(net, draw(net, 3), Record(None, ("spikes",), [0, 1, 4, 5]))
    texts = []
    for number, each in enumerate(fields):
        fsref.export(net, folder / f"{number}.aer", "aer", trace=trace, layout={"neurons": "hwc"}, fields=each)
        texts.append((folder / f"{number}.aer").read_bytes())
    for _ in range(count):
        (folder / "m.aer").write_bytes(mutated(texts[int(rng.integers(len(texts)))], rng))
        try:
            found = address_events.read(net, folder / "m.aer", memory_limit=2**24)
            read += all(len(array) == found.image_count for array in found.arrays.values())
        except FsrefError as error:
            check_line(error)
            told.add(error.problem)
    return read, told


def test_mutated_lists(tmp_path: Path) -> None:
    """A list with an accident is read, or refused in one line."""
    count = 5000 if LONG else 200
    read, told = accidents(tmp_path, count, [FIELDS[name] for name in ("usual", "places", "word")])
    assert read > count // 20 and len(told) > 8


@settings(drawn, max_examples=1000 if LONG else 15)
@given(testing.cases(max_images=3), st.data())
def test_drawn_networks_come_back(monkeypatch: pytest.MonkeyPatch, case: testing.Case, data: st.DataObject) -> None:
    """The spikes of some neurons and steps, in a drawn layout and drawn fields, lie where the page says, come back, and
    written again are the same bytes.
    """
    monkeypatch.setattr(os, "fsync", lambda _: None)
    net, told = case.net, data.draw(layouts(case.net))
    some = {p.name: data.draw(st.sets(st.integers(0, p.neurons - 1), min_size=1)) for p in net.populations}
    steps = data.draw(st.one_of(st.none(), st.sets(st.integers(0, net.schedule.steps - 1), min_size=1)))
    trace = recorded(net, case.images, Record(data.draw(st.sampled_from([None, some])), ("spikes",), steps))
    names = data.draw(st.permutations(data.draw(st.sampled_from([aer.COLUMNS, (*aer.COLUMNS[:3], *aer.PLACE)]))))
    fields = data.draw(st.sampled_from([names, dict.fromkeys(names, 10)]))
    with TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("a.aer", "b.aer")]
        address_events.save(net, paths[0], trace, told, fields)
        found = read_trace(paths[0], net=net)
        address_events.save(net, paths[1], found, told, fields)
        texts = [path.read_bytes() for path in paths]
    assert texts[0] == texts[1]
    assert found.events().tolist() == trace.events().tolist()
    assert all(array.tolist() == trace[key].tolist() for key, array in found.arrays.items())
    assert set(found.arrays) == set(trace.arrays)
    if trace.selection.complete:
        text = [line for line in texts[0].decode().splitlines() if line[0] not in "#/"]
        assert text == lines(net, trace, told, fields)
