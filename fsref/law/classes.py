"""Classes: which one logits say, how many there are, and which networks have them (NET-8)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.tables import sizes


def classes_of(logits: NDArray[Any]) -> Ints:
    """The classes int64 (...) that logits (..., logits), integers or real, say: the largest, the lowest index on a tie;
    of a single logit class 1 at 0 or above (NET-8).
    """
    single = logits.shape[-1] == 1
    found: Ints = (logits[..., 0] >= 0).astype(np.int64) if single else np.argmax(logits, axis=-1)
    return found


def check_classifier(net: Network, rule: str, place: str, limit: str) -> None:
    """Nothing, when a network has classes (NET-8); else UsageError, `limit` saying what would do."""
    if not net.is_classifier:
        told = ", ".join(f"{p.name} {sizes(p.shape)}" for p in net.readouts)
        raise UsageError(rule, place, "the network is no classifier, a single row of logits", told, limit)
