"""What a page of a network's spikes says of a dump: which neurons differ, in which steps, and what was observed
(DEBUG-3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.law.network import Network
from fsref.law.populations import OBSERVABLES
from fsref.reports.view_choice import Chosen
from fsref.reports.view_data import Packed, Place
from fsref.simulation.difference import Difference
from fsref.simulation.shared import Shared

LISTED = 2**12  # neurons that differ whose observed integers are told, shared by the populations that differ,
LEAST = 16  # and at least so many of each
STEPPED = ("spikes", "membranes")


class OnePart:
    """One array of what a dump and an engine both hold of one image: the neurons that differ, in which steps, and what
    was observed. A word of steps has the bits of a train (EVENT-2); without steps it is 1.
    """

    def __init__(self, part: Shared) -> None:
        self.place, self.observable = part.key
        self.steps, self.neurons = part.net.steps[part.population], part.neurons
        (_, observed, expected, bits) = next(part.chunks())
        unknown = part.unknown(slice(0, 1))
        self.observed, self.expected = (values[0] & bits[0] for values in (observed, expected))
        self.window = part.window.tolist()
        self.seen = self._words(bits[0])
        self.wrong = self._words(self.observed ^ self.expected)
        self.unknown = self.wrong & (0 if unknown is None else self._words(unknown[0]))

    def _words(self, bits: NDArray[Any]) -> NDArray[Any]:
        """For each neuron, in which steps any of its bits is set."""
        if self.observable == "spikes":
            return np.asarray(bits, np.int64)
        if self.observable != "membranes":
            return np.asarray(bits != 0, np.int64)
        words = np.zeros(len(self.neurons), np.int64)
        for row, t in enumerate(self.window):
            words |= (bits[row] != 0).astype(np.int64) << (self.steps - 1 - t)
        return words

    def first(self) -> NDArray[Any]:
        """For each neuron that differs: (neuron, its first step that does) in columns."""
        at = np.flatnonzero(self.wrong)
        # A word's highest bit is its first step; frexp is exact below 2^53.
        step = self.steps - np.frexp(self.wrong[at].astype(np.float64))[1] if self.observable in STEPPED else 0 * at
        return np.stack([self.neurons[at], step])

    def told(self, wrong: NDArray[Any], listed: int, whole: NDArray[Any], packed: Packed) -> dict[str, Any]:
        """The array on a page whose neurons are `whole`, of which some are `wrong`: what was seen, a word for all or
        one each; of the wrong ones the words that differ and, if any, that are x or z; of the first `listed` of
        them what was observed and what is right, (listed,) or, of membranes, (listed, K).
        """
        place, some = self.place if self.observable == "sums" else "", wrong[:listed]
        return {
            "observable": self.observable,
            "of": place,
            "seen": self._seen(whole, packed),
            "wrong": packed.add(self._at(self.wrong, wrong), trains=True),
            "unknown": packed.add(self._at(self.unknown, wrong if self.unknown.any() else wrong[:0]), trains=True),
            "observed": packed.add(self._values(self.observed, some)),
            "right": packed.add(self._values(self.expected, some)),
        }

    def _seen(self, whole: NDArray[Any], packed: Packed) -> int | Place:
        words = self._at(self.seen, whole)
        return int(words[0]) if len(words) and (words == words[0]).all() else packed.add(words, trains=True)

    def _values(self, values: NDArray[Any], some: NDArray[Any]) -> NDArray[Any]:
        """What an array holds of some neurons, 0 where it holds nothing."""
        if self.observable != "membranes":
            return self._at(values.astype(np.int64), some)
        found = np.zeros((len(some), self.steps), np.int64)
        for row, t in enumerate(self.window):
            found[:, t] = self._at(values[row], some)
        return found

    def _at(self, values: NDArray[Any], neurons: NDArray[Any]) -> NDArray[Any]:
        """The values of some neurons, 0 for those that the array does not hold."""
        at = np.searchsorted(self.neurons, neurons).clip(max=len(self.neurons) - 1)
        return np.where(self.neurons[at] == neurons, values[at], 0)


def in_order(parts: Sequence[OnePart]) -> NDArray[Any]:
    """The neurons of a population that differ, once each, in the order of their first difference (OBS-2)."""
    found = []
    for part in parts:
        neurons, steps = part.first()
        found.append(np.stack([neurons, np.full(len(neurons), OBSERVABLES.index(part.observable)), steps]))
    neurons, ranks, steps = np.concatenate(found, axis=1)
    neurons = neurons[np.lexsort((neurons, steps, ranks))]
    ordered: NDArray[Any] = neurons[np.sort(np.unique(neurons, return_index=True)[1])]
    return ordered


def add_differences(
    net: Network, told: dict[str, Any], chosen: Chosen, both: Sequence[Shared], listed: int, packed: Packed
) -> None:
    """Put what was observed of a population into what is told of it: `wrong`, the numbers of its neurons on the page
    that differ, in order, and the arrays that were observed, with the integers of the first `listed` of them.
    """
    parts = [OnePart(part) for part in both if part.population == told["name"]]
    if not parts:
        return
    p = net[told["name"]]
    whole = chosen.neurons(p)
    whole = np.arange(p.neurons) if whole is None else whole
    wrong = in_order(parts)
    wrong = wrong[np.isin(wrong, whole)]
    told["wrong"] = packed.add(wrong)
    told["parts"] = [part.told(wrong, listed, whole, packed) for part in parts]


def by_population(both: Sequence[Shared], firsts: dict[str, Difference]) -> list[dict[str, Any]]:
    """How many integers of each population that differs were observed, how many of them and of its neurons differ, and
    the first one in words.
    """
    rows = []
    for name, first in firsts.items():
        parts = [OnePart(part) for part in both if part.population == name]
        count = sum(int(np.bitwise_count(part.seen).sum()) for part in parts)
        differing = sum(int(np.bitwise_count(part.wrong).sum()) for part in parts)
        step = "" if first.step is None else f"step {first.step} "
        text = f"{step}neuron {first.neuron} {first.observable}: {first.told}"
        rows.append(
            {
                "population": name,
                "observed": count,
                "differing": differing,
                "neurons": len(in_order(parts)),
                "first": text,
                "neuron": first.neuron,
            }
        )
    return rows
