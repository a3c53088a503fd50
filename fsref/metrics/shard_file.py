"""The file of a shard: JSON that says what it is of, and integer arrays, in a stored zip (RUN-7)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np

from fsref.engines.engine import name_of
from fsref.errors import FileError
from fsref.formats import manifest as schema
from fsref.formats.container import canonical, pack, read_members
from fsref.formats.manifest import ShardEntry
from fsref.formats.npy import npy, read_array
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import Population
from fsref.metrics.counts import Counts
from fsref.metrics.parts import Asked, Images, Part
from fsref.version import SPEC_VERSION, __version__

RULE = "RUN-7"
FORMAT = 1
STRIP = 2**20  # codes that are hashed at once
HEADERS = 2**16  # bytes of a shard beside its integers, at most


def entry_of(net: Network, asked: Asked, images: Images) -> ShardEntry:
    """What names the shard of these images: their content, the network, what is asked of it, and who answers."""
    told = FORMAT, __version__, SPEC_VERSION, net.id, name_of(asked.engine), asked.counted
    return ShardEntry(*told, hash_of(images), len(images))


def hash_of(images: Images) -> str:
    """The SHA-256 of images, their codes as little-endian 16-bit integers in order, in hexadecimal (NET-7)."""
    digest, flat = hashlib.sha256(), images.reshape(-1)
    for first in range(0, flat.size, STRIP):
        digest.update(flat[first : first + STRIP].astype("<u2").data)
    return digest.hexdigest()


def name_of_shard(entry: ShardEntry) -> str:
    """The name of a shard: the SHA-256 of what it depends on, in hexadecimal."""
    told = schema.plain(entry)
    del told["kernels"], told["seconds"]
    return hashlib.sha256(canonical(told)).hexdigest()


def to_bytes(net: Network, asked: Asked, images: Images, part: Part) -> bytes:
    """The bytes of the file of what some images gave."""
    told = {**schema.plain(entry_of(net, asked, images)), "kernels": part.kernels, "seconds": part.seconds}
    return pack({"manifest.json": canonical(told), **{f"{n}.npy": npy(a) for n, a in arrays_of(net, part).items()}}, "")


def arrays_of(net: Network, part: Part) -> dict[str, Ints]:
    """The arrays of a shard: those by population, or by projection, one behind the other in list order."""
    found = {} if part.predictions is None else {"predictions": part.predictions}
    found["spikes"] = np.stack([part.spikes[p.name] for p in net.spiking])
    if (counts := part.counts) is not None:
        parts = {"by_step": counts.spikes, "by_neuron": counts.by_neuron, "most_by_neuron": counts.most_by_neuron}
        parts |= {"synops": counts.synops, "scalings": counts.scalings}
        found |= {name: np.concatenate(list(values.values())) for name, values in parts.items()}
    return found


def shapes_of(net: Network, counted: bool, count: int) -> dict[str, tuple[int, ...]]:
    """The arrays of a shard of so many images by name, and their shapes."""
    shapes: dict[str, tuple[int, ...]] = {"predictions": (count,)} if net.is_classifier else {}
    shapes["spikes"] = (len(net.spiking), count)
    if counted:
        neurons, steps = sum(p.neurons for p in net.spiking), sum(net.steps[p.name] for p in net.spiking)
        taken = sum(net.steps[q.source] for q in net.projections)
        shapes |= {"by_step": (steps,), "by_neuron": (neurons,), "most_by_neuron": (neurons,)}
        shapes |= {"synops": (taken,), "scalings": (taken,)}
    return shapes


def most_bytes(net: Network, counted: bool, count: int) -> int:
    """The most bytes that the file of a shard of so many images may have."""
    return HEADERS + 8 * sum(int(np.prod(shape)) for shape in shapes_of(net, counted, count).values())


def of_bytes(data: bytes, where: str, net: Network, entry: ShardEntry) -> Part:
    """What the images of `entry` gave, as its file has it. Errors: FileError for what is another, or damaged."""
    try:
        members = read_members(data, where)
        found: ShardEntry = schema.decode(members.pop("manifest.json", b""), ShardEntry)
        if name_of_shard(found) != name_of_shard(entry):
            raise ValueError("it is of other images, another network or another fsref")
        shapes = shapes_of(net, entry.counted, entry.image_count)
        if set(members) != {f"{name}.npy" for name in shapes}:
            raise ValueError("it holds other arrays")
        arrays = {name: read_array(members[f"{name}.npy"], name).astype(np.int64) for name in shapes}
        if any(a.shape != shapes[name] or int(a.min(initial=0)) < 0 for name, a in arrays.items()):
            raise ValueError("an array has another shape, or is negative")
        return part_of(net, arrays, found)
    except FileError as error:
        told = error.problem
    except (*schema.INVALID, ValueError) as error:
        told = str(error)
    raise FileError(RULE, where, "is no whole shard of this run", told, "delete it: its images are run again")


def part_of(net: Network, arrays: Mapping[str, Ints], entry: ShardEntry) -> Part:
    """What the arrays of a shard say. Errors: ValueError for what no run can have given."""
    spikes = {p.name: sent for p, sent in zip(net.spiking, arrays["spikes"], strict=True)}
    predictions = arrays.get("predictions")
    if predictions is not None and int(predictions.max()) >= net.class_count or not 0 <= entry.seconds < np.inf:
        raise ValueError("there is no such class, or time")
    if any(int(spikes[p.name].max()) > p.neurons * net.steps[p.name] for p in net.spiking):
        raise ValueError("more spikes than neurons and steps")
    counts = counts_of(net, arrays, spikes, entry.image_count) if entry.counted else None
    return Part(predictions, spikes, counts, entry.kernels, entry.seconds)


def counts_of(net: Network, arrays: Mapping[str, Ints], spikes: Mapping[str, Ints], images: int) -> Counts:
    """The counts that the arrays of a shard hold. Errors: ValueError where they contradict one another."""

    def by_population(array: str, length: Callable[[Population], int]) -> dict[str, Ints]:
        return cut(arrays[array], {p.name: length(p) for p in net.spiking})

    by_step = by_population("by_step", lambda p: net.steps[p.name])
    by_neuron, most = (by_population(array, lambda p: p.neurons) for array in ("by_neuron", "most_by_neuron"))
    for name, sent in spikes.items():
        total, every, high = int(sent.sum()), by_neuron[name], most[name]
        if total != int(by_step[name].sum()) or total != int(every.sum()):
            raise ValueError(f"the spikes of {name} do not add up")
        if int(high.max()) > net.steps[name] or ((high > every) | (every > images * high)).any():
            raise ValueError(f"the most spikes of a neuron of {name} contradict their sum")
    taken = {name: net.steps[q.source] for name, q in net.named_projections.items()}
    synops, scalings = (cut(arrays[array], taken) for array in ("synops", "scalings"))
    busiest = int(sum((spikes[p.name] for p in net.fs), np.zeros(images, np.int64)).max())
    return Counts(net, images, by_step, by_neuron, most, synops, scalings, busiest)


def cut(values: Ints, lengths: Mapping[str, int]) -> dict[str, Ints]:
    """The parts of an array that stand one behind the other, by name."""
    return dict(zip(lengths, np.split(values, np.cumsum(list(lengths.values()))[:-1]), strict=True))
