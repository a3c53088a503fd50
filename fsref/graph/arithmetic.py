"""Convolution and pooling of float images (B, C, H, W) in NumPy, in the type of the images (GRAPH-2).

What is unrolled at once is bounded by STRIP numbers: larger strips fall out of the processor's cache and are no faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fsref.graph.blas import Floats, product
from fsref.law.neuron import Ints
from fsref.law.projections import Padding, Pair, taps, window_shape

NO_PADDING: Padding = (0, 0, 0, 0)
STRIP = 2**20


def padded(x: Floats, padding: Padding, value: float = 0.0, channels: Pair = (0, 0)) -> Floats:
    """The images with `value` around their places, and `channels` (before, after) full of it; padding below 0 cuts
    places off.
    """
    top, left, bottom, right = padding
    if not any((*padding, *channels)):
        return x
    height, width = x.shape[2:]
    x = x[:, :, max(0, -top) : height - max(0, -bottom), max(0, -left) : width - max(0, -right)]
    top, left, bottom, right = (max(0, side) for side in padding)
    images, c, h, w = x.shape
    wide = np.full((images, channels[0] + c + channels[1], top + h + bottom, left + w + right), value, x.dtype)
    wide[:, channels[0] : channels[0] + c, top : top + h, left : left + w] = x
    return wide


def conv2d(
    x: Floats,
    weight: Floats,
    stride: Pair = (1, 1),
    padding: Padding = NO_PADDING,
    dilation: Pair = (1, 1),
    groups: int = 1,
    bias: Floats | None = None,
) -> Floats:
    """The cross-correlation (B, O, H_out, W_out) of x (B, C, H, W) with weight (O, C / groups, kh, kw), zeros around
    x.
    """
    weight = weight.astype(x.dtype, copy=False)
    kernel = weight.shape[2], weight.shape[3]
    x = padded(x, padding)
    size = window_shape((x.shape[1], x.shape[2], x.shape[3]), kernel, stride, NO_PADDING, dilation)
    if weight.shape[1] == 1 and groups > 1:
        out = _depthwise(x, weight, size, stride, dilation)
    elif kernel == (1, 1):
        places = x[:, :, :: stride[0], :: stride[1]].reshape(len(x), groups, x.shape[1] // groups, size[0] * size[1])
        out = product(weight.reshape(groups, -1, weight.shape[1]), places).reshape(len(x), len(weight), *size)
    else:
        out = _unrolled(x, weight, size, stride, dilation, groups)
    if bias is not None:
        out += bias.astype(x.dtype, copy=False)[:, None, None]
    return out


def _depthwise(x: Floats, weight: Floats, size: Pair, stride: Pair, dilation: Pair) -> Floats:
    """One input channel per output channel: a sum over taps, image by image so that it stays in cache."""
    x = np.repeat(x, len(weight) // x.shape[1], axis=1)
    out = np.zeros((len(x), len(weight), *size), x.dtype)
    term = np.empty(out.shape[1:], x.dtype)
    for image, total in zip(x, out, strict=True):
        for i in range(weight.shape[2]):
            for j in range(weight.shape[3]):
                np.multiply(
                    _tap(image, i * dilation[0], j * dilation[1], size, stride),
                    weight[:, 0, i, j, None, None],
                    out=term,
                )
                total += term
    return out


def _tap(image: Floats, row: int, column: int, size: Pair, stride: Pair) -> Floats:
    """What one tap sees in every window: a view (C, H_out, W_out) of an image (C, H, W)."""
    return image[
        :,
        row : row + (size[0] - 1) * stride[0] + 1 : stride[0],
        column : column + (size[1] - 1) * stride[1] + 1 : stride[1],
    ]


def _unrolled(x: Floats, weight: Floats, size: Pair, stride: Pair, dilation: Pair, groups: int) -> Floats:
    """Any convolution: the windows of a strip of output rows as the columns of a matrix, then one product."""
    outputs, inputs, kh, kw = weight.shape
    spread = (dilation[0] * (kh - 1) + 1, dilation[1] * (kw - 1) + 1)
    windows = sliding_window_view(x, spread, axis=(2, 3))[
        :, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]
    ]
    windows = windows.transpose(0, 1, 4, 5, 2, 3)  # B, C, kh, kw, H_out, W_out
    matrix = weight.reshape(groups, outputs // groups, inputs * kh * kw)
    rows = min(size[0], max(1, STRIP // (x.shape[1] * kh * kw * size[1])))
    out = np.empty((len(x), groups, outputs // groups, *size), x.dtype)
    for first in range(0, size[0], rows):
        last = min(size[0], first + rows)
        columns = np.empty((x.shape[1], kh, kw, last - first, size[1]), x.dtype)
        for image, made in zip(windows, out, strict=True):
            np.copyto(columns, image[..., first:last, :])
            sums = product(matrix, columns.reshape(groups, inputs * kh * kw, -1))
            made[:, :, first:last] = sums.reshape(groups, -1, last - first, size[1])
    return out.reshape(len(x), outputs, *size)


def _pooled(x: Floats, kernel: Pair, stride: Pair, combine: Callable[..., Floats]) -> Floats:
    """`combine` over each window, first along rows, then along columns."""
    for axis in (2, 3):
        last = x.shape[axis] - kernel[axis - 2]  # where the last window may begin

        def tap(k: int, x: Floats = x, axis: int = axis, last: int = last) -> Floats:
            along = slice(k, k + last + 1, stride[axis - 2])
            return x[:, :, along] if axis == 2 else x[:, :, :, along]

        total = tap(0).copy()
        for k in range(1, kernel[axis - 2]):
            combine(total, tap(k), out=total)
        x = total
    return x


def rounded(x: NDArray[Any], rounding: str) -> NDArray[Any]:
    """Whole numbers, in the type of x: floor the one below, nearest the nearest, halves going up, even and odd the
    nearest, halves going to the even or the odd one.
    """
    below: NDArray[Any] = np.floor(x)
    if rounding == "floor":
        return below
    beyond = x - (below + x.dtype.type(0.5))  # exact near 0
    up = beyond >= 0
    if rounding != "nearest":
        up &= (beyond > 0) | (np.mod(below, 2) == (rounding == "even"))
    below += up
    return below


def rounded_end(bound: float, nearest: bool, close: float) -> float:
    """What rounding makes of the end of a clip, a plateau: nearest takes halves to the even integer; nan where float
    errors would decide.
    """
    if math.isinf(bound):
        return bound
    if not nearest:
        return math.floor(bound + close)
    return round(bound) if bound % 1 == 0.5 or abs(bound % 1 - 0.5) > close else math.nan


def max_pool(x: Floats, kernel: Pair, stride: Pair, padding: Padding = NO_PADDING) -> Floats:
    """The largest value of each window; padded places are no candidates. Every window needs a real place."""
    return _pooled(padded(x, padding, -np.inf), kernel, stride, np.maximum)


def viewed(x: NDArray[Any], rows: Sequence[int] | Ints, columns: Sequence[int] | Ints) -> NDArray[Any]:
    """x (B, C, H, W) at other places: rows and columns of these numbers, 0 where one is -1."""
    for axis, own in ((2, np.asarray(rows)), (3, np.asarray(columns))):
        x = np.take(x, np.maximum(own, 0), axis=axis)
        if (own < 0).any():
            x[(slice(None),) * axis + (own < 0,)] = 0
    return x


def places(
    shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Padding
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many real rows, (H_out,), and columns, (W_out,), the windows over (..., H, W) have."""
    size = window_shape((1, shape[-2], shape[-1]), kernel, stride, padding)
    rows = taps(shape[-2], size[0], padding[0], kernel[0], stride[0], 1)
    columns = taps(shape[-1], size[1], padding[1], kernel[1], stride[1], 1)
    return rows[:, 1] - rows[:, 0], columns[:, 1] - columns[:, 0]


def avg_pool(
    x: Floats, kernel: Pair, stride: Pair, padding: Padding = NO_PADDING, count_include_pad: bool = True
) -> Floats:
    """The mean of each window: of all its places, padded ones 0, or of its real places."""
    total = _pooled(padded(x, padding), kernel, stride, np.add)
    counts = kernel[0] * kernel[1] if count_include_pad else np.outer(*places(x.shape, kernel, stride, padding))
    total /= np.asarray(counts, x.dtype)
    return total
