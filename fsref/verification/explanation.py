"""What `explain` gives back: every step of one neuron's window and every synapse that contributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fsref.tables import Fact, Sheet, Shown, plural, short
from fsref.verification.yours import Yours, marked, said, unlike

Place = tuple[int, int, int]


@dataclass(frozen=True)
class Step:
    """One step of the window: t, the absolute step, and what happened. An input, max_pool or view has no membrane:
    those are None (FS-2, FS-3).
    """

    t: int
    step: int
    before: int | None
    threshold: int | None
    fired: bool
    reset: int | None
    after: int | None
    d: int


def steps_sheet(steps: Sequence[Step], title: str, below: Sequence[Fact] = ()) -> Sheet:
    """Steps as a table, a line for each; of an input, max_pool or view, which have no membrane, the spikes alone."""
    marks = ["fires" if s.fired else "-" for s in steps]
    if any(s.before is None for s in steps):
        plain = [(s.step, s.t, mark, s.d) for s, mark in zip(steps, marks, strict=True)]
        return Sheet(title, ("step", "t", "", "d"), plain, left=0, below=below)
    head = ("step", "t", "membrane", "threshold", "", "reset", "after", "d")
    rows = [
        (s.step, s.t, s.before, s.threshold, mark, s.reset, s.after, s.d) for s, mark in zip(steps, marks, strict=True)
    ]
    return Sheet(title, head, rows, left=0, below=below)


@dataclass(frozen=True)
class Contribution:
    """What one synapse delivered for this image: weight times the code of its source neuron, of a gate times that of
    its `factor`, too (PROJ-1, GATE-1).
    """

    projection: str
    source: str
    neuron: int
    place: Place
    weight: int
    code: int
    contribution: int
    factor: int | None = None


@dataclass(frozen=True)
class Candidate:
    """One candidate of a max_pool window, its train and code, and the absolute step in which it dropped out, None if it
    never did (POOL-1).
    """

    neuron: int
    place: Place
    train: tuple[int, ...]
    code: int
    dropped: int | None


@dataclass(frozen=True, repr=False)
class Explanation(Shown):
    """Everything that made one neuron's answer: see `str()`.

    `steps` in order (none for a readout); `contributions` other than 0, largest first, of `synapses` in all; `sums` by
    projection name; `bias`, `opening` and `code` where the kind has them; `candidates` of a max_pool, or what a view
    shows.
    """

    population: str
    kind: str
    neuron: int
    place: Place
    bias: int | None
    sums: dict[str, int]
    opening: int | None
    steps: tuple[Step, ...]
    code: int | None
    synapses: int
    contributions: tuple[Contribution, ...]
    candidates: tuple[Candidate, ...]

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain JSON values."""
        return asdict(self)

    def __repr__(self) -> str:
        return short(
            f"<Explanation of {self.population} neuron {self.neuron}: code {self.code}, opening {self.opening}>"
        )

    def sheet(self, limit: int = 10, yours: Yours | None = None) -> Sheet:
        """The explanation as tables: where the membrane came from, every step, the `limit` largest contributions or all
        candidates; what is `yours`, where it was answered, beside what is right.
        """
        c, y, x = self.place
        parts = [self._parts(yours or Yours())] if self.opening is not None or self.sums else []
        if self.steps:
            answered = yours is not None and (yours.spikes or yours.membranes or yours.opening is not None)
            parts += [self._beside(yours) if yours is not None and answered else self._steps(yours)]
        if self.candidates:
            stays = "" if self.kind == "view" else "stays in"
            ends = [stays if w.dropped is None else f"out at step {w.dropped}" for w in self.candidates]
            rows = [
                (str(w.neuron), _at(w.place), "".join(map(str, w.train)), w.code, end)
                for w, end in zip(self.candidates, ends, strict=True)
            ]
            told = "shown" if self.kind == "view" else "candidates"
            parts += [Sheet(told, ("neuron", "c, y, x", "train", "code", ""), rows, left=0)]
        if self.synapses:
            parts += [self._contributions(limit)]
        title = f"{self.population} neuron {self.neuron}: channel {c}, row {y}, column {x}; {self.kind}"
        return Sheet(title, more=parts)

    def _parts(self, yours: Yours) -> Sheet:
        """What the membrane is made of."""
        named = "output" if self.kind == "readout" else "opening membrane"
        told = [
            ("bias", self.bias, None),
            *((f"sum {name}", total, yours.sums.get(name)) for name, total in self.sums.items()),
            (named, self.opening, yours.opening),
        ]
        rows = [(name, right, seen) for name, right, seen in told if right is not None]
        if not any(unlike(*row[1:]) for row in rows):
            return Sheet("membrane", ("part", "value"), [row[:2] for row in rows])
        shown = [(name, right, said(seen)) for name, right, seen in rows]
        return Sheet("membrane", ("part", "right", "yours", ""), marked(shown, (unlike(*row[1:]) for row in rows)))

    def _code(self, yours: Yours | None) -> list[Fact]:
        """The code that the steps make, and what was answered where that is another, or no train."""
        fired = [str(s.d) for s in self.steps if s.fired]
        made = f" = {' + '.join(fired)}" if len(fired) > 1 else ""
        told = [("code", f"{self.code:,}{made}")]
        if yours is not None and yours.code is not None and yours.code != self.code:
            told += [("yours", f"{yours.code:,}")]
        if yours is not None and yours.train is not None:
            told += [("train", f"yours is {yours.train:,}, no train of {plural(len(self.steps), 'step')}")]
        return told

    def _beside(self, yours: Yours) -> Sheet:
        """The steps of the window, what was answered beside what is right, and the code they make."""
        seen = [(yours.before(t), yours.fired(t)) for t in range(len(self.steps))]
        below = self._code(yours)
        if self.opening is None:  # an input, max_pool or view has no membrane
            differ = [unlike(int(s.fired), fired) for s, (_, fired) in zip(self.steps, seen, strict=True)]
            plain = [(s.step, s.t, int(s.fired), said(f), s.d) for s, (_, f) in zip(self.steps, seen, strict=True)]
            return Sheet("steps", ("step", "t", "spike", "yours", "d", ""), marked(plain, differ), left=0, below=below)
        rows: list[tuple[object, ...]] = [
            (str(s.step), s.t, s.threshold, s.before, said(own), int(s.fired), said(fired), s.d)
            for s, (own, fired) in zip(self.steps, seen, strict=True)
        ]
        differ = [
            unlike(s.before, own) or unlike(int(s.fired), fired)
            for s, (own, fired) in zip(self.steps, seen, strict=True)
        ]
        left, own = self.steps[-1].after, yours.before(len(self.steps))
        rows += [("after", None, None, left, said(own), None, None, None)]
        made = any(unlike(self.sums[name], value) for name, value in yours.sums.items() if name in self.sums)
        made = made or unlike(self.opening, yours.opening)  # then the first difference stands above
        differ = [wrong and not made for wrong in (*differ, unlike(left, own))]
        head = ("step", "t", "threshold", "membrane", "yours", "spike", "yours", "d", "")
        return Sheet("steps", head, marked(rows, differ), below=below)

    def _steps(self, yours: Yours | None) -> Sheet:
        """The steps of the window, and the code they make."""
        return steps_sheet(self.steps, "steps", self._code(yours))

    def _contributions(self, limit: int) -> Sheet:
        """The largest contributions."""
        shown = self.contributions[:limit]
        title = f"{len(self.contributions):,} of {plural(self.synapses, 'synapse')} contributed"
        if len(shown) < len(self.contributions):
            title += f"; the {len(shown)} largest" if shown else ""
        gated = any(s.factor is not None for s in shown)
        rows = [
            (s.projection, str(s.neuron), _at(s.place), s.weight, s.code, *[s.factor] * gated, s.contribution)
            for s in shown
        ]
        head = ("projection", "from neuron", "c, y, x", "weight", "code", *["factor"] * gated, "contribution")
        return Sheet(title, head if shown else (), rows)


def _at(place: Place) -> str:
    """A place as c, y, x."""
    return ", ".join(map(str, place))
