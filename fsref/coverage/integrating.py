"""The search for trains that set the membranes of an fs or readout where its bins are (VECTOR-3).

Places are taken one behind another. The inputs that no place before has taken set its membrane where one bin of one
channel wants it; then all its inputs are taken. So one stimulus aims at as many bins as there are places.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.coverage.bins import nothing, places, reached
from fsref.coverage.coverage import Coverage
from fsref.coverage.draws import Draws
from fsref.coverage.exact import NO_SUM, Exact
from fsref.coverage.fields import Fields
from fsref.coverage.group import Bits
from fsref.coverage.knapsack import solved
from fsref.coverage.membranes import Membranes
from fsref.coverage.openings import OF_OPENINGS, Openings
from fsref.engines import reference
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout, Shape
from fsref.law.projections import Conv2d, Linear
from fsref.simulation.recording import Key

TRIES = 20  # of each bin, with all inputs of a neuron
TIES = 64  # pairs of classes
LOOKED_AT = 4  # bins at one place
WEIGHED = 2**12  # membranes of solutions for one bin, of which the one is taken that meets most others
KEPT = 64  # intervals of openings of one bin that are tried


@dataclass(eq=False)
class Target:
    """A bin to reach, by its group and its index; the openings (n, 2) of a channel that meet it."""

    group: int
    index: int
    channel: int
    openings: Ints
    tries: int = 0


@dataclass(eq=False)
class Queue:
    """Targets of channels that share inputs: those not tried yet or reached since, and those that need all inputs of a
    neuron.
    """

    some: deque[Target] = field(default_factory=deque)
    whole: deque[Target] = field(default_factory=deque)

    def __bool__(self) -> bool:
        return bool(self.some or self.whole)

    def add(self, target: Target, opening: Ints) -> None:
        """Put in a target, by how far from the ends of the proved interval of openings (C, 2) it is."""
        low, high = opening[target.channel].tolist()
        margin = (high - low) // 5
        some = (target.openings[:, 1] >= low + margin) & (target.openings[:, 0] <= high - margin)
        (self.some if some.any() else self.whole).append(target)


class Sought:
    """Openings that reach something new, of all channels on one line: channel c begins at c times what the widest
    interval of `opening` (C, 2) spans.
    """

    def __init__(self, targets: list[Target], opening: Ints) -> None:
        span = max(b - a + 1 for a, b in opening.tolist())
        self.shift = np.arange(len(opening)) * span - opening[:, 0] if span * len(opening) < 2**62 else None
        self.start = self.end = np.zeros(1, np.int64)
        if targets and self.shift is not None:
            rows = np.concatenate([target.openings + self.shift[target.channel] for target in targets])
            rows = rows[np.argsort(rows[:, 0], kind="stable")]
            self.start, self.end = rows[:, 0], np.maximum.accumulate(rows[:, 1])

    def hits(self, first: int, v: Ints) -> Bits:
        """Which openings (O, n), of O channels from the `first` on, do; none where integers are too large to look."""
        if self.shift is None:
            return np.zeros(v.shape, bool)
        at = np.searchsorted(self.start, line := v + self.shift[first : first + len(v), None], side="right") - 1
        found: Bits = (at >= 0) & (self.end[at] >= line)
        return found


class Integrated:
    """A search for one fs or readout: `stimuli` that reach something new, and the `coverage` of all of them."""

    def __init__(self, net: Network, p: FS | Readout, seed: int) -> None:
        self.net, self.p, self.fields, self.draws = net, p, Fields(net, p), Draws(seed)
        self.bias = np.broadcast_to(p.bias_map, p.shape)
        self.gated = bool(net.gates.keys() & net.into(p.name).keys())
        self.openings = next(Openings(at) for at in places(net) if isinstance(at, Membranes) and at.p is p)
        self.stimuli: list[dict[Key, Ints]] = []
        self.coverage = nothing(net)
        self.queues = [Queue() for _ in range(self.fields.blocks)]
        self.sought = Sought([], self.openings.of.opening)
        self.codes, self.held = self.fields.inputs.least, np.zeros(self.fields.inputs.count, bool)

    def run(self, budget: int) -> None:
        """Search until nothing is left to aim at, or so many stimuli were tried."""
        inputs = self.fields.inputs
        first = [inputs.high, inputs.least, inputs.drawn(self.draws), inputs.drawn(self.draws)]
        self.look(np.stack(first))
        if self.gated:  # a product is no sum to aim at: codes are drawn
            for _ in range(len(first), budget):
                self.look(inputs.drawn(self.draws)[None])
            return
        targets = list(self.wanted())
        for i in self.draws.order(len(targets)).tolist():
            self.queues[self.fields.block(targets[i].channel)].add(targets[i], self.openings.of.opening)
        for turn in range(len(first), budget):
            if not any(self.queues):
                break
            self.codes = inputs.drawn(self.draws) if turn % 2 else inputs.least.copy()
            self.held[:] = False
            targets = [target for target in targets if not self.done(target)]
            self.sought = Sought(targets, self.openings.of.opening)
            for y, x, alone in self.order():
                for block in range(len(self.queues)):
                    self.aim(block, y, x, alone)
            self.look(self.codes[None])
        self.finish()

    def finish(self) -> None:
        """Of what is left: reach exactly what has few sums, prove of what none meets that it is unreachable."""
        exact = Exact(self.fields, self.openings, self.bias)
        groups = list(self.coverage.groups)
        left = {
            g: ~(self.coverage.reached[g] | group.unreachable)
            for g, group in enumerate(groups)
            if group.place == self.p.name and group.rule in OF_OPENINGS
        }
        proved = exact.never([(groups[g], bits) for g, bits in left.items()])
        for g, never in zip(left, proved, strict=True):
            groups[g] |= replace(groups[g], unreachable=never, reason=NO_SUM)
        self.coverage = Coverage(self.net, groups, self.coverage.reached)
        for g, index in self.left():
            for channel, openings in self.openings.targets(groups[g], index):
                found = exact.codes(channel, openings)
                if found is not None and not self.coverage.reached[g].reshape(-1)[index]:
                    at, codes = found
                    self.codes = self.fields.inputs.least.copy()
                    self.codes[at] = codes
                    self.look(self.codes[None])
        if self.p is self.net.readout and self.net.is_classifier:
            self.tie()

    def tie(self) -> None:
        """Make two classes tie for the largest logit (NET-8)."""
        inputs = self.fields.inputs
        at, weights = self.fields.patch(0, 0, 0)
        reach, bias = (inputs.low[at], inputs.high[at]), self.bias[:, 0, 0]
        pairs = list(combinations(range(len(weights)), 2))
        for i in self.draws.order(len(pairs))[:TIES].tolist():
            a, b = pairs[i]
            favour = weights[a] + weights[b] - 2 * weights.sum(axis=0) // len(weights)
            base = np.where(favour > 0, reach[1], reach[0])
            total = int(bias[b] - bias[a])
            found = solved(weights[a] - weights[b], reach, lambda j: inputs.codes(at[j]), base, total, self.draws)
            if not len(found):
                continue
            tried = np.arange(min(len(found), WEIGHED // len(weights)))
            logits = found.sums(weights, tried) + bias[:, None]
            ties = np.flatnonzero(logits[a] == logits.max(axis=0))
            if len(ties):
                self.codes = inputs.least.copy()
                self.codes[at] = found.one(int(ties[0]))
                self.look(self.codes[None])
                return

    def left(self) -> list[tuple[int, int]]:
        """The bins of the population that are neither reached nor proved unreachable, by group and index, channel by
        channel.
        """
        found = []
        for g, (group, hit) in enumerate(zip(self.coverage.groups, self.coverage.reached, strict=True)):
            if group.place == self.p.name:
                first = group.unreachable.size // group.unreachable.shape[0] if group.unreachable.ndim else 1
                missed = np.flatnonzero(~(hit | group.unreachable)).tolist()
                found += [(index // first, g, index) for index in missed]
        return [(g, index) for _, g, index in sorted(found)]

    def wanted(self) -> Iterator[Target]:
        """The targets of each bin that is left, which openings meet."""
        for g, index in self.left():
            for channel, openings in self.openings.targets(self.coverage.groups[g], index):
                if len(openings) > KEPT:
                    openings = openings[self.draws.order(len(openings))[:KEPT]]
                yield Target(g, index, channel, openings)

    def done(self, target: Target) -> bool:
        """Whether a bin is reached."""
        return bool(self.coverage.reached[target.group].reshape(-1)[target.index])

    def order(self) -> Iterator[tuple[int, int, bool]]:
        """The places (y, x) of one stimulus, and whether none before shares an input: first those far apart, while bins
        need all inputs of a neuron, then all, row by row.
        """
        if any(queue.whole for queue in self.queues):
            into, shapes = self.fields.into, self.fields.shapes
            rows, columns = (_apart(into, shapes, self.p.shape, axis) for axis in (0, 1))
            yield from ((y, x, True) for y, x in product(rows, columns))
        flip = self.draws.below(np.array([2, 2]))
        rows, columns = (range(n)[:: -1 if back else 1] for n, back in zip(self.p.shape[1:], flip, strict=True))
        yield from ((y, x, False) for y, x in product(rows, columns))

    def aim(self, block: int, y: int, x: int, alone: bool) -> None:
        """Set the membrane of one channel of a block at a place where one of the first targets wants it, if inputs of
        it are left.
        """
        queue = self.queues[block]
        source = queue.whole if alone and queue.whole else queue.some
        if not source:
            return
        at, weights = self.fields.patch(block, y, x)
        free = ~self.held[at]
        if not free.any():
            return
        bias = self.bias[block * len(weights) : (block + 1) * len(weights), y, x]
        fixed = bias + weights[:, ~free] @ self.codes[at[~free]]
        for _ in range(min(LOOKED_AT, len(source))):
            target = source.popleft()
            if self.done(target):
                continue
            if self.set(target, at[free], weights[:, free], fixed):
                self.held[at] = True
                return
            target.tries += bool(free.all())
            if target.tries < TRIES:
                source.append(target)
            elif source is queue.some:
                queue.whole.append(replace(target, tries=0))

    def set(self, target: Target, at: NDArray[np.intp], weights: Ints, fixed: Ints) -> bool:
        """Whether some inputs (n,) could be set so that the membrane of a channel is where a target wants it, and as
        many of the other channels where others do; `weights` (O, n) and the rest, `fixed` (O,), of all channels.
        """
        inputs, c = self.fields.inputs, target.channel % len(weights)
        reach = inputs.low[at], inputs.high[at]
        ends = np.stack([weights[c] * reach[0], weights[c] * reach[1]])
        low = np.maximum(target.openings[:, 0], fixed[c] + ends.min(axis=0).sum())
        high = np.minimum(target.openings[:, 1], fixed[c] + ends.max(axis=0).sum())
        fit = np.flatnonzero(low <= high)
        if not len(fit):
            return False
        one = fit[self.draws.one(len(fit))]
        total = int(low[one]) + self.draws.one(int(high[one] - low[one]) + 1) - int(fixed[c])
        found = solved(weights[c], reach, lambda j: inputs.codes(at[j]), self.codes[at], total, self.draws)
        if not len(found):
            return False
        tried = self.draws.order(len(found))[: max(1, WEIGHED // len(weights))]
        v = found.sums(weights, tried) + fixed[:, None]
        hits = self.sought.hits(target.channel - c, v).sum(axis=0)
        self.codes[at] = found.one(int(tried[hits.argmax()]))
        return True

    def look(self, codes: Ints) -> None:
        """Count what stimuli, codes (B, inputs), reach, one behind another; keep them if that is anything new."""
        inputs, p = self.fields.inputs, self.p
        stimuli = [inputs.given(row) for row in codes]
        given = {key: np.stack([one[key] for one in stimuli]) for key in stimuli[0]}
        arrays: dict[Key, NDArray[Any]] = dict(given)
        v = np.zeros((len(codes), *p.shape), np.int64) + self.bias
        planes = {
            name: codes[:, first : first + self.net[name].neurons].reshape(-1, *self.net[name].shape)
            for name, first in inputs.first.items()
        }
        for name, q in self.net.into(p.name).items():
            total = reference.carried(planes[q.source], q, p.shape, planes)
            v += total
            arrays[name, "sums"] = total.reshape(len(codes), -1)
        arrays[p.name, "opening"] = v.reshape(len(codes), -1)
        if isinstance(p, FS):  # a readout does not fire
            spikes, membranes, sent = reference.fire(v, p.table)
            arrays[p.name, "spikes"] = reference.words(spikes).reshape(len(codes), -1)
            arrays[p.name, "membranes"] = membranes.reshape(len(codes), p.steps, -1)
            arrays[p.name, "codes"] = sent.reshape(len(codes), -1)
        now = self.coverage | reached(self.net, arrays, given.keys())
        if now.counts[0] > self.coverage.counts[0]:
            self.coverage = now
            self.stimuli += stimuli


def _apart(into: list[Linear], sources: Mapping[str, Shape], target: Shape, axis: int) -> range:
    """The places along an axis whose windows lie inside all sources and share no input; one where none lies inside."""
    first, last, step = 0, target[1 + axis] - 1, 1
    for q in into:
        if isinstance(q, Conv2d):  # the target of a dense projection has one place
            stride, extent = q.stride[axis], q.dilation[axis] * (q.kernel[axis] - 1) + 1
            first, step = max(first, -(-q.padding[axis] // stride)), max(step, -(-extent // stride))
            last = min(last, (sources[q.source][1 + axis] - extent + q.padding[axis]) // stride)
    return range(first, last + 1, step) if first <= last else range(target[1 + axis] // 2, target[1 + axis] // 2 + 1)
