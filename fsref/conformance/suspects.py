"""Which known mistakes give every answer that a device gave of a population that differs (OBS-4, CONFORM-6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.conformance.driven import DIFFERS, Driven, owner
from fsref.simulation.following import following
from fsref.simulation.recording import Key
from fsref.vectors import flags
from fsref.vectors.case import Case
from fsref.verification import causes
from fsref.verification.scene import Scene

KEPT = 64  # cases that differ, and as many that do not, of a network on which causes are judged,
PLACES = 32  # and other networks and populations that differ
LARGEST = 2**24  # integers that are kept

Place = tuple[str, str, str, str]  # id of a network, scope, unit where it is a projection, population


class Evidence:
    """What was answered: of every place that differs, and beside it of what passed there."""

    def __init__(self) -> None:
        self.wrong: dict[Place, list[Driven]] = {}
        self.right: dict[Place, list[Driven]] = {}
        self.room = LARGEST
        self.differing = 0

    def add(self, found: Driven) -> None:
        """Keep an answer, while there is room."""
        self.differing += found.verdict == DIFFERS
        size = sum(values.size for values in found.observed.values())
        if not size or size > self.room or found.case is None or not (found.passed or found.difference):
            return
        kept = self.right if found.passed else self.wrong
        for place in _places(found):
            if len(kept.get(place, ())) < KEPT and (found.passed or place in kept or len(kept) < PLACES):
                kept.setdefault(place, []).append(found)
        self.room -= size

    def judged(self, first: Driven) -> causes.Judged:
        """The causes that give all that was answered of the population of a first difference; of these the ones that
        explain most of what differs elsewhere.
        """
        (at,) = _places(first)
        rows = sorted(self.wrong.items(), key=lambda item: item[0] != at)
        fits = {place: causes.hints(scene_of(place, own, self.right.get(place, ()))) for place, own in rows}
        counts = {place: len(own) for place, own in rows}
        total = sum(counts.values())
        explained = {
            hint: sum(count for place, count in counts.items() if hint.name in {other.name for other in fits[place]})
            for hint in fits[at]
        }
        most = max(explained.values(), default=0)
        found = tuple(hint for hint, count in explained.items() if count == most)
        return causes.Judged(found, most, total, self.differing)


def behind(rows: Sequence[Driven]) -> tuple[causes.Hint, ...]:
    """The causes that give what was answered to all cases of one network, scope and unit since a device started, whose
    last one differs.
    """
    if (
        not rows
        or len({(row.network, row.scope, row.unit) for row in rows}) > 1
        or not all(row.observed for row in rows)
    ):
        return ()
    (at,) = _places(rows[-1])
    order = sorted(range(len(rows)), key=lambda n: rows[n].passed)
    wrong, right = ([rows[n] for n in order if rows[n].passed is passed] for passed in (False, True))
    return causes.hints(replace(scene_of(at, wrong, right), at=np.array(order, np.intp)))


def _places(found: Driven) -> list[Place]:
    """Where an answer counts: in the population that differs, or in all that are right."""
    case = found.case
    assert case is not None
    names = [owner(case.net, found.place)]
    if found.passed and case.scope == "network":
        names = [p.name for p in case.net.populations[1:]]
    unit = case.unit if case.scope == "projection" else ""
    return [(case.net.id, case.scope, unit, name) for name in names]


def arrays_of(cases: Sequence[Case]) -> dict[Key, NDArray[Any]]:
    """All that the law makes of what is given in cases of one network and scope, arrays (B, neurons): beside what
    follows the trains and codes of what is given; a source of which nothing is given is silent.
    """
    net = cases[0].net
    arrays = {key: np.stack([case.given[key] for case in cases]) for key in cases[0].given}
    opened = [of for of, what in arrays if what == "opening"]
    units = [cases[0].unit] if cases[0].scope != "network" else []
    targets = {net.named_projections[of].target if of in net.named_projections else of for of in units}
    silent = {source for of in targets for source in net.sources(of)} - {of for of, _ in arrays}
    arrays |= {(source, "spikes"): np.zeros((len(cases), net[source].neurons), np.int64) for source in silent}
    arrays |= following(net, {key: values for key, values in arrays.items() if not opened or key[1] == "opening"})
    for p in net.populations:
        trains = arrays.get((p.name, "spikes"), arrays.get((p.name, "codes")) if p is net.input else None)
        if trains is not None and p.name in net.code_weights:
            arrays[p.name, "spikes"] = trains = trains.astype(np.int64)
            z = trains.reshape(-1, 1, *p.shape) >> np.arange(net.steps[p.name] - 1, -1, -1).reshape(-1, 1, 1, 1) & 1
            arrays[p.name, "codes"] = np.einsum("bkchw,ck->bchw", z, net.code_weights[p.name]).reshape(len(trains), -1)
    return arrays


def scene_of(place: Place, wrong: Sequence[Driven], right: Sequence[Driven]) -> Scene:
    """A population, and what was answered there in cases of one network and scope, those first that differ."""
    rows = [*wrong, *right]
    cases = [row.case for row in rows if row.case is not None]
    net, name = cases[0].net, place[-1]
    p, arrays = net[name], arrays_of(cases)
    scene = flags.scene_of(cases[0], name, arrays)
    theirs, unlike = _theirs(place, rows, arrays, net.into(name))
    told = {what: values.reshape(len(rows), *_steps(what, values), *p.shape) for what, values in theirs.items()}
    if p is net.readout and "opening" in told:  # a cause that moves neurons tells them as codes
        told["codes"] = told["opening"]
        unlike |= {"codes"} if unlike else set()
    return replace(scene, theirs=told, wrong=unlike)


def _steps(what: str, values: NDArray[Any]) -> tuple[int, ...]:
    """The dimension of steps that an array (B, K, neurons) has."""
    return (values.shape[1],) if what == "membranes" else ()


def _theirs(
    place: Place, rows: Sequence[Driven], arrays: Mapping[Key, NDArray[Any]], into: Mapping[str, Any]
) -> tuple[dict[str, NDArray[Any]], frozenset[str]]:
    """What was answered of a population in all rows, by observable, and which of it is not right."""
    _, scope, _, name = place
    keys = [key for key in rows[0].observed if all(key in row.observed for row in rows)]
    theirs = {what: np.stack([row.observed[of, what] for row in rows]) for of, what in keys if of == name}
    if scope == "projection":
        moved = [np.stack([row.observed[key] for row in rows]) - arrays[key] for key in keys if key[0] in into]
        theirs["opening"] = arrays[name, "opening"] + sum(moved)
    if scope == "neuron":  # it was given
        theirs["opening"] = arrays[name, "opening"].astype(np.int64)
    return theirs, frozenset(what for what, values in theirs.items() if (values != arrays[name, what]).any())
