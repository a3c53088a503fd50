"""Weights that become others or stand elsewhere, and products that are lost or become others (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.coinciding import meant_by
from fsref.verification.composed.delivering import TIMES, Read, delivered, read_of
from fsref.verification.composed.happening import happening
from fsref.verification.composed.layouts import layouts
from fsref.verification.composed.relation import Change, Mask, Part
from fsref.verification.composed.values import BECOMES, Becomes
from fsref.verification.composed.where import Other, Some, others, some, sources, steps, weights

CHEAP = 4.6  # words of a weight and what becomes of it
PLAIN, LOSING = 2.0, ("is 0", "is doubled", "has the other sign")  # of what becomes of products of some spikes
FAR = 4.65  # and of one that is another
LANES, SIGNED = (2, 4, 8), (4, 5, 6, 7, 8, 12, 16)  # weights in a word, and bits of each
MOST_PLANES = 128  # that one change of products delivers
DRIFTS = {1: "output", 2: "two outputs", 4: "four outputs", 8: "eight outputs"}
SIGNS: tuple[Some[Ints], ...] = (
    Some("", 0, lambda v: np.ones(v.shape, np.bool_)),
    Some(" below 0", 1, lambda v: v < 0),
    Some(" above 0", 1, lambda v: v > 0),
)


def weights_otherwise() -> Iterator[Change]:
    """Other weights."""
    some_weights = list(weights())
    for each, where in product(BECOMES, some_weights):
        if where.dear + each.dear < CHEAP:
            text = f"in yours a weight{where.text} {each.text}"
            yield Change(text, each.dear + 0.5 + where.dear, partial(_become, each, where))
    for lanes, bits in product(LANES, SIGNED):
        for at in range(lanes):
            where = Some(f" of inputs {at}, {at + lanes}, ...", 0, partial(_of_lane, lanes, at))
            change = partial(_become, Becomes(f"has {bits} bits without a sign", 0, partial(_unsigned, bits)), where)
            yield Change(f"in yours a weight{where.text} has {bits} bits without a sign", 2.6, change)
    for axis, name in enumerate(("output", "input", "kernel row", "kernel column")):
        for other, where in product(list(others(name)), some_weights):
            if where.dear + other.dear < FAR and (not where.dear or where.text.startswith(" of")):
                text = f"in yours a weight{where.text} is that of {other.text}"
                yield Change(text, other.dear + where.dear, partial(_weigh, partial(_taken, axis, other), where))
    yield Change("in yours a weight is that of the output as groups would be interleaved", 2.4, _interleaved)
    yield Change("in yours a weight is that of the first group of the conv2d", 2, _first_group)
    for words, dear, layout in layouts():
        yield Change(f"in yours weights {words}", dear, partial(_weigh, layout, some_weights[0]))
    for by, word in ((1, "further"), (-1, "less")):
        for rise, each_of in DRIFTS.items():
            text = f"in yours the address of a weight is one {word} with each {each_of}"
            yield Change(text, 3, partial(_weigh, partial(_drifted, rise, by), some_weights[0]))
        text = f"in yours the address of a weight is one too {'high' if by > 0 else 'low'}"
        yield Change(text, 2, partial(_weigh, partial(_rolled, by), some_weights[0]))


def _of_lane(lanes: int, at: int, w: Ints) -> Mask:
    here = np.arange(w.shape[1]) % lanes == at
    return np.broadcast_to(here[:, None, None], w.shape)


def _unsigned(bits: int, v: Ints) -> Ints:
    return v & ((1 << bits) - 1)


def _first_group(part: Part) -> Ints:
    read = read_of(part)
    groups, count = getattr(read.q, "groups", 1), len(read.weights)
    order = np.arange(count) % (count // groups)
    return part.right if groups == 1 else delivered(part, read.by(read.weights[order]), read.codes)


def _interleaved(part: Part) -> Ints:
    read = read_of(part)
    groups, count = getattr(read.q, "groups", 1), len(read.weights)
    order = np.arange(count) % (count // groups) * groups + np.arange(count) // (count // groups)
    return part.right if groups in (1, count) else delivered(part, read.by(read.weights[order]), read.codes)


def _taken(axis: int, other: Other, w: Ints) -> Ints:
    return np.take(w, other.of(w.shape[axis]), axis)


def _drifted(rise: int, by: int, w: Ints) -> Ints:
    rows = w.reshape(len(w), -1)
    at = np.arange(rows.size).reshape(rows.shape) + by * (np.arange(len(rows)) // rise)[:, None]
    return np.take(rows, at % rows.size).reshape(w.shape)


def _rolled(by: int, w: Ints) -> Ints:
    return np.roll(w.ravel(), -by).reshape(w.shape)


def _become(each: Becomes, where: Some[Ints], part: Part) -> Ints:
    values = read_of(part).values
    return part.right if (each.of(values) == values).all() else _weigh(each.of, where, part)


def _weigh(of: Callable[[Ints], Ints], where: Some[Ints], part: Part) -> Ints:
    read = read_of(part)
    w = read.weights
    changed = np.where(where.of(w), of(w), w)
    return part.right if (changed == w).all() else delivered(part, read.by(changed), read.codes)


def products_otherwise() -> Iterator[Change]:
    """Products that are lost or count otherwise, by their place in the kernel and in the source, and others."""
    rows, columns = (list(some(f"kernel {name}"))[:4] for name in ("row", "column"))
    for row, column in product(rows, columns):
        for times, what, dear in TIMES[:2]:
            text = f"in yours a product{row.text} and{column.text.removeprefix(' of')} {what}"
            yield Change(text, dear + row.dear + column.dear - 1, partial(_taps, times, row, column))
    simple = [each for each in weights() if 0 < each.dear < 2]
    for where, which in product([each for each in sources() if 0 < each.dear < 2], simple):
        for times, what, dear in TIMES[:2]:
            text = f"in yours a product by a weight{which.text} from a neuron{where.text} {what}"
            yield Change(text, dear + where.dear + which.dear, partial(_products, times, where, which))
    for each, sign, when in product(BECOMES, SIGNS, steps()):
        if when.dear < 1.6 and each.dear + sign.dear + when.dear < 4.2:
            text = f"in yours a product{sign.text}{when.text} {each.text}"
            dear = each.dear + 0.8 + sign.dear + when.dear
            yield Change(text, dear, partial(_multiply, each, sign, partial(_in_steps, when)))
    for each, sign in product(BECOMES, SIGNS[1:]):
        if each.dear + sign.dear < 4.2:
            text = f"in yours a product by a weight{sign.text} {each.text}"
            change = partial(_multiply_by, each, sign)
            yield Change(text, each.dear + 1 + sign.dear, change)
    plain = [each for each in BECOMES if each.dear <= PLAIN and each.text not in LOSING]
    for each, meant in product(plain, happening()):
        if meant.dear < 2.1:
            text = f"in yours a product of a spike{meant.text} {each.text}"
            change = partial(_multiply, each, SIGNS[0], partial(meant_by, meant))
            yield Change(text, each.dear + 0.6 + meant.dear, change)


def _taps(times: int, row: Some[int], column: Some[int], part: Part) -> Ints:
    read = read_of(part)
    w = read.weights
    kept = row.of(w.shape[2])[:, None] & column.of(w.shape[3])
    chosen = w * kept
    return part.right + (times - 1) * delivered(part, read.by(chosen), read.codes) if chosen.any() else part.right


def _products(times: int, where: Some[tuple[int, ...]], which: Some[Ints], part: Part) -> Ints:
    read = read_of(part)
    plane = read.codes * where.of(read.codes.shape[1:])
    chosen = np.where(which.of(read.weights), read.weights, 0)
    some_left = chosen.any() and plane.any()
    return part.right + (times - 1) * delivered(part, read.by(chosen), plane) if some_left else part.right


def _in_steps(when: Some[int], part: Part, read: Read) -> Mask:
    """The spikes (B, K, C, H, W) of some steps."""
    return read.spikes & when.of(read.spikes.shape[1])[:, None, None, None]


def _multiply_by(each: Becomes, sign: Some[Ints], part: Part) -> Ints | None:
    """Products by weights of a sign, with any d."""
    return _multiply(each, SIGNS[0], lambda _, read: read.spikes, part, sign)


def _multiply(
    each: Becomes,
    sign: Some[Ints],
    spikes: Callable[[Part, Read], Mask],
    part: Part,
    weight: Some[Ints] = SIGNS[0],
) -> Ints | None:
    read = read_of(part)
    rows = read.d[:, :, 0, 0]
    if len(read.kinds) * len(rows) > MOST_PLANES:
        return None
    if (each.of(read.products) == read.products).all():
        return part.right
    found, meant = part.right, spikes(part, read)
    for channels in read.kinds:  # of one row of d
        for t in np.flatnonzero(meant.any(axis=(0, 2, 3, 4))):
            products = read.weights * rows[t, channels[0]]
            some = sign.of(products) & weight.of(read.weights) & (read.weights != 0)
            changed = np.where(some, each.of(products), products)
            if (changed != products).any():
                plane = np.zeros_like(read.codes)
                plane[:, channels] = meant[:, t][:, channels]
                found = found + delivered(part, read.by(changed - products), plane)
    return found
