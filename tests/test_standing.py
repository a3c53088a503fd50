"""What stands in memories and registers that are used again is told as that: accumulators that are not cleared, biases
that are not loaded, spikes that are overwritten or never cleared, sums read before they are written, and the tables of
another neuron's channel (CONFORM-7).

The device is written here from the law, with memories as chips have them, and shares nothing with what judges it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from answering import composed_of, driven
from fsref import FS, Conv2d, Dense, Input, Network, Readout, Table
from fsref.conformance.driven import Driven
from fsref.conformance.suspects import behind
from fsref.vectors.case import Case, case_of

STEPS = 5
HINTS = {
    "uncleared": "yours adds all that the projections before it deliver there, too",
    "cleared-short": "yours adds what stood in the accumulators before, in the last neuron",
    "loaded-short": "in yours the last bias of each population is not loaded: what stood there counts",
    "three-memories": "in yours spikes are kept in 3 memories in turn, so that those of its source are overwritten",
    "two-stages": "in yours a spike but each second of its step, counted back from the last, is lost",
    "tile": "yours compares with T of the channel of the first neuron of its 4",
    "unsigned": "in yours d has 6 bits without a sign",
}


class Machine:
    """A device of flat memories, with a mistake or none."""

    def __init__(self, mistake: str) -> None:
        self.mistake = mistake
        self.sums, self.biases, self.loaded = [0] * 64, [0] * 64, ""
        self.spikes: dict[int, Any] = {}

    def load(self, net: Network) -> None:
        """The biases of a network, one population behind the other."""
        base = 0
        for p in net.integrating:
            own = p.bias.ravel().tolist()
            for i, value in enumerate(own):
                if self.mistake != "loaded-short" or i < len(own) - 1:
                    self.biases[base + i] = value
            base += len(own)
        self.loaded, self.spikes = net.id, {}

    def answers(self, case: Case) -> dict[Any, Any]:
        """All that it says of a case."""
        net = case.net
        if net.id != self.loaded:
            self.load(net)
        told: dict[Any, Any] = {}
        base = 0
        for i, p in enumerate(net.populations):
            if p is net.input:
                words = case.given[p.name, "codes"]
                self.write(i, np.array([[w >> (STEPS - 1 - t) & 1 for w in words] for t in range(STEPS)]))
                continue
            area = p.shape[1] * p.shape[2]
            v = np.array([self.biases[base + n // area] for n in range(p.neurons)])
            base += p.shape[0]
            for turn, (name, q) in enumerate(net.into(p.name).items()):
                if turn == 0 or self.mistake != "uncleared":
                    count = p.neurons - (self.mistake == "cleared-short")
                    self.sums[:count] = [0] * count
                self.deliver(net, q)
                told[name, "sums"] = np.array(self.sums[: p.neurons])
                v = v + told[name, "sums"]
            told[p.name, "opening"] = v
            if isinstance(p, FS):
                fired, membranes, codes = self.fire(p, v)
                self.write(i, fired)
                trains = self.read(i)[:, : p.neurons]
                told[p.name, "spikes"] = sum(trains[t].astype(np.int64) << (STEPS - 1 - t) for t in range(STEPS))
                told[p.name, "membranes"], told[p.name, "codes"] = membranes, codes
        return {key: np.asarray(values, np.int64).reshape(case.expected[key].shape) for key, values in told.items()}

    def place(self, i: int) -> int:
        return i % 3 if self.mistake == "three-memories" else i

    def write(self, i: int, fired: Any) -> None:
        own = self.spikes.setdefault(self.place(i), np.zeros((STEPS, 64), np.int64))
        count = fired.shape[1]
        kept = own[:, :count] if self.mistake == "set-only" and i == 2 else 0
        own[:, :count] = fired | kept

    def read(self, i: int) -> Any:
        return self.spikes[self.place(i)]

    def worth(self, p: Any) -> Any:
        """What spikes of a population are worth, (K, channels)."""
        if isinstance(p, Input):
            return np.repeat((1 << np.arange(STEPS)[::-1])[:, None], p.shape[0], axis=1)
        d = p.table.rows(p.shape[0])[2].T
        return d & 63 if self.mistake == "unsigned" else d

    def deliver(self, net: Network, q: Any) -> None:
        """The spikes of a source, step by step and by address."""
        source = net[q.source]
        d, area = self.worth(source), source.shape[1] * source.shape[2]
        z = self.read(net.populations.index(source))
        for t in range(STEPS):
            events = [n for n in range(source.neurons) if z[t, n]]
            if self.mistake == "two-stages":
                events = events[::-1][::2]
            for n in events:
                for o, row in enumerate(q.weights.reshape(len(q.weights), -1).tolist()):
                    at, tap = (o * area + n % area, n // area) if q.weights.ndim == 4 else (o, n)
                    self.sums[at] += row[tap] * int(d[t, n // area])

    def fire(self, p: Any, v: Any) -> Any:
        T, h, _ = (rows.T for rows in p.table.rows(p.shape[0]))
        d, area, n = self.worth(p), p.shape[1] * p.shape[2], np.arange(p.neurons)
        c = (n // 4 * 4 if self.mistake == "tile" else n) // area
        fired, membranes, code = [], [], 0 * v
        for t in range(STEPS):
            z = (v >= T[t][c]).astype(np.int64)
            v = v - z * h[t][c]
            code = code + z * d[t][c]
            fired.append(z)
            membranes.append(v)
        return np.array(fired), np.array(membranes), code


def network(seed: int) -> Network:
    """Four populations one behind the other, skips that reach far, and two classes."""
    rng = np.random.default_rng(seed)

    def table(c: int) -> Table:
        T = np.sort(rng.integers(1, 60, (c, STEPS)))[:, ::-1].copy()
        return Table(T=T, h=T // 2 + 1, d=rng.integers(-9, 16, (c, STEPS)))

    shapes = {"in": (3, 1, 2), "a": (3, 1, 2), "b": (2 + seed % 2, 1, 2), "c": (9, 1, 1), "out": (2 + seed % 3, 1, 1)}
    made: list[Any] = [Input("in", shapes["in"], STEPS, 31)]
    made += [FS(n, shapes[n], table(shapes[n][0]), rng.integers(-9, 30, shapes[n][0])) for n in "abc"]
    made.append(Readout("out", shapes["out"], rng.integers(-40, 40, shapes["out"][0])))
    ends = [("in", "a"), ("a", "b"), ("in", "b"), ("b", "c"), ("a", "c"), ("c", "out"), ("in", "out"), ("a", "out")]
    size = {n: int(np.prod(shape)) for n, shape in shapes.items()}
    joined: list[Any] = []
    for source, target in ends:
        if target in "ab":
            weights = rng.integers(-4, 6, (shapes[target][0], shapes[source][0], 1, 1))
            joined.append(Conv2d(source, target, weights))
        else:
            joined.append(Dense(source, target, rng.integers(-4, 6, (size[target], size[source]))))
    return Network(made, joined)


def asked(mistake: str, seeds: tuple[int, ...] = (1, 2, 3, 4)) -> Iterator[Driven]:
    """What the device makes of cases of several networks, one after the other."""
    machine = Machine(mistake)
    for net in map(network, seeds):
        for codes in np.random.default_rng(net.input.neurons).integers(0, 32, (4, net.input.neurons)):
            case = case_of(net, "network", "out", {("in", "codes"): codes})
            yield driven(case, machine.answers(case))


@pytest.mark.parametrize("mistake", list(HINTS))
def test_what_stands_in_memories_is_named_first(mistake: str) -> None:
    """The first hint says which memory is not written when it should be, or read too soon."""
    found = composed_of(asked(mistake))
    assert found.hints and HINTS[mistake] in found.hints[0].text, found
    assert found.explained == found.judged


@pytest.mark.parametrize("mistake", list(HINTS))
def test_one_integer_more_that_is_wrong_has_no_such_words(mistake: str) -> None:
    """Where one sum more is wrong, in a case that passes else, what stood there is not named."""
    rows = [*asked(mistake)]
    at = max(range(len(rows)), key=lambda i: (rows[i].passed, -i))
    case, seen = rows[at].case, {key: values.copy() for key, values in rows[at].observed.items()}
    assert case is not None
    key = next(key for key in seen if key == ("in->a", "sums"))
    seen[key][0] += 977
    rows[at] = driven(case, seen)
    assert not any(HINTS[mistake] in hint.text for hint in composed_of(rows).hints)


def test_the_device_is_right_but_for_its_mistake() -> None:
    """Without a mistake it passes every case."""
    assert all(row.passed for row in asked(""))


def test_spikes_that_are_never_cleared_are_named() -> None:
    """Cases of one network in a row: what was sent before is told, too."""
    rows = [*asked("set-only", (2,))]
    found = behind(rows)
    assert "yours is ORed with what it told of the image before" in found.hints[0].text
