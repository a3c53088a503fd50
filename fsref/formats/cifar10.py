"""CIFAR-10 in its official binary form: records of a label byte and 3,072 pixels, channel, row, column (RUN-4)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fsref.errors import FileError

FILES = {"cifar10": ("test_batch.bin",), "cifar10-train": tuple(f"data_batch_{k}.bin" for k in range(1, 6))}
RECORD = 1 + 3 * 32 * 32


def read_batches(folder: Path, kind: str, limit: int | None) -> tuple[NDArray[np.uint8], NDArray[np.uint8], list[str]]:
    """Images (B, 3, 32, 32), labels (B,) and names of the batches of this kind in a folder. Errors: FileError."""
    batches, names = [], []
    for file in FILES[kind]:
        path = folder / file
        try:
            raw = np.fromfile(path, np.uint8, -1 if limit is None else limit * RECORD)
        except OSError as error:
            raise FileError("RUN-4", str(path), "cannot be read", error.strerror or str(error)) from None
        if raw.size == 0 or raw.size % RECORD:
            raise FileError(
                "RUN-4",
                str(path),
                "file is truncated or not CIFAR-10",
                f"{raw.size} bytes",
                f"whole records of {RECORD} bytes, 1 or more",
            )
        batches.append(raw.reshape(-1, RECORD))
        names += [f"{file}[{index}]" for index in range(len(batches[-1]))]
        if limit is not None and len(names) >= limit:
            break
    records = np.concatenate(batches)[:limit]
    return records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0], names[: len(records)]
