"""Activations that follow a curve: the function that each operator of a graph is, and what it makes of values
(CONV-15).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Reals
from fsref.activations.elementary import erf, exp
from fsref.activations.functions import Function, functions, of_formula, sigmoid
from fsref.conversion.activation import Activation
from fsref.graph.curves import CUBIC
from fsref.graph.graph import Node

CHUNK = 2**15  # numbers at a time: their arrays in 64 bits stay in cache


@dataclass(frozen=True, kw_only=True)
class Curve(Activation):
    """A function whose values lie within low..high: FS neurons follow it with a table that is fitted (CONV-15)."""

    function: Function

    @classmethod
    def of(cls, function: Function) -> Curve:
        """The activation that a function is."""
        return cls(*function.range, function=function)

    def value(self, v: NDArray[np.float32]) -> NDArray[np.float32]:
        """What it makes of values, of the same shape: computed in 64 bits, in the same way on every machine."""
        made, flat = np.empty(v.size, np.float32), v.ravel()
        for first in range(0, v.size, CHUNK):
            part = slice(first, first + CHUNK)
            made[part] = self.function.value(flat[part].astype(np.float64))
        return made.reshape(v.shape)

    @property
    def rest(self) -> float:
        """What it comes near to far below all that is seen; 0 where that has no bound."""
        end = (0.0, 0.0) if self.function.limits is None else self.function.limits
        return end[0] if math.isfinite(end[0]) else 0.0

    def keeps(self, other: Activation) -> bool:
        """False: it changes values."""
        return False


def _hard_swish(slope: float, offset: float) -> Function:
    """x * min(max(slope * x + offset, 0), 1)."""

    def value(x: Reals) -> Reals:
        found: Reals = x * np.minimum(np.maximum(slope * x + offset, 0.0), 1.0)
        return found

    if (slope, offset) == (1 / 6, 0.5):
        return functions["hard_swish"]
    if not slope:
        gate = min(max(offset, 0.0), 1.0)
        return Function(f"{gate:g} x", f"{gate:g} x", value, (-inf, inf) if gate else (0.0, 0.0))
    limits = (0.0, inf) if slope > 0 else (-inf, 0.0)
    ends = sorted((-offset / slope, (1 - offset) / slope))
    turns = sorted({*ends, min(max(-offset / (2 * slope), ends[0]), ends[1])})
    name = f"hard_swish({slope:.9g}, {offset:.9g})"
    return Function(name, name, value, limits, tuple(turns))


def _elu(alpha: float) -> Function:
    """x, and alpha * (exp(x) - 1) below 0."""
    if alpha == 1:
        return functions["elu"]
    name = f"elu({alpha:.9g})"
    return Function(
        name, name, lambda x: np.where(x > 0, x, alpha * (exp(np.minimum(x, 0.0)) - 1.0)), (-alpha, inf), (0.0,)
    )


def _gelu_by_tanh(x: Reals) -> Reals:
    """(1 + tanh(z)) / 2 is the sigmoid of 2 z."""
    found: Reals = x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + CUBIC * x * x * x))
    return found


GELU_BY_TANH = Function(
    "gelu by tanh", "x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2", _gelu_by_tanh, turns=(-0.7524614220710162,)
)
ERF = Function("erf", "erf(x)", erf, (-1.0, 1.0))

CURVES: Mapping[str, Callable[[Mapping[str, Any]], Function]] = {
    "sigmoid": lambda a: functions["sigmoid"],
    "silu": lambda a: functions["silu"],
    "tanh": lambda a: functions["tanh"],
    "softplus": lambda a: functions["softplus"],
    "mish": lambda a: functions["mish"],
    "erf": lambda a: ERF,
    "gelu": lambda a: GELU_BY_TANH if a["tanh"] else functions["gelu"],
    "elu": lambda a: _elu(a["alpha"]),
    "hard_swish": lambda a: _hard_swish(a["slope"], a["offset"]),
    "curve": lambda a: of_formula(a["formula"]),
}


def curve_of(node: Node) -> Curve:
    """The activation that a node is, one of CURVES."""
    return Curve.of(CURVES[node.op](node.attributes))


def keeps_zero(node: Node) -> bool:
    """Whether a curve is 0 at 0."""
    return float(CURVES[node.op](node.attributes).value(np.zeros(1))[0]) == 0.0
