"""A network: populations in topological order joined by projections (NET-1 to NET-8), checked and its ranges proved
when made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from types import MappingProxyType
from typing import Any

import numpy as np

from fsref.errors import NetworkError
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, positive
from fsref.law.projections import Conv2d, Dense, Projection, check_fit, taps, window_shape
from fsref.law.ranges import Range, code_weights, prove


@dataclass(frozen=True)
class Contract:
    """How pixels became codes, for people and importers: channels "L" or "RGB", mean and std folded in, resize and crop
    (FILE-3).
    """

    channels: str = "L"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    resize: int | None = None
    crop: int | None = None


def check_pool(pool: MaxPool, source: Population, d: Ints) -> None:
    """Nothing, when `pool` may stand on `source`, which sends d (C, K) (POOL-2, POOL-3); else NetworkError."""
    if isinstance(source, Readout):
        raise NetworkError("NET-4", pool.name, "a readout is no source", source.name)
    size = window_shape(source.shape, pool.kernel, pool.stride, pool.padding)
    if min(size) < 1 or (source.shape[0], *size) != pool.shape:
        raise NetworkError(
            "PROJ-2",
            f"{source.name}->{pool.name}",
            "windows do not meet the pool's shape",
            (source.shape[0], *size),
            f"{pool.shape}",
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


@dataclass(frozen=True, eq=False)
class Network:
    """A checked network: populations and projections as NET-1 to NET-8 ask, every range proved (RANGE-1 to RANGE-5).

    `logit_scale` is the real value of one logit, `classes` their names. Errors: NetworkError, RangeError.
    """

    populations: Sequence[Population]
    projections: Sequence[Projection]
    name: str = ""
    logit_scale: float = 1.0
    classes: Sequence[str] = ()
    contract: Contract | None = None
    provenance: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for name in ("populations", "projections", "classes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self._check_places()
        self._check_projections()
        for population in self.populations:
            if isinstance(population, MaxPool):
                source = self[population.source]
                check_pool(population, source, self.code_weights[source.name])
        positive(self.logit_scale, "NET-8", "logit_scale")
        if not all(isinstance(name, str) for name in self.classes):
            raise NetworkError("NET-8", "classes", "not names", self.classes)
        if self.classes and len(self.classes) != self.readout.shape[0]:
            raise NetworkError(
                "NET-8", "classes", "not one name per logit", len(self.classes), f"{self.readout.shape[0]}"
            )
        for population in self.populations:
            unit = getattr(population, "scale", None)
            if unit is not None:
                positive(unit, "FILE-3", f"{population.name} scale")
        object.__setattr__(self, "ranges", prove(self.populations, self.projections))

    ranges: Mapping[str, Range] = field(init=False)

    def _check_places(self) -> None:
        kinds = [type(p) for p in self.populations]
        if any(not isinstance(p, (Input, FS, MaxPool, Readout)) for p in self.populations):
            raise NetworkError(
                "NET-1",
                "network",
                "unknown kind of population",
                [k.__name__ for k in kinds],
                "Input, FS, MaxPool, Readout",
            )
        if (
            len(kinds) < 2
            or kinds[0] is not Input
            or kinds[-1] is not Readout
            or kinds.count(Input) != 1
            or kinds.count(Readout) != 1
        ):
            raise NetworkError(
                "NET-1",
                "network",
                "the first population is the only input, the last the only readout",
                [k.__name__ for k in kinds],
            )
        seen: set[str] = set()
        for population in self.populations:
            if population.name in seen:
                raise NetworkError("NET-2", population.name, "two populations have this name")
            if isinstance(population, MaxPool) and population.source not in seen:
                raise NetworkError("NET-4", population.name, "source is not an earlier population", population.source)
            seen.add(population.name)

    def _check_projections(self) -> None:
        if any(not isinstance(p, (Conv2d, Dense)) for p in self.projections):
            raise NetworkError(
                "NET-1",
                "network",
                "unknown kind of projection",
                [type(p).__name__ for p in self.projections],
                "Conv2d, Dense",
            )
        place = {p.name: index for index, p in enumerate(self.populations)}
        before = -1
        for projection in self.projections:
            label = f"{projection.source}->{projection.target}"
            for end in (projection.source, projection.target):
                if end not in place:
                    raise NetworkError("NET-4", label, "no population has this name", end)
            source, target = self[projection.source], self[projection.target]
            if place[source.name] >= place[target.name]:
                raise NetworkError(
                    "NET-4",
                    label,
                    "the source stands at or after its target",
                    place[source.name],
                    f"below {place[target.name]}",
                )
            if not isinstance(target, (FS, Readout)):
                raise NetworkError("NET-4", label, f"no projection may enter a {type(target).__name__}", target.name)
            if place[target.name] < before:
                raise NetworkError(
                    "NET-4", label, "projections are not listed in the order of their targets", target.name
                )
            before = place[target.name]
            check_fit(projection, source.shape, target.shape, label)
        entered = {p.target for p in self.projections}
        for population in self.populations:
            if isinstance(population, (FS, Readout)) and population.name not in entered:
                raise NetworkError("NET-4", population.name, "no projection enters this population")

    def __getitem__(self, name: str) -> Population:
        """The population of this name; KeyError when there is none."""
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Population]:
        return {p.name: p for p in self.populations}

    def into(self, name: str) -> list[Projection]:
        """The projections into a population, in list order."""
        return [p for p in self.projections if p.target == name]

    @property
    def input(self) -> Input:
        """The input population."""
        assert isinstance(self.populations[0], Input)
        return self.populations[0]

    @property
    def readout(self) -> Readout:
        """The readout population."""
        assert isinstance(self.populations[-1], Readout)
        return self.populations[-1]

    @cached_property
    def code_weights(self) -> dict[str, Ints]:
        """d of every population that spikes, by name, (C, K) (NET-7, FS-4, POOL-4)."""
        weights: dict[str, Ints] = {}
        for population in self.populations[:-1]:
            weights[population.name] = code_weights(population, weights)
        return weights

    @cached_property
    def steps(self) -> dict[str, int]:
        """K of every population, by name; 0 for the readout."""
        return {**{name: d.shape[1] for name, d in self.code_weights.items()}, self.readout.name: 0}

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """One name per projection: source->target, with #0, #1, ... when several join the same two (NET-2)."""
        plain = [f"{p.source}->{p.target}" for p in self.projections]
        return tuple(f"{s}#{plain[:i].count(s)}" if plain.count(s) > 1 else s for i, s in enumerate(plain))

    @cached_property
    def id(self) -> str:
        """The SHA-256 over integers and topology alone, 64 hexadecimal digits (ID-1)."""
        return identity(self)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the network to one npz, complete or not at all, the same bytes for the same network (FILE-4)."""
        from fsref.formats.npz import save

        save(self, path)

    def __repr__(self) -> str:
        return f"<Network {self.name or 'without a name'}: {len(self.populations)} populations, id {self.id[:12]}>"

    def __str__(self) -> str:
        from fsref.reports.network import network_sheet

        return str(network_sheet(self))

    def _repr_html_(self) -> str:
        from fsref.reports.network import network_sheet

        return network_sheet(self).html()


def identity(net: Network) -> str:
    """The id of a network (ID-1): SHA-256 of its byte form, in hexadecimal."""
    digest = hashlib.sha256(b"FSREFID1")
    place = {p.name: index for index, p in enumerate(net.populations)}

    def words(*values: int | Iterable[int]) -> None:
        for value in values:
            digest.update(np.asarray(value, dtype="<i8").tobytes())

    def array(values: np.ndarray[Any, Any]) -> None:
        words(values.ndim, values.shape, values)

    words(len(net.populations), len(net.projections))
    for p in net.populations:
        match p:
            case Input():
                words(0, p.shape, p.steps, p.max_code)
            case FS():
                words(1, p.shape, p.steps)
                for values in (p.table.T, p.table.h, p.table.d, p.bias):
                    array(values)
            case MaxPool():
                words(2, p.shape, net.steps[p.name], place[p.source], p.kernel, p.stride, p.padding)
            case Readout():
                words(3, p.shape, 0)
                array(p.bias)
    for q in net.projections:
        ends = (place[q.source], place[q.target])
        if isinstance(q, Conv2d):
            words(0, *ends, q.stride, q.padding, q.dilation, q.groups)
        else:
            words(1, *ends, int(q.pooled))
        array(q.weights)
    return digest.hexdigest()
