"""Rules by which the windows of a max-pool may fire, and their candidates drop out (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.tables import Brief
from fsref.verification.composed.relation import Mask, later

AGAIN = (2, 4, 8)  # steps behind which all are in again
TURNS = (  # what is not set anew between windows, and their axes of (B, C, H, W)
    ("from window to window of a row", (3,)),
    ("from window to window of a channel", (2, 3)),
    ("from window to window", (1, 2, 3)),
    ("from channel to channel", (1,)),
    ("from row to row", (2,)),
)


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


def rules() -> Iterator[tuple[str, float, Rule]]:
    """Other rules of who fires, and who stays in."""
    yield "no candidate ever drops out", 1.5, lambda own: followed(own, _any, lambda t, s, i, z: i)
    yield "all candidates drop out when none fires", 2, lambda own: followed(own, _any, lambda t, s, i, z: i & s)
    yield "candidates drop out a step late", 1.7, _a_step_late
    for name, where in (("first", 0), ("last", -1)):
        of_tied = partial(_one_of_tied, where)
        yield f"of candidates that fire together the {name} alone stays in", 1.9, of_tied
        yield f"the {name} candidate that fires is the only one from there on", 2.1, partial(_one_for_ever, where)
    yield "all candidates drop out when several fire", 2, lambda own: followed(own, _any, _none_of_tied)
    yield "a window fires when all that are in fire", 2, lambda own: followed(own, _all_in, _stay)
    yield "a window fires when an odd number of candidates fires", 2.3, lambda own: followed(own, _odd, _stay)
    yield "a window in which several candidates fire does not fire", 2.1, lambda own: followed(own, _alone, _stay)
    yield "candidates drop out when one that is out fires, too", 2.2, lambda own: followed(own, _any, _stays_behind_all)
    for n in AGAIN:
        yield f"all candidates are in again behind each {n} steps", 2.2, partial(_again, n)
    for word, step in (("first", 0), ("second", 1), ("last", -1)):
        yield f"no candidate drops out in the {word} step", 1.9, partial(_kept_in, step)
        yield f"candidates drop out in the {word} step alone", 2, partial(_dropped_in, step)
        yield f"all candidates count in the {word} step", 1.9, partial(_all_count, step)
        yield f"no window fires in the {word} step, though candidates drop out", 2.2, partial(_silent, step)
    yield "places outside of the source fire in all steps", 2, partial(_outside, lambda t: True)
    yield "places outside of the source fire in the first step", 2.1, partial(_outside, lambda t: t == 0)
    yield "a window with a place outside of the source has no candidates", 2, _whole_alone
    for words, axes in TURNS:
        yield f"candidates that drop out stay out {words}", 1.9, partial(_kept_out, axes, False)
        yield f"those that are in behind a window are those of the next, {words}", 1.9, partial(_kept_out, axes, True)
        for word, where in (("first", 0), ("last", -1)):
            text = f"the {word} candidate stays out, once it drops out, {words}"
            yield text, 2, partial(_one_kept_out, axes, where)
        yield f"the largest train is kept {words}", 1.8, partial(_largest, axes)
    yield "the train of the window before is there, too, where it is larger", 1.9, _beside
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


def _none_of_tied(t: int, spikes: Mask, still: Mask, z: Mask) -> Mask:
    return np.asarray(_stay(t, spikes, still, z) & ((spikes & still).sum(axis=0) < 2))


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


def _dropped_in(step: int, own: Windows) -> Mask:
    at = step % own.fired.shape[2]
    return followed(own, _any, lambda t, s, i, z: _stay(t, s, i, z) if t == at else i)


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


def _kept_out(axes: tuple[int, ...], first: bool, own: Windows) -> Mask:
    """Spikes of windows whose candidates stay out for those that follow along some axes."""
    return kept_out(own.fired, np.broadcast_to(own.there[:, None], own.fired[:, :, 0].shape), axes, first)


def _one_kept_out(axes: tuple[int, ...], where: int, own: Windows) -> Mask:
    """Spikes of windows of which one candidate alone stays out for those that follow along some axes."""
    there = np.broadcast_to(own.there[:, None], own.fired[:, :, 0].shape)
    return kept_out(own.fired, there, axes, some=np.arange(len(there)) == where % len(there))


def kept_out(fired: Mask, there: Mask, axes: tuple[int, ...], first: bool = False, some: Mask | None = None) -> Mask:
    """Spikes (B, K, C, H, W) of windows that are computed one after another along some axes of (B, C, H, W), each
    without the candidates that have dropped out before: fired (kh * kw, B, K, C, H, W), there (kh * kw, B, C, H, W);
    which are there is known of each, or of the `first` alone. Of `some` alone (kh * kw,) this is so, those among them
    that are not there in the first one are out from there on.
    """
    spikes = np.moveaxis(fired, 2, 0)  # (K, kh * kw, B, C, H, W)
    steps, count, *sizes = spikes.shape
    turns = tuple(sizes[axis] for axis in axes)
    left = tuple(size for axis, size in enumerate(sizes) if axis not in axes)
    to = tuple(range(len(axes)))
    each = np.moveaxis(spikes, [axis + 2 for axis in axes], to).reshape(-1, steps, count, *left)
    inside = np.moveaxis(there, [axis + 1 for axis in axes], to).reshape(-1, count, *left)
    held = None if some is None else some.reshape(-1, *[1] * len(left))
    out = np.zeros((count, *left), np.bool_) if held is None else held & ~inside[0]
    found = np.zeros((len(each), steps, *left), np.bool_)
    for turn, (own, here) in enumerate(zip(each, inside, strict=True)):
        for t, now in enumerate(own):
            still = (inside[0] if first else here) & ~out
            found[turn, t] = (now & still).any(axis=0)
            out = out | (still & ~now & found[turn, t])
        out = out if held is None else out & held
    shaped = np.moveaxis(found.reshape(*turns, steps, *left), to, [axis + 1 for axis in axes])
    return np.moveaxis(shaped, 0, 1)


def _largest(axes: tuple[int, ...], own: Windows) -> Mask:
    """Spikes of windows whose register keeps the largest train of those before along some axes."""
    z = by_law(own)
    words = np.moveaxis(reference.words(z).astype(np.int64), axes, [*range(-len(axes), 0)])
    flat = np.maximum.accumulate(words.reshape(*words.shape[: -len(axes)], -1), axis=-1)
    return reference.input_trains(np.moveaxis(flat.reshape(words.shape), [*range(-len(axes), 0)], axes), z.shape[1])


def _beside(own: Windows) -> Mask:
    z = by_law(own)
    words = reference.words(z).astype(np.int64)
    words[..., 1:] = np.maximum(words[..., 1:], words[..., :-1].copy())
    return reference.input_trains(words, z.shape[1])


def _limited(most: int, own: Windows) -> Mask:
    z = by_law(own)
    return z & (np.cumsum(z, axis=1) <= most)


def late(own: Windows) -> Mask:
    """Spikes of windows that read their candidates a step late."""
    return by_law(replace(own, fired=later(own.fired, 1, 2)))


def early(own: Windows) -> Mask:
    """Spikes of windows that read their candidates a step early."""
    return by_law(replace(own, fired=later(own.fired, -1, 2)))
