"""What chance makes of an accuracy: how far one measured on few images may lie from the true one, and whether a network
does better than guessing.
"""

from __future__ import annotations

from math import sqrt

from fsref.metrics.paired import Z


def spread(share: float, image_count: int) -> float:
    """How far an accuracy measured on so many images lies from a true one of `share`, in 95 of 100 cases: the binomial
    interval, in points.
    """
    return 100 * Z * sqrt(share * (1 - share) / image_count)


def guessing(what: str, correct: int, image_count: int, classes: int) -> str:
    """A line when an accuracy, `what`, is not above chance, though so many images could tell, else ""."""
    chance = 100 / classes
    allowed = spread(1 / classes, image_count)
    if 100 * correct / image_count > chance + allowed or chance + allowed >= 100:
        return ""
    found = (
        f"{what} {100 * correct / image_count:.2f} % on {image_count:,} images "
        f"is not above chance, {chance:.2f} +-{allowed:.1f} %"
    )
    return f"{found}; is the input contract the one of the training, are labels and class order?"
