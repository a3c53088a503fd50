"""`fsref convert`: a float graph or an ONNX model becomes an FS network."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from textwrap import fill
from typing import Any

import click

from fsref.cli.graphs import CARRIED, CONTRACT, graph_of
from fsref.cli.options import FILE, FORCE, JSON, SHARDS, SOURCE, WIDE, WORK, check_file, labelled, show, work, written
from fsref.cli.streams import said
from fsref.cli.verb import Given, excludes, needs, verb
from fsref.conversion.converter import check_conversion
from fsref.conversion.folding import fold
from fsref.conversion.options import Options
from fsref.conversion.search import check_loss
from fsref.errors import UsageError, shown
from fsref.formats.datasets import SOURCES
from fsref.formats.npz import save
from fsref.formats.sources import load_images
from fsref.reports.pictures import check_picture
from fsref.reports.progress import progress
from fsref.reports.searches import search_picture
from fsref.tables import WIDTH, plural
from fsref.verification.outcome import FloatScore, convert_and_score, shared


def steps_of(text: str) -> int | dict[str, int]:
    """K for all, or K by population, that of the others first: `8` or `8,layer1.0.conv1=6`. Errors: UsageError."""
    chosen: dict[str, int] = {}
    for part in text.split(","):
        name, equals, count = part.rpartition("=")
        if not (count.isascii() and count.strip().isdecimal()) or len(count) > 6 or (equals and not name):
            raise UsageError("CONV-9", "--steps", "not a number of steps", part, "8, or 8,NAME=6,NAME=5")
        if name in chosen:
            raise UsageError("CONV-9", "--steps", "is given twice", part, "one K for all, and one for each NAME")
        chosen[name] = int(count)
    return chosen[""] if set(chosen) == {""} else chosen


def said_options(given: Given) -> dict[str, Any]:
    """The options of a conversion that the command line says, by keyword; the others are for the chip to set, or
    standard. Errors: UsageError, GraphError.
    """
    if given["loss"] is not None:
        check_loss(given["loss"])
    names = ("weight_bits", "alpha", "percentile", "rounding", "bias_correction", "chip")
    said = {name: given[name] for name in names if given[name] is not None}
    said |= {name: True for name in ("power_of_two", "refit") if given[name]}
    if given["steps"] is not None:
        said["steps"] = steps_of(given["steps"])
    return said


def percent(expected: float | None) -> float | None:
    """The accuracy of --expect in %, when it is one. Errors: UsageError."""
    if expected is not None and not 1 < expected <= 100:
        limit = f"did you mean {100 * expected:g}?" if 0 < expected <= 1 else "above 1, at most 100"
        raise UsageError("CONV-8", "--expect", "not an accuracy in %", expected, limit)
    return expected


def check_files(target: Path, plot: Path | None, force: bool, *read: str | None) -> None:
    """Nothing, when network and picture can be written, and replace neither what is `read` nor one another, nor without
    --force anything else. Errors: UsageError.
    """
    check_file("--out", target, force, *read)
    if plot is not None:
        check_file("--plot", plot, force, target, *read)
        check_picture(plot)


def word(path: object) -> str:
    """A path as a word of a command line, where one that starts with - would be an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def following(model: str, net: Path, source: str, given: Given) -> str:
    """The command that compares a new network with what it was made of, as one types it."""
    carried = [name for name in CARRIED if given[name] is not None]
    said = [part for name in carried for part in (f"--{name.replace('_', '-')}", str(given[name]))]
    return shlex.join(["fsref", "compare", word(model), word(net), "--data", source, *said])


@verb(
    needs("--percentile", "--alpha percentile"),
    needs("--plot --resume --dask", "--search"),
    needs("--width", "--plot"),
    excludes("--steps", "--search"),
    excludes("--alpha --bias-correction", "--refit"),
)
@click.argument("model")
@SOURCE
@click.option(
    "--test",
    metavar="SOURCE",
    help=(
        "Labelled images to score on, kept apart from those that calibrate; without it the images of --data are scored."
    ),
)
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Score the first N images alone.")
@click.option(
    "--image-count",
    type=click.IntRange(1),
    default=512,
    show_default=True,
    metavar="N",
    help="How many images of --data calibrate.",
)
@click.option(
    "--out",
    type=FILE,
    metavar="FILE",
    help="The network to write; MODEL.fs.npz here unless given.",
)
@click.option(
    "-K", "--steps", "steps", show_default="8", metavar="K", help="Steps, 1..16; by population: 8,layer1.0.conv1=6."
)
@click.option(
    "--weight-bits",
    type=click.IntRange(2, 16),
    show_default="8",
    metavar="N",
    help="Bits of a weight, sign included.",
)
@click.option(
    "--alpha",
    type=click.Choice(("mse", "max", "percentile")),
    show_default="mse",
    help="How the largest value coded is chosen.",
)
@click.option("--percentile", type=float, show_default="99.9", metavar="P", help="For --alpha percentile.")
@click.option(
    "--rounding",
    type=click.Choice(("nearest", "floor")),
    default="nearest",
    show_default=True,
    help="To which code a value goes.",
)
@click.option("--power-of-two", is_flag=True, help="Thetas that are powers of two.")
@click.option(
    "--bias-correction",
    type=click.Choice(("none", "analytic", "empirical")),
    show_default="none",
    help=(
        "Take back in the biases what rounded weights add in the mean, or make mean "
        "membranes the float ones (often better for K of 5 or less)."
    ),
)
@click.option(
    "--refit",
    is_flag=True,
    help="Fit weights and biases again, for fewer steps (CONV-13): they are then no longer yours. Does better with "
    "--image-count 2048.",
)
@click.option(
    "--for",
    "chip",
    metavar="CHIP.json",
    help="Fit the limits of a chip, and tell what that costs; exit code 1 when something does not fit (CHIP-3).",
)
@click.option(
    "--search",
    "loss",
    type=float,
    metavar="LOSS",
    help="Find the fewest steps per population that lose at most LOSS points (CONV-11).",
)
@click.option(
    "--plot",
    type=FILE,
    metavar="FILE",
    help="With --search: draw accuracy against steps and spikes, .svg, .png or .pdf.",
)
@WIDE
@click.option(
    "--expect",
    type=float,
    metavar="PERCENT",
    help="Stop, exit code 1, when fsref's float accuracy is more than a point off.",
)
@FORCE
@CONTRACT
@WORK
@SHARDS
@JSON
def convert(
    model: str,
    source: str | None,
    test: str | None,
    limit: int | None,
    out: Path | None,
    plot: Path | None,
    width: float,
    force: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Convert a float graph or ONNX model to an FS network.

    MODEL is an .npz or .onnx file. Prints fsref's own float accuracy first, then what the conversion lost, what it
    costs, and the population that lost most.
    """
    expected = percent(given["expect"])
    graph = graph_of("MODEL", model, given)
    graph.contract()
    if source is None:
        raise UsageError("CONV-8", "--data", "calibration needs images: name some", None, SOURCES)
    options = said_options(given)
    chosen = Options.of(convert_and_score, options)
    folded = fold(graph, given["memory_limit"])
    chosen.check_graph(folded)
    target = out or Path(f"{Path(model).name.removesuffix('.onnx').removesuffix('.npz').removesuffix('.graph')}.fs.npz")
    check_files(target, plot, force, model, source, test, given["chip"])
    tested = source if test is None else test
    calibration = load_images(source, graph, given["resize"], given["crop"], given["image_count"])
    scored = load_images(tested, graph, given["resize"], given["crop"], limit)
    check_conversion(folded, min(len(calibration.x), given["image_count"]), chosen, given["memory_limit"])
    with progress(f"float, {plural(len(scored.x), 'image')}", len(scored.x)) as advance:
        float_score = FloatScore.of(graph, scored.x, scored.y, advance, given["memory_limit"])
    also = shared(calibration.x, scored.x)
    calibrating = "" if not also else f", {'all' if also == len(scored.x) else f'{also:,}'} of them calibrate"
    nodes = f"{len(graph.nodes)} nodes, {sum(node.parameters for node in graph.nodes):,} parameters"
    if not as_json:
        said(fill(f"{shown(graph.name or Path(model).stem)}: {nodes}", WIDTH))
        for note in folded.graph.notes:
            said(fill(f"note: {shown(note)}", WIDTH))
        said(f"{float_score} of {shown(tested)}{calibrating}")
    for note in float_score.notes:  # before what takes long
        said(f"fsref: note: {shown(note)}" if as_json else fill(f"note: {shown(note)}", WIDTH), err=as_json)
    if expected is not None:
        if float_score.labels is None:
            raise UsageError("CONV-8", "--expect", "the images have no classes to measure accuracy with", tested)
        if off := float_score.unexpected(expected):
            said(f"fsref: error: {off}", err=True)
            told = {"network": graph.name, "image_count": len(scored.x), "float_correct": float_score.correct}
            if as_json:
                show(True, (), {**told, "notes": [off, *float_score.notes], "data": tested, "out": None})
            return 1
    if not as_json:
        said()
    outcome = convert_and_score(
        graph,
        calibration.x,
        calibration.y,
        test=(scored.x, scored.y),
        loss=given["loss"],
        image_count=given["image_count"],
        float_score=float_score,
        progress=lambda task, images: progress(f"{task}, {plural(images, 'image')}", images),
        tried=None if as_json else lambda point: said(f"  {point}", err=True),
        resume=given["resume"],
        dask=given["dask"],
        **work(given),
        **{**options, "chip": chosen.chip},
    )
    outcome = outcome.noted({"source": tested, **outcome.figures})
    save(outcome.net, target, force)
    if outcome.search is not None and plot is not None:
        search_picture(outcome.search, plot, force, width)
    early = {("note", note) for note in float_score.notes}
    sheet = outcome.sheet()
    sheet = replace(sheet, below=[fact for fact in sheet.below if fact not in early])
    lines = "\n".join([*written(target, plot), f"next     {following(model, target, source, given)}"])
    files = {"out": str(target), "plot": None if plot is None else str(plot)}
    plain = {**outcome.to_dict(), **scored.to_dict(), "data": tested, **files}
    searched = [] if outcome.search is None else [outcome.search]
    show(as_json, [*searched, labelled(sheet, calibration, scored), lines], plain)
    return 0 if outcome.fit is None or outcome.fit.fits else 1
