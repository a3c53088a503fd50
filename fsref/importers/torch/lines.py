"""What torch's operators of lines (1d) are in a float graph (GRAPH-7): those of maps one row high, or one column wide;
a table as in layers.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fsref.importers.refusals import Unmapped
from fsref.importers.torch import layers
from fsref.importers.torch.views import Site, View, form

LINES: dict[str, Callable[..., Any]] = {}


class Line:
    """A value (C, L) as a map, and what is said of it by its one axis said by both."""

    def __init__(self, site: Site, x: View) -> None:
        c, h, w = x.step.shape
        if x.dims != (c, h * w) or min(h, w) > 1:
            raise Unmapped(nearest=f"{site.name} of values (C, L), from a map one row high or one column wide")
        self.row, self.dims = h == 1, site.dims
        self.x = View(x.step, x.step.shape)
        sides = site.dims[0], *self.both(site.dims[1], 1)
        self.site = replace(site, name=site.name.replace("1d", "2d"), dims=sides)

    def both(self, size: Any, other: int) -> tuple[int, int]:
        """(y, x) of a size, `other` across the line."""
        one = int(size[0] if isinstance(size, list | tuple) else size)
        return (other, one) if self.row else (one, other)

    def seen(self, made: View) -> View:
        """A map as a line again."""
        return View(made.step, self.dims)


@form(LINES, "conv1d.default")
def conv1d(site: Site, x: View, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> View:
    """conv1d with padding in numbers."""
    line = Line(site, x)
    taps = weight.unsqueeze(2 if line.row else 3)
    sizes = line.both(stride, 1), line.both(padding, 0), line.both(dilation, 1)
    return line.seen(layers.conv2d(line.site, line.x, taps, bias, *sizes, groups))


@form(LINES, "max_pool1d")
def max_pool1d(site: Site, x: View, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> View:
    """A max-pool."""
    line = Line(site, x)
    sizes = line.both(kernel, 1), line.both(stride or kernel, 1), line.both(padding, 0), line.both(dilation, 1)
    return line.seen(layers.max_pool2d(line.site, line.x, *sizes, ceil_mode))


@form(LINES, "avg_pool1d")
def avg_pool1d(site: Site, x: View, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count: bool) -> View:
    """A mean over windows."""
    line = Line(site, x)
    sizes = line.both(kernel, 1), line.both(stride or kernel, 1), line.both(padding, 0)
    return line.seen(layers.avg_pool2d(line.site, line.x, *sizes, ceil_mode, count, None))


@form(LINES, "adaptive_avg_pool1d")
def adaptive_avg_pool1d(site: Site, x: View, _: Any) -> View:
    """A mean over equal windows."""
    line = Line(site, x)
    return line.seen(layers.adaptive_avg_pool2d(line.site, line.x, None))
