"""Fewer runs, projections and populations of a unit, and each projection with sources of its own (CONFORM-4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import assert_never

import numpy as np

from fsref.conformance.unit import Source, Unit
from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d, Dense, Gate, Projection

FEW, LARGEST = (1, 2, 4, 8), (-127, 127)  # neurons that bring as much as many, and weights


def leaving(count: int) -> Iterator[list[int]]:
    """What is left of so many without some that follow one another: halves of them, quarters, at last each by itself;
    never none.
    """
    part = (count + 1) // 2
    while part and count > 1:
        for first in range(0, count, part):
            if kept := [n for n in range(count) if not first <= n < first + part]:
                yield kept
        part //= 2


def held(unit: Unit, less: Unit) -> Iterator[Unit]:
    """A smaller unit, its bias such that the membranes of the last run are where they were; then with its own bias."""
    if less.bias is not None and less.opening is None and less.shape == unit.shape:
        moved = (unit.openings() - less.openings())[-1]
        if moved.any():
            yield replace(less, bias=less.bias_map + moved)
    yield less


def fewer_runs(unit: Unit) -> Iterator[Unit]:
    """Without the first runs: all but the last, or one of them."""
    if unit.runs == 1:
        return
    for kept in ([unit.runs - 1], *([n for n in range(unit.runs) if n != out] for out in range(unit.runs - 1))):
        sources = tuple(_runs_of(source, kept) for source in unit.sources)
        yield replace(unit, sources=sources, opening=None if unit.opening is None else unit.opening[kept])


def readers(unit: Unit, source: Source) -> int:
    """How many projections read a source."""
    return sum(source.name in q.sources for q in unit.projections)


def apart(unit: Unit) -> Iterator[Unit]:
    """Each projection with sources of its own, where some read the same."""
    if all(readers(unit, source) < 2 for source in unit.sources):
        return
    by_name = {source.name: source for source in unit.sources}
    sources: dict[str, Source] = {}
    projections: list[Projection] = []
    for q in unit.projections:
        names: dict[str, str] = {}
        for name in q.sources:
            names[name] = own = f"copy{len(sources)}" if name in sources else name
            sources[own] = replace(by_name[name], name=own)
        match q:
            case Conv2d() | Dense():
                projections.append(replace(q, source=names[q.source]))
            case Gate():
                projections.append(replace(q, source=names[q.source], by=names[q.by]))
            case _:
                assert_never(q)
    yield replace(unit, projections=tuple(projections), sources=tuple(sources.values()))


def fewer_projections(unit: Unit) -> Iterator[Unit]:
    """One of several projections alone, or all but one, without the sources that nothing reads then; as deep as it was,
    too.
    """
    count = len(unit.projections)
    alone = [[n] for n in range(count)] if count > 1 else []
    for kept in alone + [[n for n in range(count) if n != out] for out in range(count if count > 2 else 0)]:
        left = tuple(unit.projections[n] for n in kept)
        read = {name for q in left for name in q.sources}
        less = replace(unit, projections=left, sources=tuple(s for s in unit.sources if s.name in read))
        yield from held(unit, less)
        if less.depth < unit.depth:  # of a device that is wrong in one layer alone
            yield from held(unit, replace(less, before=unit.depth - less.depth + less.before))


def fewer_before(unit: Unit) -> Iterator[Unit]:
    """Fewer silent populations before it."""
    for count in dict.fromkeys((0, unit.before - 1)):
        if 0 <= count < unit.before:
            yield replace(unit, before=count)


def fewest_synapses(unit: Unit) -> Iterator[Unit]:
    """A source of one neuron, or a few, that fire in all steps, along weights as large as they may be, in the place of
    one of many that brings as much.
    """
    for q in unit.projections if unit.shape[1:] == (1, 1) and unit.runs == 1 else ():
        (source, *others) = [s for s in unit.sources if s.name in q.sources]
        if others or readers(unit, source) > 1:
            continue
        brought = reference.carried(source.codes, q, unit.shape, {source.name: source.codes})[0, :, :, 0]
        for count in (n for n in FEW if n < source.trains[0].size):
            trains = np.full((1, count, 1, 1), 2**source.steps - 1, np.int64)
            less = source.part(partial(_first_repeated, count), np.zeros(count, np.int64)).sending(trains)
            weights = np.where(brought < 0, *LARGEST) * np.ones(count, np.int64)
            own = Dense(q.source, q.target, weights)
            sources = tuple(less if s is source else s for s in unit.sources)
            projections = tuple(own if p is q else p for p in unit.projections)
            yield from held(unit, replace(unit, sources=sources, projections=projections))


def _first_repeated(count: int, a: Ints) -> Ints:
    """The first neuron of each run, as so many channels."""
    return a[:, [0] * count, :1, :1]


def _runs_of(source: Source, some: list[int]) -> Source:
    """Some runs of a source."""
    return source.part(lambda a: a[some])
