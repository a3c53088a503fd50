"""Composed causes as hints: the words that come first, and what is observed where none do (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fsref.verification.causes import Hint, Judged
from fsref.verification.composed.composed import composed, few, observation
from fsref.verification.composed.earlier import is_known
from fsref.verification.composed.search import NEARLY, Composed
from fsref.verification.scene import Scene

COMPOSED, ALIKE = "composed", 3  # what composed causes are called, and how many that are as short are named


def named(found: Sequence[Composed]) -> tuple[Hint, ...]:
    """Composed causes as hints, the first and those that are as short; none of none."""
    alike = [one for one in found if one.dear <= found[0].dear + NEARLY and one.unsaid == found[0].unsaid]
    return tuple(Hint(COMPOSED, one.text) for one in alike[:ALIKE])


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
    return Judged((), 0, total, differing, next(filter(None, map(observation, tried)), ""))


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
    return Judged(named(found), count if found else 0, count, differing, "" if found else observation([kept]))


def judged_in_a_row(scene: Scene, count: int) -> Judged:
    """The same of one scene that holds every image asked, of which so many differ."""
    if few([scene])[0].count < scene.count:
        return Judged((), 0, count, count)
    found = composed([scene])
    return Judged(named(found), count if found else 0, count, count, "" if found else observation([scene]))
