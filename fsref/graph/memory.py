"""What the values of a graph take, in numbers, from shapes alone (RUN-3): known before anything is computed.

Numbers are those of one image (`each`), or held once whatever the number of images (`once`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fsref.graph.arithmetic import STRIP
from fsref.graph.curves import CHUNK
from fsref.graph.formulas import held_by, parsed
from fsref.graph.graph import Graph, Node
from fsref.graph.operators import size_of
from fsref.law.populations import Shape
from fsref.law.projections import Padding

VIEWS = ("flatten", "subsample", "identity")  # whose value keeps what they read
# Arrays of the size of its result that an operator holds beside it.
BESIDE = {
    "quantise": 3,
    "sigmoid": 1,
    "silu": 2,
    "hard_sigmoid": 2,
    "hard_swish": 3,
    "erf": 2,
    "gelu": 4,
    "elu": 4,
    "softplus": 3,
    "mish": 3,
    "leaky_relu": 2,
    "add": 1,
    "mul": 1,
}


class Numbers(NamedTuple):
    """So many numbers for each image, and so many once."""

    each: int = 0
    once: int = 0


def around(shape: Shape, padding: Padding) -> int:
    """The numbers of an image with its padding, 0 where there is none: no copy is made."""
    top, left, bottom, right = padding
    return shape[0] * (shape[1] + top + bottom) * (shape[2] + left + right) if any(padding) else 0


def convolving(shape: Shape, weight: tuple[int, ...], result: Shape, padding: Padding, groups: int) -> Numbers:
    """What `conv2d` holds beside its result: a padded image; of a depthwise one an image of every output channel, of
    others the windows of a strip of rows and their product, before and after; the weights in the type of the image.
    """
    (channels, height, width), (outputs, inputs, kh, kw) = shape, weight
    padded, numbers = around(shape, padding), outputs * inputs * kh * kw
    if inputs == 1 and groups > 1:
        repeated = outputs * (height + padding[0] + padding[2]) * (width + padding[1] + padding[3])
        return Numbers(padded + repeated, size_of(result) + numbers)
    if (kh, kw) == (1, 1):
        return Numbers(padded + channels * result[1] * result[2], numbers)
    row = channels * kh * kw * result[2]
    rows = min(result[1], max(1, STRIP // row))
    return Numbers(padded, 2 * rows * (row + outputs * result[2]) + numbers)


def pooling(shape: Shape, result: Shape, padding: Padding) -> int:
    """What a pool holds beside its result for one image: a padded image, and its windows along rows."""
    return around(shape, padding) + shape[0] * result[1] * (shape[2] + padding[1] + padding[3])


def computing(node: Node, shapes: Mapping[str, Shape]) -> Numbers:
    """What an operator holds beside what it reads and gives."""
    read, given, a = shapes[node.inputs[0]], shapes[node.name], node.attributes
    match node.op:
        case "conv":
            return convolving(read, node.arrays["weight"].shape, given, a["padding"], a["groups"])
        case "dense":
            return Numbers(0, node.arrays["weight"].size)
        case "offset":
            return Numbers(0, node.arrays["map"].size)
        case "max_pool" | "avg_pool":
            return Numbers(pooling(read, given, a["padding"]))
        case "view":
            return Numbers(read[0] * given[1] * read[2])  # rows taken, before columns are
        case "curve":
            return Numbers(held_by(parsed(a["formula"])) * size_of(given), 16 * CHUNK)
        case "erf" | "gelu":
            return Numbers(BESIDE[node.op] * size_of(given), 16 * CHUNK)  # some numbers as Python's own
        case _:
            return Numbers(BESIDE.get(node.op, 0) * size_of(given))


def sweep(steps: Iterable[tuple[str, Iterable[str], int, Numbers]], first: int) -> Numbers:
    """The most numbers held at a time by values that are freed after their last reader: of each step its name, what it
    reads, the numbers it gives, and those it holds beside them; `first` are those of the input.
    """
    plan = list(steps)
    last = {source: name for name, reads, _, _ in plan for source in reads}
    live, each, once = {"input": first}, first, 0
    for name, reads, gives, beside in plan:
        live[name] = gives
        each, once = max(each, sum(live.values()) + beside.each), max(once, beside.once)
        for source in set(reads):
            if last[source] == name:
                del live[source]
    return Numbers(each, once)


def forward_bytes(graph: Graph, images: int) -> int:
    """A bound on the bytes in which so many images go through a graph: codes as real numbers, values and what makes
    them, a few images at a time, and their outputs (GRAPH-2, RUN-3).
    """
    shapes, sizes = graph.shapes, {"input": size_of(graph.shapes["input"])}
    for node in graph.nodes:
        read = max(sizes[name] for name in node.inputs)
        sizes[node.name] = max(read, size_of(shapes[node.name])) if node.op in VIEWS else size_of(shapes[node.name])
    steps = [(node.name, node.inputs, sizes[node.name], computing(node, shapes)) for node in graph.nodes]
    found = sweep(steps, sizes["input"])
    at_once = min(images, graph.images_at_once)
    coded = 3 * 8 * at_once * sizes["input"]
    given = sum(size_of(shapes[name]) for name in graph.output_nodes.values())
    return max(coded, 4 * (at_once * found.each + found.once)) + 8 * images * given + 2**16
