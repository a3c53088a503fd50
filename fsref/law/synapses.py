"""The synapses that leave each neuron, border-aware: what a spike costs (PROJ-7, OBS-3)."""

from __future__ import annotations

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Dense, Projection


def reached(size: int, count: int, before: int, kernel: int, stride: int, dilation: int) -> Ints:
    """(size, kernel): 1 where a place of the source is read by some window through tap r, along one axis (PROJ-1)."""
    at = np.arange(size)[:, None] + before - np.arange(kernel)[None, :] * dilation  # stride times the window
    read: Ints = ((at >= 0) & (at % stride == 0) & (at < count * stride)).astype(np.int64)
    return read


def fan_out(projection: Projection, source: Shape, target: Shape) -> Ints:
    """The synapses of a projection that leave each neuron of its source, (C, H, W): zero weights and padding make none
    (OBS-3, PROJ-7).
    """
    channels, height, width = source
    if isinstance(projection, Dense):
        leaving: Ints = np.count_nonzero(projection.weights, axis=0).astype(np.int64)
        if projection.pooled:
            return np.broadcast_to(leaving[:, None, None], (channels, height, width)).copy()
        return leaving.reshape(channels, height, width)
    groups, (outputs, _, kh, kw) = projection.groups, projection.weights.shape
    by_group = projection.weights.reshape(groups, outputs // groups, channels // groups, kh, kw)
    # Targets per source channel and tap (PROJ-3).
    through: Ints = np.count_nonzero(by_group, axis=1).astype(np.int64).reshape(channels, kh, kw)
    top, left, _, _ = projection.padding
    rows = reached(height, target[1], top, kh, projection.stride[0], projection.dilation[0])
    columns = reached(width, target[2], left, kw, projection.stride[1], projection.dilation[1])
    leaving = rows @ through @ columns.T
    return leaving
