"""Images and labels as arrays, in an npz or a .npy (RUN-4): what is taken, and what would make it of what is not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, InputError
from fsref.formats.container import MAX_FILE, read_file
from fsref.formats.intake import Intake
from fsref.formats.labels import few
from fsref.formats.npy import header_of, read_array
from fsref.formats.reading import read_whole
from fsref.law.arrays import as_images, as_labels, check_integers
from fsref.law.populations import Shape

INTEGERS = ("|i1", "|u1", *(f"{order}{sign}{size}" for order in "<>" for sign in "iu" for size in (2, 4, 8)))
OTHERS = ("|b1", *(f"{order}f{size}" for order in "<>" for size in (2, 4, 8)))  # read to say what would do


def images_of_npz(
    path: Path, into: Intake, limit: int | None, images: str = "x", labels: str = "y"
) -> tuple[NDArray[np.integer], NDArray[np.integer] | None]:
    """The first images (B, C, H, W) of an npz, and their classes (B,), if it has any and the network, too. Errors:
    FileError, InputError.
    """
    members = read_file(path)
    wanted = {images: f"wanted codes 0..{into.pixels.max_code}"}
    if into.count:
        wanted[labels] = f"wanted numbers of classes 0..{into.count - 1}"
    found = {
        name: _array(data, f"{path}: {name}", limit_told)
        for name, limit_told in wanted.items()
        if (data := members.get(f"{name}.npy")) is not None
    }
    if images not in found:
        there = few(sorted(name.removesuffix(".npy") for name in members)) or "none"
        told = f"there are {there}; wanted images x and, with classes, y: np.savez(FILE, x=..., y=...)"
        raise FileError("FILE-1", str(path), "array is missing", images, told)
    x = as_images(found[images], into.shape, into.pixels.max_code, "RUN-4", f"{path}: {images}")
    y = found.get(labels)
    if y is not None:
        y = as_labels(y, len(x), into.count, "RUN-4", f"{path}: {labels}")
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
            with _types_told(str(path), wanted):
                header = header_of(file, str(path), INTEGERS + OTHERS, fortran=True)
            shape = header.shape
            if shape not in ((1, *into.shape), into.shape) and (1, *shape) != into.shape:
                raise InputError(
                    "RUN-4", str(path), "not one image of the input's size", shape, _one(shape, into.shape)
                )
            file.seek(0)
            x = _array(file.read(header.start + prod(shape) * header.kind.itemsize), str(path), wanted)
    except OSError as error:
        raise FileError("RUN-4", str(path), "cannot be read", error.strerror or str(error)) from None
    check_integers(x, into.pixels.max_code, "RUN-4", str(path))
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


def _one(shape: tuple[int, ...], wanted: Shape) -> str:
    """What one image (C, H, W) would do in the place of an array of this shape, and what makes it of that."""
    c, h, w = wanted
    told = f"wanted {wanted}"
    if shape in ((h, w, c), (1, h, w, c)):
        told += f"; channels are last: x.transpose({'2, 0, 1' if len(shape) == 3 else '0, 3, 1, 2'}) puts them first"
    elif len(shape) == 4 and shape[1:] == wanted:
        told += "; more images go into an npz: np.savez(FILE, x=x)"
    return told


def membranes_of(path: Path, name: str = "membranes") -> NDArray[np.float64]:
    """Real membranes, of any shape: a .npy, or the array of this name in an .npz (FIT-2). Errors: FileError."""
    if path.suffix.lower() == ".npy":
        data = read_whole(path, "FIT-2", MAX_FILE, "a .npy of membranes")
    else:
        members = read_file(path, "an .npz or .npy of membranes")
        if f"{name}.npy" not in members:
            there = few(sorted(member.removesuffix(".npy") for member in members)) or "none"
            raise FileError("FIT-2", str(path), "array is missing", name, f"there are {there}")
        data = members[f"{name}.npy"]
    return read_array(data, str(path), INTEGERS + OTHERS[1:], fortran=True, axes=32).astype(np.float64)
