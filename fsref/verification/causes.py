"""The catalogue of causes: known mistakes of other simulators, converters and chips, and which of them would give what
somebody else answered (OBS-4).

A cause is named only when it reproduces every number that they answered for one population; so it may be wrong about
the cause, but never about the numbers. To add one, write what follows from it beside its like, and a line in the tuple
there.
"""

from __future__ import annotations

from dataclasses import dataclass

from fsref.tables import Brief
from fsref.verification.membrane_causes import BIAS, READING
from fsref.verification.neuron_causes import NEURON
from fsref.verification.place_causes import PLACES, POOL
from fsref.verification.scene import Cause, Scene

CAUSES: tuple[Cause, ...] = (*POOL, *NEURON, *BIAS, *READING, *PLACES)  # the most likely first, where several fit


@dataclass(frozen=True)
class Hint:
    """A cause that fits: its `name` in the catalogue, and its words."""

    name: str
    text: str


@dataclass(frozen=True, repr=False)
class Judged(Brief):
    """The causes that fit, how many of the `judged` images that differ each of them explains, and how many `differ`."""

    hints: tuple[Hint, ...] = ()
    explained: int = 0
    judged: int = 0
    differing: int = 0

    def __str__(self) -> str:
        """How many images, in words."""
        if self.explained < self.judged:
            which = f"{self.explained} of {self.judged} images that differ; the others first differ elsewhere"
        elif self.judged < self.differing:
            which = f"all {self.judged} images judged of {self.differing} that differ"
        else:
            which = f"all {self.judged} images that differ" if self.judged > 1 else "the one image that differs"
        return which + ("; none of them tells these causes apart" if len(self.hints) > 1 else "")


def hints(scene: Scene) -> tuple[Hint, ...]:
    """The causes that give exactly what they answered on every image of a scene, the most likely first. Empty scenes
    have none.
    """
    if not len(scene.codes[scene.population.name]):
        return ()
    first = scene.first(1)  # most are out after one image
    found = [
        Hint(cause.name, cause.text.format(**effect.about))
        for cause in CAUSES
        if any(first.given_by(effect) for effect in cause.follow(first))
        for effect in cause.follow(scene)
        if scene.given_by(effect)
    ]
    return tuple(dict.fromkeys(found))
