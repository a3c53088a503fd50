"""Fast kernels of the `events` engine, one image at a time: fire, deliver, deliver along lanes, pool.

Neurons stand by place, (H, W, C), C filled up to 16 lanes; membranes with a margin around their places, so that what a
window delivers beyond the border falls into it and no border is tested. Spikes are listed by place and not by step, for
integers add up to the same in any order. What is listed says whose weights and how far left: row + (by << bits), the
spikes of the first steps in one list (high), those of the last in another (low).

Margins are neither read nor cleared: they may wrap. Channels filled up hold 0 for ever, for their weights and biases
are 0, and every T there is above 0. Membranes may wrap on the way to what they are, which 32 bits are proved to hold.

Every kernel takes g, the geometry in the order in which it reads it, and `memory`, the arrays that all share: membranes
v, train words, numbers (thresholds, biases, weights of 32 bits), shorts (weights of 16 bits), marks, targets, and both
lists with their ends by place. Every kernel is Python, too, as `vectors` says.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from fsref.engines.kernels import Kernel, told_by
from fsref.engines.kernels.vectors import (
    adds,
    calls,
    digits,
    join,
    keep,
    least,
    lists,
    loads,
    number_at,
    row_sums,
    row_sums_shifted,
    select,
    spread,
    stores,
    widen,
    zeros,
)

COLUMNS = 19  # of a geometry, filled up


@Kernel
def step(u, T, numbers, place, h, relu):  # type: ignore[no-untyped-def]
    """Who spikes in one step of 16 membranes u, what is left of them, and the thresholds (FS-2, FS-3).

    Of an FS-ReLU h is T, half the T of the step before, and above 0: of u and u - T the smaller without a sign is what
    is left, for u - T below 0 is then larger than any u, which is not below 0. Both are as they are in 32 bits.
    """
    if relu:
        now = T >> 1
        left = least(u, u - now)
    else:
        now = loads(numbers, place, 16, 1)
        left = u - keep(u >= now, loads(numbers, h, 16, 1))
    return u >= now, left, now


@Kernel
def two(u, T, numbers, place, h, relu):  # type: ignore[no-untyped-def]
    """As `step`, two of them."""
    y, u, T = step(u, T, numbers, place, h, relu)
    z, u, T = step(u, T, numbers, place + 16, h + 16, relu)
    return join(y, z), u, T


@Kernel
def three(u, T, numbers, place, h, relu):  # type: ignore[no-untyped-def]
    """As `step`, three of them."""
    y, u, T = two(u, T, numbers, place, h, relu)
    z, u, T = step(u, T, numbers, place + 32, h + 32, relu)
    return join(y, z), u, T


@Kernel
def four(u, T, numbers, place, h, relu):  # type: ignore[no-untyped-def]
    """As `step`, four of them."""
    y, u, T = two(u, T, numbers, place, h, relu)
    z, u, T = two(u, T, numbers, place + 32, h + 32, relu)
    return join(y, z), u, T


@cache
def firing(relu: bool, begin: int) -> Kernel:
    """The kernel that fires neurons of an FS-ReLU, or of any table: `begin` steps, 1..4, then four at a time."""

    @Kernel
    def fire(g, memory):  # type: ignore[no-untyped-def]
        """Fire all neurons, list their spikes, leave the bias for the next image; return the number of spikes (FS-2,
        FS-3).

            z[t] = v >= T[t],  v = v - z[t]·h[t],  code = sum over t of z[t]·2^(K-1-t)

        16 neurons at a time. Nobody spikes in channels beyond the last, which hold 0: T is 2^31 - 1 there, half of
        it step after step of an FS-ReLU, of which `T` is twice that of the first. The plan takes populations whose
        every membrane is proved to stay below 2^31 - 1 (RANGE-1, RANGE-3): what is left of v fits, even where h, of
        which 32 bits are kept, does not; and of an FS-ReLU v - T does not wrap, for v is made 0 or more.

        A code that is told goes to words; one that is joined goes, times a weight, to the neuron of another population
        at the same place.
        """
        v, words, numbers, _, marks, _, high, high_ends, low, low_ends = memory
        height, width, C, first, row, bias, bias_step = g[0], g[1], g[2], g[3], g[4], g[5], g[6]
        T, h, mark, fours, highs, told = g[7], g[8], g[9], g[10], g[11], g[12]
        joined, other, other_row = g[13], g[14], g[15]
        n_high, n_low, p = 0, 0, 0
        for y in range(height):
            for x in range(width):
                high_ends[p], low_ends[p] = n_high, n_low
                place, here = first + y * row + x * C, other + y * other_row + x * C
                for c in range(0, C, 16):
                    u, code = loads(v, place + c, 16, 1), zeros(np.int32, 16, 1)
                    stores(v, place + c, loads(numbers, bias + p * bias_step + c, 16, 1))
                    u, t, s = keep(u > code, u) if relu else u, loads(numbers, T + c, 16, 1), begin * c
                    if begin == 1:
                        z, u, t = step(u, t, numbers, T + s, h + s, relu)
                    elif begin == 2:
                        z, u, t = two(u, t, numbers, T + s, h + s, relu)
                    elif begin == 3:
                        z, u, t = three(u, t, numbers, T + s, h + s, relu)
                    else:
                        z, u, t = four(u, t, numbers, T + s, h + s, relu)
                    if told >= 0 or joined >= 0:
                        code = digits(code, z)
                    if highs > 0:
                        n_high = lists(high, n_high, loads(marks, mark + s, 16, begin), z)
                    else:
                        n_low = lists(low, n_low, loads(marks, mark + s, 16, begin), z)
                    for q in range(fours):
                        s = begin * C + 4 * (q * C + c)
                        z, u, t = four(u, t, numbers, T + s, h + s, relu)
                        if told >= 0 or joined >= 0:
                            code = digits(code, z)
                        if q + 1 < highs:
                            n_high = lists(high, n_high, loads(marks, mark + s, 16, 4), z)
                        else:
                            n_low = lists(low, n_low, loads(marks, mark + s, 16, 4), z)
                    if told >= 0:
                        stores(words, told + p * C + c, code)
                    if joined >= 0:
                        more = code * loads(numbers, joined + c, 16, 1)
                        stores(v, here + c, loads(v, here + c, 16, 1) + more)
                p += 1
        high_ends[p], low_ends[p] = n_high, n_low
        return n_high + n_low

    return fire


@cache
def delivery(wide: bool, lanes: int, count: int, shifting: bool, whole: bool) -> Kernel:
    """The kernel that delivers in patches of so many lanes and registers, of 16 bits or of 32; one for each, for the
    compiler must know. Where nothing is shifted, the table holds a row for every mark; where not all rows of a list may
    be added up at once, `most` of them are.
    """

    @Kernel
    def deliver(g, memory):  # type: ignore[no-untyped-def]
        """Deliver the spikes of every place of a class along their synapses into v (PROJ-1 to PROJ-6).

            patch = sum over low of w << by + (sum over high of w << by) << sh,  v[place] += patch

        Sums of a patch in lanes of int16: the plan says how many rows at once may be added up in them. All, where for
        each target the positive weights of all channels times the largest worth of a train's part stay below 2^15, and
        so do the negative; else as often as the largest number of all rows fits into 2^15 - 1. In lanes of int32 they
        hold, where a neuron is, part of its membrane's terms (RANGE-1), and may wrap elsewhere.
        """
        v, _, numbers, shorts, _, targets, high, high_ends, low, low_ends = memory
        width, y0, ys, ny, x0, xs, nx = g[0], g[1], g[2], g[3], g[4], g[5], g[6]
        start, size, per_place, first, down, along, target = g[7], g[8], g[9], g[10], g[11], g[12], g[13]
        most, sh, bits = g[14], g[15], g[16]
        table = numbers if wide else shorts
        for i in range(ny):
            for j in range(nx):
                p = (y0 + i * ys) * width + x0 + j * xs
                a, b, e, f = (
                    number_at(high_ends, p),
                    number_at(high_ends, p + 1),
                    number_at(low_ends, p),
                    number_at(low_ends, p + 1),
                )
                here, base = first + i * down + j * along, start + p * per_place
                while a < b or e < f:
                    c, d = (b, f) if whole else (min(a + most, b), min(e + most, f))
                    if shifting:
                        lows = row_sums_shifted(table, base, size, low, e, d, bits, lanes, count)
                        uppers = row_sums_shifted(table, base, size, high, a, c, bits, lanes, count)
                    else:
                        lows = row_sums(table, base, size, low, e, d, lanes, count)
                        uppers = row_sums(table, base, size, high, a, c, lanes, count)
                    if a < b:
                        adds(v, here, targets, target, widen(lows, np.int32) + (widen(uppers, np.int32) << sh))
                    else:
                        adds(v, here, targets, target, widen(lows, np.int32))
                    if whole:
                        break
                    a, e = c, d
        return 0

    return deliver


@Kernel
def deliver_lanes(g, memory):  # type: ignore[no-untyped-def]
    """Deliver trains whose every channel reaches its own alone (PROJ-3).

        code = sum over the steps of a train word that spiked of d[t],  v[place + tap] += w[tap]·code

    All of it may wrap: what a neuron ends with is proved to fit (RANGE-1), and 32 bits of everything that is added are
    enough to know 32 bits of the sum. Without steps words are codes.
    """
    v, words, numbers = memory[0], memory[1], memory[2]
    width, y0, ys, ny, x0, xs, nx = g[0], g[1], g[2], g[3], g[4], g[5], g[6]
    C, start, first, down, along, rows, apart = g[7], g[8], g[9], g[10], g[11], g[12], g[13]
    columns, across, d, steps, told = g[14], g[15], g[16], g[17], g[18]
    for i in range(ny):
        for j in range(nx):
            p = (y0 + i * ys) * width + x0 + j * xs
            place = first + i * down + j * along
            for c in range(0, C, 16):
                word = loads(words, told + p * C + c, 16, 1)
                code = zeros(np.int32, 16, 1) if steps else word
                for t in range(steps):
                    bit = (word >> (steps - 1 - t)) & spread(1, np.int32, 16, 1)
                    code = code + bit * loads(numbers, d + t * C + c, 16, 1)
                for r in range(rows):
                    for k in range(columns):
                        here = place + r * apart + k * across + c
                        w = loads(numbers, start + (r * columns + k) * C + c, 16, 1)
                        stores(v, here, loads(v, here, 16, 1) + w * code)
    return 0


@Kernel
def pool(g, memory):  # type: ignore[no-untyped-def]
    """The train of every window into v: v[i, j] = max over its places of the train words (POOL-1, POOL-3).

    Why the largest word: at its first step a window spikes where any candidate does, and who does not drops out; so
    it goes on among those that agree with it so far, which is how the larger of two binary numbers is found. A place
    outside is no candidate: 0, which no word is below.
    """
    v, words = memory[0], memory[1]
    height, width, C, rows, columns, first, row = g[0], g[1], g[2], g[3], g[4], g[5], g[6]
    ky, kx, sy, sx, top, left, told = g[7], g[8], g[9], g[10], g[11], g[12], g[13]
    for i in range(rows):
        for j in range(columns):
            y0, x0 = max(0, i * sy - top), max(0, j * sx - left)
            y1, x1 = min(height, i * sy - top + ky), min(width, j * sx - left + kx)
            for c in range(0, C, 16):
                best = zeros(np.int32, 16, 1)
                for y in range(y0, y1):
                    for x in range(x0, x1):
                        word = loads(words, told + (y * width + x) * C + c, 16, 1)
                        best = select(best < word, word, best)
                stores(v, first + i * row + j * C + c, best)
    return 0


@Kernel
def view(g, memory):  # type: ignore[no-untyped-def]
    """The train of the place that each place shows into v, 0 where it shows nothing (VIEW-1)."""
    v, words, numbers = memory[0], memory[1], memory[2]
    width, C, rows, columns, first, row, told, ys, xs = g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8]
    for i in range(rows):
        for j in range(columns):
            y, x = numbers[ys + i], numbers[xs + j]
            for c in range(0, C, 16):
                word = zeros(np.int32, 16, 1)
                if y >= 0 and x >= 0:
                    word = loads(words, told + (y * width + x) * C + c, 16, 1)
                stores(v, first + i * row + j * C + c, word)
    return 0


@Kernel
def drive(numbers, work):  # type: ignore[no-untyped-def]
    """These operations, one after the other: each a kernel and its geometry; what each gives goes to returned."""
    kernels, rows, returned, memory = work
    for n in numbers:
        returned[n] = calls(kernels[n], rows[n], memory)


@Kernel
def images(codes, entry, row, logits, bias, leave, counts, trains, at, many, plan, work):  # type: ignore[no-untyped-def]
    """The logits of every image of codes (B, C, H, W), and its spikes by population: from codes in the plane of the
    input on, to the membranes of the readout, which are left at the bias for the next image (NET-5).

    The plan: numbers of operations; and of each population which operation counts its spikes and behind which of the
    numbers its own end; of one whose trains are told also where its words begin, its channels, as they are and filled
    up, its places, and how many neurons before it are told; of another, no channels. Its trains stand in `trains` as
    (images, C, places), behind those of the others; of `many` images codes are those from `at` on.
    """
    (numbers, turns), (v, words), channels = plan, work[3][:2], -(-codes.shape[1] // 16) * 16
    for b in range(len(codes)):
        for c in range(codes.shape[1]):
            for y in range(codes.shape[2]):
                for x in range(codes.shape[3]):
                    v[entry + y * row + x * channels + c] = codes[b, c, y, x]
        first = 0
        for p in range(len(turns)):
            counted, behind, begin, told, apart, places, to = turns[p]
            drive(numbers[first:behind], work)
            first, to = behind, to * many + (at + b) * told * places
            for block in range(0, places, 32):  # few enough for a processor to have all their words at hand
                for c in range(told):
                    for n in range(block, min(block + 32, places)):
                        trains[to + c * places + n] = words[begin + n * apart + c]
            counts[b, p] = work[2][counted]
        for c in range(len(bias)):
            logits[b, c], v[leave + c] = v[leave + c], bias[c]


def told() -> str:
    """What runs these kernels, in words."""
    return f"vectors, by {told_by()}"
