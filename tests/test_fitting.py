"""Fitted tables beside plain loops over every integer: cost, errors, what lies outside, what is refused."""

from __future__ import annotations

import json
import math
import sys
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsref.activations import kernels
from fsref.activations.fitting import Search, fitted
from fsref.activations.front import front
from fsref.activations.functions import functions
from fsref.activations.grid import Grid, Normal
from fsref.activations.measuring import best_mse
from fsref.errors import FileError, UsageError
from fsref.formats.tables import Approximation

LIMITS = {"silu": (-0.2785, math.inf), "sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "elu": (-1.0, math.inf)}


def loop(T: list[int], h: list[int], d: list[int], v: int) -> tuple[int, int]:
    """The code and the spikes of membrane v, step by step."""
    code = spikes = 0
    for threshold, reset, worth in zip(T, h, d, strict=True):
        if v >= threshold:
            v, code, spikes = v - reset, code + worth, spikes + 1
    return code, spikes


def silu(x: float) -> float:
    """The function that most tests fit."""
    return x / (1 + math.exp(-x))


def rows(found: Approximation) -> tuple[list[int], list[int], list[int]]:
    """T, h and d as lists."""
    return found.table.T.tolist(), found.table.h.tolist(), found.table.d.tolist()


def test_errors_are_those_of_a_plain_loop() -> None:
    """Mean square and largest error, spikes and outputs of a fit are what a loop over every integer finds."""
    found = fitted("silu", 5, -3, 4, unit=1 / 64, budget=2000)
    seen = [loop(*rows(found), v) for v in range(-192, 257)]
    errors = [code * found.scale - silu(v / 64) for v, (code, _) in zip(range(-192, 257), seen, strict=True)]
    assert (found.low, found.high, found.unit) == (-192, 256, 1 / 64)
    assert math.isclose(found.mse, math.fsum(e * e for e in errors) / len(errors), rel_tol=1e-12)
    assert math.isclose(found.max_error, max(map(abs, errors)), rel_tol=1e-12)
    assert math.isclose(found.spikes, sum(spikes for _, spikes in seen) / len(seen), rel_tol=1e-12)
    assert found.outputs == len({code for code, _ in seen})
    assert found.mse < 0.01  # sixteen even steps of 7 / 16 would have 0.016


def test_the_cost_is_the_naive_one() -> None:
    """What annealing takes for the cost of thresholds and resets is, for the d it gives, what a loop over every integer
    makes of FIT-3; and no d has a smaller mean square error, but for whole codes.
    """
    rng = np.random.default_rng(7)
    grid = Grid.of(functions["silu"], -2, 3, 1 / 16, Normal(0.5, 1.0), 0.25)
    search = Search.of(grid, 24, 0.5, 1.25)
    seen = set()
    for _ in range(60):
        T, h = rng.integers(-40, 50, 4), rng.integers(-20, 40, 4)
        d, told = np.zeros(16), np.zeros(kernels.TOLD)
        found = kernels.cost(T, h, d, np.inf, search.ends, search.rules, *search.fixed, *kernels.rooms(), told)
        whole = np.rint(d[:4] / search.scale).astype(int)
        assert np.allclose(whole * search.scale, d[:4], rtol=1e-12, atol=1e-12)
        trains = np.array(
            [
                [loop(T.tolist(), h.tolist(), [t == k for t in range(4)], v)[0] for k in range(4)]
                for v in range(-113, 130)
            ]
        )
        outputs = trains @ d[:4]
        inside = slice(81, 162)
        errors = outputs[inside] - grid.values
        mean = float((grid.weights * errors**2).sum())
        left, right, top = silu(-2), silu(3), -0.27846454276107
        ends = [abs(max(left - c, c - 0, 0)) for c in outputs[:81]] + [max(right - c, 0) for c in outputs[162:]]
        spikes = float((grid.occurring * trains[inside].sum(axis=1)).sum())
        assert np.allclose(told[:4], (mean, np.abs(errors).max(), max(ends), spikes), rtol=1e-9, atol=1e-12)
        out = max(0.0, max(top - c for c in (*outputs[:81], *outputs[162:])))
        rms = math.sqrt(np.mean(errors**2))
        wanted = mean + 0.5 * told[1] ** 2 + max(0.0, told[2] - 3 * rms) ** 2
        over = max(0.0, 6 * (spikes - 1.25))
        wanted *= 1 + over + over**2 / 2 + over**3 / 6
        seen |= {("over", over > 0), ("out", out > 1e-9)}
        assert math.isclose(found, (wanted + out**2) * 1000 if out > 1e-9 else wanted, rel_tol=1e-9)
        for limit in (found * (1 + 1e-12), found * (1 - 1e-12), mean / 2):  # known to be more than is wanted, or found
            again = kernels.cost(T, h, d, limit, search.ends, search.rules, *search.fixed, *kernels.rooms(), told)
            assert again in (found, np.inf) and (again == found or found > limit) and (again > limit) == (found > limit)
        roots = np.sqrt(grid.weights)
        least = np.linalg.lstsq(roots[:, None] * trains[inside], roots * grid.values, rcond=None)[0]
        assert mean <= float((grid.weights * (trains[inside] @ least - grid.values) ** 2).sum()) + 1e-9
    assert len(seen) == 4


def test_weights_are_those_of_the_distribution() -> None:
    """A fit to a normal distribution counts each membrane by it, errors with a share spread evenly; membranes that a
    layer had do as the distribution they are of.
    """
    found = fitted("tanh", 4, -2, 2, unit=1 / 32, budget=1000, distribution=Normal(0.5, 0.25), even=0.1)
    density = [math.exp(-(((v / 32 - 0.5) / 0.25) ** 2) / 2) for v in range(-64, 65)]
    shares = [p / sum(density) for p in density]
    seen = [loop(*rows(found), v) for v in range(-64, 65)]
    spikes = sum(p * z for p, (_, z) in zip(shares, seen, strict=True))
    errors = [(code * found.scale - math.tanh(v / 32)) ** 2 for v, (code, _) in zip(range(-64, 65), seen, strict=True)]
    mse = sum((0.9 * p + 0.1 / 129) * e for p, e in zip(shares, errors, strict=True))
    assert math.isclose(found.spikes, spikes, rel_tol=1e-9) and math.isclose(found.mse, mse, rel_tol=1e-9)
    given = np.repeat(np.arange(-64, 65) / 32, [v % 3 for v in range(129)])
    by_layer = fitted("tanh", 4, -2, 2, unit=1 / 32, budget=1000, distribution=given)
    seen = [loop(*rows(by_layer), v) for v in range(-64, 65)]
    assert math.isclose(by_layer.spikes, sum((v % 3) * z for v, (_, z) in enumerate(seen)) / 129, rel_tol=1e-9)


def wavy(x: Any) -> Any:
    """x and a ripple: a function that is not known beyond the interval."""
    return x + np.sin(x) ** 2


def test_one_membrane_licenses_nothing_outside() -> None:
    """Beyond the interval the output stays near to what the function holds there, even where sending nothing would save
    spikes: one membrane at the end that errs is no licence.
    """
    x = np.arange(-256, 257) / 64
    for function, values in ((wavy, wavy(x)), ("tanh", np.tanh(x))):
        found = fitted(function, 6, -4, 4, unit=1 / 64, budget=60_000, spikes=2.0)
        outputs = [loop(*rows(found), v)[0] * found.scale for v in range(-768, 257)]
        rms = math.sqrt(np.mean((np.array(outputs[512:]) - values) ** 2))
        assert max(abs(output - values[0]) for output in outputs[:512]) < 4 * rms and rms < 0.5


@pytest.mark.parametrize("name", LIMITS)
def test_nothing_leaves_the_range_of_the_function(name: str) -> None:
    """Left and right of the interval, as far as it is wide, the output is within what the function holds anywhere, and
    no membrane of the interval is ever wider than one bit more than its ends take.
    """
    found = fitted(name, 6, -4, 4, unit=1 / 64, budget=4000)
    low, high = LIMITS[name]
    for v in (*range(-768, -256), *range(257, 770)):
        assert low - 1e-9 <= loop(*rows(found), v)[0] * found.scale <= high + 1e-9
    for v in range(-256, 257):
        for threshold, reset, _ in zip(*rows(found), strict=True):
            v -= reset * (v >= threshold)
            assert -1024 <= v < 1024


def test_the_same_arguments_give_the_same_table() -> None:
    """A fit follows from its arguments and its seed."""
    one, two, other = (fitted("gelu", 4, -2, 2, unit=1 / 32, budget=800, seed=seed) for seed in (3, 3, 4))
    assert one.to_dict() == two.to_dict() and rows(one) != rows(other)


def test_spikes_stay_below_the_cap() -> None:
    """With a cap on spikes a fit sends fewer, its errors then larger."""
    free = fitted("silu", 6, -4, 4, unit=1 / 32, budget=6000)
    capped = fitted("silu", 6, -4, 4, unit=1 / 32, budget=6000, spikes=0.75)
    assert capped.spikes < 0.8 < free.spikes and capped.mse > free.mse


def test_the_largest_error_is_worth_what_is_said() -> None:
    """With a weight on the largest error it is smaller, and the mean square larger."""
    free = fitted("silu", 5, -4, 4, unit=1 / 32, budget=20000)
    even = fitted("silu", 5, -4, 4, unit=1 / 32, budget=20000, max_error=0.1)
    assert even.max_error < free.max_error and even.mse > free.mse


def test_codes_have_as_many_bits_as_are_said() -> None:
    """Of few bits a code's unit is the function's largest value over the largest code, and every code keeps to it."""
    found = fitted("sigmoid", 5, -4, 4, unit=1 / 32, budget=2000, codes=4)
    assert math.isclose(found.scale, 1 / (1 + math.exp(-4)) / 15, rel_tol=1e-12)
    assert {loop(*rows(found), v)[0] for v in range(-128, 129)} <= set(range(-1, 17))


def test_no_staircase_is_better_than_the_best() -> None:
    """The least error of any staircase with so many outputs is that of a search through all of them."""
    grid = Grid.of(functions["silu"], -2, 2, 0.5, Normal(0.0, 1.0), 0.5)
    pairs = sorted(zip(grid.values.tolist(), grid.weights.tolist(), strict=True))

    def spread(run: list[tuple[float, float]]) -> float:
        mean = sum(f * w for f, w in run) / sum(w for _, w in run)
        return sum(w * (f - mean) ** 2 for f, w in run)

    for outputs in range(1, len(pairs) + 1):
        cuts = combinations(range(1, len(pairs)), outputs - 1)
        least = min(sum(spread(pairs[a:b]) for a, b in pairwise((0, *cut, len(pairs)))) for cut in cuts)
        assert math.isclose(best_mse(grid, outputs), least, rel_tol=1e-9, abs_tol=1e-15)


def test_a_front_has_no_worse_table() -> None:
    """A front is in order of spikes, each table better than those with fewer, the last the one without a cap."""
    found = front("silu", 5, -4, 4, unit=1 / 32, budget=1600, points=4)
    spikes, errors = [table.spikes for table in found], [table.mse for table in found]
    assert spikes == sorted(spikes) and errors == sorted(errors, reverse=True) and len(found) > 1
    with pytest.raises(UsageError, match="spikes: is not said of a front"):
        front("silu", 5, -4, 4, unit=1 / 32, spikes=1.0)


def test_a_fit_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    """A fit that stopped goes on behind its last whole run and gives the same table; the file of another fit, or of
    none, is refused.
    """
    asked: dict[str, Any] = {"unit": 1 / 32, "budget": 1600}
    whole, moves = fitted("silu", 4, -2, 2, **asked), []

    def stopping(done: int) -> None:
        moves.append(done)
        if len(moves) == 5:
            raise KeyboardInterrupt

    kept = tmp_path / "fit.json"
    with pytest.raises(KeyboardInterrupt):
        fitted("silu", 4, -2, 2, **asked, resume=kept, progress=stopping)
    runs = json.loads(kept.read_bytes())["runs"]
    assert len(runs) == 5
    assert fitted("silu", 4, -2, 2, **asked, resume=kept).to_dict() == whole.to_dict()
    assert json.loads(kept.read_bytes())["runs"][:5] == runs
    for changed, told in (
        ({"budget": 1500}, "budget 1600, not 1500"),
        ({"seed": 1}, "seed 0, not 1"),
        ({"spikes": 2.0}, "spikes None, not 2.0"),
        ({"steps": 3}, "steps 4, not 3"),
        ({"high": 1}, "high 64, not 32"),
        ({"function": "gelu"}, "function silu, not gelu"),
        ({"distribution": Normal(0.0, 1.0)}, "membranes all alike, not normal 0.0 1.0"),
    ):
        with pytest.raises(FileError, match=f"holds another fit: {told}"):
            fitted(**{"function": "silu", "steps": 4, "low": -2, "high": 2, **asked, **changed}, resume=kept)
    plain = json.loads(kept.read_bytes())
    for numbers in ("0" * 16, None):  # of a function that gives other values now
        kept.write_text(json.dumps({**plain, "asked": {**plain["asked"], "numbers": numbers}}))
        with pytest.raises(FileError, match=f"holds another fit: numbers {numbers}, not "):
            fitted("silu", 4, -2, 2, **asked, resume=kept)
    endless = plain
    endless["runs"][0]["cost"] = 10**400
    for text in ("", "[]", '{"schema": "fsref.fit/2"}', "\xff", json.dumps(endless)):
        kept.write_text(text, encoding="latin-1")
        with pytest.raises(FileError, match=r"holds no runs of a fit.*\[FIT-9\]"):
            fitted("silu", 4, -2, 2, **asked, resume=kept)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"low": 2, "high": -2}, "range: its ends are equal or upside down: 2 -2"),
        ({"low": 2, "high": 2}, "range: its ends are equal or upside down"),
        ({"low": math.nan}, "low: is no finite number: nan"),
        ({"high": math.inf}, "high: is no finite number: inf"),
        ({"high": 1e9}, "range: membranes in it out of range"),
        ({"unit": 0}, "unit: out of range: 0 (above 0)"),
        ({"unit": 100.0}, "range: membranes in it out of range: 1 "),
        (
            {"low": 0, "high": 1e10, "unit": 5e-324},
            "range: too far out: 0 10000000000.0 (at most 2^57 membranes from 0",
        ),
        ({"low": 2.0**57, "high": 2.0**57 + 64, "unit": 1}, "range: too far out"),
        ({"distribution": [[1], [1, 2]]}, "distribution: not membranes"),
        ({"steps": 0}, "steps: out of range: 0 (1..16)"),
        ({"steps": 17}, "steps: out of range: 17 (1..16)"),
        ({"steps": 2.5}, "steps: out of range: 2.5"),
        ({"codes": 1}, "codes: out of range: 1 (2..31)"),
        ({"spikes": 0}, "spikes: out of range: 0"),
        ({"max_error": -1}, "max_error: out of range: -1 (0 or more)"),
        ({"seed": -1}, "seed: out of range"),
        ({"budget": 0}, "budget: out of range"),
        ({"even": 1.5}, "even: out of range: 1.5 (0..1)"),
        ({"distribution": Normal(0.0, 0.0)}, "distribution: out of range"),
        ({"distribution": Normal(900.0, 0.1)}, "distribution: no membrane lies in the range"),
        ({"distribution": np.array([50.0])}, "distribution: no membrane lies in the range (-2..2)"),
        ({"distribution": np.array([math.nan])}, "distribution: not membranes"),
        ({"distribution": ["a"]}, "distribution: not membranes"),
        ({"function": "reciprocal"}, "range: reciprocal is not defined there: -2 2"),
        ({"function": np.sqrt}, "sqrt: gives infinity or NaN at: -2.0 (finite, at most 1e+100 in magnitude) [FIT-2]"),
        ({"function": lambda x: x * 1e300}, "gives too large a number at: -2.0 (finite, at most 1e+100 in magnitude)"),
        ({"function": lambda x: x / 0}, "gives infinity or NaN at: -2.0"),
        ({"function": lambda x: x[1:]}, "gives another shape: (64,)"),
        ({"function": lambda x: sys.exit("bye")}, "raises: SystemExit: bye"),
        ({"function": lambda x: x * 1j}, "gives no real numbers: complex128"),
        ({"name": "x" * 121}, "name: is no name: "),
        ({"name": "a\x1b[3m"}, "name: is no name: "),
        ({"stpes": 3}, "fitted: unknown argument: stpes (did you mean steps?)"),
    ],
)
def test_what_cannot_be_fitted(asked: dict[str, Any], told: str) -> None:
    """Wrong arguments are refused in one line that names argument, value and limit."""
    given: dict[str, Any] = {"function": "silu", "steps": 3, "low": -2, "high": 2, "unit": 1 / 16, **asked}
    with pytest.raises(UsageError) as caught:
        fitted(**{"budget": 10, **given})
    assert told in str(caught.value)
