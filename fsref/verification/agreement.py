"""What `verify` gives back, and what it raises: two conversions agree, or where they first differ (OBS-4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fsref.law.neuron import Ints
from fsref.simulation.difference import Observed
from fsref.tables import Sheet, Shown, plural
from fsref.verification.aimed import REACHED, Reach, missed, reached
from fsref.verification.causes import Judged
from fsref.verification.explanation import Place

FEW = 0.05  # busy neurons: with fewer, images say little


@dataclass(frozen=True, repr=False)
class Agreement(Shown):
    """What `verify` found when nothing differs: `image_count` images compared in `populations` of the network with this
    `network` name and `id`, `values` integers in all.

    `busy` is the share of FS neurons whose train was neither empty nor full on these images: where a mistake can show.
    Before drawn images came those that aim, out of `tried`: what they `reach` of each population. Tables of answers are
    not aimed at.
    """

    network: str
    id: str
    image_count: int
    populations: tuple[str, ...]
    values: int
    busy: float
    tried: int = 0
    reach: tuple[Reach, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        reach = [one.to_dict() for one in self.reach]
        return {**vars(self), "populations": list(self.populations), "reach": reach}

    def __repr__(self) -> str:
        return f"<Agreement: equal in {self.values} integers of {plural(self.image_count, 'image')}>"

    def sheet(self) -> Sheet:
        """How much was equal, in which populations, and how much that says."""
        first, more = self.populations[:4], len(self.populations) - 4
        named = ", ".join(first) + (f" and {more} more" if more > 0 else "")
        dull = "; most are silent or full: give images of your data" if self.busy < FEW else ""
        facts = [("compared", named), ("busy", f"{100 * self.busy:.1f} % of FS neurons{dull}")]
        title = f"{self.network or self.id[:12]}: equal in {self.values:,} integers of "
        title += plural(self.image_count, "image")
        return Sheet(title, REACHED, reached(self.reach), above=facts, below=missed(self.reach, self.tried))


class Disagreement(AssertionError):
    """Two conversions differ: `image` (C, H, W), `population`, `neuron` and its `place`, `theirs`, `expected`; `str()`
    is one block.

    Of an FS neuron also `membrane`, and `above`: how far it lies above (0 or more) or below the nearest threshold
    between two codes. `hints` are the known mistakes that give every code of the population in every image judged,
    the most likely first (OBS-4), and `causes` their names in the catalogue, "composed" of composed ones (CONFORM-7),
    "kind" of what is a kind of mistake alone (CONFORM-8); each explains `explained` of the `differing` images that were
    seen, a kind none.
    """

    def __init__(self, text: str, **found: Any) -> None:
        super().__init__(text)
        self.image: Ints = found["image"]
        self.population: str = found["population"]
        self.neuron: int = found["neuron"]
        self.place: Place = found["place"]
        self.theirs: Observed = found["theirs"]
        self.expected: int = found["expected"]
        self.membrane: int | None = found["membrane"]
        self.above: int | None = found["above"]
        judged: Judged = found["judged"]
        self.hints: tuple[str, ...] = tuple(hint.text for hint in judged.hints)
        self.causes: tuple[str, ...] = tuple(hint.name for hint in judged.hints)
        self.explained, self.differing = judged.explained, judged.differing

    def to_dict(self) -> dict[str, Any]:
        """The disagreement as plain JSON values."""
        plain: dict[str, Any] = {
            name: getattr(self, name)
            for name in (
                *("population", "neuron", "theirs", "expected", "membrane", "above"),
                *("explained", "differing"),
            )
        }
        return {
            **plain,
            "place": list(self.place),
            "hints": list(self.hints),
            "causes": list(self.causes),
            "image": self.image.tolist(),
            "text": str(self),
        }
