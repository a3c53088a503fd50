"""What a table is worth as a function: its errors on every integer, its spikes, what it gives outside (FIT-6)."""

from __future__ import annotations

from collections.abc import Mapping
from math import fsum
from types import MappingProxyType
from typing import Any

import numpy as np

from fsref.activations.coding import Reals
from fsref.activations.grid import Grid
from fsref.activations.least_squares import least_squares
from fsref.formats.tables import Approximation
from fsref.law.neuron import Ints, Table, staircase


def codes_of(table: Table, low: int, high: int) -> tuple[Ints, Ints]:
    """The code of each membrane low..high of a table (K,), and its spikes: the staircase written out (FS-6)."""
    found = staircase(table.T, table.h, table.d, low, high)
    lengths = np.diff(np.append(found.start, high + 1))
    return np.repeat(found.code, lengths), np.repeat(np.bitwise_count(found.train).astype(np.int64), lengths)


def measured(name: str, grid: Grid, table: Table, scale: float, provenance: Mapping[str, Any]) -> Approximation:
    """A table (K,) as what it is on a grid: errors of every integer, summed exactly and rounded once."""
    codes, spikes = codes_of(table, grid.low, grid.high)
    errors: Reals = codes * scale - grid.values
    return Approximation(
        name,
        grid.function.name,
        table,
        grid.unit,
        scale,
        grid.low,
        grid.high,
        fsum((grid.weights * errors * errors).tolist()),
        float(np.abs(errors).max()),
        fsum((grid.occurring * spikes).tolist()),
        len(np.unique(codes)),
        MappingProxyType(dict(provenance)),
    )


def best_mse(grid: Grid, outputs: int) -> float:
    """The least weighted mean square error of any staircase with so many outputs on a grid, by dynamic programming
    (FIT-7).
    """
    order = np.argsort(grid.values, kind="stable")
    values, weights = grid.values[order], grid.weights[order]
    parts = np.stack([weights, weights * values, weights * values * values], axis=1)
    sums = np.concatenate([np.zeros((1, 3)), np.cumsum(parts, axis=0)])
    room = np.empty(len(sums)), np.empty(len(sums)), np.empty((64, 4), np.int64)
    return max(0.0, float(least_squares(sums, outputs, *room)))
