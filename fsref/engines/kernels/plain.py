"""Plain-loop kernels of the `events` engine, one image at a time: list, fire, deliver, gate, pool.

Spikes are a list of neurons (NET-3 order) step by step: those of step t are spikes[offsets[t]:offsets[t+1]]. Every
kernel is also valid Python, and is run as such when NUMBA_DISABLE_JIT is set. Kernels call none of another file: a kept
kernel is renewed when its own file changes, and no other. An inner loop without branches, over slices cut before it,
becomes vector instructions; over indices of whole arrays it does not.
"""

from __future__ import annotations

import numpy as np

from fsref.engines.kernels import Kernel, told_by


@Kernel
def spike_list(trains, steps, spikes, offsets):  # type: ignore[no-untyped-def]
    """List the spikes of train words (C, P) of `steps` bits, the first the highest (EVENT-2)."""
    channels, places = trains.shape
    count = 0
    for t in range(steps):
        offsets[t] = count
        for c in range(channels):
            own = trains[c]
            for n in range(places):
                spikes[count] = c * places + n  # the next overwrites it, unless it spikes
                count += int(own[n]) >> (steps - 1 - t) & 1
    offsets[steps] = count


@Kernel
def fire(v, T, h, trains, spikes, offsets, membranes):  # type: ignore[no-untyped-def]
    """Fire all neurons, v (C, P) lowered in place (FS-2, FS-3); trains (C, P), zeros; membranes (K, C, P), or (0, 0, 0)
    when not kept.
    """
    channels, places = v.shape
    steps = T.shape[1]
    for t in range(steps):
        bit = np.uint16(1 << (steps - 1 - t))
        for c in range(channels):
            threshold, reset = T[c, t], h[c, t]
            own, train = v[c], trains[c]
            for n in range(places):
                fires = own[n] >= threshold
                own[n] -= reset * fires
                train[n] |= bit * fires
            if membranes.shape[0]:
                left = membranes[t, c]
                for n in range(places):
                    left[n] = own[n]
    spike_list(trains, steps, spikes, offsets)


@Kernel
def deliver(spikes, offsets, d, runs, ends, weights, out, counting):  # type: ignore[no-untyped-def]
    """Deliver every spike along its synapses into out (G, N) (PROJ-1 to PROJ-5); return the deliveries when counting
    (OBS-3).

    weights (C, M); d (C, K). From place p synapses leave in runs[ends[p]:ends[p+1]]: first target in out, first in
    weights, length.
    """
    channels, places = weights.shape[0], ends.size - 1
    deliveries = 0
    for t in range(offsets.size - 1):
        e = offsets[t]
        for channel in range(channels):
            worth = d[channel, t]
            targets, leaving = out[channel * out.shape[0] // channels], weights[channel]
            while e < offsets[t + 1] and spikes[e] < (channel + 1) * places:
                place = spikes[e] - channel * places
                for i in range(ends[place], ends[place + 1]):
                    to, start, length = runs[i, 0], runs[i, 1], runs[i, 2]
                    target, synapses = targets[to : to + length], leaving[start : start + length]
                    for o in range(length):
                        target[o] += worth * synapses[o]
                    if counting:
                        for o in range(length):
                            deliveries += synapses[o] != 0
                e += 1
    return deliveries


@Kernel
def gate(spikes, offsets, d, factor, ends, worth, registers, weights, out, counting):  # type: ignore[no-untyped-def]
    """Add up the codes of the factor in registers (C, Q), zeros, spike by spike; then deliver every spike of the
    source, times the code of its place or channel, into out (C, P) (GATE-1, GATE-2). Return the deliveries when
    counting (OBS-3).

    factor, ends and worth are spikes, offsets and d (C, K) of the factor; weights (C,); Q is P, or 1.
    """
    channels, places = out.shape
    shared = registers.shape[1]
    for t in range(ends.size - 1):
        for e in range(ends[t], ends[t + 1]):
            channel = factor[e] // shared
            registers[channel, factor[e] - channel * shared] += worth[channel, t]
    deliveries = 0
    for t in range(offsets.size - 1):
        for e in range(offsets[t], offsets[t + 1]):
            channel = spikes[e] // places
            place = spikes[e] - channel * places
            out[channel, place] += weights[channel] * d[channel, t] * registers[channel, place if shared > 1 else 0]
            if counting:
                deliveries += weights[channel] != 0
    return deliveries


@Kernel
def max_pool(spikes, offsets, runs, ends, state, trains, out_spikes, out_offsets):  # type: ignore[no-untyped-def]
    """Pool spikes to spikes (POOL-1, POOL-3). state (C, windows, taps) uint8, zeros; trains (C, windows) uint16, zeros.

    Place p is a candidate of the windows of runs[ends[p]:ends[p+1]], each (window, tap). Its state there is the step +
    1 of its last spike, or 255 once it dropped out.
    """
    channels, places, steps = trains.shape[0], ends.size - 1, offsets.size - 1
    for t in range(steps):
        bit = np.uint16(1 << (steps - 1 - t))
        e = offsets[t]
        for channel in range(channels):
            own, train = state[channel], trains[channel]
            while e < offsets[t + 1] and spikes[e] < (channel + 1) * places:
                place = spikes[e] - channel * places
                for i in range(ends[place], ends[place + 1]):
                    window, tap = runs[i, 0], runs[i, 1]
                    if own[window, tap] != 255:
                        own[window, tap] = t + 1
                        train[window] |= bit
                e += 1
            for window in range(train.size):
                if train[window] & bit:
                    for tap in range(own.shape[1]):
                        if own[window, tap] != t + 1:
                            own[window, tap] = 255
    spike_list(trains, steps, out_spikes, out_offsets)


def told() -> str:
    """What runs these kernels, in words."""
    return f"plain loops, by {told_by()}"
