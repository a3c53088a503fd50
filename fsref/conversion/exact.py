"""What populations have in real numbers, in sums that are exact, so that every machine finds the same (CONV-9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Reals
from fsref.conversion.folded import Folded, Term, Unit, constant_part, linear, real_sum
from fsref.graph.exact import cut, room

PRECISE = 2  # slices of both factors: 40 bits and more


def rooms(term: Term, shape: tuple[int, ...]) -> tuple[int, int]:
    """How many bits values and weights of a term over a source of this shape may have."""
    return room(term.weights[0].size * (shape[-2] * shape[-1] if term.pooled else 1))


def through(term: Term, values: Reals, weights: NDArray[np.generic]) -> Reals:
    """What `values` (C, H, W) of a source deliver through `weights` to every neuron, (O, H, W): less near zero
    padding.
    """
    bits, weight_bits = rooms(term, values.shape)
    parts = cut(values[None], bits, (0, 1, 2, 3), PRECISE)
    factors = cut(weights.astype(np.float64), weight_bits, tuple(range(1, weights.ndim)), PRECISE)
    pairs = [(i, k) for i in range(PRECISE) for k in range(PRECISE) if i + k < PRECISE]
    total: Reals = np.sum([linear(term, parts[i], factors[k])[0] for i, k in pairs], axis=0)
    return total


def exact_sum(unit: Unit, values: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """As `real_sum`, of values and weights cut to as many bits as leave every sum exact: 20 and more."""
    if unit.pool is not None or unit.view is not None:
        return real_sum(unit, values)
    assert unit.bias is not None
    given = [values[term.source] for term in unit.terms]
    bits = [rooms(term, a.shape) for term, a in zip(unit.terms, given, strict=True)]
    factors = [
        cut(term.weights, weight_bits, tuple(range(1, term.weights.ndim)))[0]
        for term, (_, weight_bits) in zip(unit.terms, bits, strict=True)
    ]
    fixed = unit.bias[:, None, None]
    factors_of = None if unit.product is None else (values[unit.product.source], values[unit.product.by])
    for term, a in zip(unit.terms, given, strict=True):
        if term.constant is not None:
            fixed = fixed + constant_part(term, a.shape[2:])
    made = np.empty((len(values[unit.sources[0]]), *unit.shape), np.float32)
    for i, total in enumerate(made):
        exact = fixed
        if factors_of is not None:  # numbers of 24 bits each: exact in 53
            exact = exact + factors_of[0][i].astype(np.float64) * factors_of[1][i]
        for term, a, (value_bits, _), weights in zip(unit.terms, given, bits, factors, strict=True):
            exact = exact + linear(term, cut(a[i : i + 1], value_bits, (0, 1, 2, 3))[0], weights)[0]
        total[:] = exact
    return made


def walk(folded: Folded, images: NDArray[np.integer]) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.float32]]]:
    """Name, and value before and after the activation, (B, C, H, W), of the input and every population in turn, for
    images of codes (B, C, H, W).
    """
    x = folded.pixels.normalise(images)
    yield "input", x, x
    del x
    for unit, before, after in folded.walk(images, exact_sum):
        yield unit.name, before, after
