"""Rows of tables that neurons take instead of their own: of another channel, or of another population (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import TypeAlias

import numpy as np

from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.law.populations import FS
from fsref.verification.composed.addresses import IN_TURN
from fsref.verification.composed.counters import Counter, by_counter, counters
from fsref.verification.composed.placing import by_neuron
from fsref.verification.composed.relation import UNSAID
from fsref.verification.composed.where import Other, others
from fsref.verification.scene import Scene

# T, h or d of a population by step and neuron, (K, C, H, W) or (K, C, 1, 1), UNSAID where it is not known what stands
# there; None where they are its own.
Rows: TypeAlias = Callable[[Scene, str, str], Ints | None]
Pitch: TypeAlias = Callable[[Network, str], int]  # from a population how far apart the channels of its table lie
Keeps: TypeAlias = Callable[[FS, FS], bool]  # whether the table of the one loaded last stays for the next
KEPT: tuple[tuple[str, float, Keeps], ...] = (
    ("the first fs", 2, lambda last, own: True),
    ("the fs loaded last, which stays where K is the same", 2.2, lambda last, own: last.steps == own.steps),
    (
        "the fs loaded last, which stays where the number of channels is the same",
        2.3,
        lambda last, own: last.shape[0] == own.shape[0],
    ),
    (
        "the fs loaded last, which stays where K and the number of channels are the same",
        2.3,
        lambda last, own: (last.steps, last.shape[0]) == (own.steps, own.shape[0]),
    ),
    (
        "the fs loaded last, which stays where K and the number of rows of the table are the same",
        2.3,
        lambda last, own: (last.steps, last.table.channels) == (own.steps, own.table.channels),
    ),
)


def _steps_before(net: Network, name: str) -> int:
    """K of the population before in the load; of the input its own."""
    names = [p.name for p in net.populations]
    return net.steps[names[max(0, names.index(name) - 1)]]


def _steps_of_input(net: Network, name: str) -> int:
    return net.input.steps


def _steps_of_word(n: int, net: Network, name: str) -> int:
    return n


PITCHES: tuple[tuple[str, Pitch], ...] = (
    ("the population before has steps", _steps_before),
    ("the input has steps", _steps_of_input),
    *((f"words of {n} steps are long", partial(_steps_of_word, n)) for n in (4, 8, 16)),
)


def rows_otherwise() -> Iterator[tuple[str, float, Rows]]:
    """What rows may be of, in words, how dear these are, and the rows."""
    yield "channel 0", 1.7, partial(_of_channel, 0)
    yield "the last channel", 2, partial(_of_channel, -1)
    yield "the channel before, the first that of another population", 2.1, _channel_before
    for n in IN_TURN:
        words = f"the channel {n} before, the first ones that of the last in the step before"
        yield words, 2.2 + n / 100, partial(_lane_before, n)
    for n in IN_TURN:
        lane = f" in its lane, of {n} that channels take in turn" if n > 1 else ""
        words = f"the step before, in the first that of the last step of the neuron before{lane}"
        yield words, 2.15 + n / 100, partial(_neuron_before, n)
    for other in others("neuron"):
        yield f"the channel of {other.text}", other.dear + 0.4, partial(_of_neuron, other)
    for counter in counters():
        yield counter.text, counter.dear + 0.4, partial(_counted, counter)
    for words, by in (("the next entry of the memory that holds all rows", 1), ("the entry before it there", -1)):
        yield words, 2.2, partial(_beside, by)
    yield "the next step, in the last one what lies behind its row", 2.6, partial(_step_beside, 1)
    yield "the step before, in the first one what lies before its row", 2.6, partial(_step_beside, -1)
    for words, pitch in PITCHES:
        yield f"an address at which channels lie as far apart as {words}", 2.2, partial(_pitched, pitch)
    for n, (which, whole) in product((4, 8, 16), (("row", False), ("channel's row", True))):
        words = f"an address with a pitch of K, where each {which} lies in a word of {n} steps"
        yield words, 2.2, partial(_narrowed, n, whole)
    for table in "Th":
        yield f"channel 0 where {table} has one row, its own where {table} has more", 2.3, partial(_as_of, table)
    yield "the fs before it", 2, _before
    for words, dear, keeps in KEPT:
        yield words, dear, partial(_kept, keeps)


def own_rows(net: Network, name: str, which: str) -> Ints:
    """The rows of a population's own channels, (K, C, 1, 1)."""
    match net[name]:
        case FS() as p:
            rows: Ints = dict(zip("Thd", p.table.rows(p.shape[0]), strict=True))[which]
        case _:
            rows = net.code_weights[name]
    return rows.T[:, :, None, None]


def _of_channel(at: int, scene: Scene, name: str, which: str) -> Ints:
    own = own_rows(scene.net, name, which)
    return np.broadcast_to(own[:, [at]], own.shape)


def _channel_before(scene: Scene, name: str, which: str) -> Ints:
    own = own_rows(scene.net, name, which)
    return np.concatenate([np.full_like(own[:, :1], UNSAID), own[:, :-1]], axis=1)


def _lane_before(n: int, scene: Scene, name: str, which: str) -> Ints:
    """Rows that stay in so many registers, which channels take in turn step by step; what stood there before the first
    step is not known.
    """
    own = own_rows(scene.net, name, which)
    c = np.arange(own.shape[1])
    last = c % n + (len(c) - 1 - c % n) // n * n
    late = np.concatenate([np.full_like(own[:1], UNSAID), own[:-1]])[:, last]
    return np.where((c < n)[:, None, None], late, own[:, np.maximum(c - n, 0)])


def _neuron_before(n: int, scene: Scene, name: str, which: str) -> Ints:
    """Rows that come an entry late, neuron by neuron, in registers that channels take in turn; what stood there before
    the first neuron is not known.
    """
    own = own_rows(scene.net, name, which)
    shape = scene.net[name].shape
    found = np.broadcast_to(np.concatenate([own[-1:], own[:-1]]), (len(own), *shape)).copy()
    found[0, :, 0, 0] = np.concatenate([np.full(n, UNSAID), own[-1, :, 0, 0]])[: shape[0]]
    return found


def _of_neuron(other: Other, scene: Scene, name: str, which: str) -> Ints:
    return by_neuron(scene.net[name].shape, other, own_rows(scene.net, name, which))


def _counted(counter: Counter, scene: Scene, name: str, which: str) -> Ints:
    return by_counter(counter, scene.net[name].shape, own_rows(scene.net, name, which), UNSAID)


def _beside(by: int, scene: Scene, name: str, which: str) -> Ints:
    """Rows read so many entries on, step by step in each channel; UNSAID beyond the table."""
    own = own_rows(scene.net, name, which)
    rows = own[:, :1] if (own == own[:, :1]).all() else own  # one row may serve all channels
    flat = rows[:, :, 0, 0].T.ravel()
    at = np.arange(flat.size) + by
    found = np.where((at >= 0) & (at < flat.size), flat[np.clip(at, 0, flat.size - 1)], UNSAID)
    return np.broadcast_to(found.reshape(rows.shape[1], -1).T[:, :, None, None], own.shape)


def _pitched(pitch: Pitch, scene: Scene, name: str, which: str) -> Ints:
    """Rows read where channels lie as far apart as another population has steps; UNSAID beyond the table."""
    own = own_rows(scene.net, name, which)
    steps, channels = own.shape[:2]
    at = np.arange(channels) * pitch(scene.net, name) + np.arange(steps)[:, None]
    flat = own[:, :, 0, 0].T.ravel()
    found = np.where(at < flat.size, flat[np.minimum(at, flat.size - 1)], UNSAID)
    return own if (own == own[:, :1]).all() else found[:, :, None, None]


def _step_beside(by: int, scene: Scene, name: str, which: str) -> Ints:
    """Rows read so many steps on; UNSAID behind the last, or before the first."""
    own = own_rows(scene.net, name, which)
    at = np.arange(len(own)) + by
    there = (at >= 0) & (at < len(own))
    found: Ints = np.where(there[:, None, None, None], own[np.clip(at, 0, len(own) - 1)], UNSAID)
    return found


def _narrowed(n: int, whole: bool, scene: Scene, name: str, which: str) -> Ints:
    """Rows that each lie in a word of so many steps, the rest 0, read as if they lay one behind the other; one for each
    channel, or one where it serves all.
    """
    own = own_rows(scene.net, name, which)
    steps, channels = own.shape[:2]
    if steps >= n or (not whole and (own == own[:, :1]).all()):
        return own
    memory = np.zeros((channels, n), np.int64)
    memory[:, :steps] = own[:, :, 0, 0].T
    at = np.arange(channels) * steps + np.arange(steps)[:, None]
    found: Ints = memory.ravel()[at][:, :, None, None]
    return found


def _as_of(other: str, scene: Scene, name: str, which: str) -> Ints:
    """Rows of channels where those of another table differ, else of channel 0; UNSAID where it is one row that does not
    serve all.
    """
    own, beside = (own_rows(scene.net, name, each) for each in (which, other))
    one, alone = (bool((rows == rows[:, :1]).all()) for rows in (own, beside))
    if one == alone:
        return own
    first = np.arange(own.shape[1])[:, None, None] == 0
    return np.broadcast_to(own[:, :1], own.shape) if alone else np.where(first, own, UNSAID)


def _before(scene: Scene, name: str, which: str) -> Ints | None:
    names = [p.name for p in scene.net.fs]
    return _of(scene, scene.net.fs[names.index(name) - 1], name, which) if name in names[1:] else None


def _kept(keeps: Keeps, scene: Scene, name: str, which: str) -> Ints | None:
    """Rows of the table loaded last, from image to image; UNSAID where what an image leaves decides for the first."""
    first, then = (_loaded(keeps, scene.net, name, images) for images in (1, 2))
    if first is None or then is None:
        return None
    return _of(scene, first, name, which) if first is then else np.full_like(own_rows(scene.net, name, which), UNSAID)


def _loaded(keeps: Keeps, net: Network, name: str, images: int) -> FS | None:
    """The fs whose table is loaded when a population fires in the last of some images; None of what is no fs."""
    last: FS | None = None
    found: FS | None = None
    for p in net.fs * images:
        last = last if last is not None and keeps(last, p) else p
        found = last if p.name == name else found
    return found


def _of(scene: Scene, other: FS, name: str, which: str) -> Ints:
    """Rows of another fs, as far as there are steps and channels of it, and as it fires before."""
    own = own_rows(scene.net, name, which)
    if other.name == name:
        return own
    rows = own_rows(scene.net, other.name, which)[:, :, 0, 0]
    t, c = np.arange(own.shape[0])[:, None], np.arange(own.shape[1])
    known = (t < rows.shape[0]) & (c < rows.shape[1]) & bool(scene.sent)
    found = np.where(known, rows[np.minimum(t, len(rows) - 1), np.minimum(c, rows.shape[1] - 1)], UNSAID)
    return found[:, :, None, None]
