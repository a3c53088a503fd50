"""Where a recording goes: memory, or a folder that appears complete or not at all and says itself what it holds
(RUN-3).
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines.activity import Activity
from fsref.errors import FileError, LimitError, UsageError
from fsref.formats.files import NewFolder, check_target
from fsref.formats.npy import npy_header
from fsref.formats.npz import to_bytes
from fsref.formats.reading import read_whole
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.simulation.recording import Key, OnDisk, Place, Record, Selection, Trace
from fsref.version import SPEC_VERSION, __version__

SCHEMA = 1  # of recording.json
NOTE = "spikes are train words: the first spike is the highest of K bits (EVENT-2); axes are image, step, neuron"
NAMES = re.compile(rf"recording\.json|network\.fs\.npz|(population|projection)\.\d+\.({'|'.join(OBSERVABLES)})\.npy")
BLOCK = 4096  # of a file system that tells none
MAX_DESCRIPTION = 2**28  # bytes of recording.json: it may list millions of neurons


def listed(path: Path, files: Callable[[Any], Iterable[str]]) -> set[str]:
    """The name of a JSON file and those that it lists, as `files` finds them; none where it cannot be read (RUN-5)."""
    try:
        return {path.name, *files(json.loads(read_whole(path, "RUN-5", MAX_DESCRIPTION, path.name)))}
    except (FileError, ValueError, RecursionError, LookupError, TypeError):
        return set()


def is_recording(folder: Path, names: set[str]) -> bool:
    """Whether the files of these names in a folder are a recording and nothing else: those that its recording.json
    lists (RUN-5).
    """
    known = listed(folder / "recording.json", lambda told: told["files"])
    return bool(known) and names <= known | {"network.fs.npz"} and all(map(NAMES.fullmatch, names))


def check_recording_target(path: Path, replace: bool, option: str = "") -> None:
    """Nothing, when a recording can be made here, and replaced what is there (RUN-5). Errors: UsageError."""
    check_target(path, replace, is_recording, option, "a recording")


def longest_description(net: Network) -> int:
    """The bytes that recording.json of this network cannot exceed (RUN-3)."""
    populations = ((p.name, 5, p.neurons + net.steps.get(p.name, 0)) for p in net.populations)
    told = [*populations, *((name, 1, 0) for name in net.named_projections), (net.name, 1, 0)]
    size = 2**16 + sum(files * (256 + 12 * len(name)) + 32 * numbers for name, files, numbers in told)
    return min(size, MAX_DESCRIPTION)


def free_space(folder: Path) -> tuple[int | None, int]:
    """The bytes that this user may still write in a folder, None when its file system tells none, and of a block."""
    if not hasattr(os, "statvfs"):
        return shutil.disk_usage(folder).free, BLOCK
    told = os.statvfs(folder)
    return told.f_bavail * told.f_frsize if told.f_blocks else None, told.f_frsize or BLOCK


class Store:
    """A recording in the making; `trace()` gives it back once the block is left."""

    def __init__(self, net: Network, selection: Selection | None, image_count: int, record: Record) -> None:
        self.net, self.selection, self.image_count, self.taken = net, selection, image_count, record.taken
        self.path = path = None if record.path is None else Path(record.path)
        self.shapes = {} if selection is None else selection.arrays(net, image_count)
        self.arrays: dict[Key, NDArray[Any]] = {}
        self.folder: NewFolder | None = None
        if selection is None or path is None:
            return
        self.places = {(p.name, False): f"population.{index}" for index, p in enumerate(net.populations)}
        self.places |= {(name, True): f"projection.{index}" for index, name in enumerate(net.named_projections)}
        if not self.shapes:
            limit = f"observables of {', '.join(selection.neurons) or 'no population'}: {', '.join(OBSERVABLES)}"
            raise UsageError("RUN-3", str(path), "nothing would be recorded here", None, limit)
        self.folder = NewFolder(path, "RUN-3", "a recording", is_recording, record.replace)
        about = (json.dumps(self.description(), indent=1) + "\n").encode()
        if len(about) > (longest := longest_description(net)):
            told, limit = f"{len(about)} bytes", f"at most {longest}; all neurons, or fewer; a range of images"
            raise LimitError("RUN-3", str(path), "recording.json would be too long", told, limit)
        self.about = {"network.fs.npz": to_bytes(net), "recording.json": about}
        self.heads = {key: npy_header(shape, kind) for key, (shape, kind) in self.shapes.items()}
        self._check_space()

    @cached_property
    def places(self) -> dict[tuple[str, bool], str]:
        """How the files of a population begin, and those of a projection (True)."""
        places = {(p.name, False): f"population.{index}" for index, p in enumerate(self.net.populations)}
        return places | {(name, True): f"projection.{index}" for index, name in enumerate(self.net.named_projections)}

    def _check_space(self) -> None:
        """Nothing, when the disk has room for all files, in whole blocks, each with one that tells of it, and for the
        folder (RUN-3). Errors: LimitError.
        """
        assert self.path is not None
        free, block = free_space(self.path.parent)
        sizes = [0, *map(len, self.about.values()), *map(self.size, self.shapes)]
        size = sum(-(-size // block) + 1 for size in sizes) * block
        if free is not None and size > free:
            problem = "recording is larger than the free disk"
            raise LimitError("RUN-3", str(self.path), problem, f"{size} bytes", f"{free} free")

    def size(self, key: Key) -> int:
        """The bytes of an array's file."""
        shape, kind = self.shapes[key]
        return len(self.heads[key]) + int(np.prod(shape, dtype=object)) * kind.itemsize

    def file(self, key: Key) -> str:
        """The file of an array: population.I.OBSERVABLE.npy or projection.J.sums.npy, by index."""
        return f"{self.places[key[0], key[1] == 'sums']}.{key[1]}.npy"

    def description(self) -> dict[str, Any]:
        """What `recording.json` says: what each file holds, and name, start, steps and neurons of each population
        (RUN-3).
        """
        assert self.selection is not None
        plan, populations = self.net.schedule, []
        for name, neurons in self.selection.neurons.items():
            chosen = "all" if len(neurons) == self.net[name].neurons else neurons.tolist()
            window = [plan.start[name] + t for t in self.selection.window[name].tolist()]
            populations.append({"name": name, "K": self.net.steps[name], "steps": window, "neurons": chosen})
        files = {
            self.file(key): {"of": key[0], "observable": key[1], "shape": list(shape)}
            for key, (shape, _) in self.shapes.items()
        }
        said = {"fsref": __version__, "spec_version": SPEC_VERSION, "schema": SCHEMA}
        said |= {"network": self.net.name, "id": self.net.id, "image_count": self.image_count, "note": NOTE}
        if self.taken is not None:
            said["taken"] = asdict(self.taken)
        return {**said, "populations": populations, "files": files}

    def keep(self, rows: slice, activity: Activity) -> None:
        """Record what is selected of one population's activity for the images `rows`."""
        name, selection = activity.population, self.selection
        if selection is None or name not in selection.neurons:
            return
        window, steps = selection.window[name], self.net.steps[name]
        # All, which ascend, without a copy.
        some = selection.neurons[name]
        chosen = slice(None) if len(some) == self.net[name].neurons else some
        for projection, total in activity.sums.items():
            if (projection, "sums") in self.shapes:
                self._put((projection, "sums"), rows, total.reshape(len(total), -1)[:, chosen])
        whole = len(window) == steps
        mask = np.uint16(sum(1 << (steps - 1 - t) for t in window.tolist()))
        values = {
            "opening": activity.opening,
            "codes": activity.codes,
            "membranes": activity.membranes,
            "spikes": activity.trains if whole or activity.trains is None else activity.trains & mask,
        }
        for observable, value in values.items():
            if (name, observable) in self.shapes and value is not None:
                flat = value.reshape(*value.shape[:-3], -1)[..., chosen]
                self._put((name, observable), rows, flat[:, window] if observable == "membranes" else flat)

    def _put(self, key: Key, rows: slice, values: NDArray[Any]) -> None:
        """Put an array's values for the images `rows` where they belong."""
        if self.folder is None:
            self.arrays[key][rows] = values
            return
        shape, kind = self.shapes[key]
        head = len(self.heads[key])
        each = (self.size(key) - head) // shape[0]
        self.folder.put(self.file(key), head + rows.start * each, np.ascontiguousarray(values, kind).data)

    def __enter__(self) -> Store:
        if self.folder is None:
            self.arrays = {key: np.zeros(shape, kind) for key, (shape, kind) in self.shapes.items()}
            return self
        self.folder.__enter__()
        try:
            for name, data in self.about.items():
                self.folder.add(name, data)
            for key, head in self.heads.items():
                self.folder.add(self.file(key), head, self.size(key))
            self.about = {}
        except BaseException as error:
            self.folder.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.folder is not None:
            self.folder.__exit__(kind, error, trace)

    def trace(self) -> Trace | None:
        """The recording, None where nothing was selected."""
        if self.selection is None:
            return None
        if self.folder is None:
            return Trace(self.net, self.image_count, self.selection, self.arrays)
        places = {
            key: Place(self.folder.path / self.file(key), len(self.heads[key]), shape, kind)
            for key, (shape, kind) in self.shapes.items()
        }
        return Trace(self.net, self.image_count, self.selection, OnDisk(places))
