"""exp, log, erf, sin, cos, atan and powers, of additions, multiplications, divisions and square roots alone, which IEEE
754 rounds in one way: the same bits on every machine, which NumPy's own do not promise (FIT-1).
"""

from __future__ import annotations

import numpy as np

from fsref.activations.coding import Reals

LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # the first has 20 zero bits, so k times it is exact
ROOT_OF_PI = 1.7724538509055159
EXP_TERMS, LOG_TERMS, ERF_TERMS = 14, 19, 160
TURN_TERMS, ARC_TERMS = 18, 13
HALF_PI = 1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21  # parts of 33 bits
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


def log(x: Reals) -> Reals:
    """The natural logarithm, of the same shape; -infinite of 0, NaN below."""
    with np.errstate(all="ignore"):
        mantissa, power = np.frexp(x)
        found: Reals = log_of_one_plus(2 * mantissa - 1) + (power - 1) * 0.6931471805599453
        return np.where(x > 0, np.where(np.isinf(x), x, found), np.where(x == 0, -np.inf, np.nan))


def sine_and_cosine(x: Reals) -> tuple[Reals, Reals]:
    """sin and cos, of the same shape, their error below 1e-15 while x is within 10^6."""
    with np.errstate(all="ignore"):
        k = np.rint(x * (2.0 / np.pi))
        rest = ((x - k * HALF_PI[0]) - k * HALF_PI[1]) - k * HALF_PI[2]
        square, sine, cosine = rest * rest, np.ones_like(rest), np.ones_like(rest)
        for n in range(TURN_TERMS, 0, -2):
            sine = 1.0 - sine * square / (n * (n + 1))
            cosine = 1.0 - cosine * square / (n * (n - 1))
        sine, quarter = sine * rest, k - 4.0 * np.floor(k / 4.0)
    turned = np.where(quarter % 2 == 1, cosine, sine), np.where(quarter % 2 == 1, sine, cosine)
    return np.where(quarter >= 2, -turned[0], turned[0]), np.where(
        (quarter == 1) | (quarter == 2), -turned[1], turned[1]
    )


def arctan(x: Reals) -> Reals:
    """The arc tangent, of the same shape."""
    with np.errstate(all="ignore"):
        t = np.where(np.abs(x) > 1, 1.0 / x, x)
        for _ in range(2):
            t = t / (1.0 + np.sqrt(1.0 + t * t))
        series, square = np.zeros_like(t), t * t
        for n in range(ARC_TERMS, -1, -1):
            series = 1.0 / (2 * n + 1) - series * square
        found: Reals = 4.0 * t * series
    return np.where(np.abs(x) > 1, np.copysign(np.pi / 2, x) - found, found)


def power(x: Reals, y: Reals) -> Reals:
    """x to the y; below 0 of whole y alone, else NaN."""
    x, y = np.broadcast_arrays(x, y)
    with np.errstate(all="ignore"):
        size = np.where(y == 0, 1.0, exp(y * log(np.abs(x))))
        odd = y - 2.0 * np.floor(y / 2.0) == 1
        return np.where(x < 0, np.where(y == np.rint(y), np.where(odd, -size, size), np.nan), size)
