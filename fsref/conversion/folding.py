"""A float graph as populations joined by linear terms, still in real numbers: everything linear is folded into weights
and biases (CONV-1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fsref.conversion.curves import CURVES, keeps_zero
from fsref.conversion.elementwise import ELEMENTWISE
from fsref.conversion.folded import Folded, Unit
from fsref.conversion.forms import formed
from fsref.conversion.units import Units
from fsref.conversion.values import Held, Value
from fsref.errors import FsrefError, GraphError, LimitError, UsageError
from fsref.graph.graph import Graph, Node
from fsref.graph.operators import size_of


def fold(graph: Graph, memory_limit: int = 2**33) -> Folded:
    """The graph as populations and linear terms.

    Errors: GraphError [GRAPH-5] without input contract, [CONV-1] naming everything that has no form, [CONV-7];
    LimitError when the weights that folding makes would take more than so many bytes [RUN-3].
    """
    if not isinstance(graph, Graph):
        limit = "a path: fsref.load_graph; a PyTorch or ONNX model: fsref.from_torch, fsref.from_onnx"
        raise UsageError("GRAPH-1", "graph", "not a float graph", type(graph).__name__, limit)
    pixels, graph = graph.contract(), hoisted(graph)
    units, notes = folded_units(graph, memory_limit)
    graph = replace(graph, notes=(*graph.notes, *notes))
    if pixels.order == "BGR":  # images come as RGB: the weights turn instead
        images = {"input"}
        images.update(unit.name for unit in units if unit.view is not None and unit.view.source in images)
        if any(unit.pool is not None and unit.pool.source in images for unit in units):
            raise GraphError("CONV-7", "input", "a max-pool over a BGR input has no weights to turn", None, "order RGB")
        channels = pixels.channels
        turned = [tuple(t.reversed_inputs(channels) if t.source in images else t for t in unit.terms) for unit in units]
        units = tuple(replace(unit, terms=terms) for unit, terms in zip(units, turned, strict=True))
        mean, std = (np.ravel(numbers)[::-1].tolist() for numbers in (pixels.mean, pixels.std))
        pixels = replace(pixels, order="RGB", mean=mean, std=std)
    return Folded(graph, pixels, units)


def folded_units(graph: Graph, memory_limit: int) -> tuple[tuple[Unit, ...], list[str]]:
    """The populations of a graph in topological order, readouts last, and notes of what was left out. Errors:
    GraphError [CONV-1], LimitError.
    """
    units, problems = Units(graph, memory_limit), dict[str, str]()
    values: dict[str, Value] = {"input": Value.of(Held("input", graph.shapes["input"]))}
    read_out: dict[str, Value] = {}  # as they are before others hold them: a readout takes sums as they are
    for node in graph.nodes:
        try:
            value = formed(units, node, *(values[name] for name in node.inputs))
        except LimitError as error:
            raise LimitError(error.rule, node.name, error.problem, error.value, error.limit) from None
        except FsrefError as error:
            problems[node.name] = without_form(error)
            value = Value.of(units.unknown(node.name, graph.shapes[node.name]))  # what follows is looked at, too
        read_out[node.name] = value
        if len(graph.users[node.name]) > 1 and not _parted(graph, node.name):  # computed once, held for all its readers
            value = value.each(units.hold(part) for part in value.parts)
        values[node.name] = value
    for name, output in [] if problems else graph.output_nodes.items():
        try:
            units.read_out(units.merged(read_out[output], output), name if graph.outputs else "")
        except GraphError as error:
            problems[output] = without_form(error)
    if problems:
        raise GraphError("CONV-1", "graph", without_forms(graph, problems))
    read = {source for unit in units.made for source in unit.sources}  # a view of a view is one, of what that shows
    return tuple(unit for unit in units.made if unit.view is None or unit.name in read), units.notes


def without_form(error: FsrefError) -> str:
    """Why a node has no form, and what comes nearest."""
    return error.problem + (f" ({error.limit})" if error.limit else "")


def without_forms(graph: Graph, problems: Mapping[str, str]) -> str:
    """All nodes without a form, by name why: what share of the graph they are, and each reason once, behind the nodes
    that it holds for.
    """
    places = dict[str, list[str]]()
    for name, said in problems.items():
        places.setdefault(said, []).append(name)
    values, lost = (sum(size_of(graph.shapes[name]) for name in names) for names in (graph.users, problems))
    count = f"{len(problems)} of {len(graph.nodes)} nodes, {100 * lost / values:.0f} % of all values, have no form"
    listed = "; ".join(f"{', '.join(names)}: {said}" for said, names in places.items())
    return f"{count} with FS neurons: {listed}"


def _parted(graph: Graph, name: str) -> bool:
    """Whether a value is read in parts alone, each of its channels once at most."""
    readers = [graph[reader] for reader in graph.users[name]]
    if any(reader.op != "select" for reader in readers):
        return False
    taken = [channel for reader in readers for channel in reader.attributes["indices"]]
    return len(set(taken)) == len(taken)


def hoisted(graph: Graph) -> Graph:
    """The same function, without identities and unread nodes; what never decreases stands before the max-pool, flatten,
    subsample, view or cut it followed.
    """
    nodes: dict[str, Node] = {}
    outputs = set(graph.output_nodes.values())
    stands_for: dict[str, str] = {}  # an identity, by name, for what it reads
    for node in graph.nodes:
        inputs = tuple(stands_for.get(name, name) for name in node.inputs)
        if node.op == "identity" and node.name not in outputs:
            stands_for[node.name] = inputs[0]
        else:
            nodes[node.name] = replace(node, inputs=inputs)
    read = set(outputs)
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
            if {before.name, node.name} & outputs and graph.outputs:
                continue  # the value of an output stays where it is
            first, then = replace(node, inputs=before.inputs), replace(before, inputs=(node.name,))
            order[place[before.name]], order[k] = first, then
            order[k + 1 :] = [
                replace(n, inputs=tuple(then.name if i == node.name else i for i in n.inputs)) for n in order[k + 1 :]
            ]
            moved = True
            break
    return replace(graph, nodes=tuple(order), outputs=graph.outputs)


def _commutes(before: Node, node: Node) -> bool:
    """Whether `node` may be taken before the one it follows."""
    if node.op == "max_pool":  # a pool of one population, not of the two that a leaky_relu is
        return before.op == "leaky_relu" and bool((before.arrays["slope"] >= 0).all())
    if node.op in (*ELEMENTWISE, *CURVES, "leaky_relu"):
        leaky = node.op == "leaky_relu"
        falls = node.attributes.get("slope", 1.0) < 0
        if before.op == "pad":
            return bool(max(*before.attributes["padding"], *before.attributes["channels"]) <= 0)
        if before.op == "view" and min(*before.attributes["rows"], *before.attributes["columns"]) < 0:
            if node.op in CURVES:
                return keeps_zero(node)
            return leaky or (
                node.op in ("relu", "clip") and node.attributes.get("low", 0.0) <= 0 <= node.attributes.get("high", 0.0)
            )
        if before.op == "max_pool":  # codes of a curve are none that a pool reads (POOL-2)
            return not leaky and not falls and node.op not in CURVES
        if before.op == "flatten":
            return not leaky
        return before.op in ("subsample", "view")
    return node.op in ("batch_norm", "affine") and before.op == "max_pool" and bool((node.arrays["gain"] > 0).all())
