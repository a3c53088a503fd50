"""Plots of a neuron: over the steps of its window, and its transfer function (FLOAT-3, COUNT-9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fsref.activations.functions import Function, function_of
from fsref.activations.transfer import HIGHEST, LOWEST, Transfer, transfer
from fsref.errors import UsageError, shown
from fsref.formats.tables import Approximation
from fsref.law.neuron import Ints, Table
from fsref.reports.pictures import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    POINTS_PER_INCH,
    RED,
    RULE,
    SMALL,
    TITLE,
    canvas,
    legend,
)
from fsref.verification.explanation import Explanation, Step

POINTS = 1_000  # of a curve
ABOVE = 1.04  # times the height of the axes, where spikes stand
APART = 1.6  # of two marks of a logarithmic axis, the upper is so many times the lower
STEEP = 16  # times the least threshold: from there on the axis is logarithmic
BESIDE = 8  # the part of a staircase's width that is shown beyond its ends


def neuron(explanation: Explanation, ax: Any = None) -> Any:
    """Axes with one neuron over the steps of its window: the membrane, the threshold that it is compared with, its
    spikes with their code weights d, and the resets they bring; of an input, a max-pool or a view the spikes alone.
    Where thresholds fall far the membrane's axis is logarithmic, and linear around 0.

    `explanation` is what fsref.explain gave. Errors: UsageError for anything else, for a readout, which has no steps,
    and when matplotlib is missing. Example: `fsref.plots.neuron(fsref.explain(net, image, "conv1", 17))`.
    """
    if not isinstance(explanation, Explanation):
        raise UsageError(
            RULE, "explanation", "not an explanation", type(explanation).__name__, "what fsref.explain gives"
        )
    check_steps(explanation)
    with canvas(ax, 3.2) as ax:
        draw_steps(explanation.steps, ax)
    return ax


def check_steps(explanation: Explanation) -> None:
    """Nothing, when a neuron has steps to draw. Errors: UsageError."""
    if not explanation.steps:
        limit = "a population that spikes"
        raise UsageError("FLOAT-3", "picture", "a readout has no steps to draw", explanation.population, limit)


def draw_steps(steps: Sequence[Step], axes: Any) -> Any:
    """A neuron over its steps, as `neuron` has it. Returns the axes."""
    at = np.array([s.step for s in steps])
    if steps[0].before is None:
        axes.set_yticks([])
    else:
        _membrane(steps, at, axes)
    axes.set_xlim(at[0], at[-1] + 1)
    axes.set_xticks(at + 0.5, [str(s) for s in at])
    axes.set_xlabel("step")
    axes.grid(axis="y", linewidth=0.3)
    _spikes(steps, axes)
    legend(axes)
    return axes


def _membrane(steps: Sequence[Step], at: Ints, axes: Any) -> None:
    """Draw the membrane, what it is compared with, and what spikes take from it."""
    known = [(s.before, s.after, s.threshold) for s in steps]
    before, after, thresholds = zip(*known, strict=True)
    path = np.array([(s, s + 0.5, s + 0.5, s + 1) for s in at]).ravel()
    membranes = np.array([(b, b, a, a) for b, a, _ in known], np.float64).ravel()
    axes.plot(path, membranes, color=BLUE, linewidth=1.5, label="membrane v")
    dashed: Any = {"color": ORANGE, "linewidth": 2.5, "linestyle": (0, (2, 0.6))}
    axes.hlines(thresholds, at + 0.1, at + 0.9, label="threshold T", **dashed)
    fell = [i for i, s in enumerate(steps) if s.fired and s.reset]
    if fell:
        ends = [after[i] for i in fell], [before[i] for i in fell]
        axes.vlines(at[fell] + 0.5, *ends, color=RED, linewidth=2.5, zorder=3, label="lowered by h")
    _membrane_axis(axes, thresholds)


def _spikes(steps: Sequence[Step], axes: Any) -> None:
    """Draw spikes above the axes, where they hide neither the membrane nor its fall, each with its code weight."""
    fired, high = [s for s in steps if s.fired], axes.get_xaxis_transform()
    mark: Any = {"color": INK, "markersize": 9, "markeredgewidth": 2, "clip_on": False}
    axes.plot([s.step + 0.5 for s in fired], [ABOVE] * len(fired), "|", transform=high, label="spike, its d", **mark)
    told = [f"{s.d:+,}" for s in fired]
    room = POINTS_PER_INCH * axes.get_window_extent().width / axes.figure.dpi / len(steps)
    turned: Any = {"rotation": 90} if 4.5 * max(map(len, told), default=0) > room else {}
    for s, d in zip(fired, told, strict=True):
        place: Any = {"xytext": (0, 6), "xycoords": high, "textcoords": "offset points", "ha": "center"}
        axes.annotate(d, (s.step + 0.5, ABOVE), annotation_clip=False, **place, **turned, **SMALL)


def _membrane_axis(axes: Any, thresholds: Sequence[int]) -> None:
    """Make the y axis one of membranes: logarithmic where thresholds fall far, so that the least can be seen."""
    axes.set_ylabel("membrane (units)")
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:,.10g}")
    falling = min(thresholds) > 0 and all(b < a for a, b in zip(thresholds, thresholds[1:], strict=False))
    if not falling or thresholds[0] < STEEP * thresholds[-1]:
        return
    axes.set_yscale("symlog", base=2, linthresh=thresholds[-1])
    high, marks = axes.get_ylim()[1], [0]
    least = max(APART, (thresholds[0] / thresholds[-1]) ** (1 / 9))  # nine marks have room
    for threshold in thresholds[::-1]:
        if threshold >= least * marks[-1] and threshold <= high:
            marks.append(threshold)
    axes.set_yticks(marks)
    axes.set_yticks([], minor=True)
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
    axes.set_ylabel("membrane (units, log scale)")


def staircase(table: Table | Transfer | Approximation, function: Function | str | None = None, ax: Any = None) -> Any:
    """Axes with the code of each opening membrane, in real numbers where their units are known, and a function beside
    it: what fsref.fitted gave, a Table of one row for all channels (its own T, h and d), or a transfer function.

    A Table is shown from where its code first changes to where it last does, and a little beyond. Errors: UsageError
    for another table or function, and when matplotlib is missing. Example:
    `fsref.plots.staircase(fsref.fs_relu(4, theta=3))`.
    """
    found = transfer_of(table)
    beside = None if function is None else function_of(function)
    if beside is not None and found.unit is None:
        problem, limit = "what a membrane stands for is not known", "what fsref.fitted gives, or a table file"
        raise UsageError("FLOAT-3", "function", problem, beside.name, limit)
    with canvas(ax) as ax:
        draw_transfer(found, ax, beside)
        ax.set_xlabel("membrane (units)" if found.unit is None else "x")
        legend(ax)
    return ax


def transfer_of(table: Table | Transfer | Approximation) -> Transfer:
    """The transfer function of a table. Errors: UsageError."""
    match table:
        case Transfer():
            return table
        case Approximation():
            rows = table.table.T, table.table.h, table.table.d
            return transfer(table.name, rows, table.low, table.high, table.unit, table.scale)
        case Table() if table.channels in (None, 1):
            T, h, d = (rows[0] for rows in table.rows(1))
            changes = transfer("table", (T, h, d), LOWEST, HIGHEST).start[1:].tolist() or [0]
            more = max(1, (changes[-1] - changes[0]) // BESIDE)
            return transfer("table", (T, h, d), max(LOWEST, changes[0] - more), min(HIGHEST, changes[-1] + more))
        case Table():
            limit = "one row for all channels; fsref table show NET:POPULATION --channel for another"
            raise UsageError(RULE, "table", "has a row for each channel", table.channels, limit)
        case _:
            limit = "an fsref.Table, what fsref.fitted gives, or a transfer function"
            raise UsageError(RULE, "table", "not a table", type(table).__name__, limit)


def _edges(found: Transfer) -> Any:
    """Where intervals begin and the last ends, in real numbers where a unit is known."""
    return found.x(np.append(found.start, found.high + 1))


def draw_transfer(found: Transfer, axes: Any, function: Function | None = None) -> Any:
    """A transfer function: the value of the code of each membrane, and beside it a function. Returns the axes."""
    edges = _edges(found)
    heights = found.code if found.unit is None else found.values
    axes.stairs(heights, edges, baseline=None, linewidth=1.2, color=BLUE, label="table")
    if function is not None and found.unit is not None:
        low, high = found.x(np.array([found.low, found.high]))
        x = np.linspace(low, high, POINTS)
        axes.plot(x, function.value(x), "--", color=INK, linewidth=1, label=shown(function.name, TITLE))
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylabel("code" if found.unit is None else "value")
    if found.unit is None:
        axes.yaxis.get_major_locator().set_params(integer=True)
    axes.grid(linewidth=0.3)
    return axes


def draw_spikes(found: Transfer, axes: Any) -> Any:
    """How many spikes each membrane is worth. Returns the axes."""
    axes.stairs(found.spikes, _edges(found), fill=True, color=GREY)
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
    axes.set_yticks(np.arange(found.steps) + 0.5, map(str, range(found.steps)), **SMALL)
    axes.set_xlabel("membrane (units)" if found.unit is None else "x")
    return axes
