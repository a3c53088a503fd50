"""What torch's operators (ATen) that move or join values are in a float graph (GRAPH-7): reshapes, padding, slices; a
table as in layers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fsref.importers.joining import Lists, beside, through
from fsref.importers.refusals import Unmapped
from fsref.importers.torch.draft import Step
from fsref.importers.torch.views import Site, View, form, image, vector, viewed

STRUCTURE: dict[str, Callable[..., Any]] = {}


@form(
    STRUCTURE,
    "view",
    "reshape",
    "_unsafe_view",
    "flatten",
    "squeeze",
    "unsqueeze",
    "unflatten",
    "view_as",
    "reshape_as",
)
def reshaped(site: Site, x: View, *_: Any) -> View:
    """x, seen in another shape."""
    return View(x.step, site.dims) if x.step.op else site.make("")


@form(STRUCTURE, "expand", "expand_as")
def expand(site: Site, x: View, *_: Any) -> View:
    """x, of (C, 1, 1) when it grows: what reads it may broadcast it."""
    if site.dims != x.dims and (x.step.shape[1:] != (1, 1) or x.dims != x.step.shape):
        raise Unmapped(nearest="expand of (C, 1, 1)")
    return View(x.step, x.dims, expanded=site.dims != x.dims)


@form(STRUCTURE, "pad", "constant_pad_nd")
def pad(site: Site, x: View, sides: Sequence[int], *rest: Any) -> View:
    """Constant padding of places and channels: torch counts from the last axis."""
    mode, value = rest if len(rest) == 2 else ("constant", *rest)
    x = image(site, x)
    if mode != "constant" or min(sides[4:], default=0) < 0 or len(x.dims) != 3 or len(sides) > 6:
        raise Unmapped(nearest="pad with a constant")
    left, right, top, bottom, before, after = (*sides, 0, 0, 0, 0, 0, 0)[:6]
    return site.make("pad", x, padding=(top, left, bottom, right), channels=(before, after), value=float(value or 0.0))


@form(STRUCTURE, "slice")
def part(site: Site, x: View, dim: int, start: int | None, end: int | None, step: int) -> View:
    """Every step-th of some rows or columns, or all of an axis."""
    axis = dim % (len(x.dims) + 1)
    if site.dims == x.dims:
        return x
    side = x.dims[axis - 1]
    taken = range(side)[start:end:step]
    if axis not in (2, 3) or len(x.dims) != 3 or not taken:
        raise Unmapped(nearest="a slice of channels, rows or columns")
    x, cut = image(site, x), (-taken.start, min(taken[-1] + step, side) - side)
    if any(cut):
        shape, around = list(x.step.shape), [0, 0, 0, 0]
        shape[axis - 1] += sum(cut)
        around[axis - 2 :: 2] = cut
        x = site.make("pad", x, shape=(shape[0], shape[1], shape[2]), padding=tuple(around))
        x = View(x.step, x.step.shape)
    if step == 1:
        return View(x.step, site.dims)
    return site.make("subsample", x, stride=(step, 1) if axis == 2 else (1, step))


@form(STRUCTURE, "select")
def select(site: Site, x: View, dim: int, index: int) -> View:
    """The one row or column there is."""
    if dim % (len(x.dims) + 1) == 0 or x.dims[dim % (len(x.dims) + 1) - 1] != 1:
        raise Unmapped(nearest="flatten, or a slice with a step")
    return View(x.step, site.dims)


@form(STRUCTURE, "cat", "concat", "concatenate")
def cat(site: Site, parts: Sequence[Any], dim: int = 0) -> View:
    """Values side by side; along the channels parts of one constant number at the ends are padding."""
    if (axis := dim % (len(site.dims) + 1)) > 1:
        return side_by_side(site, parts, axis)
    if axis == 0:
        raise Unmapped(nearest="cat along the channels, rows or columns")
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


def side_by_side(site: Site, parts: Sequence[Any], axis: int) -> View:
    """Values side by side along an axis behind the channels: one view where all show the same map, else the sum of
    views.
    """
    near = "cat of values along the channels, rows or columns"
    if not all(isinstance(part, View) for part in parts) or len({len(part.dims) for part in parts}) > 1:
        raise Unmapped(nearest=near)
    shapes = [part.step.shape for part in parts]
    if all(part.dims == part.step.shape for part in parts):
        along = axis - 2
    elif all(part.dims in ((c, h), (c, w)) and min(h, w) == 1 for part, (c, h, w) in zip(parts, shapes, strict=True)):
        along = 0 if all(w == 1 for _, _, w in shapes) else 1  # of one row, or one column
    else:
        raise Unmapped(nearest=near)
    if len({(shape[0], shape[2 - along]) for shape in shapes}) > 1:
        raise Unmapped(nearest="equal other sizes")
    try:
        views = beside([shown_map(part.step) for part in parts], along)
    except ValueError as error:
        raise Unmapped(str(error), "fewer rows and columns") from None
    shape = views[0][0].shape[0], len(views[0][1][0]), len(views[0][1][1])
    inner = replace(site, dims=shape)
    found = [viewed(inner, View(step, step.shape), *lists) for step, lists in views]
    return View((found[0] if len(found) == 1 else inner.make("add", *found)).step, site.dims)


def shown_map(step: Step) -> tuple[Step, Lists]:
    """The step that a step shows in the end, and at which rows and columns."""
    lists: Lists = np.arange(step.shape[1]), np.arange(step.shape[2])
    while (seen := through(step.op, step.attributes, lists)) is not None:
        step, lists = step.inputs[0], seen
    return step, lists


@form(STRUCTURE, "stack")
def stack(site: Site, parts: Sequence[Any], dim: int = 0) -> View:
    """Values side by side along the channels, seen along an axis of their own."""
    if dim % (len(site.dims) + 1) != 1 or not all(isinstance(part, View) for part in parts):
        raise Unmapped(nearest="cat along the channels")
    values = parts if len({part.step.shape for part in parts}) == 1 else [image(site, part) for part in parts]
    if len(values) == 1:
        return View(values[0].step, site.dims)
    shape = sum(value.step.shape[0] for value in values), *values[0].step.shape[1:]
    return site.make("concat", *values, shape=shape)


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
