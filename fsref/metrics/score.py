"""How well and how cheaply a network answers labelled images: accuracy, spikes, SynOps, latency, speed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.engines.engine import Engine, name_of
from fsref.errors import UsageError, public
from fsref.formats.bundled import network_of
from fsref.law.classes import check_classifier
from fsref.law.images import check_codes, check_labels
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.metrics.chance import guessing
from fsref.metrics.counts import Counts
from fsref.metrics.interval import interval
from fsref.metrics.parts import Asked
from fsref.metrics.shards import parts
from fsref.tables import Sheet, Shown, plural, short


@dataclass(frozen=True, eq=False, repr=False)
class Score(Shown):
    """What `evaluate` found. `counts` are exact, over all `image_count` images; spikes and SynOps are means per image,
    made of them.

    `predicted` classes are (B,), None of a network without classes (NET-8), true `labels` (B,), None where there are
    none. `engine` and `kernels` say what ran; `images_per_second` is of warm runs, recording of trains included, each
    on the machine that did it.
    """

    net: Network
    engine: str
    kernels: str
    image_count: int
    predicted: Ints | None
    labels: Ints | None
    counts: Counts
    latency_steps: int
    images_per_second: float

    @property
    def predictions(self) -> Ints:
        """The class of each image, (B,). Errors: UsageError of a network without classes."""
        if self.predicted is None:
            check_classifier(self.net, "NET-8", "predictions", "fsref.run gives its outputs")
        assert self.predicted is not None
        return self.predicted

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Whether the class of each image is its label, (B,). Errors: UsageError of a network without classes, or
        without labels.
        """
        predictions = self.predictions
        if self.labels is None:
            raise UsageError("RUN-1", "accuracy", "the images have no labels", None, "evaluate(net, x, labels)")
        found: NDArray[np.bool_] = predictions == self.labels
        return found

    @property
    def correct(self) -> int:
        """How many predictions are the label. Errors: as `hits`."""
        return int(self.hits.sum())

    @property
    def accuracy(self) -> float:
        """The share of images whose class is their label, 0..1. Errors: as `hits`."""
        return self.correct / self.image_count

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of `accuracy`, 0..1 (COUNT-10). Errors: as `hits`."""
        return interval(self.correct, self.image_count)

    @property
    def neurons(self) -> dict[str, int]:
        """The neurons of each population that spikes."""
        return {name: len(total) for name, total in self.counts.by_neuron.items()}

    @property
    def spikes(self) -> dict[str, float]:
        """The spikes of each population that spikes, mean per image."""
        return {name: int(sent.sum()) / self.image_count for name, sent in self.counts.spikes.items()}

    @property
    def synops_by_projection(self) -> dict[str, float]:
        """The SynOps of each projection by its name, mean per image (OBS-3)."""
        return {label: int(taken.sum()) / self.image_count for label, taken in self.counts.synops.items()}

    @property
    def synops(self) -> float:
        """The SynOps of all projections, mean per image (OBS-3)."""
        return sum(int(taken.sum()) for taken in self.counts.synops.values()) / self.image_count

    @property
    def fs_neurons(self) -> int:
        """How many FS neurons there are."""
        return self.net.fs_neurons

    @property
    def spikes_per_neuron(self) -> float:
        """The spikes of an FS neuron, mean over FS neurons and images."""
        sent = sum(int(self.counts.spikes[p.name].sum()) for p in self.net.fs)
        return sent / self.image_count / max(1, self.fs_neurons)

    @property
    def most_spikes_per_neuron(self) -> float:
        """The spikes of an FS neuron, mean over FS neurons, of the image that spikes most."""
        return self.counts.busiest / max(1, self.fs_neurons)

    @property
    def notes(self) -> tuple[str, ...]:
        """What speaks for wrong images, labels or order of classes."""
        if self.labels is None:
            return ()
        found = guessing("accuracy", self.correct, self.image_count, self.net.class_count)
        return (found,) if found else ()

    def to_dict(self) -> dict[str, Any]:
        """The score as plain JSON values, without the predictions."""
        names = (
            "engine",
            "kernels",
            "image_count",
            *(["correct", "accuracy"] if self.labels is not None else []),
            "spikes_per_neuron",
            "most_spikes_per_neuron",
        )
        plain = {name: getattr(self, name) for name in names}
        if self.labels is not None:
            plain["accuracy_interval"] = list(self.interval)
        plain |= {
            "spikes_per_image": self.spikes,
            "neurons_by_population": self.neurons,
            "synops_per_image": self.synops,
            "synops_by_projection": self.synops_by_projection,
        }
        plain |= {
            "latency_steps": self.latency_steps,
            "images_per_second": self.images_per_second,
            "counts": self.counts.to_dict(),
        }
        return {"network": self.net.name, "id": self.net.id, **plain, "notes": list(self.notes)}

    def __repr__(self) -> str:
        of = f"{self.correct} of {self.image_count} right" if self.labels is not None else f"{self.image_count} images"
        return short(f"<Score of {self.net.name or 'a network'}: {of}>")

    def sheet(self) -> Sheet:
        """The score as a table: the figures, and spikes and SynOps by the population that sends, "-" for one without
        synapses: it feeds max_pools alone.
        """
        rows, spikes, synops = [], self.spikes, self.synops_by_projection
        for name, n in self.neurons.items():
            leaving = [synops[q] for q in self.net.out_of(name)]
            caused = f"{sum(leaving):,.1f}" if leaving else "-"
            rows.append((name, n, f"{spikes[name]:,.1f}", f"{spikes[name] / n:.3f}", caused))
        each = f"FS neurons, mean over images; {self.most_spikes_per_neuron:.3f} in the busiest image"
        told = "none: the images have no labels" if self.net.class_count else "none: the network has no classes (NET-8)"
        if self.labels is not None:
            told = f"{100 * self.accuracy:.2f} %  ({self.correct:,} of {self.image_count:,})"
        above = [
            ("accuracy", told),
            ("spikes per neuron", f"{self.spikes_per_neuron:.3f}  ({each})"),
            ("SynOps per image", f"{self.synops:,.1f}"),
            ("latency", plural(self.latency_steps, "step")),
            ("speed", f"{self.images_per_second:,.0f} images per second"),
        ]
        title = f"{self.net.name or 'network'}: {plural(self.image_count, 'image')}, engine {self.engine}"
        head = ("population", "neurons", "spikes per image", "per neuron", "SynOps caused per image")
        return Sheet(title, head, rows, above=above, below=[("note", note) for note in self.notes])


@public
def evaluate(
    net: Network | str | PathLike[str],
    x: ArrayLike,
    y: ArrayLike | None,
    engine: str | Engine = "events",
    batch: int | None = None,
    threads: int | None = None,
    memory_limit: int = 2**33,
    progress: Callable[[int], None] | None = None,
    *,
    resume: str | PathLike[str] | None = None,
    dask: str | None = None,
) -> Score:
    """The score of the network `net` on images x (B, C, H, W) with labels y (B,); without accuracy where y is None, as
    it has to be of a network without classes (NET-8).

    Trains are recorded and counted a chunk of images at a time, by threads that share the images, so memory does not
    grow with B; x may lie on a disk (`np.load(..., mmap_mode="r")`). `progress` is called with the images of each
    chunk. With `resume`, a folder, shards of images are kept there, and those that are there are not run again (RUN-7).
    With `dask`, the address of a scheduler, its workers run the shards (RUN-8); `threads` are then those of one shard,
    one unless given, and `memory_limit`, in bytes, holds on either side. `batch` and `threads` change the speed, never
    a value. Errors: InputError for images or labels, UsageError for the engine, the folder or the cluster, FileError
    for a shard, LimitError.
    """
    net = network_of(net)
    images = check_codes(x, net.input.shape, net.input.max_code)
    labels = None if y is None else check_labels(y, len(images), net.class_count)
    asked = Asked(engine, True, batch, threads, memory_limit)
    predicted = np.empty(len(images), np.int64)
    seconds, kernels = 0.0, dict[str, None]()
    counts: Counts | None = None
    for rows, part in parts(net, images, asked, resume, dask, progress):
        if part.predictions is not None:
            predicted[rows] = part.predictions
        assert part.counts is not None
        counts = part.counts if counts is None else counts + part.counts
        seconds += part.seconds
        kernels[part.kernels] = None
        del part  # before the next is made
    assert counts is not None
    return Score(
        net=net,
        engine=name_of(engine),
        kernels="; ".join(sorted(kernels)),
        image_count=len(images),
        predicted=predicted if net.is_classifier else None,
        labels=labels,
        counts=counts,
        latency_steps=net.schedule.latency,
        images_per_second=len(images) / max(seconds, 1e-9),
    )
