"""The kind of mistake that gives what sums are off by, where no words give every integer (CONFORM-8)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import log2
from typing import TypeAlias

import numpy as np

from fsref.tables import plural
from fsref.verification.composed.inputs import Wrong, wrong_of
from fsref.verification.composed.kinds import KINDS, Kind
from fsref.verification.composed.relation import Relation

RULES = ("PROJ-1", "NET-6")  # of what projections deliver, and of the bias and all sums
FEW, NEAR = 4, 32  # integers on either side of what a sum is off by, as near to it as its additions allow
LEAST, SHARE = 4, 20  # sums that a kind is held against, and one of so many that are wrong
SURE, DEAR = 30.0, 4.0  # bits that a kind has to have, and that dear words take away
WRAPS, TURNS = range(9, 33), 4  # bits of what wraps on the way, and how often it does
ENDS = range(8, 41)  # bits of what saturates on the way
CARRIES = range(4, 25)  # bits into which a carry may be lost
Chance: TypeAlias = Callable[[Wrong], float | None]  # of an integer to be given, 0 where a sum is not, None unsaid


def likely(relation: Relation) -> str:
    """The kind of mistake of which every wrong sum that it says something of is, in words; "" where none is likely."""
    wrong = wrong_of(relation) if relation.rule in RULES else []
    found = [(bits, text, count) for text, dear, chance in _kinds() for bits, count in _held(wrong, chance, dear)]
    if not found:
        return ""
    _, text, count = max(found)
    held = f"{plural(count, 'wrong sum')} of few spikes" if count < relation.wrong else plural(count, "wrong sum")
    return f"{relation.says}: in yours {text}, as far as {held} tell; which, nothing does [{relation.rule}]"


def _kinds() -> Iterator[tuple[str, float, Chance]]:
    """All kinds of mistakes."""
    for kind in KINDS:
        yield kind.text, kind.dear, partial(_among, kind)
    for bits in WRAPS:
        yield f"some sums wrap at {bits} bits on the way", 0, partial(_wraps, bits)
    for bits in ENDS:
        yield f"some sums saturate at {bits} bits on the way", 0, partial(_saturates, bits)
    for bits in CARRIES:
        text = f"some additions come out {1 << bits:,} too low, as if the carry into bit {bits} were lost"
        yield text, 1, partial(_carries, -1, bits)
        text = f"some additions come out {1 << bits:,} too high, as if the borrow from bit {bits} were lost"
        yield text, 1, partial(_carries, 1, bits)


def _held(wrong: Sequence[Wrong], chance: Chance, dear: float) -> Iterator[tuple[float, int]]:
    """How many bits the sums that a kind gives say for it, and how many there are; nothing where it does not give one,
    or they say too little.
    """
    bits, count = -DEAR * dear, 0
    for one in wrong:
        own = chance(one)
        if own == 0:
            return
        if own is not None:
            bits, count = bits - log2(own), count + 1
    if bits >= SURE and count >= LEAST and count * SHARE >= len(wrong):
        yield bits, count


def _among(kind: Kind, wrong: Wrong) -> float | None:
    """How many integers near to what a sum is off by are among what a kind gives, and that one, too."""
    given = kind.off(wrong)
    if given is None:
        return None
    kept = set(given.tolist())
    if wrong.off not in kept:
        return 0
    apart = int(np.gcd.reduce(np.append(wrong.additions, wrong.off)))
    reach = min(NEAR, max(FEW, abs(wrong.off) // apart))  # small integers are off by small ones
    near = [wrong.off + apart * n for n in range(-reach, reach + 1) if n and wrong.off + apart * n]
    return (1 + sum(one in kept for one in near)) / (1 + len(near))


def _wraps(bits: int, wrong: Wrong) -> float | None:
    if wrong.off % (1 << bits) or abs(wrong.off) >> bits > TURNS:
        return 0
    apart = int(np.gcd.reduce(wrong.additions)) if wrong.additions.size else 1 << bits
    return 2.0 ** min(0, (apart & -apart).bit_length() - 1 - bits)


def _carries(sign: int, bits: int, wrong: Wrong) -> float | None:
    if wrong.off * sign < 0 or wrong.off % (1 << bits) or abs(wrong.off) >> bits > wrong.additions.size + 1:
        return 0
    apart = int(np.gcd.reduce(wrong.additions)) if wrong.additions.size else 1 << bits
    return 2.0 ** min(0, (apart & -apart).bit_length() - 1 - bits) / 2


def _saturates(bits: int, wrong: Wrong) -> float | None:
    """At an end of what saturates, or before it."""
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    most = int(np.abs(wrong.additions).sum()) + abs(wrong.bias or 0)
    if not low <= wrong.seen <= high or most <= high:
        return 0
    return 1 / (1 + 2 * NEAR) if wrong.seen in (low, high) else 1
