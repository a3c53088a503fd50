"""A unit as a linear regression sees it: its weights as rows, what it reads at single places as columns (CONV-13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fsref.activations.coding import Reals
from fsref.conversion.folded import Term, Unit, constant_part, linear
from fsref.graph.arithmetic import padded
from fsref.law.neuron import Ints
from fsref.law.populations import Shape

Floats = NDArray[np.float32]
PLACES = 2**16  # of all calibration images together, to which a unit is fitted
KEPT = 2**26  # numbers that a unit reads there, kept for all rounds; more are read again in each
WIDEST = 2**13  # weights of a channel: a unit with more keeps its own
SAMPLE = 2**14  # places on which scales are chosen


class Places(NamedTuple):
    """Places of neurons in a few images: P numbers of image, row and column."""

    image: Ints
    y: Ints
    x: Ints

    @classmethod
    def drawn(cls, rng: np.random.Generator, images: int, height: int, width: int, each: int) -> Places:
        """So many places drawn of each image, all of them where there are no more."""
        size = height * width
        chosen = [np.arange(size) if each >= size else rng.choice(size, each, replace=False) for _ in range(images)]
        image, place = np.repeat(np.arange(images), min(each, size)), np.concatenate(chosen)
        return cls(image, place // width, place % width)

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """The values (b, C, H, W) at these places, (P, C)."""
        return values[self.image, :, self.y, self.x]


class Read(NamedTuple):
    """What a unit reads at P places: its plain terms side by side, `plain` (P, g, D) in g groups; what each of its m
    skips delivers to a channel, `skips` (P, C, m); and what is constant, (P, C) or (1, C).
    """

    plain: Floats
    skips: Floats
    constant: Floats


class Columns:
    """The weights of a unit: those of its plain terms, (g, C / g, D), a factor for each of its skips, (C, m), and the
    bias, (C,). `free` says which weights may change: those that are not 0.
    """

    def __init__(self, unit: Unit, shapes: Mapping[str, Shape]) -> None:
        assert unit.bias is not None
        plain = [term for term in unit.terms if not term.skip]
        if len({term.groups for term in plain}) > 1:
            plain = [term.ungrouped() for term in plain]
        self.unit, self.plain, self.skips = unit, plain, [term for term in unit.terms if term.skip]
        channels, groups = unit.shape[0], plain[0].groups if plain else 1
        each = [term.weights.reshape(groups, channels // groups, -1) for term in plain]
        self.weights: Reals = np.concatenate([np.zeros((groups, channels // groups, 0)), *each], axis=2)
        self.free = self.weights != 0
        self.factors: Reals = np.ones((channels, len(self.skips)))
        self.bias = unit.bias
        whole = [constant_part(term, shapes[term.source][1:]) for term in unit.terms if term.fixed]
        self.constant = np.asarray(sum(whole, np.zeros((channels, 1, 1))), np.float32)

    def read(self, places: Places, values: Mapping[str, Floats]) -> Read:
        """What is read at places, given the values (b, C, H, W) of the sources."""
        count, groups = len(places.image), len(self.weights)
        each = [_read(term, places, values[term.source]).reshape(count, groups, -1) for term in self.plain]
        plain = np.concatenate([np.zeros((count, groups, 0), np.float32), *each], axis=2)
        skips = np.zeros((count, *self.factors.shape), np.float32)
        for k, term in enumerate(self.skips):
            skips[:, :, k] = places.of(linear(term, values[term.source], term.weights.astype(np.float32)))
        everywhere = self.constant.shape[1:] == (1, 1)
        constant = self.constant[None, :, 0, 0] if everywhere else self.constant[:, places.y, places.x].T
        return Read(plain, skips, constant)

    def predicted(self, read: Read) -> Floats:
        """What stands before the activation of the unit at these places, (P, C)."""
        sums = np.matmul(read.plain.transpose(1, 0, 2), self.weights.transpose(0, 2, 1).astype(np.float32))
        total = sums.transpose(1, 0, 2).reshape(len(read.plain), -1) + read.constant
        total += self.bias.astype(np.float32) + np.einsum("pcm,cm->pc", read.skips, self.factors.astype(np.float32))
        return np.asarray(total, np.float32)

    def fitted(self) -> Unit:
        """The unit with these weights, factors and bias."""
        sizes = [term.weights[0].size for term in self.plain]
        parts = np.split(self.weights, np.cumsum(sizes)[:-1], axis=2) if sizes else []
        plain = [replace(t, weights=w.reshape(t.weights.shape)) for t, w in zip(self.plain, parts, strict=True)]
        skips = [
            replace(term.scaled(factor), constant=term.constant, map=term.map)
            for term, factor in zip(self.skips, self.factors.T, strict=True)
        ]
        made = {True: iter(skips), False: iter(plain)}
        return replace(self.unit, terms=tuple(next(made[term.skip]) for term in self.unit.terms), bias=self.bias)


def width(terms: Sequence[Term]) -> int:
    """The most weights of a channel that are fitted together, D."""
    plain = [term for term in terms if not term.skip]
    alone = len({term.groups for term in plain}) <= 1
    return sum(prod(term.weights.shape[1:]) * (1 if alone else term.groups) for term in plain)


def _read(term: Term, places: Places, a: Floats) -> Floats:
    """The values that a term reads at each place, (P, ...), of a source (b, C, H, W), in the order of its weights."""
    if term.weights.ndim == 2:
        flat: Floats = a.sum(axis=(2, 3)) if term.pooled else a.reshape(len(a), -1)
        return flat[places.image]
    (kh, kw), (sy, sx), (dy, dx) = term.weights.shape[2:], term.stride, term.dilation
    spread = (dy * (kh - 1) + 1, dx * (kw - 1) + 1)
    windows = sliding_window_view(padded(a, term.padding), spread, axis=(2, 3))[:, :, ::sy, ::sx, ::dy, ::dx]
    return windows[places.image, :, places.y, places.x]
