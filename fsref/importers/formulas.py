"""Operators of a model that a graph has none for, of one value, place by place: with those around them they become one
`curve`, or the operator whose curve they spell out (GRAPH-11).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import isfinite
from typing import Any

from fsref.graph.formulas import DEEPEST, LONGEST, WORDS, Tree, evaluated, parsed, walk, written
from fsref.graph.graph import Node
from fsref.graph.operators import OPERATORS, Floats
from fsref.importers.curves import POINTS, Found, Place, curve
from fsref.importers.recogniser import Link, Smooth, scale_of

# What operators of one operand are, by the names that frameworks have for them.
UNARY: Mapping[str, str] = {
    **{word: f"{word}(x)" for word in ("exp", "log", "sqrt", "sin", "cos", "atan")},
    "acos": "pi / 2 - atan(x / sqrt(1 - x * x))",
    "acosh": "log(x + sqrt(x * x - 1))",
    "asin": "atan(x / sqrt(1 - x * x))",
    "asinh": "where(x, 1, -1) * log(abs(x) + sqrt(x * x + 1))",
    "atanh": "log((1 + x) / (1 - x)) / 2",
    "cosh": "(exp(x) + exp(-x)) / 2",
    "exp2": "2 ** x",
    "expm1": "exp(x) - 1",
    "log1p": "log(1 + x)",
    "log2": "log(x) / log(2)",
    "reciprocal": "1 / x",
    "rsqrt": "1 / sqrt(x)",
    "sign": "where(x, 1, where(-x, -1, 0))",
    "sinh": "(exp(x) - exp(-x)) / 2",
    "softsign": "x / (1 + abs(x))",
    "tan": "sin(x) / cos(x)",
}
# What operators of a graph are that stand around them.
NAMED: Mapping[str, str] = {
    **{word: f"{word}(x)" for word in ("erf", "sigmoid", "softplus", "tanh")},
    "mish": "x * tanh(softplus(x))",
    "relu": "max(x, 0)",
    "silu": "x * sigmoid(x)",
}
DRAWN = frozenset(WORDS) - set(OPERATORS) | {"curve"}  # no other operator of a graph stands for these
PLACED = DRAWN | {*NAMED, *"number add affine clip elu hard_sigmoid hard_swish leaky_relu mul".split()}
ENDS = PLACED - {"number", "affine"}  # what may end in a curve: scales are another layer's
MOST = 256  # operators that are looked at, and parts of a formula


@dataclass(frozen=True, eq=False)
class Part:
    """An operator in the making: a word of formulas, or `number`."""

    op: str
    reads: tuple[Any, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, Floats] = field(default_factory=dict)


def number(value: float) -> Part:
    """A number among what a part reads."""
    return Part("number", (), {"value": float(value)})


def joined_curves(nodes: Sequence[Node], outputs: Collection[str]) -> list[Node]:
    """The nodes of a graph that its outputs need, every curve one with what stands around it, of the farthest value."""
    by, wanted, kept = {node.name: node for node in nodes}, set(outputs), list[Node]()

    def found(name: str) -> tuple[Node, tuple[str, ...]] | None:
        return (by[name], by[name].inputs) if name in by else None

    for node in reversed(nodes):
        if node.name in wanted:
            at = fused(node.name, found, farthest=True) if node.op in ENDS else None
            if at is not None and at[1].factor == at[1].gain == 1:
                node = Node(node.name, at[1].op, at[:1], at[1].attributes)
            wanted.update(node.inputs)
            kept.append(node)
    return kept[::-1]


def fused(last: Place, found: Found[Place], farthest: bool = False) -> tuple[Place, Smooth] | None:
    """The value that `last` is made of alone, place by place, and the operator that this is: the nearest value of which
    it is one of a name, else a `curve` of the nearest, or `farthest`. None where several values or named operators
    alone make it.
    """
    front, inside, best = {last}, list[Place](), None
    for place in reversed(_order(last, found)):
        at = _placed(place, found)
        if place not in front or at is None:
            continue
        numbers = {read for read in at[1] if (given := found(read)) is not None and given[0].op == "number"}
        front = (front - {place}) | (set(at[1]) - numbers)
        inside += [place, *numbers]
        source, *others = front
        fit = not others and not isinstance(source, Part)
        if not fit or not any(one[0].op in DRAWN for one in map(found, inside) if one is not None):
            continue
        tree = _tree(last, source, inside[::-1], found)
        if tree is None:
            break
        if (smooth := curve(evaluated(tree, POINTS))) is not None:
            return source, smooth
        if best is None or farthest:
            best = source, Smooth("curve", {"formula": written(tree)})
    return best


def _placed(place: Place, found: Found[Place]) -> tuple[Link, Sequence[Place]] | None:
    """The operator that gives a value, where it works place by place, in every channel alike, and what it reads."""
    at = found(place)
    if at is None or at[0].op not in PLACED or (at[0].op == "affine" and scale_of(at[0]) is None):
        return None
    return at if at[0].op != "leaky_relu" or len(set(at[0].arrays["slope"].tolist())) == 1 else None


def _order(last: Place, found: Found[Place]) -> list[Place]:
    """`last` and what it is made of place by place, each after what it reads."""
    done, stack = dict[Place, None](), [last]
    while stack:
        at = _placed(stack[-1], found) if len(done) + len(stack) < MOST else None
        waiting = next((read for read in at[1] if read not in done), None) if at is not None else None
        if waiting is None:
            done[stack.pop()] = None
        else:
            stack.append(waiting)
    return list(done)


def _tree(last: Place, source: Place, inside: Sequence[Place], found: Found[Place]) -> Tree | None:
    """What makes `last` of `source`, given the values between them in order; None where that is too long."""
    made: dict[Place, Tree] = {source: "x"}
    for place in inside:
        at = found(place)
        assert at is not None
        tree = _part(at[0], [made[read] for read in at[1]])
        levels = [level for _, level in walk(tree)]
        if len(levels) > MOST or max(levels) > DEEPEST:
            return None
        made[place] = tree
    return made[last] if len(written(made[last])) <= LONGEST else None


def _part(link: Link, given: Sequence[Tree]) -> Tree:
    """What an operator makes of what it reads."""
    x = given[0] if given else "x"
    match link.op:
        case "number":
            return float(link.attributes["value"])
        case "affine":
            scale = scale_of(link)
            assert scale is not None
            return _scaled(x, *scale)
        case "clip":
            return _clipped(x, link.attributes["low"], link.attributes["high"])
        case "hard_sigmoid" | "hard_swish":
            gate = _clipped(_scaled(x, link.attributes["slope"], link.attributes["offset"]), 0.0, 1.0)
            return gate if link.op == "hard_sigmoid" else ("mul", x, gate)
        case "leaky_relu":
            slope = float(link.arrays["slope"][0])
            return ("abs", x) if slope == -1 else ("where", x, x, ("mul", slope, x))
        case "elu":
            return "where", x, x, ("mul", link.attributes["alpha"], ("sub", ("exp", ("min", x, 0.0)), 1.0))
        case "curve":
            return _instead(parsed(link.attributes["formula"]), x)
        case op if op in NAMED:
            return _instead(parsed(NAMED[op]), x)
        case "sub" if 0.0 in given:
            return given[0] if given[1] == 0.0 else ("neg", given[1])
        case "add" | "mul":
            return reduce(lambda a, b: (link.op, a, b), given)
        case word:
            return (word, *given)


def _scaled(x: Tree, gain: float, offset: float) -> Tree:
    """gain * x + offset, with no more signs than that takes."""
    if gain < 0 < offset:
        return "sub", offset, _scaled(x, -gain, 0.0)
    made: Tree = x if gain == 1 else ("neg", x) if gain == -1 else ("mul", gain, x)
    return made if not offset else ("add", made, offset) if offset > 0 else ("sub", made, -offset)


def _clipped(x: Tree, low: float, high: float) -> Tree:
    """x between two bounds, each perhaps infinite."""
    made: Tree = ("max", x, low) if isfinite(low) else x
    return ("min", made, high) if isfinite(high) else made


def _instead(tree: Tree, x: Tree) -> Tree:
    """A formula of what another one gives."""
    if tree == "x":
        return x
    return tree if not isinstance(tree, tuple) else (tree[0], *(_instead(operand, x) for operand in tree[1:]))
