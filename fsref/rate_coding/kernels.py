"""Kernels of the rate-coded twin: one population of one image, several ticks per call (RATE-2, RATE-5).

Spikes are a list of neurons tick by tick: those of tick t are spikes[offsets[t]:offsets[t+1]]. Neurons are counted
place by place, the channels of a place side by side: n = (y·W + x)·C + c. As in `plain`, every kernel is also valid
Python and calls none of another file.
"""

from __future__ import annotations

from fsref.engines.kernels import Kernel


@Kernel
def deliver(spikes, offsets, runs, ends, shift, weights, sums):  # type: ignore[no-untyped-def]
    """Add to sums (ticks, N) what the spikes of every tick deliver (RATE-2). weights (C, M) hold w·L.

    From place p synapses leave in runs[ends[p]:ends[p+1]]: first target, first in weights, length; shift (C,) is added
    to the target.
    """
    channels = weights.shape[0]
    for t in range(offsets.size - 1):
        out = sums[t]
        for e in range(offsets[t], offsets[t + 1]):
            place, channel = spikes[e] // channels, spikes[e] % channels
            leaving, first = weights[channel], shift[channel]
            for i in range(ends[place], ends[place + 1]):
                to, start, length = runs[i, 0] + first, runs[i, 1], runs[i, 2]
                target, synapses = out[to : to + length], leaving[start : start + length]
                for o in range(length):
                    target[o] += synapses[o]


@Kernel
def fire(v, gain, sums, threshold, fan, fired, spikes, offsets, operations):  # type: ignore[no-untyped-def]
    """Integrate and fire (RATE-2): v, gain, threshold, fan (N,) and sums (ticks, N), zeros when it returns, v as it
    then stands.

    Lists the spikes; operations (ticks,) are the sums of `fan` over them; fired (N,) is room.
    """
    count = 0
    for t in range(sums.shape[0]):
        own = sums[t]
        for n in range(v.size):
            u = v[n] + gain[n] + own[n]
            own[n] = 0
            fires = u >= threshold[n]
            v[n] = u - threshold[n] * fires
            fired[n] = fires
        first = count
        for n in range(v.size):
            spikes[count] = n  # the next overwrites it, unless it spikes
            count += int(fired[n])
        offsets[t + 1] = count
        total = 0
        for e in range(first, count):
            total += fan[spikes[e]]
        operations[t] = total


@Kernel
def pool(spikes, offsets, candidates, sent, fired, fan, out_spikes, out_offsets, operations):  # type: ignore[no-untyped-def]
    """Pass on the spikes of the busiest candidates (RATE-5). candidates (windows, taps) are places, -1 for padding.

    sent (C, places): spikes of the source so far; fired (C, places), zeros; fan (windows·C,) and operations as in
    `fire`.
    """
    channels = sent.shape[0]
    count = 0
    for t in range(offsets.size - 1):
        for e in range(offsets[t], offsets[t + 1]):
            sent[spikes[e] % channels, spikes[e] // channels] += 1
            fired[spikes[e] % channels, spikes[e] // channels] = 1
        total = 0
        for window in range(candidates.shape[0]):
            for channel in range(channels):
                most, passes = -1, 0
                for place in candidates[window]:
                    if place >= 0 and sent[channel, place] > most:
                        most, passes = sent[channel, place], fired[channel, place]
                if passes:
                    out_spikes[count] = window * channels + channel
                    total += fan[window * channels + channel]
                    count += 1
        for e in range(offsets[t], offsets[t + 1]):
            fired[spikes[e] % channels, spikes[e] // channels] = 0
        out_offsets[t + 1] = count
        operations[t] = total
