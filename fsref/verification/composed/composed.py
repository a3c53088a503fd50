"""The shortest words, composed of where, what and when, that give all that was answered; and where none do, which rows
are wrong, as an observation (CONFORM-7).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import assert_never

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.verification.composed.behind import following, unseen
from fsref.verification.composed.codes import coding, sending
from fsref.verification.composed.delivering import delivering, reach
from fsref.verification.composed.earlier import is_known
from fsref.verification.composed.ending import ending
from fsref.verification.composed.gating import gating
from fsref.verification.composed.laws import LAW, Changes
from fsref.verification.composed.merging import merging, of_kind, together
from fsref.verification.composed.neurons import Neurons, firing, has_no_train, neurons_of, resetting
from fsref.verification.composed.opening import opening, opens_otherwise
from fsref.verification.composed.placing import as_rows
from fsref.verification.composed.pooling import pooling
from fsref.verification.composed.relation import Part, Relation, begun_by_law
from fsref.verification.composed.running import running
from fsref.verification.composed.search import Composed, fitting
from fsref.verification.composed.sending import sent
from fsref.verification.composed.told import telling, telling_trains, with_first_step
from fsref.verification.composed.viewing import viewing
from fsref.verification.scene import Scene
from fsref.verification.taps import products

WORK, LEAST = 2**32, 64  # products, or rows, of all changes tried, and changes tried whatever they cost
DEAREST, MERGED = float("inf"), "merged"
ROWS = 2**18  # of all scenes that are judged, each with some fifty columns
Known = dict[tuple[str, bytes], list[Composed]]  # what gives a step, by its words and rows
Fired = Callable[[Scene, FS, Neurons], Iterator[tuple[str, Part]]]  # the steps of neurons


def composed(scenes: Sequence[Scene]) -> list[Composed]:
    """What gives all that was answered in these scenes, the shortest words first, of what is wrong in each step of the
    law that is; nothing where one of these has no words.
    """
    small = sorted(scenes, key=lambda scene: (not scene.unlike.any(), scene.codes[scene.population.name][0].size))
    probed = _probed(small[0])
    shortest: list[Composed] = []
    known: Known = {}
    for relations in readings([*probed, *(scene for scene in scenes if scene is not small[0])]):
        each = _each((relation for relation in relations if relation.wrong), known)
        found = each[0] if len(each) == 1 else [_together(each)] if each else []
        if found and found[0].dear < min((one.dear for one in shortest), default=DEAREST):
            shortest = found
        if shortest and len(each) == 1 and not any(scene.theirs.keys() == {"codes"} for scene in scenes):
            break  # of several steps with a cause each there may be one cause
    return [replace(one, unsaid=_whole(one.unsaid, probed, small[0])) for one in shortest]


def _together(each: Sequence[Sequence[Composed]]) -> Composed:
    """What gives several steps, the shortest words of each."""
    unsaid = tuple(scene for found in each for scene in found[0].unsaid)
    text, dear = _joined([found[0].text for found in each]), sum(found[0].dear for found in each)
    return Composed(text, each[0][0].rule, dear, unsaid)


def _joined(texts: Sequence[str]) -> str:
    """Words of several steps; what is done instead is said once where it is the same in all of them."""
    instead = {text.partition(": ")[2].rpartition(" [")[0] for text in texts}
    if len(texts) < 2 or len(instead) > 1:
        return "; ".join(texts)
    says = [f"{text.partition(': ')[0]} [{text.rpartition(' [')[2]}" for text in texts]
    return f"{'; '.join(says)}: {instead.pop()}"


def _each(wrong: Iterable[Relation], known: Known) -> list[list[Composed]]:
    """What gives each of the steps that are wrong; nothing where one of them has no words. What another reading has
    `known` to give the same step, or that nothing does, is not sought again.
    """
    each = []
    for relation in wrong:
        parts = (*relation.parts, *relation.merged)
        key = relation.says, b"".join(rows.tobytes() for part in parts for rows in (part.seen, part.right))
        if key not in known:
            known[key] = fitting(relation)
        if not known[key]:
            return []
        each.append(known[key])
    return each


def few(scenes: Sequence[Scene]) -> list[Scene]:
    """The first images of each scene, so many that all together have few rows; none of one whose images are larger."""
    room = ROWS // max(len(scenes), 1)
    sizes = [scene.population.neurons * (scene.net.steps[scene.population.name] + 1) for scene in scenes]
    counts = [min(scene.count, room // size) for scene, size in zip(scenes, sizes, strict=True)]
    alone = any(has_no_train(scene) for scene in scenes)
    kept = [scene.rows(slice(0, count)) for scene, count in zip(scenes, counts, strict=True)]
    return [replace(scene, codes_alone=True) for scene in kept] if alone else kept


def first_wrong(scenes: Sequence[Scene]) -> Relation | None:
    """The first step of the law that is wrong, else codes of which nothing else was observed; None where nothing can be
    said.
    """
    alone = _relations({"code": [*unseen(scenes, "opening")]})
    each = chain(chain.from_iterable(_observed(scenes)), alone)
    return next((relation for relation in each if relation.wrong), None)


def _probed(scene: Scene) -> list[Scene]:
    """A scene, first one image of those that differ least and one of those that differ most: they rule most changes
    out for little.
    """
    if scene.count == 1 or is_known(scene):
        return [scene]
    wrong = scene.unlike.sum(axis=(1, 2, 3))
    first = {int(np.where(wrong > 0, wrong, wrong.max() + 1).argmin()), int(wrong.argmax())}
    each = [np.array([at]) for at in sorted(first, key=lambda at: wrong[at])]
    return [scene.rows(some) for some in (*each, np.setdiff1d(np.arange(scene.count), [*first])) if len(some)]


def _whole(unsaid: Sequence[Scene], probed: Sequence[Scene], scene: Scene) -> tuple[Scene, ...]:
    """Scenes of which nothing is said, the whole one for those that were taken out of it."""
    return tuple(dict.fromkeys(scene if one in probed else one for one in unsaid))


def readings(scenes: Sequence[Scene]) -> Iterator[list[Relation]]:
    """How what was answered may be read, as relations in the order of the law: as it was observed, and codes of which
    nothing else is known as what follows from other sums.
    """
    yield from _observed(scenes)
    for kind in ("sums", "gate", "opening"):
        if known := unseen(scenes, kind):
            says, rule, changes = LAW[kind]
            behind = following(known, opens_otherwise if kind == "opening" else changes)
            yield [replace(_limited(says, rule, _first_small([*known]), behind, kind == "sums"), two=False)]


def _observed(scenes: Sequence[Scene]) -> Iterator[list[Relation]]:
    """What was observed: one observable that is wrong alone as told otherwise; step by step, sums taken for right where
    nobody told them; with what misses in the opening membrane as what its projections deliver.
    """
    for parts in (_told(scenes), _stepped(scenes, False)):
        yield _relations(parts)
    if not all(scene.their_sums for scene in scenes):
        yield from _of_sums(scenes)
    yield _relations(_stepped(scenes, False, _as_run))
    yield _relations(_stepped(scenes, False, _as_fired))
    yield _relations({"ended": _stepped(scenes, False, _as_ended)["ended"]})


def _relations(parts: Mapping[str, list[Part]]) -> list[Relation]:
    """The steps of the law, as far as they were observed."""
    return [_relation(kind, _first_small(parts[kind])) for kind in LAW if parts.get(kind)]


def _of_sums(scenes: Sequence[Scene]) -> Iterator[list[Relation]]:
    """The same, with what misses in opening membranes as what projections deliver, or gates: seen where there is one,
    and in what all of them deliver together.
    """
    parts = _stepped(scenes, True)
    merged, kinds = parts.pop(MERGED, []), ("sums", "gate")
    if all(any(part.wrong.any() for part in parts.get(kind, ())) for kind in kinds):  # what both made tells no more
        both = {kind: [(part, of_kind(part, kind)) for part in merged] for kind in kinds}
        own = {LAW[kind][0]: [one for part, one in both[kind] if len(one.each) == len(part.each)] for kind in kinds}
        yield [replace(one, merged=own.get(one.says, ())) for one in _relations(parts)]
        return
    for kind in kinds:
        says, rule, changes = LAW[kind]
        several, alone = [of_kind(part, kind) for part in merged], parts.get(kind, [])
        if any(part.wrong.any() for part in alone):
            yield [replace(one, merged=several * (one.says == says)) for one in _relations(parts)]
        elif any(part.wrong.any() for part in several):
            whole = [*several, *(replace(part, each=(part,)) for part in alone)]
            yield [_limited(says, rule, _first_small(whole), together(changes), kind == "sums")]


def _relation(kind: str, parts: list[Part]) -> Relation:
    """A step of the law, and how many changes of it may be tried for so much work."""
    says, rule, changes = LAW[kind]
    return _limited(says, rule, parts, changes, kind in ("sums", "gate"), kind in ("sums", "gate", "opening"))


def _limited(
    says: str, rule: str, parts: list[Part], changes: Changes, of_sums: bool, delivered: bool = True
) -> Relation:
    """A relation, of whose changes so many may be tried for so much work."""
    each = len(parts[0].seen)
    if delivered:  # in the first part most changes are ruled out
        each += _work(parts[0].scene, of_sums)
    return Relation(says, rule, parts, changes, max(LEAST, WORK // max(each, 1)))


def _work(scene: Scene, of_sums: bool) -> int:
    """How many products are added up in a scene, of sums those of whole codes."""
    sources = scene.net.sources(scene.population.name)
    steps = 1 if of_sums else max((scene.net.steps[source] for source in sources), default=1)
    return scene.count * steps * sum(products(scene.net, q) for q in scene.into.values())


def _first_small(parts: list[Part]) -> list[Part]:
    """Parts, first those that rule most out for least: wrong, and of few rows and products."""
    return sorted(parts, key=lambda part: (not part.wrong.any(), len(part.seen) + _work(part.scene, False)))


def _told(scenes: Sequence[Scene]) -> dict[str, list[Part]]:
    """One observable that is wrong alone, beside what is right of it."""
    names = {name for scene in scenes for name in (scene.theirs if scene.wrong is None else scene.wrong)}
    if len(names) != 1:
        return {}
    (name,) = names
    given = [(scene, _right(scene, name)) for scene in scenes if name in scene.theirs and len(scene.theirs) > 1]
    tells = telling_trains if name == "spikes" else telling
    parts = [tells(scene, scene.theirs[name], right) for scene, right in given if right is not None]
    if name == "opening":
        parts = [*map(with_first_step, parts)]
    return {f"told {name}": parts} if parts else {}


def _right(scene: Scene, name: str) -> Ints | None:
    """What is right of an observable, None where it is not known."""
    p = scene.population
    if name in ("opening", "codes"):
        return scene.opening if name == "opening" else scene.codes.get(p.name)
    if name == "spikes":
        return scene.trains[p.name].astype(np.int64) if p.name in scene.trains else None
    match p:
        case FS() if scene.opening is not None:
            return reference.fire(scene.opening, p.table)[1]
        case FS() | Readout() | MaxPool() | View() | Input():
            return None
        case _:
            assert_never(p)


def _as_seen(scene: Scene, p: FS, own: Neurons) -> Iterator[tuple[str, Part]]:
    """Neurons that fire in the steps in which they sent a spike."""
    yield "firing", firing(scene, p, own)
    if (part := resetting(scene, p, own)) is not None:
        yield "reset", replace(part, beside=0 * part.right)


def _as_run(scene: Scene, p: FS, own: Neurons) -> Iterator[tuple[str, Part]]:
    """The same, of which no membrane of a step was told from their opening on."""
    if (part := running(scene, p, own)) is not None:
        yield "run", part
    else:
        yield from _as_seen(scene, p, own)


def _as_fired(scene: Scene, p: FS, own: Neurons) -> Iterator[tuple[str, Part]]:
    """Neurons that fire by the law, whatever they send."""
    z = reference.fire(own.before[:, 0], p.table)[0]
    yield "sent", sent(scene, own.fired, z)
    if (part := resetting(scene, p, replace(own, fired=z))) is not None:
        yield "reset", replace(part, beside=0 * part.right)


def _as_ended(scene: Scene, p: FS, own: Neurons) -> Iterator[tuple[str, Part]]:
    """Neurons that may run through fewer steps, all that was observed of them at once."""
    yield "ended", ending(scene, p, own)


def _stepped(scenes: Sequence[Scene], of_sums: bool, fired: Fired = _as_seen) -> dict[str, list[Part]]:
    """All steps of the law, as far as they were observed."""
    parts: dict[str, list[Part]] = defaultdict(list)
    for scene in scenes:
        match scene.population:
            case (FS() | Readout()) as p:
                for kind, part in _steps(scene, p, of_sums, fired):
                    parts[kind].append(part)
            case MaxPool() as p:
                for kind, own in (("pool", pooling(scene, p)), ("code", sending(scene))):
                    parts[kind] += [own] if own is not None else []
            case View() as p:
                for kind, own in (("view", viewing(scene, p)), ("code", sending(scene))):
                    parts[kind] += [own] if own is not None else []
            case Input():
                pass
    return parts


def _steps(scene: Scene, p: FS | Readout, of_sums: bool, fired: Fired) -> Iterator[tuple[str, Part]]:
    """The steps of one population."""
    seen = scene.theirs.get("opening", None if p.steps else scene.theirs.get("codes"))
    if begun_by_law(scene, p) and of_sums and not scene.their_sums and seen is not None:
        kind, part = _summed(scene, seen.astype(np.int64) - p.bias_map)
        beside = as_rows(part, np.broadcast_to(p.bias_map, seen.shape))
        yield kind, replace(part, beside=beside, reach=reach(part, *scene.into))
    elif begun_by_law(scene, p):
        sums = scene.their_sums or scene.sums
        if scene.their_sums:
            for name, values in sums.items():
                kind, part = _along(scene, name, values)
                along = reach(part, name) if name in scene.into else None
                yield kind, replace(part, beside=0 * part.right, reach=along)
        if seen is not None and not scene.sums_alone:
            part = opening(scene, p, seen, {name: sums.get(name, own) for name, own in scene.sums.items()})
            bias = as_rows(part, np.broadcast_to(np.abs(p.bias_map), seen.shape))
            yield "opening", replace(part, beside=0 * part.right, reach=bias + reach(part, *scene.into))
    match p:
        case FS() if (own := neurons_of(scene, p)) is not None:
            yield from fired(scene, p, own)
            if (code := coding(scene, own.fired, own.d)) is not None:
                yield "code", code
        case FS() | Readout():
            pass


def _along(scene: Scene, name: str, seen: Ints) -> tuple[str, Part]:
    """What one projection delivered."""
    return ("sums", delivering(scene, name, seen)) if name in scene.into else ("gate", gating(scene, name, seen))


def _summed(scene: Scene, seen: Ints) -> tuple[str, Part]:
    """What all projections delivered, one alone or several together."""
    names = list(scene.sums)
    return _along(scene, names[0], seen) if len(names) == 1 else (MERGED, merging(scene, seen))
