"""The curves that activations follow, place by place, of images of any shape and in their type (GRAPH-2)."""

from __future__ import annotations

import math

import numpy as np

from fsref.graph.blas import Floats

CHUNK = 2**14  # numbers that are Python's own at a time
CUBIC = 0.044715  # of Hendrycks & Gimpel (2016, arXiv 1606.08415)


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x))."""
    made: Floats = np.exp(-x)  # may be inf, whose inverse is right
    made += 1
    return np.reciprocal(made, out=made)


def hard_sigmoid(x: Floats, slope: float, offset: float) -> Floats:
    """min(max(slope * x + offset, 0), 1)."""
    made: Floats = np.clip(x * x.dtype.type(slope) + x.dtype.type(offset), 0, 1)
    return made


def erf(x: Floats) -> Floats:
    """The error function, which NumPy does not have."""
    made, flat = np.empty(x.size, x.dtype), x.ravel()
    for first in range(0, x.size, CHUNK):
        made[first : first + CHUNK] = [math.erf(v) for v in flat[first : first + CHUNK].tolist()]
    return made.reshape(x.shape)


def gelu(x: Floats, tanh: bool) -> Floats:
    """x times the share of a normal distribution below x, or with `tanh` what stands for that."""
    kind = x.dtype.type
    if tanh:
        made: Floats = np.tanh((x + kind(CUBIC) * x * x * x) * kind(math.sqrt(2 / math.pi)))
    else:
        made = erf(x * kind(math.sqrt(0.5)))
    made += 1
    made *= x
    made *= kind(0.5)
    return made


def elu(x: Floats, alpha: float) -> Floats:
    """x, below 0 alpha * (exp(x) - 1)."""
    made: Floats = np.where(x > 0, x, np.expm1(np.minimum(x, 0)) * x.dtype.type(alpha))
    return made


def softplus(x: Floats) -> Floats:
    """log(1 + exp(x))."""
    made: Floats = np.log1p(np.exp(-np.abs(x)))
    made += np.maximum(x, 0)
    return made


def mish(x: Floats) -> Floats:
    """x * tanh(softplus(x))."""
    made: Floats = np.tanh(softplus(x))
    made *= x
    return made
