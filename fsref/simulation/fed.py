"""What a chip in a test bench gets and what it answers, of a recording (BENCH-1)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fsref.errors import UsageError
from fsref.formats.bench import behind
from fsref.formats.memories import owner
from fsref.law.network import Network
from fsref.simulation.recording import Record, Trace


def recording(net: Network, feed: Sequence[str], recorded: Sequence[str], observables: Sequence[str]) -> Record:
    """What a run has to record for a chip that gets the spikes of `feed`: populations that it answers, all that follow
    unless some are named, and their observables. Errors: UsageError.
    """
    return Record([*feed, *(recorded or behind(net, feed))], [*observables, "spikes", "opening"])


def answered(trace: Trace, feed: Collection[str], observables: Collection[str]) -> Trace:
    """Of such a recording what a chip gets and answers: the spikes of what is fed, the opening of readouts, of the
    others the observables.
    """
    openings = {(p.name, "opening") for p in trace.net.readouts}
    kept = {
        (of, what): array
        for (of, what), array in trace.arrays.items()
        if (
            what == "spikes"
            if owner(trace.net, (of, what)).name in feed
            else what in observables or (of, what) in openings
        )
    }
    return Trace(trace.net, trace.image_count, trace.selection, kept)


def check_feed(net: Network, feed: Sequence[str], trace: Trace | None) -> None:
    """Nothing, when a recording holds whole what a chip gets and answers. Errors: UsageError."""
    known = behind(net, feed)
    keys = [] if trace is None else list(trace.arrays)
    for name in feed:
        if (name, "spikes") not in keys:
            raise UsageError("BENCH-1", "feed", "its spikes were not recorded", name)
    if trace is None or not trace.selection.complete or trace.seen or trace.unknown or not trace.image_count:
        raise UsageError("BENCH-1", "trace", "wanted whole populations, all of their steps, of at least one image")
    answers = [name for name in (owner(net, key).name for key in keys) if name not in feed]
    for name in answers:
        if name not in known:
            limit = f"it needs {', '.join(net.sources(name))} before it" if net.sources(name) else "feed it, too"
            raise UsageError("BENCH-1", "trace", "is nothing that a chip computes from its feed", name, limit)
    if not answers:
        raise UsageError("BENCH-1", "trace", "holds nothing that a chip answers", None, f"one of {', '.join(known)}")
