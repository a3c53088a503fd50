"""Cases that Hypothesis draws: networks within the limits of a device, or images of the network that it holds
(CONFORM-3).
"""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from fsref.conformance.greeting import Greeting
from fsref.conformance.stimuli import image_case
from fsref.errors import UsageError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.vectors.case import Case
from fsref.verification import strategies

DRAWING = settings(
    database=None,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def drawn(greeting: Greeting, net: Network | None, examples: int) -> Iterator[Case]:
    """Cases in scope network of `examples` networks that are drawn within the limits of a device, or of so many draws
    of images for the network that it holds; the same each time. Errors: UsageError where no network fits.
    """
    found: list[tuple[Network, Ints]] = []
    if greeting.network and net is not None:
        held = net

        @settings(DRAWING, max_examples=examples)
        @given(strategies.images(held))
        def draw_images(images: Ints) -> None:
            found.append((held, images))

        draw_images()
    else:

        @settings(DRAWING, max_examples=examples)
        @given(strategies.cases(limits=greeting.limits.to_dict()))
        def draw_networks(case: strategies.Case) -> None:
            found.append((case.net, case.images))

        try:
            draw_networks()
        except Unsatisfiable:
            raise UsageError("CHIP-2", "examples", "no network is drawn within the limits of the device") from None
    for own, images in found:
        for image in images:
            yield image_case(own, image)
