"""What a chip or a run gives back, read as a recording, whatever its format (TRACE-1)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from fsref.errors import FileError, UsageError, public
from fsref.formats.bundled import network_of
from fsref.formats.files import path_of
from fsref.formats.labels import few
from fsref.formats.memories import owner
from fsref.formats.reading import check_there, opened
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.simulation import address_events, answers, recording_folder, table, waveform_reader
from fsref.simulation.events_told import is_list
from fsref.simulation.memory_folder import FOLDERS
from fsref.simulation.recording import Key, Selection, Trace

MAX_NAMES = 2**16  # of a folder that are looked at
START = 2**16  # bytes of a file that are looked at


@dataclass(frozen=True)
class Asked:
    """What the reader of a format is told: the dump, the network that it is of, if known, its layout, and the memory
    that its integers may take.
    """

    path: Path
    net: Network | None
    layout: Mapping[str, Any] | str | PathLike[str] | None
    memory_limit: int

    def network(self, form: str) -> Network:
        """The network, which dumps of this format do not hold. Errors: UsageError."""
        if self.net is None:
            raise UsageError("TRACE-1", str(self.path), f"a dump as {form} holds no network", None, "net=NET")
        return self.net


def _memories(form: str, asked: Asked) -> Trace:
    """The recording that memories hold."""
    return FOLDERS[form].read(asked.network(form), asked.path, asked.layout, asked.memory_limit)


READERS: dict[str, Callable[[Asked], Trace]] = {
    "recording": lambda asked: recording_folder.read(asked.path),
    "csv": lambda asked: table.read(asked.path, asked.network("csv"), asked.memory_limit),
    "npz": lambda asked: answers.read(asked.path, asked.network("npz"), asked.memory_limit),
    "aer": lambda asked: address_events.read(asked.network("aer"), asked.path, asked.layout, asked.memory_limit),
    "vcd": lambda asked: waveform_reader.read(asked.network("vcd"), asked.path, asked.layout, asked.memory_limit),
    **{form: partial(_memories, form) for form in FOLDERS},
}
WITH_LAYOUT = frozenset({*FOLDERS, "aer", "vcd"})
SUFFIXES = {
    ".csv": "csv",
    ".npz": "npz",
    ".aer": "aer",
    ".vcd": "vcd",
    **{folder.text.SUFFIX: form for form, folder in FOLDERS.items()},
}


@public
def read_trace(
    path: str | PathLike[str],
    populations: Iterable[str] | None = None,
    observables: Iterable[str] | None = None,
    *,
    net: Network | str | PathLike[str] | None = None,
    format: str | None = None,  # noqa: A002 - as export calls it
    layout: Mapping[str, Any] | str | PathLike[str] | None = None,
    memory_limit: int = 2**33,
) -> Trace:
    """The recording that a run wrote to `path`, or a chip or somebody else's program gave back there, or of it these
    populations and observables alone (RUN-3, TRACE-1).

    `format` is found out unless it is given: recording, csv, npz, aer, vcd, or readmemh, coe or mif of memories. `net`
    is the network that a dump which holds none is of, `layout` that of memories, events and waveforms. Arrays of a
    recording are mapped from the disk, not read: a part costs what is looked at. Errors: FileError for what holds no
    whole recording, UsageError for a population or observable that was not recorded, LimitError for what takes more
    than `memory_limit` bytes.
    """
    place = path_of(path, "read_trace")
    known = None if net is None else network_of(net)
    check_there(place, "TRACE-1")
    form = detected(place) if format is None else format
    if form not in READERS:
        raise UsageError("TRACE-1", "format", "unknown", form, ", ".join(READERS))
    if layout is not None and form not in WITH_LAYOUT:
        limit = f"formats with one: {', '.join(sorted(WITH_LAYOUT)) or 'none'}"
        raise UsageError("TRACE-1", "layout", "goes with another format", form, limit)
    if form == "recording" and (populations is not None or observables is not None):
        trace = recording_folder.read(place, populations, observables)  # what is not asked for need not be there
    else:
        trace = part_of(READERS[form](Asked(place, known, layout, memory_limit)), populations, observables)
    if known is not None and trace.net.id != known.id:
        raise UsageError("TRACE-1", str(place), "is of another network", trace.net.id, f"expected {known.id}")
    return trace


def detected(path: Path) -> str:
    """The format of a dump, by what its name ends in; of a folder, what the names in it end in. Lists of events tell
    themselves by how they begin, where their name says a table, or nothing (AER-1).
    """
    if not os.path.isdir(path):
        form = SUFFIXES.get(path.suffix.lower(), "recording")
        return "aer" if form in ("csv", "recording") and _begins_as_list(path) else form
    with suppress(OSError), os.scandir(path) as entries:
        ends = {Path(entry.name).suffix.lower() for entry in islice(entries, MAX_NAMES)}
        if ".json" not in ends or not os.path.isfile(path / "recording.json"):
            return next((form for form in FOLDERS if FOLDERS[form].text.SUFFIX in ends), "recording")
    return "recording"


def _begins_as_list(path: Path) -> bool:
    """Whether a file can be read, and begins as a list of events."""
    with suppress(FileError), opened(path, "TRACE-1", 2**63, "a dump") as (file, _):
        return is_list(file.read(START))
    return False


def part_of(trace: Trace, populations: Iterable[str] | None, observables: Iterable[str] | None) -> Trace:
    """Of a recording these populations and observables alone. Errors: UsageError for what it does not hold."""
    there = list(trace.selection.neurons)
    kinds = [o for o in OBSERVABLES if any(key[1] == o for key in trace.arrays)]
    wanted = [populations] if isinstance(populations, str) else list(there if populations is None else populations)
    chosen = [observables] if isinstance(observables, str) else list(kinds if observables is None else observables)
    for what, names, known in (("population", wanted, there), ("observable", chosen, kinds)):
        for name in names:
            if name not in known:
                raise UsageError("OBS-1", "trace", f"this {what} was not recorded", name, few(known))

    def mine(key: Key) -> bool:
        return key[1] in chosen and owner(trace.net, key).name in wanted

    was = trace.selection
    neurons = {name: was.neurons[name] for name in there if name in wanted}
    window = {name: was.window[name] for name in neurons}
    selection = Selection(neurons, window, tuple(o for o in kinds if o in chosen), was.complete)
    if len(neurons) == len(there) and len(chosen) >= len(kinds):
        return trace
    parts = [{key: of[key] for key in of if mine(key)} for of in (trace.arrays, trace.seen, trace.unknown)]
    return Trace(trace.net, trace.image_count, selection, *parts)
