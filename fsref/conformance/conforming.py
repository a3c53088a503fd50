"""A device driven through everything that should catch it, and what came of it (CONFORM-3, CONFORM-6)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, groupby, islice
from os import PathLike
from typing import Any

from fsref.conformance.batch import Files
from fsref.conformance.device import Process
from fsref.conformance.drive import Drive, Dut, witnessed
from fsref.conformance.driven import Driven, Reject
from fsref.conformance.function import Answer, Function
from fsref.conformance.greeting import Greeting
from fsref.conformance.probing import probes
from fsref.conformance.smallest import again, in_a_row, otherwise, smallest, twice
from fsref.conformance.starting import command_of
from fsref.conformance.stimuli import cases_of
from fsref.conformance.suspects import Evidence, behind
from fsref.conformance.verdict import Report
from fsref.conformance.wire import Wire
from fsref.errors import UsageError, public
from fsref.formats.bundled import network_of
from fsref.law.network import Network
from fsref.limits.misfits import misfits
from fsref.tables import short
from fsref.vectors.aimed import for_limits
from fsref.vectors.case import Case
from fsref.vectors.kept import pack_for
from fsref.vectors.making import make
from fsref.vectors.pack import Pack
from fsref.verification.causes import Hint, Judged
from fsref.verification.composed.naming import KIND

CARRIERS = ("frames", "hex", "files")
REPLY = 10.0  # seconds of a reply,
START = 30.0  # and of a start and its greeting, a simulator's, unless it is said
LONGEST = 3_600.0  # seconds that either may take
MOST_EXAMPLES = 100_000
STANDS = "yours are others behind other cases, something stands there still"
ENOUGH, FURTHER = 48, range(1, 6)  # cases that differ, and turns of networks asked for more of them
PROBED = 8  # networks that are asked for images of few spikes


@public
def conform(
    dut: str | Sequence[str] | Answer,
    net: Network | str | PathLike[str] | None = None,
    carrier: str = "frames",
    timeout: float | None = None,
    examples: int = 100,
    cases: Iterable[Case] | None = None,
    rejects: Iterable[Reject] | None = None,
    greeting: Mapping[str, Any] | None = None,
    start_timeout: float | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """How a device does, driven through cases, rejects and `examples` networks that Hypothesis draws (CONFORM-3).

    `dut` is a command, a text or its words, which reads frames as `carrier` says (CONFORM-1) and answers each within
    `timeout` seconds, 10 unless given, its start and greeting within `start_timeout`, as long as a reply unless given,
    30 seconds where neither is; or a function of a network and what is given, by NAME.OBSERVABLE, that gives arrays by
    NAME.OBSERVABLE, of which `greeting` tells what a device would (CONFORM-2). `cases` and `rejects` are those of the
    level-1 pack of `net`, or of the device's limits, unless given. Errors: UsageError for a device that cannot be
    driven, FileError, NetworkError.
    """
    check(carrier, timeout, start_timeout, examples)
    known = None if net is None else network_of(net)
    if callable(dut):
        told = Greeting.of({} if greeting is None else greeting)
        device: Dut = Function(dut, replace(told, refuses=False))  # it is sent no frames
        name = short(getattr(dut, "__name__", type(dut).__name__))
    else:
        if greeting is not None:
            raise UsageError("CONFORM-2", "greeting", "goes with a function; a command greets itself")
        command = command_of(dut)
        reply = REPLY if timeout is None else timeout
        start = start_timeout or timeout or START
        files = carrier == "files"
        device = Wire(Files(command, start) if files else Process(command, reply, carrier == "hex", start))
        name = short(" ".join(command))
    try:
        report = _driven(name, Drive(device), known, cases, rejects, examples, progress)
        device.bye()
    finally:
        device.stop()
    return report


def check(carrier: str, timeout: float | None, start_timeout: float | None, examples: int) -> None:
    """Nothing, when a device can be driven so. Errors: UsageError."""
    if carrier not in CARRIERS:
        raise UsageError("CONFORM-1", "carrier", "unknown", carrier, ", ".join(CARRIERS))
    for name, seconds in (("timeout", timeout), ("start_timeout", start_timeout)):
        wrong = isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= LONGEST
        if seconds is not None and wrong:
            raise UsageError("CONFORM-3", name, "no number of seconds", seconds, f"above 0, at most {LONGEST:g}")
    if not isinstance(examples, int) or not 0 <= examples <= MOST_EXAMPLES:
        raise UsageError("CONFORM-3", "examples", "no number of examples", examples, f"0..{MOST_EXAMPLES}")


def _driven(
    name: str,
    drive: Drive,
    net: Network | None,
    cases: Iterable[Case] | None,
    rejects: Iterable[Reject] | None,
    examples: int,
    progress: Callable[[int], None] | None,
) -> Report:
    """The report of a device that has greeted."""
    _fits(drive.greeting, net)
    rest: Iterable[Case] = ()
    pack: Pack | None = None
    if cases is None and rejects is None:
        scopes = drive.greeting.scopes
        limits = drive.greeting.limits
        try:
            pack = pack_for("conform", limits, 1, scopes) if net is None else make("conform", net, None, 1, scopes)
        except UsageError:
            if net is not None or not examples or "network" not in scopes:
                raise  # else networks are drawn for it, if there are any
        cases = pack.cases if pack is not None else ()
        rejects = [reject for reject in pack.rejects if drive.sent(reject)] if pack is not None else ()
        known = {case.id for case in cases}
        rest = () if net is None else (case for case in cases_of(net, drive.greeting) if case.id not in known)
    stages = witnessed(cases or (), rejects or ()), rest, _examples(drive.greeting, net, examples)
    found: list[Driven] = []
    evidence = Evidence(drive.greeting.limits)
    first: Driven | None = None
    before: tuple[Case, ...] = ()
    every = True
    for one in drive.through(chain(*stages)):
        found.append(one.brief())
        evidence.add(one)
        if first is None and not one.passed:
            first, before, every = one, tuple(drive.since), drive.whole
        if progress is not None:
            progress(1)
    unasked = dict(drive.unasked)  # of these cases alone, not of those that shrinking makes
    if not found and not drive.ended:
        raise nothing(drive.greeting)
    ended = drive.ended
    hints, (alone, steady) = Judged(), (True, True) if first is None else again(drive, first, before, every)
    if first is not None and first.difference is not None and first.case is not None:
        for one in drive.through(_further(drive.greeting, net, evidence)):
            evidence.add(one)
        hints = evidence.judged(first)
        in_part = any(hint.part for hint in hints.hints)
        if alone and (in_part or hints.explained < hints.judged):  # else something is left of before
            for one in drive.through(_of_few_spikes(evidence, first)):
                evidence.add(one)
            words = evidence.composed(first)
            hints = words if words.explained >= hints.explained + (not in_part) or not hints.hints else hints
    driven = {one.id for one in found}
    whole = pack is not None and all(case.id in driven for case in pack.cases)
    bins = pack.bins if pack is not None and whole else {}
    small = () if first is None or not steady else smallest(drive, first, before)
    if steady and first is not None and first.difference is not None and first.case is not None and not hints.explained:
        left = _between(drive, evidence, first, first.case, small, alone)
        hints = hints if alone and not left.explained else replace(left, differing=evidence.differing)
        behind = not alone and len(before) > 1 and not first.case.protocol
        others = evidence.others(first) if alone else before[:-1] or before
        if not hints.explained and (behind or otherwise(drive, first.case, others)):
            law = hints.law or "answers follow from the case alone"
            hints = replace(hints, hints=(*hints.hints, Hint(KIND, f"{law}: {STANDS}")))
    return Report(
        name, drive.greeting, tuple(found), first, before, hints, alone, steady, every, ended, bins, small, unasked
    )


def _further(greeting: Greeting, net: Network | None, evidence: Evidence) -> Iterator[Case]:
    """Cases of more networks of the forms that differ, one after another, until enough cases differ to tell causes."""
    if net is None and "network" in greeting.scopes:
        cases = for_limits(greeting.limits, ("network",), 0, FURTHER, evidence.forms)
        for _, same in groupby(cases, lambda case: case.net.id):
            if evidence.differing >= ENOUGH:
                return
            yield from same


def _of_few_spikes(evidence: Evidence, first: Driven) -> Iterator[Case]:
    """Cases of few spikes of networks that differ."""
    for net, name in islice(evidence.networks(first), PROBED):
        yield from probes(net, name)


def _between(
    drive: Drive, evidence: Evidence, first: Driven, case: Case, small: Sequence[Driven], alone: bool
) -> Judged:
    """What is left between images: of cases asked in a row, or where all of these pass, of the smallest that do not; of
    a first case that fails `alone`, too, known causes.
    """
    rows = [row for row in (in_a_row(drive, cases) for cases in evidence.alike(first)) if row]
    judged = [Judged(judged=1)]
    for row in rows or (twice(drive, case), small):
        judged.append(behind(row, alone))
        if judged[-1].explained:
            return judged[-1]
    return max(judged, key=lambda one: bool(one.observed))


def nothing(greeting: Greeting) -> UsageError:
    """The error of a device of which nothing can be asked."""
    limit = "give a network, examples, or cases of a scope and observables that it has"
    return UsageError("CONFORM-6", "device", "nothing can be asked of it", ", ".join(greeting.scopes), limit)


def _fits(greeting: Greeting, net: Network | None) -> None:
    """Nothing, when a device can be asked for a network. Errors: UsageError."""
    if greeting.limits.observables == ():
        raise nothing(greeting)
    if greeting.network and net is None:
        problem, limit = "the device holds one, which was not given", "give this network, a file or a name"
        raise UsageError("CONFORM-2", "network", problem, greeting.network[:12], limit)
    if greeting.network and net is not None and net.id != greeting.network:
        raise UsageError(
            "CONFORM-2", "network", "the device holds another network", net.id, f"it holds {greeting.network}"
        )
    if net is not None and (breaks := next(misfits(net, greeting.limits), None)) is not None:
        raise UsageError("CHIP-2", "network", "does not fit the limits of the device", str(breaks))


def _examples(greeting: Greeting, net: Network | None, examples: int) -> Iterator[Case]:
    """The cases that Hypothesis draws. Errors: UsageError without it."""
    if not examples or "network" not in greeting.scopes:
        return
    try:
        from fsref.conformance.drawn import drawn
    except ImportError:
        limit = "pip install 'fsref[verify]', or no examples"
        raise UsageError("CONFORM-3", "examples", "Hypothesis is not installed", None, limit) from None
    yield from drawn(greeting, net, examples)
