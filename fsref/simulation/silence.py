"""Whether what was observed of trains says where no spike was: else none that is missing can be found (TRACE-1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fsref.formats.labels import few
from fsref.simulation.recording import Trace


def without_silence(trace: Trace) -> tuple[str, ...]:
    """The populations whose trains were observed in part, and in nothing of it silent: most likely their spikes were
    listed, and what was not sent is not there.
    """
    return tuple(p.name for p in trace.net.populations if (p.name, "spikes") in trace.arrays and _fires(trace, p.name))


def told(names: Sequence[str]) -> str:
    """That silence was not observed of these populations, and what would do, in words."""
    return (
        f"silence was not observed: of {few(list(names))} every spike told is 1, so that one that is missing cannot be"
        " found; tell the 0s too, or list all spikes as .aer (fsref diff --format aer)"
    )


def _fires(trace: Trace, name: str) -> bool:
    """Whether a population fires wherever its trains were observed, and they were not observed whole."""
    if trace.whole(name):
        return False
    steps, window = trace.net.steps[name], trace.selection.window[name].tolist()
    array, seen = trace[name, "spikes"], trace.seen.get((name, "spikes"))
    bits = np.array(sum(1 << (steps - 1 - t) for t in window), array.dtype)
    rows = np.broadcast_to(bits if seen is None else seen, array.shape)
    fires = False
    for own, told_of in zip(array, rows, strict=True):  # the first image says it where 0s were told
        if (told_of & ~own).any():
            return False
        fires |= bool(told_of.any())
    return fires
