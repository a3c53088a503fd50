"""Cases driven through a device one by one, each with its verdict (CONFORM-3)."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from time import perf_counter
from typing import Protocol

from fsref.conformance.device import Broken
from fsref.conformance.driven import (
    ACCEPTED,
    ANSWERED,
    DIFFERS,
    PASS,
    REFUSED,
    REJECTS,
    Driven,
    Observed,
    Reject,
    first_difference,
    last_line,
)
from fsref.conformance.frames import LOAD
from fsref.conformance.greeting import Greeting
from fsref.conformance.wire import Refused
from fsref.errors import UsageError
from fsref.vectors.case import Case

KEPT = 2**24  # integers expected of cases that are kept since a start
STARTS = 3  # in a row behind which nothing was answered
HELLO = "a reply to hello (CONFORM-1), flushed, by the carrier that it takes: frames, hex or files"


class Dut(Protocol):
    """What is driven: frames to a process or files, or a function."""

    @property
    def together(self) -> int:
        """How many cases are best asked together."""

    def greet(self) -> Greeting:
        """What it says of itself, started anew. Errors: Broken, UsageError where it cannot be started."""

    def prepare(self, coming: Sequence[Case | Reject]) -> None:
        """Nothing; then it knows what will be asked."""

    def answers(self, case: Case) -> Iterator[Observed]:
        """What it answers, of each run of a case. Errors: Broken, Refused."""

    def refuses(self, reject: Reject) -> bool:
        """Whether it refuses a frame. Errors: Broken."""

    def stop(self) -> None:
        """Nothing; then nothing of it runs any more."""

    def bye(self) -> None:
        """Nothing; then it was told to end, and has."""


class Drive:
    """A device on its way through cases: `ended` says why nothing more is asked of it, "" while it is."""

    def __init__(self, device: Dut) -> None:
        self.device, self.ended = device, ""
        self.running, self.answered = True, False  # since its last start
        self.idle = 0  # starts in a row behind which nothing was answered
        self.unasked = Counter[tuple[str, str]]()  # cases by scope, and why they are not for it
        self.since: deque[Case] = deque()  # cases asked since its last start
        self.held = 0  # integers of these
        self.whole = True  # whether these are all that it was asked
        try:
            self.greeting = device.greet()
        except Broken as error:
            said = f"; it says: {last_line(error.said)}" if error.said else ""
            problem = f"{error.verdict} for a greeting: {error.told}{said}"
            raise UsageError("CONFORM-6", "device", problem, None, error.would_do or HELLO) from None

    def through(self, cases: Iterable[Case | Reject]) -> Iterator[Driven]:
        """The verdict of each case and reject, of those in which the device can be asked something; those behind its
        end are not driven. Errors: UsageError where it cannot be started any more.
        """
        coming = (one for one in cases if self.sent(one))
        while not self.ended and (chunk := list(islice(coming, self.device.together))):
            while chunk and self._ready():
                self.device.prepare(chunk)
                for _ in range(len(chunk)):
                    found = self.judged(chunk.pop(0))
                    yield found
                    if not self.running or not found.passed:  # frames of what was left out are not sent
                        break

    def judged(self, one: Case | Reject) -> Driven:
        """The verdict of one case or reject by a device that runs."""
        begun = perf_counter()
        if isinstance(one, Case):
            self._asked(one)
        else:
            self.whole = False
        found = self._case(one) if isinstance(one, Case) else self._reject(one)
        if found.verdict in ANSWERED:
            self.idle, self.answered = 0, True
        else:
            self.idle += not self.answered
            self.running = self.answered = False
        return replace(found, seconds=perf_counter() - begun)

    def sent(self, one: Case | Reject) -> bool:
        """Whether a case or a reject is for this device; else it is counted, and why."""
        scope = one.scope if isinstance(one, Case) else REJECTS
        if why := self._unasked(one):
            self.unasked[scope, why] += 1
        return not why

    def _unasked(self, one: Case | Reject) -> str:
        """Why a case or a reject is not for this device, "" where it is."""
        if isinstance(one, Case):
            if one.scope not in self.greeting.scopes:
                return "the device has not this scope"
            return "" if self.greeting.asked(one) else "it answers no observable that follows"
        if not self.greeting.refuses:
            return "it refuses nothing"
        return "it is sent no load" if self.greeting.network and one.frame[:1] == (LOAD,) else ""

    def _asked(self, case: Case) -> None:
        """Note what was asked since the last start, the last of it where it is much."""
        self.since.append(case)
        self.held += case_size(case)
        while self.held > KEPT and len(self.since) > 1:
            self.held -= case_size(self.since.popleft())
            self.whole = False

    def _ready(self) -> bool:
        """Whether the device runs, started anew where it was ended; else `ended` says why it does not."""
        while not self.running:
            if self.idle >= STARTS:
                self.ended = f"{STARTS} starts in a row behind which it answered nothing"
                return False
            try:
                self.running = self.device.greet() == self.greeting
            except Broken:
                pass
            self.idle += not self.running
            self.since.clear()
            self.held, self.whole = 0, True
        return True

    def last(self, cases: Sequence[Case], anew: bool = True) -> Driven | None:
        """The verdict of the last of cases, on a device just started, or as it runs; None where it is not driven. A
        device that was given up is asked, too.
        """
        self.running, self.idle, self.ended = self.running and not anew, 0, ""
        found = [one for case in cases for one in self.through([case])]
        return found[-1] if len(found) == len(cases) else None

    def _case(self, case: Case) -> Driven:
        observed: Observed = {}
        turn = 0
        try:
            for turn, observed in enumerate(self.device.answers(case)):
                difference = first_difference(case, observed)
                if difference is not None:
                    return Driven.of(case, DIFFERS, observed=observed, difference=difference, turn=turn)
        except Refused as error:
            return Driven.of(case, REFUSED, told=str(error))
        except Broken as error:
            return Driven.of(case, error.verdict, told=error.told, said=error.said)
        return Driven.of(case, PASS, observed=observed, turn=turn)

    def _reject(self, reject: Reject) -> Driven:
        try:
            refused = self.device.refuses(reject)
        except Broken as error:
            return Driven(reject.id, REJECTS, error.verdict, told=error.told, said=error.said)
        told = "" if refused else f"it is to be refused: {', '.join(reject.flags)} [{reject.rule}]"
        return Driven(reject.id, REJECTS, PASS if refused else ACCEPTED, told=told)


def witnessed(cases: Iterable[Case], rejects: Iterable[Reject]) -> Iterator[Case | Reject]:
    """Cases, then rejects, behind each of which the last case must be answered as before (VECTOR-4)."""
    last: Case | None = None
    for last in cases:
        yield last
    for reject in rejects:
        yield reject
        if last is not None:
            yield last


def case_size(case: Case) -> int:
    """How many integers a case expects."""
    return sum(values.size for values in case.expected.values())
