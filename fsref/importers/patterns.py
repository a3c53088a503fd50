"""Arithmetic that spells out one operator, found in a graph in the making and written as that operator.

quantise: clip(x, 0, alpha) * levels / alpha -> floor or round -> * alpha / levels, in any order of clips and scales; x
+ (q - x), with which training lets gradients through, is q. hard_sigmoid, silu and hard_silu from their parts; strides
in y and x as one subsample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fsref.graph.arithmetic import rounded_end
from fsref.graph.operators import Floats
from fsref.importers.draft import Step, ordered, users

CLOSE = 1e-4  # of one level
HALVES = "round: torch gives the even neighbour of a half, the graph the upper one"


def tidy(last: Step) -> tuple[Step, list[str]]:
    """The last step, every pattern rewritten below it, and notes on what that changed."""
    for step in ordered(last):
        if step.op == "add":
            _cancel(step)
    last = _without_identities(last)
    notes = _chains(last)
    last = _without_identities(last)
    for step in ordered(last):
        if step.op == "mul" and len(step.inputs) == 2:
            _gate(step, users(last))
    last = _without_identities(last)
    for step, readers in users(last).items():
        if step.op == "subsample" and len(readers) == 1 and readers[0].op == "subsample":
            (y, x), (v, u) = step.attributes["stride"], readers[0].attributes["stride"]
            readers[0].become("subsample", *step.inputs, stride=(y * v, x * u))
    return last, notes


def _through(step: Step) -> Step:
    while step.op == "identity":
        step = step.inputs[0]
    return step


def _without_identities(last: Step) -> Step:
    """The last step that is no identity, its graph without them; a graph of nothing else keeps one."""
    for step in ordered(last):
        step.inputs = tuple(_through(source) for source in step.inputs)
    return last if _through(last).op == "input" else _through(last)


def scale_of(step: Step) -> tuple[float, float] | None:
    """(gain, offset) of an affine that is the same in every channel."""
    if step.op != "affine":
        return None
    gain, offset = step.arrays["gain"], step.arrays["offset"]
    return (float(gain[0]), float(offset[0])) if (gain == gain[0]).all() and (offset == offset[0]).all() else None


def uniform(channels: int, gain: float, offset: float) -> dict[str, Floats]:
    """The arrays of an affine that is the same in every channel."""
    return {"gain": np.full(channels, gain), "offset": np.full(channels, offset)}


def _cancel(step: Step) -> None:
    """Write a sum as its one term when all others cancel: x + (q - x) is q."""
    terms, stack = list[Step](), [step]
    while stack:
        term = _through(stack.pop())
        if term.op == "add":
            stack.extend(term.inputs)
        else:
            terms.append(term)
    for minus in [term for term in terms if scale_of(term) == (-1.0, 0.0)]:
        if (plus := _through(minus.inputs[0])) in terms:
            terms.remove(plus)
            terms.remove(minus)
    if len(terms) == 1 and terms[0].shape == step.shape:
        step.become("identity", terms[0])


@dataclass
class _Form:
    """What a chain computes of x: unit * clip(R(gain x + offset), low, high) + base; R is nothing until the chain
    rounds.
    """

    gain: float = 1.0
    offset: float = 0.0
    low: float = -math.inf
    high: float = math.inf
    rounding: str = ""
    unit: float = 1.0
    base: float = 0.0

    def after(self, step: Step) -> bool:
        """Take in one more step; False when the form cannot hold it."""
        if scale := scale_of(step):
            gain, offset = scale
            if self.rounding:
                self.unit, self.base = self.unit * gain, self.base * gain + offset
            else:
                self.gain, self.offset, self.low, self.high = (
                    self.gain * gain,
                    self.offset * gain + offset,
                    self.low * gain + offset,
                    self.high * gain + offset,
                )
        elif step.op == "clip":
            low, high = ((step.attributes[end] - self.base) / self.unit for end in ("low", "high"))
            if self.rounding and not (_whole(low) and _whole(high)):
                return False
            self.low, self.high = min(max(self.low, low), high), min(max(self.high, low), high)
        else:
            if self.rounding or abs(self.offset - (0.5 if step.op == "floor" and self.offset > 0.25 else 0.0)) > CLOSE:
                return False
            self.rounding = "nearest" if step.op == "round" or self.offset > 0.25 else "floor"
            self.low, self.high = (rounded_end(bound, step.op == "round", CLOSE) for bound in (self.low, self.high))
            return not math.isnan(self.low + self.high) or math.isinf(self.low) and math.isinf(self.high)
        return True


def _whole(number: float) -> bool:
    return math.isinf(number) or abs(number - round(number)) < CLOSE


def _scalar(step: Step) -> bool:
    """Whether a step is a link of a chain: monotone, of one input, the same at every place and in every channel."""
    scale = scale_of(step)
    return step.op in ("clip", "round", "floor") or (scale is not None and scale[0] > 0)


def _chains(last: Step) -> list[str]:
    """Rewrite every chain of scalar steps that is one quantise or one hard_sigmoid; join clips. Gives the notes."""
    readers, notes = users(last), dict[str, None]()
    for step in ordered(last):
        if not _scalar(step) or (len(readers[step]) == 1 and _scalar(readers[step][0])):
            continue
        chain, form = _chain(step, readers), _Form()
        if all(form.after(link) for link in chain):
            even = any(link.op == "round" for link in chain)
            if form.rounding:
                if _quantise(step, chain[0].inputs[0], form) and even:
                    notes[HALVES] = None
            elif form.low == 0 and abs(form.high - 1) < CLOSE and abs(form.offset) > CLOSE:
                step.become("hard_sigmoid", *chain[0].inputs, slope=form.gain, offset=form.offset)
        _join_clips(chain)
    return list(notes)


def _chain(step: Step, readers: Mapping[Step, Sequence[Step]]) -> list[Step]:
    """The longest chain that ends in `step`, in order."""
    chain = [step]
    while _scalar(before := chain[-1].inputs[0]) and len(readers[before]) == 1:
        chain.append(before)
    return chain[::-1]


def _quantise(step: Step, source: Step, form: _Form) -> bool:
    """Write the end of a chain as a quantise, and an affine after it unless its levels lie alpha / levels apart from 0
    on.
    """
    levels = form.high
    if form.low != 0 or not 1 <= levels < math.inf:
        return False
    attributes: dict[str, Any] = {"alpha": levels / form.gain, "levels": int(levels), "rounding": form.rounding}
    if abs(form.unit * form.gain - 1) * levels < CLOSE and abs(form.base * form.gain) < CLOSE:
        step.become("quantise", source, **attributes)
    else:
        codes = Step("quantise", (source,), step.shape, step.place, attributes)
        step.become("affine", codes, arrays=uniform(step.shape[0], form.unit * form.gain, form.base))
    return True


def _join_clips(chain: Sequence[Step]) -> None:
    """Write a clip of a clip as one, as far as the chain is still there; a scale by 1 is none."""
    for before, step in zip(chain, chain[1:], strict=False):
        if before.op == step.op == "clip":
            low, high = step.attributes["low"], step.attributes["high"]
            attributes = before.attributes
            step.become(
                "clip",
                *before.inputs,
                low=min(max(attributes["low"], low), high),
                high=min(max(attributes["high"], low), high),
            )
    for step in chain:
        if scale_of(step) == (1.0, 0.0):
            step.become("identity", *step.inputs)


def _gate(step: Step, readers: Mapping[Step, Sequence[Step]]) -> None:
    """Write x * sigmoid(x) as silu, x * hard_sigmoid(x) as hard_silu, x * clip(x + 3, 0, 6) as 6 * hard_silu(x), and
    that / 6 as hard_silu.
    """
    for x, gate in (step.inputs, step.inputs[::-1]):
        if gate.op == "sigmoid" and gate.inputs == (x,):
            return step.become("silu", x)
        if gate.op == "hard_sigmoid" and gate.inputs == (x,):
            return step.become("hard_silu", x, **gate.attributes)
        chain, form = [gate], _Form()
        while chain[-1] is not x and _scalar(chain[-1]):
            chain.append(chain[-1].inputs[0])
        if chain[-1] is x and gate is not x and all(form.after(link) for link in chain[-2::-1]) and not form.rounding:
            if form.low == 0 < form.high < math.inf and abs(form.offset) > CLOSE:
                high, after = form.high, readers[step]
                scale = scale_of(after[0]) if len(after) == 1 else None
                attributes: dict[str, Any] = {"slope": form.gain / high, "offset": form.offset / high}
                if scale and abs(scale[0] * high - 1) < CLOSE and scale[1] == 0:
                    after[0].become("hard_silu", x, **attributes)
                else:
                    smooth = Step("hard_silu", (x,), step.shape, step.place, attributes)
                    step.become("affine", smooth, arrays=uniform(step.shape[0], high, 0.0))
                return None
    return None
