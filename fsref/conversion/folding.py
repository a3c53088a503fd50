"""A float graph as populations joined by linear terms, still in real numbers: everything linear is folded into weights
and biases (CONV-1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from fsref.conversion.activation import LINEAR, Activation, Reals
from fsref.conversion.folded import NO_PADDING, Folded, Pool, Term, Unit
from fsref.errors import FsrefError, GraphError
from fsref.graph.arithmetic import places
from fsref.graph.graph import Graph, Node
from fsref.law.populations import Shape
from fsref.law.projections import window_shape

ELEMENTWISE = (
    "relu",
    "clip",
    "quantise",
    "hard_sigmoid",
)  # those an FS population can be; only a hard_sigmoid of negative slope decreases
NEAREST = {
    "silu": "relu or clip",
    "hard_silu": "relu or clip",
    "sigmoid": "hard_sigmoid",
    "mul": "none for a product of two values; affine for constants",
}


@dataclass(frozen=True)
class Held:
    """The value of a population as it is, with zero padding around it; `view` is map, flat (of all places) or mean
    (over them).
    """

    name: str
    shape: Shape
    padding: tuple[int, int, int, int] = NO_PADDING
    view: str = "map"


@dataclass(frozen=True, eq=False)
class Sum:
    """A value that no population holds yet: bias + terms."""

    name: str
    shape: Shape
    terms: tuple[Term, ...]
    bias: Reals


Value: TypeAlias = tuple[Held | Sum, ...]  # parts, side by side along the channels


def fold(graph: Graph) -> Folded:
    """The graph as populations and linear terms. Errors: GraphError [GRAPH-5] without input contract, [CONV-1] naming
    everything that has no form.
    """
    pixels, graph = graph.contract(), hoisted(graph)
    folder = _Folder(graph)
    for node in graph.nodes:
        if all(name in folder.values for name in node.inputs):
            folder.take(node)
    if folder.problems:
        raise GraphError(
            "CONV-1",
            "graph",
            f"{len(folder.problems)} of {len(graph.nodes)} nodes have no form with FS neurons: "
            + "; ".join(folder.problems),
        )
    folder.read_out()
    units = tuple(folder.units)
    if pixels.order == "BGR":  # images come as RGB: the weights turn instead
        if any(unit.pool is not None and unit.pool.source == "input" for unit in units):
            raise GraphError("CONV-7", "input", "a max-pool over a BGR input has no weights to turn", None, "order RGB")
        turned = [
            tuple(t.reversed_inputs(pixels.channels) if t.source == "input" else t for t in unit.terms)
            for unit in units
        ]
        units = tuple(replace(unit, terms=terms) for unit, terms in zip(units, turned, strict=True))
        pixels = replace(
            pixels, order="RGB", mean=np.ravel(pixels.mean)[::-1].tolist(), std=np.ravel(pixels.std)[::-1].tolist()
        )
    return Folded(graph, pixels, units)


def hoisted(graph: Graph) -> Graph:
    """The same function, without identities and unread nodes; what never decreases stands before the max-pool, flatten
    or subsample it followed.
    """
    nodes: dict[str, Node] = {}
    stands_for: dict[str, str] = {}  # an identity, by name, for what it reads
    for node in graph.nodes:
        inputs = tuple(stands_for.get(name, name) for name in node.inputs)
        if node.op == "identity" and node is not graph.nodes[-1]:
            stands_for[node.name] = inputs[0]
        else:
            nodes[node.name] = replace(node, inputs=inputs)
    read = {next(reversed(nodes))}
    for name in reversed(list(nodes)):
        if name in read:
            read.update(nodes[name].inputs)
    order = [nodes[name] for name in nodes if name in read]
    moved = True
    while moved:
        moved = False
        readers = [i for n in order for i in n.inputs]
        place = {n.name: k for k, n in enumerate(order)}
        for k, node in enumerate(order):
            before = order[place[node.inputs[0]]] if node.inputs[0] in place else None
            if before is None or not _commutes(before, node) or readers.count(before.name) > 1:
                continue
            first, then = replace(node, inputs=before.inputs), replace(before, inputs=(node.name,))
            order[place[before.name]], order[k] = first, then
            order[k + 1 :] = [
                replace(n, inputs=tuple(then.name if i == node.name else i for i in n.inputs)) for n in order[k + 1 :]
            ]
            moved = True
            break
    return replace(graph, nodes=tuple(order))


def _commutes(before: Node, node: Node) -> bool:
    """Whether `node` may be taken before the one it follows."""
    if node.op in ELEMENTWISE:
        falls = node.attributes.get("slope", 1.0) < 0
        return before.op in ("flatten", "subsample") or (before.op == "max_pool" and not falls)
    return node.op in ("batch_norm", "affine") and before.op == "max_pool" and bool((node.arrays["gain"] > 0).all())


class _Folder:
    """The state of folding one graph: units so far, the value of every node, what cannot be taken."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.units: list[Unit] = []
        self.values: dict[str, Value] = {"input": (Held("input", graph.shapes["input"]),)}
        self.problems: list[str] = []

    def take(self, node: Node) -> None:
        """Fold one node, or note why it cannot be."""
        if node.op in NEAREST:
            self.problems.append(f"{node.name}: {node.op} (nearest: {NEAREST[node.op]})")
            return
        form = "elementwise" if node.op in ELEMENTWISE else "affine" if node.op == "batch_norm" else node.op
        try:
            value: Value = getattr(self, f"_{form}")(node, *(self.values[name] for name in node.inputs))
        except FsrefError as error:
            self.problems.append(f"{node.name}: {error.problem}" + (f" ({error.limit})" if error.limit else ""))
            return
        if len(self.graph.users[node.name]) > 1:  # computed once, held for all its readers
            value = tuple(self.hold(part) for part in value)
        self.values[node.name] = value

    def refuse(self, problem: str, limit: str = "") -> GraphError:
        """The error of one node; `take` puts its name before it."""
        return GraphError("CONV-1", "node", problem, None, limit)

    def add_unit(self, wanted: str, shape: Shape, **parts: Any) -> Held:
        """The new unit's value."""
        clean = re.sub(r"[^A-Za-z0-9_.\-]", "_", wanted)[-64:]
        name, number, taken = clean, 1, {"input", *(unit.name for unit in self.units)}
        while name in taken:
            name, number = f"{clean[:58]}.{number}", number + 1
        self.units.append(Unit(name, shape, **parts))
        return Held(name, shape)

    def hold(self, part: Held | Sum, activation: Activation = LINEAR) -> Held:
        """The value of a part as a population's, made if there is none yet."""
        if isinstance(part, Held):
            return part
        name = next((term.node for term in part.terms if term.node), part.name)
        return self.add_unit(name, part.shape, terms=part.terms, bias=part.bias, activation=activation)

    def plain(self, part: Held | Sum) -> Held:
        """As `hold`, without padding and without a view: what a window may be laid on."""
        held = self.hold(part)
        return held if held.view == "map" and held.padding == NO_PADDING else self.hold(self.sum_of(held, held.name))

    def sum_of(self, part: Held | Sum, name: str) -> Sum:
        """The part as a sum: a population's value through an identity."""
        if isinstance(part, Sum):
            return part
        channels = part.shape[0]
        if part.view == "flat":
            raise self.refuse("nothing but a dense layer may follow a flatten of several places")
        if part.view == "mean":
            full = self.shape_of(part.name)
            term = Term(part.name, np.eye(channels) / (full[1] * full[2]), pooled=True, skip=True)
        else:
            term = Term(part.name, np.ones((channels, 1, 1, 1)), padding=part.padding, groups=channels, skip=True)
        return Sum(name, part.shape, (term,), np.zeros(channels))

    def shape_of(self, name: str) -> Shape:
        """The shape of a population."""
        return (
            self.graph.shapes["input"]
            if name == "input"
            else next(unit.shape for unit in self.units if unit.name == name)
        )

    def merged(self, value: Value, name: str) -> Sum:
        """All parts as one sum."""
        sums = [self.sum_of(part, name) for part in value]
        if len(sums) == 1:
            return sums[0]
        channels = sum(part.shape[0] for part in sums)
        starts = np.cumsum([0, *(part.shape[0] for part in sums)]).tolist()
        terms = [term.placed(start, channels) for part, start in zip(sums, starts, strict=False) for term in part.terms]
        return Sum(name, (channels, *sums[0].shape[1:]), tuple(terms), np.concatenate([part.bias for part in sums]))

    def _conv(self, node: Node, value: Value) -> Value:
        weight, bias = node.arrays["weight"].astype(np.float64), node.arrays.get("bias")
        settings = {name: node.attributes[name] for name in ("stride", "dilation", "groups")}
        padding, groups = node.attributes["padding"], node.attributes["groups"]
        offset = np.zeros(len(weight)) if bias is None else bias.astype(np.float64)
        shape = self.graph.shapes[node.name]
        pointwise = weight.shape[2:] == (1, 1) and padding == NO_PADDING and groups == 1
        held = [self.hold(part) for part in value]
        held = [
            part if part.view == "map" or (part.view == "mean" and pointwise) else self.plain(part) for part in held
        ]

        def term(part: Held, rows: Reals, **other: Any) -> Term:
            if part.view == "mean":
                full = self.shape_of(part.name)
                return Term(part.name, rows[:, :, 0, 0] / (full[1] * full[2]), pooled=True, node=node.name)
            around: Any = tuple(a + b for a, b in zip(padding, part.padding, strict=True))
            return Term(part.name, rows, padding=around, node=node.name, **{**settings, **other})

        if len(held) == 1:
            return (Sum(node.name, shape, (term(held[0], weight),), offset),)
        starts = np.cumsum([0, *(part.shape[0] for part in held)]).tolist()
        inputs, outputs = weight.shape[1], len(weight) // groups
        if groups > 1 and all(
            start % inputs == 0 for start in starts
        ):  # whole groups in every part: the outputs stand side by side
            ends = [start // inputs * outputs for start in starts]
            return tuple(
                Sum(
                    f"{node.name}.{i}",
                    (b - a, *shape[1:]),
                    (term(part, weight[a:b], groups=(b - a) // outputs),),
                    offset[a:b],
                )
                for i, (part, a, b) in enumerate(zip(held, ends[:-1], ends[1:], strict=True))
            )
        weight = Term("", weight, groups=groups).ungrouped().weights
        slices = [weight[:, a:b] for a, b in zip(starts[:-1], starts[1:], strict=True)]
        return (
            Sum(node.name, shape, tuple(term(p, rows, groups=1) for p, rows in zip(held, slices, strict=True)), offset),
        )

    def _dense(self, node: Node, value: Value) -> Value:
        weight, bias = node.arrays["weight"].astype(np.float64), node.arrays.get("bias")
        terms, first = [], 0
        for part in map(self.hold, value):
            rows, full = weight[:, first : first + part.shape[0]], self.shape_of(part.name)
            first += part.shape[0]
            mean = part.view == "mean"
            terms.append(Term(part.name, rows / (full[1] * full[2]) if mean else rows, pooled=mean, node=node.name))
        return (
            Sum(
                node.name,
                self.graph.shapes[node.name],
                tuple(terms),
                np.zeros(len(weight)) if bias is None else bias.astype(np.float64),
            ),
        )

    def _affine(self, node: Node, value: Value) -> Value:
        arrays = {name: array.astype(np.float64) for name, array in node.arrays.items()}
        gain, offset = arrays["gain"], arrays["offset"]
        if node.op == "batch_norm":
            gain = gain / np.sqrt(arrays["variance"] + node.attributes["eps"])
            offset = offset - arrays["mean"] * gain
        parts, first = [], 0
        for part in value:
            own = slice(first, first + part.shape[0])
            first = own.stop
            made = self.sum_of(part, node.name)
            parts.append(
                replace(
                    made,
                    terms=tuple(term.scaled(gain[own]) for term in made.terms),
                    bias=made.bias * gain[own] + offset[own],
                )
            )
        return tuple(parts)

    def _elementwise(self, node: Node, value: Value) -> Value:
        match node.op, node.attributes:
            case "relu", _:
                activation = Activation(0.0, np.inf)
            case "clip", {"low": low, "high": high}:
                activation = Activation(float(low), float(high))
            case "quantise", {"alpha": alpha, "levels": levels, "rounding": rounding}:
                activation = Activation(0.0, float(alpha), levels, rounding)
            case _, {"slope": slope, "offset": offset}:
                sums = [self.sum_of(part, node.name) for part in value]
                value = tuple(
                    replace(
                        s,
                        terms=tuple(t.scaled(np.full(len(s.bias), slope)) for t in s.terms),
                        bias=s.bias * slope + offset,
                    )
                    for s in sums
                )
                activation = Activation(0.0, 1.0)
        return tuple(
            self._activated(part, activation, node.name if len(value) == 1 else f"{node.name}.{i}")
            for i, part in enumerate(value)
        )

    def _activated(self, part: Held | Sum, activation: Activation, name: str) -> Held:
        if isinstance(part, Held) and part.name != "input" and part.view != "flat":
            own = self.source_activation(part.name)
            if (
                activation.low <= min(own.low, 0.0)
                and max(own.high, 0.0) <= activation.high
                and activation.levels is None
            ):
                return part  # already within, and so is its padding
        return self.hold(self.sum_of(part, name), activation)

    def source_activation(self, name: str) -> Activation:
        """The activation of a population, for a pool its source's; of the input, none."""
        unit = None if name == "input" else next(unit for unit in self.units if unit.name == name)
        if unit is None:
            return LINEAR
        return self.source_activation(unit.pool.source) if unit.pool else unit.activation or LINEAR

    def _add(self, node: Node, *values: Value) -> Value:
        shape = self.graph.shapes[node.name]
        sums = [self.merged(value, node.name) for value in values]
        if any(s.shape != shape for s in sums):
            raise self.refuse("add broadcasts one place over many", "operands of one shape")
        return (
            Sum(
                node.name, shape, tuple(term for s in sums for term in s.terms), np.sum([s.bias for s in sums], axis=0)
            ),
        )

    def _concat(self, node: Node, *values: Value) -> Value:
        return tuple(part for value in values for part in value)

    def _max_pool(self, node: Node, value: Value) -> Value:
        parts = []
        for i, part in enumerate(map(self.hold, value)):
            padding, kernel, stride = node.attributes["padding"], node.attributes["kernel"], node.attributes["stride"]
            if part.padding != NO_PADDING and part.view == "map" and self.source_activation(part.name).low >= 0:
                joint, full = tuple(a + b for a, b in zip(padding, part.padding, strict=True)), self.shape_of(part.name)
                if all(
                    count.all() for count in places(full, kernel, stride, joint)
                ):  # beside a real place zeros never are the maximum
                    padding, part = joint, replace(part, shape=full, padding=NO_PADDING)
            part = self.plain(part)
            if (levels := self.source_activation(part.name).levels) is not None and levels & (levels + 1):
                raise self.refuse(f"max-pool of values with {levels} levels", "levels 1, 3, 7, ..., 2^K - 1")
            shape = (part.shape[0], *window_shape(part.shape, kernel, stride, padding))
            name = node.name if len(value) == 1 else f"{node.name}.{i}"
            parts.append(self.add_unit(name, shape, pool=Pool(part.name, kernel, stride, padding)))
        return tuple(parts)

    def _avg_pool(self, node: Node, value: Value) -> Value:
        (kh, kw), padding = node.attributes["kernel"], node.attributes["padding"]
        if any(padding) and not node.attributes["count_include_pad"]:
            raise self.refuse(
                "average pooling with a divisor that varies with the place", "no padding, or padding counted"
            )
        parts = []
        for part in value:
            held = self.hold(part)
            held = held if held.view == "map" else self.plain(held)
            channels, around = held.shape[0], tuple(a + b for a, b in zip(padding, held.padding, strict=True))
            weights = np.full((channels, 1, kh, kw), 1 / (kh * kw))
            term = Term(held.name, weights, node.attributes["stride"], around, groups=channels, skip=True)
            parts.append(Sum(node.name, (channels, *self.graph.shapes[node.name][1:]), (term,), np.zeros(channels)))
        return tuple(parts)

    def _global_avg_pool(self, node: Node, value: Value) -> Value:
        held = [self.plain(part) for part in value]
        return tuple(
            part if part.shape[1:] == (1, 1) else replace(part, shape=(part.shape[0], 1, 1), view="mean")
            for part in held
        )

    def _flatten(self, node: Node, value: Value) -> Value:
        if all(part.shape[1:] == (1, 1) for part in value):
            return value
        held = [self.plain(part) for part in value]
        return tuple(
            replace(part, shape=(part.shape[0] * part.shape[1] * part.shape[2], 1, 1), view="flat") for part in held
        )

    def _pad(self, node: Node, value: Value) -> Value:
        top, left, bottom, right = around = node.attributes["padding"]
        before, after = node.attributes["channels"]
        if node.attributes["value"] != 0:
            raise self.refuse("padding with a constant other than 0", "value 0")
        if before or after:
            merged = self.merged(value, node.name)
            channels = before + merged.shape[0] + after
            value = (
                Sum(
                    node.name,
                    (channels, *merged.shape[1:]),
                    tuple(term.placed(before, channels) for term in merged.terms),
                    np.pad(merged.bias, (before, after)),
                ),
            )
        if around == NO_PADDING:
            return value
        parts: list[Held | Sum] = []
        for part in map(self.hold, value):
            part = part if part.view == "map" else self.plain(part)
            shape = (part.shape[0], part.shape[1] + top + bottom, part.shape[2] + left + right)
            parts.append(
                replace(part, shape=shape, padding=tuple(a + b for a, b in zip(part.padding, around, strict=True)))
            )
        return tuple(parts)

    def _subsample(self, node: Node, value: Value) -> Value:
        sy, sx = node.attributes["stride"]
        size = self.graph.shapes[node.name][1:]
        parts = []
        for part in value:
            made = self.sum_of(self.plain(part) if isinstance(part, Held) and part.view != "map" else part, node.name)
            if any(term.weights.ndim == 2 for term in made.terms):  # a single place
                parts.append(made)
                continue
            terms = tuple(replace(term, stride=(term.stride[0] * sy, term.stride[1] * sx)) for term in made.terms)
            parts.append(replace(made, shape=(made.shape[0], *size), terms=terms))
        return tuple(parts)

    def _identity(self, node: Node, value: Value) -> Value:
        return value

    def read_out(self) -> None:
        """Make the last value the readout."""
        merged = self.merged(self.values[self.graph.nodes[-1].name], self.graph.nodes[-1].name)
        name = next((term.node for term in merged.terms if term.node), merged.name)
        self.add_unit(name, merged.shape, terms=merged.terms, bias=merged.bias)
