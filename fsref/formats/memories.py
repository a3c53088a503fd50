"""The integers of a network as memories of a chip: weights, biases, thresholds, resets and weights of steps, each with
the width it needs and the order of its addresses (LAYOUT-1, LAYOUT-3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.formats.layout import Layout
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Integrating, Population, Readout
from fsref.law.projections import Conv2d, Dense, Projection
from fsref.law.ranges import width_bits
from fsref.law.widths import code_width, hull, membrane_width
from fsref.tables import Brief


@dataclass(frozen=True, eq=False, repr=False)
class Memory(Brief):
    """Integers in the order of their addresses: `values`, its axes named by `axes`, the last one running fastest.

    `of` is the population or projection they belong to, `what` what they are of it; `file` the stem of the file that
    holds them. They fit words of `bits` bits, two's complement when `signed`.
    """

    of: str
    what: str
    file: str
    axes: tuple[str, ...]
    values: Ints
    bits: int
    signed: bool


def width(net: Network, p: Population, what: str) -> tuple[int, bool]:
    """The bits that hold an observable of a population for every image, and whether they have a sign: of sums and
    membranes those of the membrane, which any_order or a declared width bounds (RANGE-6).
    """
    match what:
        case "spikes":
            return net.steps[p.name], False
        case "codes":
            codes = net.ranges[p.name].codes
            return max(1, code_width(codes)), bool(codes.min() < 0)
        case "sums" | "opening" | "membranes":
            assert isinstance(p, FS | Readout)
            return membrane_width(net, p), True
        case _:
            raise AssertionError(what)


def stored(of: str, what: str, file: str, axes: tuple[str, ...], values: NDArray[np.integer]) -> Memory:
    """A memory that a network brings: two's complement, as wide as its own integers ask (RANGE-6)."""
    return Memory(of, what, file, axes, values.astype(np.int64), width_bits(hull(values)), True)


def file_of(net: Network, of: str, what: str) -> str:
    """The stem of a file: population.I.WHAT or projection.J.WHAT, by index, as FILE-1 and RUN-3 name arrays."""
    names = [p.name for p in net.populations]
    if of in names:
        return f"population.{names.index(of)}.{what}"
    return f"projection.{list(net.named_projections).index(of)}.{what}"


def parameters(net: Network, layout: Layout) -> Iterator[Memory]:
    """The memories of a network, population by population: weights into it, bias, T, h, d."""
    for p in net.populations:
        for name, q in net.into(p.name).items():
            axes, values = _weights(net[q.source], q, layout)
            yield stored(name, "weights", file_of(net, name, "weights"), axes, values)
        if isinstance(p, Integrating):
            yield stored(p.name, "bias", file_of(net, p.name, "bias"), *_bias(p, layout))
        if isinstance(p, FS):
            for what, rows in (("T", p.table.T), ("h", p.table.h), ("d", p.table.d)):
                axes = ("channel", "step")[2 - rows.ndim :]
                yield stored(p.name, what, file_of(net, p.name, what), axes, rows)


def _weights(source: Population, q: Projection, layout: Layout) -> tuple[tuple[str, ...], NDArray[np.integer]]:
    """Axes and weights of a projection: the channels of its source last where the layout is "hwc", and the columns of a
    dense one in the order of the addresses of its source (LAYOUT-3).
    """
    match q:
        case Conv2d():
            if layout.neurons == "hwc":
                return ("output", "row", "column", "input"), q.weights.transpose(0, 2, 3, 1)
            return ("output", "input", "row", "column"), q.weights
        case Dense():
            if q.pooled:
                return ("output", "input channel"), q.weights
            return ("output", "input address"), q.weights[:, layout.neuron_at(source)]
        case _:
            assert_never(q)


def _bias(p: Integrating, layout: Layout) -> tuple[tuple[str, ...], Ints]:
    """Axes and values of a bias: by channel, or by address where it is a map (NET-5)."""
    if p.bias.ndim == 1:
        return ("channel",), p.bias
    assert isinstance(p, FS | Readout)
    return ("address",), np.ascontiguousarray(p.bias_map).reshape(-1)[layout.neuron_at(p)]
