"""Kernels of the `quantized` engine: codes of a byte, weights of a byte, sums of 32 bits, one image at a time.

The codes of all populations of an image lie in one block of bytes, zeros around each map and behind its channels, so
that what padding reads is there to be read. An operation is a row of numbers (`COLUMNS`); places are found through
lists, so that one kernel serves every stride, dilation and size. A list is eight places long or a multiple: its last
place stands in it again and again, and is only computed anew.

Lanes wrap at 32 bits, so sums are right modulo 2^32 in whatever order, and a membrane that is proved to lie within 32
bits is right (RANGE-2).
"""

from __future__ import annotations

import numpy as np

from fsref.engines.kernels import Kernel, told_by
from fsref.engines.kernels.vectors import (
    again,
    dot,
    keep,
    loads,
    loads_each,
    narrow,
    ones,
    real,
    repeats_each,
    select,
    spread,
    stores_each,
    total,
    whole,
    widen,
    zeros,
)

COLUMNS = (
    "kind",
    "at",  # in places: where each window begins in the codes of its source
    "to",  # in places: where each code of the target goes
    "own",  # in places: where each place stands in the sums, its channels side by side
    "count",  # of places
    "taps",  # in places: from the begin of a window to each of its parts
    "parts",  # how many
    "length",  # of a part, in bytes
    "channels",  # of the target, a multiple of 16
    "weights",
    "opening",  # in numbers: sums to begin with
    "opens",  # in places: as `own`, or zeros where all places begin alike
    "theta",  # in numbers: theta and the most that a membrane counts for, of each channel; -1 where sums are kept
    "inverse",  # in inverses: 1 / theta
)
DOTS, LANES, RAISE, POOL, SPIKES = range(5)


@Kernel
def fired(sums, numbers, theta, channels, inverses, inverse):  # type: ignore[no-untyped-def]
    """The codes of 8 places and 16 channels: membrane // theta, from 0 to 2^K - 1 (FS-5).

    A quotient below 2^8 errs by less than 1 in float32, so that cut it is the right one or one beside it; what is left
    of the membrane tells which.
    """
    none = zeros(np.int32, 16, 8)
    one = spread(1, np.int32, 16, 8)
    divisor, most = again(loads(numbers, theta, 16, 1), 8), again(loads(numbers, theta + channels, 16, 1), 8)
    v = keep(sums > none, sums)
    v = select(v < most, v, most)
    q = whole(real(v) * again(loads(inverses, inverse, 16, 1), 8))
    left = v - q * divisor
    return narrow(q + keep(left >= divisor, one) - keep(left < none, one), np.uint8)


@Kernel
def dots(frames, weights, numbers, inverses, places, image, op):  # type: ignore[no-untyped-def]
    """A convolution: four channels of a window at a time, for 8 places and 16 channels of the target (PROJ-1)."""
    at, to, own, opens = op[1], op[2], op[3], op[11]
    taps, behind, length, channels, theta = op[5], op[5] + op[6], op[7], op[8], op[12]
    for c in range(0, channels, 16):
        for p in range(0, op[4], 8):
            w = op[9] + c * op[6] * length
            sums = loads_each(numbers, op[10] + c, places, opens + p, 16, 8)
            for t in range(taps, behind):
                part = image + places[t]
                for k in range(part, part + length, 4):
                    seen = repeats_each(frames, k, places, at + p, 4, 64, 8)
                    sums = dot(sums, seen, again(loads(weights, w, 64, 1), 8))
                    w += 64
            if theta < 0:
                stores_each(numbers, c, places, own + p, sums)
            else:
                codes = fired(sums, numbers, theta + c, channels, inverses, op[13] + c)
                stores_each(frames, image + c, places, to + p, codes)


@Kernel
def lanes(frames, numbers, inverses, places, image, op):  # type: ignore[no-untyped-def]
    """A convolution of each channel by itself, for 8 places and 16 channels at a time (PROJ-3)."""
    at, to, own, opens = op[1], op[2], op[3], op[11]
    taps, channels, theta = op[5], op[8], op[12]
    for c in range(0, channels, 16):
        for p in range(0, op[4], 8):
            sums = loads_each(numbers, op[10] + c, places, opens + p, 16, 8)
            for t in range(op[6]):
                seen = widen(loads_each(frames, image + places[taps + t] + c, places, at + p, 16, 8), np.int32)
                sums = sums + seen * again(loads(numbers, op[9] + t * channels + c, 16, 1), 8)
            if theta < 0:
                stores_each(numbers, c, places, own + p, sums)
            else:
                codes = fired(sums, numbers, theta + c, channels, inverses, op[13] + c)
                stores_each(frames, image + c, places, to + p, codes)


@Kernel
def raised(numbers, places, op):  # type: ignore[no-untyped-def]
    """Sums times 2^7, and the bias."""
    for c in range(0, op[8], 16):
        for p in range(0, op[4], 8):
            sums = loads_each(numbers, c, places, op[3] + p, 16, 8) << 7
            sums = sums + loads_each(numbers, op[10] + c, places, op[11] + p, 16, 8)
            stores_each(numbers, c, places, op[3] + p, sums)


@Kernel
def pool(frames, places, image, op):  # type: ignore[no-untyped-def]
    """The largest code of every window: the zeros around a map are never larger (POOL-1, POOL-3)."""
    at, to, taps = op[1], op[2], op[5]
    for c in range(0, op[8], 16):
        for p in range(0, op[4], 8):
            largest = zeros(np.uint8, 16, 8)
            for t in range(taps, taps + op[6]):
                seen = loads_each(frames, image + places[t] + c, places, at + p, 16, 8)
                largest = select(seen > largest, seen, largest)
            stores_each(frames, image + c, places, to + p, largest)


@Kernel
def spikes(words, first, behind):  # type: ignore[no-untyped-def]
    """The spikes of codes in base two, eight bytes a word: their bits (EVENT-2)."""
    counts = zeros(np.int64, 8, 1)
    for w in range(first, behind, 8):
        counts = counts + ones(loads(words, w, 8, 1))
    return total(counts)


@Kernel
def drive(frames, words, size, weights, numbers, inverses, places, ops, counts):  # type: ignore[no-untyped-def]
    """All operations for all images, whose codes lie `size` bytes apart in frames, in `words` as well; the spikes that
    each population sent go to counts (images, populations).
    """
    for image in range(counts.shape[0]):
        own, population = image * size, 0
        for row in range(ops.shape[0]):
            op = ops[row]
            if op[0] == DOTS:
                dots(frames, weights, numbers, inverses, places, own, op)
            elif op[0] == LANES:
                lanes(frames, numbers, inverses, places, own, op)
            elif op[0] == RAISE:
                raised(numbers, places, op)
            elif op[0] == POOL:
                pool(frames, places, own, op)
            else:
                counts[image, population] = spikes(words, (own + op[1]) // 8, (own + op[2]) // 8)
                population += 1


def told() -> str:
    """What runs these kernels, in words."""
    return f"dots of bytes, by {told_by()}"
