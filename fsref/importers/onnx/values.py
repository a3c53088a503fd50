"""Values of an ONNX model on their way into a float graph: which of B, C, H, W each ONNX axis runs over, and the nodes
made so far (GRAPH-7).

A graph knows values (C, H, W) and nothing else; ONNX moves and joins axes freely. So a reshape or a transpose makes no
node: it changes what the axes of a value stand for, and whoever reads the value next asks for the form it needs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import GraphError
from fsref.graph.graph import Node
from fsref.graph.operators import OPERATORS, Floats, Misfit
from fsref.importers.naming import Origin, named
from fsref.importers.recogniser import NEAR, Form, is_link
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.tables import Brief

Numbers = NDArray[Any]
NOT_NEGATIVE = ("relu", "sigmoid", "hard_sigmoid", "quantise", "softplus")
KEEP_GRID = ("max_pool", "flatten", "subsample", "identity", "concat", "select")
KEEP_SIGN = (*KEEP_GRID, "add", "mul", "avg_pool", "global_avg_pool")


@dataclass(frozen=True)
class Rounded:
    """What no node gives yet: a form of the node `base`, rounded by the operator `path`; an integer until it is scaled
    back.
    """

    base: str
    form: Form
    path: str


@dataclass(frozen=True, eq=False, repr=False)
class Waiting(Brief):
    """The numbers that the elements of a value have in (B, C, H, W), in the shape ONNX gives it, where letters do not
    tell: it waits for an operator that brings it back in order. `said` is the line that refuses it if none does.
    """

    numbers: Ints
    said: str


@dataclass(frozen=True)
class Value:
    """An ONNX value: the node it stands for, that node's shape, and per ONNX axis the letters of B, C, H, W it runs
    over, of those not of size 1.

    `whole` says that ONNX holds it in an integer type, whose arithmetic is another.
    """

    name: str
    shape: Shape
    axes: tuple[str, ...]
    rounded: Rounded | None = None
    whole: bool = False
    waiting: Waiting | None = None


@dataclass
class Builder:
    """The nodes made so far. `path` is the ONNX operator at work: nodes are named after it, until all are there, then
    after the layer it comes from.
    """

    batch: int
    shapes: dict[str, Shape]
    nodes: dict[str, Node] = field(default_factory=dict)
    not_negative: set[str] = field(default_factory=set)
    notes: Counter[str] = field(default_factory=Counter)
    made: dict[Rounded, str] = field(default_factory=dict)  # nodes of what was rounded
    origins: dict[str, Rounded] = field(default_factory=dict)  # of those nodes
    # Of values that are integers, low to high, times a step: step, low, high.
    grids: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)  # the layer of an operator, by its path
    layers: dict[str, Origin] = field(default_factory=dict)  # of nodes
    integers: set[str] = field(default_factory=set)  # values that are integers
    path: str = ""

    def sizes(self, shape: Shape) -> dict[str, int]:
        """The size of each letter."""
        return dict(zip("BCHW", (self.batch, *shape), strict=True))

    def shape_of(self, value: Value) -> tuple[int, ...]:
        """The shape ONNX gives a value."""
        if value.waiting is not None:
            return value.waiting.numbers.shape
        sizes = self.sizes(value.shape)
        return tuple(math.prod(sizes[letter] for letter in letters) for letters in value.axes)

    def value(self, name: str, axes: Sequence[str]) -> Value:
        """The value of a node, its axes running over these letters."""
        shape = self.shapes[name]
        sizes = self.sizes(shape)
        return Value(name, shape, tuple("".join(axis for axis in letters if sizes[axis] > 1) for letters in axes))

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        attributes: dict[str, Any] | None = None,
        arrays: dict[str, Numbers] | None = None,
        part: str = "",
    ) -> str:
        """Make a node named after the operator at work, `part` added when it is only a part of it; its name."""
        stem, number, given = f"{self.path}/{part}" if part else self.path, 1, arrays or {}
        name = stem
        while name in self.shapes:
            number += 1
            name = f"{stem}#{number}"
        self.layers[name] = Origin(self.places.get(self.path, self.path), op, part)
        known = {key: array if array.dtype.kind in "iuf" else array.astype(np.float32) for key, array in given.items()}
        node = Node(name, op, tuple(inputs), attributes or {}, known)
        shapes = (self.shapes[source] for source in inputs)
        try:
            self.shapes[name] = OPERATORS[op].shape(node.attributes, node.arrays, *shapes)
        except Misfit as misfit:
            raise GraphError("GRAPH-3", name, *misfit.args) from None
        self.nodes[name] = node
        if self._never_negative(node):
            self.not_negative.add(name)
        self._keep_grid(node)
        if self._whole(node):
            self.integers.add(name)
        return name

    def _never_negative(self, node: Node) -> bool:
        """Whether no value of a node can be below 0."""
        if node.op == "clip":
            return bool(node.attributes["low"] >= 0)
        return node.op in NOT_NEGATIVE or (node.op in KEEP_SIGN and self.not_negative.issuperset(node.inputs))

    def _whole(self, node: Node) -> bool:
        """Whether all values of a node are integers."""
        if node.op == "quantise":
            return bool(node.attributes["alpha"] == node.attributes["levels"])
        known = node.op in (*KEEP_GRID, "conv", "dense", "affine", "offset", "relu", "add")
        whole = all((array == np.rint(array)).all() for array in node.arrays.values())
        return known and whole and self.integers.issuperset(node.inputs)

    def _keep_grid(self, node: Node) -> None:
        """Note that a node keeps its values on the grid that those it reads are on."""
        grids = [self.grids[name] for name in node.inputs if name in self.grids]
        if len(grids) != len(node.inputs) or len({step for step, _, _ in grids}) > 1:
            return
        step, low, high = grids[0][0], min(low for _, low, _ in grids), max(high for _, _, high in grids)
        if node.op in KEEP_GRID:
            self.grids[node.name] = step, low, high
        elif node.op == "relu":
            self.grids[node.name] = step, max(low, 0), max(high, 0)
        elif node.op == "pad" and node.attributes["value"] == 0:
            self.grids[node.name] = step, min(low, 0), max(high, 0)

    def apply(
        self,
        op: str,
        value: Value,
        attributes: dict[str, Any] | None = None,
        arrays: dict[str, Numbers] | None = None,
        part: str = "",
    ) -> Value:
        """A node that works on each number, or each channel, alone: the axes stay as they are."""
        return replace(value, name=self.add(op, [value.name], attributes, arrays, part))

    def kept(self, outputs: Sequence[str]) -> tuple[tuple[Node, ...], list[str]]:
        """The nodes that outputs depend on, in order, and the names of the outputs among them; named after
        their layers.
        """
        read = set(outputs)
        for node in reversed(self.nodes.values()):
            if node.name in read:
                read.update(node.inputs)
        kept = [name for name in self.nodes if name in read]
        names = {"input": "input", **dict(zip(kept, named([self.layers[name] for name in kept]), strict=True))}
        nodes = tuple(
            replace(node, name=names[node.name], inputs=tuple(names[source] for source in node.inputs))
            for node in self.nodes.values()
            if node.name in names
        )
        return nodes, [names[output] for output in outputs]

    def affine(self, value: Value, gain: Floats | float, offset: Floats | float, part: str = "") -> Value:
        """value * gain + offset per channel, joined with an affine node before it; the value itself when that changes
        nothing.
        """
        c = value.shape[:1]
        gain, offset = np.broadcast_to(np.float64(gain), c), np.broadcast_to(np.float64(offset), c)
        before = self.nodes.get(value.name)
        if before is not None and before.op == "affine":
            offset = gain * before.arrays["offset"] + offset
            gain = gain * before.arrays["gain"]
            value = replace(value, name=before.inputs[0])
        if (np.abs(gain - 1) <= NEAR).all() and not offset.any():
            return value
        return self.apply("affine", value, {}, {"gain": gain, "offset": offset}, part)

    def chain(self, name: str) -> tuple[str, list[Node]]:
        """The links that end in the node `name`, in order, and the name of the value they begin with."""
        links: list[Node] = []
        while (node := self.nodes.get(name)) is not None and is_link(node):
            links.append(node)
            name = node.inputs[0]
        return name, links[::-1]
