"""One population by itself: what the law says of it when its sources sent what was observed of them (TRACE-3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout
from fsref.simulation.dumps import owner
from fsref.simulation.recording import Key, Trace
from fsref.tables import Brief

TOGETHER = 8  # images of which a population is computed by itself at a time


@dataclass(frozen=True, eq=False, repr=False)
class Sent(Brief):
    """What a source sent in B images: codes (B, C, H, W) and train words; `wrong` (B,), where it is not what the
    engine's sends; `own_codes` and `own_trains`, where those of the engine's were taken.
    """

    codes: Ints
    trains: NDArray[np.uint16]
    wrong: NDArray[np.bool_]
    own_codes: NDArray[np.bool_]
    own_trains: NDArray[np.bool_]

    def rows(self, some: NDArray[np.intp]) -> Sent:
        """The same of some images."""
        return Sent(*(getattr(self, f.name)[some] for f in fields(self)))


def binary(net: Network, name: str) -> bool:
    """Whether the codes of a population are its trains: d is 2^(K-1-t) (FS-5, NET-7)."""
    d = net.code_weights[name]
    return bool((d == 1 << np.arange(d.shape[1] - 1, -1, -1)).all())


def sent(observed: Trace, engine: Trace, name: str) -> Sent:
    """What a source sent in each image: what was observed of it, where all of it was and no code leaves its interval
    (RANGE-3), else what the engine's sent.
    """
    net, count = engine.net, engine.image_count
    shape, steps = (count, *net[name].shape), net.steps[name]
    codes = engine[name, "codes"].reshape(shape)
    trains = engine[name, "spikes"].reshape(shape)
    none = np.ones(count, np.bool_)
    has = {o: (name, o) in observed.arrays and observed.whole(name, o) for o in ("codes", "spikes")}
    if not any(has.values()):
        return Sent(codes, trains, ~none, none, none)
    seen_trains = observed[name, "spikes"].reshape(shape) if has["spikes"] else None
    if has["codes"]:
        seen_codes = np.asarray(observed[name, "codes"].reshape(shape), np.int64)
    else:
        assert seen_trains is not None
        spikes = reference.input_trains(seen_trains.astype(np.int64), steps)
        seen_codes = reference.codes(spikes, net.code_weights[name])
    low, high = (ends[:, None, None] for ends in net.ranges[name].codes.T)
    outside = ((seen_codes < low) | (seen_codes > high)).reshape(count, -1).any(axis=1)
    if seen_trains is None and binary(net, name):
        seen_trains = np.where(outside[:, None, None, None], 0, seen_codes).astype(np.uint16)
    own_trains = none if seen_trains is None else outside
    taken = np.where(outside[:, None, None, None], codes, seen_codes)
    taken_trains = np.where(own_trains[:, None, None, None], trains, trains if seen_trains is None else seen_trains)
    wrong = ((taken != codes) | (taken_trains != trains)).reshape(count, -1).any(axis=1)
    return Sent(taken, taken_trains, wrong, outside, own_trains)


def alone(net: Network, name: str, sources: Mapping[str, Sent]) -> dict[Key, NDArray[Any]]:
    """Every observable of a population, (B, [steps,] neurons), when its sources send this (FS-2 to FS-4, NET-6,
    POOL-1).
    """
    p = net[name]
    found: dict[Key, NDArray[Any]] = {}
    match p:
        case Input():
            return {}
        case MaxPool():
            trains = sources[p.source].trains.astype(np.int64)
            spikes = reference.max_pool(reference.input_trains(trains, net.steps[name]), p)
            found[name, "spikes"] = reference.words(spikes)
            found[name, "codes"] = reference.codes(spikes, net.code_weights[name])
        case FS() | Readout():
            v = np.broadcast_to(p.bias_map, p.shape)
            for projection, q in net.into(name).items():
                found[projection, "sums"] = reference.along(sources[q.source].codes, q, p.shape)
                v = v + found[projection, "sums"]
            found[name, "opening"] = v
            if isinstance(p, FS):  # a readout does not fire
                spikes, membranes, codes = reference.fire(v, p.table)
                found |= {(name, "spikes"): reference.words(spikes), (name, "codes"): codes}
                found[name, "membranes"] = membranes.reshape(len(v), p.steps, -1)
        case _:
            assert_never(p)
    return {key: a if key[1] == "membranes" else a.reshape(len(a), -1) for key, a in found.items()}


def isolated(observed: Trace, engine: Trace, names: Iterable[str]) -> tuple[Trace, dict[str, dict[str, int]]]:
    """What is right of these populations when their sources sent what was observed of them, codes and trains of the
    sources among it; and by population the sources of which the engine's own codes were taken, in how many images.

    `engine` holds codes and spikes of every source, whole, and whole populations (TRACE-3).
    """
    net, arrays = engine.net, dict(engine.arrays.items())
    taken: dict[str, dict[str, int]] = {}
    known: dict[str, Sent] = {}
    for name in names:
        sources = net.sources(name)
        for source in sources:
            if source not in known:
                known[source] = sent(observed, engine, source)
        pooling = net[name].kind == "max_pool"
        own = {n: known[n].own_trains if pooling else known[n].own_codes for n in sources}
        own.pop(net.input.name, None)  # what the input sends is the image, whoever says so
        taken[name] = {source: int(images.sum()) for source, images in own.items() if images.any()}
        if not sources:
            continue
        rows = np.flatnonzero(np.any([known[source].wrong for source in sources], axis=0))
        for key in [key for key in arrays if owner(net, key).name == name and len(rows)]:
            arrays[key] = arrays[key].copy()
        for first in range(0, len(rows), TOGETHER):
            some = rows[first : first + TOGETHER]
            for key, values in alone(net, name, {n: known[n].rows(some) for n in sources}).items():
                if key in arrays:
                    arrays[key][some] = values
    return replace(engine, arrays=arrays), taken


def images_of(trace: Trace, rows: NDArray[np.intp] | slice) -> Trace:
    """The recording of some of its images."""
    seen = {key: np.broadcast_to(bits, trace.arrays[key].shape)[rows] for key, bits in trace.seen.items()}
    arrays = {key: array[rows] for key, array in trace.arrays.items()}
    count = len(range(*rows.indices(trace.image_count))) if isinstance(rows, slice) else len(rows)
    return replace(trace, image_count=count, arrays=arrays, seen=seen)
