"""`fsref cover`: which bins of a network images, a pack of vectors or a dump have reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fsref.cli.options import IMAGES, JSON, LIMIT, NET, SIZE, WORK, chosen, labelled, layout_of, show, work
from fsref.cli.verb import When, excludes, needs, verb
from fsref.coverage.cover import cover as cover_network
from fsref.formats.bundled import load
from fsref.formats.sources import load_images
from fsref.reports.progress import progress
from fsref.simulation.reader import READERS, detected, read_trace


def is_dump(source: str, form: str | None) -> bool:
    """Whether a source is a dump: it is said so, or it is what holds no images. An npz is one of images."""
    path = Path(source)
    if form is not None:
        return True
    if not path.exists():
        return False
    found = detected(path)
    return (path / "recording.json").is_file() if found == "recording" else found != "npz"


DUMP = When("a dump", lambda given: is_dump(given["source"], given["form"]))


@verb(
    excludes("--resize", DUMP),
    excludes("--crop", DUMP),
    excludes("--limit", DUMP),
    excludes("--images", DUMP),
    excludes("--batch", DUMP),
    excludes("--threads", DUMP),
    needs("--layout", DUMP),
)
@NET
@click.argument("source", metavar="SOURCE")
@click.option("--format", "form", type=click.Choice(tuple(READERS)), help="SOURCE is a dump of this format.")
@click.option(
    "--layout", metavar="FILE or KEY=VALUE,...", help="How integers lie in a dump, as `fsref export` takes it."
)
@SIZE
@LIMIT
@IMAGES
@WORK
@JSON
def cover(
    net: str, source: str, form: str | None, layout: str | None, selection: str | None, as_json: bool, **given: Any
) -> int:
    """Count the bins of the law that were reached.

    SOURCE are images, as --data takes them, a recording, or a dump of a chip. Bins are ties, resets, saturation,
    silence, bits of accumulators, weights, borders (COVER-1): of each group it is said how many were reached, the first
    that was not, and how many no image can reach.
    """
    network = load(net)
    if is_dump(source, form):
        told = None if layout is None else layout_of(layout)
        limit = given["memory_limit"]
        found = cover_network(network, read_trace(source, net=network, format=form, layout=told, memory_limit=limit))
        show(as_json, [found], {**found.to_dict(), "data": source})
        return 0
    images = load_images(source, network, given["resize"], given["crop"], given["limit"])
    picked = chosen(selection, len(images.x))
    with progress(f"counting, {len(picked)} images", len(picked)) as advance:
        found = cover_network(network, images.x[picked], **work(given), progress=advance)
    show(as_json, [labelled(found.sheet(), images)], {**found.to_dict(), "images": picked, "data": source})
    return 0
