"""The page of `fsref view` holds what was recorded and what a dump said, within its size, and nothing of a file runs in
it (DEBUG).
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fsref
import handmade
from fsref import FS, Dense, Input, Network, Readout, Record, Trace, fs_relu, scale
from fsref.cli import main as cli
from fsref.errors import InputError, LimitError, UsageError
from fsref.reports import view_choice, view_differences
from fsref.reports.view_choice import choose
from fsref.reports.view_page import SpikePage
from fsref.verification.causes import Judged
from handmade import EVERYTHING
from refusals import error_of, refused
from test_page import EVIL, Reader

NETS = {**handmade.NETS, "dangling": handmade.dangling, "ladder": handmade.ladder}


class Page:
    """A page as a reader of its HTML finds it: what is told, and its integers."""

    def __init__(self, page: SpikePage) -> None:
        parts = re.findall(r"<script([^>]*)>(.*?)</script>", page.html, re.DOTALL)
        assert [kind for kind, _ in parts] == [
            ' type="application/json" id="told"',
            ' type="text/plain" id="integers"',
            "",
        ]
        self.told = json.loads(parts[0][1])
        self.memory = b64decode(parts[1][1], validate=True)
        self.script = parts[2][1]
        self.populations = {p["name"]: p for p in self.told["populations"]}

    def ints(self, place: list[Any]) -> list[int]:
        """The integers at a place."""
        kind, start, count = place
        found: list[int] = np.frombuffer(self.memory, f"<{kind}", count, start).tolist()
        return found


def made(net: Network, image: Any, **how: Any) -> Page:
    return Page(fsref.view(net, image, **how))


@pytest.mark.parametrize("name", NETS)
def test_the_page_holds_what_was_recorded(name: str) -> None:
    """Trains, opening membranes, biases, tables, weights, windows and geometry, of every kind of population and
    projection, are those of the network and its recording.
    """
    net = NETS[name]()
    x = handmade.draw(net, 2, seed=3)[1]
    trace, page = handmade.recorded(net, x[None]), made(net, x)
    assert list(page.populations) == [p.name for p in net.populations]
    assert page.told["steps"] == net.schedule.steps
    for p in net.populations:
        told = page.populations[p.name]
        assert (told["kind"], tuple(told["shape"]), told["steps"]) == (p.kind, p.shape, net.steps[p.name])
        assert (told["start"], told["channels"]) == (net.schedule.start[p.name], None)
        for key, observable in (("trains", "spikes"), ("opening", "opening")):
            if (p.name, observable) in trace.arrays:
                assert page.ints(told[key]) == trace[p.name, observable][0].tolist()
            else:
                assert key not in told
        if "opening" in told:
            assert page.ints(told["bias"]) == p.bias.ravel().tolist()  # type: ignore[union-attr]
        if net.steps[p.name]:
            d = np.array(page.ints(told["d"])).reshape(-1, net.steps[p.name])
            assert (np.broadcast_to(d, net.code_weights[p.name].shape) == net.code_weights[p.name]).all()
            spikes = [sum(int(train) >> shift & 1 for train in trace[p.name, "spikes"][0])
                      for shift in reversed(range(net.steps[p.name]))]  # fmt: skip
            assert told["fired"] == spikes
        if p.kind == "fs":
            assert page.ints(told["T"]) == p.table.T.ravel().tolist()  # type: ignore[union-attr]
            assert page.ints(told["h"]) == p.table.h.ravel().tolist()  # type: ignore[union-attr]
        for field in ("kernel", "stride", "padding", "source"):
            assert field not in told or told[field] in (getattr(p, field), [*getattr(p, field)])
        if p.kind == "view":
            assert [page.ints(told[axis]) for axis in ("rows", "columns")] == [p.rows.tolist(), p.columns.tolist()]  # type: ignore[union-attr]
    assert [q["name"] for q in page.told["projections"]] == list(net.named_projections)
    for told, q in zip(page.told["projections"], net.projections, strict=True):
        assert page.ints(told["weights"]) == q.weights.ravel().tolist()
        assert (told["source"], told["target"]) == (q.source, q.target)
        for field in ("stride", "padding", "dilation", "groups", "pooled", "by"):
            assert (field in told) == (field in {own.name for own in fields(q)})
            assert field not in told or told[field] in (getattr(q, field), list(np.ravel(getattr(q, field))))


def test_integers_are_packed_as_small_as_they_are() -> None:
    """Trains of 8 steps take a byte and of 9 two, beyond 53 bits a number takes 64, and each array begins where its
    type may lie.
    """
    wide = 2**60
    net = Network(
        [Input("in", (1, 1, 1), 8, 255), FS("a", (1, 1, 1), fs_relu(9), [wide + 1]), Readout("out", (1, 1, 1))],
        [Dense("in", "a", [[1]]), Dense("a", "out", [[-3]])],
    )
    page = made(net, np.full((1, 1, 1), 255))
    a = page.populations["a"]
    assert (a["trains"][0], a["opening"][0], a["d"][0]) == ("u2", "i8", "i2")
    assert page.ints(a["opening"]) == [wide + 256]
    assert page.populations["in"]["trains"][0] == "u1"
    places = [v for p in page.told["populations"] for v in p.values() if isinstance(v, list) and isinstance(v[0], str)]
    assert places and all(place[1] % 8 == 0 for place in places)


def test_a_page_runs_its_own_script_alone() -> None:
    """Whatever names say, the page has three script elements, two of which are data; its policy allows the third by its
    hash, nothing from anywhere, and no handler stands in it.
    """
    names = f"{EVIL}</script><!--<script>\u202e\x1b[31m\u2028"
    net = replace(handmade.tiny(), name=names, classes=(names, names + "2"))
    page = fsref.view(net, handmade.draw(net, 1)[0])
    read, parts = Reader(page.html.replace("<input ", "<meta ")), Page(page)
    content = next(a["content"] for tag, a in read.tags if a.get("http-equiv"))
    digest = b64encode(sha256(parts.script.encode()).digest()).decode()
    assert content == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'"
    )
    assert not {tag for tag, _ in read.tags} & {"iframe", "object", "embed", "img", "base", "form", "link", "a"}
    for _, attributes in read.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "href", "srcdoc")]
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page.html)
    assert not {"\x1b", "\u202e", "\u2028"} & set(page.html) and "<script>alert" not in page.html
    assert all("alert('&1')" in name and name.isprintable() for name in parts.told["classes"])
    assert "innerHTML" not in parts.script and "eval" not in parts.script


def test_a_notebook_shows_the_page_in_a_frame_of_its_own(tmp_path: Path) -> None:
    """The frame may run scripts and nothing else, and holds the very page that is saved."""
    net = handmade.tiny()
    page = fsref.view(net, handmade.draw(net, 1)[0])
    ((tag, attributes),) = Reader(page._repr_html_()).tags
    assert (tag, attributes["sandbox"], attributes["srcdoc"]) == ("iframe", "allow-scripts", page.html)
    page.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes().decode() == page.html and page.nbytes == len(page.html.encode())
    assert f"image 0, a page of {page.nbytes / 10**6:.2f} MB" in str(page)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 256, 256), (1, 1, 65_536)])
def test_images_of_any_size_have_a_page(shape: tuple[int, int, int]) -> None:
    """Images of one pixel and of 65,536, and a recording without a spike."""
    net = Network(
        [Input("in", shape, 1, 1), FS("a", shape, fs_relu(2, 100)), Readout("out", (1, 1, 1))],
        [scale("in", "a", [1]), Dense("a", "out", [[1]], pooled=True)],
    )
    page = made(net, np.zeros(shape, np.int64))
    assert page.populations["a"]["fired"] == [0, 0]
    assert len(page.ints(page.populations["a"]["opening"])) == shape[1] * shape[2]


def test_what_is_too_large_is_chosen_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond 256 populations these are taken evenly, beyond the room for integers channels, and weights last; what is
    left out is said. One channel of each that does not fit is refused.
    """
    chain = [FS(f"p{k}", (1, 1, 1), fs_relu(1)) for k in range(600)]
    net = handmade.chain(*chain)
    chosen = choose(net)
    assert len(chosen.channels) == 256 and {"in", "out"} < chosen.channels.keys()
    assert dict(chosen.left_out)["populations"] == "256 of 602, evenly from first to last"
    assert {"p299", "p300"} < choose(net, first=("p300", 0)).channels.keys()
    net = handmade.residual()
    whole = choose(net)
    assert whole.left_out == () and whole.synapses == {"stem", "mid", "sum", "out"}
    monkeypatch.setattr(view_choice, "ROOM", whole.nbytes - 1)
    fewer = choose(net)
    assert len(fewer.synapses) == 3 and "not of out" in dict(fewer.left_out)["synapses"]
    monkeypatch.setattr(view_choice, "ROOM", 800)
    some = choose(net, first=("stem", 3 * 42 + 5))
    assert {name: own.tolist() for name, own in some.channels.items()}["stem"] == [0, 3]
    assert some.neurons(net["stem"]).tolist() == [*range(42), *range(126, 168)]  # type: ignore[union-attr]
    assert "stem = 2 of 4" in dict(some.left_out)["channels"]
    monkeypatch.setattr(view_choice, "ROOM", 100)
    with refused(LimitError, "DEBUG-2"):
        choose(net)


@pytest.mark.parametrize("name", ["residual", "gated"])
def test_whatever_room_there_is_is_kept_to(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Never more bytes than there is room for, and synapses only of populations that read what is there whole."""
    net = NETS[name]()
    cut = set()
    for room in np.linspace(choose(net).nbytes, 1, 12).astype(int).tolist():
        monkeypatch.setattr(view_choice, "ROOM", room)
        try:
            chosen = choose(net)
        except LimitError:
            break
        assert chosen.nbytes <= room
        some = {own for own, channels in chosen.channels.items() if len(channels) < net[own].shape[0]}
        assert not {target for target in chosen.synapses if some & {*net.sources(target)}}
        page = made(net, handmade.draw(net, 1)[0])
        assert len(page.memory) <= room + 8 * 8 * len(net.populations) + 8 * len(net.projections)  # aligned
        assert {q["target"] for q in page.told["projections"]} == chosen.synapses
        cut |= some
    assert cut


def test_hundreds_of_populations_have_a_page() -> None:
    """Of 700 populations 256 are shown, beside a dump the wrong one among them."""
    chain = [FS(f"p{k}", (1, 1, 1), fs_relu(1)) for k in range(698)]
    net = handmade.chain(*chain, given=Input("in", (1, 1, 1), 1, 1))
    x = np.ones((1, 1, 1, 1), np.int64)
    dump = handmade.recorded(net, x, Record(["p77"], ("spikes",)))
    dump["p77", "spikes"][0, 0] ^= 1
    page = made(net, x[0], dump=dump, engine="reference")
    assert {"p76", "p77"} < page.populations.keys() and len(page.populations) <= 258
    assert page.ints(page.populations["p77"]["wrong"]) == [0]


def test_the_page_of_resnet_20_is_small() -> None:
    """Below 5 MB, with all populations, channels and weights."""
    net = fsref.load("resnet20")
    page = fsref.view(net, fsref.load_images("drawn:1", net).x[0])
    assert page.nbytes < 5 * 10**6 and page.chosen.left_out == ()
    assert {q["name"] for q in Page(page).told["projections"]} == set(net.named_projections)


def test_named_populations_come_with_what_they_read() -> None:
    net = handmade.gated()
    assert list(choose(net, "slow").channels) == ["in", "map", "one", "all", "slow"][1:]
    assert list(choose(net, ["in"]).channels) == ["in"]
    for wrong in (["sloww"], [], 3, [3], [["slow"]]):
        with refused(UsageError, "DEBUG-2"):
            choose(net, wrong)  # type: ignore[arg-type]


@pytest.fixture
def unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    """No causes are composed: that takes long, and is tested where it is done."""
    monkeypatch.setattr("fsref.verification.differences.judged_alone", lambda *given: Judged())


def broken(net: Network, x: Any, record: Record = EVERYTHING) -> Trace:
    """A recording with three faults in image 1: a train, an opening membrane, a logit."""
    trace = handmade.recorded(net, x, record)
    trace["sum", "spikes"][1, 7] ^= 0b010001
    trace["mid", "opening"][1, [40, 3]] += [5, -1]
    trace["out", "opening"][1, 2] -= 9
    return trace


@pytest.mark.usefixtures("unjudged")
def test_a_dump_is_shown_where_it_differs() -> None:
    """Every array of the dump, and of each neuron that differs the steps that do, what was observed and what is right,
    in the order of the first difference; the image is the first that differs.
    """
    net = handmade.residual()
    x = handmade.draw(net, 3)
    right, dump = handmade.recorded(net, x), broken(net, x)
    page = made(net, x, dump=dump)
    assert page.populations["in"]["trains"] and page.ints(page.populations["stem"]["wrong"]) == []
    assert page.ints(page.populations["in"]["trains"]) == right["in", "spikes"][1].tolist()  # of image 1
    own = {name: page.ints(told["wrong"]) for name, told in page.populations.items()}
    assert own == {"in": [], "stem": [], "pool": [], "mid": [3, 40], "sum": [7], "out": [2]}
    parts = {part["observable"]: part for part in page.populations["sum"]["parts"] if not part["of"]}
    assert list(parts) == ["opening", "spikes", "membranes", "codes"]
    assert page.ints(parts["spikes"]["wrong"]) == [0b010001] and parts["spikes"]["seen"] == 63
    assert page.ints(parts["spikes"]["observed"]) == [int(dump["sum", "spikes"][1, 7])]
    assert page.ints(parts["spikes"]["right"]) == [int(right["sum", "spikes"][1, 7])]
    assert page.ints(parts["codes"]["wrong"]) == [0] and parts["codes"]["seen"] == 1
    mid = next(part for part in page.populations["mid"]["parts"] if part["observable"] == "opening")
    assert page.ints(mid["observed"]) == dump["mid", "opening"][1, [3, 40]].tolist()
    rows = {row["population"]: row for row in page.told["differing"]}
    assert {name: (row["differing"], row["neurons"], row["neuron"]) for name, row in rows.items()} == {
        "mid": (2, 2, 3),
        "sum": (2, 1, 7),
        "out": (1, 1, 2),
    }
    expected, told = right["mid", "opening"][1, 3], dump["mid", "opening"][1, 3]
    assert rows["mid"]["first"] == f"neuron 3 opening: observed {told} expected {expected} [NET-6]"


@pytest.mark.usefixtures("unjudged")
def test_neurons_that_differ_stand_in_the_order_of_their_first_difference() -> None:
    """As OBS-2 orders them: by observable, step and neuron, found by asking for one difference after the other."""
    net = handmade.residual()
    x = handmade.draw(net, 1)
    right, dump = handmade.recorded(net, x), handmade.recorded(net, x)
    rng = np.random.default_rng(4)
    for observable in ("opening", "spikes", "membranes", "codes"):
        array = dump["mid", observable]
        array ^= np.where(rng.random(array.shape) < 0.1, rng.integers(1, 16, array.shape), 0).astype(array.dtype)
    page = made(net, x[0], dump=dump)
    found = page.ints(page.populations["mid"]["wrong"])
    for neuron in found:
        first = fsref.diff(dump, right)
        assert first is not None and first.neuron == neuron
        for observable in ("opening", "spikes", "membranes", "codes"):
            dump["mid", observable][..., neuron] = right["mid", observable][..., neuron]
    assert fsref.diff(dump, right) is None and len(found) > 20


def partial(net: Network, x: Any) -> Trace:
    """Three neurons of mid in two steps: a spike that is x, one that was not seen, a membrane that is wrong."""
    start = net.schedule.start["mid"]
    trace = handmade.recorded(net, x, Record({"mid": [2, 5, 9]}, ("spikes", "membranes"), [start + 1, start + 3]))
    seen = {("mid", "spikes"): np.array([[0b01010, 0b01010, 0b01000]], np.uint16)}
    unknown = {("mid", "spikes"): np.array([[0, 0b01000, 0]], np.uint16)}
    trace["mid", "spikes"][0, 2] ^= 0b00010  # not seen
    trace["mid", "membranes"][0, 1, 2] += 1
    return replace(trace, seen=seen, unknown=unknown)


def test_a_partial_dump_says_what_was_seen() -> None:
    """Some neurons, some steps and an x: seen is told of each neuron, in which steps; what was not is no difference."""
    net = handmade.residual()
    x = handmade.draw(net, 1)
    word = int(handmade.recorded(net, x)["mid", "spikes"][0, 5])
    page = made(net, x[0], dump=partial(net, x))
    told = page.populations["mid"]
    spikes, membranes = told["parts"]
    assert page.ints(spikes["seen"]) == [{2: 10, 5: 10, 9: 8}.get(n, 0) for n in range(48)]
    assert page.ints(membranes["seen"]) == [{2: 10, 5: 10, 9: 10}.get(n, 0) for n in range(48)]
    assert page.ints(told["wrong"]) == [5, 9]
    assert page.ints(spikes["unknown"]) == page.ints(spikes["wrong"]) == [0b01000, 0]
    assert page.ints(spikes["right"])[0] == word & 0b01010
    assert page.ints(membranes["wrong"]) == [0, 0b00010]
    rows = np.array(page.ints(membranes["observed"])).reshape(2, 5)
    assert (rows[1] - np.array(page.ints(membranes["right"])).reshape(2, 5)[1]).tolist() == [0, 0, 0, 1, 0]
    assert "wrong" not in page.populations["stem"]


def test_observed_integers_are_told_of_so_many_neurons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more neurons that differ than there is room for, the first ones have their integers; the others are marked."""
    monkeypatch.setattr(view_differences, "LEAST", 2)
    monkeypatch.setattr("fsref.reports.view.LEAST", 2)
    monkeypatch.setattr("fsref.reports.view.LISTED", 5)
    net = handmade.residual()
    x = handmade.draw(net, 1)
    dump = handmade.recorded(net, x, Record(["mid"], ("codes", "spikes")))
    dump["mid", "codes"][0] += 1
    page = made(net, x[0], dump=dump)
    told = page.populations["mid"]
    assert page.told["listed"] == 5 and len(page.ints(told["wrong"])) == 48
    codes = told["parts"][1]
    assert len(page.ints(codes["wrong"])) == 48 and len(page.ints(codes["observed"])) == 5


def test_a_dump_of_no_such_image_is_refused() -> None:
    net = handmade.residual()
    x = handmade.draw(net, 3)
    dump = broken(net, x[:2])
    assert fsref.view(net, x, dump, image=0).differing == []
    assert "agrees" in str(fsref.view(net, x, dump, image=0))
    with refused(UsageError, "DEBUG-3"):
        fsref.view(net, x, dump, image=2)
    for number in (3, True, 1.0, np.array([0, 1])):
        with refused(UsageError, "DEBUG-1"):
            fsref.view(net, x, image=number)  # type: ignore[arg-type]
    with refused(InputError, "RUN-1"):
        fsref.view(net, x[:, :1])
    with refused(UsageError, "DEBUG-3", says="neither a recording nor a path: dict"):
        fsref.view(net, x, {})  # type: ignore[arg-type]


def test_one_image_in_every_form_is_the_same_page() -> None:
    """(H, W), (C, H, W) and (B, C, H, W), where there is one image of one channel."""
    net = handmade.tiny()
    x = handmade.draw(net, 1)
    pages = {fsref.view(net, form).html for form in (x, x[0], x[0, 0], x.tolist())}
    assert len(pages) == 1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network, four images, and the dump of a device that is wrong in image 2 alone."""
    handmade.saved(tmp_path)
    net = handmade.tiny()
    dump = handmade.recorded(net, handmade.draw(net, 4))
    dump["hid", "codes"][2, 1] += 1
    np.savez(tmp_path / "dump.npz", **{".".join(key): array for key, array in dump.arrays.items()})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_view_writes_a_page_and_says_its_size(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first image unless told, the first that differs with a dump; exit code 1 where something differs."""
    assert cli.main(["view", "tiny.fs.npz", "x.npz"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"image 0, a page of 0\.\d\d MB\n.*\n\nwritten  view\.html\n", out, re.DOTALL)
    assert "image 0 of x.npz" in Path("view.html").read_text(encoding="utf-8")
    assert cli.main(["view", "tiny.fs.npz", "x.npz", "--dump", "dump.npz", "-o", "wrong.html"]) == 1
    out = capsys.readouterr().out
    assert re.search("DIFFERS +first in hid: image 2 neuron 1", out) and out.endswith("written  wrong.html\n")
    assert "image 2 of x.npz" in Path("wrong.html").read_text(encoding="utf-8")
    more = ["--dump", "dump.npz", "--image", "0", "-o", "right.html", "--json"]
    assert cli.main(["view", "tiny.fs.npz", "x.npz", *more]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["image"], told["first"], told["out"]) == (0, None, "right.html")
    assert told["byte_count"] == Path("right.html").stat().st_size


def test_the_page_is_there_before_anything_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody reads what the command says, such as `fsref view ... | true`, it has written the page."""

    def closed(*given: Any) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("fsref.cli.view.show", closed)
    with suppress(BrokenPipeError):
        cli.main(["view", "tiny.fs.npz", "x.npz"])
    assert Path("view.html").read_bytes().endswith(b"</html>\n")


def test_an_image_file_is_a_source(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("one.npy", handmade.draw(handmade.tiny(), 1)[0])
    assert cli.main(["view", "tiny.fs.npz", "one.npy"]) == 0
    assert "image 0, a page of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--image", "4"], "--image: no such image: 4"),
        (["--images", "0"], "--images: goes with --dump"),
        (["--population", "hidd"], "unknown population: hidd (did you mean hid?)"),
        (["--dump", "none.npz"], "none.npz"),
        (["--dump", "dump.npz", "-o", "dump.npz", "--force"], "--out: would replace another file of this command"),
        (["-o", "x.npz", "--force"], "--out: would replace another file of this command"),
        (["-o", "no/page.html"], "--out: there is no such folder"),
        (["-o", "dump.npz"], "--out: is there already"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], says: str
) -> None:
    """One line, exit code 2, nothing written."""
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert cli.main(["view", "tiny.fs.npz", "x.npz", *more]) == 2
    out, err = capsys.readouterr()
    assert out == "" and says in error_of(err) and error_of(err).count("\n") == 1
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
