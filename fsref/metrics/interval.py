"""Where the share of all images lies, of which some were looked at."""

from __future__ import annotations

from math import sqrt

from fsref.metrics.paired import Z


def interval(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `right` of `count` were seen, 0..1 (Wilson 1927): it has a width when all
    or none are right, too, and stays within 0..1.
    """
    share, spread = right / count, Z * Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = Z * sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
