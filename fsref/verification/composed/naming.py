"""Composed causes as hints: the words that come first; where none do a kind of mistake, and what is observed
(CONFORM-7, CONFORM-8).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fsref.verification.causes import Hint, Judged
from fsref.verification.composed.composed import composed, few, first_wrong
from fsref.verification.composed.earlier import is_known
from fsref.verification.composed.likely import likely
from fsref.verification.composed.search import NEARLY, Composed, observed
from fsref.verification.scene import Scene

COMPOSED, KIND = "composed", "kind"  # what composed causes are called, and kinds of mistakes
ALIKE = 3  # how many that are as short are named


def named(found: Sequence[Composed]) -> tuple[Hint, ...]:
    """Composed causes as hints, the first and those that are as short; none of none."""
    alike = [one for one in found if one.dear <= found[0].dear + NEARLY and one.unsaid == found[0].unsaid]
    return tuple(Hint(COMPOSED, text) for text in [*dict.fromkeys(one.text for one in alike)][:ALIKE])


def judged(scenes: Sequence[Scene], counts: Sequence[int], first: int, differing: int) -> Judged:
    """What gives all that was answered in scenes, of which so many images each differ: the shortest words; where none
    do, what is wrong there or in the `first` of them.
    """
    kept = [
        (scene, min(count, scene.count), i) for i, (scene, count) in enumerate(zip(few(scenes), counts, strict=True))
    ]
    kept = [one for one in kept if one[0].count]
    wrong = [one for one in kept if one[1]]
    total = sum(count for _, count, _ in wrong)
    found = composed([scene for scene, _, _ in kept]) if wrong else []
    if found:
        told = sum(count for scene, count, _ in wrong if scene not in found[0].unsaid)
        return Judged(named(found), told, total, differing)
    tried = [scene for scene, _, _ in wrong], [scene for scene, _, i in wrong if i == first]
    return _without_words(tried, total, differing)


def _without_words(tried: Iterable[Sequence[Scene]], count: int, differing: int) -> Judged:
    """What can be said of the first of some scenes of which anything can: the kind of mistake, and what was observed;
    neither gives every integer.
    """
    relation = next(filter(None, map(first_wrong, tried)), None)
    if relation is None:
        return Judged((), 0, count, differing)
    kind = likely(relation)
    return Judged((Hint(KIND, kind),) if kind else (), 0, count, differing, observed(relation), relation.law)


def judged_alone(scene: Scene, count: int, differing: int) -> Judged:
    """The same of one scene, of whose images so many differ; where nothing else gives all, what is left of images
    before is tried, if all of them are known.
    """
    (kept,) = few([replace(scene, at=None)])
    count = min(count, kept.count)
    if not count:
        return Judged((), 0, 0, differing)
    found = composed([kept])
    if not found and kept.count == scene.count and is_known(scene):
        found = composed([scene])
    return Judged(named(found), count, count, differing) if found else _without_words([[kept]], count, differing)


def judged_in_a_row(scene: Scene, count: int) -> Judged:
    """The same of one scene that holds every image asked, of which so many differ."""
    if few([scene])[0].count < scene.count:
        return Judged((), 0, count, count)
    found = composed([scene])
    return Judged(named(found), count, count, count) if found else _without_words([[scene]], count, count)
