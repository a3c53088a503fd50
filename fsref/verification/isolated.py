"""One population by itself: what the law says of it when its sources sent what was observed of them (TRACE-3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.formats.memories import owner
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.simulation.recording import Key, Trace
from fsref.tables import Brief

TOGETHER = 8  # images of which a population is computed by itself at a time


@dataclass(frozen=True, eq=False, repr=False)
class Sent(Brief):
    """What a source sent in B images: codes (B, C, H, W) and train words; `wrong` (B,), where it is not what the
    engine's sends; `unseen_codes` and `unseen_trains`, where it was not observed but computed.
    """

    codes: Ints
    trains: NDArray[np.uint16]
    wrong: NDArray[np.bool_]
    unseen_codes: NDArray[np.bool_]
    unseen_trains: NDArray[np.bool_]

    def rows(self, some: NDArray[np.intp]) -> Sent:
        """The same of some images."""
        return Sent(*(getattr(self, f.name)[some] for f in fields(self)))


def read_by(net: Network, names: Iterable[str]) -> list[str]:
    """What populations read, and what that reads in turn, in the order of the network."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        new = [source for source in net.sources(waiting.pop()) if source not in found]
        found.update(new)
        waiting += new
    return [p.name for p in net.populations if p.name in found]


def senders(observed: Trace, engine: Trace, names: Iterable[str]) -> dict[str, Sent]:
    """What populations, each behind all that it reads or with all of it observed, sent in each image: what was observed
    of it, where all of it was and no code leaves its interval (RANGE-3), else what the law makes of what its own
    sources sent. `engine` holds codes and spikes of them, whole (TRACE-3).
    """
    known: dict[str, Sent] = {}
    for name in names:
        known[name] = _sent(observed, engine, name, known)
    return known


def _sent(observed: Trace, engine: Trace, name: str, known: Mapping[str, Sent]) -> Sent:
    """What one population sent, when those that it reads sent what is known."""
    net, count = engine.net, engine.image_count
    shape, d = (count, *net[name].shape), net.code_weights[name]
    own_codes, own_trains = (engine[name, what].reshape(shape) for what in ("codes", "spikes"))
    codes, trains = own_codes, own_trains
    unseen_codes, unseen_trains = (~observed.whole_in(name, what) for what in ("codes", "spikes"))
    if not unseen_trains.all():
        trains = observed[name, "spikes"].reshape(shape)
        codes = reference.codes(reference.input_trains(trains.astype(np.int64), net.steps[name]), d)
    if not unseen_codes.all():
        told = np.asarray(observed[name, "codes"].reshape(shape), np.int64)
        codes = np.where(unseen_codes[:, None, None, None], codes, told)
        if unseen_trains.any() and (d > _later(d)).all():
            made, rest = _trains(codes, d)
            trains = np.where(unseen_trains[:, None, None, None], made, trains)
            unseen_trains = unseen_trains & (unseen_codes | (rest != 0).reshape(count, -1).any(axis=1))
    low, high = (ends[:, None, None] for ends in net.ranges[name].codes.T)
    beyond = ((codes < low) | (codes > high)).reshape(count, -1).any(axis=1)
    unseen_codes = (unseen_codes & unseen_trains) | beyond
    unseen_trains = unseen_trains | beyond
    made_codes, made_trains = _computed(engine, name, known, unseen_codes | unseen_trains)
    codes = np.where(unseen_codes[:, None, None, None], made_codes, codes)
    trains = np.where(unseen_trains[:, None, None, None], made_trains, trains)
    wrong = ((codes != own_codes) | (trains != own_trains)).reshape(count, -1).any(axis=1)
    return Sent(codes, trains, wrong, unseen_codes, unseen_trains)


def _computed(
    engine: Trace, name: str, known: Mapping[str, Sent], wanted: NDArray[np.bool_]
) -> tuple[Ints, NDArray[np.uint16]]:
    """Codes and trains of a population in the images that are wanted, when those that it reads sent what is known:
    the engine's, but where one of them sent something else.
    """
    net, shape = engine.net, (engine.image_count, *engine.net[name].shape)
    sources = {source: known[source] for source in net.sources(name) if source in known}
    codes, trains = (engine[name, what].reshape(shape) for what in ("codes", "spikes"))
    if not sources or not (changed := wanted & np.any([s.wrong for s in sources.values()], axis=0)).any():
        return codes, trains
    codes, trains = codes.copy(), trains.copy()
    for some, made in _alone_at(net, name, sources, np.flatnonzero(changed)):
        codes[some] = made[name, "codes"].reshape(len(some), *shape[1:])
        trains[some] = made[name, "spikes"].reshape(len(some), *shape[1:])
    return codes, trains


def _later(d: Ints) -> Ints:
    """The sum of d after each step, (C, K)."""
    return np.cumsum(d[:, ::-1], axis=1)[:, ::-1] - d


def _trains(codes: Ints, d: Ints) -> tuple[NDArray[np.uint16], Ints]:
    """The trains of codes (B, C, H, W) where each d is more than all later ones, and what is left of codes that no
    train has (FS-4, POOL-2).
    """
    trains, rest = np.zeros(codes.shape, np.uint16), codes
    for worth in np.broadcast_to(d, (codes.shape[1], d.shape[1])).T:
        fired = rest >= worth[:, None, None]
        trains, rest = (trains << 1) | fired.astype(np.uint16), rest - fired * worth[:, None, None]
    return trains, rest


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
        case View():
            trains = sources[p.source].trains.astype(np.int64)
            spikes = reference.shown(reference.input_trains(trains, net.steps[name]), p)
            found[name, "spikes"] = reference.words(spikes)
            found[name, "codes"] = reference.codes(spikes, net.code_weights[name])
        case FS() | Readout():
            codes = {source: sent.codes for source, sent in sources.items()}
            v = np.broadcast_to(p.bias_map, p.shape)
            for projection, q in net.into(name).items():
                found[projection, "sums"] = reference.carried(codes[q.source], q, p.shape, codes)
                v = v + found[projection, "sums"]
            found[name, "opening"] = v
            if isinstance(p, FS):  # a readout does not fire
                spikes, membranes, code = reference.fire(v, p.table)
                found |= {(name, "spikes"): reference.words(spikes), (name, "codes"): code}
                found[name, "membranes"] = membranes.reshape(len(v), p.steps, -1)
        case _:
            assert_never(p)
    return {key: a if key[1] == "membranes" else a.reshape(len(a), -1) for key, a in found.items()}


def _alone_at(
    net: Network, name: str, sources: Mapping[str, Sent], rows: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.intp], dict[Key, NDArray[Any]]]]:
    """Every observable of a population in some images, a few of them at a time."""
    for first in range(0, len(rows), TOGETHER):
        some = rows[first : first + TOGETHER]
        yield some, alone(net, name, {source: sent.rows(some) for source, sent in sources.items()})


def isolated(engine: Trace, known: Mapping[str, Sent], names: Iterable[str]) -> Trace:
    """What is right of these populations, recorded whole from an engine, when their sources sent what is known
    (TRACE-3).
    """
    net, arrays = engine.net, dict(engine.arrays.items())
    for name in names:
        sources = {source: known[source] for source in net.sources(name)}
        if not sources:
            continue
        rows = np.flatnonzero(np.any([sent.wrong for sent in sources.values()], axis=0))
        for key in [key for key in arrays if owner(net, key).name == name and len(rows)]:
            arrays[key] = arrays[key].copy()
        for some, made in _alone_at(net, name, sources, rows):
            for key, values in made.items():
                if key in arrays:
                    arrays[key][some] = values
    return replace(engine, arrays=arrays)


def computed(net: Network, known: Mapping[str, Sent], name: str) -> dict[str, int]:
    """The sources of a population that were not observed but computed, in how many images. What the input sends is the
    image, whoever says so.
    """
    trains = name in {p.name for p in net.relays}
    unseen = {n: known[n].unseen_trains if trains else known[n].unseen_codes for n in net.sources(name)}
    return {n: int(images.sum()) for n, images in unseen.items() if images.any() and n != net.input.name}


def images_of(trace: Trace, rows: NDArray[np.intp] | slice) -> Trace:
    """The recording of some of its images."""
    seen, unknown = (
        {key: np.broadcast_to(bits, trace.arrays[key].shape)[rows] if bits.ndim else bits for key, bits in of.items()}
        for of in (trace.seen, trace.unknown)
    )
    arrays = {key: array[rows] for key, array in trace.arrays.items()}
    count = len(range(*rows.indices(trace.image_count))) if isinstance(rows, slice) else len(rows)
    return Trace(trace.net, count, trace.selection, arrays, seen, unknown)
