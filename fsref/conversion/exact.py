"""What populations have in real numbers, in sums that are exact, so that every machine finds the same (CONV-9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Reals
from fsref.conversion.folded import Folded, Term, Unit, constant_part, linear, real_sum
from fsref.graph.arithmetic import STRIP
from fsref.graph.exact import cut, room

PRECISE = 2  # slices of both factors: 40 bits and more


def rooms(term: Term, shape: tuple[int, ...]) -> tuple[int, int]:
    """How many bits values and weights of a term over a source of this shape may have."""
    return room(term.weights[0].size * (shape[-2] * shape[-1] if term.pooled else 1))


def strips(weights: NDArray[np.generic]) -> Iterator[slice]:
    """The output channels of a dense layer, few at a time: its weights are many, and cutting them takes several arrays
    of their size; those of a convolution, all at once.
    """
    channels = max(1, STRIP // weights.shape[1]) if weights.ndim == 2 else len(weights)
    return (slice(first, first + channels) for first in range(0, len(weights), channels))


def through(term: Term, values: Reals, weights: NDArray[np.generic]) -> Reals:
    """What `values` (C, H, W) of a source deliver through `weights` to every neuron, (O, H, W): less near zero
    padding.
    """
    bits, weight_bits = rooms(term, values.shape)
    parts = cut(values[None], bits, (0, 1, 2, 3), PRECISE)
    pairs = [(i, k) for i in range(PRECISE) for k in range(PRECISE) if i + k < PRECISE]
    made = list[Reals]()
    for part in strips(weights):
        factors = cut(weights[part].astype(np.float64), weight_bits, tuple(range(1, weights.ndim)), PRECISE)
        made.append(np.sum([linear(term, parts[i], factors[k])[0] for i, k in pairs], axis=0))
    return np.concatenate(made)


def exact_sum(unit: Unit, values: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """As `real_sum`, of values and weights cut to as many bits as leave every sum exact: 20 and more."""
    if unit.pool is not None or unit.view is not None:
        return real_sum(unit, values)
    assert unit.bias is not None
    fixed = unit.bias[:, None, None]
    for term in unit.terms:
        if term.fixed:
            fixed = fixed + constant_part(term, values[term.source].shape[2:])
    made = np.empty((len(values[unit.sources[0]]), *unit.shape), np.float32)
    delivered = [_delivered(term, values[term.source]) for term in unit.terms]
    if unit.product is not None:
        delivered.append(_multiplied(values[unit.product.source], values[unit.product.by]))
    for total, *sums in zip(made, *delivered, strict=True):
        total[:] = sum(sums, fixed)
    return made


def _multiplied(one: NDArray[np.float32], other: NDArray[np.float32]) -> Iterator[Reals]:
    """The product of two values, image by image: of numbers of 24 bits, exact in 53."""
    for left, right in zip(one, other, strict=True):
        yield left.astype(np.float64) * right


def _delivered(term: Term, a: NDArray[np.float32]) -> Iterator[Reals]:
    """What a term delivers of values a (B, C, H, W), image by image, (O, H, W): a dense layer's, of all at once."""
    bits, weight_bits = rooms(term, a.shape)
    if term.weights.ndim == 2:
        values = np.concatenate([cut(image[None], bits, (0, 1, 2, 3))[0] for image in a])
        made = (linear(term, values, cut(term.weights[part], weight_bits, (1,))[0]) for part in strips(term.weights))
        yield from np.concatenate(list(made), axis=1)
        return
    (weights,) = cut(term.weights, weight_bits, (1, 2, 3))
    for image in a:
        yield linear(term, cut(image[None], bits, (0, 1, 2, 3))[0], weights)[0]


def walk(folded: Folded, images: NDArray[np.integer]) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.float32]]]:
    """Name, and value before and after the activation, (B, C, H, W), of the input and every population in turn, for
    images of codes (B, C, H, W).
    """
    x = folded.pixels.normalise(images)
    yield "input", x, x
    del x
    for unit, before, after in folded.walk(images, exact_sum):
        yield unit.name, before, after
