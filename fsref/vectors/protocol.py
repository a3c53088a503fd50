"""What stands before the run of a case, so that what an earlier one left behind shows (VECTOR-5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fsref.vectors.case import Case

PROTOCOLS = ("", "repeat", "reload", "reset", "stall", "abort", "restart")


def protocols(cases: Sequence[Case]) -> Iterator[Case]:
    """The cases in their order: of a network the first comes alone and the second follows it at once, each further one
    has the next of the protocols; the only one of a network comes twice.
    """
    of_each = Counter(case.net.id for case in cases)
    before: Counter[str] = Counter()
    turn = 0
    for case in cases:
        place = before[case.net.id]
        before[case.net.id] += 1
        turn += place > 1
        told = PROTOCOLS[turn % len(PROTOCOLS)] if place > 1 else "repeat" if of_each[case.net.id] == 1 else ""
        yield replace(case, protocol=told)
