"""The event-driven simulator: lists of spikes, each delivered along its own synapses by Numba kernels, one image at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines.activity import Activity, Simulator, Wanted
from fsref.engines.kernels import plain
from fsref.network import Network
from fsref.neuron import Ints
from fsref.populations import FS, Input, MaxPool, Readout
from fsref.projections import Conv2d, Projection

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class SpikeList:
    """Spikes of one population for one image: neurons in canonical order, those of step t at offsets[t]:offsets[t+1] (EVENT-1)."""

    neurons: Array
    offsets: Array

    @classmethod
    def room(cls, neurons: int, steps: int) -> SpikeList:
        """Room for every neuron to spike in every step."""
        return cls(np.empty(neurons * steps, np.int64), np.zeros(steps + 1, np.int64))

    def cut(self) -> SpikeList:
        """The list without its unused room."""
        return SpikeList(self.neurons[: self.offsets[-1]].copy(), self.offsets)


Deliver = Callable[[SpikeList, bool], tuple[Array, int]]


def deliverer(net: Network, projection: Projection) -> Deliver:
    """A function from spikes to what the projection delivers, (C, H, W), and the number of deliveries when counted."""
    source, target = net[projection.source], net[projection.target]
    reach = int(np.abs(net.ranges[target.name].any_order).max())
    kind = np.int32 if reach < 2**31 else np.int64  # RANGE-1 holds for every partial sum
    d = net.code_weights[source.name].astype(kind)
    if isinstance(projection, Conv2d):
        groups, (outputs, inputs, kh, kw) = projection.groups, projection.weights.shape
        by_group = projection.weights.astype(kind).reshape(groups, outputs // groups, inputs, kh, kw)
        rows = np.ascontiguousarray(by_group.transpose(0, 2, 3, 4, 1)).reshape(groups * inputs, kh, kw, outputs // groups)
        c, h, w = target.shape

        def conv2d(spikes: SpikeList, counting: bool) -> tuple[Array, int]:
            out = np.zeros((h, w, c), kind)
            count = plain.deliver_conv2d(
                spikes.neurons, spikes.offsets, d, source.shape[1:], projection.stride, projection.padding[:2], projection.dilation, rows, out, counting
            )
            return out.transpose(2, 0, 1), count

        return conv2d
    columns = np.ascontiguousarray(projection.weights.T, dtype=kind)

    def dense(spikes: SpikeList, counting: bool) -> tuple[Array, int]:
        out = np.zeros(len(projection.weights), kind)
        places = source.shape[1] * source.shape[2]
        count = plain.deliver_dense(spikes.neurons, spikes.offsets, d, places, projection.pooled, columns, out, counting)
        return out[:, None, None], count

    return dense


def one_image(net: Network, deliver: list[Deliver], image: Ints, wanted: Wanted, deliveries: Array | None) -> Iterator[Activity]:
    """The activity of one image, arrays as in Activity but without the batch axis; adds to `deliveries` (projections,) when given."""
    spikes: dict[str, SpikeList] = {}
    for p in net.populations:
        room = SpikeList.room(int(np.prod(p.shape)), net.steps[p.name])
        trains = np.zeros(p.shape, np.uint16)
        v: Ints | None = None
        sums: dict[int, Ints] = {}
        after: Ints | None = None
        match p:
            case Input():
                plain.spike_list(image.ravel(), p.steps, room.neurons, room.offsets)
                trains = image.astype(np.uint16)
            case MaxPool():
                state = np.zeros((*p.shape, *p.kernel), np.uint8)
                own = spikes[p.source]
                plain.max_pool(own.neurons, own.offsets, net[p.source].shape[1:], p.kernel, p.stride, p.padding[:2], state, trains, room.neurons, room.offsets)
            case FS() | Readout():
                v = np.broadcast_to(p.bias if p.bias.ndim == 3 else p.bias[:, None, None], p.shape).copy()
                for index, q in enumerate(net.projections):
                    if q.target == p.name:
                        total, count = deliver[index](spikes[q.source], deliveries is not None)
                        v += total
                        if "sums" in wanted.get(p.name, ()):
                            sums[index] = total.astype(np.int64)
                        if deliveries is not None:
                            deliveries[index] += count
                if isinstance(p, Readout):
                    yield Activity(p.name, opening=v, sums=sums)
                    return
                T, h, _ = p.table.rows(p.shape[0])
                kept = np.empty((p.steps if "membranes" in wanted.get(p.name, ()) else 0, p.shape[0], p.shape[1] * p.shape[2]), np.int64)
                falling = v.reshape(p.shape[0], -1).copy()
                plain.fire(falling, np.ascontiguousarray(T), np.ascontiguousarray(h), trains.reshape(falling.shape), room.neurons, room.offsets, kept)
                after = kept.reshape(-1, *p.shape) if len(kept) else None
        spikes[p.name] = room.cut()
        yield Activity(p.name, trains, codes(trains, net.code_weights[p.name]), v, after, sums)


def codes(trains: NDArray[np.uint16], d: Ints) -> Ints:
    """Codes (C, H, W) of trains: d of every step that spiked, added up (FS-4)."""
    code = np.zeros(trains.shape, np.int64)
    for t in range(d.shape[1]):
        code += d[:, t, None, None] * ((trains >> (d.shape[1] - 1 - t)) & 1)
    return code


def simulator(net: Network) -> Simulator:
    """A function from images (B, C, H, W) to the activity of every population in turn."""
    deliver = [deliverer(net, p) for p in net.projections]

    def simulate(images: Ints, wanted: Wanted) -> Iterator[Activity]:
        for parts in zip(*(one_image(net, deliver, image, wanted, None) for image in images), strict=True):
            yield stacked(parts)

    return simulate


def stacked(parts: tuple[Activity, ...]) -> Activity:
    """One activity with a batch axis from those of single images."""

    def join(name: str) -> Any:
        arrays = [getattr(part, name) for part in parts]
        return None if arrays[0] is None else np.stack(arrays)

    sums = {index: np.stack([part.sums[index] for part in parts]) for index in parts[0].sums}
    return Activity(parts[0].population, join("trains"), join("codes"), join("opening"), join("membranes"), sums)


def count_deliveries(net: Network, images: Ints) -> Ints:
    """Synaptic deliveries (B, projections) of an instrumented run, counted as they are made (OBS-3)."""
    deliver = [deliverer(net, p) for p in net.projections]
    counts = np.zeros((len(images), len(net.projections)), np.int64)
    for image, row in zip(images, counts, strict=True):
        for _ in one_image(net, deliver, image, {}, row):
            pass
    return counts


def working_bytes(net: Network) -> int:
    """A bound on the bytes one image takes: every spike list at its fullest, the largest population's arrays, all weights."""
    size = {p.name: int(np.prod(p.shape)) for p in net.populations}
    lists = sum(8 * size[n] * net.steps[n] for n in size)
    largest = max(8 * size[p.name] * (3 * net.steps[p.name] + len(net.into(p.name)) + 8) for p in net.populations)
    states = max((size[p.name] * p.kernel[0] * p.kernel[1] for p in net.populations if isinstance(p, MaxPool)), default=0)
    return lists + largest + states + sum(2 * 8 * q.weights.size for q in net.projections) + 2**20
