"""Mistakes of a device whose units are observed one by one, each planted by hand in a network of every kind of part:
the population, and from what is right there to what is answered instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

import fsref
from another import Other
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Table, fs_relu
from fsref.simulation.recording import Record
from fsref.verification.scene import Scene


def units() -> Network:
    """Tables in no order with a row per channel, groups, strides, dilation, uneven padding, maps, merges of other
    steps, pools with and without padding.
    """
    rng = np.random.default_rng(3)

    def weights(*shape: int) -> Any:
        return rng.integers(-9, 10, shape) * 2 + 1

    T = np.sort(rng.integers(-40, 140, (4, 5)))[:, ::-1].copy()
    table = Table(T=T, h=rng.integers(-20, 60, (4, 5)), d=rng.integers(-9, 12, (4, 5)) | 1)
    falling = Table(T=[61, 40, 17, 9], h=[50, 33, 21, 6], d=[9, 5, 2, 1])
    gap = replace(falling, d=[7, 0, 3, -2])
    large = Table(T=[70000, 40000, 30, 9, 1], h=[61, 40, 17, 9, 2], d=[60000, 9, 3, 2, 1])
    one = weights(4, 2, 3, 2)
    one[0, 0, 0, 0] = 1
    more = np.random.default_rng(4)
    sparse = more.integers(-9, 10, (5, 120)) * (more.random((5, 120)) < 0.2)
    sparse[:, ::17] = -128
    return Network(
        [
            Input("in", (4, 6, 5), 4, 15),
            FS("a", (4, 4, 6), table, rng.integers(-30, 30, (4, 4, 6))),
            FS("b", (4, 4, 6), falling, [5, -7, 11, 3]),
            FS("c", (4, 4, 6), large, rng.integers(-9, 30, (4,)) * 3000),
            MaxPool("pool", (4, 2, 4), "b", (3, 2), (2, 2), (0, 1, 1, 2)),
            FS("flat", (6, 1, 1), gap, rng.integers(-9, 9, 6)),
            FS("both", (4, 4, 6), table, [1, -2, 3, 9]),
            FS("three", (5, 1, 1), fs_relu(5, 8), [90, -7, 30, 55, -21]),
            FS("wide", (6, 8, 2), fs_relu(6, 3), [9, 17, 33, -5, 21, 7]),
            Readout("out", (3, 1, 1), [10, -4, -10]),
        ],
        [
            Conv2d("in", "a", one, stride=(2, 1), padding=(2, 1, 1, 1), groups=2),
            Conv2d("in", "b", weights(4, 4, 2, 2), padding=(1, 1, 0, 1), dilation=(3, 1)),
            Conv2d("in", "c", weights(4, 4, 2, 2) * 1000, padding=(1, 1, 0, 1), dilation=(3, 1)),
            Dense("pool", "flat", weights(6, 32)),
            Conv2d("a", "both", weights(4, 4, 1, 1)),
            Conv2d("b", "both", weights(4, 4, 1, 1)),
            Dense("flat", "three", more.integers(-9, 10, (5, 6)) * 2 + 1),
            Dense("pool", "three", more.integers(-9, 10, (5, 32)) * 2 + 1),
            Dense("in", "three", sparse),
            Conv2d(
                "in",
                "wide",
                more.integers(-9, 10, (6, 2, 2, 2)) * 2 + 1,
                padding=(1, 0, 5, 1),
                dilation=(4, 4),
                groups=2,
            ),
            Dense("pool", "out", weights(3, 4), pooled=True),
        ],
    )


UNITS_NET = units()
WIDE = 2**62


def scene(population: str, images: np.ndarray, net: Network = UNITS_NET, **theirs: np.ndarray) -> Scene:
    """A scene of a population of a network, from recordings of the right one."""
    trace = fsref.run(net, images, record=Record(observables=("spikes", "codes", "opening"))).trace
    assert trace is not None

    def shaped(observable: str, names: Sequence[str]) -> dict[str, np.ndarray]:
        known = [n for n in names if observable in net[n].observables]
        return {n: trace[n, observable].reshape(-1, *net[n].shape) for n in known}

    names, opening = [*net.sources(population), population], shaped("opening", [population])
    codes = shaped("codes", names)
    codes |= {} if population in codes else opening
    at = np.arange(len(images))
    return Scene(
        net, net[population], codes, shaped("spikes", names), opening.get(population), theirs, None, images, at
    )


@dataclass
class Right:
    """What is right of a population: opening membranes v, table rows T, h, d by step, (C, 1, 1), and its bias map."""

    there: Scene
    p: Any
    v: Any
    rows: list[tuple[Any, Any, Any]]

    def walk(self, fires: Any = None, lowers: Any = None, v: Any = None, rows: Any = None) -> dict[str, Any]:
        """All that is observed of neurons that fire and are lowered so: `fires(v, T, t, before)`,
        `lowers(v, z, h, t)`.
        """
        left, before, membranes, code = (self.v if v is None else v), [], [], 0
        for t, (T, h, d) in enumerate(rows or self.rows):
            z = ((left >= T) if fires is None else fires(left, T, t, before)).astype(np.int64)
            left = left - z * h if lowers is None else lowers(left, z, h, t)
            before.append(z)
            membranes.append(left)
            code = code + d * z
        word = sum(z << (len(before) - 1 - t) for t, z in enumerate(before))
        found = {"codes": code, "spikes": word, "membranes": np.stack(membranes, axis=1)}
        return found | {"opening": self.v if v is None else v}


def right_of(there: Scene) -> Right:
    p: Any = there.population
    rows: list[Any] = []
    if isinstance(p, FS):
        rows = [tuple(each[:, t, None, None] for each in p.table.rows(p.shape[0])) for t in range(p.steps)]
    return Right(there, p, there.opening, rows)


def other_rows(change: Callable[[Any, Any, Any], tuple[Any, Any, Any]]) -> Any:
    """Neurons with other tables (C, K)."""

    def answers(r: Right) -> Any:
        T, h, d = change(*r.p.table.rows(r.p.shape[0]))
        rows = [(T[:, t, None, None], h[:, t, None, None], d[:, t, None, None]) for t in range(T.shape[1])]
        return r.walk(rows=rows)

    return answers


def opening(change: Callable[[Right], Any]) -> Any:
    """Another opening membrane, and what follows from it."""

    def answers(r: Right) -> Any:
        v = change(r)
        return r.walk(v=v) if r.rows else {"codes": v}

    return answers


def delivered(**hooks: Any) -> Any:
    """Projections that deliver something else: parts of somebody else's simulator are wrong."""
    wrong, right = Other(UNITS_NET, **hooks), Other(UNITS_NET)

    def change(r: Right) -> Any:
        into = UNITS_NET.into(r.p.name).values()
        return r.v + sum(
            wrong.projection(q, r.there.codes[q.source]) - right.projection(q, r.there.codes[q.source]) for q in into
        )

    return opening(change)


def windows(r: Right, outside: int = -1) -> Any:
    """The trains of the candidates of a max-pool, by place of the window, `outside` beyond the border."""
    p, trains = r.p, r.there.trains[r.p.source].astype(np.int64)
    found = np.full((p.kernel[0] * p.kernel[1], len(trains), *p.shape), outside)
    for n, (i, j) in enumerate(np.ndindex(*p.kernel)):
        for y, x in np.ndindex(*p.shape[1:]):
            r_, c_ = y * p.stride[0] - p.padding[0] + i, x * p.stride[1] - p.padding[1] + j
            if 0 <= r_ < trains.shape[2] and 0 <= c_ < trains.shape[3]:
                found[n, :, :, y, x] = trains[:, :, r_, c_]
    return found


def sent(r: Right, words: Any, d: Any = None) -> Any:
    """What trains of a population are worth."""
    d = UNITS_NET.code_weights[r.p.name] if d is None else d
    steps = d.shape[1]
    codes = sum((words >> (steps - 1 - t) & 1) * d[:, t, None, None] for t in range(steps))
    return {"codes": codes, "spikes": words}


def pooled(step: Any) -> Any:
    """A max-pool neuron by neuron: `step(t, place, out, c)` says whether a place is in, `out` being the steps in which
    places dropped out.
    """

    def answers(r: Right) -> Any:
        found, steps = windows(r), UNITS_NET.steps[r.p.name]
        words = np.zeros(found.shape[1:], np.int64)
        for at in np.ndindex(*words.shape):
            out: dict[int, int] = {}
            for t in range(steps):
                here = [n for n in range(len(found)) if found[(n, *at)] >= 0]
                spikes = {n: bool(found[(n, *at)] >> (steps - 1 - t) & 1) for n in here}
                inside = [n for n in here if step(t, n, out, steps)]
                fired = any(spikes[n] for n in inside)
                for n in inside:
                    if not spikes[n] and (fired or step(t, n, out, None)):
                        out.setdefault(n, t)
                words[at] = words[at] * 2 + fired
        return sent(r, words)

    return answers


def shared(r: Right) -> Any:
    """One mask for all channels of a window, the channels in turn."""
    found, steps = windows(r), UNITS_NET.steps[r.p.name]
    words = np.zeros(found.shape[1:], np.int64)
    count, channels, height, width = words.shape
    for b, y, x in np.ndindex(count, height, width):
        out: set[int] = set()
        for t in range(steps):
            for c in range(channels):
                inside = [n for n in range(len(found)) if found[n, b, c, y, x] >= 0 and n not in out]
                spikes = {n: found[n, b, c, y, x] >> (steps - 1 - t) & 1 for n in inside}
                fired = any(spikes.values())
                out |= {n for n in inside if fired and not spikes[n]}
                words[b, c, y, x] = words[b, c, y, x] * 2 + fired
    return sent(r, words)


def moved_windows(**other: Any) -> Any:
    """A max-pool with other windows."""

    def answers(r: Right) -> Any:
        moved = SimpleNamespace(**{k: getattr(r.p, k) for k in ("source", "shape", "kernel", "stride", "padding")})
        for key, value in other.items():
            setattr(moved, key, value)
        return sent(r, np.maximum(windows(replace(r, p=moved)), 0).max(axis=0))

    return answers


def beside(r: Right) -> Any:
    """A max-pool that reads the row beside at the left and right border."""
    p, trains = r.p, r.there.trains[r.p.source].astype(np.int64)
    flat = trains.reshape(len(trains), -1)
    _, channels, height, width = trains.shape
    words = np.zeros((len(trains), *p.shape), np.int64)
    for c, y, x in np.ndindex(*p.shape):
        for i, j in np.ndindex(*p.kernel):
            r_, c_ = y * p.stride[0] - p.padding[0] + i, x * p.stride[1] - p.padding[1] + j
            at = (c * height + r_) * width + c_
            if 0 <= r_ < height and 0 <= at < channels * height * width:
                words[:, c, y, x] = np.maximum(words[:, c, y, x], flat[:, at])
    return sent(r, words)


def worth(change: Callable[[Any], Any]) -> Any:
    """The codes that a population sends, its spikes worth something else."""
    return lambda r: {
        "codes": sent(r, r.there.trains[r.p.name].astype(np.int64), change(UNITS_NET.code_weights[r.p.name]))["codes"]
    }


def read_as(change: Callable[[str, Any], Any]) -> Any:
    """Sources whose spikes are worth something else, by name."""

    def other(r: Right) -> Any:
        right = Other(UNITS_NET)
        v = r.v
        for q in UNITS_NET.into(r.p.name).values():
            d = UNITS_NET.code_weights[q.source]
            words, steps = r.there.trains[q.source].astype(np.int64), d.shape[1]
            wrong = change(q.source, d)
            plane = sum((words >> (steps - 1 - t) & 1) * wrong[:, t, None, None] for t in range(steps))
            v = v + right.projection(q, plane) - right.projection(q, r.there.codes[q.source])
        return v

    return opening(other)


def step_sums(r: Right, last: bool) -> list[Any]:
    """What comes in each step, for the one projection of a population, weighted or not."""
    (q,) = UNITS_NET.into(r.p.name).values()
    words, d = r.there.trains[q.source].astype(np.int64), UNITS_NET.code_weights[q.source]
    bits = [words >> (d.shape[1] - 1 - t) & 1 for t in range(d.shape[1])]
    return [Other(UNITS_NET).projection(q, z * (d[:, t, None, None] if last else 1)) for t, z in enumerate(bits)]


def cut(w: Any, bits: int) -> Any:
    return (w + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def products(r: Right) -> Any:
    """Products of weight and d in 16 bits."""
    v = r.v
    for q in UNITS_NET.into(r.p.name).values():
        words, d, w = r.there.trains[q.source].astype(np.int64), UNITS_NET.code_weights[q.source][0], q.weights
        for t, each in enumerate(d):
            more = cut(w.astype(np.int64) * each, 16) - w.astype(np.int64) * each
            hook = Other(UNITS_NET, weights=lambda _w, _q, more=more: more)
            v = v + hook.projection(q, words >> (len(d) - 1 - t) & 1)
    return v


def flat_bias(change: Callable[[Any], Any]) -> Any:
    """A bias memory that holds something else."""

    def other(r: Right) -> Any:
        bias = change(r.p.bias.astype(np.int64).ravel())
        return r.v - r.p.bias_map + bias.reshape(r.p.bias.shape if r.p.bias.ndim == 3 else (-1, 1, 1))

    return opening(other)


def last(flat: Any, value: Any) -> Any:
    found = flat.copy()
    found[-1] = value
    return found


def blank(index: Any) -> Any:
    """What is read, without some of it."""

    def read(a: Any, q: Any) -> Any:
        found = a.copy()
        found[index] = 0
        return found

    return read


def around(a: Any, q: Any) -> Any:
    """Columns beyond the border hold what stands there in the memory."""
    top, left, bottom, right = q.padding
    count, channels, height, width = a.shape
    wide = np.zeros((count, channels, height + top + bottom, width + left + right), np.int64)
    flat = a.reshape(count, -1)
    for c, y, x in np.ndindex(channels, height, width + left + right):
        at = (c * height + y) * width + x - left
        if 0 <= at < flat.shape[1]:
            wide[:, c, y + top, x] = flat[:, at]
    return wide


def ungrouped(r: Right) -> Any:
    """All outputs read the channels of the first group."""
    right = Other(UNITS_NET)
    (q,) = UNITS_NET.into(r.p.name).values()
    plane = r.there.codes[q.source].copy()
    inputs = q.weights.shape[1]
    plane[:, inputs:] = plane[:, :inputs]
    return r.v + right.projection(q, plane) - right.projection(q, r.there.codes[q.source])


def last_column(r: Right) -> Any:
    v = r.v.copy()
    v[..., -1] = np.broadcast_to(r.p.bias_map, r.p.shape)[..., -1]
    return v


def mean_of_places(r: Right) -> Any:
    places = UNITS_NET["pool"].shape[1] * UNITS_NET["pool"].shape[2]
    return r.p.bias_map + (r.v - r.p.bias_map) // places


def first_of_all(source: str, d: Any) -> Any:
    first = UNITS_NET.code_weights["a"]
    found = np.zeros_like(d)
    found[:, : min(5, d.shape[1])] = first[:, : d.shape[1]]
    return d if source == "a" else found


def flat_weights(change: Callable[[Any], Any]) -> Any:
    return delivered(weights=lambda w, q: change(w.ravel()).reshape(w.shape))


def silent_last(v: Any, T: Any, t: int, before: Any) -> Any:
    found = v >= T
    found[:, -1, -1, -1] = False
    return found


def stopped(v: Any, T: Any, t: int, before: Any) -> Any:
    fired, done = 0 * v, 0 * v
    for z in before:
        done = done | (fired & (1 - z))
        fired = fired | z
    return (v >= T) & (done == 0)


def owed(r: Right) -> Any:
    rows, left, debt = [], r.v, 0 * r.v
    spikes = []
    for T, h, _d in r.rows:
        z = (left >= T).astype(np.int64)
        left, debt = left - debt, z * h
        rows.append(left)
        spikes.append(z)
    word = sum(z << (len(spikes) - 1 - t) for t, z in enumerate(spikes))
    return {"spikes": word, "membranes": np.stack(rows, axis=1)}


def pushed(r: Right) -> Any:
    """One step more with half the last threshold."""
    found = r.walk()
    more = found["membranes"][:, -1] >= (r.rows[-1][0] >> 1)
    return {"spikes": (found["spikes"] << 1 | more) % (1 << len(r.rows)), "membranes": found["membranes"]}


def told(**change: Any) -> Any:
    """What is right, told otherwise."""
    return lambda r: r.walk() | {what: each(r, r.walk()[what]) for what, each in change.items()}


def repeats(r: Right, values: Any) -> Any:
    flat = values.reshape(len(values), -1).copy()
    flat[:, -1] = flat[:, -2]
    return flat.reshape(values.shape)


def row_late(r: Right) -> Any:
    found, early = r.walk(), other_rows(lambda T, h, d: (T[[0, 0, 1, 2]], h[[0, 0, 1, 2]], d))(r)
    for what, values in found.items():
        values[..., 0, 0] = early[what][..., 0, 0]
    return found


def ored(r: Right) -> Any:
    """Spikes of the images before stay."""
    return sent(r, np.bitwise_or.accumulate(r.there.trains[r.p.name].astype(np.int64)))


def behind(steps: int) -> Any:
    return lambda r: r.walk(fires=lambda v, T, t, before: (v >= T) & (t < steps))


UNITS: dict[str, tuple[str, Any]] = {
    "compared-without-sign": (
        "a",
        lambda r: r.walk(fires=lambda v, T, t, b: v.view("u8") >= np.int64(T + 0 * v).view("u8")),
    ),
    "compared-without-sign: the magnitude": ("b", lambda r: r.walk(fires=lambda v, T, t, b: abs(v) >= T)),
    "rests-after-a-spike": ("b", lambda r: r.walk(fires=lambda v, T, t, b: (v >= T) & (b[-1] == 0 if b else True))),
    "stops-after-a-gap": ("b", lambda r: r.walk(fires=stopped)),
    "never-fires-in-all-steps": (
        "b",
        lambda r: r.walk(fires=lambda v, T, t, b: (v >= T) & ((sum(b) < 3) if t == 3 else True)),
    ),
    "zero-never-fires": ("a", lambda r: r.walk(fires=lambda v, T, t, b: (v >= T) & (v != 0))),
    "silent-at-the-top": (
        "b",
        lambda r: r.walk(fires=lambda v, T, t, b: (v >= T) & (r.v != 2 * r.rows[0][0])),
    ),
    "last-neurons-silent": ("b", lambda r: r.walk(fires=silent_last)),
    "silent-behind-a-step": ("a", behind(4)),
    "reset-a-step-late": ("b", owed),
    "reset-ends-at-zero": ("a", lambda r: r.walk(lowers=lambda v, z, h, t: np.where(z, np.maximum(v - h, 0), v))),
    "reset-masks-bits": ("b", lambda r: r.walk(lowers=lambda v, z, h, t: np.where(z, v & (h - 1), v))),
    "reset-without-sign": ("a", lambda r: r.walk(lowers=lambda v, z, h, t: v - z * abs(h))),
    "strict-comparison: in the last step": (
        "a",
        lambda r: r.walk(fires=lambda v, T, t, b: (v > T) if t == 4 else (v >= T)),
    ),
    "no-reset: in the last step": ("b", lambda r: r.walk(lowers=lambda v, z, h, t: v - z * h * (t < 3))),
    "negative-membrane-is-zero": ("b", opening(lambda r: np.maximum(r.v, 0))),
    "negative-membrane-is-zero: a readout": ("out", opening(lambda r: np.maximum(r.v, 0))),
    "bias-joins-late": ("b", lambda r: r.walk(fires=lambda v, T, t, b: v - (0 if t else r.p.bias_map) >= T)),
    "last-step-joins-late": (
        "b",
        lambda r: r.walk(fires=lambda v, T, t, b: v - (0 if t else step_sums(r, True)[-1]) >= T),
    ),
    "train-pushed-on": ("b", pushed),
    "threshold-of-another-step": ("b", other_rows(lambda T, h, d: (T[:, [0, 0, 1, 2]], h, d))),
    "columns-exchanged": ("b", other_rows(lambda T, h, d: (h, T, d))),
    "table-halved": ("b", other_rows(lambda T, h, d: (T[:, :1] >> np.arange(4), h, d))),
    "reset-of-the-first-step": ("b", other_rows(lambda T, h, d: (T, h[:, [0, 0, 0, 0]], d))),
    "table-too-narrow": ("c", other_rows(lambda T, h, d: (cut(T, 16), h, d))),
    "row-a-neuron-late": ("a", row_late),
    "row-not-loaded": ("a", other_rows(lambda T, h, d: (T * (np.arange(4) < 3)[:, None], h, d))),
    "table-column-by-column": ("a", other_rows(lambda T, h, d: (T.ravel().reshape(5, 4).T, h, d))),
    "bias-map-turned": ("a", flat_bias(lambda b: b.reshape(4, 4, 6).transpose(0, 2, 1).ravel())),
    "bias-not-loaded": ("b", flat_bias(lambda b: last(b, 0))),
    "bias-of-another-channel: the neuron before": ("a", flat_bias(lambda b: np.append(b[:1], b[:-1]))),
    "last-step-alone": ("b", opening(lambda r: r.p.bias_map + step_sums(r, True)[-1])),
    "doubled-in-each-step": ("b", opening(lambda r: r.v + 15 * r.p.bias_map)),
    "products-too-narrow": ("c", opening(products)),
    "windows-begin-elsewhere": (
        "a",
        delivered(wide=lambda wide, a, q: np.pad(a, ((0, 0), (0, 0), (0, 3), (0, 2)))),
    ),
    "strides-exchanged": ("a", delivered(stride=lambda stride, q: stride[::-1])),
    "strides-exchanged: dilation": ("b", delivered(dilation=lambda dilation, q: dilation[::-1])),
    "border-not-checked": ("b", delivered(wide=lambda wide, a, q: around(a, q))),
    "border-not-read": ("b", delivered(read=blank((slice(None), slice(None), 0)))),
    "groups-exchanged": ("a", opening(ungrouped)),
    "last-not-computed": ("b", opening(last_column)),
    "last-weights-of-the-one-before": ("flat", delivered(weights=lambda w, q: np.concatenate([w[:-1], w[-2:-1]]))),
    "weight-not-loaded": ("flat", flat_weights(lambda w: last(w, 0))),
    "weights-one-off": ("flat", flat_weights(lambda w: np.append(w[1:], 0))),
    "weights-outputs-inner": (
        "b",
        delivered(weights=lambda w, q: np.array([[w.reshape(4, 4, 2, 2)[i, o] for i in range(4)] for o in range(4)])),
    ),
    "kernel-mirrored": ("a", delivered(weights=lambda w, q: w[:, :, :, ::-1])),
    "weight-address-wraps": ("a", flat_weights(lambda w: np.array([w[n % 32] for n in range(len(w))]))),
    "inputs-cut": ("flat", delivered(weights=lambda w, q: w * (np.arange(32) < 16))),
    "pooled-sums-otherwise": ("out", opening(mean_of_places)),
    "pooled-sums-otherwise: the first place": (
        "out",
        delivered(read=lambda a, q: a * (np.arange(8).reshape(2, 4) == 0)),
    ),
    "weight-one-lost": ("a", delivered(weights=lambda w, q: w * (w != 1))),
    "d-without-sign": ("a", worth(np.abs)),
    "d-a-power-of-two": ("c", worth(lambda d: np.array([[32768, 8, 2, 2, 1]] * 4))),
    "d-not-read": ("a", worth(lambda d: np.array([[16, 8, 4, 2, 1]] * 4))),
    "first-spike-negative": ("b", worth(lambda d: d * np.array([-1, 1, 1, 1]))),
    "d-ends-at-zero": ("flat", worth(lambda d: d * np.array([1, 0, 0, 0]))),
    "d-too-narrow": ("c", worth(lambda d: cut(d, 16))),
    "d-of-another-channel": ("a", worth(lambda d: d[[0, 0, 0, 0]])),
    "d-of-another-source": ("both", read_as(first_of_all)),
    "membranes-before-the-reset": (
        "b",
        told(membranes=lambda r, m: np.concatenate([r.v[:, None], m[:, :-1]], axis=1)),
    ),
    "membranes-neuron-by-neuron": (
        "b",
        told(membranes=lambda r, m: np.stack([one.reshape(4, -1).T.reshape(one.shape) for one in m])),
    ),
    "opening-without-bias": ("b", told(opening=lambda r, v: v - r.p.bias_map)),
    "sums-with-bias": ("b", lambda r: {"opening": r.v + r.p.bias_map}),
    "trains-turned": (
        "b",
        told(spikes=lambda r, words: sum((words >> t & 1) << (3 - t) for t in range(4))),
    ),
    "codes-clipped": ("a", told(codes=lambda r, codes: np.clip(codes, 0, 31))),
    "told-without-sign": ("b", told(opening=lambda r, v: v % 2**32, membranes=lambda r, m: m % 2**32)),
    "last-value-repeated": ("b", told(opening=repeats, membranes=repeats, spikes=repeats, codes=repeats)),
    "drops-all-in-a-silent-step": ("pool", pooled(lambda t, n, out, steps: n not in out)),
    "drops-a-step-late": ("pool", pooled(lambda t, n, out, steps: steps and (n not in out or out[n] == t - 1))),
    "only-four-drop-out": ("pool", pooled(lambda t, n, out, steps: steps and (n not in out or n >= 4))),
    "all-in-again-in-the-last-step": (
        "pool",
        pooled(lambda t, n, out, steps: steps and (n not in out or t == steps - 1)),
    ),
    "dropped-for-all-channels": ("pool", shared),
    "pool-place-missing": ("pool", lambda r: sent(r, np.maximum(windows(r), 0)[:-1].max(axis=0))),
    "pool-windows-begin-elsewhere": ("pool", moved_windows(padding=(1, 2, 0, 1))),
    "pool-border-not-checked": ("pool", beside),
    "pool-padding-fires": ("pool", lambda r: sent(r, windows(r, 8).max(axis=0))),
    "pool-a-step-late": ("pool", lambda r: sent(r, r.there.trains["pool"].astype(np.int64) >> 1)),
    "bias-in-the-first-image-alone": (
        "b",
        opening(lambda r: np.concatenate([r.v[:1], r.v[1:] - r.p.bias_map])),
    ),
    "spikes-kept": ("b", ored),
}
