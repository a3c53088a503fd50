"""What several projections delivered together, where nobody told what each of them did (PROJ-6, CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.conditions import Condition
from fsref.verification.composed.delivering import delivering
from fsref.verification.composed.gating import gating
from fsref.verification.composed.relation import UNSAID, Change, Part
from fsref.verification.composed.told import telling
from fsref.verification.scene import Scene

KINDS = ("places", "ends", "values", "flags", "facts")
Changes = Callable[[Sequence[Part]], Iterable[Change]]
Held = tuple[Change, Sequence[Condition]]  # a change, and the conditions under which alone it is made


def merging(scene: Scene, seen: Ints) -> Part:
    """What all projections into a population delivered, (B, C, H, W), and each of them, of which nothing was seen."""
    each = [(delivering if name in scene.into else gating)(scene, name, values) for name, values in scene.sums.items()]
    unseen = tuple(replace(one, seen=np.full_like(one.right, UNSAID)) for one in each)
    return replace(telling(scene, seen, sum(scene.sums.values(), 0 * seen)), each=unseen)


def of_kind(part: Part, kind: str) -> Part:
    """The same of gates alone, or of all others: what these delivered is right."""
    own = tuple(one for one in part.each if (one.of in part.scene.into) == (kind == "sums"))
    others = sum((one.right for one in part.each if one not in own), 0 * part.right)
    beside = None if part.beside is None else part.beside + others
    return replace(part, seen=part.seen - others, right=part.right - others, each=own, beside=beside)


def together(changes: Changes) -> Changes:
    """Changes of what each of several projections delivers, made in all of them."""

    def changed(parts: Sequence[Part]) -> Iterator[Change]:
        each = [one for part in parts for one in part.each]
        for change in changes(each) if each else ():
            yield replace(change, gives=partial(_given, [(change, ())]), ruled_out=lambda part: False)

    return changed


def fit(part: Part, held: Sequence[Held]) -> bool:
    """Whether changes, each made where its conditions hold, give what was seen of several projections, as far as they
    say something of it.
    """
    found = _given(held, part)
    found = None if found is None else part.settled(found)
    return found is None or not (part.unlike(found) & (found != UNSAID)).any()


@lru_cache(maxsize=512)
def _gives(change: Change, part: Part) -> Ints | None:
    """What a change gives of one projection, which is asked for under one condition after another."""
    return change.gives(part)


def _given(held: Sequence[Held], part: Part) -> Ints | None:
    """What changes give of several projections, each made where its conditions hold; None where they say nothing."""
    total, said = 0 * part.right, np.ones(len(part.right), np.bool_)
    for one in part.each:
        own = one.right
        for change, conditions in held:
            wrong = _gives(change, one)
            if wrong is None:
                return None
            rows = {kind: dict(getattr(one, kind)) for kind in KINDS}
            here = np.logical_and.reduce([np.ones(len(own), np.bool_), *(each.holds(rows) for each in conditions)])
            said = said & ~(here & (wrong == UNSAID))
            own = np.where(here & (wrong != UNSAID), wrong, own)
        total = total + own
    return np.where(said, total, UNSAID)
