"""What plots of a report are made of: a plot and its words, figures of panels, and of a line for each population
(COUNT-7).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fsref.reports.pictures import NAME, blank_figure

WIDTH = 9.0  # inches
PANELS = 24  # panels of a figure


@dataclass(frozen=True)
class Plot:
    """A plot: its file name without suffix, its title, a sentence that says what is seen, and its figure."""

    name: str
    title: str
    sentence: str
    figure: Any


def short(name: str) -> str:
    """A name that fits an axis."""
    return name if len(name) <= NAME else f"{name[: NAME - 3]}..."


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


def panels(names: Sequence[str], height: float) -> tuple[Any, dict[str, Any]]:
    """A figure with a panel, `height` inches high, for each name, and the panels by name."""
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = blank_figure(WIDTH, 0.6 + height * rows, "COUNT-7")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(names) :]:
        axes.remove()
    for name, axes in zip(names, grid, strict=False):
        axes.set_title(short(name), fontsize="small")
        axes.tick_params(labelsize="x-small")
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure, dict(zip(names, grid, strict=False))


def by_population(names: Sequence[str], count: int = 1, tall: float = 0.0) -> tuple[Any, Any]:
    """A figure with `count` plots side by side, their y axis the populations, first at the top."""
    figure = blank_figure(WIDTH, 1.2 + tall + 0.24 * len(names), "COUNT-7")
    grid = figure.subplots(1, count, sharey=True, squeeze=False)[0]
    grid[0].set_yticks(range(len(names)), [short(name) for name in names])
    grid[0].set_ylim(len(names) - 0.5, -0.5)
    grid[0].set_ylabel("population")
    return figure, grid
