"""Spikes as rows and lines: what `fsref run --events` prints (EVENT-1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from fsref.simulation.recording import Trace

LINES = 2_000  # printed at once


def event_rows(trace: Trace, images: Sequence[int]) -> Iterator[tuple[int, int, str, int]]:
    """Every recorded spike as (image, step, population, neuron), in canonical order: the image as `images` numbers it,
    the population by name (EVENT-1).
    """
    names = [p.name for p in trace.net.populations]
    for part in trace.event_parts():
        for image, step, population, neuron in part.tolist():
            yield images[image], step, names[population], neuron


def event_lines(rows: Iterator[tuple[int, int, str, int]]) -> Iterator[str]:
    """What `event_rows` gives as lines of image,step,population,neuron under a heading, many at a time."""
    yield "image,step,population,neuron"
    while part := list(islice(rows, LINES)):
        yield "\n".join(f"{image},{step},{population},{neuron}" for image, step, population, neuron in part)
