"""What an engine tells of one population for one batch: the observables of OBS-1."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.tables import Brief


@dataclass(frozen=True, eq=False, repr=False)
class Activity(Brief):
    """The observables of one population for B images; what does not exist or was not wanted is None.

    trains (B, C, H, W) uint16 train words; codes, opening (B, C, H, W) int64; membranes (B, K, C, H, W) int64;
    sums: by name of projection, (B, C, H, W) int64; counts (B,) int64: spikes, where trains are not told.
    """

    population: str
    trains: NDArray[np.uint16] | None = None
    codes: Ints | None = None
    opening: Ints | None = None
    membranes: Ints | None = None
    sums: dict[str, Ints] = field(default_factory=dict)
    counts: Ints | None = None
