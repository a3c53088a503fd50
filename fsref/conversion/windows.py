"""How operators fold that take places of a population, or look at them through windows: views and pools (CONV-1,
VIEW-3).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fsref.conversion.curves import Curve
from fsref.conversion.folded import NO_PADDING, Pool, Term
from fsref.conversion.units import Units, refused
from fsref.conversion.values import Sum, Value
from fsref.graph.arithmetic import places
from fsref.graph.graph import Node
from fsref.graph.views import averaged
from fsref.law.projections import taps, window_shape


def view(units: Units, node: Node, value: Value) -> Value:
    """What a view shows of each part."""
    rows, columns = (np.array(node.attributes[name]) for name in ("rows", "columns"))
    alone = len(value.parts) == 1
    names = (node.name if alone else f"{node.name}.{i}" for i in range(len(value.parts)))
    return value.each(units.viewed(part, rows, columns, name) for part, name in zip(value.parts, names, strict=True))


def max_pool(units: Units, node: Node, value: Value) -> Value:
    """A max-pool of each part. Errors: GraphError where codes are not those of POOL-2."""
    value, parts = units.apart(value, node.name), []
    for i, part in enumerate(map(units.hold, value.parts)):
        padding, kernel, stride = node.attributes["padding"], node.attributes["kernel"], node.attributes["stride"]
        affine = part.affine
        if affine is not None and (part.padding != NO_PADDING or affine.map is not None or (affine.gain <= 0).any()):
            part = units.hold(units.sum_of(part, affine.node))
        zeros = any(part.padding) and min(part.padding) >= 0 and part.view == "map"
        if zeros and units.source_activation(part.name).low >= 0:
            joint = tuple(a + b for a, b in zip(padding, part.padding, strict=True))
            full = (part.shape[0], *units.shape_of(part.name)[1:])
            if all(count.all() for count in places(full, kernel, stride, joint)):
                # Beside a real place zeros never are the maximum.
                padding, part = joint, replace(part, shape=full, padding=NO_PADDING)
        part = units.plain(part)
        if isinstance(units.source_activation(part.name), Curve):  # of codes that are no rising binary ones (POOL-2)
            part = units.recoded(part, f"{node.name}.codes")
        own = units.source_activation(part.name).own
        if own is not None and own.top & (own.top + 1):
            raise refused(f"max-pool of values with {own.top} levels", "levels 1, 3, 7, ..., 2^K - 1")
        source, name = units.shape_of(part.name), node.name if len(value.parts) == 1 else f"{node.name}.{i}"
        size = window_shape(part.shape, kernel, stride, padding)
        made = units.add(name, (source[0], *size), pool=Pool(part.name, kernel, stride, padding))
        # Where no gain is negative the largest value is that of the largest code.
        parts.append(replace(part, name=made.name, shape=(part.shape[0], *size)))
    return value.each(parts)


def avg_pool(units: Units, node: Node, value: Value) -> Value:
    """The mean of each window: a sum of what it sees, its divisor in the weights."""
    (kh, kw), padding = node.attributes["kernel"], node.attributes["padding"]
    if any(padding) and not node.attributes["count_include_pad"]:
        return _uneven_avg_pool(units, node, value)
    if (kh, kw) == units.graph.shapes[node.inputs[0]][1:] and not any(padding):
        return global_avg_pool(units, node, value)
    parts = []
    for part in value.parts:
        held, around = units.under(part, padding)
        channels = held.shape[0]
        units.spend(channels, kh, kw)
        weights = np.full((channels, 1, kh, kw), 1 / (kh * kw))
        plain = Term(held.name, weights, node.attributes["stride"], around, groups=channels, skip=True)
        term, offset = units.read(held, plain)
        parts.append(Sum(node.name, (channels, *units.graph.shapes[node.name][1:]), (term,), offset))
    return units.apart(value.each(parts), node.name)


def _uneven_avg_pool(units: Units, node: Node, value: Value) -> Value:
    """A mean over the real places of each window, whose number differs: of a view that shows each window to the taps
    that have its weight (VIEW-3).
    """
    kernel, stride, padding = (node.attributes[name] for name in ("kernel", "stride", "padding"))
    shape, size = units.graph.shapes[node.inputs[0]], units.graph.shapes[node.name]
    seen = [taps(shape[i + 1], size[i + 1], padding[i], kernel[i], stride[i], 1) for i in (0, 1)]
    first = [np.maximum(0, np.arange(size[i + 1]) * stride[i] - padding[i]) for i in (0, 1)]
    (rows, down), (columns, across) = (
        averaged(begin, begin + own[:, 1] - own[:, 0]) for begin, own in zip(first, seen, strict=True)
    )
    parts = []
    for i, part in enumerate(value.parts):
        held = units.viewed(part, rows, columns, f"{node.name}.windows{i or ''}")
        channels = held.shape[0]
        units.spend(channels, len(down), len(across))
        weights = np.broadcast_to(np.outer(down, across), (channels, 1, len(down), len(across)))
        plain = Term(held.name, weights, (len(down), len(across)), groups=channels, skip=True)
        term, offset = units.read(held, plain)
        parts.append(Sum(node.name, (channels, *size[1:]), (term,), offset))
    return units.apart(value.each(parts), node.name)


def global_avg_pool(units: Units, node: Node, value: Value) -> Value:
    """The mean over all places, which is another look at a population."""
    held = [units.plain(part) for part in value.parts]
    return value.each(
        part if part.shape[1:] == (1, 1) else replace(part, shape=(part.shape[0], 1, 1), view="mean") for part in held
    )
