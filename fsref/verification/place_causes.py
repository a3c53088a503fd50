"""Mistakes of a max-pool, and right numbers in wrong places or in the wrong order of steps (OBS-4)."""

from __future__ import annotations

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import MaxPool
from fsref.law.projections import sum_pool
from fsref.verification.membrane_causes import reversed_codes
from fsref.verification.scene import Cause, Effect, Effects, Scene, of_pool


def per_step_or(scene: Scene, p: MaxPool) -> Effects:
    """Each step looks at all candidates again, also at those that were silent while another fired."""
    steps, d = scene.net.steps[p.name], scene.net.code_weights[p.name]
    spikes = reference.input_trains(scene.trains[p.source].astype(np.int64), steps)
    alone = np.stack([reference.max_pool(spikes[:, t : t + 1], p)[:, 0] for t in range(steps)], axis=1)
    yield Effect(np.einsum("bkchw,ck->bchw", alone.astype(np.int64), d), spikes=reference.words(alone))


def average(scene: Scene, p: MaxPool) -> Effects:
    """The mean of the candidates, or of the whole window with its padding, rounded down or to the nearest."""
    plane = scene.codes[p.source]
    total, there = window_sums(plane, p), window_sums(np.ones_like(plane[:1]), p)
    for count in (there, np.full_like(there, p.kernel[0] * p.kernel[1])):
        yield Effect(total // count)
        yield Effect((2 * total + count) // (2 * count))


def window_sums(plane: Ints, p: MaxPool) -> Ints:
    """The sum of each window of a plane (B, C, H, W), padding counting as 0, (B, C, H_out, W_out)."""
    summing = sum_pool(p.source, p.name, p.shape[0], p.kernel, p.stride, p.padding)
    return reference.along(plane, summing, p.shape)


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


POOL = (
    Cause(
        "per-step-or",
        "candidates that stay silent while another fires drop out: yours is a per-step OR [POOL-1]",
        of_pool(per_step_or),
    ),
    Cause(
        "average-for-max", "a max-pool sends the largest code of its window, not their mean [POOL-1]", of_pool(average)
    ),
)

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
