"""The forms of networks in a pack for limits: small ones in which each rule of the law decides something (VECTOR-3).

Their biases are 0, where they are not what the form is about: `placed` finds those that set membranes where it matters.
Numbers that a device may take for one another differ: sides, paddings, strides; few are multiples of 4; and populations
stand between others and their sources, which a wrong index reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np

from fsref.errors import NetworkError, UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, MaxPool, Population, Readout
from fsref.law.projections import Conv2d, Dense, Padding, Pair, Projection, window_shape
from fsref.vectors.chains import allowed, below, brim, chains, grouped, meeting
from fsref.vectors.products import products
from fsref.vectors.reaching import reaching
from fsref.vectors.room import Room

Form: TypeAlias = Callable[[Room], Network]
THETAS = (1, 3, 8, 85, 64, 5, 300, 2, 1001)
ACCUMULATORS = (7, 15, 11, 23, 31, 19)  # bits of membranes that are just too large for registers
SMALLER = 6


def dense(
    room: Room,
    steps: int,
    theta: int,
    first: int = 8,
    max_code: int = 0,
    bits: int = 8,
    size: tuple[int, int, int] = (13, 1, 1),
    neurons: int = 23,
) -> Network:
    """A dense layer of FS-ReLUs."""
    given = room.given(room.shape(*size), first, max_code)
    channels = room.count(neurons)
    mid = FS("mid", (channels, 1, 1), room.relu(steps, theta, channels))
    weights = room.weights(channels, given.neurons, bits=bits)
    return room.network(
        f"dense_K{mid.steps}_theta{theta}_{given.neurons}", [given, mid], [room.joined(given, "mid", weights)]
    )


def accumulator(room: Room, bit: int) -> Network:
    """A dense layer whose membranes go beyond +-2^bit, and whose partial sums go farther before they come back."""
    given = room.given(room.shape(16, 1, 1), 8)
    channels, n = room.count(16), given.neurons
    mid = FS("mid", (channels, 1, 1), room.relu(8, max(1, (2**bit >> 6) + 1), channels))
    wide = max(2, bit - 6 - room.smaller)
    bits = min(8 if bit < 16 else wide, room.chip.weight_bits or 64)
    high, low = 2 ** (bits - 1) - 1, -(2 ** (bits - 1))
    weights = room.weights(channels, n, bits=bits)
    half = np.where(np.arange(n) < n // 2, high, low)
    weights[: channels // 4] = np.array([half, half[::-1], np.full(n, high), np.full(n, low)])[
        np.arange(channels // 4) % 4
    ]
    return room.network(f"accumulator_{bit}", [given, mid], [room.joined(given, "mid", weights)])


def cancelling(room: Room) -> Network:
    """What large codes deliver, of which the difference alone is left: sums on the way leave the interval of *final*,
    and come back, which no input can do, as it may send nothing (RANGE-1).
    """
    given = room.given(room.shape(9, 1, 1), 2)
    n, channels = given.neurons, room.count(14)
    steps = room.steps(6)
    one = FS("one", (n, 1, 1), room.relu(steps, 1, n), np.full(n, 2**steps - 4 if steps > 2 else 0))
    two = FS("two", (channels, 1, 1), room.relu(5, 3, channels))
    high = 2 ** (max(2, min(8, room.chip.weight_bits or 8) - room.smaller) - 1) - 1
    signs = np.where(np.arange(n) < n // 2, 1, -1)
    signs[n // 2 * 2 :] = 0
    weights = high * np.array([signs, -signs, signs[::-1], np.roll(signs, 1)])[np.arange(channels) % 4]
    weights -= np.sign(weights) * room.draws.below(2, *weights.shape)
    joined = [room.joined(given, "one", np.eye(n, dtype=np.int64)), room.joined(one, "two", weights)]
    return room.network("cancelling", [given, one, two], joined)


def offset(room: Room) -> Network:
    """Sums that do not fit the bits of what is left of them when the bias has come: all of one sign, a half of which it
    takes away (RANGE-1).
    """
    given = room.given(room.shape(11, 1, 1), 5)
    channels, n = room.count(10), given.neurons
    signs = np.where(np.arange(channels) % 2 == 0, 1, -1)[:, None]
    weights = signs * abs(room.weights(channels, n, bits=6))
    half = weights.sum(axis=1) * (2**given.steps - 1) // 2
    mid = FS("mid", (channels, 1, 1), room.relu(7, 9, channels), -half)
    return room.network("offset", [given, mid], [room.joined(given, "mid", weights)])


def conv(
    room: Room,
    size: tuple[int, int, int],
    channels: int,
    kernel: Pair,
    stride: Pair = (1, 1),
    padding: Padding = (0, 0, 0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    table: tuple[int, int] = (6, 85),
    bits: int = 8,
) -> Network:
    """A convolution of FS-ReLUs, K and theta those of `table`; depthwise where groups is 0."""
    kernel, stride, padding = allowed(room, kernel, stride, padding)
    dilation = room.dilation(dilation)
    given = room.given(room.shape(*size))
    groups = room.groups(groups) if groups else given.shape[0]
    rest = max(1, channels // groups >> room.smaller) * groups
    places = window_shape(given.shape, kernel, stride, padding, dilation)
    mid = FS("mid", (rest, *places), room.relu(*table, rest))
    weights = room.weights(rest, given.shape[0] // groups, *kernel, bits=bits)
    q = Conv2d(given.name, "mid", weights, stride, padding, dilation, groups)
    kind = "conv" if max(kernel) < 4 else "window"
    return room.network(f"{kind}_{kernel[0]}x{kernel[1]}_groups{groups}", [given, mid], [q])


def pooled(room: Room) -> Network:
    """A dense layer that is pooled over places."""
    given = room.given(room.shape(3, 3, 2))
    channels = room.count(16)
    mid = FS("mid", (channels, 1, 1), room.relu(8, 85, channels))
    weights = room.weights(channels, given.shape[0])
    return room.network("pooled", [given, mid], [Dense(given.name, "mid", weights, pooled=True)])


def merge(room: Room, twice: bool) -> Network:
    """Two projections into one population: of the input, delayed, and of an fs between; or two of one input."""
    given = room.given(room.shape(6, 1, 1))
    channels = room.count(12)
    one = FS("one", (channels, 1, 1), room.relu(5, 40, channels))
    two = FS("two", (channels, 1, 1), room.relu(6, 21, channels))
    into = [(given, "one"), *[(given, "one")] * twice, (given, "two"), (given if twice else one, "two")]
    made = [room.joined(p, target, room.weights(channels, p.neurons)) for p, target in into]
    return room.network("merge_twice" if twice else "merge_delayed", [given, one, two], made)


def skip(room: Room) -> Network:
    """A residual block: a 1 x 1 skip of the input around a convolution of another one, and a max-pool behind it."""
    shape = room.shape(3, 4, 4)
    c = shape[0]
    given = room.given(shape)
    one, two = FS("one", shape, room.relu(5, 60, c)), FS("two", shape, room.relu(4, 31, c))
    pool = MaxPool("pool", (c, 2, 2), "two", (3, 2), (2, 2), (1, 0, 0, 0))
    same = (1, 1, 1, 1)
    projections = [
        Conv2d(given.name, "one", room.weights(c, c, 3, 3, bits=6), padding=same),
        Conv2d(given.name, "two", room.weights(c, 1, 1, 1, bits=5), groups=c),
        Conv2d("one", "two", room.weights(c, c, 3, 3, bits=5), padding=same),
    ]
    return room.network("skip", [given, one, two, pool], projections)


def pool(room: Room, kernel: Pair, stride: Pair, padding: Padding, first: int, hidden: bool = False) -> Network:
    """A max-pool of the input, or of an fs behind it, read by an fs, so that what it sends is weighed."""
    given = room.given(room.shape(2, 5, 5), first)
    size = window_shape(given.shape, kernel, stride, padding)
    c = given.shape[0]
    before: list[Population] = [given]
    projections: list[Conv2d] = []
    if hidden:
        before.append(FS("first", given.shape, room.relu(first, 3, c)))
        projections.append(Conv2d(given.name, "first", room.weights(c, c, 1, 1, bits=3)))
    window = MaxPool("pool", (c, *size), before[-1].name, kernel, stride, padding)
    last = FS("last", window.shape, room.relu(first, 1, c))
    projections.append(Conv2d("pool", "last", np.ones((c, 1, 1, 1), np.int64), groups=c))
    return room.network(f"pool_{kernel[0]}x{kernel[1]}", [*before, window, last], projections)


def crossed(room: Room) -> Network:
    """Populations of one shape, each of which reads another one than that just before it, as the readout does."""
    given = room.given(room.shape(7, 1, 1), 6)
    c = given.shape[0]
    tables = [room.relu(steps, theta, c) for steps, theta in ((4, 61), (5, 23), (3, 9), (6, 7))]
    some = [FS(f"p{i}", given.shape, table) for i, table in enumerate(tables)]
    ends = [(given, 0), (given, 1), (some[0], 2), (given, 2), (some[1], 3), (some[0], 3)]
    joined = [room.joined(source, some[i].name, room.weights(c, c, bits=7)) for source, i in ends]
    out = Readout("out", (room.count(11), 1, 1))
    joined += [room.joined(some[i], "out", room.weights(out.neurons, c, bits=5)) for i in (3, 0, 2)]
    return room.whole("crossed", [given, *some, out], joined)


def choosing(room: Room, steps: int, kernel: Pair, stride: Pair, padding: Padding) -> Network:
    """A max-pool of a population whose steps are worth more than all behind them, but not powers of 2 (POOL-2), and
    which does not stand just before it: one of the same shape does, and a window of this is read beside the pool.
    """
    steps = room.steps(steps)
    given = room.given(room.shape(3, 6, 7), 5)
    c, d = given.shape[0], falling(room, steps, given.shape[0])
    T = 3 * d + room.draws.below(3, c, steps)
    first = FS("first", given.shape, room.table(T, 3 * d, d))
    beside = FS("beside", given.shape, room.relu(steps, 5, c))
    window = MaxPool("pool", (c, *window_shape(given.shape, kernel, stride, padding)), "first", kernel, stride, padding)
    last = FS("last", window.shape, room.relu(7, 11, c))
    joined = [
        Conv2d(given.name, "first", room.weights(c, c, 1, 1, bits=5)),
        Conv2d(given.name, "beside", room.weights(c, c, 1, 1, bits=4)),
        Conv2d("beside", "last", room.weights(c, 1, *kernel, bits=4), stride, padding, groups=c),
        Conv2d("pool", "last", room.weights(c, c, 1, 1, bits=4)),
    ]
    name = f"choosing_{kernel[0]}x{kernel[1]}"
    return room.network(name, [given, first, beside, window, last], joined)


def falling(room: Room, steps: int, channels: int) -> Ints:
    """What steps are worth (C, K): each more than all behind it, but no powers of 2 (POOL-2)."""
    d = np.zeros((channels, steps), np.int64)
    for t in reversed(range(steps)):
        d[:, t] = d.sum(axis=1) + 1 + room.draws.below(4, channels)
    return d


def windows_of_windows(room: Room) -> Network:
    """A max-pool of a max-pool, of a population whose thresholds are its resets, but whose steps are worth something
    else, read neuron by neuron by one whose resets alone differ by channel.
    """
    steps = room.steps(4)
    given = room.given(room.shape(3, 7, 6), 6)
    c, d = given.shape[0], falling(room, steps, given.shape[0])
    T = 5 * d + room.draws.below(3, c, steps)
    first = FS("first", given.shape, room.table(T, T, d))
    shape = (c, *window_shape(given.shape, (2, 3), (2, 1), (0, 1, 1, 0)))
    inner = MaxPool("inner", shape, "first", (2, 3), (2, 1), (0, 1, 1, 0))
    outer = MaxPool(
        "outer", (c, *window_shape(shape, (3, 2), (1, 2), (1, 0, 0, 0))), "inner", (3, 2), (1, 2), (1, 0, 0, 0)
    )
    channels, below = room.count(9), room.draws.below
    row = np.sort(below(90, steps) - 20)[::-1]
    h = below(60, channels, steps) - 9
    last = FS("last", (channels, 1, 1), room.table(row[None], h, below(19, channels, steps) + 1))
    joined: list[Projection] = [
        Conv2d(given.name, "first", room.weights(c, c, 1, 1, bits=5)),
        room.joined(outer, "last", room.weights(channels, outer.neurons, bits=4)),
    ]
    return room.network("windows", [given, first, inner, outer, last], joined)


def single(room: Room, classes: int = 1) -> Network:
    """Populations of one neuron, whose membranes stand in the middle of what they can send, one behind the other, and
    so many classes behind them.
    """
    given, theta = room.given(room.shape(9, 1, 1), 4), max(1, 40 >> room.smaller)
    one = FS("one", (1, 1, 1), room.relu(6, theta, 1), np.array([27 * theta]))
    two = FS("two", (1, 1, 1), room.relu(5, theta, 1), np.array([11 * theta]))
    weights = room.weights(1, given.neurons, bits=3)
    joined = [room.joined(given, "one", weights), room.joined(one, "two", room.weights(1, 1, bits=2))]
    if classes == 1:
        return room.network("single", [given, one, two], joined)
    out = Readout("out", (room.count(classes), 1, 1))
    joined.append(room.joined(two, "out", room.weights(out.neurons, 1, bits=3)))
    return room.whole("single_behind", [given, one, two, out], joined)


def staircase(room: Room, steps: int, spread: int, wide: bool = False, side: int = 1) -> Network:
    """Tables of no order, h and d of both signs and 0, a row for each channel, and what reads them: every neuron, or
    windows where they have a `side` of places.
    """
    steps, side = room.steps(steps), room.count(side, 1)
    given = room.given(room.shape(6, side, side), 6)
    c, below = room.count(14), room.draws.below
    T = below(2 * spread + 1, c, steps) - spread
    h, d = below(spread + 1, c, steps) - spread // 3, below(41, c, steps) - 13
    d[:, steps // 2] = 0
    T[c // 2 :, steps // 2] = 0
    d[0, 0] = 2**31 - 1 if wide else 127
    odd = FS("odd", (c, side, side), room.table(T, h, d))
    reader = FS("reader", (c, max(1, side - 1), max(1, side - 1)), room.relu(8, 2**24 + 1 if wide else 17, c))
    projections: list[Projection] = [
        room.joined(given, "odd", room.weights(c, given.neurons)),
        room.joined(odd, "reader", room.weights(c, c, bits=5)),
    ]
    if side > 1:
        projections = [
            Conv2d(given.name, "odd", room.weights(c, given.shape[0], 1, 1)),
            Conv2d("odd", "reader", room.weights(c, c, 2, 2, bits=5)),
        ]
    return room.network(f"staircase_K{steps}_{spread}_{side}", [given, odd, reader], projections)


def straight(room: Room, bits: int) -> Network:
    """What is given, read by the readout alone."""
    given = room.given(room.shape(10, 1, 1), 8)
    classes = room.count(10)
    weights = room.weights(classes, given.neurons, bits=bits)
    return room.whole(
        f"straight_{bits}", [given, Readout("out", (classes, 1, 1))], [room.joined(given, "out", weights)]
    )


def read(room: Room, pooled: bool) -> Network:
    """What is given, read by a readout that is pooled over places, or by one window that is padded and dilated."""
    c, h, w = shape = room.shape(4, 4, 3)
    given, classes = room.given(shape), room.count(12) // 2 * 2 or 1
    out = Readout("out", (classes, 1, 1))
    if pooled:
        return room.whole(
            "read_pooled", [given, out], [Dense(given.name, "out", room.weights(classes, c), pooled=True)]
        )
    groups = room.groups(2) if c % 2 == 0 and classes % 2 == 0 else 1
    weights = room.weights(classes, c // groups, 3, 2)
    q = Conv2d(given.name, "out", weights, padding=(1, 0, 0, 0), dilation=room.dilation((h // 2, w - 1)), groups=groups)
    return room.whole("read_window", [given, out], [q])


def forms() -> Iterator[Form]:
    """The forms, those first in which more mistakes show."""
    yield skip
    yield partial(dense, steps=4, theta=85)
    yield partial(conv, size=(3, 5, 4), channels=5, kernel=(3, 2), stride=(2, 1), padding=(2, 1, 0, 0))
    yield partial(accumulator, bit=15)
    yield partial(merge, twice=False)
    yield partial(pool, kernel=(2, 2), stride=(2, 2), padding=(0, 0, 0, 0), first=4)
    yield partial(staircase, steps=5, spread=300)
    yield partial(staircase, steps=5, spread=41)  # of the same sizes, for what a load leaves of another
    yield partial(straight, bits=8)
    yield partial(conv, size=(4, 4, 5), channels=10, kernel=(2, 3), padding=(0, 2, 1, 0), groups=2, dilation=(1, 2))
    yield partial(conv, size=(5, 4, 4), channels=5, kernel=(3, 3), padding=(1, 1, 1, 1), groups=0, table=(4, 64))
    yield pooled
    yield partial(pool, kernel=(3, 2), stride=(2, 1), padding=(2, 0, 0, 1), first=5, hidden=True)
    yield partial(choosing, steps=5, kernel=(4, 3), stride=(2, 3), padding=(3, 1, 0, 2))
    yield windows_of_windows
    yield single
    yield crossed
    yield cancelling
    yield offset
    yield partial(conv, size=(2, 9, 8), channels=5, kernel=(5, 7), padding=(3, 4, 1, 2), table=(5, 77))
    yield partial(conv, size=(6, 8, 9), channels=9, kernel=(3, 2), stride=(3, 2), padding=(1, 0, 3, 2), groups=3)
    yield partial(dense, steps=6, theta=21, first=5, size=(23, 1, 3), neurons=45)
    for steps in (1, 8, 16, 2, 3, 10, 5, 12, 6, 7, 9, 11, 13, 14, 15):
        theta = THETAS[steps % len(THETAS)]
        yield partial(dense, steps=steps, theta=theta, first=1 + steps * 5 % 16, max_code=2**steps - 2)
    for bit in ACCUMULATORS:
        yield partial(accumulator, bit=bit)
    yield partial(merge, twice=True)
    yield partial(
        conv, size=(2, 6, 5), channels=4, kernel=(2, 2), stride=(1, 3), padding=(0, 2, 3, 1), dilation=(4, 2), bits=13
    )
    yield partial(conv, size=(6, 2, 2), channels=9, kernel=(1, 1), groups=3, table=(8, 33))
    yield partial(conv, size=(4, 5, 7), channels=7, kernel=(1, 1), stride=(2, 3), padding=(1, 2, 0, 1), table=(7, 50))
    yield partial(
        conv, size=(3, 2, 11), channels=5, kernel=(1, 5), stride=(1, 2), padding=(0, 3, 0, 2), dilation=(1, 2)
    )
    yield partial(conv, size=(3, 5, 3), channels=5, kernel=(9, 1), padding=(3, 0, 4, 0), table=(9, 40))
    yield partial(staircase, steps=4, spread=200, side=3)
    yield partial(staircase, steps=3, spread=2000)
    yield partial(staircase, steps=16, spread=3000)
    yield partial(dense, steps=16, theta=3, first=16)
    yield partial(staircase, steps=8, spread=90, wide=True)
    yield partial(read, pooled=False)
    yield partial(read, pooled=True)
    yield partial(straight, bits=16)
    yield partial(straight, bits=32)
    yield partial(dense, steps=8, theta=2**30 + 1, bits=32)
    yield partial(dense, steps=16, theta=2**42, bits=32)
    yield partial(choosing, steps=3, kernel=(1, 5), stride=(1, 2), padding=(0, 4, 0, 1))
    yield partial(pool, kernel=(1, 3), stride=(1, 2), padding=(0, 1, 0, 2), first=8)
    yield from chains()
    yield from products()
    yield from reaching()
    for narrow in (True, False):
        yield partial(grouped, narrow=narrow)
    yield partial(meeting, channels=1)  # of which a spike comes from the channel of the one before, always
    for maps in (True, False):
        yield partial(below, maps=maps)
    yield partial(brim, channels=5, outputs=4)
    yield partial(single, classes=4)  # whose source is one neuron in the third layer


def made(form: Form, room: Room) -> Network | None:
    """The network of a form, smaller where the chip has no room for it; None where it has none for the smallest."""
    for smaller in range(SMALLER):
        try:
            return form(replace(room, smaller=smaller))
        except (NetworkError, UsageError):
            continue
    return None
