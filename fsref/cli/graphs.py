"""Float graphs on the command line: the file, and the input contract that options say or change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from fsref.cli.options import options
from fsref.cli.verb import Given
from fsref.errors import FsrefError, GraphError, UsageError
from fsref.formats.bundled import load, load_graph
from fsref.graph.graph import Graph
from fsref.law.images import Pixels

# Options that say what images mean: the next command needs them too.
CARRIED = ("mean", "std", "scale", "max_code", "order", "size", "resize", "crop")

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
        "--max-code",
        type=click.IntRange(1, 2**16 - 1),
        metavar="N",
        help="Input contract: largest code of a pixel, 255 unless given.",
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


def loaded(place: str, model: str) -> Graph:
    """The float graph of a file that is fsref's own. Errors: GraphError naming the argument `place`, when it is an FS
    network; FileError.
    """
    try:
        return load_graph(model)
    except FsrefError as error:
        found = error
    try:
        load(model)
    except FsrefError:
        raise found from None
    limit = "a .graph.npz or .onnx file" + ("; fsref compare takes GRAPH NET" if place == "GRAPH" else "")
    raise GraphError("GRAPH-6", place, "is an FS network, where the float graph is wanted", model, limit)


def graph_of(place: str, model: str, given: Given) -> Graph:
    """The float graph of a file, .onnx or fsref's own npz, that the argument `place` names, with what the command line
    says of its input. Errors: GraphError, FileError, UsageError.
    """
    asked: dict[str, Any] = {
        name: numbers(f"--{name}", given[name]) for name in ("mean", "std", "scale") if given[name] is not None
    }
    if "scale" in asked:
        if len(asked["scale"]) > 1:
            raise UsageError("GRAPH-5", "--scale", "not one number", given["scale"], "one for all channels")
        asked["scale"] = asked["scale"][0]
    asked |= {name: given[name] for name in ("max_code", "order") if given[name] is not None}
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
    graph = loaded(place, model)
    if not asked and size is None:
        return graph
    if graph.input is None:
        if size is None:
            raise GraphError("GRAPH-5", model, "the graph has no input contract", None, "name --size, --mean and --std")
        return graph.with_input(Pixels(*size, **asked))
    channels, height, width = size or graph.input.shape
    return graph.with_input(replace(graph.input, channels=channels, height=height, width=width, **asked))
