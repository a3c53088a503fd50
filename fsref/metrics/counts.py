"""What a run does, counted exactly by population and step: spikes, SynOps, membrane updates, memory accesses (COUNT-1
to COUNT-4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.errors import UsageError, public
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.law.projections import Gate
from fsref.metrics.fan_out import fan_outs
from fsref.metrics.kernels import PLANES, tally
from fsref.simulation.recording import Trace
from fsref.tables import Brief, Sheet, Shown, plural, short

BLOCK = 1024  # neurons whose spikes are counted at a time
SHOWN = ("spikes", "synops", "membrane_updates", "memory_reads", "memory_writes")


@dataclass(frozen=True, eq=False, repr=False)
class Work(Brief):
    """What neurons do, as int64 arrays of one shape: (steps,), by step of the image, or () in all (COUNT-2 to COUNT-4).

    `synops` are the deliveries taken, `scalings` those with a product, `gated` those of gates; `factors` the updates of
    registers that hold their factors; `openings` the biases taken; `comparisons` the looks at a threshold; `resets` the
    membranes lowered by h. Everything else is a sum of these.
    """

    spikes: Ints
    synops: Ints
    scalings: Ints
    openings: Ints
    comparisons: Ints
    resets: Ints
    gated: Ints
    factors: Ints

    def __add__(self, other: Work) -> Work:
        return Work(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def total(self) -> Work:
        """The sums over all steps."""
        return Work(*(np.asarray(part.sum()) for part in astuple(self)))

    @property
    def additions(self) -> Ints:
        """Deliveries, resets and updates of registers (COUNT-5)."""
        return self.synops + self.resets + self.factors

    @property
    def membrane_updates(self) -> Ints:
        """Biases, deliveries and resets (COUNT-3)."""
        return self.openings + self.synops + self.resets

    @property
    def weight_reads(self) -> Ints:
        """One per delivery (COUNT-4)."""
        return self.synops

    @property
    def parameter_reads(self) -> Ints:
        """Of bias, threshold and h (COUNT-4)."""
        return self.openings + self.comparisons + self.resets

    @property
    def membrane_reads(self) -> Ints:
        """One per delivery, one per look at a threshold; of registers, one per delivery of a gate and per update
        (COUNT-4).
        """
        return self.synops + self.comparisons + self.gated + self.factors

    @property
    def membrane_writes(self) -> Ints:
        """One per update of a membrane or a register (COUNT-4)."""
        return self.membrane_updates + self.factors

    @property
    def memory_reads(self) -> Ints:
        """Of weights, parameters and membranes (COUNT-4)."""
        return self.weight_reads + self.parameter_reads + self.membrane_reads

    @property
    def memory_writes(self) -> Ints:
        """Of membranes (COUNT-4)."""
        return self.membrane_writes


def window(net: Network, name: str) -> slice:
    """The steps of the image in which a population takes or sends anything (TIME-1, GATE-3, COUNT-3)."""
    plan, steps = net.schedule, net.steps
    gates = [q for q in net.into(name).values() if isinstance(q, Gate)]
    first = [plan.receives[name].start, *(plan.start[name] - steps[q.source] - steps[q.by] for q in gates)]
    return slice(min(first), plan.fires[name].stop)


@dataclass(frozen=True, eq=False, repr=False)
class Counts(Shown):
    """Exact counts over `image_count` images of a network; `a + b` are those of both parts of a data set (COUNT-1).

    By population that spikes: `spikes` (K,), `by_neuron` and `most_by_neuron` (neurons,), all spikes of a neuron and
    the most for one image. By projection name: `synops` and `scalings` (K of the source,). `busiest` are the FS spikes
    of the image with most.
    """

    net: Network
    image_count: int
    spikes: Mapping[str, Ints]
    by_neuron: Mapping[str, Ints]
    most_by_neuron: Mapping[str, Ints]
    synops: Mapping[str, Ints]
    scalings: Mapping[str, Ints]
    busiest: int

    def __add__(self, other: Counts) -> Counts:
        if not isinstance(other, Counts):
            return NotImplemented
        if self.net.id != other.net.id:
            raise UsageError(
                "COUNT-1", "counts", "are of different networks and do not add", other.net.id[:12], self.net.id[:12]
            )
        sums = (
            {k: v + getattr(other, part)[k] for k, v in getattr(self, part).items()}
            for part in ("spikes", "by_neuron", "synops", "scalings")
        )
        spikes, by_neuron, synops, scalings = sums
        most = {name: np.maximum(values, other.most_by_neuron[name]) for name, values in self.most_by_neuron.items()}
        return Counts(
            self.net,
            self.image_count + other.image_count,
            spikes,
            by_neuron,
            most,
            synops,
            scalings,
            max(self.busiest, other.busiest),
        )

    def window(self, name: str) -> slice:
        """The steps of the image in which a population takes or sends anything (TIME-1, GATE-3, COUNT-3)."""
        return window(self.net, name)

    def work(self, name: str) -> Work:
        """What a population did in each step of an image until the last population is done, (steps,), over all images
        (COUNT-1 to COUNT-4).
        """
        plan, steps, population = self.net.schedule, self.net.steps[name], self.net[name]
        done = Work(*(np.zeros(plan.steps, np.int64) for _ in fields(Work)))
        start, neurons = plan.start[name], population.neurons * self.image_count
        firing = slice(start, start + steps)
        if steps:
            done.spikes[firing] = self.spikes[name]
        match population:
            case Input() | MaxPool() | View():
                pass
            case FS():
                done.comparisons[firing] = neurons
                done.resets[firing] = self.spikes[name]
                done.openings[plan.receives[name].start] = neurons
            case Readout():
                done.openings[plan.receives[name].start] = neurons
            case _:
                assert_never(population)
        for projection, q in self.net.into(name).items():
            taken = slice(start - self.net.steps[q.source], start)
            done.synops[taken] += self.synops[projection]
            done.scalings[taken] += self.scalings[projection]
            if isinstance(q, Gate):
                done.gated[taken] += self.synops[projection]
                done.factors[taken.start - self.net.steps[q.by] : taken.start] += self.spikes[q.by]
        return done

    @property
    def total(self) -> Work:
        """All work of all populations."""
        first, *others = (self.work(p.name).total() for p in self.net.populations)
        return sum(others, first)

    def to_dict(self) -> dict[str, Any]:
        """The counts as plain JSON values: by population, from its step `first_step` on, over all images; neurons only
        by their maxima.
        """
        populations = []
        for p in self.net.populations:
            window, work = self.window(p.name), self.work(p.name)
            most = int(self.most_by_neuron[p.name].max()) if p.name in self.most_by_neuron else None
            entry: dict[str, Any] = {"name": p.name, "first_step": window.start, "most_spikes_of_a_neuron": most}
            by_step = {kind: getattr(work, kind)[window].tolist() for kind in SHOWN}
            populations.append(entry | {"by_step": by_step})
        done = self.total
        total = {kind: int(getattr(done, kind)) for kind in SHOWN}
        by_projection = {
            name: {"synops": self.synops[name].tolist(), "scalings": self.scalings[name].tolist()}
            for name in self.synops
        }
        whole = {"image_count": self.image_count, "total": total}
        return {**whole, "populations": populations, "by_projection": by_projection}

    def sheet(self) -> Sheet:
        """The counts as a table: a line per population, over all images and steps."""
        rows: list[tuple[object, ...]] = []
        for p in self.net.populations:
            done, most = self.work(p.name).total(), self.most_by_neuron.get(p.name)
            counted = (int(getattr(done, kind)) for kind in SHOWN)
            rows.append((p.name, p.neurons, None if most is None else int(most.max()), *counted))
        total = self.total
        rows.append(("all", self.net.neurons, None, *(int(getattr(total, kind)) for kind in SHOWN)))
        facts = ("population", "neurons", "most of a neuron", "spikes")
        head = (*facts, "SynOps taken", "membrane updates", "memory reads", "memory writes")
        return Sheet(f"{self.net.name or 'network'}: counts over {plural(self.image_count, 'image')}", head, rows)

    def __repr__(self) -> str:
        total = self.total
        what = f"{int(total.spikes)} spikes, {int(total.synops)} SynOps"
        return short(f"<Counts of {plural(self.image_count, 'image')} of {self.net.name or 'a network'}: {what}>")


def tallied(trains: NDArray[np.uint16], steps: int) -> tuple[Ints, Ints, Ints]:
    """How many images a neuron spikes for in each step, (K, neurons); the most spikes it sends for one, (neurons,); and
    all spikes of each image, (B,); from train words (B, neurons).
    """
    sent, of_image = np.zeros((steps, trains.shape[1]), np.int64), np.zeros(len(trains), np.int64)
    most, room = np.zeros(trains.shape[1], np.uint16), np.empty((PLANES, BLOCK), np.uint16)
    tally(np.ascontiguousarray(trains), sent, most, of_image, room)
    return sent, most.astype(np.int64), of_image


def scaled(d: Ints) -> NDArray[np.bool_]:
    """Which d are neither 0 nor ± a power of two (COUNT-2)."""
    uneven: NDArray[np.bool_] = (np.abs(d) & (np.abs(d) - 1)) != 0
    return uneven


@public
def count(trace: Trace, fans: Mapping[str, Ints] | None = None) -> Counts:
    """The counts of a recording, `trace`, that holds the whole trains of every population that spikes (COUNT-1,
    COUNT-2).

    `fans` is fan_outs(net), each (C, H, W), to be made once for many recordings. Errors: UsageError for what is no
    recording, and when a population is missing or in parts.
    """
    if not isinstance(trace, Trace):
        limit = "an fsref.Trace: run(net, images, record=fsref.Record()).trace"
        raise UsageError("COUNT-1", "count", "not a recording", type(trace).__name__, limit)
    if fans is not None and not isinstance(fans, Mapping):
        raise UsageError("COUNT-1", "count fans", "not fan-outs by projection", type(fans).__name__, "fan_outs(net)")
    net, known = trace.net, fan_outs(trace.net) if fans is None else fans
    spikes: dict[str, Ints] = {}
    by_neuron: dict[str, Ints] = {}
    most: dict[str, Ints] = {}
    synops, scalings = (
        {name: np.zeros(net.steps[q.source], np.int64) for name, q in net.named_projections.items()} for _ in range(2)
    )
    fs = {p.name for p in net.fs}
    of_image = np.zeros(trace.image_count, np.int64)
    for p in net.spiking:
        steps, trains = net.steps[p.name], trace.arrays.get((p.name, "spikes"))
        if trains is None or not trace.whole(p.name):
            limit = "every neuron and step of every population that spikes"
            raise UsageError("COUNT-1", p.name, "its spikes were not recorded whole", None, limit)
        sent, most[p.name], of_each = tallied(trains, steps)
        by_neuron[p.name], spikes[p.name] = sent.sum(axis=0), sent.sum(axis=1)
        if p.name in fs:
            of_image += of_each
        products = scaled(net.code_weights[p.name])  # (C, K)
        for name, q in net.out_of(p.name).items():
            fan = known[name].ravel()
            synops[name] = sent @ fan
            if isinstance(q, Gate):
                scalings[name] = synops[name].copy()
                continue
            for t in np.flatnonzero(products.any(axis=0)):
                uneven = sent[t].reshape(len(products), -1) * products[:, t, None]
                scalings[name][t] = uneven.ravel() @ fan
    return Counts(net, trace.image_count, spikes, by_neuron, most, synops, scalings, int(of_image.max()))
