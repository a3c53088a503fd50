"""Causes composed of what stands in a memory within an image, of whose channel is taken, and of how sums lie
(CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from answering import composed_of, driven
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Table, fs_relu
from fsref.conformance.driven import Driven
from fsref.limits.chip import Limits
from fsref.vectors.case import Case, case_of

K, BANKS = 4, 2  # steps, and memories in which channels lie in turn
Rule = Callable[["Chip", int, Any], Any]


def table(seed: int, channels: int) -> Table:
    """A table whose h and d differ by channel."""
    rng = np.random.default_rng(seed)
    T = np.array([300, 170, 80, 35])
    return Table(T=T, h=T - rng.integers(0, 9, (channels, K)), d=[40, 19, 9, 4] + rng.integers(0, 3, (channels, K)))


def network(seed: int, pooled: bool = False) -> Network:
    """Three layers behind one another, with a max-pool among them or not, the last one a dense with a bias."""
    rng = np.random.default_rng(seed)
    last = "pool" if pooled else "b"
    pools = [MaxPool("pool", (5, 2, 2), "b", (2, 1), (1, 1))] * pooled
    return Network(
        [
            Input("in", (2, 3, 3), K, 15),
            FS("a", (6, 3, 3), table(seed, 6), rng.integers(-20, 90, 6)),
            FS("b", (5, 3, 2), table(seed + 1, 5), rng.integers(-20, 90, 5)),
            *pools,
            FS("c", (7, 1, 1), table(seed + 2, 7), rng.integers(1, 90, 7)),
            Readout("out", (2, 1, 1), [3, -4]),
        ],
        [
            Conv2d("in", "a", rng.integers(-9, 20, (6, 2, 3, 3)), padding=(1, 1, 1, 1)),
            Conv2d("a", "b", rng.integers(-9, 12, (5, 6, 3, 2)), padding=(1, 0, 1, 0)),
            Dense(last, "c", rng.integers(-9, 12, (7, 20 if pooled else 30))),
            Dense("c", "out", rng.integers(-5, 6, (2, 7))),
        ],
    )


class Chip:
    """A chip of plain integers, layer by layer; a rule may do something else with the opening of the layer of a number,
    from the sums that it is made of, and with what is told of it.
    """

    def __init__(self, opens: Rule | None = None, tells: Rule | None = None, layer: int = 2) -> None:
        self.opens, self.tells, self.layer = opens, tells, layer
        self.left: list[tuple[Any, Any]] = []  # of the layers before the last sums, and membranes

    def answer(self, net: Network, codes: Any) -> dict[tuple[str, str], Any]:
        """All that is told of an image."""
        z = {"in": codes.reshape(net["in"].shape) >> np.arange(K - 1, -1, -1)[:, None, None, None] & 1}
        d = {"in": np.array([8, 4, 2, 1])[:, None, None, None]}
        found: dict[tuple[str, str], Any] = {}
        self.left, number = [], -1
        for p in net.populations[1:]:
            if isinstance(p, MaxPool):
                z[p.name], d[p.name] = pool(z[p.source]), d[p.source]
                train = (z[p.name] << np.arange(K - 1, -1, -1)[:, None, None, None]).sum(axis=0)
                found |= {(p.name, "spikes"): train, (p.name, "codes"): (z[p.name] * d[p.name]).sum(axis=0)}
                continue
            number += 1
            (q,) = net.into(p.name).values()
            sums = delivered(q, (z[q.source] * d[q.source]).sum(axis=0), p.shape)
            v = sums + np.array(p.bias)[:, None, None]
            if self.opens is not None and number == self.layer:
                v = self.opens(self, K, (sums, np.array(p.bias)[:, None, None]))
            found[p.name, "opening"] = v
            if isinstance(p, Readout):
                continue
            T, h, own = (np.broadcast_to(each, (p.shape[0], K)).T[:, :, None, None] for each in tables(p.table))
            fired, after = [], []
            for t in range(K):
                fired.append((v >= T[t]).astype(np.int64))
                v = v - h[t] * fired[-1]
                after.append(v)
            self.left.append((sums, v))
            z[p.name], d[p.name] = np.array(fired), own
            train = (z[p.name] << np.arange(K - 1, -1, -1)[:, None, None, None]).sum(axis=0)
            code = (z[p.name] * own).sum(axis=0)
            if self.tells is not None and number == self.layer:
                train, code = self.tells(self, K, (train, code))
            found |= {(p.name, "spikes"): train, (p.name, "membranes"): np.array(after), (p.name, "codes"): code}
        return {key: a.reshape(K, -1) if key[1] == "membranes" else a.ravel() for key, a in found.items()}


def tables(given: Any) -> tuple[Any, Any, Any]:
    """T, h and d."""
    return given.T, given.h, given.d


def pool(z: Any) -> Any:
    """Max-pooled spikes, window by window: a candidate that does not fire where one does is out."""
    steps, channels, height, width = z.shape
    found = np.zeros((steps, channels, height - 1, width), np.int64)
    for c, y, x in np.ndindex(channels, height - 1, width):
        still = [True, True]
        for t in range(steps):
            fires = [bool(z[t, c, y + i, x]) and still[i] for i in range(2)]
            found[t, c, y, x] = any(fires)
            still = fires if any(fires) else still
    return found


def delivered(q: Any, codes: Any, shape: tuple[int, int, int]) -> Any:
    """The sums of a projection, product by product."""
    w = q.weights.astype(np.int64)
    if isinstance(q, Dense):
        return (w @ codes.ravel())[:, None, None]
    found = np.zeros(shape, np.int64)
    _, height, width = codes.shape
    for o, oy, ox, i, r, s in np.ndindex(*shape, *w.shape[1:]):
        y, x = oy - q.padding[0] + r, ox - q.padding[1] + s
        if 0 <= y < height and 0 <= x < width:
            found[o, oy, ox] += w[o, i, r, s] * codes[i, y, x]
    return found


def there(values: Any, shape: tuple[int, ...]) -> Any:
    """What the layer before left at the addresses of a shape, in memories in turn; of what none left 0."""
    memory = {}
    for c, y, x in np.ndindex(values.shape):
        memory[c % BANKS, c // BANKS * values[0].size + y * values.shape[2] + x] = int(values[c, y, x])
    return np.array(
        [
            memory.get((c % BANKS, c // BANKS * shape[1] * shape[2] + y * shape[2] + x), 0)
            for c, y, x in np.ndindex(*shape)
        ]
    ).reshape(shape)


def sums_left(chip: Chip, _: int, given: Any) -> Any:
    """Accumulators are not cleared."""
    sums, bias = given
    return sums + bias + there(chip.left[-1][0], sums.shape)


def membranes_left(chip: Chip, _: int, given: Any) -> Any:
    """Membranes are not cleared before the bias comes."""
    sums, bias = given
    return sums + bias + there(chip.left[-1][1], sums.shape)


def bias_again(chip: Chip, steps: int, given: Any) -> Any:
    """The bias comes with each step of the source."""
    sums, bias = given
    return sums + steps * bias


def codes_kept(chip: Chip, _: int, given: Any) -> Any:
    """The register of codes is cleared with each channel alone."""
    train, code = given
    return train, np.cumsum(code.reshape(len(code), -1), axis=1).reshape(code.shape)


def spikes_kept(chip: Chip, steps: int, given: Any) -> Any:
    """A spike stays in the register for the steps behind it."""
    train, code = given
    held = train.copy()
    for _ in range(steps):
        held |= held >> 1
    return held, code


def answered(chip: Chip, pooled: tuple[bool, ...] = (False, False)) -> Iterator[Driven]:
    """What a chip answers of several networks."""
    for seed, with_pool in enumerate(pooled):
        net = network(seed, with_pool)
        for codes in np.random.default_rng(seed).integers(0, 16, (8, 18)):
            case = case_of(net, "network", "out", {("in", "codes"): codes})
            seen = {key: a for key, a in chip.answer(net, codes).items() if key in case.expected}
            yield driven(case, seen)


def test_the_chip_is_right_without_a_rule() -> None:
    """It answers as the law does, with a max-pool and without."""
    assert all(row.passed for row in answered(Chip(), (False, True)))


@pytest.mark.parametrize(
    ("chip", "words"),
    [
        (
            Chip(sums_left),
            "adds what projections before it left in accumulators, channels in 2 memories in turn",
        ),
        (
            Chip(membranes_left),
            "adds what the populations before it left in the memory of membranes, channels in 2",
        ),
        (Chip(bias_again, layer=1), "in yours the bias counts once in each step"),
        (
            Chip(tells=codes_kept, layer=1),
            "code is told: yours adds what it told of the neuron before in its channel",
        ),
        (Chip(tells=spikes_kept, layer=1), "the train is told: yours has each spike in all steps behind it, too"),
    ],
    ids=["sums", "membranes", "bias", "codes", "spikes"],
)
def test_what_stands_in_a_memory_is_named(chip: Chip, words: str) -> None:
    """What is not cleared within an image is told so, and explains every case that differs."""
    found = composed_of(answered(chip))
    assert words in found.hints[0].text and found.explained == found.judged > 0


def test_a_layer_is_told_by_its_number() -> None:
    """What goes wrong in the third layer of networks with and without a max-pool before it is said to be in layer 2."""
    chip, rng = Chip(lambda chip, _, given: given[0] // 2 + given[1], layer=2), np.random.default_rng(9)
    small = Network(
        [Input("in", (2, 3, 3), K, 15), FS("a", (6, 1, 1), table(0, 6)), Readout("out", (2, 1, 1), [3, -4])],
        [Dense("in", "a", rng.integers(-9, 20, (6, 18))), Dense("a", "out", rng.integers(-5, 6, (2, 6)))],
    )
    passes = []
    for codes in rng.integers(0, 16, (4, 18)):
        case = case_of(small, "network", "out", {("in", "codes"): codes})
        passes.append(driven(case, {key: a for key, a in chip.answer(small, codes).items() if key in case.expected}))
    found = composed_of([*answered(chip, (False, True)), *passes])
    assert ", in layer 2 [" in found.hints[0].text and found.explained == found.judged > 0


def test_what_stands_at_the_ends_of_accumulators_gives_no_words() -> None:
    """Where all that is wrong stands at an end of what a chip's accumulators hold, changes that lead beyond these are
    not told: many would give it.
    """
    rng = np.random.default_rng(3)
    net = Network(
        [Input("in", (3, 1, 1), 3, 7), Readout("out", (24, 1, 1), rng.integers(1, 9, 24))],
        [Dense("in", "out", rng.integers(1, 5, (24, 3)))],
    )
    rows = []
    for codes in rng.integers(0, 8, (6, 3)):
        case = case_of(net, "network", "out", {("in", "codes"): codes})
        rows.append(driven(case, {key: np.full(24, 127) for key in case.expected}))
    found = composed_of(rows, Limits(membrane_bits=8, overflow="saturate"))
    assert not found.explained, found.hints


def projection(q: Any, source: FS | Input, target: FS) -> Network:
    """A network of one projection between two populations that differ by channel."""
    given = source if isinstance(source, Input) else Input("in", source.shape, K, 15)
    first = (
        []
        if isinstance(source, Input)
        else [Conv2d("in", source.name, np.eye(source.shape[0], dtype=np.int64)[:, :, None, None])]
    )
    last = Dense(target.name, "out", np.ones((1, target.neurons), np.int64))
    own = [] if isinstance(source, Input) else [source]
    return Network([given, *own, target, Readout("out", (1, 1, 1), [0])], [*first, q, last])


def of_target(q: Any, z: Any, d: Any) -> Any:
    """Each output takes the d of its own channel of the source."""
    return np.array(
        [int(q.weights[o] @ (z * d[o][:, None, None, None]).sum(axis=0).ravel()) for o in range(len(q.weights))]
    )


def modulo_8(q: Any, z: Any, d: Any) -> Any:
    """Addresses of spikes have three bits, those of d do not."""
    n = np.arange(z[0].size)
    worth = np.repeat(d, z[0, 0].size, axis=0).T
    return q.weights @ (z.reshape(K, -1)[:, n % 8] * worth).sum(axis=0)


def rows_of_target(q: Any, z: Any, d: Any) -> Any:
    """Rows of spikes lie as if each channel had one, as the target does, step behind step."""
    _, channels, height, width = z.shape
    memory = z.reshape(-1, width)
    found = np.zeros(len(q.weights), np.int64)
    for t, c, y, x in np.ndindex(K, channels, height, width):
        found += q.weights[:, (c * height + y) * width + x] * memory[t * channels + c + y, x] * d[c, t]
    return found


@pytest.mark.parametrize(
    ("chip", "words"),
    [
        (of_target, "in yours a spike is worth d of the channel of the target [PROJ-1]"),
        (modulo_8, "in yours a spike is read from the neuron modulo 8, with d of its own channel [PROJ-1]"),
        (rows_of_target, "channels lie as far apart as with as many rows as the other side has, and steps one behind"),
    ],
    ids=["target", "modulo", "rows"],
)
def test_whose_spike_and_whose_d_is_named(chip: Callable[[Any, Any, Any], Any], words: str) -> None:
    """What a dense reads of another neuron, and with whose d, is told."""
    rng = np.random.default_rng(4)
    source = FS("a", (6, 2, 3), table(8, 6))
    q = Dense("a", "b", rng.integers(-60, 61, (6, 36)))
    net = projection(q, source, FS("b", (6, 1, 1), fs_relu(K, 90)))
    rows = []
    for trains in rng.integers(0, 16, (8, 36)):
        case = case_of(net, "projection", "a->b", {("a", "spikes"): trains})
        z = (trains >> np.arange(K - 1, -1, -1)[:, None] & 1).reshape(K, 6, 2, 3)
        rows.append(driven(case, {**case.expected, ("a->b", "sums"): chip(q, z, np.array(source.table.d))}))
    found = composed_of(rows)
    assert words in found.hints[0].text and found.explained == found.judged > 0


def test_sums_that_lie_otherwise_in_memories_are_named() -> None:
    """Sums of one channel are added where they would lie if rows were as long as those of the source, channels in two
    memories in turn.
    """
    rng = np.random.default_rng(6)
    q = Conv2d("in", "b", rng.integers(-60, 61, (5, 2, 2, 5)))
    net = projection(q, Input("in", (2, 4, 9), K, 15), FS("b", (5, 3, 5), fs_relu(K, 90)))
    rows: list[Driven] = []
    for codes in rng.integers(0, 16, (8, 72)):
        case: Case = case_of(net, "projection", "in->b", {("in", "spikes"): codes})
        right = case.expected["in->b", "sums"].reshape(5, 3, 5)
        memories = [[0] * 99, [0] * 99]
        for c, y, x in np.ndindex(5, 3, 5):
            memories[c % 2][c // 2 * 15 + y * (9 if c == 1 else 5) + x] += int(right[c, y, x])
        seen = [memories[c % 2][c // 2 * 15 + y * 5 + x] for c, y, x in np.ndindex(5, 3, 5)]
        rows.append(driven(case, {("in->b", "sums"): np.array(seen)}))
    found = composed_of(rows)
    words = "as if rows lie as far apart as those of the other side, channels in 2 memories in turn, of channel 1 alone"
    assert words in found.hints[0].text and found.explained == found.judged > 0
