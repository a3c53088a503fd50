"""Arrays as images and labels (RUN-1): what is taken, and of what is not the expression that makes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fsref.errors import InputError
from fsref.law.populations import Shape

SAMPLE = 64  # rows of an array that say what its numbers are like


def as_array(values: ArrayLike, rule: str, place: str, wanted: str) -> NDArray[Any]:
    """The values as an array. Errors: InputError naming `rule` for what is none, such as ragged lists."""
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError(rule, place, "not an array", type(values).__name__, wanted) from None


def check_integers(x: NDArray[Any], max_code: int, rule: str, place: str) -> None:
    """Nothing, when an array is one of integers. Errors: InputError naming `rule` that says how to make codes of it."""
    if x.dtype.kind in "iu":
        return
    found, hint = str(x.dtype), ""
    if x.dtype.kind in "bf" and x.size:
        few = np.asarray(x[:SAMPLE] if x.ndim else x, np.float64)
        low, high = float(few.min()), float(few.max())
        found += f", {low:g}..{high:g}"
        kind = "np.uint8" if max_code <= 255 else "np.uint16"
        if 0 <= low and high <= max_code and (few == np.round(few)).all() and (high > 1 or max_code == 1):
            hint = f"; x.astype({kind}) makes them"
        elif 0 <= low and high <= 1:
            hint = f"; np.round(x * {max_code}).astype({kind}) makes them, where 1.0 is code {max_code}"
        else:
            hint = "; take pixels as they are before mean and std"
    raise InputError(rule, place, "not an array of integers", found, f"wanted codes 0..{max_code}{hint}")


def as_images(x: NDArray[Any], shape: Shape, max_code: int, rule: str, place: str) -> NDArray[np.integer]:
    """Integers (B, C, H, W) for an input of `shape`, B 1 or more; (B, H, W) is taken for one channel (RUN-1). Errors:
    InputError naming `rule`.
    """
    check_integers(x, max_code, rule, place)
    if x.ndim == 3 and shape == (1, *x.shape[1:]):
        x = x[:, None]
    if x.ndim != 4 or x.shape[1:] != shape:
        raise InputError(rule, place, "shape is not the input's", x.shape, _images_told(x.shape, shape))
    if len(x) == 0:
        raise InputError(rule, place, "there are none", 0, "wanted 1 or more")
    return x


def _images_told(shape: tuple[int, ...], wanted: Shape) -> str:
    """What images (B, C, H, W) are wanted where an array of another shape stands, and what makes them of it."""
    c, h, w = wanted
    told = f"wanted (B, {c}, {h}, {w})"
    if len(shape) == 4 and shape[3] == c != shape[1]:
        told += "; channels are last: x.transpose(0, 3, 1, 2) puts them first"
    elif len(shape) == 4 and shape[1] == 4 and c == 3:
        told += "; is the fourth channel alpha? x[:, :3] leaves it out"
    elif shape == (h, w, c):
        told += "; x.transpose(2, 0, 1)[None] makes one image of it"
    elif shape == wanted:
        told += "; x[None] makes one image of it"
    elif len(shape) == 2 and shape[1] == c * h * w:
        told += f"; x.reshape(-1, {c}, {h}, {w}) makes them, if the order is channel, row, column"
    elif len(shape) >= 3 and shape[-2:] != (h, w):
        told += "; arrays are taken as they are: resize and crop are for image files"
    return told


def as_labels(y: NDArray[Any], images: int, classes: int, rule: str, place: str) -> NDArray[np.integer]:
    """Integers (B,), one for each of so many images (RUN-1). Errors: InputError naming `rule`."""
    wanted, problem, hint = f"wanted one class 0..{classes - 1} per image, ({images},)", "not one per image", ""
    if y.shape == (images, classes) and classes > 1:
        problem, hint = "one-hot", ": y.argmax(1) makes it"
    elif y.shape == (images, 1):
        hint = ": y.ravel() makes it"
    if y.shape != (images,):
        raise InputError(rule, place, problem, y.shape, wanted + hint)
    if y.dtype.kind not in "iu":
        hint = ": y.astype(np.int64) makes it" if y.dtype.kind in "bf" else ""
        raise InputError(rule, place, "not an array of integers", y.dtype, wanted + hint)
    return y
