"""TIME: when each population receives and spikes, the latency, the initiation interval, and what images in a pipeline
need: FIFOs, peak events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.populations import Input, MaxPool

MAX_INTERVAL = 65_536


@dataclass(frozen=True)
class Schedule:
    """Steps counted from the first of an image: start of each population by name; `delays` by (source, target) (TIME-1
    to TIME-4).

    `receives` and `fires` are the windows by name: `range`s of steps, empty where a population takes no projection or
    does not spike. `interval_one_buffer` and `interval_two_buffers` are the initiation intervals with one and two
    membrane buffers.
    """

    start: dict[str, int]
    delays: dict[tuple[str, str], int]
    latency: int
    interval_one_buffer: int
    interval_two_buffers: int
    receives: dict[str, range]
    fires: dict[str, range]

    @property
    def steps(self) -> int:
        """How many steps one image takes until the last population is done: the latency, or more where one feeds
        nothing.
        """
        return max(self.latency, *(window.stop for window in self.fires.values()))


def schedule(net: Network) -> Schedule:
    """The schedule of a network (TIME-1 to TIME-4)."""
    start: dict[str, int] = {}
    delays: dict[tuple[str, str], int] = {}
    receives: dict[str, range] = {}
    fires: dict[str, range] = {}
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
        longest = max((net.steps[s] for s in sources), default=0)
        receives[name] = range(start[name] - longest, start[name])
        fires[name] = range(start[name], start[name] + net.steps[name])
        one = max(one, net.steps[name] + longest)
        two = max(two, net.steps[name])
    return Schedule(start, delays, start[net.readout.name], one, two, receives, fires)


@dataclass(frozen=True)
class Pipelining:
    """What a pipeline with 1 or 2 membrane `buffers` and an image every `interval` steps needs (TIME-3, TIME-5,
    TIME-6).

    `fifo_depth` is in steps, `fifo_bits` in bits, both by projection label; `peak_events` bounds the spikes of one
    step.
    """

    buffers: int
    interval: int
    fifo_depth: dict[str, int]
    fifo_bits: dict[str, int]
    peak_events: int


def shortest_interval(plan: Schedule, buffers: int) -> int:
    """The initiation interval with this number of membrane buffers (TIME-3). Errors: UsageError when it is neither 1
    nor 2.
    """
    if buffers not in (1, 2):
        raise UsageError("TIME-3", "buffers", "not a number of membrane buffers", buffers, "1 or 2")
    return plan.interval_one_buffer if buffers == 1 else plan.interval_two_buffers


def check_interval(interval: object) -> int:
    """`interval` when it is a number of steps an image may follow another after. Errors: UsageError."""
    if not isinstance(interval, int | np.integer) or isinstance(interval, bool) or not 1 <= interval <= MAX_INTERVAL:
        raise UsageError("TIME-3", "interval", "not a number of steps", interval, f"1..{MAX_INTERVAL}")
    return int(interval)


def fifo_depths(net: Network, interval: int) -> dict[str, int]:
    """How many words of each projection, by label, wait at most with an image every `interval` steps (TIME-5)."""
    plan, depths = schedule(net), {}
    for label, q in zip(net.labels, net.projections, strict=True):
        images, more = divmod(
            plan.delays[q.source, q.target], interval
        )  # sent within the delay: all words of so many images, and of one more the first
        depths[label] = net.steps[q.source] * images + min(net.steps[q.source], more)
    return depths


def pipelining(net: Network, buffers: int = 1, interval: int | None = None) -> Pipelining:
    """What images in a pipeline need, an image every `interval` steps, without one as often as the buffers allow
    (TIME-3, TIME-5, TIME-6).

    Errors: UsageError when the buffers do not allow the interval.
    """
    plan = schedule(net)
    shortest = shortest_interval(plan, buffers)
    every = shortest if interval is None else check_interval(interval)
    if every < shortest:
        raise UsageError(
            "TIME-3", "interval", f"too short for membrane buffers: {buffers}", every, f"at least {shortest} steps"
        )
    size = {p.name: int(np.prod(p.shape)) for p in net.populations}
    depth = fifo_depths(net, every)
    bits = {label: depth[label] * size[q.source] for label, q in zip(net.labels, net.projections, strict=True)}
    # The sum grows only where a window opens, so its maximum is reached at the start of some population.
    at = np.array([plan.start[name] for name in size])
    firing = (at[:, None] - at) % every < np.array([net.steps[name] for name in size])
    peak = int((firing @ np.array(list(size.values()))).max())
    return Pipelining(buffers, every, depth, bits, peak)
