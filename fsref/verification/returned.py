"""What `fsref diff` says of a dump: what was observed of each population, how much of it differs, where first, and what
that looks like (TRACE-1 to TRACE-3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fsref.simulation.difference import RULES, UNKNOWN, Difference
from fsref.simulation.silence import told as silence
from fsref.tables import Fact, Sheet, Shown, plural
from fsref.verification.causes import Judged
from fsref.verification.explanation import Place
from fsref.verification.neuron_steps import Steps

FEW = 8  # populations whose first differences are told in words, and spans of images
RULE = re.compile(r"\[([A-Z]+-[0-9]+)\]$")


@dataclass(frozen=True)
class First:
    """The first difference of a population, the place (c, y, x) of its neuron, and the membrane and threshold that
    decided what is right there, None where there is none: those of the step, or of codes the opening membrane and the
    nearest value at which the code changes. `steps` are those of its neuron.
    """

    difference: Difference
    place: Place
    membrane: int | None
    threshold: int | None
    steps: Steps = Steps()  # noqa: RUF009 - frozen

    def by(self, hint: str) -> First:
        """The same by the rule of a cause, which stands in brackets at the end of its words."""
        rule = RULE.search(hint)
        found = self.difference
        if rule is None or found.observed == UNKNOWN or rule[1] == (found.rule or RULES[found.observable]):
            return self
        return replace(self, difference=replace(found, rule=rule[1]), steps=replace(self.steps, why=""))

    @property
    def where(self) -> str:
        """Image, step, neuron, place and observable, in words."""
        found, (c, y, x) = self.difference, self.place
        step = "" if found.step is None else f" step {found.step}"
        of = f" of {found.place}" if found.observable == "sums" else ""
        return f"image {found.image}{step} neuron {found.neuron} (c {c}, y {y}, x {x}) {found.observable}{of}"

    def __str__(self) -> str:
        found = self.difference
        told = f"{self.where}: {found.told}"
        if self.membrane is not None:
            told += f"; membrane {self.membrane}{self._own()}"
            told += "" if self.threshold is None else f" threshold {self.threshold}"
        return told + (f"; {self.steps.why}" if self.steps.why else "")

    def _own(self) -> str:
        """What was observed of the membrane that decided, in words, or ""."""
        step = self.difference.step
        seen = {m.step: m.observed_membrane for m in self.steps.moments}
        own = seen.get(step, None) if step is not None else next(iter(seen.values()), None)
        return "" if own is None else f" (yours {own})"


@dataclass(frozen=True)
class Compared:
    """One population of a dump: its observables that were observed, how many of its neurons and steps, how many
    integers, how many of them differ and in how many images; the first, and the causes that fit. Isolated, `computed`
    are the sources that were not observed but computed, and in how many images; `extent` says how far all that
    differs reaches, or is "". Of those that differ `unknown` are x or z, the first of which is `first_unknown`;
    `unanswered` are the images in which nothing of an array was answered, by its name (TRACE-6); `partial` trains are x
    or z in some steps alone, the first of them in `digits`.
    """

    name: str
    observables: tuple[str, ...] = ()
    neurons: int = 0
    neuron_count: int = 0
    steps: int = 0
    step_count: int = 0
    values: int = 0
    differing: int = 0
    images: int = 0
    first: First | None = None
    judged: Judged = Judged()  # noqa: RUF009 - frozen
    computed: Mapping[str, int] | None = None
    extent: str = ""
    unknown: int = 0
    first_unknown: First | None = None
    unanswered: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    partial: int = 0
    digits: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The population as plain JSON values."""
        first = self.first
        plain: dict[str, Any] = {"name": self.name, "observables": list(self.observables)}
        plain |= {"neurons": self.neuron_count, "observed_neurons": self.neurons}
        plain |= {"K": self.step_count, "observed_steps": self.steps, "value_count": self.values}
        plain |= {"differing_count": self.differing, "differing_image_count": self.images}
        plain |= {"difference": None, "neuron_place": None, "membrane": None, "threshold": None}
        if first is not None:
            found = first.difference
            told: dict[str, Any] = {"rule": found.rule or RULES[found.observable], "text": str(found)}
            told |= {"observed": None if found.observed == UNKNOWN else found.observed}  # null for x and z alone
            plain["difference"] = {key: value for key, value in {**asdict(found), **told}.items() if key != "context"}
            plain |= {"neuron_place": list(first.place), "membrane": first.membrane, "threshold": first.threshold}
        plain |= {"hints": [hint.text for hint in self.judged.hints]}
        plain |= {"causes": [hint.name for hint in self.judged.hints], "extent": self.extent or None}
        plain |= {"observation": self.judged.observed or None}
        plain |= {"neuron_steps": [] if first is None else first.steps.to_list()}
        plain |= {"why": None if first is None else first.steps.why or None, "unknown_count": self.unknown}
        plain |= {"partial_train_count": self.partial}
        plain |= {"unanswered": {name: list(images) for name, images in self.unanswered.items()}}
        return {**plain, "computed_sources": None if self.computed is None else dict(self.computed)}


@dataclass(frozen=True, repr=False)
class DumpReport(Shown):
    """What a dump holds of `given` images, something of `image_count` of them, and where it differs: `first` is the
    population that differs first (OBS-2), `looks_like` the order in which everything observed would be right, or
    nearly, in words, or "" (TRACE-2), `without_silence` the populations of whose trains nothing but spikes was observed
    (TRACE-1), `unanswered` the images of which nothing was observed (TRACE-6).
    """

    network: str
    id: str
    image_count: int
    given: int
    isolated: bool
    populations: tuple[Compared, ...]
    first: Compared | None
    looks_like: str
    without_silence: tuple[str, ...] = ()
    unanswered: tuple[int, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether everything observed is right."""
        return self.first is None

    @property
    def complete(self) -> bool:
        """Whether every image has an answer, and each array that was observed one in every image (TRACE-6)."""
        return not self.unanswered and not any(p.unanswered for p in self.populations)

    @property
    def values(self) -> int:
        """How many integers were observed."""
        return sum(p.values for p in self.populations)

    def __repr__(self) -> str:
        verdict = "equal" if self.agrees else "DIFFERS"
        return f"<DumpReport: {verdict}, {self.values} integers of {plural(self.image_count, 'image')}>"

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        first = self.first
        plain: dict[str, Any] = {"network": self.network, "id": self.id, "agrees": self.agrees}
        plain |= {"image_count": self.image_count, "given_image_count": self.given, "isolated": self.isolated}
        plain |= {"value_count": self.values, "looks_like": self.looks_like or None}
        plain |= {"without_silence": list(self.without_silence), "unanswered_images": list(self.unanswered)}
        plain |= {"first": None if first is None else first.name}
        return {**plain, "populations": [p.to_dict() for p in self.populations]}

    def sheet(self) -> Sheet:
        """The verdict and the first difference; below them what was observed of each population and how much of it
        differs; below that the first difference of each, and what was not observed.
        """
        wrong, first = sum(p.differing for p in self.populations), self.first
        of = f"{self.values:,} integers observed of {plural(self.image_count, 'image')}"
        alone = ", each population by itself" if self.isolated else ""
        equal = "all equal; silence was not observed" if self.without_silence else "all equal"
        title = f"{self.network or self.id[:12]}: "
        title += f"{of}, {equal}{alone}" if first is None else f"{wrong:,} of {of} differ{alone}"
        title += "" if self.complete else ", not every image has an answer"
        above: list[Fact] = []
        if first is not None:
            above.append(("DIFFERS", f"first in {first.name}: {first.first}"))
            above += [("all of it", first.extent)] if first.extent else []
            above += [("looks like", self.looks_like)] if self.looks_like else self._hints(first)
        head = ("population", "integers", "differ", "images", "first neuron", "neurons", "steps", "observed")
        rows = [self._row(p) for p in self.populations]
        more: list[Sheet] = []
        if first is not None and first.first is not None and first.first.steps.moments:
            found, (c, y, x) = first.first.difference, first.first.place
            of = f"image {found.image}, neuron {found.neuron} (c {c}, y {y}, x {x}) of {first.name}, step by step:"
            more = [first.first.steps.sheet(of)]
        above += self._unanswered()
        return Sheet(title, head, rows, above=above, below=[*self._firsts(), *self._unseen()], more=more)

    def _row(self, p: Compared) -> tuple[object, ...]:
        if not p.observables:
            return p.name, *(None,) * 6, "nothing"
        neurons = f"{p.neurons:,}" if p.neurons == p.neuron_count else f"{p.neurons:,} of {p.neuron_count:,}"
        steps = "" if not {"spikes", "membranes"} & set(p.observables) else str(p.steps)
        steps += f" of {p.step_count}" if steps and p.steps < p.step_count else ""
        first = p.first.difference.neuron if p.first is not None else None
        images = p.images if p.differing else None
        return p.name, p.values, p.differing, images, first, neurons, steps, ", ".join(p.observables)

    def _hints(self, p: Compared) -> list[Fact]:
        told = [("or" if i else "hint", hint.text) for i, hint in enumerate(p.judged.hints)]
        observed = [("observed", p.judged.observed)] if p.judged.observed else []
        return [*told, *([("explains", str(p.judged))] if p.judged.explained else []), *observed]

    def _firsts(self) -> list[Fact]:
        """The first difference of the other populations that differ, and their causes."""
        told: list[Fact] = []
        others = [p for p in self.populations if p.first is not None and p is not self.first]
        for p in others[:FEW]:
            told.append((p.name, str(p.first)))
            told += [("", f"all of it: {p.extent}")] if p.extent else []
            told += [("", hint.text) for hint in p.judged.hints[:1]] if not self.looks_like else []
        return [*told, *([("...", f"and {plural(len(others) - FEW, 'more population')}")] if len(others) > FEW else [])]

    def _unanswered(self) -> list[Fact]:
        """The images without an answer, of all and of arrays that were answered in others."""
        told: list[Fact] = []
        if none := self.unanswered:
            told.append(("no answer", f"images {few_spans(none)}: {len(none):,} of {self.given:,} given"))
        arrays = [(name, images) for p in self.populations for name, images in p.unanswered.items()]
        for name, images in arrays[:FEW]:
            if left := sorted({*images} - {*none}):
                told.append(("no answer", f"{name}: x, z or absent in all of images {few_spans(left)}"))
        return told

    def _unseen(self) -> list[Fact]:
        """What was not observed, and which sources were computed."""
        told: list[Fact] = [("silence", silence(self.without_silence))] if self.without_silence else []
        if unseen := [p.name for p in self.populations if not p.observables]:
            more = f" and {len(unseen) - FEW} more" if len(unseen) > FEW else ""
            told.append(("not observed", ", ".join(unseen[:FEW]) + more))
        for p in self.populations:
            if p.first is not None and p.first_unknown is not None:
                first = "" if p.first_unknown.where == p.first.where else f", first in {p.first_unknown.where}"
                told.append((p.name, f"x or z in {p.unknown:,} of {p.differing:,} that differ{first}"))
                if p.partial:
                    which = "the first is " if p.partial > 1 else ""
                    told.append(("", f"{plural(p.partial, 'train')} x or z in some steps alone: {which}{p.digits}"))
            for source, images in (p.computed or {}).items():
                why = "from what was observed before it: not observed whole, or no codes that it can send"
                told.append((p.name, f"{source} computed in {plural(images, 'image')} {why}"))
        return told


def few_spans(numbers: Iterable[int]) -> str:
    """Numbers that ascend, "0..3, 7", of many spans the first ones."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    told = [str(low) if low == high else f"{low}..{high}" for low, high in spans[:FEW]]
    return ", ".join(told) + (f", ... {spans[-1][1]}" if len(spans) > FEW else "")
