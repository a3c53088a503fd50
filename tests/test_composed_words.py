"""Causes composed of words: rows of tables and spikes that lie in words, a d that stays, queues that are full, sums
that are made update by update; each is named, and two of them are not where one integer more is wrong (CONFORM-7).

The chips are functions of what is expected, with one slip each, in plain integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from answering import composed_of, driven, off
from fsref import FS, Conv2d, Dense, Input, Network, Readout, Table, fs_relu
from fsref.vectors.case import Case, case_of

K, LANES = 4, 4  # steps, and memories that channels take in turn
Answers = dict[tuple[str, str], Any]
Events = list[tuple[int, int]]  # spikes by step and neuron


def of(net: Network, name: str) -> Any:
    """A population that is known to have a table, or a bias."""
    return net[name]


def table(rng: np.random.Generator, channels: int) -> Table:
    """A table in which T, h and d of each channel are others."""
    T = np.sort(rng.integers(1, 400, (channels, K)))[:, ::-1].copy()
    return Table(T=T, h=T // 2 + rng.integers(1, 50, (channels, K)), d=rng.integers(1, 60, (channels, K)))


def networks() -> Iterator[Network]:
    """A conv2d, with more channels than memories, and a dense of several words behind maps whose d differ."""
    for seed in (1, 2, 3):
        rng = np.random.default_rng(seed)
        yield Network(
            [
                Input("in", (2, 4, 5), K, 15),
                FS("maps", (3, 4, 5), table(rng, 3)),
                FS("conv", (9, 3, 4), table(rng, 9), rng.integers(-900, 900, 9)),
                FS("dense", (6, 1, 1), table(rng, 6), rng.integers(-900, 900, 6)),
                Readout("out", (2, 1, 1)),
            ],
            [
                Conv2d("in", "maps", rng.integers(-9, 10, (3, 2, 1, 1))),
                Conv2d("maps", "conv", rng.integers(-9, 10, (9, 3, 2, 2))),
                Dense("maps", "dense", rng.integers(-9, 10, (6, 60))),
                Dense("conv", "out", rng.integers(-9, 10, (2, 108))),
                Dense("dense", "out", rng.integers(-9, 10, (2, 6))),
            ],
        )


def cases(target: str) -> Iterator[Case]:
    """Trains of few spikes and of many, into one population."""
    rng = np.random.default_rng(4)
    for net in networks():
        for share in (2, 3, 40):
            trains = rng.integers(0, 16, 60) * (rng.integers(0, share, 60) == 0)
            yield case_of(net, "population", target, {("maps", "spikes"): trains})


def told(case: Case, sums: Any = None, T: Any = None, h: Any = None, late: Any = None) -> Answers:
    """What is told of a population with other sums, or other rows of its table, by channel or neuron; `late` neurons
    read a membrane as it stood two steps before.
    """
    name = case.unit
    p = of(case.net, name)
    size = p.shape[1] * p.shape[2]
    own = [np.repeat(rows, size, axis=0) for rows in p.table.rows(p.shape[0])]
    T, h = (
        rows if other is None else np.repeat(other, p.neurons // len(other), axis=0)
        for rows, other in zip(own, (T, h), strict=False)
    )
    (q,) = case.net.into(name)
    sums = case.expected[q, "sums"] if sums is None else sums
    v = opening = sums + np.repeat(np.array(p.bias), size)
    before, train, code, left = v, 0 * v, 0 * v, []
    for t in range(K):
        read = v if late is None else np.where(late, before, v)
        z = read >= T[:, t]
        before, v = v, read - h[:, t] * z
        train, code = train << 1 | z, code + own[2][:, t] * z
        left.append(v)
    found = {"opening": opening, "spikes": train, "membranes": np.array(left), "codes": code}
    return {(q, "sums"): sums} | {(name, what): values for what, values in found.items()}


def narrow(case: Case) -> Answers:
    """T of each channel lies in a word of 8 steps, and is read with a pitch of K."""
    T = of(case.net, case.unit).table.T
    memory = np.zeros((len(T), 8), np.int64)
    memory[:, :K] = T
    return told(case, T=memory.ravel()[: T.size].reshape(T.shape))


def one_on(case: Case) -> Answers:
    """h is that of the next step, in the last one what lies behind."""
    h = of(case.net, case.unit).table.h.astype(np.int64)
    return told(case, h=np.concatenate([h[:, 1:], np.full((len(h), 1), 77)], axis=1))


def counted(case: Case) -> Answers:
    """T of the channel that a counter tells which goes on a place late."""
    T = of(case.net, case.unit).table.T
    return told(case, T=T[np.arange(108) // 13])


def unwritten(case: Case) -> Answers:
    """A membrane is read before that of the step before is written, where no other neuron lies in its memory."""
    channels = case.net[case.unit].shape[0]
    c = np.arange(channels)
    return told(case, late=(c < LANES) & (c + LANES >= channels))


def spikes_told(case: Case, gathered: Callable[[Any], Any]) -> Answers:
    """Trains of spikes (K, C, places) that are told otherwise."""
    p = case.net[case.unit]
    at = np.arange(K - 1, -1, -1)
    z = (case.expected[p.name, "spikes"] >> at[:, None] & 1).reshape(K, p.shape[0], -1)
    found = (gathered(z.copy()).reshape(K, -1) << at[:, None]).sum(axis=0)
    return {**case.expected, (p.name, "spikes"): found}


def kept_on(z: Any) -> Any:
    """A word of 8 places is not cleared before the next one of its channel."""
    for place in range(8, z.shape[2]):
        z[:, :, place] |= z[:, :, place - 8]
    return z


def kept_partly(z: Any) -> Any:
    """The last word of 64 neurons of a step, which is no whole one, is not cleared."""
    flat = z.reshape(K, -1)
    for t in range(1, K):
        last = flat[t - 1, flat.shape[1] // 64 * 64 :].copy()
        flat[t, : len(last)] |= last
    return flat


def kept_through(z: Any) -> Any:
    """A word of 32 neurons is not cleared until all steps are through."""
    flat = np.pad(z.reshape(K, -1), ((0, 0), (0, 20))).reshape(-1, 32)
    for word in range(1, len(flat)):
        flat[word] |= flat[word - 1]
    return flat.reshape(K, -1)[:, :108]


def kept_before(z: Any) -> Any:
    """The same, and in the first step stands what came before: two spikes."""
    z.reshape(K, -1)[0, [1, 5]] = 1
    return kept_partly(z)


def first_tap_late(case: Case) -> Answers:
    """The first tap of each spike comes by the weights of the channel of the one before it, the first by its own."""
    q: Any = case.net.named_projections["maps->conv"]
    w, before = q.weights.astype(np.int64), -1
    z = case.given["maps", "spikes"]
    sums = case.expected["maps->conv", "sums"].reshape(9, 3, 4).copy()
    for t in range(K):
        for n in np.flatnonzero(z >> (K - 1 - t) & 1):
            c, y, x = n // 20, n // 5 % 4, n % 5
            if y < 3 and x < 4 and before >= 0:
                sums[:, y, x] += (w[:, before, 0, 0] - w[:, c, 0, 0]) * int(of(case.net, "maps").table.d[c, t])
            before = c
    return told(case, sums.ravel())


def unseen(case: Case) -> Answers:
    """A sum is not added where its lowest 4 bits are 0."""
    (name,) = case.net.into(case.unit)
    sums = case.expected[name, "sums"]
    return {**told(case, np.where(sums & 15, sums, 0)), (name, "sums"): sums}


def by_channel_before(case: Case) -> Answers:
    """Each spike comes by the weights of the channel of the one before it, the first by those of channel 0."""
    channel = [0]

    def before(c: int) -> int:
        channel.append(c)
        return channel[-2]

    return along(case, lambda t, n: (before(n // 20), n % 20, n // 20))


def nearer(case: Case) -> Answers:
    """Each spike is 8 neurons nearer for each empty word of 8 before it in its step."""
    z = case.given["maps", "spikes"] >> np.arange(K - 1, -1, -1)[:, None] & 1
    empty = [[not z[t, at : at + 8].any() for at in range(0, 60, 8)] for t in range(K)]

    def moved(t: int, n: int) -> tuple[int, int, int]:
        c, place = divmod(int(n - 8 * sum(empty[t][: n // 8])), 20)
        return c, place, c

    return along(case, moved)


def along(case: Case, where: Callable[[int, int], tuple[int, int, int]]) -> Answers:
    """Sums of a conv2d of spikes that come from another channel and place, worth d of a channel."""
    q: Any = case.net.named_projections["maps->conv"]
    d, w = of(case.net, "maps").table.d, q.weights.astype(np.int64)
    sums = np.zeros((9, 3, 4), np.int64)
    for t in range(K):
        for n in np.flatnonzero(case.given["maps", "spikes"] >> (K - 1 - t) & 1):
            c, place, own = where(t, int(n))
            for r, s in np.ndindex(2, 2):
                y, x = place // 5 - r, place % 5 - s
                if 0 <= y < 3 and 0 <= x < 4:
                    sums[:, y, x] += w[:, c, r, s] * d[own, t]
    return told(case, sums.ravel())


def delivered(case: Case, made: Callable[[Events, Any], list[tuple[int, int, int]]]) -> Answers:
    """Sums of spikes, in the order of steps and neurons, that are `made` otherwise: neuron, weight from, worth."""
    (name,) = case.net.into(case.unit)
    q: Any = case.net.named_projections[name]
    d = of(case.net, "maps").table.d
    at = np.arange(K - 1, -1, -1)[:, None]
    events: Events = [(int(t), int(n)) for t, n in np.argwhere(case.given["maps", "spikes"] >> at & 1)]
    sums = np.zeros(len(q.weights), np.int64)
    for _, n, worth in made(events, d):
        sums += q.weights[:, n].astype(np.int64) * worth
    return told(case, sums)


def of_first(events: Events, d: Any) -> list[tuple[int, int, int]]:
    """Spikes worth d of the channel of the first one of their step."""
    first: dict[int, int] = {}
    return [(t, n, int(d[first.setdefault(t, n // 20), t])) for t, n in events]


def stays(events: Events, d: Any) -> list[tuple[int, int, int]]:
    """d that is loaded where the channel of the source changes."""
    found, channel, worth = [], -1, 0
    for t, n in events:
        if n // 20 != channel:
            channel, worth = n // 20, int(d[n // 20, t])
        found.append((t, n, worth))
    return found


def full(events: Events, d: Any) -> list[tuple[int, int, int]]:
    """Of a step the spikes that come when a queue of 8 is full are lost."""
    counts: dict[int, int] = {}
    found = []
    for t, n in events:
        counts[t] = counts.get(t, -1) + 1
        if not counts[t] or counts[t] % 8:
            found.append((t, n, int(d[n // 20, t])))
    return found


def alike(case: Case) -> Answers:
    """In each memory the sum just made is taken for that of any address alike modulo 8; tap by tap, all outputs."""
    q: Any = case.net.named_projections["maps->conv"]
    d, w = of(case.net, "maps").table.d, q.weights.astype(np.int64)
    memory = np.zeros((LANES, 99), np.int64)
    last = [-1] * LANES
    for t in range(K):
        for n in np.flatnonzero(case.given["maps", "spikes"] >> (K - 1 - t) & 1):
            c, y, x = n // 20, n // 5 % 4, n % 5
            for r, s, o in np.ndindex(2, 2, 9):
                if 0 <= y - r < 3 and 0 <= x - s < 4:
                    lane, at = o % LANES, (o // LANES * 3 + y - r) * 4 + x - s
                    taken = last[lane] if last[lane] % 8 == at % 8 and last[lane] >= 0 else at
                    memory[lane, at] = memory[lane, taken] + w[o, c, r, s] * d[c, t]
                    last[lane] = at
    o, place = np.divmod(np.arange(108), 12)
    return told(case, memory[o % LANES, o // LANES * 12 + place])


CHIPS: dict[str, tuple[str, Callable[[Case], Answers], str]] = {
    "narrow": ("conv", narrow, "T of an address with a pitch of K, where each row lies in a word of 8 steps"),
    "one on": ("conv", one_on, "yours takes h of the next step, in the last one what lies behind its row off"),
    "counted": ("conv", counted, "yours compares with T of channel (n / (H * W + 1)) mod C"),
    "kept before": (
        "conv",
        lambda case: spikes_told(case, kept_before),
        "no whole one of 64, of the step before, in its first word, and in its first step what came before, too",
    ),
    "by channel before": (
        "conv",
        by_channel_before,
        "comes by the weights of the channel of the spike before it, the first by those of channel 0",
    ),
    "first tap late": (
        "conv",
        first_tap_late,
        "comes, at the first tap, by the weights of the channel of the spike before it, the first by its own",
    ),
    "unseen": ("conv", unseen, "in yours the sum is 0 where its lowest 4 bits are"),
    "kept through": (
        "conv",
        lambda case: spikes_told(case, kept_through),
        "what was gathered of the words of 32 before it in all steps, too",
    ),
    "nearer": ("conv", nearer, "a spike is 8 neurons nearer for each empty word of 8 before it in its step"),
    "unwritten": (
        "dense",
        unwritten,
        "v of the step before, where no other neuron lies in its memory, of 4 that channels take in turn",
    ),
    "kept on": (
        "conv",
        lambda case: spikes_told(case, kept_on),
        "yours has what was gathered of the words of 8 before it in its channel and step, too",
    ),
    "kept partly": (
        "conv",
        lambda case: spikes_told(case, kept_partly),
        "yours has what was gathered of the last word, where that is no whole one of 64, of the step before",
    ),
    "of first": (
        "dense",
        lambda case: delivered(case, of_first),
        "worth d of the channel of the first spike of its step",
    ),
    "stays": (
        "dense",
        lambda case: delivered(case, stays),
        "d stays from spike to spike while these come from one channel",
    ),
    "full": ("dense", lambda case: delivered(case, full), "that comes when a queue of 8 is full is lost"),
    "alike": (
        "conv",
        alike,
        "alike modulo 8, step by step, spike by spike, along a conv2d tap by tap, channels in 4 memories in turn",
    ),
}


@pytest.mark.parametrize("name", CHIPS)
def test_a_slip_of_words_is_named(name: str) -> None:
    """The first hint is the slip, and it gives every integer."""
    target, chip, words = CHIPS[name]
    found = composed_of(driven(case, chip(case)) for case in cases(target))
    assert words in found.hints[0].text and found.explained == found.judged > 0


@pytest.mark.parametrize("name", ["kept on", "stays"])
def test_nor_is_it_where_one_integer_more_is_wrong(name: str) -> None:
    """Where one integer more is wrong these words do not give it, and are not told."""
    target, chip, words = CHIPS[name]
    rows = [driven(case, chip(case)) for case in cases(target)]
    of, what = ("conv", "spikes") if name == "kept on" else ("maps->dense", "sums")
    rows[2] = off(rows[2], of, what, 1, 8)
    assert not any(words in hint.text for hint in composed_of(rows).hints)


def test_codes_that_no_train_has_follow_from_no_train() -> None:
    """Openings and codes are told of neurons that fire above T alone, and one code that no train of K steps has: what
    neurons do gives all but this one, and is not told.
    """
    rng, rows = np.random.default_rng(10), []
    for k, n in ((3, 3), (5, 4)):
        net = Network(
            [Input("in", (1, 2, 2), k, 2**k - 1), FS("hid", (n, 1, 1), fs_relu(k, 7)), Readout("out", (1, 1, 1))],
            [Dense("in", "hid", rng.integers(-9, 10, (n, 4))), Dense("hid", "out", np.ones((1, n), np.int64))],
        )
        for codes in rng.integers(0, 2**k, (40, 4)):
            case = case_of(net, "population", "hid", {("in", "spikes"): codes})
            seen = {("hid", what): case.expected["hid", what].copy() for what in ("opening", "codes")}
            seen["hid", "codes"] = np.clip((seen["hid", "opening"] - 1) // 7, 0, 2**k - 1)
            rows.append(driven(case, seen))
    assert "[FS-2]" in composed_of(rows).hints[0].text or "[FS-3]" in composed_of(rows).hints[0].text
    wrong = off(rows[-1], "hid", "codes", 0, 40)
    assert not composed_of([*rows[:-1], wrong]).hints


@pytest.mark.parametrize("width", [1, 2])
def test_windows_wider_than_their_source_are_tried_whatever_they_read(width: int) -> None:
    """Padding that is larger than the source, and rows of one column that may lie less far apart: no change that is
    tried reads beyond an array.
    """
    rng = np.random.default_rng(9)
    net = Network(
        [
            Input("in", (2, 2, width), K, 15),
            FS("conv", (4, 7, 6 + width), table(rng, 4)),
            Readout("out", (1, 1, 1)),
        ],
        [
            Conv2d("in", "conv", rng.integers(-9, 10, (4, 2, 2, 2)), padding=(3, 3, 3, 4)),
            Dense("conv", "out", np.ones((1, 28 * (6 + width)), np.int64)),
        ],
    )
    rows = [
        driven(case, case.expected)
        for codes in rng.integers(0, 16, (3, 4 * width))
        for case in (case_of(net, "population", "conv", {("in", "spikes"): codes}),)
    ]
    for at in (5, 40):
        found = composed_of([off(rows[0], "in->conv", "sums", at, 3), *rows[1:]])
        assert found.judged == 1


@pytest.mark.parametrize(
    ("worth", "words"),
    [
        (lambda d, own: np.where(np.arange(K)[:, None] < len(own), d, 0), "as many steps of the source are delivered"),
        (
            lambda d, own: np.concatenate([own, np.array([77, 31, 5])])[:K, None] + 0 * d,
            "d of its step in the table of the target, of the channel",
        ),
    ],
    ids=["steps", "d"],
)
def test_what_is_of_the_target_is_named(worth: Callable[[Any, Any], Any], words: str) -> None:
    """A chip delivers as many steps of a source as the target has, or worth its d, behind which something else lies:
    of 4 steps 2 or 3, and 4.
    """
    rng, rows = np.random.default_rng(8), []
    for steps in (2, 3, 4):
        own = np.arange(steps, 0, -1) * 3
        net = Network(
            [
                Input("in", (2, 4, 5), K, 15),
                FS("maps", (3, 4, 5), table(rng, 3)),
                FS("dense", (6, 1, 1), Table(T=own * 40, h=own * 30, d=own)),
                Readout("out", (1, 1, 1)),
            ],
            [
                Conv2d("in", "maps", rng.integers(-9, 10, (3, 2, 1, 1))),
                Dense("maps", "dense", rng.integers(-9, 10, (6, 60))),
                Dense("dense", "out", np.ones((1, 6), np.int64)),
            ],
        )
        d = worth(of(net, "maps").table.d.T.repeat(20, axis=1), own)
        for trains in rng.integers(0, 16, (4, 60)) * (rng.integers(0, 9, (4, 60)) == 0):
            case = case_of(net, "population", "dense", {("maps", "spikes"): trains})
            codes = ((trains >> np.arange(K - 1, -1, -1)[:, None] & 1) * d).sum(axis=0)
            sums = np.asarray(net.named_projections["maps->dense"].weights, np.int64) @ codes
            answered = case_of(net, "neuron", "dense", {("dense", "opening"): sums}).expected
            told = {("maps->dense", "sums"): sums, ("dense", "opening"): sums, **answered}
            rows.append(driven(case, {key: told[key] for key in case.expected}))
    found = composed_of(rows)
    assert words in found.hints[0].text and found.explained == found.judged > 0


def test_membranes_under_way_are_named() -> None:
    """A chip reads membranes before those of the last 4 neurons are written: a step late of 3 or 4, rightly of 6."""
    rng, rows = np.random.default_rng(7), []
    for count in (3, 4, 6):
        net = Network(
            [
                Input("in", (4, 1, 1), K, 15),
                FS("few", (count, 1, 1), table(rng, count), rng.integers(0, 300, count)),
                Readout("out", (1, 1, 1)),
            ],
            [
                Dense("in", "few", rng.integers(-30, 30, (count, 4))),
                Dense("few", "out", np.ones((1, count), np.int64)),
            ],
        )
        for codes in rng.integers(0, 16, (4, 4)):
            case = case_of(net, "population", "few", {("in", "spikes"): codes})
            rows.append(driven(case, told(case, late=np.full(count, count < 6))))
    assert "v before the last 4 neurons were written" in composed_of(rows).hints[0].text


def test_the_bias_where_the_first_sum_is_0_is_named() -> None:
    """A chip skips a first projection that delivers 0, so that the membrane before stands in the place of the bias."""
    rng, rows = np.random.default_rng(6), []
    for _ in range(3):
        net = Network(
            [
                Input("in", (4, 1, 1), K, 15),
                FS("a", (5, 1, 1), table(rng, 5), rng.integers(-300, 300, 5)),
                Readout("out", (5, 1, 1), rng.integers(-300, 300, 5)),
            ],
            [
                Dense("in", "a", rng.integers(-30, 30, (5, 4))),
                Dense("a", "out", rng.integers(-9, 10, (5, 5))),
                Dense("in", "out", rng.integers(-9, 10, (5, 4))),
            ],
        )
        for share in (1, 2, 4):
            codes = rng.integers(0, 16, 4) * (rng.integers(0, share, 4) == 0)
            case = case_of(net, "network", "out", {("in", "codes"): codes})
            left = case.expected["a", "membranes"].reshape(K, -1)[-1]
            begins = np.where(case.expected["a->out", "sums"] == 0, left, of(net, "out").bias)
            opening = begins + case.expected["a->out", "sums"] + case.expected["in->out", "sums"]
            rows.append(driven(case, {**case.expected, ("out", "opening"): opening}))
    found = composed_of(rows)
    assert "left in the memory of membranes, where the sum of its first projection is 0" in found.hints[0].text


def landed(w: Any, x: Any, q: Conv2d, shape: tuple[int, ...], even: bool) -> Any:
    """What a conv2d of codes delivers by weights (O, I, kh, kw): along columns where a place is even, or rightly."""
    found = np.zeros(shape, np.int64)
    for o, i, r, s, y in np.ndindex((*w.shape, x.shape[1])):
        oy, off_y = divmod(y + q.padding[0] - r, q.stride[0])
        for at in range(x.shape[2]):
            ox, off_x = divmod(at + q.padding[1] - s, q.stride[1])
            there = off_y == 0 and (ox * q.stride[1] + off_x) % (2 if even else q.stride[1]) == 0
            if there and 0 <= oy < shape[1] and 0 <= ox < shape[2]:
                found[o, oy, ox] += w[o, i, r, s] * x[i, y, at]
    return found


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("even", "a stride is masked, as if it were 2, where it is no 1"),
        ("taps", "in yours taps lie row by row before all else, and are read as if kernels had as many columns as"),
        ("burst", "in yours the sum is 0, at the places of its channel behind groups of 8"),
        ("seven", "in yours a weight is 0 where its lowest 7 bits are"),
    ],
)
def test_a_slip_of_a_conv2d_is_named(slip: str, words: str) -> None:
    """A chip tests one bit of a place for a stride of 3, numbers taps of 3 x 2 as of 3 x 3 (behind the last lies
    something else), adds sums in bursts of 8 places alone, or skips weights of which 7 bits are 0.
    """
    rng, rows = np.random.default_rng(5), []
    for _ in range(3):
        w = rng.integers(-40, 41, (4, 2, 3, 2)) - 168 * (rng.integers(0, 6, (4, 2, 3, 2)) == 0) * (slip == "seven")
        w = np.maximum(w, -128)
        net = Network(
            [
                Input("in", (2, 7, 8), K, 15),
                FS("maps", (2, 7, 8), table(rng, 2)),
                FS("conv", (4, 5, 3), table(rng, 4), rng.integers(-300, 300, 4)),
                Readout("out", (1, 1, 1)),
            ],
            [
                Conv2d("in", "maps", rng.integers(-9, 10, (2, 2, 1, 1))),
                Conv2d("maps", "conv", w, stride=(1, 3)),
                Dense("conv", "out", np.ones((1, 60), np.int64)),
            ],
        )
        q: Any = net.named_projections["maps->conv"]
        memory = np.concatenate([w.transpose(2, 3, 0, 1).reshape(6, 8), rng.integers(-9, 10, (2, 8))])
        taps = memory[np.arange(3)[:, None] * 3 + np.arange(2)].reshape(3, 2, 4, 2).transpose(2, 3, 0, 1)
        used = {"taps": taps, "seven": np.where(w & 127 == 0, 0, w)}.get(slip, w)
        for share in (1, 3, 30):
            trains = rng.integers(0, 16, 112) * (rng.integers(0, share, 112) == 0)
            case = case_of(net, "population", "conv", {("maps", "spikes"): trains})
            d = of(net, "maps").table.d.T.repeat(56, axis=1)
            codes = ((trains >> np.arange(K - 1, -1, -1)[:, None] & 1) * d).sum(axis=0).reshape(2, 7, 8)
            assert (landed(w, codes, q, (4, 5, 3), False).ravel() == case.expected["maps->conv", "sums"]).all()
            sums = landed(used, codes, q, (4, 5, 3), slip == "even").ravel()
            if slip == "burst":
                kept = sums * (np.arange(60) % 15 < 8)
                answered = told(case, kept) | {("maps->conv", "sums"): sums}
            else:
                answered = told(case, sums)
            rows.append(driven(case, answered))
    found = composed_of(rows)
    assert words in found.hints[0].text and found.explained == found.judged > 0
