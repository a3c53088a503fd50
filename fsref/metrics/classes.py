"""How labelled images were answered, class by class: right ones, what was taken for what, a confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fsref.errors import UsageError
from fsref.law.neuron import Ints
from fsref.metrics.interval import interval
from fsref.metrics.score import Score
from fsref.simulation.run import class_name
from fsref.tables import Sheet, Shown, short

MOST = 2**11  # classes of a matrix


@dataclass(frozen=True, eq=False, repr=False)
class ByClass(Shown):
    """The answers to labelled images by class: of each of the C classes how many `images` are of it, how many of these
    are `right`, and how often it was `given`, each int64 (C,).

    `pairs` (n, 3) are label, class given and how many images, of all that differ, most images first, then by label.
    `names` are the classes as they are told, (C,).
    """

    network: str
    names: Sequence[str]
    images: Ints
    right: Ints
    given: Ints
    pairs: Ints

    @property
    def worst(self) -> list[int]:
        """The classes of which there are images, the least accurate first; of equal ones the first."""
        there = np.flatnonzero(self.images)
        share = self.right[there] / self.images[there]
        found: list[int] = there[np.argsort(share, kind="stable")].tolist()
        return found

    @property
    def matrix(self) -> Ints:
        """How many images of label i were given class j, int64 (C, C). Errors: UsageError beyond 2,048 classes."""
        count = len(self.names)
        if count > MOST:
            raise UsageError("COUNT-10", "matrix", "too many classes", count, f"at most {MOST}; pairs has every one")
        made = np.diag(self.right)
        made[self.pairs[:, 0], self.pairs[:, 1]] = self.pairs[:, 2]
        return made

    def accuracy(self, index: int) -> tuple[float, float, float]:
        """The accuracy on the images of a class, 0..1, and its 95 % interval (COUNT-10)."""
        right, images = int(self.right[index]), int(self.images[index])
        return right / images, *interval(right, images)

    def taken_for(self, index: int) -> str:
        """What images of a class were most often taken for wrongly, in words, or ""."""
        own = self.pairs[self.pairs[:, 0] == index]
        return "" if not len(own) else f"{self.names[own[0, 1]]} ({own[0, 2]:,})"

    def sheet(self) -> Sheet:
        """A line for each class of which there are images."""
        rows = []
        for index in np.flatnonzero(self.images).tolist():
            share, low, high = (100 * part for part in self.accuracy(index))
            told = f"{share:.2f}", f"{low:.1f} .. {high:.1f}", int(self.given[index]), self.taken_for(index)
            rows.append((self.names[index], int(self.images[index]), int(self.right[index]), *told))
        head = ("class", "images", "right", "accuracy %", "95 % interval", "given", "most often taken for")
        return Sheet(f"{self.network or 'network'}: {len(rows):,} classes with images", head, rows)

    def __repr__(self) -> str:
        wrong = int(self.pairs[:, 2].sum())
        return short(f"<ByClass of {self.network or 'a network'}: {len(self.names)} classes, {wrong} images wrong>")


def by_class(score: Score) -> ByClass:
    """The answers of a score, class by class (COUNT-10). Errors: UsageError without classes or labels."""
    right = score.hits
    assert score.labels is not None
    count, labels, given = score.net.class_count, score.labels, score.predictions
    found, often = np.unique(labels[~right] * count + given[~right], return_counts=True)
    order = np.argsort(-often, kind="stable")
    pairs = np.stack([*np.divmod(found[order], count), often[order]], axis=1).astype(np.int64)
    names = tuple(class_name(score.net, index) for index in range(count))
    images, right_ones, often_given = (
        np.bincount(some, minlength=count).astype(np.int64) for some in (labels, labels[right], given)
    )
    return ByClass(score.net.name, names, images, right_ones, often_given, pairs)
