"""Layers that gather whole codes: products of a code and a weight, and sums of a channel before their weight
(CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import TypeAlias

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.projections import Dense
from fsref.verification.composed.delivering import delivered, of_each_d, read_of, rows_of
from fsref.verification.composed.memory import NOWHERE, lying, read_at
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Mask, Part
from fsref.verification.composed.values import BECOMES, Becomes
from fsref.verification.composed.weighing import SIGNS
from fsref.verification.composed.where import Some

CHEAP = 3.6  # words of a product and what becomes of it
MOST = 128  # values of weights that are tried
WORDS = (8, 16, 32, 64)  # spikes of a word
GROUPS = (4, 8, 16)  # of neighbours that are skipped together
Skipped = Callable[[Ints], Mask]  # from codes in groups (..., n)
SKIPPED: tuple[tuple[str, Skipped], ...] = (
    ("those of the first half are", lambda codes: ~np.asarray(codes[..., : codes.shape[-1] // 2].any(axis=-1))),
    ("those of the second half are", lambda codes: ~np.asarray(codes[..., codes.shape[-1] // 2 :].any(axis=-1))),
    ("that of the first is", lambda codes: np.asarray(codes[..., 0] == 0)),
    ("that of the last is", lambda codes: np.asarray(codes[..., -1] == 0)),
)
LOOPS: tuple[tuple[str, Callable[[int, int], tuple[int, int]]], ...] = (  # from rows and columns
    ("as many columns as there are rows", lambda rows, columns: (rows, rows)),
    ("as many rows as there are columns", lambda rows, columns: (columns, columns)),
    ("as many rows as there are columns, and columns as there are rows", lambda rows, columns: (columns, rows)),
)
Column: TypeAlias = Callable[[Ints, int, int, int], Ints]
COLUMNS: tuple[tuple[str, Column], ...] = (  # from neurons, channels, rows, columns
    ("is its address shifted as by the next lower power of two", lambda n, c, h, w: n >> ((h * w).bit_length() - 1)),
    ("is its address shifted as by the next higher power of two", lambda n, c, h, w: n >> (h * w - 1).bit_length()),
    ("is its address", lambda n, c, h, w: n),
    ("is its address divided by the number of rows", lambda n, c, h, w: n // h),
    ("is its address divided by the number of columns", lambda n, c, h, w: n // w),
    ("is its address divided by the square of the number of rows", lambda n, c, h, w: n // (h * h)),
    ("is its address divided by the square of the number of columns", lambda n, c, h, w: n // (w * w)),
    ("is its address modulo the number of channels", lambda n, c, h, w: n % c),
    ("is its address divided by the number of rows, modulo that of channels", lambda n, c, h, w: n // h % c),
    ("is its address divided by the number of columns, modulo that of channels", lambda n, c, h, w: n // w % c),
)

Flag: TypeAlias = Callable[[Sequence[bool], int], bool]  # from those of all dense projections, and which it is
FLAGS: tuple[tuple[str, Flag], ...] = (
    ("a dense is pooled where the one before is, the first not", lambda every, at: at > 0 and every[at - 1]),
    ("a dense is pooled where the next is, the last not", lambda every, at: at + 1 < len(every) and every[at + 1]),
    ("a dense is pooled where the first is", lambda every, at: every[0]),
    ("a dense is pooled where the last is", lambda every, at: every[-1]),
    ("a pooled dense is read as one of all neurons", lambda every, at: False),
    ("a dense of all neurons is read as a pooled one", lambda every, at: True),
)


def gathers_otherwise() -> Iterator[Change]:
    """What may become of products and sums of whole codes."""
    for each, sign in product(BECOMES, SIGNS):
        if each.dear + sign.dear < CHEAP:
            text = f"in yours the product of a code and a weight{sign.text} {each.text}"
            yield Change(text, each.dear + 1.2 + sign.dear, partial(_multiply, each, sign))
    for n, (words, some) in product(GROUPS, SKIPPED):
        text = f"in yours the codes of {n} neighbours are lost where {words} 0"
        yield Change(text, 2.3, partial(_skipped, n, some))
    for each in BECOMES:
        text = f"in yours the sum of the codes of a channel {each.text}, before its weight"
        yield Change(text, each.dear + 1, partial(_summed, each))
        text = f"in yours a code, of a pooled channel their sum, {each.text}, before its weight"
        yield Change(text, each.dear + 1.1, partial(_before_weight, each))
    for words, loops in LOOPS:
        yield Change(f"in yours the sum of a channel goes over {words}", 2, partial(_looped, loops))
    for words, side in (("rows", 1), ("columns", 2)):
        text = f"in yours a channel has as many places as the number of {words} squared, from channel to channel, too"
        yield Change(text, 2, partial(_squared, side, True), unsaid=MOSTLY)
    text = "in yours as many places are read of a channel as the number of rows squared"
    yield Change(text, 2, partial(_squared, 1, False), unsaid=MOSTLY)
    for n in WORDS:
        text = f"in yours as many words of {n} are read of a channel as it fills, not those that it lies in"
        yield Change(text, 2.1, partial(_filled, n))
    for words, flag in FLAGS:
        yield Change(f"in yours {words}", 2, partial(_flagged, flag))
    for words, column in COLUMNS:
        text = f"in yours the channel whose weight a neuron has {words}"
        yield Change(text, 2, partial(_weighed, column, True))
        yield Change(f"{text}, where there is one", 2.1, partial(_weighed, column, False), unsaid=MOSTLY)


def _multiply(each: Becomes, sign: Some[Ints], part: Part) -> Ints | None:
    read = read_of(part)
    values = np.unique(read.weights[sign.of(read.weights) & (read.weights != 0)])
    if len(values) > MOST:
        return None
    found, codes = part.right, read.codes
    if _pooled(part):  # the sum of a channel is one code
        codes = np.zeros_like(read.codes)
        codes[:, :, 0, 0] = read.codes.sum(axis=(2, 3))
    for v in values.tolist():
        plane = np.where(codes != 0, each.of(v * codes) - v * codes, 0)
        if plane.any():
            found = found + delivered(part, read.by((read.weights == v).astype(np.int64)), plane)
    return found


def _skipped(n: int, some: Skipped, part: Part) -> Ints:
    read = read_of(part)
    rows = read.codes.reshape(len(read.codes), -1)
    count = rows.shape[1]
    groups = np.pad(rows, ((0, 0), (0, -count % n))).reshape(len(rows), -1, n)
    lost = np.repeat(some(groups), n, axis=1)[:, :count]
    plane = np.where(lost, 0, rows).reshape(read.codes.shape)
    return part.right if (plane == read.codes).all() else delivered(part, read.q, plane)


def _pooled(part: Part) -> bool:
    return bool(getattr(read_of(part).q, "pooled", False))


def _more_of_channels(part: Part, more: Ints) -> Ints:
    """What is delivered where the sums of channels are so much larger, (B, C)."""
    read = read_of(part)
    plane = np.zeros_like(read.codes)
    plane[:, :, 0, 0] = more
    return part.right + delivered(part, read.q, plane) if more.any() else part.right


def _before_weight(each: Becomes, part: Part) -> Ints:
    if _pooled(part):
        return _summed(each, part)
    read = read_of(part)
    return delivered(part, read.q, each.of(read.codes))


def _summed(each: Becomes, part: Part) -> Ints:
    if not _pooled(part):
        return part.right
    sums = read_of(part).codes.sum(axis=(2, 3))
    return _more_of_channels(part, each.of(sums) - sums)


def _looped(loops: Callable[[int, int], tuple[int, int]], part: Part) -> Ints:
    """Loops of other lengths over rows as far apart as they lie; what lies behind the source is not known."""
    if not _pooled(part):
        return part.right
    codes = read_of(part).codes
    _, channels, height, width = codes.shape
    rows, columns = loops(height, width)
    at = np.arange(rows)[:, None] * width + np.arange(columns) + height * width * np.arange(channels)[:, None, None]
    flat = codes.reshape(len(codes), -1)
    beyond = at >= flat.shape[1]
    sums = np.where(beyond, 0, flat[:, np.where(beyond, 0, at)]).sum(axis=(2, 3))
    found = _more_of_channels(part, sums - codes.sum(axis=(2, 3)))
    return np.where(beyond.any(), UNSAID, found)


def _squared(side: int, apart: bool, part: Part) -> Ints | None:
    """Channels of another number of places, as far apart, too, or as they lie, with d of their own; what lies behind
    the source is not known.
    """
    if not _pooled(part):
        return part.right
    read, scene = read_of(part), part.scene
    channels, size = read.codes.shape[1], read.codes.shape[1 + side] ** 2
    codes = of_each_d(scene, read.q.sources[0])
    if codes is None:
        return None
    pitch = size if apart else codes.shape[2] // channels
    if (channels - 1) * pitch + size > codes.shape[2]:
        return np.full_like(part.right, UNSAID)
    at = np.arange(channels)[:, None] * pitch + np.arange(size)
    sums = codes[:, np.arange(channels)[:, None], at].sum(axis=2)
    return _more_of_channels(part, sums - read.codes.sum(axis=(2, 3)))


def _filled(n: int, part: Part) -> Ints:
    """Words of spikes of a channel, from that on in which it begins, as many as its places fill."""
    if not _pooled(part):
        return part.right
    codes = read_of(part).codes
    size = codes.shape[2] * codes.shape[3]
    first = np.arange(codes.shape[1]) * size // n * n
    kept = np.arange(codes.shape[1] * size).reshape(-1, size) < (first + -(-size // n) * n)[:, None]
    return _more_of_channels(part, -(codes * ~kept.reshape(codes.shape[1:])).sum(axis=(2, 3)))


def _flagged(flag: Flag, part: Part) -> Ints:
    """A dense read as a pooled one, or the other way round; weights that lie behind all others are not known."""
    read, net = read_of(part), part.scene.net
    dense = [q for q in net.projections if isinstance(q, Dense)]  # no other has the flag
    at = next((n for n, q in enumerate(dense) if q is net.named_projections[part.of]), None)
    own = at is not None and dense[at].pooled
    if at is None or flag([q.pooled for q in dense], at) == own:
        return part.right
    flat, memory = read.codes.reshape(len(read.codes), -1), lying(net, part.of)
    channels, neurons = read.codes.shape[1], flat.shape[1]
    outputs, n = np.arange(len(read.weights))[:, None], np.arange(neurons)
    address = outputs * neurons + n if own else outputs * channels + n // (neurons // channels)
    return _by_address(part, flat, memory.base + address)


def _weighed(column: Column, on: bool, part: Part) -> Ints:
    """Each neuron with the weight of another channel, `on` through the weights behind those of an output or as far as
    it is known.
    """
    if not _pooled(part):
        return part.right
    read = read_of(part)
    flat, net = read.codes.reshape(len(read.codes), -1), part.scene.net
    at = column(np.arange(flat.shape[1]), *read.codes.shape[1:])
    outputs = np.arange(len(read.weights))[:, None] * read.codes.shape[1]
    known = np.where((at < read.codes.shape[1]) | on, outputs + at, NOWHERE)
    return _by_address(part, flat, lying(net, part.of).base + known)


def _by_address(part: Part, flat: Ints, address: Ints) -> Ints:
    """What codes (B, N) deliver by weights at absolute addresses (O, N); what lies behind all weights is not known."""
    w, there = read_at(part.scene.net, address)
    unknown = ((flat != 0) @ (~there).T.astype(np.int64)) > 0
    return rows_of(part, np.where(unknown, UNSAID, flat @ w.T)[:, :, None, None])
