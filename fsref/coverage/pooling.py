"""Trains of its source that reach what the windows of a max-pool may meet, or what a view shows, by construction
(VECTOR-3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.coverage.bins import nothing, reached
from fsref.coverage.coverage import Coverage
from fsref.coverage.draws import Draws
from fsref.coverage.fields import Inputs
from fsref.coverage.trains import sent
from fsref.engines import reference
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import MaxPool, Relay, View
from fsref.simulation.recording import Key


def pooled(net: Network, p: MaxPool, seed: int) -> tuple[list[dict[Key, Ints]], Coverage]:
    """Stimuli, trains (neurons,) of the source, that reach something new, and the coverage of all."""
    return _kept(net, p, _stimuli(net, p, Draws(seed)), lambda spikes: reference.max_pool(spikes, p))


def shown(net: Network, p: View) -> tuple[list[dict[Key, Ints]], Coverage]:
    """The same of a view: all places of the source send their largest train."""
    largest = [np.broadcast_to(words[-1], net[p.source].shape[1:]) for words in sent(net)[p.source]]
    return _kept(net, p, [np.stack(largest)], lambda spikes: reference.shown(spikes, p))


def _kept(
    net: Network, p: Relay, stimuli: list[Ints], passed_on: Callable[[reference.Spikes], reference.Spikes]
) -> tuple[list[dict[Key, Ints]], Coverage]:
    """Those of some trains (C, H, W) of its source that reach something new, and the coverage of all."""
    coverage, kept = nothing(net), []
    for words in stimuli:
        given = {(p.source, "spikes"): words.reshape(1, -1)}
        spikes = reference.input_trains(words[None], net.steps[p.name])
        made = passed_on(spikes)
        arrays: dict[Key, NDArray[Any]] = {
            **given,
            (p.name, "spikes"): reference.words(made).reshape(1, -1),
            (p.name, "codes"): reference.codes(made, net.code_weights[p.name]).reshape(1, -1),
        }
        now = coverage | reached(net, arrays, given.keys())
        if now.counts[0] > coverage.counts[0]:
            coverage = now
            kept.append({(p.source, "spikes"): words.reshape(-1)})
    return kept, coverage


def _stimuli(net: Network, p: MaxPool, draws: Draws) -> list[Ints]:
    """Trains (C, H, W) of the source: all silent, all the largest, drawn ones; for each step two trains that part
    there, mixed; two of which each has a spike that the other lacks, mixed.
    """
    steps, shape, trains = net.steps[p.name], net[p.source].shape, sent(net)[p.source]
    inputs = Inputs(net, (p.source,))
    drawn = inputs.given(inputs.drawn(draws))[p.source, "spikes"].reshape(shape)
    found = [
        _mixed([words[:1] for words in trains], shape, draws),
        _mixed([words[-1:] for words in trains], shape, draws),
    ]
    found.append(drawn)
    for t in range(steps):
        pairs = []
        for words in trains:
            parts = np.flatnonzero((words[1:] ^ words[:-1]) >> (steps - 1 - t) == 1)
            pairs.append(words[parts[0] : parts[0] + 2] if len(parts) else words[-1:])
        found.append(_mixed(pairs, shape, draws))
    pairs = []
    for words in trains:
        by_spikes = words[np.argsort(np.bitwise_count(words), kind="stable")]
        apart = np.flatnonzero(by_spikes[:-1] & ~by_spikes[1:])
        pairs.append(by_spikes[apart[0] : apart[0] + 2] if len(apart) else words[-1:])
    found.append(_mixed(pairs, shape, draws))
    return found


def _mixed(words: list[Ints], shape: tuple[int, int, int], draws: Draws) -> Ints:
    """Trains (C, H, W), each one of those of its channel."""
    most = np.array([len(own) for own in words], np.int64)
    which = draws.below(np.broadcast_to(most[:, None, None], shape))
    return np.stack([own[at] for own, at in zip(words, which, strict=True)])
