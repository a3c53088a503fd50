"""Pictures of results as files, SVG, PNG or PDF by the suffix, and what all share: a width, a style that is read in
grey, a legend that hides nothing (COUNT-9). The one home of matplotlib, which comes with `pip install fsref[plot]`.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fsref.errors import UsageError, shown
from fsref.formats.files import write

RULE = "COUNT-9"
OURS = "fsref"  # the label of figures that are drawn in our style
SUFFIXES = (".pdf", ".png", ".svg")
DOTS_PER_INCH = 144
POINTS_PER_INCH = 72  # the unit of what is drawn in lines
WIDTH = 7.2  # inches, both columns of a paper
HEIGHT = 2.8
NARROW = 5.0  # below it panels stand one above the other
INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4}
LEAST, MOST = 2.0, 20.0  # inches
NAME = 22  # characters of a name on an axis
TITLE = 60  # of one above a picture
ROWS = 120  # populations that an axis has place for
LINE, BELOW = 8.8, 40  # points that a name needs, and a legend takes from axes that are not placed yet
# Text stays text, ids are the same, and a PDF carries its fonts as papers have to.
FILES: Any = {"svg.fonttype": "none", "svg.hashsalt": "fsref", "pdf.fonttype": 42}
UNPLACED: Any = {"figure.autolayout": False, "figure.constrained_layout.use": False}
STYLE: Any = {"font.size": 9, "axes.titlesize": "medium", "figure.titlesize": "medium", "hatch.linewidth": 0.6}
SMALL: Any = {"fontsize": "small"}  # 7.5 points: no text is smaller

# Okabe and Ito's colours: told apart by colour-blind people, and in grey by marker, line or hatch.
INK, GREY = "#000000", "#999999"
BEYOND = "#dfe3e8"  # the ground where nothing is to be seen, or was not asked for
BLUE, RED, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
CURVES: tuple[Any, ...] = (
    {"color": BLUE, "marker": "o", "linestyle": "-"},
    {"color": RED, "marker": "s", "linestyle": "--"},
    {"color": GREEN, "marker": "^", "linestyle": "-."},
    {"color": PURPLE, "marker": "D", "linestyle": ":"},
    {"color": ORANGE, "marker": "v", "linestyle": (0, (5, 1, 1, 1, 1, 1))},
    {"color": INK, "marker": "x", "linestyle": (0, (1, 1))},
)
EDGE: Any = {"edgecolor": INK, "linewidth": 0.4}  # of bars; hatches have its colour
BARS: tuple[Any, ...] = (
    {"facecolor": BLUE},
    {"facecolor": ORANGE, "hatch": "////"},
    {"facecolor": SKY, "hatch": "...."},
    {"facecolor": "#F0E442", "hatch": "xxxx"},
)


def blank_figure(width: float, height: float, rule: str = RULE) -> Any:
    """An empty figure, in inches, that no window and no global state knows. Errors: UsageError naming `rule` when
    matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError(rule, "picture", "matplotlib is missing", None, 'pip install "fsref[plot]"') from None
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.set_label(OURS)
    return figure


@contextmanager
def house(rule: str = RULE) -> Iterator[None]:
    """Inside it what is drawn has the style of fsref, whatever the caller's is. Errors: as `blank_figure`."""
    blank_figure(1, 1, rule)
    from matplotlib import rc_context, rcdefaults, rcParams

    with rc_context():
        rcdefaults()
        rcParams.update(STYLE)
        yield


@contextmanager
def canvas(ax: Any, height: float = HEIGHT) -> Iterator[Any]:
    """The axes given, or new ones, `height` inches high; those of a figure of fsref's are drawn into in its style,
    those of another in the caller's. Errors: as `blank_figure`.
    """
    if ax is not None and figure_of(ax).get_label() != OURS:
        yield ax
        return
    with house():
        yield blank_figure(WIDTH, height).subplots() if ax is None else ax


def axes(width: float | str = WIDTH, height: float | str = HEIGHT) -> Any:
    """Axes of a figure of their own for functions of fsref.plots to draw in: `width` and `height` are in inches, or
    text such as "3.4in", "8.6cm", "86mm". Text is of 9 points, 7.5 at least.

    Errors: UsageError for another size (COUNT-9), and when matplotlib is missing. Example:
    `fsref.plots.timeline(net, ax=fsref.plots.axes("3.4in"))`.
    """
    size = inches(width, "width"), inches(height, "height", LEAST / 2)
    with house():
        return blank_figure(*size).subplots()


def inches(size: float | str, place: str = "width", least: float = LEAST) -> float:
    """A size in inches, told as a number of them or as text: 3.4in, 8.6cm, 86mm. Errors: UsageError."""
    match = re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]{1,6})?) ?(in|cm|mm)", size) if isinstance(size, str) else None
    found = float(match[1]) * INCHES[match[2]] if match else size
    if isinstance(found, str) or isinstance(found, bool) or not least <= found <= MOST:
        limit = f"3.4in, 8.6cm or 86mm; {least:g}..{MOST:g} inches"
        raise UsageError(RULE, place, "not the size of a picture", repr(size), limit)
    return float(found)


def check_picture(path: str | PathLike[str]) -> None:
    """Nothing, when a picture may be drawn to this path. Errors: UsageError."""
    _kind(path)
    blank_figure(1, 1)


def _kind(path: str | PathLike[str]) -> str:
    """The kind of picture a path asks for. Errors: UsageError."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(RULE, str(path), "no kind of picture has this suffix", repr(suffix), ", ".join(SUFFIXES))
    return suffix[1:]


def rendered(figure: Any, kind: str) -> bytes:
    """A figure as SVG, PNG or PDF, the same bytes for the same figure."""
    from matplotlib import rc_context
    from matplotlib.backend_bases import get_registered_canvas_class

    made = io.BytesIO()
    svg = {"Date": None, "Creator": None, "Format": None, "Type": None}  # without them there is no metadata at all
    dated = {"png": {"Software": None}, "svg": svg, "pdf": {"CreationDate": None, "Creator": None, "Producer": None}}
    with rc_context(FILES | UNPLACED):
        if (placing := figure.get_layout_engine()) is not None:  # once: saving would place everything twice
            get_registered_canvas_class(kind)(figure)
            figure.dpi = DOTS_PER_INCH if kind == "png" else POINTS_PER_INCH
            placing.execute(figure)
            figure.set_layout_engine(None)
        figure.savefig(made, format=kind, dpi=DOTS_PER_INCH, metadata=dated[kind])
    return made.getvalue()


def write_picture(figure: Any, path: str | PathLike[str], replace: bool) -> None:
    """Write a figure to a file that appears complete or not at all (RUN-5). Errors: UsageError, FileError."""
    write(rendered(figure, _kind(path)), path, RULE, replace)


@dataclass(frozen=True)
class Picture:
    """A picture that notebooks show; `figure` is matplotlib's."""

    figure: Any

    def _repr_svg_(self) -> str:
        return rendered(self.figure, "svg").decode("utf-8")

    def save(self, path: str | PathLike[str], replace: bool = True) -> None:
        """Write it as SVG, PNG or PDF by the suffix, whole or not at all (COUNT-9). Errors: UsageError, FileError."""
        write_picture(self.figure, path, replace)


def picture(ax: Any) -> Picture:
    """The picture that axes are part of: notebooks show it, `.save("raster.pdf")` writes it, the same bytes for the
    same values (COUNT-9). Errors: UsageError for what are no axes. Example: `picture(ax).save("raster.pdf")`.
    """
    figure = figure_of(ax)
    return Picture(getattr(figure, "figure", figure))  # of a part of a figure the whole


def figure_of(ax: Any) -> Any:
    """The figure, or the part of one, that axes stand in. Errors: UsageError for what are no axes."""
    figure = getattr(ax, "figure", None)
    if not hasattr(figure, "get_label") or not hasattr(ax, "get_xlim"):
        limit = "one of matplotlib's axes, such as a function of fsref.plots gives"
        raise UsageError(RULE, "ax", "not axes of a figure", type(ax).__name__, limit)
    return figure


def legend(ax: Any, title: str = "") -> None:
    """A legend of the axes below them, where it hides nothing, in as many columns as there is room for; what is wider
    than the axes goes to the left, where labels have room.
    """
    from matplotlib.transforms import ScaledTranslation

    handles, labels = ax.get_legend_handles_labels()
    if not labels:
        return
    wide = POINTS_PER_INCH * ax.get_window_extent().width / ax.figure.dpi
    most = max(1, min(len(labels), int(wide // (24 + 3.9 * max(map(len, labels))))))
    columns = -(-len(labels) // -(-len(labels) // most))  # no fewer in the last row than have to be
    told = ax.xaxis.get_tick_params().get("labelbottom", True)
    drop = 4 + (15 if told else 0) + (14 if ax.get_xlabel() else 0)
    at = ax.transAxes + ScaledTranslation(0, -drop / POINTS_PER_INCH, ax.figure.dpi_scale_trans)
    place: Any = {"loc": "upper right", "bbox_to_anchor": (1, 0), "bbox_transform": at, "borderaxespad": 0}
    form: Any = {"frameon": False, "handlelength": 2.2, "columnspacing": 1.2, "fontsize": "small"}
    made = ax.legend(handles, labels, ncols=columns, title=title or None, title_fontsize="small", **place, **form)
    for text in (*made.get_texts(), made.get_title()):
        text.set_parse_math(False)


def heading(figure: Any, *parts: str) -> None:
    """A title above a figure: its parts in one line where they fit, else each in a line, what is too long shortened."""
    room, line = int(POINTS_PER_INCH * figure.get_figwidth() / 5.2), ", ".join(filter(None, parts))
    lines = [line] if len(line) <= room else [shown(part, room) for part in parts if part]
    figure.suptitle("\n".join(lines), parse_math=False)


def plain(axis: Any) -> None:
    """Numbers on a log axis as they are written, 0.1 and 1,000, not as powers; between them 2 and 5."""

    def told(value: float, _: int) -> str:
        return f"{value:,.0f}" if abs(value) >= 1 else f"{value:g}"

    axis.set_major_formatter(told)
    axis.set_minor_formatter(lambda value, _: told(value, 0) if f"{value:e}"[0] in "25" else "")
    axis.set_tick_params(which="minor", labelsize="small")


def short(name: str) -> str:
    """A name that fits an axis."""
    return shown(name, NAME)


def tall(rows: int, each: float = 0.19, more: float = 1.0) -> float:
    """The height in inches of a picture with a row for each population."""
    return more + each * max(3, min(rows, ROWS))


def by_population(ax: Any, names: Sequence[str]) -> None:
    """Make the y axis one of populations, the first at the top; of more than there is place for, some are named."""
    height = POINTS_PER_INCH * ax.get_window_extent().height / ax.figure.dpi - BELOW
    count = min(max(2, int(height / LINE)), ROWS, len(names))
    chosen = np.unique(np.linspace(0, len(names) - 1, count).round().astype(int)).tolist()
    ax.set_yticks(chosen, [short(names[i]) for i in chosen], parse_math=False, **SMALL)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_ylabel("population")
