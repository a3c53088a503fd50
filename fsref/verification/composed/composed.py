"""The shortest words, composed of where, what and when, that give all that was answered; and where none do, which rows
are wrong, as an observation (OBS-5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.verification.composed.adding import adds_otherwise
from fsref.verification.composed.delivering import delivering, delivers_otherwise
from fsref.verification.composed.neurons import (
    codes_otherwise,
    coding,
    fires_otherwise,
    firing,
    neurons_of,
    resets_otherwise,
    resetting,
)
from fsref.verification.composed.opening import opening, opens_otherwise
from fsref.verification.composed.relation import Change, Part, Relation
from fsref.verification.composed.search import Composed, fitting, observed
from fsref.verification.composed.told import telling, told_otherwise
from fsref.verification.scene import Scene

Changes = Callable[[Sequence[Part]], Iterable[Change]]


def _opens(parts: Sequence[Part]) -> Iterator[Change]:
    return chain(opens_otherwise(parts), adds_otherwise(parts))


LAW: dict[str, tuple[str, str, Changes]] = {  # what the law says, by which rule, and what may be done instead
    "sums": ("a projection delivers w * d[t] with each spike", "PROJ-1", delivers_otherwise),
    "opening": ("a membrane opens with the bias and all sums", "NET-6", _opens),
    "firing": ("a neuron fires when v >= T", "FS-2", fires_otherwise),
    "reset": ("a spike lowers the membrane by h, and nothing else does", "FS-3", resets_otherwise),
    "code": ("a code is the sum of d over the spikes", "FS-4", codes_otherwise),
    "told opening": ("the opening membrane is told", "OBS-1", told_otherwise),
    "told spikes": ("the train is told", "OBS-1", told_otherwise),
    "told membranes": ("the membrane behind each step is told", "OBS-1", told_otherwise),
    "told codes": ("the code is told", "OBS-1", told_otherwise),
}


def composed(scenes: Sequence[Scene]) -> list[Composed]:
    """What gives all that was answered in these scenes, the shortest words first; nothing where no words do, or more
    than one step of the law is wrong at once and none of these has words.
    """
    for relations in readings([*map(_probe, scenes[:1]), *scenes]):
        wrong = [relation for relation in relations if relation.wrong]
        each = [fitting(relation) for relation in wrong]
        if len(each) == 1 and each[0]:
            return each[0]
        if each and all(each):
            text = "; ".join(found[0].text for found in each)
            return [Composed(text, each[0][0].rule, sum(found[0].dear for found in each))]
    return []


def observation(scenes: Sequence[Scene]) -> str:
    """Which rows of the first step of the law that is wrong are so, in words; "" where nothing can be said."""
    for relations in readings(scenes):
        wrong = [relation for relation in relations if relation.wrong]
        if wrong:
            return observed(wrong[0])
    return ""


def _probe(scene: Scene) -> Scene:
    """One image of a scene, of those that differ the one that differs least: it rules most changes out for little."""
    wrong = scene.unlike.sum(axis=(1, 2, 3))
    at = int(np.where(wrong > 0, wrong, wrong.max() + 1).argmin())
    return scene.rows(slice(at, at + 1))


def readings(scenes: Sequence[Scene]) -> Iterator[list[Relation]]:
    """How what was answered may be read, as relations: as told otherwise, and step by step."""
    yield from _told(scenes)
    for of_sums in (False, True):
        parts: dict[str, list[Part]] = defaultdict(list)
        for scene in scenes:
            for kind, part in _parts(scene, of_sums):
                parts[kind].append(part)
        yield [Relation(*_law(kind)[:2], _first_small(own), _law(kind)[2]) for kind, own in parts.items()]


def _law(kind: str) -> tuple[str, str, Changes]:
    return LAW[kind]


def _first_small(parts: list[Part]) -> list[Part]:
    """Parts, first those that rule most out for least: wrong, and of few rows."""
    return sorted(parts, key=lambda part: (not part.wrong.any(), len(part.seen)))


def _told(scenes: Sequence[Scene]) -> Iterator[list[Relation]]:
    """One observable that is wrong alone, as told otherwise."""
    names = {name for scene in scenes for name in (scene.theirs if scene.wrong is None else scene.wrong)}
    if len(names) != 1:
        return
    (name,) = names
    found = []
    for scene in scenes:
        right = _right(scene, name)
        if right is not None and name in scene.theirs and len(scene.theirs) > 1:
            found.append(telling(scene, scene.theirs[name], right))
    if found:
        says, rule, changes = LAW[f"told {name}"]
        yield [Relation(says, rule, _first_small(found), changes)]


def _right(scene: Scene, name: str) -> Ints | None:
    """What is right of an observable."""
    match name:
        case "opening":
            return scene.opening
        case "codes":
            return scene.codes.get(scene.population.name)
        case "spikes" if scene.population.name in scene.trains:
            return scene.trains[scene.population.name].astype(np.int64)
        case "membranes" if scene.opening is not None:
            from fsref.engines import reference

            match scene.population:
                case FS() as p:
                    return reference.fire(scene.opening, p.table)[1]
    return None


def _parts(scene: Scene, of_sums: bool) -> Iterator[tuple[str, Part]]:
    """The relations of a scene; sums that were not observed are taken for right, or (`of_sums`) what misses in the
    opening membrane for what its one projection delivers.
    """
    p = scene.population
    match p:
        case FS() | Readout():
            pass
        case _:
            return
    seen = scene.theirs.get("opening", None if p.steps else scene.theirs.get("codes"))
    given = scene.opening is None or (scene.opening != sum(scene.sums.values(), p.bias_map + 0)).any()
    sums: Mapping[str, Ints] = scene.their_sums or scene.sums
    if seen is not None and of_sums and not scene.their_sums and len(scene.into) == 1:
        sums = dict.fromkeys(scene.into, seen.astype(np.int64) - p.bias_map)
    if not given and (scene.their_sums or of_sums):
        yield from (("sums", delivering(scene, name, own)) for name, own in sums.items())
    if not given and seen is not None and not scene.sums_alone:
        yield "opening", opening(scene, p, seen, {name: sums.get(name, scene.sums[name]) for name in scene.into})
    match p:
        case FS() if (own := neurons_of(scene, p)) is not None:
            yield "firing", firing(scene, own)
            for kind, part in (("reset", resetting(scene, own)), ("code", coding(scene, own))):
                if part is not None:
                    yield kind, part
