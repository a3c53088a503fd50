"""What torch's operators (ATen) are in a float graph: pools, sums over places, reshapes, padding, slices; a table as in
aten.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fsref.importers.refusals import Unmapped
from fsref.importers.torch.views import Site, View, affine, form, image, pair, vector

FORMS: dict[str, Callable[..., Any]] = {}


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


@form(FORMS, "max_pool2d", "max_pool2d_with_indices")
def max_pool2d(site: Site, x: View, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> View:
    """A max-pool."""
    if pair(dilation) != (1, 1):
        raise Unmapped(nearest="max_pool2d with dilation 1")
    return window(site, "max_pool", x, kernel, stride, padding)


@form(FORMS, "avg_pool2d")
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


@form(FORMS, "adaptive_avg_pool2d", "_adaptive_avg_pool2d")
def adaptive_avg_pool2d(site: Site, x: View, _: Any) -> View:
    """A mean over equal windows."""
    return equal_windows(site, "avg_pool", x)


@form(FORMS, "adaptive_max_pool2d")
def adaptive_max_pool2d(site: Site, x: View, _: Any) -> View:
    """The largest of equal windows."""
    return equal_windows(site, "max_pool", x)


def equal_windows(site: Site, op: str, x: View) -> View:
    """A pool that divides the image evenly into the windows of its result."""
    (_, h, w), (_, y, z) = image(site, x).step.shape, site.dims
    if h % y or w % z:
        raise Unmapped(nearest=f"{op}2d: {h} x {w} is no multiple of {y} x {z}")
    return x if (h, w) == (y, z) else window(site, op, x, (h // y, w // z), None, 0)


@form(FORMS, "mean.dim", "sum.dim_IntList", "amax")
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


@form(FORMS, "view", "reshape", "_unsafe_view", "flatten", "squeeze", "unsqueeze", "unflatten", "view_as", "reshape_as")
def reshaped(site: Site, x: View, *_: Any) -> View:
    """x, seen in another shape."""
    return View(x.step, site.dims) if x.step.op else site.make("")


@form(FORMS, "expand", "expand_as")
def expand(site: Site, x: View, *_: Any) -> View:
    """x, of (C, 1, 1) when it grows: what reads it may broadcast it."""
    if site.dims != x.dims and (x.step.shape[1:] != (1, 1) or x.dims != x.step.shape):
        raise Unmapped(nearest="expand of (C, 1, 1)")
    return View(x.step, x.dims, expanded=site.dims != x.dims)


@form(FORMS, "pad", "constant_pad_nd")
def pad(site: Site, x: View, sides: Sequence[int], *rest: Any) -> View:
    """Constant padding of places and channels: torch counts from the last axis."""
    mode, value = rest if len(rest) == 2 else ("constant", *rest)
    x = image(site, x)
    if mode != "constant" or min(sides) < 0 or len(x.dims) != 3 or len(sides) > 6:
        raise Unmapped(nearest="pad with a constant")
    left, right, top, bottom, before, after = (*sides, 0, 0, 0, 0, 0, 0)[:6]
    return site.make("pad", x, padding=(top, left, bottom, right), channels=(before, after), value=float(value or 0.0))


@form(FORMS, "slice")
def part(site: Site, x: View, dim: int, start: int | None, end: int | None, step: int) -> View:
    """Every step-th row or column from the first, or all of an axis."""
    axis = dim % (len(x.dims) + 1)
    if site.dims == x.dims:
        return x
    side = x.dims[axis - 1]
    if axis not in (2, 3) or (start or 0) % side != 0 or site.dims[axis - 1] != -(-side // step):
        raise Unmapped(nearest="a slice of rows or columns from the first to the last, with a step")
    return site.make("subsample", image(site, x), stride=(step, 1) if axis == 2 else (1, step))


@form(FORMS, "select")
def select(site: Site, x: View, dim: int, index: int) -> View:
    """The one row or column there is."""
    if dim % (len(x.dims) + 1) == 0 or x.dims[dim % (len(x.dims) + 1) - 1] != 1:
        raise Unmapped(nearest="flatten, or a slice with a step")
    return View(x.step, site.dims)


@form(FORMS, "cat", "concat", "concatenate")
def cat(site: Site, parts: Sequence[Any], dim: int = 0) -> View:
    """Values side by side along the channels; parts of one constant number at the ends are padding."""
    if dim % (len(site.dims) + 1) != 1:
        raise Unmapped(nearest="cat along the channels")
    parts = [part for part in parts if isinstance(part, View) or part.numel()]
    levels = [_level(part) for part in parts]
    inner = [n for n, level in enumerate(levels) if level is None]
    first, last = (inner[0], inner[-1] + 1) if inner else (0, 0)
    outer = {level for level in levels if level is not None}
    if not inner or len(outer) > 1 or len(inner) != last - first:
        raise Unmapped(nearest="cat of values, with one constant number at the ends")
    values = [image(site, part) for part in parts[first:last]]
    if len(values) > 1:
        size = sum(value.step.shape[0] for value in values)
        values = [site.make("concat", *values, shape=(size, *values[0].step.shape[1:]))]
    if not outer:
        return View(values[0].step, site.dims)
    before, after = (
        sum(part.dims[0] if isinstance(part, View) else part.shape[1] for part in ends)
        for ends in (parts[:first], parts[last:])
    )
    return site.make("pad", *values, channels=(before, after), value=outer.pop())


def _level(part: Any) -> float | None:
    """The number of a part that is one number everywhere; None of a value."""
    if isinstance(part, View):
        gain, offset = (part.step.arrays.get(name) for name in ("gain", "offset"))
        zero = (
            part.step.op == "affine"
            and gain is not None
            and offset is not None
            and not gain.any()
            and (offset == offset[0]).all()
        )
        return float(offset[0]) if zero and offset is not None else None
    numbers = vector(part)
    if (numbers != numbers.flat[0]).any():
        raise Unmapped(nearest="cat of values, with one constant number at the ends")
    return float(numbers.flat[0])
