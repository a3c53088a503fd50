"""What manifest.json says of a folder of memories: which network, which layout, which neurons and steps (LAYOUT-5)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fsref.errors import FileError, UsageError
from fsref.formats import layout as layouts
from fsref.formats.container import unique
from fsref.formats.layout import Layout
from fsref.formats.memories import owner
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.simulation.recording import Key, Record, Selection, Trace, select
from fsref.simulation.store import longest_description

SCHEMA = 1
MANIFEST = "manifest.json"
LISTS = ("populations", "memories")


@dataclass(frozen=True)
class Told:
    """How the memories of a folder lie, which neurons and steps they hold, and of how many images, 0 where nothing says
    it.
    """

    layout: Layout
    selection: Selection
    image_count: int = 0


def check_network(found: Network, net: Network, rule: str = "LAYOUT-5") -> None:
    """Nothing, when a recording is of this network. Errors: UsageError."""
    if found.id != net.id:
        raise UsageError(rule, "trace", "is of another network", found.id[:12], f"this one is {net.id[:12]}")


def populations(trace: Trace | None) -> list[dict[str, Any]]:
    """Name, K, steps and neurons of each population that was recorded, as a recording tells them (RUN-3)."""
    if trace is None:
        return []
    net, found = trace.net, []
    for name, neurons in trace.selection.neurons.items():
        chosen = "all" if len(neurons) == net[name].neurons else neurons.tolist()
        window = [net.schedule.start[name] + t for t in trace.selection.window[name].tolist()]
        found.append({"name": name, "K": net.steps[name], "steps": window, "neurons": chosen})
    return found


def lines(told: dict[str, Any]) -> bytes:
    """The text of a manifest: a line for each key, and for each entry of a list."""
    parts = []
    for key, value in told.items():
        text = json.dumps(value)
        if key in LISTS and value:
            text = "[\n" + ",\n".join(f"  {json.dumps(entry)}" for entry in value) + "\n ]"
        elif isinstance(value, dict):
            text = "{\n" + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()) + "\n }"
        parts.append(f" {json.dumps(key)}: {text}")
    return ("{\n" + ",\n".join(parts) + "\n}\n").encode("ascii")


def read(net: Network, folder: Path, form: str, layout: Layout | None) -> Told:
    """What a folder tells: all neurons and steps, and the layout given or that of memories alone, where it has no
    manifest. Errors: FileError.
    """
    path = folder / MANIFEST
    record: dict[str, Any] = {p.name: None for p in net.populations}
    if not os.path.lexists(path):
        return Told(layout or Layout(), select(net, Record(record, OBSERVABLES)))
    told = _json(path, 4 * longest_description(net))
    for key, wanted in (("schema", SCHEMA), ("format", form), ("id", net.id)):
        if told.get(key) != wanted:
            raise FileError("LAYOUT-5", str(path), f"has another {key}", told.get(key), f"wanted {wanted}")
    chosen = layout or layouts.told(told.get("layout"), net, str(path))
    count = told.get("image_count")
    if type(count) is not int or not 0 <= count < 2**48:
        raise FileError("LAYOUT-5", str(path), "image_count is no number of images", count, "0 or more")
    return Told(chosen, _selection(net, told.get("populations"), str(path)), count)


def selection(net: Network, told: Told, keys: Iterable[Key]) -> Selection:
    """The selection of what was found: of the populations and observables that some of the arrays are of."""
    owners = {owner(net, key).name for key in keys}
    kinds = tuple(o for o in OBSERVABLES if any(what == o for _, what in keys))
    of = told.selection
    neurons = {name: chosen for name, chosen in of.neurons.items() if name in owners}
    return Selection(neurons, {name: of.window[name] for name in neurons}, kinds, of.complete)


def _json(path: Path, longest: int) -> dict[str, Any]:
    """The object that a manifest holds. Errors: FileError."""
    try:
        if not os.path.isfile(path):
            raise FileError("LAYOUT-5", str(path), "is not a file")
        with path.open("rb") as file:
            data = file.read(longest + 1)
        if len(data) > longest:
            raise FileError("LAYOUT-5", str(path), "is longer than any of this network", None, f"at most {longest}")
        told = json.loads(data, object_pairs_hook=unique)
    except (OSError, ValueError, RecursionError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise FileError("LAYOUT-5", str(path), "cannot be read", why) from None
    if not isinstance(told, dict):
        raise FileError("LAYOUT-5", str(path), "is no manifest", type(told).__name__, "wanted an object")
    return told


def _selection(net: Network, told: Any, place: str) -> Selection:
    """The neurons and steps that a manifest tells; of populations that it does not name all. Errors: FileError."""
    whole = select(net, Record(None, OBSERVABLES))
    neurons, window = dict(whole.neurons), dict(whole.window)
    for entry in told if isinstance(told, list) else [None]:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(name, str) or name not in neurons:
            raise FileError("LAYOUT-5", place, "populations: no such population", name)
        start, steps = net.schedule.start[name], net.steps[name]
        window[name] = _ascending(entry.get("steps"), start, start + steps, f"{place}: steps of {name}") - start
        if entry.get("neurons") != "all":
            count = net[name].neurons
            neurons[name] = _ascending(entry.get("neurons"), 0, count, f"{place}: neurons of {name}")
            if not len(neurons[name]):
                raise FileError("LAYOUT-5", f"{place}: neurons of {name}", "there are none")
    complete = all(
        len(neurons[p.name]) == p.neurons and len(window[p.name]) == net.steps[p.name] for p in net.populations
    )
    return Selection(neurons, window, OBSERVABLES, complete)


def _ascending(told: Any, low: int, high: int, place: str) -> Any:
    """Numbers of low..high - 1 that ascend. Errors: FileError."""
    good = isinstance(told, list) and all(type(n) is int and low <= n < high for n in told)
    if not good or any(a >= b for a, b in zip(told, told[1:], strict=False)):
        raise FileError("LAYOUT-5", place, "are not numbers that ascend", told, f"wanted some of {low}..{high - 1}")
    return np.array(told, np.intp)
