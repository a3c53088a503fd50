"""compare: a float graph beside an FS network on the same images: which population loses what, and where it begins
(CONV-10).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsref.conversion.folded import Folded, Unit, activate, real_sum
from fsref.conversion.folding import fold
from fsref.graph.graph import Graph
from fsref.law.images import Pixels
from fsref.errors import GraphError, LimitError
from fsref.metrics.losses import Floats, Loss, Tally, ratio_db
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS
from fsref.simulation.run import check_images, run
from fsref.metrics.score import check_labels
from fsref.simulation.recording import Record

CHUNK_BYTES = 2**27
CHUNK_IMAGES = 64
JUMP = 10.0  # dB below the middle FS population
ROUNDED = (
    2.0**-18
)  # of the largest value in a graph: what float32 may round off by the way, which need not be small beside the logits
FOLDED = 40.0  # dB
LEAST, MOST = 3.0, 30.0  # dB: an error of half the power is always a jump, one of a thousandth never


@dataclass(frozen=True, eq=False)
class Comparison:
    """What `compare` found: a row per population, the input first and the readout last, and the classes (images,) that
    both sides give.

    `limits` are the ratios in dB, one for each part of the new error, below which the loss of a population jumps.
    `folding_db` is the ratio of the graph's own logits to what folding changed in them beyond what float32 may round
    off, None where an activation of the graph quantises: it may go the other way for a rounding. `notes` tell what was
    taken for granted.
    """

    graph: str
    network: str
    id: str
    rows: tuple[Loss, ...]
    limits: Mapping[str, float]
    folding_db: float | None
    float_predictions: Ints
    fs_predictions: Ints
    labels: Ints | None
    notes: tuple[str, ...]

    def __getitem__(self, population: str) -> Loss:
        """The row of a population; KeyError when there is none."""
        return {row.name: row for row in self.rows}[population]

    @property
    def images(self) -> int:
        """How many images were compared."""
        return len(self.fs_predictions)

    @property
    def agree(self) -> int:
        """On how many images both sides give the same class."""
        return int((self.float_predictions == self.fs_predictions).sum())

    @property
    def correct(self) -> tuple[int, int] | None:
        """How many images the float graph and the FS network get right, where labels were given."""
        return (
            None
            if self.labels is None
            else (int((self.float_predictions == self.labels).sum()), int((self.fs_predictions == self.labels).sum()))
        )

    @property
    def first_jump(self) -> Loss | None:
        """The first population whose loss jumps, in the order of the graph."""
        return next((row for row in self.rows if row.jump), None)

    @property
    def folding_wrong(self) -> bool:
        """Whether the folded graph is another function than the graph."""
        return self.folding_db is not None and self.folding_db < FOLDED

    @property
    def worst(self) -> Loss:
        """The population whose new error is the largest beside its value."""
        return min(self.rows, key=lambda row: row.db("new"))

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON values, without the classes of each image."""
        right = self.correct or (None, None)
        shares = [None if count is None else count / self.images for count in right]
        first, worst = self.first_jump, self.worst
        return {
            "graph": self.graph,
            "network": self.network,
            "id": self.id,
            "images": self.images,
            "agree": self.agree,
            "agreement": self.agree / self.images,
            "float_correct": right[0],
            "fs_correct": right[1],
            "float_accuracy": shares[0],
            "fs_accuracy": shares[1],
            "logits_db": self.rows[-1].to_dict()["error_db"],
            "limits_db": dict(self.limits),
            "folding_db": None if self.folding_db is None or not isfinite(self.folding_db) else self.folding_db,
            "folding_wrong": self.folding_wrong,
            "first_jump": None if first is None else first.name,
            "jumps": [row.name for row in self.rows if row.jump],
            "worst": worst.name,
            "notes": list(self.notes),
            "populations": [row.to_dict() for row in self.rows],
        }

    def __str__(self) -> str:
        from fsref.reports.comparison import comparison_text

        return comparison_text(self)


def compare(
    graph: Graph,
    net: Network,
    images: ArrayLike,
    labels: ArrayLike | None = None,
    progress: Callable[[int], None] | None = None,
    memory_limit: int = 2**33,
) -> Comparison:
    """Where an FS network loses what its float graph knows, on images (B, C, H, W) of codes: populations are matched by
    name (CONV-10).

    The loss *jumps* at a population when the codes or the arithmetic part of its new error, as a ratio in dB to its
    float value, stands more than 10 dB below that of the middle FS population (the better of two middle ones); always
    below 3 dB, never above 30 dB. Both sides run a few images at a time and leave sums, so memory does not grow with B;
    `progress` is called with the images done. Errors: GraphError [CONV-10] when names, shapes or scales do not meet, or
    for the graph itself; InputError, LimitError.
    """
    folded = fold(graph)
    tallies, notes = matched(folded, net)
    x = check_images(net, images)
    truth = None if labels is None else check_labels(net, labels, len(x))
    one = 16 * sum(t.neurons for t in tallies) + 128 * max(
        t.neurons for t in tallies
    )  # bytes an image takes here, recording apart
    chunk = max(1, min(CHUNK_IMAGES, min(CHUNK_BYTES, memory_limit // 4) // one))
    left = memory_limit - one * min(chunk, len(x))
    if left <= 0:
        raise LimitError(
            "RUN-3", "compare", "needs more memory than allowed", f"{one} bytes", f"memory_limit {memory_limit}"
        )
    record = Record([t.name for t in tallies[:-1]], ("spikes", "codes"))
    ours, theirs, folding = [], [], Folding(graph)
    for first in range(0, len(x), chunk):
        part = x[first : first + chunk]
        result = run(net, part, "quantized", record, memory_limit=left)
        assert result.trace is not None
        codes = [
            *(result.trace[t.name, "codes"].reshape(-1, *t.shape) for t in tallies[:-1]),
            result.logits[:, :, None, None],
        ]
        trains = [*(result.trace[t.name, "spikes"] for t in tallies[:-1]), None]
        for tally, (f, g, r), q, fired in zip(
            tallies, values(folded, tallies, codes, part), codes, trains, strict=True
        ):
            tally.add(f, g, r, q, fired)
            folding.see(f)
        folding.add(graph, part, f[:, :, 0, 0])
        ours.append(np.argmax(f[:, :, 0, 0], axis=1))
        theirs.append(result.labels)
        if progress is not None:
            progress(len(part))
    rows, limits = judged([tally.loss() for tally in tallies])
    return Comparison(
        graph.name,
        net.name,
        net.id,
        rows,
        limits,
        folding.db,
        np.concatenate(ours),
        np.concatenate(theirs),
        truth,
        notes,
    )


class Folding:
    """How far the folded logits are from the graph's own, over all images: differences within what float32 rounds off
    are none.
    """

    def __init__(self, graph: Graph) -> None:
        self.quantised = any(node.op == "quantise" for node in graph.nodes)
        self.largest = max(
            (float(np.abs(a).max()) for node in graph.nodes for a in node.arrays.values() if a.size), default=0.0
        )
        self.power = self.changed = 0.0

    def see(self, value: Floats) -> None:
        """Note how large values become."""
        self.largest = max(self.largest, float(np.abs(value).max(initial=0)))

    def add(self, graph: Graph, images: Ints, logits: Floats) -> None:
        """Compare the folded logits (b, classes) of images with the graph's own, unless an activation quantises."""
        if self.quantised:
            return
        own = graph.forward(images).astype(np.float64)
        beyond = np.maximum(np.abs(own - logits) - ROUNDED * self.largest, 0)
        self.power, self.changed = self.power + float((own**2).sum()), self.changed + float((beyond**2).sum())

    @property
    def db(self) -> float | None:
        """The ratio in dB; None where an activation quantises."""
        return None if self.quantised else ratio_db(self.power, self.changed)


def values(
    folded: Folded, tallies: Sequence[Tally], codes: Sequence[Ints], images: Ints
) -> Iterator[tuple[Floats, Floats, Floats]]:
    """Of the input and each unit in turn: the float value, the float layer on FS sources, the FS value, each (b, C, H,
    W).
    """
    f = folded.pixels.normalise(images)
    known = {"input": tallies[0].real(codes[0])}
    yield f, f, known["input"]
    for tally, q, (unit, _, f) in zip(tallies[1:], codes[1:], folded.walk(images), strict=True):
        g = activate(unit, real_sum(unit, known))
        known[unit.name] = r = tally.real(q)
        yield f, g, r
        for name in folded.last_read.get(unit.name, ()):
            del known[name]


def judged(rows: Sequence[Loss]) -> tuple[tuple[Loss, ...], dict[str, float]]:
    """The rows, `jump` said where the loss jumps, and the limits in dB, one for each part of the new error (CONV-10)."""
    limits = {}
    for part in ("codes", "arithmetic"):
        ratios = sorted(row.db(part) for row in rows if row.kind == "fs")
        limits[part] = max(LEAST, min(MOST, ratios[len(ratios) // 2] - JUMP)) if ratios else LEAST
    said = []
    for row in rows:
        below = [part for part, limit in limits.items() if row.db(part) < limit]
        said.append(replace(row, jump=min(below, key=row.db, default="")))
    return tuple(said), limits


def matched(folded: Folded, net: Network) -> tuple[list[Tally], tuple[str, ...]]:
    """The populations of both sides in the graph's order, and what is to be said of them. Errors: GraphError."""
    units = {unit.name: unit for unit in folded.units}
    there = [p.name for p in net.populations[1:]]
    alone = {
        "graph": [name for name in units if name not in there],
        "network": [name for name in there if name not in units],
    }
    if any(alone.values()):
        lacking = "; ".join(f"only in the {side}: {', '.join(names)}" for side, names in alone.items() if names)
        raise GraphError("CONV-10", "populations", lacking, None, "they are matched by name")
    if net.readout.name != folded.units[-1].name:
        raise GraphError(
            "CONV-10",
            net.readout.name,
            "is the readout of the network, not of the graph",
            None,
            f"there it is {folded.units[-1].name}",
        )
    for name, shape in {
        net.input.name: folded.pixels.shape,
        **{name: unit.shape for name, unit in units.items()},
    }.items():
        if net[name].shape != shape:
            raise GraphError("CONV-10", name, "shape is not the graph's", net[name].shape, f"{shape}")
    if unknown := [p.name for p in net.populations if isinstance(p, FS) and p.scale is None]:
        raise GraphError(
            "CONV-10", ", ".join(unknown), "scale is missing", None, "a code stands for scale * (code - offset)"
        )
    pixels, notes = input_contract(folded.pixels, net)
    rest = [Tally(net, name, pixels, low_end(folded, unit)) for name, unit in units.items()]
    return [Tally(net, net.input.name, pixels, 0.0), *rest], notes


def input_contract(pixels: Pixels, net: Network) -> tuple[Pixels, tuple[str, ...]]:
    """What the network says its pixels stand for, the graph's `pixels` where it says nothing, and notes of both.
    `pixels` has the order of images.
    """
    said: dict[str, Any] = {} if net.input.scale is None else {"scale": float(net.input.scale)}
    if net.contract is not None:
        said |= {
            name: value
            for name in ("mean", "std")
            if len(value := tuple(getattr(net.contract, name))) == pixels.channels
        }
    silent = [name for name in ("scale", "mean", "std") if name not in said]
    notes = [f"the network does not give the {', '.join(silent)} of its input: taken from the graph"] if silent else []
    for name, value in said.items():
        if value != getattr(pixels, name):
            notes.append(
                f"the network's input has another {name} than the graph's: {value}, not {getattr(pixels, name)}"
            )
    return replace(pixels, **said), tuple(notes)


def low_end(folded: Folded, unit: Unit) -> float:
    """What a unit is when it is not active: the low end of its activation, for a max-pool that of its source; 0 where
    there is none.
    """
    while unit.pool is not None and unit.pool.source != "input":
        unit = folded[unit.pool.source]
    return unit.activation.low if unit.activation is not None and isfinite(unit.activation.low) else 0.0
