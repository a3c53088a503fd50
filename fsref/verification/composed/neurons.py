"""What an FS neuron does, step by step, from what was observed of the step before: firing, reset, code (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints, is_binary
from fsref.law.populations import FS, Shape
from fsref.tables import Brief
from fsref.verification.composed.addresses import IN_TURN
from fsref.verification.composed.earlier import before, is_known
from fsref.verification.composed.placing import as_rows, elsewhere, of_other, operand
from fsref.verification.composed.relation import (
    MOSTLY,
    UNSAID,
    Change,
    Columns,
    Mask,
    Part,
    Take,
    becoming,
    begun_by_law,
    column,
    moved,
    part_of,
    result,
    shifted,
)
from fsref.verification.composed.rows import Rows, own_rows, rows_otherwise
from fsref.verification.composed.values import BECOMES
from fsref.verification.composed.where import Other
from fsref.verification.deliveries import touched
from fsref.verification.scene import Scene

SHIFTS = range(1, 13)  # of leaks
UNWRITTEN = (2, 3, 4, 8)  # neurons whose membranes are under way


@dataclass(frozen=True, eq=False, repr=False)
class Neurons(Brief):
    """What was observed of the FS neurons of a scene, (B, K, C, H, W): the membranes `before` each step and `after` it,
    None where these were not observed, whether they `fired`, and their tables T, h, d, (K, C, 1, 1).
    """

    before: Ints
    after: Ints | None
    fired: NDArray[np.bool_]
    T: Ints
    h: Ints
    d: Ints


def _k(scene: Scene, before: int) -> int:
    """K of a population so many before in the load."""
    names = [p.name for p in scene.net.populations]
    return scene.net.steps[names[names.index(scene.population.name) - before]]


def _modulo(n: int, scene: Scene) -> int:
    """K as a counter of too few bits counts it."""
    return (_k(scene, 0) - 1) % n + 1


def _rest(n: int, scene: Scene) -> int:
    return _k(scene, 0) % n


STEPS: tuple[tuple[str, float, Callable[[Scene], int]], ...] = (
    *((f"K modulo {n}", 2.0, partial(_modulo, n)) for n in (4, 8, 16)),
    *((f"K modulo {n}, 0 of a multiple,", 2.1, partial(_rest, n)) for n in (4, 8, 16)),
    ("K of the population before", 2.0, partial(_k, before=1)),
    ("K of the input", 2.0, lambda scene: scene.net.input.steps),
    ("K of its last source", 1.9, lambda scene: scene.net.steps[scene.net.sources(scene.population.name)[-1]]),
    ("K - 1", 2.0, lambda scene: _k(scene, 0) - 1),
)


def neurons_of(scene: Scene, p: FS) -> Neurons | None:
    """The FS neurons of a scene, None where neither their spikes nor what says them was observed."""
    theirs, steps = scene.theirs, p.steps
    T, h, d = (rows.T[:, :, None, None] for rows in p.table.rows(p.shape[0]))
    opening = theirs.get("opening", scene.opening)
    words = theirs.get("spikes")
    codes = theirs.get("codes")
    if words is None and is_binary(p.table.d) and not (scene.codes_alone or has_no_train(scene)):
        words = codes
    if opening is None or words is None:
        return None
    fired = reference.input_trains(words.astype(np.int64), steps)
    after = theirs.get("membranes")
    v = opening[:, None]
    left = v - np.cumsum(h * fired, axis=1) if after is None else after
    return Neurons(np.concatenate([v, left[:, :-1]], axis=1), after, fired, T, h, d)


def has_no_train(scene: Scene) -> bool:
    """Whether of FS neurons a code in base two was told, and no train, that no train has: then none that was told
    follows from one.
    """
    codes = scene.theirs.get("codes")
    match scene.population:
        case FS() as p if codes is not None and "spikes" not in scene.theirs and is_binary(p.table.d):
            return bool((codes >> p.steps).any())
        case _:
            return False


def firing(scene: Scene, p: FS, own: Neurons) -> Part:
    """Whether neurons fire: v >= T (FS-2)."""
    before, T = own.before, own.T
    return part_of(scene, own.fired, before >= T, _operands(own), _values(own), _flags(scene, p, own))


def resetting(scene: Scene, p: FS, own: Neurons) -> Part | None:
    """What the membrane is after a step: v - h where the neuron fired (FS-3)."""
    if own.after is None:
        return None
    flags = {**_flags(scene, p, own), "where it fires": own.fired}
    left = own.before - own.h * own.fired
    values = {**_values(own), "v - h": own.before - own.h, "what is left": left}
    late = np.zeros_like(own.before)
    late[:, 1:] = (own.h * own.fired)[:, :-1]
    z = own.fired.astype(np.int64)
    operands = {**_operands(own), "z": z, "before v": shifted(own.before, -1, 1)}
    operands |= {
        "h of the step before if it fired then": late,
        "z the neuron before": moved(z, -1),
        "z the next neuron": moved(z, 1),
        "z its like in the channel before": shifted(z, -1, 2),
        "z its like in the next channel": shifted(z, 1, 2),
        "z any neuron": z.max(axis=(2, 3, 4), keepdims=True),
        "z any neuron of its channel": z.max(axis=(3, 4), keepdims=True),
        "z any of its likes in other channels": z.max(axis=2, keepdims=True),
    }
    return part_of(scene, own.after, left, operands, values, flags)


def _operands(own: Neurons) -> dict[str, Ints]:
    """What may be compared, or taken off."""
    before, T, h = own.before, own.T, own.h
    channel = T.shape[1]
    found = {"v": before, "T": T, "h": h}
    for name, rows in (("T", T), ("h", h)):
        found |= {
            f"{name} of the step before": shifted(rows, -1, 0),
            f"{name} of the next step": shifted(rows, 1, 0),
            f"{name} of the first step": rows[:1],
            f"{name} of the last step": rows[-1:],
            f"{name} of the channel before": shifted(rows, -1, 1),
            f"{name} of the next channel": shifted(rows, 1, 1),
            **{f"{name} of the step modulo {n}": rows[np.arange(len(rows)) % n] for n in (4, 8)},
            f"{name} as if channels lay one step further apart": _apart(rows, 1),
            f"{name} as if channels lay one step less far apart": _apart(rows, -1),
            **{f"{name} of the channel modulo {n}": rows[:, np.arange(channel) % n] for n in (2, 4, 8, 16)},
            f"{name} of the first step, halved in each": rows[:1] >> np.arange(len(rows))[:, None, None, None],
            f"{name} of the other of two channels": rows[:, np.minimum(np.arange(channel) ^ 1, channel - 1)],
            f"{name} of the other of two steps": rows[np.minimum(np.arange(len(rows)) ^ 1, len(rows) - 1)],
        }
    found |= {
        "T of the last step of the neuron before": moved(np.broadcast_to(T[-1:], (1, *before.shape[2:])), -1),
        "v of the neuron before": moved(before, -1),
        "v of the next neuron": moved(before, 1),
        "v of the step before": shifted(before, -1, 1),
        "v when its window opens": before[:, :1],
        **{f"v before the last {n} neurons were written": _unwritten(own, n) for n in UNWRITTEN},
    }
    if own.after is not None:
        found["v that the neuron before is left with"] = moved(own.after, -1)
    return found


def _unwritten(own: Neurons, n: int) -> Ints:
    """Membranes as they stood before those of the last n neurons were written, step by step one behind the other."""
    return shifted(own.before, -(n // own.before[0, 0].size), 1)


def _apart(rows: Ints, by: int) -> Ints:
    """Rows (K, C, 1, 1) of a table whose channels are read so much further apart than they lie, around the end."""
    t, c = np.ogrid[: len(rows), : rows.shape[1]]
    found: Ints = rows[:, :, 0, 0].T.ravel()[(c * (len(rows) + by) + t) % rows.size]
    return found[:, :, None, None]


def _values(own: Neurons) -> dict[str, Ints]:
    """What may decide."""
    so_far: Ints = np.cumsum(own.fired, axis=1) - own.fired
    return {
        "v": own.before,
        "T": own.T,
        "h": own.h,
        "v - T": own.before - own.T,
        "the opening": own.before[:, :1],
        "the number of spikes before": so_far,
        "T of the first step": own.T[:1],
        "h of the first step": own.h[:1],
        "T of the last step - v": own.T[-1:] - own.before,
        "T of the last step - the opening": own.T[-1:] - own.before[:, :1],
        "the number of spikes of neurons before in the step": _before(own.fired),
    }


def _before(fired: NDArray[np.bool_]) -> Ints:
    """How many neurons of lower address fire in the step."""
    flat = fired.reshape(*fired.shape[:2], -1)
    found: Ints = np.cumsum(flat, axis=2) - flat
    return found.reshape(fired.shape)


def _flags(scene: Scene, p: FS, own: Neurons) -> dict[str, Any]:
    """What may hold."""
    last = np.concatenate([0 * own.fired[:, :1], own.fired[:, :-1]], axis=1)
    beside, behind = (moved(own.fired.astype(np.int64), by) for by in (-1, 1))
    beside[..., 0, 0, 0] = behind[..., -1, -1, -1] = 0
    high = own.before >= own.T
    risen = np.concatenate([0 * high[:, :1], high[:, :-1]], axis=1)
    earlier = np.concatenate([0 * own.fired[:, :2], own.fired[:, :-2]], axis=1)[:, : own.fired.shape[1]]
    so_far: Ints = np.cumsum(own.fired, axis=1) - own.fired
    silent = ~np.asarray(touched(scene).any(axis=(1, 2, 3)))[:, None, None, None, None] & begun_by_law(scene, p)
    steps = np.arange(own.fired.shape[1])[:, None, None, None]
    return {
        **_flags_before(scene, own),
        "where it fired in the step before": last > 0,
        "where v was not below T in the step before": risen > 0,
        "where it fired before": so_far > 0,
        "where it fired in all steps before": (so_far == steps) & (steps > 0),
        "where the neuron before fires": beside > 0,
        "where the next neuron fires": behind > 0,
        "where it fired two steps before": earlier > 0,
        "where it fired in the first step": np.broadcast_to(own.fired[:, :1], own.fired.shape) & (steps > 0),
        "where T is 0 or less": own.T <= 0,
        "where T is not h": own.T != own.h,
        "where no spike arrives": ~touched(scene)[:, None] & begun_by_law(scene, p),
        "where no spike arrives at any neuron": silent,
        **{
            f"where no other neuron lies in its memory, of {n} that channels take in turn": _alone(p.shape, n)
            for n in IN_TURN[1:]
        },
    }


def _alone(shape: Shape, n: int) -> Mask:
    """Of which neurons (C, 1, 1) no other lies in the same of so many memories that channels take in turn."""
    c = np.arange(shape[0])[:, None, None]
    found: Mask = (c < n) & (c + n >= shape[0]) & (shape[1] * shape[2] == 1)
    return found


def _flags_before(scene: Scene, own: Neurons) -> dict[str, Any]:
    """What may hold of the image before, where it is known."""
    if not is_known(scene):
        return {}
    left, shape = before(scene, own.fired.astype(np.int64)) > 0, own.fired.shape
    return {
        "where it fired in the last step of the image before": np.broadcast_to(left[:, -1:], shape),
        "where it fired for the image before": np.broadcast_to(left.any(axis=1, keepdims=True), shape),
    }


def fires_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What may be done instead of comparing v with T."""
    yield Change("yours does not fire", 1, lambda part: 0 * part.seen)
    yield Change("yours fires", 1, lambda part: 0 * part.seen + 1)
    for words, dear, steps in STEPS:
        yield Change(f"yours fires in as many steps as {words} alone", dear, partial(_counted, steps))
    v, T = column("v"), column("T")
    for name in parts[0].operands:
        if name.startswith(("T ", "h")):
            yield _compares(f"yours compares with {name}", 2.5, v, column(name))
        elif name.startswith("v "):
            yield _compares(f"yours compares {name}", 2.5, column(name), T)
    for given, names in (("T", ("step", "channel")), ("v", ("neuron", "channel", "row", "column"))):
        for name, other in elsewhere(*names):
            if f"{given} of {other.text}" not in parts[0].operands:
                yield _compares_other(given, name, other)
    for words, dear, rows in rows_otherwise():
        yield Change(f"yours compares with T of {words}", dear, partial(_compared, rows), unsaid=MOSTLY)
    for each in BECOMES:
        yield _compares(f"in yours v {each.text} for that", each.dear + 1, becoming(each, v), T)
        yield _compares(f"in yours T {each.text}", each.dear + 1, v, becoming(each, T))
        text = f"in yours v and T, as they are compared, each {each.text}"
        yield _compares(text, each.dear + 1.5, becoming(each, v), becoming(each, T))
        apart = becoming(each, lambda given: given["v"] - given["T"])
        yield _compares(f"in yours v - T {each.text} for that", each.dear + 1.5, apart, lambda given: 0 * given["T"])


def _counted(steps: Callable[[Scene], int], part: Part) -> Ints:
    """Firing in the first steps alone, as many as a counter lets run."""
    return np.where(part.places["step"] < steps(part.scene), part.right, 0)


def _compares(text: str, dear: float, v: Take, T: Take) -> Change:
    return Change(text, dear, lambda part: (v(part.operands) >= T(part.operands)).astype(np.int64))


def _compares_other(of: str, name: str, other: Other) -> Change:
    def gives(part: Part) -> Ints | None:
        wrong = of_other(name, other, operand(of), part)
        given = None if wrong is None else {**{kind: part.operands[kind] for kind in ("v", "T")}, of: wrong}
        return None if given is None else (given["v"] >= given["T"]).astype(np.int64)

    return Change(f"yours compares {'with ' if of == 'T' else ''}{of} of {other.text}", 0.6 + other.dear, gives)


def resets_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What may be done instead of taking h off where a neuron fires."""
    v, h = column("v"), column("h")
    yield Change("yours takes nothing off", 1, lambda part: part.operands["v"])
    yield Change("yours is h lower", 1.2, lambda part: part.operands["v"] - part.operands["h"])
    yield _lowers("yours is lowered twice", 1.5, v, lambda given: 2 * given["h"])
    yield _lowers("yours is raised by h", 1.8, v, lambda given: -given["h"])
    for shift in SHIFTS:
        yield _lowers(f"yours loses v >> {shift}, too", 2, partial(_leaking, shift), h)
    for name in parts[0].operands:
        if name.startswith(("T", "h ")):
            yield _lowers(f"yours takes {name} off", 2.5, v, column(name))
        elif name.startswith("v "):
            yield _lowers(f"yours takes h off {name}", 2.7, column(name), h)
    for name, other in elsewhere("step", "channel"):
        if f"h of {other.text}" not in parts[0].operands:
            yield Change(
                f"yours takes h of {other.text} off", 0.6 + other.dear, partial(_lowered_by_other, name, other)
            )
    for words, dear, rows in rows_otherwise():
        yield Change(f"yours takes h of {words} off", dear, partial(_lowered, rows), unsaid=MOSTLY)
    for name in parts[0].operands:
        if name.startswith("z "):
            where = name.removeprefix("z ")
            yield Change(f"yours takes h off where {where} fires", 2, partial(_lowered_where, name, False))
            yield Change(f"yours takes h off where {where} fires, too", 2.2, partial(_lowered_where, name, True))
    late = column("h of the step before if it fired then")
    yield Change("yours takes the h of a spike off a step late", 2, lambda part: v(part.operands) - late(part.operands))
    yield Change("yours takes the h of a spike off a step late, that of the last step at once", 2.1, _late)
    for each in BECOMES:
        yield Change(f"yours {each.text} then", each.dear, result(each))
        yield _lowers(f"in yours h {each.text}", each.dear + 1, v, becoming(each, h))
        yield _lowers(f"in yours v {each.text} before", each.dear + 1, becoming(each, v), h)


def _table_of(rows: Rows, name: str, part: Part) -> tuple[Ints, Mask] | None:
    """T or h of other rows, by rows of a part, and where they are known; None where nothing is, or they are its own."""
    scene = part.scene
    found, p = rows(scene, scene.population.name, name), scene.population
    if found is None or (found == own_rows(scene.net, p.name, name)).all():
        return None
    flat = as_rows(part, np.broadcast_to(found, (scene.count, len(found), *p.shape)))
    return flat, flat != UNSAID


def _compared(rows: Rows, part: Part) -> Ints | None:
    T = _table_of(rows, "T", part)
    return part.right if T is None else np.where(T[1], part.operands["v"] >= T[0], UNSAID)


def _lowered(rows: Rows, part: Part) -> Ints:
    h = _table_of(rows, "h", part)
    if h is None:
        return part.right
    z, v = part.operands["z"], part.operands["v"]
    return np.where(h[1] | (z == 0), v - np.where(h[1], h[0], 0) * z, UNSAID)


def _lowered_by_other(name: str, other: Other, part: Part) -> Ints | None:
    wrong = of_other(name, other, operand("h"), part)
    return None if wrong is None else part.operands["v"] - wrong * part.operands["z"]


def _lowered_where(name: str, too: bool, part: Part) -> Ints:
    """h taken off where another neuron fires, or also where it does."""
    other = part.operands[name]
    return part.operands["v"] - part.operands["h"] * (np.maximum(other, part.operands["z"]) if too else other)


def _late(part: Part) -> Ints:
    """The membrane when resets come with the next step, but for the last, which has none."""
    own, late = part.operands, part.operands["h of the step before if it fired then"]
    return own["v"] - late - np.where(part.ends["step"] == 0, own["h"] * own["z"], 0)


def _leaking(shift: int, given: Columns) -> Ints:
    return given["v"] - (given["v"] >> shift)


def _lowers(text: str, dear: float, v: Take, h: Take) -> Change:
    return Change(text, dear, lambda part: v(part.operands) - h(part.operands) * part.operands["z"])
