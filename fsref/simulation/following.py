"""What the law makes of what is given of some populations, and of nothing else: units of a network by themselves
(VECTOR-1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.simulation.recording import Key


def following(net: Network, given: Mapping[Key, NDArray[Any]]) -> dict[Key, NDArray[Any]]:
    """Every observable that follows from what is `given`: arrays (B, neurons), membranes (B, K, neurons), of the
    populations of which nothing is given and all sources are known, and the sums of projections whose source is known
    (OBS-1).

    Given are of a population its "spikes" (train words) or, of the input, its "codes"; or of one that integrates its
    "opening", from which what it fires follows.
    """
    found: dict[Key, NDArray[Any]] = {}
    spikes: dict[str, NDArray[np.bool_]] = {}
    for p in net.populations:
        shape = (-1, *p.shape)
        trains = given.get((p.name, "spikes"), given.get((p.name, "codes")) if p is net.input else None)
        if trains is not None:
            spikes[p.name] = reference.input_trains(trains.astype(np.int64).reshape(shape), net.steps[p.name])
            continue
        opening = given.get((p.name, "opening"))
        if opening is None and not (net.sources(p.name) and spikes.keys() >= set(net.sources(p.name))):
            for name, q in net.into(p.name).items():
                if spikes.keys() >= set(q.sources):
                    sums = reference.delivered(net, q, spikes)
                    found[name, "sums"] = sums.reshape(len(sums), -1)
            continue
        made: dict[str, NDArray[Any]] = {}
        match p:
            case Input():
                continue
            case MaxPool():
                spikes[p.name] = reference.max_pool(spikes[p.source], p)
                made["codes"] = reference.codes(spikes[p.name], net.code_weights[p.name])
            case View():
                spikes[p.name] = reference.shown(spikes[p.source], p)
                made["codes"] = reference.codes(spikes[p.name], net.code_weights[p.name])
            case FS() | Readout():
                v: Ints
                if opening is not None:
                    v = opening.astype(np.int64).reshape(shape)
                else:
                    v, delivered = reference.opening(net, p, spikes)
                    found |= {(name, "sums"): total.reshape(len(total), -1) for name, total in delivered.items()}
                    made["opening"] = v
                if isinstance(p, FS):  # a readout does not fire
                    spikes[p.name], membranes, made["codes"] = reference.fire(v, p.table)
                    found[p.name, "membranes"] = membranes.reshape(*membranes.shape[:2], -1)
            case _:
                assert_never(p)
        if p.name in spikes:
            made["spikes"] = reference.words(spikes[p.name])
        found |= {(p.name, what): array.reshape(len(array), -1) for what, array in made.items()}
    return found
