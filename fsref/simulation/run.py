"""Run a network on images with one of the engines: check, bound the memory, batch, record (RUN-1 to RUN-3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsref.engines.engine import Engine, counter_of, engine_of, kernels_of, name_of
from fsref.errors import UsageError, public, shown
from fsref.formats.bundled import network_of
from fsref.formats.files import path_of
from fsref.law.classes import check_classifier, classes_of
from fsref.law.images import check_images
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.simulation.given import check_activity, check_counted
from fsref.simulation.memory import batch_of, check_memory, check_threads, run_bytes
from fsref.simulation.recording import Record, Selection, Trace, select
from fsref.simulation.store import Store
from fsref.simulation.workers import workers
from fsref.tables import Sheet, Shown, plural, sizes, span

ROWS = 20
CLASS = 60  # characters of the name of a class


@dataclass(frozen=True, eq=False, repr=False)
class Result(Shown):
    """What a run gives: outputs, of a classifier logits (B, classes) int64 and predictions (B,), spikes per image and
    population, and the recording, if one was asked for.

    `outputs` maps each readout to its opening membranes, (B, C, H, W) int64 (NET-8). `engine` and `kernels` say what
    ran. `spike_counts` maps each spiking population to the spikes it sent, (B,) int64. `codes` maps each recorded
    population to (B, neurons).
    """

    net: Network
    engine: str
    outputs: Mapping[str, Ints]
    spike_counts: Mapping[str, Ints]
    trace: Trace | None = None
    kernels: str = ""

    @property
    def image_count(self) -> int:
        """How many images ran."""
        return len(self.outputs[self.net.readout.name])

    @property
    def logits(self) -> Ints:
        """The logits of a classifier, (B, classes) (NET-8). Errors: UsageError for any other network."""
        check_classifier(self.net, "NET-8", "logits", "result.outputs has what it gives")
        return self.outputs[self.net.readout.name][:, :, 0, 0]

    @property
    def predictions(self) -> Ints:
        """The class of each image: the largest logit, the lowest index on a tie; of one logit class 1 at 0 or above
        (NET-8). Errors: UsageError for a network that is no classifier.
        """
        return classes_of(self.logits)

    @property
    def codes(self) -> dict[str, Ints]:
        """Recorded codes by population, (B, neurons)."""
        arrays = {} if self.trace is None else self.trace.arrays
        return {name: a for (name, kind), a in arrays.items() if kind == "codes"}

    def __repr__(self) -> str:
        names = ", ".join(f"{name} {sizes(values.shape[1:])}" for name, values in self.outputs.items())
        told = f"predictions {self.predictions.tolist()[:10]}" if self.net.is_classifier else f"outputs {names}"
        return f"<Result of {self.engine}: {self.image_count} images, {told}>"

    def to_dict(self) -> dict[str, Any]:
        """The result as plain JSON values: all logits and predictions, or outputs, and spike counts, without the
        recording.
        """
        return {key: listed(value) for key, value in self.told().items()}

    def told(self) -> dict[str, Any]:
        """What `to_dict` gives, its arrays as they are."""
        plain: dict[str, Any] = {"network": self.net.name, "id": self.net.id}
        plain |= {"engine": self.engine, "kernels": self.kernels}
        plain |= {"image_count": self.image_count}
        if self.net.is_classifier:
            plain |= {"logits": self.logits, "predictions": self.predictions}
        else:
            plain |= {"outputs": self.outputs}
        return {**plain, "spike_counts": self.spike_counts}

    def sheet(self, names: Iterable[str] = (), labels: Ints | None = None, images: Sequence[int] = ()) -> Sheet:
        """The result as a table: class and largest logits, or the span of each output, and spikes of each image, the
        first 20; `names`, true `labels` (B,) and the numbers that the `images` have where they come from, where given.
        """
        net, spiking, named = self.net, self.net.spiking, list(names)
        spikes = np.stack([self.spike_counts[p.name] for p in spiking]).sum(axis=0).tolist()
        true = ["label"] if labels is not None else []
        answers = ["prediction", "largest logits"] if net.is_classifier else list(self.outputs)
        head = ["image", *(["name"] if named else []), *true, *answers, "spikes"]
        rows = []
        for b in range(min(ROWS, len(spikes))):
            told = [*named[b : b + 1], *([class_name(net, int(labels[b]))] if labels is not None else [])]
            rows.append([str(images[b] if images else b), *told, *self.answers(b), spikes[b]])
        more = [("...", f"and {plural(len(spikes) - ROWS, 'more image')}")] if len(spikes) > ROWS else []
        counted = [(p, f"{self.spike_counts[p.name].mean():,.1f} spikes per image") for p in spiking]
        means = [(p.name, f"{mean} of {plural(p.neurons, 'neuron')}") for p, mean in counted]
        title = f"{net.name or 'network'}: {plural(len(spikes), 'image')}, engine {self.engine}"
        title += f", latency {plural(net.schedule.latency, 'step')}"
        return Sheet(title, head, rows, left=len(head) - 1, below=[*more, *means])

    def answers(self, b: int) -> list[str]:
        """What an image gives, in words: its class and largest logits, or the least and the most of each output."""
        if self.net.is_classifier:
            return [class_name(self.net, int(self.predictions[b])), "   ".join(largest(self.net, self.logits[b]))]
        return [span(int(values[b].min()), int(values[b].max())) for values in self.outputs.values()]


def listed(value: Any) -> Any:
    """Arrays, and mappings of them, as lists."""
    if isinstance(value, Mapping):
        return {key: listed(own) for key, own in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


def class_name(net: Network, index: int) -> str:
    """A class as its number, and its name where it has another."""
    named = shown(net.class_names[index], CLASS) if net.class_names else str(index)
    return str(index) if named == str(index) else f"{index} {named}"


def largest(net: Network, logits: Ints, top: int = 3) -> Iterator[str]:
    """The `top` largest of the logits of one image, each after its class; one logit by itself."""
    if len(logits) == 1:
        yield f"{int(logits[0]):,}"
        return
    for c in np.argsort(-logits, kind="stable")[:top].tolist():
        yield f"{class_name(net, c)}: {int(logits[c]):,}"


def recorded(net: Network, record: Record | Iterable[str] | None) -> tuple[Selection | None, Record]:
    """What a run is to record, None where nothing, and the Record that says so. Errors: UsageError."""
    if record is None:
        return None, Record()
    asked = record if isinstance(record, Record) else Record(populations=record)
    if asked.path is None and asked.replace:
        raise UsageError("RUN-5", "record", "replace goes with a path", None, "Record(path=DIR, replace=True)")
    if asked.path is not None:
        asked = replace(asked, path=path_of(asked.path, "record"))
    return select(net, asked), asked


def wanted_of(net: Network, selection: Selection | None) -> dict[str, frozenset[str]]:
    """The observables to keep of each population."""
    if selection is None:
        return {}
    return {name: frozenset(selection.observables) & net[name].observables for name in selection.neurons}


@public
def run(
    net: Network | str | PathLike[str],
    images: ArrayLike,
    engine: str | Engine = "events",
    record: Record | Iterable[str] | None = None,
    batch: int | None = None,
    threads: int | None = None,
    memory_limit: int = 2**33,
) -> Result:
    """The result of running a network on images (B, C, H, W) of input codes: outputs, spike counts and what `record`
    names.

    `net` is a network, the path of one, or a bundled name; `engine` a name or whatever has `simulator(net)` and
    `working_bytes(net)`. `record` is a Record or names of populations (spikes and codes of them). `batch` and `threads`
    change the speed, never a value (RUN-2). `memory_limit` is in bytes. Errors: InputError, UsageError, and LimitError
    before the run starts (RUN-3).
    """
    net = network_of(net)
    working = engine_of(engine)
    x = check_images(net.input, images)
    selection, record = recorded(net, record)
    threads = min(check_threads(threads), len(x))
    if batch is not None and not (isinstance(batch, int) and batch >= 1):
        raise UsageError("RUN-2", "run", "batch is 1 or more", batch)
    asked = net, len(x), engine, selection, record.path is not None
    size = batch or batch_of(*asked, threads, memory_limit)
    check_memory(run_bytes(*asked, size, threads), memory_limit, "run")
    outputs = {p.name: np.empty((len(x), *p.shape), np.int64) for p in net.readouts}
    spikes = np.zeros((len(net.spiking), len(x)), np.int64)
    counts = {p.name: own for p, own in zip(net.spiking, spikes, strict=True)}
    wanted = wanted_of(net, selection)

    def one_batch(first: int) -> None:
        rows = slice(first, min(first + size, len(x)))
        if count is not None:
            logits, spikes.T[rows] = check_counted(net, count(x[rows]), rows.stop - rows.start)
            end = 0
            for p in net.readouts:
                begin, end = end, end + p.neurons
                outputs[p.name][rows] = logits[:, begin:end].reshape(-1, *p.shape)
            return
        missing = {p.name for p in net.populations}
        assert simulate is not None
        for activity in simulate(x[rows], wanted):
            check_activity(net, activity, rows.stop - rows.start, missing, wanted)
            missing.remove(activity.population)
            if activity.population in outputs:
                assert activity.opening is not None
                outputs[activity.population][rows] = activity.opening
            elif activity.counts is not None:
                counts[activity.population][rows] = activity.counts
            else:
                assert activity.trains is not None  # one of the two is there
                sent = np.bitwise_count(activity.trains).sum(axis=(1, 2, 3), dtype=np.int64)
                counts[activity.population][rows] = sent
            store.keep(rows, activity)
            del activity  # before the next is made
        if missing:
            raise UsageError("RUN-2", "engine", "gave no activity of a population", min(missing), "all of the network")

    store = Store(net, selection, len(x), record)
    count = counter_of(engine, net) if selection is None else None
    with store, workers(threads) as pool:
        simulate = working.simulator(net) if count is None else None
        for _ in pool.map(one_batch, range(0, len(x), size)):
            pass
    return Result(net, name_of(engine), outputs, counts, store.trace(), kernels_of(engine, net))
