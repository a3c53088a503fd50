"""Right numbers in wrong places, or in the wrong order of steps (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.verification.consequences import Cause, Effects
from fsref.verification.reading_causes import reversed_codes
from fsref.verification.scene import Effect, Scene


def lowest_bit_first(scene: Scene) -> Effects:
    """The population's own train is read from the last step to the first."""
    if scene.population.name in scene.trains:
        codes = reversed_codes(scene, scene.population.name)
        turned = reference.words(scene.spikes(scene.population.name)[:, ::-1])
        yield Effect(codes)
        yield Effect(codes, spikes=turned)


def places_first(scene: Scene) -> Effects:
    """The answer stands in the order (H, W, C)."""
    right = scene.codes[scene.population.name]
    yield moved(scene, lambda values: np.moveaxis(values, 1, 3).reshape(right.shape))


def answer_turned(scene: Scene) -> Effects:
    """Rows for columns in the answer."""
    right = scene.codes[scene.population.name]
    if right.shape[2] == right.shape[3]:
        yield moved(scene, lambda values: values.swapaxes(2, 3))


def channels_moved(scene: Scene) -> Effects:
    """Each channel of theirs is one of ours, in another order."""
    right, theirs = scene.codes[scene.population.name], scene.theirs.get("codes")
    if theirs is None:
        return
    if len(right[0]) > 1:
        yield from last_repeated(scene)
    rows = {channel.tobytes(): c for c, channel in enumerate(np.ascontiguousarray(right.swapaxes(0, 1)))}
    order = [rows.get(np.ascontiguousarray(channel).tobytes()) for channel in theirs.swapaxes(0, 1)]
    known = [c for c in order if c is not None]
    if len(set(known)) == len(order):
        shown = ", ".join(map(str, known[:8])) + (", ..." if len(known) > 8 else "")
        yield moved(scene, lambda values: values[..., known, :, :]).of(order=shown)


def last_repeated(scene: Scene) -> Effects:
    """The last channel is the one before it."""
    order = [*range(scene.population.shape[0] - 1), scene.population.shape[0] - 2]
    yield moved(scene, lambda values: values[..., order, :, :]).of(order="those of the one before in the last")


def moved(scene: Scene, move: Callable[[NDArray[Any]], NDArray[Any]]) -> Effect:
    """What is sent, its neurons moved."""
    name = scene.population.name
    trains = scene.trains.get(name)
    return Effect(move(scene.codes[name]), spikes=None if trains is None else move(trains))


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
