"""What stands before the run of a case, so that what an earlier one left behind shows (VECTOR-5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fsref.vectors.case import Case

ROW = 9  # runs of one network with nothing between them
ALONE = ("repeat", "reset", "repeat", "reload")  # of cases that are the only ones of their network, in turn
PROTOCOLS = ("", "repeat", "reload", "reset", "stall", "abort", "restart")


def protocols(cases: Sequence[Case]) -> Iterator[Case]:
    """The cases in their order: of a network the first comes alone and the second follows it at once, and so do nine of
    the network that has most; each further one has the next of the protocols; the only one of a network comes twice,
    with nothing, a reset or another network between.
    """
    of_each = Counter(case.net.id for case in cases)
    most = max(of_each, key=of_each.__getitem__, default="")
    before: Counter[str] = Counter()
    turn = alone = 0
    for case in cases:
        place, count = before[case.net.id], of_each[case.net.id]
        before[case.net.id] += 1
        told = ""
        if count == 1:
            told, alone = ALONE[alone % len(ALONE)], alone + 1
        elif place >= (ROW if case.net.id == most else 2):
            turn += 1
            told = PROTOCOLS[turn % len(PROTOCOLS)]
        yield replace(case, protocol=told)
