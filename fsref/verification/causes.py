"""The catalogue of causes: known mistakes of other simulators, converters and chips, and which of them would give what
somebody else answered (OBS-4).

A cause is named only when it reproduces every number that they answered for one population; so it may be wrong about
the cause, but never about the numbers. To add one, write what follows from it beside its like, and a line in the tuple
there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fsref.tables import Brief
from fsref.verification.accumulator_causes import ACCUMULATOR, one_side
from fsref.verification.adding import additions
from fsref.verification.bias_causes import BIAS
from fsref.verification.border_causes import BORDER
from fsref.verification.consequences import Cause, rule_of
from fsref.verification.dropping_causes import DROPPING
from fsref.verification.event_causes import EVENTS
from fsref.verification.firing_causes import FIRING
from fsref.verification.gate_causes import GATES
from fsref.verification.neuron_causes import HELD, NEURON
from fsref.verification.place_causes import PLACES
from fsref.verification.pool_causes import POOL
from fsref.verification.pool_place_causes import POOL_PLACES
from fsref.verification.product_causes import PRODUCTS
from fsref.verification.reading_causes import MISSING, READING
from fsref.verification.report_causes import REPORT
from fsref.verification.reset_causes import RESET
from fsref.verification.row_causes import ROWS
from fsref.verification.scene import Effect, Scene
from fsref.verification.sending_causes import SENDING
from fsref.verification.stale_causes import STALE
from fsref.verification.stuck_causes import SILENT, STUCK
from fsref.verification.table_causes import TABLE
from fsref.verification.tap_causes import TAPS
from fsref.verification.taps import taps_of
from fsref.verification.walking_causes import WALKING
from fsref.verification.weight_causes import WEIGHT
from fsref.verification.window_causes import WINDOW
from fsref.verification.wiring_causes import WIRING

CAUSES: tuple[Cause, ...] = (  # the most likely first, where several fit
    SILENT,
    *POOL,
    *DROPPING,
    *POOL_PLACES,
    *FIRING,
    *RESET,
    *NEURON,
    *TABLE,
    *ROWS,
    *BIAS,
    *ACCUMULATOR,
    HELD,
    MISSING,
    *WEIGHT,
    *PRODUCTS,
    *GATES,
    *WINDOW,
    *WIRING,
    *READING,
    *BORDER,
    *WALKING,
    *TAPS,
    *SENDING,
    *EVENTS,
    *REPORT,
    *PLACES,
    *STALE,
    *STUCK,
)


@dataclass(frozen=True)
class Hint:
    """A cause that fits: its `name` in the catalogue, its words, and the `part` of a population alone that it gives,
    in words, "" for all; and its `forms` that do, by the words of each alone.
    """

    name: str
    text: str
    part: str = ""
    forms: Mapping[str, Effect] = field(default_factory=dict, compare=False, repr=False)

    def within(self, part: str) -> Hint:
        """The same of a part alone."""
        return replace(self, text=f"{self.text}, {part}", part=part) if part else self

    def among(self, forms: Mapping[str, Effect]) -> Hint:
        """The same in these forms alone."""
        (cause,) = (cause for cause in CAUSES if cause.name == self.name)
        own = replace(self, text=told(cause, [*forms.values()]), forms=forms, part="")
        return replace(own, part=where([*forms.values()])) if cause.whole else own.within(self.part)

    def covers(self, other: Hint) -> bool:
        """Whether what the other gives is a case of this: the same cause in the same part, or in one whose other parts
        are right with or without it.
        """
        return self.name == other.name and other.part in ("", self.part)

    @property
    def rule(self) -> str:
        """The rule that is broken, as "FS-2", or "" where the words name none."""
        return rule_of(self.text)


@dataclass(frozen=True, repr=False)
class Judged(Brief):
    """The causes that fit, how many of the `judged` images that differ each of them explains, and how many `differ`;
    where none fits, what is wrong there in words, as `observed`, and the `law` that it breaks; a kind of mistake
    explains none (CONFORM-8).
    """

    hints: tuple[Hint, ...] = ()
    explained: int = 0
    judged: int = 0
    differing: int = 0
    observed: str = ""
    law: str = ""

    def __str__(self) -> str:
        """How many images, in words."""
        if self.explained < self.judged:
            which = f"{self.explained} of {self.judged} images that differ; the others first differ elsewhere"
        elif self.judged < self.differing:
            which = f"all {self.judged} images judged of {self.differing} that differ"
        else:
            which = f"all {self.judged} images that differ" if self.judged > 1 else "the one image that differs"
        return which + ("; none of them tells these causes apart" if len(self.hints) > 1 else "")


def hints(scene: Scene, among: Collection[str] | None = None) -> tuple[Hint, ...]:
    """The causes that give exactly what they answered on every image of a scene, the most likely first; of these
    `among` others are not tried. Empty scenes have none.
    """
    if not scene.count:
        return ()
    found: list[Hint] = []
    for cause in CAUSES:
        if (among is not None and cause.name not in among) or (scene.sums_alone and not cause.of_sums):
            continue
        if cause.whole or any(scene.one.given_by(effect) for effect in cause.follow(scene.one)):
            fitting = [effect for effect in cause.follow(scene) if scene.given_by(effect)]
            forms = {told(cause, [own]): Effect(about=own.about, where=own.where) for own in fitting}
            part = where(fitting) if cause.whole and fitting else ""
            found += [Hint(cause.name, told(cause, fitting), part, forms)] if fitting else []
        if cause is SILENT and found:
            break  # nothing tells the others apart
    return tuple(found)


def forget() -> None:
    """Let go of what is held of the scenes judged last: where memory is counted, it is of one at a time."""
    for held in (additions, one_side, taps_of):
        held.cache_clear()


def order(name: str) -> int:
    """The place of a cause in the catalogue."""
    return [cause.name for cause in CAUSES].index(name)


def told(cause: Cause, fitting: Sequence[Effect]) -> str:
    """The words of a cause of which these forms fit: all of them are said, and where, unless one is everywhere."""
    values = {key: [effect.about[key] for effect in fitting] for key in fitting[0].about}
    text = cause.text.format(**{key: alternatives(map(str, each)) for key, each in values.items()})
    return ", ".join(filter(None, (text, where(fitting))))


def where(fitting: Sequence[Effect]) -> str:
    """The parts of a population in which these effects are, in words, "" where one is everywhere."""
    return "" if any(not effect.where for effect in fitting) else alternatives(effect.where for effect in fitting)


def alternatives(words: Iterable[str]) -> str:
    """Some words, each once: "8", "8 or 9", "8, 9 or 10"."""
    *others, last = dict.fromkeys(words)
    return f"{', '.join(others)} or {last}" if others else last
