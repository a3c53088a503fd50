"""What a device answered of one neuron, to stand beside what is right (CONFORM-6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from fsref.simulation.recording import Key

FIRST = "<- first"  # stands behind the first row in which what was answered is not right


@dataclass(frozen=True)
class Yours:
    """What was answered of a neuron: its sums by projection, its opening, whether it fired in each step, 0 or 1, or
    what its train is, no train of so many steps, alone; its membranes behind each step, its code; None, or nothing,
    where it was not answered.
    """

    sums: Mapping[str, int] = field(default_factory=dict)
    opening: int | None = None
    spikes: tuple[int, ...] = ()
    train: int | None = None
    membranes: tuple[int, ...] = ()
    code: int | None = None

    def before(self, t: int) -> int | None:
        """The membrane that step t looks at; behind the last step that which is left."""
        if t == 0:
            return self.opening
        return self.membranes[t - 1] if self.membranes else None

    def fired(self, t: int) -> int | None:
        """Whether it fired in step t."""
        return self.spikes[t] if self.spikes else None


def yours_of(observed: Mapping[Key, NDArray[Any]], name: str, into: Iterable[str], neuron: int, steps: int) -> Yours:
    """What was answered of a neuron of a population of so many steps, and of the projections `into` it."""
    own = {what: values[..., neuron] for (of, what), values in observed.items() if of == name and what != "sums"}
    train = int(own["spikes"]) if "spikes" in own else None
    known = train is not None and 0 <= train < 2**steps
    spikes = tuple(train >> t & 1 for t in reversed(range(steps))) if train is not None and known else ()
    return Yours(
        {of: int(observed[of, "sums"][neuron]) for of in into if (of, "sums") in observed},
        int(own["opening"]) if "opening" in own else None,
        spikes,
        None if known else train,
        tuple(own["membranes"].tolist()) if "membranes" in own else (),
        int(own["codes"]) if "codes" in own else None,
    )


def marked(rows: Iterable[tuple[Any, ...]], differ: Iterable[bool]) -> list[tuple[Any, ...]]:
    """The rows, each with a mark behind it, or nothing: the first that differs has one."""
    found, given = [], False
    for row, unlike in zip(rows, differ, strict=True):
        found.append((*row, FIRST if unlike and not given else ""))
        given |= unlike
    return found


def unlike(right: object, seen: object) -> bool:
    """Whether something was answered, and is not right."""
    return seen is not None and seen != right


def said(seen: object) -> object:
    """What was answered, as a table shows it."""
    return "-" if seen is None else seen
