"""What a run of some images of a data set gives, and how it is worked out on this machine: parts add (COUNT-1)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsref.engines.engine import Engine
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.metrics.counts import ROWS, Counts, count
from fsref.metrics.fan_out import fan_outs, fanning_numbers
from fsref.simulation.memory import check_threads, images_at_once, output_bytes, run_bytes
from fsref.simulation.recording import Record, recording_bytes, select
from fsref.simulation.run import Result, run
from fsref.tables import Brief

Images = NDArray[np.integer]
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Asked:
    """What each part of a data set is asked, and with what it is run; `counted` says whether its trains are recorded
    and counted, too (COUNT-1).
    """

    engine: str | Engine = "events"
    counted: bool = True
    batch: int | None = None
    threads: int | None = None
    memory_limit: int = 2**33


@dataclass(frozen=True, eq=False, repr=False)
class Part(Brief):
    """What some images gave: `predictions` (B,), `spikes` (B,) of each population that spikes, exact `counts` where
    they were asked for; `kernels` did it in `seconds`.
    """

    predictions: Ints
    spikes: Mapping[str, Ints]
    counts: Counts | None
    kernels: str
    seconds: float


class Runner:
    """Works out parts of a data set of `images` on this machine, so many images at once as memory allows (RUN-3).

    Errors: UsageError for the engine, LimitError.
    """

    def __init__(self, net: Network, asked: Asked, images: int) -> None:
        self.net, self.asked = net, asked
        self.record, self.chunk, self.left = None, images, asked.memory_limit
        self.fans: dict[str, Ints] = {}
        self.warm = not asked.counted
        workers = check_threads(asked.threads)
        if not asked.counted:
            return
        self.record = Record(populations=[p.name for p in net.spiking], observables=("spikes",))
        selected = select(net, self.record)

        def bound(chunk: int) -> int:
            runs = run_bytes(net, chunk, asked.engine, selected, False, asked.batch or 1, workers)
            return counting_bytes(net, images, chunk) + runs

        self.chunk = images_at_once(recording_bytes(net, selected, 1), bound, asked.memory_limit, "evaluate")
        self.left = asked.memory_limit - counting_bytes(net, images, self.chunk)
        self.fans = fan_outs(net)

    def run(self, images: Images) -> Result:
        """A run of these images, with what is to be recorded."""
        asked = self.asked
        return run(self.net, images, asked.engine, self.record, asked.batch, asked.threads, self.left)

    def part(self, images: Images, progress: Progress | None = None) -> Part:
        """What these images give; `progress` is called with the images of each chunk."""
        if not self.warm:  # kernels are compiled or loaded before the clock starts
            self.run(images[:1])
            self.warm = True
        seconds, predictions, kernels = 0.0, [], ""
        spikes: dict[str, list[Ints]] = {p.name: [] for p in self.net.spiking}
        counts: Counts | None = None
        for start in range(0, len(images), self.chunk):
            some = images[start : start + self.chunk]
            begun = time.perf_counter()
            result = self.run(some)
            seconds += time.perf_counter() - begun
            predictions.append(result.predictions)
            for name, sent in result.spike_counts.items():
                spikes[name].append(sent)
            if result.trace is not None:
                counted = count(result.trace, self.fans)
                counts = counted if counts is None else counts + counted
                del counted  # and the recording, before the next are made
            kernels = result.kernels
            del result
            if progress is not None:
                progress(len(some))
        sent_by = {name: np.concatenate(sent) for name, sent in spikes.items()}
        return Part(np.concatenate(predictions), sent_by, counts, kernels, seconds)


def counting_bytes(net: Network, images: int, chunk: int) -> int:
    """A bound on the bytes that counting takes beside the runs, so many images at once: images, labels and what is kept
    of all; fan-outs; of every neuron its number and its counts, before, of the chunk and after; bits of 256 images.
    """
    fans = sum(net[q.source].neurons for q in net.projections) + max(fanning_numbers(net, q) for q in net.projections)
    largest = max(p.neurons for p in net.populations)
    counting = chunk * largest + min(chunk, ROWS) * 3 * 2 * largest
    return images * 8 * 3 + output_bytes(net, images, None, False) + 8 * ((1 + 3 * 2) * net.neurons + fans) + counting
