"""What may be joined to what: kinds, names, order (NET-1 to NET-4), and what a max-pool, a view or a gate may read
(POOL-2, POOL-3, VIEW-1, GATE-1).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fsref.errors import NetworkError
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape, View
from fsref.law.projections import Conv2d, Dense, Gate, Projection, check_fit, taps, window_shape


def check_places(populations: Sequence[Population]) -> None:
    """Nothing, when kinds, names and sources are as NET-1, NET-2 and NET-4 ask; else NetworkError."""
    kinds = [type(p) for p in populations]
    if any(not isinstance(p, (Input, FS, MaxPool, View, Readout)) for p in populations):
        raise NetworkError(
            "NET-1",
            "network",
            "unknown kind of population",
            [k.__name__ for k in kinds],
            "Input, FS, MaxPool, View, Readout",
        )
    if len(kinds) < 2 or kinds[0] is not Input or kinds[-1] is not Readout or kinds.count(Input) != 1:
        raise NetworkError(
            "NET-1",
            "network",
            "the first population is the only input, the last a readout",
            [k.__name__ for k in kinds],
        )
    seen: set[str] = set()
    readouts = {p.name for p in populations if isinstance(p, Readout)}
    for population in populations:
        if population.name in seen:
            raise NetworkError("NET-2", population.name, "two populations have this name")
        if isinstance(population, MaxPool | View) and population.source not in seen:
            raise NetworkError("NET-4", population.name, "source is not an earlier population", population.source)
        if isinstance(population, MaxPool | View) and population.source in readouts:
            raise NetworkError("NET-4", population.name, "a readout is no source", population.source)
        seen.add(population.name)


def check_projections(populations: Sequence[Population], projections: Sequence[Projection]) -> None:
    """Nothing, when projections join populations as NET-1, NET-4 and PROJ ask; else NetworkError."""
    if any(not isinstance(p, (Conv2d, Dense, Gate)) for p in projections):
        raise NetworkError(
            "NET-1",
            "network",
            "unknown kind of projection",
            [type(p).__name__ for p in projections],
            "Conv2d, Dense, Gate",
        )
    by_name = {p.name: p for p in populations}
    place = {p.name: index for index, p in enumerate(populations)}
    before = -1
    for projection in projections:
        name = f"{projection.source}->{projection.target}"
        for end in (*projection.sources, projection.target):
            if end not in place:
                raise NetworkError("NET-4", name, "no population has this name", end)
        target = by_name[projection.target]
        for source in (by_name[end] for end in projection.sources):
            if place[source.name] >= place[target.name]:
                raise NetworkError(
                    "NET-4",
                    name,
                    "the source stands at or after its target",
                    place[source.name],
                    f"below {place[target.name]}",
                )
            if isinstance(source, Readout):
                raise NetworkError("NET-4", name, "a readout is no source", source.name)
        if not isinstance(target, (FS, Readout)):
            raise NetworkError("NET-4", name, f"no projection may enter a {type(target).__name__}", target.name)
        if place[target.name] < before:
            raise NetworkError("NET-4", name, "projections are not listed in the order of their targets", target.name)
        before = place[target.name]
        if isinstance(projection, Gate):
            check_gate(projection, by_name[projection.source].shape, by_name[projection.by].shape, target.shape)
        else:
            check_fit(projection, by_name[projection.source].shape, target.shape, name)
    entered = {p.target for p in projections}
    for population in populations:
        if isinstance(population, (FS, Readout)) and population.name not in entered:
            raise NetworkError("NET-4", population.name, "no projection enters this population")


def check_gate(gate: Gate, source: Shape, factor: Shape, target: Shape) -> None:
    """Nothing, when source, factor and target of a gate meet (GATE-1); else NetworkError."""
    place, channels = f"{gate.source}->{gate.target}", source[0]
    if target != source:
        raise NetworkError("GATE-1", place, "the target has another shape than the source", target, f"{source}")
    if factor not in (source, (channels, 1, 1)):
        limit = f"{source} or {(channels, 1, 1)}"
        raise NetworkError("GATE-1", f"{place} by {gate.by}", "shape does not meet the source", factor, limit)
    if len(gate.weights) != channels:
        limit = f"the source has {channels}"
        raise NetworkError("GATE-1", f"{place} weights", "not one per channel", len(gate.weights), limit)


def check_pool(pool: MaxPool, source: Population, d: Ints) -> None:
    """Nothing, when `pool` may stand on `source`, which sends d (C, K) (POOL-2, POOL-3); else NetworkError."""
    size = window_shape(source.shape, pool.kernel, pool.stride, pool.padding)
    if min(size) < 1 or (source.shape[0], *size) != pool.shape:
        raise NetworkError(
            "POOL-1",
            f"{source.name}->{pool.name}",
            "windows do not meet the pool's shape",
            (source.shape[0], *size),
            f"the pool has {pool.shape}",
        )
    later = np.cumsum(d[:, ::-1], axis=1)[:, ::-1] - d  # sum of d after each step
    wrong = np.argwhere(d <= later)  # at the last step: d <= 0
    if len(wrong):
        channel, step = wrong[0].tolist()
        limit = f"d[t] > {int(later[channel, step])}, the sum of all later d"
        raise NetworkError(
            "POOL-2",
            f"{source.name}->{pool.name} channel {channel} step {step}",
            "max-pool is not exact for this d",
            int(d[channel, step]),
            limit,
        )
    rows = taps(source.shape[1], size[0], pool.padding[0], pool.kernel[0], pool.stride[0], 1)
    columns = taps(source.shape[2], size[1], pool.padding[1], pool.kernel[1], pool.stride[1], 1)
    for axis, seen in (("row", rows), ("column", columns)):
        if (seen[:, 0] == seen[:, 1]).any():
            empty = int(np.argmax(seen[:, 0] == seen[:, 1]))
            raise NetworkError(
                "POOL-3", pool.name, f"window {axis} holds only padding", empty, "every window needs a candidate"
            )


def check_view(view: View, source: Population) -> None:
    """Nothing, when `view` may show `source` (VIEW-1); else NetworkError."""
    if view.shape[0] != source.shape[0]:
        raise NetworkError(
            "VIEW-1", f"{view.name} shape", "other channels than its source", view.shape[0], f"{source.shape[0]}"
        )
    for axis, places, size in (("rows", view.rows, source.shape[1]), ("columns", view.columns, source.shape[2])):
        if (last := int(places.max())) >= size:
            limit = f"-1..{size - 1}: {source.name} has {size}"
            raise NetworkError("VIEW-1", f"{view.name} {axis}", "shows what its source does not have", last, limit)
