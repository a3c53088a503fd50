"""How far the fault of a population reaches: exact statements of all that differs of it (TRACE-3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.law.populations import Shape
from fsref.simulation.shared import Shared

FEW = 4  # channels are named where so many times as many are right


@dataclass
class Extent:
    """The neurons that differ so far, and by how much; more than two amounts are as good as two."""

    neurons: set[int] = field(default_factory=set)
    amounts: set[int | None] = field(default_factory=set)

    def add(
        self,
        part: Shared,
        observed: NDArray[Any],
        expected: NDArray[Any],
        unlike: NDArray[Any],
        unknown: NDArray[Any] | None = None,
    ) -> None:
        """Take in some images of an array, where they differ (B, [steps,] neurons), and which of that is x or z."""
        wrong = unlike != 0
        self.neurons |= {*part.neurons[wrong.reshape(-1, wrong.shape[-1]).any(axis=0)].tolist()}
        if part.key[1] == "spikes" or unknown is not None:
            self.amounts.add(None)
        elif len(self.amounts) < 2:
            less = observed[wrong].astype(np.int64) - expected[wrong]
            beyond = ((less > 0) != (observed[wrong] > expected[wrong])).any()  # no amount of 64 bits
            self.amounts |= {None} if beyond else {int(less.min()), int(less.max())}

    def told(self, shape: Shape, differing: int) -> str:
        """Where all that differs lies, when that is one neuron or few channels, and by how much, when that is one
        amount; or "".
        """
        if differing < 2:
            return ""
        count, area = shape[0], shape[1] * shape[2]
        channels = sorted({neuron // area for neuron in self.neurons})
        parts = []
        if len(self.neurons) == 1 and count * area > 1:
            parts.append(f"neuron {min(self.neurons)} alone")
        elif len(channels) * FEW <= count:
            named = f"channel {channels[0]}" if len(channels) == 1 else f"{len(channels)} channels"
            parts.append(f"{named} of {count} alone")
            parts += ["every place"] if len(self.neurons) == len(channels) * area > 1 else []
        if len(self.amounts) == 1 and None not in self.amounts:
            parts.append(f"always {min(a for a in self.amounts if a is not None):+}")
        return ", ".join(parts)
