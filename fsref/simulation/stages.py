"""The parts of a pipeline: words of spikes, the FIFOs they wait in, and a stage per population with its membrane
buffers (TIME-5, TIME-7).

What a plane of spikes delivers to a target is the reference engine's `conv2d` and `dense`; when it is delivered, held
and fired is decided here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.engines.activity import Activity
from fsref.errors import LimitError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View
from fsref.law.projections import Gate
from fsref.simulation.store import Store
from fsref.tables import Brief

Plane = NDArray[np.bool_]


class Word(NamedTuple):
    """What a population sends in one step: the spikes (C, H, W) of step t of an image's window, sent in absolute
    `step`.
    """

    image: int
    t: int
    step: int
    plane: Plane


@dataclass(eq=False, repr=False)
class Fifo(Brief):
    """The words of one projection, or of the factor of a gate, each taken `delay` steps after it was sent, at most
    `depth` waiting (TIME-5); `peak` is the most that waited.
    """

    name: str
    delay: int
    depth: int
    needed: int
    peak: int = 0
    waiting: deque[Word] = field(default_factory=deque)

    def through(self, step: int, sent: Word | None) -> Word | None:
        """The word the target takes in this step; then the word just sent goes in. Errors: LimitError when there is no
        room.
        """
        if self.delay == 0:
            return sent
        taken = self.waiting.popleft() if self.waiting and self.waiting[0].step + self.delay == step else None
        if sent is not None:
            if len(self.waiting) >= self.depth:
                problem = f"the FIFO is full when step {sent.t} of image {sent.image} is sent"
                told = f"depth {self.depth}", f"depth {self.needed} is needed"
                raise LimitError("TIME-5", f"{self.name} step {step}", problem, *told)
            self.waiting.append(sent)
            self.peak = max(self.peak, len(self.waiting))
        return taken


@dataclass(eq=False, repr=False)
class Window(Brief):
    """One image in one population: in `t` steps spiked, as `train`; `missing` words are still to come into membranes v;
    the rest is recorded.
    """

    image: int
    train: NDArray[np.uint16]
    v: Ints
    missing: int = 0
    t: int = 0
    opening: Ints | None = None
    after: list[Ints] = field(default_factory=list)
    sums: dict[str, Ints] = field(default_factory=dict)


@dataclass(eq=False, repr=False)
class Register(Brief):
    """The codes of a gate's factor for one image, as far as they have come: `missing` of its words are still to come,
    and `left` of the source's, which they multiply (GATE-2, GATE-3).
    """

    image: int
    codes: Ints
    missing: int
    left: int


class Stage:
    """One population: its membrane buffers, what it fires in a step, and what it tells of an image that is done."""

    def __init__(
        self,
        net: Network,
        population: Population,
        buffers: int,
        interval: int,
        shortest: int,
        wants: frozenset[str],
        store: Store,
    ) -> None:
        self.net, self.population, self.buffers, self.wants, self.store = net, population, buffers, wants, store
        self.interval, self.shortest = interval, shortest  # for what an error says
        self.name, self.steps = population.name, net.steps[population.name]
        self.into = net.into(self.name)
        self.words = sum(net.steps[q.source] for q in self.into.values())
        self.held: list[Window] = []  # one per membrane buffer in use
        # Of each gate, one per buffer in use.
        self.registers: dict[str, list[Register]] = {n: [] for n, q in self.into.items() if isinstance(q, Gate)}
        self.starts: list[int] = []
        self.counts: list[int] = []
        self.outputs: list[Ints] = []
        self.still_in = np.zeros(0, bool)

    def busy(self, step: int, image: int, by: Window | Register, what: str) -> LimitError:
        """The error that `image` needs in this step what image `by` still takes."""
        enough = f"{self.shortest} is enough with {self.buffers} membrane buffer{'s' * (self.buffers > 1)}"
        problem, value = f"image {image} {what} image {by.image}", f"interval {self.interval}"
        return LimitError("TIME-7", f"{self.name} step {step}", problem, value, enough)

    def open(self, image: int, v: Ints) -> Window:
        """A new window for an image, its membranes v (of an input its codes, of a max_pool or view nothing)."""
        self.held.append(Window(image, np.zeros(self.population.shape, np.uint16), v))
        return self.held[-1]

    def enter(self, step: int, image: int, codes: Ints) -> None:
        """Take an image into the input. Errors: LimitError while it still sends another."""
        if self.held:
            raise self.busy(step, image, self.held[0], "enters while the input still sends")
        self.open(image, codes)

    def take(self, step: int, name: str, word: Word) -> None:
        """Integrate what a word delivers along projection `name`. Errors: LimitError when no membrane buffer is free
        for its image.
        """
        p = self.population
        assert isinstance(p, FS | Readout)  # what projections may enter (NET-4)
        window = next((w for w in self.held if w.image == word.image), None)
        if window is None:
            if len(self.held) == self.buffers:
                raise self.busy(step, word.image, self.held[0], "finds no free membrane buffer, the oldest holds")
            window = self.open(word.image, np.broadcast_to(p.bias_map, p.shape).copy())  # NET-5
            window.missing = self.words
            window.sums = {q: np.zeros(p.shape, np.int64) for q in self.into if "sums" in self.wants}
        window.missing -= 1
        q, factors = self.into[name], dict[str, Ints]()
        if isinstance(q, Gate):
            factor = self.register(name, word.image)
            assert factor.missing == 0  # GATE-2: it is whole
            factor.left -= 1
            factors[q.by] = factor.codes[None]
        if word.plane.any():
            worth = (word.plane * self.net.code_weights[q.source][:, word.t, None, None])[None]  # FS-4
            total = reference.carried(worth, q, p.shape, factors)[0]
            window.v += total
            if window.sums:
                window.sums[name] += total

    def gather(self, step: int, name: str, word: Word) -> None:
        """Add what a word of its factor is worth to the registers of gate `name`. Errors: LimitError when none is free
        for its image.
        """
        gate, held = self.net.gates[name], self.registers[name]
        if word.t == 0:
            if len(held) == self.buffers:
                raise self.busy(step, word.image, held[0], f"finds no free registers of gate {name}, the oldest hold")
            empty = np.zeros(self.net[gate.by].shape, np.int64)
            held.append(Register(word.image, empty, self.net.steps[gate.by], self.net.steps[gate.source]))
        own = self.register(name, word.image)
        own.codes += word.plane * self.net.code_weights[gate.by][:, word.t, None, None]  # FS-4
        own.missing -= 1

    def register(self, name: str, image: int) -> Register:
        """The registers of gate `name` that hold the codes of its factor for an image."""
        return next(own for own in self.registers[name] if own.image == image)

    def fire(self, step: int, source: Word | None) -> Word | None:
        """What the population sends in this step, for a max_pool or view given what its source does. Errors: LimitError
        when two images would fire at once.
        """
        p = self.population
        if source is not None and source.t == 0:  # of a max_pool or view alone
            self.open(source.image, np.zeros(0, np.int64))
        ready = [w for w in self.held if w.missing == 0]
        if not ready:
            return None
        if len(ready) > 1:
            raise self.busy(step, ready[1].image, ready[0], "would fire beside")
        window = ready[0]
        if window.t == 0:
            self.starts.append(step)
            window.opening = window.v.copy() if "opening" in self.wants & p.observables else None
        plane = self.spikes(window, source)
        window.train = (window.train << np.uint16(1)) | plane  # EVENT-2
        window.t += 1
        return Word(window.image, window.t - 1, step, plane)

    def spikes(self, window: Window, source: Word | None) -> Plane:
        """The spikes of the next step of a window (NET-7, POOL-1, VIEW-1, FS-2, FS-3)."""
        p = self.population
        match p:
            case Input():
                bits: Plane = (window.v >> (self.steps - 1 - window.t)) & 1 == 1
                return bits
            case MaxPool():
                assert source is not None
                return self.pool(p, source)
            case View():
                assert source is not None
                return np.asarray(reference.shown(source.plane[None, None], p)[0, 0], np.bool_)
            case FS():
                T, h, _ = (rows[:, :, None, None] for rows in p.table.rows(p.shape[0]))
                fired: Plane = window.v >= T[:, window.t]
                window.v -= h[:, window.t] * fired
                if "membranes" in self.wants:
                    window.after.append(window.v.copy())
                return fired
            case Readout():
                raise AssertionError("NET-8: a readout does not fire")
            case _:
                assert_never(p)

    def pool(self, pool: MaxPool, word: Word) -> Plane:
        """The spikes of a max-pool on one word of its source; candidates that stay silent while another fires drop out
        (POOL-1, POOL-3).
        """
        _, height, width = word.plane.shape
        (kh, kw), (sy, sx), (top, left, _, _) = pool.kernel, pool.stride, pool.padding
        if word.t == 0:
            self.still_in = np.ones((kh * kw, *pool.shape), bool)
        spiked = np.zeros_like(self.still_in)
        for r in range(kh):
            to_y, from_y = reference.seen(height, pool.shape[1], top, sy, r)
            for c in range(kw):
                to_x, from_x = reference.seen(width, pool.shape[2], left, sx, c)
                spiked[r * kw + c, :, to_y, to_x] = word.plane[:, from_y, from_x]
        fired: Plane = np.any(spiked & self.still_in, axis=0)
        self.still_in &= spiked | ~fired
        return fired

    def settle(self, step: int) -> int:
        """How many images were done with this population at the end of the step; their buffers are free from the next
        step on.
        """
        done = [w for w in self.held if w.missing == 0 and w.t == self.steps]
        for window in done:
            self.held.remove(window)
            self.tell(window, step)
        for name, held in self.registers.items():
            self.registers[name] = [own for own in held if own.left]
        return len(done)

    def tell(self, window: Window, step: int) -> None:
        """Count and record an image that is done."""
        sums = {name: total[None] for name, total in window.sums.items()}
        if self.population in self.net.readouts:
            self.starts.append(step + 1)
            self.outputs.append(window.v)
            activity = Activity(self.name, opening=window.v[None], sums=sums)
        else:
            self.counts.append(int(np.bitwise_count(window.train).sum()))
            codes = None
            if "codes" in self.wants:
                bits = (window.train >> np.arange(self.steps - 1, -1, -1, dtype=np.uint16)[:, None, None, None]) & 1
                codes = np.einsum("kchw,ck->chw", bits.astype(np.int64), self.net.code_weights[self.name])[None]  # FS-4
            opening = None if window.opening is None else window.opening[None]
            after = np.stack(window.after)[None] if window.after else None
            activity = Activity(self.name, window.train[None], codes, opening, after, sums)
        self.store.keep(slice(window.image, window.image + 1), activity)
