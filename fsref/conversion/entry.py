"""A quantiser of the images themselves: their codes are integers already, so it makes no population (CONV-7)."""

from __future__ import annotations

import numpy as np

from fsref.activations.coding import Reals
from fsref.conversion.activation import Activation
from fsref.conversion.grids import SAME
from fsref.conversion.values import Affine
from fsref.graph.arithmetic import rounded
from fsref.law.images import Pixels

LEFT_OUT = "quantiser of the input left out: pixels have no more codes than it has levels"
FINE = 63  # levels apart must be the pixels of some channel: one level more or less is little beside them


def levels_of(pixels: Pixels, affine: Affine, activation: Activation) -> tuple[Affine | None, str]:
    """The affine of normalised pixels that stands for a quantising activation of theirs, and a note.

    Where each code has a level of its own, equally far apart, that is the quantiser itself, and there is no note. Where
    it has as many levels as pixels have codes, FINE ones, and reaches over them all, `affine` alone is the more exact;
    else None.
    """
    assert activation.levels is not None
    scale, mean, std = pixels.scale or 1.0, np.array(pixels.mean), np.array(pixels.std)
    codes = np.arange(pixels.max_code + 1)
    real: Reals = (codes * scale - mean[:, None]) / std[:, None]  # (C, codes)
    unit = activation.high / activation.levels
    parts = real * affine.gain[:, None] / unit, affine.offset[:, None] / unit
    exact = sum(parts)
    halves = np.rint(2 * exact) / 2  # as in other populations, what is one but for what float64 rounds is one (CONV-14)
    near = np.abs(exact - halves) <= SAME * (sum(map(np.abs, parts)) + 1)
    levels = rounded(np.where(near, halves, exact), activation.rounding or "nearest")
    apart, top = np.diff(levels, axis=1), activation.levels
    if levels.min() >= 0 and levels.max() <= top and (apart == apart[:, :1]).all() and (apart[:, 0] >= 1).all():
        gain = apart[:, 0] * unit * std / scale
        return Affine(gain, levels[:, 0] * unit + gain * mean / std), ""
    whole = levels.min() >= -1 and levels.max() <= top + 1  # its ends, too, are rounded
    whole = whole and np.ptp(levels, axis=1).max() >= FINE
    return (affine, LEFT_OUT) if whole and top >= pixels.max_code else (None, "")
