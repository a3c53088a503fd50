"""What a chain of scales, clips and one rounding computes, and the operators of a graph that say the same: the one
recogniser of quantisers and gates, for every importer.

A link of a chain is a node or a step in the making: whatever has `op`, `attributes` and `arrays`. A chain becomes a
Form, which forgets in which order scales and clips stood; `quantiser`, `hard_sigmoid` and `gated` read the operator off
it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from fsref.graph.arithmetic import rounded_end
from fsref.graph.operators import Floats
from fsref.importers.refusals import Unmapped

CLOSE = 1e-4  # of one level
TINY = 2.0**-48  # relative
NEAR = 1e-6  # relative: float32 constants such as 1/6 miss the number they mean by this little


class Link(Protocol):
    """One operator of a chain."""

    @property
    def op(self) -> str: ...

    @property
    def attributes(self) -> Mapping[str, Any]: ...

    @property
    def arrays(self) -> Mapping[str, Floats]: ...


def scale_of(link: Link) -> tuple[float, float] | None:
    """(gain, offset) of an affine that is the same in every channel."""
    if link.op != "affine":
        return None
    gain, offset = link.arrays["gain"], link.arrays["offset"]
    return (float(gain[0]), float(offset[0])) if (gain == gain[0]).all() and (offset == offset[0]).all() else None


def is_link(link: Link) -> bool:
    """Whether an operator can stand in a chain: never falling, of one input, the same at every place and in every
    channel.
    """
    if link.op == "hard_sigmoid":
        return bool(link.attributes["slope"] > 0)
    scale = scale_of(link)
    return link.op in ("clip", "relu", "round", "floor") or (scale is not None and scale[0] > 0)


@dataclass(frozen=True)
class Form:
    """What a chain computes of x: unit * clip(R(gain * x + offset), low, high) + base.

    `rounding` says what R is: round (halves to the even integer), floor, or nothing as long as the chain has not
    rounded; until then unit is 1 and base 0, since scales go into the clip.
    """

    gain: float = 1.0
    offset: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    rounding: str = ""
    unit: float = 1.0
    base: float = 0.0

    def scaled(self, gain: float, offset: float) -> Form:
        """The form times `gain`, which is positive, plus `offset`."""
        if self.rounding:
            return replace(self, unit=self.unit * gain, base=self.base * gain + offset)
        gained = self.gain * gain, self.offset * gain + offset
        return Form(*gained, self.low * gain + offset, self.high * gain + offset)

    def clipped(self, low: float, high: float) -> Form:
        """The form between two bounds, each perhaps infinite. Errors: Unmapped when it is rounded and a bound lies
        between two levels.
        """
        low, high = ((bound - self.base) / self.unit for bound in (low, high))
        if self.rounding:
            if not (_whole(low) and _whole(high)):
                raise Unmapped("clips between two levels of what is rounded", "bounds that are levels")
            low, high = (bound if math.isinf(bound) else float(round(bound)) for bound in (low, high))
        return replace(self, low=min(max(self.low, low), high), high=min(max(self.high, low), high))

    def rounded(self, rounding: str) -> Form:
        """The form rounded by `round` or `floor`, its bounds too. Errors: Unmapped when it is rounded already, or when
        float errors decide what a bound becomes.
        """
        if self.rounding:
            raise Unmapped("rounds what is rounded", "one Round or Floor")
        ends = []
        for bound in (self.low, self.high):
            ends.append(rounded_end(bound, rounding == "round", CLOSE))
            if math.isnan(ends[-1]):
                wrong = f"rounds a bound of {bound:.9g}, so near to a half that float errors decide"
                raise Unmapped(wrong, "a bound that is a half exactly, or none")
        return replace(self, rounding=rounding, low=ends[0], high=ends[1])

    def after(self, link: Link) -> Form:
        """The form with one more link behind it. Errors: Unmapped."""
        if scale := scale_of(link):
            return self.scaled(*scale)
        match link.op:
            case "relu":
                return self.clipped(0.0, math.inf)
            case "clip":
                return self.clipped(link.attributes["low"], link.attributes["high"])
            case "hard_sigmoid":
                return self.scaled(link.attributes["slope"], link.attributes["offset"]).clipped(0.0, 1.0)
            case _:
                return self.rounded(link.op)


def _whole(number: float) -> bool:
    return math.isinf(number) or abs(number - round(number)) < CLOSE


def form_of(chain: Iterable[Link]) -> Form:
    """The form of the links, in order. Errors: Unmapped."""
    form = Form()
    for link in chain:
        form = form.after(link)
    return form


@dataclass(frozen=True)
class Quantiser:
    """A quantise of `levels` steps of size `step`, the first of which stands for `first` steps; what it gives is then
    scaled by `gain` and `offset`.
    """

    step: float
    first: float
    levels: int
    rounding: str
    gain: float
    offset: float

    @property
    def shift(self) -> float:
        """What is added before the quantise, whose levels begin at 0."""
        return -self.first * self.step if abs(self.first) > CLOSE else 0.0

    @property
    def attributes(self) -> dict[str, Any]:
        """The attributes of the quantise."""
        return {"alpha": self.levels * self.step, "levels": self.levels, "rounding": self.rounding}

    @property
    def scale(self) -> tuple[float, float] | None:
        """(gain, offset) of the affine behind the quantise; None when it would change nothing."""
        changes = not self._same_gain or abs(self.offset) > CLOSE * self.step
        return (self.gain, self.offset) if changes else None

    @property
    def restores(self) -> bool:
        """Whether each level comes back as the value it stands for."""
        return self._same_gain and abs(self.offset / self.step - self.first) <= CLOSE

    @property
    def grid(self) -> tuple[float, float, float]:
        """The step of the values that it restores, the first and the last of them, in steps."""
        return self.step, self.first, self.first + self.levels

    def keeps(self, grid: tuple[float, float, float]) -> bool:
        """Whether it finds each value of a grid on one of its levels already."""
        step, low, high = grid
        if not self.restores or self.rounding == "floor":
            return False
        return abs(step / self.step - 1) <= NEAR and self.first <= low and high <= self.first + self.levels

    @property
    def _same_gain(self) -> bool:
        return abs(self.gain - 1) <= max(NEAR, CLOSE / self.levels)


def quantiser(form: Form, not_negative: bool = False) -> Quantiser | None:
    """The quantiser that a form is, None when it does not round between two bounds; `not_negative` says that what it
    reads is never below 0.
    """
    rounding, start, low, high = form.rounding, form.offset, form.low, form.high
    if not rounding:
        return None
    if not_negative and low < (end := rounded_end(start, rounding == "round", CLOSE)) < high:
        low = end
    if math.isinf(low) or math.isinf(high) or not low < high or not form.gain > 0:
        return None
    if rounding == "floor" and abs(start % 1 - 0.5) <= CLOSE:  # floor(x + 0.5)
        start = start - 0.5
        kind = "nearest"
    elif rounding == "floor":
        kind = "floor"
    else:  # halves go to even integers, the first of which is `low`
        kind = "even" if low % 2 == 0 else "odd"
    step = plain_step(1 / form.gain)
    return Quantiser(step, low - start, int(high - low), kind, form.unit / step, form.unit * low + form.base)


def plain_step(step: float) -> float:
    """A step without what 64 bits rounded on the way: the number of 32 bits beside it, as scales of models are."""
    plain = float(np.float32(step))
    return plain if abs(plain - step) <= TINY * abs(step) else step


class Smooth(NamedTuple):
    """An operator of one input, the factor behind it, and the one before it."""

    op: str
    attributes: dict[str, Any]
    factor: float = 1.0
    gain: float = 1.0


def hard_sigmoid(form: Form) -> Smooth | None:
    """The hard sigmoid that a form is: a slope through the middle of 0..1."""
    if form.rounding or form.low != 0 or abs(form.high - 1) >= CLOSE or abs(form.offset) <= CLOSE:
        return None
    return Smooth("hard_sigmoid", {"slope": form.gain, "offset": form.offset})


def gated(chain: Sequence[Link]) -> Smooth | None:
    """What x times a gate is, whose links lead from x to it: hard_swish of a hard_sigmoid, be it spelled
    clip(x + 3, 0, 6).
    """
    if not chain or not all(map(is_link, chain)):
        return None
    try:
        form = form_of(chain)
    except Unmapped:
        return None
    if form.rounding or form.low != 0 or not 0 < form.high < math.inf:
        return None
    return Smooth("hard_swish", {"slope": form.gain / form.high, "offset": form.offset / form.high}, form.high)
