"""A float graph: what a trained network computes, as a list of nodes over images, before it is converted (GRAPH-1 to
GRAPH-5).

Every value is (C, H, W), float32, a batch in front; "input" is the normalised image. The last node gives the output of
the graph, unless `outputs` names several; of a classifier it gives the logits, (classes, 1, 1).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.errors import GraphError, UsageError, literal, nearest, public
from fsref.graph.formulas import Malformed
from fsref.graph.operators import MAX_WEIGHTS, OPERATORS, Attribute, Floats, Misfit, size_of
from fsref.law.images import LARGEST, Pixels
from fsref.law.populations import Shape, class_count
from fsref.tables import Sheet, Shown, plural, short

MAX_NODES = 65_536
OUTPUT = r"[A-Za-z0-9_.\-]{1,64}"  # a readout takes this name (NET-2)
BATCH = 64  # images at once, fewer when the largest value of the graph would pass BATCH_VALUES numbers
BATCH_VALUES = 2**22


def shown_shape(shape: Sequence[int]) -> str:
    """ "3 x 32 x 32"."""
    return " x ".join(map(str, shape))


@public
@dataclass(frozen=True, eq=False, repr=False)
class Node:
    """One node: an operator of OPERATORS on the values named by `inputs`. Once made, `attributes` holds the defaults
    too.

    Arrays are kept read-only, float32 when given in 16 or 32 bits, else float64. Errors: GraphError (GRAPH-1, GRAPH-2,
    GRAPH-4).
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[ -\[\]-~]{1,256}", self.name) or self.name == "input":
            limit = "1..256 printable ASCII characters without backslash; not input"
            raise GraphError("GRAPH-1", "node", "not a name", literal(self.name), limit)
        operator = OPERATORS.get(self.op) if isinstance(self.op, str) else None
        if operator is None:
            raise GraphError("GRAPH-2", self.name, "unknown operator", self.op, f"one of {', '.join(OPERATORS)}")
        inputs = tuple(self.inputs) if isinstance(self.inputs, (tuple, list)) else ()
        right_count = len(inputs) >= 2 if operator.several else len(inputs) == 1
        if not right_count or not all(isinstance(name, str) for name in inputs):
            limit = "two names or more" if operator.several else "one name"
            raise GraphError("GRAPH-1", self.name, f"wrong inputs of {self.op}", literal(self.inputs), limit)
        object.__setattr__(self, "inputs", inputs)
        for what, given, known in (
            ("attribute", self.attributes, operator.attributes),
            ("array", self.arrays, operator.arrays),
        ):
            for name in given:
                if name not in known:
                    limit = f"known: {', '.join(known) or 'none'}"
                    raise GraphError("GRAPH-2", self.name, f"unknown {what} of {self.op}", name, limit)
        attributes = {name: self._attribute(name, attribute) for name, attribute in operator.attributes.items()}
        if "kernel" in attributes:
            attributes["stride"] = attributes["stride"] or attributes["kernel"]
        arrays = {
            name: self._array(name, axes)
            for name, axes in operator.arrays.items()
            if name in self.arrays or name not in operator.optional
        }
        object.__setattr__(self, "attributes", MappingProxyType(attributes))
        object.__setattr__(self, "arrays", MappingProxyType(arrays))
        sizes: dict[str, int] = {}
        for name, array in arrays.items():
            for axis, size in zip(operator.arrays[name], array.shape, strict=True):
                if sizes.setdefault(axis, size) != size:
                    limit = f"{axis} is {sizes[axis]}"
                    raise GraphError("GRAPH-2", self.name, f"{name} does not meet the other arrays", array.shape, limit)
        if wrong := operator.check(attributes, arrays):
            raise GraphError("GRAPH-2", self.name, wrong)

    def _attribute(self, name: str, attribute: Attribute) -> Any:
        """The plain value of an attribute, given or its default."""
        if name not in self.attributes:
            if attribute.required:
                raise GraphError("GRAPH-2", self.name, f"missing attribute of {self.op}", name, attribute.says)
            return attribute.default
        try:
            return attribute.take(self.attributes[name])
        except (TypeError, ValueError, OverflowError) as error:
            given, says = literal(self.attributes[name]), str(error) if isinstance(error, Malformed) else attribute.says
            raise GraphError("GRAPH-2", self.name, f"wrong {name} of {self.op}", given, says) from None

    def _array(self, name: str, axes: tuple[str, ...]) -> Floats:
        """An array checked and read-only."""
        if name not in self.arrays:
            raise GraphError("GRAPH-2", self.name, f"missing array of {self.op}", name, f"({', '.join(axes)})")
        try:
            given = np.asarray(self.arrays[name])
        except ValueError:
            given = np.asarray(None)
        if given.dtype.kind not in "iuf" or given.dtype.itemsize > 8:
            limit = "float32 or float64"
            raise GraphError("GRAPH-2", self.name, f"{name} is not an array of numbers", given.dtype, limit)
        if given.ndim != len(axes) or not 1 <= given.size <= MAX_WEIGHTS:
            limit = f"({', '.join(axes)}), 1..{MAX_WEIGHTS} numbers"
            raise GraphError("GRAPH-2", self.name, f"wrong shape of {name}", given.shape, limit)
        kind = np.float32 if given.dtype.kind == "f" and given.dtype.itemsize <= 4 else np.float64
        kept = given.dtype == kind and given.flags.c_contiguous and not given.flags.writeable
        array: Floats = given if kept else given.astype(kind, order="C")
        if not (fine := np.abs(array) <= LARGEST).all():
            at = tuple(np.argwhere(~fine)[0].tolist())
            wrong = f"{name}{list(at)} is not a number that float32 holds"
            raise GraphError("GRAPH-4", self.name, wrong, float(array[at]))
        array.setflags(write=False)
        return array

    def __reduce__(self) -> tuple[type[Node], tuple[Any, ...]]:
        """How it is copied and pickled: made again."""
        return Node, (self.name, self.op, self.inputs, dict(self.attributes), dict(self.arrays))

    def __repr__(self) -> str:
        said = [repr(part) for part in (self.name, self.op, self.inputs)]
        if self.attributes:
            said.append(repr(dict(self.attributes)))
        said += [f"{name} {array.dtype} {shown_shape(array.shape)}" for name, array in self.arrays.items()]
        return f"Node({', '.join(said)})"

    @property
    def parameters(self) -> int:
        """How many numbers its arrays hold."""
        return sum(array.size for array in self.arrays.values())


@public
@dataclass(frozen=True, eq=False, repr=False)
class Graph(Shown):
    """A checked float graph: the input contract and nodes in topological order, the last giving its output (GRAPH-1 to
    GRAPH-5).

    `input` None is a graph whose contract is not known yet: `with_input` gives one that runs. `notes` tell what an
    importer left out or changed. `outputs` maps names of outputs to nodes; where there are none the last node alone is
    one. `classes` are the names of the logits. Errors: GraphError.
    """

    input: Pixels | None
    nodes: tuple[Node, ...]
    name: str = ""
    classes: Sequence[str] = ()
    notes: tuple[str, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.classes, str):  # else its letters would be names
            raise GraphError("GRAPH-3", "classes", "one text, not names", self.classes, "a name for each logit")
        for field_name in ("nodes", "classes", "notes"):
            object.__setattr__(self, field_name, tuple(getattr(self, field_name)))
        if self.input is not None and not isinstance(self.input, Pixels):
            given = type(self.input).__name__
            raise GraphError("GRAPH-5", "input", "not an input contract", given, "a Pixels, or None")
        if not 1 <= len(self.nodes) <= MAX_NODES or not all(isinstance(node, Node) for node in self.nodes):
            raise GraphError("GRAPH-1", "graph", "not a list of nodes", len(self.nodes), f"1..{MAX_NODES} of Node")
        if not all(isinstance(text, str) for text in (self.name, *self.classes, *self.notes)):
            raise GraphError("GRAPH-1", "graph", "name, classes and notes are not all text")
        seen = {"input"}
        for node in self.nodes:
            for source in node.inputs:
                if source not in seen:
                    limit = "input, or a node that stands before it"
                    raise GraphError("GRAPH-1", node.name, "reads no earlier node", source, limit)
            if node.name in seen:
                raise GraphError("GRAPH-1", node.name, "two nodes have this name")
            seen.add(node.name)
        object.__setattr__(self, "outputs", self._outputs(seen))
        if self.input is not None:
            channels = self.shapes[self.output][0]
            if self.classes and len(self.classes) not in (channels, self.class_count):
                raise GraphError("GRAPH-3", "classes", "not one name per logit", len(self.classes), f"{channels}")

    def _outputs(self, values: Container[str]) -> dict[str, str]:
        """The outputs, checked, given the names of all values (GRAPH-1)."""
        given = self.outputs
        if not isinstance(given, Mapping) or len(given) > MAX_NODES:
            raise GraphError("GRAPH-1", "outputs", "not a node by name of an output", type(given).__name__)
        for name, node in given.items():
            if not isinstance(name, str) or not re.fullmatch(OUTPUT, name) or name == "input":
                limit = "1..64 of A-Z a-z 0-9 _ . -; not input"
                raise GraphError("GRAPH-1", "outputs", "not a name", literal(name), limit)
            if node == "input" or node not in values:
                raise GraphError("GRAPH-1", f"output {name}", "no node has this name", literal(node))
        return dict(given)

    def __getitem__(self, name: str) -> Node:
        """The node of this name; KeyError when there is none."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @property
    def parameters(self) -> int:
        """How many numbers its nodes hold."""
        return sum(node.parameters for node in self.nodes)

    @property
    def output(self) -> str:
        """The name of the node that gives the last output: of a classifier the logits."""
        return next(reversed(self.output_nodes.values()))

    @cached_property
    def output_nodes(self) -> dict[str, str]:
        """The nodes that give outputs by the names of these, the last node alone and by its own where none is named."""
        return dict(self.outputs) or {self.nodes[-1].name: self.nodes[-1].name}

    @property
    def is_classifier(self) -> bool:
        """Whether the only output is (classes, 1, 1): only such a graph has classes (NET-8)."""
        return len(self.output_nodes) == 1 and self.shapes[self.output][1:] == (1, 1)

    @property
    def class_count(self) -> int:
        """How many classes there are: one per logit, two where there is one logit; 0 of no classifier (NET-8)."""
        return class_count(self.shapes[self.output]) if self.is_classifier else 0

    def with_input(self, pixels: Pixels) -> Graph:
        """The same graph with this input contract."""
        return replace(self, input=pixels)

    def contract(self) -> Pixels:
        """The input contract. Errors: GraphError when there is none."""
        if self.input is None:
            limit = "size, scale, mean, std: graph.with_input(fsref.Pixels(...))"
            raise GraphError("GRAPH-5", "input", "the graph has no input contract", None, limit)
        return self.input

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """The shape (C, H, W) of every value by name, "input" first. Errors: GraphError."""
        shapes = {"input": self.contract().shape}
        for node in self.nodes:
            given = (shapes[name] for name in node.inputs)
            try:
                shapes[node.name] = OPERATORS[node.op].shape(node.attributes, node.arrays, *given)
            except Misfit as misfit:
                raise GraphError("GRAPH-3", node.name, *misfit.args) from None
        return shapes

    @cached_property
    def users(self) -> dict[str, tuple[str, ...]]:
        """The names of the nodes that read each value, in order."""
        users: dict[str, list[str]] = {name: [] for name in ("input", *self._by_name)}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                users[name].append(node.name)
        return {name: tuple(readers) for name, readers in users.items()}

    @public
    def forward(self, images: ArrayLike) -> NDArray[np.float32]:
        """The logits (B, classes), float32, of images (B, C, H, W) of codes. Errors: InputError, GraphError; UsageError
        for a graph that is no classifier.
        """
        if not self.is_classifier:
            told = ", ".join(f"{name} {shown_shape(self.shapes[node])}" for name, node in self.output_nodes.items())
            limit = "graph.answers(images) gives its outputs by name"
            raise UsageError("NET-8", "logits", "the graph is no classifier, a single row of logits", told, limit)
        return self.activations(images, [self.output])[self.output][:, :, 0, 0]

    def answers(self, images: ArrayLike) -> dict[str, NDArray[np.float32]]:
        """The outputs (B, C, H, W), float32, by name, of images (B, C, H, W) of codes. Errors: InputError,
        GraphError.
        """
        values = self.activations(images, self.output_nodes.values())
        return {name: values[node] for name, node in self.output_nodes.items()}

    def activations(self, images: ArrayLike, names: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        """The values (B, C, H, W) of these names for images; "input" is the normalised image.

        Errors: InputError, GraphError, UsageError.
        """
        codes, wanted, first = self.contract().check(images), tuple(names), 0
        made = {name: np.empty((len(codes), *self.shapes[name]), np.float32) for name in self._known(wanted)}
        for values in self.stream(codes, wanted):
            for name, value in values.items():
                made[name][first : first + len(value)] = value
            first += len(next(iter(values.values()), ()))
        return made

    def stream(self, images: ArrayLike, names: Iterable[str]) -> Iterator[dict[str, NDArray[np.float32]]]:
        """As `activations`, a few images at a time in bounded memory: yields dictionaries of values (b, C, H, W), image
        after image.
        """
        pixels = self.contract()
        codes, wanted = pixels.check(images), self._known(tuple(names))
        plan, last = self._plan(wanted)
        count = self.images_at_once
        for first in range(0, len(codes), count):
            batch = pixels.normalise(codes[first : first + count])
            values = self._run(plan, last, wanted, batch)
            if not all(np.isfinite(value).all() for value in values.values()):
                self._run(plan, last, wanted, batch, check=True)
            yield values

    @property
    def images_at_once(self) -> int:
        """How many images go through the graph at once."""
        padded = (self._padded(node) for node in self.nodes)
        return max(1, min(BATCH, BATCH_VALUES // max([size_of(self.shapes["input"]), *padded])))

    def _known(self, names: tuple[str, ...]) -> dict[str, None]:
        """The names once each. Errors: UsageError when the graph has no such value."""
        for name in names:
            if name != "input" and name not in self._by_name:
                limit = nearest(str(name), ["input", *self._by_name])
                raise UsageError("GRAPH-1", "names", "the graph has no value of this name", name, limit)
        return dict.fromkeys(names)

    def _plan(self, wanted: Mapping[str, None]) -> tuple[list[Node], dict[str, str]]:
        """The nodes that these values need, in order, and the last of them to read each value."""
        needed, last = set(wanted), dict[str, str]()
        for node in reversed(self.nodes):
            if node.name in needed:
                needed.update(node.inputs)
                for name in node.inputs:
                    last.setdefault(name, node.name)
        return [node for node in self.nodes if node.name in needed], last

    def _padded(self, node: Node) -> int:
        """The most numbers that a node has before it for one image: its result, or its input with padding."""
        c, h, w = self.shapes[node.inputs[0]]
        top, left, bottom, right = node.attributes.get("padding", (0, 0, 0, 0))
        around: int = c * (h + top + bottom) * (w + left + right)
        return max(size_of(self.shapes[node.name]), around)

    def _run(
        self,
        plan: Sequence[Node],
        last: Mapping[str, str],
        wanted: Mapping[str, None],
        batch: Floats,
        check: bool = False,
    ) -> dict[str, Any]:
        """The wanted values of one batch; a value is freed once its last reader has run. Errors with `check`:
        GraphError at the first infinity or NaN.
        """
        values: dict[str, Any] = {"input": batch}
        for node in plan:
            with np.errstate(all="ignore"):  # infinities and NaN are refused where they matter
                made = OPERATORS[node.op].forward(node.attributes, node.arrays, *(values[name] for name in node.inputs))
            if check and not np.isfinite(made).all():
                raise GraphError("GRAPH-4", node.name, "gives infinity or NaN for these images")
            values[node.name] = made
            for name in set(node.inputs):
                if last[name] == node.name and name not in wanted:
                    del values[name]
        return {name: values[name] for name in wanted}

    def __repr__(self) -> str:
        return short(f"<Graph {self.name or 'without a name'}: {len(self.nodes)} nodes>")

    def sheet(self) -> Sheet:
        """The graph as a table: a line per node, what it gives and reads."""

        def row(name: str, op: str, inputs: Sequence[str], parameters: int) -> tuple[object, ...]:
            shape = shown_shape(self.shapes[name]) if self.input is not None else "?"
            return name, op, shape, ", ".join(inputs), parameters or None

        rows = [
            row("input", "", (), 0),
            *(row(node.name, node.op, node.inputs, node.parameters) for node in self.nodes),
        ]
        title = f"{self.name or 'graph'}: {plural(len(self.nodes), 'node')}, {plural(self.parameters, 'parameter')}"
        doubts = () if self.input is None else (self.input.doubt(),)
        below = [(f"output {name}", node) for name, node in self.outputs.items()]
        below += [("note", note) for note in (*self.notes, *doubts) if note]
        return Sheet(title, ("node", "op", "shape", "reads", "parameters"), rows, left=4, below=below)


__all__ = ["Graph", "Node", "Pixels"]
