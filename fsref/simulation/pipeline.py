"""Images in a pipeline: one clock, several images in flight, membranes in buffers, spikes waiting in FIFOs (TIME-7).

Nothing here reads a population's start from the schedule. Set are only how long the words of each projection wait
(TIME-4), how often an image enters and how deep the FIFOs are; a window opens when the last word has come, so starts,
latency and interval are measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from fsref.engines import reference
from fsref.errors import LimitError, UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import MaxPool
from fsref.simulation.run import Result, Store, check_images, recording_bytes
from fsref.law.schedule import check_interval, fifo_depths, schedule, shortest_interval
from fsref.simulation.stages import Fifo, Stage, Word
from fsref.simulation.recording import Record, Selection, Trace, observables_of, select


@dataclass(frozen=True, eq=False)
class Pipelined:
    """What a pipelined run of B images gives (TIME-7): the `result` as of any run, and what was measured, in absolute
    steps.

    `starts` maps each population to the step in which its window opened for each image, (B,), of the readout the step
    in which the logits stood; `fifo_peak` each projection label to the most words that waited; `events` is (steps,),
    the spikes of every step of the run.
    """

    result: Result
    buffers: int
    starts: Mapping[str, Ints]
    fifo_peak: Mapping[str, int]
    events: Ints

    @property
    def latencies(self) -> Ints:
        """Steps from the first input step of each image until its logits stood, (B,)."""
        net = self.result.net
        latencies: Ints = self.starts[net.readout.name] - self.starts[net.input.name]
        return latencies

    @property
    def intervals(self) -> Ints:
        """Steps from the logits of each image to those of the next, (B - 1,)."""
        return np.diff(self.starts[self.result.net.readout.name])

    @property
    def peak_events(self) -> int:
        """The most spikes of one step."""
        return int(self.events.max())

    @property
    def steps(self) -> int:
        """The steps of the whole run."""
        return len(self.events)

    def __repr__(self) -> str:
        return (
            f"<Pipelined: {len(self.result.logits)} images in {self.steps} steps, latency "
            f"{int(self.latencies[0])}, peak events {self.peak_events}>"
        )


def check_depths(net: Network, given: int | Mapping[str, int] | None, needed: Mapping[str, int]) -> dict[str, int]:
    """The depth of every FIFO by projection label: what is needed where none is given. Errors: UsageError."""
    if given is None:
        return dict(needed)
    depths = {**needed, **given} if isinstance(given, Mapping) else dict.fromkeys(needed, given)
    for label, depth in depths.items():
        if label not in needed:
            raise UsageError("TIME-5", "fifo_depth", "no projection has this label", label, ", ".join(net.labels))
        if not isinstance(depth, int | np.integer) or isinstance(depth, bool) or depth < 0:
            raise UsageError("TIME-5", f"fifo_depth {label}", "not a number of words", depth, "0 or more")
    return {label: int(depth) for label, depth in depths.items()}


def memory_bound(
    net: Network,
    images: int,
    buffers: int,
    interval: int,
    depths: Mapping[str, int],
    selection: Selection | None,
    on_disk: bool,
) -> int:
    """A bound, in bytes, on what a pipelined run adds to the process's memory (RUN-3)."""
    size = {p.name: int(np.prod(p.shape)) for p in net.populations}
    windows = [
        buffers * size[p.name] * (8 * (net.steps[p.name] + len(net.into(p.name)) + 4) + 2) for p in net.populations
    ]
    waiting = sum(depths[label] * size[q.source] for label, q in zip(net.labels, net.projections, strict=True))
    pools = [3 * size[p.name] * p.kernel[0] * p.kernel[1] for p in net.populations if isinstance(p, MaxPool)]
    telling = max(8 * size[name] * (2 * net.steps[name] + 4) for name in size)
    outputs = images * (8 * (net.readout.shape[0] + 2 * len(size)) + 11 * size[net.input.name])
    events = 48 * (
        (images - 1) * interval + schedule(net).steps
    )  # a Python integer in a list for each step, then an array
    kept = 0 if selection is None or on_disk else recording_bytes(net, selection, images)
    return events + sum(windows) + waiting + sum(pools) + telling + reference.working_bytes(net) + outputs + kept


def run_pipelined(
    net: Network,
    images: ArrayLike,
    buffers: int = 2,
    interval: int | None = None,
    fifo_depth: int | Mapping[str, int] | None = None,
    record: Record | Iterable[str] | None = None,
    memory_limit: int = 2**33,
) -> Pipelined:
    """What images (B, C, H, W) give when one enters every `interval` steps, and what was measured on the way (TIME-7).

    `buffers`, 1 or 2, is membrane buffers per population; `interval` without a value is the schedule's for them;
    `fifo_depth` is in words, for all projections or by label, without a value what TIME-5 says. `record` and
    `memory_limit` are those of `fsref.run`. Errors: InputError, UsageError; LimitError before the run [RUN-3], or in
    the step in which a FIFO or a buffer does not suffice [TIME-5, TIME-7].
    """
    plan = schedule(net)
    shortest = shortest_interval(plan, buffers)
    every = shortest if interval is None else check_interval(interval)
    needed = fifo_depths(net, every)
    depths = check_depths(net, fifo_depth, needed)
    x = check_images(net, images)
    asked = None if record is None else record if isinstance(record, Record) else Record(populations=record)
    selection = None if asked is None else select(net, asked)
    path = None if asked is None or asked.path is None else Path(asked.path)
    bound = memory_bound(net, len(x), buffers, every, depths, selection, path is not None)
    if not bound <= memory_limit:
        raise LimitError(
            "RUN-3", "run", "needs more memory than allowed", f"{bound} bytes", f"memory_limit {memory_limit}"
        )
    wants = frozenset[str]() if selection is None else frozenset(selection.observables)
    recorded = {} if selection is None else {name: wants & observables_of(net, name) for name in selection.neurons}
    with Store(net, selection, len(x), path) as store:
        stages = [
            Stage(net, p, buffers, every, shortest, recorded.get(p.name, frozenset()), store) for p in net.populations
        ]
        fifos = [
            Fifo(label, plan.delays[q.source, q.target], depths[label], needed[label])
            for label, q in zip(net.labels, net.projections, strict=True)
        ]
        events = clock(net, x, every, stages, fifos)
    counts = {stage.name: np.array(stage.counts, np.int64) for stage in stages[:-1]}
    trace = None if selection is None else Trace(net, len(x), selection, store.arrays)
    result = Result(net, "pipeline", np.stack(stages[-1].logits), counts, trace)
    starts = {stage.name: np.array(stage.starts, np.int64) for stage in stages}
    return Pipelined(result, buffers, starts, {fifo.label: fifo.peak for fifo in fifos}, events)


def clock(net: Network, images: Ints, interval: int, stages: list[Stage], fifos: list[Fifo]) -> Ints:
    """The spikes of every step, (steps,), of a run of all images through stages and FIFOs, a global step at a time.

    In a step every population fires, then every word is delivered or waits, then what is done makes room.
    """
    by_name = {stage.name: stage for stage in stages}
    events: list[int] = []
    working = len(images) * len(stages)
    while working:
        step = len(events)
        if step % interval == 0 and step // interval < len(images):
            stages[0].enter(step, step // interval, images[step // interval])
        sent: dict[str, Word] = {}
        for stage in stages:
            source = sent.get(stage.population.source) if isinstance(stage.population, MaxPool) else None
            word = stage.fire(step, source)
            if word is not None:
                sent[stage.name] = word
        for index, (projection, fifo) in enumerate(zip(net.projections, fifos, strict=True)):
            arrived = fifo.through(step, sent.get(projection.source))
            if arrived is not None:
                by_name[projection.target].take(step, index, arrived)
        working -= sum(stage.settle(step) for stage in stages)
        events.append(sum(int(np.count_nonzero(word.plane)) for word in sent.values()))
    return np.array(events, np.int64)
