"""Pictures of results as files, SVG, PNG or PDF by the suffix. The one home of matplotlib, which comes with `pip install fsref[plot]`."""

from __future__ import annotations

import io
from math import isfinite, nan
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsref.errors import UsageError
from fsref.formats.files import write

if TYPE_CHECKING:
    from fsref.comparison import Comparison

SUFFIXES = (".pdf", ".png", ".svg")
DOTS_PER_INCH = 144
NAME = 24  # characters of a name on an axis
SVG: Any = {"svg.fonttype": "none", "svg.hashsalt": "fsref"}  # text stays text, and the ids the same


def _figure(width: float, height: float) -> Any:
    """An empty figure, in inches, that no window and no global state knows. Errors: UsageError when matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("CONV-10", "picture", "matplotlib is missing", None, "pip install fsref[plot]") from None
    return Figure(figsize=(width, height), layout="constrained")


def _kind(path: str | PathLike[str]) -> str:
    """The kind of picture a path asks for. Errors: UsageError."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError("CONV-10", str(path), "no kind of picture has this suffix", repr(suffix), ", ".join(SUFFIXES))
    return suffix[1:]


def _write(figure: Any, path: str | PathLike[str]) -> None:
    """Write a figure to a file that appears complete or not at all, the same bytes for the same figure. Errors: UsageError, FileError."""
    from matplotlib import rc_context

    kind, made = _kind(path), io.BytesIO()
    dated = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
    with rc_context(SVG):
        figure.savefig(made, format=kind, dpi=DOTS_PER_INCH, metadata=dated[kind])
    write(made.getvalue(), path, "CONV-10")


def comparison_picture(comparison: Comparison, path: str | PathLike[str]) -> None:
    """Draw a comparison: ratios in dB, inherited and new error, clipped values, by population; where the loss jumps, the ground is red (CONV-10).

    Errors: UsageError when matplotlib is missing or for the suffix, FileError.
    """
    _kind(path)
    rows, places = comparison.rows, range(len(comparison.rows))
    figure = _figure(max(7.0, 2.5 + 0.26 * len(rows)), 8.5)
    ratios, powers, ends = figure.subplots(3, 1, sharex=True)
    styles = {"error": "o-", "inherited": "v:", "codes": "s", "arithmetic": "d"}
    for (part, style), label in zip(styles.items(), ("the whole error", "inherited", "new: codes", "new: arithmetic"), strict=True):
        ratios.plot(places, [row.db(part) if isfinite(row.db(part)) else nan for row in rows], style, label=label, markersize=4, linewidth=1)
    if any(row.error and row.power for row in rows):
        powers.set_yscale("log")
    for part, shift in (("inherited", -0.2), ("new", 0.2)):
        shares = [100 * getattr(row, part) / row.power if row.power else 0 for row in rows]
        powers.bar([place + shift for place in places], shares, 0.4, label=part)
    for share, label, shift in (("clipped", "float values beyond the codes", -0.2), ("saturated", "codes at the top", 0.2)):
        ends.bar([place + shift for place in places], [100 * (getattr(row, share) or 0) for row in rows], 0.4, label=label)
    name = comparison.network or comparison.id[:12]
    agreed = f"{100 * comparison.agree / comparison.images:.2f} % of predictions agree"
    ratios.set_title(f"{name} beside its float graph, {comparison.images:,} images, {agreed}", parse_math=False)
    for axes, label in ((ratios, "signal to noise (dB)"), (powers, "error power (% of the value's)"), (ends, "share of values (%)")):
        axes.set_ylabel(label)
        axes.grid(axis="y", linewidth=0.3)
        axes.legend(fontsize="small")
        for place in (place for place, row in zip(places, rows, strict=True) if row.jump):
            axes.axvspan(place - 0.5, place + 0.5, color="tab:red", alpha=0.15, linewidth=0)
    ends.set_xlabel("population")
    ends.set_xticks(places, [row.name if len(row.name) <= NAME else f"{row.name[: NAME - 3]}..." for row in rows], rotation=90)
    _write(figure, path)
