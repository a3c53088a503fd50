"""How many bits a chip has to hold for each population: membranes, codes, weights, biases, candidates of max-pools
(RANGE-6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, View
from fsref.law.projections import Gate, Projection, taps
from fsref.law.ranges import width_bits


@dataclass(frozen=True)
class Memory:
    """Bits of one population (RANGE-6): its membranes in one buffer, its codes, the weights into it, its bias, its
    candidates, the registers of gates into it in one buffer; 0 where there are none.

    `membrane_width` and `code_width` are bits of one membrane and of one code.
    """

    membrane_width: int
    membranes: int
    code_width: int
    codes: int
    weights: int
    bias: int
    candidates: int
    registers: int = 0


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
        membrane = code = bias = held = 0
        proved = net.ranges[p.name]
        match p:
            case Input() | View():
                code = code_width(proved.codes)
            case MaxPool():
                code, held = code_width(proved.codes), candidates(p, *net[p.source].shape[1:])
            case FS():
                code, membrane, bias = code_width(proved.codes), membrane_width(net, p), bias_bits(p)
            case Readout():
                membrane, bias = membrane_width(net, p), bias_bits(p)
            case _:
                assert_never(p)
        weights = sum(q.weights.size * weight_width(q) for q in net.into(p.name).values())
        found[p.name] = Memory(
            membrane, p.neurons * membrane, code, p.neurons * code, weights, bias, held, registers(net, p)
        )
    return found


def membrane_width(net: Network, p: FS | Readout) -> int:
    """The bits of one membrane: those declared (RANGE-5), else those of *any_order* (RANGE-6)."""
    return width_bits(net.ranges[p.name].any_order) if p.width is None else p.width.bits


def bias_bits(p: FS | Readout) -> int:
    """The bits of a bias, as often as it is stored (RANGE-6)."""
    return int(p.bias.size) * width_bits(hull(p.bias))


def factor_width(net: Network, gate: Gate) -> int:
    """The bits of a register that holds any part of a code of a gate's factor (RANGE-6)."""
    d = net.code_weights[gate.by]
    return code_width(np.stack([np.minimum(d, 0).sum(1), np.maximum(d, 0).sum(1)], axis=1))


def registers(net: Network, p: Population) -> int:
    """The bits of the registers of all gates into a population, in one buffer (RANGE-6)."""
    gates = [q for q in net.into(p.name).values() if isinstance(q, Gate)]
    return sum(net[q.by].neurons * factor_width(net, q) for q in gates)


def register_bits(net: Network, buffers: int) -> int:
    """The bits of the registers of all gates in so many buffers (RANGE-6)."""
    return buffers * sum(registers(net, p) for p in net.integrating)


def membrane_bits(net: Network, buffers: int) -> int:
    """The bits of all membranes in so many buffers (RANGE-6)."""
    return buffers * sum(p.neurons * membrane_width(net, p) for p in net.integrating)
