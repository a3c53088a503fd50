"""The operators of a float graph (GRAPH-2): one declaration each, of attributes, arrays, shape and float32 forward.

A value is float32 (B, C, H, W), a shape (C, H, W). Shape rules raise Misfit; forwards never write to what they are
given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeAlias

import numpy as np

from fsref.graph import curves
from fsref.graph.arithmetic import avg_pool, conv2d, max_pool, padded, places, rounded, viewed
from fsref.graph.attributes import (
    ALPHA,
    AROUND,
    FLAG,
    FORMULA,
    INDICES,
    PADDING,
    PLACES,
    ROUNDING,
    SIGMOID,
    STRIDE,
    TANH,
    WINDOWS,
    Attribute,
    integers,
    positive,
    real,
)
from fsref.graph.blas import Floats, product
from fsref.graph.formulas import evaluated, parsed
from fsref.law.populations import MAX_NEURONS, MAX_SIDE, Shape
from fsref.law.projections import MAX_WEIGHTS, Padding, Pair, window_shape
from fsref.tables import Brief

Attributes: TypeAlias = Mapping[str, Any]
Arrays: TypeAlias = Mapping[str, Floats]


class Misfit(Exception):
    """Shapes do not meet: problem, value, limit."""


@dataclass(frozen=True, repr=False)
class Operator(Brief):
    """One operator; `arrays` gives the names of each array's axes: equal names have equal sizes. `check` says what is
    wrong, or nothing.
    """

    meaning: str
    forward: Callable[..., Floats]  # attributes, arrays, *values
    shape: Callable[..., Shape] = lambda attributes, arrays, first: first  # attributes, arrays, *shapes
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    arrays: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    several: bool = False  # two inputs or more, instead of one
    check: Callable[[Attributes, Arrays], str] = lambda attributes, arrays: ""


def size_of(shape: Shape) -> int:
    """The number of values of a shape."""
    return shape[0] * shape[1] * shape[2]


def fit(shape: Shape) -> Shape:
    """`shape`, when it is not empty and not too large."""
    if min(shape) < 1:
        raise Misfit("the result is empty", shape)
    if size_of(shape) > MAX_NEURONS:
        raise Misfit("too many values", size_of(shape), f"at most {MAX_NEURONS} in one image")
    if max(shape[1:]) > MAX_SIDE:
        raise Misfit("too many rows or columns", shape, f"at most {MAX_SIDE}")
    return shape


def _places(shape: Shape, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)) -> Pair:
    """(H_out, W_out) of windows over a padded shape; Misfit when there are none."""
    whole = (shape[0], shape[1] + padding[0] + padding[2], shape[2] + padding[1] + padding[3])
    if size_of(whole) > MAX_NEURONS:
        raise Misfit("too many values with padding", size_of(whole), f"at most {MAX_NEURONS} in one image")
    size = window_shape(shape, kernel, stride, padding, dilation)
    if min(size) < 1:
        limit = f"image {shape[1:]}, padding {padding}, dilation {dilation}"
        raise Misfit("the window is larger than the padded image", kernel, limit)
    return size


def _conv_shape(a: Attributes, w: Arrays, shape: Shape) -> Shape:
    outputs, inputs, kh, kw = w["weight"].shape
    if inputs * a["groups"] != shape[0] or outputs % a["groups"]:
        limit = f"{shape[0]} channels come in: weight (O, {shape[0]} / groups, kh, kw), groups dividing both"
        raise Misfit("weight does not meet the channels", w["weight"].shape, f"groups {a['groups']}, {limit}")
    return fit((outputs, *_places(shape, (kh, kw), a["stride"], a["padding"], a["dilation"])))


def _dense_shape(a: Attributes, w: Arrays, shape: Shape) -> Shape:
    outputs, inputs = w["weight"].shape
    if shape[1:] != (1, 1) or inputs != shape[0]:
        limit = f"the input is {shape}; a dense layer reads (N, 1, 1): flatten or global_avg_pool first"
        raise Misfit("weight does not meet the input", w["weight"].shape, limit)
    return outputs, 1, 1


def _channel_shape(a: Attributes, w: Arrays, shape: Shape) -> Shape:
    channels = len(next(iter(w.values())))
    if channels != shape[0]:
        raise Misfit("arrays do not meet the channels", channels, f"{shape[0]} channels come in")
    return shape


def _map_shape(a: Attributes, w: Arrays, shape: Shape) -> Shape:
    if w["map"].shape != shape:
        raise Misfit("the map does not meet the values", w["map"].shape, f"{shape} come in")
    return shape


def _pool_shape(a: Attributes, w: Arrays, shape: Shape) -> Shape:
    size = _places(shape, a["kernel"], a["stride"], a["padding"])
    rows, columns = places(shape, a["kernel"], a["stride"], a["padding"])
    if not a.get("count_include_pad", False) and min(rows.min(), columns.min()) < 1:
        limit = f"image {shape[1:]}, kernel {a['kernel']}, stride {a['stride']}"
        raise Misfit("a window holds only padding", a["padding"], limit)
    return fit((shape[0], *size))


def _broadcast_shape(a: Attributes, w: Arrays, *shapes: Shape) -> Shape:
    largest = max(shapes, key=lambda shape: shape[1] * shape[2])
    if any(shape not in (largest, (largest[0], 1, 1)) for shape in shapes):
        raise Misfit("shapes do not meet", ", ".join(map(str, shapes)), "equal, or (C, 1, 1) with (C, H, W)")
    return largest


def _concat_shape(a: Attributes, w: Arrays, *shapes: Shape) -> Shape:
    if len({shape[1:] for shape in shapes}) > 1:
        raise Misfit("shapes do not meet", ", ".join(map(str, shapes)), "equal H and W")
    return fit((sum(shape[0] for shape in shapes), *shapes[0][1:]))


def _pad_shape(a: Attributes, w: Arrays, shape: Shape) -> Shape:
    top, left, bottom, right = a["padding"]
    fit((shape[0], shape[1] + min(0, top) + min(0, bottom), shape[2] + min(0, left) + min(0, right)))  # what is kept
    return fit((sum(a["channels"]) + shape[0], top + shape[1] + bottom, left + shape[2] + right))


def _select_shape(a: Attributes, w: Arrays, shape: Shape) -> Shape:
    if (last := max(a["indices"])) >= shape[0]:
        raise Misfit("there is no such channel", last, f"{shape[0]} channels come in, counted from 0")
    return fit((len(a["indices"]), *shape[1:]))


def _view_shape(a: Attributes, w: Arrays, shape: Shape) -> Shape:
    for what, own, size in (("row", a["rows"], shape[1]), ("column", a["columns"], shape[2])):
        if max(own) >= size:
            raise Misfit(f"there is no such {what}", max(own), f"{size} come in, counted from 0")
    return fit((shape[0], len(a["rows"]), len(a["columns"])))


def _affine(x: Floats, gain: Floats, offset: Floats) -> Floats:
    """x * gain + offset per channel, in the type of x."""
    made: Floats = x * gain.astype(x.dtype, copy=False)[:, None, None]
    made += offset.astype(x.dtype, copy=False)[:, None, None]
    return made


def _batch_norm(a: Attributes, w: Arrays, x: Floats) -> Floats:
    gain = w["gain"].astype(np.float64) / np.sqrt(w["variance"].astype(np.float64) + a["eps"])
    return _affine(x, gain, w["offset"] - w["mean"] * gain)


def _dense(a: Attributes, w: Arrays, x: Floats) -> Floats:
    made = product(x.reshape(len(x), -1), w["weight"].astype(x.dtype, copy=False).T)
    if "bias" in w:
        made += w["bias"].astype(x.dtype, copy=False)
    return made[:, :, None, None]


def _quantise(a: Attributes, w: Arrays, x: Floats) -> Floats:
    level = rounded(x * x.dtype.type(a["levels"] / a["alpha"]), a["rounding"])
    made: Floats = np.clip(level, 0, a["levels"]) * x.dtype.type(a["alpha"] / a["levels"])
    return made


def _leaky_relu(x: Floats, slope: Floats) -> Floats:
    made: Floats = np.where(x < 0, x * slope.astype(x.dtype, copy=False)[:, None, None], x)
    return made


def _bad_variance(a: Attributes, w: Arrays) -> str:
    wrong = np.flatnonzero((w["variance"] < 0) | (w["variance"].astype(np.float64) + a["eps"] <= 0))
    if not len(wrong):
        return ""
    found = f"variance[{wrong[0]}] is {w['variance'][wrong[0]]:g}, eps {a['eps']:g}"
    return f"{found}: their sum must be positive, the variance not negative"


def _bad_clip(a: Attributes, w: Arrays) -> str:
    return "" if a["low"] <= a["high"] else f"low {a['low']:g} is above high {a['high']:g}"


WEIGHT = {"weight": ("O", "I", "kh", "kw"), "bias": ("O",)}
NORM = {"mean": ("C",), "variance": ("C",), "gain": ("C",), "offset": ("C",)}

OPERATORS: Mapping[str, Operator] = {
    "conv": Operator(
        "cross-correlation with zero padding",
        lambda a, w, x: conv2d(x, w["weight"], a["stride"], a["padding"], a["dilation"], a["groups"], w.get("bias")),
        _conv_shape,
        {
            "stride": STRIDE,
            "padding": PADDING,
            "dilation": STRIDE,
            "groups": positive(1),
        },
        WEIGHT,
        ("bias",),
    ),
    "dense": Operator(
        "weight x + bias of an input (N, 1, 1)",
        _dense,
        _dense_shape,
        {},
        {"weight": ("O", "N"), "bias": ("O",)},
        ("bias",),
    ),
    "batch_norm": Operator(
        "(x - mean) / sqrt(variance + eps) * gain + offset",
        _batch_norm,
        _channel_shape,
        {"eps": real(1e-5, 0.0)},
        NORM,
        check=_bad_variance,
    ),
    "affine": Operator(
        "x * gain + offset per channel",
        lambda a, w, x: _affine(x, w["gain"], w["offset"]),
        _channel_shape,
        {},
        {"gain": ("C",), "offset": ("C",)},
    ),
    "offset": Operator(
        "x + map, a constant of each place",
        lambda a, w, x: x + w["map"].astype(x.dtype, copy=False),
        _map_shape,
        {},
        {"map": ("C", "H", "W")},
    ),
    "relu": Operator("max(x, 0)", lambda a, w, x: np.maximum(x, 0)),
    "leaky_relu": Operator(
        "x, below 0 x * slope of its channel",
        lambda a, w, x: _leaky_relu(x, w["slope"]),
        _channel_shape,
        {},
        {"slope": ("C",)},
    ),
    "clip": Operator(
        "min(max(x, low), high)",
        lambda a, w, x: np.clip(x, a["low"], a["high"]),
        attributes={"low": real(0.0), "high": real(6.0)},
        check=_bad_clip,
    ),
    "quantise": Operator(
        "alpha / levels * clip(R(x * levels / alpha), 0, levels); R is floor, or nearest, even, odd: where halves go",
        _quantise,
        attributes={
            "alpha": ALPHA,
            "levels": positive(),
            "rounding": ROUNDING,
        },
    ),
    "sigmoid": Operator("1 / (1 + exp(-x))", lambda a, w, x: curves.sigmoid(x)),
    "silu": Operator("x * sigmoid(x)", lambda a, w, x: x * curves.sigmoid(x)),
    "hard_sigmoid": Operator(
        "min(max(slope * x + offset, 0), 1)",
        lambda a, w, x: curves.hard_sigmoid(x, a["slope"], a["offset"]),
        attributes=SIGMOID,
    ),
    "hard_swish": Operator(
        "x * hard_sigmoid(x)",
        lambda a, w, x: x * curves.hard_sigmoid(x, a["slope"], a["offset"]),
        attributes=SIGMOID,
    ),
    "tanh": Operator("the hyperbolic tangent", lambda a, w, x: np.tanh(x)),
    "erf": Operator("the error function", lambda a, w, x: curves.erf(x)),
    "gelu": Operator(
        "x * (1 + erf(x / sqrt(2))) / 2; with tanh, x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2",
        lambda a, w, x: curves.gelu(x, a["tanh"]),
        attributes={"tanh": TANH},
    ),
    "elu": Operator(
        "x, below 0 alpha * (exp(x) - 1)",
        lambda a, w, x: curves.elu(x, a["alpha"]),
        attributes={"alpha": real(1.0)},
    ),
    "softplus": Operator("log(1 + exp(x))", lambda a, w, x: curves.softplus(x)),
    "mish": Operator("x * tanh(softplus(x))", lambda a, w, x: curves.mish(x)),
    "curve": Operator(
        "what the formula makes of x, place by place",
        lambda a, w, x: evaluated(parsed(a["formula"]), x),
        attributes={"formula": FORMULA},
    ),
    "add": Operator(
        "sum; (C, 1, 1) is broadcast", lambda a, w, *xs: reduce(np.add, xs), _broadcast_shape, several=True
    ),
    "mul": Operator(
        "product; (C, 1, 1) is broadcast", lambda a, w, *xs: reduce(np.multiply, xs), _broadcast_shape, several=True
    ),
    "concat": Operator(
        "side by side along the channels", lambda a, w, *xs: np.concatenate(xs, axis=1), _concat_shape, several=True
    ),
    "select": Operator(
        "the channels of these numbers, in this order",
        lambda a, w, x: np.take(x, a["indices"], axis=1),
        _select_shape,
        {"indices": INDICES},
    ),
    "view": Operator(
        "row y is row rows[y], column x column columns[x]; 0 where that is -1",
        lambda a, w, x: viewed(x, a["rows"], a["columns"]),
        _view_shape,
        {"rows": PLACES, "columns": PLACES},
    ),
    "max_pool": Operator(
        "largest value of each window; padded places are no candidates",
        lambda a, w, x: max_pool(x, a["kernel"], a["stride"], a["padding"]),
        _pool_shape,
        WINDOWS,
    ),
    "avg_pool": Operator(
        "mean of each window; without count_include_pad of its real places",
        lambda a, w, x: avg_pool(x, a["kernel"], a["stride"], a["padding"], a["count_include_pad"]),
        _pool_shape,
        {**WINDOWS, "count_include_pad": FLAG},
    ),
    "global_avg_pool": Operator(
        "mean over H and W",
        lambda a, w, x: x.mean(axis=(2, 3), keepdims=True, dtype=x.dtype),
        lambda a, w, shape: (shape[0], 1, 1),
    ),
    "flatten": Operator(
        "(C * H * W, 1, 1) in C order",
        lambda a, w, x: x.reshape(len(x), -1, 1, 1),
        lambda a, w, shape: (size_of(shape), 1, 1),
    ),
    "pad": Operator(
        "value around the places, and in channels (before, after); below 0 places are cut off",
        lambda a, w, x: padded(x, a["padding"], a["value"], a["channels"]),
        _pad_shape,
        {
            "padding": AROUND,
            "channels": integers(2, 0, "(before, after), each 0 or more", (0, 0)),
            "value": real(0.0),
        },
    ),
    "subsample": Operator(
        "every stride-th row and column, from the first",
        lambda a, w, x: x[:, :, :: a["stride"][0], :: a["stride"][1]],
        lambda a, w, shape: (shape[0], -(-shape[1] // a["stride"][0]), -(-shape[2] // a["stride"][1])),
        {"stride": integers(2, 1, "(y, x), each 1 or more", (2, 2))},
    ),
    "identity": Operator("x", lambda a, w, x: x),
}

__all__ = [
    "MAX_WEIGHTS",
    "OPERATORS",
    "Arrays",
    "Attribute",
    "Attributes",
    "Floats",
    "Misfit",
    "Operator",
    "avg_pool",
    "conv2d",
    "fit",
    "max_pool",
    "size_of",
]
