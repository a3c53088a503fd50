"""What plots of a report are made of: a plot and its words, figures of panels, and of a line for each population
(COUNT-7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fsref.reports.pictures import NARROW, SMALL, WIDTH, blank_figure, by_population, short, tall

PANELS = 12  # panels of a figure


@dataclass(frozen=True)
class Plot:
    """A plot: its file name without suffix, its title, a sentence that says what is seen, and its figure."""

    name: str
    title: str
    sentence: str
    figure: Any


def spread(names: Sequence[str], count: int = PANELS) -> list[str]:
    """At most `count` of the names, evenly from first to last."""
    return [names[i] for i in np.unique(np.linspace(0, len(names) - 1, min(count, len(names))).round().astype(int))]


def some(names: Sequence[str], every: Sequence[str], what: str = "populations") -> str:
    """A sentence on what is not drawn, or ""."""
    return (
        ""
        if len(names) == len(every)
        else f" {len(names)} of {len(every)} {what} are drawn, evenly from first to last."
    )


def panels(names: Sequence[str], height: float, width: float = WIDTH) -> tuple[Any, dict[str, Any]]:
    """A figure with a panel, about `height` inches high, for each name, and the panels by name."""
    columns = min(max(2, int(width / 1.7)), len(names), 4)
    rows = -(-len(names) // columns)
    figure = blank_figure(width, 0.6 + height * rows, "COUNT-7")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(names) :]:
        axes.remove()
    for name, axes in zip(names, grid, strict=False):
        axes.set_title(short(name), y=1.0, parse_math=False, **SMALL)
        axes.tick_params(labelsize="small")
        placed(axes)
        axes.xaxis.get_major_locator().set_params(integer=True, nbins=4)
    return figure, dict(zip(names, grid, strict=False))


def placed(axes: Any) -> None:
    """Nothing; then the labels of axes that have none have their places: finding them takes longer than drawing."""
    axes.xaxis.set_label_coords(0.5, 0)
    axes.yaxis.set_label_coords(0, 0.5)


def side_by_side(names: Sequence[str], width: float, count: int = 1, more: float = 1.0) -> tuple[Any, Any]:
    """A figure with `count` plots, their y axis the populations; one above the other where it is narrow."""
    beside = width >= NARROW
    figure = blank_figure(width, tall(len(names), more=more) * (1 if beside else count), "COUNT-7")
    grid = figure.subplots(*((1, count) if beside else (count, 1)), sharey=True, squeeze=False).ravel()
    for axes in grid[:1] if beside else grid:
        by_population(axes, names)
    return figure, grid
