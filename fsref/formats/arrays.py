"""Images and labels as arrays, in an npz or a .npy (RUN-4): what is taken, and what would make it of what is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, InputError
from fsref.formats.container import read_file
from fsref.formats.intake import Intake
from fsref.formats.labels import few
from fsref.formats.npy import MAX_HEADER, read_array, read_header
from fsref.law.populations import Shape

INTEGERS = ("|i1", "|u1", *(f"{order}{sign}{size}" for order in "<>" for sign in "iu" for size in (2, 4, 8)))
OTHERS = ("|b1", *(f"{order}f{size}" for order in "<>" for size in (2, 4, 8)))  # read to say what would do
SAMPLE = 64  # rows of an array that say what its numbers are like


def images_of_npz(
    path: Path, into: Intake, limit: int | None, images: str = "x", labels: str = "y"
) -> tuple[NDArray[np.integer], NDArray[np.integer] | None]:
    """The first images (B, C, H, W) of an npz, and their classes (B,), if it has any. Errors: FileError, InputError."""
    members = read_file(path)
    wanted = {
        images: f"wanted codes 0..{into.pixels.max_code}",
        labels: f"wanted numbers of classes 0..{into.count - 1}",
    }
    found = {
        name: _array(data, f"{path}: {name}", limit_told)
        for name, limit_told in wanted.items()
        if (data := members.get(f"{name}.npy")) is not None
    }
    if images not in found:
        there = few(sorted(name.removesuffix(".npy") for name in members)) or "none"
        told = f"there are {there}; wanted images x and, with classes, y: np.savez(FILE, x=..., y=...)"
        raise FileError("FILE-1", str(path), "array is missing", images, told)
    x, place = found[images], f"{path}: {images}"
    if x.ndim == 3 and into.shape[0] == 1 and x.shape[1:] == into.shape[1:]:
        x = x[:, None]
    _check_integers(x, place, into)
    if x.ndim != 4 or x.shape[1:] != into.shape or len(x) == 0:
        raise InputError("RUN-4", place, "not images of the input's size", x.shape, _wanted(x.shape, into.shape))
    y = None if labels not in found else _classes(found[labels], f"{path}: {labels}", len(x), into.count)
    return x[:limit], None if y is None else y[:limit]


def image_of_npy(path: Path, into: Intake) -> NDArray[np.integer]:
    """The codes (C, H, W) of a .npy with one image: (C, H, W), (1, C, H, W), or (H, W) when C = 1. Errors: FileError,
    InputError.
    """
    wanted = f"wanted codes 0..{into.pixels.max_code}"
    try:
        if not path.is_file():
            raise FileError("RUN-4", str(path), "no such file" if not path.exists() else "is not a file")
        with path.open("rb") as file:
            head, size = file.read(12 + MAX_HEADER), path.stat().st_size
            with _types_told(str(path), wanted):
                shape = read_header(head, str(path), INTEGERS + OTHERS, True, size).shape
            if shape not in ((1, *into.shape), into.shape) and (1, *shape) != into.shape:
                raise InputError(
                    "RUN-4", str(path), "not one image of the input's size", shape, _one(shape, into.shape)
                )
            x = _array(head + file.read(size), str(path), wanted)
    except OSError as error:
        raise FileError("RUN-4", str(path), "cannot be read", error.strerror or str(error)) from None
    _check_integers(x, str(path), into)
    one: NDArray[np.integer] = x.reshape(into.shape)
    into.check_codes(one[None], [str(path)])
    return one


@contextmanager
def _types_told(place: str, limit: str) -> Iterator[None]:
    """Says what is wanted where a .npy has a type that is none of numbers, such as text. Errors: InputError."""
    try:
        yield
    except FileError as error:
        if not error.problem.startswith("type is not"):
            raise
        raise InputError("RUN-4", place, "not an array of integers", error.value, limit) from None


def _array(data: bytes, place: str, limit: str) -> NDArray[Any]:
    """The array of a .npy, of numbers of any type, in the byte order of this machine. Errors: FileError, InputError."""
    with _types_told(place, limit):
        found = read_array(data, place, INTEGERS + OTHERS, fortran=True)
    return found.astype(found.dtype.newbyteorder("="), copy=False)


def _check_integers(x: NDArray[Any], place: str, into: Intake) -> None:
    """Nothing, when an array is one of integers. Errors: InputError that says how to make codes of it."""
    if x.dtype.kind in "iu":
        return
    top, few_rows = into.pixels.max_code, np.asarray(x[:SAMPLE] if x.ndim else x, np.float64)
    low, high = (float(few_rows.min()), float(few_rows.max())) if few_rows.size else (0.0, 0.0)
    kind = "np.uint8" if top <= 255 else "np.uint16"
    if 0 <= low and high <= top and (few_rows == np.round(few_rows)).all() and (high > 1 or top == 1):
        hint = f"x.astype({kind}) makes them"
    elif 0 <= low and high <= 1:
        hint = f"np.round(x * {top}).astype({kind}) makes them of 0..1"
    else:
        hint = "take pixels as they are before mean and std"
    problem, limit = "not an array of integers", f"wanted codes 0..{top}; {hint}"
    raise InputError("RUN-4", place, problem, f"{x.dtype}, {low:g}..{high:g}", limit)


def _wanted(shape: tuple[int, ...], wanted: Shape) -> str:
    """What images (B, C, H, W) would do in the place of an array of this shape, and what makes them of it."""
    c, h, w = wanted
    told = f"wanted (B, {c}, {h}, {w}), B 1 or more"
    if len(shape) == 4 and shape[3] == c != shape[1]:
        told += "; channels are last: x.transpose(0, 3, 1, 2) puts them first"
    elif len(shape) == 4 and shape[1] == 4 and c == 3:
        told += "; is the fourth channel alpha? x[:, :3] leaves it out"
    elif len(shape) == 3 and shape == (h, w, c):
        told += "; x.transpose(2, 0, 1)[None] makes one image of it"
    elif len(shape) == 3 and shape == wanted:
        told += "; x[None] makes one image of it"
    elif len(shape) == 2 and shape[1] == c * h * w:
        told += f"; x.reshape(-1, {c}, {h}, {w}) makes them, if the order is channel, row, column"
    elif len(shape) >= 3 and shape[-2:] != (h, w):
        told += "; arrays are taken as they are: --resize and --crop are for image files"
    return told


def _one(shape: tuple[int, ...], wanted: Shape) -> str:
    """What one image (C, H, W) would do in the place of an array of this shape, and what makes it of that."""
    c, h, w = wanted
    told = f"wanted {wanted}"
    if shape in ((h, w, c), (1, h, w, c)):
        told += f"; channels are last: x.transpose({'2, 0, 1' if len(shape) == 3 else '0, 3, 1, 2'}) puts them first"
    elif len(shape) == 4 and shape[1:] == wanted:
        told += "; more images go into an npz: np.savez(FILE, x=x)"
    return told


def _classes(y: NDArray[Any], place: str, images: int, count: int) -> NDArray[np.integer]:
    """The labels (B,) when they are integers, one for each image. Errors: InputError."""
    wanted = f"wanted one class 0..{count - 1} per image, ({images},)"
    if y.shape == (images, count) and count > 1:
        raise InputError("RUN-4", place, "one-hot", y.shape, f"{wanted}: y.argmax(1) makes it")
    if y.shape == (images, 1):
        raise InputError("RUN-4", place, "not one class per image", y.shape, f"{wanted}: y.ravel() makes it")
    if y.shape != (images,):
        raise InputError("RUN-4", place, "not one class per image", y.shape, wanted)
    if y.dtype.kind not in "iu":
        raise InputError("RUN-4", place, "not an array of integers", y.dtype, f"{wanted}: y.astype(np.int64) makes it")
    return y
