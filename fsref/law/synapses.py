"""The synapses that leave and enter each neuron, border-aware: what a spike costs, what is summed (PROJ-7, OBS-3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fsref.law.bounds import alike, projection_bounds, spans
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Dense, Gate, Projection


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
    if isinstance(projection, Gate):
        own: Ints = (projection.weights != 0).astype(np.int64)
        return np.broadcast_to(own[:, None, None], source).copy()
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


def fan_in(projections: Sequence[Projection], sources: Sequence[Shape], target: Shape) -> Ints:
    """The synapses of several projections that enter the neurons of their target, (C, rows, columns), one row and one
    column for all that see the same taps of every source: zero weights and padding make none (PROJ-7).
    """
    seen = [spans(q, source, target) for q, source in zip(projections, sources, strict=True)]
    rows, columns = (alike(axis) for axis in zip(*seen, strict=True))
    total = np.zeros((target[0], 1, 1), np.int64)
    for q, source, (y, x) in zip(projections, sources, seen, strict=True):
        if isinstance(q, Gate):
            total = total + (q.weights != 0)[:, None, None]
            continue
        ones = np.ones(source[0], np.int64)
        each = replace(q, weights=(q.weights != 0).astype(np.int8))
        total = total + projection_bounds(each, source, (y[rows], x[columns]), (ones, ones), exact=False)[0]
    return total
