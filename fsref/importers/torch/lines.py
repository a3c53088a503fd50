"""What torch's operators of one dimension are in a float graph (GRAPH-9): those of two, of an image of one row or of
one column; a table as in layers.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fsref.importers.places import run_on
from fsref.importers.refusals import Unmapped
from fsref.importers.torch import layers, resizing
from fsref.importers.torch.views import Site, View, constant, form, pair, viewed

LINES: dict[str, Callable[..., Any]] = {}


def across(site: Site, x: View) -> tuple[Site, View, Callable[[Any, int], Any]]:
    """The call as one of two dimensions, of x (C, L) as the image of one row or column that it is, and how a number of
    it becomes a pair, given what the other of the pair is. Errors: Unmapped where x is several of both.
    """
    c, height, width = x.step.shape
    if len(x.dims) != 2 or x.dims not in ((c, height), (c, width)) or min(height, width) != 1:
        raise Unmapped(nearest="a value (C, L) that is one row, or one column, of an image")
    rows = x.dims == (c, height) and width == 1

    def pair(number: Any, other: int) -> Any:
        if isinstance(number, str):
            return number
        (one,) = number if isinstance(number, (list, tuple)) and number else [number]
        return one if one is None or one == [] else (one, other) if rows else (other, one)

    channels, length = site.dims
    dims = (channels, length, 1) if rows else (channels, 1, length)
    return replace(site, dims=dims), View(x.step, x.step.shape), pair


def called(function: Callable[..., View], site: Site, x: View, *args: tuple[Any, int] | Any) -> View:
    """What a function of two dimensions gives of pairs (number, other), and of anything else as it is."""
    two, image, pair = across(site, x)
    found = function(two, image, *(pair(*arg) if isinstance(arg, tuple) else arg for arg in args))
    return View(found.step, site.dims)


def kernel(x: View, weight: Any) -> Any:
    """Weights (O, I, k) for a row or a column."""
    if isinstance(weight, View):
        raise Unmapped(nearest="weights that do not depend on the image")
    return weight.unsqueeze(3 if x.step.shape[2] == 1 else 2)


def along_rows(site: Site, x: View, weight: Any, bias: Any, around: tuple[int, int], apart: int, groups: int) -> View:
    """A convolution of a map (C, H, W) whose rows follow one another, (C, H W): of each row and of what stands in the
    rows before and behind it. Errors: Unmapped where these are too many.
    """
    (before, after), (_, height, width) = around, x.step.shape
    try:
        views = run_on((height, width), before, after)
    except ValueError as error:
        raise Unmapped(str(error), "a smaller window") from None
    found = []
    for down, rows, columns in views:
        shown = View(x.step, x.step.shape) if down == 0 else viewed(site, x, rows, columns)
        padding = (0, before, 0, after) if down == 0 else (0, 0, 0, 0)
        w = constant(weight, "weights that do not depend on the image")[:, :, None]
        form: dict[str, Any] = {"padding": padding, "dilation": (1, apart), "groups": groups}
        shape = len(w), height, width
        arrays = layers.weights(w, bias if down == 0 else None)
        found.append(site.make("conv", shown, shape=shape, arrays=arrays, **form))
    made = found[0] if len(found) == 1 else site.make("add", *found, shape=found[0].step.shape)
    return View(made.step, site.dims)


def runs_on(x: View, around: tuple[int, int], reach: int, stride: Any) -> bool:
    """Whether x is a map whose rows follow one another, of which a convolution keeps the size."""
    c, height, width = x.step.shape
    return x.dims == (c, height * width) and min(height, width) > 1 and sum(around) == reach and pair(stride) == (1, 1)


@form(LINES, "conv1d")
def conv1d(site: Site, x: View, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> View:
    """conv1d with padding in numbers."""
    (apart, _), (before, _) = pair(dilation), pair(padding)
    if not isinstance(weight, View) and runs_on(x, (before, before), apart * (weight.shape[-1] - 1), stride):
        return along_rows(site, x, weight, bias, (before, before), apart, groups)
    around = (stride, 1), (padding, 0), (dilation, 1)
    return called(layers.conv2d, site, x, kernel(x, weight), bias, *around, groups)


@form(LINES, "conv1d.padding")
def conv1d_same(
    site: Site, x: View, weight: Any, bias: Any, stride: Any, padding: str, dilation: Any, groups: int
) -> View:
    """conv1d with padding "same" or "valid"."""
    (apart, _), reach = pair(dilation), 0 if isinstance(weight, View) else weight.shape[-1] - 1
    same = (apart * reach // 2, apart * reach - apart * reach // 2) if padding == "same" else (0, 0)
    if not isinstance(weight, View) and runs_on(x, same, apart * reach, stride):
        return along_rows(site, x, weight, bias, same, apart, groups)
    return called(layers.conv2d_same, site, x, kernel(x, weight), bias, (stride, 1), padding, (dilation, 1), groups)


@form(LINES, "conv_transpose1d")
def conv_transpose1d(
    site: Site, x: View, weight: Any, bias: Any, stride: Any, padding: Any, more: Any, groups: int, dilation: Any
) -> View:
    """A transposed convolution of one dimension."""
    spread = (stride, 1), (padding, 0), (more, 0), groups, (dilation, 1)
    return called(layers.conv_transpose2d, site, x, kernel(x, weight), bias, *spread)


@form(LINES, "max_pool1d", "max_pool1d_with_indices")
def max_pool1d(site: Site, x: View, size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> View:
    """A max-pool of one dimension."""
    windows = (size, 1), (stride or size, 1), (padding, 0), (dilation, 1)
    return called(layers.max_pool2d, site, x, *windows, ceil_mode)


@form(LINES, "avg_pool1d")
def avg_pool1d(site: Site, x: View, size: Any, stride: Any, padding: Any, ceil_mode: bool, count: bool) -> View:
    """An average of one dimension."""
    return called(layers.avg_pool2d, site, x, (size, 1), (stride or size, 1), (padding, 0), ceil_mode, count, None)


def over_all(site: Site, x: View) -> bool:
    """Whether a pool looks at all places of a map whose rows follow one another."""
    c, height, width = x.step.shape
    return x.dims == (c, height * width) and site.dims == (c, 1)


def whole(site: Site, function: Callable[..., View], x: View) -> View:
    """A pool over all places of a map."""
    found = function(replace(site, dims=(site.dims[0], 1, 1)), View(x.step, x.step.shape), None)
    return View(found.step, site.dims)


@form(LINES, "adaptive_avg_pool1d")
def adaptive_avg_pool1d(site: Site, x: View, _: Any) -> View:
    """A mean over windows of one dimension."""
    if over_all(site, x):
        return whole(site, layers.adaptive_avg_pool2d, x)
    return called(layers.adaptive_avg_pool2d, site, x, None)


@form(LINES, "adaptive_max_pool1d")
def adaptive_max_pool1d(site: Site, x: View, _: Any) -> View:
    """The largest of windows of one dimension."""
    if over_all(site, x):
        return whole(site, layers.adaptive_max_pool2d, x)
    return called(layers.adaptive_max_pool2d, site, x, None)


@form(LINES, "upsample_linear1d")
def upsample_linear1d(site: Site, x: View, _: Any, align_corners: bool, scale: Any) -> View:
    """A line longer by a whole number, linear between its places."""
    return called(resizing.upsample_bilinear2d, site, x, None, align_corners, (scale, 1.0))
