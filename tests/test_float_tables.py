"""Float tables (FLOAT-1, FLOAT-2): fired as their own loops do, the published figures of the authors' tables, and the
integers that send the same trains.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fsref
from fsref.activations.float_table import FloatTable
from fsref.activations.published import names, published
from fsref.activations.rounding import Rounded, rounded
from fsref.errors import UsageError
from fsref.formats.tables import load_table, save_table
from refusals import refused

PUBLISHED: dict[str, Any] = json.loads(
    (Path(fsref.__file__).parent / "activations" / "published.json").read_text(encoding="utf-8")
)["tables"]


def loop(own: dict[str, Any], x: NDArray[Any], shifted: bool = False) -> tuple[NDArray[Any], NDArray[Any]]:
    """Trains and outputs of the loop as the authors wrote it down, in float32, without anything of fsref."""
    T, h, d = (np.array(own[name], np.float32) for name in "Thd")
    v, z, out, train = x.astype(np.float32), np.zeros(x.shape, np.float32), np.float32(0), np.zeros(x.shape, int)
    for t in range(len(T)):
        if shifted:
            v = v - z * h[t]
        z = (v - T[t] > 0).astype(np.float32)
        out, train = out + z * d[t], 2 * train + z.astype(int)
        if not shifted:
            v = v - z * h[t]
    return train, np.asarray(out)


def ours(found: Rounded, numbers: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Trains and codes of integers for inputs numbered in multiples of 2^-input_bits, each neuron by itself."""
    rows = found.table.T, found.table.h, found.table.d
    fired = [fsref.law.neuron.fire(int(n) << (found.bits - found.input_bits), *rows) for n in numbers]
    return np.array([f.train for f in fired]), np.array([f.code for f in fired])


def grid(name: str, bits: int = 10) -> tuple[NDArray[Any], NDArray[Any]]:
    """The inputs of a published table that are multiples of 2^-bits, numbered and real."""
    low, high = PUBLISHED[name]["range"]
    numbers = np.arange(int(low) << bits, (int(high) << bits) + 1)
    return numbers, numbers / 2**bits


@pytest.mark.parametrize("name", sorted(PUBLISHED))
@pytest.mark.parametrize("shifted", [False, True])
def test_a_float_table_is_its_loop(name: str, shifted: bool) -> None:
    """Trains and outputs are those of the loop to the last bit; unshifted, a shifted table sends the same."""
    own, (_, x) = PUBLISHED[name], grid(name)
    table = FloatTable(own["T"], own["h"], own["d"], shifted=shifted)
    train, out = table.fire(x)
    expected = loop(own, x, shifted)
    assert out.dtype == np.float32 and np.array_equal(train, expected[0]) and np.array_equal(out, expected[1])
    again = table.unshifted.fire(x)
    assert not table.unshifted.shifted and np.array_equal(again[0], train) and np.array_equal(again[1], out)


@pytest.mark.parametrize(
    ("name", "mse", "largest", "outputs"),
    [("swish_published", 3.45e-3, 0.295, 86), ("sigmoid_published", 1.44e-4, 0.0577, 34)],
)
def test_the_published_figures_are_reproduced(name: str, mse: float, largest: float, outputs: int) -> None:
    """Mean squared error, largest error and outputs of the published tables, and what the sigmoid is at 15."""
    _, x = grid(name, 13)
    _, out = loop(PUBLISHED[name], x)
    real = 1 / (1 + np.exp(-x)) * (x if name == "swish_published" else 1)
    wrong = np.abs(out - real)
    assert float(f"{np.mean(wrong**2):.2e}") == mse
    assert round(float(wrong.max()), 3 if largest > 0.1 else 4) == largest
    assert len(np.unique(out)) == outputs
    assert published("sigmoid_published").table.fire(15.0)[1] == pytest.approx(1.382, abs=5e-4)


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_integers_send_the_trains_of_the_floats(name: str) -> None:
    """What is told of a table's integers is so: each input fired by itself, against the loop."""
    own, (numbers, x) = PUBLISHED[name], grid(name, 6)
    found = rounded(published(name).table, *own["range"], input_bits=6, code_bits=10)
    assert found.inputs == len(x)
    train, out = loop(own, x)
    mine, code = ours(found, numbers)
    assert found.differing == (mine != train).sum()
    assert found.loss == np.abs(out - code / 2**10).max()
    wrong = np.flatnonzero(mine != train)
    assert found.first == (x[wrong[0]] if len(wrong) else None)


@pytest.mark.parametrize("strict", [False, True])
def test_no_fewer_bits_would_do(strict: bool) -> None:
    """The bits are the first at which rounding sends every train: at each smaller number some input differs."""
    rng = np.random.default_rng(8)
    for _ in range(10):
        T, h, d = rng.uniform(-2, 3, (3, 5))
        table = FloatTable(T, h, d, strict, dtype="float64")
        found = rounded(table, -3, 4, input_bits=4)
        numbers = np.arange(-3 << 4, (4 << 4) + 1)
        train = table.fire(numbers / 2**4)[0]
        assert found.differing == 0 and np.array_equal(ours(found, numbers)[0], train)
        for bits in range(4, found.bits):
            fires = [int(np.floor(value * 2**bits)) + 1 if strict else int(np.ceil(value * 2**bits)) for value in T]
            resets = [int(np.rint(value * 2**bits)) for value in h]
            fired = [fsref.law.neuron.fire(int(n) << (bits - 4), fires, resets, [0] * 5).train for n in numbers]
            assert (np.array(fired) != train).any()


def test_integers_become_a_named_table(tmp_path: Path) -> None:
    """Saved and read again it is the same table, its errors those of each membrane of the interval."""
    row = [2.0, 1.0, 0.5]
    found = rounded(FloatTable(row, row, row, strict=False), -1, 5, input_bits=2, code_bits=1).named("mine", "relu")
    save_table(found, tmp_path / "mine.json")
    again = load_table(tmp_path / "mine.json")
    assert again.to_dict() == found.to_dict()
    assert (found.unit, found.scale, found.low, found.high) == (0.25, 0.5, -4, 20)
    v = np.arange(-4, 21)
    codes = np.array([fsref.law.neuron.fire(int(n), found.table.T, found.table.h, found.table.d).code for n in v])
    wrong = np.abs(codes / 2 - np.maximum(v / 4, 0))
    assert found.mse == pytest.approx(np.mean(wrong**2)) and found.max_error == wrong.max() and found.outputs == 8


def test_equality_is_what_strict_says() -> None:
    """On inputs that meet thresholds exactly, a strict table and one that fires at equality differ, and their integers
    with them, by one unit of T.
    """
    row = [4.0, 2.0, 1.0]
    strict, equal = (rounded(FloatTable(row, row, row, s), 0, 8, input_bits=0, code_bits=0) for s in (True, False))
    assert (strict.bits, strict.table.T.tolist()) == (0, [5, 3, 2])
    assert (equal.bits, equal.table.T.tolist()) == (0, [4, 2, 1])
    numbers = np.arange(9)
    assert ours(equal, numbers)[1].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 7]
    assert ours(strict, numbers)[1].tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 7]


def test_what_floats_round_off_is_told() -> None:
    """Where the loop's own rounding decides, no integers send its trains: the fewest differences are told, and the
    first; more bits that would change nothing are not taken.
    """
    # 8 + 2^-22 is 8 in float32, which is not above 8; the third step has bits that no train needs.
    lossy = FloatTable([0.0, 8.0, -(2.0**-30)], [-8.0, 0.0, 0.0], [1.0, 1.0, 1.0])
    found = rounded(lossy, 2.0**-22, 2.0**-20, input_bits=22)
    numbers = np.arange(1, 5)
    wrong = ours(found, numbers)[0] != lossy.fire(numbers / 2**22)[0]
    assert found.bits == 22 and found.differing == wrong.sum() > 0
    assert found.first == numbers[wrong][0] / 2**22 and "differ on" in str(found)


def test_published_tables_have_names() -> None:
    """The names are those of the file; another one is refused, the nearest told."""
    assert names() == sorted(PUBLISHED)
    with refused(UsageError, "FLOAT-1", "published", "swish_publishd", says="did you mean swish_published?"):
        published("swish_publishd")


@pytest.mark.parametrize(
    ("T", "h", "d", "says"),
    [
        ([], [], [], "not one number per step"),
        ([1.0] * 17, [1.0] * 17, [1.0] * 17, "not one number per step: (17,)"),
        ([[1.0]], [1.0], [1.0], "not one number per step: (1, 1)"),
        ([1.0, 2.0], [1.0], [1.0], "T, h and d differ in steps"),
        ([np.nan], [1.0], [1.0], "float table T of step 0: no finite float32: nan"),
        ([1.0], [1e39], [1.0], "float table h of step 0: no finite float32: inf"),
        ([1.0], [1j], [1.0], "float table h: not an array of real numbers: complex128"),
        (["a"], [1.0], [1.0], "float table T: not an array of real numbers"),
        ([[1.0], [1.0, 2.0]], [1.0], [1.0], "rows of different lengths"),
    ],
)
def test_float_tables_that_are_refused(T: Any, h: Any, d: Any, says: str) -> None:
    """What is no float table is told in one line."""
    with refused(UsageError, "FLOAT-1", says=says):
        FloatTable(T, h, d)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((1.0, 0.0), "not two ends, the lower first: 1.0 .. 0.0"),
        ((0.0, float("nan")), "not two ends"),
        ((0.1, 0.2, 0), "holds no multiple of 2^-0"),
        ((0.0, 2.0**20, 4), "too many inputs"),
        ((2.0**20, 2.0**20 + 1, 10), "float32 does not hold every multiple of 2^-10"),
        ((0.0, 1.0, 60), "input_bits: out of range: 60"),
    ],
)
def test_ranges_that_are_refused(given: tuple[Any, ...], says: str) -> None:
    """What is no range of inputs is told in one line."""
    with refused(UsageError, "FLOAT-2", says=says):
        rounded(FloatTable([1.0], [1.0], [1.0]), *given)


def test_a_type_of_its_own_is_refused() -> None:
    """Loops in other types than float32 and float64 are not known."""
    with refused(UsageError, "FLOAT-1", "float table", "float16", says="float32 or float64"):
        FloatTable([1.0], [1.0], [1.0], dtype="float16")
