"""Stimuli of one population that reach its bins, found by search (VECTOR-3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from fsref.coverage.coverage import Coverage
from fsref.coverage.group import Bits, Group
from fsref.coverage.integrating import Integrated
from fsref.coverage.pooling import pooled, shown
from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.simulation.recording import Key
from fsref.tables import Brief, plural

BUDGET = 300  # stimuli of one population


@dataclass(frozen=True, eq=False, repr=False)
class Found(Brief):
    """What a search found: `stimuli`, each the trains (neurons,) of all sources by (name, "spikes"), and the `coverage`
    of all together, in which is proved unreachable what the search proved so, of `budget` stimuli at most.
    """

    population: str
    stimuli: list[dict[Key, Ints]]
    coverage: Coverage
    budget: int

    @property
    def missed(self) -> list[tuple[Group, Bits]]:
        """The groups of the population, and of projections into it, with bins that were not found, and these."""
        mine = {self.population, *self.coverage.net.into(self.population)}
        return [(group, bins) for group, bins in self.coverage.missed() if group.place in mine]

    @property
    def line(self) -> str:
        """What was found in one line."""
        return f"{plural(len(self.stimuli), 'case')}: {self.coverage.line}"


def aim(net: Network, population: str, budget: int = BUDGET, seed: int = 0) -> Found:
    """Trains of the sources of an fs, max-pool, view or readout, all of which these can send (RANGE-3), that reach its
    bins and those of the projections into it; a bin that is left is proved unreachable, or not found: each was aimed at
    a few times, in at most so many stimuli. The same seed gives the same. Errors: UsageError.
    """
    p = net[population]
    match p:
        case Input():
            raise UsageError("VECTOR-3", "aim", "has no sources", population, "an fs, max_pool, view or readout")
        case MaxPool():
            stimuli, coverage = pooled(net, p, seed)
        case View():
            stimuli, coverage = shown(net, p)
        case FS() | Readout():
            search = Integrated(net, p, seed)
            search.run(budget)
            stimuli, coverage = search.stimuli, search.coverage
        case _:
            assert_never(p)
    return Found(population, stimuli, coverage, budget)
