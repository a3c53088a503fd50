"""A case: one stimulus of a device, what is given and what is expected (VECTOR-1)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.simulation.following import following
from fsref.simulation.recording import Key
from fsref.tables import Brief

SCOPES = ("network", "population", "projection", "max_pool", "neuron")


@dataclass(frozen=True, eq=False, repr=False)
class Case(Brief):
    """One stimulus of a network, in a scope: what is `given` and `expected`, int64 arrays (neurons,), membranes
    (K, neurons), of one image, by (name, observable) (VECTOR-1).

    `unit` is the population or projection that is judged, the readout in scope network. `aims` are the bins it is there
    for, in words; `rules` theirs; `flags` the known mistakes that answer otherwise; `protocol` what stands before its
    run (VECTOR-5).
    """

    net: Network
    scope: str
    unit: str
    given: Mapping[Key, NDArray[np.int64]]
    expected: Mapping[Key, NDArray[np.int64]]
    aims: Sequence[str] = ()
    rules: Sequence[str] = ()
    flags: Sequence[str] = ()
    protocol: str = ""
    id: str = field(init=False)

    def __post_init__(self) -> None:
        told = {"given": plain(self.given), "network": self.net.id, "scope": self.scope, "unit": self.unit}
        text = json.dumps(told, sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "id", hashlib.sha256(text.encode("ascii")).hexdigest()[:12])


def plain(arrays: Mapping[Key, NDArray[Any]]) -> dict[str, Any]:
    """Arrays by NAME.OBSERVABLE, as lists."""
    return {f"{of}.{what}": array.tolist() for (of, what), array in arrays.items()}


def units(net: Network, scope: str) -> list[str]:
    """What of a network can be judged in a scope (VECTOR-1). Errors: UsageError."""
    match scope:
        case "network":
            return [net.readout.name]
        case "population":
            return [p.name for p in net.integrating]
        case "projection":
            return list(net.named_projections)
        case "max_pool":
            return [p.name for p in net.pools]
        case "neuron":
            return [p.name for p in net.fs]
        case _:
            raise UsageError("VECTOR-1", "scope", "unknown", scope, ", ".join(SCOPES))


def wanted(net: Network, scope: str, unit: str) -> tuple[list[Key], list[Key]]:
    """The arrays that are given in a scope, and those expected, of a unit (VECTOR-1). Errors: UsageError."""
    if scope == "network":
        found = [(name, "sums") for name in net.named_projections]
        found += [(p.name, what) for p in net.populations[1:] for what in p.observables if what != "sums"]
        return [(net.input.name, "codes")], found
    if scope == "projection":
        q = net.named_projections.get(unit)
        if q is None:
            raise UsageError("VECTOR-1", "unit", "unknown projection", unit, ", ".join(net.named_projections))
        return [(source, "spikes") for source in q.sources], [(unit, "sums")]
    names = units(net, scope)
    if unit not in names:
        raise UsageError("VECTOR-1", "unit", f"none of scope {scope}", unit, ", ".join(names) or "there is none")
    own = [(unit, what) for what in net[unit].observables if what != "sums"]
    if scope == "neuron":
        return [(unit, "opening")], [key for key in own if key[1] != "opening"]
    sums = [(name, "sums") for name in (net.into(unit) if scope == "population" else ())]
    return [(source, "spikes") for source in dict.fromkeys(net.sources(unit))], [*sums, *own]


def case_of(net: Network, scope: str, unit: str, given: Mapping[Key, Any], **about: Any) -> Case:
    """The case of what is given, (neurons,) by (name, observable): what is expected follows by the law (VECTOR-1).
    Errors: UsageError.
    """
    inputs, outputs = wanted(net, scope, unit)
    if set(given) != set(inputs):
        raise UsageError("VECTOR-1", "given", "wanted", sorted(given), f"{inputs}")
    arrays = {key: np.asarray(given[key], np.int64) for key in inputs}
    for (of, what), array in arrays.items():
        if array.shape != (net[of].neurons,):
            raise UsageError(
                "VECTOR-1", f"given {of}.{what}", "has another shape", array.shape, f"({net[of].neurons},)"
            )
    made = following(net, {key: array[None] for key, array in arrays.items()})
    expected = {key: made[key][0].astype(np.int64) for key in outputs}
    return Case(net, scope, unit, arrays, expected, **about)
