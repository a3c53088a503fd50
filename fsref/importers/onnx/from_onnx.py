"""A float graph from an ONNX model, opsets 7 to 28 (GRAPH-7).

Every size is known before anything is computed: a batch of one image, or of as many as the model fixes, runs through
the operators in order. What does not depend on the image is folded; the rest becomes nodes; what cannot is listed at
once.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fsref.errors import GraphError, UsageError, public
from fsref.graph.graph import Graph, Pixels, shown_shape
from fsref.importers.formulas import joined_curves
from fsref.importers.naming import output_name
from fsref.importers.onnx import model as onnx_model
from fsref.importers.onnx.axes import flattened
from fsref.importers.onnx.calls import Call, Given
from fsref.importers.onnx.comparison import UNQUANTISED, Imported, compared
from fsref.importers.onnx.elementwise import ELEMENTWISE
from fsref.importers.onnx.entry import End, ends, entry, plain_codes
from fsref.importers.onnx.integers import INTEGERS, STAIRCASE, STAIRCASES, wide
from fsref.importers.onnx.layers import LAYERS
from fsref.importers.onnx.lifting import lifted
from fsref.importers.onnx.lowering import lowered
from fsref.importers.onnx.model import Operator
from fsref.importers.onnx.moves import MOVES, laid, moved, permuted
from fsref.importers.onnx.nearest import NEAREST, PASSED
from fsref.importers.onnx.paths import layers_of
from fsref.importers.onnx.quantisers import QUANTISERS, settled, unquantised
from fsref.importers.onnx.reference import FOLDED, evaluated, folded_size
from fsref.importers.onnx.spelling import SPELLED
from fsref.importers.onnx.structure import STRUCTURE
from fsref.importers.onnx.types import check_types
from fsref.importers.onnx.values import Builder, Numbers, Value
from fsref.importers.refusals import Unmapped, line
from fsref.law.populations import Shape

if TYPE_CHECKING:
    from onnx import ModelProto

MAX_FOLDED = 2**24  # numbers made by folding, all together, beyond four times those of the model
MAX_LISTED = 200
HANDLERS = {**LAYERS, **ELEMENTWISE, **SPELLED, **QUANTISERS, **STRUCTURE, **INTEGERS}
KEEP_ROUNDED = (
    "Cast Clip DequantizeLinear Flatten Identity Max Min Relu Reshape Shape Size Squeeze Transpose Unsqueeze".split()
)
KEEP_WHOLE = (
    *KEEP_ROUNDED,
    *MOVES,
    "MaxPool",
    "GlobalMaxPool",
    "Concat",
    "ConvInteger",
    "MatMulInteger",
)  # of integers: the same as of real numbers


@public
def from_onnx(
    model: str | os.PathLike[str] | ModelProto, input: Pixels | None = None, classes: Sequence[str] = (), name: str = ""
) -> Graph:
    """The float graph of an ONNX model (opsets 7 to 28): a path, or an onnx.ModelProto with its data inside.

    `input` says what images mean to the model, and gives H and W where the model leaves them open; without it the graph
    does not run until `with_input`. `classes` are the names of the logits, `name` that of the graph. Softmax at the end
    is left out; what was left out or changed stands in `notes`. With `input` and a small model, the logits of one drawn
    image are compared with onnx.reference. Errors: FileError, GraphError (GRAPH-5, GRAPH-7), UsageError.
    """
    onnx = _onnx()
    if input is not None and not isinstance(input, Pixels):
        raise UsageError("GRAPH-7", "input", "not an input contract", type(input).__name__, "a Pixels, or None")
    if isinstance(model, onnx.ModelProto):
        onnx_model.check_text(model, "model")
        (proto, sha256), place, known = (model, ""), "model", model.graph.name
    elif isinstance(model, (str, os.PathLike)):
        path = Path(model)
        (proto, sha256), place, known = onnx_model.read(path), str(path), path.stem
    else:
        raise UsageError("GRAPH-7", "model", "not a model", type(model).__name__, "a path, or an onnx.ModelProto")
    with np.errstate(all="ignore"):  # numbers that are none are refused where they come to stand in a node
        name = name or (onnx_model.plain_name(known) if known else "")
        return _Importer(proto, place, sha256, input).graph(classes, name)


def input_shape(path: str | os.PathLike[str]) -> Shape:
    """(C, H, W) of the images that an ONNX file takes. Errors: FileError, GraphError where the model leaves H or W
    open, UsageError.
    """
    _onnx()
    model, sha256 = onnx_model.read(Path(path))
    return _Importer(model, str(path), sha256, None).entry.shape


def _onnx() -> Any:
    """The package onnx. Errors: UsageError when it is not installed."""
    try:
        import onnx
    except ImportError:
        raise UsageError("GRAPH-7", "onnx", "is not installed", None, 'pip install "fsref[onnx]"') from None
    return onnx


class _Importer:
    """The state of one import: the values of the operators taken so far, and what could not be taken."""

    def __init__(self, model: ModelProto, place: str, sha256: str, pixels: Pixels | None) -> None:
        self.place, self.pixels = place, pixels
        onnx_model.check(model, place)
        model, lift = lifted(model, place, sha256)
        self.model, self.opset = lowered(model, place), onnx_model.opset_of(model)
        model = self.model
        source, kind, sizes = onnx_model.one_input(model, place)
        self.ends = ends(model, self.opset)
        values = {end.value for end in self.ends}
        self.operators = [onnx_model.operator(node) for node in onnx_model.needed(model, values)]
        check_types(model, self.operators, self.opset, place)
        self.entry = entry(source, kind, sizes, self.operators, pixels, place)
        self.notes = [note for note in (lift, *(end.note for end in self.ends)) if note]
        if pixels is None:
            codes = " of codes as they are: scale 1, mean 0, std 1" if kind == "uint8" else ""
            self.notes.append(f"made for images {shown_shape(self.entry.shape)}{codes}")
        self.read = {*values, *(name for operator in self.operators for name in operator.inputs)} - {""}
        self.tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        stored = sum(math.prod(tensor.dims) for tensor in model.graph.initializer)
        self.problems: list[tuple[str, GraphError | None]] = []
        self.folded, self.foldable = 0, MAX_FOLDED + 4 * stored
        self.builder = Builder(self.entry.batch, {"input": self.entry.shape}, places=layers_of(self.operators))
        value = self.builder.value("input", ["B", *self.entry.axes])
        if pixels is not None and plain_codes(pixels):
            self.builder.integers.add("input")
        self.values: dict[str, Given] = {"": None, source: replace(value, whole=kind == "uint8")}

    def graph(self, classes: Sequence[str], name: str) -> Graph:
        """The graph. Errors: GraphError naming everything that has no form."""
        for operator in self.operators:
            self.take(operator)
        for end in self.ends:
            end.node = self.node_of(end)
        if self.problems:
            if len(self.problems) == 1 and self.problems[0][1] is not None:
                raise self.problems[0][1]
            lines = [said for said, _ in self.problems[:MAX_LISTED]]
            if len(self.problems) > MAX_LISTED:
                lines.append(f"and {len(self.problems) - MAX_LISTED} more")
            count = f"{len(self.problems)} of {len(self.operators)} operators have no form in a float graph: "
            raise GraphError("GRAPH-7", self.place, count + "; ".join(lines))
        onnx_model.check_sizes(self.model, self.place)
        notes = [text if count == 1 else f"{text} ({count} places)" for text, count in self.builder.notes.items()]
        pixels, (nodes, given) = (
            self.pixels or Pixels(*self.entry.shape),
            self.builder.kept([e.node for e in self.ends]),
        )
        outputs = dict[str, str]()
        for end, node in zip(self.ends, given, strict=True) if len(given) > 1 else ():
            outputs[output_name(end.name, outputs)] = node
        graph = Graph(pixels, tuple(joined_curves(nodes, given)), name, classes, (*self.notes, *notes), outputs)
        if self.pixels is None:
            return replace(graph, input=None)
        taken = self.operators, self.values, self.builder
        return compared(graph, Imported(self.place, self.opset, self.entry, self.ends, *taken))

    def node_of(self, end: End) -> str:
        """The node of an output, or "" with a problem listed."""
        value = self.values.get(end.value)
        self.builder.path = onnx_model.plain_name(end.value)
        try:
            if isinstance(value, Value):
                if value.waiting is not None and permuted(self.builder, value) is None:
                    self.listed(None, value.waiting.said)
                    return ""
                value = settled(self.builder, value)
                if end.last_axis is not None and value.waiting is not None:
                    raise Unmapped("Softmax of what is in another order")
                if end.last_axis is not None:
                    axes = value.axes[end.last_axis :] if self.opset < 13 else value.axes[end.last_axis :][:1]
                    if {*"".join(axes)} != {"C"} and {*"".join(value.axes)} - {*"".join(axes)} - {"B"}:
                        raise Unmapped("Softmax over an axis that is not the classes")
                if (plain := unquantised(self.builder, value)) is not value:
                    value = plain
                    self.notes.append(UNQUANTISED)
                value = self.placed(end, value)
                name, node = value.name, self.builder.nodes.get(value.name)
                if node is not None and node.op == "sigmoid":
                    end.sigmoid, name = True, node.inputs[0]
                    of = f" of output {onnx_model.plain_name(end.name)}" if len(self.ends) > 1 else ""
                    self.notes.append(f"Sigmoid at the end{of} left out")
                return self.builder.add("identity", [name]) if name == "input" else name
            if value is not None or end.value in self.tensors:
                raise Unmapped("does not depend on the input")
        except Unmapped as error:
            said = line(f"output {end.value}", "", error.problem, error.nearest or "N x classes, N x C x H x W")
            self.problems.append((said, None))
        return ""

    def placed(self, end: End, value: Value) -> Value:
        """An output as a row of all its values or, where the model does not tell them in one row and in order, a map.
        Errors: Unmapped.
        """
        letters = "".join(value.axes).removeprefix("B")
        turned = value.waiting is not None or list(letters) != sorted(letters)
        if value.shape[1:] == (1, 1) or (letters in value.axes and not turned):
            return flattened(self.builder, value)
        end.places = permuted(self.builder, value)
        if turned:
            plain = value.waiting is None and all(len(own) < 2 for own in value.axes)
            told = " x ".join(letters) if plain else "in another order"
            self.notes.append(f"output {onnx_model.plain_name(end.name)}: {told} there, C x H x W here")
        return value

    def operand(self, name: str) -> Given:
        """A value, a constant, or None for an operand left out. KeyError for what has no form."""
        if name in self.tensors and name not in self.values:
            self.values[name] = onnx_model.numbers(self.tensors[name])
        return self.values[name]

    def lay(self, names: Sequence[str]) -> None:
        """Nothing; then values that wait are nodes where they can be, the same for all that read them."""
        for name in names:
            if isinstance(value := self.operand(name), Value):
                self.values[name] = laid(self.builder, value)

    def take(self, operator: Operator) -> None:
        """Take one operator, or list why it has no form."""
        self.builder.path = operator.path
        op = operator.op
        given: tuple[Given, ...] = ()
        try:
            own = op == STAIRCASE and operator.domain in STAIRCASES
            if operator.domain not in ("", "ai.onnx") and not own:
                raise Unmapped(f"of domain {operator.domain}", "operators of ONNX itself")
            if any(name not in self.values and name not in self.tensors for name in operator.inputs):
                if op not in (*HANDLERS, *MOVES, *FOLDED):
                    raise Unmapped("", NEAREST.get(op, ""))
                return  # reads what has no form: listed there
            if op in HANDLERS and op not in (*MOVES, "Shape", "Size"):
                self.lay(operator.inputs)
            given = tuple(self.operand(name) for name in operator.inputs)
            if not any(isinstance(operand, Value) for operand in given):
                self.fold(operator, given)
            elif op in HANDLERS or op in MOVES:
                self.values.update(zip(operator.outputs, self.mapped(operator, given), strict=False))
            else:
                raise Unmapped("", NEAREST.get(op, ""))
        except Unmapped as error:
            self.listed(operator, waiting(given) or line(operator.path, op, error.problem, error.nearest))
        except GraphError as error:
            problem = error.problem if error.value is None else f"{error.problem} {error.value}"
            self.listed(operator, line(operator.path, op, problem), error)
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            self.listed(operator, line(operator.path, op, f"is malformed: {error}"))

    def listed(self, operator: Operator | None, said: str, error: GraphError | None = None) -> None:
        """List a problem, once; when the operator keeps the shape, go on as if it were not there."""
        if said not in (known for known, _ in self.problems):
            self.problems.append((said, error))
        if operator is not None and operator.op in PASSED and operator.inputs:
            value = self.values.get(operator.inputs[0])
            if isinstance(value, Value):
                self.values[operator.outputs[0]] = replace(value, rounded=None, whole=False)

    def mapped(self, operator: Operator, given: tuple[Given, ...]) -> Sequence[Value | Numbers]:
        """What an operator on values gives, its results in order. Errors: Unmapped."""
        whole = any(isinstance(operand, Value) and operand.whole for operand in given)
        if whole and operator.op not in KEEP_WHOLE and not (operator.op in ("Add", "Sub") and wide(given)):
            raise Unmapped("computes with integers", "DequantizeLinear or Cast to float before it")
        if operator.op not in KEEP_ROUNDED:
            given = tuple(map(self.settled, given))
        outputs = 1 + max(i for i, name in enumerate(operator.outputs) if not i or name in self.read)
        try:
            if operator.op not in HANDLERS:
                raise Unmapped("", NEAREST.get(operator.op, ""))
            if operator.op not in ("Shape", "Size") and waiting(given):
                raise Unmapped()
            made = HANDLERS[operator.op](self.builder, Call(operator.op, given, operator.attributes, outputs))
        except Unmapped as problem:
            if operator.op not in MOVES:
                raise
            return moved(self.builder, operator, tuple(map(self.settled, given)), self.opset, problem)
        if isinstance(made, Value) and whole and operator.op not in ("Cast", "DequantizeLinear"):
            made = replace(made, whole=True)
        return [made]

    def settled(self, operand: Given) -> Given:
        """An operand with a node of its own for what was rounded."""
        return settled(self.builder, operand) if isinstance(operand, Value) else operand

    def fold(self, operator: Operator, given: tuple[Given, ...]) -> None:
        """Compute an operator whose operands are all constant."""
        if operator.op == "Constant":
            self.values[operator.outputs[0]] = onnx_model.constant(operator)
            return
        if operator.op not in FOLDED:
            raise Unmapped("of constants", f"one of {', '.join(sorted(FOLDED))}")
        arrays = [None if isinstance(operand, Value) else operand for operand in given]
        self.folded += max(0, folded_size(operator, arrays))
        if self.folded > self.foldable:
            raise Unmapped(f"makes constants of more than {self.foldable} numbers", "constants stored in the model")
        outputs = evaluated(operator, arrays, self.opset)
        self.values.update(zip(filter(None, operator.outputs), outputs, strict=True))


def waiting(given: Sequence[Given]) -> str:
    """What refuses operands that wait to be brought back in order; nothing when none does."""
    return next((o.waiting.said for o in given if isinstance(o, Value) and o.waiting), "")
