"""Recordings: what to record, what was recorded, its events and digests, and where two recordings first differ (OBS,
EVENT).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS
from fsref.law.schedule import schedule

OBSERVABLES = ("sums", "opening", "spikes", "membranes", "codes")  # in the order of OBS-2
RULES = {"sums": "PROJ-1", "opening": "NET-6", "spikes": "FS-2", "membranes": "FS-3", "codes": "FS-4"}
Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Record:
    """What to record: populations (names, or a mapping of name to neurons; None is all), observables (OBS-1), absolute
    steps (None is all).

    With `path`, a directory that does not exist yet, the recording streams to disk, one `.npy` per array.
    """

    populations: Iterable[str] | Mapping[str, Iterable[int] | None] | None = None
    observables: Iterable[str] = ("spikes", "codes")
    steps: Iterable[int] | None = None
    path: str | Path | None = None


@dataclass(frozen=True, eq=False)
class Selection:
    """A Record made definite for one network: neurons by population, window steps by population, observables in the
    order of OBS-2.
    """

    neurons: dict[str, NDArray[np.intp]]
    window: dict[str, NDArray[np.intp]]
    observables: tuple[str, ...]
    complete: bool

    def same(self, other: Selection) -> bool:
        """Whether both choose the same neurons and steps."""
        mine, theirs = ((*s.neurons.items(), *s.window.items()) for s in (self, other))
        return len(mine) == len(theirs) and all(
            a == b and np.array_equal(x, y) for (a, x), (b, y) in zip(mine, theirs, strict=True)
        )

    def arrays(self, net: Network, images: int) -> dict[Key, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shape and type of every array to come: (population or projection, observable) -> (B, [steps,] neurons)."""
        wanted: dict[Key, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        for name, neurons in self.neurons.items():
            has = observables_of(net, name)
            for observable in (o for o in self.observables if o in has):
                if observable == "sums":
                    for label, projection in zip(net.labels, net.projections, strict=True):
                        if projection.target == name:
                            wanted[label, "sums"] = ((images, len(neurons)), np.dtype("<i8"))
                elif observable == "membranes":
                    wanted[name, observable] = ((images, len(self.window[name]), len(neurons)), np.dtype("<i8"))
                else:
                    wanted[name, observable] = (
                        (images, len(neurons)),
                        np.dtype("<u2" if observable == "spikes" else "<i8"),
                    )
        return wanted


def observables_of(net: Network, name: str) -> frozenset[str]:
    """Which observables a population has (OBS-1)."""
    if net[name] is net.readout:
        return frozenset({"sums", "opening"})
    return frozenset(OBSERVABLES) if isinstance(net[name], FS) else frozenset({"spikes", "codes"})


def select(net: Network, record: Record) -> Selection:
    """The definite selection of a Record. Errors: UsageError for unknown populations, observables, neurons or steps."""
    observables = [record.observables] if isinstance(record.observables, str) else list(record.observables)
    for observable in observables:
        if observable not in OBSERVABLES:
            raise UsageError("OBS-1", "record", "unknown observable", observable, ", ".join(OBSERVABLES))
    names = [p.name for p in net.populations]
    given = (
        record.populations
        if isinstance(record.populations, Mapping)
        else dict.fromkeys(
            [record.populations]
            if isinstance(record.populations, str)
            else names
            if record.populations is None
            else record.populations
        )
    )
    for name in given:
        if name not in names:
            raise UsageError("OBS-1", "record", "unknown population", name, ", ".join(names))
    plan = schedule(net)
    steps = None if record.steps is None else np.asarray(list(record.steps))
    if steps is not None and not _places(steps, plan.steps):
        raise UsageError("OBS-1", "record", "step out of range", steps.tolist(), f"0..{plan.steps - 1}")
    neurons, window = {}, {}
    for name in (n for n in names if n in given):
        count = int(np.prod(net[name].shape))
        chosen = given[name]
        index = np.arange(count) if chosen is None else np.asarray(list(chosen))
        if not _places(index, count):
            raise UsageError("OBS-1", f"record {name}", "neuron out of range", index.tolist(), f"0..{count - 1}")
        ascending = bool(
            (index[1:] > index[:-1]).all()
        )  # so are all the neurons of a population, and sorting millions takes seconds
        neurons[name] = (index if ascending else np.unique(index)).astype(np.intp)
        whole = np.arange(net.steps[name])
        window[name] = whole if steps is None else whole[np.isin(whole + plan.start[name], steps)]
    ordered = tuple(o for o in OBSERVABLES if o in observables)
    return Selection(
        neurons,
        window,
        ordered,
        steps is None and all(len(n) == int(np.prod(net[p].shape)) for p, n in neurons.items()),
    )


def _places(index: NDArray[Any], count: int) -> bool:
    """Whether `index` is a list of one or more places within 0..count - 1."""
    return (
        index.ndim == 1
        and index.size > 0
        and index.dtype.kind in "iu"
        and bool(index.min() >= 0 and index.max() < count)
    )


@dataclass(frozen=True, eq=False)
class Trace:
    """A recording of B images: `trace[population, observable]`, and `trace[projection label, "sums"]`.

    spikes (train words, EVENT-2), codes, opening and sums are (B, neurons), membranes (B, steps, neurons), for the
    neurons and steps of `selection`.
    """

    net: Network
    images: int
    selection: Selection
    arrays: Mapping[Key, NDArray[Any]]

    def __repr__(self) -> str:
        return f"<Trace of {self.images} images: {', '.join(' '.join(key) for key in self.arrays)}>"

    def __getitem__(self, key: Key) -> NDArray[Any]:
        if key not in self.arrays:
            raise UsageError(
                "OBS-1", "trace", "not recorded", " ".join(key), ", ".join(" ".join(k) for k in self.arrays)
            )
        return self.arrays[key]

    def events(self) -> Ints:
        """Every recorded spike as (image, step, population, neuron), int64 (E, 4), in canonical order (EVENT-1)."""
        plan, found = schedule(self.net), []
        for place, p in enumerate(self.net.populations):
            if (p.name, "spikes") not in self.arrays:
                continue
            trains, steps = self.arrays[p.name, "spikes"], self.net.steps[p.name]
            for t in self.selection.window[p.name].tolist():
                image, at = np.nonzero((trains >> np.uint16(steps - 1 - t)) & 1)
                rows = [
                    image,
                    np.full_like(image, plan.start[p.name] + t),
                    np.full_like(image, place),
                    self.selection.neurons[p.name][at],
                ]
                found.append(np.stack(rows, axis=1))
        events = np.concatenate(found) if found else np.empty((0, 4), np.int64)
        return events[np.lexsort(events.T[::-1])].astype(np.int64)

    def digests(self) -> dict[str, NDArray[np.uint32]]:
        """CRC-32C of the spike words, (B, K), of every population whose neurons and steps were all recorded (EVENT-3)."""
        found = {}
        for (name, observable), trains in self.arrays.items():
            steps = self.net.steps[name] if observable == "spikes" else 0
            if (
                steps
                and trains.shape[1] == int(np.prod(self.net[name].shape))
                and len(self.selection.window[name]) == steps
            ):
                bits = (trains[:, None, :] >> np.arange(steps - 1, -1, -1, dtype=np.uint16)[:, None]) & 1
                packed = np.packbits(bits.astype(bool), axis=2, bitorder="little")
                found[name] = crc32c(np.pad(packed, ((0, 0), (0, 0), (0, -packed.shape[2] % 4))))
        return found


def _crc_table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> np.uint32(1)) ^ np.where(table & np.uint32(1), np.uint32(0x82F63B78), np.uint32(0))
    return table


def crc32c(data: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """CRC-32C along the last axis of an array of bytes (EVENT-3)."""
    table = _crc_table()
    crc = np.full(data.shape[:-1], 0xFFFFFFFF, np.uint32)
    for byte in range(data.shape[-1]):
        crc = (crc >> np.uint32(8)) ^ table[(crc ^ data[..., byte]) & np.uint32(0xFF)]
    return crc ^ np.uint32(0xFFFFFFFF)


@dataclass(frozen=True)
class Difference:
    """The first place where two recordings differ (OBS-2); `step` is absolute, None where the observable has none."""

    image: int
    place: str
    observable: str
    step: int | None
    neuron: int
    observed: int
    expected: int
    context: str = ""

    def __str__(self) -> str:
        step = "" if self.step is None else f" step {self.step}"
        what = "" if self.observable == "spikes" else f" {self.observable}"
        told = f"observed {self.observed} expected {self.expected} [{RULES[self.observable]}]{self.context}"
        return f"image {self.image} {self.place}{step} neuron {self.neuron}{what}: {told}"


def diff(observed: Trace, expected: Trace) -> Difference | None:
    """The first difference of two recordings of the same selection, None when there is none (OBS-2). Errors: UsageError
    when they cannot be compared.
    """
    if (
        observed.arrays.keys() != expected.arrays.keys()
        or observed.images != expected.images
        or observed.net.id != expected.net.id
    ):
        raise UsageError("OBS-2", "diff", "the two recordings are not of the same network, images and selection")
    if not expected.selection.same(observed.selection):
        raise UsageError("OBS-2", "diff", "the two recordings are not of the same neurons and steps")
    net, plan = expected.net, schedule(expected.net)
    keys = [
        k
        for p in net.populations
        for o in OBSERVABLES
        for k in expected.arrays
        if k[1] == o and (net.projections[net.labels.index(k[0])].target if o == "sums" else k[0]) == p.name
    ]
    best: tuple[int, Key] | None = None
    for key in keys:
        a, b = observed[key], expected[key]
        unlike = (a != b).reshape(len(a), -1).any(axis=1)
        if unlike.any() and (best is None or int(np.argmax(unlike)) < best[0]):
            best = int(np.argmax(unlike)), key
    if best is None:
        return None
    image, (place, observable) = best
    a, b = observed[place, observable][image], expected[place, observable][image]
    target = net.projections[net.labels.index(place)].target if observable == "sums" else place
    neurons, step, context = expected.selection.neurons[target], None, ""
    if observable == "membranes":
        row, at = np.argwhere(a != b)[0]
        step = plan.start[place] + int(expected.selection.window[place][row])
        pair = int(a[row, at]), int(b[row, at])
    elif observable == "spikes":
        steps = net.steps[place]
        t = steps - int(np.bitwise_xor(a, b).max()).bit_length()
        bits = (a >> (steps - 1 - t)) & 1, (b >> (steps - 1 - t)) & 1
        at = np.flatnonzero(bits[0] != bits[1])[0]
        step, pair = plan.start[place] + t, (int(bits[0][at]), int(bits[1][at]))
        context = _threshold(expected, place, image, int(at), t)
    else:
        at = np.flatnonzero(a != b)[0]
        pair = int(a[at]), int(b[at])
    return Difference(image, place, observable, step, int(neurons[at]), *pair, context)


def _threshold(trace: Trace, name: str, image: int, at: int, t: int) -> str:
    """ " membrane V threshold T" of a firing step, where the recording holds the membrane."""
    population = trace.net[name]
    known = (
        isinstance(population, FS)
        and (name, "opening") in trace.arrays
        and np.isin(np.arange(t), trace.selection.window[name]).all()
    )
    if not isinstance(population, FS) or not known:
        return ""
    places = population.shape[1] * population.shape[2]
    T, h, _ = (
        rows[int(trace.selection.neurons[name][at]) // places] for rows in population.table.rows(population.shape[0])
    )
    train = int(trace[name, "spikes"][image, at])
    v = int(trace[name, "opening"][image, at])
    for s in range(t):
        v -= int(h[s]) * (train >> (population.steps - 1 - s) & 1)
    return f" membrane {v} threshold {int(T[t])}"
