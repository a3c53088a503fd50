"""The shortest words of what is done instead, and where, that give every row of a relation (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from fsref.tables import Brief
from fsref.verification.composed.conditions import Condition, Rows, conditions
from fsref.verification.composed.halves import Half, halves
from fsref.verification.composed.merging import Held, fit
from fsref.verification.composed.relation import UNSAID, Change, Mask, Relation
from fsref.verification.scene import Scene

SAMPLED = 2**11  # rows on which pairs of conditions are tried before all
FEW, MANY = 3, 8  # rows that are wrong, below which two conditions at once say too little, and three
SIMPLE = 1.6  # how dear a condition on so few may be
NEARLY = 0.3  # by which words are as short as others
CHEAP = 3.0  # changes with which three are tried,
PAIRED, THREES = 48, 8  # so many of them at most, and with so many two
FACTS = 8  # conditions beside which facts of the network are tried, where projections deliver together
APART = 0.5  # how dear it is that there are two
MOST = 12.0  # how dear words may be
IN_A_ROW = (2.5, 0.7)  # and of images in a row, and for each row of these that is wrong
SCENES = 8  # parts that are wrong, of which a change that says little has to give something in two
SAID = 16  # rows that are wrong of which a change says something, or half of them
QUIET, AGAINST = 4, 3.0  # rows of a layer that is right of which nothing is said, and how dear it is that all are such
TOLD, LESS = 3, 0.8  # conditions of an observation, each of which leaves this share of what is right at most


@dataclass(frozen=True, repr=False)
class Composed(Brief):
    """Words that give all rows, how dear they are, and the scenes of which they say nothing, as too much would have to
    be followed there.
    """

    text: str
    rule: str
    dear: float
    unsaid: tuple[Scene, ...] = ()


def fitting(relation: Relation) -> list[Composed]:
    """What gives every row, the shortest words first; nothing where all are right, or no words do."""
    wrong = [part.wrong for part in relation.parts]
    count = relation.wrong
    known: list[Condition] | None = None
    found: list[Composed] = []
    most = best = _dearest(relation, count)
    parted = 0
    changes = sorted(relation.changes(relation.parts) if count else (), key=lambda change: change.dear)
    for change in changes[: relation.most]:
        if change.dear > best + NEARLY:
            break  # no shorter words come
        misses, quiet = _misses(change, relation, wrong, count)
        unsaid = tuple(part.scene for part, miss in zip(relation.parts, misses, strict=False) if miss is None)
        if len(misses) < len(wrong):
            continue
        missed = [own & False if miss is None else miss for own, miss in zip(wrong, misses, strict=True)]
        against = _against(relation, quiet, ())
        if known is None and (relation.merged or against or any(miss.any() for miss in missed)):
            known = list(conditions(_rows(relation, wrong)))
        chosen: Iterable[tuple[Condition, ...]] = [(), *((each,) for each in known or () if each.dear < against)]
        if any(miss.any() for miss in missed):
            parted += 1
            chosen = _parting(known or [], relation, missed, count, change.dear, parted)
        for here, more in _where_merged(change, chosen, known or [], relation):
            words, dear = ", ".join((change.text, *(each.text for each in here))), sum(each.dear for each in here)
            dear += change.dear + _against(relation, quiet, here)
            found.append(_composed(relation, words, dear, unsaid + more))
            best = min(best, dear)
    if count and not found and relation.two:
        for both in halves(relation, changes):
            if (apart := _apart_from(relation, [(own, [where]) for own, where in both])) is not None:
                found.append(_both(relation, *both, apart))
    return sorted((one for one in found if one.dear <= most), key=lambda one: one.dear)


def _dearest(relation: Relation, count: int) -> float:
    """How dear words may be: of what is left of images before, which many words tell, the less the fewer rows are
    wrong.
    """
    in_a_row = any("image" in part.places for part in relation.parts)
    return min(MOST, IN_A_ROW[0] + IN_A_ROW[1] * count) if in_a_row else MOST


def _where_merged(
    change: Change, chosen: Iterable[tuple[Condition, ...]], known: list[Condition], relation: Relation
) -> Iterator[tuple[tuple[Condition, ...], tuple[Scene, ...]]]:
    """The conditions under which a change gives what several projections delivered together, too: those chosen, or a
    fact of the network beside them; and the scenes apart from which it does.
    """
    for tried, here in enumerate(chosen):
        if (more := _apart_from(relation, [(change, here)])) is not None:
            yield here, more
        elif tried < FACTS:
            for fact in (each for each in known if each.fact and each not in here):
                if (more := _apart_from(relation, [(change, (*here, fact))])) is not None:
                    yield (*here, fact), more


def _apart_from(relation: Relation, held: Sequence[Held]) -> tuple[Scene, ...] | None:
    """The scenes apart from which changes, each where its conditions hold, give what several projections delivered
    together: those where others deliver, too, of which these changes say nothing; None where they do not give it.
    """
    missed = [part for part in relation.merged if not fit(part, held)]
    others = [part for part in missed if len(part.each) < len(part.scene.sums) and part.wrong.any()]
    return tuple(part.scene for part in others) if len(others) == len(missed) else None


def _both(relation: Relation, first: Half, second: Half, unsaid: tuple[Scene, ...]) -> Composed:
    """Two changes at once, the one with the shorter words first."""
    each = sorted((first, second), key=lambda half: half[0].dear + half[1].dear)
    text = "; and ".join(f"{change.text}, {where.text}" for change, where in each)
    return _composed(relation, text, APART + sum(change.dear + where.dear for change, where in each), unsaid)


def _against(relation: Relation, quiet: Sequence[Mask], here: Sequence[Condition]) -> float:
    """How dear it is that conditions hold in layers that are right, of whose rows a change leaves these `quiet`: the
    more of them there are beside those that are wrong, the more it may be done elsewhere alone. Layers behind the first
    that is wrong count where they were judged by themselves: that all is right there in cases that pass says little.
    """
    if not any(own.any() for own in quiet) or not any(part.scene.sent for part in relation.parts):
        return 0
    wrong = np.unique(np.concatenate([part.facts["layer"][part.wrong] for part in relation.parts]))
    first = wrong.min()
    told = [
        own & (part.facts["layer"] < first) if part.scene.sent else own
        for part, own in zip(relation.parts, quiet, strict=True)
    ]
    rows = _rows(relation, told)
    layer = rows["facts"]["layer"]
    held = np.logical_and.reduce([layer >= 0, *(each.holds(rows) for each in here)])
    layers, counts = np.unique(layer[held], return_counts=True)
    right = int((~np.isin(layers, wrong) & (counts >= QUIET)).sum())
    return AGAINST * right / (right + len(wrong))


def _misses(
    change: Change, relation: Relation, wrong: Sequence[Mask], count: int
) -> tuple[list[Mask | None], list[Mask]]:
    """The rows of each part that a change does not give, None where it says nothing; up to a part where it does not
    give what is wrong, or by which it says too little of the `count` rows that are in all. Beside them the rows of the
    parts that are right of which it does not say what they are.
    """
    found: list[Mask | None] = []
    quiet: list[Mask] = []
    whole, unsaid, held, scenes = 0, 0, 0, 0
    for part, own in zip(relation.parts, wrong, strict=True):
        if change.ruled_out(part):
            break
        result = change.gives(part)
        result = None if result is None else part.settled(result)
        miss = None if result is None else part.unlike(result)
        if result is None:
            whole += int(own.sum())
        elif miss is not None and miss.any():
            if (result[miss & own] != UNSAID).any():
                break
            unsaid += int((miss & own).sum())
            miss &= result != UNSAID
        if result is not None and miss is not None:
            given = int((own & ~miss & (result != UNSAID) & part.within(result)).sum())
            held, scenes = held + given, scenes + (given > 0)
        if whole > change.unsaid * count or whole + unsaid > max(change.unsaid * count, count - SAID):
            break
        found.append(miss)
        silent = result is not None and not own.any()
        quiet.append((result == UNSAID) & (part.right != 0) if silent else own & False)
    several = scenes > 1 or sum(bool(own.any()) for own in wrong) < SCENES
    return (found, quiet) if not count or (held and (several or 2 * (whole + unsaid) <= count)) else ([], [])


def _composed(relation: Relation, text: str, dear: float, unsaid: tuple[Scene, ...]) -> Composed:
    return Composed(f"{relation.says}: {text} [{relation.rule}]", relation.rule, dear, unsaid)


def _rows(relation: Relation, some: list[Mask]) -> Rows:
    return {kind: relation.stacked(kind, some) for kind in ("places", "ends", "values", "flags", "facts")}


def _parting(
    known: list[Condition], relation: Relation, misses: list[Mask], count: int, dear: float, parted: int
) -> Iterator[tuple[Condition, ...]]:
    """Conditions that hold in no row that is missed: one, a layer, a channel and one, two at once, or two and a fact of
    the network; of a change before which so many were parted, two and three of the first ones alone.
    """
    rows = _rows(relation, misses)
    held = [each.holds(rows) for each in known]
    alone = [not mask.any() and (count >= FEW or each.dear <= SIMPLE) for each, mask in zip(known, held, strict=True)]
    yield from ((each,) for each, parts in zip(known, alone, strict=True) if parts)
    if any(alone) or count < FEW:
        return
    place = [(each, mask) for each, mask in zip(known, held, strict=True) if each.place]
    if len(place) == 2:  # one layer, and one channel
        there = np.logical_and.reduce([mask for _, mask in place])
        more = [each for each, mask in zip(known, held, strict=True) if not (mask & there).any()]
        yield from ((*(() if each.place else (each,)), *(own for own, _ in place)) for each in more)
        if more:
            return
    if parted > PAIRED:
        return
    pairs = list(_apart(known, held, np.ones(len(held[0]) if held else 0, np.bool_)))
    yield from pairs
    if pairs or count < MANY or dear > CHEAP or parted > THREES:
        return
    for third, own in zip(known, held, strict=True):
        if third.fact:
            yield from ((*pair, third) for pair in _apart(known, held, own))


def _apart(known: list[Condition], held: list[Mask], some: Mask) -> Iterator[tuple[Condition, Condition]]:
    """Two conditions that hold together in none of some rows."""
    rows = np.flatnonzero(some)
    sampled = rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLED)).astype(np.intp)] if len(rows) else rows
    table = np.packbits(np.array([mask[sampled] for mask in held], np.bool_).reshape(len(held), -1), axis=1)
    both = np.array([(own & table).any(axis=1) for own in table])
    for i, j in combinations(range(len(known)), 2):
        if not both[i, j] and not (held[i] & held[j] & some).any():
            yield known[i], known[j]


def observed(relation: Relation) -> str:
    """Which rows of a relation are wrong, and by how much, in words."""
    wrong = [part.wrong for part in relation.parts]
    right = [~own for own in wrong]
    count, rows = relation.wrong, sum(len(own) for own in wrong)
    there = _rows(relation, right)
    left = np.ones(rows - count, np.bool_)
    chosen: list[str] = []
    known = [(each, each.holds(there)) for each in conditions(_rows(relation, wrong))] if count > 1 else []
    while known and len(chosen) < TOLD and left.any():
        each, held = min(known, key=lambda one: (int((left & one[1]).sum()), one[0].dear))
        if (left & held).sum() > LESS * left.sum():
            break
        chosen, left = [*chosen, each.text], left & held
    told = f"{relation.law}: {count:,} of {rows:,} are wrong"
    if chosen:
        told += f", all of them {', '.join(chosen)}; {int(left.sum()):,} of those there are right"
    less = np.concatenate([part.seen[own] - part.right[own] for part, own in zip(relation.parts, wrong, strict=True)])
    low, high = int(less.min()), int(less.max())
    return told + (f"; they are {low:+,} off" if low == high else f"; they are {low:+,} to {high:+,} off")
