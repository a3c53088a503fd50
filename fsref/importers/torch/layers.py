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
from fsref.graph.views import averaged, windowed
from fsref.importers.places import shuffled, transposed, unshuffled
from fsref.importers.refusals import Unmapped
from fsref.importers.torch.views import Site, View, affine, constant, flat, form, image, pair, rows, viewed
from fsref.law.neuron import Ints

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
    more: Any,
    groups: int,
) -> View:
    """Every convolution of the core set."""
    if transposed:
        return conv_transpose2d(site, x, weight, bias, stride, padding, more, groups, dilation)
    return conv2d(site, x, weight, bias, stride, padding, dilation, groups)


@form(LAYERS, "conv_transpose2d")
def conv_transpose2d(
    site: Site, x: View, weight: Any, bias: Any, stride: Any, padding: Any, more: Any, groups: int, dilation: Any
) -> View:
    """A transposed convolution: that of a view with gaps between places."""
    w = constant(weight, "weights that do not depend on the image")
    if w.ndim != 4:
        raise Unmapped(nearest="conv_transpose2d")
    return spread(site, image(site, x), w, bias, pair(stride), pair(padding), pair(dilation), pair(more), groups)


def spread(
    site: Site,
    x: View,
    weight: Floats,
    bias: Any = None,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    more: Any = (0, 0),
    groups: int = 1,
) -> View:
    """What a transposed convolution is in a graph."""
    size = x.step.shape[1], x.step.shape[2]
    try:
        found = transposed(size, weight, stride, padding * 2, dilation, more, groups)
    except ValueError as error:
        raise Unmapped(str(error), "a smaller padding") from None
    x = viewed(site, x, found.rows, found.columns) if found.moves(size) else x
    form: dict[str, Any] = {"padding": found.padding, "dilation": dilation, "groups": groups}
    return site.make("conv", x, arrays=weights(found.weight, bias), **form)


@form(LAYERS, "pixel_shuffle")
def pixel_shuffle(site: Site, x: View, block: int) -> View:
    """Channels as places."""
    x = image(site, x)
    channels = x.step.shape[0]
    return spread(site, x, shuffled(channels, block), stride=(block, block), groups=channels // block**2)


@form(LAYERS, "pixel_unshuffle")
def pixel_unshuffle(site: Site, x: View, block: int) -> View:
    """Places as channels."""
    x = image(site, x)
    channels = x.step.shape[0]
    places: dict[str, Any] = {"stride": (block, block), "groups": channels}
    return site.make("conv", x, arrays={"weight": unshuffled(channels, block)}, **places)


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
        x, sides = image(site, x), zip(pair(kernel), pair(stride or kernel), pair(padding), pair(dilation), strict=True)
        lists = [
            windowed(size, count, before, k, s, d)
            for size, count, (k, s, before, d) in zip(x.step.shape[1:], site.dims[1:], sides, strict=True)
        ]
        return site.make("max_pool", viewed(site, x, *lists), kernel=pair(kernel), stride=pair(kernel))
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
        top, left = pair(padding)
        x = image(site, x)
        if top or left:  # what is counted of the padding is part of the map, what ceil_mode adds is none
            shape = x.step.shape[0], x.step.shape[1] + 2 * top, x.step.shape[2] + 2 * left
            x = View(site.make("pad", x, shape=shape, padding=(top, left, top, left)).step, shape)
        return window(site, "avg_pool", x, kernel, stride, 0, count_include_pad=False)
    return found


@form(LAYERS, "adaptive_avg_pool2d", "_adaptive_avg_pool2d")
def adaptive_avg_pool2d(site: Site, x: View, _: Any) -> View:
    """A mean over windows, of unequal ones as a convolution of a view that gives each size taps of its own."""
    if (ends := unequal(site, x)) is None:
        return equal_windows(site, "avg_pool", x)
    (rows, down), (columns, across) = (averaged(first, last) for first, last in ends)
    channels = x.step.shape[0]
    weight = np.broadcast_to(np.outer(down, across), (channels, 1, len(down), len(across)))
    found = viewed(site, image(site, x), rows, columns)
    return site.make("conv", found, arrays={"weight": weight}, stride=(len(down), len(across)), groups=channels)


@form(LAYERS, "adaptive_max_pool2d")
def adaptive_max_pool2d(site: Site, x: View, _: Any) -> View:
    """The largest of windows, of unequal ones over a view that shows places of the smaller again."""
    if (ends := unequal(site, x)) is None:
        return equal_windows(site, "max_pool", x)
    sizes = [int((last - first).max()) for first, last in ends]
    lists = [
        np.minimum(first[:, None] + np.arange(size), last[:, None] - 1).ravel()
        for (first, last), size in zip(ends, sizes, strict=True)
    ]
    kernel: Any = tuple(sizes)
    return site.make("max_pool", viewed(site, image(site, x), *lists), kernel=kernel, stride=kernel)


def unequal(site: Site, x: View) -> list[tuple[Ints, Ints]] | None:
    """Where the windows of rows and of columns begin and end whose sizes differ; None where each axis is divided
    evenly.
    """
    sides = list(zip(image(site, x).step.shape[1:], site.dims[1:], strict=True))
    if not any(size % count for size, count in sides):
        return None
    return [(np.arange(count) * size // count, -(-(np.arange(count) + 1) * size // count)) for size, count in sides]


def equal_windows(site: Site, op: str, x: View) -> View:
    """A pool that divides the image evenly into the windows of its result."""
    (_, h, w), (_, y, z) = image(site, x).step.shape, site.dims
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
