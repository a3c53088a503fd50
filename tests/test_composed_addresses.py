"""Causes composed of addresses: devices that deliver spikes one by one from flat memories of weights and factors, each
with one address, border, word or queue that is another; and none where one integer more is wrong (CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from answering import composed_of, driven
from fsref import FS, Conv2d, Dense, Gate, Input, Network, Readout, fs_relu
from fsref.conformance.driven import first_difference
from fsref.conformance.suspects import arrays_of
from fsref.engines import reference
from fsref.vectors import flags
from fsref.vectors.case import Case, case_of
from fsref.verification.causes import Judged
from fsref.verification.composed import composed
from fsref.verification.composed.composed import Changes
from fsref.verification.composed.delivering import delivered, delivering, read_of
from fsref.verification.composed.relation import Change, Part

K = 4
Event = tuple[int, int]  # the step whose d it delivers, and the neuron


def network() -> Network:
    """A conv2d whose kernel is not square and whose stride is 3 along rows, one of two groups, a pooled dense, a gate
    and a dense.
    """
    rng = np.random.default_rng(7)
    out = Readout("out", (4, 1, 1), np.arange(4))
    return Network(
        [
            Input("in", (2, 6, 7), K, 15),
            FS("a", (6, 5, 3), fs_relu(K, 90), np.arange(6)),
            FS("b", (2, 1, 1), fs_relu(K, 25), [60, 91]),
            FS("two", (4, 6, 7), fs_relu(K, 90), np.arange(4)),
            FS("gated", (2, 6, 7), fs_relu(K, 40), [70, -30]),
            out,
        ],
        [
            Conv2d("in", "a", rng.integers(-60, 61, (6, 2, 4, 3)), (1, 3), (1, 1, 1, 1)),
            Dense("in", "b", rng.integers(-9, 10, (2, 2)) * 2 + 1, pooled=True),
            Conv2d("in", "two", rng.integers(-60, 61, (4, 1, 3, 2)), (1, 1), (1, 1, 1, 0), (1, 1), 2),
            Gate("in", "b", "gated", np.array([13, -22])),
            Dense("a", "out", rng.integers(-60, 61, (4, 90))),
            Dense("two", "out", rng.integers(-60, 61, (4, 168))),
            Dense("gated", "out", rng.integers(-60, 61, (4, 84))),
        ],
    )


NET = network()
NAMES = [*NET.named_projections]
WEIGHTS = np.concatenate([q.weights.ravel() for q in NET.projections]).tolist()  # one memory,
BASES = dict(zip(NAMES, np.cumsum([0, *(q.weights.size for q in NET.projections)]).tolist(), strict=False))


class Chip:
    """Spikes that are scanned from words of 32 neurons and delivered one by one; a mistake overrides a method."""

    def base(self, name: str) -> int:
        """Where the weights of a projection begin."""
        return BASES[name]

    def conv(self, q: Conv2d, o: int, i: int, r: int, s: int) -> int:
        """The address of a weight of a conv2d, from the base on."""
        _, inputs, kh, kw = q.weights.shape
        return ((o * inputs + i) * kh + r) * kw + s

    def dense(self, q: Dense, o: int, i: int) -> int:
        """The address of a weight of a dense, from the base on."""
        return o * q.weights.shape[1] + i

    def wrapped(self, address: int) -> int:
        """The address that the memory sees."""
        return address

    def grid(self, at: int, stride: int) -> int | None:
        """Which window begins at a place; None between two."""
        return None if at % stride else at // stride

    def lands(self, oy: int, ox: int, rows: int, columns: int) -> int | None:
        """The address in its channel of what is delivered; None of none."""
        return oy * columns + ox if 0 <= oy < rows and 0 <= ox < columns else None

    def place(self, n: int, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        """Channel, row and column of a neuron."""
        _, rows, columns = shape
        return n // (rows * columns), n // columns % rows, n % columns

    def rows(self, q: Conv2d) -> int:
        """How many kernel rows are visited."""
        return q.kernel[0]

    def outputs(self, count: int) -> int:
        """How many outputs of a group get something."""
        return count

    def word(self, q: Any, spikes: list[int], before: list[int]) -> list[int]:
        """The neurons of one word that are sent, behind those of the word before."""
        return spikes

    def queue(self, steps: list[list[int]]) -> list[Event]:
        """The spikes of all steps as they leave the queue."""
        return [(t, n) for t, spikes in enumerate(steps) for n in spikes]

    def factor(self, n: int, c: int) -> int:
        """The register of the factor."""
        return c

    def gate(self, n: int, c: int) -> int:
        """The address of the weight of a gate, from the base on."""
        return c

    def group(self, c: int, inputs: int, groups: int) -> int:
        """The group of a channel of the source."""
        return c // inputs

    def events(self, q: Any, words: Any) -> list[Event]:
        """The spikes of a population by its trains."""
        steps = []
        for t in range(K):
            sent: list[int] = []
            before: list[int] = []
            for first in range(0, len(words), 32):
                own = [n for n in range(first, min(first + 32, len(words))) if words[n] >> (K - 1 - t) & 1]
                sent += self.word(q, own, before)
                before = own
            steps.append(sent)
        return self.queue(steps)

    def sums(self, name: str, given: Any) -> list[int]:
        """What a projection delivers."""
        q: Any = NET.named_projections[name]
        source, target = NET[q.source].shape, NET[q.target].shape
        found, d = [0] * NET[q.target].neurons, NET.code_weights[q.source][0].tolist()
        file = [37] * 256  # what was left there by another network
        if isinstance(q, Gate):
            file[:2] = 0, 0
            for t, n in self.events(q, given[q.by, "spikes"].tolist()):
                file[n] += int(NET.code_weights[q.by][0, t])
        for t, n in self.events(q, given[q.source, "spikes"].tolist()):
            c, y, x = self.place(n, source)
            for to, address, times in self.products(q, n, c, y, x, target, file):
                at = self.wrapped(self.base(name) + address)
                w = WEIGHTS[at] if at < len(WEIGHTS) else -41  # and there, too
                if 0 <= to < len(found):
                    found[to] += w * d[t] * times
        return found

    def products(self, q: Any, n: int, c: int, y: int, x: int, target: Any, file: list[int]) -> Iterator[Any]:
        """The target, the address of the weight and the factor of each product of a spike."""
        if isinstance(q, Gate):
            yield n, self.gate(n, c), file[self.factor(n, c)]
        elif isinstance(q, Dense):
            yield from ((o, self.dense(q, o, c if q.pooled else n), 1) for o in range(self.outputs(target[0])))
        else:
            outputs, inputs, _, kw = q.weights.shape
            g, per_group = self.group(c, inputs, q.groups), outputs // q.groups
            for o, r, s in np.ndindex(self.outputs(per_group), self.rows(q), kw):
                oy, ox = self.grid(y + q.padding[0] - r, q.stride[0]), self.grid(x + q.padding[1] - s, q.stride[1])
                at = None if oy is None or ox is None else self.lands(oy, ox, *target[1:])
                if at is not None and g < q.groups:
                    own = g * per_group + o
                    yield own * target[1] * target[2] + at, self.conv(q, own, c % inputs, r, s), 1


class SquareKernels(Chip):
    """Inputs of a kernel lie kw * kw apart."""

    def conv(self, q: Conv2d, o: int, i: int, r: int, s: int) -> int:
        _, inputs, kh, kw = q.weights.shape
        return o * inputs * kh * kw + i * kw * kw + r * kw + s


class TilesOfOneInput(Chip):
    """The base of a tile of four outputs rises as if there were one input."""

    def conv(self, q: Conv2d, o: int, i: int, r: int, s: int) -> int:
        _, inputs, kh, kw = q.weights.shape
        per_group = len(q.weights) // q.groups
        g, k = divmod(o, per_group)
        first = g * per_group * inputs + k // 4 * 4 + k % 4 * inputs
        return (first + i) * kh * kw + r * kw + s


class NextBase(Chip):
    """Each projection has the base of the next one."""

    def base(self, name: str) -> int:
        return BASES.get(NAMES[min(NAMES.index(name) + 1, len(NAMES) - 1)], 0)


class NarrowAddress(Chip):
    """Addresses of weights have 6 bits."""

    def wrapped(self, address: int) -> int:
        return address % 64


class PaddedRows(Chip):
    """Rows of a dense are read from multiples of 64 on."""

    def dense(self, q: Dense, o: int, i: int) -> int:
        columns = q.weights.shape[1]
        return o * (columns if q.pooled else -(-columns // 64) * 64) + i


class PowersOfTwo(Chip):
    """A stride is masked and shifted."""

    def grid(self, at: int, stride: int) -> int | None:
        return None if at & (stride - 1) else at >> (stride.bit_length() - 1)


class NoBorder(Chip):
    """Nothing is checked right of the target."""

    def lands(self, oy: int, ox: int, rows: int, columns: int) -> int | None:
        return oy * columns + ox if 0 <= oy < rows and ox >= 0 else None


class Clipped(Chip):
    """What lands right of the target counts in its last column."""

    def lands(self, oy: int, ox: int, rows: int, columns: int) -> int | None:
        return super().lands(oy, min(ox, columns - 1), rows, columns)


class TargetRows(Chip):
    """Row and column of a spike are told by the number of rows."""

    def place(self, n: int, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        plane = shape[1] * shape[2]
        return n // plane, n % plane // shape[1], n % plane % shape[1]


class NarrowColumn(Chip):
    """The column of a spike has 2 bits."""

    def place(self, n: int, shape: tuple[int, int, int]) -> tuple[int, int, int]:
        c, y, x = super().place(n, shape)
        return c, y, x & 3


class ColumnsOfKernel(Chip):
    """No more kernel rows are visited than there are kernel columns."""

    def rows(self, q: Conv2d) -> int:
        return min(q.kernel)


class OneGroup(Chip):
    """Channels are parted by the number of groups."""

    def group(self, c: int, inputs: int, groups: int) -> int:
        return c // groups


class ShallowQueue(Chip):
    """A queue of eight spikes for each word."""

    def word(self, q: Any, spikes: list[int], before: list[int]) -> list[int]:
        return spikes[:8]


class Overwritten(Chip):
    """The same, in which the newest overwrite the oldest."""

    def word(self, q: Any, spikes: list[int], before: list[int]) -> list[int]:
        return spikes[-8:]


class Merged(Chip):
    """A pooled dense takes one spike of a channel from each word."""

    def word(self, q: Any, spikes: list[int], before: list[int]) -> list[int]:
        seen: dict[int, int] = {}
        for n in spikes:
            seen.setdefault(n // 42, n)
        return [*seen.values()] if getattr(q, "pooled", False) else spikes


class BehindEmpty(Chip):
    """The first spike of a word behind an empty one is lost."""

    def word(self, q: Any, spikes: list[int], before: list[int]) -> list[int]:
        return spikes[not before and bool(spikes) and spikes[0] >= 32 :]


class LeftBehind(Chip):
    """The last spike of a step leaves the queue with those of the next."""

    def queue(self, steps: list[list[int]]) -> list[Event]:
        waiting: list[int] = []
        found = []
        for t, spikes in enumerate(steps):
            waiting += spikes
            while len(waiting) > (t < K - 1):
                found.append((t, waiting.pop(0)))
        return found


class Emptied(Chip):
    """A queue of sixteen is empty when another spike comes than it can hold."""

    def queue(self, steps: list[list[int]]) -> list[Event]:
        found = []
        for t, spikes in enumerate(steps):
            waiting: list[int] = []
            for n in spikes:
                waiting = [n] if len(waiting) == 16 else [*waiting, n]
            found += [(t, n) for n in waiting]
        return found


class FactorByNeuron(Chip):
    """The factor is read by the neuron, where it has a register for each channel."""

    def factor(self, n: int, c: int) -> int:
        return n


class WeightByNeuron(Chip):
    """The weight of a gate is read by the neuron."""

    def gate(self, n: int, c: int) -> int:
        return n


class PartialTile(Chip):
    """A last tile of fewer than four outputs is not delivered to."""

    def outputs(self, count: int) -> int:
        return count // 4 * 4 if count > 4 else count


class ThirdLane(Chip):
    """The last of four lanes reads the weights of the one before."""

    def conv(self, q: Conv2d, o: int, i: int, r: int, s: int) -> int:
        per_group = len(q.weights) // q.groups
        return super().conv(q, o - (o % per_group % 4 == 3), i, r, s)

    def dense(self, q: Dense, o: int, i: int) -> int:
        return super().dense(q, o - (o % 4 == 3), i)


PLANTED: dict[type[Chip], str] = {
    PartialTile: "a last tile of fewer than 4 outputs of a group, where there is a whole one, gets nothing",
    ThirdLane: "output 3 of each tile of 4 outputs of a group has the weights of the output before",
    SquareKernels: "the address of a weight rises by kw * kw with each input",
    TilesOfOneInput: "the address of a weight rises by 4 * kh * kw with each tile of 4 outputs",
    NextBase: "weights are those of the next projection",
    NarrowAddress: "the address of a weight wraps at 6 bits",
    PaddedRows: "the address of a weight rises with each output by what is right, rounded up to a multiple of 64",
    PowersOfTwo: "a stride is masked and shifted, as if it were a power of two",
    NoBorder: "what is delivered right of the target runs on at the address there",
    Clipped: "what is delivered right of the target counts in the last one before",
    TargetRows: "the place of a spike is told from its address as if rows lie",
    NarrowColumn: "the column of a spike wraps at 2 bits",
    ColumnsOfKernel: "as many kernel rows are visited as there are kernel columns",
    OneGroup: "a channel c of the source is of group c / G",
    ShallowQueue: "a spike behind the first 8 of its word of 32 neurons is lost",
    Overwritten: "a spike before the last 8 of its word of 32 neurons is lost",
    Merged: "a spike behind the first of its channel in its word of 32 neurons is lost",
    BehindEmpty: "a spike that is the first of its word of 32 neurons behind an empty word is lost",
    LeftBehind: "the last spike waits in a queue for others behind; in the last step all are sent",
    Emptied: "a spike of 16 of its step that fill a queue for which another comes is lost",
    FactorByNeuron: "its factor is read at the address of its neuron",
    WeightByNeuron: "its weight is read at the address of its neuron",
}


def cases() -> Iterator[Case]:
    """Some images of each projection, whose trains have few spikes or many."""
    rng = np.random.default_rng(4)
    for name, q in NET.named_projections.items():
        for image in range(40 if isinstance(q, Gate) else 4):
            given = {}
            for source in q.sources:
                n, high = NET[source].neurons, 1 << K
                few = rng.integers(0, high, n) & rng.integers(0, high, n) & rng.integers(0, high, n)
                given[source, "spikes"] = few if image % 2 else rng.integers(0, high, n)
            yield case_of(NET, "projection", name, given)


CASES = tuple(cases())


def judged(chip: Chip, more: int = 0, cases: Sequence[Case] = CASES) -> Judged:
    """What is composed of the answers of a chip; of one integer more that is wrong, where there is something more."""
    rows = []
    for case in cases:
        seen = {(case.unit, "sums"): np.array(chip.sums(case.unit, case.given), np.int64)}
        (values,) = seen.values()
        wrong = np.flatnonzero(values != case.expected[case.unit, "sums"])
        if wrong.size and more:
            values[wrong[0]] += more
            more = 0
        rows.append(driven(case, seen))
    return composed_of(rows)


def test_the_chip_is_right_but_for_its_mistake() -> None:
    """The chip without a mistake answers every case as the law does."""
    for case in CASES:
        assert first_difference(case, {(case.unit, "sums"): np.array(Chip().sums(case.unit, case.given))}) is None


@pytest.mark.parametrize("chip", PLANTED)
def test_what_is_planted_is_named_first(chip: type[Chip]) -> None:
    """The first words are those of what is wrong, and explain every case that differs."""
    found = judged(chip())
    assert found.hints and found.explained == found.judged > 0, found.observed
    assert PLANTED[chip] in found.hints[0].text, found.hints


@pytest.mark.parametrize("chip", PLANTED)
def test_one_integer_more_that_is_wrong_has_no_words(chip: type[Chip], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one integer is wrong by something else the words of what is planted are not said. Other words are not
    sought: that would take long.
    """

    def some(parts: Sequence[Part], changes: Changes) -> Iterator[Change]:
        yield from (change for change in changes(parts) if PLANTED[chip] in change.text)

    law = {kind: (says, rule, partial(some, changes=changes)) for kind, (says, rule, changes) in composed.LAW.items()}
    monkeypatch.setattr(composed, "LAW", law)
    found = judged(chip(), more=1)
    assert not found.explained and found.observed


def test_of_what_stands_beyond_a_memory_nothing_is_said() -> None:
    """Where nearly all that differs was read beyond the end of a memory, of which nobody knows what stands there, what
    is left is too little for a cause.
    """
    few = [case for case in CASES if isinstance(NET.named_projections[case.unit], Gate)][:3]
    found = judged(FactorByNeuron(), cases=few)
    assert not any("address" in hint.text for hint in found.hints)


def test_a_projection_delivers_what_the_law_says_by_any_weights() -> None:
    """What windows see is written down once: with other weights and from other planes it delivers what the reference
    does.
    """
    rng = np.random.default_rng(2)
    for name, q in NET.named_projections.items():
        if isinstance(q, Gate):
            continue
        own = [case for case in CASES if case.unit == name]
        scene = flags.scene_of(NET, q.target, arrays_of(own))
        part = delivering(scene, name, scene.sums[name])
        read = read_of(part)
        weights, plane = rng.integers(-999, 999, read.weights.shape), rng.integers(-99, 99, read.codes.shape)
        other, shape = read.by(weights), NET[q.target].shape
        for codes in (read.codes, plane):
            assert (delivered(part, other, codes) == reference.carried(codes, other, shape, scene.codes).ravel()).all()
        assert (delivered(part, q, read.codes) == part.right).all()
