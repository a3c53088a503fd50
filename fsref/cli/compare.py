"""`fsref compare`: which population of a network loses what its float graph knew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fsref.cli.graphs import CONTRACT, graph_of
from fsref.cli.options import FILE, FORCE, JSON, NET, SOURCE, check_file, labelled, show, written
from fsref.cli.verb import needs, verb
from fsref.errors import UsageError, shown
from fsref.formats.bundled import load
from fsref.formats.sources import SOURCES, load_images
from fsref.reports.pictures import check_picture, comparison_picture
from fsref.reports.progress import progress
from fsref.verification.compare import compare as compare_populations


@verb(needs("--force", "--plot"))
@click.argument("model", metavar="GRAPH")
@NET
@SOURCE
@click.option(
    "--limit", type=click.IntRange(1), default=256, show_default=True, metavar="N", help="Take the first N images."
)
@click.option("--plot", type=FILE, metavar="FILE", help="Also draw it: .svg, .png or .pdf.")
@FORCE
@CONTRACT
@JSON
def compare(
    model: str,
    net: str,
    source: str | None,
    limit: int,
    plot: Path | None,
    force: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Say which population loses what the float graph knew.

    Of every population of NET beside GRAPH (.npz or .onnx): signal to noise, bias, clipping; and the first jump.
    """
    graph, network = graph_of("GRAPH", model, given), load(net)
    if plot is not None:
        check_file("--plot", plot, force, model, net, source)
        check_picture(plot)
    if source is None:
        raise UsageError("RUN-4", "--data", "a comparison needs images: name some", None, SOURCES)
    images = load_images(source, network, given["resize"], given["crop"], limit)
    with progress(f"comparing, {len(images.x)} images", len(images.x)) as advance:
        compared = compare_populations(graph, network, images.x, images.y, progress=advance)
    if plot is not None:
        comparison_picture(compared, plot, force)
    taken = f"images  {len(images.x):,} of {shown(source)}{', where --limit ends' if len(images.x) == limit else ''}"
    plain = {**compared.to_dict(), **images.to_dict(), "data": source, "limit": limit}
    plain["plot"] = None if plot is None else str(plot)
    show(as_json, [labelled(compared.sheet(), images), taken, *written(plot)], plain)
    return 0
