"""Mistakes of addresses, additions and events, each planted by hand in the network of units: the products of a
projection walked one by one, and its spikes.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from planted_units import UNITS_NET, Right, delivered, opening, other_rows, sent, told, windows


def cut(v: Any, bits: int) -> Any:
    return (v + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def bits_of(r: Right, source: str) -> Any:
    """The spikes (B, K, neurons) of a source."""
    words, steps = r.there.trains[source].astype(np.int64), UNITS_NET.steps[source]
    return np.stack([words.reshape(len(words), -1) >> (steps - 1 - t) & 1 for t in range(steps)], axis=1)


def each_product(q: Any, p: Any) -> Any:
    """The products of a projection, output by output and tap by tap."""
    source = UNITS_NET[q.source].shape
    if q.weights.ndim == 2:
        outputs, inputs = q.weights.shape
        for o, i in np.ndindex(outputs, inputs):
            yield SimpleNamespace(
                o=o, oy=0, ox=0, i=i, r=0, c=0, to=o, w=int(q.weights[o, i]), channel=i, y=0, x=0, size=(inputs, 1, 1)
            )
        return
    outputs, inputs, kh, kw = q.weights.shape
    for o, oy, ox, i, r, c in np.ndindex(outputs, *p.shape[1:], inputs, kh, kw):
        yield SimpleNamespace(
            o=o, oy=oy, ox=ox, i=i, r=r, c=c, to=(o * p.shape[1] + oy) * p.shape[2] + ox, w=int(q.weights[o, i, r, c]),
            channel=o // (outputs // q.groups) * inputs + i, y=oy * q.stride[0] - q.padding[0] + r * q.dilation[0],
            x=ox * q.stride[1] - q.padding[1] + c * q.dilation[1], size=source,
        )  # fmt: skip


def address(at: Any) -> int | None:
    """Where in the source a product reads, None beyond its border."""
    _, height, width = at.size
    inside = 0 <= at.y < height and 0 <= at.x < width
    return (at.channel * height + at.y) * width + at.x if inside else None


def walked(rule: Callable[[Any, Any], int | None], times: Any = lambda at, q: 1) -> Any:
    """Projections whose products read at other addresses, or count otherwise."""

    def change(r: Right) -> Any:
        v = np.zeros((len(r.v), r.p.neurons), np.int64)
        for q in UNITS_NET.into(r.p.name).values():
            flat = r.there.codes[q.source].reshape(len(v), -1)
            for at in each_product(q, r.p):
                where = rule(at, q)
                if where is not None and 0 <= where < flat.shape[1]:
                    v[:, at.to] += at.w * times(at, q) * flat[:, where]
        return v.reshape(r.v.shape) + r.p.bias_map

    return opening(change)


def checked_undilated(at: Any, q: Any) -> int | None:
    _, height, width = at.size
    row = at.y - at.r * (q.dilation[0] - 1)
    return (at.channel * height + at.y) * width + at.x if 0 <= row < height and 0 <= at.x < width else None


def in_corners(at: Any, q: Any) -> int | None:
    _, height, width = at.size
    if not (0 <= at.y < height or 0 <= at.x < width):
        at.y, at.x = min(max(at.y, 0), height - 1), min(max(at.x, 0), width - 1)
    return address(at)


def no_top(at: Any, q: Any) -> int | None:
    at.y += q.padding[0]
    return address(at)


def dilated_by_two(at: Any, q: Any) -> int | None:
    at.y, at.x = at.y - 2 * at.r, at.x - 2 * at.c
    return address(at)


def overwritten(at: Any, q: Any) -> int | None:
    last = min(at.y + (1 - at.r) * q.dilation[0], at.size[1] - 1)
    if address(at) is not None:
        while at.y + 2 <= last:
            at.y += 2
    return address(at)


def tiled(at: Any, q: Any) -> int | None:
    return None if at.ox in (4, 8) and at.c == 0 else address(at)


def other_base(at: Any, q: Any) -> int | None:
    at.channel = min(at.o // 3 * 3 + at.i, 3)
    return address(at)


def spikewise(add: Callable[[Any, Any, Any], Any]) -> Any:
    """A sum made spike by spike, step by step: `add(v, more, bias)`."""

    def change(r: Right) -> Any:
        bias = np.broadcast_to(r.p.bias_map, r.p.shape).reshape(-1).astype(np.int64)
        v = np.tile(bias, (len(r.v), 1))
        (q,) = UNITS_NET.into(r.p.name).values()
        spikes, d = bits_of(r, q.source), UNITS_NET.code_weights[q.source]
        for t in range(d.shape[1]):
            for at in sorted(each_product(q, r.p), key=lambda at: (at.i, at.r, at.c)):
                where = address(at)
                if where is not None:
                    more = at.w * d[at.channel, t] * spikes[:, t, where]
                    v[:, at.to] = np.where(more != 0, add(v[:, at.to], more, bias[at.to]), v[:, at.to])
        return v.reshape(r.v.shape)

    return opening(change)


def no_carry(v: Any, more: Any, bias: Any) -> Any:
    return v + more - 256 * ((v % 256 + more % 256) // 256)


def inhibited(r: Right) -> Any:
    """What is negative adds up by itself, to -2^15 at most."""
    v = np.zeros((len(r.v), r.p.neurons), np.int64)
    (q,) = UNITS_NET.into(r.p.name).values()
    flat = r.there.codes[q.source].reshape(len(v), -1)
    for at in each_product(q, r.p):
        where = address(at)
        if where is not None:
            v[:, at.to] += min(at.w, 0) * flat[:, where]
    return r.v + (np.maximum(v, -(2**15)) - v).reshape(r.v.shape)


def with_a_spike(r: Right) -> Any:
    """The bias where something is delivered."""
    count = np.zeros((len(r.v), r.p.neurons), np.int64)
    (q,) = UNITS_NET.into(r.p.name).values()
    flat = r.there.codes[q.source].reshape(len(count), -1)
    for at in each_product(q, r.p):
        where = address(at)
        count[:, at.to] += 0 if where is None else flat[:, where] != 0
    return np.where(count.reshape(r.v.shape) > 0, r.v, r.v - r.p.bias_map)


def one_lower(r: Right) -> Any:
    v = r.v.reshape(len(r.v), -1).copy()
    (q,) = UNITS_NET.into(r.p.name).values()
    last = bits_of(r, q.source)[:, -1]
    for at in each_product(q, r.p):
        where = address(at)
        v[:, at.to] -= 0 if where is None or at.w > 0 else last[:, where]
    return v.reshape(r.v.shape)


def negative_twice(r: Right) -> Any:
    v = r.v.copy()
    for q in UNITS_NET.into(r.p.name).values():
        spikes, d = (
            bits_of(r, q.source).reshape(len(v), -1, *UNITS_NET[q.source].shape),
            UNITS_NET.code_weights[q.source],
        )
        for o, i in np.ndindex(*q.weights.shape[:2]):
            for t in range(d.shape[1]):
                if (w := int(q.weights[o, i, 0, 0])) < 0 and d[i, t] < 0:
                    v[:, o] -= 2 * w * d[i, t] * spikes[:, t, i]
    return v


def read_events(change: Callable[[Any], Any]) -> Any:
    """Spikes (B, K, neurons) of a source of a dense or a conv2d that are lost on the way."""

    def other(r: Right) -> Any:
        (q,) = UNITS_NET.into(r.p.name).values()
        left, d = change(bits_of(r, q.source)), UNITS_NET.code_weights[q.source]
        plane = np.einsum("bkn,nk->bn", left, np.repeat(d, left.shape[2] // len(d), axis=0))
        v = np.zeros((len(r.v), r.p.neurons), np.int64)
        for at in each_product(q, r.p):
            where = address(at)
            v[:, at.to] += 0 if where is None else at.w * plane[:, where]
        return v.reshape(r.v.shape) + r.p.bias_map

    return opening(other)


def behind_a_count(spikes: Any) -> Any:
    found = 0 * spikes
    for b, t in np.ndindex(*spikes.shape[:2]):
        found[b, t, np.flatnonzero(spikes[b, t])[:16]] = 1
    return found


def before_an_empty_word(spikes: Any) -> Any:
    """Words of 8 neurons up to the first of a step that has no spike."""
    found = spikes.copy()
    for b, t in np.ndindex(*spikes.shape[:2]):
        empty = [at for at in range(0, spikes.shape[2], 8) if not spikes[b, t, at : at + 8].any()]
        if empty:
            found[b, t, empty[0] :] = 0
    return found


def without_negative_words(spikes: Any) -> Any:
    """Words of 8 neurons but those whose last one spikes."""
    found = spikes.copy()
    for b, t, at in np.ndindex(*spikes.shape[:2], spikes.shape[2] // 8):
        if spikes[b, t, 8 * at + 7]:
            found[b, t, 8 * at : 8 * at + 8] = 0
    return found


def skipped(r: Right) -> Any:
    """Steps without a spike do not count."""
    (q,) = UNITS_NET.into(r.p.name).values()
    spikes, d = bits_of(r, q.source), UNITS_NET.code_weights[q.source]
    v = np.zeros((len(r.v), r.p.neurons), np.int64)
    for b in range(len(v)):
        t = 0
        for row in spikes[b]:
            for n in np.flatnonzero(row):
                v[b] += q.weights[:, n] * d[n // 8, t]
            t += bool(row.any())
    return v.reshape(r.v.shape) + r.p.bias_map


def counted_in_pairs(r: Right) -> Any:
    spikes = bits_of(r, "pool").reshape(len(r.v), -1, 4, 8).sum(axis=3) % 2
    (q,) = UNITS_NET.into(r.p.name).values()
    plane = np.einsum("bkc,ck->bc", spikes, UNITS_NET.code_weights["pool"])
    return (plane @ q.weights.T.astype(np.int64))[:, :, None, None] + r.p.bias_map


def first_twice(r: Right) -> Any:
    v = r.v.copy()
    (q,) = UNITS_NET.into(r.p.name).values()
    spikes, d = bits_of(r, q.source), UNITS_NET.code_weights[q.source]
    for b in range(len(v)):
        events = [(t, n) for t in range(spikes.shape[1]) for n in np.flatnonzero(spikes[b, t])]
        if events:
            t, n = events[0]
            v[b, 0] += int(q.weights[0, n]) * d[n // 8, t]
    return v


def of_the_pair(r: Right) -> Any:
    v = r.v.copy()
    (q,) = UNITS_NET.into(r.p.name).values()
    spikes, d = bits_of(r, q.source), UNITS_NET.code_weights[q.source]
    for b, t in np.ndindex(*spikes.shape[:2]):
        for n in np.flatnonzero(spikes[b, t]):
            if n % 2 and not spikes[b, t, n - 1]:
                more = q.weights[:, n - 1].astype(np.int64) - q.weights[:, n]
                v[b, :, 0, 0] += more * d[n // 8, t]
    return v


def of_three(change: Callable[[list[Any], Any], Any]) -> Any:
    """Another sum of three projections."""

    def other(r: Right) -> Any:
        sums = [
            r.there.codes[q.source].reshape(len(r.v), -1) @ q.weights.T.astype(np.int64)
            for q in UNITS_NET.into(r.p.name).values()
        ]
        return change([each[:, :, None, None] for each in sums], r.p.bias_map)

    return opening(other)


def first_weights(r: Right) -> Any:
    into = list(UNITS_NET.into(r.p.name).values())
    flat, total = into[0].weights.astype(np.int64).ravel(), r.p.bias_map
    for q in into:
        weights = np.array([flat[n % len(flat)] for n in range(q.weights.size)]).reshape(q.weights.shape)
        total = total + (r.there.codes[q.source].reshape(len(r.v), -1) @ weights.T)[:, :, None, None]
    return total


def behind_zeros(w: Any, q: Any) -> Any:
    """A weight behind more than seven zeros of its row is lost."""
    found = w.copy().reshape(len(w), -1)
    for row in found:
        zeros = 0
        for n, value in enumerate(row.tolist()):
            if value and zeros > 7:
                row[n] = 0
            zeros = 0 if value else zeros + 1
    return found.reshape(w.shape)


def rows_of_kh(w: Any) -> Any:
    """Kernels of three rows and two columns whose rows begin three weights apart."""
    at = [(6 * n + 3 * r + c) % w.size for n in range(len(w) * 2) for r in range(3) for c in range(2)]
    return w.ravel()[at].reshape(w.shape)


def in_turn(w: Any) -> Any:
    found = w.copy()
    found[:, :, 1] = w[:, :, 1, ::-1]
    return found


def tap_before(at: Any, q: Any) -> int | None:
    if at.i and at.r == at.c == at.ox == 0:
        at.w = int(q.weights[at.o, at.i - 1, -1, -1])
    return address(at)


def every_other_step(r: Right) -> Any:
    """All candidates are in again every two steps."""
    found, steps = windows(r), UNITS_NET.steps["pool"]
    words = np.zeros(found.shape[1:], np.int64)
    for at in np.ndindex(*words.shape):
        held: set[int] = set()
        for t in range(steps):
            held = {n for n in range(len(found)) if found[(n, *at)] >= 0} if t % 2 == 0 else held
            spikes = {n for n in held if found[(n, *at)] >> (steps - 1 - t) & 1}
            held = spikes or held
            words[at] = words[at] * 2 + bool(spikes)
    return sent(r, words)


def one_mask(r: Right) -> Any:
    """One mask for each neuron of the source, which the windows change in turn."""
    p, source, steps = r.p, r.there.trains[r.p.source].astype(np.int64), UNITS_NET.steps["pool"]
    words = np.zeros((len(source), *p.shape), np.int64)
    for b, c in np.ndindex(*source.shape[:2]):
        out: set[tuple[int, int]] = set()
        for t in range(steps):
            for oy, ox in np.ndindex(*p.shape[1:]):
                top, left = oy * p.stride[0] - p.padding[0], ox * p.stride[1] - p.padding[1]
                places = [(top + i, left + j) for i, j in np.ndindex(*p.kernel)]
                here = [(y, x) for y, x in places if 0 <= y < source.shape[2] and 0 <= x < source.shape[3]]
                spikes = {at for at in here if source[b, c, at[0], at[1]] >> (steps - 1 - t) & 1}
                fired = bool(spikes - out)
                out |= {at for at in here if fired and at not in spikes}
                words[b, c, oy, ox] = words[b, c, oy, ox] * 2 + fired
    return sent(r, words)


def no_first_row(r: Right) -> Any:
    found = windows(r)
    found[: r.p.kernel[1], :, :, :, 0] = -1  # windows that reach over the left
    return sent(r, np.maximum(found, 0).max(axis=0))


def square_planes(r: Right) -> Any:
    p, source = r.p, r.there.trains[r.p.source].astype(np.int64)
    _, channels, height, width = source.shape
    flat, words = source.reshape(len(source), -1), np.zeros((len(source), *p.shape), np.int64)
    for c, oy, ox in np.ndindex(*p.shape):
        for i, j in np.ndindex(*p.kernel):
            y, x = oy * p.stride[0] - p.padding[0] + i, ox * p.stride[1] - p.padding[1] + j
            at = c * width * width + y * width + x
            if 0 <= y < height and 0 <= x < width and at < flat.shape[1]:
                words[:, c, oy, ox] = np.maximum(words[:, c, oy, ox], flat[:, at])
    return sent(r, words)


def retired(r: Right) -> Any:
    done = np.zeros(r.v.shape, bool)

    def lowers(v: Any, z: Any, h: Any, t: int) -> Any:
        left = v - z * h
        done[(z == 1) & (left == 0)] = True
        return left

    return r.walk(fires=lambda v, T, t, b: (v >= T) & ~done, lowers=lowers)


def padded_rows(T: Any, h: Any, d: Any) -> Any:
    flat = h.ravel()
    return T, np.array([[flat[(c * 8 + t) % flat.size] for t in range(5)] for c in range(4)]), d


ADDRESSES: dict[str, tuple[str, Any]] = {
    "fires-below-its-threshold": ("b", lambda r: r.walk(fires=lambda v, T, t, b: v >= T - 1)),
    "difference-too-narrow": ("c", lambda r: r.walk(fires=lambda v, T, t, b: cut(v - T, 16) >= 0)),
    "negative-never-fires": ("a", lambda r: r.walk(fires=lambda v, T, t, b: (v >= T) & (v >= 0))),
    "silent-behind-zero": ("a", retired),
    "strict-comparison: right behind a spike": (
        "b",
        lambda r: r.walk(fires=lambda v, T, t, b: np.where(b[-1] == 1, v > T, v >= T) if b else v >= T),
    ),
    "reset-to-zero: at the threshold": (
        "b",
        lambda r: r.walk(lowers=lambda v, z, h, t: np.where((z == 1) & (v == r.rows[t][0]), 0, v - z * h)),
    ),
    "rows-apart": ("a", other_rows(padded_rows)),
    "step-address-wraps": ("a", other_rows(lambda T, h, d: (T[:, [0, 1, 2, 3, 0]], h[:, [0, 1, 2, 3, 0]], d))),
    "codes-too-narrow": ("a", told(codes=lambda r, codes: codes % 16)),
    "accumulator-saturates-on-one-side": ("c", opening(inhibited)),
    "carry-lost": ("b", spikewise(no_carry)),
    "bias-again-at-zero": ("b", spikewise(lambda v, more, bias: np.where(v == 0, bias, v) + more)),
    "bias-with-the-first-delivery": ("b", opening(with_a_spike)),
    "bias-for-each-projection": ("three", opening(lambda r: r.v + 2 * r.p.bias_map)),
    "lowest-weight-lost": ("three", delivered(weights=lambda w, q: w * (w != -128))),
    "weights-a-power-of-two": (
        "a",
        delivered(weights=lambda w, q: np.sign(w) * 2 ** np.floor(np.log2(abs(w))).astype(int)),
    ),
    "negative-products-one-lower": ("b", opening(one_lower)),
    "product-of-negatives-negative": ("both", opening(negative_twice)),
    "events-lost": ("b", read_events(behind_a_count)),
    "scan-ends-at-an-empty-word": ("b", read_events(before_an_empty_word)),
    "word-has-a-sign": ("b", read_events(without_negative_words)),
    "silent-steps-skipped": ("flat", opening(skipped)),
    "pooled-count-wraps": ("out", opening(counted_in_pairs)),
    "first-event-twice": ("flat", opening(first_twice)),
    "weight-of-the-other-of-a-pair": ("flat", opening(of_the_pair)),
    "border-checked-otherwise": ("wide", walked(checked_undilated)),
    "corners-repeated": ("a", walked(in_corners)),
    "windows-begin-for-another": ("a", walked(no_top)),
    "stride-limited": ("wide", walked(dilated_by_two)),
    "address-wraps": ("flat", delivered(weights=lambda w, q: w[:, np.arange(32) % 16])),
    "rows-overwritten": ("b", walked(overwritten)),
    "tile-edge-missing": ("a", walked(tiled)),
    "projection-alone": ("three", of_three(lambda sums, bias: sums[2] + bias)),
    "port-too-narrow": ("three", of_three(lambda sums, bias: sum(cut(each, 8) for each in sums) + bias)),
    "weights-of-the-first-projection": ("three", opening(first_weights)),
    "weight-rows-apart": ("a", delivered(weights=lambda w, q: rows_of_kh(w))),
    "loop-ends-early": ("a", walked(lambda at, q: None if at.o >= 2 and at.i == 1 else address(at))),
    "last-tap-twice": (
        "flat",
        walked(lambda at, q: address(at), lambda at, q: 1 + (at.to == 5 and at.i == 31)),
    ),
    "serpentine": ("a", delivered(weights=lambda w, q: in_turn(w))),
    "weight-of-the-tap-before": ("wide", walked(tap_before)),
    "weights-of-the-first-of-a-group": ("wide", delivered(weights=lambda w, q: w[[0, 0, 0, 3, 3, 3]])),
    "group-begins-elsewhere": ("wide", walked(other_base)),
    "weights-behind-zeros-lost": ("three", delivered(weights=behind_zeros)),
    "pixels-taken-for-others": ("b", delivered(read=lambda a, q: np.where(a == 15, 0, a))),
    "image-not-computed": (
        "b",
        lambda r: {what: np.concatenate([values[:1], values[:-1]]) for what, values in r.walk().items()},
    ),
    "all-in-again": ("pool", every_other_step),
    "dropped-for-all-windows": ("pool", one_mask),
    "pool-places-left-out": ("pool", no_first_row),
    "pool-planes-apart": ("pool", square_planes),
}
