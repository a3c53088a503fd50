"""A front of fits as a table and a picture (FIT-8)."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from os import PathLike

from fsref.errors import shown
from fsref.formats.tables import Approximation
from fsref.reports.curves import curve
from fsref.reports.pictures import HEIGHT, TITLE, WIDTH, blank_figure, heading, house, legend, plain, write_picture
from fsref.tables import Sheet, plural


def front_sheet(found: Sequence[Approximation]) -> Sheet:
    """A line for each table, fewest spikes first."""
    one = found[0]
    low, high = one.interval
    head = ("spikes", "mean square error", "largest error", "outputs")
    rows = [(f"{t.spikes:.2f}", f"{t.mse:.3g}", f"{t.max_error:.3g}", t.outputs) for t in found]
    title = f"{one.function} on {low:g}..{high:g} in {plural(one.table.steps, 'step')}, for fewer and fewer spikes"
    return Sheet(title, head, rows, left=0)


def front_picture(
    found: Sequence[Approximation], path: str | PathLike[str], replace: bool = True, width: float = WIDTH
) -> None:
    """Draw the errors of each table against its spikes: the largest, and the root of the mean square, which is in the
    same unit.

    Errors: UsageError when matplotlib is missing or for the suffix, FileError.
    """
    with house():
        figure = blank_figure(width, HEIGHT + 0.4, "FIT-8")
        axes = figure.subplots()
        spikes = [table.spikes for table in found]
        curve(axes, spikes, [table.max_error for table in found], 1, "largest")
        curve(axes, spikes, [sqrt(table.mse) for table in found], 0, "root of the mean square")
        axes.set_yscale("log")
        plain(axes.yaxis)
        axes.set_xlabel("spikes per neuron (mean)")
        axes.set_ylabel("error (units of the function)")
        axes.grid(which="both", linewidth=0.3)
        heading(figure, shown(found[0].function, TITLE), plural(found[0].table.steps, "step"))
        legend(axes)
        write_picture(figure, path, replace)
