"""Formulas: what a number becomes, written as a person writes it, `x / (1 + exp(-1.7 * x))` (GRAPH-12).

A formula in the making is a tree: "x", a number, or a word of WORDS and the trees of its operands.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from fsref.graph import curves
from fsref.graph.blas import Floats
from fsref.law.images import LARGEST

Tree: TypeAlias = "str | float | tuple[Any, ...]"

LONGEST = 1_000  # characters of a formula
DEEPEST = 64  # words, or parentheses, within one another
TOKEN = re.compile(r"\s*(?:((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|([A-Za-z_]\w*)|(\*\*|[-+*/(),])|(\S))", re.ASCII)

# What each word makes of numbers, and with WORDS of how many: in NumPy, in the type of these.
WORDS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "neg": np.negative,
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "div": np.divide,
        "pow": np.power,
        "min": np.minimum,
        "max": np.maximum,
        "where": lambda c, a, b: np.where(c > 0, a, b),
        "abs": np.abs,
        "sqrt": np.sqrt,
        "exp": np.exp,
        "log": np.log,
        "sin": np.sin,
        "cos": np.cos,
        "atan": np.arctan,
        "tanh": np.tanh,
        "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
        "softplus": lambda v: np.logaddexp(v.dtype.type(0), v),
        "erf": curves.erf,
    }
)
SIGNS = {"add": ("+", 1), "sub": ("-", 1), "mul": ("*", 2), "div": ("/", 2), "neg": ("-", 3), "pow": ("**", 4)}
OPERANDS = {word: {"where": 3, "min": 2, "max": 2}.get(word, 1) for word in WORDS if word not in SIGNS}
SAYS = f"a formula of x, numbers, pi, + - * / **, parentheses, {', '.join(OPERANDS)}, of at most {LONGEST} characters"


class Malformed(ValueError):
    """A text is no formula: what is wrong, and where."""


@lru_cache(256)
def parsed(text: str) -> Tree:
    """The tree of a formula. Errors: Malformed."""
    if len(text) > LONGEST:
        raise Malformed(f"{len(text)} characters, at most {LONGEST}")
    tree = _Reader(text).whole()
    if max(level for _, level in walk(tree)) > DEEPEST:
        raise Malformed(f"more than {DEEPEST} operations within one another")
    if all(part != "x" for part, _ in walk(tree)):
        raise Malformed("no x is in it")
    return tree


def walk(tree: Tree) -> Iterator[tuple[Tree, int]]:
    """Every part of a tree, and within how many words it stands."""
    waiting = [(tree, 0)]
    while waiting:
        at, level = waiting.pop()
        yield at, level
        if isinstance(at, tuple):
            waiting.extend((operand, level + 1) for operand in at[1:])


def negated(tree: Tree) -> Tree:
    """A tree with a minus sign before it."""
    return -tree if isinstance(tree, float) else ("neg", tree)


class _Reader:
    """Reads a formula from left to right, one token ahead."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[Any, ...]] = [
            (match.start(match.lastindex or 0), *match.groups("")) for match in TOKEN.finditer(text)
        ]
        self.tokens.append((len(text), "", "", "", "its end"))
        self.at, self.depth = 0, 0

    def wrong(self, wanted: str) -> Malformed:
        place, *told = self.tokens[self.at]
        return Malformed(f"{''.join(map(str, told))} at character {place + 1}, where {wanted} is to stand")

    def sign(self, *signs: str) -> str:
        """The sign that stands next, when it is one of these, taken; else nothing."""
        found = str(self.tokens[self.at][3])
        if found not in signs:
            return ""
        self.at += 1
        return found

    def whole(self) -> Tree:
        tree = self.sum()
        if self.at < len(self.tokens) - 1:
            raise self.wrong("+ - * / ** or the end")
        return tree

    def sum(self) -> Tree:
        self.depth += 1
        if self.depth > DEEPEST:
            raise Malformed(f"more than {DEEPEST} parentheses within one another")
        tree = self.product()
        while sign := self.sign("+", "-"):
            tree = ("add" if sign == "+" else "sub", tree, self.product())
        self.depth -= 1
        return tree

    def product(self) -> Tree:
        tree = self.signed()
        while sign := self.sign("*", "/"):
            tree = ("mul" if sign == "*" else "div", tree, self.signed())
        return tree

    def signed(self) -> Tree:
        falls = self.falls()
        tree = self.power()
        return negated(tree) if falls else tree

    def falls(self) -> bool:
        """Whether an odd number of minus signs stands next, all taken."""
        count = 0
        while self.sign("-"):
            count += 1
        return count % 2 == 1

    def power(self) -> Tree:
        powers = [(False, self.atom())]
        while self.sign("**"):
            powers.append((self.falls(), self.atom()))
        falls, tree = powers.pop()
        while powers:  # the sign of a power is that of all that stands behind it
            before, base = powers.pop()
            falls, tree = before, ("pow", base, negated(tree) if falls else tree)
        return tree

    def atom(self) -> Tree:
        number, name = map(str, self.tokens[self.at][1:3])
        if not number and not name:
            if not self.sign("("):
                raise self.wrong("a value")
            return self.closed(self.sum())
        if name and name not in ("x", "pi", *OPERANDS):
            raise self.wrong(f"x, pi or one of {', '.join(OPERANDS)}")
        self.at += 1
        if number:
            if not float(number) <= LARGEST:
                raise Malformed(f"{number} is not a number that float32 holds")
            return float(number)
        if name in ("x", "pi"):
            return name if name == "x" else math.pi
        return self.called(name)

    def called(self, name: str) -> Tree:
        if not self.sign("("):
            raise self.wrong(f"( behind {name}")
        operands = [self.sum()]
        while self.sign(","):
            operands.append(self.sum())
        tree = self.closed((name, *operands))
        if len(operands) != OPERANDS[name]:
            raise Malformed(f"{name} of {len(operands)} values, where {OPERANDS[name]} are to stand")
        return tree

    def closed(self, tree: Tree) -> Tree:
        if not self.sign(")"):
            raise self.wrong(")")
        return tree


def number(value: float) -> str:
    """A number as it is written: in as few digits as tell it in float32, where that holds it."""
    if value == math.pi:
        return "pi"
    short = np.float32(value)
    text = str(short) if float(short) == value else repr(value)
    return text.removesuffix(".0")


def written(tree: Tree) -> str:
    """The text of a tree, with no more parentheses than it needs."""
    return _written(tree)[0]


def _written(tree: Tree) -> tuple[str, int]:
    """The text of a tree, and how firmly it holds together."""
    if isinstance(tree, str):
        return tree, 5
    if isinstance(tree, float):
        return number(tree), 3 if math.copysign(1.0, tree) < 0 else 5
    word, *operands = tree
    if word not in SIGNS:
        return f"{word}({', '.join(map(written, operands))})", 5
    sign, firm = SIGNS[word]

    def within(operand: Tree, least: int) -> str:
        text, own = _written(operand)
        return text if own >= least else f"({text})"

    if word == "neg":
        return f"-{within(operands[0], 4)}", firm
    first, second = operands
    if word == "pow":
        return f"{within(first, 5)} ** {within(second, 5)}", firm
    return f"{within(first, firm)} {sign} {within(second, firm + 1)}", firm


def evaluated(tree: Tree, x: Floats, words: Mapping[str, Callable[..., Any]] = WORDS) -> Floats:
    """What a formula makes of each number, of the shape and type of `x`; NaN and infinity where it has no value."""
    with np.errstate(all="ignore"):
        found: Floats = _evaluated(tree, x, words)
    return found


def _evaluated(tree: Tree, x: Floats, words: Mapping[str, Callable[..., Any]]) -> Any:
    if isinstance(tree, str):
        return x
    if isinstance(tree, float):
        return x.dtype.type(tree)
    return words[tree[0]](*(_evaluated(operand, x, words) for operand in tree[1:]))


def held_by(tree: Tree) -> int:
    """How many arrays of the size of x are held at once, at most, while a formula is evaluated; x is none."""
    if not isinstance(tree, tuple):
        return 0
    return max(4, *(i + held_by(operand) for i, operand in enumerate(tree[1:])))


def canonical(value: Any) -> str:
    """A formula as `written` writes it. Errors: Malformed, TypeError where it is no text."""
    if not isinstance(value, str):
        raise TypeError
    return written(parsed(value))
