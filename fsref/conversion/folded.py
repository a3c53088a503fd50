"""A folded graph: populations joined by linear terms in real numbers, and their values for images (CONV-1)."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.activations.coding import Reals
from fsref.conversion.activation import Activation
from fsref.graph.arithmetic import conv2d, max_pool, viewed
from fsref.graph.blas import product
from fsref.graph.exact import BITS, cut
from fsref.graph.graph import Graph
from fsref.law.images import Pixels
from fsref.law.neuron import Ints
from fsref.law.populations import Shape
from fsref.tables import Brief

NO_PADDING = (0, 0, 0, 0)


@dataclass(frozen=True, eq=False, repr=False)
class Term(Brief):
    """A linear map from a population: weights (O, I, kh, kw), (O, N), or `pooled` (O, C) over the sums of all places.

    A `skip` only moves and scales values, one for one: its factors have a width of their own (CONV-4). `constant` is
    what it delivers besides (CONV-6): (O, 1, kh, kw), through each tap that meets a place; `map`, (O, H, W), at each
    place. `node` is where its weights come from.
    """

    source: str
    weights: Reals
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = NO_PADDING
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    pooled: bool = False
    skip: bool = False
    constant: Reals | None = None
    map: Reals | None = None
    node: str = ""

    def scaled(self, gain: Reals) -> Term:
        """The term with output channel c multiplied by gain[c]."""
        rows = gain.reshape(-1, *[1] * (self.weights.ndim - 1))
        constant = None if self.constant is None else self.constant * rows
        more = None if self.map is None else self.map * gain[:, None, None]
        return replace(self, weights=self.weights * rows, constant=constant, map=more)

    def per_input(self, values: Reals) -> Reals:
        """`values`, one per source channel, or per value of a flat source, shaped to multiply the weights."""
        if self.weights.ndim == 2:
            return values if self.pooled else np.repeat(values, self.weights.shape[1] // len(values))
        inputs, outputs = self.weights.shape[1], len(self.weights) // self.groups
        return np.repeat(values.reshape(self.groups, inputs), outputs, axis=0)[:, :, None, None]

    @property
    def beside(self) -> Term:
        """The term that delivers `constant` from a source of one channel that is 1 everywhere."""
        assert self.constant is not None
        return replace(self, weights=self.constant, groups=1, skip=False, constant=None, map=None)

    @property
    def fixed(self) -> bool:
        """Whether it delivers something whatever its source sends."""
        return self.constant is not None or self.map is not None

    def plus(self, more: Reals) -> Term:
        """The term that delivers so much more at each place, (O, H, W)."""
        return replace(self, map=more if self.map is None else self.map + more)

    def ungrouped(self) -> Term:
        """The term written out as one group."""
        if self.groups == 1:
            return self
        outputs, inputs = len(self.weights) // self.groups, self.weights.shape[1]
        wide = np.zeros((len(self.weights), inputs * self.groups, *self.weights.shape[2:]))
        for g in range(self.groups):
            own = slice(g * outputs, (g + 1) * outputs)
            wide[own, g * inputs : (g + 1) * inputs] = self.weights[own]
        return replace(self, weights=wide, groups=1)

    def placed(self, rows: Ints, channels: int) -> Term:
        """The term into `channels` channels, its own being those numbered `rows`."""
        one = self.ungrouped()

        def wide(own: Reals) -> Reals:
            made = np.zeros((channels, *own.shape[1:]))
            made[rows] = own
            return made

        constant, more = (own if own is None else wide(own) for own in (one.constant, one.map))
        return replace(one, weights=wide(one.weights), constant=constant, map=more)

    def kept(self, rows: Ints) -> Term:
        """The term into these of its channels alone."""
        one = self.ungrouped()
        constant, more = (own if own is None else own[rows] for own in (one.constant, one.map))
        return replace(one, weights=one.weights[rows], constant=constant, map=more)

    def spread(self, columns: Ints, width: int) -> Term:
        """The term over `width` columns, its own standing in those numbered `columns`; in one they are added up."""
        one = self.ungrouped()
        made = np.zeros((len(one.weights), width, *one.weights.shape[2:]))
        np.add.at(made.swapaxes(0, 1), columns, one.weights.swapaxes(0, 1))
        return replace(one, weights=made)

    def cut(self) -> Term:
        """The term whose padding is below 0 nowhere: taps of 0 stand in the place of rows and columns cut off."""
        above, before, below, behind = (max(0, -side) for side in self.padding)
        if not above + before + below + behind:
            return self
        outputs, inputs, kh, kw = self.weights.shape
        dy, dx = self.dilation
        wide = np.zeros((outputs, inputs, above + dy * (kh - 1) + 1 + below, before + dx * (kw - 1) + 1 + behind))
        wide[:, :, above : above + dy * kh : dy, before : before + dx * kw : dx] = self.weights
        top, left, bottom, right = (max(0, side) for side in self.padding)
        return replace(self, weights=wide, padding=(top, left, bottom, right), dilation=(1, 1))

    def thinned(self, down: int, across: int) -> Term:
        """The term into every so many-th row and column, from the first."""
        stride, more = (self.stride[0] * down, self.stride[1] * across), self.map
        return replace(self, stride=stride, map=None if more is None else more[:, ::down, ::across])

    def reversed_inputs(self, channels: int) -> Term:
        """The term for a source whose `channels` channels stand in reverse order."""
        one = self.ungrouped()
        shape = one.weights.shape
        return replace(one, weights=one.weights.reshape(shape[0], channels, -1)[:, ::-1].reshape(shape))


@dataclass(frozen=True)
class Product:
    """The product of the values of two populations, place by place; `by` has the shape of `source`, or (C, 1, 1): then
    `shown` is a view that repeats it, where the offset of `source` needs one (GATE-1, CONV-16).
    """

    source: str
    by: str
    shown: str = ""


@dataclass(frozen=True)
class Pool:
    """The windows of a max-pool over a population."""

    source: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]


@dataclass(frozen=True, eq=False, repr=False)
class Shown(Brief):
    """The places of a population that a view shows: rows (H,) and columns (W,), -1 where it shows nothing."""

    source: str
    rows: Ints
    columns: Ints

    @property
    def there(self) -> Reals:
        """(H, W): 1 where it shows a place, 0 where it shows nothing."""
        found: Reals = np.outer(self.rows >= 0, self.columns >= 0).astype(np.float64)
        return found


@dataclass(frozen=True, eq=False, repr=False)
class Unit(Brief):
    """A population in real numbers: activation(bias + terms + product), a max-pool, a view, or, with none of them, a
    readout. bias is (C,).
    """

    name: str
    shape: Shape
    terms: tuple[Term, ...] = ()
    bias: Reals | None = None
    activation: Activation | None = None
    product: Product | None = None
    pool: Pool | None = None
    view: Shown | None = None

    @property
    def relayed(self) -> str | None:
        """The population whose spikes it passes on, of a max-pool or a view."""
        relay = self.pool or self.view
        return None if relay is None else relay.source

    @property
    def sources(self) -> tuple[str, ...]:
        """The populations it reads."""
        if self.relayed:
            return (self.relayed,)
        p = self.product
        factors = [] if p is None else [name for name in (p.source, p.by, p.shown) if name]
        return tuple(dict.fromkeys([*(term.source for term in self.terms), *factors]))

    def value(self, before: NDArray[np.float32]) -> NDArray[np.float32]:
        """Its value, given what stands before its activation."""
        return before if self.activation is None else self.activation.value(before)


@dataclass(frozen=True, eq=False)
class Folded:
    """A graph folded: its units in topological order, readouts last. "input" is the normalised image."""

    graph: Graph
    pixels: Pixels
    units: tuple[Unit, ...]

    def __getitem__(self, name: str) -> Unit:
        return next(unit for unit in self.units if unit.name == name)

    def walk(
        self, images: NDArray[np.integer], summed: Callable[..., NDArray[np.float32]] | None = None
    ) -> Iterator[tuple[Unit, NDArray[np.float32], NDArray[np.float32]]]:
        """Each unit in turn with its value before and after the activation, float32 (B, C, H, W), for images of codes
        (B, C, H, W); `summed` takes the place of `real_sum`.
        """
        values = {"input": self.pixels.normalise(images)}
        for unit in self.units:
            before = (summed or real_sum)(unit, values)
            values[unit.name] = after = unit.value(before)
            yield unit, before, after
            for name in self.last_read.get(unit.name, ()):
                del values[name]

    def without(self, views: Container[str]) -> Folded:
        """The same without some of the views that take offsets of products back (CONV-16)."""

        def plain(unit: Unit) -> Unit:
            p = unit.product
            return unit if p is None or p.shown not in views else replace(unit, product=replace(p, shown=""))

        return replace(self, units=tuple(plain(unit) for unit in self.units if unit.name not in views))

    @cached_property
    def readouts(self) -> list[str]:
        """The readouts, by name, in order."""
        return [unit.name for unit in self.units if unit.activation is None and unit.relayed is None]

    @cached_property
    def free(self) -> list[str]:
        """The populations whose coding is still to choose: those whose activation does not bring its own."""
        return [unit.name for unit in self.units if unit.activation is not None and unit.activation.own is None]

    @cached_property
    def trained(self) -> bool:
        """Whether some population quantises itself: then the network is one trained in few bits (CONV-14)."""
        return any(unit.activation is not None and unit.activation.own is not None for unit in self.units)

    @cached_property
    def last_read(self) -> dict[str, list[str]]:
        """By unit, the populations that no later unit reads."""
        last = {source: unit.name for unit in self.units for source in unit.sources}
        return {reader: [name for name, by in last.items() if by == reader] for reader in last.values()}


def real_sum(unit: Unit, values: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """What stands before the activation of a unit, float32 (B, C, H, W), given the real values of its sources; of a
    max-pool, its maximum, of a view what it shows.
    """
    if unit.view is not None:
        return viewed(values[unit.view.source], unit.view.rows, unit.view.columns)
    if unit.pool is not None:
        return max_pool(values[unit.pool.source], unit.pool.kernel, unit.pool.stride, unit.pool.padding)
    assert unit.bias is not None
    total: Any = 0.0 if unit.product is None else values[unit.product.source] * values[unit.product.by]
    for term in unit.terms:
        total = total + linear(term, values[term.source], term.weights.astype(np.float32))
    for term in unit.terms:
        if term.fixed:
            total = total + constant_part(term, values[term.source].shape[2:]).astype(np.float32)
    return np.asarray(total + unit.bias[:, None, None].astype(np.float32), np.float32)


def constant_part(term: Term, size: tuple[int, ...]) -> Reals:
    """What a term adds to each neuron whatever its source sends, (O, H, W), from one of this height and width: its
    constant, of which there is less near zero padding, and its map.
    """
    if term.constant is None:
        assert term.map is not None
        return term.map
    beside = term.beside
    taps = beside.weights.shape[2] * beside.weights.shape[3]
    (weights,) = cut(beside.weights, BITS - (taps - 1).bit_length(), (1, 2, 3))
    made: Reals = linear(beside, np.ones((1, 1, *size)), weights)[0]
    return made if term.map is None else made + term.map


def linear(term: Term, a: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """What a term delivers, (B, O, H, W), from values a of its source, with `weights` in the place of its own."""
    if weights.ndim == 2:
        flat = a.sum(axis=(2, 3)) if term.pooled else a.reshape(len(a), -1)
        return product(flat, weights.T)[:, :, None, None]
    return conv2d(a, weights, term.stride, term.padding, term.dilation, term.groups)
