"""Values whose axes torch sees in another order than C, H, W (GRAPH-9): a permute makes no node. What works on each
number alone, or along the channels, is laid down in the order of the graph; a permute back ends it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fsref.importers.refusals import Unmapped
from fsref.importers.torch.layers import weights
from fsref.importers.torch.views import Site, View, constant, flat, rows

TURNS = ("permute", "transpose", "swapaxes")
RESHAPES = ("view", "reshape", "_unsafe_view", "flatten", "unflatten")
REDUCES = ("mean", "sum", "amax")
PLACEWISE = frozenset(
    """
    abs add alias clamp clamp_max clamp_min clip clone contiguous detach div dropout fake_quantize_per_tensor_affine
    floor hardsigmoid hardswish hardtanh leaky_relu maximum minimum mul neg relu relu6 round rsub sigmoid silu sub to
    _to_copy
    """.split()
)
NEAREST = "its axes put back in the order N, C, H, W before it"
Known = Callable[[Site, Sequence[Any]], View]  # the value of an operator in the tables


def turned(site: Site, x: View, *axes: Any) -> View:
    """x with its axes permuted, or two of them exchanged; as it was where that puts them back. Errors: Unmapped where
    the batch moves.
    """
    rank = len(x.dims) + 1
    order = list(range(rank))
    if site.name == "permute":
        order = [axis % rank for axis in axes[0]]
    else:
        a, b = (axis % rank for axis in axes)
        order[a], order[b] = b, a
    if order[0] != 0:
        raise Unmapped(nearest="the batch as first axis")
    before = x.order or tuple(range(rank - 1))
    return _in_order(plain(x), [before[axis - 1] for axis in order[1:]])


def plain(x: View) -> View:
    """The view as the graph has it."""
    return View(x.step, _back(x.dims, x.order)) if x.order else x


def _back(dims: tuple[int, ...], order: Sequence[int]) -> tuple[int, ...]:
    """The sides that stand in this order, put back."""
    return tuple(dims[axis] for axis in np.argsort(order))


def _in_order(x: View, order: Sequence[int]) -> View:
    """A plain view with its axes in this order."""
    if list(order) == sorted(order):
        return x
    return replace(x, dims=tuple(x.dims[axis] for axis in order), order=tuple(order))


def untwisted(known: Known, site: Site, args: Sequence[Any], read: Sequence[View]) -> View:
    """What an operator gives of values of which some are turned; `known` gives it of plain ones. Errors: Unmapped."""
    x, order = read[0], read[0].order
    if site.name in TURNS:
        return turned(site, x, *args[1:])
    if any(value.order != order for value in read):
        raise Unmapped(nearest=NEAREST)
    if site.name in PLACEWISE and len(site.dims) == len(order):
        inner = replace(site, dims=_back(site.dims, order))
        return _in_order(known(inner, [_put_back(given, order) for given in args]), order)
    if site.name in ("cat", "concat") and order[args[1] % (len(order) + 1) - 1] == 0:
        inner = replace(site, dims=_back(site.dims, order))
        return _in_order(known(inner, [[plain(value) for value in args[0]], 1]), order)
    if site.name == "linear" and order[-1] == 0:
        return _linear(site, x, *args[1:])
    if site.name in REDUCES and args[1:] and args[1]:
        return _reduced(known, site, x, *args[1:])
    if site.name in RESHAPES:
        return _reshaped(site, x)
    raise Unmapped(nearest=NEAREST)


def _put_back(given: Any, order: Sequence[int]) -> Any:
    """An argument with the axes of a view, or of a constant for each place along some, put back."""
    if isinstance(given, View):
        return plain(given)
    if not hasattr(given, "numel") or given.numel() == 1:
        return given
    rank = len(order) + 1
    full = given.reshape((1,) * (rank - given.ndim) + tuple(given.shape))
    return full.permute(0, *(int(axis) + 1 for axis in np.argsort(order)))


def _linear(site: Site, x: View, weight: Any, bias: Any = None) -> View:
    """A dense layer along the channels, which are the last axis: a convolution of 1 x 1."""
    w, inner = constant(weight, "weights that do not depend on the image"), rows(site, plain(x))
    arrays = weights(w[:, :, None, None], bias)
    made = site.make("conv", inner, shape=(len(w), *inner.step.shape[1:]), arrays=arrays)
    return View(made.step, site.dims, order=x.order)


def _reduced(known: Known, site: Site, x: View, dims: Sequence[int], keep: bool = False, *rest: Any) -> View:
    """A mean, sum or maximum over axes."""
    axes = [x.order[axis % (len(x.order) + 1) - 1] for axis in dims]
    inner, over = plain(x), sorted(axis + 1 for axis in axes)
    if keep:
        sides = tuple(1 if axis in axes else side for axis, side in enumerate(inner.dims))
        return _in_order(known(replace(site, dims=sides), [inner, over, keep, *rest]), x.order)
    left = [axis for axis in x.order if axis not in axes]
    sides = tuple(inner.dims[axis] for axis in sorted(left))
    return _in_order(
        known(replace(site, dims=sides), [inner, over, keep, *rest]), [sorted(left).index(axis) for axis in left]
    )


def _reshaped(site: Site, x: View) -> View:
    """x as a vector, a select of the numbers of the flattened map; or with its places in other axes, channels last."""
    inner, last = plain(x), (*range(1, len(x.order)), 0)
    if len(site.dims) == 1:
        numbers = np.arange(math.prod(inner.dims)).reshape(inner.dims).transpose(x.order).ravel()
        vector = View(flat(site, inner).step, site.dims)
        if (numbers == np.arange(len(numbers))).all():
            return vector
        return site.make("select", vector, indices=tuple(numbers.tolist()))
    if x.order == last and site.dims[-1] == x.dims[-1] and math.prod(site.dims) == math.prod(x.dims):
        return View(x.step, site.dims, order=(*range(1, len(site.dims)), 0))
    raise Unmapped(nearest=NEAREST)
