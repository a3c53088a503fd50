"""A second, naive answer to every question of SPEC.md, written from that page alone.

Plain integers and plain loops; nothing of fsref and no numpy is imported, so agreement with it means something.
`load` reads a network file; `simulate` delivers it one image, spike by spike.
"""

import ast
import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Interval = tuple[int, int]
Intervals = dict[int, list[Interval]]  # population index -> one interval per channel


@dataclass(frozen=True)
class Array:
    """An array of integers: its dimensions and its values in C order (ID-1)."""

    dims: tuple[int, ...]
    values: tuple[int, ...]


@dataclass(frozen=True)
class Population:
    """One population of any kind (NET-1, POOL-1); what its kind has no use for is left at its default."""

    kind: str
    shape: tuple[int, int, int]
    steps: int
    max_code: int = 0
    source: int = -1
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()
    arrays: dict[str, Array] = field(default_factory=dict)  # T, h, d, bias

    @property
    def neurons(self) -> int:
        """The number of neurons (NET-3)."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    def channel(self, n: int) -> int:
        """The channel of neuron n (NET-3)."""
        return n // (self.shape[1] * self.shape[2])

    def place(self, c: int, y: int, x: int) -> int:
        """The neuron at place (c, y, x) (NET-3)."""
        return (c * self.shape[1] + y) * self.shape[2] + x

    def bias(self, n: int) -> int:
        """The bias of neuron n, from a vector or a map (NET-5)."""
        bias = self.arrays["bias"]
        return bias.values[self.channel(n) if len(bias.dims) == 1 else n]

    def rows(self, name: str) -> list[tuple[int, ...]]:
        """T, h or d as one row per channel (FS-1)."""
        array, k = self.arrays[name], self.steps
        if len(array.dims) == 1:
            return [array.values] * self.shape[0]
        return [array.values[c * k : (c + 1) * k] for c in range(self.shape[0])]


@dataclass(frozen=True)
class Projection:
    """One projection (PROJ-1, PROJ-4, PROJ-5)."""

    kind: str
    source: int
    target: int
    weights: Array
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    pooled: bool


@dataclass(frozen=True)
class Net:
    """A network and what follows from it: d by population and channel, synapses by projection and source neuron
    (PROJ-7), window candidates by max_pool and neuron (POOL-1)."""

    populations: list[Population]
    projections: list[Projection]
    d: dict[int, list[tuple[int, ...]]]
    synapses: list[list[list[tuple[int, int]]]]
    windows: dict[int, list[list[int]]]


@dataclass
class Observed:
    """What one image shows (OBS-1, EVENT-2, NET-8, OBS-3)."""

    sums: dict[int, list[int]] = field(default_factory=dict)  # by projection
    opening: dict[int, list[int]] = field(default_factory=dict)  # by population, as all below but the deliveries
    membranes: dict[int, list[list[int]]] = field(default_factory=dict)  # [step][neuron]
    trains: dict[int, list[int]] = field(default_factory=dict)
    codes: dict[int, list[int]] = field(default_factory=dict)
    logits: list[int] = field(default_factory=list)
    label: int = -1
    deliveries: dict[int, int] = field(default_factory=dict)  # by projection


def read_npy(raw: bytes) -> Array:
    """One .npy member, little-endian integers in C order that fill it exactly (FILE-2)."""
    assert raw[:6] == b"\x93NUMPY" and raw[6] in (1, 2, 3) and raw[7] == 0
    begin, length = (10, struct.unpack_from("<H", raw, 8)[0]) if raw[6] == 1 else (12, struct.unpack_from("<I", raw, 8)[0])
    header = ast.literal_eval(raw[begin : begin + length].decode("utf-8").strip())
    assert header["fortran_order"] is False
    letter = {"|i1": "b", "<i1": "b", "|u1": "B", "<u1": "B", "<i2": "h", "<i4": "i", "<i8": "q"}[header["descr"]]
    dims: tuple[int, ...] = header["shape"]
    count = 1
    for size in dims:
        count *= size
    values: tuple[int, ...] = struct.unpack(f"<{count}{letter}", raw[begin + length :])
    return Array(dims, values)


def load(data: bytes) -> Net:
    """The network in a file (FILE-1, FILE-2, FILE-3), its shapes inferred anew (NET-3, NET-4, PROJ-2, POOL-4)."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    members = set(archive.namelist())
    manifest: dict[str, Any] = json.loads(archive.read("manifest.json").decode("utf-8"))
    assert manifest["format"] == 1 and str(manifest["spec_version"]).split(".")[0] == "1"
    members.remove("manifest.json")

    def array(name: str) -> Array:
        members.remove(name + ".npy")
        return read_npy(archive.read(name + ".npy"))

    names: list[str] = [entry["name"] for entry in manifest["populations"]]

    def index(reference: int | str) -> int:
        return names.index(reference) if isinstance(reference, str) else reference

    populations: list[Population] = []
    windows: dict[int, list[list[int]]] = {}
    d: dict[int, list[tuple[int, ...]]] = {}
    for p, entry in enumerate(manifest["populations"]):
        kind: str = entry["kind"]
        channels, height, width = entry["shape"]
        shape: tuple[int, int, int] = (channels, height, width)
        if kind == "input":
            k = int(entry["steps"])
            assert p == 0 and 1 <= entry["max_code"] <= 2**k - 1
            population = Population(kind, shape, k, max_code=entry["max_code"])
            d[p] = [tuple(2 ** (k - 1 - t) for t in range(k))] * channels
        elif kind == "fs":
            arrays = {part: array(f"population.{p}.{part}") for part in ("T", "h", "d", "bias")}
            k = arrays["T"].dims[-1]
            assert all(arrays[part].dims in ((k,), (channels, k)) for part in "Thd")
            population = Population(kind, shape, k, arrays=arrays)
            d[p] = population.rows("d")
        elif kind == "max_pool":
            q = index(entry["source"])
            assert q < p and populations[q].kind in ("input", "fs", "max_pool")
            kernel, stride, padding = tuple(entry["kernel"]), tuple(entry["stride"]), tuple(entry["padding"])
            population = Population(kind, shape, populations[q].steps, 0, q, kernel, stride, padding)
            d[p] = d[q]
            windows[p] = candidates(populations[q], population)
            for row in d[q]:  # POOL-2; at the last step this asks for d > 0
                assert all(row[t] > sum(row[t + 1 :]) for t in range(len(row)))
        else:
            assert kind == "readout" and p == len(names) - 1 and (height, width) == (1, 1)
            population = Population(kind, shape, 0, arrays={"bias": array(f"population.{p}.bias")})
        if population.arrays:
            assert population.arrays["bias"].dims in ((channels,), shape)
        populations.append(population)

    projections: list[Projection] = []
    for j, entry in enumerate(manifest["projections"]):
        projections.append(
            Projection(
                kind=entry["kind"],
                source=index(entry["source"]),
                target=index(entry["target"]),
                weights=array(f"projection.{j}.weights"),
                stride=tuple(entry.get("stride", (1, 1))),
                padding=tuple(entry.get("padding", (0, 0, 0, 0))),
                dilation=tuple(entry.get("dilation", (1, 1))),
                groups=entry.get("groups", 1),
                pooled=entry.get("pooled", False),
            )
        )
        source, target = projections[j].source, projections[j].target
        assert source < target and populations[source].kind != "readout" and populations[target].kind in ("fs", "readout")
    targets = [projection.target for projection in projections]
    assert not members and targets == sorted(targets)
    assert set(targets) == {p for p, population in enumerate(populations) if population.kind in ("fs", "readout")}
    synapses = [outgoing(populations[one.source], populations[one.target], one) for one in projections]
    return Net(populations, projections, d, synapses, windows)


def window_count(size: int, padding: int, kernel: int, stride: int, dilation: int) -> int:
    """How many windows fit along one axis (PROJ-2); padding is that of both ends together."""
    count = (size + padding - dilation * (kernel - 1) - 1) // stride + 1
    assert count >= 1
    return count


def candidates(source: Population, pool: Population) -> list[list[int]]:
    """For each neuron of a max_pool the source neurons in its window (POOL-1, POOL-3)."""
    channels, height, width = source.shape
    (kh, kw), (sy, sx), (top, left, bottom, right) = pool.kernel, pool.stride, pool.padding
    rows, columns = window_count(height, top + bottom, kh, sy, 1), window_count(width, left + right, kw, sx, 1)
    assert pool.shape == (channels, rows, columns)
    result: list[list[int]] = []
    for c in range(channels):
        for y in range(rows):
            for x in range(columns):
                ys = [y * sy - top + r for r in range(kh) if 0 <= y * sy - top + r < height]
                xs = [x * sx - left + r for r in range(kw) if 0 <= x * sx - left + r < width]
                result.append([source.place(c, v, u) for v in ys for u in xs])
                assert result[-1]
    return result


def outgoing(source: Population, target: Population, one: Projection) -> list[list[tuple[int, int]]]:
    """For each source neuron its synapses, (target neuron, weight) (PROJ-1 to PROJ-5, PROJ-7)."""
    synapses: list[list[tuple[int, int]]] = [[] for _ in range(source.neurons)]
    channels, height, width = source.shape
    values = iter(one.weights.values)
    if one.kind == "dense":
        outs, ins = one.weights.dims
        assert target.shape == (outs, 1, 1) and ins == (channels if one.pooled else source.neurons)
        for o in range(outs):
            for i in range(ins):
                w = next(values)
                places = range(i * height * width, (i + 1) * height * width) if one.pooled else [i]
                for n in places:
                    if w != 0:
                        synapses[n].append((o, w))
        return synapses
    assert one.kind == "conv2d"
    outs, ins, kh, kw = one.weights.dims
    (sy, sx), (top, left, bottom, right), (dy, dx) = one.stride, one.padding, one.dilation
    rows, columns = window_count(height, top + bottom, kh, sy, dy), window_count(width, left + right, kw, sx, dx)
    assert target.shape == (outs, rows, columns)
    assert channels % one.groups == 0 and outs % one.groups == 0 and ins == channels // one.groups
    for o in range(outs):
        g = o // (outs // one.groups)
        for i in range(ins):
            for r in range(kh):
                for c in range(kw):
                    w = next(values)
                    if w == 0:
                        continue
                    for y in range(rows):
                        v = y * sy - top + r * dy
                        if not 0 <= v < height:
                            continue
                        for x in range(columns):
                            u = x * sx - left + c * dx
                            if 0 <= u < width:
                                synapses[source.place(g * ins + i, v, u)].append((target.place(o, y, x), w))
    return synapses


def fire(v: int, T: Sequence[int], h: Sequence[int], d: Sequence[int]) -> tuple[int, int, list[int]]:  # noqa: N803
    """The train word, the code and the membrane after each step of one neuron (FS-2, FS-3, FS-4, EVENT-2)."""
    train, code, membranes = 0, 0, []
    for t in range(len(T)):
        z = 1 if v >= T[t] else 0
        v -= h[t] * z
        code += d[t] * z
        train = train * 2 + z
        membranes.append(v)
    return train, code, membranes


def spikes(net: Net, observed: Observed, p: int, t: int) -> list[int]:
    """The spikes (0 or 1) of all neurons of population p in its step t (EVENT-2)."""
    return [train >> (net.populations[p].steps - 1 - t) & 1 for train in observed.trains[p]]


def simulate(net: Net, image: Sequence[int]) -> Observed:
    """Everything one image shows (NET-5 to NET-8, PROJ-6, FS-2 to FS-4, POOL-1, OBS-1, OBS-3)."""
    seen = Observed()
    for p, population in enumerate(net.populations):
        k = population.steps
        if population.kind == "input":
            assert len(image) == population.neurons and all(0 <= code <= population.max_code for code in image)
            seen.trains[p] = [int(code) for code in image]  # bit K-1-t of the code is the spike of step t
        elif population.kind == "max_pool":
            before = [spikes(net, seen, population.source, t) for t in range(k)]
            seen.trains[p] = [pool(window, before) for window in net.windows[p]]
        else:
            opening = [population.bias(n) for n in range(population.neurons)]
            for j, projection in enumerate(net.projections):
                if projection.target == p:
                    deliver(net, seen, j)
                    for n, total in enumerate(seen.sums[j]):
                        opening[n] += total
            seen.opening[p] = opening
        if population.kind == "readout":
            seen.logits = seen.opening[p]
            seen.label = seen.logits.index(max(seen.logits))
        elif population.kind == "fs":
            rows = list(zip(population.rows("T"), population.rows("h"), population.rows("d"), strict=True))
            fired = [fire(v, *rows[population.channel(n)]) for n, v in enumerate(seen.opening[p])]
            seen.trains[p] = [train for train, _, _ in fired]
            seen.codes[p] = [code for _, code, _ in fired]
            seen.membranes[p] = [[membranes[t] for _, _, membranes in fired] for t in range(k)]
        else:
            seen.codes[p] = [0] * population.neurons
            for t in range(k):
                for n, z in enumerate(spikes(net, seen, p, t)):
                    seen.codes[p][n] += net.d[p][population.channel(n)][t] * z
    return seen


def deliver(net: Net, seen: Observed, j: int) -> None:
    """Send every spike of the source along every synapse of projection j (FS-4, PROJ-1 to PROJ-5, OBS-3)."""
    projection, synapses = net.projections[j], net.synapses[j]
    source = net.populations[projection.source]
    sums, deliveries = [0] * net.populations[projection.target].neurons, 0
    for t in range(source.steps):
        for n, z in enumerate(spikes(net, seen, projection.source, t)):
            if z:
                d = net.d[projection.source][source.channel(n)][t]
                for m, w in synapses[n]:
                    sums[m] += w * d
                    deliveries += 1
    seen.sums[j], seen.deliveries[j] = sums, deliveries


def pool(window: Sequence[int], before: Sequence[Sequence[int]]) -> int:
    """The train word of one max_pool neuron from the source's spikes, step by step (POOL-1)."""
    still, train = list(window), 0
    for now in before:
        spiking = [n for n in still if now[n]]
        train = train * 2 + (1 if spiking else 0)
        still = spiking or still
    return train


def sources(net: Net, p: int) -> list[int]:
    """The sources of population p, of its projections or its pool (NET-1, POOL-1)."""
    if net.populations[p].kind == "max_pool":
        return [net.populations[p].source]
    return [projection.source for projection in net.projections if projection.target == p]


def starts(net: Net) -> dict[int, int]:
    """The first step of every population (TIME-1)."""
    start: dict[int, int] = {}
    for p, population in enumerate(net.populations):
        wait = 0 if population.kind == "max_pool" else 1
        start[p] = max((start[s] + wait * net.populations[s].steps for s in sources(net, p)), default=0)
    return start


def latency(net: Net) -> int:
    """Steps until the logits stand (TIME-2)."""
    return starts(net)[len(net.populations) - 1]


def initiation_intervals(net: Net) -> tuple[int, int]:
    """Steps between images with one membrane buffer and with two (TIME-3, by the letter: p is any population)."""
    steps = [population.steps for population in net.populations]
    one = max(k + max((steps[s] for s in sources(net, p)), default=0) for p, k in enumerate(steps))
    return one, max(steps)


def delays(net: Net) -> dict[tuple[int, int], int]:
    """How long the spikes of a source wait for its target (TIME-4); those of a pool's source do not (POOL-4)."""
    start, result = starts(net), {}
    for p, population in enumerate(net.populations):
        for s in sources(net, p):
            wait = start[p] - net.populations[s].steps - start[s]
            result[s, p] = 0 if population.kind == "max_pool" else wait
    return result


def events(net: Net, observed: Observed, image_index: int) -> list[tuple[int, int, int, int]]:
    """The spikes of one image in canonical order (EVENT-1)."""
    result = []
    for p, start in starts(net).items():
        for t in range(net.populations[p].steps):
            for n, z in enumerate(spikes(net, observed, p, t)):
                if z:
                    result.append((image_index, start + t, p, n))
    return sorted(result)


def digest(spikes: Sequence[int]) -> int:
    """CRC-32C, bit by bit, of the spike words of one step (EVENT-3)."""
    reflected = int(f"{0x1EDC6F41:032b}"[::-1], 2)
    crc = 0xFFFFFFFF
    for n in range((len(spikes) + 31) // 32 * 32):  # reflected: low bit first, so little-endian words go bit by bit
        bit = spikes[n] if n < len(spikes) else 0
        crc = crc >> 1 ^ (reflected if (crc ^ bit) & 1 else 0)
    return crc ^ 0xFFFFFFFF


def hull(intervals: Sequence[Interval]) -> Interval:
    """The smallest interval that holds them all (RANGE)."""
    return min(lo for lo, _ in intervals), max(hi for _, hi in intervals)


def firing(final: Interval, T: Sequence[int], h: Sequence[int], d: Sequence[int]) -> tuple[Interval, Interval]:  # noqa: N803
    """The interval of the membranes after the firing steps, and that of the codes (RANGE-3)."""
    pieces, after = [(*final, 0)], []
    for t in range(len(T)):
        parts = []
        for lo, hi, code in pieces:
            if lo < T[t]:
                parts.append((lo, min(hi, T[t] - 1), code))
            if hi >= T[t]:
                parts.append((max(lo, T[t]) - h[t], hi - h[t], code + d[t]))
        pieces = parts
        after += [(lo, hi) for lo, hi, _ in pieces]
    return hull(after), hull([(code, code) for _, _, code in pieces])


def ranges(net: Net) -> tuple[Intervals, Intervals, Intervals, Intervals]:
    """The intervals any_order, final, of the membranes and of the codes, by channel (RANGE-1, RANGE-2, RANGE-3)."""
    any_orders: Intervals = {}
    finals: Intervals = {}
    membranes: Intervals = {}
    codes: Intervals = {}
    for p, population in enumerate(net.populations):
        channels = range(population.shape[0])
        if population.kind == "input":
            codes[p] = [(0, population.max_code) for _ in channels]
            continue
        if population.kind == "max_pool":
            codes[p] = codes[population.source]
            continue
        biases = [population.bias(n) for n in range(population.neurons)]
        low, high = [min(0, b) for b in biases], [max(0, b) for b in biases]
        least, most = list(biases), list(biases)
        for projection, synapses in zip(net.projections, net.synapses, strict=True):
            if projection.target != p:
                continue
            s = projection.source
            for n, leaving in enumerate(synapses):
                c = net.populations[s].channel(n)
                a, b = codes[s][c]
                for m, w in leaving:
                    for weight in net.d[s][c]:
                        low[m] += min(0, w * weight)
                        high[m] += max(0, w * weight)
                    least[m] += min(w * a, w * b)
                    most[m] += max(w * a, w * b)
        of = [[n for n in range(population.neurons) if population.channel(n) == c] for c in channels]
        any_orders[p] = [hull([(low[n], high[n]) for n in of[c]]) for c in channels]
        finals[p] = [hull([(least[n], most[n]) for n in of[c]]) for c in channels]
        if population.kind == "fs":
            table = zip(population.rows("T"), population.rows("h"), population.rows("d"), strict=True)
            both = [firing(final, *rows) for final, rows in zip(finals[p], table, strict=True)]
            membranes[p], codes[p] = [one for one, _ in both], [one for _, one in both]
            any_orders[p] = [hull(pair) for pair in zip(any_orders[p], membranes[p], strict=True)]
            finals[p] = [hull(pair) for pair in zip(finals[p], membranes[p], strict=True)]
    return any_orders, finals, membranes, codes


def any_order(net: Net) -> Intervals:
    """What every partial sum in any order stays in, by channel of each fs and readout (RANGE-1, RANGE-3)."""
    return ranges(net)[0]


def final(net: Net) -> Intervals:
    """What every opening membrane stays in, by channel of each fs and readout (RANGE-2, RANGE-3)."""
    return ranges(net)[1]


def membrane_interval(net: Net) -> Intervals:
    """What every membrane after a firing step stays in, by channel of each fs (RANGE-3)."""
    return ranges(net)[2]


def code_interval(net: Net) -> Intervals:
    """What every code stays in, by channel of each input, fs and max_pool (RANGE-2, RANGE-3)."""
    return ranges(net)[3]


def smallest(array: Array, keep: int) -> Array:
    """A bias map or a per-channel row in its smallest form (ID-2): see `identity` for `keep`."""
    inner = len(array.values) // keep
    blocks = [array.values[i * inner : (i + 1) * inner] for i in range(keep)]
    if len(array.dims) == 2 and all(row == blocks[0] for row in blocks):
        return Array(array.dims[1:], blocks[0])
    if len(array.dims) == 3 and all(len(set(places)) == 1 for places in blocks):
        return Array(array.dims[:1], tuple(places[0] for places in blocks))
    return array


def identity(net: Net) -> str:
    """The id of a network: SHA-256 of its words (ID-1) in smallest form (ID-2; `keep` is C, the leading dimension)."""
    words: list[int] = [len(net.populations), len(net.projections)]

    def put(array: Array) -> None:
        words.extend((len(array.dims), *array.dims, *array.values))

    for population in net.populations:
        words += [("input", "fs", "max_pool", "readout").index(population.kind), *population.shape, population.steps]
        if population.kind == "input":
            words.append(population.max_code)
        elif population.kind == "max_pool":
            words += [population.source, *population.kernel, *population.stride, *population.padding]
        for name in ("T", "h", "d", "bias"):
            if name in population.arrays:
                put(smallest(population.arrays[name], population.shape[0]))
    for one in net.projections:
        words += [("conv2d", "dense").index(one.kind), one.source, one.target]
        words += [*one.stride, *one.padding, *one.dilation, one.groups] if one.kind == "conv2d" else [int(one.pooled)]
        put(one.weights)
    return hashlib.sha256(b"FSREFID1" + struct.pack(f"<{len(words)}q", *words)).hexdigest()


def drawn_images(seed: int, neurons: int, max_code: int, count: int) -> list[list[int]]:
    """Images drawn by SplitMix64 (ID-3)."""
    low64 = 2**64 - 1

    def mix(z: int) -> int:
        z ^= z >> 30
        z = z * 0xBF58476D1CE4E5B9 & low64
        z ^= z >> 27
        z = z * 0x94D049BB133111EB & low64
        return z ^ z >> 31

    def draw(number: int) -> int:
        u = mix((seed + (number + 1) * 0x9E3779B97F4A7C15) & low64)
        return (u >> 32) * (max_code + 1) >> 32

    return [[draw(b * neurons + j) for j in range(neurons)] for b in range(count)]
