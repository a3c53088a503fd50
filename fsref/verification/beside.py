"""Somebody else's answers beside ours, as `verify` asks for them: what is equal, what differs, and the simplest image
that does (OBS-4).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf

import numpy as np

from fsref.errors import FsrefError
from fsref.law.network import Network
from fsref.law.neuron import Ints
from fsref.verification.agreement import Disagreement
from fsref.verification.causes import Hint, Judged
from fsref.verification.disagreement import described, differing, first_difference, ours
from fsref.verification.evidence import Evidence
from fsref.verification.theirs import Answers, Theirs

SHRINKING = 60.0  # seconds at most that `verify` looks for a simpler image
FEW_PIXELS = 2  # that nobody needs made fewer
TOGETHER = 2**25  # neurons of the images that are asked together first

NO_FUNCTION = Hint("no-function", "the same image gets two answers: yours is not a function of the image")
NOT_FRESH = Hint(
    "image-before",
    "an image alone gets another answer than among others: every image starts fresh [NET-6]",
)


class Beside:
    """Their answers beside ours: counts what is equal, keeps what was seen, and what failed last, shrunk as far as it
    goes.
    """

    def __init__(
        self, net: Network, theirs: Theirs, max_examples: int, progress: Callable[[int], None] | None = None
    ) -> None:
        self.net, self.theirs, self.max_examples = net, theirs, max_examples
        self.evidence = Evidence(net)
        self.image_count = self.values = self.busy = self.neurons = 0
        self.failed: tuple[Ints, Answers] | FsrefError | None = None
        self.until, self.progress = inf, progress

    def first(self, x: Ints) -> None:
        """Nothing, when both sides are equal on the images (B, C, H, W) that come first; else AssertionError, after
        the first that differs was made simpler.
        """
        together = max(2, TOGETHER // sum(p.neurons for p in self.net.populations))
        for start in range(0, len(x), together):
            if self.fails(x[start : start + together], first=True):
                if isinstance(self.failed, tuple):
                    self.simplify(*self.failed)
                raise AssertionError

    def compare(self, x: Ints) -> None:
        """Nothing, when both sides are equal on images (B, C, H, W), or the time to shrink is over; else
        AssertionError.
        """
        if time.monotonic() <= self.until and self.fails(x):
            raise AssertionError

    def fails(self, x: Ints, first: bool = False) -> bool:
        """Whether their answers for images (B, C, H, W) differ from ours, or are refused."""
        failed: tuple[Ints, Answers] | FsrefError | None = None
        try:
            answers = self.theirs(x)
            seen = ours(self.net, x, self.theirs.names)
            wrong = np.asarray(differing(answers, seen.codes)[1].any(axis=0))
            self.evidence.add(x, answers, wrong, first)
            if wrong.any():
                failed = x, answers
        except FsrefError as error:
            failed = error
        if failed is not None:
            self.failed, self.until = failed, min(self.until, time.monotonic() + SHRINKING)
            return True
        self.image_count += len(x)
        if self.progress is not None:
            self.progress(len(x))
        self.values += sum(codes.size for codes in seen.codes.values())
        self.busy, self.neurons = self.busy + seen.busy, self.neurons + seen.neurons
        return False

    def simplify(self, x: Ints, answers: Answers) -> None:
        """Look for fewer pixels in the first of x (B, C, H, W) that differs: parts of it are made black as long as it
        does, alone; at most twice `max_examples` images are asked.
        """
        found = first_difference(answers, ours(self.net, x, self.theirs.names).codes)
        assert found is not None
        image, lit = x[found[0] : found[0] + 1], np.flatnonzero(x[found[0]])
        part, asked = len(lit), 0
        while part > 1 and len(lit) > FEW_PIXELS:
            part = (part + 1) // 2
            for start in range(0, len(lit), part):
                if asked == 2 * self.max_examples or time.monotonic() > self.until:
                    return
                tried, asked = image.copy(), asked + 1
                tried.reshape(-1)[lit[start : start + part]] = 0
                if self.fails(tried):
                    image = tried
                if isinstance(self.failed, FsrefError):
                    return
            lit = np.flatnonzero(image)
            part = min(part, len(lit))

    def disagreement(self, images: Ints, together: Answers) -> Disagreement | None:
        """How they first differ on images (B, C, H, W) that were answered `together`, or None when they no longer do;
        the image is asked once more, alone.
        """
        names = self.theirs.names
        found = first_difference(together, ours(self.net, images, names).codes)
        assert found is not None
        index, name, neuron = found
        image, kept = images[index : index + 1], {n: codes[index : index + 1] for n, codes in together.items()}
        alone = self.theirs(image)
        if same(alone, kept):
            judged = self.evidence.judged(name)
        else:
            again = self.theirs(images)
            if first_difference(again, ours(self.net, images, names).codes) is None:
                return None
            fresh = same(again, together) and same(self.theirs(image), alone)
            judged = Judged((NOT_FRESH if fresh else NO_FUNCTION,))
        return described(self.net, names, image[0], name, neuron, kept, ours(self.net, image, names).codes, judged)


def same(one: Answers, other: Answers) -> bool:
    """Whether two answers are equal."""
    return all(np.array_equal(codes, other[name]) for name, codes in one.items())
