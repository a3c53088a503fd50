"""What the attributes of operators may be (GRAPH-2): takers of plain values, and those that several operators share."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fsref.graph.formulas import SAYS, canonical
from fsref.law.images import LARGEST
from fsref.law.populations import MAX_NEURONS, MAX_SIDE


@dataclass(frozen=True)
class Attribute:
    """One attribute: `take` gives its plain value or raises ValueError or TypeError, `says` is what it must be; a
    required one has no default.
    """

    take: Callable[[Any], Any]
    says: str
    default: Any = None
    required: bool = False


def integers(
    count: int | None,
    low: int,
    says: str,
    default: tuple[int, ...] | None = None,
    required: bool = False,
    high: int = MAX_SIDE,
) -> Attribute:
    """An attribute of `count` integers low..high; of None, of one or more."""

    def take(value: Any) -> tuple[int, ...]:
        if not isinstance(value, (tuple, list, np.ndarray)) or len(value) != (count or max(1, len(value))):
            raise ValueError
        return tuple(_integer(item, low, high) for item in value)

    return Attribute(take, says, default, required)


def _integer(value: Any, low: int, high: int) -> int:
    """`value` as an integer low..high; a truth value is none."""
    if isinstance(value, (bool, np.bool_)) or not low <= (number := operator.index(value)) <= high:
        raise ValueError
    return number


def positive(default: int | None = None) -> Attribute:
    """An attribute that is an integer from 1 to MAX_SIDE, required without a default."""
    says = f"an integer 1..{MAX_SIDE}"
    return Attribute(lambda value: _integer(value, 1, MAX_SIDE), says, default, default is None)


def _number(value: Any) -> float:
    """`value` as a number that a float32 holds; a truth value or a text is none."""
    if isinstance(value, (bool, np.bool_, str, bytes)) or not abs(number := float(value)) <= LARGEST:
        raise ValueError
    return number


def real(default: float, low: float = -math.inf) -> Attribute:
    """An attribute that is a number from `low` on."""

    def take(value: Any) -> float:
        if (number := _number(value)) < low:
            raise ValueError
        return number

    return Attribute(take, "a number" if low < 0 else f"a number from {low:g}", default)


def _alpha(value: Any) -> float:
    if not (number := _number(value)) >= np.finfo(np.float32).tiny:
        raise ValueError
    return number


def _flag(value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError
    return bool(value)


ROUNDINGS = ("nearest", "floor", "even", "odd")


def _rounding(value: Any) -> str:
    if value not in ROUNDINGS:
        raise ValueError
    return str(value)


STRIDE = integers(2, 1, "(y, x), each 1 or more", (1, 1))
PADDING = integers(4, 0, "(top, left, bottom, right), each 0 or more", (0, 0, 0, 0))
AROUND = integers(4, -MAX_SIDE, "(top, left, bottom, right), below 0 to cut off", (0, 0, 0, 0))
KERNEL = integers(2, 1, "(y, x), each 1 or more", required=True)
POOL_STRIDE = integers(2, 1, "(y, x), each 1 or more")  # None: the kernel's
WINDOWS = {"kernel": KERNEL, "stride": POOL_STRIDE, "padding": PADDING}
SIGMOID = {"slope": real(1 / 6), "offset": real(0.5)}
ALPHA = Attribute(_alpha, "a positive number", required=True)
FLAG = Attribute(_flag, "true or false", True)
TANH = Attribute(_flag, "true or false", False)
FORMULA = Attribute(canonical, SAYS, required=True)
ROUNDING = Attribute(_rounding, "nearest, floor, even or odd", "nearest")
PLACES = integers(None, -1, "places by number, from 0, -1 for none, one or more", required=True)
INDICES = integers(None, 0, "channels by number, from 0, one or more", required=True, high=MAX_NEURONS)
