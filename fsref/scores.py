"""How well and how cheaply a network answers labelled images: accuracy, spikes, SynOps, latency, speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsref.errors import InputError
from fsref.metrics import fan_outs
from fsref.network import Network
from fsref.neuron import Ints
from fsref.populations import FS
from fsref.runner import check_images, recording_bytes, run
from fsref.schedule import schedule
from fsref.trace import Record, select

CHUNK_BYTES = 2**27
CHUNK_IMAGES = 1024


@dataclass(frozen=True, eq=False)
class Score:
    """What `evaluate` found. Spikes and SynOps are means per image; `spikes_per_neuron` is over FS neurons alone.

    `predictions` is (images,); `spikes` and `neurons` are by population that spikes, `synops_by_projection` by projection label;
    `most_spikes_per_neuron` belongs to the image that spikes most; `images_per_second` is of warm runs, recording of trains included.
    """

    net: Network
    engine: str
    images: int
    correct: int
    predictions: Ints
    spikes_per_neuron: float
    most_spikes_per_neuron: float
    spikes: Mapping[str, float]
    neurons: Mapping[str, int]
    synops: float
    synops_by_projection: Mapping[str, float]
    latency_steps: int
    images_per_second: float

    @property
    def accuracy(self) -> float:
        """The share of images whose class is their label, 0..1."""
        return self.correct / self.images

    def to_dict(self) -> dict[str, Any]:
        """The score as plain JSON values, without the predictions."""
        plain = {name: getattr(self, name) for name in ("engine", "images", "correct", "accuracy", "spikes_per_neuron", "most_spikes_per_neuron")}
        plain |= {"spikes": dict(self.spikes), "neurons": dict(self.neurons), "synops": self.synops}
        plain |= {"synops_by_projection": dict(self.synops_by_projection), "latency_steps": self.latency_steps}
        return {"network": self.net.name, "id": self.net.id, **plain, "images_per_second": self.images_per_second}

    def __str__(self) -> str:
        from fsref.report import score_text

        return score_text(self)


def check_labels(net: Network, labels: ArrayLike | None, images: int) -> Ints:
    """The labels as int64 (B,), when they are classes of this network, one per image (NET-8, RUN-1). Errors: InputError."""
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

    Trains are recorded a chunk of images at a time, so memory does not grow with B; `progress` is called with the images of each chunk.
    Errors: InputError for images or labels, UsageError for the engine, LimitError.
    """
    images = check_images(net, x)
    labels = check_labels(net, y, len(images))
    sources = Record(populations=[p.name for p in net.populations[:-1]], observables=("spikes",))
    one = recording_bytes(net, select(net, sources), 1)
    chunk = max(1, min(CHUNK_IMAGES, CHUNK_BYTES // one, memory_limit // (8 * one)))
    neurons = {p.name: int(np.prod(p.shape)) for p in net.populations[:-1]}
    by_neuron = {name: np.zeros(count, np.int64) for name, count in neurons.items()}
    run(net, images[:1], engine, sources, memory_limit=memory_limit)  # kernels are compiled or loaded before the clock starts
    spent, predictions, counts = 0.0, [], []
    for first in range(0, len(images), chunk):
        part = images[first : first + chunk]
        begun = time.perf_counter()
        result = run(net, part, engine, sources, batch, threads, memory_limit)
        spent += time.perf_counter() - begun
        assert result.trace is not None
        predictions.append(result.labels)
        counts.append(np.stack([result.spike_counts[name] for name in neurons], axis=1))
        for name, total in by_neuron.items():
            total += np.bitwise_count(result.trace[name, "spikes"]).sum(axis=0, dtype=np.int64)
        if progress is not None:
            progress(len(part))
    predicted, spikes = np.concatenate(predictions), np.concatenate(counts)
    operations = [int(by_neuron[q.source] @ fan.ravel()) for q, fan in zip(net.projections, fan_outs(net), strict=True)]  # OBS-3
    fs = [isinstance(p, FS) for p in net.populations[:-1]]
    per_neuron = spikes[:, fs].sum(axis=1) / max(1, sum(n for n, is_fs in zip(neurons.values(), fs, strict=True) if is_fs))
    return Score(
        net=net,
        engine=engine,
        images=len(images),
        correct=int((predicted == labels).sum()),
        predictions=predicted,
        spikes_per_neuron=float(per_neuron.mean()),
        most_spikes_per_neuron=float(per_neuron.max()),
        spikes=dict(zip(neurons, spikes.mean(axis=0).tolist(), strict=True)),
        neurons=neurons,
        synops=sum(operations) / len(images),
        synops_by_projection={label: count / len(images) for label, count in zip(net.labels, operations, strict=True)},
        latency_steps=schedule(net).latency,
        images_per_second=len(images) / max(spent, 1e-9),
    )
