"""What calibration images tell of each population, and the coding that follows (CONV-2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Coding, Reals
from fsref.conversion.activation import Activation
from fsref.conversion.curves import Curve
from fsref.conversion.exact import walk
from fsref.conversion.folded import Folded
from fsref.errors import GraphError
from fsref.tables import Brief

SAMPLE = 2**17  # values kept of each population
SHARES = 100  # alphas tried, in parts of the largest value
SEED = 1


@dataclass(frozen=True, eq=False, repr=False)
class Statistics(Brief):
    """Of one population over all calibration images: the smallest and largest value, a sample of the values, of one
    that follows a curve those before it; per channel the largest and their mean square (C,), per neuron their mean (C,
    H, W); `before` (C,) is the mean per channel before the activation.
    """

    low: float
    high: float
    sample: NDArray[np.float32]
    largest: Reals
    power: Reals
    mean: Reals
    before: Reals


def observe(
    folded: Folded,
    images: NDArray[np.integer],
    batch: int,
    at_once: int,
    progress: Callable[[int], None] | None = None,
) -> tuple[dict[str, Statistics], NDArray[np.float32]]:
    """The statistics of every population by name, and the float logits (B, classes) of a classifier, (B, 0) of any
    other graph, of calibration images (B, C, H, W).

    Values are sampled `batch` images at a time, and computed `at_once`, so that memory changes no sample.
    """
    rng = np.random.default_rng(SEED)
    curves = {unit.name for unit in folded.units if isinstance(unit.activation, Curve)}
    seen: dict[str, _Seen] = {}
    logits = []
    for first in range(0, len(images), batch):
        part = images[first : first + batch]
        share = SAMPLE * len(part) // len(images)
        drawn: dict[str, NDArray[np.int64] | None] = {}
        for start in range(0, len(part), at_once):
            few = part[start : start + at_once]
            for name, before, after in _walked(folded, few):
                size = after[0].size
                if name not in drawn:
                    every = len(part) * size <= share
                    drawn[name] = None if every else np.sort(rng.integers(len(part) * size, size=share))
                last = start + at_once >= len(part)
                chosen = drawn.pop(name) if last else drawn[name]
                told = before if name in curves else after
                sample = _sample(told.ravel(), chosen, start * size)
                seen.setdefault(name, _Seen()).add(before, after, told, sample)
                del told
            logits.append(after[:, :, 0, 0].copy() if folded.graph.is_classifier else after[:, :0, 0, 0])
            del before, after  # before the next are made
            if progress is not None:
                progress(len(few))
    return {name: parts.joined() for name, parts in seen.items()}, np.concatenate(logits)


def _walked(
    folded: Folded, images: NDArray[np.integer]
) -> Iterator[tuple[str, NDArray[np.float32], NDArray[np.float32]]]:
    """What `walk` gives. Errors: GraphError [GRAPH-4] at the first population whose values are not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        for name, before, after in walk(folded, images):
            for values in (before, after):
                if not np.isfinite(values).all():
                    raise GraphError("GRAPH-4", name, "calibration images give infinity or NaN")
            yield name, before, after


def _sample(values: NDArray[np.float32], drawn: NDArray[np.int64] | None, first: int) -> NDArray[np.float32]:
    """Those of `values` that were drawn, the first of them being number `first`; all when none were drawn."""
    if drawn is None:
        return values.copy()
    own = drawn[(drawn >= first) & (drawn < first + len(values))] - first
    return values[own]


class _Seen:
    """What was seen of one population so far: sums image by image, so that they are the same however many are looked at
    together.
    """

    def __init__(self) -> None:
        self.low, self.high, self.count = np.inf, -np.inf, 0
        self.samples: list[NDArray[np.float32]] = []
        self.largest: Reals = np.array(-np.inf)
        self.power, self.mean, self.before = (np.zeros(()) for _ in range(3))

    def add(
        self,
        before: NDArray[np.float32],
        values: NDArray[np.float32],
        told: NDArray[np.float32],
        sample: NDArray[np.float32],
    ) -> None:
        """See the values (b, C, H, W) of a few images before and after the activation; `told` are those of which the
        ends and the sample are told.
        """
        self.low, self.high = min(self.low, float(told.min())), max(self.high, float(told.max()))
        self.count += len(values)
        self.samples.append(sample)
        self.largest = np.maximum(self.largest, values.max(axis=(0, 2, 3)))
        for ahead, image in zip(before, values, strict=True):
            self.power = self.power + np.square(image, dtype=np.float64).mean(axis=(1, 2))
            self.before = self.before + ahead.mean(axis=(1, 2), dtype=np.float64)
            self.mean = self.mean + image

    def joined(self) -> Statistics:
        """The statistics of all images."""
        power, mean, before = (total / self.count for total in (self.power, self.mean, self.before))
        return Statistics(self.low, self.high, np.concatenate(self.samples), self.largest, power, mean, before)


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
