"""What an engine tells of one population for one batch: the observables of OBS-1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints


@dataclass(frozen=True, eq=False)
class Activity:
    """The observables of one population for B images; what does not exist or was not wanted is None.

    trains (B, C, H, W) uint16 train words; codes, opening (B, C, H, W) int64; membranes (B, K, C, H, W) int64;
    sums: by index of projection, (B, C, H, W) int64.
    """

    population: str
    trains: NDArray[np.uint16] | None = None
    codes: Ints | None = None
    opening: Ints | None = None
    membranes: Ints | None = None
    sums: dict[int, Ints] = field(default_factory=dict)


Wanted: TypeAlias = Mapping[str, frozenset[str]]  # population -> observables to keep
Simulator: TypeAlias = Callable[[Ints, Wanted], Iterator[Activity]]
