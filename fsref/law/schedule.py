"""TIME: when each population receives and spikes, the latency, the initiation interval (TIME-1 to TIME-4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import assert_never

from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View
from fsref.law.projections import Gate, Projection
from fsref.tables import Brief


@dataclass(frozen=True, repr=False)
class Schedule(Brief):
    """Steps counted from the first of an image: start of each population by name; `delays` by (source, target), and
    `factor_delays` of what gates take of their factors by (factor, source, target) (TIME-1 to TIME-4).

    `receives` and `fires` are the windows by name: `range`s of steps, empty where a population takes no projection or
    does not spike. `interval_one_buffer` and `interval_two_buffers` are the initiation intervals with one and two
    membrane buffers. `latency` is the start of the last readout to stand (TIME-2).
    """

    start: dict[str, int]
    delays: dict[tuple[str, str], int]
    factor_delays: dict[tuple[str, str, str], int]
    latency: int
    interval_one_buffer: int
    interval_two_buffers: int
    receives: dict[str, range]
    fires: dict[str, range]

    @cached_property
    def steps(self) -> int:
        """How many steps one image takes until the last population is done: the latency, or more where one feeds
        nothing.
        """
        return max(self.latency, *(window.stop for window in self.fires.values()))


def schedule(
    populations: Sequence[Population], projections: Sequence[Projection], steps: Mapping[str, int]
) -> Schedule:
    """The schedule of populations that send in so many `steps` each, by name (TIME-1 to TIME-4)."""
    start: dict[str, int] = {}
    delays: dict[tuple[str, str], int] = {}
    factor_delays: dict[tuple[str, str, str], int] = {}
    receives: dict[str, range] = {}
    fires: dict[str, range] = {}
    sources: dict[str, list[str]] = {p.name: [] for p in populations}
    gates: dict[str, list[Gate]] = {p.name: [] for p in populations}
    for q in projections:
        sources[q.target].append(q.source)
        if isinstance(q, Gate):
            gates[q.target].append(q)
    one = two = 0
    for p in populations:
        match p:
            case Input():
                begins = 0
            case MaxPool() | View():
                begins = start[p.source]
            case FS() | Readout():
                begins = max(start[s] + steps[s] for s in sources[p.name])
                begins = max([begins, *(start[g.by] + steps[g.by] + steps[g.source] for g in gates[p.name])])
            case _:
                assert_never(p)
        start[p.name] = begins
        for source in sources[p.name]:
            delays[source, p.name] = begins - steps[source] - start[source]
        for g in gates[p.name]:
            factor_delays[g.by, g.source, p.name] = begins - steps[g.source] - steps[g.by] - start[g.by]
            one = max(one, steps[g.source] + steps[g.by])
        longest = max((steps[s] for s in sources[p.name]), default=0)
        receives[p.name] = range(begins - longest, begins)
        fires[p.name] = range(begins, begins + steps[p.name])
        one = max(one, steps[p.name] + longest)
        two = max(two, steps[p.name])
    latency = max(start[p.name] for p in populations if isinstance(p, Readout))
    return Schedule(start, delays, factor_delays, latency, one, two, receives, fires)
