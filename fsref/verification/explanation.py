"""What `explain` gives back: every step of one neuron's window and every synapse that contributed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fsref.tables import Sheet, Shown, plural, short

Place = tuple[int, int, int]


@dataclass(frozen=True)
class Step:
    """One step of the window: t, the absolute step, and what happened. An input or max_pool has no membrane: those are
    None (FS-2, FS-3).
    """

    t: int
    step: int
    before: int | None
    threshold: int | None
    fired: bool
    reset: int | None
    after: int | None
    d: int


@dataclass(frozen=True)
class Contribution:
    """What one synapse delivered for this image: weight times the code of its source neuron (PROJ-1)."""

    projection: str
    source: str
    neuron: int
    place: Place
    weight: int
    code: int
    contribution: int


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
    projection name; `bias`, `opening` and `code` where the kind has them; `candidates` of a max_pool.
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

    def sheet(self, limit: int = 10) -> Sheet:
        """The explanation as tables: where the membrane came from, every step, the `limit` largest contributions or all
        candidates.
        """
        c, y, x = self.place
        parts: list[Sheet] = []
        named = "logit" if self.kind == "readout" else "opening membrane"
        told = [("bias", self.bias), *((f"sum {name}", total) for name, total in self.sums.items())]
        if made := [(name, value) for name, value in (*told, (named, self.opening)) if value is not None]:
            parts += [Sheet("membrane", ("part", "value"), made)]
        if self.steps:
            parts += [self._steps()]
        if self.candidates:
            ends = ["stays in" if w.dropped is None else f"out at step {w.dropped}" for w in self.candidates]
            rows = [
                (str(w.neuron), _at(w.place), "".join(map(str, w.train)), w.code, end)
                for w, end in zip(self.candidates, ends, strict=True)
            ]
            parts += [Sheet("candidates", ("neuron", "c, y, x", "train", "code", ""), rows, left=0)]
        if self.synapses:
            parts += [self._contributions(limit)]
        title = f"{self.population} neuron {self.neuron}: channel {c}, row {y}, column {x}; {self.kind}"
        return Sheet(title, more=parts)

    def _steps(self) -> Sheet:
        """The steps of the window, and the code they make."""
        fired = [str(s.d) for s in self.steps if s.fired]
        made = f" = {' + '.join(fired)}" if len(fired) > 1 else ""
        below = [("code", f"{self.code:,}{made}")]
        marks = ["fires" if s.fired else "-" for s in self.steps]
        if self.opening is None:  # an input or max_pool has no membrane
            plain = [(s.step, s.t, mark, s.d) for s, mark in zip(self.steps, marks, strict=True)]
            return Sheet("steps", ("step", "t", "", "d"), plain, left=0, below=below)
        rows = [
            (s.step, s.t, s.before, s.threshold, mark, s.reset, s.after, s.d)
            for s, mark in zip(self.steps, marks, strict=True)
        ]
        return Sheet(
            "steps", ("step", "t", "membrane", "threshold", "", "reset", "after", "d"), rows, left=0, below=below
        )

    def _contributions(self, limit: int) -> Sheet:
        """The largest contributions."""
        shown = self.contributions[:limit]
        title = f"{len(self.contributions):,} of {plural(self.synapses, 'synapse')} contributed"
        if len(shown) < len(self.contributions):
            title += f"; the {len(shown)} largest" if shown else ""
        rows = [(s.projection, str(s.neuron), _at(s.place), s.weight, s.code, s.contribution) for s in shown]
        head = ("projection", "from neuron", "c, y, x", "weight", "code", "contribution")
        return Sheet(title, head if shown else (), rows)


def _at(place: Place) -> str:
    """A place as c, y, x."""
    return ", ".join(map(str, place))
