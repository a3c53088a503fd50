"""Recordings read back: the folder that `record` with a path, or `fsref run --out`, wrote (RUN-3)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fsref.errors import FileError, UsageError
from fsref.formats.npy import header_of
from fsref.formats.npz import load
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.simulation.recording import Key, OnDisk, Place, Record, Selection, Trace, select
from fsref.simulation.store import SCHEMA, longest_description


def read(folder: Path, populations: Iterable[str] | None = None, observables: Iterable[str] | None = None) -> Trace:
    """The recording in a folder that a run wrote, or of it these populations and observables alone (RUN-3).

    Arrays are mapped from the disk, not read: a part costs what is looked at. Errors: FileError when the folder holds
    no whole recording, UsageError for a population or observable that was not recorded.
    """
    net = _network(folder)
    told = _description(folder, net)
    record = _part(told, populations, observables)
    selection = _selection(folder, net, told, record)
    shapes = selection.arrays(net, told["image_count"])
    files = {(entry["of"], entry["observable"]): file for file, entry in told["files"].items()}
    places = {key: _place(folder, files, key, shape, kind) for key, (shape, kind) in shapes.items()}
    return Trace(net, told["image_count"], selection, OnDisk(places))


def _network(folder: Path) -> Network:
    """The network that was run. Errors: FileError, NetworkError."""
    if not os.path.isfile(folder / "recording.json"):
        limit = "a folder that fsref run --out wrote; tables, arrays and memories are known by their suffix"
        raise FileError("RUN-3", str(folder), "no recording is here: recording.json is missing", None, limit)
    return load(_inside(folder, "network.fs.npz"))


def _inside(folder: Path, name: str) -> Path:
    """The path of a file that lies in the folder, links resolved. Errors: FileError."""
    path = folder / name
    if Path(name).name != name or "\0" in name or not os.path.isfile(path):
        raise FileError("RUN-3", str(folder), "file is missing", name, "a recording has it")
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder)):
        raise FileError("RUN-3", str(path), "is a link out of the folder", None, "a recording lies in one folder")
    return path


def _description(folder: Path, net: Network) -> dict[str, Any]:
    """What recording.json says, when it is of this network. Errors: FileError."""
    place, longest = _inside(folder, "recording.json"), longest_description(net)
    try:
        with place.open("rb") as file:
            data = file.read(longest + 1)
        if len(data) > longest:
            problem, limit = "is longer than any of this network", f"at most {longest} bytes"
            raise FileError("RUN-3", str(place), problem, place.stat().st_size, limit)
        told = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        raise FileError("RUN-3", str(place), "cannot be read", getattr(error, "strerror", None) or str(error)) from None
    if not isinstance(told, dict) or not _described(told):
        raise FileError("RUN-3", str(place), "does not describe a recording", None, "as fsref run --out writes it")
    if told["schema"] != SCHEMA:
        raise FileError("RUN-3", str(place), "is of another layout", told["schema"], f"this fsref reads {SCHEMA}")
    if told["id"] != net.id:
        raise FileError("RUN-3", str(place), "is of another network", told["id"], f"network.fs.npz has {net.id}")
    for p in told["populations"]:
        steps = net.steps.get(p["name"], p["K"])  # a name that the network lacks is told later
        if p["K"] != steps:
            raise FileError("RUN-3", str(place), f"K of {p['name']} is not the network's", p["K"], f"{steps}")
    return told


def _described(told: Any) -> bool:
    """Whether a JSON value has what the description of a recording needs."""

    def entry(value: Any, **kinds: type | tuple[type, ...]) -> bool:
        return isinstance(value, dict) and all(isinstance(value.get(key), kind) for key, kind in kinds.items())

    def ascending(value: Any) -> bool:
        numbers = isinstance(value, list) and all(type(n) is int and 0 <= n < 2**62 for n in value)
        return numbers and all(a < b for a, b in zip(value, value[1:], strict=False))

    return (
        entry(told, id=str, schema=int, image_count=int, populations=list, files=dict)
        and not isinstance(told["image_count"], bool)
        and 1 <= told["image_count"] < 2**48
        and len(told["files"]) > 0
        and len(told["populations"]) > 0
        and all(entry(p, name=str, K=int, steps=list, neurons=(str, list)) for p in told["populations"])
        and all(ascending(p["steps"]) for p in told["populations"])
        and all(p["neurons"] == "all" or ascending(p["neurons"]) for p in told["populations"])
        and all(entry(f, of=str, observable=str, shape=list) for f in told["files"].values())
    )


def _part(told: dict[str, Any], populations: Iterable[str] | None, observables: Iterable[str] | None) -> Record:
    """What is to be read. Errors: UsageError."""
    there = {p["name"]: None if p["neurons"] == "all" else p["neurons"] for p in told["populations"]}
    kinds = [o for o in OBSERVABLES if any(f["observable"] == o for f in told["files"].values())]
    wanted = [populations] if isinstance(populations, str) else list(there if populations is None else populations)
    chosen = [observables] if isinstance(observables, str) else list(kinds if observables is None else observables)
    for what, names, known in (("population", wanted, [*there]), ("observable", chosen, kinds)):
        for name in names:
            if name not in known:
                raise UsageError("OBS-1", "trace", f"this {what} was not recorded", name, ", ".join(known))
    return Record({name: there[name] for name in wanted}, chosen)


def _selection(folder: Path, net: Network, told: dict[str, Any], record: Record) -> Selection:
    """The selection of a recording, its steps by population as they were recorded. Errors: FileError."""
    place = str(folder / "recording.json")
    try:
        whole = select(net, record)
    except UsageError as error:
        raise FileError("RUN-3", place, error.problem, error.value, error.limit) from None
    window = {}
    for p in told["populations"]:
        name = p["name"]
        if name not in whole.window:
            continue
        steps = np.asarray(p["steps"] or [], dtype=object)
        fits = [t for t in whole.window[name].tolist() if t + net.schedule.start[name] in set(steps.tolist())]
        if len(fits) != len(steps):
            limit = f"{net.steps[name]} steps from {net.schedule.start[name]} on"
            raise FileError("RUN-3", place, f"steps of {name} are not those of its window", p["steps"], limit)
        window[name] = np.array(fits, np.intp)
    complete = whole.complete and all(len(window[name]) == net.steps[name] for name in window)
    return Selection(whole.neurons, window, whole.observables, complete)


def _place(folder: Path, files: dict[Key, str], key: Key, shape: tuple[int, ...], kind: np.dtype[Any]) -> Place:
    """Where one array of a recording lies. Errors: FileError."""
    name = files.get(key)
    if name is None:
        raise FileError("RUN-3", str(folder), "array is missing", " ".join(key), "recording.json names its file")
    path = _inside(folder, name)
    try:
        with path.open("rb") as file:
            found = header_of(file, str(path), (kind.str,))
    except OSError as error:
        raise FileError("RUN-3", str(path), "cannot be read", error.strerror or str(error)) from None
    if found.shape != shape:
        raise FileError("RUN-3", str(path), "shape is not the one described", found.shape, f"{shape}")
    return Place(path, found.start, shape, kind)
