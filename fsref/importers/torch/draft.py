"""A float graph in the making: the steps an importer lays down, before they are tidied and named.

Beside the operators of a graph a step may be a word of formulas, or a `number` that such a word reads; `floor` or
`round`, a `clip` with an infinite bound (ReLU is clip 0..inf), `softmax`, or nothing, where the importer found no form;
`nodes` refuses what is still there at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fsref.graph.graph import Node
from fsref.graph.operators import Floats
from fsref.importers.formulas import DRAWN
from fsref.importers.naming import Origin, named
from fsref.importers.refusals import line
from fsref.law.populations import Shape

ONE_VALUE = "operands that one value makes, place by place"
NEAREST = {
    "floor": "quantise: clip, scale, round or floor, scale back",
    "clip": "relu, or clip with two finite bounds",
    "softmax": "softmax at the end, left out",
}


@dataclass(eq=False)
class Step:
    """One node in the making, of `shape` (C, H, W); `place` is the path of the module it was found in."""

    op: str
    inputs: tuple[Step, ...]
    shape: Shape
    place: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Floats] = field(default_factory=dict)

    def become(self, op: str, *inputs: Step, arrays: dict[str, Floats] | None = None, **attributes: Any) -> None:
        """Turn into another operator that gives the same value."""
        self.op, self.inputs, self.attributes, self.arrays = op, inputs, attributes, arrays or {}


def ordered(last: Step) -> list[Step]:
    """The steps that `last` needs, each after its inputs."""
    done: dict[Step, None] = {}
    stack = [last]
    while stack:
        waiting = next((source for source in stack[-1].inputs if source not in done), None)
        if waiting is None:
            done[stack.pop()] = None
        else:
            stack.append(waiting)
    return list(done)


def users(last: Step) -> dict[Step, list[Step]]:
    """The steps that read each step `last` needs, itself included."""
    readers: dict[Step, list[Step]] = {step: [] for step in ordered(last)}
    for step in readers:
        for source in set(step.inputs):
            readers[source].append(step)
    return readers


def unmapped(steps: Sequence[Step]) -> list[str]:
    """What is left that a graph has no operator for, a line each."""
    wrong = [
        step
        for step in steps
        if step.op in ("floor", "round", "softmax")
        or (step.op in DRAWN and len(step.inputs) > 1)
        or (step.op == "clip" and not one_operator(step))
    ]
    return [
        line(
            step.place or "forward",
            step.op,
            nearest=NEAREST.get(step.op, ONE_VALUE if step.op in DRAWN else NEAREST["floor"]),
        )
        for step in wrong
    ]


def one_operator(clip: Step) -> bool:
    """Whether a clip is a relu or has two finite bounds."""
    low, high = clip.attributes["low"], clip.attributes["high"]
    return bool(math.isfinite(low) and (math.isfinite(high) or low == 0))


def nodes(steps: Sequence[Step]) -> list[Node]:
    """The nodes of a graph; the step `input` is none."""
    for step in steps:
        if step.op == "clip" and step.attributes["high"] == math.inf:
            step.become("relu", *step.inputs)
    kept = [step for step in steps if step.op != "input"]
    names = dict(zip(kept, named([Origin(step.place, step.op) for step in kept]), strict=True))
    names |= {step: "input" for step in steps if step.op == "input"}
    return [
        Node(names[step], step.op, tuple(names[source] for source in step.inputs), step.attributes, step.arrays)
        for step in kept
    ]
