"""Folders of images: with labels.csv, with a folder per class, or of images alone (RUN-4)."""

from __future__ import annotations

import csv
from pathlib import Path

from fsref.errors import FileError
from fsref.formats.cifar10 import FILES
from fsref.formats.image_files import SUFFIXES
from fsref.formats.intake import Intake


def listed(folder: Path, into: Intake) -> list[tuple[str, int | None]]:
    """The image files of a folder, by name relative to it, and their classes, None for all when it has none. Errors:
    FileError.
    """
    if (table := folder / "labels.csv").is_file():
        return _from_csv(table, into)
    classes = sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not classes:
        return [(name, None) for name in image_files(folder)]
    if set(classes) <= set(into.classes):
        number = {name: into.classes.index(name) for name in classes}
    elif len(classes) == into.count:
        number = {name: index for index, name in enumerate(classes)}
    else:
        limit = f"{into.count} classes: {', '.join(into.classes) or 'without names'}"
        raise FileError(
            "RUN-4", str(folder), "folders are neither classes by name nor one per class", ", ".join(classes), limit
        )
    ranked = [(rank, name, file) for name in classes for rank, file in enumerate(image_files(folder / name))]
    return [(f"{name}/{file}", number[name]) for _, name, file in sorted(ranked)]


def image_files(folder: Path) -> list[str]:
    """The sorted names of the image files of one folder. Errors: FileError when there are none."""
    files = sorted(p.name for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    if not files:
        kind = next(
            (kind for kind, batches in FILES.items() if all((folder / name).is_file() for name in batches)), None
        )
        limit = ", ".join(sorted(SUFFIXES)) if kind is None else f"did you mean {kind}:{folder}?"
        raise FileError("RUN-4", str(folder), "holds no image files", None, limit)
    return files


def _from_csv(table: Path, into: Intake) -> list[tuple[str, int | None]]:
    """The rows of a labels.csv with columns file and label, a label being the name of a class or its number; files are
    looked for in the folder `images` beside it, if there is one. Errors: FileError.
    """
    try:
        with table.open(newline="", encoding="utf-8-sig") as text:
            rows = [(line, row) for line, row in enumerate(csv.reader(text, strict=True), start=1) if row]
    except (OSError, UnicodeError, csv.Error) as error:
        raise FileError("RUN-4", str(table), "cannot be read", str(error)) from None
    if not rows or rows[0][1] != ["file", "label"]:
        raise FileError(
            "RUN-4",
            str(table),
            "does not begin with the header file,label",
            ",".join(rows[0][1]) if rows else "nothing",
        )
    if len(rows) < 2:
        raise FileError("RUN-4", str(table), "names no image", None, "after the header file,label a row per image")
    number = {str(index): index for index in range(into.count)} | {
        name: index for index, name in enumerate(into.classes)
    }
    for line, row in rows[1:]:
        if len(row) != 2 or row[1] not in number:
            raise FileError(
                "RUN-4",
                f"{table} line {line}",
                "not a file and a class",
                ",".join(row),
                f"a name of a class or 0..{into.count - 1}",
            )
    inside = "images/" if (table.parent / "images").is_dir() else ""
    return [(inside + row[0], number[row[1]]) for _, row in rows[1:]]
