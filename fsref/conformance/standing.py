"""What stands in the accumulators of a device before each projection delivers, if they are cleared by none (CONFORM-7).

Accumulators that populations share are one memory of so many addresses, from 0 on; what was told of the sums of each
projection is what stands in it behind that projection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.conformance.driven import Driven, owner
from fsref.law.neuron import Ints

Stood: TypeAlias = Mapping[str, tuple[Ints, NDArray[np.bool_]]]


class Accumulators:
    """The memory, as far as it is known from what was told since the device was started."""

    def __init__(self) -> None:
        self.values = np.zeros(0, np.int64)
        self.known = np.zeros(0, np.bool_)
        self.fresh = True

    def followed(self, found: Driven) -> Stood:
        """What stood there before each projection of a case, and where that is known; nothing is known of what is
        there when a case has come before, or not all sums of a network were told.
        """
        case = found.case
        sums = [] if case is None else [name for name in case.net.named_projections if (name, "sums") in found.observed]
        if case is None or case.scope != "network" or len(sums) < len(case.net.projections):
            self.forget()
            return {}
        if found.turn:
            self.forget()
        stood = {}
        for p in case.net.populations:
            for name in case.net.into(p.name):
                told = found.observed[name, "sums"]
                self._widen(len(told))
                stood[name] = self.values[: len(told)].copy(), self.known[: len(told)].copy()
                self.values[: len(told)], self.known[: len(told)] = told, True
        return stood

    def forget(self) -> None:
        """Nothing is known any more."""
        self.fresh = False
        self.known[:] = False

    def _widen(self, count: int) -> None:
        """Room for so many addresses, which hold 0 in a device just started."""
        more = max(0, count - len(self.values))
        self.values = np.concatenate([self.values, np.zeros(more, np.int64)])
        self.known = np.concatenate([self.known, np.full(more, self.fresh)])
