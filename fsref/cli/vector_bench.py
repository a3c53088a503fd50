"""`fsref vectors bench`: golden vectors as a test bench that judges by itself."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import click

from fsref.cli.export import simulating
from fsref.cli.options import FILE, FORCE, JSON, LAYOUT, layout_of, record_options, show
from fsref.cli.verb import excludes, needs, verb
from fsref.conformance import program
from fsref.formats.files import check_target
from fsref.simulation import memory_folder
from fsref.tables import plural
from fsref.vectors.bench import save
from fsref.vectors.reader import read


@verb(needs("--unit --record --observable --layout", "--language sv"), excludes("--record", "--unit"))
@click.argument("pack", type=FILE)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="FOLDER", help="The new folder to write."
)
@click.option(
    "--language",
    type=click.Choice(("sv", "c")),
    default="sv",
    show_default=True,
    help="sv: SystemVerilog, around a chip that holds the one network of the pack. c: C11, around a function that "
    "answers frames.",
)
@click.option(
    "--unit", metavar="POPULATION", help="The chip is this population alone, fed its sources; else the whole network."
)
@record_options(
    "The chip answers with this population (repeatable); all unless given.",
    "Its chip answers with this (repeatable); spikes unless given. A readout answers its opening.",
)
@LAYOUT
@FORCE
@JSON
def bench(
    pack: Path,
    out: Path,
    language: str,
    unit: str | None,
    recorded: tuple[str, ...],
    observables: tuple[str, ...],
    layout: str | None,
    force: bool,
    as_json: bool,
) -> int:
    """Write a test bench of the cases of a pack that says pass, or the first difference, by itself.

    Nothing of fsref is needed where it runs.
    """
    ours, what = memory_folder.is_ours, "folders of memories"
    if language == "c":
        ours, what = program.is_ours, "programs of vectors"
    check_target(out, force, ours, "--out", what)
    words = None if layout is None else layout_of(layout)
    found = read(pack)
    if language == "c":
        cases, rejects = program.save(found, out, force)
        commands = [f"gcc -std=c11 -I {quote(str(out))} -o bench {quote(str(out))}/*.c DEVICE.c", "./bench"]
    else:
        cases, rejects = save(found, out, unit, recorded, observables or ("spikes",), words, force), 0
        commands = simulating(out)
    which = f" of {len(found.cases)}, those of {f'unit {unit}' if unit else 'scope network'}"
    line = f"{out}: {plural(cases, 'case')}" + (which if cases < len(found.cases) else "")
    line += f", {plural(rejects, 'reject')}" if rejects else ""
    plain = {"pack": str(pack), "out": str(out), "language": language, "unit": unit, "cases": cases, "rejects": rejects}
    show(as_json, [line, "\n".join(commands)], plain)
    return 0
