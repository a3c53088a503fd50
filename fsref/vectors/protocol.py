"""What stands before the run of a case, so that what an earlier one left behind shows (VECTOR-5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fsref.vectors.case import Case

PROTOCOLS = ("", "repeat", "reload", "reset", "stall", "abort", "restart")


def protocols(cases: Sequence[Case]) -> Iterator[Case]:
    """The cases in their order: the first of a network comes alone, the second follows it at once, and each further one
    has the next of the protocols.
    """
    before: dict[str, int] = {}
    turn = 0
    for case in cases:
        place = before.get(case.net.id, 0)
        before[case.net.id] = place + 1
        if place < 2:
            yield replace(case, protocol="")
        else:
            turn += 1
            yield replace(case, protocol=PROTOCOLS[turn % len(PROTOCOLS)])
