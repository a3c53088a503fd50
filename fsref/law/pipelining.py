"""What images in a pipeline need: an initiation interval, FIFOs, peak events (TIME-3, TIME-5, TIME-6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.projections import Gate
from fsref.law.schedule import Schedule
from fsref.tables import Brief

MAX_INTERVAL = 65_536


@dataclass(frozen=True, repr=False)
class Pipelining(Brief):
    """What a pipeline with 1 or 2 membrane `buffers` and an image every `interval` steps needs (TIME-3, TIME-5,
    TIME-6).

    `fifo_depth` is in steps, `fifo_bits` in bits, both by name of the FIFO (`fifos`); `peak_events` bounds the spikes
    of one step.
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


def factor_fifo(name: str, gate: Gate) -> str:
    """The name of the FIFO in which the words of a gate's factor wait (TIME-5)."""
    return f"{name} by {gate.by}"


def fifos(net: Network) -> dict[str, tuple[str, int]]:
    """By name of every FIFO the population whose words wait in it, and how many steps each waits: a projection has one
    of its name, a gate one more for its factor (TIME-4, TIME-5).
    """
    plan, found = net.schedule, dict[str, tuple[str, int]]()
    for name, q in net.named_projections.items():
        found[name] = q.source, plan.delays[q.source, q.target]
        if isinstance(q, Gate):
            found[factor_fifo(name, q)] = q.by, plan.factor_delays[q.by, q.source, q.target]
    return found


def fifo_depths(net: Network, interval: int) -> dict[str, int]:
    """How many words wait at most in each FIFO, by name, with an image every `interval` steps (TIME-5)."""
    depths = {}
    for name, (source, delay) in fifos(net).items():
        # Sent within the delay: all words of so many images, and of one more the first.
        images, more = divmod(delay, interval)
        depths[name] = net.steps[source] * images + min(net.steps[source], more)
    return depths


def pipelining(net: Network, buffers: int = 1, interval: int | None = None) -> Pipelining:
    """What images in a pipeline need, an image every `interval` steps, without one as often as the buffers allow
    (TIME-3, TIME-5, TIME-6).

    Errors: UsageError when the buffers do not allow the interval.
    """
    plan = net.schedule
    shortest = shortest_interval(plan, buffers)
    every = shortest if interval is None else check_interval(interval)
    if every < shortest:
        raise UsageError(
            "TIME-3", "interval", f"too short for membrane buffers: {buffers}", every, f"at least {shortest} steps"
        )
    size = {p.name: p.neurons for p in net.populations}
    depth = fifo_depths(net, every)
    bits = {name: depth[name] * size[source] for name, (source, _) in fifos(net).items()}
    # By step of the interval, then of the next: what a window adds where it opens and takes where it ends.
    change = np.zeros(2 * every, np.int64)
    for name, neurons in size.items():
        opens = plan.start[name] % every
        change[opens] += neurons
        change[opens + net.steps[name]] -= neurons
    peak = int(change.cumsum().reshape(2, every).sum(0).max())
    return Pipelining(buffers, every, depth, bits, peak)
