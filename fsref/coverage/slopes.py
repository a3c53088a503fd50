"""How membranes follow the pixels, as if every staircase were a line: where a search of images goes (OBS-4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from fsref.coverage.synapses import taps
from fsref.engines import reference
from fsref.law.network import Network
from fsref.law.populations import FS, Input, MaxPool, Population, Readout, Shape, View
from fsref.law.projections import Dense, Gate, Linear

Floats = NDArray[np.float64]
FLAT = 0.125  # of the slope of a neuron that is silent or full: it may come back
BITS = 16  # of a slope: sums of these times weights and codes are exact, so that the same comes out everywhere


def slopes(net: Network, name: str, wanted: Floats, openings: Mapping[str, NDArray[Any]]) -> Floats:
    """By how much each pixel (B, C, H, W) moves the sum of the membranes of a population by `wanted` (B, C, H, W), for
    images whose fs have these opening membranes (B, neurons): a guess, exact where the population reads the input
    alone.
    """
    along: dict[str, Floats] = {name: wanted}
    for p in reversed(net.populations):
        if p.name not in along or isinstance(p, Input):  # nothing is behind an input
            continue
        back = along.pop(p.name)
        if p.name != name and isinstance(p, FS):  # a max-pool or view passes slopes on
            back = back * _slope(p, openings[p.name].reshape(-1, *p.shape))
        for source, moved in _behind(net, p, back):
            along[source] = along[source] + moved if source in along else moved
    if net.input.name not in along:
        return np.zeros((len(wanted), *net.input.shape))
    return rounded(along[net.input.name], BITS)


def rounded(values: Floats, bits: int) -> Floats:
    """Values (B, ...), those of each image rounded to multiples of one power of two, of so many bits."""
    most = np.abs(values.reshape(len(values), -1)).max(axis=1, initial=0.0)
    shift = (bits - np.frexp(most)[1]).reshape(-1, *[1] * (values.ndim - 1))
    found: Floats = np.ldexp(np.rint(np.ldexp(values, shift)), -shift)
    return found


def _slope(p: FS, v: NDArray[Any]) -> Floats:
    """How codes follow opening membranes (B, C, H, W): as their staircase does from end to end, less where it is
    flat.
    """
    T, h, d = p.table.rows(p.shape[0])
    reach = np.abs(h).sum(axis=1)
    slope = np.abs(d).sum(axis=1) / np.maximum(reach, 1)
    low, high = (ends[:, None, None] for ends in (np.minimum(T.min(axis=1), 0), reach))
    found: Floats = slope[:, None, None] * np.where((v >= low) & (v < high), 1.0, FLAT)
    return found


def _behind(net: Network, p: Population, back: Floats) -> Iterator[tuple[str, Floats]]:
    """The sources of a population, and slopes (B, C, H, W) at the population as slopes at these."""
    match p:
        case Input():
            return
        case MaxPool():
            yield p.source, _pooled(p, net[p.source].shape, back)
        case View():
            yield p.source, _shown(p, net[p.source].shape, back)
        case FS() | Readout():
            for q in net.into(p.name).values():
                if isinstance(q, Gate):
                    yield from _through(net, q, back)
                else:
                    yield q.source, _along(q, net[q.source].shape, back)
        case _:
            assert_never(p)


def _along(q: Linear, source: Shape, back: Floats) -> Floats:
    """Slopes (B, O, H, W) at the target of a projection as slopes at its source."""
    weights = q.weights.astype(np.float64)
    terms = int(np.abs(q.weights.astype(np.int64)).sum(axis=(0, *range(2, q.weights.ndim))).max())
    back = rounded(back, max(1, min(BITS, 52 - terms.bit_length())))
    if isinstance(q, Dense):  # there are no taps
        moved = back[:, :, 0, 0] @ weights
        if not q.pooled:
            return moved.reshape(-1, *source)
        return np.broadcast_to(moved[:, :, None, None], (len(back), *source))
    found = np.zeros((len(back), q.groups, source[0] // q.groups, *source[1:]))
    by_group = back.reshape(len(back), q.groups, -1, *back.shape[2:])
    weights = weights.reshape(q.groups, -1, *weights.shape[1:])
    for r, c, to, place in taps(q, source, (len(q.weights), *back.shape[2:])):
        seen = by_group[:, :, :, *to]
        found[:, :, :, *place] += np.einsum("goi,bgoyx->bgiyx", weights[..., r, c], seen, optimize=True)
    return found.reshape(len(back), *source)


def _through(net: Network, q: Gate, back: Floats) -> Iterator[tuple[str, Floats]]:
    """Slopes (B, C, H, W) at the target of a gate as slopes at source and factor, as if the other had the code
    in the middle of its interval.
    """
    middle = {name: net.ranges[name].codes.mean(axis=1)[:, None, None] for name in q.sources}
    weighed = rounded(back, BITS) * q.weights.astype(np.float64)[:, None, None]
    yield q.source, rounded(weighed * middle[q.by], BITS)
    moved = rounded(weighed * middle[q.source], BITS)
    yield q.by, moved if net[q.by].shape == net[q.source].shape else moved.sum(axis=(2, 3), keepdims=True)


def _pooled(p: MaxPool, source: Shape, back: Floats) -> Floats:
    """Slopes (B, C, H, W) at a max-pool as slopes at its source: each candidate has the same share."""
    found, share = np.zeros((len(back), *source)), back / (p.kernel[0] * p.kernel[1])
    top, left, _, _ = p.padding
    for r, c in np.ndindex(*p.kernel):
        to_y, from_y = reference.seen(source[1], p.shape[1], top, p.stride[0], r)
        to_x, from_x = reference.seen(source[2], p.shape[2], left, p.stride[1], c)
        found[:, :, from_y, from_x] += share[:, :, to_y, to_x]
    return found


def _shown(p: View, source: Shape, back: Floats) -> Floats:
    """Slopes (B, C, H, W) at a view as slopes at its source: a place that is shown again has the sum."""
    found = np.zeros((*back.shape[:2], source[1] + 1, source[2] + 1))  # the last row and column, -1, are none
    for y, x in np.ndindex(p.shape[1:]):
        found[..., p.rows[y], p.columns[x]] += back[..., y, x]
    return found[..., :-1, :-1]
