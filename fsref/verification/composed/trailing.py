"""Spikes that find in a register what the one before them had there, or the next: its neuron, or its d (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d
from fsref.verification.composed.coinciding import sent_instead, sent_more
from fsref.verification.composed.collecting import collected
from fsref.verification.composed.delivering import Read, delivered, reached, read_of
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Part, last_before, later

TILES = (4, 8, 16)  # inputs, and outputs, of a tile
WAYS = (("before", False), ("after", True))
WITHIN = (("", 1), (" in its step", 2))  # dimensions of spikes (B, K, neurons) that stand apart
SKIPPED = (8, 16, 32, 64)  # neurons of a word
REGISTER = "as from neuron 0 behind the first step"
BLOCKS: tuple[tuple[str, float, int | None], ...] = (  # outputs of which the first tap alone does, -1 all; or all do
    ("", 0.0, None),
    (", at the first tap,", 0.1, -1),
    *((f", at the first tap, for the first of its group in their block of {n},", 0.2, n) for n in (4, 8)),
)
SILENT = "in yours a step without spikes sends those of the"


def trails_otherwise() -> Iterator[Change]:
    """Spikes that are delivered from the neuron of those before them, or behind them."""
    for (word, back), (within, apart) in product(WAYS, WITHIN):
        text = f"in yours a spike is delivered as from the neuron of the spike {word} it{within}"
        for end, kept in (("as from its own", True), ("not at all", False)):
            which = f"the {'last' if back else 'first'} {end}"
            dear = 2 + 0.2 * back + (0.1 + 0.5 * back) * (not kept)  # or the first one is lost
            yield Change(f"{text}, {which}", dear, partial(_shifted, apart, back, kept))
    for end, stays in (("as from its own", "all"), ("as from neuron 0", "none"), (REGISTER, "first")):
        text = "in yours the first spike of a step is delivered as from the neuron of that before it, the first of all"
        yield Change(f"{text} {end}", 2.1, partial(_first_shifted, stays))
    for which, far, block in BLOCKS:
        text = f"in yours a spike comes{which} by the weights of the channel of the spike before it, the first"
        for end, first in (("by its own", False), ("by those of channel 0", True)):
            change = partial(_channel_before, first, block)
            yield Change(f"{text} {end}", 2.1 + far + 0.05 * first, change)
    for n in SKIPPED:
        text = f"in yours a spike is {n} neurons nearer for each empty word of {n} before it in its step"
        yield Change(text, 2.1, partial(sent_instead, partial(_nearer, n)))
    text = "in yours a spike is worth d of the spike before it"
    yield Change(text, 2, partial(_worth, False))
    last = f"{text}, the first that of what came before"
    yield Change(last, 2.1, partial(_worth, False, stood=False), unsaid=MOSTLY)
    text = "in yours the first spike of a step is worth d of the spike before it"
    yield Change(text, 2, partial(_worth, True))
    yield Change(
        f"{text}, the first of all that of what came before", 2.1, partial(_worth, True, stood=False), unsaid=MOSTLY
    )
    text = "in yours a spike is worth d of the channel of the first spike of its step"
    yield Change(text, 2, _worth_of_first)
    for words, dear, of_channel in (("channel", 2.0, True), ("neuron", 2.05, False)):
        text = f"in yours d stays from spike to spike while these come from one {words} of the source"
        yield Change(text, dear, partial(_worth_stays, of_channel))
    for words, dear, of in collected():
        yield Change(f"in yours the source sends {words}, too", dear + 0.1, partial(sent_instead, of))
    for n in TILES:
        text = (
            f"in yours a spike of a dense is worth d of the step before, in the first step of a tile of {n} inputs that"
        )
        yield Change(f"{text} of the last step of the tile before", 2.2, partial(_latched, n), unsaid=MOSTLY)
    yield Change(f"{SILENT} last one that had some", 2, partial(sent_instead, _again))
    yield Change(f"{SILENT} one before", 2.1, partial(sent_instead, _as_before))


def _shifted(apart: int, back: bool, kept: bool, part: Part) -> Ints:
    """What is delivered when each spike is at the neuron of the one before it in what stands `apart`, the first where
    it is or lost; worth what it is.
    """
    read = read_of(part)
    neurons = read.codes[0].size
    turn = slice(None, None, -1 if back else 1)
    shape = (*read.spikes.shape[:2], neurons)
    z, worth = (own.reshape(shape)[:, turn, turn] for own in (read.spikes, read.spikes * read.d))
    rows = np.ascontiguousarray(worth).reshape(*shape[:apart], -1)
    spikes = np.ascontiguousarray(z).reshape(rows.shape).astype(np.int64)
    before = last_before(spikes)
    *outer, at = np.nonzero(spikes)
    own = (*outer, at)
    first = before[own] < 0
    there = at // neurons * neurons + np.where(first, at, before[own]) % neurons
    found = np.zeros_like(rows)
    np.add.at(found, (*outer, there), np.where(first & (not kept), 0, rows[own]))
    return sent_more(part, read, (found - rows).reshape(shape)[:, turn, turn].reshape(read.spikes.shape))


def _first_shifted(staying: str, part: Part) -> Ints:
    """What is delivered when the first spike of each step is at the neuron of the one before it, the first of all where
    it is, in the first step or any, or at neuron 0; worth what it is.
    """
    read = read_of(part)
    z, worth = (own.reshape(len(own), -1) for own in (read.spikes.astype(np.int64), read.spikes * read.d))
    neurons = read.codes[0].size
    before, at = last_before(z), np.arange(z.shape[1])
    some = np.nonzero((z > 0) & ((before < 0) | (before // neurons != at // neurons)))
    last, own = before[some], some[1]
    step = own // neurons * neurons
    stays = {"all": step >= 0, "none": step < 0, "first": step == 0}[staying]
    there = np.where(last < 0, np.where(stays, own, step), step + last % neurons)
    return sent_more(part, read, _moved(read, some, there, worth[some]))


def _channel_before(from_first: bool, block: int | None, part: Part) -> Ints:
    """What is delivered when each spike of a conv2d comes by the weights of the channel of the one before it, as
    numbered in its group, at its own place and in its own group; the first by its own, or by those of channel 0. With a
    `block` the first tap alone does, for the outputs in the first one of a group or, below 0, for all.
    """
    read = read_of(part)
    match read.q:
        case Conv2d() as q:
            of_group = len(q.weights) // q.groups
        case _:
            return part.right
    z = read.spikes.reshape(len(read.spikes), -1).astype(np.int64)
    (channels, *_), neurons = read.codes.shape[1:], read.codes[0].size
    places, inputs = neurons // channels, read.q.weights.shape[1]
    before = last_before(z)
    some = np.nonzero(z)
    own, last = some[1], before[some]
    channel = np.where(last < 0, 0 if from_first else own % neurons // places, last % neurons // places)
    group = own % neurons // places // inputs
    there = own // neurons * neurons + (group * inputs + channel % inputs) * places + own % places
    worth = np.broadcast_to(read.d, read.spikes.shape[1:]).ravel()[own]
    found = _moved(read, some, there, worth)
    weights = read.weights
    if block is not None:
        o = np.arange(len(weights))
        meant = (o // block == o // of_group * of_group // block) | (block < 0)
        weights = weights * meant[:, None, None, None]
        weights[:, :, 1:], weights[:, :, :, 1:] = 0, 0
    more = found.sum(axis=1)
    return part.right + delivered(part, read.by(weights), more) if found.any() else part.right


def _moved(read: Read, some: tuple[Ints, ...], there: Ints, worth: Ints) -> Ints:
    """How much more spikes (B, K, C, H, W) are worth when some of them (image, step and neuron), each worth so much,
    come from another place.
    """
    found = np.zeros((len(read.spikes), read.spikes[0].size), np.int64)
    np.add.at(found, (some[0], there), worth)
    np.add.at(found, some, -worth)
    return found.reshape(read.spikes.shape)


def _nearer(n: int, z: Ints) -> Ints:
    """Spikes (B, K, C, H, W), each n addresses nearer for each empty word of n before it in its step."""
    flat = z.reshape(*z.shape[:2], -1)
    words = np.pad(flat, ((0, 0), (0, 0), (0, -flat.shape[2] % n))).reshape(*flat.shape[:2], -1, n)
    empty = np.cumsum(~words.any(axis=3), axis=2)
    found = np.zeros_like(flat)
    some = np.nonzero(flat)
    np.add.at(found, (*some[:2], some[2] - n * empty[some[0], some[1], some[2] // n]), flat[some])
    return found.reshape(z.shape)


def _worth(of_first: bool, part: Part, stood: bool = True) -> Ints:
    """What is delivered when each spike, or each first of a step, is worth d of the one before it; UNSAID where the
    first of all arrives, but where d of the first step stood there from the start on.
    """
    read = read_of(part)
    flat = read.spikes.reshape(len(read.spikes), -1).astype(np.int64)
    d = np.broadcast_to(read.d, read.spikes.shape[1:]).ravel()
    before = last_before(flat)
    if of_first:
        own = before // read.codes[0].size == np.arange(flat.shape[1]) // read.codes[0].size  # of the same step
        before = np.where(own, np.arange(flat.shape[1]), before)
    more = np.where(before >= 0, flat * (d[before] - d), 0).reshape(read.spikes.shape)
    first = (flat * (before < 0)).reshape(read.spikes.shape)
    if stood:
        first[:, 0] = 0
    return np.where(reached(part, first.sum(axis=1)), UNSAID, sent_more(part, read, more))


def _worth_stays(of_channel: bool, part: Part) -> Ints:
    """What is delivered when each spike is worth d of the first of those just before it, step by step, that come from
    the same neuron, or from the same channel.
    """
    read = read_of(part)
    flat = read.spikes.reshape(len(read.spikes), -1).astype(np.int64)
    places = read.codes[0, 0].size if of_channel else 1
    of = np.arange(flat.shape[1]) % read.codes[0].size // places
    before, at = last_before(flat), np.arange(flat.shape[1])
    begins = (flat > 0) & ((before < 0) | (of[before] != of))
    first = np.maximum.accumulate(np.where(begins, at, 0), axis=1)
    d = np.broadcast_to(read.d, read.spikes.shape[1:]).ravel()
    return sent_more(part, read, (flat * (d[first] - d)).reshape(read.spikes.shape))


def _worth_of_first(part: Part) -> Ints:
    """What is delivered when each spike is worth d of the channel of the first one of its step."""
    read = read_of(part)
    flat = read.spikes.reshape(*read.spikes.shape[:2], -1).astype(np.int64)
    d = np.broadcast_to(read.d, read.spikes.shape[1:]).reshape(flat.shape[1:])
    of_first = np.take_along_axis(np.broadcast_to(d, flat.shape), flat.argmax(axis=2)[:, :, None], axis=2)
    return sent_more(part, read, (flat * (of_first - d)).reshape(read.spikes.shape))


def _latched(n: int, part: Part) -> Ints:
    """What a dense delivers when each row of a tile of n x n weights counts with the d that it had a step before, one
    tile of inputs after the other; that of the first tile is not known.
    """
    read = read_of(part)
    if read.q.weights.ndim != 2 or getattr(read.q, "pooled", False) or len(read.d) < 2:
        return part.right
    inputs, shape = read.codes[0].size, read.codes.shape[1:]
    d = np.broadcast_to(read.d, (len(read.d), *shape)).reshape(len(read.d), -1)
    own = np.arange(inputs)
    last = (inputs - 1) // n * n  # where the last tile begins; of what it lacks the one before stays
    behind = np.where(last + own < inputs, last + own, last + own - n)
    before = np.where(own >= n, own - n, behind)
    late = np.concatenate([d[-1:, np.maximum(before, 0)], d[:-1]]) - d
    more = read.spikes * late.reshape(len(d), *shape)
    found = sent_more(part, read, more)
    first = (part.places["channel"] < n) & reached(
        part, (read.spikes[:, 0] & (own < n).reshape(shape)).astype(np.int64)
    )
    return np.where(first, UNSAID, found)


def _again(z: Ints) -> Ints:
    """Steps without spikes with those of the last step that had some."""
    some = z.any(axis=(2, 3, 4))
    last = np.maximum.accumulate(np.where(some, np.arange(z.shape[1]), -1), axis=1)
    filled = np.take_along_axis(z, np.maximum(last, 0)[:, :, None, None, None], axis=1)
    return np.asarray(np.where((last >= 0)[:, :, None, None, None], filled, z))


def _as_before(z: Ints) -> Ints:
    """Steps without spikes with those of the step before."""
    return np.asarray(np.where(z.any(axis=(2, 3, 4), keepdims=True), z, later(z, 1, 1)))
