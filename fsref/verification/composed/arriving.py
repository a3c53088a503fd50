"""Products that are lost or become others by what arrived at their neuron before, or arrives beside it (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import TypeAlias

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.projections import Linear
from fsref.tables import Brief
from fsref.verification.adding import ADDED, singles
from fsref.verification.composed.delivering import rows_of
from fsref.verification.composed.happening import DEEP, Test, at_least, but_each, each
from fsref.verification.composed.memory import TILES
from fsref.verification.composed.relation import UNSAID, Change, Mask, Part, last_before
from fsref.verification.composed.values import BECOMES, Becomes
from fsref.verification.deliveries import of_ones
from fsref.verification.scene import Scene

CHEAP = 2.0  # words of what becomes of a product
BESIDE = ((0, "the other of two channels"), (-1, "the channel before"), (1, "the next channel"))
SIGNS: tuple[tuple[str, Test], ...] = (
    ("below 0", lambda v: np.asarray(v < 0)),
    ("above 0", lambda v: np.asarray(v > 0)),
    ("not 0", lambda v: np.asarray(v != 0)),
    ("0", lambda v: np.asarray(v == 0)),
)
EVERY = (2, 3, 4, 8, 16)
Meant: TypeAlias = tuple[str, float, Callable[["Arrived"], Mask]]


@dataclass(frozen=True, eq=False, repr=False)
class Arrived(Brief):
    """The products of one projection in the order in which they arrive, step by step, in each by address of the source:
    (N, B, C, H, W), 0 where nothing arrives; `step` and `tap` (N,) of each.
    """

    scene: Scene
    q: Linear
    products: Ints
    step: Ints
    tap: Ints

    @cached_property
    def there(self) -> Ints:
        """Where something arrives, 0 or 1."""
        return np.asarray((self.products != 0).astype(np.int64))

    @cached_property
    def rank(self) -> Ints:
        """How many have arrived at the neuron before."""
        found: Ints = np.cumsum(self.there, axis=0) - self.there
        return found

    @cached_property
    def left(self) -> Ints:
        """How many will arrive at the neuron."""
        found: Ints = self.there.sum(axis=0) - self.rank - self.there
        return found

    @cached_property
    def previous(self) -> Ints:
        """Which product arrived at the neuron before, -1 of the first."""
        n = np.arange(len(self.products)).reshape(-1, 1, 1, 1, 1)
        last = np.maximum.accumulate(np.where(self.there > 0, n, -1), axis=0)
        return np.concatenate([np.full_like(last[:1], -1), last[:-1]])

    def of_previous(self, values: Ints) -> Ints:
        """What values (N, B, C, H, W) are of the product before, 0 of the first."""
        at = self.previous
        found: Ints = np.where(at < 0, 0, np.take_along_axis(values, np.maximum(at, 0), axis=0))
        return found

    @cached_property
    def before(self) -> Ints:
        """The product that arrived at the neuron before, 0 of the first."""
        return self.of_previous(self.products)

    @cached_property
    def rank_in_step(self) -> Ints:
        """How many have arrived at the neuron before in the step."""
        first = np.searchsorted(self.step, self.step)
        found: Ints = self.rank - self.rank[first]
        return found

    @cached_property
    def left_in_step(self) -> Ints:
        """How many will arrive at the neuron in the step."""
        last = np.searchsorted(self.step, self.step, side="right") - 1
        found: Ints = self.rank[last] + self.there[last] - self.rank - self.there
        return found

    @cached_property
    def close(self) -> Mask:
        """Whether the source's address before sent something in that step, too."""
        found = np.zeros(self.products.shape, np.bool_)
        found[1:] = (self.there[:-1] > 0) & ((self.step[1:] == self.step[:-1]) & (np.diff(self.tap) == 1))[
            :, None, None, None, None
        ]
        return found

    def beside(self, by: int) -> Ints:
        """The products at the same time of channels `by` before or behind, or of the other of two, that read the same
        group of the source; 0 of none.
        """
        count = self.products.shape[2]
        at = np.arange(count)
        other = at ^ 1 if by == 0 else at + by
        kept = (other >= 0) & (other < count)
        group = at // (count // getattr(self.q, "groups", 1))
        kept &= group[np.where(kept, other, at)] == group
        found = np.zeros_like(self.products)
        found[:, :, kept] = self.products[:, :, other[kept]]
        return found

    @cached_property
    def spike(self) -> Ints:
        """Of which spike of its step it is, in the order of the source, from 1 on; 0 where nothing arrives."""
        z, shape = self.scene.spikes(self.q.source).astype(np.int64), self.scene.population.shape
        flat = z.reshape(*z.shape[:2], -1)
        ranks = (flat * np.cumsum(flat, axis=2)).reshape(z.shape)
        taps = dict(enumerate(singles(of_ones(self.q))))
        planes = [reference.along(ranks[:, t], taps[tap], shape) for t, tap in zip(self.step, self.tap, strict=True)]
        return np.stack(planes)

    @cached_property
    def next_spike(self) -> Mask:
        """Whether it is of the spike of its step right behind that of the product before at its neuron."""
        found = (self.rank_in_step > 0) & (self.there > 0) & (self.of_previous(self.spike) == self.spike - 1)
        return np.asarray(found)

    @cached_property
    def overtaken(self) -> Mask:
        """Whether the next product at its neuron is of the spike of its step right behind its own."""
        found = np.zeros(self.products.shape, np.bool_)
        n, *places = np.nonzero(self.next_spike)
        found[(self.previous[(n, *places)], *places)] = True
        return found


def arrives_otherwise() -> Iterator[Change]:
    """Products that are lost or become others by what else arrives."""
    late = "in yours the last product at a neuron comes to the next one instead"
    yield Change(late, 2, partial(_late, False))
    yield Change(f"{late}, each input's of all steps together", 2.1, partial(_late, True))
    for n in TILES:
        text = f"in yours the last product of each {n} inputs or taps at a neuron is lost where more inputs follow"
        yield Change(text, 2.1, partial(_lost_of_tiles, n))
    simple = [one for one in BECOMES if one.dear <= CHEAP and " bits" not in one.text and one.text != "is 0"]
    for words, far, test in _meant():
        product = f"in yours a product{words}"
        yield Change(f"{product} is lost", 1 + far, partial(_changed, test, lambda own: 0 * own.products))
        yield Change(f"{product} counts as the one before", 2 + far, partial(_changed, test, lambda own: own.before))
        for one in simple:
            yield Change(f"{product} {one.text}", one.dear + 0.3 + far, partial(_changed, test, partial(_becomes, one)))


def _meant() -> Iterator[Meant]:
    """Which products are meant."""
    yield " that equals the one before it at its neuron", 1.5, lambda own: own.products == own.before
    words = " that equals the one before it at its neuron and is of no first spike of a step"
    yield words, 2.4, lambda own: (own.products == own.before) & (own.spike != 1)
    yield " of the sign of the one before it", 2, lambda own: own.products * np.sign(own.before) > 0
    yield " of another sign than the one before it", 2, lambda own: own.products * np.sign(own.before) < 0
    yield " that is the first at its neuron", 1.5, lambda own: own.rank == 0
    yield " that is the last at its neuron", 1.5, lambda own: own.left == 0
    yield " behind the first at its neuron", 2, lambda own: own.rank > 0
    yield " that is the first of its step at its neuron", 1.7, lambda own: own.rank_in_step == 0
    yield " that is the last of its step at its neuron", 1.7, lambda own: own.left_in_step == 0
    yield " behind the first of its step at its neuron", 1.8, lambda own: own.rank_in_step > 0
    yield " before the last of its step at its neuron", 1.9, lambda own: own.left_in_step > 0
    yield " that is the last of the last step at its neuron", 1.9, partial(_last_of_step, -1)
    yield " that is the first of the first step at its neuron", 1.9, partial(_first_of_step, 0)
    yield " right behind one of the source's neuron before", 1.8, lambda own: own.close
    yield " right before one of the source's next neuron", 1.9, _before_close
    yield " at whose neuron the spike right behind its own arrives, too,", 1.8, lambda own: own.overtaken
    yield " at whose neuron the spike right before its own arrives, too,", 1.8, lambda own: own.next_spike
    for n in DEEP:
        words = f" but each {'second' if n == 2 else f'{n}th'} of its step at its neuron, counted back from the last,"
        yield words, 2, partial(_left_in_step, but_each(n))
        words = f" but each {'second' if n == 2 else f'{n}th'} at its neuron, counted back from the last,"
        yield words, 2.2, partial(_left, but_each(n))
    yield " alone in its step at its neuron", 2.2, lambda own: (own.rank_in_step == 0) & (own.left_in_step == 0)
    for n in EVERY:
        yield f" that is each {n}th at its neuron", 2, partial(_ranked, each(n))
        yield f" behind the first {n} at its neuron", 2, partial(_ranked, at_least(n))
        yield f" behind the first {n} of its step at its neuron", 2, partial(_ranked_in_step, at_least(n))
    for by, which in BESIDE:
        for word, test in SIGNS:
            yield f" while that of {which} is {word}", 2.1, partial(_while, by, test)


def _becomes(one: Becomes, own: Arrived) -> Ints:
    return one.of(own.products)


def _ranked(test: Test, own: Arrived) -> Mask:
    return test(own.rank)


def _ranked_in_step(test: Test, own: Arrived) -> Mask:
    return test(own.rank_in_step)


def _left(test: Test, own: Arrived) -> Mask:
    return test(own.left)


def _left_in_step(test: Test, own: Arrived) -> Mask:
    return test(own.left_in_step)


def _while(by: int, test: Test, own: Arrived) -> Mask:
    return test(own.beside(by))


def _last_of_step(at: int, own: Arrived) -> Mask:
    return np.asarray((own.left_in_step == 0) & _in_step(own, int(own.step[at])))


def _first_of_step(at: int, own: Arrived) -> Mask:
    return np.asarray((own.rank_in_step == 0) & _in_step(own, int(own.step[at])))


def _in_step(own: Arrived, step: int) -> Mask:
    return np.asarray(own.step == step)[:, None, None, None, None]


def _before_close(own: Arrived) -> Mask:
    found = np.zeros_like(own.close)
    found[:-1] = own.close[1:] & (own.there[1:] > 0)
    return found


def _changed(test: Callable[[Arrived], Mask], of: Callable[[Arrived], Ints], part: Part) -> Ints | None:
    """What is delivered when the products that are meant become others; None where they are many."""
    own = arrived(part.scene, part.of)
    if own is None:
        return None
    some = test(own) & (own.there > 0)
    more = np.where(some, of(own) - own.products, 0).sum(axis=0) if some.any() else None
    return part.right if more is None else part.right + rows_of(part, more)


def _late(by_input: bool, part: Part) -> Ints | None:
    """What is delivered when the last product at each neuron comes to the next at which one arrives; UNSAID at the
    first of these, as it gets what was left before. None where they are many. They come step by step, or input by
    input.
    """
    if not _few(part):
        return None
    last, there = _last(part, by_input)
    some, flat = there.reshape(len(last), -1), last.reshape(len(last), -1)
    before = last_before(some)
    carried = np.where(before < 0, 0, np.take_along_axis(flat, np.maximum(before, 0), axis=1))
    moved = rows_of(part, np.where(some, carried - flat, 0).reshape(last.shape))
    first = rows_of(part, np.where(some & (before < 0), 1, 0).reshape(last.shape))
    return np.where(first > 0, UNSAID, part.right + moved)


def _lost_of_tiles(n: int, part: Part) -> Ints | None:
    """What is delivered without the last product of each tile of inputs or taps but the last; None where they are
    many.
    """
    if not _few(part):
        return None
    last, there = _last_of_taps(part.scene, part.of)
    tiles = range(0, len(last) - n, n)
    lost = (_last_there(last[at : at + n], there[at : at + n])[0] for at in tiles)
    return part.right - sum((rows_of(part, one) for one in lost), 0 * part.right)


def _few(part: Part) -> bool:
    """Whether the products of a projection, by weights of 0, too, are few enough to be written down."""
    scene, q = part.scene, part.scene.into[part.of]
    each = int(np.prod(q.weights.shape[1:])) * scene.net.steps[q.source]
    return not getattr(q, "pooled", False) and each * scene.codes[scene.population.name].size <= ADDED


def _last(part: Part, by_input: bool) -> tuple[Ints, Mask]:
    """The last product at each neuron (B, C, H, W), by a weight of 0, too, and where one arrives."""
    if by_input:
        return _last_there(*_last_of_taps(part.scene, part.of))
    each = [brought(part.scene, part.of, t) for t in range(part.scene.net.steps[part.scene.into[part.of].source])]
    return _last_there(*(np.concatenate(own) for own in zip(*each, strict=True)))


@lru_cache(maxsize=4)
def _last_of_taps(scene: Scene, of: str) -> tuple[Ints, Mask]:
    """The last product of each input or tap at each neuron (N, B, C, H, W), and where one arrives."""
    steps = (brought(scene, of, t) for t in range(scene.net.steps[scene.into[of].source]))
    last, there = next(steps)
    for values, arrives in steps:
        last, there = np.where(arrives, values, last), there | arrives
    return last, there


def _last_there(values: Ints, there: Mask) -> tuple[Ints, Mask]:
    """Of values (N, ...) the last that is there, 0 of none, and whether one is."""
    at = len(there) - 1 - np.argmax(there[::-1], axis=0)
    some = np.logical_or.reduce(there, axis=0)
    return np.take_along_axis(values, at[None], axis=0)[0] * some, some


def brought(scene: Scene, of: str, t: int) -> tuple[Ints, Mask]:
    """What each input or tap brings in a step, (N, B, C, H, W), and where it does, by a weight of 0, too."""
    q, shape = scene.into[of], scene.population.shape
    z = scene.spikes(q.source)[:, t].astype(np.int64)
    plane = z * scene.net.code_weights[q.source][:, t, None, None]
    w = q.weights.astype(np.int64)
    each = np.stack([reference.along(plane, replace(q, weights=own), shape) for own, _ in _taps(w)])
    return each, np.stack([reference.along(z, replace(q, weights=one), shape) > 0 for _, one in _taps(w)])


def _taps(w: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Weights of one input or tap at a time, and 1 there."""
    for at in np.ndindex(*w.shape[1:]):
        own, one = np.zeros_like(w), np.zeros_like(w)
        own[(slice(None), *at)], one[(slice(None), *at)] = w[(slice(None), *at)], 1
        yield own, one


@lru_cache(maxsize=4)
def arrived(scene: Scene, name: str) -> Arrived | None:
    """What arrives along a projection; None where that is much."""
    q = scene.into[name]
    if getattr(q, "pooled", False):
        return None
    d, z = scene.net.code_weights[q.source], scene.spikes(q.source)
    each = [(tap, one) for tap, one in enumerate(singles(q))]
    if not each or len(each) * d.shape[1] * scene.codes[scene.population.name].size > ADDED:
        return None
    shape = scene.population.shape
    order = [(t, tap, one) for t in range(d.shape[1]) for tap, one in each]
    planes = [z[:, t] * d[:, t, None, None] for t in range(d.shape[1])]
    products = np.stack([reference.along(planes[t], one, shape) for t, _, one in order])
    return Arrived(scene, q, products, np.array([t for t, _, _ in order]), np.array([tap for _, tap, _ in order]))
