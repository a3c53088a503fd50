"""Channels whose values are far below those of others, but count as much for what reads them: they get a scale of their
own (CONV-2), after cross-layer equalisation (Nagel et al. 2019, arXiv 1906.04721).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fsref.activations.coding import Coding, Reals
from fsref.conversion.folded import Folded, Term, Unit

FAR = 1 / 16  # of alpha: the largest value of a channel that has a scale of its own
COUNTS = 1 / 4  # of the largest that a channel contributes to a reader


def equalised(folded: Folded, unit: Unit, largest: Reals, coding: Coding) -> Coding:
    """The coding of a unit, of values from 0 on, with scales smaller by powers of two, which round nothing, for such
    channels; `largest` (C,) are the largest values of all.
    """
    share = largest / (coding.scale * 2**coding.steps)
    if unit.activation is None or unit.activation.low != 0 or not (chosen := (0 < share) & (share < FAR)).any():
        return coding
    counts = np.zeros(len(largest), bool)
    for term in _readers(folded, unit.name):
        given = largest * _largest_weights(term, len(largest))
        counts |= given >= COUNTS * given.max()
    if not (chosen := chosen & counts).any():
        return coding
    _, exponent = np.frexp(share)  # share is below 2^exponent
    scale: Reals = np.ldexp(coding.scale, np.where(chosen, exponent, 0))
    return replace(coding, scale=scale[:, None, None])


def _readers(folded: Folded, name: str) -> Iterator[Term]:
    """The terms that read a population, through max-pools and views of it, too."""
    for unit in folded.units:
        yield from (term for term in unit.terms if term.source == name)
        if name == unit.relayed:
            yield from _readers(folded, unit.name)


def _largest_weights(term: Term, channels: int) -> Reals:
    """The largest weight over each of so many channels, (C,)."""
    weights = np.abs(term.weights)
    if weights.ndim == 2:
        found: Reals = weights.max(axis=0).reshape(channels, -1).max(axis=1)
        return found
    taps = weights.max(axis=(2, 3)).reshape(term.groups, -1, weights.shape[1])
    return np.asarray(taps.max(axis=1).ravel())
