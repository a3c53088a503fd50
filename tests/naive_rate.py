"""The rate-coded twin once more, from SPEC.md alone (RATE-1 to RATE-7): plain integers, tick by tick, spike by spike,
and nothing of fsref.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from naive import RELAYS, Net


@dataclass
class Ticks:
    """What one image shows, tick by tick: the readout's membranes, the class, spikes by population, SynOps, work.

    `work` counts biases taken, looks at a threshold and resets of fs and readout neurons, and all deliveries: SynOps
    and `macs`, once for every synapse of an analog source (COUNT-8).
    """

    logits: list[list[int]]
    predictions: list[int]
    spikes: list[list[int]]
    synops: list[int]
    work: list[tuple[int, int, int, int]]
    macs: int


def theta(net: Net, p: int, c: int) -> int | None:
    """theta of a channel whose code is clamp(floor(v / theta), 0, sum of d), None of any other table (RATE-1)."""
    T, h, d = (net.populations[p].rows[part][c] for part in "Thd")
    later = [sum(d[t + 1 :]) for t in range(len(d))]
    good = (
        T[-1] >= 1
        and T == h == tuple(T[-1] * x for x in d)
        and all(1 <= x <= 1 + rest for x, rest in zip(d, later, strict=True))
    )
    return T[-1] if good else None


def takes(net: Net) -> bool:
    """Whether a network has a twin (RATE-1)."""
    fs = [p for p, one in enumerate(net.populations) if one.kind == "fs"]
    gates = any(joint.kind == "gate" for joint in net.projections)
    return not gates and all(theta(net, p, c) is not None for p in fs for c in range(net.populations[p].shape[0]))


def worth(net: Net, p: int) -> list[int]:
    """How many codes a spike of each neuron of p stands for (RATE-1)."""
    one = net.populations[p]
    if one.kind in RELAYS:
        below, (_, height, width) = worth(net, one.source), net.populations[one.source].shape
        return [below[c * height * width] for c in one.channel]
    return [1 + (one.max_code if one.kind == "input" else sum(one.rows["d"][c])) for c in one.channel]


def is_analog(net: Net, p: int, best: bool) -> bool:
    """Whether a population's codes enter its targets as they are (RATE-4, RATE-5)."""
    one = net.populations[p]
    return best and (one.kind == "input" or (one.kind in RELAYS and is_analog(net, one.source, best)))


def depths(net: Net, best: bool) -> list[int]:
    """How many steps after the input each population acts when layers are one step apart (RATE-6)."""
    found: list[int] = []
    for p, one in enumerate(net.populations):
        into = [
            joint.source for joint in net.projections if joint.target == p and not is_analog(net, joint.source, best)
        ]
        found.append(found[one.source] if one.kind in RELAYS else max((found[s] + 1 for s in into), default=0))
    return found


def opened(net: Net, p: int, nearest: bool) -> list[int]:
    """The bias of every tick (RATE-3)."""
    one = net.populations[p]
    if one.kind != "fs" or not nearest:
        return list(one.bias)
    return [b - (theta(net, p, c) or 0) // 2 for b, c in zip(one.bias, one.channel, strict=True)]


def interval(net: Net, p: int, best: bool, nearest: bool) -> list[tuple[int, int]]:
    """Of every neuron of p, the least and the most that one tick can add, in any order (RATE-8)."""
    low, high = ([f(0, b) for b in opened(net, p, nearest)] for f in (min, max))
    for joint in [joint for joint in net.projections if joint.target == p]:
        source = net.populations[joint.source]
        most = (
            [code - 1 for code in worth(net, joint.source)]
            if is_analog(net, joint.source, best)
            else worth(net, joint.source)
        )
        for n in range(len(source.channel)):
            for m, w in joint.synapses[n]:
                low[m], high[m] = low[m] + min(0, w * most[n]), high[m] + max(0, w * most[n])
    return list(zip(low, high, strict=True))


def holds(net: Net, ticks: int, best: bool, nearest: bool) -> bool:
    """Whether every membrane stays below 2^63 in magnitude for so many ticks (RATE-8)."""
    for p, one in enumerate(net.populations):
        if one.kind in ("fs", "readout"):
            for n, (low, high) in enumerate(interval(net, p, best, nearest)):
                start = firing(net, p, n) // 2 if best and one.kind == "fs" else 0
                if max(-low * ticks, start + high * ticks) >= 2**63:
                    return False
    return True


def firing(net: Net, p: int, n: int) -> int:
    """The threshold of neuron n of p (RATE-2, RATE-4)."""
    one = net.populations[p]
    return worth(net, p)[n] * (1 if one.kind == "input" else theta(net, p, one.channel[n]) or 0)


def run(net: Net, image: Sequence[int], count: int, best: bool, nearest: bool, apart: bool = False) -> Ticks:
    """What one image shows in `count` ticks, and in those that the depth adds (RATE-2 to RATE-7)."""
    last = len(net.populations) - 1
    thresholds = [
        [firing(net, p, n) if one.kind in ("input", "fs") else 0 for n in range(len(one.channel))]
        for p, one in enumerate(net.populations)
    ]
    bias = [opened(net, p, nearest) if one.bias else [0] * len(one.channel) for p, one in enumerate(net.populations)]
    spike = [worth(net, p) if p != last else [] for p in range(last + 1)]
    v = [
        [x // 2 if best and one.kind == "fs" else 0 for x in row]
        for row, one in zip(thresholds, net.populations, strict=True)
    ]
    sent = [[0] * len(one.channel) for one in net.populations]  # spikes of every neuron so far (RATE-5)
    now = [[0] * len(one.channel) for one in net.populations]
    codes: list[list[int]] = []
    for p, one in enumerate(net.populations):  # codes of analog populations (RATE-4, RATE-5)
        codes.append(
            list(image)
            if p == 0
            else [max((codes[one.source][n] for n in window), default=0) for window in one.windows]
            if is_analog(net, p, best)
            else []
        )
    late = depths(net, best)[last] if apart else 0
    macs = sum(
        len(leaving) for joint in net.projections if is_analog(net, joint.source, best) for leaving in joint.synapses
    )
    seen = Ticks([], [], [], [], [], macs)
    ops = biases = looks = resets = 0
    for tick in range(count + late):
        before = [list(row) for row in now]
        for p, one in enumerate(net.populations):
            if is_analog(net, p, best):
                continue
            if one.kind in RELAYS:
                for n, window in enumerate(one.windows):
                    first = max(window, key=lambda m: (sent[one.source][m], -m), default=None)
                    now[p][n] = 0 if first is None else now[one.source][first]  # a view that shows nothing
            else:
                add = list(image) if p == 0 else list(bias[p])
                for joint in [joint for joint in net.projections if joint.target == p]:
                    s = joint.source
                    for n in range(len(net.populations[s].channel)):
                        delivered = (
                            codes[s][n] if is_analog(net, s, best) else spike[s][n] * (before if apart else now)[s][n]
                        )
                        for m, w in joint.synapses[n]:
                            add[m] += w * delivered
                v[p] = [a + b for a, b in zip(v[p], add, strict=True)]
                biases += len(add) * (one.kind != "input")
            if one.kind in ("input", "fs"):
                now[p] = [int(a >= b) for a, b in zip(v[p], thresholds[p], strict=True)]
                v[p] = [a - b * z for a, b, z in zip(v[p], thresholds[p], now[p], strict=True)]
            if one.kind == "fs":
                looks, resets = looks + len(now[p]), resets + sum(now[p])
            sent[p] = [a + z for a, z in zip(sent[p], now[p], strict=True)]
        seen.spikes.append([sum(row) for row in now[:last]])
        ops += sum(
            len(leaving)
            for joint in net.projections
            for leaving, z in zip(joint.synapses, now[joint.source], strict=True)
            if z
        )
        if tick >= late:
            seen.logits.append(list(v[last]))
            alone = len(v[last]) == 1  # NET-8
            seen.predictions.append(int(v[last][0] >= 0) if alone else v[last].index(max(v[last])))
            seen.synops.append(ops)
            seen.work.append((biases, looks, resets, ops + macs))
    return seen


def total(seen: Ticks, late: int) -> list[list[int]]:
    """Spikes by population so far, at every t (RATE-7)."""
    running = list(accumulate(seen.spikes, lambda a, b: [x + y for x, y in zip(a, b, strict=True)]))
    return running[late:]
