"""Causes composed of where, what and when: devices that no catalogue knows are told in words that give every integer,
and what no words give is told as observed (CONFORM-7).

The devices are written here step by step from the law, with plain integers, and share nothing with what judges them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count as counting
from itertools import product
from typing import Any

import numpy as np
import pytest

from answering import composed_of, driven
from fsref import FS, Conv2d, Dense, Input, Network, Readout, Table
from fsref.conformance import conform
from fsref.conformance.driven import first_difference
from fsref.vectors.case import Case, case_of
from fsref.verification.causes import Judged
from fsref.verification.composed import adding, composed, search
from fsref.verification.composed.relation import Change, Part, Relation
from fsref.verification.composed.search import fitting
from fsref.verification.composed.values import BECOMES
from fsref.verification.scene import Scene

STEPS = 5
SCOPE = {"scopes": ["population"]}
SPIKES = [16, 8, 4, 2, 1]  # d of the source, an input of as many steps


class Device:
    """Neurons behind a dense or a conv2d, as the law has them; devices with a mistake override a method."""

    def weight(self, w: int, o: int, i: int) -> int:
        """The weight from input i to output o."""
        return w

    def product(self, w: int, t: int) -> int:
        """What a spike of step t delivers along a weight."""
        return w * SPIKES[t]

    def sent(self, z: list[list[int]]) -> list[list[int]]:
        """The spikes of each step, as they are delivered."""
        return z

    def total(self, products: list[tuple[int, int, int]]) -> int:
        """What a neuron is delivered, of products with their steps and sources."""
        return sum(more for _, _, more in products)

    def placed(self, sums: list[int]) -> list[int]:
        """What each neuron is delivered, at its address."""
        return sums

    def added(self, total: int, more: int) -> int:
        """The sum after an addition."""
        return total + more

    def bias(self, b: int, channel: int) -> int:
        """The bias that a channel begins with."""
        return b

    def opening(self, v: int, neuron: int) -> int:
        """The membrane that a neuron opens with."""
        return v

    def fires(self, v: int, T: list[int], t: int, fired: list[int], neuron: int) -> bool:
        """Whether a neuron fires."""
        return v >= T[t]

    def left(self, v: int, h: int, z: bool) -> int:
        """The membrane after a step."""
        return v - h if z else v

    def train(self, spikes: list[int]) -> list[int]:
        """The train that is told."""
        return spikes

    def code(self, code: int) -> int:
        """The code that is told."""
        return code

    def answers(self, net: Network, trains: Any) -> dict[Any, Any]:
        """All that it says of the neurons for one image, trains (neurons,) of the input."""
        p: Any = net["hid"]
        (q,) = net.into("hid").values()
        T, h, d = (rows.tolist() for rows in p.table.rows(p.shape[0]))
        area = p.shape[1] * p.shape[2]
        z = self.sent([[int(word) >> (STEPS - 1 - t) & 1 for word in trains] for t in range(STEPS)])
        sums, before = [], []
        for n in range(p.neurons):
            v = self.bias(int(p.bias[n // area]), n // area)
            taps = list(synapses(net, q, n))
            products = [
                (t, m, z[t][m] * self.product(self.weight(w, o, i), t))
                for t, (m, o, i, w) in product(range(STEPS), taps)
                if z[t][m]
            ]
            for _, _, more in products:
                v = self.added(v, more) if more else v
            sums.append(self.total(products))
            before.append(v - sum(more for _, _, more in products))
        sums = self.placed(sums)
        opened = [self.opening(v + total, n) for n, (v, total) in enumerate(zip(before, sums, strict=True))]
        words, codes, membranes = [], [], []
        for n, v in enumerate(opened):
            c, spikes, behind = n // area, list[int](), []
            for t in range(STEPS):
                z = self.fires(v, T[c], t, spikes, n)
                v = self.left(v, h[c][t], z)
                spikes.append(int(z))
                behind.append(v)
            words.append(sum(z << (STEPS - 1 - t) for t, z in enumerate(self.train(spikes))))
            codes.append(self.code(sum(dt * z for dt, z in zip(d[c], spikes, strict=True))))
            membranes.append(behind)
        told: dict[Any, Any] = {("in->hid", "sums"): sums, ("hid", "opening"): opened, ("hid", "spikes"): words}
        told |= {("hid", "membranes"): np.transpose(membranes), ("hid", "codes"): codes}
        return {key: np.array(values, np.int64) for key, values in told.items()}


def synapses(net: Network, q: Any, n: int) -> Iterator[tuple[int, int, int, int]]:
    """Source neuron, output, input and weight of every synapse of a neuron, in the order of the source."""
    if isinstance(q, Dense):
        yield from ((m, n, m, int(w)) for m, w in enumerate(q.weights[n]))
        return
    _, rows, columns = net["hid"].shape
    _, height, width = net["in"].shape
    o, y, x = n // (rows * columns), n // columns % rows, n % columns
    for (i, r, c), w in np.ndenumerate(q.weights[o]):
        at, beside = y + r - q.padding[0], x + c - q.padding[1]
        if 0 <= at < height and 0 <= beside < width:
            yield (i * height + at) * width + beside, o, i, int(w)


def networks() -> Iterator[Network]:
    """Two of a dense, one of a conv2d, with tables that are no FS-ReLU."""
    for seed in (1, 2, 3):
        rng = np.random.default_rng(seed)
        shape = (6, 1, 1) if seed < 3 else (4, 3, 3)
        T = np.sort(rng.integers(-10, 200, (shape[0], STEPS)))[:, ::-1].copy()
        table = Table(T=T, h=T // 2 + 9, d=np.array([19, 8, 5, 2, 1]))
        hid = FS("hid", shape, table, rng.integers(-40, 41, shape[0]))
        if seed < 3:
            along: Any = Dense("in", "hid", rng.integers(-9, 10, (6, 18)))
        else:
            along = Conv2d("in", "hid", rng.integers(-9, 10, (4, 2, 3, 3)), padding=(1, 1, 1, 1))
        out = Dense("hid", "out", rng.integers(-5, 6, (2, int(np.prod(shape)))))
        pixels, classes = Input("in", (2, 3, 3), STEPS, 31), Readout("out", (2, 1, 1), np.array([3, -4]))
        yield Network([pixels, hid, classes], [along, out])


NETWORKS = tuple(networks())
CASES = tuple(
    case_of(net, "population", "hid", {("in", "spikes"): trains})
    for net in NETWORKS
    for trains in np.random.default_rng(5).integers(0, 32, (4, 18))
)


def judged(
    device: Device, noise: Callable[[Case, dict[Any, Any]], None] | None = None, cases: Sequence[Case] = CASES
) -> Judged:
    """What is composed of the answers of a device."""
    rows = []
    for case in cases:
        seen = device.answers(case.net, case.given["in", "spikes"])
        seen = {key: seen[key] for key in case.expected}
        if noise is not None:
            noise(case, seen)
        rows.append(driven(case, seen))
    return composed_of(rows)


class NegativeWeights(Device):
    """Weights below zero are one too high."""

    def weight(self, w: int, o: int, i: int) -> int:
        return w + (w < 0)


class MissingInput(Device):
    """From output 2 on the first input is not read."""

    def weight(self, w: int, o: int, i: int) -> int:
        return 0 if o >= 2 and i == 0 else w


class EvenProducts(Device):
    """The lowest bit of a product is lost."""

    def product(self, w: int, t: int) -> int:
        return super().product(w, t) & ~1


class EvenCodes(Device):
    """Codes of the input are read without their lowest two bits."""

    def answers(self, net: Network, trains: Any) -> dict[Any, Any]:
        return super().answers(net, trains & ~3)


class FirstStepTwice(Device):
    """Spikes of the first step count twice."""

    def product(self, w: int, t: int) -> int:
        return super().product(w, t) * (2 if t == 0 else 1)


class Odd(Device):
    """Adding something negative to a negative sum sets the lowest bit."""

    def added(self, total: int, more: int) -> int:
        return total + more | 1 if total < 0 and more < 0 else total + more


class LowBias(Device):
    """A bias below zero is one too low."""

    def bias(self, b: int, channel: int) -> int:
        return b - (b < 0)


class Crossed(Device):
    """Bits 4 and 5 of the opening membrane are exchanged."""

    def opening(self, v: int, neuron: int) -> int:
        return v & ~0x30 | (v >> 4 & 1) << 5 | (v >> 5 & 1) << 4


class Repeated(Device):
    """Every fourth neuron has the membrane of the one before it."""

    def answers(self, net: Network, trains: Any) -> dict[Any, Any]:
        self.before = 0
        return super().answers(net, trains)

    def opening(self, v: int, neuron: int) -> int:
        told = self.before if neuron % 4 == 3 else v
        self.before = v
        return told


class Coarse(Device):
    """The lowest two bits of T and v are not compared."""

    def fires(self, v: int, T: list[int], t: int, fired: list[int], neuron: int) -> bool:
        return v >> 2 >= T[t] >> 2


class Twice(Device):
    """A neuron fires twice at most."""

    def fires(self, v: int, T: list[int], t: int, fired: list[int], neuron: int) -> bool:
        return sum(fired) < 2 and v >= T[t]


class Late(Device):
    """Odd steps compare with T of the step before."""

    def fires(self, v: int, T: list[int], t: int, fired: list[int], neuron: int) -> bool:
        return v >= T[t - t % 2]


class Holed(Device):
    """A reset clears bit 3 of the membrane."""

    def left(self, v: int, h: int, z: bool) -> int:
        return v - h & ~8 if z else v


class Swapped(Device):
    """The first two spikes of a train are told in each other's place."""

    def train(self, spikes: list[int]) -> list[int]:
        return [spikes[1], spikes[0], *spikes[2:]]


class Short(Device):
    """Codes end at 15."""

    def code(self, code: int) -> int:
        return min(code, 15)


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (NegativeWeights(), "a weight below 0 is 1 too high [PROJ-1]"),
        (MissingInput(), "a weight of the first input is 0, from channel 2 on [PROJ-1]"),
        (EvenProducts(), "a product loses its lowest bit [PROJ-1]"),
        (EvenCodes(), "a code, as it is read, loses its lowest 2 bits [PROJ-1]"),
        (FirstStepTwice(), "a spike of the first step counts twice [PROJ-1]"),
        (Odd(), "the sum has bit 0 stuck at 1 with each addition of something below 0 to a sum below 0 [NET-6]"),
        (LowBias(), "yours is 1 too low, where the bias is below 0 [NET-6]"),
        (Crossed(), "yours has bits 4 and 5 exchanged [NET-6]"),
        (Repeated(), "yours is that of the neuron 1 before, in neurons 3, 7, 11, ... [NET-6]"),
        (Coarse(), "in yours T loses its lowest 2 bits [FS-2]"),
        (Twice(), "yours does not fire, where the number of spikes before is 2 [FS-2]"),
        (Late(), "yours compares with T of the first step of its 2 [FS-2]"),
        (Holed(), "yours has bit 3 stuck at 0 then, where it fires [FS-3]"),
        (Swapped(), "the train is told: yours has steps 0 and 1 exchanged [OBS-1]"),
        (Short(), "yours saturates at 5 bits [OBS-1]"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Device) else "",
)
def test_what_is_done_instead_is_named(device: Device, words: str) -> None:
    """A mistake that no catalogue knows is told by where it is, what is done and when; it explains all that differs."""
    found = judged(device)
    assert found.hints and found.hints[0].name == "composed"
    assert words in found.hints[0].text
    assert found.explained == found.judged > 0 and not found.observed


def test_the_devices_are_right_but_for_their_mistake() -> None:
    """The device without a mistake answers every case as the law does."""
    for case in CASES:
        seen = Device().answers(case.net, case.given["in", "spikes"])
        assert first_difference(case, {key: seen[key] for key in case.expected}) is None


def test_what_no_words_give_is_observed() -> None:
    """Integers that follow from nothing have no cause: it is told where they are, how many, and by how much."""
    rng = np.random.default_rng(3)

    def noise(case: Case, seen: dict[Any, Any]) -> None:
        seen["hid", "codes"][1] += int(rng.integers(5, 90))

    found = judged(Device(), noise)
    assert found.hints == () and found.explained == 0
    assert (
        "[OBS-1]: 12 of " in found.observed and "all of them in neuron 1; 0 of those there are right" in found.observed
    )


def test_a_cause_that_is_right_but_for_one_integer_is_not_named() -> None:
    """One answer of hundreds that a cause does not give, and it is no cause."""
    assert judged(Crossed()).hints

    def noise(case: Case, seen: dict[Any, Any]) -> None:
        if case is CASES[-1]:
            seen["hid", "codes"][0] += 1

    assert not any("bits 4 and 5" in hint.text for hint in judged(Crossed(), noise).hints)


def test_what_one_row_rules_out_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """What becomes of a sum with each addition is ruled out by one row only where it does not give all that is wrong;
    and the additions of a scene are made once, not for each change.
    """
    one_by_one, ruled_out, made = search._misses, set(), []
    asked = counting()

    def both(change: Change, relation: Relation, wrong: Any, count: int) -> Any:
        if next(asked) % 16:  # some of thousands
            return one_by_one(change, relation, wrong, count)
        for part, own in zip(relation.parts, wrong, strict=True):
            if change.ruled_out(part):
                given = change.gives(part)
                assert given is not None and ((given != part.seen) & own).any(), change.text
                ruled_out.add(change.text)
        return one_by_one(change, relation, wrong, count)

    def counted(scene: Scene, *rest: Any) -> Any:
        made.append(scene)
        return followed(scene, *rest)

    followed = adding._added
    monkeypatch.setattr(search, "_misses", both)
    monkeypatch.setattr(adding, "_added", counted)
    assert "bit 0 stuck at 1" in judged(Odd()).hints[0].text
    assert len(ruled_out) > 30 and len(made) > 20 * len(set(made))


def test_conditions_hold_in_all_that_is_wrong_and_in_none_that_is_right() -> None:
    """Whatever is wrong, a condition that is named parts it from what is right: on drawn rows, held by counting."""
    rng = np.random.default_rng(8)
    for _ in range(20):
        count = 60
        places = {"channel": np.arange(count) // 10, "step": np.arange(count) % 10}
        ends = {name: values.max() - values for name, values in places.items()}
        value = rng.integers(-50, 50, count)
        at = int(rng.integers(1, 5))
        chosen = (places["channel"] >= at) & (value < 0)
        right = rng.integers(0, 100, count)
        seen = np.where(chosen, right + 7, right)
        part = Part(None, seen, right, {}, places, ends, {"v": value}, {}, {})  # type: ignore[arg-type]
        changes = [Change("yours is 7 too high", 1, lambda part: part.right + 7)]
        found = fitting(Relation("it is so", "OBS-1", [part], lambda parts: changes))  # noqa: B023
        assert "where v is below 0" in found[0].text
        told = {1: "but in the first channel", 3: "in the second half of the channels"}
        assert told.get(at, f"from channel {at} on") in found[0].text


def test_each_change_of_a_value_has_words_of_its_own() -> None:
    """No two changes are told alike, and each one changes some value."""
    values = np.concatenate([np.arange(-300, 300), 1 << np.arange(42), -(1 << np.arange(42))])
    assert len({each.text for each in BECOMES}) == len(BECOMES)
    assert all((each.of(values) != values).any() for each in BECOMES)


def test_the_report_tells_composed_causes_and_observations() -> None:
    """`conform` tells a composed cause as a hint, and what has none as observed, in words and in JSON."""

    def answer(net: Network, given: Any, device: Device, noise: int) -> dict[str, Any]:
        told = device.answers(net, given["in.spikes"])
        found = {f"{of}.{what}": values for (of, what), values in told.items()}
        found["hid.codes"][1] += noise * (1 + int(given["in.spikes"].sum()) % 50)
        return found

    def coarse(net: Network, given: Any) -> dict[str, Any]:
        return answer(net, given, Coarse(), 0)

    def noisy(net: Network, given: Any) -> dict[str, Any]:
        return answer(net, given, Device(), 1)

    told = {dut.__name__: conform(dut, examples=0, cases=CASES, rejects=(), greeting=SCOPE) for dut in (coarse, noisy)}
    plain = {name: report.to_dict() for name, report in told.items()}
    assert plain["coarse"]["causes"][0] == "composed" and plain["coarse"]["observation"] is None
    assert plain["noisy"]["causes"] == [] and "in neuron 1" in plain["noisy"]["observation"]
    facts = {name: dict(reversed(report.sheet().above)) for name, report in told.items()}
    assert "T loses its lowest 2 bits" in facts["coarse"]["hint"]
    assert facts["noisy"]["observed"] == plain["noisy"]["observation"]


def test_any_integers_are_judged() -> None:
    """A device may answer any integers of 64 bits: they are judged like others, and have no cause."""
    rng = np.random.default_rng(6)
    ends = np.iinfo(np.int64)

    def noise(case: Case, seen: dict[Any, Any]) -> None:
        for values in seen.values():
            values[...] = rng.integers(ends.min, ends.max, values.shape, endpoint=True)

    found = judged(Device(), noise)
    assert found.hints == () and "are wrong" in found.observed


@pytest.mark.parametrize(("rows", "kept"), [(3 * 9 * 36, 9), (3 * 80, 2), (60, 0)])
def test_large_networks_are_judged_on_few_rows(rows: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of scenes of many rows the first images are kept, and none of a scene whose images are too large."""
    monkeypatch.setattr(composed, "ROWS", rows)  # six neurons, and five steps: 36 of each image
    net = NETWORKS[0]
    values = np.zeros((9, *net["hid"].shape), np.int64)
    scene = Scene(net, net["hid"], {"hid": values}, {}, None, {})
    assert [one.count for one in composed.few([scene] * 3)] == [kept] * 3
