"""`fsref check`: what is proved of a network, and whether the engines agree on images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from fsref.cli.options import (
    FILE,
    FORCE,
    JSON,
    LIMIT,
    NET,
    SOURCE,
    WORK,
    check_file,
    images_of,
    observable_option,
    show,
    work,
)
from fsref.cli.verb import Given, excludes, needs, verb
from fsref.engines.engine import ENGINES
from fsref.errors import UsageError
from fsref.formats.bundled import brings_images, load
from fsref.formats.chips import chip_of
from fsref.formats.files import write
from fsref.law.populations import OBSERVABLES
from fsref.limits.misfits import Fit
from fsref.reports.progress import progress
from fsref.tables import Sheet, plural
from fsref.verification.certificate import read_certificate, unmet
from fsref.verification.check import check as check_network
from fsref.verification.golden import self_check
from fsref.verification.proof import prove

DRAWN = "drawn:16"  # images unless others are named
FOR_ALL = ("--prove", "--certificate")


@verb(
    excludes("--data --limit --resize --crop --threads --batch --engine --observable", "--self", "--for", *FOR_ALL),
    excludes("--memory-limit", "--self", "--for"),
    excludes("--prove --certificate --for", "--self"),
    excludes("--certificate --for", "--prove"),
    excludes("--for", "--certificate"),
    needs("--out", "--prove"),
    needs("--force", "--out"),
    needs("--limit --resize --crop", "--data"),
)
@NET
@SOURCE
@LIMIT
@click.option(
    "--self", "itself", is_flag=True, help="Compute the golden values of a bundled model on this machine instead."
)
@click.option("--prove", "proves", is_flag=True, help="Prove instead, for every image, that events are quantized.")
@click.option(
    "--out",
    type=FILE,
    metavar="FILE.json",
    help="With --prove: write the certificate, unless something is refuted.",
)
@click.option(
    "--certificate",
    "held",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="Instead: prove again what a certificate says of this network.",
)
@FORCE
@click.option(
    "--engine",
    "engines",
    multiple=True,
    type=click.Choice(ENGINES),
    help="Compare this engine with the first named (repeatable); all by default.",
)
@observable_option("Compare these alone (repeatable); codes alone take least.")
@click.option(
    "--for",
    "chip",
    metavar="CHIP.json",
    help="Instead say what of the network a chip's limits do not allow; exit code 1 when it does not fit (CHIP-2).",
)
@WORK
@JSON
def check(net: str, itself: bool, chip: str | None, as_json: bool, **given: Any) -> int:
    """Say what is proved; test that all engines agree.

    They are compared bit by bit on images, drawn:16 unless --data names others; exit code 1 when they differ, or what
    was to be proved does not hold.
    """
    if given["proves"] or given["held"]:
        return for_all(net, as_json, given)
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
    source = given["source"] or DRAWN
    x = images_of(net, network, {**given, "source": source}).x
    engines, observables = given["engines"] or ENGINES, given["observables"] or OBSERVABLES
    if len(set(engines)) < 2:
        raise UsageError("RUN-2", "--engine", "one engine has none to agree with", engines[0], ", ".join(ENGINES))
    with progress(f"{', '.join(engines)}: {plural(len(x), 'image')}", len(x)) as advance:
        checked = check_network(network, x, engines, observables, **work(given), progress=advance)
    sheet = checked.sheet()
    show(as_json, [replace(sheet, below=[*sheet.below, ("images", source)])], {**checked.to_dict(), "data": source})
    return 0 if checked.agrees else 1


def for_all(net: str, as_json: bool, given: Given) -> int:
    """Prove a network for every image; write the certificate, or hold one against what is proved (PROOF-7)."""
    network, out, held = load(net), given["out"], given["held"]
    if out is not None:
        check_file("--out", out, given["force"], net)
    told = None if held is None else read_certificate(held, network)
    begun = perf_counter()
    with progress("populations", len(network.populations)) as advance:
        found = prove(network, memory_limit=given["memory_limit"], progress=advance)
    seconds = perf_counter() - begun
    differing = () if told is None or not found.holds else unmet(told, found)
    facts: list[tuple[str, str]] = []
    if held is not None and found.holds and not differing:
        facts.append(("certificate", f"{held} holds"))
    if out is not None and found.holds:
        write(found.to_bytes(), out, "PROOF-7", replace=given["force"])
        facts.append(("written", str(out)))
    took = Sheet(f"{'proved in' if found.holds else 'refuted after'} {seconds:.1f} s", below=facts)
    plain = {"network": network.name, **found.to_dict(), "seconds": seconds, "refuted": found.refuted or None}
    plain |= {"differing": list(differing), "out": str(out) if out is not None and found.holds else None}
    sheet = found.sheet()
    above = [*sheet.above, *(("DIFFERS", place) for place in differing)]
    show(as_json, [replace(sheet, above=above), took], plain)
    return 0 if found.holds and not differing else 1
