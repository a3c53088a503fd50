"""Projections: conv2d, dense and gate, and the builders scale, shortcut and sum_pool (PROJ-1 to PROJ-10, GATE-1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.errors import NetworkError, public
from fsref.law.neuron import Ints, integers
from fsref.law.populations import MAX_SIDE, Shape, whole
from fsref.tables import plural, short, sizes, span

Pair: TypeAlias = tuple[int, int]
Padding: TypeAlias = tuple[int, int, int, int]
MAX_WEIGHTS = 2**28
CONV2D = {"O": "PROJ-1", "I": "PROJ-3", "kh": "PROJ-2", "kw": "PROJ-2"}  # dimensions of weights and their rules


def _weights(values: ArrayLike, form: dict[str, str], place: str) -> NDArray[np.integer]:
    """`values` as a read-only array in the smallest of int8, int16, int32 (PROJ-7, FILE-4), its dimensions those of
    `form`, where each has the rule that says it.
    """
    given = integers(values, "PROJ-7", f"{place} weights", -(2**31), 2**31 - 1)
    limit = f"({', '.join(form)}), each 1 or more"
    if given.ndim != len(form):
        rule = next(iter(form.values()))
        raise NetworkError(rule, f"{place} weights", "wrong number of dimensions", given.shape, limit)
    for rule, size in zip(form.values(), given.shape, strict=True):
        if size == 0:
            raise NetworkError(rule, f"{place} weights", "there are none", given.shape, limit)
    if given.size > MAX_WEIGHTS:
        raise NetworkError("PROJ-7", f"{place} weights", "too many", given.size, f"at most {MAX_WEIGHTS}")
    array = given.astype(smallest_dtype(given))
    array.setflags(write=False)
    return array


def _told(weights: NDArray[np.integer]) -> str:
    """Weights in a few words."""
    return f"{sizes(weights.shape)} weights {span(int(weights.min()), int(weights.max()))}"


def smallest_dtype(values: NDArray[np.integer]) -> np.dtype[np.signedinteger]:
    """The smallest of int8, int16, int32, int64 that holds every value (FILE-4)."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    return next(
        t for t in map(np.dtype, ("<i1", "<i2", "<i4", "<i8")) if np.iinfo(t).min <= low and high <= np.iinfo(t).max
    )


@public
@dataclass(frozen=True, eq=False, repr=False)
class Conv2d:
    """A convolution from `source` to `target`: weights (O, I, kh, kw), I = C_source / groups (PROJ-1 to PROJ-3).

    stride and dilation are (y, x), padding is (top, left, bottom, right).
    """

    source: str
    target: str
    weights: NDArray[np.integer]
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        place = f"{self.source}->{self.target}"
        object.__setattr__(self, "weights", _weights(self.weights, CONV2D, place))
        for field, count, low in (("stride", 2, 1), ("padding", 4, 0), ("dilation", 2, 1)):
            values = whole(getattr(self, field), count, low, MAX_SIDE, "PROJ-2", f"{place} {field}")
            object.__setattr__(self, field, values)
        whole(self.weights.shape[2:], 2, 1, MAX_SIDE, "PROJ-2", f"{place} kernel")
        object.__setattr__(self, "groups", *whole([self.groups], 1, 1, MAX_SIDE, "PROJ-3", f"{place} groups"))

    @property
    def sources(self) -> tuple[str, ...]:
        """The populations whose spikes it takes: one."""
        return (self.source,)

    @property
    def kernel(self) -> Pair:
        """(kh, kw)."""
        return self.weights.shape[2], self.weights.shape[3]

    def __repr__(self) -> str:
        plain = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}
        form = "".join(f", {k} {getattr(self, k)}" for k, usual in plain.items() if getattr(self, k) != usual)
        return short(f"<Conv2d {self.source}->{self.target}: {_told(self.weights)}{form}>")


@public
@dataclass(frozen=True, eq=False, repr=False)
class Dense:
    """A dense projection from `source` to `target`: weights (O, N) over the neurons of the source, or pooled,
    (O, C_source) (PROJ-4, PROJ-5).
    """

    source: str
    target: str
    weights: NDArray[np.integer]
    pooled: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.pooled, bool | np.bool_):
            raise NetworkError("PROJ-5", f"{self.source}->{self.target}", "pooled is not true or false", self.pooled)
        object.__setattr__(self, "pooled", bool(self.pooled))
        rule, columns = ("PROJ-5", "C_source") if self.pooled else ("PROJ-4", "N")
        weights = _weights(self.weights, {"O": rule, columns: rule}, f"{self.source}->{self.target}")
        object.__setattr__(self, "weights", weights)

    @property
    def sources(self) -> tuple[str, ...]:
        """The populations whose spikes it takes: one."""
        return (self.source,)

    @property
    def groups(self) -> int:
        """1: every channel of the source reaches every neuron of the target."""
        return 1

    def __repr__(self) -> str:
        return short(f"<Dense {self.source}->{self.target}: {_told(self.weights)}{', pooled' * self.pooled}>")


@public
@dataclass(frozen=True, eq=False, repr=False)
class Gate:
    """The product of the codes of `source` and of its factor `by` into `target`: `weights` are one integer per channel,
    (C,), and sum[c, y, x] = w[c] * a[c, y, x] * b[c, y, x]. The factor has the shape of the source, or (C, 1, 1): the
    same at every place (GATE-1).
    """

    source: str
    by: str
    target: str
    weights: NDArray[np.integer]

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", _weights(self.weights, {"C": "GATE-1"}, f"{self.source}->{self.target}"))

    @property
    def sources(self) -> tuple[str, ...]:
        """The populations whose spikes it takes: that whose spikes it delivers, and its factor; one of a square."""
        return tuple(dict.fromkeys((self.source, self.by)))

    def __repr__(self) -> str:
        return short(f"<Gate {self.source}->{self.target} by {self.by}: {_told(self.weights)}>")


Linear: TypeAlias = Conv2d | Dense  # what adds up codes of one source
Projection: TypeAlias = Linear | Gate


def linear(projections: Iterable[Projection]) -> list[Linear]:
    """Those that add up codes of one source: all but gates."""
    return [q for q in projections if not isinstance(q, Gate)]


def window_count(size: int, before: int, after: int, kernel: int, stride: int, dilation: int) -> int:
    """How many windows fit along one axis, 0 or less when none does (PROJ-2)."""
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


def window_shape(shape: Shape, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)) -> Pair:
    """(H_out, W_out) of windows over a population of shape (C, H, W) (PROJ-2)."""
    top, left, bottom, right = padding
    return (
        window_count(shape[1], top, bottom, kernel[0], stride[0], dilation[0]),
        window_count(shape[2], left, right, kernel[1], stride[1], dilation[1]),
    )


def taps(size: int, count: int, before: int, kernel: int, stride: int, dilation: int) -> Ints:
    """(count, 2): taps r of window y that fall on a place of the source, not on padding: first <= r < last, equal when
    none does (PROJ-1).
    """
    start = np.arange(count, dtype=np.int64) * stride - before  # the place of tap 0
    first = np.clip(-(start // dilation), 0, kernel)
    last = np.clip((size - 1 - start) // dilation + 1, first, kernel)
    return np.stack([first, last], axis=1)


def check_fit(projection: Linear, source: Shape, target: Shape, place: str) -> None:
    """Nothing, when weights, source and target meet (PROJ-2 to PROJ-5); else NetworkError."""
    weights = projection.weights
    rule = "PROJ-1"
    if isinstance(projection, Dense):
        rule, wanted = ("PROJ-5", source[0]) if projection.pooled else ("PROJ-4", source[0] * source[1] * source[2])
    if weights.shape[0] != target[0]:
        limit = f"the target has {target[0]}"
        raise NetworkError(rule, f"{place} weights", "output channels are not the target's", weights.shape[0], limit)
    if isinstance(projection, Dense):
        if weights.shape[1] != wanted:
            raise NetworkError(
                rule,
                f"{place} weights",
                "columns do not meet the source",
                weights.shape[1],
                f"the source needs {wanted}",
            )
        if target[1:] != (1, 1):
            raise NetworkError(rule, place, "the target of a dense projection has shape (O, 1, 1)", target)
        return
    groups = projection.groups
    if source[0] % groups or target[0] % groups:
        raise NetworkError(
            "PROJ-3",
            f"{place} groups",
            "does not divide the channels",
            groups,
            f"the source has {source[0]}, the target {target[0]}",
        )
    if weights.shape[1] != source[0] // groups:
        raise NetworkError(
            "PROJ-3",
            f"{place} weights",
            "input channels per group do not meet the source",
            weights.shape[1],
            f"wanted {source[0] // groups}: {plural(source[0], 'channel')} in {plural(groups, 'group')}",
        )
    size = window_shape(source, projection.kernel, projection.stride, projection.padding, projection.dilation)
    if min(size) < 1 or size != target[1:]:
        how = (
            f"kernel {projection.kernel}, stride {projection.stride}, padding "
            f"{projection.padding}, dilation {projection.dilation}"
        )
        raise NetworkError(
            "PROJ-2", place, "windows do not meet the target's places", size, f"the target has {target[1:]}; {how}"
        )


@public
def scale(source: str, target: str, factors: ArrayLike) -> Conv2d:
    """The identity from `source` to `target`, with one integer factor per channel, `factors` (C,), as a depthwise
    conv2d (PROJ-8). Errors: NetworkError.
    """
    values = integers(factors, "PROJ-8", f"{source}->{target} factors")
    if values.ndim != 1:
        raise NetworkError("PROJ-8", f"{source}->{target} factors", "not one per channel", values.shape)
    return Conv2d(source, target, values[:, None, None, None], groups=len(values))


@public
def shortcut(
    source: str, target: str, factors: ArrayLike, channels: int, stride: Pair = (2, 2), offset: int | None = None
) -> Conv2d:
    """The parameter-free skip of a ResNet from `source` to `target` as a 1x1 conv2d: channel c to c + offset with
    weight factors[c] (PROJ-9).

    `factors` is (C_source,), `channels` is C_target, `stride` (y, x); without `offset` the source sits in the middle.
    Errors: NetworkError.
    """
    values = integers(factors, "PROJ-9", f"{source}->{target} factors")
    if values.ndim != 1:
        raise NetworkError("PROJ-9", f"{source}->{target} factors", "not one per channel", values.shape)
    whole([channels], 1, 1, MAX_SIDE, "PROJ-9", f"{source}->{target} channels")
    first = (
        (channels - len(values)) // 2
        if offset is None
        else whole([offset], 1, -MAX_SIDE, MAX_SIDE, "PROJ-9", f"{source}->{target} offset")[0]
    )
    if first < 0 or first + len(values) > channels:
        raise NetworkError(
            "PROJ-9", f"{source}->{target} offset", "channels leave the target", first, f"0..{channels - len(values)}"
        )
    weights = np.zeros((channels, len(values), 1, 1), np.int64)
    weights[first + np.arange(len(values)), np.arange(len(values)), 0, 0] = values
    return Conv2d(source, target, weights, stride=stride)


@public
def sum_pool(
    source: str,
    target: str,
    channels: int,
    kernel: Pair,
    stride: Pair | None = None,
    padding: Padding = (0, 0, 0, 0),
    count_include_pad: bool = True,
) -> Conv2d:
    """Average pooling from `source` to `target` without its constant divisor, as a depthwise conv2d of ones (PROJ-10).

    `channels` is C of both; `kernel` and `stride` are (y, x), the stride that of the kernel unless given, `padding` is
    (top, left, bottom, right). Errors: NetworkError [PROJ-10] where `count_include_pad` is False and there is padding:
    the divisor then varies.
    """
    if any(padding) and not count_include_pad:
        raise NetworkError(
            "PROJ-10",
            f"{source}->{target}",
            "average pooling with a divisor that varies with the place",
            padding,
            "no padding, or counted",
        )
    place = f"{source}->{target}"
    whole([channels], 1, 1, MAX_SIDE, "PROJ-10", f"{place} channels")
    kh, kw = whole(kernel, 2, 1, MAX_SIDE, "PROJ-2", f"{place} kernel")
    if channels * kh * kw > MAX_WEIGHTS:
        raise NetworkError("PROJ-7", f"{place} weights", "too many", channels * kh * kw, f"at most {MAX_WEIGHTS}")
    weights = np.ones((channels, 1, kh, kw), np.int64)
    return Conv2d(
        source, target, weights, stride=kernel if stride is None else stride, padding=padding, groups=channels
    )
