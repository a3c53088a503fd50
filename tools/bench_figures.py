# SPDX-License-Identifier: Apache-2.0
"""The figures of the page of tools/bench.py: growth of one thing at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fsref.errors import UsageError
from fsref.formats.files import write
from fsref.reports.pictures import blank_figure, rendered

Row = dict[str, Any]
FIGURES = {
    "growth": "milliseconds per image over K, image size, batch and threads",
    "costs": "nanoseconds per neuron over spikes and channels",
}
COLORS = {
    "fsref events": "tab:red",
    "fsref quantized": "tab:blue",
    "ONNX Runtime float32": "black",
    "ONNX Runtime int8, QDQ": "gray",
}


def draw(found: Row, folder: Path) -> bool:
    """Write the FIGURES as SVG into a folder; whether they could be drawn. Errors: FileError."""
    try:
        growth, costs = blank_figure(9, 7), blank_figure(9, 3.8)
    except UsageError:  # matplotlib is missing
        return False
    for axes, (what, rows) in zip(growth.subplots(2, 2).flat, found["growth"].items(), strict=True):
        clock = what == "threads"
        curves(axes, rows, "at", "wall" if clock else "cpu")
        axes.set_xlabel(what)
        axes.set_ylabel("ms per image, " + ("clock" if clock else "process time"))
        if what != "K":
            axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        places = sorted({row["at"] for row in rows})
        axes.set_xticks(places, minor=False)
        axes.set_xticks([], minor=True)
    growth.legend(*growth.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    growth.suptitle("ResNet-20", fontsize="medium")
    by_spikes, by_channels = costs.subplots(1, 2)
    rows = [{**row, "each": 1e6 * row["cpu"] / row["neurons"]} for row in found["costs"]]
    middle, one = 64, 1.0
    some = [{**row, "sent": row["delivered"] / row["neurons"]} for row in rows if row["channels"] == middle]
    curves(by_spikes, some, "sent", "each")
    by_spikes.set_xlabel(f"spikes per neuron, {middle} channels")
    curves(by_channels, [row for row in rows if row["asked"] == one], "channels", "each")
    by_channels.set_xlabel("channels, 1 spike per neuron")
    by_channels.set_xscale("log", base=2)
    by_channels.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    for axes in (by_spikes, by_channels):
        axes.set_ylabel("ns per neuron, process time")
    costs.legend(*by_spikes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in (("growth", growth), ("costs", costs)):
        write(rendered(figure, "svg"), folder / f"{name}.svg", "RUN-5")
    return True


def curves(axes: Any, rows: Sequence[Row], across: str, up: str) -> None:
    """A curve for every peer, from 0 up."""
    for peer in dict.fromkeys(row["peer"] for row in rows):
        own = [row for row in rows if row["peer"] == peer]
        axes.plot(
            [row[across] for row in own], [row[up] for row in own], "o-", color=COLORS[peer], label=peer, markersize=4
        )
    axes.set_ylim(bottom=0)
    axes.grid(linewidth=0.2)
