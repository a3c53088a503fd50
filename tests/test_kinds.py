"""Kinds of mistakes, where no words give every integer: what goes wrong, though nothing tells when (CONFORM-8).

The devices are those of the composed causes, with mistakes at places and times that are drawn.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from fsref import Dense, Input, Network, Readout
from fsref.testing import Disagreement, verify
from fsref.vectors.case import Case, case_of
from test_composed import NETWORKS, SPIKES, Device, judged

Products = list[tuple[int, int, int]]  # of each its step, source and integer


def few_spikes(words: list[int]) -> tuple[Case, ...]:
    """Images of three neurons that fire, each with one of these trains."""
    rng = np.random.default_rng(8)
    trains = np.zeros((36, 18), np.int64)
    for row in trains:
        row[rng.choice(18, 3, replace=False)] = rng.choice(words, 3)
    return tuple(
        case_of(net, "population", "hid", {("in", "spikes"): train})
        for n, net in enumerate(NETWORKS)
        for train in trains[n::3]
    )


def of_the_last(words: list[int]) -> tuple[Case, ...]:
    """The same along a dense, of which the last neuron fires in each."""
    dense = [case for case in few_spikes(words) if case.net.named_projections["in->hid"].weights.ndim == 2]
    for case, word in zip(dense, words * len(dense), strict=False):
        case.given["in", "spikes"][-1] = word
    return tuple(case_of(case.net, "population", "hid", dict(case.given)) for case in dense)


ONCE = few_spikes([1, 2, 4, 8, 16])
CASES = few_spikes([1, 2, 4, 8, 16, 3, 9, 20])


class Drawn(Device):
    """A device whose mistakes happen by chance."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(4)

    def now(self) -> bool:
        """Whether it happens."""
        return bool(self.rng.random() < 0.3)


class Lost(Drawn):
    """An addition is lost."""

    def total(self, products: Products) -> int:
        return sum(more for _, _, more in products if not self.now())


class Again(Drawn):
    """An addition is made twice."""

    def total(self, products: Products) -> int:
        return sum(more * (1 + self.now()) for _, _, more in products)


class Silenced(Drawn):
    """All that an input sends is lost."""

    def total(self, products: Products) -> int:
        out = {m for m in sorted({m for _, m, _ in products}) if self.now()}
        return sum(more for _, m, more in products if m not in out)


class OtherStep(Drawn):
    """A spike is worth d of another step."""

    def total(self, products: Products) -> int:
        return sum(
            more // SPIKES[t] * (int(self.rng.choice(SPIKES)) if self.now() else SPIKES[t]) for t, _, more in products
        )


class Carried(Drawn):
    """What another neuron is delivered is added."""

    def placed(self, sums: list[int]) -> list[int]:
        others = [int(self.rng.choice([one for one in sums if one != own] or [0])) for own in sums]
        return [own + other * self.now() for own, other in zip(sums, others, strict=True)]


class Unbiased(Drawn):
    """A neuron begins without its bias."""

    def bias(self, b: int, channel: int) -> int:
        return 0 if self.now() else b


class Exchanged(Drawn):
    """A neuron begins with the bias of another."""

    def answers(self, net: Network, trains: Any) -> dict[Any, Any]:
        p: Any = net["hid"]
        self.every = np.asarray(p.bias)
        return super().answers(net, trains)

    def bias(self, b: int, channel: int) -> int:
        return int(self.rng.choice(self.every)) if self.now() else b


class Unsigned(Drawn):
    """A weight below 0 is read as one of 5 bits without a sign."""

    def weight(self, w: int, o: int, i: int) -> int:
        return w + 32 if w < 0 and self.now() else w


class Elsewhere(Drawn):
    """What an input sends goes to another output."""

    def answers(self, net: Network, trains: Any) -> dict[Any, Any]:
        (q,) = net.into("hid").values()
        self.weights = q.weights
        return super().answers(net, trains)

    def weight(self, w: int, o: int, i: int) -> int:
        return int(self.rng.choice(self.weights[:, i].ravel())) if self.now() else w


class Wrapped(Drawn):
    """Sums are off by 2^12."""

    def placed(self, sums: list[int]) -> list[int]:
        return [own + (int(self.rng.choice([-4096, 4096])) if self.now() else 0) for own in sums]


class Rounded(Drawn):
    """An addition comes out one too low."""

    def total(self, products: Products) -> int:
        return sum(more - self.now() for _, _, more in products)


class CarryLost(Drawn):
    """An addition comes out 64 too low."""

    def total(self, products: Products) -> int:
        return sum(more - 64 * self.now() for _, _, more in products)


class LastStale(Drawn):
    """The last input has any weight, which is drawn for each output."""

    def weight(self, w: int, o: int, i: int) -> int:
        return int(np.random.default_rng(o).integers(-128, 128)) if i == 17 else w


class Saturated(Drawn):
    """Some neurons saturate at 8 bits with each addition."""

    def total(self, products: Products) -> int:
        v, short = 0, self.now()
        for _, _, more in products:
            v = int(np.clip(v + more, -128, 127)) if short else v + more
        return v


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (Lost(), "in yours some additions are lost, as far as "),
        (Again(), "in yours some additions are made twice, as far as "),
        (Silenced(), "in yours all that some inputs send is lost, as far as "),
        (OtherStep(), "in yours some spikes are worth d of another step, or 0, as far as "),
        (Carried(), "in yours what another neuron got is added, as far as "),
        (Unbiased(), "in yours some biases are lost, as far as "),
        (Exchanged(), "in yours some biases are those of other neurons, as far as "),
        (Unsigned(), "in yours some weights below 0 lose their sign bit, as far as "),
        (Elsewhere(), "in yours what some inputs send comes to other places or outputs, as far as "),
        (Wrapped(), "in yours some sums wrap at 12 bits on the way, as far as "),
        (Rounded(), "in yours some additions come out one too low, as if bits were cut off or a borrow lost, as far "),
        (CarryLost(), "in yours some additions come out 64 too low, as if the carry into bit 6 were lost, as far as "),
        (LastStale(), "in yours the last input has another weight, as far as "),
        (Saturated(), "in yours some sums saturate at 8 bits on the way, as far as "),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Device) else "",
)
def test_the_kind_of_mistake_is_named(device: Device, words: str) -> None:
    """A mistake that happens by chance is told by what it is; no case is explained, and what is observed told, too."""
    cases = ONCE if isinstance(device, (Unsigned, Elsewhere)) else CASES
    found = judged(device, cases=of_the_last([3, 9, 20]) if isinstance(device, LastStale) else cases)
    assert [hint.name for hint in found.hints] == ["kind"]
    assert words in found.hints[0].text and "; which, nothing does [" in found.hints[0].text
    assert found.explained == 0 < found.judged and found.observed


def test_integers_that_follow_from_nothing_have_no_kind() -> None:
    """What sums are off by is drawn: of no kind of mistake."""

    class Noise(Drawn):
        def placed(self, sums: list[int]) -> list[int]:
            return [own + (int(self.rng.integers(-3000, 3000)) if self.now() else 0) for own in sums]

    found = judged(Noise(), cases=CASES)
    assert not found.hints and found.observed


class Near(Drawn):
    """A sum is a little too large, whatever is added."""

    def placed(self, sums: list[int]) -> list[int]:
        return [own + (int(self.rng.integers(1, 6)) if self.now() else 0) for own in sums]


def test_small_integers_of_many_spikes_say_little() -> None:
    """A sum that is a little too large where many spikes arrive is no sign of what happens with each."""
    assert not [hint for hint in judged(Near()).hints if hint.name == "kind"]


def test_a_network_without_neurons_that_fire_is_judged() -> None:
    """A readout that reads the input alone has no fs before it, and is judged all the same."""
    weights = np.arange(15).reshape(3, 5) - 7
    net = Network(
        [Input("in", (5, 1, 1), 3, 7), Readout("out", (3, 1, 1), np.array([1, -2, 3]))],
        [Dense("in", "out", weights)],
    )

    def forward(images: Any) -> dict[str, Any]:
        codes = images.reshape(len(images), -1).astype(np.int64) @ weights.T + np.array([1, -2, 3])
        codes[:, 1] += codes[:, 0] * 7919 % 13 - 6
        return {"out": codes}

    with pytest.raises(Disagreement) as found:
        verify(net, forward, max_examples=10)
    assert found.value.population == "out"


@pytest.mark.parametrize("device", [Lost(), Carried()], ids=lambda device: type(device).__name__)
def test_of_most_sums_it_is_said_how_many(device: Drawn) -> None:
    """A kind that does not give one wrong sum that it is held against is named with how many it gives of how many."""

    def noise(case: Case, seen: dict[Any, Any]) -> None:
        seen["in->hid", "sums"][1] += 1537 * (case is CASES[5])

    (hint,) = judged(device, noise, CASES).hints
    given, said = map(int, re.findall(r"as far as (\d+) of (\d+) wrong sums", hint.text)[0])
    assert hint.name == "kind" and given == said - 1


def test_a_kind_of_fewer_than_half_is_none() -> None:
    """Additions that are lost, where three times as many sums are off by what is drawn, are not named."""

    class Few(Lost):
        def placed(self, sums: list[int]) -> list[int]:
            return [own + (int(self.rng.integers(-3000, 3000)) if self.rng.random() < 0.9 else 0) for own in sums]

    assert not judged(Few(), cases=CASES).hints


class OtherReset(Drawn):
    """A spike takes h of another step or channel off."""

    def answers(self, net: Network, trains: Any) -> dict[Any, Any]:
        p: Any = net["hid"]
        self.every = p.table.h.ravel().tolist()
        return super().answers(net, trains)

    def left(self, v: int, h: int, z: bool) -> int:
        return v - (int(self.rng.choice(self.every)) if self.now() else h) if z else v


class NoReset(Drawn):
    """A spike takes nothing off."""

    def left(self, v: int, h: int, z: bool) -> int:
        return v - h if z and not self.now() else v


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (OtherReset(), "in yours some spikes take h of another step or channel off, as far as "),
        (NoReset(), "in yours some spikes take nothing off, or some membranes lose h without one, as far as "),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Device) else "",
)
def test_kinds_of_resets_are_named(device: Device, words: str) -> None:
    """A reset that is another by chance is told by what it is."""
    (hint,) = judged(device).hints
    assert hint.name == "kind" and words in hint.text and "wrong membranes tell" in hint.text and "[FS-3]" in hint.text


def test_membranes_that_follow_from_nothing_have_no_kind() -> None:
    """What membranes behind a reset are off by is drawn: of no kind."""

    class Noise(Drawn):
        def left(self, v: int, h: int, z: bool) -> int:
            return (v - h if z else v) + (int(self.rng.integers(-3000, 3000)) if self.now() else 0)

    assert not judged(Noise()).hints


def test_few_sums_have_no_kind() -> None:
    """Three sums that lack an addition are too few."""

    class Rare(Lost):
        count = 0

        def now(self) -> bool:
            self.count += 1
            return self.count in (40, 200, 333)

    assert not [hint for hint in judged(Rare(), cases=CASES).hints if hint.name == "kind"]
