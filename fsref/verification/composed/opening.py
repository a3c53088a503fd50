"""The opening membrane: the bias and what projections deliver, added up (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.law.ranges import width_bits
from fsref.verification.composed.adding import BITS, CARRIED, without_carry
from fsref.verification.composed.between import left_over
from fsref.verification.composed.earlier import before, is_known
from fsref.verification.composed.gathering import COLUMNS, Column
from fsref.verification.composed.placing import (
    arranged,
    as_rows,
    operand,
    placed_otherwise,
    read_apart,
    taken_elsewhere,
    told_elsewhere,
)
from fsref.verification.composed.relation import (
    MOSTLY,
    UNSAID,
    Change,
    Mask,
    Part,
    Take,
    becoming,
    column,
    moved,
    part_of,
    result,
    shifted,
    taken,
)
from fsref.verification.composed.told import BESIDE
from fsref.verification.composed.values import BECOMES
from fsref.verification.deliveries import touched
from fsref.verification.scene import Scene
from fsref.verification.widths import wrapped

WIDEST = 63  # bits
TILES = (1, 4, 8, 16)  # neurons that are made at once
ORDINALS = ("first", "second", "third", "fourth")
Put = Callable[[Ints, Ints], Ints]  # what stands there, and what is added


def opening(scene: Scene, p: FS | Readout, seen: Ints, sums: Mapping[str, Ints]) -> Part:
    """The opening membrane (B, C, H, W), of sums as they were observed: the bias and all of them (NET-5, NET-6)."""
    total: Ints = sum(sums.values(), np.zeros_like(seen, dtype=np.int64))
    bias = np.broadcast_to(p.bias_map, p.shape)
    right = _wrapping(scene, p, bias + total, seen)
    operands: dict[str, Any] = {"bias": bias, "total": total}
    for words, by in (("before", -1), ("behind", 1)):
        operands[f"bias of the channel {words}"] = shifted(bias, by, 0)
        operands[f"bias of the neuron {words}"] = moved(bias, by)
        operands[f"bias of the channel {words}, 0 beyond the ends"] = _there(bias, by * p.shape[1] * p.shape[2])
        operands[f"bias of the neuron {words}, 0 beyond the ends"] = _there(bias, by)
    operands |= {"bias of channel 0": bias[:1], "bias of the last channel": bias[-1:]}
    for by in BESIDE:
        words = f"the neuron {abs(by)} {'before' if by < 0 else 'behind'}"
        operands[f"all of {words}"] = moved(right, by)
        operands[f"sum of {words}"] = _there(total, by)
    operands |= {f"bias, {words}": bias * count for words, count in _counts(scene).items()}
    operands |= left_over(scene, p, seen, total)
    none = np.zeros((), np.int64)
    first = next(iter(sums.values()), none)
    each = [*sums.values()] if len(sums) > 1 else []
    operands |= {
        f"{word} projection": own for word, own in zip(ORDINALS, [*each, *[none] * len(ORDINALS)], strict=False)
    }
    operands["last projection"] = [none, *each][-1]
    operands["alone that came last"] = [none, *sums.values()][-1]
    values = {"the opening": right, "the bias": bias, "the sum": total, "the sum of its first projection": first}
    flags: dict[str, Any] = {"where no spike arrives": ~touched(scene), **_fired_before(scene, p)}
    return part_of(scene, seen, right, operands, values, flags)


def _fired_before(scene: Scene, p: FS | Readout) -> dict[str, Mask]:
    """Whether a neuron fired for the image before, where that is known."""
    words = scene.theirs.get("spikes", scene.trains.get(p.name))
    if not p.steps or words is None or not is_known(scene):
        return {}
    return {"where it fired for the image before": np.asarray(before(scene, words.astype(np.int64)) != 0)}


def _wrapping(scene: Scene, p: FS | Readout, right: Ints, seen: Ints) -> Ints:
    """The right membranes of sums as they were observed; those that no right sums give as an accumulator holds them
    that wraps at so many bits, where it gives all of these (RANGE-2).
    """
    ends = scene.net.ranges[p.name].final
    beyond = (right < ends.min()) | (right > ends.max())
    for bits in range(width_bits(ends), WIDEST) if beyond.any() else ():
        if (wrapped(right[beyond], bits) == seen[beyond]).all():
            return np.where(beyond, wrapped(right, bits), right)
    return right


def _counts(scene: Scene) -> dict[str, Ints | int]:
    """How often a bias may be added, in words, (B, 1, 1, 1)."""
    into = scene.net.into(scene.population.name)
    trains = [np.asarray(scene.spikes(q.source).any(axis=(2, 3, 4))) for q in into.values()]
    window = max(len(steps[0]) for steps in trains)
    busy = [np.pad(steps, ((0, 0), (window - steps.shape[1], 0))) for steps in trains]
    once = np.logical_or.reduce(busy).sum(axis=1)
    return {
        "once for each projection": len(into),
        "once for each projection and once more": len(into) + 1,
        "once in each step": window,
        "once in each step of each projection": sum(len(steps[0]) for steps in trains),
        "once, and again in each step of each projection behind its first": 1 + sum(len(s[0]) - 1 for s in trains),
        "once in each step that has a spike": once[:, None, None, None],
        "once in each step of the population": max(scene.net.steps[scene.population.name], 1),
    }


def _there(total: Ints, by: int) -> Ints:
    """Values (..., C, H, W) of the neuron `by` addresses on, 0 beyond the ends."""
    rows = total.reshape(*total.shape[:-3], -1)
    found = np.zeros_like(rows)
    at = np.arange(rows.shape[-1])
    kept = (at + by >= 0) & (at + by < len(at))
    found[..., at[kept]] = rows[..., at[kept] + by]
    return found.reshape(total.shape)


def opens_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What may be done instead of adding the bias and all sums."""
    names = list(parts[0].operands)
    for name in names:
        kind, _, rest = name.partition(" ")
        if kind == "bias" and rest:
            yield _instead(f"yours takes the {name}", 2, "bias", column(name))
        elif kind == "all":
            yield taken(f"yours is that of {rest.removeprefix('of ')}", 2.2, column(name))
        elif kind == "sum":
            yield Change(f"yours adds the {name}, too", 2.6, partial(_more, name, 1))
        elif rest == "projection":
            for times, what in ((0, "is left out"), (2, "counts twice"), (-1, "is taken off")):
                yield Change(f"in yours the {name} {what}", 1.8, partial(_more, name, times - 1))
    text = "in yours the bias and the last projection alone count"
    yield Change(text, 1.9, lambda part: part.operands["bias"] + part.operands["alone that came last"])
    yield Change("in yours the last of several projections alone counts, without the bias", 2, _last_alone)
    for name in names:
        if name.startswith("bias, "):
            yield _instead(f"in yours the bias counts {name.removeprefix('bias, ')}", 2, "bias", column(name))
    yield from taken_elsewhere("the bias", operand("bias"), "channel", "neuron", "row", "column")
    for by, word in ((1, "next"), (-1, "last")):
        text = f"in yours a bias of a channel is that of the {word} neuron, in the memory of all biases"
        yield Change(text, 2, partial(_in_memory, partial(_of_neuron, by)))
        text = f"in yours a bias is that of the {word} channel, in the memory of all biases"
        yield Change(text, 2.05, partial(_in_memory, partial(_of_channel, by)))
    for n in TILES:
        text = f"in yours a neuron begins with what the neuron {n} before it ended with; its last sum alone is added"
        yield Change(text, 2, partial(_from_tile_before, n, True))
        text = f"{text}, and the first with what stood there"
        yield Change(text, 2.1, partial(_from_tile_before, n, False), unsaid=MOSTLY)
    for words, column_of in COLUMNS:
        text = f"in yours the channel whose bias a neuron has {words}"
        yield Change(text, 2, partial(_in_memory, column_of))
    for text, dear, gives in read_apart("the bias", operand("bias")):
        yield Change(text, dear, partial(_of_map, gives))
    yield from taken_elsewhere("the sum", operand("total"), "channel", "neuron", "row", "column")
    yield from placed_otherwise("all but the bias", operand("total"))
    yield from told_elsewhere()
    text = "in yours the last bias of each population is not loaded: what stood there counts"
    yield Change(text, 1.6, _unloaded)
    for each in BECOMES:
        yield Change(f"yours {each.text}", each.dear, result(each))
        yield _instead(f"in yours the bias {each.text}", each.dear + 0.5, "bias", becoming(each, column("bias")))
        yield _instead(f"in yours the sum {each.text}", each.dear + 0.7, "total", becoming(each, column("total")))
    for bits in BITS:
        for side, clip in (("above", np.minimum), ("below", np.maximum)):
            end = (1 << (bits - 1)) - 1 if side == "above" else -(1 << (bits - 1))
            yield Change(f"yours saturates at {bits} bits, {side} alone", 1.3, partial(_ends, clip, end))
    for each in BECOMES:
        text = f"in yours the sum {each.text} with each projection added to the bias"
        yield Change(text, each.dear + 1.3, partial(_one_by_one, partial(_becomes, each.of)))
        text = f"in yours what stands there {each.text} before each further projection is added"
        yield Change(text, each.dear + 1.4, partial(_one_by_one, partial(_becomes_before, each.of), first=np.add))
        text = f"in yours the sum of each projection, as it is added, {each.text}"
        yield Change(text, each.dear + 1, partial(_one_by_one, partial(_added_as, each.of)))
    for bit in CARRIED:
        text = f"in yours the carry into bit {bit} is lost where projections are added to the bias"
        yield Change(text, 2.4, partial(_one_by_one, partial(without_carry, bit)))
    for name in (name for name in names if name.endswith(" projection")):
        for each in BECOMES:
            text = f"in yours the sum of the {name} {each.text}"
            yield _instead(text, each.dear + 1.5, name, becoming(each, column(name)))


def _instead(text: str, dear: float, name: str, other: Take) -> Change:
    return Change(text, dear, lambda part: part.right - part.operands[name] + other(part.operands))


def _one_by_one(rule: Put, part: Part, first: Put | None = None) -> Ints | None:
    """The bias and the sum of each projection, added by a rule, the first by its own; None of more than have names."""
    given, count = part.operands, len(part.scene.sums)
    if count > len(ORDINALS):
        return None
    begin, *rest = [given[f"{word} projection"] for word in ORDINALS[:count]] if count > 1 else [given["total"]]
    v = (first or rule)(given["bias"], begin)
    for more in rest:
        v = rule(v, more)
    return part.right + (v - given["bias"] - given["total"])


def _becomes(of: Callable[[Ints], Ints], v: Ints, more: Ints) -> Ints:
    return of(v + more)


def _becomes_before(of: Callable[[Ints], Ints], v: Ints, more: Ints) -> Ints:
    return of(v) + more


def _added_as(of: Callable[[Ints], Ints], v: Ints, more: Ints) -> Ints:
    return v + of(more)


def _ends(clip: Callable[[Ints, int], Ints], end: int, part: Part) -> Ints:
    return clip(part.right, end)


def _of_map(gives: Callable[[Part], Ints | None], part: Part) -> Ints | None:
    """What is given where the bias is a map; else its address is a channel."""
    match part.scene.population:
        case (FS() | Readout()) as p if p.bias.ndim == 3:
            return gives(part)
        case _:
            return part.right


def _of_neuron(by: int, n: Ints, channels: int, height: int, width: int) -> Ints:
    """The channel of another neuron."""
    return (n + by) // (height * width)


def _of_channel(by: int, n: Ints, channels: int, height: int, width: int) -> Ints:
    """Another channel."""
    return n // (height * width) + by


def _in_memory(column_of: Column, part: Part) -> Ints:
    """What opens with the bias of another channel, or of the population that lies there; that of a map is right, and
    what lies beyond all is not known.
    """
    match part.scene.population:
        case (FS() | Readout()) as p if p.bias.ndim == 1:
            every = part.scene.net.integrating
            base = sum(q.bias.size for q in every[: [q.name for q in every].index(p.name)])
        case _:
            return part.right
    memory = np.concatenate([q.bias.ravel() for q in every]).astype(np.int64)
    at = base + column_of(np.arange(p.neurons).reshape(p.shape), *p.shape)
    known = (at >= 0) & (at < len(memory))
    other = np.where(known, memory[np.where(known, at, 0)], UNSAID)
    bias = as_rows(part, np.broadcast_to(other, (part.scene.count, *p.shape)))
    said = bias != UNSAID
    return np.where(said, part.right - part.operands["bias"] + np.where(said, bias, 0), UNSAID)


def _last_alone(part: Part) -> Ints:
    return part.operands["alone that came last"] if len(part.scene.sums) > 1 else part.right


def _from_tile_before(n: int, first: bool, part: Part) -> Ints | None:
    """Neurons behind the first tile begin with what those of the one before ended with; those of the first rightly, or
    it is not known with what, nor how several projections do.
    """
    seen, alone = arranged(part, part.seen), arranged(part, part.operands["alone that came last"])
    if seen is None or alone is None:
        return None
    flat, found = seen.reshape(len(seen), -1), part.right.reshape(len(seen), -1).copy()
    found[:, n:] = flat[:, :-n] + alone.reshape(len(seen), -1)[:, n:]
    if not first:
        found[:, slice(None, n if len(part.scene.sums) < 2 else None)] = UNSAID
    return found.ravel()


def _unloaded(part: Part) -> Ints | None:
    """What opens with the biases that stand in a memory in which the last of each population is never written."""
    if (stood := part.scene.stood.get(f"bias of {part.scene.population.name}")) is None:
        return None
    return part.right - part.operands["bias"] + as_rows(part, stood[0])


def _more(name: str, times: int, part: Part) -> Ints:
    return part.right + times * part.operands[name]
