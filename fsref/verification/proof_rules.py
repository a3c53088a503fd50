"""The prover's own reading of the law: how a neuron fires, what projections deliver at least and at most, how spikes
are pooled (PROOF-1).

Written from the page of the law alone: nothing of `law` or `engines` that computes is called here, so that a mistake
on either side shows as a difference. All integers are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FsrefError
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Conv2d, Dense, Gate, Linear
from fsref.tables import Brief

Exact: TypeAlias = NDArray[Any]  # int64, or Python's integers where int64 might not hold a sum


@dataclass(frozen=True, eq=False, repr=False)
class Fired(Brief):
    """What a neuron does with opening membranes (N,): train words, codes, and the lowest and highest membrane that any
    step leaves, each (N,).
    """

    train: Ints
    code: Ints
    low: Ints
    high: Ints


def fired(v: Ints, T: Sequence[int], h: Sequence[int], d: Sequence[int]) -> Fired:
    """The K steps of neurons with opening membranes v (N,), T, h, d of (K,) (FS-2, FS-3, FS-4, EVENT-2).

    v lies within 63 bits (RANGE-4) and 16 resets are at most 2^62 in all (FS-1), so no membrane leaves int64.
    """
    train, code = np.zeros_like(v), np.zeros_like(v)
    after = []
    for threshold, reset, worth in zip(T, h, d, strict=True):
        fires = v >= threshold
        v = np.where(fires, v - reset, v)
        code = np.where(fires, code + worth, code)
        train = 2 * train + fires
        after.append(v)
    return Fired(train, code, np.minimum.reduce(after), np.maximum.reduce(after))


def worth(d: Sequence[int] | Ints, words: Ints) -> Ints:
    """The codes of train words: the sum of d (K,) over the steps that spiked (FS-4, EVENT-2)."""
    code = np.zeros(words.shape, np.int64)
    for t, own in enumerate(d):
        code += own * (words >> (len(d) - 1 - t) & 1)
    return code


def pool_step(still_in: Sequence[bool], spikes: Sequence[bool]) -> tuple[bool, list[bool]]:
    """Whether a pool neuron spikes, and which of its candidates are still in afterwards (POOL-1)."""
    spiking = any(z for candidate, z in zip(still_in, spikes, strict=True) if candidate)
    return spiking, [candidate and (z or not spiking) for candidate, z in zip(still_in, spikes, strict=True)]


def lost_largest() -> tuple[object, object] | None:
    """A case, (who is still in, who spikes), in which a step of a pool does not send the largest bit of those still in
    and keep those alone that sent it; None when there is none (PROOF-4).

    Two candidates are enough: of the others a candidate knows only whether one of them spiked.
    """
    for still_in, spikes in product(product((False, True), repeat=2), repeat=2):
        most = any(candidate and z for candidate, z in zip(still_in, spikes, strict=True))
        kept = [candidate and z == most for candidate, z in zip(still_in, spikes, strict=True)]
        if pool_step(still_in, spikes) != (most, kept):
            return still_in, spikes
    return None


def inside(size: int, windows: int, before: int, kernel: int, stride: int, dilation: int) -> NDArray[np.bool_]:
    """(windows, kernel): whether a tap of a window falls on a place of the source, along one axis (PROJ-1)."""
    at = np.arange(windows)[:, None] * stride - before + np.arange(kernel) * dilation
    return (at >= 0) & (at < size)


def seen(q: Conv2d, source: Shape, target: Shape) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which taps of which windows fall on places of the source: by row (H, kh) and by column (W, kw)."""
    (top, left, _, _), (sy, sx), (dy, dx), (kh, kw) = q.padding, q.stride, q.dilation, q.kernel
    return inside(source[1], target[1], top, kh, sy, dy), inside(source[2], target[2], left, kw, sx, dx)


def ends(q: Linear, source: Shape, target: Shape, low: Ints, high: Ints, exact: bool) -> tuple[Exact, Exact]:
    """The smallest and the largest sum at every place of a target, each (O, H, W), where a synapse of weight w from
    channel c delivers w·e for any e in low[c]..high[c], each (C,) (PROJ-1 to PROJ-5).

    A synapse delivers least at one end of e and most at the other, and the sum over synapses that choose on their own
    is the sum of their ends. `exact`: in Python's integers.
    """
    kind: Any = object if exact else np.int64
    w, near, far = q.weights.astype(kind), low.astype(kind), high.astype(kind)
    outputs = len(w)
    match q:
        case Conv2d():
            inputs = w.shape[1]
            listens = np.arange(outputs)[:, None] // (outputs // q.groups) * inputs + np.arange(inputs)
            near, far = near[listens][..., None, None], far[listens][..., None, None]
            least, most = np.where(w > 0, w * near, w * far).sum(1), np.where(w > 0, w * far, w * near).sum(1)
            rows, columns = (axis.astype(kind) for axis in seen(q, source, target))
            return rows @ least @ columns.T, rows @ most @ columns.T
        case Dense():
            places = source[1] * source[2]
            of = np.arange(source[0]) if q.pooled else np.arange(source[0] * places) // places
            near, far, times = near[of], far[of], places if q.pooled else 1
            least, most = np.where(w > 0, w * near, w * far).sum(1), np.where(w > 0, w * far, w * near).sum(1)
            return times * least.reshape(target), times * most.reshape(target)
        case _:
            assert_never(q)


def products(q: Gate, source: tuple[Ints, Ints], factor: tuple[Ints, Ints], exact: bool) -> tuple[Exact, Exact]:
    """The smallest and the largest sum of a gate by channel, each (C, 1, 1), where its source delivers any e of an
    interval and its factor has any code of another, both (low, high) of (C,) (GATE-1).

    With e held still w·e·b is least and most at ends of b, and with b held there at ends of e. `exact`: in Python's
    integers.
    """
    kind: Any = object if exact else np.int64
    w, near, far, low, high = (values.astype(kind) for values in (q.weights, *source, *factor))
    four = [w * near * low, w * near * high, w * far * low, w * far * high]
    least, most = np.minimum.reduce(four), np.maximum.reduce(four)
    return least[:, None, None], most[:, None, None]


def largest(q: Linear, source: Shape, reach: int) -> int:
    """A bound on the size of every sum, and part of one, that `ends` forms for deliveries w·e with |e| <= reach."""
    weights = int(np.abs(q.weights.astype(np.int64)).reshape(len(q.weights), -1).sum(1).max())
    return weights * reach * source[1] * source[2]


def bits(low: int, high: int) -> int:
    """The fewest bits of two's complement that hold low..high."""
    return max((end if end >= 0 else ~end).bit_length() for end in (low, high)) + 1


class Refuted(FsrefError):
    """What was to be proved does not hold: the rule, where, and both sides."""
