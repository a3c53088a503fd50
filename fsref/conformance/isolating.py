"""Populations of a case that differs, each judged by itself on what the device answered of its sources (CONFORM-7)."""

from __future__ import annotations

from collections.abc import Iterator

from fsref.conformance.driven import DIFFERS, PASS, Driven, first_difference, owner
from fsref.vectors.case import Case, case_of


def isolated(found: Driven) -> Iterator[Driven]:
    """The other populations with membranes of a case that differs, in scope population: what is given are the trains
    that the device told of their sources; none of whose sources it told nothing.
    """
    case = found.case
    if case is None or case.scope != "network" or found.difference is None:
        return
    net, first = case.net, owner(case.net, found.place)
    told = {(net.input.name, "spikes"): case.given[net.input.name, "codes"], **found.observed}
    for p in net.integrating:
        sources = [(source, "spikes") for source in dict.fromkeys(net.sources(p.name))]
        if p.name != first and all(key in told for key in sources):
            own = case_of(net, "population", p.name, {key: told[key] for key in sources})
            yield _judged(own, found)


def _judged(own: Case, found: Driven) -> Driven:
    """A unit of a case that was answered, and its verdict."""
    seen = {key: found.observed[key] for key in own.expected if key in found.observed}
    difference = first_difference(own, seen)
    return Driven.of(own, PASS if difference is None else DIFFERS, observed=seen, difference=difference)
