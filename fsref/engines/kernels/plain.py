"""Plain-loop kernels of the `events` engine, one image at a time: fire, list, deliver, pool.

Spikes are a list of neurons (NET-3 order) step by step: those of step t are spikes[offsets[t]:offsets[t+1]]. Every kernel is also valid
Python, and is run as such when NUMBA_DISABLE_JIT is set. Kernels call none of another file: Numba renews a cached kernel when its own
file changes, and no other.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

kernel: Any = numba.njit(cache=True, nogil=True)


@kernel
def fire(v, T, h, trains, spikes, offsets, membranes):  # type: ignore[no-untyped-def]
    """Fire all neurons, v (C, P) lowered in place (FS-2, FS-3); trains (C, P); membranes (K, C, P), or (0, 0, 0) when not kept."""
    channels, places = v.shape
    steps = T.shape[1]
    count = 0
    for t in range(steps):
        offsets[t] = count
        for c in range(channels):
            threshold, reset = T[c, t], h[c, t]
            for n in range(places):
                if v[c, n] >= threshold:
                    v[c, n] -= reset
                    trains[c, n] |= np.uint16(1 << (steps - 1 - t))
                    spikes[count] = c * places + n
                    count += 1
        if membranes.shape[0]:
            membranes[t] = v
    offsets[steps] = count


@kernel
def spike_list(codes, steps, spikes, offsets):  # type: ignore[no-untyped-def]
    """List the spikes of an input's codes (N,) (NET-7)."""
    count = 0
    for t in range(steps):
        offsets[t] = count
        for n in range(codes.size):
            if (codes[n] >> (steps - 1 - t)) & 1:
                spikes[count] = n
                count += 1
    offsets[steps] = count


@kernel
def deliver_conv2d(spikes, offsets, d, source, stride, padding, dilation, weights, out, counting):  # type: ignore[no-untyped-def]
    """Deliver every spike along its synapses (PROJ-1, PROJ-3) into out (H_out, W_out, O); return the deliveries when counting (OBS-3).

    weights (C_source, kh, kw, O / groups); d (C_source, K); source (H, W); padding (top, left).
    """
    height, width = source
    kh, kw, row = weights.shape[1], weights.shape[2], weights.shape[3]
    per_group = weights.shape[0] * row // out.shape[2]
    deliveries = 0
    for t in range(offsets.size - 1):
        for e in range(offsets[t], offsets[t + 1]):
            channel, place = divmod(spikes[e], height * width)
            y, x = divmod(place, width)
            first = channel // per_group * row
            worth = d[channel, t]
            for r in range(kh):
                up = y + padding[0] - r * dilation[0]
                if up < 0 or up % stride[0] or up // stride[0] >= out.shape[0]:
                    continue
                for c in range(kw):
                    across = x + padding[1] - c * dilation[1]
                    if across < 0 or across % stride[1] or across // stride[1] >= out.shape[1]:
                        continue
                    synapses = weights[channel, r, c]
                    target = out[up // stride[0], across // stride[1], first : first + row]
                    for o in range(row):
                        target[o] += worth * synapses[o]
                    if counting:
                        for o in range(row):
                            deliveries += synapses[o] != 0
    return deliveries


@kernel
def deliver_dense(spikes, offsets, d, places, pooled, weights, out, counting):  # type: ignore[no-untyped-def]
    """Deliver every spike along its synapses into out (O,): row n of weights (N, O) (PROJ-4), or row c when pooled (PROJ-5)."""
    deliveries = 0
    for t in range(offsets.size - 1):
        for e in range(offsets[t], offsets[t + 1]):
            channel = spikes[e] // places
            synapses = weights[channel if pooled else spikes[e]]
            worth = d[channel, t]
            for o in range(out.size):
                out[o] += worth * synapses[o]
            if counting:
                for o in range(out.size):
                    deliveries += synapses[o] != 0
    return deliveries


@kernel
def max_pool(spikes, offsets, source, kernel_size, stride, padding, state, trains, out_spikes, out_offsets):  # type: ignore[no-untyped-def]
    """Pool spikes to spikes (POOL-1, POOL-3). state (C, H_out, W_out, kh, kw) uint8, zeros; trains (C, H_out, W_out) uint16, zeros.

    A candidate's state is the step + 1 of its last spike, or 255 once it dropped out.
    """
    height, width = source
    steps = offsets.size - 1
    channels, rows, columns = trains.shape
    count = 0
    for t in range(steps):
        out_offsets[t] = count
        bit = np.uint16(1 << (steps - 1 - t))
        for e in range(offsets[t], offsets[t + 1]):
            channel, place = divmod(spikes[e], height * width)
            y, x = divmod(place, width)
            for r in range(kernel_size[0]):
                up = y + padding[0] - r
                if up < 0 or up % stride[0] or up // stride[0] >= rows:
                    continue
                for c in range(kernel_size[1]):
                    across = x + padding[1] - c
                    if across < 0 or across % stride[1] or across // stride[1] >= columns:
                        continue
                    i, j = up // stride[0], across // stride[1]
                    if state[channel, i, j, r, c] != 255:
                        state[channel, i, j, r, c] = t + 1
                        trains[channel, i, j] |= bit
        for channel in range(channels):
            for i in range(rows):
                for j in range(columns):
                    if trains[channel, i, j] & bit:
                        out_spikes[count] = (channel * rows + i) * columns + j
                        count += 1
                        for r in range(kernel_size[0]):
                            for c in range(kernel_size[1]):
                                if state[channel, i, j, r, c] != t + 1:
                                    state[channel, i, j, r, c] = 255
    out_offsets[steps] = count
