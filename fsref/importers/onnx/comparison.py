"""An imported graph beside the ONNX model it came from: the logits of one drawn image, by onnx.reference (GRAPH-7)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fsref.errors import GraphError
from fsref.graph.graph import Graph, Node
from fsref.graph.operators import OPERATORS
from fsref.importers.onnx import reference
from fsref.importers.onnx.calls import Given
from fsref.importers.onnx.entry import End, Entry
from fsref.importers.onnx.model import Operator
from fsref.importers.onnx.values import Builder, Numbers, Value
from fsref.importers.refusals import Unmapped

MAX_MACS = 1_000_000_000  # beyond it onnx.reference takes long: no comparison
MAX_VALUES = 2**25  # beyond it onnx.reference, which keeps all values, takes much memory: no comparison
MAX_WINDOWS = 30_000  # beyond it onnx.reference takes long for a pool, which the graph then computes
TOLERANCE = 1e-3  # of the logits' range
ROUGH_TOLERANCE = 5e-2  # with quantisers a tie may take the other level, and float16 is computed in float32
UNQUANTISED = "quantiser of the logits left out"


@dataclass(frozen=True)
class Imported:
    """A model as it was taken: its operators, and what each of them gave."""

    place: str
    opset: int
    entry: Entry
    ends: Sequence[End]
    operators: Sequence[Operator]
    values: Mapping[str, Given]
    builder: Builder


def compared(graph: Graph, imported: Imported) -> Graph:
    """The graph, when onnx.reference gives the same logits for one drawn image; a note where it cannot say. Errors:
    GraphError.
    """
    pixels, entry, place = graph.contract(), imported.entry, imported.place
    weighed = (node for node in graph.nodes if node.op in ("conv", "dense"))
    macs = sum(math.prod(graph.shapes[node.name]) * node.arrays["weight"][0].size for node in weighed)
    values = sum(math.prod(shape) for shape in graph.shapes.values())
    if entry.batch * macs > MAX_MACS or entry.batch * values > MAX_VALUES:
        return replace(graph, notes=(*graph.notes, "too large to compare with onnx.reference"))
    codes = np.random.default_rng(2020).integers(0, pixels.max_code + 1, (1, *pixels.shape))
    try:
        every = _reference_outputs(imported, _fed(pixels.normalise(codes), entry))
    except Unmapped as error:
        return replace(graph, notes=(*graph.notes, f"not compared with onnx.reference: {error.problem}"))
    for end, wanted, (name, output) in zip(imported.ends, every, graph.answers(codes).items(), strict=True):
        logits, told = _as_told(output[0], end), f"output {name}: " if graph.outputs else ""
        if wanted.shape != logits.shape or not np.isfinite(wanted).all():
            wrong = f"{told}logits are not finite, or not as many, by onnx.reference"
            raise GraphError("GRAPH-7", place, wrong, wanted.shape, f"{logits.shape}")
        size = max(float(np.ptp(wanted)), float(np.abs(wanted).max()) * 1e-3, 1e-30)
        apart, limit = float(np.abs(logits - wanted).max()) / size, _tolerance(graph, entry)
        if not apart <= limit:
            wrong = f"{told}logits differ from those of onnx.reference"
            raise GraphError("GRAPH-7", place, wrong, f"by {apart:.2g} of their range", f"at most {limit:g}")
    return graph


def _as_told(values: Numbers, end: End) -> Numbers:
    """An output (C, H, W) in the order that the model tells it, flat, and with what was left out at its end."""
    told = values.ravel() if end.places is None else values.ravel()[end.places]
    return 1 / (1 + np.exp(-told.astype(np.float64))) if end.sigmoid else told


def _fed(real: Numbers, entry: Entry) -> Numbers:
    """Normalised images (1, C, H, W) as the model takes them: its axes, batch and type."""
    letters = "".join(entry.axes)
    order = letters if set(letters) == set("CHW") else "CHW"
    sizes = dict(zip("CHW", entry.shape, strict=True))
    shape = [math.prod(sizes[letter] for letter in axis) for axis in entry.axes]
    turned = real.transpose(0, *("BCHW".index(letter) for letter in order)).reshape(1, *shape)
    return np.repeat(turned, entry.batch, axis=0).astype(entry.kind)


def _tolerance(graph: Graph, entry: Entry) -> float:
    """How far logits may be apart, of their range."""
    rough = (
        any(node.op == "quantise" for node in graph.nodes)
        or "16" in entry.kind
        or any(UNQUANTISED in note or "float16" in note for note in graph.notes)
    )
    return ROUGH_TOLERANCE if rough else TOLERANCE


def _reference_outputs(imported: Imported, images: Numbers) -> list[Numbers]:
    """The outputs of the first image by onnx.reference, each flat. Errors: Unmapped when it does not have an
    operator.
    """
    taken, builder = imported.values, imported.builder
    values = {name: given for name, given in taken.items() if not isinstance(given, Value)}
    values[imported.entry.source] = images
    for operator in imported.operators:
        if operator.outputs[0] in values:
            continue
        operands, made = [values[name] for name in operator.inputs], taken[operator.outputs[0]]
        node = builder.nodes.get(made.name) if isinstance(made, Value) else None
        if isinstance(made, Value) and node is not None and _pooled_here(operator, node, builder):
            pooled = _pooled(operator, node, np.asarray(operands[0]), builder)
            values[operator.outputs[0]] = pooled.reshape(builder.shape_of(made))
            continue
        try:
            outputs = reference.evaluated(operator, operands, imported.opset)
        except Unmapped:
            raise Unmapped(f"it does not have {operator.op}") from None
        values.update(zip(filter(None, operator.outputs), outputs, strict=True))
    batch = imported.entry.batch
    return [np.reshape(np.asarray(values[end.value]), (batch, -1))[0].astype(np.float64) for end in imported.ends]


def _pooled(operator: Operator, node: Node, given: Numbers, builder: Builder) -> Numbers:
    """What a pool of the graph gives, behind the pad or view that stands before it for the same operator."""
    nodes, own = [node], f"{operator.path}/"
    while (before := builder.nodes.get(nodes[0].inputs[0])) is not None and before.name.startswith(own):
        nodes.insert(0, before)
    values = given.astype(np.float32).reshape(-1, *builder.shapes[nodes[0].inputs[0]])
    for one in nodes:
        values = OPERATORS[one.op].forward(one.attributes, one.arrays, values)
    return values.astype(given.dtype)


def _pooled_here(operator: Operator, node: Node, builder: Builder) -> bool:
    """Whether the graph computes a pool in the place of onnx.reference, which is wrong about it, or slow."""
    if node.op not in ("avg_pool", "max_pool") or operator.op not in ("AveragePool", "MaxPool"):
        return False
    return not reference.relied_on(operator) or math.prod(builder.shapes[node.name]) > MAX_WINDOWS
