"""Every way to make a unit smaller, and the forms of it to begin with (CONFORM-4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from fsref.conformance.smaller.channels import fewer_channels, fewer_inputs, flat
from fsref.conformance.smaller.integers import fewer_steps, smaller_integers, smaller_thresholds
from fsref.conformance.smaller.parts import apart, fewer_before, fewer_projections, fewer_runs, fewest_synapses
from fsref.conformance.smaller.places import (
    fewer_places,
    fewer_rows,
    fewer_shared_rows,
    fewer_taps,
    of_whole_sources,
    one_place,
)
from fsref.conformance.unit import Unit

Place: TypeAlias = tuple[int, int, int]
Smaller: TypeAlias = Callable[[Unit], Iterator[Unit]]


def starts(unit: Unit, place: Place | None, index: int, layer: int) -> Iterator[Unit]:
    """A unit, and the forms of it to begin with where not all that it reads can be what an input sends, or where a
    device is wrong at one `index` of the list of populations alone, or in one `layer` of those that have membranes, or
    where something of populations before is left.
    """
    for form in (*apart(unit), unit, *fewer_runs(unit), *fewer_projections(unit)):
        depths = [at + more - form.depth for at in (index - 1, layer) for more in (0, 1)]  # or its source is wrong
        least = int(unit.loud)
        for before in dict.fromkeys((least, *(max(least, depth) for depth in depths))):
            as_deep = replace(form, before=before)
            yield as_deep
            _, y, x = (0, 0, 0) if place is None else place
            for placed in (*one_place(as_deep, y, x), *of_whole_sources(as_deep, y, x)) if place is not None else ():
                yield placed
                yield from flat(placed)
            yield from flat(as_deep)
    if unit.scope == "network" and not unit.relayed and any(source is not unit.fed for source in unit.sources):
        yield from starts(replace(unit, relay=True), place, index, layer)  # a chip may have one bias a channel alone
    elif unit.scope == "network" and not unit.loud:
        yield from starts(replace(unit, loud=True), place, index, layer)  # something of those before may be left


def ways(place: Place | None) -> Sequence[Smaller]:
    """Every way to make a unit smaller of which the neuron at `place` fails, or any one, those that take most away
    first.
    """
    at, channel = (None, None) if place is None else (place[1:], place[0])
    return (
        fewer_runs,
        fewer_before,
        lambda unit: fewer_places(unit, at),
        lambda unit: fewer_channels(unit, channel),
        fewer_projections,
        fewest_synapses,
        flat,
        fewer_inputs,
        fewer_rows,
        fewer_shared_rows,
        fewer_taps,
        fewer_steps,
        smaller_thresholds,
        smaller_integers,
    )
