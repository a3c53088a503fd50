"""Images of few spikes: what they make wrong has few causes (CONFORM-6)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from fsref.conformance.stimuli import image_case
from fsref.law.network import Network
from fsref.law.projections import Gate
from fsref.simulation.following import following
from fsref.vectors.case import Case
from fsref.verification.taps import products

TRIED, ASKED = 128, 12  # images drawn, and of these the ones that are asked
PRODUCTS = 2**28  # that all of them may need
NEURONS = 3  # that send something, at most


def probes(net: Network, name: str) -> Iterator[Case]:
    """Cases of images by which a population is sent the fewest spikes, but some; none of a large network."""
    each = sum(products(net, q) for q in net.projections if not isinstance(q, Gate))
    tried = min(TRIED, PRODUCTS // max(each, 1))
    p, rng = net.input, np.random.default_rng(0)
    images = np.zeros((tried, p.neurons), np.int64)
    for n, image in enumerate(images):
        on = rng.choice(p.neurons, min(1 + n % NEURONS, p.neurons), replace=False)
        image[on] = rng.integers(1, p.max_code + 1, len(on))
    images = np.unique(images, axis=0)
    if not tried:
        return
    seen = {**following(net, {(p.name, "codes"): images}), (p.name, "spikes"): images}
    sent = [np.bitwise_count(seen[source, "spikes"]).sum(axis=1) for source in net.sources(name)]
    counts = np.sum(sent, axis=0)
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda n: int(counts[n]))
    yield from (image_case(net, images[n]) for n in islice(order, ASKED))
