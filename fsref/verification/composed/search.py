"""The shortest words of what is done instead, and where, that give every row of a relation (OBS-5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from fsref.tables import Brief
from fsref.verification.composed.conditions import Condition, Rows, conditions
from fsref.verification.composed.relation import Change, Mask, Relation

SAMPLED = 2**14  # rows on which pairs of conditions are tried before all
FEW = 3  # rows that are wrong, of which two conditions at once say too little
MOST = 12.0  # how dear words may be


@dataclass(frozen=True, repr=False)
class Composed(Brief):
    """Words that give all rows, and how dear they are."""

    text: str
    rule: str
    dear: float


def fitting(relation: Relation) -> list[Composed]:
    """What gives every row, the shortest words first; nothing where all are right, or no words do."""
    wrong = [part.wrong for part in relation.parts]
    count = relation.wrong
    if not count:
        return []
    known: list[Condition] | None = None
    found: list[Composed] = []
    for change in relation.changes(relation.parts):
        misses = _misses(change, relation, wrong)
        if misses is None:
            continue
        if not any(miss.any() for miss in misses):
            found.append(_composed(relation, change.text, change.dear))
            continue
        if known is None:
            known = list(conditions(_rows(relation, wrong)))
        for chosen in _parting(known, relation, misses, count):
            words = ", ".join(each.text for each in chosen)
            found.append(_composed(relation, f"{change.text}, {words}", change.dear + sum(each.dear for each in chosen)))
    return sorted((one for one in found if one.dear <= MOST), key=lambda one: one.dear)


def _misses(change: Change, relation: Relation, wrong: Sequence[Mask]) -> list[Mask] | None:
    """The rows of each part that a change does not give; None where it does not give all that are wrong."""
    found = []
    for part, own in zip(relation.parts, wrong, strict=True):
        result = change.gives(part)
        miss = np.zeros(len(own), np.bool_) if result is None else result != part.seen
        if (own.any() if result is None else (miss & own).any()):
            return None
        found.append(miss)
    return found


def _composed(relation: Relation, text: str, dear: float) -> Composed:
    return Composed(f"{relation.says}: {text} [{relation.rule}]", relation.rule, dear)


def _rows(relation: Relation, some: list[Mask]) -> Rows:
    return {kind: relation.stacked(kind, some) for kind in ("places", "ends", "values", "flags")}


def _parting(known: list[Condition], relation: Relation, misses: list[Mask], count: int) -> Iterator[tuple[Condition, ...]]:
    """Conditions, one or two at once, that hold in no row that is missed."""
    rows = _rows(relation, misses)
    held = [each.holds(rows) for each in known]
    alone = [not mask.any() for mask in held]
    yield from ((each,) for each, parts in zip(known, alone, strict=True) if parts)
    if any(alone) or count < FEW:
        return
    total = len(held[0]) if held else 0
    sampled = np.linspace(0, total - 1, min(total, SAMPLED)).astype(np.intp)
    table = np.array([mask[sampled] for mask in held], np.float32)
    both = table @ table.T
    for i, j in combinations(range(len(known)), 2):
        if not both[i, j] and not (held[i] & held[j]).any():
            yield known[i], known[j]
