# SPDX-License-Identifier: Apache-2.0
"""What tools/compare_coding.py makes of its measurements: energies, lines of tables, ratios at equal accuracy, two
figures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fsref.formats.files import write
from fsref.metrics.counts import Work
from fsref.metrics.energy import PRESETS, energy_pj
from fsref.metrics.paired import Paired
from fsref.reports.curves import curve
from fsref.reports.pictures import CURVES, INK, SMALL, WIDTH, blank_figure, house, plain, rendered

LAYERS = {
    "together": "layers in the same step",
    "scheduled": "layers on the schedule of FS",
    "apart": "layers one step apart, all started at once",
}
COSTS = (PRESETS["horowitz_2014"], PRESETS["horowitz_2014_arithmetic"])
PARTS = ("spikes", "synops", "scalings", "openings", "comparisons", "resets", "gated", "factors")  # of Work
COLUMNS = """\
accuracy % | beside float, 95 % interval | latency, steps | images per 1,000 steps | spikes per neuron | SynOps | \
µJ, 32 KB | µJ, arithmetic |"""


@dataclass(frozen=True)
class Point:
    """A network and a number of steps: `change` is accuracy less that of float, in points; costs in steps, and FS
    spikes per neuron and image.
    """

    name: str
    change: float
    latency: int
    interval: int
    spikes: float
    one_buffer: int


MEASURES = {
    "latency": "latency",
    "throughput, FS with two buffers": "interval",
    "throughput, FS with one buffer": "one_buffer",
    "spikes per neuron": "spikes",
}
NEAR = 5  # points below float at which the y axis of a figure is broken
# Slanted, where the axis is broken.
STROKE: dict[str, Any] = {"marker": [(-1, -0.6), (1, 0.6)], "markersize": 9, "linestyle": "none", "color": "black"}
FIGURES: dict[str, tuple[str, Callable[[Point], float]]] = {
    "latency": ("latency (steps, log scale)", lambda p: p.latency),
    "throughput": ("throughput (images per 1,000 steps, log scale)", lambda p: 1000 / p.interval),
}


@dataclass(frozen=True)
class Ratio:
    """How many times a measure of FS goes into that of rate coding; `reached` says whether rate coding was as accurate
    as asked.
    """

    measure: str
    fs: Point
    rate: Point
    value: float
    reached: bool


def ratios(fs: Sequence[Point], rate: Sequence[Point], within: float) -> list[Ratio]:
    """The ratios at the least cost with change >= -within; where rate coding has no such point, those of its last T,
    whatever its accuracy.

    Empty when FS has no such point; without a measure that FS has none of.
    """
    near = [[p for p in side if p.change >= -within] for side in (fs, rate)]
    if not near[0]:
        return []
    last = max(p.interval for p in rate)
    found = []
    for measure, name in MEASURES.items():
        one = min(near[0], key=lambda p: getattr(p, name))
        if not getattr(one, name):  # an FS network that never spikes
            continue
        other = min(near[1] or [p for p in rate if p.interval == last], key=lambda p: getattr(p, name))
        found.append(Ratio(measure, one, other, getattr(other, name) / getattr(one, name), bool(near[1])))
    return found


def not_slower(fs: Sequence[Point], rate: Sequence[Point], name: str) -> tuple[Point, Point] | None:
    """The most accurate rate point that costs no more than every FS point as accurate, of which there is one, and the
    cheapest of those; or None.
    """
    for p in sorted(rate, key=lambda p: (-p.change, getattr(p, name))):
        rival = min((q for q in fs if q.change >= p.change), key=lambda q: getattr(q, name), default=None)
        if rival is not None and getattr(p, name) <= getattr(rival, name):
            return p, rival
    return None


def above(fs: Sequence[Point], rate: Sequence[Point]) -> tuple[Point, Point, Point] | None:
    """The soonest rate point more accurate than every FS point, the most accurate of rate, and that of FS; or None."""
    best = max(fs, key=lambda p: p.change)
    over = [p for p in rate if p.change > best.change]
    return (min(over, key=lambda p: p.latency), max(over, key=lambda p: p.change), best) if over else None


def microjoules(work: Work, multiplications: int, images: int) -> list[float]:
    """The energy of one image in µJ under each of `COSTS`, of counts over all images (COUNT-5)."""
    return [float(energy_pj(work, multiplications, costs)) / images / 1e6 for costs in COSTS]


def cells(
    first: str, pair: Paired, latency: int, throughput: str, spikes: float, synops: int, energies: Sequence[float]
) -> str:
    """A line of a table; `synops` are of all images."""
    low, high = pair.interval
    change = f"{100 * pair.difference:+.2f} ({100 * low:+.2f} .. {100 * high:+.2f})"
    costs = " | ".join(f"{energy:,.1f}" for energy in energies)
    each = f"{latency} | {throughput} | {spikes:.2f} | {synops / pair.image_count:,.0f} | {costs}"
    return f"| {first} | {100 * pair.second_correct / pair.image_count:.2f} | {change} | {each} |"


def down(value: float) -> str:
    """A ratio, cut off so that it stays a lower bound."""
    digits = 1 if value >= 10 else 2
    return f"{np.floor(value * 10**digits) / 10**digits:.{digits}f}"


def told(fs: Sequence[Point], rate: dict[str, list[Point]], within: float) -> list[str]:
    """The ratios, and where rate coding is not slower, as markdown."""
    lines = ["", f"## Ratios, both within {within:g} points of float", ""]
    if not ratios(fs, next(iter(rate.values())), within):
        return [*lines, "FS coding is at no K that near."]
    lines += ["| | rate : FS, at least | FS | rate |", "|---|--:|---|---|"]
    for layers, points in rate.items():
        for r in ratios(fs, points, within):
            name = MEASURES[r.measure]
            form = "{:.2f}" if name == "spikes" else "{} steps"
            fs_cost, rate_cost = (form.format(getattr(p, name)) for p in (r.fs, r.rate))
            late = "" if r.reached else ", not that near"
            one = f"{fs_cost} ({r.fs.name}, {r.fs.change:+.2f})"
            other = f"{rate_cost} ({r.rate.name}, {r.rate.change:+.2f}{late})"
            lines.append(f"| {r.measure}, {LAYERS[layers]} | {down(r.value)} | {one} | {other} |")
    lines += ["", "## Where rate coding is not slower, of the runs made", ""]
    for layers, points in rate.items():
        for measure, name in MEASURES.items():
            found = not_slower(fs, points, name)
            if name == "spikes":
                continue
            if found is None:
                lines.append(f"- {measure}, {LAYERS[layers]}: nowhere.")
                continue
            p, rival = found
            own = f"up to {p.change:+.2f} points beside float, {getattr(p, name)} steps ({p.name})"
            beside = f"FS needs {getattr(rival, name)} ({rival.name}, {rival.change:+.2f})"
            lines.append(f"- {measure}, {LAYERS[layers]}: {own}; {beside}.")
        more = above(fs, points)
        if more is not None:
            soon, most, best = more
            above_all = f"above FS at every K ({best.change:+.2f}, {best.name})"
            since = f"from {soon.latency} steps on ({soon.name}), up to {most.change:+.2f} ({most.name})"
            lines.append(f"- accuracy on the drawn images, {LAYERS[layers]}: {above_all} {since}.")
    return lines


def draw(
    folder: Path, title: str, fs: Sequence[Point], rate: dict[str, list[Point]], real: float, images: tuple[int, int]
) -> None:
    """The `FIGURES`, accuracy-latency.svg and accuracy-throughput.svg; accuracy is that of float, `real` in %, on all
    images, and the change beside it.

    The y axis is broken `NEAR` points below float: what is compared lies above, and everything is drawn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in FIGURES:
        with house():
            figure = figure_of(name, title, fs, rate, real, images)
        write(rendered(figure, "svg"), folder / f"accuracy-{name}.svg", "RUN-5")


def figure_of(
    name: str, title: str, fs: Sequence[Point], rate: dict[str, list[Point]], real: float, images: tuple[int, int]
) -> Any:
    """One of the `FIGURES`."""
    label, value = FIGURES[name]
    changes = [p.change for points in (fs, *rate.values()) for p in points]
    lowest, highest = real + min(changes), real + max(changes)
    figure = blank_figure(WIDTH, 6.0)
    broken = lowest < real - NEAR
    panels = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1)) if broken else [figure.subplots()]
    panels[0].set_ylim(max(min(lowest, real) - 0.4, real - NEAR), max(highest, real) + 0.4)
    if broken:
        panels[1].set_ylim(lowest - 0.4 * (real - NEAR - lowest), real - NEAR)
        for axes, edge in zip(panels, (0, 1), strict=True):
            axes.plot([0, 1], [edge, edge], transform=axes.transAxes, clip_on=False, **STROKE)
    for axes in panels:
        curves(axes, name, value, fs, rate, real, images)
        axes.set_xscale("log")
        axes.grid(which="both", linewidth=0.2)
        plain(axes.xaxis)
    panels[-1].margins(x=0.08)
    panels[-1].set_xlabel(label)
    figure.supylabel("accuracy (%), of float on all images + change on those run", fontsize="medium")
    panels[0].set_title(f"{title}: accuracy against {name}", parse_math=False)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", frameon=False, **SMALL)
    return figure


def curves(
    axes: Any,
    name: str,
    value: Callable[[Point], float],
    fs: Sequence[Point],
    rate: dict[str, list[Point]],
    real: float,
    images: tuple[int, int],
) -> None:
    """Draw float, FS coding and rate coding on `axes`, whose y axis ends where it shall, each point named by its K or
    T.
    """
    low, high = axes.get_ylim()

    def within(ys: Sequence[float]) -> list[int]:
        return [i for i, y in enumerate(ys) if low <= y <= high]

    def named(text: str, place: tuple[float, float], side: int, color: str) -> None:
        ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}
        form = {**SMALL, "color": color, "ha": "center", "va": "center", "bbox": ground}
        axes.annotate(text, place, (0, 11 * side), textcoords="offset points", **form)

    def drawn(xs: Sequence[float], ys: Sequence[float], number: int, label: str) -> None:
        curve(axes, xs, ys, number, label, markevery=within(ys))

    axes.axhline(real, color=INK, linewidth=0.8, label=f"float, {real:.2f} %")
    changed, buffers = [real + p.change for p in fs], ", two membrane buffers" if name == "throughput" else ""
    places = [value(p) for p in fs]
    drawn(places, changed, 0, f"FS, {images[0]:,} images{buffers}")
    if name == "throughput":
        places = [1000 / p.one_buffer for p in fs]
        drawn(places, changed, 3, "FS, one membrane buffer")
    for at in (0, -1):
        named(fs[at].name, (places[at], changed[at]), 1, CURVES[0]["color"])
    same: dict[tuple[tuple[float, float], ...], list[str]] = {}  # those that are the same are drawn once
    for layers, marks in rate.items():
        same.setdefault(tuple((value(p), real + p.change) for p in marks), []).append(layers)
    numbers = {"together": 1, "scheduled": 2, "apart": 4}
    for points, several in same.items():
        how = " or ".join(LAYERS[layers] for layers in several)
        legend = f"rate, {how}, setting chosen at each T on training images, {images[1]:,} images"
        xs, ys = zip(*points, strict=True)
        drawn(xs, ys, numbers[several[-1]], legend)
    for p, place in zip(rate[next(iter(rate))], next(iter(same)), strict=True):
        named(f"T = {p.interval}", place, -1, "dimgray")
