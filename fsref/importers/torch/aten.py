"""What torch's operators (ATen) are in a float graph: layers, arithmetic, activations; one function per operator, by
its name in `torch.ops.aten`.

A function gets the call and its arguments in the order of the operator's schema: values of the graph, constants as
tensors, plain Python otherwise. It gives the value of the (first) result or raises Unmapped with the nearest supported
form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fsref.importers.torch.traced import (
    Call,
    Unmapped,
    Value,
    affine,
    constant,
    flat,
    form,
    image,
    number,
    pair,
    rows,
    together,
)

NEAREST = {
    "batch_norm": (
        "group_norm",
        "native_group_norm",
        "layer_norm",
        "native_layer_norm",
        "instance_norm",
        "_native_batch_norm_legit.no_stats",
    ),
    "relu": ("leaky_relu", "prelu", "_prelu_kernel", "elu", "celu", "selu", "rrelu_with_noise", "softplus"),
    "relu or clip": ("gelu", "mish", "abs", "tanh", "softsign", "hardshrink", "softshrink"),
    "floor or round": ("ceil", "trunc", "frac"),
    "mul": ("pow", "square"),
    "pad with a constant": ("reflection_pad2d", "replication_pad2d"),
    "a layer for each part": ("split", "split_with_sizes", "chunk", "unbind"),
}
READS_EXPANDED = ("add", "sub", "rsub", "mul", "expand", "expand_as", "clone", "contiguous")

FORMS: dict[str, Callable[..., Any]] = {}


# Convolutions and dense layers.


def convolution(
    call: Call, x: Value, weight: Any, bias: Any, stride: Any, padding: tuple[int, ...], dilation: Any, groups: int
) -> Value:
    """A conv; padding is (top, left, bottom, right)."""
    w = constant(weight, "weights that do not depend on the image")
    if w.ndim != 4:
        raise Unmapped("conv2d")
    arrays = {"weight": w} | (
        {} if bias is None else {"bias": constant(bias, "a bias that does not depend on the image")}
    )
    return call.make(
        "conv",
        image(call, x),
        arrays=arrays,
        stride=pair(stride),
        padding=padding,
        dilation=pair(dilation),
        groups=groups,
    )


@form(FORMS, "conv2d")
def conv2d(
    call: Call, x: Value, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Value:
    """conv2d with padding in numbers."""
    return convolution(call, x, weight, bias, stride, pair(padding) * 2, dilation, groups)


@form(FORMS, "conv2d.padding")
def conv2d_same(
    call: Call, x: Value, weight: Any, bias: Any, stride: Any, padding: str, dilation: Any, groups: int
) -> Value:
    """conv2d with padding "same" or "valid"; an odd place more is at the bottom and right."""
    more = [d * (k - 1) if padding == "same" else 0 for d, k in zip(pair(dilation), weight.shape[2:], strict=True)]
    return convolution(
        call,
        x,
        weight,
        bias,
        stride,
        (more[0] // 2, more[1] // 2, more[0] - more[0] // 2, more[1] - more[1] // 2),
        dilation,
        groups,
    )


@form(FORMS, "convolution")
def any_convolution(
    call: Call,
    x: Value,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    _: Any,
    groups: int,
) -> Value:
    """Every convolution of the core set."""
    if transposed:
        raise Unmapped("", "conv_transpose")
    return conv2d(call, x, weight, bias, stride, padding, dilation, groups)


@form(FORMS, "linear")
def linear(call: Call, x: Value, weight: Any, bias: Any) -> Value:
    """A dense layer of a vector."""
    w = constant(weight, "weights that do not depend on the image")
    if len(x.dims) != 1 or w.ndim != 2:
        raise Unmapped("linear after flatten, or a 1x1 conv")
    arrays = {"weight": w} | (
        {} if bias is None else {"bias": constant(bias, "a bias that does not depend on the image")}
    )
    return call.make("dense", flat(call, x), arrays=arrays)


@form(FORMS, "mm", "matmul")
def matmul(call: Call, x: Value, weight: Any) -> Value:
    """A product with a constant on the right."""
    if isinstance(weight, Value) or not isinstance(x, Value):
        raise Unmapped("weights that do not depend on the image")
    return linear(call, x, weight.t(), None)


@form(FORMS, "addmm")
def addmm(call: Call, bias: Any, x: Value, weight: Any, beta: float, alpha: float) -> Value:
    """bias + x weight."""
    if (beta, alpha) != (1, 1):
        raise Unmapped("beta and alpha of 1")
    if isinstance(bias, Value) or isinstance(weight, Value) or not isinstance(x, Value):
        raise Unmapped("weights that do not depend on the image")
    return linear(call, x, weight.t(), bias.expand(1, weight.shape[1])[0])


@form(FORMS, "_native_batch_norm_legit_no_training")
def batch_norm(
    call: Call, x: Value, gain: Any, offset: Any, mean: Any, variance: Any, momentum: float, eps: float
) -> Value:
    """A batch norm with its running statistics."""
    x, nearest = rows(call, x), "constant gain and offset"
    arrays = {"mean": constant(mean, nearest), "variance": constant(variance, nearest)}
    arrays["gain"] = np.ones_like(arrays["mean"]) if gain is None else constant(gain, nearest)
    arrays["offset"] = np.zeros_like(arrays["mean"]) if offset is None else constant(offset, nearest)
    return call.along("batch_norm", x, arrays=arrays, eps=float(eps))


@form(FORMS, "batch_norm", "native_batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit.default")
def any_batch_norm(
    call: Call,
    x: Value,
    gain: Any,
    offset: Any,
    mean: Any,
    variance: Any,
    training: bool,
    momentum: float,
    eps: float,
    *_: Any,
) -> Value:
    """A batch norm that might be training."""
    if training or mean is None:
        raise Unmapped("batch_norm with running statistics")
    return batch_norm(call, x, gain, offset, mean, variance, momentum, eps)


# Arithmetic.


@form(FORMS, "add")
def add(call: Call, a: Any, b: Any, alpha: float = 1) -> Value:
    """a + alpha b."""
    if not isinstance(a, Value):
        return affine(call, b, alpha, a)
    if not isinstance(b, Value):
        return affine(call, a, 1.0, b * alpha)
    return together(call, "add", a, b if alpha == 1 else affine(call, b, alpha))


@form(FORMS, "sub")
def sub(call: Call, a: Any, b: Any, alpha: float = 1) -> Value:
    """a - alpha b."""
    return add(call, a, b, -alpha)


@form(FORMS, "rsub")
def rsub(call: Call, a: Any, b: Any, alpha: float = 1) -> Value:
    """b - alpha a."""
    return add(call, b, a, -alpha)


@form(FORMS, "neg")
def neg(call: Call, a: Value) -> Value:
    """-a."""
    return affine(call, a, -1.0)


@form(FORMS, "mul")
def mul(call: Call, a: Any, b: Any) -> Value:
    """a b."""
    if isinstance(a, Value) and isinstance(b, Value):
        return together(call, "mul", a, b)
    return affine(call, a, b) if isinstance(a, Value) else affine(call, b, a)


@form(FORMS, "div")
def div(call: Call, a: Any, b: Any, rounding_mode: str | None = None) -> Value:
    """a / b of a constant b, perhaps rounded down."""
    if isinstance(b, Value) or rounding_mode not in (None, "floor"):
        raise Unmapped("div by a constant")
    found = affine(call, a, 1.0 / b)
    return call.along("floor", found) if rounding_mode else found


@form(FORMS, "clone", "contiguous", "detach", "alias", "lift_fresh_copy", "to", "_to_copy", "type_as")
def same(call: Call, x: Value, *_: Any) -> Value:
    """x itself; floats stay float32."""
    return x


@form(FORMS, "dropout", "native_dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
def dropout(call: Call, x: Value, p: float, train: bool | None) -> Value:
    """x itself, when the dropout is not active."""
    if train is not False and p > 0:
        raise Unmapped("dropout that is not active in eval mode")
    return x


# Activations.


@form(FORMS, "relu")
def relu(call: Call, x: Value) -> Value:
    """max(x, 0)."""
    return call.along("clip", x, low=0.0, high=math.inf)


@form(FORMS, "relu6")
def relu6(call: Call, x: Value) -> Value:
    """Clip 0..6."""
    return call.along("clip", x, low=0.0, high=6.0)


@form(FORMS, "hardtanh", "clamp", "clip")
def clamp(call: Call, x: Value, low: Any = None, high: Any = None) -> Value:
    """x between bounds, of which one may be missing."""
    return call.along(
        "clip", x, low=-math.inf if low is None else number(low), high=math.inf if high is None else number(high)
    )


@form(FORMS, "clamp_min", "maximum", "max.other")
def clamp_min(call: Call, x: Any, low: Any) -> Value:
    """x from a bound on."""
    return clamp(call, x, low) if isinstance(x, Value) else clamp(call, low, x)


@form(FORMS, "clamp_max", "minimum", "min.other")
def clamp_max(call: Call, x: Any, high: Any) -> Value:
    """x up to a bound."""
    return clamp(call, x, None, high) if isinstance(x, Value) else clamp(call, high, None, x)


@form(FORMS, "threshold")
def threshold(call: Call, x: Value, at: float, value: float) -> Value:
    """max(x, 0), written as a threshold."""
    if (at, value) != (0, 0):
        raise Unmapped("relu")
    return relu(call, x)


@form(FORMS, "silu", "sigmoid", "floor", "round.default")
def smooth(call: Call, x: Value) -> Value:
    """An operator of the same name."""
    return call.along(call.name, x)


@form(FORMS, "hardsigmoid", "hardswish")
def hard(call: Call, x: Value) -> Value:
    """The piecewise linear sigmoid and SiLU."""
    return call.along("hard_sigmoid" if call.name == "hardsigmoid" else "hard_silu", x, slope=1 / 6, offset=0.5)


@form(FORMS, "fake_quantize_per_tensor_affine", "fake_quantize_per_tensor_affine_cachemask")
def fake_quantize(call: Call, x: Value, scale: Any, zero_point: Any, low: int, high: int) -> Value:
    """Integers low..high times a scale: round, clip and scales, which the patterns make a quantise."""
    unit, zero = number(scale), number(zero_point)
    codes = call.along("round", affine(call, x, 1 / unit, zero))
    return affine(call, call.along("clip", codes, low=float(low), high=float(high)), unit, -zero * unit)


@form(FORMS, "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams")
def fake_quantize_tensors(
    call: Call, x: Value, scale: Any, zero_point: Any, enabled: Any, low: int, high: int
) -> Value:
    """As fake_quantize; a switch may turn it off."""
    return fake_quantize(call, x, scale, zero_point, low, high) if number(enabled) else x


@form(FORMS, "softmax", "_softmax", "log_softmax", "_log_softmax")
def softmax(call: Call, x: Value, dim: int, *_: Any) -> Value:
    """A step that is left out where it ends the model."""
    if len(x.dims) != 1 or dim not in (1, -1):
        raise Unmapped("softmax over the classes at the end, left out")
    return call.along("softmax", x)
