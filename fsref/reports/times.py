"""Plots over the steps of an image: the spikes of a recording, how many neurons spike, when populations take and send
(COUNT-9).
"""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import UsageError
from fsref.formats.bundled import network_of
from fsref.law.network import Network
from fsref.metrics.counts import Counts, window
from fsref.metrics.score import Score
from fsref.reports.panels import spread
from fsref.reports.pictures import (
    BEYOND,
    BLUE,
    GREY,
    RED,
    RULE,
    SMALL,
    by_population,
    canvas,
    legend,
    short,
    tall,
)
from fsref.simulation.recording import Trace

LINES, BANDS = 300, 40  # of a raster: neurons, and populations


def timeline(net: Network | str | PathLike[str], ax: Any = None) -> Any:
    """Axes with the schedule of a network: a row for each population, a bar for the steps of an image in which it takes
    spikes, one for those in which it sends, and when outputs stand (TIME-1 to TIME-4).

    Errors: UsageError for what is no network, and when matplotlib is missing. Example: `fsref.plots.timeline(net)`.
    """
    net = network_of(net)
    plan, names = net.schedule, [p.name for p in net.populations]
    with canvas(ax, tall(len(names))) as ax:
        windows = [window(net, name) for name in names]
        takes = [plan.start[name] - taken.start for name, taken in zip(names, windows, strict=True)]
        grey: Any = {"facecolor": BEYOND, "edgecolor": GREY, "hatch": "////", "linewidth": 0.4}
        rows = range(len(names))
        ax.barh(rows, takes, left=[w.start for w in windows], height=0.5, label="takes spikes", **grey)
        sends: Any = {"color": BLUE, "height": 0.7, "label": "sends spikes"}
        ax.barh(rows, [net.steps[name] for name in names], left=[plan.start[name] for name in names], **sends)
        ends = [(plan.start[p.name], names.index(p.name)) for p in net.readouts]
        ax.plot(*zip(*ends, strict=True), "D", color=RED, markersize=5, linestyle="none", label="outputs stand")
        by_population(ax, names)
        ax.set_xlim(0, plan.steps + 0.5)
        _steps(ax)
        legend(ax)
    return ax


def activity(found: Score | Counts, ax: Any = None) -> Any:
    """Axes with the share of each population's neurons that spike in each step of an image, mean over images, darker
    for more: `found` is what fsref.evaluate or fsref.count gave.

    Errors: UsageError for anything else, and when matplotlib is missing. Example: `fsref.plots.activity(score)`.
    """
    counts = counts_of(found, "activity")
    net, names = counts.net, list(counts.spikes)
    share = np.full((len(names), net.schedule.steps), np.nan)
    for row, name in zip(share, names, strict=True):
        start, neurons = net.schedule.start[name], net[name].neurons * counts.image_count
        row[start : start + net.steps[name]] = 100 * counts.spikes[name] / neurons
    with canvas(ax, tall(len(names), more=1.2)) as ax:
        ax.set_facecolor(BEYOND)
        extent = (0, net.schedule.steps, len(names) - 0.5, -0.5)
        top = float(np.nanmax(share, initial=0.0)) or 1.0
        drawn = ax.imshow(share, cmap="Greys", aspect="auto", interpolation="none", extent=extent, vmin=0, vmax=top)
        by_population(ax, names)
        _steps(ax)
        bar = ax.figure.colorbar(drawn, ax=ax, aspect=30, pad=0.02)
        bar.set_label("neurons spiking (%)", **SMALL)
    return ax


def raster(trace: Trace, image: int = 0, populations: Iterable[str] | None = None, ax: Any = None) -> Any:
    """Axes with the spikes of one image of a recording: a band for each population, a line for each neuron, a mark for
    each spike; of a population of many neurons some that spike, from the one that spikes most to the one that spikes
    least, in their order, as its label says; grey where nothing was recorded.

    `trace` is what fsref.run, given a Record with spikes, has as `trace`, or what fsref.read_trace gave;
    `populations` are those to draw, all unless given. Errors: UsageError for an image or a population that was not
    recorded, and when matplotlib is missing. Example:
    `fsref.plots.raster(fsref.run(net, x, record=fsref.Record(observables=["spikes"])).trace)`.
    """
    if not isinstance(trace, Trace):
        limit = "the trace of a result: fsref.run(net, x, record=...)"
        raise UsageError(RULE, "trace", "not a recording", type(trace).__name__, limit)
    if not isinstance(image, int | np.integer) or not 0 <= image < trace.image_count:
        raise UsageError("OBS-1", "image", "no such image in the recording", image, f"0..{trace.image_count - 1}")
    recorded = [p.name for p in trace.net.populations if (p.name, "spikes") in trace.arrays]
    names = spread(recorded, BANDS) if populations is None else list(populations)
    if not names:
        raise UsageError("OBS-1", "trace", "no spikes were recorded", None, 'fsref.Record(observables=["spikes"])')
    plan, lines = trace.net.schedule, max(8, min(24, LINES // len(names)))
    bands, ends, told = [], [0], []
    for name in names:
        fired = spiking(trace, name, image)
        chosen = np.sort(some_of(np.nansum(fired, axis=1), lines))
        band = np.full((len(chosen), plan.steps), np.nan)
        band[:, plan.start[name] + trace.selection.window[name]] = fired[chosen]
        bands.append(band)
        ends.append(ends[-1] + len(band))
        told.append(f"{short(name)} ({f'{lines} of ' if lines < len(fired) else ''}{len(fired):,})")
    with canvas(ax, 1.0 + 0.012 * ends[-1] + 0.14 * len(names)) as ax:
        ax.set_facecolor(BEYOND)
        shown: Any = {"cmap": "Greys", "aspect": "auto", "interpolation": "none", "vmin": 0, "vmax": 1}
        ax.imshow(np.concatenate(bands), extent=(0, plan.steps, ends[-1], 0), **shown)
        for end in ends[1:-1]:
            ax.axhline(end, color=GREY, linewidth=0.6)
        middle = [(a + b) / 2 for a, b in zip(ends, ends[1:], strict=False)]
        ax.set_yticks(middle, told, parse_math=False, **SMALL)
        ax.set_ylabel("population (neurons)")
        _steps(ax)
    return ax


def some_of(spikes: NDArray[np.float64], lines: int) -> NDArray[np.intp]:
    """Which neurons stand for all: of those that spike so many, evenly from the one that spikes most to the one that
    spikes least, of equal ones the first; all of them, and then silent ones, where they are fewer.
    """
    order = np.argsort(-spikes, kind="stable")
    last = max(lines, int(np.count_nonzero(spikes))) - 1
    places = np.linspace(0, last, lines).round().astype(int)
    chosen: NDArray[np.intp] = order[np.unique(places[places < len(order)])]
    return chosen


def spiking(trace: Trace, name: str, image: int) -> NDArray[np.float64]:
    """Which of the recorded neurons of a population spike in which recorded step, (neurons, steps): 0 or 1, NaN where
    that was not seen, or answered as unknown (TRACE-1, TRACE-6).
    """
    key, trains = (name, "spikes"), trace[name, "spikes"]
    places = trace.net.steps[name] - 1 - trace.selection.window[name]

    def bits(words: NDArray[np.integer]) -> NDArray[np.bool_]:
        own = np.broadcast_to(words, trains.shape)[image].astype(np.int64)
        told: NDArray[np.bool_] = (own[:, None] >> places & 1) == 1
        return told

    found = bits(trains).astype(np.float64)
    if key in trace.seen:
        found[~bits(trace.seen[key])] = np.nan
    if key in trace.unknown:
        found[bits(trace.unknown[key])] = np.nan
    return found


def counts_of(found: object, place: str) -> Counts:
    """The counts that a score has, or that are given. Errors: UsageError."""
    if isinstance(found, Score):
        return found.counts
    if not isinstance(found, Counts):
        limit = "what fsref.evaluate or fsref.count gives"
        raise UsageError(RULE, place, "neither a score nor counts", type(found).__name__, limit)
    return found


def _steps(ax: Any) -> None:
    """Make the x axis one of the steps of an image."""
    ax.set_xlabel("time (steps)")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(axis="x", linewidth=0.3)
