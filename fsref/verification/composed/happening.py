"""Spikes that are meant by what else happens: in their neuron, step and image, and beside them (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import TypeAlias

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.relation import Mask
from fsref.verification.composed.where import Some

# Of spikes that counters and queues hold.
COUNTS = (*range(1, 9), 10, 12, 15, 16, 20, 24, 31, 32, 63, 64, 127, 128)
EVERY = (2, 3, 4, 5, 8, 9, 16, 17, 32, 33, 64, 65, 128, 256)
DEEP = (2, 3, 4)  # steps of pipelines
BANKS, EACH = (2, 4, 8), (1, 2, 3, 4, 8)  # queues by the lowest bits of addresses, and spikes that each holds
GROUPS = (2, 4, 8, 16, 32)  # of neighbours that share a register
WORDS = (8, 16, 32, 64)  # neurons whose spikes lie in one word,
DEPTHS = (2, 4, 8, 16, 32)  # and how many of these a queue holds
AXES = ((2, "channel"), (3, "row"), (4, "column"))  # of spikes (B, K, C, H, W)
Meant: TypeAlias = Some[Ints]  # of spikes (B, K, C, H, W), 0 or 1
Test: TypeAlias = Callable[[Ints], Mask]


def happening() -> Iterator[Meant]:
    """Spikes by what else happens."""
    yield from _of_neuron()
    yield from _of_step()
    yield from _of_image()
    yield from _of_group()
    yield from _of_word()
    yield from _beside()


def those(meant: Meant, z: Ints) -> Mask:
    """Which of spikes (B, K, C, H, W) are meant."""
    rows = meant.of(z)
    if rows.ndim < z.ndim:  # by image alone, or by step and address
        shape = (len(z), int(np.prod(z.shape[1:]))) if rows.ndim == 2 else (*z.shape[:2], int(np.prod(z.shape[2:])))
        rows = np.broadcast_to(rows, shape).reshape(z.shape)
    return np.asarray((z > 0) & rows)


def at_least(n: int) -> Test:
    """Numbers of n or more."""
    return lambda v: np.asarray(v >= n)


def exactly(n: int) -> Test:
    """Numbers that are n."""
    return lambda v: np.asarray(v == n)


def each(n: int) -> Test:
    """Every n-th number, counted from 0."""
    return lambda v: np.asarray(v % n == n - 1)


def behind_each(n: int) -> Test:
    """Each behind a multiple of n, but for the first, counted from 0."""
    return lambda v: np.asarray((v > 0) & (v % n == 0))


def each_second(n: int) -> Test:
    """Numbers from n on, each second one."""
    return lambda v: np.asarray((v >= n) & ((v - n) % 2 == 0))


def but_each(n: int) -> Test:
    """All numbers but each n-th, counted from 0."""
    return lambda v: np.asarray(v % n != 0)


def _of_neuron() -> Iterator[Meant]:
    """By the other spikes of their neuron."""
    yield Some(" right behind another of its neuron", 1.5, partial(_apart, 1, 1, at_least(1)))
    yield Some(" right before another of its neuron", 1.7, partial(_apart, 1, -1, at_least(1)))
    yield Some(" behind a step in which its neuron is silent", 2, _behind_its_silence)
    yield Some(" two steps behind another of its neuron", 2.2, partial(_apart, 1, 2, at_least(1)))
    yield Some(" that is the first of its neuron", 1.5, partial(_ranked, 1, False, exactly(0)))
    yield Some(" that is the last of its neuron", 1.5, partial(_ranked, 1, True, exactly(0)))
    yield Some(" behind the first of its neuron", 1.9, partial(_ranked, 1, False, at_least(1)))
    yield Some(" of a neuron that fires in all steps", 1.8, lambda z: np.asarray(z.all(axis=1, keepdims=True)))
    yield Some(" of a neuron that fires in the last step alone", 2, _in_the_last_alone)
    yield Some(" of a neuron that fires once", 2, partial(_counted, 1, exactly(1)))
    for n in (2, 3, 4, 7, 8):
        yield Some(f" behind the first {n} of its neuron", 2.2, partial(_ranked, 1, False, at_least(n)))
    for n in (2, 4):
        yield Some(f" that is each {_nth(n)} of its neuron", 2.2, partial(_ranked, 1, False, each(n)))


def _of_step() -> Iterator[Meant]:
    """By the other spikes of their step, in the order of addresses."""
    first, last = partial(_in_step, 2, False), partial(_in_step, 2, True)
    yield Some(" that is the first of its step", 1.7, partial(first, exactly(0)))
    yield Some(" that is the last of its step", 1.7, partial(last, exactly(0)))
    yield Some(" that is the first of the first step", 2, partial(_at_end, first, 0))
    yield Some(" that is the last of the last step", 2, partial(_at_end, last, -1))
    yield Some(" of a step in which all fire", 1.9, lambda z: np.asarray(_flat(z).all(axis=2, keepdims=True)))
    yield Some(" that is alone in its step", 2, partial(_count_in_step, exactly(1)))
    yield Some(" of a step of an odd number of spikes", 2.2, partial(_count_in_step, lambda v: np.asarray(v % 2 == 1)))
    yield Some(" of a step of an even number of spikes", 2.2, partial(_count_in_step, lambda v: np.asarray(v % 2 == 0)))
    yield Some(" behind a step without one", 2, _behind_silence)
    for n in COUNTS:
        spikes = "spike" if n == 1 else f"{n} spikes"
        yield Some(f" behind the first {n} of its step", 2, partial(first, at_least(n)))
        yield Some(f" that is the {_nth(n)} of its step", 2.2, partial(first, exactly(n - 1)))
        yield Some(f" of a step of more than {spikes}", 2.1, partial(_count_in_step, at_least(n + 1)))
        yield Some(f" of a step of {spikes}", 2.1, partial(_count_in_step, exactly(n)))
        yield Some(f" before the last {n} of its step", 2.4, partial(last, at_least(n)))
    for banks, n in product(BANKS, EACH):
        words = f" behind the first {n} of its step whose addresses are alike modulo {banks}"
        yield Some(words, 2.3, partial(_banked, banks, at_least(n)))
    for n in EVERY:
        yield Some(f" that is each {_nth(n)} of its step", 2.1, partial(first, each(n)))
    for n in DEPTHS:
        yield Some(f" of its step that comes when a queue of {n} is full", 2.2, partial(first, behind_each(n)))
        text = f" of its step that comes when a queue of {n} is full, or each second behind it"
        yield Some(text, 2.3, partial(first, each_second(n)))
    for n in DEEP:  # sums are read before those of so many spikes less one are written
        words = f" but each {_nth(n)} of its step, counted back from the last,"
        yield Some(words, 2, partial(last, but_each(n)))


def _of_image() -> Iterator[Meant]:
    """By the other spikes of the source for their image, in the order of steps and addresses."""
    yield Some(" that is the first of its source", 1.8, partial(_in_image, False, exactly(0)))
    yield Some(" that is the last of its source", 1.8, partial(_in_image, True, exactly(0)))
    for n in EVERY:
        yield Some(f" that is each {_nth(n)} of its source", 2.1, partial(_in_image, False, each(n)))
    for n in DEEP:
        words = f" but each {_nth(n)} of its source, counted back from the last,"
        yield Some(words, 2.1, partial(_in_image, True, but_each(n)))
    for n in (n for n in COUNTS if n > 6):
        yield Some(f" behind the first {n} of its source", 2.2, partial(_in_image, False, at_least(n)))


def _of_group() -> Iterator[Meant]:
    """By the other spikes of their step among so many neighbours, as they lie in one register."""
    for n in GROUPS:
        group = f"of {n} neighbours" if n > 2 else "of two neighbours"
        yield Some(f" {group} that all fire", 1.8, partial(_grouped, n, _all_fire))
        yield Some(f" that is the last {group} that all fire", 2, partial(_grouped, n, partial(_at, -1)))
        yield Some(f" that is the first {group} that all fire", 2, partial(_grouped, n, partial(_at, 0)))
        yield Some(f" behind the first {group}", 1.9, partial(_grouped, n, partial(_ranked, 3, False, at_least(1))))
        yield Some(f" before the last {group}", 2, partial(_grouped, n, partial(_ranked, 3, True, at_least(1))))
        if n > 2:
            yield Some(f" that is alone {group}", 2.3, partial(_grouped, n, partial(_counted, 3, exactly(1))))


def _of_word() -> Iterator[Meant]:
    """By the other spikes of their step in their word, which is read from its first neuron on."""
    for n, depth in product(WORDS, DEPTHS):
        if depth < n:
            behind, before = partial(_in_word, n, 0, False), partial(_in_word, n, 0, True)
            yield Some(f" behind the first {depth} of its word of {n} neurons", 2.2, partial(behind, at_least(depth)))
            yield Some(f" before the last {depth} of its word of {n} neurons", 2.3, partial(before, at_least(depth)))
    for n in WORDS:
        yield Some(f" that is the first of its word of {n} neurons", 2, partial(_in_word, n, 0, False, exactly(0)))
        yield Some(f" that is the last of its word of {n} neurons", 2, partial(_in_word, n, 0, True, exactly(0)))
        for end, place in (("first", 0), ("last", -1)):
            text = f" of the {end} neuron of a word of {n} that is alone there"
            yield Some(text, 2.2, partial(_alone_at, n, place))
        text = f" that is the first of its word of {n} neurons behind an empty word"
        yield Some(text, 2.3, partial(_behind_empty, n))
        yield Some(f" behind an empty word of {n} neurons of its step", 2.2, partial(_behind_any_empty, n))
        yield Some(f" of a word of {n} neurons whose last one fires", 2.2, partial(_with_its_end, n, -1))
        yield Some(f" of a word of {n} neurons whose first one fires", 2.3, partial(_with_its_end, n, 0))
    for n, (lines, name) in product(WORDS, ((1, "channel"), (2, "row"))):
        for back, side in ((False, "behind the first"), (True, "before the last")):
            text = f" {side} of its {name} in its word of {n} neurons"
            yield Some(text, 2.2 + back / 10, partial(_in_word, n, lines, back, at_least(1)))
    for axes, name in (((4,), "row"), ((3, 4), "channel")):
        yield Some(f" behind an empty {name} of its step", 2, partial(_behind_any_empty_line, axes))
        yield Some(f" behind a {name} of its step with spikes", 2.2, partial(_behind_any_busy_line, axes))
    for n in DEPTHS:
        yield Some(f" of {n} of its step that fill a queue", 2.4, partial(_filling, n, 0))
        yield Some(f" of {n} of its step that fill a queue for which another comes", 2.4, partial(_filling, n, 1))


def _beside() -> Iterator[Meant]:
    """By the spikes of their step beside them."""
    for by, words in ((1, "the neuron before"), (-1, "the next neuron"), (2, "the neuron 2 before")):
        yield Some(f" when {words} fires, too", 1.8, partial(_neighbour, by, at_least(1)))
        yield Some(f" when {words} does not fire", 2.3, partial(_neighbour, by, exactly(0)))
    yield Some(" that is every second one of those side by side in its row", 1.9, _second)
    for axis, name in AXES:
        for by, words in ((1, f"the {name} before"), (-1, f"the next {name}")):
            yield Some(f" when its like in {words} fires, too", 2, partial(_apart, axis, by, at_least(1)))
        alike = partial(_ranked, axis, False, at_least(1))
        yield Some(f" behind the first of its like along {name}s", 2.1, alike)
        for n in (1, 2, 4, 8):
            yield Some(f" of a {name} behind its first {n} of the step", 2.4, partial(_along, axis, at_least(n)))


def _nth(n: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(n, f"{n}th")


def _flat(z: Ints) -> Ints:
    """Spikes of each step by address, (B, K, neurons)."""
    return z.reshape(*z.shape[:2], -1)


def _ranked(axis: int, back: bool, test: Test, z: Ints) -> Mask:
    """A test of how many spikes are before each one along an axis, or behind it."""
    way = np.flip(z, axis) if back else z
    rank: Ints = np.cumsum(way, axis=axis) - way
    return test(np.flip(rank, axis) if back else rank)


def _counted(axis: int, test: Test, z: Ints) -> Mask:
    """A test of how many spikes there are along an axis."""
    count: Ints = z.sum(axis=axis, keepdims=True)
    return test(count)


def _in_step(axis: int, back: bool, test: Test, z: Ints) -> Mask:
    return _ranked(axis, back, test, _flat(z))


def _count_in_step(test: Test, z: Ints) -> Mask:
    return _counted(2, test, _flat(z))


def _in_image(back: bool, test: Test, z: Ints) -> Mask:
    """The same by step and address, (B, K * neurons)."""
    return _ranked(1, back, test, z.reshape(len(z), -1))


def _at_end(test: Callable[[Test, Ints], Mask], step: int, z: Ints) -> Mask:
    """The first or last spike of a step at the end of the window."""
    here = np.arange(z.shape[1]) == step % z.shape[1]
    return np.asarray(test(exactly(0), z) & here[:, None])


def _apart(axis: int, by: int, test: Test, z: Ints) -> Mask:
    """A test of the spikes `by` before along an axis, 0 beyond its ends."""
    found = np.roll(z, by, axis)
    at = [slice(None)] * z.ndim
    at[axis] = slice(0, by) if by > 0 else slice(by, None)
    found[tuple(at)] = 0
    return test(found)


def _neighbour(by: int, test: Test, z: Ints) -> Mask:
    return _apart(2, by, test, _flat(z))


def _second(z: Ints) -> Mask:
    """Every second one of those that stand side by side in a row."""
    found = np.zeros(z.shape, np.bool_)
    for x in range(1, z.shape[-1]):
        found[..., x] = (z[..., x - 1] > 0) & ~found[..., x - 1]
    return found


def _behind_its_silence(z: Ints) -> Mask:
    later = np.arange(z.shape[1]) > 0
    return _apart(1, 1, exactly(0), z) & later[:, None, None, None]


def _in_the_last_alone(z: Ints) -> Mask:
    return np.asarray(~z[:, :-1].any(axis=1, keepdims=True) & np.ones(z.shape[1], np.bool_)[:, None, None, None])


def _behind_silence(z: Ints) -> Mask:
    silent: Mask = ~np.asarray(_flat(z).any(axis=2, keepdims=True))
    found = np.zeros_like(silent)
    found[:, 1:] = silent[:, :-1]
    return found


def _grouped(n: int, test: Test, z: Ints) -> Mask:
    """A test of groups of neighbours (B, K, groups, n), the last of them filled with such as do not fire."""
    groups = _words(n, z)
    return np.broadcast_to(test(groups), groups.shape).reshape(*z.shape[:2], -1)[:, :, : int(np.prod(z.shape[2:]))]


def _banked(banks: int, test: Test, z: Ints) -> Mask:
    """A test of how many spikes of its step are before each one at addresses that are alike."""
    ranked = _ranked(2, False, test, _words(banks, z))
    return ranked.reshape(*z.shape[:2], -1)[:, :, : int(np.prod(z.shape[2:]))]


def _in_word(n: int, lines: int, back: bool, test: Test, z: Ints) -> Mask:
    """A test of how many spikes of its word, and there of its channel or row, are before each one, or behind it."""
    flat = _flat(z)
    order = np.arange(flat.shape[2])[:: -1 if back else 1]
    size = int(np.prod(z.shape[2 + lines :])) if lines else len(order)
    begins = (np.diff(order // n, prepend=-1) != 0) | (np.diff(order // size, prepend=-1) != 0)
    way = flat[:, :, order]
    rank: Ints = np.cumsum(way, axis=2) - way
    rank = rank - rank[:, :, np.maximum.accumulate(begins * np.arange(len(order)))]
    return test(rank[:, :, ::-1] if back else rank)


def _words(n: int, z: Ints) -> Ints:
    """Spikes of each step in words (B, K, words, n), the last of them filled with such as do not fire."""
    flat = _flat(z)
    return np.pad(flat, ((0, 0), (0, 0), (0, -flat.shape[2] % n))).reshape(*flat.shape[:2], -1, n)


def _of_words(n: int, some: Mask, z: Ints) -> Mask:
    """What lies in some words (B, K, words)."""
    return np.repeat(some, n, axis=2)[:, :, : int(np.prod(z.shape[2:]))]


def _behind_empty(n: int, z: Ints) -> Mask:
    """The first of a word whose word before has none."""
    empty: Mask = np.asarray(~_words(n, z).any(axis=3))
    behind = np.insert(empty[:, :, :-1], 0, False, axis=2)
    return np.asarray(_in_word(n, 0, False, exactly(0), z) & _of_words(n, behind, z))


def _behind_any_empty(n: int, z: Ints) -> Mask:
    """Those behind a word that has none."""
    empty: Mask = np.asarray(~_words(n, z).any(axis=3))
    return _of_words(n, np.logical_or.accumulate(empty, axis=2), z)


def _lines_before(axes: tuple[int, ...], z: Ints, of: Callable[[Mask], Mask]) -> Mask:
    """What is so of any row, or channel, before in the step, (B, K, C, H, W)."""
    some = of(np.asarray(z.any(axis=axes, keepdims=True)))
    flat = some.reshape(*z.shape[:2], -1)
    before = np.insert(np.logical_or.accumulate(flat, axis=2)[:, :, :-1], 0, False, axis=2)
    return np.broadcast_to(before.reshape(some.shape), z.shape)


def _behind_any_empty_line(axes: tuple[int, ...], z: Ints) -> Mask:
    """Those behind a row, or channel, that has none."""
    return _lines_before(axes, z, np.logical_not)


def _behind_any_busy_line(axes: tuple[int, ...], z: Ints) -> Mask:
    """Those behind a row, or channel, that has some."""
    return _lines_before(axes, z, np.asarray)


def _with_its_end(n: int, end: int, z: Ints) -> Mask:
    """Those of a word whose first or last neuron fires."""
    return _of_words(n, np.asarray(_words(n, z)[..., end] > 0), z)


def _alone_at(n: int, end: int, z: Ints) -> Mask:
    """Those of the first or last neuron of a word of which no other fires."""
    words = _words(n, z)
    return _of_words(n, np.asarray((words[..., end] > 0) & (words.sum(axis=3) == 1)), z)


def _filling(n: int, more: int, z: Ints) -> Mask:
    """Those of each n of a step that are complete, and behind which so many more come."""
    flat = _flat(z)
    rank: Ints = np.cumsum(flat, axis=2) - flat
    return np.asarray(rank < (flat.sum(axis=2, keepdims=True) - more) // n * n)


def _all_fire(groups: Ints) -> Mask:
    return np.asarray(groups.all(axis=-1, keepdims=True))


def _at(place: int, groups: Ints) -> Mask:
    """One place of groups that all fire."""
    here = np.arange(groups.shape[-1]) == place % groups.shape[-1]
    return np.asarray(_all_fire(groups) & here)


def _along(axis: int, test: Test, z: Ints) -> Mask:
    """A test of how many spikes of each place of an axis are before each one in their step."""
    moved = np.moveaxis(z, axis, 2)
    rows = moved.reshape(*moved.shape[:3], -1)
    return np.moveaxis(_ranked(3, False, test, rows).reshape(moved.shape), 2, axis)
