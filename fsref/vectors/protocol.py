"""What stands before the run of a case, so that what an earlier one left behind shows (VECTOR-5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from fsref.vectors.case import Case

ROW = 9  # runs of one network with nothing between them
ALONE = ("repeat", "reset", "repeat", "reload")  # of cases that are the only ones of their network, in turn
PROTOCOLS = ("", "repeat", "reload", "reset", "stall", "abort", "restart")


BENCHED = ("network", "population", "max_pool")  # scopes whose units a chip in a test bench can be (VECTOR-6)


def protocols(cases: Sequence[Case]) -> list[Case]:
    """The cases in their order, each unit of the one network of a test bench with a case that stalls (`stalled`)."""
    made = list(_in_turn(cases))
    return stalled(made) if len(made) > 1 and len({case.net.id for case in made}) == 1 else made


def stalled(cases: Sequence[Case]) -> list[Case]:
    """The cases, of each unit of a test bench one with gaps between steps: unless it has one, the last that has
    nothing around it, or its last.
    """
    made = list(cases)
    units: dict[tuple[str, str], list[int]] = {}
    for i, case in enumerate(made):
        if case.scope in BENCHED:
            units.setdefault((case.scope, case.unit), []).append(i)
    for of in units.values():
        if not any(made[i].protocol == "stall" for i in of):
            last = max(of, key=lambda i: (not made[i].protocol, i))
            made[last] = replace(made[last], protocol="stall")
    return made


def _in_turn(cases: Sequence[Case]) -> Iterator[Case]:
    """The cases: of a network the first comes alone and the second follows it at once, and so do nine of
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
