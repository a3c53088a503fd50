"""Mistakes of gates, each planted by hand in the network of every form of gate: the population, and what is delivered
instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import fsref
from fsref.law.populations import FS
from handmade import gated

NET = gated()


def partial(net: fsref.Network, codes: dict[str, Any], trains: dict[str, Any], gate: Any) -> Any:
    """Spikes of the source, step by step, times what of the factor's train has come by then."""
    K, k = net.steps[gate.source], net.steps[gate.by]
    d, own = (net.code_weights[name][:, :, None, None] for name in (gate.source, gate.by))
    total, so_far = 0, 0
    for t in range(K):
        if t < k:
            so_far = so_far + own[:, t] * (trains[gate.by] >> (k - 1 - t) & 1)
        total = total + d[:, t] * (trains[gate.source] >> (K - 1 - t) & 1) * so_far
    return total


PLANTED: dict[str, tuple[str, Any]] = {  # the population, and the product of a gate's codes there
    "factor-ignored": ("late", lambda a, b, *_: a),
    "factor-added": ("slow", lambda a, b, *_: a + b),
    "factor-of-another-place": ("late", lambda a, b, *_: a * b[:, :, :1, :1]),
    "factor-of-another-place: a channel": ("slow", lambda a, b, *_: a * b[:, ::-1]),
    "factor-incomplete": ("late", None),
}


def answers(trap: str, images: Any) -> tuple[str, dict[str, Any]]:
    """The population of a trap, and what it answers for images: all that is observed of its neurons."""
    name, product = PLANTED[trap]
    trace = fsref.run(NET, images, record=fsref.Record(observables=("spikes", "codes", "opening"))).trace
    assert trace is not None
    p: Any = NET[name]
    assert isinstance(p, FS)
    codes, trains = (
        {n: trace[n, what].astype(np.int64).reshape(-1, *NET[n].shape) for n in NET.steps if (n, what) in trace.arrays}
        for what in ("codes", "spikes")
    )
    v = trace[name, "opening"].reshape(-1, *p.shape)
    (gate,) = [g for g in NET.gates.values() if g.target == name]
    a, b = codes[gate.source], codes[gate.by]
    wrong = partial(NET, codes, trains, gate) if product is None else product(a, b)
    v = v + gate.weights.astype(np.int64)[:, None, None] * (wrong - a * b)
    T, h, d = p.table.rows(p.shape[0])
    left, code, word, membranes = v, 0, 0, []
    for t in range(p.steps):
        z = (left >= T[:, t, None, None]).astype(np.int64)
        left, code, word = left - z * h[:, t, None, None], code + z * d[:, t, None, None], 2 * word + z
        membranes.append(left)
    return name, {"codes": code, "spikes": word, "opening": v, "membranes": np.stack(membranes, axis=1)}
