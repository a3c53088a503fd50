"""Cases of a given network and of networks drawn for limits, those first that show most (VECTOR-3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, MaxPool
from fsref.limits.chip import Limits
from fsref.simulation.following import following
from fsref.simulation.recording import Key
from fsref.vectors.case import SCOPES, Case, case_of, wanted
from fsref.vectors.drawing import Draws, membranes
from fsref.vectors.flags import flagged
from fsref.vectors.forms import forms, made
from fsref.vectors.met import Bin, met
from fsref.vectors.placing import codes, placed, stimuli
from fsref.vectors.room import Room
from fsref.verification.aims import aimed, corners

MOST = 100  # cases of level 1
TURNS = {1: 2, 2: 6}  # networks of each form, by level


@dataclass(eq=False)
class Candidate:
    """A case, the bins that it meets, and what it would show: (mistake, observable)."""

    case: Case
    bins: set[Bin]
    gains: set[tuple[str, ...]] = field(default_factory=set)


def units(net: Network, scope: str) -> list[str]:
    """What of a network a scope can judge."""
    match scope:
        case "network":
            return [net.readout.name]
        case "population":
            return [p.name for p in net.integrating]
        case "projection":
            return list(net.named_projections)
        case "max_pool":
            return [p.name for p in net.populations if isinstance(p, MaxPool)]
        case _:
            return [p.name for p in net.fs]


def cases_of(net: Network, images: Sequence[Ints], scopes: Sequence[str]) -> Iterator[Case]:
    """The cases of some scopes that images (neurons,) make: each unit gets what it gets in the run of an image."""
    x = np.stack(images)
    seen = {(net.input.name, "codes"): x, (net.input.name, "spikes"): x}
    seen |= following(net, {(net.input.name, "codes"): x})
    for scope in scopes:
        for unit in units(net, scope):
            inputs, _ = wanted(net, scope, unit)
            for i in range(len(x)):
                yield case_of(net, scope, unit, {key: seen[key][i] for key in inputs})


def openings(net: Network, turns: int) -> Iterator[Case]:
    """Neuron cases whose openings are the membranes of each row one after the other, as many turns."""
    for p in net.fs:
        T, h, _ = p.table.rows(p.shape[0])
        rows = [membranes(*row) for row in zip(T.tolist(), h.tolist(), strict=True)]
        size, n = p.shape[1] * p.shape[2], p.neurons
        for turn in range(turns):
            v = [rows[i // size][(i + turn * n) % len(rows[i // size])] for i in range(n)]
            yield case_of(net, "neuron", p.name, {(p.name, "opening"): np.array(v, np.int64)})


def for_limits(chip: Limits, scopes: Sequence[str], level: int, seed: int) -> Iterator[Case]:
    """The cases of networks drawn for a chip's limits."""
    draws = Draws(seed)
    for turn in range(TURNS[level]):
        for form in forms():
            room = Room(chip, draws)
            net = made(form, room)
            if net is None:
                continue
            image = codes(net.input, room, turn)
            net = placed(net, image, room, turn)
            images = [image, *stimuli(net, room, turn)]
            yield from cases_of(net, images, [s for s in scopes if s == "network"])
            yield from cases_of(net, images[:1], [s for s in scopes if s not in ("network", "neuron")])
            if "neuron" in scopes:
                yield from openings(net, 2)


def cases(net: Network, budget: int, scopes: Sequence[str] = SCOPES) -> Iterator[Case]:
    """The cases of a given network within a budget of images: its corners and those that set hidden membranes where
    rules decide.
    """
    images = np.concatenate([corners(net), aimed(net)]).reshape(-1, net.input.neurons)[:budget]
    yield from cases_of(net, list(images), scopes)
    if "neuron" in scopes:
        yield from openings(net, 2)


def weighed(found: Iterable[Case]) -> list[Candidate]:
    """The cases, each once, with what they meet and show, which their aims, rules and flags then say."""
    distinct = list({case.id: case for case in found}.values())
    made: list[Candidate] = []
    for _, group in groupby(distinct, lambda case: (case.net.id, case.scope, case.unit)):
        same = list(group)
        for case, shows in zip(same, flagged(same), strict=True):
            bins = met(case)
            gains = {(case.scope == "network", *b[:1], *b[2:]) for b in bins}  # type: ignore[misc]
            form = case.net.name.partition("_")[0]
            gains |= {(case.scope == "network", flag, what) for flag, keys in shows.items() for _, what in keys}
            gains |= {(case.scope == "network", flag, form) for flag in shows}
            aims = sorted({" ".join(b[:3]) for b in bins})
            rules = sorted({b[0] for b in bins}, key=lambda rule: (rule.rpartition("-")[0], len(rule), rule))
            made.append(Candidate(replace(case, aims=aims, rules=rules, flags=sorted(shows)), bins, gains))
    return made


def ordered(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates, at each place the one that adds most to those before it."""
    left, have, found = list(candidates), set[tuple[str, ...]](), list[Candidate]()
    while left:
        best = max(range(len(left)), key=lambda i: len(left[i].gains - have))
        if not left[best].gains - have:
            return found + left
        found.append(left.pop(best))
        have |= found[-1].gains
    return found


def together(chosen: Sequence[Candidate]) -> list[Case]:
    """The cases, those of one network in a row, where the first of it stands."""
    rows: dict[str, list[Case]] = {}
    for candidate in chosen:
        rows.setdefault(candidate.case.net.id, []).append(candidate.case)
    return [case for row in rows.values() for case in row]


def counted(candidates: Iterable[Candidate]) -> Mapping[str, set[str]]:
    """What is met of each rule."""
    found: dict[str, set[str]] = {}
    for candidate in candidates:
        for rule, _, what, _ in candidate.bins:
            found.setdefault(rule, set()).add(what)
    return found


_ = (FS, Key)
