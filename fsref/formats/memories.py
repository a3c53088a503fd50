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
from fsref.formats.words import Words
from fsref.law.network import Network
from fsref.law.populations import FS, Population, Readout
from fsref.law.projections import Conv2d, Dense, Gate, Projection
from fsref.law.ranges import width_bits
from fsref.law.widths import code_width, hull, membrane_width
from fsref.tables import Brief

PARAMETERS = ("weights", "bias", "T", "h", "d")


@dataclass(frozen=True, eq=False, repr=False)
class Memory(Brief):
    """A memory: its words as they lie in a file, `shape` words along `axes`, the last one running fastest.

    `of` is the population or projection they belong to, `what` what they are of it; `file` the stem of the file that
    holds them. They are two's complement when `signed`.
    """

    of: str
    what: str
    file: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    signed: bool
    words: Words


def owner(net: Network, key: tuple[str, str]) -> Population:
    """The population that an observable belongs to: of sums, the target of the projection."""
    of, what = key
    return net[net.named_projections[of].target if what == "sums" else of]


def width(net: Network, p: Population, what: str) -> tuple[int, bool]:
    """The bits that hold an observable of a population for every image, and whether they have a sign (LAYOUT-1)."""
    match what:
        case "spikes":
            return net.steps[p.name], False
        case "codes":
            codes = net.ranges[p.name].codes
            return max(1, code_width(codes)), bool(codes.min() < 0)
        case "sums":  # a declared width may wrap on the way (RANGE-5): what one projection delivers may be beyond it
            return width_bits(net.ranges[p.name].any_order), True
        case _:
            return membrane_width(net, next(q for q in net.integrating if q.name == p.name)), True


def stems(net: Network) -> dict[str, str]:
    """What the names of the files of each population and projection begin with: population.I or projection.J, as FILE-1
    and RUN-3 name arrays.
    """
    found = {p.name: f"population.{index}" for index, p in enumerate(net.populations)}
    return found | {name: f"projection.{index}" for index, name in enumerate(net.named_projections)}


def parameters(net: Network, layout: Layout) -> Iterator[Memory]:
    """The memories of a network, population by population: weights into it, bias, T, h, d. Errors: UsageError."""
    stem = stems(net)
    for of, what, axes, values in _arrays(net, layout):
        words = layout.pack(values.astype(np.int64), width_bits(hull(values)), f"{of} {what}")
        yield Memory(of, what, f"{stem[of]}.{what}", axes, values.shape, True, words)


def _arrays(net: Network, layout: Layout) -> Iterator[tuple[str, str, tuple[str, ...], NDArray[np.integer]]]:
    """What each memory of a network is of, what it holds, its axes and integers, in the order of its addresses."""
    integrating = {p.name: p for p in net.integrating}
    for p in net.populations:
        for name, q in net.into(p.name).items():
            yield name, "weights", *_weights(net[q.source], q, layout)
        if p.name in integrating:
            yield p.name, "bias", *_bias(integrating[p.name], layout)
        if isinstance(p, FS):  # the others have no table in the network
            for what, rows in (("T", p.table.T), ("h", p.table.h), ("d", p.table.d)):
                yield p.name, what, ("channel", "step")[2 - rows.ndim :], rows


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
        case Gate():
            return ("channel",), q.weights
        case _:
            assert_never(q)


def _bias(p: FS | Readout, layout: Layout) -> tuple[tuple[str, ...], NDArray[np.integer]]:
    """Axes and values of a bias: by channel, or by address where it is a map (NET-5)."""
    if p.bias.ndim == 1:
        return ("channel",), p.bias
    return ("address",), p.bias.reshape(-1)[layout.neuron_at(p)]
