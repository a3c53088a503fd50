"""CIFAR-10 in its official binary form: records of a label byte and 3,072 pixels, channel, row, column (RUN-4)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError, InputError
from fsref.formats.datasets import FILES, would_do
from fsref.formats.intake import Intake
from fsref.formats.labels import NUMBERED, Labelling, labelling, plain

RECORD = 1 + 3 * 32 * 32
MAX_BATCH = 2**32  # bytes of a file
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def read_batches(folder: Path, kind: str, limit: int | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[str]]:
    """Images (B, 3, 32, 32), labels (B,) and names of the batches of this kind in a folder. Errors: FileError."""
    batches: list[NDArray[np.uint8]] = []
    names: list[str] = []
    for file in FILES[kind]:
        path = folder / file
        try:
            if not path.is_file():
                raise FileError("RUN-4", str(path), "no such file", None, would_do(folder))
            size = path.stat().st_size
            if size == 0 or size % RECORD or size > MAX_BATCH:
                problem, limit_told = (
                    "file is truncated or not CIFAR-10",
                    f"wanted whole records of {RECORD} bytes, 1 or more",
                )
                raise FileError("RUN-4", str(path), problem, f"{size} bytes", limit_told)
            wanted = size // RECORD if limit is None else min(limit - len(names), size // RECORD)
            batches.append(np.fromfile(path, np.uint8, wanted * RECORD).reshape(-1, RECORD))
        except OSError as error:
            raise FileError("RUN-4", str(path), "cannot be read", error.strerror or str(error)) from None
        names += [f"{file}[{index}]" for index in range(len(batches[-1]))]
        if len(names) == limit:
            break
    records = np.concatenate(batches)
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0], names


def classes_of_cifar10(into: Intake, place: str) -> Labelling:
    """How the labels of CIFAR-10 are read: by name where the network names all ten, else by number, unless it gives a
    name of theirs another number (RUN-4). Errors: InputError.
    """
    own = [plain(name) for name in into.classes]
    if all(plain(name) in own for name in CLASSES):
        return labelling(dict.fromkeys(CLASSES, place), into, place)
    for number, name in enumerate(CLASSES):
        if plain(name) in own and own.index(plain(name)) != number:
            problem, limit = (
                f"{name} is class {number}",
                "wanted the classes of CIFAR-10 in their order, or all ten by name",
            )
            raise InputError("RUN-4", place, problem, f"{own.index(plain(name))} in the network", limit)
    return NUMBERED
