"""Curves spelled out in arithmetic: what some operators make of one value, place by place, is looked at on points, and
is the operator that gives the same there (GRAPH-7). No order of factors, sums and scales has to be known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from fsref.graph.operators import OPERATORS, Floats
from fsref.importers.recogniser import Link, Smooth, scale_of

POINTS = np.linspace(-11.0, 13.0, 193).reshape(1, 1, 1, -1)
ALIKE = 1e-6  # of the largest value: float32 constants miss what they mean by less, the two gelus by 30 times as much
DEEP = 16  # operators between a value and what a curve makes of it
PARTS = frozenset("add affine clip elu erf hard_sigmoid mul relu sigmoid softplus tanh".split())
CURVES: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("silu", {}),
    ("gelu", {"tanh": False}),
    ("gelu", {"tanh": True}),
    ("mish", {}),
    ("sigmoid", {}),
    ("tanh", {}),
    ("softplus", {}),
    ("elu", {"alpha": 1.0}),
    ("erf", {}),
    ("relu", {}),
)

Place = TypeVar("Place", bound=Hashable)
Found = Callable[[Place], tuple[Link, Sequence[Place]] | None]  # the operator that gives a value, and what it reads


def response(last: Place, source: Place, found: Found[Place]) -> Floats | None:
    """What `last` is where `source` runs over POINTS; None where it is not made of that alone, place by place."""
    known: dict[Place, Floats] = {source: POINTS}

    def value(place: Place, depth: int) -> Floats | None:
        if place in known:
            return known[place]
        at = found(place)
        if at is None or depth == DEEP or at[0].op not in PARTS:
            return None
        link, reads = at
        scale = scale_of(link)
        if link.op == "affine" and scale is None:
            return None
        given = [value(read, depth + 1) for read in reads]
        if any(one is None for one in given):
            return None
        arrays = {} if scale is None else {"gain": np.array(scale[:1]), "offset": np.array(scale[1:])}
        known[place] = OPERATORS[link.op].forward(link.attributes, arrays, *given)
        return known[place]

    with np.errstate(all="ignore"):
        return value(last, 0)


def sources(last: Place, found: Found[Place]) -> Iterator[Place]:
    """The values that a product may be a curve of: what it reads, or what scales of that read."""
    at = found(last)
    for read in dict.fromkeys(at[1]) if at is not None else ():
        yield read
        before = found(read)
        if before is not None and before[0].op == "affine":
            yield before[1][0]


def curve(values: Floats) -> Smooth | None:
    """The operator that gives these values of POINTS, with a factor before it and one behind; None of any other."""
    if not np.isfinite(values).all() or not values.any():
        return None
    limit = ALIKE * float(np.abs(values).max())
    for op, attributes in CURVES:
        own = OPERATORS[op].forward(attributes, {}, POINTS)
        factor = float(np.vdot(values, own) / np.vdot(own, own))
        if np.abs(values - factor * own).max() <= limit:
            return Smooth(op, dict(attributes), factor)
    share = float(np.interp(1.0, POINTS.ravel(), values.ravel()))  # x * sigmoid(gain * x) of 1
    if 0 < share < 1 and share != 0.5:
        gain = math.log(share / (1 - share))
        own = OPERATORS["silu"].forward({}, {}, POINTS * gain) / gain
        if np.abs(values - own).max() <= limit:
            return Smooth("silu", {}, 1 / gain, gain)
    return None


def spelled(last: Place, found: Found[Place]) -> tuple[Place, Smooth] | None:
    """The value that `last` is a curve of, and that curve; None where it is none."""
    for source in sources(last, found):
        values = response(last, source, found)
        if values is not None and (made := curve(values)) is not None:
            return source, made
    return None
