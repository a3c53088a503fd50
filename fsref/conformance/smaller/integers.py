"""Fewer steps, smaller thresholds and smaller integers of a unit (CONFORM-4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fsref.conformance.smaller.parts import held
from fsref.conformance.unit import Unit
from fsref.law.neuron import Ints, Table, fs_relu, relu_theta


def fewer_steps(unit: Unit) -> Iterator[Unit]:
    """A source in base two, or the population, with a step less: without its first, or its last."""
    for source in unit.sources:
        if source.table is None and source.steps > 1:
            for trains in (source.trains & (2 ** (source.steps - 1) - 1), source.trains >> 1):
                less = replace(source, steps=source.steps - 1, trains=trains)
                yield from held(unit, replace(unit, sources=tuple(less if s is source else s for s in unit.sources)))
    if unit.table is not None and unit.table.steps > 1:
        for part in (slice(1, None), slice(-1)):
            rows = (unit.table.T[..., part], unit.table.h[..., part], unit.table.d[..., part])
            yield replace(unit, table=Table(*rows))
        if (theta := relu_theta(unit.table)) is not None:
            yield replace(unit, table=fs_relu(unit.table.steps - 1, theta))


def smaller_thresholds(unit: Unit) -> Iterator[Unit]:
    """An FS-ReLU of a smaller theta, each membrane of the last run in the same step of its staircase."""
    if unit.table is None or (theta := relu_theta(unit.table)) is None:
        return
    now = np.broadcast_to(theta, unit.shape[0])[:, None, None]
    for new in (np.ones_like(now), np.maximum(now // 2, 1), np.maximum(now - 1, 1)):
        if (new == now).all():
            continue
        less = replace(unit, table=fs_relu(unit.table.steps, new[:, 0, 0]))
        v = unit.openings()
        wanted = v // now * new + np.minimum(v % now, new - 1)
        if unit.opening is not None:
            yield replace(less, opening=wanted)
        else:
            yield replace(less, bias=unit.bias_map + (wanted - v)[-1])


def smaller_integers(unit: Unit) -> Iterator[Unit]:
    """One integer nearer to 0: a train, a weight, an opening, a bias."""
    for source in unit.sources:
        for at, new in nearer(source.trains) if source.table is None else ():
            less = replace(source, trains=changed(source.trains, at, new), opening=None)
            yield from held(unit, replace(unit, sources=tuple(less if s is source else s for s in unit.sources)))
    for q in unit.projections:
        for at, new in nearer(q.weights.astype(np.int64)):
            less_q = replace(q, weights=changed(q.weights.astype(np.int64), at, new))
            yield from held(unit, replace(unit, projections=tuple(less_q if s is q else s for s in unit.projections)))
    if unit.opening is not None:
        for at, new in nearer(unit.opening):
            yield replace(unit, opening=changed(unit.opening, at, new))
    elif unit.bias is not None:
        for at, new in nearer(unit.bias):
            yield replace(unit, bias=changed(unit.bias, at, new))


def nearer(values: Ints) -> Iterator[tuple[int, int]]:
    """Places of integers that are not 0, and smaller ones to try there."""
    every = np.asarray(values).reshape(-1).tolist()
    for at in np.flatnonzero(every).tolist():
        value = every[at]
        sign = 1 if value > 0 else -1
        for new in dict.fromkeys((0, sign, int(value / 2), value - sign)):
            if abs(new) < abs(value):
                yield at, new


def changed(values: Ints, at: int, new: int) -> Ints:
    """The array with one integer changed."""
    array = np.array(values)
    array.reshape(-1)[at] = new
    return array
