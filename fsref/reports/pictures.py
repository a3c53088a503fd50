"""Pictures of results as files, SVG, PNG or PDF by the suffix. The one home of matplotlib, which comes with `pip
install fsref[plot]`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from math import isfinite, nan
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsref.errors import UsageError, shown
from fsref.formats.files import write

if TYPE_CHECKING:
    from fsref.conversion.found import Found, Point
    from fsref.verification.comparison import Comparison

SUFFIXES = (".pdf", ".png", ".svg")
DOTS_PER_INCH = 144
POINTS_PER_INCH = 72  # the unit of what is drawn in lines
NAME = 24  # characters of a name on an axis
TITLE = 60  # of one above a picture
SVG: Any = {"svg.fonttype": "none", "svg.hashsalt": "fsref"}  # text stays text, and the ids the same
UNPLACED: Any = {"figure.autolayout": False, "figure.constrained_layout.use": False}


def blank_figure(width: float, height: float, rule: str = "CONV-10") -> Any:
    """An empty figure, in inches, that no window and no global state knows. Errors: UsageError naming `rule` when
    matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(rule, "picture", "matplotlib is missing", None, 'pip install "fsref[plot]"') from None
    return Figure(figsize=(width, height), layout="constrained")


def check_picture(path: str | PathLike[str]) -> None:
    """Nothing, when a picture may be drawn to this path. Errors: UsageError."""
    _kind(path)
    blank_figure(1, 1)


def _kind(path: str | PathLike[str]) -> str:
    """The kind of picture a path asks for. Errors: UsageError."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError("CONV-10", str(path), "no kind of picture has this suffix", repr(suffix), ", ".join(SUFFIXES))
    return suffix[1:]


def rendered(figure: Any, kind: str) -> bytes:
    """A figure as SVG, PNG or PDF, the same bytes for the same figure."""
    from matplotlib import rc_context
    from matplotlib.backend_bases import get_registered_canvas_class

    made = io.BytesIO()
    svg = {"Date": None, "Creator": None, "Format": None, "Type": None}  # without them there is no metadata at all
    dated = {"png": {"Software": None}, "svg": svg, "pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
    with rc_context(SVG | UNPLACED):
        if (placing := figure.get_layout_engine()) is not None:  # once: saving would place everything twice
            get_registered_canvas_class(kind)(figure)
            figure.dpi = DOTS_PER_INCH if kind == "png" else POINTS_PER_INCH
            placing.execute(figure)
            figure.set_layout_engine(None)
        figure.savefig(made, format=kind, dpi=DOTS_PER_INCH, metadata=dated[kind])
    return made.getvalue()


def write_picture(figure: Any, path: str | PathLike[str], replace: bool) -> None:
    """Write a figure to a file that appears complete or not at all (RUN-5). Errors: UsageError, FileError."""
    write(rendered(figure, _kind(path)), path, "CONV-10", replace)


def comparison_picture(comparison: Comparison, path: str | PathLike[str], replace: bool = True) -> None:
    """Draw a comparison: ratios in dB, inherited and new error, clipped values, by population; where the loss jumps,
    the ground is red (CONV-10).

    Errors: UsageError when matplotlib is missing or for the suffix, FileError.
    """
    _kind(path)
    rows, places = comparison.rows, range(len(comparison.rows))
    figure = blank_figure(max(7.0, 2.5 + 0.26 * len(rows)), 8.5)
    ratios, powers, ends = figure.subplots(3, 1, sharex=True)
    styles = {"error": "o-", "inherited": "v:", "codes": "s", "arithmetic": "d"}
    for (part, style), label in zip(
        styles.items(), ("the whole error", "inherited", "new: codes", "new: arithmetic"), strict=True
    ):
        ratios.plot(
            places,
            [row.db(part) if isfinite(row.db(part)) else nan for row in rows],
            style,
            label=label,
            markersize=4,
            linewidth=1,
        )
    if any(row.error and row.power for row in rows):
        powers.set_yscale("log")
    for part, shift in (("inherited", -0.2), ("new", 0.2)):
        shares = [100 * getattr(row, part) / row.power if row.power else 0 for row in rows]
        powers.bar([place + shift for place in places], shares, 0.4, label=part)
    for share, label, shift in (
        ("clipped", "float values beyond the codes", -0.2),
        ("saturated", "codes at the top", 0.2),
    ):
        ends.bar(
            [place + shift for place in places], [100 * (getattr(row, share) or 0) for row in rows], 0.4, label=label
        )
    name = shown(comparison.network or comparison.id[:12], TITLE)
    agreed = ""
    if comparison.agree is not None:
        agreed = f", {100 * comparison.agree / comparison.image_count:.2f} % of predictions agree"
    ratios.set_title(f"{name} beside its float graph, {comparison.image_count:,} images{agreed}", parse_math=False)
    for axes, label in (
        (ratios, "signal to noise (dB)"),
        (powers, "error power (% of the value's)"),
        (ends, "share of values (%)"),
    ):
        axes.set_ylabel(label)
        axes.grid(axis="y", linewidth=0.3)
        axes.legend(fontsize="small")
        for place in (place for place, row in zip(places, rows, strict=True) if row.jump):
            axes.axvspan(place - 0.5, place + 0.5, color="tab:red", alpha=0.15, linewidth=0)
    ends.set_xlabel("population")
    ends.set_xticks(
        places, [row.name if len(row.name) <= NAME else f"{row.name[: NAME - 3]}..." for row in rows], rotation=90
    )
    write_picture(figure, path, replace)


def search_picture(found: Found, path: str | PathLike[str], replace: bool = True) -> None:
    """Draw a search: accuracy or agreement of every complete point against latency and against spikes per neuron, the
    front joined (CONV-11).

    Errors: UsageError when matplotlib is missing or for the suffix, FileError.
    """
    _kind(path)
    done = [p for p in found.points if p.complete]
    figure = blank_figure(10.0, 4.8)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, axis, label in zip(
        panels, ("latency_steps", "spikes_per_neuron"), ("latency (steps)", "spikes per neuron"), strict=True
    ):

        def drawn(
            points: Sequence[Point], style: str, name: str, size: float = 5, axes: Any = axes, axis: str = axis
        ) -> None:
            points = sorted(points, key=lambda p: getattr(p, axis))
            axes.plot(
                [getattr(p, axis) for p in points],
                [100 * (p.share or 0) for p in points],
                style,
                label=name,
                markersize=size,
                linewidth=1,
            )

        drawn([p for p in done if p.uniform is not None], "o-", "every K for all")
        drawn([p for p in done if p.uniform is None], "x", "K by population")
        drawn(found.front, ".:", "no other is better in all", 3)
        drawn([found.best], "*", "best" if found.kept else "loses least", 13)
        for p in done:
            if p.uniform is not None:
                axes.annotate(
                    f"K={p.uniform}",
                    (getattr(p, axis), 100 * (p.share or 0)),
                    (4, -10),
                    textcoords="offset points",
                    fontsize="x-small",
                )
        axes.axhline(100 * found.float_right / found.image_count, color="black", linewidth=0.8, label="float")
        axes.axhline(
            100 * found.needed / found.image_count,
            color="tab:red",
            linewidth=0.8,
            linestyle="--",
            label=f"at most {found.loss:g} points lost",
        )
        axes.set_xlabel(label)
        axes.grid(linewidth=0.3)
    shares = [100 * (p.share or 0) for p in done]
    # What loses most would press the rest together.
    low = max(min(shares), 100 * found.needed / found.image_count - max(5.0, 4 * found.loss))
    panels[0].set_ylim(low - 1, max(*shares, 100 * found.float_right / found.image_count) + 1)
    panels[0].set_ylabel(f"{found.measure} (%)")
    panels[0].legend(fontsize="small")
    tried = f"{len(found.points)} points tried on {found.image_count:,} calibration images"
    figure.suptitle(
        f"{shown(found.graph or 'graph', TITLE)}: {tried}",
        parse_math=False,
    )
    write_picture(figure, path, replace)
