"""What a difference tells of a spike: the membrane that met the threshold in its step, from the recording's own trains
(OBS-2).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fsref
from fsref.simulation.recording import Record
from handmade import draw, residual


@pytest.mark.parametrize("t", range(5))
def test_the_membrane_in_a_difference(t: int) -> None:
    """The membrane told is the one before the step: opening less h of every step that fired before, also of two and
    more, each with its own h; in the first step it is the opening.
    """
    net, images = residual(), draw(residual(), 4, 9)
    good = fsref.run(net, images, record=Record(["mid"], ("opening", "spikes", "membranes"))).trace
    p = net["mid"]
    T, h, _ = p.table.rows(p.shape[0])
    assert t < p.steps
    earlier = set()
    for image, neuron in np.ndindex(*good["mid", "spikes"].shape):
        train, channel = int(good["mid", "spikes"][image, neuron]), neuron // (p.shape[1] * p.shape[2])
        fired = [s for s in range(t) if train >> (p.steps - 1 - s) & 1]
        if (len(fired), channel) in earlier:
            continue
        earlier.add((len(fired), channel))
        arrays = {key: values.copy() for key, values in good.arrays.items()}
        arrays["mid", "spikes"][image, neuron] ^= 1 << (p.steps - 1 - t)
        found = fsref.diff(replace(good, arrays=arrays), good)
        v = int(good["mid", "membranes"][image, t - 1, neuron] if t else good["mid", "opening"][image, neuron])
        assert v == good["mid", "opening"][image, neuron] - sum(int(h[channel, s]) for s in fired)
        assert (found.image, found.neuron, found.step) == (image, neuron, net.schedule.start["mid"] + t)
        assert found.context == f" membrane {v} threshold {T[channel, t]}"
    assert t < 2 or max(count for count, _ in earlier) >= 2
