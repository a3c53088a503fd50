"""ONNX operators that work on each number alone, and that a graph has no operator for: with those around them they
become a curve (GRAPH-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from fsref.importers.curves import Found
from fsref.importers.formulas import UNARY, Part, fused, number
from fsref.importers.onnx.calls import Call, Handler
from fsref.importers.onnx.elementwise import bound, multiply, power, smooth, together
from fsref.importers.onnx.quantisers import settled
from fsref.importers.onnx.values import Builder, Value
from fsref.importers.refusals import Unmapped

Operand: TypeAlias = "Part | Value"
ONE_VALUE = "operands that one value makes, place by place"


def found_in(b: Builder) -> Found[str | Part]:
    """What gives a value: a node, or a part."""

    def found(place: str | Part) -> tuple[Part, tuple[str | Part, ...]] | None:
        if isinstance(place, Part):
            return place, place.reads
        node = b.nodes.get(place)
        return None if node is None else (Part(node.op, (), node.attributes, node.arrays), node.inputs)

    return found


def operand(call: Call, index: int) -> Operand:
    """An operand: a value, or one number. Errors: Unmapped."""
    if isinstance(given := call.given[index] if index < len(call.given) else None, Value):
        return given
    constant = call.array(index, "operand")
    if constant.size != 1 or not np.isfinite(constant).all():
        raise Unmapped("has a constant that is not one finite number", "one number for all channels")
    return number(constant.ravel()[0])


def part(word: str, *operands: Operand) -> Part:
    """What a word of formulas makes of values, numbers and parts."""
    return Part(word, operands)


def spelled(b: Builder, last: Part) -> Value:
    """A part as a curve of one value. Errors: Unmapped where several make it."""
    values = dict[str, Value]()

    def named(one: Operand) -> str | Part:
        if isinstance(one, Value):
            one = settled(b, one)
            values.setdefault(one.name, one)
            return one.name
        return replace(one, reads=tuple(named(read) for read in one.reads))

    place = named(last)
    _, axes = together(b, list(values.values()))
    at = fused(place, found_in(b))
    if at is None or len({value.shape for value in values.values()}) > 1:
        raise Unmapped("of several values", ONE_VALUE)
    source, found = at
    assert isinstance(source, str)
    return smooth(b, b.value(source, axes), found)


def unary(b: Builder, call: Call) -> Value:
    """An operator of one operand."""
    a, x = call.attributes, call.value()
    match call.op:
        case "ThresholdedRelu":
            formula = f"where(x - {float(a.get('alpha', 1.0))!r}, x, 0)"
        case "Shrink":
            limit, bias = float(a.get("lambd", 0.5)), float(a.get("bias", 0.0))
            formula = f"where(-x - {limit!r}, x + {bias!r}, where(x - {limit!r}, x - {bias!r}, 0))"
        case op:
            formula = UNARY[op.lower()]
    return spelled(b, Part("curve", (x,), {"formula": formula}))


def divide(b: Builder, call: Call) -> Value:
    """Div: by a constant, of what one value makes, or the product of one value and 1 over another."""
    if not isinstance(call.given[1], Value):
        return multiply(b, call)
    last = part("div", operand(call, 0), operand(call, 1))
    try:
        return spelled(b, last)
    except Unmapped:
        below = spelled(b, Part("curve", (call.given[1],), {"formula": UNARY["reciprocal"]}))
        return multiply(b, Call("Mul", (call.given[0], below), {}))


def raised(b: Builder, call: Call) -> Value:
    """Pow."""
    exponent = call.given[1]
    if isinstance(exponent, np.ndarray) and exponent.size == 1 and exponent.ravel()[0] in (2, 3):
        return power(b, call)
    return spelled(b, part("pow", operand(call, 0), operand(call, 1)))


def extreme(b: Builder, call: Call) -> Value:
    """Max or Min: of one value and a number, or of what one value makes."""
    if sum(isinstance(given, Value) for given in call.given) == 1:
        return bound(b, call)
    last = operand(call, 0)
    for index in range(1, len(call.given)):
        last = part(call.op.lower(), last, operand(call, index))
    assert isinstance(last, Part)
    return spelled(b, last)


def compared(b: Builder, call: Call) -> Value:
    """Greater, Equal and their kin: 1 where it holds, else 0."""
    first, second = operand(call, 0), operand(call, 1)
    if call.op == "Equal":
        return spelled(b, part("where", part("abs", part("sub", first, second)), number(0), number(1)))
    if call.op.startswith("Less"):
        first, second = second, first
    if call.op.endswith("OrEqual"):
        return spelled(b, part("where", part("sub", second, first), number(0), number(1)))
    return spelled(b, part("where", part("sub", first, second), number(1), number(0)))


def logical(b: Builder, call: Call) -> Value:
    """And, Or, Xor and Not of what is 1 or 0."""
    given = [operand(call, index) for index in range(len(call.given))]
    match call.op:
        case "Not":
            return spelled(b, part("sub", number(1), *given))
        case "Xor":
            return spelled(b, part("abs", part("sub", *given)))
        case op:
            return spelled(b, part("min" if op == "And" else "max", *given))


def where(b: Builder, call: Call) -> Value:
    """Where."""
    return spelled(b, part("where", *(operand(call, index) for index in range(3))))


SPELLED: Mapping[str, Handler] = {
    **dict.fromkeys(
        "Acos Acosh Asin Asinh Atan Atanh Cos Cosh Exp Log Reciprocal Shrink Sign Sin Sinh Softsign Sqrt Tan "
        "ThresholdedRelu".split(),
        unary,
    ),
    "Div": divide,
    "Pow": raised,
    **dict.fromkeys(("Max", "Min"), extreme),
    **dict.fromkeys("Equal Greater GreaterOrEqual Less LessOrEqual".split(), compared),
    **dict.fromkeys("And Not Or Xor".split(), logical),
    "Where": where,
}
