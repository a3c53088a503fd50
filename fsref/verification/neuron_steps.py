"""The steps of the neuron that differs first: what is right beside what was observed, and which rule its first fault is
one of (TRACE-3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np

from fsref.law.network import Network
from fsref.law.populations import FS
from fsref.simulation.difference import UNKNOWN, Difference, Observed
from fsref.simulation.recording import Key, Trace
from fsref.tables import Sheet
from fsref.verification.yours import marked, said, unlike

Seen: TypeAlias = Observed | None  # None where it was not observed


@dataclass(frozen=True)
class Moment:
    """A step, its threshold, the membrane that it looks at, and whether it fires, each as is right and as was observed;
    after the last step a membrane alone.
    """

    step: int | None
    threshold: int | None
    membrane: int
    observed_membrane: Seen
    spike: int | None
    observed_spike: Seen


@dataclass(frozen=True)
class Steps:
    """The moments of a neuron, none where nothing of its steps was observed; the rule of its first fault, "" where that
    of the observable says it, and what is wrong there, in words.
    """

    moments: tuple[Moment, ...] = ()
    rule: str = ""
    why: str = ""

    def to_list(self) -> list[dict[str, Any]]:
        """The moments as plain JSON values, null for what is x or z, which `unknown` names, or was not observed."""
        return [_plain(asdict(moment)) for moment in self.moments]

    def sheet(self, title: str) -> Sheet:
        """A row for each moment, "-" where something was not observed, the first that differs marked."""
        head = ("step", "threshold", "membrane", "yours", "spike", "yours", "")
        return Sheet(title, head, marked(map(_row, self.moments), map(_differs, self.moments)))


def _plain(moment: dict[str, Any]) -> dict[str, Any]:
    unknown = [name for name, value in moment.items() if value == UNKNOWN]
    return {**moment, **dict.fromkeys(unknown), "unknown": unknown}


def _row(moment: Moment) -> tuple[object, ...]:
    own, fired = said(moment.observed_membrane), said(moment.observed_spike)
    if moment.step is None:
        return "after", None, moment.membrane, own, None, None
    return moment.step, moment.threshold, moment.membrane, own, moment.spike, fired


def _differs(moment: Moment) -> bool:
    return unlike(moment.membrane, moment.observed_membrane) or unlike(moment.spike, moment.observed_spike)


def observed_at(dump: Trace, key: Key, image: int, neuron: int, t: int | None = None) -> Seen:
    """What a dump says of a neuron, in step t of the window where its observable has steps."""
    name, what = key
    chosen = dump.selection.neurons.get(name, np.empty(0, np.intp))
    at = int(np.searchsorted(chosen, neuron))
    if key not in dump.arrays or at == len(chosen) or chosen[at] != neuron:
        return None
    where: tuple[int, ...] = (image, at)
    bits, shift = -1, 0
    if t is not None:
        window = dump.selection.window[name].tolist()
        if t not in window:
            return None
        if what == "spikes":
            shift = dump.net.steps[name] - 1 - t
            bits = 1 << shift
        else:
            where = image, window.index(t), at
    array = dump[key]
    if key in dump.seen and not int(np.broadcast_to(dump.seen[key], array.shape)[where]) & bits:
        return None
    if key in dump.unknown and int(np.broadcast_to(dump.unknown[key], array.shape)[where]) & bits:
        return UNKNOWN
    return (int(array[where]) & bits) >> shift


def steps_of(dump: Trace, net: Network, p: FS, found: Difference, opening: int, train: int) -> Steps:
    """The steps of the neuron of a difference, whose right opening membrane and train are known."""
    T, h = (rows[found.neuron // (p.shape[1] * p.shape[2])].tolist() for rows in p.table.rows(p.shape[0])[:2])
    at, neuron, moments = found.image, found.neuron, []
    seen = observed_at(dump, (p.name, "opening"), at, neuron)
    low = [_low(dump, p.name, what) for what in ("opening", *["membranes"] * p.steps)]
    v = opening
    for t in range(p.steps):
        spike = train >> (p.steps - 1 - t) & 1
        fired = observed_at(dump, (p.name, "spikes"), at, neuron, t)
        step = net.schedule.start[p.name] + t
        moments.append(Moment(step, T[t], v & low[t], seen, spike, fired))
        v -= h[t] * spike
        seen = observed_at(dump, (p.name, "membranes"), at, neuron, t)
    moments.append(Moment(None, None, v & low[-1], seen, None, None))
    if all(m.observed_membrane is None and m.observed_spike is None for m in moments):
        return Steps()
    rule, why = "", ""
    if found.observable in ("spikes", "membranes") and found.observed != UNKNOWN and set(low) == {-1}:
        rule, why = next(_faults(moments, h), ("", ""))
    return Steps(tuple(moments), rule, why)


def _low(dump: Trace, name: str, what: str) -> int:
    """The bits of membranes that were observed: without the low ones where they were stored shifted (LAYOUT-4)."""
    bits = dump.seen.get((name, what))
    return -1 if bits is None or bits.size > 1 else int(bits)


def _faults(moments: list[Moment], h: list[int]) -> Iterator[tuple[str, str]]:
    """The faults of a neuron in the order of its steps: the rule of each, and what is wrong there. What is right for
    what was before it is no fault of its own.
    """
    first, then = moments[:2]
    opening = first.observed_membrane
    if opening is None and first.observed_spike == 0:  # then it is the membrane after the first step
        opening = then.observed_membrane
    if isinstance(opening, int) and opening != first.membrane:
        yield "NET-6", f"opening membrane expected {first.membrane}, yours {opening}"
    for t, (moment, after) in enumerate(zip(moments, moments[1:], strict=False)):
        own = opening if t == 0 else moment.observed_membrane
        fired, left = moment.observed_spike, after.observed_membrane
        if not isinstance(own, int) or not isinstance(fired, int) or moment.threshold is None:
            continue
        if fired != (own >= moment.threshold):
            yield "FS-2", ""
        elif isinstance(left, int) and left != own - h[t] * fired:
            told = f"after step {moment.step} membrane expected {own - h[t] * fired} of yours before it, yours {left}"
            yield "FS-3", told
