"""Kernels that fit a table: what one costs, and annealing of its thresholds and resets (FIT-3 to FIT-5).

`ends` are six integers: the membranes low..high that errors are measured on, those first..last that are looked at
beyond them, and least..most, within which every membrane of low..high stays. `rules` are reals: the worth of a code
unit, the weights of the largest error, the spikes allowed, what the function holds left of low (two) and right of high
(two), all that it holds at all (two), and the sums of its squares, by weight and of each once. `sums` (N + 1, 4) are,
up to each membrane, the weights, the weighted values, the weights by which spikes are counted, and the values alone;
`values` (N,) those of the function; following[i] is the first of i.. where it turns, or N. Additions stand in one order
and nothing comes of a library, so that the same table is found on every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines.kernels import Kernel

ROOM = 2048  # intervals of a staircase in annealing, within low..high and on either side of it
TOLD = 6  # what `cost` tells: mean square error, largest error within, without, spikes, how far out of the range, and
# the mean square error with all membranes alike
LICENCE = 3.0  # roots of that: how far the output may be from the function beyond the interval (FIT-5)


def rooms() -> tuple[NDArray[Any], ...]:
    """What `cost` writes over."""
    sizes = ((3, ROOM), (2, 16, 16), (3, 16), (3, 256))
    return np.zeros((4, ROOM), np.int64), *(np.zeros(size) for size in sizes)


@Kernel
def copied(source, target):  # type: ignore[no-untyped-def]
    """Nothing; then the numbers of a flat array stand in another."""
    for i in range(source.size):
        target[i] = source[i]


@Kernel
def cut(T, h, first, last, room):  # type: ignore[no-untyped-def]
    """How many intervals the staircase of membranes first..last has, their resets and trains in room; ROOM + 1 where
    these are too many.
    """
    start, end, reset, train = room[0], room[1], room[2], room[3]
    start[0], end[0], reset[0], train[0] = first, last, 0, 0
    count = 1
    for t in range(T.size):
        for i in range(count):
            at, begin = i, T[t] + reset[i]
            if begin > end[i]:
                continue
            if begin > start[i]:
                if count == ROOM:
                    return ROOM + 1
                at = count
                count += 1
                start[at], end[at], reset[at], train[at] = begin, end[i], reset[i], train[i]
                end[i] = begin - 1
            reset[at] += h[t]
            train[at] |= 1 << t
    return count


@Kernel
def cost(T, h, d, wanted, ends, rules, sums, values, following, room, shares, matrix, vectors, parts, told):  # type: ignore[no-untyped-def]
    """The cost of thresholds and resets (K,), the best d for them and what is `told` of it (TOLD,); infinite beyond
    ROOM or beyond least..most, and as soon as it is known to be more than is wanted.

    room (4, ROOM), shares (3, ROOM), matrix (2, 16, 16), vectors (3, 16) and parts (3, 256) are overwritten.
    """
    steps = T.size
    low, high, least, most = ends[0], ends[1], ends[4], ends[5]
    scale, worth, cap = rules[0], rules[1], rules[2]
    start, end, reset, train = room[0], room[1], room[2], room[3]
    weight, weighted, occurring = shares[0], shares[1], shares[2]
    mass, rest = matrix[0], matrix[1]
    moment, pivot, solved = vectors[0], vectors[1], vectors[2]
    early, late = parts[0], parts[1]
    joint = parts[2].reshape((16, 16))
    moment[:] = 0.0
    start[0], end[0], reset[0], train[0] = low, high, 0, 0
    weight[0], weighted[0], occurring[0] = sums[high + 1 - low, 0], sums[high + 1 - low, 1], sums[high + 1 - low, 2]
    count, spikes = 1, 0.0
    for t in range(steps):
        threshold, lowered = T[t], h[t]
        for i in range(count):
            at, begin = i, threshold + reset[i]
            if begin > end[i]:
                continue
            if begin > start[i]:
                if count == ROOM:
                    return np.inf
                at = count
                count += 1
                start[at], end[at], reset[at], train[at] = begin, end[i], reset[i], train[i]
                before, now, after = start[i] - low, begin - low, end[i] + 1 - low
                weight[i], weight[at] = sums[now, 0] - sums[before, 0], sums[after, 0] - sums[now, 0]
                weighted[i], weighted[at] = sums[now, 1] - sums[before, 1], sums[after, 1] - sums[now, 1]
                occurring[i], occurring[at] = sums[now, 2] - sums[before, 2], sums[after, 2] - sums[now, 2]
                end[i] = begin - 1
            reset[at] += lowered
            train[at] |= 1 << t
            if start[at] - reset[at] < least or end[at] - reset[at] > most:
                return np.inf
            moment[t] += weighted[at]
            spikes += occurring[at]
    # What trains with two spikes weigh: of each two groups of four steps, what trains weigh, then those that hold them.
    for upper in range(1, max(2, (steps + 3) // 4)):
        for lower in range(upper):
            joint[:, :] = 0.0
            for i in range(count):
                joint[train[i] >> 4 * upper & 15, train[i] >> 4 * lower & 15] += weight[i]
            for bit in (1, 2, 4, 8):
                for held in range(16):
                    if not held & bit:
                        for i in range(16):
                            joint[held, i] += joint[held + bit, i]
            for held in range(16):
                for bit in (1, 2, 4, 8):
                    for i in range(16):
                        if not i & bit:
                            joint[held, i] += joint[held, i + bit]
            for j in range(4):
                for k in range(4):
                    mass[4 * upper + j, 4 * lower + k] = joint[1 << j, 1 << k]
                    mass[4 * upper + j, 4 * upper + k] = joint[1 << j | 1 << k, 0]
                    mass[4 * lower + j, 4 * lower + k] = joint[0, 1 << j | 1 << k]
    # A = L D L' of the normal equations, L' above the diagonal of `rest`, and each d rounded to whole code units where
    # the later ones are known.
    copied(moment, solved)
    for j in range(16):
        copied(mass[j], rest[j])
    for j in range(steps):
        left, known = rest[j, j], solved[j]
        usable = left > 1e-9
        pivot[j] = left if usable else 0.0
        solved[j] = known / left if usable else 0.0
        for i in range(j + 1, steps):
            rest[j, i] = rest[i, j] / left if usable else 0.0
        if usable:
            for i in range(j + 1, steps):
                factor = rest[j, i]
                solved[i] -= factor * solved[j] * left
                own, of = rest[i], rest[j]
                for k in range(16):  # more than are looked at, all at once
                    own[k] -= factor * of[k] * left
    for j in range(steps - 1, -1, -1):
        best = solved[j]
        for i in range(j + 1, steps):
            best -= rest[j, i] * d[i]
        d[j] = np.floor(best / scale + 0.5) * scale if pivot[j] > 0.0 else 0.0
    mean = rules[9]
    for j in range(steps):
        part = 0.5 * mass[j, j] * d[j] - moment[j]
        for k in range(j):
            part += mass[j, k] * d[k]
        mean += 2.0 * d[j] * part
    price = 1.0
    if spikes > cap:
        over = 6.0 * (spikes - cap)
        price = 1.0 + over + over * over / 2.0 + over * over * over / 6.0
    if mean * price > wanted:  # what follows adds to it alone
        return np.inf
    # The code of a train is one number for its first eight steps and one for the others.
    early[0], late[0] = 0.0, 0.0
    for t in range(min(steps, 8)):
        for i in range(1 << t):
            early[(1 << t) + i] = early[i] + d[t]
    for t in range(8, steps):
        for i in range(1 << (t - 8)):
            late[(1 << (t - 8)) + i] = late[i] + d[t]
    within, alike = 0.0, rules[10]
    for i in range(count):
        code = early[train[i] & 255] + late[train[i] >> 8]
        first, last = start[i] - low, end[i] - low
        alike += code * (code * (last - first + 1) - 2.0 * (sums[last + 1, 3] - sums[first, 3]))
        within = max(within, abs(code - values[first]), abs(code - values[last]))
        turn = following[first]
        while turn < last:
            within = max(within, abs(code - values[turn]))
            turn = following[turn + 1]
    alike = max(alike, 0.0) / (high - low + 1)
    found = mean + worth * within * within
    if found * price > wanted:
        return np.inf
    without, out = 0.0, 0.0
    for side in range(2):
        count = cut(T, h, high + 1, ends[3], room) if side else cut(T, h, ends[2], low - 1, room)
        if count > ROOM:
            return np.inf
        for i in range(count):
            code = early[train[i] & 255] + late[train[i] >> 8]
            without = max(without, rules[3 + 2 * side] - code, code - rules[4 + 2 * side])
            out = max(out, rules[7] - code, code - rules[8])
    told[0], told[1], told[2], told[3], told[4], told[5] = mean, within, without, spikes, out, alike
    beyond = without - LICENCE * np.sqrt(alike)
    if beyond > 0.0:
        found += beyond * beyond
    found *= price
    if out > 1e-9:
        found = (found + out * out) * 1000.0
    return found


@Kernel
def drawn(state, below):  # type: ignore[no-untyped-def]
    """A number of 0..below - 1 drawn from the state (1,), a xorshift generator of 32 bits; below is less than 2^31."""
    x = state[0]
    x ^= (x << 13) & 0xFFFFFFFF
    x ^= x >> 17
    x ^= (x << 5) & 0xFFFFFFFF
    state[0] = x
    return (x * below) >> 32


@Kernel
def moved(T, h, ends, state):  # type: ignore[no-untyped-def]
    """Change thresholds and resets in one of several ways, in place (FIT-4)."""
    steps = T.size
    span = ends[5] - ends[4]
    halvings = 1
    while span >> halvings > 1:
        halvings += 1
    kind, t, s = drawn(state, 16), drawn(state, steps), drawn(state, steps)
    near = max(1, span >> (1 + drawn(state, halvings)))
    by, other = drawn(state, 2 * near + 1) - near, drawn(state, 2 * near + 1) - near
    if kind < 4:
        T[t] += by
    elif kind < 8:
        h[t] += by
    elif kind < 10:
        T[t] += by
        h[t] += by
    elif kind < 11:
        T[t] += by
        h[t] += other
    elif kind < 12:
        T[t] += by
        T[s] += other
    elif kind < 13:
        h[t] += by
        h[s] += other
    elif kind < 14:
        T[t], T[s] = T[s], T[t]
        h[t], h[s] = h[s], h[t]
    elif kind < 15:
        T[t] = ends[0] + drawn(state, ends[1] - ends[0] + 1)
        h[t] = T[t] + by
    else:  # one step goes, an inert one comes
        for i in range(t, steps - 1):
            T[i], h[i] = T[i + 1], h[i + 1]
        for i in range(steps - 1, s, -1):
            T[i], h[i] = T[i - 1], h[i - 1]
        T[s], h[s] = ends[5], 0
    for i in range(steps):
        T[i] = min(max(T[i], ends[4]), ends[5])
        h[i] = min(max(h[i], -span), span)
    h[steps - 1] = 0  # nothing looks at the membrane after the last step


@Kernel
def anneal(  # type: ignore[no-untyped-def]
    T,
    h,
    d,
    kept,
    moves,
    hot,
    cold,
    waits,
    state,
    ends,
    rules,
    sums,
    values,
    following,
    room,
    shares,
    matrix,
    vectors,
    parts,
    told,
):
    """The least cost that so many moves find; T and h (K,) become its table. A move to a higher cost is taken when it
    is higher by a share of at most the heat, which falls from hot to cold, times one of the `waits`. d (16,) and kept
    (4, K) are overwritten.
    """
    best_T, best_h, at_T, at_h = kept[0], kept[1], kept[2], kept[3]
    now = cost(T, h, d, np.inf, ends, rules, sums, values, following, room, shares, matrix, vectors, parts, told)
    best = now
    copied(T, best_T)
    copied(h, best_h)
    copied(T, at_T)
    copied(h, at_h)
    for move in range(moves):
        left = 1.0 - move / moves
        heat = cold + (hot - cold) * left * left * left
        copied(at_T, T)
        copied(at_h, h)
        moved(T, h, ends, state)
        wanted = now * (1.0 + heat * waits[drawn(state, waits.size)])
        found = cost(T, h, d, wanted, ends, rules, sums, values, following, room, shares, matrix, vectors, parts, told)
        if found <= wanted:
            now = found
            copied(T, at_T)
            copied(h, at_h)
            if found < best:
                best = found
                copied(T, best_T)
                copied(h, best_h)
    copied(best_T, T)
    copied(best_h, h)
    return best
