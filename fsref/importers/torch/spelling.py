"""What torch's operators (ATen) that work on each number alone are, where a graph has no operator for them: with those
around them they become a curve when steps are tidied (GRAPH-11).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fsref.importers.formulas import UNARY
from fsref.importers.refusals import Unmapped
from fsref.importers.torch import elementwise
from fsref.importers.torch.draft import ONE_VALUE, Step
from fsref.importers.torch.views import Site, View, affine, form, number

SPELLED: dict[str, Callable[..., Any]] = {}


def part(site: Site, word: str, *operands: Any) -> View:
    """What a word of formulas makes of views of one shape and of numbers."""
    views = [operand for operand in operands if isinstance(operand, View)]
    if len({(view.dims, view.step.shape) for view in views}) > 1:
        raise Unmapped(nearest=ONE_VALUE)
    shape = views[0].step.shape
    steps = tuple(
        operand.step
        if isinstance(operand, View)
        else Step("number", (), shape, site.place, attributes={"value": number(operand)})
        for operand in operands
    )
    return View(Step(word, steps, shape, site.place), views[0].dims)


def truth(site: Site, above: Any, below: Any, yes: float = 1.0) -> View:
    """`yes`, 1 or 0, where the first is above the second, else the other."""
    return part(site, "where", part(site, "sub", above, below), yes, 1.0 - yes)


@form(SPELLED, *UNARY)
def unary(site: Site, x: View) -> View:
    """An operator of one operand."""
    return site.along("curve", x, formula=UNARY[site.name])


@form(SPELLED, "log_sigmoid", "log_sigmoid_forward")
def log_sigmoid(site: Site, x: View) -> View:
    """-softplus(-x)."""
    return affine(site, site.along("softplus", affine(site, x, -1.0)), -1.0)


@form(SPELLED, "hardshrink", "softshrink")
def shrink(site: Site, x: View, limit: float = 0.5) -> View:
    """0 within the limit; x beyond it, of a soft one less the limit."""
    limit = number(limit)
    less = limit if site.name == "softshrink" else 0.0
    formula = f"where(x - {limit!r}, x - {less!r}, where(-x - {limit!r}, x + {less!r}, 0))"
    return site.along("curve", x, formula=formula)


@form(SPELLED, "threshold")
def threshold(site: Site, x: View, at: float, value: float) -> View:
    """x above a threshold, else a value."""
    if (at, value) == (0, 0):
        return elementwise.relu(site, x)
    return part(site, "where", part(site, "sub", x, at), x, value)


@form(SPELLED, "div")
def div(site: Site, a: Any, b: Any, rounding_mode: str | None = None) -> View:
    """a / b."""
    if not isinstance(b, View) or rounding_mode is not None:
        return elementwise.div(site, a, b, rounding_mode)
    if isinstance(a, View) and (a.dims, a.step.shape) != (b.dims, b.step.shape):
        return elementwise.mul(site, a, site.along("curve", b, formula=UNARY["reciprocal"]))
    return part(site, "div", a, b)


@form(SPELLED, "pow", "square")
def power(site: Site, x: Any, exponent: Any = 2) -> View:
    """x to a power."""
    if not isinstance(exponent, View) and number(exponent) in (2, 3):
        return elementwise.power(site, x, number(exponent))
    return part(site, "pow", x, exponent)


@form(SPELLED, "maximum", "max.other", "clamp_min")
def maximum(site: Site, a: Any, b: Any) -> View:
    """The larger of two."""
    both = isinstance(a, View) and isinstance(b, View)
    return part(site, "max", a, b) if both else elementwise.clamp_min(site, a, b)


@form(SPELLED, "minimum", "min.other", "clamp_max")
def minimum(site: Site, a: Any, b: Any) -> View:
    """The smaller of two."""
    both = isinstance(a, View) and isinstance(b, View)
    return part(site, "min", a, b) if both else elementwise.clamp_max(site, a, b)


@form(SPELLED, "gt", "lt", "ge", "le")
def compared(site: Site, a: Any, b: Any) -> View:
    """1 where it holds, else 0."""
    match site.name:
        case "gt":
            return truth(site, a, b)
        case "lt":
            return truth(site, b, a)
        case "ge":
            return truth(site, b, a, 0.0)
        case _:
            return truth(site, a, b, 0.0)


@form(SPELLED, "logical_and", "logical_or", "bitwise_and", "bitwise_or", "__and__", "__or__")
def both(site: Site, a: View, b: View) -> View:
    """1 where both hold, or one of them."""
    return part(site, "min" if "and" in site.name else "max", a, b)


@form(SPELLED, "eq", "ne", "logical_xor", "bitwise_xor", "__xor__")
def differ(site: Site, a: Any, b: Any) -> View:
    """1 where two are equal, or where they are not, else 0."""
    apart = part(site, "abs", part(site, "sub", a, b))
    return part(site, "where", apart, *((0.0, 1.0) if site.name == "eq" else (1.0, 0.0)))


@form(SPELLED, "logical_not", "bitwise_not")
def no(site: Site, x: View) -> View:
    """1 where it does not hold."""
    return affine(site, x, -1.0, 1.0)


@form(SPELLED, "where")
def where(site: Site, holds: Any, a: Any, b: Any) -> View:
    """a where it holds, else b."""
    return part(site, "where", holds, a, b)


@form(SPELLED, "masked_fill")
def masked(site: Site, x: View, holds: View, value: Any) -> View:
    """A value where it holds, else x."""
    return part(site, "where", holds, value, x)
