"""What runs may take: the one comparison with `memory_limit`, and how many images go at once (RUN-3)."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache

from fsref.engines.engine import Engine, bytes_of
from fsref.engines.kept import kept
from fsref.errors import LimitError, UsageError
from fsref.law.network import Network
from fsref.simulation.recording import Selection, recording_bytes

CHUNK_BYTES = 2**27
CHUNK_IMAGES = 256
FIXED = 2**18  # bytes of a run, whatever it runs
ARRAY = 2**9  # bytes of the object around an array
WAITING = 2**11  # bytes of a batch that waits for its turn
BATCH_IMAGES = 64
BATCH_BYTES = 2**25  # more fall out of the processor's cache


def check_memory(bound: int, memory_limit: int, place: str) -> None:
    """Nothing, when a bound in bytes stays within the limit (RUN-3); else LimitError. Errors: UsageError."""
    check_limit(memory_limit)
    if not bound <= memory_limit:
        limit = f"memory_limit {memory_limit}"
        raise LimitError("RUN-3", place, "needs more memory than allowed", f"{bound} bytes", limit)


def check_limit(memory_limit: int) -> None:
    """Nothing, when a limit is an integer. Errors: UsageError."""
    if not isinstance(memory_limit, int) or isinstance(memory_limit, bool):
        raise UsageError("RUN-3", "memory_limit", "not a number of bytes", memory_limit, "an integer such as 2**30")


@cache
def processors() -> int:
    """How many there are; asking takes the time of a small network's image."""
    return os.cpu_count() or 1


def check_threads(threads: int | None) -> int:
    """The number of threads asked for, without one that of the processors (RUN-2). Errors: UsageError."""
    chosen = processors() if threads is None else threads
    if not isinstance(chosen, int) or chosen < 1:
        raise UsageError("RUN-2", "run", "threads are 1 or more", threads)
    return chosen


def output_bytes(net: Network, images: int, record: Selection | None, on_disk: bool) -> int:
    """What any run holds for its images: codes, outputs, spike counts, the recording and of which neurons it is."""
    kept = 0 if record is None else record.nbytes + (0 if on_disk else recording_bytes(net, record, images))
    return images * 8 * (net.input.neurons + net.output_neurons + len(net.spiking)) + kept + ARRAY * len(net.spiking)


@kept
def most_neurons(net: Network) -> int:
    """The neurons of the largest population."""
    return max(p.neurons for p in net.populations)


def keeping_bytes(net: Network, record: Selection | None) -> int:
    """A bound on the bytes in which one image's activity of one population is counted and put into the recording."""
    most = most_neurons(net)  # spikes of every neuron
    for p in net.populations if record is not None else ():
        own = p.neurons
        if record is not None and p.name in record.neurons:
            chosen, window = len(record.neurons[p.name]), len(record.window[p.name])
            own += 2 * p.neurons + 8 * (p.neurons + 2 * chosen)  # trains in the window; an array in order, two chosen
            if "membranes" in record.observables and "membranes" in p.observables:
                own += 8 * chosen * (net.steps[p.name] + window)
        most = max(most, own)
    return most


def run_bytes(
    net: Network,
    images: int,
    engine: str | Engine = "events",
    record: Selection | None = None,
    on_disk: bool = False,
    batch: int = 1,
    threads: int = 1,
) -> int:
    """A bound, in bytes, on what a run of `images` images adds to the process's memory (RUN-3): what all of them share,
    what those at work take, what is kept of all.
    """
    shared, each = bytes_of(engine, net, threads, record is not None)
    at_work = min(images, batch * threads) * (each + keeping_bytes(net, record))
    arrays = 0 if record is None else ARRAY * len(record.arrays(net, images))
    batches = WAITING * -(-images // batch)
    return shared + at_work + output_bytes(net, images, record, on_disk) + arrays + batches + FIXED


def batch_of(
    net: Network,
    images: int,
    engine: str | Engine,
    record: Selection | None,
    on_disk: bool,
    threads: int,
    memory_limit: int,
) -> int:
    """How many images make a batch: as many as go fast, fewer where the bound of the run would pass the limit."""
    if images == 1:
        return 1
    each = bytes_of(engine, net, threads, record is not None)[1]
    count = min(BATCH_IMAGES, -(-images // threads), BATCH_BYTES // max(1, each))
    return fitting(count, lambda n: run_bytes(net, images, engine, record, on_disk, n, threads), memory_limit)


def fitting(count: int, bound: Callable[[int], int], memory_limit: int) -> int:
    """The largest of count, count / 2, count / 4, ... whose bound stays within the limit; 1 where that of none does.
    Errors: UsageError for a limit that is no number.
    """
    check_limit(memory_limit)
    while count > 1 and bound(count) > memory_limit:
        count //= 2
    return max(1, count)


def images_at_once(one: int, bound: Callable[[int], int], memory_limit: int, place: str) -> int:
    """How many images go at once, when what is kept of each takes `one` bytes and so many take `bound` bytes in all
    (RUN-3). Errors: LimitError when one image does not fit.
    """
    count = fitting(min(CHUNK_IMAGES, CHUNK_BYTES // one), bound, memory_limit)
    check_memory(bound(count), memory_limit, place)
    return count
