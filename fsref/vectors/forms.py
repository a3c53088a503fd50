"""The forms of networks in a pack for limits: small ones in which each rule of the law decides something (VECTOR-3).

Their biases are 0: `placed` finds those that set membranes where it matters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TypeAlias

import numpy as np

from fsref.errors import NetworkError, UsageError
from fsref.law.network import Network
from fsref.law.populations import FS, MaxPool, Population, Readout
from fsref.law.projections import Conv2d, Dense, Padding, Pair, Projection, window_shape
from fsref.vectors.room import Room

Form: TypeAlias = Callable[[Room], Network]
THETAS = (1, 3, 8, 85, 64, 5, 300, 2, 1001)
ACCUMULATORS = (7, 15, 11, 23, 31, 19)  # bits of membranes that are just too large for registers
SMALLER = 6


def dense(room: Room, steps: int, theta: int, first: int = 8, max_code: int = 0, bits: int = 8) -> Network:
    """A dense layer of FS-ReLUs."""
    given = room.given(room.shape(12, 1, 1), first, max_code)
    channels = room.count(24)
    mid = FS("mid", (channels, 1, 1), room.relu(steps, theta, channels))
    weights = room.weights(channels, given.neurons, bits=bits)
    return room.network(f"dense_K{mid.steps}_theta{theta}", [given, mid], [room.joined(given, "mid", weights)])


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
) -> Network:
    """A convolution of FS-ReLUs, K and theta those of `table`; depthwise where groups is 0."""
    if room.chip.kernel is not None:
        kernel = (min(kernel[0], room.chip.kernel[0]), min(kernel[1], room.chip.kernel[1]))
    if room.chip.stride is not None:
        stride = (min(stride[0], room.chip.stride[0]), min(stride[1], room.chip.stride[1]))
    if room.chip.padding is not None:
        padding = tuple(map(min, padding, 2 * tuple(room.chip.padding)))  # type: ignore[assignment]
    given = room.given(room.shape(*size))
    groups = groups or given.shape[0]
    rest = max(1, channels // groups >> room.smaller) * groups
    places = window_shape(given.shape, kernel, stride, padding, dilation)
    mid = FS("mid", (rest, *places), room.relu(*table, rest))
    weights = room.weights(rest, given.shape[0] // groups, *kernel)
    q = Conv2d(given.name, "mid", weights, stride, padding, dilation, groups)
    return room.network(f"conv_{kernel[0]}x{kernel[1]}_groups{groups}", [given, mid], [q])


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
    into = [(given, "one"), (given, "two"), (given if twice else one, "two")]
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


def staircase(room: Room, steps: int, spread: int, wide: bool = False, side: int = 1) -> Network:
    """Tables of no order, h and d of both signs and 0, a row for each channel, and what reads them: every neuron, or
    windows where they have a `side` of places.
    """
    steps, side = room.steps(steps), room.count(side, 1)
    given = room.given(room.shape(6, side, side), 6)
    c, below = room.count(12), room.draws.below
    T = below(2 * spread + 1, c, steps) - spread
    h, d = below(spread + 1, c, steps) - spread // 3, below(41, c, steps) - 13
    d[:, steps // 2] = 0
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
    return room.network(f"staircase_K{steps}" + f"_{side}" * (side > 1), [given, odd, reader], projections)


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
    groups = 2 if c % 2 == 0 and classes % 2 == 0 else 1
    weights = room.weights(classes, c // groups, 3, 2)
    q = Conv2d(given.name, "out", weights, padding=(1, 0, 0, 0), dilation=(h // 2, w - 1), groups=groups)
    return room.whole("read_window", [given, out], [q])


def forms() -> Iterator[Form]:
    """The forms, those first in which more mistakes show."""
    yield partial(dense, steps=4, theta=85)
    yield partial(conv, size=(3, 5, 4), channels=4, kernel=(3, 2), stride=(2, 1), padding=(1, 0, 0, 1))
    yield partial(accumulator, bit=15)
    yield partial(merge, twice=False)
    yield partial(pool, kernel=(2, 2), stride=(2, 2), padding=(0, 0, 0, 0), first=4)
    yield partial(staircase, steps=5, spread=300)
    yield partial(straight, bits=8)
    yield partial(conv, size=(4, 4, 5), channels=8, kernel=(2, 3), padding=(0, 1, 1, 0), groups=2, dilation=(1, 2))
    yield skip
    yield partial(conv, size=(5, 4, 4), channels=5, kernel=(3, 3), padding=(1, 1, 1, 1), groups=0, table=(4, 64))
    yield pooled
    yield partial(pool, kernel=(3, 2), stride=(2, 1), padding=(2, 0, 0, 1), first=5, hidden=True)
    for steps in (1, 8, 16, 2, 3, 10, 5, 12, 6, 7, 9, 11, 13, 14, 15):
        theta = THETAS[steps % len(THETAS)]
        yield partial(dense, steps=steps, theta=theta, first=1 + steps * 5 % 16, max_code=2**steps - 2)
    for bit in ACCUMULATORS:
        yield partial(accumulator, bit=bit)
    yield partial(merge, twice=True)
    yield partial(conv, size=(2, 6, 5), channels=4, kernel=(2, 2), stride=(1, 3), padding=(0, 2, 2, 0), dilation=(3, 1))
    yield partial(conv, size=(6, 2, 2), channels=9, kernel=(1, 1), groups=3, table=(8, 33))
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
    yield partial(pool, kernel=(1, 3), stride=(1, 2), padding=(0, 1, 0, 1), first=8)


def made(form: Form, room: Room) -> Network | None:
    """The network of a form, smaller where the chip has no room for it; None where it has none for the smallest."""
    for smaller in range(SMALLER):
        try:
            return form(replace(room, smaller=smaller))
        except (NetworkError, UsageError):
            continue
    return None
