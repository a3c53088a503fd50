"""How far the outputs of an FS network are from those of its float graph, in real units (CONV-12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsref.errors import GraphError
from fsref.formats.bundled import network_of
from fsref.graph.graph import Graph
from fsref.graph.memory import forward_bytes
from fsref.law.images import check_images
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.metrics.losses import ratio_db
from fsref.simulation.memory import check_threads, images_at_once, run_bytes
from fsref.simulation.run import run
from fsref.tables import Sheet, Shown, plural, short, sizes


@dataclass(frozen=True)
class OutputError:
    """The error r - f of an output over all images and neurons, f the float value and r = scale × membrane: means of
    |r - f| and of |f|, the largest |r - f|, and the ratio in dB of the means of f² and (r - f)², None without error or
    value.
    """

    name: str
    shape: Shape
    mean_absolute_error: float
    largest_absolute_error: float
    mean_absolute_value: float
    error_db: float | None


@dataclass(frozen=True, repr=False)
class OutputErrors(Shown):
    """The errors of all outputs of a network, in list order, beside its float graph."""

    graph: str
    network: str
    id: str
    image_count: int
    rows: tuple[OutputError, ...]

    def __repr__(self) -> str:
        return short(f"<OutputErrors of {self.network or 'a network'}: {', '.join(row.name for row in self.rows)}>")

    def to_dict(self) -> dict[str, Any]:
        """The errors as plain JSON values."""
        rows = [asdict(row) | {"shape": list(row.shape)} for row in self.rows]
        told = {"graph": self.graph, "network": self.network, "id": self.id, "image_count": self.image_count}
        return {**told, "output_errors": rows}

    def sheet(self) -> Sheet:
        """A line per output."""
        rows = []
        for row in self.rows:
            errors = row.mean_absolute_error, row.largest_absolute_error, row.mean_absolute_value
            db = "-" if row.error_db is None else f"{row.error_db:.1f}"
            rows.append((row.name, sizes(row.shape), *(f"{value:.4g}" for value in errors), db))
        title = f"outputs beside the float graph {self.graph or 'without a name'}: {plural(self.image_count, 'image')}"
        head = ("output", "shape", "mean error", "largest error", "mean value", "SNR dB")
        return Sheet(title, head, rows, left=2)


class Sums:
    """The sums of one output so far."""

    def __init__(self) -> None:
        self.count, self.error, self.largest, self.size, self.power, self.noise = 0, 0.0, 0.0, 0.0, 0.0, 0.0

    def add(self, f: np.ndarray[Any, Any], r: np.ndarray[Any, Any]) -> None:
        """Take in the float and the real FS values of a few images."""
        apart = np.abs(r - f)
        self.count += f.size
        self.error, self.largest = self.error + float(apart.sum()), max(self.largest, float(apart.max()))
        self.size, self.power = self.size + float(np.abs(f).sum()), self.power + float((f**2).sum())
        self.noise += float((apart**2).sum())

    def of(self, name: str, shape: Shape) -> OutputError:
        """What they say."""
        db = ratio_db(self.power, self.noise)
        return OutputError(
            name,
            shape,
            self.error / self.count,
            self.largest,
            self.size / self.count,
            db if np.isfinite(db) else None,
        )


def output_errors(
    graph: Graph,
    net: Network | str | PathLike[str],
    images: ArrayLike,
    progress: Callable[[int], None] | None = None,
    memory_limit: int = 2**33,
) -> OutputErrors:
    """The errors of the outputs of a network on images (B, C, H, W) of codes, beside its float graph: a few images at
    a time, so memory does not grow with B.

    Errors: GraphError [CONV-12] when outputs do not meet, or for the graph itself; InputError, LimitError.
    """
    net = network_of(net)
    nodes = matched(graph, net)
    x = check_images(net.input, images)
    graph.contract().check(x[:1])
    sums, threads = {p.name: Sums() for p in net.readouts}, check_threads(None)
    kept = 8 * x.size

    def bound(count: int) -> int:
        real = 6 * 8 * count * net.output_neurons
        return kept + real + max(run_bytes(net, count, "quantized", threads=threads), forward_bytes(graph, count))

    chunk = images_at_once(8 * (net.input.neurons + net.output_neurons), bound, memory_limit, "evaluate")
    for first in range(0, len(x), chunk):
        part = x[first : first + chunk]
        look(graph, net, nodes, part, sums)
        if progress is not None:
            progress(len(part))
    rows = tuple(sums[p.name].of(p.name, p.shape) for p in net.readouts)
    return OutputErrors(graph.name, net.name, net.id, len(x), rows)


def look(graph: Graph, net: Network, nodes: Mapping[str, str], images: Ints, sums: Mapping[str, Sums]) -> None:
    """Nothing; then a few images are in the sums."""
    ours = run(net, images, "quantized").outputs
    theirs = graph.activations(images, nodes.values())
    for name, node in nodes.items():
        sums[name].add(theirs[node].astype(np.float64), ours[name] * net.output_scales[name])


def matched(graph: Graph, net: Network) -> dict[str, str]:
    """The nodes of the graph that give the outputs, by readout. Errors: GraphError when they do not meet."""
    nodes = graph.output_nodes
    if len(nodes) == len(net.readouts) == 1:
        nodes = {net.readout.name: graph.output}
    if sorted(nodes) != sorted(p.name for p in net.readouts):
        limit = f"the graph has {', '.join(nodes)}"
        raise GraphError("CONV-12", "outputs", "are not the graph's", ", ".join(p.name for p in net.readouts), limit)
    for p in net.readouts:
        if graph.shapes[nodes[p.name]] != p.shape:
            limit = f"{graph.shapes[nodes[p.name]]}"
            raise GraphError("CONV-12", f"output {p.name}", "shape is not the graph's", p.shape, limit)
    return {p.name: nodes[p.name] for p in net.readouts}
