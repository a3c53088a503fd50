"""Activations and their codings: the code of a value is the code that the FS neuron of its table fires."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import naive
from fsref.activations.coding import Coding
from fsref.conversion import levels
from fsref.conversion.activation import LINEAR, Activation
from fsref.law.neuron import relu_theta

INF = np.inf
RELU, CLIP, RAISED = Activation(0.0, INF), Activation(-1.0, 1.5), Activation(0.25, 2.0)


@st.composite
def codings(draw: st.DrawFn) -> Coding:
    """Codings of every rounding and top, whose scale is a power of two: their floats are exact."""
    top = draw(st.one_of(st.integers(1, 40), st.sampled_from([63, 255, 1000, 2**16 - 1])))
    scale, offset = 2.0 ** draw(st.integers(-8, 3)), draw(st.integers(-top, 2 * top))
    return Coding(scale, offset, top, draw(st.booleans()))


def neuron(coding: Coding, theta: int, v: int) -> int:
    """The code a neuron fires at opening membrane v, step by step."""
    T, h, d = (rows[0].tolist() for rows in coding.table(np.array([theta])).rows(1))
    return naive.fire(v, T, h, d)[1]


def exact(coding: Coding, value: Fraction) -> int:
    """The code of a value in exact arithmetic."""
    half = Fraction(1, 2) if coding.nearest else 0
    return min(max(floor(value / Fraction(coding.scale) + coding.offset + half), 0), coding.top)


@given(codings(), st.lists(st.integers(1, 2**12), min_size=1, max_size=3), st.data())
@settings(max_examples=300, database=None, deadline=None, derandomize=True)
def test_what_is_fired_is_what_the_table_fires(coding: Coding, thetas: list[int], data: st.DataObject) -> None:
    """The codes said of membranes are those that a neuron with the table gives, channel by channel, at both ends and
    beside every kind of edge.
    """
    theta = np.array(thetas)
    steps = st.integers(-2, coding.top + 2)
    v = np.array([data.draw(steps) * t + data.draw(st.integers(-1, 1)) for t in thetas])[None, :, None, None]
    fired = levels.fired(coding.table(theta), v)
    assert fired.dtype == np.uint16
    rows = zip(*(a.tolist() for a in coding.table(theta).rows(len(theta))), strict=True)
    assert fired.ravel().tolist() == [naive.fire(m, *row)[1] for m, row in zip(v.ravel().tolist(), rows, strict=True)]


@given(codings(), st.integers(1, 2**12), st.data())
@settings(max_examples=300, database=None, deadline=None, derandomize=True)
def test_a_neuron_fires_the_code_of_its_value(coding: Coding, theta: int, data: st.DataObject) -> None:
    """A membrane of m units, the shift added to it, fires the code of the real value m * scale / theta, rounded down or
    to the nearest, a half up; also where theta is odd.
    """
    m = data.draw(st.integers(-2 * theta, (coding.top + 2) * theta)) - theta * coding.offset
    shift = int(coding.shift(np.array([theta]))[0])
    assert neuron(coding, theta, m + shift) == exact(coding, m * Fraction(coding.scale) / theta)


@given(codings(), st.integers(0, 12), st.data())
@settings(max_examples=300, database=None, deadline=None, derandomize=True)
def test_the_code_of_a_value(coding: Coding, bits: int, data: st.DataObject) -> None:
    """The code of a real value is the one of exact arithmetic, at ties as well, and the one a neuron fires."""
    theta = 2**bits
    m = data.draw(st.integers(-2 * theta, (coding.top + 2) * theta)) - theta * coding.offset
    [code] = coding.code(np.array([m * coding.scale / theta])).tolist()
    assert code == exact(coding, m * Fraction(coding.scale) / theta)
    assert code == neuron(coding, theta, m + int(coding.shift(np.array([theta]))[0]))


@given(codings())
@settings(database=None, deadline=None, derandomize=True)
def test_codes_stand_for_values_and_back(coding: Coding) -> None:
    """The code of the value of a code is the code; values rise by the scale, and the code of 0 is the offset."""
    codes = np.arange(coding.top + 1)
    values = coding.value(codes)
    assert_array_equal(coding.code(values), codes)
    assert_array_equal(np.diff(values), np.full(coding.top, coding.scale))
    assert coding.value(np.array([coding.offset])) == 0
    assert coding.error(values) == 0


def test_the_error_is_what_coding_changes() -> None:
    """Squares of rounding and of clipping at both ends, added up."""
    nearest, floored = Coding(0.5, 1, 3, True), Coding(0.5, 1, 3, False)  # -0.5, 0, 0.5, 1
    values = np.array([-1.0, -0.25, 0.125, 0.875, 2.0])
    assert nearest.value(nearest.code(values)).tolist() == [-0.5, 0.0, 0.0, 1.0, 1.0]
    assert nearest.error(values) == 0.25 + 0.0625 + 2 * 0.015625 + 1.0
    assert floored.value(floored.code(values)).tolist() == [-0.5, -0.5, 0.0, 0.5, 1.0]
    assert floored.error(values) == 0.25 + 0.0625 + 0.015625 + 0.140625 + 1.0


def test_the_ends_may_be_those_of_channels() -> None:
    """Each channel is clipped at codes of its own; K is that of the largest."""
    coding = Coding(0.5, 1, np.array([3, 9])[:, None, None], low=np.array([-1, 2])[:, None, None])
    values = np.full((1, 2, 1, 3), [-9.0, 0.75, 9.0])
    assert coding.code(values).tolist() == [[[[-1, 3, 3]], [[2, 3, 9]]]]
    assert (coding.largest, coding.steps) == (9, 4)


@pytest.mark.parametrize("top", [1, 3, 7, 255, 2**16 - 1])
def test_a_top_of_all_bits_is_an_fs_relu(top: int) -> None:
    """With 2^K - 1 codes above 0 the table is the FS-ReLU of theta, in K steps; with another top it is none."""
    theta = np.array([3, 5])
    coding = Coding(1.0, 0, top, False)
    found = relu_theta(coding.table(theta))
    assert found is not None and found.tolist() == [3, 5]
    assert coding.table(theta).steps == coding.steps == top.bit_length()
    less = Coding(1.0, 0, top - 1, False) if top > 1 else None
    assert less is None or relu_theta(less.table(theta)) is None
    assert less is None or less.table(theta).steps == less.steps


@pytest.mark.parametrize("rounding", ["nearest", "floor"])
@pytest.mark.parametrize("levels", [1, 3, 4, 10, 255])
def test_a_quantising_activation_gives_the_values_of_its_own_coding(levels: int, rounding: str) -> None:
    """What a quantising activation makes of a value is the value of its code, whatever calibration would choose."""
    how = Activation(0.0, levels / 4, levels, rounding)
    assert how.own == Coding(0.25, 0, levels, rounding == "nearest")
    v = np.arange(-16, 8 * levels + 16, dtype=np.float32) / 32
    value = how.value(v)
    assert value.dtype == np.float32
    assert_array_equal(value, how.own.value(how.own.code(v.astype(np.float64))))


@pytest.mark.parametrize(
    "how,low,high,scale,offset",
    [
        (RELU, 0.0, 4.0, 0.25, 0),
        (RELU, 1.0, 4.0, 0.25, 0),  # codes begin at 0, whatever is seen
        (RELU, 0.0, 0.0, 1 / 16, 0),  # never active
        (Activation(0.25, 0.75), 0.0, 0.0, 0.5 / 16, -8),  # nor then above its bound
        (Activation(0.0, 6.0), 0.0, 4.0, 0.25, 0),
        (Activation(0.0, 6.0), 0.0, 9.0, 6 / 16, 0),  # the bound needs no data
        (CLIP, -0.5, 9.0, 2.5 / 16, 6),
        (RAISED, 0.25, 2.0, 1.75 / 16, -2),  # no code stands for 0
        (LINEAR, -1.0, 3.0, 0.25, 4),
        (LINEAR, 1.0, 3.0, 3 / 16, 0),  # 0 has a code though it is not seen
        (LINEAR, -3.0, -1.0, 3 / 16, 15),
        (LINEAR, 0.0, 0.0, 1 / 16, 0),
    ],
)
def test_the_coding_of_what_is_seen(how: Activation, low: float, high: float, scale: float, offset: int) -> None:
    """The scale is the reach of an activation among the values seen, over 2^K; the code of 0 is a code where values may
    be negative without a bound.
    """
    assert how.own is None
    for nearest in (True, False):
        assert how.coding(low, high, 4, nearest) == Coding(scale, offset, 15, nearest)


def test_a_share_of_the_reach() -> None:
    """Of less than the whole reach codes are finer, and the upper end is clipped."""
    assert RELU.coding(0.0, 4.0, 4, True, 0.5) == Coding(0.125, 0, 15, True)
    assert LINEAR.coding(-1.0, 3.0, 4, True, 0.5) == Coding(0.125, 4, 15, True)


def test_an_activation_at_rest() -> None:
    """At rest an activation gives its low end, 0 where it has none."""
    assert [how.rest for how in (RELU, CLIP, RAISED, LINEAR)] == [0.0, -1.0, 0.25, 0.0]


def test_what_an_activation_keeps() -> None:
    """An activation keeps what another has made when no value of it, and no zero padded around it, leaves its ends."""
    six, own = Activation(0.0, 6.0), Activation(0.0, 6.0, 15, "nearest")
    assert RELU.keeps(six) and RELU.keeps(RELU) and RELU.keeps(own) and RELU.keeps(RAISED) and LINEAR.keeps(CLIP)
    assert not six.keeps(RELU) and not RELU.keeps(LINEAR) and not RELU.keeps(CLIP)
    assert not RAISED.keeps(RAISED)  # a zero beside it becomes 0.25
    assert not own.keeps(six) and not own.keeps(own)
