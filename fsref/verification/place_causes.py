"""Right numbers in wrong places, or in the wrong order of steps (OBS-4)."""

from __future__ import annotations

import numpy as np

from fsref.verification.following import Cause, Effects
from fsref.verification.reading_causes import reversed_codes
from fsref.verification.scene import Effect, Scene


def lowest_bit_first(scene: Scene) -> Effects:
    """The population's own train is read from the last step to the first."""
    if scene.population.name in scene.trains:
        yield Effect(reversed_codes(scene, scene.population.name))


def places_first(scene: Scene) -> Effects:
    """The answer stands in the order (H, W, C)."""
    right = scene.codes[scene.population.name]
    yield Effect(right.transpose(0, 2, 3, 1).reshape(right.shape))


def answer_turned(scene: Scene) -> Effects:
    """Rows for columns in the answer."""
    right = scene.codes[scene.population.name]
    if right.shape[2] == right.shape[3]:
        yield Effect(right.swapaxes(2, 3))


def channels_moved(scene: Scene) -> Effects:
    """Each channel of theirs is one of ours, in another order."""
    right, theirs = scene.codes[scene.population.name], scene.theirs.get("codes")
    if theirs is None:
        return
    rows = {channel.tobytes(): c for c, channel in enumerate(np.ascontiguousarray(right.swapaxes(0, 1)))}
    order = [rows.get(np.ascontiguousarray(channel).tobytes()) for channel in theirs.swapaxes(0, 1)]
    known = [c for c in order if c is not None]
    if len(known) == len(order):
        shown = ", ".join(map(str, known[:8])) + (", ..." if len(known) > 8 else "")
        yield Effect(right[:, known]).of(order=shown)


PLACES = (
    Cause(
        "lowest-bit-first-sent",
        "trains are sent from the first step to the last: yours sends the lowest bit first [FS-4]",
        lowest_bit_first,
    ),
    Cause(
        "answers-places-first",
        "the codes are right, but in the order (H, W, C), not (C, H, W) [NET-3]",
        places_first,
    ),
    Cause("answers-turned", "the codes are right, but rows and columns are exchanged [NET-3]", answer_turned),
    Cause(
        "channels-moved",
        "the codes are right, but the channels are in another order: yours are {order} (concat, groups) [NET-3]",
        channels_moved,
    ),
)
