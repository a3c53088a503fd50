"""Real functions that a table can stand for: by name, from Python, or another table's (FIT-1)."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from math import inf, isfinite, isinf
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsref.activations.coding import Reals
from fsref.activations.elementary import arctan, erf, exp, log, log_of_one_plus, power, sine_and_cosine
from fsref.errors import UsageError, nearest
from fsref.formats.tables import TEXT, Approximation, come_along, is_name, load_table
from fsref.graph.formulas import WORDS, Malformed, evaluated, parsed, written
from fsref.law.neuron import staircase
from fsref.tables import Brief

LARGEST = 1e100


@dataclass(frozen=True, repr=False)
class Function(Brief):
    """A real function: `value` of a float64 array has its shape; `domain` is where it is defined, `limits` are what it
    tends to at the ends of it, `turns` the places between where it rises on one side and falls on the other.

    A function whose limits are None is known where it is asked alone.
    """

    name: str
    formula: str
    value: Callable[[Reals], Reals]
    limits: tuple[float, float] | None = (0.0, inf)
    turns: tuple[float, ...] = ()
    domain: tuple[float, float] = (-inf, inf)

    def extremes(self, low: float, high: float) -> tuple[float, float]:
        """The least and the largest value on low..high, whose ends may be infinite; of one without limits at the
        ends that are not.
        """
        at = [x for x in (low, *self.turns, high) if low <= x <= high and self.domain[0] < x < self.domain[1]]
        values = self.value(np.array([x for x in at if not isinf(x)])).tolist()
        if self.limits is not None:
            values += [at for at, end, own in zip(self.limits, self.domain, (low, high), strict=True) if own == end]
        return min(values), max(values)

    @property
    def range(self) -> tuple[float, float]:
        """The least and the largest value at all, or what it comes as near to as one likes; without limits any."""
        return (-inf, inf) if self.limits is None else self.extremes(*self.domain)


def relu(x: Reals) -> Reals:
    """max(x, 0)."""
    return np.maximum(x, 0.0)


def sigmoid(x: Reals) -> Reals:
    """1 / (1 + exp(-x))."""
    q = exp(-np.abs(x))
    return np.where(x >= 0, 1.0, q) / (1.0 + q)


def silu(x: Reals) -> Reals:
    """x * sigmoid(x)."""
    found: Reals = x * sigmoid(x)
    return found


def tanh(x: Reals) -> Reals:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))."""
    q = exp(-2.0 * np.abs(x))
    return np.copysign((1.0 - q) / (1.0 + q), x)


def gelu(x: Reals) -> Reals:
    """x times the share of the normal distribution below x."""
    found: Reals = 0.5 * x * (1.0 + erf(x / np.sqrt(2.0)))
    return found


def elu(x: Reals) -> Reals:
    """x, and exp(x) - 1 below 0."""
    return np.where(x > 0, x, exp(np.minimum(x, 0.0)) - 1.0)


def softplus(x: Reals) -> Reals:
    """log(1 + exp(x))."""
    found: Reals = np.maximum(x, 0.0) + log_of_one_plus(exp(-np.abs(x)))
    return found


def mish(x: Reals) -> Reals:
    """x * tanh(softplus(x))."""
    q = exp(-np.abs(x))
    above = np.where(x >= 0, 1.0 + 2.0 * q, q * q + 2.0 * q)
    found: Reals = x * above / np.where(x >= 0, 1.0 + 2.0 * q + 2.0 * q * q, q * q + 2.0 * q + 2.0)
    return found


def hard_sigmoid(x: Reals) -> Reals:
    """x / 6 + 1 / 2 within 0..1, as MobileNetV3 has it."""
    return np.minimum(np.maximum(x + 3.0, 0.0), 6.0) / 6.0


def hard_swish(x: Reals) -> Reals:
    """x * hard_sigmoid(x)."""
    found: Reals = x * hard_sigmoid(x)
    return found


def reciprocal(x: Reals) -> Reals:
    """1 / x."""
    return 1.0 / x


def rsqrt(x: Reals) -> Reals:
    """1 / sqrt(x)."""
    return 1.0 / np.sqrt(x)


functions: Mapping[str, Function] = MappingProxyType(
    {
        f.name: f
        for f in (
            Function("relu", "max(x, 0)", relu),
            Function("silu", "x / (1 + exp(-x))", silu, turns=(-1.2784645427610738,)),
            Function("sigmoid", "1 / (1 + exp(-x))", sigmoid, (0.0, 1.0)),
            Function("tanh", "tanh(x)", tanh, (-1.0, 1.0)),
            Function("gelu", "x (1 + erf(x / sqrt 2)) / 2", gelu, turns=(-0.7517915246935646,)),
            Function("elu", "x, exp(x) - 1 below 0", elu, (-1.0, inf)),
            Function("softplus", "log(1 + exp(x))", softplus),
            Function("mish", "x tanh(log(1 + exp(x)))", mish, turns=(-1.1924312145154834,)),
            Function("hard_sigmoid", "x / 6 + 1 / 2 within 0..1", hard_sigmoid, (0.0, 1.0)),
            Function("hard_swish", "x hard_sigmoid(x)", hard_swish, turns=(-1.5,)),
            Function("exp", "exp(x)", exp),
            Function("reciprocal", "1 / x", reciprocal, (inf, 0.0), domain=(0.0, inf)),
            Function("rsqrt", "1 / sqrt(x)", rsqrt, (inf, 0.0), domain=(0.0, inf)),
        )
    }
)


# What the words of a formula make of numbers in 64 bits, the same on every machine.
EXACT: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        **WORDS,
        "pow": power,
        "exp": exp,
        "log": log,
        "sin": lambda x: sine_and_cosine(x)[0],
        "cos": lambda x: sine_and_cosine(x)[1],
        "atan": arctan,
        "tanh": tanh,
        "sigmoid": sigmoid,
        "softplus": softplus,
        "erf": erf,
    }
)


def of_formula(formula: str) -> Function:
    """The function that a formula writes, known where it is asked alone (FIT-1, GRAPH-12). Errors: Malformed."""
    tree = parsed(formula)
    text = written(tree)
    name = text if len(text) <= TEXT else f"{text[: TEXT - 20]} .. {sha256(text.encode()).hexdigest()[:16]}"

    def value(x: Reals) -> Reals:
        return evaluated(tree, x, EXACT).astype(np.float64, copy=False)

    return Function(name, text, value, None)


def function_of(given: Function | Approximation | str | Callable[[Any], ArrayLike]) -> Function:
    """The function given: as it is, a table's, by name, of the table in a .json file, as module:callable, as a formula
    of x, or of Python's, which takes a float64 array; the last three are known where they are asked alone. Errors:
    UsageError, FileError.
    """
    if isinstance(given, Function):
        return given
    if isinstance(given, Approximation):
        return Function(given.name, f"the table {given.name}", lambda x: _outputs(given, x), None)
    if callable(given):
        own = getattr(given, "__name__", None)
        name = str(own) if is_name(own) else type(given).__name__
        return Function(name, name, lambda x: _checked(given, x, name), None)
    if not isinstance(given, str):
        limit = "a name, a table, module:callable, a formula, or a callable"
        raise UsageError("FIT-1", "function", "is none", type(given).__name__, limit)
    if given in functions:
        return functions[given]
    if given.endswith(".json") or given in come_along():
        return function_of(load_table(given))
    module, colon, attribute = given.partition(":")
    if not colon:
        try:
            return of_formula(given)
        except Malformed as error:
            if re.fullmatch(r"[\w.-]+", given):
                raise UsageError("FIT-1", "function", "unknown", given, nearest(given, list(functions))) from None
            raise UsageError("FIT-1", "function", "is no formula", given, str(error)) from None
    if not is_name(given):
        raise UsageError("FIT-1", "function", "unknown", given, nearest(given, list(functions)))
    found = _imported(module, attribute, given)
    if not callable(found):
        raise UsageError("FIT-1", given, "is no function", type(found).__name__, "a callable of a float64 array")
    return Function(given, given, lambda x: _checked(found, x, given), None)


def values_of(function: Function, x: Reals, rule: str) -> Reals:
    """The values of a function, of the shape of x: finite, and of magnitudes whose squares are. Errors: UsageError."""
    with np.errstate(all="ignore"):
        found = function.value(x)
    if not (fine := np.abs(found) <= LARGEST).all():
        problem = "gives too large a number at" if isfinite(found[~fine][0]) else "gives infinity or NaN at"
        raise UsageError(rule, function.name, problem, float(x[~fine][0]), f"finite, at most {LARGEST:g} in magnitude")
    return found


def _outputs(table: Approximation, x: Reals) -> Reals:
    """What a table gives for real membranes, each the integer nearest to it."""
    v = np.rint(np.clip(x / table.unit, -(2.0**57), 2.0**57)).astype(np.int64)
    found = staircase(table.table.T, table.table.h, table.table.d, -(2**57), 2**57)
    outputs: Reals = np.multiply(found.code[np.searchsorted(found.start, v, side="right") - 1], table.scale)
    return outputs


def _imported(module: str, attribute: str, given: str) -> Any:
    """What a module of the search path, or of the folder at hand, holds under this name. Errors: UsageError."""
    sys.path.insert(0, "")
    try:
        return getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:  # what a module of somebody's raises
        told = f"{type(error).__name__}: {error}"
        raise UsageError("FIT-1", given, "cannot be imported", told, "module:callable, as in numpy:cbrt") from None
    finally:
        sys.path.remove("")


def _checked(function: Callable[[Any], ArrayLike], x: Reals, name: str) -> Reals:
    """The values of a function from outside: of the shape of x, real and finite. Errors: UsageError."""
    limit = "for a float64 array of any shape, real numbers of that shape"
    try:
        given = np.asarray(function(x.copy()))
    except (Exception, SystemExit) as error:  # whatever somebody's function raises
        raise UsageError("FIT-1", name, "raises", f"{type(error).__name__}: {error}", limit) from None
    if given.dtype.kind not in "fiu":
        raise UsageError("FIT-1", name, "gives no real numbers", given.dtype, limit)
    if given.shape != x.shape:
        raise UsageError("FIT-1", name, "gives another shape", given.shape, f"{x.shape}: {limit}")
    return given.astype(np.float64)
