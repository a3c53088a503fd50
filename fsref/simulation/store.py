"""Where a recording goes: memory, or a folder that appears complete or not at all and says itself what it holds
(RUN-3).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines.activity import Activity
from fsref.errors import LimitError, UsageError
from fsref.formats.files import NewFolder
from fsref.formats.npz import to_bytes
from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.simulation.recording import Key, Selection, Trace, recording_bytes
from fsref.version import SPEC_VERSION, __version__

SCHEMA = 1  # of recording.json
NOTE = "spikes are train words: the first spike is the highest of K bits (EVENT-2); axes are image, step, neuron"


class Store:
    """A recording in the making; `trace()` gives it back once the block is left."""

    def __init__(self, net: Network, selection: Selection | None, image_count: int, path: Path | None) -> None:
        self.net, self.selection, self.image_count, self.path = net, selection, image_count, path
        self.arrays: dict[Key, NDArray[Any]] = {}
        self.folder: NewFolder | None = None
        if selection is None or path is None:
            return
        if not selection.arrays(net, image_count):
            limit = f"observables of {', '.join(selection.neurons) or 'no population'}: {', '.join(OBSERVABLES)}"
            raise UsageError("RUN-3", str(path), "nothing would be recorded here", None, limit)
        self.folder = NewFolder(path, "RUN-3", "recording")
        self.network = to_bytes(net)
        size = recording_bytes(net, selection, image_count) + len(self.network)
        free = shutil.disk_usage(path.parent).free
        if size > free:
            problem = "recording is larger than the free disk"
            raise LimitError("RUN-3", str(path), problem, f"{size} bytes", f"{free} free")

    def file(self, key: Key) -> str:
        """The file of an array: population.I.OBSERVABLE.npy or projection.J.sums.npy, by index."""
        if key[1] == "sums":
            return f"projection.{list(self.net.named_projections).index(key[0])}.sums.npy"
        return f"population.{[p.name for p in self.net.populations].index(key[0])}.{key[1]}.npy"

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
            self.file(key): {"of": key[0], "observable": key[1], "shape": list(a.shape)}
            for key, a in self.arrays.items()
        }
        said = {"fsref": __version__, "spec_version": SPEC_VERSION, "schema": SCHEMA}
        said |= {"network": self.net.name, "id": self.net.id, "image_count": self.image_count, "note": NOTE}
        return {**said, "populations": populations, "files": files}

    def keep(self, rows: slice, activity: Activity) -> None:
        """Record what is selected of one population's activity for the images `rows`."""
        name, selection = activity.population, self.selection
        if selection is None or name not in selection.neurons:
            return
        chosen, window, steps = selection.neurons[name], selection.window[name], self.net.steps[name]
        for projection, total in activity.sums.items():
            if (projection, "sums") in self.arrays:
                self.arrays[projection, "sums"][rows] = total.reshape(len(total), -1)[:, chosen]
        mask = np.uint16(sum(1 << (steps - 1 - t) for t in window.tolist()))
        values = {
            "opening": activity.opening,
            "codes": activity.codes,
            "membranes": activity.membranes,
            "spikes": None if activity.trains is None else activity.trains & mask,
        }
        for observable, value in values.items():
            if (name, observable) in self.arrays and value is not None:
                flat = value.reshape(*value.shape[:-3], -1)[..., chosen]
                self.arrays[name, observable][rows] = flat[:, window] if observable == "membranes" else flat

    def __enter__(self) -> Store:
        if self.selection is None:
            return self
        arrays = self.selection.arrays(self.net, self.image_count)
        if self.folder is None:
            self.arrays = {key: np.zeros(shape, kind) for key, (shape, kind) in arrays.items()}
            return self
        making = self.folder.__enter__()
        try:
            for key, (shape, kind) in arrays.items():
                self.arrays[key] = np.lib.format.open_memmap(making / self.file(key), "w+", kind, shape)
            (making / "network.fs.npz").write_bytes(self.network)
            self.network = b""
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.folder is None:
            return
        keys, about = list(self.arrays), self.description()
        self.arrays = {}  # closes the maps
        if kind is None:
            text = json.dumps(about, indent=1) + "\n"
            (self.folder.making / "recording.json").write_text(text, encoding="utf-8")
        self.folder.__exit__(kind, error, trace)
        if kind is None:
            self.arrays = {key: np.load(self.folder.path / self.file(key), mmap_mode="r") for key in keys}

    def trace(self) -> Trace | None:
        """The recording, None where nothing was selected."""
        return None if self.selection is None else Trace(self.net, self.image_count, self.selection, self.arrays)
