"""A second, naive answer to every question of SPEC.md, from that page alone: plain integers and nothing of fsref."""

import ast
import hashlib
import io
import json
import math
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

Row = tuple[int, ...]
Array = tuple[Row, Row]  # dimensions, values in C order (ID-1)
RELAYS = ("max_pool", "view")  # kinds that spike in the steps in which their source does
KINDS = ("conv2d", "dense", "gate")  # of projections, in the order of ID-1
Synapses = list[list[tuple[int, int]]]  # source neuron -> the (target neuron, weight) that leave it (PROJ-7)


@dataclass
class Population:
    """A population (NET-1): `rows` are its T, h, d per channel (FS-1, NET-7, POOL-4), `channel` and `bias` by neuron
    (NET-3, NET-5), `window` words behind the source (ID-1), `windows` candidates of each neuron (POOL-1, VIEW-1)."""

    kind: str
    shape: tuple[int, int, int]
    channel: list[int]
    steps: int = 0
    max_code: int = 0
    source: int = -1
    arrays: dict[str, Array] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    bias: list[int] = field(default_factory=list)
    window: list[int] = field(default_factory=list)
    windows: list[list[int]] = field(default_factory=list)


@dataclass(frozen=True)
class Projection:
    """A projection; `geometry` are its words between target and weights (ID-1)."""

    kind: str
    source: int
    target: int
    geometry: list[int]
    weights: Array
    synapses: Synapses

    @property
    def factor(self) -> int:
        """The second source of a gate (GATE-1)."""
        return self.geometry[0]


@dataclass(frozen=True)
class Net:
    """Populations and projections, in list order (NET-1)."""

    populations: list[Population]
    projections: list[Projection]


@dataclass
class Observed:
    """What one image shows (OBS-1, OBS-3, EVENT-2, NET-8): sums and deliveries by projection, others by population."""

    sums: dict[int, list[int]]
    opening: dict[int, list[int]]
    membranes: dict[int, list[list[int]]]  # [step][neuron]
    trains: dict[int, list[int]]
    codes: dict[int, list[int]]
    logits: list[int]
    label: int
    deliveries: dict[int, int]


def read_npy(raw: bytes) -> Array:
    """One .npy member: little-endian integers in C order that fill it exactly (FILE-2)."""
    begin = 10 if raw[6] == 1 else 12
    end = begin + int.from_bytes(raw[8:begin], "little")
    header = ast.literal_eval(raw[begin:end].decode("utf-8").strip())
    letter = {"|i1": "b", "|u1": "B", "<i2": "h", "<i4": "i", "<i8": "q"}[header["descr"]]
    assert raw[:6] == b"\x93NUMPY" and raw[6] in (1, 2, 3) and raw[7] == 0 and header["fortran_order"] is False
    return header["shape"], struct.unpack(f"<{math.prod(header['shape'])}{letter}", raw[end:])


def load(data: bytes) -> Net:
    """The network in a file (FILE-1, FILE-2)."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    members = {name: archive.read(name) for name in archive.namelist()}
    manifest: dict[str, Any] = json.loads(members.pop("manifest.json"))
    return build(manifest, {name.removesuffix(".npy"): read_npy(raw) for name, raw in members.items()})


def build(manifest: dict[str, Any], arrays: dict[str, Array]) -> Net:
    """The network of a manifest and arrays (FILE-3); every size is worked out anew and must meet (NET-3, NET-4)."""
    assert manifest["format"] == 1 and str(manifest["spec_version"]).split(".")[0] == "1"
    last = len(manifest["populations"]) - 1
    index = {key: p for p, entry in enumerate(manifest["populations"]) for key in (p, entry["name"])}
    net = Net([], [])
    for p, entry in enumerate(manifest["populations"]):
        channels, height, width = entry["shape"]
        channel = [n // (height * width) for n in range(channels * height * width)]
        one = Population(entry["kind"], (channels, height, width), channel)
        assert min(one.shape) >= 1 and (one.kind == "input") == (p == 0) and (one.kind == "readout" or p < last)
        if one.kind == "input":
            one.steps, one.max_code = entry["steps"], entry["max_code"]
            assert 1 <= one.max_code <= 2**one.steps - 1
            one.rows["d"] = [tuple(2 ** (one.steps - 1 - t) for t in range(one.steps))] * channels
        elif one.kind in RELAYS:
            one.source = index[entry["source"]]
            before = net.populations[one.source]
            one.steps, one.rows["d"] = before.steps, before.rows["d"]
            if one.kind == "view":
                seen = [entry["rows"], entry["columns"]]
                one.window = [word for places in seen for word in (1, len(places), *places)]
                seen = [[[v] if v != -1 else [] for v in places] for places in seen]
            else:
                assert all(row[t] > sum(row[t + 1 :]) for row in one.rows["d"] for t in range(one.steps))  # POOL-2
                kh, kw, sy, sx, *pads = one.window = [*entry["kernel"], *entry["stride"], *entry["padding"]]
                sides = zip(before.shape[1:], pads, pads[2:], (kh, kw), (sy, sx), strict=False)
                seen = [[[v for _, v in window] for window in taps(*side, 1)] for side in sides]
                assert all(map(all, seen))  # POOL-3
            one.windows = candidates(before.shape, one.shape, *seen)
        else:
            assert one.kind in ("fs", "readout")
            one.arrays = {part: arrays.pop(f"population.{p}.{part}") for part in ("T", "h", "d") if one.kind == "fs"}
            for part, (dims, values) in one.arrays.items():
                k = one.steps = dims[-1]
                assert dims in ((k,), (channels, k)) and k == one.arrays["T"][0][-1]
                one.rows[part] = [values[c * k : (c + 1) * k] if len(dims) == 2 else values for c in range(channels)]
            dims, values = one.arrays["bias"] = arrays.pop(f"population.{p}.bias")
            assert dims in ((channels,), one.shape)
            one.bias = [values[c] for c in channel] if len(dims) == 1 else list(values)
        net.populations.append(one)
    for j, entry in enumerate(manifest["projections"]):
        kind, source, target = entry["kind"], index[entry["source"]], index[entry["target"]]
        factor = index[entry["by"]] if kind == "gate" else source
        one, other = net.populations[source], net.populations[factor]
        assert kind in KINDS and max(source, factor) < target and "readout" not in (one.kind, other.kind)
        assert other.shape in (one.shape, (one.shape[0], 1, 1))
        geometry = [*entry.get("stride", [1, 1]), *entry.get("padding", [0, 0, 0, 0])]
        geometry += [*entry.get("dilation", [1, 1]), entry.get("groups", 1)]
        geometry = {"conv2d": geometry, "dense": [int(entry.get("pooled", False))], "gate": [factor]}[kind]
        weights, join = arrays.pop(f"projection.{j}.weights"), (conv2d, dense, gate)[KINDS.index(kind)]
        synapses = join(one.shape, net.populations[target].shape, geometry, weights)
        net.projections.append(Projection(kind, source, target, geometry, weights, synapses))
    targets = [joint.target for joint in net.projections]
    assert not arrays and targets == sorted(targets)
    assert set(targets) == {p for p, one in enumerate(net.populations) if one.arrays}
    return net


def taps(size: int, padding: int, after: int, kernel: int, stride: int, dilation: int) -> list[list[tuple[int, int]]]:
    """Along one axis, for each window the (kernel index, source place) pairs inside the source (PROJ-1, PROJ-2)."""
    count = (size + padding + after - dilation * (kernel - 1) - 1) // stride + 1
    places = [[(r, y * stride - padding + r * dilation) for r in range(kernel)] for y in range(count)]
    return [[(r, place) for r, place in window if 0 <= place < size] for window in places]


def conv2d(source: Row, target: Row, geometry: Sequence[int], weights: Array) -> Synapses:
    """The synapses of a conv2d (PROJ-1, PROJ-2, PROJ-3, PROJ-7)."""
    sy, sx, top, left, bottom, right, dy, dx, groups = geometry
    (channels, height, width), ((outs, ins, kh, kw), values) = source, weights
    rows, columns = taps(height, top, bottom, kh, sy, dy), taps(width, left, right, kw, sx, dx)
    assert target == (outs, len(rows), len(columns)) and outs % groups == 0 and channels == ins * groups
    synapses: Synapses = [[] for _ in range(math.prod(source))]
    for o, i in product(range(outs), range(ins)):
        from_channel = o // (outs // groups) * ins + i
        for (y, row), (x, column) in product(enumerate(rows), enumerate(columns)):
            for (r, v), (c, u) in product(row, column):
                w = values[((o * ins + i) * kh + r) * kw + c]
                if w != 0:
                    m = (o * len(rows) + y) * len(columns) + x
                    synapses[(from_channel * height + v) * width + u].append((m, w))
    return synapses


def dense(source: Row, target: Row, geometry: Sequence[int], weights: Array) -> Synapses:
    """The synapses of a dense projection, pooled or not (PROJ-4, PROJ-5, PROJ-7)."""
    (outs, ins), values = weights
    share = source[1] * source[2] if geometry[0] else 1  # neurons of the source that share a weight
    assert target == (outs, 1, 1) and ins * share == math.prod(source)
    columns = [[(o, values[o * ins + n // share]) for o in range(outs)] for n in range(math.prod(source))]
    return [[(o, w) for o, w in column if w != 0] for column in columns]


def gate(source: Row, target: Row, geometry: Sequence[int], weights: Array) -> Synapses:
    """The synapses of a gate: each neuron of a, its source, has the one of its own place (GATE-1, PROJ-7)."""
    dims, values = weights
    assert target == source and dims == source[:1] and len(geometry) == 1
    each = [(n, values[n // (source[1] * source[2])]) for n in range(math.prod(source))]
    return [[(m, w)] if w != 0 else [] for m, w in each]


def candidates(source: Row, target: Row, rows: list[list[int]], columns: list[list[int]]) -> list[list[int]]:
    """For each neuron of a max_pool or view the source neurons of its window: places by row and column (POOL-1,
    VIEW-1)."""
    (channels, height, width), count = source, (source[0], len(rows), len(columns))
    assert target == count and all(0 <= v < height for row in rows for v in row)
    assert all(0 <= u < width for column in columns for u in column)
    outputs = product(range(channels), rows, columns)
    return [[(c * height + v) * width + u for v in row for u in column] for c, row, column in outputs]


def fire(v: int, T: Sequence[int], h: Sequence[int], d: Sequence[int]) -> tuple[int, int, list[int]]:
    """The train word, the code and the membrane after each step of one neuron (FS-2, FS-3, FS-4, EVENT-2)."""
    train, code, membranes = 0, 0, []
    for t in range(len(T)):
        z = 1 if v >= T[t] else 0
        v -= h[t] * z
        code += d[t] * z
        train = train * 2 + z
        membranes.append(v)
    return train, code, membranes


def spikes(net: Net, seen: Observed, p: int, t: int) -> list[int]:
    """The spikes (0 or 1) of all neurons of population p in its step t (EVENT-2)."""
    return [train >> (net.populations[p].steps - 1 - t) & 1 for train in seen.trains[p]]


def simulate(net: Net, image: Sequence[int]) -> Observed:
    """Everything one image shows (NET-5 to NET-8, FS-2 to FS-4, PROJ-6, POOL-1, OBS-1, EVENT-2)."""
    (channel, most) = (net.populations[0].channel, net.populations[0].max_code)
    assert len(image) == len(channel) and all(0 <= code <= most for code in image)
    seen = follow(net, {0: [int(code) for code in image]}, {})  # bit K-1-t of the code is the spike of step t
    seen.logits = seen.opening[len(net.populations) - 1]
    seen.label = seen.logits.index(max(seen.logits)) if len(seen.logits) > 1 else int(seen.logits[0] >= 0)
    return seen


def follow(net: Net, trains: Mapping[int, Sequence[int]], opening: Mapping[int, Sequence[int]]) -> Observed:
    """Everything that follows from the trains of some populations, or their opening membranes (VECTOR-1)."""
    seen = Observed({}, {}, {}, {}, {}, [], -1, {})
    for p, one in enumerate(net.populations):
        if p in trains:
            seen.trains[p] = list(trains[p])
        elif p in opening:
            seen.opening[p] = list(opening[p])
        elif p == 0 or any(s not in seen.trains for s in sources(net, p) + [g.factor for g in gates(net, p)]):
            continue
        elif one.kind in RELAYS:
            before = [spikes(net, seen, one.source, t) for t in range(one.steps)]
            seen.trains[p] = [pool(window, before) for window in one.windows]
        else:
            seen.opening[p] = list(one.bias)
            for j in [j for j, projection in enumerate(net.projections) if projection.target == p]:
                deliver(net, seen, j)
                seen.opening[p] = [v + total for v, total in zip(seen.opening[p], seen.sums[j], strict=True)]
        if one.kind == "fs" and p in seen.opening:
            table = list(zip(one.rows["T"], one.rows["h"], one.rows["d"], strict=True))
            fired = [fire(v, *table[c]) for v, c in zip(seen.opening[p], one.channel, strict=True)]
            seen.trains[p], seen.codes[p] = [train for train, _, _ in fired], [code for _, code, _ in fired]
            seen.membranes[p] = [[membranes[t] for _, _, membranes in fired] for t in range(one.steps)]
        elif one.kind != "readout":
            steps = list(enumerate(spikes(net, seen, p, t) for t in range(one.steps)))
            seen.codes[p] = [sum(one.rows["d"][c][t] * z[n] for t, z in steps) for n, c in enumerate(one.channel)]
    return seen


def deliver(net: Net, seen: Observed, j: int) -> None:
    """Send every spike of the source along every synapse of projection j (FS-4, PROJ-1 to PROJ-5, OBS-3), of a gate
    times the code of its factor, at its own place or the only one of its channel (GATE-1)."""
    joint = net.projections[j]
    source = net.populations[joint.source]
    count = len(net.populations[joint.target].channel)
    factor = seen.codes[joint.factor] if joint.kind == "gate" else [1]
    seen.sums[j], seen.deliveries[j] = [0] * count, 0
    for t in range(source.steps):
        for n, z in enumerate(spikes(net, seen, joint.source, t)):
            for m, w in joint.synapses[n] if z else []:
                seen.sums[j][m] += w * source.rows["d"][source.channel[n]][t] * factor[m * len(factor) // count]
                seen.deliveries[j] += 1


def pool(window: list[int], before: Sequence[Sequence[int]]) -> int:
    """The train word of one max_pool neuron from the source's spikes, step by step (POOL-1), or of a view (VIEW-1)."""
    still, train = window, 0
    for now in before:
        spiking = [n for n in still if now[n]]
        train = train * 2 + (1 if spiking else 0)
        still = spiking or still
    return train


def sources(net: Net, p: int) -> list[int]:
    """The sources of population p, of its projections or of its pool, the factors of gates apart (NET-1, POOL-1)."""
    relayed = [net.populations[p].source] if net.populations[p].kind in RELAYS else []
    return relayed + [projection.source for projection in net.projections if projection.target == p]


def gates(net: Net, p: int) -> list[Projection]:
    """The gates into population p (GATE-1)."""
    return [projection for projection in net.projections if projection.target == p and projection.kind == "gate"]


def starts(net: Net) -> dict[int, int]:
    """The first step of every population (TIME-1)."""
    start: dict[int, int] = {}
    for p, population in enumerate(net.populations):
        ends = [start[s] + (population.kind not in RELAYS) * net.populations[s].steps for s in sources(net, p)]
        for g in gates(net, p):  # b is whole before the first spike of a comes
            ends.append(start[g.factor] + net.populations[g.factor].steps + net.populations[g.source].steps)
        start[p] = max(ends, default=0)
    return start


def latency(net: Net) -> int:
    """Steps until all outputs stand (TIME-2)."""
    return max(start for p, start in starts(net).items() if net.populations[p].kind == "readout")


def initiation_intervals(net: Net) -> tuple[int, int]:
    """Steps between images with one membrane buffer and with two (TIME-3); an input or relay counts its K alone."""
    steps = [population.steps for population in net.populations]
    waits = [[] if population.kind in RELAYS else sources(net, p) for p, population in enumerate(net.populations)]
    held = [steps[g.source] + steps[g.factor] for p in range(len(steps)) for g in gates(net, p)]
    return max([k + max((steps[s] for s in waits[p]), default=0) for p, k in enumerate(steps)] + held), max(steps)


def delays(net: Net) -> dict[tuple[int, int], int]:
    """How long the spikes of a source wait for its target (TIME-4); those of a relay's source do not (POOL-4)."""
    start, k = starts(net), [population.steps for population in net.populations]
    into = [(p, population.kind in RELAYS) for p, population in enumerate(net.populations)]
    return {(s, p): 0 if pooled else start[p] - k[s] - start[s] for p, pooled in into for s in sources(net, p)}


def factor_delays(net: Net) -> dict[int, int]:
    """How long the spikes of the factor of each gate wait, by index of the gate (TIME-4)."""
    start, k = starts(net), [population.steps for population in net.populations]
    found = [(j, g) for j, g in enumerate(net.projections) if g.kind == "gate"]
    return {j: start[g.target] - k[g.source] - k[g.factor] - start[g.factor] for j, g in found}


def events(net: Net, observed: Observed, image_index: int) -> list[tuple[int, int, int, int]]:
    """The spikes of one image in canonical order (EVENT-1)."""
    steps = [(p, start, t) for p, start in starts(net).items() for t in range(net.populations[p].steps)]
    found = [(p, start + t, n) for p, start, t in steps for n, z in enumerate(spikes(net, observed, p, t)) if z]
    return sorted((image_index, step, p, n) for p, step, n in found)


def digest(spikes: Sequence[int]) -> int:
    """CRC-32C, bit by bit, of the spike words of one step (EVENT-3); low bits of low bytes go first."""
    reflected, crc = int(f"{0x1EDC6F41:032b}"[::-1], 2), 0xFFFFFFFF
    for bit in [*spikes, *[0] * (-len(spikes) % 32)]:
        crc = crc >> 1 ^ (reflected if (crc ^ bit) & 1 else 0)
    return crc ^ 0xFFFFFFFF


def words_of(net: Net) -> list[int]:
    """The words of the byte form of a network (ID-1), arrays in smallest form (ID-2)."""
    words = [len(net.populations), len(net.projections)]
    for one in net.populations:
        words += [("input", "fs", "max_pool", "readout", "view").index(one.kind), *one.shape, one.steps]
        words += [one.max_code] if one.kind == "input" else [one.source, *one.window] if one.kind in RELAYS else []
        for dims, values in one.arrays.values():
            inner = len(values) // dims[0]
            blocks = [values[i * inner : (i + 1) * inner] for i in range(dims[0])]
            if len(dims) == 2 and len(set(blocks)) == 1:  # all rows of a table are equal
                dims, values = dims[1:], blocks[0]
            elif len(dims) == 3 and all(len(set(block)) == 1 for block in blocks):  # each channel of a map is constant
                dims, values = dims[:1], tuple(block[0] for block in blocks)
            words += [len(dims), *dims, *values]
    for joint in net.projections:
        words += [KINDS.index(joint.kind), joint.source, joint.target, *joint.geometry]
        words += [len(joint.weights[0]), *joint.weights[0], *joint.weights[1]]
    return words


def identity(net: Net) -> str:
    """The id of a network: SHA-256 of its words (ID-1)."""
    words = words_of(net)
    return hashlib.sha256(b"FSREFID1" + struct.pack(f"<{len(words)}q", *words)).hexdigest()


def drawn_images(seed: int, neurons: int, max_code: int, count: int) -> list[list[int]]:
    """Images drawn by SplitMix64 (ID-3)."""
    codes = []
    for number in range(count * neurons):
        z = (seed + (number + 1) * 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        codes.append(((z ^ z >> 31) >> 32) * (max_code + 1) >> 32)
    return [codes[b * neurons : (b + 1) * neurons] for b in range(count)]
