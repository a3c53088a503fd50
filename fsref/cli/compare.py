"""`fsref compare`: which population of a network loses what its float graph knew, or may spike otherwise in floats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fsref.cli.graphs import CONTRACT, graph_of
from fsref.cli.options import FILE, FORCE, JSON, SOURCE, WIDE, check_file, labelled, show, written
from fsref.cli.verb import excludes, needs, verb
from fsref.errors import UsageError, shown
from fsref.formats.bundled import load
from fsref.formats.datasets import SOURCES
from fsref.formats.sources import load_images
from fsref.reports.losses import comparison_picture
from fsref.reports.pictures import check_picture
from fsref.reports.progress import progress
from fsref.verification.against import FloatComparison, against_float32
from fsref.verification.compare import compare as compare_populations
from fsref.verification.comparison import Comparison


def files_of(model: str, net: str | None, against: str | None) -> tuple[str | None, str]:
    """The file of the graph, none with --against, and that of the network. Errors: click's."""
    if against is None and net is None:
        raise click.UsageError("Missing argument 'NET'.")
    if against is not None and net is not None:
        raise click.UsageError(f"Got unexpected extra argument ({net}): with --against NET alone.")
    return (None, model) if net is None else (model, net)


@verb(
    needs("--force --width", "--plot"),
    excludes("--plot --mean --std --scale --max-code --order --size", "--against"),
)
@click.argument("model", metavar="GRAPH")
@click.argument("net", required=False)
@click.option(
    "--against",
    type=click.Choice(["float32"]),
    help="Of NET alone: which spikes float32 neurons send otherwise, and may. Exit code 1 when others do (FLOAT-5).",
)
@SOURCE
@click.option(
    "--limit", type=click.IntRange(1), default=256, show_default=True, metavar="N", help="Take the first N images."
)
@click.option("--plot", type=FILE, metavar="FILE", help="Also draw it: .svg, .png or .pdf.")
@WIDE
@FORCE
@CONTRACT
@JSON
def compare(
    model: str,
    net: str | None,
    against: str | None,
    source: str | None,
    limit: int,
    plot: Path | None,
    width: float,
    force: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Say which population loses what the float graph knew.

    Of every population of NET beside GRAPH (.npz or .onnx): signal to noise, bias, clipping; and the first jump. With
    --against float32, of NET alone: which spikes floats may send otherwise, and do.
    """
    graph_file, net_file = files_of(model, net, against)
    graph = None if graph_file is None else graph_of("GRAPH", graph_file, given)
    network = load(net_file)
    if plot is not None:
        check_file("--plot", plot, force, model, net, source)
        check_picture(plot)
    if source is None:
        raise UsageError("RUN-4", "--data", "a comparison needs images: name some", None, SOURCES)
    images = load_images(source, network, given["resize"], given["crop"], limit)
    found: Comparison | FloatComparison
    with progress(f"comparing, {len(images.x)} images", len(images.x)) as advance:
        if graph is None:
            found = against_float32(network, images.x, progress=advance)
        else:
            found = compare_populations(graph, network, images.x, images.y, progress=advance)
    if plot is not None and isinstance(found, Comparison):
        comparison_picture(found, plot, force, width)
    taken = f"images  {len(images.x):,} of {shown(source)}{', where --limit ends' if len(images.x) == limit else ''}"
    plain = {**found.to_dict(), **images.to_dict(), "data": source, "limit": limit}
    plain["plot"] = None if plot is None else str(plot)
    show(as_json, [labelled(found.sheet(), images), taken, *written(plot)], plain)
    return 1 if isinstance(found, FloatComparison) and found.beyond else 0
