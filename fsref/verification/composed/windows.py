"""Which places of the source the windows of a conv2d see: the parts of changes of addresses (OBS-5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import numpy as np

from fsref.law.neuron import Ints
from fsref.verification.composed.relation import Change, Part
from fsref.verification.taps import Taps, taps_of

Moved: TypeAlias = Callable[[Taps], Taps]


def windows() -> Iterator[Change]:
    """Windows that see other places."""
    for words, dear, change in _moves():
        yield Change(f"in yours a window {words}", dear, partial(_seen, change))


def _moves() -> Iterator[tuple[str, float, Moved]]:
    """What windows may see instead, in words."""
    for axis, (one, other) in {"y": ("row", "column"), "x": ("column", "row")}.items():
        size, first = (1, 0) if axis == "y" else (2, 1)
        for by in (-1, 1, -2, 2):
            words = f"begins {abs(by)} {one}{'s' * (abs(by) > 1)} {'before' if by < 0 else 'behind'} its own"
            yield words, 2 + abs(by) / 4, partial(_address, axis, lambda t, v, by=by: v + by)  # type: ignore[misc]
        yield f"repeats the first {one} of the source before it", 2, partial(_address, axis, lambda t, v: np.maximum(v, 0))
        yield f"repeats the last {one} of the source behind it", 2, partial(_address, axis, lambda t, v, size=size: np.minimum(v, t.source[size] - 1))  # type: ignore[misc]
        yield f"sees the first {one}s of the source again behind its last", 2.2, partial(_address, axis, lambda t, v, size=size: np.where(v >= t.source[size], v - t.source[size], v))  # type: ignore[misc]
        yield f"sees the last {one}s of the source before its first", 2.2, partial(_address, axis, lambda t, v, size=size: np.where(v < 0, v + t.source[size], v))  # type: ignore[misc]
        yield f"mirrors the source before its first {one}", 2.4, partial(_address, axis, lambda t, v: np.where(v < 0, -v, v))
        for size_of in (2, 4, 8, 16):
            yield f"sees {one}s modulo {size_of}", 2.4, partial(_address, axis, lambda t, v, size_of=size_of: np.where(v >= 0, v % size_of, v))  # type: ignore[misc]
        for stride in (1, 2, 3, 4):
            yield f"is {stride} {one}s from the next", 2.2, partial(_walk, axis, stride, None, None)
            yield f"has places {stride} {one}s apart", 2.3, partial(_walk, axis, None, stride, None)
        for pad in (0, 1, 2):
            yield f"has {pad} {one}s of padding before the source", 2.4, partial(_walk, axis, None, None, pad)
        yield f"begins as many {one}s before as its places are apart less one", 2.6, partial(_wider, first, 1)
        yield f"begins as many {one}s behind as its places are apart less one", 2.6, partial(_wider, first, -1)
        yield f"has the {other}s' stride of {one}s", 2, partial(_swapped, first, "stride")
        yield f"has the {other}s' dilation of {one}s", 2, partial(_swapped, first, "dilation")
    yield "begins as many places before, in rows and columns, as these are apart less one", 2.4, lambda t: _wider(1, 1, _wider(0, 1, t))
    for by in (1, 2):
        yield f"is {by} places from the next, in rows and columns", 2.2, lambda t, by=by: t.begun(stride=(by, by))  # type: ignore[misc]
        yield f"has places {by} apart, in rows and columns", 2.3, lambda t, by=by: t.begun(dilation=(by, by))  # type: ignore[misc]
    yield "has no padding before the source, in rows and columns", 2.2, lambda t: t.begun(top=0, left=0)
    yield "has the columns' padding of rows", 2, lambda t: t.begun(top=t.padding[1])
    yield "has the rows' padding of columns", 2, lambda t: t.begun(left=t.padding[0])
    yield "has the rows' and the columns' stride exchanged", 2, lambda t: t.begun(stride=t.stride[::-1])
    yield "has the rows' and the columns' dilation exchanged", 2, lambda t: t.begun(dilation=t.dilation[::-1])
    yield "has the rows' and the columns' padding exchanged", 2, lambda t: t.begun(top=t.padding[1], left=t.padding[0])
    for words, before, behind in (("before a row", True, False), ("behind a row", False, True), ("before or behind a row", True, True)):
        yield f"sees the neighbouring row {words}", 2.2, partial(_flat, before, behind)


def _address(axis: str, change: Callable[[Taps, Ints], Ints], taps: Taps) -> Taps:
    """Other rows or columns of the source, of those inside it."""
    moved = taps.but(**{axis: change(taps, getattr(taps, axis))})
    return moved.but(there=moved.inside_y & moved.inside_x)


def _walk(axis: str, stride: int | None, dilation: int | None, padding: int | None, taps: Taps) -> Taps:
    """Windows that begin, or whose places lie, elsewhere."""
    first = 0 if axis == "y" else 1
    strides, dilations, pads = list(taps.stride), list(taps.dilation), list(taps.padding[:2])
    strides[first] = strides[first] if stride is None else stride
    dilations[first] = dilations[first] if dilation is None else dilation
    pads[first] = pads[first] if padding is None else padding
    return taps.begun(stride=tuple(strides), dilation=tuple(dilations), top=pads[0], left=pads[1])


def _wider(first: int, sign: int, taps: Taps) -> Taps:
    pads = list(taps.padding[:2])
    pads[first] += sign * (taps.dilation[first] - 1)
    begun = taps.begun(top=pads[0], left=pads[1])
    return begun.but(padding=(*pads, *taps.padding[2:]))


def _swapped(first: int, what: str, taps: Taps) -> Taps:
    both = list(getattr(taps, what))
    both[first] = both[1 - first]
    return taps.begun(**{what: tuple(both)})


def _flat(before: bool, behind: bool, taps: Taps) -> Taps:
    """Columns outside of the source are those of the neighbouring row, where there is one."""
    beside = (taps.x < 0) * before + (taps.x >= taps.source[2]) * behind
    address = taps.y * taps.source[2] + taps.x
    kept = taps.inside_y & (address >= 0) & (address < taps.source[1] * taps.source[2])
    return taps.but(there=taps.there | (kept & (beside > 0)))


def _seen(change: Moved, part: Part) -> Ints | None:
    scene, q = part.scene, part.scene.into[part.of]
    if q.weights.ndim != 4:
        return part.right
    right = taps_of(scene, q)
    if right is None:
        return None
    wrong = change(right)
    if wrong.alike(right):
        return part.right
    plane = scene.codes[q.source]
    found = wrong.deliver(plane.reshape(len(plane), -1)).reshape(len(plane), *scene.population.shape)
    return found.ravel() if scene.part is None else found[:, scene.part].ravel()
