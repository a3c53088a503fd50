"""What codes follow from other sums and openings, where nothing else was observed of neurons (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS
from fsref.tables import Brief
from fsref.verification.composed.delivering import delivering
from fsref.verification.composed.gating import gating
from fsref.verification.composed.opening import opening
from fsref.verification.composed.relation import UNSAID, Change, Part, begun_by_law
from fsref.verification.scene import Scene

Changes = Callable[[Sequence[Part]], Iterable[Change]]


@dataclass(frozen=True, eq=False, repr=False)
class Unseen(Brief):
    """What was not observed behind a part of codes: the neurons, and the right sums or openings, as parts."""

    p: FS
    parts: Sequence[Part]


def unseen(scenes: Sequence[Scene], kind: str) -> dict[Part, Unseen]:
    """Parts of codes by what is behind them: openings, or what each projection delivers or each gate; of scenes in
    which nothing but codes was observed.
    """
    found: dict[Part, Unseen] = {}
    for scene in scenes:
        match scene.population:
            case FS() as p if scene.theirs.keys() == {"codes"} and begun_by_law(scene, p) and scene.opening is not None:
                whole = opening(scene, p, scene.opening, scene.sums)
                behind = _behind(scene, whole, kind)
                seen, right = (own.astype(np.int64).ravel() for own in (scene.theirs["codes"], scene.codes[p.name]))
                part = replace([*behind, whole][0], of="", seen=seen, right=right, values=whole.values)
                found[part] = Unseen(p, behind)
            case _:
                pass
    return found


def _behind(scene: Scene, whole: Part, kind: str) -> list[Part]:
    """The right parts of a kind."""
    sums, into = scene.sums.items(), scene.into
    if kind == "sums":
        return [delivering(scene, name, own) for name, own in sums if name in into]
    return [gating(scene, name, own) for name, own in sums if name not in into] if kind == "gate" else [whole]


def following(known: Mapping[Part, Unseen], changes: Changes) -> Changes:
    """Changes of codes that follow from changes of what is behind them."""

    def changed(parts: Sequence[Part]) -> Iterator[Change]:
        behind = [one for part in parts for one in known[part].parts]
        for change in changes(behind) if behind else ():
            yield Change(change.text, change.dear, partial(_codes, known, change))

    return changed


def _codes(behind: Mapping[Part, Unseen], change: Change, part: Part) -> Ints | None:
    own, scene = behind[part], part.scene
    given = [(change.gives(one), one.right) for one in own.parts]
    if any(wrong is None for wrong, _ in given) or scene.opening is None:
        return None
    known = [(wrong, right, wrong != UNSAID) for wrong, right in given if wrong is not None]
    more = sum((np.where(said, wrong - right, 0) for wrong, right, said in known), np.zeros(len(part.seen), np.int64))
    said = np.logical_and.reduce([said for *_, said in known])
    if not more.any() and said.all():
        return part.right
    codes = reference.fire(scene.opening + more.reshape(scene.opening.shape), own.p.table)[2].ravel()
    return np.where(said, codes, UNSAID)
