"""Maps whose places are moved, spread or taken, by whatever name a framework knows them: as channels taken and a view,
or as a convolution (VIEW-3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fsref.graph.operators import MAX_WEIGHTS, Floats
from fsref.graph.views import bordered, check, parted
from fsref.graph.views import taken as again
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Padding, Pair
from fsref.tables import Brief


@dataclass(frozen=True, eq=False, repr=False)
class Taken(Brief):
    """Channels, rows and columns that are taken of a value, by number; None: all of them in order."""

    channels: Ints | None
    rows: Ints
    columns: Ints
    moved: bool


def taken(numbers: Ints, shape: Shape) -> Taken | None:
    """What values (C, H, W) take, by their `numbers` (C', H', W') in C order; None where places differ by channel."""
    c, y, x = np.unravel_index(numbers, shape)
    if (c != c[:, :1, :1]).any() or (y != y[:1, :, :1]).any() or (x != x[:1, :1]).any():
        return None
    channels, rows, columns = c[:, 0, 0], y[0, :, 0], x[0, 0]
    whole = [np.array_equal(own, np.arange(size)) for own, size in zip((channels, rows, columns), shape, strict=True)]
    return Taken(None if whole[0] else channels, rows, columns, not (whole[1] and whole[2]))


@dataclass(frozen=True, eq=False, repr=False)
class Transposed(Brief):
    """A transposed convolution as the view that it reads, None where that would be the whole map, and the convolution
    of that.
    """

    rows: Ints
    columns: Ints
    weight: Floats
    padding: Padding

    def moves(self, size: Pair) -> bool:
        """Whether a map of this size is read otherwise than as it is."""
        return not all(
            np.array_equal(own, np.arange(n)) for own, n in zip((self.rows, self.columns), size, strict=True)
        )


def transposed(
    size: Pair, weight: Floats, stride: Pair, padding: Padding, dilation: Pair, more: Pair, groups: int
) -> Transposed:
    """A transposed convolution of a map of this size by weights (I, O / groups, kh, kw): what it cuts off at the edges
    is `padding`, and so many rows and columns `more` come at the end. Errors: ValueError where nothing, or too
    much, is left.
    """
    inputs, outputs, kh, kw = weight.shape
    turned = weight.reshape(groups, inputs // groups, outputs, kh, kw)[..., ::-1, ::-1]
    turned = turned.swapaxes(1, 2).reshape(groups * outputs, inputs // groups, kh, kw)
    top, left, bottom, right = padding
    sides, lists = [], []
    for i, (before, after) in enumerate(((top, bottom), (left, right))):
        reach = dilation[i] * (weight.shape[2 + i] - 1)
        ends = reach - before, reach - after + more[i]
        places = bordered(parted(size[i], stride[i]), min(0, ends[0]), min(0, ends[1]), "zero")
        lists.append(places)
        sides.append([max(0, end) for end in ends])
    around = sides[0][0], sides[1][0], sides[0][1], sides[1][1]
    return Transposed(lists[0], lists[1], np.ascontiguousarray(turned), around)


def shuffled(channels: int, block: int, depth_first: bool = False) -> Floats:
    """Weights (C, 1, block, block) of the transposed convolution, of stride `block`, that lays `channels` out as
    places, in groups of as many as a block has; `depth_first`: channels of one place of the block stand together, and
    all are one group (C, C / block², block, block).
    """
    each = _block(channels, block, deep=depth_first)
    if channels % each:
        raise ValueError(f"{channels} channels are no blocks of {each}")
    at = np.arange(channels)
    if not depth_first:
        weights = np.zeros((channels, 1, block, block), np.float32)
        weights[at, 0, at % each // block, at % block] = 1
        return weights
    outputs = channels // each
    weights = np.zeros((channels, outputs, block, block), np.float32)
    weights[at, at % outputs, at // outputs // block, at // outputs % block] = 1
    return weights


def unshuffled(channels: int, block: int, depth_first: bool = False) -> Floats:
    """Weights (C · block², 1, block, block) of the convolution by groups, of stride `block`, that lays places out as
    channels, those of one channel together; `depth_first`: those of one place of the block together, of one group.
    """
    each = _block(channels * block * block, block, deep=depth_first)
    at = np.arange(channels * each)
    if not depth_first:
        weights = np.zeros((channels * each, 1, block, block), np.float32)
        weights[at, 0, at % each // block, at % block] = 1
        return weights
    weights = np.zeros((channels * each, channels, block, block), np.float32)
    weights[at, at % channels, at // channels // block, at // channels % block] = 1
    return weights


def _block(channels: int, block: int, deep: bool) -> int:
    """The places of a block. Errors: ValueError where it has none, or the weights that lay so many channels out are too
    many.
    """
    if block < 1 or channels * (channels if deep else block * block) > MAX_WEIGHTS:
        raise ValueError(f"blocks of {block} by {block} of {channels} channels")
    return block * block


@dataclass(frozen=True, eq=False, repr=False)
class Strided(Brief):
    """A convolution of zeros and ones, by its weights (O, I / groups, kh, kw), its stride and its groups."""

    weight: Floats
    stride: Pair
    groups: int


def strided(numbers: Ints, shape: Shape) -> Strided | None:
    """The convolution that takes the values of a map of this shape that have these `numbers` (C', H', W') in C order,
    those of each channel out of one, rows and columns equally far apart; None where there is none.
    """
    channels, height, width = numbers.shape
    c, y, x = (own[:, 0, 0] for own in np.unravel_index(numbers, shape))
    ends = [np.unravel_index(numbers[0, min(1, height - 1), min(1, width - 1)], shape)[i] for i in (1, 2)]
    by = [int(end - first[0]) for end, first in zip(ends, (y, x), strict=True)]
    by = [step if count > 1 else size for step, count, size in zip(by, (height, width), shape[1:], strict=True)]
    kernel = int(y.max()) + 1, int(x.max()) + 1
    if min(by) < 1 or [(size - k) // s + 1 for size, k, s in zip(shape[1:], kernel, by, strict=True)] != [
        height,
        width,
    ]:
        return None
    places = by[0] * np.arange(height)[:, None] * shape[2] + by[1] * np.arange(width)
    if (numbers != numbers[:, :1, :1] + places).any():
        return None
    each, left = divmod(channels, shape[0])
    own = not left and np.array_equal(c, np.arange(channels) // each)
    inputs = 1 if own else shape[0]
    if channels * inputs * kernel[0] * kernel[1] > MAX_WEIGHTS:
        return None
    weight = np.zeros((channels, inputs, *kernel), np.float32)
    weight[np.arange(channels), 0 if own else c, y, x] = 1
    return Strided(weight, (by[0], by[1]), shape[0] if own else 1)


@dataclass(frozen=True, eq=False, repr=False)
class Interpolated(Brief):
    """A line that is `factor` times as long, linear between its places: the view that is read, with gaps, the kernel of
    the convolution of that, and its padding (before, after).
    """

    places: Ints
    kernel: Floats
    padding: Pair


def interpolated(size: int, factor: int, centred: bool) -> Interpolated:
    """What makes a line of `size` places `factor` times as long: each stands in the middle of those that it becomes
    (`centred`), else at the first of them; beyond the ends they stand again. Errors: ValueError where there are too
    many.
    """
    if factor == 1:
        return Interpolated(np.arange(size), np.ones(1, np.float32), (0, 0))
    taps = np.arange(2 * factor - (0 if centred and factor % 2 == 0 else 1))
    kernel = 1 - np.abs(taps - taps.mean()) / factor
    edges = bordered(np.arange(size), int(centred), 1, "edge")
    places = again(edges, parted(len(edges), factor))
    before = -(-factor // 2) - 1 - factor % 2 if centred else factor - 1
    after = size * factor - 1 + len(taps) - len(places) - before
    return Interpolated(places, kernel.astype(np.float32), (before, after))


def run_on(size: Pair, before: int, after: int) -> list[tuple[int, Ints, Ints]]:
    """A map read row by row as one line, so many places of it on either side of each: views of (H, W + before + after)
    whose sum has at each place of a row what the line has there, each as the rows below that it shows, its rows and its
    columns. A row shows what follows it, nothing beyond the ends of the line. Errors: ValueError where there are too
    many rows or places.
    """
    height, width = size
    check(width + before + after)
    y, x = np.arange(height), np.arange(-before, width + after)
    first, last = max(-before // width, 1 - height), min((width - 1 + after) // width, height - 1)
    if last - first >= ROWS:
        raise ValueError(f"reaches over {last - first + 1} rows, at most {ROWS}")
    found = []
    for down in range(first, last + 1):
        at = y + down
        rows = np.where((at >= 0) & (at < height), at, -1)
        found.append((down, rows, np.where(x // width == down, x - down * width, -1)))
    return found


ROWS = 64  # that a convolution along rows that follow one another looks at: it becomes as many

MODES = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric", "asymmetric", "align_corners")
CENTRED = MODES[:3]  # of scales of whole numbers all the same
ROUNDS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")


def resized(size: int, count: int, scale: float, mode: str, rounds: str, kind: type[np.floating[Any]]) -> Ints:
    """The places (count,) of a map of this size that are nearest to those of a larger or smaller one, as ONNX's Resize
    says, scale = count / size or as given; computed in this `kind` of numbers. Errors: ValueError where there are too
    many.
    """
    check(count)
    x, by = np.arange(count).astype(kind), kind(scale)
    half = kind(0.5)
    match mode:
        case "align_corners":
            at = x * (size - 1) / kind(max(1, count - 1))
        case "asymmetric":
            at = x / by
        case "pytorch_half_pixel" if count == 1:
            at = 0 * x
        case "half_pixel_symmetric":
            at = kind(size / 2) * (1 - kind(count) / (by * size)) + (x + half) / by - half
        case _:
            at = (x + half) / by - half
    match rounds:
        case "floor":
            found = np.floor(at)
        case "ceil":
            found = np.ceil(at)
        case "round_prefer_ceil":
            found = np.floor(at + half)
        case _:
            found = np.ceil(at - half)
    places: Ints = np.clip(found, 0, size - 1).astype(np.int64)
    return places
