"""The executable specification: plain NumPy, one step and one spike plane at a time. Read it beside SPEC.md; it is not
fast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines.activity import Activity
from fsref.engines.engine import OBJECTS, Simulator, Wanted
from fsref.law.network import Network
from fsref.law.neuron import Ints, Table
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View
from fsref.law.projections import Conv2d, Dense, Gate, Linear, Projection

Spikes = NDArray[np.bool_]
kernels = "NumPy"


def input_trains(codes: Ints, steps: int) -> Spikes:
    """Spikes (B, K, C, H, W) of an input: bit K-1-t of the code in step t (NET-7)."""
    return np.stack([(codes >> (steps - 1 - t)) & 1 == 1 for t in range(steps)], axis=1)


def seen(size: int, count: int, before: int, stride: int, at: int) -> tuple[slice, slice]:
    """Which windows see a place of the source through the tap at offset `at`, and which places those are, along one
    axis (PROJ-1).
    """
    first = max(0, -((at - before) // stride))
    last = min(count - 1, (size - 1 + before - at) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    start = first * stride - before + at
    return slice(first, last + 1), slice(start, start + (last - first) * stride + 1, stride)


def conv2d(plane: Ints, projection: Conv2d, shape: tuple[int, int, int]) -> Ints:
    """What a plane (B, C, H, W) delivers to a target of `shape`, (B, O, H_out, W_out) (PROJ-1, PROJ-2, PROJ-3)."""
    batch, channels, height, width = plane.shape
    groups, (outputs, inputs, kh, kw) = projection.groups, projection.weights.shape
    weights = projection.weights.astype(np.int64).reshape(groups, outputs // groups, inputs, kh, kw)
    source = plane.reshape(batch, groups, channels // groups, height, width)
    out = np.zeros((batch, groups, outputs // groups, *shape[1:]), np.int64)
    top, left, _, _ = projection.padding
    for r in range(kh):
        to_y, from_y = seen(height, shape[1], top, projection.stride[0], r * projection.dilation[0])
        for c in range(kw):
            to_x, from_x = seen(width, shape[2], left, projection.stride[1], c * projection.dilation[1])
            out[..., to_y, to_x] += np.einsum("goi,bgiyx->bgoyx", weights[..., r, c], source[..., from_y, from_x])
    return out.reshape(batch, *shape)


def dense(plane: Ints, projection: Dense) -> Ints:
    """What a plane (B, C, H, W) delivers to O neurons, (B, O, 1, 1) (PROJ-4), pooled: by channel, from any place
    (PROJ-5).
    """
    batch, channels = plane.shape[:2]
    a = plane.reshape(batch, channels, -1).sum(axis=2) if projection.pooled else plane.reshape(batch, -1)
    return (a @ projection.weights.astype(np.int64).T)[:, :, None, None]


def along(plane: Ints, projection: Linear, shape: tuple[int, int, int]) -> Ints:
    """What a plane (B, C, H, W) delivers along a projection to a target of `shape` (PROJ-1 to PROJ-5)."""
    match projection:
        case Conv2d():
            return conv2d(plane, projection, shape)
        case Dense():
            return dense(plane, projection)
        case _:
            assert_never(projection)


def gated(plane: Ints, gate: Gate, factor: Ints) -> Ints:
    """What a plane (B, C, H, W) delivers through a gate whose factor has these codes, (B, C, H, W) or (B, C, 1, 1)
    (GATE-1).
    """
    return plane * gate.weights.astype(np.int64)[:, None, None] * factor


def carried(plane: Ints, projection: Projection, shape: tuple[int, int, int], factors: Mapping[str, Ints]) -> Ints:
    """What a plane (B, C, H, W) delivers along any projection, a gate's times the codes of its factor, which `factors`
    has by name.
    """
    match projection:
        case Gate():
            return gated(plane, projection, factors[projection.by])
        case Conv2d() | Dense():
            return along(plane, projection, shape)
        case _:
            assert_never(projection)


def delivered(net: Network, projection: Projection, spikes: Mapping[str, Spikes]) -> Ints:
    """The sum of one projection, (B, C, H, W), step by step: each spike of channel c in step t is worth d[c, t] (FS-4);
    the factor of a gate is whole before the first of them comes (GATE-2).
    """
    sent, d, shape = spikes[projection.source], net.code_weights, net[projection.target].shape
    factors = {q.by: codes(spikes[q.by], d[q.by]) for q in [projection] if isinstance(q, Gate)}
    total = np.zeros((len(sent), *shape), np.int64)
    for t in range(net.steps[projection.source]):
        plane = sent[:, t] * d[projection.source][:, t, None, None]
        total += carried(plane, projection, shape, factors)
    return total


def opening(net: Network, population: FS | Readout, spikes: Mapping[str, Spikes]) -> tuple[Ints, dict[str, Ints]]:
    """The opening membrane (B, C, H, W): bias once (NET-5) and every projection's sum (NET-6, PROJ-6); and those
    sums.
    """
    sums = {name: delivered(net, q, spikes) for name, q in net.into(population.name).items()}
    v = np.broadcast_to(population.bias_map, population.shape) + np.zeros_like(next(iter(sums.values())))
    for total in sums.values():
        v = v + total
    return v, sums


def fire(v: Ints, table: Table) -> tuple[Spikes, Ints, Ints]:
    """Spikes and membranes after each step, each (B, K, C, H, W), and codes (B, C, H, W) (FS-2, FS-3, FS-4)."""
    T, h, d = (rows[:, :, None, None] for rows in table.rows(v.shape[1]))
    spikes, membranes, code = [], [], np.zeros_like(v)
    for t in range(table.steps):
        z = v >= T[:, t]
        v = v - h[:, t] * z
        code = code + d[:, t] * z
        spikes.append(z)
        membranes.append(v)
    return np.stack(spikes, axis=1), np.stack(membranes, axis=1), code


def max_pool(spikes: Spikes, pool: MaxPool) -> Spikes:
    """Spikes (B, K, C, H_out, W_out) of a max-pool (POOL-1); padded places are no candidates (POOL-3)."""
    batch, steps, _, height, width = spikes.shape
    (kh, kw), (top, left, _, _), (sy, sx) = pool.kernel, pool.padding, pool.stride
    candidates = np.zeros((kh * kw, batch, steps, *pool.shape), bool)
    still_in = np.zeros((kh * kw, batch, *pool.shape), bool)
    for r in range(kh):
        to_y, from_y = seen(height, pool.shape[1], top, sy, r)
        for c in range(kw):
            to_x, from_x = seen(width, pool.shape[2], left, sx, c)
            candidates[r * kw + c, ..., to_y, to_x] = spikes[..., from_y, from_x]
            still_in[r * kw + c, ..., to_y, to_x] = True
    out = np.zeros((batch, steps, *pool.shape), bool)
    for t in range(steps):
        fired = (candidates[:, :, t] & still_in).any(axis=0)
        still_in &= candidates[:, :, t] | ~fired
        out[:, t] = fired
    return out


def shown(spikes: Spikes, view: View) -> Spikes:
    """Spikes (B, K, C, H, W) of a view: those of the places that it shows, none where it shows nothing (VIEW-1)."""
    with_blank = np.pad(spikes, [(0, 0)] * 3 + [(0, 1)] * 2)  # its last row and column, which -1 is
    return with_blank[..., view.rows[:, None], view.columns]


def words(spikes: Spikes) -> NDArray[np.uint16]:
    """Train words (B, C, H, W): the first spike is the highest bit (EVENT-2)."""
    train = np.zeros((spikes.shape[0], *spikes.shape[2:]), np.uint16)
    for t in range(spikes.shape[1]):
        train = (train << np.uint16(1)) | spikes[:, t]
    return train


def codes(spikes: Spikes, d: Ints) -> Ints:
    """Codes (B, C, H, W): d of every step that spiked, added up (FS-4)."""
    code = np.zeros((spikes.shape[0], *spikes.shape[2:]), np.int64)
    for t in range(d.shape[1]):
        code = code + d[:, t, None, None] * spikes[:, t]
    return code


def simulator(net: Network) -> Simulator:
    """A function from images (B, C, H, W) to the activity of every population in turn."""

    def simulate(images: Ints, wanted: Wanted) -> Iterator[Activity]:
        spikes: dict[str, Spikes] = {}
        for p in net.populations:
            v: Ints | None = None
            membranes: Ints | None = None
            sums: dict[str, Ints] = {}
            match p:
                case Input():
                    spikes[p.name] = input_trains(images, p.steps)
                case MaxPool():
                    spikes[p.name] = max_pool(spikes[p.source], p)
                case View():
                    spikes[p.name] = shown(spikes[p.source], p)
                case FS():
                    v, sums = opening(net, p, spikes)
                    spikes[p.name], membranes = fire(v, p.table)[:2]
                case Readout():
                    v, sums = opening(net, p, spikes)
                    yield Activity(p.name, opening=v, sums=sums)
                    continue
                case _:
                    assert_never(p)
            sent, d = spikes[p.name], net.code_weights[p.name]
            yield Activity(p.name, words(sent), codes(sent, d), v, membranes, sums)

    return simulate


def shared_bytes(net: Network, threads: int) -> int:
    """A bound on the bytes that images share: weights in 64 bits, those of one projection on each thread."""
    return threads * 8 * max(q.weights.size for q in net.projections)


def working_bytes(net: Network) -> int:
    """A bound on the bytes one image takes: the spike planes of all populations, a byte each, and what the population
    at work takes.
    """
    planes = sum(p.neurons * net.steps[p.name] for p in net.populations)
    return planes + max(at_work(net, p) for p in net.populations) + OBJECTS * len(net.populations)


def at_work(net: Network, p: Population) -> int:
    """The most bytes held for one image while a population is at work, beside spike planes; n is its neurons."""
    n, steps = p.neurons, net.steps[p.name]
    told = (3 * 8 + 3 * 2) * n  # codes: before, after and what is added; train words: as many of 16 bits
    match p:
        case Input():
            return n * steps + told  # a plane for every step, before they are joined
        case MaxPool():
            taps = p.kernel[0] * p.kernel[1]
            return max(taps * n * (steps + 2) + 2 * n, told)  # candidates; who is still in, before and after
        case View():
            channels, height, width = net[p.source].shape
            return (
                channels * (height + 1) * (width + 1) * steps + 8 * (n + 2 * max(p.shape)) + told
            )  # with a blank; places
        case FS() | Readout():
            into = net.into(p.name).values()
            # Two planes; of a step, of a tap or before the factor; codes of a factor: before, after and what is added.
            delivering = max(8 * (2 * net[q.source].neurons + 2 * n) for q in into)
            delivering += max((3 * 8 * net[q.by].neurons for q in into if isinstance(q, Gate)), default=0)
            firing = 2 * 8 * n * steps + n * steps + 2 * 8 * n  # membranes, listed and joined; spikes; v and codes
            opened = 8 * n * steps + 8 * n + told  # membranes, v
            return 8 * n * len(into) + max(delivering, firing, opened)  # sums
        case _:
            assert_never(p)
