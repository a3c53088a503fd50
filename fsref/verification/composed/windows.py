"""Which places of the source the windows of a conv2d see: what may be wrong with addresses (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any, assert_never

import numpy as np

from fsref.engines import reference
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.projections import Conv2d, Dense, Gate
from fsref.verification.composed.addresses import Pitches, pitches
from fsref.verification.composed.bounds import bounded, told
from fsref.verification.composed.delivering import OF_ITS_OWN, Read, of_each_d, read_of, rows_of
from fsref.verification.composed.kernels import turning
from fsref.verification.composed.lines import Move, counted, rings
from fsref.verification.composed.relation import UNSAID, Change, Part
from fsref.verification.composed.tiles import fans, tiles
from fsref.verification.taps import Taps, taps_of

EXCHANGED = ("stride", "dilation", "padding")
OUTSIDE: tuple[tuple[str, float, Callable[[Read], Ints]], ...] = (
    ("a spike of the first step", 2.2, lambda read: read.d[0]),
    ("a spike of the last step", 2.2, lambda read: read.d[-1]),
    ("spikes of all steps", 2, lambda read: read.d.sum(axis=0)),
    ("a code of 1", 2.2, lambda read: np.ones_like(read.d[0])),
)
BEYOND = (("before a row", True, False), ("behind a row", False, True), ("before or behind a row", True, True))
BEYOND_CHANNEL = (
    ("above a channel", True, False),
    ("below a channel", False, True),
    ("above or below a channel", True, True),
)

LIKE: tuple[tuple[str, float, Callable[[Sequence[Conv2d], int], Conv2d]], ...] = (  # from all conv2d, and which it is
    ("the first conv2d", 2, lambda every, at: every[0]),
    ("the conv2d before", 2.1, lambda every, at: every[max(at - 1, 0)]),
    ("the last conv2d", 2.2, lambda every, at: every[-1]),
)


def windows_otherwise() -> Iterator[Change]:
    """Windows that see other places."""
    for words, dear, change in (*moves(), *turning()):
        yield Change(f"in yours a window {words}", dear, partial(_seen, change, (4,)))
    held = "sees outside of the source what it saw at that place of its kernel last", 2.0, _held
    line = "sees in rows outside of the source the row that it read before", 2.0, _row_before
    beyond = (*crossing(), *_one_more(), *told())
    for words, dear, change in (*beyond, *bounded(), *rings(), held, line):
        yield Change(f"in yours a window {words}", dear, partial(_seen_beyond, change))
    for words, dear, change in beyond:
        text = f"in yours a window {words}{OF_ITS_OWN}"
        yield Change(text, dear + 0.25, partial(_seen_beyond, change, with_own_d=True))
    for words, dear, change in fans():
        yield Change(f"in yours a spike {words}", dear, partial(_seen, change, (2, 4)))
    for (words, dear, which), what in product(LIKE, (*((one,) for one in EXCHANGED), EXCHANGED)):
        text = f"in yours a window has the {' and '.join(what)} of {words}"
        yield Change(text, dear + 0.2 * (len(what) > 1), partial(_of_another, which, what))
    for words, dear, code in OUTSIDE:
        yield Change(f"in yours a window sees {words} at places outside of the source", dear, partial(_outside, code))


def moves() -> Iterator[Move]:
    """What windows may see instead."""
    yield from _along(0)
    yield from _along(1)
    yield from _both()
    yield from tiles()


def crossing() -> Iterator[Move]:
    """Windows that see other channels than their own, at addresses that are made otherwise."""
    for pitch in pitches():
        yield f"reads the source as if its {pitch.text}", pitch.dear, partial(_pitched, pitch)
    for words, before, behind in BEYOND:
        text = f"sees what lies {words}, in the channel beside it, too"
        yield text, 2.3, partial(_flat, before, behind, True)
    for words, before, behind in BEYOND_CHANNEL:
        yield f"sees the neighbouring channel {words}", 2.2, partial(_stacked, before, behind)
    yield "sees what lies at its addresses beyond the source", 2.2, lambda taps: taps.but(there=taps.there | True)


def _along(axis: int) -> Iterator[Move]:
    """What windows may see instead along one axis."""
    one, other = ("row", "column") if axis == 0 else ("column", "row")
    for by in (-1, 1, -2, 2):
        words = f"begins {abs(by)} {one}{'s' * (abs(by) > 1)} {'before' if by < 0 else 'behind'} its own"
        yield words, 2 + abs(by) / 4, partial(_address, axis, partial(_moved, by))
    yield f"repeats the first {one} of the source before it", 2, partial(_address, axis, _repeats_first)
    yield f"repeats the last {one} of the source behind it", 2, partial(_address, axis, _repeats_last)
    yield f"sees the first {one}s of the source behind its last", 2.2, partial(_address, axis, _wraps_behind)
    yield f"sees the last {one}s of the source before its first", 2.2, partial(_address, axis, _wraps_before)
    yield f"mirrors the source before its first {one}", 2.4, partial(_address, axis, _mirrors)
    for size in (2, 4, 8, 16):
        yield f"sees {one}s modulo {size}", 2.4, partial(_address, axis, partial(_modulo, size))
        yield f"sees {one}s modulo {size}, counted from its padding on", 2.4, partial(_padded_modulo, axis, size)
    for by in (1, 2, 3, 4):
        yield f"is {by} {one}s from the next", 2.2, partial(_walks, axis, "stride", by)
        yield f"has places {by} {one}s apart", 2.3, partial(_walks, axis, "dilation", by)
    for by in (0, 1, 2):
        yield f"has {by} {one}s of padding before the source", 2.4, partial(_walks, axis, "padding", by)
    for sign, way in ((1, "before"), (-1, "behind")):
        words = f"begins as many {one}s {way} its own as its places are apart less one"
        yield words, 2.6, partial(_wider, sign, (axis,))
    for what in EXCHANGED:
        yield f"has the {what} that {other}s have along {one}s, too", 2, partial(_others, axis, what)


def _both() -> Iterator[Move]:
    """What windows may see instead along both."""
    yield "begins as much before its own as its places are apart less one", 2.4, partial(_wider, 1, (0, 1))
    for by in (1, 2):
        yield f"is {by} rows and columns from the next", 2.2, partial(_begun, {"stride": (by, by)})
        yield f"has places {by} rows and columns apart", 2.3, partial(_begun, {"dilation": (by, by)})
    yield "has no padding before the source", 2.2, partial(_begun, {"top": 0, "left": 0})
    for what in EXCHANGED:
        yield f"has the {what} of rows and of columns exchanged", 2, partial(_exchanged, what)
    for words, before, behind in BEYOND:
        yield f"sees the neighbouring row {words}", 2.2, partial(_flat, before, behind, False)
    yield from counted()
    for axis, one in enumerate(("row", "column")):
        yield f"begins at the first {one} where it would before it", 2.2, partial(_clamped, axis)


def _pitched(pitch: Pitches, taps: Taps) -> Taps:
    """Addresses that are made with another pitch, as columns of their row."""
    of_channel, of_row = pitch.of(taps.source, taps.target)
    _, height, width = taps.source
    return taps.but(x=taps.x + (of_channel - height * width) * taps.channel + (of_row - width) * taps.y)


def _moved(by: int, v: Ints, size: int) -> Ints:
    return v + by


def _one_more() -> Iterator[Move]:
    """Borders that are looked for a place too late."""
    for (axis, one), (way, end) in product(enumerate(("row", "column")), (("before", False), ("behind", True))):
        words = f"counts a {one} {way} the source, too, and sees what lies at its address"
        yield words, 2, partial(_one_inside, axis, end)


def _one_inside(axis: int, end: bool, taps: Taps) -> Taps:
    """A row or column beyond one end of the source counts as inside."""
    at, inside = (taps.y, taps.inside_x) if axis == 0 else (taps.x, taps.inside_y)
    return taps.but(there=taps.there | (inside & (at == (taps.source[1 + axis] if end else -1))))


def _repeats_first(v: Ints, size: int) -> Ints:
    return np.maximum(v, 0)


def _repeats_last(v: Ints, size: int) -> Ints:
    return np.minimum(v, size - 1)


def _wraps_behind(v: Ints, size: int) -> Ints:
    return np.where(v >= size, v - size, v)


def _wraps_before(v: Ints, size: int) -> Ints:
    return np.where(v < 0, v + size, v)


def _mirrors(v: Ints, size: int) -> Ints:
    return np.abs(v)


def _modulo(over: int, v: Ints, size: int) -> Ints:
    return np.where(v >= 0, v % over, v)


def _padded_modulo(axis: int, over: int, taps: Taps) -> Taps:
    """Rows or columns of the source and its padding, of too few bits."""
    name, pad = "yx"[axis], taps.padding[axis]
    moved = taps.but(**{name: (getattr(taps, name) + pad) % over - pad})
    return moved.but(there=moved.inside_y & moved.inside_x)


def _clamped(axis: int, taps: Taps) -> Taps:
    """No window begins before the source: its places are those behind the first."""
    name, at = "yx"[axis], (taps.r, taps.c)[axis] * taps.dilation[axis]
    moved = taps.but(**{name: np.maximum(getattr(taps, name) - at, 0) + at})
    return moved.but(there=moved.inside_y & moved.inside_x)


def _held(taps: Taps) -> Taps:
    """Outside of the source what the window before saw at the same place of the kernel; before all it is not known."""
    shape = np.broadcast_shapes(taps.there.shape, taps.y.shape, taps.x.shape)
    flat = (shape[0], shape[1] * shape[2], *shape[3:])
    there, y, x = (np.broadcast_to(own, shape).reshape(flat) for own in (taps.there, taps.y, taps.x))
    last = np.maximum.accumulate(np.where(there, np.arange(flat[1])[:, None, None, None], -1), axis=1)
    at = np.maximum(last, 0)
    y, x = (np.take_along_axis(own, at, axis=1).reshape(shape) for own in (y, x))
    return taps.but(y=y, x=x, there=taps.there | (last >= 0).reshape(shape)).unknown((last < 0).reshape(shape))


def _row_before(taps: Taps) -> Taps:
    """In rows outside of the source the last of those of the kernel before that is inside, of the input before, too; of
    the first it is not known which.
    """
    _, inputs, kh, _ = taps.sizes
    inside = np.broadcast_to(taps.inside_y, (*taps.inside_y.shape[:3], inputs, kh, 1))
    flat = inside.reshape(*inside.shape[:3], -1)
    last = np.maximum.accumulate(np.where(flat, np.arange(inputs * kh), -1), axis=-1).reshape(inside.shape)
    i, r = np.divmod(np.maximum(last, 0), kh)
    y = taps.y + (r - taps.r) * taps.dilation[0]
    moved = taps.but(y=y, channel=taps.channel - taps.i + i)
    known = moved.but(there=moved.inside_y & moved.inside_x)
    return known.unknown((last < 0) & moved.inside_x)


def _address(axis: int, change: Callable[[Ints, int], Ints], taps: Taps) -> Taps:
    """Other rows or columns of the source, of those inside it."""
    name = "yx"[axis]
    moved = taps.but(**{name: change(getattr(taps, name), taps.source[1 + axis])})
    return moved.but(there=moved.inside_y & moved.inside_x)


def _begun(other: dict[str, Any], taps: Taps) -> Taps:
    return taps.begun(**other)


def _walks(axis: int, what: str, by: int, taps: Taps) -> Taps:
    """Another stride, dilation or padding along one axis."""
    both = [*getattr(taps, what)[:2]]
    both[axis] = by
    return _with(what, both, taps)


def _others(axis: int, what: str, taps: Taps) -> Taps:
    """Along one axis the stride, dilation or padding of the other."""
    both = getattr(taps, what)
    return _walks(axis, what, both[1 - axis], taps)


def _exchanged(what: str, taps: Taps) -> Taps:
    return _with(what, [*getattr(taps, what)[1::-1]], taps)


def _with(what: str, both: list[int], taps: Taps) -> Taps:
    return taps.begun(top=both[0], left=both[1]) if what == "padding" else taps.begun(**{what: tuple(both)})


def _wider(sign: int, axes: tuple[int, ...], taps: Taps) -> Taps:
    pads = [pad + sign * (axis in axes) * (taps.dilation[axis] - 1) for axis, pad in enumerate(taps.padding[:2])]
    return _with("padding", pads, taps)


def _flat(before: bool, behind: bool, through: bool, taps: Taps) -> Taps:
    """Columns outside of the source are those of the neighbouring row, where there is one: in its channel, or from the
    last row of a channel on `through` the next one.
    """
    beside = (taps.x < 0) * before + (taps.x >= taps.source[2]) * behind
    address = taps.y * taps.source[2] + taps.x
    kept = taps.inside_y & (through | (address >= 0) & (address < taps.source[1] * taps.source[2]))
    return taps.but(there=taps.there | (kept & (beside > 0)))


def _stacked(before: bool, behind: bool, taps: Taps) -> Taps:
    """Rows outside of the source are those of the neighbouring channel, where there is one."""
    beside = (taps.y < 0) * before + (taps.y >= taps.source[1]) * behind
    return taps.but(there=taps.there | (taps.inside_x & (beside > 0)))


def _seen(change: Callable[[Taps], Taps], ranks: tuple[int, ...], part: Part, with_own_d: bool = False) -> Ints | None:
    """What is delivered when the products of a conv2d, of a dense or of both are others; spikes of another channel
    count with d of that, or of the own.
    """
    scene, q = part.scene, part.scene.into[part.of]
    if q.weights.ndim not in ranks:
        return part.right
    right = taps_of(scene, q)
    if right is None:
        return None
    wrong = change(right)
    if wrong.alike(right):
        return part.right
    plane = scene.codes[q.source]
    codes = of_each_d(scene, q.source) if with_own_d else plane.reshape(len(plane), -1)
    if codes is None:
        return None
    found = wrong.deliver(codes).reshape(len(plane), *scene.population.shape)
    return rows_of(part, found)


def _every_conv2d(net: Network) -> Iterator[Conv2d]:
    """In the order in which they deliver (NET-4)."""
    for q in net.projections:
        match q:
            case Conv2d():
                yield q
            case Dense() | Gate():
                pass
            case _:
                assert_never(q)


def _of_another(which: Callable[[Sequence[Conv2d], int], Conv2d], what: Sequence[str], part: Part) -> Ints | None:
    """What is delivered when windows have the stride, dilation or padding of another conv2d."""
    own, every = part.scene.into[part.of], [*_every_conv2d(part.scene.net)]
    at = next((i for i, q in enumerate(every) if q is own), None)
    if at is None:
        return part.right
    other = which(every, at)
    begun: dict[str, Any] = {one: getattr(other, one) for one in what}
    begun |= dict(zip(("top", "left"), begun.pop("padding", ()), strict=False))
    return _seen(partial(_begun, begun), (4,), part)


def _seen_beyond(change: Callable[[Taps], Taps], part: Part, with_own_d: bool = False) -> Ints | None:
    """The same; what lies beyond the source is not known."""
    found, q = _seen(change, (4,), part, with_own_d), part.scene.into[part.of]
    right = taps_of(part.scene, q)
    if found is None or right is None or q.weights.ndim != 4:
        return found
    unknown = rows_of(part, np.broadcast_to(change(right).beyond(), (part.scene.count, *right.target)))
    return np.where(unknown, UNSAID, found)


def _outside(code: Callable[[Read], Ints], part: Part) -> Ints | None:
    """What is delivered when places outside of the source have a code, by channel (C, 1, 1)."""
    read, q = read_of(part), part.scene.into[part.of]
    if q.weights.ndim != 4:
        return part.right
    plane = np.broadcast_to(code(read), read.codes.shape[1:])
    inside = reference.along(plane[None], q, part.scene.population.shape)
    per_input = code(read)[:, 0, 0].reshape(getattr(q, "groups", 1), 1, -1)
    weights = read.weights.sum(axis=(2, 3))
    everywhere = (weights.reshape(per_input.shape[0], -1, per_input.shape[2]) * per_input).sum(axis=2).ravel()
    more = everywhere[:, None, None] - inside[0]
    return (
        part.right + rows_of(part, np.broadcast_to(more, (part.scene.count, *more.shape))) if more.any() else part.right
    )
