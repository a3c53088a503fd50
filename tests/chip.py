"""A chip of its own design that reads frames (CONFORM-1), and mistakes that can be planted in it. Nothing of fsref."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SUMS, OPENING, SPIKES, MEMBRANES, CODES = range(5)
Array = Any
BUGS = (
    "strict",
    "saturates-late",
    "wraps-16",
    "saturates-16",
    "wraps-24",
    "wraps-32",
    "low-weight-clipped",
    "low-weight-positive",
    "bias-8-bits",
    "bias-16-bits",
    "bias-unsigned",
    "bias-each-step",
    "stale-membrane",
    "stale-weights",
    "stale-bias",
    "no-reset",
    "late-reset",
    "reset-by-threshold",
    "theta-power-of-two",
    "first-row-for-all",
    "target-row-of-d",
    "d-without-sign",
    "first-input-missing",
    "last-input-missing",
    "kernel-flipped",
    "stride-turned",
    "padding-other-side",
    "dilation-ignored",
    "groups-interleaved",
    "pooled-once",
    "merge-overwrites",
    "skip-missing",
    "pool-or",
    "pool-last-missing",
    "pool-stale",
    "pool-other-side",
    "logits-clipped",
    "logits-16-bits",
    "steps-15",
    "one-step-more",
    "codes-signed",
    "codes-reversed",
    "train-reversed",
    "clamps-at-0",
    "channels-of-8",
    "reads-after-16",
    "factor-without-sign",
    "factor-of-next",
    "view-turned",
    "view-fills-gaps",
)


@dataclass
class Part:
    """A population: its words, unpacked."""

    kind: int
    shape: tuple[int, int, int]
    steps: int
    arrays: list[Array] = field(default_factory=list)
    top: int = 0
    source: int = -1
    window: list[int] = field(default_factory=list)
    into: list[tuple[int, int, Array]] = field(default_factory=list)  # number of projection, source, matrix
    by: dict[int, int] = field(default_factory=dict)  # the factor of a gate by the number of the projection

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    def rows(self, at: int) -> Array:
        """T, h or d, a row for each neuron."""
        table = np.broadcast_to(self.arrays[at], (self.shape[0], self.steps))
        return np.repeat(table, self.shape[1] * self.shape[2], axis=0)


class Words:
    """Words taken one after the other."""

    def __init__(self, words: Iterable[int]) -> None:
        self.words, self.at = list(words), 0

    def take(self, count: int = 1) -> list[int]:
        found = self.words[self.at : self.at + count]
        self.at += count
        if len(found) < count:
            raise Refuse
        return found

    def array(self) -> Array:
        (rank,) = self.take()
        shape = self.take(rank)
        return np.array(self.take(int(np.prod(shape))), np.int64).reshape(shape)


class Refuse(Exception):
    """A frame is refused."""


class Chip:
    """A chip with at most one mistake."""

    def __init__(self, bug: str = "") -> None:
        assert bug in ("", *BUGS)
        self.bug = bug
        self.parts: list[Part] = []
        self.left: dict[int, Array] = {}  # membranes after an image
        self.out: dict[int, Array] = {}  # candidates that dropped out

    def answer(self, words: Sequence[int]) -> list[int]:
        """The reply to a frame; it refuses none that is well formed, and no other."""
        frame = Words(words)
        try:
            (what,) = frame.take()
            if what == 1:
                self.load(frame)
                return [1]
            if what == 2:
                return [2, *self.run(frame)]
        except (Refuse, IndexError, ValueError, KeyError):
            return [5]
        if what == 3:
            self.left, self.out = {}, {}
        return [what] if what in (3, 4) else [5]

    def load(self, frame: Words) -> None:
        """Take a network."""
        before = self.parts
        parts, joined = [], []
        count, projections = frame.take(2)
        for _ in range(count):
            kind, c, h, w, steps = frame.take(5)
            part = Part(kind, (c, h, w), steps)
            if kind == 0:
                (part.top,) = frame.take()
            elif kind == 2:
                part.source, *part.window = frame.take(9)
            elif kind == 4:
                (part.source,) = frame.take()
                part.arrays = [frame.array(), frame.array()]
            else:
                part.arrays = [frame.array() for _ in range(4 if kind == 1 else 1)]
            parts.append(part)
        for number in range(projections):
            kind, source, target = frame.take(3)
            geometry = frame.take(9 if kind == 0 else 1)
            weights = self.weights(frame.array())
            part = parts[target]
            join = (self.conv, self.dense, self.gate)[kind]
            if kind == 2:
                part.by[number] = geometry[0]
            matrix = join(parts[source], part, geometry, weights)
            if self.bug == "first-input-missing":
                matrix[:, 0] = 0
            if self.bug == "last-input-missing":
                matrix[:, -1] = 0
            if self.bug == "reads-after-16":
                matrix[:, 16:] = 0
            joined.append((number, source, target, matrix))
        alike = [part.shape for part in before] == [part.shape for part in parts]
        for number, source, target, matrix in joined:
            if self.bug == "stale-weights" and alike:
                known = [old for n, _, old in before[target].into if n == number and old.shape == matrix.shape]
                matrix = known[0] if known else matrix
            if self.bug == "skip-missing" and source != target - 1 and len([j for j in joined if j[2] == target]) > 1:
                matrix = matrix * 0
            parts[target].into.append((number, source, matrix))
        if self.bug == "stale-bias" and alike:
            for old, part in zip(before, parts, strict=True):
                if part.kind in (1, 3) and old.arrays and old.kind == part.kind:
                    part.arrays[-1] = old.arrays[-1]
        self.parts, self.left, self.out = parts, {}, {}

    def weights(self, w: Array) -> Array:
        if self.bug == "low-weight-clipped":
            return np.where(w == -128, -127, w)
        if self.bug == "low-weight-positive":
            return np.where(w == -128, 128, w)
        return w

    def dense(self, source: Part, target: Part, geometry: list[int], w: Array) -> Array:
        if geometry[0]:
            places = source.shape[1] * source.shape[2]
            every = np.repeat(w, places, axis=1)
            if self.bug == "pooled-once":
                every = every * (np.arange(every.shape[1]) % places == 0)
            return every
        return w.copy()

    def gate(self, source: Part, target: Part, geometry: list[int], w: Array) -> Array:
        return np.diag(np.repeat(w, target.size // w.size))

    def conv(self, source: Part, target: Part, geometry: list[int], w: Array) -> Array:
        sy, sx, top, left, bottom, right, dy, dx, groups = geometry
        if self.bug == "stride-turned":
            sy, sx = sx, sy
        if self.bug == "padding-other-side":
            top, left, bottom, right = bottom, right, top, left
        if self.bug == "dilation-ignored":
            dy = dx = 1
        if self.bug == "kernel-flipped":
            w = w[:, :, ::-1, ::-1]
        outs, ins, kh, kw = w.shape
        (c, height, width), (_, rows, columns) = source.shape, target.shape
        matrix = np.zeros((outs, rows, columns, c, height, width), np.int64)
        for o in range(outs):
            g = o % groups if self.bug == "groups-interleaved" else o // (outs // groups)
            for r, s in np.ndindex(kh, kw):
                for y, x in np.ndindex(rows, columns):
                    v, u = y * sy - top + r * dy, x * sx - left + s * dx
                    if 0 <= v < height and 0 <= u < width:
                        matrix[o, y, x, g * ins : (g + 1) * ins, v, u] += w[o, :, r, s]
        return matrix.reshape(target.size, source.size)

    def run(self, frame: Words) -> list[int]:
        """The answers to a run."""
        seen: dict[tuple[int, int], Array] = {}
        trains: dict[int, Array] = {}
        (given,) = frame.take()
        for _ in range(given):
            p, what, count = frame.take(3)
            values = np.array(frame.take(count), np.int64)
            part = self.parts[p]
            if p < 0 or count != part.size or (part.kind == 0 and not ((values >= 0) & (values <= part.top)).all()):
                raise Refuse
            if what == OPENING:
                self.fire(p, values, seen, trains)
            else:
                trains[p] = self.sent(part, values)
        asked = [tuple(frame.take(2)) for _ in range(frame.take()[0])]
        if frame.at < len(frame.words):
            raise Refuse
        for p, part in enumerate(self.parts):
            if p not in trains and part.kind == 2 and part.source in trains:
                self.pool(p, part, seen, trains)
            elif p not in trains and part.kind == 4 and part.source in trains:
                self.view(p, part, seen, trains)
            elif p not in trains and part.kind in (1, 3) and (p, OPENING) not in seen:
                self.integrate(p, part, seen, trains)
        return [number for key in asked for number in (seen[key].size, *seen[key].reshape(-1).tolist())]

    def sent(self, part: Part, words: Array) -> Array:
        """The spikes (steps, neurons) of train words."""
        if part.kind == 0 and self.bug == "codes-reversed":
            return words[None] >> np.arange(part.steps)[:, None] & 1
        return words[None] >> np.arange(part.steps - 1, -1, -1)[:, None] & 1

    def d(self, p: int) -> Array:
        """d of what a population sends, (neurons, steps)."""
        part = self.parts[p]
        if part.kind in (2, 4):
            row = self.d(part.source).reshape(*self.parts[part.source].shape, -1)[:, 0, 0]
            return np.repeat(row, part.shape[1] * part.shape[2], axis=0)
        if part.kind == 0:
            d = np.broadcast_to(1 << np.arange(part.steps - 1, -1, -1), (part.size, part.steps)).copy()
            if self.bug == "codes-signed" and part.steps == 8:
                d[:, 0] = -128
            return d
        d = part.rows(2)
        return np.abs(d) if self.bug == "d-without-sign" else d

    def integrate(self, p: int, part: Part, seen: dict[tuple[int, int], Array], trains: dict[int, Array]) -> None:
        bias = self.bias(part)
        v = bias.copy()
        whole = True
        for number, source, matrix in part.into:
            if source not in trains or part.by.get(number, source) not in trains:
                whole = False
                continue
            if number in part.by:
                matrix = matrix * self.factor(part.by[number], part, trains)[:, None]
            d = self.d(source)
            if self.bug == "target-row-of-d" and part.kind == 1 and self.parts[source].kind == 1:
                own = self.parts[source].rows(2)
                d = np.broadcast_to(own[:1], own.shape)
            codes = (trains[source] * d.T).sum(axis=0)
            total = matrix @ codes
            seen[number, SUMS] = self.narrow(total)
            v = (bias if self.bug == "merge-overwrites" else v) + total
            if self.bug == "saturates-16":
                at = v - total
                for n in range(matrix.shape[1]):
                    at = np.clip(at + matrix[:, n] * codes[n], -(2**15), 2**15 - 1)
                v = at
        if not whole:
            return
        v = self.narrow(v)
        if self.bug == "bias-each-step" and part.kind == 1:
            v = v + bias * (part.steps - 1)
        if self.bug == "stale-membrane":
            v = v + self.left.get(p, 0)
        if part.kind == 3:
            v = np.maximum(v, 0) if self.bug == "logits-clipped" else v
            v = cut(v, 16) if self.bug == "logits-16-bits" else v
            seen[p, OPENING], self.left[p] = v, v
        else:
            self.fire(p, v, seen, trains)

    def factor(self, by: int, part: Part, trains: dict[int, Array]) -> Array:
        """The code of a factor for each neuron."""
        codes = (trains[by] * self.d(by).T).sum(axis=0)
        codes = np.abs(codes) if self.bug == "factor-without-sign" else codes
        codes = np.roll(codes, 1) if self.bug == "factor-of-next" else codes
        return np.repeat(codes, part.size // codes.size)

    def bias(self, part: Part) -> Array:
        bias = part.arrays[-1]
        bias = np.repeat(bias, part.size // bias.size) if bias.ndim == 1 else bias.reshape(-1)
        if self.bug == "channels-of-8":
            bias = bias[np.arange(bias.size) % 8]
        if self.bug == "bias-unsigned":
            bias = np.where(bias < 0, bias & 0xFFFF, bias)
        return cut(bias, {"bias-8-bits": 8, "bias-16-bits": 16}.get(self.bug, 64))

    def narrow(self, v: Array) -> Array:
        return cut(v, {"wraps-16": 16, "wraps-24": 24, "wraps-32": 32}.get(self.bug, 64))

    def fire(self, p: int, v: Array, seen: dict[tuple[int, int], Array], trains: dict[int, Array]) -> None:
        part = self.parts[p]
        if part.kind != 1:
            raise Refuse
        seen[p, OPENING] = v
        T, h, d = part.rows(0), part.rows(1), self.d(p)
        if self.bug == "first-row-for-all":
            T, h = (np.broadcast_to(rows[:1], rows.shape) for rows in (T, h))
        relu = (T == h).all() and (T[:, -1:] << np.arange(part.steps - 1, -1, -1) == T).all()
        if self.bug == "theta-power-of-two" and relu:
            T = h = (1 << np.ceil(np.log2(T[:, -1:])).astype(np.int64)) << np.arange(part.steps - 1, -1, -1)
        late = np.zeros_like(v)
        spikes, membranes = [], []
        over = v >= T[:, -1] << part.steps if relu else np.zeros(v.size, bool)
        steps = min(part.steps, 15) if self.bug == "steps-15" else part.steps
        for t in range(part.steps):
            if self.bug == "clamps-at-0":
                v = np.maximum(v, 0)
            z = (v > T[:, t] if self.bug == "strict" else v >= T[:, t]) & (t < steps)
            lowered = {"no-reset": 0, "late-reset": late, "reset-by-threshold": T[:, t] * z}.get(self.bug, h[:, t] * z)
            v, late = v - lowered, h[:, t] * z
            spikes.append(z)
            membranes.append(v)
        self.left[p] = v
        z = np.stack(spikes).astype(np.int64)
        if self.bug == "train-reversed":
            z = z[::-1]
        codes = (z * d.T).sum(axis=0)
        if self.bug == "saturates-late" and relu:
            codes = codes + over
        if self.bug == "one-step-more" and relu:
            codes = codes + (v >= T[:, -1])
        seen[p, SPIKES] = (z << np.arange(part.steps - 1, -1, -1)[:, None]).sum(axis=0)
        seen[p, MEMBRANES], seen[p, CODES], trains[p] = np.stack(membranes), codes, z
        if self.bug in ("saturates-late", "one-step-more") and relu:  # what is sent is the code
            trains[p] = np.concatenate([z[:-1], (z[-1] + codes - (z * d.T).sum(axis=0))[None]])

    def pool(self, p: int, part: Part, seen: dict[tuple[int, int], Array], trains: dict[int, Array]) -> None:
        kh, kw, sy, sx, top, left, bottom, right = part.window
        if self.bug == "pool-other-side":
            top, left = bottom, right
        c, height, width = self.parts[part.source].shape
        before = trains[part.source].reshape(part.steps, c, height, width)
        made = np.zeros((part.steps, *part.shape), np.int64)
        for o, y, x in np.ndindex(*part.shape):
            places = [
                (y * sy - top + r, x * sx - left + s)
                for r, s in np.ndindex(kh, kw)
                if 0 <= y * sy - top + r < height and 0 <= x * sx - left + s < width
            ]
            if self.bug == "pool-last-missing" and len(places) > 1:
                places = places[:-1]
            candidates = np.array([before[:, o, v, u] for v, u in places]).reshape(len(places), part.steps)
            name = (p * 65_536 + o) * 65_536 + y * 256 + x
            still = self.out.get(name, np.ones(len(places), bool)) if self.bug == "pool-stale" else True
            for t in range(part.steps):
                now = (candidates[:, t] == 1) & still
                made[t, o, y, x] = now.any()
                if now.any() and self.bug != "pool-or":
                    still = now
            self.out[name] = still
        trains[p] = made.reshape(part.steps, -1)
        seen[p, SPIKES] = (trains[p] << np.arange(part.steps - 1, -1, -1)[:, None]).sum(axis=0)
        seen[p, CODES] = (trains[p] * self.d(p).T).sum(axis=0)

    def view(self, p: int, part: Part, seen: dict[tuple[int, int], Array], trains: dict[int, Array]) -> None:
        rows, columns = part.arrays
        rows = rows[::-1] if self.bug == "view-turned" else rows
        before = trains[part.source].reshape(part.steps, *self.parts[part.source].shape)
        made = before[:, :, rows][..., columns]  # a number below 0 counts from the end
        if self.bug != "view-fills-gaps":
            made = made * ((rows >= 0)[:, None] & (columns >= 0))
        trains[p] = made.reshape(part.steps, -1)
        seen[p, SPIKES] = (trains[p] << np.arange(part.steps - 1, -1, -1)[:, None]).sum(axis=0)
        seen[p, CODES] = (trains[p] * self.d(p).T).sum(axis=0)


def cut(v: Array, bits: int) -> Array:
    """The lowest bits, in two's complement."""
    return v if bits == 64 else ((v + (1 << bits - 1)) & ((1 << bits) - 1)) - (1 << bits - 1)
