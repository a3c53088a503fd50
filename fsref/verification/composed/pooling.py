"""What a max-pool sends: in each step whether one of the candidates that are still in fires (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import product

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import MaxPool
from fsref.law.projections import sum_pool
from fsref.tables import Brief
from fsref.verification.composed.placing import told_elsewhere
from fsref.verification.composed.relation import Change, Mask, Part, part_of
from fsref.verification.composed.where import some
from fsref.verification.composed.windows import moves
from fsref.verification.scene import Scene
from fsref.verification.taps import Taps, taps_of

AGAIN = (2, 4, 8)  # steps behind which all are in again
FIRST = (1, 2, 3, 4, 8)  # candidates that are looked at


@dataclass(frozen=True, eq=False, repr=False)
class Windows(Brief):
    """The windows of a max-pool: the spikes of their candidates (kh * kw, B, K, C, H, W), and which of these are places
    of the source, (kh * kw, C, H, W).
    """

    fired: Mask
    there: Mask

    def without(self, dropped: Mask) -> Windows:
        """The same without some candidates, (kh * kw, C, H, W) or what broadcasts to it."""
        there = self.there & ~dropped
        return replace(self, fired=self.fired & there[:, None, None], there=there)

    def steps(self) -> Iterator[tuple[int, Mask]]:
        """Each step, and the spikes of all candidates in it."""
        yield from enumerate(np.moveaxis(self.fired, 2, 0))


Rule = Callable[[Windows], Mask]  # the spikes (B, K, C, H, W) of some windows


def pooling(scene: Scene, p: MaxPool) -> Part | None:
    """Whether a max-pool fires (POOL-1)."""
    words, own = scene.theirs.get("spikes"), _windows(scene, p)
    if words is None or own is None:
        return None
    steps = scene.net.steps[p.name]
    seen = reference.input_trains(words.astype(np.int64), steps)
    right = by_law(own)
    count = own.there.sum(axis=0)
    firing = own.fired.sum(axis=0)
    so_far: Ints = np.cumsum(right, axis=1) - right
    values = {
        "the number of candidates": count,
        "the number of candidates that fire": firing,
        "the number of spikes before": so_far,
    }
    flags = {
        "where the window reaches over a border": count < len(own.there),
        "where it fired before": so_far > 0,
        "where a candidate fires": firing > 0,
        "where all candidates fire": firing == count,
        "where its first candidate fires": own.fired[0],
        "where its last candidate fires": own.fired[-1],
    }
    facts = {
        "the number of kernel rows": p.kernel[0],
        "the number of kernel columns": p.kernel[1],
        "the stride of rows": p.stride[0],
        "the stride of columns": p.stride[1],
        "behind a max-pool": scene.net[p.source].kind == "max_pool",
        "where windows overlap": p.stride[0] < p.kernel[0] or p.stride[1] < p.kernel[1],
        "the number of rows of the source": scene.net[p.source].shape[1],
        "the number of columns of the source": scene.net[p.source].shape[2],
    }
    part = part_of(scene, seen, right, {}, values, flags)
    ones = np.ones(len(part.right), np.int64)
    return replace(part, facts={**part.facts, **{word: int(value) * ones for word, value in facts.items()}})


@lru_cache(maxsize=4)
def _windows(scene: Scene, p: MaxPool) -> Windows | None:
    taps = _taps(scene, p)
    return None if taps is None else _seen(scene, p, taps)


def _taps(scene: Scene, p: MaxPool) -> Taps | None:
    """The places of its windows, as those of a depthwise conv2d."""
    return taps_of(scene, _summing(p))


@lru_cache(maxsize=16)
def _summing(p: MaxPool):  # type: ignore[no-untyped-def]
    return sum_pool(p.source, p.name, p.shape[0], p.kernel, p.stride, p.padding)


def _seen(scene: Scene, p: MaxPool, taps: Taps) -> Windows:
    """What windows see at some places."""
    z = scene.spikes(p.source)
    _, height, width = taps.source
    shape = (*p.shape, taps.r.shape[-2], taps.c.shape[-1])
    address = np.broadcast_to((taps.channel * height + taps.y) * width + taps.x, (*p.shape, 1, *shape[3:]))
    kept = np.broadcast_to(taps.there, address.shape) & (address >= 0) & (address < taps.source[0] * height * width)
    rows = z.reshape(*z.shape[:2], -1)
    fired = rows[:, :, np.where(kept, address, 0).ravel()].reshape(*z.shape[:2], *address.shape) & kept
    candidates = fired.reshape(*z.shape[:2], *p.shape, -1)
    return Windows(np.moveaxis(candidates, -1, 0), np.moveaxis(kept.reshape(*p.shape, -1), -1, 0))


def followed(
    own: Windows, fires: Callable[[int, Mask, Mask], Mask], stays: Callable[[int, Mask, Mask, Mask], Mask]
) -> Mask:
    """Spikes of windows step by step, from the step, the spikes of all candidates and who is in: whether they fire, and
    who is in behind that.
    """
    still = np.broadcast_to(own.there[:, None], own.fired[:, :, 0].shape)
    found = []
    for t, spikes in own.steps():
        z = fires(t, spikes, still)
        found.append(z)
        still = stays(t, spikes, still, z)
    return np.stack(found, axis=1)


def _any(t: int, spikes: Mask, still: Mask) -> Mask:
    return np.asarray((spikes & still).any(axis=0))


def _stay(t: int, spikes: Mask, still: Mask, z: Mask) -> Mask:
    return still & (spikes | ~z)


def by_law(own: Windows) -> Mask:
    """Spikes of windows (POOL-1)."""
    return followed(own, _any, _stay)


def pools_otherwise() -> Iterator[Change]:
    """What a max-pool may do instead."""
    yield Change("yours does not fire", 1, lambda part: 0 * part.seen)
    yield Change("yours fires", 1, lambda part: 0 * part.seen + 1)
    for words, dear, rule in _rules():
        yield Change(f"in yours {words}", dear, partial(_by_rule, rule))
    for words, dear, move in moves():
        yield Change(f"in yours a window {words}", dear, partial(_moved, move))
    for row, column in product(_all("kernel row"), _all("kernel column")):
        if 0 < row[1] + column[1] < 3.3:
            words = f"in yours candidates{row[0]}{' and' if row[1] and column[1] else ''}{column[0]} are left out"
            yield Change(words, 1 + row[1] + column[1], partial(_left_out, row[2], column[2]))
    for n in FIRST:
        many = "candidate of a window is" if n == 1 else f"{n} candidates of a window are"
        yield Change(f"in yours the first {many} looked at", 2.2, partial(_first, n))
    for words, change in (("a step late", _late), ("a step early", _early)):
        yield Change(f"in yours candidates are read {words}", 2, partial(_by_rule, change))
    yield from told_elsewhere()


def _all(name: str) -> list[tuple[str, float, Callable[[int], Mask]]]:
    return [("", 0.0, lambda n: np.ones(n, np.bool_)), *((each.text, each.dear, each.of) for each in some(name))]


def _rules() -> Iterator[tuple[str, float, Rule]]:
    """Other rules of who fires, and who stays in."""
    yield "no candidate ever drops out", 1.5, lambda own: followed(own, _any, lambda t, s, i, z: i)
    yield "all candidates drop out when none fires", 2, lambda own: followed(own, _any, lambda t, s, i, z: i & s)
    yield "candidates drop out a step late", 1.7, _a_step_late
    for name, where in (("first", 0), ("last", -1)):
        of_tied = partial(_one_of_tied, where)
        yield f"of candidates that fire together the {name} alone stays in", 1.9, of_tied
        yield f"the {name} candidate that fires is the only one from there on", 2.1, partial(_one_for_ever, where)
    yield "a window fires when all that are in fire", 2, lambda own: followed(own, _all_in, _stay)
    yield "a window fires when an odd number of candidates fires", 2.3, lambda own: followed(own, _odd, _stay)
    yield "a window in which several candidates fire does not fire", 2.1, lambda own: followed(own, _alone, _stay)
    yield "candidates drop out when one that is out fires, too", 2.2, lambda own: followed(own, _any, _stays_behind_all)
    for n in AGAIN:
        yield f"all candidates are in again behind each {n} steps", 2.2, partial(_again, n)
    for word, step in (("first", 0), ("second", 1), ("last", -1)):
        yield f"no candidate drops out in the {word} step", 1.9, partial(_kept_in, step)
        yield f"all candidates count in the {word} step", 1.9, partial(_all_count, step)
        yield f"no window fires in the {word} step, though candidates drop out", 2.2, partial(_silent, step)
    yield "places outside of the source fire in all steps", 2, partial(_outside, lambda t: True)
    yield "places outside of the source fire in the first step", 2.1, partial(_outside, lambda t: t == 0)
    yield "a window with a place outside of the source has no candidates", 2, _whole_alone
    yield "a window fires once at most", 2.1, partial(_limited, 1)
    for n in (2, 3, 4):
        yield f"a window fires {n} times at most", 2.2, partial(_limited, n)


def _a_step_late(own: Windows) -> Mask:
    still = waiting = np.broadcast_to(own.there[:, None], own.fired[:, :, 0].shape)
    found = []
    for _, spikes in own.steps():
        z = (spikes & still).any(axis=0)
        found.append(z)
        still, waiting = waiting, waiting & (spikes | ~z)
    return np.stack(found, axis=1)


def _one_of_tied(where: int, own: Windows) -> Mask:
    def stays(t: int, spikes: Mask, still: Mask, z: Mask) -> Mask:
        return np.where(z, _only(where, spikes & still), still)

    return followed(own, _any, stays)


def _one_for_ever(where: int, own: Windows) -> Mask:
    def stays(t: int, spikes: Mask, still: Mask, z: Mask) -> Mask:
        return np.where(z & (still.sum(axis=0) > 1), _only(where, spikes & still), still)

    return followed(own, _any, stays)


def _only(where: int, spikes: Mask) -> Mask:
    """The first or last that fires, alone."""
    rows = spikes if where == 0 else spikes[::-1]
    rank: Ints = np.cumsum(rows, axis=0) - rows
    found = rows & (rank == 0)
    return np.asarray(found if where == 0 else found[::-1])


def _all_in(t: int, spikes: Mask, still: Mask) -> Mask:
    return np.asarray((spikes | ~still).all(axis=0) & still.any(axis=0))


def _odd(t: int, spikes: Mask, still: Mask) -> Mask:
    return np.asarray((spikes & still).sum(axis=0) % 2 == 1)


def _alone(t: int, spikes: Mask, still: Mask) -> Mask:
    return np.asarray((spikes & still).sum(axis=0) == 1)


def _stays_behind_all(t: int, spikes: Mask, still: Mask, z: Mask) -> Mask:
    return np.asarray(still & (spikes | ~spikes.any(axis=0)))


def _again(n: int, own: Windows) -> Mask:
    def stays(t: int, spikes: Mask, still: Mask, z: Mask) -> Mask:
        return own.there[:, None] | still & False if (t + 1) % n == 0 else _stay(t, spikes, still, z)

    return followed(own, _any, stays)


def _kept_in(step: int, own: Windows) -> Mask:
    at = step % own.fired.shape[2]
    return followed(own, _any, lambda t, s, i, z: i if t == at else _stay(t, s, i, z))


def _all_count(step: int, own: Windows) -> Mask:
    at = step % own.fired.shape[2]
    return followed(own, lambda t, s, i: np.asarray(s.any(axis=0)) if t == at else _any(t, s, i), _stay)


def _silent(step: int, own: Windows) -> Mask:
    found = by_law(own).copy()
    found[:, step % found.shape[1]] = False
    return found


def _outside(when: Callable[[int], bool], own: Windows) -> Mask:
    steps = np.array([when(t) for t in range(own.fired.shape[2])])[None, None, :, None, None, None]
    fired = own.fired | (~own.there[:, None, None] & steps)
    return by_law(Windows(fired, np.ones_like(own.there)))


def _whole_alone(own: Windows) -> Mask:
    return by_law(own.without(~np.asarray(own.there.all(axis=0))[None]))


def _limited(most: int, own: Windows) -> Mask:
    z = by_law(own)
    return z & (np.cumsum(z, axis=1) <= most)


def _late(own: Windows) -> Mask:
    fired = np.zeros_like(own.fired)
    fired[:, :, 1:] = own.fired[:, :, :-1]
    return by_law(replace(own, fired=fired))


def _early(own: Windows) -> Mask:
    fired = np.zeros_like(own.fired)
    fired[:, :, :-1] = own.fired[:, :, 1:]
    return by_law(replace(own, fired=fired))


def _by_rule(rule: Rule, part: Part) -> Ints | None:
    own = _windows(part.scene, _pool(part))
    return None if own is None else rule(own).astype(np.int64).ravel()


def _moved(move: Callable[[Taps], Taps], part: Part) -> Ints | None:
    p = _pool(part)
    taps = _taps(part.scene, p)
    if taps is None:
        return None
    wrong = move(taps)
    return part.right if wrong.alike(taps) else by_law(_seen(part.scene, p, wrong)).astype(np.int64).ravel()


def _left_out(row: Callable[[int], Mask], column: Callable[[int], Mask], part: Part) -> Ints | None:
    kh, kw = _pool(part).kernel
    dropped = (row(kh)[:, None] & column(kw)).ravel()[:, None, None, None]
    return _by_rule(lambda own: by_law(own.without(dropped)), part)


def _first(n: int, part: Part) -> Ints | None:
    return _by_rule(lambda own: by_law(own.without(np.cumsum(own.there, axis=0) > n)), part)


def _pool(part: Part) -> MaxPool:
    p = part.scene.population
    assert isinstance(p, MaxPool)
    return p
