"""The images that a network gets wrong: which, what they look like, and their logits (COUNT-7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from fsref.errors import shown
from fsref.formats.image_files import png_of
from fsref.formats.sources import ImageSet
from fsref.law.images import check_images
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.metrics.score import Score
from fsref.reports.blocks import bar, picture
from fsref.reports.raster import bins
from fsref.simulation.run import class_name, run
from fsref.tables import Brief

CARDS = 24  # images that a page shows
TOP = 3  # logits of each, and that of its label
PIXELS = 64  # a side of a picture
NAME = 80  # characters of the name of an image


@dataclass(frozen=True, eq=False, repr=False)
class Mistakes(Brief):
    """The first of the `count` images that are wrong: their numbers `images` (n,), codes `x` (n, C, H, W), `names`,
    true `labels` (n,), the classes `given` (n,) and `logits` (n, logits).
    """

    net: Network
    count: int
    images: Ints
    x: Ints
    names: Sequence[str]
    labels: Ints
    given: Ints
    logits: Ints

    @property
    def told(self) -> str:
        """How many there are, and which are shown, in a sentence."""
        which = "all of them" if len(self.images) == self.count else f"the first {len(self.images)}"
        largest = f", the {TOP} largest and that of the label, which is red; a bar goes from the least to the largest"
        top = "" if self.logits.shape[1] == 1 else largest
        return f"{self.count:,} wrong; below {which}, with their logits as integers (NET-8){top}."


def mistakes(score: Score, images: ImageSet, most: int, memory_limit: int) -> Mistakes | None:
    """The first images that a score has wrong, at most `most` and 24, run again for their logits; None where there are
    none, or no labels. Errors: InputError, LimitError.
    """
    if score.labels is None:
        return None
    wrong = np.flatnonzero(~score.hits)
    few = wrong[: min(CARDS, most)]
    if not len(few):
        return None
    x = check_images(score.net.input, images.x[few])
    logits = run(score.net, x, score.engine, threads=1, memory_limit=memory_limit).logits
    names = tuple(images.names[i] for i in few.tolist())
    return Mistakes(score.net, len(wrong), few, x, names, score.labels[few], score.predictions[few], logits)


def cards(found: Mistakes) -> str:
    """A card for each of them: the image, its label, the class given, its largest logits as bars."""
    return f'<div class="cards">{"".join(card(found, i) for i in range(len(found.images)))}</div>'


def card(found: Mistakes, index: int) -> str:
    """The card of one of them."""
    net, label, given = found.net, int(found.labels[index]), int(found.given[index])
    name, logits = shown(found.names[index], NAME), found.logits[index]
    said = f"label {class_name(net, label)}, given {class_name(net, given)}"
    told = f'<p class="quiet">{escape(name)}</p><p>{escape(said)}</p>'
    thumbnail = picture(thumbnail_of(found.x[index], net.input.max_code), f"image {name}")
    return f'<div class="card">{thumbnail}<div>{told}{bars(net, logits, label)}</div></div>'


def bars(net: Network, logits: Ints, label: int) -> str:
    """The largest logits, and that of the label, each with its class and a bar from the least to the largest of all."""
    if len(logits) == 1:
        return f"<p>logit {int(logits[0]):,}; class 1 at 0 or above</p>"
    order = np.argsort(-logits, kind="stable").tolist()
    shown_classes = order[:TOP] if label in order[:TOP] else [*order[:TOP], label]
    low, high = int(logits.min()), int(logits.max())
    body = (
        f"<span>{escape(class_name(net, c))}</span><span>{int(logits[c]):,}</span>"
        + bar((int(logits[c]) - low) / max(1, high - low), kind="of-label" if c == label else "")
        for c in shown_classes
    )
    return "".join(f'<div class="logit">{line}</div>' for line in body)


def thumbnail_of(codes: Ints, max_code: int) -> bytes:
    """An image (C, H, W) as a PNG of at most 64 pixels a side: in colour of three channels, else the mean of all."""
    small = codes.transpose(1, 2, 0) / max_code
    small = small if small.shape[2] == 3 else small.mean(axis=2, keepdims=True)
    times = max(1.0, max(small.shape[:2]) / PIXELS)
    height, width = (max(1, round(side / times)) for side in small.shape[:2])
    across = bins(bins(small, height).swapaxes(0, 1), width)
    return png_of((255 * across.swapaxes(0, 1)).round().astype(np.uint8))
