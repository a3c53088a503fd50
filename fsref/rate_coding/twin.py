"""The rate-coded twin of an FS network: the same integers under integrate and fire, what FS coding is compared with
(RATE).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from os import PathLike

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.engines import reference
from fsref.errors import UsageError, public
from fsref.formats.bundled import network_of
from fsref.law.classes import check_classifier, classes_of
from fsref.law.images import check_images, check_labels
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.metrics.counts import Work
from fsref.rate_coding.neurons import Neurons, Rounding, Setting, check_ticks, depth, neurons, reaches
from fsref.rate_coding.ticks import Machine, table_bytes, working_bytes
from fsref.simulation.memory import check_memory, check_threads
from fsref.simulation.workers import workers
from fsref.tables import plural, short

MAX_TICKS = 65_536


@dataclass(frozen=True, eq=False, repr=False)
class RateResult:
    """What a run of a twin over B images and T ticks gives. At every t: `predictions` (B, T), the class. At n chosen t,
    `checkpoints` (n,): `logits` (B, n, classes), `synops` (B, n), and `spikes` by population that spikes, (B, n), sent
    until the answer at t stands.

    `spikes_per_tick` are the spikes of all images in each tick, (T + depth,) by population; `depth` is 0 unless layers
    were one step apart.
    """

    twin: Twin
    depth: int
    checkpoints: Ints
    predictions: Ints
    logits: Ints
    spikes: Mapping[str, Ints]
    spikes_per_tick: Mapping[str, Ints]
    synops: Ints

    @property
    def latency(self) -> Ints:
        """Steps until the answers at the checkpoints stand, (n,) (RATE-6)."""
        return self.checkpoints + self.depth

    @property
    def scheduled_latency(self) -> Ints:
        """Steps until the answers of layers in the same tick stand on the schedule of FS, (n,) (RATE-6)."""
        return self.checkpoints + max(0, depth(self.twin.net, self.twin.neurons) - 1)

    def __repr__(self) -> str:
        return short(
            f"<RateResult of {self.twin}: {plural(len(self.predictions), 'image')}, T = {self.predictions.shape[1]}>"
        )

    @property
    def inexact(self) -> tuple[str, ...]:
        """The max_pools that do not pass the largest count (RATE-5)."""
        return self.twin.inexact

    @property
    def spikes_per_neuron(self) -> NDArray[np.float64]:
        """Spikes of an FS neuron until the answers at the checkpoints stand, mean over neurons and images, (n,)."""
        return self.fs_spikes / len(self.predictions) / max(1, self.twin.net.fs_neurons)

    @property
    def fs_spikes(self) -> Ints:
        """Spikes of all FS neurons until the answers at the checkpoints stand, (n,), over all images."""
        fs = [self.spikes[p.name].sum(axis=0) for p in self.twin.net.fs]
        return sum(fs, np.zeros(len(self.checkpoints), np.int64))

    @property
    def work(self) -> Work:
        """What FS and readout neurons did until the answers at the checkpoints stand, (n,), over all images
        (COUNT-8).
        """
        net, taken = self.twin.net, self.synops.sum(axis=0)
        size = net.fs_neurons, net.readout.neurons, self.twin.macs
        return rate_work(*size, self.latency, self.fs_spikes, taken, len(self.predictions))

    def correct(self, labels: ArrayLike) -> Ints:
        """How many images have their label, of `labels` (B,), for class, at every t: (T,). Errors: InputError."""
        true = check_labels(labels, len(self.predictions), self.twin.net.class_count)
        right: Ints = (self.predictions == true[:, None]).sum(axis=0)
        return right


@dataclass(frozen=True, eq=False, repr=False)
class Twin:
    """The rate-coded twin of a network in a setting; `neurons` by population. Made by `rate_coded`."""

    net: Network
    setting: Setting
    neurons: Mapping[str, Neurons]

    def __repr__(self) -> str:
        return short(f"<Twin of {self.net.name or 'a network'}, id {self.net.id[:12]}, {self.setting}>")

    @property
    def inexact(self) -> tuple[str, ...]:
        """The max_pools that do not pass the largest count (RATE-5)."""
        return tuple(p.name for p in self.net.pools if not self.neurons[p.name].analog)

    @cached_property
    def macs(self) -> int:
        """The multiply-accumulates of one image along the synapses of analog populations, whose sums are made once
        (RATE-4, COUNT-8).
        """
        named = self.net.named_projections.items()
        return sum(self.net.synapses[name] for name, q in named if self.neurons[q.source].analog)

    def memory_bound(self, images: int, steps: int, ticks: int, checkpoints: int, workers: int) -> int:
        """A bound, in bytes, on what a run adds to the process's memory (RUN-3)."""
        classes, names = self.net.readout.neurons, len(self.net.populations)
        each = 8 * (steps + checkpoints * (classes + names + 1)) + 11 * self.net.input.neurons
        own = 2 * workers * (working_bytes(self.net) + 8 * ticks * (classes + 2 * names + 2))
        own += reference.shared_bytes(self.net, workers)
        proving = 128 * max(q.weights.size for q in self.net.projections)  # Python integers, and sums of them
        return images * each + max(proving, table_bytes(self.net) + own)

    @public
    def run(
        self,
        images: ArrayLike,
        steps: int,
        apart: bool = False,
        checkpoints: Sequence[int] | None = None,
        threads: int | None = None,
        memory_limit: int = 2**33,
        progress: Callable[[int], None] | None = None,
    ) -> RateResult:
        """The result of T = `steps` ticks on images (B, C, H, W) of input codes, layers in the same tick or one step
        `apart`.

        `checkpoints` are ascending t of 1..T, else 8, 16, 32, ... and T. `threads` change the speed, never a value;
        `memory_limit` is in bytes; `progress` is called after each image. Errors: InputError, UsageError, and before it
        starts RangeError [RATE-8], LimitError.
        """
        x = check_images(self.net.input, images)
        if not isinstance(steps, int | np.integer) or isinstance(steps, bool) or not 1 <= steps <= MAX_TICKS:
            raise UsageError("RATE-8", "steps", "number of ticks out of range", steps, f"1..{MAX_TICKS}")
        chosen = check_points(checkpoints, int(steps))
        late = depth(self.net, self.neurons) if apart else 0
        ticks = int(steps) + late
        count = min(check_threads(threads), len(x))
        check_memory(self.memory_bound(len(x), int(steps), ticks, len(chosen), count), memory_limit, "rate")
        reach = reaches(self.net, self.neurons)
        check_ticks(reach, self.neurons, ticks)
        most = max(max(high, -low) for channels in reach.values() for low, high in channels)
        machine = Machine(self.net, self.neurons, np.int32 if most < 2**31 else np.int64)
        names, classes = machine.spiking, self.net.readout.shape[0]
        predictions = np.empty((len(x), int(steps)), np.int64)
        logits = np.empty((len(x), len(chosen), classes), np.int64)
        spikes = np.empty((len(x), len(chosen), len(names)), np.int64)
        synops = np.empty((len(x), len(chosen)), np.int64)
        per_tick = np.zeros((ticks, len(names)), np.int64)
        at = chosen - 1 + late  # the tick after which the answer stands

        def one(b: int) -> Ints:
            after, counts, operations = machine.run(x[b], ticks, apart)
            predictions[b], logits[b] = classes_of(after[late:]), after[at]
            spikes[b], synops[b] = np.cumsum(counts, axis=0)[at], np.cumsum(operations)[at]
            return counts

        with workers(count) as pool:
            for counts in pool.map(one, range(len(x))):
                per_tick += counts
                if progress is not None:
                    progress(1)
        by_name = {name: spikes[:, :, i] for i, name in enumerate(names)}
        totals = {name: per_tick[:, i] for i, name in enumerate(names)}
        return RateResult(self, late, chosen, predictions, logits, by_name, totals, synops)


def rate_work(neurons: int, classes: int, macs: int, steps: Ints, spikes: Ints, synops: Ints, images: int) -> Work:
    """What so many FS and readout neurons do for `images` in `steps` ticks each, in which FS neurons send `spikes` in
    all and `synops` are taken (COUNT-8).
    """
    looks, none = images * steps * neurons, np.zeros_like(spikes)
    return Work(spikes, synops + images * macs, none, looks + images * steps * classes, looks, spikes, none, none)


@public
def rate_coded(net: Network | str | PathLike[str], setting: Setting = "best", rounding: Rounding | None = None) -> Twin:
    """The rate-coded twin of the network `net`, whose fs populations are FS-ReLUs; its `setting` is "classic", or
    "best": with analog input and a half-threshold start.

    `rounding` says whether the biases hold the rounding half, "nearest" or "floor"; networks of `fsref.convert` tell it
    themselves (RATE-3). For `best` convert with alpha="percentile". Source: Rueckauer et al. 2017. Errors: NetworkError
    [RATE-1], UsageError.
    """
    net = network_of(net)
    check_classifier(net, "RATE-1", "network", "rate coding is measured by classes")
    return Twin(net, setting, neurons(net, setting, rounding))


def check_points(given: Sequence[int] | None, steps: int) -> Ints:
    """The chosen t, (n,): as given, else 8, 16, 32, ... below T, and T. Errors: UsageError."""
    chosen = [*(2**i for i in range(3, 17) if 2**i < steps), steps] if given is None else list(given)
    whole = all(isinstance(t, int | np.integer) and not isinstance(t, bool) for t in chosen)
    if not whole or not chosen or not all(a < b for a, b in pairwise([0, *map(int, chosen), steps + 1])):
        raise UsageError("RATE-7", "checkpoints", "not ascending t of the run", given, f"1..{steps}")
    return np.array(chosen, np.int64)
