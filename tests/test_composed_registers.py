"""Composed causes of registers that are late: the weight, d or product of a spike before, tables read an entry on,
silent steps that send again, trains packed as longer ones; and none where one integer more is wrong (CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from fsref import Network
from fsref.vectors.case import Case, case_of
from test_composed import CASES, NETWORKS, SPIKES, STEPS, Device, judged


def silent_steps() -> Iterator[tuple[Network, Any]]:
    """Images whose neurons send nothing in some steps: all of them fire in the same ones alone."""
    rng = np.random.default_rng(11)
    for net, steps in product(NETWORKS[:2], (0b10010, 0b01001, 0b10001, 0b01100)):
        yield net, rng.integers(0, 32, 18) & steps


DENSE = CASES[:8]  # along a conv2d a spike is seen by some neurons alone
SPARSE = tuple(case_of(net, "population", "hid", {("in", "spikes"): trains}) for net, trains in silent_steps())
Products = list[tuple[int, int, int]]  # of each its step, source and integer


class LateWeight(Device):
    """A spike finds the weight of the one before it; the first finds 0."""

    def total(self, products: Products) -> int:
        weights = [0, *(more // SPIKES[t] for t, _, more in products)]
        return sum(w * SPIKES[t] for w, (t, _, _) in zip(weights, products, strict=False))


class LateWorth(Device):
    """The first spike of a step is worth d of the step of the last one before it."""

    def total(self, products: Products) -> int:
        steps = [t for t, _, _ in products]
        before = [steps[0], *steps] if steps else []
        return sum(more // SPIKES[t] * SPIKES[last] for (t, _, more), last in zip(products, before, strict=False))


class Again(Device):
    """A step without spikes sends those of the last one that had some."""

    def sent(self, z: list[list[int]]) -> list[list[int]]:
        last, found = [0] * len(z[0]), []
        for spikes in z:
            last = spikes if any(spikes) else last
            found.append(last)
        return found


class Carried(Device):
    """The last product at a neuron comes to the next one."""

    def answers(self, net: Network, trains: Any) -> dict[Any, Any]:
        self.kept = 0
        return super().answers(net, trains)

    def total(self, products: Products) -> int:
        if not products:
            return 0
        carried, self.kept = self.kept, products[-1][2]
        return sum(more for _, _, more in products) + carried - self.kept


class NextReset(Device):
    """A spike takes h of the next step away, in the last one that of the next channel's first."""

    def answers(self, net: Network, trains: Any) -> dict[Any, Any]:
        p: Any = net["hid"]
        self.h = [*p.table.rows(p.shape[0])[1].ravel().tolist(), 77]
        self.at = 0
        return super().answers(net, trains)

    def left(self, v: int, h: int, z: bool) -> int:
        self.at += 1
        return v - self.h[self.at] if z else v


class Packed(Device):
    """Trains are told as if they had 8 steps."""

    def answers(self, net: Network, trains: Any) -> dict[Any, Any]:
        told = super().answers(net, trains)
        return {**told, ("hid", "spikes"): told["hid", "spikes"] << (8 - STEPS)}


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (LateWeight(), "a spike is delivered as from the neuron of the spike before it, the first not at all [PROJ-1]"),
        (LateWorth(), "in yours the first spike of a step is worth d of the spike before it [PROJ-1]"),
        (Again(), "in yours a step without spikes sends those of the last one that had some [PROJ-1]"),
        (Carried(), "in yours the last product at a neuron comes to the next one instead [PROJ-1]"),
        (NextReset(), "yours takes h of the next entry of the memory that holds all rows off [FS-3]"),
        (Packed(), "the train is told: yours is packed as one of 8 steps, from its first on [OBS-1]"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Device) else "",
)
def test_registers_that_are_late_are_named(device: Device, words: str) -> None:
    """What a spike finds that was there for another is told in words that give every integer."""
    found = judged(device, cases=SPARSE if isinstance(device, (LateWorth, Again)) else DENSE)
    assert [hint.name for hint in found.hints[:1]] == ["composed"]
    assert any(words in hint.text for hint in found.hints)
    assert found.explained > 0 and not found.observed


@pytest.mark.parametrize("device", [LateWeight(), Carried()], ids=lambda device: type(device).__name__)
def test_one_integer_more_is_not_given(device: Device) -> None:
    """Where one sum more is wrong these words do not give it, and are not told."""

    def noise(case: Case, seen: dict[Any, Any]) -> None:
        seen["in->hid", "sums"][2] += 3 * (case is DENSE[3])

    texts = [hint.text for hint in judged(device, noise, DENSE).hints]
    assert not [text for text in texts if "before it" in text or "next one" in text]
