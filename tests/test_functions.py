"""Real functions: their values beside the standard library's, their extremes beside a dense look, what is refused."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fsref import fs_relu
from fsref.activations.elementary import erf, exp, log_of_one_plus
from fsref.activations.functions import Function, function_of, functions
from fsref.errors import FileError, UsageError
from fsref.formats.tables import Approximation, save_table

THEIRS: dict[str, Callable[[float], float]] = {
    "relu": lambda x: max(x, 0.0),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "hard_sigmoid": lambda x: min(max(x / 6 + 0.5, 0.0), 1.0),
    "hard_swish": lambda x: x * min(max(x / 6 + 0.5, 0.0), 1.0),
    "exp": math.exp,
    "reciprocal": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / math.sqrt(x),
}


def places(function: Function) -> list[float]:
    """Places all over where a function is asked for."""
    low, high = max(-20.0, function.domain[0]), min(20.0, function.domain[1])
    return [x for x in np.linspace(low, high, 1601).tolist() if low < x < high]


@pytest.mark.parametrize("name", functions)
def test_values_are_those_of_the_standard_library(name: str) -> None:
    """Each function by name gives what math gives, to a few units of the last place of the larger of it and 1."""
    x = places(functions[name])
    theirs = [THEIRS[name](at) for at in x]
    for ours, other in zip(functions[name].value(np.array(x)).tolist(), theirs, strict=True):
        assert abs(ours - other) <= 4e-15 * max(1.0, abs(other))


@pytest.mark.parametrize("name", functions)
def test_extremes_are_those_that_a_dense_look_finds(name: str) -> None:
    """On any interval the least and the largest value are no less and no more than any seen, and are come near to."""
    function = functions[name]
    x = places(function)
    for low, high in ((x[0], x[-1]), (x[400], x[800]), (x[700], x[790]), (x[-400], x[-1]), (x[5], x[6])):
        seen = function.value(np.linspace(low, high, 4001))
        least, largest = function.extremes(low, high)
        assert least <= seen.min() + 1e-15 and largest >= seen.max() - 1e-15
        assert seen.min() - least < 1e-2 * (1 + abs(least)) and largest - seen.max() < 1e-2 * (1 + abs(largest))
    least, largest = function.range
    values = function.value(np.array(x))
    assert least <= values.min() and values.max() <= largest


def test_elementary_functions_are_those_of_math() -> None:
    """exp, log and erf of plain arithmetic are those of math to the last places, at their ends, too."""
    for x in (*np.linspace(-745, 709, 2909).tolist(), *np.linspace(-1, 1, 301).tolist()):
        assert math.isclose(float(exp(np.array(x))), math.exp(x), rel_tol=1e-15, abs_tol=1e-320)
    for x in np.linspace(-7, 7, 1401).tolist():
        assert abs(float(erf(np.array(x))) - math.erf(x)) < 2e-15
    for q in (0.0, 1e-300, *np.linspace(1e-9, 1, 500).tolist()):
        assert math.isclose(float(log_of_one_plus(np.array(q))), math.log1p(q), rel_tol=1e-15)


def halved(x: Any) -> Any:
    """A function of the tests."""
    return x / 2


class Named:
    """A callable of any name."""

    def __init__(self, name: Any) -> None:
        self.__name__ = name

    def __call__(self, x: Any) -> Any:
        return x


def test_a_function_comes_by_reference_or_as_it_is() -> None:
    """module:callable and a callable of Python's are functions known by their values."""
    x = np.array([1.0, 8.0])
    assert function_of("numpy:cbrt").value(x).tolist() == [1.0, 2.0]
    assert function_of(halved).value(x).tolist() == [0.5, 4.0]
    assert function_of(functions["silu"]) is functions["silu"] is function_of("silu")
    assert function_of(halved).range == (-math.inf, math.inf)
    assert (function_of(halved).name, function_of(Named("\n")).name, function_of(Named(3)).name) == (
        "halved",
        "Named",
        "Named",
    )


def raising(x: Any) -> Any:
    """A function that fails as somebody's may."""
    raise RuntimeError("no\nsuch \x1b[31mvalue")


def leaving(x: Any) -> Any:
    """A function that ends the program, as somebody's may."""
    sys.exit(3)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("silo", "unknown: silo (did you mean silu?)"),
        (3, "is none: int"),
        ("no_such_module:f", "cannot be imported: ModuleNotFoundError"),
        ("numpy:no_such_name", "cannot be imported: AttributeError"),
        ("math:pi", "is no function: float"),
        ("math:sqrt", "raises: TypeError"),
        (raising, "raises: RuntimeError: no"),
        (lambda x: x * 1j, "gives no real numbers: complex128"),
        (lambda x: x > 0, "gives no real numbers: bool"),
        (lambda x: x[:1], "gives another shape: (1,)"),
        (lambda x: "text", "gives no real numbers"),
        (leaving, "raises: SystemExit: 3"),
        ("x" * 200 + ":f", "unknown: xxx"),
    ],
)
def test_what_is_no_function(given: Any, told: str) -> None:
    """An unknown name, a module that cannot be had, and a callable that raises or gives something else are refused in
    one line.
    """
    with pytest.raises(UsageError) as caught:
        function_of(given).value(np.arange(4.0))
    line = str(caught.value)
    assert told in line and line.endswith("[FIT-1]") and line.isprintable()


def test_a_table_is_a_function(tmp_path: Path) -> None:
    """A named table, and the file of one, is the function of its staircase."""
    table = Approximation("four", "relu", fs_relu(2, 3), 0.5, 0.25, -6, 12, 0.0, 0.0, 0.0, 4)
    save_table(table, tmp_path / "four.json")
    x = np.array([-1e9, -0.5, 0.0, 1.0, 1.5, 2.5, 3.0, 4.5, 1e300])
    wanted = [0.0, 0.0, 0.0, 0.0, 0.25, 0.25, 0.5, 0.75, 0.75]
    assert function_of(table).value(x).tolist() == wanted
    assert function_of(str(tmp_path / "four.json")).value(x).tolist() == wanted
    with pytest.raises(FileError, match="cannot be read"):
        function_of(str(tmp_path / "none.json"))
