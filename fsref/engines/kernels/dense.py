"""Kernels of the `quantized` engine: codes and weights byte by byte, sums of 32 bits, one image at a time.

The codes of all populations of an image lie in one block of bytes: a frame for each, zeros, or what counts as zero,
around its map and behind its channels, so that what padding reads is there to be read. A code of more than a byte lies
in several planes, the lowest byte first. An operation is a row of numbers (`COLUMNS`), and so is a term, a projection
or a part of one (`TERMS`); places are found through lists, so that one kernel serves every stride, dilation and size.
A list is four places long or a multiple: its last place stands in it again, and is only computed anew.

Lanes wrap at 32 bits, so sums are right modulo 2^32 in whatever order, and a membrane that is proved to lie within 32
bits is right (RANGE-2).
"""

from __future__ import annotations

import numpy as np

from fsref.engines.kernels import Kernel, Part, told_by
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
    roomy,
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
    "at",  # in places: of a population without terms, the windows or the map that it reads
    "to",  # in places: where each code of the target goes
    "count",  # of places
    "channels",  # of the target, a multiple of 16
    "first",  # in terms: of the projections into the target
    "behind",  # the last of these
    "opening",  # in numbers: bias
    "opens",  # in places: where in it the bias of each place begins; of eight places, where all have the same
    "mapped",  # whether they do not
    "table",  # in numbers: theta and the most that a membrane counts for, of each channel; or T, h, d of each step
    "inverse",  # in inverses: 1 / theta
    "how",  # many steps; of an FS-ReLU, whether membranes that count are below 2^22 - 1
    "low",  # what is added to each code, so that none is negative
    "planes",  # of codes of the target
    "apart",  # from one plane of the target to the next, in bytes
    "trains",  # planes of trains, behind those of codes
    "taps",  # in places: of a pool, from the begin of a window to each of its places
    "parts",  # how many
    "source",  # from one plane of a pool's source to the next, in bytes
)
TERMS = (
    "form",
    "rise",  # by how many bits the sums before it are raised
    "windows",  # in places: where each window begins in the codes of its source
    "begins",  # in places: where what 16 channels of the target see begins among the source's
    "pieces",  # in places: from the begin of a window to each of its parts: four bytes, or a place
    "many",  # how many
    "weights",  # in weights, or in numbers
)
KIND, AT, TO, COUNT, CHANNELS, FIRST, BEHIND, OPENING, OPENS, MAPPED = range(10)
TABLE, INVERSE, HOW, LOW, PLANES, APART, TRAINS, TAPS, PARTS, SOURCE = range(10, len(COLUMNS))
FORM, RISE, WINDOWS, BEGINS, PIECES, MANY, WEIGHTS = range(len(TERMS))
DOTS, LANES = range(2)
RELU, STEPS, READ, POOL, POOLED, TOTAL, SPIKES, IMAGE = range(8)


@Part
def summed(  # type: ignore[no-untyped-def]
    none, frames, weights, numbers, places, terms, first, behind, image, c, p, channels
):
    """The sums of all projections into 16 channels of some places: bytes of codes times bytes of weights, four at a
    time (PROJ-1), or each channel by itself (PROJ-3).
    """
    sums = none
    for n in range(first, behind):
        if terms[n, RISE] > 0:
            sums = sums << terms[n, RISE]
        at, base = terms[n, WINDOWS] + p, image + places[terms[n, BEGINS] + c // 16]
        pieces, many, w = terms[n, PIECES], terms[n, MANY], terms[n, WEIGHTS]
        if terms[n, FORM] == DOTS:
            w += 4 * c * many
            for k in range(many):
                seen = repeats_each(frames, base + places[pieces + k], places, at, 4, 64, none.count)
                sums = dot(sums, seen, again(loads(weights, w + 64 * k, 64, 1), none.count))
        else:
            for k in range(many):
                seen = widen(loads_each(frames, base + places[pieces + k], places, at, 16, none.count), np.int32)
                sums = sums + seen * again(loads(numbers, w + channels * k + c, 16, 1), none.count)
    return sums


@Part
def divided(v, numbers, table, channels, inverses, inverse, near):  # type: ignore[no-untyped-def]
    """Codes of FS-ReLUs: membrane // theta, from 0 to 2^K - 1 (FS-5), in float32, whose inverses and products each err
    by 2^-24 of themselves.

    (v + 1/2) / theta lies 1 / (2 theta) or more from any integer, and errs by less if v is below 2^22 - 1: near. Else a
    quotient, which is below 2^16, errs by less than 1, so that cut it is the right one or one beside it; what is left
    of the membrane tells which.
    """
    none = zeros(np.int32, 16, v.count)
    one = spread(1, np.int32, 16, v.count)
    divisor = again(loads(numbers, table, 16, 1), v.count)
    most = again(loads(numbers, table + channels, 16, 1), v.count)
    v = keep(v > none, v)
    v = select(v < most, v, most)
    over = again(loads(inverses, inverse, 16, 1), v.count)
    if near:
        return whole((real(v) + spread(0.5, np.float32, 16, v.count)) * over)
    q = whole(real(v) * over)
    left = v - q * divisor
    return q + keep(left >= divisor, one) - keep(left < none, one)


@Part
def sent(value, planes, frames, to, apart, places, first):  # type: ignore[no-untyped-def]
    """Nothing; then codes or trains of some places stand in their planes, byte by byte."""
    stores_each(frames, to, places, first, narrow(value, np.uint8))
    for k in range(1, planes):
        stores_each(frames, to + k * apart, places, first, narrow(value >> (8 * k), np.uint8))


@Part
def integrated(  # type: ignore[no-untyped-def]
    none, frames, weights, numbers, inverses, places, terms, logits, op, c, image, b, begin, end
):
    """Some places and 16 channels of a population in an image: the membrane opens as bias and sums (NET-6); what
    follows is a code by division, a train and a code step by step (FS-2 to FS-4), or logits.
    """
    kind, channels, table, to, low = (
        op[KIND],
        op[CHANNELS],
        op[TABLE] + c,
        image + c,
        spread(op[LOW], np.int32, 16, none.count),
    )
    one = spread(1, np.int32, 16, none.count)
    for p in range(begin, end, none.count):
        v = summed(none, frames, weights, numbers, places, terms, op[FIRST], op[BEHIND], image, c, p, channels)
        v = v + loads_each(numbers, op[OPENING] + c, places, op[OPENS] + p * op[MAPPED], 16, none.count)
        if kind == READ:
            stores_each(logits, b * channels + c, places, op[TO] + p, v)
        elif kind == RELU:
            code = divided(v, numbers, table, channels, inverses, op[INVERSE] + c, op[HOW])
            sent(code, op[PLANES], frames, to, op[APART], places, op[TO] + p)
        else:
            code, train = low, none
            for t in range(table, table + 3 * channels * op[HOW], 3 * channels):
                z = v >= again(loads(numbers, t, 16, 1), none.count)
                v = v - keep(z, again(loads(numbers, t + channels, 16, 1), none.count))
                code = code + keep(z, again(loads(numbers, t + 2 * channels, 16, 1), none.count))
                train = train + train + keep(z, one)
            sent(code, op[PLANES], frames, to, op[APART], places, op[TO] + p)
            if op[TRAINS] > 0:
                sent(train, op[TRAINS], frames, to + op[PLANES] * op[APART], op[APART], places, op[TO] + p)


@Kernel
def pool(frames, places, image, op):  # type: ignore[no-untyped-def]
    """The largest code of every window, of a byte: the zeros around a map are never larger, for every code
    is 0 or more (POOL-1 to POOL-3).
    """
    at, to, taps = op[AT], op[TO], op[TAPS]
    for c in range(0, op[CHANNELS], 16):
        for p in range(0, op[COUNT], 4):
            largest = zeros(np.uint8, 16, 4)
            for t in range(taps, taps + op[PARTS]):
                seen = loads_each(frames, image + places[t] + c, places, at + p, 16, 4)
                largest = select(seen > largest, seen, largest)
            stores_each(frames, image + c, places, to + p, largest)


@Kernel
def pooled(frames, places, image, op):  # type: ignore[no-untyped-def]
    """The same of codes, or trains, of several bytes."""
    at, to, taps = op[AT], op[TO], op[TAPS]
    for c in range(image, image + op[CHANNELS], 16):
        for p in range(0, op[COUNT], 4):
            largest = zeros(np.int32, 16, 4)
            for t in range(taps, taps + op[PARTS]):
                seen = zeros(np.int32, 16, 4)
                for k in range(op[PLANES]):
                    byte = loads_each(frames, c + k * op[SOURCE] + places[t], places, at + p, 16, 4)
                    seen = seen + (widen(byte, np.int32) << (8 * k))
                largest = select(largest < seen, seen, largest)
            sent(largest, op[PLANES], frames, c, op[APART], places, to + p)


@Kernel
def totals(frames, places, image, op):  # type: ignore[no-untyped-def]
    """The sum of the codes of each channel, over all places (PROJ-5)."""
    for c in range(image, image + op[CHANNELS], 16):
        sums = zeros(np.int32, 16, 1)
        for p in range(op[AT], op[AT] + op[COUNT]):
            for k in range(op[PARTS]):
                sums = sums + (widen(loads(frames, c + k * op[SOURCE] + places[p], 16, 1), np.int32) << (8 * k))
        sent(sums, op[PLANES], frames, c, op[APART], places, op[TO])


@Kernel
def spikes(words, first, behind):  # type: ignore[no-untyped-def]
    """The spikes of trains, eight bytes a word: their bits (EVENT-2)."""
    counts = zeros(np.int64, 8, 1)
    for w in range(first, behind, 8):
        counts = counts + ones(loads(words, w, 8, 1))
    return total(counts)


@Part
def taken(codes, frames, places, image, op):  # type: ignore[no-untyped-def]
    """Nothing; then the codes of an image (C, places) stand in its frame (NET-7)."""
    for c in range(codes.shape[0]):
        for k in range(op[PLANES]):
            for p in range(codes.shape[1]):
                frames[image + places[op[TO] + p] + c + k * op[APART]] = codes[c, p] >> (8 * k)


@Kernel
def drive(  # type: ignore[no-untyped-def]
    images, group, frames, words, apart, plan, logits, counts
):
    """All operations for all images (B, C, places), a group of them at a time, so that weights are read once for these.
    Their codes lie `apart` bytes apart in frames, in `words` as well; the spikes that each population sent go to counts
    (images, populations).
    """
    weights, numbers, inverses, places, terms, ops = plan
    of = frames, weights, numbers, inverses, places, terms, logits
    for first in range(0, images.shape[0], group):
        some, population = range(first, min(first + group, images.shape[0])), 0
        for row in range(ops.shape[0]):
            op = ops[row]
            if op[KIND] <= READ:
                eights = op[COUNT] // 8 * 8 if roomy() else 0
                for c in range(0, op[CHANNELS], 16):
                    for b in some:
                        image = (b - first) * apart
                        integrated(zeros(np.int32, 16, 8), *of, op, c, image, b, 0, eights)
                        integrated(zeros(np.int32, 16, 4), *of, op, c, image, b, eights, op[COUNT])
                continue
            for b in some:
                image = (b - first) * apart
                if op[KIND] == POOL:
                    pool(frames, places, image, op)
                elif op[KIND] == POOLED:
                    pooled(frames, places, image, op)
                elif op[KIND] == TOTAL:
                    totals(frames, places, image, op)
                elif op[KIND] == IMAGE:
                    taken(images[b], frames, places, image, op)
                else:
                    counts[b, population] = spikes(words, (image + op[AT]) // 8, (image + op[TO]) // 8)
            population += op[KIND] == SPIKES


def told() -> str:
    """What runs these kernels, in words."""
    return f"dots of bytes, by {told_by()}"
