"""Kinds of mistakes: all that a sum may be off by if something goes wrong in it, wherever and whenever (CONFORM-8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from fsref.law.neuron import Ints
from fsref.tables import Brief
from fsref.verification.composed.inputs import Sent, Wrong
from fsref.verification.composed.relation import Mask

ADDED, PARTS = 13, 64  # of which any may be lost, and which may each be another
ALL = 2**16  # integers that a sum may be off by
EVERY = np.arange(-128, 128)  # weights of 8 bits
Off = Callable[[Wrong], Ints | None]


@dataclass(frozen=True, eq=False, repr=False)
class Kind(Brief):
    """A kind of mistake in words, how `dear` these are, and all that a sum may be `off` by if it is one; None where
    that is too much. Whether `most` sums are enough for it: of a kind that may give much they say too little.
    """

    text: str
    dear: float
    off: Off
    most: bool = False


def _any(parts: Iterable[Ints]) -> Ints | None:
    """All sums of one integer of each part; None where these are many."""
    found = np.zeros(1, np.int64)
    for count, part in enumerate(parts):
        if count == PARTS or found.size * part.size > ALL:
            return None
        found = np.unique(found[:, None] + part)
    return found


def _some(of: Callable[[Wrong], Ints], times: int, wrong: Wrong) -> Ints | None:
    """So many times any of some integers, added up; None where they are many."""
    every = of(wrong)
    own = every[every != 0]
    return None if len(own) > ADDED else _any(np.array([0, times * int(v)]) for v in own)


def _other_weights(wrong: Wrong) -> Ints | None:
    """Any weight at each input that has a code."""
    some = np.flatnonzero(wrong.source)
    return _any(wrong.source[n] * (wrong.all_weights - wrong.weights[n]) for n in some)


def _other_weights_of_spikes(wrong: Wrong) -> Ints | None:
    """Any weight with each spike."""
    step, n = np.nonzero(wrong.z)
    return _any(wrong.d[t, i] * (wrong.all_weights - wrong.weights[i]) for t, i in zip(step, n, strict=True))


def _any_weights(wrong: Wrong) -> Ints | None:
    """Any weight of any network at each input that has a code (PROJ-7)."""
    some = np.flatnonzero(wrong.source)
    return _any(wrong.source[n] * (EVERY - wrong.weights[n]) for n in some)


def _of_inputs(which: Callable[[int], Mask], off: Off, wrong: Wrong) -> Ints | None:
    """The same of some inputs of one projection; None where these are not the same ones by any reading."""
    if (wrong.of != wrong.of[0]).any():
        return None
    some = which(int(wrong.input.max()) + 1)[wrong.input]
    return off(replace(wrong, weights=np.where(some, wrong.weights, 0), source=np.where(some, wrong.source, 0)))


def _in_the_padding(wrong: Wrong) -> Ints | None:
    """Any code of the source, or 0, at each place in the padding."""
    some = np.flatnonzero(wrong.outside & (wrong.weights != 0))
    return _any(wrong.weights[n] * wrong.all_codes[wrong.of[n]] for n in some)


def _other_neurons(wrong: Wrong) -> Ints | None:
    """Any code of the source, or 0, at each input that has a weight."""
    some = np.flatnonzero(wrong.weights)
    return _any(wrong.weights[n] * (wrong.all_codes[wrong.of[n]] - wrong.source[n]) for n in some)


def _other_codes(outside: bool, wrong: Wrong) -> Ints | None:
    """Any code of its d at each input that has a weight, or at each in the padding."""
    some = np.flatnonzero((wrong.weights != 0) & (wrong.outside if outside else True))
    each = (_any(np.array([0, int(d)]) for d in wrong.d[:, n]) for n in some[:PARTS])
    codes = [one for one in each if one is not None]
    if len(codes) < len(some):
        return None
    return _any(wrong.weights[n] * (code - wrong.source[n]) for n, code in zip(some, codes, strict=True))


def _other_d(of_any: bool, wrong: Wrong) -> Ints | None:
    """Any d of its input, or of any, or 0, with each spike."""
    step, n = np.nonzero(wrong.z * wrong.weights)
    return _any(
        wrong.weights[i] * (np.unique(np.append(wrong.d if of_any else wrong.d[:, i], 0)) - wrong.d[t, i])
        for t, i in zip(step, n, strict=True)
    )


def _other_d_of_steps(wrong: Wrong) -> Ints | None:
    """Any d, or 0, with all spikes of each step."""
    own = wrong.z * wrong.weights
    some = np.flatnonzero(own.any(axis=1))
    if (wrong.d != wrong.d[:, :1]).any():
        return None
    return _any(int(own[t].sum()) * (np.unique(np.append(wrong.d[:, 0], 0)) - wrong.d[t, 0]) for t in some)


def _other_spikes(silent: bool, wrong: Wrong) -> Ints | None:
    """In each step the spikes of any, or in each without one."""
    some = np.flatnonzero(~wrong.z.any(axis=1)) if silent else np.arange(len(wrong.z))
    delivered = [wrong.z @ (wrong.weights * wrong.d[t]) for t in some]
    return _any(np.append(each - each[t], 0) for t, each in zip(some, delivered, strict=True))


def _elsewhere(of: Callable[[Sent], Ints], wrong: Wrong) -> Ints | None:
    """Of each neuron of the source that fires any of some weights, or nothing, for the one that it has here."""
    if wrong.sent is None:
        return None
    return _any(np.unique(np.append(of(one), 0)) * one.code - one.given for one in wrong.sent)


def _others_too(wrong: Wrong) -> Ints | None:
    """Of each neuron of the source that fires and sends nothing here any weight of the output, or nothing."""
    if wrong.sent is None:
        return None
    others = [one for one in wrong.sent if not one.given]
    return _any(np.unique(np.append(one.inputs, 0)) * one.code for one in others)


def _unsigned(wrong: Wrong) -> Ints | None:
    """So much more of each input with a weight below 0 as its sign bit is worth twice."""
    bits = int(max(abs(wrong.all_weights.min()), abs(wrong.all_weights.max()) + 1) * 2 - 1).bit_length()
    some = wrong.source[(wrong.weights < 0) & (wrong.source != 0)]
    return None if len(some) > ADDED else _any(np.array([0, int(code) << bits]) for code in some)


def _added(wrong: Wrong) -> Ints:
    return np.concatenate([wrong.sums, wrong.told_apart])


def _instead_of(wrong: Wrong) -> Ints:
    return np.concatenate([_added(wrong) - wrong.total, wrong.told_apart - wrong.right])


def _left_instead(wrong: Wrong) -> Ints:
    return np.asarray(wrong.left - wrong.right)


def _bias(times: int, wrong: Wrong) -> Ints | None:
    return None if wrong.bias is None else np.array([times * wrong.bias])


def _other_bias(wrong: Wrong) -> Ints | None:
    return None if wrong.bias is None else np.asarray(wrong.biases - wrong.bias)


def _one_with_each(sign: int, wrong: Wrong) -> Ints | None:
    """One with each spike at most; of many that is nearly any small integer."""
    return None if wrong.spikes > ADDED else sign * np.arange(1, wrong.spikes + 1)


def _additions(wrong: Wrong) -> Ints:
    return wrong.additions


def _products(wrong: Wrong) -> Ints:
    return wrong.products


INPUTS: tuple[tuple[str, str, Callable[[int], Mask]], ...] = (
    ("the last input", "s", lambda n: np.arange(n) == n - 1),
    ("the first input", "s", lambda n: np.arange(n) == 0),
    *(
        (f"the inputs behind the last group of {by}", "", lambda n, by=by: np.arange(n) >= n // by * by)
        for by in (4, 8, 16)
    ),
)


def _of_some_inputs() -> Iterator[Kind]:
    """Kinds of mistakes of some inputs alone, by their place."""
    for name, s, which in INPUTS:
        has, is_ = ("has another weight", "is another neuron") if s else ("have other weights", "are other neurons")
        yield Kind(f"{name} {has}", 0.5, partial(_of_inputs, which, _any_weights))
        yield Kind(f"{name} {is_} of the source", 1, partial(_of_inputs, which, _other_neurons))
        for what, times in (("is lost", -1), ("counts twice", 1)):
            yield Kind(
                f"all that {name} send{s} {what}", 0.5, partial(_of_inputs, which, partial(_some, _products, times))
            )


KINDS = (
    *_of_some_inputs(),
    Kind("some additions are lost", 0, partial(_some, _additions, -1), True),
    Kind("some additions are made twice", 0, partial(_some, _additions, 1), True),
    Kind("some additions have the other sign", 1, partial(_some, _additions, -2), True),
    Kind(
        "some additions come out one too low, as if bits were cut off or a borrow lost", 0, partial(_one_with_each, -1)
    ),
    Kind("some additions come out one too high, as if a carry were added", 0, partial(_one_with_each, 1)),
    Kind("all that some inputs send is lost", 1, partial(_some, _products, -1), True),
    Kind("all that some inputs send counts twice", 1, partial(_some, _products, 1), True),
    Kind("some weights below 0 lose their sign bit", 0, _unsigned),
    Kind("what some inputs send comes to other places", 1.5, partial(_elsewhere, lambda one: one.kernel)),
    Kind("what some inputs send comes to other places or outputs", 1.5, partial(_elsewhere, lambda one: one.outputs)),
    Kind("what inputs of other groups, or outside of its window, send comes to a sum, too", 0.5, _others_too),
    Kind("what some inputs send comes by the weights of others", 1.5, partial(_elsewhere, lambda one: one.inputs)),
    Kind("some inputs have other weights", 1, _other_weights),
    Kind("some spikes have other weights", 1.5, _other_weights_of_spikes),
    Kind("some places in the padding are read as neurons of the source", 1, _in_the_padding),
    Kind("some inputs are other neurons of the source", 1.5, _other_neurons),
    Kind("some places in the padding are read as if spikes stood there", 2, partial(_other_codes, True)),
    Kind("some inputs get other spikes than their own", 2.5, partial(_other_codes, False)),
    Kind("some spikes are worth d of another step, or 0", 1, partial(_other_d, False)),
    Kind("some spikes are worth d of another spike, or 0", 1.5, partial(_other_d, True)),
    Kind("all spikes of some steps are worth d of another step, or 0", 1, _other_d_of_steps),
    Kind("some steps deliver the spikes of another", 1, partial(_other_spikes, False)),
    Kind("some steps without a spike deliver the spikes of another", 0.5, partial(_other_spikes, True)),
    Kind("what another neuron got is added", 0, _added, True),
    Kind("what another neuron got stands there", 0, _instead_of, True),
    Kind("what another neuron was left with is added", 0.5, lambda wrong: wrong.left, True),
    Kind("what another neuron was left with stands there", 0.5, _left_instead, True),
    Kind("some biases are lost", 0, partial(_bias, -1), True),
    Kind("some biases are added twice", 0, partial(_bias, 1), True),
    Kind("some biases are those of other neurons", 1, _other_bias),
)
