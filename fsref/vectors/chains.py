"""Layers one behind the other, each with all that its kind has, so that each stands at each place (VECTOR-3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np

from fsref.law.network import Network
from fsref.law.neuron import Ints, Table
from fsref.law.populations import FS, Population, Readout, Shape
from fsref.law.projections import Conv2d, Dense, Padding, Pair, Projection, window_shape
from fsref.vectors.room import Room

Window: TypeAlias = tuple[Pair, Pair, Padding]  # kernel, stride and padding
CHAIN = "chain"  # how their names begin
WINDOWS: tuple[tuple[Window, Pair, int], ...] = (  # of a chain, each with its dilation, and outputs
    (((3, 2), (1, 2), (2, 1, 3, 0)), (2, 1), 6),
    (((2, 3), (2, 1), (1, 2, 0, 3)), (1, 2), 10),
    (((3, 2), (1, 2), (3, 0, 2, 2)), (2, 3), 6),
    (((5, 1), (3, 1), (3, 0, 4, 2)), (1, 1), 12),
    (((2, 4), (1, 3), (0, 3, 2, 1)), (2, 1), 9),
)
TABLES, DENSE = 5, 3  # kinds of tables; and how many of the chains have no weights of 0 one behind the other
STEPS = (4, 5, 6, 8, 3)  # of layers one behind the other
GROUPS = 4  # of which each has as many outputs, or inputs
BRIM = 1300  # neurons of a source
MEETING = (  # sources and targets by number, and whether windows lead from one to the other
    *((0, 1, True), (0, 1, False), (0, 1, True)),
    *((0, 2, True), (1, 2, False), (0, 2, True)),
    *((0, 3, True), (2, 3, False), (0, 3, True)),
    *((3, 4, False), (0, 4, True), (1, 4, False)),
)


def chains() -> Iterator[Callable[[Room], Network]]:
    """The forms of chains: each window and each table in each of the first three places, and dense ones, pooled or not,
    behind; the last ones of either with weights of 0 one behind the other.
    """
    for first in range(len(WINDOWS)):
        yield partial(chain, convs=3, dense=0, first=first)
    yield partial(chain, convs=2, dense=2, first=1)
    yield partial(chain, convs=1, dense=3, first=2)
    for first in range(len(WINDOWS)):
        yield partial(chain, convs=0, dense=4, first=first)
    for bits in (8, 2):
        for sign in (1, -1):
            yield partial(large, sign=sign, bits=bits)
    yield meeting
    yield meeting_dense
    for turn in range(4):
        for back in (False, True):
            yield partial(sharing, turn=turn, back=back)
    yield strided
    yield largest
    yield brim


def chain(room: Room, convs: int, dense: int, first: int) -> Network:
    """So many convolutions one behind the other, each with all that windows have, from the `first` of `WINDOWS` on;
    then a pooled dense, where a dense follows; then so many of these.
    """
    room = replace(room, deeper=False)  # places count from the input
    given = room.given(room.shape(4, 9, 8) if convs else wide(room), 6)
    layers: list[Population] = [given]
    joined: list[Projection] = []
    for i in range(convs + dense):
        source, name, (c, h, w) = layers[-1], f"p{i}", layers[-1].shape
        if i < convs:
            wanted, dilation, outputs = WINDOWS[(first + i) % len(WINDOWS)]
            kernel, stride, padding = allowed(room, *wanted)
            dilation = room.dilation(dilation)
            groups = room.groups(*(n for n in (3, 2) if c % n == 0 and c > n))
            if min(window_shape(source.shape, kernel, stride, padding, dilation)) < 1:
                dilation = (1, 1)
            padding = less(room, window_shape(source.shape, kernel, stride, padding, dilation), stride, padding)
            places = window_shape(source.shape, kernel, stride, padding, dilation)
            outputs = max(1, room.count(outputs) // groups) * groups
            weights = weighed(room, first, outputs, c // groups, *kernel)
            joined.append(Conv2d(source.name, name, weights, stride, padding, dilation, groups))
        else:
            outputs, places = max(1, room.count(37) - 2 * i - first % 2), (1, 1)
            if h * w > 1 and convs:
                joined.append(Dense(source.name, name, weighed(room, first, outputs, c), pooled=True))
            else:
                joined.append(room.joined(source, name, weighed(room, first, outputs, source.neurons)))
        steps = STEPS[(first // DENSE * DENSE + i) % len(STEPS)]
        layers.append(FS(name, (outputs, *places), table(room, (first + i) % TABLES, steps, 85 - 20 * i, outputs)))
    return room.network(f"{CHAIN}_{convs}_{dense}_{first}", layers, joined)


def weighed(room: Room, first: int, *shape: int) -> Ints:
    """The weights of a chain: of those behind the `DENSE` first a third of what 8 outputs read of an input is 0, and of
    what 4 taps of a kernel, or inputs, are.
    """
    weights = room.weights(*shape, bits=6)
    if first < DENSE:
        return weights
    taps = weights.reshape(shape[0], shape[1] if len(shape) > 2 else 1, -1)
    outputs, inputs, count = taps.shape
    by_outputs = room.draws.below(3, -(-outputs // 8), inputs, count).repeat(8, axis=0)[:outputs]
    by_taps = room.draws.below(3, outputs, inputs, -(-count // 4)).repeat(4, axis=2)[:, :, :count]
    found: Ints = (taps * (by_outputs > 0) * (by_taps > 0)).reshape(shape)
    return found


def large(room: Room, sign: int, bits: int) -> Network:
    """Layers of which each spike is worth as much as codes may be, of the last step with another sign where that is
    -1; each neuron reads one by a weight at an end of so many bits, and every second one fires.
    """
    chip, room = room.chip, replace(room, deeper=False)
    weight_bits = min(bits, chip.weight_bits or bits)
    held = min(chip.threshold_bits or 32, chip.membrane_bits or 32, 31)
    bits = min(chip.code_bits or (16 if weight_bits > 2 else 30), held - weight_bits)
    given, steps, count = room.given(room.shape(8, 1, 1)), room.steps(6), room.count(8)
    powers = 1 << np.arange(steps - 1, -1, -1)
    unit = 1 << max(0, bits - (sign < 0) - steps)  # of a code
    less = 2 * np.arange(steps) + 1 if unit > 2 * steps else 0  # that no bits of d are alike
    d = (unit * powers - less) * np.where(np.arange(steps) < steps - 1, 1, sign)
    c, odd = np.arange(count), sign < 0  # the channels that fire
    ends = np.where(c % 2 == odd, 2 ** (weight_bits - 1) - 1, -(2 ** (weight_bits - 1)))
    weights = np.zeros((count, count), np.int64)
    weights[c, np.minimum(c // 2 * 2 + odd, count - 1)] = ends
    layers: list[Population] = [given]
    joined: list[Projection] = []
    for i in range(3):
        T = powers * (unit if i else 1) * 2 ** max(0, min(weight_bits - 3, held - 1 - steps))
        source = layers[-1]
        layers.append(FS(f"large{i}", (count, 1, 1), Table(T=T, h=T, d=d)))
        joined.append(room.joined(source, f"large{i}", weights if i else weights[:, : source.neurons]))
    return room.network(f"{CHAIN}_large_{weight_bits}{'_signed' * (sign < 0)}", layers, joined)


def meeting(room: Room, channels: int = 3) -> Network:
    """Three populations into which two or three convolutions each lead, of other sources and windows, from an input of
    so many channels.
    """
    room = replace(room, deeper=False)
    given = room.given(room.shape(channels, 4, 7), 5)
    c, h, w = given.shape
    sizes = [(room.count(n), theta) for n, theta in ((4, 61), (5, 90), (3, 77))]
    some = [FS(f"p{i}", (n, h, w), room.relu(5, theta, n)) for i, (n, theta) in enumerate(sizes)]
    ends = [(given, 0), (given, 0), (given, 1), (some[0], 1), (some[1], 2), (some[0], 2), (given, 2)]
    joined: list[Projection] = []
    for n, (source, i) in enumerate(ends):
        (kh, kw), _, _ = allowed(room, (3, 3) if n % 2 else (1, 1), (1, 1), (0, 0, 0, 0))
        same = (kh // 2, kw // 2, (kh - 1) // 2, (kw - 1) // 2)
        if allowed(room, (kh, kw), (1, 1), same)[2] != same:  # of a chip of less padding
            kh, kw, same = 1, 1, (0, 0, 0, 0)
        weights = room.weights(some[i].shape[0], source.shape[0], kh, kw, bits=6)
        joined.append(Conv2d(source.name, some[i].name, weights, padding=same))
    return room.network(f"{CHAIN}_meeting" + f"_{c}" * (channels < 3), [given, *some], joined)


def meeting_dense(room: Room) -> Network:
    """Three populations of one place, and a readout, into which convolutions of all places and dense ones lead by
    turns, so that either comes behind the other; what one delivers another takes away, so that sums are large between.
    """
    room = replace(room, deeper=False)
    kernel, _, _ = allowed(room, (3, 2), (1, 1), (0, 0, 0, 0))
    given = room.given(room.shape(4, *kernel), 8)
    some = [FS(f"p{i}", (n, 1, 1), room.relu(5, 70 - 9 * i, n)) for i, n in enumerate(map(room.count, (6, 5, 7)))]
    out = Readout("out", (room.count(9), 1, 1))
    layers: list[Population] = [given, *some, out]
    joined: list[Projection] = []
    for n, (source, target, windows) in enumerate(MEETING):
        p, name, outputs = layers[source], layers[target].name, layers[target].shape[0]
        signs = np.where((np.arange(outputs) + n) % 2, -1, 1)[:, None]
        weights = signs * abs(room.weights(outputs, p.neurons, bits=6))
        if windows:
            joined.append(Conv2d(p.name, name, weights.reshape(outputs, *p.shape)))
        else:
            joined.append(room.joined(p, name, weights))
    return room.whole(f"{CHAIN}_meeting_dense", layers, joined)


def sharing(room: Room, turn: int, back: bool) -> Network:
    """An input that a window with a padding, a pooled dense, a dense and a window with a stride read, one behind the
    other from one of these on, forth or `back`; and a readout of all.
    """
    room = replace(room, deeper=False)
    given = room.given(room.shape(5, 4, 3), 6)
    c, h, w = given.shape
    layers: list[Population] = [given]
    joined: list[Projection] = []
    for i in sorted(range(4), key=lambda n: (n - turn) % 4, reverse=back):
        name, outputs, places = f"p{i}", room.count((3, 6, 9, 5)[i]), (1, 1)
        if i % 3 == 0:
            kernel, stride, padding = allowed(room, (3, 2), (1, 1) if i == 0 else (1, 2), (1, 1, 1, 0))
            places = window_shape(given.shape, kernel, stride, padding)
            weights = room.weights(outputs, c, *kernel, bits=6)
            joined.append(Conv2d(given.name, name, weights, stride, padding))
        elif i == 1:
            joined.append(Dense(given.name, name, room.weights(outputs, c, bits=6), pooled=True))
        else:
            joined.append(room.joined(given, name, room.weights(outputs, given.neurons, bits=6)))
        layers.append(FS(name, (outputs, *places), room.relu(4, 71 - 9 * i, outputs)))
    out = Readout("out", (room.count(7), 1, 1))
    joined += [room.joined(p, "out", room.weights(out.neurons, p.neurons, bits=4)) for p in layers[1:]]
    return room.whole(f"{CHAIN}_sharing_{turn}{'_back' * back}", [*layers, out], joined)


def grouped(room: Room, narrow: bool) -> Network:
    """Three convolutions one behind the other, of groups by turns of four outputs that read one channel and of one that
    reads four: in either, outputs are divided by another number than channels to find their group.
    """
    room = replace(room, deeper=False)
    few = room.count(GROUPS)
    many = room.count(few * few) // few * few  # as many groups as `few`
    layers: list[Population] = [room.given(room.shape(few if narrow else many, 3, 3), 5)]
    joined: list[Projection] = []
    for i in range(3):
        source = layers[-1]
        outputs = many if (i % 2 == 0) == narrow else few
        kernel, stride, padding = allowed(room, (1, 2), (1, 1), (0, 1, 0, 0))
        weights = room.weights(outputs, source.shape[0] // few, *kernel, bits=6)
        joined.append(Conv2d(source.name, f"p{i}", weights, stride, padding, groups=few))
        places = window_shape(source.shape, kernel, stride, padding)
        layers.append(FS(f"p{i}", (outputs, *places), room.relu(5, 51 + 10 * i, outputs)))
    return room.network(f"{CHAIN}_grouped{'_wide' * (not narrow)}", layers, joined)


def below(room: Room, maps: bool) -> Network:
    """Three layers of tables whose T, h and d are below 0 by turns, of maps or of neurons: membranes stand there below
    0 in the first channels of each.
    """
    room = replace(room, deeper=False)
    layers: list[Population] = [room.given(room.shape(5, 5, 6) if maps else room.shape(33, 1, 1), 5)]
    joined: list[Projection] = []
    for i in range(3):
        source, name, outputs = layers[-1], f"p{i}", room.count(8 if maps else 33)  # one behind whole words
        weights = room.weights(outputs, source.shape[0], bits=4)
        if maps:
            joined.append(Conv2d(source.name, name, weights[:, :, None, None]))
        else:
            joined.append(room.joined(source, name, weights))
        layers.append(FS(name, (outputs, *source.shape[1:]), table(room, 2, 4 + i, 61 - 9 * i, outputs)))
    return room.network(f"below_{'maps' if maps else 'neurons'}", layers, joined)


def strided(room: Room) -> Network:
    """Three convolutions one behind the other, each with a stride, that lead to many places."""
    room = replace(room, deeper=False)
    layers: list[Population] = [room.given(room.shape(3, 8, 9), 5)]
    joined: list[Projection] = []
    for i in range(3):
        source, outputs = layers[-1], room.count((5, 6, 4)[i])
        kernel, stride, padding = allowed(room, (3, 3), (2, 2), (3, 3, 3, 2))
        places = window_shape(source.shape, kernel, stride, padding)
        weights = room.weights(outputs, source.shape[0], *kernel, bits=5)
        joined.append(Conv2d(source.name, f"p{i}", weights, stride, padding))
        layers.append(FS(f"p{i}", (outputs, *places), room.relu(4, 61 + 10 * i, outputs)))
    return room.network(f"{CHAIN}_strided", layers, joined)


def largest(room: Room) -> Network:
    """Three convolutions one behind the other, each with the largest kernel."""
    room = replace(room, deeper=False)
    given = room.given(room.shape(2, 8, 9), 5)
    layers: list[Population] = [given]
    joined: list[Projection] = []
    for i in range(3):
        source, (c, h, w) = layers[-1], layers[-1].shape
        kernel, stride, _ = allowed(room, (min(7, h), min(7, w)), (1, 1), (0, 0, 0, 0))
        kh, kw = kernel
        _, _, same = allowed(room, kernel, stride, (kh // 2, kw // 2, (kh - 1) // 2, (kw - 1) // 2))
        places, outputs = window_shape(source.shape, kernel, stride, same, (1, 1)), room.count(3)
        joined.append(Conv2d(source.name, f"p{i}", room.weights(outputs, c, *kernel, bits=4), stride, same))
        layers.append(FS(f"p{i}", (outputs, *places), room.relu(4, 61 + 30 * i, outputs)))
    return room.network(f"{CHAIN}_largest", layers, joined)


def brim(room: Room, channels: int = -(-BRIM // 81), outputs: int = 2) -> Network:
    """An input and a population of as many neurons as may be, up to about `BRIM`, which dense projections read, the
    first and some behind.
    """
    room = replace(room, deeper=False)
    given = room.given(room.shape(channels, 9, 9), 4)
    c, few = given.shape[0], (room.count(outputs), 1, 1)  # that a load fits a small buffer (CONFORM-1)
    first, full = FS("first", few, room.relu(4, 901, few[0])), FS("full", given.shape, room.relu(4, 7, c))
    last, out = FS("last", few, room.relu(4, 801, few[0])), Readout("out", (room.count(2), 1, 1))
    joined: list[Projection] = [room.joined(given, "first", room.weights(few[0], given.neurons, bits=4))]
    joined.append(
        Conv2d(given.name, "full", (np.eye(c, dtype=np.int64) * room.weights(c, 1, bits=4))[:, :, None, None])
    )
    for source, target in ((full, last), (given, last), (full, out), (last, out), (first, out)):
        joined.append(room.joined(source, target.name, room.weights(target.shape[0], source.neurons, bits=4)))
    return room.whole(f"{CHAIN}_brim" + f"_{outputs}" * (outputs > 2), [given, first, full, last, out], joined)


def wide(room: Room) -> Shape:
    """The shape of an input of more neurons than a word has, which no whole words hold."""
    shape = room.shape(45, 1, 1)
    return shape if shape[0] > 32 else room.shape(5, 3, 3)


def table(room: Room, kind: int, steps: int, theta: int, channels: int) -> Table:
    """An FS-ReLU; one of which h and d alone differ by channel; one of which T alone does; one in which T, h and d of
    one step each are below 0, by turns; one in which every T is 0.
    """
    if kind == 0 or room.chip.tables == "relu" or room.chip.theta_power_of_two:
        return room.relu(steps, theta, channels)
    steps, below = room.steps(steps), room.draws.below
    powers = 1 << np.arange(steps - 1, -1, -1)
    T, d = max(1, theta >> room.smaller) * powers[None], powers[None]
    if kind == 1:
        return room.table(T, T - below(9, channels, steps), d + below(3, channels, steps))
    if kind == 2:
        turn = (np.arange(steps) - np.arange(channels)[:, None]) % 4
        return room.table(*(rows * np.where(turn == n, -1, 1) for n, rows in enumerate((T, T, d), start=1)))
    if kind == 3:
        return room.table(0 * T, T, d)
    return room.table(T + below(9, channels, steps), T, d)


def less(room: Room, places: Pair, stride: Pair, padding: Padding) -> Padding:
    """So much padding less that of so many windows no more stand there than the chip has places: at the end first."""
    left = list(padding)
    for axis, count in enumerate(places if room.chip.shape is not None else ()):
        over = stride[axis] * max(0, count - room.count(count, 1 + axis))
        for side in (2 + axis, axis):
            taken = min(left[side], over)
            left[side], over = left[side] - taken, over - taken
    return (left[0], left[1], left[2], left[3])


def allowed(room: Room, kernel: Pair, stride: Pair, padding: Padding) -> tuple[Pair, Pair, Padding]:
    """A window, as large as wanted where the chip has such."""
    if room.chip.kernel is not None:
        kernel = (min(kernel[0], room.chip.kernel[0]), min(kernel[1], room.chip.kernel[1]))
    if room.chip.stride is not None:
        stride = (min(stride[0], room.chip.stride[0]), min(stride[1], room.chip.stride[1]))
    if room.chip.padding is not None:
        padding = tuple(map(min, padding, 2 * tuple(room.chip.padding)))  # type: ignore[assignment]
    return kernel, stride, padding
