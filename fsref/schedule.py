"""TIME: when each population spikes, the latency and the initiation interval."""

from __future__ import annotations

from dataclasses import dataclass

from fsref.network import Network
from fsref.populations import Input, MaxPool


@dataclass(frozen=True)
class Schedule:
    """Steps counted from the first of an image: start of each population by name; `delays` by (source, target) (TIME-1 to TIME-4).

    `interval_one_buffer` and `interval_two_buffers` are the initiation intervals with one and two membrane buffers.
    """

    start: dict[str, int]
    delays: dict[tuple[str, str], int]
    latency: int
    interval_one_buffer: int
    interval_two_buffers: int


def schedule(net: Network) -> Schedule:
    """The schedule of a network (TIME-1 to TIME-4)."""
    start: dict[str, int] = {}
    delays: dict[tuple[str, str], int] = {}
    one = two = 0
    for population in net.populations:
        name = population.name
        sources = [p.source for p in net.into(name)]
        if isinstance(population, Input):
            start[name] = 0
        elif isinstance(population, MaxPool):
            start[name] = start[population.source]
            sources = []
        else:
            start[name] = max(start[s] + net.steps[s] for s in sources)
        for source in sources:
            delays[source, name] = start[name] - net.steps[source] - start[source]
        one = max(one, net.steps[name] + max((net.steps[s] for s in sources), default=0))
        two = max(two, net.steps[name])
    return Schedule(start, delays, start[net.readout.name], one, two)
