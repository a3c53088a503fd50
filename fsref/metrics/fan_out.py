"""What spikes cost: the fan-out of every neuron, border-aware, and the synaptic operations of recorded trains (OBS-3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d


def reached(size: int, count: int, before: int, kernel: int, stride: int, dilation: int) -> Ints:
    """(size, kernel): 1 where a place of the source is read by some window through tap r, along one axis (PROJ-1)."""
    at = np.arange(size)[:, None] + before - np.arange(kernel)[None, :] * dilation  # stride times the window
    read: Ints = ((at >= 0) & (at % stride == 0) & (at < count * stride)).astype(np.int64)
    return read


def fan_out(net: Network, index: int) -> Ints:
    """The synapses of projection `index` that leave each neuron of its source, (C, H, W): zero weights and padding make
    none (OBS-3).

    Errors: UsageError when there is no such projection.
    """
    if not 0 <= index < len(net.projections):
        raise UsageError("OBS-3", "fan_out", "no projection has this index", index, f"0..{len(net.projections) - 1}")
    projection = net.projections[index]
    (channels, height, width), target = net[projection.source].shape, net[projection.target].shape
    if not isinstance(projection, Conv2d):
        leaving: Ints = np.count_nonzero(projection.weights, axis=0).astype(np.int64)
        if projection.pooled:
            return np.broadcast_to(leaving[:, None, None], (channels, height, width)).copy()
        return leaving.reshape(channels, height, width)
    groups, (outputs, _, kh, kw) = projection.groups, projection.weights.shape
    by_group = projection.weights.reshape(groups, outputs // groups, channels // groups, kh, kw)
    through: Ints = (
        np.count_nonzero(by_group, axis=1).astype(np.int64).reshape(channels, kh, kw)
    )  # targets per source channel and tap (PROJ-3)
    top, left, _, _ = projection.padding
    rows = reached(height, target[1], top, kh, projection.stride[0], projection.dilation[0])
    columns = reached(width, target[2], left, kw, projection.stride[1], projection.dilation[1])
    leaving = rows @ through @ columns.T
    return leaving


def fan_outs(net: Network) -> list[Ints]:
    """The fan-out under every projection, in list order, each (C, H, W) of its source (OBS-3)."""
    return [fan_out(net, index) for index in range(len(net.projections))]


def synops(net: Network, trains: Mapping[str, NDArray[Any]], fans: Sequence[Ints] | None = None) -> Ints:
    """SynOps per image and projection, (B, projections): every spike counts the fan-out of its neuron (OBS-3).

    `trains` maps the source of every projection to its train words (EVENT-2), (B, neurons) or (B, C, H, W); `fans` is
    fan_outs(net), to be made once for many batches. Errors: UsageError when a source is missing or its trains have
    another size.
    """
    known = fan_outs(net) if fans is None else fans
    columns = []
    for projection, fan in zip(net.projections, known, strict=True):
        if projection.source not in trains:
            raise UsageError("OBS-3", "synops", "no trains of this population", projection.source, ", ".join(trains))
        words = np.asarray(trains[projection.source])
        words = words.reshape(len(words), -1)
        if words.shape[1] != fan.size or words.dtype.kind not in "iu":
            raise UsageError(
                "OBS-3",
                f"synops {projection.source}",
                "not one train word per neuron",
                words.shape,
                f"(B, {fan.size}) integers",
            )
        columns.append(np.einsum("bn,n->b", np.bitwise_count(words), fan.ravel()))
    return np.stack(columns, axis=1)
