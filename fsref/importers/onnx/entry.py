"""The ends of an ONNX model: what the axes of its input mean, and where its outputs are (GRAPH-5, GRAPH-7)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fsref.errors import GraphError
from fsref.graph.graph import Pixels, shown_shape
from fsref.importers.onnx import model as onnx_model
from fsref.importers.onnx.calls import FLOATS
from fsref.importers.onnx.model import Operator
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.tables import Brief

if TYPE_CHECKING:
    from onnx import ModelProto

MAX_BATCH = 1024  # of a model that fixes it
Axes: TypeAlias = tuple[str, ...]  # the letters of C, H, W that each axis but the first runs over
Sizes: TypeAlias = Sequence[int | str]
LAYOUTS: dict[int, tuple[Axes, ...]] = {4: (("C", "H", "W"), ("H", "W", "C")), 3: (("H", "W"),), 2: (("CHW",),)}


@dataclass(frozen=True)
class Entry:
    """The input of a model: its name, number type and axes, the shape (C, H, W) of one image, and the batch that the
    model fixes, else 1.
    """

    source: str
    kind: str
    axes: Axes
    shape: Shape
    batch: int


def entry(
    source: str, kind: str, sizes: Sizes, operators: Sequence[Operator], pixels: Pixels | None, place: str
) -> Entry:
    """The input of a model; the input contract gives the sizes it leaves open. Errors: GraphError."""
    place = f"{place} input {source}"
    if kind not in (*FLOATS, "uint8"):
        raise GraphError("GRAPH-7", place, "type not supported", kind, f"{', '.join(FLOATS)} or uint8")
    if kind == "uint8" and pixels is not None and not plain_codes(pixels):
        limit = "scale 1, mean 0, std 1"
        raise GraphError("GRAPH-5", place, "takes codes as they are", f"scale {pixels.scale:g}", limit)
    layouts = LAYOUTS.get(len(sizes), ())
    if len(sizes) == 4 and (_turned(operators, source) or (sizes[3] in (1, 3, 4) and sizes[1] not in (1, 3, 4))):
        layouts = layouts[::-1]
    if not layouts:
        limit = "N x C x H x W, N x H x W x C, N x H x W or N x values"
        raise GraphError("GRAPH-7", place, "not a batch of images", _shown(sizes), limit)
    if pixels is None:
        axes, shape = layouts[0], _own_shape(sizes, layouts[0], place)
    else:
        axes, shape = _agreed(sizes, layouts, pixels, place), pixels.shape
    batch = sizes[0] if isinstance(sizes[0], int) else 1
    if not 1 <= batch <= MAX_BATCH:
        raise GraphError("GRAPH-7", place, "fixes a batch out of range", batch, f"1..{MAX_BATCH}, or open")
    return Entry(source, kind, axes, shape, batch)


def plain_codes(pixels: Pixels) -> bool:
    """Whether a model sees the codes of pixels as they are."""
    return bool((pixels.scale, set(np.ravel(pixels.mean)), set(np.ravel(pixels.std))) == (1, {0.0}, {1.0}))


def _shown(sizes: Sizes) -> str:
    return " x ".join(map(str, sizes))


def _turned(operators: Sequence[Operator], source: str) -> bool:
    """Whether a model turns its input from N x H x W x C to N x C x H x W."""
    turns = (o for o in operators if o.op == "Transpose" and o.inputs[0] == source)
    return any(o.attributes.get("perm") == [0, 3, 1, 2] for o in turns)


def _agreed(sizes: Sizes, layouts: Sequence[Axes], pixels: Pixels, place: str) -> Axes:
    """The first layout in which the sizes are those of the input contract. Errors: GraphError."""
    given = dict(zip("CHW", pixels.shape, strict=True))
    for axes in layouts:
        wanted = [math.prod(given[letter] for letter in letters) for letters in axes]
        meets = all(isinstance(size, str) or size == want for size, want in zip(sizes[1:], wanted, strict=True))
        if meets and math.prod(wanted) == math.prod(pixels.shape):
            return axes
    limit = f"the model takes {_shown(sizes)}"
    raise GraphError("GRAPH-5", place, "does not meet the input contract", shown_shape(pixels.shape), limit)


def _own_shape(sizes: Sizes, axes: Axes, place: str) -> Shape:
    """The shape of one image that the model alone gives. Errors: GraphError when it leaves one open."""
    found = {letters[0]: size for letters, size in zip(axes, sizes[1:], strict=True)}
    if names := [f"{letter} ({size})" for letter, size in found.items() if isinstance(size, str)]:
        limit = "give them: Pixels(channels, height, width), or --size CxHxW"
        raise GraphError("GRAPH-7", place, "leaves sizes open", ", ".join(names), limit)
    try:
        return Pixels(int(found.get("C", 1)), int(found.get("H", 1)), int(found.get("W", 1))).shape
    except GraphError as error:
        raise GraphError("GRAPH-7", place, "size out of range", _shown(sizes), str(error)) from None


@dataclass(repr=False)
class End(Brief):
    """An output `name`: the `value` that gives it, before a Softmax at its end; the first axis of that Softmax, and a
    note. Once taken, the `node` of a graph, the number in (C, H, W) of each value that the model tells of an image
    (None: in order), and whether a sigmoid at its end was left out.
    """

    name: str
    value: str
    last_axis: int | None = None
    note: str = ""
    node: str = ""
    places: Ints | None = None
    sigmoid: bool = False


def ends(model: ModelProto, opset: int) -> list[End]:
    """The outputs of a model, in order."""
    found = [before_softmax(model, opset, output.name) for output in model.graph.output]
    for end in found if len(found) > 1 else ():
        end.note = end.note and f"{end.note}: {onnx_model.plain_name(end.name)}"
    return found


def before_softmax(model: ModelProto, opset: int, output: str) -> End:
    """An output, as what a Softmax at its end reads."""
    name = output
    makers = {output: node for node in model.graph.node for output in node.output}
    node = makers.get(name)
    while node is not None and not node.domain:
        if node.op_type in ("Softmax", "LogSoftmax"):
            axis = onnx_model.operator(node).attributes.get("axis", -1 if opset >= 13 else 1)
            return End(output, node.input[0], int(axis), f"{node.op_type} at the end left out")
        if node.op_type not in ("Cast", "DequantizeLinear", "Identity", "QuantizeLinear"):
            break
        node = makers.get(node.input[0])
    return End(output, name)
