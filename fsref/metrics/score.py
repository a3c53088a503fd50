"""How well and how cheaply a network answers labelled images: accuracy, spikes, SynOps, latency, speed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsref.metrics.counts import Counts, count
from fsref.errors import InputError
from fsref.metrics.fan_out import fan_outs
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS
from fsref.simulation.run import check_images, recording_bytes, run
from fsref.law.schedule import schedule
from fsref.simulation.recording import Record, select

CHUNK_BYTES = 2**27
CHUNK_IMAGES = 1024


@dataclass(frozen=True, eq=False)
class Score:
    """What `evaluate` found. `counts` are exact, over all images; spikes and SynOps are means per image, made of them.

    `predictions` is (images,); `images_per_second` is of warm runs, recording of trains included.
    """

    net: Network
    engine: str
    images: int
    correct: int
    predictions: Ints
    counts: Counts
    latency_steps: int
    images_per_second: float

    @property
    def accuracy(self) -> float:
        """The share of images whose class is their label, 0..1."""
        return self.correct / self.images

    @property
    def neurons(self) -> dict[str, int]:
        """The neurons of each population that spikes."""
        return {name: len(total) for name, total in self.counts.by_neuron.items()}

    @property
    def spikes(self) -> dict[str, float]:
        """The spikes of each population that spikes, mean per image."""
        return {name: int(sent.sum()) / self.images for name, sent in self.counts.spikes.items()}

    @property
    def synops_by_projection(self) -> dict[str, float]:
        """The SynOps of each projection by its label, mean per image (OBS-3)."""
        return {label: int(taken.sum()) / self.images for label, taken in self.counts.synops.items()}

    @property
    def synops(self) -> float:
        """The SynOps of all projections, mean per image (OBS-3)."""
        return sum(int(taken.sum()) for taken in self.counts.synops.values()) / self.images

    @property
    def fs_neurons(self) -> int:
        """How many FS neurons there are."""
        return sum(n for name, n in self.neurons.items() if isinstance(self.net[name], FS))

    @property
    def spikes_per_neuron(self) -> float:
        """The spikes of an FS neuron, mean over FS neurons and images."""
        sent = sum(int(total.sum()) for name, total in self.counts.spikes.items() if isinstance(self.net[name], FS))
        return sent / self.images / max(1, self.fs_neurons)

    @property
    def most_spikes_per_neuron(self) -> float:
        """The spikes of an FS neuron, mean over FS neurons, of the image that spikes most."""
        return self.counts.busiest / max(1, self.fs_neurons)

    def to_dict(self) -> dict[str, Any]:
        """The score as plain JSON values, without the predictions."""
        plain = {
            name: getattr(self, name)
            for name in ("engine", "images", "correct", "accuracy", "spikes_per_neuron", "most_spikes_per_neuron")
        }
        plain |= {
            "spikes": self.spikes,
            "neurons": self.neurons,
            "synops": self.synops,
            "synops_by_projection": self.synops_by_projection,
        }
        plain |= {
            "latency_steps": self.latency_steps,
            "images_per_second": self.images_per_second,
            "counts": self.counts.to_dict(),
        }
        return {"network": self.net.name, "id": self.net.id, **plain}

    def __str__(self) -> str:
        from fsref.reports.text import score_sheet

        return str(score_sheet(self))

    def _repr_html_(self) -> str:
        from fsref.reports.text import score_sheet

        return score_sheet(self).html()


def check_labels(net: Network, labels: ArrayLike | None, images: int) -> Ints:
    """The labels as int64 (B,), when they are classes of this network, one per image (NET-8, RUN-1). Errors:
    InputError.
    """
    if labels is None:
        raise InputError("RUN-1", "labels", "the images have none", None, "one class per image")
    given = np.asarray(labels)
    if given.dtype.kind not in "iu":
        raise InputError("RUN-1", "labels", "not an array of integers", given.dtype)
    if given.shape != (images,):
        raise InputError("RUN-1", "labels", "not one per image", given.shape, f"({images},)")
    classes = net.readout.shape[0]
    wrong = np.flatnonzero((given < 0) | (given >= classes))
    if len(wrong):
        raise InputError("RUN-1", f"labels[{wrong[0]}]", "no such class", int(given[wrong[0]]), f"0..{classes - 1}")
    return given.astype(np.int64)


def evaluate(
    net: Network,
    x: ArrayLike,
    y: ArrayLike | None,
    engine: str = "events",
    batch: int | None = None,
    threads: int | None = None,
    memory_limit: int = 2**33,
    progress: Callable[[int], None] | None = None,
) -> Score:
    """The score of a network on images x (B, C, H, W) with labels y (B,).

    Trains are recorded a chunk of images at a time, so memory does not grow with B; `progress` is called with the
    images of each chunk. Errors: InputError for images or labels, UsageError for the engine, LimitError.
    """
    images = check_images(net, x)
    labels = check_labels(net, y, len(images))
    sources = Record(populations=[p.name for p in net.populations[:-1]], observables=("spikes",))
    one = recording_bytes(net, select(net, sources), 1)
    chunk = max(1, min(CHUNK_IMAGES, CHUNK_BYTES // one, memory_limit // (8 * one)))
    fans = fan_outs(net)
    run(
        net, images[:1], engine, sources, memory_limit=memory_limit
    )  # kernels are compiled or loaded before the clock starts
    spent, predictions = 0.0, []
    counts: Counts | None = None
    for first in range(0, len(images), chunk):
        part = images[first : first + chunk]
        begun = time.perf_counter()
        result = run(net, part, engine, sources, batch, threads, memory_limit)
        spent += time.perf_counter() - begun
        assert result.trace is not None
        predictions.append(result.labels)
        counted = count(result.trace, fans)
        counts = counted if counts is None else counts + counted
        if progress is not None:
            progress(len(part))
    assert counts is not None
    predicted = np.concatenate(predictions)
    return Score(
        net=net,
        engine=engine,
        images=len(images),
        correct=int((predicted == labels).sum()),
        predictions=predicted,
        counts=counts,
        latency_steps=schedule(net).latency,
        images_per_second=len(images) / max(spent, 1e-9),
    )
