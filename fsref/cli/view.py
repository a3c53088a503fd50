"""`fsref view`: a network at work on one image, as a page in which one looks for the wrong neuron."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fsref.cli.options import (
    ENGINE,
    FILE,
    FORCE,
    IMAGES,
    JSON,
    NET,
    SIZE,
    check_file,
    chosen,
    in_bytes,
    labelled,
    layout_of,
    show,
    written,
)
from fsref.cli.verb import needs, verb
from fsref.errors import UsageError
from fsref.formats.bundled import load
from fsref.formats.sources import load_images
from fsref.reports.view import page_of
from fsref.simulation.exported import exported
from fsref.simulation.reader import READERS, read_trace


@verb(needs("--format --layout --images", "--dump"))
@NET
@click.argument("source", metavar="IMAGES")
@click.option(
    "--image", "number", type=int, metavar="N", help="Which image; the first, with --dump the first that differs."
)
@click.option(
    "--dump",
    type=click.Path(path_type=Path),
    metavar="DUMP",
    help="What a chip gave back for IMAGES, as `fsref diff` takes it: shown in colour where it differs.",
)
@click.option("--format", "form", type=click.Choice(tuple(READERS)), help="What the dump is; found out unless given.")
@click.option(
    "--layout",
    metavar="FILE or KEY=VALUE,...",
    help="How integers lie in words of a memory, as `fsref export --layout` takes it.",
)
@IMAGES
@click.option(
    "--population",
    "populations",
    multiple=True,
    metavar="POPULATION",
    help="Show this population (repeatable) and what it reads; all unless given.",
)
@click.option(
    "-o", "--out", type=FILE, default="view.html", show_default=True, metavar="FILE", help="The page to write."
)
@FORCE
@SIZE
@ENGINE
@click.option(
    "--memory-limit", callback=in_bytes, default="8G", show_default=True, help="Refuse to start beyond this, e.g. 512M."
)
@JSON
def view(
    net: str,
    source: str,
    number: int | None,
    dump: Path | None,
    form: str | None,
    layout: str | None,
    selection: str | None,
    populations: tuple[str, ...],
    out: Path,
    force: bool,
    engine: str,
    memory_limit: int,
    as_json: bool,
    **given: Any,
) -> int:
    """Show every step of an image as a page.

    IMAGES is a source as --data takes it, an image file or a .npy file among them. The page needs a browser and nothing
    else; exit code 1 when something of the dump differs.
    """
    check_file("--out", out, force, net, source, dump)
    network = load(net)
    trace = None
    if dump is not None:
        exported(dump)
        how = None if layout is None else layout_of(layout)
        trace = read_trace(dump, net=network, format=form, layout=how, memory_limit=memory_limit)
    images = load_images(source, network, given["resize"], given["crop"])
    picked = chosen(selection, len(images.x))
    if number is not None and number not in picked:
        raise UsageError("RUN-4", "--image", "no such image", number, f"one of {len(picked)}, from {picked[0]} on")
    asked = populations or None
    page = page_of(network, images.x[picked], picked, source, trace, asked, number, engine, memory_limit)
    page.save(out, force)  # before anything is said: nobody may listen
    plain = {"network": network.name, "id": network.id, **page.to_dict(), "data": source, "out": str(out)}
    told = {**plain, "dump": None if dump is None else str(dump)}
    show(as_json, [labelled(page.sheet(), images), *written(out)], told)
    return 1 if page.differing else 0
