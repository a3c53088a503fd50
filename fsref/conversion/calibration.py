"""What calibration images tell of each population, and the scale that follows: the real value of one code unit
(CONV-2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsref.conversion.folded import Activation, Folded, Reals

SAMPLE = 2**17  # values kept of each population
SHARES = 100  # alphas tried, in parts of the largest value
SEED = 1


@dataclass(frozen=True, eq=False)
class Statistics:
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


def code_unit(
    how: Activation, seen: Statistics | None, steps: int, alpha: str, percentile: float, half: float
) -> tuple[float, int]:
    """The real value of one code unit and the code of 0, for a population of 2^steps codes (CONV-2).

    A value r becomes the code floor(r / unit + offset + half), within 0..2^steps - 1. `alpha` is max, percentile or
    mse.
    """
    top = 2**steps - 1
    if how.levels is not None:
        return how.high / how.levels, 0
    assert seen is not None
    # Where the activation is bounded the bound needs no data; a signed value needs both its ends.
    sample = seen.sample.astype(np.float64)
    if alpha == "percentile":
        low, high = np.percentile(sample, [100 - percentile, percentile])
    else:
        low, high = seen.low, seen.high
    high = max(high, 0.0) if not np.isfinite(how.low) else high  # the code of 0 is one of the codes
    base = how.low if np.isfinite(how.low) else min(low, 0.0)
    reach = max(min(high, how.high) - base, 0.0)
    if reach <= 0:  # never active on these images
        return 1 / 2**steps, round(-base * 2**steps)
    signed = not np.isfinite(how.low)

    def scaled(share: float) -> tuple[float, int]:
        unit = share * reach / 2**steps
        return unit, int(np.clip(round(-share * base / unit), 0, top)) if signed else round(-base / unit)

    if alpha != "mse":
        return scaled(1.0)

    def error(share: float) -> float:
        unit, offset = scaled(share)
        codes = np.clip(np.floor(sample / unit + (offset + half)), 0, top)
        return float(np.square(sample - unit * (codes - offset)).sum())

    coarse = min((n / SHARES for n in range(1, SHARES + 1)), key=error)
    return scaled(
        min((coarse + n / (10 * SHARES) for n in range(-9, 10) if 0 < coarse + n / (10 * SHARES) <= 1), key=error)
    )
