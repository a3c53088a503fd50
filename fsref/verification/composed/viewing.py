"""What a view shows: which places of its source, and when (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Input, MaxPool, Readout, View
from fsref.verification.composed.addresses import Pitches, pitches
from fsref.verification.composed.relation import UNSAID, Change, Part, part_of
from fsref.verification.composed.sending import sends_otherwise
from fsref.verification.composed.standing import turns
from fsref.verification.composed.where import Other, others
from fsref.verification.scene import Scene

Places = NDArray[np.intp]  # of the source, along an axis or by address, below 0 where nothing is shown
Show = Callable[[View, int, Places], Places]  # what is shown along one axis, of so many places
FIXED: tuple[tuple[str, float, Show], ...] = (
    ("the places that it shows in their order, from the first on", 1.8, lambda p, n, at: np.arange(len(at))),
    ("the first place where it shows nothing", 1.7, lambda p, n, at: np.maximum(at, 0)),
    ("the last place where it shows nothing", 1.8, lambda p, n, at: np.where(at < 0, n - 1, at)),
    ("the place before where it shows nothing", 2, lambda p, n, at: _filled(at)),
)

# Where rows and columns begin in the lists: from where their own do, and those of the view before.
Begin = Callable[[int, int, int], tuple[int, int]]
LISTS: tuple[tuple[str, float, Begin], ...] = (
    ("the list of rows is read one too early", 2, lambda y, x, _: (y - 1, x)),
    ("the list of rows is read one too far", 2, lambda y, x, _: (y + 1, x)),
    ("the list of columns is read one too early", 2, lambda y, x, _: (y, x - 1)),
    ("the list of columns is read one too far", 2, lambda y, x, _: (y, x + 1)),
    ("both lists are read one too early", 2.1, lambda y, x, _: (y - 1, x - 1)),
    ("both lists are read one too far", 2.1, lambda y, x, _: (y + 1, x + 1)),
    ("the list of columns is read from that of rows on", 2, lambda y, x, _: (y, y)),
    ("the list of rows is read from that of columns on", 2, lambda y, x, _: (x, x)),
    ("the lists of all views are read from the first of them on", 2, lambda y, x, _: (0, x - y)),
    ("the lists are read from those of the view before on", 2.1, lambda y, x, before: (before, before + x - y)),
)


def viewing(scene: Scene, p: View) -> Part | None:
    """Whether a neuron of a view fires (VIEW-1)."""
    words = scene.theirs.get("spikes")
    if words is None:
        return None
    seen = reference.input_trains(words.astype(np.int64), scene.net.steps[p.name])
    rows, columns = p.rows[:, None] < 0, p.columns < 0
    none = np.broadcast_to(rows | columns, p.shape)
    right = _shown(scene, p, _address(p, _source(scene, p)))
    part = part_of(scene, seen, right, {}, {}, {"where it shows nothing": none})
    return replace(part, facts={**part.facts, "in a view": np.ones(len(part.right), np.int64)})


def _source(scene: Scene, p: View) -> tuple[int, int, int]:
    return scene.net[p.source].shape


def views_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What a view may show instead."""
    yield from sends_otherwise(parts)
    yield from turns(_in)
    for axis, name in enumerate(("row", "column")):
        for by in (-1, 1, -2, 2):
            where = f"{abs(by)} {name}{'s' * (abs(by) > 1)} {'before' if by < 0 else 'behind'}"
            yield _shows(f"{where} that of its source", 1.8 + abs(by) / 8, axis, partial(_moved, by))
            yield _shows(f"{where} that of its source, around the end", 2.2, axis, partial(_around, by))
            yield _shows(f"{where} that of its source, up to the end", 2.2, axis, partial(_clipped, by))
        for words, dear, show in FIXED:
            yield _shows(f"along {name}s {words}", dear, axis, show)
        for other in others(name):
            yield _shows(f"of its source {other.text}", other.dear + 0.2, axis, partial(_of_source, other))
    for other in others("channel"):
        yield Change(f"yours shows {other.text} of its source", other.dear, partial(_of_channel, other))
    yield Change("yours shows its source as it lies, by address", 1.9, _as_it_lies)
    yield Change("in yours the places of rows and of columns are exchanged", 1.8, _exchanged)
    for words, dear, show in FIXED:
        yield Change(f"yours shows along both axes {words}", dear, partial(_along_both, show))
    for words, axes in (("row", (0,)), ("column", (1,)), ("row or column", (0, 1))):
        text = f"yours does not look whether a {words} is -1, and shows what lies at its address"
        yield Change(text, 2, partial(_unlooked, axes))
    for words, dear, listed in LISTS:
        yield Change(f"in yours {words}", dear, partial(_listed, listed))
    for pitch in pitches():
        text = f"in yours the source is read as if its {pitch.text}"
        yield Change(text, pitch.dear, partial(_pitched, pitch))


def _unlooked(axes: tuple[int, ...], part: Part) -> Ints | None:
    """The spikes at addresses that are made of places that show nothing, too; before the source nobody knows them."""
    scene, p = part.scene, part.scene.population
    if not isinstance(p, View) or scene.part is not None:
        return None
    (_, height, width), y, x = _source(scene, p), p.rows.astype(np.intp), p.columns.astype(np.intp)
    rows, columns = ((at >= 0) | (axis in axes) for axis, at in enumerate((y, x)))
    address = np.where(
        rows[:, None] & columns, (np.arange(p.shape[0])[:, None, None] * height + y[:, None]) * width + x, -1
    )
    unknown = rows[:, None] & columns & (address < 0)
    z = _shown(scene, p, address)
    return np.where(np.broadcast_to(unknown, z.shape), UNSAID, z).ravel()


def _listed(begin: Begin, part: Part) -> Ints | None:
    """The places that are shown where the lists, which lie one behind the other, are read from elsewhere on."""
    views = [p for p in part.scene.net.populations if isinstance(p, View)]
    memory = np.concatenate([places for p in views for places in (p.rows, p.columns)]).astype(np.intp)
    ends = np.cumsum([0, *(len(p.rows) + len(p.columns) for p in views)])

    def address(p: View, source: tuple[int, int, int]) -> Places:
        n = views.index(p)
        own = int(ends[n])
        rows, columns = begin(own, own + len(p.rows), int(ends[max(n - 1, 0)]))
        return _address(
            p,
            source,
            memory.take(rows + np.arange(len(p.rows)), mode="wrap"),
            memory.take(columns + np.arange(len(p.columns)), mode="wrap"),
        )

    return _changed(part, address)


def _shows(words: str, dear: float, axis: int, show: Show) -> Change:
    return Change(f"yours shows {words}", dear, partial(_along, axis, show))


def _shown(scene: Scene, p: View, address: Places) -> Ints:
    """The spikes (B, K, C, H, W) of a view that shows these addresses (C, H, W) of its source."""
    z = scene.spikes(p.source).astype(np.int64)
    flat = z.reshape(*z.shape[:2], -1)
    there = (address >= 0) & (address < flat.shape[2])
    found: Ints = flat[:, :, np.where(there, address, 0).ravel()] * there.ravel()
    return found.reshape(*z.shape[:2], *address.shape)


def _address(
    p: View,
    source: tuple[int, int, int],
    rows: Places | None = None,
    columns: Places | None = None,
    pitch: tuple[int, int] | None = None,
    channels: Places | None = None,
) -> Places:
    """The addresses (C, H, W) that places give, -1 where nothing is shown."""
    y, x = p.rows if rows is None else rows, p.columns if columns is None else columns
    of_channel, of_row = (source[1] * source[2], source[2]) if pitch is None else pitch
    c = np.arange(p.shape[0]) if channels is None else channels
    inside = ((y >= 0) & (y < source[1]))[:, None] & (x >= 0) & (x < source[2])
    return np.where(inside, c[:, None, None] * of_channel + y[:, None] * of_row + x, -1)


def _in(scene: Scene, over: bool, part: Part) -> Ints | None:
    """What it shows by the law in a scene."""
    return _changed(replace(part, scene=scene), _address)


def _changed(part: Part, address: Callable[[View, tuple[int, int, int]], Places]) -> Ints | None:
    """The spikes of a view that shows other addresses; None of a scene that is judged in part."""
    match part.scene.population:
        case View() as p if part.scene.part is None:
            return _shown(part.scene, p, address(p, _source(part.scene, p))).ravel()
        case View():
            return None
        case FS() | Readout() | MaxPool() | Input() as other:
            raise AssertionError(other.kind)
        case never:
            assert_never(never)


def _along(axis: int, show: Show, part: Part) -> Ints | None:
    def address(p: View, source: tuple[int, int, int]) -> Places:
        places = show(p, source[1 + axis], p.rows if axis == 0 else p.columns)
        return _address(p, source, places, None) if axis == 0 else _address(p, source, None, places)

    return _changed(part, address)


def _along_both(show: Show, part: Part) -> Ints | None:
    return _changed(part, lambda p, s: _address(p, s, show(p, s[1], p.rows), show(p, s[2], p.columns)))


def _of_channel(other: Other, part: Part) -> Ints | None:
    return _changed(part, lambda p, s: _address(p, s, channels=other.of(p.shape[0])))


def _pitched(pitch: Pitches, part: Part) -> Ints | None:
    return _changed(part, lambda p, s: _address(p, s, pitch=pitch.of(s, p.shape)))


def _exchanged(part: Part) -> Ints | None:
    """The list of columns by rows, and the other way round, each repeated or cut to fit."""
    return _changed(
        part, lambda p, s: _address(p, s, np.resize(p.columns, len(p.rows)), np.resize(p.rows, len(p.columns)))
    )


def _as_it_lies(part: Part) -> Ints | None:
    return _changed(part, lambda p, s: np.arange(p.neurons).reshape(p.shape))


def _moved(by: int, p: View, n: int, at: Places) -> Places:
    return np.where(at < 0, -1, at + by)


def _around(by: int, p: View, n: int, at: Places) -> Places:
    return np.where(at < 0, -1, (at + by) % n)


def _clipped(by: int, p: View, n: int, at: Places) -> Places:
    return np.where(at < 0, -1, np.clip(at + by, 0, n - 1))


def _of_source(other: Other, p: View, n: int, at: Places) -> Places:
    return np.where(at < 0, -1, other.of(n)[np.maximum(at, 0)])


def _filled(at: Places) -> Places:
    """Places, of which those that show nothing are the one before."""
    last = np.maximum.accumulate(np.where(at < 0, -1, np.arange(len(at))))
    return np.where(last < 0, -1, at[np.maximum(last, 0)])
