"""Sums that are made in parts, and what becomes of these before they are put together (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from itertools import product
from typing import TypeAlias

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.arriving import arrived
from fsref.verification.composed.delivering import delivered, read_of, rows_of
from fsref.verification.composed.relation import UNSAID, Change, Part, held
from fsref.verification.composed.values import BECOMES

CHEAP = 2.4  # words of what becomes of a part
MOST, PLANES = 64, 256  # parts of a sum that are put together, and of one step by step
BITS = range(8, 33)  # of sums that are made of words of products
Parts: TypeAlias = Callable[[Part], "list[Ints] | None"]  # some parts of a sum, by rows


def partly_otherwise() -> Iterator[Change]:
    """What may become of parts of a sum."""
    simple = [each for each in BECOMES if each.dear <= CHEAP]
    for words, far, parts in _kinds():
        for each in simple:
            text = f"in yours the sum of {words} {each.text}"
            yield Change(text, each.dear + far, partial(_becomes, each.of, parts))


def runs_over_words() -> Iterator[Change]:
    """What may become of a sum with each word of products that is added to the bias."""
    simple = [each for each in BECOMES if each.dear <= CHEAP]
    for n in (1, 2, 4, 8, 16):
        words = f"word of {n} products" if n > 1 else "product"
        for each in simple:
            text = f"in yours the sum {each.text} with each {words} of codes that is added"
            yield Change(text, each.dear + 1.9, partial(_runs, each.of, partial(_cached, _of_words, n)))
        for bits, (side, clip) in product(BITS, CLIPS.items()):
            text = f"in yours the sum saturates at {bits} bits, {side} alone, with each {words} of codes that is added"
            yield Change(text, 2.4, partial(_runs, partial(clip, bits), partial(_cached, _of_words, n)))


def _above(bits: int, v: Ints) -> Ints:
    return np.minimum(v, (1 << (bits - 1)) - 1)


def _below(bits: int, v: Ints) -> Ints:
    return np.maximum(v, -(1 << (bits - 1)))


CLIPS: dict[str, Callable[[int, Ints], Ints]] = {"above": _above, "below": _below}


def _runs(of: Callable[[Ints], Ints], parts: Parts, part: Part) -> Ints | None:
    """An opening to whose bias parts are added one after the other; nothing is said where the order of projections
    matters.
    """
    each = [] if part.of else [parts(replace(part, of=name)) for name in part.scene.into]
    known = [own for own in each if own is not None]
    if not known or len(known) < len(each):
        return None
    found = []
    for order in (known, known[::-1]):
        v = part.operands["bias"]
        for more in (more for own in order for more in own):
            v = held(part.scene, of(v + more))
        found.append(v)
    return np.where(found[0] == found[1], found[0], UNSAID)


def _kinds() -> Iterator[tuple[str, float, Parts]]:
    yield "the products below 0", 1.5, partial(_cached, _of_sign, -1)
    yield "the products above 0", 1.5, partial(_cached, _of_sign, 1)
    yield "each step", 1.2, partial(_cached, _of_steps, 0)
    yield "each input", 1.5, partial(_cached, _of_inputs, 1)
    yield "each kernel row", 1.6, partial(_cached, _of_kernel, 2)
    yield "each kernel column", 1.7, partial(_cached, _of_kernel, 3)
    for n in (2, 4, 8):
        yield f"each {n} inputs", 1.8, partial(_cached, _of_groups, n)
        yield f"each {n}th input", 1.9, partial(_cached, _of_lanes, n)
        yield f"each word of {n} products of codes", 1.8, partial(_cached, _of_words, n)
        yield f"each step of each {n} inputs, place by place of the kernel,", 1.8, partial(_cached, _of_planes, n)
    for at, name in enumerate(("even", "odd")):
        yield f"{name} inputs", 1.7, partial(_cached, _of_parity, at)
    for at, name in enumerate(("first", "second")):
        yield f"the {name} half of the inputs", 1.9, partial(_cached, _of_half, at)


def _becomes(of: Callable[[Ints], Ints], parts: Parts, part: Part) -> Ints | None:
    each = parts(part)
    return None if each is None else part.right + sum((of(v) - v for v in each), np.zeros_like(part.right))


@lru_cache(maxsize=64)
def _cached(kind: Callable[[int, Part], list[Ints] | None], at: int, part: Part) -> list[Ints] | None:
    """The parts of what a projection delivers; of an opening those of all projections, single ones together."""
    if part.of:
        return kind(at, part)
    found = [kind(at, replace(part, of=name)) for name in part.scene.into]
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        return None
    if all(len(each) == 1 for each in known):
        return [sum((each[0] for each in known), np.zeros_like(part.right))]
    return [own for each in known for own in each]


def _of_sign(sign: int, part: Part) -> list[Ints] | None:
    own = arrived(part.scene, part.of)
    return None if own is None else [rows_of(part, np.where(own.products * sign > 0, own.products, 0).sum(axis=0))]


def _of_steps(_: int, part: Part) -> list[Ints]:
    return [rows_of(part, own) for own in part.scene.step_sums[part.of]]


def _of_inputs(_: int, part: Part) -> list[Ints] | None:
    return _by_weights(part, 1, [[at] for at in range(read_of(part).weights.shape[1])])


def _of_kernel(axis: int, part: Part) -> list[Ints] | None:
    return _by_weights(part, axis, [[at] for at in range(read_of(part).weights.shape[axis])])


def _of_groups(n: int, part: Part) -> list[Ints] | None:
    count = read_of(part).weights.shape[1]
    return _by_weights(part, 1, [[*range(at, min(at + n, count))] for at in range(0, count, n)])


def _of_words(n: int, part: Part) -> list[Ints] | None:
    """What so many weights of an output deliver that lie beside one another, each; None where there are many."""
    read = read_of(part)
    count = int(np.prod(read.weights.shape[1:]))
    if -(-count // n) > PLANES or getattr(read.q, "pooled", False):
        return None
    found = []
    for at in range(0, count, n):
        some = np.zeros((len(read.weights), count), np.int64)
        some[:, at : at + n] = read.weights.reshape(len(some), -1)[:, at : at + n]
        found.append(delivered(part, read.by(some), read.codes))
    return found


def _of_planes(n: int, part: Part) -> list[Ints] | None:
    """What each step delivers of so many inputs at each place of the kernel; None where there are many."""
    read = read_of(part)
    _, count, kh, kw = read.weights.shape
    if len(read.d) * -(-count // n) * kh * kw > PLANES or getattr(read.q, "pooled", False):
        return None
    found = []
    for at, r, c in product(range(0, count, n), range(kh), range(kw)):
        some = np.zeros_like(read.weights)
        some[:, at : at + n, r, c] = read.weights[:, at : at + n, r, c]
        q = read.by(some)
        found += [delivered(part, q, read.spikes[:, t] * read.d[t]) for t in range(len(read.d))]
    return found


def _of_lanes(n: int, part: Part) -> list[Ints] | None:
    count = read_of(part).weights.shape[1]
    return _by_weights(part, 1, [[*range(at, count, n)] for at in range(min(n, count))])


def _of_parity(at: int, part: Part) -> list[Ints] | None:
    return _by_weights(part, 1, [[*range(at, read_of(part).weights.shape[1], 2)]])


def _of_half(at: int, part: Part) -> list[Ints] | None:
    count = read_of(part).weights.shape[1]
    return _by_weights(part, 1, [[*range(count // 2)] if at == 0 else [*range(count // 2, count)]])


def _by_weights(part: Part, axis: int, groups: list[list[int]]) -> list[Ints] | None:
    """What groups of weights along an axis deliver, each; None where there are many."""
    read = read_of(part)
    if len(groups) > MOST or getattr(read.q, "pooled", False):
        return None
    found = []
    for group in groups:
        some = np.zeros_like(read.weights)
        at = [slice(None)] * 4
        at[axis] = group  # type: ignore[call-overload]
        some[tuple(at)] = read.weights[tuple(at)]
        found.append(delivered(part, read.by(some), read.codes))
    return found
