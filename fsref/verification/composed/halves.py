"""Two changes of one step of the law at once, each where a condition holds (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np

from fsref.tables import Brief
from fsref.verification.composed.conditions import Condition, conditions
from fsref.verification.composed.relation import Change, Mask, Part, Relation

LEAST = 8  # rows that each of them alone gives
CHEAP = 3.0  # how dear each may be
KEPT = 24  # of which pairs are tried, those that give most
PAIRS = 48  # of them that give all that is wrong, the cheapest
SHARE = 8  # as many times fewer are tried as of single ones
Half = tuple[Change, Condition]


@dataclass(frozen=True, eq=False, repr=False)
class Tried(Brief):
    """A change, and the rows of each part that it does not give."""

    change: Change
    misses: Sequence[Mask]


def halves(relation: Relation, changes: Sequence[Change]) -> Iterator[tuple[Half, Half]]:
    """Two changes, each with a condition, that give every row together: what neither is meant for is right."""
    wrong = [part.wrong for part in relation.parts]
    each = [_tried(relation.parts, change) for change in _promising(relation, changes)]
    kept = [tried for tried in each if tried is not None]
    cheap = sorted(combinations(kept, 2), key=lambda pair: pair[0].change.dear + pair[1].change.dear)
    pairs = (pair for pair in cheap if _all_given(*pair, wrong))
    for one, other in islice(pairs, PAIRS):
        both = _parted(relation, one, other, wrong), _parted(relation, other, one, wrong)
        for (first, here), (second, there) in ((a, b) for a in both[0] for b in both[1]):
            if all((h | t | ~own).all() for h, t, own in zip(here, there, wrong, strict=True)):
                yield (one.change, first), (other.change, second)


def _all_given(one: Tried, other: Tried, wrong: Sequence[Mask]) -> bool:
    """Whether one of two changes gives each row that is wrong."""
    return not any((a & b & own).any() for a, b, own in zip(one.misses, other.misses, wrong, strict=True))


def _promising(relation: Relation, changes: Sequence[Change]) -> list[Change]:
    """The changes that give most of what is wrong in one part that rules most out for little."""
    differing = [part for part in relation.parts if part.wrong.sum() >= 2 * LEAST]
    if not differing:
        return []
    part = min(differing, key=lambda part: len(part.seen))
    found: list[tuple[int, Change]] = []
    for change in changes[: relation.most // SHARE]:
        result = change.gives(part) if change.dear <= CHEAP else None
        given = 0 if result is None else int((part.wrong & ~part.unlike(result)).sum())
        if given >= LEAST:
            found.append((given, change))
    found.sort(key=lambda one: (-one[0], one[1].dear))
    return [change for _, change in found[:KEPT]]


def _tried(parts: Sequence[Part], change: Change) -> Tried | None:
    """What a change does not give; None where it says nothing of a part."""
    misses: list[Mask] = []
    for part in parts:
        result = change.gives(part)
        if result is None:
            return None
        misses.append(part.unlike(result))
    return Tried(change, misses)


def _parted(relation: Relation, one: Tried, other: Tried, wrong: Sequence[Mask]) -> list[tuple[Condition, list[Mask]]]:
    """The conditions that hold in all that one alone gives of what is wrong, and in nothing that it does not give; and
    where each holds.
    """
    kinds = ("places", "ends", "values", "flags", "facts")
    needed = [own & miss for own, miss in zip(wrong, other.misses, strict=True)]
    if sum(int(rows.sum()) for rows in needed) < LEAST:
        return []
    known = conditions({kind: relation.stacked(kind, needed) for kind in kinds})
    missed = {kind: relation.stacked(kind, one.misses) for kind in kinds}
    everything = {kind: relation.stacked(kind, [np.ones_like(own) for own in wrong]) for kind in kinds}
    ends = np.cumsum([len(own) for own in wrong])[:-1]
    fitting = (each for each in sorted(known, key=lambda each: each.dear) if not each.holds(missed).any())
    return [(each, np.split(each.holds(everything), ends)) for each, _ in zip(fitting, range(4), strict=False)]
