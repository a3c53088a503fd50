"""exp, log and erf of additions, multiplications, divisions alone, which IEEE 754 rounds in one way: the same bits on
every machine, which NumPy's own do not promise (FIT-1).
"""

from __future__ import annotations

import numpy as np

from fsref.activations.coding import Reals

LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # the first has 20 zero bits, so k times it is exact
ROOT_OF_PI = 1.7724538509055159
EXP_TERMS, LOG_TERMS, ERF_TERMS = 14, 19, 160
ERF_END = 6.0  # beyond which erf is 1 in float64


def exp(x: Reals) -> Reals:
    """e to the x, of the same shape, within 2 units of the last place; 0 below -745, infinite above 709."""
    x = np.clip(x, -800.0, 800.0)
    k = np.rint(x / (LN2_HIGH + LN2_LOW))
    rest = (x - k * LN2_HIGH) - k * LN2_LOW
    series = np.ones_like(rest)
    for n in range(EXP_TERMS, 0, -1):
        series = 1.0 + series * rest / n
    with np.errstate(over="ignore", under="ignore"):
        found: Reals = np.ldexp(series, k.astype(np.int32))
    return found


def log_of_one_plus(q: Reals) -> Reals:
    """The natural logarithm of 1 + q for q in 0..1, of the same shape."""
    s = q / (2.0 + q)
    square, series = s * s, np.zeros_like(s)
    for n in range(LOG_TERMS, -1, -1):
        series = series * square + 1.0 / (2 * n + 1)
    return 2.0 * s * series


def erf(x: Reals) -> Reals:
    """The error function, of the same shape, its error below 2e-15."""
    size = np.minimum(np.abs(x), ERF_END)
    twice = 2.0 * size * size
    series = np.ones_like(size)
    for n in range(ERF_TERMS, 0, -1):
        series = 1.0 + series * twice / (2 * n + 1)
    return np.copysign(np.minimum(1.0, 2.0 / ROOT_OF_PI * size * series * exp(-twice / 2.0)), x)
