"""A search for images that set membranes of hidden populations where their bins are (OBS-4).

Every image that is tried is held against all marks at once. From the image that came nearest to a mark pixels move
along the slope of its membrane. Where little is missing, it is measured what moves of single pixels do, and two moves
are taken that together do what is missing, as far as they do not meet on their way.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fsref.coverage.draws import Draws
from fsref.coverage.marks import Marks, Near, marks_of
from fsref.coverage.slopes import Floats, slopes
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.simulation.recording import Record, Trace
from fsref.simulation.run import run

AT_ONCE = 8  # marks of a population that are aimed at in a turn,
STEPS = 3  # steps of different lengths towards each,
CLOSED = 8  # pixels that close what rounding leaves,
MOVES = 96  # moves of single pixels that are measured,
PAIRS = 64  # marks at which two of them aim
TRIES = 8  # turns in which a mark is aimed at
NEAR = 8  # times what one code of the steepest pixel does: little is missing
TOGETHER = 2**22  # neurons of the images that run at a time


def images_at_once(net: Network) -> int:
    """How many images run at a time."""
    return max(1, TOGETHER // sum(p.neurons for p in net.populations))


def bits(values: Ints) -> NDArray[np.int64]:
    """How many bits the magnitudes of integers have."""
    return np.frexp(np.abs(values).astype(np.float64))[1].astype(np.int64)


class Sought:
    """The marks of one population: which are still `wanted`, how near images came, in how many turns each was tried;
    the `first` image that reached each bin, -1 where none did.
    """

    def __init__(self, marks: Marks) -> None:
        self.marks, count = marks, len(marks.bins)
        self.near, self.tries = Near.none(count), np.zeros(count, np.int64)
        self.first = np.full(len(marks.kinds), -1)
        self.wanted = np.ones(count, bool)

    def look(self, opening: Ints, first: int) -> None:
        """Hold images, numbered from `first` on, against the marks wanted, by their opening membranes (B, neurons)."""
        if self.wanted.any():
            self.marks.look(opening, self.wanted, self.near, first)
            hit = self.wanted & (self.near.missing == 0)
            self.first[self.marks.bins[hit]] = self.near.image[hit]
            self.wanted = self.first[self.marks.bins] < 0

    def first_of_kinds(self) -> list[int]:
        """For each kind of bins the first image that reached one."""
        at = np.flatnonzero(self.first >= 0)
        at = at[np.argsort(self.first[at], kind="stable")]
        found: list[int] = self.first[at[np.unique(self.marks.kinds[at], return_index=True)[1]]].tolist()
        return found

    def order(self) -> NDArray[np.intp]:
        """The marks wanted that were not tried too often, each kind in turn, those before that have fewer bins reached;
        of a kind those before that are nearer and were tried less.
        """
        left = np.flatnonzero(self.wanted & (self.tries < TRIES))
        effort = bits(self.near.missing[left]) + self.tries[left]
        left, effort = (values[np.argsort(effort, kind="stable")] for values in (left, effort))
        kinds = self.marks.kinds[self.marks.bins]
        reached = np.bincount(kinds[~self.wanted], minlength=len(self.marks.kinds) + 1)
        by_kind = np.argsort(kinds[left], kind="stable")
        nth = np.empty(len(left), np.int64)
        nth[by_kind] = np.arange(len(left)) - np.searchsorted(kinds[left][by_kind], kinds[left][by_kind])
        found: NDArray[np.intp] = left[np.argsort(effort + 2 * bits(reached[kinds[left]] + nth), kind="stable")]
        return found


class Climb:
    """The search in a network: what is `sought`, and the `images` (tried, C, H, W) so far."""

    def __init__(self, net: Network, budget: int, seed: int, progress: Callable[[int], None] | None = None) -> None:
        self.net, self.draws, self.progress = net, Draws(seed), progress
        self.sought = [Sought(marks) for marks in marks_of(net)]
        self.room = np.empty((budget, *net.input.shape), np.uint16)
        self.tried = 0
        self.chunk = images_at_once(net)

    @property
    def images(self) -> Ints:
        """The images tried."""
        return self.room[: self.tried].astype(np.int64)

    @property
    def over(self) -> bool:
        """Whether the budget is spent, or nothing is left to aim at."""
        return self.tried == len(self.room) or not any(len(sought.order()) for sought in self.sought)

    def run(self, start: Ints) -> None:
        """Try images (B, C, H, W) to start from, then search until nothing is left to aim at or the budget is spent."""
        self.look(start)
        while not self.over:
            for sought in self.sought:
                self.turn(sought)

    def look(self, images: Ints) -> None:
        """Try images (B, C, H, W), as many as the budget allows."""
        images = images[: len(self.room) - self.tried]
        for start in range(0, len(images), self.chunk):
            part = images[start : start + self.chunk]
            trace = self.recorded(part)
            for sought in self.sought:
                sought.look(trace[sought.marks.p.name, "opening"], self.tried)
            self.room[self.tried : self.tried + len(part)] = part
            self.tried += len(part)
            if self.progress is not None:
                self.progress(len(part))

    def recorded(self, images: Ints) -> Trace:
        """The opening membranes of all populations for images."""
        record = Record([p.name for p in self.net.integrating], ("opening",))
        trace = run(self.net, images, "quantized", record, threads=1).trace
        assert trace is not None
        return trace

    def turn(self, sought: Sought) -> None:
        """Aim at some marks of a population: from afar step by step, at those that one image is near with all moves."""
        marks = sought.order()[:AT_ONCE]
        if not len(marks):
            return
        sought.tries[marks] += 1
        images = self.room[sought.near.image[marks]].astype(np.int64)
        trace, name = self.recorded(images), sought.marks.p.name
        seeds = sought.marks.seeds(trace[name, "opening"], marks, sought.near.place[marks])
        slope = slopes(self.net, name, seeds, {p.name: trace[p.name, "opening"] for p in self.net.fs})
        slope, flat = slope.reshape(len(marks), -1), images.reshape(len(marks), -1)
        steepest = np.abs(slope).max(axis=1)
        size = np.frexp(steepest)[1]  # scaled by powers of two, sums stay exact
        slope = np.ldexp(slope, -size[:, None])
        missing = np.ldexp(sought.near.missing[marks].astype(np.float64), -size)
        near = np.abs(missing) <= NEAR * np.ldexp(steepest, -size)
        far = ~near & (steepest > 0)
        for part in range(STEPS) if far.any() else ():
            self.look(self.shaped(self.stepped(flat[far], slope[far], missing[far] / 2.0**part)))
        if near.any():
            one = int(np.argmax(near))
            self.close(sought, flat[one], np.flatnonzero(slope[one]))

    def shaped(self, pixels: Ints) -> Ints:
        """Pixels (n, C·H·W) as images."""
        return pixels.reshape(-1, *self.net.input.shape)

    def stepped(self, images: Ints, slope: Floats, missing: Floats) -> Ints:
        """Images (n, pixels) moved along the slopes (n, pixels) of one membrane each, so that it should move by what is
        missing (n,): all pixels a little, then some by what rounding them left.
        """
        top, rows = self.net.input.max_code, np.arange(len(images))
        steepness = (slope**2).sum(axis=1)
        moved = np.floor(images + slope * (missing / steepness)[:, None] + self.drawn(slope.shape))
        moved = np.clip(moved, 0, top)
        for _ in range(CLOSED):
            left = missing - ((moved - images) * slope).sum(axis=1)
            wanted = np.rint(np.divide(left[:, None], slope, out=np.zeros_like(slope), where=slope != 0))
            change = np.clip(moved + wanted, 0, top) - moved
            off = np.abs(left[:, None] - change * slope) * (1 + self.drawn(slope.shape))
            best = off.argmin(axis=1)
            moved[rows, best] += change[rows, best]
        found: Ints = moved.astype(np.int64)
        return found

    def close(self, sought: Sought, image: Ints, pixels: NDArray[np.intp]) -> None:
        """Measure what single pixels of an image (pixels,) do to the membranes of a population, moved by little; then
        try pairs of these moves that should bring marks to what is missing.
        """
        if not len(pixels):
            return
        top, name, marks = self.net.input.max_code, sought.marks.p.name, sought.marks
        which = self.draws.order(2 * len(pixels))[:MOVES]
        pixel = pixels[which >> 1]
        by = (1 - 2 * (which & 1)) * (1 + self.draws.below(np.full(len(which), max(1, top >> 6))))
        inside = (image[pixel] + by >= 0) & (image[pixel] + by <= top)
        pixel, by = pixel[inside], by[inside]
        moved = np.repeat(image[None], len(pixel), axis=0)
        moved[np.arange(len(pixel)), pixel] += by
        self.look(self.shaped(moved))
        # Measured once more, with the image itself: what a look has seen is not kept.
        opening = self.recorded(self.shaped(np.concatenate([image[None], moved])))[name, "opening"]
        v, near = marks.membranes(opening), Near.none(len(marks.bins))
        marks.look(opening[:1], sought.wanted, near)
        order = sought.order()
        channels = marks.channels[order]
        done = (v[1:] - v[:1])[:, channels, near.place[order]]  # (moves, marks)
        reached = 2 * np.abs(done).max(axis=0, initial=0) >= np.abs(near.missing[order])
        order = order[reached][:PAIRS]
        apart = np.triu(self.apart(pixel))
        pairs: list[tuple[int, int]] = []
        for mark, of in zip(order.tolist(), done[:, reached].T, strict=False):
            found = np.flatnonzero(np.where(of[:, None] + of == near.missing[mark], apart, 0))
            found = found[np.argsort(-apart.flat[found], kind="stable")][: PAIRS // len(order)]
            pairs += [divmod(at, len(pixel)) for at in found.tolist()]
            sought.tries[mark] += 1
        one, other = np.array(pairs, np.intp).reshape(-1, 2).T
        moved = np.repeat(image[None], len(pairs), axis=0)
        for move in (one, other):
            moved[np.arange(len(pairs)), pixel[move]] += by[move]
        self.look(self.shaped(moved))

    def apart(self, pixel: NDArray[np.intp]) -> Ints:
        """How far pixels lie apart, (n, n), whatever their channel."""
        _, y, x = np.unravel_index(pixel, self.net.input.shape)
        found: Ints = np.maximum(np.abs(y[:, None] - y), np.abs(x[:, None] - x))
        return found

    def drawn(self, shape: tuple[int, ...]) -> Floats:
        """Numbers of 0 to below 1."""
        words = self.draws.words(int(np.prod(shape))).reshape(shape) >> np.uint64(11)
        return words.astype(np.float64) / 2.0**53
