"""The fan-out of every neuron, and the synaptic operations of recorded trains (OBS-3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d, Dense, Gate, Projection
from fsref.law.synapses import fan_out


def fan_outs(net: Network) -> dict[str, Ints]:
    """The fan-out under every projection by name, in list order, each (C, H, W) of its source (OBS-3)."""
    return {name: fan_out(q, net[q.source].shape, net[q.target].shape) for name, q in net.named_projections.items()}


def fanning_numbers(net: Network, q: Projection) -> int:
    """The most numbers held while the fan-out of a projection is made: which weights count, as bytes and as numbers;
    taps of every row and column: their place, its truths, the number; sums along rows, the fan-out.
    """
    channels, height, width = net[q.source].shape
    counting = q.weights.size + q.weights.size // 8 + 1
    match q:
        case Dense() | Gate():
            return counting + 2 * net[q.source].neurons
        case Conv2d(kernel=(kh, kw)):
            return counting + 3 * (height * kh + width * kw) + channels * height * (kw + width)
        case _:
            assert_never(q)


def synops(net: Network, trains: Mapping[str, NDArray[Any]], fans: Mapping[str, Ints] | None = None) -> Ints:
    """SynOps per image and projection, (B, projections): every spike counts the fan-out of its neuron (OBS-3).

    `trains` maps the source of every projection to its train words (EVENT-2), (B, neurons) or (B, C, H, W); `fans` is
    fan_outs(net), to be made once for many batches. Errors: UsageError when a source is missing or its trains have
    another size.
    """
    known = fan_outs(net) if fans is None else fans
    columns = []
    for name, projection in net.named_projections.items():
        fan = known[name]
        if projection.source not in trains:
            raise UsageError("OBS-3", "synops", "no trains of this population", projection.source, ", ".join(trains))
        words = np.asarray(trains[projection.source])
        words = words.reshape(len(words), -1)
        if words.shape[1] != fan.size or words.dtype.kind not in "iu":
            raise UsageError(
                "OBS-3",
                f"synops {projection.source}",
                "not one train word per neuron",
                words.shape,
                f"(B, {fan.size}) integers",
            )
        columns.append(np.einsum("bn,n->b", np.bitwise_count(words), fan.ravel()))
    return np.stack(columns, axis=1)
