"""Pictures of a neuron: over the steps of its window, and its transfer function (FLOAT-3).

A `draw_` function draws what fsref returns into the axes that it is given, and returns them; a picture is made of some.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np

from fsref.activations.functions import Function
from fsref.activations.transfer import Transfer
from fsref.errors import UsageError, shown
from fsref.reports.pictures import TITLE, blank_figure, rendered, write_picture
from fsref.verification.explanation import Explanation, Step

WIDTH = 9.0  # inches
POINTS = 1_000  # of a curve
SMALL: Any = {"fontsize": "small"}


@dataclass(frozen=True)
class Picture:
    """A picture that notebooks show; `figure` is matplotlib's."""

    figure: Any

    def _repr_svg_(self) -> str:
        return rendered(self.figure, "svg").decode("utf-8")

    def save(self, path: str | PathLike[str], replace: bool = True) -> None:
        """Write it as SVG, PNG or PDF by the suffix, complete or not at all. Errors: UsageError, FileError."""
        write_picture(self.figure, path, replace)


def draw_steps(steps: Sequence[Step], axes: Any) -> Any:
    """A neuron over the steps of its window: the membrane, what it is compared with, spikes and the resets they bring;
    of an input, a max-pool or a view the spikes alone. Returns the axes.
    """
    at = np.array([s.step for s in steps])
    fired = np.array([s.fired for s in steps])
    before = [s.before for s in steps if s.before is not None]
    if before:
        after, thresholds = [s.after for s in steps], [s.threshold for s in steps]
        path = np.array([(s, s + 0.5, s + 0.5, s + 1) for s in at]).ravel()
        membranes = np.array([(b, b, a, a) for b, a in zip(before, after, strict=True)], np.float64).ravel()
        axes.plot(path, membranes, color="tab:blue", linewidth=1.5, label="membrane v")
        axes.hlines(thresholds, at + 0.1, at + 0.9, color="tab:orange", linewidth=2, label="threshold T")
        for step in (s for s in steps if s.fired and s.reset):
            tail, head = (step.step + 0.5, step.before), (step.step + 0.5, step.after)
            axes.annotate("", head, tail, arrowprops={"arrowstyle": "->", "color": "tab:red", "linewidth": 1})
        axes.plot([], [], color="tab:red", label="reset h")  # arrows have no label of their own
        levels = np.array(before, np.float64)
    else:
        levels = np.ones(len(at))
        axes.set_yticks([])
        axes.set_ylim(0, 2)
    axes.plot(at[fired] + 0.5, levels[fired], "o", color="tab:red", markersize=6, zorder=3, label="spike")
    for s, level in zip(steps, levels, strict=True):
        if s.fired:
            axes.annotate(f"{s.d:+,}", (s.step + 0.5, level), (5, 5), textcoords="offset points", fontsize="x-small")
    axes.set_xlim(at[0], at[-1] + 1)
    axes.set_xticks(at + 0.5, [str(s) for s in at])
    axes.set_xlabel("step")
    axes.set_ylabel("membrane (units)" if before else "")
    axes.grid(axis="y", linewidth=0.3)
    axes.legend(**SMALL)
    return axes


def _edges(found: Transfer) -> Any:
    """Where intervals begin and the last ends, in real numbers where a unit is known."""
    return found.x(np.append(found.start, found.high + 1))


def draw_transfer(found: Transfer, axes: Any, function: Function | None = None) -> Any:
    """A transfer function: the value of the code of each membrane, and beside it a function. Returns the axes."""
    edges = _edges(found)
    heights = found.code if found.unit is None else found.values
    axes.stairs(heights, edges, baseline=None, linewidth=1.2, label="table")
    if function is not None and found.unit is not None:
        low, high = found.x(np.array([found.low, found.high]))
        x = np.linspace(low, high, POINTS)
        axes.plot(x, function.value(x), "--", color="tab:gray", linewidth=1, label=function.name)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylabel("code" if found.unit is None else "value")
    axes.grid(linewidth=0.3)
    axes.legend(**SMALL)
    return axes


def draw_spikes(found: Transfer, axes: Any) -> Any:
    """How many spikes each membrane is worth. Returns the axes."""
    axes.stairs(found.spikes, _edges(found), fill=True, alpha=0.5)
    axes.set_ylabel("spikes")
    axes.set_ylim(0, max(1, int(found.spikes.max())) + 0.5)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", linewidth=0.3)
    return axes


def draw_trains(found: Transfer, axes: Any) -> Any:
    """Which steps fire for each membrane, the first step at the top. Returns the axes."""
    fired = found.train[None, :] >> np.arange(found.steps - 1, -1, -1)[:, None] & 1
    axes.pcolormesh(_edges(found), np.arange(found.steps + 1), fired, cmap="Greys", vmin=0, vmax=1, rasterized=True)
    axes.set_ylim(found.steps, 0)
    axes.set_ylabel("step")
    axes.set_yticks(np.arange(found.steps) + 0.5, map(str, range(found.steps)), fontsize="x-small")
    axes.set_xlabel("membrane (units)" if found.unit is None else "x")
    return axes


def table_picture(found: Transfer, function: Function | None = None, fired: Sequence[Sequence[Step]] = ()) -> Picture:
    """A table: its transfer function, beside a function, spikes and trains of every membrane, and neurons that `fired`
    over their steps. Errors: UsageError when matplotlib is missing.
    """
    heights = (3.2, 1.2, 2.0, *(2.6 for _ in fired))
    figure = blank_figure(WIDTH, 0.6 + sum(heights), "FLOAT-3")
    panels = figure.subplots(len(heights), 1, height_ratios=heights)
    for axes in panels[:2]:
        axes.sharex(panels[2])
        axes.tick_params(labelbottom=False)
    draw_transfer(found, panels[0], function)
    draw_spikes(found, panels[1])
    draw_trains(found, panels[2])
    for steps, axes in zip(fired, panels[3:], strict=True):
        draw_steps(steps, axes)
        axes.set_title(f"opening membrane {steps[0].before:,}", **SMALL)
    figure.suptitle(shown(found.name, TITLE), parse_math=False)
    return Picture(figure)


def neuron_picture(explanation: Explanation, found: Transfer | None = None) -> Picture:
    """An explained neuron over its steps and, where its transfer function is given, where in it its opening membrane
    lies. Errors: UsageError for a readout, which has no steps, and when matplotlib is missing.
    """
    if not explanation.steps:
        limit = "a population that spikes"
        raise UsageError("FLOAT-3", "picture", "a readout has no steps to draw", explanation.population, limit)
    heights = (3.2,) if found is None else (3.2, 2.4)
    figure = blank_figure(WIDTH, 0.6 + sum(heights), "FLOAT-3")
    panels = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    draw_steps(explanation.steps, panels[0])
    if found is not None and explanation.opening is not None:
        axes = draw_transfer(replace(found, unit=None), panels[1])
        axes.set_xlabel("opening membrane (units)")
        axes.axvline(explanation.opening, color="tab:red", linewidth=1, label=f"{explanation.opening:,}")
        left, right = axes.get_xlim()
        axes.set_xlim(min(left, explanation.opening), max(right, explanation.opening + 1))  # flat beyond the ends
        axes.legend(**SMALL)
    c, y, x = explanation.place
    title = f"{shown(explanation.population, TITLE)} neuron {explanation.neuron} (c {c}, y {y}, x {x})"
    figure.suptitle(f"{title}: code {explanation.code:,}", parse_math=False)
    return Picture(figure)
