"""Cases of a given network and of networks drawn for limits, those first that show most (VECTOR-3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from itertools import groupby
from typing import TypeAlias

import numpy as np

from fsref.coverage.bins import reached
from fsref.coverage.coverage import Coverage
from fsref.coverage.search import Found, aim
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import OBSERVABLES
from fsref.limits.chip import Limits
from fsref.simulation.following import following
from fsref.simulation.recording import Key
from fsref.vectors.case import SCOPES, Case, case_of, units, wanted
from fsref.vectors.chains import CHAIN
from fsref.vectors.drawing import Draws, membranes
from fsref.vectors.flags import Shows, flagged, gets, scene_of
from fsref.vectors.forms import forms, made
from fsref.vectors.placing import codes, placed, stimuli
from fsref.vectors.protocol import ROW
from fsref.vectors.room import Room
from fsref.verification.aimed import aimed
from fsref.verification.aims import first_populations

Gain: TypeAlias = tuple[object, ...]
MOST = 100  # cases of level 1
KIND = 1_000  # bins or mistakes of known kinds that a new kind of bin, or another form of network, outweighs
NEARLY = 4  # bits of an accumulator at its end that all ways of delivering are to reach
LAYERS = 3  # in each of which a mistake is to show
TOGETHER = 64  # stimuli that are followed at a time
TURNS = {1: range(1), 2: range(1, 4)}  # of each form a network each, by level


@dataclass(eq=False)
class Candidate:
    """A case, and what it adds: kinds of bins and its form of network, bins that it meets, mistakes that it shows."""

    case: Case
    kinds: set[Gain]
    gains: set[Gain]


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
    """Neuron cases whose openings are the membranes of each row that the network can reach (RANGE-2), one after the
    other, as many turns.
    """
    for p in net.fs:
        T, h, _ = p.table.rows(p.shape[0])
        ends = net.ranges[p.name].opening.tolist()
        rows = [
            [v for v in membranes(*row) if low <= v <= high] or [low]
            for *row, (low, high) in zip(T.tolist(), h.tolist(), ends, strict=True)
        ]
        size, n = p.shape[1] * p.shape[2], p.neurons
        for turn in range(turns):
            v = [rows[i // size][(i + turn * n) % len(rows[i // size])] for i in range(n)]
            yield case_of(net, "neuron", p.name, {(p.name, "opening"): np.array(v, np.int64)})


def for_limits(
    chip: Limits, scopes: Sequence[str], seed: int, turns: Iterable[int], among: Collection[str] | None = None
) -> Iterator[Case]:
    """The cases of networks drawn for a chip's limits, one of each form in each turn; of forms `among` some alone."""
    for turn in turns:
        draws = Draws((seed << 8) + turn)
        for place, form in enumerate(forms()):
            room = Room(chip, draws, deeper=(turn + place) % 2 == 1)
            net = made(form, room)
            if net is None or not any(units(net, scope) for scope in scopes):
                continue
            if among is not None and form_of(net) not in among:
                continue
            image = codes(net.input, room, turn)
            net = placed(net, image, room, turn)
            row = turn == place == 0
            images = [image, *stimuli(net, room, turn)]
            if row:  # with a blank image behind another, and one behind another of the same sum
                images += [0 * image, *(codes(net.input, room, turn + i) for i in range(ROW - len(images) - 2))]
                images.append(images[-1][::-1])
            yield from cases_of(net, images, [s for s in scopes if s == "network"])
            yield from cases_of(net, images, [s for s in scopes if s == "max_pool"])
            yield from cases_of(
                net,
                images if row and "network" not in scopes else images[:1],
                [s for s in scopes if s in ("population", "projection")],
            )
            if "neuron" in scopes:
                yield from openings(net, 2)


def form_of(net: Network) -> str:
    """The form of a network that was drawn for limits."""
    return net.name.partition("_")[0]


def searched(
    net: Network, scopes: Sequence[str], budget: int, seed: int, progress: Callable[[int], None] | None = None
) -> dict[str, Found]:
    """What a search of so many stimuli finds of each population that units of these scopes need, and of those that
    read the input alone, of which a stimulus is an image. `progress` is called with 1 for each population but the
    input.
    """
    named = {p.name for p in first_populations(net)}
    for scope in set(scopes) - {"network"}:
        named |= {target(net, scope, unit) for unit in units(net, scope)}
    found = {}
    for p in net.populations[1:]:
        if p.name in named:
            found[p.name] = aim(net, p.name, budget, seed)
        if progress is not None:
            progress(1)
    return found


def target(net: Network, scope: str, unit: str) -> str:
    """The population that a unit is, or leads to."""
    return net.named_projections[unit].target if scope == "projection" else unit


def cases(
    net: Network, found: Mapping[str, Found], budget: int, scopes: Sequence[str] = SCOPES
) -> tuple[list[Case], list[Case]]:
    """The cases of a given network: of scope network so many images at most, its corners and those that set hidden
    membranes where rules decide; of its units the stimuli that a search `found` for each population, those behind the
    first `MOST` of a unit apart: nearly each of these is there for one bin.
    """
    first, rest = list[Case](), list[Case]()
    if "network" in scopes:
        images = aimed(net).images.reshape(-1, net.input.neurons)[:budget]
        first += cases_of(net, list(images), ["network"])
    for scope in scopes:
        for unit in units(net, scope) if scope != "network" else ():
            stimuli = found[target(net, scope, unit)].stimuli
            made = [
                case
                for at in range(0, len(stimuli), TOGETHER)
                for case in _of(net, scope, unit, stimuli[at:][:TOGETHER])
            ]
            distinct = list({case.id: case for case in made}.values())
            first += distinct[:MOST]
            rest += distinct[MOST:]
    return first, rest


def _of(net: Network, scope: str, unit: str, stimuli: Sequence[Mapping[Key, Ints]]) -> Iterator[Case]:
    """The cases of a unit whose sources send each of some stimuli."""
    seen = {key: np.stack([stimulus[key].reshape(-1) for stimulus in stimuli]) for key in stimuli[0]}
    inputs, outputs = wanted(net, scope, unit)
    if scope == "neuron":
        seen |= following(net, seen)
    given = {key: seen[key].astype(np.int64) for key in inputs}
    made = following(net, given)
    for i in range(len(stimuli)):
        expected = {key: made[key][i].astype(np.int64) for key in outputs}
        yield Case(net, scope, unit, {key: array[i] for key, array in given.items()}, expected)


def weighed(
    found: Iterable[Case], each: bool, chip: Limits | None = None, progress: Callable[[int], None] | None = None
) -> list[Candidate]:
    """The cases, each once, with what they meet and show, which their aims, rules and flags then say; bins of `each`
    channel count, or of any. Mistakes are those that show in what a chip can give back; cases of which it gives
    nothing are left out.
    """
    able = OBSERVABLES if chip is None or chip.observables is None else tuple(chip.observables)
    distinct = list({case.id: case for case in found if any(key[1] in able for key in case.expected)}.values())
    made: list[Candidate] = []
    for _, group in groupby(distinct, lambda case: case.net.id):
        same = list(group)
        shown = flagged(same, progress)
        able_to = [
            {flag: seen for flag, keys in shows.items() if (seen := {key for key in keys if key[1] in able})}
            for shows in shown
        ]
        weighing = [weigh(case, shows, each, chip) for case, shows in zip(same, able_to, strict=True)]
        for candidate, shows in zip(weighing, shown, strict=True):
            if candidate.case.scope == "network" and not each:
                candidate.gains |= placed_at(candidate.case.net, shows)
        rows = [[c for c in weighing if c.case.scope == scope] for scope in ("network", "population")]
        for row in rows:
            for place, candidate in enumerate(row):
                # Which candidates are in again shows in another image alone (POOL-1), and what a membrane keeps of a
                # neuron without a bias; what is wrong in every so many images (NET-6), in a row.
                if len(row) >= ROW:
                    candidate.kinds |= {("row", place), ("row", place, row[0].case.scope)}
                elif candidate.case.net.pools or form_of(candidate.case.net) == CHAIN:
                    candidate.kinds.add((candidate.case.net.id, place > 0))
        made += weighing
    return made


def weigh(case: Case, shows: Mapping[str, set[Key]], each: bool, chip: Limits | None = None) -> Candidate:
    """A case with the bins that it meets (COVER-1), the mistakes that it shows with the observables in which, and how
    far membranes go, where a chip tells how far its accumulators do.
    """
    net = case.net
    form, depth = form_of(net), len(net.populations)
    gains: set[Gain] = {(case.scope, flag, what) for flag, keys in shows.items() for _, what in keys}
    gains |= {(case.scope, flag, form, depth) for flag in shows}
    coverage = covered([case])
    aims: dict[str, Gain] = {}
    kinds: set[Gain] = set()
    if case.scope in ("network", "population"):  # which show all of a form
        kinds = {(net.name,), (form, depth)}
        if chip is not None and chip.membrane_bits is not None:
            kinds |= heights(case, chip.membrane_bits)
            kinds |= returning(case, chip.membrane_bits) if chip.overflow == "wrap" else set()
    thresholds = {p.name: p.table.rows(p.shape[0])[0] for p in net.fs}
    for group, bins in zip(coverage.groups, coverage.reached, strict=True):
        if not bins.any() or group.rule == "OBS-1":
            continue
        aims[f"{group.rule} {group.place} {group.what}"] = (group.rule, group.what)
        if group.rule == "FS-2" and (bins & (thresholds[group.place] <= 0)).any():
            kinds.add((case.scope, group.rule, group.what, "a threshold of 0 or below", depth))
        steps = net.steps.get(group.place, 0)
        met = bins if each or group.axes[:1] != ("channel",) else bins.any(axis=0)
        which = [form] if group.what == "weight used" and not each else np.flatnonzero(met).tolist()
        place = group.place if each else ""
        gains |= {(case.scope, group.rule, group.what, place, steps, one) for one in which}
    rules = dict.fromkeys(str(rule) for rule, _ in aims.values())
    return Candidate(
        replace(case, aims=tuple(aims), rules=tuple(rules), flags=tuple(sorted(shows))),
        kinds | {(case.scope, *kind) for kind in aims.values()},
        gains,
    )


def placed_at(net: Network, shows: Shows) -> set[Gain]:
    """The mistakes that a case shows, each with the layer and the channel in which it does, of the first ones."""
    layers = {p.name: layer for layer, p in enumerate(net.integrating[:LAYERS])}
    return {(flag, layers[of], channel) for flag, of, channel in shows.channels if of in layers}


def heights(case: Case, bits: int) -> set[Gain]:
    """The bits of the opening membranes of a case, by the kind of population and the sign; those that are nearly all
    of the `bits` of an accumulator by how they came, too, and where every neuron has them.
    """
    found: set[Gain] = set()
    for p in case.net.integrating:
        way = tuple(sorted({f"{type(q).__name__}{getattr(q, 'pooled', '')}" for q in case.net.into(p.name).values()}))
        v = case.expected.get((p.name, "opening"), np.zeros(0, np.int64)).tolist()
        every = {(one < 0, (one ^ (one >> 63)).bit_length()) for one in v}
        for sign, high in every:
            nearly = high > bits - NEARLY
            found.add(("height", p.kind, sign, high, way if nearly else ()))
            found |= {("height", p.kind, sign, high, "of each neuron")} if nearly and len(every) == 1 else set()
    return found


def returning(case: Case, bits: int) -> set[Gain]:
    """The populations of a case whose membranes leave what so many bits hold, above or below, on the way to where they
    open: step by step of each projection in turn.
    """
    net, found, whole = case.net, set[Gain](), gets(case)
    for p in net.integrating:
        if all((source, "spikes") in whole for source in net.sources(p.name)):
            given = {key: values[None] for key, values in whole.items() if key[1] in ("spikes", "opening")}
            v = np.broadcast_to(p.bias_map, p.shape).astype(np.int64)
            for more in (more for steps in scene_of(net, p.name, given).step_sums.values() for more in steps):
                v = v + more[0]
                for sign, beyond in ((1, v >= 2 ** (bits - 1)), (-1, v < -(2 ** (bits - 1)))):
                    found |= {("returning", net.name, p.name, sign)} if beyond.any() else set()
    return found


def covered(same: Sequence[Case]) -> Coverage:
    """The bins that cases of one network, scope and unit reach, one behind another (COVER-1)."""
    given, expected = (
        {key: np.stack([getattr(case, side)[key] for case in same]) for key in getattr(same[0], side)}
        for side in ("given", "expected")
    )
    return reached(same[0].net, given | expected, given.keys() if same[0].scope != "network" else frozenset())


def ordered(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates: at each place the one that adds most to those before it, kinds and gains; once nothing is added,
    or there are `MOST`, the rest as they come.
    """
    found: list[int] = []
    kinds, gains = set[Gain](), set[Gain]()

    def adds(i: int) -> int:
        return KIND * len(candidates[i].kinds - kinds) + len(candidates[i].gains - gains)

    heap = [(-adds(i), i) for i in range(len(candidates))]
    heapify(heap)
    while heap and len(found) < MOST:
        _, best = heappop(heap)
        added = adds(best)
        if heap and -added > heap[0][0]:  # less than when it was last looked at
            heappush(heap, (-added, best))
        elif added:
            found.append(best)
            kinds |= candidates[best].kinds
            gains |= candidates[best].gains
    return [candidates[i] for i in (*found, *sorted(set(range(len(candidates))) - set(found)))]


def together(chosen: Sequence[Case]) -> list[Case]:
    """The cases, those of one network in a row, where the first of it stands, and behind one another networks of the
    same sizes, so that what a load leaves of the one before shows.
    """
    alike: dict[object, dict[str, list[Case]]] = {}
    for case in chosen:
        sizes = [(p.kind, p.shape, case.net.steps.get(p.name)) for p in case.net.populations]
        layout = (tuple(sizes), tuple(q.weights.shape for q in case.net.projections))
        alike.setdefault(layout, {}).setdefault(case.net.id, []).append(case)
    return [case for rows in alike.values() for row in rows.values() for case in row]
