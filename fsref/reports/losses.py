"""Plots of a comparison beside a float graph: what each population loses, and what lies at the ends of its codes
(CONV-10, COUNT-9).
"""

from __future__ import annotations

from math import isfinite, nan
from os import PathLike
from typing import Any

from fsref.errors import UsageError, shown
from fsref.reports.curves import curve
from fsref.reports.pictures import (
    BARS,
    EDGE,
    NARROW,
    RED,
    RULE,
    TITLE,
    WIDTH,
    blank_figure,
    by_population,
    canvas,
    heading,
    house,
    legend,
    tall,
    write_picture,
)
from fsref.verification.comparison import Comparison

PARTS = {"error": "the whole error", "inherited": "inherited", "codes": "new: codes", "arithmetic": "new: arithmetic"}
ENDS = {"clipped": "float values beyond the codes", "saturated": "codes at the top"}


def losses(comparison: Comparison, ax: Any = None) -> Any:
    """Axes with what each population loses beside the float graph: power of its value over that of its error in dB, the
    whole, what it inherits, and the two parts that are new; where the loss jumps, the ground is red and hatched.

    `comparison` is what fsref.compare gave. Errors: UsageError for anything else, and when matplotlib is missing.
    Example: `fsref.plots.losses(fsref.compare(graph, net, x, y))`.
    """
    if not isinstance(comparison, Comparison):
        raise UsageError(RULE, "comparison", "not a comparison", type(comparison).__name__, "what fsref.compare gives")
    rows = comparison.rows
    with canvas(ax, tall(len(rows), more=1.2)) as ax:
        for number, (part, label) in enumerate(PARTS.items()):
            ratios = [row.db(part) for row in rows]
            # Parts of the new error are of one population each, and not joined.
            form: dict[str, Any] = {} if part in ("error", "inherited") else {"linestyle": "none"}
            curve(ax, [db if isfinite(db) else nan for db in ratios], range(len(rows)), number, label, **form)
        ax.set_xlabel("signal to noise (dB)")
        _rows(ax, comparison)
    return ax


def ends(comparison: Comparison, ax: Any = None) -> Any:
    """Axes with the share of a population's float values beyond its codes, and of codes at the top."""
    rows = comparison.rows
    with canvas(ax, tall(len(rows), more=1.2)) as ax:
        for shift, (share, label), form in zip((-0.2, 0.2), ENDS.items(), BARS, strict=False):
            places, values = (row + shift for row in range(len(rows))), [100 * (getattr(r, share) or 0) for r in rows]
            ax.barh(list(places), values, 0.38, label=label, **EDGE, **form)
        ax.set_xlabel("share of values (%)")
        _rows(ax, comparison)
    return ax


def _rows(ax: Any, comparison: Comparison) -> None:
    """Make the y axis one of populations, and mark those whose loss jumps."""
    by_population(ax, [row.name for row in comparison.rows])
    for place, row in enumerate(comparison.rows):
        if row.jump:
            ax.axhspan(
                place - 0.5, place + 0.5, facecolor="#f7d9c9", edgecolor=RED, hatch="\\\\", linewidth=0, zorder=0
            )
    ax.grid(linewidth=0.3)
    legend(ax)


def comparison_picture(
    comparison: Comparison, path: str | PathLike[str], replace: bool = True, width: float = WIDTH
) -> None:
    """Draw a comparison: `losses`, and the `ends` of codes (CONV-10).

    Errors: UsageError when matplotlib is missing or for the suffix, FileError.
    """
    with house():
        rows, beside = len(comparison.rows), width >= NARROW
        size = (1, 2) if beside else (2, 1)
        figure = blank_figure(width, tall(rows, more=1.5) * (1 if beside else 2))
        above, below = figure.subplots(*size, sharey=beside)
        losses(comparison, above)
        ends(comparison, below)
        if beside:
            below.set_ylabel("")
        name, agreed = shown(comparison.network or comparison.id[:12], TITLE), ""
        if comparison.agree is not None:
            agreed = f"{100 * comparison.agree / comparison.image_count:.2f} % of predictions agree"
        heading(figure, name, f"beside its float graph, {comparison.image_count:,} images", agreed)
        write_picture(figure, path, replace)
