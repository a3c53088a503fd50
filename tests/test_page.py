"""Reports (COUNT-7): the page is whole, loads nothing and escapes everything; its plots are labelled; tables render; a
real browser shows it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import fsref
import handmade
import nodes
import refusals
import test_answers
import test_outputs
from fsref.cli import main as cli
from fsref.errors import FileError, UsageError
from fsref.formats.sources import ImageSet
from fsref.law.network import Network
from fsref.law.neuron import fs_relu, relu_theta
from fsref.metrics.energy import PRESETS, energy
from fsref.rate_coding.score import rate_score
from fsref.rate_coding.twin import rate_coded
from fsref.reports.evaluation import Evaluation, examine, known_float_accuracy
from fsref.reports.page import POLICY, page, write_page
from fsref.reports.panels import spread
from fsref.reports.pictures import WIDTH, rendered
from fsref.reports.plots import plots, write_plots
from fsref.reports.populations import busiest, clipping
from fsref.tables import Sheet, cell
from fsref.verification.outputs import output_errors
from refusals import error_of

EVIL = "<script>alert('&1')</script>"
PLOTS = ["accuracy", "confusion", "energy", "schedule", "spikes", "maps", "raster", "codes", "clipped", "busiest"]
ANSWERS = ["accuracy", "classes", "confused", "wrong", "energy", "rate"]
SECTIONS = [*ANSWERS, *PLOTS[3:], "counts", "populations", "margins", "network", "provenance"]
VOID = {"meta", "img"}

pytest.importorskip("matplotlib")


def evaluation(net: Network | None = None, count: int = 5) -> Evaluation:
    """An evaluation whose every text from outside is an attack."""
    net = handmade.residual(fs_relu(5, 9)) if net is None else net
    net = replace(
        net, name=EVIL, classes=[EVIL] * net.readout.shape[0], provenance={EVIL: [EVIL, 1], "float_accuracy": 0.75}
    )
    x = handmade.draw(net, count)
    labels = fsref.run(net, x).predictions
    labels[0] = (labels[0] + 1) % net.class_count
    images = ImageSet(x, labels, (EVIL,) * count)
    score = fsref.evaluate(net, images.x, images.y, threads=1)
    costs, rate = PRESETS["horowitz_2014"], None
    if all(relu_theta(p.table) is not None for p in net.fs):  # only such a network has a twin (RATE-1)
        rate = rate_score(
            rate_coded(net, "best", "nearest").run(x, 400, checkpoints=[1, 2, 400], threads=1), images.y, costs
        )
    return examine(
        score, images, EVIL, energy=energy(score.counts, costs), float_accuracy=known_float_accuracy(net), rate=rate
    )


@pytest.fixture(scope="module")
def seen() -> Evaluation:
    return evaluation()


@pytest.fixture(scope="module")
def html(seen: Evaluation) -> str:
    return page(seen)


class Reader(HTMLParser):
    """Reads a page, refuses tags that do not meet, gathers what a test asks for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_is_whole_and_loads_nothing(seen: Evaluation, html: str) -> None:
    """Every section is there, nothing is fetched or run, no id stands twice and each reference meets one, and every
    text from outside is text.
    """
    read = Reader(html)
    ids = [a["id"] for _, a in read.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    assert [a["id"] for tag, a in read.tags if tag == "section"] == SECTIONS
    assert not {tag for tag, _ in read.tags} & {
        "script",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "foreignobject",
        "link",
    }
    for _, attributes in read.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            link = attributes.get(name) or "#"
            assert link.startswith(("#", "data:image/png;base64,"))
            assert link[1:] in ids or link == "#" or not link.startswith("#")
    assert set(re.findall(r"url\(#([^)]*)\)", html)) <= set(ids)
    assert {a.get("content") for tag, a in read.tags if a.get("http-equiv")} == {POLICY}
    assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", html))
    assert EVIL not in html
    assert read.text.count(EVIL) >= 6  # title, heading, source, image, provenance: key and value
    assert html == page(seen)


def test_a_page_says_what_was_found(seen: Evaluation, html: str) -> None:
    text = " ".join(Reader(html).text.split())
    score = seen.score
    assert seen.rate is not None and seen.rate.energy_pj_per_image is not None
    for said in (
        f"{score.latency_steps} steps",
        f"{score.spikes_per_neuron:.3f}",
        f"{int(score.counts.total.memory_reads):,}",
        seen.net.id,
        "float network on 75.00 %, as the network's file tells, perhaps of other images",
        (f"{100 * seen.rate.accuracy[-1]:.2f} % after 400 steps"),
        "all layers in the same tick",
        f"{seen.rate.energy_pj_per_image[-1]:,.1f}",
        "ISSCC 2014",
    ):
        assert said in text


def test_every_axis_is_labelled_with_its_unit(seen: Evaluation) -> None:
    """Each plot has a title, a sentence, and on every axis of values a label with its unit; axes of
    populations and networks have no unit.
    """
    drawn = plots(seen)
    assert [plot.name for plot in drawn] == PLOTS
    units = (
        r"\((steps|pixels|neurons|integer|%|% of images|class)\)|(spikes|SynOps).* per "
        r"(image|neuron and image)|share of neurons and images \(%\)|per image$|energy per image \(.J\)"
    )
    for plot in drawn:
        assert plot.title and plot.sentence.endswith(".")
        figure = plot.figure
        shared = {figure.get_supxlabel(), figure.get_supylabel()} - {""}
        for axes in figure.axes:
            hidden = not any(label.get_visible() for label in axes.get_xticklabels())
            labels = [
                axes.get_xlabel() or (None if hidden or shared or axes.get_label() == "<colorbar>" else "no label"),
                axes.get_ylabel(),
            ]
            for label in {*labels, *shared} - {"", None}:
                assert re.search(units, label) or label.startswith(("population", "network")), (plot.name, label)
        named = plot.name == "energy"  # its bars have their names
        assert (
            shared
            or named
            or all(axes.get_ylabel() or axes.get_shared_y_axes().joined(axes, figure.axes[0]) for axes in figure.axes)
        )


def test_the_same_plots_are_files(seen: Evaluation, tmp_path: Path) -> None:
    """Each plot of the page as an SVG that parses, the same bytes each time, in a folder that was not there; else
    nothing is written.
    """
    names = write_plots(seen, tmp_path / "plots")
    assert names == [f"{plot.name}.svg" for plot in plots(seen)]
    assert sorted(p.name for p in (tmp_path / "plots").iterdir()) == sorted(names)
    write_plots(seen, tmp_path / "again")
    for name in names:
        data = (tmp_path / "plots" / name).read_bytes()
        assert ElementTree.fromstring(data).tag == "{http://www.w3.org/2000/svg}svg"
        assert data == (tmp_path / "again" / name).read_bytes()
    for target in ("plots", "no/such"):
        with refusals.refused(UsageError, "RUN-5"):
            write_plots(seen, tmp_path / target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again", "plots"]


def test_a_page_is_written_whole_or_not_at_all(
    seen: Evaluation, html: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    write_page(seen, path)
    assert path.read_text(encoding="utf-8") == html
    monkeypatch.setattr(
        "fsref.formats.files.os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with refusals.refused(FileError, "COUNT-7"):
        write_page(seen, tmp_path / "other.html")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("make", [handmade.tiny, handmade.unordered, handmade.dangling])
def test_networks_of_all_kinds_have_a_page(make: Any) -> None:
    """No places, no spikes, no FS-ReLU, no energy, one point of accuracy, one image, populations that outlast the
    logits: what is not there is left out.
    """
    full = evaluation(make(), 1)
    known = replace(full, energy=None, float_accuracy=None, rate=None)
    ids = [a["id"] for tag, a in Reader(page(known)).tags if tag == "section"]
    left_out = ["accuracy", "energy", "rate", *["clipped"] * (make is handmade.unordered)]
    assert [s for s in SECTIONS if s not in ids] == left_out


def test_a_silent_network_has_a_page() -> None:
    net = Network(
        [
            fsref.Input("in", (1, 1, 1), 1, 1),
            fsref.FS("fs", (1, 1, 1), fsref.fs_relu(2, 100)),
            fsref.Readout("out", (1, 1, 1)),
        ],
        [fsref.Dense("in", "fs", [[1]]), fsref.Dense("fs", "out", [[0]])],
    )
    images = ImageSet(np.zeros((2, 1, 1, 1), np.int64), np.zeros(2, np.int64), ("a", "b"))
    score = fsref.evaluate(net, images.x, images.y)
    read = Reader(page(examine(score, images, energy=energy(score.counts, PRESETS["horowitz_2014_arithmetic"]))))
    ids = [a["id"] for _, a in read.tags if a.get("id")]
    assert len(ids) == len(set(ids))  # pictures that are the same, too


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (1_000, [c * 13 for c in range(70)]),  # each image of another class
        (5, [3] * 6),  # of one class alone
        (5, [2]),  # one image
        (1, [0, 1, 1]),  # a single logit
        (5, None),
    ],
)
def test_classes_of_any_number_have_a_page(classes: int, labels: list[int] | None) -> None:
    """Up to 40 classes are listed, of more the least accurate; what is taken for what is a map of 2 to 20 classes, else
    pairs; the images that are wrong stand there, 24 at most; without labels there is none of this.
    """
    net = replace(test_answers.classifier(classes), name=EVIL)
    if classes > 1:
        net = replace(net, classes=[f"{EVIL} {c}" for c in range(classes)])
    x = handmade.draw(net, len(labels or (0,) * 3))
    images = ImageSet(x, None if labels is None else np.asarray(labels), (EVIL,) * len(x))
    seen = examine(fsref.evaluate(net, images.x, images.y, threads=1), images)
    made = page(seen)
    read = Reader(made)
    ids = [a["id"] for tag, a in read.tags if tag == "section"]
    assert ("classes" in ids) == ("confused" in ids) == ("wrong" in ids) == (labels is not None)
    assert EVIL not in made
    if labels is None or seen.by_class is None or seen.mistakes is None:
        return
    sections = dict(re.findall(r'<section id="(\w+)">(.*?)</section>', made, re.DOTALL))
    assert sections["wrong"].count("<img ") == min(24, len(labels) - seen.score.correct)
    assert sections["classes"].count("<tr>") == 1 + min(40, len(set(labels)))
    drawn = [plot.name for plot in plots(seen)]
    assert ("confusion" in drawn) == ("<svg" in sections["confused"]) == (classes != 1_000)
    assert "accuracy" not in drawn  # one point is no figure


def test_a_page_tells_why_losses_are_not_told() -> None:
    """A float graph that the populations do not meet is one sentence; one that they do is a figure and a table."""
    graph, x = nodes.residual(), nodes.drawn(6)
    net = fsref.convert(graph, x, steps=4)
    for own, found in ((net, True), (handmade.residual(), False)):
        images = ImageSet(handmade.draw(own, 3), None, ("a", "b", "c"))
        seen = examine(fsref.evaluate(own, images.x, None, threads=1), images, graph=graph)
        section = re.findall(r'<section id="losses">.*?</section>', page(seen), re.DOTALL)[0]
        assert ("<svg" in section and "jump" in section) == found
        assert ("cannot be told" in section) != found


def test_long_numbers_of_an_axis_do_not_touch(seen: Evaluation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Millions of SynOps below a panel stand apart from one another, and a share too small for two digits is no 0."""
    millions = dict.fromkeys(seen.net.named_projections, 4000000.0)
    monkeypatch.setattr(type(seen.score), "synops_by_projection", property(lambda _: millions))
    (_, axes) = (figure := busiest(seen, WIDTH).figure).axes
    rendered(figure, "png")
    boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
    assert all(left.x1 + 4 <= right.x0 for left, right in pairwise(boxes))
    monkeypatch.setattr(type(seen), "clipped", lambda *_: 3e-5)
    plot = clipping(seen, WIDTH)
    assert plot is not None and plot.sentence.endswith(", <0.01 %.")


def test_the_clipped_share_is_of_membranes_beyond_the_last_code(seen: Evaluation) -> None:
    net = seen.net
    for name, theta in (("stem", [3, 5, 2, 7]), ("mid", [9] * 4), ("sum", [4] * 4)):
        channels, height, width = net[name].shape
        v = seen.recorded(name, "opening").tolist()
        beyond = sum(
            v[b][n] // theta[n // (height * width)] > 2 ** net.steps[name] - 1
            for b in range(len(v))
            for n in range(len(v[b]))
        )
        assert seen.clipped(name) == beyond / (len(v) * channels * height * width)
    assert seen.clipped("pool") is None and evaluation(handmade.residual(), 1).clipped("mid") is None


def test_float_accuracy_of_the_provenance() -> None:
    def told(**provenance: Any) -> float | None:
        return known_float_accuracy(handmade.tiny(provenance=provenance))

    assert told(float_accuracy=0.5) == 0.5
    assert told(float_accuracy=0.5, scored={"float_correct": 3, "images": 4}) == 0.75
    assert (told(), told(float_accuracy="1"), told(float_accuracy=True), told(float_accuracy=99.0)) == (None,) * 4
    assert told(scored={"float_correct": None, "images": 4}) is told(scored=3) is None


def test_panels_are_spread_evenly() -> None:
    names = [str(i) for i in range(100)]
    assert (spread(names[:7], 24), spread(names, 3), len(spread(names, 24))) == (names[:7], ["0", "50", "99"], 24)


def test_tables_print_and_render(seen: Evaluation) -> None:
    """Network, Result, Score, RateScore, Counts and Energy are one table each, as text and as HTML, with everything
    escaped.
    """
    for thing in (seen.net, seen.sample, seen.score, seen.score.counts, seen.energy, seen.rate):
        html = thing._repr_html_()  # type: ignore[union-attr]
        read = Reader(html)
        assert [tag for tag, _ in read.tags].count("table") == 1 and EVIL not in html and EVIL in read.text
        sheet, text = thing.sheet(), str(thing)  # type: ignore[union-attr]
        cells = [cell(value) for row in (sheet.head, *sheet.rows) for value in row]
        assert not {c for c in cells if c not in read.text}
        assert not {word for c in cells for word in c.split() if word not in text.split()}
        rules = [line for line in text.splitlines() if set(line) == {"-"}]
        assert rules and max(map(len, text.splitlines())) <= 80


def test_a_sheet_by_hand() -> None:
    sheet = Sheet("a <b>", ("x", "n"), [("p&q", 1234), (None, 2)], above=[("k", "v")], below=[("longer", "w")])
    assert str(sheet) == "a <b>\n\nk  v\n\nx        n\n----------\np&q  1,234\n         2\n\nlonger  w"
    assert "<caption>a &lt;b&gt;</caption>" in sheet.html()
    assert ">p&amp;q</td>" in sheet.html()
    assert ">1,234</td>" in sheet.html()


def test_words_of_a_table_are_set_left() -> None:
    """A column of HTML whose words fill lines is set left, in no narrow strip; numbers, however long, are set right."""
    html = Sheet(
        "a", ("x", "n", "why"), [("p", "-1 .. 1" * 9, "1: a weight of 0 makes no synapse, whatever comes")]
    ).html()
    assert re.findall(r'<td style="([^"]*)">', html) == [
        "text-align:left",
        "text-align:right",
        "text-align:left;min-width:16em",
    ]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    handmade.saved(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_evaluate_writes_a_report(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`fsref evaluate --energy --html --plots`, and what stops it before the work: one line, exit code 2, nothing
    written.
    """
    base = ["evaluate", "tiny.fs.npz", "--data", "x.npz"]
    assert cli.main([*base, "--energy", "horowitz_2014", "--html", "r.html", "--plots", "p"]) == 0
    assert "fs_energy_pj " in capsys.readouterr().out
    assert "energy per image" in Reader(Path("r.html").read_text(encoding="utf-8")).text
    assert Path("p/energy.svg").is_file() and not Path("p/accuracy.svg").exists()
    before = sorted(p.name for p in model.rglob("*"))
    same = ["--html", "same", "--plots", "./same"]
    for wrong in (
        ["--html", "no/r.html"],
        ["--html", "."],
        ["--plots", "p"],
        same,
        ["--energy", "solar"],
        ["--energy", "no.json"],
    ):
        assert cli.main([*base, *wrong]) == 2
        assert error_of(capsys.readouterr().err).count("\n") == 1
    assert sorted(p.name for p in model.rglob("*")) == before


def test_without_matplotlib_the_extra_is_named(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    assert cli.main(["evaluate", "tiny.fs.npz", "--data", "x.npz", "--html", "r.html"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert error_of(err) == 'fsref: error: picture: matplotlib is missing (pip install "fsref[plot]") [COUNT-7]\n'


MEASURE = """<script>
const wrong = [], seen = new Set();
for (const svg of document.querySelectorAll("figure svg")) {
  const ground = svg.getBoundingClientRect();
  if (ground.width < 300 || ground.height < 100) wrong.push("small " + svg.parentElement.parentElement.id);
  for (const text of svg.querySelectorAll("text")) {
    const box = text.getBoundingClientRect();
    seen.add(text.textContent);
    const inside = box.left >= ground.left - 1 && box.right <= ground.right + 1;
    if (!(box.width > 0 && inside && box.top >= ground.top - 1 && box.bottom <= ground.bottom + 1))
      wrong.push("outside " + text.textContent);
  }
}
for (const image of document.querySelectorAll("image"))
  if (!(image.getBoundingClientRect().width > 0)) wrong.push("image");
if (document.documentElement.scrollWidth > innerWidth) wrong.push("wider than the window");
document.body.dataset.wrong = JSON.stringify(wrong);
document.body.dataset.seen = JSON.stringify([...seen]);
</script>"""


def chromium(tmp_path: Path, html: str, *options: str) -> tuple[str, list[str]]:
    """What headless Chromium prints for a page, and the lines of its console."""
    program = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if program is None:
        pytest.skip("no Chromium: apt-get install chromium")
    path = tmp_path / "page.html"
    path.write_text(html, encoding="utf-8")
    quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--enable-logging=stderr",
        "--v=1",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]
    command = [program, *quiet, f"--user-data-dir={tmp_path / 'profile'}", *options, path.as_uri()]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


@pytest.mark.needs_programs
@pytest.mark.parametrize(("scheme", "width"), [("light", 1000), ("dark", 500), ("light", 1600)])
def test_chromium_shows_the_page(html: str, tmp_path: Path, scheme: str, width: int) -> None:
    """A real browser draws the page as it is, light and dark, says nothing on its console, and every label lies within
    its plot, wide or narrow.
    """
    from PIL import Image

    dark = f"--blink-settings=preferredColorScheme={('dark', 'light').index(scheme)}"
    _, console = chromium(tmp_path, html, dark, "--window-size=1000,3000", f"--screenshot={tmp_path / 'page.png'}")
    assert console == []
    with Image.open(tmp_path / "page.png") as picture:
        colours = picture.convert("RGB").getcolors(2**24)
        assert colours is not None and len(colours) > 200
        assert (max(colours)[1] == (255, 255, 255)) == (scheme == "light")
    measured = html.replace(POLICY, "").replace("</body>", f"{MEASURE}</body>")
    told, console = chromium(tmp_path, measured, dark, f"--window-size={width},900", "--dump-dom")
    body = dict(next(a for tag, a in Reader(told).tags if tag == "body"))
    assert (body["data-wrong"], console) == ("[]", [])
    for label in (
        "time (steps)",
        "accuracy (% of images)",
        "population",
        "neurons spiking (%)",
        "code (integer)",
        "clipped membranes (%)",
    ):
        assert f'"{label}"' in str(body["data-seen"])


@pytest.mark.needs_programs
def test_chromium_would_tell(html: str, tmp_path: Path) -> None:
    """The console is read: a script in the page is refused by its policy, and that is seen."""
    _, console = chromium(tmp_path, html.replace("</body>", "<script>1</script></body>"), "--dump-dom")
    assert any("Content Security Policy" in line for line in console)


CUT = """<script>
const cut = [];
for (const part of document.querySelectorAll("table, figure, .wide, .card, .tiles div, section, dl"))
  if (part.getBoundingClientRect().right > innerWidth + 1 || part.scrollWidth > part.clientWidth + 1)
    cut.push(part.tagName + " " + part.className + " of " + (part.closest("section") || part).id);
document.body.dataset.cut = JSON.stringify([...new Set(cut)]);
</script>"""


@pytest.mark.needs_programs
def test_a_printed_page_cuts_nothing(html: str, tmp_path: Path) -> None:
    """As wide as the text of a sheet of A4, with the style of print, nothing is wider than the sheet, and nothing hides
    a part of itself; a real PDF is made of it.
    """
    printed = html.replace("@media print", "@media all").replace(POLICY, "").replace("</body>", f"{CUT}</body>")
    told, _ = chromium(tmp_path, printed, "--window-size=688,900", "--dump-dom")
    assert dict(next(a for tag, a in Reader(told).tags if tag == "body"))["data-cut"] == "[]"
    chromium(tmp_path, html, f"--print-to-pdf={tmp_path / 'page.pdf'}")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF-")


def test_a_report_tells_its_coverage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --cover the report, the tables and JSON say what the images reached of the law; without it nothing does."""
    told = {}
    for name, options in (("with", ["--cover"]), ("without", [])):
        command = ["evaluate", "digits", "--limit", "5", "--html", str(tmp_path / f"{name}.html"), "--json", *options]
        assert cli.main(command) == 0
        told[name] = json.loads(capsys.readouterr().out)["coverage"]
        page = (tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert ('id="coverage"' in page) is bool(options)
    assert told["without"] is None and told["with"]["rules"]["FS-2"]["reached"] > 0


def test_a_report_of_outputs_without_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of maps, several outputs, or a row that no label judges: what each gives for the first image, its span in real
    units, its error beside the float graph; no accuracy, and no class (COUNT-7, CONV-12).
    """
    graph, x = test_outputs.graph_of(), nodes.drawn(6)
    nets = {"maps": fsref.convert(graph, x, steps=4), "row": fsref.convert(replace(graph, outputs={"r": "fc"}), x)}
    for name, net in nets.items():
        own = graph if name == "maps" else replace(graph, outputs={"r": "fc"})
        fsref.save(own, tmp_path / f"{name}.graph.npz")
        net.save(tmp_path / f"{name}.npz")
        np.savez(tmp_path / "x.npz", x=x)
        paths = [str(tmp_path / part) for part in (f"{name}.npz", "x.npz", f"{name}.graph.npz", f"{name}.html", name)]
        words = ["evaluate", paths[0], "--data", paths[1], "--graph", paths[2], "--html", paths[3], "--plots", paths[4]]
        assert cli.main(words) == 0
        capsys.readouterr()
        read = Reader(Path(paths[3]).read_text(encoding="utf-8"))
        sections = [a["id"] for tag, a in read.tags if tag == "section"]
        assert sections[0] == "outputs" and {"spans", "errors"} < set(sections) and "accuracy" not in sections
        assert Path(paths[4], "outputs.svg").is_file() and not Path(paths[4], "accuracy.svg").exists()
        text = " ".join(read.text.split())
        for output, values in fsref.run(net, x).outputs.items():
            real = values * net.output_scales[output]
            assert f"{real.min():.4g}" in text and f"{real.max():.4g}" in text
        worst = min(row.error_db or 0 for row in output_errors(own, net, x).rows)
        assert f"{worst:.1f} dB" in text and "read as" not in text and "float accuracy" not in text
    seen = examine(fsref.evaluate(nets["maps"], x, None), ImageSet(x, None, tuple("abcdef")))
    (drawn,) = (plot for plot in plots(seen) if plot.name == "outputs")
    maps = [axes for axes in drawn.figure.axes if axes.images]
    first = fsref.run(nets["maps"], x[:1]).outputs["seg"][0] * nets["maps"].output_scales["seg"]
    for axes, values in zip(maps, first, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), values)
    for axes in drawn.figure.axes:
        for label in (axes.get_xlabel(), axes.get_ylabel()):
            assert label in ("", "value (real units)", "channel (neurons)", "column (neurons)", "row (neurons)")
