"""Wrong sums, each beside all that it is made of: weights, spikes, d, bias, and what other neurons got (CONFORM-8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, islice, zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.law.projections import Linear
from fsref.tables import Brief
from fsref.verification.composed.delivering import rows_of
from fsref.verification.composed.relation import Mask, Part, Relation, held
from fsref.verification.scene import Scene
from fsref.verification.taps import taps_of

TRIED, KEPT = 384, 192  # wrong sums looked at, and of these the ones of the fewest spikes
MANY = 4  # one of so many neurons is many
FIRED = 12  # neurons of a source that are followed to where what they send may come


@dataclass(frozen=True, eq=False, repr=False)
class Sent(Brief):
    """A neuron of a source that fires: its `code`, how much of it is rightly `given` to a sum, the `kernel` of its
    channel for that output, the weights of all `inputs` of the output, and those of its channel for all `outputs`.
    """

    code: int
    given: int
    kernel: Ints
    inputs: Ints
    outputs: Ints


@dataclass(frozen=True, eq=False, repr=False)
class Wrong(Brief):
    """A sum that is wrong, `off` by so much, or an opening membrane, then with its `bias`. Of its n inputs: `weights`
    and `source` codes (n,), spikes `z` and `d` (K, n), which of them lie `outside` in the padding, `of` which
    projection they are, and which `input` of it has their weight. All weights and biases of the network, and by
    projection all codes of its source. Of other neurons of its population the right sums, what was `told` of them, and
    what is `left` in membranes. What is `sent`
    by all neurons that fire, None of pooled ones and of many.
    """

    seen: int
    right: int
    bias: int | None
    weights: Ints
    source: Ints
    z: Ints
    d: Ints
    outside: Mask
    of: Ints
    input: Ints
    all_weights: Ints
    all_codes: Sequence[Ints]
    biases: Ints
    sums: Ints
    told: Ints
    left: Ints
    sent: Sequence[Sent] | None

    @property
    def off(self) -> int:
        """By how much it is off."""
        return self.seen - self.right

    @property
    def told_apart(self) -> Ints:
        """What was told of other neurons; where many of them say the same as it, of those that do not."""
        same = self.told == self.seen
        return self.told[~same] if MANY * same.sum() > len(same) else self.told

    @property
    def total(self) -> int:
        """What is rightly delivered."""
        return int(self.products.sum())

    @property
    def spikes(self) -> int:
        """How many spikes arrive."""
        return int(self.z.sum())

    @cached_property
    def products(self) -> Ints:
        """Of each input its weight and code (n,)."""
        return self.weights * self.source

    @cached_property
    def additions(self) -> Ints:
        """All that is added, spike by spike, that is not 0."""
        each = self.z * self.d * self.weights
        found: Ints = each[each != 0]
        return found


def wrong_of(relation: Relation) -> list[Wrong]:
    """Wrong sums of all parts of a relation in turn, those of the fewest spikes; none of gates, nor where a projection
    has many products.
    """
    each = [_of_part(part) for part in relation.parts if part.wrong.any()]
    found = islice((one for one in chain.from_iterable(zip_longest(*each)) if one is not None), TRIED)
    return sorted(found, key=lambda one: one.spikes)[:KEPT]


def _of_part(part: Part) -> Iterator[Wrong]:
    """The wrong sums of a part, in an order that is drawn, of which accumulators hold the right one."""
    scene = part.scene
    names = [part.of] if part.of else list(scene.into)
    match scene.population:
        case (FS() | Readout()) as p if set(names) <= set(scene.into) and (part.of or len(names) == len(scene.sums)):
            pass
        case _:
            return
    shape = scene.codes[p.name].shape
    at = rows_of(part, np.arange(int(np.prod(shape))).reshape(shape))
    told, known = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)
    told.ravel()[at], known.ravel()[at] = part.seen, True
    whole = part.right if part.beside is None else part.right + part.beside
    wrong = np.flatnonzero(part.wrong & (held(scene, whole) == whole))
    for row in np.random.default_rng(0).permutation(wrong).tolist():
        b, *place = (int(v) for v in np.unravel_index(int(at[row]), shape))
        each = [one for name in names if (one := _inputs(scene, name, b, place)) is not None]
        if len(each) < len(names):
            return
        yield _joined(part, p, row, b, place, each, told[b].ravel(), known[b].ravel())


@lru_cache(maxsize=8)
def _memory(scene: Scene) -> tuple[Ints, Ints]:
    """All weights and all biases of a network, each once."""
    net = scene.net
    weights = [q.weights.ravel().astype(np.int64) for q in net.projections]
    return np.unique(np.concatenate(weights)), np.unique(np.concatenate([q.bias_map.ravel() for q in net.integrating]))


@lru_cache(maxsize=16)
def _left(scene: Scene, b: int) -> Ints:
    """What is left in the membranes of a population for one image: of the last step."""
    match scene.population:
        case FS() as p if scene.opening is not None:
            theirs = scene.theirs.get("membranes")
            every = reference.fire(scene.opening[b : b + 1], p.table)[1] if theirs is None else theirs[b : b + 1]
            return np.unique(every[0, -1])
        case _:
            return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False, repr=False)
class _Along(Brief):
    """The inputs of a neuron along one projection."""

    weights: Ints
    z: Ints
    d: Ints
    outside: Mask
    input: Ints
    all_codes: Ints
    sums: Ints
    sent: Sequence[Sent] | None


def _inputs(scene: Scene, name: str, b: int, place: Sequence[int]) -> _Along | None:
    """What a neuron (c, y, x) reads of an image along one projection; None where it has many products."""
    q = scene.into[name]
    channels, z, d, codes = _sent(scene, q.source, b)
    found = _seen_by(scene, q, place, channels)
    if found is None:
        return None
    at, there, weights = found
    own = np.zeros(len(channels), np.int64)
    np.add.at(own, at, weights * there)
    sent = _sent_along(q, place, channels, (z * d).sum(axis=0), own)
    taken = channels if getattr(q, "pooled", False) else np.arange(len(weights))
    return _Along(weights, z[:, at] * there, d[:, at], ~there, taken, codes, scene.sums[name][b].ravel(), sent)


def _sent_along(
    q: Linear, place: Sequence[int], channels: NDArray[np.intp], codes: Ints, own: Ints
) -> Sequence[Sent] | None:
    """What each neuron of a source that fires sends along a projection, and to a neuron (c, y, x) by its `own` weight;
    None of a pooled one, and where many fire.
    """
    some = np.flatnonzero(codes)
    if getattr(q, "pooled", False) or len(some) > FIRED:
        return None
    w = q.weights.astype(np.int64)
    rows = w.reshape(len(w), -1, int(np.prod(w.shape[2:], dtype=np.int64)))
    groups = getattr(q, "groups", 1)
    inputs, outputs = rows.shape[1], len(rows) // groups
    found = []
    for n in some.tolist():
        group, i = divmod(int(channels[n]) if w.ndim == 4 else n, inputs)
        mine = rows[group * outputs : (group + 1) * outputs, i]
        kernel = rows[place[0], i] if place[0] // outputs == group else rows[0, 0, :0]
        found.append(Sent(int(codes[n]), int(own[n] * codes[n]), kernel, rows[place[0]].ravel(), mine.ravel()))
    return found


@lru_cache(maxsize=16)
def _sent(scene: Scene, source: str, b: int) -> tuple[NDArray[np.intp], Ints, Ints, Ints]:
    """Of the neurons (N,) of a source their channels, spikes and d (K, N) for an image; its codes, each once, and 0."""
    table, spikes = scene.net.code_weights[source].T, scene.spikes(source)[b].astype(np.int64)
    channels = np.repeat(np.arange(spikes.shape[1]), spikes[0, 0].size)
    z, d = spikes.reshape(len(spikes), -1), table[:, channels]
    return channels, z, d, np.unique(np.append((z * d).sum(axis=0), 0))


def _seen_by(
    scene: Scene, q: Linear, place: Sequence[int], channels: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Mask, Ints] | None:
    """The addresses of the source that a neuron reads, which of them are there, and by which weights."""
    if getattr(q, "pooled", False):
        every = np.arange(len(channels))
        return every, np.ones(len(every), np.bool_), q.weights.astype(np.int64)[place[0]][channels]
    taps = taps_of(scene, q)
    if taps is None:
        return None

    def own(values: NDArray[Any]) -> NDArray[Any]:
        here = values[tuple(min(n, size - 1) for n, size in zip(place, values.shape, strict=False))]
        return np.broadcast_to(here, taps.sizes[1:]).ravel()

    there = own(taps.there).astype(np.bool_)
    return np.where(there, own(taps.address), 0), there, q.weights.ravel().astype(np.int64)[own(taps.weight)]


def _joined(
    part: Part, p: FS | Readout, row: int, b: int, place: Sequence[int], each: Sequence[_Along], told: Ints, known: Mask
) -> Wrong:
    """A wrong sum of one projection or several."""
    steps = max((len(one.z) for one in each), default=0)

    def stacked(values: Sequence[Ints]) -> Ints:
        filled = [np.pad(one, ((0, steps - len(one)), (0, 0))) for one in values]
        return np.concatenate([np.zeros((steps, 0), np.int64), *filled], axis=1)

    def flat(values: Sequence[NDArray[Any]]) -> Ints:
        return np.concatenate([np.zeros(0, np.int64), *values])

    biases = np.broadcast_to(p.bias_map, p.shape)
    sums = sum((one.sums for one in each), np.zeros(told.shape, np.int64))
    own = np.ravel_multi_index(tuple(place), p.shape)
    others = (sums != sums[own]) | (told != told[own])  # what was told of one that is like it says nothing
    told, beside = told[others & known], biases.ravel()[others & known]
    every_weight, every_bias = _memory(part.scene)
    z, d = stacked([one.z for one in each]), stacked([one.d for one in each])
    return Wrong(
        seen=int(part.seen[row]),
        right=int(part.right[row]),
        bias=None if part.of else int(biases[tuple(place)]),
        weights=flat([one.weights for one in each]),
        source=(z * d).sum(axis=0),
        z=z,
        d=d,
        outside=flat([one.outside for one in each]).astype(np.bool_),
        of=flat([np.full(len(one.weights), n) for n, one in enumerate(each)]),
        input=flat([one.input for one in each]),
        all_weights=every_weight,
        all_codes=[one.all_codes for one in each],
        biases=every_bias,
        sums=sums[sums != sums[own]],
        told=told if part.of else np.concatenate([told, told - beside]),
        left=np.zeros(0, np.int64) if part.of else _left(part.scene, b),
        sent=None if any(one.sent is None for one in each) else [more for one in each for more in one.sent or ()],
    )
