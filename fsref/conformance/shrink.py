"""Making a failure small while the device still fails (CONFORM-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import TypeAlias

import numpy as np

from fsref.conformance.smaller.integers import changed, nearer
from fsref.conformance.smaller.ways import Place, starts, ways
from fsref.conformance.unit import Unit, unit_of
from fsref.errors import FsrefError
from fsref.law.neuron import Ints
from fsref.simulation.recording import Key
from fsref.vectors.case import Case, case_of

BUDGET = 1000  # sequences that the device is asked at most

Fails: TypeAlias = Callable[[Sequence[Case]], bool]  # whether the last of cases fails, on a device just started


def shrink(cases: Sequence[Case], place: tuple[str, Place | None], fails: Fails, budget: int = BUDGET) -> list[Case]:
    """The smallest cases found of which the last still fails: those before it are what it needs.

    `cases` end with the one that failed, at `place`: a population and (c, y, x). Cases that do not fail when they are
    asked again are given back as they are.
    """
    asked = _Asked(fails, budget)
    found = _needed(list(cases), asked)
    if found is None:
        return list(cases)
    net, (name, at) = found[0].net, place
    if any(case.net.id != net.id or case.scope != found[0].scope for case in found):
        return found  # what it needs is another network: it is as small as the sequence
    others = [p.name for p in reversed(net.populations[1:]) if p.name != name]
    for of in [name, *(others if found[0].scope == "network" else [])]:
        if net[of].kind == "view":  # which computes nothing: what is wrong of it is seen by whatever reads it
            continue
        unit = unit_of(found, of)
        index = [p.name for p in net.populations].index(of)
        layer = sum(p in net.integrating for p in net.populations[:index])
        for start in starts(unit, at if of == name else None, index, layer):
            if asked(start):
                return _smallest(start, at if of == name else None, asked).cases()
    return _fed_less(found, asked) if found[0].scope == "network" else found


def shrink_given(cases: Sequence[Case], fails: Fails, budget: int = BUDGET) -> list[Case]:
    """The same cases, what is given in the last one as small as was found while it fails: of a device whose network is
    fixed.
    """
    asked = _Asked(fails, budget)
    found = _needed(list(cases), asked)
    if found is None:
        return list(cases)
    return _fed_less(found, asked)


def _fed_less(found: Sequence[Case], asked: _Asked) -> list[Case]:
    """Cases that fail, what is given in the last one as small as was found while it does."""
    before, last = found[:-1], found[-1]
    again = True
    while again:
        again = False
        for given in _less_given(last):
            case = case_of(last.net, last.scope, last.unit, given)
            if asked.fails_after([*before, case]):
                last, again = case, True
                break
    return [*before, last]


def _less_given(case: Case) -> Iterator[Mapping[Key, Ints]]:
    """What a case gives with fewer integers that are not 0: halves of them, quarters, at last each smaller."""
    for key, values in case.given.items():
        used = np.flatnonzero(values)
        part = (len(used) + 1) // 2
        while part and len(used):
            for first in range(0, len(used), part):
                less = values.copy()
                less[used[first : first + part]] = 0
                yield {**case.given, key: less}
            part //= 2
    for key, values in case.given.items():
        for at, new in nearer(values):
            yield {**case.given, key: changed(values, at, new)}


def _needed(cases: list[Case], asked: _Asked) -> list[Case] | None:
    """Of cases whose last one fails, those that it needs; None when it does not fail again."""
    for count in (1, 2, len(cases)):
        if count <= len(cases) and asked.fails_after(cases[-count:]):
            kept = cases[-count:]
            break
    else:
        return None
    n = 0
    while n < len(kept) - 1:
        less = kept[:n] + kept[n + 1 :]
        if asked.fails_after(less):
            kept = less
        else:
            n += 1
    return kept


def _smallest(unit: Unit, place: Place | None, asked: _Asked) -> Unit:
    """A unit none of whose smaller forms fails, or the smallest when the budget is spent; it fails at `place`, or no
    one knows where.
    """
    again = True
    while again:
        again = False
        for n in range(len(ways(place))):
            while less := _first(ways(place)[n](unit), unit, asked):
                if place is not None:
                    c, y, x = (min(at, size - 1) for at, size in zip(place, less.shape, strict=True))
                    place = (c, y, x)
                unit, again = less, True
    return unit


def _first(smaller: Iterable[Unit], unit: Unit, asked: _Asked) -> Unit | None:
    """The first of some units that is smaller than one and fails, as long as something may be asked."""
    tried = takewhile(lambda _: asked.left > 0, smaller)
    return next((less for less in tried if less.size < unit.size and asked(less)), None)


class _Asked:
    """Whether units fail on the device: each asked once, as long as the budget lasts."""

    def __init__(self, fails: Fails, budget: int) -> None:
        self.fails, self.left = fails, budget

    def fails_after(self, cases: Sequence[Case]) -> bool:
        """Whether the last of some cases fails."""
        self.left -= 1
        return self.left >= 0 and self.fails(cases)

    def __call__(self, unit: Unit) -> bool:
        """Whether the last run of a unit fails; one that no law allows does not."""
        try:
            cases = unit.cases() if self.left > 0 else []
        except FsrefError:
            return False
        return bool(cases) and self.fails_after(cases)
