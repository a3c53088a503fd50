"""Membranes that are read, added to and written back, update after update, as spikes come: what is read before what
was written, or from a register beside the memory (CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain, product
from typing import TypeAlias

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.law.projections import Conv2d, Linear
from fsref.verification.composed.delivering import rows_of
from fsref.verification.composed.placing import ALONE, CHANNELS
from fsref.verification.composed.relation import MOSTLY, Change, Part, held
from fsref.verification.scene import Scene

LANES = (1, 2, 4, 8)  # memories of membranes in which channels lie in turn, each with an adder
MOST = 2**15  # updates that are followed, of all images
ALIKE = (2, 4, 8, 16, 32)  # modulo which addresses are compared
DEEP = (1, 2, 3)  # updates that are under way
Update: TypeAlias = tuple[int, int, int]  # an address, what is added there, and its channel
Steps: TypeAlias = Sequence[Sequence[Update]]  # the updates of each step
Follows: TypeAlias = Callable[[dict[int, int], Steps], None]  # what becomes of a memory


def updates_otherwise() -> Iterator[Change]:
    """What becomes of membranes when updates follow one another."""
    for lanes, (dense, far, at_once) in product(LANES, DENSE):
        where = f", channels in {lanes} memories in turn" if lanes > 1 else ""
        for words, dear, follows in RULES:
            text = f"in yours {words}, spike by spike, step by step{where}{dense}"
            change = partial(_followed, follows, lanes, at_once)
            yield Change(text, dear + far + lanes / 100, change, unsaid=MOSTLY)


def _late(deep: int, memory: dict[int, int], steps: Steps) -> None:
    """Memory that is read before the last updates are written."""
    waiting: list[tuple[int, int]] = []
    for address, more, _ in chain.from_iterable(steps):
        waiting.append((address, memory[address] + more))
        if len(waiting) > deep:
            to, then = waiting.pop(0)
            memory[to] = then
    memory.update(waiting)


def _older(memory: dict[int, int], steps: Steps) -> None:
    """Memory of which the sum of the update two before is taken where that was of the address, whatever came since."""
    last: list[tuple[int, int]] = []
    for address, more, _ in chain.from_iterable(steps):
        old = last[0][1] if len(last) == 2 and last[0][0] == address else memory[address]
        memory[address] = old + more
        last = [*last, (address, memory[address])][-2:]


def _taken(alike: int, alone: int | None, memory: dict[int, int], steps: Steps) -> None:
    """Memory of which the last sum is taken for that of any address that is alike, of one channel `alone` or of all."""
    last: tuple[int, int] | None = None
    for address, more, channel in chain.from_iterable(steps):
        taken = last is not None and last[0] % alike == address % alike and alone in (None, channel)
        memory[address] = (last[1] if last is not None and taken else memory[address]) + more
        last = address, memory[address]


def _step_by_step(follows: Follows, memory: dict[int, int], steps: Steps) -> None:
    """The same, with nothing under way when a step ends."""
    for updates in steps:
        follows(memory, [updates])


def _undrained(by_step: bool, memory: dict[int, int], steps: Steps) -> None:
    """Memory to which the last update of all, or of each step, is never written."""
    for updates in steps if by_step else [[*chain.from_iterable(steps)]]:
        for address, more, _ in updates[:-1]:
            memory[address] += more


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
        (
            f"the sum just made is taken for that of any address alike modulo {alike}{of}",
            2.1 + far,
            partial(_taken, alike, alone),
        )
        for alike, (of, far, alone) in product(ALIKE, OF_CHANNELS)
    ),
    ("the sum of the update two before is taken where it was of the same membrane, not the one since", 2.1, _older),
)
RULES: tuple[tuple[str, float, Follows], ...] = (
    *UNDER_WAY,
    *((f"{words}, in each step anew", dear + 0.05, partial(_step_by_step, own)) for words, dear, own in UNDER_WAY),
    ("the last update along a projection is lost", 2.1, partial(_undrained, False)),
    ("the last update of each step is lost", 2.1, partial(_undrained, True)),
)
DENSE: tuple[tuple[str, float, bool], ...] = (("", 0.0, False), (", each dense at once", 0.05, True))


def _followed(follows: Follows, lanes: int, at_once: bool, part: Part) -> Ints | None:
    """The opening membranes when updates of all projections follow one another; None of many."""
    scene = part.scene
    match scene.population:
        case FS() | Readout() as p:
            pass
        case _:
            return None
    if len(scene.into) < len(scene.sums):
        return None
    each = [_updates(scene, name, lanes, at_once) for name in scene.into]
    if any(own is None for own in each):
        return None
    bias = np.broadcast_to(p.bias_map, p.shape)
    address, lane = _addresses(p.shape, lanes)
    found = np.empty((scene.count, p.neurons), np.int64)
    for image in range(scene.count):
        for one in range(lanes):
            mine = np.flatnonzero(lane == one)
            memory = dict(zip(address[mine].tolist(), bias.ravel()[mine].tolist(), strict=True))
            for own in each:
                follows(memory, own[image, one] if own is not None else ())
            found[image, mine] = [memory[at] for at in address[mine].tolist()]
    return held(scene, rows_of(part, found.reshape(-1, *p.shape)))


def _addresses(shape: tuple[int, ...], lanes: int) -> tuple[Ints, Ints]:
    """The address of each neuron, and the memory in which it lies."""
    c, y, x = (each.ravel() for each in np.indices(shape))
    return (c // lanes * shape[1] + y) * shape[2] + x, c % lanes


@lru_cache(maxsize=32)
def _updates(scene: Scene, name: str, lanes: int, at_once: bool) -> dict[tuple[int, ...], list[list[Update]]] | None:
    """The updates along a projection by image and memory, in each step: of each spike in turn those of all outputs, by
    weights of 0, too; None of many.
    """
    q, p = scene.into[name], scene.population
    address, lane = _addresses(p.shape, lanes)
    size = p.shape[1] * p.shape[2]
    z, d = scene.spikes(q.source), scene.net.code_weights[q.source]
    flat = z.reshape(*z.shape[:2], -1)
    found: dict[tuple[int, ...], list[list[Update]]]
    found = {at: [[] for _ in range(flat.shape[1])] for at in np.ndindex(scene.count, lanes)}
    if at_once and q.weights.ndim == 2:
        for (image, n), own in np.ndenumerate(scene.sums[name].reshape(scene.count, -1)):
            found[image, int(lane[n])][-1].append((int(address[n]), int(own), n // size))
        return found
    targets = _targets(scene, q)
    if targets is None or int(flat.sum()) * max(map(len, targets), default=0) > MOST:
        return None
    channels = np.arange(flat.shape[2]) // (flat.shape[2] // d.shape[0])
    for image, t, n in zip(*(each.tolist() for each in np.nonzero(flat)), strict=True):
        worth = int(d[channels[n], t])
        for to, w in targets[n]:
            found[image, int(lane[to])][t].append((int(address[to]), w * worth, to // size))
    return found


@lru_cache(maxsize=32)
def _targets(scene: Scene, q: Linear) -> list[list[tuple[int, int]]] | None:
    """Of each neuron of a source the neurons to which it sends, by output, kernel row and column, and the weights; None
    of many.
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
        for o, r, s in product(range(group * per_group, (group + 1) * per_group), range(kh), range(kw)):
            oy, on_y = divmod(y + q.padding[0] - r * q.dilation[0], q.stride[0])
            ox, on_x = divmod(x + q.padding[1] - s * q.dilation[1], q.stride[1])
            if not on_y and not on_x and 0 <= oy < shape[1] and 0 <= ox < shape[2]:
                own.append(((o * shape[1] + oy) * shape[2] + ox, int(w[o, i, r, s])))
        found.append(own)
    return found
