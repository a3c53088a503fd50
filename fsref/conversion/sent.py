"""The codes that populations really send on the calibration images: what empirical bias correction and refit look at
(CONV-5, CONV-13).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Reals
from fsref.conversion.folded import Unit, linear
from fsref.conversion.levels import fired
from fsref.conversion.quantisation import Quantised
from fsref.conversion.sources import Factors, Source
from fsref.graph.arithmetic import max_pool, viewed
from fsref.law.neuron import Ints, Table

BATCH = 16  # images simulated at a time
EXACT = 2**24  # whole numbers up to here are exact in 32 bits; REACH is far below those of 64, 2^53


class Sent:
    """`codes` (B, C, H, W) by population, of all images; `sources` say what they are."""

    def __init__(self, images: NDArray[np.integer], sources: Mapping[str, Source]) -> None:
        self.codes: dict[str, NDArray[np.integer]] = {"input": images}
        self.sources = sources

    def relay(self, unit: Unit) -> None:
        """Add those of a max-pool or a view."""
        if unit.view is not None:
            self.codes[unit.name] = viewed(self.codes[unit.view.source], unit.view.rows, unit.view.columns)
        if (pool := unit.pool) is not None:
            codes = self.codes[pool.source]
            few = (codes[first : first + BATCH] for first in range(0, len(codes), BATCH))
            # Of at most 16 bits: exact in 32.
            made = (max_pool(part.astype(np.float32), pool.kernel, pool.stride, pool.padding) for part in few)
            self.codes[unit.name] = np.concatenate([part.astype(np.uint16) for part in made])

    def fire(self, unit: Unit, made: Quantised, table: Table) -> None:
        """Add those of an FS population."""
        self.codes[unit.name] = np.concatenate([fired(table, v) for v in self._membranes(unit, made)])

    def _membranes(self, unit: Unit, made: Quantised) -> Iterator[Ints]:
        """The membranes (b, C, H, W) of a unit, a few images at a time."""
        exact = np.float32 if self._most(unit, made) < EXACT else np.float64
        for first in range(0, len(self.codes["input"]), BATCH):
            part = slice(first, first + BATCH)
            sums = [
                linear(term, self.codes[term.source][part].astype(exact), weights.astype(exact))
                for term, weights in zip(unit.terms, made.weights, strict=True)
            ]
            if (factors := self._factors(unit)) is not None and made.gate is not None:
                sums.append(self._product(factors, part, made.gate))
            yield sum(sums).astype(np.int64) + made.start  # type: ignore[union-attr]

    def _factors(self, unit: Unit) -> Factors | None:
        """The two sources of a product, if the unit is one."""
        return Factors.of(unit.product, self.sources)

    def _product(self, factors: Factors, part: slice, gate: Ints) -> Ints:
        """What a product delivers of these images."""
        one, other = (self.codes[name][part] for name in (factors.product.source, factors.product.by))
        return factors.delivered(one.astype(np.int64), other.astype(np.int64), gate)

    def _most(self, unit: Unit, made: Quantised) -> float:
        """A bound on the magnitude of every partial sum of a unit, without its bias."""
        total = np.zeros(unit.shape[0])
        for term, weights in zip(unit.terms, made.weights, strict=True):
            source = self.sources[term.source]
            places = source.shape[1] * source.shape[2] if term.pooled else 1
            total += np.abs(weights).reshape(len(weights), -1).sum(axis=1) * source.top * places
        return float(total.max())

    def corrected(self, unit: Unit, made: Quantised, shift: Ints, before: Reals) -> Quantised:
        """The integers with biases moved so that each channel's mean membrane is the float one, `before` (C,)
        (CONV-5).
        """
        count = len(self.codes["input"])
        total = count * made.start
        for term, weights in zip(unit.terms, made.weights, strict=True):
            codes = self.codes[term.source].sum(axis=0, dtype=np.float64)[None]  # what is linear can be added first
            total = total + linear(term, codes, weights.astype(np.float64))[0].astype(np.int64)
        if (factors := self._factors(unit)) is not None and made.gate is not None:
            for first in range(0, count, BATCH):
                total = total + self._product(factors, slice(first, first + BATCH), made.gate).sum(axis=0)
        mean = np.broadcast_to(total, unit.shape).sum(axis=(1, 2)) / (count * unit.shape[1] * unit.shape[2])
        less = np.rint(mean - shift - before / made.membrane_unit).astype(np.int64)
        return replace(made, bias=made.bias - (less[:, None, None] if made.bias.ndim == 3 else less))

    def forget(self, names: Iterable[str]) -> None:
        """Free the codes of these, which no later unit reads."""
        for name in names:
            if name != "input":
                self.codes.pop(name, None)
