"""Two classifiers on the same images: agreement, and the difference of their accuracies with a 95 % interval."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike

Z = 1.959964  # 97.5 % of a normal distribution lie below


@dataclass(frozen=True)
class Paired:
    """How two sets of predictions compare on the same labelled images; shares are 0..1, the second less the first.

    `low`..`high` is the 95 % interval of the difference of accuracies, from the images on which just one of the two is
    right (Agresti and Min 2005: half an image is added to each of the four cells, so that the interval has a width when
    they never differ).
    """

    image_count: int
    first_correct: int
    second_correct: int
    agree: int
    only_first: int
    only_second: int

    @classmethod
    def of(cls, first: ArrayLike, second: ArrayLike, labels: ArrayLike) -> Paired:
        """The comparison of predictions (B,) with each other and with labels (B,)."""
        a, b, y = np.asarray(first), np.asarray(second), np.asarray(labels)
        right, also = a == y, b == y
        counts = (right, also, a == b, right & ~also, also & ~right)
        return cls(len(y), *(int(count.sum()) for count in counts))

    @property
    def agreement(self) -> float:
        """The share of images with the same prediction."""
        return self.agree / self.image_count

    @property
    def difference(self) -> float:
        """The accuracy of the second less that of the first."""
        return (self.second_correct - self.first_correct) / self.image_count

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of `difference`."""
        n, gained, lost = self.image_count + 2, self.only_second + 0.5, self.only_first + 0.5
        middle = (gained - lost) / n
        spread = Z * sqrt(gained + lost - (gained - lost) ** 2 / n) / n
        return middle - spread, middle + spread

    def to_dict(self) -> dict[str, float | int]:
        """The comparison as plain JSON values."""
        low, high = self.interval
        return {**vars(self), "agreement": self.agreement, "difference": self.difference, "low": low, "high": high}
