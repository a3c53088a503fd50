"""The picture of a search for steps (CONV-11)."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

from fsref.conversion.found import Found, Point
from fsref.errors import shown
from fsref.reports.curves import curve
from fsref.reports.pictures import (
    INK,
    NARROW,
    RED,
    SMALL,
    TITLE,
    WIDTH,
    blank_figure,
    heading,
    house,
    write_picture,
)

AXES = {"latency_steps": "latency (steps)", "spikes_per_neuron": "spikes per neuron"}


def search_picture(found: Found, path: str | PathLike[str], replace: bool = True, width: float = WIDTH) -> None:
    """Draw a search: accuracy or agreement of every complete point against latency and against spikes per neuron, the
    front joined (CONV-11).

    Errors: UsageError when matplotlib is missing or for the suffix, FileError.
    """
    with house():
        beside = width >= NARROW
        figure = blank_figure(width, 3.4 if beside else 5.8)
        panels = figure.subplots(*((1, 2) if beside else (2, 1)), sharey=True)
        for axes, axis in zip(panels, AXES, strict=True):
            _points(axes, axis, found)
        shares = [100 * (p.share or 0) for p in found.points if p.complete]
        # What loses most would press the rest together.
        low = max(min(shares), 100 * found.needed / found.image_count - max(5.0, 4 * found.loss))
        panels[0].set_ylim(low - 1, max(*shares, 100 * found.float_right / found.image_count) + 1)
        for axes in panels if not beside else panels[:1]:
            axes.set_ylabel(f"{found.measure} (% of images)")
        handles, columns = panels[0].get_legend_handles_labels(), 3 if beside else 2
        figure.legend(*handles, loc="outside lower center", ncols=columns, frameon=False, **SMALL)
        tried = f"{len(found.points)} points tried on {found.image_count:,} images"
        heading(figure, shown(found.graph or "graph", TITLE), tried)
        write_picture(figure, path, replace)


def _points(axes: Any, axis: str, found: Found) -> None:
    """Draw the points against one of their costs."""
    done = [p for p in found.points if p.complete]

    def drawn(points: Sequence[Point], number: int, name: str, **form: Any) -> None:
        points = sorted(points, key=lambda p: float(getattr(p, axis)))
        curve(axes, [getattr(p, axis) for p in points], [100 * (p.share or 0) for p in points], number, name, **form)

    drawn([p for p in done if p.uniform is not None], 0, "every K for all")
    drawn([p for p in done if p.uniform is None], 5, "K by population", linestyle="none")
    drawn(found.front, 3, "no other is better in all", marker=".", markersize=3)
    best: dict[str, Any] = {"marker": "*", "markersize": 11, "linestyle": "none"}
    drawn([found.best], 1, "best" if found.kept else "loses least", **best)
    for p in done:
        if p.uniform is not None:
            place = getattr(p, axis), 100 * (p.share or 0)
            axes.annotate(f"K={p.uniform}", place, (4, -10), textcoords="offset points", **SMALL)
    axes.axhline(100 * found.float_right / found.image_count, color=INK, linewidth=0.8, label="float")
    lost = f"at most {found.loss:g} points lost"
    axes.axhline(100 * found.needed / found.image_count, color=RED, linewidth=0.8, linestyle="--", label=lost)
    axes.margins(x=0.15)
    axes.set_xlabel(AXES[axis])
    axes.grid(linewidth=0.3)
