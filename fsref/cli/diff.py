"""`fsref diff`: what a chip gave back beside what is right, to the first wrong neuron."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from fsref.cli.options import IMAGES, JSON, LIMIT, NET, SIZE, WORK, chosen, labelled, layout_of, show, work
from fsref.cli.verb import verb
from fsref.errors import UsageError
from fsref.formats.bundled import load
from fsref.formats.labels import few
from fsref.formats.sources import load_images
from fsref.reports.progress import progress
from fsref.simulation.exported import exported
from fsref.simulation.reader import READERS, read_trace
from fsref.verification.differences import compare_dump


@verb()
@NET
@click.argument("source", metavar="IMAGES")
@click.argument("dump", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(tuple(READERS)), help="What the dump is; found out unless given.")
@click.option(
    "--layout",
    metavar="FILE or KEY=VALUE,...",
    help="How integers lie in words of a memory, as `fsref export --layout` takes it.",
)
@click.option(
    "--isolated", is_flag=True, help="Compute each population from the dump's own codes of its sources, where observed."
)
@SIZE
@LIMIT
@IMAGES
@WORK
@JSON
def diff(
    net: str,
    source: str,
    dump: Path,
    form: str | None,
    layout: str | None,
    isolated: bool,
    selection: str | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Find the first wrong neuron of a dump.

    DUMP is what a chip or another program gave back for IMAGES, a source as --data takes it: a recording, a CSV or npz
    of answers, memories, address events or waveforms. Exit code 1 when something observed differs, or an image has no
    answer.
    """
    network = load(net)
    limit = given["memory_limit"]
    options: dict[str, Any] = {"format": form, "layout": None if layout is None else layout_of(layout)}
    ours = exported(dump)
    trace = read_trace(dump, net=network, memory_limit=limit, **options)
    images = load_images(source, network, given["resize"], given["crop"], given["limit"])
    picked = chosen(selection, len(images.x))
    if trace.image_count > len(picked) < len(images.x):
        limit = f"{len(picked)}, as --images {selection} says: leave it out of a dump of all images"
        raise UsageError("TRACE-2", str(dump), "holds more images than are chosen", trace.image_count, limit)
    with progress(f"comparing, {trace.image_count} images", trace.image_count) as advance:
        found = compare_dump(
            network, images.x[picked], trace, isolated, **work(given), progress=advance, numbers=picked
        )
    sheet = labelled(found.sheet(), images)
    if ours:
        told = f"{few(ours)}: what fsref export wrote, no answers of a chip"
        sheet = replace(sheet, below=[*sheet.below, ("exported", told)])
    if selection is not None:
        taken = f"0 .. {len(picked) - 1} of a dump are images {selection} of {source}, told by these numbers"
        sheet = replace(sheet, below=[*sheet.below, ("numbers", taken)])
    show(
        as_json, [sheet], {**found.to_dict(), "images": picked, "data": source, "dump": str(dump), "exported": [*ours]}
    )
    return 0 if found.agrees and found.complete else 1
