"""What a traced torch model computes, as views of steps, and how constants of the model meet them.

Reshapes cost nothing: a view remembers the shape torch sees beside the (C, H, W) of the graph, and is flattened only
where an operator needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from fsref.graph.operators import Floats, size_of
from fsref.importers.refusals import Unmapped
from fsref.importers.torch.draft import Step
from fsref.law.neuron import Ints
from fsref.law.populations import Shape


@dataclass(frozen=True)
class View:
    """A step of the graph and the shape in which torch sees its value, batch apart: the same numbers in C order, unless
    it was expanded, or is turned: then axis i of torch's is axis order[i] of a plain view.
    """

    step: Step
    dims: tuple[int, ...]
    expanded: bool = False
    order: tuple[int, ...] = ()


@dataclass(frozen=True)
class Site:
    """Where torch calls an operator, and steps are made for it: its name, the shape of its (first) result, batch
    apart, and the path of the module it stands in.
    """

    name: str
    dims: tuple[int, ...]
    place: str

    def make(
        self,
        op: str,
        *inputs: View,
        shape: Shape | None = None,
        arrays: dict[str, Floats] | None = None,
        **attributes: Any,
    ) -> View:
        """The result as a step; its shape is that of torch's result."""
        steps = tuple(value.step for value in inputs)
        return View(Step(op, steps, shape or image_shape(self.dims), self.place, attributes, arrays or {}), self.dims)

    def along(self, op: str, x: View, arrays: dict[str, Floats] | None = None, **attributes: Any) -> View:
        """A step of the same shape as its input, place by place."""
        return View(self.make(op, x, shape=x.step.shape, arrays=arrays, **attributes).step, x.dims)


F = TypeVar("F", bound=Callable[..., Any])


def form(table: dict[str, Callable[..., Any]], *names: str) -> Callable[[F], F]:
    """Enter a function into a table for these operators; `name.overload` is for one overload alone."""

    def entered(function: F) -> F:
        table.update(dict.fromkeys(names, function))
        return function

    return entered


def image_shape(dims: Sequence[int]) -> Shape:
    """(C, H, W) of torch's shape, ones behind it."""
    if len(dims) > 3:
        raise Unmapped(nearest=f"values of (C, H, W), not {tuple(dims)}")
    c, h, w = (*dims, 1, 1, 1)[:3]
    return c, h, w


def flat(site: Site, x: View) -> View:
    """x as a vector (N, 1, 1) in the graph, flattened beside the module that wants it."""
    if x.step.shape[1:] == (1, 1):
        return x
    size = size_of(x.step.shape)
    return View(Step("flatten", (x.step,), (size, 1, 1), site.place.rpartition(".")[0]), x.dims)


def image(site: Site, x: View) -> View:
    """x with one shape in the graph and in torch, ones behind it apart."""
    if image_shape(x.dims) == x.step.shape:
        return x
    if x.dims and x.dims[0] == size_of(x.step.shape):
        return flat(site, x)
    raise Unmapped(nearest=f"a value of {x.step.shape}, not reshaped to {x.dims}")


def viewed(site: Site, x: View, rows: Ints, columns: Ints) -> View:
    """x at other places, -1 for none; itself where these are its own."""
    if all(np.array_equal(own, np.arange(n)) for own, n in zip((rows, columns), x.step.shape[1:], strict=True)):
        return View(x.step, x.step.shape)
    shape = x.step.shape[0], len(rows), len(columns)
    made = site.make("view", x, shape=shape, rows=tuple(rows.tolist()), columns=tuple(columns.tolist()))
    return View(made.step, shape)


def rows(site: Site, x: View) -> View:
    """x with its channels as torch sees them, whatever is behind them."""
    return x if x.dims[:1] == x.step.shape[:1] else image(site, x)


def vector(x: Any) -> Floats:
    """A constant as float64."""
    return np.array(x.detach().cpu().double().numpy())


def constant(x: Any, nearest: str) -> Floats:
    """A tensor of the model as float32. Errors: Unmapped when it depends on the image."""
    if isinstance(x, View):
        raise Unmapped(nearest=nearest)
    return vector(x).astype(np.float32)


def number(x: Any) -> float:
    """One number, plain or in a tensor."""
    if isinstance(x, View) or (hasattr(x, "numel") and (x.numel() == 0 or (x != x.flatten()[0]).any())):
        raise Unmapped(nearest="one number for all channels")
    return float(x.flatten()[0] if hasattr(x, "numel") else x)


def pair(sizes: Sequence[int] | int) -> tuple[int, int]:
    """(y, x) of a size that may be given once for both."""
    y, x = (sizes, sizes) if isinstance(sizes, int) else (sizes[0], sizes[-1])
    return int(y), int(x)


def per_channel(site: Site, x: View, given: Any) -> tuple[View, Floats]:
    """x, and a constant spread over it as one number per channel."""
    x, found = per_place(site, x, given)
    if found.ndim == 2:
        raise Unmapped(nearest="affine: one constant per channel")
    return x, found


def per_place(site: Site, x: View, given: Any) -> tuple[View, Floats]:
    """x, and a constant spread over it as one number per channel, (C,), or, where they differ from place to place, for
    each of them, (C, places).
    """
    numbers = vector(given) if hasattr(given, "numel") else np.asarray(given, np.float64)
    if numbers.ndim > len(x.dims) and (numbers == numbers[:1]).all():  # made to match a batch of images
        numbers = numbers[:1]
    try:
        spread = np.broadcast_to(numbers, (1, *x.dims))[0]
    except ValueError:
        raise Unmapped(nearest="affine: one constant per channel") from None
    if (spread == spread.flat[0]).all():
        return x, np.full(x.step.shape[0], spread.flat[0])
    x = rows(site, x)
    columns = spread.reshape(x.step.shape[0], -1)
    return x, columns if (columns != columns[:, :1]).any() else columns[:, 0].copy()


def affine(site: Site, x: View, gain: Any = 1.0, offset: Any = 0.0) -> View:
    """x * gain + offset, each a number or a tensor of the model."""
    x, gains = per_channel(site, x, gain)
    x, offsets = per_place(site, x, offset)
    if offsets.ndim == 2:
        made = affine(site, x, gain) if (gains != 1).any() else x
        return site.along("offset", made, arrays={"map": offsets.reshape(x.step.shape)})
    if len(gains) != len(offsets):  # x was flattened for the offset
        gains = np.full(len(offsets), gains[0])
    return site.along("affine", x, arrays={"gain": gains, "offset": offsets})


def together(site: Site, op: str, a: View, b: View) -> View:
    """a and b in one add or mul."""
    if a.dims != b.dims or a.step.shape != b.step.shape:
        a, b = image(site, a), image(site, b)
        gate = (a.step.shape[0], 1, 1) in (a.step.shape, b.step.shape) and len(a.dims) == len(b.dims) == 3
        if a.step.shape[0] != b.step.shape[0] or not (gate or a.dims == b.dims):
            raise Unmapped(nearest="equal shapes, or (C, 1, 1) with (C, H, W)")
    larger = max(a, b, key=lambda value: size_of(value.step.shape))
    return View(site.make(op, a, b, shape=larger.step.shape).step, larger.dims)
