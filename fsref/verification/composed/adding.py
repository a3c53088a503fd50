"""Sums made spike by spike, and what becomes of the sum with each addition (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import product
from typing import TypeAlias

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.verification.adding import ADDED, additions
from fsref.verification.composed.arriving import brought
from fsref.verification.composed.delivering import rows_of
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Mask, Part, held
from fsref.verification.composed.values import BECOMES
from fsref.verification.scene import Scene

CHEAP = 4.5  # words of an addition and what becomes of it
SIMPLE = 2.5  # words of what becomes of a sum with each addition of another kind
FOLLOWED = 512  # additions at a neuron
WAY = 2**13  # sums on the way
CARRIED = range(1, 33)  # bits whose carry may be lost
BITS = range(6, 41)  # of sums that stay
Pair: TypeAlias = Callable[[Ints, Ints], Mask]  # of the sum so far, and what is added
Rule: TypeAlias = Callable[[Ints, Ints], Ints]
Writes: TypeAlias = tuple[tuple[Ints, Mask], ...]  # what is added one after the other, and where something is
Written: TypeAlias = Callable[[Scene, bool], Writes]  # of a scene, step by step together or not

WHEN: tuple[tuple[str, float, Pair], ...] = (
    ("", 0, lambda v, more: more != 0),
    (" of something below 0", 1.5, lambda v, more: more < 0),
    (" of something above 0", 1.5, lambda v, more: more > 0),
    (" to a sum below 0", 1.5, lambda v, more: v < 0),
    (" to a sum of 0 or more", 1.7, lambda v, more: v >= 0),
    (" of something below 0 to a sum below 0", 2, lambda v, more: (v < 0) & (more < 0)),
    (" of something above 0 to a sum above 0", 2, lambda v, more: (v > 0) & (more > 0)),
    (" that leads from below 0 to 0 or more", 2, lambda v, more: (v < 0) & (v + more >= 0)),
    (" that leads from 0 or more to below 0", 2, lambda v, more: (v >= 0) & (v + more < 0)),
)


def adds_otherwise() -> Iterator[Change]:
    """What becomes of the sum with each addition."""
    for (words, far, writes), each in product(WRITES, BECOMES):
        if each.dear <= SIMPLE:
            text = f"in yours the sum {each.text} with each {words}"
            yield _adds(text, each.dear + 1.2 + far, partial(_becomes, each.of, _always), True, None, writes)
    for each in BECOMES:
        if each.dear <= SIMPLE:
            text = f"in yours the sum of each projection, from 0 on, {each.text} with each spike"
            yield Change(text, each.dear + 1.4, partial(_alone, each.of), unsaid=MOSTLY)
    for (words, far, writes), bit in product(WRITES, CARRIED):
        text = f"in yours the sum loses the carry into bit {bit} with each {words}"
        yield _adds(text, 2.4 + far, partial(_carries, bit, _always), True, None, writes)
    for (when, far, test), first in product(WHEN, (True, False)):
        last, dear = ("", far) if first else (", the bias last", far + 0.5)
        for each in BECOMES:
            if each.dear + far < CHEAP:
                text = f"in yours the sum {each.text} with each addition{when}{last}"
                yield _adds(text, each.dear + 1 + dear, partial(_becomes, each.of, test), first, each.of)
        yield _adds(f"in yours an addition{when} is lost{last}", 2 + dear, partial(_loses, test), first)
    for bit, (when, far, test) in product(CARRIED, WHEN[:3]):
        text = f"in yours an addition{when} loses the carry into bit {bit}"
        yield _adds(text, 2.2 + far, partial(_carries, bit, test), True)
    for bits in BITS:
        yield _adds(f"in yours the sum saturates at {bits} bits, and stays there", 3, partial(_stays, bits), True)
    yield Change("in yours an addition to a sum of 0 begins anew with the bias", 2, _begins_anew, _never_anew)


def _alone(of: Callable[[Ints], Ints], part: Part) -> Ints | None:
    """The opening when what each projection adds is summed by itself, spike by spike; None of many."""
    scene = part.scene
    if (p := _adding(scene)) is None or len(scene.into) < len(scene.sums):
        return None
    found = p.bias_map + 0 * scene.codes[p.name]
    for name, q in scene.into.items():
        steps, taps = scene.net.steps[q.source], int(np.prod(q.weights.shape[1:]))
        if steps * taps > FOLLOWED or steps * taps * found.size > ADDED:
            return None
        v = 0 * found
        for t in range(steps):
            for more, there in zip(*brought(scene, name, t), strict=True):
                v = np.where(there, held(scene, of(v + more)), v)
        found = found + v
    return held(scene, rows_of(part, found))


def _always(v: Ints, more: Ints) -> Mask:
    """Each addition, of 0 too."""
    return np.ones(np.broadcast_shapes(v.shape, more.shape), np.bool_)


def _spike_by_spike(scene: Scene, together: bool) -> Writes:
    """What is added with each spike that a weight that is not 0 brings."""
    return tuple((more, more != 0) for more in additions(scene, together))


@lru_cache(maxsize=4)
def _written(zeros: bool, whole: bool, scene: Scene, together: bool) -> Writes:
    """What is added with each spike, those that weights of 0 bring too or not, along a dense with all of them at `once`
    or not; and where it is. Nothing where gates deliver, too, and of many.
    """
    if len(scene.into) < len(scene.sums):
        return ()
    size, found = scene.codes[scene.population.name].size, []
    for name, q in scene.into.items():
        steps, taps = scene.net.steps[q.source], int(np.prod(q.weights.shape[1:]))
        if whole and q.weights.ndim == 2:
            found.append((0, scene.sums[name][None], np.ones((1, *scene.sums[name].shape), np.bool_)))
        elif getattr(q, "pooled", False) or steps * taps * size > ADDED:
            return ()
        else:
            for t in range(steps):
                more, there = brought(scene, name, t)
                found.append((t - steps, more, there if zeros else more != 0))
    if together:
        found.sort(key=lambda one: one[0])
    return tuple(one for _, more, there in found for one in zip(more, there, strict=True))


WRITES: tuple[tuple[str, float, Written], ...] = (
    ("spike, by a weight of 0, too", 0.0, partial(_written, True, False)),
    ("spike along a conv2d, by a weight of 0, too, and with each dense", 0.2, partial(_written, True, True)),
    ("addition along a conv2d, and with each dense", 0.2, partial(_written, False, True)),
)


def _adds(
    text: str,
    dear: float,
    rule: Rule,
    first: bool,
    of: Callable[[Ints], Ints] | None = None,
    writes: Written = _spike_by_spike,
) -> Change:
    """An opening whose additions are made by a rule, which changes nothing where `of` leaves all right sums alone."""

    def gives(part: Part) -> Ints | None:
        held = _on_the_way(part.scene, first)
        idle = of is not None and bool((of(held) == held).all())
        return part.right if idle else _either(part, rule, first, writes)

    return Change(text, dear, gives, partial(_ruled_out, rule, first, writes), unsaid=MOSTLY)


def _ruled_out(rule: Rule, first: bool, writes: Written, part: Part) -> bool:
    """Whether one row that is wrong is not what follows when each addition is made by a rule."""
    found = []
    for together in _orders(part.scene):
        if (one := _one_wrong(part, writes, together)) is None:
            return False
        steps, bias, seen = one
        if len(steps) > FOLLOWED:
            return False  # nothing is said of it
        v = bias if first else 0 * bias
        for more in steps:
            v = held(part.scene, rule(v, more))
        found.append(bool(held(part.scene, v if first else v + bias) != seen))
    return all(found)


def _orders(scene: Scene) -> tuple[bool, ...]:
    """Whether what several projections deliver is added step by step `together`: where one ends alone, it is."""
    return (True, False) if len(scene.into) > 1 else (True,)


@lru_cache(maxsize=16)
def _one_wrong(part: Part, writes: Written = _spike_by_spike, together: bool = True) -> tuple[Ints, Ints, Ints] | None:
    """Of a row that is wrong, one with the fewest additions: what is added (N, 1), its bias (1,) and what was
    seen (1,); None where there is none, or additions are not followed.
    """
    scene, begin = part.scene, 0
    if (p := _adding(scene)) is None:
        return None
    at = rows_of(part, np.arange(scene.count * p.neurons).reshape(-1, *p.shape))  # of each row among the neurons
    for some in _few(scene):
        end = begin + some.count * p.neurons
        wrong = np.flatnonzero(part.wrong & (begin <= at) & (at < end))
        if len(wrong) and (steps := writes(some, together)):
            values, there = (
                np.stack(each).reshape(len(steps), -1)[:, at[wrong] - begin] for each in zip(*steps, strict=True)
            )
            one = int(np.count_nonzero(there, axis=0).argmin())
            row = wrong[one : one + 1]
            bias = np.broadcast_to(p.bias_map, p.shape).ravel()[at[row] % p.neurons]
            return values[there[:, one] > 0, one][:, None], bias, part.seen[row]
        begin = end
    return None


def _adding(scene: Scene) -> FS | Readout | None:
    """The population, where sums into it are made one addition after the other."""
    match scene.population:
        case (FS() | Readout()) as p if not any(getattr(q, "pooled", False) for q in scene.into.values()):
            return p
        case _:
            return None


@lru_cache(maxsize=64)
def _on_the_way(scene: Scene, first: bool) -> Ints:
    """The right sums after each addition, to the bias or without it, each once, from the lowest to the highest, of many
    some; where additions are not followed, integers that each change changes.
    """
    steps = additions(scene, True)
    if not steps:
        return np.arange(-(2**6), 2**6) << np.arange(32)[:, None]
    found: Ints = np.cumsum(np.stack(steps), axis=0)
    if first and scene.opening is not None:
        found = found + scene.opening - sum(scene.sums.values())
    every = np.unique(found)
    return every[np.linspace(0, len(every) - 1, min(len(every), WAY)).astype(np.intp)]


def _either(part: Part, rule: Rule, first: bool, writes: Written) -> Ints | None:
    """The opening when each addition is made by a rule; nothing is said where the order of additions matters: steps or
    projections first. None where they are not followed.
    """
    fewest = None if _adding(part.scene) is None else _one_wrong(part, writes)
    if _adding(part.scene) is None or (fewest is not None and len(fewest[0]) > FOLLOWED):
        return None
    known = [_opened(part, rule, first, writes, together) for together in _orders(part.scene)]
    if (one := known[0]) is None or (other := known[-1]) is None:
        return None
    return np.where(one == other, one, UNSAID)


def _opened(part: Part, rule: Rule, first: bool, writes: Written, together: bool) -> Ints | None:
    """The opening when each addition is made by a rule, from the bias on or with it last, those of all projections
    `together`, step by step, or one projection after the other; None where that is much.
    """
    if (p := _adding(part.scene)) is None:
        return None
    found = [_added(some, p, rule, first, writes, together) for some in _few(part.scene)]
    return None if any(v is None for v in found) else rows_of(part, np.concatenate([v for v in found if v is not None]))


@lru_cache(maxsize=16)
def _few(scene: Scene) -> tuple[Scene, ...]:
    """A scene in parts of so few images that their additions may be followed; the same ones for each change, so that
    their additions are made once.
    """
    if scene.count == 1 or additions(scene, True):
        return (scene,)
    half = scene.count // 2
    return (*_few(scene.rows(slice(0, half))), *_few(scene.rows(slice(half, scene.count))))


def _added(scene: Scene, p: FS | Readout, rule: Rule, first: bool, writes: Written, together: bool) -> Ints | None:
    """The opening of some images when each addition is made by a rule."""
    steps, bias = writes(scene, together), p.bias_map + 0 * scene.codes[p.name]
    v = bias if first else 0 * bias
    for more, there in steps:
        v = np.where(there, held(scene, rule(v, more)), v)
    return (v if first else v + bias) if steps else None


def _begins_anew(part: Part) -> Ints | None:
    """A sum of 0 is taken for one that has not begun."""
    p = _adding(part.scene)
    return None if p is None else _either(part, partial(_anew, p.bias_map), True, _spike_by_spike)


def _never_anew(part: Part) -> bool:
    """The same of one row that is wrong."""
    one = _one_wrong(part)
    return one is not None and _ruled_out(partial(_anew, one[1]), True, _spike_by_spike, part)


def _anew(bias: Ints, v: Ints, more: Ints) -> Ints:
    return np.where(v == 0, bias, v) + more


def _becomes(of: Callable[[Ints], Ints], test: Pair, v: Ints, more: Ints) -> Ints:
    return np.where(test(v, more), of(v + more), v + more)


def _loses(test: Pair, v: Ints, more: Ints) -> Ints:
    return np.where(test(v, more), v, v + more)


def without_carry(bit: int, v: Ints, more: Ints) -> Ints:
    """The sum of two integers, added in two parts, of which the lower one's carry is lost."""
    low = (1 << bit) - 1
    return v + more - (((v & low) + (more & low)) >> bit << bit)


def _carries(bit: int, test: Pair, v: Ints, more: Ints) -> Ints:
    return np.where(test(v, more), without_carry(bit, v, more), v + more)


def _stays(bits: int, v: Ints, more: Ints) -> Ints:
    """A sum that has reached an end stays there."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    return np.where((v == low) | (v == high), v, np.clip(v + more, low, high))
