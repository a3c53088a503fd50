"""Find the named tables that come with fsref, and draw them.

    python tools/named_tables.py                       all of them, about ten minutes of one core
    python tools/named_tables.py silu-8 --resume DIR   one of them, which goes on where it was stopped
    python tools/named_tables.py --page                draw those that are there, and write the page that shows them

The same bytes come out on every machine: all is said by the list below.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from fsref.activations.fitting import fitted
from fsref.activations.functions import functions
from fsref.activations.grid import Grid, Normal
from fsref.activations.measuring import best_mse
from fsref.activations.transfer import transfer
from fsref.formats.tables import NAMED, Approximation, come_along, load_table, save_table
from fsref.reports.neurons import draw_transfer
from fsref.reports.pictures import BEYOND, INK, RED, WIDTH, blank_figure, heading, house, legend, write_picture
from fsref.tables import plural

UNIT = 1 / 1024
DRAWN = 600  # membranes of a picture
PAGE = Path(__file__).resolve().parent.parent / "reference_models" / "tables" / "README.md"
RANGES = {
    "silu": (-8, 12),
    "sigmoid": (-10, 10),
    "gelu": (-8, 8),
    "tanh": (-4, 4),
    "elu": (-8, 8),
    "softplus": (-8, 8),
    "mish": (-8, 8),
    "hard_sigmoid": (-4, 4),
    "hard_swish": (-4, 8),
    "exp": (-8, 0),
    "reciprocal": (0.25, 4),
    "rsqrt": (0.0625, 4),
}
HEAD = """# Tables that come with fsref

`fsref table show NAME`, `fsref fit NAME` and `fsref.formats.tables.load_table(NAME)` know each. Errors are those of
every membrane of the interval, in the function's units; spikes are the mean of a neuron whose membranes are distributed
normally, mean 0 and deviation 1.5 (of exp, reciprocal and rsqrt evenly over the interval). The last column is the mean
square error over that of the best staircase with as many outputs (FIT-7). `python tools/named_tables.py` finds them
anew, `python tools/named_tables.py --page` draws them and writes this page.

| table | interval | steps | mean square error | largest | spikes | outputs | to the best |
|---|--:|--:|--:|--:|--:|--:|--:|"""
BESIDE = """
## Beside the authors' recipe

The authors of FS neurons train T, h and d as floats, from random starts. `tools/authors_recipe.py` does that anew; here
are the mean square errors of its starts, and how many times larger the best is than that of the table above.

| table | starts | median | best | times ours |
|---|--:|--:|--:|--:|"""
AUTHORS = PAGE.with_name("authors.json")
OFTEN: dict[str, Any] = {"distribution": Normal(0.0, 1.5), "even": 1.0}  # how often, of activations; errors weigh alike
MOVES = {6: 2_000_000, 8: 4_000_000, 12: 6_000_000, 16: 6_000_000}
OTHER_MOVES = {"silu-12": 3_000_000, "silu-8-few": 6_000_000, "silu-16-few": 2_000_000, "sigmoid-12-few": 2_000_000}


def listed() -> dict[str, dict[str, Any]]:
    """What each table is asked as, by its name: function, steps and what `fitted` takes."""
    found: dict[str, dict[str, Any]] = {}
    steps = {"silu": (8, 12, 16), "sigmoid": (6, 8, 12, 16), "gelu": (8, 12, 16), "tanh": (8, 12, 16)}
    for name in RANGES:
        usual = OFTEN if functions[name].domain[0] < 0 and name != "exp" else {}
        for k in steps.get(name, (8,)):
            found[f"{name}-{k}"] = {"function": name, "steps": k, **usual}
    few = {"silu-8": (2.3, 0.05, 0), "silu-16": (2.37, 0.03, 3), "sigmoid-12": (4.26, 0.02, 7)}
    for name, (spikes, worth, seed) in few.items():
        found[f"{name}-few"] = {**found[name], "spikes": spikes, "max_error": worth, "seed": seed}
    return found


def found(name: str, resume: Path | None) -> Approximation:
    """The table of a name, found anew."""
    asked = listed()[name]
    low, high = RANGES[asked["function"]]
    kept = None if resume is None else resume / f"{name}.fit.json"
    moves = OTHER_MOVES.get(name, MOVES[asked["steps"]])
    return fitted(**asked, low=low, high=high, unit=UNIT, name=name, budget=moves, resume=kept)


def least(table: Approximation) -> float:
    """The mean square error of the best staircase with as many outputs."""
    grid = Grid.of(functions[table.function], *table.interval, table.unit, None, 1.0)
    return best_mse(grid, table.outputs)


def page(tables: list[Approximation]) -> str:
    """The page of the tables that come with fsref."""
    lines = [HEAD]
    for t in tables:
        low, high = t.interval
        told = f"{t.mse:.3g} | {t.max_error:.3g} | {t.spikes:.2f} | {t.outputs}", f"{t.mse / least(t):.1f}"
        lines.append(f"| [{t.name}]({t.name}.svg) | {low:g}..{high:g} | {t.table.steps} | {told[0]} | {told[1]} |")
    lines.append(BESIDE)
    authors = json.loads(AUTHORS.read_bytes())
    for t in tables:
        if t.name in authors:
            errors = authors[t.name]["errors"]
            best, middle = min(errors), float(np.median(errors))
            lines.append(f"| {t.name} | {len(errors)} | {middle:.3g} | {best:.3g} | {best / t.mse:.1f} |")
    return "\n".join(lines) + "\n"


def drawn(table: Approximation, path: Path) -> None:
    """Draw the output of a table beside its function, and its error, over twice the interval."""
    more, rows = (table.high - table.low) // 2, (table.table.T, table.table.h, table.table.d)
    found = transfer(table.name, rows, table.low - more, table.high + more, table.unit, table.scale)
    v = np.unique(np.linspace(found.low, found.high, DRAWN).round().astype(int))
    x, outputs = v * table.unit, found.values[np.searchsorted(found.start, v, "right") - 1]
    defined = x > functions[table.function].domain[0]
    wanted = np.where(defined, functions[table.function].value(np.where(defined, x, 1.0)), np.nan)
    low, high = table.interval
    inside = (v >= table.low) & (v <= table.high)
    least, largest = min(outputs.min(), wanted[inside].min()), max(outputs.max(), wanted[inside].max())
    with house("FIT-6"):
        figure = blank_figure(WIDTH, 4.4, "FIT-6")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.4))
        draw_transfer(found, above)
        above.plot(x, wanted, "--", color=INK, linewidth=1, label=table.function)
        above.set_ylim(least - 0.05 * (largest - least), largest + 0.05 * (largest - least))
        below.plot(x[inside], (outputs - wanted)[inside], color=RED, linewidth=0.6)
        below.set_ylabel("error")
        below.set_xlabel("x; the table was made for the light part")
        for axes in (above, below):
            axes.axvspan(x[0], low, color=BEYOND, zorder=0)
            axes.axvspan(high, x[-1], color=BEYOND, zorder=0)
            axes.grid(linewidth=0.3)
        legend(above)
        heading(figure, table.name, plural(table.outputs, "output"))
        write_picture(figure, path, True)


def main() -> None:
    """Find tables, or draw them."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="all unless given")
    parser.add_argument("--resume", type=Path, help="a folder that keeps what is done")
    parser.add_argument("--page", action="store_true", help="draw, and write reference_models/tables/README.md")
    given = parser.parse_args()
    if given.page:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page([load_table(name) for name in come_along()]), encoding="utf-8", newline="\n")
        for name in come_along():
            drawn(load_table(name), PAGE.parent / f"{name}.svg")
        return
    for name in given.names or listed():
        begun = time.process_time()
        table = found(name, given.resume)
        NAMED.mkdir(exist_ok=True)
        save_table(table, NAMED / f"{name}.json")
        print(f"{table!r} {time.process_time() - begun:.0f} s of processor", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
