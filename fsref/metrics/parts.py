"""What a run of some images of a data set gives, and how it is worked out on this machine: parts add (COUNT-1)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from fsref.engines.engine import Engine
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.metrics.counts import BLOCK, Counts, count
from fsref.metrics.fan_out import fan_outs, fanning_numbers
from fsref.metrics.kernels import PLANES
from fsref.simulation.memory import BATCH_IMAGES, check_limit, check_threads, images_at_once, run_bytes
from fsref.simulation.recording import Record, recording_bytes, select
from fsref.simulation.run import Result, run
from fsref.simulation.workers import workers
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
    """What some images gave: `predictions` (B,) of a classifier, `spikes` (B,) of each population that spikes, exact
    `counts` where they were asked for; `kernels` did it in `seconds`.
    """

    predictions: Ints | None
    spikes: Mapping[str, Ints]
    counts: Counts | None
    kernels: str
    seconds: float


class Runner:
    """Works out parts of a data set of `images` on this machine: threads take chunks of images, run and count them
    (RUN-3). Errors: UsageError for the engine, LimitError.
    """

    def __init__(self, net: Network, asked: Asked, images: int) -> None:
        self.net, self.asked = net, asked
        self.record, self.fans = None, dict[str, Ints]()
        # What is not counted is one run, which shares its own images among threads.
        self.threads, self.each, self.chunk, self.left = 1, asked.threads, images, asked.memory_limit
        self.warm = not asked.counted
        if not asked.counted:
            return
        self.record = Record(populations=[p.name for p in net.spiking], observables=("spikes",))
        selected, threads = select(net, self.record), min(check_threads(asked.threads), images)
        one, batch = recording_bytes(net, selected, 1), asked.batch or 1

        def runs(chunk: int, threads: int) -> int:
            return run_bytes(net, chunk * threads, asked.engine, selected, False, batch, threads)

        def bound(chunk: int) -> int:
            return counting_bytes(net, images, chunk, threads) + runs(chunk, threads)

        check_limit(asked.memory_limit)
        while threads > 1 and bound(1) > asked.memory_limit:
            threads //= 2
        most = images_at_once(one * threads, bound, asked.memory_limit, "evaluate")
        self.chunk = min(most, asked.batch or BATCH_IMAGES, -(-images // threads))
        self.threads, self.each = threads, 1
        self.left = runs(self.chunk, 1) + (asked.memory_limit - bound(self.chunk)) // threads  # each run's own share
        self.fans = fan_outs(net)

    def run(self, images: Images) -> Result:
        """A run of these images, with what is to be recorded."""
        asked = self.asked
        return run(self.net, images, asked.engine, self.record, asked.batch, self.each, self.left)

    def part(self, images: Images, progress: Progress | None = None) -> Part:
        """What these images give; `progress` is called with the images of each chunk."""
        if not self.warm:  # kernels are compiled or loaded before the clock starts
            self.run(images[:1])
            self.warm = True
        kernels, total = "", Total()
        predictions = np.empty(len(images), np.int64) if self.net.is_classifier else None
        spikes = {p.name: np.empty(len(images), np.int64) for p in self.net.spiking}
        begun = time.perf_counter()

        def work(start: int) -> tuple[int, str]:
            rows = slice(start, min(start + self.chunk, len(images)))
            result = self.run(images[rows])
            if predictions is not None:
                predictions[rows] = result.predictions
            for name, sent in result.spike_counts.items():
                spikes[name][rows] = sent
            if result.trace is not None:
                total.add(count(result.trace, self.fans))
            return rows.stop - start, result.kernels

        with workers(self.threads) as pool:
            for done in [pool.submit(work, start) for start in range(0, len(images), self.chunk)]:
                some, kernels = done.result()
                if progress is not None:
                    progress(some)
        return Part(predictions, spikes, total.counts, kernels, time.perf_counter() - begun)


class Total:
    """A sum of counts that threads add to, one at a time."""

    def __init__(self) -> None:
        self.counts: Counts | None = None
        self.lock = Lock()

    def add(self, counts: Counts) -> None:
        """Add the counts of a chunk."""
        with self.lock:
            self.counts = counts if self.counts is None else self.counts + counts


def counting_bytes(net: Network, images: int, chunk: int, threads: int = 1) -> int:
    """A bound on the bytes that counting takes beside the runs, where each thread takes so many images at once: labels
    and what is kept of all images; fan-outs; of every neuron its number, the counts so far, their sum, and those of
    each thread's chunk; bits of 256 images.
    """
    fans = sum(net[q.source].neurons for q in net.projections) + max(fanning_numbers(net, q) for q in net.projections)
    largest = max(p.neurons for p in net.populations)
    counting = (2 * chunk + 8 * (max(net.steps.values()) + 2)) * largest + 2 * PLANES * BLOCK
    kept = images * 8 * (3 + len(net.spiking))
    return kept + 8 * ((1 + 2 * (2 + threads)) * net.neurons + fans) + threads * counting
