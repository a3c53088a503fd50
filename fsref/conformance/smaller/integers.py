"""Fewer steps, smaller thresholds and smaller integers of a unit (CONFORM-4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fsref.conformance.smaller.parts import held
from fsref.conformance.unit import Source, Unit
from fsref.law.neuron import Ints, Table, fs_relu, relu_theta


def fewer_steps(unit: Unit) -> Iterator[Unit]:
    """A source, or the population, with a step less: without its first, or its last."""
    for source in unit.sources:
        if source.steps > 1:
            first, last = source.trains & (2 ** (source.steps - 1) - 1), source.trains >> 1
            for less in (source.sending(first, slice(1, None)), source.sending(last, slice(-1))):
                yield from _sent(unit, source, less)
    if unit.table is not None and unit.table.steps > 1:
        for part in (slice(1, None), slice(-1)):
            rows = (unit.table.T[..., part], unit.table.h[..., part], unit.table.d[..., part])
            yield replace(unit, table=Table(*rows))
        if (theta := relu_theta(unit.table)) is not None:
            yield replace(unit, table=fs_relu(unit.table.steps - 1, theta))


def smaller_thresholds(unit: Unit) -> Iterator[Unit]:
    """An FS-ReLU of a smaller theta, each membrane of the last run in the same step of its staircase; of another table
    the threshold of a step at 0, all others and the membranes as far from it as they were.
    """
    if unit.table is None:
        return
    if (theta := relu_theta(unit.table)) is None:
        T, h, d = unit.table.rows(unit.shape[0])
        for t in range(unit.table.steps):
            less = replace(unit, table=Table(T=T - T[:, t : t + 1], h=h, d=d))
            if unit.opening is not None:
                yield replace(less, opening=unit.opening - T[:, t, None, None])
            elif unit.bias is not None:
                yield replace(less, bias=(unit.bias.T - T[:, t]).T)
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
    """One integer nearer to 0: a train, a weight, an opening, a bias, a row of a table that is no FS-ReLU."""
    for source in unit.sources:
        if source.table is not None:
            yield from _sent(unit, source, source.sending(source.trains))
            for at, new in nearer(source.table.d):
                less = replace(source, table=replace(source.table, d=changed(source.table.d, at, new)))
                yield from _sent(unit, source, less)
        for at, new in nearer(source.trains):
            yield from _sent(unit, source, source.sending(changed(source.trains, at, new)))
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
    if unit.table is not None and relu_theta(unit.table) is None:
        rows = {"T": unit.table.T, "h": unit.table.h, "d": unit.table.d}
        for name, values in rows.items():
            for at, new in nearer(values):
                yield replace(unit, table=Table(**{**rows, name: changed(values, at, new)}))


def _sent(unit: Unit, source: Source, less: Source) -> Iterator[Unit]:
    """The unit with another source in the place of one."""
    yield from held(unit, replace(unit, sources=tuple(less if s is source else s for s in unit.sources)))


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
