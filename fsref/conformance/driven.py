"""What a device made of one case: a verdict, and the first difference (CONFORM-3, OBS-2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fsref.law.network import Network
from fsref.simulation.difference import Difference
from fsref.simulation.recording import Key
from fsref.tables import Brief
from fsref.vectors.case import Case

PASS, DIFFERS, REFUSED, ACCEPTED = "pass", "differs", "refused", "accepted"
TIMEOUT, CRASH, SILENCE, GARBAGE, LONGER = "timeout", "crash", "silence", "garbage", "longer"
VERDICTS = (PASS, DIFFERS, REFUSED, ACCEPTED, TIMEOUT, CRASH, SILENCE, GARBAGE, LONGER)
ANSWERED = frozenset({PASS, DIFFERS, REFUSED, ACCEPTED})
REJECTS = "reject"  # in the place of a scope

Observed = Mapping[Key, NDArray[np.int64]]


class Reject(Protocol):
    """A frame that a device must refuse (VECTOR-4)."""

    @property
    def id(self) -> str:
        """Its name."""

    @property
    def frame(self) -> Sequence[int]:
        """Its words."""

    @property
    def rule(self) -> str:
        """The rule that it breaks."""

    @property
    def flags(self) -> Sequence[str]:
        """The mistakes of a device that takes it."""

    @property
    def net(self) -> Network | None:
        """The network that is to be loaded first; None for any or none."""


@dataclass(frozen=True, eq=False, repr=False)
class Driven(Brief):
    """A case or a reject and its verdict: in words `told`, what the device `said` on its standard error, the
    `difference` of what was `observed` where they differ, and how many `seconds` it took. Of cases that are many the
    case itself and what was observed are not kept. `turn` says which of the answers to it that is, 0 the first. `stood`
    is what stood in memories that are not cleared, and where that is known, (neurons,) each, as of a scene.
    """

    id: str
    scope: str
    verdict: str
    unit: str = ""
    network: str = ""
    told: str = ""
    said: str = ""
    case: Case | None = None
    observed: Observed = field(default_factory=dict)
    difference: Difference | None = None
    seconds: float = 0.0
    turn: int = 0
    stood: Mapping[str, tuple[NDArray[np.int64], NDArray[np.bool_]]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether all is right."""
        return self.verdict == PASS

    @classmethod
    def of(cls, case: Case, verdict: str, **about: Any) -> Driven:
        """A case and its verdict."""
        return cls(case.id, case.scope, verdict, case.unit, case.net.id, case=case, **about)

    def alike(self, other: Driven) -> bool:
        """Whether another answer to the same is the same."""
        if self.verdict != other.verdict or self.observed.keys() != other.observed.keys():
            return False
        return all(np.array_equal(values, other.observed[key]) for key, values in self.observed.items())

    def brief(self) -> Driven:
        """The same without the case and what was observed."""
        return replace(self, case=None, observed={})

    @property
    def place(self) -> str:
        """The population, or the projection, in which it differs first, or that is judged; "" of a reject."""
        return self.unit if self.difference is None else self.difference.place

    def __str__(self) -> str:
        """What happened, in a line."""
        told = str(self.difference).removeprefix("image 0 ") if self.difference is not None else self.told
        where = f"reject {self.id}" if self.scope == REJECTS else f"case {self.id}, scope {self.scope} {self.unit}"
        return f"{self.verdict}: {where}" + (f": {told}" if told else "")

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain JSON values."""
        plain: dict[str, Any] = {"id": self.id, "scope": self.scope, "verdict": self.verdict}
        plain |= {"unit": self.unit or None, "network": self.network or None}
        return {**plain, "text": str(self), "said": self.said or None, "seconds": self.seconds}


def last_line(said: str) -> str:
    """The last line of what a device said, and how many there are."""
    *before, last = said.splitlines() or [""]
    return f"{last} (the last of {len(before) + 1} lines)" if before else last


def owner(net: Network, of: str) -> str:
    """The population that a name of a population, or of a projection into it, belongs to."""
    return net.named_projections[of].target if of in net.named_projections else of


def first_difference(case: Case, observed: Observed) -> Difference | None:
    """Where what was observed, in the order of OBS-2, first differs from what is expected; None where it does not."""
    for (of, what), values in observed.items():
        right = case.expected[of, what]
        if not np.array_equal(values, right):
            return _located(case.net, of, what, values, right)
    return None


def _located(net: Network, of: str, what: str, values: NDArray[np.int64], right: NDArray[np.int64]) -> Difference:
    """The first difference of an array that has one."""
    start = net.schedule.start[owner(net, of)]
    if what == "membranes":
        row, at = (int(n) for n in np.argwhere(values != right)[0])
        return Difference(0, of, what, start + row, at, int(values[row, at]), int(right[row, at]))
    if what == "spikes" and not ((values < 0) | (values >> net.steps[of] != 0)).any():
        shift = int(np.bitwise_or.reduce(values ^ right)).bit_length() - 1
        at = int(np.flatnonzero((values ^ right) >> shift & 1)[0])
        pair = int(values[at]) >> shift & 1, int(right[at]) >> shift & 1
        return Difference(0, of, what, start + net.steps[of] - 1 - shift, at, *pair)
    at = int(np.flatnonzero(values != right)[0])
    return Difference(0, of, what, None, at, int(values[at]), int(right[at]))
