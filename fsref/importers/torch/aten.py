"""What torch's operators (ATen) are in a float graph: layers, arithmetic, activations; one function per operator, by
its name in `torch.ops.aten`.

A function gets the site of the call and its arguments in the order of the operator's schema: views of values, constants
as tensors, plain Python otherwise. It gives the view of the (first) result or raises Unmapped with the nearest
supported form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from fsref.importers.refusals import Unmapped
from fsref.importers.torch.views import (
    Site,
    View,
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
    site: Site, x: View, weight: Any, bias: Any, stride: Any, padding: tuple[int, ...], dilation: Any, groups: int
) -> View:
    """A conv; padding is (top, left, bottom, right)."""
    w = constant(weight, "weights that do not depend on the image")
    if w.ndim != 4:
        raise Unmapped(nearest="conv2d")
    arrays = {"weight": w} | (
        {} if bias is None else {"bias": constant(bias, "a bias that does not depend on the image")}
    )
    return site.make(
        "conv",
        image(site, x),
        arrays=arrays,
        stride=pair(stride),
        padding=padding,
        dilation=pair(dilation),
        groups=groups,
    )


@form(FORMS, "conv2d")
def conv2d(site: Site, x: View, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> View:
    """conv2d with padding in numbers."""
    return convolution(site, x, weight, bias, stride, pair(padding) * 2, dilation, groups)


@form(FORMS, "conv2d.padding")
def conv2d_same(
    site: Site, x: View, weight: Any, bias: Any, stride: Any, padding: str, dilation: Any, groups: int
) -> View:
    """conv2d with padding "same" or "valid"; an odd place more is at the bottom and right."""
    more = [d * (k - 1) if padding == "same" else 0 for d, k in zip(pair(dilation), weight.shape[2:], strict=True)]
    return convolution(
        site,
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
    site: Site,
    x: View,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    _: Any,
    groups: int,
) -> View:
    """Every convolution of the core set."""
    if transposed:
        raise Unmapped(operator="conv_transpose")
    return conv2d(site, x, weight, bias, stride, padding, dilation, groups)


@form(FORMS, "linear")
def linear(site: Site, x: View, weight: Any, bias: Any) -> View:
    """A dense layer of a vector."""
    w = constant(weight, "weights that do not depend on the image")
    if len(x.dims) != 1 or w.ndim != 2:
        raise Unmapped(nearest="linear after flatten, or a 1x1 conv")
    arrays = {"weight": w} | (
        {} if bias is None else {"bias": constant(bias, "a bias that does not depend on the image")}
    )
    return site.make("dense", flat(site, x), arrays=arrays)


@form(FORMS, "mm", "matmul")
def matmul(site: Site, x: View, weight: Any) -> View:
    """A product with a constant on the right."""
    if isinstance(weight, View) or not isinstance(x, View):
        raise Unmapped(nearest="weights that do not depend on the image")
    return linear(site, x, weight.t(), None)


@form(FORMS, "addmm")
def addmm(site: Site, bias: Any, x: View, weight: Any, beta: float, alpha: float) -> View:
    """bias + x weight."""
    if (beta, alpha) != (1, 1):
        raise Unmapped(nearest="beta and alpha of 1")
    if isinstance(bias, View) or isinstance(weight, View) or not isinstance(x, View):
        raise Unmapped(nearest="weights that do not depend on the image")
    return linear(site, x, weight.t(), bias.expand(1, weight.shape[1])[0])


@form(FORMS, "_native_batch_norm_legit_no_training")
def batch_norm(
    site: Site, x: View, gain: Any, offset: Any, mean: Any, variance: Any, momentum: float, eps: float
) -> View:
    """A batch norm with its running statistics."""
    x, nearest = rows(site, x), "constant gain and offset"
    arrays = {"mean": constant(mean, nearest), "variance": constant(variance, nearest)}
    arrays["gain"] = np.ones_like(arrays["mean"]) if gain is None else constant(gain, nearest)
    arrays["offset"] = np.zeros_like(arrays["mean"]) if offset is None else constant(offset, nearest)
    return site.along("batch_norm", x, arrays=arrays, eps=float(eps))


@form(FORMS, "batch_norm", "native_batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit.default")
def any_batch_norm(
    site: Site,
    x: View,
    gain: Any,
    offset: Any,
    mean: Any,
    variance: Any,
    training: bool,
    momentum: float,
    eps: float,
    *_: Any,
) -> View:
    """A batch norm that might be training."""
    if training or mean is None:
        raise Unmapped(nearest="batch_norm with running statistics")
    return batch_norm(site, x, gain, offset, mean, variance, momentum, eps)


# Arithmetic.


@form(FORMS, "add")
def add(site: Site, a: Any, b: Any, alpha: float = 1) -> View:
    """a + alpha b."""
    if not isinstance(a, View):
        return affine(site, b, alpha, a)
    if not isinstance(b, View):
        return affine(site, a, 1.0, b * alpha)
    return together(site, "add", a, b if alpha == 1 else affine(site, b, alpha))


@form(FORMS, "sub")
def sub(site: Site, a: Any, b: Any, alpha: float = 1) -> View:
    """a - alpha b."""
    return add(site, a, b, -alpha)


@form(FORMS, "rsub")
def rsub(site: Site, a: Any, b: Any, alpha: float = 1) -> View:
    """b - alpha a."""
    return add(site, b, a, -alpha)


@form(FORMS, "neg")
def neg(site: Site, a: View) -> View:
    """-a."""
    return affine(site, a, -1.0)


@form(FORMS, "mul")
def mul(site: Site, a: Any, b: Any) -> View:
    """a b."""
    if isinstance(a, View) and isinstance(b, View):
        return together(site, "mul", a, b)
    return affine(site, a, b) if isinstance(a, View) else affine(site, b, a)


@form(FORMS, "div")
def div(site: Site, a: Any, b: Any, rounding_mode: str | None = None) -> View:
    """a / b of a constant b, perhaps rounded down."""
    if isinstance(b, View) or rounding_mode not in (None, "floor"):
        raise Unmapped(nearest="div by a constant")
    found = affine(site, a, 1.0 / b)
    return site.along("floor", found) if rounding_mode else found


@form(FORMS, "clone", "contiguous", "detach", "alias", "lift_fresh_copy", "to", "_to_copy", "type_as")
def same(site: Site, x: View, *_: Any) -> View:
    """x itself; floats stay float32."""
    return x


@form(FORMS, "dropout", "native_dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
def dropout(site: Site, x: View, p: float, train: bool | None) -> View:
    """x itself, when the dropout is not active."""
    if train is not False and p > 0:
        raise Unmapped(nearest="dropout that is not active in eval mode")
    return x


# Activations.


@form(FORMS, "relu")
def relu(site: Site, x: View) -> View:
    """max(x, 0)."""
    return site.along("clip", x, low=0.0, high=math.inf)


@form(FORMS, "relu6")
def relu6(site: Site, x: View) -> View:
    """Clip 0..6."""
    return site.along("clip", x, low=0.0, high=6.0)


@form(FORMS, "hardtanh", "clamp", "clip")
def clamp(site: Site, x: View, low: Any = None, high: Any = None) -> View:
    """x between bounds, of which one may be missing."""
    return site.along(
        "clip", x, low=-math.inf if low is None else number(low), high=math.inf if high is None else number(high)
    )


@form(FORMS, "clamp_min", "maximum", "max.other")
def clamp_min(site: Site, x: Any, low: Any) -> View:
    """x from a bound on."""
    return clamp(site, x, low) if isinstance(x, View) else clamp(site, low, x)


@form(FORMS, "clamp_max", "minimum", "min.other")
def clamp_max(site: Site, x: Any, high: Any) -> View:
    """x up to a bound."""
    return clamp(site, x, None, high) if isinstance(x, View) else clamp(site, high, None, x)


@form(FORMS, "threshold")
def threshold(site: Site, x: View, at: float, value: float) -> View:
    """max(x, 0), written as a threshold."""
    if (at, value) != (0, 0):
        raise Unmapped(nearest="relu")
    return relu(site, x)


@form(FORMS, "silu", "sigmoid", "floor", "round.default")
def smooth(site: Site, x: View) -> View:
    """An operator of the same name."""
    return site.along(site.name, x)


@form(FORMS, "hardsigmoid", "hardswish")
def hard(site: Site, x: View) -> View:
    """The piecewise linear sigmoid and SiLU."""
    return site.along("hard_sigmoid" if site.name == "hardsigmoid" else "hard_silu", x, slope=1 / 6, offset=0.5)


@form(FORMS, "fake_quantize_per_tensor_affine", "fake_quantize_per_tensor_affine_cachemask")
def fake_quantize(site: Site, x: View, scale: Any, zero_point: Any, low: int, high: int) -> View:
    """Integers low..high times a scale: round, clip and scales, which the patterns make a quantise."""
    unit, zero = number(scale), number(zero_point)
    codes = site.along("round", affine(site, x, 1 / unit, zero))
    return affine(site, site.along("clip", codes, low=float(low), high=float(high)), unit, -zero * unit)


@form(FORMS, "_fake_quantize_per_tensor_affine_cachemask_tensor_qparams")
def fake_quantize_tensors(site: Site, x: View, scale: Any, zero_point: Any, enabled: Any, low: int, high: int) -> View:
    """As fake_quantize; a switch may turn it off."""
    return fake_quantize(site, x, scale, zero_point, low, high) if number(enabled) else x


@form(FORMS, "softmax", "_softmax", "log_softmax", "_log_softmax")
def softmax(site: Site, x: View, dim: int, *_: Any) -> View:
    """A step that is left out where it ends the model."""
    if len(x.dims) != 1 or dim not in (1, -1):
        raise Unmapped(nearest="softmax over the classes at the end, left out")
    return site.along("softmax", x)
