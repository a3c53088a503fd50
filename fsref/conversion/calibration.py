"""What calibration images tell of each population, and the coding that follows (CONV-2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Coding, Reals
from fsref.conversion.activation import Activation
from fsref.conversion.folded import Folded
from fsref.tables import Brief

SAMPLE = 2**17  # values kept of each population
SHARES = 100  # alphas tried, in parts of the largest value
SEED = 1


@dataclass(frozen=True, eq=False, repr=False)
class Statistics(Brief):
    """Of one population over all calibration images: the smallest and largest value, a sample of the values, per
    channel their mean square (C,), per neuron their mean (C, H, W); `before` (C,) is the mean per channel before the
    activation.
    """

    low: float
    high: float
    sample: NDArray[np.float32]
    power: Reals
    mean: Reals
    before: Reals


def observe(
    folded: Folded, images: NDArray[np.integer], batch: int, progress: Callable[[int], None] | None = None
) -> tuple[dict[str, Statistics], NDArray[np.float32]]:
    """The statistics of every population by name, and the float logits (B, classes), of calibration images (B, C, H,
    W).
    """
    rng = np.random.default_rng(SEED)
    found: dict[str, list[Statistics]] = {}
    logits = []
    for first in range(0, len(images), batch):
        part = images[first : first + batch]
        share = SAMPLE * len(part) // len(images)
        found.setdefault("input", []).append(_statistics(x := folded.pixels.normalise(part), x, share, rng))
        for unit, before, after in folded.walk(part):
            found.setdefault(unit.name, []).append(_statistics(before, after, share, rng))
        logits.append(after[:, :, 0, 0])
        if progress is not None:
            progress(len(part))
    weight = np.diff([*range(0, len(images), batch), len(images)]) / len(images)
    joined = {
        name: Statistics(
            min(s.low for s in parts),
            max(s.high for s in parts),
            np.concatenate([s.sample for s in parts]),
            np.einsum("b,bc->c", weight, [s.power for s in parts]),
            np.einsum("b,bchw->chw", weight, [s.mean for s in parts]),
            np.einsum("b,bc->c", weight, [s.before for s in parts]),
        )
        for name, parts in found.items()
    }
    return joined, np.concatenate(logits)


def _statistics(
    before: NDArray[np.float32], values: NDArray[np.float32], share: int, rng: np.random.Generator
) -> Statistics:
    """The statistics of one batch."""
    flat = values.ravel()
    sample = flat if flat.size <= share else flat[rng.integers(flat.size, size=share)]
    power = np.einsum("bchw,bchw->c", values, values, dtype=np.float64) / (values.size / values.shape[1])
    mean = values.mean(axis=0, dtype=np.float64)
    return Statistics(
        float(values.min()),
        float(values.max()),
        sample.copy(),
        power,
        mean,
        before.mean(axis=(0, 2, 3), dtype=np.float64),
    )


def choose_coding(
    how: Activation, seen: Statistics | None, steps: int, nearest: bool, alpha: str, percentile: float
) -> Coding:
    """The coding of a population: its activation's own, or one of 2^steps codes (CONV-2).

    `alpha` is max, percentile or mse: the share of the largest value whose codes err least on the sample.
    """
    if how.own is not None:
        return how.own
    assert seen is not None
    sample = seen.sample.astype(np.float64)
    low, high = seen.low, seen.high
    if alpha == "percentile":
        low, high = np.percentile(sample, [100 - percentile, percentile])

    def shared(share: float) -> Coding:
        return how.coding(low, high, steps, nearest, share)

    def error(share: float) -> float:
        return shared(share).error(sample)

    if alpha != "mse":
        return shared(1.0)
    coarse = min((n / SHARES for n in range(1, SHARES + 1)), key=error)
    fine = (coarse + n / (10 * SHARES) for n in range(-9, 10))
    return shared(min((share for share in fine if 0 < share <= 1), key=error))
