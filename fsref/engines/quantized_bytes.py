"""What the `quantized` engine takes (RUN-3), from shapes alone: its plan once, layers of what is left to NumPy, and
images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

import numpy as np

from fsref.engines.dense import plan_of
from fsref.engines.engine import OBJECTS
from fsref.engines.frames import LINE, by_channel, digits, frames_of, framing_of, packed_bytes, sends_codes, up
from fsref.engines.kept import kept
from fsref.engines.kernels.dense import COLUMNS, TERMS
from fsref.engines.layers import kinds
from fsref.law.network import Network
from fsref.law.neuron import relu_theta
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape, View
from fsref.law.projections import Conv2d, Dense, Gate, Pair, Projection

MORE = 16  # at most so many numbers stand between two lists


def shared_bytes(net: Network, threads: int) -> int:
    """A bound on the bytes that images share: the plan, and layers of what it leaves."""
    framing, ready = framing_of(net), plan_of.ready(net)
    size = framing.size * framing.group
    made = plan_bytes(net) if size and ready is None else 0
    rooms = max(0, threads - (len(ready.idle) if ready else 0))  # those of runs before are there
    return made + rooms * (size + LINE) + left_bytes(net)


@kept
def plan_bytes(net: Network) -> int:
    """A bound on the bytes of a plan, of it in the making, too: lists for every population and projection, weights and
    their parts.
    """
    frames, numbers, lists, weights, making = frames_of(net), 0, 0, 0, 0
    for p in net.populations:
        lists += 3 * (p.shape[1] * p.shape[2] + MORE) + 3 * len(COLUMNS)
    for p in net.integrating:
        places = p.shape[1] * p.shape[2]
        channels, steps = up(p.shape[0], 16), net.steps.get(p.name, 0)
        numbers += ((places if p.bias.ndim == 3 else 1) + 3 * steps + 3) * channels + 4 * MORE
        making = max(making, 8 * 4 * (places if p.bias.ndim == 3 else steps) * channels)
        for q in net.into(p.name).values():
            source = frames.get(q.source)
            if source is None or isinstance(q, Gate):
                continue
            parts, planes, size = digits(q), source.planes + 2, packed_bytes(q, source, channels)
            lists += planes * (places + MORE) + channels // 16 + 2 * MORE + planes * parts * len(TERMS)
            lists += source.rows * source.columns  # of the map that is summed, or pooled
            if by_channel(q):
                numbers += q.weights[0].size * (channels + 2) + MORE
            else:
                lists += size // channels // 4 + MORE
                weights += parts * size + MORE
                making = max(making, (2 if parts == 1 else 3 * 8) * size + 8 * q.weights.size)
    return 2 * (8 * lists + 4 * numbers + weights) + making


@kept
def left_bytes(net: Network) -> int:
    """A bound on the bytes of layers that the plan leaves, and of objects."""
    done = done_by_kernels(net)
    left = [q for q in net.projections if q.target not in done]
    own = layer_bytes(net, left, [p for p in net.fs if p.name not in done])
    return own + OBJECTS * (len(net.populations) + len(net.projections))


@kept
def telling_bytes(net: Network) -> int:
    """A bound on the bytes of layers that only tell membranes of what the kernels do."""
    done = done_by_kernels(net)
    return layer_bytes(net, [q for q in net.projections if q.target in done], [])


def done_by_kernels(net: Network) -> set[str]:
    """The names of the populations that the kernels do."""
    return {*frames_of(net), *([net.readout.name] if framing_of(net).whole else [])}


def layer_bytes(net: Network, projections: Iterable[Projection], fs: Iterable[FS]) -> int:
    """A bound on the bytes of layers: the weights of every projection in the type of its sums, the places of its
    windows, all staircases; and the one of them in the making.
    """
    made, making, types = 0, 0, kinds(net)
    for q in projections:
        wide = np.dtype(types[q.target]).itemsize * q.weights.size
        match q:
            case Conv2d(kernel=(kh, kw)):
                _, height, width = net[q.target].shape
                places = 8 * (height * kh + width * kw)
            case Dense() | Gate():
                places = 0
            case _:
                assert_never(q)
        made, making = made + wide + places, max(making, wide + q.weights.nbytes + 3 * places)
    for p in fs:
        if relu_theta(p.table) is None:
            stair = 8 * 2**p.steps  # one row of numbers
            made, making = made + 3 * stair * (p.table.channels or 1), max(making, 10 * stair)
    return made + making


@kept
def working_bytes(net: Network) -> int:
    """A bound on the bytes one image takes: trains and codes of all populations, the membranes of the one before, and
    what the population at work takes.
    """
    return layered_bytes(net, net.populations)


@kept
def counting_bytes(net: Network) -> int:
    """A bound on the bytes of one image of which nothing is wanted: logits and counts, where the kernels do all."""
    if framing_of(net).whole:
        return 2 * 8 * up(net.readout.shape[0], 16) + 2 * 8 * len(net.populations)
    frames = frames_of(net)
    return layered_bytes(net, [p for p in net.populations if p.name not in frames])


def layered_bytes(net: Network, some: Sequence[Population]) -> int:
    """A bound on the bytes one image takes where some populations are layers, or told as if they were."""
    types, same = kinds(net), {p.name: sends_codes(net, p) for p in net.populations}
    held = sum((2 if same[p.name] else 2 + 8) * p.neurons for p in some)
    held += sum(own.size + LINE for own in frames_of(net).values())
    before = 8 * max(p.neurons for p in some)
    return held + before + max(at_work(net, p, types, same) for p in some) + OBJECTS * len(types)


def at_work(net: Network, p: Population, types: Mapping[str, type[np.generic]], same: Mapping[str, bool]) -> int:
    """The most bytes held for one image while a population is at work, beside trains and codes; n is its neurons."""
    n, size = p.neurons, np.dtype(types[p.name]).itemsize
    match p:
        case Input():
            return 8 * n  # codes in 64 bits
        case MaxPool():
            places = _windows(net[p.source].shape, p.shape, p.kernel)
            return max(8 * n, (2 if same[p.name] else 8) * places)
        case View():  # framed; its rows
            channels, height, width = net[p.source].shape
            places = channels * (height + 1 + p.shape[1]) * (width + 1)
            return max(8 * n, (2 if same[p.name] else 8) * (places + n)) + 8 * 2 * sum(p.shape[1:])
        case FS() | Readout():
            into = net.into(p.name).values()
            sums, kept = size * n * len(into), 8 * n * len(into)
            summing = max(_layer(q, net[q.source].shape, p.shape) for q in into) * size
            adding = 2 * size * n + kept  # the total before and after; sums in 64 bits
            steps = net.steps[p.name]
            # v; what is looked up: v in 64 bits, steps, places, codes; or the quotient, clipped
            firing = size * n + max(4 * 8 * n, 2 * size * n)
            # v; opening, membranes, one in the making; codes
            telling = size * n + 8 * n * (1 + steps + 2) + 4 * n + 8 * n
            return max(sums + max(summing, adding), kept + max(firing, telling))
        case _:
            assert_never(p)


def _layer(q: Projection, source: Shape, shape: Shape) -> int:
    """The most numbers that a layer holds for one image, its sums apart (`convolved`, `multiplied`)."""
    outputs, height, width = shape
    n, places = outputs * height * width, source[0] * source[1] * source[2]
    match q:
        case Gate():
            return 4 * n  # codes, the same weighed, those of the factor, their product
        case Dense():
            return 2 * places + 2 * n  # codes, those of one product; two sums of it
        case Conv2d(kernel=(_, kw), groups=groups):
            framed = source[0] * (source[1] + 1) * (source[2] + 1)
            if groups > 1 and q.weights.shape[1] == 1:
                # One row of taps, one tap, its product.
                return framed + source[0] * height * (source[2] + 1 + width) + n
            taken = source[0] * (source[1] + 1) * width * kw
            rows = source[0] * height * width * kw
            # What a row of the kernel sees, its part in one product; two sums of it, and one turned at the end.
            return max(framed + taken, (2 if groups > 1 else 1) * taken + 2 * rows + 2 * n)
        case _:
            assert_never(q)


def _windows(source: Shape, shape: Shape, kernel: Pair) -> int:
    """The most numbers that `pooled` holds for one image: framed, by row taken and largest, by column taken."""
    channels, height, width = source
    framed, taken = (height + 1) * (width + 1), (height + 1) * shape[2] * kernel[1]
    by_row, rows = (height + 1) * shape[2], shape[1] * kernel[0] * shape[2]
    return channels * max(framed + taken, taken + by_row, by_row + rows + shape[1] * shape[2])
