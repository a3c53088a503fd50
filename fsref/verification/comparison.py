"""What `compare` found: a row per population, the verdict, and both as a table (CONV-10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isinf
from typing import Any

import numpy as np

from fsref.law.neuron import Ints
from fsref.metrics.losses import Loss
from fsref.tables import Sheet, Shown, plural, short

JUMP = 10.0  # dB below the middle FS population
FOLDED = 40.0  # dB
LEAST, MOST = 3.0, 30.0  # dB: an error of half the power is always a jump, one of a thousandth never
EXACT = 120.0  # dB: what float32 itself rounds off
LEGEND = (
    ("dB", "power of the float value over power of the error"),
    ("inherited", "through the float layer, from the errors of the sources; new: made here"),
    ("codes", "rounding and clipping, the least these codes cost; arithmetic: integer weights, bias, thresholds"),
    ("bias", "mean error in codes; clipped: float values beyond the codes"),
    ("dead", "neurons that never spike; inactive: never active in float; lost: dead, yet active in float"),
)


FIT = ("fit", "a fitted table of the exact membrane, beside the code nearest to the float layer")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown):
    """What `compare` found: a row per population, the input first and the readout last, and the classes (B,) that
    both sides give.

    `limits` are the ratios in dB, one for each part of the new error, below which the loss of a population jumps.
    `folding_db` is the ratio of the graph's own logits to what folding changed in them beyond what float32 may round
    off, None where an activation of the graph quantises: it may go the other way for a rounding. `notes` tell what was
    taken for granted.
    """

    graph: str
    network: str
    id: str
    rows: tuple[Loss, ...]
    limits: Mapping[str, float]
    folding_db: float | None
    float_predictions: Ints | None
    fs_predictions: Ints | None
    labels: Ints | None
    notes: tuple[str, ...]
    image_count: int

    def __getitem__(self, population: str) -> Loss:
        """The row of a population; KeyError when there is none."""
        return {row.name: row for row in self.rows}[population]

    @property
    def agree(self) -> int | None:
        """On how many images both sides give the same class; None of networks without classes (NET-8)."""
        if self.float_predictions is None or self.fs_predictions is None:
            return None
        return int((self.float_predictions == self.fs_predictions).sum())

    @property
    def correct(self) -> tuple[int, int] | None:
        """How many images the float graph and the FS network get right, where labels were given."""
        if self.labels is None:
            return None
        both = (self.float_predictions, self.fs_predictions)
        first, second = (int(np.sum(predictions == self.labels)) for predictions in both)
        return first, second

    @property
    def first_jump(self) -> Loss | None:
        """The first population whose loss jumps, in the order of the graph."""
        return next((row for row in self.rows if row.jump), None)

    @property
    def folding_wrong(self) -> bool:
        """Whether the folded graph is another function than the graph."""
        return self.folding_db is not None and self.folding_db < FOLDED

    @property
    def worst(self) -> Loss:
        """The population whose new error is the largest beside its value."""
        return min(self.rows, key=lambda row: row.db("new"))

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain JSON values, without the classes of each image."""
        right = self.correct or (None, None)
        shares = [None if count is None else count / self.image_count for count in right]
        first, worst = self.first_jump, self.worst
        return {
            "graph": self.graph,
            "network": self.network,
            "id": self.id,
            "image_count": self.image_count,
            "agree": self.agree,
            "agreement": None if self.agree is None else self.agree / self.image_count,
            "float_correct": right[0],
            "fs_correct": right[1],
            "float_accuracy": shares[0],
            "fs_accuracy": shares[1],
            "logits_db": self.rows[-1].to_dict()["error_db"],
            "limits_db": dict(self.limits),
            "folding_db": None if self.folding_db is None or not isfinite(self.folding_db) else self.folding_db,
            "folding_wrong": self.folding_wrong,
            "first_jump": None if first is None else first.name,
            "jumps": [row.name for row in self.rows if row.jump],
            "worst": worst.name,
            "notes": list(self.notes),
            "populations": [row.to_dict() for row in self.rows],
        }

    def __repr__(self) -> str:
        first = "no jump" if self.first_jump is None else f"first jump {self.first_jump.name}"
        agree = "" if self.agree is None else f"{self.agree} of {self.image_count} predictions agree, "
        return short(f"<Comparison: {agree}{first}>")

    def verdict(self) -> list[tuple[str, str]]:
        """What a person wants to know first."""
        facts: list[tuple[str, str]] = []
        if self.agree is not None:
            share = 100 * self.agree / self.image_count
            facts.append(("predictions", f"{share:.2f} % agree  ({self.agree:,} of {self.image_count:,})"))
        if self.correct is not None:
            sides = zip(("float", "FS"), self.correct, strict=True)
            told = (f"{side} {100 * right / self.image_count:.2f} %  ({right:,})" for side, right in sides)
            facts.append(("accuracy", "   ".join(told)))
        if self.agree is not None:
            facts.append(("logits", f"{decibels(self.rows[-1], 'error')} dB"))
        else:
            outputs = [row for row in self.rows if row.kind == "readout"]
            facts += [(f"output {row.name}", f"{decibels(row, 'error')} dB") for row in outputs]
        if self.folding_wrong:
            far = f"the float logits are {self.folding_db:.1f} dB from the graph's own"
            facts.append(("WRONG", f"folding: with batch norm and the like folded into weights {far}"))
        first, worst = self.first_jump, self.worst
        if first is None:
            facts.append(("first jump", "none: no population adds much more error than the others"))
        else:
            at = f"{decibels(first, first.jump)} dB, the limit is {self.limits[first.jump]:.1f}"
            facts.append(("first jump", f"{first.name}: its {first.jump} part is at {at}"))
            facts += [("", what) for what in [cause(first)] if what]
        if worst is not first and worst.new > 0:
            facts.append(("adds most", f"{worst.name}: its new error is at {decibels(worst, 'new')} dB"))
        return facts

    def sheet(self) -> Sheet:
        """The comparison as a table: the verdict, a line per population, what the columns mean."""
        parts = ["codes", *(["fit"] if any(row.fit is not None for row in self.rows) else []), "arithmetic"]
        head = ("population", "K", "SNR", "inherited", "new", f"= {parts[0]}", *(f"+ {p}" for p in parts[1:]), "bias")
        ends = ("clipped %", "at top %", "dead", "inactive", "lost", "")
        rows = []
        for row in self.rows:
            ratios = (decibels(row, part) for part in ("error", "inherited", "new", *parts))
            bias = None if row.mean_error_codes is None else f"{round(row.mean_error_codes, 2) + 0.0:+.2f}"
            share = percent(row.clipped), percent(row.saturated)
            neurons, mark = (row.dead, row.inactive, row.lost), "<- jump" if row.jump else ""
            rows.append((row.name, row.steps or None, *ratios, bias, *share, *neurons, mark))
        limits = " and ".join(f"{part} {limit:.1f}" for part, limit in self.limits.items())
        jump = f"below {limits} dB, which is {JUMP:.0f} dB under the middle FS population, but {LEAST:.0f} at least "
        legend = [*LEGEND, *([FIT] if "fit" in parts else []), ("jump", f"{jump}and {MOST:.0f} at most")]
        title = f"{self.network or 'network'} {self.id[:12]} beside the float graph {self.graph or 'without a name'}: "
        title += plural(self.image_count, "image")
        above = [*self.verdict(), *(("note", note) for note in self.notes)]
        return Sheet(title, (*head, *ends), rows, above=above, below=legend)


def decibels(row: Loss, part: str) -> str:
    """A ratio as text; "exact" where no more than float32 rounds off is lost, nothing where there is no such part."""
    if getattr(row, part, 0.0) is None:
        return ""
    db = row.db(part)
    return "exact" if db >= EXACT else "no value" if isinf(db) else f"{db:.1f}"


def percent(share: float | None) -> str | None:
    """A share as per cent, two digits; one too small for them is no 0."""
    return None if share is None else "0" if share == 0 else "<0.01" if share < 5e-5 else f"{100 * share:.2f}"


def cause(row: Loss) -> str:
    """What the new error of a population looks like, in words, or ""."""
    seen = []
    if abs(row.gain - 1) > 0.02 and row.after_gain < row.new / 4 and row.db("after_gain") > JUMP:
        seen.append(
            f"times {row.gain:.3g} the value would meet the float layer at "
            f"{decibels(row, 'after_gain')} dB, as with a wrong scale"
        )
    elif row.constant > 2 / 3:
        seen.append(f"{100 * row.constant:.0f} % of the new error is one constant per channel, as from a wrong bias")
    if row.channel_share > 0.5 and row.kind != "input":
        seen.append(f"{100 * row.channel_share:.0f} % of the new error is in channel {row.channel}")
    return "; ".join(seen)
