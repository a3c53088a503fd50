"""Where the spikes of a conv2d land when each is delivered to all windows that see it: strides, borders, addresses and
bounds of that (CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.law.projections import Conv2d, Dense
from fsref.tables import Brief
from fsref.verification.composed.addresses import IN_TURN, Pitches, pitches
from fsref.verification.composed.delivering import rows_of
from fsref.verification.composed.placing import ALONE, CHANNELS
from fsref.verification.composed.relation import Change, Part
from fsref.verification.scene import Scene

MOST = 2**19  # products of a projection that are written down,
TABLE = 2**22  # and neurons of the source times those of the target
Grid: TypeAlias = Callable[[Ints, int], tuple[NDArray[np.bool_], Ints]]  # whether a place has a window, and which
Parted: TypeAlias = Callable[[Ints, int, int, int], tuple[Ints, Ints]]  # of channels; inputs of a group, groups, and
Split: TypeAlias = Callable[[Ints, int, int, int], Ints]  # outputs of a group
FIELDS = range(1, 7)  # bits of the place of a spike
PARTED: tuple[tuple[str, Split | None, Split | None], ...] = (
    ("input c mod G of group c / G", lambda c, i, g, p: c // g, lambda c, i, g, p: c % g),
    ("input c / G of group c mod G", lambda c, i, g, p: c % g, lambda c, i, g, p: c // g),
    ("of group c / G", lambda c, i, g, p: c // g, None),
    ("of group c mod G", lambda c, i, g, p: c % g, None),
    ("of group c / (O / G)", lambda c, i, g, p: c // p, None),
    ("input c mod (O / G)", None, lambda c, i, g, p: c % p),
    ("of group 0", lambda c, i, g, p: 0 * c, None),
    ("input c / G", None, lambda c, i, g, p: c // g),
    ("input c mod G", None, lambda c, i, g, p: c % g),
    ("input c", None, lambda c, i, g, p: c),
)
AXES = (("rows", (0,)), ("columns", (1,)), ("rows and columns", (0, 1)))
SIDES = ("left", "right", "top", "bottom")
MODES: tuple[tuple[str, float, str], ...] = (
    ("comes in again at the other end", 0.2, "around"),
    ("counts in the last one before", 0.2, "clip"),
)
BORDERS: tuple[tuple[str, float, tuple[str, ...]], ...] = (
    ("right of the target", 1.8, ("right",)),
    ("left of the target", 1.8, ("left",)),
    ("left or right of the target", 1.9, ("left", "right")),
    ("below the target", 1.8, ("bottom",)),
    ("above the target", 1.8, ("top",)),
    ("above or below the target", 1.9, ("top", "bottom")),
    ("right of the target or below", 2, ("right", "bottom")),
    ("left of the target or above", 2, ("left", "top")),
    ("beyond any border of the target", 2, SIDES),
)


def _parted(c: Ints, inputs: int, groups: int, outputs: int) -> tuple[Ints, Ints]:
    return c // inputs, c % inputs


def _masked(at: Ints, stride: int) -> tuple[NDArray[np.bool_], Ints]:
    return (at & (stride - 1)) == 0, at >> (stride.bit_length() - 1)


def _shifted(at: Ints, stride: int) -> tuple[NDArray[np.bool_], Ints]:
    return at % stride == 0, at >> (stride.bit_length() - 1)


def _of_mask(at: Ints, stride: int) -> tuple[NDArray[np.bool_], Ints]:
    return (at & (stride - 1)) == 0, at // stride


def _even(at: Ints, stride: int) -> tuple[NDArray[np.bool_], Ints]:
    return at % min(stride, 2) == 0, at // stride


def _anywhere(at: Ints, stride: int) -> tuple[NDArray[np.bool_], Ints]:
    return at >= 0, at // stride


def _up(at: Ints, stride: int) -> tuple[NDArray[np.bool_], Ints]:
    return at >= 0, -(-at // stride)


def _power(up: bool, at: Ints, stride: int) -> tuple[NDArray[np.bool_], Ints]:
    bits = (stride - 1).bit_length() if up else stride.bit_length() - 1
    return (at & ((1 << bits) - 1)) == 0, at >> bits


def _begun(by: int, at: Ints, stride: int) -> tuple[NDArray[np.bool_], Ints]:
    return at % stride == by % stride, at // stride


def _undivided(at: Ints, stride: int) -> tuple[NDArray[np.bool_], Ints]:
    return at % stride == 0, at


def _from_first(at: Ints, stride: int) -> tuple[NDArray[np.bool_], Ints]:
    at = np.maximum(at, 0)
    return at % stride == 0, at // stride


def _exact(at: Ints, stride: int) -> tuple[NDArray[np.bool_], Ints]:
    return at % stride == 0, at // stride


GRIDS: tuple[tuple[str, float, Grid], ...] = (
    ("a stride is masked and shifted, as if it were a power of two", 1.8, _masked),
    ("a stride is shifted, as if it were a power of two", 1.9, _shifted),
    ("a stride is masked, as if it were a power of two", 1.9, _of_mask),
    ("a stride is masked, as if it were 2, where it is no 1", 2, _even),
    ("a stride is the next lower power of two", 2, partial(_power, False)),
    ("a stride is the next higher power of two", 2, partial(_power, True)),
    ("a place between two windows counts in the one before", 2, _anywhere),
    ("a place between two windows counts in the one behind", 2, _up),
    ("windows begin one place later", 2.2, partial(_begun, 1)),
    ("windows begin one place earlier", 2.2, partial(_begun, -1)),
    ("places are not divided by the stride", 2.2, _undivided),
    ("a place before the first window counts as where that begins", 2, _from_first),
)


@dataclass(frozen=True, eq=False, repr=False)
class Landing(Brief):
    """How spikes of a conv2d land: their channel, row and column, as they are taken to be, `there` or not; how windows
    lie along rows and columns, what happens beyond borders, which sizes bound which loops.
    """

    q: Conv2d
    source: Shape
    target: Shape
    c: Ints
    y: Ints
    x: Ints
    there: NDArray[np.bool_]
    grids: tuple[Grid, Grid] = (_exact, _exact)
    beyond: tuple[str, ...] = ()
    mode: str = "on"
    kernel: tuple[int, int] = (0, 0)  # rows and columns of the kernel that are visited,
    outputs: int = 0  # and outputs of a group,
    reached: tuple[int, int] = (0, 0)  # and rows and columns of the target
    parted: Parted = _parted  # of which group a channel is which input
    banks: int = 1  # memories in which channels of the target lie in turn
    further: int = 0  # columns right of the target that are there, too
    apart: int | None = None  # outputs from group to group, where these are not those of one
    alone: int | None = None  # the one output of which all this is so

    def but(self, **other: Any) -> Landing:
        """The same with something else."""
        return replace(self, **other)

    def table(self, alone: int | None = None) -> Ints:
        """What a code of 1 of each neuron of the source adds to each of the target, (N, O * H * W), what is meant for
        one output alone or all.
        """
        q, (_, height, width) = self.q, self.target
        outputs, inputs, kh, kw = q.weights.shape
        per_group = outputs // q.groups
        n, k, r, s = np.ogrid[: len(self.c), : self.outputs, : self.kernel[0], : self.kernel[1]]
        g, i = (values[:, None, None, None] for values in self.parted(self.c, inputs, q.groups, per_group))
        on_y, oy = self._along(0, self.y[:, None, None, None] + q.padding[0] - r * q.dilation[0], height)
        on_x, ox = self._along(1, self.x[:, None, None, None] + q.padding[1] - s * q.dilation[1], width)
        o = g * (self.apart or per_group) + k
        kept = self.there[:, None, None, None] & on_y & on_x & (o < outputs) & (True if alone is None else o == alone)
        turn, place = np.divmod((o // self.banks * height + oy) * width + ox, height * width)
        channel, weight = turn * self.banks + o % self.banks, ((o * inputs + i) * kh + r) * kw + s
        n, c, place, weight, kept = np.broadcast_arrays(n, channel, place, weight, kept)
        kept, to = kept & (c >= 0) & (c < outputs), c * height * width + place
        found = np.zeros((len(self.c), outputs * height * width), np.int64)
        np.add.at(found, (n[kept], to[kept]), q.weights.astype(np.int64).ravel()[weight[kept]])
        return found

    def _along(self, axis: int, at: Ints, size: int) -> tuple[NDArray[np.bool_], Ints]:
        """Which places land along an axis, and where."""
        on, to = self.grids[axis](at, self.q.stride[axis])
        low, high = (("top", "bottom"), ("left", "right"))[axis]
        reached = self.reached[axis]
        inside = (to >= 0) & (to < reached + axis * self.further)
        before, behind = (at < 0) & (low in self.beyond), (to >= size) & (high in self.beyond)
        if self.mode == "around":
            to = np.where(before | behind, to % size, to)
        elif self.mode == "clip":
            to = np.where(before | behind, np.clip(to, 0, size - 1), to)
        return on & (inside | before | behind), to


Landed: TypeAlias = tuple[str, float, Callable[[Landing], Landing]]


def lands_otherwise() -> Iterator[Change]:
    """Spikes that land elsewhere."""
    for words, dear, change in _landings():
        yield Change(f"in yours {words}", dear, partial(_landed, change))


def _landings() -> Iterator[Landed]:
    """Where spikes land, in words, how dear these are, and how."""
    for words, dear, grid in GRIDS:
        yield words, dear, partial(Landing.but, grids=(grid, grid))
        yield f"{words}, of rows", dear + 0.2, partial(Landing.but, grids=(grid, _exact))
        yield f"{words}, of columns", dear + 0.2, partial(Landing.but, grids=(_exact, grid))
    for (where, dear, sides), (what, far, mode) in product(BORDERS, MODES):
        yield f"what is delivered {where} {what}", dear + far, partial(Landing.but, beyond=sides, mode=mode)
    for (where, dear, sides), banks in product(BORDERS, IN_TURN):
        words = f"what is delivered {where} runs on at the address there"
        yield from _running(words, dear, banks, partial(Landing.but, beyond=sides))
    for banks in IN_TURN:
        words = "what is delivered one column right of the target runs on at the address there"
        yield from _running(words, 1.9, banks, partial(Landing.but, further=1))
    for (what, axes), banks in product(AXES, IN_TURN):
        words = (
            f"as many {what} of the target are reached as the source has, and those beyond run on at the address there"
        )
        yield from _running(words, 2, banks, partial(_reaching_as_source, axes))
    for pitch in pitches():
        yield f"the place of a spike is told from its address as if {pitch.text}", pitch.dear, partial(_told, pitch)
    for bits, fields in product(FIELDS, (("row",), ("column",), ("channel",), ("row", "column"))):
        words = " and ".join(f"the {field}" for field in fields)
        yield f"{words} of a spike wraps at {bits} bits", 2.2, partial(_fields, fields, (1 << bits) - 1)
    for words, group, place in PARTED:
        yield f"a channel c of the source is {words}", 2.1, partial(_channels, group, place)
    yield from _bounds()


def _running(words: str, dear: float, banks: int, change: Callable[[Landing], Landing]) -> Iterator[Landed]:
    """What runs on at the address there, in one memory or several, and of one output alone."""
    if banks > 1:
        words, dear = f"{words}, channels in {banks} memories in turn", dear + 0.1
    yield words, dear, partial(_in_banks, change, banks, None)
    for output in CHANNELS:
        yield f"{words}, of channel {output} alone", dear + ALONE, partial(_in_banks, change, banks, output)


def _in_banks(change: Callable[[Landing], Landing], banks: int, alone: int | None, own: Landing) -> Landing:
    return change(own).but(banks=banks, alone=alone)


def _bounds() -> Iterator[Landed]:
    """Loops that end where others do."""
    yield "as many kernel rows are visited as there are kernel columns", 2, lambda own: _of_kernel(own, 1, 1)
    yield "as many kernel columns are visited as there are kernel rows", 2, lambda own: _of_kernel(own, 0, 0)
    yield "as many rows of the target are reached as there are columns", 2, lambda own: _reaching(own, 2, 2)
    yield "as many columns of the target are reached as there are rows", 2, lambda own: _reaching(own, 1, 1)
    words = "as many outputs are reached as there are inputs"
    yield words, 2, lambda own: own.but(outputs=min(own.outputs, own.q.weights.shape[1]))
    words = "as many outputs of a group are reached as there are groups"
    yield words, 2.2, lambda own: own.but(outputs=min(own.outputs, own.q.groups))
    words = "the outputs of groups begin as far apart as their inputs"
    yield words, 2, lambda own: own.but(apart=own.q.weights.shape[1])
    words = "as many inputs are read as there are outputs"
    yield words, 2, lambda own: own.but(there=own.c % own.q.weights.shape[1] < len(own.q.weights) // own.q.groups)
    yield (
        "as many rows of the source are read as there are columns",
        2,
        lambda own: own.but(there=own.y < own.source[2]),
    )
    yield (
        "as many columns of the source are read as there are rows",
        2,
        lambda own: own.but(there=own.x < own.source[1]),
    )
    for axis, name in enumerate(("row", "column")):
        words = f"as many {name}s of the source are read as the target has"
        yield words, 2, partial(_read_to, axis)


def _fields(fields: tuple[str, ...], mask: int, own: Landing) -> Landing:
    """Places of spikes of which some bits are kept."""
    c, y, x = ((mask if field in fields else -1) for field in ("channel", "row", "column"))
    return own.but(c=own.c & c, y=own.y & y, x=own.x & x)


def _channels(group: Split | None, place: Split | None, own: Landing) -> Landing:
    """Channels that are taken for another input of another group; those of no group, or of no input, are lost."""

    def parted(c: Ints, inputs: int, groups: int, outputs: int) -> tuple[Ints, Ints]:
        own = (c, inputs, groups, outputs)
        g, i = _parted(*own)
        g, i = group(*own) if group else g, place(*own) if place else i
        return np.where(i < inputs, g, groups), i % inputs

    return own.but(parted=parted)


def _of_kernel(own: Landing, rows: int, columns: int) -> Landing:
    kernel = own.kernel
    return own.but(kernel=(min(kernel[0], kernel[rows]), min(kernel[1], kernel[columns])))


def _reaching(own: Landing, rows: int, columns: int) -> Landing:
    return own.but(reached=(min(own.target[1], own.target[rows]), min(own.target[2], own.target[columns])))


def _reaching_as_source(axes: tuple[int, ...], own: Landing) -> Landing:
    rows, columns = ((own.source if axis in axes else own.target)[1 + axis] for axis in (0, 1))
    return own.but(reached=(rows, columns))


def _read_to(axis: int, own: Landing) -> Landing:
    return own.but(there=(own.y, own.x)[axis] < own.target[1 + axis])


def _told(pitch: Pitches, own: Landing) -> Landing:
    """Channel, row and column of addresses, with another pitch."""
    of_channel, of_row = pitch.of(own.source, own.target)
    if of_channel < 1 or of_row < 1:
        return own
    at = np.arange(len(own.c))
    c = at // of_channel
    there = c < own.source[0]
    return own.but(c=np.where(there, c, 0), y=at % of_channel // of_row, x=at % of_channel % of_row, there=there)


@lru_cache(maxsize=32)
def _right(scene: Scene, name: str) -> tuple[Landing, Ints] | None:
    """How spikes rightly land; None of a dense, and where there are many products."""
    q, source, target = scene.into[name], scene.net[scene.into[name].source].shape, scene.population.shape
    match q:
        case Conv2d():
            neurons, per_group = int(np.prod(source)), target[0] // q.groups
            if neurons * per_group * int(np.prod(q.kernel)) > MOST or neurons * int(np.prod(target)) > TABLE:
                return None
            c, y, x = np.indices(source).reshape(3, -1)
            there = np.ones(neurons, np.bool_)
            sizes: dict[str, Any] = {"kernel": q.kernel, "outputs": per_group, "reached": target[1:]}
            found = Landing(q, source, target, c, y, x, there, **sizes)
            return found, found.table()
        case Dense():
            return None


def _landed(change: Callable[[Landing], Landing], part: Part) -> Ints | None:
    """What is delivered by spikes that land elsewhere; the right thing along a dense."""
    scene, q = part.scene, part.scene.into[part.of]
    if q.weights.ndim != 4:
        return part.right
    known = _right(scene, part.of)
    if known is None:
        return None
    right, table = known
    wrong = change(right)
    more = wrong.table(wrong.alone) - (table if wrong.alone is None else right.table(wrong.alone))
    if not more.any():
        return part.right
    codes = scene.codes[q.source]
    moved = codes.reshape(len(codes), -1) @ more
    return part.right + rows_of(part, moved.reshape(len(codes), *scene.population.shape))
