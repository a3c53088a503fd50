"""Which known mistakes give every answer that a device gave of a population that differs (OBS-4, CONFORM-6)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.conformance.driven import DIFFERS, Driven, owner
from fsref.conformance.isolating import isolated
from fsref.conformance.standing import Accumulators, Biases
from fsref.law.images import drawn_images
from fsref.law.network import Network
from fsref.limits.chip import Limits
from fsref.simulation.following import following
from fsref.simulation.recording import Key
from fsref.vectors import flags
from fsref.vectors.aimed import form_of
from fsref.vectors.case import Case, case_of
from fsref.verification import causes
from fsref.verification.composed import naming
from fsref.verification.scene import Scene
from fsref.verification.stale_causes import STALE
from fsref.verification.stuck_causes import parts_alone

KEPT = 64  # cases that differ, and as many that do not, of a network on which causes are judged,
PLACES = 32  # and other networks and populations that differ
LARGEST = 2**24  # integers that are kept
BESIDE = 16  # places at which nothing differs, beside those at which something does
ROWS = 3  # of cases that a device is asked one after another,
IN_A_ROW = 8  # of so many that differ, and as many that do not
VARIED = 3  # different ones at least
MOST, OF_A_PART = 0.9, 0.5  # of what differs that a cause explains more than, everywhere or in a part alone

Place = tuple[str, str, str, str]  # id of a network, scope, unit where it is a projection, population


class Evidence:
    """What was answered: of every place that differs, and beside it of what passed there."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.bits = None if limits is None or limits.membrane_bits is None else (limits.membrane_bits, limits.overflow)
        self.wrong: dict[Place, list[Driven]] = {}
        self.right: dict[Place, list[Driven]] = {}
        self.alone: dict[Place, list[Driven]] = {}  # right by themselves in cases that differ elsewhere,
        self.doubtful: set[int] = set()  # and the layers in which one is not
        self.room = LARGEST
        self.differing = 0
        self.accumulators, self.biases = Accumulators(), Biases()

    def add(self, found: Driven) -> None:
        """Keep an answer, while there is room."""
        self.differing += found.verdict == DIFFERS
        found = replace(found, stood={**self.accumulators.followed(found), **self.biases.followed(found)})
        size = sum(values.size for values in found.observed.values())
        if not size or size > self.room or found.case is None or not (found.passed or found.difference):
            return
        kept = self.right if found.passed else self.wrong
        for place in _places(found):
            if len(kept.get(place, ())) < KEPT and (found.passed or place in kept or len(kept) < PLACES):
                kept.setdefault(place, []).append(found)
        self.room -= size
        for one in isolated(found):
            (place,) = _places(one)
            rows = self.alone.setdefault(place, [])
            if not one.passed:
                self.doubtful.add(_layer(one))
            elif len(rows) < BESIDE:
                rows.append(one)

    @property
    def forms(self) -> set[str]:
        """The forms of the networks in which something differs."""
        return {form_of(row.case.net) for rows in self.wrong.values() for row in rows[:1] if row.case is not None}

    def judged(self, first: Driven) -> causes.Judged:
        """The causes that give all that was answered of the population of a first difference, and nearly all that
        differs anywhere, of a part alone more than half and in two cases: one that gives less gives it by chance. Of
        these the ones that explain most.
        """
        (at,) = _places(first)
        fits = {at: self.fitting(at)}
        counts = {place: len(own) for place, own in self.wrong.items()}
        total, names = sum(counts.values()), {hint.name for hint in fits[at]}
        for place in self.wrong if names else ():
            if place != at:
                fits[place] = self.fitting(place, names)
        given = {(hint.name, hint.part): hint for own in fits.values() for hint in own}
        order = sorted(given.values(), key=lambda hint: (bool(hint.part), causes.order(hint.name)))
        explained = dict(_in_most(hint, [(counts[place], own) for place, own in fits.items()]) for hint in order)
        most = max(explained.values(), default=0)
        found = tuple(
            hint
            for hint, count in explained.items()
            if count == most > (OF_A_PART if hint.part else MOST) * total and (count > 1 or not hint.part)
        )
        found = tuple(hint for hint in found if not hint.part) or found
        return causes.Judged(found, most if found else 0, total, self.differing)

    def composed(self, first: Driven) -> causes.Judged:
        """What gives all that was answered anywhere, composed of where, what and when, in the shortest words; and where
        no words do, what is wrong in the population of a first difference (CONFORM-7).
        """
        (at,) = _places(first)
        places = [*sorted(self.wrong, key=lambda place: place != at)]
        places += [place for place in self.right if place not in self.wrong][:BESIDE]
        alone = [place for place, rows in self.alone.items() if rows and _layer(rows[0]) not in self.doubtful]
        places += alone[:BESIDE]
        counts = [len(self.wrong.get(place, ())) for place in places]
        return naming.judged([*map(self._scene, places)], counts, places.index(at), self.differing)

    def networks(self, first: Driven) -> Iterator[tuple[Network, str]]:
        """The networks of which something differs in scope network, and the population: of a first difference first."""
        (at,) = _places(first)
        for place in sorted(self.wrong, key=lambda place: place != at):
            case = self.wrong[place][0].case
            if case is not None and case.scope == "network":
                yield case.net, place[-1]

    def others(self, first: Driven) -> list[Case]:
        """A case of each of some other places at which something differs."""
        (at,) = _places(first)
        return [rows[0].case for place, rows in self.wrong.items() if place != at and rows[0].case is not None][:ROWS]

    def alike(self, first: Driven) -> Iterator[list[Case]]:
        """Cases kept of one place, those that differ and those that do not by turns, all of them more than once: of the
        place of a first difference, then of those of which most cases are kept.
        """
        (at,) = _places(first)
        sizes = {place: len(own) + len(self.right.get(place, ())) for place, own in self.wrong.items()}
        for place in sorted(sizes, key=lambda place: (place != at, -sizes[place]))[:ROWS]:
            both = zip_longest(self.wrong[place][:IN_A_ROW], self.right.get(place, ())[:IN_A_ROW])
            cases = [one.case for pair in both for one in pair if one is not None and one.case is not None]
            cases += _varied(cases)
            turn = [*cases, *cases[: 1 - len(cases) % 2]]  # an odd number: each comes at places of both parities
            yield turn * max(2, -(-2 * IN_A_ROW // len(turn)))

    def _scene(self, place: Place) -> Scene:
        """A population and what was answered there."""
        scene, _ = next(scenes_of(place, self.wrong.get(place, ()), self.right.get(place, self.alone.get(place, ()))))
        return replace(scene, bits=self.bits)

    def fitting(self, place: Place, among: Collection[str] | None = None) -> tuple[causes.Hint, ...]:
        """The causes, `among` some, that give all that was answered at a place, or all that was in the one channel or
        neuron that alone differs, where there is one.
        """
        found: list[causes.Hint] = []
        for scene, words in scenes_of(place, self.wrong[place], self.right.get(place, ())):
            known = {hint.name for hint in found if not hint.part and not all(own.where for own in hint.forms.values())}
            found += [hint.within(words) for hint in causes.hints(scene, among) if hint.name not in known]
        return tuple(found)


def _varied(cases: Sequence[Case]) -> list[Case]:
    """Cases of drawn images, where so few of a network differ that what is left of one is like another."""
    own = cases[0]
    if own.scope != "network" or len({case.id for case in cases}) >= VARIED:
        return []
    key, images = (own.net.input.name, "codes"), drawn_images(own.net.input, VARIED)
    return [case_of(own.net, own.scope, own.unit, {key: image.ravel()}) for image in images]


def _in_most(hint: causes.Hint, places: Sequence[tuple[int, Sequence[causes.Hint]]]) -> tuple[causes.Hint, int]:
    """A hint in those of its forms that give most of what differs in some places, and how many cases these give."""
    forms = {words: form for _, own in places for one in own if hint.covers(one) for words, form in one.forms.items()}
    counts = {
        words: sum(count for count, own in places if any(hint.covers(one) and words in one.forms for one in own))
        for words in forms
    }
    most = max(counts.values())
    return hint.among({words: form for words, form in forms.items() if counts[words] == most}), most


def behind(rows: Sequence[Driven], alone: bool = False) -> causes.Judged:
    """The causes between images that give what was answered to all cases of one network, scope and unit since a device
    started, some of which differ; where none does, what is composed of what is left of images before (CONFORM-7), but
    of a device that fails `alone`: of few cases much would give what it answers.
    """
    wrong, right = ([row for row in rows if row.passed is passed] for passed in (False, True))
    if (
        not wrong
        or len({(row.network, row.scope, row.unit) for row in rows}) > 1
        or not all(row.observed for row in rows)
    ):
        return causes.Judged()
    (at,) = _places(wrong[-1])
    order = sorted(range(len(rows)), key=lambda n: rows[n].passed)
    found, _ = next(scenes_of(at, wrong, right))
    scene = replace(found, at=np.array(order, np.intp))
    left = {cause.name for cause in STALE}  # alone it passes: something was left
    count, hints = len(wrong), causes.hints(scene, left)
    gated = len(scene.into) < len(scene.sums)  # what stays in a gate may give what stays in membranes would
    if alone or (hints and not gated):
        return causes.Judged(hints, count * bool(hints), count, count)
    composed = naming.judged_in_a_row(scene, count)
    return composed if composed.explained or not hints else causes.Judged(hints, count, count)


def _layer(found: Driven) -> int:
    """The number of a population that was judged by itself, among those that have membranes."""
    assert found.case is not None
    net = found.case.net
    return [p.name for p in net.integrating].index(found.case.unit)


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


def scenes_of(place: Place, wrong: Sequence[Driven], right: Sequence[Driven]) -> Iterator[tuple[Scene, str]]:
    """A population, and what was answered there in cases of one network and scope, those first that differ; and the one
    channel and the one neuron in words that alone differ, where there is one.
    """
    rows = [*wrong, *right]
    cases = [row.case for row in rows if row.case is not None]
    net, name = cases[0].net, place[-1]
    p, arrays = net[name], arrays_of(cases)
    scene = flags.scene_of(net, name, arrays)
    theirs, unlike = _theirs(place, rows, arrays, net.into(name))
    told = {what: values.reshape(len(rows), *_steps(what, values), *p.shape) for what, values in theirs.items()}
    alone = not any(of == name for row in rows for of, _ in row.observed)
    names = frozenset(unlike)
    if p in net.readouts and not alone:  # a cause that moves neurons tells them as codes
        told, names = {"codes": told["opening"]}, frozenset({"codes"} if unlike else ())
    seen_sums = [key for key in rows[0].observed if key[0] in net.into(name)]
    their_sums = {
        key[0]: np.stack([row.observed[key] for row in rows]).reshape(-1, *p.shape)
        for key in seen_sums
        if all(key in row.observed for row in rows)
    }
    stood = {
        of: (
            np.stack([row.stood[of][0] for row in rows]).reshape(-1, *p.shape),
            np.stack([row.stood[of][1] for row in rows]).reshape(-1, *p.shape),
        )
        for of in (*net.into(name), f"bias of {name}")
        if all(of in row.stood for row in rows)
    }
    earlier = [q.name for q in net.populations[: net.populations.index(p)] if (q.name, "spikes") in arrays]
    sent = {of: arrays[of, "spikes"].astype(np.int64).reshape(len(rows), *net[of].shape) for of in earlier}
    sent = sent if place[1] == "network" else {}
    scene = replace(scene, theirs=told, wrong=names, sums_alone=alone, their_sums=their_sums, sent=sent, stood=stood)
    yield scene, ""
    if not unlike:
        return
    there = np.logical_or.reduce([wrong.reshape(-1, p.neurons).any(axis=0) for wrong in unlike.values()])
    yield from ((replace(scene, part=part), words) for words, part in parts_alone(there.reshape(p.shape)))


def _steps(what: str, values: NDArray[Any]) -> tuple[int, ...]:
    """The dimension of steps that an array (B, K, neurons) has."""
    return (values.shape[1],) if what == "membranes" else ()


def _right(rows: Sequence[Driven], name: str) -> bool:
    """Whether all that was observed of a population itself is right."""
    return not any(
        (values != row.case.expected[of, what]).any()
        for row in rows
        if row.case is not None
        for (of, what), values in row.observed.items()
        if of == name
    )


def _theirs(
    place: Place, rows: Sequence[Driven], arrays: Mapping[Key, NDArray[Any]], into: Mapping[str, Any]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.bool_]]]:
    """What was answered of a population in all rows, by observable, and of what is not right where it is not."""
    _, scope, _, name = place
    keys = [key for key in rows[0].observed if all(key in row.observed for row in rows)]
    theirs = {what: np.stack([row.observed[of, what] for row in rows]) for of, what in keys if of == name}
    sums = [key for key in keys if key[0] in into]
    unlike_sums = any((row.observed[key] != row.case.expected[key]).any() for row in rows for key in sums if row.case)
    if scope == "projection" or (unlike_sums and _right(rows, name)):
        theirs = {}  # of sums alone there is something to say
        moved = [np.stack([row.observed[key] for row in rows]) - arrays[key] for key in sums]
        theirs["opening"] = arrays[name, "opening"] + sum(moved)
    elif scope == "neuron":  # it was given
        theirs["opening"] = arrays[name, "opening"].astype(np.int64)
    unlike = {what: np.asarray(values != arrays[name, what]) for what, values in theirs.items()}
    return theirs, {what: wrong for what, wrong in unlike.items() if wrong.any()}
