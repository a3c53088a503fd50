"""The kind of mistake that gives what sums are off by, where no words give every integer (CONFORM-8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from math import log2
from typing import TypeAlias, TypeVar

import numpy as np

from fsref.tables import plural
from fsref.verification.composed.inputs import Wrong, wrong_of
from fsref.verification.composed.kinds import KINDS, Kind
from fsref.verification.composed.relation import Relation
from fsref.verification.composed.resets import RESETS, Reset, resets_of

RULES, RESET = ("PROJ-1", "NET-6"), "FS-3"  # of what projections deliver, and of the bias and all sums; of resets
FEW, NEAR = 4, 32  # integers on either side of what a sum is off by, as near to it as its additions allow
LEAST, SHARE = 4, 20  # sums that a kind is held against, and one of so many that are wrong
SURE, DEAR = 30.0, 4.0  # bits that a kind has to have, and that dear words take away
MISSES, MISSED = 2, 3.0  # one of so many may be another mistake, and the bits that it takes away
WRAPS, TURNS = range(9, 33), 4  # bits of what wraps on the way, and how often it does
ENDS = range(8, 41)  # bits of what saturates on the way
CARRIES = range(4, 25)  # bits into which a carry may be lost
Chance: TypeAlias = Callable[[Wrong], float | None]  # of an integer to be given, 0 where a sum is not, None unsaid
Held: TypeAlias = tuple[bool, float, str, int, int]  # all, bits, words, how many that are wrong, and of how many
One = TypeVar("One", Wrong, Reset)


def likely(relation: Relation) -> str:
    """The kind of mistake of which every wrong sum, or membrane behind a reset, is of which it says something, or half
    of them, in words; "" where none is likely.
    """
    if relation.rule == RESET:
        resets = resets_of(relation)
        return _told(relation, "membrane", "", (_held(resets, *kind) for kind in RESETS))
    wrong = wrong_of(relation) if relation.rule in RULES else []
    return _told(relation, "sum", " of few spikes", (_held(wrong, *kind) for kind in _kinds()))


def _told(relation: Relation, what: str, which: str, held: Iterable[Held | None]) -> str:
    """The kind for which most bits are said, in words, one of all before one of most; "" of none."""
    found = [one for one in held if one is not None]
    if not found:
        return ""
    _, _, text, given, count = max(found)
    wrong = f"wrong {what}" if given == count else f"of {plural(count, f'wrong {what}')}"
    said = (plural(count, wrong) if given == count else f"{given} {wrong}") + which * (count < relation.wrong)
    return f"{relation.says}: in yours {text}, as far as {said} tell; which, nothing does [{relation.rule}]"


def _kinds() -> Iterator[tuple[str, float, Chance, bool]]:
    """All kinds of mistakes, and whether most sums are enough for one."""
    for kind in KINDS:
        yield kind.text, kind.dear, partial(_among, kind), kind.most
    for bits in WRAPS:
        yield f"some sums wrap at {bits} bits on the way", 0, partial(_wraps, bits), False
    for bits in ENDS:
        yield f"some sums saturate at {bits} bits on the way", 0, partial(_saturates, bits), False
    for bits in CARRIES:
        text = f"some additions come out {1 << bits:,} too low, as if the carry into bit {bits} were lost"
        yield text, 1, partial(_carries, -1, bits), False
        text = f"some additions come out {1 << bits:,} too high, as if the borrow from bit {bits} were lost"
        yield text, 1, partial(_carries, 1, bits), False


def _held(
    wrong: Sequence[One], text: str, dear: float, chance: Callable[[One], float | None], most: bool = True
) -> Held | None:
    """Whether a kind gives all that is wrong, how many bits this says for it, its words, how many it gives, and of how
    many it says something; None where it does not give all, or `most` where they are enough, or they say too little.
    """
    said = [own for own in map(chance, wrong) if own is not None]
    given = [own for own in said if own]
    some = len(said) - len(given)
    if some * MISSES > len(said) * most:
        return None
    bits = -DEAR * dear - sum(map(log2, given)) - some * MISSED
    enough = bits >= SURE and len(given) >= LEAST and len(said) * SHARE >= len(wrong)
    return (not some, bits, text, len(given), len(said)) if enough else None


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
