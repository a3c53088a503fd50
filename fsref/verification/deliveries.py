"""What projections deliver when something is wrong with what they read, where, or by which weight: all of them, or one
of several (OBS-4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.law.projections import Conv2d, Dense, Gate, Linear
from fsref.verification.consequences import Effects, Follow, of_membranes, opened, searched
from fsref.verification.scene import Scene

Read: TypeAlias = tuple[Linear, Ints]  # a projection, and the codes (B, C, H, W) that it reads
Change: TypeAlias = Callable[[Scene, str, Linear], Ints | None]  # what a projection delivers then, None the right
Same = TypeVar("Same", Conv2d, Dense, Gate, Conv2d | Dense, Conv2d | Dense | Gate)
Mistake: TypeAlias = tuple[Change, Mapping[str, Any]]  # and what fills in its words

PRODUCTS = 2**28  # of weights and codes of an image, after which no further form of a mistake is tried,
FORMS = 4  # but for the first


def found_by(forms: Callable[[Scene], Iterable[Mistake]]) -> Follow:
    """What follows from each form of a mistake of projections."""

    def tried(scene: Scene) -> Iterable[Mistake]:
        if scene.opening is None or not scene.into:
            return ()
        each = sum(q.weights.size for q in scene.into.values()) * scene.opening[0, 0].size
        return islice(forms(scene), max(FORMS, PRODUCTS // each))

    return searched(tried, delivering)


def reads(*changes: Callable[[Scene, Linear, Ints], Read]) -> Follow:
    """A mistake of what projections read, or of the projections, in some forms."""
    return found_by(lambda scene: [(reading(change), {}) for change in changes])


def reading(change: Callable[[Scene, Linear, Ints], Read]) -> Change:
    """What a projection delivers that is changed, or reads other codes."""

    def sums(scene: Scene, name: str, q: Linear) -> Ints | None:
        plane = scene.codes[q.source]
        changed, read = change(scene, q, plane)
        return None if changed is q and read is plane else reference.along(read, changed, scene.population.shape)

    return sums


def delivering(scene: Scene, form: Mistake) -> Effects:
    """What a population does when all projections into it are wrong, and each alone."""
    change, about = form

    def follow(scene: Scene, p: FS | Readout, v: Ints) -> Effects:
        wrong = {name: change(scene, name, q) for name, q in scene.into.items()}
        more = {name: sums - scene.sums[name] for name, sums in wrong.items() if sums is not None}
        for names in [list(more), *([name] for name in more if len(more) > 1)]:
            if any(np.any(more[name]) for name in names):
                where = f"in {names[0]} alone" if len(names) == 1 < len(more) else ""
                yield opened(p, sum((more[name] for name in names), v)).of(where, **about)

    return of_membranes(follow)(scene)


def touched(scene: Scene) -> NDArray[np.bool_]:
    """Which neurons (B, C, H, W) something was delivered to, along a weight that is not 0."""
    count: Ints = 0 * scene.codes[scene.population.name]
    into, once = scene.net.into(scene.population.name), np.ones(1, np.int64)
    for q in into.values():
        plane: Ints = np.asarray(scene.spikes(q.source).any(axis=1)).astype(np.int64)
        factors = dict.fromkeys(q.sources, once)
        count = count + reference.carried(plane, of_ones(q), scene.population.shape, factors)
    return count > 0


def of_ones(q: Same) -> Same:
    """A projection whose weights are 1 where they are not 0."""
    return replace(q, weights=(q.weights != 0).astype(np.int64))
