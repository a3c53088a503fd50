"""Figures (COUNT-9): every one is labelled, fits, can be read in grey, and shows the numbers it was given."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import combinations, pairwise
from math import sqrt
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import fsref
import handmade
import picture
from fsref import plots
from fsref.activations.functions import functions
from fsref.activations.transfer import transfer
from fsref.cli.main import main
from fsref.errors import UsageError
from fsref.formats.sources import ImageSet
from fsref.law.neuron import fs_relu
from fsref.metrics.energy import PRESETS, dense_work, dense_work_of
from fsref.reports.evaluation import examine
from fsref.reports.losses import comparison_picture
from fsref.reports.neuron_pictures import neuron_picture, table_picture
from fsref.reports.pictures import BARS, CURVES, ROWS, blank_figure, by_population, house, inches, legend, rendered
from fsref.reports.plots import plots as plots_of
from nodes import drawn, residual
from refusals import refused

matplotlib = pytest.importorskip("matplotlib")

EVIL = "$\\frac{1}{0}$ <script>\x1b[31m a name that is far too long for any axis"
SVG_TEXT = "{http://www.w3.org/2000/svg}text"
Draw = Callable[..., Any]


class Results:
    """What fsref returns of one small network, once for all tests."""

    def __init__(self) -> None:
        self.net = handmade.residual(fs_relu(5, 9))
        self.x = handmade.draw(self.net, 6)
        self.y = fsref.run(self.net, self.x).predictions.copy()
        self.y[:2] = (self.y[:2] + 1) % self.net.class_count
        self.trace = fsref.run(self.net, self.x, record=fsref.Record(observables=["spikes"])).trace
        self.score = fsref.evaluate(self.net, self.x, self.y, threads=1)
        twin = fsref.rate_coded(self.net, "best", "nearest")
        self.rate = fsref.rate_score(twin.run(self.x, 64, threads=1), self.y, "horowitz_2014")
        self.energy = fsref.energy(self.score.counts)
        graph, x = residual(), drawn(6)
        self.comparison = fsref.compare(graph, fsref.convert(graph, x, steps=3), x)
        self.explanation = fsref.explain(self.net, self.x[0], "mid", 1)


@pytest.fixture(scope="module")
def found() -> Results:
    return Results()


FIGURES: dict[str, Callable[[Results, Any], Any]] = {
    "raster": lambda f, ax: plots.raster(f.trace, ax=ax),
    "activity": lambda f, ax: plots.activity(f.score, ax=ax),
    "timeline": lambda f, ax: plots.timeline(f.net, ax=ax),
    "accuracy": lambda f, ax: plots.accuracy({"FS": f.score, "rate coding": f.rate}, real=0.5, ax=ax),
    "energy": lambda f, ax: plots.energy(f.energy, f.rate, ax=ax),
    "energy_by_population": lambda f, ax: plots.energy_by_population(f.score, ax=ax),
    "losses": lambda f, ax: plots.losses(f.comparison, ax=ax),
    "neuron": lambda f, ax: plots.neuron(f.explanation, ax=ax),
    "staircase": lambda f, ax: plots.staircase(fs_relu(4, 3), ax=ax),
    "growth": lambda f, ax: plots.growth({"a": [(1, 2.0), (2, 4.0), (8, 9.0)]}, "size (pixels)", "time (ms)", ax=ax),
    "confusion": lambda f, ax: plots.confusion(f.score, ax=ax),
}


def misfits(figure: Any) -> list[str]:
    """What of a figure, once placed, lies outside it, is written over another label of its axis, or is too small."""
    from matplotlib.legend import Legend
    from matplotlib.text import Text

    rendered(figure, "png")
    renderer, whole, wrong = figure.canvas.get_renderer(), figure.bbox.padded(1), []

    def boxes(texts: Iterable[Any]) -> list[tuple[str, Any]]:
        seen = (t for t in texts if t.get_visible() and t.get_text())
        return [(t.get_text(), t.get_window_extent(renderer)) for t in seen]

    legends = (text for one in figure.findobj(Legend) for text in (*one.get_texts(), one.get_title()))
    placed = boxes([*legends, *figure.texts])
    for axes in figure.axes:
        of_axis = []
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [t for t in axis._update_ticks() if low <= t.get_loc() <= high]
            shown = boxes(t.label1 for t in ticks if t.label1.get_visible())
            wrong += [f"{one} over {other}" for (one, a), (other, b) in combinations(shown, 2) if a.overlaps(b)]
            of_axis += shown
        placed += [*of_axis, *boxes([*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label])]
        wrong += [f"{t.get_text()} is small" for t in axes.findobj(Text) if t.get_fontsize() < 7]
    return wrong + [f"{name} outside" for name, box in placed if not inside(whole, box)]


def inside(whole: Any, box: Any) -> bool:
    """Whether a box lies in another."""
    return bool(whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1)


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("width", ["7.2in", "3.4in"])
def test_every_figure_is_labelled_and_fits(found: Results, name: str, width: str) -> None:
    """At full width and in a column of a paper: both axes have labels, no text leaves the figure or lies on another,
    all is of 7 points at least; drawn twice, bytes are the same.
    """
    axes = FIGURES[name](found, plots.axes(width, 3.4))
    assert axes.get_xlabel() and axes.get_ylabel()
    assert misfits(axes.figure) == []
    if width == "3.4in":
        first, again = (FIGURES[name](found, plots.axes(width, 3.4)).figure for _ in range(2))
        assert rendered(first, "svg") == rendered(again, "svg")


@pytest.mark.parametrize("name", FIGURES)
def test_a_function_draws_into_the_axes_given_or_its_own(found: Results, name: str) -> None:
    """It returns the axes that it was given, else those of a figure that is no one else's; pyplot is not needed."""
    from matplotlib.figure import Figure

    given = Figure(figsize=(6, 4), layout="constrained").subplots()
    assert FIGURES[name](found, given) is given
    own = FIGURES[name](found, None)
    assert own.figure is not given.figure and own.figure.get_figwidth() == 7.2
    assert "matplotlib.pyplot" not in sys.modules


def test_figures_are_read_in_grey() -> None:
    """Of curves no two have the same marker or line, of bars no two the same hatch."""
    assert len({c["marker"] for c in CURVES}) == len({str(c["linestyle"]) for c in CURVES}) == len(CURVES)
    assert len({b.get("hatch") for b in BARS}) == len(BARS)


def test_a_raster_marks_each_spike(found: Results) -> None:
    """What is black is a spike of the trace; of many neurons some that spike are, and the label says so."""
    names = ["stem", "mid"]
    for image in (0, 3):
        axes = plots.raster(found.trace, image, names)
        drawn = axes.images[0].get_array().filled(np.nan)
        row = 0
        for name, label in zip(names, axes.get_yticklabels(), strict=True):
            steps, start = found.net.steps[name], found.net.schedule.start[name]
            trains = found.trace[name, "spikes"][image].astype(int)
            bits = np.array([[train >> (steps - 1 - t) & 1 for t in range(steps)] for train in trains])
            most = min(24, len(trains))
            order = sorted(range(len(trains)), key=lambda n: -bits[n].sum())
            sent = [n for n in order if bits[n].any()]
            among = sent if len(sent) > most else order[:most]
            chosen = sorted(among[round((len(among) - 1) * i / (most - 1))] for i in range(most))
            band = drawn[row : row + most]
            np.testing.assert_array_equal(band[:, start : start + steps], bits[chosen])
            assert np.isnan(band[:, :start]).all() and np.isnan(band[:, start + steps :]).all()
            assert label.get_text() == f"{name} ({f'{most} of ' if most < len(trains) else ''}{len(trains)})"
            row += most
        assert row == len(drawn)


def test_a_raster_of_a_part_is_grey_elsewhere(found: Results) -> None:
    """Of a recording of some neurons and steps, those alone are drawn."""
    start = found.net.schedule.start["mid"]
    record = fsref.Record({"mid": [0, 2]}, ["spikes"], steps=[start + 1, start + 2])
    trace = fsref.run(found.net, found.x, record=record).trace
    drawn = plots.raster(trace).images[0].get_array().filled(np.nan)
    assert len(drawn) == 2 and np.isnan(np.delete(drawn, [start + 1, start + 2], axis=1)).all()
    assert not np.isnan(drawn[:, start + 1 : start + 3]).any()


def test_what_a_chip_did_not_show_is_grey(found: Results) -> None:
    """Steps of a train that were not seen, or came back as x, are neither spikes nor none."""
    assert found.trace is not None
    key, steps, start = ("mid", "spikes"), found.net.steps["mid"], found.net.schedule.start["mid"]
    words = found.trace[key]
    shown, x = np.full_like(words, 2 ** (steps - 1)), np.zeros_like(words[:1])  # the first step alone
    x[:] = 2 ** (steps - 1)
    drawn = plots.raster(replace(found.trace, seen={key: shown}), 0, ["mid"]).images[0].get_array().filled(np.nan)
    assert np.isnan(drawn[:, start + 1 :]).all() and not np.isnan(drawn[:, start]).any()
    drawn = plots.raster(replace(found.trace, unknown={key: x}), 2, ["mid"]).images[0].get_array().filled(np.nan)
    assert np.isnan(drawn[:, start]).all() and not np.isnan(drawn[:, start + 1 : start + steps]).any()


def test_activity_is_the_share_that_spikes(found: Results) -> None:
    """Of each population and step: spikes over neurons and images, in %."""
    axes = plots.activity(found.score)
    drawn = axes.images[0].get_array().filled(np.nan)
    for row, name in zip(drawn, found.score.counts.spikes, strict=True):
        start, steps = found.net.schedule.start[name], found.net.steps[name]
        sent = found.trace[name, "spikes"].astype(int)
        for t in range(steps):
            fired = (sent >> (steps - 1 - t) & 1).sum()
            assert row[start + t] == 100 * fired / sent.size
    assert plots.activity(found.score.counts).images[0].get_array().tolist() == axes.images[0].get_array().tolist()


def test_accuracies_have_their_intervals(found: Results) -> None:
    """Each point stands at its share, its bar is Wilson's interval of 95 %; scores name their K."""
    axes = plots.accuracy({"mine": [(10, 0, 7), (20, 6, 7), (30, 7, 7)]}, real=0.75)
    bars = axes.containers[0]
    ((segments),) = bars.lines[2]
    for (x, right, n), ((at, low), (_, high)) in zip(
        [(10, 0, 7), (20, 6, 7), (30, 7, 7)], segments.get_segments(), strict=True
    ):
        p, z = right / n, 1.959964
        middle, half = (
            (p + z * z / (2 * n)) / (1 + z * z / n),
            z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n),
        )
        assert (at, low, high) == pytest.approx((x, 100 * (middle - half), 100 * (middle + half)), abs=1e-9)
    assert axes.lines[-1].get_ydata() == [75, 75]
    axes = plots.accuracy({"FS": [found.score, found.score], "rate": found.rate}, "throughput")
    assert [text.get_text() for text in axes.texts] == ["K=3 .. 5"] * 2 or len(axes.texts) == 2
    assert axes.get_xlabel() == "throughput (images per 1,000 steps)"


def test_energies_are_the_sums_of_their_bars(found: Results) -> None:
    """Bars of FS, dense ANN and rate coding end at their energies, told in the axis's unit, and by population they add
    up to the whole.
    """
    axes = plots.energy(found.energy, found.rate)
    ends = [
        max(p.get_x() + p.get_width() for p in axes.patches if p.get_y() < row < p.get_y() + p.get_height())
        for row in range(3)
    ]
    size = {"pJ": 1, "nJ": 1e3, "uJ": 1e6}[axes.get_xlabel().split("(")[1][:2]]
    wanted = found.energy.fs_energy_pj_per_image, found.energy.ann_energy_pj_per_image
    assert found.rate.energy_pj_per_image is not None
    assert [size * end for end in ends] == pytest.approx([*wanted, found.rate.energy_pj_per_image[-1]])
    unit = axes.get_xlabel().split("(")[1].rstrip(")")  # one for the axis and all its numbers
    assert [text.get_text() for text in axes.texts] == [f"{end:,.3g} {unit}" for end in ends]
    axes = plots.energy_by_population(found.score)
    size = {"pJ": 1, "nJ": 1e3, "uJ": 1e6}[axes.get_xlabel().split("(")[1][:2]]
    each = [sum(p.get_width() for p in bars) * size for bars in axes.containers]
    assert each == pytest.approx(wanted)
    parts = [dense_work_of(found.net, p.name) for p in found.net.populations]
    assert sum(int(part.synops) for part in parts) == int(dense_work(found.net).synops)
    both = plots.energy({"dense ANN": found.energy, EVIL: found.energy})
    assert len(both.get_yticks()) == 3
    other = fsref.energy(fsref.evaluate("digits", np.zeros((1, 1, 8, 8), int), [0], threads=1).counts)
    told = [label.get_text() for label in plots.energy({"a": found.energy, "b": other}).get_yticklabels()]
    assert told == ["a", "b", "a, dense", "b, dense"]
    with refused(UsageError, "COUNT-9", "costs", says="under different costs"):
        plots.energy({"a": found.energy, "b": fsref.energy(found.score.counts, "horowitz_2014_8kb")})


def test_a_confusion_is_counted(found: Results) -> None:
    """Each cell has its number, row label, column class; the diagonal has no shade."""
    axes = plots.confusion(found.score)
    numbers = {(t.get_position()[1], t.get_position()[0]): int(t.get_text()) for t in axes.texts}
    wanted: dict[tuple[int, int], int] = {}
    for label, given in zip(found.y.tolist(), found.score.predictions.tolist(), strict=True):
        wanted[label, given] = wanted.get((label, given), 0) + 1
    assert numbers == wanted
    shades = axes.images[0].get_array().filled(np.nan)
    assert np.isnan(np.diag(shades)).all()
    axes = plots.confusion(np.eye(30, dtype=int), [f"{EVIL}{i}" for i in range(30)])
    assert not axes.texts and misfits(axes.figure) == []


def test_a_neuron_shows_what_each_spike_takes(found: Results) -> None:
    """The membrane falls from before to after each spike, and nothing hides it: marks of spikes stand above the axes;
    the least threshold can be told from 0.
    """
    steps = found.explanation.steps
    axes = plots.neuron(found.explanation)
    falls = [c for c in axes.collections if c.get_label() == "lowered by h"]
    segments = [seg.tolist() for c in falls for seg in c.get_segments()]
    assert segments == [[[s.step + 0.5, s.after], [s.step + 0.5, s.before]] for s in steps if s.fired]
    marks = next(line for line in axes.lines if line.get_label() == "spike, its d")
    assert marks.get_xdata().tolist() == [s.step + 0.5 for s in steps if s.fired]
    assert all(y > 1 for y in marks.get_ydata())  # of the axes' height
    least = min(s.threshold for s in steps if s.threshold)
    low, high = axes.transAxes.inverted().transform(axes.transData.transform([(0, 0), (0, least)]))[:, 1]
    assert high - low > 0.02
    readout = fsref.explain(found.net, found.x[0], found.net.readout.name, 0)
    with refused(UsageError, "FLOAT-3", says="a readout has no steps"):
        plots.neuron(readout)
    spikes = fsref.explain(found.net, found.x[0], found.net.input.name, 0)
    assert plots.neuron(spikes).get_yticks().tolist() == []


def test_a_staircase_is_shown_where_it_changes() -> None:
    """Of a table from its first change to its last, of a fitted one in its units, beside the function."""
    axes = plots.staircase(fs_relu(3, 2))
    values, edges, _ = axes.patches[0].get_data()
    assert values.tolist() == list(range(8)) and edges[1:-1].tolist() == [2, 4, 6, 8, 10, 12, 14]
    made = fsref.fitted("tanh", 4, -2, 2, unit=1 / 16, budget=200)
    axes = plots.staircase(made, "tanh")
    assert axes.get_ylabel() == "value" and len(axes.lines) == 1
    assert axes.lines[0].get_ydata()[0] == functions["tanh"].value(np.array([-2.0]))[0]
    with refused(UsageError, "FLOAT-3", "function", says="what a membrane stands for is not known"):
        plots.staircase(fs_relu(3, 2), "tanh")
    with refused(UsageError, "COUNT-9", "table", says="has a row for each channel"):
        plots.staircase(fs_relu(3, [2, 5]))


def test_growth_is_logarithmic_where_places_are_far_apart() -> None:
    """Sizes that double have a logarithmic axis, numbers of steps a plain one; from 0 up."""
    axes = plots.growth({"_a": [(8, 2.0), (16, 4.0)], EVIL: [(8, 1.0)]}, "size (pixels)", "time (ms)")
    assert len(axes.get_legend().get_texts()) == 2
    assert axes.get_xscale() == "log" and axes.get_ylim()[0] == 0 and misfits(axes.figure) == []
    assert plots.growth({"a": [(6, 2.0), (7, 4.0), (8, 5.0)]}, "K (steps)", "time (ms)").get_xscale() == "linear"


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (lambda f: plots.raster(f.score), "not a recording: Score"),
        (lambda f: plots.raster(f.trace, 6), "no such image in the recording: 6 (0..5)"),
        (lambda f: plots.raster(f.trace, populations=[]), "no spikes were recorded"),
        (lambda f: plots.raster(f.trace, "first"), "no such image in the recording: first"),
        (lambda f: plots.raster(f.trace, populations=["none"]), "not recorded: none spikes"),
        (lambda f: plots.timeline(f.net, np.zeros(2)), "not axes of a figure: ndarray (one of matplotlib's"),
        (lambda f: plots.accuracy({"a": 3}), "not series by name"),
        (lambda f: plots.accuracy(f.rate), "not series by name: RateScore"),
        (lambda f: plots.accuracy({"a": [3, 4]}), "not a point of accuracy: 3"),
        (lambda f: plots.growth({"a": [1, 2]}, "x", "y"), "not a point: 1"),
        (lambda f: plots.growth({"a": [(1, float("inf")), (2, 3)]}, "x", "y"), "not a point: (1, inf)"),
        (lambda f: plots.staircase(fs_relu(3), 3), ""),
        (lambda f: plots.confusion([[1], [1, 2]]), "not counts by class and class"),
        (lambda f: plots.activity(f.trace), "neither a score nor counts: Trace"),
        (lambda f: plots.timeline(3), "not a network: int"),
        (lambda f: plots.accuracy({"FS": f.score}), "one point is no curve: 1 (two or more"),
        (lambda f: plots.accuracy({}), "one point is no curve: 0"),
        (lambda f: plots.accuracy({"a": [(1, 9, 7)], "b": f.rate}), "not a point of accuracy"),
        (lambda f: plots.accuracy({"a": f.rate}, "time"), "accuracy has no such axis: time"),
        (lambda f: plots.energy(f.score), "not an energy: Score"),
        (lambda f: plots.energy({}), "not an energy"),
        (lambda f: plots.energy_by_population(f.net), "neither a score nor counts"),
        (lambda f: plots.losses(f.score), "not a comparison"),
        (lambda f: plots.neuron(f.trace), "not an explanation"),
        (lambda f: plots.staircase(f.net), "not a table"),
        (lambda f: plots.growth({"a": [(1, 2.0)]}, "x", "y"), "one point is no growth"),
        (lambda f: plots.confusion([[1, 2]]), "not counts by class and class"),
        (lambda f: plots.confusion([[0.5]]), "not counts by class and class"),
        (lambda f: plots.confusion([[-1]]), "not counts by class and class"),
        (lambda f: plots.confusion([[1]], ["a", "b"]), "are not one for each class: 2"),
        (lambda f: plots.picture(3), "not axes of a figure: int"),
        (lambda f: plots.axes("3.4"), "not the size of a picture: '3.4' (3.4in, 8.6cm or 86mm; 2..20 inches)"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_one_line(found: Results, draw: Draw, says: str) -> None:
    """Anything but what fsref returns, and values no figure shows, are refused, saying what would do."""
    with refused(UsageError, says=says):
        draw(found)


@pytest.mark.parametrize(("text", "wanted"), [("3.4in", 3.4), ("8.6cm", 8.6 / 2.54), ("86 mm", 86 / 25.4), (7, 7.0)])
def test_widths_are_told_in_units(text: str | float, wanted: float) -> None:
    """Inches, centimetres and millimetres; a number is in inches."""
    assert inches(text) == pytest.approx(wanted)


@pytest.mark.parametrize(
    "text", ["", "3.4", "in", "1.9in", "21in", "3,4in", "1e1in", "-3in", "9" * 99 + "in", "nanin", float("nan"), True]
)
def test_no_width_is_one_line(text: Any) -> None:
    """What is no size, too small or too large is refused with what would do."""
    with refused(UsageError, "COUNT-9", "--width", says="3.4in, 8.6cm or 86mm; 2..20 inches"):
        inches(text, "--width")


def test_pictures_of_commands_have_the_width_asked(tmp_path: Path, capsys: Any) -> None:
    """--width is the width of the file; --plots writes what --kind says; a wrong width writes nothing."""
    net = "digits"
    told = ["explain", net, "0", "--population", "conv1", "--neuron", "100", "--plot"]
    assert main([*told, str(tmp_path / "n.svg"), "--width", "3.4in"]) == 0
    assert b'width="244.8pt"' in (tmp_path / "n.svg").read_bytes()
    assert (
        main(["evaluate", net, "--limit", "3", "--plots", str(tmp_path / "p"), "--kind", "png", "--width", "86mm"]) == 0
    )
    files = sorted((tmp_path / "p").iterdir())
    assert {path.suffix for path in files} == {".png"} and len(files) > 5
    for path in files:
        assert int.from_bytes(path.read_bytes()[16:20], "big") == int(86 / 25.4 * 144)
    capsys.readouterr()
    assert main([*told, str(tmp_path / "m.svg"), "--width", "3.4"]) == 2
    assert "error: --width: not the size of a picture: '3.4'" in capsys.readouterr().err
    assert not (tmp_path / "m.svg").exists()


@pytest.mark.parametrize("width", [7.2, 3.4])
def test_pictures_of_several_panels_fit(
    found: Results, width: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A neuron with its staircase, a table with trains, a comparison: nothing is cut or written over, whatever the
    names.
    """
    hostile = replace(found.explanation, population=EVIL)
    stairs = transfer("t", tuple(rows[0] for rows in fs_relu(5, 9).rows(1)), -40, 400)
    assert misfits(neuron_picture(hostile, stairs, width).figure) == []
    assert misfits(table_picture(replace(stairs, name=EVIL), None, [found.explanation.steps], width).figure) == []
    kept: list[Any] = []
    monkeypatch.setattr("fsref.reports.losses.write_picture", lambda figure, *_: kept.append(figure))
    rows = (replace(found.comparison.rows[0], name=EVIL), *found.comparison.rows[1:])
    comparison_picture(replace(found.comparison, network=EVIL, rows=rows), tmp_path / "x.svg", True, width)
    assert misfits(kept[0]) == []


def test_ten_thousand_populations_have_room() -> None:
    """Of more populations than there is place for some are named, the first and the last among them."""
    with house():
        axes = blank_figure(7, 20).subplots()
        by_population(axes, [f"p{i}" for i in range(10_000)])
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert len(labels) == ROWS and (labels[0], labels[-1]) == ("p0", "p9999")


def test_names_of_populations_do_not_cover_one_another() -> None:
    """Axes of a column's default height name some of 32 populations, none across another; taller ones name all."""
    for height, least in ((2.8, 10), (7.0, 32)):
        with house():
            axes = blank_figure(3.4, height).subplots()
            by_population(axes, [f"p{i}" for i in range(32)])
            axes.set_xlabel("time (steps)")
            axes.bar([0], [1], label="a")
            legend(axes)
        rendered(axes.figure, "png")
        boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
        assert least <= len(boxes) <= 32
        assert all(upper.y0 >= lower.y1 - 2 for upper, lower in pairwise(boxes))


def test_matplotlib_comes_when_a_figure_is_drawn() -> None:
    """`import fsref; fsref.plots` imports no matplotlib; without it the extra is named."""
    code = "import sys, fsref; fsref.plots.timeline; print('matplotlib' in sys.modules)"
    code += "; sys.modules['matplotlib.figure'] = None\ntry: fsref.plots.timeline('digits')\n"
    code += "except fsref.errors.UsageError as e: print(e)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", timeout=60, check=True)
    assert done.stdout == 'False\npicture: matplotlib is missing (pip install "fsref[plot]") [COUNT-9]\n'


def test_a_picture_shows_itself_and_is_saved_by_its_suffix(found: Results, tmp_path: Path) -> None:
    """In a notebook as SVG; as a file by its suffix, and no other kind."""
    made = plots.picture(plots.timeline(found.net))
    assert made._repr_svg_().startswith("<?xml")
    for suffix, start in ((".svg", b"<?xml"), (".pdf", b"%PDF-"), (".png", b"\x89PNG")):
        made.save(tmp_path / f"a{suffix}")
        assert (tmp_path / f"a{suffix}").read_bytes().startswith(start)
    with refused(UsageError, "COUNT-9", says="no kind of picture has this suffix"):
        made.save(tmp_path / "a.gif")


def plotted(net: fsref.Network, x: Any) -> dict[str, Any]:
    """The figures of a report on images without labels, by name."""
    score = fsref.evaluate(net, x, None, threads=1)
    return {plot.name: plot.figure for plot in plots_of(examine(score, ImageSet(x, None, ("a",) * len(x))))}


def test_silence_is_said_where_a_map_would_be_empty() -> None:
    """The map of a population that never spikes says so, and it is in no raster; an image without a spike has none."""
    net = handmade.residual(fs_relu(5, 2**20))
    x = np.zeros((2, *net.input.shape), np.int64)
    counts, drawn = fsref.evaluate(net, x, None, threads=1).counts, plotted(net, x)
    silent = {axes.get_title() for axes in drawn["maps"].axes if any(t.get_text() == "no spike" for t in axes.texts)}
    assert silent == {name for name, sent in counts.spikes.items() if not sent.any()} and "mid" in silent
    told = [label.get_text() for label in drawn["raster"].axes[1].get_yticklabels()]
    assert len(told) == len(counts.spikes) - len(silent) > 0 and misfits(drawn["maps"]) == []
    quiet = handmade.chain(fsref.FS("fs", (1, 1, 1), fs_relu(4, 2**20)))
    assert "raster" not in plotted(quiet, np.zeros((1, 1, 1, 1), np.int64))


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")
def test_the_picture_of_the_readme_is_what_its_command_draws() -> None:
    """Its words, and by the matplotlib that drew it its bytes; the trains are the same four times, and of the code."""
    figure, kept = picture.drawn(), picture.PICTURE.read_bytes()
    sent = list(picture.trains().values())
    assert len(sent) == 4 and all((one == sent[0]).all() for one in sent)
    assert sent[0][0].tolist() == [1, 0, 0, 0, 1, 0, 0, 1]  # 137
    made = rendered(figure, "svg")
    words = ["".join(e.itertext()) for data in (made, kept) for e in ElementTree.fromstring(data).iter(SVG_TEXT)]
    assert words[: len(words) // 2] == words[len(words) // 2 :] and "137 = 128 + 8 + 1" in words
    assert len(kept) < 150_000 and (made == kept or matplotlib.__version__ != picture.MADE_WITH)


def test_energies_of_presets_are_compared_alone(found: Results) -> None:
    """Rate coding without costs is not set beside energies."""
    bare = fsref.rate_score(found.rate.result, found.y)
    with refused(UsageError, "COUNT-9", "costs", says="none"):
        plots.energy(found.energy, bare)
    assert PRESETS["horowitz_2014"] == found.energy.costs
