"""`fsref table round`: a float table of anybody's as integers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fsref.activations.float_table import TYPES, FloatTable
from fsref.activations.functions import function_of
from fsref.activations.rounding import Rounded, rounded
from fsref.cli.options import FILE, FORCE, JSON, check_file, show, written
from fsref.cli.staircases import plain_rows
from fsref.cli.verb import needs, verb
from fsref.formats.float_tables import load_float_table
from fsref.formats.tables import name_of, save_table


@verb(needs("--force", "--out"), needs("--out", "--against"), needs("--against", "--out"))
@click.argument("floats")
@click.option("--range", "ends", nargs=2, type=float, required=True, metavar="A B", help="The inputs that may come.")
@click.option(
    "--input-bits", type=int, default=10, show_default=True, metavar="N", help="Inputs are multiples of 2^-N."
)
@click.option("--code-bits", type=int, default=10, show_default=True, metavar="N", help="A code of 1 stands for 2^-N.")
@click.option("--equality", is_flag=True, help="The loop fires at v >= T; else at v > T, as the authors' does.")
@click.option("--shifted", is_flag=True, help="h of a step lowers what fired in the step before.")
@click.option("--type", "dtype", type=click.Choice(TYPES), default=TYPES[0], show_default=True, help="The loop's.")
@click.option("--against", metavar="FUNCTION", help="What the table stands for: a name, or module:callable.")
@click.option("--out", type=FILE, metavar="TABLE", help="Write a table file (TABLE-1).")
@FORCE
@JSON
def round_table(
    floats: str,
    ends: tuple[float, float],
    input_bits: int,
    code_bits: int,
    equality: bool,
    shifted: bool,
    dtype: str,
    against: str | None,
    out: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Make integers of a float table: the fewest bits that send the trains of its loop.

    FLOATS is JSON with T, h and d, a number for each step. Exit code 1 when some input has another train.
    """
    if out is not None:
        check_file("--out", out, force, floats)
    function = None if against is None else function_of(against)
    table = FloatTable(*load_float_table(floats), strict=not equality, shifted=shifted, dtype=dtype)
    found = rounded(table, *ends, input_bits, code_bits)
    if out is not None and function is not None:
        save_table(found.named(name_of(out), function), out, force)
    show(as_json, [found.sheet(), *written(out)], {**to_dict(found), "out": None if out is None else str(out)})
    return 1 if found.differing else 0


def to_dict(found: Rounded) -> dict[str, Any]:
    """Integers of a float table as plain JSON values, and what that changed."""
    rows = found.table.T, found.table.h, found.table.d
    return {
        **plain_rows(rows, found.unit, found.scale),
        "input_count": found.inputs,
        "differing_input_count": found.differing,
        "first_differing_input": found.first,
        "largest_loss": found.loss,
    }
