"""What a report shows of outputs that no label judges: those of an image, their spans, in real units (COUNT-7)."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from fsref.reports.evaluation import Evaluation
from fsref.reports.panels import Plot, panels, some, spread
from fsref.tables import Sheet, plural, sizes


def real(e: Evaluation, name: str) -> NDArray[Any]:
    """What an output gives for the first images in real units, (b, C, H, W) (NET-8)."""
    return e.sample.outputs[name] * e.net.output_scales[name]


def outputs(e: Evaluation, width: float) -> Plot | None:
    """The outputs of the first image: of a map a panel for each channel, of a row one in all; None where there are
    labels.
    """
    if e.labels is not None:
        return None
    every: dict[str, NDArray[Any]] = {}
    for p in e.net.readouts:
        values = real(e, p.name)[0]
        if not p.is_map:
            every[p.name] = values[:, 0, 0]
            continue
        one = len(values) == 1
        every |= {p.name if one else f"{p.name} {c}": channel for c, channel in enumerate(values)}
    names = spread(list(every))
    figure, grid = panels(names, 2.0, width)
    for name, axes in grid.items():
        values, size = every[name], "small"
        if values.ndim == 1:
            axes.stairs(values, fill=True)
            axes.set_xlabel("channel (neurons)", fontsize=size)
            axes.set_ylabel("value (real units)", fontsize=size)
        else:
            bar = figure.colorbar(axes.imshow(values, interpolation="none"), ax=axes)
            bar.set_label("value (real units)", fontsize=size)
            bar.ax.tick_params(labelsize=size)
            axes.yaxis.get_major_locator().set_params(integer=True)
            axes.set_xlabel("column (neurons)", fontsize=size)
            axes.set_ylabel("row (neurons)", fontsize=size)
    told = f"What the network gives for image {e.names[0]}, of a map each channel by itself."
    return Plot("outputs", "Outputs", told + some(names, list(every), "channels"), figure)


def spans(e: Evaluation) -> Sheet:
    """A line per output: its scale, and its least, mean and largest real value over the first images."""
    rows = []
    for p in e.net.readouts:
        values = real(e, p.name)
        told = (e.net.output_scales[p.name], values.min(), values.mean(), values.max())
        rows.append((p.name, sizes(p.shape), *(f"{value:.4g}" for value in told)))
    head = ("output", "shape", "scale", "least", "mean", "largest")
    return Sheet(f"outputs of the first {plural(len(e.x), 'image')}, in real units", head, rows, left=2)
