"""Kinds of mistakes: all that a sum may be off by if something goes wrong in it, wherever and whenever (CONFORM-8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from fsref.law.neuron import Ints
from fsref.tables import Brief
from fsref.verification.composed.inputs import Wrong

ADDED = 13  # of which any may be lost
ALL = 2**16  # integers that a sum may be off by


@dataclass(frozen=True, eq=False, repr=False)
class Kind(Brief):
    """A kind of mistake in words, how `dear` these are, and all that a sum may be `off` by if it is one; None where
    that is too much.
    """

    text: str
    dear: float
    off: Callable[[Wrong], Ints | None]


def _any(parts: Iterable[Ints]) -> Ints | None:
    """All sums of one integer of each part; None where these are many."""
    found = np.zeros(1, np.int64)
    for part in parts:
        if found.size * part.size > ALL:
            return None
        found = np.unique(found[:, None] + part)
    return found


def _of_some(values: Ints, times: int) -> Ints | None:
    """So many times any of some values, added up; None where they are many."""
    own = values[values != 0]
    return None if len(own) > ADDED else _any(np.array([0, times * int(v)]) for v in own)


def _lost(wrong: Wrong) -> Ints | None:
    return _of_some(wrong.additions, -1)


def _twice(wrong: Wrong) -> Ints | None:
    return _of_some(wrong.additions, 1)


def _signs(wrong: Wrong) -> Ints | None:
    return _of_some(wrong.additions, -2)


def _inputs_lost(wrong: Wrong) -> Ints | None:
    return _of_some(wrong.products, -1)


def _inputs_twice(wrong: Wrong) -> Ints | None:
    return _of_some(wrong.products, 1)


def _other_weights(wrong: Wrong) -> Ints | None:
    """Any weight of the projection at each input that has a code."""
    some = np.flatnonzero(wrong.source)
    return _any(wrong.source[n] * (wrong.all_weights[wrong.of[n]] - wrong.weights[n]) for n in some)


def _other_weights_of_spikes(wrong: Wrong) -> Ints | None:
    """Any weight of the projection with each spike."""
    step, n = np.nonzero(wrong.z)
    return _any(
        wrong.d[t, i] * (wrong.all_weights[wrong.of[i]] - wrong.weights[i]) for t, i in zip(step, n, strict=True)
    )


def _in_the_padding(wrong: Wrong) -> Ints | None:
    """Any code of the source, or 0, at each place in the padding."""
    some = np.flatnonzero(wrong.outside & (wrong.weights != 0))
    return _any(wrong.weights[n] * wrong.all_codes[wrong.of[n]] for n in some)


def _other_neurons(wrong: Wrong) -> Ints | None:
    """Any code of the source, or 0, at each input that has a weight."""
    some = np.flatnonzero(wrong.weights)
    return _any(wrong.weights[n] * (wrong.all_codes[wrong.of[n]] - wrong.source[n]) for n in some)


def _other_d(wrong: Wrong) -> Ints | None:
    """Any d of its input, or 0, with each spike."""
    step, n = np.nonzero(wrong.z * wrong.weights)
    return _any(
        wrong.weights[i] * (np.unique(np.append(wrong.d[:, i], 0)) - wrong.d[t, i])
        for t, i in zip(step, n, strict=True)
    )


def _other_d_of_steps(wrong: Wrong) -> Ints | None:
    """Any d, or 0, with all spikes of each step."""
    own = wrong.z * wrong.weights
    some = np.flatnonzero(own.any(axis=1))
    if (wrong.d != wrong.d[:, :1]).any():
        return None
    return _any(int(own[t].sum()) * (np.unique(np.append(wrong.d[:, 0], 0)) - wrong.d[t, 0]) for t in some)


def _other_spikes(wrong: Wrong) -> Ints | None:
    """In each step the spikes of any."""
    return _any(_instead(wrong, t) for t in range(len(wrong.z)))


def _silent(wrong: Wrong) -> Ints | None:
    """In each step without a spike the spikes of any."""
    some = np.flatnonzero(~wrong.z.any(axis=1))
    return _any(_instead(wrong, int(t)) for t in some)


def _instead(wrong: Wrong, step: int) -> Ints:
    """What more the spikes of any step deliver in this one."""
    delivered = wrong.z @ (wrong.weights * wrong.d[step])
    return np.append(delivered - delivered[step], 0)


def _added(wrong: Wrong) -> Ints:
    return np.concatenate([wrong.sums, wrong.told])


def _instead_of(wrong: Wrong) -> Ints:
    return np.concatenate([_added(wrong) - wrong.total, wrong.told - wrong.right])


def _left(wrong: Wrong) -> Ints:
    return np.asarray(wrong.left - wrong.right)


def _left_added(wrong: Wrong) -> Ints:
    return wrong.left


def _bias_lost(wrong: Wrong) -> Ints | None:
    return None if wrong.bias is None else np.array([-wrong.bias])


def _bias_twice(wrong: Wrong) -> Ints | None:
    return None if wrong.bias is None else np.array([wrong.bias])


def _other_bias(wrong: Wrong) -> Ints | None:
    return None if wrong.bias is None else np.asarray(wrong.biases - wrong.bias)


KINDS = (
    Kind("some additions are lost", 0, _lost),
    Kind("some additions are made twice", 0, _twice),
    Kind("some additions have the other sign", 1, _signs),
    Kind("all that some inputs send is lost", 1, _inputs_lost),
    Kind("all that some inputs send counts twice", 1, _inputs_twice),
    Kind("some inputs have other weights of their projection", 1, _other_weights),
    Kind("some spikes have other weights of their projection", 1.5, _other_weights_of_spikes),
    Kind("some places in the padding are read as neurons of the source", 1, _in_the_padding),
    Kind("some inputs are other neurons of the source", 1.5, _other_neurons),
    Kind("some spikes are worth d of another step, or 0", 1, _other_d),
    Kind("all spikes of some steps are worth d of another step, or 0", 1, _other_d_of_steps),
    Kind("some steps deliver the spikes of another", 1, _other_spikes),
    Kind("some steps without a spike deliver the spikes of another", 0.5, _silent),
    Kind("what another neuron got is added", 0, _added),
    Kind("what another neuron got stands there", 0, _instead_of),
    Kind("what another neuron was left with stands there", 0.5, _left),
    Kind("what another neuron was left with is added", 0.5, _left_added),
    Kind("some biases are lost", 0, _bias_lost),
    Kind("some biases are added twice", 0, _bias_twice),
    Kind("some biases are those of other neurons", 1, _other_bias),
)
