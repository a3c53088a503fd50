"""Images in a pipeline: one clock, several images in flight, membranes in buffers, spikes waiting in FIFOs (TIME-7).

Nothing here reads a population's start from the schedule. Set are only how long the words of each projection wait
(TIME-4), how often an image enters and how deep the FIFOs are; a window opens when the last word has come, so starts,
latency and interval are measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike

from fsref.engines import reference
from fsref.errors import UsageError, public
from fsref.formats.bundled import network_of
from fsref.law.images import check_images
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.pipelining import check_interval, factor_fifo, fifo_depths, fifos, shortest_interval
from fsref.simulation.memory import check_memory, output_bytes
from fsref.simulation.recording import Record, Selection
from fsref.simulation.run import Result, recorded, wanted_of
from fsref.simulation.stages import Fifo, Stage, Word
from fsref.simulation.store import Store
from fsref.tables import Brief


@dataclass(frozen=True, eq=False, repr=False)
class Pipelined(Brief):
    """What a pipelined run of B images gives (TIME-7): the `result` as of any run, and what was measured, in absolute
    steps.

    `starts` maps each population to the step in which its window opened for each image, (B,), of a readout the step in
    which its logits stood; `fifo_peak` each FIFO, by the name of its projection or NAME by FACTOR, to the most words
    that waited; `events` is (steps,), the spikes of every step of the run.
    """

    result: Result
    buffers: int
    starts: Mapping[str, Ints]
    fifo_peak: Mapping[str, int]
    events: Ints

    @property
    def latencies(self) -> Ints:
        """Steps from the first input step of each image until all its logits stood, (B,)."""
        latencies: Ints = self._stood - self.starts[self.result.net.input.name]
        return latencies

    @property
    def intervals(self) -> Ints:
        """Steps from the logits of each image to those of the next, (B - 1,)."""
        return np.diff(self._stood)

    @property
    def _stood(self) -> Ints:
        """The step in which the last readout stood for each image, (B,)."""
        stood: Ints = np.max([self.starts[p.name] for p in self.result.net.readouts], axis=0)
        return stood

    @property
    def peak_events(self) -> int:
        """The most spikes of one step."""
        return int(self.events.max())

    @property
    def steps(self) -> int:
        """The steps of the whole run."""
        return len(self.events)

    def __repr__(self) -> str:
        what = f"{self.result.image_count} images in {self.steps} steps"
        return f"<Pipelined: {what}, latency {int(self.latencies[0])}, peak events {self.peak_events}>"


def check_depths(net: Network, given: int | Mapping[str, int] | None, needed: Mapping[str, int]) -> dict[str, int]:
    """The depth of every FIFO by projection name: what is needed where none is given. Errors: UsageError."""
    if given is None:
        return dict(needed)
    depths = {**needed, **given} if isinstance(given, Mapping) else dict.fromkeys(needed, given)
    for name, depth in depths.items():
        if name not in needed:
            raise UsageError("TIME-5", "fifo_depth", "no FIFO has this name", name, ", ".join(needed))
        if not isinstance(depth, int | np.integer) or isinstance(depth, bool) or depth < 0:
            raise UsageError("TIME-5", f"fifo_depth {name}", "not a number of words", depth, "0 or more")
    return {name: int(depth) for name, depth in depths.items()}


def pipeline_bytes(
    net: Network,
    images: int,
    buffers: int,
    interval: int,
    depths: Mapping[str, int],
    selection: Selection | None,
    on_disk: bool,
) -> int:
    """A bound, in bytes, on what a pipelined run adds to the process's memory (RUN-3)."""
    windows = sum(
        buffers * p.neurons * (8 * (net.steps[p.name] + len(net.into(p.name)) + 4) + 2) for p in net.populations
    )
    waiting = sum(depths[name] * net[source].neurons for name, (source, _) in fifos(net).items())
    registers = sum(buffers * 8 * net[q.by].neurons for q in net.gates.values())
    pools = sum(3 * p.neurons * p.kernel[0] * p.kernel[1] for p in net.pools)
    views = sum(4 * (p.neurons + net[p.source].neurons) for p in net.relays)
    telling = max(8 * p.neurons * (2 * net.steps[p.name] + 4) for p in net.populations)
    # A Python integer in a list for each step, then an array.
    events = 48 * ((images - 1) * interval + net.schedule.steps)
    own = (
        events
        + windows
        + waiting
        + registers
        + pools
        + views
        + telling
        + reference.working_bytes(net)
        + reference.shared_bytes(net, 1)
    )
    return own + output_bytes(net, images, selection, on_disk)


@public
def run_pipelined(
    net: Network | str | PathLike[str],
    images: ArrayLike,
    buffers: int = 2,
    interval: int | None = None,
    fifo_depth: int | Mapping[str, int] | None = None,
    record: Record | Iterable[str] | None = None,
    memory_limit: int = 2**33,
) -> Pipelined:
    """What images (B, C, H, W) give when one enters `net` every `interval` steps, and what was measured on the way
    (TIME-7).

    `buffers`, 1 or 2, is membrane buffers per population; `interval` without a value is the schedule's for them;
    `fifo_depth` is in words, for all projections or by name, without a value what TIME-5 says. `record` and
    `memory_limit`, in bytes, are those of `fsref.run`. Errors: InputError, UsageError; LimitError before the run
    [RUN-3], or in the step in which a FIFO or a buffer does not suffice [TIME-5, TIME-7].
    """
    net = network_of(net)
    plan = net.schedule
    shortest = shortest_interval(plan, buffers)
    every = shortest if interval is None else check_interval(interval)
    needed = fifo_depths(net, every)
    depths = check_depths(net, fifo_depth, needed)
    x = check_images(net.input, images)
    selection, record = recorded(net, record)
    bound = pipeline_bytes(net, len(x), buffers, every, depths, selection, record.path is not None)
    check_memory(bound, memory_limit, "run")
    wanted = wanted_of(net, selection)
    with Store(net, selection, len(x), record) as store:
        stages = [
            Stage(net, p, buffers, every, shortest, wanted.get(p.name, frozenset()), store) for p in net.populations
        ]
        waiting = [Fifo(name, delay, depths[name], needed[name]) for name, (_, delay) in fifos(net).items()]
        events = clock(net, x, every, stages, waiting)
    counts = {stage.name: np.array(stage.counts, np.int64) for stage in stages if stage.steps}
    outputs = {stage.name: np.stack(stage.outputs) for stage in stages if stage.outputs}
    result = Result(net, "pipeline", outputs, counts, store.trace(), reference.kernels)
    starts = {stage.name: np.array(stage.starts, np.int64) for stage in stages}
    return Pipelined(result, buffers, starts, {fifo.name: fifo.peak for fifo in waiting}, events)


def clock(net: Network, images: Ints, interval: int, stages: list[Stage], waiting: list[Fifo]) -> Ints:
    """The spikes of every step, (steps,), of a run of all images through stages and FIFOs, a global step at a time.

    In a step every population fires, then every word is delivered or waits, then what is done makes room.
    """
    by_name = {stage.name: stage for stage in stages}
    sources = {name: source for name, (source, _) in fifos(net).items()}
    takers = {name: (by_name[q.target].take, name) for name, q in net.named_projections.items()}
    takers |= {factor_fifo(name, q): (by_name[q.target].gather, name) for name, q in net.gates.items()}
    relayed = {p.name: p.source for p in net.relays}
    events: list[int] = []
    working = len(images) * len(stages)
    while working:
        step = len(events)
        if step % interval == 0 and step // interval < len(images):
            stages[0].enter(step, step // interval, images[step // interval])
        sent: dict[str, Word] = {}
        for stage in stages:
            word = stage.fire(step, sent.get(relayed.get(stage.name, "")))
            if word is not None:
                sent[stage.name] = word
        for fifo in waiting:
            arrived = fifo.through(step, sent.get(sources[fifo.name]))
            if arrived is not None:
                take, name = takers[fifo.name]
                take(step, name, arrived)
        working -= sum(stage.settle(step) for stage in stages)
        events.append(sum(int(np.count_nonzero(word.plane)) for word in sent.values()))
    return np.array(events, np.int64)
