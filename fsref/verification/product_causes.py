"""Mistakes of the product of a weight and d (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.projections import Linear
from fsref.verification.consequences import Cause
from fsref.verification.deliveries import Mistake, found_by
from fsref.verification.scene import Scene
from fsref.verification.widths import wrapped

BITS = (8, 12, 16, 20, 24, 32)  # of a product

Product: TypeAlias = Callable[[Ints, int], Ints]  # from weights and a d, to what more a product is than it should be


def multiplied(scene: Scene, name: str, q: Linear, product: Product, steps: slice = slice(None)) -> Ints:
    """What a projection delivers whose products in some steps of its source are more by so much."""
    d, spikes, w = scene.net.code_weights[q.source], scene.spikes(q.source), q.weights.astype(np.int64)
    sums = scene.sums[name]
    for t in range(d.shape[1])[steps]:
        for each in np.unique(d[:, t]):
            more = product(w, int(each))
            if more.any():
                plane = (spikes[:, t] & (d[:, t] == each)[:, None, None]).astype(np.int64)
                unit = int(np.gcd.reduce(more, axis=None))
                wrong = reference.along(plane, replace(q, weights=more // unit), scene.population.shape)
                sums = sums + unit * wrong
    return sums


def too_narrow(scene: Scene) -> Iterator[Mistake]:
    """Products of fewer bits than they need."""

    def cut(w: Ints, d: int, bits: int) -> Ints:
        return wrapped(w * d, bits) - w * d

    for bits in BITS:
        yield partial(multiplied, product=partial(cut, bits=bits)), {"bits": bits}


def one_lower(scene: Scene) -> Iterator[Mistake]:
    """Negative products are one lower, in all steps, or in the last or the first alone."""

    def lower(w: Ints, d: int) -> Ints:
        return np.where(w * d < 0, -1, 0)

    for steps in (slice(None), slice(-1, None), slice(1)):
        yield partial(multiplied, product=lower, steps=steps), {}


def signs_joined(scene: Scene) -> Iterator[Mistake]:
    """Of two negative ones the product is negative."""

    def joined(w: Ints, d: int) -> Ints:
        return np.where((w < 0) & (d < 0), -2 * w * d, 0)

    yield partial(multiplied, product=joined), {}


PRODUCTS = (
    Cause(
        "products-too-narrow",
        "w * d does not fit {bits} bits: yours wraps there [PROJ-7]",
        found_by(too_narrow),
    ),
    Cause(
        "negative-products-one-lower",
        "w * d is exact: yours is one lower where it is negative, a complement of ones [PROJ-1]",
        found_by(one_lower),
    ),
    Cause(
        "product-of-negatives-negative",
        "w * d of two negative numbers is positive: yours is negative [PROJ-1]",
        found_by(signs_joined),
    ),
)
