# SPDX-License-Identifier: Apache-2.0
"""What tools/bench.py measures: networks with all peers, growth of one thing at a time, and chains for the costs of a
neuron and a spike. Every row is plain values.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fsref
from bench_chains import SIDES, SPIKES, chain
from bench_clock import interleaved
from bench_networks import Sources, Subject, resized, subject
from bench_peers import FEW, FLOAT, PEERS, Contestant, Peer
from fsref import FS, Conv2d, Network

SWEPT = ("fsref events", "fsref quantized", "ONNX Runtime float32", "ONNX Runtime int8, QDQ")
STEPS, SIZES, BATCHES, SIZED = range(3, 11), (16, 32, 48, 64, 96), (1, 2, 4, 8, 16, 32, 64), 8
SPREAD = 1024  # images over threads: work of few milliseconds is over before threads have spread
Row = dict[str, Any]


@dataclass
class Bench:
    """A run of the bench: its peers by name, how often and how long, and what it had to leave out, a line each."""

    peers: Sequence[str]
    rounds: int
    seconds: float
    left_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        installed = [name for name in self.peers if not PEERS[name].missing]
        for name in self.peers:
            if name not in installed:
                self.leave_out(f"{name}: not installed: {', '.join(PEERS[name].missing)}")
        self.peers = installed

    def leave_out(self, line: str) -> None:
        """Say once what is not measured."""
        if line not in self.left_out:
            self.left_out.append(line)
            tell(f"not measured: {line}")

    def contestants(
        self, of: Subject, names: Iterable[str], threads: int
    ) -> dict[tuple[str, int], tuple[Peer, Contestant]]:
        """The peers made ready for a network by name and K, 0 of those that run the float graph."""
        made = {}
        for name in names:
            peer = PEERS[name]
            if peer.slow and of.large:
                self.leave_out(f"{name} on {of.name}: takes too long")
                continue
            for steps in (0,) if peer.kind == FLOAT else of.steps:
                try:
                    made[name, steps] = peer, peer.make(of, steps, threads)
                except Exception as error:  # a peer that cannot do this network is no reason to stop
                    self.leave_out(f"{name} on {of.name}: {first_line(error)}")
        return made

    def cells(self, of: Subject, names: Iterable[str], batches: Iterable[int], threads: int = 1) -> list[Row]:
        """A row for every contestant and batch: times, and the share of images with the class that fsref gives."""
        made, rows = self.contestants(of, [name for name in names if name in self.peers], threads), []
        facts = {steps: Facts.of(of.network(steps), of.images) for steps in of.steps}
        for batch in batches:
            passes, told = dict[Any, tuple[Callable[[], object], int]](), dict[Any, Row]()
            for (name, steps), (peer, one) in made.items():
                if peer.slow and batch > 1:
                    continue
                images = of.images[: FEW if peer.slow else len(of.images)]
                parts = [images[at : at + batch] for at in range(0, len(images), batch)]
                prepared = [one.prepared(part) for part in parts]
                try:
                    given = [one.run(part) for part in prepared]
                    classes = np.concatenate([one.logits(each).argmax(axis=1) for each in given])
                except Exception as error:
                    self.leave_out(f"{name} on {of.name}: {first_line(error)}")
                    continue
                expected = facts[steps or of.steps[-1]].classes[: len(images)]
                agrees = float((classes == expected).mean())
                told[name, steps] = {"agrees": agrees, "kernels": getattr(given[0], "kernels", "")}
                passes[name, steps] = whole_pass(one.run, prepared), len(images)
            tell(f"{of.name}, batch {batch}, {threads} threads: {len(passes)} contestants")
            for (name, steps), times in interleaved(passes, self.rounds, self.seconds).items():
                row = {"network": of.name, "images": of.of, "batch": batch, "threads": threads, "peer": name}
                row |= {"steps": steps, **told[name, steps], **times.told()}
                rows.append(row | facts[steps or of.steps[-1]].told())
        return rows

    def networks(self, names: Iterable[str], sources: Sources, most: int) -> list[Row]:
        """Every network with every peer, one thread."""
        rows, waiting = list[Row](), [subject(name, sources, most) for name in names]  # a wrong source is told at once
        while waiting:
            of = waiting.pop(0)
            rows += self.cells(of, self.peers, of.batches)
        return rows

    def growth(self, sources: Sources, most: int) -> dict[str, list[Row]]:
        """ResNet-20 over K, image size, batch and threads, one at a time; each row says where it stands. Over threads
        there are SPREAD images, the same ones again and again.
        """
        of = subject("resnet20", sources, most)
        some = replace(of, images=of.images[:SIZED], steps=(8,))
        grown: dict[str, list[Row]] = {}

        def add(what: str, at: int, rows: list[Row]) -> None:
            grown.setdefault(what, []).extend({**row, "at": at} for row in rows)

        for steps in STEPS:
            add("K", steps, self.cells(replace(of, steps=(steps,)), SWEPT, [len(of.images)]))
        for side in SIZES:
            add("image size", side, self.cells(resized(some, side), SWEPT, [SIZED]))
        for batch in (batch for batch in BATCHES if batch <= len(of.images)):
            add("batch", batch, self.cells(replace(of, steps=(8,)), SWEPT, [batch]))
        many = replace(of, images=np.resize(of.images, (SPREAD, *of.images.shape[1:])), steps=(8,))
        for threads in range(1, (os.cpu_count() or 1) + 1):
            add("threads", threads, self.cells(many, SWEPT, [SPREAD], threads))
        return grown

    def costs(self, channels: Iterable[int] = SIDES, spikes: Iterable[float] = SPIKES) -> list[Row]:
        """Chains of so many channels and spikes per neuron."""
        rows = []
        for c in channels:
            for s in spikes:
                of = chain(c, s)
                rows += [{**row, "channels": c, "asked": s} for row in self.cells(of, SWEPT[:3], of.batches)]
        return rows


@dataclass(frozen=True)
class Facts:
    """What there is to do in a network for its images: per image, of FS neurons; `delivered` are the spikes that
    convolutions deliver.
    """

    classes: NDArray[np.int64]
    neurons: int
    spikes: float
    delivered: float
    synops: float
    macs: int

    @classmethod
    def of(cls, net: Network, images: NDArray[np.integer]) -> Facts:
        """Counted by fsref (COUNT-1)."""
        score = fsref.evaluate(net, images, np.zeros(len(images), np.int64))
        sent = {name: int(each.sum()) / len(images) for name, each in score.counts.spikes.items()}
        sources = {q.source for q in net.projections if isinstance(q, Conv2d)}
        spikes = sum(sent[p.name] for p in net.fs)
        delivered = sum(sent[name] for name in sources)
        synops = int(score.counts.total.synops) / len(images)
        return cls(score.predictions, net.fs_neurons, spikes, delivered, synops, macs(net))

    def told(self) -> dict[str, Any]:
        """As plain values."""
        return {name: getattr(self, name) for name in ("neurons", "spikes", "delivered", "synops", "macs")}


def macs(net: Network) -> int:
    """Multiply-accumulates of one image, every projection dense, borders counted as if they were none."""
    places = {p.name: p.shape[1] * p.shape[2] for p in net.populations if isinstance(p, FS)}
    return sum(q.weights.size * (places.get(q.target, 1) if isinstance(q, Conv2d) else 1) for q in net.projections)


def whole_pass(run: Callable[[Any], object], parts: Sequence[Any]) -> Callable[[], None]:
    """A function that runs every part."""

    def call() -> None:
        for part in parts:
            run(part)

    return call


def first_line(error: Exception) -> str:
    """What an error says, in a line."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def tell(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)
