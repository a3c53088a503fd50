"""Mistakes on the way of events: spikes that are lost, counted twice or taken for those of another step (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d, Dense, Linear
from fsref.verification.consequences import Cause, Effects, both
from fsref.verification.deliveries import Mistake, found_by, of_ones
from fsref.verification.scene import Effect, Scene

DEPTHS = (4, 8, 16, 32, 64, 128)  # events that a queue or a counter holds
GROUPS = (2, 4, 8, 16, 32)  # neurons that are encoded together
WORDS = (8, 16, 32, 64)  # neurons in a word

Spikes: TypeAlias = NDArray[np.bool_]  # (B, K, C, H, W)
Passed: TypeAlias = Callable[[Spikes], Spikes]  # which spikes of a source are passed on


def passing(passed: Passed, scene: Scene, name: str, q: Linear) -> Ints | None:
    """What a projection delivers of the spikes that are passed on."""
    spikes = scene.spikes(q.source)
    left = passed(spikes)
    if np.array_equal(left, spikes):
        return None
    return reference.along(reference.codes(left, scene.net.code_weights[q.source]), q, scene.population.shape)


def sent_or_read(forms: Callable[[Scene], Iterator[tuple[Passed, str]]]) -> Callable[[Scene], Effects]:
    """A mistake of spikes that a population reads, or of those that it sends: what it passes on, and words for it."""

    def read(scene: Scene) -> Iterator[Mistake]:
        for passed, told in forms(scene):
            yield partial(passing, passed), {"which": told}

    def sent(scene: Scene) -> Effects:
        name = scene.population.name
        if name in scene.trains and name in scene.net.code_weights:
            spikes = scene.spikes(name)
            for passed, told in forms(scene):
                left = passed(spikes)
                codes = reference.codes(left, scene.net.code_weights[name])
                yield Effect(codes, spikes=reference.words(left)).of(which=told)

    return both(found_by(read), sent)


def flat(spikes: Spikes) -> Spikes:
    """The neurons in order, (B, K, N)."""
    return spikes.reshape(*spikes.shape[:2], -1)


def behind(spikes: Spikes, count: int) -> Spikes:
    """The first so many of each step."""
    left: Spikes = flat(spikes) & (np.cumsum(flat(spikes), axis=2) <= count)
    return left.reshape(spikes.shape)


def but_exactly(spikes: Spikes, count: int) -> Spikes:
    """None of a step in which there are exactly so many."""
    some: Spikes = flat(spikes).sum(axis=2) != count
    return spikes & some[:, :, None, None, None]


def queues(scene: Scene) -> Iterator[tuple[Passed, str]]:
    """A queue that is full, or whose fullness reads as emptiness."""
    for count in DEPTHS:
        yield partial(behind, count=count), f"those behind the first {count} of a step"
        yield partial(but_exactly, count=count), f"all of a step that has exactly {count}"


def without(spikes: Spikes, steps: slice, neurons: slice) -> Spikes:
    """Without those of some neurons in some steps."""
    left = spikes.copy()
    flat(left)[:, steps, neurons] = False
    return left


def single(scene: Scene) -> Iterator[tuple[Passed, str]]:
    """An event at an end of the window or of the neurons."""
    first, last, every = slice(1), slice(-1, None), slice(None)
    for steps, when in ((first, " in the first step"), (last, " in the last step"), (every, "")):
        for neurons, which in ((first, "the first neuron"), (last, "the last neuron")):
            yield partial(without, steps=steps, neurons=neurons), f"that of {which}{when}"


def beside(spikes: Spikes) -> Spikes:
    """Those whose neighbour in the channel before, at the same place, is silent."""
    left = spikes.copy()
    left[:, :, 1:] &= ~spikes[:, :, :-1]
    return left


def together(spikes: Spikes, size: int) -> Spikes:
    """Those of groups of neurons that do not all spike."""
    rows = flat(spikes)
    whole = rows.shape[2] // size * size
    left = rows.copy()
    groups = left[:, :, :whole].reshape(*rows.shape[:2], -1, size)
    groups &= ~groups.all(axis=3, keepdims=True)
    left[:, :, :whole] = groups.reshape(*rows.shape[:2], whole)
    return left.reshape(spikes.shape)


def alternating(spikes: Spikes) -> Spikes:
    """Of two neighbours in a row of neurons that spike in a step the first alone."""
    rows = flat(spikes)
    left = rows.copy()
    left[:, :, 1:] &= ~rows[:, :, :-1]
    return left.reshape(spikes.shape)


def coinciding(scene: Scene) -> Iterator[tuple[Passed, str]]:
    """Spikes that meet in a step."""
    yield beside, "one where the channel before spikes, too"
    yield alternating, "one where the neuron before spikes, too"
    for size in GROUPS:
        yield partial(together, size=size), f"all of {size} neurons that spike together"


def in_words(spikes: Spikes, size: int) -> Spikes:
    """Words of so many neurons, (B, K, words, size), the last of them filled with such as are silent."""
    rows = flat(spikes)
    return np.pad(rows, ((0, 0), (0, 0), (0, -rows.shape[2] % size))).reshape(*rows.shape[:2], -1, size)


def of_words(spikes: Spikes, size: int, some: Callable[[Spikes], Spikes]) -> Spikes:
    """Those in `some` words (B, K, words) of so many neurons."""
    kept = np.repeat(some(in_words(spikes, size)), size, axis=2)[:, :, : flat(spikes).shape[2]]
    return np.asarray(spikes & kept.reshape(spikes.shape))


def before_an_empty_one(words: Spikes) -> Spikes:
    """The words before the first that has no spike."""
    return np.asarray(np.logical_and.accumulate(words.any(axis=3), axis=2))


def not_below_zero(words: Spikes) -> Spikes:
    """The words whose last neuron, which is the sign, is silent."""
    return np.asarray(~words[..., -1])


def scanned(some: Callable[[Spikes], Spikes], scene: Scene) -> Iterator[tuple[Passed, str]]:
    """Some words of a step, which are read one after the other."""
    for size in WORDS:
        yield partial(of_words, size=size, some=some), f"{size}"


def silent_steps_skipped(scene: Scene, name: str, q: Linear) -> Ints:
    """What a projection delivers when steps without a spike of the source do not count."""
    spikes, d = scene.spikes(q.source), scene.net.code_weights[q.source]
    busy = flat(spikes).any(axis=2)
    at = np.where(busy, np.cumsum(busy, axis=1) - 1, 0)
    plane = np.einsum("bkchw,cbk->bchw", spikes.astype(np.int64), d[:, at])
    return reference.along(plane, q, scene.population.shape)


def counted_to(scene: Scene, name: str, q: Linear, count: int) -> Ints | None:
    """What a pooled dense delivers that counts the spikes of a channel in a step up to so many, and begins again."""
    match q:
        case Dense(pooled=True):
            spikes, d = scene.spikes(q.source).sum(axis=(3, 4)) % count, scene.net.code_weights[q.source]
            plane = np.einsum("bkc,ck->bc", spikes, d)[:, :, None, None]
            return reference.along(plane, q, scene.population.shape)
        case Dense() | Conv2d():
            return None
        case _:
            assert_never(q)


def counts(scene: Scene) -> Iterator[Mistake]:
    """The counts behind which a counter of the spikes of a channel begins again."""
    for count in (2, 4, *DEPTHS):
        yield partial(counted_to, count=count), {"count": count}


def first_event_twice(scene: Scene, name: str, q: Linear, all_targets: bool) -> Ints:
    """What a projection delivers when the first event of all for a population counts twice: for its first neuron, or
    for all.
    """
    longest = max(scene.net.steps[each.source] for each in scene.into.values())
    when = {}
    for n, (other, each) in enumerate(scene.into.items()):
        busy: NDArray[np.bool_] = np.asarray(flat(scene.spikes(each.source)).any(axis=2))
        begins = np.where(busy.any(axis=1), busy.argmax(axis=1) + longest - busy.shape[1], 2 * longest)
        when[other] = begins * len(scene.into) + n
    own = when[name] == np.minimum.reduce(list(when.values()))
    spikes = flat(scene.spikes(q.source))
    order = np.cumsum(spikes.reshape(len(spikes), -1), axis=1).reshape(spikes.shape)
    once = (spikes & (order == 1) & own[:, None, None]).reshape(scene.spikes(q.source).shape)
    more = reference.along(reference.codes(once, scene.net.code_weights[q.source]), q, scene.population.shape)
    if not all_targets:
        more.reshape(len(more), -1)[:, 1:] = 0
    return scene.sums[name] + more


def weight_of_the_pair(scene: Scene, name: str, q: Linear, synapses: bool) -> Ints | None:
    """What a dense delivers that takes the weight of the even neuron for the odd one of a pair that spikes alone, where
    there are `synapses` or everywhere.
    """
    match q:
        case Dense(pooled=False):
            spikes, w = flat(scene.spikes(q.source)), q.weights.astype(np.int64)
            plain = w.copy()
            odd = np.arange(w.shape[1]) % 2 == 1
            plain[:, odd] = w[:, np.flatnonzero(odd) - 1]
            plain = np.where((w != 0) | ~np.bool_(synapses), plain, 0)
            alone = spikes.copy()
            alone[:, :, 1:] &= ~spikes[:, :, :-1]
            alone &= odd
            d = np.repeat(scene.net.code_weights[q.source], spikes.shape[2] // scene.net[q.source].shape[0], axis=0)
            codes: Ints = np.einsum("bkn,nk->bn", alone.astype(np.int64), d)
            more: Ints = codes @ (plain - w).T
            return scene.sums[name] + more[:, :, None, None]
        case Dense() | Conv2d():
            return None
        case _:
            assert_never(q)


def two_at_one(scene: Scene) -> Iterator[Mistake]:
    """Of two projections that deliver to a neuron in one step the second is lost."""

    def second(scene: Scene, name: str, q: Linear) -> Ints | None:
        names = list(scene.into)
        if names.index(name) == 0:
            return None
        longest = max(scene.net.steps[each.source] for each in scene.into.values())
        hit = np.zeros((longest, *scene.sums[name].shape), np.bool_)
        found = scene.sums[name]
        for other in names[: names.index(name) + 1]:
            each = scene.into[other]
            spikes = scene.spikes(each.source).astype(np.int64)
            unit = of_ones(each)
            for t in range(spikes.shape[1]):
                at = longest - spikes.shape[1] + t
                if other == name:
                    found = found - np.where(hit[at], scene.step_sums[name][t], 0)
                else:
                    hit[at] |= reference.along(spikes[:, t], unit, scene.population.shape) > 0
        return found

    if len(scene.into) > 1:
        yield second, {"which": "that of the second projection where another delivers to the neuron, too"}


EVENTS = (
    Cause(
        "events-lost",
        "all spikes of a step count: yours loses {which} [FS-4]",
        both(sent_or_read(queues), sent_or_read(single), sent_or_read(coinciding), found_by(two_at_one)),
    ),
    Cause(
        "scan-ends-at-an-empty-word",
        "all spikes of a step count: yours ends at the first word of {which} neurons without one [FS-4]",
        sent_or_read(partial(scanned, before_an_empty_one)),
    ),
    Cause(
        "word-has-a-sign",
        "all spikes of a step count: yours loses a word of {which} neurons whose last one spikes [FS-4]",
        sent_or_read(partial(scanned, not_below_zero)),
    ),
    Cause(
        "silent-steps-skipped",
        "a step without a spike is a step: yours takes the next one for it [FS-4]",
        found_by(lambda scene: [(silent_steps_skipped, {})]),
    ),
    Cause(
        "pooled-count-wraps",
        "all spikes of a channel count: yours counts up to {count} in a step and begins again [PROJ-5]",
        found_by(counts),
    ),
    Cause(
        "first-event-twice",
        "every event counts once: in yours the first counts twice [FS-4]",
        found_by(lambda scene: [(partial(first_event_twice, all_targets=each), {}) for each in (False, True)]),
    ),
    Cause(
        "weight-of-the-other-of-a-pair",
        "each input has its own weight: in yours the second of a pair that spikes alone has that of the first [PROJ-4]",
        found_by(lambda scene: [(partial(weight_of_the_pair, synapses=each), {}) for each in (True, False)]),
    ),
)
