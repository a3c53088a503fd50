"""Folders of images: with labels.csv, with a folder per class, or of images alone (RUN-4)."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryFile

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, LimitError
from fsref.formats.datasets import would_do
from fsref.formats.files import reserve
from fsref.formats.image_files import SUFFIXES
from fsref.formats.intake import Intake
from fsref.formats.labels import Labelling, labelling
from fsref.law.populations import Shape

MAX_IMAGES = 2**21  # of a folder
MAX_HELD = 2**28  # bytes of images that lie in memory
MAX_TABLE = 2**26  # bytes of a labels.csv
HEADER = ["file", "label"]


@dataclass(frozen=True)
class Listed:
    """The image files of a folder, by names relative to it; their classes, and how these were read, if it has any; and
    what else lies where images are looked for.
    """

    names: list[str]
    classes: list[int] | None = None
    labelling: Labelling | None = None
    left_out: Sequence[str] = ()


def listed(folder: Path, into: Intake) -> Listed:
    """What a folder holds. Errors: FileError."""
    try:
        found = _listed(folder, into)
    except OSError as error:
        raise FileError(
            "RUN-4", str(error.filename or folder), "cannot be read", error.strerror or str(error)
        ) from None
    if len(found.names) > MAX_IMAGES:
        raise FileError("RUN-4", str(folder), "too many images", len(found.names), f"at most {MAX_IMAGES:,}")
    return found


def _listed(folder: Path, into: Intake) -> Listed:
    """What a folder holds, as its owner lets it be read. Errors: FileError, OSError."""
    if (table := folder / "labels.csv").is_file():
        return _from_csv(table, into)
    folders = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not folders:
        return Listed(image_files(folder), left_out=left_out(folder))
    known = labelling({name: f"{folder}/{name}" for name in folders}, into, str(folder)) if into.count else None
    ranked = [(rank, name, file) for name in folders for rank, file in enumerate(image_files(folder / name))]
    in_turn = [(name, file) for _, name, file in sorted(ranked)]
    names = [f"{name}/{file}" for name, file in in_turn]
    classes = None if known is None else [known.classes[name] for name, _ in in_turn]
    beside = sorted(p.name for p in folder.iterdir() if p.is_file() and _is_image(p))
    return Listed(
        names, classes, known, [*beside, *(f"{name}/{file}" for name in folders for file in left_out(folder / name))]
    )


def image_files(folder: Path) -> list[str]:
    """The sorted names of the image files of one folder. Errors: FileError when there are none; OSError."""
    files = sorted(p.name for p in folder.iterdir() if _is_image(p))
    if not files:
        limit = would_do(folder) or f"wanted {', '.join(sorted(SUFFIXES))}"
        raise FileError("RUN-4", str(folder), "holds no image files", None, limit)
    return files


def left_out(folder: Path) -> list[str]:
    """The sorted names of what else lies in a folder of images. Errors: OSError."""
    return sorted(p.name for p in folder.iterdir() if not _is_image(p) and not p.name.startswith("."))


def _is_image(path: Path) -> bool:
    """Whether a name is one of an image file, and not hidden."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _from_csv(table: Path, into: Intake) -> Listed:
    """The rows of a labels.csv with columns file and label, a label being the name of a class or its number; files are
    looked for in the folder `images` beside it, if there is one. Errors: FileError.
    """
    place = str(table)
    if (size := table.stat().st_size) > MAX_TABLE:
        raise FileError("RUN-4", place, "is too large", f"{size:,} bytes", f"at most {MAX_TABLE:,}")
    rows = []
    try:
        with table.open(newline="", encoding="utf-8-sig") as text:
            for line, row in enumerate(csv.reader(text, strict=True), start=1):
                if row:
                    rows.append((line, row))
                if len(rows) > 1 + MAX_IMAGES:
                    raise FileError("RUN-4", place, "names too many images", None, f"at most {MAX_IMAGES:,}")
    except (UnicodeError, csv.Error) as error:
        raise FileError("RUN-4", place, "cannot be read", str(error)) from None
    if not rows or rows[0][1] != HEADER:
        found = ",".join(rows[0][1]) if rows else "nothing"
        limit = "between commas, in this order, no other columns"
        raise FileError("RUN-4", place, "does not begin with the header file,label", found, limit)
    if len(rows) < 2:
        raise FileError("RUN-4", place, "names no image", None, "after the header file,label a row per image")
    for line, row in rows[1:]:
        if len(row) != 2:
            raise FileError(
                "RUN-4", f"{place} line {line}", "not a file and a class", ",".join(row), "wanted file,label"
            )
        if _leads_out(row[0]):
            limit = "wanted a path below it, without .. and no absolute one"
            raise FileError("RUN-4", f"{place} line {line}", "names a file outside its folder", row[0], limit)
    given = dict[str, str]()
    for line, (name, label) in rows[1:]:
        if given.setdefault(name, label) != label:
            limit = f"it had label {given[name]} before"
            raise FileError("RUN-4", f"{place} line {line}", "gives a file another label", name, limit)
    inside = "images/" if (table.parent / "images").is_dir() else ""
    names = [inside + row[0] for _, row in rows[1:]]
    if not into.count:
        return Listed(names)
    known = labelling({row[1]: f"{place} line {line}" for line, row in reversed(rows[1:])}, into, place)
    return Listed(names, [known.classes[row[1]] for _, row in rows[1:]], known)


def _leads_out(name: str) -> bool:
    """Whether a path leads out of the folder it is relative to, here or on Windows; links are not looked at."""
    return bool(PureWindowsPath(name).anchor) or ".." in re.split(r"[/\\]", name)


def room_for(count: int, shape: Shape, place: str) -> NDArray[np.uint8]:
    """Room for so many images (B, C, H, W): in memory, or, for more than MAX_HELD bytes, in a temporary file without a
    name, which the system writes and reads as they are used (RUN-4). Errors: LimitError when the disk is full.
    """
    whole, size = (count, *shape), count * prod(shape)
    if size <= MAX_HELD:
        return np.empty(whole, np.uint8)
    try:
        with TemporaryFile() as file:
            reserve(file, 0, size)
            return np.memmap(file, np.uint8, "r+", shape=whole)
    except OSError as error:
        problem, limit = f"images beyond {MAX_HELD} bytes lie in a temporary file", "TMPDIR=DIR names a folder for it"
        raise LimitError("RUN-4", place, problem, f"{size} bytes: {error.strerror or error}", limit) from None
