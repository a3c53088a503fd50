"""How many bits a chip has to hold for each population: membranes, codes, weights, biases, candidates of max-pools
(RANGE-6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, MaxPool, Readout
from fsref.law.projections import Projection, taps
from fsref.law.ranges import width_bits


@dataclass(frozen=True)
class Memory:
    """Bits of one population (RANGE-6): its membranes in one buffer, its codes, the weights into it, its bias, its
    candidates; 0 where there are none.

    `membrane_width` and `code_width` are bits of one membrane and of one code.
    """

    membrane_width: int
    membranes: int
    code_width: int
    codes: int
    weights: int
    bias: int
    candidates: int


def hull(values: np.ndarray[tuple[int, ...], np.dtype[np.integer]]) -> Ints:
    """The smallest and largest value, (1, 2)."""
    return np.array([[values.min(), values.max()]], np.int64)


def weight_width(projection: Projection) -> int:
    """The two's complement bits that hold every weight of a projection (RANGE-6)."""
    return width_bits(hull(projection.weights))


def code_width(codes: Ints) -> int:
    """The bits of a code in intervals `codes` (C, 2), without a sign when none is negative (RANGE-6)."""
    return width_bits(codes) - int(codes.min() >= 0)


def candidates(pool: MaxPool, height: int, width: int) -> int:
    """How many candidates all windows of a max-pool on (C, height, width) have together: padded places are none
    (POOL-1, POOL-3).
    """
    (kh, kw), (sy, sx), (top, left, _, _) = pool.kernel, pool.stride, pool.padding
    rows, columns = taps(height, pool.shape[1], top, kh, sy, 1), taps(width, pool.shape[2], left, kw, sx, 1)
    return pool.shape[0] * int(np.diff(rows).sum()) * int(np.diff(columns).sum())


def memories(net: Network) -> dict[str, Memory]:
    """The bits of every population, by name, in order (RANGE-6)."""
    found = {}
    for p in net.populations:
        neurons, proved = int(np.prod(p.shape)), net.ranges[p.name]
        membrane = code = bias = held = 0
        if isinstance(p, FS | Readout):
            membrane = width_bits(proved.any_order) if p.width is None else p.width.bits
            bias = p.bias.size * width_bits(hull(p.bias))
        if not isinstance(p, Readout):
            code = code_width(proved.codes)
        if isinstance(p, MaxPool):
            held = candidates(p, *net[p.source].shape[1:])
        weights = sum(q.weights.size * weight_width(q) for q in net.into(p.name))
        found[p.name] = Memory(membrane, neurons * membrane, code, neurons * code, weights, bias, held)
    return found
