"""What `conform` found: how a device did, and of its first failure all that helps to find it (CONFORM-6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fsref.conformance.driven import DIFFERS, VERDICTS, Driven, last_line, owner
from fsref.conformance.greeting import Greeting
from fsref.conformance.suspects import arrays_of
from fsref.errors import shown
from fsref.tables import Fact, Sheet, Shown, plural, sizes
from fsref.vectors.case import Case
from fsref.vectors.pack import COUNTS
from fsref.verification import causes
from fsref.verification.explain import explained, place_of
from fsref.verification.explanation import Explanation
from fsref.verification.yours import Yours, yours_of

LEFT = "asked once of a device just started it passes: something is left of what was asked before [NET-6]"
UNSTEADY = (
    "started and asked the same once more it answers otherwise: something is not set at its start, or is left to chance"
    " [NET-6]"
)
FEW = 8  # aims, and other failures that are told in words
JUDGING = {"network": "chained"}  # a device that feeds itself; isolated in the other scopes


@dataclass(frozen=True, repr=False)
class Report(Shown):
    """How a device did: `device` names it, `greeting` what it said of itself; `driven` is the verdict of every case and
    reject in the order driven, `first` the first that is no pass, with the cases `before` it since the device started;
    `hints` the causes that fit it, `alone` whether it fails on a device just started, too, `steady` whether it answers
    alike what it is asked alike from a start on, `whole` whether `before` is all that it was asked, and `ended` says
    why cases were left out, or ""; `bins` counts, of each rule, those of the level-1 pack where all of it was driven
    (COVER-1); `small` is the smallest case found that fails so, behind those that it needs (CONFORM-4); `unasked`
    counts the cases that were not for it, by scope and why.
    """

    device: str
    greeting: Greeting
    driven: tuple[Driven, ...]
    first: Driven | None = None
    before: tuple[Case, ...] = ()
    hints: causes.Judged = causes.Judged()  # noqa: RUF009 - frozen
    alone: bool = True
    steady: bool = True
    whole: bool = True
    ended: str = ""
    bins: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    small: tuple[Driven, ...] = ()
    unasked: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether every case passed, and none was left out."""
        return self.first is None and not self.ended

    @property
    def line(self) -> str:
        """How it did, in a line."""
        failed = sum(not one.passed for one in self.driven)
        count, do = f"{plural(len(self.driven), 'case')} driven", "does" if failed == 1 else "do"
        told = f"{count}, all pass" if not failed else f"{failed:,} of {count} {do} not pass"
        return f"{shown(self.device)}: {told}" + (f"; ended: {self.ended}" if self.ended else "")

    def __repr__(self) -> str:
        return f"<Report: {self.line}>"

    @property
    def counts(self) -> dict[str, Counter[str]]:
        """How many cases have each verdict, by scope."""
        found: dict[str, Counter[str]] = {}
        for one in self.driven:
            found.setdefault(one.scope, Counter())[one.verdict] += 1
        return found

    def explanation(self) -> Explanation | None:
        """The neuron that differs first: what is right there, step by step and synapse by synapse; None where nothing
        differs.
        """
        return self._neuron(self.first)

    def _neuron(self, found: Driven | None) -> Explanation | None:
        """The neuron that differs first in a case; None where nothing differs."""
        if found is None or found.case is None or found.difference is None:
            return None
        case, at = found.case, found.difference
        only = at.place if case.scope == "projection" else ""
        arrays = arrays_of([case])
        if case.scope == "neuron":
            arrays = {key: values for key, values in arrays.items() if key[1] != "sums"}
        return explained(case.net, case.net[owner(case.net, at.place)], at.neuron, arrays, f"case {case.id}", only)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        explanation = self.explanation()
        plain: dict[str, Any] = {"device": self.device, "greeting": self.greeting.to_dict(), "agrees": self.agrees}
        plain |= {"case_count": len(self.driven), "ended": self.ended or None}
        plain |= {"verdicts": {scope: dict(counts) for scope, counts in self.counts.items()}}
        plain |= {"unasked": [{"scope": scope, "why": why, "count": n} for (scope, why), n in self.unasked.items()]}
        plain |= {"first": None if self.first is None else self.first.to_dict(), "alone": self.alone}
        plain |= {"steady": self.steady}
        plain |= {"explanation": None if explanation is None else explanation.to_dict()}
        plain |= {"yours": None if explanation is None else asdict(_yours(self.first))}
        plain |= {"causes": [hint.name for hint in self.hints.hints], "hints": [h.text for h in self.hints.hints]}
        plain |= {"observation": self.hints.observed or None}
        plain |= {"smallest": [one.to_dict() for one in self.small]}
        plain |= {"bins": {rule: dict(counts) for rule, counts in self.bins.items()}}
        return {**plain, "cases": [one.to_dict() for one in self.driven]}

    def sheet(self) -> Sheet:
        """The verdict and the first failure; below them how many cases of each scope have which verdict, other
        failures, and the neuron that differs first.
        """
        seen = [verdict for verdict in VERDICTS if any(counts[verdict] for counts in self.counts.values())]
        rows = [
            (scope, JUDGING.get(scope, "" if scope == "reject" else "isolated"), sum(counts.values()))
            + tuple(counts[verdict] or None for verdict in seen)
            for scope, counts in self.counts.items()
        ]
        told = {"right and yours": self.first, "the smallest case": self.small[-1] if self.small else None}
        right = {title: neuron.sheet(yours=_yours(one)) for title, one in told.items() if (neuron := self._neuron(one))}
        more = [replace(sheet, title=f"{title}: {sheet.title}") for title, sheet in right.items()]
        more += [self._coverage()] if self.bins else []
        head = ("scope", "judged", "cases", *seen)
        return Sheet(self.line, head, rows, 2, above=self._first(), below=self._others(), more=more)

    def _coverage(self) -> Sheet:
        """The bins that the cases of the pack have met, by rule."""
        rows = [(rule, *(counts[name] for name in COUNTS)) for rule, counts in self.bins.items()]
        return Sheet("bins of the level-1 pack that was driven", ("rule", *COUNTS), rows)

    def _first(self) -> list[Fact]:
        """What the device is, the first failure, and its causes."""
        limits, greeting = self.greeting.limits, self.greeting
        name = f"{limits.told}{f', {shown(greeting.version)}' if greeting.version else ''}"
        told: list[Fact] = [("device", name)] if limits.name or greeting.version else []
        found = self.first
        if found is None:
            return told
        told += [("DIFFERS" if found.difference is not None else "WRONG", str(found).removeprefix("differs: "))]
        if found.case is not None:
            told += [("network", f"{shown(found.case.net.name)} {found.case.net.id[:12]}".strip())]
        if found.difference is not None and found.case is not None:
            p = found.case.net[owner(found.case.net, found.place)]
            c, y, x = place_of(found.difference.neuron, p.shape)
            told += [("place", f"{p.name}, {p.kind}: channel {c}, row {y}, column {x}")]
        told += self._aims(found)
        told += [("says", last_line(found.said))] if found.said else []
        told += [("twice", UNSTEADY)] if not self.steady else [] if self.alone else [("alone", LEFT)]
        told += self._smallest()
        told += [("or" if i else "hint", hint.text) for i, hint in enumerate(self.hints.hints)]
        told += [("observed", self.hints.observed)] if self.hints.observed else []
        return told + ([("explains", self._explained())] if self.hints.explained else [])

    def _smallest(self) -> list[Fact]:
        """The network of the smallest case, and what differs there."""
        if not self.small or (case := self.small[-1].case) is None:
            return []
        shapes = " -> ".join(f"{p.name} {p.kind} {sizes(p.shape)}" for p in case.net.populations)
        behind = f", behind {plural(len(self.small) - 1, 'other case')}" if len(self.small) > 1 else ""
        return [("smallest", f"{shapes}{behind}: {str(self.small[-1]).partition(': ')[2]}")]

    def _aims(self, found: Driven) -> list[Fact]:
        """What stood before the run of the first failure, and which bins of the place that differs it is there for."""
        if found.case is None:
            return []
        told: list[Fact] = [("protocol", found.case.protocol)] if found.case.protocol else []
        names = {found.place, owner(found.case.net, found.place)}
        aims = [aim for aim in found.case.aims if names & set(aim.split())]
        return [*told, *([("aims at", "; ".join(aims[:FEW]))] if aims else [])]

    def _explained(self) -> str:
        """How much of what was judged the causes explain."""
        hints = self.hints
        told = f"{hints.explained:,} of {plural(hints.judged, 'case')} judged"
        told += f", of {hints.differing:,} that differ" if hints.judged < hints.differing else " that differ"
        if (more := hints.differing - sum(one.verdict == DIFFERS for one in self.driven)) > 0:
            told += f", {more:,} of them asked for this alone"
        return told + ("; none of them tells these causes apart" if len(hints.hints) > 1 else "")

    def _others(self) -> list[Fact]:
        """The first failure of each other place, and how many there are."""
        places: dict[tuple[str, str, str], list[Driven]] = {}
        for one in self.driven:
            if not one.passed:
                places.setdefault((one.verdict, one.scope, one.place), []).append(one)
        others = [found for found in places.values() if self.first is None or found[0].id != self.first.id]
        told = [
            ("and" if i else "also", f"{found[0]}" + (f"; {len(found) - 1:,} more so" if len(found) > 1 else ""))
            for i, found in enumerate(others[:FEW])
        ]
        told += [("...", f"and {plural(len(others) - FEW, 'more place')}")] if len(others) > FEW else []
        told += [
            ("not asked", f"{plural(n, 'case')} of scope {scope}: {why}") for (scope, why), n in self.unasked.items()
        ]
        none = [scope for scope in self.greeting.scopes if scope not in self.counts and not self.ended]
        none = [scope for scope in none if scope not in {own for own, _ in self.unasked}]
        return told + [("not asked", f"scope {scope}: no case has such a unit") for scope in none]


def _yours(found: Driven | None) -> Yours:
    """What the device answered of the neuron that differs first in a case."""
    if found is None or found.case is None or found.difference is None:
        return Yours()
    net, name = found.case.net, owner(found.case.net, found.difference.place)
    return yours_of(found.observed, name, net.into(name), found.difference.neuron, net.steps[name])
