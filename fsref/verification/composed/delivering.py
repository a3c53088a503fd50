"""What a projection delivers: which spikes it reads, from where, and by which weights (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Conv2d, Projection
from fsref.tables import Brief
from fsref.verification.composed.relation import Part, of_projection
from fsref.verification.composed.told import telling
from fsref.verification.scene import Scene

EACH = 2**22  # codes of a source with d of each of its channels
SEEN = 2**16  # places that the windows of a conv2d see, written down
OF_ITS_OWN = ", with d of its own channel"  # where what is read stands in another
TIMES = ((0, "is lost", 1.0), (2, "counts twice", 1.5), (-1, "has the other sign", 1.8))


def delivering(scene: Scene, name: str, seen: Ints) -> Part:
    """What a projection delivers, (B, C, H, W) (PROJ-1)."""
    part = telling(scene, seen, scene.sums[name])
    q = scene.into[name]
    outputs, inputs, *kernel = q.weights.shape
    kh, kw = kernel or (1, 1)
    groups = getattr(q, "groups", 1)
    channels, rows, columns = scene.net[q.source].shape
    names = [p.name for p in scene.net.populations]
    facts: dict[str, int] = {
        "the number of channels of the source": channels,
        "the number of rows of the source": rows,
        "the number of columns of the source": columns,
        "the number of projections before": list(scene.into).index(name),
        "the number of outputs": outputs,
        "the number of inputs": inputs,
        "the number of kernel rows": kh,
        "the number of kernel columns": kw,
        "the number of groups": groups,
        "K of the source": scene.net.steps[q.source],
        "along a conv2d": bool(kernel),
        "along a dense of all neurons": not kernel and not getattr(q, "pooled", False),
        "along a pooled dense": bool(getattr(q, "pooled", False)),
        "along a depthwise conv2d": bool(kernel) and inputs == 1 < groups,
        "along a kernel of one place": bool(kernel) and kh * kw == 1,
        "from the input": q.source == scene.net.input.name,
        "from the population just before": names.index(q.target) - names.index(q.source) == 1,
        "from a max-pool": scene.net[q.source].kind == "max_pool",
        "from a view": scene.net[q.source].kind == "view",
        "from the source of the projection before": _source_before(scene.net.named_projections, name) == q.source,
        "from the source of the projection before into its target": _source_before(scene.into, name) == q.source,
        "where its spikes wait": scene.net.schedule.delays[q.source, q.target] > 0,
    }
    flags = {words: rows_of(part, held + 0 * seen) > 0 for words, held in _leaving(scene, name)}
    return of_projection(replace(part, flags={**part.flags, **flags}), name, facts, {"the sum": part.right})


def _source_before(projections: Mapping[str, Projection], name: str) -> str:
    """The source of the projection before in the order of the load, "" of the first."""
    every = [*projections.items()]
    at = [own for own, _ in every].index(name)
    return every[at - 1][1].source if at else ""


def _leaving(scene: Scene, name: str) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Whether the window of a neuron, (H, W), leaves the source at a side; that of a dense does not."""
    q, shape = scene.into[name], scene.population.shape
    (sy, sx), (dy, dx) = getattr(q, "stride", (1, 1)), getattr(q, "dilation", (1, 1))
    top, left, _, _ = getattr(q, "padding", (0, 0, 0, 0))
    windows = q.weights.ndim == 4
    y, x = np.arange(shape[1])[:, None] * sy - top, np.arange(shape[2]) * sx - left
    _, height, width = scene.net[q.source].shape
    kh, kw = (*q.weights.shape[2:], 1, 1)[:2]
    for side, beyond in (
        ("top", y < 0),
        ("left", x < 0),
        ("bottom", y + (kh - 1) * dy >= height),
        ("right", x + (kw - 1) * dx >= width),
    ):
        yield f"where its window leaves the source at the {side}", np.broadcast_to(beyond & windows, shape[1:])


@dataclass(frozen=True, eq=False, repr=False)
class Read(Brief):
    """A projection, the shape of its target, and what it reads: spikes (B, K, C, H, W), d (K, C, 1, 1), and the codes
    that these are.
    """

    q: Projection
    target: Shape
    spikes: NDArray[np.bool_]
    d: Ints
    codes: Ints

    @cached_property
    def weights(self) -> Ints:
        """Its weights (O, I, kh, kw); of a dense the last two are 1."""
        w = self.q.weights.astype(np.int64)
        return w if w.ndim == 4 else w[:, :, None, None]

    @cached_property
    def by_neuron(self) -> Ints | None:
        """The weights of a dense (O, neurons), of a pooled one those of their channels; None of a conv2d."""
        if self.q.weights.ndim != 2:
            return None
        return np.repeat(self.weights[:, :, 0, 0], self.codes[0].size // self.weights.shape[1], axis=1)

    @cached_property
    def kinds(self) -> list[NDArray[np.intp]]:
        """The channels of the source that share a row of d."""
        rows = self.d[:, :, 0, 0]
        return [np.flatnonzero((rows == row[:, None]).all(axis=0)) for row in np.unique(rows.T, axis=0)]

    @cached_property
    def seen(self) -> NDArray[np.intp] | None:
        """The addresses (G, I * kh * kw, H_out * W_out) that the windows of a conv2d see, one behind the last of a
        neuron of the source where there is none; None along others, and where they are many.
        """
        match self.q:
            case Conv2d() as q if self.windows * int(np.prod(self.codes.shape[1:2] + q.kernel)) <= SEEN:
                return _seen(q, self.codes.shape[1:], self.target)
            case _:
                return None

    @property
    def windows(self) -> int:
        """How many windows see the source."""
        return self.target[1] * self.target[2]

    def columns(self, plane: Ints) -> Ints:
        """What the windows see of a plane (B, C, H, W): (B, G, I * kh * kw, H_out * W_out)."""
        assert self.seen is not None
        flat = plane.reshape(len(plane), -1)
        found: Ints = np.concatenate([flat, np.zeros((len(flat), 1), np.int64)], axis=1)[:, self.seen]
        return found

    @cached_property
    def own_columns(self) -> Ints:
        """The same of the codes."""
        return self.columns(self.codes)

    @cached_property
    def values(self) -> Ints:
        """All weights, each once."""
        return np.unique(self.weights)

    @cached_property
    def products(self) -> Ints:
        """All that a weight and d give, each once."""
        found: Ints = np.unique(self.values[:, None] * np.unique(self.d))
        return found

    def by(self, weights: Ints) -> Projection:
        """The projection with other weights, which may be larger than a network's may (PROJ-7)."""
        q = copy(self.q)
        object.__setattr__(q, "weights", weights.reshape(self.q.weights.shape))
        return q


def read_of(part: Part) -> Read:
    """What a part is about."""
    return _read(part.scene, part.of)


@lru_cache(maxsize=32)
def _read(scene: Scene, name: str) -> Read:
    q = scene.net.into(scene.population.name)[name]
    d = scene.net.code_weights[q.source].T[:, :, None, None]
    return Read(q, scene.population.shape, scene.spikes(q.source), d, scene.codes[q.source])


def _seen(q: Conv2d, source: Shape, target: Shape) -> NDArray[np.intp]:
    channels, height, width = source
    i, r, s, oy, ox = np.ogrid[:channels, : q.kernel[0], : q.kernel[1], : target[1], : target[2]]
    y = oy * q.stride[0] - q.padding[0] + r * q.dilation[0]
    x = ox * q.stride[1] - q.padding[1] + s * q.dilation[1]
    there = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    address = np.where(there, (i * height + y) * width + x, channels * height * width)
    return address.reshape(q.groups, -1, target[1] * target[2])


@lru_cache(maxsize=2)
def of_each_d(scene: Scene, source: str) -> Ints | None:
    """The codes that spikes of a source have with d of each channel, (B, C, neurons); None of many."""
    d, codes = scene.net.code_weights[source], scene.codes[source]
    shape = (len(codes), len(d), codes[0].size)
    if (d == d[:1]).all():
        return np.broadcast_to(codes.reshape(len(codes), 1, -1), shape)
    if np.prod(shape) > EACH:
        return None
    spikes = scene.spikes(source).astype(np.int64)
    found: Ints = np.einsum("bkn,ck->bcn", spikes.reshape(*spikes.shape[:2], -1), d)
    return found


def rows_of(part: Part, values: Ints) -> Ints:
    """Values (B, C, H, W) of the target as the rows of a part."""
    kept = part.scene.part
    return values.ravel() if kept is None else values[:, kept].ravel()


def reach(part: Part, *names: str) -> Ints:
    """How far from 0 all that projections rightly add could lead, by rows of a part; gates are not followed."""
    if part.scene.bits is None:
        return 0 * part.right
    return sum((rows_of(part, _reach(part.scene, name)) for name in names), 0 * part.right)


@lru_cache(maxsize=64)
def _reach(scene: Scene, name: str) -> Ints:
    read = _read(scene, name)
    plane = (read.spikes * np.abs(read.d)).sum(axis=1)
    return reference.carried(plane, read.by(np.abs(read.weights)), scene.population.shape, scene.codes)


def reached(part: Part, some: Ints) -> NDArray[np.bool_]:
    """Which rows of a part some of a plane (B, C, H, W) arrives at, by a weight that is not 0."""
    read = read_of(part)
    found: NDArray[np.bool_] = delivered(part, read.by((read.q.weights != 0).astype(np.int64)), some) != 0
    return found


def delivered(part: Part, q: Projection, plane: Ints) -> Ints:
    """What a projection, with its weights or others, delivers from a plane (B, C, H, W), by rows of a part."""
    read, shape = read_of(part), part.scene.population.shape
    if read.seen is None:
        return rows_of(part, reference.carried(plane, q, shape, part.scene.codes))
    columns = read.own_columns if plane is read.codes else read.columns(plane)
    weights = q.weights.astype(np.int64).reshape(columns.shape[1], -1, columns.shape[2])
    return rows_of(part, (weights @ columns).reshape(len(plane), *shape))
