"""What images, or a dump, have covered of a network (COVER-2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.coverage.bins import nothing, reached
from fsref.coverage.coverage import Coverage
from fsref.errors import UsageError
from fsref.formats.bundled import network_of
from fsref.law.images import check_images
from fsref.law.network import Network
from fsref.law.populations import FS, OBSERVABLES
from fsref.simulation.memory import check_threads, images_at_once, run_bytes
from fsref.simulation.recording import Key, Record, Trace, recording_bytes, select
from fsref.simulation.run import run
from fsref.tables import plural

WORKING = 6  # as much as is recorded: planes of one population, compared


def cover(
    net: Network | str | PathLike[str],
    source: ArrayLike | Trace,
    batch: int | None = None,
    threads: int | None = None,
    memory_limit: int = 2**33,
    progress: Callable[[int], None] | None = None,
) -> Coverage:
    """The bins of a network that a source has reached: images (B, C, H, W), by a run, or a Trace, a recording or dump,
    of which what was observed whole counts (COVER-2).

    Images follow one another. Errors: UsageError for a dump of another network; InputError, LimitError; RangeError
    [COVER-2] for a dump of membranes that no stimulus of the network has.
    """
    net = network_of(net)
    if isinstance(source, Trace):
        if source.net.id != net.id:
            raise UsageError("COVER-2", "cover", "the dump is of another network", source.net.id, f"expected {net.id}")
        return of_trace(source)
    x, workers = check_images(net.input, source), check_threads(threads)
    record = Record([p.name for p in net.populations], OBSERVABLES)
    selected = select(net, record)
    one = recording_bytes(net, selected, 1)

    def bound(images: int) -> int:
        return run_bytes(net, images, "quantized", selected, False, batch or 1, workers) + WORKING * images * one

    chunk = images_at_once(one, bound, memory_limit, "cover")
    coverage = nothing(net)
    for start in range(0, len(x), chunk):
        # Once more the last image before: what it left shows in the next (NET-6).
        images = x[max(0, start - 1) : start + chunk]
        trace = run(net, images, "quantized", record, batch, workers, memory_limit).trace
        assert trace is not None
        coverage |= reached(net, trace.arrays)
        if progress is not None:
            progress(min(chunk, len(x) - start))
    return replace(coverage, of=plural(len(x), "image"))


def of_trace(trace: Trace) -> Coverage:
    """The bins that a recording or dump shows to be reached, of what was observed whole."""
    net, arrays = trace.net, dict[Key, NDArray[Any]]()
    for p in net.populations:
        for (of, what), array in trace.arrays.items():
            mine = of in net.into(p.name) if what == "sums" else of == p.name
            if mine and len(trace.selection.neurons[p.name]) == p.neurons and (of, what) not in trace.seen:
                arrays[of, what] = array
        if not _all_steps(trace, p.name):
            arrays.pop((p.name, "spikes"), None)
            arrays.pop((p.name, "membranes"), None)
        spikes, membranes = arrays.get((p.name, "spikes")), arrays.get((p.name, "membranes"))
        if (p.name, "opening") in arrays or spikes is None or membranes is None:
            continue
        if isinstance(p, FS):  # no other has membranes behind steps
            first = spikes.astype(np.int64) >> (p.steps - 1)  # the reset of step 0, taken back (FS-3)
            lowered = np.repeat(p.table.rows(p.shape[0])[1][:, 0], p.neurons // p.shape[0])
            arrays[p.name, "opening"] = membranes[:, 0] + first * lowered
    return replace(reached(net, arrays), of=plural(trace.image_count, "image") + " of a dump")


def _all_steps(trace: Trace, name: str) -> bool:
    return len(trace.selection.window.get(name, ())) == trace.net.steps[name]
