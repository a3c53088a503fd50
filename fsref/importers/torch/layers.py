"""What torch's operators (ATen) that weigh or pool places are in a float graph (GRAPH-7): one function per operator, by
its name in `torch.ops.aten`.

A function gets the site of the call and its arguments in the order of the operator's schema: views of values, constants
as tensors, plain Python otherwise. It gives the view of the (first) result or raises Unmapped with the nearest
supported form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fsref.graph.operators import Floats
from fsref.importers.refusals import Unmapped
from fsref.importers.torch.views import Site, View, affine, constant, flat, form, image, pair, rows

LAYERS: dict[str, Callable[..., Any]] = {}


def weights(weight: Floats, bias: Any) -> dict[str, Floats]:
    """The arrays of a layer, whose bias may be None."""
    if bias is None:
        return {"weight": weight}
    return {"weight": weight, "bias": constant(bias, "a bias that does not depend on the image")}


def convolution(
    site: Site, x: View, weight: Any, bias: Any, stride: Any, padding: tuple[int, ...], dilation: Any, groups: int
) -> View:
    """A conv; padding is (top, left, bottom, right)."""
    w = constant(weight, "weights that do not depend on the image")
    if w.ndim != 4:
        raise Unmapped(nearest="conv2d")
    places: dict[str, Any] = {"stride": pair(stride), "padding": padding, "dilation": pair(dilation)}
    return site.make("conv", image(site, x), arrays=weights(w, bias), groups=groups, **places)


@form(LAYERS, "conv2d")
def conv2d(site: Site, x: View, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> View:
    """conv2d with padding in numbers."""
    return convolution(site, x, weight, bias, stride, pair(padding) * 2, dilation, groups)


@form(LAYERS, "conv2d.padding")
def conv2d_same(
    site: Site, x: View, weight: Any, bias: Any, stride: Any, padding: str, dilation: Any, groups: int
) -> View:
    """conv2d with padding "same" or "valid"; an odd place more is at the bottom and right."""
    more = [d * (k - 1) if padding == "same" else 0 for d, k in zip(pair(dilation), weight.shape[2:], strict=True)]
    top, left = more[0] // 2, more[1] // 2
    around = top, left, more[0] - top, more[1] - left
    return convolution(site, x, weight, bias, stride, around, dilation, groups)


@form(LAYERS, "convolution")
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


@form(LAYERS, "linear")
def linear(site: Site, x: View, weight: Any, bias: Any) -> View:
    """A dense layer of a vector."""
    w = constant(weight, "weights that do not depend on the image")
    if len(x.dims) != 1 or w.ndim != 2:
        raise Unmapped(nearest="linear after flatten, or a 1x1 conv")
    return site.make("dense", flat(site, x), arrays=weights(w, bias))


@form(LAYERS, "mm", "matmul")
def matmul(site: Site, x: View, weight: Any) -> View:
    """A product with a constant on the right."""
    if isinstance(weight, View) or not isinstance(x, View):
        raise Unmapped(nearest="weights that do not depend on the image")
    return linear(site, x, weight.t(), None)


@form(LAYERS, "addmm")
def addmm(site: Site, bias: Any, x: View, weight: Any, beta: float, alpha: float) -> View:
    """bias + x weight."""
    if (beta, alpha) != (1, 1):
        raise Unmapped(nearest="beta and alpha of 1")
    if isinstance(bias, View) or isinstance(weight, View) or not isinstance(x, View):
        raise Unmapped(nearest="weights that do not depend on the image")
    return linear(site, x, weight.t(), bias.expand(1, weight.shape[1])[0])


@form(LAYERS, "_native_batch_norm_legit_no_training")
def batch_norm(
    site: Site, x: View, gain: Any, offset: Any, mean: Any, variance: Any, momentum: float, eps: float
) -> View:
    """A batch norm with its running statistics."""
    x, nearest = rows(site, x), "constant gain and offset"
    arrays = {"mean": constant(mean, nearest), "variance": constant(variance, nearest)}
    arrays["gain"] = np.ones_like(arrays["mean"]) if gain is None else constant(gain, nearest)
    arrays["offset"] = np.zeros_like(arrays["mean"]) if offset is None else constant(offset, nearest)
    return site.along("batch_norm", x, arrays=arrays, eps=float(eps))


@form(LAYERS, "batch_norm", "native_batch_norm", "cudnn_batch_norm", "_native_batch_norm_legit.default")
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


def window(site: Site, op: str, x: View, kernel: Any, stride: Any, padding: Any, **attributes: Any) -> View:
    """A pool; the places that ceil_mode adds are padding at the bottom and right."""
    x = image(site, x)
    size, by, (top, left) = pair(kernel), pair(stride or kernel), pair(padding)
    more = [
        max(0, (n - 1) * s + k - before - side)
        for n, s, k, before, side in zip(site.dims[1:], by, size, (top, left), x.step.shape[1:], strict=True)
    ]
    if op == "avg_pool" and size == x.step.shape[1:] and not any((top, left, *more)):
        return site.make("global_avg_pool", x)
    return site.make(op, x, kernel=size, stride=by, padding=(top, left, more[0], more[1]), **attributes)


@form(LAYERS, "max_pool2d", "max_pool2d_with_indices")
def max_pool2d(site: Site, x: View, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> View:
    """A max-pool."""
    if pair(dilation) != (1, 1):
        raise Unmapped(nearest="max_pool2d with dilation 1")
    return window(site, "max_pool", x, kernel, stride, padding)


@form(LAYERS, "avg_pool2d")
def avg_pool2d(
    site: Site, x: View, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count: bool, divisor: int | None
) -> View:
    """A mean over windows; places beyond the padding, which ceil_mode adds, are never counted."""
    y, z = pair(kernel)
    found = window(site, "avg_pool", x, kernel, stride, padding, count_include_pad=bool(count or divisor))
    if divisor:
        return affine(site, found, y * z / divisor)
    _, _, bottom, right = found.step.attributes.get("padding", (0, 0, 0, 0))
    if count and (bottom > pair(padding)[0] or right > pair(padding)[1]):
        if any(pair(padding)):
            raise Unmapped(nearest="avg_pool2d with padding and ceil_mode: count_include_pad=False")
        found.step.attributes["count_include_pad"] = False
    return found


@form(LAYERS, "adaptive_avg_pool2d", "_adaptive_avg_pool2d")
def adaptive_avg_pool2d(site: Site, x: View, _: Any) -> View:
    """A mean over equal windows."""
    return equal_windows(site, "avg_pool", x)


@form(LAYERS, "adaptive_max_pool2d")
def adaptive_max_pool2d(site: Site, x: View, _: Any) -> View:
    """The largest of equal windows."""
    return equal_windows(site, "max_pool", x)


def equal_windows(site: Site, op: str, x: View) -> View:
    """A pool that divides the image evenly into the windows of its result."""
    (_, h, w), (_, y, z) = image(site, x).step.shape, site.dims
    if h % y or w % z:
        raise Unmapped(nearest=f"{op}2d: {h} x {w} is no multiple of {y} x {z}")
    return x if (h, w) == (y, z) else window(site, op, x, (h // y, w // z), None, 0)


@form(LAYERS, "mean.dim", "sum.dim_IntList", "amax")
def reduced(site: Site, x: View, dims: Any, *_: Any) -> View:
    """A mean, sum or maximum over places."""
    rank = len(x.dims) + 1
    axes = {axis % rank for axis in dims or range(rank)}
    c, h, w = x.step.shape
    if x.dims == (c, h, w) and axes <= {2, 3}:
        size = h if 2 in axes else 1, w if 3 in axes else 1
    elif axes == {2} and x.dims == (c, h * w):
        size = h, w
    else:
        raise Unmapped(nearest=f"{site.name} over height and width")
    shape, kind = (c, h // size[0], w // size[1]), "max_pool" if site.name == "amax" else "avg_pool"
    if kind == "avg_pool" and shape[1:] == (1, 1):
        found = site.make("global_avg_pool", x, shape=shape)
    else:
        found = site.make(kind, x, shape=shape, kernel=size)
    return affine(site, found, size[0] * size[1]) if site.name == "sum" else found
