"""What the axes of an ONNX value stand for: reshapes that make no node, the form in which a node reads a value, and how
a constant meets it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fsref.graph.graph import shown_shape
from fsref.graph.operators import Floats
from fsref.importers.onnx.values import Builder, Numbers, Value
from fsref.importers.refusals import Unmapped


def places(axes: Sequence[int], rank: int) -> list[int]:
    """Axes counted from the front."""
    if any(not -rank <= axis < rank for axis in axes) or len({axis % rank for axis in axes}) != len(axes):
        raise Unmapped(f"names axes {list(axes)} of {rank}", "each axis once")
    return [axis % rank for axis in axes]


def regroup(b: Builder, value: Value, target: Sequence[int]) -> Value:
    """The value reshaped to the ONNX shape `target`."""
    sizes, letters, axes = b.sizes(value.shape), list("".join(value.axes)), list[str]()
    shape = shown_shape(target)
    for size in target:
        taken, product = "", 1
        while product < size and letters:
            taken += letters.pop(0)
            product *= sizes[taken[-1]]
        if product != size:
            wrong = "which splits an axis or makes another number of values"
            raise Unmapped(f"reshapes {shown(b, value)} to {shape}, {wrong}", "flatten, or axes of size 1")
        axes.append(taken)
    if letters:
        raise Unmapped(f"reshapes {shown(b, value)} to {shape}, another number of values", "flatten, or axes of size 1")
    return replace(value, axes=tuple(axes))


def shown(b: Builder, value: Value) -> str:
    """The shape of a value for a message: "1 x 8 (C) x 6 (HW)"."""
    sides = zip(b.shape_of(value), value.axes, strict=True)
    return " x ".join(f"{size} ({letters})" if letters else f"{size}" for size, letters in sides)


PER_CHANNEL = "one number, or one per channel"
ORDERS = ("BCHW", "BHWC", "BCW", "BCH")  # of an image; of a line, one row or one column of it


def layout(b: Builder, *values: Value) -> str:
    """The order BCHW or BHWC that the four axes of values have; BCW or BCH of the three of a line."""
    for order in ORDERS:
        if all(len(value.axes) == len(order) and _fits(value, order) for value in values):
            return order
    raise Unmapped(f"reads {' and '.join(shown(b, value) for value in values)}", "an image N x C x H x W")


def _fits(value: Value, order: str) -> bool:
    """Whether the axes of a value have this order, as far as their sizes tell."""
    return all(letters in ("", letter) for letters, letter in zip(value.axes, order, strict=True))


def image(b: Builder, value: Value) -> str:
    """The node of a value N x C x H x W."""
    if any(len(letters) > 1 for letters in value.axes):
        value = flattened(b, value)
    if layout(b, value) != "BCHW":
        raise Unmapped(f"reads {shown(b, value)}", "an image N x C x H x W")
    return value.name


def joined(b: Builder, value: Value) -> str:
    """The letters, batch apart, of the one axis that holds all of an image's values."""
    axes = [letters for letters in value.axes if letters not in ("", "B")]
    if len(axes) > 1 or any("B" in letters for letters in (*axes, *value.axes[1:])):
        raise Unmapped(f"reads {shown(b, value)}", "an image flattened to N values")
    return axes[0] if axes else ""


def flattened(b: Builder, value: Value) -> Value:
    """The value with its one axis as the channels of (N, 1, 1)."""
    letters = joined(b, value)
    if list(letters) != sorted(letters):
        raise Unmapped(f"reads {shown(b, value)}", "a flatten in the order C, H, W, or a dense layer right after it")
    if value.shape[1:] == (1, 1):
        return value
    axes = ["C" if axis == letters and axis else axis for axis in value.axes]
    return b.value(b.add("flatten", [value.name], part="flatten"), axes)


def storage_order(b: Builder, value: Value) -> NDArray[np.int64] | None:
    """For each place on the one axis of a value, its index in C, H, W order; None when they are the same."""
    letters = joined(b, value)
    if list(letters) == sorted(letters):
        return None
    sizes = b.sizes(value.shape)
    kept = sorted(letters)
    indices = np.arange(math.prod(value.shape), dtype=np.int64).reshape([sizes[letter] for letter in kept])
    return indices.transpose([kept.index(letter) for letter in letters]).ravel()


def per_channel(b: Builder, value: Value, array: Numbers) -> tuple[Value, Floats]:
    """The value, flattened if it has to be, and a constant that meets it as one number per channel."""
    value, found = per_place(b, value, array)
    if found.ndim == 3:
        raise Unmapped("has a constant that differs from place to place", PER_CHANNEL)
    return value, found


def per_place(b: Builder, value: Value, array: Numbers) -> tuple[Value, Floats]:
    """The value, flattened if it has to be, and a constant that meets it: one number per channel, (C,), or, where they
    differ from place to place, (C, H, W).
    """
    numbers = np.asarray(array, np.float64)
    if not (finite := np.isfinite(numbers)).all():
        first = tuple(np.argwhere(~finite)[0].tolist())
        raise Unmapped(f"has a constant that is not finite, first at index {first}", "finite numbers")
    shape, sizes = b.shape_of(value), b.sizes(value.shape)
    dims = (1,) * (len(shape) - numbers.ndim) + numbers.shape
    if len(dims) > len(shape) or any(
        d != 1 and (d != size or "B" in axis) for d, size, axis in zip(dims, shape, value.axes, strict=True)
    ):
        raise Unmapped(f"has a constant of shape {numbers.shape} that does not meet {shown(b, value)}", PER_CHANNEL)
    letters = "".join(axis for axis in value.axes if "B" not in axis)
    spread = [
        sizes[a] if d != 1 else 1 for d, axis in zip(dims, value.axes, strict=True) for a in axis if "B" not in axis
    ]
    kept = [a for a in "CHW" if a in letters]
    full = numbers.reshape(spread).transpose([letters.index(a) for a in kept])
    full = full.reshape([full.shape[kept.index(a)] if a in kept else 1 for a in "CHW"])
    if not (full == full[:, :1, :1]).all():
        each = np.broadcast_to(full, value.shape)
        if any(len(axis) > 1 and "C" in axis for axis in value.axes):
            return flattened(b, value), each.ravel()
        return value, each
    return value, np.broadcast_to(full[:, 0, 0], value.shape[:1])
