"""Populations of a network trained in few bits, kept as trained: their weights are its integers, their codes its codes
for every image (CONV-14).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fsref.activations.coding import Coding, Reals
from fsref.conversion.activation import LINEAR
from fsref.conversion.beside import CASES, neurons_beside
from fsref.conversion.entry import LEFT_OUT
from fsref.conversion.exact import through
from fsref.conversion.folded import Folded, Unit, constant_part
from fsref.conversion.grids import SAME, grid_of, joined
from fsref.conversion.levels import CELLS, MOST, Neurons, neurons, table_of
from fsref.conversion.quantisation import Quantised, in_code_units
from fsref.conversion.sources import Source
from fsref.law.neuron import Ints, Table
from fsref.tables import Brief, plural

WEIGHT_BITS = 32  # PROJ-7
BEHIND = "as trained, from codes that are not all equal"
NOTABLE = 1e-2  # of a level: beside it, what float32 rounds of a sum is nothing


class Unkept(Exception):
    """A population cannot be kept as trained: why."""


@dataclass(frozen=True, eq=False, repr=False)
class Kept(Brief):
    """A population as trained: its integers, its table (a readout has none), and what is told of it (`record`)."""

    made: Quantised
    table: Table | None
    record: dict[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Sums(Brief):
    """The sums of a unit in integers: those `trained` of its terms, and their `weights`, multiples of them, each of the
    first or the second of `steps` ((C,), the real value of one) as `group` says; `start` (C, H, W) or (C, 1, 1) what
    stands beside the codes, in first steps; `ends` of what codes deliver by group, (C,) and (C,).
    """

    trained: tuple[Ints, ...]
    weights: tuple[Ints, ...]
    group: tuple[int, ...]
    steps: tuple[Reals, ...]
    start: Reals
    ends: tuple[tuple[Ints, Ints], ...]


def sums_of(unit: Unit, sources: Sequence[Source]) -> Sums:
    """The sums of a unit whose weights are integers times steps. Errors: Unkept."""
    assert unit.bias is not None
    if not unit.terms:
        raise Unkept("it reads nothing")
    parts = []
    for term, source in zip(unit.terms, sources, strict=True):
        scale = float(source.scale[0])
        alike, one = (source.scale == scale).all(), unit.activation is None
        per_code = term.weights if alike else in_code_units(term, source)
        grid = grid_of(per_code, one)
        if not alike and (grid is None or not grid.makes(per_code)):
            raise Unkept(f"channels of {term.source} have scales without a common step")
        if grid is None:
            raise Unkept("its weights are no integers of 8 bits times a step, for all channels or for each")
        parts.append((grid.integers, grid.steps * scale if alike else grid.steps))
    weights, group, steps = _grouped(parts)
    places = [
        source.shape[1] * source.shape[2] if t.pooled else 1 for t, source in zip(unit.terms, sources, strict=True)
    ]
    own = [w.reshape(len(w), -1) * (s.top * n) for w, s, n in zip(weights, sources, places, strict=True)]
    ends = [
        tuple(
            sum(cut(w, 0).sum(axis=1) for w, g in zip(own, group, strict=True) if g == k)
            for cut in (np.minimum, np.maximum)
        )
        for k in range(len(steps))
    ]
    if len(steps) == 2 and (ends[1][1] - ends[1][0]).max() > (ends[0][1] - ends[0][0]).max():
        group, steps, ends = tuple(1 - g for g in group), steps[::-1], ends[::-1]
    start = (unit.bias / steps[0])[:, None, None]
    for term, w, g, source in zip(unit.terms, weights, group, sources, strict=True):
        if term.fixed:
            start = start + constant_part(term, source.shape[1:]) / steps[0][:, None, None]
        if source.offset.any():
            start = start - through(term, source.offsets, w) * (steps[g] / steps[0])[:, None, None]
    return Sums(tuple(integers for integers, _ in parts), weights, group, steps, start, tuple(ends))


def _grouped(parts: Sequence[tuple[Ints, Reals]]) -> tuple[tuple[Ints, ...], tuple[int, ...], tuple[Reals, ...]]:
    """The integers of terms, the group of each, and the step of each group, of which there are at most two. Errors:
    Unkept.
    """
    groups: list[list[int]] = []
    for i in range(len(parts)):
        for members in groups:
            if joined([parts[k] for k in (*members, i)]) is not None:
                members.append(i)
                break
        else:
            groups.append([i])
    if len(groups) > 2:
        raise Unkept(f"it adds values of {len(groups)} scales without a common step")
    weights, group, steps = [np.empty(0, np.int64)] * len(parts), [0] * len(parts), []
    for number, members in enumerate(groups):
        found = joined([parts[k] for k in members])
        assert found is not None
        steps.append(found[1])
        for k, integers in zip(members, found[0], strict=True):
            weights[k], group[k] = integers, number
    return tuple(weights), tuple(group), tuple(steps)


def as_trained(
    unit: Unit, sources: Sequence[Source], coding: Coding | None, power_of_two: bool
) -> tuple[Kept | None, dict[str, Any]]:
    """A unit of this coding, a readout of none, as trained, and what is told of it; None, and why, where it cannot
    be.
    """
    try:
        found = kept(unit, sources, coding, power_of_two)
    except Unkept as why:
        return None, unkept(str(why))
    return found, found.record


def unkept(why: str) -> dict[str, Any]:
    """What is told of a population that is not kept."""
    return {"equal": False, "why": why}


def kept(unit: Unit, sources: Sequence[Source], coding: Coding | None, power_of_two: bool) -> Kept:
    """A unit of this coding, a readout of none, as trained. Errors: Unkept."""
    if unit.product is not None:
        raise Unkept("it multiplies")
    sums = sums_of(unit, sources)
    if coding is None:
        return _readout(sums)
    if (unit.activation or LINEAR).own is None:
        raise Unkept("it does not quantise: its levels are chosen here")
    start, place = _kinds(sums.start)
    cases = start.shape[1] * coding.largest
    if len(sums.ends) > 1:
        cases *= int((sums.ends[1][1] - sums.ends[1][0]).max()) + 1
        if power_of_two or cases > CASES:
            raise Unkept(f"it adds values of two scales without a common step, in more than {CASES:,} ways")
    elif cases > CELLS:
        raise Unkept(f"{start.shape[1]} kinds of places and {coding.largest} levels are too many to compare")
    at_once = max(1, CELLS // cases)
    parts = [
        _neurons(sums, start, coding, power_of_two, slice(first, first + at_once))
        for first in range(0, len(start), at_once)
    ]
    made = Neurons(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    times = (made.multiple, made.other)
    reach = np.abs(made.bias).max(axis=1) + sum(
        n * np.maximum(np.abs(ends[0]), ends[1]) for n, ends in zip(times, sums.ends, strict=False)
    )
    if max(int(reach.max()), int(made.theta.max()) * coding.largest) >= MOST:
        raise Unkept("its sums would pass 46 bits")
    weights = tuple(
        w * times[g].reshape(-1, *[1] * (w.ndim - 1)) for w, g in zip(sums.weights, sums.group, strict=True)
    )
    if _bits(weights) > WEIGHT_BITS:
        raise Unkept(f"its weights would have {_bits(weights)} bits, at most {WEIGHT_BITS}")
    own = [i for i, term in enumerate(unit.terms) if not term.skip] or range(len(unit.terms))
    multiples = np.concatenate([_multiples(weights[i], sums.trained[i]) for i in own])
    bias = made.bias[:, 0] if sums.start.shape[1:] == (1, 1) else made.bias[:, place].reshape(sums.start.shape)
    record = {
        "equal": True,
        "multiples": [int(multiples.min(initial=1)), int(multiples.max(initial=1))],
        "trained_bits": _bits([sums.trained[i] for i in own]),
        "weight_bits": _bits([weights[i] for i in own]),
        "tied_channels": int(made.tied.sum()),
        "margin": float(made.margin.min()) if np.isfinite(made.margin.min()) else None,
    }
    table = table_of(coding, made.theta, made.halves)
    return Kept(Quantised(weights, bias, made.theta, np.ravel(coding.scale) / made.theta), table, record)


def _neurons(sums: Sums, start: Reals, coding: Coding, power_of_two: bool, part: slice) -> Neurons:
    """The neurons of some channels. Errors: Unkept."""
    scale = float(np.ravel(coding.scale)[0])
    per_sum, (low, high) = sums.steps[0][part] / scale, (end[part] for end in sums.ends[0])
    if len(sums.ends) > 1:
        ratio, (least, most) = (sums.steps[1] / sums.steps[0])[part], (end[part] for end in sums.ends[1])
        made = neurons_beside(coding, per_sum, start[part], low, high, ratio, (least, most))
    else:
        made = neurons(coding, per_sum, start[part], low, high, power_of_two)
    if isinstance(made, int):
        what = f"the weights of channel {part.start + made}"
        raise Unkept(f"no multiple of {what} that was tried has its levels equally far apart")
    return made


def _multiples(weights: Ints, trained: Ints) -> Ints:
    """How many times as large as the trained integers the weights of each channel are; nothing of those of zeros."""
    sizes, own = (np.abs(w).reshape(len(w), -1).max(axis=1) for w in (weights, trained))
    multiples: Ints = sizes[own > 0] // own[own > 0]
    return multiples


def _readout(sums: Sums) -> Kept:
    """A readout as trained: its integers, whose membranes are logits of one step for all classes. Errors: Unkept."""
    step = sums.steps[0].max()
    active = [w.reshape(len(w), -1).any(axis=1) for w in sums.weights]
    one = np.abs(sums.steps[0] / step - 1) <= SAME
    if len(sums.steps) > 1 or not (one | ~np.any(active, axis=0)).all():
        raise Unkept("its weights have a step for each class, and logits one scale (NET-8)")
    start = sums.start * (sums.steps[0] / step)[:, None, None]
    start = start[:, 0, 0] if start.shape[1:] == (1, 1) else start
    bias = np.rint(start).astype(np.int64)
    exact = bool((np.abs(start - bias) <= SAME * (np.abs(start) + 1)).all())
    if max(int(np.abs(bias).max()), *(int(np.abs(end).max()) for end in sums.ends[0])) >= MOST:
        raise Unkept("its sums would pass 46 bits")
    bits = _bits(sums.trained)
    zeros = np.zeros(len(bias), np.int64)
    made = Quantised(sums.weights, bias, zeros, np.full(len(bias), step))
    return Kept(made, None, {"equal": exact, "trained_bits": bits, "weight_bits": _bits(sums.weights)})


def _bits(weights: Sequence[Ints]) -> int:
    """The bits of the widest weight, sign included."""
    ends = [int(end) for w in weights for end in (w.max(initial=0), -1 - w.min(initial=0))]
    return max(ends, default=0).bit_length() + 1


def _kinds(start: Reals) -> tuple[Reals, Ints]:
    """What places (C, H, W) start with, each kind once, (C, kinds), and the kind of each place, (H * W,)."""
    flat = start.reshape(len(start), -1)
    unit = SAME * (np.abs(flat).max(axis=1, keepdims=True) + 1)
    _, at, place = np.unique(np.rint(flat / unit), axis=1, return_index=True, return_inverse=True)
    return flat[:, at], place.ravel()


def told(records: Mapping[str, dict[str, Any]], folded: Folded) -> dict[str, Any]:
    """What is told of a network trained in few bits, as plain JSON values: of each population whether its codes are
    equal, and what for; `equal` says whether those of all are. `outputs` are the readouts, whose logits are no codes.
    What is kept as trained is equal only where all that it reads is.
    """
    records, left_out = dict(records), LEFT_OUT in folded.graph.notes
    unequal = {"input"} if left_out else set[str]()
    for unit in folded.units:
        record = records.get(unit.name, {"equal": True})
        if not unequal.isdisjoint(unit.sources):
            unequal.add(unit.name)
            if unit.name in records and record["equal"]:
                records[unit.name] = {**record, **unkept(BEHIND)}
        elif not record["equal"]:
            unequal.add(unit.name)
    populations = {name: record for name, record in records.items() if folded[name].activation is not None}
    outputs = {name: record for name, record in records.items() if name not in populations}
    if left_out:
        populations = {"input": unkept(LEFT_OUT), **populations}
    equal = all(record["equal"] for record in populations.values())
    return {"equal": equal, "populations": populations, "outputs": outputs}


def rounds(trained: Mapping[str, Any] | None) -> bool:
    """Whether conversion rounded some population, given what `told` says, or nothing of other networks."""
    populations = {} if trained is None else trained["populations"]
    return trained is None or any("multiples" not in populations[name] for name in populations if name != "input")


def lines(trained: Mapping[str, Any]) -> list[str]:
    """What `told` says, a line each for people."""
    populations, outputs = trained["populations"], trained["outputs"]
    unequal = {name: record["why"] for name, record in populations.items() if not record["equal"]}
    kept = [record for record in populations.values() if "multiples" in record]
    if not unequal:
        made = ["equal to the quantised network for all codes: proved"]
    else:
        equal = len(populations) - len(unequal)
        made = [f"{equal} of {plural(len(populations), 'population')} proved equal to the quantised network"]
        made += [f"{name}: {why}" for name, why in unequal.items() if why != BEHIND]
        if behind := [name for name, why in unequal.items() if why == BEHIND]:
            made.append(f"{', '.join(behind)}: {BEHIND}")
    if kept:
        multiple = max(record["multiples"][1] for record in kept)
        trained_bits, bits = (max(record[key] for record in kept) for key in ("trained_bits", "weight_bits"))
        said = "the weights are the trained integers"
        if multiple > 1:
            said += f", up to {multiple} times: {bits} bits for {trained_bits}, so that no level moves"
        made.append(f"{said}; {_ties(kept)}")
    for name, record in outputs.items():
        what = "logits" if len(outputs) == 1 else f"output {name}"
        rest = "equal" if record["equal"] else "trained integers, biases rounded to one of their units"
        why = record.get("why", rest)
        made.append(f"{what}: {why}" if why in (rest, BEHIND) else f"{what}: rounded; {why}")
    return made


def _ties(kept: Sequence[dict[str, Any]]) -> str:
    """Whether a sum can lie half way between two codes, and how near others come."""
    tied = sum(record["tied_channels"] > 0 for record in kept)
    margin = min((record["margin"] for record in kept if record["margin"] is not None), default=None)
    said = f"a tie can occur in {plural(tied, 'population')}, and goes the same way" if tied else "no tie can occur"
    if margin is None or margin > NOTABLE:
        return said
    return f"{said}; sums come as near as {margin:.1g} of a level to a border"
