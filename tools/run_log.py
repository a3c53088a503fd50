# SPDX-License-Identifier: Apache-2.0
"""The log of a long measurement: lines of JSON, each named by digests of what it was made from, so that a start that
finds them goes on where they end.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


class Log:
    """The lines of JSON of one file, those of an earlier start among them.

    The keys are those of the logs in reference_models: "labels" there is what a classifier answered.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[dict[str, Any]] = []
        if path.exists():
            whole = path.read_bytes()
            whole = whole[: whole.rfind(b"\n") + 1]
            self.lines = [json.loads(line) for line in whole.splitlines()]
            os.truncate(path, len(whole))  # the rest of the last line was cut off

    def found(self, **fields: Any) -> dict[str, Any] | None:
        """The first line that has all these values, None when there is none."""
        having = (line for line in self.lines if all(line.get(key) == value for key, value in fields.items()))
        return next(having, None)

    def add(self, **line: Any) -> dict[str, Any]:
        """Write a line."""
        self.lines.append(line)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        return line


def sha256(data: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest(*arrays: ArrayLike) -> str:
    """What names images, and their labels, in a log: the SHA-256 of their values as 64-bit integers."""
    return sha256(b"".join(np.asarray(array, "<i8").tobytes() for array in arrays))
