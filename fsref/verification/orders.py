"""Orders in which right integers look wrong: addresses, words, steps and images that were read otherwise than they were
written (TRACE-2).

An order is named when everything observed that differs is right in it, or, told as such, nearly all of very much.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fsref.formats import words
from fsref.formats.memories import width
from fsref.law.network import Network
from fsref.simulation.recording import Key
from fsref.simulation.shared import Shared
from fsref.tables import Brief, plural

SHIFTS = range(1, 17)
WIDTHS = (16, 24, 32, 64)  # bits of words whose bytes may be turned
FEW_STEPS = 3  # below which a train that is a step late says too little
FEW_IMAGES = 3
SIGNED = range(8, 33)  # bits of words whose sign may be lost
MANY, NEAR = 1000, 100  # integers that differ, of which one in so many may be wrong in an order that is named yet
Array: TypeAlias = NDArray[Any]
Pair: TypeAlias = tuple[Array, Array]


@dataclass(frozen=True, eq=False, repr=False)
class Order(Brief):
    """An order, in words, and what is to be equal if integers (B, [steps,] neurons) were observed in it: None where it
    changes nothing.
    """

    text: str
    pair: Callable[[Shared, Array, Array], Pair | None]


def by_place(axes: tuple[int, ...], part: Shared, observed: Array, expected: Array) -> Pair | None:
    """Addresses that run along other axes than (C, H, W) (NET-3)."""
    shape = part.net[part.population].shape
    neuron_at = np.arange(int(np.prod(shape))).reshape(shape).transpose(axes).reshape(-1)
    if (neuron_at[1:] > neuron_at[:-1]).all():
        return None
    return observed, expected[..., neuron_at]


def told_by_place(part: Shared, observed: Array, expected: Array) -> Pair | None:
    """Addresses (C, H, W) that were read as (H, W, C)."""
    both = by_place((1, 2, 0), part, expected, observed)
    return None if both is None else (both[1], both[0])


def backwards(part: Shared, observed: Array, expected: Array) -> Pair | None:
    """The last neuron stands first."""
    return (observed, expected[..., ::-1]) if expected.shape[-1] > 1 else None


def first_lowest(part: Shared, observed: Array, expected: Array) -> Pair | None:
    """Bits of words turned round: of trains, the first spike is the lowest bit (EVENT-2)."""
    bits, signed = width(part.net, part.net[part.population], part.key[1])
    return _turned(observed, expected, bits, bits, signed, words.reversed_bits)


def bytes_turned(size: int, part: Shared, observed: Array, expected: Array) -> Pair | None:
    """Bytes of words of `size` bits turned round."""
    bits, signed = width(part.net, part.net[part.population], part.key[1])
    return _turned(observed, expected, size, bits, signed, words.reversed_bytes) if size >= bits else None


def _turned(
    observed: Array, expected: Array, size: int, bits: int, signed: bool, turn: Callable[[words.Words], words.Words]
) -> Pair | None:
    """Words of `size` bits turned, of which `bits` are the integer; None where one does not fit."""
    flat = observed.reshape(-1).astype(np.int64)
    low, high = int(flat.min()), int(flat.max())
    if size < words.MAX_INTEGER and not (-(2 ** (size - 1)) <= low and high < 2**size):
        return None
    found, _ = words.to_integers(words.cut(turn(words.of_integers(flat, size)), bits), signed)
    return found.reshape(observed.shape), expected.astype(np.int64)


def step_late(part: Shared, observed: Array, expected: Array) -> Pair | None:
    """In every step stands what is right in the step before; the first says nothing."""
    match part.key[1]:
        case "membranes" if observed.shape[1] >= FEW_STEPS:
            return observed[:, 1:], expected[:, :-1]
        case "spikes" if part.net.steps[part.population] >= FEW_STEPS:
            rest = np.uint16(2 ** (part.net.steps[part.population] - 1) - 1)
            return observed & rest, expected >> np.uint16(1)
    return None


def step_early(part: Shared, observed: Array, expected: Array) -> Pair | None:
    """In every step stands what is right in the step after; the last says nothing."""
    late = step_late(part, expected, observed)
    return None if late is None else (late[1], late[0])


def shifted(shift: int, part: Shared, observed: Array, expected: Array) -> Pair | None:
    """Membranes without their lowest bits, of which a layout says nothing (LAYOUT-4)."""
    membranes = part.key[1] in ("opening", "membranes") and part.observed.seen is None
    return (observed, expected >> shift) if membranes else None


def reshifted(shift: int, part: Shared, observed: Array, expected: Array) -> Pair | None:
    """Membranes shifted as no layout says that was given: those of another shift (LAYOUT-4)."""
    bits = part.observed.seen
    if bits is None or bits.ndim or part.key[1] not in ("opening", "membranes"):
        return None
    low = int(np.bitwise_count(~bits))
    return None if low == shift else (observed, expected >> shift << low)


def unsigned(size: int, part: Shared, observed: Array, expected: Array) -> Pair | None:
    """Words of `size` bits whose sign does not fill the wider ones in which they stand (LAYOUT-1)."""
    return (observed, expected & ((1 << size) - 1)) if part.key[1] != "spikes" else None


def _orders() -> Iterator[Order]:
    axes = {0: "C", 1: "H", 2: "W"}
    for order in permutations(range(3)):
        if order != (0, 1, 2):
            told = ", ".join(axes[a] for a in order)
            would = " (of memories: layout neurons=hwc)" if order == (1, 2, 0) else ""
            also = ": rows and columns exchanged" if order == (0, 2, 1) else ""
            yield Order(
                f"addresses in the order ({told}), not (C, H, W){also}{would} [LAYOUT-3]", partial(by_place, order)
            )
    yield Order("addresses in the order (C, H, W): looks right without layout neurons=hwc [LAYOUT-3]", told_by_place)
    yield Order("neurons in reverse: the last one first [LAYOUT-3]", backwards)
    yield Order(
        "words with their bits turned round, trains first spike lowest (of memories: layout bits=low, or without it)"
        " [LAYOUT-2]",
        first_lowest,
    )
    for size in WIDTHS:
        yield Order(
            f"words of {size} bits with their bytes turned round (of memories: layout bytes=low, or without it)"
            " [LAYOUT-2]",
            partial(bytes_turned, size),
        )
    for size in SIGNED:
        yield Order(f"words of {size} bits whose sign was not extended [LAYOUT-1]", partial(unsigned, size))
    yield Order("every step late by one: in each stands what is right in the step before [TRACE-4]", step_late)
    yield Order("every step early by one: in each stands what is right in the step after [TRACE-4]", step_early)
    for shift in SHIFTS:
        yield Order(
            f"membranes stored as v >> {shift} (of memories: layout shift={shift}) [LAYOUT-4]",
            partial(shifted, shift),
        )
    for shift in (0, *SHIFTS):
        yield Order(
            f"membranes stored as v >> {shift}, not as the layout said (layout shift={shift}) [LAYOUT-4]",
            partial(reshifted, shift),
        )


ORDERS = tuple(_orders())


class Tried:
    """The orders that still explain all images seen so far, or nearly, array by array, and the images themselves; of
    each array that differs it is known in how many integers, of trains in how many spikes.
    """

    def __init__(self, net: Network, differing: Mapping[Key, int]) -> None:
        self.net, self.differing = net, differing
        self.most = sum(differing.values()) // NEAR if sum(differing.values()) >= MANY else 0
        self.wrong: dict[Key, dict[Order, int]] = {}  # what of an array is wrong in an order
        self.fails: dict[Key, list[Order]] = {}
        self.observed: list[bytes | None] = []  # None where not all arrays were observed in an image
        self.expected: list[bytes] = []
        self.partial = False

    def add(self, parts: Sequence[Shared]) -> None:
        """Take in what two recordings share of some images, each of them observed whole or not at all."""
        count = parts[0].image_count if parts else 0
        hashes = [(sha256(), sha256()) for _ in range(count)]
        known = np.ones(count, np.bool_)
        for part in parts:
            p, steps = part.net[part.population], part.net.steps[part.population]
            whole = len(part.neurons) == p.neurons and len(part.window) == steps
            for some, observed, expected, bits in part.chunks():
                full = _full(part, bits.dtype)
                seen, told = ((bits == of).reshape(len(bits), -1).all(axis=1) for of in (full, 0))
                unknown = part.unknown(some)
                whole = whole and bool((seen | told).all()) and (unknown is None or not (unknown & bits).any())
                known[some] &= seen
                if whole and seen.any():
                    self._try(part, observed[seen], expected[seen], full)
                for own, *rows in zip(hashes[some], observed & bits, expected & full, strict=True):
                    for digest, row in zip(own, rows, strict=True):
                        digest.update(np.ascontiguousarray(row).tobytes())
            self.partial = self.partial or (not whole and part.key in self.differing)
        self.observed += [own[0].digest() if seen else None for own, seen in zip(hashes, known, strict=True)]
        self.expected += [own[1].digest() for own in hashes]

    def _try(self, part: Shared, observed: Array, expected: Array, full: Array) -> None:
        key = part.key
        kept: dict[Order, int] = {}
        failed = self.fails.setdefault(key, [])
        for order, before in self.wrong.get(key, dict.fromkeys(ORDERS, 0)).items():
            pair = order.pair(part, observed, expected)
            if pair is None:
                continue
            unlike = (pair[0] ^ pair[1]) & full
            wrong = before + int(np.bitwise_count(unlike).sum() if key[1] == "spikes" else (unlike != 0).sum())
            if wrong and not before:
                failed.append(order)
            if wrong <= self.most:
                kept[order] = wrong
        self.wrong[key] = kept

    def told(self) -> str:
        """What it looks like, in words, or ""."""
        if self.partial or not self.differing:
            return ""
        known = [order for order in ORDERS if all(order in self.wrong.get(key, ()) for key in self.differing)]
        wrong = {order: sum(self.wrong[key][order] for key in self.differing) for order in known}
        common = [order for order in known if not wrong[order]]
        everywhere = [order for order in common if not any(order in failed for failed in self.fails.values())]
        if everywhere:
            return everywhere[0].text
        if common:
            return f"{', '.join(' '.join(key) for key in sorted(self.differing)[:4])}: {common[0].text}"
        return self._of_images() or self._nearly(wrong)

    def _nearly(self, wrong: Mapping[Order, int]) -> str:
        """The order in which nearly all that differs would be right."""
        order = min(wrong, key=lambda order: wrong[order], default=None)
        if order is None or wrong[order] > self.most:
            return ""
        total = sum(self.differing.values())
        return f"{order.text}; all but {wrong[order]:,} of the {total:,} that differ would be right in it"

    def _of_images(self) -> str:
        """What order the images look like."""
        observed, expected = self.observed, self.expected
        if len(observed) < FEW_IMAGES or len(set(expected)) < FEW_IMAGES:
            return ""
        for by in range(1, len(observed) // 2 + 1):
            if _same(observed[by:], expected[:-by]):
                one = "are they counted from 1? " if observed[0] is None else ""
                which = "image before" if by == 1 else f"image {by} before it"
                told = f"late by {_by(by)}: {one}from image {by} on each holds what is right for the {which}"
                return f"every image {told} [RUN-1]"
            if _same(observed[:-by], expected[by:]):
                which = "each but the last holds what is right for the image after"
                which = which if by == 1 else f"each but the last {by} holds what is right for the image {by} after it"
                return f"every image early by {_by(by)}: {which} [RUN-1]"
        if told := self._in_the_middle():
            return told
        if None in observed:
            return ""
        if observed == expected[::-1]:
            return "images in reverse: the last one first [RUN-1]"
        if Counter(observed) == Counter(expected):
            at = [expected.index(one) for one in observed if one is not None]
            first = next(i for i, j in enumerate(at) if i != j)
            return f"images in another order: image {first} of the dump is right for image {at[first]} [RUN-1]"
        return ""

    def _in_the_middle(self) -> str:
        """Behind which image of those before it, all of which are right, some are missing, or too many."""
        observed, expected = self.observed, self.expected
        unlike = (i for i, one in enumerate(observed) if one is not None and one != expected[i])
        first = next(unlike, len(observed))
        for by in range(1, (len(observed) - first) // 2 + 1):
            which = "image after it" if by == 1 else f"image {by} after it"
            if _same(observed[first:-by], expected[first + by :]):
                gone = f"image {first} is" if by == 1 else f"images {first}..{first + by - 1} are"
                return f"{gone} missing: from there on each holds what is right for the {which} [RUN-1]"
            if _same(observed[first + by :], expected[first:-by]):
                more = f"{plural(by, 'image')} too many at image {first}: from image {first + by} on each holds what is"
                return f"{more} right for the {which.replace('after', 'before')} [RUN-1]"
        return ""


def _full(part: Shared, kind: np.dtype[Any]) -> Array:
    """The bits of an array that was observed whole: of shifted membranes the high ones."""
    seen = part.observed.seen
    full = 2 ** part.net.steps[part.population] - 1 if part.key[1] == "spikes" else -1
    bits = np.array(full, np.int64).astype(kind)
    return bits if seen is None or seen.ndim else bits & seen


def _same(observed: Sequence[bytes | None], expected: Sequence[bytes]) -> bool:
    """Whether images that were observed are those expected, and enough of them that differ to say so."""
    pairs = [(one, other) for one, other in zip(observed, expected, strict=True) if one is not None]
    return len({one for one, _ in pairs}) > 1 and all(one == other for one, other in pairs)


def _by(count: int) -> str:
    return "one" if count == 1 else str(count)
