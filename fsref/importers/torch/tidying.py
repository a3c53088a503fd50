"""A graph in the making, tidied: arithmetic that spells out one operator is written as that operator.

Chains that quantise, in any order of clips and scales; x + (q - x), with which training lets gradients through, is q;
hard_sigmoid, silu, gelu and others from their parts; a curve from what has no operator; strides in y and x as one
subsample.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from fsref.graph.operators import Floats
from fsref.importers.curves import spelled
from fsref.importers.formulas import PLACED, UNARY, fused
from fsref.importers.recogniser import (
    CLOSE,
    NEAR,
    Form,
    Quantiser,
    Smooth,
    form_of,
    gated,
    hard_sigmoid,
    is_link,
    quantiser,
    scale_of,
)
from fsref.importers.refusals import Unmapped
from fsref.importers.torch.draft import Step, one_operator, ordered, users


def tidy(last: Step) -> Step:
    """The last step, every pattern rewritten below it."""
    for step in ordered(last):
        if step.op == "add":
            _cancel(step)
    last = _without_identities(last)
    _chains(last)
    last = _without_identities(last)
    _curves(last)
    for step in ordered(last):
        if step.op == "mul" and len(step.inputs) == 2:
            _gate(step, users(last))
    last = _without_identities(last)
    for step in ordered(last):
        if step.op == "clip" and not one_operator(step):
            _bound(step)
    for step, readers in users(last).items():
        if step.op == "subsample" and len(readers) == 1 and readers[0].op == "subsample":
            (y, x), (v, u) = step.attributes["stride"], readers[0].attributes["stride"]
            readers[0].become("subsample", *step.inputs, stride=(y * v, x * u))
    return last


def _through(step: Step) -> Step:
    while step.op == "identity":
        step = step.inputs[0]
    return step


def _without_identities(last: Step) -> Step:
    """The last step that is no identity, its graph without them; a graph of nothing else keeps one."""
    for step in ordered(last):
        step.inputs = tuple(_through(source) for source in step.inputs)
    return last if _through(last).op == "input" else _through(last)


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


def _form(chain: Sequence[Step]) -> Form:
    """What a chain computes; a form without bounds, which is nothing, when it has none."""
    try:
        return form_of(chain)
    except Unmapped:
        return Form()


def _chains(last: Step) -> None:
    """Rewrite every chain that is one quantise or one hard_sigmoid; join clips."""
    readers = users(last)
    for step in ordered(last):
        if not is_link(step) or (len(readers[step]) == 1 and is_link(readers[step][0])):
            continue
        before: Quantiser | None = None
        for part in _parts(_chain(step, readers)):
            form, source, end = _form(part), part[0].inputs[0], part[-1]
            found = quantiser(form)
            if found is not None and before is not None and found.keeps(before.grid):
                end.become("identity", source)
            elif found is not None:
                _quantise(end, source, found)
            elif smooth := hard_sigmoid(form):
                end.become(smooth.op, source, **smooth.attributes)
            _join_clips(part)
            before = found


def _chain(step: Step, readers: Mapping[Step, Sequence[Step]]) -> list[Step]:
    """The longest chain that ends in `step`, in order."""
    chain = [step]
    while is_link(before := chain[-1].inputs[0]) and len(readers[before]) == 1:
        chain.append(before)
    return chain[::-1]


def _parts(chain: list[Step]) -> list[list[Step]]:
    """A chain in parts, each but the last a quantiser that gives back the values its levels stand for."""
    first, *more = [i for i, step in enumerate(chain) if step.op in ("floor", "round")] or [len(chain)]
    for cut in range(first + 1, more[0] + 1 if more else 0):
        found = quantiser(_form(chain[:cut]))
        if found is not None and found.restores:
            return [chain[:cut], *_parts(chain[cut:])]
    return [chain]


def _quantise(step: Step, source: Step, found: Quantiser) -> None:
    """Write the end of a chain as a quantise, with an affine before it that shifts and one behind it that scales, where
    they change anything.
    """
    c = step.shape[0]
    if found.shift:
        source = Step("affine", (source,), step.shape, step.place, arrays=uniform(c, 1.0, found.shift))
    if found.scale is None:
        step.become("quantise", source, **found.attributes)
    else:
        codes = Step("quantise", (source,), step.shape, step.place, found.attributes)
        step.become("affine", codes, arrays=uniform(c, *found.scale))


def _join_clips(chain: Sequence[Step]) -> None:
    """Write a clip of a clip as one, as far as the chain is still there; a scale by 1 is none."""
    for before, step in zip(chain, chain[1:], strict=False):
        if before.op == step.op == "clip":
            both = form_of((before, step))
            step.become("clip", *before.inputs, low=both.low, high=both.high)
    for step in chain:
        if scale_of(step) == (1.0, 0.0):
            step.become("identity", *step.inputs)


def _bound(step: Step) -> None:
    """Write the larger, or the smaller, of a value and a number as a rectifier between two affines."""
    low, high = step.attributes["low"], step.attributes["high"]
    sign, bound = (1.0, low) if math.isfinite(low) else (-1.0, high)
    if not math.isfinite(bound) or math.isfinite(low) == math.isfinite(high):
        return
    channels, made = step.shape[0], step.inputs[0]
    made = Step("affine", (made,), step.shape, step.place, arrays=uniform(channels, sign, -sign * bound))
    made = Step("relu", (made,), step.shape, step.place)
    step.become("affine", made, arrays=uniform(channels, sign, bound))


def _gate(step: Step, readers: Mapping[Step, Sequence[Step]]) -> None:
    """Write x times a gate of x as one operator, with a factor behind it unless the next step takes that back."""
    found = _gated(step) or spelled(step, lambda other: (other, other.inputs))
    if found is None:
        return
    x, smooth = found
    after = readers[step]
    scale = scale_of(after[0]) if len(after) == 1 else None
    if abs(smooth.factor - 1) > NEAR and scale and abs(scale[0] * smooth.factor - 1) < CLOSE and scale[1] == 0:
        _smooth(after[0], x, smooth._replace(factor=1.0))
    else:
        _smooth(step, x, smooth)


def _smooth(step: Step, x: Step, found: Smooth) -> None:
    """Write a step as a curve of a value, with the scales around it."""
    op, attributes, factor, gain = found
    if abs(gain - 1) > NEAR:
        x = Step("affine", (x,), x.shape, step.place, arrays=uniform(x.shape[0], gain, 0.0))
    if abs(factor - 1) <= NEAR:
        step.become(op, x, **attributes)
    else:
        made = Step(op, (x,), step.shape, step.place, attributes)
        step.become("affine", made, arrays=uniform(step.shape[0], factor, 0.0))


def _curves(last: Step) -> None:
    """Write what no operator of a graph stands for as curves, with what stands around it; a value over another one as
    the product of it and 1 over that.
    """
    for step in ordered(last):
        if step.op not in PLACED or step.op in ("affine", "number"):
            continue
        found = fused(step, lambda other: (other, other.inputs))
        if found is not None:
            _smooth(step, *found)
        elif step.op == "div":
            below = Step("curve", step.inputs[1:], step.shape, step.place, {"formula": UNARY["reciprocal"]})
            step.become("mul", step.inputs[0], below)


def _gated(step: Step) -> tuple[Step, Smooth] | None:
    """The value that is multiplied by a piecewise linear gate of itself, and what that is."""
    for x, gate in (step.inputs, step.inputs[::-1]):
        chain = [gate] if gate is not x else []
        while chain and chain[-1].inputs != (x,) and is_link(chain[-1]):
            chain.append(chain[-1].inputs[0])
        if chain and chain[-1].inputs == (x,) and (found := gated(chain[::-1])) is not None:
            return x, found
    return None
