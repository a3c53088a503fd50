"""A front of fits as a table and a picture (FIT-8)."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from fsref.errors import shown
from fsref.formats.tables import Approximation
from fsref.reports.pictures import TITLE, blank_figure, write_picture
from fsref.tables import Sheet, plural


def front_sheet(found: Sequence[Approximation]) -> Sheet:
    """A line for each table, fewest spikes first."""
    one = found[0]
    low, high = one.interval
    head = ("spikes", "mean square error", "largest error", "outputs")
    rows = [(f"{t.spikes:.2f}", f"{t.mse:.3g}", f"{t.max_error:.3g}", t.outputs) for t in found]
    title = f"{one.function} on {low:g}..{high:g} in {plural(one.table.steps, 'step')}, for fewer and fewer spikes"
    return Sheet(title, head, rows, left=0)


def front_picture(found: Sequence[Approximation], path: str | PathLike[str], replace: bool = True) -> None:
    """Draw mean square and largest error of each table against its spikes.

    Errors: UsageError when matplotlib is missing or for the suffix, FileError.
    """
    figure = blank_figure(6.4, 4.0, "FIT-8")
    axes = figure.subplots()
    spikes = [table.spikes for table in found]
    axes.plot(spikes, [table.mse for table in found], "o-", markersize=4, linewidth=1, label="mean square error")
    axes.plot(spikes, [table.max_error for table in found], "s:", markersize=4, linewidth=1, label="largest error")
    axes.set_yscale("log")
    axes.set_xlabel("spikes of a neuron, in the mean")
    axes.set_ylabel("error")
    axes.grid(linewidth=0.3)
    axes.legend(fontsize="small")
    axes.set_title(f"{shown(found[0].function, TITLE)}, {plural(found[0].table.steps, 'step')}", parse_math=False)
    write_picture(figure, path, replace)
