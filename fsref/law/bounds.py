"""The lowest and highest sums of one projection, and what decides them: taps and weights (RANGE-1, RANGE-2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Conv2d, Dense, Gate, Linear, Projection, taps

Exact: TypeAlias = NDArray[Any]  # int64, or Python integers where int64 might not hold the bound


def spans(projection: Projection, source: Shape, target: Shape) -> tuple[Ints, Ints]:
    """The taps that each row and each column of a conv2d's target sees, (H, 2) and (W, 2); a dense projection has one
    row and column, and all of a gate's see the same.
    """
    match projection:
        case Dense():
            return np.zeros((1, 2), np.int64), np.zeros((1, 2), np.int64)
        case Gate():
            return np.zeros((target[1], 2), np.int64), np.zeros((target[2], 2), np.int64)
        case Conv2d(kernel=kernel, stride=stride, dilation=dilation, padding=(top, left, _, _)):
            rows = taps(source[1], target[1], top, kernel[0], stride[0], dilation[0])
            return rows, taps(source[2], target[2], left, kernel[1], stride[1], dilation[1])
        case _:
            assert_never(projection)


def projection_bounds(
    projection: Linear, source: Shape, seen: tuple[Ints, Ints], ends: tuple[Ints, Ints], exact: bool
) -> tuple[Exact, Exact]:
    """Lowest and highest sum of a projection per channel, row and column, each (O, rows, columns), where `seen` holds
    the taps of these rows and columns (`spans`), when a synapse of weight w from channel c may deliver w·e for e in
    low[c]..high[c], `ends` = (low, high), each (C_source,). RANGE-1 (ends over spikes) and RANGE-2 (ends over codes).
    """
    kind: Any = object if exact else np.int64
    low, high = (end.astype(kind) for end in ends)
    weights = projection.weights
    if isinstance(projection, Dense):
        c, h, w = source
        per_channel = weights.reshape(len(weights), c, -1)
        times = h * w if projection.pooled else 1
        up, down = (signed(per_channel, 0).astype(kind).sum(2) * times for signed in (np.maximum, np.minimum))
        shape = (len(weights), 1, 1)
        return (up * low + down * high).sum(1).reshape(shape), (up * high + down * low).sum(1).reshape(shape)
    groups, (outputs, inputs, kh, kw) = projection.groups, weights.shape
    weights = weights.reshape(groups, -1, inputs, kh, kw)  # PROJ-3
    low, high = low.reshape(groups, inputs), high.reshape(groups, inputs)
    up, down = np.maximum(weights, 0).astype(kind), np.minimum(weights, 0).astype(kind)

    def summed(synapses: Exact, each: Exact) -> Exact:
        """(O, kh, kw): over the channels of a group."""
        total: Exact = np.einsum("goikl,gi->gokl", synapses, each)
        return total.reshape(outputs, kh, kw)

    low_taps, high_taps = summed(down, high), summed(up, high)
    if low.any():  # seldom: most sources send nothing below 0
        low_taps, high_taps = low_taps + summed(up, low), high_taps + summed(down, low)
    return _window_sums(low_taps, *seen), _window_sums(high_taps, *seen)


def gate_bounds(gate: Gate, ends: tuple[Ints, Ints], factor: tuple[Ints, Ints], exact: bool) -> tuple[Exact, Exact]:
    """Lowest and highest sum of a gate per channel, each (C, 1, 1), when its source delivers within `ends` and the code
    of its factor lies within `factor`, each (low, high) of (C,): a product is linear in either, so ends decide.
    """
    kind: Any = object if exact else np.int64
    corners = np.stack([gate.weights.astype(kind) * a.astype(kind) * b.astype(kind) for a in ends for b in factor])
    return corners.min(0)[:, None, None], corners.max(0)[:, None, None]


def _window_sums(per_tap: Exact, rows: Ints, columns: Ints) -> Exact:
    """(O, rows, columns): the sum of (O, kh, kw) over the taps each row and column sees."""
    by_row = _sums(per_tap, rows)
    return _sums(by_row.swapaxes(1, 2), columns).swapaxes(1, 2)


def _sums(values: Exact, spans: Ints) -> Exact:
    """(O, spans, ...): the sums of `values` (O, n, ...) over first <= i < last of each span (spans, 2), in the type of
    the values.
    """
    # Python's 0 among Python integers: int64 would wrap.
    zero = np.zeros_like(values, shape=(len(values), 1, *values.shape[2:]))
    below = np.concatenate([zero, values.cumsum(1)], axis=1)
    total: Exact = below[:, spans[:, 1]] - below[:, spans[:, 0]]
    return total


def alike(seen: Sequence[Ints]) -> list[int]:
    """One row for all that see the same taps in every projection; `seen` holds (H, 2) per projection."""
    first = dict[tuple[int, ...], int]()
    for row, seeing in enumerate(np.concatenate(seen, axis=1).tolist()):
        first.setdefault(tuple(seeing), row)
    return [first[seeing] for seeing in sorted(first)]
