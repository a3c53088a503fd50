"""Membranes that are read, added to and written back, update after update, as spikes come: what is read before what
was written, or from a register beside the memory (CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain, product
from typing import NamedTuple, TypeAlias

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.law.projections import Conv2d, Linear
from fsref.verification.composed.addresses import IN_TURN
from fsref.verification.composed.delivering import rows_of
from fsref.verification.composed.placing import ALONE, CHANNELS
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Part, held
from fsref.verification.scene import Scene

MOST = 2**15  # updates that are followed, of all images
DEEP = (1, 2, 3)  # updates that are under way
Memory: TypeAlias = dict[int, int]  # sums by address


class Update(NamedTuple):
    """An address, a weight and d of a spike that comes there, the channel that lies there, its place in that, and the
    number of the spike.
    """

    address: int
    weight: int
    worth: int
    channel: int
    place: int
    spike: int = 0

    @property
    def more(self) -> int:
        """What is added."""
        return self.weight * self.worth


class Order(NamedTuple):
    """In which order updates of a step come: spike by spike, each to all outputs in turn, or output by output along
    projections whose weights have so many dimensions; of a dense all `at_once`; of a conv2d tap by tap, each to all
    outputs.
    """

    by_output: tuple[int, ...] = ()
    at_once: bool = False
    by_tap: bool = False


Steps: TypeAlias = Sequence[Sequence[Update]]  # the updates of each step
Alike: TypeAlias = Callable[[Update, Update], bool]  # whether one is taken for the other
Follows: TypeAlias = Callable[[Memory, Steps], None]  # what becomes of a memory


def updates_otherwise(more: float = 0) -> Iterator[Change]:
    """What becomes of membranes, or sums, when updates follow one another, so much `more` dear."""
    for lanes, (order, far, kind) in product(IN_TURN, ORDERS):
        where = f", channels in {lanes} memories in turn" if lanes > 1 else ""
        for words, dear, follows in RULES:
            text = f"in yours {words}, step by step{order}{where}"
            change = partial(_followed, follows, lanes, kind)
            yield Change(text, dear + far + lanes / 100 + more, change, unsaid=MOSTLY)


def _late(deep: int, memory: Memory, steps: Steps) -> None:
    """Memory that is read before the last updates are written."""
    waiting: list[tuple[int, int]] = []
    for one in chain.from_iterable(steps):
        waiting.append((one.address, memory[one.address] + one.more))
        if len(waiting) > deep:
            to, then = waiting.pop(0)
            memory[to] = then
    memory.update(waiting)


def _older(memory: Memory, steps: Steps) -> None:
    """Memory of which the sum of the update two before is taken where that was of the address, whatever came since."""
    last: list[tuple[int, int]] = []
    for one in chain.from_iterable(steps):
        old = last[0][1] if len(last) == 2 and last[0][0] == one.address else memory[one.address]
        memory[one.address] = old + one.more
        last = [*last, (one.address, memory[one.address])][-2:]


def _modulo(n: int, last: Update, one: Update) -> bool:
    return last.address % n == one.address % n


def _at_place(last: Update, one: Update) -> bool:
    return last.place == one.place


def _taken(alike: Alike, alone: int | None, memory: Memory, steps: Steps) -> None:
    """Memory of which the last sum is taken for that of any address that is alike, of one channel `alone` or of all."""
    last: Update | None = None
    for one in chain.from_iterable(steps):
        taken = last is not None and alone in (None, one.channel) and alike(last, one)
        old = memory[last.address] if last is not None and taken else memory[one.address]
        memory[one.address] = old + one.more
        last = one


def _step_by_step(follows: Follows, memory: Memory, steps: Steps) -> None:
    """The same, with nothing under way when a step ends."""
    for updates in steps:
        follows(memory, [updates])


def _undrained(by_step: bool, memory: Memory, steps: Steps) -> None:
    """Memory to which the last update of all, or of each step, is never written."""
    for updates in steps if by_step else [[*chain.from_iterable(steps)]]:
        for one in updates[:-1]:
            memory[one.address] += one.more


def _late_worth(of_spike: bool, memory: Memory, steps: Steps) -> None:
    """Memory to which the first update of each step, or each spike, comes with d of the one before; the first of all is
    not known.
    """
    last: Update | None = None
    for updates in steps:
        for n, one in enumerate(updates):
            first = n == 0 or (of_spike and last is not None and one.spike != last.spike)
            if last is None:
                memory[one.address] = UNSAID
            worth = last.worth if first and last is not None else one.worth
            memory[one.address] += one.weight * worth if memory[one.address] > UNSAID // 2 else 0
            last = one


ALIKE: tuple[tuple[str, Alike], ...] = (
    *((f"alike modulo {n}", partial(_modulo, n)) for n in (2, 4, 8, 16)),
    ("of the same place in its channel", _at_place),
)
OF_CHANNELS: tuple[tuple[str, float, int | None], ...] = (
    ("", 0.0, None),
    *((f", in channel {channel}", ALONE, channel) for channel in CHANNELS),
)
UNDER_WAY: tuple[tuple[str, float, Follows], ...] = (
    *(
        (
            "a membrane is read before the update just before it is written"
            if deep == 1
            else f"a membrane is read before the {deep} updates before it are written",
            2.0 + deep / 10,
            partial(_late, deep),
        )
        for deep in DEEP
    ),
    *(
        (f"the sum just made is taken for that of any address {words}{of}", 2.1 + far, partial(_taken, alike, alone))
        for (words, alike), (of, far, alone) in product(ALIKE, OF_CHANNELS)
    ),
    ("the sum of the update two before is taken where it was of the same membrane, not the one since", 2.1, _older),
)
RULES: tuple[tuple[str, float, Follows], ...] = (
    *UNDER_WAY,
    *((f"{words}, in each step anew", dear + 0.05, partial(_step_by_step, own)) for words, dear, own in UNDER_WAY),
    ("the last update along a projection is lost", 2.1, partial(_undrained, False)),
    ("the last update of each step is lost", 2.1, partial(_undrained, True)),
    ("the first update of each step has d of the update before it", 2.1, partial(_late_worth, False)),
    ("the first update of each spike has d of the update before it", 2.15, partial(_late_worth, True)),
)
ORDERS: tuple[tuple[str, float, Order], ...] = (
    (", spike by spike", 0.0, Order()),
    (", spike by spike, along a conv2d tap by tap", 0.04, Order(by_tap=True)),
    (", spike by spike, each dense at once", 0.05, Order(at_once=True)),
    (", output by output", 0.05, Order(by_output=(4, 2))),
    (", output by output along a conv2d, spike by spike along a dense", 0.1, Order(by_output=(4,))),
    (", output by output along a conv2d, each dense at once", 0.1, Order(by_output=(4,), at_once=True)),
)


def _followed(follows: Follows, lanes: int, order: Order, part: Part) -> Ints | None:
    """The opening membranes when updates of all projections follow one another, or the sums of one when its own do;
    None of many.
    """
    scene = part.scene
    match scene.population:
        case FS() | Readout() as p:
            pass
        case _:
            return None
    if len(scene.into) < len(scene.sums):
        return None
    each = [_updates(scene, name, lanes, order) for name in ([part.of] if part.of else scene.into)]
    if any(own is None for own in each):
        return None
    bias = np.broadcast_to(0 if part.of else p.bias_map, p.shape)
    address, lane = _addresses(p.shape, lanes)
    found = np.empty((scene.count, p.neurons), np.int64)
    for image in range(scene.count):
        for one in range(lanes):
            mine = np.flatnonzero(lane == one)
            memory: Memory = dict(zip(address[mine].tolist(), bias.ravel()[mine].tolist(), strict=True))
            for own in each:
                follows(memory, own[image, one] if own is not None else ())
            found[image, mine] = [memory[at] for at in address[mine].tolist()]
    rows = rows_of(part, found.reshape(-1, *p.shape))
    return np.where(rows == UNSAID, UNSAID, held(scene, np.where(rows == UNSAID, 0, rows)))


def _addresses(shape: tuple[int, ...], lanes: int) -> tuple[Ints, Ints]:
    """The address of each neuron, and the memory in which it lies."""
    c, y, x = (each.ravel() for each in np.indices(shape))
    return (c // lanes * shape[1] + y) * shape[2] + x, c % lanes


@lru_cache(maxsize=32)
def _updates(scene: Scene, name: str, lanes: int, order: Order) -> dict[tuple[int, ...], list[list[Update]]] | None:
    """The updates along a projection by image and memory, in each step, by weights of 0, too; None of many."""
    q, p = scene.into[name], scene.population
    address, lane = _addresses(p.shape, lanes)
    size = p.shape[1] * p.shape[2]
    z, d = scene.spikes(q.source), scene.net.code_weights[q.source]
    flat = z.reshape(*z.shape[:2], -1)
    found: dict[tuple[int, ...], list[list[Update]]]
    found = {at: [[] for _ in range(flat.shape[1])] for at in np.ndindex(scene.count, lanes)}
    if order.at_once and q.weights.ndim == 2:
        for (image, n), own in np.ndenumerate(scene.sums[name].reshape(scene.count, -1)):
            one = Update(int(address[n]), int(own), 1, n // size, n % size)
            found[image, int(lane[n])][-1].append(one)
        return found
    targets = _targets(scene, q, order.by_tap)
    if targets is None or int(flat.sum()) * max(map(len, targets), default=0) > MOST:
        return None
    channels = np.arange(flat.shape[2]) // (flat.shape[2] // d.shape[0])
    for image, t, n in zip(*(each.tolist() for each in np.nonzero(flat)), strict=True):
        worth, spike = int(d[channels[n], t]), t * flat.shape[2] + n
        for to, w in targets[n]:
            found[image, int(lane[to])][t].append(Update(int(address[to]), w, worth, to // size, to % size, spike))
    for steps in found.values() if q.weights.ndim in order.by_output else ():
        for updates in steps:
            updates.sort(key=lambda one: one.address)
    return found


@lru_cache(maxsize=32)
def _targets(scene: Scene, q: Linear, by_tap: bool) -> list[list[tuple[int, int]]] | None:
    """Of each neuron of a source the neurons to which it sends, by output, kernel row and column, or the output last,
    and the weights; None of many.
    """
    source, shape = scene.net[q.source].shape, scene.population.shape
    w = q.weights.astype(np.int64)
    neurons = int(np.prod(source))
    match q:
        case Conv2d():
            pass
        case _:
            if neurons * len(w) > MOST:
                return None
            of = np.arange(neurons) // (neurons // w.shape[1])  # of a pooled dense the channels
            return [[*enumerate(column)] for column in w[:, of].T.tolist()]
    outputs, inputs, kh, kw = w.shape
    per_group = outputs // q.groups
    if neurons * per_group * kh * kw > MOST:
        return None
    found: list[list[tuple[int, int]]] = []
    for c, y, x in np.ndindex(*source):
        own = []
        group, i = divmod(c, inputs)
        taps = product(range(group * per_group, (group + 1) * per_group), range(kh), range(kw))
        for o, r, s in sorted(taps, key=lambda tap: tap[1:]) if by_tap else taps:
            oy, on_y = divmod(y + q.padding[0] - r * q.dilation[0], q.stride[0])
            ox, on_x = divmod(x + q.padding[1] - s * q.dilation[1], q.stride[1])
            if not on_y and not on_x and 0 <= oy < shape[1] and 0 <= ox < shape[2]:
                own.append(((o * shape[1] + oy) * shape[2] + ox, int(w[o, i, r, s])))
        found.append(own)
    return found
