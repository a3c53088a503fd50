"""Causes composed of groups, borders and pooled channels: a chip that gathers each sum from flat memories, with one
number in the place of another (CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from answering import composed_of, driven
from fsref import FS, Conv2d, Dense, Input, Network, Readout, Table
from fsref.conformance.driven import first_difference
from fsref.vectors.case import Case, case_of
from fsref.verification.causes import Judged

K = 4


def network() -> Network:
    """Convolutions of groups, dilations and paddings that are not the same, two of them of one source, one of a
    population that has another row of d in each channel; and dense ones, pooled or not.
    """
    rng = np.random.default_rng(3)
    d = np.array([[8, 4, 2, 1], [9, 5, 3, 1], [7, 4, 2, 1], [11, 6, 2, 1]])
    six = d[[0, 1, 2, 3, 1, 0]]
    populations = [
        Input("in", (6, 5, 3), K, 15),
        FS("a", (4, 4, 4), Table(T=9 * d, h=9 * d, d=d)),
        FS("b", (6, 5, 3), Table(T=9 * six, h=9 * six, d=six)),
        FS("c", (4, 2, 2), Table(T=9 * d, h=9 * d, d=d)),
        FS("one", (3, 1, 1), Table(T=9 * d[:3], h=9 * d[:3], d=d[:3])),
        FS("two", (5, 1, 1), Table(T=9 * d[0], h=9 * d[0], d=d[0])),
        Readout("out", (2, 1, 1), [4, -2]),
    ]
    projections = [
        Conv2d("in", "a", rng.integers(-60, 61, (4, 3, 3, 2)), (1, 1), (1, 1, 2, 2), (2, 2), 2),
        Conv2d("in", "b", rng.integers(-60, 61, (6, 1, 3, 1)), (1, 1), (0, 0, 2, 0), (1, 1), 6),
        Conv2d("b", "c", rng.integers(-60, 61, (4, 3, 2, 2)), (2, 1), (0, 1, 1, 0), (3, 2), 2),
        Dense("b", "one", rng.integers(-9, 10, (3, 6)) * 2 + 1, pooled=True),
        Dense("a", "two", rng.integers(-60, 61, (5, 64))),
        Dense("b", "two", rng.integers(-9, 10, (5, 6)) * 2 + 1, pooled=True),
        Dense("two", "out", rng.integers(-2, 2, (2, 5)) * 2 + 1),
    ]
    return Network(populations, projections)


NET = network()
NAMES = [*NET.named_projections]
WEIGHTS = [w for q in NET.projections for w in q.weights.ravel().tolist()]  # one memory,
BASES = dict(zip(NAMES, np.cumsum([0, *(q.weights.size for q in NET.projections)]).tolist(), strict=False))


class Chip:
    """Sums gathered tap by tap; a mistake overrides a method."""

    def base(self, name: str) -> int:
        """Where the weights of a projection begin."""
        return BASES[name]

    def first(self, q: Conv2d, o: int) -> int:
        """The first channel of the source that an output reads."""
        return o // (len(q.weights) // q.groups) * q.weights.shape[1]

    def inside(self, q: Conv2d, y: int, r: int, height: int) -> bool:
        """Whether a row of the source, of kernel row r, is there."""
        return 0 <= y < height

    def rows(self, q: Conv2d, height: int, rows: int) -> int:
        """In how many rows windows are."""
        return rows

    def pooled(self, name: str) -> bool:
        """Whether a dense is pooled."""
        return bool(getattr(NET.named_projections[name], "pooled", False))

    def places(self, c: int, height: int, width: int) -> range:
        """The addresses of a channel."""
        return range(c * height * width, (c + 1) * height * width)

    def start(self, v: int, bias: int) -> int:
        """What an addition starts from."""
        return v

    def bias(self, n: int) -> int:
        """Which bias a neuron has."""
        return n

    def width(self, height: int, width: int) -> int:
        """How many columns the source is taken to have at its border."""
        return width

    def row(self, q: Conv2d, oy: int, y: int) -> int:
        """Which row of the source stands where one is read."""
        return y

    def there(self, first: int, n: int) -> bool:
        """Whether a neuron is read, of a row that begins with the first."""
        return True

    def channel(self, c: int, n: int, size: int) -> int:
        """Whose d a spike is worth."""
        return c

    def lost(self, found: list[tuple[int, int]], inputs: int) -> set[tuple[int, int]]:
        """Which products, of an input and a step, are lost."""
        return set()

    def column(self, n: int, t: int, trains: list[int]) -> int:
        """Of which input of a dense the weight is."""
        return n

    def sums(self, name: str, trains: list[int]) -> list[int]:
        """What a projection delivers."""
        return [sum(more) for more in self.additions(name, trains)]

    def additions(self, name: str, trains: list[int]) -> list[list[int]]:
        """What is added at each neuron of the target, step by step, in each input by input."""
        q: Any = NET.named_projections[name]
        d, (channels, height, width) = NET.code_weights[q.source].tolist(), NET[q.source].shape
        memory = trains + [0b1011] * 400  # what was left there by another network

        def of(products: list[tuple[int, int, int]]) -> list[int]:
            weights, size = WEIGHTS + [-41] * 800, height * width
            found = {}
            for t, (i, (w, c, n)) in product(range(K), enumerate(products)):
                if memory[n] >> (K - 1 - t) & 1:
                    at = w - n + self.column(n, t, trains) if q.weights.shape[1:] == (len(trains),) else w
                    worth = d[min(self.channel(c, n, size), channels - 1)][t]
                    found[i, t] = weights[self.base(name) + at] * worth
            lost = self.lost([*found], len(products))
            return [more for at, more in found.items() if at not in lost]

        if isinstance(q, Conv2d):
            return [of(products) for products in self.windows(q, height, width)]
        return [of([*self.inputs(name, o, channels, height, width)]) for o in range(len(q.weights))]

    def inputs(self, name: str, o: int, channels: int, height: int, width: int) -> Iterator[tuple[int, int, int]]:
        """Weight, channel and address of each input of a dense."""
        if self.pooled(name):
            yield from ((o * channels + c, c, n) for c in range(channels) for n in self.places(c, height, width))
        else:
            size = height * width
            yield from ((o * channels * size + n, n // size, n) for n in range(channels * size))

    def windows(self, q: Conv2d, height: int, width: int) -> Iterator[list[tuple[int, int, int]]]:
        """The same of each window of a conv2d."""
        _, inputs, kh, kw = q.weights.shape
        for o, oy, ox in np.ndindex(NET[q.target].shape):
            found = []
            for i, r, s in np.ndindex(inputs, kh, kw):
                y, x = oy * q.stride[0] - q.padding[0] + r * q.dilation[0], ox * q.stride[1] - q.padding[1]
                x += s * q.dilation[1]
                c = self.first(q, o) + i
                y = self.row(q, oy, y)
                there = self.inside(q, y, r, height) and oy < self.rows(q, height, NET[q.target].shape[1])
                first = (c * height + y) * width
                if there and 0 <= x < self.width(height, width) and self.there(first, first + x):
                    found.append((((o * inputs + i) * kh + r) * kw + s, c, first + x))
            yield found


class ByInputs(Chip):
    """Groups are taken to have as many outputs as inputs."""

    def first(self, q: Conv2d, o: int) -> int:
        return o // q.weights.shape[1] * q.weights.shape[1]


class FromOutput(Chip):
    """A group begins with the channel of the number of its first output."""

    def first(self, q: Conv2d, o: int) -> int:
        per_group = len(q.weights) // q.groups
        return o // per_group * per_group


class Undilated(Chip):
    """Whether a row is there is told without the dilation."""

    def inside(self, q: Conv2d, y: int, r: int, height: int) -> bool:
        return 0 <= y - r * (q.dilation[0] - 1) < height


class Symmetric(Chip):
    """As many rows are made as the padding above would leave on both sides."""

    def rows(self, q: Conv2d, height: int, rows: int) -> int:
        spans = (q.weights.shape[2] - 1) * q.dilation[0] + 1
        return (height + 2 * q.padding[0] - spans) // q.stride[0] + 1


class FlagBefore(Chip):
    """A dense has the pooled flag of the one before."""

    def pooled(self, name: str) -> bool:
        dense = [one for one, q in NET.named_projections.items() if isinstance(q, Dense)]
        at = dense.index(name)
        return at > 0 and super().pooled(dense[at - 1])


class Squares(Chip):
    """A channel has as many places as the number of columns squared."""

    def places(self, c: int, height: int, width: int) -> range:
        return range(c * width * width, (c + 1) * width * width)


class Filled(Chip):
    """As many words of 8 are read of a channel as it fills."""

    def places(self, c: int, height: int, width: int) -> range:
        first = c * height * width
        return range(first, min(first + height * width, first // 8 * 8 + -(-height * width // 8) * 8))


class Kept(Chip):
    """The base of the weights stays while the source does."""

    def base(self, name: str) -> int:
        before = NAMES[max(NAMES.index(name) - 1, 0)]
        same = NET.named_projections[before].sources == NET.named_projections[name].sources
        return BASES[before if same else name]


class Anew(Chip):
    """A membrane that reads 0 is taken for one without a bias yet."""

    def start(self, v: int, bias: int) -> int:
        return bias if v == 0 else v


class Early(Chip):
    """The pointer of the biases is a neuron early."""

    def bias(self, n: int) -> int:
        return n + 1


class Short(Chip):
    """A ring of rows has one less than a kernel spans."""

    def row(self, q: Conv2d, oy: int, y: int) -> int:
        size = (q.weights.shape[2] - 1) * q.dilation[0]
        last = oy * q.stride[0] - q.padding[0] + size
        while y + size <= last:
            y += size
        return y


class FirstWord(Chip):
    """Of a row that lies in two words of 8 the second is not read."""

    def there(self, first: int, n: int) -> bool:
        return first // 8 == n // 8


class WordsOfD(Chip):
    """A spike is worth d of the channel of the first neuron of its word of 32."""

    def channel(self, c: int, n: int, size: int) -> int:
        return n // 32 * 32 // size


class Skipping(Chip):
    """The weights of a dense do not move on with a word of 8 neurons that is silent in a step."""

    def column(self, n: int, t: int, trains: list[int]) -> int:
        words = [any(train >> (K - 1 - t) & 1 for train in trains[at : at + 8]) for at in range(0, n // 8 * 8, 8)]
        return sum(words) * 8 + n % 8


class Square(Chip):
    """The border at the right is told by the number of rows."""

    def width(self, height: int, width: int) -> int:
        return height


class Stale(Chip):
    """The first input of each tile of 16 but the first has the weight of the one before."""

    def column(self, n: int, t: int, trains: list[int]) -> int:
        return n - (n % 16 == 0 and n > 0)


class Tiles(Chip):
    """The last product of each tile of 8 inputs is lost, each input's of all steps together; not of the last tile."""

    def lost(self, found: list[tuple[int, int]], inputs: int) -> set[tuple[int, int]]:
        tiles = [[at for at in sorted(found) if at[0] // 8 == tile] for tile in range(-(-inputs // 8) - 1)]
        return {tile[-1] for tile in tiles if tile} if inputs in (5, 64) else set()  # of a dense of all neurons


PLANTED: dict[type[Chip], str] = {
    ByInputs: "reads the group of its output as if each had as many as it has inputs",
    FromOutput: "begins with the input whose number its group's first output has",
    Undilated: "where its row would be inside without the dilation, and nothing else, with d of its own channel",
    Symmetric: "is there in as many rows as the padding before the source would leave on both sides",
    FlagBefore: "a dense is pooled where the one before is, the first not",
    Squares: "a channel has as many places as the number of columns squared",
    Filled: "as many words of 8 are read of a channel as it fills, not those that it lies in",
    Kept: "are those of the projection before, where that has the same source",
    Short: "reads rows that are overwritten in a ring of one less than its kernel spans",
    FirstWord: "sees of a row what lies in its first word of 8 alone",
    WordsOfD: "a spike is worth d of the channel of the first neuron of its word of 32",
    Skipping: "the weights of a dense do not move on with a word of 8 neurons that sends nothing in a step",
    Tiles: "of each 8 inputs or taps at a neuron is lost where more inputs follow, along a dense of all neurons",
    Square: "sees what lies at its address where its column would be inside of as many as there are rows",
    Stale: "weights of the first of each 16 inputs, but for the first, are those of the input before",
    Early: "a bias of a channel is that of the next neuron, in the memory of all biases",
    Anew: "an addition to a sum of 0 begins anew with the bias",
}


def cases() -> Iterator[Case]:
    """Some trains of each projection, and many of the readout."""
    rng = np.random.default_rng(8)
    for name, q in NET.named_projections.items():
        (source,) = q.sources
        for few in (False, True, False, True, False):
            trains = rng.integers(0, 16, NET[source].neurons)
            yield case_of(NET, "projection", name, {(source, "spikes"): trains & (rng.integers(0, 16) if few else 15)})
        for _ in range(3):
            sparse = rng.integers(0, 16, len(trains)) * (rng.random(len(trains)) < 0.1)
            yield case_of(NET, "projection", name, {(source, "spikes"): sparse})
    for _ in range(40):
        yield case_of(NET, "population", "out", {("two", "spikes"): rng.integers(0, 16, 5)})


CASES = tuple(cases())


def answers(chip: Chip, case: Case) -> dict[tuple[str, str], Any]:
    """What a chip answers to a case."""
    if case.scope == "projection":
        (trains,) = case.given.values()
        return {(case.unit, "sums"): np.array(chip.sums(case.unit, trains.tolist()), np.int64)}
    made = []
    for n, more in enumerate(chip.additions("two->out", case.given["two", "spikes"].tolist())):
        v = bias = (4, -2, 77)[chip.bias(n)]
        for each in more:
            v = chip.start(v, bias) + each
        made.append(v)
    return {("out", "opening"): np.array(made, np.int64)}


def judged(chip: Chip, scope: str) -> Judged:
    """What is composed of the answers of a chip."""
    return composed_of(driven(case, answers(chip, case)) for case in CASES if case.scope == scope)


def test_the_chip_is_right_but_for_its_mistake() -> None:
    """The chip without a mistake answers every case as the law does."""
    for case in CASES:
        assert first_difference(case, answers(Chip(), case)) is None


@pytest.mark.parametrize("chip", PLANTED)
def test_what_is_planted_is_named_first(chip: type[Chip]) -> None:
    """The first words are those of what is wrong, and explain every case that differs."""
    found = judged(chip(), "population" if chip in (Anew, Early) else "projection")
    assert found.hints and found.explained > 0.9 * found.judged, found.observed
    assert PLANTED[chip] in found.hints[0].text, found.hints


@pytest.mark.parametrize(("of_channel", "words"), [(False, "all neurons before"), (True, "the neurons of its channel")])
def test_trains_of_a_register_that_is_not_cleared_are_named(of_channel: bool, words: str) -> None:
    """A device whose trains are told with those of the neurons before above them, in 16 bits: of all, or from one
    before its channel on, where it was cleared.
    """
    rows = []
    rng = np.random.default_rng(5)
    for _ in range(6):
        case = case_of(NET, "population", "c", {("b", "spikes"): rng.integers(0, 16, 90)})
        trains = case.expected["c", "spikes"].tolist()
        told = []
        for n in range(len(trains)):
            first = max(n // 4 * 4 - 1, 0) if of_channel else 0
            held = 0
            for train in trains[first : n + 1]:
                held = held << K | train
            told.append(held & 0xFFFF)
        seen = {**case.expected, ("c", "spikes"): np.array(told)}
        rows.append(driven(case, seen))
    found = composed_of(rows)
    assert found.explained == found.judged and f"holds the trains of {words}" in found.hints[0].text, found
