"""What torch's operators that make maps larger, linear between their places, are in a float graph (GRAPH-9); a table as
in layers.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fsref.importers.places import interpolated
from fsref.importers.refusals import Unmapped
from fsref.importers.torch.views import Site, View, form, image, viewed

RESIZING: dict[str, Callable[..., Any]] = {}


@form(RESIZING, "upsample_bilinear2d")
def upsample_bilinear2d(site: Site, x: View, _: Any, align_corners: bool, *scales: Any) -> View:
    """A map larger by whole numbers: a convolution of a view with gaps. The scales are one list, or a number each."""
    x = image(site, x)
    sides = list(zip(x.step.shape[1:], site.dims[1:], strict=True))
    given = scales if len(scales) == 2 else scales[0] or (None, None)
    own = [count / size for size, count in sides]
    whole = all(by in (None, scale) and scale == round(scale) for by, scale in zip(given, own, strict=True))
    if align_corners or not whole:
        raise Unmapped(nearest="bilinear by whole numbers, align_corners False")
    down, across = (interpolated(size, count // size, centred=True) for size, count in sides)
    (top, bottom), (left, right), channels = down.padding, across.padding, x.step.shape[0]
    weight = np.broadcast_to(np.outer(down.kernel, across.kernel), (channels, 1, len(down.kernel), len(across.kernel)))
    padding = top, left, bottom, right
    found = viewed(site, x, down.places, across.places)
    return site.make("conv", found, arrays={"weight": weight}, padding=padding, groups=channels)
