"""Populations: input, fs, max_pool, view, readout (NET-1 to NET-8, POOL-1, VIEW-1). Each checks by itself what it can
know alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from fsref.errors import NetworkError, literal, public
from fsref.law.neuron import MAX_STEPS, Ints, Table, integers
from fsref.tables import Sheet, Shown, plural, short, sizes, span

Shape: TypeAlias = tuple[int, int, int]
MAX_SIDE = 65_536
ORDER = {
    "padding": "(top, left, bottom, right)",
    "stride": "(y, x)",
    "dilation": "(y, x)",
    "kernel": "(y, x)",
    "shape": "(C, H, W)",
}
MAX_NEURONS = 2**28
OBSERVABLES = ("sums", "opening", "spikes", "membranes", "codes")  # in the order of OBS-2


def check_name(name: str) -> str:
    """`name`, when it is a population name (NET-2)."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_.\-]{1,64}", name):
        raise NetworkError("NET-2", "population", "not a name", literal(name), "1..64 of A-Z a-z 0-9 _ . -")
    return name


def whole(values: ArrayLike, count: int, low: int, high: int, rule: str, place: str) -> tuple[int, ...]:
    """`values` as `count` Python integers within low..high."""
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.asarray(None)
    if array.shape != (count,) or array.dtype.kind not in "iu":
        raise NetworkError(rule, place, f"not {count} integers", values, ORDER.get(place.rpartition(" ")[2], ""))
    for value in array.tolist():
        if not low <= value <= high:
            raise NetworkError(rule, place, "integer out of range", value, f"{low}..{high}")
    return tuple(array.tolist())


def positive(value: object, rule: str, place: str) -> None:
    """Nothing, when `value` is a positive number a float holds; else NetworkError."""
    try:
        good = isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < float("inf")
    except OverflowError:  # an integer beyond all floats
        good = False
    if not good:
        raise NetworkError(rule, place, "not a positive number", literal(value))


def _scale(given: object, channels: int, place: str) -> float | tuple[float, ...] | None:
    """The scale in its smallest form, one number or one per channel (FILE-3); None where it is not known."""
    if given is None:
        return None
    if not isinstance(given, list | tuple) and not (isinstance(given, np.ndarray) and given.ndim == 1):
        positive(given, "FILE-3", place)
        return given  # type: ignore[return-value]  # a number, as it was given
    if len(given) != channels:
        raise NetworkError("FILE-3", place, "not one number, or one per channel", len(given), f"there are {channels}")
    for c, value in enumerate(given):
        positive(value, "FILE-3", f"{place} of channel {c}")
    values = tuple(float(value) for value in given)
    return values[0] if len(set(values)) == 1 else values


def check_shape(shape: ArrayLike, place: str) -> Shape:
    """`shape` as (C, H, W), when it is one (NET-3)."""
    c, h, w = whole(shape, 3, 1, MAX_SIDE, "NET-3", f"{place} shape")
    if c * h * w > MAX_NEURONS:
        raise NetworkError("NET-3", f"{place} shape", "too many neurons", c * h * w, f"at most {MAX_NEURONS}")
    return c, h, w


@public
@dataclass(frozen=True)
class Width:
    """A declared membrane width: `bits` and the interval it promises to hold, any_order or final (RANGE-5)."""

    bits: int
    promise: Literal["any_order", "final"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", *whole([self.bits], 1, 1, 63, "RANGE-5", "width bits"))
        if self.promise not in ("any_order", "final"):
            raise NetworkError("RANGE-5", "width", "unknown promise", self.promise, "any_order or final")


class Shaped:
    """What every population has: the name of its kind (NET-1), what may be observed of it (OBS-1), and as many neurons
    as its shape has places (NET-3).
    """

    kind: ClassVar[str]
    observables: ClassVar[frozenset[str]] = frozenset({"spikes", "codes"})
    shape: Shape

    @property
    def neurons(self) -> int:
        """C·H·W."""
        return self.shape[0] * self.shape[1] * self.shape[2]


class Integrating(Shaped):
    """A population with membranes: projections enter it, and its bias is where they start (NET-5)."""

    bias: Ints

    @property
    def bias_map(self) -> Ints:
        """The bias as (C, H, W), or (C, 1, 1) where it is the same at every place of a channel (NET-5)."""
        return self.bias if self.bias.ndim == 3 else self.bias[:, None, None]


@public
@dataclass(frozen=True, eq=False, repr=False)
class Input(Shaped):
    """The input, called `name`: images of codes 0..max_code, shape (C, H, W), sent in K = `steps` steps (NET-7). For
    people: `scale` is the real value of a code of 1 (FILE-3).
    """

    kind = "input"
    name: str
    shape: Shape
    steps: int = 8
    max_code: int = 255
    scale: float | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "shape", check_shape(self.shape, self.name))
        object.__setattr__(self, "steps", *whole([self.steps], 1, 1, MAX_STEPS, "NET-7", f"{self.name} steps"))
        object.__setattr__(
            self, "max_code", *whole([self.max_code], 1, 1, 2**self.steps - 1, "NET-7", f"{self.name} max_code")
        )

    def __repr__(self) -> str:
        return short(f"<Input {self.name}: {sizes(self.shape)}, K = {self.steps}, codes 0 .. {self.max_code:,}>")


def _bias(values: ArrayLike, shape: Shape, place: str) -> Ints:
    """The bias in its smallest form, (C,) or (C, H, W) (NET-5, ID-2)."""
    bias = integers(values, "NET-5", f"{place} bias")
    if bias.shape not in (shape[:1], shape):
        limit = f"wanted {shape[:1]} or {shape}"
        raise NetworkError("NET-5", f"{place} bias", "shape does not meet the population", bias.shape, limit)
    if bias.ndim == 3 and (bias == bias[:, :1, :1]).all():
        bias = bias[:, 0, 0].copy()
        bias.setflags(write=False)
    return bias


@public
@dataclass(frozen=True, eq=False, repr=False)
class FS(Integrating, Shown):
    """A population of FS neurons of one table, called `name`, shape (C, H, W), with a bias (C,) or (C, H, W) (FS-1,
    NET-5). Bias None is all zeros; `width` is what the chip declares (RANGE-5).

    For people: a code stands for the real value scale * (code - offset), scale being a number or one per channel
    (FILE-3).
    """

    kind = "fs"
    observables = frozenset(OBSERVABLES)
    name: str
    shape: Shape
    table: Table
    bias: Ints = None  # type: ignore[assignment]  # always an array once made
    width: Width | None = None
    scale: float | tuple[float, ...] | None = None
    offset: int = 0

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "shape", check_shape(self.shape, self.name))
        object.__setattr__(self, "offset", *whole([self.offset], 1, -(2**53), 2**53, "FILE-3", f"{self.name} offset"))
        object.__setattr__(self, "scale", _scale(self.scale, self.shape[0], f"{self.name} scale"))
        values = np.zeros(self.shape[0], np.int64) if self.bias is None else self.bias
        object.__setattr__(self, "bias", _bias(values, self.shape, self.name))
        if self.table.given not in (None, self.shape[0]):
            raise NetworkError(
                "FS-1",
                f"{self.name} table",
                "rows are not one per channel",
                self.table.given,
                f"there are {self.shape[0]}",
            )

    @property
    def steps(self) -> int:
        """K, the number of steps."""
        return self.table.steps

    def __repr__(self) -> str:
        return short(f"<FS {self.name}: {sizes(self.shape)}, K = {self.steps}, {self.table.form}>")

    def sheet(self) -> Sheet:
        """The population as tables: neurons, bias, and what was said of width and scale; below them its table."""
        by = "at each place" if self.bias.ndim == 3 else "per channel"
        facts = [
            ("neurons", f"{self.neurons:,}"),
            ("bias", f"{span(int(self.bias.min()), int(self.bias.max()))}, one {by}"),
        ]
        if self.width is not None:
            facts.append(("width", f"{self.width.bits} bits hold {self.width.promise}"))
        if self.scale is not None:
            code = f"(code - {self.offset})" if self.offset else "code"
            scales = np.ravel(self.scale)
            each = f"{scales.min():g} .. {scales.max():g}, one per channel," if len(scales) > 1 else f"{scales[0]:g}"
            facts.append(("value", f"{each} * {code}"))
        return Sheet(f"{self.name}: fs, {sizes(self.shape)}", above=facts, more=[self.table.sheet()])


@public
@dataclass(frozen=True, eq=False, repr=False)
class MaxPool(Shaped):
    """A max-pool on the spikes of `source`, called `name`, shape (C, H, W): kernel and stride (y, x), padding (top,
    left, bottom, right) (POOL-1).
    """

    kind = "max_pool"
    name: str
    shape: Shape
    source: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "shape", check_shape(self.shape, self.name))
        for field, count, low in (("kernel", 2, 1), ("stride", 2, 1), ("padding", 4, 0)):
            values = whole(getattr(self, field), count, low, MAX_SIDE, "POOL-1", f"{self.name} {field}")
            object.__setattr__(self, field, values)

    def __repr__(self) -> str:
        windows = f"kernel {self.kernel}, stride {self.stride}, padding {self.padding}"
        return short(f"<MaxPool {self.name} of {self.source}: {sizes(self.shape)}, {windows}>")


@public
@dataclass(frozen=True, eq=False, repr=False)
class View(Shaped):
    """What `source` sends, at other places: row y shows row rows[y] of the source, column x its column columns[x], -1
    nothing (VIEW-1). rows is (H,), columns (W,), the shape (C, H, W); `name` is its own.
    """

    kind = "view"
    name: str
    shape: Shape
    source: str
    rows: Ints
    columns: Ints

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "shape", check_shape(self.shape, self.name))
        for field, size in (("rows", self.shape[1]), ("columns", self.shape[2])):
            places = integers(getattr(self, field), "VIEW-1", f"{self.name} {field}", -1, MAX_SIDE - 1)
            if places.shape != (size,):
                limit = f"{size}, as the shape says"
                raise NetworkError("VIEW-1", f"{self.name} {field}", "not one for each place", places.shape, limit)
            object.__setattr__(self, field, places)

    @property
    def gaps(self) -> bool:
        """Whether it has places that show nothing."""
        return bool(min(self.rows.min(), self.columns.min()) < 0)

    def __repr__(self) -> str:
        return short(f"<View {self.name} of {self.source}: {sizes(self.shape)}>")


@public
@dataclass(frozen=True, eq=False, repr=False)
class Readout(Integrating):
    """A readout: integrates, and its membranes are an output of the network, called `name` (NET-8). Shape (C, H, W);
    that of a classifier is (classes, 1, 1). Bias None is all zeros; `width` is what the chip declares (RANGE-5).
    `scale` is the real value of one unit, None that of the network's `logit_scale`.
    """

    kind = "readout"
    observables = frozenset({"sums", "opening"})
    name: str
    shape: Shape
    bias: Ints = None  # type: ignore[assignment]  # always an array once made
    width: Width | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        object.__setattr__(self, "shape", check_shape(self.shape, self.name))
        values = np.zeros(self.shape[0], np.int64) if self.bias is None else self.bias
        object.__setattr__(self, "bias", _bias(values, self.shape, self.name))

    @property
    def is_map(self) -> bool:
        """Whether it has more than one place: a map, not a vector (NET-8)."""
        return self.shape[1:] != (1, 1)

    @property
    def steps(self) -> int:
        """0: a readout does not spike."""
        return 0

    def __repr__(self) -> str:
        low, high = int(self.bias.min()), int(self.bias.max())
        form = sizes(self.shape) if self.is_map else plural(self.neurons, "logit")
        return short(f"<Readout {self.name}: {form}, bias {span(low, high)}>")


def class_count(shape: Shape) -> int:
    """How many classes logits of this shape tell apart: one each, two where there is one; 0 of a map, which has none
    (NET-8).
    """
    return max(2, shape[0]) if shape[1:] == (1, 1) else 0


Relay: TypeAlias = MaxPool | View  # what passes spikes on in the step in which its source sends them (TIME-1)
Population: TypeAlias = Input | FS | Relay | Readout

__all__ = [
    "FS",
    "Input",
    "MaxPool",
    "Population",
    "Readout",
    "Relay",
    "Shape",
    "View",
    "Width",
    "check_name",
    "check_shape",
    "whole",
]
