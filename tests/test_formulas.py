"""Formulas (GRAPH-12): what they are as text, what they make of numbers, in NumPy and the same on every machine;
Python's own arithmetic is the oracle.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsref.activations.elementary import arctan, log, power, sine_and_cosine
from fsref.activations.functions import EXACT, function_of, of_formula
from fsref.errors import GraphError, UsageError
from fsref.graph.formulas import OPERANDS, WORDS, Malformed, Tree, canonical, evaluated, parsed, walk, written
from fsref.graph.graph import Node
from refusals import refused
from repeatable import drawn

THEIRS: dict[str, Any] = {
    **{word: getattr(np, word) for word in ("sqrt", "exp", "log", "sin", "cos", "tanh", "abs")},
    "atan": np.arctan,
    "erf": lambda v: np.float64(math.erf(v)),
    "min": np.minimum,
    "max": np.maximum,
    "where": lambda c, a, b: np.float64(a if c > 0 else b),
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "softplus": lambda v: np.logaddexp(0.0, v),
    "pi": math.pi,
}
X = np.array([-2.5, -1.0, -0.3, 0.0, 0.7, 1.0, 3.25])


def trees() -> st.SearchStrategy[Tree]:
    """Trees of every word, that read x."""
    numbers = st.floats(-9, 9, width=32).map(lambda v: round(v, 3) + 0.0)
    leaves: st.SearchStrategy[Tree] = st.one_of(st.just("x"), numbers, st.just(math.pi))

    def words(operands: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
        some = [st.tuples(st.just(word), *[operands] * count) for word, count in OPERANDS.items()]
        signs = [st.tuples(st.just(sign), operands, operands) for sign in ("add", "sub", "mul", "div", "pow")]
        negative = operands.filter(lambda tree: not isinstance(tree, float)).map(lambda tree: ("neg", tree))
        return st.one_of(*some, *signs, negative)

    return st.recursive(leaves, words, max_leaves=8).filter(lambda tree: any(part == "x" for part, _ in walk(tree)))


def python(text: str, x: float) -> float | None:
    """What Python makes of the text of a formula, with words of NumPy; None where numbers alone have no real value."""
    try:
        with np.errstate(all="ignore"):
            found = eval(text, {"__builtins__": {}}, {**THEIRS, "x": np.float64(x)})
    except (ArithmeticError, TypeError):
        return None
    return None if isinstance(found, complex) else float(found)


@given(trees())
@settings(drawn, max_examples=200)
def test_a_formula_is_read_as_it_is_written(tree: Tree) -> None:
    """The text of a tree is that tree again, without a parenthesis too many, and means what Python takes it for."""
    text = written(tree)
    assert parsed(text) == tree and canonical(f" ( {text} ) ") == text
    for x in X:
        found, wanted = float(evaluated(tree, x)), python(text, x)
        assert wanted is None or found == wanted or (math.isnan(found) and math.isnan(wanted)), (text, x)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x", X),
        ("1 / (1 + x*x)", 1 / (1 + X * X)),
        ("-x ** 2", -(X**2)),
        ("(-x) ** 2", X**2),
        ("2 ** 3 ** 2 + x", 512 + X),
        ("2 ** -x ** 2", 2 ** -(X**2)),
        ("2 ** --1 ** -x ** 3 + x", 2 + X),
        ("x - 1 - 2", X - 3),
        ("x / 2 / 4", X / 8),
        ("where(x, x, 0.25 * x)", np.where(X > 0, X, X / 4)),
        ("--x + 1e-1 + .5", X + 0.6),
        ("max(min(x, 1), -1)", np.clip(X, -1, 1)),
        ("sin(pi * x)", np.sin(np.pi * X)),
    ],
)
def test_what_signs_mean(text: str, wanted: np.ndarray) -> None:
    """Powers before signs before products before sums; from the left, but powers from the right."""
    for words in (WORDS, EXACT):
        np.testing.assert_allclose(evaluated(parsed(text), X, words), wanted, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "its end at character 1, where a value is to stand"),
        ("2", "no x is in it"),
        ("x +", "its end at character 4, where a value"),
        ("2x", "x at character 2, where + - * / ** or the end is to stand"),
        ("(x", "its end at character 3, where ) is to stand"),
        ("x)", ") at character 2, where"),
        ("y + x", "y at character 1, where x, pi or one of min,"),
        ("sin x", "x at character 5, where ( behind sin is to stand"),
        ("where(x > 0, x, 1)", "> at character 9, where ) is to stand"),
        ("max(x)", "max of 1 values, where 2 are to stand"),
        ("sin(x, x)", "sin of 2 values, where 1 are to stand"),
        ("x; import os", "; at character 2"),
        ("x.real", ". at character 2"),
        ("__import__('os') + x", "__import__ at character 1"),
        ("1e39 * x", "1e39 is not a number that float32 holds"),
        ("x" + " + x" * 300, "1201 characters, at most 1000"),
        ("(" * 80 + "x" + ")" * 80, "more than 64 parentheses within one another"),
        ("x" + "+x" * 90, "more than 64 operations within one another"),
        ("\u0661 + x", "\u0661 at character 1"),
    ],
)
def test_what_is_no_formula(text: str, problem: str) -> None:
    """What is wrong and where, in one line that names the node."""
    with pytest.raises(Malformed) as caught:
        parsed(text)
    assert str(caught.value).startswith(problem)
    with refused(GraphError, "GRAPH-2", says=("f: wrong formula of curve: ", problem[:12])):
        Node("f", "curve", ("input",), {"formula": text})


@pytest.mark.parametrize("given", [3, None, ["x"], True])
def test_what_is_no_text_is_no_formula(given: Any) -> None:
    """The line says what a formula is."""
    with refused(GraphError, "GRAPH-2", says=("f: wrong formula of curve", "a formula of x, numbers, pi")):
        Node("f", "curve", ("input",), {"formula": given})


def test_a_graph_computes_in_float32() -> None:
    """Every word gives the type and the shape of what it reads, and numbers among its operands change neither."""
    x = X.astype(np.float32).reshape(1, 1, 1, -1)
    for word, count in OPERANDS.items():
        for text in (f"{word}({', '.join(['x', '1.5', '2'][:count])})", f"{word}({', '.join(['x'] * count)}) * 0.1"):
            found = evaluated(parsed(text), x)
            assert found.dtype == np.float32 and found.shape == x.shape, text
    assert evaluated(parsed("sigmoid(2) + softplus(1) * erf(0.5) * x"), x).dtype == np.float32


def test_words_are_the_same_on_every_machine() -> None:
    """sin, cos, atan, log and powers of plain arithmetic are those of math to the last places, at their ends, too."""
    for x in (*np.linspace(-40, 40, 2001).tolist(), 1e5, -123456.789):
        sine, cosine = (float(found) for found in sine_and_cosine(np.array(x)))
        assert abs(sine - math.sin(x)) < 2e-15 and abs(cosine - math.cos(x)) < 2e-15
        assert math.isclose(float(arctan(np.array(x))), math.atan(x), rel_tol=1e-15, abs_tol=1e-300)
        if x > 0:
            assert math.isclose(float(log(np.array(x))), math.log(x), rel_tol=2e-15, abs_tol=2e-15)
    assert log(np.array([0.0, -1.0, math.inf, 1.0])).tolist()[::2] == [-math.inf, math.inf]
    assert arctan(np.array([math.inf, -math.inf])).tolist() == [math.pi / 2, -math.pi / 2]
    for x in (-2.5, -1.0, 0.0, 0.3, 1.0, 7.0):
        for y in (-3.0, -0.5, 0.0, 1.0, 2.0, 2.5, 5.0):
            with np.errstate(all="ignore"):
                wanted = float(np.power(np.float64(x), y))
            found = float(power(np.array(x), np.array(y)))
            same = (
                math.isnan(found)
                if math.isnan(wanted)
                else found == wanted or math.isclose(found, wanted, rel_tol=1e-13)
            )
            assert same, (x, y)


def test_a_formula_is_a_function_to_fit() -> None:
    """fit takes a formula where it takes a name; what is none is told, and names stay names."""
    found = function_of("1 / (1 + x*x)")
    assert found.name == "1 / (1 + x * x)" == of_formula("1/(1+x*x)").name
    assert np.allclose(found.value(X), 1 / (1 + X * X))
    assert function_of("x").name == "x" and function_of("silu").formula == "x / (1 + exp(-x))"
    assert len(of_formula("x" + " + sin(x)" * 60).name) <= 120
    with refused(UsageError, "FIT-1", says=("is no formula", "y at character 10")):
        function_of("1 / (1 + y)")
    with refused(UsageError, "FIT-1", says=("unknown", "did you mean sigmoid?")):
        function_of("sigmoidd")
