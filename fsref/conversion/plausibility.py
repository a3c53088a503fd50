"""Whether a float graph does what its maker says on these images: a wrong input contract, wrong labels and a wrong
order of classes show here first.
"""

from __future__ import annotations

from fsref.errors import GraphError
from fsref.law.images import Pixels
from fsref.metrics.chance import spread
from fsref.metrics.paired import Paired

EXACT = 1e-9  # points: shares of images are no binary fractions
TOLERATED = 1.0  # points between the accuracy expected and the one found


def unexpected(expected: float, correct: int, image_count: int, pixels: Pixels) -> str:
    """A line when the float accuracy is more than a point off the `expected` one in %, which says how far off so many
    images allow; else "".
    """
    found, allowed = 100 * correct / image_count, spread(expected / 100, image_count)
    if abs(found - expected) <= TOLERATED + EXACT:
        return ""
    size = f"size {pixels.height} x {pixels.width}"
    contract = (
        f"channel order {pixels.order or 'none'}, mean {pixels.mean}, "
        f"std {pixels.std}, scale {pixels.scale:.6g}, {size}"
    )
    hint = (
        f"expected {expected:.2f} %; is the input contract the one of "
        f"the training, are labels and class order? {contract}"
    )
    off = f"{found:.2f} % on {image_count:,} images, where chance alone makes +-{allowed:.1f}" + (
        "; score more of them" if abs(found - expected) <= allowed else ""
    )
    return str(GraphError("CONV-8", "float accuracy", "more than a point off", off, hint))


def lost_elsewhere(loss: float, kept: bool, pair: Paired) -> str:
    """A line when a network chosen for a loss of at most `loss` points loses more on other images, else ""."""
    lost = 100 * (pair.first_correct - pair.second_correct) / pair.image_count
    if not kept or lost <= loss + EXACT:
        return ""
    on = f"on the {pair.image_count:,} images scored"
    return f"it loses {lost:.2f} points of accuracy {on}, more than {loss:g}: choose on more images, or a smaller loss"
