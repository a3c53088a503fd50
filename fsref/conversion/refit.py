"""Refit: units fitted one after the other to the float values of the calibration images, given the codes that their
sources really send, with a scale for each channel (CONV-13).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Coding, Reals
from fsref.conversion.activation import LINEAR, Activation
from fsref.conversion.columns import KEPT, PLACES, SAMPLE, WIDEST, Columns, Floats, Places, Read, width
from fsref.conversion.curves import Curve
from fsref.conversion.folded import Folded, Unit
from fsref.conversion.regression import fit
from fsref.conversion.sources import Source

SEED = 1
REACH = 99.99  # percentile of the values of a channel
SHARES = np.arange(20, 121, 2) / 100  # scales tried, in parts of that whose codes just hold it
WIDER = 1.1  # the best of them times this: what clips is worth more than its square


class Refit:
    """The calibration images on their way through the float units, `batch` at a time, all of them at one unit."""

    def __init__(self, folded: Folded, images: NDArray[np.integer], batch: int) -> None:
        self.batch, self.count = batch, len(images)
        self.walks = [folded.walk(images[first : first + batch]) for first in range(0, len(images), batch)]

    def wanted(self) -> list[Floats]:
        """The values before its activation (b, C, H, W) of the next unit, a batch of images each."""
        return [next(walk)[1] for walk in self.walks]

    def fitted(
        self,
        unit: Unit,
        coding: Coding | None,
        wanted: list[Floats],
        sources: Mapping[str, Source],
        codes: Mapping[str, NDArray[np.integer]],
    ) -> tuple[Unit, Coding | None]:
        """The unit fitted to what is `wanted`, given what its sources send, codes (B, C, H, W), and its coding with a
        scale for each channel.
        """
        if not unit.terms or width(unit.terms) > WIDEST:
            return unit, coding
        reads = {name: sources[name] for name in unit.sources}
        columns = Columns(unit, {name: source.shape for name, source in reads.items()})
        each = -(-PLACES // self.count)

        def seen() -> Iterator[tuple[Read, Floats]]:
            rng = np.random.default_rng(SEED)  # the same places in every round
            for k, values in enumerate(wanted):
                places = Places.drawn(rng, len(values), *unit.shape[1:], each)
                part = slice(k * self.batch, k * self.batch + self.batch)
                sent = {name: real(codes[name][part], source) for name, source in reads.items()}
                yield columns.read(places, sent), places.of(values)

        curve = isinstance(unit.activation, Curve)  # cuts nothing off, and its table is fitted already
        how = LINEAR if curve or unit.activation is None else unit.activation
        numbers = min(each, unit.shape[1] * unit.shape[2]) * self.count
        kept = list(seen()) if numbers * (columns.weights[:, 0].size + columns.factors.size) <= KEPT else None
        fit(columns, seen if kept is None else lambda: kept, how)
        made = columns.fitted()
        if coding is None or curve or (np.isfinite(how.low) and how.low != 0):
            return made, coding
        pairs = [(columns.predicted(read), values) for read, values in kept or seen()]
        predicted, values = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        predicted += (values - predicted).mean(axis=0)  # as bias correction will have it
        few = slice(None, None, -(-len(values) // SAMPLE))
        scale = channel_scales(how, coding, values[few], predicted[few])
        return made, replace(coding, scale=scale[:, None, None])


def real(codes: NDArray[np.integer], source: Source) -> Floats:
    """What codes (b, C, H, W) stand for: 0 where a view shows nothing."""
    scale = source.scale[:, None, None].astype(np.float32)
    return np.asarray((codes.astype(np.float32) - source.offsets.astype(np.float32)) * scale, np.float32)


def channel_scales(how: Activation, coding: Coding, wanted: Floats, predicted: Floats) -> Reals:
    """The scale of each channel, (C,), whose codes of what is predicted, (P, C), err least from what is wanted, and a
    little more.
    """
    values = how.value(wanted)
    above, below = (np.percentile(side, REACH, axis=0) for side in (values, -values))
    reach = np.maximum(above / (coding.largest - coding.offset + 1), below / (coding.offset + 1))
    most = how.high / 2**coding.steps
    tried = np.minimum(SHARES[:, None] * reach, most)
    tried[:, reach <= 0] = coding.scale  # never active on these images
    errors = []
    for scale in tried:
        one = replace(coding, scale=scale)
        errors.append(np.square(one.value(one.code(predicted)) - values).sum(axis=0))
    best: Reals = np.minimum(WIDER * tried[np.argmin(errors, axis=0), np.arange(len(reach))], most)
    best[reach <= 0] = np.max(coding.scale)
    return best
