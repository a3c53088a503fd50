# SPDX-License-Identifier: Apache-2.0
"""The figures of the page of tools/bench.py: growth of one thing at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fsref.errors import UsageError
from fsref.formats.files import write
from fsref.reports.curves import growth
from fsref.reports.pictures import WIDTH, blank_figure, house, rendered

Row = dict[str, Any]
Series = dict[str, list[tuple[float, float]]]
FIGURES = {
    "growth": "milliseconds per image over K, image size, batch and threads",
    "costs": "nanoseconds per neuron over spikes and channels",
}


def draw(found: Row, folder: Path) -> bool:
    """Write the FIGURES as SVG into a folder; whether they could be drawn. Errors: FileError."""
    try:
        with house():
            made = {"growth": grown(found["growth"]), "costs": costs(found["costs"])}
    except UsageError:  # matplotlib is missing
        return False
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in made.items():
        write(rendered(figure, "svg"), folder / f"{name}.svg", "RUN-5")
    return True


def grown(found: dict[str, Sequence[Row]]) -> Any:
    """A panel for each thing that grows."""
    panels = []
    for what, rows in found.items():
        clock = what == "threads"
        up = f"ms per image, {'clock' if clock else 'process time'}"
        panels.append((by_peer(rows, "at", "wall" if clock else "cpu"), what, up))
    figure = figure_of(panels, 2)
    figure.suptitle("ResNet-20")
    return figure


def costs(found: Sequence[Row]) -> Any:
    """Over spikes at one number of channels, and over channels at one spike."""
    rows = [{**row, "each": 1e6 * row["cpu"] / row["neurons"]} for row in found]
    middle, one = 64, 1.0
    some = [{**row, "sent": row["delivered"] / row["neurons"]} for row in rows if row["channels"] == middle]
    asked = [row for row in rows if row["asked"] == one]
    up = "ns per neuron, process time"
    by_spikes = by_peer(some, "sent", "each"), f"spikes per neuron, {middle} channels", up
    return figure_of([by_spikes, (by_peer(asked, "channels", "each"), "channels, 1 spike per neuron", up)], 1)


def figure_of(panels: Sequence[tuple[Series, str, str]], rows: int) -> Any:
    """A figure of the panels that have more than one place, two in a row, with one legend for all."""
    figure = blank_figure(WIDTH, 0.6 + 2.4 * rows)
    grid = figure.subplots(rows, 2).ravel()
    for axes, panel in zip(grid, panels, strict=True):
        if len({x for points in panel[0].values() for x, _ in points}) < 2:
            axes.remove()
            continue
        growth(*panel, axes)
        axes.get_legend().remove()
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, fontsize="small", frameon=False)
    return figure


def by_peer(rows: Sequence[Row], across: str, up: str) -> Series:
    """The points of every peer."""
    peers = dict.fromkeys(row["peer"] for row in rows)
    return {peer: [(row[across], row[up]) for row in rows if row["peer"] == peer] for peer in peers}
