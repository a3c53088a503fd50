"""Mistakes of the places that a max-pool looks at (OBS-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.law.populations import MaxPool, Shape
from fsref.tables import Brief
from fsref.verification.consequences import Cause, Effects, both, of_pool
from fsref.verification.pool_causes import candidates, sent
from fsref.verification.scene import Scene

MOST = (2, 4, 8)  # candidates that a counter counts

Bools: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, repr=False)
class Places(Brief):
    """The places of the windows of a max-pool: arrays that broadcast to (kh, kw, C, H_out, W_out). `r`, `c` say which
    place, `oy`, `ox` which window, `channel`, `y`, `x` where in the source, and `there` whether it counts.
    """

    p: MaxPool
    source: Shape
    r: Ints
    c: Ints
    channel: Ints
    oy: Ints
    ox: Ints
    y: Ints
    x: Ints
    there: Bools

    def largest(self, trains: Ints, plane: int) -> Ints:
        """The largest train (B, C, H, W) of each window, channels a `plane` of neurons apart."""
        size = int(np.prod(self.source))
        address = self.channel * plane + self.y * self.source[2] + self.x
        kept = self.there & (address >= 0) & (address < size)
        flat = trains.reshape(len(trains), -1)[:, np.where(kept, address, 0)]
        found: Ints = np.where(kept, flat, 0).max(axis=(1, 2))
        return found


def places_of(scene: Scene, p: MaxPool) -> Places:
    """The right places."""
    channels, height, width = source = scene.net[p.source].shape
    r, c, channel, oy, ox = np.ogrid[: p.kernel[0], : p.kernel[1], :channels, : p.shape[1], : p.shape[2]]
    y, x = oy * p.stride[0] - p.padding[0] + r, ox * p.stride[1] - p.padding[1] + c
    there = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    return Places(p, source, r, c, channel, oy, ox, y, x, there)


def looked_at(forms: Callable[[Places], Iterator[tuple[Bools, str]]]) -> Callable[[Scene, MaxPool], Effects]:
    """A max-pool that looks at other places: which count, and words for it."""

    def follow(scene: Scene, p: MaxPool) -> Effects:
        right = places_of(scene, p)
        trains = scene.trains[p.source].astype(np.int64)
        for there, which in forms(right):
            found = replace(right, there=there).largest(trains, right.source[1] * right.source[2])
            yield sent(scene, p, found).of(which=which)

    return follow


def left_out(places: Places) -> Iterator[tuple[Bools, str]]:
    """Some places, or windows, are left out."""
    kh, kw = places.p.kernel
    there = places.there & np.ones((kh, kw, *places.p.shape), np.bool_)
    order = there.reshape(kh * kw, *places.p.shape)
    for most in MOST:
        yield (order & (np.cumsum(order, axis=0) <= most)).reshape(there.shape), f"places behind the first {most}"
    end = (places.r == kh - 1) & (places.c == kw - 1)
    last = (places.oy == places.p.shape[1] - 1) & (places.ox == places.p.shape[2] - 1)
    yield there & ~(end & last), "the last place of the last window"
    top, left = places.y - places.r < 0, places.x - places.c < 0
    for border, which in ((top | left, "top or left"), (top, "top"), (left, "left")):
        yield there & ~(border & (places.r == 0)), f"the first row of a window that reaches over the {which}"
        yield there & ~(border & (places.c == 0)), f"the first column of a window that reaches over the {which}"
    if kh * kw > 1:
        yield there & (order.sum(axis=0) != 1), "a window of one candidate"


def beyond(places: Places) -> Iterator[tuple[Bools, str]]:
    """Beyond one border stands what the address there holds."""
    _, height, width = places.source
    rows, columns = (places.y >= 0) & (places.y < height), (places.x >= 0) & (places.x < width)
    over = places.x >= width
    yield places.there | (rows & over), ""
    yield places.there | (rows & over & (places.y < height - 1)), ""
    yield places.there | (rows & (places.x < 0)), ""
    yield places.there | (rows & (places.x < 0) & (places.y > 0)), ""
    yield places.there | (columns & (places.y >= height)), ""
    yield places.there | (columns & (places.y < 0)), ""


def other_planes(scene: Scene, p: MaxPool) -> Effects:
    """Channels that stand as far apart as a square plane has neurons."""
    right = places_of(scene, p)
    trains = scene.trains[p.source].astype(np.int64)
    _, height, width = right.source
    for plane, what in ((width * width, "width * width"), (height * height, "height * height")):
        if plane != height * width:
            yield sent(scene, p, right.largest(trains, plane)).of(apart=what)


def less_a_place(scene: Scene, p: MaxPool) -> Effects:
    """The first or the last place of a window is left out, or the first decides where it is inside."""
    trains = candidates(scene.trains[p.source].astype(np.int64), p, -1)
    if len(trains) > 1:
        yield sent(scene, p, np.maximum(trains[1:], 0).max(axis=0))
        yield sent(scene, p, np.maximum(trains[:-1], 0).max(axis=0))
        yield sent(scene, p, np.where(trains[0] >= 0, trains[0], np.maximum(trains[1:], 0).max(axis=0)))


def begun(scene: Scene, p: MaxPool) -> Effects:
    """Windows that begin without padding, or with that of the other sides, or whose strides are exchanged."""
    top, left, bottom, right = p.padding
    trains = scene.trains[p.source].astype(np.int64)
    others = [
        replace(p, padding=(0, 0, bottom + top, right + left)),
        replace(p, padding=(bottom, right, top, left)),
        replace(p, padding=(left, top, right, bottom)),
        replace(p, padding=(left, left, bottom + top, right)),
        replace(p, padding=(top, top, bottom, right + left)),
        replace(p, stride=p.stride[::-1]),
        replace(p, stride=p.kernel),
    ]
    for other, how in zip(
        others,
        (
            "without padding",
            "with bottom and right",
            "with top and left exchanged",
            "with left for top",
            "with top for left",
            "strides exchanged",
            "as far apart as their kernel",
        ),
        strict=True,
    ):
        if (other.padding, other.stride) != (p.padding, p.stride):
            yield sent(scene, p, candidates(trains, other, 0).max(axis=0)).of(how=how)


def neighbours(scene: Scene, p: MaxPool) -> Effects:
    """Beyond a border at the left or the right stands what the address there holds: the row beside."""
    trains = scene.trains[p.source].astype(np.int64)
    count, channels, height, width = trains.shape
    top, left, bottom, right = p.padding
    x = np.arange(-left, width + right)
    at = np.arange(channels)[:, None, None] * height * width + np.arange(height)[:, None] * width + x
    there = (at >= 0) & (at < channels * height * width)
    wide = trains.reshape(count, -1)[:, np.where(there, at, 0)] * there
    yield sent(scene, p, candidates(wide, replace(p, padding=(top, 0, bottom, 0)), 0).max(axis=0))


def padding_fires(scene: Scene, p: MaxPool) -> Effects:
    """Places beyond the border fire in the first step, or in all."""
    steps = scene.net.steps[p.name]
    for train in (1 << (steps - 1), (1 << steps) - 1):
        yield sent(scene, p, candidates(scene.trains[p.source].astype(np.int64), p, train).max(axis=0))


POOL_PLACES = (
    Cause(
        "pool-place-missing",
        "every place of a window counts: yours leaves out the first or the last, or looks at the first alone [POOL-1]",
        of_pool(less_a_place),
    ),
    Cause(
        "pool-windows-begin-elsewhere",
        "the windows of a max-pool begin at stride * y - top: yours begin {how} [POOL-1]",
        of_pool(begun),
    ),
    Cause(
        "pool-border-not-checked",
        "beyond the border is no candidate: yours reads what stands at that address [POOL-2]",
        both(of_pool(neighbours), of_pool(looked_at(beyond))),
    ),
    Cause(
        "pool-padding-fires",
        "beyond the border is no candidate: in yours it fires [POOL-2]",
        of_pool(padding_fires),
    ),
    Cause(
        "pool-places-left-out",
        "every place of every window counts: yours leaves out {which} [POOL-2]",
        of_pool(looked_at(left_out)),
    ),
    Cause(
        "pool-planes-apart",
        "channels stand height * width neurons apart: those that your max-pool reads {apart} [NET-3]",
        of_pool(other_planes),
    ),
)
