"""Causes composed of what is sent, shown, pooled and multiplied: gates, views, max-pools, trains, tiles and pitches,
each planted by hand; and none where one integer more is wrong (CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

import answering
import fsref
from answering import composed_of
from fsref import FS, Conv2d, Dense, Gate, Input, MaxPool, Network, Readout, View, fs_relu
from fsref.conformance.driven import Driven
from fsref.conformance.suspects import behind
from fsref.simulation.recording import Record
from fsref.vectors.case import Case, case_of
from fsref.verification.composed import composed
from fsref.verification.composed.composed import Changes
from fsref.verification.composed.relation import Change, Part
from fsref.verification.differences import compare_dump

K, ROWS, COLUMNS = 4, 4, 6  # of the source
SHOWN = ([2, 0, -1, 3], [4, 1, -1, 0, 5])  # rows and columns of the view

Answer = dict[tuple[str, str], Any]


def network() -> Network:
    """An input of two channels that a view shows, a max-pool reads, and a conv2d; a gate of two populations."""
    rng = np.random.default_rng(3)
    shape = (2, ROWS, COLUMNS)
    kernel = rng.integers(-6, 7, (2, 2, 3, 3)) * 2 + 1
    return Network(
        [
            Input("in", shape, K, 15),
            View("view", (2, 4, 5), "in", *map(np.array, SHOWN)),
            MaxPool("pool", (2, 3, 5), "in", (2, 2), (1, 1), (0, 0, 0, 0)),
            FS("a", shape, fs_relu(K, 6), [9, -4]),
            FS("b", (2, 1, 1), fs_relu(K, 25), [60, 91]),
            FS("gated", shape, fs_relu(K, 40), [70, -30]),
            Readout("out", (1, 1, 1), [3]),
        ],
        [
            Conv2d("in", "a", kernel, padding=(1, 1, 1, 1)),
            Dense("in", "b", rng.integers(-3, 4, (2, 2)), pooled=True),
            Gate("a", "b", "gated", np.array([3, -2])),
            Dense("view", "out", rng.integers(-9, 9, (1, 40))),
            Dense("pool", "out", rng.integers(-9, 9, (1, 30))),
            Dense("gated", "out", rng.integers(-9, 9, (1, 48))),
        ],
    )


NET = network()


def trains(words: Any) -> Any:
    """The spikes (K, C, H, W) of train words."""
    return np.array(words)[None] >> np.arange(K - 1, -1, -1).reshape(-1, *[1] * np.ndim(words)) & 1


def words_of(spikes: Any) -> Any:
    return (spikes * (1 << np.arange(K - 1, -1, -1)).reshape(-1, *[1] * (spikes.ndim - 1))).sum(axis=0)


def told(name: str, spikes: Any) -> Answer:
    """The train and the code, whose d are powers of two, of spikes (K, C, H, W)."""
    words = words_of(spikes).ravel()
    return {(name, "spikes"): words, (name, "codes"): words}


def codes(case: Case, name: str) -> Any:
    """The codes of a population, as it has its neurons."""
    given = case.given if name == "in" else case.expected
    return np.array(given[name, "codes"]).reshape(NET[name].shape)


def view(show: Callable[[int, int, int], tuple[int, int, int] | None], late: int = 0) -> Callable[[Case], Answer]:
    """A view that shows the channel, row and column of the source that are told, or nothing."""

    def answer(case: Case) -> Answer:
        z, found = trains(codes(case, "in")), np.zeros((K, 2, 4, 5), np.int64)
        for c, y, x in np.ndindex(2, 4, 5):
            if (at := show(c, y, x)) is not None:
                found[(slice(None), c, y, x)] = z[(slice(None), *at)]
        return told("view", np.concatenate([0 * found[:late], found[: K - late]]))

    return answer


def right(c: int, y: int, x: int) -> tuple[int, int, int] | None:
    """What the view rightly shows."""
    row, column = SHOWN[0][y], SHOWN[1][x]
    return None if min(row, column) < 0 else (c, row, column)


def below(c: int, y: int, x: int) -> tuple[int, int, int] | None:
    """One row below."""
    at = right(c, y, x)
    return None if at is None or at[1] + 1 == ROWS else (c, at[1] + 1, at[2])


def narrow(c: int, y: int, x: int) -> tuple[int, int, int] | None:
    """With rows as long as those of the view, 5."""
    at = right(c, y, x)
    if at is None:
        return None
    address = (at[0] * ROWS + at[1]) * 5 + at[2]
    return address // (ROWS * COLUMNS), address // COLUMNS % ROWS, address % COLUMNS


def listed(c: int, y: int, x: int) -> tuple[int, int, int] | None:
    """With the list of columns from the last place of that of rows on."""
    row, column = SHOWN[0][y], [*SHOWN[0], *SHOWN[1]][len(SHOWN[0]) - 1 + x]
    return None if min(row, column) < 0 else (c, row, column)


def unlooked(c: int, y: int, x: int) -> tuple[int, int, int] | None:
    """At a column of -1 what lies before its row; before the first one a neuron that always fires."""
    row, column = SHOWN[0][y], SHOWN[1][x]
    address = (c * ROWS + row) * COLUMNS + column
    at = max(address, 0)
    return None if row < 0 else (at // (ROWS * COLUMNS), at // COLUMNS % ROWS, at % COLUMNS)


def pool(kept: str) -> Callable[[Case], Answer]:
    """A max-pool whose candidates that dropped out stay out in the next window of its row; whose largest train stays in
    a register; in which all candidates drop out that tie; or some in the first step alone.
    """

    def answer(case: Case) -> Answer:
        z, found = trains(codes(case, "in")), np.zeros((K, 2, 3, 5), np.int64)
        for y in range(3):
            for c in range(2):
                out: set[int] = set()
                most = 0
                for x in range(5):
                    out = out if kept == "row" else set()
                    own = [z[:, c, y + r, x + k].tolist() for r in range(2) for k in range(2)]
                    for t in range(K):
                        still = [n for n in range(4) if n not in out]
                        firing = [n for n in still if own[n][t]]
                        found[t, c, y, x] = bool(firing)
                        out |= {n for n in still if firing and n not in firing and (kept != "once" or t == 0)}
                        out |= set(firing) if kept == "tied" and len(firing) > 1 else set()
                    most = max(most, int(words_of(found[:, c, y, x])))
                    if kept == "largest":
                        found[:, c, y, x] = trains(most)
        return told("pool", found)

    return answer


def neurons(name: str, sums: Any, bias: tuple[int, int], theta: int) -> Answer:
    """What FS-ReLU neurons (2, H, W) make of sums."""
    v = opened = sums + np.array(bias).reshape(2, 1, 1)
    spikes, membranes = [], []
    for t in range(K):
        spikes.append((v >= theta << (K - 1 - t)).astype(np.int64))
        v = v - spikes[-1] * (theta << (K - 1 - t))
        membranes.append(v.ravel())
    found = {(name, "opening"): opened.ravel(), (name, "membranes"): np.array(membranes)}
    return found | told(name, np.array(spikes))


def gate(change: Callable[[Any, Any, Any], Any]) -> Callable[[Case], Answer]:
    """A gate that delivers otherwise, from the codes of its source and its factor, and its weights."""

    def answer(case: Case) -> Answer:
        sums = change(codes(case, "a"), codes(case, "b"), np.array([3, -2]).reshape(2, 1, 1))
        return {("a->gated", "sums"): sums.ravel(), **neurons("gated", sums, (70, -30), 40)}

    return answer


def conv(reads: Callable[..., Any], source: Any = None) -> Callable[[Case], Answer]:
    """A conv2d whose window (y, x) reads so much of the source in channel i at row v and column u."""

    def answer(case: Case) -> Answer:
        (q,) = NET.into("a").values()
        plane = codes(case, "in") if source is None else source(trains(codes(case, "in")))
        sums = np.zeros((2, ROWS, COLUMNS), np.int64)
        for o, i, r, k in np.ndindex(2, 2, 3, 3):
            for y, x in np.ndindex(ROWS, COLUMNS):
                v, u = y + r - 1, x + k - 1
                if 0 <= v < ROWS and 0 <= u < COLUMNS:
                    sums[o, y, x] += int(q.weights[o, i, r, k]) * reads(y, x, i, v, u, plane)
        return {("in->a", "sums"): sums.ravel(), **neurons("a", sums, (9, -4), 6)}

    return answer


def plain(y: int, x: int, i: int, v: int, u: int, plane: Any) -> int:
    return int(plane[i, v, u])


def halo(y: int, x: int, i: int, v: int, u: int, plane: Any) -> int:
    return int(plane[i, v, u]) * (v // 2 == y // 2)


def twice(y: int, x: int, i: int, v: int, u: int, plane: Any) -> int:
    return int(plane[i, v, u]) * (1 + (u // 3 != x // 3))


def padded(y: int, x: int, i: int, v: int, u: int, plane: Any) -> int:
    """With rows one longer than they are; nothing behind the end."""
    address = (i * ROWS + v) * (COLUMNS + 1) + u
    return int(plane.ravel()[address]) if address < plane.size else 0


def banks(z: Any) -> Any:
    """Even and odd addresses have a queue each, which holds three spikes of a step."""
    found = z.copy().reshape(K, -1)
    for t, parity in np.ndindex(K, 2):
        found[t, np.flatnonzero(found[t, parity::2])[3:] * 2 + parity] = 0
    return (found * (1 << np.arange(K - 1, -1, -1))[:, None]).sum(axis=0).reshape(z.shape[1:])


def queue(z: Any) -> Any:
    """Eight spikes are sent in a step at most, of all channels; the others wait, and are worth what is sent then."""
    waiting: list[int] = []
    found = np.zeros(z[0].size, np.int64)
    for t in range(K):
        waiting += np.flatnonzero(z[t].ravel()).tolist()
        np.add.at(found, waiting[:8], 1 << (K - 1 - t))
        waiting = waiting[8:]
    return found.reshape(z.shape[1:])


def fan(case: Case) -> Answer:
    """Each spike is delivered to the first eight neurons that it has a weight to, in the order of addresses."""
    (q,) = NET.into("a").values()
    plane, count = codes(case, "in"), np.zeros((2, ROWS, COLUMNS), np.int64)
    sums = np.zeros((2, ROWS, COLUMNS), np.int64)
    for o, y, x, i, r, k in np.ndindex(2, ROWS, COLUMNS, 2, 3, 3):
        v, u, w = y + r - 1, x + k - 1, int(q.weights[o, i, r, k])
        if 0 <= v < ROWS and 0 <= u < COLUMNS and w:
            sums[o, y, x] += w * int(plane[i, v, u]) * (count[i, v, u] < 8)
            count[i, v, u] += 1
    return {("in->a", "sums"): sums.ravel(), **neurons("a", sums, (9, -4), 6)}


def membranes_before(case: Case) -> Answer:
    """The membrane behind a step is told as that before it."""
    opening, right_ones = case.expected["a", "opening"], case.expected["a", "membranes"]
    return {("a", "membranes"): np.concatenate([opening[None], right_ones[:-1]])}


def held(z: Any) -> Any:
    """A register holds the spikes for a step, and those of the first step at once, too."""
    late = np.concatenate([z[:1], z[:-1]])
    return (late * (1 << np.arange(K - 1, -1, -1)).reshape(-1, 1, 1, 1)).sum(axis=0)


def hazard(case: Case) -> Answer:
    """Each spike of a step takes a turn; what it adds to a neuron is lost when the next one adds to it, too."""
    (q,) = NET.into("a").values()
    z, sums = trains(codes(case, "in")), np.zeros((2, ROWS, COLUMNS), np.int64)
    for t, o, y, x in np.ndindex(K, 2, ROWS, COLUMNS):
        turns = [tuple(at) for at in np.argwhere(z[t])]
        added = [0] * len(turns)
        for turn, (i, v, u) in enumerate(turns):
            r, k = v - y + 1, u - x + 1
            added[turn] = int(q.weights[o, i, r, k]) << (K - 1 - t) if 0 <= r < 3 and 0 <= k < 3 else 0
        kept = [more for more, behind_it in zip(added, [*added[1:], 0], strict=True) if not behind_it]
        sums[o, y, x] += sum(kept)
    return {("in->a", "sums"): sums.ravel(), **neurons("a", sums, (9, -4), 6)}


def sends(change: Callable[[Any], Any]) -> Callable[[Case], Answer]:
    """Neurons that fire as they must, and send other spikes (K, neurons)."""

    def answer(case: Case) -> Answer:
        return told("a", change(trains(case.expected["a", "spikes"])))

    return answer


def arbitrated(z: Any) -> Any:
    """Of two neighbours that fire in a step one sends nothing."""
    found = z.copy()
    found[:, 1::2] &= 1 - z[:, ::2]
    return found


PLANTED: dict[str, tuple[Callable[[Case], Answer], str]] = {
    "view-below": (view(below), "yours shows 1 row behind that of its source [VIEW-1]"),
    "view-flipped": (view(lambda c, y, x: right(c, y, 4 - x)), "the column as far from the other end [VIEW-1]"),
    "view-channel": (view(lambda c, y, x: right(1 - c, y, x)), "channel"),
    "view-ignored": (view(lambda c, y, x: (c, y, x)), "the places that it shows in their order"),
    "view-fills": (
        view(lambda c, y, x: (c, max(SHOWN[0][y], 0), max(SHOWN[1][x], 0))),
        "yours shows along both axes the first place where it shows nothing [VIEW-1]",
    ),
    "view-pitch": (view(narrow), "the source is read as if its rows lie"),
    "view-list": (view(listed), "the list of columns is read one too early [VIEW-1]"),
    "view-unlooked": (
        view(unlooked),
        "yours does not look whether a column is -1, and shows what lies at its address [VIEW-1]",
    ),
    "view-late": (view(right, 1), "spikes come a step late [VIEW-1]"),
    "pool-row": (pool("row"), "candidates that drop out stay out from window to window of a row [POOL-1]"),
    "pool-largest": (pool("largest"), "the largest train is kept from window to window of a row [POOL-1]"),
    "pool-tied": (pool("tied"), "all candidates drop out when several fire [POOL-1]"),
    "pool-once": (pool("once"), "candidates drop out in the first step alone [POOL-1]"),
    "gate-added": (
        gate(lambda a, b, w: (a + sum(a >> t & 1 for t in range(K)) * b) * w),
        "each spike delivers w times the sum of d[t] and its factor [GATE-1]",
    ),
    "gate-squared": (gate(lambda a, b, w: a * b * w * w), "its weight is multiplied twice [GATE-1]"),
    "gate-step": (gate(lambda a, b, w: a * (b & ~1) * w), "its factor loses its lowest bit [GATE-1]"),
    "gate-first": (gate(lambda a, b, w: ((a & 7) * b + (a & 8)) * w), "a spike of the first step is multiplied by 1"),
    "gate-narrow": (gate(lambda a, b, w: np.minimum(a * b, 63) * w), "the product of code and factor saturates at"),
    "gate-channel": (gate(lambda a, b, w: a * b[::-1] * w), "its factor is that of the"),
    "gate-spikes": (gate(lambda a, b, w: (a & 7) * b * w), "a spike of the first step is lost [GATE-1]"),
    "tile-halo": (conv(halo), "sees nothing beyond its tile of 2 rows [PROJ-1]"),
    "tile-twice": (conv(twice), "sees twice what is beyond its tile of 3 columns [PROJ-1]"),
    "pitch": (conv(padded), "reads the source as if its rows lie 1 further apart"),
    "queue": (conv(plain, queue), "8 spikes are sent in a step at most, and the others wait for the next [PROJ-1]"),
    "hazard": (hazard, "a product at whose neuron the spike right behind its own arrives, too, is lost [PROJ-1]"),
    "banks": (conv(plain, banks), "whose addresses are alike modulo 2 is lost [PROJ-1]"),
    "counts": (conv(plain, lambda z: z.sum(axis=0)), "a spike is worth 1, whatever d is [PROJ-1]"),
    "held": (conv(plain, held), "spikes come a step late, those of the first step twice [PROJ-1]"),
    "fan-out": (fan, "a spike is delivered to the first 8 neurons of its targets alone [PROJ-1]"),
    "membranes-before": (membranes_before, "yours is that of the step before, of the opening first [OBS-1]"),
    "sent-late": (sends(lambda z: np.concatenate([0 * z[:1], z[:-1]])), "spikes come a step late [EVENT-2]"),
    "sent-arbitrated": (sends(arbitrated), "is lost [EVENT-2]"),
}


def case(seed: int) -> Case:
    """One image, half of it dark."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 16, 2 * ROWS * COLUMNS) * (rng.random(2 * ROWS * COLUMNS) < 0.7)
    return case_of(NET, "network", "", {("in", "codes"): image})


def driven(own: Case, answer: Answer) -> Driven:
    """What came of a case that was answered so, and else as the law does."""
    return answering.driven(
        own, {key: np.array(answer.get(key, values), np.int64) for key, values in own.expected.items()}
    )


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_named_first(name: str) -> None:
    """The first words are those of what is wrong, and give every case that differs; as the populations behind are
    right, the layer may be named, too.
    """
    answer, words = PLANTED[name]
    found = composed_of([driven(case(seed), answer(case(seed))) for seed in range(8)])
    assert found.hints and found.explained == found.judged > 0, found.observed
    instead, _, rule = words.partition(" [")
    assert instead in found.hints[0].text and rule in found.hints[0].text, found.hints


@pytest.mark.parametrize("name", PLANTED)
def test_one_integer_more_that_is_wrong_has_no_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an integer of one case is wrong by something else the words of what is planted are not said, and no others
    made of them. Other words are not sought: that would take long.
    """
    answer, words = PLANTED[name]
    core = words.partition(" [")[0]

    def some(parts: Sequence[Part], changes: Changes) -> Iterator[Change]:
        yield from (change for change in changes(parts) if core in change.text or change.text in core)

    law = {kind: (says, rule, partial(some, changes=changes)) for kind, (says, rule, changes) in composed.LAW.items()}
    monkeypatch.setattr(composed, "LAW", law)
    rows = []
    for seed in range(8):
        own, given = case(seed), answer(case(seed))
        if seed == 5:
            key = next(iter(given))
            given[key] = given[key].copy()
            given[key][np.flatnonzero(given[key])[3]] ^= 5
        rows.append(driven(own, given))
    found = composed_of(rows)
    assert not found.explained and found.observed


class Kept:
    """Devices in which something is left of the image before; each begins with nothing."""

    def __init__(self) -> None:
        self.out: dict[tuple[int, int, int], set[int]] = {}
        self.codes: Any = 0
        self.factor: Any = np.zeros((2, 1, 1), np.int64)
        self.last: Any = np.zeros((2, ROWS, COLUMNS), np.int64)
        self.sum: Any = np.zeros((2, 1, 1), np.int64)
        self.banks: list[Any] = [None, None]
        self.fired: Any = np.zeros((2, ROWS, COLUMNS), np.int64)

    def pool_mask(self, own: Case) -> Answer:
        """Candidates that dropped out are never in again."""
        z, found = trains(codes(own, "in")), np.zeros((K, 2, 3, 5), np.int64)
        for c, y, x in np.ndindex(2, 3, 5):
            out = self.out.setdefault((c, y, x), set())
            each = [z[:, c, y + r, x + k].tolist() for r in range(2) for k in range(2)]
            for t in range(K):
                still = [n for n in range(4) if n not in out]
                firing = [n for n in still if each[n][t]]
                found[t, c, y, x] = bool(firing)
                out |= {n for n in still if firing and n not in firing}
        return told("pool", found)

    def code_register(self, own: Case) -> Answer:
        """A code is added to what was told before."""
        self.codes = self.codes + own.expected["a", "codes"]
        return {("a", "codes"): self.codes}

    def factor_register(self, own: Case) -> Answer:
        """A gate multiplies by the factor of the image before."""
        factor, self.factor = self.factor, codes(own, "b")
        return gate(lambda a, b, w: a * factor * w)(own)

    def factor_sum(self, own: Case) -> Answer:
        """The registers of a factor are never cleared."""
        self.sum = self.sum + codes(own, "b")
        return gate(lambda a, b, w: a * self.sum * w)(own)

    def two_banks(self, own: Case) -> Answer:
        """Of two banks each begins again with what it left, not with the bias."""
        left, bias = self.banks.pop(0), np.array((9, -4)).reshape(2, 1, 1)
        right_ones = own.expected["a", "opening"].reshape(2, ROWS, COLUMNS)
        opening = right_ones if left is None else right_ones - bias + left
        found = neurons("a", opening - bias, (9, -4), 6)
        self.banks.append(found["a", "membranes"][-1].reshape(2, ROWS, COLUMNS))
        return found

    def pipeline(self, own: Case) -> Answer:
        """Spikes of the last step come in the first step of the next image, too."""
        more, self.last = self.last, codes(own, "in") & 1
        return conv(plain, lambda z: (z * (1 << np.arange(K - 1, -1, -1)).reshape(-1, 1, 1, 1)).sum(axis=0) + 8 * more)(
            own
        )

    def sent_again(self, own: Case) -> Answer:
        """What a neuron sent in the last step it sends in the first one of the next image, too."""
        found = trains(own.expected["a", "spikes"]).reshape(K, 2, ROWS, COLUMNS)
        last, self.fired = self.fired, found[-1]
        found = found.copy()
        found[0] |= last
        return told("a", found)

    def flag(self, own: Case) -> Answer:
        """A neuron that fired in the last step does not fire in the first one of the next image."""
        v = own.expected["a", "opening"].reshape(2, ROWS, COLUMNS)
        spikes, membranes = [], []
        for t in range(K):
            spikes.append((v >= 6 << (K - 1 - t)).astype(np.int64))
            spikes[-1] &= 1 - self.fired if t == 0 else 1
            v = v - spikes[-1] * (6 << (K - 1 - t))
            membranes.append(v.ravel())
        self.fired = spikes[-1]
        return {("a", "membranes"): np.array(membranes), **told("a", np.array(spikes))}


LEFT = {
    "pool_mask": "candidates that drop out stay out from image to image [POOL-1]",
    "code_register": "yours adds what it told of the image before",
    "factor_register": "its factor is that of the image before [GATE-1]",
    "factor_sum": "registers of its factor keep what gates before left, from image to image [GATE-1]",
    "two_banks": "the bias is its membrane behind the last step of the image two before, but for the first ones",
    "pipeline": "spikes of the last step of the image before in the first step, too [PROJ-1]",
    "sent_again": "in the last step of the image before in the first step, too [EVENT-2]",
    "flag": "yours does not fire, in the first step, where it fired in the last step of the image before [FS-2]",
}


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left_of_the_image_before_is_named(name: str) -> None:
    """Of images asked one after another the first words say what is left; none where an integer more is wrong."""
    answer = getattr(Kept(), name)
    rows = [driven(case(seed), answer(case(seed))) for seed in range(9)]
    found = behind(rows)
    assert found.hints and LEFT[name] in found.hints[0].text, found
    at = next(n for n, row in enumerate(rows) if n > 3 and not row.passed)
    answers = {key: values.copy() for key, values in rows[at].observed.items()}
    key = rows[at].difference.place, rows[at].difference.observable  # type: ignore[union-attr]
    answers[key].ravel()[-1] ^= 3
    assert not behind([*rows[:at], driven(case(at), answers), *rows[at + 1 :]]).explained


@pytest.mark.parametrize("observables", [("spikes",), ("opening", "spikes"), ("spikes", "codes")])
def test_diff_says_which_spikes_come_a_step_late(observables: tuple[str, ...]) -> None:
    """Of a dump in which the trains of a channel come a step late `diff` says so, whatever else was observed."""
    images = np.random.default_rng(4).integers(0, 16, (6, 2, ROWS, COLUMNS)).astype(np.uint8)
    dump = fsref.run(NET, images, record=Record(["a", "b"], observables)).trace
    assert dump is not None
    words = np.asarray(dump.arrays["a", "spikes"])
    late = np.where(np.arange(words.shape[1]) >= ROWS * COLUMNS, words >> 1, words)
    told = {**dump.arrays, ("a", "spikes"): late}
    told |= {("a", "codes"): late.astype(np.int64)} if "codes" in observables else {}
    (found,) = (p for p in compare_dump(NET, images, replace(dump, arrays=told)).populations if p.name == "a")
    assert "spikes come a step late, in the last channel [EVENT-2]" in found.judged.hints[0].text, found.judged


def of_one_step() -> Network:
    """Populations of every kind of one step."""
    return Network(
        [
            Input("in", (3, 2, 3), 1, 1),
            FS("a", (3, 2, 3), fs_relu(1, 2), [1, 0, 2]),
            FS("f", (3, 1, 1), fs_relu(1, 2), [1, 2, 3]),
            MaxPool("pool", (3, 2, 3), "a", (2, 2), (1, 1), (0, 0, 1, 1)),
            FS("b", (3, 2, 3), fs_relu(1, 1), [0, 1, -1]),
            Readout("out", (2, 1, 1), [0, 0]),
        ],
        [
            Conv2d("in", "a", np.arange(9).reshape(3, 3, 1, 1) % 5 - 2),
            Dense("in", "f", np.arange(54).reshape(3, 18) % 5 - 2),
            Gate("pool", "f", "b", [1, 2, 1]),
            Dense("b", "out", np.arange(36).reshape(2, 18) % 5 - 2),
        ],
    )


@pytest.mark.parametrize("key", [("a", "spikes"), ("pool", "spikes"), ("in->a", "sums"), ("pool->b", "sums")], ids=str)
def test_neurons_of_one_step_are_judged(key: tuple[str, str]) -> None:
    """What no words give of networks of one step is told as observed, and no word takes its channels for steps."""
    net, rng = of_one_step(), np.random.default_rng(5)
    rows = []
    for codes in rng.integers(0, 2, (8, 18)):
        case = case_of(net, "network", "", {("in", "codes"): codes})
        seen = {kind: values.copy() for kind, values in case.expected.items()}
        seen[key] = seen[key] ^ (rng.random(seen[key].shape) < 0.2)
        rows.append(driven(case, seen))
    found = composed_of(rows)
    assert found.hints == () and "are wrong" in found.observed
