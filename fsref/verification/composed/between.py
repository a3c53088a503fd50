"""What is left of the image before, where every image asked before is known (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from fsref.engines import reference
from fsref.law.neuron import Ints
from fsref.law.populations import FS, Readout
from fsref.verification.composed.delivering import Read, delivered, read_of
from fsref.verification.composed.earlier import before, is_known
from fsref.verification.composed.relation import Change, Columns, Part
from fsref.verification.composed.where import Some, sources, steps
from fsref.verification.scene import Scene

LEFT = "left of the image before: "  # how operands begin
LEFT_TWICE = "left of the image two before: "
LOWEST = (1, 2, 4, 8)  # bits that are not cleared
CHEAP = 3.0  # words of a place and of a step at once
Some_of = Callable[[Ints], Ints]


def left_over(scene: Scene, p: FS | Readout, seen: Ints, total: Ints) -> dict[str, Any]:
    """What may be left of the image before, by words, (B, C, H, W): of opening membranes as they were `seen`."""
    if not is_known(scene):
        return {}
    opened = seen.astype(np.int64)
    found = {"its sum": total}
    match p:
        case FS():
            given = scene.theirs.get("membranes")
            ended = reference.fire(opened, p.table)[1] if given is None else given.astype(np.int64)
            found["its membrane behind the last step"] = ended[:, -1]
        case Readout():
            pass
    found["its opening membrane"] = opened
    left = {f"{LEFT}{words}": before(scene, values) for words, values in found.items()}
    return left | {f"{LEFT_TWICE}{words}": before(scene, before(scene, values)) for words, values in found.items()}


def leaves_otherwise(parts: Sequence[Part]) -> Iterator[Change]:
    """What may be left in an opening membrane."""
    for name in (name for name in parts[0].operands if name.startswith((LEFT, LEFT_TWICE))):
        thing = name.removeprefix(LEFT_TWICE).removeprefix(LEFT)
        which = "two before" if name.startswith(LEFT_TWICE) else "before"
        text = f"in yours the bias is {thing} of the image {which}, but for the first ones"
        yield Change(text, 1.8, partial(_begun_with, name, 1 + (which != "before")))
    for name in (name for name in parts[0].operands if name.startswith(LEFT)):
        thing = name.removeprefix(LEFT)
        yield Change(f"yours is {thing} of the image before", 1.8, partial(_combined, name, _that, _second))
        for words, dear, of in _parts():
            what = f"{words}{thing} of the image before"
            yield Change(f"yours adds {what}", 1.5 + dear, partial(_combined, name, of, np.add))
            yield Change(f"yours is ORed with {what}", 2 + dear, partial(_combined, name, of, np.bitwise_or))
            yield Change(f"yours is XORed with {what}", 2.5 + dear, partial(_combined, name, of, np.bitwise_xor))
        for words, dear, of in _parts():
            text = f"in yours the bias is ORed with {words}{thing} of the image before"
            yield Change(text, 2.2 + dear, partial(_ored_bias, name, of))
        yield Change(
            f"yours is no less than {thing} of the image before", 2.2, partial(_combined, name, _that, np.maximum)
        )
    if LEFT + "its sum" in parts[0].operands:
        text = "yours takes the sum of the image before"
        yield Change(text, 1.8, lambda part: part.right - part.operands["total"] + part.operands[LEFT + "its sum"])
        yield Change("yours adds the bias to nothing", 2, lambda part: part.operands["bias"])


def _begun_with(name: str, images: int, part: Part) -> Ints:
    """The opening when what was left stands in the place of the bias, in all images but so many."""
    left: Ints = part.right - part.operands["bias"] + part.operands[name]
    return np.where(part.places["image"] < images, part.right, left)


def _parts() -> Iterator[tuple[str, float, Some_of]]:
    """What may be left of a value."""
    yield "", 0, _that
    for bits in LOWEST:
        words = "the lowest bit of " if bits == 1 else f"the lowest {bits} bits of "
        yield words, 0.7, partial(_low, bits)
    yield "half of ", 1, lambda v: v >> 1
    yield "what is below 0 of ", 0.8, lambda v: np.minimum(v, 0)
    yield "what is above 0 of ", 0.8, lambda v: np.maximum(v, 0)


def _that(v: Ints) -> Ints:
    return v


def _second(right: Ints, left: Ints) -> Ints:
    return left


def _low(bits: int, v: Ints) -> Ints:
    return v & ((1 << bits) - 1)


def _combined(name: str, of: Some_of, put: Callable[[Ints, Ints], Ints], part: Part) -> Ints:
    given: Columns = part.operands
    return put(part.right, of(given[name]))


def _ored_bias(name: str, of: Some_of, part: Part) -> Ints:
    bias = part.operands["bias"]
    return part.right - bias + (bias | of(part.operands[name]))


def spikes_left(parts: Sequence[Part]) -> Iterator[Change]:
    """Spikes of the image before that a projection delivers."""
    if not is_known(parts[0].scene):
        return
    for where, when in product(list(sources()), steps()):
        far = where.dear + when.dear
        if where.dear and when.dear and far > CHEAP:
            continue
        spikes = f"spikes{when.text}{where.text} of the image before"
        yield Change(f"yours delivers {spikes}, too", 1.6 + far, partial(_more, _all, where, when))
        text = f"yours delivers {spikes}, too, where there is none now"
        yield Change(text, 1.7 + far, partial(_more, _new, where, when))
        yield Change(f"yours delivers {spikes} instead", 1.6 + far, partial(_more, _instead, where, when))
    text = "yours delivers spikes of the last step of the image before in the first step, too"
    yield Change(text, 1.8, _last_first)


def _all(now: Ints, then: Ints) -> Ints:
    return then


def _new(now: Ints, then: Ints) -> Ints:
    found: Ints = np.maximum(then - now, 0)
    return found


def _instead(now: Ints, then: Ints) -> Ints:
    return then - now


def _more(kept: Callable[[Ints, Ints], Ints], where: Some[tuple[int, ...]], when: Some[int], part: Part) -> Ints:
    read: Read = read_of(part)
    now = read.spikes.astype(np.int64)
    _, count, *shape = now.shape
    meant = where.of(tuple(shape)) & when.of(count)[:, None, None, None]
    more = read.d * (kept(now, before(part.scene, now)) * meant)
    return part.right + delivered(part, read.q, more.sum(axis=1)) if more.any() else part.right


def _last_first(part: Part) -> Ints:
    read: Read = read_of(part)
    left = before(part.scene, read.spikes[:, -1].astype(np.int64))
    return part.right + delivered(part, read.q, read.d[0] * left)
