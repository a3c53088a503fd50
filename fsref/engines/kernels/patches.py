"""Fast kernels of the `events` engine, one image at a time: fire, deliver, deliver along lanes, pool.

Neurons stand by place, (H, W, C), C filled up to 16 lanes; membranes with a margin around their places, so that what a
window delivers beyond the border falls into it and no border is tested. Spikes are listed by place and not by step, for
integers add up to the same in any order. What is listed says whose weights and how far left: row + (by << bits), the
spikes of the first steps in one list (high), those of the last in another (low). g holds the geometry, in the order in
which a kernel unpacks it. Every kernel is Python, too, as `vectors` says.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from fsref.engines.kernels import Kernel, told_by
from fsref.engines.kernels.vectors import join, keep, least, lists, loads, select, spread, stores, widen, zeros


@cache
def firing(relu: bool) -> Kernel:
    """The kernel that fires neurons of an FS-ReLU, or of any table."""

    @Kernel
    def fire(g, v, bias, T, h, worth, marks, codes, high, high_ends, low, low_ends):  # type: ignore[no-untyped-def]
        """Fire all neurons, list their spikes, leave the bias for the next image; return the number of spikes (FS-2,
        FS-3).

            z[t] = v >= T[t],  v = v - z[t]·h[t],  code = sum over t of z[t]·worth[t]

        Four steps at a time of 16 neurons. A step beyond the last has T = 2^31 - 1, which no membrane reaches: the plan
        takes populations whose every membrane is proved to stay below (RANGE-1, RANGE-3), so that no lane wraps.

        Of an FS-ReLU every T is positive and h is T: who is not above 0 never spikes, and of v and v - T the smaller
        without a sign is what is left, for v - T below 0 is then larger than any v. Both are as they are in 32 bits.
        """
        height, width, C, first, row, bias_step, quarters, highs, telling = g
        n_high, n_low, p = 0, 0, 0
        for y in range(height):
            for x in range(width):
                high_ends[p], low_ends[p] = n_high, n_low
                at = first + y * row + x * C
                for c in range(0, C, 16):
                    u = loads(v, at + c, 16, 1)
                    stores(v, at + c, loads(bias, p * bias_step + c, 16, 1))
                    if relu:
                        u = keep(u > zeros(np.int32, 16, 1), u)
                    code = zeros(np.int32, 16, 1)
                    for q in range(quarters):
                        s = 4 * (q * C + c)
                        T0, T1 = loads(T, s, 16, 1), loads(T, s + 16, 16, 1)
                        T2, T3 = loads(T, s + 32, 16, 1), loads(T, s + 48, 16, 1)
                        if relu:
                            z0, u = u >= T0, least(u, u - T0)
                            z1, u = u >= T1, least(u, u - T1)
                            z2, u = u >= T2, least(u, u - T2)
                            z3, u = u >= T3, least(u, u - T3)
                        else:
                            z0, u = u >= T0, u - keep(u >= T0, loads(h, s, 16, 1))
                            z1, u = u >= T1, u - keep(u >= T1, loads(h, s + 16, 16, 1))
                            z2, u = u >= T2, u - keep(u >= T2, loads(h, s + 32, 16, 1))
                            z3, u = u >= T3, u - keep(u >= T3, loads(h, s + 48, 16, 1))
                        z = join(join(z0, z1), join(z2, z3))
                        if telling:
                            part = keep(z0, loads(worth, s, 16, 1)) + keep(z1, loads(worth, s + 16, 16, 1))
                            more = keep(z2, loads(worth, s + 32, 16, 1)) + keep(z3, loads(worth, s + 48, 16, 1))
                            code = code + (part + more)
                        if q < highs:
                            n_high = lists(high, n_high, loads(marks, s, 16, 4), z)
                        else:
                            n_low = lists(low, n_low, loads(marks, s, 16, 4), z)
                    if telling:
                        stores(codes, p * C + c, code)
                p += 1
        high_ends[p], low_ends[p] = n_high, n_low
        return n_high + n_low

    return fire


@cache
def delivery(lanes: int, count: int) -> Kernel:
    """The kernel that delivers in patches of so many lanes and registers; one for each, for the compiler must know."""

    @Kernel
    def deliver(g, high, high_ends, low, low_ends, table, out, upper, lower):  # type: ignore[no-untyped-def]
        """Deliver the spikes of every place of a class along their synapses into out (PROJ-1 to PROJ-6).

            patch = sum over low of w << by + (sum over high of w << by) << sh,  out[place] += patch

        Sums of a patch in lanes of int16: the plan takes them where, for each target, the positive weights of all
        channels times the largest worth of a train's part stay below 2^15, and so do the negative: no part of such a
        sum can leave int16. In lanes of int32 they, like out, hold part of a membrane's terms (RANGE-1).
        """
        width, y0, ys, ny, x0, xs, nx, start, size, per_place, first, down, along, rows, apart, run, sh, bits = g
        mask = (1 << bits) - 1
        for i in range(ny):
            for j in range(nx):
                p = (y0 + i * ys) * width + x0 + j * xs
                a, b, e, f = high_ends[p], high_ends[p + 1], low_ends[p], low_ends[p + 1]
                if a == b and e == f:
                    continue
                base = start + p * per_place
                sums = zeros(table.dtype.type, lanes, count)
                for n in range(e, f):
                    mark = np.int64(low[n])
                    sums = sums + (loads(table, base + (mark & mask) * size, lanes, count) << (mark >> bits))
                stores(lower, 0, sums)
                at = first + i * down + j * along
                if a == b:
                    for r in range(rows):
                        for k in range(0, run, 16):
                            here = at + r * apart + k
                            part = widen(loads(lower, r * run + k, 16, 1), np.int32)
                            stores(out, here, loads(out, here, 16, 1) + part)
                    continue
                sums = zeros(table.dtype.type, lanes, count)
                for n in range(a, b):
                    mark = np.int64(high[n])
                    sums = sums + (loads(table, base + (mark & mask) * size, lanes, count) << (mark >> bits))
                stores(upper, 0, sums)
                for r in range(rows):
                    for k in range(0, run, 16):
                        here = at + r * apart + k
                        part = widen(loads(lower, r * run + k, 16, 1), np.int32)
                        more = widen(loads(upper, r * run + k, 16, 1), np.int32) << sh
                        stores(out, here, loads(out, here, 16, 1) + part + more)

    return deliver


@Kernel
def deliver_lanes(g, words, d, weights, out):  # type: ignore[no-untyped-def]
    """Deliver trains whose every channel reaches its own alone (PROJ-3).

        code = sum over the steps of a train word that spiked of d[t],  out[place + tap] += w[tap]·code

    Code and product are sums of the terms that such a synapse adds to a membrane, which int32 holds (RANGE-1): so it
    does not matter that a part of one may wrap. Without steps words are codes.
    """
    width, y0, ys, ny, x0, xs, nx, C, start, first, down, along, rows, apart, columns, across, steps = g
    for i in range(ny):
        for j in range(nx):
            p = (y0 + i * ys) * width + x0 + j * xs
            at = first + i * down + j * along
            for c in range(0, C, 16):
                word = loads(words, p * C + c, 16, 1)
                code = zeros(np.int32, 16, 1) if steps else word
                for t in range(steps):
                    bit = (word >> (steps - 1 - t)) & spread(1, np.int32, 16, 1)
                    code = code + bit * loads(d, t * C + c, 16, 1)
                for r in range(rows):
                    for k in range(columns):
                        here = at + r * apart + k * across + c
                        w = loads(weights, start + (r * columns + k) * C + c, 16, 1)
                        stores(out, here, loads(out, here, 16, 1) + w * code)


@Kernel
def pool(g, words, v):  # type: ignore[no-untyped-def]
    """The train of every window into v: v[i, j] = max over its places of the train words (POOL-1, POOL-3).

    Why the largest word: at its first step a window spikes where any candidate does, and who does not drops out; so
    it goes on among those that agree with it so far, which is how the larger of two binary numbers is found. A place
    outside is no candidate: 0, which no word is below.
    """
    height, width, C, rows, columns, first, row, ky, kx, sy, sx, top, left = g
    for i in range(rows):
        for j in range(columns):
            y0, x0 = max(0, i * sy - top), max(0, j * sx - left)
            y1, x1 = min(height, i * sy - top + ky), min(width, j * sx - left + kx)
            for c in range(0, C, 16):
                best = zeros(np.int32, 16, 1)
                for y in range(y0, y1):
                    for x in range(x0, x1):
                        word = loads(words, (y * width + x) * C + c, 16, 1)
                        best = select(best < word, word, best)
                stores(v, first + i * row + j * C + c, best)


def told() -> str:
    """What runs these kernels, in words."""
    return f"vectors, by {told_by()}"
