"""The first failure of a device made small by asking it again (CONFORM-4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from fsref.conformance.drive import Drive
from fsref.conformance.driven import ANSWERED, DIFFERS, LONGER, REFUSED, TIMEOUT, Driven, owner
from fsref.conformance.shrink import BUDGET, shrink, shrink_given
from fsref.limits.misfits import misfits
from fsref.vectors.case import Case
from fsref.verification.explain import place_of

STARTS = 200  # questions at most where each takes a device just started


def smallest(drive: Drive, first: Driven, before: Sequence[Case]) -> tuple[Driven, ...]:
    """The smallest cases found whose last one fails as the `first` did, each with what the device answers, those before
    it in the order in which they are asked; none of what costs a timeout, of rejects, of what does not fail again, and
    where nothing smaller fails.

    The device is asked as it runs; where what was found does not fail on a device just started, once more from there.
    """
    if first.case is None or first.verdict in (TIMEOUT, LONGER, REFUSED):
        return ()
    fixed = bool(drive.greeting.network)
    cases = list(before)
    if cases[-1].protocol and (again := twice(drive, cases[-1])):  # two runs show it, too
        cases = [one.case for one in again if one.case is not None]
    for anew, budget in ((False, BUDGET), (True, STARTS)):
        fails = _fails(drive, first.verdict, anew)
        if fixed:
            found = shrink_given(cases, fails, budget)
        else:
            found = shrink(cases, _place(first), fails, budget)
        drive.running, drive.idle = False, 0
        seen = [drive.last([case], anew=False) for case in found]
        smaller = len(found) < len(cases) or found[-1].id != first.id
        if smaller and seen[-1] is not None and seen[-1].verdict == first.verdict:
            return tuple(one for one in seen if one is not None)
    return ()


def again(drive: Drive, first: Driven, before: Sequence[Case], every: bool) -> tuple[bool, bool]:
    """Whether a device fails the `first` case that failed when it was just started, too; and whether it answers alike
    what it is asked alike from a start on: that case, and where that passes all cases `before`, if these are
    `every` one that it was asked.
    """
    if first.case is None:
        return True, True
    single = [replace(first.case, protocol="")]
    found = drive.last(single)
    alone = found is None or not found.passed
    if found is None or found.verdict not in ANSWERED:
        return alone, True
    once_more = drive.last(single)
    steady = once_more is not None and once_more.alike(found)
    if steady and not alone and every:
        last = drive.last(before)
        steady = last is not None and last.alike(first)
    return alone, steady


def twice(drive: Drive, case: Case) -> tuple[Driven, ...]:
    """What a device just started answers to a case, and to it once more; nothing where it does not answer both, or the
    second answer is right.
    """
    asked = replace(case, protocol="")
    found = [drive.last([asked], anew) for anew in (True, False)]
    return tuple(one for one in found if one is not None) if found[-1] is not None and found[-1].difference else ()


def otherwise(drive: Drive, case: Case, others: Sequence[Case]) -> bool:
    """Whether a device that was just started answers a case each time the same, and behind others otherwise."""
    if not others:
        return False
    asked = replace(case, protocol="")
    found = [drive.last(cases) for cases in ([asked], [asked], [*others, asked])]
    answers = [{key: values.tolist() for key, values in one.observed.items()} for one in found if one is not None]
    return len(answers) == len(found) and all(answers) and answers[0] == answers[1] != answers[2]


def in_a_row(drive: Drive, cases: Sequence[Case]) -> tuple[Driven, ...]:
    """What a device just started answers to cases one after another; nothing where it does not answer all, or all
    answers are right.
    """
    drive.running, drive.idle = False, 0
    found = tuple(one for case in cases for one in drive.through([replace(case, protocol="")]))
    answered = len(found) == len(cases) and all(one.observed for one in found)
    return found if answered and not all(one.passed for one in found) else ()


def _fails(drive: Drive, verdict: str, anew: bool) -> Callable[[Sequence[Case]], bool]:
    """Whether the last of cases ends with this verdict, on a device whose limits their networks fit."""

    def fails(cases: Sequence[Case]) -> bool:
        if any(next(misfits(case.net, drive.greeting.limits), None) is not None for case in cases):
            return False
        found = drive.last(cases, anew)
        return found is not None and found.verdict == verdict

    return fails


def _place(first: Driven) -> tuple[str, tuple[int, int, int] | None]:
    """The population and the place in it that differ first; without a difference what is judged, anywhere."""
    assert first.case is not None, "of a case"
    name = owner(first.case.net, first.place)
    if first.verdict != DIFFERS or first.difference is None:
        return name, None
    return name, place_of(first.difference.neuron, first.case.net[name].shape)
