"""What a unit reads: populations as others see them, and the two of a product (CONV-6, CONV-16)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fsref.activations.coding import Reals
from fsref.conversion.folded import Product
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Conv2d, Gate, Projection
from fsref.tables import Brief


@dataclass(frozen=True, eq=False, repr=False)
class Source(Brief):
    """What a unit reads: a population of `shape` whose code q, 0..top, stands for scale * (q - offset), both (C,).

    On calibration images `power` (C,) is the mean square of q - offset and `mean` (C, H, W) its mean; None without
    images. Of a view `there` (H, W) is 1 where it shows a place and 0 where it shows nothing: code 0, which there
    stands for 0; None: everywhere.
    """

    shape: Shape
    scale: Reals
    offset: Reals
    top: int
    power: Reals
    mean: Reals | None
    there: Reals | None = None

    @property
    def offsets(self) -> Reals:
        """The offset at every place, (C, H, W)."""
        found = np.broadcast_to(self.offset[:, None, None], self.shape)
        return found if self.there is None else found * self.there


@dataclass(frozen=True, eq=False, repr=False)
class Factors(Brief):
    """The two sources of a product."""

    product: Product
    source: Source
    by: Source

    @classmethod
    def of(cls, product: Product | None, sources: Mapping[str, Source]) -> Factors | None:
        """Those of a product; None where there is none."""
        return None if product is None else cls(product, sources[product.source], sources[product.by])

    @property
    def per_code(self) -> Reals:
        """What a product of two codes is worth, (C,)."""
        found: Reals = self.source.scale * self.by.scale
        return found

    @property
    def widest(self) -> Reals:
        """The same, times the largest factor that takes an offset back, (C,)."""
        offsets = np.maximum(np.abs(self.source.offset), np.abs(self.by.offset))
        found: Reals = self.per_code * np.maximum(offsets, 1.0)
        return found

    @property
    def largest(self) -> Reals:
        """A bound (C,) on the magnitude of the product of two codes, and of what offsets add on the way."""
        one, other = (s.top + np.abs(s.offset) for s in (self.source, self.by))
        found: Reals = one * other
        return found

    @property
    def power(self) -> Reals:
        """The mean square of the product of both, offsets taken away, (C,), as if they did not depend on each other."""
        found: Reals = self.source.power * self.by.power
        return found

    def start(self, weights: Ints) -> Ints:
        """What the product of both offsets adds to the bias, (C,)."""
        found: Ints = np.rint(weights * self.source.offset * self.by.offset).astype(np.int64)
        return found

    def delivered(self, codes: Ints, by: Ints, weights: Ints) -> Ints:
        """What the projections of a product deliver, (b, C, H, W), of codes of both: all but `start`."""
        one, other = (s.offset[:, None, None].astype(np.int64) for s in (self.source, self.by))
        found: Ints = weights[:, None, None] * (codes * by - other * codes - one * by)
        return found

    def into(self, target: str, weights: Ints) -> list[Projection]:
        """The gate into a population, and the projections that take offsets back."""
        made: list[Projection] = [Gate(self.product.source, self.product.by, target, weights)]
        for name, offset in (
            (self.product.source, self.by.offset),
            (self.product.shown or self.product.by, self.source.offset),
        ):
            factors = np.rint(-weights * offset).astype(np.int64)
            if factors.any():
                made.append(Conv2d(name, target, factors[:, None, None, None], groups=len(factors)))
        return made
