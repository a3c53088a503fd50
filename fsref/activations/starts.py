"""Where annealing begins: thresholds and resets of several kinds (FIT-4)."""

from __future__ import annotations

import numpy as np

from fsref.law.neuron import Ints

KINDS = ("random", "halves", "halves of both sides", "dip", "random", "inert", "dip below", "random")


def start(kind: str, steps: int, low: int, high: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Thresholds and resets (K,) of one of KINDS for membranes low..high.

    halves: a binary code of what lies above 0. halves of both sides: of all, lifted above 0 by a step that always
    fires. dip: the first half codes what lies above 0, then one step takes that away, the rest codes what lies below;
    dip below is the other way round. inert: halves, then steps that do not fire.
    """
    top, span = max(high, 1), high - low
    if kind == "random":
        T = np.sort(rng.integers(low, high + 1, steps))[::-1]
        h = np.abs(T) + rng.integers(0, max(2, span >> 3), steps)
    elif kind == "halves":
        T = h = _halves(top, steps)
    elif kind == "halves of both sides":
        halves = _halves(span, steps - 1)
        T, h = np.append(low, halves), np.append(low, halves)
    elif kind == "inert":
        active = max(1, steps - 2)
        T = np.append(_halves(top, active), np.full(steps - active, high + 1))
        h = np.append(_halves(top, active), np.zeros(steps - active, np.int64))
    else:
        first = steps // 2
        above, below = _halves(top, first), _halves(max(-low, 1), steps - first - 1)
        if kind == "dip":
            T, h = np.concatenate([above, [0], -below]), np.concatenate([above, [top], below])
        else:
            T, h = np.concatenate([[low], below, above])[:steps], np.concatenate([[low], below, above])[:steps]
    return T.astype(np.int64), h.astype(np.int64)


def _halves(top: int, steps: int) -> Ints:
    """top / 2, top / 4, ..., (steps,)."""
    return top >> np.minimum(np.arange(1, steps + 1), 62)
