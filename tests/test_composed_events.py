"""Causes composed of what else happens: spikes that meet, products that arrive one after another, parts of sums,
places, two mistakes at once, max-pools, and what is left of images before (CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fsref
from answering import composed_of, driven
from fsref import FS, Conv2d, Dense, Input, MaxPool, Network, Readout, Table, fs_relu, testing
from fsref.conformance.suspects import behind
from fsref.simulation.recording import Record
from fsref.vectors.case import case_of
from fsref.verification.causes import Judged
from fsref.verification.composed.layouts import layouts
from fsref.verification.differences import compare_dump
from test_composed import STEPS, Device, judged

POOLED = Network(
    [
        Input("in", (2, 5, 5), STEPS, 31),
        MaxPool("pool", (2, 3, 3), "in", (3, 3), (2, 2), (1, 1, 1, 1)),
        Readout("out", (1, 1, 1), np.array([3])),
    ],
    [Dense("pool", "out", np.arange(18)[None] - 9)],
)


WORDS = "a weight below 0 is 1 too high [PROJ-1]"


class Neighbours(Device):
    """Of four neighbours that all spike in a step the last is lost."""

    def sent(self, z: list[list[int]]) -> list[list[int]]:
        return [[on and not (m % 4 == 3 and all(row[m - 3 : m])) for m, on in enumerate(row)] for row in z]


class Queue(Device):
    """A queue of eight spikes: those of a step that are behind these are lost."""

    def sent(self, z: list[list[int]]) -> list[list[int]]:
        return [[on if sum(row[:m]) < 8 else 0 for m, on in enumerate(row)] for row in z]


class Refractory(Device):
    """A spike right behind another of its neuron counts twice."""

    def sent(self, z: list[list[int]]) -> list[list[int]]:
        return [[on * (2 if t and z[t - 1][m] else 1) for m, on in enumerate(row)] for t, row in enumerate(z)]


class Repeating(Device):
    """A product that equals the one before it at its neuron is lost."""

    def total(self, products: list[tuple[int, int, int]]) -> int:
        given = [more for _, _, more in products if more]
        return sum(more for at, more in enumerate(given) if at == 0 or more != given[at - 1])


class Lanes(Device):
    """The sum of each step ends at 7 bits."""

    def total(self, products: list[tuple[int, int, int]]) -> int:
        sums = [sum(more for t, _, more in products if t == step) for step in range(STEPS)]
        return sum(min(max(total, -64), 63) for total in sums)


class Aliased(Device):
    """What is delivered to a neuron arrives at the one two addresses before, where there is one."""

    def placed(self, sums: list[int]) -> list[int]:
        found = [0] * len(sums)
        for n, total in enumerate(sums):
            found[n - 2 if n >= 2 else n] += total
        return found


class Two(Device):
    """In the first step v is compared with T of the last, and in the last step no neuron fires."""

    def fires(self, v: int, T: list[int], t: int, fired: list[int], neuron: int) -> bool:
        return t < STEPS - 1 and v >= (T[-1] if t == 0 else T[t])


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (Neighbours(), "a spike that is the last of 4 neighbours that all fire is lost [PROJ-1]"),
        (Queue(), "a spike behind the first 8 of its step is lost [PROJ-1]"),
        (Refractory(), "a spike right behind another of its neuron counts twice [PROJ-1]"),
        (Repeating(), "a product that equals the one before it at its neuron is lost [PROJ-1]"),
        (Lanes(), "the sum of each step saturates at 7 bits [PROJ-1]"),
        (Aliased(), "yours adds each sum at the neuron 2 before, where there is one [PROJ-1]"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Device) else "",
)
def test_what_meets_is_named(device: Device, words: str) -> None:
    """A mistake that shows when spikes or products meet is told by what meets; it explains all that differs."""
    found = judged(device)
    assert found.hints and words in found.hints[0].text
    assert found.explained == found.judged > 0


def test_two_mistakes_at_once_have_a_cause_each() -> None:
    """Two changes of one step of the law are told together, each with the condition that parts them."""
    found = judged(Two())
    assert found.hints and found.explained == found.judged
    assert "; and " in found.hints[0].text
    assert "in the first step" in found.hints[0].text and "in the last step" in found.hints[0].text


def windows(spikes: list[list[int]], pool: MaxPool, rule: str) -> list[list[int]]:
    """Spikes (neurons, K) of a max-pool from those of its source, by the law or by another rule, by hand."""
    _, rows, columns = pool.shape
    (kh, kw), (sy, sx), (top, left, _, _) = pool.kernel, pool.stride, pool.padding
    found, bank = [], dict[tuple[int, int], list[int]]()
    for n in range(pool.neurons):
        c, y, x = n // (rows * columns), n // columns % rows, n % columns
        places = [(y * sy - top + r, x * sx - left + k) for r in range(kh) for k in range(kw)]
        own = [spikes[(c * 5 + a) * 5 + b] for a, b in places if 0 <= a < 5 and 0 <= b < 5]
        if rule == "kept":  # each tap has a register, which a place outside does not write
            taps = [(r, k) for r in range(kh) for k in range(kw)]
            there = zip(taps, places, strict=True)
            bank |= {tap: spikes[(c * 5 + a) * 5 + b] for tap, (a, b) in there if 0 <= a < 5 and 0 <= b < 5}
            own = [*bank.values()]
        own = own[:-1] if rule == "last" and len(own) == kh * kw else own
        still, waiting, train = [*range(len(own))], [*range(len(own))], []
        for t in range(STEPS):
            firing = [at for at in still if own[at][t]]
            train.append(int(bool(firing)))
            stays = [at for at in still if own[at][t]] if firing else still
            if rule == "tied" and firing:
                stays = firing[:1]
            if rule == "late":
                stays, waiting = waiting, [at for at in waiting if own[at][t] or not firing]
            still = stays
        found.append(train)
    return found


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("tied", "of candidates that fire together the first alone stays in [POOL-1]"),
        ("late", "candidates drop out a step late [POOL-1]"),
        ("last", "the first 8 candidates of a window are looked at [POOL-1]"),
        ("kept", "places outside of the source keep the candidates of windows before, from window to window [POOL-1]"),
    ],
)
def test_what_a_max_pool_does_instead_is_named(rule: str, words: str) -> None:
    """A max-pool by another rule is told by the rule, and where."""
    pool: Any = POOLED["pool"]
    rng = np.random.default_rng(11)
    rows = []
    for _ in range(12):
        trains = rng.integers(0, 32, 50) & rng.integers(0, 32, 50)
        case = case_of(POOLED, "max_pool", "pool", {("in", "spikes"): trains})
        z = [[int(word) >> (STEPS - 1 - t) & 1 for t in range(STEPS)] for word in trains]
        right, wrong = (
            np.array([[sum(on << (STEPS - 1 - t) for t, on in enumerate(own))] for own in windows(z, pool, by)])[:, 0]
            for by in ("", rule)
        )
        assert (right == case.expected["pool", "spikes"]).all()
        rows.append(driven(case, dict.fromkeys(case.expected, wrong)))
    found = composed_of(rows)
    assert any(words in hint.text for hint in found.hints)


def plain() -> Network:
    """Two neurons behind one input."""
    table = Table(T=[40, 20, 10, 5], h=[31, 17, 9, 4], d=[8, 4, 2, 1])
    weights = np.array([[3, -2, 4], [-1, 5, 2]])
    return Network(
        [Input("in", (3, 1, 1), 4, 15), FS("hid", (2, 1, 1), table, [3, -7]), Readout("out", (1, 1, 1), [0])],
        [Dense("in", "hid", weights), Dense("hid", "out", np.array([[1, 1]]))],
    )


def in_a_row(answer: Callable[[int, list[int], list[int]], list[int]]) -> Judged:
    """What is judged of images asked in a row: the membranes with which neurons open are `answer`ed from the number of
    the image, what is right, and the membranes that were left.
    """
    net, rng, left, rows = plain(), np.random.default_rng(2), [0, 0], []
    T, h, d = [40, 20, 10, 5], [31, 17, 9, 4], [8, 4, 2, 1]
    for image in range(17):
        case = case_of(net, "population", "hid", {("in", "spikes"): rng.integers(0, 16, 3)})
        opened = answer(image, case.expected["hid", "opening"].tolist(), left)
        words, codes, behind_steps = [], [], []
        for v in opened:
            z = []
            membranes = []
            for t in range(4):
                z.append(int(v >= T[t]))
                v -= h[t] * z[t]
                membranes.append(v)
            words.append(sum(on << (3 - t) for t, on in enumerate(z)))
            codes.append(sum(d[t] * on for t, on in enumerate(z)))
            behind_steps.append(membranes)
        left = [membranes[-1] for membranes in behind_steps]
        told = {("hid", "opening"): opened, ("hid", "spikes"): words, ("hid", "codes"): codes}
        told |= {("hid", "membranes"): np.transpose(behind_steps)}
        seen = {key: np.array(told.get(key, values), np.int64) for key, values in case.expected.items()}
        rows.append(driven(case, seen))
    return behind(tuple(rows))


def test_what_is_left_of_the_image_before_is_named() -> None:
    """Images asked in a row: what is left of a membrane, and what is done in odd images alone, have words."""
    kept = in_a_row(lambda image, right, left: [v | (m & 3) for v, m in zip(right, left, strict=True)])
    assert kept.hints and kept.explained == kept.judged > 3
    assert "ORed with the lowest 2 bits of its membrane behind the last step of the image before" in kept.hints[0].text
    odd = in_a_row(lambda image, right, left: [v + (image % 2) * (n == 0) for n, v in enumerate(right)])
    assert odd.hints and "in odd images" in odd.hints[0].text
    assert in_a_row(lambda image, right, left: right) == Judged()


def test_layouts_read_every_weight_by_an_address() -> None:
    """Each layout gives weights of the memory alone, as many as there are; most read some other than their own."""
    w = np.arange(3 * 4 * 2 * 3).reshape(3, 4, 2, 3)
    found = {words: of(w) for words, _, of in layouts()}
    assert len(found) == len([*layouts()])
    assert all(read.shape == w.shape and set(read.ravel()) <= set(w.ravel()) for read in found.values())
    assert (found["are read as if they lay in the order inputs, outputs, kernel rows, kernel columns"][1, 2, 0, 1]) == (
        (2 * 3 + 1) * 6 + 1
    )
    assert found["of inputs are read further apart by one"][2, 3, 1, 2] == (2 * 24 + 3 * 7 + 1 * 3 + 2) % 72
    assert (
        found["of outputs are read as if the number of inputs were a multiple of 8"][2, 1, 0, 0] == (2 * 8 + 1) * 6 % 72
    )


def hidden() -> Network:
    """A conv2d and a dense, of which codes are answered alone."""
    rng = np.random.default_rng(9)
    return Network(
        [
            Input("in", (2, 4, 4), 4, 15),
            FS("a", (3, 4, 4), fs_relu(4, 9), [5, 9, -3]),
            Readout("out", (3, 1, 1), [0, 4, 9]),
        ],
        [
            Conv2d("in", "a", rng.integers(-7, 9, (3, 2, 3, 3)) * 2 + 1, padding=(1, 1, 1, 1)),
            Dense("a", "out", rng.integers(-9, 9, (3, 48))),
        ],
    )


def with_other_weights(net: Network) -> Network:
    """The network whose conv2d has weights one too high where they are below 0."""
    (q,) = net.into("a").values()
    w = q.weights.astype(np.int64).copy()
    w += w < 0
    return Network(net.populations, [replace(q, weights=w) if one is q else one for one in net.projections])


def test_verify_and_diff_compose_causes_in_the_same_words() -> None:
    """Where no known mistake fits, `verify` and `diff` compose causes; of codes alone, too."""
    net = hidden()
    wrong = with_other_weights(net)

    def theirs(x: Any) -> Any:
        trace = fsref.run(wrong, x, record=Record(["a"], ("codes",))).trace
        assert trace is not None
        return {"a": trace["a", "codes"]}

    with pytest.raises(testing.Disagreement) as caught:
        testing.verify(net, theirs, max_examples=20, populations=["a"])
    assert caught.value.causes[0] == "composed" and WORDS in caught.value.hints[0]
    images = np.random.default_rng(4).integers(0, 16, (6, 2, 4, 4)).astype(np.uint8)
    dump = fsref.run(wrong, images, record=Record(["a"], ("opening", "spikes", "codes"))).trace
    assert dump is not None
    (found,) = compare_dump(net, images, replace(dump, net=net)).populations[1:2]
    assert found.judged.hints[0].name == "composed" and WORDS in found.judged.hints[0].text
