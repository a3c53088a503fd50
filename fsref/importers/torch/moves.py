"""What torch's operators that only move values are in a float graph (GRAPH-9): run on the numbers of the values, they
tell where each goes.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fsref.graph.operators import size_of
from fsref.importers.places import taken
from fsref.importers.refusals import Unmapped
from fsref.importers.torch.views import Site, View, flat, viewed
from fsref.law.neuron import Ints

MOVES = frozenset(
    """
    _upsample_nearest_exact1d _upsample_nearest_exact2d channel_shuffle expand flip index index_select narrow
    native_channel_shuffle pad permute reflection_pad1d reflection_pad2d repeat repeat_interleave replication_pad1d
    replication_pad2d roll rot90 select slice split split_with_sizes swapaxes tile transpose unbind upsample_nearest1d
    upsample_nearest2d
    """.split()
)
MOST = 2**26  # values that are numbered to see where they go
NEAREST = "whole channels, rows and columns, moved or taken"


def moved(torch: Any, target: Any, site: Site, batch: int, args: Any, kwargs: Any) -> View | tuple[View, ...]:
    """What an operator gives that takes values by their place, of one value: a select of its channels and a view of
    its rows and columns, for each of its results. Errors: Unmapped where what is taken differs by channel or row.
    """
    values = [given for given in (*args, *kwargs.values()) if isinstance(given, View)]
    if len(values) != 1 or args[:1] != tuple(values):
        raise Unmapped(nearest=NEAREST)
    x, size = values[0], size_of(values[0].step.shape)
    if batch * max(size, math.prod(site.dims)) > MOST:
        raise Unmapped(nearest=NEAREST)
    if site.name == "pad" and kwargs.get("mode", args[2:3] and args[2]) not in ("reflect", "replicate", "circular"):
        raise Unmapped(nearest=NEAREST)  # a constant is no number of a value
    # In float64, for not all of these take integers, and it holds them.
    numbers = torch.arange(batch * size, dtype=torch.float64).reshape(batch, *x.dims)
    try:
        made = target(numbers, *args[1:], **kwargs)
    except Exception as error:
        raise Unmapped(nearest=NEAREST) from error
    found = tuple(
        _taken(site, x, np.asarray(result).astype(np.int64), size) for result in (made if _several(made) else [made])
    )
    return found if _several(made) else found[0]


def _several(made: Any) -> bool:
    return isinstance(made, (list, tuple))


def _taken(site: Site, x: View, numbers: Ints, size: int) -> View:
    """The channels of a value that have these numbers, (B, ...)."""
    dims, images = numbers.shape[1:], numbers.reshape(len(numbers), -1)
    if (images != images[0] + size * np.arange(len(images))[:, None]).any():
        raise Unmapped(nearest=NEAREST)
    c, height, width = x.step.shape
    if x.dims == x.step.shape and len(dims) == 3:
        return _shown(site, x, images[0].reshape(dims))
    if x.dims == (c, height * width) and min(height, width) == 1 and len(dims) == 2:  # one row, or one column
        return View(_shown(site, x, images[0].reshape(dims[0], *((1, -1) if height == 1 else (-1, 1)))).step, dims)
    if len(x.dims) == 1:
        x = flat(site, x)
    channels, places = x.step.shape[0], size_of(x.step.shape) // x.step.shape[0]
    blocks = images[0].reshape(-1, places) if images.shape[1] % places == 0 else images[:1, :0]
    if not blocks.size or (blocks != blocks[:, :1] + np.arange(places)).any() or (blocks[:, 0] % places).any():
        raise Unmapped(nearest=NEAREST)
    indices = blocks[:, 0] // places
    if np.array_equal(indices, np.arange(channels)):
        return View(x.step, dims)
    shape = len(indices), *x.step.shape[1:]
    return View(site.make("select", x, shape=shape, indices=tuple(indices.tolist())).step, dims)


def _shown(site: Site, x: View, numbers: Ints) -> View:
    """The channels, rows and columns of a map that have these numbers, (C, H, W)."""
    found = taken(numbers, x.step.shape)
    if found is None:
        raise Unmapped(nearest=NEAREST)
    made = x
    if found.channels is not None:
        shape = len(found.channels), *x.step.shape[1:]
        made = site.make("select", made, shape=shape, indices=tuple(found.channels.tolist()))
    if found.moved:
        made = viewed(site, made, found.rows, found.columns)
    return View(made.step, numbers.shape)
