"""Resets that are wrong, each beside what the tables of its network hold, and their kinds of mistakes (CONFORM-8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fsref.law.neuron import Ints
from fsref.tables import Brief
from fsref.verification.composed.relation import Relation

KEPT = 192  # wrong resets that are looked at
NEAR = 32  # integers on either side of what one is off by


@dataclass(frozen=True, eq=False, repr=False)
class Reset(Brief):
    """A membrane that is wrong behind a step: `off` by so much, in a step in which it `fired` or not; `h` of the step,
    all h of its population, and T, h and d of all in its network, each once.
    """

    off: int
    fired: bool
    h: int
    own: Ints
    tables: Ints

    def chance(self, given: Ints) -> float:
        """How many integers near to what it is off by are among those given, and that one, too; 0 where it is none."""
        if self.off not in given:
            return 0
        near = self.off + np.arange(-NEAR, NEAR + 1)
        near = near[near != 0]
        return float(np.isin(near, given).mean())


def _other(reset: Reset) -> float | None:
    """Another h of the population, as what is taken off."""
    return reset.chance(reset.h - reset.own) if reset.fired else 0


def _another(reset: Reset) -> float | None:
    """Any integer of a table, or twice h, as what is taken off."""
    return reset.chance(reset.h - np.append(reset.tables, 2 * reset.h)) if reset.fired else 0


def _at_wrong_times(reset: Reset) -> float | None:
    """h, where there was no spike, and nothing where there was one."""
    return reset.chance(np.array([reset.h if reset.fired else -reset.h]))


RESETS: tuple[tuple[str, float, Callable[[Reset], float | None]], ...] = (
    ("some spikes take h of another step or channel off", 0, _other),
    ("some spikes take T, d, or h of another population off, or h twice", 1, _another),
    ("some spikes take nothing off, or some membranes lose h without one", 0, _at_wrong_times),
)


def resets_of(relation: Relation) -> list[Reset]:
    """The first wrong resets of a relation whose operands are what resets are made of; nothing of another."""
    found: list[Reset] = []
    for part in relation.parts:
        if not {"h", "z"} <= part.operands.keys():
            return []
        net, name = part.scene.net, part.scene.population.name
        rows = {p.name: p.table.rows(p.shape[0]) for p in net.fs}
        if name not in rows:
            continue
        tables = np.unique(np.concatenate([each.ravel() for table in rows.values() for each in table]))
        own = np.unique(rows[name][1])
        for at in np.flatnonzero(part.wrong)[: KEPT - len(found)]:
            off, h = int(part.seen[at] - part.right[at]), int(part.operands["h"][at])
            found.append(Reset(off, bool(part.operands["z"][at]), h, own, tables))
    return found
