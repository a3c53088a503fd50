"""The quantised network: dense integer layers on codes, division or staircase lookup, no time axis.

What the kernels can do (`dense`) they do, by a plan that is kept with the network; other populations, and what is told
of membranes, are NumPy's (`layers`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import dense
from fsref.engines.activity import Activity
from fsref.engines.engine import Counter, Simulator, Wanted
from fsref.engines.frames import Frame, frames_of, framing_of
from fsref.engines.kernels.dense import told as told_by
from fsref.engines.layers import Answer, Layer, answer, channels_first, gated, kinds, layer, membranes, pooled, shown
from fsref.engines.quantized_bytes import counting_bytes, shared_bytes, telling_bytes, working_bytes
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, Relay, Shape, View
from fsref.law.projections import Conv2d, Dense, Gate, Linear, Projection
from fsref.tables import plural

__all__ = [
    "counter",
    "counting_bytes",
    "kernels_for",
    "shared_bytes",
    "simulator",
    "telling_bytes",
    "working_bytes",
]
Array = NDArray[Any]
MEMBRANES = frozenset({"opening", "membranes", "sums"})


def kernels_for(net: Network) -> str:
    """What does the work for a network, in words."""
    framing = framing_of(net)
    if not framing.size:
        return "NumPy and its BLAS"
    left = len(net.populations) - len(framing.frames) - framing.whole
    numpy = f"; NumPy and its BLAS for {left} of {plural(len(net.populations), 'population')}" if left else ""
    return told_by() + numpy


def counter(net: Network) -> Counter | None:
    """A function from images (B, C, H, W) to their logits (B, classes) and the spikes of each spiking population,
    (B, populations), where the kernels do all of the network.
    """
    return dense.plan_of(net).counted if framing_of(net).whole else None


def sent(own: Frame, codes: Array, shape: Shape) -> Answer:
    """The trains and codes (B, H, W, C) of a population within the codes of all, (B, size)."""
    found = own.numbers(codes, shape, range(own.planes))
    if own.trains:
        return own.numbers(codes, shape, own.told), found.astype(np.int64) - own.low
    return found, found


def simulator(net: Network) -> Simulator:
    """A function from images (B, C, H, W) to the activity of every population in turn."""
    types, framing, frames = kinds(net), framing_of(net), frames_of(net)
    plan = dense.plan_of(net) if framing.size else None
    answers = {p.name: answer(net, p) for p in net.fs if p.name not in frames}
    layers: dict[str, Layer] = {}
    gates = {name: gated(q, types[q.target]) for name, q in net.gates.items()}
    making = Lock()

    def layer_of(name: str, q: Linear) -> Layer:
        """The layer of a projection, made when it is first asked for."""
        with making:
            if name not in layers:
                layers[name] = layer(q, net[q.source].shape, net[q.target].shape, types[q.target])
        return layers[name]

    def delivered(name: str, q: Projection, known: dict[str, Answer]) -> Array:
        """The sums (B, H, W, C) of a projection."""
        match q:
            case Gate():
                return gates[name](known[q.source][1], known[q.by][1])
            case Conv2d() | Dense():
                return layer_of(name, q)(known[q.source][1])
            case _:
                assert_never(q)

    def membrane(p: FS | Readout, known: dict[str, Answer], keep: bool) -> tuple[Array, dict[str, Ints]]:
        """The opening membranes (B, H, W, C), and the sums (B, C, H, W) they are made of when these are kept (NET-5,
        NET-6).
        """
        totals = {name: delivered(name, q, known) for name, q in net.into(p.name).items()}
        bias = p.bias_map.transpose(1, 2, 0).astype(types[p.name])
        sums = {name: channels_first(total).astype(np.int64) for name, total in totals.items() if keep}
        return sum(totals.values(), bias), sums

    def simulate(images: Ints, wanted: Wanted) -> Iterator[Activity]:
        if plan is None:
            yield from told_of(images, wanted, np.empty((len(images), 0)), None, {})
            return
        room = plan.fresh(len(images))
        logits, counts = plan.run(images, room)
        codes = room.reshape(len(images), -1)
        told = logits if framing.whole else None
        yield from told_of(images, wanted, codes, told, dict(zip(frames, counts.T, strict=True)))

    def told_of(
        images: Ints, wanted: Wanted, own: Array, logits: Ints | None, counts: Mapping[str, Ints]
    ) -> Iterator[Activity]:
        """The activity of every population, given what the kernels did: codes, the logits of a classifier, spikes."""
        known: dict[str, Answer] = {}
        for p in net.populations:
            wants = wanted.get(p.name, frozenset[str]())
            v: Array | None = None
            sums: dict[str, Ints] = {}
            if p.name in frames:
                known[p.name] = sent(frames[p.name], own, p.shape)
            match p:
                case Input():
                    if p.name not in known:
                        trains = np.ascontiguousarray(images.transpose(0, 2, 3, 1), dtype=np.uint16)
                        known[p.name] = trains, trains  # NET-7: the train of an input is its code
                case MaxPool():
                    if p.name not in known:
                        trains, codes = known[p.source]
                        largest = pooled(trains, p)
                        known[p.name] = largest, largest if codes is trains else pooled(codes, p)
                case View():
                    if p.name not in known:
                        trains, codes = known[p.source]
                        seen = shown(trains, p)
                        known[p.name] = seen, seen if codes is trains else shown(codes, p)
                case FS():
                    if p.name not in known or wants & MEMBRANES:
                        v, sums = membrane(p, known, "sums" in wants)
                    if p.name not in known:
                        assert v is not None
                        known[p.name] = answers[p.name](v)
                case Readout():
                    opening = None if logits is None else logits.reshape(-1, *p.shape)
                    if opening is None or "sums" in wants:
                        v, sums = membrane(p, known, "sums" in wants)
                        opening = channels_first(v).astype(np.int64)
                    yield Activity(p.name, opening=opening, sums=sums)
                    continue
                case _:
                    assert_never(p)
            yield activity(p, wants, known[p.name], counts.get(p.name), v, sums)

    return simulate


def activity(
    p: Input | FS | Relay, wants: frozenset[str], sent: Answer, count: Ints | None, v: Array | None, sums: Any
) -> Activity:
    """What is told of a population that spikes: its trains where they are wanted or nobody counted its spikes."""
    trains, codes = (channels_first(a) for a in sent)
    opening: Ints | None = None
    after: Ints | None = None
    if v is not None and wants & {"opening", "membranes"}:
        opening = channels_first(v).astype(np.int64)
    if isinstance(p, FS) and opening is not None and "membranes" in wants:  # no other has any
        after = membranes(opening, trains, p.table.rows(p.shape[0])[1])
    told = trains.astype(np.uint16, copy=False) if count is None or "spikes" in wants else None
    return Activity(
        p.name, told, codes.astype(np.int64, order="C") if "codes" in wants else None, opening, after, sums, count
    )
