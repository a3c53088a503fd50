"""What a search draws: SplitMix64 from a seed, the same with every version of NumPy (ID-3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fsref.law.images import drawn_words
from fsref.law.neuron import Ints


class Draws:
    """Draws one behind another from a seed 0..2^64-1."""

    def __init__(self, seed: int) -> None:
        self.seed, self.done = seed, 0

    def words(self, count: int) -> NDArray[np.uint64]:
        """The next words, (count,)."""
        found = drawn_words(self.seed, self.done, count)
        self.done += count
        return found

    def below(self, limits: Ints) -> Ints:
        """Integers of 0 .. limits - 1, one for each limit, of at most 2^32."""
        high = self.words(limits.size).reshape(limits.shape) >> np.uint64(32)
        return (high * limits.astype(np.uint64) >> np.uint64(32)).astype(np.int64)

    def one(self, limit: int) -> int:
        """An integer of 0 .. limit - 1, whatever the limit."""
        high, low = self.words(2).tolist()
        return int((high << 64 | low) * limit >> 128)

    def order(self, count: int) -> NDArray[np.intp]:
        """A permutation of 0 .. count - 1."""
        return np.argsort(self.words(count), kind="stable")
