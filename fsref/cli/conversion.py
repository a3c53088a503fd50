"""The verbs that make a network or carry it elsewhere: `fsref convert | compare | export`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from fsref.cli.options import JSON, LIMIT, NET, SOURCE, WORK, Given, options, show, work
from fsref.conversion.converter import Calibrated, Options
from fsref.conversion.folding import fold
from fsref.conversion.plausibility import guessing, implausible, lost_elsewhere, unexpected
from fsref.conversion.search import check_loss, search
from fsref.errors import GraphError, UsageError
from fsref.formats.bundled import load, load_graph, save
from fsref.formats.sources import SOURCES, load_images, same_source
from fsref.graph.graph import Graph
from fsref.law.images import Pixels
from fsref.law.populations import FS
from fsref.metrics.paired import Paired
from fsref.metrics.score import evaluate
from fsref.reports.pictures import check_picture, comparison_picture, search_picture
from fsref.reports.progress import progress
from fsref.verification.compare import compare as compare_populations

CARRIED = (
    "mean",
    "std",
    "scale",
    "order",
    "size",
    "resize",
    "crop",
)  # options that say what images mean: the next command needs them too
LOOKED_AT = 64  # images on which the worst population is found

CONTRACT = options(
    click.option(
        "--mean",
        metavar="M[,M,M]",
        help="Input contract: mean per channel, of pixel x scale. For ONNX, or in place of the graph's own.",
    ),
    click.option("--std", metavar="S[,S,S]", help="Input contract: standard deviation per channel."),
    click.option(
        "--scale",
        metavar="S",
        help="Input contract: real value of one pixel step, 1/255 unless given; 1 for pixels 0..255.",
    ),
    click.option(
        "--order", type=click.Choice(("RGB", "BGR", "L")), help="Input contract: order of the channels the model wants."
    ),
    click.option("--size", metavar="CxHxW", help="Input contract: size of the input, where the model leaves it open."),
)


def numbers(option: str, text: str) -> tuple[float, ...]:
    """The numbers of a list such as 0.49,0.48 or 1/255. Errors: UsageError."""
    found = []
    for part in text.split(","):
        above, _, below = part.partition("/")
        try:
            found.append(float(above) / float(below or 1))
        except (ValueError, ZeroDivisionError):
            raise UsageError(
                "GRAPH-5", option, "not numbers separated by commas", text, "e.g. 0.49,0.48,0.45 or 1/255"
            ) from None
    return tuple(found)


def steps_of(text: str) -> int | dict[str, int]:
    """K for all, or K by population with the default first: `8` or `8,layer1.0.conv1=6`. Errors: UsageError."""
    chosen: dict[str, int] = {}
    for part in text.split(","):
        name, equals, count = part.rpartition("=")
        if not count.strip().isdecimal() or len(count) > 6 or (equals and not name):
            raise UsageError("CONV-9", "--steps", "not a number of steps", part, "8, or 8,NAME=6,NAME=5")
        chosen[name] = int(count)
    return chosen[""] if set(chosen) == {""} else {"": 8, **chosen}


def chosen_options(given: Given) -> Options:
    """The options of a conversion that the command line says. Errors: UsageError, GraphError."""
    if given["loss"] is not None:
        check_loss(given["loss"])
        if given["steps"] is not None:
            raise UsageError("CONV-11", "--steps", "does not go with --search, which chooses K", given["steps"])
    others = ("weight_bits", "alpha", "percentile", "rounding", "power_of_two", "bias_correction")
    return Options(steps_of(given["steps"] or "8"), **{name: given[name] for name in others})


def graph_of(model: str, given: Given) -> Graph:
    """The float graph of a file, .onnx or fsref's own npz, with what the command line says of its input. Errors:
    GraphError, FileError, UsageError.
    """
    asked: dict[str, Any] = {
        name: numbers(f"--{name}", given[name]) for name in ("mean", "std", "scale") if given[name] is not None
    }
    if "scale" in asked:
        asked["scale"] = asked["scale"][0]
    if given["order"] is not None:
        asked["order"] = given["order"]
    asked = {name: value[0] if isinstance(value, tuple) and len(value) == 1 else value for name, value in asked.items()}
    size: tuple[int, int, int] | None = None
    if given["size"] is not None:
        sides = given["size"].lower().split("x")
        if len(sides) != 3 or not all(side.isdecimal() and len(side) < 6 for side in sides):
            raise UsageError("GRAPH-5", "--size", "not channels x height x width", given["size"], "e.g. 3x32x32")
        size = (int(sides[0]), int(sides[1]), int(sides[2]))
    if model.lower().endswith(".onnx"):
        from fsref.importers.onnx.from_onnx import from_onnx, input_shape

        if not {"mean", "std"} <= set(asked):
            raise GraphError(
                "GRAPH-5",
                model,
                "an ONNX file has no input contract",
                None,
                "name --mean and --std; 0 and 1 when the model takes pixels x scale",
            )
        return from_onnx(model, Pixels(*(size or input_shape(model)), **asked))
    graph = load_graph(model)
    if not asked and size is None:
        return graph
    if graph.input is None:
        if size is None:
            raise GraphError("GRAPH-5", model, "the graph has no input contract", None, "name --size, --mean and --std")
        return graph.with_input(Pixels(*size, **asked))
    channels, height, width = size or graph.input.shape
    return graph.with_input(replace(graph.input, channels=channels, height=height, width=width, **asked))


def percent(expected: float | None) -> float | None:
    """The accuracy of --expect in %, when it is one. Errors: UsageError."""
    if expected is not None and not 1 < expected <= 100:
        limit = f"did you mean {100 * expected:g}?" if 0 < expected <= 1 else "above 1, at most 100"
        raise UsageError("CONV-8", "--expect", "not an accuracy in %", expected, limit)
    return expected


def k_told(steps: Sequence[int]) -> str:
    """The K of FS populations: "K = 8", or "K = 4..8"."""
    if not steps:
        return "no FS neurons"
    low, high = min(steps), max(steps)
    return f"K = {low}" if low == high else f"K = {low}..{high}"


def tell(note: str) -> None:
    """Print a note, if there is one, on standard error."""
    if note:
        click.echo(f"fsref: note: {note}", err=True)


def following(model: str, net: Path, source: str, given: Given) -> str:
    """The command that compares a new network with what it was made of, as one types it."""
    said = [word for name in CARRIED if given[name] is not None for word in (f"--{name}", str(given[name]))]
    return shlex.join(["fsref", "compare", model, str(net), "--data", source, *said])


@click.command()
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
    "--images",
    type=click.IntRange(1),
    default=512,
    show_default=True,
    metavar="N",
    help="How many images of --data calibrate.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The network to write; MODEL.fs.npz here unless given.",
)
@click.option(
    "-K", "--steps", "steps", show_default="8", metavar="K", help="Steps, 1..16; by population: 8,layer1.0.conv1=6."
)
@click.option(
    "--weight-bits",
    type=click.IntRange(2, 16),
    default=8,
    show_default=True,
    metavar="N",
    help="Bits of a weight, sign included.",
)
@click.option(
    "--alpha",
    type=click.Choice(("mse", "max", "percentile")),
    default="mse",
    show_default=True,
    help="How the largest value coded is chosen.",
)
@click.option("--percentile", type=float, default=99.9, show_default=True, metavar="P", help="For --alpha percentile.")
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
    default="none",
    show_default=True,
    help=(
        "Take back in the biases what rounded weights add in the mean, or make mean "
        "membranes the float ones (often better for K of 5 or less)."
    ),
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
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="With --search: draw accuracy against steps and spikes, .svg, .png or .pdf.",
)
@click.option(
    "--expect",
    type=float,
    metavar="PERCENT",
    help="Stop, exit code 1, when fsref's float accuracy is more than a point off.",
)
@CONTRACT
@WORK
@JSON
def convert(
    model: str,
    source: str | None,
    test: str | None,
    limit: int | None,
    out: Path | None,
    plot: Path | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Convert a float graph or ONNX model to an FS network.

    MODEL is an .npz or .onnx file. Prints fsref's own float accuracy first, then what the conversion lost, what it
    costs, and the population that lost most.
    """
    expected = percent(given["expect"])
    graph = graph_of(model, given)
    pixels = graph.contract()
    tell(implausible(pixels))
    if source is None:
        raise UsageError("CONV-8", "--data", "calibration needs images: name some", None, SOURCES)
    chosen = chosen_options(given)
    chosen.check_names(fold(graph))
    target = out or Path(f"{Path(model).name.removesuffix('.onnx').removesuffix('.npz').removesuffix('.graph')}.fs.npz")
    for option, file in (("--out", target), ("--plot", plot)):
        if file is not None and not file.parent.is_dir():
            raise UsageError("FILE-1", option, "there is no such folder", str(file.parent), "make it first")
    if plot is not None:
        if given["loss"] is None:
            raise UsageError("CONV-11", "--plot", "goes with --search", str(plot))
        check_picture(plot)
    calibration = load_images(source, graph, given["resize"], given["crop"], given["images"])
    scored = load_images(test or source, graph, given["resize"], given["crop"], limit)
    with progress(f"float, {len(scored.x)} images", len(scored.x)) as advance:
        logits = []
        for first in range(0, len(scored.x), 256):
            logits.append(graph.forward(scored.x[first : first + 256]))
            advance(len(logits[-1]))
    predicted = np.concatenate(logits).argmax(axis=1)
    correct = None if scored.y is None else int((predicted == scored.y).sum())
    among = test is None or same_source(test, source)
    calibrated = "calibration among them" if len(scored.x) > len(calibration.x) else "all of them calibrate"
    place = f"{len(scored.x):,} images of {test or source}" + (f", {calibrated}" if among else "")
    if not as_json:
        click.echo(
            f"{graph.name or Path(model).stem}: {len(graph.nodes)} nodes, "
            f"{sum(node.parameters for node in graph.nodes):,} parameters"
        )
        for note in graph.notes:
            click.echo(f"note: {note}")
        click.echo(
            f"float accuracy {100 * correct / len(predicted):.2f} %, {place}"
            if correct is not None
            else f"{place}, without classes"
        )
    if expected is not None:
        if correct is None:
            raise UsageError(
                "CONV-8", "--expect", "the images have no classes to measure accuracy with", test or source
            )
        if off := unexpected(expected, correct, len(predicted), pixels):
            click.echo(f"fsref: error: {off}", err=True)
            return 1
    if correct is not None:
        tell(guessing(correct, len(predicted), logits[0].shape[1]))
    searched = None
    if given["loss"] is not None:
        others = {field.name: getattr(chosen, field.name) for field in fields(chosen) if field.name != "steps"}
        told = None if as_json else (lambda point: click.echo(f"  {point}", err=True))
        searched = search(
            graph,
            calibration.x,
            calibration.y,
            given["loss"],
            images=given["images"],
            progress=told,
            threads=given["threads"],
            **others,
        )
        net = searched.net
        if not as_json:
            click.echo(str(searched))
    else:
        with progress(f"calibrating, {len(calibration.x)} images", len(calibration.x)) as advance:
            net = Calibrated.of(graph, calibration.x, given["images"], advance).convert(chosen)
    with progress(f"FS, {len(scored.x)} images", len(scored.x)) as advance:
        score = evaluate(
            net, scored.x, predicted if scored.y is None else scored.y, "quantized", **work(given), progress=advance
        )
    pair = Paired.of(predicted, score.predictions, predicted if scored.y is None else scored.y)
    if searched is not None and scored.y is not None and not among:
        tell(lost_elsewhere(searched.loss, searched.kept, pair))
    compared = compare_populations(graph, net, calibration.x[:LOOKED_AT])
    figures: Mapping[str, Any] = {
        "images": pair.images,
        "float_correct": correct,
        "fs_correct": None if scored.y is None else pair.second_correct,
        "agreement": pair.agreement,
        "spikes_per_neuron": score.spikes_per_neuron,
        "latency_steps": score.latency_steps,
    }
    net = replace(net, provenance={**net.provenance, "scored": {"source": test or source, **figures}})
    save(net, target)
    if searched is not None and plot is not None:
        search_picture(searched, plot)
    worst, latency = compared.worst, f"latency {score.latency_steps} steps"
    every = [p.steps for p in net.populations if isinstance(p, FS)]
    few = bool(every) and max(every) <= 5
    own = (
        f"{worst.name}: its own error is {worst.db('new'):.1f} dB below its values"
        if worst.new > 0
        else "none: no population adds an error"
    )
    low, high = pair.interval
    lines = [
        (
            f"FS accuracy    {100 * score.accuracy:.2f} %: {100 * pair.difference:+.2f} "
            f"points (95 % interval {100 * low:+.2f} to {100 * high:+.2f})"
        )
        if scored.y is not None
        else "",
        f"agreement      {100 * pair.agreement:.2f} % of predictions are the float network's",
        (
            f"cost           {k_told(every)}, {score.spikes_per_neuron:.3f} spikes "
            f"per neuron, {latency}, {score.synops:,.0f} SynOps an image"
        ),
        f"worst          {own}",
        f"written        {target}, id {net.id[:12]}",
        f"next           {following(model, target, source, given)}",
        "hint           --bias-correction empirical often does better at so few steps"
        if few and given["bias_correction"] == "none"
        else "",
        "hint           the images scored also calibrated: score on others with --test" if among else "",
    ]
    plain = {
        **figures,
        "paired": pair.to_dict(),
        "worst": worst.name,
        "id": net.id,
        "out": str(target),
        "provenance": dict(net.provenance),
    }
    plain["search"] = None if searched is None else searched.to_dict()
    show(as_json, "\n".join(line for line in lines if line), plain)
    return 0


@click.command()
@click.argument("model", metavar="GRAPH")
@NET
@SOURCE
@LIMIT
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE", help="Also draw it: .svg, .png or .pdf.")
@CONTRACT
@JSON
def compare(
    model: str, net: str, source: str | None, limit: int | None, plot: Path | None, as_json: bool, **given: Any
) -> int:
    """Say which population loses what the float graph knew.

    Of every population of NET beside GRAPH (.npz or .onnx): signal to noise, bias, clipping; and the first jump.
    """
    graph, network = graph_of(model, given), load(net)
    if plot is not None:
        check_picture(plot)
    if source is None:
        raise UsageError("RUN-4", "--data", "a comparison needs images: name some", None, SOURCES)
    images = load_images(source, network, given["resize"], given["crop"], limit or 256)
    with progress(f"comparing, {len(images.x)} images", len(images.x)) as advance:
        compared = compare_populations(graph, network, images.x, images.y, progress=advance)
    if plot is not None:
        comparison_picture(compared, plot)
    show(as_json, [compared], compared.to_dict())
    return 0


@click.command()
@NET
@click.option("--format", "form", type=click.Choice(("onnx",)), required=True, help="What to write.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="The file to write; NET.fs.onnx here unless given."
)
@click.option(
    "--codes",
    multiple=True,
    metavar="POPULATION",
    help="Also give the codes of this population as an output (repeatable).",
)
@JSON
def export(net: str, form: str, out: Path | None, codes: tuple[str, ...], as_json: bool) -> int:
    """Write the same integers as standard ONNX.

    NET is then at hand for programs that read ONNX.
    """
    from fsref.formats import onnx

    network = load(net)
    target = out or Path(f"{Path(net).name.removesuffix('.npz').removesuffix('.fs')}.fs.{form}")
    onnx.save(network, target, codes=codes)
    show(
        as_json,
        f"{target}: {network.name or net}, id {network.id[:12]}",
        {"out": str(target), "id": network.id, "format": form},
    )
    return 0
