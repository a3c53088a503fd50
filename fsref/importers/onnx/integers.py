"""Operators of ONNX models that compute with integers: sums of products, and FINN's staircases (GRAPH-10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fsref.graph.operators import Floats
from fsref.importers.onnx.axes import per_channel
from fsref.importers.onnx.calls import Call, Handler
from fsref.importers.onnx.layers import conv, matmul
from fsref.importers.onnx.values import Builder, Numbers, Rounded, Value
from fsref.importers.recogniser import CLOSE, Form
from fsref.importers.refusals import Unmapped

STAIRCASE = "MultiThreshold"
STAIRCASES = ("qonnx.custom_op.general", "finn.custom_op.general", "finn")  # domains

MOST = 2**12  # thresholds that are looked at pair by pair


def product(b: Builder, call: Call) -> Value:
    """ConvInteger or MatMulInteger: the sums of integers less their zero points."""
    zero, less = call.constant(2, "zero point"), call.constant(3, "zero point of the weights")
    if zero is not None and zero.size != 1:
        raise Unmapped("has several zero points of its input", "one zero point")
    weight = call.array(1, "weights").astype(np.float64)
    if less is not None:
        rows = less.size > 1 and call.op == "ConvInteger"
        weight = weight - less.astype(np.float64).reshape((-1, *[1] * (weight.ndim - 1)) if rows else less.shape)
    value = replace(call.value(), whole=False)
    if zero is not None:
        value = b.affine(value, 1.0, -float(zero.ravel()[0]), "zero")
    layer = conv if call.op == "ConvInteger" else matmul
    return layer(b, Call(call.op.removesuffix("Integer"), (value, weight), call.attributes))


def staircase(b: Builder, call: Call) -> Value:
    """MultiThreshold: how many thresholds of its channel a value reaches, scaled; a quantiser where they are equally
    far apart, or can be without changing what an integer reaches.
    """
    value, a = call.value(), call.attributes
    scale, base = float(a.get("out_scale", 1.0)), float(a.get("out_bias", 0.0))
    thresholds = call.array(1, "thresholds").astype(np.float64)
    if thresholds.ndim != 2 or not np.isfinite(thresholds).all() or (np.diff(thresholds, axis=1) < 0).any():
        raise Unmapped("has thresholds that do not rise", "finite thresholds (channels or 1, steps) that rise")
    if not scale > 0:
        raise Unmapped(f"has an out_scale of {scale:g}", "a positive one")
    start, apart = _line(thresholds, value.name in b.integers)
    form, count = Form(1.0, 0.0, 0.0, float(thresholds.shape[1]), "floor", scale, base), len(thresholds)
    if count == 1:
        form = replace(form, gain=float(1 / apart[0]), offset=float(-start[0] / apart[0]))
    else:
        axis = len(value.axes) - 1 if a.get("data_layout", "NCHW") == "NHWC" else 1
        shape = [count if i == axis else 1 for i in range(len(value.axes))]
        value, gain = per_channel(b, value, (1 / apart).reshape(shape))
        value, offset = per_channel(b, value, (-start / apart).reshape(shape))
        value = b.affine(value, gain, offset, "thresholds")
    return replace(value, rounded=Rounded(value.name, form, b.path))


def _line(thresholds: Floats, whole: bool) -> tuple[Floats, Floats]:
    """Where the steps of a staircase begin, less one step, and how far they are apart, (channels,); `whole` says that
    it reads integers. Errors: Unmapped when its thresholds are not equally far apart.
    """
    count = thresholds.shape[1]
    k = np.arange(1, count + 1)
    apart = (thresholds[:, -1] - thresholds[:, 0]) / (count - 1) if count > 1 else np.ones(len(thresholds))
    even = thresholds[:, :1] + apart[:, None] * (k - 1)
    if (apart > 0).all() and (np.abs(even - thresholds) <= CLOSE**2 * np.abs(thresholds).max()).all():
        return thresholds[:, 0] - apart, apart
    if whole and 1 < count <= MOST:
        first = np.ceil(thresholds)
        low, high = np.zeros(len(first)), np.full(len(first), np.inf)
        for distance in range(1, count):
            between = first[:, distance:] - first[:, :-distance]
            low = np.maximum(low, ((between - 1) / distance).max(axis=1))
            high = np.minimum(high, ((between + 1) / distance).min(axis=1))
        apart = (low + high) / 2
        least, most = (first - 1 - apart[:, None] * k).max(axis=1), (first - apart[:, None] * k).min(axis=1)
        if (low < high).all() and (least < most).all():
            return (least + most) / 2, apart
    raise Unmapped("has thresholds that are not equally far apart", "as many levels equally far apart")


INTEGERS: Mapping[str, Handler] = {"ConvInteger": product, "MatMulInteger": product, STAIRCASE: staircase}


def wide(operands: tuple[Value | Numbers | None, ...]) -> bool:
    """Whether the constants beside an integer value are as wide as sums are: those do not wrap."""
    constants = [operand for operand in operands if isinstance(operand, np.ndarray)]
    return bool(constants) and all(array.dtype in (np.int32, np.int64) for array in constants)
