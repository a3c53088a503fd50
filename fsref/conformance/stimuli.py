"""Cases of a network out of images that aim at where rules decide: in each scope that a device has (CONFORM-3)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fsref.conformance.greeting import Greeting
from fsref.conformance.suspects import arrays_of
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.vectors.case import Case, case_of, units, wanted
from fsref.verification.aims import aimed, corners


def cases_of(net: Network, greeting: Greeting) -> Iterator[Case]:
    """The cases of a network in each scope of a device: of corner images and aimed ones, and of what they give of its
    units.
    """
    for image in np.concatenate([corners(net), aimed(net)]):
        whole = image_case(net, image)
        arrays = arrays_of([whole])
        for scope in greeting.scopes:
            if scope == "network":
                yield whole
                continue
            for unit in units(net, scope):
                given, _ = wanted(net, scope, unit)
                yield case_of(net, scope, unit, {key: arrays[key][0] for key in given})


def image_case(net: Network, image: Ints) -> Case:
    """The case of an image (C, H, W) in scope network."""
    return case_of(net, "network", net.readout.name, {(net.input.name, "codes"): image.reshape(-1)})
