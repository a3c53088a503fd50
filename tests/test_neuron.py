"""The neuron: tables, firing, FS-ReLU and staircase, against loops over plain integers."""

from __future__ import annotations

import numpy as np
import pytest

import naive
from fsref.errors import NetworkError
from fsref.law.neuron import Table, base_two, fire, fs_relu, integers, relu_theta, staircase
from refusals import refused


def test_tables_out_of_range_are_refused() -> None:
    """K is 1..16, |T| and |h| at most 2^58, |d| at most 2^31 - 1, shapes (K,) or (C, K) that meet (FS-1)."""
    big, wide = 2**58, 2**31 - 1
    edge = Table([big, -big], [big, -big], [wide, -wide])
    assert (edge.T.tolist(), edge.h.tolist(), edge.d.tolist()) == ([big, -big], [big, -big], [wide, -wide])
    for name, limit in (("T", big), ("h", big), ("d", wide)):
        for value in (limit + 1, -limit - 1):
            rows = {"T": [1, 1], "h": [1, 1], "d": [1, 1]} | {name: [0, value]}
            with refused(NetworkError, "FS-1", f"table {name}", value):
                Table(**rows)
    assert Table(range(16), range(16), range(16)).steps == 16
    for steps in (0, 17):
        with refused(NetworkError, "FS-1", "table T", (0,) if steps == 0 else 17):
            Table(np.ones(steps, int), np.ones(steps, int), np.ones(steps, int))
        with refused(NetworkError, "FS-1", "fs_relu steps", steps):
            fs_relu(steps)
    for several in ([2, 3], []):
        with refused(NetworkError, "FS-1", "fs_relu steps", (len(several),)):
            fs_relu(several)  # type: ignore[arg-type]
    for bad in ([1.0, 2.0], [True, False], ["1", "2"], [2**64, 0], [None, 1]):
        with refused(NetworkError, "FS-1", "table T"):
            Table(bad, [1, 1], [1, 1])
    for bad, shape in ((5, ()), (np.ones((1, 1, 1), int), (1, 1, 1)), (np.ones((0, 3), int), (0, 3))):
        with refused(NetworkError, "FS-1", "table T", shape):
            Table(bad, [1, 1], [1, 1])
    for T, h, d in (
        ([1, 2], [1, 2], [1]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4], [5, 6]], [1, 1]),
        ([[1, 2]], [[1, 2], [1, 2]], [1, 1]),
    ):
        with refused(NetworkError, "FS-1", "table"):
            Table(T, h, d)


def test_tables_take_their_smallest_form_and_cannot_be_changed() -> None:
    """Equal rows become one row (ID-2); arrays are read-only copies."""
    given = np.array([[4, 2, 1]] * 3)
    table = Table(given, [[4, 2, 1], [4, 2, 1], [4, 2, 2]], [4, 2, 1])
    given[:] = 0
    assert table.T.tolist() == [4, 2, 1] and table.h.shape == (3, 3) and table.channels == 3
    assert [rows.tolist() for rows in table.rows(3)] == [
        [[4, 2, 1]] * 3,
        [[4, 2, 1], [4, 2, 1], [4, 2, 2]],
        [[4, 2, 1]] * 3,
    ]
    for rows in (table.T, table.h, table.d, integers([1], "X", "y")):
        with pytest.raises(ValueError, match="read-only"):
            rows[...] = 9


def test_fs_relu_is_clamped_floor_division() -> None:
    """The code of an FS-ReLU is clamp(floor(v / theta), 0, 2^K - 1), its train the code in binary (FS-5)."""
    for steps in (1, 2, 4, 7):
        for theta in (1, 2, 3, 10):
            table = fs_relu(steps, theta)
            assert table.T.tolist() == table.h.tolist() == [theta * 2 ** (steps - 1 - t) for t in range(steps)]
            assert table.d.tolist() == [2 ** (steps - 1 - t) for t in range(steps)]
            for v in range(-3 * theta, theta * 2**steps + 3 * theta):
                code = min(max(v // theta, 0), 2**steps - 1)
                fired = fire(v, table.T, table.h, table.d)
                assert (fired.code, fired.train) == (code, code)
    huge = fs_relu(16, 2**43)
    for v in (2**58 - 1, 2**58, 2**59 - 1, 2**59, 2**62 - 1, -(2**62), 12345 * 2**43 - 1):
        assert fire(v, huge.T, huge.h, huge.d).code == min(max(v // 2**43, 0), 65535)
    assert fs_relu(3, [1, 5]).T.tolist() == [[4, 2, 1], [20, 10, 5]]
    for theta in (0, -1, [1, 0]):
        with refused(NetworkError, "FS-5", "fs_relu theta"):
            fs_relu(16, theta)
    for theta in (2**43 + 1, 2**62 - 1):  # thresholds beyond 2^58
        with refused(NetworkError, "FS-1", "fs_relu theta", theta):
            fs_relu(16, theta)


def test_an_fs_relu_is_known_by_its_table() -> None:
    """relu_theta finds theta of an FS-ReLU and of nothing else (FS-5)."""
    assert int(relu_theta(fs_relu(5, 3))) == 3
    assert relu_theta(fs_relu(2, [4, 9])).tolist() == [4, 9]
    assert int(relu_theta(Table([6], [6], [1]))) == 6
    for T, h, d in (
        ([4, 2, 2], [4, 2, 1], [4, 2, 1]),
        ([4, 2, 1], [4, 2, 2], [4, 2, 1]),
        ([4, 2, 1], [4, 2, 1], [4, 2, 2]),
        ([0, 0], [0, 0], [2, 1]),
        ([-2, -1], [-2, -1], [2, 1]),
    ):
        assert relu_theta(Table(T, h, d)) is None


def test_firing_is_the_loop() -> None:
    """Spikes, membranes, train and code of random tables are those of a loop over plain integers (FS-2 to FS-4,
    EVENT-2).
    """
    rng = np.random.default_rng(1)
    for _ in range(300):
        steps = int(rng.integers(1, 17))
        T, h, d = (rng.integers(-40, 41, steps).tolist() for _ in range(3))
        v = int(rng.integers(-90, 90))
        fired = fire(v, T, h, d)
        assert (fired.train, fired.code, list(fired.membranes)) == naive.fire(v, T, h, d)
        assert fired.train == int("".join(map(str, fired.spikes)), 2)


def test_staircase_is_the_loop() -> None:
    """A staircase splits low..high into at most 2^K intervals, each with the train and code of the loop, no train twice
    (FS-6).
    """
    rng = np.random.default_rng(2)
    for trial in range(120):
        steps = int(rng.integers(1, 6))
        T, h, d = (rng.integers(-25, 26, steps) for _ in range(3))
        low, high = (-120, 120) if trial % 3 else sorted(rng.integers(-30, 30, 2).tolist())
        stairs = staircase(T, h, d, low, high)
        assert stairs.start[0] == low and (np.diff(stairs.start) > 0).all()
        assert len(stairs.start) <= 2**steps and len(set(stairs.train.tolist())) == len(stairs.train)
        after = []
        for v in range(low, high + 1):
            train, code, membranes = naive.fire(v, T.tolist(), h.tolist(), d.tolist())
            at = sum(1 for start in stairs.start.tolist() if start <= v) - 1
            assert (int(stairs.train[at]), int(stairs.code[at])) == (train, code)
            after.append(membranes)
        assert stairs.low.tolist() == [min(column) for column in zip(*after, strict=True)]
        assert stairs.high.tolist() == [max(column) for column in zip(*after, strict=True)]


def test_staircase_reaches_the_ends_of_63_bits() -> None:
    """Thresholds and resets of 2^58 over 16 steps stay exact at both ends of 63 bits (FS-6, RANGE-4)."""
    big = 2**58
    for sign in (1, -1):
        T, h, d = np.full(16, -sign * big), np.full(16, sign * big), np.full(16, 2**31 - 1)
        stairs = staircase(T, h, d, -(2**62), 2**62 - 1)
        for v in (-(2**62), -big - 1, -big, 0, big, 2**62 - 1):
            train, code, _ = naive.fire(v, T.tolist(), h.tolist(), d.tolist())
            at = sum(1 for start in stairs.start.tolist() if start <= v) - 1
            assert (int(stairs.train[at]), int(stairs.code[at])) == (train, code)


def test_base_two() -> None:
    """d of an input of K steps (NET-7)."""
    assert base_two(4).tolist() == [8, 4, 2, 1]
    assert base_two(16)[0] == 32768
