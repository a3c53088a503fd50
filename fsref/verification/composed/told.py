"""What is told otherwise than it is: one observable of a population that is wrong alone (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints, base_two
from fsref.law.populations import FS
from fsref.verification.composed.addresses import IN_TURN
from fsref.verification.composed.collecting import told_collected
from fsref.verification.composed.earlier import before, is_known
from fsref.verification.composed.latching import latches_otherwise
from fsref.verification.composed.placing import arranged, as_rows, told_elsewhere
from fsref.verification.composed.relation import (
    MOSTLY,
    UNSAID,
    Change,
    Part,
    column,
    moved,
    part_of,
    result,
    shifted,
    taken,
)
from fsref.verification.composed.values import BECOMES
from fsref.verification.scene import Scene

PACKED = (4, 8, 12, 15, 16, 32)  # steps of trains in one word
STACKED = (8, 16, 32)  # bits of a register of trains
STACKS = (("all neurons before", False), ("the neurons of its channel before, and of one more,", True))
APART: tuple[tuple[str, Callable[[tuple[int, ...]], int]], ...] = (  # neurons of one register, from a shape
    ("the neurons of its column before", lambda shape: shape[2]),
    *((f"every {n}th neuron before", lambda shape, n=n: n) for n in (4, 8, 16)),
)
BESIDE = (-1, 1, -2, 2, -4, 4, -8, 8)  # addresses


def telling(scene: Scene, seen: Ints, right: Ints) -> Part:
    """An observable beside what is right."""
    right = right.astype(np.int64)
    operands = {f"the neuron {abs(by)} {'before' if by < 0 else 'behind'}": moved(right, by) for by in BESIDE}
    if right.ndim == 5:
        operands |= {"the step before": shifted(right, -1, 1), "the next step": shifted(right, 1, 1)}
        first = right[:, 0] if scene.opening is None else scene.opening
        operands["the step before, of the opening first"] = np.concatenate([first[:, None], right[:, :-1]], axis=1)
    return part_of(scene, seen, right, operands, {"it": right}, {})


def with_first_step(part: Part) -> Part:
    """An opening membrane beside what is left of it behind the first step."""
    match part.scene.population:
        case FS() as p if part.scene.opening is not None:
            left = reference.fire(part.scene.opening, p.table)[1][:, 0]
            return replace(part, operands={**part.operands, "the membrane behind the first step": as_rows(part, left)})
        case _:
            return part


def telling_trains(scene: Scene, seen: Ints, right: Ints) -> Part:
    """Trains beside what is right: in the place of each step, another."""
    steps = scene.net.steps[scene.population.name]
    spikes = reference.input_trains(right, steps)
    power = base_two(steps)[:, None, None, None]
    at = np.arange(steps)
    orders = {
        "the steps backwards": at[::-1],
        "a step late, the last one first": np.roll(at, 1),
        "a step early, the first one last": np.roll(at, -1),
        "steps 0 and 1 exchanged": np.where(at < 2, np.minimum(at ^ 1, steps - 1), at),
        "the last two steps exchanged": np.where(at < steps - 2, at, 2 * steps - 3 - at) if steps > 1 else at,
        "even and odd steps exchanged": np.minimum(at ^ 1, steps - 1),
    }
    operands = {name: (power * spikes[:, order]).sum(axis=1) for name, order in orders.items()}
    operands |= {
        f"without step {t}": right & ~np.int64(1 << (steps - 1 - t)) if t < steps else right for t in range(16)
    }
    operands["without its last step"] = right & ~1
    held = np.logical_or.accumulate(spikes, axis=1)
    operands["each spike in all steps behind it, too"] = (power * held).sum(axis=1)
    operands |= {f"the neuron {abs(by)} {'before' if by < 0 else 'behind'}": moved(right, by) for by in BESIDE}
    return part_of(scene, seen, right, operands, {}, {})


def trains_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """Which trains may be told instead."""
    for name in parts[0].operands:
        text = f"yours is that of {name}" if name.startswith("the neuron") else f"yours has {name}"
        text = f"yours is {name}" if name.startswith("without") else text
        yield taken(text, 2, column(name))
    yield Change("yours has no spikes", 1.8, lambda part: 0 * part.right)
    for steps in PACKED:
        yield Change(f"yours is packed as one of {steps} steps, from its first on", 2, partial(_packed, steps))
    for bits, (words, of_channel) in product(STACKED, STACKS):
        text = f"yours holds the trains of {words} above its own, in {bits} bits"
        yield Change(text, 2, partial(_stacked, bits, of_channel))
    for bits, (words, apart) in product(STACKED, APART):
        text = f"yours holds the trains of {words} above its own, in {bits} bits"
        yield Change(text, 2.1, partial(_stacked_apart, bits, apart), unsaid=MOSTLY)
    yield from told_collected()
    for words, of_channel in (("all neurons before it", False), ("the neurons before it in its channel", True)):
        yield Change(f"yours is ORed with those of {words}", 1.9, partial(_held_on, of_channel), unsaid=MOSTLY)
    yield from latches_otherwise()
    yield from told_elsewhere()
    yield from told_before(parts)


def _packed(steps: int, part: Part) -> Ints:
    """Trains whose first step stands where that of a longer one would."""
    return part.right << max(0, steps - part.scene.net.steps[part.scene.population.name])


def _stacked(bits: int, of_channel: bool, part: Part) -> Ints | None:
    """Trains in a register that is shifted and never cleared: of all neurons of a population, or of those of a channel,
    before which it held one train alone.
    """
    rows, steps = arranged(part, part.right), part.scene.net.steps[part.scene.population.name]
    if rows is None:
        return None
    flat = rows.reshape(len(rows), -1)
    size = int(np.prod(rows.shape[2:]))
    at = np.arange(flat.shape[1])
    found = flat.copy()
    for by in range(1, -(-bits // steps)):
        before = at - by >= (np.maximum(at // size * size - 1, 0) if of_channel else 0)
        found |= np.where(before, flat[:, np.maximum(at - by, 0)] << (by * steps), 0)
    return (found & ((1 << bits) - 1)).ravel()


def _stacked_apart(bits: int, apart: Callable[[tuple[int, ...]], int], part: Part) -> Ints | None:
    """The same of neurons that lie so far apart; what stood there before the first is not known."""
    rows, steps = arranged(part, part.right), part.scene.net.steps[part.scene.population.name]
    if rows is None:
        return None
    flat, n = rows.reshape(len(rows), -1), apart(rows.shape[1:])
    at, found = np.arange(flat.shape[1]), flat.copy()
    for by in range(1, -(-bits // steps)):
        found |= np.where(at >= by * n, flat[:, np.maximum(at - by * n, 0)] << (by * steps), 0)
    known = at >= (-(-bits // steps) - 1) * n
    return np.where(known, found & ((1 << bits) - 1), UNSAID).ravel()


def _held_on(of_channel: bool, part: Part) -> Ints | None:
    """Trains ORed with what was told of the neuron before; it is not known with what the first one is."""
    right, seen = arranged(part, part.right), arranged(part, part.seen)
    if right is None or seen is None:
        return None
    shape = (*right.shape[:2], -1) if of_channel else (len(right), 1, -1)
    rows, told = right.reshape(shape), seen.reshape(shape)
    found = rows.copy()
    found[..., 1:] |= told[..., :-1]
    found[..., 0] = UNSAID
    return found.ravel()


def told_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What may be told instead."""
    for name in parts[0].operands:
        yield taken(f"yours is {'' if name.startswith('the membrane') else 'that of '}{name}", 2, column(name))
    yield from told_elsewhere()
    yield from told_before(parts)
    text = "yours adds what it told of the neuron before"
    yield Change(text, 1.9, partial(_running, False), unsaid=MOSTLY)
    yield Change(f"{text} in its channel", 1.8, partial(_running, True), unsaid=MOSTLY)
    for n in IN_TURN:
        text = f"yours adds what it told of the channel {n} before"
        yield Change(text, 1.9, partial(_on_from, n), unsaid=MOSTLY)
    yield from (Change(f"yours {each.text}", each.dear, result(each)) for each in BECOMES)


def _running(of_channel: bool, part: Part) -> Ints | None:
    """What is told in a register that is not cleared between neurons; it is not known what the first finds there."""
    seen = arranged(part, part.seen)
    if seen is None:
        return None
    lines = seen.reshape(*seen.shape[:-2], -1) if of_channel else seen.reshape(*seen.shape[:-3], -1)
    before = np.concatenate([np.full_like(lines[..., :1], UNSAID), lines[..., :-1]], axis=-1).ravel()
    return np.where(before == UNSAID, UNSAID, part.right + np.where(before == UNSAID, 0, before))


def _on_from(n: int, part: Part) -> Ints | None:
    """What is told in registers that take channels in turn, and are not cleared."""
    seen = arranged(part, part.seen)
    if seen is None:
        return None
    before = np.concatenate([np.full_like(seen[..., :n, :, :], UNSAID), seen[..., :-n, :, :]], axis=-3)
    flat = before[..., : seen.shape[-3], :, :].ravel()
    return np.where(flat == UNSAID, UNSAID, part.right + np.where(flat == UNSAID, 0, flat))


def told_before(parts: Sequence[Part]) -> Iterator[Change]:
    """What is told of the image before."""
    if not is_known(parts[0].scene):
        return
    yield Change("yours is that of the image before", 1.5, partial(_told, _that_before))
    yield Change("yours is ORed with that of the image before", 1.8, partial(_told, np.bitwise_or))
    yield Change("yours is no less than that of the image before", 2, partial(_told, np.maximum))
    yield Change("yours adds that of the image before", 1.8, partial(_told, np.add))
    yield Change("yours adds what it told of the image before", 1.7, partial(_told_before, np.add))
    yield Change("yours is ORed with what it told of the image before", 1.6, partial(_told_before, np.bitwise_or))


def _told(put: Callable[[Ints, Ints], Ints], part: Part) -> Ints:
    scene = part.scene
    rows = part.right.reshape(scene.count, -1)
    return put(part.right, before(scene, rows).ravel())


def _told_before(put: Callable[[Ints, Ints], Ints], part: Part) -> Ints | None:
    if (part.seen == UNSAID).any():  # of one of several projections
        return None
    return put(part.right, before(part.scene, part.seen.reshape(part.scene.count, -1)).ravel())


def _that_before(right: Ints, left: Ints) -> Ints:
    return left
