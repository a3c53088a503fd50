# SPDX-License-Identifier: Apache-2.0
"""The mutants of a module, as tools/mutate.py runs them: one small change of its source each, at one place.

Changed are comparisons, arithmetic and shifts, `and` and `or`, `not`, conditions, numbers, True and False, bounds of
slices, min and max and their like, the first two arguments of a call; left out are `raise`, `x += y` and calls that
stand alone. Not changed is what decides no value: text and what writes it (`__str__`, `__repr__`, `sheet`, `html`,
f-strings, what a `raise` says), annotations and unions of types, decorators, patterns of `case`, assertions, imports.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMPARED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "is": "is not"}
COMPUTED = {"+": "-", "-": "+", "*": "//", "/": "*", "//": "*", "%": "//", "**": "*"}
COMPUTED |= {"<<": ">>", ">>": "<<", "&": "|", "|": "&", "^": "|"}
CALLED = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any"}
CALLED |= {"argmin": "argmax", "argmax": "argmin", "floor": "ceil", "ceil": "floor"}
TEXT = {"__str__", "__repr__", "sheet", "html", "_repr_html_", "plural", "form"}
IDLE = {"copy", "repr", "eq", "frozen", "strict"}  # keywords whose True and False decide no value
Place = tuple[int, int]  # line and column of a file, in characters


@dataclass(frozen=True)
class Mutant:
    """One change of a module: the characters start..end of its source become `new`.

    `scope` is the function it lies in as Python names it, "" outside of functions; `before` and `after` are its lines
    as they read, the space around them apart.
    """

    module: str
    line: int
    scope: str
    before: str
    after: str
    start: int
    end: int
    new: str
    id: str

    def applied(self, source: str) -> str:
        """The source of the mutant, of as many lines as before."""
        return source[: self.start] + self.new + source[self.end :]

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.before}  ->  {self.after}"


def mutants(root: Path, module: str) -> list[Mutant]:
    """Every mutant of a module of the tree at `root`, in the order of its source."""
    source = (root / module).read_text(encoding="utf-8")
    return list({mutant.id: mutant for mutant in _Module(module, source).found()}.values())


class _Module:
    """A module with its tokens, and its changes as they are found."""

    def __init__(self, name: str, source: str) -> None:
        self.name, self.source, self.tree = name, source, ast.parse(source)
        self.digest = hashlib.sha256(source.encode()).hexdigest()
        self.lines = source.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))
        self.tokens = [
            (token.string, self.starts[token.start[0] - 1] + token.start[1])
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
        ]

    def found(self) -> Iterator[Mutant]:
        """The mutants, statement by statement."""
        yield from self.inside(self.tree, "")

    def span(self, node: ast.expr | ast.stmt) -> Place:
        """Where a node starts and ends, in characters of the source; columns of an ast are bytes."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        ends = ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))
        first, last = (
            self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode()) for line, column in ends
        )
        return first, last

    def token(self, text: str, first: int, last: int) -> Place | None:
        """Where a token stands between two places, None when it does not."""
        return next(((at, at + len(text)) for string, at in self.tokens if string == text and first <= at < last), None)

    def mutant(self, scope: str, at: Place, new: str) -> Mutant:
        """The mutant that puts `new` at a place."""
        first, last = self.source.count("\n", 0, at[0]), self.source.count("\n", 0, at[1])
        low, high = self.starts[first], self.starts[last + 1]
        old, changed = self.source[low:high], self.source[low : at[0]] + new + self.source[at[1] : high]
        before, after = (" ".join(text.split()) for text in (old, changed))
        number = hashlib.sha256("\0".join([self.digest, self.name, f"{at}", new]).encode()).hexdigest()[:16]
        return Mutant(self.name, first + 1, scope, before, after, *at, new, number)

    def wrapped(self, scope: str, node: ast.expr, form: str) -> Mutant:
        """The mutant that puts an expression into `form`."""
        at = self.span(node)
        return self.mutant(scope, at, form.format(self.source[slice(*at)]))

    def negated(self, scope: str, test: ast.expr) -> Iterator[Mutant]:
        """The mutant that goes the other way, unless another mutant of the test does."""
        match test:
            case ast.UnaryOp(op=ast.Not()) | ast.Compare(ops=[ast.Eq() | ast.NotEq() | ast.Is()]):
                return
        yield self.wrapped(scope, test, "(not ({}))")

    def swapped(self, scope: str, one: ast.expr, other: ast.expr) -> Iterator[Mutant]:
        """The mutant in which two expressions that stand side by side have changed places."""
        (a, b), (c, d) = self.span(one), self.span(other)
        if self.source[a:b] != self.source[c:d]:
            yield self.mutant(scope, (a, d), self.source[c:d] + self.source[b:c] + self.source[a:b])

    def operator(self, scope: str, text: str, new: str, left: ast.expr, right: ast.expr) -> Iterator[Mutant]:
        """The mutant with another operator between two operands."""
        if at := self.token(text, self.span(left)[1], self.span(right)[0]):
            yield self.mutant(scope, at, new)

    def inside(self, node: ast.AST, scope: str) -> Iterator[Mutant]:
        """The mutants of a node and of all below it that decides a value."""
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node.name in TEXT:
                return
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                inner = f"{scope}.{node.name}".removeprefix(".")
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
                        yield from self.inside(default, scope)
                    inner += ".<locals>"
                for statement in node.body:
                    yield from self.inside(statement, inner)
                return
            case ast.Raise() | ast.Assert() | ast.Import() | ast.ImportFrom() | ast.JoinedStr():
                if isinstance(node, ast.Raise):
                    yield self.left_out(scope, node)
                return
            case ast.AnnAssign():
                if node.value is not None:
                    yield from self.inside(node.value, scope)
                return
            case ast.match_case():
                for part in (*([node.guard] if node.guard else []), *node.body):
                    yield from self.inside(part, scope)
                return
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                return
            case ast.Call(func=ast.Name(id="isinstance" | "assert_never" | "cast")):
                return
            case ast.keyword(arg=str(name), value=ast.Constant()) if name in IDLE:
                return
        yield from self.own(node, scope.removesuffix(".<locals>"))
        for child in ast.iter_child_nodes(node):
            yield from self.inside(child, scope)

    def own(self, node: ast.AST, scope: str) -> Iterator[Mutant]:
        """The mutants of a node itself."""
        match node:
            case ast.Compare():
                sides = [node.left, *node.comparators]
                for text, left, right in zip(map(_symbol, node.ops), sides, node.comparators, strict=False):
                    if text in COMPARED:
                        yield from self.operator(scope, text, COMPARED[text], left, right)
            case ast.BoolOp():
                text = _symbol(node.op)
                for left, right in zip(node.values, node.values[1:], strict=False):
                    yield from self.operator(scope, text, "or" if text == "and" else "and", left, right)
            case ast.BinOp(op=ast.BitOr()) if not scope or _type(node.left) or _type(node.right):
                return
            case ast.BinOp():
                text = _symbol(node.op)
                if text in COMPUTED and not (_text(node.left) or _text(node.right)):
                    yield from self.operator(scope, text, COMPUTED[text], node.left, node.right)
            case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert()):
                first = self.span(node)[0]
                yield self.mutant(scope, (first, first + (4 if isinstance(node.op, ast.Not) else 1)), "")
            case ast.If() | ast.While() | ast.IfExp():
                yield from self.negated(scope, node.test)
            case ast.comprehension():
                for test in node.ifs:
                    yield from self.negated(scope, test)
            case ast.Constant(value=bool()):
                yield self.mutant(scope, self.span(node), str(not node.value))
            case ast.Constant(value=int() | float() as number):
                for value in (number + 1, number - 1):
                    yield self.mutant(scope, self.span(node), f"{value}" if value >= 0 else f"({value})")
            case ast.Slice():
                for bound in filter(None, (node.lower, node.upper)):
                    yield self.wrapped(scope, bound, "({}) + 1")
            case ast.Call():
                yield from self.called(scope, node)
            case ast.AugAssign():
                yield self.left_out(scope, node)
                text = f"{_symbol(node.op)}="
                if text[:-1] in COMPUTED and not _text(node.value):
                    yield from self.operator(scope, text, f"{COMPUTED[text[:-1]]}=", node.target, node.value)
            case ast.Expr(value=ast.Call()):
                yield self.left_out(scope, node)

    def called(self, scope: str, node: ast.Call) -> Iterator[Mutant]:
        """The mutants of a call: another function of its kind, the first two arguments exchanged."""
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in CALLED:
            end = self.span(node.func)[1]
            yield self.mutant(scope, (end - len(name), end), CALLED[name])
        elif len(node.args) > 1 and not any(isinstance(a, ast.Starred) or _text(a) or _dtype(a) for a in node.args[:2]):
            yield from self.swapped(scope, *node.args[:2])

    def left_out(self, scope: str, node: ast.stmt) -> Mutant:
        """The mutant without a statement, which keeps the number of lines."""
        at = self.span(node)
        return self.mutant(scope.removesuffix(".<locals>"), at, "pass" + "\n" * self.source.count("\n", *at))


def _symbol(op: ast.AST) -> str:
    """How an operator is written."""
    left, right = ast.Name("a"), ast.Name("b")
    match op:
        case ast.cmpop():
            node: ast.expr = ast.Compare(left, [op], [right])
        case ast.boolop():
            node = ast.BoolOp(op, [left, right])
        case ast.operator():
            node = ast.BinOp(left, op, right)
        case _:
            raise TypeError(op)
    return ast.unparse(node).removeprefix("a").removesuffix("b").strip()


def _text(node: ast.expr) -> bool:
    """Whether an operand is text as written."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes))


def _dtype(node: ast.expr) -> bool:
    """Whether an argument is an element type, as np.int64 or a.dtype: no call takes one for another argument."""
    return isinstance(node, ast.Attribute) and (node.attr == "dtype" or ast.unparse(node.value) == "np")


def _type(node: ast.expr) -> bool:
    """Whether an operand of `|` is a type: its name, None, or a name with an index."""
    match node:
        case ast.Constant(value=None):
            return True
        case ast.Name(id=name):
            return name[:1].isupper() or name in ("int", "str", "float", "bool", "bytes", "tuple", "dict", "list")
        case ast.Subscript():
            return _type(node.value)
    return False
