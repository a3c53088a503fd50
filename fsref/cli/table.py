"""`fsref table`: tables people can see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from math import ceil, floor, inf, isfinite
from pathlib import Path
from typing import Any

import click

from fsref.activations.functions import function_of
from fsref.activations.published import names, published
from fsref.activations.rounding import Rounded, rounded
from fsref.activations.transfer import HIGHEST, LOWEST, Transfer, transfer
from fsref.cli.options import FILE, FORCE, JSON, WIDE, check_file, show, written
from fsref.cli.staircases import plain_table
from fsref.cli.table_round import round_table
from fsref.cli.verb import Several, needs, verb
from fsref.errors import UsageError, nearest
from fsref.formats.bundled import load
from fsref.formats.tables import come_along, load_table
from fsref.law.network import Network
from fsref.law.neuron import relu_theta
from fsref.reports.neuron_pictures import table_picture
from fsref.reports.pictures import check_picture
from fsref.verification.compare import membrane_units
from fsref.verification.explain import steps_of
from fsref.verification.explanation import Step, steps_sheet

BESIDE = 8  # of the last code of an FS-ReLU: how much is shown on both sides
ROWS = "a table file, NET:POPULATION, or a known name: "


@click.group(cls=Several)
def table() -> None:
    """Show a table, every step of it; make integers of floats."""


@verb(needs("--force --width", "--plot"))
@click.argument("given", metavar="TABLE")
@click.option("--channel", type=click.IntRange(0), metavar="C", help="Of NET:POPULATION: this row of its table.")
@click.option(
    "--unit", type=float, metavar="U", help="Of NET:POPULATION that does not tell: what a membrane of 1 stands for."
)
@click.option("--against", metavar="FUNCTION", help="Its error beside a function: a name, or module:callable.")
@click.option("--range", "ends", nargs=2, type=float, metavar="A B", help="Of these inputs alone, in real numbers.")
@click.option("--membrane", "openings", multiple=True, type=int, metavar="V", help="Show the steps of V (repeatable).")
@click.option("--plot", type=FILE, metavar="FILE", help="Also draw it: .svg, .png or .pdf.")
@WIDE
@FORCE
@JSON
def show_table(
    given: str,
    channel: int | None,
    unit: float | None,
    against: str | None,
    ends: tuple[float, float] | None,
    openings: tuple[int, ...],
    plot: Path | None,
    width: float,
    force: bool,
    as_json: bool,
) -> int:
    """Show a table: its transfer function with every step, train and spike count, and its error beside a function.

    TABLE is a table file, the name of a table that comes with fsref or was published, or NET:POPULATION.
    """
    if plot is not None:
        check_file("--plot", plot, force, given)
        check_picture(plot)
    function = None if against is None else function_of(against)
    found, source = found_table(given, channel, unit, ends)
    found = found if function is None else found.beside(function)
    each = [steps_of((found.T, found.h, found.d), v) for v in checked(openings)]
    if plot is not None:
        table_picture(found, function, each, width).save(plot, force)
    parts: list[object] = [found.sheet()]
    for steps in each:
        code = sum(step.d for step in steps if step.fired)
        parts.append(steps_sheet(steps, f"membrane {steps[0].before:,}", [("code", f"{code:,}")]))
    if source is not None:
        parts.insert(0, source.sheet())
    show(as_json, [*parts, *written(plot)], {**to_dict(found, each), "plot": None if plot is None else str(plot)})
    return 0


table.add_command(show_table, "show")
table.add_command(round_table, "round")


def checked(openings: tuple[int, ...]) -> tuple[int, ...]:
    """Membranes that lie within 63 bits. Errors: UsageError."""
    for v in openings:
        if not LOWEST <= v <= HIGHEST:
            raise UsageError("FLOAT-3", "--membrane", "out of range", v, f"{LOWEST}..{HIGHEST}")
    return openings


def found_table(
    given: str, channel: int | None, unit: float | None, ends: tuple[float, float] | None
) -> tuple[Transfer, Rounded | None]:
    """The transfer function of a table that a command line names, and how its integers came of floats, if they did.
    Errors: UsageError, FileError.
    """
    net, colon, population = given.rpartition(":")
    if colon and not Path(given).is_file():
        return of_population(load(net), population, channel, unit, ends), None
    for option, value in (("--channel", channel), ("--unit", unit)):
        if value is not None:
            raise UsageError("RUN-6", option, "goes with NET:POPULATION")
    if given in names() and not Path(given).is_file():
        own = published(given)
        made = rounded(own.table, own.low, own.high)
        every = 2 ** (made.bits - made.input_bits)
        low, high = inside(ends or (own.low, own.high), made.unit)
        rows = made.table.T, made.table.h, made.table.d
        return transfer(given, rows, low, high, made.unit, made.scale, every=every), made
    if not Path(given).is_file() and given not in come_along():
        known = [*names(), *come_along()]
        raise UsageError("FLOAT-3", given, "no such table", None, f"{ROWS}{nearest(given, known)}")
    file = load_table(given)
    low, high = (file.low, file.high) if ends is None else inside(ends, file.unit)
    rows = file.table.T, file.table.h, file.table.d
    return transfer(file.name, rows, low, high, file.unit, file.scale), None


def inside(ends: tuple[float, float], unit: float, zero: int = 0) -> tuple[int, int]:
    """The membranes within two real ends, of which `zero` stands for 0. Errors: UsageError."""
    low, high = ends
    if not (isfinite(low) and isfinite(high) and low < high):
        raise UsageError("FLOAT-3", "--range", "not two ends, the lower first", f"{low} {high}")
    if not LOWEST <= low / unit + zero <= high / unit + zero <= HIGHEST:
        raise UsageError("FLOAT-3", "--range", "leaves 63 bits", f"{low} {high}", f"units of {unit:g}")
    first, last = ceil(low / unit) + zero, floor(high / unit) + zero
    if first > last:
        raise UsageError("FLOAT-3", "--range", "holds no membrane", f"{low} {high}", f"they are multiples of {unit:g}")
    return first, last


def of_population(
    net: Network,
    name: str,
    channel: int | None = None,
    unit: float | None = None,
    ends: tuple[float, float] | None = None,
) -> Transfer:
    """The transfer function of a channel of an fs population, on the interval that its opening membranes are proved to
    lie in; of an FS-ReLU, which changes nowhere else, a code beyond both ends at most. `unit` says what its membrane
    stands for where the network does not. Errors: UsageError.
    """
    p = next((p for p in net.fs if p.name == name), None)
    if p is None:
        known = [p.name for p in net.fs]
        raise UsageError("OBS-1", "TABLE", "no fs population of this name", name, nearest(name, known))
    row = 0 if channel is None else channel
    if row >= p.shape[0]:
        raise UsageError("NET-3", "--channel", "no such channel", row, f"0..{p.shape[0] - 1}")
    T, h, d = (rows[row] for rows in p.table.rows(p.shape[0]))
    theta = relu_theta(p.table)
    low, high = map(int, net.ranges[name].opening[row])
    zero = 0
    told: float | None = None
    scale = 1.0 if p.scale is None else float(p.scale[row] if isinstance(p.scale, tuple) else p.scale)
    if theta is not None:
        own = int(theta[row] if theta.ndim else theta)
        zero = own * p.offset + (own // 2 if _rounds(net, name) else 0)  # CONV-6, CONV-5
        low, high = min(high, max(low, -BESIDE * own)), max(low, min(high, own * (2**p.steps + BESIDE)))
        told = None if p.scale is None else scale / own
    elif (units := membrane_units(net, name)) is not None:
        told = float(units[row % len(units)])
    if unit is not None and (told is not None or not 0 < unit < inf):
        problem = "is not above 0, and finite" if told is None else f"the network tells it: {told:g}"
        raise UsageError("FLOAT-3", "--unit", problem, unit)
    unit = told if unit is None else unit
    if ends is not None:
        low, high = inside(ends, 1.0 if unit is None else unit, 0 if unit is None else zero)
    return transfer(f"{name} channel {row}", (T, h, d), low, high, unit, scale, p.offset, zero=zero)


def _rounds(net: Network, name: str) -> bool:
    """Whether a population was converted with half a theta in its bias: it rounds to the nearest code (CONV-5)."""
    populations = net.provenance.get("populations")
    told = populations.get(name) if isinstance(populations, Mapping) else None
    return isinstance(told, Mapping) and told.get("rounding") not in (None, "floor")


def to_dict(found: Transfer, each: list[tuple[Step, ...]]) -> dict[str, Any]:
    """A transfer function, and what some membranes do, as plain JSON values."""
    own = found.deviation
    rows, ends = (found.T, found.h, found.d), (found.low, found.high)
    return {
        **plain_table(found.name, rows, ends, found.unit, found.scale, found.mean_spikes),
        "every": found.every,
        "zero_membrane": found.zero,
        "code_offset": found.offset,
        "starts": found.start.tolist(),
        "trains": found.train.tolist(),
        "train_codes": found.code.tolist(),
        "train_spikes": found.spikes.tolist(),
        "falls": found.falls.tolist(),
        "rises": found.rises.tolist(),
        "codes_below": list(found.below),
        "codes_above": list(found.above),
        "deviation": None if own is None else asdict(own),
        "fired_steps": [[asdict(step) for step in steps] for steps in each],
    }
