"""`fsref cover`: which bins of a network images, or a dump, have reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fsref.cli.options import IMAGES, JSON, LIMIT, NET, SIZE, WORK, chosen, labelled, layout_of, show, work
from fsref.cli.verb import excludes, needs, verb
from fsref.coverage.cover import cover as cover_network
from fsref.errors import UsageError
from fsref.formats.bundled import load
from fsref.formats.sources import load_images
from fsref.reports.progress import progress
from fsref.simulation.reader import READERS, detected, read_trace
from fsref.vectors.making import of_pack
from fsref.vectors.reader import read as read_pack


def check_images(source: str) -> None:
    """Nothing, unless a source is there, and a recording or dump, which no images are in. Errors: UsageError."""
    path = Path(source)
    form = detected(path) if path.exists() else "npz"
    if form != "npz" and (form != "recording" or (path / "recording.json").is_file()):
        raise UsageError("RUN-6", "SOURCE", "holds no images", source, f"--format {form}: it is a dump")


PACK = "pack"


@verb(excludes("--resize --crop --limit --images --threads --batch", "--format"), needs("--layout", "--format"))
@NET
@click.argument("source", metavar="SOURCE")
@click.option(
    "--format", "form", type=click.Choice((*READERS, PACK)), help="SOURCE is a recording, a dump, or vectors, as this."
)
@click.option("--layout", metavar="FILE or KEY=VALUE,...", help="How integers lie in it, as `fsref export` takes it.")
@SIZE
@LIMIT
@IMAGES
@WORK
@JSON
def cover(
    net: str, source: str, form: str | None, layout: str | None, selection: str | None, as_json: bool, **given: Any
) -> int:
    """Count the bins of the law that were reached.

    SOURCE are images, as --data takes them, or with --format what a chip gave back, or a pack of vectors. Bins are
    ties, resets, saturation, silence, bits of accumulators, weights, borders (COVER-1): of each population and rule it
    is said how many were reached, how many nothing can reach, and how many were missed; of these where, and what would
    hit them. --json has every bin that was missed, and why others cannot be reached.
    """
    network = load(net)
    if form == PACK:
        if layout is not None:
            raise UsageError("RUN-6", "--layout", "goes with a dump, not with a pack", layout)
        found = of_pack(network, read_pack(source), source)
        show(as_json, [found], {**found.to_dict(), "data": source})
        return 0
    if form is not None:
        told = None if layout is None else layout_of(layout)
        limit = given["memory_limit"]
        found = cover_network(network, read_trace(source, net=network, format=form, layout=told, memory_limit=limit))
        show(as_json, [found], {**found.to_dict(), "data": source})
        return 0
    check_images(source)
    images = load_images(source, network, given["resize"], given["crop"], given["limit"])
    picked = chosen(selection, len(images.x))
    with progress(f"counting, {len(picked)} images", len(picked)) as advance:
        found = cover_network(network, images.x[picked], **work(given), progress=advance)
    show(as_json, [labelled(found.sheet(), images)], {**found.to_dict(), "images": picked, "data": source})
    return 0
