"""The trains that openings make when tables or resets are others, where no membrane of a step was told (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import TypeAlias

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS
from fsref.verification.composed.neurons import SHIFTS, Neurons
from fsref.verification.composed.placing import as_rows
from fsref.verification.composed.relation import UNSAID, Change, Mask, Part, part_of, shifted
from fsref.verification.composed.rows import Rows, own_rows, rows_otherwise
from fsref.verification.composed.values import BECOMES, Becomes
from fsref.verification.composed.where import others
from fsref.verification.scene import Scene

# What a membrane is after a step, from what it is before, whether the neuron fired in it and in the one before, and h
# of both, (B, C, H, W) or what broadcasts to it.
After: TypeAlias = Callable[[Ints, Mask, Mask, Ints, Ints], Ints]


def running(scene: Scene, p: FS, own: Neurons) -> Part | None:
    """Whether neurons fire, from their opening on; None where the membranes of steps were told."""
    if own.after is not None:
        return None
    opening = own.before[:, 0]
    z = reference.fire(opening, p.table)[0]
    so_far: Ints = np.cumsum(z, axis=1) - z
    values = {"the opening": own.before[:, :1], "T": own.T, "h": own.h, "the number of spikes before": so_far}
    return part_of(scene, own.fired, z, {"opening": own.before[:, :1]}, values, {"where T is 0 or less": own.T <= 0})


def runs_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What neurons may do instead from their opening on."""
    for words, dear, rows in rows_otherwise():
        for what, names, more in (("T and h", "Th", 0.0), ("T", "T", 0.1), ("h", "h", 0.1)):
            yield Change(f"yours has {what} of {words}", dear + more, partial(_of_rows, rows, names))
    for other, (what, names, more) in product(
        others("step"), (("T and h", "Th", 0.0), ("T", "T", 0.1), ("h", "h", 0.1))
    ):
        yield Change(f"yours has {what} of {other.text}", other.dear + more, partial(_of_steps, other.of, names))
    yield Change("yours takes T off, not h", 1.8, partial(_tables, {"h": _thresholds}))
    for words, dear, after in RESETS:
        yield Change(f"yours {words}", dear, partial(_ran, after))
    for words, always in (("each membrane", True), ("the membrane behind a spike", False)):
        text = f"in yours {words} is written back a step late, over what was written between"
        yield Change(text, 1.9, partial(_written_late, always))
    for shift in SHIFTS:
        yield Change(f"yours loses v >> {shift} in each step, too", 2, partial(_ran, partial(_leaking, shift)))
    for each in BECOMES:
        yield Change(
            f"in yours the membrane {each.text} behind a reset", each.dear + 0.5, partial(_ran, partial(_then, each))
        )
        yield Change(
            f"in yours the membrane {each.text} in each step", each.dear + 0.6, partial(_ran, partial(_becoming, each))
        )
        yield Change(f"in yours the opening {each.text}, as it is loaded", each.dear + 0.5, partial(_loaded, each))
        for name in "Th":
            yield Change(f"in yours {name} {each.text}", each.dear + 0.6, partial(_tables, {name: partial(_of, each)}))


RESETS: tuple[tuple[str, float, After], ...] = (
    ("takes nothing off", 1, lambda v, z, then, h, late: v),
    ("is h lower in each step", 1.2, lambda v, z, then, h, late: v - h),
    ("is lowered twice", 1.5, lambda v, z, then, h, late: v - 2 * h * z),
    ("is raised by h", 1.8, lambda v, z, then, h, late: v + h * z),
    ("is 0 after a spike", 1.8, lambda v, z, then, h, late: np.where(z, 0, v)),
    ("takes the h of a spike off a step late", 1.6, lambda v, z, then, h, late: v - late * then),
    ("takes h off once, with its first spike", 2, lambda v, z, then, h, late: v - h * (z & ~then)),
)


def _leaking(shift: int, v: Ints, z: Mask, then: Mask, h: Ints, late: Ints) -> Ints:
    return v - (v >> shift) - h * z


def _then(each: Becomes, v: Ints, z: Mask, then: Mask, h: Ints, late: Ints) -> Ints:
    return np.where(z, each.of(v - h), v)


def _becoming(each: Becomes, v: Ints, z: Mask, then: Mask, h: Ints, late: Ints) -> Ints:
    return each.of(v - h * z)


def _by_law(v: Ints, z: Mask, then: Mask, h: Ints, late: Ints) -> Ints:
    return v - h * z


def _thresholds(scene: Scene, name: str, which: str) -> Ints:
    return own_rows(scene.net, name, "T")


def _of(each: Becomes, scene: Scene, name: str, which: str) -> Ints:
    return each.of(own_rows(scene.net, name, which))


def _of_steps(of: Callable[[int], Ints], names: str, part: Part) -> Ints:
    def turned(scene: Scene, name: str, which: str) -> Ints:
        rows = own_rows(scene.net, name, which)
        return rows[of(len(rows))]

    return _tables(dict.fromkeys(names, turned), part)


def _of_rows(rows: Rows, names: str, part: Part) -> Ints:
    return _tables(dict.fromkeys(names, rows), part)


def _tables(tables: Mapping[str, Rows], part: Part) -> Ints:
    """Trains of other tables, UNSAID of neurons of which a row is not known."""
    scene, p = part.scene, part.scene.population
    found = {which: tables[which](scene, p.name, which) if which in tables else None for which in "Th"}
    own = {which: own_rows(scene.net, p.name, which) for which in "Th"}
    wrong = {which: own[which] if rows is None else rows for which, rows in found.items()}
    if all((wrong[which] == own[which]).all() for which in "Th"):
        return part.right
    unsaid = np.logical_or.reduce([(rows == UNSAID).any(axis=0) for rows in np.broadcast_arrays(*wrong.values())])
    known = {which: np.where(rows == UNSAID, 0, rows) for which, rows in wrong.items()}
    z = _run(_opening(part), known["T"], known["h"], _by_law)
    return np.where(as_rows(part, np.broadcast_to(unsaid, z.shape)), UNSAID, as_rows(part, z))


def _ran(after: After, part: Part) -> Ints:
    """Trains of neurons whose membranes are others after a step."""
    net, name = part.scene.net, part.scene.population.name
    return as_rows(part, _run(_opening(part), own_rows(net, name, "T"), own_rows(net, name, "h"), after))


def _written_late(always: bool, part: Part) -> Ints:
    """Trains of neurons whose membranes are read a step before the last one is written, in each step or of a spike."""
    net, name = part.scene.net, part.scene.population.name
    read = _opening(part)
    waiting, fires, found = read, np.zeros(read.shape, np.bool_), []
    for threshold, h in zip(own_rows(net, name, "T"), own_rows(net, name, "h"), strict=True):
        z = read >= threshold
        found.append(z)
        read, waiting = np.where(fires | always, waiting, read), read - h * z
        fires = z
    return as_rows(part, np.stack(found, axis=1).astype(np.int64))


def _loaded(each: Becomes, part: Part) -> Ints:
    net, name, opening = part.scene.net, part.scene.population.name, _opening(part)
    changed = each.of(opening)
    if (changed == opening).all():
        return part.right
    return as_rows(part, _run(changed, own_rows(net, name, "T"), own_rows(net, name, "h"), _by_law))


def _opening(part: Part) -> Ints:
    seen = part.scene.theirs.get("opening", part.scene.opening)
    assert seen is not None, "neurons are known by it"
    return seen.astype(np.int64)


def _run(v: Ints, T: Ints, h: Ints, after: After) -> Ints:
    """Spikes (B, K, C, H, W) from opening membranes (B, C, H, W)."""
    late, then, found = shifted(h, -1, 0), np.zeros(v.shape, np.bool_), []
    for threshold, own, before in zip(T, h, late, strict=True):
        z = v >= threshold
        v, then = after(v, z, then, own, before), z
        found.append(z)
    return np.stack(found, axis=1).astype(np.int64)
