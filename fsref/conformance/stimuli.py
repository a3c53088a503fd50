"""Cases of a network out of images that aim at where rules decide: in each scope that a device has (CONFORM-3)."""

from __future__ import annotations

from collections.abc import Iterator

from fsref.conformance.greeting import Greeting
from fsref.conformance.suspects import arrays_of
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.vectors.case import Case, case_of, units, wanted
from fsref.verification.aimed import aimed

UNITS = 60  # images whose parts units are given


def cases_of(net: Network, greeting: Greeting) -> Iterator[Case]:
    """The cases of a network in each scope of a device: of all images that aim, and of what the first of them give of
    its units.
    """
    images = aimed(net).images
    if "network" in greeting.scopes:
        yield from (image_case(net, image) for image in images)
    for image in images[:UNITS]:
        arrays = arrays_of([image_case(net, image)])
        for scope in greeting.scopes:
            for unit in units(net, scope) if scope != "network" else ():
                given, _ = wanted(net, scope, unit)
                yield case_of(net, scope, unit, {key: arrays[key][0] for key in given})


def image_case(net: Network, image: Ints) -> Case:
    """The case of an image (C, H, W) in scope network."""
    return case_of(net, "network", net.readout.name, {(net.input.name, "codes"): image.reshape(-1)})
