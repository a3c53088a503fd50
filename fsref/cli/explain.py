"""`fsref explain`: why one neuron spiked as it did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fsref.cli.options import ENGINE, JSON, NET, SOURCE, images_of, show
from fsref.cli.verb import Given, When, excludes, needs, verb
from fsref.errors import UsageError
from fsref.formats.bundled import load
from fsref.formats.sources import image_file
from fsref.verification.explain import explain as explain_neuron


def by_number(given: Given) -> bool:
    """Whether IMAGE is the number of one."""
    return bool(given["image"].isascii() and given["image"].isdigit())


@verb(needs("--data", When("the number of an image", by_number)), excludes("--synapses", "--json"))
@NET
@click.argument("image")
@click.option("--population", required=True, help="Which population.")
@click.option("--neuron", type=int, required=True, help="Which neuron of it, 0 first.")
@click.option(
    "--synapses", type=click.IntRange(0), default=10, show_default=True, metavar="N", help="How many synapses to show."
)
@SOURCE
@ENGINE
@JSON
def explain(
    net: str, image: str, population: str, neuron: int, synapses: int, engine: str, as_json: bool, **given: Any
) -> int:
    """Say why one neuron spiked as it did.

    IMAGE is an index into --data, an image file or a .npy file.
    """
    network = load(net)
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
    show(as_json, [found.sheet(synapses)], {"network": network.name, "id": network.id, **found.to_dict()})
    return 0
