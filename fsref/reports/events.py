"""Spikes as rows and lines: what `fsref run --events` prints (EVENT-1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from fsref.law.network import Network
from fsref.law.neuron import Ints


def event_rows(net: Network, events: Ints, images: Sequence[int]) -> Iterator[tuple[int, int, str, int]]:
    """Canonical events as (image, step, population, neuron): the image as `images` numbers it, the population by name
    (EVENT-1).
    """
    names = [p.name for p in net.populations]
    for first in range(0, len(events), 10_000):
        for image, step, population, neuron in events[first : first + 10_000].tolist():
            yield images[image], step, names[population], neuron


def event_lines(rows: Iterator[tuple[int, int, str, int]]) -> Iterator[str]:
    """What `event_rows` gives as lines of image,step,population,neuron under a heading, many at a time."""
    yield "image,step,population,neuron"
    while part := list(islice(rows, 10_000)):
        yield "\n".join(f"{image},{step},{population},{neuron}" for image, step, population, neuron in part)
