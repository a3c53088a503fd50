"""What is left of a search: reached exactly where the sums of a channel are few, or proved unreachable (VECTOR-3)."""

from __future__ import annotations

from math import gcd

import numpy as np
from numpy.typing import NDArray

from fsref.coverage.fields import Fields
from fsref.coverage.group import Bits, Group
from fsref.coverage.knapsack import Sums
from fsref.coverage.openings import Openings
from fsref.law.neuron import Ints

NO_SUM = "no sum of its weights and codes is there"


class Exact:
    """The sums of each channel of an fs or readout, exactly, or as multiples of what its weights and codes have in
    common; `bias` is (C, H, W).
    """

    def __init__(self, fields: Fields, openings: Openings, bias: Ints) -> None:
        self.fields, self.openings, self.bias = fields, openings, bias

    def never(self, group: Group, left: Bits) -> Bits:
        """Which of some bins of a group no stimulus can reach."""
        proved = np.zeros_like(left)
        if group.axes[:1] != ("channel",):
            return proved
        for c in np.flatnonzero(left.reshape(len(left), -1).any(axis=1)).tolist():
            weights, options = self.fields.whole(c)
            biases = np.unique(self.bias[c]).tolist()
            sums = Sums(weights, options) if Sums.fit(weights, options) else None
            common = gcd(*(w * code for w, own in zip(weights.tolist(), options, strict=True) for code in own.tolist()))
            for at in np.argwhere(left[c, None] if left.ndim == 1 else left[c]).tolist():
                index = int(np.ravel_multi_index((c, *at)[: left.ndim], left.shape))
                rows = [row for _, found in self.openings.targets(group, index) for row in found.tolist()]
                if not any(self._meets(sums, common, low - b, high - b) for low, high in rows for b in biases):
                    proved.reshape(-1)[index] = True
        return proved

    @staticmethod
    def _meets(sums: Sums | None, common: int, low: int, high: int) -> bool:
        """Whether a sum may be in low..high."""
        if sums is not None:
            return sums.within(low, high) is not None
        return low <= 0 <= high or (common > 0 and high // common * common >= low)

    def codes(self, channel: int, openings: Ints) -> tuple[NDArray[np.intp], Ints] | None:
        """Inputs, by number, and codes of them that set the membrane of some neuron of a channel into one of these
        intervals (n, 2); None where sums are too many to look at, or none of those looked at has it.
        """
        size = len(self.bias) // self.fields.blocks
        for y, x in _looked_at(*self.bias.shape[1:]):
            at, weights = self.fields.patch(channel // size, y, x)
            own = weights[channel % size]
            at, own = at[own != 0], own[own != 0]
            options = [self.fields.inputs.codes(j) for j in at.tolist()]
            if not Sums.fit(own, options):
                continue
            sums, bias = Sums(own, options), int(self.bias[channel, y, x])
            for low, high in openings.tolist():
                total = sums.within(low - bias, high - bias)
                if total is not None:
                    return at, sums.codes(total)
        return None


def _looked_at(height: int, width: int) -> list[tuple[int, int]]:
    """A place in the middle, those at the sides, and the corners."""
    rows, columns = (dict.fromkeys((n // 2, 0, n - 1)) for n in (height, width))
    return [(y, x) for y in rows for x in columns]
