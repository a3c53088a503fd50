"""`fsref fit`: the table of a function."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from fsref.activations.fitting import CODE_BITS, EVEN, fitted_on
from fsref.activations.front import POINTS, front
from fsref.activations.functions import function_of
from fsref.activations.grid import Distribution, Grid, Normal
from fsref.activations.measuring import best_mse
from fsref.cli.options import FILE, FORCE, JSON, WIDE, check_file, show, written
from fsref.cli.staircases import plain_table
from fsref.cli.verb import excludes, needs, verb
from fsref.formats.arrays import membranes_of
from fsref.formats.tables import Approximation, name_of, save_table
from fsref.reports.fits import front_picture, front_sheet
from fsref.reports.pictures import check_picture
from fsref.reports.progress import progress
from fsref.tables import Sheet

MOVES = 6_000_000  # which take 60 seconds of one core at most, for 16 steps
SEARCHED = 2**16  # membranes of which the best staircase is looked for


def distribution_of(membranes: Path | None, normal: tuple[float, float] | None) -> Distribution:
    """The distribution that --membranes or --distribution names, if one does."""
    if membranes is not None:
        return membranes_of(membranes)
    return None if normal is None else Normal(*normal)


def to_dict(table: Approximation) -> dict[str, Any]:
    """A table as plain JSON values, and what it is worth."""
    own = table.table
    rows, ends = (own.T, own.h, own.d), (table.low, table.high)
    return {
        **plain_table(table.name, rows, ends, table.unit, table.scale, table.spikes),
        "function": table.function,
        "mse": table.mse,
        "largest_absolute_error": table.max_error,
        "output_count": table.outputs,
    }


def near(table: Approximation, least: float | None) -> Sheet:
    """The table as a sheet, and how near it comes to the best staircase with as many outputs, where that is known."""
    sheet = table.sheet()
    if not least:
        return sheet
    fact = (
        f"of any staircase with as many outputs: mean square {least:.3g}; this one {table.mse / least:.2g} times that"
    )
    return replace(sheet, below=[*sheet.below, ("best", fact)])


@verb(
    excludes("--membranes", "--distribution"),
    excludes("--spikes --out --resume", "--front"),
    needs("--even", "--membranes", "--distribution"),
    needs("--force", "--out", "--front"),
    needs("--width", "--front"),
)
@click.argument("function")
@click.option("-K", "--steps", type=click.IntRange(1, 16), required=True, metavar="K", help="Steps, 1..16.")
@click.option("--range", "interval", type=(float, float), required=True, metavar="A B", help="The interval, A below B.")
@click.option("--unit", type=float, default=2**-10, show_default="1/1024", metavar="U", help="A membrane of 1.")
@click.option("--bits", type=click.IntRange(2, 31), default=CODE_BITS, show_default=True, metavar="N", help="A code's.")
@click.option(
    "--membranes",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Membranes that occur, in the function's units: a .npy, or the array `membranes` of an .npz.",
)
@click.option(
    "--distribution", "normal", type=(float, float), metavar="MU SIGMA", help="Membranes occur by this normal one."
)
@click.option(
    "--even",
    type=float,
    show_default="0.01",
    metavar="SHARE",
    help="Of the errors' weight this share is spread evenly over the interval, 1 for all.",
)
@click.option("--spikes", type=float, metavar="CAP", help="Mean spikes of a neuron at most (FIT-3); 1 if missed.")
@click.option(
    "--max-error",
    type=float,
    default=0.0,
    show_default=True,
    metavar="WEIGHT",
    help="What the square of the largest error counts beside the mean square.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, metavar="N", help="Of draws.")
@click.option("--budget", type=click.IntRange(1), default=MOVES, show_default=True, metavar="N", help="Moves to try.")
@click.option("-o", "--out", type=FILE, metavar="FILE", help="Write the table to this .json.")
@click.option(
    "--front",
    "picture",
    type=FILE,
    metavar="FILE",
    help="Fit for fewer and fewer spikes, and draw them: .svg, .png or .pdf.",
)
@click.option("--resume", type=FILE, metavar="FILE", help="Keep what is done in this file, and go on where it ends.")
@WIDE
@FORCE
@JSON
def fit(
    function: str,
    steps: int,
    interval: tuple[float, float],
    unit: float,
    bits: int,
    membranes: Path | None,
    normal: tuple[float, float] | None,
    even: float | None,
    out: Path | None,
    picture: Path | None,
    width: float,
    resume: Path | None,
    force: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Find the table that follows a function.

    FUNCTION is a name such as silu, a table's .json file, a formula of x such as "x + sin(x) ** 2", or module:callable,
    a callable of a float64 array. Thresholds and resets are annealed on integers, code weights follow in closed form;
    errors are those of every integer of the interval.
    """
    for option, target in (("--out", out), ("--front", picture)):
        if target is not None:
            check_file(option, target, force, function, membranes, resume)
    if picture is not None:
        check_picture(picture)
    name = None if out is None else name_of(out)
    distribution, even = distribution_of(membranes, normal), EVEN if even is None else even
    asked: dict[str, Any] = {"codes": bits} | {name: value for name, value in given.items() if value is not None}
    chosen = function_of(function)
    label, moves = f"fitting {chosen.name}", given["budget"]
    if picture is not None:
        with progress(label, moves * POINTS) as advance:
            asked |= {"unit": unit, "distribution": distribution, "even": even}
            found = front(chosen, steps, *interval, **asked, progress=advance)
        front_picture(found, picture, force, width)
        show(
            as_json,
            [front_sheet(found), *written(picture)],
            {"tables": [to_dict(table) for table in found], "plot": str(picture)},
        )
        return 0
    grid = Grid.of(chosen, *interval, unit, distribution, even)
    with progress(label, moves) as advance:
        table = fitted_on(grid, steps, **asked, resume=resume, progress=advance)
    least = best_mse(grid, table.outputs) if len(grid.values) <= SEARCHED else None
    if out is not None and name is not None:
        save_table(replace(table, name=name), out, force)
    show(as_json, [near(table, least), *written(out)], to_dict(table) | {"least_mse": least, "out": out and str(out)})
    cap = given["spikes"]
    if cap is None or table.spikes <= cap:
        return 0
    remedy = "a larger cap, or a larger --budget"
    click.echo(f"fsref: note: {table.spikes:.4g} spikes of a neuron, more than {cap:g} ({remedy}) [FIT-3]", err=True)
    return 1
