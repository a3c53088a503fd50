"""What stands in memories that are used again: accumulators that are not cleared, spikes that later ones overwrite
(CONFORM-7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import product
from typing import TypeAlias, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout, Shape
from fsref.verification.composed.addresses import IN_TURN
from fsref.verification.composed.delivering import delivered, rows_of
from fsref.verification.composed.relation import MOSTLY, UNSAID, Change, Part
from fsref.verification.scene import Scene

BANKS = (2, 3, 4)  # memories that populations take in turn
WIDE = (8, 16)  # neurons of a word that holds a row
ROOM = 2**12  # addresses of each memory in which channels lie in turn
SUMS, OPENINGS, MEMBRANES = "sums", "openings", "membranes"  # what may be left in a memory
STAND = ((MEMBRANES, "left in the memory of membranes"), (OPENINGS, "opened with"))
MOST = 0.8  # of what is wrong of which accumulators say nothing: what stood in them is not known in every scope
Address: TypeAlias = Callable[[Shape], NDArray[np.intp]]  # of neurons (C, H, W) in a memory
Gives: TypeAlias = Callable[[Scene, bool, Part], Ints | None]  # in a scene, in which it overwrites its source or not


def addresses(banks: int, shape: Shape) -> NDArray[np.intp]:
    """Where neurons (C, H, W) lie, one memory of ROOM addresses behind the other."""
    c, y, x = np.indices(shape)
    found: NDArray[np.intp] = c % banks * ROOM + (c // banks * shape[1] + y) * shape[2] + x
    return found


def _in_words(n: int, shape: Shape) -> NDArray[np.intp]:
    """Where neurons (C, H, W) lie when each row begins a word of so many; one behind the other where it is longer."""
    c, y, x = np.indices(shape)
    found: NDArray[np.intp] = (c * shape[1] + y) * max(n, shape[2]) + x
    return found


LAYOUTS: tuple[tuple[str, float, Address], ...] = (  # where neurons may lie in memories that populations share
    *((f", channels in {n} memories in turn" if n > 1 else "", n / 100, partial(addresses, n)) for n in IN_TURN),
    *((f", each row in a word of {n}", 0.05, partial(_in_words, n)) for n in WIDE),
)


def stands_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What a projection may deliver beside what stood in its target's accumulators."""
    for words, dear, which in (
        ("all that the projections before it deliver there", 1.3, slice(None)),
        ("what the projection before it delivers there", 1.4, slice(-1, None)),
        ("what the first projection delivers there", 1.6, slice(1)),
    ):
        yield Change(f"yours adds {words}, too", dear, partial(_before, which))
    if any(part.of in part.scene.stood for part in parts):
        yield Change("yours adds what stood in the accumulators before", 1.2, partial(_stood, np.add), unsaid=MOST)
        yield Change("yours is what stood in the accumulators before", 1.6, partial(_stood, _first), unsaid=MOST)
    for where, far, at in LAYOUTS:
        text = f"yours adds what projections before it left in accumulators{where}"
        yield Change(text, 1.4 + far, partial(_left_there, at, SUMS), unsaid=MOSTLY)
    text = "yours reads codes to which those that projections before it read at their addresses are added"
    yield Change(text, 1.6, _codes_kept)
    yield from turns(_delivered)


def begins_otherwise() -> Iterator[Change]:
    """What may stand in the memory of a membrane before the bias comes."""
    for (where, far, at), (kind, words) in product(LAYOUTS, STAND):
        text = f"yours adds what the populations before it {words}{where}"
        yield Change(text, 1.7 + far, partial(_left_there, at, kind), unsaid=MOSTLY)
        text = f"in yours the bias is what the populations before it {words}{where}"
        yield Change(text, 1.8 + far, partial(_left_there, at, kind, instead=True), unsaid=MOSTLY)


def _left_there(address: Address, kind: str, part: Part, instead: bool = False) -> Ints | None:
    """What is right, but for the bias where this is `instead` of it, and what populations before left at the addresses
    of accumulators, or of membranes, that are not cleared; what stood there before the image is not known.
    """
    scene = part.scene
    if not scene.sent:
        return None
    left = rows_of(part, _memory(scene, address, kind)[:, address(scene.population.shape)])
    names = [*scene.sums] if part.of else []
    for name in names[: names.index(part.of)] if names else ():  # nor is what those before it delivered there
        left = np.where(left == UNSAID, UNSAID, left + rows_of(part, scene.sums[name]))
    right = part.right - part.operands["bias"] if instead else part.right
    return np.where(left == UNSAID, UNSAID, right + np.where(left == UNSAID, 0, left))


def _codes_kept(part: Part) -> Ints | None:
    """What is delivered of a buffer of codes that is not cleared between projections, from the first of an image on."""
    scene, net = part.scene, part.scene.net
    plane = np.zeros((scene.count, 0), np.int64)
    for p in net.integrating:
        for name, q in net.into(p.name).items():
            if len(q.sources) > 1 or q.source not in scene.sent:
                return None  # what a gate reads beside its source
            own = _codes(scene, q.source).reshape(scene.count, -1)
            more = max(0, own.shape[1] - plane.shape[1])
            plane = np.pad(plane, ((0, 0), (0, more)))
            plane[:, : own.shape[1]] += own
            if name == part.of:
                shape = (scene.count, *net[q.source].shape)
                return delivered(part, q, plane[:, : own.shape[1]].reshape(shape))
    return None


def _codes(scene: Scene, name: str) -> Ints:
    """What a population before sent, as codes."""
    net = scene.net
    spikes = reference.input_trains(scene.sent[name].astype(np.int64), net.steps[name])
    return reference.codes(spikes, net.code_weights[name])


@lru_cache(maxsize=16)
def _memory(scene: Scene, address: Address, kind: str) -> Ints:
    """What the populations before left of a kind, (B, addresses), UNSAID where none did."""
    net = scene.net
    found = np.full((scene.count, max(IN_TURN) * ROOM), UNSAID)
    for p in net.integrating[: net.integrating.index(scene.population)]:
        sums = sums_of(scene, p)
        if sums is None or p.neurons > ROOM:
            found[:] = UNSAID
            continue
        opening = sum(sums, np.zeros((), np.int64)) + p.bias_map
        found[:, address(p.shape)] = {SUMS: sums[-1], OPENINGS: opening}.get(kind, _behind(p, opening))
    return found


def sums_of(scene: Scene, p: FS | Readout) -> list[Ints] | None:
    """What each projection delivers into a population before, from what was sent."""
    net = scene.net
    into = net.into(p.name).values()
    if any(source not in scene.sent for q in into for source in q.sources):
        return None
    codes = {name: _codes(scene, name) for name in net.sources(p.name)}
    return [reference.carried(codes[q.source], q, p.shape, codes) for q in into]


def _behind(p: FS | Readout, v: Ints) -> Ints:
    """Membranes behind the last step."""
    match p:
        case FS():
            return reference.fire(v, p.table)[1][:, -1]
        case Readout():
            return v
        case _:
            assert_never(p)


def _first(stood: Ints, right: Ints) -> Ints:
    return stood


def _before(which: slice, part: Part) -> Ints:
    """What is right, and what some of the projections before deliver into the same target."""
    names = list(part.scene.sums)
    earlier = [part.scene.sums[name] for name in names[: names.index(part.of)][which]]
    return part.right + rows_of(part, sum(earlier, 0 * part.scene.sums[part.of]))


def _stood(put: Callable[[Ints, Ints], Ints], part: Part) -> Ints | None:
    """What becomes of what stood there; nothing is said where it is not known, None where that is most."""
    if part.of not in part.scene.stood:
        return None
    values, known = part.scene.stood[part.of]
    there = rows_of(part, known.astype(np.int64)) > 0
    if 2 * int((part.wrong & ~there).sum()) > int(part.wrong.sum()):
        return None
    return np.where(there, put(rows_of(part, values), part.right), part.seen)


def _delivered(scene: Scene, over: bool, part: Part) -> Ints:
    """What the projection of a part delivers in a scene."""
    q = scene.net.into(scene.population.name)[part.of]
    return rows_of(part, reference.carried(scene.codes[q.source], q, scene.population.shape, scene.codes))


def turns(gives: Gives) -> Iterator[Change]:
    """What comes of sources whose spikes are overwritten, as populations take so many memories in turn."""
    for banks in BANKS:
        text = f"in yours spikes are kept in {banks} memories in turn, so that those of its source are overwritten"
        yield Change(text, 1.6, partial(_by_turns, banks, gives))


def _by_turns(banks: int, gives: Gives, part: Part) -> Ints | None:
    scene = part.scene
    if not scene.sent:
        return None
    at, *sources = map([p.name for p in scene.net.populations].index, [scene.population.name, *_sources(scene)])
    over = any((at - source) % banks == 0 for source in sources)
    found = overwritten(scene, banks)
    return gives(found, over, part) if over or found is not scene else part.right


def _sources(scene: Scene) -> tuple[str, ...]:
    return tuple(scene.net.sources(scene.population.name))


@lru_cache(maxsize=64)
def overwritten(scene: Scene, banks: int) -> Scene:
    """The scene as a population sees it whose sources' spikes are overwritten by those of the populations that take
    their memories before it receives; the scene itself where none are.
    """
    held = {source: _held(scene, source, banks) for source in _sources(scene)}
    changed = {name: z for name, z in held.items() if not np.array_equal(z, scene.spikes(name))}
    if not changed:
        return scene
    d = scene.net.code_weights
    trains = {name: reference.words(z) for name, z in changed.items()}
    codes = {name: (d[name].T[:, :, None, None] * z).sum(axis=1) for name, z in changed.items()}
    return replace(scene, trains={**scene.trains, **trains}, codes={**scene.codes, **codes})


def _held(scene: Scene, source: str, banks: int) -> NDArray[np.bool_]:
    """The spikes of a source as they are read when the population receives."""
    names = [p.name for p in scene.net.populations]
    first, last = names.index(source), names.index(scene.population.name)
    z = reference.input_trains(scene.sent[source], scene.net.steps[source])
    flat = z.reshape(*z.shape[:2], -1)
    for name in names[first + banks : last : banks]:
        if name in scene.sent:
            more = reference.input_trains(scene.sent[name], scene.net.steps[name])
            over = more.reshape(*more.shape[:2], -1)
            steps, count = min(over.shape[1], flat.shape[1]), min(over.shape[2], flat.shape[2])
            flat[:, :steps, :count] = over[:, :steps, :count]
    return flat.reshape(z.shape)
