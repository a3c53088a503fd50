"""How far the integers of a population in the making go beyond what a chip holds (CHIP-3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import numpy as np

from fsref.activations.coding import Reals
from fsref.conversion.options import Options
from fsref.conversion.quantisation import Quantised, largest_weight
from fsref.conversion.trained import Kept
from fsref.law.neuron import Ints, relu_theta
from fsref.law.populations import FS, Population, Readout
from fsref.law.projections import Projection
from fsref.law.ranges import Proving
from fsref.limits.chip import Limits
from fsref.limits.misfits import accumulated

NEAR, FAR = 1.1, 2.0**20  # where the way is short, and a way that is long enough for one step


class Room:
    """The widths of a chip, and what is proved of the populations made for it so far."""

    def __init__(self, chip: Limits, options: Options) -> None:
        self.chip, self.options, self.proving = chip, options, Proving()

    def add(self, p: Population, into: Sequence[Projection]) -> None:
        """Prove a population, where something is asked of what is proved."""
        if self.chip.membrane_bits is not None:
            self.proving.add(p, into)

    def beyond(self, p: FS | Readout, into: Sequence[Projection], made: Quantised) -> Reals:
        """How many times too large the integers of each channel are, (C,): at most 1 where they fit (CHIP-2)."""
        chip, channels = self.chip, p.shape[0]
        bias = p.bias.reshape(channels, -1)
        found = [_times(np.stack([bias.min(axis=1), bias.max(axis=1)], axis=1), chip.bias_bits)]
        if chip.membrane_bits is not None:
            for constant in made.constants:
                self.proving.add(constant.population, [constant.into])
            found.append(_times(accumulated(self.proving.integrated(p, into), chip), chip.membrane_bits))
        match p:
            case FS():
                T = np.broadcast_to(p.table.T, (channels, p.steps))
                found.append(_times(np.stack([T.min(axis=1), T.max(axis=1)], axis=1), chip.threshold_bits))
            case Readout():
                pass  # it has no thresholds
            case _:
                assert_never(p)
        for constant in made.constants:
            most = np.abs(constant.weights).reshape(channels, -1).max(axis=1)
            found.append(most / largest_weight(self.options, skip=True))
        times: Reals = np.max(found, axis=0)
        return times

    def holds(self, name: str, kept: Kept, into: Sequence[Projection]) -> bool:
        """Whether integers that nobody chose for the chip fit it all the same (CONV-14)."""
        chip, made, table, wide = self.chip, kept.made, kept.table, 0
        fits = made.bias.ndim == 1 or chip.bias_map
        if chip.weight_bits is not None:
            wide = max(int(np.abs(w).max(initial=0)) for w in made.weights)
            fits &= wide < 2 ** (chip.weight_bits - 1)
        if table is not None:
            fits &= chip.tables != "relu" or relu_theta(table) is not None
            fits &= chip.theta != "layer" or table.channels is None
        shape = (len(made.bias), *made.bias.shape[1:], 1, 1)[:3]
        p = Readout(name, shape, made.bias) if table is None else FS(name, shape, table, made.bias)
        return bool(fits and (self.beyond(p, into, made) <= 1).all())


def shrinking(beyond: Reals) -> Reals:
    """By what to shrink integers that are so many times too large, above 1: where far, half of the way in the
    logarithm, since small weights round to less than they shrink.
    """
    return np.where(beyond > NEAR, np.sqrt(np.minimum(beyond, FAR)), np.maximum(beyond, 1 + 1 / 128))


def _times(interval: Ints, bits: int | None) -> Reals:
    """How many times as large as `bits` hold each interval (C, 2) is, (C,); 0 where there is no limit."""
    if bits is None:
        return np.zeros(len(interval))
    with np.errstate(divide="ignore", invalid="ignore"):
        high = np.where(interval[:, 1] > 0, interval[:, 1] / (2.0 ** (bits - 1) - 1), 0.0)
    low: Reals = -interval[:, 0] / 2.0 ** (bits - 1)
    return np.maximum(high, low)
