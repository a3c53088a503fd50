"""What the importers' recogniser reads off a chain computes what the chain computes, link by link; no framework is
needed.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from fsref.graph.operators import OPERATORS
from fsref.importers.curves import spelled
from fsref.importers.recogniser import Form, form_of, gated, hard_sigmoid, is_link, quantiser, scale_of
from fsref.importers.refusals import Unmapped, line

X = np.linspace(-9, 9, 1441).reshape(1, 1, 1, -1) + 1 / 977  # beside the borders of levels


@dataclass
class Link:
    """One operator of a chain, as an importer has it."""

    op: str
    attributes: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)


def affine(gain: float, offset: float = 0.0) -> Link:
    return Link("affine", {}, {"gain": np.array([gain]), "offset": np.array([offset])})


def clip(low: float, high: float) -> Link:
    return Link("clip", {"low": low, "high": high})


def after(chain: list[Link], x: Any = X) -> Any:
    """The values of a chain, one link after the other."""
    for link in chain:
        match link.op:
            case "floor" | "round":
                x = getattr(np, link.op)(x)
            case _:
                x = OPERATORS[link.op].forward(link.attributes, link.arrays, x)
    return x


def near(a: Any, b: Any, apart: float) -> bool:
    """Whether values are nowhere further apart than this."""
    return bool(np.abs(a - b).max() <= apart)


def drawn(source: random.Random) -> list[Link]:
    """A chain of scales and clips, perhaps with one rounding and integer clips and a scale behind it."""

    def before() -> Link:
        low = source.choice((-math.inf, -2.0, -0.5, 0.0, 0.25))
        high = source.choice((math.inf, 1.0, 2.0, 6.0, 1.75))
        hard = Link("hard_sigmoid", {"slope": source.choice((0.2, 1 / 6)), "offset": 0.5})
        scale = affine(source.choice((0.25, 0.5, 1.7, 3.0, 7.0)), source.choice((0.0, 0.0, 0.5, 0.3, -1.0)))
        return source.choice((scale, scale, clip(low, high), Link("relu"), hard))

    chain = [before() for _ in range(source.randrange(1, 5))]
    if source.random() < 0.7:
        chain.append(Link(source.choice(("floor", "round"))))
        if source.random() < 0.6:
            chain.append(clip(float(source.randrange(-4, 2)), float(source.randrange(2, 9))))
        if source.random() < 0.6:
            chain.append(affine(source.choice((0.25, 1 / 3, 2.0)), source.choice((0.0, 0.0, 1.0))))
    return chain


def test_a_form_computes_what_its_chain_does() -> None:
    """Form, quantiser, hard sigmoid and gate give the values of the links they stand for."""
    source, seen = random.Random(11), dict.fromkeys(("form", "quantiser", "shifted", "hard_sigmoid", "gate"), 0)
    for _ in range(3000):
        chain = drawn(source)
        assert all(map(is_link, chain))
        wanted = after(chain)
        try:
            form = form_of(chain)
        except Unmapped:
            continue
        seen["form"] += 1
        inner = form.gain * X + form.offset
        inner = inner if not form.rounding else getattr(np, form.rounding)(inner)
        assert near(form.unit * np.clip(inner, form.low, form.high) + form.base, wanted, 1e-9), chain
        if found := quantiser(form):
            made = OPERATORS["quantise"].forward(found.attributes, {}, X + found.shift)
            gain, offset = found.scale or (1.0, 0.0)
            assert near(gain * made + offset, wanted, 1e-4 * found.step), chain
            seen["quantiser"] += 1
            seen["shifted"] += found.shift != 0
        if smooth := hard_sigmoid(form):
            assert near(OPERATORS[smooth.op].forward(smooth.attributes, {}, X), wanted, 1e-4), chain
            seen["hard_sigmoid"] += 1
        if gate := gated(chain):
            made = gate.factor * OPERATORS[gate.op].forward(gate.attributes, {}, X)
            assert near(made, X * wanted, 1e-9), chain
            seen["gate"] += 1
    assert min(seen.values()) >= 50, seen


def test_bounds_of_what_is_never_negative() -> None:
    """A value that is never below 0 gives the lower bound that no clip does."""
    form = form_of([affine(4.0), Link("floor"), clip(-math.inf, 7.0)])
    assert quantiser(form) is None
    found = quantiser(form, not_negative=True)
    assert found is not None and (found.levels, found.shift, found.scale) == (7, 0.0, (4.0, 0.0))


def test_gates() -> None:
    """hard_swish of a hard_sigmoid or of its parts with the factor they leave; nothing else."""
    assert gated([Link("hard_sigmoid", {"slope": 0.2, "offset": 0.4})]) == (
        "hard_swish",
        {"slope": 0.2, "offset": 0.4},
        1,
        1,
    )
    assert gated([affine(1.0, 3.0), clip(0, 6)]) == ("hard_swish", {"slope": 1 / 6, "offset": 0.5}, 6.0, 1.0)
    for chain in ([], [Link("relu")], [clip(-1, 1)], [Link("sigmoid"), affine(2.0)], [clip(0, 6), Link("round")]):
        assert gated(chain) is None


@dataclass(eq=False)
class Called:
    """An operator of a small graph, and what it reads."""

    op: str
    attributes: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)
    reads: tuple[Any, ...] = ()


def called(op: str, *reads: Any, **attributes: Any) -> Called:
    return Called(op, attributes, reads=reads)


def scaled(x: Any, gain: float, offset: float = 0.0) -> Called:
    link = affine(gain, offset)
    return Called("affine", {}, link.arrays, (x,))


def test_curves_spelled_out() -> None:
    """A product that makes a curve of one value is that curve, whatever the order of its factors and scales, with the
    factor it leaves; one that is near to a curve, or that another value enters, is none (GRAPH-11).
    """
    x, other = called("input"), called("input")
    up = scaled(called("erf", scaled(x, math.sqrt(0.5))), 1.0, 1.0)
    cubic = scaled(called("mul", x, x, x), 0.044715)
    by_tanh = scaled(called("tanh", scaled(called("add", x, cubic), math.sqrt(2 / math.pi))), 0.5, 0.5)
    steep = called("mul", called("sigmoid", scaled(x, 1.702)), x)
    wanted: list[tuple[Called, tuple[Any, ...]]] = [
        (called("mul", x, called("sigmoid", x)), ("silu", {}, 1.0, 1.0)),
        (called("mul", scaled(x, 0.5), up), ("gelu", {"tanh": False}, 1.0, 1.0)),
        (called("mul", up, x), ("gelu", {"tanh": False}, 2.0, 1.0)),
        (called("mul", by_tanh, x), ("gelu", {"tanh": True}, 1.0, 1.0)),
        (called("mul", called("tanh", called("softplus", x)), x), ("mish", {}, 1.0, 1.0)),
        (steep, ("silu", {}, 1 / 1.702, 1.702)),
    ]
    for last, (op, attributes, factor, gain) in wanted:
        found = spelled(last, lambda place: (place, place.reads) if place.reads else None)
        assert found is not None and found[0] is x and found[1][:2] == (op, attributes)
        assert found[1][2:] == pytest.approx((factor, gain), rel=1e-6)
    near = scaled(called("erf", scaled(x, 0.7)), 0.5, 0.5)
    strange = called("quantise", x, alpha=1.0, levels=3, rounding="even")
    for last in (
        called("mul", near, x),
        called("mul", x, called("sigmoid", other)),
        called("mul", x, x),
        called("mul", x, strange),
        called("mul", x, scaled(x, 0.0)),
    ):
        assert spelled(last, lambda place: (place, place.reads) if place.reads else None) is None


@pytest.mark.parametrize(
    ("chain", "problem"),
    [
        ([Link("round"), Link("round")], "rounds what is rounded"),
        ([Link("round"), clip(0, 1.5)], "clips between two levels"),
        ([clip(0, 2.5000001), Link("round")], "rounds a bound of 2.5000001"),
    ],
)
def test_chains_without_a_form(chain: list[Link], problem: str) -> None:
    """Two roundings, a clip between two levels and a bound hardly beside a half have no form."""
    with pytest.raises(Unmapped) as caught:
        form_of(chain)
    assert caught.value.problem.startswith(problem) and caught.value.nearest


def test_links() -> None:
    """A falling or per-channel scale is no link of a chain; a form that does not round is no quantiser."""
    assert not is_link(affine(-1.0)) and not is_link(Link("hard_sigmoid", {"slope": -0.2, "offset": 0.5}))
    wide = Link("affine", {}, {"gain": np.array([1.0, 2.0]), "offset": np.zeros(2)})
    assert scale_of(wide) is None and not is_link(wide) and not is_link(Link("sigmoid"))
    assert quantiser(Form(low=0.0, high=3.0)) is None


def test_lines_of_a_refusal() -> None:
    """Path, operator, what is wrong, the nearest form; or that there is none."""
    assert line("a.b", "gelu", nearest="relu or clip") == "a.b: gelu (nearest: relu or clip)"
    assert line("a", "Conv", "is malformed", "") == "a: Conv is malformed"
    assert line("a", "sort") == "a: sort (no form)"
