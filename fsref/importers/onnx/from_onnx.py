"""A float graph from an ONNX model, opsets 11 to 28 (GRAPH-7).

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

from fsref.errors import GraphError, UsageError
from fsref.graph.graph import Graph, Pixels
from fsref.graph.operators import OPERATORS
from fsref.importers.onnx import model as onnx_model
from fsref.importers.onnx import reference as onnx_reference
from fsref.importers.onnx.model import Operator
from fsref.importers.onnx.operators import ARITHMETIC, FLOATS, Call, Given
from fsref.importers.onnx.structure import STRUCTURE
from fsref.importers.onnx.values import Builder, Numbers, Unmapped, Value
from fsref.law.populations import Shape

if TYPE_CHECKING:
    from onnx import ModelProto

MAX_BATCH = 1024  # of a model that fixes it
MAX_FOLDED = 2**28  # numbers made by folding, all together
MAX_LISTED = 200
MAX_MACS = 1_000_000_000  # beyond it onnx.reference takes long: no comparison
MAX_WINDOWS = 30_000  # beyond it onnx.reference takes long for a pool, which the graph then computes
TOLERANCE, ROUGH_TOLERANCE = (
    1e-3,
    5e-2,
)  # of the logits' range; with quantisers, a tie may take the other level, and float16 is computed in float32
UNQUANTISED = "quantiser of the logits left out"
HANDLERS = {**ARITHMETIC, **STRUCTURE}
KEEP_ROUNDED = (
    "Cast Clip DequantizeLinear Flatten Identity Max Min Relu Reshape Shape Size Squeeze Transpose Unsqueeze".split()
)
KEEP_WHOLE = (*KEEP_ROUNDED, "MaxPool", "GlobalMaxPool", "Concat", "Slice")  # of integers: the same as of real numbers
SMOOTH = "Relu, Clip or HardSigmoid"
NEAREST = (
    dict.fromkeys("Celu Elu Erf Gelu LeakyRelu Mish PRelu Selu Softplus Softsign Tanh ThresholdedRelu".split(), SMOOTH)
    | dict.fromkeys(("Softmax", "LogSoftmax"), "Softmax at the very end")
    | dict.fromkeys(
        ("GroupNormalization", "InstanceNormalization", "LRN", "LayerNormalization", "LpNormalization"),
        "BatchNormalization",
    )
    | {
        "Abs": "Relu",
        "Ceil": "Floor or Round in a quantiser",
        "Exp": "HardSigmoid",
        "Log": "none",
        "Pow": "Mul",
        "Reciprocal": "none",
        "Sqrt": "none",
    }
)
# Those above work on each number alone, or keep the shape: what follows them is looked at too, as if they were not
# there. Those below do not.
PASSED = (*NEAREST, *(op for op in ARITHMETIC if op not in ("Conv", "Gemm", "MatMul")))
NEAREST |= (
    dict.fromkeys(
        ("ConvInteger", "MatMulInteger", "QGemm", "QLinearConv", "QLinearMatMul"),
        "Conv or Gemm between QuantizeLinear and DequantizeLinear",
    )
    | dict.fromkeys(("If", "Loop", "Scan"), "a model without control flow")
    | dict.fromkeys(("ConvTranspose", "DeformConv"), "Conv")
    | dict.fromkeys(
        ("GlobalLpPool", "LpPool", "MaxRoiPool", "Resize", "Upsample"), "MaxPool, AveragePool, or Slice with a step"
    )
    | dict.fromkeys(("DepthToSpace", "Gather", "SpaceToDepth", "Split"), "Conv, Concat, or Slice with a step in H or W")
    | {"ArgMax": "a model that ends in logits", "ReduceSum": "ReduceMean over H and W"}
)


def from_onnx(
    model: str | os.PathLike[str] | ModelProto, input: Pixels | None = None, classes: Sequence[str] = (), name: str = ""
) -> Graph:
    """The float graph of an ONNX model (opsets 11 to 28): a path, or an onnx.ModelProto with its data inside.

    `input` says what images mean to the model, and gives H and W where the model leaves them open; without it the graph
    does not run until `with_input`. Softmax at the end is left out; what was left out or changed stands in `notes`.
    With `input` and a small model, the logits of one drawn image are compared with onnx.reference. Errors: FileError,
    GraphError (GRAPH-5, GRAPH-7), UsageError.
    """
    onnx = _onnx()
    if input is not None and not isinstance(input, Pixels):
        raise UsageError("GRAPH-7", "input", "not an input contract", type(input).__name__, "a Pixels, or None")
    if isinstance(model, onnx.ModelProto):
        proto, place, known = model, "model", model.graph.name
    elif isinstance(model, (str, os.PathLike)):
        path = Path(model)
        proto, place, known = onnx_model.read(path), str(path), path.stem
    else:
        raise UsageError("GRAPH-7", "model", "not a model", type(model).__name__, "a path, or an onnx.ModelProto")
    with np.errstate(all="ignore"):  # numbers that are none are refused where they come to stand in a node
        return _Importer(proto, place, input).graph(
            tuple(classes), name or (onnx_model.plain_name(known) if known else "")
        )


def input_shape(path: str | os.PathLike[str]) -> Shape:
    """(C, H, W) of the images that an ONNX file takes. Errors: FileError, GraphError where the model leaves H or W
    open, UsageError.
    """
    _onnx()
    return _Importer(onnx_model.read(Path(path)), str(path), None).builder.shapes["input"]


def _onnx() -> Any:
    """The package onnx. Errors: UsageError when it is not installed."""
    try:
        import onnx
    except ImportError:
        raise UsageError("GRAPH-7", "from_onnx", "needs the package onnx", None, 'pip install "fsref[onnx]"') from None
    return onnx


class _Importer:
    """The state of one import: the values of the operators taken so far, and what could not be taken."""

    def __init__(self, model: ModelProto, place: str, pixels: Pixels | None) -> None:
        self.model, self.place, self.pixels = model, place, pixels
        self.opset = onnx_model.checked(model, place)
        self.source, self.kind, sizes = onnx_model.one_input(model, place)
        self.output, self.last_axis, tail = self._logits(model.graph.output[0].name)
        self.notes = [tail] if tail else []
        self.operators = [onnx_model.operator(node) for node in onnx_model.needed(model, self.output)]
        self.read = {self.output, *(name for operator in self.operators for name in operator.inputs)} - {""}
        self.tensors = {tensor.name: tensor for tensor in model.graph.initializer}
        self.problems: list[tuple[str, GraphError | None]] = []
        self.folded = 0
        self.axes, shape = self._entry(sizes)
        batch = sizes[0] if sizes and isinstance(sizes[0], int) else 1
        if not 1 <= batch <= MAX_BATCH:
            raise GraphError(
                "GRAPH-7",
                f"{place} input {self.source}",
                "fixes a batch out of range",
                batch,
                f"1..{MAX_BATCH}, or open",
            )
        self.builder = Builder(batch, {"input": shape})
        self.values: dict[str, Given] = {
            "": None,
            self.source: replace(self.builder.value("input", ["B", *self.axes]), whole=self.kind == "uint8"),
        }

    def _logits(self, name: str) -> tuple[str, int | None, str]:
        """The value that holds the logits: the output, or what Softmax at the end reads; then the axis of Softmax, and
        a note.
        """
        makers = {output: node for node in self.model.graph.node for output in node.output}
        node = makers.get(name)
        before = name
        while (
            node is not None
            and node.op_type in ("Cast", "DequantizeLinear", "Identity", "QuantizeLinear")
            and not node.domain
        ):
            before = node.input[0]
            node = makers.get(before)
        if node is None or node.op_type not in ("Softmax", "LogSoftmax") or node.domain:
            return name, None, ""
        axis = onnx_model.operator(node).attributes.get("axis", -1 if self.opset >= 13 else 1)
        return node.input[0], int(axis), f"{node.op_type} at the end left out"

    def _entry(self, sizes: list[int | str]) -> tuple[tuple[str, ...], Shape]:
        """What the axes of the input but the first run over, and the shape of one image. Errors: GraphError."""
        place, pixels = f"{self.place} input {self.source}", self.pixels
        if self.kind not in (*FLOATS, "uint8"):
            raise GraphError("GRAPH-7", place, "type not supported", self.kind, f"{', '.join(FLOATS)} or uint8")
        if (
            self.kind == "uint8"
            and pixels is not None
            and (pixels.scale, set(np.ravel(pixels.mean)), set(np.ravel(pixels.std))) != (1, {0.0}, {1.0})
        ):
            raise GraphError(
                "GRAPH-5", place, "takes codes as they are", f"scale {pixels.scale:g}", "scale 1, mean 0, std 1"
            )
        turned = any(
            o.op == "Transpose" and o.inputs[0] == self.source and o.attributes.get("perm") == [0, 3, 1, 2]
            for o in self.operators
        )
        known: dict[int, list[tuple[str, ...]]] = {
            4: [("C", "H", "W"), ("H", "W", "C")],
            3: [("H", "W")],
            2: [("CHW",)],
        }
        forms = known.get(len(sizes), [])
        if len(sizes) == 4 and (turned or (sizes[3] in (1, 3, 4) and sizes[1] not in (1, 3, 4))):
            forms = forms[::-1]
        shown = " x ".join(map(str, sizes))
        if not forms:
            raise GraphError(
                "GRAPH-7",
                place,
                "not a batch of images",
                shown,
                "N x C x H x W, N x H x W x C, N x H x W or N x values",
            )
        if pixels is not None:
            given = dict(zip("CHW", pixels.shape, strict=True))
            for form in forms:
                wanted = [math.prod(given[letter] for letter in letters) for letters in form]
                meets = all(isinstance(size, str) or size == want for size, want in zip(sizes[1:], wanted, strict=True))
                if meets and math.prod(wanted) == math.prod(pixels.shape):
                    return form, pixels.shape
            raise GraphError(
                "GRAPH-5",
                place,
                "does not meet the input contract",
                " x ".join(map(str, pixels.shape)),
                f"the model takes {shown}",
            )
        found = {letters[0]: size for letters, size in zip(forms[0], sizes[1:], strict=True)}
        if names := [f"{letter} ({size})" for letter, size in found.items() if isinstance(size, str)]:
            raise GraphError(
                "GRAPH-7",
                place,
                "leaves sizes open",
                ", ".join(names),
                "give them: Pixels(channels, height, width), or --size CxHxW",
            )
        try:
            shape = Pixels(int(found.get("C", 1)), int(found.get("H", 1)), int(found.get("W", 1))).shape
        except GraphError as error:
            raise GraphError("GRAPH-7", place, "size out of range", shown, str(error)) from None
        self.notes.append(
            f"made for images {' x '.join(map(str, shape))}"
            + (" of codes as they are: scale 1, mean 0, std 1" if self.kind == "uint8" else "")
        )
        return forms[0], shape

    def graph(self, classes: tuple[str, ...], name: str) -> Graph:
        """The graph. Errors: GraphError naming everything that has no form."""
        for operator in self.operators:
            self.take(operator)
        logits = self.logits()
        if self.problems:
            if len(self.problems) == 1 and self.problems[0][1] is not None:
                raise self.problems[0][1]
            lines = [line for line, _ in self.problems[:MAX_LISTED]] + [
                f"and {len(self.problems) - MAX_LISTED} more"
            ] * (len(self.problems) > MAX_LISTED)
            count = f"{len(self.problems)} of {len(self.operators)} operators have no form in a float graph: "
            raise GraphError("GRAPH-7", self.place, count + "; ".join(lines))
        notes = [text if count == 1 else f"{text} ({count} places)" for text, count in self.builder.notes.items()]
        graph = Graph(
            self.pixels or Pixels(*self.builder.shapes["input"]),
            self.builder.kept(logits),
            name,
            classes,
            (*self.notes, *notes),
        )
        return replace(graph, input=None) if self.pixels is None else self.compared(graph)

    def logits(self) -> str:
        """The node of the logits, or "" with a problem listed."""
        value = self.values.get(self.output)
        self.builder.path = onnx_model.plain_name(self.output)
        try:
            if isinstance(value, Value):
                value = self.builder.settled(value)
                if self.last_axis is not None:
                    axes = value.axes[self.last_axis :] if self.opset < 13 else value.axes[self.last_axis :][:1]
                    if {*"".join(value.axes)} - {*"".join(axes)} - {"B"}:
                        raise Unmapped("Softmax over an axis that is not the classes")
                if (plain := self.builder.unquantised(value)) is not value:
                    value = plain
                    self.notes.append(UNQUANTISED)
                name = self.builder.flattened(value).name
                return self.builder.add("identity", [name]) if name == "input" else name
            if value is not None or self.output in self.tensors:
                raise Unmapped("does not depend on the input")
        except Unmapped as error:
            self.problems.append(
                (f"output {self.output}: {error.problem} (nearest: {error.nearest or 'N x classes'})", None)
            )
        return ""

    def operand(self, name: str) -> Given:
        """A value, a constant, or None for an operand left out. KeyError for what has no form."""
        if name in self.tensors and name not in self.values:
            self.values[name] = onnx_model.numbers(self.tensors[name])
        return self.values[name]

    def take(self, operator: Operator) -> None:
        """Take one operator, or list why it has no form."""
        self.builder.path = operator.path
        op = operator.op
        try:
            if operator.domain not in ("", "ai.onnx"):
                raise Unmapped(f"of domain {operator.domain}", "operators of ONNX itself")
            if any(name not in self.values and name not in self.tensors for name in operator.inputs):
                if op not in HANDLERS and op not in onnx_reference.FOLDED:
                    raise Unmapped("", NEAREST.get(op, ""))
                return  # reads what has no form: listed there
            given = tuple(self.operand(name) for name in operator.inputs)
            if not any(isinstance(operand, Value) for operand in given):
                self.fold(operator, given)
            elif op in HANDLERS:
                self.values[operator.outputs[0]] = self.mapped(operator, given)
            else:
                raise Unmapped("", NEAREST.get(op, ""))
        except Unmapped as error:
            nearest = f" (nearest: {error.nearest})" if error.nearest else ""
            self.listed(operator, f"{operator.path}: {op}{' ' if error.problem else ''}{error.problem}{nearest}", None)
        except GraphError as error:
            self.listed(
                operator,
                f"{operator.path}: {op} {error.problem}" + (f" {error.value}" if error.value is not None else ""),
                error,
            )
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            self.listed(operator, f"{operator.path}: {op} is malformed: {error}", None)

    def listed(self, operator: Operator, line: str, error: GraphError | None) -> None:
        """List a problem; when the operator keeps the shape, go on as if it were not there."""
        self.problems.append((line, error))
        if (
            operator.op in PASSED
            and operator.inputs
            and isinstance(value := self.values.get(operator.inputs[0]), Value)
        ):
            self.values[operator.outputs[0]] = replace(value, rounded=None, whole=False)

    def mapped(self, operator: Operator, given: tuple[Given, ...]) -> Value | Numbers:
        """What an operator on values gives."""
        whole = any(isinstance(operand, Value) and operand.whole for operand in given)
        if whole and operator.op not in KEEP_WHOLE:
            raise Unmapped("computes with integers", "DequantizeLinear or Cast to float before it")
        if operator.op not in KEEP_ROUNDED:
            given = tuple(self.builder.settled(operand) if isinstance(operand, Value) else operand for operand in given)
        outputs = 1 + max(i for i, name in enumerate(operator.outputs) if not i or name in self.read)
        made = HANDLERS[operator.op](self.builder, Call(operator.op, given, operator.attributes, outputs))
        return (
            replace(made, whole=made.whole or (whole and operator.op not in ("Cast", "DequantizeLinear")))
            if isinstance(made, Value)
            else made
        )

    def fold(self, operator: Operator, given: tuple[Given, ...]) -> None:
        """Compute an operator whose operands are all constant."""
        if operator.op == "Constant":
            self.values[operator.outputs[0]] = onnx_model.constant(operator)
            return
        if operator.op not in onnx_reference.FOLDED:
            raise Unmapped("of constants", f"one of {', '.join(sorted(onnx_reference.FOLDED))}")
        arrays = [None if isinstance(operand, Value) else operand for operand in given]
        self.folded += onnx_reference.folded_size(operator, arrays)
        if self.folded > MAX_FOLDED:
            raise Unmapped(f"makes constants of more than {MAX_FOLDED} numbers", "constants stored in the model")
        self.values.update(
            zip(filter(None, operator.outputs), onnx_reference.evaluated(operator, arrays, self.opset), strict=True)
        )

    def compared(self, graph: Graph) -> Graph:
        """The graph, when onnx.reference gives the same logits for one drawn image. Errors: GraphError."""
        pixels = graph.contract()
        macs = sum(
            math.prod(graph.shapes[n.name]) * n.arrays["weight"][0].size
            for n in graph.nodes
            if n.op in ("conv", "dense")
        )
        if self.builder.batch * macs > MAX_MACS:
            return replace(graph, notes=(*graph.notes, "too large to compare with onnx.reference"))
        images = np.random.default_rng(2020).integers(0, pixels.max_code + 1, (1, *pixels.shape))
        order = "".join(self.axes) if set("".join(self.axes)) == set("CHW") else "CHW"
        real = pixels.normalise(images).transpose(0, *("BCHW".index(letter) for letter in order))
        shape = [
            math.prod(dict(zip("CHW", pixels.shape, strict=True))[letter] for letter in letters)
            for letters in self.axes
        ]
        try:
            wanted = self.referred(
                np.repeat(real.reshape(1, *shape), self.builder.batch, axis=0).astype(self.kind)
            ).astype(np.float64)
        except Unmapped as error:
            return replace(graph, notes=(*graph.notes, f"not compared with onnx.reference: {error.problem}"))
        logits = graph.forward(images)[0]
        if wanted.shape != logits.shape or not np.isfinite(wanted).all():
            raise GraphError(
                "GRAPH-7",
                self.place,
                "logits are not finite, or not as many, by onnx.reference",
                wanted.shape,
                f"{logits.shape}",
            )
        apart = float(np.abs(logits - wanted).max()) / max(
            float(np.ptp(wanted)), float(np.abs(wanted).max()) * 1e-3, 1e-30
        )
        rough = (
            any(n.op == "quantise" for n in graph.nodes)
            or "16" in self.kind
            or any(UNQUANTISED in note or "float16" in note for note in graph.notes)
        )
        limit = ROUGH_TOLERANCE if rough else TOLERANCE
        if not apart <= limit:
            raise GraphError(
                "GRAPH-7",
                self.place,
                "logits differ from those of onnx.reference",
                f"by {apart:.2g} of their range",
                f"at most {limit:g}",
            )
        return graph

    def referred(self, images: Numbers) -> Numbers:
        """The logits of the first image by onnx.reference. Errors: Unmapped when it does not have an operator."""
        values: dict[str, Numbers | None] = {
            name: given for name, given in self.values.items() if not isinstance(given, Value)
        }
        values[self.source] = images
        for operator in self.operators:
            if operator.outputs[0] in values:
                continue
            operands, made = [values[name] for name in operator.inputs], self.values[operator.outputs[0]]
            node = self.builder.nodes.get(made.name) if isinstance(made, Value) else None
            pool = (
                node is not None and node.op in ("avg_pool", "max_pool") and operator.op in ("AveragePool", "MaxPool")
            )
            if (
                node is not None
                and pool
                and (not onnx_reference.relied_on(operator) or math.prod(self.builder.shapes[node.name]) > MAX_WINDOWS)
            ):
                pooled = OPERATORS[node.op].forward(node.attributes, node.arrays, np.asarray(operands[0], np.float32))
                values[operator.outputs[0]] = pooled.astype(np.asarray(operands[0]).dtype)
                continue
            try:
                values.update(
                    zip(
                        filter(None, operator.outputs),
                        onnx_reference.evaluated(operator, operands, self.opset),
                        strict=True,
                    )
                )
            except Unmapped:
                raise Unmapped(f"it does not have {operator.op}") from None
        logits: Numbers = np.reshape(np.asarray(values[self.output]), (self.builder.batch, -1))[0]
        return logits
