"""What runs may take: the one comparison with `memory_limit`, and how many images go at once (RUN-3)."""

from __future__ import annotations

import os

from fsref.engines.engine import Engine, engine_of
from fsref.errors import LimitError, UsageError
from fsref.law.network import Network
from fsref.simulation.recording import Record, Selection, recording_bytes, select

CHUNK_BYTES = 2**27
CHUNK_IMAGES = 256


def check_memory(bound: int, memory_limit: int, place: str) -> None:
    """Nothing, when a bound in bytes stays within the limit (RUN-3); else LimitError."""
    if not bound <= memory_limit:
        limit = f"memory_limit {memory_limit}"
        raise LimitError("RUN-3", place, "needs more memory than allowed", f"{bound} bytes", limit)


def check_threads(threads: int | None) -> int:
    """The number of threads asked for, without one that of the processors (RUN-2). Errors: UsageError."""
    chosen = os.cpu_count() or 1 if threads is None else threads
    if not isinstance(chosen, int) or chosen < 1:
        raise UsageError("RUN-2", "run", "threads are 1 or more", threads)
    return chosen


def output_bytes(net: Network, images: int, record: Selection | None, on_disk: bool) -> int:
    """What any run holds for its images: their codes, and checking them, logits, spike counts, the recording."""
    kept = 0 if record is None or on_disk else recording_bytes(net, record, images)
    return images * (8 * (net.readout.neurons + 2 * len(net.populations)) + 11 * net.input.neurons) + kept


def run_bytes(
    net: Network,
    images: int,
    engine: str | Engine = "events",
    record: Selection | None = None,
    on_disk: bool = False,
    batch: int = 1,
    threads: int = 1,
) -> int:
    """A bound, in bytes, on what a run of `images` images adds to the process's memory (RUN-3)."""
    working = int(engine_of(engine).working_bytes(net))
    working += 16 * sum(p.neurons * (net.steps[p.name] + 8) for p in net.populations)
    return min(images, batch * threads) * working + output_bytes(net, images, record, on_disk)


def images_at_once(net: Network, record: Record, memory_limit: int, recordings: int = 1) -> int:
    """How many images go at once where so many recordings of them are held, each within CHUNK_BYTES."""
    return chunk_of(recording_bytes(net, select(net, record), 1), memory_limit, recordings)


def chunk_of(one: int, memory_limit: int, times: int = 1) -> int:
    """How many images go at once when each takes `one` bytes, so many times."""
    return max(1, min(CHUNK_IMAGES, CHUNK_BYTES // one, memory_limit // (4 * times * one)))
