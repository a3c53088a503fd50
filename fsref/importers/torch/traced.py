"""Values and calls of a traced torch model, and how constants of the model meet them.

Reshapes cost nothing: a value remembers the shape torch sees beside the (C, H, W) of the graph, and is flattened only
where an operator needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from fsref.graph.operators import Floats, size_of
from fsref.importers.draft import Step
from fsref.law.populations import Shape


class Unmapped(Exception):
    """An operator has no form in a graph: the nearest one, empty when there is none, and the operator's name where
    torch's says too little.
    """

    def __init__(self, nearest: str, operator: str = "") -> None:
        super().__init__(nearest, operator)
        self.nearest, self.operator = nearest, operator


@dataclass(frozen=True)
class Value:
    """A value of the graph and the shape that torch sees, batch apart: the same numbers in C order, unless it was
    expanded.
    """

    step: Step
    dims: tuple[int, ...]
    expanded: bool = False


@dataclass(frozen=True)
class Call:
    """One call: the operator's name, the shape of its (first) result, batch apart, and the path of the module it stands
    in.
    """

    name: str
    dims: tuple[int, ...]
    place: str

    def make(
        self,
        op: str,
        *inputs: Value,
        shape: Shape | None = None,
        arrays: dict[str, Floats] | None = None,
        **attributes: Any,
    ) -> Value:
        """The result as a step; its shape is that of torch's result."""
        steps = tuple(value.step for value in inputs)
        return Value(Step(op, steps, shape or image_shape(self.dims), self.place, attributes, arrays or {}), self.dims)

    def along(self, op: str, x: Value, arrays: dict[str, Floats] | None = None, **attributes: Any) -> Value:
        """A step of the same shape as its input, place by place."""
        return Value(self.make(op, x, shape=x.step.shape, arrays=arrays, **attributes).step, x.dims)


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
        raise Unmapped(f"values of (C, H, W), not {tuple(dims)}")
    c, h, w = (*dims, 1, 1, 1)[:3]
    return c, h, w


def flat(call: Call, x: Value) -> Value:
    """x as a vector (N, 1, 1) in the graph, flattened beside the module that wants it."""
    if x.step.shape[1:] == (1, 1):
        return x
    size = size_of(x.step.shape)
    return Value(Step("flatten", (x.step,), (size, 1, 1), call.place.rpartition(".")[0]), x.dims)


def image(call: Call, x: Value) -> Value:
    """x with one shape in the graph and in torch, ones behind it apart."""
    if image_shape(x.dims) == x.step.shape:
        return x
    if x.dims and x.dims[0] == size_of(x.step.shape):
        return flat(call, x)
    raise Unmapped(f"a value of {x.step.shape}, not reshaped to {x.dims}")


def rows(call: Call, x: Value) -> Value:
    """x with its channels as torch sees them, whatever is behind them."""
    return x if x.dims[:1] == x.step.shape[:1] else image(call, x)


def vector(x: Any) -> Floats:
    """A constant as float64."""
    return np.array(x.detach().cpu().double().numpy())


def constant(x: Any, nearest: str) -> Floats:
    """A tensor of the model as float32. Errors: Unmapped when it depends on the image."""
    if isinstance(x, Value):
        raise Unmapped(nearest)
    return vector(x).astype(np.float32)


def number(x: Any) -> float:
    """One number, plain or in a tensor."""
    if isinstance(x, Value) or (hasattr(x, "numel") and x.numel() != 1):
        raise Unmapped("one number for all channels")
    return float(x)


def pair(sizes: Sequence[int] | int) -> tuple[int, int]:
    """(y, x) of a size that may be given once for both."""
    y, x = (sizes, sizes) if isinstance(sizes, int) else (sizes[0], sizes[-1])
    return int(y), int(x)


def per_channel(call: Call, x: Value, given: Any) -> tuple[Value, Floats]:
    """x, and a constant spread over it as one number per channel."""
    try:
        spread = np.broadcast_to(vector(given) if hasattr(given, "numel") else np.float64(given), (1, *x.dims))[0]
    except ValueError:
        raise Unmapped("affine: one constant per channel") from None
    if (spread == spread.flat[0]).all():
        return x, np.full(x.step.shape[0], spread.flat[0])
    x = rows(call, x)
    columns = spread.reshape(x.step.shape[0], -1)
    if (columns != columns[:, :1]).any():
        raise Unmapped("affine: one constant per channel")
    return x, columns[:, 0].copy()


def affine(call: Call, x: Value, gain: Any = 1.0, offset: Any = 0.0) -> Value:
    """x * gain + offset, each a number or a tensor of the model."""
    x, gains = per_channel(call, x, gain)
    x, offsets = per_channel(call, x, offset)
    if len(gains) != len(offsets):  # x was flattened for the offset
        gains = np.full(len(offsets), gains[0])
    return call.along("affine", x, arrays={"gain": gains, "offset": offsets})


def together(call: Call, op: str, a: Value, b: Value) -> Value:
    """a and b in one add or mul."""
    if a.dims != b.dims or a.step.shape != b.step.shape:
        a, b = image(call, a), image(call, b)
        gate = (a.step.shape[0], 1, 1) in (a.step.shape, b.step.shape) and len(a.dims) == len(b.dims) == 3
        if a.step.shape[0] != b.step.shape[0] or not (gate or a.dims == b.dims):
            raise Unmapped("equal shapes, or (C, 1, 1) with (C, H, W)")
    larger = max(a, b, key=lambda value: size_of(value.step.shape))
    return Value(call.make(op, a, b, shape=larger.step.shape).step, larger.dims)
