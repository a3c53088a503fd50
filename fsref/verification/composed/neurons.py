"""What an FS neuron does, step by step, from what was observed of the step before: firing, reset, code (OBS-5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints, base_two
from fsref.law.populations import FS
from fsref.tables import Brief
from fsref.verification.composed.relation import Change, Part, moved, part_of, shifted
from fsref.verification.composed.values import BECOMES
from fsref.verification.deliveries import touched
from fsref.verification.scene import Scene


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


def neurons_of(scene: Scene, p: FS) -> Neurons | None:
    """The FS neurons of a scene, None where neither their spikes nor what says them was observed."""
    theirs, steps = scene.theirs, p.steps
    T, h, d = (rows.T[:, :, None, None] for rows in p.table.rows(p.shape[0]))
    opening = theirs.get("opening", scene.opening)
    words = theirs.get("spikes")
    codes = theirs.get("codes")
    if words is None and codes is not None and (p.table.d == base_two(steps)).all() and not (codes >> steps).any():
        words = codes
    if opening is None or words is None:
        return None
    fired = reference.input_trains(words.astype(np.int64), steps)
    after = theirs.get("membranes")
    v = opening[:, None]
    left = v - np.cumsum(h * fired, axis=1) if after is None else after
    return Neurons(np.concatenate([v, left[:, :-1]], axis=1), after, fired, T, h, d)


def firing(scene: Scene, own: Neurons) -> Part:
    """Whether neurons fire: v >= T (FS-2)."""
    before, T = own.before, own.T
    return part_of(scene, own.fired, before >= T, _operands(own), _values(own), _flags(scene, own))


def resetting(scene: Scene, own: Neurons) -> Part | None:
    """What the membrane is after a step: v - h where the neuron fired (FS-3)."""
    if own.after is None:
        return None
    flags = {**_flags(scene, own), "where it fires": own.fired}
    values = {**_values(own), "v - h": own.before - own.h}
    operands = {**_operands(own), "z": own.fired, "before v": shifted(own.before, -1, 1)}
    return part_of(scene, own.after, own.before - own.h * own.fired, operands, values, flags)


def coding(scene: Scene, own: Neurons) -> Part | None:
    """What the code is: the sum of d over the spikes (FS-4)."""
    codes = scene.theirs.get("codes")
    if codes is None:
        return None
    each = own.d * own.fired
    right = each.sum(axis=1)
    operands = {f"step {t}": each[:, t] for t in range(each.shape[1])}
    operands |= {f"end {t}": each[:, ~t] for t in range(each.shape[1])}
    power = base_two(own.d.shape[0])[:, None, None, None]
    operands["train"] = (power * own.fired).sum(axis=1)
    operands["count"] = own.fired.sum(axis=1)
    operands["the neuron before"] = moved(codes, -1)
    return part_of(scene, codes, right, operands, {"the code": right}, {})


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
            f"{name} of channel 0": rows[:, :1],
            f"{name} of the last channel": rows[:, channel - 1 :],
            **{f"{name} of the step modulo {n}": rows[np.arange(len(rows)) % n] for n in (4, 8)},
            **{f"{name} of the channel modulo {n}": rows[:, np.arange(channel) % n] for n in (2, 4, 8, 16)},
            f"{name} of the first step, halved in each": np.broadcast_to(rows[:1], rows.shape) >> np.arange(len(rows))[:, None, None, None],
            f"{name} of the other of two channels": rows[:, np.minimum(np.arange(channel) ^ 1, channel - 1)],
            f"{name} of the other of two steps": rows[np.minimum(np.arange(len(rows)) ^ 1, len(rows) - 1)],
        }
    return found | {
        "v of the neuron before": moved(before, -1),
        "v of the next neuron": moved(before, 1),
        "v of the step before": shifted(before, -1, 1),
        "v when its window opens": before[:, :1],
    }


def _values(own: Neurons) -> dict[str, Ints]:
    """What may decide."""
    so_far = np.cumsum(own.fired, axis=1) - own.fired
    return {
        "v": own.before,
        "T": own.T,
        "h": own.h,
        "v - T": own.before - own.T,
        "the opening": own.before[:, :1],
        "the number of spikes before": so_far,
        "T of the last step - v": own.T[-1:] - own.before,
        "T of the last step - the opening": own.T[-1:] - own.before[:, :1],
    }


def _flags(scene: Scene, own: Neurons) -> dict[str, Any]:
    """What may hold."""
    last = np.concatenate([0 * own.fired[:, :1], own.fired[:, :-1]], axis=1)
    beside = moved(own.fired.astype(np.int64), -1) > 0
    beside[..., 0, 0, 0] = False
    so_far = np.cumsum(own.fired, axis=1) - own.fired
    arrived = touched(scene)[:, None]
    steps = np.arange(own.fired.shape[1])[:, None, None, None]
    return {
        "where it fired in the step before": last > 0,
        "where it fired before": so_far > 0,
        "where it fired in all steps before": (so_far == steps) & (steps > 0),
        "where the neuron before fires": beside,
        "where T is not h": own.T != own.h,
        "where no spike arrives at any neuron": ~arrived.any(axis=(2, 3, 4), keepdims=True),
    }


def fires_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What may be done instead of comparing v with T."""
    yield Change("yours does not fire", 1, lambda part: 0 * part.seen)
    yield Change("yours fires", 1, lambda part: 0 * part.seen + 1)
    yield Change("yours fires otherwise", 6, lambda part: 1 - part.right)
    for name in parts[0].operands:
        if name.startswith(("T ", "h")):
            yield Change(f"yours compares with {name}", 2.5, lambda part, name=name: _ge(part.operands["v"], part.operands[name]))  # type: ignore[misc]
        elif name.startswith("v "):
            yield Change(f"yours compares {name}", 2.5, lambda part, name=name: _ge(part.operands[name], part.operands["T"]))  # type: ignore[misc]
    for each in BECOMES:
        yield Change(f"in yours v {each.text} for that", each.dear + 1, lambda part, each=each: _ge(each.of(part.operands["v"]), part.operands["T"]))  # type: ignore[misc]
        yield Change(f"in yours T {each.text}", each.dear + 1, lambda part, each=each: _ge(part.operands["v"], each.of(part.operands["T"])))  # type: ignore[misc]
        yield Change(f"in yours v and T, as they are compared, each {each.text}", each.dear + 1.5, lambda part, each=each: _ge(each.of(part.operands["v"]), each.of(part.operands["T"])))  # type: ignore[misc]
        yield Change(f"in yours v - T {each.text} for that", each.dear + 1.5, lambda part, each=each: _ge(each.of(part.operands["v"] - part.operands["T"]), 0))  # type: ignore[misc]


def _ge(a: Any, b: Any) -> Ints:
    found: Ints = np.asarray(a >= b).astype(np.int64)
    return found


def resets_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What may be done instead of taking h off where a neuron fires."""

    def less(part: Part, h: Ints) -> Ints:
        return part.operands["v"] - h * part.operands["z"]

    yield Change("yours takes nothing off", 1, lambda part: part.operands["v"])
    yield Change("yours is h lower", 1.2, lambda part: part.operands["v"] - part.operands["h"])
    yield Change("yours is lowered twice", 1.5, lambda part: less(part, 2 * part.operands["h"]))
    yield Change("yours is raised by h", 1.8, lambda part: less(part, -part.operands["h"]))
    for shift in range(1, 13):
        yield Change(f"yours loses v >> {shift}, too", 2, lambda part, shift=shift: part.right - (part.operands["v"] >> shift))  # type: ignore[misc]
    for name in parts[0].operands:
        if name.startswith(("T", "h ")):
            yield Change(f"yours takes {name} off", 2.5, lambda part, name=name: less(part, part.operands[name]))  # type: ignore[misc]
        elif name.startswith("v "):
            yield Change(f"yours takes h off {name}", 2.7, lambda part, name=name: less(part, part.operands["h"]) - part.operands["v"] + part.operands[name])  # type: ignore[misc]
    for each in BECOMES:
        yield Change(f"yours {each.text} then", each.dear, lambda part, each=each: each.of(part.right))  # type: ignore[misc]
        yield Change(f"in yours h {each.text}", each.dear + 1, lambda part, each=each: less(part, each.of(part.operands["h"])))  # type: ignore[misc]


def codes_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What may be done instead of adding d up."""
    yield Change("yours is the train word", 1.5, lambda part: part.operands["train"])
    yield Change("yours counts spikes", 1.5, lambda part: part.operands["count"])
    yield Change("yours is that of the neuron before", 2, lambda part: part.operands["the neuron before"])
    for name in parts[0].operands:
        kind, _, at = name.partition(" ")
        if kind in ("step", "end"):
            told = f"step {at}" if kind == "step" else "the last step" if at == "0" else f"the last step but {at}"
            for times, what in ((0, "leaves out"), (2, "counts twice"), (-1, "takes off")):
                dear = 1.7 if at == "0" else 2.5
                yield Change(f"yours {what} {told}", dear, partial(_times, name, times - 1))
    for each in BECOMES:
        yield Change(f"yours {each.text}", each.dear, lambda part, each=each: each.of(part.right))  # type: ignore[misc]


def _times(name: str, times: int, part: Part) -> Ints | None:
    more = part.operands.get(name)
    return None if more is None else part.right + times * more
