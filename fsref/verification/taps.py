"""Every product of a projection by its place: which output, which input, which place of the kernel, which address of
the source and of the weights; and what is delivered when some of that is another (OBS-4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Conv2d, Dense, Linear, Padding, Pair, linear
from fsref.tables import Brief
from fsref.verification.deliveries import Mistake
from fsref.verification.scene import Scene

CHANGED = ("there", "weight", "times", "channel", "y", "x")  # what mistakes change
MOST = 2**18  # products of a projection that are written down
EACH = 64  # bytes for each of them


@dataclass(frozen=True, eq=False, repr=False)
class Taps(Brief):
    """The products of a projection: arrays that broadcast to (O, H_out, W_out, I, kh, kw). A dense has one window of
    one place, and its source as many channels as neurons.

    `o`, `oy`, `ox` say which output, `i`, `r`, `c` which input of its group and place of the kernel; `channel`, `y`,
    `x` where in the source, `there` whether it counts, `weight` the address of its weight, and `times` how often it is
    added.
    """

    q: Linear
    source: Shape
    target: Shape
    o: Ints
    oy: Ints
    ox: Ints
    i: Ints
    r: Ints
    c: Ints
    channel: Ints
    y: Ints
    x: Ints
    there: NDArray[np.bool_]
    weight: Ints
    times: Ints
    stride: Pair = (1, 1)
    padding: Padding = (0, 0, 0, 0)
    dilation: Pair = (1, 1)

    @property
    def sizes(self) -> tuple[int, int, int, int]:
        """Outputs, inputs of a group, kernel rows and columns."""
        outputs, inputs, *kernel = self.q.weights.shape
        kh, kw = kernel or (1, 1)
        return outputs, inputs, kh, kw

    @property
    def inside_y(self) -> NDArray[np.bool_]:
        """Where the row is one of the source's."""
        return (self.y >= 0) & (self.y < self.source[1])

    @property
    def inside_x(self) -> NDArray[np.bool_]:
        """Where the column is one of the source's."""
        return (self.x >= 0) & (self.x < self.source[2])

    @property
    def address(self) -> Ints:
        """Of the neuron of the source that each product reads, before or behind the source, too."""
        _, height, width = self.source
        shape = np.broadcast_shapes(*(each.shape for each in (self.o, self.oy, self.ox, self.i, self.r, self.c)))
        return np.broadcast_to((self.channel * height + self.y) * width + self.x, shape)

    def but(self, **other: Any) -> Taps:
        """The same with other arrays."""
        return replace(self, **other)

    def unknown(self, some: NDArray[np.bool_]) -> Taps:
        """The same, of which some read what is not known, as it lies before the source (`beyond`)."""
        return self.but(there=self.there | some, channel=np.where(some, -int(np.prod(self.source)), self.channel))

    def begun(self, **other: Any) -> Taps:
        """The same of a conv2d whose windows have another `top`, `left`, `stride` or `dilation`, of what is inside."""
        top, left = other.get("top", self.padding[0]), other.get("left", self.padding[1])
        (sy, sx), (dy, dx) = other.get("stride", self.stride), other.get("dilation", self.dilation)
        moved = self.but(y=self.oy * sy - top + self.r * dy, x=self.ox * sx - left + self.c * dx)
        return moved.but(there=moved.inside_y & moved.inside_x)

    def alike(self, other: Taps) -> bool:
        """Whether another has the same products."""
        pairs = [(getattr(self, name), getattr(other, name)) for name in CHANGED]
        return all(one is two or (one == two).all() for one, two in pairs)

    def beyond(self) -> NDArray[np.bool_]:
        """Which neurons of the target (C, H, W) are to get something that lies before or behind the source."""
        address = self.address
        some = self.there & ((address < 0) | (address >= int(np.prod(self.source))))
        w = self.q.weights.ravel()[self.weight % self.q.weights.size]
        found: NDArray[np.bool_] = (some & (w != 0)).reshape(*self.target, -1).any(axis=-1)
        return found

    def deliver(self, codes: Ints) -> Ints:
        """What they add to each neuron of the target, (B, neurons), from codes (B, neurons) of the source, or those
        that its spikes have with d of each channel, (B, C, neurons): each product takes that of its channel.
        """
        address = self.address
        shape = address.shape
        kept = self.there & (address >= 0) & (address < codes.shape[-1])
        w = self.q.weights.astype(np.int64).ravel()[self.weight % self.q.weights.size] * self.times
        _, rows, columns = self.target
        to = np.broadcast_to((self.o * rows + self.oy) * columns + self.ox, shape)[kept]
        w = np.broadcast_to(w, shape)[kept]
        at: Any = (np.broadcast_to(self.channel, shape)[kept] if codes.ndim == 3 else ..., address[kept])
        found = np.zeros((len(codes), int(np.prod(self.target))), np.int64)
        for row, sent in zip(found, codes, strict=True):
            np.add.at(row, to, sent[at] * w)
        return found


Change: TypeAlias = Callable[[Taps], Taps | None]  # None where a projection is as it should be


def products(net: Network, q: Linear) -> int:
    """How many products a projection has."""
    return net[q.target].neurons * int(np.prod(q.weights.shape[1:]))


def products_bytes(net: Network) -> int:
    """Bytes that writing down the products of a network's projections takes at most, one after another."""
    return EACH * max((n for q in linear(net.projections) if (n := products(net, q)) <= MOST), default=0)


@lru_cache(maxsize=16)
def taps_of(scene: Scene, q: Linear) -> Taps | None:
    """The products of a projection; None of a pooled one, and where there are many."""
    source, target = scene.net[q.source].shape, scene.population.shape
    match q:
        case Conv2d():
            outputs, inputs, kh, kw = q.weights.shape
            window: dict[str, Any] = {"stride": q.stride, "padding": q.padding, "dilation": q.dilation}
        case Dense(pooled=False):
            window = {}
            (outputs, inputs), (kh, kw) = q.weights.shape, (1, 1)
            source = (inputs, 1, 1)
        case Dense():
            return None
        case _:
            assert_never(q)
    if products(scene.net, q) > MOST:
        return None
    o, oy, ox, i, r, c = np.ogrid[:outputs, : target[1], : target[2], :inputs, :kh, :kw]
    channel = o // (outputs // q.groups) * inputs + i
    weight = ((o * inputs + i) * kh + r) * kw + c
    inside = np.ones((1,) * 6, np.bool_)
    found = Taps(
        q, source, target, o, oy, ox, i, r, c, channel, 0 * oy + r, 0 * ox + c, inside, weight, 1 + 0 * i, **window
    )
    return found.begun()


def changed(change: Change) -> Callable[[Scene, str, Linear], Ints | None]:
    """What a projection delivers whose products are changed."""

    def sums(scene: Scene, name: str, q: Linear) -> Ints | None:
        right = taps_of(scene, q)
        wrong = None if right is None else change(right)
        if right is None or wrong is None or wrong.alike(right):
            return None
        plane = scene.codes[q.source]
        return wrong.deliver(plane.reshape(len(plane), -1)).reshape(len(plane), *scene.population.shape)

    return sums


def of_conv(*changes: Change) -> list[Change]:
    """The same of conv2d projections alone."""
    return [of_rank(4, change) for change in changes]


def of_dense(*changes: Change) -> list[Change]:
    """The same of dense projections alone."""
    return [of_rank(2, change) for change in changes]


def of_rank(rank: int, change: Change) -> Change:
    """A change of projections whose weights have so many dimensions."""
    return lambda taps: change(taps) if taps.q.weights.ndim == rank else None


def forms(changes: Iterable[Change], **about: Any) -> list[Mistake]:
    """Forms of a mistake, by how products are changed."""
    return [(changed(change), about) for change in changes]
