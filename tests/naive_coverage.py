"""A second, naive answer to which bins images reach (COVER-1), from that page alone: plain integers."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations, product

from naive import Net, Observed, Population, Projection, delays, factor_delays, simulate, spikes
from naive_ranges import Interval, code_interval, final

Place = tuple[str, int]  # "population" or "projection", and its index
Bins = dict[tuple[str, Place, str], set[tuple[int, ...]]]


def reached(net: Net, images: Sequence[Sequence[int]], bits: Sequence[int]) -> Bins:
    """The bins that images, one behind another, reach: by rule, place and what is met the indices of each; `bits` are
    the bits of a membrane of each population (RANGE-6).
    """
    found: Bins = defaultdict(set)
    before: Observed | None = None
    ends, codes = final(net), code_interval(net)
    for image in images:
        seen = simulate(net, image)
        for p, one in enumerate(net.populations):
            if before is not None and one.arrays and any(last(before, p)):
                found["NET-6", ("population", p), "an image behind one that left something in a membrane"].add(())
            of_population(net, seen, p, found, bits[p], ends.get(p, []))
        for j in range(len(net.projections)):
            if net.projections[j].kind == "gate":
                of_gate(net, seen, j, found)
            else:
                of_projection(net, seen, j, found, max(high for _, high in codes[net.projections[j].source]))
        before = seen
    return found


def last(seen: Observed, p: int) -> list[int]:
    """The membranes that an image leaves."""
    return seen.membranes[p][-1] if p in seen.membranes else seen.opening[p]


def of_population(net: Net, seen: Observed, p: int, found: Bins, bits: int, ends: list[Interval]) -> None:
    """The bins of a population that one image reaches."""
    one, place = net.populations[p], ("population", p)
    if one.kind == "input":
        of_codes(one, seen.trains[p], found)
    elif one.kind == "max_pool":
        of_pool(net, seen, p, found)
    elif one.kind == "view":
        for n, train in enumerate(seen.trains[p]):
            y, x = divmod(n % (one.shape[1] * one.shape[2]), one.shape[2])
            if train:
                found["VIEW-1", place, "row that shows a spike"].add((y,))
                found["VIEW-1", place, "column that shows a spike"].add((x,))
    else:
        of_membranes(net, seen, p, found, bits, ends)
    if one.kind == "readout" and seen.logits.count(max(seen.logits)) > 1:
        found["NET-8", place, "two classes that tie for the largest"].add(())
    if one.kind != "input":
        kinds = {"fs": 5, "max_pool": 2, "view": 2, "readout": 2}[one.kind]
        found["OBS-1", place, "observable compared"] |= {(i,) for i in range(kinds)}


def of_codes(one: Population, codes: Sequence[int], found: Bins) -> None:
    """The bins of the input."""
    for c, code in zip(one.channel, codes, strict=True):
        for what, meant in (("code 0", 0), ("code max_code", one.max_code)):
            if code == meant:
                found["NET-7", ("population", 0), what].add((c,))
        for t in range(one.steps):
            found["NET-7", ("population", 0), f"bit of the code {code >> (one.steps - 1 - t) & 1}"].add((c, t))


def of_pool(net: Net, seen: Observed, p: int, found: Bins) -> None:
    """The bins of a max-pool."""
    one, place = net.populations[p], ("population", p)
    area = one.window[0] * one.window[1]
    for window, train in zip(one.windows, seen.trains[p], strict=True):
        trains = [seen.trains[one.source][n] for n in window]
        if train and trains.count(train) > 1:
            found["POOL-1", place, "a tie of the largest"].add(())
        if not train:
            found["POOL-1", place, "silence"].add(())
        if train != _or(trains):
            found["POOL-1", place, "a train that the OR of all is not"].add(())
        if len(window) < area and any(trains):
            found["POOL-3", place, "window at the border with a spike in it"].add(())
        still = trains
        for t in range(one.steps):
            fire = [train for train in still if train >> (one.steps - 1 - t) & 1]
            if fire and len(fire) < len(still):
                found["POOL-1", place, "a candidate that drops out"].add((t,))
            still = fire or still


def _or(trains: Sequence[int]) -> int:
    total = 0
    for train in trains:
        total |= train
    return total


def of_membranes(net: Net, seen: Observed, p: int, found: Bins, bits: int, ends: list[Interval]) -> None:
    """The bins of an fs or readout."""
    one, place = net.populations[p], ("population", p)
    into = [j for j, joint in enumerate(net.projections) if joint.target == p]
    touched = {
        m
        for j in into
        for n, train in enumerate(seen.trains[net.projections[j].source])
        if train
        for m, _ in net.projections[j].synapses[n]
    }
    for m, (c, v) in enumerate(zip(one.channel, seen.opening[p], strict=True)):
        if one.bias[m] and m not in touched:
            found["NET-5", place, "a bias that is not 0 deciding alone"].add((c,))
        sums = [seen.sums[j][m] for j in into]
        if any(a < 0 < b or b < 0 < a for a, b in combinations(sums, 2)):
            found["PROJ-6", place, "sums of both signs at one neuron"].add(())
        sign = "opening below 0" if v < 0 else "opening above 0" if v > 0 else "opening of 0"
        found["RANGE-2", place, sign].add((c,))
        values = [v]
        if one.kind == "fs":
            values += [row[m] for row in seen.membranes[p]]
            of_firing(one, place, c, values, found)
        for value in values:
            for name, end in zip(("lowest of final", "highest of final"), ends[c], strict=True):
                if value == end:
                    found["RANGE-2", place, name].add((c,))
            for b in range(bits):
                found["RANGE-6", place, f"bit of the membrane {value >> b & 1}"].add((b,))


def of_firing(one: Population, place: Place, c: int, values: Sequence[int], found: Bins) -> None:
    """The bins of one fs neuron; `values` are its membranes before each step and behind the last."""
    T, h, d = (one.rows[part][c] for part in "Thd")
    steps = range(one.steps)
    for t in steps:
        for what, beside in (("tie: v == T[t]", 0), ("below: v == T[t] - 1", -1), ("above: v == T[t] + 1", 1)):
            if values[t] == T[t] + beside:
                found["FS-2", place, what].add((c, t))
        if values[t] >= T[t] and any(values[s] < T[s] <= values[s] + h[t] for s in steps if s > t):
            found["FS-3", place, "a reset that decides"].add((c, t))
    fired = [values[t] >= T[t] for t in steps]
    for what, is_so in (
        ("a train without a spike", not any(fired)),
        ("a train of all spikes", all(fired)),
        ("a residual that is dropped", values[-1] != 0),
    ):
        if is_so:
            found["FS-4", place, what].add((c,))
    theta, powers = T[-1], [2 ** (one.steps - 1 - t) for t in steps]
    if theta >= 1 and list(d) == powers and list(T) == list(h) == [theta * power for power in powers]:
        top = theta * 2**one.steps
        for what, value in (("v == -1", -1), ("v == 0", 0), ("v == 2^K theta - 1", top - 1), ("v == 2^K theta", top)):
            if values[0] == value:
                found["FS-5", place, what].add((c,))
        if values[0] > top:
            found["FS-5", place, "v beyond 2^K theta"].add((c,))


def of_projection(net: Net, seen: Observed, j: int, found: Bins, largest: int) -> None:
    """The bins of a projection that one image reaches."""
    joint, place = net.projections[j], ("projection", j)
    source, target = net.populations[joint.source], net.populations[joint.target]
    trains = seen.trains[joint.source]
    codes = [code_of(source, c, train) for c, train in zip(source.channel, trains, strict=True)]
    values = joint.weights[1]
    ends = [w for w in values if w]
    for index, n in joined(joint, source, target):
        w = values[flat(index, joint.weights[0])]
        if not (w and trains[n]):
            continue
        found["PROJ-7", place, "weight used"].add(index)
        for which, end in enumerate((min(ends), max(ends))):
            if w == end and codes[n] == largest:
                found["PROJ-7", place, "weight used with the largest code of its source"].add((which,))
        if joint.kind == "conv2d":
            found["PROJ-1", place, "tap used"].add(index[2:])
            if joint.geometry[8] > 1:
                group = index[0] // (joint.weights[0][0] // joint.geometry[8])
                found["PROJ-3", place, "group used"].add((group,))
        else:
            for which, end in enumerate((0, len(trains) - 1)):
                if n == end:
                    found["PROJ-5" if joint.geometry[0] else "PROJ-4", place, "input used"].add((which,))
    if joint.kind == "conv2d":
        of_windows(joint, place, source, target, trains, found)
    if delays(net)[joint.source, joint.target]:
        for t in range(source.steps):
            if any(spikes(net, seen, joint.source, t)):
                found["TIME-5", place, "word with a spike that waits in a FIFO"].add((t,))


def of_gate(net: Net, seen: Observed, j: int, found: Bins) -> None:
    """The bins of a gate that one image reaches."""
    joint, place = net.projections[j], ("projection", j)
    a, b = seen.codes[joint.source], seen.codes[joint.factor]
    for n, (c, train) in enumerate(zip(net.populations[joint.source].channel, seen.trains[joint.source], strict=True)):
        factor = b[n * len(b) // len(a)]
        if joint.weights[1][c] and a[n] and factor:
            found["GATE-1", place, "channel that delivers something"].add((c,))
        if joint.weights[1][c] and train:
            sign = 0 if factor < 0 else 1 if factor == 0 else 2
            found["GATE-1", place, "spike delivered while the code of the factor is"].add((sign,))
    waits = [(joint.source, delays(net)[joint.source, joint.target], "word with a spike that waits in a FIFO")]
    waits += [(joint.factor, factor_delays(net)[j], "word of the factor with a spike that waits in a FIFO")]
    for source, delay, what in waits:
        for t in range(net.populations[source].steps if delay else 0):
            if any(spikes(net, seen, source, t)):
                found["TIME-5", place, what].add((t,))


def code_of(one: Population, c: int, train: int) -> int:
    """The code of a train (FS-4)."""
    return sum(d for t, d in enumerate(one.rows["d"][c]) if train >> (one.steps - 1 - t) & 1)


def flat(index: tuple[int, ...], dims: tuple[int, ...]) -> int:
    """A position in C order."""
    at = 0
    for i, size in zip(index, dims, strict=True):
        at = at * size + i
    return at


def joined(joint: Projection, source: Population, target: Population) -> list[tuple[tuple[int, ...], int]]:
    """Each weight, by its index, with each neuron of the source that it joins to some neuron (PROJ-1 to PROJ-5)."""
    (channels, height, width), dims = source.shape, joint.weights[0]
    if joint.kind == "dense":
        share = height * width if joint.geometry[0] else 1
        return [((o, n // share), n) for o in range(dims[0]) for n in range(channels * height * width)]
    sy, sx, top, left, _, _, dy, dx, groups = joint.geometry
    pairs = []
    for o, i, r, c in product(*map(range, dims)):
        channel = o // (dims[0] // groups) * dims[1] + i
        for y, x in product(range(target.shape[1]), range(target.shape[2])):
            v, u = y * sy - top + r * dy, x * sx - left + c * dx
            if 0 <= v < height and 0 <= u < width:
                pairs.append(((o, i, r, c), (channel * height + v) * width + u))
    return pairs


def of_windows(
    joint: Projection, place: Place, source: Population, target: Population, trains: Sequence[int], found: Bins
) -> None:
    """The windows of a conv2d with a spike in them, by where they leave the source."""
    (channels, height, width), (kh, kw) = source.shape, joint.weights[0][2:]
    sy, sx, top, left, _, _, dy, dx, _ = joint.geometry
    for y, x in product(range(target.shape[1]), range(target.shape[2])):
        rows = [y * sy - top + r * dy for r in range(kh)]
        columns = [x * sx - left + c * dx for c in range(kw)]
        inside = [(v, u) for v in rows for u in columns if 0 <= v < height and 0 <= u < width]
        if not any(trains[(c * height + v) * width + u] for c in range(channels) for v, u in inside):
            continue
        leaves = rows[0] < 0, columns[0] < 0, rows[-1] >= height, columns[-1] >= width
        for side, does in zip(range(5), (*leaves, not any(leaves)), strict=True):
            if does:
                found["PROJ-1", place, "window with a spike in it"].add((side,))
