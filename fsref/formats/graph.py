"""One npz holds a float graph: `graph`, JSON as an array of bytes, and one float array per array of a node (GRAPH-6;
see guide/graph.md).

Read it anywhere in two lines: `z = numpy.load(path)`, `json.loads(z["graph"].tobytes())`; the array W of the node N is
`z["N.W"]`.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from os import PathLike
from typing import Any

import numpy as np

from fsref.errors import FsrefError, GraphError
from fsref.formats import manifest as schema
from fsref.formats.container import canonical, pack, read_file, unique
from fsref.formats.files import write
from fsref.formats.npy import npy, read_array
from fsref.formats.npz import MAX_MANIFEST
from fsref.graph.graph import Graph, Node, Pixels

FORMAT = 1
MEMBER = "graph.npy"
TYPES = ("<f4", "<f8")
OTHER_WORDS = {"hard_silu": "hard_swish"}  # of operators, in files of before


def load(path: str | PathLike[str]) -> Graph:
    """The graph of a file, checked. Errors: FileError, GraphError."""
    return build(read_file(path, "the file of a float graph"), str(path))


def build(members: dict[str, bytes], where: str) -> Graph:
    """The graph of a file's members. Errors: FileError, GraphError."""
    found = _description(members, where)
    arrays: dict[str, dict[str, Any]] = {node.name: {} for node in found.nodes}
    if len(arrays) < len(found.nodes):
        twice = Counter(node.name for node in found.nodes).most_common(1)[0][0]
        raise GraphError("GRAPH-1", f"{where}: {twice}", "two nodes have this name")
    for member in sorted(set(members) - {MEMBER}):
        node, _, name = member.removesuffix(".npy").rpartition(".")
        if node not in arrays or not member.endswith(".npy"):
            raise GraphError(
                "GRAPH-6", where, "unknown member", member, "graph, and NODE.ARRAY for each array of a node"
            )
        arrays[node][name] = read_array(members[member], f"{where}: {member}", TYPES, fortran=True)
    try:
        pixels = None if found.input is None else Pixels(**schema.plain(found.input))
        nodes = tuple(
            Node(node.name, OTHER_WORDS.get(node.op, node.op), node.inputs, node.attributes, arrays[node.name])
            for node in found.nodes
        )
        told = () if isinstance(found.outputs, schema.UnsetType) else found.outputs
        if len(outputs := dict(told)) < len(told):
            raise GraphError("GRAPH-1", "outputs", "two outputs have one name", [name for name, _ in told])
        return Graph(pixels, nodes, found.name, found.classes, found.notes, outputs)
    except FsrefError as error:
        raise type(error)(error.rule, f"{where}: {error.place}", error.problem, error.value, error.limit) from None


def _description(members: dict[str, bytes], where: str) -> schema.GraphEntry:
    """The JSON of a file's member `graph`, its schema checked. Errors: FileError, GraphError."""
    place = f"{where}: graph"
    if MEMBER not in members:
        swapped = "this is a network's file: fsref.load reads it, fsref compare takes GRAPH NET"
        limit = swapped if "manifest.json" in members else "an array named graph: the bytes of its JSON"
        raise GraphError("GRAPH-6", where, "member is missing", MEMBER, limit)
    held = read_array(members[MEMBER], place, ("|u1",))
    if held.ndim != 1 or held.size > MAX_MANIFEST:
        raise GraphError("GRAPH-6", place, "not one row of bytes, or too many", held.shape, f"at most {MAX_MANIFEST}")
    text = held.tobytes()
    try:
        version = schema.decode(text, schema.GraphFormat)
        if version.format != FORMAT:
            raise GraphError("GRAPH-6", place, "unknown format", version.format, f"this fsref reads format {FORMAT}")
        json.loads(text, object_pairs_hook=unique)
        found: schema.GraphEntry = schema.decode(text, schema.GraphEntry)
    except (*schema.INVALID, ValueError) as error:
        raise GraphError("GRAPH-6", place, "breaks the schema", str(error)) from None
    return found


def to_bytes(graph: Graph) -> bytes:
    """The bytes of a graph's file: the same graph gives the same bytes. Errors: GraphError."""
    entry = schema.GraphEntry(
        FORMAT,
        [schema.NodeEntry(node.name, node.op, node.inputs, dict(node.attributes)) for node in graph.nodes],
        None if graph.input is None else schema.PixelsEntry(**asdict(graph.input)),
        graph.name,
        tuple(graph.classes),
        graph.notes,
        tuple(graph.outputs.items()) or schema.UNSET,
    )
    try:
        text = canonical(schema.plain(entry))
        schema.decode(text, schema.GraphEntry)  # what load would find
    except UnicodeError as error:
        raise GraphError(
            "GRAPH-6", "graph", "name, classes or notes are no text that UTF-8 holds", str(error)
        ) from None
    except (TypeError, ValueError, *schema.INVALID) as error:
        raise GraphError("GRAPH-6", "graph", "would not be a description", str(error)) from None
    if len(text) > MAX_MANIFEST:
        raise GraphError("GRAPH-6", "graph", "the description is too large", len(text), f"at most {MAX_MANIFEST} bytes")
    members = {MEMBER: npy(np.frombuffer(text, np.uint8), np.dtype("|u1"))}
    for node in graph.nodes:
        for name, array in node.arrays.items():
            members[f"{node.name}.{name}.npy"] = npy(array, array.dtype.newbyteorder("<"))
    return pack(members, graph.name or "graph")


def save(graph: Graph, path: str | PathLike[str]) -> None:
    """Write a graph's file, complete or not at all. Errors: FileError, GraphError."""
    write(to_bytes(graph), path, "GRAPH-6")
