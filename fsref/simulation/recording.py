"""Recordings: what to record, what was recorded, its events and digests (OBS, EVENT)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, UsageError, public
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import OBSERVABLES
from fsref.simulation.digest import crc32c
from fsref.tables import Brief, plural

Key: TypeAlias = tuple[str, str]
PART = 2**12  # events at most, of those that are listed in parts


@dataclass(frozen=True)
class Taken:
    """Where images come from: their source, how many images it holds, and which of these were taken, as `fsref run
    --images` is told: 7, 0:4, ::10 or 1,5,9.
    """

    source: str
    image_count: int
    images: str


@public
@dataclass(frozen=True, repr=False)
class Record(Brief):
    """What to record: populations (names, or a mapping of name to neurons; None is all), observables (OBS-1), absolute
    steps (None is all).

    With `path`, a folder that is not there yet, the recording streams to disk, one `.npy` per array; with `replace` it
    takes the place of a recording that is (RUN-5), and `taken` is what recording.json says of the images (RUN-3).
    """

    populations: Iterable[str] | Mapping[str, Iterable[int] | None] | None = None
    observables: Iterable[str] = ("spikes", "codes")
    steps: Iterable[int] | None = None
    path: str | Path | None = None
    replace: bool = False
    taken: Taken | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Selection(Brief):
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

    @property
    def nbytes(self) -> int:
        """The bytes of its numbers of neurons and of steps."""
        return sum(numbers.nbytes for numbers in (*self.neurons.values(), *self.window.values()))

    def arrays(self, net: Network, images: int) -> dict[Key, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Shape and type of every array to come: (population or projection, observable) -> (B, [steps,] neurons)."""
        wanted: dict[Key, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        for name, neurons in self.neurons.items():
            for observable in (o for o in self.observables if o in net[name].observables):
                kind = np.dtype("<u2" if observable == "spikes" else "<i8")
                steps = (len(self.window[name]),) if observable == "membranes" else ()
                for place in net.into(name) if observable == "sums" else (name,):
                    wanted[place, observable] = ((images, *steps, len(neurons)), kind)
        return wanted


@dataclass(frozen=True)
class Place:
    """Where an array of a recording lies on the disk, from `start` of a file on."""

    path: Path
    start: int
    shape: tuple[int, ...]
    kind: np.dtype[Any]


class OnDisk(Mapping[Key, NDArray[Any]]):
    """The arrays of a recording on disk, each mapped, read-only, when it is looked at: what nobody looks at costs
    nothing, not even an open file.
    """

    def __init__(self, places: Mapping[Key, Place]) -> None:
        self.places = places

    def __getitem__(self, key: Key) -> NDArray[Any]:
        place = self.places[key]
        if 0 in place.shape:
            return np.zeros(place.shape, place.kind)
        try:
            return np.memmap(place.path, place.kind, "r", place.start, place.shape)
        except (OSError, ValueError) as error:  # gone, or cut, since the recording was opened
            told = getattr(error, "strerror", None) or str(error)
            raise FileError("RUN-3", str(place.path), "cannot be read", told) from None

    def __contains__(self, key: object) -> bool:
        return key in self.places

    def __iter__(self) -> Iterator[Key]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


def recording_bytes(net: Network, selection: Selection, images: int) -> int:
    """The exact size of a recording in bytes."""
    return sum(
        int(np.prod(shape, dtype=object)) * kind.itemsize for shape, kind in selection.arrays(net, images).values()
    )


def select(net: Network, record: Record) -> Selection:
    """The definite selection of a Record. Errors: UsageError for unknown populations, observables, neurons or steps."""
    observables = _listed("observables", record.observables)
    for observable in observables:
        if observable not in OBSERVABLES:
            raise UsageError("OBS-1", "record", "unknown observable", observable, ", ".join(OBSERVABLES))
    names = dict.fromkeys(p.name for p in net.populations)  # in order, and found at once among very many
    asked = names if record.populations is None else record.populations
    told = _listed("populations", asked)
    for name in told:
        if not isinstance(name, str) or name not in names:
            raise UsageError("OBS-1", "record", "unknown population", name, ", ".join(names))
    given = asked if isinstance(asked, Mapping) else dict.fromkeys(told)
    plan = net.schedule
    steps = None if record.steps is None else np.asarray(_listed("steps", record.steps))
    if steps is not None and not _places(steps, plan.steps):
        raise UsageError("OBS-1", "record", "step out of range", steps.tolist(), f"0..{plan.steps - 1}")
    neurons, window = {}, {}
    for name in (n for n in names if n in given):
        count, chosen = net[name].neurons, given[name]
        index = np.arange(count) if chosen is None else np.asarray(_listed("neurons", chosen))
        if not _places(index, count):
            raise UsageError("OBS-1", f"record {name}", "neuron out of range", index.tolist(), f"0..{count - 1}")
        # All the neurons of a population ascend, and sorting millions takes seconds.
        ascending = bool((index[1:] > index[:-1]).all())
        neurons[name] = (index if ascending else np.unique(index)).astype(np.intp)
        whole = np.arange(net.steps[name])
        window[name] = whole if steps is None else whole[np.isin(whole + plan.start[name], steps)]
    complete = steps is None and all(len(chosen) == net[name].neurons for name, chosen in neurons.items())
    return Selection(neurons, window, tuple(o for o in OBSERVABLES if o in observables), complete)


def _listed(what: str, given: object) -> list[Any]:
    """What was given as a list; of a text, it alone. Errors: UsageError for what is none."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, Iterable):
        raise UsageError("OBS-1", "record", f"{what} are no list", given, "a list, or None for all")
    return list(given)


def _places(index: NDArray[Any], count: int) -> bool:
    """Whether `index` is a list of one or more places within 0..count - 1."""
    return (
        index.ndim == 1
        and index.size > 0
        and index.dtype.kind in "iu"
        and bool(index.min() >= 0 and index.max() < count)
    )


@public
@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """A recording of B = `image_count` images of `net`: `trace[population, observable]`, and
    `trace[projection name, "sums"]`.

    spikes (train words, EVENT-2), codes, opening and sums are (B, neurons), membranes (B, steps, neurons), for the
    neurons and steps of `selection`. Of arrays that were not observed whole, `seen` says which bits of each integer
    were, in what broadcasts to the array: none, all, some steps of a train, the high ones of a shifted membrane
    (TRACE-1). Of arrays with an x or z, `unknown` says in the same way which bits were answered so, or not at all
    (TRACE-6).
    """

    net: Network
    image_count: int
    selection: Selection
    arrays: Mapping[Key, NDArray[Any]]
    seen: Mapping[Key, NDArray[Any]] = field(default_factory=dict)
    unknown: Mapping[Key, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_trace(self, "trace")

    def __repr__(self) -> str:
        kinds = [o for o in OBSERVABLES if any(key[1] == o for key in self.arrays)]
        size = f"{plural(len(self.selection.neurons), 'population')}, {plural(len(self.arrays), 'array')}"
        return f"<Trace of {plural(self.image_count, 'image')}: {', '.join(kinds)} of {size}>"

    def __getitem__(self, key: Key) -> NDArray[Any]:
        if key not in self.arrays:
            known = ", ".join(" ".join(k) for k in self.arrays)
            raise UsageError("OBS-1", "trace", "not recorded", " ".join(map(str, key)), known)
        return self.arrays[key]

    def to_list(self) -> list[dict[str, Any]]:
        """Everything recorded as plain JSON values."""
        return [{"of": of, "observable": what, "values": a.tolist()} for (of, what), a in self.arrays.items()]

    def whole(self, name: str, observable: str = "spikes") -> bool:
        """Whether every neuron and every step of a population was recorded, and an observable seen in every bit."""
        return self._recorded_whole(name) and not {*self.seen, *self.unknown} & {(name, observable)}

    def whole_in(self, name: str, observable: str) -> NDArray[np.bool_]:
        """In which images (B,) an observable of a population was recorded whole, each bit of it seen and known."""
        key, count = (name, observable), self.image_count
        found = np.full(count, key in self.arrays and self._recorded_whole(name))
        full = 2 ** self.net.steps[name] - 1 if observable == "spikes" else -1
        for bits, wanted in ((self.seen.get(key), full), (self.unknown.get(key), 0)):
            if bits is not None and found.any():
                rows = np.broadcast_to(bits, self.arrays[key].shape)
                found &= np.fromiter(((row == wanted).all() for row in rows), np.bool_, count)
        return found

    def _recorded_whole(self, name: str) -> bool:
        """Whether every neuron and every step of a population was recorded."""
        chosen, window = self.selection.neurons.get(name, ()), self.selection.window.get(name, ())
        return len(chosen) == self.net[name].neurons and len(window) == self.net.steps[name]

    def events(self) -> Ints:
        """Every recorded spike as (image, step, population, neuron), int64 (E, 4), in canonical order (EVENT-1)."""
        return np.concatenate([np.empty((0, 4), np.int64), *self.event_parts()])

    def event_parts(self) -> Iterator[Ints]:
        """The events in their order, int64 (E, 4) each, so few at once that a list longer than memory can be read."""
        start, moments = self.net.schedule.start, []
        for place, p in enumerate(self.net.populations):
            if (p.name, "spikes") in self.arrays:
                moments += [(start[p.name] + t, place, p.name) for t in self.selection.window[p.name].tolist()]
        for image, (step, place, name) in product(range(self.image_count), sorted(moments)):
            trains, neurons = self.arrays[name, "spikes"][image], self.selection.neurons[name]
            bit = np.uint16(1 << (start[name] + self.net.steps[name] - 1 - step))
            for first in range(0, len(neurons), PART):
                part = slice(first, first + PART)
                spiking = neurons[part][trains[part] & bit > 0]
                events = np.empty((len(spiking), 4), np.int64)
                events[:, :3], events[:, 3] = (image, step, place), spiking
                yield events

    def digests(self) -> dict[str, NDArray[np.uint32]]:
        """CRC-32C of the spike words, (B, K), of every population whose neurons and steps were all recorded
        (EVENT-3).
        """
        found = {}
        for (name, observable), trains in self.arrays.items():
            steps = self.net.steps[name] if observable == "spikes" else 0
            if steps and self.whole(name):
                bits = (trains[:, None, :] >> np.arange(steps - 1, -1, -1, dtype=np.uint16)[:, None]) & 1
                packed = np.packbits(bits.astype(bool), axis=2, bitorder="little")
                found[name] = crc32c(np.pad(packed, ((0, 0), (0, 0), (0, -packed.shape[2] % 4))))
        return found


def check_trace(trace: Trace, place: str) -> None:
    """Nothing, when every array of a recording is one of its selection, of that shape and type (OBS-2). Errors:
    UsageError.
    """
    if isinstance(trace.arrays, OnDisk):  # its files were checked when it was opened
        return
    net, selection = trace.net, trace.selection
    for name, chosen in selection.neurons.items():
        fits = name in net.steps and _places(chosen, net[name].neurons)
        if not fits or (selection.window[name] >= net.steps[name]).any():
            raise UsageError("OBS-2", place, "is not of this network: neurons or steps do not fit", name, repr(net))
    wanted = selection.arrays(net, trace.image_count)
    for key, array in trace.arrays.items():
        name = " ".join(map(str, key))
        if key not in wanted:
            raise UsageError("OBS-2", place, "array is not one of its selection", name)
        (shape, kind), given = wanted[key], type(array).__name__
        if isinstance(array, np.ndarray):
            given = f"{array.dtype} {array.shape}"
        if given != f"{kind} {shape}":
            raise UsageError("OBS-2", f"{place} {name}", "array has another shape or type", given, f"{kind} {shape}")
    for what, told in (("seen", trace.seen), ("unknown", trace.unknown)):
        for key, bits in told.items():
            if not (key in trace.arrays and isinstance(bits, np.ndarray) and _fits(bits, trace.arrays[key])):
                name, limit = " ".join(map(str, key)), "bits of its type and shape"
                raise UsageError("OBS-2", place, f"{what} is not of one of its arrays", name, limit)


def _fits(bits: NDArray[Any], array: NDArray[Any]) -> bool:
    """Whether bits are of the type of an array, and broadcast to its shape."""
    sides = zip(bits.shape[::-1], array.shape[::-1], strict=False)
    return bits.dtype == array.dtype and bits.ndim <= array.ndim and all(own in (1, side) for own, side in sides)
