"""ONNX operators that only move values (GRAPH-9): run on the numbers of the values, they tell where each goes. What
comes out in order but for its channels is a select of them; what a Reshape or a Transpose leaves in another order waits
for the next that brings it back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fsref.importers.onnx.axes import ORDERS, flattened, layout
from fsref.importers.onnx.model import Operator
from fsref.importers.onnx.reference import evaluated, folded_size
from fsref.importers.onnx.spread import of, viewed
from fsref.importers.onnx.values import Builder, Numbers, Value, Waiting
from fsref.importers.places import strided, taken, transposed
from fsref.importers.refusals import Unmapped, line
from fsref.law.neuron import Ints

RESHAPES = ("Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze")
REPEATS = ("Expand", "Tile")
MOVES = (*RESHAPES, *REPEATS, "Gather", "Slice", "Split")

MOST = 2**24  # values that are numbered to see where they go


def moved(
    b: Builder, operator: Operator, given: Sequence[Value | Numbers | None], opset: int, problem: Unmapped
) -> list[Value]:
    """The results of an operator that takes values by their place, the first of its operands. Errors: Unmapped, the
    `problem` of its own form, where channels are not taken whole.
    """
    value, *others = given
    if not isinstance(value, Value) or any(isinstance(other, Value) for other in others):
        raise problem
    if operator.op not in RESHAPES and value.waiting is None and any(len(letters) > 1 for letters in value.axes):
        value = flattened(b, value)
    arrays = [other for other in others if not isinstance(other, Value)]
    if b.batch * math.prod(value.shape) > MOST:
        raise problem
    numbers = _numbers(b, value)
    if _grown(operator, numbers, arrays) > MOST:
        raise problem
    found = [_taken(b, value, made) for made in evaluated(operator, [numbers, *arrays], opset)]
    if all(isinstance(made, Value) for made in found):
        return [made for made in found if isinstance(made, Value)]
    if operator.op not in (*RESHAPES, *REPEATS):
        raise problem
    said = value.waiting.said if value.waiting else line(operator.path, operator.op, problem.problem, problem.nearest)
    return [made if isinstance(made, Value) else replace(value, waiting=Waiting(made, said)) for made in found]


def _grown(operator: Operator, numbers: Ints, arrays: Sequence[Numbers | None]) -> int:
    """How many numbers come out, at most, of an operator that may repeat them."""
    if operator.op == "Gather" and arrays[0] is not None:
        return numbers.size // max(1, min(numbers.shape, default=1)) * arrays[0].size
    return folded_size(operator, [numbers, *arrays]) if operator.op in REPEATS else numbers.size


def _numbers(b: Builder, value: Value) -> Ints:
    """The number that each element of a value has in (B, C, H, W), in the shape that ONNX gives it."""
    if value.waiting is not None:
        return value.waiting.numbers
    sizes = b.sizes(value.shape)
    letters = "".join(value.axes)
    order = [*letters, *(letter for letter in "BCHW" if letter not in letters)]
    numbers = np.arange(math.prod(sizes.values())).reshape(list(sizes.values()))
    return numbers.transpose(["BCHW".index(letter) for letter in order]).reshape(b.shape_of(value))


def permuted(b: Builder, value: Value) -> Ints | None:
    """The number in (C, H, W) of each element that ONNX gives a value of an image, in order; None where some is not
    there, or there twice.
    """
    size = math.prod(value.shape)
    images = _numbers(b, value).reshape(b.batch, -1)
    whole = images.shape[1] == size and (images == images[0] + size * np.arange(b.batch)[:, None]).all()
    return images[0] if whole and np.array_equal(np.sort(images[0]), np.arange(size)) else None


def _taken(b: Builder, value: Value, numbers: Ints) -> Value | Ints:
    """The value whose elements have these numbers, its channels perhaps selected; the numbers where that gives none."""
    if not numbers.size:
        return numbers
    sizes = b.sizes(value.shape)
    batch, channels, height, width = sizes.values()
    found = dict(zip("BCHW", np.unravel_index(numbers, list(sizes.values())), strict=True))
    axes = [
        "".join(letter for letter in "BCHW" if (found[letter] != found[letter].take([0], axis=k)).any())
        for k in range(numbers.ndim)
    ]
    if (seen := _shown(b, value, numbers, axes)) is not None:
        return seen
    repeating = [k for k, size in enumerate(numbers.shape) if size > 1 and not axes[k]]
    if repeating and "C" not in "".join(axes):  # one channel, again and again
        axes[repeating[0]] = "C"
    letters = "".join(axes)
    count, rest = divmod(numbers.size, batch * height * width)
    missing = [letter for letter in "BHW" if sizes[letter] > 1 and letter not in letters]
    if len(set(letters)) < len(letters) or rest or not count or missing or (count > 1 and "C" not in letters):
        return numbers
    sizes["C"] = count
    order = [*letters, *(letter for letter in "BCHW" if letter not in letters)]
    placed = numbers.reshape([sizes[letter] for letter in order]).transpose([order.index(letter) for letter in "BCHW"])
    indices = placed[0, :, 0, 0] // (height * width)
    whole = np.arange(batch * channels * height * width).reshape(batch, channels, height, width)
    if (placed != whole[:, indices]).any():
        return numbers
    name = value.name
    if not np.array_equal(indices, np.arange(channels)):
        name = b.add("select", [name], {"indices": indices})
    return replace(b.value(name, axes), whole=value.whole)


def laid(b: Builder, value: Value) -> Value:
    """A value that waits, N x C x H x W, whose places were laid out as channels, or channels as places: a convolution
    of zeros and ones, or a transposed one; any other as it is.
    """
    if value.waiting is None:
        return value
    numbers, size = value.waiting.numbers, math.prod(value.shape)
    if numbers.ndim != 4 or len(numbers) != b.batch:
        return value
    image, starts = numbers[0], size * np.arange(b.batch)[:, None, None, None]
    if image.min() < 0 or image.max() >= size or (numbers != image + starts).any():
        return value
    if (found := strided(image, value.shape)) is not None:
        form = {"stride": found.stride, "groups": found.groups}
        name = b.add("conv", [value.name], form, {"weight": found.weight}, part="places")
        return replace(b.value(name, "BCHW"), whole=value.whole)
    if image.size != size or len(np.unique(image)) < size:
        return value
    back = strided(np.argsort(image, axis=None).reshape(value.shape), image.shape)
    if back is None:
        return value
    _, height, width = value.shape
    spread = transposed((height, width), back.weight, back.stride, (0, 0, 0, 0), (1, 1), (0, 0), back.groups)
    name = viewed(b, value.name, spread.rows, spread.columns)
    made = b.add(
        "conv", [name], {"padding": spread.padding, "groups": back.groups}, {"weight": spread.weight}, part="places"
    )
    return replace(b.value(made, "BCHW"), whole=value.whole) if b.shapes[made] == image.shape else value


def _shown(b: Builder, value: Value, numbers: Ints, axes: Sequence[str]) -> Value | None:
    """The value N x C x H x W, or N x H x W x C, of which rows or columns are moved, repeated or taken; None of any
    other. One that waits has the order in which `axes` run over the letters.
    """
    if numbers.ndim != 4:
        return None
    if value.waiting is not None:
        orders = [own for own in ORDERS if len(own) == 4 and all(a in ("", o) for a, o in zip(axes, own, strict=True))]
        if not orders:
            return None
        order = orders[0]
    elif len(value.axes) == 4 and all(len(letters) < 2 for letters in value.axes):
        order = layout(b, value)
    else:
        return None
    images = numbers.transpose([order.index(letter) for letter in "BCHW"])
    size = math.prod(value.shape)
    if len(images) != b.batch or (images != images[:1] + size * np.arange(b.batch)[:, None, None, None]).any():
        return None
    if images[0].min() < 0 or images[0].max() >= size or (found := taken(images[0], value.shape)) is None:
        return None
    if not found.moved:
        return None  # channels alone: what axes stand for may change
    return replace(b.value(of(b, value.name, found), order), whole=value.whole)
