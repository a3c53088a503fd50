"""Run a network on images with one of the engines: check, bound the memory, batch, record (RUN-1 to RUN-3)."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.engines.activity import Activity
from fsref.errors import InputError, LimitError, UsageError
from fsref.version import SPEC_VERSION
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.schedule import schedule
from fsref.simulation.recording import Key, Record, Selection, Trace, observables_of, select

ENGINES = ("events", "quantized", "reference")
BATCH_BYTES = 2**28


@dataclass(frozen=True, eq=False)
class Result:
    """What a run gives: logits (B, classes) int64, labels (B,), spikes per image and population, and the recording, if
    one was asked for.

    `spike_counts` maps each spiking population to the spikes it sent, (B,) int64. `codes` maps each recorded population
    to (B, neurons).
    """

    net: Network
    engine: str
    logits: Ints
    spike_counts: Mapping[str, Ints]
    trace: Trace | None = None

    @property
    def labels(self) -> Ints:
        """The class of each image: the largest logit, the lowest index on a tie (NET-8)."""
        best: Ints = np.argmax(self.logits, axis=1)
        return best

    @property
    def codes(self) -> dict[str, Ints]:
        """Recorded codes by population, (B, neurons)."""
        return (
            {} if self.trace is None else {name: a for (name, kind), a in self.trace.arrays.items() if kind == "codes"}
        )

    def __repr__(self) -> str:
        return f"<Result of {self.engine}: {len(self.logits)} images, labels {self.labels.tolist()[:10]}>"

    def __str__(self) -> str:
        from fsref.reports.text import result_sheet

        return str(result_sheet(self))

    def _repr_html_(self) -> str:
        from fsref.reports.text import result_sheet

        return result_sheet(self).html()


def check_images(net: Network, images: ArrayLike) -> Ints:
    """The images as int64 (B, C, H, W), when they are codes of this network's input (RUN-1). Errors: InputError."""
    try:
        given = np.asarray(images)
    except ValueError:
        raise InputError(
            "RUN-1", "images", "not an array", type(images).__name__, "integer codes (B, C, H, W)"
        ) from None
    shape, high = net.input.shape, net.input.max_code
    if given.dtype.kind not in "iu":
        raise InputError("RUN-1", "images", "not an array of integers", given.dtype, f"integer codes 0..{high}")
    if given.ndim == 3 and shape == (1, *given.shape[1:]):
        given = given[:, None]
    if given.ndim != 4 or given.shape[1:] != shape:
        raise InputError(
            "RUN-1", "images", "shape does not meet the input", given.shape, f"(B, {shape[0]}, {shape[1]}, {shape[2]})"
        )
    if len(given) == 0:
        raise InputError("RUN-1", "images", "there are none", 0, "1 or more")
    wrong = (given < 0) | (given > high)
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0].tolist())
        raise InputError("RUN-1", f"images{list(at)}", "code out of range", int(given[at]), f"0..{high}")
    return np.ascontiguousarray(given, dtype=np.int64)


def check_threads(threads: int | None) -> int:
    """The number of threads asked for, without one that of the processors (RUN-2). Errors: UsageError."""
    chosen = os.cpu_count() or 1 if threads is None else threads
    if not isinstance(chosen, int) or chosen < 1:
        raise UsageError("RUN-2", "run", "threads are 1 or more", threads)
    return chosen


def engine_module(engine: str) -> Any:
    """The module of an engine, imported on first use (RUN-2). Errors: UsageError."""
    if engine not in ENGINES:
        raise UsageError("RUN-2", "engine", "unknown engine", engine, ", ".join(ENGINES))
    return import_module(f"fsref.engines.{engine}")


def recording_bytes(net: Network, selection: Selection, images: int) -> int:
    """The exact size of a recording in bytes."""
    return sum(
        int(np.prod(shape, dtype=object)) * kind.itemsize for shape, kind in selection.arrays(net, images).values()
    )


def memory_bound(
    net: Network,
    images: int,
    engine: str = "events",
    record: Selection | None = None,
    on_disk: bool = False,
    batch: int = 1,
    threads: int = 1,
) -> int:
    """A bound, in bytes, on what a run of `images` images adds to the process's memory (RUN-3)."""
    neurons = sum(int(np.prod(p.shape)) * (net.steps[p.name] + 8) for p in net.populations)
    working = int(engine_module(engine).working_bytes(net)) + 16 * neurons
    outputs = images * (
        8 * (net.readout.shape[0] + len(net.populations)) + 11 * int(np.prod(net.input.shape))
    )  # 11: the codes, and checking them
    kept = 0 if record is None or on_disk else recording_bytes(net, record, images)
    return min(images, batch * threads) * working + outputs + kept


def run(
    net: Network,
    images: ArrayLike,
    engine: str = "events",
    record: Record | Iterable[str] | None = None,
    batch: int | None = None,
    threads: int | None = None,
    memory_limit: int = 2**33,
) -> Result:
    """The result of running a network on images (B, C, H, W) of input codes: logits, spike counts and what `record`
    names.

    `record` is a Record or names of populations (spikes and codes of them). `batch` and `threads` change the speed,
    never a value (RUN-2). `memory_limit` is in bytes. Errors: InputError, UsageError, and LimitError before the run
    starts (RUN-3).
    """
    module = engine_module(engine)
    x = check_images(net, images)
    asked = None if record is None else record if isinstance(record, Record) else Record(populations=record)
    selection = None if asked is None else select(net, asked)
    threads = min(check_threads(threads), len(x))
    if batch is not None and not (isinstance(batch, int) and batch >= 1):
        raise UsageError("RUN-2", "run", "batch is 1 or more", batch)
    single = memory_bound(net, 1, engine)
    size = batch or max(1, min(64, -(-len(x) // threads), BATCH_BYTES // single))
    path = None if asked is None or asked.path is None else Path(asked.path)
    bound = memory_bound(net, len(x), engine, selection, path is not None, size, threads)
    if not bound <= memory_limit:
        raise LimitError(
            "RUN-3", "run", "needs more memory than allowed", f"{bound} bytes", f"memory_limit {memory_limit}"
        )
    logits = np.empty((len(x), net.readout.shape[0]), np.int64)
    counts = {p.name: np.zeros(len(x), np.int64) for p in net.populations[:-1]}
    wanted = (
        {}
        if selection is None
        else {name: frozenset(selection.observables) & observables_of(net, name) for name in selection.neurons}
    )

    def one_batch(first: int) -> None:
        rows = slice(first, min(first + size, len(x)))
        for activity in simulate(x[rows], wanted):
            if activity.trains is None:
                assert activity.opening is not None
                logits[rows] = activity.opening[:, :, 0, 0]
            else:
                counts[activity.population][rows] = np.bitwise_count(activity.trains).sum(
                    axis=(1, 2, 3), dtype=np.int64
                )
            store.keep(rows, activity)

    store = Store(net, selection, len(x), path)
    with store, ThreadPoolExecutor(threads) as pool:
        simulate = module.simulator(net)
        for done in [pool.submit(one_batch, first) for first in range(0, len(x), size)]:
            done.result()
    trace = None if selection is None else Trace(net, len(x), selection, store.arrays)
    return Result(net, engine, logits, counts, trace)


class Store:
    """Where a recording goes: memory, or a directory that appears complete or not at all (RUN-3)."""

    def __init__(self, net: Network, selection: Selection | None, images: int, path: Path | None) -> None:
        self.net, self.selection, self.path = net, selection, path
        self.arrays: dict[Key, NDArray[Any]] = {}
        self.making: Path | None = None
        if selection is None:
            return
        arrays = selection.arrays(net, images)
        if path is None:
            self.arrays = {key: np.zeros(shape, kind) for key, (shape, kind) in arrays.items()}
            return
        if path.exists():
            raise UsageError("RUN-3", str(path), "the recording would overwrite what is there")
        if not path.parent.is_dir():
            raise UsageError("RUN-3", str(path.parent), "no such directory")
        size, free = recording_bytes(net, selection, images), shutil.disk_usage(path.parent).free
        if size > free:
            raise LimitError(
                "RUN-3", str(path), "recording is larger than the free disk", f"{size} bytes", f"{free} free"
            )
        try:
            self.making = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
            for key, (shape, kind) in arrays.items():
                self.arrays[key] = np.lib.format.open_memmap(self.making / self.file(key), "w+", kind, shape)
        except OSError as error:
            self.__exit__(type(error), error, None)
            raise UsageError("RUN-3", str(path), "cannot be written", error.strerror or str(error)) from None

    def file(self, key: Key) -> str:
        """The file of an array: population.I.OBSERVABLE.npy or projection.J.sums.npy, by index."""
        if key[1] == "sums":
            return f"projection.{self.net.labels.index(key[0])}.sums.npy"
        return f"population.{[p.name for p in self.net.populations].index(key[0])}.{key[1]}.npy"

    def description(self) -> dict[str, Any]:
        """What `recording.json` says: what each file holds, and name, start, steps and neurons of each population
        (RUN-3).
        """
        assert self.selection is not None
        plan, populations = schedule(self.net), []
        for name, neurons in self.selection.neurons.items():
            every = len(neurons) == int(np.prod(self.net[name].shape))
            window = [plan.start[name] + t for t in self.selection.window[name].tolist()]
            populations.append(
                {
                    "name": name,
                    "K": self.net.steps[name],
                    "steps": window,
                    "neurons": "all" if every else neurons.tolist(),
                }
            )
        files = {
            self.file(key): {"of": key[0], "observable": key[1], "shape": list(a.shape)}
            for key, a in self.arrays.items()
        }
        note = (
            "spikes are train words: the first spike is the highest of K bits "
            "(EVENT-2); axes are image, step (membranes alone), neuron"
        )
        return {
            "spec_version": SPEC_VERSION,
            "id": self.net.id,
            "note": note,
            "populations": populations,
            "files": files,
        }

    def keep(self, rows: slice, activity: Activity) -> None:
        """Record what is selected of one population's activity for the images `rows`."""
        name, selection = activity.population, self.selection
        if selection is None or name not in selection.neurons:
            return
        chosen, window, steps = selection.neurons[name], selection.window[name], self.net.steps[name]
        for index, total in activity.sums.items():
            key = self.net.labels[index], "sums"
            if key in self.arrays:
                self.arrays[key][rows] = total.reshape(len(total), -1)[:, chosen]
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
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self.making is None or self.path is None:
            return
        keys, about = list(self.arrays), self.description()
        self.arrays = {}  # closes the maps
        if kind is not None:
            shutil.rmtree(self.making, ignore_errors=True)
            return
        (self.making / "recording.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        self.making.chmod(0o755)
        self.making.rename(self.path)
        self.arrays = {key: np.load(self.path / self.file(key), mmap_mode="r") for key in keys}
