"""Causes composed of updates of membranes that follow one another: a chip that takes spikes from a queue and adds what
each delivers to memories in which channels lie in turn; each time with one slip, which is named (CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from answering import composed_of, driven, off
from fsref import FS, Conv2d, Dense, Input, Network, Readout, fs_relu
from fsref.vectors.case import Case, case_of
from fsref.verification.causes import Judged

K, BANKS, DEEP = 4, 2, 4  # steps, memories of membranes, and spikes that the queue holds


def network() -> Network:
    """A conv2d of two groups with more outputs than inputs, dense ones behind, two of them into one population."""
    rng = np.random.default_rng(3)
    return Network(
        [
            Input("in", (4, 3, 5), K, 15),
            FS("a", (8, 3, 3), fs_relu(K, 90), rng.integers(-40, 90, 8)),
            FS("b", (5, 1, 1), fs_relu(K, 70), rng.integers(-40, 90, 5)),
            Readout("out", (3, 1, 1), [3, -400, 20]),
        ],
        [
            Conv2d("in", "a", small(rng, 8, 2, 3, 4), padding=(1, 1, 1, 0), groups=2),
            Dense("in", "b", small(rng, 5, 60)),
            Dense("a", "b", small(rng, 5, 72)),
            Dense("b", "out", small(rng, 3, 5)),
        ],
    )


def small(rng: np.random.Generator, *shape: int) -> Any:
    """Weights of which some are 0."""
    return rng.integers(-30, 31, shape) * (rng.integers(0, 5, shape) > 0)


NET = network()
Event = tuple[int, int, int, int]  # step, channel, row, column


class Chip:
    """Spikes in the order of steps and addresses; a slip overrides a method."""

    words = ""

    def queued(self, events: list[Event]) -> list[Event]:
        """The spikes as the queue gives them."""
        return events

    def group(self, c: int, inputs: int, outputs: int) -> int:
        """The group of a channel, from the inputs and outputs of one."""
        return c // inputs

    def reached(self, group: int, outputs: int, inputs: int) -> range:
        """The outputs of a group."""
        return range(group * outputs, (group + 1) * outputs)

    def bounds(self, target: tuple[int, ...], source: tuple[int, ...]) -> tuple[int, ...]:
        """The rows and columns in which something is added."""
        return target

    def added(self, v: int, more: int) -> int:
        """The sum that is written."""
        return v + more

    def told(self, train: Any, shape: tuple[int, int, int]) -> Any:
        """The trains that are told of a population."""
        return train

    def update(self, memory: dict[int, int], steps: list[list[tuple[int, int]]]) -> None:
        """Add what comes to the addresses of one memory, step by step."""
        for at, more in [one for step in steps for one in step]:
            memory[at] = self.added(memory[at], more)

    def deliver(self, q: Any, z: Any, memories: list[dict[int, int]]) -> None:
        """Add what a projection delivers from spikes (K, C, H, W)."""
        channels, rows, columns = z.shape[1:]
        shape = NET[q.target].shape
        height, width = self.bounds(shape[1:], (rows, columns))
        events = [(int(t), int(c), int(y), int(x)) for t, c, y, x in np.argwhere(z)]
        banks: list[list[list[tuple[int, int]]]] = [[[] for _ in range(K)] for _ in memories]
        w = q.weights.astype(np.int64)
        for t, c, y, x in self.queued(events):
            if isinstance(q, Dense):
                some = [(o, 0, 0, int(w[o, (c * rows + y) * columns + x])) for o in range(len(w))]
            else:
                inputs, outputs = w.shape[1], len(w) // q.groups
                some = [
                    (o, y + q.padding[0] - r, x + q.padding[1] - s, int(w[o, c % inputs, r, s]))
                    for o in self.reached(self.group(c, inputs, outputs), outputs, inputs)
                    for r in range(w.shape[2])
                    for s in range(w.shape[3])
                ]
            for o, oy, ox, weight in some:
                at = (o // BANKS * shape[1] + oy) * shape[2] + ox
                if 0 <= o < shape[0] and 0 <= oy < height and 0 <= ox < width and at in memories[o % BANKS]:
                    banks[o % BANKS][t].append((at, weight << (K - 1 - t)))
        for memory, steps in zip(memories, banks, strict=True):
            self.update(memory, steps)

    def answer(self, codes: Any) -> dict[tuple[str, str], Any]:
        """All that is told of an image."""
        at = np.arange(K - 1, -1, -1)[:, None, None, None]
        z, found = {"in": codes.reshape(NET["in"].shape) >> at & 1}, {}
        for p in NET.integrating:
            c, y, x = (each.ravel() for each in np.indices(p.shape))
            address = (c // BANKS * p.shape[1] + y) * p.shape[2] + x
            memories: list[dict[int, int]] = [{} for _ in range(BANKS)]
            for bank, to, own in zip(c % BANKS, address, c, strict=True):
                memories[bank][int(to)] = int(np.array(p.bias).ravel()[own])
            for q in NET.into(p.name).values():
                self.deliver(q, z[q.source], memories)
            v = np.array([memories[bank][int(to)] for bank, to in zip(c % BANKS, address, strict=True)])
            found[p.name, "opening"] = v
            if isinstance(p, Readout):
                continue
            fired, after = [], []
            for t in range(K):
                fired.append((v >= p.table.T[t]).astype(np.int64))
                v = v - p.table.h[t] * fired[-1]
                after.append(v)
            z[p.name] = np.array(fired).reshape(K, *p.shape)
            train = (np.array(fired) << np.arange(K - 1, -1, -1)[:, None]).sum(axis=0)
            seen = self.told(train, p.shape)
            found |= {(p.name, "spikes"): seen, (p.name, "membranes"): np.array(after), (p.name, "codes"): train}
        return found


class ReadEarly(Chip):
    """A membrane is read before the update just before it is written."""

    words = "a membrane is read before the update just before it is written, step by step, spike by spike"

    def update(self, memory: dict[int, int], steps: list[list[tuple[int, int]]]) -> None:
        waiting: tuple[int, int] | None = None
        for at, more in [one for step in steps for one in step]:
            v = memory[at] + more
            if waiting is not None:
                memory[waiting[0]] = waiting[1]
            waiting = at, v
        if waiting is not None:
            memory[waiting[0]] = waiting[1]


class TakenForAnother(Chip):
    """The sum just made is taken for that of any address that is alike in its lowest bit."""

    words = "the sum just made is taken for that of any address alike modulo 2, step by step, spike by spike"

    def update(self, memory: dict[int, int], steps: list[list[tuple[int, int]]]) -> None:
        last: tuple[int, int] | None = None
        for at, more in [one for step in steps for one in step]:
            v = last[1] if last is not None and (last[0] ^ at) & 1 == 0 else memory[at]
            memory[at] = v + more
            last = at, memory[at]


class NotDrained(Chip):
    """The last update of each step never comes."""

    words = "the last update of each step is lost, step by step, spike by spike"

    def update(self, memory: dict[int, int], steps: list[list[tuple[int, int]]]) -> None:
        super().update(memory, [step[:-1] for step in steps])


class NeverNegative(Chip):
    """What is written is not below 0, where a weight of 0 comes neither."""

    words = "the sum is 0 where it is below with each spike, by a weight of 0, too [NET-6]"

    def added(self, v: int, more: int) -> int:
        return max(v + more, 0)


class LosesACarry(Chip):
    """The carry into bit 6 is lost."""

    words = "loses the carry into bit 6"

    def added(self, v: int, more: int) -> int:
        return v + more - (((v & 63) + (more & 63)) >> 6 << 6)


class OverfullQueue(Chip):
    """The queue takes one spike more than it holds, over the oldest one; in each step anew."""

    words = f"a queue of {DEEP} takes one spike more, which is sent twice, and the oldest is lost; of each step anew"

    def queued(self, events: list[Event]) -> list[Event]:
        found: list[Event] = []
        for t in range(K):
            mine = [event for event in events if event[0] == t]
            for first in range(0, len(mine), DEEP + 1):
                some = mine[first : first + DEEP + 1]
                found += [some[-1], *some[1:]] if len(some) > DEEP else some
        return found


class NotEmptied(Chip):
    """What waits in the queue when a step ends is sent in a later one, when it is full."""

    words = f"in a queue of {DEEP}, sent when it is full, spikes of one step wait on for those of the next"

    def queued(self, events: list[Event]) -> list[Event]:
        found: list[Event] = []
        waiting: list[Event] = []
        for event in events:
            if len(waiting) == DEEP:
                found += [(event[0], *one[1:]) for one in waiting]
                waiting = []
            waiting.append(event)
        return found + [(K - 1, *one[1:]) for one in waiting]


class OtherGroup(Chip):
    """The group of a channel is found by dividing by the outputs of one."""

    words = "a channel c of the source is of group c / (O / G)"

    def group(self, c: int, inputs: int, outputs: int) -> int:
        return c // outputs


class GroupsBeginEarly(Chip):
    """The outputs of a group begin behind as many as it has inputs."""

    words = "the outputs of groups begin as far apart as their inputs"

    def reached(self, group: int, outputs: int, inputs: int) -> range:
        return range(group * inputs, group * inputs + outputs)


class AllOutputs(Chip):
    """A spike comes to the outputs of all groups."""

    words = "a spike comes to all outputs, of other groups, too, by their own weights"

    def reached(self, group: int, outputs: int, inputs: int) -> range:
        return range(6)


class KeepsTrains(Chip):
    """The register of trains is not cleared between neurons."""

    words = "yours is ORed with those of all neurons before it"

    def told(self, train: Any, shape: tuple[int, int, int]) -> Any:
        return np.bitwise_or.accumulate(train)


class KeepsRows(Chip):
    """The latch of a row's spikes is not cleared before the next row, one for each memory."""

    words = "yours is ORed, step by step, with what the row before it left in its latch, one of 2 that channels take"

    def told(self, train: Any, shape: tuple[int, int, int]) -> Any:
        rows, latch = train.reshape(shape), np.zeros((BANKS, shape[2]), np.int64)
        found = np.zeros_like(rows)
        for t, c, y in np.ndindex(K, shape[0], shape[1]):
            latch[c % BANKS] |= rows[c, y] >> (K - 1 - t) & 1
            found[c, y] |= latch[c % BANKS] << (K - 1 - t)
        return found.ravel()


class LessOne(Chip):
    """The last output of each group gets nothing."""

    words = "the last output of each group gets nothing"

    def reached(self, group: int, outputs: int, inputs: int) -> range:
        return range(group * outputs, (group + 1) * outputs - 1)


class OutputsBefore(Chip):
    """A spike reaches all outputs up to the last of its group."""

    words = "a spike comes to the outputs before those of its group, too, by their own weights"

    def reached(self, group: int, outputs: int, inputs: int) -> range:
        return range((group + 1) * outputs)


class BoundBySource(Chip):
    """Columns are bounded as those of the source are."""

    words = (
        "as many columns of the target are reached as the source has, and those beyond run on at the address there, "
        "channels in 2 memories in turn"
    )

    def bounds(self, target: tuple[int, ...], source: tuple[int, ...]) -> tuple[int, ...]:
        return target[0], source[1]


CHIPS = [
    ReadEarly,
    TakenForAnother,
    NotDrained,
    NeverNegative,
    LosesACarry,
    OverfullQueue,
    NotEmptied,
    OtherGroup,
    GroupsBeginEarly,
    LessOne,
    AllOutputs,
    OutputsBefore,
    BoundBySource,
    KeepsTrains,
    KeepsRows,
]


def cases() -> Iterator[Case]:
    """Some images, of few spikes or many."""
    rng = np.random.default_rng(8)
    for few in (1, 2, 3, 8, 15, 30, 60) * 2:
        codes = np.where(rng.integers(0, 60, 60) < few, rng.integers(0, 16, 60), 0)
        yield case_of(NET, "network", "", {("in", "codes"): codes})


def judged(chip: Chip, more: int = 0) -> Judged:
    """What is composed of the answers of a chip, one opening of the first that differs so much more."""
    rows = [driven(case, chip.answer(case.given["in", "codes"])) for case in cases()]
    at = next(n for n, row in enumerate(rows) if not row.passed)
    rows[at] = off(rows[at], "a", "opening", 5, more)
    return composed_of(rows)


def test_the_chip_is_right_but_for_its_slip() -> None:
    """The chip without a slip answers every case as the law does."""
    assert all(driven(case, Chip().answer(case.given["in", "codes"])).passed for case in cases())


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.__name__)
def test_a_slip_is_named_first(chip: type[Chip]) -> None:
    """The first words are those of the slip, and explain every case that differs."""
    found = judged(chip())
    assert chip.words in found.hints[0].text and found.explained == found.judged > 0


@pytest.mark.parametrize("chip", [ReadEarly, NeverNegative, OverfullQueue], ids=lambda chip: chip.__name__)
def test_one_integer_more_that_is_wrong_has_no_such_words(chip: type[Chip]) -> None:
    """Where one opening is wrong by something else the words of the slip are not said."""
    assert not any(chip.words in hint.text for hint in judged(chip(), 12345).hints)
