"""compare: a float graph beside an FS network on the same images: which population loses what, and where it begins
(CONV-10).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf, prod
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.conversion.again import FITTED_AGAIN, refitted
from fsref.conversion.curves import Curve
from fsref.conversion.entry import LEFT_OUT
from fsref.conversion.fits import FAR
from fsref.conversion.folded import Folded, Unit, real_sum
from fsref.conversion.folding import fold
from fsref.conversion.levels import fired
from fsref.conversion.memory import shapes_of, walking
from fsref.errors import GraphError, public
from fsref.formats.bundled import network_of
from fsref.graph.graph import Graph
from fsref.graph.memory import forward_bytes
from fsref.law.classes import classes_of
from fsref.law.images import Pixels, check_images, check_labels
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.metrics.losses import Floats, Loss, Tally, ratio_db
from fsref.simulation.memory import check_threads, images_at_once, run_bytes
from fsref.simulation.recording import Record, recording_bytes, select
from fsref.simulation.run import run
from fsref.verification.comparison import JUMP, LEAST, MOST, Comparison

# Of the largest value in a graph: what float32 may round off by the way, which need not be small beside the logits.
ROUNDED = 2.0**-18


@public
def compare(
    graph: Graph,
    net: Network | str | PathLike[str],
    images: ArrayLike,
    labels: ArrayLike | None = None,
    progress: Callable[[int], None] | None = None,
    memory_limit: int = 2**33,
) -> Comparison:
    """Where the FS network `net` loses what its float graph knows, on images (B, C, H, W) of codes, with `labels` (B,)
    also of accuracy: populations are matched by name (CONV-10).

    The loss *jumps* at a population when the codes or the arithmetic part of its new error, as a ratio in dB to its
    float value, stands more than 10 dB below that of the middle FS population (the better of two middle ones); always
    below 3 dB, never above 30 dB. Both sides run a few images at a time and leave sums, so memory does not grow with B;
    `progress` is called with the images done; `memory_limit` is in bytes. Errors: GraphError [CONV-10] when names,
    shapes or scales do not meet, or for the graph itself; InputError, LimitError.
    """
    return compared(graph, fold(graph, memory_limit), network_of(net), images, labels, progress, memory_limit)


def compared(
    graph: Graph,
    folded: Folded,
    net: Network,
    images: ArrayLike,
    labels: ArrayLike | None,
    progress: Callable[[int], None] | None,
    memory_limit: int,
) -> Comparison:
    """`compare` of a graph that is folded already."""
    there = {p.name for p in net.populations}
    folded = folded.without({u.product.shown for u in folded.units if u.product is not None} - there)
    tallies, notes = matched(folded, net)
    x = check_images(net.input, images)
    truth = None if labels is None else check_labels(labels, len(x), net.class_count)
    sending = [t.name for t in tallies if t.kind != "readout"]
    record = Record(sending, ("spikes", "codes"))
    selected, workers = select(net, record), check_threads(None)
    kept = 8 * len(x) * (net.input.neurons + 2)  # all images, the classes of both sides

    def bound(count: int) -> int:
        recorded = recording_bytes(net, selected, count)
        running = run_bytes(net, count, "quantized", selected, False, 1, workers)
        return kept + max(running, recorded + weighing_bytes(folded, count), recorded + forward_bytes(graph, count))

    chunk = images_at_once(recording_bytes(net, selected, 1), bound, memory_limit, "compare")
    ours, theirs, folding = list[Ints](), list[Ints](), Folding(graph)
    curves = {unit.name: found for unit in folded.units if (found := exact_table(unit, net)) is not None}

    def look(part: Ints) -> None:
        result = run(net, part, "quantized", record, memory_limit=memory_limit - kept)
        assert result.trace is not None
        told = {name: result.trace[name, "codes"].reshape(-1, *net[name].shape) for name in sending}
        told |= result.outputs
        codes = [told[t.name] for t in tallies]
        trains = [None if t.kind == "readout" else result.trace[t.name, "spikes"] for t in tallies]
        both, outputs = values(folded, tallies, codes, part, curves), list[Floats]()
        for tally, (f, g, r, ideal), q, train in zip(tallies, both, codes, trains, strict=True):
            tally.add(f, g, r, q, train, ideal)
            folding.see(f)
            if train is None:
                outputs.append(f)
        folding.add(graph, part, outputs)
        if net.is_classifier:
            ours.append(classes_of(f[:, :, 0, 0]))
            theirs.append(result.predictions)

    for first in range(0, len(x), chunk):
        part = x[first : first + chunk]
        look(part)
        if progress is not None:
            progress(len(part))
    rows, limits = judged([tally.loss() for tally in tallies], ("codes",) if refitted(net) else ("codes", "arithmetic"))
    sides = [np.concatenate(side) if side else None for side in (ours, theirs)]
    return Comparison(graph.name, net.name, net.id, rows, limits, folding.db, sides[0], sides[1], truth, notes, len(x))


def weighing_bytes(folded: Folded, images: int) -> int:
    """A bound on the bytes in which so many images walk through both sides at once, and the largest population is
    weighed: 12 arrays of 32 bits and 5 of 64.
    """
    found = walking(folded)
    largest = max(prod(shape) for shape in shapes_of(folded).values())
    return 4 * (2 * images * found.each + found.once) + images * largest * (4 * 12 + 8 * 5)


class Folding:
    """How far the folded outputs are from the graph's own, over all images: differences within what float32 rounds off
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

    def add(self, graph: Graph, images: Ints, outputs: Sequence[Floats]) -> None:
        """Compare the folded outputs (b, C, H, W) of images with the graph's own, unless an activation quantises."""
        if self.quantised:
            return
        for own, folded in zip(graph.answers(images).values(), outputs, strict=True):
            wide = own.astype(np.float64)
            beyond = np.maximum(np.abs(wide - folded) - ROUNDED * self.largest, 0)
            self.power, self.changed = self.power + float((wide**2).sum()), self.changed + float((beyond**2).sum())

    @property
    def db(self) -> float | None:
        """The ratio in dB; None where an activation quantises."""
        return None if self.quantised else ratio_db(self.power, self.changed)


def values(
    folded: Folded,
    tallies: Sequence[Tally],
    codes: Sequence[Ints],
    images: Ints,
    curves: Mapping[str, Callable[[Floats], Ints]],
) -> Iterator[tuple[Floats, Floats, Floats, Floats | None]]:
    """Of the input and each unit in turn: the float value, the float layer on FS sources, the FS value, and, of those
    with a fitted table, what that gives of the exact membranes, each (b, C, H, W).
    """
    f = folded.pixels.normalise(images)
    known = {"input": tallies[0].real(codes[0])}
    yield f, f, known["input"], None
    for tally, q, (unit, _, f) in zip(tallies[1:], codes[1:], folded.walk(images), strict=True):
        before = real_sum(unit, known)
        ideal = tally.real(curves[unit.name](before)) if unit.name in curves else None
        g = unit.value(before)
        known[unit.name] = r = tally.real(q)
        yield f, g, r, ideal
        for name in folded.last_read.get(unit.name, ()):
            del known[name]


def membrane_units(net: Network, name: str) -> NDArray[np.float64] | None:
    """What a membrane of 1 stands for in each channel of a fitted population, (C,) or (1,); None where provenance does
    not tell (CONV-15).
    """
    records = net.provenance.get("populations")
    record = records.get(name) if isinstance(records, Mapping) else None
    told = record.get("membrane_unit") if isinstance(record, Mapping) else None  # of a file it may be anything
    given = told if isinstance(told, list) else [told]
    channels = next((p.shape[0] for p in net.fs if p.name == name), 0)
    if len(given) not in (1, channels) or not all(isinstance(n, float) and 0 < n < inf for n in given):
        return None
    return np.array(given)


def exact_table(unit: Unit, net: Network) -> Callable[[Floats], Ints] | None:
    """What the fitted table of a population gives of exact membranes, in real numbers (b, C, H, W); None of one that
    has none, or where provenance does not tell what a membrane unit is (CONV-15).
    """
    table = next((p.table for p in net.fs if p.name == unit.name), None)
    units = membrane_units(net, unit.name)
    if table is None or not isinstance(unit.activation, Curve) or units is None:
        return None
    scale = units[:, None, None]

    def codes(before: Floats) -> Ints:
        return fired(table, np.rint(np.clip(before / scale, -FAR, FAR)).astype(np.int64)).astype(np.int64)

    return codes


def judged(rows: Sequence[Loss], parts: Sequence[str]) -> tuple[tuple[Loss, ...], dict[str, float]]:
    """The rows, `jump` said where the loss jumps, and the limits in dB, one for each of these parts of the new error
    (CONV-10).
    """
    limits = {}
    for part in parts:
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
    constant = {p.name for p in net.fs if not any(q.weights.any() for q in net.into(p.name).values())}  # CHIP-4
    there = [p.name for p in net.populations[1:] if p.name in units or p.name not in constant]
    alone = {
        "graph": [name for name in units if name not in there],
        "network": [name for name in there if name not in units],
    }
    if any(alone.values()):
        lacking = "; ".join(f"only in the {side}: {', '.join(names)}" for side, names in alone.items() if names)
        raise GraphError("CONV-10", "populations", lacking, None, "they are matched by name")
    if (own := [p.name for p in net.readouts]) != folded.readouts:
        one = len(own) == len(folded.readouts) == 1
        problem = f"{'is the readout' if one else 'are the readouts'} of the network, not of the graph"
        limit = f"there {'it is' if one else 'they are'} {', '.join(folded.readouts)}"
        raise GraphError("CONV-10", ", ".join(own), problem, None, limit)
    for name, shape in {
        net.input.name: folded.pixels.shape,
        **{name: unit.shape for name, unit in units.items()},
    }.items():
        if net[name].shape != shape:
            raise GraphError("CONV-10", name, "shape is not the graph's", net[name].shape, f"{shape}")
    if unknown := [p.name for p in net.fs if p.scale is None]:
        raise GraphError(
            "CONV-10", ", ".join(unknown), "scale is missing", None, "a code stands for scale * (code - offset)"
        )
    pixels, notes = input_contract(folded.pixels, net)
    if LEFT_OUT in folded.graph.notes:
        notes = (*notes, f"{LEFT_OUT}; here the float side is without it")
    if refitted(net):
        notes = (*notes, f"{FITTED_AGAIN}; what that changed is in the arithmetic part, of which no jump is told")
    rest = [Tally(net, name, pixels, low_end(folded, unit)) for name, unit in units.items()]
    return [Tally(net, net.input.name, pixels, 0.0), *rest], notes


def input_contract(pixels: Pixels, net: Network) -> tuple[Pixels, tuple[str, ...]]:
    """What the network says its pixels stand for, the graph's `pixels` where it says nothing, and notes of both.
    `pixels` has the order of images.
    """
    said: dict[str, Any] = {} if net.input.scale is None else {"scale": float(net.input.scale)}
    if net.contract is not None:
        said |= {name: getattr(net.contract, name) for name in ("mean", "std") if name not in net.contract.untold}
    silent = [name for name in ("scale", "mean", "std") if name not in said]
    notes = [f"the network does not give the {', '.join(silent)} of its input: taken from the graph"] if silent else []
    for name, value in said.items():
        if value != getattr(pixels, name):
            other = f"{value}, not {getattr(pixels, name)}"
            notes.append(f"the network's input has another {name} than the graph's: {other}")
    return replace(pixels, **said), tuple(notes)


def low_end(folded: Folded, unit: Unit) -> float:
    """What a unit is when it is not active: the low end of its activation, for a max-pool or a view that of its
    source; 0 where
    there is none.
    """
    while unit.relayed not in (None, "input"):
        unit = folded[str(unit.relayed)]
    return unit.activation.rest if unit.activation is not None else 0.0
