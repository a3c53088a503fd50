"""`fsref explain`: why one neuron spiked as it did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fsref.cli.options import ENGINE, FILE, FORCE, JSON, NET, SOURCE, WIDE, check_file, images_of, show, written
from fsref.cli.table import of_population
from fsref.cli.verb import Given, When, excludes, needs, verb
from fsref.errors import UsageError
from fsref.formats.bundled import load
from fsref.formats.sources import image_file
from fsref.law.network import Network
from fsref.reports.neuron_pictures import neuron_picture
from fsref.reports.pictures import check_picture
from fsref.verification.explain import explain as explain_neuron
from fsref.verification.explanation import Place

SYNAPSES = 10  # shown unless told


def by_number(given: Given) -> bool:
    """Whether IMAGE is the number of one."""
    return bool(given["image"].isascii() and given["image"].isdigit())


def neuron_of(ctx: click.Context, param: click.Parameter, text: str) -> int | Place:
    """A neuron as a number, or a place C,Y,X (NET-3)."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    match found:
        case [number]:
            return number
        case [c, y, x]:
            return c, y, x
        case _:
            raise click.BadParameter(f"{text!r} is neither a number nor a place, as in 17 or 0,1,1", ctx, param)


def check_synapses(net: Network, population: str) -> None:
    """Nothing, when a population has synapses to show (RUN-6). Errors: UsageError."""
    reached = [p.name for p in net.populations if net.into(p.name)]
    if population not in reached and population in net.steps:
        limit = f"those that have some: {', '.join(reached)}"
        raise UsageError("RUN-6", "--synapses", "goes with a population that synapses reach", population, limit)


@verb(
    needs("--data", When("the number of an image", by_number)),
    excludes("--synapses", "--json"),
    needs("--force --width", "--plot"),
)
@NET
@click.argument("image")
@click.option("--population", required=True, help="Which population.")
@click.option(
    "--neuron", required=True, callback=neuron_of, metavar="N", help="Which neuron of it, 0 first, or its place C,Y,X."
)
@click.option(
    "--synapses",
    type=click.IntRange(0),
    show_default=str(SYNAPSES),
    metavar="N",
    help="How many synapses to show.",
)
@click.option("--plot", type=FILE, metavar="FILE", help="Also draw it over its steps: .svg, .png or .pdf.")
@WIDE
@FORCE
@SOURCE
@ENGINE
@JSON
def explain(
    net: str,
    image: str,
    population: str,
    neuron: int | Place,
    synapses: int | None,
    plot: Path | None,
    width: float,
    force: bool,
    engine: str,
    as_json: bool,
    **given: Any,
) -> int:
    """Say why one neuron spiked as it did.

    IMAGE is an index into --data, an image file or a .npy file.
    """
    if plot is not None:
        check_file("--plot", plot, force, net, image, given["source"])
        check_picture(plot)
    network = load(net)
    if synapses is not None:
        check_synapses(network, population)
    if by_number({"image": image}):
        images = images_of(net, network, given)
        if len(image) > 18 or int(image) >= len(images.x):
            raise UsageError("RUN-4", "IMAGE", "no such image", image, f"0..{len(images.x) - 1}")
        pixels: Any = images.x[int(image)]
    else:
        if not Path(image).exists():
            limit = "the number of an image of --data, an image file or a .npy file"
            raise UsageError("RUN-4", "IMAGE", "no such file", image, limit)
        pixels = image_file(Path(image), network, given["resize"], given["crop"])
    found = explain_neuron(network, pixels, population, neuron, engine)
    sheet = found.sheet(SYNAPSES if synapses is None else synapses)
    if plot is not None:
        stairs = of_population(network, population, found.place[0]) if found.kind == "fs" else None
        neuron_picture(found, stairs, width).save(plot, force)
    plain = {"network": network.name, "id": network.id, **found.to_dict(), "plot": None if plot is None else str(plot)}
    show(as_json, [sheet, *written(plot)], plain)
    return 0
