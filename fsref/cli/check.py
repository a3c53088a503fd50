"""`fsref check`: what is proved of a network, and whether the engines agree on images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from fsref.cli.options import JSON, LIMIT, NET, SOURCE, WORK, images_of, show, work
from fsref.cli.verb import excludes, needs, verb
from fsref.errors import UsageError
from fsref.formats.bundled import brings_images, load
from fsref.formats.chips import chip_of
from fsref.law.images import drawn_images
from fsref.limits.misfits import Fit
from fsref.reports.progress import progress
from fsref.verification.check import check as check_network
from fsref.verification.golden import self_check


@verb(
    excludes("--data --images-drawn --seed --limit --resize --crop --memory-limit --threads --batch --self", "--for"),
    excludes("--data --images-drawn --seed --limit --resize --crop --memory-limit --threads --batch", "--self"),
    excludes("--images-drawn --seed", "--data"),
    needs("--limit --resize --crop", "--data"),
)
@NET
@SOURCE
@LIMIT
@click.option(
    "--images-drawn",
    "drawn",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    metavar="N",
    help="Without --data: this many drawn images.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), default=1, show_default=True, help="Seed of the drawn images."
)
@click.option(
    "--self", "itself", is_flag=True, help="Compute the golden values of a bundled model on this machine instead."
)
@click.option(
    "--for",
    "chip",
    metavar="CHIP.json",
    help="Instead say what of the network a chip's limits do not allow; exit code 1 when it does not fit (CHIP-2).",
)
@WORK
@JSON
def check(net: str, drawn: int, seed: int, itself: bool, chip: str | None, as_json: bool, **given: Any) -> int:
    """Say what is proved; test that all engines agree.

    They are compared bit by bit on images; exit code 1 when they differ.
    """
    source = given["source"]
    if chip is not None:
        limits = chip_of(chip)
        fit = Fit.of(load(net), limits)
        show(as_json, [fit.line if fit.fits else fit], fit.to_dict())
        return 0 if fit.fits else 1
    if itself:
        if not brings_images(net):
            raise UsageError("EVENT-3", "--self", "needs a model that comes with fsref", net, "digits")
        outcome = self_check(net)
        show(as_json, [outcome], outcome.to_dict())
        return 0 if outcome.agrees else 1
    network = load(net)
    x = drawn_images(network.input, drawn, seed) if source is None else images_of(net, network, given).x
    with progress(f"three engines, {len(x)} images", len(x)) as advance:
        checked = check_network(network, x, **work(given), progress=advance)
    sheet = checked.sheet()
    origin = ("images", f"{drawn} drawn, seed {seed}" if source is None else source)
    plain = {**checked.to_dict(), "data": source, "seed": seed if source is None else None}
    show(as_json, [replace(sheet, below=[*sheet.below, origin])], plain)
    return 0 if checked.agrees else 1
